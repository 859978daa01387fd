//! Redmine by its REST API (<https://www.redmine.org/projects/redmine/wiki/Rest_api>): one issue of
//! a project for each ticket of ours, found by a custom field that is its key.
//!
//! Redmine takes much without saying that it did not do it. A custom field that the issue does not
//! have is left out, and so is a status or a note that the user may not give, with 204; a filter it
//! does not know filters nothing. So what was found or written is looked at again.

mod shape;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use self::shape::{Issue, Issues, Project, Role, Status, User, Whole};
use super::Making;
use super::call::{Caller, Does};
use crate::domain::markup::{Block, Document, Markup, Span, markdown, plain, textile};
use crate::domain::secret::Secret;
use crate::domain::sink::{self, Formatting};
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// A key that no ticket has.
const NOBODYS: &str = "pw1-none";

/// What a role has to be allowed; of those that stand together one is enough.
const PERMISSIONS: [&[&str]; 4] =
    [&["view_issues"], &["add_issues"], &["edit_own_issues", "edit_issues"], &["add_issue_notes"]];

/// Issues of one project.
pub struct Redmine {
    caller: Caller,
    base: Url,
    project: String,
    field: u32,
    tracker: Option<u32>,
    closed: Option<u32>,
    reopened: Option<u32>,
    formatting: Formatting,
    key: Secret,
    /// Whether anybody wants to know who gave an issue its status.
    decides: bool,
}

impl Redmine {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::Redmine, making: &Making<'_>) -> Result<Self, String> {
        let base = settings.url.url().clone();
        Ok(Self {
            caller: Caller::new(making.http.clone(), base.clone(), &making.name.0),
            base,
            project: settings.project.as_str().to_owned(),
            field: settings.key_field.get(),
            tracker: settings.tracker.map(Into::into),
            closed: settings.closed_status.map(Into::into),
            reopened: settings.reopened_status.map(Into::into),
            formatting: settings.formatting,
            key: making.secret("apiKey")?,
            decides: making.common.decide.any(),
        })
    }

    fn request(&self, client: &Client, method: Method, url: &Url) -> RequestBuilder {
        client.request(method, url.clone()).header("x-redmine-api-key", self.key.expose())
    }

    fn error(&self, class: Class, what: &str) -> SinkError {
        SinkError::new(class, format!("{}: {what}", self.caller.whom()))
    }

    fn place(&self, id: u64) -> TicketRef {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["issues", id.to_string().as_str()]);
        }
        TicketRef { id: id.to_string(), human: format!("#{id}"), url: Some(url.into()) }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        does: Does,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, SinkError> {
        let mut url = self.caller.at(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.caller.json(does, &[200], |client| self.request(client, Method::GET, &url)).await
    }

    fn text(&self, document: &Document) -> String {
        match self.formatting {
            Formatting::Textile => textile(document),
            Formatting::Markdown => markdown(document),
            Formatting::None => plain(document),
        }
    }

    /// An issue, with what `include` names of it.
    async fn issue(&self, at: &TicketRef, include: &str) -> Result<Issue, SinkError> {
        let file = format!("{}.json", at.id);
        let include = [("include", include)];
        let include = if include[0].1.is_empty() { &[] } else { include.as_slice() };
        let found: Whole<Issue> = self.get(Does::ReadsOne, &["issues", &file], include).await?;
        Ok(found.issue)
    }

    /// An issue that says itself that it is the one of a key.
    async fn own(
        &self,
        at: &TicketRef,
        key: &TicketKey,
        include: &str,
    ) -> Result<Issue, SinkError> {
        let issue = self.issue(at, include).await?;
        if issue.has(self.field, key.as_str()) {
            return Ok(issue);
        }
        let what = format!("issue {} does not have our key in field {}", at.human, self.field);
        Err(self.error(Class::Gone, &what))
    }

    fn is_closed(&self, status: &Status) -> Result<bool, SinkError> {
        let what = "it does not say whether a status is a closed one; Redmine 5 or later is needed";
        status.is_closed.ok_or_else(|| self.error(Class::Config, what))
    }

    /// The project's issues, by a filter; not those of others that may be seen.
    async fn search(&self, filter: &[(&str, &str)], limit: &str) -> Result<Vec<Issue>, SinkError> {
        let mut query = vec![("project_id", self.project.as_str()), ("status_id", "*")];
        query.extend(filter);
        query.push(("limit", limit));
        Ok(self.get::<Issues>(Does::Reads, &["issues.json"], &query).await?.issues)
    }

    /// Issues that Redmine says have this key in the field: an error where it filtered by nothing.
    async fn filtered(&self, key: &str) -> Result<Vec<Issue>, SinkError> {
        let name = format!("cf_{}", self.field);
        let found = self.search(&[(&name, key), ("sort", "id")], "10").await?;
        if let Some(other) = found.iter().find(|issue| !issue.has(self.field, key)) {
            let what = format!(
                "a search for our key brought issue #{}, which does not have it: the custom field \
                 {} has to be \"used as a filter\", and one of the project and its tracker",
                other.id, self.field
            );
            return Err(self.error(Class::Config, &what));
        }
        Ok(found)
    }

    /// Refuses where the last issue of the kind that would be made does not have the field: the
    /// next would not have it either, and so could never be found.
    async fn field_is_there(&self) -> Result<(), SinkError> {
        let tracker = self.tracker.map(|tracker| tracker.to_string());
        let mut filter = vec![("sort", "id:desc")];
        filter.extend(tracker.as_deref().map(|tracker| ("tracker_id", tracker)));
        match self.search(&filter, "1").await?.first() {
            Some(issue) if !issue.custom_fields.iter().any(|it| it.id == self.field) => {
                Err(self.without_key(issue.id))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn without_key(&self, id: u64) -> SinkError {
        let what = format!(
            "issue #{id} does not have the custom field {}: it has to be one of the project and of \
             the tracker, and visible to the user's role",
            self.field
        );
        self.error(Class::Config, &what)
    }

    fn priority(&self, said: &Said) -> Result<Option<u32>, SinkError> {
        let Some(text) = &said.priority else { return Ok(None) };
        let what = "priorities of Redmine are named by their numbers: those of \
                    /enumerations/issue_priorities.json";
        text.parse().map(Some).map_err(|_| self.error(Class::Config, what))
    }

    /// What a new issue is made of. What the policy adds cannot take the place of the rest.
    fn body(&self, said: &Said) -> Result<Value, SinkError> {
        let mut body: Map<String, Value> =
            said.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let fields = body.entry("custom_fields").or_insert_with(|| json!([]));
        let Some(fields) = fields.as_array_mut() else {
            let what = "custom_fields under `fields` is to be a list of `id` with `value`";
            return Err(self.error(Class::Config, what));
        };
        fields.retain(|field| field["id"] != json!(self.field));
        fields.push(json!({ "id": self.field, "value": said.key.as_str() }));
        for (name, value) in [("tracker_id", self.tracker), ("priority_id", self.priority(said)?)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.into());
            }
        }
        body.insert("project_id".to_owned(), self.project.as_str().into());
        body.insert("subject".to_owned(), said.title.as_str().into());
        body.insert("description".to_owned(), self.text(&said.text).into());
        Ok(json!({ "issue": body }))
    }

    async fn put(&self, at: &TicketRef, change: &Value) -> Result<(), SinkError> {
        let url = self.caller.at(&["issues", &format!("{}.json", at.id)]);
        let body = json!({ "issue": change });
        let request = |client: &Client| self.request(client, Method::PUT, &url).json(&body);
        self.caller.call(Does::WritesOne, &[204], request).await.map(drop)
    }

    /// Whether an issue says something with this mark, as the markup writes it.
    fn has_mark(&self, issue: &Issue, mark: &str) -> bool {
        let written =
            |span: Span| self.text(&Document { blocks: vec![Block::Paragraph(vec![span])] });
        let marks = [
            mark.to_owned(),
            written(Span::Code(mark.to_owned())),
            written(Span::Text(mark.to_owned())),
        ];
        let notes = issue.journals.iter().filter_map(|it| it.notes.as_deref());
        let mut texts = notes.chain(issue.description.as_deref());
        texts.any(|text| marks.iter().any(|mark| says(text, mark.trim())))
    }

    /// Brings an issue to a status, unless it is ended or taken up already.
    async fn bring(
        &self,
        at: &TicketRef,
        key: &TicketKey,
        status: Option<u32>,
        ends: bool,
    ) -> Result<(), SinkError> {
        let issue = self.own(at, key, "allowed_statuses").await?;
        if self.is_closed(&issue.status)? == ends {
            return Ok(());
        }
        let mut to = None;
        for allowed in issue.allowed_statuses.iter().flatten() {
            let fits = self.is_closed(allowed)? == ends;
            if to.is_none() && fits && status.is_none_or(|status| status == allowed.id) {
                to = Some(allowed.id);
            }
        }
        let kind = if ends { "a closed" } else { "an open" };
        let Some(to) = to else {
            let which = status.map_or(kind.to_owned(), |status| format!("the {status} as {kind}"));
            let what = format!(
                "the workflow allows issue {} no way from status {} to {which} status; the user's \
                 role needs one in the tracker's workflow, and the permission to edit the issue",
                at.human, issue.status.id
            );
            return Err(self.error(Class::Auth, &what));
        };
        self.put(at, &json!({ "status_id": to })).await?;
        let issue = self.own(at, key, "").await?;
        if self.is_closed(&issue.status)? == ends {
            return Ok(());
        }
        let what = format!("issue {} did not take the status {to}", at.human);
        Err(self.error(Class::Auth, &what))
    }
}

#[async_trait]
impl TicketSystem for Redmine {
    fn caps(&self) -> Caps {
        Caps {
            // It is a query of its database.
            find: Find::Strong,
            comment: true,
            markup: match self.formatting {
                Formatting::Textile => Markup::Textile,
                Formatting::Markdown => Markup::Markdown,
                Formatting::None => Markup::Plain,
            },
            title_max: 255,
            // On MySQL a text has 65535 bytes, and a character up to four; Textile writes
            // punctuation with up to six characters.
            body_max: 8_000,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        let file = format!("{}.json", self.project);
        let project: Whole<Project> =
            self.get(Does::Reads, &["projects", &file], &[("include", "trackers")]).await?;
        let project = project.issue;
        let has = |tracker: u32| project.trackers.iter().any(|it| it.id == tracker);
        if let Some(tracker) = self.tracker.filter(|tracker| !has(*tracker)) {
            let what = format!("the project {} has no tracker {tracker}", self.project);
            return Err(self.error(Class::Config, &what));
        }
        let user: Whole<User> = self
            .get(Does::Reads, &["users", "current.json"], &[("include", "memberships")])
            .await?;
        let mut allowed = Vec::new();
        let memberships = user.issue.memberships.into_iter();
        for role in memberships.filter(|it| it.project.id == project.id).flat_map(|it| it.roles) {
            let file = format!("{}.json", role.id);
            let role: Whole<Role> = self.get(Does::Reads, &["roles", &file], &[]).await?;
            allowed.extend(role.issue.permissions);
        }
        let mut missing = PERMISSIONS.iter();
        let missing = missing.find(|of| !of.iter().any(|it| allowed.iter().any(|has| has == it)));
        if let Some(missing) = missing.filter(|_| !user.issue.admin) {
            let what = format!(
                "the user's roles in the project {} lack the permission {}",
                self.project,
                missing.join(" or ")
            );
            return Err(self.error(Class::Auth, &what));
        }
        self.filtered(NOBODYS).await?;
        self.field_is_there().await?;
        Ok(format!("the project {} takes issues", self.project))
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let mut found = Vec::new();
        for issue in self.filtered(key.as_str()).await? {
            let standing = Standing {
                open: !self.is_closed(&issue.status)?,
                states: vec![issue.status.id.to_string(), issue.status.name],
                // Whoever wants to know reads the ticket.
                by: Vec::new(),
            };
            found.push(Found { at: self.place(issue.id), standing });
        }
        Ok(found)
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        let body = self.body(said)?;
        self.field_is_there().await?;
        let url = self.caller.at(&["issues.json"]);
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        let made: Whole<Issue> = self.caller.json(Does::Writes, &[201], request).await?;
        if !made.issue.has(self.field, said.key.as_str()) {
            return Err(self.without_key(made.issue.id));
        }
        Ok(self.place(made.issue.id))
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let issue = self.issue(at, if self.decides { "journals" } else { "" }).await?;
        if !issue.is_ours(self.field) {
            let what = format!("issue {} has no key of ours in field {}", at.human, self.field);
            return Err(self.error(Class::Gone, &what));
        }
        let by = issue.who().filter(|_| self.decides);
        Ok(Standing {
            open: !self.is_closed(&issue.status)?,
            by: by.into_iter().map(|id| id.to_string()).collect(),
            states: vec![issue.status.id.to_string(), issue.status.name],
        })
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let priority = self.priority(said)?;
        let mark = said.mark();
        let issue = self.own(at, &said.key, "journals").await?;
        if self.has_mark(&issue, &mark) {
            return Ok(());
        }
        let mut change = json!({ "notes": self.text(&said.text) });
        let changed = priority.filter(|priority| *priority != issue.priority.id);
        if let Some(priority) = changed {
            change["priority_id"] = priority.into();
        }
        self.put(at, &change).await?;
        let issue = self.own(at, &said.key, "journals").await?;
        if !self.has_mark(&issue, &mark) {
            let what = format!(
                "issue {} did not take the note; the user's role needs add_issue_notes",
                at.human
            );
            return Err(self.error(Class::Auth, &what));
        }
        Ok(())
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        Ok(Some(self.has_mark(&self.issue(at, "journals").await?, mark)))
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.bring(at, &said.key, self.closed, true).await
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.bring(at, &said.key, self.reopened, false).await
    }
}
