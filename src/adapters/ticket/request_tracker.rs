//! Request Tracker by REST 2.0 (<https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html>): one
//! ticket of a queue for each of ours, found by a custom field that is its key.
//!
//! Request Tracker takes much without saying that it did not do it. A value of a custom field that
//! the user may not set is left out, and a status that the user may not give is answered with 200
//! and a sentence in the user's language. So both are read again.

mod shape;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, ETAG, IF_MATCH};
use reqwest::{Client, Method, RequestBuilder};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value, json};
use url::Url;

use self::shape::{
    Any, Attachment, Created, Page, Queue, StatusSet, Ticket, User, Version, links_to,
};
use super::Making;
use super::call::{Caller, Does};
use crate::domain::markup::{Markup, html};
use crate::domain::secret::Secret;
use crate::domain::sink;
use crate::domain::text::foreign;
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// How often a ticket is read again that others change at the same time.
const ROUNDS: usize = 4;

/// How many attachments, the last first, are searched for what was said.
const SEARCHED: usize = 20;

/// Tickets of one queue.
pub struct RequestTracker {
    caller: Caller,
    base: Url,
    queue: String,
    field: String,
    closed: String,
    reopened: String,
    token: Secret,
    /// Whether anybody wants to know who gave a ticket its status.
    decides: bool,
}

/// A text in `TicketSQL` (<https://docs.bestpractical.com/rt/5.0.3/query_builder.html>), where a
/// backslash takes the meaning of the character after it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for character in text.chars() {
        if matches!(character, '\'' | '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('\'');
    quoted
}

impl RequestTracker {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::RequestTracker, making: &Making<'_>) -> Result<Self, String> {
        let base = settings.url.url().clone();
        Ok(Self {
            caller: Caller::new(making.http.clone(), base.clone(), &making.name.0),
            base,
            queue: settings.queue.as_str().to_owned(),
            field: settings.key_field().to_owned(),
            closed: settings.closed_status().to_owned(),
            reopened: settings.reopened_status().to_owned(),
            token: making.secret("token")?,
            decides: making.common.decide.any(),
        })
    }

    fn at(&self, rest: &[&str]) -> Url {
        let mut segments = vec!["REST", "2.0"];
        segments.extend(rest);
        self.caller.at(&segments)
    }

    fn request(&self, client: &Client, method: Method, url: &Url) -> RequestBuilder {
        let token = format!("token {}", self.token.expose());
        client.request(method, url.clone()).header(AUTHORIZATION, token)
    }

    fn place(&self, id: &str) -> TicketRef {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["Ticket", "Display.html"]);
        }
        url.query_pairs_mut().append_pair("id", id);
        TicketRef { id: id.to_owned(), human: format!("#{id}"), url: Some(url.into()) }
    }

    fn error(&self, class: Class, what: &str) -> SinkError {
        SinkError::new(class, format!("{}: {what}", self.caller.whom()))
    }

    /// Tickets by `TicketSQL`, the oldest first.
    async fn search<T: DeserializeOwned>(
        &self,
        query: &str,
        fields: &str,
    ) -> Result<Vec<T>, SinkError> {
        let mut url = self.at(&["tickets"]);
        url.query_pairs_mut().extend_pairs([
            ("query", query),
            ("fields", fields),
            ("orderby", "id"),
            ("order", "ASC"),
            ("per_page", "10"),
        ]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let page: Page<T> = self.caller.json(Does::Reads, &[200], request).await?;
        Ok(page.items)
    }

    /// A ticket, with the tag of the version that was read.
    async fn ticket(&self, id: &str) -> Result<(Ticket, Option<String>), SinkError> {
        let url = self.at(&["ticket", id]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let (ticket, answer) =
            self.caller.json_with_head::<Ticket>(Does::ReadsOne, &[200], request).await?;
        let tag = answer.header(ETAG.as_str()).map(str::to_owned);
        Ok((ticket, tag))
    }

    /// A ticket that says itself that it is the one of a key. One that was merged into another is
    /// no longer.
    async fn own(
        &self,
        at: &TicketRef,
        key: &TicketKey,
    ) -> Result<(Ticket, Option<String>), SinkError> {
        let (ticket, tag) = self.ticket(&at.id).await?;
        if ticket.has(&self.field, key) {
            return Ok((ticket, tag));
        }
        let what = format!("ticket {} does not have our key in {}", at.human, self.field);
        Err(self.error(Class::Gone, &what))
    }

    /// Which of some tickets have a status that Request Tracker reckons as active, whatever its
    /// name is.
    async fn active(&self, condition: &str) -> Result<Vec<String>, SinkError> {
        let query = format!("({condition}) AND Status = '__Active__'");
        let found: Vec<Any> = self.search(&query, "Status").await?;
        Ok(found.iter().map(|it| it.id.text()).collect())
    }

    async fn is_active(&self, at: &TicketRef, ticket: &Ticket) -> Result<bool, SinkError> {
        if ticket.status == self.closed {
            return Ok(false);
        }
        // Only digits are an id; anything else would be a condition of its own.
        let id: u64 = at.id.parse().map_err(|_| self.error(Class::Gone, "that is no ticket"))?;
        Ok(!self.active(&format!("id = {id}")).await?.is_empty())
    }

    /// Who gave a ticket the status it has: nobody where that cannot be told.
    async fn who(&self, at: &TicketRef, ticket: &Ticket) -> Result<Vec<String>, SinkError> {
        let id: u64 = at.id.parse().map_err(|_| self.error(Class::Gone, "that is no ticket"))?;
        let mut url = self.at(&["transactions"]);
        url.query_pairs_mut().extend_pairs([
            ("query", format!("TicketId = {id} AND Type = 'Status'").as_str()),
            ("fields", "NewValue,Creator"),
            ("orderby", "id"),
            ("order", "DESC"),
            ("per_page", "1"),
        ]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let page: Page<StatusSet> = self.caller.json(Does::Reads, &[200], request).await?;
        let creator = match page.items.into_iter().next() {
            Some(set) if set.new_value.as_deref() == Some(&ticket.status) => set.creator,
            // It changed in between.
            Some(_) => None,
            None => ticket.creator.as_ref().map(|user| User { id: user.id.clone() }),
        };
        Ok(creator.into_iter().map(|user| user.id).collect())
    }

    /// Changes a ticket as it was read; says whether nobody else had changed it in between.
    async fn change(
        &self,
        at: &TicketRef,
        tag: Option<&str>,
        change: &Value,
    ) -> Result<bool, SinkError> {
        let url = self.at(&["ticket", &at.id]);
        let request = |client: &Client| {
            let request = self.request(client, Method::PUT, &url).json(change);
            match tag {
                Some(tag) => request.header(IF_MATCH, tag),
                None => request,
            }
        };
        match self.caller.json::<Vec<IgnoredAny>>(Does::WritesOne, &[200], request).await {
            Ok(_) => Ok(true),
            Err(error) if error.class == Class::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Brings a ticket to a status, unless it is ended or taken up already.
    async fn bring(
        &self,
        at: &TicketRef,
        key: &TicketKey,
        status: &str,
        ends: bool,
    ) -> Result<(), SinkError> {
        for _ in 0..ROUNDS {
            let (ticket, tag) = self.own(at, key).await?;
            if self.is_active(at, &ticket).await? != ends {
                return Ok(());
            }
            if self.change(at, tag.as_deref(), &json!({ "Status": status })).await? {
                let (ticket, _) = self.own(at, key).await?;
                if ticket.status == status {
                    return Ok(());
                }
                let what = format!(
                    "ticket {} did not take the status {status}; the user needs the right \
                     ModifyTicket, and the queue's lifecycle this status",
                    at.human
                );
                return Err(self.error(Class::Auth, &what));
            }
        }
        Err(self.error(Class::Transient, "the ticket is changed all the time"))
    }

    fn priority(&self, said: &Said) -> Result<Option<u32>, SinkError> {
        let Some(text) = &said.priority else { return Ok(None) };
        let number = text.parse();
        let what = "priorities of Request Tracker are numbers, such as 0, 50 and 100";
        number.map(Some).map_err(|_| self.error(Class::Config, what))
    }

    /// What a new ticket is made of. What the policy adds cannot take the place of the rest.
    fn body(&self, said: &Said) -> Result<Value, SinkError> {
        let mut body: Map<String, Value> =
            said.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let fields = body.entry("CustomFields").or_insert_with(|| json!({}));
        let Some(fields) = fields.as_object_mut() else {
            let what = "CustomFields under `fields` is to be names with values";
            return Err(self.error(Class::Config, what));
        };
        fields.insert(self.field.clone(), said.key.as_str().into());
        if let Some(priority) = self.priority(said)? {
            body.insert("Priority".to_owned(), priority.into());
        }
        for (name, value) in [
            ("Queue", self.queue.as_str()),
            ("Subject", &said.title),
            ("Content", &html(&said.text)),
            ("ContentType", "text/html"),
        ] {
            body.insert(name.to_owned(), value.into());
        }
        Ok(Value::Object(body))
    }

    /// Refuses where an earlier ticket of ours came about without its key: the next would be one
    /// more of them, each time.
    async fn keyless(&self, said: &Said) -> Result<(), SinkError> {
        let query = format!(
            "Queue = {} AND Creator = '__CurrentUser__' AND 'CF.{{{}}}' IS NULL AND Subject = {}",
            quoted(&self.queue),
            self.field,
            quoted(&said.title)
        );
        let found: Vec<Any> = self.search(&query, "Status").await?;
        match found.first() {
            Some(ticket) => Err(self.without_key(&ticket.id.text())),
            None => Ok(()),
        }
    }

    fn without_key(&self, id: &str) -> SinkError {
        let what = format!(
            "ticket #{id} came about without its key: the custom field {} has to be one of the \
             queue's tickets, and the user needs SeeCustomField and SetInitialCustomField for it. \
             Then write the key into that ticket, or delete it",
            self.field
        );
        self.error(Class::Config, &what)
    }
}

#[async_trait]
impl TicketSystem for RequestTracker {
    fn caps(&self) -> Caps {
        Caps {
            // It is a query of its database.
            find: Find::Strong,
            comment: true,
            markup: Markup::Html,
            // The column's width.
            title_max: 200,
            body_max: 100_000,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        let url = self.at(&["rt"]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let version: Version = self.caller.json(Does::Reads, &[200], request).await?;
        let url = self.at(&["queue", &self.queue]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let queue: Queue = self.caller.json(Does::Reads, &[200], request).await?;
        if !links_to(&queue.links, "create") {
            let what = format!("the user needs the right CreateTicket in {}", self.queue);
            return Err(self.error(Class::Auth, &what));
        }
        if !queue.fields.iter().any(|field| field.name == self.field) {
            let what = format!(
                "tickets of {} have no custom field {}, or the user lacks SeeCustomField for it",
                self.queue, self.field
            );
            return Err(self.error(Class::Config, &what));
        }
        let version = foreign(&version.version);
        Ok(format!("the queue {} of Request Tracker {version} takes tickets", self.queue))
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let condition = format!("'CF.{{{}}}' = {}", self.field, quoted(key.as_str()));
        let found: Vec<Ticket> =
            self.search(&condition, "Status,CustomFields,Creator,Priority").await?;
        if let Some(other) = found.iter().find(|ticket| !ticket.has(&self.field, key)) {
            let what = format!(
                "a search for our key brought ticket #{}, which does not show it; does the user \
                 have SeeCustomField for {}?",
                other.id.text(),
                self.field
            );
            return Err(self.error(Class::Config, &what));
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let active = self.active(&condition).await?;
        let found = found.into_iter().map(|ticket| {
            let id = ticket.id.text();
            let standing = Standing {
                open: ticket.status != self.closed && active.contains(&id),
                states: vec![ticket.status],
                // Whoever wants to know reads the ticket.
                by: Vec::new(),
            };
            Found { at: self.place(&id), standing }
        });
        Ok(found.collect())
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        let body = self.body(said)?;
        self.keyless(said).await?;
        let url = self.at(&["ticket"]);
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        let created: Created = self.caller.json(Does::Writes, &[201], request).await?;
        let id = created.id.text();
        // It is there; whether it can be found again is not known before it was read.
        let read = self.ticket(&id).await;
        let (ticket, _) = read.map_err(|error| SinkError { class: Class::Ambiguous, ..error })?;
        if !ticket.has(&self.field, &said.key) {
            return Err(self.without_key(&id));
        }
        Ok(self.place(&id))
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let (ticket, _) = self.ticket(&at.id).await?;
        if !ticket.values(&self.field).any(|value| value.starts_with("pw1-")) {
            let what = format!("ticket {} has no key of ours in {}", at.human, self.field);
            return Err(self.error(Class::Gone, &what));
        }
        let by = if self.decides { self.who(at, &ticket).await? } else { Vec::new() };
        let open = self.is_active(at, &ticket).await?;
        Ok(Standing { open, states: vec![ticket.status], by })
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let priority = self.priority(said)?;
        let (mut ticket, mut tag) = self.own(at, &said.key).await?;
        if let Some(priority) = priority.map(|number| number.to_string()) {
            let stands = |ticket: &Ticket| {
                ticket.priority.as_ref().is_some_and(|number| number.text() == priority)
            };
            let mut rounds = 0;
            while !stands(&ticket) && rounds < ROUNDS {
                let change = json!({ "Priority": priority });
                let taken = self.change(at, tag.as_deref(), &change).await?;
                (ticket, tag) = self.own(at, &said.key).await?;
                if taken && !stands(&ticket) {
                    let what = format!(
                        "ticket {} did not take the priority {priority}; the user needs the right \
                         ModifyTicket",
                        at.human
                    );
                    return Err(self.error(Class::Auth, &what));
                }
                rounds += 1;
            }
        }
        let url = self.at(&["ticket", &at.id, "comment"]);
        let body = json!({ "Content": html(&said.text), "ContentType": "text/html" });
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        let ended =
            self.caller.json::<Vec<IgnoredAny>>(Does::WritesOne, &[201], request).await.map(drop);
        match ended {
            // It says so with 400, and in the user's language.
            Err(error) if error.class == Class::Config && !ticket.links_to("comment") => {
                let what =
                    format!("the user needs the right CommentOnTicket for ticket {}", at.human);
                Err(self.error(Class::Auth, &what))
            }
            ended => ended,
        }
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let mut url = self.at(&["ticket", &at.id, "attachments"]);
        url.query_pairs_mut().extend_pairs([
            ("fields", "Content"),
            ("orderby", "id"),
            ("order", "DESC"),
            ("per_page", &SEARCHED.to_string()),
        ]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let found: Page<Attachment> = self.caller.json(Does::ReadsOne, &[200], request).await?;
        let contents = found.items.iter().filter_map(|it| it.content.as_deref());
        let said = contents.into_iter().any(|content| says(content, mark));
        Ok((said || found.items.len() < SEARCHED).then_some(said))
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.bring(at, &said.key, &self.closed, true).await
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.bring(at, &said.key, &self.reopened, false).await
    }
}
