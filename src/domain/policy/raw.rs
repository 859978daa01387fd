//! The policy as it is written: every field where it may stand, nothing checked yet.
//!
//! The published schema is made of these types, so their comments are what an editor shows.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::raw_tests::RawTest;
use super::shape::{At, Entries, Text};
use super::{Also, Do, Mode};
use crate::domain::approval::OnExpiry;
use crate::domain::finding::FindingName;
use crate::domain::roster::Side;

/// What partners may do in the tenants that are guarded, and what happens when they may do more.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Partner Warden policy")]
pub(super) struct RawPolicy {
    /// The version of this language: 1.
    #[schemars(extend("const" = 1))]
    pub(super) version: At<u32>,
    /// The ceiling over every response. Default: observe.
    #[serde(default)]
    pub(super) mode: Mode,
    /// The tenants that are guarded: at least one.
    #[schemars(with = "Vec<RawTenant>", length(min = 1))]
    pub(super) tenants: At<Vec<At<RawTenant>>>,
    /// What to do about each finding. Default for critical and high findings: a ticket; for the
    /// rest: a record. The defaults take nothing away.
    #[serde(default)]
    #[schemars(schema_with = "responses")]
    pub(super) respond: Entries<RawResponse>,
    /// Roles that a partner may hold until a moment, for a reason.
    #[serde(default)]
    pub(super) exceptions: Vec<RawException>,
    /// What is never done, whatever is found.
    pub(super) guardrails: Option<RawGuardrails>,
    /// How people are asked before something is carried out: in mode approve, and for
    /// `do: approve`.
    pub(super) approvals: Option<RawApprovals>,
    /// Where tickets go, each under a name of your choice. The first is for responses that name
    /// none.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, RawSink>")]
    pub(super) tickets: Entries<At<RawSink>>,
    /// How long records are kept.
    pub(super) records: Option<RawRecords>,
    /// Tests of this policy, run by `partner-warden policy test`.
    #[serde(default)]
    pub(super) tests: Vec<At<RawTest>>,
}

/// A tenant that is guarded.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Tenant")]
pub(super) struct RawTenant {
    /// The tenant's id: a GUID.
    #[schemars(example = &"11111111-1111-1111-1111-111111111111")]
    pub(super) id: Text,
    /// The name people know it by.
    #[schemars(length(min = 1), example = &"Woodgrove")]
    pub(super) name: Text,
    /// Whose tenant it is. Default: customer.
    #[serde(default)]
    pub(super) side: Side,
    /// The partners this tenant has dealings with (side customer).
    pub(super) partners: Option<At<Vec<RawPartner>>>,
    /// The customers this partner administers (side partner).
    pub(super) customers: Option<At<Vec<RawPartner>>>,
    /// Any partner, or customer, that is not named.
    pub(super) unlisted: Option<RawUnlisted>,
}

/// What is said of everybody who is not named.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Unlisted")]
pub(super) struct RawUnlisted {
    /// What they may hold. Default: nothing.
    #[serde(default)]
    pub(super) allow: RawAllowance,
}

/// A partner, or a customer where the tenant is a partner's own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Partner")]
pub(super) struct RawPartner {
    /// The id of its own tenant: a GUID.
    #[schemars(example = &"22222222-2222-2222-2222-222222222222")]
    pub(super) id: Text,
    /// The name people know it by.
    #[schemars(length(min = 1), example = &"Contoso Reseller")]
    pub(super) name: Text,
    /// Domains whose guest accounts are this partner's; domains below them too.
    #[serde(default)]
    #[schemars(example = ["contoso-reseller.example"])]
    pub(super) domains: Vec<Text>,
    /// Accounts of the guarded tenant that were given to this partner, each by user principal name
    /// or object id.
    #[serde(default)]
    #[schemars(example = ["svc-contoso@woodgrove.example"])]
    pub(super) accounts: Vec<Text>,
    /// What it may hold. Default: nothing.
    #[serde(default)]
    pub(super) allow: RawAllowance,
    /// What is demanded of the way it holds it. Default: nothing.
    pub(super) require: Option<At<RawRequire>>,
}

/// Roles that may be held, and until when.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Allowance")]
pub(super) struct RawAllowance {
    /// The roles: built-in ones by name or template id, custom ones by id.
    #[serde(default)]
    #[schemars(example = ["Directory Readers", "Service Support Administrator"])]
    pub(super) roles: Vec<Text>,
    /// The end: a day (2027-03-31, to its end in UTC) or a moment (2027-03-31T18:00Z). Default: no
    /// end.
    #[schemars(example = &"2027-03-31")]
    pub(super) until: Option<Text>,
}

/// What is demanded of the way in which roles are held.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Requirement")]
pub(super) struct RawRequire {
    /// Whether conditional access must demand multifactor authentication of its people (side
    /// customer). Default: false.
    pub(super) mfa: Option<At<bool>>,
    /// The longest a grant or a relationship may last, and none without an end: an ISO 8601
    /// duration in days, hours, minutes or seconds, such as P180D. Default: any length.
    #[schemars(example = &"P180D")]
    pub(super) max_duration: Option<Text>,
    /// Whether roles may only be activated for a time, not held all the time (side customer).
    /// Default: false.
    pub(super) eligible: Option<At<bool>>,
}

/// What to do about a finding, and whom to tell.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Response")]
pub(super) struct RawResponse {
    /// What to do.
    pub(super) r#do: At<Do>,
    /// Whom to tell: a name under `tickets`. Default: the first of them.
    #[schemars(example = &"security")]
    pub(super) ticket: Option<Text>,
    /// What is done too, to the guest or the application from whom something is taken away.
    #[serde(default)]
    #[schemars(with = "Vec<Also>", example = ["revoke-sessions"])]
    pub(super) also: Vec<At<Also>>,
    /// What is done where Microsoft refuses to take it away. Default: a ticket says so.
    pub(super) if_refused: Option<At<IfRefused>>,
}

/// What is done where Microsoft refuses to take something away.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum IfRefused {
    /// The partner is blocked by conditional access.
    Quarantine,
}

/// A role that a partner may hold until a moment, for a reason.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Exception")]
pub(super) struct RawException {
    /// The tenant it is for, by name or id. Default: every tenant.
    #[schemars(example = &"Woodgrove")]
    pub(super) tenant: Option<Text>,
    /// The partner it is for, by name or id; on side partner the customer.
    #[schemars(example = &"Contoso Reseller")]
    pub(super) partner: Text,
    /// The role: a built-in one by name or template id, a custom one by id.
    #[schemars(example = &"Exchange Administrator")]
    pub(super) role: Text,
    /// The end: a day (to its end in UTC) or a moment.
    #[schemars(example = &"2026-12-24T18:00Z")]
    pub(super) until: Text,
    /// Why.
    #[schemars(length(min = 1), example = &"mailbox migration")]
    pub(super) reason: Text,
    /// The change or ticket that stands behind it.
    #[schemars(example = &"CHG-4711")]
    pub(super) ticket: Option<Text>,
}

/// What is never done, whatever is found.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Guardrails")]
pub(super) struct RawGuardrails {
    /// What nothing is ever taken from: accounts, each by user principal name or object id; of a
    /// partner's own tenant also relationships, customers and groups, each by id.
    #[serde(default)]
    #[schemars(example = ["breakglass@woodgrove.example"])]
    pub(super) protected: Vec<Text>,
    /// The most revocations in one tenant within `per`; what is more becomes tickets. Default: 50.
    pub(super) max_revocations: Option<u32>,
    /// The window of `maxRevocations`: an ISO 8601 duration, or one such as 1h. Default: 1h.
    #[schemars(example = &"1h")]
    pub(super) per: Option<Text>,
    /// Times in which nothing is written: what is found waits for their end, and is told meanwhile.
    #[serde(default)]
    pub(super) planned_changes: Vec<RawPlannedChange>,
}

/// A time in which nothing is written, for a change that people have planned.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PlannedChange")]
pub(super) struct RawPlannedChange {
    /// The tenant it is for, by name or id. Default: every tenant.
    #[schemars(example = &"Woodgrove")]
    pub(super) tenant: Option<Text>,
    /// The partner it is for, by name or id; on side partner the customer. Default: every partner.
    #[schemars(example = &"Contoso Reseller")]
    pub(super) partner: Option<Text>,
    /// The beginning: a day (from its first moment in UTC) or a moment.
    #[schemars(example = &"2026-12-24T18:00Z")]
    pub(super) from: Text,
    /// The end: a day (to its end in UTC) or a moment, at most 31 days later.
    #[schemars(example = &"2026-12-24T22:00Z")]
    pub(super) until: Text,
    /// Why.
    #[schemars(length(min = 1), example = &"mailbox migration")]
    pub(super) reason: Text,
    /// The change or ticket that stands behind it.
    #[schemars(example = &"CHG-4711")]
    pub(super) ticket: Option<Text>,
}

/// How people are asked before something is carried out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Approvals")]
pub(super) struct RawApprovals {
    /// How long a person may take to answer: an ISO 8601 duration such as P3D. Default: P3D.
    #[schemars(example = &"P3D")]
    pub(super) expire: Option<Text>,
    /// What becomes of what nobody answered: it is asked again, held back, or carried out (in mode
    /// enforce alone). Default: ask-again.
    pub(super) on_expiry: Option<At<OnExpiry>>,
    /// How many people have to agree: 1 or 2. Default: 1.
    #[schemars(with = "Option<u32>", extend("enum" = [1, 2]))]
    pub(super) people: Option<At<u32>>,
}

/// How long records are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Records")]
pub(super) struct RawRecords {
    /// The records of a closed case are removed this long after its last one: an ISO 8601 duration
    /// such as P2Y; a year counts 366 days, a month 31. Default: they are kept for ever.
    #[schemars(example = &"P2Y")]
    pub(super) keep: Option<Text>,
}

/// Where tickets go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sink")]
pub(super) struct RawSink {
    /// What kind of system it is.
    #[schemars(extend("enum" = ["webhook"]))]
    pub(super) kind: Text,
    /// Where to: https, or http to this machine.
    #[schemars(extend("format" = "uri"))]
    pub(super) url: Option<Text>,
}

/// One field for each finding, with what it means.
fn responses(generator: &mut SchemaGenerator) -> Schema {
    let response = generator.subschema_for::<RawResponse>();
    let names = FindingName::json_schema(generator);
    let names = names.get("oneOf").and_then(|names| names.as_array()).cloned().unwrap_or_default();
    let field = |name: &serde_json::Value| {
        let mut schema = response.clone();
        schema.insert("description".to_owned(), name.get("description")?.clone());
        Some((name.get("const")?.as_str()?.to_owned(), schema.to_value()))
    };
    let fields: serde_json::Map<_, _> = names.iter().filter_map(field).collect();
    json_schema!({ "type": "object", "properties": fields, "additionalProperties": false })
}
