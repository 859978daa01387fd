//! A ticket system that speaks the REST 2.0 of Request Tracker
//! (<https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html>), as far as it is asked, and can be out
//! of order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::harness::LIMIT;

/// The token by which the tracker knows who asks.
pub(crate) const TOKEN: &str = "1-23-token";

/// The secret by which is known who calls back.
pub(crate) const CALLBACK: &str = "the tests' secret of callbacks";

/// The custom field that holds our key.
const FIELD: &str = "PartnerWarden";

/// A ticket in it.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) key: String,
    pub(crate) status: String,
    /// Who gave it that status.
    by: Option<String>,
    /// What was said in it, the opening first.
    pub(crate) said: Vec<String>,
}

#[derive(Default)]
struct State {
    tickets: Vec<Ticket>,
    down: bool,
    /// How often somebody was told that it is out of order.
    refused: usize,
    /// How often it was asked who gave a ticket its status: once for each reading.
    read: usize,
}

/// The tracker. It stops when dropped.
pub(crate) struct Tracker {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    /// How many answers to a new ticket may be given.
    opening: Arc<Semaphore>,
    _serving: JoinSet<()>,
}

impl Tracker {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        let opening = Arc::new(Semaphore::new(1000));
        let (shared, gate) = (Arc::clone(&state), Arc::clone(&opening));
        let router = Router::new().fallback(move |request: Request| {
            let (state, gate) = (Arc::clone(&shared), Arc::clone(&gate));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let token = parts.headers.get("authorization").map(|it| it.to_str().unwrap());
                assert_eq!(token, Some(format!("token {TOKEN}").as_str()));
                let mut query =
                    url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes());
                let query = query.find(|(name, _)| name == "query").map(|(_, it)| it.into_owned());
                let path: Vec<&str> = parts.uri.path().trim_start_matches('/').split('/').collect();
                let rest = path.strip_prefix(&["REST", "2.0"]).unwrap().to_vec();
                let method = parts.method.as_str();
                let answer = {
                    let mut state = state.lock().unwrap();
                    state.answer(method, &rest, query.as_deref().unwrap_or_default(), &body)
                };
                if method == "POST" && rest == ["ticket"] {
                    gate.acquire().await.unwrap().forget();
                }
                answer
            }
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state, opening, _serving: serving }
    }

    /// It answers nothing but that it is out of order, or is in order again.
    pub(crate) fn down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// Whoever opens a ticket gets no answer from now on, and the ticket is there.
    pub(crate) fn keep_answers(&self) {
        self.opening.forget_permits(usize::MAX);
    }

    /// The answers are given again.
    pub(crate) fn give_answers(&self) {
        self.opening.add_permits(1000);
    }

    pub(crate) fn tickets(&self) -> Vec<Ticket> {
        self.state.lock().unwrap().tickets.clone()
    }

    /// The only ticket.
    pub(crate) fn only(&self) -> Ticket {
        let tickets = self.tickets();
        assert_eq!(tickets.len(), 1, "{tickets:#?}");
        tickets[0].clone()
    }

    /// The path under which people decide, as the only ticket says it last.
    pub(crate) fn path(&self) -> String {
        let said = self.only().said;
        let rest = said.iter().rev().find_map(|said| said.rsplit_once("/decisions/"));
        let is_of_it = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
        let token: String = rest.unwrap().1.chars().take_while(is_of_it).collect();
        format!("/decisions/{token}")
    }

    /// Somebody gives the only ticket a status.
    pub(crate) fn set(&self, status: &str, by: &str) {
        self.only();
        let ticket = &mut self.state.lock().unwrap().tickets[0];
        (ticket.status, ticket.by) = (status.to_owned(), Some(by.to_owned()));
    }

    pub(crate) fn refused(&self) -> usize {
        self.state.lock().unwrap().refused
    }

    pub(crate) fn read(&self) -> usize {
        self.state.lock().unwrap().read
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        let seen = async {
            while !is_so(self) {
                pause.tick().await;
            }
        };
        let seen = tokio::time::timeout(LIMIT, seen).await;
        assert!(seen.is_ok(), "never: {what}; {:#?}", self.tickets());
    }

    /// Waits until the only ticket was read so often since it was opened.
    pub(crate) async fn was_read(&self, times: usize) {
        self.until(&format!("reading number {times}"), |it| it.read() >= times).await;
    }

    /// Waits until the only ticket says this.
    pub(crate) async fn says(&self, text: &str) {
        let says = |it: &Self| {
            it.tickets().iter().any(|ticket| ticket.said.iter().any(|said| said.contains(text)))
        };
        self.until(text, says).await;
    }

    /// Waits until the only ticket is ended.
    pub(crate) async fn ended(&self) {
        let ended = |it: &Self| it.tickets().iter().any(|ticket| ticket.status == "resolved");
        self.until("the end of the ticket", ended).await;
        self.only();
    }
}

impl State {
    fn answer(&mut self, method: &str, path: &[&str], query: &str, body: &Value) -> Response {
        if self.down {
            self.refused += 1;
            return answer(503, &json!({ "message": "out of order" }));
        }
        match (method, path) {
            ("GET", ["tickets"]) => answer(200, &json!({ "items": self.found(query) })),
            ("GET", ["transactions"]) => {
                self.read += 1;
                let id: usize = query.split(['=', ' ']).find_map(|it| it.parse().ok()).unwrap();
                let ticket = &self.tickets[id - 1];
                let set = ticket
                    .by
                    .as_ref()
                    .map(|by| json!({ "NewValue": ticket.status, "Creator": { "id": by } }));
                answer(200, &json!({ "items": Vec::from_iter(set) }))
            }
            ("POST", ["ticket"]) => {
                let key = body["CustomFields"][FIELD].as_str().unwrap().to_owned();
                let said = vec![body["Content"].as_str().unwrap().to_owned()];
                let status = "new".to_owned();
                self.tickets.push(Ticket { key, status, by: None, said });
                answer(201, &json!({ "id": self.tickets.len() }))
            }
            (_, ["ticket", id, rest @ ..]) => {
                let at = id.parse::<usize>().unwrap() - 1;
                match (method, rest) {
                    ("GET", []) => {
                        let mut ticket = self.shown(at);
                        ticket["_hyperlinks"] = json!([{ "ref": "comment" }]);
                        answer(200, &ticket)
                    }
                    ("GET", ["attachments"]) => {
                        let said = self.tickets[at].said.iter().rev();
                        let items: Vec<Value> = said.map(|it| json!({ "Content": it })).collect();
                        answer(200, &json!({ "items": items }))
                    }
                    ("PUT", []) => {
                        let ticket = &mut self.tickets[at];
                        body["Status"].as_str().unwrap().clone_into(&mut ticket.status);
                        ticket.by = Some("warden".to_owned());
                        answer(200, &json!(["done"]))
                    }
                    ("POST", ["comment"]) => {
                        let said = body["Content"].as_str().unwrap().to_owned();
                        self.tickets[at].said.push(said);
                        answer(201, &json!(["done"]))
                    }
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn shown(&self, at: usize) -> Value {
        let ticket = &self.tickets[at];
        json!({
            "id": at + 1,
            "Status": ticket.status,
            "Creator": { "id": "warden" },
            "CustomFields": [{ "name": FIELD, "values": [ticket.key] }],
        })
    }

    /// What a query finds: one for tickets of ours without a key, for a key, or for an id, of which
    /// only those may be asked for that are not ended.
    fn found(&self, query: &str) -> Vec<Value> {
        if query.contains("IS NULL") {
            return Vec::new();
        }
        let id: Option<usize> =
            query.strip_prefix("(id = ").and_then(|rest| rest.split(')').next()?.parse().ok());
        let is_found = |at: usize, ticket: &Ticket| {
            let its = id.map_or_else(|| query.contains(&ticket.key), |id| id == at + 1);
            let ended = ["resolved", "rejected"].contains(&ticket.status.as_str());
            its && !(ended && query.contains("__Active__"))
        };
        let found = self.tickets.iter().enumerate().filter(|(at, ticket)| is_found(*at, ticket));
        found.map(|(at, _)| self.shown(at)).collect()
    }
}

fn answer(status: u16, body: &Value) -> Response {
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = status.try_into().unwrap();
    answer.headers_mut().insert("content-type", "application/json".parse().unwrap());
    answer
}
