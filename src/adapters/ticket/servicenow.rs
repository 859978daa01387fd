//! ServiceNow (<https://www.servicenow.com/docs/r/api-reference/rest-apis/c_TableAPI.html>): one
//! incident or security incident for each ticket, found by its correlation id, which is its key.
//! Records are written themselves, or through an import set whose transform map coalesces on the key
//! (<https://www.servicenow.com/docs/r/api-reference/rest-apis/c_ImportSetAPI.html>).
//!
//! ServiceNow leaves a condition out that it cannot read, and then finds everything; it leaves fields
//! out that the user may not read, and answers 404 for records that it may not see. So nothing counts
//! as ours that does not show our key, and nothing as gone before the user was seen to see anything.

mod import;
mod shape;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use self::shape::{Answered, Approver, Journal, Row, Token, forbidden};
use super::Making;
use super::call::{Caller, Does};
use crate::domain::markup::{Markup, plain};
use crate::domain::secret::Secret;
use crate::domain::sink::{self, Decides, SignsIn};
use crate::domain::text::foreign;
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::said::{Ground, Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// What is asked of a record.
const FIELDS: &str = "sys_id,number,state,active,correlation_id,approval,impact,urgency";

/// What is asked of an approval.
const APPROVAL_FIELDS: &str = "sysapproval,state,approver,approver.user_name,approver.email";

/// Longest description, note and reason, in characters: what is longer is cut off in silence.
const TEXT_MAX: usize = 4_000;

/// Most records with one key that are looked at.
const SEARCHED: usize = 100;

/// Most approvals of a record that are looked at.
const APPROVALS: usize = 100;

/// Records of one table.
pub struct Servicenow {
    caller: Caller,
    /// The same, where tokens come from: what is said there is not repeated.
    signs_in: Caller,
    settings: sink::Servicenow,
    secret: Secret,
    decide: Decides,
}

/// With what a call proves who makes it.
enum Proof {
    /// A user and the password.
    Password,
    /// A token of OAuth.
    Token(Secret),
}

impl Servicenow {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::Servicenow, making: &Making<'_>) -> Result<Self, String> {
        let caller = Caller::new(making.http.clone(), settings.url.url().clone(), &making.name.0);
        let secret = match settings.signs_in {
            SignsIn::User(_) => making.secret("password")?,
            SignsIn::Client(_) => making.secret("clientSecret")?,
        };
        Ok(Self {
            signs_in: caller.clone().wordless(),
            caller: caller.special(forbidden),
            settings: settings.clone(),
            secret,
            decide: making.common.decide.clone(),
        })
    }

    fn error(&self, class: Class, what: &str) -> SinkError {
        SinkError::new(class, format!("{}: {what}", self.caller.whom()))
    }

    /// A token by client credentials where an application signs in. There are few tickets, so each
    /// that is asked or said has its own; ServiceNow hands the same one out until it expires.
    async fn proof(&self) -> Result<Proof, SinkError> {
        let SignsIn::Client(id) = &self.settings.signs_in else { return Ok(Proof::Password) };
        let url = self.signs_in.at(&["oauth_token.do"]);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id.as_str()),
            ("client_secret", self.secret.expose()),
        ];
        let request = |client: &Client| client.post(url.clone()).form(&form);
        let token: Token = self.signs_in.json(Does::Reads, &[200], request).await?;
        Ok(Proof::Token(Secret::new(token.access_token)))
    }

    fn request(&self, client: &Client, method: Method, url: &Url, proof: &Proof) -> RequestBuilder {
        let request = client.request(method, url.clone());
        match (proof, &self.settings.signs_in) {
            (Proof::Token(token), _) => request.bearer_auth(token.expose()),
            (Proof::Password, SignsIn::User(name) | SignsIn::Client(name)) => {
                request.basic_auth(name.as_str(), Some(self.secret.expose()))
            }
        }
    }

    /// The address of a table, or of a record of it, with the fields that are asked for.
    fn table(&self, table: &str, record: Option<&str>, fields: &str) -> Url {
        let mut segments = vec!["api", "now", "table", table];
        segments.extend(record);
        let mut url = self.caller.at(&segments);
        url.query_pairs_mut()
            .append_pair("sysparm_fields", fields)
            .append_pair("sysparm_exclude_reference_link", "true");
        url
    }

    fn ours(&self, record: Option<&str>) -> Url {
        self.table(self.settings.record.table(), record, FIELDS)
    }

    async fn reads<T: DeserializeOwned>(
        &self,
        proof: &Proof,
        does: Does,
        url: &Url,
    ) -> Result<T, SinkError> {
        let request = |client: &Client| self.request(client, Method::GET, url, proof);
        let answered: Answered<T> = self.caller.json(does, &[200], request).await?;
        Ok(answered.result)
    }

    /// Sees that the user sees records, and their correlation ids. Says whether there was any to
    /// see.
    async fn sees(&self, proof: &Proof) -> Result<bool, SinkError> {
        let mut url = self.ours(None);
        url.query_pairs_mut().append_pair("sysparm_limit", "1");
        let rows: Vec<Row> = self.reads(proof, Does::Reads, &url).await?;
        match rows.first() {
            Some(row) if row.correlation_id.is_none() => Err(self.hides(row, "correlation_id")),
            row => Ok(row.is_some()),
        }
    }

    fn hides(&self, row: &Row, field: &str) -> SinkError {
        let what = format!("the user may not read the field {field} of {}", row.human());
        self.error(Class::Auth, &what)
    }

    /// The records with a key, the oldest first.
    async fn known(&self, proof: &Proof, key: &TicketKey) -> Result<Vec<Row>, SinkError> {
        let mut url = self.ours(None);
        url.query_pairs_mut()
            .append_pair("sysparm_query", &format!("correlation_id={key}^ORDERBYsys_created_on"))
            .append_pair("sysparm_limit", &SEARCHED.to_string());
        let rows: Vec<Row> = self.reads(proof, Does::Reads, &url).await?;
        match rows.iter().find(|row| !row.has(key)) {
            None => {}
            Some(row) if row.correlation_id.is_none() => {
                return Err(self.hides(row, "correlation_id"));
            }
            Some(row) => {
                // A condition that is not obeyed may hide the record behind all others.
                let what = format!("a search for our key brought {}, without it", row.human());
                return Err(self.error(Class::Config, &what));
            }
        }
        if rows.iter().any(|row| !row.has_id()) {
            return Err(self.caller.strange(Does::Reads, "answered with records without an id"));
        }
        Ok(rows)
    }

    /// A record by its id.
    async fn record(&self, proof: &Proof, at: &TicketRef) -> Result<Row, SinkError> {
        let row = self.reads::<Row>(proof, Does::ReadsOne, &self.ours(Some(&at.id))).await;
        match row {
            Ok(row) if row.sys_id == at.id => Ok(row),
            Ok(_) => Err(self.caller.strange(Does::Reads, "answered with another record")),
            Err(error) if error.class == Class::Gone => {
                // It is not there, or the user may not see it.
                if self.sees(proof).await? {
                    return Err(error);
                }
                let what = format!("the user sees no records any more, {} among them", at.human);
                Err(self.error(Class::Auth, &what))
            }
            Err(error) => Err(error),
        }
    }

    /// A record that says itself that it is the one of a key.
    async fn own(&self, proof: &Proof, at: &TicketRef, key: &TicketKey) -> Result<Row, SinkError> {
        let row = self.record(proof, at).await?;
        if row.has(key) {
            return Ok(row);
        }
        if row.correlation_id.is_none() {
            return Err(self.hides(&row, "correlation_id"));
        }
        let what = format!("{} does not have our key as its correlation id", row.human());
        Err(self.error(Class::Gone, &what))
    }

    /// Whether a record does not come back from where it is. What an import set writes is written
    /// by ServiceNow itself, and on the one record that has the key.
    fn is_final(&self, row: &Row) -> bool {
        let state = row.state.as_ref();
        self.settings.staging.is_none()
            && state.is_some_and(|state| self.settings.final_states.contains(state))
    }

    fn has_ended(&self, row: &Row) -> Result<bool, SinkError> {
        let state = row.state.as_ref().ok_or_else(|| self.hides(row, "state"))?;
        Ok(row.active.as_deref() == Some("false") || self.settings.has_ended(state))
    }

    fn place(&self, row: &Row) -> TicketRef {
        let mut url = self.caller.at(&[&format!("{}.do", self.settings.record.table())]);
        url.query_pairs_mut().append_pair("sys_id", &row.sys_id);
        TicketRef { id: row.sys_id.clone(), human: row.human(), url: Some(url.to_string()) }
    }

    /// Changes a record, or opens one, and answers with what it is now.
    async fn write(
        &self,
        proof: &Proof,
        row: Option<&Row>,
        key: &TicketKey,
        fields: Map<String, Value>,
    ) -> Result<Row, SinkError> {
        if let Some(staging) = &self.settings.staging {
            return self.import(proof, staging, row, key, fields).await;
        }
        let (does, method, status) = match row {
            Some(_) => (Does::WritesOne, Method::PATCH, 200),
            None => (Does::Writes, Method::POST, 201),
        };
        let url = self.ours(row.map(|row| row.sys_id.as_str()));
        let request =
            |client: &Client| self.request(client, method.clone(), &url, proof).json(&fields);
        let written: Answered<Row> = self.caller.json(does, &[status], request).await?;
        let written = written.result;
        if !written.has_id() || row.is_some_and(|row| row.sys_id != written.sys_id) {
            return Err(self.caller.strange(Does::Writes, "answered with another record"));
        }
        Ok(written)
    }

    /// The fields of a severity. What they come to is for ServiceNow to say.
    fn priority(&self, said: &Said) -> Result<Option<[(&'static str, String); 2]>, SinkError> {
        let Some(text) = &said.priority else { return Ok(None) };
        let level = |text: &str| matches!(text.as_bytes(), [b'1'..=b'9']).then(|| text.to_owned());
        let both = text.split_once('/');
        let both = both.and_then(|(impact, urgency)| Some((level(impact)?, level(urgency)?)));
        let (impact, urgency) = both.ok_or_else(|| {
            let what = "priorities of ServiceNow are named by impact and urgency, such as 1/2";
            self.error(Class::Config, what)
        })?;
        Ok(Some([("impact", impact), ("urgency", urgency)]))
    }

    /// Brings a record to a state.
    async fn bring(
        &self,
        proof: &Proof,
        row: &Row,
        key: &TicketKey,
        fields: Map<String, Value>,
    ) -> Result<(), SinkError> {
        let state = fields.get("state").cloned();
        let written = self.write(proof, Some(row), key, fields).await?;
        if written.state.as_deref() == state.as_ref().and_then(Value::as_str) {
            return Ok(());
        }
        let what = format!(
            "{} did not take the state {}; the process may not lead there from {}",
            row.human(),
            state.as_ref().and_then(Value::as_str).unwrap_or_default(),
            foreign(row.state.as_deref().unwrap_or("where it is"))
        );
        Err(self.error(Class::Config, &what))
    }

    /// What those said who were asked for their approval of a record, and who they are, by each of
    /// their names. That it is approved counts only if somebody has approved it: rules approve as
    /// well, and so does whoever may write the field.
    async fn approval(&self, proof: &Proof, row: &Row) -> Result<Option<Ground>, SinkError> {
        let Some(outcome @ ("approved" | "rejected")) = row.approval.as_deref() else {
            return Ok(None);
        };
        let mut url = self.table("sysapproval_approver", None, APPROVAL_FIELDS);
        let query = format!("sysapproval={}^state={outcome}", row.sys_id);
        url.query_pairs_mut()
            .append_pair("sysparm_query", &query)
            .append_pair("sysparm_limit", &APPROVALS.to_string());
        let approvers = match self.reads::<Vec<Approver>>(proof, Does::Reads, &url).await {
            Ok(approvers) => approvers,
            // Who may not see approvals sees none.
            Err(error) if error.class == Class::Auth => Vec::new(),
            Err(error) => return Err(error),
        };
        let said = approvers.into_iter().filter(|it| it.said(&row.sys_id, outcome));
        let by: Vec<String> = said.flat_map(Approver::names).collect();
        let counts = outcome == "rejected" || !by.is_empty();
        Ok(counts.then(|| Ground { states: vec![format!("approval:{outcome}")], by }))
    }

    fn stays(&self, row: &Row) -> SinkError {
        let what = format!("{} is in a state from which it does not come back", row.human());
        self.error(Class::Gone, &what)
    }

    fn standing_on(&self, row: &Row, approval: Option<Ground>) -> Result<Standing, SinkError> {
        let open = !self.has_ended(row)?;
        // A value that is no choice is taken as well, and approvals are for those who were asked.
        let states =
            row.state.iter().filter(|it| !it.to_ascii_lowercase().starts_with("approval:"));
        // Who changed a record last is not who gave it its state.
        let state = Ground { states: states.cloned().collect(), by: Vec::new() };
        Ok(Standing::on(open, [state].into_iter().chain(approval).collect(), &self.decide))
    }

    fn standing(&self, row: &Row) -> Result<Standing, SinkError> {
        self.standing_on(row, None)
    }
}

#[async_trait]
impl TicketSystem for Servicenow {
    fn caps(&self) -> Caps {
        Caps {
            // An import set has the key coalesced if its transform map was set up for it.
            find: match self.settings.staging {
                None => Find::Strong,
                // A transformation may be one that nobody waits for.
                Some(_) => Find::Eventual(std::time::Duration::from_mins(2)),
            },
            comment: true,
            markup: Markup::Plain,
            title_max: 160,
            body_max: TEXT_MAX,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        let proof = self.proof().await?;
        let table = self.settings.record.table();
        if self.sees(&proof).await? {
            return Ok(format!("ServiceNow shows records of {table} with their correlation ids"));
        }
        Ok(format!("ServiceNow answers, and shows no record of {table}: there may be none yet"))
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let proof = self.proof().await?;
        let rows = self.known(&proof, key).await?;
        if rows.is_empty() {
            self.sees(&proof).await?;
        }
        let rows = rows.iter().filter(|row| !self.is_final(row));
        rows.map(|row| Ok(Found { at: self.place(row), standing: self.standing(row)? })).collect()
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        // What the policy adds cannot take the place of what a ticket is known by.
        let mut fields: Map<String, Value> =
            said.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, value) in self.priority(said)?.into_iter().flatten() {
            fields.insert(name.to_owned(), value.into());
        }
        for (name, value) in [
            ("short_description", json!(said.title)),
            ("description", json!(said.text.fitted(TEXT_MAX, plain))),
            ("correlation_id", json!(said.key)),
            ("correlation_display", json!("Partner Warden")),
        ] {
            fields.insert(name.to_owned(), value);
        }
        let proof = self.proof().await?;
        let row = self.write(&proof, None, &said.key, fields).await?;
        if row.has(&said.key) {
            return Ok(self.place(&row));
        }
        let is = row.correlation_id.as_deref().unwrap_or_default();
        if is.starts_with("pw1-") && !said.key.as_str().starts_with(is) {
            return Err(self.caller.strange(Does::Writes, "answered with a record of another key"));
        }
        let key = Map::from_iter([("correlation_id".to_owned(), json!(said.key))]);
        match self.write(&proof, Some(&row), &said.key, key).await {
            Ok(row) if row.has(&said.key) => Ok(self.place(&row)),
            Err(error) if error.class == Class::Ambiguous => Err(error),
            Ok(_) | Err(_) => {
                // It is there for good: one more would be no better.
                let what = format!(
                    "{} was opened and does not show our key: the user has to be allowed to read \
                     and to write its field correlation_id, and no rule may change it. Write {} \
                     there, then have the message sent again with redrive",
                    row.human(),
                    said.key
                );
                Err(self.error(Class::Gone, &what))
            }
        }
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let proof = self.proof().await?;
        let row = self.record(&proof, at).await?;
        match &row.correlation_id {
            Some(id) if id.starts_with("pw1-") => {}
            Some(_) => {
                let what = format!("{} has no key of ours as its correlation id", row.human());
                return Err(self.error(Class::Gone, &what));
            }
            None => return Err(self.hides(&row, "correlation_id")),
        }
        let approval = if self.decide.any() { self.approval(&proof, &row).await? } else { None };
        self.standing_on(&row, approval)
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let priority = self.priority(said)?;
        let proof = self.proof().await?;
        let row = self.own(&proof, at, &said.key).await?;
        if self.is_final(&row) {
            // Nobody is told any more, and nobody has anything left to do.
            let last = said.kind == MessageKind::Closed;
            return if last { Ok(()) } else { Err(self.stays(&row)) };
        }
        let note = json!(said.text.fitted(TEXT_MAX, plain));
        let mut fields = Map::from_iter([("work_notes".to_owned(), note)]);
        for (name, value) in priority.into_iter().flatten() {
            let is = if name == "impact" { &row.impact } else { &row.urgency };
            if is.as_ref() != Some(&value) {
                fields.insert(name.to_owned(), value.into());
            }
        }
        self.write(&proof, Some(&row), &said.key, fields).await.map(drop)
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let proof = self.proof().await?;
        let table = self.settings.record.table();
        let mut url = self.table(table, Some(&at.id), "sys_id,work_notes");
        // As they are displayed, and only so, all notes are there.
        url.query_pairs_mut().append_pair("sysparm_display_value", "true");
        let found: Journal = self.reads(&proof, Does::ReadsOne, &url).await?;
        let notes = found.work_notes.filter(|notes| !notes.trim().is_empty());
        Ok(notes.map(|notes| says(&notes, mark)))
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let proof = self.proof().await?;
        let row = self.own(&proof, at, &said.key).await?;
        if self.has_ended(&row)? {
            return Ok(());
        }
        let mut fields = Map::from_iter([
            ("state".to_owned(), json!(self.settings.closed_state)),
            ("close_notes".to_owned(), json!(said.text.fitted(TEXT_MAX, plain))),
        ]);
        if let Some(code) = &self.settings.close_code {
            fields.insert("close_code".to_owned(), json!(code));
        }
        self.bring(&proof, &row, &said.key, fields).await
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let proof = self.proof().await?;
        let row = self.own(&proof, at, &said.key).await?;
        if self.is_final(&row) {
            return Err(self.stays(&row));
        }
        if !self.has_ended(&row)? {
            return Ok(());
        }
        let state = json!(self.settings.reopened_state);
        self.bring(&proof, &row, &said.key, Map::from_iter([("state".to_owned(), state)])).await
    }
}
