//! An emulator of AWS of its own for each test: it deploys the template, runs the functions' real
//! binaries as processes, and lets them do what their roles allow.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use partner_warden::adapters::http::{Answer, Http, Patience};
use serde_json::Value;
use tempfile::TempDir;

use super::stack::STACK;
use crate::harness::LIMIT;

/// Where it all is.
pub(crate) const REGION: &str = "us-east-1";

/// How long is waited between two questions whether something has come about.
const TICK: Duration = Duration::from_millis(50);

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(TICK).await;
        }
    };
    let answer = tokio::time::timeout(LIMIT, asking).await;
    answer.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// A running emulator. It is ended when dropped, with the functions it runs.
pub(crate) struct Emulator {
    child: Child,
    pub(crate) address: SocketAddr,
    http: Http,
    folder: TempDir,
}

impl Emulator {
    /// Starts one that checks what each role may do.
    pub(crate) async fn start() -> Self {
        let program = repository(".tools/emulator/bin/ministack");
        assert!(program.exists(), "{} is missing; run: make test-lambda", program.display());
        let folder = tempfile::tempdir().unwrap();
        // Free a moment ago, and nobody else asks for a port in particular.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", address.port().to_string())
            .env("IOT_MTLS_ENABLED", "0")
            .env("AUTH", "true")
            .env("MINISTACK_REGION", REGION)
            .current_dir(folder.path())
            .process_group(0)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let http = Http::new(Patience::default()).unwrap();
        let emulator = Self { child, address, http, folder };
        until("the emulator's first answer", async || {
            let url = format!("http://{}/_ministack/health", emulator.address);
            emulator.http.once("the emulator", |client| client.get(&url)).await.ok()
        })
        .await;
        emulator
    }

    /// What it and the functions have logged.
    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        let file = std::fs::File::open(self.folder.path().join("log"));
        drop(file.and_then(|mut file| file.read_to_string(&mut text)));
        for function in ["ingest", "worker", "sweep"] {
            // There is none before the function first ran.
            let lines = self.function_log(function).unwrap_or_default();
            text.extend(["--- ", function, "\n", &lines]);
        }
        text
    }

    /// What a function has logged. Asked without waiting for other tasks, so that a test that fails
    /// can show it.
    fn function_log(&self, function: &str) -> std::io::Result<String> {
        let body = format!(r#"{{"logGroupName": "/aws/lambda/{STACK}-{function}"}}"#);
        let mut stream = std::net::TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let credential = format!("test/20260101/{REGION}/logs/aws4_request");
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\
             content-type: application/x-amz-json-1.1\r\n\
             x-amz-target: Logs_20140328.FilterLogEvents\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, \
             Signature=0\r\n\r\n{body}",
            self.address,
            body.len(),
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let events: Value = serde_json::from_str(body).unwrap_or_default();
        let events = events["events"].as_array().into_iter().flatten();
        Ok(events.filter_map(|event| event["message"].as_str()).fold(
            String::new(),
            |mut text, line| {
                text.push_str(line);
                text.push('\n');
                text
            },
        ))
    }

    /// Its address as the functions see it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a request as the account's owner.
    async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let credential = format!("test/20260101/{REGION}/{service}/aws4_request");
        // The owner's signature is not looked at.
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0");
        let sent = self.http.once("the emulator", |client| {
            let request = client.request(method.parse().unwrap(), &url).body(body.clone());
            let request = request.header("authorization", &authorization);
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        });
        let answer = sent.await.unwrap_or_else(|error| panic!("{error}:\n{}", self.log()));
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status.is_success(), "{service} {path}: {} {text}", answer.status);
        answer
    }

    /// Calls an operation of a service that speaks JSON.
    pub(crate) async fn json(&self, service: &str, target: &str, body: Value) -> Value {
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
        let body = body.to_string().into_bytes();
        let answer = self.send(service, "POST", "/", &headers, body).await;
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// Calls an operation of a service that takes forms.
    pub(crate) async fn form(&self, service: &str, form: &[(&str, &str)]) -> String {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = body.finish().into_bytes();
        let answer = self.send(service, "POST", "/", &headers, body).await;
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    /// Puts a bucket or an object.
    pub(crate) async fn put(&self, path: &str, content: Vec<u8>) {
        self.send("s3", "PUT", path, &[], content).await;
    }

    /// Invokes a function with an event; returns what it answers.
    pub(crate) async fn invoke(&self, function: &str, event: &Value) -> Value {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let body = event.to_string().into_bytes();
        let answer = self.send("lambda", "POST", &path, &[], body).await;
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// The processes that run a function now.
    pub(crate) fn processes(&self, function: &str) -> Vec<u32> {
        let name = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
        let gateway = format!("GATEWAY_PORT={}", self.address.port());
        let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment);
            let mut variables = environment.split('\0');
            variables.clone().any(|variable| variable == name)
                && variables.any(|variable| variable == gateway)
        })
        .collect()
    }

    /// Kills a function's processes at once; says whether there was one.
    pub(crate) fn kill(&self, function: &str) -> bool {
        let pids = self.processes(function);
        for pid in &pids {
            // It may just have ended.
            drop(Command::new("kill").args(["-KILL", &pid.to_string()]).status());
        }
        !pids.is_empty()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(20_000).map_or(0, |(at, _)| at);
            // Shown by the test runner beside the failure.
            #[expect(clippy::print_stderr, reason = "the log of a test that failed")]
            {
                eprintln!("the emulator's log, its end:\n{}", &log[tail..]);
            }
        }
        // The whole group: it, and the functions.
        let group = format!("-{}", self.child.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).status());
        drop(self.child.wait());
    }
}
