//! The sign-in of people: the authorize endpoint, for `response_type=id_token` with
//! `response_mode=form_post`
//! (<https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc>).
//!
//! Whoever opens it chooses an account of the tenant, or names one in `login_hint`; nobody is asked
//! for a password. Application roles of people are not simulated: `roles` in the query says which
//! the token holds. A real sign-in sends the form by a script; this one has a button.

use http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use serde::Serialize;
use serde_json::json;
use url::form_urlencoded;

use super::principal::{Principal, PrincipalKind};
use super::reply::{Asked, Reply};
use super::signin;
use super::state::State;

const LIFETIME: i64 = 3599;

/// The claims of a version 2.0 ID token
/// (<https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference>).
#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: String,
    tid: &'a str,
    oid: &'a str,
    sub: &'a str,
    name: &'a str,
    preferred_username: &'a str,
    nonce: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<&'a str>,
    iat: i64,
    nbf: i64,
    exp: i64,
    ver: &'static str,
}

/// `GET /{tenant}/oauth2/v2.0/authorize`.
pub(crate) fn page(state: &State, asked: &Asked, tenant: &str) -> Reply {
    let field = |name: &str| {
        let mut fields = form_urlencoded::parse(asked.query().as_bytes());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let wrong = |what: &str| Reply::json(StatusCode::BAD_REQUEST, &json!({ "error": what }));
    let Some(directory) = state.directory(tenant) else { return wrong("AADSTS90002") };
    let client = field("client_id").unwrap_or_default();
    if state.settings.apps.app(&client).is_none() {
        return wrong("AADSTS700016");
    }
    let (form, kind) = (field("response_mode"), field("response_type"));
    if form.as_deref() != Some("form_post") || kind.as_deref() != Some("id_token") {
        return wrong("AADSTS700054: only id_token by form_post is simulated");
    }
    let (Some(back), Some(nonce)) = (field("redirect_uri"), field("nonce")) else {
        return wrong("AADSTS900144: redirect_uri and nonce are needed");
    };
    let people = || {
        let mut all = directory.principals.iter();
        std::iter::from_fn(move || all.next()).filter_map(|(id, it)| Some((id, it, upn(it)?)))
    };
    let hint = field("login_hint");
    let person = people().find(|(.., upn)| hint.as_deref() == Some(upn));
    let Some((oid, person, upn)) = person else {
        let others = form_urlencoded::parse(asked.query().as_bytes());
        let others: Vec<_> = others.filter(|(key, _)| key != "login_hint").collect();
        let said = html! {
            h1 { "Pick an account" }
            form method="get" {
                @for (key, value) in &others { input type="hidden" name=(key) value=(value); }
                @for (_, person, upn) in people() {
                    p { button name="login_hint" value=(upn) { (person.name) " " (upn) } }
                }
            }
        };
        return Reply::html(&document("Pick an account", &said));
    };
    let roles = field("roles").unwrap_or_default();
    let now = asked.now.as_second();
    let claims = Claims {
        aud: &client,
        iss: format!("{}/{}/v2.0", asked.origin(), directory.id),
        tid: &directory.id,
        oid,
        sub: oid,
        name: &person.name,
        preferred_username: upn,
        nonce: &nonce,
        roles: roles.split(',').filter(|role| !role.is_empty()).collect(),
        iat: now,
        nbf: now,
        exp: now + LIFETIME,
        ver: "2.0",
    };
    let Some(token) = signin::sign(&claims) else {
        return Reply::empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let said = html! {
        h1 { "Signed in as " (upn) }
        form method="post" action=(back) {
            input type="hidden" name="id_token" value=(token);
            input type="hidden" name="state" value=(field("state").unwrap_or_default());
            button { "Continue" }
        }
    };
    Reply::html(&document("Working…", &said))
}

fn upn(person: &Principal) -> Option<&str> {
    let is_user = matches!(person.kind, PrincipalKind::Member | PrincipalKind::Guest);
    person.user_principal_name.as_deref().filter(|_| is_user)
}

fn document(title: &str, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } }
            body { main { (content) } }
        }
    };
    page.into_string()
}
