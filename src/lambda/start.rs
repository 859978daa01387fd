//! How the three functions start: settings, policy and secrets are read and checked whole, told in
//! words where they are wrong, and the parts are put together once.

use std::process::ExitCode;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::{Instrument as _, error, info, info_span, warn};

use super::batch::Arrived;
use super::sweep::Sweep;
use super::worker::Worker;
use crate::adapters::aws::dead_letters::DeadLetters;
use crate::adapters::aws::queue::WorkQueue;
use crate::adapters::aws::start::Start;
use crate::adapters::aws::table::DynamoDb;
use crate::adapters::aws::{Patience, bundle, load};
use crate::adapters::clock::SystemClock;
use crate::config::{Config, ConfigError, Part, Place, Secrets, environment};
use crate::http::renewing::Renewing;
use crate::http::router;
use crate::parts::{self, Lasting, Memory, PartsError, Timing};
use crate::ports::{Clock as _, Failure, Marks, PortError, PruneRecords, chain};
use crate::sweep::{self as duties, Gates};
use crate::telemetry::{self, embedded};

/// The longest that SQS delays a message.
const LATER_MAX: SignedDuration = SignedDuration::from_mins(15);

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
    start(run_ingest())
}

/// Starts the worker.
pub fn worker() -> ExitCode {
    start(run_worker())
}

/// Starts the sweep.
pub fn sweep() -> ExitCode {
    start(run_sweep())
}

/// Runs a function until Lambda ends it.
fn start(run: impl Future<Output = Result<(), StartError>>) -> ExitCode {
    let filter = environment("WARDEN_LOG");
    if let Err(wrong) = telemetry::start(filter.as_deref()) {
        // Nothing was started, so this goes where logs go by themselves.
        drop(telemetry::start(None));
        error!("WARDEN_LOG is not a log filter: {wrong}");
        return ExitCode::FAILURE;
    }
    bundle::read();
    // Lambda itself sets it.
    embedded::install(&environment("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime
        .map_err(|error| StartError::Runtime(error.into()))
        .and_then(|runtime| runtime.block_on(run));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            error!("{}", chain(&wrong));
            ExitCode::FAILURE
        }
    }
}

/// What a function begins with: AWS, and what it was told.
struct Base {
    start: Start,
    aws: SdkConfig,
}

impl Base {
    async fn new(part: Part, patience: Patience) -> Result<Self, StartError> {
        let aws = load(patience).await.map_err(PartsError::Client)?;
        let http = || {
            parts::http(Timing::default().patience)
                .map_err(|error| PortError::new(Failure::Transient, error.to_string()))
        };
        let start = Start::read(environment, part, &aws, http, Arc::new(SystemClock)).await?;
        if start.settings().settle_after.is_some_and(|after| after > LATER_MAX) {
            return Err(unset("WARDEN_SETTLE_AFTER is PT15M at the most on AWS, or off"));
        }
        let base = Self { start, aws };
        // Told now, if it does not hold together.
        for warning in &base.start.config().await?.warnings {
            warn!("{}:{warning}", base.start.settings().policy);
        }
        Ok(base)
    }

    fn queue(&self) -> Result<WorkQueue, StartError> {
        let Place::Aws(work) = &self.start.settings().queue else {
            return Err(unset("WARDEN_QUEUE is to be aws:QUEUE_URL here"));
        };
        Ok(WorkQueue::new(&self.aws, work, self.start.settings().later_queue.as_deref()))
    }

    fn table(&self) -> Result<DynamoDb, StartError> {
        let Place::Aws(table) = &self.start.settings().store else {
            return Err(unset("WARDEN_STORE is to be aws:TABLE here"));
        };
        // One for each life of the process, so that no life takes another's lease for its own.
        #[expect(clippy::disallowed_methods, reason = "an id made at the edge")]
        let owner = uuid::Uuid::new_v4().to_string();
        Ok(DynamoDb::new(&self.aws, table, &owner))
    }

    fn dead_letters(&self) -> Result<DeadLetters, StartError> {
        let url = self.start.settings().dead_letters.as_deref();
        let url =
            url.ok_or_else(|| unset("WARDEN_DEAD_LETTERS is not set; it is aws:QUEUE_URL"))?;
        Ok(DeadLetters::new(&self.aws, url))
    }
}

fn unset(what: &str) -> StartError {
    StartError::Config(ConfigError::Settings(vec![what.to_owned()]))
}

async fn run_ingest() -> Result<(), StartError> {
    let base = Base::new(Part::Door, Patience::DOOR).await?;
    let lasting = Lasting::new(base.start.settings())?;
    let (queue, table) = (Arc::new(base.queue()?), Arc::new(base.table()?));
    let door = &Renewing::new(base.start.secrets(), move |secrets: &Secrets| {
        let config = base.start.with(secrets).map_err(|wrong| {
            PortError::new(Failure::Refused, "the secrets do not hold together").because(wrong)
        })?;
        if config.policy.asks() && config.secrets.secret("decisionKey").is_none() {
            warn!("the policy asks people, and no decision is taken here: set decisionKey");
        }
        let sign_in = config.settings.approvers.as_deref();
        if let Some(concern) = parts::concerns_about_deciding(&config.policy, sign_in) {
            warn!("{concern}");
        }
        let front = parts::front(&config, &lasting, queue.clone(), table.clone(), table.clone());
        Ok(router(front))
    });
    info!("the door is open");
    let answer = |request: lambda_http::Request| async move {
        let request = request.map(|body| Bytes::from(body.to_vec()));
        let answer = door.answer(request).await.unwrap_or_else(|error| {
            error!("nothing can be judged: {}", chain(&error));
            let mut answer = Response::default();
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer
        });
        embedded::flush(SystemClock.now());
        Ok::<_, std::convert::Infallible>(answer)
    };
    lambda_http::run(service_fn(answer)).await.map_err(StartError::Runtime)
}

/// Something made of the secrets, and made anew when they have changed.
struct Hired<W> {
    base: Base,
    make: fn(&Base, &Secrets) -> Result<W, StartError>,
    held: Mutex<(Arc<Secrets>, Arc<W>)>,
}

impl<W> Hired<W> {
    async fn new(
        base: Base,
        make: fn(&Base, &Secrets) -> Result<W, StartError>,
    ) -> Result<Self, StartError> {
        let secrets = base.start.secrets().held().await?;
        let first = Arc::new(make(&base, &secrets)?);
        Ok(Self { base, make, held: Mutex::new((secrets, first)) })
    }

    /// It, made of the secrets as they were some minutes ago at most.
    async fn made(&self) -> Arc<W> {
        let mut held = self.held.lock().await;
        match self.base.start.secrets().held().await {
            Ok(secrets) if !Arc::ptr_eq(&secrets, &held.0) => {
                match (self.make)(&self.base, &secrets) {
                    Ok(made) => *held = (secrets, Arc::new(made)),
                    Err(wrong) => error!("what has changed cannot be used: {}", chain(&wrong)),
                }
            }
            Ok(_) => {}
            Err(error) => error!("the secrets cannot be read anew: {}", chain(&error)),
        }
        Arc::clone(&held.1)
    }
}

fn tell_of_concerns(config: &Config) {
    for concern in parts::concerns(config, SystemClock.now()) {
        warn!("{concern}");
    }
}

fn hire_worker(base: &Base, secrets: &Secrets) -> Result<Worker, StartError> {
    let config = base.start.with(secrets)?;
    tell_of_concerns(&config);
    if config.policy.asks() && parts::decisions(&config).is_none() {
        warn!("the policy asks people, and they cannot be sent a link: set decisionKey");
    }
    let timing = Timing::default();
    let http = parts::http(timing.patience)?;
    let graph = parts::graph(&config, &http)?;
    let table = Arc::new(base.table()?);
    let queue = Arc::new(base.queue()?);
    let kept = (table.clone() as Arc<dyn Marks>, table.clone() as Arc<dyn PruneRecords>);
    let sweep = parts::sweep(&config, &graph, kept, table.clone(), queue.clone(), &timing);
    let memory = Memory { ledger: table.clone(), marks: table.clone(), stop: table.clone() };
    Ok(Worker {
        sweep: duties::Sweep { gates: Gates::for_several_processes(), ..sweep },
        world: parts::world(&config, &http, graph, memory, &timing)?,
        settle_after: config.settings.settle_after,
        retry_pause: timing.retry_pause,
        desk: parts::desk(&config, &http, table.clone(), timing),
        heard: table.clone(),
        lease: table.clone(),
        looks: table.clone(),
        due: table,
        later: queue.clone(),
        forward: queue,
        bury: Arc::new(base.dead_letters()?),
    })
}

fn hire_sweep(base: &Base, secrets: &Secrets) -> Result<Sweep, StartError> {
    let config = base.start.with(secrets)?;
    tell_of_concerns(&config);
    let timing = Timing::default();
    let graph = parts::graph(&config, &parts::http(timing.patience)?)?;
    let table = Arc::new(base.table()?);
    let queue = Arc::new(base.queue()?);
    let kept = (table.clone() as Arc<dyn Marks>, table.clone() as Arc<dyn PruneRecords>);
    let sweep = parts::sweep(&config, &graph, kept, table.clone(), queue.clone(), &timing);
    Ok(Sweep {
        duties: duties::Sweep { gates: Gates::for_several_processes(), ..sweep },
        due: table,
        later: queue,
    })
}

/// When an invocation is to be over.
fn deadline(context: &lambda_runtime::Context) -> Timestamp {
    let deadline = i64::try_from(context.deadline).ok();
    let deadline = deadline.and_then(|at| Timestamp::from_millisecond(at).ok());
    deadline.unwrap_or_else(|| SystemClock.now())
}

impl Hired<Worker> {
    async fn handle(&self, event: LambdaEvent<SqsEvent>) -> SqsBatchResponse {
        let worker = self.made().await;
        let deadline = deadline(&event.context);
        let put_off = event.payload.records.first().and_then(|one| one.event_source_arn.clone());
        let later = self.base.start.settings().later_queue.as_deref().unwrap_or_default();
        let put_off = put_off.is_some_and(|arn| is_of(&arn, later));
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
        embedded::flush(SystemClock.now());
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

async fn run_worker() -> Result<(), StartError> {
    let base = Base::new(Part::Whole, Patience::WORK).await?;
    let hired = &Hired::new(base, hire_worker).await?;
    info!("at work");
    let handle =
        |event| async move { Ok::<_, std::convert::Infallible>(hired.handle(event).await) };
    lambda_runtime::run(service_fn(handle)).await.map_err(StartError::Runtime)
}

async fn run_sweep() -> Result<(), StartError> {
    let base = Base::new(Part::Sweep, Patience::WORK).await?;
    let hired = &Hired::new(base, hire_sweep).await?;
    // Its failure is the invocation's, and so an alarm.
    let handle = |event: LambdaEvent<Value>| async move {
        let sweep = hired.made().await;
        let swept = sweep.sweep(deadline(&event.context)).await;
        embedded::flush(SystemClock.now());
        Ok::<_, lambda_runtime::Error>(swept?)
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
