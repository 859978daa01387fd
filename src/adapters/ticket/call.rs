//! One call of a ticket system, and what its answer means.

use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::adapters::http::{Answer, Http};
use crate::domain::text::foreign;
use crate::ports::PortError;
use crate::ports::ticket::{Class, SinkError};

/// Most bytes of an answer that are read.
const ANSWER_MAX: usize = 1024 * 1024;

/// Most of a system's own words that are shown.
const WORDS_MAX: usize = 4;

/// What a call does, and so what it means if its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// It reads: it can be made again.
    Reads,
    /// It reads or changes one ticket that was there: one that is not is gone.
    ReadsOne,
    /// It changes something: it may have been done.
    Writes,
    /// It changes one ticket that was there.
    WritesOne,
}

impl Does {
    fn writes(self) -> bool {
        matches!(self, Self::Writes | Self::WritesOne)
    }

    fn one(self) -> bool {
        matches!(self, Self::ReadsOne | Self::WritesOne)
    }

    /// The class of a call whose answer is lost.
    fn lost(self) -> Class {
        if self.writes() { Class::Ambiguous } else { Class::Transient }
    }
}

/// The calls of one sink.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    http: Http,
    /// Where the system is; its path is what all paths begin with.
    base: Url,
    whom: String,
    total: Option<Duration>,
    special: fn(&Answer) -> Option<Class>,
    words: bool,
}

impl Caller {
    /// The calls of the sink of this name.
    pub(super) fn new(http: Http, base: Url, sink: &str) -> Self {
        let whom = format!("ticket sink {sink}");
        Self { http, base, whom, total: None, special: |_| None, words: true }
    }

    /// With more time than usual for each call that changes something: what it did cannot be
    /// known where its answer is not waited for.
    pub(super) fn patient(self, total: Duration) -> Self {
        Self { total: Some(total), ..self }
    }

    /// With a class of its own for some answers, which comes before all other rules.
    pub(super) fn special(self, special: fn(&Answer) -> Option<Class>) -> Self {
        Self { special, ..self }
    }

    /// Without repeating what the system says: nothing is known of it.
    pub(super) fn wordless(self) -> Self {
        Self { words: false, ..self }
    }

    /// The sink, as errors name it.
    pub(super) fn whom(&self) -> &str {
        &self.whom
    }

    /// The address of a path below the base, each segment of it escaped.
    pub(super) fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Makes a call once, whatever its answer is.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn any(
        &self,
        does: Does,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, SinkError> {
        let made = |client: &Client| {
            let request = request(client).header(ACCEPT_LANGUAGE, "en");
            match self.total.filter(|_| does.writes()) {
                Some(total) => request.timeout(total),
                None => request,
            }
        };
        let answer = self.http.once_within(&self.whom, ANSWER_MAX, made).await;
        answer.map_err(|error| unanswered(error, does))
    }

    /// Makes a call once.
    ///
    /// # Errors
    /// All but an answer with a status of `expect`, by what is to be done about it.
    pub(super) async fn call(
        &self,
        does: Does,
        expect: &[u16],
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, SinkError> {
        let answer = self.any(does, request).await?;
        if let Some(class) = (self.special)(&answer) {
            return Err(self.refused(class, &answer));
        }
        if expect.contains(&answer.status.as_u16()) {
            return Ok(answer);
        }
        Err(self.refused(class(&answer, does), &answer))
    }

    /// Makes a call whose answer is JSON, which is asked for.
    ///
    /// # Errors
    /// Those of [`Caller::call`]; an answer that is none, such as the page of a proxy or of an
    /// instance that sleeps, is as good as lost.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        does: Does,
        expect: &[u16],
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<T, SinkError> {
        self.json_with_head(does, expect, request).await.map(|(body, _)| body)
    }

    /// The same, with the answer itself, for what its headers say.
    ///
    /// # Errors
    /// Those of [`Caller::json`].
    pub(super) async fn json_with_head<T: DeserializeOwned>(
        &self,
        does: Does,
        expect: &[u16],
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<(T, Answer), SinkError> {
        let request = |client: &Client| request(client).header(ACCEPT, "application/json");
        let answer = self.call(does, expect, request).await?;
        let said = |what: &str| {
            let status = answer.status.as_u16();
            SinkError::new(does.lost(), format!("{} answered {status} with {what}", self.whom))
        };
        if !answer.header(CONTENT_TYPE.as_str()).is_some_and(is_json) {
            return Err(said("something else than JSON"));
        }
        let body = serde_json::from_slice(&answer.body);
        let body = body.map_err(|_| said("JSON of another shape"))?;
        Ok((body, answer))
    }

    /// An answer that cannot be what it says it is.
    pub(super) fn strange(&self, does: Does, what: &str) -> SinkError {
        SinkError::new(does.lost(), format!("{} {what}", self.whom))
    }

    /// What the system answered, in words fit to show.
    pub(super) fn refused(&self, class: Class, answer: &Answer) -> SinkError {
        let words = serde_json::from_slice::<Value>(&answer.body).map(|it| words(&it));
        let words = words.ok().filter(|words| self.words && !words.is_empty());
        let mut said = format!("{} answered {}", self.whom, answer.status.as_u16());
        if let Some(words) = words {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            said = format!("{said}: {}", words.join("; "));
        }
        SinkError::new(class, said)
    }
}

/// The class of an answer that is not the success that is known.
fn class(answer: &Answer, does: Does) -> Class {
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS => Class::RateLimited(answer.retry_after()),
        // It says itself that it did not take the request.
        StatusCode::SERVICE_UNAVAILABLE if answer.retry_after().is_some() => {
            Class::RateLimited(answer.retry_after())
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Class::Auth,
        StatusCode::NOT_FOUND | StatusCode::GONE if does.one() => Class::Gone,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Class::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE => Class::TooLarge,
        StatusCode::REQUEST_TIMEOUT => does.lost(),
        status if status.is_server_error() => does.lost(),
        // A success of another kind than the one that is known may have been one all the same.
        status if status.is_success() => does.lost(),
        _ => Class::Config,
    }
}

/// What a system says about a mistake, from the places where systems say it: made fit to show, and
/// not more than some words.
fn words(answer: &Value) -> Vec<String> {
    fn gather(value: &Value, name: Option<&str>, found: &mut Vec<String>) {
        match value {
            Value::String(text) if !text.trim().is_empty() => found.push(match name {
                Some(name) => format!("{}: {}", foreign(name), foreign(text)),
                None => foreign(text),
            }),
            Value::Array(items) => {
                for item in items {
                    gather(item, name, found);
                }
            }
            Value::Object(fields) => {
                for (key, value) in fields {
                    let speaks = matches!(
                        key.as_str(),
                        "message"
                            | "messages"
                            | "error"
                            | "errors"
                            | "errorMessages"
                            | "detail"
                            | "description"
                            | "code"
                            | "field"
                            | "title"
                            | "Message"
                    );
                    match (name, speaks) {
                        // `errors: {customfield_10011: "… is required"}`
                        (Some(""), false) => gather(value, Some(key), found),
                        (_, true) if key == "errors" => gather(value, Some(""), found),
                        (_, true) => gather(value, name.filter(|it| !it.is_empty()), found),
                        (_, false) => {}
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    if answer.is_object() || answer.is_array() {
        gather(answer, None, &mut found);
    }
    found.dedup();
    found.truncate(WORDS_MAX);
    for text in &mut found {
        *text = text.trim_start_matches(": ").to_owned();
    }
    found
}

/// Whether a content type is JSON: `application/json`, `application/hal+json; charset=utf-8`.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

fn unanswered(error: PortError, does: Does) -> SinkError {
    let beneath = error.source.as_deref().and_then(|it| it.downcast_ref::<reqwest::Error>());
    // What could not connect has sent nothing.
    let unsent = beneath.is_some_and(|it| it.is_connect() || it.is_builder());
    let class = if unsent { Class::Transient } else { does.lost() };
    SinkError { class, said: error.said, source: error.source }
}
