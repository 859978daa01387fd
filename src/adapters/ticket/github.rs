//! GitHub Issues (<https://docs.github.com/en/rest/issues>): one issue for each ticket, found by a
//! label that is its key.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use url::Url;

use super::Making;
use super::call::{Caller, Does};
use crate::adapters::http::Answer;
use crate::domain::markup::{Markup, markdown};
use crate::domain::secret::Secret;
use crate::domain::sink::{self, Decides};
use crate::domain::ticket::said::{Ground, Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// The version of the API whose shapes these are.
const VERSION: &str = "2022-11-28";

/// Longest text, in characters: GitHub takes 65 536.
const TEXT_MAX: usize = 60_000;

/// How much of a list is told at once.
const PAGE: usize = 100;

/// How many pages of an issue's events are read.
const PAGES: usize = 10;

/// Ways to end an issue that may refuse, but never agree.
const ENDS: [&str; 2] = ["not_planned", "duplicate"];

/// Issues of one repository.
pub struct Github {
    caller: Caller,
    owner: String,
    name: String,
    token: Secret,
    decide: Decides,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    html_url: Option<Url>,
    state: String,
    #[serde(default)]
    state_reason: Option<String>,
    labels: Vec<Label>,
    #[serde(default)]
    body: Option<String>,
    /// Of a pull request, which is told of as an issue too.
    #[serde(default)]
    pull_request: Option<IgnoredAny>,
    #[serde(default)]
    closed_by: Option<User>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "event")]
    kind: String,
    #[serde(default)]
    actor: Option<User>,
    #[serde(default)]
    label: Option<Label>,
}

#[derive(Deserialize)]
struct Comment {
    body: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    private: bool,
    has_issues: bool,
    full_name: String,
}

impl Github {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::Github, making: &Making<'_>) -> Result<Self, String> {
        let base = match &settings.url {
            Some(address) => address.url().clone(),
            None => Url::parse("https://api.github.com").map_err(|error| error.to_string())?,
        };
        Ok(Self {
            caller: Caller::new(making.http.clone(), base, &making.name.0).special(special),
            owner: settings.repository.owner.clone(),
            name: settings.repository.name.clone(),
            token: making.secret("token")?,
            decide: making.common.decide.clone(),
        })
    }

    fn at(&self, rest: &[&str]) -> Url {
        let mut segments = vec!["repos", self.owner.as_str(), self.name.as_str()];
        segments.extend(rest);
        self.caller.at(&segments)
    }

    fn request(&self, client: &Client, method: Method, url: &Url) -> RequestBuilder {
        client
            .request(method, url.clone())
            .bearer_auth(self.token.expose())
            .header("x-github-api-version", VERSION)
    }

    async fn issue(&self, at: &TicketRef) -> Result<Issue, SinkError> {
        let url = self.at(&["issues", &at.id]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        match self.caller.json(Does::ReadsOne, &[200], request).await {
            // GitHub says the same where the whole repository is not seen, or not there.
            Err(error) if error.class == Class::Gone => {
                self.private().await?;
                Err(error)
            }
            read => read,
        }
    }

    /// An issue that says itself that it is the one of a key: by its label, or where somebody has
    /// tidied that away, by its text.
    async fn own(&self, at: &TicketRef, key: &TicketKey) -> Result<Issue, SinkError> {
        let issue = self.issue(at).await?;
        let says = issue.body.as_ref().is_some_and(|body| body.contains(key.as_str()));
        if issue.pull_request.is_none() && (issue.has(key) || says) {
            return Ok(issue);
        }
        let what = format!("issue {} has our key neither as a label nor in its text", at.human);
        Err(self.error(Class::Gone, &what))
    }

    fn error(&self, class: Class, what: &str) -> SinkError {
        SinkError::new(class, format!("{}: {what}", self.caller.whom()))
    }

    /// What was done to an issue, the first first; nothing where that is more than is read.
    async fn events(&self, at: &TicketRef) -> Result<Option<Vec<Event>>, SinkError> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let mut url = self.at(&["issues", &at.id, "events"]);
            let numbers = [("per_page", PAGE.to_string()), ("page", page.to_string())];
            url.query_pairs_mut().extend_pairs(numbers);
            let request = |client: &Client| self.request(client, Method::GET, &url);
            let events: Vec<Event> = self.caller.json(Does::ReadsOne, &[200], request).await?;
            let last = events.len() < PAGE;
            all.extend(events);
            if last {
                return Ok(Some(all));
            }
        }
        Ok(None)
    }

    /// Makes a label. Whoever may not do that has their labels left out of new issues, without a
    /// word (<https://docs.github.com/en/rest/issues/issues#create-an-issue>), so that no issue would
    /// ever be found again.
    async fn label(&self, key: &TicketKey) -> Result<(), SinkError> {
        let url = self.at(&["labels"]);
        let body = json!({
            "name": key.as_str(), "color": "ededed", "description": "A ticket of Partner Warden",
        });
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        // A second attempt is the first one again, so a lost answer leaves nothing unknown.
        let answer = self.caller.call(Does::Reads, &[201, 422], request).await?;
        if answer.status.as_u16() == 422 {
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let exists = |error: &Value| error["code"] == "already_exists";
            if !said["errors"].as_array().is_some_and(|errors| errors.iter().any(exists)) {
                return Err(self.caller.refused(Class::Config, &answer));
            }
        }
        Ok(())
    }

    async fn change(&self, at: &TicketRef, change: &Value) -> Result<(), SinkError> {
        let url = self.at(&["issues", &at.id]);
        let request = |client: &Client| self.request(client, Method::PATCH, &url).json(change);
        self.caller.json::<Issue>(Does::WritesOne, &[200], request).await.map(drop)
    }

    /// Tickets hold the names of tenants and partners, and the ways in which they are attacked.
    async fn private(&self) -> Result<Repository, SinkError> {
        let url = self.at(&[]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let found = self.caller.json(Does::Reads, &[200], request).await;
        let found: Repository = found.map_err(|error| {
            if error.class != Class::Gone {
                return error;
            }
            let what = "the repository was moved or renamed; name it as it is called now";
            self.error(Class::Config, what)
        })?;
        if !found.private {
            let what = "the repository is public; tickets go to a private one only";
            return Err(self.error(Class::Config, what));
        }
        if !found.has_issues {
            let what = "issues are turned off in the repository's settings";
            return Err(self.error(Class::Config, what));
        }
        Ok(found)
    }
}

/// GitHub says with 403 too that it was asked too often, with or without `retry-after`
/// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
///
/// An issue that was moved to another repository is answered with 301.
fn special(answer: &Answer) -> Option<Class> {
    match answer.status.as_u16() {
        301 => return Some(Class::Gone),
        403 | 429 => {}
        _ => return None,
    }
    let spent = answer.header("x-ratelimit-remaining") == Some("0");
    if let Some(after) = answer.retry_after() {
        return Some(Class::RateLimited(Some(after)));
    }
    let said = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    (spent || said.contains("rate limit") || said.contains("abuse detection"))
        .then_some(Class::RateLimited(spent.then_some(Duration::from_mins(15))))
}

impl Issue {
    fn place(&self) -> TicketRef {
        TicketRef {
            id: self.number.to_string(),
            human: format!("#{}", self.number),
            url: self.html_url.as_ref().map(Url::to_string),
        }
    }

    fn is_open(&self) -> bool {
        self.state != "closed"
    }

    /// How it stands, without who has brought it there.
    fn standing(&self, decide: &Decides) -> Standing {
        let labels = self.labels.iter().map(|label| label.name.clone());
        let ends = self.state_reason.clone().filter(|reason| ENDS.contains(&reason.as_str()));
        let grounds = labels.chain(ends);
        let grounds = grounds.map(|state| Ground { states: vec![state], by: Vec::new() });
        Standing::on(self.is_open(), grounds.collect(), decide)
    }

    /// Its labels, each with whoever gave it last, and its end, if that may refuse.
    fn grounds(&self, events: &[Event]) -> Vec<Ground> {
        let logins = |user: Option<&User>| user.iter().map(|user| user.login.clone()).collect();
        let labels = self.labels.iter().filter_map(|label| {
            let given = events.iter().rfind(|it| {
                it.kind == "labeled" && it.label.as_ref().is_some_and(|it| it.name == label.name)
            })?;
            Some(Ground { states: vec![label.name.clone()], by: logins(given.actor.as_ref()) })
        });
        let end = self.state_reason.as_ref().filter(|reason| ENDS.contains(&reason.as_str()));
        let end = end.filter(|_| !self.is_open());
        let end = end.map(|reason| Ground {
            states: vec![reason.clone()],
            by: logins(self.closed_by.as_ref()),
        });
        labels.chain(end).collect()
    }

    fn has(&self, key: &TicketKey) -> bool {
        self.labels.iter().any(|label| label.name == key.as_str())
    }
}

#[async_trait]
impl TicketSystem for Github {
    fn caps(&self) -> Caps {
        Caps {
            // The list is not the search index, which lags.
            find: Find::Strong,
            comment: true,
            markup: Markup::Markdown,
            title_max: 256,
            body_max: TEXT_MAX,
        }
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        let found = self.private().await?;
        Ok(format!("the private repository {} takes issues", found.full_name))
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let mut url = self.at(&["issues"]);
        url.query_pairs_mut().extend_pairs([
            ("labels", key.as_str()),
            ("state", "all"),
            ("sort", "created"),
            ("direction", "asc"),
            ("per_page", "10"),
        ]);
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let issues: Vec<Issue> = self.caller.json(Does::Reads, &[200], request).await?;
        let (own, others): (Vec<Issue>, Vec<Issue>) = issues
            .into_iter()
            .filter(|issue| issue.pull_request.is_none())
            .partition(|issue| issue.has(key));
        if let (true, Some(other)) = (own.is_empty(), others.first()) {
            let what = format!(
                "a search for our key brought issue #{}, which lacks it: it searched for nothing",
                other.number
            );
            return Err(self.error(Class::Config, &what));
        }
        let own = own.into_iter();
        let found = own.map(|it| Found { at: it.place(), standing: it.standing(&self.decide) });
        Ok(found.collect())
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        self.private().await?;
        self.label(&said.key).await?;
        let mut body = json!({
            "title": said.title,
            "body": said.text.fitted(TEXT_MAX, markdown),
            "labels": [said.key.as_str()],
        });
        if let Some(body) = body.as_object_mut() {
            // What the policy adds cannot take the place of what a ticket is known by.
            for (name, value) in &said.fields {
                match (name.as_str(), body.get_mut("labels"), value) {
                    ("labels", Some(Value::Array(labels)), Value::Array(more)) => {
                        labels.extend(more.iter().cloned());
                    }
                    _ => {
                        body.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
            }
        }
        let url = self.at(&["issues"]);
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        let issue: Issue = self.caller.json(Does::Writes, &[201], request).await?;
        if !issue.has(&said.key) {
            return Err(self.caller.strange(Does::Writes, "answered with an issue of another key"));
        }
        Ok(issue.place())
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let issue = self.issue(at).await?;
        if !self.decide.any() {
            return Ok(issue.standing(&self.decide));
        }
        // Where not all is seen, nobody has decided.
        let grounds = self.events(at).await?.map(|events| issue.grounds(&events));
        Ok(Standing::on(issue.is_open(), grounds.unwrap_or_default(), &self.decide))
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.own(at, &said.key).await?;
        let url = self.at(&["issues", &at.id, "comments"]);
        let body = json!({ "body": said.text.fitted(TEXT_MAX, markdown) });
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        self.caller.json::<Comment>(Does::WritesOne, &[201], request).await.map(drop)
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let mut url = self.at(&["issues", &at.id, "comments"]);
        url.query_pairs_mut().append_pair("per_page", &PAGE.to_string());
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let found: Vec<Comment> = self.caller.json(Does::ReadsOne, &[200], request).await?;
        let said = found.iter().filter_map(|it| it.body.as_deref()).any(|it| says(it, mark));
        // Only the first hundred are seen.
        Ok((said || found.len() < PAGE).then_some(said))
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        if !self.own(at, &said.key).await?.is_open() {
            return Ok(());
        }
        self.change(at, &json!({ "state": "closed", "state_reason": "completed" })).await
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        if self.own(at, &said.key).await?.is_open() {
            return Ok(());
        }
        self.change(at, &json!({ "state": "open" })).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::response::Response;

    use super::*;
    use crate::adapters::http::Patience;
    use crate::adapters::testing::{Asked, QUICK, Server, status, with};
    use crate::adapters::ticket::testing::{
        Call, Described, KEY, OTHER_KEY, Trial, answer, at, key, made, said,
    };
    use crate::domain::markup::{Block, Document, Span};
    use crate::domain::sink::Common;
    use crate::domain::ticket::MessageKind;

    const TOKEN: &str = "ghp_s3cret";

    fn github(origin: &Url, patience: Patience) -> Github {
        let decide = Decides {
            approve: vec!["approved".to_owned()],
            refuse: vec!["refused".to_owned(), "not_planned".to_owned()],
            by: Vec::new(),
        };
        let common = Common { decide, ..Common::default() };
        made(&common, &[("token", TOKEN)], patience, |making| {
            Github::new(&settings(origin), making)
        })
    }

    fn settings(origin: &Url) -> sink::Github {
        let settings = json!({ "repository": "woodgrove/security", "url": origin });
        serde_json::from_value(settings).unwrap()
    }

    fn issue(state: &str, key: &str) -> Value {
        json!({
            "id": 1_000_007, "number": 7,
            "html_url": "https://github.example/woodgrove/security/issues/7",
            "state": state,
            "state_reason": null,
            "labels": [{ "id": 1, "name": "security" }, { "id": 2, "name": key }],
            "title": "Woodgrove",
        })
    }

    fn repository(private: bool) -> Value {
        json!({
            "id": 1, "full_name": "woodgrove/security", "private": private, "has_issues": true,
        })
    }

    fn labelled(label: &str, by: &str) -> Value {
        let actor = json!({ "id": 1, "login": by });
        json!({ "id": 1, "event": "labeled", "actor": actor, "label": { "name": label } })
    }

    /// As strict as GitHub where it matters: without the token, the version or the shape of a body
    /// nothing is done.
    fn serve(call: Call, asked: &Asked) -> Response {
        if asked.authorization.as_deref() != Some("Bearer ghp_s3cret") {
            return answer(401, &json!({ "message": "Bad credentials" }));
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let state = if call == Call::Reopen { "closed" } else { "open" };
        match asked.line.as_str() {
            "GET /repos/woodgrove/security" => answer(200, &repository(true)),
            "GET /repos/woodgrove/security/issues/7" => answer(200, &issue(state, KEY)),
            "POST /repos/woodgrove/security/labels" if body["name"] == KEY => {
                answer(201, &json!({ "id": 1, "name": KEY, "color": "ededed" }))
            }
            line if line.starts_with("GET /repos/woodgrove/security/issues/7/events?") => {
                answer(200, &json!([labelled("security", "boss")]))
            }
            line if line.starts_with("GET /repos/woodgrove/security/issues/7/comments?") => {
                answer(200, &json!([]))
            }
            "POST /repos/woodgrove/security/issues"
                if body["title"].is_string() && body["labels"][0] == KEY =>
            {
                answer(201, &issue("open", KEY))
            }
            "PATCH /repos/woodgrove/security/issues/7"
                if matches!(body["state"].as_str(), Some("open" | "closed")) =>
            {
                answer(200, &issue(body["state"].as_str().unwrap(), KEY))
            }
            "POST /repos/woodgrove/security/issues/7/comments" if body["body"].is_string() => {
                answer(201, &json!({ "id": 1, "body": body["body"] }))
            }
            line if line.starts_with("GET /repos/woodgrove/security/issues?labels=pw1-") => {
                answer(200, &json!([issue("open", KEY)]))
            }
            _ => answer(422, &json!({ "message": "Validation Failed" })),
        }
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        let trial = Trial {
            make: |origin, patience| Box::new(github(&origin, patience)) as Box<dyn TicketSystem>,
            serve,
            id: "7",
            also_read: &["/security/labels"],
            other: &[],
        };
        trial.run().await;
    }

    #[tokio::test]
    async fn every_request_and_answer_is_as_the_published_description_has_it() {
        let published = include_str!("../../../tests/data/published/github.json");
        let described = Arc::new(Described::new(published));
        let make = |origin: &Url| Box::new(github(origin, QUICK)) as Box<dyn TicketSystem>;
        described.follow(make, serve, "7").await;
        assert_eq!(described.unseen(), Vec::<String>::new());
    }

    async fn answering(answers: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Server {
        Server::start(answers).await
    }

    #[tokio::test]
    async fn only_issues_that_bear_the_key_are_found() {
        let server =
            answering(|_| answer(200, &json!([issue("open", OTHER_KEY), issue("closed", KEY)])))
                .await;
        let found = github(&server.origin, QUICK).find(&key()).await.unwrap();
        assert_eq!(found.len(), 1);
        assert!(!found[0].standing.open);
        assert_eq!((found[0].at.id.as_str(), found[0].at.human.as_str()), ("7", "#7"));
    }

    #[tokio::test]
    async fn a_search_that_brings_only_others_has_searched_for_nothing() {
        let server = answering(|_| answer(200, &json!([issue("open", OTHER_KEY)]))).await;
        let found = github(&server.origin, QUICK).find(&key()).await;
        assert_eq!(found.unwrap_err().class, Class::Config);
        // A pull request may bear any label.
        let server = answering(|_| {
            let mut pull = issue("open", KEY);
            pull["pull_request"] = json!({ "url": "https://api.github.example/pulls/7" });
            answer(200, &json!([pull]))
        })
        .await;
        assert!(github(&server.origin, QUICK).find(&key()).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_issue_of_another_key_is_neither_taken_for_the_one_opened_nor_written_to() {
        let server = answering(|asked| match asked.line.as_str() {
            "GET /repos/woodgrove/security" => answer(200, &repository(true)),
            line if line.starts_with("GET ") => answer(200, &issue("open", OTHER_KEY)),
            _ => answer(201, &issue("open", OTHER_KEY)),
        })
        .await;
        let github = github(&server.origin, QUICK);
        let opened = github.open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
        let closing = said(MessageKind::Closed, 3);
        for ended in [
            github.comment(&at("7"), &closing).await,
            github.close(&at("7"), &closing).await,
            github.reopen(&at("7"), &closing).await,
        ] {
            assert_eq!(ended.unwrap_err().class, Class::Gone);
        }
        assert!(server.lines("comments").is_empty() && server.lines("PATCH").is_empty());
    }

    #[tokio::test]
    async fn an_issue_whose_label_was_tidied_away_is_still_ours_by_its_text() {
        let server = answering(|asked| {
            let mut found = issue("open", "tidy");
            found["body"] = format!("What was found\n\n`{KEY} #1`").into();
            if asked.line.contains("comments") {
                return answer(201, &json!({ "id": 1, "body": "" }));
            }
            answer(200, &found)
        })
        .await;
        let updated = said(MessageKind::Updated, 2);
        github(&server.origin, QUICK).comment(&at("7"), &updated).await.unwrap();
        assert_eq!(server.lines("POST").len(), 1);
    }

    #[tokio::test]
    async fn no_issue_is_opened_by_whoever_may_not_give_it_its_label() {
        let label = |code: u16, body: Value| {
            answering(move |asked| match asked.line.as_str() {
                "GET /repos/woodgrove/security" => answer(200, &repository(true)),
                "POST /repos/woodgrove/security/labels" => answer(code, &body),
                _ => answer(201, &issue("open", KEY)),
            })
        };
        let exists = json!({ "message": "Validation Failed",
                             "errors": [{ "resource": "Label", "code": "already_exists", "field": "name" }] });
        let invalid = json!({ "message": "Validation Failed",
                              "errors": [{ "resource": "Label", "code": "invalid", "field": "name" }] });
        for (code, body, ended) in [
            (422, exists, None),
            (422, invalid, Some(Class::Config)),
            (403, json!({ "message": "Resource not accessible" }), Some(Class::Auth)),
            (404, json!({ "message": "Not Found" }), Some(Class::Config)),
        ] {
            let server = label(code, body).await;
            let opened = github(&server.origin, QUICK).open(&said(MessageKind::Opened, 1)).await;
            assert_eq!(opened.err().map(|error| error.class), ended);
            assert_eq!(
                server.lines("POST /repos/woodgrove/security/issues").len(),
                usize::from(ended.is_none())
            );
        }
    }

    #[tokio::test]
    async fn whoever_gave_a_label_last_decided_and_nobody_else() {
        let read = |state: &'static str, labels: Value, events: Value| async move {
            let server = answering(move |asked| {
                if asked.line.contains("/events") {
                    return answer(200, &events);
                }
                let mut found = issue(state, KEY);
                found["labels"] = labels.clone();
                found["closed_by"] = json!({ "id": 2, "login": "closer" });
                if state == "closed" {
                    found["state_reason"] = "not_planned".into();
                }
                answer(200, &found)
            })
            .await;
            let read = github(&server.origin, QUICK).read(&at("7")).await.unwrap();
            (read.states, read.by)
        };
        let approved = || json!([{ "name": KEY }, { "name": "approved" }]);
        let both = json!([{ "name": "approved" }, { "name": "refused" }]);
        let unlabelled = json!({ "id": 2, "event": "unlabeled", "label": { "name": "approved" } });
        let owned = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        for (state, labels, events, states, by) in [
            (
                "open",
                approved(),
                json!([
                    labelled("approved", "anybody"),
                    unlabelled,
                    labelled("approved", "boss"),
                    labelled("security", "other")
                ]),
                &["approved"][..],
                &["boss"][..],
            ),
            // What is not seen to be given was given by nobody.
            ("open", approved(), json!([labelled("security", "other")]), &[], &[]),
            (
                "open",
                both,
                json!([labelled("approved", "boss"), labelled("refused", "guard")]),
                &["refused"],
                &["guard"],
            ),
            (
                "closed",
                approved(),
                json!([labelled("approved", "boss")]),
                &["not_planned"],
                &["closer"],
            ),
        ] {
            assert_eq!(read(state, labels, events).await, (owned(states), owned(by)));
        }
        // More events than are read decide nothing.
        let many: Vec<Value> = (0..PAGE).map(|_| labelled("approved", "boss")).collect();
        assert_eq!(read("open", approved(), json!(many)).await, (vec![], vec![]));
    }

    #[tokio::test]
    async fn texts_are_fitted_and_inert_and_known_by_their_mark() {
        let mut long = said(MessageKind::Opened, 1);
        let line = vec![Span::Text("@woodgrove/all <b>x</b> #12 ".repeat(40))];
        long.text = Document { blocks: vec![Block::Paragraph(line); 200] };
        let last = Block::Paragraph(vec![Span::Code(long.mark())]);
        long.text.blocks.push(last);
        let server = answering(|asked| serve(Call::Open, asked)).await;
        github(&server.origin, QUICK).open(&long).await.unwrap();
        let asked = server.asked();
        let body: Value = serde_json::from_slice(&asked.last().unwrap().body).unwrap();
        let text = body["body"].as_str().unwrap();
        assert!(
            text.chars().count() <= TEXT_MAX && text.ends_with(&format!("`{KEY} #1`")),
            "{text}"
        );
        assert!(text.contains("`@woodgrove/all`") && !text.contains("<b>"), "{text}");
        let server =
            answering(|_| answer(200, &json!([{ "id": 1, "body": format!("so\n\n`{KEY} #10`") }])))
                .await;
        let github = github(&server.origin, QUICK);
        let says = |number| said(MessageKind::Updated, number).mark();
        assert_eq!(github.has_said(&at("7"), &says(10)).await.unwrap(), Some(true));
        assert_eq!(github.has_said(&at("7"), &says(1)).await.unwrap(), Some(false));
    }

    #[tokio::test]
    async fn a_public_repository_gets_no_ticket() {
        let server = answering(|_| answer(200, &repository(false))).await;
        let github = github(&server.origin, QUICK);
        for ended in [
            github.open(&said(MessageKind::Opened, 1)).await.map(drop),
            github.preflight().await.map(drop),
        ] {
            let error = ended.unwrap_err();
            assert_eq!(error.class, Class::Config);
            assert!(error.said.contains("public"), "{error}");
        }
        assert!(server.lines("POST").is_empty());
    }

    #[tokio::test]
    async fn being_asked_too_often_may_be_said_with_403() {
        let limit = Duration::from_mins(15);
        for (answer, class) in [
            (
                with(status(403), "retry-after", "9"),
                Class::RateLimited(Some(Duration::from_secs(9))),
            ),
            (with(status(403), "x-ratelimit-remaining", "0"), Class::RateLimited(Some(limit))),
            (
                answer(403, &json!({ "message": "You have exceeded a secondary rate limit." })),
                Class::RateLimited(None),
            ),
            (
                answer(
                    403,
                    &json!({ "message": "You have triggered an abuse detection mechanism." }),
                ),
                Class::RateLimited(None),
            ),
            (with(status(429), "x-ratelimit-remaining", "0"), Class::RateLimited(Some(limit))),
            (status(429), Class::RateLimited(None)),
            (answer(403, &json!({ "message": "Resource not accessible" })), Class::Auth),
        ] {
            let answer = std::sync::Mutex::new(Some(answer));
            let server = answering(move |_| answer.lock().unwrap().take().unwrap()).await;
            let error = github(&server.origin, QUICK).read(&at("7")).await.unwrap_err();
            assert_eq!(error.class, class, "{error}");
        }
    }

    #[tokio::test]
    async fn a_ticket_that_is_not_there_is_gone_and_one_that_is_ended_is_left_so() {
        // Deleted, moved to another repository, or deleted for those who may know that.
        for code in [404, 301, 410] {
            let server = answering(move |asked| match asked.line.as_str() {
                "GET /repos/woodgrove/security" => answer(200, &repository(true)),
                _ => answer(code, &json!({ "message": "Moved Permanently" })),
            })
            .await;
            let gone = github(&server.origin, QUICK).read(&at("7")).await.unwrap_err();
            assert_eq!(gone.class, Class::Gone, "{code}");
        }
        // The repository itself, or all that the token shows of it.
        for code in [404, 301] {
            let server = answering(move |_| answer(code, &json!({ "message": "Not Found" }))).await;
            let gone = github(&server.origin, QUICK).read(&at("7")).await.unwrap_err();
            assert_eq!(gone.class, Class::Config, "{code}");
        }
        let server = answering(|_| answer(200, &issue("closed", KEY))).await;
        github(&server.origin, QUICK).close(&at("7"), &said(MessageKind::Closed, 3)).await.unwrap();
        assert!(server.lines("PATCH").is_empty());
    }
}
