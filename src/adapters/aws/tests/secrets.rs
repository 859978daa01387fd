//! Secrets that are rotated while the program runs.

use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::Client;
use jiff::Timestamp;

use super::{emulated, new_name};
use crate::adapters::aws::secrets::StoredSecrets;
use crate::adapters::behaviour::at;
use crate::config::Secrets;
use crate::http::renewing::Renew as _;
use crate::ports::{Clock, Failure};

/// A clock that is set by hand.
struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct Given {
    client: Client,
    ids: Vec<String>,
    clock: Arc<Hand>,
    stored: StoredSecrets,
}

/// Secrets of their own, with these documents.
async fn given(documents: &[&str]) -> Given {
    let config = emulated().await;
    let client = Client::new(&config);
    let mut ids = Vec::new();
    for document in documents {
        let id = new_name("warden/secret");
        client.create_secret().name(&id).secret_string(*document).send().await.unwrap();
        ids.push(id);
    }
    let clock = Arc::new(Hand(Mutex::new(at(0))));
    let stored = StoredSecrets::new(&config, ids.clone(), clock.clone());
    Given { client, ids, clock, stored }
}

impl Given {
    async fn put(&self, document: &str) {
        let put = self.client.put_secret_value().secret_id(&self.ids[0]);
        put.secret_string(document).send().await.unwrap();
    }

    fn at(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() = at(seconds);
    }

    async fn keys(&self) -> Vec<String> {
        keys(&self.stored.held().await.unwrap())
    }
}

fn keys(secrets: &Secrets) -> Vec<String> {
    secrets.rotated("o365AuthId").iter().map(|key| key.expose().to_owned()).collect()
}

#[tokio::test]
async fn a_secret_is_kept_for_five_minutes_and_then_read_with_the_one_before() {
    let given = given(&[r#"{"o365AuthId": "first"}"#]).await;
    assert_eq!(given.keys().await, ["first"]);
    given.put(r#"{"o365AuthId": "second"}"#).await;
    given.at(299);
    assert_eq!(given.keys().await, ["first"]);
    given.at(300);
    assert_eq!(given.keys().await, ["second", "first"]);
}

#[tokio::test]
async fn a_key_that_is_not_known_is_a_reason_to_read_again_but_not_all_the_time() {
    let given = given(&[r#"{"o365AuthId": "first"}"#]).await;
    let first = given.stored.held().await.unwrap();
    given.put(r#"{"o365AuthId": "second"}"#).await;
    given.at(29);
    assert!(Arc::ptr_eq(&first, &given.stored.renewed().await.unwrap()));
    given.at(30);
    let second = given.stored.renewed().await.unwrap();
    assert_eq!(keys(&second), ["second", "first"]);
    given.at(60);
    let same = given.stored.renewed().await.unwrap();
    assert!(Arc::ptr_eq(&second, &same), "what has not changed is the same");
}

#[tokio::test]
async fn what_cannot_be_read_anew_stays_as_it_was() {
    let given = given(&[r#"{"o365AuthId": "first"}"#]).await;
    assert_eq!(given.keys().await, ["first"]);
    given.put(r#"{"o365AuthID": "hunter2"}"#).await;
    given.at(300);
    assert_eq!(given.keys().await, ["first"]);
    let delete = given.client.delete_secret().secret_id(&given.ids[0]);
    delete.force_delete_without_recovery(true).send().await.unwrap();
    given.at(600);
    assert_eq!(given.keys().await, ["first"]);
}

#[tokio::test]
async fn several_secrets_are_one_document() {
    let given = given(&[r#"{"o365AuthId": "a"}"#, r#"{"graphClientSecret": "b"}"#]).await;
    let secrets = given.stored.held().await.unwrap();
    assert_eq!(keys(&secrets), ["a"]);
    assert_eq!(secrets.secret("graphClientSecret").unwrap().expose(), "b");
}

#[tokio::test]
async fn what_is_wrong_is_told_without_any_value() {
    let twice = given(&[r#"{"o365AuthId": "hunter2"}"#, r#"{"o365AuthId": "hunter3"}"#]).await;
    let error = twice.stored.held().await.unwrap_err();
    let [first, second] = [&twice.ids[0], &twice.ids[1]];
    assert_eq!(
        error.to_string(),
        format!(
            "the secret {first} is not complete: o365AuthId stands in both {first} and {second}"
        )
    );
    let broken = given(&["hunter2"]).await;
    let error = broken.stored.held().await.unwrap_err();
    let id = &broken.ids[0];
    assert_eq!(
        error.to_string(),
        format!("the secret {id} is not complete: not JSON at line 1, column 1")
    );
    let config = emulated().await;
    let absent = StoredSecrets::new(&config, vec!["warden/none".to_owned()], broken.clock.clone());
    let error = absent.held().await.unwrap_err();
    assert_eq!(error.kind, Failure::Gone);
    assert_eq!(
        error.to_string(),
        "reading the secret warden/none was answered with ResourceNotFoundException; see to the \
         name, the region and the account"
    );
}

#[tokio::test]
async fn a_version_before_that_cannot_be_read_is_left_out() {
    let given = given(&["no JSON"]).await;
    given.put(r#"{"o365AuthId": "second"}"#).await;
    assert_eq!(given.keys().await, ["second"]);
}
