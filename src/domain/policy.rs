//! What is allowed, and what to do about the rest: the policy file, read and checked.

mod node;
mod rails;
mod raw;
mod raw_tests;
mod read;
mod reading;
mod schema;
mod shape;
mod spelling;
mod subjects;
mod tenants;
#[cfg(test)]
mod tests;
mod trials;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use indexmap::IndexMap;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::approval::Approvals;
use super::finding::{FindingName, Severity};
use super::id::{PartnerId, Sha256Hex, SinkName, TenantId};
use super::role::RoleTemplateId;
use super::roster::{AccountName, Roster, Side, Tenant};
use super::text::count;
use super::trial::Trial;

pub use self::schema::schema;

/// A checked policy. Everything in it resolves.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The digest of the file's bytes; records name the policy by it.
    pub hash: Sha256Hex,
    /// The ceiling over every response.
    pub mode: Mode,
    /// The tenants and partners it knows.
    pub roster: Roster,
    /// Grants that are let pass for a time.
    pub exceptions: Vec<Exception>,
    /// What is never done, whatever the findings.
    pub guardrails: Guardrails,
    /// How people are asked before something is carried out.
    pub approvals: Approvals,
    /// How long the records of a closed case are kept after its last one; for ever if nothing.
    pub keep: Option<SignedDuration>,
    /// Where tickets go, in the order of the file.
    pub tickets: IndexMap<SinkName, Sink>,
    respond: BTreeMap<FindingName, Response>,
}

/// The ceiling over every response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing is written to Graph; every write is described instead.
    #[default]
    Observe,
    /// A person decides about every write.
    Approve,
    /// Responses are carried out as written.
    Enforce,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Approve => "approve",
            Self::Enforce => "enforce",
        })
    }
}

/// What to do about a finding, from the weakest to the strongest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Do {
    /// Nothing.
    Ignore,
    /// Keep a record.
    Record,
    /// Open a ticket.
    Ticket,
    /// Open a ticket and revoke once a person has agreed.
    Approve,
    /// Block the partner by conditional access.
    Quarantine,
    /// Take the access away.
    Revoke,
}

impl Do {
    /// Every response, from the weakest to the strongest.
    pub const ALL: [Self; 6] =
        [Self::Ignore, Self::Record, Self::Ticket, Self::Approve, Self::Quarantine, Self::Revoke];

    /// The name as policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Record => "record",
            Self::Ticket => "ticket",
            Self::Approve => "approve",
            Self::Quarantine => "quarantine",
            Self::Revoke => "revoke",
        }
    }
}

impl fmt::Display for Do {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to do about a finding, and whom to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// What to do.
    pub act: Do,
    /// Whom to tell, where the policy says so.
    pub ticket: Option<SinkName>,
    /// What is done too, to whom a grant is taken from.
    pub also: BTreeSet<Also>,
    /// Whether the partner is blocked by conditional access where Microsoft refuses to take a grant
    /// away.
    pub quarantine_if_refused: bool,
}

/// What is done beside taking a grant away, to whom it is taken from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Also {
    /// A guest has to sign in anew, everywhere.
    RevokeSessions,
    /// A guest may not sign in any more.
    DisableGuest,
    /// An application of the partner's may not sign in any more.
    DisableApp,
}

impl Also {
    /// The name as policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RevokeSessions => "revoke-sessions",
            Self::DisableGuest => "disable-guest",
            Self::DisableApp => "disable-app",
        }
    }
}

/// Roles that may be held, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowance {
    /// The roles, by template id (for custom roles, by definition id).
    pub roles: BTreeSet<RoleTemplateId>,
    /// The end of the allowance.
    pub until: Option<Timestamp>,
}

impl Allowance {
    /// An allowance of nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Whether `role` may be held at `now`.
    pub fn covers(&self, role: RoleTemplateId, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until) && self.roles.contains(&role)
    }
}

/// A grant that is let pass until a moment, for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The one tenant it is for, or every tenant.
    pub tenant: Option<TenantId>,
    /// The partner it is for.
    pub partner: PartnerId,
    /// The role it is for.
    pub role: RoleTemplateId,
    /// Its end.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// The change or ticket that stands behind it.
    pub ticket: Option<String>,
}

/// What is never done, whatever the findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guardrails {
    /// What nothing is ever taken from: accounts, and relationships with customers.
    pub protected: Vec<AccountName>,
    /// Most revocations in one tenant within [`Guardrails::per`].
    pub max_revocations: u32,
    /// The window of [`Guardrails::max_revocations`].
    pub per: SignedDuration,
    /// Times in which nothing is written.
    pub planned_changes: Vec<PlannedChange>,
}

impl Guardrails {
    /// The accounts among what is protected.
    pub fn protected_accounts(&self) -> impl Iterator<Item = &AccountName> {
        self.protected.iter().filter(|name| !name.is_relationship())
    }
}

/// A time in which nothing is written, for a change that people have planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedChange {
    /// The one tenant it is for, or every tenant.
    pub tenant: Option<TenantId>,
    /// The one partner it is for, or every partner and what is laid to none.
    pub partner: Option<PartnerId>,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end; it is over at that moment.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// The change or ticket that stands behind it.
    pub ticket: Option<String>,
}

impl PlannedChange {
    /// The longest it may last. Whoever needs more sets `mode` instead.
    pub const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);

    /// Whether nothing is to be written about `partner` in `tenant` at `now`.
    pub fn covers(&self, tenant: TenantId, partner: Option<PartnerId>, now: Timestamp) -> bool {
        self.from <= now
            && now < self.until
            && self.tenant.is_none_or(|only| only == tenant)
            && self.partner.is_none_or(|only| Some(only) == partner)
    }
}

impl Guardrails {
    /// The planned change in which nothing is to be written about `partner` in `tenant` at `now`:
    /// the one that ends last.
    pub fn planned_change(
        &self,
        tenant: TenantId,
        partner: Option<PartnerId>,
        now: Timestamp,
    ) -> Option<&PlannedChange> {
        let covering = self.planned_changes.iter().filter(|it| it.covers(tenant, partner, now));
        covering.max_by_key(|change| change.until)
    }
}

impl Default for Guardrails {
    /// Nobody is protected by name, and 50 revocations an hour are the most.
    fn default() -> Self {
        Self {
            protected: Vec::new(),
            max_revocations: 50,
            per: SignedDuration::from_hours(1),
            planned_changes: Vec::new(),
        }
    }
}

/// Where tickets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// A POST signed by Standard Webhooks.
    Webhook {
        /// Where to.
        url: Url,
    },
}

/// One thing wrong with a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line, from 1; 0 where it is not known.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        f.write_str(&self.message)
    }
}

/// A policy that was read, with what its author should know.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The policy.
    pub policy: Policy,
    /// What is accepted but has no effect, or less than it seems.
    pub warnings: Vec<Problem>,
    /// The policy's own tests.
    pub tests: Vec<Trial>,
    /// What the policy says that holds for a time only.
    pub endings: Vec<Ending>,
}

/// Something that a policy says until a moment, and what its author should know once that is past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The moment.
    pub until: Timestamp,
    /// What is to be known afterwards.
    pub problem: Problem,
}

impl Checked {
    /// What the policy's author should know at `now`, in the order of the file.
    pub fn warnings(&self, now: Timestamp) -> Vec<Problem> {
        let past = self.endings.iter().filter(|ending| ending.until <= now);
        let mut all: Vec<Problem> =
            self.warnings.iter().chain(past.map(|ending| &ending.problem)).cloned().collect();
        all.sort_by_key(|problem| (problem.line, problem.column));
        all
    }
}

impl Policy {
    /// Reads a policy file. All problems that can be told at once are told at once.
    pub fn parse(text: &str) -> Result<Checked, Vec<Problem>> {
        read::policy(text)
    }

    /// The response to a finding: the policy's, else by severity a ticket or a record.
    pub fn response(&self, finding: FindingName, severity: Severity) -> Response {
        self.respond.get(&finding).cloned().unwrap_or(Response {
            act: if severity >= Severity::High { Do::Ticket } else { Do::Record },
            ticket: None,
            also: BTreeSet::new(),
            quarantine_if_refused: false,
        })
    }

    /// Whether the policy itself says what to do about a finding.
    pub fn answers(&self, finding: FindingName) -> bool {
        self.respond.contains_key(&finding)
    }

    /// Whether a person is asked about anything.
    pub fn asks(&self) -> bool {
        let asks = |response: &Response| response.act == Do::Approve;
        match self.mode {
            Mode::Observe => false,
            Mode::Approve => self.respond.values().any(|it| it.act >= Do::Approve),
            Mode::Enforce => self.respond.values().any(asks) || self.may_end_the_last(),
        }
    }

    /// Whether it may come to the last relationship with a customer, which is ended with a person's
    /// word only.
    fn may_end_the_last(&self) -> bool {
        let ends = self.respond.get(&FindingName::GdapTooLong);
        let is_partners = |tenant: &Tenant| tenant.side == Side::Partner;
        ends.is_some_and(|it| it.act == Do::Revoke) && self.roster.tenants.iter().any(is_partners)
    }

    /// Whether it may come to a quarantine, by any of its responses.
    pub fn speaks_of_quarantine(&self) -> bool {
        let mut responses = self.respond.values();
        responses.any(|it| it.act == Do::Quarantine || it.quarantine_if_refused)
    }

    /// The sink for a response that names none: the first of the file.
    pub fn default_sink(&self) -> Option<&SinkName> {
        self.tickets.keys().next()
    }

    /// The exception that lets this grant pass at `now`.
    pub fn exception(
        &self,
        tenant: TenantId,
        partner: PartnerId,
        role: RoleTemplateId,
        now: Timestamp,
    ) -> Option<&Exception> {
        self.exceptions.iter().find(|exception| {
            exception.partner == partner
                && exception.role == role
                && now < exception.until
                && exception.tenant.is_none_or(|only| only == tenant)
        })
    }
}

/// Reads `PT15M`, `P180D`, `1h`; days have 24 hours. Months and years are refused, since their
/// length varies, and so is what is not positive.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.trim().parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    duration.is_positive().then_some(duration)
}

/// Reads `P2Y`, `P18M`, `P90D`: how long something is kept, at least. A year counts 366 days, a
/// month 31 and a day 24 hours; what is not positive is refused.
pub fn age(text: &str) -> Option<SignedDuration> {
    let span: Span = text.trim().parse().ok()?;
    let days = i64::from(span.get_years()) * 366 + i64::from(span.get_months()) * 31;
    let rest = span.years(0).months(0).to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let age = SignedDuration::from_hours(days.checked_mul(24)?).checked_add(rest)?;
    age.is_positive().then_some(age)
}

/// A moment at which something ends: `at the end of 2027-03-31` where a day was meant, in UTC.
pub fn end_in_words(until: Timestamp) -> String {
    let there = until.to_zoned(TimeZone::UTC);
    match there.date().yesterday() {
        Ok(day) if there.time() == Time::midnight() => format!("at the end of {day}"),
        _ => format!("at {until}"),
    }
}

/// A length of time: `180 days`, `90 minutes`.
pub fn length_in_words(length: SignedDuration) -> String {
    let seconds = length.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (unit, noun) = units.into_iter().find(|(unit, _)| seconds % unit == 0).unwrap_or(units[3]);
    count(usize::try_from(seconds / unit).unwrap_or(0), noun)
}

/// Whether what is sent to `url` cannot be read on the way: `https`, or plain `http` to this
/// machine.
pub fn is_protected(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        },
        _ => false,
    }
}
