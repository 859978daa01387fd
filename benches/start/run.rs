//! One start of a function: from before its process is made to its first answer.

#![expect(clippy::disallowed_methods, reason = "a bench looks at the clock")]

use std::fs::{File, read_to_string};
use std::io::{Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::aws;
use super::function::Function;
use super::loopback::{Answer, Asked, serve};

/// The longest that is waited for anything.
const LIMIT: Duration = Duration::from_secs(20);

/// A function, and the two servers that it is to find.
pub(crate) struct Bench {
    pub(crate) function: &'static Function,
    pub(crate) binary: PathBuf,
    pub(crate) aws: SocketAddr,
    runtime: SocketAddr,
    /// Whether there is an event that nobody has asked for yet.
    waiting: Arc<AtomicBool>,
    /// Milliseconds that AWS takes for each answer.
    slowness: Arc<AtomicU64>,
    heard: Receiver<(Instant, Heard)>,
}

/// What a function asks for.
enum Heard {
    /// The next event.
    Poll,
    /// That its answer be taken.
    Answer(Vec<u8>),
    /// That its failure be known.
    Failure(String),
    /// Something of AWS.
    Call(String),
}

/// One start.
pub(crate) struct Started {
    /// Until it asked for its first event.
    pub(crate) polled: Duration,
    /// Until its answer to that was there.
    pub(crate) answered: Duration,
    /// Between the two.
    pub(crate) worked: Duration,
    /// What it used of a processor until then.
    pub(crate) cpu: Duration,
    /// What it asked of AWS before its first event.
    pub(crate) calls_before: Vec<String>,
    /// What it asked of AWS for its first answer.
    pub(crate) calls_after: Vec<String>,
}

/// A process that is ended when dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Bench {
    pub(crate) fn new(function: &'static Function, binaries: &Path) -> Self {
        let binary = binaries.join(function.name);
        let binary = binary.canonicalize().unwrap_or_else(|_| panic!("no {}", binary.display()));
        let (tell, heard) = channel();
        let event = (function.event)().to_string();
        let told = Mutex::new(tell.clone());
        let waiting = Arc::new(AtomicBool::new(false));
        let there = Arc::clone(&waiting);
        let runtime =
            serve(move |asked| runtime_api(&told.lock().unwrap(), &event, &there, &asked));
        let slowness = Arc::new(AtomicU64::new(0));
        let (told, slow) = (Mutex::new(tell), Arc::clone(&slowness));
        let aws = serve(move |asked| {
            let at = Instant::now();
            let (name, answer) = aws::answer(&asked);
            told.lock().unwrap().send((at, Heard::Call(name))).ok()?;
            // What a network and a busy service are.
            std::thread::sleep(Duration::from_millis(slow.load(Relaxed)));
            Some(answer)
        });
        Self { function, binary, aws, runtime, waiting, slowness, heard }
    }

    /// Starts the function once, with AWS taking `slowness` for each answer.
    pub(crate) fn start(&self, slowness: Duration) -> Started {
        self.slowness.store(u64::try_from(slowness.as_millis()).unwrap(), Relaxed);
        self.waiting.store(true, Relaxed);
        let mut log = tempfile::tempfile().unwrap();
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .envs(self.function.environment(self.aws))
            .env("AWS_LAMBDA_RUNTIME_API", self.runtime.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log.try_clone().unwrap());
        let began = Instant::now();
        let process = Running(command.spawn().unwrap());
        let mut calls = Vec::new();
        let polled = self.until_poll(&mut calls, &mut log);
        let calls_before = std::mem::take(&mut calls);
        let answered = loop {
            match self.next(&mut log) {
                (at, Heard::Answer(answer)) => {
                    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
                    if !(self.function.is_answer)(&answer) {
                        self.fail(&format!("answered {answer}"), &mut log);
                    }
                    break at;
                }
                (_, Heard::Call(name)) => calls.push(name),
                (_, Heard::Poll) => self.fail("asked for another event", &mut log),
                (_, Heard::Failure(said)) => self.fail(&format!("failed: {said}"), &mut log),
            }
        };
        let cpu = cpu(process.0.id());
        let calls_after = std::mem::take(&mut calls);
        // Once it asks for another event, nothing of this start is still to be heard.
        self.until_poll(&mut calls, &mut log);
        let worked = answered.duration_since(polled);
        self.slowness.store(0, Relaxed);
        let (polled, answered) = (polled.duration_since(began), answered.duration_since(began));
        Started { polled, answered, worked, cpu, calls_before, calls_after }
    }

    fn until_poll(&self, calls: &mut Vec<String>, log: &mut File) -> Instant {
        loop {
            match self.next(log) {
                (at, Heard::Poll) => return at,
                (_, Heard::Call(name)) => calls.push(name),
                (_, Heard::Answer(_)) => self.fail("answered unasked", log),
                (_, Heard::Failure(said)) => self.fail(&format!("failed: {said}"), log),
            }
        }
    }

    fn next(&self, log: &mut File) -> (Instant, Heard) {
        self.heard.recv_timeout(LIMIT).unwrap_or_else(|_| self.fail("asks for nothing", log))
    }

    fn fail(&self, what: &str, log: &mut File) -> ! {
        drop(log.flush());
        drop(log.rewind());
        let log = std::io::read_to_string(log).unwrap_or_default();
        panic!("{} {what}; its log:\n{log}", self.function.name)
    }
}

/// Lambda's runtime API, as far as a function needs it for one event.
fn runtime_api(
    tell: &Sender<(Instant, Heard)>,
    event: &str,
    waiting: &AtomicBool,
    asked: &Asked,
) -> Option<Answer> {
    let at = Instant::now();
    let path = asked.path.strip_prefix("/2018-06-01/runtime/").unwrap_or_default();
    let heard = match path.rsplit('/').next() {
        Some("next") => Heard::Poll,
        Some("response") => Heard::Answer(asked.body.clone()),
        _ => Heard::Failure(format!("{path} {}", String::from_utf8_lossy(&asked.body))),
    };
    let answer = match heard {
        Heard::Poll if !waiting.swap(false, Relaxed) => None,
        Heard::Poll => Some(Answer {
            headers: &[
                "content-type: application/json",
                "lambda-runtime-aws-request-id: 00000000-0000-0000-0000-000000000003",
                // Far off, in 2100.
                "lambda-runtime-deadline-ms: 4102444800000",
                "lambda-runtime-invoked-function-arn: \
                 arn:aws:lambda:eu-west-1:123456789012:function:warden",
                "lambda-runtime-trace-id: \
                 Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
            ],
            ..Answer::new(200, event)
        }),
        Heard::Answer(_) | Heard::Failure(_) | Heard::Call(_) => Some(Answer::new(202, "")),
    };
    tell.send((at, heard)).ok()?;
    answer
}

/// What the threads of a process have used of a processor.
fn cpu(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let used = threads.filter_map(Result::ok).map(|thread| {
        let used = read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        used.split(' ').next().and_then(|used| used.parse().ok()).unwrap_or(0)
    });
    Duration::from_nanos(used.sum())
}
