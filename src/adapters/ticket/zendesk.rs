//! Zendesk Support (<https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/>): one
//! ticket for each of ours, found by its external id, which is its key.
//!
//! A ticket that is closed, which is more than solved, takes nothing any more. It is left alone, and
//! what is still to be said opens a follow-up of it with the same external id
//! (<https://developer.zendesk.com/documentation/ticketing/managing-tickets/creating-and-updating-tickets/>).

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use super::Making;
use super::call::{Caller, Does};
use crate::adapters::http::Answer;
use crate::domain::markup::{Document, Markup, html};
use crate::domain::secret::Secret;
use crate::domain::sink::{self, Decides};
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::said::{Ground, Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// How often a ticket is read again that others change at the same time. Zendesk takes 30 updates
/// of a ticket in ten minutes from one user, so that is not often.
const ROUNDS: usize = 3;

/// How many tickets with one key are looked at.
const PAGE: usize = 100;

/// How many of the last comments or audits are looked at: each may be long.
const LATEST: usize = 30;

/// Longest text, in characters.
const TEXT_MAX: usize = 60_000;

/// Tickets of one account.
pub struct Zendesk {
    caller: Caller,
    email: Option<String>,
    token: Secret,
    public: bool,
    decide: Decides,
}

#[derive(Deserialize)]
struct One {
    ticket: Ticket,
}

#[derive(Deserialize)]
struct Many {
    tickets: Vec<Ticket>,
}

#[derive(Deserialize)]
struct Ticket {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
    status: String,
    #[serde(default)]
    custom_status_id: Option<u64>,
    #[serde(default)]
    priority: Option<String>,
    #[serde(default)]
    assignee_id: Option<u64>,
    #[serde(default)]
    tags: Vec<String>,
    updated_at: String,
}

#[derive(Deserialize)]
struct Comments {
    comments: Vec<Comment>,
}

#[derive(Deserialize)]
struct Comment {
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    html_body: Option<String>,
    #[serde(default)]
    plain_body: Option<String>,
}

#[derive(Deserialize)]
struct Audits {
    audits: Vec<Audit>,
}

/// What somebody did with a ticket at once.
#[derive(Deserialize)]
struct Audit {
    author_id: i64,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    field_name: Option<String>,
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
struct Me {
    user: User,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    role: Option<String>,
}

impl Ticket {
    fn has(&self, key: &TicketKey) -> bool {
        self.external_id.as_deref() == Some(key.as_str())
    }

    /// Whether nothing is left to do in it.
    fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "solved" | "closed")
    }

    /// Whether it takes nothing any more.
    fn is_closed(&self) -> bool {
        self.status == "closed"
    }
}

impl Event {
    /// Whether it brought a ticket to the status it has.
    fn set_status(&self, ticket: &Ticket) -> bool {
        let is = |text: &str| {
            self.value.as_str() == Some(text)
                || self.value.as_u64().is_some_and(|number| number.to_string() == text)
        };
        match self.field_name.as_deref() {
            Some("status") => is(&ticket.status),
            Some("custom_status_id") => {
                ticket.custom_status_id.is_some_and(|id| is(&id.to_string()))
            }
            _ => false,
        }
    }
}

impl Zendesk {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::Zendesk, making: &Making<'_>) -> Result<Self, String> {
        let base = settings.url.url().clone();
        Ok(Self {
            caller: Caller::new(making.http.clone(), base, &making.name.0).special(reused),
            email: settings.email.as_ref().map(|email| email.as_str().to_owned()),
            token: making.secret("token")?,
            public: settings.public,
            decide: making.common.decide.clone(),
        })
    }

    fn error(&self, class: Class, what: &str) -> SinkError {
        SinkError::new(class, format!("{}: {what}", self.caller.whom()))
    }

    fn at(&self, rest: &[&str]) -> Url {
        let mut segments = vec!["api", "v2"];
        segments.extend(rest);
        self.caller.at(&segments)
    }

    fn request(&self, client: &Client, method: Method, url: &Url) -> RequestBuilder {
        let request = client.request(method, url.clone());
        match &self.email {
            Some(email) => request.basic_auth(format!("{email}/token"), Some(self.token.expose())),
            None => request.bearer_auth(self.token.expose()),
        }
    }

    async fn reads<T: DeserializeOwned>(&self, does: Does, url: &Url) -> Result<T, SinkError> {
        let request = |client: &Client| self.request(client, Method::GET, url);
        self.caller.json(does, &[200], request).await
    }

    /// A page about a ticket, the last first.
    fn page(&self, at: &TicketRef, what: &str) -> Url {
        let mut url = self.at(&["tickets", &at.id, what]);
        url.query_pairs_mut()
            .append_pair("sort_order", "desc")
            .append_pair("per_page", &LATEST.to_string());
        url
    }

    fn place(&self, ticket: &Ticket) -> TicketRef {
        let id = ticket.id.to_string();
        let url = self.caller.at(&["agent", "tickets", &id]);
        TicketRef { human: format!("#{id}"), id, url: Some(url.to_string()) }
    }

    /// The tickets with a key, the oldest first, closed ones among them.
    async fn known(&self, key: &TicketKey) -> Result<Vec<Ticket>, SinkError> {
        let mut url = self.at(&["tickets"]);
        url.query_pairs_mut()
            .append_pair("external_id", key.as_str())
            .append_pair("per_page", &PAGE.to_string());
        let mut found = self.reads::<Many>(Does::Reads, &url).await?.tickets;
        if let Some(other) = found.iter().find(|ticket| !ticket.has(key)) {
            // A list that is not narrowed may have the ticket on another page.
            let what = format!("a search for our key brought ticket #{}, without it", other.id);
            return Err(self.error(Class::Config, &what));
        }
        found.retain(|ticket| ticket.status != "deleted");
        found.sort_by_key(|ticket| ticket.id);
        Ok(found)
    }

    async fn ticket(&self, at: &TicketRef) -> Result<Ticket, SinkError> {
        let url = self.at(&["tickets", &at.id]);
        let ticket = self.reads::<One>(Does::ReadsOne, &url).await?.ticket;
        if ticket.id.to_string() != at.id {
            return Err(self.caller.strange(Does::Reads, "answered with another ticket"));
        }
        if ticket.status == "deleted" {
            return Err(self.error(Class::Gone, &format!("ticket {} was deleted", at.human)));
        }
        Ok(ticket)
    }

    /// A ticket that says itself that it is the one of a key.
    async fn own(&self, at: &TicketRef, key: &TicketKey) -> Result<Ticket, SinkError> {
        let ticket = self.ticket(at).await?;
        if ticket.has(key) {
            return Ok(ticket);
        }
        let what = format!("ticket {} does not have our key as its external id", at.human);
        Err(self.error(Class::Gone, &what))
    }

    fn closed(&self, at: &TicketRef) -> SinkError {
        let what = format!("ticket {} is closed and takes nothing any more", at.human);
        self.error(Class::Gone, &what)
    }

    fn text(&self, text: &Document) -> Value {
        json!({ "html_body": text.fitted(TEXT_MAX, |it| inert(&html(it))), "public": self.public })
    }

    fn priority<'a>(&self, said: &'a Said) -> Result<Option<&'a str>, SinkError> {
        match said.priority.as_deref() {
            Some(name) if !sink::Zendesk::PRIORITIES.contains(&name) => {
                let what = "priorities of Zendesk are urgent, high, normal and low";
                Err(self.error(Class::Config, what))
            }
            named => Ok(named),
        }
    }

    /// Changes a ticket, unless somebody else has since it was read. Nothing if so.
    async fn change(
        &self,
        ticket: &Ticket,
        mut change: Map<String, Value>,
    ) -> Result<Option<Ticket>, SinkError> {
        change.insert("safe_update".to_owned(), json!(true));
        change.insert("updated_stamp".to_owned(), json!(ticket.updated_at));
        let (url, body) =
            (self.at(&["tickets", &ticket.id.to_string()]), json!({ "ticket": change }));
        let request = |client: &Client| self.request(client, Method::PUT, &url).json(&body);
        match self.caller.json::<One>(Does::WritesOne, &[200], request).await {
            Ok(changed) if changed.ticket.id == ticket.id => Ok(Some(changed.ticket)),
            Ok(_) => Err(self.caller.strange(Does::Writes, "answered with another ticket")),
            Err(error) if error.class == Class::Conflict => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn busy(&self, at: &TicketRef) -> SinkError {
        let what = format!("ticket {} is changed all the time", at.human);
        self.error(Class::Transient, &what)
    }

    /// Brings a ticket to a status, unless it is ended or taken up already.
    async fn bring(&self, at: &TicketRef, key: &TicketKey, ends: bool) -> Result<(), SinkError> {
        for _ in 0..ROUNDS {
            let ticket = self.own(at, key).await?;
            if ticket.has_ended() == ends {
                return Ok(());
            }
            if ticket.is_closed() {
                return Err(self.closed(at));
            }
            let status = if ends { "solved" } else { "open" };
            let mut change = Map::from_iter([("status".to_owned(), json!(status))]);
            // Nobody's ticket cannot be solved.
            if let (true, None, Some(email)) = (ends, ticket.assignee_id, &self.email) {
                change.insert("assignee_email".to_owned(), json!(email));
            }
            let Some(changed) = self.change(&ticket, change).await? else { continue };
            if changed.has_ended() == ends {
                return Ok(());
            }
            let what = format!("ticket {} did not take the status {status}", at.human);
            return Err(self.error(Class::Config, &what));
        }
        Err(self.busy(at))
    }

    /// Who brought a ticket to the status it has; nobody where that is not among what happened
    /// last.
    async fn who(&self, at: &TicketRef, ticket: &Ticket) -> Result<Vec<String>, SinkError> {
        let found: Audits = self.reads(Does::ReadsOne, &self.page(at, "audits")).await?;
        let set = |audit: &&Audit| audit.events.iter().any(|event| event.set_status(ticket));
        Ok(found
            .audits
            .iter()
            .find(set)
            .map(|audit| audit.author_id.to_string())
            .into_iter()
            .collect())
    }

    fn standing(&self, ticket: &Ticket, by: Vec<String>) -> Standing {
        let custom = ticket.custom_status_id.map(|id| id.to_string());
        let status = [ticket.status.clone()].into_iter().chain(custom).collect();
        let status = Ground { states: status, by };
        // Who set them is not looked up.
        let tags = Ground { states: ticket.tags.clone(), by: Vec::new() };
        Standing::on(!ticket.has_ended(), vec![status, tags], &self.decide)
    }
}

/// The text without what Zendesk fills in where an agent writes it, such as
/// `{{ticket.requester.email}}`: no brace is followed by another one or by `%`.
fn inert(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut brace = false;
    for c in text.chars() {
        if brace && matches!(c, '{' | '%') {
            whole.push(' ');
        }
        brace = c == '{';
        whole.push(c);
    }
    whole
}

/// A ticket was opened under the same key, with other words: it is there.
fn reused(answer: &Answer) -> Option<Class> {
    if answer.status != StatusCode::BAD_REQUEST {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    (body.get("error")?.as_str()? == "IdempotentRequestError").then_some(Class::Conflict)
}

#[async_trait]
impl TicketSystem for Zendesk {
    fn caps(&self) -> Caps {
        Caps {
            // Zendesk knows the key of a request for two hours, counted from the first: that stands
            // beside the search and does not take its place.
            find: Find::Eventual(Duration::from_mins(2)),
            comment: true,
            markup: Markup::Html,
            title_max: 150,
            body_max: TEXT_MAX,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        let me: Me = self.reads(Does::Reads, &self.at(&["users", "me"])).await?;
        // Zendesk answers for somebody it does not know as well.
        if me.user.id.is_none() || !matches!(me.user.role.as_deref(), Some("agent" | "admin")) {
            return Err(self.error(Class::Auth, "the token is not one of an agent"));
        }
        Ok("Zendesk knows the token as one of an agent".to_owned())
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let found = self.known(key).await?;
        let found = found.iter().filter(|ticket| !ticket.is_closed());
        Ok(found
            .map(|it| Found { at: self.place(it), standing: self.standing(it, Vec::new()) })
            .collect())
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        // What the policy adds cannot take the place of what a ticket is known by.
        let mut ticket: Map<String, Value> =
            said.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(priority) = self.priority(said)? {
            ticket.insert("priority".to_owned(), json!(priority));
        }
        for (name, value) in [
            ("subject", json!(inert(&said.title))),
            ("comment", self.text(&said.text)),
            ("external_id", json!(said.key)),
        ] {
            ticket.insert(name.to_owned(), value);
        }
        let known = self.known(&said.key).await?;
        if let Some(there) = known.iter().find(|ticket| !ticket.is_closed()) {
            let what = format!("ticket #{} is there already", there.id);
            return Err(self.error(Class::Conflict, &what));
        }
        let mut once = said.key.to_string();
        if let Some(closed) = known.last() {
            ticket.insert("via_followup_source_id".to_owned(), json!(closed.id));
            once = format!("{once}-{}", closed.id);
        }
        let (url, body) = (self.at(&["tickets"]), json!({ "ticket": ticket }));
        let request = |client: &Client| {
            self.request(client, Method::POST, &url).header("Idempotency-Key", &once).json(&body)
        };
        let opened = self.caller.json::<One>(Does::Writes, &[201], request).await?.ticket;
        if !opened.has(&said.key) {
            return Err(self.caller.strange(Does::Writes, "answered with a ticket of another key"));
        }
        Ok(self.place(&opened))
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let ticket = self.ticket(at).await?;
        if !ticket.external_id.as_deref().is_some_and(|id| id.starts_with("pw1-")) {
            let what = format!("ticket {} has no key of ours as its external id", at.human);
            return Err(self.error(Class::Gone, &what));
        }
        let by = if self.decide.any() { self.who(at, &ticket).await? } else { Vec::new() };
        Ok(self.standing(&ticket, by))
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let priority = self.priority(said)?;
        for _ in 0..ROUNDS {
            let ticket = self.own(at, &said.key).await?;
            if ticket.is_closed() {
                // Nobody is told any more, and nobody has anything left to do.
                let last = said.kind == MessageKind::Closed;
                return if last { Ok(()) } else { Err(self.closed(at)) };
            }
            let mut change = Map::from_iter([("comment".to_owned(), self.text(&said.text))]);
            if priority.is_some() && priority != ticket.priority.as_deref() {
                change.insert("priority".to_owned(), json!(priority));
            }
            if self.change(&ticket, change).await?.is_some() {
                return Ok(());
            }
        }
        Err(self.busy(at))
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let found: Comments = self.reads(Does::ReadsOne, &self.page(at, "comments")).await?;
        let texts = |it: &Comment| {
            let texts = [&it.plain_body, &it.body, &it.html_body];
            texts.into_iter().flatten().any(|text| says(text, mark))
        };
        let said = found.comments.iter().any(texts);
        Ok((said || found.comments.len() < LATEST).then_some(said))
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.bring(at, &said.key, true).await
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.bring(at, &said.key, false).await
    }
}
