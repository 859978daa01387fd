//! ConnectWise PSA (<https://developer.connectwise.com/Products/ConnectWise_PSA/REST>): one service
//! ticket for each of ours, found by its external reference, which is its key.
//!
//! How long a reference may be is not said anywhere. Where ConnectWise does not keep the whole key,
//! it stands at the end of the summary in its place.

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::Making;
use super::call::{Caller, Does};
use crate::adapters::http::Answer;
use crate::domain::markup::{Markup, plain};
use crate::domain::secret::Secret;
use crate::domain::sink;
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// How many notes, the last first, are searched for what was said.
const SEARCHED: usize = 50;

/// Longest summary, in units of UTF-16, as ConnectWise says itself where one is longer.
const SUMMARY_MAX: usize = 100;

/// What our keys begin with.
const OURS: &str = "pw1-";

/// Service tickets of one company on one board.
pub struct Connectwise {
    caller: Caller,
    user: String,
    key: Secret,
    client: String,
    board: u32,
    company: u32,
    closed: u32,
    reopened: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    id: u64,
    #[serde(default, rename = "externalXRef")]
    external: Option<String>,
    #[serde(default)]
    summary: Option<String>,
    status: Status,
    #[serde(default)]
    priority: Option<Id>,
    #[serde(default)]
    closed_flag: Option<bool>,
}

#[derive(Deserialize)]
struct Status {
    id: u32,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    #[serde(default)]
    ticket_id: Option<u64>,
    #[serde(default)]
    text: Option<String>,
}

impl Ticket {
    fn place(&self) -> TicketRef {
        TicketRef { id: self.id.to_string(), human: format!("#{}", self.id), url: None }
    }

    fn has(&self, key: &TicketKey) -> bool {
        let ends = || self.summary.as_deref().is_some_and(|it| it.ends_with(&bracketed(key)));
        self.external.as_deref() == Some(key.as_str()) || ends()
    }

    /// Whether it has the key of a ticket of ours, other than this one or what was left of it.
    fn has_another(&self, key: &TicketKey) -> bool {
        let external = self.external.as_deref().unwrap_or_default();
        external.starts_with(OURS) && !key.as_str().starts_with(external)
    }

    fn is_ours(&self) -> bool {
        let starts = self.external.as_deref().is_some_and(|it| it.starts_with(OURS));
        starts || self.summary.as_deref().is_some_and(|it| it.contains(&format!("[{OURS}")))
    }
}

fn bracketed(key: &TicketKey) -> String {
    format!("[{key}]")
}

/// At most `most` units of UTF-16 of a text.
fn cut(text: &str, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(1);
    let fits = |c: &char| {
        let fits = c.len_utf16() <= left;
        left = left.saturating_sub(c.len_utf16());
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// A summary with the key at its end.
fn keyed(said: &Said) -> String {
    let key = bracketed(&said.key);
    format!("{} {key}", cut(&said.title, SUMMARY_MAX - 1 - key.len()))
}

/// Something in a request is longer than ConnectWise takes it.
fn too_long(answer: &Answer) -> Option<Class> {
    if answer.status != StatusCode::BAD_REQUEST {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
    let mut errors = errors.chain([&body]);
    errors.any(|it| it["code"] == "MaxLengthField").then_some(Class::TooLarge)
}

impl Connectwise {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::Connectwise, making: &Making<'_>) -> Result<Self, String> {
        let base = settings.url.url().clone();
        let public = making.secret("publicKey")?;
        Ok(Self {
            caller: Caller::new(making.http.clone(), base, &making.name.0).special(too_long),
            user: format!("{}+{}", settings.login_company.as_str(), public.expose()),
            key: making.secret("privateKey")?,
            client: settings.client_id.as_str().to_owned(),
            board: settings.board.get(),
            company: settings.company.get(),
            closed: settings.closed_status.get(),
            reopened: settings.reopened_status.get(),
        })
    }

    fn at(&self, rest: &[&str]) -> Url {
        let mut segments = vec!["v4_6_release", "apis", "3.0", "service"];
        segments.extend(rest);
        self.caller.at(&segments)
    }

    fn request(&self, client: &Client, method: Method, url: &Url) -> RequestBuilder {
        client
            .request(method, url.clone())
            .basic_auth(&self.user, Some(self.key.expose()))
            .header("clientId", &self.client)
    }

    fn error(&self, class: Class, what: &str) -> SinkError {
        SinkError::new(class, format!("{}: {what}", self.caller.whom()))
    }

    async fn ticket(&self, at: &TicketRef) -> Result<Ticket, SinkError> {
        let url = self.at(&["tickets", &at.id]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let ticket: Ticket = self.caller.json(Does::ReadsOne, &[200], request).await?;
        if ticket.id.to_string() == at.id {
            return Ok(ticket);
        }
        Err(self.caller.strange(Does::Reads, "answered with another ticket"))
    }

    /// A ticket that says itself that it is the one of a key.
    async fn own(&self, at: &TicketRef, key: &TicketKey) -> Result<Ticket, SinkError> {
        let ticket = self.ticket(at).await?;
        if ticket.has(key) {
            return Ok(ticket);
        }
        let what = format!("ticket {} does not have our key as its external reference", at.human);
        Err(self.error(Class::Gone, &what))
    }

    fn ended(&self, ticket: &Ticket) -> bool {
        ticket.closed_flag == Some(true) || ticket.status.id == self.closed
    }

    fn standing(&self, ticket: Ticket) -> Standing {
        let open = !self.ended(&ticket);
        let states = [ticket.status.id.to_string()].into_iter().chain(ticket.status.name);
        // Who changed a ticket last is not who gave it its status.
        Standing { open, states: states.collect(), by: Vec::new() }
    }

    async fn replace(&self, at: &TicketRef, path: &str, value: Value) -> Result<Ticket, SinkError> {
        let url = self.at(&["tickets", &at.id]);
        let change = json!([{ "op": "replace", "path": path, "value": value }]);
        let request = |client: &Client| self.request(client, Method::PATCH, &url).json(&change);
        self.caller.json(Does::WritesOne, &[200], request).await
    }

    async fn bring(&self, at: &TicketRef, status: u32) -> Result<(), SinkError> {
        let ticket = self.replace(at, "status/id", json!(status)).await?;
        if ticket.status.id == status {
            return Ok(());
        }
        let what = format!("ticket {} did not take the status {status}", at.human);
        Err(self.error(Class::Config, &what))
    }

    /// The tickets that a condition for a key brings, the oldest first.
    async fn search(&self, key: &TicketKey, condition: &str) -> Result<Vec<Ticket>, SinkError> {
        let mut url = self.at(&["tickets"]);
        url.query_pairs_mut().extend_pairs([
            ("conditions", condition),
            ("orderBy", "id asc"),
            ("pageSize", "10"),
        ]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let found: Vec<Ticket> = self.caller.json(Does::Reads, &[200], request).await?;
        if let Some(other) = found.iter().find(|ticket| !ticket.has(key)) {
            // A condition that is not obeyed may hide the ticket behind all others.
            let what = format!("a search for our key brought ticket #{}, without it", other.id);
            return Err(self.error(Class::Config, &what));
        }
        Ok(found)
    }

    /// Opens a ticket with its key as the external reference, or in the summary.
    async fn create(&self, said: &Said, in_summary: bool) -> Result<Ticket, SinkError> {
        // What the policy adds cannot take the place of what a ticket is known by.
        let mut body: Map<String, Value> =
            said.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(priority) = self.priority(said)? {
            body.insert("priority".to_owned(), json!({ "id": priority }));
        }
        for (name, value) in [
            ("board", json!({ "id": self.board })),
            ("company", json!({ "id": self.company })),
            ("initialDescription", json!(plain(&said.text))),
        ] {
            body.insert(name.to_owned(), value);
        }
        let summary = if in_summary {
            body.remove("externalXRef");
            keyed(said)
        } else {
            body.insert("externalXRef".to_owned(), json!(said.key));
            cut(&said.title, SUMMARY_MAX)
        };
        body.insert("summary".to_owned(), json!(summary));
        let url = self.at(&["tickets"]);
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        self.caller.json(Does::Writes, &[201], request).await
    }

    fn priority(&self, said: &Said) -> Result<Option<u64>, SinkError> {
        let Some(text) = &said.priority else { return Ok(None) };
        let what = "priorities of ConnectWise are named by their numbers";
        text.parse().map(Some).map_err(|_| self.error(Class::Config, what))
    }
}

#[async_trait]
impl TicketSystem for Connectwise {
    fn caps(&self) -> Caps {
        Caps {
            find: Find::Strong,
            comment: true,
            markup: Markup::Plain,
            title_max: SUMMARY_MAX,
            body_max: 30_000,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        let board = self.board.to_string();
        for status in [self.closed, self.reopened] {
            let url = self.at(&["boards", &board, "statuses", &status.to_string()]);
            let request = |client: &Client| self.request(client, Method::GET, &url);
            let found: Status = self.caller.json(Does::Reads, &[200], request).await?;
            if found.id != status {
                return Err(self.caller.strange(Does::Reads, "answered with another status"));
            }
        }
        Ok(format!("the board {board} has the statuses {} and {}", self.closed, self.reopened))
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let mut found = self.search(key, &format!("externalXRef=\"{key}\"")).await?;
        if found.is_empty() {
            found = self.search(key, &format!("summary contains \"{key}\"")).await?;
        }
        let found = found.into_iter();
        Ok(found.map(|it| Found { at: it.place(), standing: self.standing(it) }).collect())
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        let ticket = match self.create(said, false).await {
            // The reference is, or the summary, or it is the text, which the second attempt finds
            // as long as the first.
            Err(error) if error.class == Class::TooLarge => self.create(said, true).await?,
            ended => ended?,
        };
        if ticket.has(&said.key) {
            return Ok(ticket.place());
        }
        if ticket.has_another(&said.key) {
            return Err(self.caller.strange(Does::Writes, "answered with a ticket of another key"));
        }
        let place = ticket.place();
        match self.replace(&place, "summary", json!(keyed(said))).await {
            Ok(now) if now.id == ticket.id && now.has(&said.key) => Ok(place),
            Err(error) if error.class == Class::Ambiguous => Err(error),
            Ok(_) | Err(_) => {
                // It is there for good: one more would be no better.
                let what = format!(
                    "ticket {} was opened and shows our key neither as its external reference nor \
                     in its summary. Write {} at the end of its summary, then have the message \
                     sent again with redrive",
                    place.human,
                    bracketed(&said.key)
                );
                Err(self.error(Class::Gone, &what))
            }
        }
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let ticket = self.ticket(at).await?;
        if !ticket.is_ours() {
            let what = format!("ticket {} has no key of ours", at.human);
            return Err(self.error(Class::Gone, &what));
        }
        Ok(self.standing(ticket))
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let priority = self.priority(said)?;
        let ticket = self.own(at, &said.key).await?;
        if let Some(priority) = priority
            && ticket.priority.is_none_or(|it| it.id != priority)
        {
            self.replace(at, "priority/id", json!(priority)).await?;
        }
        let url = self.at(&["tickets", &at.id, "notes"]);
        let body = json!({
            "text": plain(&said.text),
            "internalAnalysisFlag": true,
            "detailDescriptionFlag": false,
            "resolutionFlag": false,
        });
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        let note: Note = self.caller.json(Does::WritesOne, &[201], request).await?;
        if note.ticket_id.is_some_and(|id| id != ticket.id) {
            return Err(self.caller.strange(Does::Writes, "answered with another ticket's note"));
        }
        Ok(())
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let mut url = self.at(&["tickets", &at.id, "notes"]);
        url.query_pairs_mut()
            .append_pair("orderBy", "id desc")
            .append_pair("pageSize", &SEARCHED.to_string());
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let found: Vec<Note> = self.caller.json(Does::ReadsOne, &[200], request).await?;
        let said = found.iter().filter_map(|it| it.text.as_deref()).any(|it| says(it, mark));
        Ok((said || found.len() < SEARCHED).then_some(said))
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let ticket = self.own(at, &said.key).await?;
        if self.ended(&ticket) { Ok(()) } else { self.bring(at, self.closed).await }
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let ticket = self.own(at, &said.key).await?;
        if self.ended(&ticket) { self.bring(at, self.reopened).await } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::Response;

    use super::*;
    use crate::adapters::http::Patience;
    use crate::adapters::testing::{Asked, QUICK, Server};
    use crate::adapters::ticket::testing::{
        Call, KEY, OTHER_KEY, Trial, answer, at, key, made, said,
    };
    use crate::domain::sink::Common;
    use crate::domain::ticket::MessageKind;

    const TICKETS: &str = "/v4_6_release/apis/3.0/service/tickets";

    fn connectwise(origin: &Url, patience: Patience) -> Connectwise {
        let settings = json!({
            "url": origin, "loginCompany": "woodgrove", "clientId": "c", "board": 3, "company": 4,
            "closedStatus": 9, "reopenedStatus": 1,
        });
        let settings = serde_json::from_value(settings).unwrap();
        let secrets = [("publicKey", "public"), ("privateKey", "s3cret")];
        made(&Common::default(), &secrets, patience, |making| Connectwise::new(&settings, making))
    }

    fn ticket(status: u32, key: &str) -> Value {
        json!({ "id": 7, "externalXRef": key, "status": { "id": status, "name": "New" } })
    }

    fn serve(call: Call, asked: &Asked) -> Response {
        assert_eq!(asked.headers["clientid"], "c");
        // woodgrove+public:s3cret
        if asked.authorization.as_deref() != Some("Basic d29vZGdyb3ZlK3B1YmxpYzpzM2NyZXQ=") {
            return answer(401, &json!({ "message": "not you" }));
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let status = if call == Call::Reopen { 9 } else { 1 };
        let line = asked.line.replace(TICKETS, "");
        match line.as_str() {
            "GET /v4_6_release/apis/3.0/service/boards/3/statuses/9" => {
                answer(200, &json!({ "id": 9 }))
            }
            "GET /v4_6_release/apis/3.0/service/boards/3/statuses/1" => {
                answer(200, &json!({ "id": 1 }))
            }
            "GET /7" => answer(200, &ticket(status, KEY)),
            "POST "
                if body["externalXRef"] == KEY
                    && body["board"]["id"] == 3
                    && body["company"]["id"] == 4
                    && body["summary"].is_string() =>
            {
                answer(201, &ticket(1, KEY))
            }
            "PATCH /7" if body[0]["op"] == "replace" && body[0]["path"] == "status/id" => {
                let status = u32::try_from(body[0]["value"].as_u64().unwrap()).unwrap();
                answer(200, &ticket(status, KEY))
            }
            "POST /7/notes" if body["internalAnalysisFlag"] == true => {
                answer(201, &json!({ "id": 1, "ticketId": 7, "text": body["text"] }))
            }
            line if line.starts_with("GET ?conditions=externalXRef%3D%22pw1-") => {
                answer(200, &json!([ticket(1, KEY)]))
            }
            _ => answer(400, &json!({ "message": "not so" })),
        }
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        let make = |origin: Url, patience: Patience| {
            Box::new(connectwise(&origin, patience)) as Box<dyn TicketSystem>
        };
        Trial { make, serve, id: "7", also_read: &[], other: &[] }.run().await;
    }

    #[tokio::test]
    async fn a_search_that_is_not_obeyed_and_a_ticket_of_another_key_are_refused() {
        let all = |_: &Asked| answer(200, &json!([ticket(1, KEY), ticket(1, OTHER_KEY)]));
        let server = Server::start(all).await;
        let error = connectwise(&server.origin, QUICK).find(&key()).await.unwrap_err();
        assert_eq!(error.class, Class::Config);
        let server = Server::start(|_| answer(201, &ticket(1, OTHER_KEY))).await;
        let opened = connectwise(&server.origin, QUICK).open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
        let server = Server::start(|_| answer(200, &ticket(1, OTHER_KEY))).await;
        let system = connectwise(&server.origin, QUICK);
        let error = system.close(&at("7"), &said(MessageKind::Closed, 3)).await.unwrap_err();
        assert_eq!(error.class, Class::Gone);
        assert!(server.lines("PATCH").is_empty());
    }

    /// A ConnectWise that keeps `keeps` characters of an external reference, and says so where it
    /// is to keep more, or not.
    fn keeping(keeps: usize, says: bool, asked: &Asked) -> Response {
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let answered = |code: u16, external: &str, summary: &str| {
            let mut ticket = ticket(1, external);
            ticket["summary"] = json!(summary);
            answer(code, &ticket)
        };
        match asked.line.split(' ').next() {
            Some("POST") => {
                let external = body["externalXRef"].as_str().unwrap_or_default();
                let summary = body["summary"].as_str().unwrap();
                assert!(summary.encode_utf16().count() <= 100, "{summary}");
                if says && external.len() > keeps {
                    let message = "The field externalXRef must be a string with a maximum length";
                    let error = json!({ "code": "MaxLengthField", "message": message });
                    return answer(400, &json!({ "code": "InvalidObject", "errors": [error] }));
                }
                answered(201, &external[..external.len().min(keeps)], summary)
            }
            Some("PATCH") => {
                assert_eq!(
                    (&body[0]["op"], &body[0]["path"]),
                    (&json!("replace"), &json!("summary"))
                );
                answered(200, "", body[0]["value"].as_str().unwrap())
            }
            _ => panic!("{}", asked.line),
        }
    }

    #[tokio::test]
    async fn a_key_that_is_not_kept_as_a_reference_stands_in_the_summary() {
        let mut opening = said(MessageKind::Opened, 1);
        // As long as a title gets, and longer than ConnectWise counts it.
        opening.title = "𝔚".repeat(100);
        for (keeps, says, asked) in [
            (30, false, vec!["POST"]),
            (30, true, vec!["POST"]),
            (20, true, vec!["POST", "POST"]),
            (20, false, vec!["POST", "PATCH"]),
            (0, false, vec!["POST", "PATCH"]),
        ] {
            let server = Server::start(move |asked| keeping(keeps, says, asked)).await;
            let opened = connectwise(&server.origin, QUICK).open(&opening).await;
            assert_eq!(opened.map_err(|it| it.said).unwrap().id, "7", "{keeps} {says}");
            let lines = server.lines("");
            let methods: Vec<_> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
            assert_eq!(methods, asked, "{keeps} {says}");
            let last: Value = serde_json::from_slice(&server.asked().last().unwrap().body).unwrap();
            let summary = last["summary"].as_str().or(last[0]["value"].as_str()).unwrap();
            assert_eq!(summary.ends_with(&format!("… [{KEY}]")), keeps < 30, "{summary}");
        }
        // It keeps it nowhere.
        let server = Server::start(|asked| {
            answer(if asked.line.starts_with("POST") { 201 } else { 200 }, &ticket(1, ""))
        })
        .await;
        let error = connectwise(&server.origin, QUICK).open(&opening).await.unwrap_err();
        assert_eq!(error.class, Class::Gone);
        assert!(error.said.contains("#7") && error.said.contains(KEY), "{error}");
        assert_eq!(server.lines("POST").len(), 1);
    }

    #[tokio::test]
    async fn a_ticket_is_found_by_the_key_in_its_summary_and_is_ours() {
        let mut kept = ticket(1, "");
        kept["summary"] = json!(format!("Woodgrove [{KEY}]"));
        let one = kept.clone();
        let server = Server::start(move |asked| {
            let by_summary = asked.line.contains("summary+contains");
            answer(200, &if by_summary { json!([kept]) } else { json!([]) })
        })
        .await;
        let found = connectwise(&server.origin, QUICK).find(&key()).await.unwrap();
        assert_eq!(found[0].at.id, "7");
        let server = Server::start(move |_| answer(200, &one)).await;
        let system = connectwise(&server.origin, QUICK);
        assert!(system.read(&at("7")).await.unwrap().open);
        // It was found, and is not taken for another's.
        let mut theirs = said(MessageKind::Updated, 2);
        theirs.key = TicketKey(OTHER_KEY.to_owned());
        assert_eq!(system.comment(&at("7"), &theirs).await.unwrap_err().class, Class::Gone);
        let server = Server::start(|_| answer(200, &ticket(1, "theirs"))).await;
        let read = connectwise(&server.origin, QUICK).read(&at("7")).await;
        assert_eq!(read.unwrap_err().class, Class::Gone);
    }

    #[tokio::test]
    async fn a_text_that_is_too_long_is_said_to_be() {
        let server = Server::start(|_| {
            let error = json!({ "code": "MaxLengthField", "field": "initialDescription" });
            answer(400, &json!({ "code": "InvalidObject", "errors": [error] }))
        })
        .await;
        let opened = connectwise(&server.origin, QUICK).open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, Class::TooLarge);
        assert_eq!(server.lines("POST").len(), 2);
    }

    #[tokio::test]
    async fn a_status_that_is_not_taken_is_no_end() {
        let server = Server::start(|_| answer(200, &ticket(1, KEY))).await;
        let system = connectwise(&server.origin, QUICK);
        let error = system.close(&at("7"), &said(MessageKind::Closed, 3)).await.unwrap_err();
        assert_eq!(error.class, Class::Config);
    }
}
