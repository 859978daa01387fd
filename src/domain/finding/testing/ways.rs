//! The ways to hold a role besides an assignment of one's own.

use super::{Case, id_of};
use crate::domain::facts::{
    AppRoleAssignment, DirectoryObject, GivenAccount, GovernanceRelationship, Group, Member,
    PartnerApp, PartnerEntry, ScheduleInstance, ServicePrincipal, User,
};
use crate::domain::finding::testing::{CONTOSO, STRANGER};
use crate::domain::grant::{Grant, grants};
use crate::domain::id::{AssignmentId, PrincipalId};
use crate::domain::role;

impl Case {
    /// What the policy requires of Contoso.
    pub(crate) fn require(mut self, require: &'static str) -> Self {
        self.require = require;
        self
    }

    pub(crate) fn unlisted_until(mut self, until: &str) -> Self {
        self.unlisted_until = Some(until.to_owned());
        self
    }

    /// An account that was given to Contoso and holds nothing.
    pub(crate) fn account(mut self, upn: &str) -> Self {
        self.accounts.push(upn.to_owned());
        let user = account(upn, upn);
        self.facts.objects.insert(id_of(upn), DirectoryObject::User(user));
        self
    }

    /// One more role of an account that is there.
    pub(crate) fn holds_too(self, name: &str, role: &str) -> Self {
        self.assign(&id_of(name), role, "/", None)
    }

    /// An account that is given by a name that leads nowhere.
    pub(crate) fn account_missing(mut self, name: &str) -> Self {
        self.accounts.push(name.to_owned());
        self.facts.accounts.insert(name.to_lowercase(), GivenAccount::Missing);
        self
    }

    /// An account that is given by a name, and what was found by it.
    pub(crate) fn account_found(mut self, name: &str, upn: &str, enabled: bool) -> Self {
        self.accounts.push(name.to_owned());
        let user = User { account_enabled: Some(enabled), ..account("Service", upn) };
        let found = GivenAccount::Present { id: id_of(upn), user };
        self.facts.accounts.insert(name.to_lowercase(), found);
        self
    }

    /// A role of an account of which the directory gives no sign-in name.
    pub(crate) fn nameless(mut self, upn: &str, role: &str) -> Self {
        let user = User { user_principal_name: None, ..account("Service", upn) };
        self.facts.objects.insert(id_of(upn), DirectoryObject::User(user));
        self.assign(&id_of(upn), role, "/", None)
    }

    pub(crate) fn eligible(mut self, name: &str, role: &str, ends: Option<&str>) -> Self {
        let instance = schedule(&id_of(name), role, ends, "Direct");
        self.facts.eligible.push(instance);
        self
    }

    /// What Privileged Identity Management says of a role that is held.
    pub(crate) fn active(self, name: &str, role: &str, ends: Option<&str>) -> Self {
        self.schedule_of(name, role, ends, "Assigned")
    }

    pub(crate) fn activated(self, name: &str, role: &str, ends: &str) -> Self {
        self.schedule_of(name, role, Some(ends), "Activated")
    }

    fn schedule_of(mut self, name: &str, role: &str, ends: Option<&str>, kind: &str) -> Self {
        let mut instance = schedule(&id_of(name), role, ends, "Direct");
        instance.assignment_type = Some(kind.to_owned());
        self.facts.active.push(instance);
        self
    }

    /// A schedule that is there because of a group.
    pub(crate) fn shadow(mut self, name: &str, role: &str) -> Self {
        let instance = schedule(&id_of(name), role, None, "Group");
        self.facts.active.push(instance);
        self
    }

    pub(crate) fn eligible_group(mut self, name: &str, role: &str) -> Self {
        self.facts.eligible.push(schedule(&id_of(name), role, None, "Direct"));
        self.group(name)
    }

    pub(crate) fn scheduled_group(mut self, name: &str, role: &str) -> Self {
        self.facts.active.push(schedule(&id_of(name), role, None, "Direct"));
        self.group(name)
    }

    fn group(mut self, name: &str) -> Self {
        let group = Group::named(name);
        self.facts.objects.insert(id_of(name), DirectoryObject::Group(group));
        self
    }

    pub(crate) fn guest_in(self, group: &str, name: &str, mail: &str) -> Self {
        let user = guest(name, mail);
        let mut case = self.put_in(group, name, DirectoryObject::User(user.clone()));
        case.facts.guests.insert(id_of(name), user);
        case
    }

    /// A guest who holds nothing.
    pub(crate) fn guest_alone(mut self, name: &str, mail: &str) -> Self {
        let user = guest(name, mail);
        self.facts.objects.insert(id_of(name), DirectoryObject::User(user.clone()));
        self.facts.guests.insert(id_of(name), user);
        self
    }

    pub(crate) fn member_in(self, group: &str, name: &str) -> Self {
        let upn = format!("{}@woodgrove.example", name.to_lowercase());
        self.put_in(group, name, DirectoryObject::User(account(name, &upn)))
    }

    pub(crate) fn dedicated_in(mut self, group: &str, upn: &str) -> Self {
        self.accounts.push(upn.to_owned());
        self.put_in(group, upn, DirectoryObject::User(account(upn, upn)))
    }

    pub(crate) fn partner_app_in(self, group: &str, name: &str) -> Self {
        self.put_in(group, name, DirectoryObject::ServicePrincipal(app(name, CONTOSO)))
    }

    pub(crate) fn stranger_in(self, group: &str, name: &str) -> Self {
        self.put_in(group, name, DirectoryObject::ServicePrincipal(app(name, STRANGER)))
    }

    fn put_in(mut self, group: &str, name: &str, object: DirectoryObject) -> Self {
        let member = Member { id: id_of(name), object };
        self.facts.members.entry(id_of(group)).or_default().push(member);
        self
    }

    /// A group within a group.
    pub(crate) fn group_in(self, group: &str, name: &str) -> Self {
        self.put_in(group, name, DirectoryObject::Group(Group::named(name)))
    }

    /// Who is directly in a group.
    pub(crate) fn directly_in(mut self, group: &str, names: &[&str]) -> Self {
        let ids = names.iter().map(|name| id_of(name)).collect();
        self.facts.direct_members.insert(id_of(group), ids);
        self
    }

    /// What a group is, wherever it stands.
    pub(crate) fn group_is(mut self, name: &str, change: impl Fn(&mut Group)) -> Self {
        let id = id_of(name);
        let own = self.facts.objects.get_mut(&id).into_iter();
        let members = self.facts.members.values_mut().flatten();
        let inner = members.filter(|it| it.id == id).map(|it| &mut it.object);
        for object in own.chain(inner) {
            if let DirectoryObject::Group(group) = object {
                change(group);
            }
        }
        self
    }

    /// Contoso's application with a permission.
    pub(crate) fn app_with(self, name: &str, permission: &str, api: &str) -> Self {
        self.app_of(CONTOSO, name, permission, api)
    }

    pub(crate) fn app_of(mut self, owner: &str, name: &str, permission: &str, api: &str) -> Self {
        self.facts.apps.push(PartnerApp {
            id: id_of(name),
            app: app(name, owner),
            app_roles: vec![AppRoleAssignment {
                id: AssignmentId(format!("{name}-{permission}")),
                app_role_id: permission.to_owned(),
                resource_display_name: (!api.is_empty()).then(|| api.to_owned()),
                resource_id: None,
            }],
        });
        self
    }

    /// A tenant of one multi-tenant organisation with this one.
    pub(crate) fn own_organisation(mut self, tenant: &str) -> Self {
        self.facts.partner_entries.push(PartnerEntry {
            tenant_id: tenant.to_owned(),
            is_service_provider: Some(false),
            is_in_multi_tenant_organization: Some(true),
            inbound_trust: None,
        });
        self
    }

    pub(crate) fn governed_by(mut self, tenant: &str, name: &str, status: Option<&str>) -> Self {
        self.facts.governance.push(GovernanceRelationship {
            id: "governance".to_owned(),
            status: status.map(str::to_owned),
            governing_tenant_id: Some(tenant.to_owned()),
            governing_tenant_name: Some(name.to_owned()),
        });
        self
    }

    /// Since when a service provider may be given roles.
    pub(crate) fn provider_since(mut self, tenant: &str, since: &str) -> Self {
        self.facts.constraints_since.insert(tenant.parse().unwrap(), since.parse().unwrap());
        self
    }

    /// A role that was taken away so many times.
    pub(crate) fn taken_away(mut self, role: &str, often: u32) -> Self {
        let policy = self.policy();
        let grants = grants(&self.facts, &policy.roster.tenants[0]);
        let keys = grants.iter().filter(|grant| grant.role.name == role).map(Grant::likeness);
        self.facts.taken_away.extend(keys.map(|key| (key, often)));
        self
    }
}

fn schedule(
    principal: &PrincipalId,
    role: &str,
    ends: Option<&str>,
    member_type: &str,
) -> ScheduleInstance {
    let definition = role::by_name(role).unwrap().template_id.to_string();
    ScheduleInstance {
        id: AssignmentId(format!("{principal}-{definition}-{member_type}-schedule")),
        principal_id: principal.clone(),
        role_definition_id: definition,
        directory_scope_id: "/".to_owned(),
        end_date_time: ends.map(|ends| ends.parse().unwrap()),
        member_type: Some(member_type.to_owned()),
        assignment_type: Some("Assigned".to_owned()),
        role_assignment_origin_id: None,
    }
}

fn account(name: &str, upn: &str) -> User {
    User {
        display_name: Some(name.to_owned()),
        user_principal_name: Some(upn.to_owned()),
        user_type: Some("Member".to_owned()),
        ..User::default()
    }
}

fn guest(name: &str, mail: &str) -> User {
    User {
        display_name: Some(name.to_owned()),
        user_principal_name: Some(format!("{}#EXT#@woodgrove.example", mail.replace('@', "_"))),
        mail: Some(mail.to_owned()),
        user_type: Some("Guest".to_owned()),
        account_enabled: None,
    }
}

fn app(name: &str, owner: &str) -> ServicePrincipal {
    ServicePrincipal {
        display_name: Some(name.to_owned()),
        app_id: Some(id_of(&format!("{name} app")).to_string()),
        app_owner_organization_id: Some(owner.to_owned()),
    }
}
