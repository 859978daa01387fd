//! Sign-in: the token endpoint, its key set, and the check of a token it made
//! (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>).

use std::io;
use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::assertion::{self, Measure};
use super::ids;
use super::reply::{Asked, Reply};
use super::state::State;

const AUDIENCE: &str = "https://graph.microsoft.com";

/// The audience of tokens for the Partner Center API
/// (<https://learn.microsoft.com/partner-center/developer/partner-center-authentication>).
pub(crate) const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";

const LIFETIME: i64 = 3599;

/// The one kind of client assertion there is (RFC 7523).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The claims of a version 1.0 access token
/// (<https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    aud: String,
    iss: String,
    pub(crate) tid: String,
    appid: String,
    pub(crate) roles: Vec<String>,
    iat: i64,
    nbf: i64,
    exp: i64,
    ver: String,
}

/// The key that signs tokens.
struct Signer {
    signing: EncodingKey,
    checking: DecodingKey,
    kid: String,
    n: String,
    e: String,
}

static SIGNER: OnceLock<Signer> = OnceLock::new();

/// Makes the key unless this process has it: making one takes a good part of a second, and every
/// simulator in the process can share it.
pub(crate) fn prepare() -> io::Result<()> {
    if SIGNER.get().is_none() {
        let signer = Signer::generate().ok_or_else(|| io::Error::other("no RSA key"))?;
        // Where two simulators start at once, the key that was ready first stays.
        let _ = SIGNER.set(signer);
    }
    Ok(())
}

impl Signer {
    fn generate() -> Option<Self> {
        let der = KeyPair::generate(KeySize::Rsa2048).ok()?.as_der().ok()?;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).ok()?;
        let jwk = Jwk::from_encoding_key(&signing, Algorithm::RS256).ok()?;
        let AlgorithmParameters::RSA(public) = jwk.algorithm else { return None };
        let checking = DecodingKey::from_rsa_components(&public.n, &public.e).ok()?;
        let kid = ids::guid(&["key", &public.n]);
        Some(Self { signing, checking, kid, n: public.n, e: public.e })
    }
}

/// `GET /common/discovery/keys` and `/common/discovery/v2.0/keys`.
pub(crate) fn keys() -> Reply {
    let keys = SIGNER.get().map(|signer| {
        json!({
            "kty": "RSA", "use": "sig", "kid": signer.kid, "n": signer.n, "e": signer.e,
        })
    });
    Reply::json(StatusCode::OK, &json!({ "keys": keys.as_slice() }))
}

/// The claims of the request's bearer token, if it is one of ours and in force.
pub(crate) fn bearer(asked: &Asked) -> Option<Claims> {
    bearer_for(asked, AUDIENCE)
}

/// The claims of the request's bearer token, if it is one of ours for this audience and in force.
pub(crate) fn bearer_for(asked: &Asked, audience: &str) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[audience]);
    let token = decode::<Claims>(asked.bearer()?, &SIGNER.get()?.checking, &validation).ok()?;
    (token.claims.iss == issuer(&token.claims.tid)).then_some(token.claims)
}

fn issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) fn token(state: &mut State, asked: &Asked, tenant: &str) -> Reply {
    match issue(state, asked, tenant) {
        Ok(token) => {
            let body = json!({
                "token_type": "Bearer",
                "expires_in": LIFETIME,
                "ext_expires_in": LIFETIME,
                "access_token": token,
            });
            Reply::json(StatusCode::OK, &body)
        }
        Err(refusal) => refusal.into_reply(asked),
    }
}

fn issue(state: &mut State, asked: &Asked, tenant: &str) -> Result<String, Refusal> {
    let field = |name: &str| {
        let mut fields = form_urlencoded::parse(&asked.body);
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let directory = state.directory(tenant).ok_or_else(|| {
        let text = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
        );
        Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", 90002, text)
    })?;
    let tenant_id = directory.id.clone();
    let client = field("client_id").unwrap_or_default();
    if field("grant_type").as_deref() != Some("client_credentials") {
        let text = "The app requested an unsupported grant type.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", 70003, text));
    }
    let apps = &state.settings.apps;
    let Some(app) = apps.app(&client) else {
        let text =
            format!("Application with identifier '{client}' was not found in the directory.");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "unauthorized_client", 700_016, text));
    };
    let assertion = match field("client_assertion_type").as_deref() {
        Some(JWT_BEARER) => field("client_assertion"),
        _ => None,
    };
    match (field("client_secret"), assertion) {
        (Some(secret), None) if app.app.client_secret.as_ref() == Some(&secret) => {}
        (Some(_), None) => {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is \
                 the client secret value, not the client secret ID, for a secret added to app \
                 '{client}'."
            );
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_215, text));
        }
        (None, Some(assertion)) => {
            let endpoint = format!("{}{}", asked.origin(), asked.path());
            let measure = Measure { apps, app, endpoint: &endpoint, now: asked.now };
            assertion::check(&assertion, &measure, &mut state.assertions)?;
        }
        (None, None) => {
            let text = "The request body must contain the following parameter: \
                        'client_assertion' or 'client_secret'.";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_218, text));
        }
        (Some(_), Some(_)) => {
            let text = "Invalid request. Request is malformed or invalid.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", 9_002_313, text));
        }
    }
    let scope = field("scope").unwrap_or_default();
    let Some(resource) = scope.strip_suffix("/.default") else {
        let text = format!("The provided value for scope {scope} is not valid.");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_scope", 1_002_012, text));
    };
    // An application's own API goes by its id and by its URI; all else here is Partner Center, which
    // shares the port with Graph and goes by the name of the machine, or Graph.
    let own = apps.app(resource.strip_prefix("api://").unwrap_or(resource)).is_some();
    let audience = match resource {
        _ if own => resource,
        PARTNER_CENTER => PARTNER_CENTER,
        _ if resource.starts_with("http://localhost:") => PARTNER_CENTER,
        _ => AUDIENCE,
    };
    access_token(audience, &tenant_id, &client, &app.app.permissions, asked.now.as_second())
}

fn access_token(
    audience: &str,
    tenant: &str,
    client: &str,
    roles: &[String],
    now: i64,
) -> Result<String, Refusal> {
    let claims = Claims {
        aud: audience.to_owned(),
        iss: issuer(tenant),
        tid: tenant.to_owned(),
        appid: client.to_owned(),
        roles: roles.to_vec(),
        iat: now,
        nbf: now,
        exp: now + LIFETIME,
        ver: "1.0".to_owned(),
    };
    sign(&claims).ok_or_else(|| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Refusal::new(status, "server_error", 90033, "The token could not be signed.")
    })
}

/// A token with these claims, signed with the published key.
pub(crate) fn sign(claims: &impl Serialize) -> Option<String> {
    let signer = SIGNER.get()?;
    let header = Header { kid: Some(signer.kid.clone()), ..Header::new(Algorithm::RS256) };
    encode(&header, claims, &signer.signing).ok()
}

/// An error in the shape of the token endpoint
/// (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>).
pub(crate) struct Refusal {
    status: StatusCode,
    error: &'static str,
    code: u32,
    text: String,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        error: &'static str,
        code: u32,
        text: impl Into<String>,
    ) -> Self {
        Self { status, error, code, text: text.into() }
    }

    fn into_reply(self, asked: &Asked) -> Reply {
        let (id, code) = (asked.request_id(), self.code);
        let time = asked.now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let description = format!(
            "AADSTS{code}: {} Trace ID: {id} Correlation ID: {id} Timestamp: {time}",
            self.text
        );
        let body: Value = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [code],
            "timestamp": time,
            "trace_id": id,
            "correlation_id": id,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        Reply::json(self.status, &body)
    }
}
