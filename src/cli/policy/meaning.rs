//! What a policy means, in plain words and for programs.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::domain::finding::{FindingName, Severity, rules};
use crate::domain::id::{PartnerId, TenantId};
use crate::domain::policy::{Allowance, Do, Mode, Policy, end_in_words, length_in_words};
use crate::domain::role::{self, RoleTemplateId};
use crate::domain::roster::{Partner, Side, Tenant};
use crate::domain::text::{count, one_line};

/// What a policy means.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meaning {
    mode: Mode,
    tenants: Vec<Guarded>,
    responses: Vec<Answered>,
    exceptions: Vec<Excepted>,
    guardrails: Rails,
    tickets: Vec<Destination>,
}

#[derive(Debug, Serialize)]
struct Guarded {
    id: String,
    name: String,
    side: Side,
    /// Partners, or customers.
    parties: Vec<Party>,
    unlisted: Allowed,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Party {
    id: String,
    name: String,
    allow: Allowed,
    domains: Vec<String>,
    accounts: Vec<String>,
    require: Demands,
}

#[derive(Debug, Serialize)]
struct Allowed {
    roles: Vec<String>,
    until: Option<Timestamp>,
    /// Whether its end is past.
    ended: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Demands {
    mfa: bool,
    /// ISO 8601.
    max_duration: Option<SignedDuration>,
    eligible: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    finding: FindingName,
    severity: Severity,
    r#do: Do,
    ticket: Option<String>,
    /// Whether it is the default and not written in the policy.
    built_in: bool,
}

#[derive(Debug, Serialize)]
struct Excepted {
    tenant: Option<String>,
    partner: String,
    role: String,
    until: Timestamp,
    ended: bool,
    reason: String,
    ticket: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rails {
    protected: Vec<String>,
    max_revocations: u32,
    /// ISO 8601.
    per: SignedDuration,
    planned_changes: Vec<Planned>,
}

#[derive(Debug, Serialize)]
struct Planned {
    tenant: Option<String>,
    partner: Option<String>,
    from: Timestamp,
    until: Timestamp,
    ended: bool,
    reason: String,
    ticket: Option<String>,
}

#[derive(Debug, Serialize)]
struct Destination {
    name: String,
    kind: &'static str,
    url: String,
}

impl Meaning {
    pub(super) fn of(policy: &Policy, now: Timestamp) -> Self {
        let tenants = policy.roster.tenants.iter().map(|tenant| guarded(tenant, now));
        let sides: Vec<Side> = policy.roster.tenants.iter().map(|tenant| tenant.side).collect();
        let raised = rules().filter(|rule| sides.iter().any(|side| rule.name.is_raised_on(*side)));
        let exceptions = policy.exceptions.iter().map(|exception| Excepted {
            tenant: exception.tenant.map(|id| tenant_name(policy, id)),
            partner: partner_name(policy, exception.partner),
            role: role_name(exception.role),
            until: exception.until,
            ended: exception.until <= now,
            reason: one_line(&exception.reason),
            ticket: exception.ticket.as_deref().map(one_line),
        });
        let responses = raised.map(|rule| {
            let response = policy.response(rule.name, rule.severity);
            let ticket = response
                .ticket
                .clone()
                .or_else(|| policy.default_sink().filter(|_| response.act >= Do::Ticket).cloned());
            Answered {
                finding: rule.name,
                severity: rule.severity,
                r#do: response.act,
                ticket: ticket.map(|sink| one_line(&sink.0)),
                built_in: !policy.answers(rule.name),
            }
        });
        Self {
            mode: policy.mode,
            tenants: tenants.collect(),
            responses: responses.collect(),
            exceptions: exceptions.collect(),
            guardrails: Rails {
                protected: policy
                    .guardrails
                    .protected
                    .iter()
                    .map(|account| account.as_str().to_owned())
                    .collect(),
                max_revocations: policy.guardrails.max_revocations,
                per: policy.guardrails.per,
                planned_changes: policy
                    .guardrails
                    .planned_changes
                    .iter()
                    .map(|change| Planned {
                        tenant: change.tenant.map(|id| tenant_name(policy, id)),
                        partner: change.partner.map(|id| partner_name(policy, id)),
                        from: change.from,
                        until: change.until,
                        ended: change.until <= now,
                        reason: one_line(&change.reason),
                        ticket: change.ticket.as_deref().map(one_line),
                    })
                    .collect(),
            },
            tickets: policy
                .tickets
                .iter()
                .map(|(name, sink)| Destination {
                    name: one_line(&name.0),
                    kind: sink.settings.kind(),
                    url: sink.settings.place(),
                })
                .collect(),
        }
    }
}

fn guarded(tenant: &Tenant, now: Timestamp) -> Guarded {
    Guarded {
        id: tenant.id.to_string(),
        name: one_line(&tenant.name),
        side: tenant.side,
        parties: tenant.partners.iter().map(|partner| party(partner, now)).collect(),
        unlisted: allowed(&tenant.unlisted, now),
    }
}

fn party(partner: &Partner, now: Timestamp) -> Party {
    Party {
        id: partner.id.to_string(),
        name: one_line(&partner.name),
        allow: allowed(&partner.allow, now),
        domains: partner.domains.clone(),
        accounts: partner.accounts.iter().map(|account| account.as_str().to_owned()).collect(),
        require: Demands {
            mfa: partner.require.mfa,
            max_duration: partner.require.max_duration,
            eligible: partner.require.eligible,
        },
    }
}

fn allowed(allowance: &Allowance, now: Timestamp) -> Allowed {
    let mut roles: Vec<String> = allowance.roles.iter().map(|role| role_name(*role)).collect();
    roles.sort();
    Allowed {
        roles,
        until: allowance.until,
        ended: allowance.until.is_some_and(|until| until <= now),
    }
}

pub(super) fn role_name(id: RoleTemplateId) -> String {
    role::by_id(id).map_or_else(|| format!("role {id}"), |role| role.name.to_owned())
}

fn tenant_name(policy: &Policy, id: TenantId) -> String {
    policy.roster.tenant(id).map_or_else(|| id.to_string(), |tenant| one_line(&tenant.name))
}

fn partner_name(policy: &Policy, id: PartnerId) -> String {
    let known = policy.roster.tenants.iter().find_map(|tenant| tenant.partner(id));
    known.map_or_else(|| format!("partner {id}"), |partner| one_line(&partner.name))
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for tenant in &self.tenants {
            tenant.fmt(f)?;
        }
        f.write_str("\n  what is done about each finding")?;
        f.write_str(match self.mode {
            Mode::Observe => " (mode observe: what would change the tenant is only described)\n",
            Mode::Approve => " (mode approve: a person decides before anything is taken away)\n",
            Mode::Enforce => "\n",
        })?;
        let widest = self.responses.iter().map(|answer| answer.finding.as_str().len()).max();
        for answer in &self.responses {
            let name = answer.finding.as_str();
            write!(f, "    {name:widest$}  {}", answer.r#do, widest = widest.unwrap_or(0))?;
            if let Some(ticket) = &answer.ticket {
                write!(f, ", ticket to {ticket}")?;
            }
            if answer.built_in {
                write!(f, " (built in, {})", answer.severity.as_str())?;
            }
            writeln!(f)?;
        }
        if !self.exceptions.is_empty() {
            f.write_str("\n  exceptions\n")?;
        }
        for exception in &self.exceptions {
            let Excepted { partner, role, until, reason, .. } = exception;
            write!(f, "    {partner} may hold {role}, which ends {}", end_in_words(*until))?;
            if exception.ended {
                f.write_str(" and is past")?;
            }
            if let Some(tenant) = &exception.tenant {
                write!(f, " in {tenant}")?;
            }
            write!(f, ": {reason}")?;
            if let Some(ticket) = &exception.ticket {
                write!(f, " ({ticket})")?;
            }
            writeln!(f)?;
        }
        f.write_str("\n  guardrails\n")?;
        for account in &self.guardrails.protected {
            writeln!(f, "    nothing is ever taken from {account}")?;
        }
        let most = usize::try_from(self.guardrails.max_revocations).unwrap_or(usize::MAX);
        let per = length_in_words(self.guardrails.per);
        writeln!(f, "    at most {} in a tenant within {per}", count(most, "revocation"))?;
        for change in &self.guardrails.planned_changes {
            let whose = change.partner.as_deref().unwrap_or("any partner");
            write!(f, "    nothing is taken from {whose}")?;
            if let Some(tenant) = &change.tenant {
                write!(f, " in {tenant}")?;
            }
            write!(f, " from {} to {}", change.from, change.until)?;
            f.write_str(if change.ended { ", which is past" } else { "" })?;
            write!(f, ": {}", change.reason)?;
            if let Some(ticket) = &change.ticket {
                write!(f, " ({ticket})")?;
            }
            writeln!(f)?;
        }
        if !self.tickets.is_empty() {
            f.write_str("\n  tickets\n")?;
        }
        for Destination { name, kind, url } in &self.tickets {
            writeln!(f, "    {name}: {kind} {url}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whose, unlisted) = match self.side {
            Side::Customer => ("a customer's tenant", "any other partner"),
            Side::Partner => ("a partner's own tenant", "over any other customer, it"),
        };
        writeln!(f, "  guards {} ({}), {whose}", self.name, self.id)?;
        for party in &self.parties {
            match self.side {
                Side::Customer => write!(f, "    {} ", party.name)?,
                Side::Partner => write!(f, "    over {}, it ", party.name)?,
            }
            writeln!(f, "{}", party.allow)?;
            if !party.domains.is_empty() {
                writeln!(f, "      guests from {} are its people", party.domains.join(", "))?;
            }
            if !party.accounts.is_empty() {
                writeln!(f, "      was given {}", party.accounts.join(", "))?;
            }
            party.require.fmt(f)?;
        }
        writeln!(f, "    {unlisted} {}", self.unlisted)
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.roles.is_empty() {
            return f.write_str("may hold no role");
        }
        write!(f, "may hold {}", self.roles.join(", "))?;
        match self.until {
            Some(until) if self.ended => {
                write!(f, "; that ended {} and is past", end_in_words(until))
            }
            Some(until) => write!(f, "; that ends {}", end_in_words(until)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Demands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mfa {
            f.write_str("      conditional access must demand multifactor authentication of it\n")?;
        }
        if let Some(longest) = self.max_duration {
            let longest = length_in_words(longest);
            writeln!(f, "      nothing without an end, nor longer than {longest}")?;
        }
        if self.eligible {
            f.write_str("      roles may only be activated, not held all the time\n")?;
        }
        Ok(())
    }
}
