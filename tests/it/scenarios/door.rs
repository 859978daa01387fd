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

async fn health(warden: &Warden) -> Value {
    let answer = warden.request("GET", "/health", &[], "").await;
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

async fn health_says_that_all_is_stopped_and_since_when(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    let before = health(&warden).await;
    assert_eq!((&before["status"], before.get("stopped")), (&json!("ok"), None), "{before}");
    let switch = switch(&town, on);
    let since = SystemClock.now();
    switch.stop(&Stop::new("INC-7: <b>looks wrong</b>", since)).await.unwrap();
    let stopped = health(&warden).await;
    assert_eq!((&stopped["stopped"], &stopped["stoppedSince"]), (&json!(true), &json!(since)));
    assert!(!stopped.to_string().contains("INC-7"), "{stopped}");
    switch.resume().await.unwrap();
    assert_eq!(health(&warden).await, before);
    let log = warden.stop().await;
    assert!(!log.contains("the stop switch cannot be read"), "{log}");
}

async fn who_decides_by_a_name_alone_is_told_when_the_door_opens(on: Backend) {
    let policy = ENFORCE.replace("mode: enforce", "mode: approve");
    let town = Town::on(on, Scenario::woodgrove(), &policy).await;
    let warden = town.start().await;
    health(&warden).await;
    warden.logged("whoever has the link decides by the name they give", 1).await;
    warden.stop().await;
}
