//! The tenants as they are read, with what may go wrong in that.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use partner_warden::domain::facts::{
    Customer, DelegatedAdminRelationship, DirectoryObject, GivenAccount, GovernanceRelationship,
    InboundTrust, Member, PartnerApp, PartnerEntry, RoleAssignment, RoleDefinition,
    ScheduleInstance, ServiceProviderConstraints, SignIn, User,
};
use partner_warden::domain::id::{PartnerId, PrincipalId, TenantId};
use partner_warden::domain::roster::AccountName;
use partner_warden::ports::{
    Failure, Listed, PortError, ReadActiveSchedules, ReadAuditContent, ReadConditionalAccess,
    ReadCrossTenantAccess, ReadCustomers, ReadEligibleSchedules, ReadGovernance, ReadGroupMembers,
    ReadObjects, ReadPartnerApps, ReadRelationships, ReadRoles, ReadServicePrincipals,
    ReadTenantNames, ReadUsers,
};
use serde_json::Value;

use super::cast::{
    APP_OWNER, CUSTOMERS, HOLDERS, MSP, Sort, TENANTS, app, begin, holder_of, id_of, minutes,
    name_of, object, tenant_of, user,
};
use super::events::Read;
use super::state::State;
use super::town::{Tenants, Thing, Town, failed};

/// The items, or half of them and why.
fn listed<T>(town: &mut Town, read: Read, mut items: Vec<T>) -> Listed<T> {
    let failure = town.unread(read);
    if failure.is_some() {
        items.truncate(items.len() / 2);
    }
    Listed::new(items, failure)
}

#[async_trait]
impl ReadRoles for Tenants {
    async fn assignments(&self, tenant: TenantId) -> Listed<RoleAssignment> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Assignments);
        let listed = listed(&mut town, Read::Assignments, shown.assignments.clone());
        town.saw_administrator(tenant, &shown);
        if listed.failure.is_none() {
            let there: BTreeSet<&str> = listed.items.iter().map(|it| it.id.0.as_str()).collect();
            let is_it = |thing: &Thing, _| matches!(thing, Thing::Assignment(_));
            town.saw(
                tenant,
                is_it,
                |thing| matches!(thing, Thing::Assignment(id) if there.contains(id.as_str())),
            );
        }
        listed
    }

    async fn assignments_of(
        &self,
        tenant: TenantId,
        principal: &PrincipalId,
    ) -> Result<Vec<RoleAssignment>, PortError> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        if let Some(failure) = town.unread(Read::AssignmentsOf) {
            return Err(failure);
        }
        let shown = town.shown(tenant, Read::AssignmentsOf);
        let of = |it: &RoleAssignment| it.principal_id == *principal;
        let found: Vec<_> = shown.assignments.into_iter().filter(of).collect();
        let holder = holder_of(tenant, principal);
        town.saw(
            tenant,
            |thing, of| matches!(thing, Thing::Assignment(_)) && Some(of) == holder,
            |thing| matches!(thing, Thing::Assignment(id) if found.iter().any(|it| it.id.0 == *id)),
        );
        Ok(found)
    }

    async fn definitions(&self, _: TenantId) -> Listed<RoleDefinition> {
        Listed::nothing()
    }
}

#[async_trait]
impl ReadActiveSchedules for Tenants {
    async fn active(&self, tenant: TenantId) -> Listed<ScheduleInstance> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Active).active;
        let listed = listed(&mut town, Read::Active, shown);
        if listed.failure.is_none() {
            let is_it = |thing: &Thing, _| matches!(thing, Thing::Active(_));
            town.saw(tenant, is_it, |thing| {
                matches!(thing, Thing::Active(id) if listed.items.iter().any(|it| it.id.0 == *id))
            });
        }
        listed
    }
}

#[async_trait]
impl ReadEligibleSchedules for Tenants {
    async fn eligible(&self, tenant: TenantId) -> Listed<ScheduleInstance> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Eligible).eligible;
        let listed = listed(&mut town, Read::Eligible, shown);
        if listed.failure.is_none() {
            let is_it = |thing: &Thing, _| matches!(thing, Thing::Eligible(_));
            town.saw(tenant, is_it, |thing| {
                matches!(thing, Thing::Eligible(id) if listed.items.iter().any(|it| it.id.0 == *id))
            });
        }
        listed
    }
}

/// Somebody as a state tells them.
fn told(tenant: usize, state: &State, holder: usize) -> Option<DirectoryObject> {
    let (renamed, disabled) = (state.renamed.contains(&holder), state.disabled.contains(&holder));
    object(tenant, holder, renamed, disabled)
}

fn account(tenant: usize, state: &State, holder: usize) -> User {
    let (renamed, disabled) = (state.renamed.contains(&holder), state.disabled.contains(&holder));
    user(tenant, holder, renamed, disabled)
}

#[async_trait]
impl ReadObjects for Tenants {
    async fn objects(
        &self,
        tenant: TenantId,
        ids: &[PrincipalId],
    ) -> Listed<(PrincipalId, DirectoryObject)> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Objects);
        let found = ids
            .iter()
            .filter_map(|id| Some((id.clone(), told(tenant, &shown, holder_of(tenant, id)?)?)));
        let found = found.collect();
        listed(&mut town, Read::Objects, found)
    }

    async fn unit_names(&self, _: TenantId, _: &[PrincipalId]) -> Vec<(PrincipalId, String)> {
        Vec::new()
    }
}

#[async_trait]
impl ReadUsers for Tenants {
    async fn guests(&self, tenant: TenantId) -> Listed<(PrincipalId, User)> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Guests);
        let guests = (0..HOLDERS.len()).filter(|n| matches!(HOLDERS[*n].sort, Sort::Guest(_)));
        let guests = guests.map(|n| (id_of(tenant, n), account(tenant, &shown, n))).collect();
        let listed = listed(&mut town, Read::Guests, guests);
        for (id, guest) in &listed.items {
            if guest.account_enabled == Some(false) {
                town.saw_gone(tenant, Thing::Enabled(id.clone()));
            }
        }
        listed
    }

    async fn accounts(
        &self,
        tenant: TenantId,
        names: &[AccountName],
    ) -> Listed<(AccountName, GivenAccount)> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Accounts);
        let is_account = |n: &usize| matches!(HOLDERS[*n].sort, Sort::Member | Sort::Guest(_));
        let found = names.iter().map(|name| {
            let is_it = |n: &usize| {
                let upn = name_of(tenant, *n, shown.renamed.contains(n)).to_lowercase();
                upn == name.as_str() || id_of(tenant, *n).as_str() == name.as_str()
            };
            let found = (0..HOLDERS.len()).filter(is_account).find(is_it);
            let given = found.map_or(GivenAccount::Missing, |n| GivenAccount::Present {
                id: id_of(tenant, n),
                user: account(tenant, &shown, n),
            });
            (name.clone(), given)
        });
        let found = found.collect();
        listed(&mut town, Read::Accounts, found)
    }

    async fn sign_ins(
        &self,
        tenant: TenantId,
        accounts: &[PrincipalId],
    ) -> Listed<(PrincipalId, Option<SignIn>)> {
        signs_in(self, tenant, accounts)
    }
}

/// When everybody's sessions were ended last, before all this.
fn long_ago() -> Timestamp {
    begin() - minutes(30 * 24 * 60)
}

fn signs_in(
    tenants: &Tenants,
    tenant: TenantId,
    ids: &[PrincipalId],
) -> Listed<(PrincipalId, Option<SignIn>)> {
    let (mut town, tenant) = (tenants.town(), tenant_of(tenant));
    let shown = town.shown(tenant, Read::SignIns);
    let found = ids.iter().filter_map(|id| {
        let holder = holder_of(tenant, id)?;
        let since = shown.sessions.get(&holder).copied().unwrap_or_else(long_ago);
        Some((
            id.clone(),
            Some(SignIn {
                account_enabled: Some(!shown.disabled.contains(&holder)),
                sign_in_sessions_valid_from_date_time: Some(since),
            }),
        ))
    });
    let found = found.collect();
    let listed = listed(&mut town, Read::SignIns, found);
    for (id, sign_in) in &listed.items {
        let Some(sign_in) = sign_in else { continue };
        if sign_in.account_enabled == Some(false) {
            town.saw_gone(tenant, Thing::Enabled(id.clone()));
        }
        let holder = holder_of(tenant, id).unwrap();
        let ended = town.places[tenant].state.sessions.get(&holder).copied();
        if ended.is_some() && sign_in.sign_in_sessions_valid_from_date_time == ended {
            town.saw_gone(tenant, Thing::Sessions(id.clone()));
        }
    }
    listed
}

#[async_trait]
impl ReadGroupMembers for Tenants {
    async fn members(
        &self,
        tenant: TenantId,
        groups: &[PrincipalId],
    ) -> Listed<(PrincipalId, Vec<Member>)> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Members);
        let found = groups.iter().filter_map(|id| {
            let members = shown.everybody_in(holder_of(tenant, id)?).into_iter();
            let members = members.filter_map(|n| {
                Some(Member { id: id_of(tenant, n), object: told(tenant, &shown, n)? })
            });
            Some((id.clone(), members.collect::<Vec<_>>()))
        });
        let found: Vec<_> = found.collect();
        let listed = listed(&mut town, Read::Members, found);
        if listed.failure.is_none() {
            let there = |group: &PrincipalId, member: &PrincipalId| {
                let mut of = listed.items.iter().filter(|(id, _)| id == group);
                of.any(|(_, all)| all.iter().any(|it| it.id == *member))
            };
            town.saw(
                tenant,
                |thing, _| matches!(thing, Thing::Member(group, _) if groups.contains(group)),
                |thing| matches!(thing, Thing::Member(group, member) if there(group, member)),
            );
        }
        listed
    }

    async fn direct_members(
        &self,
        tenant: TenantId,
        groups: &[PrincipalId],
    ) -> Listed<(PrincipalId, BTreeSet<PrincipalId>)> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::DirectMembers);
        let found = groups.iter().filter_map(|id| {
            let members = shown.members.get(&holder_of(tenant, id)?).into_iter().flatten();
            Some((id.clone(), members.map(|n| id_of(tenant, *n)).collect()))
        });
        let found = found.collect();
        listed(&mut town, Read::DirectMembers, found)
    }

    async fn memberships(
        &self,
        _: TenantId,
        _: &[PrincipalId],
    ) -> Listed<(PrincipalId, BTreeSet<PrincipalId>)> {
        Listed::nothing()
    }
}

#[async_trait]
impl ReadPartnerApps for Tenants {
    async fn partner_apps(&self, tenant: TenantId, owners: &[PartnerId]) -> Listed<PartnerApp> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Apps);
        let owner: PartnerId = APP_OWNER.parse().unwrap();
        let mut found = Vec::new();
        for (n, holder) in HOLDERS.iter().enumerate() {
            let Sort::App(app_id) = holder.sort else { continue };
            if owners.contains(&owner) {
                found.push(PartnerApp {
                    id: id_of(tenant, n),
                    app: app(app_id, Some(holder.name.to_owned())),
                    app_roles: shown.permissions.get(&n).cloned().unwrap_or_default(),
                });
            }
        }
        let listed = listed(&mut town, Read::Apps, found);
        if listed.failure.is_none() && owners.contains(&owner) {
            let there = |id: &str| {
                let mut all = listed.items.iter().flat_map(|app| &app.app_roles);
                all.any(|it| it.id.0 == id)
            };
            let is_it = |thing: &Thing, _| matches!(thing, Thing::Permission(_));
            town.saw(tenant, is_it, |thing| matches!(thing, Thing::Permission(id) if there(id)));
        }
        listed
    }

    async fn app_sign_ins(
        &self,
        tenant: TenantId,
        apps: &[PrincipalId],
    ) -> Listed<(PrincipalId, Option<SignIn>)> {
        signs_in(self, tenant, apps)
    }
}

#[async_trait]
impl ReadConditionalAccess for Tenants {
    async fn policies(&self, tenant: TenantId) -> Listed<Value> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Policies).policies;
        let listed = listed(&mut town, Read::Policies, shown);
        for policy in &listed.items {
            let name = policy["displayName"].as_str().unwrap_or_default();
            if let Some((_, tag)) = name.rsplit_once('(') {
                let tag = tag.trim_end_matches(')').to_owned();
                town.saw_gone(tenant, Thing::Comes(tag));
            }
        }
        listed
    }

    async fn security_defaults(&self, _: TenantId) -> Result<bool, PortError> {
        Ok(true)
    }
}

#[async_trait]
impl ReadRelationships for Tenants {
    async fn relationships(&self, tenant: TenantId) -> Listed<DelegatedAdminRelationship> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Relationships).relationships;
        listed(&mut town, Read::Relationships, shown)
    }

    async fn relationships_now(
        &self,
        tenant: TenantId,
        ids: &[String],
    ) -> Listed<DelegatedAdminRelationship> {
        let (mut town, tenant) = (self.town(), tenant_of(tenant));
        let shown = town.shown(tenant, Read::Relationships).relationships.into_iter();
        let shown = shown.filter(|it| ids.contains(&it.id)).collect();
        listed(&mut town, Read::Relationships, shown)
    }
}

#[async_trait]
impl ReadCustomers for Tenants {
    async fn customers(&self, tenant: TenantId) -> Listed<Customer> {
        assert_eq!(tenant_of(tenant), MSP);
        let all = CUSTOMERS.iter().map(|n| Customer {
            tenant_id: Some(TENANTS[*n].0.to_owned()),
            display_name: Some(TENANTS[*n].1.to_owned()),
        });
        Listed::new(all.collect(), [])
    }
}

#[async_trait]
impl ReadGovernance for Tenants {
    async fn governance(&self, _: TenantId) -> Listed<GovernanceRelationship> {
        Listed::nothing()
    }
}

#[async_trait]
impl ReadCrossTenantAccess for Tenants {
    async fn partner_entries(&self, _: TenantId) -> Listed<PartnerEntry> {
        Listed::nothing()
    }

    async fn default_trust(&self, _: TenantId) -> Result<InboundTrust, PortError> {
        Ok(InboundTrust::default())
    }

    async fn constraints(
        &self,
        _: TenantId,
        _: &[PartnerId],
    ) -> Listed<(PartnerId, ServiceProviderConstraints)> {
        Listed::nothing()
    }
}

#[async_trait]
impl ReadTenantNames for Tenants {
    async fn tenant_name(&self, _: TenantId, _: PartnerId) -> Option<String> {
        None
    }
}

#[async_trait]
impl ReadServicePrincipals for Tenants {
    async fn service_principal(
        &self,
        _: TenantId,
        _: &str,
    ) -> Result<Option<PrincipalId>, PortError> {
        Ok(None)
    }
}

#[async_trait]
impl ReadAuditContent for Tenants {
    async fn audit_content(&self, _: TenantId, _: &str) -> Result<Bytes, PortError> {
        Err(failed(Failure::Gone))
    }
}
