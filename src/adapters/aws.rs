//! The same ports on AWS: queues in SQS, ledger and outbox in DynamoDB, secrets in Secrets Manager,
//! the policy in S3, and tokens of STS in place of a client secret.

mod body;
pub mod bundle;
mod connector;
pub mod dead_letters;
pub mod federation;

mod ledger;
mod links;
mod lease;
mod looks;
mod marks;
mod outbox;
mod proposals;
mod stop;
pub mod policy;
pub mod queue;
mod records;
pub mod secrets;
pub mod start;

pub mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use self::connector::Connector;
use super::http::{Http, Patience as HttpPatience};
use crate::config::environment;
use crate::ports::{Failure, PortError};

/// How patient calls to AWS are.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a connection may take.
    pub connect: Duration,
    /// How long one attempt may take.
    pub attempt: Duration,
    /// How long a call may take, with all its attempts.
    pub total: Duration,
    /// Most attempts.
    pub attempts: u32,
}

impl Patience {
    /// For a sender that waits for its answer: Graph counts one after 3 s as slow.
    pub const DOOR: Self = Self {
        connect: Duration::from_secs(1),
        attempt: Duration::from_millis(1500),
        total: Duration::from_millis(2200),
        attempts: 2,
    };

    /// For work that nobody waits for.
    pub const WORK: Self = Self {
        connect: Duration::from_secs(3),
        attempt: Duration::from_secs(10),
        total: Duration::from_secs(30),
        attempts: 6,
    };
}

/// What the SDK sends its requests by.
///
/// # Errors
/// When the system offers no TLS certificates to trust.
pub fn client(patience: Patience) -> Result<SharedHttpClient, reqwest::Error> {
    let Patience { connect, attempt, .. } = patience;
    let patience = HttpPatience { connect, total: attempt, ..HttpPatience::default() };
    Ok(SharedHttpClient::new(Connector(Http::new(patience)?)))
}

/// Region, credentials and endpoints, as the AWS environment gives them.
///
/// # Errors
/// When the system offers no TLS certificates to trust.
pub async fn load(patience: Patience) -> Result<SdkConfig, reqwest::Error> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(patience.connect)
        .operation_attempt_timeout(patience.attempt)
        .operation_timeout(patience.total)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(patience.attempts)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(2));
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(client(patience)?);
    // The first that is asked by default, and on Lambda the one that answers. To put all the others
    // together takes a while.
    let key = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let told = key.iter().all(|variable| environment(variable).is_some());
    let loader = match told.then(EnvironmentVariableCredentialsProvider::new) {
        Some(credentials) => loader.credentials_provider(credentials),
        None => loader,
    };
    Ok(loader.timeout_config(timeouts).retry_config(retries).load().await)
}

/// What a call that failed comes to. `what` says what was asked of whom: `the table refuses a
/// query`.
///
/// Sources: "Error handling with DynamoDB", "Common Errors" of the Amazon SQS and AWS Secrets
/// Manager API references.
fn failed<E, R>(what: &str, error: SdkError<E, R>) -> PortError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = match &error {
        SdkError::ServiceError(error) => error.err().code().unwrap_or("an unknown error"),
        SdkError::TimeoutError(_) => "nothing in time",
        SdkError::ConstructionFailure(_)
        | SdkError::DispatchFailure(_)
        | SdkError::ResponseError(_)
        | _ => "nothing",
    };
    let (kind, mend) = kind(code);
    PortError::new(kind, format!("{what} was answered with {code}{mend}")).because(error)
}

/// The kind of failure that a code stands for, and what mends it.
fn kind(code: &str) -> (Failure, &'static str) {
    // The last part of what may be written `com.amazonaws…#Code` or `AWS.SimpleQueueService.Code`.
    let code = code.rsplit(['#', '.']).next().unwrap_or(code);
    match code {
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "ThrottlingException"
        | "Throttling"
        | "ThrottlingError"
        | "TooManyRequestsException"
        | "SlowDown" => (Failure::Throttled(None), ""),
        "AccessDenied"
        | "AccessDeniedException"
        | "KmsAccessDeniedException"
        | "KMSAccessDeniedException" => {
            (Failure::Denied, "; give this function's role the permission")
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "ExpiredToken" => (Failure::SignInRefused, "; see to the AWS credentials"),
        "ResourceNotFoundException"
        | "QueueDoesNotExist"
        | "NonExistentQueue"
        | "NoSuchKey"
        | "NoSuchBucket" => (Failure::Gone, "; see to the name, the region and the account"),
        "ValidationException"
        | "InvalidMessageContents"
        | "BatchRequestTooLong"
        | "InvalidParameterException"
        | "InvalidRequestException" => (Failure::Refused, ""),
        _ => (Failure::Transient, ""),
    }
}
