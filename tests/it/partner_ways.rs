//! What a partner is to hold no more over a customer, each by a relationship of its own, and what
//! ends each.

use partner_warden::sim::{
    CONTOSO, Changes, INBOX_SECRET, PartnerSide, Relationship, Scenario, Sim, Tenant, WOODGROVE,
};
use serde_json::Value;

/// Contoso's policy for its own tenant in `enforce`.
pub(crate) const ENFORCE: &str = "version: 1
mode: enforce
tenants:
  - id: 22222222-2222-2222-2222-222222222222
    name: Contoso Reseller
    side: partner
    customers:
      - id: 11111111-1111-1111-1111-111111111111
        name: Woodgrove
        allow: {roles: [Directory Readers]}
        require: {maxDuration: P180D}
respond:
  gdap-global-administrator: {do: revoke, ticket: security}
  gdap-role-not-allowed: {do: revoke, ticket: security}
  gdap-auto-extend: {do: revoke, ticket: security}
  gdap-too-long: {do: revoke, ticket: security}
tickets:
  security: {kind: webhook, url: \"SINK\"}
";

const ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// What is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartnerWay {
    /// Global Administrator among the roles that the customer agreed to.
    GlobalAdministrator,
    /// What a group has.
    AccessAssignment,
    /// That it extends itself.
    AutoExtend,
    /// The whole of it.
    TooLong,
}

/// A relationship of 90 days with Woodgrove.
pub(crate) fn relationship(name: &str, roles: &[&str]) -> Relationship {
    Relationship::new(name, WOODGROVE, roles).lasting("P90D")
}

/// Contoso's own tenant with these relationships.
pub(crate) fn contoso(relationships: Vec<Relationship>, changes: Changes) -> Scenario {
    let side = PartnerSide::default().customer(WOODGROVE, "Woodgrove", false).changing(changes);
    let side = relationships.into_iter().fold(side, PartnerSide::relationship);
    let tenant = Tenant::new(CONTOSO, "Contoso Reseller").group("Helpers", &[], None);
    Scenario::default().tenant(tenant.partner_side(side)).sink("security", INBOX_SECRET)
}

impl PartnerWay {
    pub(crate) const ALL: [Self; 4] =
        [Self::GlobalAdministrator, Self::AccessAssignment, Self::AutoExtend, Self::TooLong];

    /// A partner of which nothing else is to end.
    pub(crate) fn scenario(self, changes: Changes) -> Scenario {
        let readers = || relationship("Everything", &["Directory Readers"]);
        let mut all = vec![match self {
            Self::GlobalAdministrator => {
                relationship("Everything", &["Global Administrator", "Directory Readers"])
            }
            Self::AccessAssignment => {
                let mut used = readers().used_by("Helpers");
                used.access_assignments[0].roles = vec!["Exchange Administrator".to_owned()];
                used
            }
            Self::AutoExtend => readers().auto_extending(),
            Self::TooLong => readers().lasting("P730D"),
        }];
        all.push(relationship("Other", &["Directory Readers"]));
        contoso(all, changes)
    }

    /// The method of the call that ends it, and a part of its path.
    pub(crate) fn call(self) -> (&'static str, &'static str) {
        match self {
            Self::GlobalAdministrator | Self::AutoExtend => {
                ("PATCH", "/tenantRelationships/delegatedAdminRelationships/")
            }
            Self::AccessAssignment => ("DELETE", "/accessAssignments/"),
            Self::TooLong => ("POST", "/requests"),
        }
    }

    /// What the step is called.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => {
                "take Global Administrator out of the relationship “Everything” with Woodgrove"
            }
            Self::AccessAssignment => {
                "take from Helpers all that the relationship “Everything” with Woodgrove gives it"
            }
            Self::AutoExtend => {
                "keep the relationship “Everything” with Woodgrove from extending itself"
            }
            Self::TooLong => {
                "end the relationship “Everything” with Woodgrove, and all access by it"
            }
        }
    }

    /// Whether it has ended, by what the simulator knows.
    pub(crate) fn has_ended(self, sim: &Sim) -> bool {
        let shown = everything(sim);
        match self {
            Self::GlobalAdministrator => !roles(&shown).contains(&ADMINISTRATOR),
            Self::AccessAssignment => {
                let used = shown["accessAssignments"].as_array().unwrap();
                used.iter().all(|it| it["status"] == "deleted")
            }
            Self::AutoExtend => shown["autoExtendDuration"] == "PT0S",
            Self::TooLong => shown["status"] == "terminated",
        }
    }
}

/// The relationship that it is about, as it is now.
pub(crate) fn everything(sim: &Sim) -> Value {
    sim.relationship(CONTOSO, "Everything").unwrap()
}

/// The roles that a relationship or an access assignment gives.
pub(crate) fn roles(shown: &Value) -> Vec<&str> {
    let roles = shown["accessDetails"]["unifiedRoles"].as_array().unwrap();
    roles.iter().map(|it| it["roleDefinitionId"].as_str().unwrap()).collect()
}
