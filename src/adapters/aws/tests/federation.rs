//! The token of STS: its shape from the emulator, its refusals from a server of our own.

use axum::body::Body;
use axum::response::Response;

use super::{connected, emulated};
use crate::adapters::aws::federation::WebIdentity;
use crate::adapters::testing::Server;
use crate::ports::{ClientAssertion as _, Failure};

/// An answer of STS.
fn answer(status: u16, inner: &str) -> Response {
    let mut response = Response::new(Body::from(inner.to_owned()));
    *response.status_mut() = status.try_into().unwrap();
    response.headers_mut().insert("content-type", "text/xml".parse().unwrap());
    response
}

fn refusal(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>\
         <RequestId>r-1</RequestId></ErrorResponse>"
    )
}

fn token(text: &str) -> String {
    format!(
        "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetWebIdentityTokenResult><WebIdentityToken>{text}</WebIdentityToken>\
         <Expiration>2026-03-04T05:06:07Z</Expiration></GetWebIdentityTokenResult>\
         <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>\
         </GetWebIdentityTokenResponse>"
    )
}

#[tokio::test]
async fn the_emulator_hands_out_a_token() {
    let token = WebIdentity::new(&emulated().await).assertion().await.unwrap();
    assert_eq!(token.expose().split('.').count(), 3);
}

#[tokio::test]
async fn a_token_is_asked_for_as_entra_wants_it() {
    let server = Server::start(|_| answer(200, &token("a.b.c"))).await;
    let sts = WebIdentity::new(&connected(server.origin.as_str()).await);
    assert_eq!(sts.assertion().await.unwrap().expose(), "a.b.c");
    let asked = server.asked();
    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(&asked[0].body).into_owned().collect();
    let value = |name: &str| form.iter().find(|(it, _)| it == name).map(|(_, v)| v.as_str());
    assert_eq!(value("Action"), Some("GetWebIdentityToken"));
    assert_eq!(value("Audience.member.1"), Some("api://AzureADTokenExchange"));
    assert_eq!(value("SigningAlgorithm"), Some("RS256"));
    assert_eq!(value("DurationSeconds"), Some("300"));
}

#[tokio::test]
async fn each_refusal_says_its_mend() {
    for (status, code, kind, said) in [
        (
            403,
            "OutboundWebIdentityFederationDisabled",
            Failure::SignInRefused,
            "the AWS account does not issue web identity tokens; turn on outbound identity \
             federation in its IAM settings (aws iam enable-outbound-web-identity-federation), \
             and give the issuer it then shows to the application's federated credential",
        ),
        (
            403,
            "OutboundWebIdentityFederationDisabledException",
            Failure::SignInRefused,
            "the AWS account does not issue web identity tokens; turn on outbound identity \
             federation in its IAM settings (aws iam enable-outbound-web-identity-federation), \
             and give the issuer it then shows to the application's federated credential",
        ),
        (
            403,
            "AccessDenied",
            Failure::Denied,
            "this function's role may not ask STS for a web identity token; allow it \
             sts:GetWebIdentityToken",
        ),
        (
            400,
            "JWTPayloadSizeExceededException",
            Failure::Transient,
            "asking STS for a web identity token was answered with JWTPayloadSizeExceededException",
        ),
    ] {
        let server = Server::start(move |_| answer(status, &refusal(code))).await;
        let sts = WebIdentity::new(&connected(server.origin.as_str()).await);
        let error = sts.assertion().await.unwrap_err();
        assert_eq!((error.kind, error.said.as_str()), (kind, said), "{code}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_not_handed_on() {
    let server = Server::start(|_| answer(200, &token("hunter2"))).await;
    let sts = WebIdentity::new(&connected(server.origin.as_str()).await);
    let error = sts.assertion().await.unwrap_err();
    assert_eq!(error.kind, Failure::Unintelligible);
    assert_eq!(error.to_string(), "STS answered with no token");
}
