//! Directory audit events, as whatever forwards them packs them, signed by Standard Webhooks.
//!
//! Sources: Microsoft Graph metadata, type `directoryAudit`; Azure Monitor's envelope as found in
//! published records of Entra diagnostic settings; "Microsoft Entra audit log categories and
//! activities" for the names.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::standard_webhooks::{self, Headers, WebhookSecret};
use super::{Received, Reject, Verified, bearer, not_json, shaped};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::roster::Roster;
use crate::domain::signal::{Sender, Signal, Subject};
use crate::domain::text;

/// Categories of which every activity can change what a partner may do.
const CATEGORIES: &[&str] = &[
    "RoleManagement",
    "DirectoryManagement",
    "CrossTenantAccessSettings",
    "CrossTenantIdentitySyncSettings",
    "DelegatedAdminServiceProviderConstraints",
    "GroupManagement",
    "Policy",
];

/// Activities of other categories that can, by the beginnings of their names.
const ACTIVITIES: &[&str] = &[
    "add service principal",
    "invite external user",
    "invite internal user to b2b collaboration",
    "redeem external user invite",
    "convert federated user",
    "add app role assignment",
    "consent to application",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DirectoryAudit {
    activity_display_name: String,
    id: Option<Value>,
    category: Option<String>,
    activity_date_time: Option<String>,
    target_resources: Option<Vec<TargetResource>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetResource {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AzureMonitorRecord {
    tenant_id: String,
    properties: Value,
}

/// Verifies a body and reads the audit events in it.
///
/// `tenant` is the tenant the forwarder names for events that carry none; without it such an
/// event is a reason to look at every tenant of the policy.
///
/// # Errors
/// Those of [`standard_webhooks::verify`]; [`Reject::Malformed`] when nothing in the body can be
/// understood.
pub fn receive(
    body: &[u8],
    headers: Headers<'_>,
    keys: &[WebhookSecret],
    tenant: Option<&str>,
    roster: &Roster,
    now: Timestamp,
) -> Result<Received, Reject> {
    standard_webhooks::verify(keys, headers, body, now)?;
    read(body, tenant, roster, now)
}

/// Reads the audit events of a body that a token vouches for.
///
/// # Errors
/// Those of [`bearer::verify`]; [`Reject::Malformed`] when nothing in the body can be understood.
pub fn receive_with_token(
    body: &[u8],
    authorization: Option<&str>,
    by: bearer::Allowed<'_>,
    tenant: Option<&str>,
    roster: &Roster,
    now: Timestamp,
) -> Result<Received, Reject> {
    bearer::verify(authorization, by, roster)?;
    read(body, tenant, roster, now)
}

/// Reads events of a tenant's audit log. They need no further proof: they were read from Microsoft
/// Graph with the tenant's own token. One that cannot be understood is a reason to look all the
/// same, since nobody sends it again in a better form.
pub fn polled(events: &[Value], tenant: TenantId, roster: &Roster, now: Timestamp) -> Received {
    let mut received = Received::default();
    for event in events {
        let digest = Sha256Hex::of(event.to_string().as_bytes());
        let reader = Reader { tenant: Some(tenant), roster, digest, now };
        let mut one = Received::default();
        reader.item("$", Item::Bare(event.clone()), &mut one);
        if one.rejects.iter().any(|reject| matches!(reject, Reject::Malformed { .. })) {
            one.signals.push(Verified::new(reader.unintelligible(tenant)));
        }
        let signals = one.signals.into_iter().map(Verified::into_inner);
        let signals = signals.map(|signal| Signal { sender: Sender::AuditLog, ..signal });
        received.signals.extend(signals.map(Verified::new));
        received.rejects.extend(one.rejects);
        received.irrelevant += one.irrelevant;
    }
    received
}

fn read(
    body: &[u8],
    tenant: Option<&str>,
    roster: &Roster,
    now: Timestamp,
) -> Result<Received, Reject> {
    let tenant = tenant.map(tenant_parameter).transpose()?;
    let json: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let reader = Reader { tenant, roster, digest: Sha256Hex::of(body), now };
    let mut received = Received::default();
    for (path, item) in items(json)? {
        reader.item(&path, item, &mut received);
    }
    match received.rejects.first() {
        Some(Reject::Malformed { .. })
            if received.signals.is_empty() && received.irrelevant == 0 =>
        {
            Err(received.rejects.swap_remove(0))
        }
        _ => Ok(received),
    }
}

fn tenant_parameter(text: &str) -> Result<TenantId, Reject> {
    text.parse().map_err(|_| Reject::Malformed {
        path: "?tenant".to_owned(),
        what: "not a tenant id".to_owned(),
    })
}

enum Item {
    Bare(Value),
    AzureMonitor(Value),
}

/// The events of a body, with the path of each.
fn items(json: Value) -> Result<Vec<(String, Item)>, Reject> {
    let numbered = |prefix: &str, items: Vec<Value>, wrap: fn(Value) -> Item| {
        let items = items.into_iter().enumerate();
        items.map(|(index, item)| (format!("{prefix}[{index}]"), wrap(item))).collect()
    };
    match json {
        Value::Array(items) => Ok(numbered("$", items, Item::Bare)),
        Value::Object(mut object) => match (object.remove("records"), object.remove("value")) {
            (Some(Value::Array(items)), _) => Ok(numbered("$.records", items, Item::AzureMonitor)),
            (None, Some(Value::Array(items))) => Ok(numbered("$.value", items, Item::Bare)),
            (None, None) => Ok(vec![("$".to_owned(), Item::Bare(Value::Object(object)))]),
            (Some(_), _) => Err(not_an_array("$.records")),
            (None, Some(_)) => Err(not_an_array("$.value")),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(Reject::Malformed {
                path: "$".to_owned(),
                what: "neither a directoryAudit nor a collection of them".to_owned(),
            })
        }
    }
}

fn not_an_array(path: &str) -> Reject {
    Reject::Malformed { path: path.to_owned(), what: "not an array".to_owned() }
}

struct Reader<'a> {
    tenant: Option<TenantId>,
    roster: &'a Roster,
    digest: Sha256Hex,
    now: Timestamp,
}

impl Reader<'_> {
    fn item(&self, path: &str, item: Item, received: &mut Received) {
        let read = match item {
            Item::Bare(event) => shaped::<DirectoryAudit>(path, event).map(|e| (self.tenant, e)),
            Item::AzureMonitor(record) => azure_monitor(path, record).map(|(t, e)| (Some(t), e)),
        };
        let (tenant, event) = match read {
            Ok(read) => read,
            Err(reject) => return received.rejects.push(reject),
        };
        if !matters(&event) {
            received.irrelevant += 1;
            return;
        }
        let named: Vec<TenantId> = match tenant {
            Some(id) if self.roster.tenant(id).is_some() => vec![id],
            Some(_) => return received.rejects.push(Reject::UnknownTenant),
            None => self.roster.tenants.iter().map(|tenant| tenant.id).collect(),
        };
        let signals = named.into_iter().map(|tenant| Verified::new(self.signal(tenant, &event)));
        received.signals.extend(signals);
    }

    fn signal(&self, tenant: TenantId, event: &DirectoryAudit) -> Signal {
        // The role is the same in many events; what differs is who got it.
        let is_role = |target: &&TargetResource| {
            target.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("role"))
        };
        let subject = event
            .target_resources
            .iter()
            .flatten()
            .filter(|target| !is_role(target))
            .find_map(|target| target.id.as_deref().filter(|id| !id.is_empty()))
            .map_or_else(Subject::tenant, Subject::object);
        Signal {
            tenant,
            sender: Sender::Audit,
            what: text::foreign(&event.activity_display_name),
            subject,
            event_id: event.id.as_ref().and_then(Value::as_str).map(text::foreign),
            event_at: event.activity_date_time.as_deref().and_then(|at| at.parse().ok()),
            received_at: self.now,
            digest: self.digest.clone(),
        }
    }
}

impl Reader<'_> {
    fn unintelligible(&self, tenant: TenantId) -> Signal {
        Signal {
            tenant,
            sender: Sender::AuditLog,
            what: "an event that cannot be understood".to_owned(),
            subject: Subject::tenant(),
            event_id: None,
            event_at: None,
            received_at: self.now,
            digest: self.digest.clone(),
        }
    }
}

fn azure_monitor(path: &str, record: Value) -> Result<(TenantId, DirectoryAudit), Reject> {
    let record: AzureMonitorRecord = shaped(path, record)?;
    let tenant = record.tenant_id.parse().map_err(|_| Reject::Malformed {
        path: format!("{path}.tenantId"),
        what: "not a tenant id".to_owned(),
    })?;
    Ok((tenant, shaped(&format!("{path}.properties"), record.properties)?))
}

/// Whether an event of this kind can have changed what a partner may do.
fn matters(event: &DirectoryAudit) -> bool {
    let category = event.category.as_deref().unwrap_or_default();
    let activity = event.activity_display_name.to_lowercase();
    CATEGORIES.iter().any(|known| known.eq_ignore_ascii_case(category))
        || ACTIVITIES.iter().any(|beginning| activity.starts_with(beginning))
        || ["role", "partner", "delegated admin"].iter().any(|word| activity.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{Case, WOODGROVE, noon};
    use crate::domain::policy::Policy;
    use crate::domain::secret::Secret;

    fn key() -> WebhookSecret {
        WebhookSecret::parse(&Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")).unwrap()
    }

    fn receive_signed(body: &str, tenant: Option<&str>) -> Result<Received, Reject> {
        let timestamp = noon().as_second().to_string();
        let signature = key().sign("msg_1", noon(), body.as_bytes());
        let headers =
            Headers { id: Some("msg_1"), timestamp: Some(&timestamp), signature: Some(&signature) };
        let roster = Case::new().policy().roster;
        receive(body.as_bytes(), headers, &[key()], tenant, &roster, noon())
    }

    /// Checks what a payload was heard to say, and how many of its events are no business of ours.
    #[track_caller]
    fn check(body: &str, heard: &[&str], irrelevant: usize) {
        let received = receive_signed(body, Some(WOODGROVE)).unwrap();
        let texts: Vec<&str> = received.signals.iter().map(|s| s.as_ref().what.as_str()).collect();
        assert_eq!(texts, heard);
        assert_eq!((received.irrelevant, received.rejects), (irrelevant, vec![]));
        assert!(received.signals.iter().all(|s| s.as_ref().event_at.is_some()), "{body}");
    }

    #[test]
    fn every_envelope_is_opened() {
        check(
            include_str!("../../events/audit/add-member-to-role.json"),
            &["Add member to role"],
            0,
        );
        check(
            include_str!("../../events/audit/add-member-to-role-guest.json"),
            &["Add member to role"],
            0,
        );
        check(
            include_str!("../../events/audit/array.json"),
            &[
                "Remove member from role",
                "Add a partner to cross-tenant access setting",
                "Invite external user",
            ],
            0,
        );
        check(
            include_str!("../../events/audit/value-collection.json"),
            &[
                "Add member to role",
                "Update a partner cross-tenant access setting",
                "Add eligible member to role",
            ],
            0,
        );
        check(
            include_str!("../../events/audit/records-azure-monitor.json"),
            &["Add member to role", "Invite external user"],
            0,
        );
    }

    #[test]
    fn every_kind_of_change_to_a_partner_matters_and_others_do_not() {
        check(
            include_str!("../../events/audit/pim-completed.json"),
            &["Add member to role in PIM completed (permanent)"],
            0,
        );
        check(
            include_str!("../../events/audit/add-partner-to-company.json"),
            &["Add partner to company"],
            0,
        );
        check(
            include_str!("../../events/audit/conditional-access-updated.json"),
            &["Update Conditional Access policy"],
            0,
        );
        check(
            include_str!("../../events/audit/delegated-admin-constraints.json"),
            &["Adding allowed assignable roles"],
            0,
        );
        check(include_str!("../../events/audit/unknown-activity.json"), &[], 1);
    }

    #[test]
    fn events_about_one_object_share_a_subject() {
        let first = receive_signed(
            include_str!("../../events/audit/add-member-to-role.json"),
            Some(WOODGROVE),
        );
        let subject = first.unwrap().signals[0].as_ref().subject.clone();
        assert_eq!(subject, Subject::object("d4a7f3c8-6e21-4950-8b1f-93c05e7a2d6b"));
        let tenant =
            r#"{"activityDisplayName": "Add partner to company", "targetResources": null}"#;
        let received = receive_signed(tenant, Some(WOODGROVE)).unwrap();
        assert_eq!(received.signals[0].as_ref().subject, Subject::tenant());
    }

    #[test]
    fn an_event_that_names_no_tenant_is_a_reason_to_look_at_all() {
        let two = "version: 1\ntenants:\n  - {id: 11111111-1111-1111-1111-111111111111, name: A}\n  \
                   - {id: 44444444-4444-4444-4444-444444444444, name: B}\n";
        let roster = Policy::parse(two).unwrap().policy.roster;
        let event = br#"{"activityDisplayName": "Add member to role"}"#;
        let timestamp = noon().as_second().to_string();
        let signature = key().sign("m", noon(), event);
        let headers =
            Headers { id: Some("m"), timestamp: Some(&timestamp), signature: Some(&signature) };
        let received = receive(event, headers, &[key()], None, &roster, noon()).unwrap();
        let tenants: Vec<TenantId> = received.signals.iter().map(|s| s.as_ref().tenant).collect();
        assert_eq!(tenants, roster.tenants.iter().map(|tenant| tenant.id).collect::<Vec<_>>());
    }

    #[test]
    fn the_tenant_of_an_envelope_counts_before_that_of_the_request() {
        let stranger = "44444444-4444-4444-4444-444444444444";
        let records = include_str!("../../events/audit/records-azure-monitor.json");
        assert_eq!(receive_signed(records, Some(stranger)).unwrap().signals.len(), 2);
        let moved = records.replace(WOODGROVE, stranger);
        let received = receive_signed(&moved, Some(WOODGROVE)).unwrap();
        assert_eq!(received.rejects, [Reject::UnknownTenant, Reject::UnknownTenant]);
        let bare = include_str!("../../events/audit/add-member-to-role.json");
        let received = receive_signed(bare, Some(stranger)).unwrap();
        assert_eq!(received.rejects, [Reject::UnknownTenant]);
    }

    #[test]
    fn what_cannot_be_understood_is_placed_and_not_quoted() {
        for (body, expect) in [
            ("{", "$: not JSON at line 1, column 1"),
            ("7", "$: neither a directoryAudit nor a collection of them"),
            ("{}", "$: the field activityDisplayName is missing"),
            (r#"{"activityDisplayName": 7}"#, "$.activityDisplayName: not of the expected type"),
            (
                r#"[{"activityDisplayName": "secret", "category": 7}]"#,
                "$[0].category: not of the expected type",
            ),
            (r#"{"value": {}}"#, "$.value: not an array"),
            (r#"{"value": ["secret"]}"#, "$.value[0]: not an object"),
            (r#"{"records": 7}"#, "$.records: not an array"),
            (r#"{"records": [{"properties": {}}]}"#, "$.records[0]: the field tenantId is missing"),
            (
                r#"{"records": [{"tenantId": "secret", "properties": {}}]}"#,
                "$.records[0].tenantId: not a tenant id",
            ),
            (
                r#"{"records": [{"tenantId": "11111111-1111-1111-1111-111111111111",
                 "properties": {"activityDisplayName": null}}]}"#,
                "$.records[0].properties.activityDisplayName: not of the expected type",
            ),
        ] {
            let error = receive_signed(body, None).unwrap_err();
            assert_eq!((error.status(), error.to_string().as_str()), (400, expect), "{body}");
        }
        let error = receive_signed("{}", Some("woodgrove")).unwrap_err();
        assert_eq!(error.to_string(), "?tenant: not a tenant id");
    }

    #[test]
    fn a_bad_event_does_not_silence_the_good_ones_beside_it() {
        let good = r#"{"activityDisplayName": "Add member to role"}"#;
        let received = receive_signed(&format!("[{good}, 7, {good}]"), Some(WOODGROVE)).unwrap();
        assert_eq!(received.signals.len(), 2);
        assert_eq!(received.rejects[0].to_string(), "$[1]: not an object");
    }

    #[test]
    fn events_of_the_audit_log_are_reasons_to_look_each_with_its_own_digest() {
        let text = include_str!("../../events/audit/value-collection.json");
        let json: Value = serde_json::from_str(text).unwrap();
        let mut events = json["value"].as_array().unwrap().clone();
        events.push(serde_json::from_str(UNKNOWN).unwrap());
        events.push(Value::from("nonsense"));
        let (roster, tenant) = (Case::new().policy().roster, WOODGROVE.parse().unwrap());
        let received = polled(&events, tenant, &roster, noon());
        let heard: Vec<&str> = received.signals.iter().map(|s| s.as_ref().what.as_str()).collect();
        assert_eq!(
            heard,
            [
                "Add member to role",
                "Update a partner cross-tenant access setting",
                "Add eligible member to role",
                "an event that cannot be understood",
            ]
        );
        assert_eq!((received.irrelevant, received.rejects.len()), (1, 1));
        let digests: std::collections::BTreeSet<&Sha256Hex> =
            received.signals.iter().map(|s| &s.as_ref().digest).collect();
        assert_eq!(digests.len(), 4);
        for signal in &received.signals {
            let signal = signal.as_ref();
            assert_eq!((signal.tenant, signal.sender), (tenant, Sender::AuditLog));
        }
    }

    const UNKNOWN: &str = include_str!("../../events/audit/unknown-activity.json");

    #[test]
    fn a_tenant_that_is_not_guarded_is_not_looked_at_for_its_audit_log() {
        let event = serde_json::json!({"activityDisplayName": "Add member to role"});
        let roster = Case::new().policy().roster;
        let stranger = "44444444-4444-4444-4444-444444444444".parse().unwrap();
        let received = polled(&[event], stranger, &roster, noon());
        assert_eq!((received.signals.len(), received.rejects), (0, vec![Reject::UnknownTenant]));
    }

    #[test]
    fn nothing_is_read_before_it_is_verified() {
        let roster = Case::new().policy().roster;
        let error = receive(b"{", Headers::default(), &[key()], Some("x"), &roster, noon());
        assert_eq!(error.unwrap_err(), Reject::Missing("webhook-id"));
    }
}
