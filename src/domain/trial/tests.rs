//! What tests of a policy are given, and how they come out.

use jiff::Timestamp;

use super::*;
use crate::domain::policy::{Checked, Policy};

/// A policy for Woodgrove with tests, each on a line of its own.
fn policy(tests: &str) -> Checked {
    let text = format!(
        "version: 1
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
        domains: [contoso-reseller.example]
        accounts: [svc-contoso@woodgrove.example]
        allow: {{roles: [Directory Readers], until: 2027-03-31}}
respond:
  privileged-role: {{do: revoke}}
  role-not-allowed: {{do: approve}}
  guest-with-role: {{do: ignore}}
  role-via-group: {{do: record}}
guardrails: {{protected: [svc-contoso@woodgrove.example]}}
tickets: {{security: {{kind: webhook, url: https://tickets.example}}}}
tests:
{tests}"
    );
    Policy::parse(&text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn noon() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

fn came(checked: &Checked, number: usize) -> Came {
    let trial = &checked.tests[number];
    let tenant = checked.policy.roster.tenant(trial.tenant).unwrap();
    let now = trial.at.unwrap_or_else(noon);
    let facts = trial.facts(tenant, now).unwrap();
    trial.run(&facts, tenant, &checked.policy, now)
}

/// Checks the differences of one test, given as the fields after its name.
#[track_caller]
fn check(test: &str, expect: &[&str]) {
    let came = came(&policy(&format!("  - {{name: a, {test}}}\n")), 0);
    let differences: Vec<String> = came.differences.iter().map(ToString::to_string).collect();
    assert_eq!(differences, expect, "{:?}", came.found);
}

const GLOBAL: &str = "given: {partner: Contoso Reseller, role: Global Administrator}";

#[test]
fn what_is_expected_passes_and_what_is_not_is_told() {
    check(&format!("{GLOBAL}, expect: [privileged-role, revoke]"), &[]);
    check(&format!("{GLOBAL}, expect: revoke"), &[]);
    check(&format!("{GLOBAL}, expect: {{findings: [privileged-role], do: revoke}}"), &[]);
    check(
        &format!("{GLOBAL}, expect: [guest-with-role, not role-not-allowed, ticket, held-back]"),
        &[
            "guest-with-role is not found",
            "role-not-allowed is found, and must not be",
            "the response is revoke, and must be ticket",
            "no step is held back",
        ],
    );
    check(
        &format!("{GLOBAL}, expect: {{findings: [privileged-role], only: true, heldBack: moon}}"),
        &[
            "role-not-allowed is found, and must not be",
            "no step is held back for a reason that says `moon`",
        ],
    );
    for nothing in ["nothing", "[]", "ignore"] {
        check(
            &format!("{GLOBAL}, expect: {nothing}"),
            &["the response is revoke, and there must be none"],
        );
        check(&format!("expect: {nothing}"), &[]);
    }
    check(
        "expect: [privileged-role, revoke]",
        &["privileged-role is not found", "there is no response, and it must be revoke"],
    );
}

#[test]
fn what_is_ignored_is_found_and_answered_by_nothing() {
    let guest = "given: {guest: bob@contoso-reseller.example, role: Reports Reader}";
    let text = format!("  - {{name: a, {guest}, expect: guest-with-role}}\n");
    let checked = policy(&text);
    let came = came(&checked, 0);
    assert!(came.differences.is_empty());
    assert_eq!(came.strongest, Do::Approve, "for role-not-allowed");
}

#[test]
fn a_test_asks_what_is_decided_whatever_the_mode_unless_it_says_one() {
    // The policy is in observe.
    check(&format!("{GLOBAL}, expect: revoke"), &[]);
    check(&format!("{GLOBAL}, mode: approve, expect: approve"), &[]);
    check(&format!("{GLOBAL}, mode: observe, expect: revoke"), &[]);
}

#[test]
fn an_allowance_holds_until_its_end() {
    let test = |at: &str| {
        format!("at: {at}, given: Contoso Reseller holds Directory Readers, expect: nothing")
    };
    check(&test("2027-03-31"), &[]);
    check(&test("2027-03-31T23:59:59Z"), &[]);
    let ended = came(&policy(&format!("  - {{name: a, {}}}\n", test("2027-04-01"))), 0);
    assert!(ended.strongest > Do::Ignore);
}

#[test]
fn guardrails_hold_back_as_they_do_at_work() {
    check(
        "given: {account: svc-contoso@woodgrove.example, role: Global Administrator}, \
         expect: {findings: [privileged-role], do: ticket, heldBack: protected by the policy}",
        &[],
    );
    check(
        "given: [{partner: Contoso Reseller, role: Global Administrator}, {administrators: none}], \
         expect: {do: ticket, heldBack: lock the tenant out}",
        &[],
    );
    check(
        "given: {unknown: somebody, role: Global Administrator}, \
         expect: [unclassified-principal, ticket]",
        &[],
    );
}

/// The findings of one test, given as its facts.
fn found(given: &str) -> Vec<&'static str> {
    let came = came(&policy(&format!("  - {{name: a, given: {given}, expect: nothing}}\n")), 0);
    came.found.iter().map(|finding| finding.finding.as_str()).collect()
}

#[test]
fn a_tenant_in_good_order_has_nothing_to_find() {
    assert!(found("[]").is_empty());
    assert!(found("{member: megan@woodgrove.example, role: Global Administrator}").is_empty());
    assert!(found("{guest: eve@fabrikam.example, role: Global Administrator}").is_empty());
    assert!(found("{partner: Contoso Reseller}").is_empty());
    assert!(found("{member: megan@woodgrove.example, role: Reports Reader, via: Help}").is_empty());
}

#[test]
fn every_kind_of_holder_is_the_one_it_says() {
    for (given, expect) in [
        ("{stranger: Fabrikam}", "unlisted-partner"),
        ("{stranger: Fabrikam, role: Directory Readers}", "unlisted-partner"),
        (
            "{partner: 33333333-3333-3333-3333-333333333333, role: Directory Readers}",
            "unlisted-partner",
        ),
        ("{guest: a@contoso-reseller.example, role: User Administrator}", "guest-with-role"),
        ("{account: SVC-Contoso@woodgrove.example, role: Security Reader}", "role-not-allowed"),
        ("svc-contoso@woodgrove.example holds Security Reader", "role-not-allowed"),
        ("a@contoso-reseller.example holds User Administrator", "guest-with-role"),
        ("{app: Backup, of: Contoso Reseller, role: Application Administrator}", "privileged-role"),
        ("{unknown: somebody, role: Reports Reader}", "unclassified-principal"),
        ("{unreadable: role-assignments, cause: unavailable}", "unreadable"),
        (
            "{partner: Contoso Reseller, roles: [Directory Readers, Intune Administrator]}",
            "privileged-role",
        ),
    ] {
        assert!(found(given).contains(&expect), "{given}: {:?}", found(given));
    }
    assert_eq!(
        found("{partner: Microsoft Support, role: Microsoft 365 Support Engineer}"),
        [""; 0]
    );
}

#[test]
fn the_short_form_makes_the_facts_that_graph_would_tell() {
    let facts = |given: &str| {
        let checked = policy(&format!("  - {{name: a, given: {given}, expect: nothing}}\n"));
        let tenant = &checked.policy.roster.tenants[0];
        checked.tests[0].facts(tenant, noon()).unwrap()
    };
    let plain = facts("[]");
    assert_eq!((plain.assignments.len(), plain.conditional_access.len()), (1, 1));
    assert_eq!(plain.accounts.len(), 1);

    let eligible = facts("Contoso Reseller may activate Global Reader");
    assert_eq!((eligible.assignments.len(), eligible.eligible.len()), (1, 1));

    let ends = facts("{partner: Contoso Reseller, role: Global Reader, until: 2026-12-31}");
    let [schedule] = ends.active.as_slice() else { panic!("{:?}", ends.active) };
    assert_eq!(schedule.end_date_time.unwrap().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(schedule.role_assignment_origin_id.as_ref(), Some(&ends.assignments[1].id));
    assert_eq!(schedule.assignment_type.as_deref(), Some("Assigned"));

    let active = facts("{partner: Contoso Reseller, role: Global Reader, activated: true}");
    assert_eq!(active.active[0].assignment_type.as_deref(), Some("Activated"));
    assert_eq!(active.active[0].end_date_time.unwrap().to_string(), "2026-12-01T20:00:00Z");

    let group = facts(
        "[{guest: a@contoso-reseller.example, role: Global Reader, via: Help}, \
          {account: svc-contoso@woodgrove.example, role: Global Reader, via: Help}]",
    );
    assert_eq!(group.assignments.len(), 2, "the group holds it once");
    assert_eq!(group.members.values().map(Vec::len).collect::<Vec<_>>(), [2]);
    assert_eq!(group.memberships.len(), 2);
    assert!(group.memberships.values().all(|groups| groups.len() == 1));

    let missing = facts("{account: svc-contoso@woodgrove.example, missing: true}");
    let accounts: Vec<_> = missing.accounts.values().collect();
    assert_eq!(accounts, [&crate::domain::facts::GivenAccount::Missing]);

    let off = facts("{account: svc-contoso@woodgrove.example, enabled: false}");
    let json = serde_json::to_value(&off.accounts).unwrap();
    assert_eq!(json["svc-contoso@woodgrove.example"]["user"]["accountEnabled"], false);

    let app = facts("{app: Backup, of: Contoso Reseller, permission: aaaa}");
    assert_eq!(app.apps[0].app_roles[0].app_role_id, "aaaa");

    assert!(facts("{mfa: nobody}").conditional_access.is_empty());
    let report = facts("{mfa: report-only}");
    assert_eq!(report.conditional_access[0]["state"], "enabledForReportingButNotEnforced");
    let exempt = facts("{mfaExempts: Contoso Reseller}");
    assert_eq!(exempt.partner_entries[0].is_service_provider, Some(true));
    let users = &exempt.conditional_access[0]["conditions"]["users"];
    let members = &users["excludeGuestsOrExternalUsers"]["externalTenants"]["members"];
    assert_eq!(members[0], "22222222-2222-2222-2222-222222222222");
    let own = facts("{conditionalAccess: {id: x, state: disabled}}");
    assert_eq!(own.conditional_access, [serde_json::json!({"id": "x", "state": "disabled"})]);

    let trust = facts("[{partner: Contoso Reseller}, {trustsMfaOf: Contoso Reseller}]");
    let [entry] = trust.partner_entries.as_slice() else { panic!("{trust:?}") };
    assert_eq!(entry.inbound_trust.unwrap().is_mfa_accepted, Some(true));
    let governed = facts("{governedBy: Contoso Reseller}");
    assert_eq!(governed.governance[0].status.as_deref(), Some("active"));

    let back = facts("{partner: Contoso Reseller, role: Global Reader, takenAwayBefore: 2}");
    assert_eq!(back.taken_away.values().collect::<Vec<_>>(), [&2]);
}

#[test]
fn access_that_keeps_coming_back_is_held_back_as_at_work() {
    let test = |times: u32| {
        format!(
            "given: {{partner: Contoso Reseller, role: Global Administrator, takenAwayBefore: \
             {times}}}, expect: {{findings: [privileged-role], heldBack: came back each time}}"
        )
    };
    check(&test(3), &[]);
    check(&test(2), &["no step is held back for a reason that says `came back each time`"]);
}

#[test]
fn a_partners_own_tenant_has_relationships() {
    let text = "version: 1
tenants:
  - id: 22222222-2222-2222-2222-222222222222
    name: Contoso
    side: partner
    customers: [{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}]
tests:
  - name: a
    given:
      - {relationship: Help desk, customer: Woodgrove, role: Global Administrator, duration: P730D,
         autoExtend: true}
      - {dap: Woodgrove}
    expect: nothing
";
    let checked = Policy::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let facts = checked.tests[0].facts(&checked.policy.roster.tenants[0], noon()).unwrap();
    assert!(facts.assignments.is_empty() && facts.conditional_access.is_empty());
    assert_eq!(facts.delegated_access.values().collect::<Vec<_>>(), [&true]);
    let [one] = facts.relationships.as_slice() else { panic!("{:?}", facts.relationships) };
    assert_eq!(one.duration.as_deref(), Some("P730D"));
    assert_eq!(one.auto_extend_duration.as_deref(), Some("P180D"));
    assert_eq!(one.activated_date_time, Some(noon()));
    assert_eq!(one.end_date_time.unwrap().to_string(), "2028-11-30T12:00:00Z");
    let roles = &one.access_details.as_ref().unwrap().unified_roles;
    assert_eq!(roles[0].role_definition_id, "62e90394-69f5-4237-9190-012177145e10");
}
