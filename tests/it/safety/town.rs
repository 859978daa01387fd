//! The simulated tenants with all that was seen of them: what they are like, what they were asked,
//! what was read of them, and what was wrong with any of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use partner_warden::adapters::stop_file::StopFile;
use partner_warden::domain::id::{PrincipalId, StepId};
use partner_warden::domain::plan::Step;
use partner_warden::ports::{Clock, Failure, PortError};
use tokio::sync::Notify;

use super::cast::{MEGAN, TENANTS, begin, id_of, role_id};
use super::consent::Questions;
use super::events::{Cause, Fault, Read};
use super::rules::Rules;
use super::sink::Sinks;
use super::state::{Given, Gone, State, Way};

/// One tenant.
#[derive(Default)]
pub(super) struct Place {
    pub(super) state: State,
    /// What it was like before its last change.
    pub(super) before: State,
    /// What this program has taken away.
    pub(super) gone: Vec<Gone>,
    /// Everything that a proof can be about, with who held it.
    pub(super) ever: Vec<(Thing, usize)>,
    /// When each was last seen not to be there by a reading that was whole.
    pub(super) seen_gone: BTreeMap<Thing, usize>,
    /// Which steps took effect, and when.
    pub(super) acted: Vec<(Timestamp, StepId)>,
    /// Whether somebody of its own was Global Administrator when that was last read.
    pub(super) read_administrator: bool,
}

/// What a proof is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Assignment(String),
    Active(String),
    Eligible(String),
    Member(PrincipalId, PrincipalId),
    Permission(String),
    /// A principal may sign in.
    Enabled(PrincipalId),
    /// A principal's sessions of before count.
    Sessions(PrincipalId),
    /// A partner comes in, by the tag of the policy that keeps it out.
    Comes(String),
}

/// All of it.
pub(super) struct Town {
    pub(super) now: Timestamp,
    pub(super) rules: Rules,
    pub(super) places: Vec<Place>,
    pub(super) given: usize,
    pub(super) faults: Vec<Fault>,
    /// What is not read for the time being.
    pub(super) blind: BTreeMap<Read, Cause>,
    pub(super) stop_while_writing: bool,
    pub(super) stopped: bool,
    /// Whether the stop switch was asked since the last call, and said that all may go on.
    pub(super) may_write: bool,
    /// After how many more steps the process dies.
    pub(super) dies_after: Option<usize>,
    /// Counts what happens.
    pub(super) happened: usize,
    /// How often steps were written down as intended.
    pub(super) plans: usize,
    /// What was written down as intended.
    pub(super) intended: BTreeMap<StepId, Intended>,
    /// The step whose call arrived last.
    pub(super) under_way: Option<StepId>,
    /// When a call of each step arrived last.
    pub(super) asked: BTreeMap<StepId, usize>,
    /// The steps of which it is written down that Graph took them.
    pub(super) taken: BTreeSet<StepId>,
    /// From whom something was to be taken away.
    pub(super) asked_from: BTreeSet<(usize, PrincipalId)>,
    /// From whom something was taken away.
    pub(super) taken_from: BTreeSet<(usize, PrincipalId)>,
    /// Of which partner Graph has refused to take a grant away, by tenant.
    pub(super) refused: BTreeSet<(usize, String)>,
    pub(super) questions: Questions,
    pub(super) sinks: Sinks,
    /// What was reached, and how often.
    pub(super) reached: BTreeMap<String, u64>,
    pub(super) wrong: Vec<String>,
}

/// A step that was written down before it was begun.
#[derive(Clone)]
pub(super) struct Intended {
    pub(super) tenant: usize,
    pub(super) step: Step,
    pub(super) first: Timestamp,
    /// Whether it was written down in an earlier plan too: its call may have been made.
    pub(super) again: bool,
    /// The word of people by which it was begun.
    pub(super) word: Option<String>,
    /// Which time of writing down it was that it was written down last, and its place in that.
    pub(super) place: (usize, usize),
    /// The calls that arrived since then.
    pub(super) calls: Vec<String>,
}

impl Town {
    pub(super) fn new(rules: Rules) -> Self {
        let mut town = Self {
            now: begin(),
            rules,
            places: TENANTS.iter().map(|_| Place::default()).collect(),
            given: 0,
            faults: Vec::new(),
            blind: BTreeMap::new(),
            stop_while_writing: false,
            stopped: false,
            may_write: false,
            dies_after: None,
            happened: 0,
            plans: 0,
            intended: BTreeMap::new(),
            under_way: None,
            asked: BTreeMap::new(),
            taken: BTreeSet::new(),
            asked_from: BTreeSet::new(),
            taken_from: BTreeSet::new(),
            refused: BTreeSet::new(),
            questions: Questions::default(),
            sinks: Sinks::default(),
            reached: BTreeMap::new(),
            wrong: Vec::new(),
        };
        for tenant in super::cast::CUSTOMERS {
            if town.rules.administrator {
                town.give(tenant, (MEGAN, 0, Way::Assigned));
            }
            town.give(tenant, (MEGAN, 3, Way::Assigned));
        }
        town
    }

    pub(super) fn reach(&mut self, what: impl Into<String>) {
        *self.reached.entry(what.into()).or_default() += 1;
    }

    pub(super) fn is_wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// Changes a tenant, and keeps what it was like before.
    pub(super) fn change<T>(&mut self, tenant: usize, change: impl FnOnce(&mut State) -> T) -> T {
        let place = &mut self.places[tenant];
        let before = place.state.clone();
        let done = change(&mut place.state);
        if place.state != before {
            place.before = before;
        }
        done
    }

    /// Gives somebody a role.
    pub(super) fn give(&mut self, tenant: usize, given: Given) {
        self.given += 1;
        let n = self.given;
        self.change(tenant, |state| state.give(tenant, n, given));
        self.places[tenant].note_all(tenant);
    }

    pub(super) fn relate(&mut self, customer: usize, roles: &[usize], extends: bool) {
        self.given += 1;
        let n = self.given;
        self.change(super::cast::MSP, |state| state.relate(n, customer, roles, extends));
    }

    /// Whether this fault waits; it is over then.
    pub(super) fn meets(&mut self, fault: Fault) -> bool {
        let Some(at) = self.faults.iter().position(|it| *it == fault) else { return false };
        self.faults.remove(at);
        let name = format!("{fault:?}");
        let name = name.split('(').next().unwrap_or_default();
        self.reach(format!("fault {name}"));
        true
    }

    /// Why this is not read, if it is not.
    pub(super) fn unread(&mut self, read: Read) -> Option<PortError> {
        let causes = [
            (Cause::Broken, Failure::Transient),
            (Cause::Throttled, Failure::Throttled(None)),
            (Cause::Denied, Failure::Denied),
        ];
        let blind = self.blind.get(&read).copied();
        let failure = causes
            .into_iter()
            .find(|(cause, _)| blind == Some(*cause) || self.meets(Fault::Unread(read, *cause)));
        let (cause, failure) = failure?;
        self.reach(format!("unread {read:?} {cause:?}"));
        Some(failed(failure))
    }

    /// What a reading shows: the state as it is, or as it was before the last change.
    pub(super) fn shown(&mut self, tenant: usize, read: Read) -> State {
        let lags = self.meets(Fault::Lagging(read));
        let place = &self.places[tenant];
        if lags { place.before.clone() } else { place.state.clone() }
    }

    /// A reading that was whole showed which of these things are there; `of` are those it is about.
    pub(super) fn saw(
        &mut self,
        tenant: usize,
        of: impl Fn(&Thing, usize) -> bool,
        there: impl Fn(&Thing) -> bool,
    ) {
        self.happened += 1;
        let (happened, place) = (self.happened, &mut self.places[tenant]);
        for (thing, holder) in &place.ever {
            if of(thing, *holder) && !there(thing) {
                place.seen_gone.insert(thing.clone(), happened);
            }
        }
    }

    /// A reading showed that a thing is not there.
    pub(super) fn saw_gone(&mut self, tenant: usize, thing: Thing) {
        self.happened += 1;
        let happened = self.happened;
        self.places[tenant].seen_gone.insert(thing, happened);
    }

    /// What was read of who holds Global Administrator.
    pub(super) fn saw_administrator(&mut self, tenant: usize, shown: &State) {
        self.places[tenant].read_administrator = shown.is_administrator(&id_of(tenant, MEGAN));
    }

    /// Nobody of the tenant's own is Global Administrator any more.
    pub(super) fn demote(&mut self, tenant: usize) {
        let megan = id_of(tenant, MEGAN);
        self.change(tenant, |state| {
            state
                .assignments
                .retain(|it| it.principal_id != megan || it.role_definition_id != role_id(0));
        });
    }
}

impl Place {
    /// Takes down everything that is there now.
    fn note_all(&mut self, tenant: usize) {
        let of = |id: &PrincipalId| super::cast::holder_of(tenant, id).unwrap_or(MEGAN);
        let State { assignments, active, eligible, members, permissions, .. } = &self.state;
        let assigned =
            assignments.iter().map(|it| (Thing::Assignment(it.id.0.clone()), of(&it.principal_id)));
        let active = active.iter().map(|it| (Thing::Active(it.id.0.clone()), of(&it.principal_id)));
        let eligible =
            eligible.iter().map(|it| (Thing::Eligible(it.id.0.clone()), of(&it.principal_id)));
        let joined = members.keys().flat_map(|group| {
            let id = id_of(tenant, *group);
            let all = self.state.everybody_in(*group).into_iter();
            all.map(move |it| (Thing::Member(id.clone(), id_of(tenant, it)), it))
        });
        let permitted = permissions
            .iter()
            .flat_map(|(app, all)| all.iter().map(|it| (Thing::Permission(it.id.0.clone()), *app)));
        let all: Vec<(Thing, usize)> =
            assigned.chain(active).chain(eligible).chain(joined).chain(permitted).collect();
        for it in all {
            if !self.ever.contains(&it) {
                self.ever.push(it);
            }
        }
    }
}

pub(super) fn failed(kind: Failure) -> PortError {
    PortError::new(kind, "a fault")
}

/// All ports to the tenants.
pub(super) struct Tenants {
    pub(super) town: Mutex<Town>,
    pub(super) stop: StopFile,
    /// The process is to die now.
    pub(super) died: Notify,
}

impl Tenants {
    pub(super) fn town(&self) -> MutexGuard<'_, Town> {
        self.town.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the process is killed at this moment.
    fn dies(&self) -> bool {
        let mut town = self.town();
        town.dies_after = town.dies_after.and_then(|left| left.checked_sub(1));
        let dies = town.dies_after == Some(0);
        if dies {
            town.dies_after = None;
            town.reach("killed");
        }
        dies
    }

    /// A moment at which the process may be killed. Then this never returns.
    pub(super) async fn mortal(&self) {
        if self.dies() {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

impl Clock for Tenants {
    fn now(&self) -> Timestamp {
        self.town().now
    }
}
