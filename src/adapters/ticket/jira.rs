//! Jira (<https://developer.atlassian.com/cloud/jira/platform/rest/v3/>): one issue for each
//! ticket, found by a label that is its key; or one request of a service desk
//! (<https://developer.atlassian.com/cloud/jira/service-desk/rest/>).
//!
//! Jira answers many calls for somebody it does not know as well: with an empty list, or as if an
//! issue or a project were not there. None of that is believed before it said who we are.

mod form;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::ACCEPT;
use reqwest::{Client, Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use self::shape::{
    Approvals, Comments, Created, Issue, Issues, Permissions, Requested, Transition, Transitions,
    User,
};
use super::Making;
use super::call::{Caller, Does};
use crate::domain::markup::{Block, Document, Markup, Span, adf, wiki};
use crate::domain::secret::Secret;
use crate::domain::sink::{self, Becomes, Decides, Edition};
use crate::domain::text::foreign;
use crate::domain::ticket::said::{Ground, Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// Longest description and comment, in characters.
const TEXT_MAX: usize = 32_767;

/// How many comments, the last first, are searched for what was said.
const SEARCHED: usize = 50;

/// What is asked of an issue.
const FIELDS: [&str; 5] = ["status", "labels", "priority", "creator", "description"];

/// What the user has to be allowed to do in the project.
const NEEDED: [&str; 5] =
    ["BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES"];

/// Issues of one project.
pub struct Jira {
    caller: Caller,
    base: Url,
    edition: Edition,
    email: Option<String>,
    token: Secret,
    project: String,
    becomes: Becomes,
    close_status: Option<String>,
    reopen_status: Option<String>,
    close_fields: BTreeMap<String, Value>,
    decide: Decides,
    /// What a new ticket has beside what every one has, by Jira's names.
    more: Vec<String>,
}

/// Whether a text says something: a document as the cloud keeps it, or wiki markup.
fn shows(text: &Value, what: &str) -> bool {
    let Some(text) = text.as_str() else { return says(&text.to_string(), what) };
    let code = vec![Span::Code(what.to_owned())];
    let escaped = wiki(&Document { blocks: vec![Block::Paragraph(code)] });
    let escaped = escaped.trim_start_matches("{{").trim_end_matches("}}");
    says(text, what) || says(text, escaped)
}

impl Jira {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::Jira, making: &Making<'_>) -> Result<Self, String> {
        let base = settings.url.url().clone();
        let owned = |name: &sink::Name| name.as_str().to_owned();
        Ok(Self {
            caller: Caller::new(making.http.clone(), base.clone(), &making.name.0)
                .patient(making.slow),
            base,
            edition: settings.edition,
            email: settings.email.as_ref().map(owned),
            token: making.secret("token")?,
            project: settings.project.as_str().to_owned(),
            becomes: settings.becomes.clone(),
            close_status: settings.close_status.as_ref().map(owned),
            reopen_status: settings.reopen_status.as_ref().map(owned),
            close_fields: settings.close_fields.clone(),
            decide: making.common.decide.clone(),
            more: {
                let fields = making.common.fields.keys().cloned();
                let priority = (!making.common.priority.is_empty()).then(|| "priority".to_owned());
                fields.chain(priority).collect()
            },
        })
    }

    fn at(&self, rest: &[&str]) -> Url {
        let version = match self.edition {
            Edition::Cloud => "3",
            Edition::DataCenter => "2",
        };
        let mut segments = vec!["rest", "api", version];
        segments.extend(rest);
        self.caller.at(&segments)
    }

    fn desk_at(&self, rest: &[&str]) -> Url {
        let mut segments = vec!["rest", "servicedeskapi"];
        segments.extend(rest);
        self.caller.at(&segments)
    }

    fn request(&self, client: &Client, method: Method, url: &Url) -> RequestBuilder {
        let request = client.request(method, url.clone());
        // Without it a data center does not answer some calls of service desks, which it calls
        // experimental.
        let desk = url.path().contains("/rest/servicedeskapi/");
        let request = if desk { request.header("x-experimentalapi", "opt-in") } else { request };
        match &self.email {
            Some(email) => request.basic_auth(email, Some(self.token.expose())),
            None => request.bearer_auth(self.token.expose()),
        }
    }

    async fn reads<T: DeserializeOwned>(&self, does: Does, url: &Url) -> Result<T, SinkError> {
        let request = |client: &Client| self.request(client, Method::GET, url);
        self.caller.json(does, &[200], request).await
    }

    /// What came of a call. Jira also says to somebody it does not know that there is no such
    /// issue or project, so that is believed only once it knows us.
    async fn believed<T: Send>(&self, ended: Result<T, SinkError>) -> Result<T, SinkError> {
        match ended {
            Err(error) if matches!(error.class, Class::Gone | Class::Config) => {
                self.myself().await?;
                Err(error)
            }
            ended => ended,
        }
    }

    /// A change that is answered with nothing.
    async fn change(&self, method: Method, url: &Url, body: &Value) -> Result<(), SinkError> {
        let request = |client: &Client| {
            let request = self.request(client, method.clone(), url).json(body);
            request.header(ACCEPT, "application/json")
        };
        self.caller.call(Does::WritesOne, &[204], request).await.map(drop)
    }

    fn error(&self, class: Class, what: &str) -> SinkError {
        SinkError::new(class, format!("{}: {what}", self.caller.whom()))
    }

    fn is_request(&self) -> bool {
        matches!(self.becomes, Becomes::Request { .. })
    }

    fn text(&self, document: &Document) -> Value {
        match self.edition {
            Edition::Cloud => adf(&document.clone().cut(TEXT_MAX)),
            Edition::DataCenter => document.fitted(TEXT_MAX, wiki).into(),
        }
    }

    fn place(&self, id: &str, key: &str) -> TicketRef {
        // Behind this host there is only the API.
        let shown = self.base.host_str() != Some("api.atlassian.com");
        let url = shown.then(|| self.caller.at(&["browse", key]).into());
        TicketRef { id: id.to_owned(), human: foreign(key), url }
    }

    /// Who we are: an error where Jira does not know us.
    async fn myself(&self) -> Result<User, SinkError> {
        self.reads(Does::Reads, &self.at(&["myself"])).await
    }

    async fn issue(&self, at: &TicketRef, history: bool) -> Result<Issue, SinkError> {
        let mut url = self.at(&["issue", &at.id]);
        url.query_pairs_mut().append_pair("fields", &FIELDS.join(","));
        if history {
            url.query_pairs_mut().append_pair("expand", "changelog");
        }
        let read = self.reads(Does::ReadsOne, &url).await;
        self.believed(read).await
    }

    /// Whether an issue says itself that it is the one of a key. A request may have come about
    /// without its label, and any label may be tidied away; then its text says so, and that it is
    /// from us.
    async fn is_own(&self, issue: &Issue, key: &TicketKey) -> Result<bool, SinkError> {
        if issue.fields.labels.iter().any(|label| label == key.as_str()) {
            return Ok(true);
        }
        if !shows(&issue.fields.description, key.as_str()) {
            return Ok(false);
        }
        let myself = self.myself().await?;
        Ok(issue.fields.creator.as_ref().is_some_and(|creator| creator.is(&myself)))
    }

    async fn own(&self, at: &TicketRef, key: &TicketKey) -> Result<Issue, SinkError> {
        let issue = self.issue(at, false).await?;
        if self.is_own(&issue, key).await? {
            return Ok(issue);
        }
        let what =
            format!("issue {} has our key neither among its labels nor in our own text", at.human);
        Err(self.error(Class::Gone, &what))
    }

    fn priority(said: &Said) -> Option<Value> {
        let text = said.priority.as_ref()?;
        let number = text.bytes().all(|byte| byte.is_ascii_digit());
        Some(if number { json!({ "id": text }) } else { json!({ "name": text }) })
    }

    /// What a new issue is made of. What the policy adds cannot take the place of the rest.
    fn fields(&self, said: &Said) -> Map<String, Value> {
        let mut fields: Map<String, Value> =
            said.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        fields.insert("summary".to_owned(), said.title.as_str().into());
        fields.insert("description".to_owned(), self.text(&said.text));
        if let Becomes::Issue(kind) = &self.becomes {
            let kind = kind.as_str();
            let number = kind.bytes().all(|byte| byte.is_ascii_digit());
            let kind = if number { json!({ "id": kind }) } else { json!({ "name": kind }) };
            fields.insert("project".to_owned(), json!({ "key": self.project }));
            fields.insert("issuetype".to_owned(), kind);
            let more = fields.get("labels").and_then(Value::as_array).cloned();
            let mut labels = vec![Value::from(said.key.as_str())];
            labels.extend(more.unwrap_or_default());
            fields.insert("labels".to_owned(), labels.into());
            if let Some(priority) = Self::priority(said) {
                fields.insert("priority".to_owned(), priority);
            }
        }
        fields
    }

    async fn create(&self, said: &Said) -> Result<TicketRef, SinkError> {
        let url = self.at(&["issue"]);
        let body = json!({ "fields": self.fields(said) });
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        let created = self.caller.json(Does::Writes, &[201], request).await;
        let created: Created = self.believed(created).await?;
        Ok(self.place(&created.id, &created.key))
    }

    /// Opens a request. Its form need not have labels, so the label comes after.
    async fn ask(&self, desk: &str, kind: &str, said: &Said) -> Result<TicketRef, SinkError> {
        let url = self.desk_at(&["request"]);
        let mut body = json!({
            "serviceDeskId": desk,
            "requestTypeId": kind,
            "requestFieldValues": self.fields(said),
        });
        if self.edition == Edition::Cloud {
            body["isAdfRequest"] = true.into();
        }
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        let created = self.caller.json(Does::Writes, &[201], request).await;
        let created: Requested = self.believed(created).await?;
        Ok(self.place(&created.issue_id, &created.issue_key))
    }

    /// Gives a request what its form did not ask for.
    async fn label(&self, place: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let mut update = json!({ "update": { "labels": [{ "add": said.key.as_str() }] } });
        if let Some(priority) = Self::priority(said) {
            update["fields"] = json!({ "priority": priority });
        }
        self.change(Method::PUT, &self.at(&["issue", &place.id]), &update).await
    }

    /// The approvals of a request: what they come to, and whose they are. One that is declined
    /// declines all; all have to be approved to approve.
    async fn approvals(&self, at: &TicketRef) -> Result<Option<Ground>, SinkError> {
        let mut url = self.desk_at(&["request", &at.id, "approval"]);
        url.query_pairs_mut().append_pair("limit", "50");
        let found: Approvals = self.reads(Does::ReadsOne, &url).await?;
        Ok(found.outcome())
    }

    /// Brings an issue to a status by a transition that leads there.
    async fn bring(&self, at: &TicketRef, ends: bool) -> Result<(), SinkError> {
        let url = self.at(&["issue", &at.id, "transitions"]);
        let found: Transitions = self.reads(Does::ReadsOne, &url).await?;
        // What decides is for people to say.
        let decides = |it: &Transition| {
            let named = |name: &String| it.to.is_called(name);
            self.decide.approve.iter().any(named) || self.decide.refuse.iter().any(named)
        };
        let fitting = found.transitions.iter().filter(|it| it.to.is_done() == ends && !decides(it));
        let named = if ends { &self.close_status } else { &self.reopen_status };
        let fitting: Vec<&Transition> =
            fitting.filter(|it| named.as_ref().is_none_or(|name| it.to.is_called(name))).collect();
        let setting = if ends { "closeStatus" } else { "reopenStatus" };
        let Some(first) = fitting.first() else {
            let what = format!(
                "issue {} has no transition to {}; name a status under `{setting}` that the \
                 workflow leads to and the user may use",
                at.human,
                named.as_deref().unwrap_or(if ends {
                    "a status that is done"
                } else {
                    "an open status"
                })
            );
            return Err(self.error(Class::Config, &what));
        };
        if ends && fitting.iter().any(|it| it.to.id != first.to.id) {
            let what = format!(
                "issue {} can be ended in more than one status; name one under `{setting}`",
                at.human
            );
            return Err(self.error(Class::Config, &what));
        }
        let mut body = json!({ "transition": { "id": first.id } });
        if ends && !self.close_fields.is_empty() {
            body["fields"] = json!(self.close_fields);
        }
        self.change(Method::POST, &url, &body).await
    }
}

#[async_trait]
impl TicketSystem for Jira {
    fn caps(&self) -> Caps {
        let (markup, lag) = match self.edition {
            // From a few seconds to minutes
            // (<https://developer.atlassian.com/cloud/jira/platform/search-and-reconcile/>).
            Edition::Cloud => (Markup::Adf, Duration::from_mins(10)),
            // Each node has an index of its own.
            Edition::DataCenter => (Markup::Wiki, Duration::from_mins(2)),
        };
        Caps {
            find: Find::Eventual(lag),
            comment: true,
            markup,
            title_max: 255,
            body_max: TEXT_MAX,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        self.myself().await?;
        let mut url = self.at(&["mypermissions"]);
        url.query_pairs_mut()
            .append_pair("projectKey", &self.project)
            .append_pair("permissions", &NEEDED.join(","));
        let granted: Permissions = self.reads(Does::Reads, &url).await?;
        let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !granted.has(name)).collect();
        if !missing.is_empty() {
            let what = format!("the user lacks {} in {}", missing.join(", "), self.project);
            return Err(self.error(Class::Auth, &what));
        }
        match &self.becomes {
            Becomes::Issue(kind) => self.screen(kind.as_str()).await?,
            Becomes::Request { desk, kind } => self.form(desk.as_str(), kind.as_str()).await?,
        }
        Ok(format!("the project {} takes tickets", self.project))
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let url = match self.edition {
            Edition::Cloud => self.at(&["search", "jql"]),
            Edition::DataCenter => self.at(&["search"]),
        };
        let mut condition = format!("labels = \"{key}\"");
        if self.is_request() {
            condition = format!("({condition} OR description ~ \"\\\"{key}\\\"\")");
        }
        let jql = format!("project = \"{}\" AND {condition} ORDER BY created ASC", self.project);
        let body = json!({ "jql": jql, "maxResults": 10, "fields": FIELDS });
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        let issues = self.caller.json(Does::Reads, &[200], request).await;
        let issues: Issues = self.believed(issues).await?;
        let (mut found, mut other) = (Vec::new(), None);
        for issue in issues.issues {
            if self.is_own(&issue, key).await? {
                let at = self.place(&issue.id, &issue.key);
                let status = vec![issue.status()];
                let standing = Standing::on(issue.is_open(), status, &self.decide);
                found.push(Found { at, standing });
            } else {
                other = Some(issue.key);
            }
        }
        if found.is_empty() {
            self.myself().await?;
            // Whoever quotes a request's key is found by its text as well.
            if let Some(other) = other.filter(|_| !self.is_request()) {
                let other = foreign(&other);
                let what = format!("a search for our key brought issue {other}, which lacks it");
                return Err(self.error(Class::Transient, &what));
            }
        }
        Ok(found)
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        let lost = |error| SinkError { class: Class::Ambiguous, ..error };
        let place = match &self.becomes {
            Becomes::Issue(_) => self.create(said).await?,
            Becomes::Request { desk, kind } => self.ask(desk.as_str(), kind.as_str(), said).await?,
        };
        // From here on it is there, whatever else fails.
        if self.is_request() {
            self.label(&place, said).await.map_err(lost)?;
        }
        // The answer does not show the label.
        let issue = self.issue(&place, false).await.map_err(lost)?;
        if !issue.fields.labels.iter().any(|label| label == said.key.as_str()) {
            return Err(self.caller.strange(Does::Writes, "answered with an issue of another key"));
        }
        Ok(place)
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        if !self.decide.any() {
            let issue = self.issue(at, false).await?;
            return Ok(Standing::on(issue.is_open(), vec![issue.status()], &self.decide));
        }
        let issue = self.issue(at, true).await?;
        // A status that nobody gave it is the one it began with, or of a time that is not shown.
        let mut grounds: Vec<Ground> = issue.given_status().into_iter().collect();
        if self.is_request() {
            // These words are for what those say who were asked.
            let taken = |it: &String| it.to_ascii_lowercase().starts_with("approval:");
            grounds.retain(|ground| !ground.states.iter().any(taken));
            grounds.extend(self.approvals(at).await?);
        }
        Ok(Standing::on(issue.is_open(), grounds, &self.decide))
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let issue = self.own(at, &said.key).await?;
        if let Some(wanted) = &said.priority
            && !issue.fields.priority.as_ref().is_some_and(|it| it.is_called(wanted))
        {
            let body = json!({ "fields": { "priority": Self::priority(said) } });
            self.change(Method::PUT, &self.at(&["issue", &at.id]), &body).await?;
        }
        let (url, body) = if self.is_request() {
            // What is not said to be internal is shown to customers.
            let text = said.text.fitted(TEXT_MAX, wiki);
            let url = self.desk_at(&["request", &at.id, "comment"]);
            (url, json!({ "body": text, "public": false }))
        } else {
            (self.at(&["issue", &at.id, "comment"]), json!({ "body": self.text(&said.text) }))
        };
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        self.caller.json::<Map<String, Value>>(Does::WritesOne, &[201], request).await.map(drop)
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let mut url = self.at(&["issue", &at.id, "comment"]);
        url.query_pairs_mut()
            .append_pair("orderBy", "-created")
            .append_pair("maxResults", &SEARCHED.to_string());
        let found: Comments = self.reads(Does::ReadsOne, &url).await?;
        let said = found.comments.iter().any(|comment| shows(&comment.body, mark));
        Ok((said || found.comments.len() < SEARCHED).then_some(said))
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        if self.own(at, &said.key).await?.fields.status.is_done() {
            return Ok(());
        }
        self.bring(at, true).await
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        if !self.own(at, &said.key).await?.fields.status.is_done() {
            return Ok(());
        }
        self.bring(at, false).await
    }
}
