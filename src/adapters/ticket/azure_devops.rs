//! Work items of Azure DevOps
//! (<https://learn.microsoft.com/rest/api/azure/devops/wit/work-items>): one for each ticket, found
//! by a tag that is its key.

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Making;
use super::call::{Caller, Does};
use crate::adapters::http::Answer;
use crate::domain::markup::{Markup, html};
use crate::domain::secret::Secret;
use crate::domain::sink;
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Create, Find, Found, SinkError, TicketSystem};

/// The version of the API whose shapes these are.
const VERSION: &str = "7.1";

/// The version of the comments, which were never declared finished.
const COMMENTS_VERSION: &str = "7.1-preview.4";

/// How often a work item is read again that others change at the same time.
const ROUNDS: usize = 4;

/// How many comments, the last first, are searched for what was said.
const SEARCHED: usize = 50;

/// Longest text, in characters.
const TEXT_MAX: usize = 100_000;

/// The categories of states that end a work item
/// (<https://learn.microsoft.com/azure/devops/boards/work-items/workflow-and-state-categories>).
const ENDED: [&str; 2] = ["Completed", "Removed"];

/// Work items of one type in one project.
pub struct AzureDevops {
    caller: Caller,
    base: Url,
    project: String,
    kind: String,
    closed: String,
    reopened: String,
    token: Secret,
}

#[derive(Deserialize)]
struct Item {
    id: u64,
    rev: u64,
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "System.State")]
    state: String,
    #[serde(rename = "System.WorkItemType")]
    kind: String,
    #[serde(default, rename = "System.Reason")]
    reason: Option<String>,
    /// Between semicolons.
    #[serde(default, rename = "System.Tags")]
    tags: Option<String>,
    #[serde(default, rename = "Microsoft.VSTS.Common.Priority")]
    priority: Option<u64>,
}

#[derive(Deserialize)]
struct Hits {
    #[serde(rename = "workItems")]
    items: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    id: u64,
}

#[derive(Deserialize)]
struct States {
    value: Vec<State>,
}

#[derive(Deserialize)]
struct State {
    name: String,
    category: String,
}

#[derive(Deserialize)]
struct Comments {
    comments: Vec<Comment>,
}

#[derive(Deserialize)]
struct Comment {
    text: Option<String>,
}

impl Item {
    fn tags(&self) -> impl Iterator<Item = &str> {
        self.fields.tags.as_deref().unwrap_or_default().split(';').map(str::trim)
    }

    fn has(&self, key: &TicketKey) -> bool {
        // Tags are the same in whatever case they were written first.
        self.tags().any(|tag| tag.eq_ignore_ascii_case(key.as_str()))
    }
}

/// A token that is not taken is answered with 203 and the page to sign in.
fn special(answer: &Answer) -> Option<Class> {
    (answer.status.as_u16() == 203).then_some(Class::Auth)
}

/// A text in WIQL, where a quotation mark is written twice.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn add(name: &str, value: impl Into<Value>) -> Value {
    json!({ "op": "add", "path": format!("/fields/{name}"), "value": value.into() })
}

impl AzureDevops {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::AzureDevops, making: &Making<'_>) -> Result<Self, String> {
        let base = settings.url.url().clone();
        Ok(Self {
            caller: Caller::new(making.http.clone(), base.clone(), &making.name.0).special(special),
            base,
            project: settings.project.as_str().to_owned(),
            kind: settings.work_item_type.as_str().to_owned(),
            closed: settings.closed_state.as_str().to_owned(),
            reopened: settings.reopened_state.as_str().to_owned(),
            token: making.secret("token")?,
        })
    }

    /// An address of the project's work items.
    fn at(&self, rest: &[&str], version: &str) -> Url {
        let mut segments = vec![self.project.as_str(), "_apis", "wit"];
        segments.extend(rest);
        let mut url = self.caller.at(&segments);
        url.query_pairs_mut().append_pair("api-version", version);
        url
    }

    fn request(&self, client: &Client, method: Method, url: &Url) -> RequestBuilder {
        client.request(method, url.clone()).basic_auth("", Some(self.token.expose()))
    }

    fn error(&self, class: Class, what: &str) -> SinkError {
        SinkError::new(class, format!("{}: {what}", self.caller.whom()))
    }

    fn place(&self, id: u64) -> TicketRef {
        let id = id.to_string();
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([self.project.as_str(), "_workitems", "edit", &id]);
        }
        TicketRef { human: format!("#{id}"), id, url: Some(url.into()) }
    }

    async fn item(&self, id: &str) -> Result<Item, SinkError> {
        let url = self.at(&["workitems", id], VERSION);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        self.caller.json(Does::ReadsOne, &[200], request).await
    }

    /// A work item that bears the tag of a key.
    async fn own(&self, at: &TicketRef, key: &TicketKey) -> Result<Item, SinkError> {
        let item = self.item(&at.id).await?;
        if item.has(key) {
            return Ok(item);
        }
        let what = format!("work item {} does not have our key among its tags", at.human);
        Err(self.error(Class::Gone, &what))
    }

    /// The states of a type, whose names are the process's own.
    async fn states(&self, kind: &str) -> Result<Vec<State>, SinkError> {
        let url = self.at(&["workitemtypes", kind, "states"], VERSION);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let states: States = self.caller.json(Does::Reads, &[200], request).await?;
        Ok(states.value)
    }

    async fn is_open(&self, item: &Item) -> Result<bool, SinkError> {
        let states = self.states(&item.fields.kind).await?;
        let state = states.iter().find(|state| state.name == item.fields.state);
        // One that is not known has not ended anything.
        Ok(!state.is_some_and(|state| ENDED.contains(&state.category.as_str())))
    }

    async fn standing(&self, item: &Item) -> Result<Standing, SinkError> {
        let open = self.is_open(item).await?;
        let tags = item.tags().filter(|tag| !tag.is_empty()).map(str::to_owned);
        let states = [Some(item.fields.state.clone()), item.fields.reason.clone()];
        Ok(Standing {
            open,
            states: states.into_iter().flatten().chain(tags).collect(),
            // Who changed it last need not be who gave it its state.
            by: Vec::new(),
        })
    }

    async fn patch(
        &self,
        does: Does,
        method: Method,
        url: &Url,
        patch: &[Value],
    ) -> Result<Item, SinkError> {
        let body = Value::from(patch).to_string();
        let request = |client: &Client| {
            self.request(client, method.clone(), url)
                .header(CONTENT_TYPE, "application/json-patch+json")
                .body(body.clone())
        };
        self.caller.json(does, &[200], request).await
    }

    /// Changes a work item as it was read; nothing where somebody else has changed it in between.
    async fn change(&self, item: &Item, mut patch: Vec<Value>) -> Result<Option<Item>, SinkError> {
        patch.insert(0, json!({ "op": "test", "path": "/rev", "value": item.rev }));
        let url = self.at(&["workitems", &item.id.to_string()], VERSION);
        match self.patch(Does::WritesOne, Method::PATCH, &url, &patch).await {
            Ok(item) => Ok(Some(item)),
            Err(error) if error.class == Class::Conflict => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Brings a work item to a state, unless it is ended or taken up already.
    async fn bring(
        &self,
        at: &TicketRef,
        key: &TicketKey,
        state: &str,
        ends: bool,
    ) -> Result<(), SinkError> {
        for _ in 0..ROUNDS {
            let item = self.own(at, key).await?;
            if self.is_open(&item).await? != ends {
                return Ok(());
            }
            if let Some(changed) = self.change(&item, vec![add("System.State", state)]).await? {
                if changed.fields.state == state {
                    return Ok(());
                }
                let what = format!("work item {} did not take the state {state}", at.human);
                return Err(self.error(Class::Config, &what));
            }
        }
        Err(self.error(Class::Transient, "the work item is changed all the time"))
    }

    fn priority(&self, said: &Said) -> Result<Option<u64>, SinkError> {
        let Some(text) = &said.priority else { return Ok(None) };
        let what = "priorities of Azure DevOps are numbers, from 1 to 4";
        text.parse().map(Some).map_err(|_| self.error(Class::Config, what))
    }

    /// What a new work item is made of. What the policy adds cannot take the place of the rest.
    fn body(&self, said: &Said) -> Result<Vec<Value>, SinkError> {
        let mut tags = vec![said.key.as_str().to_owned()];
        let mut patch = Vec::new();
        for (name, value) in &said.fields {
            match (name.as_str(), value) {
                ("System.Tags", Value::String(more)) => tags.push(more.clone()),
                ("System.Title" | "System.Description" | "System.State" | "System.Tags", _) => {}
                _ => patch.push(add(name, value.clone())),
            }
        }
        if let Some(priority) = self.priority(said)? {
            patch.push(add("Microsoft.VSTS.Common.Priority", priority));
        }
        patch.extend([
            add("System.Title", said.title.as_str()),
            add("System.Description", said.text.fitted(TEXT_MAX, html)),
            add("System.Tags", tags.join("; ")),
        ]);
        Ok(patch)
    }
}

#[async_trait]
impl TicketSystem for AzureDevops {
    fn caps(&self) -> Caps {
        Caps {
            create: Create::Unguarded,
            // WIQL is a query of its database, not of the search index.
            find: Find::Strong,
            comment: true,
            markup: Markup::Html,
            title_max: 255,
            body_max: TEXT_MAX,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        let states = self.states(&self.kind).await?;
        for (name, ended) in [(&self.closed, true), (&self.reopened, false)] {
            let state = states.iter().find(|state| state.name == *name);
            if state.is_none_or(|state| ENDED.contains(&state.category.as_str()) != ended) {
                let what = if ended { "ends" } else { "is open" };
                let what = format!("{} has no state {name} in which a work item {what}", self.kind);
                return Err(self.error(Class::Config, &what));
            }
        }
        Ok(format!("the project {} has work items of the type {}", self.project, self.kind))
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let mut url = self.at(&["wiql"], VERSION);
        url.query_pairs_mut().append_pair("$top", "10");
        let query = format!(
            "SELECT [System.Id] FROM WorkItems WHERE [System.TeamProject] = @project AND \
             [System.Tags] CONTAINS {} ORDER BY [System.Id] ASC",
            quoted(key.as_str())
        );
        let body = json!({ "query": query });
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        let hits: Hits = self.caller.json(Does::Reads, &[200], request).await?;
        let mut found = Vec::new();
        for hit in hits.items {
            let item = self.item(&hit.id.to_string()).await;
            let item = item.map_err(|error| match error.class {
                // It was deleted in between.
                Class::Gone => SinkError { class: Class::Transient, ..error },
                _ => error,
            })?;
            if item.id != hit.id || !item.has(key) {
                let what =
                    format!("a search for our key brought work item #{}, which lacks it", hit.id);
                return Err(self.error(Class::Config, &what));
            }
            found.push(Found { at: self.place(item.id), standing: self.standing(&item).await? });
        }
        Ok(found)
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        let patch = self.body(said)?;
        let url = self.at(&["workitems", &format!("${}", self.kind)], VERSION);
        let item = self.patch(Does::Writes, Method::POST, &url, &patch).await?;
        if !item.has(&said.key) {
            return Err(self
                .caller
                .strange(Does::Writes, "answered with a work item of another key"));
        }
        Ok(self.place(item.id))
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let item = self.item(&at.id).await?;
        if !item.tags().any(|tag| tag.starts_with("pw1-")) {
            let what = format!("work item {} has no key of ours among its tags", at.human);
            return Err(self.error(Class::Gone, &what));
        }
        self.standing(&item).await
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let priority = self.priority(said)?;
        for _ in 0..ROUNDS {
            let item = self.own(at, &said.key).await?;
            let mut patch = vec![add("System.History", said.text.fitted(TEXT_MAX, html))];
            if priority.is_some() && priority != item.fields.priority {
                patch.push(add("Microsoft.VSTS.Common.Priority", priority));
            }
            if self.change(&item, patch).await?.is_some() {
                return Ok(());
            }
        }
        Err(self.error(Class::Transient, "the work item is changed all the time"))
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let mut url = self.at(&["workItems", &at.id, "comments"], COMMENTS_VERSION);
        url.query_pairs_mut()
            .extend_pairs([("$top", SEARCHED.to_string().as_str()), ("order", "desc")]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let found: Comments = self.caller.json(Does::ReadsOne, &[200], request).await?;
        let said =
            found.comments.iter().filter_map(|it| it.text.as_deref()).any(|it| says(it, mark));
        Ok((said || found.comments.len() < SEARCHED).then_some(said))
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.bring(at, &said.key, &self.closed, true).await
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.bring(at, &said.key, &self.reopened, false).await
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

    /// `:s3cret` in Base64.
    const BASIC: &str = "Basic OnMzY3JldA==";

    fn azure(origin: &Url, patience: Patience) -> AzureDevops {
        let settings = json!({
            "url": origin.join("woodgrove").unwrap(), "project": "Security desk",
            "workItemType": "Issue", "closedState": "Done", "reopenedState": "To Do",
        });
        let settings = serde_json::from_value(settings).unwrap();
        made(&Common::default(), &[("token", "s3cret")], patience, |making| {
            AzureDevops::new(&settings, making)
        })
    }

    fn item(state: &str, key: &str) -> Value {
        json!({
            "id": 7, "rev": 3,
            "fields": {
                "System.State": state, "System.WorkItemType": "Issue", "System.Reason": "Added",
                "System.Tags": format!("{key}; security"), "Microsoft.VSTS.Common.Priority": 2,
            },
        })
    }

    fn states() -> Value {
        json!({ "count": 3, "value": [
            { "name": "To Do", "category": "Proposed" }, { "name": "Doing", "category": "InProgress" },
            { "name": "Done", "category": "Completed" },
        ] })
    }

    /// As strict as Azure DevOps where it matters.
    fn serve(call: Call, asked: &Asked) -> Response {
        if asked.authorization.as_deref() != Some(BASIC) {
            return answer(401, &json!({ "message": "TF400813: not authorized" }));
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let value = |path: &str| {
            body.as_array()?.iter().find(|it| it["path"] == path).map(|it| it["value"].clone())
        };
        let state = if call == Call::Reopen { "Done" } else { "To Do" };
        let line = asked.line.replace("/woodgrove/Security%20desk/_apis/wit", "");
        match line.as_str() {
            "GET /workitems/7?api-version=7.1" => answer(200, &item(state, KEY)),
            "GET /workitemtypes/Issue/states?api-version=7.1" => answer(200, &states()),
            "POST /wiql?api-version=7.1&%24top=10"
                if body["query"].as_str().is_some_and(|it| it.contains(&format!("'{KEY}'"))) =>
            {
                answer(200, &json!({ "workItems": [{ "id": 7 }] }))
            }
            "POST /workitems/$Issue?api-version=7.1"
                if value("/fields/System.Title").is_some()
                    && value("/fields/System.Tags") == Some(KEY.into()) =>
            {
                answer(200, &item("To Do", KEY))
            }
            "PATCH /workitems/7?api-version=7.1" if value("/rev") == Some(3.into()) => {
                let set = value("/fields/System.State");
                answer(200, &item(set.as_ref().and_then(Value::as_str).unwrap_or(state), KEY))
            }
            _ => answer(400, &json!({ "message": "TF51535: cannot find" })),
        }
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        let trial = Trial {
            make: |origin, patience| Box::new(azure(&origin, patience)) as Box<dyn TicketSystem>,
            serve,
            id: "7",
            also_read: &["/_apis/wit/wiql"],
            other: &[],
        };
        trial.run().await;
    }

    #[tokio::test]
    async fn a_search_that_brings_others_is_an_error_and_another_key_is_not_ours() {
        let server = Server::start(|asked| {
            if asked.line.contains("/wiql") {
                return answer(200, &json!({ "workItems": [{ "id": 7 }] }));
            }
            answer(200, &item("To Do", OTHER_KEY))
        })
        .await;
        let azure = azure(&server.origin, QUICK);
        assert_eq!(azure.find(&key()).await.unwrap_err().class, Class::Config);
        let opened = azure.open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
        for ended in [
            azure.comment(&at("7"), &said(MessageKind::Updated, 2)).await,
            azure.close(&at("7"), &said(MessageKind::Closed, 3)).await,
        ] {
            assert_eq!(ended.unwrap_err().class, Class::Gone);
        }
        assert!(server.lines("PATCH").is_empty());
    }

    #[tokio::test]
    async fn what_others_change_meanwhile_is_read_again_and_what_is_ended_left_so() {
        let server = Server::start(|asked| match asked.line.as_str() {
            line if line.starts_with("PATCH") && asked.before == 2 => {
                answer(412, &json!({ "message": "TF26071: changed by someone else" }))
            }
            line if line.contains("/states") => answer(200, &states()),
            line if line.starts_with("PATCH") => answer(200, &item("Done", KEY)),
            _ => answer(200, &item("To Do", KEY)),
        })
        .await;
        let closes = said(MessageKind::Closed, 3);
        azure(&server.origin, QUICK).close(&at("7"), &closes).await.unwrap();
        assert_eq!(server.lines("PATCH").len(), 2);
        let server = Server::start(|asked| {
            let asks = asked.line.contains("/states");
            answer(200, &if asks { states() } else { item("Done", KEY) })
        })
        .await;
        azure(&server.origin, QUICK).close(&at("7"), &closes).await.unwrap();
        assert!(server.lines("PATCH").is_empty());
    }

    #[tokio::test]
    async fn the_page_to_sign_in_with_203_means_that_the_token_is_not_taken() {
        let server = Server::start(|_| answer(203, &json!({}))).await;
        let error = azure(&server.origin, QUICK).read(&at("7")).await.unwrap_err();
        assert_eq!(error.class, Class::Auth, "{error}");
    }

    #[tokio::test]
    async fn what_was_said_is_known_by_its_mark() {
        let server = Server::start(|_| {
            let text = format!("<code>{KEY} #2</code>");
            answer(200, &json!({ "comments": [{ "text": text }] }))
        })
        .await;
        let azure = azure(&server.origin, QUICK);
        let says = |number| said(MessageKind::Updated, number).mark();
        assert_eq!(azure.has_said(&at("7"), &says(2)).await.unwrap(), Some(true));
        assert_eq!(azure.has_said(&at("7"), &says(3)).await.unwrap(), Some(false));
    }
}
