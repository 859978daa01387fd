//! `tickets test`: a sink tried by a person.

use partner_warden::sim::{Rule, Scenario, Then};
use serde_json::{Value, json};

use crate::harness::{ENFORCE, Town, kinds};

async fn town(scenario: Scenario) -> Town {
    Town::new(scenario, ENFORCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_tried_beside_a_serve_and_without_a_credential() {
    let town = town(Scenario::woodgrove()).await;
    let warden = town.serve();
    // The store is another process's, and what signs in to Microsoft is gone.
    let town = town.secret("graphClientSecret", None);
    let tried = town.beside(&["tickets", "test", "security"]).await;
    assert_eq!((tried.code, tried.err.as_str()), (Some(0), ""), "{}", tried.out);
    let origin = town.sim.origin().to_string();
    let said = tried.out.replace(origin.trim_end_matches('/'), "ORIGIN");
    insta::assert_snapshot!(said, @r#"
    Trying `security`: webhook at ORIGIN/inbox/security
      ✓ preflight            messages go to ORIGIN; it cannot be asked without telling
      ✓ opened               the message that a ticket is opened was taken
      ✓ closed               the message that it is closed was taken
    Both messages were taken. Nothing more can be asked there: look at ORIGIN/inbox/security whether something that begins with "TEST by Partner Warden" was shown to those who are to see it.
    "#);

    let delivered = town.sim.deliveries("security");
    assert!(delivered.iter().all(|it| it.verified), "{delivered:?}");
    let messages: Vec<Value> = delivered.iter().map(|it| it.body.clone()).collect();
    assert_eq!(kinds(&messages), ["ticket.opened", "ticket.closed"]);
    for message in &messages {
        assert_eq!(message["data"]["title"], "TEST by Partner Warden: nothing has happened");
        assert_eq!(message["data"]["severity"], "info");
        assert_eq!(message["data"]["tenant"], json!({"id": null, "name": "TEST (no tenant)"}));
    }
    warden.stop().await;
    assert_eq!(town.records().await, []);
    assert_eq!(town.looks(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_out_of_order_is_told_with_the_mend() {
    let down = Rule::new("/inbox/", Then::status(500)).forever();
    let town = town(Scenario::woodgrove().fault(down)).await;
    let tried = town.beside(&["tickets", "test", "security", "--severity", "high"]).await;
    let origin = town.sim.origin().to_string();
    let said = tried.out.replace(origin.trim_end_matches('/'), "ORIGIN");
    insta::assert_snapshot!(said, @r"
    Trying `security`: webhook at ORIGIN/inbox/security
      ✓ preflight            messages go to ORIGIN; it cannot be asked without telling
      ✗ opened               ticket sink security answered 500
        what to do           see that the system at ORIGIN/inbox/security is in order and can be reached from this machine, then try again
    ");
    assert_eq!((tried.code, tried.err.as_str()), (Some(1), ""));

    let tried = town.beside(&["tickets", "test", "security", "--json"]).await;
    let report: Value = serde_json::from_str(&tried.out).unwrap();
    assert_eq!(report["trouble"]["step"], "open");
    assert_eq!(report["steps"].as_array().map(Vec::len), Some(1));
    assert_eq!((report["keepsTickets"].as_bool(), tried.code), (Some(false), Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_wrongly_is_told_with_what_there_is() {
    let town = town(Scenario::woodgrove()).await;
    let tried = town.beside(&["tickets", "test", "securty"]).await;
    insta::assert_snapshot!(tried.err, @"error: the policy names no ticket sink `securty`; it has: security");
    assert_eq!((tried.code, tried.out.as_str()), (Some(2), ""));
    let tried = town.beside(&["tickets", "test", "security", "--severity", "awful"]).await;
    assert!(tried.err.contains("one of critical, high, medium, low, info"), "{}", tried.err);
    assert_eq!(tried.code, Some(2));

    let town = town.secret("tickets", None);
    let tried = town.beside(&["tickets", "test", "security"]).await;
    let folder = town.folder.path().display().to_string();
    insta::assert_snapshot!(tried.err.replace(&folder, "…"), @r"
    error: the secrets in …/secrets.json are not complete:
      tickets.security.secret is missing; messages to that sink are signed with it
    ");
    assert_eq!((tried.code, tried.out.as_str()), (Some(2), ""));
    assert_eq!(town.sim.deliveries("security"), []);
}
