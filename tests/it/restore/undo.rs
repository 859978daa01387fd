//! Everything that can be put back, each in a tenant of its own in which nothing else is taken away.

use partner_warden::sim::{Assignment, CONTOSO, Changes, Moment, Scenario, Tenant, WOODGROVE};
use serde_json::Value;

use super::{scenario, woodgrove};
use crate::harness::{Backend, Town, steps};
use crate::partner_ways::{self, PartnerWay, contoso, relationship};
use crate::ways;

pub(crate) const MAIL: &str = "alice@contoso-reseller.example";

/// The policy under which every way to hold power is ended.
pub(crate) fn everything() -> String {
    ways::ENFORCE.replace("tickets:", "guardrails: {maxRevocations: 50}\ntickets:")
}

/// What is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    /// A role assignment, where there is no Privileged Identity Management.
    Role,
    /// A role by an active schedule with an end.
    Active,
    /// A role by an eligible schedule with an end.
    Eligible,
    /// Membership of two groups by which a role is held.
    Member,
    /// An application permission.
    AppRole,
    /// A guest's signing in, beside its role.
    Guest,
    /// An application's signing in, beside its role.
    App,
    /// The partner's people are let in.
    Quarantine,
    /// A relationship that extends itself.
    AutoExtend,
    /// What a relationship gives to a group.
    AccessAssignment,
}

impl Undo {
    pub(crate) const ALL: [Self; 10] = [
        Self::Role,
        Self::Active,
        Self::Eligible,
        Self::Member,
        Self::AppRole,
        Self::Guest,
        Self::App,
        Self::Quarantine,
        Self::AutoExtend,
        Self::AccessAssignment,
    ];

    /// The tenant that is changed.
    pub(crate) fn tenant(self) -> &'static str {
        match self {
            Self::AutoExtend | Self::AccessAssignment => CONTOSO,
            Self::Role
            | Self::Active
            | Self::Eligible
            | Self::Member
            | Self::AppRole
            | Self::Guest
            | Self::App
            | Self::Quarantine => WOODGROVE,
        }
    }

    pub(crate) fn scenario(self) -> Scenario {
        let until = |role| Assignment::new("Alice", role).until(Moment::in_days(20));
        let alice = |tenant: Tenant| tenant.guest("Alice", MAIL, None);
        let role = "User Administrator";
        let tenant = match self {
            Self::Role => woodgrove().guest("Alice", MAIL, role).without_licence(),
            Self::Guest => woodgrove().guest("Alice", MAIL, role),
            Self::Active => alice(woodgrove()).assignment(until(role)),
            Self::Eligible => alice(woodgrove()).eligible(until(role)),
            Self::Member => alice(woodgrove())
                .group("Help", &["Alice", "Megan Bowen"], None)
                .group("Admins", &["Help", "Alice"], role),
            Self::AppRole => woodgrove()
                .service_principal("Backup", "backup", CONTOSO, None)
                .app_role("Backup", "RoleManagement.ReadWrite.Directory"),
            Self::App => woodgrove().service_principal("Backup", "backup", CONTOSO, role),
            Self::Quarantine => woodgrove().partner_group("AdminAgents", CONTOSO, role),
            Self::AutoExtend => return PartnerWay::AutoExtend.scenario(Changes::default()),
            Self::AccessAssignment => {
                // Microsoft gives a group nothing beyond what was agreed on.
                let agreed = ["Directory Readers", "Exchange Administrator"];
                let mut used = relationship("Everything", &agreed).used_by("Helpers");
                used.access_assignments[0].roles = vec!["Exchange Administrator".to_owned()];
                return contoso(vec![used], Changes::default());
            }
        };
        scenario(tenant)
    }

    pub(crate) fn policy(self) -> String {
        let instead = |what: &str| everything().replace("{do: revoke, ticket", what);
        match self {
            Self::Guest => instead("{do: revoke, also: [disable-guest], ticket"),
            Self::App => instead("{do: revoke, also: [disable-app], ticket"),
            Self::Quarantine => instead("{do: quarantine, ticket"),
            Self::AutoExtend | Self::AccessAssignment => partner_ways::ENFORCE.to_owned(),
            Self::Role | Self::Active | Self::Eligible | Self::Member | Self::AppRole => {
                everything()
            }
        }
    }

    /// The call that puts it back: method, and a part of its path.
    pub(crate) fn call(self) -> (&'static str, &'static str) {
        match self {
            Self::Role => ("POST", "/roleManagement/directory/roleAssignments"),
            Self::Active => ("POST", "/roleManagement/directory/roleAssignmentScheduleRequests"),
            Self::Eligible => ("POST", "/roleManagement/directory/roleEligibilityScheduleRequests"),
            Self::Member => ("POST", "/members/$ref"),
            Self::AppRole => ("POST", "/appRoleAssignments"),
            Self::Guest => ("PATCH", "/users/"),
            Self::App => ("PATCH", "/servicePrincipals/"),
            Self::Quarantine => ("DELETE", "/identity/conditionalAccess/policies/"),
            Self::AutoExtend => ("PATCH", "/tenantRelationships/delegatedAdminRelationships/"),
            Self::AccessAssignment => ("POST", "/accessAssignments"),
        }
    }

    /// A part of the path by which it is read whether it is there.
    pub(crate) fn read(self) -> &'static str {
        match self {
            Self::Role | Self::Active => {
                "/roleManagement/directory/roleAssignments?$filter=principalId"
            }
            Self::Eligible => "/roleManagement/directory/roleEligibilityScheduleInstances",
            Self::Member => "/members?$select",
            Self::AppRole => "/servicePrincipals?$filter=appOwnerOrganizationId",
            Self::Guest => "signInSessionsValidFromDateTime",
            Self::App => "?$select=id,accountEnabled",
            Self::Quarantine => "/identity/conditionalAccess/policies",
            Self::AutoExtend | Self::AccessAssignment => {
                "/tenantRelationships/delegatedAdminRelationships/"
            }
        }
    }

    /// How many calls put all of it back.
    pub(crate) fn calls(self) -> usize {
        if self == Self::Member { 2 } else { 1 }
    }

    /// How many steps there are to undo.
    pub(crate) fn steps(self) -> usize {
        if matches!(self, Self::Guest | Self::App) { 2 } else { 1 }
    }

    /// Has it taken away, and stops what did so.
    pub(crate) async fn taken_away(self, on: Backend) -> Undone {
        self.taken_away_from(on, self.scenario()).await
    }

    /// The same in another scenario.
    pub(crate) async fn taken_away_from(self, on: Backend, scenario: Scenario) -> Undone {
        let town = Town::on(on, scenario.lag_reads(0), &self.policy()).await;
        let before = town.sim.told(self.tenant());
        let warden = town.start().await;
        if self.tenant() == CONTOSO {
            warden.partner_changed(1).await;
        } else {
            warden.role_was_added().await;
        }
        let proven = |message: &Value| {
            let verified = steps(message).into_iter().filter(|it| it.ends_with(": verified"));
            verified.count() == self.steps()
        };
        let all = |messages: &[Value]| messages.last().is_some_and(proven);
        town.messages("what is proven", all).await;
        warden.stop().await;
        assert_ne!(town.sim.told(self.tenant()), before, "{self:?}: nothing was taken away");
        let record = town.last_record().await;
        let mut undone = Undone { undo: self, town, before, record, former: 0 };
        undone.former = undone.calls();
        undone
    }
}

/// What was taken away, and what was so before.
pub(crate) struct Undone {
    pub(crate) undo: Undo,
    pub(crate) town: Town,
    pub(crate) before: Vec<String>,
    pub(crate) record: String,
    /// How many like them took it away.
    former: usize,
}

impl Undone {
    /// All that is so in the tenant.
    pub(crate) fn whole(&self) -> Vec<String> {
        self.town.sim.told(self.undo.tenant())
    }

    /// How many calls were made that put it back.
    pub(crate) fn calls(&self) -> usize {
        let (method, path) = self.undo.call();
        self.town.sim.count(method, path) - self.former
    }
}
