//! Announced audit content is fetched, and the tenant is looked at if it tells of access, or if
//! what it tells cannot be known.

use std::time::Duration;

use partner_warden::adapters::http::Answer;
use partner_warden::sim::{INBOX_SECRET, Rule, Scenario, Tenant, Then, WOODGROVE};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::front_door::O365_AUTH_ID;
use crate::harness::{Backend, ENFORCE, Town, Warden, on_each};

on_each! {
    content_that_tells_of_access_leads_to_a_look_and_a_revocation
    content_that_tells_of_nobodys_access_is_read_and_the_tenant_is_not
    content_that_tells_of_what_we_took_away_ourselves_is_no_news_and_of_what_we_did_not_is
    content_that_is_gone_or_refused_is_a_reason_to_look
    content_that_cannot_be_read_or_understood_is_a_reason_to_look
    records_of_another_tenant_in_a_tenants_content_are_a_reason_to_look
    nothing_is_sent_where_content_must_not_be
}

const ACCESS: &str = include_str!("../../../events/o365/content-azure-active-directory.json");
const NO_ACCESS: &str = include_str!("../../../events/o365/content-without-access.json");
const OWN: &str = include_str!("../../../events/o365/record-own-removal.json");

const FEED: &str = "/activity/feed/audit/";

async fn town(on: Backend, scenario: Scenario) -> Town {
    Town::on(on, scenario, ENFORCE).await.secret("o365AuthId", Some(O365_AUTH_ID))
}

/// Announces content at these addresses in one request.
async fn announce(warden: &Warden, uris: &[String]) -> Answer {
    let items = uris.iter().map(|uri| {
        json!({"tenantId": WOODGROVE, "contentType": "Audit.AzureActiveDirectory",
            "contentId": "1", "contentUri": uri})
    });
    let body = Value::from(items.collect::<Vec<_>>()).to_string();
    warden.post("/hooks/o365", &[("webhook-authid", O365_AUTH_ID)], &body).await
}

/// How many contents were asked for.
fn fetched(town: &Town) -> usize {
    town.sim.count("GET", FEED)
}

/// Announces content, and waits until it was passed over so often.
async fn passed_over(warden: &Warden, uris: &[String], times: usize) {
    assert_eq!(announce(warden, uris).await.status, 200);
    warden.logged("no reason to look", times).await;
}

async fn content_that_tells_of_access_leads_to_a_look_and_a_revocation(on: Backend) {
    let town = town(on, Scenario::woodgrove()).await;
    let warden = town.start().await;
    let uri = town.sim.publish(WOODGROVE, ACCESS);
    assert_eq!(announce(&warden, &[uri]).await.status, 200);
    town.closed_ticket().await;
    let log = warden.stop().await;
    assert!(log.contains("audit content tells of: Add member to role"), "{log}");
    assert_eq!(town.held().len(), 4);
    assert_eq!((town.looks(), fetched(&town)), (1, 1));
    let records = town.records().await;
    assert_eq!(records[0].signals.first.as_ref().unwrap().what, "new directory audit content");
}

async fn content_that_tells_of_nobodys_access_is_read_and_the_tenant_is_not(on: Backend) {
    let town = town(on, Scenario::woodgrove()).await.set("WARDEN_SETTLE_AFTER", "PT1S");
    let warden = town.start().await;
    passed_over(&warden, &[town.sim.publish(WOODGROVE, NO_ACCESS)], 1).await;
    // Many at once are each read.
    let many: Vec<String> = (0..5).map(|_| town.sim.publish(WOODGROVE, NO_ACCESS)).collect();
    passed_over(&warden, &many, 2).await;
    warden.stop().await;
    assert_eq!((town.looks(), fetched(&town)), (0, 6));
    assert_eq!(town.next_look().await, None);
    assert_eq!(town.records().await.len(), 0);
}

async fn content_that_tells_of_what_we_took_away_ourselves_is_no_news_and_of_what_we_did_not_is(
    on: Backend,
) {
    let town = town(on, Scenario::woodgrove()).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    town.closed_ticket().await;
    let id = |name: &str| town.sim.principal_id(WOODGROVE, name).unwrap();
    let own = |from: &str| {
        let record = OWN.replace("{{servicePrincipalId}}", &id("Partner Warden"));
        format!("[{}]", record.replace("f60a2c9d-1e57-4b83-8d4c-b92735e0a16f", &id(from)))
    };
    passed_over(&warden, &[town.sim.publish(WOODGROVE, &own("AdminAgents"))], 1).await;
    assert_eq!(town.looks(), 1);
    let uri = town.sim.publish(WOODGROVE, &own("Megan Bowen"));
    assert_eq!(announce(&warden, &[uri]).await.status, 200);
    town.looked(2).await;
    let log = warden.stop().await;
    assert!(log.contains("and no write known here: Remove member from role"), "{log}");
    assert_eq!((town.looks(), fetched(&town)), (2, 2));
}

#[tokio::test]
async fn none_of_several_contents_is_lost() {
    let town = town(Backend::Embedded, Scenario::woodgrove()).await;
    let warden = town.serve();
    let mut uris: Vec<String> = (0..7).map(|_| town.sim.publish(WOODGROVE, NO_ACCESS)).collect();
    uris.insert(4, town.sim.publish(WOODGROVE, ACCESS));
    assert_eq!(announce(&warden, &uris).await.status, 200);
    town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(town.looks(), 1);
}

#[tokio::test]
async fn more_contents_than_are_fetched_are_a_reason_to_look() {
    let town = town(Backend::Embedded, Scenario::woodgrove()).await;
    let warden = town.serve();
    let uris: Vec<String> = (0..21).map(|_| town.sim.publish(WOODGROVE, NO_ACCESS)).collect();
    assert_eq!(announce(&warden, &uris).await.status, 200);
    town.looked(1).await;
    warden.stop().await;
    assert_eq!((town.looks(), fetched(&town)), (1, 0));
}

/// Announces content of which nothing can be known.
async fn looked_instead(town: &Town, uris: &[String], why: &str) {
    let warden = town.start().await;
    assert_eq!(announce(&warden, uris).await.status, 200);
    town.looked(1).await;
    let log = warden.stop().await;
    assert!(log.contains(why), "not told: {why}\n{log}");
}

async fn content_that_is_gone_or_refused_is_a_reason_to_look(on: Backend) {
    let gone = town(on, Scenario::woodgrove()).await;
    let uri = gone.sim.publish(WOODGROVE, NO_ACCESS);
    gone.sim.expire_contents();
    looked_instead(&gone, &[uri], "answered 400 AF20051: the content is gone").await;

    let missing = town(on, Scenario::woodgrove()).await;
    let uri = format!("{}x", missing.sim.publish(WOODGROVE, NO_ACCESS));
    looked_instead(&missing, &[uri], "answered 404 AF20050: the content is gone").await;

    let refused = town(on, Scenario::woodgrove().without_permission("ActivityFeed.Read")).await;
    let uri = refused.sim.publish(WOODGROVE, NO_ACCESS);
    looked_instead(&refused, &[uri], "answered 403 AF10001; grant ActivityFeed.Read").await;
}

/// On AWS the queue takes a content once, and it is read.
#[tokio::test]
async fn content_that_is_announced_twice_at_once_is_a_reason_to_look() {
    let twice = town(Backend::Embedded, Scenario::woodgrove()).await;
    let uri = twice.sim.publish(WOODGROVE, NO_ACCESS);
    looked_instead(&twice, &[uri.clone(), uri], "").await;
    assert_eq!(fetched(&twice), 0, "of two signals about one content, only the first is known");
}

async fn content_that_cannot_be_read_or_understood_is_a_reason_to_look(on: Backend) {
    let broken = Rule::new(FEED, Then::status(503)).forever();
    let busy = town(on, Scenario::woodgrove().fault(broken)).await;
    let uri = busy.sim.publish(WOODGROVE, NO_ACCESS);
    looked_instead(&busy, &[uri], "what happened could not be read in time").await;

    let page = Rule::new(FEED, Then::Html200);
    let gateway = town(on, Scenario::woodgrove().fault(page)).await;
    let uri = gateway.sim.publish(WOODGROVE, NO_ACCESS);
    looked_instead(&gateway, &[uri], "audit content is not understood").await;

    for (content, why) in [
        ("[]", "audit content is empty"),
        ("[{}]", "audit content is not understood"),
        ("{\"error\":{}}", "audit content is not understood"),
    ] {
        let town = town(on, Scenario::woodgrove()).await;
        let uri = town.sim.publish(WOODGROVE, content);
        looked_instead(&town, &[uri], why).await;
    }
    // One record that is none beside one that tells nothing.
    let town = town(on, Scenario::woodgrove()).await;
    let record = &serde_json::from_str::<Value>(NO_ACCESS).unwrap()[0];
    let uri = town.sim.publish(WOODGROVE, &json!([record, 7]).to_string());
    looked_instead(&town, &[uri], "an audit record is not understood").await;
}

async fn records_of_another_tenant_in_a_tenants_content_are_a_reason_to_look(on: Backend) {
    const FABRIKAM: &str = "44444444-4444-4444-4444-444444444444";
    let fabrikam = Tenant::new(FABRIKAM, "Fabrikam");
    let scenario = Scenario::woodgrove().tenant(fabrikam).sink("security", INBOX_SECRET);
    let policy =
        ENFORCE.replace("respond:", &format!("  - {{id: {FABRIKAM}, name: Fabrikam}}\nrespond:"));
    let town = Town::on(on, scenario, &policy).await.secret("o365AuthId", Some(O365_AUTH_ID));
    let id = town.sim.principal_id(WOODGROVE, "Partner Warden").unwrap();
    let own = format!("[{}]", OWN.replace("{{servicePrincipalId}}", &id));
    let uri = town.sim.publish(WOODGROVE, &own.replace(WOODGROVE, FABRIKAM));
    looked_instead(&town, &[uri], "audit content tells of: Remove member from role").await;
}

async fn nothing_is_sent_where_content_must_not_be(on: Backend) {
    let town = town(on, Scenario::woodgrove()).await;
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = stranger.local_addr().unwrap().to_string();
    let warden = town.start().await;
    let uri = town.sim.publish(WOODGROVE, ACCESS);
    let here = town.sim.origin().authority().to_owned();
    let uris = [
        uri.replace(&here, &there),
        uri.replace(&here, &format!("{here}@{there}")),
        uri.replace(WOODGROVE, "22222222-2222-2222-2222-222222222222"),
    ];
    assert_eq!(announce(&warden, &uris).await.status, 200);
    // It has done all there was to do once it has passed this one over.
    passed_over(&warden, &[town.sim.publish(WOODGROVE, NO_ACCESS)], 1).await;
    let log = warden.stop().await;
    assert!(log.contains("\"reason\":\"elsewhere\",\"items\":3"), "{log}");
    let connected = tokio::time::timeout(Duration::from_millis(1), stranger.accept()).await;
    assert!(connected.is_err(), "somebody came");
    assert_eq!((town.looks(), fetched(&town)), (0, 1));
    let asked: Vec<String> = town.sim.calls().iter().map(|call| call.path.to_string()).collect();
    assert_eq!(asked.len(), 2, "a sign-in and one content: {asked:?}");
}
