//! Where Microsoft and people reach this program: asked as they would, from here.

use serde::Deserialize;
use url::Url;

use super::Check;
use crate::adapters::http::Http;
use crate::config::Config;
use crate::domain::policy::Mode;
use crate::domain::text::{foreign, one_line};
use crate::ports::chain;

/// Most bytes of an answer that are read.
const ANSWER_MAX: usize = 64 * 1024;

/// What Graph would say to see that somebody is there.
const ECHO: &str = "doctor: is anybody there?";

/// What `/health` says.
#[derive(Deserialize)]
struct Health {
    status: String,
    version: String,
    mode: Mode,
    #[serde(default)]
    stopped: bool,
}

pub(super) async fn checks(config: &Config, http: &Http) -> Vec<Check> {
    let Some(base) = &config.settings.public_url else {
        let said = "WARDEN_PUBLIC_URL is not set: Microsoft Graph notifies nobody, and what happens is \
                    heard of by what is forwarded, polled or looked at by schedule";
        let mend = "set it to the https address at which Microsoft reaches `serve`";
        return vec![Check::warn("WARDEN_PUBLIC_URL", said).mend(mend)];
    };
    let mut checks = vec![address(base)];
    match health(base, http).await {
        Ok(health) => {
            let there = foreign(&health.version);
            let said = format!("version {there} answers at /health, in mode {}", health.mode);
            checks.push(Check::ok("health", said));
            if health.mode != config.policy.mode {
                let said = format!(
                    "it runs in mode {}, and the policy here says {}",
                    health.mode, config.policy.mode
                );
                checks.push(Check::warn("health", said).mend("start it anew with this policy"));
            }
            if health.stopped {
                let said = "all writing is stopped";
                let mend = "`partner-warden resume` ends that, once it is to end";
                checks.push(Check::warn("health", said).mend(mend));
            }
            checks.push(match handshake(base, http).await {
                Ok(()) => Check::ok(
                    "handshake",
                    "/hooks/graph answers what Microsoft Graph asks before it subscribes",
                ),
                Err(said) => Check::fail("handshake", said).mend(
                    "let whatever stands before it pass POST /hooks/graph with its query unchanged",
                ),
            });
        }
        Err((said, mend)) => checks.push(Check::fail("health", said).mend(mend)),
    }
    checks
}

/// Whether Microsoft could come here at all, as far as the address says.
fn address(base: &Url) -> Check {
    let shown = base.as_str().trim_end_matches('/');
    if base.scheme() == "https" {
        return Check::ok("WARDEN_PUBLIC_URL", format!("{shown}, asked from this machine"));
    }
    let said = format!("{shown} is on this machine alone: Microsoft cannot reach it");
    Check::warn("WARDEN_PUBLIC_URL", said)
        .mend("put an https address before it, unless it is a trial")
}

fn at(base: &Url, path: &str) -> Option<Url> {
    Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/'))).ok()
}

async fn health(base: &Url, http: &Http) -> Result<Health, (String, String)> {
    let failed = |said: &str, mend: &str| (said.to_owned(), mend.to_owned());
    let nobody = "see that `serve` is running, and that the address, its port and whatever stands \
                  before it (a load balancer, a tunnel) lead to it";
    let Some(url) = at(base, "health") else {
        return Err(failed("no url can be made of it", nobody));
    };
    let whom = format!("{}/health", base.as_str().trim_end_matches('/'));
    let answer = http.once_within(&whom, ANSWER_MAX, |client| client.get(url.clone())).await;
    let answer = answer.map_err(|error| {
        let said = one_line(&chain(&error));
        // What the TLS library says of certificates that lead to nobody who is trusted.
        let certificate = said.to_lowercase().contains("certificate");
        let mend = if certificate {
            "give it a certificate of a public authority, with all that lies between, in force and \
             for this very name"
        } else {
            nobody
        };
        (said, mend.to_owned())
    })?;
    let status = answer.status.as_u16();
    if answer.status.is_redirection() {
        let said = format!("{whom} answered {status}, which leads elsewhere");
        return Err((said, "set WARDEN_PUBLIC_URL to where it leads".to_owned()));
    }
    let health: Option<Health> = serde_json::from_slice(&answer.body).ok();
    let ours = health.filter(|health| answer.status.is_success() && health.status == "ok");
    ours.ok_or_else(|| {
        let mut said = format!("{whom} answered {status}");
        if answer.status.is_success() {
            said.push_str(", and not as Partner Warden does");
        }
        (said, nobody.to_owned())
    })
}

/// Asks as Graph does before it subscribes: the token comes back as it was sent, as plain text.
///
/// Source: Microsoft Graph documentation, "Receive change notifications through webhooks",
/// notificationUrl validation.
async fn handshake(base: &Url, http: &Http) -> Result<(), String> {
    let Some(mut url) = at(base, "hooks/graph") else {
        return Err("no url can be made of it".to_owned());
    };
    url.query_pairs_mut().append_pair("validationToken", ECHO);
    let whom = "/hooks/graph";
    let answer = http.once_within(whom, ANSWER_MAX, |client| client.post(url.clone())).await;
    let answer = answer.map_err(|error| one_line(&chain(&error)))?;
    let plain = answer.header("content-type").is_some_and(|it| it.starts_with("text/plain"));
    if answer.status.as_u16() == 200 && plain && answer.body.as_ref() == ECHO.as_bytes() {
        return Ok(());
    }
    Err(format!("{whom} answered {} and not with what it was sent", answer.status.as_u16()))
}
