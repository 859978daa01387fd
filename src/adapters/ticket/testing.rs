//! What every adapter of a ticket system is tried with: answers that are none, and what is to be
//! made of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use boon::{Compiler, SchemaIndex, Schemas};
use futures_util::FutureExt as _;
use indexmap::IndexMap;
use serde_json::{Value, json};
use url::Url;

use super::Making;
use crate::adapters::http::{Http, Patience};
use crate::adapters::testing::{Asked, Server, status, with};
use crate::domain::finding::Severity;
use crate::domain::id::SinkName;
use crate::domain::markup::{Block, Document, Span};
use crate::domain::secret::Secret;
use crate::domain::sink::Common;
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::said::{Said, TicketKey, TicketRef, mark};
use crate::ports::ticket::{Class, SinkError, TicketSystem};

/// The key of the ticket that tests speak of.
pub(crate) const KEY: &str = "pw1-0123456789abcdef0123456789";

/// The key of somebody else's.
pub(crate) const OTHER_KEY: &str = "pw1-ffffffffffffffffffffffffff";

/// Less patience than a server needs that never answers.
pub(crate) const SHORT: Patience = Patience {
    connect: Duration::from_secs(5),
    total: Duration::from_millis(400),
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(1),
    retries: 0,
};

pub(crate) fn key() -> TicketKey {
    TicketKey(KEY.to_owned())
}

/// A ticket in its system, by the system's own id.
pub(crate) fn at(id: &str) -> TicketRef {
    TicketRef { id: id.to_owned(), human: id.to_owned(), url: None }
}

/// What is said in a ticket: text that no system may take for structure, and the mark.
pub(crate) fn said(kind: MessageKind, number: u32) -> Said {
    let text = |text: &str| vec![Span::Text(text.to_owned())];
    Said {
        key: key(),
        number,
        kind,
        title: "Woodgrove: Contoso Reseller holds Global Administrator".to_owned(),
        text: Document {
            blocks: vec![
                Block::Heading(text("What was found")),
                Block::List(vec![text("Agents <b>@channel</b> {code} holds Global Administrator")]),
                Block::Paragraph(vec![Span::Code(format!("{KEY} #{number}"))]),
            ],
        },
        severity: Severity::High,
        priority: None,
        fields: IndexMap::new(),
    }
}

/// An adapter made of settings, as the policy and the secrets would make it.
pub(crate) fn made<T>(
    common: &Common,
    secrets: &[(&str, &str)],
    patience: Patience,
    make: impl FnOnce(&Making<'_>) -> Result<T, String>,
) -> T {
    let http = Http::new(patience).unwrap();
    let secrets = secrets.iter();
    let secrets = secrets.map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    let name = SinkName("security".to_owned());
    let slow = patience.total;
    make(&Making { name: &name, common, secrets, http: &http, slow }).unwrap()
}

/// One of the calls of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Preflight,
    Find,
    Open,
    Read,
    Comment,
    Close,
    Reopen,
}

impl Call {
    pub(crate) const ALL: [Self; 7] = [
        Self::Preflight,
        Self::Find,
        Self::Open,
        Self::Read,
        Self::Comment,
        Self::Close,
        Self::Reopen,
    ];

    async fn make(self, system: &dyn TicketSystem, id: &str) -> Result<(), SinkError> {
        match self {
            Self::Preflight => system.preflight().await.map(drop),
            Self::Find => system.find(&key()).await.map(drop),
            Self::Open => system.open(&said(MessageKind::Opened, 1)).await.map(drop),
            Self::Read => system.read(&at(id)).await.map(drop),
            Self::Comment => system.comment(&at(id), &said(MessageKind::Updated, 2)).await,
            Self::Close => system.close(&at(id), &said(MessageKind::Closed, 3)).await,
            Self::Reopen => system.reopen(&at(id), &said(MessageKind::Updated, 4)).await,
        }
    }
}

/// A system that is tried with answers that are none.
pub(crate) struct Trial<M, S> {
    /// Makes the adapter for a system at this address.
    pub(crate) make: M,
    /// How the system answers when all is well, for a ticket in which each call has something to
    /// do.
    pub(crate) serve: S,
    /// The ticket's id there.
    pub(crate) id: &'static str,
    /// Parts of the first lines of requests that only read, although they are no GET.
    pub(crate) also_read: &'static [&'static str],
    /// Answers of its own to which other rules apply: the call, the answer's name and the class. The
    /// name `at request 2` is every answer to the call's third request.
    pub(crate) other: &'static [(Call, &'static str, Class)],
}

impl<M, S> Trial<M, S>
where
    M: Fn(Url, Patience) -> Box<dyn TicketSystem>,
    S: Fn(Call, &Asked) -> Response + Send + Sync + 'static,
{
    /// Makes each call, and then again for each request it consists of and each answer that is
    /// none, given to that request. A request is known by its place in the call.
    pub(crate) async fn run(self) {
        let serve = Arc::new(self.serve);
        for call in Call::ALL {
            let well = Arc::clone(&serve);
            let server = Server::start(move |asked| well(call, asked)).await;
            let system = (self.make)(server.origin.clone(), crate::adapters::testing::QUICK);
            let ended = call.make(system.as_ref(), self.id).await;
            assert!(ended.is_ok(), "{call:?}: {ended:?}, asked {:?}", server.lines(""));
            let requests = server.asked();
            assert!(!requests.is_empty(), "{call:?} asks nothing");
            for (place, request) in requests.iter().enumerate() {
                let reads = request.line.starts_with("GET ")
                    || self.also_read.iter().any(|part| request.line.contains(part));
                for (name, class) in faults(reads) {
                    let here = format!("at request {place}");
                    let other = self.other.iter();
                    let mut other =
                        other.filter(|it| it.0 == call && (it.1 == name || it.1 == here));
                    let class = other.next().map_or(class, |it| it.2);
                    let well = Arc::clone(&serve);
                    let server = Server::start(move |asked| {
                        if asked.before == place { fault(name) } else { well(call, asked) }
                    })
                    .await;
                    let patience =
                        if name == "time-out" { SHORT } else { crate::adapters::testing::QUICK };
                    let system = (self.make)(server.origin.clone(), patience);
                    let what = format!("{call:?}, {name} at {}", request.line);
                    let error = call.make(system.as_ref(), self.id).await.expect_err(&what);
                    assert_eq!(error.class, class, "{what}: {error}");
                    assert!(
                        !error.to_string().contains("s3cret") && !error.to_string().contains('\n'),
                        "{what}: {error}"
                    );
                }
            }
            // Nobody is there.
            let gone = server.origin.clone();
            drop(server);
            let system = (self.make)(gone, SHORT);
            let error = call.make(system.as_ref(), self.id).await.unwrap_err();
            assert_eq!(error.class, Class::Transient, "{call:?}, nobody there: {error}");
        }
    }
}

/// The answers that are none, by name, and the class of each for a request that reads or writes.
fn faults(reads: bool) -> Vec<(&'static str, Class)> {
    let lost = if reads { Class::Transient } else { Class::Ambiguous };
    vec![
        ("429 after 7 s", Class::RateLimited(Some(Duration::from_secs(7)))),
        ("429", Class::RateLimited(None)),
        ("503 after 7 s", Class::RateLimited(Some(Duration::from_secs(7)))),
        ("500", lost),
        ("502", lost),
        ("time-out", lost),
        ("200 with HTML", lost),
        ("200 with broken JSON", lost),
        ("oversize", lost),
        ("401", Class::Auth),
        ("403", Class::Auth),
        ("400", Class::Config),
        ("302", Class::Config),
    ]
}

fn fault(name: &str) -> Response {
    let html =
        || with(Response::new(Body::from("<html>asleep</html>")), "content-type", "text/html");
    match name {
        "429 after 7 s" => with(status(429), "retry-after", "7"),
        "503 after 7 s" => with(status(503), "retry-after", "7"),
        "time-out" => endless(),
        "200 with HTML" => html(),
        "200 with broken JSON" => {
            with(Response::new(Body::from("{\"id\":")), "content-type", "application/json")
        }
        "oversize" => {
            let body = json!({ "much": "x".repeat(1024 * 1024) });
            with(Response::new(Body::from(body.to_string())), "content-type", "application/json")
        }
        "302" => with(status(302), "location", "https://elsewhere.example/"),
        number => {
            let body =
                json!({ "errorMessages": ["not so"], "errors": { "field": "is\nrequired" } });
            let mut response = answer(200, &body);
            *response.status_mut() = number.parse::<u16>().unwrap().try_into().unwrap();
            response
        }
    }
}

/// An answer that never comes to an end.
pub(crate) fn endless() -> Response {
    Response::new(Body::from_stream(futures_util::stream::pending::<
        Result<bytes::Bytes, std::io::Error>,
    >()))
}

/// An answer with a JSON body.
pub(crate) fn answer(code: u16, body: &Value) -> Response {
    let body = Body::from(body.to_string());
    let mut response = with(Response::new(body), "content-type", "application/json");
    *response.status_mut() = code.try_into().unwrap();
    response
}

/// What a vendor publishes of its interface, by hand and as far as an adapter uses it: each call with
/// the schemas of its query, its body and its answer.
pub(crate) struct Described {
    calls: Vec<Shape>,
    schemas: Schemas,
    faults: Mutex<Vec<String>>,
    seen: Mutex<Vec<String>>,
}

/// One call of a description.
struct Shape {
    /// The method and the path, in which `{name}` stands for anything but a slash.
    request: String,
    query: Option<SchemaIndex>,
    body: Option<SchemaIndex>,
    /// The `Content-Type` of the body.
    content_type: String,
    status: u64,
    answer: Option<SchemaIndex>,
}

impl Described {
    pub(crate) fn new(description: &str) -> Self {
        const HERE: &str = "https://described.example/calls.json";
        let whole: Value = serde_json::from_str(description).unwrap();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource(HERE, whole.clone()).unwrap();
        let calls = whole["calls"].as_array().unwrap().iter().enumerate();
        let calls = calls.map(|(at, call)| {
            assert!(call["source"].as_str().unwrap().starts_with("https://"), "{call}");
            let mut part = |name: &str| {
                call.get(name)?;
                let place = format!("{HERE}#/calls/{at}/{name}");
                Some(compiler.compile(&place, &mut schemas).unwrap())
            };
            Shape {
                query: part("query"),
                body: part("body"),
                answer: part("answer"),
                request: call["request"].as_str().unwrap().to_owned(),
                content_type: call["contentType"].as_str().unwrap_or("application/json").to_owned(),
                status: call["status"].as_u64().unwrap(),
            }
        });
        let calls = calls.collect();
        Self { calls, schemas, faults: Mutex::default(), seen: Mutex::default() }
    }

    /// A server whose requests and answers are held against the description.
    pub(crate) async fn server(
        self: &Arc<Self>,
        serve: impl Fn(&Asked) -> Response + Send + Sync + 'static,
    ) -> Server {
        let described = Arc::clone(self);
        Server::start(move |asked| {
            let (parts, body) = serve(asked).into_parts();
            let body = to_bytes(body, usize::MAX).now_or_never().unwrap().unwrap();
            if let Err(fault) = described.fits(asked, parts.status.as_u16().into(), &body) {
                described.faults.lock().unwrap().push(format!("{}: {fault}", asked.line));
            }
            Response::from_parts(parts, Body::from(body))
        })
        .await
    }

    fn fits(&self, asked: &Asked, status: u64, answer: &[u8]) -> Result<(), String> {
        let (line, query) = asked.line.split_once('?').unwrap_or((&asked.line, ""));
        let shape = self.calls.iter().find(|shape| is_of(line, &shape.request));
        let shape = shape.ok_or("no such call is described")?;
        self.seen.lock().unwrap().push(shape.request.clone());
        let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
        if header("accept-language") != Some("en") {
            return Err("the language is not English".to_owned());
        }
        let query: serde_json::Map<String, Value> = url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        let whole = |bytes: &[u8]| {
            serde_json::from_slice::<Value>(bytes).map_err(|error| error.to_string())
        };
        match shape.query {
            Some(schema) => self.holds("query", schema, &query.into())?,
            None if query.is_empty() => {}
            None => return Err(format!("a query is not described: {query:?}")),
        }
        match shape.body {
            Some(schema) => {
                self.holds("body", schema, &whole(&asked.body)?)?;
                let said = header("content-type");
                if said != Some(&shape.content_type) {
                    return Err(format!("the body is said to be {said:?}"));
                }
            }
            None if asked.body.is_empty() => {}
            None => return Err("a body is not described".to_owned()),
        }
        if status != shape.status {
            return Err(format!("the answer is {status}: {}", String::from_utf8_lossy(answer)));
        }
        match shape.answer {
            Some(schema) => self.holds("answer", schema, &whole(answer)?),
            None => Ok(()),
        }
    }

    fn holds(&self, what: &str, schema: SchemaIndex, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, schema).map_err(|error| format!("{what} {value}: {error:#}"))
    }

    /// Says which described calls were made, and fails where one was made otherwise.
    pub(crate) fn seen(&self) -> Vec<String> {
        let faults = self.faults.lock().unwrap();
        assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
        self.seen.lock().unwrap().clone()
    }

    /// The described calls that were not made.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let seen = self.seen();
        let calls = self.calls.iter().map(|shape| shape.request.clone());
        calls.filter(|request| !seen.contains(request)).collect()
    }

    /// Makes each call of the port, and holds all requests and answers against the description.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        make: impl Fn(&Url) -> Box<dyn TicketSystem>,
        serve: impl Fn(Call, &Asked) -> Response + Send + Sync + 'static,
        id: &str,
    ) {
        let serve = Arc::new(serve);
        for call in Call::ALL {
            let well = Arc::clone(&serve);
            let server = self.server(move |asked| well(call, asked)).await;
            let system = make(&server.origin);
            let ended = call.make(system.as_ref(), id).await;
            self.seen();
            ended.unwrap();
            if call == Call::Comment {
                system.has_said(&at(id), &mark(&key(), 2)).await.unwrap();
            }
        }
        self.seen();
    }
}

/// Whether a request is one of a template: `GET /issues/7` of `GET /issues/{number}`.
fn is_of(line: &str, template: &str) -> bool {
    let (line, template): (Vec<&str>, Vec<&str>) =
        (line.split('/').collect(), template.split('/').collect());
    line.len() == template.len()
        && line.iter().zip(&template).all(|(part, wanted)| {
            match wanted
                .split_once('{')
                .and_then(|(lead, rest)| Some((lead, rest.strip_suffix('}')?)))
            {
                Some((lead, _)) => part.len() > lead.len() && part.starts_with(lead),
                None => part == wanted,
            }
        })
}
