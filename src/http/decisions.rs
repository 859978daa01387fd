//! What people are asked, and their answers. Looking changes nothing, since mail scanners look too;
//! only a form that is sent decides, and it decides once.

mod page;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;
use tracing::{error, info, warn};
use url::{Url, form_urlencoded};

use self::page::{Said, Wanted, answered, asked, refused};
use super::{Front, Unproven, body};
use crate::domain::approval::{Answer, Decision, NotDecided, Proposal, Standing};
use crate::domain::secret::Secret;
use crate::domain::signal::Sender;
use crate::domain::text;
use crate::ports::{Decide, PortError, chain};
use crate::telemetry::metric;
use crate::wire::decision::{Errand, Link, decided};
use crate::wire::token::{Claims, KeySet, Measure, verify};
use crate::wire::{Reject, Verified};

/// Where the sign-in leads back to.
pub(super) const SIGNED_IN: &str = "/decisions/signed-in";

/// How often a decision is tried while others decide about the same.
const RACES: usize = 5;

/// Most bytes of an object id or a user principal name that is kept.
const IDENTITY_MAX: usize = 256;

/// The cookie that says which browser was sent to sign in.
const COOKIE_NAME: &str = "warden-sign-in";

/// What people are asked, and how they are known.
pub struct Decisions {
    /// The keys of links: the current one, and the previous one while they are rotated.
    pub keys: Vec<Secret>,
    /// What they are asked.
    pub decide: Arc<dyn Decide>,
    /// Where this program is reached, where it knows.
    pub public_url: Option<Url>,
    /// How they sign in; nothing where they only give their name.
    pub sign_in: Option<SignIn>,
}

/// How people sign in before they decide.
pub struct SignIn {
    /// The app registration that they sign in to.
    pub client_id: String,
    /// The application roles of which they must hold one; none for any account.
    pub roles: Vec<String>,
}

impl Decisions {
    /// The path of what is below `WARDEN_PUBLIC_URL`.
    fn path(&self, below: &str) -> String {
        let base = self.public_url.as_ref().map_or("", |url| url.path().trim_end_matches('/'));
        format!("{base}{below}")
    }

    fn address(&self, below: &str) -> Option<String> {
        let base = self.public_url.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}{below}"))
    }
}

impl Front {
    /// What the page has to know of this door.
    fn wanted(&self) -> Wanted {
        let signs_in = self.decisions.sign_in.is_some();
        Wanted { signs_in, login: self.login.origin().ascii_serialization() }
    }
}

/// `GET /decisions/{token}`: shows, and changes nothing.
pub(super) async fn show(State(front): State<Arc<Front>>, Path(token): Path<String>) -> Response {
    match find(&front, &token).await {
        Ok(proposal) => told(&front, &proposal),
        Err(response) => response,
    }
}

/// `POST /decisions/{token}`: decides, or leads to where one signs in.
pub(super) async fn decide(
    State(front): State<Arc<Front>>,
    Path(token): Path<String>,
    request: Request<Body>,
) -> Response {
    let proposal = match find(&front, &token).await {
        Ok(proposal) => proposal,
        Err(response) => return response,
    };
    let now = front.clock.now();
    if !is_open(&proposal, now) {
        remind(&front, &proposal, now).await;
        return told(&front, &proposal);
    }
    let form = match form(request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let Some(answer) = field("decision").and_then(Answer::from_text) else {
        return again(&front, &proposal, Said { answer: None, name: "" }, "Say what you decide.");
    };
    if let Some(sign_in) = &front.decisions.sign_in {
        return lead_to_sign_in(&front, sign_in, &proposal, &token, answer);
    }
    let name = field("name").unwrap_or_default();
    let Some(decision) = Decision::by_name(answer, name, now) else {
        let said = Said { answer: Some(answer), name: "" };
        return again(
            &front,
            &proposal,
            said,
            "Say who you are: your name is kept with what you decide.",
        );
    };
    take(&front, &token, decision, now).await
}

/// `POST /decisions/signed-in`: what the sign-in brings back.
pub(super) async fn signed_in(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Response {
    let Some(sign_in) = &front.decisions.sign_in else {
        return forbidden(&front, &Reject::NoKey("WARDEN_APPROVER_SIGN_IN"), None);
    };
    let form = match form(request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let state = field("state").unwrap_or_default();
    let now = front.clock.now();
    let errand = match Errand::verify(state, &front.decisions.keys, now) {
        Ok(errand) => errand,
        Err(reject) => return forbidden(&front, &reject, None),
    };
    let back = front.decisions.path(&format!("/decisions/{}", errand.link));
    let nonce = Errand::nonce(state);
    // Else somebody could send another person to sign in for what they never chose.
    let cookie = cookie(&headers).unwrap_or_default();
    if !bool::from(cookie.as_bytes().ct_eq(nonce.as_bytes())) {
        let reject = Reject::NotAuthentic("the browser that was sent to sign in");
        return forbidden(&front, &reject, Some(&back));
    }
    let Some(token) = field("id_token") else {
        return forbidden(&front, &Reject::Missing("the sign-in's token"), Some(&back));
    };
    let claims = match claims(&front, sign_in, token, &nonce).await {
        Ok(Ok(claims)) => claims,
        Ok(Err(reject)) => return forbidden(&front, &reject, Some(&back)),
        Err(error) => return unavailable(&front, &error),
    };
    let (by, identity) = match person(&claims) {
        Ok(person) => person,
        Err(reject) => return forbidden(&front, &reject, Some(&back)),
    };
    let identity = Some(identity);
    let (decision, ticket) = (errand.decision, None);
    let decision = Decision { decision, by, proven: true, identity, at: now, ticket };
    take(&front, &errand.link, decision, now).await
}

/// The claims of a person's token: for us, of a tenant of the policy, made for this very errand, and
/// with a role that may decide.
async fn claims(
    front: &Front,
    sign_in: &SignIn,
    token: &str,
    nonce: &str,
) -> Result<Result<Claims, Reject>, PortError> {
    let audiences = std::slice::from_ref(&sign_in.client_id);
    let read = |keys: &KeySet| {
        let (login, now) = (front.login.as_str(), front.clock.now());
        let claims = verify(token, Measure { keys, audiences, login, now })?;
        if claims.nonce.as_deref() != Some(nonce) {
            return Err(Reject::NotAuthentic("the token's nonce"));
        }
        if front.policy.roster.tenant(claims.tid).is_none() {
            return Err(Reject::NotAuthentic("the token's tenant"));
        }
        let may = |role: &String| sign_in.roles.contains(role);
        if !sign_in.roles.is_empty() && !claims.roles.iter().any(may) {
            return Err(Reject::NotAllowed);
        }
        Ok(claims)
    };
    let read_once = read(&front.signing_keys.held());
    if read_once.as_ref().err() == Some(&Reject::UnknownKey) {
        return Ok(read(front.signing_keys.refreshed().await?.as_ref()));
    }
    Ok(read_once)
}

/// Who it is, fit to show, and by what they are told from others.
fn person(claims: &Claims) -> Result<(String, String), Reject> {
    let oid = claims.oid.as_deref().filter(|oid| !oid.is_empty() && oid.len() <= IDENTITY_MAX);
    let oid = oid.ok_or(Reject::NotAuthentic("the token's object id"))?;
    let name = text::foreign(claims.preferred_username.as_deref().unwrap_or(oid));
    let identity = format!("{}@{}", oid.to_ascii_lowercase(), claims.tid);
    Ok((if name.is_empty() { identity.clone() } else { name }, identity))
}

/// The proposal that a token leads to.
async fn find(front: &Front, token: &str) -> Result<Proposal, Response> {
    let link = Link::verify(token, &front.decisions.keys)
        .map_err(|reject| forbidden(front, &reject, None))?;
    match front.decisions.decide.proposal(link.id()).await {
        Ok(Some(proposal)) if link.is_to(&proposal) => Ok(proposal),
        Ok(_) => Err(forbidden(front, &Reject::NotAuthentic("the link"), None)),
        Err(error) => Err(unavailable(front, &error)),
    }
}

fn is_open(proposal: &Proposal, now: Timestamp) -> bool {
    matches!(proposal.standing(now), Standing::Open | Standing::SecondWanted)
}

/// Takes a decision in: written down first, then told to the worker.
async fn take(front: &Front, token: &str, decision: Decision, now: Timestamp) -> Response {
    for _ in 0..RACES {
        let proposal = match find(front, token).await {
            Ok(proposal) => proposal,
            Err(response) => return response,
        };
        let new = match proposal.decide(decision.clone(), now) {
            Ok(new) => new,
            Err(NotDecided::Over(_)) => {
                remind(front, &proposal, now).await;
                return told(front, &proposal);
            }
            Err(NotDecided::SamePerson) => {
                let said = Said { answer: Some(decision.decision), name: "" };
                let text = format!(
                    "{} has agreed already. A second, different person has to agree.",
                    decision.by
                );
                let text = page::form_again(&proposal, now, &front.wanted(), said, &text);
                return answered(StatusCode::CONFLICT, text, &front.wanted());
            }
            // Whoever decides here has given a name.
            Err(NotDecided::Nobody) => return told(front, &proposal),
        };
        match front.decisions.decide.decided(&new).await {
            Ok(true) => {
                let question = &new.question;
                info!(
                    tenant.name = question.tenant_name,
                    partner.name = question.partner.name,
                    proven = decision.proven,
                    "a person decided: {}",
                    decision.decision.as_str()
                );
                tell(front, decided(&new, now)).await;
                return see_other(&front.decisions.path(&format!("/decisions/{token}")));
            }
            Ok(false) => {}
            Err(error) => return unavailable(front, &error),
        }
    }
    warn!("others decide about the same all the time; somebody is asked to try again");
    let text = refused("Try again", "Somebody else decided at the same moment.", None);
    answered(StatusCode::SERVICE_UNAVAILABLE, text, &front.wanted())
}

/// Tells the worker again of what was approved and not begun: it may not have heard of it.
async fn remind(front: &Front, proposal: &Proposal, now: Timestamp) {
    if proposal.standing(now) == Standing::Approved && proposal.begun_at.is_none() {
        tell(front, decided(proposal, now)).await;
    }
}

/// The decision stands whether the worker hears of it or not: it is read at every look.
async fn tell(front: &Front, signal: Verified<crate::domain::signal::Signal>) {
    if let Err(error) = front.enqueue.enqueue(vec![signal]).await {
        error!("a decision is acted on at the next look only: {}", chain(&error));
    }
}

/// The fields of a form.
async fn form(request: Request<Body>) -> Result<Vec<(String, String)>, Response> {
    let body = body::read(request).await.map_err(|reject| {
        let status = StatusCode::from_u16(reject.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let text = refused("Not understood", "The form could not be read.", None);
        answered(status, text, &Wanted::default())
    })?;
    Ok(form_urlencoded::parse(&body).into_owned().collect())
}

fn lead_to_sign_in(
    front: &Front,
    sign_in: &SignIn,
    proposal: &Proposal,
    token: &str,
    answer: Answer,
) -> Response {
    let decisions = &front.decisions;
    #[expect(clippy::disallowed_methods, reason = "a nonce made at the edge")]
    let once = uuid::Uuid::new_v4().simple().to_string();
    let errand = Errand::new(token, answer, &once, front.clock.now());
    let tenant = proposal.question.tenant;
    let address = front.login.join(&format!("{tenant}/oauth2/v2.0/authorize")).ok();
    let (Some(key), Some(mut url), Some(back)) =
        (decisions.keys.first(), address, decisions.address(SIGNED_IN))
    else {
        return forbidden(front, &Reject::NoKey("WARDEN_PUBLIC_URL"), None);
    };
    let state = errand.state(key);
    let nonce = Errand::nonce(&state);
    url.query_pairs_mut()
        .append_pair("client_id", &sign_in.client_id)
        .append_pair("response_type", "id_token")
        .append_pair("response_mode", "form_post")
        .append_pair("scope", "openid profile")
        .append_pair("redirect_uri", &back)
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("prompt", "select_account");
    let mut response = see_other(url.as_str());
    // The sign-in posts from its own site, so that the cookie has to be sent from there.
    let cookie = format!(
        "{COOKIE_NAME}={nonce}; Path={}; Max-Age=900; HttpOnly; Secure; SameSite=None",
        decisions.path(SIGNED_IN)
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = sent.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    let mut own = pairs.filter(|(name, _)| name.trim() == COOKIE_NAME);
    own.next().map(|(_, value)| value.trim())
}

fn see_other(location: &str) -> Response {
    let mut response = answered(StatusCode::SEE_OTHER, String::new(), &Wanted::default());
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The page about a proposal as it stands: 200 as long as somebody may decide, else 410.
fn told(front: &Front, proposal: &Proposal) -> Response {
    let now = front.clock.now();
    let status = if is_open(proposal, now) { StatusCode::OK } else { StatusCode::GONE };
    answered(status, asked(proposal, now, &front.wanted()), &front.wanted())
}

/// The same page, with what is missing.
fn again(front: &Front, proposal: &Proposal, said: Said<'_>, missing: &str) -> Response {
    let text = page::form_again(proposal, front.clock.now(), &front.wanted(), said, missing);
    answered(StatusCode::UNPROCESSABLE_ENTITY, text, &front.wanted())
}

fn forbidden(front: &Front, reject: &Reject, back: Option<&str>) -> Response {
    warn!(reason = reject.reason(), "a decision was turned away: {reject}");
    metric::rejected(Sender::Decision, reject, 1);
    let (title, text) = if *reject == Reject::NotAllowed {
        (
            "You may not decide this",
            "You are signed in, and your account holds none of the roles that may decide.",
        )
    } else if *reject == Reject::Stale {
        ("Too late", "The sign-in took longer than 15 minutes.")
    } else if back.is_some() {
        ("Not signed in", "The sign-in did not prove who you are.")
    } else {
        (
            "This link does not open anything",
            "It is not whole, or it was not made here. Copy all of it from the ticket.",
        )
    };
    let page = refused(title, text, back);
    let mut response = answered(StatusCode::FORBIDDEN, page, &front.wanted());
    if reject.is_unproven() {
        response.extensions_mut().insert(Unproven);
    }
    response
}

fn unavailable(front: &Front, error: &PortError) -> Response {
    error!("what people are asked cannot be had: {}", chain(error));
    let page = refused("Try again in a moment", "Nothing was decided.", None);
    answered(StatusCode::SERVICE_UNAVAILABLE, page, &front.wanted())
}
