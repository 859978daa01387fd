//! Less power for a partner over its customers: roles out of relationships, groups out of them, and
//! their end.
//!
//! A relationship is read right before it is changed, and its etag of that moment goes with the
//! change: whoever changes it between the two makes Graph answer 412. Then it is read again and judged
//! anew, and nothing is written over what was not seen. Some changes are *long-running*:
//! Graph answers 202 and does them in its own time. They are not waited for here. Verification reads
//! the relationship itself again, and what became of the operation, which also holds after a crash.
//!
//! Sources: Microsoft Graph documentation, "Update delegatedAdminRelationship", "Delete
//! delegatedAdminAccessAssignment", "Create requests" (of a delegatedAdminRelationship) and
//! "delegatedAdminRelationship resource type". What they leave open is told where it matters.

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::revoke::is_segment;
use super::{Graph, Revoker, WHOM, parsed, refusal, said};
use crate::adapters::http::Answer;
use crate::domain::case::Outcome;
use crate::domain::facts::{AccessAssignment, DelegatedAdminRelationship, are_same_roles};
use crate::domain::id::{PrincipalId, TenantId};
use crate::domain::plan::StepState;
use crate::domain::role::{GLOBAL_ADMINISTRATOR, RoleTemplateId};
use crate::domain::text::foreign;
use crate::ports::{PortError, ReduceRelationships, With};

/// What a look right before the change shows.
enum Now {
    /// It is as it was when the change was decided.
    Same,
    /// There is nothing left to do, for this reason.
    Done(&'static str),
    /// It is not as it was, in this.
    Changed(String),
}

/// How often a change is tried against what somebody else keeps changing.
const ATTEMPTS: usize = 3;

/// How one attempt at a change went.
enum Attempt {
    Over(Outcome),
    /// It was changed between the look and the change, and nothing was done.
    Overtaken(Outcome),
}

/// A change of a thing that is read before.
struct Change<'a, T> {
    /// The way to the thing.
    thing: &'a [&'a str],
    /// What it shows.
    now: &'a (dyn Fn(&T) -> Now + Sync),
    /// What it is changed against; nothing where the change is a thing of its own.
    etag: Option<fn(&T) -> Option<&str>>,
    method: Method,
    /// The way from the thing to where the change is sent.
    to: &'a [&'a str],
    /// What is sent, made of the thing as it is now.
    body: &'a (dyn Fn(&T) -> Option<Value> + Sync),
    /// Graph's words that it did it, or will.
    done: &'a [StatusCode],
}

impl Revoker {
    async fn change<T: DeserializeOwned + Send + Sync>(
        &self,
        tenant: TenantId,
        change: Change<'_, T>,
    ) -> Result<Outcome, PortError> {
        let mut attempts = 1;
        loop {
            match self.attempt(tenant, &change).await? {
                Attempt::Over(outcome) => return Ok(outcome),
                Attempt::Overtaken(outcome) if attempts == ATTEMPTS => return Ok(outcome),
                Attempt::Overtaken(_) => attempts += 1,
            }
        }
    }

    async fn attempt<T: DeserializeOwned + Send + Sync>(
        &self,
        tenant: TenantId,
        change: &Change<'_, T>,
    ) -> Result<Attempt, PortError> {
        let Self(graph) = self;
        let over = |outcome: Outcome| Ok(Attempt::Over(outcome.at(graph)));
        if !change.thing.iter().chain(change.to).all(|segment| is_segment(segment)) {
            return over(refused("its id cannot be asked for".to_owned(), None));
        }
        let url = graph.way(change.thing)?;
        let answer = graph.send(tenant, |client: &Client| client.get(url.clone())).await?;
        let thing = match read::<T>(&answer)? {
            Read::Thing(thing) => thing,
            Read::Outcome(outcome) => return over(outcome),
        };
        let request_id = request_id(&answer);
        match (change.now)(&thing) {
            Now::Same => {}
            Now::Done(words) => return over(taken(Some(words.to_owned()), request_id)),
            Now::Changed(how) => {
                let words = format!("it was not asked to, since {how}; the next look decides anew");
                return over(refused(words, request_id));
            }
        }
        // Without it Graph changes nothing, and with any other it might change what nobody saw.
        let etag = change.etag.map(|of| HeaderValue::from_str(of(&thing).unwrap_or_default()));
        let etag = match etag.transpose() {
            Ok(etag) if etag.as_ref().is_none_or(|etag| !etag.is_empty()) => etag,
            _ => {
                let words = format!("{WHOM} does not say what is to be changed (@odata.etag)");
                return over(refused(words, request_id));
            }
        };
        let to: Vec<&str> = change.thing.iter().chain(change.to).copied().collect();
        let (url, body) = (graph.way(&to)?, (change.body)(&thing));
        let request = |client: &Client| {
            let request = client.request(change.method.clone(), url.clone());
            let request = match &etag {
                Some(etag) => request.header("If-Match", etag),
                None => request,
            };
            match &body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let answer = graph.send(tenant, request).await?;
        let mut overtaken = false;
        let outcome = match answer.status {
            StatusCode::OK if change.done.contains(&StatusCode::OK) => {
                // Reading again decides, whatever is shown here.
                let shown: T = parsed(&answer)?;
                let unchanged = !matches!((change.now)(&shown), Now::Done(_));
                taken(unchanged.then(|| format!("{WHOM} took it and shows it as it was")), None)
            }
            status if change.done.contains(&status) => taken(graph.how(&answer), None),
            // Our own standing is in doubt, not the step.
            StatusCode::UNAUTHORIZED => return Err(refusal(&answer)),
            status if status.is_client_error() => {
                match self.is_done_all_the_same(tenant, change).await {
                    Some(words) => taken(Some(words), None),
                    None if status == StatusCode::PRECONDITION_FAILED => {
                        overtaken = true;
                        let words = format!(
                            "{WHOM} answered {}: somebody changed it each time it was to be \
                             changed; the next look decides anew",
                            said(&answer)
                        );
                        refused(words, None)
                    }
                    None => refused(format!("{WHOM} answered {}", said(&answer)), None),
                }
            }
            // Neither yes nor no, such as the page of a gateway: nothing may have come of it.
            _ => return Err(refusal(&answer)),
        };
        let outcome = Outcome { request_id: self::request_id(&answer), ..outcome }.at(graph);
        Ok(if overtaken { Attempt::Overtaken(outcome) } else { Attempt::Over(outcome) })
    }

    /// Whether what was refused is so already: an earlier attempt may have been heard without an
    /// answer reaching us.
    async fn is_done_all_the_same<T: DeserializeOwned + Send + Sync>(
        &self,
        tenant: TenantId,
        change: &Change<'_, T>,
    ) -> Option<String> {
        let Self(graph) = self;
        let url = graph.way(change.thing).ok()?;
        let answer = graph.send(tenant, |client: &Client| client.get(url.clone())).await.ok()?;
        match read::<T>(&answer).ok()? {
            Read::Thing(thing) => match (change.now)(&thing) {
                Now::Done(words) => Some(words.to_owned()),
                Now::Same | Now::Changed(_) => None,
            },
            Read::Outcome(outcome) if outcome.state == StepState::Revoked => outcome.detail,
            Read::Outcome(_) => None,
        }
    }
}

impl Graph {
    fn way(&self, segments: &[&str]) -> Result<Url, PortError> {
        let mut url = self.url("v1.0/tenantRelationships/delegatedAdminRelationships")?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Ok(url)
    }

    /// How Graph took a change, where that is worth telling: the operation that it named, if that
    /// is at Graph's own place.
    fn how(&self, answer: &Answer) -> Option<String> {
        if answer.status != StatusCode::ACCEPTED {
            return None;
        }
        let operation = answer.header("location").and_then(|at| self.pinned(at).ok());
        let id = operation.as_ref().and_then(|it| it.path_segments()?.next_back().map(foreign));
        let id = id.filter(|id| !id.is_empty());
        let id = id.map_or_else(String::new, |id| format!(" (operation {id})"));
        Some(format!("Microsoft does it in its own time{id}"))
    }
}

/// What a first look came to.
enum Read<T> {
    Thing(T),
    /// There is nothing to look at, or it may not be.
    Outcome(Outcome),
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<Read<T>, PortError> {
    Ok(match answer.status {
        StatusCode::NOT_FOUND => {
            Read::Outcome(taken(Some("it was already gone".to_owned()), request_id(answer)))
        }
        StatusCode::UNAUTHORIZED => return Err(refusal(answer)),
        status if status.is_client_error() => {
            let words = format!("{WHOM} answered {}", said(answer));
            Read::Outcome(refused(words, request_id(answer)))
        }
        _ => Read::Thing(parsed(answer)?),
    })
}

fn request_id(answer: &Answer) -> Option<String> {
    answer.header("request-id").map(str::to_owned)
}

fn taken(detail: Option<String>, request_id: Option<String>) -> Outcome {
    Outcome { state: StepState::Revoked, detail, request_id, acted_at: None }
}

fn refused(why: String, request_id: Option<String>) -> Outcome {
    Outcome { state: StepState::Refused, detail: Some(why), request_id, acted_at: None }
}

impl Outcome {
    /// With the moment, where it was taken.
    fn at(self, graph: &Graph) -> Self {
        let acted_at = (self.state == StepState::Revoked).then(|| graph.clock.now());
        Self { acted_at, ..self }
    }
}

/// What keeps a relationship from being changed.
fn obstacle(given: &DelegatedAdminRelationship, with: With<'_>) -> Option<String> {
    if given.customer_id() != Some(with.customer) {
        Some("it is with another customer now".to_owned())
    } else if given.is("active") {
        None
    } else {
        let status = foreign(given.status.as_deref().unwrap_or_default());
        Some(format!("its status is {status} now"))
    }
}

fn same_unless(obstacle: Option<String>) -> Now {
    obstacle.map_or(Now::Same, Now::Changed)
}

fn is_global_administrator(id: &str) -> bool {
    id.trim().parse::<RoleTemplateId>().ok() == Some(GLOBAL_ADMINISTRATOR)
}

const ENDED: &str = "the relationship has ended already";

#[async_trait]
impl ReduceRelationships for Revoker {
    /// By the list of roles without it. Microsoft documents that a list without Global Administrator
    /// is answered with 200 and changes nothing, and that to remove it is answered with 202; in
    /// practice the list without it removes it. Only reading again tells.
    async fn drop_global_administrator(
        &self,
        tenant: TenantId,
        with: With<'_>,
        roles: &[String],
    ) -> Result<Outcome, PortError> {
        let now = |given: &DelegatedAdminRelationship| {
            if !given.gives_power() {
                return Now::Done(ENDED);
            }
            if given.access_details.is_some() && !given.roles().any(is_global_administrator) {
                return Now::Done("it was already gone");
            }
            let others = "it gives other roles now".to_owned();
            let same = are_same_roles(given.roles(), roles.iter().map(String::as_str));
            same_unless(obstacle(given, with).or((!same).then_some(others)))
        };
        let body = |given: &DelegatedAdminRelationship| {
            let kept = given.roles().filter(|id| !is_global_administrator(id));
            let kept: Vec<Value> = kept.map(|id| json!({"roleDefinitionId": id})).collect();
            Some(json!({"accessDetails": {"unifiedRoles": kept}}))
        };
        let change = Change {
            thing: &[with.relationship],
            now: &now,
            etag: Some(|given| given.etag.as_deref()),
            method: Method::PATCH,
            to: &[],
            body: &body,
            done: &[StatusCode::OK, StatusCode::ACCEPTED, StatusCode::NO_CONTENT],
        };
        self.change(tenant, change).await
    }

    async fn stop_auto_extend(
        &self,
        tenant: TenantId,
        with: With<'_>,
    ) -> Result<Outcome, PortError> {
        let now = |given: &DelegatedAdminRelationship| {
            if !given.gives_power() {
                return Now::Done(ENDED);
            }
            if given.extends_itself() == Some(false) {
                return Now::Done("it does not extend itself any more");
            }
            same_unless(obstacle(given, with))
        };
        let change = Change {
            thing: &[with.relationship],
            now: &now,
            etag: Some(|given| given.etag.as_deref()),
            method: Method::PATCH,
            to: &[],
            body: &|_| Some(json!({"autoExtendDuration": "PT0S"})),
            done: &[StatusCode::OK, StatusCode::ACCEPTED, StatusCode::NO_CONTENT],
        };
        self.change(tenant, change).await
    }

    /// The documentation answers with 204; where the deletion takes its time, with 202.
    async fn delete_access_assignment(
        &self,
        tenant: TenantId,
        relationship: &str,
        access_assignment: &str,
        group: &PrincipalId,
        roles: &[String],
    ) -> Result<Outcome, PortError> {
        let now = |used: &AccessAssignment| {
            if !used.is_in_force() {
                return Now::Done("it was already gone");
            }
            if used.is("deleting") {
                return Now::Done("it is being deleted already");
            }
            if used.group().as_ref() != Some(group) {
                return Now::Changed("it is for another group now".to_owned());
            }
            let same = are_same_roles(used.roles(), roles.iter().map(String::as_str));
            same_unless((!same).then(|| "it gives other roles now".to_owned()))
        };
        let change = Change {
            thing: &[relationship, "accessAssignments", access_assignment],
            now: &now,
            etag: Some(|used| used.etag.as_deref()),
            method: Method::DELETE,
            to: &[],
            body: &|_| None,
            done: &[StatusCode::NO_CONTENT, StatusCode::ACCEPTED],
        };
        self.change(tenant, change).await
    }

    async fn terminate(&self, tenant: TenantId, with: With<'_>) -> Result<Outcome, PortError> {
        let now = |given: &DelegatedAdminRelationship| {
            if !given.gives_power() {
                return Now::Done(ENDED);
            }
            if given.is_ending() {
                return Now::Done("it is being ended already");
            }
            same_unless(obstacle(given, with))
        };
        let change = Change {
            thing: &[with.relationship],
            now: &now,
            etag: None,
            method: Method::POST,
            to: &["requests"],
            body: &|_| Some(json!({"action": "terminate"})),
            done: &[StatusCode::CREATED, StatusCode::ACCEPTED],
        };
        self.change(tenant, change).await
    }
}
