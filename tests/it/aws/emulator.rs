//! An emulator of AWS: it deploys the template, runs the functions' real binaries as processes, and
//! lets them do what their roles allow. One that runs already is shared by all tests, each with a
//! stack of its own; without one, each test starts its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use partner_warden::adapters::http::{Answer, Http, Patience};
use partner_warden::config::environment;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::LIMIT;

/// Where it all is.
pub(crate) const REGION: &str = "us-east-1";

/// The operation that tells what was logged.
const LOGS: &str = "Logs_20140328.FilterLogEvents";

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

/// A running emulator.
pub(crate) struct Emulator {
    pub(crate) address: SocketAddr,
    http: Http,
    own: Option<Own>,
}

/// An emulator that this test started. It is ended when dropped, with the functions it runs.
struct Own {
    child: Child,
    folder: TempDir,
}

impl Emulator {
    /// The one that runs for all tests (`tests/emulator/with-ministack`), or else a new one. It
    /// checks what each role may do.
    pub(crate) async fn start() -> Self {
        let http = Http::new(Patience::default()).unwrap();
        let (address, own) = if let Some(url) = environment("WARDEN_TEST_AWS") {
            (url.trim_start_matches("http://").parse().unwrap(), None)
        } else {
            let (address, own) = Own::start();
            (address, Some(own))
        };
        let emulator = Self { address, http, own };
        until("the emulator's first answer", async || {
            let url = format!("http://{}/_ministack/health", emulator.address);
            emulator.http.once("the emulator", |client| client.get(&url)).await.ok()
        })
        .await;
        emulator
    }

    /// What it has logged itself, where it runs for this test alone.
    pub(crate) fn own_log(&self) -> String {
        let own = self.own.as_ref();
        let text = own.and_then(|own| std::fs::read_to_string(own.folder.path().join("log")).ok());
        text.unwrap_or_default()
    }

    /// What was logged to a group, or why it cannot be told. Asked without waiting for other tasks,
    /// so that a test that fails can show it.
    pub(crate) fn logged(&self, group: &str) -> std::io::Result<String> {
        let body = format!(r#"{{"logGroupName": "{group}"}}"#);
        let answer = self.at_once("logs", "application/x-amz-json-1.1", LOGS, &body)?;
        let events: Value = serde_json::from_str(&answer).unwrap_or_default();
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

    /// Sends a request as the account's owner without waiting for other tasks.
    pub(crate) fn at_once(
        &self,
        service: &str,
        content_type: &str,
        target: &str,
        body: &str,
    ) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\
             content-type: {content_type}\r\nx-amz-target: {target}\r\n\
             authorization: {}\r\n\r\n{body}",
            self.address,
            body.len(),
            owner(service),
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok(body.to_owned())
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
        let authorization = owner(service);
        let sent = self.http.once("the emulator", |client| {
            let request = client.request(method.parse().unwrap(), &url).body(body.clone());
            let request = request.header("authorization", &authorization);
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        });
        let answer = sent.await.unwrap_or_else(|error| panic!("{error}:\n{}", self.own_log()));
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

    /// Whether an object exists.
    pub(crate) async fn has(&self, path: &str) -> bool {
        let url = format!("http://{}{path}", self.address);
        let sent = self
            .http
            .once("the emulator", |client| client.head(&url).header("authorization", owner("s3")));
        sent.await.is_ok_and(|answer| answer.status.is_success())
    }

    /// Asks a function by its url for nothing in particular.
    pub(crate) async fn knock(&self, host: &str) {
        let url = format!("http://{}/", self.address);
        let sent = self.http.once("the door", |client| client.get(&url).header("host", host));
        sent.await.unwrap();
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

/// The header of a request by the account's owner, whose signature is not looked at.
pub(crate) fn owner(service: &str) -> String {
    let credential = format!("test/20260101/{REGION}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0")
}

impl Own {
    fn start() -> (SocketAddr, Self) {
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
        (address, Self { child, folder })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The whole group: it, and the functions.
        let group = format!("-{}", self.child.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).status());
        drop(self.child.wait());
    }
}
