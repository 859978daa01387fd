//! What a scan says, as the JSON of `docs/scan.md`. Text that others chose is made fit to show.

mod coverage;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::conditional_access::coverage;
use crate::domain::facts::{DelegatedAdminRelationship, Facts, Gap, GapCause, Part};
use crate::domain::finding::{Finding, FindingName, Severity, blinded_by};
use crate::domain::grant::{Grant, Held, PrincipalKind, named};
use crate::domain::id::{PartnerId, PrincipalId, Sha256Hex, TenantId};
use crate::domain::policy::{Do, Policy};
use crate::domain::role;
use crate::domain::roster::{AffectedPartner, Side, Tenant};
use crate::domain::scan::Scanned;
use crate::domain::text::{foreign, one_line, plain_json};

pub use self::coverage::CoverageView;

/// Everything a scan says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// The version of this form.
    pub version: u32,
    /// The policy by which it is judged: the digest that records name it by.
    pub policy: Sha256Hex,
    /// The tenants, in the order of the policy.
    pub tenants: Vec<TenantView>,
    /// The rules whose findings there are: why each matters and how to mend it by hand.
    pub rules: BTreeMap<FindingName, RuleView>,
}

/// One tenant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantView {
    /// Its id.
    pub id: TenantId,
    /// Its name in the policy.
    pub name: String,
    /// Whose it is.
    pub side: Side,
    /// When the reading began.
    pub read_at: Timestamp,
    /// The moment as of which it is judged.
    pub judged_at: Timestamp,
    /// Whether everything was read.
    pub complete: bool,
    /// The partners and what each holds; where the tenant is a partner's own, its customers.
    pub partners: Vec<PartnerView>,
    /// Other tenants that govern this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub governed_by: Vec<GovernedBy>,
    /// Whether the people of each partner are made to use MFA, by the way they come in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<CoverageView>,
    /// What breaks the policy, the most severe first.
    pub findings: Vec<FindingView>,
    /// What could not be read.
    pub gaps: Vec<GapView>,
}

/// Whom something is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Whom {
    /// Its tenant; null where it could not be told.
    pub id: Option<PartnerId>,
    /// The name to show.
    pub name: String,
    /// Whether the policy names it.
    pub listed: bool,
}

/// A partner and what it holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerView {
    /// Who it is.
    #[serde(flatten)]
    pub whom: Whom,
    /// Every way in which it holds a role.
    pub grants: Vec<GrantView>,
    /// Where the tenant is a partner's own: the relationships with this customer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relationships: Vec<RelationshipView>,
    /// Where the tenant is a partner's own: whether the customer lets it administer by the old,
    /// unlimited way; left out where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegated_access: Option<bool>,
}

/// One way in which a principal holds a role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantView {
    /// The role.
    pub role: RoleView,
    /// Who holds it.
    pub principal: PrincipalView,
    /// By what.
    pub held: How,
    /// The id of what gives it: an assignment, an eligibility, a schedule.
    pub held_by: String,
    /// The group it is held through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupView>,
    /// Whether it is held now, or only may be activated.
    pub eligible: bool,
    /// Whether its holder was eligible and activated it.
    pub activated: bool,
    /// Where it holds; `/` is the whole directory.
    pub scope: String,
    /// The name of the administrative unit it holds in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_name: Option<String>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// What the policy says of it.
    #[serde(flatten)]
    pub stands: Stands,
}

/// A role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleView {
    /// Its name.
    pub name: String,
    /// Its definition.
    pub definition_id: String,
    /// Whether it is privileged; null where nobody says.
    pub privileged: Option<bool>,
}

/// A principal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalView {
    /// Its id.
    pub id: PrincipalId,
    /// Its name.
    pub name: String,
    /// What kind it is.
    pub kind: PrincipalKind,
    /// The sign-in name, for accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_principal_name: Option<String>,
    /// The application's id, for applications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// By what a role is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// A role assignment of its own.
    Assignment,
    /// A group of the tenant's own that holds it.
    ThroughGroup,
    /// An eligibility: it may be activated.
    Eligible,
    /// A schedule that no role assignment shows.
    Scheduled,
    /// An application permission.
    AppRole,
}

/// A group.
#[derive(Debug, Serialize)]
pub struct GroupView {
    /// Its id.
    pub id: PrincipalId,
    /// Its name.
    pub name: String,
}

/// What the policy says of a grant.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "policy", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Stands {
    /// The partner may hold the role.
    Allowed,
    /// An exception lets it pass for a time.
    Excepted {
        /// Its end.
        excepted_until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Nothing lets it.
    NotAllowed,
}

/// A relationship of a partner with a customer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RelationshipView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How far it has come.
    pub status: String,
    /// The roles it gives, by name.
    pub roles: Vec<String>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// By how much it extends itself at its end, ISO 8601; left out where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_extends: Option<String>,
}

/// Another tenant that governs this one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GovernedBy {
    /// Its id.
    pub id: String,
    /// The name it calls itself.
    pub name: String,
    /// How far the relationship has come.
    pub status: String,
}

/// Something that breaks the policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingView {
    /// Its name.
    pub finding: FindingName,
    /// How bad it is.
    pub severity: Severity,
    /// Whom it is about.
    pub partner: Whom,
    /// What it is about.
    pub subject: String,
    /// The role, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What is the matter, in a sentence.
    pub text: String,
    /// Whether what was read proves it.
    pub certain: bool,
    /// What the policy says is to be done.
    pub respond: Do,
    /// The principal, where it is about a grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// The id of what gives the role, where it is about a grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
}

/// Something that could not be read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GapView {
    /// Which part.
    pub part: Part,
    /// What it is, in words.
    pub what: &'static str,
    /// Why.
    pub cause: GapCause,
    /// What was said.
    pub detail: String,
    /// The application permission that reads it.
    pub permission: &'static str,
    /// The findings that may be missing for it.
    pub blinds: Vec<FindingName>,
}

/// A rule.
#[derive(Debug, Serialize)]
pub struct RuleView {
    /// Why it matters.
    pub why: &'static str,
    /// How to mend it by hand.
    pub mend: &'static str,
    /// Microsoft's page.
    pub page: &'static str,
}

impl View {
    /// What scans say.
    pub fn new(scans: &[Scanned<'_>], policy: &Policy) -> Self {
        let tenants: Vec<TenantView> =
            scans.iter().map(|scan| TenantView::new(scan, policy)).collect();
        let names: BTreeSet<FindingName> =
            tenants.iter().flat_map(|tenant| &tenant.findings).map(|it| it.finding).collect();
        let rule = |name: FindingName| {
            let rule = name.rule();
            (name, RuleView { why: rule.why, mend: rule.mend, page: rule.page })
        };
        let rules = names.into_iter().map(rule).collect();
        Self { version: 1, policy: policy.hash.clone(), tenants, rules }
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        // The types have nothing that JSON cannot say.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        plain_json(&json) + "\n"
    }
}

impl TenantView {
    fn new(scan: &Scanned<'_>, policy: &Policy) -> Self {
        let tenant = scan.tenant;
        let governed_by = scan.facts.governance.iter().map(|relationship| GovernedBy {
            id: shown(relationship.governing_tenant_id.as_deref()),
            name: shown(relationship.governing_tenant_name.as_deref()),
            status: shown(relationship.status.as_deref()),
        });
        let covered = coverage(scan.facts, tenant, &scan.grants);
        Self {
            id: tenant.id,
            name: one_line(&tenant.name),
            side: tenant.side,
            read_at: scan.read_at,
            judged_at: scan.judged_at,
            complete: scan.gaps.is_empty(),
            partners: partners(scan, policy),
            governed_by: governed_by.collect(),
            coverage: covered.into_iter().map(CoverageView::new).collect(),
            findings: scan.findings.iter().map(|it| finding(it, policy)).collect(),
            gaps: scan.gaps.iter().map(gap).collect(),
        }
    }
}

/// The partners: those of the policy in its order, then the others, and last what cannot be laid
/// at a partner's door.
fn partners(scan: &Scanned<'_>, policy: &Policy) -> Vec<PartnerView> {
    let (tenant, facts) = (scan.tenant, scan.facts);
    let customers = facts.relationships.iter().filter_map(customer_of);
    let providers = facts.partner_entries.iter();
    let providers = providers.filter(|entry| entry.is_service_provider == Some(true));
    let others: BTreeSet<PartnerId> = providers
        .filter_map(|entry| entry.tenant_id.parse().ok())
        .chain(customers)
        .chain(facts.delegated_access.keys().copied())
        .chain(scan.grants.iter().filter_map(|grant| grant.partner.id))
        .filter(|id| tenant.partner(*id).is_none() && id.tenant() != tenant.id)
        .collect();
    let listed = tenant.partners.iter().map(|partner| partner.id);
    let ids: Vec<PartnerId> = listed.chain(others).collect();
    let mut grants: BTreeMap<Option<PartnerId>, Vec<GrantView>> = BTreeMap::new();
    for grant in &scan.grants {
        let view = GrantView::new(grant, scan, policy);
        grants.entry(grant.partner.id).or_default().push(view);
    }
    let mut views: Vec<PartnerView> = ids
        .into_iter()
        .map(|id| PartnerView {
            whom: whom(&named(facts, tenant, id)),
            grants: grants.remove(&Some(id)).unwrap_or_default(),
            relationships: relationships(facts, id),
            delegated_access: facts.delegated_access.get(&id).copied(),
        })
        .collect();
    views.extend(grants.remove(&None).map(|grants| PartnerView {
        whom: whom(&AffectedPartner::unknown()),
        grants,
        relationships: Vec::new(),
        delegated_access: None,
    }));
    views
}

fn customer_of(relationship: &DelegatedAdminRelationship) -> Option<PartnerId> {
    relationship.customer.as_ref()?.tenant_id.as_deref()?.parse().ok()
}

fn relationships(facts: &Facts, customer: PartnerId) -> Vec<RelationshipView> {
    let with = facts.relationships.iter().filter(|it| customer_of(it) == Some(customer));
    let view = |it: &DelegatedAdminRelationship| {
        let roles = it.access_details.iter().flat_map(|details| &details.unified_roles);
        let extends = it.auto_extend_duration.as_deref();
        RelationshipView {
            id: foreign(&it.id),
            name: shown(it.display_name.as_deref()),
            status: shown(it.status.as_deref()),
            roles: roles.map(|role| role_name(facts, &role.role_definition_id)).collect(),
            ends: it.end_date_time,
            auto_extends: extends.filter(|for_how| !is_nothing(for_how)).map(foreign),
        }
    };
    with.map(view).collect()
}

/// `PT0S` and `P0D` are no extension.
fn is_nothing(duration: &str) -> bool {
    duration.chars().filter(char::is_ascii_digit).all(|digit| digit == '0')
}

fn role_name(facts: &Facts, id: &str) -> String {
    let built_in = id.parse().ok().and_then(role::by_id).map(|role| role.name.to_owned());
    let live = || facts.roles.get(&id.to_ascii_lowercase())?.display_name.as_deref().map(foreign);
    built_in.or_else(live).unwrap_or_else(|| foreign(id))
}

fn shown(text: Option<&str>) -> String {
    text.map(foreign).unwrap_or_default()
}

fn whom(partner: &AffectedPartner) -> Whom {
    Whom { id: partner.id, name: one_line(&partner.name), listed: partner.listed }
}

impl GrantView {
    fn new(grant: &Grant, scan: &Scanned<'_>, policy: &Policy) -> Self {
        let (held, group, eligible) = match &grant.held {
            Held::Assignment { .. } => (How::Assignment, None, false),
            Held::Scheduled { .. } => (How::Scheduled, None, false),
            Held::Eligible { .. } => (How::Eligible, None, true),
            Held::AppRole { .. } => (How::AppRole, None, false),
            Held::ThroughGroup { group, group_name, eligible, .. } => {
                let group = GroupView { id: safe_id(group), name: foreign(group_name) };
                (How::ThroughGroup, Some(group), *eligible)
            }
        };
        let unit = scan.facts.units.get(&grant.scope.to_lowercase());
        Self {
            role: RoleView {
                name: one_line(&grant.role.name),
                definition_id: foreign(&grant.role.definition_id),
                privileged: grant.role.privileged,
            },
            principal: PrincipalView {
                id: safe_id(&grant.principal),
                name: foreign(&grant.principal_name),
                kind: grant.kind,
                user_principal_name: grant.user_principal_name.as_deref().map(foreign),
                app_id: grant.app_id.as_deref().map(foreign),
            },
            held,
            held_by: foreign(&grant.held.id().0),
            group,
            eligible,
            activated: grant.activated,
            scope: foreign(&grant.scope),
            scope_name: unit.map(|name| foreign(name)),
            ends: grant.ends,
            stands: stands(grant, scan.tenant, policy, scan.judged_at),
        }
    }
}

fn safe_id(id: &PrincipalId) -> PrincipalId {
    PrincipalId::new(&foreign(id.as_str()))
}

fn stands(grant: &Grant, tenant: &Tenant, policy: &Policy, now: Timestamp) -> Stands {
    if grant.is_allowed(tenant, now) {
        return Stands::Allowed;
    }
    let exception = match (grant.partner.id, grant.role.template_id) {
        (Some(partner), Some(role)) => policy.exception(tenant.id, partner, role, now),
        _ => None,
    };
    exception.map_or(Stands::NotAllowed, |exception| Stands::Excepted {
        excepted_until: exception.until,
        reason: one_line(&exception.reason),
    })
}

fn finding(finding: &Finding, policy: &Policy) -> FindingView {
    FindingView {
        finding: finding.finding,
        severity: finding.severity,
        partner: whom(&finding.partner),
        subject: one_line(&finding.subject),
        role: finding.role.as_deref().map(one_line),
        text: one_line(&finding.text),
        certain: finding.certain,
        respond: policy.response(finding.finding, finding.severity).act,
        principal: finding.grant.as_ref().map(|grant| safe_id(&grant.principal)),
        held_by: finding.grant.as_ref().map(|grant| foreign(&grant.held.id().0)),
    }
}

fn gap(gap: &Gap) -> GapView {
    GapView {
        part: gap.part,
        what: gap.part.noun(),
        cause: gap.cause,
        detail: one_line(&gap.detail),
        permission: gap.part.permission(),
        blinds: blinded_by(gap.part).collect(),
    }
}
