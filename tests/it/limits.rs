//! What is never let in, however it is sent, and that whoever has something to say is heard
//! meanwhile. Through the real process, byte by byte.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;

use partner_warden::adapters::clock::SystemClock;
use partner_warden::ports::Clock as _;
use partner_warden::sim::WOODGROVE;
use serde_json::{Value, json};

use crate::front_door::{notifications, post, town};
use crate::harness::{AUDIT_SECRET, LIMIT, Warden, role_given_to, signed};

/// Strangers of one kind, of which there are three: together more than a door holds connections.
const STRANGERS: usize = 300;

/// How fast a genuine sender must be answered: Graph counts an answer after 3 s as slow.
const AT_ONCE: Duration = Duration::from_secs(1);

fn connect(address: SocketAddr, text: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(text).unwrap();
    stream
}

/// Everything that is answered until the connection is closed.
fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => text.extend_from_slice(&part[..read]),
            // Whoever goes on writing to a closed connection is told so by a reset.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}, after {}", String::from_utf8_lossy(&text)),
        }
    }
    String::from_utf8(text).unwrap()
}

/// What is answered to all of some bytes, after which nothing more is sent.
fn answers(address: SocketAddr, text: impl AsRef<[u8]>) -> String {
    rest(connect(address, text.as_ref()))
}

fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers.match_indices("HTTP/1.1 ").map(|(at, found)| &answers[at + found.len()..]);
    lines.map(|line| line[..3].parse().unwrap()).collect()
}

/// A signed event as it goes over the wire.
fn event(more: &str) -> String {
    let body = role_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29");
    let signed = signed(AUDIT_SECRET, SystemClock.now(), &body);
    let headers: String =
        signed.iter().flat_map(|(name, value)| [name, ": ", value.as_str(), "\r\n"]).collect();
    let length = body.len();
    format!(
        "POST /hooks/audit?tenant={WOODGROVE} HTTP/1.1\r\nhost: x\r\n{headers}{more}\
         content-length: {length}\r\n\r\n{body}"
    )
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: x\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_hundred_idle_strangers_keep_nobody_out() {
    let town = town().await;
    let warden = town.serve();
    let address = warden.address;
    let head =
        format!("POST /hooks/graph HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 20);
    let body = vec![b' '; 200 * 1024];
    let mut took = std::thread::scope(|scope| {
        let (ready, opened) = mpsc::channel();
        // Each is there until its end is dropped, which a failing test does too.
        let strangers = ["", "POST /hooks/audit HTTP/1.1\r\nhost: ", &head].map(|text| {
            let (body, ready) = (&body, ready.clone());
            let (here, over) = mpsc::channel::<()>();
            scope.spawn(move || {
                let mut streams = VecDeque::new();
                while over.try_recv() != Err(TryRecvError::Disconnected) {
                    let mut stream = TcpStream::connect(address).unwrap();
                    // It may be cut while it is being written to.
                    drop(stream.write_all(text.as_bytes()));
                    if text.contains("length") {
                        stream.set_write_timeout(Some(AT_ONCE)).unwrap();
                        drop(stream.write_all(body));
                    }
                    streams.push_back(stream);
                    if streams.len() == STRANGERS {
                        // Nobody waits for word any more if the test has failed. From here on there is
                        // another stranger every few milliseconds.
                        let _ = ready.send(());
                    }
                    if streams.len() > STRANGERS {
                        streams.pop_front();
                        let _ = over.recv_timeout(Duration::from_millis(5));
                    }
                }
            });
            here
        });
        for _ in &strangers {
            opened.recv_timeout(LIMIT).unwrap();
        }
        let took: Vec<Duration> = (0..50)
            .map(|_| {
                let began = SystemClock.now();
                let mut stream = connect(address, event("connection: close\r\n").as_bytes());
                let mut status = [0; 12];
                stream.read_exact(&mut status).unwrap();
                assert_eq!(&status, b"HTTP/1.1 202", "{}", warden.log());
                SystemClock.now().duration_since(began).unsigned_abs()
            })
            .collect();
        drop(strangers);
        took
    });
    // All were heard, and but for what a machine that does other things as well may delay, at once.
    took.sort_unstable();
    assert!(took[45] < AT_ONCE, "{took:?}");
    town.looked(1).await;
    let log = warden.stop().await;
    assert!(log.contains("cut to make room"), "{log}");
}

#[tokio::test]
async fn whoever_is_slow_is_not_waited_for() {
    let town = town().await;
    let warden = town.serve();
    let address = warden.address;
    let began = SystemClock.now();
    let (half, unfinished, trickling) = std::thread::scope(|scope| {
        let half = scope.spawn(|| answers(address, "GET /health HTTP/1.1\r\nhost: x"));
        let unfinished = scope.spawn(|| {
            answers(address, "POST /hooks/graph HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        });
        let trickling = scope.spawn(|| {
            let head =
                "POST /hooks/graph HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut stream = connect(address, head.as_bytes());
            let (told, answer) = mpsc::channel();
            let reading = stream.try_clone().unwrap();
            scope.spawn(move || told.send(rest(reading)).unwrap());
            loop {
                // It may be closed at any time.
                drop(stream.write_all(b"1\r\n \r\n"));
                if let Ok(answer) = answer.recv_timeout(Duration::from_millis(100)) {
                    break answer;
                }
            }
        });
        (half.join().unwrap(), unfinished.join().unwrap(), trickling.join().unwrap())
    });
    assert_eq!(half, "");
    let slow = json!({"error": {"reason": "slow", "message": "the body took too long to arrive"}});
    let slow = slow.to_string();
    assert!(unfinished.starts_with("HTTP/1.1 408") && unfinished.ends_with(&slow), "{unfinished}");
    assert!(trickling.starts_with("HTTP/1.1 408") && trickling.ends_with(&slow), "{trickling}");
    let took = SystemClock.now().duration_since(began).unsigned_abs();
    assert!(took < Duration::from_secs(25), "{took:?}");
    warden.stop().await;
    assert_eq!(town.next_look().await, None);
}

#[tokio::test]
async fn a_head_has_its_limits() {
    let town = town().await;
    let warden = town.serve();
    let headers = |count: usize| "a: b\r\n".repeat(count);
    let target =
        |length: usize| format!("GET /health?{} HTTP/1.1\r\nhost: x\r\n", "t".repeat(length));
    for (name, request, status) in [
        ("as many headers as there may be", format!("{HEALTH}{}", headers(98)), 200),
        ("too many headers", format!("{HEALTH}{}", headers(200)), 431),
        ("a long header", format!("{HEALTH}a: {}\r\n", "b".repeat(20_000)), 200),
        ("a header that is too long", format!("{HEALTH}a: {}\r\n", "b".repeat(50_000)), 431),
        (
            "headers that are too long",
            format!("{HEALTH}{}", format!("a: {}\r\n", "b".repeat(4000)).repeat(12)),
            431,
        ),
        ("a long target", target(16_000), 200),
        ("a target that is too long", target(20_000), 414),
        ("a target that is longer than a head", target(60_000), 431),
    ] {
        let answer = answers(warden.address, format!("{request}connection: close\r\n\r\n"));
        assert_eq!(statuses(&answer), [status], "{name}: {answer}");
    }
    warden.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_answered_400_or_not_at_all() {
    let town = town().await;
    let warden = town.serve();
    let body = notifications(&[(WOODGROVE, WOODGROVE)]);
    let sized = |length: &str, more: &str| {
        format!(
            "POST /hooks/graph HTTP/1.1\r\nhost: x\r\n{more}content-length: {length}\r\n\r\n{body}"
        )
    };
    let two_lengths = format!("content-length: {}\r\n", body.len() + 1);
    for (name, bytes) in [
        ("nothing of HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("zeros", vec![0; 1000]),
        ("no version", b"GET /health\r\n\r\n".to_vec()),
        ("another version", b"GET /health HTTP/3.0\r\nhost: x\r\n\r\n".to_vec()),
        ("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
        ("a header without a name", format!("{HEALTH}: b\r\n\r\n").into_bytes()),
        ("a header over two lines", format!("{HEALTH}a: b\r\n c\r\n\r\n").into_bytes()),
        ("a null in a header", format!("{HEALTH}a: b\0\r\n\r\n").into_bytes()),
        ("no length at all", sized("x", "").into_bytes()),
        ("a length below zero", sized("-1", "").into_bytes()),
        ("a length that has no end", sized("99999999999999999999999", "").into_bytes()),
        ("two lengths", sized(&body.len().to_string(), &two_lengths).into_bytes()),
        ("an encoding nobody knows", sized("1", "transfer-encoding: gzip\r\n").into_bytes()),
        ("chunked, and then not", sized("1", "transfer-encoding: chunked, gzip\r\n").into_bytes()),
        (
            "chunks in HTTP/1.0",
            b"POST /hooks/graph HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        ),
        (
            "no chunk",
            b"POST /hooks/graph HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nhey\r\n"
                .to_vec(),
        ),
    ] {
        let mut stream = TcpStream::connect(warden.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(&bytes).unwrap();
        // It may be closed already.
        drop(stream.shutdown(Shutdown::Write));
        let answer = rest(stream);
        assert!(matches!(statuses(&answer)[..], [] | [400]), "{name}: {answer}");
    }
    assert_eq!(post("/hooks/graph", "{\"value\":[]}").send(&warden).await.status, 202);
    let log = warden.stop().await;
    assert!(!log.contains("mistake"), "{log}");
    assert_eq!(town.next_look().await, None);
}

/// A proxy in front that goes by one of the two would take the rest for another request.
#[tokio::test]
async fn what_is_smuggled_behind_a_request_is_not_answered() {
    let town = town().await;
    let warden = town.serve();
    let smuggled = event("");
    let chunks = "c\r\n{\"value\":[]}\r\n0\r\n\r\n";
    let length = chunks.len() + smuggled.len();
    let both = [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!("content-length: {length}\r\nTransfer-Encoding: Chunked\r\n"),
    ];
    for headers in both {
        let head = format!("POST /hooks/graph HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let answer = answers(warden.address, format!("{head}{chunks}{smuggled}"));
        // The chunks count, and nothing after them (RFC 9112, section 6.3).
        assert_eq!(statuses(&answer), [202], "{headers}: {answer}");
    }
    warden.stop().await;
    assert_eq!(town.next_look().await, None, "what was smuggled was heard");
}

#[tokio::test]
async fn old_and_hurried_and_careful_senders_are_heard() {
    let town = town().await;
    let warden = town.serve();
    // HTTP/1.0, which closes after the answer.
    let answer = answers(warden.address, event("").replace("HTTP/1.1", "HTTP/1.0"));
    assert!(answer.starts_with("HTTP/1.0 202"), "{answer}");
    // Several requests at once, answered in their order.
    let several = [event(""), format!("{HEALTH}\r\n"), event("connection: close\r\n")].concat();
    assert_eq!(statuses(&answers(warden.address, several)), [202, 200, 202]);
    // Whoever asks before sending.
    let request = event("expect: 100-continue\r\nconnection: close\r\n");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut stream = connect(warden.address, format!("{head}\r\n\r\n").as_bytes());
    let mut word = [0; 25];
    stream.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(statuses(&rest(stream)), [202]);
    // And is told not to.
    let large = "POST /hooks/graph HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\
                 connection: close\r\ncontent-length: 9999999\r\n\r\n";
    assert_eq!(statuses(&answers(warden.address, large)), [413]);
    town.looked(1).await;
    warden.stop().await;
}

#[tokio::test]
async fn deep_nesting_is_told_and_survived() {
    let town = town().await;
    let warden = town.serve();
    let deep = |open: &str, close: &str| {
        let times = (1 << 20) / (open.len() + close.len()) - 8;
        format!("{}{}", open.repeat(times), close.repeat(times))
    };
    for (name, body) in [
        ("arrays", deep("[", "]")),
        ("arrays that are not closed", "[".repeat(1 << 20)),
        ("objects", deep("{\"a\":", "}")),
        (
            "arrays in a collection",
            format!("{{\"value\":[{}]}}", "[".repeat(5000) + &"]".repeat(5000)),
        ),
        (
            "objects in a collection",
            format!("{{\"value\":[{}0{}]}}", "{\"a\":".repeat(200), "}".repeat(200)),
        ),
    ] {
        for request in [post("/hooks/graph", &body), post("/hooks/audit", &body).signed()] {
            let answer = request.send(&warden).await;
            assert_eq!(answer.status, 400, "{name}");
            let told: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(told["error"]["reason"], "malformed", "{name}: {told}");
        }
    }
    assert_eq!(warden.graph(include_str!("../../events/graph/user-updated.json")).await, 202);
    town.looked(1).await;
    warden.stop().await;
}

/// What the process holds in memory at the most so far, in bytes.
fn peak(warden: &Warden) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", warden.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn half_a_million_items_cost_a_few_lines_and_no_genuine_one_among_them_is_lost() {
    const MIB: u64 = 1024 * 1024;
    let town = town().await;
    let warden = town.serve();
    let before = peak(&warden);
    let genuine = notifications(&[(WOODGROVE, WOODGROVE)]);
    let genuine = genuine.trim_start_matches("{\"value\":[").trim_end_matches("]}");
    for item in ["0", "{}", "{\"\":0}"] {
        let times = ((1 << 20) - genuine.len() - 20) / (item.len() + 1);
        let junk = vec![item; times].join(",");
        let body = format!("{{\"value\":[{junk},{genuine}]}}");
        assert_eq!(post("/hooks/graph", body).send(&warden).await.status, 202);
    }
    town.looked(1).await;
    let grown = peak(&warden) - before;
    let log = warden.stop().await;
    assert!(grown < 100 * MIB, "{grown} bytes");
    let lines = log.lines().filter(|line| line.contains("turned away")).count();
    assert!((3..=6).contains(&lines), "{lines} lines");
}

/// The ids of the requests that were heard: ours, and the sender's own.
fn ids(log: &str) -> Vec<(String, Value)> {
    let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let heard = entries.filter(|entry| entry["message"] == "heard");
    heard
        .map(|entry| {
            let span = &entry["span"];
            (span["request.id"].as_str().unwrap().to_owned(), span["sender.request_id"].clone())
        })
        .collect()
}

#[tokio::test]
async fn every_answer_has_an_id_that_stands_in_the_log() {
    let town = town().await;
    let warden = town.serve();
    let mut seen = Vec::new();
    for (method, path) in [
        ("GET", "/health"),
        ("GET", "/"),
        ("PUT", "/hooks/graph"),
        ("POST", "/hooks/audit"),
        ("POST", "/hooks/graph?validationToken=t"),
    ] {
        let answer = warden.request(method, path, &[("x-request-id", "mine")], "").await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4, "{path}");
        seen.push(id);
    }
    let mut expected = Vec::new();
    for (header, value, kept) in [
        ("x-request-id", "mine", json!("mine")),
        (
            "request-id",
            "5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29",
            json!("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29"),
        ),
        ("client-request-id", "a.b_c-1", json!("a.b_c-1")),
        ("x-request-id", "forged\", \"level\": \"ERROR", Value::Null),
        ("x-request-id", &"x".repeat(65), Value::Null),
    ] {
        let answer = warden.post("/hooks/graph", &[(header, value)], "{\"value\":[]}").await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        seen.push(id.clone());
        expected.push((id, kept));
    }
    let log = warden.stop().await;
    assert_eq!(ids(&log), expected);
    assert!(!log.contains("forged"), "{log}");
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all);
}
