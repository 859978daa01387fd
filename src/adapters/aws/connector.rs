//! The SDK's requests, sent by the one client that everything else is sent by: with its roots, its
//! time limits and bounded answers.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;

use crate::adapters::http::Http;
use crate::ports::Failure;

/// The client, as the SDK knows one. Its time limits are the client's own, whatever the SDK would
/// have; repeating is left to the SDK.
#[derive(Debug, Clone)]
pub(super) struct Connector(pub(super) Http);

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.0.clone();
        HttpConnectorFuture::new(async move { sent(&http, request).await })
    }
}

async fn sent(http: &Http, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x();
    let request = request.map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body.bytes().map(Bytes::copy_from_slice);
    let body = body.ok_or_else(|| ConnectorError::user("a body that is not in memory".into()))?;
    let url = parts.uri.to_string();
    let answer = http.once("AWS", |client| {
        let request = client.request(parts.method.clone(), &url);
        request.headers(parts.headers.clone()).body(body.clone())
    });
    let answer = answer.await.map_err(|error| match error.kind {
        // Whether it arrived is not known; what the SDK repeats may be repeated.
        Failure::Transient | Failure::Throttled(_) => ConnectorError::io(error.into()),
        Failure::SignInRefused
        | Failure::Denied
        | Failure::Gone
        | Failure::Refused
        | Failure::Unintelligible => ConnectorError::other(error.into(), None),
    })?;
    let mut response = http::Response::new(answer.body.into());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
}
