//! Amazon's own runtime interface emulator, which is a part of the SAM command line.

#![expect(clippy::disallowed_methods, reason = "a bench looks at the clock")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::run::Bench;

/// How often it is asked whether it listens.
const KNOCKS: usize = 2000;

/// How often it is started anew where it breaks off: a port that was free may be somebody else's a
/// moment later.
const TRIES: usize = 5;

pub(crate) struct Emulator(PathBuf);

impl Emulator {
    /// It, where `.tools/infra` has it.
    pub(crate) fn find() -> Option<Self> {
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/infra/lib");
        let versions = std::fs::read_dir(tools).ok()?.filter_map(Result::ok);
        let program = format!("site-packages/samcli/local/rapid/aws-lambda-rie-{machine}");
        versions.map(|version| version.path().join(&program)).find(|path| path.exists()).map(Self)
    }

    /// From the sending of a first event, by which a function's process is started, to its answer.
    pub(crate) fn first_answer(&self, bench: &Bench) -> Duration {
        let tried = (0..TRIES).find_map(|_| self.answer(bench));
        tried.unwrap_or_else(|| panic!("{}: Amazon's emulator breaks off", bench.function.name))
    }

    fn answer(&self, bench: &Bench) -> Option<Duration> {
        let (emulator, runtime) = (free(), free());
        let started = Command::new(&self.0)
            .arg("--runtime-interface-emulator-address")
            .arg(emulator.to_string())
            .arg("--runtime-api-address")
            .arg(runtime.to_string())
            .arg(&bench.binary)
            .env_clear()
            .envs(bench.function.environment(bench.aws))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // With the function's process, so that both can be ended.
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Group(started);
        let mut stream = connected(emulator)?;
        stream.set_nodelay(true).ok()?;
        let event = (bench.function.event)().to_string();
        let request = format!(
            "POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nhost: {emulator}\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{event}",
            event.len()
        );
        let began = Instant::now();
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let took = began.elapsed();
        drop(group);
        // Its word for a function's process that it could not start.
        if answer.starts_with("HTTP/1.1 502 ") {
            return None;
        }
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        assert!((bench.function.is_answer)(&value), "{}: {answer}", bench.function.name);
        Some(took)
    }
}

struct Group(std::process::Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).status());
        drop(self.0.wait());
    }
}

/// An address that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn connected(address: SocketAddr) -> Option<TcpStream> {
    for _ in 0..KNOCKS {
        if let Ok(stream) = TcpStream::connect(address) {
            return Some(stream);
        }
        // Between two questions whether it has come about.
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}
