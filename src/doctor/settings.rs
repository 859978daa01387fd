//! Settings, policy and secrets: what is there, what is missing, what will not last.

use jiff::Timestamp;

use super::explain::Fix;
use super::{Check, Verdict};
use crate::config::Config;
use crate::domain::text::count;
use crate::parts;

pub(super) fn checks(config: &Config, missing: &[String], now: Timestamp) -> Vec<Check> {
    let (settings, policy) = (&config.settings, &config.policy);
    let tenants = count(policy.roster.tenants.len(), "tenant");
    let mut checks =
        vec![Check::ok("policy", format!("{}: mode {}, {tenants}", settings.policy, policy.mode))];
    for warning in &config.warnings {
        let line = format!("{}:{warning}", settings.policy);
        checks.push(Check::warn("policy", line));
    }
    let keys = keys(config);
    if missing.is_empty() && keys.iter().all(|check| check.verdict != Verdict::Fail) {
        let said = format!("{} holds what is needed", settings.secrets);
        checks.push(Check::ok("secrets", said));
    }
    for line in missing {
        let said = line.as_str();
        let (said, mend) = said.split_once("; ").unwrap_or((said, ""));
        let mend = if mend.is_empty() {
            format!("mend it in {}", settings.secrets)
        } else {
            format!("put it into {}: {mend}", settings.secrets)
        };
        let key = said.split_whitespace().next().unwrap_or_default();
        let check = Check::fail("secrets", said).mend(mend);
        checks.push(match Fix::of_secret(key, settings) {
            Some(fix) if said.ends_with("is missing") => check.fix(fix),
            _ => check,
        });
    }
    for concern in parts::concerns(config, now) {
        let (said, mend) = concern.split_once("; ").unwrap_or((&concern, ""));
        let refused = said.contains("is refused") && !said.contains("from then on");
        let check = if refused {
            Check::fail("certificate", said)
        } else {
            Check::warn("certificate", said)
        };
        checks.push(if mend.is_empty() { check } else { check.mend(mend) });
    }
    checks.extend(keys);
    if let Some(concern) = parts::concerns_about_deciding(policy, settings.approvers.as_deref()) {
        let (said, mend) = concern.split_once(": ").unwrap_or((concern, ""));
        checks.push(Check::warn("approvals", said).mend(mend));
    }
    if settings.sweep_every.is_none() {
        let said = "WARDEN_SWEEP_EVERY is off: a tenant is looked at only when something is heard";
        checks.push(Check::warn("periodic look", said).mend("leave WARDEN_SWEEP_EVERY unset"));
    }
    checks
}

/// The keys without which something is not listened to.
fn keys(config: &Config) -> Vec<Check> {
    let (settings, secrets) = (&config.settings, &config.secrets);
    let mut checks = Vec::new();
    let into = |key: &str| format!("put {key} into {}", settings.secrets);
    let lacks = |key: &str| secrets.rotated(key).is_empty();
    let asked = |key: &str, check: Check| {
        let check = check.mend(into(key));
        match Fix::of_secret(key, settings) {
            Some(fix) => check.fix(fix),
            None => check,
        }
    };
    if settings.public_url.is_some() && lacks("clientStateKey") {
        let said = "no clientStateKey: Microsoft Graph is not asked for notifications, and \
                    /hooks/graph takes nothing";
        checks.push(asked("clientStateKey", Check::fail("secrets", said)));
    }
    if lacks("auditWebhookSecret") {
        let said = "no auditWebhookSecret: /hooks/audit takes what is forwarded with a Microsoft \
                    Entra token only";
        checks.push(asked("auditWebhookSecret", Check::warn("secrets", said)));
    }
    if config.policy.asks() {
        if lacks("decisionKey") {
            let said = "no decisionKey: the policy asks people, and they cannot be sent a link";
            checks.push(asked("decisionKey", Check::fail("secrets", said)));
        } else if settings.public_url.is_none() {
            let said =
                "no WARDEN_PUBLIC_URL: the policy asks people, and they cannot be sent a link";
            let mend = "set WARDEN_PUBLIC_URL to where people reach this program";
            checks.push(Check::fail("approvals", said).mend(mend));
        }
    }
    checks
}
