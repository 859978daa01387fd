//! What the door tells whoever runs it: that all is stopped, and that nobody proves who decides.

use partner_warden::adapters::clock::SystemClock;
use partner_warden::adapters::stop_file::StopFile;
use partner_warden::domain::stop::Stop;
use partner_warden::ports::{Clock as _, TurnStopSwitch};
use partner_warden::sim::Scenario;
use serde_json::{Value, json};

use crate::harness::{Backend, ENFORCE, Town, Warden, on_each};

on_each! {
    health_says_that_all_is_stopped_and_since_when
    who_decides_by_a_name_alone_is_told_when_the_door_opens
}

fn switch(town: &Town, on: Backend) -> Box<dyn TurnStopSwitch> {
    match on {
        Backend::Embedded => Box::new(StopFile::beside(&town.folder.path().join("store.db"))),
        #[cfg(feature = "aws")]
        Backend::Aws => Box::new(crate::aws::table(town.stack())),
    }
}

/// What the door says of itself. The emulator answers this path in the functions' place, so that the
/// function is asked for it directly, as its url would.
async fn health(town: &Town, warden: &Warden, on: Backend) -> Value {
    let text = match on {
        Backend::Embedded => {
            let answer = warden.request("GET", "/health", &[], "").await;
            assert_eq!(answer.status, 200);
            String::from_utf8(answer.body.to_vec()).unwrap()
        }
        #[cfg(feature = "aws")]
        Backend::Aws => {
            let http = json!({
                "method": "GET", "path": "/health", "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": "tests",
            });
            let context = json!({
                "accountId": "000000000000", "apiId": "door", "domainName": "door.example",
                "domainPrefix": "door", "http": http, "requestId": "1", "routeKey": "$default",
                "stage": "$default", "time": "25/Nov/2026:12:00:00 +0000", "timeEpoch": 0,
            });
            let event = json!({
                "version": "2.0", "routeKey": "$default", "rawPath": "/health",
                "rawQueryString": "", "headers": {"host": "door.example"},
                "requestContext": context, "isBase64Encoded": false,
            });
            let answer = town.stack().invoke("ingest", &event).await;
            assert_eq!(answer["statusCode"], 200, "{answer}");
            answer["body"].as_str().unwrap().to_owned()
        }
    };
    #[cfg(not(feature = "aws"))]
    let _ = town;
    serde_json::from_str(&text).unwrap()
}

async fn health_says_that_all_is_stopped_and_since_when(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    let before = health(&town, &warden, on).await;
    assert_eq!((&before["status"], before.get("stopped")), (&json!("ok"), None), "{before}");
    let switch = switch(&town, on);
    let since = SystemClock.now();
    switch.stop(&Stop::new("INC-7: <b>looks wrong</b>", since)).await.unwrap();
    let stopped = health(&town, &warden, on).await;
    assert_eq!((&stopped["stopped"], &stopped["stoppedSince"]), (&json!(true), &json!(since)));
    assert!(!stopped.to_string().contains("INC-7"), "{stopped}");
    switch.resume().await.unwrap();
    assert_eq!(health(&town, &warden, on).await, before);
    let log = warden.stop().await;
    assert!(!log.contains("the stop switch cannot be read"), "{log}");
}

async fn who_decides_by_a_name_alone_is_told_when_the_door_opens(on: Backend) {
    let policy = ENFORCE.replace("mode: enforce", "mode: approve");
    let town = Town::on(on, Scenario::woodgrove(), &policy).await;
    let warden = town.start().await;
    health(&town, &warden, on).await;
    warden.logged("whoever has the link decides by the name they give", 1).await;
    warden.stop().await;
}
