//! The short form of a test to Facts: what the test says, in a tenant that is else in good order.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::given::{Demanded, Fact, How, Who};
use crate::domain::facts::{
    AccessAssignment, AccessContainer, AccessDetails, AppRoleAssignment, Customer,
    DelegatedAdminRelationship, DirectoryObject, Facts, Gap, GivenAccount, GovernanceRelationship,
    Group, InboundTrust, Member, PartnerApp, PartnerEntry, PartnerReference, RoleAssignment,
    ScheduleInstance, ServicePrincipal, UnifiedRole, User,
};
use crate::domain::grant::grants;
use crate::domain::id::{AssignmentId, PartnerId, PrincipalId, Sha256Hex};
use crate::domain::role::{self, RoleTemplateId};
use crate::domain::roster::{Side, Tenant};

/// How long an activation lasts, unless the test says when it ends.
const ACTIVATION: SignedDuration = SignedDuration::from_hours(8);

/// The facts, and what is in order unless they say otherwise: somebody of the tenant's own is Global
/// Administrator, everybody has to prove themselves by a second factor, no partner's word is taken
/// for it, and the accounts that were given to partners are there.
pub(super) fn facts(given: &[Fact], tenant: &Tenant, now: Timestamp) -> Facts {
    let mut making = Making { facts: Facts::default(), taken_away: Vec::new(), now };
    making.facts.security_defaults = Some(false);
    making.facts.default_trust = Some(InboundTrust::default());
    if tenant.side == Side::Customer {
        making.good_order(given, tenant);
    }
    for fact in given {
        making.fact(fact);
    }
    making.remember(tenant);
    making.facts
}

struct Making {
    facts: Facts,
    /// Whose roles were taken away before, and how often.
    taken_away: Vec<(PrincipalId, u32)>,
    now: Timestamp,
}

impl Making {
    fn good_order(&mut self, given: &[Fact], tenant: &Tenant) {
        if !given.contains(&Fact::NoAdministrators) {
            let who = Who::Member("The tenant's own administrator".to_owned());
            self.holds(&who, &[role::GLOBAL_ADMINISTRATOR], None, &How::default());
        }
        let says_mfa = |fact: &Fact| {
            matches!(fact, Fact::Mfa(_) | Fact::MfaExempts(_) | Fact::ConditionalAccess(_))
        };
        if !given.iter().any(says_mfa) {
            self.fact(&Fact::Mfa(Demanded::Everyone));
        }
        for account in tenant.partners.iter().flat_map(|partner| &partner.accounts) {
            let name = account.as_str().to_owned();
            self.holds(
                &Who::Account { name, enabled: true, present: true },
                &[],
                None,
                &How::default(),
            );
        }
    }

    fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Holds { who, roles, permission, how } => {
                self.holds(who, roles, permission.as_deref(), how);
            }
            Fact::ServiceProvider(partner, name) => {
                self.calls_itself(*partner, name.as_deref());
                self.entry(*partner);
            }
            Fact::TrustsMfaOf(partner) => {
                self.entry(*partner).inbound_trust =
                    Some(InboundTrust { is_mfa_accepted: Some(true), ..InboundTrust::default() });
            }
            Fact::GovernedBy(partner) => self.facts.governance.push(GovernanceRelationship {
                id: id_of(&["governance", &partner.to_string()]).to_string(),
                status: Some("active".to_owned()),
                governing_tenant_id: Some(partner.to_string()),
                governing_tenant_name: None,
            }),
            Fact::Mfa(Demanded::Nobody) | Fact::NoAdministrators => {}
            Fact::Mfa(Demanded::Everyone) => {
                self.facts.conditional_access.push(demands_mfa("enabled", None));
            }
            Fact::Mfa(Demanded::ReportOnly) => {
                let state = "enabledForReportingButNotEnforced";
                self.facts.conditional_access.push(demands_mfa(state, None));
            }
            Fact::MfaExempts(partner) => {
                // Somebody has to be there to be left out.
                self.entry(*partner);
                self.facts.conditional_access.push(demands_mfa("enabled", Some(*partner)));
            }
            Fact::ConditionalAccess(policy) => self.facts.conditional_access.push(policy.clone()),
            Fact::Unreadable(part, cause) => self.facts.gaps.push(Gap {
                part: *part,
                cause: *cause,
                detail: "the test says so".to_owned(),
            }),
            Fact::Relationship { .. } => self.relationship(fact),
            Fact::Dap(customer) => {
                self.facts.delegated_access.insert(*customer, true);
            }
        }
    }

    fn entry(&mut self, partner: PartnerId) -> &mut PartnerEntry {
        let tenant_id = partner.to_string();
        let entries = &mut self.facts.partner_entries;
        let at = entries.iter().position(|entry| entry.tenant_id == tenant_id);
        let at = at.unwrap_or_else(|| {
            entries.push(PartnerEntry {
                tenant_id,
                is_service_provider: Some(true),
                ..PartnerEntry::default()
            });
            entries.len() - 1
        });
        &mut entries[at]
    }

    fn calls_itself(&mut self, partner: PartnerId, name: Option<&str>) {
        if let Some(name) = name {
            self.facts.tenant_names.insert(partner, name.to_owned());
        }
    }

    fn holds(&mut self, who: &Who, roles: &[RoleTemplateId], permission: Option<&str>, how: &How) {
        let (principal, object, home) = self.principal(who);
        if let Some(object) = &object {
            self.facts.objects.insert(principal.clone(), object.clone());
        }
        if matches!(who, Who::Guest { .. } | Who::Account { present: true, .. }) {
            // It was asked which groups it is in: none, unless the test says one.
            self.facts.memberships.entry(principal.clone()).or_default();
        }
        if let (Who::App { .. }, Some(DirectoryObject::ServicePrincipal(app))) = (who, &object) {
            self.app(&principal, app, permission);
        }
        for role in roles {
            self.role(&principal, object.as_ref(), home, *role, how);
        }
        if how.taken_away_before > 0 {
            self.taken_away.push((principal, how.taken_away_before));
        }
    }

    /// The principal, what is known of it, and its home tenant where Graph tells it.
    fn principal(
        &mut self,
        who: &Who,
    ) -> (PrincipalId, Option<DirectoryObject>, Option<PartnerId>) {
        match who {
            Who::Group { partner, calls_itself, name } => {
                self.calls_itself(*partner, calls_itself.as_deref());
                let reference = PartnerReference {
                    display_name: Some(name.clone()),
                    external_partner_tenant_id: Some(partner.to_string()),
                    object_type: Some("Group".to_owned()),
                };
                let id = id_of(&["group", &partner.to_string(), name]);
                (id, Some(DirectoryObject::PartnerReference(reference)), Some(*partner))
            }
            Who::Guest { mail, home } => {
                let id = id_of(&["guest", &mail.to_lowercase()]);
                let user = User {
                    display_name: Some(mail.clone()),
                    user_principal_name: Some(format!(
                        "{}#EXT#@tenant.example",
                        mail.replace('@', "_")
                    )),
                    mail: Some(mail.clone()),
                    user_type: Some("Guest".to_owned()),
                    account_enabled: Some(true),
                };
                self.facts.guests.insert(id.clone(), user.clone());
                (id, Some(DirectoryObject::User(user)), *home)
            }
            Who::Account { name, enabled, present } => {
                let name = name.to_lowercase();
                let (id, upn) = if name.contains('@') {
                    (id_of(&["account", &name]), name.clone())
                } else {
                    (PrincipalId::new(&name), format!("{name}@tenant.example"))
                };
                if !present {
                    self.facts.accounts.insert(name, GivenAccount::Missing);
                    return (id, None, None);
                }
                let user = User {
                    account_enabled: Some(*enabled),
                    ..User { user_type: Some("Member".to_owned()), ..person(&upn) }
                };
                let account = GivenAccount::Present { id: id.clone(), user: user.clone() };
                self.facts.accounts.insert(name, account);
                (id, Some(DirectoryObject::User(user)), None)
            }
            Who::App { name, owner } => {
                let app = ServicePrincipal {
                    display_name: Some(name.clone()),
                    app_id: Some(id_of(&["app id", name]).to_string()),
                    app_owner_organization_id: Some(owner.to_string()),
                };
                (id_of(&["app", name]), Some(DirectoryObject::ServicePrincipal(app)), None)
            }
            Who::Member(upn) => {
                let user = User { user_type: Some("Member".to_owned()), ..person(upn) };
                (id_of(&["member", upn]), Some(DirectoryObject::User(user)), None)
            }
            Who::Unknown(name) => (id_of(&["unknown", name]), None, None),
        }
    }

    fn app(&mut self, id: &PrincipalId, app: &ServicePrincipal, permission: Option<&str>) {
        let apps = &mut self.facts.apps;
        let at = apps.iter().position(|known| known.id == *id).unwrap_or_else(|| {
            apps.push(PartnerApp { id: id.clone(), app: app.clone(), app_roles: Vec::new() });
            apps.len() - 1
        });
        if let Some(permission) = permission {
            apps[at].app_roles.push(AppRoleAssignment {
                id: AssignmentId(format!("{id}-{permission}")),
                app_role_id: permission.to_owned(),
                resource_display_name: Some("Microsoft Graph".to_owned()),
                resource_id: Some(id_of(&["Microsoft Graph"]).to_string()),
            });
        }
    }

    fn role(
        &mut self,
        principal: &PrincipalId,
        object: Option<&DirectoryObject>,
        home: Option<PartnerId>,
        role: RoleTemplateId,
        how: &How,
    ) {
        let (holder, home) = match &how.via {
            None => (principal.clone(), home),
            Some(group) => {
                let id = id_of(&["own group", group]);
                let named = Group::named(group);
                self.facts.objects.insert(id.clone(), DirectoryObject::Group(named));
                let members = self.facts.members.entry(id.clone()).or_default();
                if let Some(object) = object
                    && !members.iter().any(|member| member.id == *principal)
                {
                    members.push(Member { id: principal.clone(), object: object.clone() });
                }
                self.facts.memberships.entry(principal.clone()).or_default().insert(id.clone());
                (id, None)
            }
        };
        let scope = how.scope.clone().unwrap_or_else(|| "/".to_owned());
        let id = AssignmentId(format!("{holder}-{role}-{scope}"));
        let ends = how.until.or_else(|| {
            how.activated.then(|| self.now.saturating_add(ACTIVATION).unwrap_or(self.now))
        });
        let schedule = ScheduleInstance {
            id: AssignmentId(format!("{}-schedule", id.0)),
            principal_id: holder.clone(),
            role_definition_id: role.to_string(),
            directory_scope_id: scope.clone(),
            end_date_time: ends,
            member_type: Some("Direct".to_owned()),
            assignment_type: None,
            role_assignment_origin_id: None,
        };
        if how.eligible {
            self.facts.eligible.push(schedule);
            return;
        }
        if ends.is_some() {
            let kind = if how.activated { "Activated" } else { "Assigned" };
            self.facts.active.push(ScheduleInstance {
                assignment_type: Some(kind.to_owned()),
                role_assignment_origin_id: Some(id.clone()),
                ..schedule
            });
        }
        if !self.facts.assignments.iter().any(|known| known.id == id) {
            self.facts.assignments.push(RoleAssignment {
                id,
                principal_id: holder,
                role_definition_id: role.to_string(),
                directory_scope_id: scope,
                principal_organization_id: home.map(|home| home.to_string()),
            });
        }
    }

    fn relationship(&mut self, fact: &Fact) {
        let Fact::Relationship { name, customer, roles, lasts, until, auto_extend, status } = fact
        else {
            return;
        };
        let ends = until.or_else(|| self.now.checked_add(*lasts).ok());
        let roles = roles.iter();
        let roles = roles.map(|role| UnifiedRole { role_definition_id: role.to_string() });
        let access = AccessDetails { unified_roles: roles.collect() };
        let id = id_of(&["relationship", name, &customer.to_string()]).to_string();
        self.facts.relationships.push(DelegatedAdminRelationship {
            display_name: Some(name.clone()),
            customer: Some(Customer { tenant_id: Some(customer.to_string()), display_name: None }),
            access_details: Some(access.clone()),
            status: Some(status.clone()),
            duration: Some(days(*lasts)),
            auto_extend_duration: Some(if *auto_extend { "P180D" } else { "PT0S" }.to_owned()),
            activated_date_time: ends.and_then(|ends| ends.checked_sub(*lasts).ok()),
            end_date_time: ends,
            etag: None,
            access_assignments: vec![AccessAssignment {
                id: id.clone(),
                status: Some("active".to_owned()),
                access_container: Some(AccessContainer {
                    access_container_id: Some(id_of(&["container", name]).to_string()),
                    access_container_type: Some("securityGroup".to_owned()),
                }),
                access_details: Some(access),
                etag: None,
            }],
            operations: Vec::new(),
            id,
        });
    }

    /// What was taken away before is known by what it gives to whom.
    fn remember(&mut self, tenant: &Tenant) {
        if self.taken_away.is_empty() {
            return;
        }
        for grant in grants(&self.facts, tenant) {
            let before = self.taken_away.iter().find(|(id, _)| *id == grant.principal);
            if let Some((_, times)) = before {
                self.facts.taken_away.insert(grant.likeness(), *times);
            }
        }
    }
}

fn person(upn: &str) -> User {
    User {
        display_name: Some(upn.to_owned()),
        user_principal_name: Some(upn.to_owned()),
        mail: None,
        user_type: None,
        account_enabled: Some(true),
    }
}

/// A conditional access policy that demands multifactor authentication of everybody but the people
/// of `exempt`.
fn demands_mfa(state: &str, exempt: Option<PartnerId>) -> Value {
    let exempt = exempt.map(|partner| {
        json!({
            "guestOrExternalUserTypes": "internalGuest,b2bCollaborationGuest,\
                b2bCollaborationMember,b2bDirectConnectUser,otherExternalUser,serviceProvider",
            "externalTenants": {
                "@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants",
                "membershipKind": "enumerated",
                "members": [partner.to_string()],
            },
        })
    });
    json!({
        "id": id_of(&["conditional access", state]).to_string(),
        "displayName": "Everyone proves themselves by a second factor",
        "state": state,
        "conditions": {
            "users": {
                "includeUsers": ["All"],
                "excludeUsers": [],
                "includeGroups": [],
                "excludeGroups": [],
                "includeRoles": [],
                "excludeRoles": [],
                "excludeGuestsOrExternalUsers": exempt,
            },
            "applications": { "includeApplications": ["All"], "excludeApplications": [] },
            "clientAppTypes": ["all"],
        },
        "grantControls": {
            "operator": "OR",
            "builtInControls": ["mfa"],
            "customAuthenticationFactors": [],
            "termsOfUse": [],
        },
    })
}

/// ISO 8601, in days where it is whole days, as Graph writes it.
fn days(duration: SignedDuration) -> String {
    let hours = duration.as_hours();
    if hours % 24 == 0 { format!("P{}D", hours / 24) } else { duration.to_string() }
}

/// The tenant of a partner that no policy names: always the same for a name.
pub(crate) fn stranger(name: &str) -> PartnerId {
    let id = id_of(&["stranger", &name.to_lowercase()]);
    id.as_str().parse().unwrap_or(PartnerId::MICROSOFT_SUPPORT)
}

/// An id that is always the same for a name.
fn id_of(name: &[&str]) -> PrincipalId {
    let digest = Sha256Hex::of_fields(name);
    let digits = digest.as_str().get(..32).unwrap_or_default();
    PrincipalId::new(&Uuid::try_parse(digits).unwrap_or_default().to_string())
}
