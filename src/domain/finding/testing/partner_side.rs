//! A partner's own tenant described in a few words.

use super::{CONTOSO, WOODGROVE, id_of, noon};
use crate::domain::facts::{
    AccessAssignment, AccessContainer, AccessDetails, Customer, DelegatedAdminRelationship,
    DirectoryObject, Facts, Gap, GapCause, Group, Part, UnifiedRole,
};
use crate::domain::finding::{Finding, findings};
use crate::domain::policy::Policy;
use crate::domain::role;

/// Facts and policy of Contoso Reseller, which has Woodgrove for a customer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Msp {
    pub(crate) facts: Facts,
    allow: Vec<&'static str>,
    until: Option<&'static str>,
    unlisted: Vec<&'static str>,
    at_most: Option<&'static str>,
    extra: String,
}

/// Checks the texts of one finding, in order.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a case is built where it is checked")]
pub(crate) fn check(name: &str, msp: Msp, expect: &[&str]) {
    let found = msp.findings().into_iter().filter(|finding| finding.finding.as_str() == name);
    assert_eq!(found.map(|finding| finding.text).collect::<Vec<_>>(), expect);
}

/// An active relationship with Woodgrove: agreed for 90 days, 30 days ago, not extending itself.
pub(crate) fn relationship(name: &str, roles: &[&str]) -> DelegatedAdminRelationship {
    let text = |text: &str| Some(text.to_owned());
    DelegatedAdminRelationship {
        id: format!("{}-{}", id_of(name), id_of(CONTOSO)),
        display_name: text(name),
        customer: Some(Customer { tenant_id: text(WOODGROVE), display_name: text("Woodgrove") }),
        access_details: Some(details(roles)),
        status: text("active"),
        duration: text("P90D"),
        auto_extend_duration: text("PT0S"),
        activated_date_time: "2026-10-24T12:00:00Z".parse().ok(),
        end_date_time: "2027-01-22T12:00:00Z".parse().ok(),
        etag: None,
        access_assignments: Vec::new(),
        operations: Vec::new(),
    }
}

/// Roles by name, or by whatever else stands for an id.
pub(crate) fn details(roles: &[&str]) -> AccessDetails {
    let role = |name: &&str| UnifiedRole {
        role_definition_id: role::by_name(name)
            .map_or_else(|| (*name).to_owned(), |role| role.template_id.to_string()),
    };
    AccessDetails { unified_roles: roles.iter().map(role).collect() }
}

/// A group of Contoso's that has these roles by an access assignment.
pub(crate) fn used_by(group: &str, roles: &[&str]) -> AccessAssignment {
    AccessAssignment {
        id: id_of(&format!("{group} uses it")).to_string(),
        status: Some("active".to_owned()),
        access_container: Some(AccessContainer {
            access_container_id: Some(id_of(group).to_string()),
            access_container_type: Some("securityGroup".to_owned()),
        }),
        access_details: Some(details(roles)),
        etag: None,
    }
}

impl Msp {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn policy(&self) -> Policy {
        let list = |items: &[&str]| serde_json::to_string(items).unwrap();
        let until = self.until.map_or_else(String::new, |until| format!(", until: {until}"));
        let at_most = self
            .at_most
            .map_or_else(String::new, |most| format!("        require: {{maxDuration: {most}}}\n"));
        let text = format!(
            "version: 1\nmode: enforce\ntenants:\n  - id: {CONTOSO}\n    name: Contoso Reseller\n    \
             side: partner\n    customers:\n      - id: {WOODGROVE}\n        name: Woodgrove\n        \
             allow: {{roles: {}{until}}}\n{at_most}    unlisted: {{allow: {{roles: {}}}}}\n{}",
            list(&self.allow),
            list(&self.unlisted),
            self.extra,
        );
        Policy::parse(&text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}")).policy
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let policy = self.policy();
        findings(&self.facts, &policy.roster.tenants[0], &policy, noon())
    }

    /// More of the policy, as YAML from the left margin.
    pub(crate) fn with_policy(mut self, yaml: &str) -> Self {
        self.extra.push_str(yaml);
        self.extra.push('\n');
        self
    }

    pub(crate) fn allow(self, roles: &[&'static str]) -> Self {
        Self { allow: roles.to_vec(), ..self }
    }

    pub(crate) fn allowed_until(self, until: &'static str) -> Self {
        Self { until: Some(until), ..self }
    }

    pub(crate) fn allow_unlisted(self, roles: &[&'static str]) -> Self {
        Self { unlisted: roles.to_vec(), ..self }
    }

    pub(crate) fn at_most(self, duration: &'static str) -> Self {
        Self { at_most: Some(duration), ..self }
    }

    pub(crate) fn except(self, role: &str, until: &str) -> Self {
        self.with_policy(&format!(
            "exceptions:\n  - {{partner: Woodgrove, role: {role}, until: {until}, reason: migration}}"
        ))
    }

    /// With a relationship.
    pub(crate) fn with(mut self, relationship: DelegatedAdminRelationship) -> Self {
        self.facts.relationships.push(relationship);
        self
    }

    /// Knowing what a group of Contoso's is called.
    pub(crate) fn group(mut self, name: &str) -> Self {
        let group = Group::named(name);
        self.facts.objects.insert(id_of(name), DirectoryObject::Group(group));
        self
    }

    /// A tenant calls itself so.
    pub(crate) fn calls_itself(mut self, tenant: &str, name: &str) -> Self {
        self.facts.tenant_names.insert(tenant.parse().unwrap(), name.to_owned());
        self
    }

    /// Partner Center says of a customer whether it lets the partner in by the old way.
    pub(crate) fn delegated_access(mut self, customer: &str, allowed: bool) -> Self {
        self.facts.delegated_access.insert(customer.parse().unwrap(), allowed);
        self
    }

    pub(crate) fn gap(mut self, part: Part) -> Self {
        let (cause, detail) = (GapCause::Unavailable, "(detail)".to_owned());
        self.facts.gaps.push(Gap { part, cause, detail });
        self
    }
}
