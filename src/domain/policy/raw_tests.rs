//! The tests of a policy as they are written.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::Mode;
use super::shape::{Anything, At, Several, Text, Told, WordsOr};
use crate::domain::facts::{GapCause, Part};

/// A test: what is given, and what this policy must make of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Test")]
pub(super) struct RawTest {
    /// What it shows, in a sentence.
    #[schemars(length(min = 1), example = &"reseller must not be Global Administrator")]
    pub(super) name: Text,
    /// The tenant, by name or id. Default: the one tenant of the policy.
    pub(super) tenant: Option<Text>,
    /// The moment of the decision: a day (its noon in UTC) or a moment. Default: now.
    #[schemars(example = &"2026-12-01")]
    pub(super) at: Option<Text>,
    /// The ceiling. Default: enforce, whatever the policy says; tests ask what it decides.
    pub(super) mode: Option<Mode>,
    /// What is the case, beside a tenant in good order.
    #[serde(default)]
    #[schemars(schema_with = "several_given")]
    pub(super) given: Several<Told<RawGiven>>,
    /// What must be found, and the strongest response.
    #[schemars(schema_with = "expectation")]
    pub(super) expect: At<WordsOr<RawExpect>>,
}

/// One fact, in short form: one of the first group of fields says what it is about.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(rename = "Given")]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the language")]
pub(super) struct RawGiven {
    /// A group in the own directory of this partner, by the partner's name or id (delegated
    /// administration). Without a role: the partner is a service provider of the tenant.
    pub(super) partner: Option<Text>,
    /// The same for a partner that the policy does not name; any name will do.
    pub(super) stranger: Option<Text>,
    /// A guest account, by its mail address.
    pub(super) guest: Option<Text>,
    /// An account of the tenant that was given to a partner, as the policy names it.
    pub(super) account: Option<Text>,
    /// An application, by name.
    pub(super) app: Option<Text>,
    /// One of the tenant's own people, by user principal name.
    pub(super) member: Option<Text>,
    /// A principal of which nobody can say whose it is; any name will do.
    pub(super) unknown: Option<Text>,
    /// A part of the tenant that could not be read.
    pub(super) unreadable: Option<Part>,
    /// Of whom conditional access demands multifactor authentication. Default: everyone.
    pub(super) mfa: Option<RawMfa>,
    /// A partner whose people the demand for multifactor authentication leaves out.
    pub(super) mfa_exempts: Option<Text>,
    /// A partner whose word is taken for the multifactor authentication of its people.
    pub(super) trusts_mfa_of: Option<Text>,
    /// A conditional access policy as Microsoft Graph gives it. It replaces the one that demands
    /// multifactor authentication of everyone.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub(super) conditional_access: Option<At<Anything>>,
    /// A partner that governs this tenant by a governance relationship.
    pub(super) governed_by: Option<Text>,
    /// Side partner: a granular delegated admin relationship, by name.
    pub(super) relationship: Option<Text>,
    /// Side partner: a customer that still lets this partner administer it by the old way (DAP).
    pub(super) dap: Option<Text>,
    /// `none`: nobody of the tenant's own holds Global Administrator. Default: somebody does.
    pub(super) administrators: Option<At<RawNone>>,
    /// A file of facts written by `partner-warden facts export`, from the folder of the policy.
    /// Nothing else may be given beside it.
    pub(super) facts: Option<Text>,

    /// The partner that owns the application.
    pub(super) of: Option<Text>,
    /// The customer of the relationship, by name or id.
    pub(super) customer: Option<Text>,
    /// The role that is held, by name or id; or several.
    #[schemars(with = "OneOrMore")]
    pub(super) role: Several<Text>,
    /// The same, where there are several.
    #[schemars(with = "OneOrMore")]
    pub(super) roles: Several<Text>,
    /// A permission of the application, by id.
    pub(super) permission: Option<Text>,
    /// The group of the tenant's own through which it is held.
    pub(super) via: Option<Text>,
    /// The name of the partner's group. Default: `AdminAgents`.
    pub(super) group: Option<Text>,
    /// Whether the role may only be activated. Default: false.
    pub(super) eligible: bool,
    /// Whether it was activated for a few hours. Default: false.
    pub(super) activated: bool,
    /// When it ends. Default: never; for a relationship, in 90 days.
    pub(super) until: Option<Text>,
    /// Where it holds, such as `/administrativeUnits/…`. Default: the whole directory.
    pub(super) scope: Option<Text>,
    /// Whether the account may sign in. Default: true.
    pub(super) enabled: Option<bool>,
    /// Whether the account is not there at all. Default: false.
    pub(super) missing: bool,
    /// The tenant a guest is at home in. Default: not known; the mail address tells.
    pub(super) home: Option<Text>,
    /// How often this was taken away before. Default: 0.
    pub(super) taken_away_before: u32,
    /// Why it could not be read. Default: denied.
    pub(super) cause: Option<GapCause>,
    /// How long the relationship lasts, such as P730D. Default: P90D.
    pub(super) duration: Option<Text>,
    /// Whether the relationship extends itself. Default: false.
    pub(super) auto_extend: bool,
    /// The status of the relationship. Default: active.
    pub(super) status: Option<Text>,
}

/// In the schema: a name, or several.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is only described, never made")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Of whom multifactor authentication is demanded.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Mfa")]
pub(super) enum RawMfa {
    /// Of everyone, whoever signs in to whatever.
    Everyone,
    /// Of nobody.
    Nobody,
    /// Of everyone, but by a policy that only reports.
    ReportOnly,
}

/// The one word `none`.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "None")]
pub(super) enum RawNone {
    /// There is none.
    None,
}

/// What must come of it, in the long form.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(rename = "Expectation")]
pub(super) struct RawExpect {
    /// Findings there must be; there may be others.
    #[schemars(with = "Vec<crate::domain::finding::FindingName>")]
    pub(super) findings: Vec<Text>,
    /// Findings there must not be.
    #[schemars(with = "Vec<crate::domain::finding::FindingName>")]
    pub(super) without: Vec<Text>,
    /// Whether there must be no other findings. Default: false.
    pub(super) only: bool,
    /// The strongest response.
    #[schemars(with = "Option<super::Do>")]
    pub(super) r#do: Option<Text>,
    /// Words of the reason for which a guardrail holds a step back.
    pub(super) held_back: Option<Text>,
}

fn several_given(generator: &mut SchemaGenerator) -> Schema {
    let given = generator.subschema_for::<RawGiven>();
    let sentence = json_schema!({
        "type": "string",
        "description": "A sentence: `Contoso Reseller holds Global Administrator`.",
    });
    let one = [given.to_value(), sentence.to_value()];
    json_schema!({
        "description": "What is the case, beside a tenant in good order.",
        "anyOf": [{ "type": "array", "items": { "anyOf": one.clone() } }, one[0], one[1]],
    })
}

fn expectation(generator: &mut SchemaGenerator) -> Schema {
    let fields = generator.subschema_for::<RawExpect>();
    let word = json_schema!({
        "type": "string",
        "description": "The name of a finding, or `not` and the name of a finding; a response; \
                        `held-back`; `nothing`.",
    });
    json_schema!({
        "description": "What must be found, and the strongest response: a list of names.",
        "anyOf": [{ "type": "array", "items": word }, word, fields],
    })
}
