//! A simulated Microsoft 365, spoken to over HTTP: sign-in, the part of Microsoft Graph that the
//! program uses, and an inbox for tickets. The demo, `partner-warden sim` and the tests use it.
//!
//! One listener serves it all under one origin:
//! - `POST /{tenant}/oauth2/v2.0/token` and `GET /common/discovery/keys`, the sign-in;
//! - `/v1.0` and `/beta`, Microsoft Graph, which asks the urls of subscriptions for an answer, and
//!   takes several requests in one at `$batch`;
//! - `GET /v1/customers/{tenant}`, a customer in the Partner Center API;
//! - `GET /api/v1.0/{tenant}/activity/feed/audit/{id}`, content of the Management Activity API;
//! - `POST /inbox/{sink}`, ticket webhooks, and `GET /inbox`, what came;
//! - `GET /sim/calls` and `GET /sim/state`, what was asked and how things are.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

mod administrative_units;
mod apps;
mod assertion;
mod assignment;
mod audit_logs;
mod authorize;
mod batch;
mod calls;
mod changes;
mod conditional_access;
mod delegated_admin;
mod directory;
mod everything;
mod fault;
mod governance;
mod graph;
mod hold;
mod ids;
mod inbox;
mod management;
mod memberships;
mod moment;
mod objects;
mod partner_center;
mod partner_side;
mod pim;
mod policies;
mod policy_changes;
mod principal;
mod query;
mod relationship_changes;
mod relationship_effects;
mod reply;
mod role_management;
mod roles;
mod scenario;
mod server;
mod service_principals;
mod signin;
mod state;
mod subscriptions;
mod tenant;
mod told;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_access;
#[cfg(test)]
mod tests_batch;
#[cfg(test)]
mod tests_changes;
#[cfg(test)]
mod tests_everything;
#[cfg(test)]
mod tests_faults;
#[cfg(test)]
mod tests_graph;
#[cfg(test)]
mod tests_relationships;
#[cfg(test)]
mod tests_signin;
#[cfg(test)]
mod tests_settings;
#[cfg(test)]
mod tests_sweep;

pub use administrative_units::AdministrativeUnit;
pub use apps::{App, EXCHANGE_AUDIENCE, FederatedCredential};
pub use assignment::{Assignment, AssignmentType, MemberType};
pub use calls::Call;
pub use everything::{
    ADATUM, FABRIKAM, MICROSOFT_SUPPORT, NOBODY, NORTHWIND, SUPPORT_ENGINEER, TAILSPIN,
    WOODGROVE_INSURANCE,
};
pub use fault::{Answer, Faults, Refusal, Rule, Then, Times};
pub use hold::{Hold, When};
pub use inbox::Delivery;
pub use moment::Moment;
pub use partner_side::{AccessAssignment, Changes, Customer, Operation, PartnerSide, Relationship};
pub use pim::NoLicence;
pub use policies::ServiceProviderConstraints;
pub use principal::{Principal, PrincipalKind};
pub use roles::Role;
pub use scenario::{
    CLIENT_ID, CLIENT_SECRET, CONTOSO, INBOX_SECRET, PERMISSIONS, Scenario, ScenarioError, Sink,
    WOODGROVE,
};
pub use service_principals::AppRoleAssignment;
pub use state::{Assigned, Deletion, View};
pub use subscriptions::Subscribed;
pub use tenant::{InboundTrust, KnownTenant, PartnerEntry, Tenant};

use audit_logs::Audit;
use hold::Trap;
use server::Shared;
use state::State;
use subscriptions::News;

/// A running simulator. It stops when dropped: held requests end and connections close.
pub struct Sim {
    origin: Url,
    shared: Arc<Shared>,
    // Both are there for their drop alone.
    _stop: watch::Sender<()>,
    _server: JoinSet<io::Result<()>>,
}

/// Something waited for that did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("{what} did not come within {limit:?}; the calls so far:\n{calls}")]
pub struct Overdue {
    what: String,
    limit: Duration,
    calls: String,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("origin", &self.origin.as_str()).finish_non_exhaustive()
    }
}

impl Sim {
    /// Starts the scenario at an address; with port 0, at a free port.
    pub async fn start(scenario: Scenario, listen: SocketAddr) -> io::Result<Self> {
        let state = State::new(scenario);
        let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        signin::prepare()?;
        let listener = TcpListener::bind(listen).await?;
        let origin = origin(listener.local_addr()?)?;
        let (stop, stopped) = watch::channel(());
        let shared = Arc::new(Shared::new(state, stopped));
        let mut server = JoinSet::new();
        server.spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { origin, shared, _stop: stop, _server: server })
    }

    /// Where it is: the value for both the Graph and the sign-in address.
    pub fn origin(&self) -> Url {
        self.origin.clone()
    }

    /// The calls, oldest first; the latest 100,000 are kept.
    pub fn calls(&self) -> Vec<Call> {
        self.look(|view| view.calls().cloned().collect())
    }

    /// How many calls had this method and this part of path and query.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.look(|view| view.count(method, path))
    }

    /// What a ticket sink has accepted, in order of first arrival.
    pub fn deliveries(&self, sink: &str) -> Vec<Delivery> {
        self.look(|view| view.deliveries(sink).to_vec())
    }

    /// How many deliveries a ticket sink has turned away for their signature.
    pub fn rejected(&self, sink: &str) -> u64 {
        self.look(|view| view.rejected(sink))
    }

    /// The role assignments now in force in a tenant, whatever a lagging read still shows.
    pub fn assignments(&self, tenant: &str) -> Vec<Assigned> {
        self.look(|view| view.assignments(tenant))
    }

    /// The deletions that took effect, in order.
    pub fn deletions(&self) -> Vec<Deletion> {
        self.look(|view| view.deletions().to_vec())
    }

    /// The id of a principal of a tenant, by its name.
    pub fn principal_id(&self, tenant: &str, name: &str) -> Option<String> {
        self.shared.look().directory(tenant)?.principal_id(name).ok()
    }

    /// The subscriptions of a tenant, those that have ended too.
    pub fn subscriptions(&self, tenant: &str) -> Vec<Subscribed> {
        self.look(|view| view.subscriptions(tenant))
    }

    /// Lets a subscription end at another moment; one in the past ends it.
    pub fn set_expiry(&self, subscription_id: &str, at: Timestamp) {
        self.shared.change(|state| {
            let found = state.subscriptions.iter_mut().find(|it| it.id == subscription_id);
            if let Some(found) = found {
                found.expires_at = at;
            }
        });
    }

    /// Takes a subscription away, as Graph does now and then.
    pub fn drop_subscription(&self, subscription_id: &str) {
        self.shared.change(|state| state.subscriptions.retain(|it| it.id != subscription_id));
    }

    /// Notifies everyone subscribed to a collection (`users`, `groups`) of a tenant that an object
    /// in it changed (`updated`, `deleted`); says how each answered, with 0 for not at all.
    pub async fn notify(
        &self,
        tenant: &str,
        resource: &str,
        object: &str,
        change: &str,
    ) -> Vec<u16> {
        self.deliver(tenant, resource, News::Change { change, object }).await
    }

    /// Sends a lifecycle notification about every subscription of a tenant; says how each was
    /// answered.
    pub async fn lifecycle(&self, tenant: &str, event: &str) -> Vec<u16> {
        self.deliver(tenant, "", News::Lifecycle(event)).await
    }

    async fn deliver(&self, tenant: &str, resource: &str, news: News<'_>) -> Vec<u16> {
        let mut to = self.subscriptions(tenant);
        to.retain(|it| it.expires_at > server::now() && news.is_for(it, resource));
        subscriptions::deliver(to, news).await
    }

    /// Writes an event into the audit log of a tenant: it happened `ago` and can be read once
    /// `visible_in` is over. Says the id it was given.
    pub fn audit(
        &self,
        tenant: &str,
        event: &serde_json::Value,
        ago: Duration,
        visible_in: Duration,
    ) -> Result<String, ScenarioError> {
        let now = server::now();
        self.shared.change(|state| {
            let id = state.directory(tenant).map(|directory| directory.id.clone());
            let id = id.ok_or_else(|| ScenarioError::new(tenant, "there is no such tenant"))?;
            let log = state.audits.entry(id).or_default();
            let name = format!("Directory_{}_SIM_{}", ids::guid(&["audit", tenant]), log.len());
            log.push(Audit::new(event, now - ago, now + visible_in, &name));
            Ok(name)
        })
    }

    /// A token with claims of one's own, signed with the key that the sign-in publishes; `None`
    /// if they cannot be signed.
    pub fn sign(&self, claims: &serde_json::Value) -> Option<String> {
        signin::sign(claims)
    }

    /// Publishes a file for everybody at a path, in place of what was there: a certificate, say.
    pub fn publish_file(&self, path: &str, file: &[u8]) {
        self.shared.change(|state| state.files.insert(path.to_owned(), file.to_vec()));
    }

    /// Adds a principal to a tenant and says its id.
    pub fn admit(&self, tenant: &str, principal: Principal) -> Result<String, ScenarioError> {
        self.in_tenant(tenant, |directory| {
            let id = directory.admit(principal)?;
            directory.resolve_members()?;
            Ok(id)
        })
    }

    /// Gives a principal a role over the whole tenant, both by name or id, and says the
    /// assignment's id. What is there already stays as it is.
    pub fn grant(
        &self,
        tenant: &str,
        principal: &str,
        role: &str,
    ) -> Result<String, ScenarioError> {
        let assignment = Assignment::new(principal, role);
        self.in_tenant(tenant, |directory| directory.assign(&assignment))
    }

    /// Takes an assignment away at once and for good, as an administrator elsewhere would have
    /// done some time ago; says whether it was there.
    pub fn revoke(&self, tenant: &str, assignment_id: &str) -> Result<bool, ScenarioError> {
        self.in_tenant(tenant, |directory| Ok(directory.forget(assignment_id)))
    }

    /// Whether a user or an application of a tenant may sign in, by its name or id.
    pub fn is_enabled(&self, tenant: &str, principal: &str) -> Option<bool> {
        let state = self.shared.look();
        let directory = state.directory(tenant)?;
        let id = directory.principal_id(principal).ok()?;
        Some(directory.principals.get(&id)?.account_enabled)
    }

    /// When the sessions of a user of a tenant were ended last, by its name or id.
    pub fn sessions_ended(&self, tenant: &str, user: &str) -> Option<Timestamp> {
        let state = self.shared.look();
        let directory = state.directory(tenant)?;
        let id = directory.principal_id(user).ok()?;
        directory.principals.get(&id)?.sessions_valid_from
    }

    /// The direct members of a group of a tenant, by name where they have one.
    pub fn members(&self, tenant: &str, group: &str) -> Vec<String> {
        let state = self.shared.look();
        let Some(directory) = state.directory(tenant) else { return Vec::new() };
        let Ok(id) = directory.principal_id(group) else { return Vec::new() };
        let members = directory.principals.get(&id).map(|group| &group.members);
        let name = |id: &String| {
            directory.principals.get(id).map_or_else(|| id.clone(), |it| it.name.clone())
        };
        members.into_iter().flatten().map(name).collect()
    }

    /// Puts a principal of a tenant into one of its groups, both by name or id, as an administrator
    /// elsewhere would.
    pub fn put_into(&self, tenant: &str, group: &str, member: &str) -> Result<(), ScenarioError> {
        self.in_tenant(tenant, |directory| {
            let (group, member) = (directory.principal_id(group)?, directory.principal_id(member)?);
            if let Some(group) = directory.principals.get_mut(&group)
                && !group.members.contains(&member)
            {
                group.members.push(member);
            }
            Ok(())
        })
    }

    /// How many roles principals of a tenant may activate.
    pub fn eligibilities(&self, tenant: &str) -> usize {
        self.shared.look().directory(tenant).map_or(0, |directory| directory.eligible.len())
    }

    /// How many application permissions were granted in a tenant.
    pub fn app_roles(&self, tenant: &str) -> usize {
        self.shared.look().directory(tenant).map_or(0, |directory| directory.grants.len())
    }

    /// The conditional access policies of a tenant, as Graph shows them.
    pub fn conditional_access(&self, tenant: &str) -> Vec<serde_json::Value> {
        let state = self.shared.look();
        let policies = state.directory(tenant).map(|it| it.conditional_access.policies.clone());
        policies.into_iter().flatten().map(serde_json::Value::Object).collect()
    }

    /// Takes all conditional access policies of a tenant whose name has this in it away, as an
    /// administrator elsewhere would.
    pub fn drop_policies(&self, tenant: &str, name: &str) {
        drop(self.in_tenant(tenant, |directory| {
            directory.conditional_access.policies.retain(|it| {
                let shown = it.get("displayName").and_then(serde_json::Value::as_str);
                shown.is_none_or(|shown| !shown.contains(name))
            });
            Ok(())
        }));
    }

    /// A relationship of a partner by its name, as Graph shows it, with its access assignments.
    pub fn relationship(&self, tenant: &str, name: &str) -> Option<serde_json::Value> {
        self.shared.change(|state| {
            let directory = state.directories.get_mut(tenant)?;
            let partnership = directory.partnership.as_mut()?;
            partnership.settle(server::now());
            let related = partnership.relationships.iter().find(|it| it.given.name == name)?;
            let mut shown = related.to_json();
            let assignments = related.assignments.iter().map(|it| related.assignment_json(it));
            let assignments = assignments.map(serde_json::Value::Object).collect();
            shown.insert("accessAssignments".to_owned(), serde_json::Value::Array(assignments));
            Some(serde_json::Value::Object(shown))
        })
    }

    /// Lets a relationship of a partner extend itself again, or not, as somebody elsewhere would.
    pub fn auto_extend(&self, tenant: &str, name: &str, duration: &str) {
        self.shared.change(|state| {
            let directory = state.directories.get_mut(tenant);
            let partnership = directory.and_then(|it| it.partnership.as_mut());
            let related = partnership.and_then(|it| {
                it.relationships.iter_mut().find(|related| related.given.name == name)
            });
            if let Some(related) = related {
                duration.clone_into(&mut related.given.auto_extend_duration);
                related.version += 1;
            }
        });
    }

    /// Makes audit content available in a tenant's feed and says where. What stands there is given
    /// out as it is.
    pub fn publish(&self, tenant: &str, content: &str) -> String {
        let id = self.shared.change(|state| state.feed.publish(tenant, content));
        format!("{}api/v1.0/{tenant}/activity/feed/audit/{id}", self.origin)
    }

    /// Lets all audit content there is expire, as it does after some days.
    pub fn expire_contents(&self) {
        self.shared.change(|state| state.feed.expire());
    }

    /// Adds a fault rule behind those there are.
    pub fn add_fault(&self, rule: Rule) {
        self.shared.change(|state| state.add_rule(rule));
    }

    /// Ends all faults. What was deleted before lingers or comes back as it was going to.
    pub fn clear_faults(&self) {
        self.shared.change(|state| state.set_faults(Faults::default()));
    }

    /// Stops the next request with this method and this part of path and query.
    pub fn hold(&self, method: &str, path: &str, when: When) -> Hold {
        let (trap, hold) = Trap::set(method, path, when);
        self.shared.look().traps.push(trap);
        hold
    }

    /// Waits until `f` finds what it looks for; it looks again after every change. `f` sees
    /// everything through its argument and must not call the simulator itself.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut f: impl FnMut(&View<'_>) -> Option<T>,
    ) -> Result<T, Overdue> {
        let mut changes = self.shared.changes();
        let search = async {
            loop {
                if let Some(found) = self.look(&mut f) {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        let found = tokio::time::timeout(limit, search).await.ok().flatten();
        found.ok_or_else(|| {
            let calls = self.shared.look().calls.to_text();
            Overdue { what: what.to_owned(), limit, calls }
        })
    }

    fn look<R>(&self, f: impl FnOnce(&View<'_>) -> R) -> R {
        f(&View(&self.shared.look()))
    }

    fn in_tenant<R>(
        &self,
        tenant: &str,
        f: impl FnOnce(&mut directory::Directory) -> Result<R, ScenarioError>,
    ) -> Result<R, ScenarioError> {
        self.shared.change(|state| {
            let id = state.directory(tenant).map(|directory| directory.id.clone());
            let directory = id.and_then(|id| state.directories.get_mut(&id));
            f(directory.ok_or_else(|| ScenarioError::new(tenant, "there is no such tenant"))?)
        })
    }
}

/// The address to reach a listener at; one that listens everywhere is reached over loopback.
fn origin(address: SocketAddr) -> io::Result<Url> {
    let mut address = address;
    if address.ip().is_unspecified() {
        let loopback: SocketAddr = if address.is_ipv4() {
            ([127, 0, 0, 1], address.port()).into()
        } else {
            ([0, 0, 0, 0, 0, 0, 0, 1], address.port()).into()
        };
        address = loopback;
    }
    Url::parse(&format!("http://{address}")).map_err(io::Error::other)
}
