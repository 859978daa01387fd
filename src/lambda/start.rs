//! How the three functions start: settings, policy and secrets are read and checked whole, told in
//! words where they are wrong, and the parts are put together once.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use axum::Router;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::{Instrument as _, error, info, info_span, warn};

use super::batch::Arrived;
use super::ingest::{Door, MakeRouter};
use super::secrets;
use super::sweep::Sweep;
use super::worker::Worker;
use crate::adapters::aws::table::DynamoDb;
use crate::adapters::aws::work_queue::WorkQueue;
use crate::adapters::aws::{Patience, load};
use crate::adapters::clock::SystemClock;
use crate::config::function::{FunctionSettings, packaged_policy};
use crate::config::{Config, ConfigError, Part, environment};
use crate::http::router;
use crate::parts::{self, PartsError, Timing};
use crate::ports::{Clock as _, PortError, SigningKeys, chain};
use crate::telemetry;

/// How long secrets are used before they are read again.
const READ_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Why a function does not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something it was told is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A part cannot be made.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// AWS does not hand out what it is to begin with.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Lambda does not speak to it.
    #[error("the Lambda runtime stopped")]
    Runtime(#[source] lambda_runtime::Error),
}

/// Starts the door.
pub fn ingest() -> ExitCode {
    start(Part::Ingest, run_ingest)
}

/// Starts the worker.
pub fn worker() -> ExitCode {
    start(Part::Worker, run_worker)
}

/// Starts the sweep.
pub fn sweep() -> ExitCode {
    start(Part::Sweep, run_sweep)
}

/// Runs a function until Lambda ends it.
fn start<F: Future<Output = Result<(), StartError>>>(
    part: Part,
    run: impl FnOnce(FunctionSettings) -> F,
) -> ExitCode {
    let filter = environment("WARDEN_LOG");
    if let Err(wrong) = telemetry::start(filter.as_deref()) {
        // Nothing was started, so this goes where logs go by itself.
        drop(telemetry::start(None));
        error!("WARDEN_LOG is not a log filter: {wrong}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(|error| StartError::Runtime(error.into())).and_then(|runtime| {
        let settings = FunctionSettings::read(part, environment)?;
        runtime.block_on(run(settings))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            error!("{}", chain(&wrong));
            ExitCode::FAILURE
        }
    }
}

/// What a function begins with: AWS, and everything it was told.
struct Base {
    settings: FunctionSettings,
    aws: SdkConfig,
    secrets: aws_sdk_secretsmanager::Client,
}

impl Base {
    async fn new(settings: FunctionSettings, patience: Patience) -> Self {
        let aws = load(patience).await;
        let secrets = aws_sdk_secretsmanager::Client::new(&aws);
        Self { settings, aws, secrets }
    }

    /// Policy and secrets as they are now.
    async fn config(&self) -> Result<Config, StartError> {
        let documents = secrets::read(&self.secrets, &self.settings.secrets).await?;
        let policy = packaged_policy(&self.settings.settings.policy)?;
        Ok(self.settings.complete(&policy, documents)?)
    }

    fn queue(&self) -> WorkQueue {
        WorkQueue {
            client: aws_sdk_sqs::Client::new(&self.aws),
            work: self.settings.work.clone(),
            later: self.settings.later.clone(),
            dead: self.settings.dead.clone(),
        }
    }

    fn table(&self) -> DynamoDb {
        // One for each life of the process, so that no life takes another's lease for its own.
        #[expect(clippy::disallowed_methods, reason = "an id made at the edge")]
        let owner = uuid::Uuid::new_v4().to_string();
        DynamoDb::new(&self.aws, &self.settings.table, &owner)
    }
}

fn warn_of(config: &Config) {
    for warning in &config.warnings {
        warn!("{}:{warning}", config.settings.policy.display());
    }
}

struct Made {
    base: Base,
    queue: Arc<WorkQueue>,
    signing_keys: Arc<dyn SigningKeys>,
}

#[async_trait]
impl MakeRouter for Made {
    async fn router(&self) -> Result<Router, StartError> {
        let config = self.base.config().await?;
        Ok(router(parts::front(&config, Arc::clone(&self.signing_keys), self.queue.clone())))
    }
}

async fn run_ingest(settings: FunctionSettings) -> Result<(), StartError> {
    let base = Base::new(settings, Patience::DOOR).await;
    let signing_keys = parts::signing_keys(&base.settings.settings)?;
    let queue = Arc::new(base.queue());
    let door = Door::open(Box::new(Made { base, queue, signing_keys }), Arc::new(SystemClock));
    let door = &door.await?;
    info!("the door is open");
    let answer =
        |request| async move { Ok::<_, std::convert::Infallible>(door.answer(request).await) };
    lambda_http::run(service_fn(answer)).await.map_err(StartError::Runtime)
}

/// A worker, and what it was made of.
struct Hired {
    base: Base,
    held: Mutex<(Arc<Worker>, Timestamp, Vec<String>)>,
}

impl Hired {
    async fn new(base: Base) -> Result<Self, StartError> {
        let (worker, texts) = Self::hire(&base, &[]).await?;
        let worker = worker.ok_or_else(|| StartError::Runtime("no worker".into()))?;
        let held = Mutex::new((Arc::new(worker), SystemClock.now(), texts));
        Ok(Self { base, held })
    }

    /// A worker made of the secrets as they are now, unless they are still these.
    async fn hire(
        base: &Base,
        held: &[String],
    ) -> Result<(Option<Worker>, Vec<String>), StartError> {
        let documents = secrets::read(&base.secrets, &base.settings.secrets).await?;
        let texts: Vec<String> = documents.iter().map(|one| one.current.clone()).collect();
        if texts == held {
            return Ok((None, texts));
        }
        let policy = packaged_policy(&base.settings.settings.policy)?;
        let config = base.settings.complete(&policy, documents)?;
        warn_of(&config);
        let timing = Timing::default();
        let http = parts::http(timing.patience)?;
        let table = Arc::new(base.table());
        let queue = Arc::new(base.queue());
        let worker = Worker {
            world: parts::world(&config, &http, table.clone(), &timing),
            settle_after: config.settings.settle_after,
            retry_pause: timing.retry_pause,
            desk: parts::desk(&config, &http, table.clone(), timing),
            lease: table.clone(),
            looks: table.clone(),
            due: table,
            later: queue.clone(),
            forward: queue.clone(),
            bury: queue,
        };
        Ok((Some(worker), texts))
    }

    /// The worker, made of secrets that were read a moment ago, as far as they can be read.
    async fn worker(&self) -> Arc<Worker> {
        let mut held = self.held.lock().await;
        let now = SystemClock.now();
        if now.duration_since(held.1) >= READ_AGAIN_AFTER {
            match Self::hire(&self.base, &held.2).await {
                Ok((worker, texts)) => {
                    let worker = worker.map_or_else(|| Arc::clone(&held.0), Arc::new);
                    *held = (worker, now, texts);
                }
                Err(wrong) => {
                    error!("secrets cannot be read anew; those in hand stay: {}", chain(&wrong));
                }
            }
        }
        Arc::clone(&held.0)
    }

    async fn handle(&self, event: LambdaEvent<SqsEvent>) -> SqsBatchResponse {
        let worker = self.worker().await;
        let deadline = i64::try_from(event.context.deadline).ok();
        let deadline = deadline.and_then(|at| Timestamp::from_millisecond(at).ok());
        let deadline = deadline.unwrap_or_else(|| SystemClock.now());
        let put_off = event.payload.records.first().and_then(|one| one.event_source_arn.clone());
        let put_off = put_off.is_some_and(|arn| is_of(&arn, &self.base.settings.later));
        let messages: Vec<Arrived> = event.payload.records.into_iter().map(arrived).collect();
        let span = info_span!("batch", request.id = event.context.request_id, put_off);
        let work = async {
            if put_off {
                worker.forward(messages).await
            } else {
                worker.work(messages, deadline).await
            }
        };
        let again = work.instrument(span).await;
        let failures = again.into_iter().map(|id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        });
        let mut response = SqsBatchResponse::default();
        response.batch_item_failures = failures.collect();
        response
    }
}

/// Whether a queue with this ARN has this url: both end with its name.
fn is_of(arn: &str, url: &str) -> bool {
    arn.rsplit(':').next() == url.rsplit('/').next()
}

fn arrived(message: SqsMessage) -> Arrived {
    Arrived {
        id: message.message_id.unwrap_or_default(),
        group: message.attributes.get("MessageGroupId").cloned().unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

async fn run_worker(settings: FunctionSettings) -> Result<(), StartError> {
    let base = Base::new(settings, Patience::WORK).await;
    let hired = &Hired::new(base).await?;
    info!("at work");
    let handle =
        |event| async move { Ok::<_, std::convert::Infallible>(hired.handle(event).await) };
    lambda_runtime::run(service_fn(handle)).await.map_err(StartError::Runtime)
}

async fn run_sweep(settings: FunctionSettings) -> Result<(), StartError> {
    let base = Base::new(settings, Patience::WORK).await;
    let config = base.config().await?;
    warn_of(&config);
    let queue = Arc::new(base.queue());
    let sweep = &Sweep {
        clock: Arc::new(SystemClock),
        policy: config.policy.clone(),
        due: Arc::new(base.table()),
        enqueue: queue.clone(),
        forward: queue,
        every: config.settings.sweep_every,
    };
    // Its failure is the invocation's, and so an alarm.
    let handle = |_: LambdaEvent<Value>| async move {
        let (due, turn) = sweep.sweep().await?;
        Ok::<_, lambda_runtime::Error>(serde_json::json!({"due": due, "turn": turn}))
    };
    lambda_runtime::run(service_fn(handle)).await.map_err(StartError::Runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_known_by_its_name() {
        let arn = "arn:aws:sqs:eu-west-1:000000000000:warden-later";
        let url = |name: &str| format!("https://sqs.eu-west-1.amazonaws.com/000000000000/{name}");
        assert!(is_of(arn, &url("warden-later")));
        assert!(!is_of(arn, &url("warden-work.fifo")));
    }
}
