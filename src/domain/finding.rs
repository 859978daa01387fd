//! Facts and policy to Findings: what is wrong, in words.
//!
//! Each finding is one file with its rule, its texts and its tests, listed in `RULES`.

mod allowance_expired;
mod dap_active;
mod dedicated_account_drift;
mod gdap_auto_extend;
mod gdap_global_administrator;
mod gdap_role_not_allowed;
mod gdap_too_long;
mod guest_with_role;
mod inbound_trust;
mod mfa_exempted;
mod mfa_not_enforced;
mod partner_app_privileged;
mod privileged_role;
mod reappeared;
mod relationship;
mod role_not_allowed;
mod role_via_group;
mod standing_access;
mod support_access_lingering;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests_together;
mod unclassified_principal;
mod unlisted_partner;
mod unreadable;

use std::cmp::Reverse;
use std::fmt;

use jiff::Timestamp;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Part};
use super::grant::{Grant, Held, PrincipalKind, grants};
use super::id::Sha256Hex;
use super::policy::Policy;
use super::roster::{AffectedPartner, Side, Tenant};

pub(super) use self::relationship::{group_name, may_give, name_of, role_of};

/// Every rule there is, in the order of reports.
const RULES: &[&Rule] = &[
    &privileged_role::RULE,
    &role_not_allowed::RULE,
    &unlisted_partner::RULE,
    &guest_with_role::RULE,
    &role_via_group::RULE,
    &standing_access::RULE,
    &dedicated_account_drift::RULE,
    &mfa_not_enforced::RULE,
    &mfa_exempted::RULE,
    &inbound_trust::RULE,
    &partner_app_privileged::RULE,
    &allowance_expired::RULE,
    &support_access_lingering::RULE,
    &reappeared::RULE,
    &unclassified_principal::RULE,
    &unreadable::RULE,
    &gdap_global_administrator::RULE,
    &gdap_auto_extend::RULE,
    &gdap_too_long::RULE,
    &gdap_role_not_allowed::RULE,
    &dap_active::RULE,
];

/// The name of a finding.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FindingName {
    /// A partner holds a privileged role the policy does not allow.
    PrivilegedRole,
    /// A partner holds a role the policy does not allow.
    RoleNotAllowed,
    /// A partner the policy does not name has power or a relationship.
    UnlistedPartner,
    /// A partner's guest account holds a role the policy does not allow.
    GuestWithRole,
    /// A partner's account holds a role by being in a group.
    RoleViaGroup,
    /// A partner holds a role without end, or longer than the policy lets it, or all the time where it should have to activate it.
    StandingAccess,
    /// An account given to a partner is missing, disabled, or holds more than was agreed.
    DedicatedAccountDrift,
    /// Nothing makes a partner's people prove themselves by a second factor.
    MfaNotEnforced,
    /// A policy that demands a second factor leaves a partner's people out.
    MfaExempted,
    /// A partner's word is taken for the second factor of its people.
    InboundTrust,
    /// A partner's application holds a directory role or a powerful permission.
    PartnerAppPrivileged,
    /// What the policy once allowed a partner has run out, and it still holds it.
    AllowanceExpired,
    /// Microsoft Support still has access long after a support case.
    SupportAccessLingering,
    /// Access that was taken away is back.
    Reappeared,
    /// It cannot be told who holds a role.
    UnclassifiedPrincipal,
    /// A part of the tenant could not be read.
    Unreadable,
    /// A relationship of this partner gives Global Administrator in a customer's tenant.
    GdapGlobalAdministrator,
    /// A relationship of this partner extends itself without anybody deciding.
    GdapAutoExtend,
    /// A relationship of this partner lasts longer than the policy lets it.
    GdapTooLong,
    /// A relationship of this partner gives a role that the policy does not allow.
    GdapRoleNotAllowed,
    /// A customer still lets this partner administer it by the old way, which is unlimited.
    DapActive,
}

impl FindingName {
    /// The name as policies write it.
    pub fn as_str(self) -> &'static str {
        self.rule().name_text
    }

    /// The finding a policy means by `text`.
    pub fn from_text(text: &str) -> Option<Self> {
        RULES.iter().find(|rule| rule.name_text == text).map(|rule| rule.name)
    }

    /// What it means, in one sentence.
    pub fn meaning(self) -> String {
        let mut generator = SchemaGenerator::default();
        // The comments of the names above, which the schema of policies shows too.
        let names = Self::json_schema(&mut generator);
        let names = names.get("oneOf").and_then(|names| names.as_array());
        let own = |name: &&serde_json::Value| {
            name.get("const").and_then(|it| it.as_str()) == Some(self.as_str())
        };
        let meaning = names.and_then(|names| names.iter().find(own)?.get("description")?.as_str());
        meaning.unwrap_or_default().to_owned()
    }

    /// Whether it can be found in a tenant of this side.
    pub fn is_raised_on(self, side: Side) -> bool {
        match self {
            Self::Unreadable => true,
            Self::GdapGlobalAdministrator
            | Self::GdapAutoExtend
            | Self::GdapTooLong
            | Self::GdapRoleNotAllowed
            | Self::DapActive => side == Side::Partner,
            Self::PrivilegedRole
            | Self::RoleNotAllowed
            | Self::UnlistedPartner
            | Self::GuestWithRole
            | Self::RoleViaGroup
            | Self::StandingAccess
            | Self::DedicatedAccountDrift
            | Self::MfaNotEnforced
            | Self::MfaExempted
            | Self::InboundTrust
            | Self::PartnerAppPrivileged
            | Self::AllowanceExpired
            | Self::SupportAccessLingering
            | Self::Reappeared
            | Self::UnclassifiedPrincipal => side == Side::Customer,
        }
    }

    /// Its rule.
    pub fn rule(self) -> &'static Rule {
        match self {
            Self::PrivilegedRole => &privileged_role::RULE,
            Self::RoleNotAllowed => &role_not_allowed::RULE,
            Self::UnlistedPartner => &unlisted_partner::RULE,
            Self::GuestWithRole => &guest_with_role::RULE,
            Self::RoleViaGroup => &role_via_group::RULE,
            Self::StandingAccess => &standing_access::RULE,
            Self::DedicatedAccountDrift => &dedicated_account_drift::RULE,
            Self::MfaNotEnforced => &mfa_not_enforced::RULE,
            Self::MfaExempted => &mfa_exempted::RULE,
            Self::InboundTrust => &inbound_trust::RULE,
            Self::PartnerAppPrivileged => &partner_app_privileged::RULE,
            Self::AllowanceExpired => &allowance_expired::RULE,
            Self::SupportAccessLingering => &support_access_lingering::RULE,
            Self::Reappeared => &reappeared::RULE,
            Self::UnclassifiedPrincipal => &unclassified_principal::RULE,
            Self::Unreadable => &unreadable::RULE,
            Self::GdapGlobalAdministrator => &gdap_global_administrator::RULE,
            Self::GdapAutoExtend => &gdap_auto_extend::RULE,
            Self::GdapTooLong => &gdap_too_long::RULE,
            Self::GdapRoleNotAllowed => &gdap_role_not_allowed::RULE,
            Self::DapActive => &dap_active::RULE,
        }
    }
}

impl fmt::Display for FindingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at some day.
    Low,
    /// To be mended in the normal course of work.
    Medium,
    /// To be mended today.
    High,
    /// To be mended now.
    Critical,
}

impl Severity {
    /// The name as reports and tickets write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A rule: what it looks for and what it says.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: FindingName,
    name_text: &'static str,
    /// How bad what it finds is.
    pub severity: Severity,
    /// What has to be read whole before it can be said that there is nothing to find.
    pub reads: &'static [Part],
    /// Why it matters, in a sentence or two.
    pub why: &'static str,
    /// How to mend it by hand.
    pub mend: &'static str,
    /// Microsoft's page on the matter.
    pub page: &'static str,
    check: fn(&View<'_>) -> Vec<Finding>,
}

impl Rule {
    /// Whose tenants it is for; nothing where it is for all.
    pub fn side(&self) -> Option<Side> {
        let of_partner = |part: &Part| matches!(part, Part::Relationships | Part::DelegatedAccess);
        match self.reads {
            [] => None,
            reads if reads.iter().any(of_partner) => Some(Side::Partner),
            _ => Some(Side::Customer),
        }
    }
}

/// One thing that breaks the policy, or that could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Which rule says so.
    pub finding: FindingName,
    /// How bad it is.
    pub severity: Severity,
    /// Whom it is about.
    pub partner: AffectedPartner,
    /// What it is about: a principal, a partner's entry, a part that was not read.
    pub subject: String,
    /// The role, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What is the matter, in one sentence with names.
    pub text: String,
    /// The grant it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// The delegated administration relationship it is about, by its id, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship: Option<String>,
    /// Whether what was read proves it. What is not proven is never acted on.
    pub certain: bool,
}

impl Finding {
    /// What stays the same from one look to the next as long as it is the same finding.
    pub fn key(&self) -> Sha256Hex {
        let grant = self.grant.as_ref().map(Grant::key);
        let about = grant.as_ref().map_or(self.subject.as_str(), Sha256Hex::as_str);
        Sha256Hex::of_fields(&[self.finding.as_str(), &self.partner.key(), about])
    }

    /// The parts that a finding about no grant is made of: once they were read whole and it was
    /// not found again, it is gone.
    pub fn rests_on(&self) -> &'static [Part] {
        let is = |name| self.finding == name;
        if is(FindingName::UnlistedPartner) && self.subject == unlisted_partner::GOVERNANCE {
            &[Part::Governance]
        } else if is(FindingName::UnlistedPartner) {
            &[Part::PartnerEntries]
        } else if is(FindingName::DedicatedAccountDrift) {
            &[Part::Accounts]
        } else if is(FindingName::SupportAccessLingering) {
            &[Part::PartnerEntries, Part::ServiceProviderConstraints, Part::RoleAssignments]
        } else {
            self.finding.rule().reads
        }
    }
}

/// What the rules look at: the facts of one tenant with everything derived from them once.
struct View<'a> {
    facts: &'a Facts,
    tenant: &'a Tenant,
    policy: &'a Policy,
    now: Timestamp,
    /// Every grant of a partner.
    grants: &'a [Grant],
    /// Grants that no allowance and no exception covers.
    open: Vec<&'a Grant>,
}

/// The findings of one tenant, most severe first.
///
/// Says nothing of a tenant the policy does not name.
pub fn findings(facts: &Facts, tenant: &Tenant, policy: &Policy, now: Timestamp) -> Vec<Finding> {
    let grants = grants(facts, tenant);
    let open = grants.iter().filter(|grant| !may_stand(grant, tenant, policy, now)).collect();
    let view = View { facts, tenant, policy, now, grants: &grants, open };
    let rules = RULES.iter().filter(|rule| rule.side().is_none_or(|side| side == tenant.side));
    let mut findings: Vec<Finding> = rules.flat_map(|rule| (rule.check)(&view)).collect();
    findings.sort_by_key(|finding| Reverse(finding.severity));
    findings
}

/// Whether an allowance or an exception covers a grant at `now`.
pub(super) fn may_stand(grant: &Grant, tenant: &Tenant, policy: &Policy, now: Timestamp) -> bool {
    grant.is_allowed(tenant, now) || is_excepted(grant, tenant, policy, now)
}

fn is_excepted(grant: &Grant, tenant: &Tenant, policy: &Policy, now: Timestamp) -> bool {
    let (Some(partner), Some(role)) = (grant.partner.id, grant.role.template_id) else {
        return false;
    };
    policy.exception(tenant.id, partner, role, now).is_some()
}

/// Every rule there is, in the order of reports.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied()
}

/// The findings that may be missing while `part` cannot be read.
pub fn blinded_by(part: Part) -> impl Iterator<Item = FindingName> {
    rules().filter(move |rule| rule.reads.contains(&part)).map(|rule| rule.name)
}

/// The nearest name of a finding, for a name that is none.
pub fn nearest(text: &str) -> Option<&'static str> {
    RULES
        .iter()
        .map(|rule| rule.name_text)
        .map(|name| (strsim::damerau_levenshtein(name, text), name))
        .filter(|(distance, name)| *distance <= name.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What has to be read whole before it is known who holds which role.
const HOLDERS: &[Part] = &[
    Part::RoleAssignments,
    Part::ActiveSchedules,
    Part::EligibleSchedules,
    Part::Principals,
    Part::GroupMembers,
    Part::Guests,
    Part::PartnerEntries,
    Part::Governance,
];

impl<'a> View<'a> {
    /// Directory roles of known holders that no allowance and no exception covers.
    fn open_roles(&self) -> impl Iterator<Item = &'a Grant> {
        self.open.iter().copied().filter(|grant| {
            grant.kind != PrincipalKind::Unclassified && !matches!(grant.held, Held::AppRole { .. })
        })
    }
}

/// A moment as people read it: `2027-03-31 00:00 UTC`.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A finding about a grant.
fn about_grant(rule: &Rule, grant: &Grant, text: String) -> Finding {
    Finding {
        finding: rule.name,
        severity: rule.severity,
        partner: grant.partner.clone(),
        subject: grant.holder(),
        role: Some(grant.role.name.clone()),
        text,
        grant: Some(grant.clone()),
        relationship: None,
        certain: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_complete_and_found_by_its_name() {
        for rule in RULES {
            assert_eq!(FindingName::from_text(rule.name_text), Some(rule.name));
            assert_eq!(rule.name.rule().name, rule.name);
            let json = serde_json::to_string(&rule.name).unwrap();
            assert_eq!(json, format!("\"{}\"", rule.name_text));
            assert!(rule.why.len() > 40 && rule.mend.len() > 40, "{} says too little", rule.name);
            assert!(rule.page.starts_with("https://learn.microsoft.com/"), "{}", rule.name);
        }
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_nearest_name() {
        assert_eq!(nearest("priviledged-role"), Some("privileged-role"));
        assert_eq!(nearest("mfa-not-enforce"), Some("mfa-not-enforced"));
        assert_eq!(nearest("something"), None);
    }
}
