//! Work items of Azure DevOps
//! (<https://learn.microsoft.com/rest/api/azure/devops/wit/work-items>): one for each ticket, found
//! by a tag that is its key. Tickets go to private projects only
//! (<https://learn.microsoft.com/rest/api/azure/devops/core/projects/get>).

mod shape;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, RequestBuilder};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use url::Url;

use self::shape::{Comments, Hits, Item, Project, State, States, Update, Updates};
use super::Making;
use super::call::{Caller, Does};
use crate::adapters::http::Answer;
use crate::domain::markup::{Markup, html};
use crate::domain::secret::Secret;
use crate::domain::sink::{self, Common};
use crate::domain::text::foreign;
use crate::domain::ticket::said::{Ground, Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// The version of the API whose shapes these are.
const VERSION: &str = "7.1";

/// The version of the comments, which were never declared finished.
const COMMENTS_VERSION: &str = "7.1-preview.4";

/// How often a work item is read again that others change at the same time.
const ROUNDS: usize = 4;

/// How many comments, the last first, are searched for what was said.
const SEARCHED: usize = 50;

/// How many of a work item's updates are told at once.
const PAGE: usize = 200;

/// Longest text, in characters.
const TEXT_MAX: usize = 100_000;

/// What a new work item has whatever the policy says.
const OWN: [&str; 4] = ["System.Title", "System.Description", "System.State", "System.Tags"];

/// How changes are written.
const PATCH: &str = "application/json-patch+json";

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
    common: Common,
}

/// A token that is not taken is answered with 203 and the page to sign in, or with the way there.
fn special(answer: &Answer) -> Option<Class> {
    let signs_in = || answer.header("location").is_some_and(|to| to.contains("/_signin"));
    match answer.status.as_u16() {
        203 => Some(Class::Auth),
        302 if signs_in() => Some(Class::Auth),
        _ => None,
    }
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
            // Whoever asks much is made to wait for up to half a minute
            // (<https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits>).
            caller: Caller::new(making.http.clone(), base.clone(), &making.name.0)
                .special(special)
                .patient(making.slow),
            base,
            project: settings.project.as_str().to_owned(),
            kind: settings.work_item_type.as_str().to_owned(),
            closed: settings.closed_state.as_str().to_owned(),
            reopened: settings.reopened_state.as_str().to_owned(),
            token: making.secret("token")?,
            common: making.common.clone(),
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

    /// Tickets hold the names of tenants and partners, and the ways in which they are attacked.
    /// Whatever is not said to be private is not taken for it.
    async fn private(&self) -> Result<(), SinkError> {
        let mut url = self.caller.at(&["_apis", "projects", &self.project]);
        url.query_pairs_mut().append_pair("api-version", VERSION);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let found: Project = self.caller.json(Does::Reads, &[200], request).await?;
        let visibility = match found.visibility.as_deref() {
            Some("private") => return Ok(()),
            None if self.base.host_str() != Some("dev.azure.com") => return Ok(()),
            other => foreign(other.unwrap_or("unknown")),
        };
        let what = format!(
            "the project {} is {visibility}; tickets go to a private one only",
            foreign(&found.name)
        );
        Err(self.error(Class::Config, &what))
    }

    /// The state of a work item, if it is seen who gave it. The one it began with was given by
    /// nobody, and decides nothing.
    async fn given_state(&self, item: &Item) -> Result<Option<Ground>, SinkError> {
        const STATE: &str = "System.State";
        // The last updates are at the end; there are at least as many of them as revisions.
        let revisions = usize::try_from(item.rev).unwrap_or(usize::MAX);
        let mut skip = revisions.saturating_sub(PAGE);
        let mut last = None;
        for _ in 0..ROUNDS {
            let mut url = self.at(&["workItems", &item.id.to_string(), "updates"], VERSION);
            url.query_pairs_mut()
                .extend_pairs([("$top", PAGE.to_string()), ("$skip", skip.to_string())]);
            let request = |client: &Client| self.request(client, Method::GET, &url);
            let updates: Updates = self.caller.json(Does::ReadsOne, &[200], request).await?;
            let read = updates.value.len();
            let sets =
                |it: &Update| it.fields.get(STATE).is_some_and(|it| it.old_value.is_string());
            last = updates.value.into_iter().rfind(sets).or(last);
            if read < PAGE {
                let set = last.filter(|it| {
                    it.fields.get(STATE).is_some_and(|it| it.new_value == *item.fields.state)
                });
                return Ok(set.and_then(|it| it.revised_by).map(|person| Ground {
                    states: vec![item.fields.state.clone()],
                    by: [person.id, person.unique_name].into_iter().flatten().collect(),
                }));
            }
            skip += read;
        }
        // It is not known who did it last.
        Ok(None)
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

    /// A work item that bears the tag of a key, or where somebody has tidied that away, has it in
    /// its text.
    async fn own(&self, at: &TicketRef, key: &TicketKey) -> Result<Item, SinkError> {
        let item = self.item(&at.id).await?;
        if item.has(key) || item.shows(key.as_str()) {
            return Ok(item);
        }
        let what =
            format!("work item {} has our key neither among its tags nor in its text", at.human);
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

    /// How a work item stands. Tags and reasons decide nothing: anybody who may write may change
    /// them, and it is not told who did.
    async fn standing(&self, item: &Item) -> Result<Standing, SinkError> {
        let open = self.is_open(item).await?;
        let decide = &self.common.decide;
        let ground = if decide.any() {
            self.given_state(item).await?
        } else {
            Some(Ground { states: vec![item.fields.state.clone()], by: Vec::new() })
        };
        Ok(Standing::on(open, ground.into_iter().collect(), decide))
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
            self.request(client, method.clone(), url).header(CONTENT_TYPE, PATCH).body(body.clone())
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
                (name, _) if OWN.contains(&name) => {}
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
            // WIQL is a query of its database, not of the search index.
            find: Find::Strong,
            comment: true,
            markup: Markup::Html,
            title_max: 255,
            body_max: TEXT_MAX,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        self.private().await?;
        let states = self.states(&self.kind).await?;
        for (name, ended) in [(&self.closed, true), (&self.reopened, false)] {
            let state = states.iter().find(|state| state.name == *name);
            if state.is_none_or(|state| ENDED.contains(&state.category.as_str()) != ended) {
                let what = if ended { "ends" } else { "is open" };
                let what = format!("{} has no state {name} in which a work item {what}", self.kind);
                return Err(self.error(Class::Config, &what));
            }
        }
        // All that would be given is looked at there, and nothing is kept.
        let mut patch = vec![
            add("System.Title", "Partner Warden"),
            add("System.Description", "<p>Partner Warden</p>"),
            add("System.Tags", "pw1-00000000000000000000000000"),
        ];
        for (name, value) in &self.common.fields {
            if !OWN.contains(&name.as_str()) {
                patch.push(add(name, value.clone()));
            }
        }
        let mut url = self.at(&["workitems", &format!("${}", self.kind)], VERSION);
        url.query_pairs_mut().append_pair("validateOnly", "true");
        let request = |client: &Client| {
            self.request(client, Method::POST, &url)
                .header(CONTENT_TYPE, PATCH)
                .body(Value::from(patch.as_slice()).to_string())
        };
        self.caller.json::<IgnoredAny>(Does::Reads, &[200], request).await?;
        Ok(format!(
            "the private project {} takes work items of the type {}",
            self.project, self.kind
        ))
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
            let item = item.map_err(|error| {
                let deleted = error.class == Class::Gone;
                if deleted { SinkError { class: Class::Transient, ..error } } else { error }
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
        self.private().await?;
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
        if !item.tags().any(|tag| tag.starts_with("pw1-")) && !item.shows("pw1-") {
            let what = format!("work item {} has no key of ours", at.human);
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
    use std::sync::Arc;

    use axum::response::Response;

    use super::*;
    use crate::adapters::http::Patience;
    use crate::adapters::testing::{Asked, QUICK, Server, with};
    use crate::adapters::ticket::testing::{
        Call, Described, KEY, OTHER_KEY, Trial, answer, at, key, made, said,
    };
    use crate::domain::sink::Decides;
    use crate::domain::ticket::MessageKind;

    /// `:s3cret` in Base64.
    const BASIC: &str = "Basic OnMzY3JldA==";

    fn settings(origin: &Url) -> sink::AzureDevops {
        let settings = json!({
            "url": origin.join("woodgrove").unwrap(), "project": "Security desk",
            "workItemType": "Issue", "closedState": "Done", "reopenedState": "To Do",
        });
        serde_json::from_value(settings).unwrap()
    }

    fn with_common(origin: &Url, patience: Patience, common: &Common) -> AzureDevops {
        made(common, &[("token", "s3cret")], patience, |making| {
            AzureDevops::new(&settings(origin), making)
        })
    }

    fn azure(origin: &Url, patience: Patience) -> AzureDevops {
        with_common(origin, patience, &Common::default())
    }

    fn deciding() -> Common {
        let decide = Decides { approve: vec!["Go".to_owned()], ..Decides::default() };
        Common { decide, ..Common::default() }
    }

    fn project(visibility: &str) -> Value {
        json!({ "id": "eb6e4656", "name": "Security desk", "state": "wellFormed",
                "visibility": visibility })
    }

    fn update(rev: u64, who: &str, old: &Value, new: &str) -> Value {
        json!({
            "id": rev, "rev": rev,
            "revisedBy": { "id": format!("id-{who}"), "displayName": "boss",
                           "uniqueName": format!("{who}@woodgrove.example") },
            "fields": { "System.State": { "oldValue": old, "newValue": new },
                        "System.Rev": { "oldValue": rev - 1, "newValue": rev } },
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
            "GET /woodgrove/_apis/projects/Security%20desk?api-version=7.1" => {
                answer(200, &project("private"))
            }
            "GET /workItems/7/updates?api-version=7.1&%24top=200&%24skip=0" => {
                let updates = [update(2, "boss", &json!("To Do"), state)];
                answer(200, &json!({ "count": 1, "value": updates }))
            }
            "GET /workItems/7/comments?api-version=7.1-preview.4&%24top=50&order=desc" => {
                answer(200, &json!({ "totalCount": 0, "count": 0, "comments": [] }))
            }
            "POST /workitems/$Issue?api-version=7.1&validateOnly=true"
                if value("/fields/System.Title").is_some() =>
            {
                answer(200, &item("To Do", KEY))
            }
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
    async fn every_request_and_answer_is_as_the_published_description_has_it() {
        let published = include_str!("../../../tests/data/published/azure-devops.json");
        let described = Arc::new(Described::new(published));
        let make = |origin: &Url| {
            let azure = with_common(origin, QUICK, &deciding());
            Box::new(azure) as Box<dyn TicketSystem>
        };
        described.follow(make, serve, "7").await;
        assert_eq!(described.unseen(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_project_that_is_not_private_gets_no_ticket() {
        for visibility in ["public", "organization", ""] {
            let server = Server::start(move |asked| {
                if asked.line.contains("/_apis/projects/") {
                    return answer(200, &project(visibility));
                }
                answer(
                    200,
                    &if asked.line.contains("/states") { states() } else { item("To Do", KEY) },
                )
            })
            .await;
            let azure = azure(&server.origin, QUICK);
            for ended in [
                azure.open(&said(MessageKind::Opened, 1)).await.map(drop),
                azure.preflight().await.map(drop),
            ] {
                let error = ended.unwrap_err();
                assert_eq!(error.class, Class::Config);
                assert!(error.said.contains("private one only"), "{error}");
            }
            assert!(server.lines("POST").is_empty(), "{visibility}");
        }
    }

    #[tokio::test]
    async fn a_project_that_does_not_say_what_it_is_is_one_of_a_server_of_ones_own() {
        let server = Server::start(|_| answer(200, &json!({ "name": "Security desk" }))).await;
        azure(&server.origin, QUICK).private().await.unwrap();
    }

    #[tokio::test]
    async fn whoever_gave_it_its_state_decided_and_nobody_else() {
        let begun = || update(1, "opener", &Value::Null, "Go");
        let step = |rev, who: &str, old: &str, new: &str| update(rev, who, &json!(old), new);
        let comment = json!({ "id": 4, "rev": 4, "revisedBy": { "id": "id-talker" } });
        let boss = vec!["id-boss".to_owned(), "boss@woodgrove.example".to_owned()];
        for (updates, states, by) in [
            (
                json!([
                    begun(),
                    step(2, "first", "Go", "Doing"),
                    step(3, "boss", "Doing", "Go"),
                    comment
                ]),
                vec!["Go".to_owned()],
                boss,
            ),
            // It began so.
            (json!([begun(), comment]), vec![], vec![]),
            // It was moved on meanwhile.
            (json!([begun(), step(2, "first", "Go", "Doing")]), vec![], vec![]),
        ] {
            let server = Server::start(move |asked| match asked.line.as_str() {
                line if line.contains("/updates") => answer(200, &json!({ "value": updates })),
                line if line.contains("/states") => answer(200, &states_with_go()),
                _ => answer(200, &item("Go", KEY)),
            })
            .await;
            let read =
                with_common(&server.origin, QUICK, &deciding()).read(&at("7")).await.unwrap();
            assert_eq!((read.open, read.states, read.by), (true, states, by));
        }
    }

    fn states_with_go() -> Value {
        json!({ "value": [{ "name": "Go", "category": "InProgress" }] })
    }

    #[tokio::test]
    async fn the_last_of_many_updates_is_found_at_their_end() {
        let server = Server::start(|asked| {
            if asked.line.contains("/states") {
                return answer(200, &states_with_go());
            }
            if !asked.line.contains("/updates") {
                let mut found = item("Go", KEY);
                found["rev"] = 410.into();
                return answer(200, &found);
            }
            let page: Vec<Value> = match asked.line.rsplit('=').next() {
                Some("210") => {
                    (0..200).map(|_| update(2, "first", &json!("Doing"), "Go")).collect()
                }
                Some("410") => vec![update(411, "boss", &json!("Doing"), "Go")],
                skip => panic!("{skip:?}"),
            };
            answer(200, &json!({ "value": page }))
        })
        .await;
        let read = with_common(&server.origin, QUICK, &deciding()).read(&at("7")).await.unwrap();
        assert_eq!(read.by, ["id-boss", "boss@woodgrove.example"]);
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        let trial = Trial {
            make: |origin, patience: Patience| {
                let azure = with_common(&origin, patience, &deciding());
                Box::new(azure) as Box<dyn TicketSystem>
            },
            serve,
            id: "7",
            also_read: &["/_apis/wit/wiql", "validateOnly"],
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
            if asked.line.contains("/_apis/projects/") {
                return answer(200, &project("private"));
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
    async fn a_work_item_whose_tag_was_tidied_away_is_still_ours_by_its_text() {
        let server = Server::start(|asked| {
            let mut found =
                item(if asked.line.starts_with("PATCH") { "Done" } else { "To Do" }, "x");
            found["fields"]["System.Description"] = format!("<code>{KEY} #1</code>").into();
            answer(200, &if asked.line.contains("/states") { states() } else { found })
        })
        .await;
        let azure = azure(&server.origin, QUICK);
        assert!(azure.read(&at("7")).await.unwrap().open);
        azure.comment(&at("7"), &said(MessageKind::Updated, 2)).await.unwrap();
        azure.close(&at("7"), &said(MessageKind::Closed, 3)).await.unwrap();
        assert_eq!(server.lines("PATCH").len(), 2);
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
    async fn the_page_to_sign_in_means_that_the_token_is_not_taken() {
        for (code, to) in
            [(203, "/"), (302, "https://spsprodweu1.vssps.visualstudio.com/_signin?realm=x")]
        {
            let server =
                Server::start(move |_| with(answer(code, &json!({})), "location", to)).await;
            let error = azure(&server.origin, QUICK).read(&at("7")).await.unwrap_err();
            assert_eq!(error.class, Class::Auth, "{error}");
        }
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
