//! The present state of one tenant: its objects, and role assignments that appear, go, linger
//! and come back.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use jiff::Timestamp;

use super::administrative_units::AdministrativeUnit;
use super::assignment::{Assignment, AssignmentType, MemberType};
use super::conditional_access::{self, ConditionalAccess};
use super::delegated_admin::Partnership;
use super::ids;
use super::moment::Moment;
use super::pim::NoLicence;
use super::policies::CrossTenantAccess;
use super::principal::{Principal, PrincipalKind};
use super::query::Object;
use super::roles::{self, Role};
use super::scenario::ScenarioError;
use super::service_principals::Grant;
use super::tenant::{KnownTenant, PartnerEntry, Tenant};

/// One tenant as it is now.
pub(crate) struct Directory {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) principals: IndexMap<String, Principal>,
    pub(crate) roles: IndexMap<String, Role>,
    pub(crate) partners: Vec<PartnerEntry>,
    pub(crate) known_tenants: Vec<KnownTenant>,
    pub(crate) units: IndexMap<String, AdministrativeUnit>,
    pub(crate) eligible: Vec<Held>,
    /// Active instances without an assignment of their own.
    pub(crate) derived: Vec<Held>,
    pub(crate) without_licence: Option<NoLicence>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) cross_tenant_access: CrossTenantAccess,
    pub(crate) conditional_access: ConditionalAccess,
    pub(crate) governance: Vec<Object>,
    pub(crate) partnership: Option<Partnership>,
    start: Timestamp,
    held: BTreeMap<u64, Held>,
    by_id: HashMap<String, u64>,
    next: u64,
    reads: u64,
}

/// A role held by a principal.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) principal: String,
    pub(crate) role: String,
    pub(crate) scope: String,
    pub(crate) organization: Option<String>,
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
    pub(crate) kind: AssignmentType,
    pub(crate) member: MemberType,
    gone: Option<Gone>,
}

/// When an assignment was deleted, in reads of the collection, and what follows.
#[derive(Clone, Copy, Debug)]
struct Gone {
    at: u64,
    lag: u64,
    back: Option<u64>,
}

impl Held {
    /// Whether the traversal that began as read number `read` shows it.
    fn visible(&self, read: u64) -> bool {
        match self.gone {
            None => true,
            Some(gone) if gone.at < read => read - gone.at <= gone.lag,
            Some(gone) => gone.lag > 0,
        }
    }
}

/// Why an assignment was not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRemoved {
    /// There is none.
    Absent,
    /// Its holder is foreign, and that is refused.
    Foreign,
}

/// What deletion meets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removal {
    pub(crate) refuse_foreign: bool,
    pub(crate) lag: u64,
    pub(crate) recreate: Option<u64>,
}

impl Directory {
    /// A tenant of a simulator that starts at `start`.
    pub(crate) fn new(tenant: &Tenant, start: Timestamp) -> Result<Self, ScenarioError> {
        if !ids::is_guid(&tenant.id) {
            let what = format!("the tenant's id {:?} is not a GUID", tenant.id);
            return Err(ScenarioError::new(&tenant.name, what));
        }
        let mut directory = Self {
            id: tenant.id.to_ascii_lowercase(),
            name: tenant.name.clone(),
            domain: tenant.default_domain(),
            principals: IndexMap::new(),
            roles: IndexMap::new(),
            partners: tenant.partners.clone(),
            known_tenants: tenant.known_tenants.clone(),
            units: IndexMap::new(),
            eligible: Vec::new(),
            derived: Vec::new(),
            without_licence: tenant.without_licence,
            grants: Vec::new(),
            cross_tenant_access: CrossTenantAccess::default(),
            conditional_access: ConditionalAccess::new(tenant)?,
            governance: conditional_access::raw(
                tenant,
                "governanceRelationships",
                &tenant.governance_relationships,
            )?,
            partnership: None,
            start,
            held: BTreeMap::new(),
            by_id: HashMap::new(),
            next: 1,
            reads: 0,
        };
        for role in roles::built_in().chain(tenant.roles.iter().cloned()) {
            directory.roles.insert(role.id_in(&tenant.id), role);
        }
        for principal in &tenant.principals {
            directory.admit(principal.clone())?;
        }
        directory.resolve_members()?;
        for unit in &tenant.administrative_units {
            directory.add_unit(unit.clone())?;
        }
        for assignment in &tenant.assignments {
            directory.assign(assignment)?;
        }
        let all = |given: &[Assignment]| given.iter().map(|it| directory.held(it)).collect();
        let (eligible, derived): (Result<_, _>, Result<_, _>) =
            (all(&tenant.eligible), all(&tenant.derived_instances));
        (directory.eligible, directory.derived) = (eligible?, derived?);
        for given in &tenant.app_role_assignments {
            let grant = Grant::new(&mut directory, given)?;
            directory.grants.push(grant);
        }
        directory.cross_tenant_access = CrossTenantAccess::new(tenant, &directory, start)?;
        directory.partnership = Partnership::new(tenant, &directory, start)?;
        Ok(directory)
    }

    fn add_unit(&mut self, mut unit: AdministrativeUnit) -> Result<(), ScenarioError> {
        let members = unit.members.iter().map(|member| self.principal_id(member));
        unit.members = members.collect::<Result<_, _>>()?;
        let (id, name) = (unit.id_in(&self.id), unit.name.clone());
        if self.units.insert(id, unit).is_some() {
            return Err(self.nonsense(format!("the administrative unit {name:?} is there twice")));
        }
        Ok(())
    }

    /// The scope as Graph has it: an administrative unit goes by its id.
    fn scope(&self, given: &str) -> String {
        let unit = given.strip_prefix("/administrativeUnits/");
        let named = unit.and_then(|name| self.units.iter().find(|(_, unit)| unit.name == name));
        named.map_or_else(|| given.to_owned(), |(id, _)| format!("/administrativeUnits/{id}"))
    }

    /// Adds a principal; its members must be resolved afterwards.
    pub(crate) fn admit(&mut self, principal: Principal) -> Result<String, ScenarioError> {
        let mut principal = principal.completed(&self.id, &self.domain);
        let created = principal.created_date_time.map(|at| Moment::At(at.resolve(self.start)));
        principal.created_date_time = created;
        let id = principal.id_in(&self.id);
        if principal.kind == PrincipalKind::PartnerGroup && principal.home_tenant.is_none() {
            return Err(self.nonsense(format!("{:?} needs a homeTenant", principal.name)));
        }
        if self.principals.contains_key(&id) {
            return Err(self.nonsense(format!("{:?} is there twice", principal.name)));
        }
        self.principals.insert(id.clone(), principal);
        Ok(id)
    }

    /// Turns the names of group members into ids.
    pub(crate) fn resolve_members(&mut self) -> Result<(), ScenarioError> {
        let mut resolved = Vec::new();
        for (id, principal) in &self.principals {
            let members = principal.members.iter().map(|member| self.principal_id(member));
            resolved.push((id.clone(), members.collect::<Result<Vec<_>, _>>()?));
        }
        for (id, members) in resolved {
            if let Some(principal) = self.principals.get_mut(&id) {
                principal.members = members;
            }
        }
        Ok(())
    }

    /// Puts an assignment in place, unless it is there, and says its id.
    pub(crate) fn assign(&mut self, assignment: &Assignment) -> Result<String, ScenarioError> {
        self.settle();
        let held = self.held(assignment)?;
        let id = held.id.clone();
        if self.find(&id).is_none() {
            self.insert(held);
        }
        Ok(id)
    }

    /// What an assignment of the scenario comes to.
    fn held(&self, assignment: &Assignment) -> Result<Held, ScenarioError> {
        let principal = self.principal_id(&assignment.principal)?;
        let role = self.role_id(&assignment.role)?;
        let scope = self.scope(&assignment.directory_scope_id);
        let id = match &assignment.id {
            Some(id) => id.clone(),
            None => ids::assignment(&self.id, &principal, &role, &scope),
        };
        let organization = match self.principals.get(&principal) {
            Some(known) if known.kind == PrincipalKind::PartnerGroup => known.home_tenant.clone(),
            Some(_) => Some(self.id.clone()),
            None => assignment.principal_organization_id.clone(),
        };
        Ok(Held {
            id,
            principal,
            role,
            scope,
            organization,
            start: assignment.start_date_time.map(|at| at.resolve(self.start)),
            end: assignment.end_date_time.map(|at| at.resolve(self.start)),
            kind: assignment.assignment_type,
            member: assignment.member_type,
            gone: None,
        })
    }

    /// A role that a principal is to hold from now on.
    pub(crate) fn to_hold(&self, principal: &str, role: &str, scope: &str) -> Held {
        let organization = match self.principals.get(principal) {
            Some(known) if known.kind == PrincipalKind::PartnerGroup => known.home_tenant.clone(),
            Some(_) => Some(self.id.clone()),
            None => None,
        };
        Held {
            id: ids::assignment(&self.id, principal, role, scope),
            principal: principal.to_owned(),
            role: role.to_owned(),
            scope: scope.to_owned(),
            organization,
            start: None,
            end: None,
            kind: AssignmentType::default(),
            member: MemberType::default(),
            gone: None,
        }
    }

    /// Puts an assignment in place that was not there.
    pub(crate) fn put(&mut self, held: Held) {
        self.settle();
        self.insert(held);
    }

    /// Takes assignments away at once and for good.
    pub(crate) fn drop_held(&mut self, is_meant: impl Fn(&Held) -> bool) {
        self.settle();
        let meant = self.in_force().filter(|held| is_meant(held)).map(|held| held.id.clone());
        for id in meant.collect::<Vec<_>>() {
            if let Some(number) = self.by_id.remove(&id) {
                self.held.remove(&number);
            }
        }
    }

    fn insert(&mut self, held: Held) {
        if let Some(before) = self.by_id.insert(held.id.clone(), self.next) {
            self.held.remove(&before);
        }
        self.held.insert(self.next, held);
        self.next += 1;
    }

    /// Deletes an assignment as Graph's `DELETE` does.
    pub(crate) fn remove(&mut self, id: &str, how: Removal) -> Result<Held, NotRemoved> {
        self.settle();
        let foreign = self.find(id).map(|held| self.is_foreign(held)).ok_or(NotRemoved::Absent)?;
        if foreign && how.refuse_foreign {
            return Err(NotRemoved::Foreign);
        }
        let back = if foreign { how.recreate } else { None };
        let gone = Gone { at: self.reads, lag: how.lag, back };
        let number = self.by_id.get(id).ok_or(NotRemoved::Absent)?;
        let held = self.held.get_mut(number).ok_or(NotRemoved::Absent)?;
        held.gone = Some(gone);
        Ok(held.clone())
    }

    /// Takes an assignment away for good and at once, as a change made elsewhere.
    pub(crate) fn forget(&mut self, id: &str) -> bool {
        self.settle();
        let there = self.find(id).is_some();
        if let Some(number) = self.by_id.remove(id) {
            self.held.remove(&number);
        }
        there
    }

    /// Begins a read of the collection and says its number.
    pub(crate) fn begin_read(&mut self) -> u64 {
        self.settle();
        self.reads += 1;
        self.reads
    }

    /// What read number `read` shows, from after item number `after` on.
    pub(crate) fn shown(&self, read: u64, after: u64) -> impl Iterator<Item = (u64, &Held)> {
        let rest = self.held.range(after.saturating_add(1)..);
        rest.filter(move |(_, held)| held.visible(read)).map(|(&number, held)| (number, held))
    }

    /// One assignment as read number `read` shows it.
    pub(crate) fn shown_item(&self, read: u64, id: &str) -> Option<&Held> {
        self.held.get(self.by_id.get(id)?).filter(|held| held.visible(read))
    }

    /// What is really held now.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = &Held> {
        self.held.values().filter(|held| self.is_in_force(held))
    }

    /// The same with the numbers they keep as long as they are there.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u64, &Held)> {
        let held = self.held.iter().filter(|(_, held)| self.is_in_force(held));
        held.map(|(number, held)| (*number, held))
    }

    /// Whether the holder belongs to another organization.
    pub(crate) fn is_foreign(&self, held: &Held) -> bool {
        held.organization.as_ref().is_some_and(|id| !id.eq_ignore_ascii_case(&self.id))
    }

    fn find(&self, id: &str) -> Option<&Held> {
        self.held.get(self.by_id.get(id)?).filter(|held| self.is_in_force(held))
    }

    fn is_in_force(&self, held: &Held) -> bool {
        held.gone.is_none_or(|gone| gone.back.is_some_and(|back| self.reads - gone.at >= back))
    }

    /// Brings back what was to come back by now.
    fn settle(&mut self) {
        let reads = self.reads;
        for held in self.held.values_mut() {
            let due = |gone: &Gone| gone.back.is_some_and(|back| reads - gone.at >= back);
            held.gone.take_if(|gone| due(gone));
        }
    }

    /// The id of a principal given by id or name; a GUID nobody has stands for itself.
    pub(crate) fn principal_id(&self, given: &str) -> Result<String, ScenarioError> {
        let lower = given.to_ascii_lowercase();
        if self.principals.contains_key(&lower) {
            return Ok(lower);
        }
        let named = self.principals.iter().find(|(_, principal)| principal.name == given);
        match named {
            Some((id, _)) => Ok(id.clone()),
            None if ids::is_guid(given) => Ok(lower),
            None => Err(self.nonsense(format!("there is no principal {given:?}"))),
        }
    }

    /// The id of a role given by id or name; a GUID no definition has stands for itself.
    pub(crate) fn role_id(&self, given: &str) -> Result<String, ScenarioError> {
        let lower = given.to_ascii_lowercase();
        let named = self.roles.iter().find(|(_, role)| role.name.eq_ignore_ascii_case(given));
        match named {
            Some((id, _)) => Ok(id.clone()),
            None if ids::is_guid(given) => Ok(lower),
            None => Err(self.nonsense(format!("there is no role {given:?}"))),
        }
    }

    fn nonsense(&self, what: String) -> ScenarioError {
        ScenarioError::new(&self.name, what)
    }
}
