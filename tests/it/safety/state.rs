//! What a tenant is like, and how it changes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use partner_warden::domain::facts::{
    AccessAssignment, AccessContainer, AccessDetails, AppRoleAssignment, Customer,
    DelegatedAdminRelationship, RoleAssignment, ScheduleInstance, UnifiedRole,
};
use partner_warden::domain::id::{AssignmentId, PrincipalId};
use serde_json::Value;

use super::cast::{
    ADMINS, HOLDERS, INNER, PERMISSIONS, RULED, Sort, TENANTS, VAULT, begin, id_of, minutes,
    role_id,
};

/// In which way somebody holds a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By an assignment.
    Assigned,
    /// By an assignment that Privileged Identity Management has a schedule of.
    Scheduled,
    /// By a schedule that no assignment shows.
    Active,
    /// It may be activated.
    Eligible,
    /// By being in a group that holds it.
    InAdmins,
    /// By being in a group within that group.
    InInner,
    /// By being in both.
    InBoth,
    /// By a group whose members a rule says.
    InRuled,
    /// By a group that the policy may protect.
    InVault,
    /// As an application permission.
    Permitted,
}

impl Way {
    /// Whether it is by being in a group.
    pub(super) fn is_by_a_group(self) -> bool {
        match self {
            Self::InAdmins | Self::InInner | Self::InBoth | Self::InRuled | Self::InVault => true,
            Self::Assigned | Self::Scheduled | Self::Active | Self::Eligible | Self::Permitted => {
                false
            }
        }
    }
}

pub(super) const WAYS: [Way; 10] = [
    Way::Assigned,
    Way::Scheduled,
    Way::Active,
    Way::Eligible,
    Way::InAdmins,
    Way::InInner,
    Way::InBoth,
    Way::InRuled,
    Way::InVault,
    Way::Permitted,
];

/// A tenant at one moment. People are named by their place in [`HOLDERS`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct State {
    pub(super) assignments: Vec<RoleAssignment>,
    pub(super) active: Vec<ScheduleInstance>,
    pub(super) eligible: Vec<ScheduleInstance>,
    /// Who is directly in which group.
    pub(super) members: BTreeMap<usize, BTreeSet<usize>>,
    pub(super) permissions: BTreeMap<usize, Vec<AppRoleAssignment>>,
    pub(super) disabled: BTreeSet<usize>,
    pub(super) renamed: BTreeSet<usize>,
    /// Since when sessions count.
    pub(super) sessions: BTreeMap<usize, Timestamp>,
    pub(super) policies: Vec<Value>,
    pub(super) relationships: Vec<DelegatedAdminRelationship>,
}

/// Something that was taken away, and can come back as it was.
#[derive(Debug, Clone)]
pub(super) enum Gone {
    Assignment(RoleAssignment),
    Active(ScheduleInstance),
    Eligible(ScheduleInstance),
    Member(usize, usize),
    Permission(usize, AppRoleAssignment),
    Enabled(usize),
    Sessions,
    /// A policy was made: without it the partner comes in again.
    Unblocked(String),
    Relationship,
}

impl State {
    /// Gives somebody a role, under an id of its own.
    pub(super) fn give(&mut self, tenant: usize, n: usize, (holder, role, way): Given) {
        let app = matches!(HOLDERS[holder].sort, Sort::App(_));
        let foreign = matches!(HOLDERS[holder].sort, Sort::Foreign(_) | Sort::Untold);
        let group = matches!(HOLDERS[holder].sort, Sort::Group | Sort::RuleGroup);
        match way {
            Way::Permitted if app => self.permit(tenant, n, holder, role),
            // A partner's groups hold nothing in another way, and own groups are in none here.
            _ if foreign => self.assign(tenant, n, holder, role),
            Way::InAdmins | Way::InInner | Way::InBoth | Way::InRuled | Way::InVault if group => {
                self.assign(tenant, n, holder, role);
            }
            Way::Assigned | Way::Permitted => self.assign(tenant, n, holder, role),
            Way::Scheduled => {
                self.assign(tenant, n, holder, role);
                let origin = self.assignments.last().map(|it| it.id.clone());
                let schedule = schedule(tenant, n, holder, role);
                self.active.push(ScheduleInstance {
                    role_assignment_origin_id: origin,
                    assignment_type: Some("Assigned".to_owned()),
                    ..schedule
                });
            }
            Way::Active => self.active.push(schedule(tenant, n, holder, role)),
            Way::Eligible => self.eligible.push(schedule(tenant, n, holder, role)),
            Way::InAdmins => self.join(tenant, n, &[ADMINS], holder, role),
            Way::InInner => self.join(tenant, n, &[INNER], holder, role),
            Way::InBoth => self.join(tenant, n, &[ADMINS, INNER], holder, role),
            Way::InRuled => self.join(tenant, n, &[RULED], holder, role),
            Way::InVault => self.join(tenant, n, &[VAULT], holder, role),
        }
    }

    fn assign(&mut self, tenant: usize, n: usize, holder: usize, role: usize) {
        let home = match HOLDERS[holder].sort {
            Sort::Foreign(home) => Some(home.to_owned()),
            Sort::Member
            | Sort::Guest(_)
            | Sort::Group
            | Sort::RuleGroup
            | Sort::App(_)
            | Sort::Untold => None,
        };
        self.assignments.push(RoleAssignment {
            id: AssignmentId(format!("assignment-{n}")),
            principal_id: id_of(tenant, holder),
            role_definition_id: role_id(role),
            directory_scope_id: "/".to_owned(),
            principal_organization_id: home,
        });
    }

    fn join(&mut self, tenant: usize, n: usize, groups: &[usize], holder: usize, role: usize) {
        let through = if groups.contains(&INNER) { ADMINS } else { groups[0] };
        let id = id_of(tenant, through);
        let mut assigned = self.assignments.iter();
        if !assigned.any(|it| it.principal_id == id && it.role_definition_id == role_id(role)) {
            self.assign(tenant, n, through, role);
        }
        for group in groups {
            self.members.entry(*group).or_default().insert(holder);
        }
        if groups.contains(&INNER) {
            self.members.entry(ADMINS).or_default().insert(INNER);
        }
    }

    fn permit(&mut self, _: usize, n: usize, holder: usize, role: usize) {
        self.permissions.entry(holder).or_default().push(AppRoleAssignment {
            id: AssignmentId(format!("permission-{n}")),
            app_role_id: PERMISSIONS[role % PERMISSIONS.len()].to_owned(),
            resource_display_name: Some("Microsoft Graph".to_owned()),
            resource_id: None,
        });
    }

    /// Everybody in a group, through groups in it too.
    pub(super) fn everybody_in(&self, group: usize) -> BTreeSet<usize> {
        let mut all = BTreeSet::new();
        for member in self.members.get(&group).into_iter().flatten() {
            all.insert(*member);
            all.extend(self.everybody_in(*member));
        }
        all
    }

    /// Whether somebody holds Global Administrator by an assignment.
    pub(super) fn is_administrator(&self, id: &PrincipalId) -> bool {
        let mut held = self.assignments.iter();
        held.any(|it| it.principal_id == *id && it.role_definition_id == role_id(0))
    }

    /// Puts back what was taken away.
    pub(super) fn comes_back(&mut self, gone: Gone) {
        match gone {
            Gone::Assignment(it) if !self.assignments.contains(&it) => self.assignments.push(it),
            Gone::Active(it) if !self.active.contains(&it) => self.active.push(it),
            Gone::Eligible(it) if !self.eligible.contains(&it) => self.eligible.push(it),
            Gone::Member(group, holder) => {
                self.members.entry(group).or_default().insert(holder);
            }
            Gone::Permission(app, it) => {
                let all = self.permissions.entry(app).or_default();
                if !all.contains(&it) {
                    all.push(it);
                }
            }
            Gone::Enabled(holder) => {
                self.disabled.remove(&holder);
            }
            Gone::Unblocked(name) => {
                self.policies.retain(|it| it["displayName"] != name.as_str());
            }
            Gone::Assignment(_)
            | Gone::Active(_)
            | Gone::Eligible(_)
            | Gone::Sessions
            | Gone::Relationship => {}
        }
    }

    /// A relationship of the partner's own tenant with one of its customers.
    pub(super) fn relate(&mut self, n: usize, customer: usize, roles: &[usize], extends: bool) {
        let unified_roles =
            roles.iter().map(|role| UnifiedRole { role_definition_id: role_id(*role) });
        let details = AccessDetails { unified_roles: unified_roles.collect() };
        let group = AccessContainer {
            access_container_id: Some(format!("cccccccc-0000-4000-8000-{n:012}")),
            ..AccessContainer::default()
        };
        let long = roles.len() % 2 == 1;
        let ends = begin() + minutes(if long { 700 } else { 60 } * 24 * 60);
        self.relationships.push(DelegatedAdminRelationship {
            id: format!("dddddddd-0000-4000-8000-{n:012}-eeeeeeee-0000-4000-8000-{n:012}"),
            display_name: Some(format!("relationship {n}")),
            customer: Some(Customer {
                tenant_id: Some(TENANTS[customer].0.to_owned()),
                display_name: Some(TENANTS[customer].1.to_owned()),
            }),
            access_details: Some(details.clone()),
            status: Some("active".to_owned()),
            duration: Some(if long { "P700D" } else { "P60D" }.to_owned()),
            auto_extend_duration: Some(if extends { "P180D" } else { "PT0S" }.to_owned()),
            activated_date_time: Some(begin()),
            end_date_time: Some(ends),
            etag: Some("etag".to_owned()),
            access_assignments: vec![AccessAssignment {
                id: format!("ffffffff-0000-4000-8000-{n:012}"),
                status: Some("active".to_owned()),
                access_container: Some(group),
                access_details: Some(details),
                etag: Some("etag".to_owned()),
            }],
            operations: Vec::new(),
        });
    }
}

/// To whom, which role, in which way.
pub(super) type Given = (usize, usize, Way);

fn schedule(tenant: usize, n: usize, holder: usize, role: usize) -> ScheduleInstance {
    ScheduleInstance {
        id: AssignmentId(format!("schedule-{n}")),
        principal_id: id_of(tenant, holder),
        role_definition_id: role_id(role),
        directory_scope_id: "/".to_owned(),
        end_date_time: None,
        member_type: Some("Direct".to_owned()),
        assignment_type: None,
        role_assignment_origin_id: None,
    }
}
