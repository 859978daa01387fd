//! The adapters against an emulator of AWS, which `make test-aws` starts, and against servers of
//! our own for what no emulator does.

mod between;
mod connector;
mod federation;
mod queue;
mod secrets;
mod start;
mod stop;
mod store;
mod table;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use uuid::Uuid;

use crate::config::environment;

/// Where the emulator is.
fn emulator() -> String {
    environment("WARDEN_TEST_AWS").expect("an emulator of AWS: run these tests by `make test-aws`")
}

/// Connections to an endpoint, with credentials that are good for nothing else.
async fn connected(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "tests");
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(super::client(super::Patience::WORK).unwrap())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .timeout_config(timeouts)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(4)
                .with_initial_backoff(Duration::from_millis(1)),
        )
        .load()
        .await
}

async fn emulated() -> SdkConfig {
    connected(&emulator()).await
}

/// A name that no other test has.
#[expect(clippy::disallowed_methods, reason = "tests share one emulator")]
fn new_name(what: &str) -> String {
    format!("{what}-{}", Uuid::new_v4().simple())
}
