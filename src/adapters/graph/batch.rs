//! Many small reads in few requests.
//!
//! Source: Microsoft Graph documentation, "Combine multiple HTTP requests using JSON batching": at
//! most 20 requests, answered in any order and each for itself, a 429 among them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::read::{Page, garbled};
use super::revoke::is_segment;
use super::{Graph, WHOM, parsed, refusal};
use crate::adapters::http::Answer;
use crate::domain::id::TenantId;
use crate::ports::{Failure, Listed, PortError};

/// Most requests of one batch.
const MOST: usize = 20;

/// How many batches, and how many further pages, are asked for at once.
const AT_ONCE: usize = 4;

/// A GET that is sent with others: path and query within a version of Graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Get {
    url: String,
    /// Whether it is one of the advanced queries on directory objects.
    advanced: bool,
}

impl Get {
    /// A GET of the path made of these segments, whatever they hold, with a query that is encoded
    /// already.
    ///
    /// # Errors
    /// Where a segment cannot be one, and the request would be about something else.
    pub(super) fn new(segments: &[&str], query: &str) -> Result<Self, PortError> {
        let unfit = || {
            PortError::new(Failure::Unintelligible, "something has a name that cannot be asked for")
        };
        if !segments.iter().all(|segment| is_segment(segment)) {
            return Err(unfit());
        }
        let mut url = Url::parse("https://graph.invalid/").map_err(|_| unfit())?;
        url.path_segments_mut().map_err(|()| unfit())?.pop_if_empty().extend(segments);
        let mark = if query.is_empty() { "" } else { "?" };
        Ok(Self { url: format!("{}{mark}{query}", url.path()), advanced: false })
    }

    /// As an advanced query, which Graph demands for some filters; the query holds `$count=true`.
    ///
    /// Source: Microsoft Graph documentation, "Advanced query capabilities on Microsoft Entra ID
    /// objects".
    pub(super) fn advanced(self) -> Self {
        Self { advanced: true, ..self }
    }
}

/// What can be asked, about whom, and why the rest cannot.
pub(super) struct Asked<'a, T> {
    pub(super) whom: Vec<&'a T>,
    pub(super) gets: Vec<Get>,
    pub(super) failures: Vec<PortError>,
}

impl<'a, T> Asked<'a, T> {
    /// A request about each of them.
    pub(super) fn of(all: &'a [T], get: impl Fn(&T) -> Result<Get, PortError>) -> Self {
        let mut asked = Self { whom: Vec::new(), gets: Vec::new(), failures: Vec::new() };
        for one in all {
            match get(one) {
                Ok(get) => {
                    asked.whom.push(one);
                    asked.gets.push(get);
                }
                Err(error) => asked.failures.push(error),
            }
        }
        asked
    }
}

/// What became of each request of a batch so far. What was throttled or unlucky is asked again.
type Answers = Vec<Option<Result<Value, PortError>>>;

#[derive(Deserialize)]
struct Responses {
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    id: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    body: Value,
}

impl Response {
    /// The answer, as if it had come by itself.
    fn answer(&self) -> Option<Answer> {
        let headers = self.headers.iter().filter_map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(&text).ok()?))
        });
        Some(Answer {
            status: StatusCode::from_u16(self.status).ok()?,
            headers: headers.collect::<HeaderMap>(),
            body: self.body.to_string().into(),
        })
    }

    fn read(self) -> Result<Value, PortError> {
        let answer = self.answer().ok_or_else(|| unintelligible("a status that is none"))?;
        let answer = answer.patient(WHOM)?;
        if !answer.status.is_success() {
            return Err(refusal(&answer));
        }
        Ok(self.body)
    }
}

fn unintelligible(what: &str) -> PortError {
    PortError::new(Failure::Unintelligible, format!("{WHOM} answered a batch with {what}"))
}

impl Graph {
    /// The answers to these requests, in their order, whichever order Graph gives them in.
    pub(super) async fn batch(
        &self,
        tenant: TenantId,
        version: &str,
        gets: &[Get],
    ) -> Vec<Result<Value, PortError>> {
        let batches: Vec<_> =
            gets.chunks(MOST).map(|some| self.one_batch(tenant, version, some)).collect();
        let answers: Vec<Vec<_>> = stream::iter(batches).buffered(AT_ONCE).collect().await;
        answers.into_iter().flatten().collect()
    }

    /// The collections that these requests ask for, in their order and each to its end.
    pub(super) async fn batch_lists<T: DeserializeOwned + Send>(
        &self,
        tenant: TenantId,
        version: &str,
        gets: &[Get],
    ) -> Vec<Listed<T>> {
        let answers = self.batch(tenant, version, gets).await;
        let whole = |get: &Get, answer: Result<Value, PortError>| {
            let advanced = get.advanced;
            async move {
                let page: Result<Page, _> = answer
                    .and_then(|page| serde_json::from_value(page).map_err(|error| garbled(&error)));
                match page {
                    Ok(page) => self.to_the_end(tenant, None, page, advanced).await,
                    Err(error) => Listed::failed(error),
                }
            }
        };
        let lists: Vec<_> =
            gets.iter().zip(answers).map(|(get, answer)| whole(get, answer)).collect();
        stream::iter(lists).buffered(AT_ONCE).collect().await
    }

    async fn one_batch(
        &self,
        tenant: TenantId,
        version: &str,
        gets: &[Get],
    ) -> Vec<Result<Value, PortError>> {
        let answers: Mutex<Answers> = Mutex::new(gets.iter().map(|_| None).collect());
        let attempt = || self.attempt_batch(tenant, version, gets, &answers);
        let ended = self.tokens.patiently(tenant, &self.scope, attempt).await;
        let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unanswered = || match &ended {
            Err(error) => PortError::new(error.kind, error.said.clone()),
            Ok(()) => unintelligible("fewer answers than it had requests"),
        };
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(unanswered()))).collect()
    }

    /// Asks for all that has no answer to stay with. Fails for the moment while there is any left.
    async fn attempt_batch(
        &self,
        tenant: TenantId,
        version: &str,
        gets: &[Get],
        answers: &Mutex<Answers>,
    ) -> Result<(), PortError> {
        let asked: Vec<usize> = {
            let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            let open = |answer: &Option<Result<Value, PortError>>| match answer {
                None => true,
                Some(Ok(_)) => false,
                Some(Err(error)) => self.tokens.waits_for(error),
            };
            (0..).zip(answers.iter()).filter(|(_, answer)| open(answer)).map(|(n, _)| n).collect()
        };
        let requests: Vec<Value> =
            asked.iter().filter_map(|number| Some(request(*number, gets.get(*number)?))).collect();
        let url = self.url(&format!("{version}/$batch"))?;
        let body = json!({"requests": requests});
        let send = |client: &reqwest::Client| client.post(url.clone()).json(&body);
        let answer = self.tokens.attempt(WHOM, tenant, &self.scope, send).await?;
        let Responses { responses } = parsed(&answer)?;

        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answered = BTreeMap::new();
        for response in responses {
            let Some(number) = response.id.parse().ok().filter(|it| asked.contains(it)) else {
                continue;
            };
            // Which of two answers to believe nobody can tell.
            let twice = answered.contains_key(&number);
            let read = if twice { Err(unintelligible("two to one")) } else { response.read() };
            answered.insert(number, read);
        }
        let mut again: Option<PortError> = None;
        for number in asked {
            let answer = answered
                .remove(&number)
                .unwrap_or_else(|| Err(unintelligible("fewer answers than it had requests")));
            if let Err(error) = &answer
                && self.tokens.waits_for(error)
            {
                again = Some(longer(again, error));
            }
            if let Some(place) = answers.get_mut(number) {
                *place = Some(answer);
            }
        }
        again.map_or(Ok(()), Err)
    }
}

/// Of two failures of the moment, the one that takes longer to wait for.
fn longer(one: Option<PortError>, other: &PortError) -> PortError {
    let wait = |error: &PortError| match error.kind {
        Failure::Throttled(after) => after,
        Failure::Transient
        | Failure::SignInRefused
        | Failure::Denied
        | Failure::Gone
        | Failure::Refused
        | Failure::Unintelligible => None,
    };
    match one {
        Some(one) if wait(&one) >= wait(other) => one,
        _ => PortError::new(other.kind, other.said.clone()),
    }
}

fn request(number: usize, get: &Get) -> Value {
    let mut request = json!({"id": number.to_string(), "method": "GET", "url": get.url});
    if get.advanced {
        request["headers"] = json!({"ConsistencyLevel": "eventual"});
    }
    request
}
