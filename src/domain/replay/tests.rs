//! What is replayed, and what is taken for granted.

use super::*;
use crate::domain::finding::testing::{Case, noon};

const AGENTS: &str = "aaaaaaaa-0000-0000-0000-000000000001";

fn at(minute: i64) -> Timestamp {
    noon() + jiff::SignedDuration::from_mins(minute)
}

fn change(motion: Motion, role: &str, holder: Holder, delegated: bool) -> RoleChange {
    let role = role::by_name(role).unwrap().template_id;
    RoleChange { motion, eligible: false, role, holder, by_delegated_administration: delegated }
}

fn event(minute: i64, change: Option<RoleChange>) -> Heard {
    let what = match &change {
        Some(change) if change.motion == Motion::Given => "Add member to role",
        Some(_) => "Remove member from role",
        None => "Update conditional access policy",
    };
    Heard { at: Some(at(minute)), what: what.to_owned(), matters: true, change, partner: None }
}

fn agents(motion: Motion, minute: i64, role: &str) -> Heard {
    let holder = Holder { id: AGENTS.to_owned(), name: None, user_principal_name: None };
    event(minute, Some(change(motion, role, holder, true)))
}

fn account(minute: i64, upn: &str, role: &str) -> Heard {
    let id = format!("id-of-{}", upn.split('@').next().unwrap());
    let holder = Holder { id, name: None, user_principal_name: Some(upn.to_owned()) };
    event(minute, Some(change(Motion::Given, role, holder, false)))
}

fn given() -> Case {
    Case::new().with_policy(
        "respond: {privileged-role: {do: revoke}, role-not-allowed: {do: ticket, ticket: s}}\n\
         tickets: {s: {kind: webhook, url: https://tickets.example}}",
    )
}

fn played(case: &Case, snapshot: Option<&Facts>, heard: &[Heard]) -> Replayed {
    let policy = case.policy();
    replay(snapshot, heard, &policy.roster.tenants[0], &policy, noon())
}

/// Minute, effect and role of everything that happens.
fn told(replayed: &Replayed) -> Vec<String> {
    let line = |it: &Happening| {
        let effect = serde_json::to_value(&it.effect).unwrap();
        let minute = it.at.duration_since(noon()).as_mins();
        let (effect, role) = (effect["effect"].as_str().unwrap(), it.role.as_deref().unwrap());
        format!("{minute} {effect} {role}")
    };
    replayed.happenings.iter().map(line).collect()
}

#[test]
fn a_role_that_comes_is_taken_and_comes_back() {
    let heard = [
        agents(Motion::Given, 0, "Global Administrator"),
        agents(Motion::Given, 1, "Reports Reader"),
        event(2, None),
        agents(Motion::Taken, 3, "Global Administrator"),
        agents(Motion::Given, 4, "Global Administrator"),
    ];
    let replayed = played(&given(), None, &heard);
    assert_eq!(
        told(&replayed),
        [
            "0 revoke Global Administrator",
            "1 ticket Reports Reader",
            "4 revoke Global Administrator"
        ]
    );
    assert_eq!((replayed.reasons, replayed.nothing_new, replayed.untold), (5, 2, 1));
}

#[test]
fn the_mode_is_a_ceiling_here_too() {
    let heard = [agents(Motion::Given, 0, "Global Administrator")];
    for (mode, expect) in [("enforce", "revoke"), ("approve", "ask"), ("observe", "describe")] {
        let replayed = played(&given().mode(mode), None, &heard);
        assert_eq!(told(&replayed), [format!("0 {expect} Global Administrator")]);
    }
}

#[test]
fn guardrails_hold_back_here_too() {
    let case = given().with_policy("guardrails: {maxRevocations: 1, per: 1h}");
    let heard = [
        agents(Motion::Given, 0, "Global Administrator"),
        agents(Motion::Given, 1, "User Administrator"),
        agents(Motion::Given, 70, "Security Administrator"),
    ];
    let lines = told(&played(&case, None, &heard));
    assert_eq!(
        lines,
        [
            "0 revoke Global Administrator",
            "1 hold-back User Administrator",
            "70 revoke User Administrator",
            "70 hold-back Security Administrator",
        ]
    );
}

#[test]
fn without_a_snapshot_accounts_are_known_by_their_names_alone() {
    let heard = [
        account(0, "alice_contoso-reseller.example#EXT#@woodgrove.example", "User Administrator"),
        account(1, "bob_stranger.example#EXT#@woodgrove.example", "User Administrator"),
        account(2, "megan@woodgrove.example", "User Administrator"),
    ];
    let replayed = played(&given(), None, &heard);
    assert_eq!(told(&replayed), ["0 revoke User Administrator"]);
    assert!(replayed.assumed.contains(NO_SNAPSHOT));
}

#[test]
fn a_holder_nobody_knows_is_a_ticket_and_is_not_taken_from() {
    let holder = Holder { id: "x".to_owned(), name: None, user_principal_name: None };
    let heard = [event(0, Some(change(Motion::Given, "Global Administrator", holder, false)))];
    let replayed = played(&given(), None, &heard);
    assert_eq!(told(&replayed), ["0 ticket Global Administrator"]);
    assert_eq!(replayed.happenings[0].findings, [FindingName::UnclassifiedPrincipal]);
}

#[test]
fn of_several_partners_none_is_guessed() {
    let heard = [agents(Motion::Given, 0, "Global Administrator")];
    let mut snapshot = given().member("Megan", "Global Administrator");
    snapshot = snapshot.service_provider("33333333-3333-3333-3333-333333333333");
    let replayed = played(&given(), Some(&snapshot.facts), &heard);
    let about_role = |it: &&Happening| it.role.is_some();
    let about: Vec<_> = replayed.happenings.iter().filter(about_role).collect();
    assert_eq!(about.len(), 1);
    assert_eq!(about[0].findings, [FindingName::UnclassifiedPrincipal]);
}

#[test]
fn a_snapshot_taken_afterwards_is_put_back_to_how_it_was() {
    // It shows what the events gave, and not what they took.
    let after = given()
        .member("Megan", "Global Administrator")
        .foreign_group("AdminAgents", "User Administrator");
    let agents_id = after.facts.assignments[1].principal_id.as_str().to_owned();
    let holder = || Holder { id: agents_id.to_uppercase(), name: None, user_principal_name: None };
    let heard = [
        event(0, Some(change(Motion::Taken, "Security Administrator", holder(), true))),
        event(1, Some(change(Motion::Given, "User Administrator", holder(), true))),
    ];
    // In force, the policy would have acted at the first event already.
    let observed = given().mode("observe");
    let lines = told(&played(&observed, Some(&after.facts), &heard));
    assert_eq!(lines, ["1 describe User Administrator"]);
    let heard = [event(-1, None), heard[0].clone(), heard[1].clone()];
    let lines = told(&played(&observed, Some(&after.facts), &heard));
    assert_eq!(lines, ["-1 describe Security Administrator", "1 describe User Administrator"]);
}

#[test]
fn two_policies_are_compared_thing_by_thing() {
    let heard = [
        agents(Motion::Given, 0, "Global Administrator"),
        agents(Motion::Given, 1, "Reports Reader"),
    ];
    let one = [played(&given(), None, &heard)];
    assert_eq!(differences(&one, &one), []);
    let milder = [played(&given().allow(&["Reports Reader"]).mode("approve"), None, &heard)];
    let effects = |list: Vec<Difference>| -> Vec<(Option<Effect>, Option<Effect>)> {
        let effect = |it: Option<Happening>| it.map(|it| it.effect);
        list.into_iter().map(|it| (effect(it.one), effect(it.other))).collect()
    };
    let ticket = Effect::Ticket { sinks: vec![SinkName("s".to_owned())] };
    assert_eq!(
        effects(differences(&one, &milder)),
        [(Some(Effect::Revoke), Some(Effect::Ask)), (Some(ticket.clone()), None)]
    );
    assert_eq!(
        effects(differences(&milder, &one)),
        [(Some(Effect::Ask), Some(Effect::Revoke)), (None, Some(ticket))]
    );
}

#[test]
fn an_allowance_is_judged_by_the_time_of_the_event() {
    let case = given().allow(&["User Administrator"]).allowed_until("2026-11-23T12:30Z");
    let heard = [
        agents(Motion::Given, 0, "User Administrator"),
        agents(Motion::Given, 60, "Reports Reader"),
    ];
    let lines = told(&played(&case, None, &heard));
    assert_eq!(lines, ["60 revoke User Administrator", "60 ticket Reports Reader"]);
}

/// Each way to hold a role is gone after it was taken away, and what is beside it stays.
#[test]
fn what_was_taken_away_is_not_found_again_however_it_was_held() {
    const PERMISSION: &str = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8";
    const UPN: &str = "svc@woodgrove.example";
    let case = || {
        Case::new()
            .with_policy(
                "respond: {privileged-role: {do: revoke}, partner-app-privileged: {do: revoke}}",
            )
            .member("Lee", "Global Administrator")
    };
    let alice = |case: Case| case.guest_in("Admins", "Alice", "alice@contoso-reseller.example");
    let role = "User Administrator";
    let nested = |direct: &[&str]| {
        alice(case().own_group("Admins", role))
            .group_in("Admins", "Help")
            .directly_in("Admins", direct)
            .directly_in("Help", &["Alice"])
    };
    let by_schedule = case().dedicated_account(UPN, role).active(UPN, role, None);
    let shadowed = alice(case().own_group("Admins", role)).shadow("Alice", role);
    for case in [
        case().foreign_group("AdminAgents", role),
        by_schedule,
        case().account(UPN).active(UPN, role, None),
        case().account(UPN).eligible(UPN, role, None),
        alice(case().own_group("Admins", role)),
        alice(case().eligible_group("Admins", role)),
        shadowed,
        nested(&["Help"]),
        nested(&["Help", "Alice"]),
        case().app_with("Sync", PERMISSION, "Microsoft Graph"),
    ] {
        let heard = [event(0, None), account(1, "nobody@woodgrove.example", "Reports Reader")];
        let replayed = played(&case, Some(&case.facts), &heard);
        let effects: Vec<&Effect> = replayed.happenings.iter().map(|it| &it.effect).collect();
        assert_eq!(effects, [&Effect::Revoke], "{:#?}\n{:#?}", replayed.happenings, case.facts);
    }
}

/// Whoever leaves one group of two that hold the same role has it by the other.
#[test]
fn whoever_is_taken_out_of_one_group_is_in_the_other_still() {
    let case = given()
        .member("Lee", "Global Administrator")
        .own_group("Admins", "User Administrator")
        .own_group("Others", "Reports Reader")
        .guest_in("Admins", "Alice", "alice@contoso-reseller.example")
        .guest_in("Others", "Alice", "alice@contoso-reseller.example");
    let replayed = played(&case, Some(&case.facts), &[event(0, None), event(1, None)]);
    assert_eq!(told(&replayed), ["0 revoke User Administrator", "0 ticket Reports Reader"]);
}
