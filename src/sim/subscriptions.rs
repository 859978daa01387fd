//! Subscriptions to changes: the handshake with whoever is to be notified, the list, renewals, and
//! notifications sent on request
//! (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>).

use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use super::graph::Ask;
use super::ids;
use super::query::Object;
use super::reply::{Asked, GraphError, Reply};
use super::signin;
use super::state::State;
use crate::adapters::http::{Http, Patience};

/// How long whoever is to be notified may take to answer the handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// The longest `clientState`.
const CLIENT_STATE_MAX: usize = 128;

/// A subscription, with the `clientState` that Graph shows to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The tenant it is in.
    pub tenant: String,
    /// Its id.
    pub id: String,
    /// What it is about, as it was asked for.
    pub resource: String,
    /// The types of change.
    pub change_type: String,
    /// Where notifications go.
    pub notification_url: String,
    /// Where lifecycle notifications go.
    pub lifecycle_notification_url: Option<String>,
    /// What every notification carries.
    pub client_state: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What a subscription that is to be made says.
struct Wish {
    resource: String,
    change_type: String,
    notification_url: Url,
    lifecycle_notification_url: Option<Url>,
    client_state: Option<String>,
    expires_at: Timestamp,
}

impl Wish {
    fn read(body: &[u8]) -> Result<Self, GraphError> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|_| GraphError::bad_request("Unable to read JSON request payload."))?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let needed =
            |name: &str| text(name).ok_or_else(|| invalid(&format!("{name} is required.")));
        let url = |name: &str, text: String| {
            let url = Url::parse(&text).ok();
            url.ok_or_else(|| invalid(&format!("{name} is not a valid url.")))
        };
        let lifecycle = text("lifecycleNotificationUrl");
        let wish = Self {
            resource: needed("resource")?,
            change_type: needed("changeType")?,
            notification_url: url("notificationUrl", needed("notificationUrl")?)?,
            lifecycle_notification_url: lifecycle
                .map(|it| url("lifecycleNotificationUrl", it))
                .transpose()?,
            client_state: text("clientState"),
            expires_at: expiry(&body)?,
        };
        if wish.client_state.as_ref().is_some_and(|it| it.len() > CLIENT_STATE_MAX) {
            return Err(invalid("clientState must not exceed 128 characters."));
        }
        let known = ["updated", "deleted"];
        if wish.change_type.split(',').any(|change| !known.contains(&change.trim())) {
            return Err(invalid("changeType: users and groups support updated and deleted."));
        }
        Ok(wish)
    }

    fn permission(&self) -> Result<&'static str, GraphError> {
        match named(&self.resource).as_str() {
            "users" => Ok("User.Read.All"),
            "groups" => Ok("Group.Read.All"),
            _ => Err(invalid("Resource not supported.")),
        }
    }

    fn urls(&self) -> impl Iterator<Item = &Url> {
        std::iter::once(&self.notification_url).chain(&self.lifecycle_notification_url)
    }
}

fn named(resource: &str) -> String {
    resource.trim_matches('/').to_ascii_lowercase()
}

fn invalid(message: &str) -> GraphError {
    GraphError::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
}

fn expiry(body: &Value) -> Result<Timestamp, GraphError> {
    let text = body.get("expirationDateTime").and_then(Value::as_str).unwrap_or_default();
    text.parse().map_err(|_| invalid("expirationDateTime is required."))
}

/// What may be asked for here and now.
fn admissible(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Wish, GraphError> {
    let wish = Wish::read(&ask.asked.body)?;
    let needed = wish.permission()?;
    if !ask.roles.iter().any(|role| role == needed) {
        let message = "Operation: Create; Exception: [Status Code: Forbidden; Reason: Forbidden]";
        return Err(GraphError::new(StatusCode::FORBIDDEN, "ExtensionError", message));
    }
    let now = ask.asked.now;
    latest(state, wish.expires_at, now)?;
    let live =
        || state.subscriptions.iter().filter(|it| it.tenant == tenant && it.expires_at > now);
    if live().count() >= state.settings.subscription_quota {
        let message = "The application has reached its limit of subscriptions in this tenant.";
        return Err(GraphError::new(StatusCode::FORBIDDEN, "ExtensionError", message));
    }
    let same = |it: &Subscribed| {
        named(&it.resource) == named(&wish.resource) && it.change_type == wish.change_type
    };
    if !state.settings.subscription_duplicates && live().any(same) {
        let message = "A subscription with the same resource and changeType already exists.";
        return Err(GraphError::new(StatusCode::CONFLICT, "Conflict", message));
    }
    Ok(wish)
}

/// Nothing lives longer than Graph allows
/// (<https://learn.microsoft.com/graph/api/resources/subscription>).
fn latest(state: &State, expires_at: Timestamp, now: Timestamp) -> Result<(), GraphError> {
    let most = SignedDuration::from_mins(state.settings.subscription_minutes);
    if expires_at > now + most {
        let minutes = state.settings.subscription_minutes;
        let message =
            format!("Subscription expiration can only be {minutes} minutes in the future.");
        return Err(GraphError::new(StatusCode::BAD_REQUEST, "ExtensionError", message));
    }
    if expires_at <= now {
        return Err(invalid("expirationDateTime must be in the future."));
    }
    Ok(())
}

/// The urls that have to answer before a request can have its effect; none where it is not one
/// for a subscription, or is refused anyway.
pub(crate) fn to_validate(state: &State, asked: &Asked) -> Vec<Url> {
    let path = asked.path().trim_end_matches('/');
    if asked.method != http::Method::POST || !path.ends_with("/subscriptions") {
        return Vec::new();
    }
    let Some(claims) = signin::bearer(asked) else { return Vec::new() };
    let Ok(ask) = Ask::of(asked, &claims.roles) else { return Vec::new() };
    let wish = admissible(state, &claims.tid, &ask);
    wish.map(|wish| wish.urls().cloned().collect()).unwrap_or_default()
}

/// Asks a url whether anybody is there: the answer must be the token, plain.
pub(crate) async fn answers(mut url: Url, sequence: u64) -> bool {
    let token = format!(
        "Validation: Testing client application reachability for subscription Request-Id: {}",
        ids::guid(&["validation", &sequence.to_string()])
    );
    url.query_pairs_mut().append_pair("validationToken", &token);
    let answer = post(url, "text/plain; charset=utf-8", String::new()).await;
    answer.is_some_and(|answer| {
        let plain = answer.header("content-type").is_some_and(|it| it.starts_with("text/plain"));
        answer.status == StatusCode::OK && plain && answer.body.as_ref() == token.as_bytes()
    })
}

async fn post(url: Url, kind: &'static str, body: String) -> Option<crate::adapters::http::Answer> {
    let http = Http::new(Patience { total: HANDSHAKE_WITHIN, ..Patience::default() }).ok()?;
    let send = http.once("the receiver", |client| {
        client.post(url.clone()).header("content-type", kind).body(body.clone())
    });
    send.await.ok()
}

/// `POST subscriptions`, after the handshake.
pub(crate) fn create(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    valid: bool,
) -> Result<Reply, GraphError> {
    let wish = admissible(state, tenant, ask)?;
    if !valid {
        return Err(invalid(
            "Subscription validation request failed. Notification endpoint must respond with 200 \
             OK to validation request.",
        ));
    }
    let subscribed = Subscribed {
        tenant: tenant.to_owned(),
        id: ids::guid(&["subscription", &ask.asked.sequence.to_string()]),
        resource: wish.resource,
        change_type: wish.change_type,
        notification_url: wish.notification_url.to_string(),
        lifecycle_notification_url: wish.lifecycle_notification_url.map(|it| it.to_string()),
        client_state: wish.client_state,
        expires_at: wish.expires_at,
    };
    let item = shown(state, &subscribed);
    state.subscriptions.push(subscribed);
    let mut reply = ask.item("subscriptions", item);
    reply.status = StatusCode::CREATED;
    Ok(reply)
}

/// As Graph shows it: the resource with a capital letter, and no `clientState`.
fn shown(state: &State, it: &Subscribed) -> Object {
    let mut resource = named(&it.resource);
    resource.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
    let value = json!({
        "id": it.id,
        "resource": resource,
        "applicationId": state.settings.apps.first(),
        "changeType": it.change_type,
        "clientState": null,
        "notificationUrl": it.notification_url,
        "lifecycleNotificationUrl": it.lifecycle_notification_url,
        "expirationDateTime": it.expires_at.to_string(),
        "includeResourceData": null,
        "latestSupportedTlsVersion": "v1_2",
    });
    value.as_object().cloned().unwrap_or_default()
}

/// `GET subscriptions`. What has ended is not there any more.
pub(crate) fn list(state: &State, tenant: &str, ask: &Ask<'_>) -> Reply {
    let now = ask.asked.now;
    let live = state.subscriptions.iter().filter(|it| it.tenant == tenant && it.expires_at > now);
    let items: Vec<Object> = live.map(|it| shown(state, it)).collect();
    ask.collection("subscriptions", &items, None)
}

fn find<'s>(
    state: &'s mut State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<&'s mut Subscribed, GraphError> {
    let now = ask.asked.now;
    let mut live =
        state.subscriptions.iter_mut().filter(|it| it.tenant == tenant && it.expires_at > now);
    live.find(|it| it.id == id).ok_or_else(|| {
        let message = "The object was not found.";
        GraphError::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    })
}

/// `PATCH subscriptions/{id}`: when it ends can be changed, its `clientState` cannot.
pub(crate) fn renew(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let body: Value = serde_json::from_slice(&ask.asked.body)
        .map_err(|_| GraphError::bad_request("Unable to read JSON request payload."))?;
    let expires_at = expiry(&body)?;
    latest(state, expires_at, ask.asked.now)?;
    let found = find(state, tenant, ask, id)?;
    found.expires_at = expires_at;
    let found = found.clone();
    Ok(ask.item("subscriptions", shown(state, &found)))
}

/// `DELETE subscriptions/{id}`.
pub(crate) fn delete(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let id = find(state, tenant, ask, id)?.id.clone();
    state.subscriptions.retain(|it| it.id != id);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Sends a notification to everyone who is subscribed to it; says how each answered.
pub(crate) async fn deliver(to: Vec<Subscribed>, news: News<'_>) -> Vec<u16> {
    let mut answers = Vec::new();
    for it in to {
        let (url, item) = match news {
            News::Change { change, object } => {
                let resource = it.resource.trim_matches('/');
                let item = json!({
                    "changeType": change,
                    "resource": format!("{resource}/{object}"),
                    "resourceData": {"id": object},
                });
                (Some(it.notification_url.clone()), item)
            }
            News::Lifecycle(event) => {
                (it.lifecycle_notification_url.clone(), json!({"lifecycleEvent": event}))
            }
        };
        let mut item = item;
        item["subscriptionId"] = it.id.into();
        item["subscriptionExpirationDateTime"] = it.expires_at.to_string().into();
        item["clientState"] = it.client_state.into();
        item["tenantId"] = it.tenant.into();
        let Some(url) = url.and_then(|url| Url::parse(&url).ok()) else { continue };
        let body = json!({"value": [item]}).to_string();
        let answer = post(url, "application/json", body).await;
        answers.push(answer.map_or(0, |answer| answer.status.as_u16()));
    }
    answers
}

/// What is notified of.
#[derive(Clone, Copy)]
pub(crate) enum News<'a> {
    /// An object changed.
    Change {
        /// How.
        change: &'a str,
        /// Its id.
        object: &'a str,
    },
    /// Something is to be done about the subscription.
    Lifecycle(&'a str),
}

impl News<'_> {
    /// Whether a subscription is for this.
    pub(crate) fn is_for(&self, it: &Subscribed, resource: &str) -> bool {
        match self {
            News::Change { change, .. } => {
                named(&it.resource) == named(resource)
                    && it.change_type.split(',').any(|kind| kind.trim() == *change)
            }
            News::Lifecycle(_) => true,
        }
    }
}
