//! What our own revocations leave in the audit log is heard, and is no reason to look again; all
//! else is, and what is done in our name and not by us is told.

use partner_warden::sim::{CLIENT_ID, Rule, Scenario, Then, WOODGROVE};

use crate::harness::{ENFORCE, Town};

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

const OBJECTS: [&str; 4] = [
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000002",
    "00000000-0000-4000-8000-000000000003",
    "00000000-0000-4000-8000-000000000004",
];

#[tokio::test]
async fn our_own_removal_is_no_reason_to_look_again_in_either_form() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let warden = town.serve();
    warden.role_was_added().await;
    town.closed_ticket().await;
    let by_app = event(&town, AUDIT, OBJECTS[2]);
    let by_app = by_app.replace("\"appId\": null", &format!("\"appId\": \"{CLIENT_ID}\""));
    let events = [event(&town, AUDIT, OBJECTS[0]), event(&town, RECORD, OBJECTS[1]), by_app];
    for (number, event) in (1..).zip(&events) {
        assert_eq!(warden.audit(event).await, 202);
        warden.logged(NO_REASON, number).await;
    }
    warden.stop().await;
    assert_eq!(town.looks(), 1);
    assert_eq!(town.next_look().await, None);
    assert_eq!(
        town.sim.count("GET", "/v1.0/servicePrincipals?$filter=appId"),
        1,
        "it is asked for once"
    );
}

#[tokio::test]
async fn what_was_added_in_our_name_is_looked_at_and_told() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let warden = town.serve();
    let added = [event(&town, AUDIT, OBJECTS[0]), event(&town, RECORD, OBJECTS[1])];
    for (looks, event) in (1..).zip(&added) {
        let event = event.replace("Remove member from role", "Add member to role");
        assert_eq!(warden.audit(&event).await, 202);
        town.looked(looks).await;
        let told = "and no revocation: Add member to role; if this program did not do it";
        warden.logged(told, looks).await;
    }
    warden.stop().await;
}

#[tokio::test]
async fn somebody_elses_removal_is_looked_at() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let warden = town.serve();
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
    assert!(!log.contains("and no revocation"), "{log}");
}

#[tokio::test]
async fn our_own_removal_is_looked_at_in_doubt() {
    // Nobody knows which service principal is ours.
    let unknown = Rule::new("/v1.0/servicePrincipals", Then::status(403)).forever();
    let town = Town::new(Scenario::woodgrove().fault(unknown), ENFORCE).await;
    let warden = town.serve();
    assert_eq!(warden.audit(&event(&town, AUDIT, OBJECTS[0])).await, 202);
    town.looked(1).await;
    let log = warden.stop().await;
    assert!(log.contains("our own service principal is not known"), "{log}");

    // Two signals about one object, of which the queue keeps the first.
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let warden = town.serve();
    let ours = event(&town, AUDIT, OBJECTS[0]);
    let added = ours.replace("Remove member from role", "Add member to role");
    assert_eq!(warden.audit(&format!("[{ours},{added}]")).await, 202);
    town.looked(1).await;

    // One of several objects that somebody else changed.
    let other = event(&town, AUDIT, OBJECTS[2]).replace("Remove member", "Add member");
    assert_eq!(warden.audit(&format!("[{},{other}]", event(&town, AUDIT, OBJECTS[1]))).await, 202);
    town.looked(2).await;
    let log = warden.stop().await;
    assert!(!log.contains("no reason to look"), "{log}");
}

#[tokio::test]
async fn a_look_that_is_owed_to_an_earlier_signal_is_not_left_out() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await.set("WARDEN_SETTLE_AFTER", "PT3S");
    let warden = town.serve();
    let ours = event(&town, AUDIT, OBJECTS[0]);
    let added = ours.replace("Remove member from role", "Add member to role");
    assert_eq!(warden.audit(&added).await, 202);
    town.looked(1).await;
    // It joins what settles.
    assert_eq!(warden.audit(&ours).await, 202);
    town.looked(2).await;
    let log = warden.stop().await;
    assert!(!log.contains("no reason to look"), "{log}");
}
