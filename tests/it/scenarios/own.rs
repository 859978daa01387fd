//! What our own revocations leave in the audit log is heard, and is no reason to look again; all
//! else is, and what is done in our name and not by us is told.

use jiff::{SignedDuration, Timestamp};
use partner_warden::adapters::clock::SystemClock;
use partner_warden::ports::Clock as _;
use partner_warden::sim::{CLIENT_ID, Rule, Scenario, Then, WOODGROVE};
use serde_json::Value;

use crate::harness::{Backend, ENFORCE, LIMIT, Town, Warden, on_each, steps};
use crate::ways::{self, Way};

on_each! {
    our_own_removal_is_no_reason_to_look_again_in_either_form
    a_removal_in_our_name_that_no_step_of_ours_was_is_looked_at_once_and_told
    what_was_added_in_our_name_is_looked_at_and_told
    somebody_elses_removal_is_looked_at
    our_own_removal_is_looked_at_in_doubt
    a_look_that_is_owed_to_an_earlier_signal_is_not_left_out
    who_was_taken_out_of_a_group_by_us_is_no_reason_and_who_was_not_is_told
    a_policy_of_ours_is_known_and_another_in_our_name_is_told
    what_is_done_to_our_own_application_is_told_loudly
}

const AUDIT: &str = include_str!("../../../events/audit/own-removal.json");
const RECORD: &str = include_str!("../../../events/o365/record-own-removal.json");

/// What is logged when nothing that waits is a reason to look.
const NO_REASON: &str = "no reason to look: 1 signal";

/// An event of ours about an object of its own, so that none waits for another.
fn event(town: &Town, text: &str, object: &str) -> String {
    let id = town.sim.principal_id(WOODGROVE, "Partner Warden").unwrap();
    let text = text.replace("{{servicePrincipalId}}", &id);
    text.replace("f60a2c9d-1e57-4b83-8d4c-b92735e0a16f", object)
}

const OBJECTS: [&str; 3] = [
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000002",
    "00000000-0000-4000-8000-000000000003",
];

/// A town in which everything that is not allowed was just taken away, with the ids of those from
/// whom: the partner's group and its guest.
async fn after_revocations(town: Town) -> (Town, Warden, [String; 2]) {
    let warden = town.start().await;
    let ids = ["AdminAgents", "Alice"].map(|it| town.sim.principal_id(WOODGROVE, it).unwrap());
    warden.role_was_given_to(&ids[0]).await;
    let gone = town
        .sim
        .wait_for("the deletions", LIMIT, |view| (view.deletions().len() >= 2).then_some(()));
    gone.await.unwrap();
    (town, warden, ids)
}

async fn our_own_removal_is_no_reason_to_look_again_in_either_form(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let (town, warden, [group, guest]) = after_revocations(town).await;
    town.closed_ticket().await;
    let by_app = event(&town, AUDIT, &guest);
    let by_app = by_app.replace("\"appId\": null", &format!("\"appId\": \"{CLIENT_ID}\""));
    let events = [event(&town, AUDIT, &guest), event(&town, RECORD, &group), by_app];
    for (number, event) in (1..).zip(&events) {
        assert_eq!(warden.audit(event).await, 202);
        warden.logged(NO_REASON, number).await;
    }
    warden.stop().await;
    assert_eq!(town.looks(), 1);
    assert_eq!(town.next_look().await, None);
    // Lambda may run a function as several processes.
    if on == Backend::Embedded {
        let asked = town.sim.count("GET", "/v1.0/servicePrincipals?$filter=appId");
        assert_eq!(asked, 1, "it is asked for once");
    }
}

async fn a_removal_in_our_name_that_no_step_of_ours_was_is_looked_at_once_and_told(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let (town, warden, _) = after_revocations(town).await;
    town.closed_ticket().await;
    // Whoever holds our credential takes the role of an administrator of the tenant.
    let megan = town.sim.principal_id(WOODGROVE, "Megan Bowen").unwrap();
    for (looks, form) in (2..).zip([AUDIT, RECORD]) {
        assert_eq!(warden.audit(&event(&town, form, &megan)).await, 202);
        town.looked(looks).await;
        warden.logged("and no write known here: Remove member from role", looks - 1).await;
    }
    let log = warden.stop().await;
    assert!(!log.contains("no reason to look"), "{log}");
    assert_eq!((town.looks(), town.next_look().await), (3, None), "each is a reason once");
    assert_eq!(town.sim.deletions().len(), 2);
}

async fn what_was_added_in_our_name_is_looked_at_and_told(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    let added = [event(&town, AUDIT, OBJECTS[0]), event(&town, RECORD, OBJECTS[1])];
    for (looks, event) in (1..).zip(&added) {
        let event = event.replace("Remove member from role", "Add member to role");
        assert_eq!(warden.audit(&event).await, 202);
        town.looked(looks).await;
        let told = "and no write known here: Add member to role; if this program did not";
        warden.logged(told, looks).await;
    }
    warden.stop().await;
}

async fn somebody_elses_removal_is_looked_at(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    let other = "8e2d61b4-f093-47c5-bd1a-4c7f9036e5a8";
    let ours = town.sim.principal_id(WOODGROVE, "Partner Warden").unwrap();
    let by_other = |event: String| event.replace(&ours, other);
    let by_person = include_str!("../../../events/audit/array.json");
    for (looks, event) in (1..).zip([
        by_other(event(&town, AUDIT, OBJECTS[0])),
        by_other(event(&town, RECORD, OBJECTS[1])),
        by_person.to_owned(),
    ]) {
        assert_eq!(warden.audit(&event).await, 202);
        town.looked(looks).await;
    }
    let log = warden.stop().await;
    assert!(!log.contains("no reason to look"), "{log}");
    assert!(!log.contains("and no write known here"), "{log}");
}

async fn our_own_removal_is_looked_at_in_doubt(on: Backend) {
    // Nobody knows which service principal is ours.
    let unknown = Rule::new("/v1.0/servicePrincipals?$filter=appId", Then::status(403)).forever();
    let town = Town::on(on, Scenario::woodgrove().fault(unknown), ENFORCE).await;
    let (town, warden, [_, guest]) = after_revocations(town).await;
    assert_eq!(warden.audit(&event(&town, AUDIT, &guest)).await, 202);
    town.looked(2).await;
    let log = warden.stop().await;
    assert!(log.contains("our own service principal is not known"), "{log}");

    // Two signals about one object, of which the queue keeps the first.
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let (town, warden, [group, guest]) = after_revocations(town).await;
    let ours = event(&town, AUDIT, &guest);
    let added = ours.replace("Remove member from role", "Add member to role");
    assert_eq!(warden.audit(&format!("[{ours},{added}]")).await, 202);
    town.looked(2).await;

    // One of several objects that somebody else changed.
    let other = event(&town, AUDIT, OBJECTS[2]).replace("Remove member", "Add member");
    assert_eq!(warden.audit(&format!("[{},{other}]", event(&town, AUDIT, &group))).await, 202);
    town.looked(3).await;
    warden.stop().await;
}

async fn a_look_that_is_owed_to_an_earlier_signal_is_not_left_out(on: Backend) {
    let town =
        Town::on(on, Scenario::woodgrove(), ENFORCE).await.set("WARDEN_SETTLE_AFTER", "PT3S");
    let (town, warden, [group, _]) = after_revocations(town).await;
    // It joins what settles.
    assert_eq!(warden.audit(&event(&town, AUDIT, &group)).await, 202);
    town.looked(2).await;
    let log = warden.stop().await;
    assert!(!log.contains("no reason to look"), "{log}");
    assert!(!log.contains("and no write known here"), "{log}");
}

async fn who_was_taken_out_of_a_group_by_us_is_no_reason_and_who_was_not_is_told(on: Backend) {
    let scenario = Way::Member.scenario();
    let tenant = scenario.tenants[0].clone();
    let tenant = tenant.service_principal("Partner Warden", CLIENT_ID, WOODGROVE, None);
    let scenario = Scenario { tenants: vec![tenant], ..scenario };
    let town = Town::on(on, scenario, ways::ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    town.closed_ticket().await;
    let id = |name: &str| town.sim.principal_id(WOODGROVE, name).unwrap();
    let removed = |who: &str| {
        let event = event(&town, AUDIT, &id(who));
        let event = event.replace("\"type\": \"Role\"", "\"type\": \"Group\"");
        let event = event.replace("c58e01a7-49d3-4f26-b8c0-7a3e61d5f942", &id("Admins"));
        event.replace("Remove member from role", "Remove member from group")
    };
    assert_eq!(warden.audit(&removed("Alice")).await, 202);
    warden.logged(NO_REASON, 1).await;
    assert_eq!(town.looks(), 1);
    // Whoever holds our credential takes an administrator of the tenant out of the same group.
    assert_eq!(warden.audit(&removed("Megan Bowen")).await, 202);
    town.looked(2).await;
    warden.logged("and no write known here: Remove member from group", 1).await;
    // What no step does is told too, though nobody's access is changed by it.
    let reset = event(&town, AUDIT, &id("Alice"));
    let reset = reset.replace("\"appId\": null", &format!("\"appId\": \"{CLIENT_ID}\""));
    let reset = reset.replace("\"RoleManagement\"", "\"UserManagement\"");
    let reset = reset.replace("Remove member from role", "Reset password");
    assert_eq!(warden.audit(&reset).await, 202);
    town.looked(3).await;
    warden.logged("and no write known here: Reset password", 1).await;
    let log = warden.stop().await;
    assert_eq!(log.matches("and no write known here").count(), 2, "{log}");
}

async fn a_policy_of_ours_is_known_and_another_in_our_name_is_told(on: Backend) {
    let policy = ENFORCE.replace("{do: revoke", "{do: quarantine");
    assert!(policy != ENFORCE);
    let town = Town::on(on, Scenario::woodgrove(), &policy).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let proven = |messages: &[Value]| {
        messages.last().is_some_and(|last| steps(last).iter().any(|it| it.ends_with(": verified")))
    };
    town.messages("the policy, proven", proven).await;
    let added = |at: Timestamp, object: &str| {
        let event = event(&town, AUDIT, object);
        let event = event.replace("2026-11-20T05:09:27.6140382Z", &at.to_string());
        let event = event.replace("\"RoleManagement\"", "\"Policy\"");
        event.replace("Remove member from role", "Add Conditional Access policy")
    };
    let now = SystemClock.now();
    assert_eq!(warden.audit(&added(now, OBJECTS[0])).await, 202);
    town.looked(2).await;
    assert_eq!(warden.audit(&added(now - SignedDuration::from_hours(2), OBJECTS[1])).await, 202);
    town.looked(3).await;
    warden.logged("and no write known here: Add Conditional Access policy", 1).await;
    let log = warden.stop().await;
    assert_eq!(log.matches("and no write known here").count(), 1, "{log}");
}

async fn what_is_done_to_our_own_application_is_told_loudly(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    let own = town.sim.principal_id(WOODGROVE, "Partner Warden").unwrap();
    let by_person = |event: String| {
        let person = "\"user\": {\"id\": \"3e8f2a70-c14d-4b96-9e05-6fd7b1843c2a\"}";
        event.replace("\"user\": null", person)
    };
    let template = |what: &str, object: &str| {
        let event = event(&town, AUDIT, object).replace("Remove member from role", what);
        by_person(event.replace("\"RoleManagement\"", "\"ApplicationManagement\""))
    };
    for (looks, (what, object)) in (1..).zip([
        ("Add service principal credentials", OBJECTS[0]),
        ("Remove app role assignment from service principal", own.as_str()),
    ]) {
        assert_eq!(warden.audit(&template(what, object)).await, 202);
        town.looked(looks).await;
    }
    let said = "this program's own application: Remove app role assignment from service principal";
    warden.logged(said, 1).await;
    let log = warden.stop().await;
    let told: Vec<&str> =
        log.lines().filter(|line| line.contains("own-application-changed")).collect();
    assert!(told.len() == 1 && told[0].contains("\"ERROR\""), "{told:#?}");
}
