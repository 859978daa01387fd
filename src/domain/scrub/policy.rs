//! What a policy says of one tenant, without names.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::names::{Kind, Names};
use crate::domain::finding::rules;
use crate::domain::policy::{Allowance, Do, Policy};
use crate::domain::role::{self, RoleTemplateId};
use crate::domain::roster::{AccountName, Partner, Side, Tenant};

/// The policy as YAML. Tickets, guardrails and reasons are left out: they change no finding.
pub(super) fn scrubbed(tenant: &Tenant, policy: &Policy, names: &mut Names) -> String {
    let mut yaml = String::from("version: 1\nmode: observe\ntenants:\n");
    let id = names.id(&tenant.id.to_string());
    line(&mut yaml, format_args!("  - id: {id}"));
    line(&mut yaml, format_args!("    name: {}", names.name(Kind::Tenant, &tenant.name)));
    let others = match tenant.side {
        Side::Customer => "partners",
        Side::Partner => {
            yaml.push_str("    side: partner\n");
            "customers"
        }
    };
    if !tenant.partners.is_empty() {
        line(&mut yaml, format_args!("    {others}:"));
        for partner in &tenant.partners {
            of_partner(&mut yaml, partner, names);
        }
    }
    let unlisted = allowance(&tenant.unlisted, names);
    line(&mut yaml, format_args!("    unlisted: {{allow: {unlisted}}}"));
    responses(&mut yaml, policy);
    exceptions(&mut yaml, tenant, policy, names);
    yaml
}

fn line(yaml: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(yaml, "{text}");
}

fn of_partner(yaml: &mut String, partner: &Partner, names: &mut Names) {
    line(yaml, format_args!("      - id: {}", names.id(&partner.id.to_string())));
    line(yaml, format_args!("        name: {}", names.name(Kind::Tenant, &partner.name)));
    if !partner.domains.is_empty() {
        let domains: Vec<String> = partner.domains.iter().map(|it| names.domain(it)).collect();
        line(yaml, format_args!("        domains: [{}]", domains.join(", ")));
    }
    if !partner.accounts.is_empty() {
        let account = |account: &AccountName| names.plain(account.as_str());
        let accounts: Vec<String> = partner.accounts.iter().map(account).collect();
        line(yaml, format_args!("        accounts: [{}]", accounts.join(", ")));
    }
    line(yaml, format_args!("        allow: {}", allowance(&partner.allow, names)));
    let require = partner.require;
    let demands: Vec<String> = [
        require.mfa.then(|| "mfa: true".to_owned()),
        require.max_duration.map(|most| format!("maxDuration: {most}")),
        require.eligible.then(|| "eligible: true".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !demands.is_empty() {
        line(yaml, format_args!("        require: {{{}}}", demands.join(", ")));
    }
}

fn allowance(allowance: &Allowance, names: &mut Names) -> String {
    let roles: Vec<String> = allowance.roles.iter().map(|role| role_named(*role, names)).collect();
    let until = allowance.until.map_or_else(String::new, |until| format!(", until: {}", at(until)));
    format!("{{roles: [{}]{until}}}", roles.join(", "))
}

/// A built-in role by its name, any other by its made-up id.
fn role_named(role: RoleTemplateId, names: &mut Names) -> String {
    match role::by_id(role) {
        Some(role) => quoted(role.name),
        None => names.id(&role.to_string()),
    }
}

/// A JSON string, which is YAML too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn at(moment: Timestamp) -> String {
    quoted(&moment.to_string())
}

/// The responses that are not those of a policy that says nothing.
fn responses(yaml: &mut String, policy: &Policy) {
    let word = |act: Do| match act {
        Do::Ignore => "ignore",
        Do::Record => "record",
        Do::Ticket => "ticket",
        Do::Approve => "approve",
        Do::Quarantine => "quarantine",
        Do::Revoke => "revoke",
    };
    let all: Vec<String> = rules()
        .map(|rule| {
            let response = policy.response(rule.name, rule.severity);
            let also: Vec<&str> = response.also.iter().map(|also| also.as_str()).collect();
            let also = also.join(", ");
            let also = if also.is_empty() { also } else { format!(", also: [{also}]") };
            let refused = response.quarantine_if_refused;
            let refused = if refused { ", ifRefused: quarantine" } else { "" };
            format!("  {}: {{do: {}{also}{refused}}}", rule.name, word(response.act))
        })
        .collect();
    line(yaml, format_args!("respond:\n{}", all.join("\n")));
}

fn exceptions(yaml: &mut String, tenant: &Tenant, policy: &Policy, names: &mut Names) {
    let of_tenant =
        policy.exceptions.iter().filter(|it| it.tenant.is_none_or(|only| only == tenant.id));
    let all: Vec<String> = of_tenant
        .map(|it| {
            let partner = names.id(&it.partner.to_string());
            let role = role_named(it.role, names);
            let until = at(it.until);
            format!("  - {{partner: {partner}, role: {role}, until: {until}, reason: (left out)}}")
        })
        .collect();
    if !all.is_empty() {
        line(yaml, format_args!("exceptions:\n{}", all.join("\n")));
    }
}
