//! HaloPSA and `HaloITSM` (<https://halopsa.com/apidoc>): one ticket of a client for each of ours.
//!
//! Halo keeps no key of others, so ours stands at the end of the ticket's summary, by which it is
//! searched for. How Halo searches is not said anywhere, so that it found nothing counts only where
//! it is seen to find what is there. Everything is written as an array; a ticket with an id in it is
//! a change of that ticket. Nothing can be said in a ticket without an outcome.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use super::Making;
use super::call::{Caller, Does};
use crate::domain::markup::{Markup, html};
use crate::domain::secret::Secret;
use crate::domain::sink;
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// How many of the newest tickets are looked through where a search found nothing.
const NEWEST: usize = 50;

/// What our keys begin with.
const OURS: &str = "pw1-";

/// Tickets of one client.
pub struct Halopsa {
    caller: Caller,
    /// The same, where tokens come from: what is said there is not repeated.
    signs_in: Caller,
    tenant: Option<String>,
    id: String,
    secret: Secret,
    client: u32,
    kind: u32,
    site: Option<u32>,
    outcome: u32,
    closed: u32,
    ended: Vec<u32>,
    reopened: u32,
    searches: bool,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

#[derive(Deserialize)]
struct Ticket {
    id: u64,
    #[serde(default)]
    summary: Option<String>,
    status_id: u32,
    #[serde(default)]
    priority_id: Option<u64>,
    #[serde(default)]
    deleted: bool,
}

#[derive(Deserialize)]
struct Tickets {
    #[serde(default)]
    record_count: Option<usize>,
    tickets: Vec<Ticket>,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    ticket_id: Option<u64>,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    note_html: Option<String>,
}

/// What was made, with the id it has now.
#[derive(Deserialize)]
struct Made {
    #[serde(rename = "id")]
    _id: u64,
    #[serde(flatten)]
    action: Action,
}

#[derive(Deserialize)]
struct Actions {
    record_count: usize,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Type {
    id: u32,
}

/// What was written, which was an array of one, comes back as one or as such an array.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written<T> {
    One(T),
    Many([T; 1]),
}

impl<T> Written<T> {
    fn one(self) -> T {
        match self {
            Self::One(one) | Self::Many([one]) => one,
        }
    }
}

impl Ticket {
    fn place(&self) -> TicketRef {
        TicketRef { id: self.id.to_string(), human: format!("#{}", self.id), url: None }
    }

    fn has(&self, key: &TicketKey) -> bool {
        self.summary.as_deref().is_some_and(|summary| summary.contains(key.as_str()))
    }

    /// The key of ours that stands in it, whichever it is.
    fn key(&self) -> Option<&str> {
        let summary = self.summary.as_deref()?;
        let rest = summary.get(summary.find(OURS)?..)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        Some(end.map_or(rest, |end| &rest[..end]))
    }
}

impl Halopsa {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::Halopsa, making: &Making<'_>) -> Result<Self, String> {
        let base = settings.url.url().clone();
        let caller = Caller::new(making.http.clone(), base, &making.name.0);
        let auth = match &settings.auth_url {
            Some(address) => address.url().clone(),
            None => caller.at(&["auth"]),
        };
        Ok(Self {
            caller,
            signs_in: Caller::new(making.http.clone(), auth, &making.name.0).wordless(),
            tenant: settings.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()),
            id: settings.client_id.as_str().to_owned(),
            secret: making.secret("clientSecret")?,
            client: settings.client.get(),
            kind: settings.ticket_type.get(),
            site: settings.site.map(std::num::NonZeroU32::get),
            outcome: settings.outcome.map_or(7, std::num::NonZeroU32::get),
            closed: settings.closed_status(),
            ended: settings.ended_statuses.iter().map(|it| it.get()).collect(),
            reopened: settings.reopened_status(),
            searches: settings.search.unwrap_or(true),
        })
    }

    fn at(&self, rest: &[&str]) -> Url {
        let mut segments = vec!["api"];
        segments.extend(rest);
        self.caller.at(&segments)
    }

    fn error(&self, class: Class, what: &str) -> SinkError {
        SinkError::new(class, format!("{}: {what}", self.caller.whom()))
    }

    /// A token by client credentials. There are few tickets, so each that is asked or said has its
    /// own.
    async fn token(&self) -> Result<Secret, SinkError> {
        let mut url = self.signs_in.at(&["token"]);
        if let Some(tenant) = &self.tenant {
            url.query_pairs_mut().append_pair("tenant", tenant);
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.id),
            ("client_secret", self.secret.expose()),
            ("scope", "all"),
        ];
        let request = |client: &Client| client.post(url.clone()).form(&form);
        let token: Token = self.signs_in.json(Does::Reads, &[200], request).await?;
        Ok(Secret::new(token.access_token))
    }

    async fn read_from<T: DeserializeOwned>(
        &self,
        token: &Secret,
        does: Does,
        url: &Url,
    ) -> Result<T, SinkError> {
        let request = |client: &Client| client.get(url.clone()).bearer_auth(token.expose());
        self.caller.json(does, &[200], request).await
    }

    async fn write<T: DeserializeOwned>(
        &self,
        token: &Secret,
        does: Does,
        to: &str,
        what: Value,
    ) -> Result<T, SinkError> {
        let (url, body) = (self.at(&[to]), Value::Array(vec![what]));
        let request = |client: &Client| -> RequestBuilder {
            client.request(Method::POST, url.clone()).bearer_auth(token.expose()).json(&body)
        };
        let written: Written<T> = self.caller.json(does, &[200, 201], request).await?;
        Ok(written.one())
    }

    async fn ticket(&self, token: &Secret, at: &TicketRef) -> Result<Ticket, SinkError> {
        let url = self.at(&["Tickets", &at.id]);
        let ticket: Ticket = self.read_from(token, Does::ReadsOne, &url).await?;
        if ticket.id.to_string() != at.id {
            return Err(self.caller.strange(Does::Reads, "answered with another ticket"));
        }
        if ticket.deleted {
            return Err(self.error(Class::Gone, &format!("ticket {} was deleted", at.human)));
        }
        Ok(ticket)
    }

    /// A ticket that says itself that it is the one of a key.
    async fn own(
        &self,
        token: &Secret,
        at: &TicketRef,
        key: &TicketKey,
    ) -> Result<Ticket, SinkError> {
        let ticket = self.ticket(token, at).await?;
        if ticket.has(key) {
            return Ok(ticket);
        }
        let what = format!("ticket {} does not have our key in its summary", at.human);
        Err(self.error(Class::Gone, &what))
    }

    fn ended(&self, ticket: &Ticket) -> bool {
        ticket.status_id == self.closed || self.ended.contains(&ticket.status_id)
    }

    fn standing(&self, ticket: &Ticket) -> Standing {
        let open = !self.ended(ticket);
        Standing { open, states: vec![ticket.status_id.to_string()], by: Vec::new() }
    }

    async fn list(
        &self,
        token: &Secret,
        what: (&str, &str),
        newest_first: bool,
        most: usize,
    ) -> Result<Tickets, SinkError> {
        let mut url = self.at(&["Tickets"]);
        url.query_pairs_mut().extend_pairs([
            what,
            ("pageinate", "true"),
            ("page_size", most.to_string().as_str()),
            ("page_no", "1"),
            ("order", "id"),
            ("orderdesc", if newest_first { "true" } else { "false" }),
        ]);
        self.read_from(token, Does::Reads, &url).await
    }

    /// What there is where a search found nothing: the ticket is looked for among the newest, and
    /// if that is not all there is, the search has to find one that is there.
    async fn unfound(&self, token: &Secret, key: &TicketKey) -> Result<Vec<Ticket>, SinkError> {
        let client = self.client.to_string();
        let newest = self.list(token, ("client_id", &client), true, NEWEST).await?;
        let seen = newest.tickets.len();
        let all = seen < NEWEST && newest.record_count.is_none_or(|count| count <= seen);
        let (own, others): (Vec<_>, Vec<_>) =
            newest.tickets.into_iter().partition(|ticket| ticket.has(key));
        if all || !own.is_empty() {
            return Ok(own);
        }
        let others = others.iter().filter(|ticket| !ticket.deleted);
        let words = |ticket: &Ticket| {
            let words = ticket.key().or(ticket.summary.as_deref()).unwrap_or_default().trim();
            (!words.is_empty()).then(|| (ticket.key().is_some(), ticket.id, words.to_owned()))
        };
        if self.searches
            && let Some((_, id, words)) = others.filter_map(words).max()
        {
            let found = self.list(token, ("search_summary", &words), true, NEWEST).await?;
            if found.tickets.iter().any(|ticket| ticket.id == id) {
                return Ok(own);
            }
        }
        let what = "it cannot be told whether there is a ticket: Halo does not find what is in \
                    the summaries of tickets. See `search` in the settings";
        Err(self.error(Class::Config, what))
    }

    async fn bring(&self, token: &Secret, ticket: &Ticket, status: u32) -> Result<(), SinkError> {
        let change = json!({ "id": ticket.id, "status_id": status });
        let now: Ticket = self.write(token, Does::WritesOne, "Tickets", change).await?;
        if now.id != ticket.id {
            return Err(self.caller.strange(Does::Writes, "answered with another ticket"));
        }
        if now.status_id == status {
            return Ok(());
        }
        let what = format!("ticket #{} did not take the status {status}", ticket.id);
        Err(self.error(Class::Config, &what))
    }

    /// Halo takes numbers only: a text would be stored and break the ticket later.
    fn priority(&self, said: &Said) -> Result<Option<u64>, SinkError> {
        let Some(text) = &said.priority else { return Ok(None) };
        let what = "priorities of Halo are named by their numbers";
        text.parse().map(Some).map_err(|_| self.error(Class::Config, what))
    }
}

#[async_trait]
impl TicketSystem for Halopsa {
    fn caps(&self) -> Caps {
        Caps {
            // Nothing is promised about its search.
            find: if self.searches { Find::Eventual(Duration::from_mins(1)) } else { Find::Never },
            comment: true,
            markup: Markup::Html,
            // With the key behind it, less than 255.
            title_max: 200,
            body_max: 60_000,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        let token = self.token().await?;
        let url = self.at(&["TicketType", &self.kind.to_string()]);
        let found: Type = self.read_from(&token, Does::Reads, &url).await?;
        if found.id != self.kind {
            return Err(self.caller.strange(Does::Reads, "answered with another ticket type"));
        }
        Ok(format!("Halo gives a token and has the ticket type {}", self.kind))
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let token = self.token().await?;
        let mut found = Vec::new();
        if self.searches {
            found = self.list(&token, ("search_summary", key.as_str()), false, 10).await?.tickets;
        }
        if let Some(other) = found.iter().find(|ticket| !ticket.has(key)) {
            // A search that is not obeyed may hide the ticket behind all others.
            let what = format!("a search for our key brought ticket #{}, without it", other.id);
            return Err(self.error(Class::Config, &what));
        }
        if found.is_empty() {
            found = self.unfound(&token, key).await?;
        }
        found.retain(|ticket| !ticket.deleted);
        found.sort_by_key(|ticket| ticket.id);
        let found = found.iter();
        Ok(found.map(|it| Found { at: it.place(), standing: self.standing(it) }).collect())
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        // What the policy adds cannot take the place of what a ticket is known by, nor make of a
        // new ticket a change of another.
        let fields = said.fields.iter().filter(|(name, _)| name.as_str() != "id");
        let mut body: Map<String, Value> =
            fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(priority) = self.priority(said)? {
            body.insert("priority_id".to_owned(), priority.into());
        }
        if let Some(site) = self.site {
            body.insert("site_id".to_owned(), site.into());
        }
        let summary = format!("{} [{}]", said.title, said.key);
        for (name, value) in [
            ("summary", json!(summary)),
            ("details_html", json!(html(&said.text))),
            ("client_id", json!(self.client)),
            ("tickettype_id", json!(self.kind)),
            // A template would replace the summary.
            ("donotapplytemplateintheapi", json!(true)),
            ("_novalidate", json!(true)),
        ] {
            body.insert(name.to_owned(), value);
        }
        let token = self.token().await?;
        let ticket: Ticket = self.write(&token, Does::Writes, "Tickets", body.into()).await?;
        if ticket.has(&said.key) {
            return Ok(ticket.place());
        }
        if ticket.key().is_some() {
            return Err(self.caller.strange(Does::Writes, "answered with a ticket of another key"));
        }
        // Something of Halo's own has written the summary anew.
        let change = json!({ "id": ticket.id, "summary": summary });
        match self.write::<Ticket>(&token, Does::WritesOne, "Tickets", change).await {
            Ok(now) if now.id == ticket.id && now.has(&said.key) => Ok(now.place()),
            Err(error) if error.class == Class::Ambiguous => Err(error),
            Ok(_) | Err(_) => {
                // It is there for good: one more would be no better.
                let what = format!(
                    "ticket #{} was opened and does not show our key: nothing of the ticket type \
                     may write the summary. Write {} there, then have the message sent again with \
                     redrive",
                    ticket.id, said.key
                );
                Err(self.error(Class::Gone, &what))
            }
        }
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let token = self.token().await?;
        let ticket = self.ticket(&token, at).await?;
        if ticket.key().is_none() {
            let what = format!("ticket {} has no key of ours in its summary", at.human);
            return Err(self.error(Class::Gone, &what));
        }
        Ok(self.standing(&ticket))
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let priority = self.priority(said)?;
        let token = self.token().await?;
        let ticket = self.own(&token, at, &said.key).await?;
        if priority.is_some() && ticket.priority_id != priority {
            let change = json!({ "id": ticket.id, "priority_id": priority });
            self.write::<Ticket>(&token, Does::WritesOne, "Tickets", change).await?;
        }
        let action = json!({
            "ticket_id": ticket.id,
            "outcome_id": self.outcome,
            "hiddenfromuser": true,
            "note_html": html(&said.text),
        });
        let made: Made = self.write(&token, Does::WritesOne, "Actions", action).await?;
        if made.action.ticket_id.is_some_and(|id| id != ticket.id) {
            return Err(self.caller.strange(Does::Writes, "answered with another ticket's action"));
        }
        Ok(())
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let token = self.token().await?;
        let mut url = self.at(&["Actions"]);
        url.query_pairs_mut().append_pair("ticket_id", &at.id);
        let found: Actions = self.read_from(&token, Does::Reads, &url).await?;
        let mut texts = found.actions.iter().flat_map(|it| [&it.note, &it.note_html]).flatten();
        let said = texts.any(|text| says(text, mark));
        // Where not all are seen, what is not among them may be said all the same.
        Ok((said || found.record_count <= found.actions.len()).then_some(said))
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let token = self.token().await?;
        let ticket = self.own(&token, at, &said.key).await?;
        if self.ended(&ticket) { Ok(()) } else { self.bring(&token, &ticket, self.closed).await }
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let token = self.token().await?;
        let ticket = self.own(&token, at, &said.key).await?;
        if self.ended(&ticket) { self.bring(&token, &ticket, self.reopened).await } else { Ok(()) }
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

    fn halo(origin: &Url, patience: Patience) -> Halopsa {
        let settings = json!({
            "url": origin, "tenant": "woodgrove", "clientId": "c", "client": 4, "ticketType": 3,
        });
        let settings = serde_json::from_value(settings).unwrap();
        made(&Common::default(), &[("clientSecret", "s3cret")], patience, |making| {
            Halopsa::new(&settings, making)
        })
    }

    fn ticket(status: u64, key: &str) -> Value {
        json!({ "id": 7, "summary": format!("Woodgrove [{key}]"), "status_id": status })
    }

    fn token(asked: &Asked) -> Option<Response> {
        let form = String::from_utf8_lossy(&asked.body);
        (asked.line == "POST /auth/token?tenant=woodgrove"
            && form.contains("grant_type=client_credentials")
            && form.contains("client_secret=s3cret"))
        .then(|| answer(200, &json!({ "access_token": "t0ken" })))
    }

    fn serve(call: Call, asked: &Asked) -> Response {
        if let Some(token) = token(asked) {
            return token;
        }
        if asked.authorization.as_deref() != Some("Bearer t0ken") {
            return answer(401, &json!({ "message": "not you" }));
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let status = if call == Call::Reopen { 9 } else { 1 };
        match asked.line.as_str() {
            "GET /api/TicketType/3" => answer(200, &json!({ "id": 3 })),
            "GET /api/Tickets/7" => answer(200, &ticket(status, KEY)),
            "POST /api/Tickets" if body[0]["id"] == 7 && body[0]["status_id"].is_u64() => {
                answer(201, &ticket(body[0]["status_id"].as_u64().unwrap(), KEY))
            }
            "POST /api/Tickets"
                if body[0]["client_id"] == 4
                    && body[0]["summary"].as_str().is_some_and(|it| it.contains(KEY)) =>
            {
                answer(201, &json!([ticket(1, KEY)]))
            }
            "POST /api/Actions" if body[0]["outcome_id"] == 7 && body[0]["ticket_id"] == 7 => {
                answer(201, &json!({ "id": 2, "ticket_id": 7 }))
            }
            line if line.starts_with("GET /api/Tickets?search_summary=pw1-") => {
                answer(200, &json!({ "record_count": 1, "tickets": [ticket(1, KEY)] }))
            }
            _ => answer(400, &json!({ "message": "An Outcome must be entered for this Action" })),
        }
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        let make = |origin: Url, patience: Patience| {
            Box::new(halo(&origin, patience)) as Box<dyn TicketSystem>
        };
        Trial { make, serve, id: "7", also_read: &["/auth/token"], other: &[] }.run().await;
    }

    async fn answering(code: u16, body: Value) -> Server {
        Server::start(move |asked| token(asked).unwrap_or_else(|| answer(code, &body))).await
    }

    fn named(id: u64, summary: &str) -> Value {
        json!({ "id": id, "summary": summary, "status_id": 1 })
    }

    /// A Halo with more tickets than are listed at once, which finds what `finds` says it does.
    async fn searched(
        newest: Value,
        finds: impl Fn(&str) -> Value + Send + Sync + 'static,
    ) -> Server {
        Server::start(move |asked| {
            if let Some(token) = token(asked) {
                return token;
            }
            let query = asked.line.split_once('?').map_or("", |it| it.1);
            let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
            let first = pairs.first().expect("a list is asked for by something");
            let found = match first.0.as_ref() {
                "search_summary" => finds(&first.1),
                "client_id" if first.1 == "4" => newest.clone(),
                other => panic!("asked for by {other}"),
            };
            answer(200, &json!({ "record_count": 5000, "tickets": found }))
        })
        .await
    }

    #[tokio::test]
    async fn that_nothing_is_found_counts_only_where_something_would_be() {
        let newest = || json!([named(9, "Printer"), named(8, &format!("So [{OTHER_KEY}]"))]);
        let class =
            |ended: Result<Vec<Found>, SinkError>| ended.map(|it| it.len()).map_err(|it| it.class);
        // It finds by key, and so it would have found ours.
        let finds = |words: &str| {
            if words == OTHER_KEY {
                json!([named(8, &format!("So [{OTHER_KEY}]"))])
            } else {
                json!([])
            }
        };
        let server = searched(newest(), finds).await;
        assert_eq!(class(halo(&server.origin, QUICK).find(&key()).await), Ok(0));
        // It finds nothing at all, or no words such as keys.
        let server = searched(newest(), |_| json!([])).await;
        let error = halo(&server.origin, QUICK).find(&key()).await.unwrap_err();
        assert_eq!(error.class, Class::Config);
        assert!(error.said.contains("`search`"), "{error}");
        // None of ours is there to be looked for.
        let printer =
            |words: &str| if words == "Printer" { json!([named(9, "Printer")]) } else { json!([]) };
        let server = searched(json!([named(9, "Printer")]), printer).await;
        assert_eq!(class(halo(&server.origin, QUICK).find(&key()).await), Ok(0));
        let server = searched(json!([named(9, "Printer")]), |_| json!([])).await;
        assert_eq!(class(halo(&server.origin, QUICK).find(&key()).await), Err(Class::Config));
        // The ticket is among the newest, whatever is searched.
        let own = json!([named(9, "Printer"), ticket(1, KEY)]);
        let server = searched(own, |_| json!([])).await;
        assert_eq!(class(halo(&server.origin, QUICK).find(&key()).await), Ok(1));
        // There is no other ticket than those that are seen.
        let server = Server::start(|asked| {
            token(asked).unwrap_or_else(|| {
                let found = json!([named(9, "Printer")]);
                let found = if asked.line.contains("search_summary") { json!([]) } else { found };
                answer(200, &json!({ "record_count": 1, "tickets": found }))
            })
        })
        .await;
        assert_eq!(class(halo(&server.origin, QUICK).find(&key()).await), Ok(0));
    }

    #[test]
    fn where_nothing_can_be_searched_nothing_is() {
        let settings = json!({
            "url": "https://halo.example", "clientId": "c", "client": 4, "ticketType": 3,
            "search": false,
        });
        let settings = serde_json::from_value(settings).unwrap();
        let halo = made(&Common::default(), &[("clientSecret", "s3cret")], QUICK, |making| {
            Halopsa::new(&settings, making)
        });
        assert_eq!(halo.caps().find, Find::Never);
        assert_eq!(halo.caps().find.after(), None);
    }

    #[tokio::test]
    async fn a_summary_that_was_written_anew_gets_the_key_once_and_no_other_ticket_is_opened() {
        for (rule_yields, expected) in [(true, Ok("#7".to_owned())), (false, Err(Class::Gone))] {
            let server = Server::start(move |asked| {
                token(asked).unwrap_or_else(|| {
                    let body: Value = serde_json::from_slice(&asked.body).unwrap();
                    let keeps = rule_yields && body[0]["id"] == 7;
                    let summary =
                        if keeps { body[0]["summary"].as_str().unwrap() } else { "Alert" };
                    answer(201, &json!({ "id": 7, "summary": summary, "status_id": 1 }))
                })
            })
            .await;
            let opened = halo(&server.origin, QUICK).open(&said(MessageKind::Opened, 1)).await;
            assert_eq!(opened.map(|it| it.human).map_err(|it| it.class), expected);
            assert_eq!(server.lines("POST /api/Tickets").len(), 2);
        }
    }

    #[tokio::test]
    async fn what_is_said_where_tokens_come_from_is_not_repeated() {
        let echo = json!({ "error": "invalid_client", "message": "not so: client_secret=s3cret" });
        let server = Server::start(move |_| answer(401, &echo)).await;
        let error = halo(&server.origin, QUICK).preflight().await.unwrap_err();
        assert_eq!(error.class, Class::Auth);
        assert!(!error.said.contains("s3cret"), "{error}");
    }

    #[tokio::test]
    async fn a_search_that_is_not_obeyed_and_a_ticket_of_another_key_are_refused() {
        let server =
            answering(200, json!({ "tickets": [ticket(1, KEY), ticket(1, OTHER_KEY)] })).await;
        let error = halo(&server.origin, QUICK).find(&key()).await.unwrap_err();
        assert_eq!(error.class, Class::Config);
        let server = answering(201, ticket(1, OTHER_KEY)).await;
        let opened = halo(&server.origin, QUICK).open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
        let server = answering(200, ticket(1, OTHER_KEY)).await;
        let system = halo(&server.origin, QUICK);
        let error = system.close(&at("7"), &said(MessageKind::Closed, 3)).await.unwrap_err();
        assert_eq!(error.class, Class::Gone);
        assert!(server.lines("POST /api").is_empty());
    }

    #[tokio::test]
    async fn a_status_that_is_not_taken_is_no_end() {
        let server = answering(200, ticket(1, KEY)).await;
        let system = halo(&server.origin, QUICK);
        let error = system.close(&at("7"), &said(MessageKind::Closed, 3)).await.unwrap_err();
        assert_eq!(error.class, Class::Config);
    }
}
