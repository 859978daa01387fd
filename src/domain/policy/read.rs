//! The policy's text to its meaning, with every mistake placed.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::node::{Node, Place};
use super::raw::{RawApprovals, RawException, RawPolicy, RawResponse, RawSink};
use super::reading::shaped;
use super::shape::{At, Entries, Text};
use super::spelling::{did_you_mean, list, nearest};
use super::words::Day;
use super::{
    Also, Checked, Do, Ending, Exception, Guardrails, Mode, Policy, Problem, Response, Sink,
    end_in_words, is_protected,
};
use crate::domain::approval::{Approvals, OnExpiry};
use crate::domain::finding::{self, FindingName};
use crate::domain::id::{PartnerId, Sha256Hex, SinkName, TenantId};
use crate::domain::roster::{Roster, Side, Tenant};
use crate::domain::trial::Trial;

/// The shortest time in which a person can be expected to answer.
const EXPIRE_MIN: SignedDuration = SignedDuration::from_mins(1);

/// Collects what is wrong while the rest is still read, so that one run tells all of it.
#[derive(Default)]
pub(super) struct Reader {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    endings: Vec<Ending>,
    /// Whether something does not have its shape, so that something else may be missing for that.
    pub(super) is_torn: bool,
    /// Whether a tenant or a partner could not be read, so that a name may be missing for that.
    pub(super) roster_is_torn: bool,
}

pub(super) fn policy(text: &str) -> Result<Checked, Vec<Problem>> {
    let root = Node::parse(text).map_err(|problem| vec![problem])?;
    let shaped = shaped::<RawPolicy>(&root);
    let torn = !shaped.problems.is_empty();
    let mut reader = Reader { is_torn: torn, roster_is_torn: torn, ..Reader::default() };
    reader.problems = shaped.problems;
    let checked = shaped.value.map(|raw| reader.policy(raw, Sha256Hex::of(text.as_bytes())));
    for list in [&mut reader.problems, &mut reader.warnings] {
        list.sort_by_key(|problem| (problem.line, problem.column));
    }
    match checked {
        Some((policy, tests)) if reader.problems.is_empty() => {
            Ok(Checked { policy, tests, warnings: reader.warnings, endings: reader.endings })
        }
        _ => Err(reader.problems),
    }
}

impl Reader {
    pub(super) fn wrong(&mut self, at: Place, message: impl Into<String>) {
        self.problems.push(at.problem(&message.into()));
    }

    pub(super) fn warn(&mut self, at: Place, message: impl Into<String>) {
        self.warnings.push(at.problem(&message.into()));
    }

    /// Something ends at `until`; its author should know once that is past.
    pub(super) fn ends(&mut self, at: Place, until: Timestamp, message: impl Into<String>) {
        self.endings.push(Ending { until, problem: at.problem(&message.into()) });
    }

    fn policy(&mut self, raw: RawPolicy, hash: Sha256Hex) -> (Policy, Vec<Trial>) {
        if raw.version.value != 1 {
            let version = raw.version.value;
            self.wrong(
                raw.version.at,
                format!("policy version {version} is not known; this program reads version 1"),
            );
        }
        let sinks: Vec<String> = raw.tickets.0.iter().map(|(name, _)| name.value.clone()).collect();
        let tickets = self.tickets(raw.tickets);
        let roster = self.roster(raw.tenants);
        let respond = self.responses(raw.respond, &sinks, &roster);
        let exceptions = raw.exceptions.iter().filter_map(|e| self.exception(e, &roster)).collect();
        let guardrails =
            raw.guardrails.map_or_else(Guardrails::default, |g| self.guardrails(g, &roster));
        let approvals = raw.approvals.map(|it| self.approvals(it, raw.mode)).unwrap_or_default();
        let keep = raw.records.and_then(|records| records.keep).and_then(|keep| self.keep(&keep));
        let tests = self.trials(raw.tests, &roster);
        let mode = raw.mode;
        let policy = Policy {
            hash,
            mode,
            roster,
            exceptions,
            guardrails,
            approvals,
            keep,
            tickets,
            respond,
        };
        (policy, tests)
    }

    fn approvals(&mut self, raw: RawApprovals, mode: Mode) -> Approvals {
        let default = Approvals::default();
        let expire = raw.expire.and_then(|text| {
            let expire = self.duration(&text)?;
            if expire < EXPIRE_MIN {
                self.wrong(
                    text.at,
                    "nobody can answer within less than a minute; give PT1M or more",
                );
            }
            Some(expire)
        });
        if let Some(it) = &raw.on_expiry
            && it.value == OnExpiry::CarryOut
            && mode == Mode::Approve
        {
            self.wrong(
                it.at,
                "in `mode: approve` nothing is carried out without a person's word; use ask-again \
                 or hold",
            );
        }
        if let Some(people) = &raw.people
            && people.value == 2
        {
            self.warn(
                people.at,
                "unless people sign in (WARDEN_APPROVER_SIGN_IN=entra), two are told apart by the \
                 names they give",
            );
        }
        let people = raw.people.map_or(default.people, |people| {
            if !(1..=2).contains(&people.value) {
                self.wrong(people.at, "`people` is 1 or 2");
            }
            people.value
        });
        let on_expiry = raw.on_expiry.map_or(default.on_expiry, |it| it.value);
        Approvals { expire: expire.unwrap_or(default.expire), on_expiry, people }
    }

    fn responses(
        &mut self,
        raw: Entries<RawResponse>,
        sinks: &[String],
        roster: &Roster,
    ) -> BTreeMap<FindingName, Response> {
        let mut responses = BTreeMap::new();
        for (name, response) in raw.0 {
            let finding = self.finding(&name);
            let Some(response) = response else {
                self.empty_unless_torn(&name);
                continue;
            };
            if let Some(finding) = finding {
                self.accompaniment(finding, &response, roster);
            }
            let names_a_sink = response.ticket.is_some();
            let ticket = response.ticket.and_then(|sink| self.sink_name(&sink, sinks));
            let Some(finding) = finding else { continue };
            let act = response.r#do.value;
            let also: BTreeSet<Also> = response.also.iter().map(|also| also.value).collect();
            let quarantine_if_refused = response.if_refused.is_some();
            if !roster.tenants.is_empty()
                && !roster.tenants.iter().any(|tenant| finding.is_raised_on(tenant.side))
            {
                let side = if finding.is_raised_on(Side::Partner) { "partner" } else { "customer" };
                self.warn(
                    name.at,
                    format!("`{finding}` is only found in a tenant with `side: {side}`, and there is none"),
                );
            }
            if !names_a_sink && sinks.is_empty() && act >= Do::Ticket {
                self.warn(
                    response.r#do.at,
                    format!(
                        "`{act}` opens tickets, and `tickets` names nowhere for them to go: \
                         they are only recorded"
                    ),
                );
            }
            let response = Response { act, ticket, also, quarantine_if_refused };
            responses.insert(finding, response);
        }
        responses
    }

    /// Says what of a response has no effect.
    fn accompaniment(&mut self, finding: FindingName, response: &RawResponse, roster: &Roster) {
        let act = response.r#do.value;
        let takes_away = matches!(act, Do::Approve | Do::Revoke);
        // What is raised on customers alone, of whom there are none, is told elsewhere.
        let customers = roster.tenants.is_empty()
            || roster.tenants.iter().any(|tenant| tenant.side == Side::Customer)
            || !finding.is_raised_on(Side::Partner);
        let on_customers = finding.is_raised_on(Side::Customer) && customers;
        if takes_away && finding == FindingName::DapActive {
            self.warn(
                response.r#do.at,
                format!(
                    "`{act}` has no effect on `{finding}` beyond a ticket: Microsoft lets only a \
                     person take delegated admin privileges away, and the ticket tells them how"
                ),
            );
        }
        if act == Do::Quarantine && !on_customers {
            self.warn(
                response.r#do.at,
                format!(
                    "`quarantine` has no effect on `{finding}`: it blocks a partner's people in a \
                     customer's tenant"
                ),
            );
        }
        if let Some(if_refused) = &response.if_refused
            && !(takes_away && on_customers)
        {
            self.warn(
                if_refused.at,
                "`ifRefused` has no effect here: it goes with `revoke` or `approve`, in a \
                 customer's tenant",
            );
        }
        let mut seen = BTreeSet::new();
        for also in &response.also {
            let name = also.value.as_str();
            if !seen.insert(also.value) {
                self.warn(also.at, format!("`{name}` is named twice"));
            } else if !(takes_away && on_customers) {
                self.warn(
                    also.at,
                    format!(
                        "`{name}` has no effect here: it goes with `revoke` or `approve`, in a \
                         customer's tenant"
                    ),
                );
            }
        }
    }

    /// Says that a field is empty, unless its value is missing for another mistake.
    fn empty_unless_torn(&mut self, name: &Text) {
        if !self.is_torn {
            self.wrong(name.at, format!("`{}` is empty; write its value", name.value));
        }
    }

    pub(super) fn finding(&mut self, name: &Text) -> Option<FindingName> {
        let finding = FindingName::from_text(name.value.trim());
        if finding.is_none() {
            let hint = did_you_mean(finding::nearest(&name.value));
            self.wrong(name.at, format!("`{}` is not the name of a finding{hint}", name.value));
        }
        finding
    }

    fn sink_name(&mut self, name: &Text, sinks: &[String]) -> Option<SinkName> {
        if sinks.contains(&name.value) {
            return Some(SinkName(name.value.clone()));
        }
        let known: Vec<&str> = sinks.iter().map(String::as_str).collect();
        let hint = match nearest(&name.value, known.iter().copied()) {
            Some(name) => did_you_mean(Some(name)),
            None => format!("; it has: {}", list(&known)),
        };
        self.wrong(name.at, format!("no ticket sink `{}` under `tickets`{hint}", name.value));
        None
    }

    fn exception(&mut self, raw: &RawException, roster: &Roster) -> Option<Exception> {
        let tenant = raw.tenant.as_ref().map(|text| self.tenant_ref(text, roster));
        let partner = self.partner_ref(&raw.partner, tenant.flatten(), roster);
        let role = self.role(&raw.role);
        let until = self.moment(&raw.until, Day::End);
        let reason = self.name(&raw.reason);
        if let Some(until) = until {
            self.ends(
                raw.until.at,
                until,
                format!(
                    "this exception ended {}: {} may no longer hold {} by it",
                    end_in_words(until),
                    raw.partner.value,
                    raw.role.value
                ),
            );
        }
        Some(Exception {
            tenant: match tenant {
                Some(known) => Some(known?),
                None => None,
            },
            partner: partner?,
            role: role?,
            until: until?,
            reason,
            ticket: raw.ticket.as_ref().map(|ticket| ticket.value.clone()),
        })
    }

    /// A tenant of the policy, by name or id.
    pub(super) fn tenant_ref(&mut self, text: &Text, roster: &Roster) -> Option<TenantId> {
        let name = text.value.trim();
        let is_meant = |tenant: &&Tenant| name.parse() == Ok(tenant.id) || same(&tenant.name, name);
        let mut meant = roster.tenants.iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(tenant), None) => Some(tenant.id),
            (Some(_), Some(_)) => {
                self.wrong(text.at, format!("several tenants are called `{name}`; give the id"));
                None
            }
            (None, _) => {
                let names = roster.tenants.iter().map(|tenant| tenant.name.as_str());
                self.nobody(text, "tenant", &names.collect::<Vec<_>>());
                None
            }
        }
    }

    /// A partner of one tenant or of any, by name or id. An id need not be in the policy.
    pub(super) fn partner_ref(
        &mut self,
        text: &Text,
        tenant: Option<TenantId>,
        roster: &Roster,
    ) -> Option<PartnerId> {
        if let Ok(id) = text.value.parse() {
            return Some(id);
        }
        let tenants = || roster.tenants.iter().filter(|t| tenant.is_none_or(|only| only == t.id));
        let partners = || tenants().flat_map(|tenant| &tenant.partners);
        let meant = partners().filter(|partner| same(&partner.name, text.value.trim()));
        let mut ids: Vec<PartnerId> = meant.map(|partner| partner.id).collect();
        ids.sort_unstable();
        ids.dedup();
        match ids.as_slice() {
            [id] => Some(*id),
            [] => {
                let names: Vec<&str> = partners().map(|partner| partner.name.as_str()).collect();
                self.nobody(text, "partner", &names);
                None
            }
            _ => {
                let message = format!("several partners are called `{}`; give the id", text.value);
                self.wrong(text.at, message);
                None
            }
        }
    }

    /// Says that there is no such name, unless it may only be missing for another mistake.
    pub(super) fn nobody(&mut self, text: &Text, what: &str, names: &[&str]) {
        let near = nearest(&text.value, names.iter().copied());
        if near.is_none() && self.roster_is_torn {
            return;
        }
        let hint = match near {
            Some(name) => did_you_mean(Some(name)),
            None => format!("; named are: {}", list(names)),
        };
        self.wrong(text.at, format!("no {what} `{}`{hint}", text.value));
    }

    fn tickets(&mut self, raw: Entries<At<RawSink>>) -> IndexMap<SinkName, Sink> {
        let mut sinks = IndexMap::new();
        for (name, sink) in raw.0 {
            match sink {
                Some(sink) => {
                    sinks.extend(self.sink(&sink).map(|sink| (SinkName(name.value), sink)));
                }
                None => self.empty_unless_torn(&name),
            }
        }
        sinks
    }

    fn sink(&mut self, raw: &At<RawSink>) -> Option<Sink> {
        let kind = &raw.value.kind;
        if kind.value != "webhook" {
            let message =
                format!("`{}` is not a kind of ticket sink; there is: webhook", kind.value);
            self.wrong(kind.at, message);
            return None;
        }
        let Some(text) = &raw.value.url else {
            self.wrong(raw.at, "a webhook needs its `url`");
            return None;
        };
        match Url::parse(&text.value) {
            Ok(url) if is_protected(&url) => Some(Sink::Webhook { url }),
            Ok(_) => {
                self.wrong(text.at, "the url must be https (plain http only to this machine)");
                None
            }
            Err(error) => {
                self.wrong(text.at, format!("not a url: {error}"));
                None
            }
        }
    }
}

/// Whether two names are the same to a person.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}
