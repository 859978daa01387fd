//! What is remembered about tenants.

use jiff::SignedDuration;

use super::*;
use crate::domain::signal::Sender;
use crate::ports::{EndLook as _, Queue as _, ReadHeard as _, Settle};
use crate::wire::schedule;

#[tokio::test]
async fn a_value_is_remembered_by_tenant_and_name() {
    let given = given();
    let (woodgrove, contoso) = (tenant(WOODGROVE), tenant(CONTOSO));
    assert_eq!(given.store.mark(woodgrove, "a").await.unwrap(), None);
    assert!(given.store.set_mark(woodgrove, "a", None, "1").await.unwrap());
    assert!(given.store.set_mark(woodgrove, "a", Some("1"), "2").await.unwrap());
    assert!(given.store.set_mark(contoso, "a", None, "3").await.unwrap());
    assert!(given.store.set_mark(woodgrove, "b", None, "4").await.unwrap());
    let after = given.after_a_crash().store;
    assert_eq!(after.mark(woodgrove, "a").await.unwrap().as_deref(), Some("2"));
    assert_eq!(after.mark(contoso, "a").await.unwrap().as_deref(), Some("3"));
}

#[tokio::test]
async fn a_value_that_somebody_else_has_changed_is_not_overwritten() {
    let given = given();
    let woodgrove = tenant(WOODGROVE);
    assert!(!given.store.set_mark(woodgrove, "a", Some("0"), "1").await.unwrap());
    assert!(given.store.set_mark(woodgrove, "a", None, "1").await.unwrap());
    assert!(!given.store.set_mark(woodgrove, "a", None, "2").await.unwrap());
    assert!(!given.store.set_mark(woodgrove, "a", Some("0"), "2").await.unwrap());
    assert_eq!(given.store.mark(woodgrove, "a").await.unwrap().as_deref(), Some("1"));
}

/// A signal of an audit event with an id.
fn event(id: &str, seconds: i64) -> Verified<Signal> {
    let body = format!(r#"{{"activityDisplayName": "Add member to role", "id": "{id}"}}"#);
    let key = WebhookSecret::parse(&Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")).unwrap();
    let timestamp = at(seconds).as_second().to_string();
    let signature = key.sign("msg", at(seconds), body.as_bytes());
    let headers =
        Headers { id: Some("msg"), timestamp: Some(&timestamp), signature: Some(&signature) };
    let roster = roster();
    let now = at(seconds);
    let whose = Whose { tenant: Some(WOODGROVE), roster: &roster, own_apps: &[], now };
    let received = audit::receive(body.as_bytes(), headers, &[key], whose);
    received.unwrap().signals.into_iter().next().unwrap()
}

#[tokio::test]
async fn what_senders_bring_is_remembered_with_the_signal_and_nothing_else_is() {
    let given = given();
    let woodgrove = tenant(WOODGROVE);
    given.store.enqueue(vec![event("one", 1), event("two", 60)]).await.unwrap();
    let polled = serde_json::json!({"activityDisplayName": "Add member to role", "id": "three"});
    let roster = roster();
    let whose = Whose { tenant: None, roster: &roster, own_apps: &[], now: at(70) };
    let polled = audit::polled(&[polled], woodgrove, whose).signals;
    given.store.enqueue(polled).await.unwrap();
    given.store.enqueue(vec![schedule::sweep(woodgrove, at(80))]).await.unwrap();
    let asked: Vec<String> = ["one", "two", "three", ""].map(str::to_owned).to_vec();
    let after = given.after_a_crash().store;
    let heard = after.heard(woodgrove, &asked[..3]).await.unwrap();
    assert_eq!(heard.last, [(Sender::Audit, at(60))].into());
    assert_eq!(heard.brought, ["one".to_owned(), "two".to_owned()].into());
    assert_eq!(after.heard(tenant(CONTOSO), &asked).await.unwrap(), crate::ports::Heard::default());

    // A look that is over sees to it that the memory does not grow for ever.
    let lease = SignedDuration::from_mins(15);
    let look = after.claim(at(90), lease, &[]).await.unwrap().unwrap();
    let later = at(30) + SignedDuration::from_hours(6);
    after.complete(&look, later, Settle::No, None).await.unwrap();
    let heard = after.heard(woodgrove, &asked[..3]).await.unwrap();
    assert_eq!((heard.last.len(), heard.brought), (1, ["two".to_owned()].into()));
}
