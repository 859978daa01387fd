//! Directory audit events, as whatever forwards them packs them, signed by Standard Webhooks, and
//! as the Management Activity API hands them out.

mod activity;
mod directory;
pub mod exported;
mod management;
pub mod trail;
mod value;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use self::activity::Activity;
use self::value::Change;
use super::standard_webhooks::{self, Headers, WebhookSecret};
use super::{Received, Reject, Verified, bearer, not_json};
use crate::domain::id::{Sha256Hex, TenantId, hex};
use crate::domain::roster::Roster;
use crate::domain::signal::{Initiator, Sender, Signal, Subject};

/// Most names of activities that are told of those passed over in one request.
const TOLD_MAX: usize = 10;

/// Most signals that events without a tenant make, each of them one for each tenant. If they were
/// more, each tenant is looked at as a whole instead, which shows all that the events tell of.
const FANNED_OUT_MAX: usize = 10_000;

/// Most targets of an event that are remembered; no write of ours has as many. Of what has more, all
/// that is known is that it is about the tenant.
const ABOUT_MAX: usize = 16;

/// Whose events these can be, and when they came.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// The tenant the forwarder names for events that carry none; without it such an event is a
    /// reason to look at every tenant of the policy.
    pub tenant: Option<&'a str>,
    /// The tenants of the policy.
    pub roster: &'a Roster,
    /// The application ids this program signs in with.
    pub own_apps: &'a [String],
    /// When they came.
    pub now: Timestamp,
}

/// Verifies a body and reads the audit events in it.
///
/// # Errors
/// Those of [`standard_webhooks::verify`]; [`Reject::Malformed`] when nothing in the body can be
/// understood.
pub fn receive(
    body: &[u8],
    headers: Headers<'_>,
    keys: &[WebhookSecret],
    whose: Whose<'_>,
) -> Result<Received, Reject> {
    let signature = standard_webhooks::verify(keys, headers, body, whose.now)?;
    // The tenant is not signed: the same message for another one is another message.
    let message = Sha256Hex::of_fields(&[&hex(&signature), whose.tenant.unwrap_or_default()]);
    Ok(Received { message: Some(message), ..read(body, Sender::Audit, whose)? })
}

/// Reads the audit events of a body that a token vouches for.
///
/// # Errors
/// Those of [`bearer::verify`]; [`Reject::Malformed`] when nothing in the body can be understood.
pub fn receive_with_token(
    body: &[u8],
    authorization: Option<&str>,
    by: bearer::Allowed<'_>,
    whose: Whose<'_>,
) -> Result<Received, Reject> {
    bearer::verify(authorization, by, whose.roster)?;
    read(body, Sender::Audit, whose)
}

/// Reads the audit records of a content that was fetched from the Management Activity API, which
/// is what vouches for it.
///
/// # Errors
/// [`Reject::Malformed`] when nothing in the body can be understood.
pub fn content(body: &[u8], whose: Whose<'_>) -> Result<Received, Reject> {
    read(body, Sender::O365, whose)
}

/// Reads events of a tenant's audit log. They need no further proof: they were read from Microsoft
/// Graph with the tenant's own token. One that cannot be understood is a reason to look all the
/// same, since nobody sends it again in a better form.
pub fn polled(events: &[Value], tenant: TenantId, whose: Whose<'_>) -> Received {
    let mut received = Received::default();
    for event in events {
        let digest = Sha256Hex::of(event.to_string().as_bytes());
        let mut reader = Reader {
            tenant: Some(tenant),
            sender: Sender::AuditLog,
            whose,
            digest,
            too_many: false,
            fanned_out: false,
        };
        let rejects = received.rejects.len();
        reader.item("$", Item::Bare(event.clone()), &mut received);
        if matches!(received.rejects.get(rejects), Some(Reject::Malformed { .. })) {
            received.signals.push(Verified::new(reader.unintelligible(tenant)));
        }
    }
    received
}

fn read(body: &[u8], sender: Sender, whose: Whose<'_>) -> Result<Received, Reject> {
    let tenant = whose.tenant.map(tenant_parameter).transpose()?;
    let json: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let items = items(json)?;
    let too_many = items.len().saturating_mul(whose.roster.tenants.len()) > FANNED_OUT_MAX;
    let digest = Sha256Hex::of(body);
    let mut reader = Reader { tenant, sender, whose, digest, too_many, fanned_out: false };
    let mut received = Received::default();
    for (path, item) in items {
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
    Record(Value),
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
            (Some(Value::Array(items)), _) => Ok(numbered("$.records", items, Item::Record)),
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

/// An audit event, whichever form it came in.
struct Event {
    /// The tenant it names, if it does.
    tenant: Option<TenantId>,
    activity: Activity,
    category: Option<String>,
    id: Option<String>,
    at: Option<Timestamp>,
    /// Whom it is about.
    object: Option<String>,
    /// The accounts, groups and applications that it names as its targets.
    principals: Vec<String>,
    /// What it says to have become of the properties of its targets.
    changes: Vec<Change>,
    /// The application in whose name it was done.
    initiator: Option<Initiator>,
}

impl Event {
    /// What is done in our own name always matters: it was this program, or somebody who holds its
    /// credential.
    fn matters(&self) -> bool {
        if self.initiator == Some(Initiator::OurApp) {
            return true;
        }
        let changed = |property: &str| self.changes.iter().any(|it| it.changes(property));
        self.activity.matters(self.category.as_deref(), changed)
    }

    /// What to coalesce it with. Cross-tenant access settings are all one object; what differs is
    /// the partner they are about.
    fn subject(&self) -> Subject {
        let partners = self.changes.iter().filter(|change| change.is("tenantId"));
        match partners.flat_map(Change::guids).next() {
            Some(partner) => Subject::object(&partner.to_string()),
            None => self.object.as_deref().map_or_else(Subject::tenant, Subject::object),
        }
    }
}

impl Event {
    /// Everything that it is said to have been done to. The targets of an application permission are
    /// the API's application and, by its id in a property or as a further target, the one that had it.
    fn about(&self) -> Vec<Subject> {
        let apps = self.changes.iter().filter(|change| change.is("ServicePrincipal.ObjectID"));
        let apps = apps.flat_map(Change::guids).map(|id| id.to_string());
        let all: BTreeSet<Subject> =
            self.principals.iter().cloned().chain(apps).map(|id| Subject::object(&id)).collect();
        if all.len() > ABOUT_MAX {
            return vec![Subject::tenant()];
        }
        all.into_iter().collect()
    }
}

struct Reader<'a> {
    tenant: Option<TenantId>,
    sender: Sender,
    whose: Whose<'a>,
    digest: Sha256Hex,
    /// Whether events without a tenant make one signal for each tenant in all.
    too_many: bool,
    /// Whether they did so already.
    fanned_out: bool,
}

impl Reader<'_> {
    fn item(&mut self, path: &str, item: Item, received: &mut Received) {
        let own_apps = self.whose.own_apps;
        let read = match item {
            Item::Bare(item) | Item::Record(item) if management::is_one(&item) => {
                management::event(path, item, own_apps)
            }
            Item::Bare(event) => directory::event(path, event, own_apps),
            Item::Record(record) => directory::azure_monitor(path, record, own_apps),
        };
        let event = match read {
            Ok(read) => read,
            Err(reject) => return received.rejects.push(reject),
        };
        if !event.matters() {
            received.irrelevant += 1;
            tell(&mut received.passed_over, event.activity.name);
            return;
        }
        let roster = self.whose.roster;
        let named: Vec<TenantId> = match event.tenant.or(self.tenant) {
            Some(id) if roster.tenant(id).is_some() => vec![id],
            Some(_) => return received.rejects.push(Reject::UnknownTenant),
            None if self.too_many => {
                if !std::mem::replace(&mut self.fanned_out, true) {
                    let all = roster.tenants.iter().map(|tenant| self.whole(tenant.id, &event));
                    received.signals.extend(all.map(Verified::new));
                }
                return;
            }
            None => roster.tenants.iter().map(|tenant| tenant.id).collect(),
        };
        let signals = named.into_iter().map(|tenant| Verified::new(self.signal(tenant, &event)));
        received.signals.extend(signals);
    }

    /// A signal that stands for all the events without a tenant: whoever caused the first of them
    /// did not cause the others.
    fn whole(&self, tenant: TenantId, event: &Event) -> Signal {
        let signal = self.signal(tenant, event);
        let (initiator, about) = (None, Vec::new());
        Signal { subject: Subject::tenant(), initiator, removal: false, about, ..signal }
    }

    fn unintelligible(&self, tenant: TenantId) -> Signal {
        Signal {
            tenant,
            sender: self.sender,
            what: "an event that cannot be understood".to_owned(),
            subject: Subject::tenant(),
            event_id: None,
            event_at: None,
            received_at: self.whose.now,
            digest: self.digest.clone(),
            initiator: None,
            removal: false,
            about: Vec::new(),
            content_uri: None,
        }
    }

    fn signal(&self, tenant: TenantId, event: &Event) -> Signal {
        Signal {
            tenant,
            sender: self.sender,
            what: event.activity.name.clone(),
            subject: event.subject(),
            event_id: event.id.clone(),
            event_at: event.at,
            received_at: self.whose.now,
            digest: self.digest.clone(),
            initiator: event.initiator.clone(),
            removal: event.activity.trail().takes,
            about: event.about(),
            content_uri: None,
        }
    }
}

/// Adds a name to those that are told, as far as there is room.
fn tell(passed_over: &mut BTreeSet<String>, name: String) {
    if passed_over.len() < TOLD_MAX {
        passed_over.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::finding::testing::{Case, WOODGROVE, noon};
    use crate::domain::id::PrincipalId;
    use crate::domain::policy::Policy;
    use crate::domain::secret::Secret;

    /// The application this program signs in with.
    const OWN_APP: &str = "33333333-3333-3333-3333-333333333333";

    fn key() -> WebhookSecret {
        WebhookSecret::parse(&Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")).unwrap()
    }

    fn receive_signed(body: &str, tenant: Option<&str>) -> Result<Received, Reject> {
        let timestamp = noon().as_second().to_string();
        let signature = key().sign("msg_1", noon(), body.as_bytes());
        let headers =
            Headers { id: Some("msg_1"), timestamp: Some(&timestamp), signature: Some(&signature) };
        let roster = Case::new().policy().roster;
        let own_apps = [OWN_APP.to_owned()];
        let whose = Whose { tenant, roster: &roster, own_apps: &own_apps, now: noon() };
        receive(body.as_bytes(), headers, &[key()], whose)
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
        let whose = Whose { tenant: None, roster: &roster, own_apps: &[], now: noon() };
        let received = receive(event, headers, &[key()], whose).unwrap();
        let tenants: Vec<TenantId> = received.signals.iter().map(|s| s.as_ref().tenant).collect();
        assert_eq!(tenants, roster.tenants.iter().map(|tenant| tenant.id).collect::<Vec<_>>());
    }

    #[test]
    fn many_events_that_name_no_tenant_are_one_reason_to_look_at_each_as_a_whole() {
        let tenant = |n| format!("  - {{id: 11111111-1111-1111-1111-{n:012}, name: T{n}}}");
        let tenants = (0..200).map(tenant).collect::<Vec<_>>().join("\n");
        let roster = Policy::parse(&format!("version: 1\ntenants:\n{tenants}")).unwrap();
        let roster = roster.policy.roster;
        let event = |n: usize| {
            format!(
                r#"{{"activityDisplayName": "Add member to role", "targetResources": [{{"id": "{n}"}}]}}"#
            )
        };
        for (events, signals, first) in
            [(50, 10_000, Subject::object("0")), (51, 200, Subject::tenant())]
        {
            let body = format!("[{}]", (0..events).map(event).collect::<Vec<_>>().join(","));
            let whose = Whose { tenant: None, roster: &roster, own_apps: &[], now: noon() };
            let received = read(body.as_bytes(), Sender::Audit, whose).unwrap();
            assert_eq!(received.signals.len(), signals);
            assert_eq!(received.signals[0].as_ref().subject, first);
            let mut tenants: Vec<_> = received.signals.iter().map(|s| s.as_ref().tenant).collect();
            tenants.sort_unstable();
            tenants.dedup();
            assert_eq!(tenants.len(), 200, "every tenant is looked at");
        }
    }

    #[test]
    fn one_reason_for_many_events_is_nobodys_own_and_keeps_none_from_being_heard() {
        let named =
            r#"{"Operation": "Add member to role.", "RecordType": 8, "OrganizationId": "TENANT"}"#;
        let own = r#"{"activityDisplayName": "Remove member from role", "initiatedBy": {"app":
            {"servicePrincipalId": "55555555-5555-5555-5555-555555555555"}}}"#;
        let case = Case::new().policy().roster;
        let bodies = std::iter::once(named.replace("TENANT", WOODGROVE));
        let bodies = bodies.chain(std::iter::repeat_n(own.to_owned(), FANNED_OUT_MAX + 1));
        let body = format!("[{}]", bodies.collect::<Vec<_>>().join(","));
        let whose = Whose { tenant: None, roster: &case, own_apps: &[], now: noon() };
        let received = read(body.as_bytes(), Sender::Audit, whose).unwrap();
        assert_eq!(received.signals.len(), 1 + case.tenants.len());
        let for_all = received.signals.last().unwrap().as_ref();
        assert_eq!((&for_all.initiator, for_all.removal), (&None, false));
        assert_eq!(for_all.subject, Subject::tenant());
        let one = read(own.as_bytes(), Sender::Audit, whose).unwrap();
        let one = one.signals[0].as_ref();
        assert!(one.removal && one.initiator.is_some(), "the event alone is somebody's");
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
        let whose = Whose { tenant: None, roster: &roster, own_apps: &[], now: noon() };
        let received = polled(&events, tenant, whose);
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
        let digests: BTreeSet<&Sha256Hex> =
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
        let whose = Whose { tenant: None, roster: &roster, own_apps: &[], now: noon() };
        let received = polled(&[event], stranger, whose);
        assert_eq!((received.signals.len(), received.rejects), (0, vec![Reject::UnknownTenant]));
    }

    #[test]
    fn what_is_passed_over_is_named_as_far_as_there_is_room() {
        let event = |name: String| json!({ "activityDisplayName": name });
        let many: Vec<Value> = (10..40).map(|n| event(format!("Chore\n{n}"))).collect();
        let received = receive_signed(&Value::from(many).to_string(), Some(WOODGROVE)).unwrap();
        assert_eq!(received.irrelevant, 30);
        let told: Vec<&str> = received.passed_over.iter().map(String::as_str).collect();
        assert_eq!(told.len(), TOLD_MAX);
        assert_eq!(told[0], "Chore 10");
    }

    const CONTENT: &str = include_str!("../../events/o365/content-azure-active-directory.json");
    const OWN_RECORD: &str = include_str!("../../events/o365/record-own-removal.json");
    const OWN_AUDIT: &str = include_str!("../../events/audit/own-removal.json");
    const OWN_ID: &str = "a3f5d80c-7e16-4b29-9c40-5d61f8e27b93";

    #[test]
    fn records_of_the_management_activity_api_are_read_in_every_envelope() {
        let records: Value = serde_json::from_str(CONTENT).unwrap();
        let heard = [
            "Add member to role",
            "Add partner to company",
            "Add a partner to cross-tenant access setting",
        ];
        for body in [records.clone(), json!({ "value": records }), json!({ "records": records })] {
            check(&body.to_string(), &heard, 1);
        }
        for (record, heard) in records.as_array().unwrap().iter().zip(heard) {
            check(&record.to_string(), &[heard], 0);
        }
        let received = receive_signed(CONTENT, Some(WOODGROVE)).unwrap();
        assert!(received.passed_over.iter().eq(["Update user"]));
        let signal = received.signals[0].as_ref();
        // The group that got the role, by which directoryAudits are coalesced too.
        assert_eq!(signal.subject, Subject::object("d4a7f3c8-6e21-4950-8b1f-93c05e7a2d6b"));
        assert_eq!(signal.event_id.as_deref(), Some("5a0f83c6-27d1-4be9-8c40-91e6f7b2d305"));
        assert_eq!(signal.event_at.unwrap().to_string(), "2026-11-20T05:06:08Z");
        check(include_str!("../../events/o365/content-without-access.json"), &[], 2);
    }

    #[test]
    fn a_record_beside_directory_audits_is_known_by_its_fields() {
        let record = r#"{"Operation": "Add member to role.", "RecordType": 8}"#;
        let audit = r#"{"activityDisplayName": "Add member to role"}"#;
        let monitor = format!(r#"{{"tenantId": "{WOODGROVE}", "properties": {audit}}}"#);
        for body in
            [format!("[{audit},{record}]"), format!(r#"{{"records":[{monitor},{record}]}}"#)]
        {
            assert_eq!(receive_signed(&body, Some(WOODGROVE)).unwrap().signals.len(), 2, "{body}");
        }
        let error = receive_signed(r#"{"Operation": "Add member to role."}"#, None).unwrap_err();
        assert_eq!(error.to_string(), "$: the field activityDisplayName is missing");
        let error = receive_signed(r#"{"Operation": 7, "RecordType": 8}"#, None).unwrap_err();
        assert_eq!(error.to_string(), "$.Operation: not of the expected type");
    }

    #[test]
    fn a_record_names_its_tenant_and_one_that_does_not_is_of_the_requests() {
        let record = |tenant: &str| {
            format!(r#"{{"Operation": "Add member to role.", "RecordType": 8{tenant}}}"#)
        };
        let stranger = "44444444-4444-4444-4444-444444444444";
        let named = |tenant: &str| record(&format!(r#", "OrganizationId": "{tenant}""#));
        let tenants = |body: &str, tenant| {
            let received = receive_signed(body, tenant).unwrap();
            received.signals.iter().map(|s| s.as_ref().tenant.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(tenants(&named(WOODGROVE), Some(stranger)), [WOODGROVE]);
        assert_eq!(tenants(&record(""), Some(WOODGROVE)), [WOODGROVE]);
        assert_eq!(tenants(&record(r#", "OrganizationId": null"#), None), [WOODGROVE]);
        let received = receive_signed(&named(stranger), Some(WOODGROVE)).unwrap();
        assert_eq!((received.signals, received.rejects), (vec![], vec![Reject::UnknownTenant]));
        let error = receive_signed(&named("woodgrove"), Some(WOODGROVE)).unwrap_err();
        assert_eq!(error.to_string(), "$.OrganizationId: not a tenant id");
    }

    #[test]
    fn a_user_that_becomes_another_kind_of_user_matters_in_either_form() {
        let check = |old: &str, new: &str, heard: usize| {
            let audit = json!({"activityDisplayName": "Update user", "targetResources": [{
                "modifiedProperties": [{"displayName": "UserType",
                    "oldValue": format!("[\"{old}\"]"), "newValue": format!("[\"{new}\"]")}]}]});
            let record = json!({"Operation": "Update user.", "RecordType": 8,
                "ModifiedProperties": [{"Name": "UserType", "OldValue": old, "NewValue": new}]});
            for body in [audit, record] {
                let received = receive_signed(&body.to_string(), Some(WOODGROVE)).unwrap();
                assert_eq!(received.signals.len(), heard, "{body}");
            }
        };
        check("Guest", "Member", 1);
        check("Guest", "Guest", 0);
    }

    #[test]
    fn the_category_of_a_record_counts_where_it_has_one() {
        let check = |category: &str, heard: usize| {
            let record = json!({"Operation": "Frobnicate.", "RecordType": 8,
                "ExtendedProperties": [7, {"Name": "auditEventCategory", "Value": category}]});
            let received = receive_signed(&record.to_string(), Some(WOODGROVE)).unwrap();
            assert_eq!(received.signals.len(), heard, "{category}");
        };
        check("DelegatedAdminServiceProviderConstraints", 1);
        check("UserManagement", 0);
    }

    /// The subject of an event, given its target and what changed of it.
    fn subject_of(body: &Value) -> Subject {
        let received = receive_signed(&body.to_string(), Some(WOODGROVE)).unwrap();
        received.signals[0].as_ref().subject.clone()
    }

    #[test]
    fn a_record_is_about_whoever_got_the_role_and_never_about_the_role() {
        const GROUP: &str = "d4a7f3c8-6e21-4950-8b1f-93c05e7a2d6b";
        const ROLE: &str = "96c3e81f-5a2d-4b70-8e94-0d1f7c6b53a2";
        let record = |target: Value, object: Value| {
            json!({"Operation": "Add member to role.", "RecordType": 8,
                "ObjectId": object, "Target": target, "ModifiedProperties": [
                    {"Name": "Role.ObjectID", "NewValue": ROLE, "OldValue": ""},
                    {"Name": "Role.TemplateId", "NewValue": format!("\"{OWN_ID}\""), "OldValue": ""}]})
        };
        let entry = |id: &str| json!({"ID": id, "Type": 2});
        let upn = json!({"ID": "a@b.example", "Type": 5});
        let of = |target: Value, object: &str| subject_of(&record(target, object.into()));
        let group = Subject::object(GROUP);
        for target in [
            json!([entry(GROUP)]),
            json!([upn, entry(&format!("User_{GROUP}"))]),
            json!([entry(&format!("Role_{ROLE}")), entry(ROLE), entry(GROUP)]),
            json!([entry(OWN_ID), entry(&GROUP.to_uppercase())]),
            json!([entry("Not a GUID"), {"ID": GROUP}]),
        ] {
            assert_eq!(of(target.clone(), "someone@else.example"), group, "{target}");
        }
        let role = json!([entry(ROLE)]);
        assert_eq!(of(role.clone(), "a@b.example"), Subject::object("a@b.example"));
        assert_eq!(of(role.clone(), GROUP), group);
        for nothing in ["", "Not Available", ROLE] {
            assert_eq!(of(role.clone(), nothing), Subject::tenant(), "{nothing}");
            assert_eq!(of(json!([upn]), nothing), Subject::object("a@b.example"));
        }
        for garbled in [json!(7), json!([7]), Value::Null] {
            assert_eq!(of(garbled, ""), Subject::tenant());
        }
        assert_eq!(subject_of(&record(Value::Null, json!({}))), Subject::tenant());
    }

    #[test]
    fn a_cross_tenant_setting_is_about_its_partner() {
        let partner = Subject::object("22222222-2222-2222-2222-222222222222");
        let received = receive_signed(CONTENT, Some(WOODGROVE)).unwrap();
        assert_eq!(received.signals[2].as_ref().subject, partner);
        let received =
            receive_signed(include_str!("../../events/audit/array.json"), Some(WOODGROVE)).unwrap();
        assert_eq!(received.signals[1].as_ref().subject, partner);
        let constraints = include_str!("../../events/audit/delegated-admin-constraints.json");
        assert_eq!(subject_of(&serde_json::from_str(constraints).unwrap()), partner);
    }

    #[test]
    fn an_event_with_odd_details_is_still_a_reason_to_look() {
        let odd = [Value::Null, json!(7), json!([7]), json!({})];
        for odd in odd {
            let body = json!({"activityDisplayName": "Add member to role", "id": odd,
                "targetResources": odd, "initiatedBy": odd, "activityDateTime": odd});
            assert_eq!(subject_of(&body), Subject::tenant(), "{body}");
            let body = json!({"activityDisplayName": "Add member to role",
                "targetResources": [{"id": odd, "type": odd, "modifiedProperties": odd}],
                "initiatedBy": {"user": null, "app": odd}});
            assert_eq!(subject_of(&body), Subject::tenant(), "{body}");
            let body = json!({"Operation": "Add member to role.", "RecordType": odd,
                "Id": odd, "CreationTime": odd, "UserId": odd, "ObjectId": odd, "Actor": odd,
                "Target": odd, "ModifiedProperties": odd, "ExtendedProperties": odd});
            assert_eq!(subject_of(&body), Subject::tenant(), "{body}");
        }
    }

    /// Who is said to have done it, and whether it was a removal of our kind.
    fn done(body: &str) -> (Option<Initiator>, bool) {
        let received = receive_signed(body, Some(WOODGROVE)).unwrap();
        let signal = received.signals[0].as_ref();
        (signal.initiator.clone(), signal.removal)
    }

    #[test]
    fn what_is_done_in_our_own_name_matters_whatever_it_is() {
        let reset = |app: &str| {
            let by = json!({"user": null, "app": {"appId": app}});
            let user = json!([{"id": "1", "type": "User"}]);
            let event = json!({"activityDisplayName": "Reset password", "initiatedBy": by,
                "activityDateTime": "2026-11-20T05:09:27Z", "targetResources": user});
            receive_signed(&event.to_string(), Some(WOODGROVE)).unwrap()
        };
        let ours = reset(OWN_APP);
        assert_eq!((ours.signals.len(), ours.irrelevant), (1, 0));
        let signal = ours.signals[0].as_ref();
        assert_eq!((signal.what.as_str(), signal.removal), ("Reset password", false));
        let others = reset("44444444-4444-4444-4444-444444444444");
        assert_eq!((others.signals.len(), others.irrelevant), (0, 1));
    }

    #[test]
    fn all_that_an_event_is_about_is_told_and_what_stands_beside_it_is_not() {
        let about = |targets: Value| {
            let event = json!({"activityDisplayName": "Remove member from group",
                "targetResources": targets});
            let received = receive_signed(&event.to_string(), Some(WOODGROVE)).unwrap();
            received.signals[0].as_ref().about.clone()
        };
        let sorted = |ids: &[&str]| {
            let mut all: Vec<Subject> = ids.iter().map(|id| Subject::object(id)).collect();
            all.sort();
            all
        };
        let target = |id: &str, kind: &str| json!({"id": id, "type": kind});
        let beside = ["Role", "Request", "Directory", "Other", "policy"].map(|it| target("x", it));
        let pim: Vec<Value> = beside.into_iter().chain([target("who", "User")]).collect();
        assert_eq!(about(json!(pim)), sorted(&["who"]));
        let group =
            json!([target("who", "User"), target("group", "Group"), target("new", "Thing")]);
        assert_eq!(about(group), sorted(&["who", "group", "new"]));
        let app = json!({"id": "api", "type": "ServicePrincipal", "modifiedProperties": [
            {"displayName": "ServicePrincipal.ObjectID", "oldValue": format!("\"{OWN_ID}\""),
             "newValue": null},
        ]});
        assert_eq!(about(json!([app])), sorted(&["api", OWN_ID]));
        let many: Vec<Value> = (0..17).map(|n| target(&format!("{n}"), "User")).collect();
        assert_eq!(about(json!(many)), [Subject::tenant()], "more than a write of ours names");
    }

    fn service_principal(id: &str) -> Initiator {
        Initiator::ServicePrincipal(PrincipalId::new(id))
    }

    #[test]
    fn an_application_that_did_something_is_told_by_its_service_principal() {
        for body in [OWN_AUDIT, OWN_RECORD] {
            let body = body.replace("{{servicePrincipalId}}", OWN_ID);
            assert_eq!(done(&body), (Some(service_principal(OWN_ID)), true), "{body}");
            assert_eq!(
                done(&body.replace(OWN_ID, &OWN_ID.to_uppercase())).0,
                Some(service_principal(OWN_ID))
            );
            let added = body.replace("Remove member from role", "Add member to role");
            assert_eq!(done(&added), (Some(service_principal(OWN_ID)), false));
            let pim = body.replace(
                "Remove member from role",
                "Remove member from role in PIM completed (permanent)",
            );
            assert_eq!(done(&pim), (Some(service_principal(OWN_ID)), true));
            let policy =
                body.replace("Remove member from role", "Delete Conditional Access policy");
            assert_eq!(done(&policy), (Some(service_principal(OWN_ID)), false));
        }
        let by_person = include_str!("../../events/audit/array.json");
        assert_eq!(done(by_person), (None, true));
    }

    #[test]
    fn an_application_id_counts_where_there_is_one() {
        let with = |app_id: &str, user: &str| {
            let body = OWN_AUDIT.replace("{{servicePrincipalId}}", OWN_ID);
            let body = body.replace("\"appId\": null", &format!("\"appId\": {app_id}"));
            done(&body.replace("\"user\": null", &format!("\"user\": {user}"))).0
        };
        assert_eq!(with(&format!("\"{OWN_APP}\""), "null"), Some(Initiator::OurApp));
        assert_eq!(
            with(&format!("\"{}\"", OWN_APP.to_uppercase()), "null"),
            Some(Initiator::OurApp)
        );
        assert_eq!(with(&format!("\"{OWN_ID}\""), "null"), None, "somebody else's application");
        for nobody in ["\"\"", "7", "{}"] {
            assert_eq!(with(nobody, "null"), None, "{nobody}");
        }
        assert_eq!(with(&format!("\"{OWN_APP}\""), "{\"id\": \"x\"}"), None, "a person too");
    }

    #[test]
    fn a_record_that_leaves_a_doubt_who_did_it_names_nobody() {
        let actor = |ids: &[(&str, i64)], user: &str| {
            let ids = ids.iter().map(|(id, kind)| json!({"ID": id, "Type": kind}));
            let body = json!({"Operation": "Remove member from role.", "RecordType": 8,
                "Actor": ids.collect::<Vec<_>>(), "UserId": user});
            done(&body.to_string()).0
        };
        let own = format!("ServicePrincipal_{OWN_ID}");
        let other = "ServicePrincipal_8e2d61b4-f093-47c5-bd1a-4c7f9036e5a8";
        let kind = ("ServicePrincipal", 2);
        assert_eq!(actor(&[(&own, 2)], "Not Available"), Some(service_principal(OWN_ID)));
        assert_eq!(actor(&[], &own), Some(service_principal(OWN_ID)));
        assert_eq!(actor(&[(OWN_APP, 2), kind], ""), Some(Initiator::OurApp));
        for (ids, user) in [
            (&[(own.as_str(), 2), (other, 2)][..], ""),
            (&[(own.as_str(), 2)], other),
            (&[(own.as_str(), 2), ("dana@woodgrove.example", 5)], ""),
            (&[(own.as_str(), 2)], "dana@woodgrove.example"),
            (&[(own.as_str(), 2), ("User_8e2d61b4-f093-47c5-bd1a-4c7f9036e5a8", 2)], ""),
            (&[(own.as_str(), 2), ("User", 2)], ""),
            (&[(OWN_ID, 2), kind], ""),
            (&[(OWN_APP, 2)], ""),
            (&[("ServicePrincipal_x", 2)], ""),
            (&[], "x"),
        ] {
            assert_eq!(actor(ids, user), None, "{ids:?} {user}");
        }
        let garbled = json!({"Operation": "Remove member from role.", "RecordType": 8,
            "Actor": [{"ID": own, "Type": 2}, 7], "UserId": own});
        assert_eq!(done(&garbled.to_string()).0, None);
    }

    #[test]
    fn fetched_content_is_read_like_what_is_sent() {
        let roster = Case::new().policy().roster;
        let whose = Whose { tenant: Some(WOODGROVE), roster: &roster, own_apps: &[], now: noon() };
        let received = content(CONTENT.as_bytes(), whose).unwrap();
        assert_eq!((received.signals.len(), received.irrelevant), (3, 1));
        assert!(received.signals.iter().all(|s| s.as_ref().sender == Sender::O365));
        assert_eq!(content(b"<html>", whose).unwrap_err().status(), 400);
        assert_eq!(content(br#"{"error": {}}"#, whose).unwrap_err().status(), 400);
    }

    #[test]
    fn nothing_is_read_before_it_is_verified() {
        let roster = Case::new().policy().roster;
        let whose = Whose { tenant: Some("x"), roster: &roster, own_apps: &[], now: noon() };
        let error = receive(b"{", Headers::default(), &[key()], whose);
        assert_eq!(error.unwrap_err(), Reject::Missing("webhook-id"));
    }
}
