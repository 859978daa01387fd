//! What is repeated and what is not, and what an answer may not do to us.

use axum::body::Body;
use axum::response::Response;
use futures_util::stream;
use tokio::net::TcpListener;

use super::*;
use crate::adapters::testing::{QUICK, Server, quick, status, with};
use crate::ports::chain;
use crate::sim::{Rule, Scenario, Sim, Then};

/// Asks a server that gives these answers in turn, the last of them for ever; checks how that ends
/// and how often it was asked.
async fn check(answers: &'static [(u16, &str)], expect: Result<u16, Failure>, calls: usize) {
    let server = Server::start(|asked| {
        let (code, retry_after) = answers[asked.before.min(answers.len() - 1)];
        let answer = status(code);
        if retry_after.is_empty() { answer } else { with(answer, "retry-after", retry_after) }
    })
    .await;
    let url = server.origin.clone();
    let answer = quick().send("the server", |client| client.get(url.clone())).await;
    let ended = answer.map(|answer| answer.status.as_u16()).map_err(|error| error.kind);
    assert_eq!((ended, server.asked().len()), (expect, calls), "{answers:?}");
}

fn throttled(seconds: u64) -> Result<u16, Failure> {
    Err(Failure::Throttled(Some(Duration::from_secs(seconds))))
}

#[tokio::test]
async fn a_busy_or_broken_server_is_asked_again() {
    check(&[(200, "")], Ok(200), 1).await;
    check(&[(503, ""), (200, "")], Ok(200), 2).await;
    check(&[(429, "0"), (200, "")], Ok(200), 2).await;
    check(&[(503, "0"), (200, "")], Ok(200), 2).await;
    check(&[(429, "Wed, 21 Oct 2026 07:28:00 GMT"), (200, "")], Ok(200), 2).await;
    check(&[(429, ""), (500, ""), (504, ""), (204, "")], Ok(204), 4).await;
    check(&[(408, ""), (502, ""), (404, "")], Ok(404), 3).await;
}

#[tokio::test]
async fn patience_has_an_end() {
    let calls = QUICK.retries + 1;
    check(&[(503, "")], Err(Failure::Transient), calls).await;
    check(&[(429, "")], Err(Failure::Throttled(None)), calls).await;
    check(&[(429, "0")], throttled(0), calls).await;
    check(&[(503, "0")], throttled(0), calls).await;
}

#[tokio::test]
async fn the_servers_word_counts_before_our_own_pause() {
    let hour = Duration::from_hours(1);
    let slow = Patience { first_pause: hour, longest_pause: hour, ..QUICK };
    let server = Server::start(|asked| match asked.before {
        0 => with(status(429), "retry-after", "0"),
        _ => status(200),
    })
    .await;
    let (slow, url) = (Http::new(slow).unwrap(), server.origin.clone());
    let answer = slow.send("the server", |client| client.get(url.clone())).await.unwrap();
    assert_eq!((answer.status.as_u16(), server.asked().len()), (200, 2));
}

#[tokio::test]
async fn a_pause_longer_than_our_patience_is_left_to_whoever_asked() {
    check(&[(429, "7"), (200, "")], throttled(7), 1).await;
    check(&[(503, "7"), (200, "")], throttled(7), 1).await;
    check(&[(503, ""), (429, " 7 "), (200, "")], throttled(7), 2).await;
}

#[tokio::test]
async fn every_other_answer_is_an_answer() {
    check(&[(400, "")], Ok(400), 1).await;
    check(&[(401, "")], Ok(401), 1).await;
    check(&[(403, "")], Ok(403), 1).await;
    check(&[(404, "")], Ok(404), 1).await;
    check(&[(409, "7")], Ok(409), 1).await;
}

#[test]
fn a_pause_of_more_than_a_day_counts_as_a_day() {
    for seconds in ["86401", "18446744073709551615"] {
        let answer = with(status(429), "retry-after", seconds);
        let answer = Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: Bytes::new(),
        };
        assert_eq!(answer.retry_after(), Some(Duration::from_hours(24)), "{seconds}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for code in [301, 302, 303, 307, 308] {
        let elsewhere = Server::start(|_| status(200)).await;
        let there = elsewhere.origin.to_string();
        let server = Server::start(move |_| with(status(code), "location", &there)).await;
        let url = server.origin.clone();
        let ask = |client: &reqwest::Client| client.get(url.clone()).bearer_auth("token");
        let answer = quick().send("the server", ask).await.unwrap();
        assert_eq!(answer.status.as_u16(), code);
        assert_eq!(elsewhere.asked(), []);
    }
}

#[tokio::test]
async fn an_answer_too_large_is_not_read_to_its_end() {
    let most = || Response::new(Body::from(vec![b' '; ANSWER_MAX]));
    let more = || Response::new(Body::from(vec![b' '; ANSWER_MAX + 1]));
    let endless = || {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 65536]));
        Response::new(Body::from_stream(stream::repeat_with(chunk)))
    };
    let server = Server::start(move |asked| match asked.line.as_str() {
        "GET /most" => most(),
        "GET /more" => more(),
        _ => endless(),
    })
    .await;
    let ask = async |path: &str| {
        let url = server.origin.join(path).unwrap();
        let answer = quick().send("the server", |client| client.get(url.clone())).await;
        answer.map(|answer| answer.body.len())
    };
    assert_eq!(ask("most").await.unwrap(), ANSWER_MAX);
    for path in ["more", "endless"] {
        let error = ask(path).await.unwrap_err();
        assert_eq!(error.kind, Failure::Unintelligible, "{path}");
        assert_eq!(error.to_string(), "the server answered with more than 16777216 bytes");
    }
    assert_eq!(server.asked().len(), 3, "it is not asked again");
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again() {
    let sim = Sim::start(Scenario::woodgrove(), ([127, 0, 0, 1], 0).into()).await.unwrap();
    sim.add_fault(Rule::new("/nowhere", Then::Drop).times(2));
    let url = sim.origin().join("nowhere").unwrap();
    let answer = quick().send("the server", |client| client.get(url.clone())).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(sim.count("GET", "/nowhere"), 3);
}

#[tokio::test]
async fn an_error_names_no_url() {
    async fn check(http: Http, origin: &str, expect: &str) {
        let url = format!("{origin}s3cr3t?key=hunter2");
        let error = http.once("ticket sink a", |client| client.get(&url)).await.unwrap_err();
        assert_eq!((error.kind, error.to_string().as_str()), (Failure::Transient, expect));
        for text in [chain(&error), format!("{error:?}")] {
            assert!(!text.contains("s3cr3t") && !text.contains("hunter2"), "{text}");
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}/", listener.local_addr().unwrap());
    let hurried = Http::new(Patience { total: Duration::from_millis(50), ..QUICK }).unwrap();
    check(hurried, &silent, "ticket sink a did not answer in time").await;
    // Nobody listens at a port that only a superuser may take.
    check(quick(), "http://127.0.0.1:1/", "ticket sink a cannot be reached").await;
    let sim = Sim::start(Scenario::woodgrove(), ([127, 0, 0, 1], 0).into()).await.unwrap();
    sim.add_fault(Rule::new("", Then::Drop).forever());
    check(quick(), sim.origin().as_str(), "ticket sink a broke off the answer").await;
    let cut = Server::start(|_| {
        let chunks = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("cut"))];
        Response::new(Body::from_stream(stream::iter(chunks)))
    })
    .await;
    check(quick(), cut.origin.as_str(), "ticket sink a broke off the answer").await;
}
