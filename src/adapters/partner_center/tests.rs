//! How often a publisher is asked, and what is taken from it.

use std::sync::Mutex as Held;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;
use crate::adapters::testing::{QUICK, Server, status, with};
use crate::domain::finding::testing::noon;
use crate::wire::partner_center::certificates::roots;

/// A clock that stands where a test puts it.
struct Hand(Held<Timestamp>);

impl Hand {
    fn moves(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/data/partner-center-openssl.json")).unwrap()
}

fn certificate(name: &str) -> Vec<u8> {
    STANDARD.decode(vectors()["certificates"][name].as_str().unwrap()).unwrap()
}

fn file(bytes: Vec<u8>) -> Response {
    Response::new(Body::from(bytes))
}

struct Desk {
    certificates: PublishedCertificates,
    hand: Arc<Hand>,
    server: Server,
}

impl Desk {
    /// One whose server answers `/good…` with a certificate that needs no issuer, and the rest as
    /// told.
    async fn with(answer: fn(&str) -> Response) -> Self {
        let server = Server::start(move |asked| {
            let path = asked.line.trim_start_matches("GET ");
            if path.starts_with("/good") {
                file(certificate("issued by a root whose organisation is another"))
            } else {
                answer(path)
            }
        });
        let hand = Arc::new(Hand(Held::new(noon())));
        let roots = roots(vectors()["rootPem"].as_str().unwrap().as_bytes()).unwrap();
        let clock = Arc::clone(&hand) as Arc<dyn Clock>;
        let certificates = PublishedCertificates::new(QUICK, clock, Some(roots.into()));
        Self { certificates, hand, server: server.await }
    }

    async fn new() -> Self {
        Self::with(|_| status(404)).await
    }

    fn url(&self, path: &str) -> Url {
        self.server.origin.join(path).unwrap()
    }

    /// What comes of asking for a path: nothing, or what went wrong.
    async fn fetched(&self, path: &str) -> Result<(), String> {
        let fetched = self.certificates.fetched(&self.url(path)).await;
        fetched.map(drop).map_err(|error| {
            error.said.strip_prefix(WHOM).unwrap_or(&error.said).trim_start().to_owned()
        })
    }

    fn holds(&self, path: &str) -> bool {
        self.certificates.held(&self.url(path)).is_some()
    }

    fn asked(&self) -> usize {
        self.server.asked().len()
    }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[tokio::test]
async fn a_certificate_is_held_for_an_hour_and_asked_for_once_a_minute() {
    let desk = Desk::new().await;
    assert!(!desk.holds("/good"));
    let many = std::iter::repeat_with(|| desk.fetched("/good")).take(8);
    for fetched in futures_util::future::join_all(many).await {
        assert_eq!(fetched, Ok(()));
    }
    assert_eq!(desk.asked(), 1);
    desk.hand.moves(AGAIN_AFTER - SECOND);
    assert_eq!((desk.fetched("/good").await, desk.asked()), (Ok(()), 1));
    desk.hand.moves(SECOND);
    assert_eq!((desk.fetched("/good").await, desk.asked()), (Ok(()), 2));
    desk.hand.moves(HELD_FOR - SECOND);
    assert!(desk.holds("/good"));
    desk.hand.moves(SECOND);
    assert!(!desk.holds("/good"));
    assert_eq!((desk.fetched("/good").await, desk.asked()), (Ok(()), 3));
    assert!(desk.holds("/good"));
    assert!(!desk.holds("/good/other"));
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_few_seconds() {
    let desk = Desk::new().await;
    assert_eq!(desk.fetched("/none").await, Err("answered 404".into()));
    desk.hand.moves(AGAIN_AFTER_FAILURE - SECOND);
    assert_eq!(desk.fetched("/none").await, Err("had none a moment ago".into()));
    assert_eq!(desk.asked(), 1);
    desk.hand.moves(SECOND);
    assert_eq!(desk.fetched("/none").await, Err("answered 404".into()));
    assert_eq!((desk.asked(), desk.holds("/none")), (2, false));
}

#[tokio::test]
async fn strangers_share_a_few_fetches_and_cannot_crowd_out_who_is_known() {
    let desk = Desk::new().await;
    assert_eq!(desk.fetched("/good").await, Ok(()));
    for number in 1..100 {
        let expect = if number < STRANGERS_MAX {
            "answered 404"
        } else {
            "is asked for too many certificates"
        };
        assert_eq!(desk.fetched(&format!("/{number}")).await, Err(expect.into()), "{number}");
    }
    assert_eq!(desk.asked(), STRANGERS_MAX);
    assert!(desk.certificates.places.lock().unwrap().len() <= PLACES_MAX);
    // Even when it is too old, and while the strangers go on.
    assert!(desk.holds("/good"));
    for _ in 0..STRANGERS_MAX {
        desk.hand.moves(HELD_FOR / 4);
        for number in 0..2 * STRANGERS_MAX {
            assert!(desk.fetched(&format!("/{number}")).await.is_err());
        }
        assert_eq!(desk.fetched("/good").await, Ok(()));
    }
    desk.hand.moves(STRANGERS_WITHIN);
    assert_eq!(desk.fetched("/good/new").await, Ok(()));
}

#[tokio::test]
async fn the_oldest_is_forgotten_where_too_many_are_known() {
    let desk = Desk::new().await;
    for number in 0..=PLACES_MAX {
        assert_eq!(desk.fetched(&format!("/good/{number}")).await, Ok(()));
        desk.hand.moves(STRANGERS_WITHIN);
    }
    let held: Vec<bool> =
        (0..=PLACES_MAX).map(|number| desk.holds(&format!("/good/{number}"))).collect();
    assert_eq!(held, [vec![false], vec![true; PLACES_MAX]].concat());
}

#[tokio::test]
async fn what_is_no_certificate_is_not_taken_nor_is_what_is_too_large_or_elsewhere() {
    let desk = Desk::with(|path| match path {
        "/page" => file(b"<html>".to_vec()),
        "/most" => file(vec![b' '; FILE_MAX]),
        "/more" => file(vec![b' '; FILE_MAX + 1]),
        "/elsewhere" => with(status(302), "location", "/good"),
        _ => status(500),
    })
    .await;
    let fetched = |path: &'static str| async { desk.fetched(path).await.unwrap_err() };
    assert_eq!(fetched("/page").await, "answered with no certificate");
    assert_eq!(fetched("/most").await, "answered with no certificate");
    assert_eq!(fetched("/more").await, "answered with more than 65536 bytes");
    assert_eq!(fetched("/elsewhere").await, "answered 302");
    assert_eq!(fetched("/broken").await, "answered 500");
    assert_eq!(desk.server.lines("/good"), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_held_stays_so_when_it_cannot_be_looked_up() {
    let desk = Desk::new().await;
    assert_eq!(desk.fetched("/good").await, Ok(()));
    let Desk { certificates, hand, server } = desk;
    let url = server.origin.join("/good").unwrap();
    drop(server);
    hand.moves(AGAIN_AFTER);
    assert!(certificates.fetched(&url).await.is_err());
    assert!(certificates.held(&url).is_some());
    hand.moves(HELD_FOR - AGAIN_AFTER);
    assert!(certificates.held(&url).is_none());
}
