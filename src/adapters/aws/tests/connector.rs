//! The SDK's requests, sent by our own client to a server of our own.

use aws_sdk_secretsmanager::Client;
use axum::body::Body;
use axum::response::Response;
use serde_json::{Value, json};

use super::connected;
use crate::adapters::aws::failed;
use crate::adapters::testing::{Server, ok, status, with};
use crate::ports::{Failure, PortError, chain};

/// Reads a secret at an origin.
async fn read(origin: &str) -> Result<String, PortError> {
    let client = Client::new(&connected(origin).await);
    let answer = client.get_secret_value().secret_id("warden/door").send().await;
    let answer = answer.map_err(|error| failed("reading the secret", error))?;
    Ok(answer.secret_string.unwrap_or_default())
}

/// An origin at which nobody listens.
async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_signed_and_the_answer_comes_back_whole() {
    let server = Server::start(|_| ok(&json!({"SecretString": "hunter2"}))).await;
    assert_eq!(read(server.origin.as_str()).await.unwrap(), "hunter2");
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /");
    let body: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(body, json!({"SecretId": "warden/door"}));
    let authorization = asked[0].authorization.as_deref().unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=test/"), "{authorization}");
}

#[tokio::test]
async fn what_aws_answers_is_what_the_sdk_judges_by() {
    let denied = Server::start(|_| {
        let mut answer = ok(&json!({"__type": "AccessDeniedException"}));
        *answer.status_mut() = 400.try_into().unwrap();
        answer
    });
    let denied = denied.await;
    assert_eq!(read(denied.origin.as_str()).await.unwrap_err().kind, Failure::Denied);
    assert_eq!(denied.asked().len(), 1);
    // Without a body, the kind of error stands in a header.
    let throttled = Server::start(|asked| match asked.before {
        0 => with(status(400), "x-amzn-errortype", "ThrottlingException"),
        _ => ok(&json!({"SecretString": "hunter2"})),
    });
    let throttled = throttled.await;
    assert_eq!(read(throttled.origin.as_str()).await.unwrap(), "hunter2");
    assert_eq!(throttled.asked().len(), 2, "the SDK repeats it");
}

#[tokio::test]
async fn nobody_there_is_a_failure_of_the_moment() {
    let error = read(&nowhere().await).await.unwrap_err();
    assert_eq!(error.kind, Failure::Transient);
    let said = chain(&error);
    assert!(said.contains("AWS cannot be reached"), "{said}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_asked_for_again() {
    let vast = Server::start(|_| Response::new(Body::from(vec![b' '; 17 * 1024 * 1024]))).await;
    let said = chain(&read(vast.origin.as_str()).await.unwrap_err());
    assert!(said.contains("more than"), "{said}");
    assert_eq!(vast.asked().len(), 1);
}
