//! Everything the simulator knows, and how tests and the demo look at it.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::apps::Apps;
use super::assertion::Seen;
use super::audit_logs::Audit;
use super::calls::{Call, Calls};
use super::conditional_access::OncePerSecond;
use super::directory::{Directory, Held};
use super::fault::{Armed, Faults, Then};
use super::hold::{Trap, When};
use super::inbox::{Delivery, Inbox};
use super::management::Feed;
use super::scenario::{Scenario, ScenarioError};
use super::server;
use super::subscriptions::Subscribed;

/// What never changes while the simulator runs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) apps: Apps,
    pub(crate) page_size: usize,
    pub(crate) v1_organization: bool,
    pub(crate) subscription_quota: usize,
    pub(crate) subscription_minutes: i64,
    pub(crate) subscription_duplicates: bool,
    pub(crate) throttle_conditional_access: bool,
}

/// The present state.
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) directories: IndexMap<String, Directory>,
    pub(crate) faults: Faults,
    pub(crate) inbox: Inbox,
    pub(crate) feed: Feed,
    pub(crate) calls: Calls,
    pub(crate) deletions: Vec<Deletion>,
    pub(crate) traps: Vec<Trap>,
    /// The client assertions that were taken.
    pub(crate) assertions: Seen,
    /// Files that anybody may read, by path.
    pub(crate) files: IndexMap<String, Vec<u8>>,
    pub(crate) subscriptions: Vec<Subscribed>,
    pub(crate) audits: IndexMap<String, Vec<Audit>>,
    pub(crate) conditional_access_calls: OncePerSecond,
    rules: Vec<Armed>,
}

/// A role assignment that a request really deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The tenant it was in.
    pub tenant: String,
    /// The id of the assignment.
    pub assignment_id: String,
    /// Who held the role.
    pub principal_id: String,
    /// The role.
    pub role_definition_id: String,
    /// The number of the call that did it.
    pub call: u64,
}

/// A role assignment in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Its id.
    pub id: String,
    /// Who holds the role.
    pub principal_id: String,
    /// The holder's name, if the tenant or Microsoft's directory has one.
    pub principal: Option<String>,
    /// The role.
    pub role_definition_id: String,
    /// The role's name, if it has a definition.
    pub role: Option<String>,
    /// Whether the holder belongs to another organization.
    pub foreign: bool,
}

impl State {
    pub(crate) fn new(scenario: Scenario) -> Result<Self, ScenarioError> {
        if scenario.page_size == 0 {
            return Err(ScenarioError::new("pageSize", "a page has at least one item"));
        }
        let start = server::now();
        let mut directories = IndexMap::new();
        for tenant in &scenario.tenants {
            let directory = Directory::new(tenant, start)?;
            if directories.insert(directory.id.clone(), directory).is_some() {
                return Err(ScenarioError::new("tenants", format!("{} is there twice", tenant.id)));
            }
        }
        let mut state = Self {
            settings: Settings {
                apps: Apps::new(&scenario)?,
                page_size: scenario.page_size,
                v1_organization: scenario.v1_principal_organization_id,
                subscription_quota: scenario.subscription_quota,
                subscription_minutes: scenario.subscription_minutes,
                subscription_duplicates: scenario.subscription_duplicates,
                throttle_conditional_access: scenario.throttle_conditional_access,
            },
            directories,
            faults: Faults::default(),
            inbox: Inbox::new(&scenario.inbox)?,
            feed: Feed::default(),
            calls: Calls::default(),
            deletions: Vec::new(),
            traps: Vec::new(),
            assertions: Seen::new(),
            files: IndexMap::new(),
            subscriptions: Vec::new(),
            audits: IndexMap::new(),
            conditional_access_calls: OncePerSecond::default(),
            rules: Vec::new(),
        };
        state.set_faults(scenario.faults);
        Ok(state)
    }

    /// Replaces all faults; counts begin anew.
    pub(crate) fn set_faults(&mut self, mut faults: Faults) {
        self.rules = faults.rules.drain(..).map(Armed::new).collect();
        self.faults = faults;
    }

    pub(crate) fn add_rule(&mut self, rule: super::fault::Rule) {
        self.rules.push(Armed::new(rule));
    }

    /// The fault this request meets: that of the first rule that matches and is due.
    pub(crate) fn fault(&mut self, method: &str, target: &str) -> Option<Then> {
        self.rules.iter_mut().find_map(|rule| rule.meet(method, target))
    }

    /// Takes the trap this request runs into.
    pub(crate) fn trap(&mut self, method: &str, target: &str, when: When) -> Option<Trap> {
        self.traps.retain(|trap| !trap.released());
        let place = self.traps.iter().position(|trap| trap.catches(method, target, when))?;
        Some(self.traps.remove(place))
    }

    /// The tenant with this id or default domain.
    pub(crate) fn directory(&self, tenant: &str) -> Option<&Directory> {
        let named = |it: &&Directory| it.domain.eq_ignore_ascii_case(tenant);
        let by_id = self.directories.get(&tenant.to_ascii_lowercase());
        by_id.or_else(|| self.directories.values().find(named))
    }

    pub(crate) fn to_json(&self) -> Value {
        let tenants = self.directories.values().map(|directory| {
            let held = directory.in_force().map(|held| assigned(directory, held).to_json());
            json!({
                "id": directory.id,
                "name": directory.name,
                "assignments": held.collect::<Vec<_>>(),
            })
        });
        let deletions: Vec<_> = self.deletions.iter().map(Deletion::to_json).collect();
        json!({ "tenants": tenants.collect::<Vec<_>>(), "deletions": deletions })
    }
}

fn assigned(directory: &Directory, held: &Held) -> Assigned {
    let principal = directory.principals.get(&held.principal);
    Assigned {
        id: held.id.clone(),
        principal_id: held.principal.clone(),
        principal: principal.map(|principal| principal.name.clone()),
        role_definition_id: held.role.clone(),
        role: directory.roles.get(&held.role).map(|role| role.name.clone()),
        foreign: directory.is_foreign(held),
    }
}

impl Assigned {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "principalId": self.principal_id,
            "principal": self.principal,
            "roleDefinitionId": self.role_definition_id,
            "role": self.role,
            "foreign": self.foreign,
        })
    }
}

impl Deletion {
    fn to_json(&self) -> Value {
        json!({
            "tenant": self.tenant,
            "assignmentId": self.assignment_id,
            "principalId": self.principal_id,
            "roleDefinitionId": self.role_definition_id,
            "call": self.call,
        })
    }
}

/// The simulator at one moment.
pub struct View<'a>(pub(crate) &'a State);

impl View<'_> {
    /// The calls, oldest first; the latest 100,000 are kept.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.0.calls.iter()
    }

    /// How many of those calls had this method and this part of path and query.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.calls().filter(|call| call.matches(method, path)).count()
    }

    /// What a ticket sink has accepted, in order of first arrival.
    pub fn deliveries(&self, sink: &str) -> &[Delivery] {
        self.0.inbox.deliveries(sink)
    }

    /// How many deliveries a ticket sink has turned away for their signature.
    pub fn rejected(&self, sink: &str) -> u64 {
        self.0.inbox.rejected(sink)
    }

    /// The role assignments now in force in a tenant, whatever a lagging read still shows.
    pub fn assignments(&self, tenant: &str) -> Vec<Assigned> {
        let Some(directory) = self.0.directory(tenant) else { return Vec::new() };
        directory.in_force().map(|held| assigned(directory, held)).collect()
    }

    /// The subscriptions of a tenant, those that have ended too.
    pub fn subscriptions(&self, tenant: &str) -> Vec<Subscribed> {
        let of = self.0.subscriptions.iter().filter(|it| it.tenant.eq_ignore_ascii_case(tenant));
        of.cloned().collect()
    }

    /// The deletions that took effect, in order. A refused one, and one of what was already
    /// gone, is not among them.
    pub fn deletions(&self) -> &[Deletion] {
        &self.0.deletions
    }
}
