//! GitHub Issues (<https://docs.github.com/en/rest/issues>): one issue for each ticket, found by a
//! label that is its key.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Making;
use super::call::{Caller, Does};
use crate::adapters::http::Answer;
use crate::domain::markup::{Markup, markdown};
use crate::domain::secret::Secret;
use crate::domain::sink;
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef};
use crate::ports::ticket::{Caps, Class, Create, Find, Found, SinkError, TicketSystem};

/// The version of the API whose shapes these are.
const VERSION: &str = "2022-11-28";

/// Issues of one repository.
pub struct Github {
    caller: Caller,
    owner: String,
    name: String,
    token: Secret,
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
        self.caller
            .json(Does::ReadsOne, &[200], |client| self.request(client, Method::GET, &url))
            .await
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
        let found: Repository = self.caller.json(Does::Reads, &[200], request).await?;
        let whom = self.caller.whom();
        if !found.private {
            let said =
                format!("{whom}: the repository is public; tickets go to a private one only");
            return Err(SinkError::new(Class::Config, said));
        }
        if !found.has_issues {
            let said = format!("{whom}: issues are turned off in the repository's settings");
            return Err(SinkError::new(Class::Config, said));
        }
        Ok(found)
    }
}

/// GitHub says with 403 too that it was asked too often, with or without `retry-after`
/// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
fn special(answer: &Answer) -> Option<Class> {
    if answer.status.as_u16() != 403 {
        return None;
    }
    let spent = answer.header("x-ratelimit-remaining") == Some("0");
    if let Some(after) = answer.retry_after() {
        return Some(Class::RateLimited(Some(after)));
    }
    let said = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    (spent || said.contains("rate limit"))
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

    fn standing(self) -> Standing {
        let labels = self.labels.into_iter().map(|label| label.name);
        Standing {
            open: self.state != "closed",
            states: labels.chain([self.state]).chain(self.state_reason).collect(),
            by: self.closed_by.into_iter().map(|user| user.login).collect(),
        }
    }

    fn has(&self, key: &TicketKey) -> bool {
        self.labels.iter().any(|label| label.name == key.as_str())
    }
}

#[async_trait]
impl TicketSystem for Github {
    fn caps(&self) -> Caps {
        Caps {
            create: Create::Unguarded,
            // The list is not the search index, which lags.
            find: Find::Strong,
            comment: true,
            markup: Markup::Markdown,
            title_max: 256,
            body_max: 60_000,
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
        let own = issues.into_iter().filter(|issue| issue.has(key));
        Ok(own.map(|issue| Found { at: issue.place(), standing: issue.standing() }).collect())
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        self.private().await?;
        let mut body = json!({
            "title": said.title,
            "body": markdown(&said.text),
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
        self.issue(at).await.map(Issue::standing)
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let url = self.at(&["issues", &at.id, "comments"]);
        let body = json!({ "body": markdown(&said.text) });
        let request = |client: &Client| self.request(client, Method::POST, &url).json(&body);
        self.caller.json::<Comment>(Does::WritesOne, &[201], request).await.map(drop)
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let mut url = self.at(&["issues", &at.id, "comments"]);
        url.query_pairs_mut().append_pair("per_page", "100");
        let request = |client: &Client| self.request(client, Method::GET, &url);
        let found: Vec<Comment> = self.caller.json(Does::ReadsOne, &[200], request).await?;
        let said = found.iter().filter_map(|it| it.body.as_deref()).any(|it| it.contains(mark));
        // Only the first hundred are seen.
        Ok((said || found.len() < 100).then_some(said))
    }

    async fn close(&self, at: &TicketRef, _said: &Said) -> Result<(), SinkError> {
        if self.issue(at).await?.state == "closed" {
            return Ok(());
        }
        self.change(at, &json!({ "state": "closed", "state_reason": "completed" })).await
    }

    async fn reopen(&self, at: &TicketRef, _said: &Said) -> Result<(), SinkError> {
        if self.issue(at).await?.state != "closed" {
            return Ok(());
        }
        self.change(at, &json!({ "state": "open" })).await
    }
}

#[cfg(test)]
mod tests {
    use axum::response::Response;

    use super::*;
    use crate::adapters::http::Patience;
    use crate::adapters::testing::{Asked, QUICK, Server, status, with};
    use crate::adapters::ticket::testing::{
        Call, KEY, OTHER_KEY, Trial, answer, at, key, made, said,
    };
    use crate::domain::sink::Common;
    use crate::domain::ticket::MessageKind;

    const TOKEN: &str = "ghp_s3cret";

    fn github(origin: &Url, patience: Patience) -> Github {
        let settings = json!({ "repository": "woodgrove/security", "url": origin });
        let settings = serde_json::from_value(settings).unwrap();
        made(&Common::default(), &[("token", TOKEN)], patience, |making| {
            Github::new(&settings, making)
        })
    }

    fn issue(state: &str, key: &str) -> Value {
        json!({
            "number": 7,
            "html_url": "https://github.example/woodgrove/security/issues/7",
            "state": state,
            "state_reason": null,
            "labels": [{ "id": 1, "name": "security" }, { "id": 2, "name": key }],
            "title": "Woodgrove",
        })
    }

    fn repository(private: bool) -> Value {
        json!({ "full_name": "woodgrove/security", "private": private, "has_issues": true })
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
            also_read: &[],
            other: &[],
        };
        trial.run().await;
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
    async fn an_issue_of_another_key_is_not_taken_for_the_one_opened() {
        let server = answering(|asked| match asked.line.as_str() {
            "GET /repos/woodgrove/security" => answer(200, &repository(true)),
            _ => answer(201, &issue("open", OTHER_KEY)),
        })
        .await;
        let opened = github(&server.origin, QUICK).open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
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
        let server = answering(|_| answer(404, &json!({ "message": "Not Found" }))).await;
        let gone = github(&server.origin, QUICK).read(&at("7")).await.unwrap_err();
        assert_eq!(gone.class, Class::Gone);
        let server = answering(|_| answer(200, &issue("closed", KEY))).await;
        github(&server.origin, QUICK).close(&at("7"), &said(MessageKind::Closed, 3)).await.unwrap();
        assert!(server.lines("PATCH").is_empty());
    }
}
