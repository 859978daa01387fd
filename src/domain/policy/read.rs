//! The policy's text to its meaning, with every mistake placed.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_saphyr::{Location, Spanned};
use url::Url;

use super::raw::{
    RawAllowance, RawException, RawGuardrails, RawPartner, RawPolicy, RawRequire, RawResponse,
    RawSink, RawTenant, Text,
};
use super::{
    Allowance, Checked, Do, Exception, Guardrails, Policy, Problem, Response, Sink, duration,
    is_protected,
};
use crate::domain::finding::{self, FindingName};
use crate::domain::id::{PartnerId, Sha256Hex, SinkName, TenantId};
use crate::domain::role::{self, RoleTemplateId};
use crate::domain::roster::{AccountName, Partner, Requirement, Roster, Side, Tenant};

/// Collects what is wrong while the rest is still read, so that one run tells all of it.
#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

pub(super) fn policy(text: &str) -> Result<Checked, Vec<Problem>> {
    let options = serde_saphyr::options! { with_snippet: false };
    let raw: RawPolicy = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| vec![not_the_shape(&error)])?;
    let mut reader = Reader::default();
    let policy = reader.policy(raw, Sha256Hex::of(text.as_bytes()));
    for list in [&mut reader.problems, &mut reader.warnings] {
        list.sort_by_key(|problem| (problem.line, problem.column));
    }
    if reader.problems.is_empty() {
        Ok(Checked { policy, warnings: reader.warnings })
    } else {
        Err(reader.problems)
    }
}

fn not_the_shape(error: &serde_saphyr::Error) -> Problem {
    let message = error.to_string();
    match error.location() {
        Some(at) => {
            let tail = format!(" at line {}, column {}", at.line(), at.column());
            let message = message.strip_suffix(&tail).unwrap_or(&message).to_owned();
            Problem { line: at.line(), column: at.column(), message }
        }
        None => Problem { line: 0, column: 0, message },
    }
}

fn problem(at: Location, message: String) -> Problem {
    Problem { line: at.line(), column: at.column(), message }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

impl Reader {
    fn wrong(&mut self, at: Location, message: impl Into<String>) {
        self.problems.push(problem(at, message.into()));
    }

    fn warn(&mut self, at: Location, message: impl Into<String>) {
        self.warnings.push(problem(at, message.into()));
    }

    fn policy(&mut self, raw: RawPolicy, hash: Sha256Hex) -> Policy {
        if raw.version.value != 1 {
            self.wrong(
                raw.version.referenced,
                format!(
                    "policy version {} is not known; this program reads version 1",
                    raw.version.value
                ),
            );
        }
        if let Some(tests) = raw.tests {
            self.warn(tests.referenced, "`tests` are not run by this version");
        }
        let sinks: Vec<String> = raw.tickets.keys().cloned().collect();
        let tickets = self.tickets(raw.tickets);
        let roster = self.roster(raw.tenants);
        let respond = self.responses(raw.respond, &sinks);
        let exceptions = raw.exceptions.into_iter().filter_map(|e| self.exception(e, &roster));
        let exceptions = exceptions.collect();
        let guardrails = raw.guardrails.map_or_else(Guardrails::default, |g| self.guardrails(g));
        Policy { hash, mode: raw.mode, roster, exceptions, guardrails, tickets, respond }
    }

    fn roster(&mut self, raw: Spanned<Vec<Spanned<RawTenant>>>) -> Roster {
        if raw.value.is_empty() {
            self.wrong(raw.referenced, "no tenant is named; add the tenant to guard");
        }
        let mut seen = BTreeSet::new();
        let mut tenants = Vec::new();
        for tenant in raw.value {
            let at = tenant.value.id.referenced;
            if let Some(tenant) = self.tenant(tenant) {
                if !seen.insert(tenant.id) {
                    self.wrong(at, format!("tenant {} is named twice", tenant.id));
                }
                tenants.push(tenant);
            }
        }
        Roster { tenants }
    }

    fn tenant(&mut self, raw: Spanned<RawTenant>) -> Option<Tenant> {
        let at = raw.referenced;
        let raw = raw.value;
        let partners_raw = self.other_parties(raw.side, raw.partners, raw.customers, at);
        let name = self.name(&raw.name);
        let id = self.guid::<TenantId>(&raw.id, "tenant id");
        let mut partners: Vec<Partner> = Vec::new();
        for partner in partners_raw {
            let at = partner.id.referenced;
            let Some(partner) = self.partner(partner) else { continue };
            if id.is_some_and(|id| PartnerId::from(id) == partner.id) {
                self.wrong(at, "the tenant is named as its own partner");
            }
            if partners.iter().any(|other| other.id == partner.id) {
                self.wrong(at, format!("partner {} is named twice", partner.id));
            }
            if partners.iter().any(|other| other.name.eq_ignore_ascii_case(&partner.name)) {
                self.wrong(at, format!("two partners are called `{}`", partner.name));
            }
            partners.push(partner);
        }
        let unlisted = raw.unlisted.map_or_else(Allowance::nothing, |u| self.allowance(u.allow));
        Some(Tenant { id: id?, name, side: raw.side, partners, unlisted })
    }

    /// The partners of a customer's tenant, or the customers of a partner's.
    fn other_parties(
        &mut self,
        side: Side,
        partners: Vec<RawPartner>,
        customers: Option<Spanned<Vec<RawPartner>>>,
        at: Location,
    ) -> Vec<RawPartner> {
        match (side, customers) {
            (Side::Customer, None) => partners,
            (Side::Customer, Some(customers)) => {
                self.wrong(
                    customers.referenced,
                    "`customers` belongs to a tenant with `side: partner`; a customer's tenant \
                     lists its `partners`",
                );
                partners
            }
            (Side::Partner, customers) => {
                if !partners.is_empty() {
                    self.wrong(
                        at,
                        "a tenant with `side: partner` lists its `customers`, not `partners`",
                    );
                }
                let customers = customers.map(|customers| customers.value).unwrap_or_default();
                for customer in &customers {
                    if let Some(text) = customer.domains.first().or(customer.accounts.first()) {
                        self.wrong(
                            text.referenced,
                            "a customer has neither `domains` nor `accounts`; those attribute \
                             accounts to partners",
                        );
                    }
                }
                customers
            }
        }
    }

    fn partner(&mut self, raw: RawPartner) -> Option<Partner> {
        let name = self.name(&raw.name);
        let id = self.guid::<PartnerId>(&raw.id, "partner id (the partner's own tenant)");
        let domains = raw.domains.into_iter().filter_map(|domain| self.domain(&domain)).collect();
        let accounts = raw.accounts.into_iter().filter_map(|a| self.account(&a)).collect();
        let allow = self.allowance(raw.allow);
        let require = raw.require.map(|raw| self.require(&raw.value)).unwrap_or_default();
        Some(Partner { id: id?, name, domains, accounts, allow, require })
    }

    fn require(&mut self, raw: &RawRequire) -> Requirement {
        Requirement {
            mfa: raw.mfa == Some(true),
            max_duration: raw.max_duration.as_ref().map(|text| self.duration(text)),
            eligible: raw.eligible == Some(true),
        }
    }

    fn allowance(&mut self, raw: RawAllowance) -> Allowance {
        let roles = raw.roles.iter().filter_map(|role| self.role(role)).collect();
        let until = raw.until.and_then(|until| self.moment(&until));
        Allowance { roles, until }
    }

    fn responses(
        &mut self,
        raw: IndexMap<String, Spanned<RawResponse>>,
        sinks: &[String],
    ) -> BTreeMap<FindingName, Response> {
        let mut responses = BTreeMap::new();
        for (name, response) in raw {
            let at = response.referenced;
            let response = Response {
                act: response.value.r#do,
                ticket: response.value.ticket.and_then(|sink| self.sink_name(&sink, sinks)),
            };
            if matches!(response.act, Do::Quarantine) {
                self.warn(at, "`quarantine` is not carried out by this version: it opens a ticket");
            }
            if let Some(finding) = FindingName::from_text(&name) {
                responses.insert(finding, response);
            } else {
                let hint = did_you_mean(finding::nearest(&name));
                self.wrong(at, format!("`{name}` is not the name of a finding{hint}"));
            }
        }
        responses
    }

    fn sink_name(&mut self, name: &Text, sinks: &[String]) -> Option<SinkName> {
        if sinks.contains(&name.value) {
            return Some(SinkName(name.value.clone()));
        }
        let known: Vec<&str> = sinks.iter().map(String::as_str).collect();
        self.wrong(
            name.referenced,
            format!("no ticket sink `{}` under `tickets`; it has: {}", name.value, list(&known)),
        );
        None
    }

    fn exception(&mut self, raw: RawException, roster: &Roster) -> Option<Exception> {
        let tenant = match &raw.tenant {
            Some(text) => Some(self.guid::<TenantId>(text, "tenant id")?),
            None => None,
        };
        let partner = self.partner_ref(&raw.partner, roster);
        let role = self.role(&raw.role);
        let until = self.moment(&raw.until);
        let reason = self.name(&raw.reason);
        Some(Exception {
            tenant,
            partner: partner?,
            role: role?,
            until: until?,
            reason,
            ticket: raw.ticket,
        })
    }

    fn partner_ref(&mut self, text: &Text, roster: &Roster) -> Option<PartnerId> {
        if let Ok(id) = text.value.parse() {
            return Some(id);
        }
        let partners = || roster.tenants.iter().flat_map(|tenant| &tenant.partners);
        let mut ids: Vec<PartnerId> = partners()
            .filter(|partner| partner.name.eq_ignore_ascii_case(text.value.trim()))
            .map(|partner| partner.id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        match ids.as_slice() {
            [id] => Some(*id),
            [] => {
                let names: Vec<&str> = partners().map(|partner| partner.name.as_str()).collect();
                self.wrong(
                    text.referenced,
                    format!("no partner `{}`; named are: {}", text.value, list(&names)),
                );
                None
            }
            _ => {
                self.wrong(
                    text.referenced,
                    format!("several partners are called `{}`; give the id", text.value),
                );
                None
            }
        }
    }

    fn guardrails(&mut self, raw: RawGuardrails) -> Guardrails {
        let default = Guardrails::default();
        let protected = raw.protected.iter().filter_map(|account| self.account(account)).collect();
        let per = raw.per.map_or(default.per, |text| self.duration(&text));
        let max_revocations = raw.max_revocations.unwrap_or(default.max_revocations);
        Guardrails { protected, max_revocations, per }
    }

    fn tickets(&mut self, raw: IndexMap<String, Spanned<RawSink>>) -> IndexMap<SinkName, Sink> {
        let mut sinks = IndexMap::new();
        for (name, sink) in raw {
            sinks.extend(self.sink(&sink).map(|sink| (SinkName(name), sink)));
        }
        sinks
    }

    fn sink(&mut self, raw: &Spanned<RawSink>) -> Option<Sink> {
        let kind = &raw.value.kind;
        if kind.value != "webhook" {
            self.wrong(
                kind.referenced,
                format!("`{}` is not a kind of ticket sink; there is: webhook", kind.value),
            );
            return None;
        }
        if let Some(extra) = raw.value.rest.keys().next() {
            self.wrong(
                raw.referenced,
                format!("unknown field `{extra}`; a webhook has: kind, url"),
            );
        }
        let Some(text) = &raw.value.url else {
            self.wrong(raw.referenced, "a webhook needs its `url`");
            return None;
        };
        match Url::parse(&text.value) {
            Ok(url) if is_protected(&url) => Some(Sink::Webhook { url }),
            Ok(_) => {
                self.wrong(
                    text.referenced,
                    "the url must be https (plain http only to this machine)",
                );
                None
            }
            Err(error) => {
                self.wrong(text.referenced, format!("not a url: {error}"));
                None
            }
        }
    }

    fn role(&mut self, text: &Text) -> Option<RoleTemplateId> {
        if let Ok(id) = text.value.parse() {
            return Some(id);
        }
        if let Some(role) = role::by_name(&text.value) {
            return Some(role.template_id);
        }
        let hint = did_you_mean(role::nearest(&text.value));
        self.wrong(
            text.referenced,
            format!(
                "`{}` is not a built-in role (a custom role is named by its id){hint}",
                text.value
            ),
        );
        None
    }

    fn moment(&mut self, text: &Text) -> Option<Timestamp> {
        let moment = text.value.trim().parse::<Timestamp>().ok().or_else(|| {
            // A bare date means to the end of that day, in UTC.
            let day = text.value.trim().parse::<Date>().ok()?;
            let midnight = day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
            (text.value.trim().len() == "2027-03-31".len()).then(|| midnight.timestamp())
        });
        if moment.is_none() {
            self.wrong(
                text.referenced,
                format!(
                    "`{}` is not a moment; write 2027-03-31 (the whole day, UTC) or \
                     2026-12-24T18:00Z",
                    text.value
                ),
            );
        }
        moment
    }

    fn duration(&mut self, text: &Text) -> SignedDuration {
        duration(&text.value).unwrap_or_else(|| {
            self.wrong(text.referenced, not_a_duration(&text.value));
            SignedDuration::ZERO
        })
    }

    fn domain(&mut self, text: &Text) -> Option<String> {
        let domain = text.value.trim().trim_end_matches('.').to_lowercase();
        let labels = || domain.split('.');
        let whole = labels().count() >= 2
            && labels()
                .all(|l| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-'));
        if !whole {
            self.wrong(
                text.referenced,
                format!("`{}` is not a domain such as contoso-reseller.example", text.value),
            );
            return None;
        }
        Some(domain)
    }

    fn account(&mut self, text: &Text) -> Option<AccountName> {
        let name = text.value.trim();
        let upn = name.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !name.contains(char::is_whitespace)
        });
        if upn || name.parse::<TenantId>().is_ok() {
            return Some(AccountName::new(name));
        }
        self.wrong(
            text.referenced,
            format!(
                "`{}` names no account; give a user principal name (name@domain) or an object id",
                text.value
            ),
        );
        None
    }

    fn name(&mut self, text: &Text) -> String {
        let name = text.value.trim().to_owned();
        if name.is_empty() {
            self.wrong(text.referenced, "this must not be empty");
        }
        name
    }

    fn guid<T: std::str::FromStr>(&mut self, text: &Text, what: &str) -> Option<T> {
        let id = text.value.parse().ok();
        if id.is_none() {
            self.wrong(
                text.referenced,
                format!(
                    "`{}` is not a {what}; it is a GUID such as \
                     11111111-1111-1111-1111-111111111111",
                    text.value
                ),
            );
        }
        id
    }
}

fn not_a_duration(text: &str) -> String {
    format!("`{text}` is not a duration such as PT15M, P180D or 1h")
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
