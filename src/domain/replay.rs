//! What a policy would have done, had it been in force when the events of an export happened.
//!
//! A live look reads the tenant; here what the tenant was like is worked out: from a snapshot, which
//! tells who is who, and from the events, which tell who got which role when. Nothing is done because
//! of it.

mod difference;
mod row;
mod taken;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::facts::{
    DirectoryObject, Facts, PartnerEntry, PartnerReference, RoleAssignment, ScheduleInstance, User,
};
use super::finding::FindingName;
use super::grant::Grant;
use super::id::{AssignmentId, PartnerId, PrincipalId, Sha256Hex, SinkName, TenantId};
use super::plan::{Circumstances, History, PastStep, Step, StepState, Verdict, plan};
use super::policy::{Mode, Policy};
use super::role::{self, RoleTemplateId};
use super::roster::Tenant;

use self::row::rows;
use self::taken::take_away;

pub use self::difference::{Difference, differences};

/// What one event of an export tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When it happened, where it says so.
    pub at: Option<Timestamp>,
    /// The audit activity, fit to show.
    pub what: String,
    /// Whether it is a reason to look.
    pub matters: bool,
    /// The role that it says was given or taken.
    pub change: Option<RoleChange>,
    /// The other tenant whose entry in the cross-tenant access policy it says was made or changed
    /// (`true`), or deleted.
    pub partner: Option<(Uuid, bool)>,
}

/// A role that was given or taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleChange {
    /// Which of the two.
    pub motion: Motion,
    /// Whether it may only be activated.
    pub eligible: bool,
    /// The role.
    pub role: RoleTemplateId,
    /// Who got or lost it.
    pub holder: Holder,
    /// Whether Microsoft's own service for delegated administration did it.
    pub by_delegated_administration: bool,
}

/// Given or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// Given.
    Given,
    /// Taken.
    Taken,
}

/// Who got or lost a role, as the event names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its object id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its user principal name.
    pub user_principal_name: Option<String>,
}

/// What would have been done in one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// The tenant.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// The ceiling in force.
    pub mode: Mode,
    /// Events that were a reason to look.
    pub reasons: u64,
    /// Reasons to look at which nothing new was found.
    pub nothing_new: u64,
    /// Those among them that name no role, so that nobody knows what a look would have found. None
    /// with a snapshot, which tells.
    pub untold: u64,
    /// What would have happened, in order.
    pub happenings: Vec<Happening>,
    /// What was taken for granted, for want of a snapshot; each is a sentence.
    pub assumed: BTreeSet<&'static str>,
}

/// One thing that would have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Happening {
    /// When the event came that was the reason to look.
    pub at: Timestamp,
    /// Its activity.
    pub because: String,
    /// The partner.
    pub partner: String,
    /// Whom or what it is about.
    pub subject: String,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What the rules say of it.
    pub findings: Vec<FindingName>,
    /// What would have been done.
    pub effect: Effect,
    /// What the matter is, in a sentence.
    pub text: String,
    /// What it is the same as in another replay.
    #[serde(skip)]
    pub key: Sha256Hex,
}

/// What would have been done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// The access would have been taken away.
    Revoke,
    /// A person would have been asked whether to.
    Ask,
    /// It would only have been described, since the mode is `observe`.
    Describe,
    /// A guardrail would have held it back.
    HoldBack {
        /// Which, and what to do.
        reason: String,
    },
    /// A ticket would have been opened.
    Ticket {
        /// Where.
        sinks: Vec<SinkName>,
    },
    /// It would have been written down and no more.
    Record,
}

const NO_SNAPSHOT: &str = "Who holds a role was told by the events alone; a snapshot (--facts) knows \
                           groups, guests and applications of partners better.";
const OWN_ADMINISTRATOR: &str = "The tenant has a Global Administrator of its own.";
const ONE_PARTNER: &str = "What Microsoft's service for delegated administration gave a role to is a \
                           group of the one partner there is.";

/// The account that is assumed to administer a tenant of which there is no snapshot.
const ASSUMED_ADMINISTRATOR: &str = "00000000-0000-0000-0000-000000000001";

/// Replays the events of one tenant, which are in order. `end` stands in for the time of an event
/// that tells none.
pub fn replay(
    snapshot: Option<&Facts>,
    heard: &[Heard],
    tenant: &Tenant,
    policy: &Policy,
    end: Timestamp,
) -> Replayed {
    let mut stage = Stage::new(snapshot, heard, tenant, policy);
    for event in heard.iter().filter(|event| event.matters) {
        stage.hear(event, event.at.unwrap_or(end));
    }
    Replayed {
        id: tenant.id,
        name: tenant.name.clone(),
        mode: policy.mode,
        reasons: stage.reasons,
        nothing_new: stage.nothing_new,
        untold: if snapshot.is_some() { 0 } else { stage.untold },
        happenings: stage.happenings,
        assumed: stage.assumed,
    }
}

/// The tenant as it is worked out to have been, and what was done to it.
struct Stage<'a> {
    tenant: &'a Tenant,
    policy: &'a Policy,
    facts: Facts,
    history: History,
    revoked_at: Vec<Timestamp>,
    /// What stands, by row, with what is being done about it.
    standing: BTreeMap<Sha256Hex, Effect>,
    looked: bool,
    reasons: u64,
    nothing_new: u64,
    untold: u64,
    happenings: Vec<Happening>,
    assumed: BTreeSet<&'static str>,
}

impl<'a> Stage<'a> {
    fn new(
        snapshot: Option<&Facts>,
        heard: &[Heard],
        tenant: &'a Tenant,
        policy: &'a Policy,
    ) -> Self {
        let mut assumed = BTreeSet::new();
        let facts = snapshot.cloned().unwrap_or_else(|| {
            assumed.extend([NO_SNAPSHOT, OWN_ADMINISTRATOR]);
            with_an_administrator()
        });
        let mut stage = Self {
            tenant,
            policy,
            facts,
            history: History::default(),
            revoked_at: Vec::new(),
            standing: BTreeMap::new(),
            looked: false,
            reasons: 0,
            nothing_new: 0,
            untold: 0,
            happenings: Vec::new(),
            assumed,
        };
        // A snapshot taken afterwards shows what the events gave, and not what they took.
        let mut seen = BTreeSet::new();
        for change in heard.iter().filter_map(|event| event.change.as_ref()) {
            if seen.insert((change.holder.id.to_ascii_lowercase(), change.role, change.eligible)) {
                match change.motion {
                    Motion::Given => stage.take(change),
                    Motion::Taken => stage.give(change),
                };
            }
        }
        let mut entries = BTreeSet::new();
        for (partner, made) in heard.iter().filter_map(|event| event.partner) {
            if entries.insert(partner) && snapshot.is_none() && !made {
                stage.enter(partner);
            }
        }
        stage
    }

    fn hear(&mut self, event: &Heard, at: Timestamp) {
        self.reasons += 1;
        let before = self.happenings.len();
        let mut changed = !std::mem::replace(&mut self.looked, true);
        if let Some(change) = &event.change {
            changed |= match change.motion {
                Motion::Given => self.give(change),
                Motion::Taken => self.take(change),
            };
        }
        if let Some((partner, made)) = event.partner {
            changed |= if made { self.enter(partner) } else { self.leave(partner) };
        }
        if changed {
            self.look(event, at);
        }
        let nothing_new = self.happenings.len() == before;
        self.nothing_new += u64::from(nothing_new);
        self.untold += u64::from(nothing_new && event.change.is_none());
    }

    fn look(&mut self, event: &Heard, at: Timestamp) {
        self.facts.taken_away = self.history.taken_away();
        let since = at - self.policy.guardrails.per;
        let recent = self.revoked_at.iter().filter(|revoked| **revoked > since).count();
        self.history.revocations = u32::try_from(recent).unwrap_or(u32::MAX);
        let (policy, tenant) = (self.policy, self.tenant);
        let about = Circumstances {
            policy,
            tenant,
            history: &self.history,
            own_apps: &[],
            stopped: None,
            now: at,
        };
        self.facts.suppose_there(&self.policy.guardrails.protected);
        let plan = plan(&self.facts, about);
        let rows = rows(&plan, self.policy);
        let is_done =
            |step: &&Step| plan.mode == Mode::Enforce && step.verdict == Verdict::CarryOut;
        let steps = plan.cases.iter().flat_map(|case| &case.steps);
        let gone: Vec<Step> = steps.filter(is_done).cloned().collect();
        let mut standing = BTreeMap::new();
        for row in rows {
            if self.standing.get(&row.key) != Some(&row.effect) {
                self.happenings.push(row.happening(event, at));
            }
            if row.effect != Effect::Revoke {
                standing.insert(row.key, row.effect);
            }
        }
        self.standing = standing;
        for step in gone {
            self.revoked_at.push(at);
            let state = StepState::Verified;
            let past = PastStep { episode: step.episode, state, at, approved: false };
            self.history.take_in(step.key(), step.grant().map(Grant::likeness), past);
            if let Some(grant) = step.grant() {
                take_away(&mut self.facts, grant);
            }
            let made = step.quarantine.as_ref().map(|quarantine| quarantine.document());
            self.facts.conditional_access.extend(made);
        }
    }

    /// Says whether that changed anything.
    fn give(&mut self, change: &RoleChange) -> bool {
        let principal = PrincipalId::new(&change.holder.id);
        if self.holds(&principal, change) {
            return false;
        }
        self.introduce(&principal, change);
        let role_definition_id = change.role.to_string();
        let kind = if change.eligible { "eligible" } else { "active" };
        let id = AssignmentId(format!("{kind}:{principal}:{role_definition_id}"));
        if change.eligible {
            self.facts.eligible.push(ScheduleInstance {
                id,
                principal_id: principal,
                role_definition_id,
                directory_scope_id: "/".to_owned(),
                end_date_time: None,
                member_type: None,
                assignment_type: None,
                role_assignment_origin_id: None,
            });
        } else {
            self.facts.assignments.push(RoleAssignment {
                id,
                principal_id: principal,
                role_definition_id,
                directory_scope_id: "/".to_owned(),
                principal_organization_id: None,
            });
        }
        true
    }

    fn take(&mut self, change: &RoleChange) -> bool {
        let principal = PrincipalId::new(&change.holder.id);
        let before = self.facts.assignments.len() + self.facts.eligible.len();
        let Facts { assignments, eligible, roles, .. } = &mut self.facts;
        let is_it = |holder: &PrincipalId, definition: &str| {
            *holder == principal && template(definition, roles) == Some(change.role)
        };
        if change.eligible {
            eligible.retain(|held| !is_it(&held.principal_id, &held.role_definition_id));
        } else {
            assignments.retain(|held| !is_it(&held.principal_id, &held.role_definition_id));
        }
        before != assignments.len() + eligible.len()
    }

    fn holds(&self, principal: &PrincipalId, change: &RoleChange) -> bool {
        let is_it = |holder: &PrincipalId, definition: &str| {
            holder == principal && template(definition, &self.facts.roles) == Some(change.role)
        };
        if change.eligible {
            let mut all = self.facts.eligible.iter();
            all.any(|held| is_it(&held.principal_id, &held.role_definition_id))
        } else {
            let mut all = self.facts.assignments.iter();
            all.any(|held| is_it(&held.principal_id, &held.role_definition_id))
        }
    }

    /// Makes known who a holder is, if the snapshot does not know.
    fn introduce(&mut self, principal: &PrincipalId, change: &RoleChange) {
        if self.facts.objects.contains_key(principal) {
            return;
        }
        let holder = &change.holder;
        let display_name = holder.name.clone();
        let object = if change.by_delegated_administration {
            let partner = self.the_one_partner();
            if partner.is_some() {
                self.assumed.insert(ONE_PARTNER);
            }
            DirectoryObject::PartnerReference(PartnerReference {
                display_name,
                external_partner_tenant_id: partner.map(|id| id.to_string()),
                object_type: Some("Group".to_owned()),
            })
        } else if holder.user_principal_name.is_some() {
            DirectoryObject::User(User {
                display_name,
                user_principal_name: holder.user_principal_name.clone(),
                ..User::default()
            })
        } else {
            return;
        };
        self.facts.objects.insert(principal.clone(), object);
    }

    /// The partner, where the policy and the entries know no more than one.
    fn the_one_partner(&self) -> Option<PartnerId> {
        let entries = self.facts.partner_entries.iter();
        let providers = entries.filter(|entry| entry.is_service_provider == Some(true));
        let mut all: BTreeSet<PartnerId> =
            providers.filter_map(|entry| entry.tenant_id.parse().ok()).collect();
        all.extend(self.tenant.partners.iter().map(|partner| partner.id));
        all.remove(&PartnerId::MICROSOFT_SUPPORT);
        if all.len() == 1 { all.pop_first() } else { None }
    }

    fn enter(&mut self, partner: Uuid) -> bool {
        let tenant_id = partner.to_string();
        let known = self.facts.partner_entries.iter().any(|it| it.tenant_id == tenant_id);
        if !known {
            // Whether it is a service provider, the event does not say.
            let entry = PartnerEntry { tenant_id, ..PartnerEntry::default() };
            self.facts.partner_entries.push(entry);
        }
        !known
    }

    fn leave(&mut self, partner: Uuid) -> bool {
        let tenant_id = partner.to_string();
        let before = self.facts.partner_entries.len();
        self.facts.partner_entries.retain(|it| !it.tenant_id.eq_ignore_ascii_case(&tenant_id));
        before != self.facts.partner_entries.len()
    }
}

/// The template behind a role definition's id.
fn template(
    definition: &str,
    roles: &BTreeMap<String, super::facts::RoleDefinition>,
) -> Option<RoleTemplateId> {
    let live = roles.get(&definition.to_ascii_lowercase());
    let template = live.and_then(|role| role.template_id.as_deref());
    template.unwrap_or(definition).parse().ok()
}

/// Facts of a tenant of which nothing is known, but that somebody of its own administers it.
fn with_an_administrator() -> Facts {
    let mut facts = Facts::default();
    let principal_id = PrincipalId::new(ASSUMED_ADMINISTRATOR);
    facts.objects.insert(principal_id.clone(), DirectoryObject::User(User::default()));
    facts.assignments.push(RoleAssignment {
        id: AssignmentId("assumed".to_owned()),
        principal_id,
        role_definition_id: role::GLOBAL_ADMINISTRATOR.to_string(),
        directory_scope_id: "/".to_owned(),
        principal_organization_id: None,
    });
    facts
}
