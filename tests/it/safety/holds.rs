//! What must hold at any moment, and once all is quiet.

use std::collections::BTreeSet;

use partner_warden::domain::case::{Case, Row, StepRow};
use partner_warden::domain::conditional_access::quarantine::tag;
use partner_warden::domain::grant::{Grant, Held};
use partner_warden::domain::plan::{Remediation, StepState, Target};
use partner_warden::domain::record::chain::check;
use partner_warden::ports::Ledger as _;

use super::cast::{CUSTOMERS, HOLDERS, TENANTS, Whose, tenant_id};
use super::events::Event;
use super::run::Run;
use super::state::State;
use super::town::{Place, Thing, Town};

impl Run {
    async fn cases(&self) -> Vec<(usize, Case)> {
        let mut all = Vec::new();
        for tenant in 0..TENANTS.len() {
            let cases = self.store().cases(tenant_id(tenant)).await.unwrap();
            all.extend(cases.into_iter().map(|case| (tenant, case)));
        }
        all
    }

    /// What must hold at any moment.
    pub(super) async fn holds(&self, after: &Event) -> Result<(), String> {
        let cases = self.cases().await;
        let town = self.tenants.town();
        let mut wrong = town.wrong.clone();
        let mut keys = BTreeSet::new();
        for (tenant, case) in &cases {
            for row in &case.rows {
                wrong.extend(town.is_proven(*tenant, case, row));
            }
            let mut sinks = BTreeSet::new();
            for ticket in &case.tickets {
                if !sinks.insert(&ticket.sink) {
                    wrong.push(format!("two tickets of one case at {}", ticket.sink));
                }
                if !keys.insert((ticket.sink.clone(), ticket.key.clone())) {
                    wrong.push(format!("two cases have the ticket {}", ticket.key));
                }
                if ticket.open && !case.stands() {
                    wrong.push(format!("{} is open about a case that is closed", ticket.key));
                }
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(format!("after {after:?}: {}", wrong.join("; ")))
        }
    }

    /// What must hold once all is quiet, too.
    pub(super) async fn holds_at_the_end(&self) -> Result<(), String> {
        let (anchor, chain) = self.store().chain().await.unwrap();
        check(anchor, &chain, None).map_err(|broken| format!("the chain is broken: {broken}"))?;
        let cases = self.cases().await;
        let mut open = BTreeSet::new();
        for (_, case) in &cases {
            if case.begun {
                return Err(format!("the case of {} was begun and not ended", case.partner.name));
            }
            for ticket in &case.tickets {
                if ticket.open != case.is_open() {
                    let said = format!("{} of {}", ticket.key, case.partner.name);
                    return Err(format!("{said} is open: {}, and its case is not", ticket.open));
                }
                if ticket.open {
                    open.insert((ticket.sink.0.clone(), ticket.key.clone()));
                }
            }
        }
        let town = self.tenants.town();
        let told = town.sinks.tickets.iter().filter(|(_, told)| told.open);
        let told: BTreeSet<(String, String)> = told.map(|(key, _)| key.clone()).collect();
        if told == open {
            Ok(())
        } else {
            Err(format!("open at the sinks: {told:?}, and by the cases: {open:?}"))
        }
    }

    /// How it ends: who may do what, and about whom a case is open.
    pub(super) async fn end(&self) -> End {
        let cases = self.cases().await.into_iter().filter(|(_, case)| case.is_open());
        let open = cases.map(|(tenant, case)| (tenant, case.partner.key())).collect();
        let town = self.tenants.town();
        End {
            held: CUSTOMERS.iter().flat_map(|n| held(&town.places[*n].state, *n)).collect(),
            open,
        }
    }
}

/// How it ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Who holds what, and who is disabled.
    pub(super) held: BTreeSet<String>,
    pub(super) open: BTreeSet<(usize, String)>,
}

fn held(state: &State, tenant: usize) -> Vec<String> {
    let name = |id: &_| super::cast::holder_of(tenant, id).map_or("?", |n| HOLDERS[n].name);
    let assigned = state.assignments.iter();
    let assigned =
        assigned.map(|it| format!("{} holds {}", name(&it.principal_id), it.role_definition_id));
    let active = state.active.iter();
    let active =
        active.map(|it| format!("{} has active {}", name(&it.principal_id), it.role_definition_id));
    let eligible = state.eligible.iter();
    let eligible = eligible
        .map(|it| format!("{} may activate {}", name(&it.principal_id), it.role_definition_id));
    let members = state.members.iter().flat_map(|(group, members)| {
        let group = HOLDERS[*group].name;
        members.iter().map(move |it| format!("{} is in {group}", HOLDERS[*it].name))
    });
    let permitted = state.permissions.iter().flat_map(|(app, all)| {
        all.iter().map(|it| format!("{} may {}", HOLDERS[*app].name, it.app_role_id))
    });
    let disabled = state.disabled.iter().map(|it| format!("{} is disabled", HOLDERS[*it].name));
    let all = assigned.chain(active).chain(eligible).chain(members).chain(permitted);
    all.chain(disabled).map(|it| format!("{}: {it}", TENANTS[tenant].1)).collect()
}

/// The guests, groups and applications of partners that are taken everything from if nobody
/// protects them.
pub(super) fn is_takeable(holder: usize) -> bool {
    matches!(HOLDERS[holder].whose, Whose::Partner(_) | Whose::Stranger)
}

impl Town {
    /// That what a row calls gone was seen to be gone after it was last asked to be taken away.
    fn is_proven(&self, tenant: usize, case: &Case, row: &Row) -> Option<String> {
        let step = row.step.as_ref().filter(|step| step.state == StepState::Verified)?;
        let things = things(tenant, case, row, step);
        let asked = self.asked.get(&step.id).copied().unwrap_or_default();
        let place: &Place = &self.places[tenant];
        let seen = things.iter().filter_map(|it| place.seen_gone.get(it)).max();
        if things.is_empty() || seen.is_some_and(|seen| *seen > asked) {
            return None;
        }
        Some(format!("called gone and not seen so: {} ({things:?})", step.summary))
    }
}

/// What a step's proof may be about: one of these has to be seen gone.
fn things(tenant: usize, case: &Case, row: &Row, step: &StepRow) -> Vec<Thing> {
    match &step.target {
        Some(Target::Principal { principal, .. }) => {
            if step.remediation == Remediation::RevokeSessions {
                vec![Thing::Sessions(principal.clone())]
            } else {
                vec![Thing::Enabled(principal.clone())]
            }
        }
        Some(Target::Partner) => {
            let partner = case.partner.id.map(|id| tag(tenant_id(tenant), id));
            partner.map(Thing::Comes).into_iter().collect()
        }
        Some(Target::Relationship { .. } | Target::AccessAssignment { .. }) => Vec::new(),
        Some(Target::Grant(grant)) => of_grant(grant),
        None => row.findings.iter().find_map(|it| it.grant.as_ref()).map_or(Vec::new(), of_grant),
    }
}

fn of_grant(grant: &Grant) -> Vec<Thing> {
    match &grant.held {
        Held::Assignment { assignment, .. } => vec![Thing::Assignment(assignment.0.clone())],
        Held::Scheduled { schedule, .. } => vec![Thing::Active(schedule.0.clone())],
        Held::Eligible { eligibility, .. } => vec![Thing::Eligible(eligibility.0.clone())],
        Held::AppRole { app_role, .. } => vec![Thing::Permission(app_role.0.clone())],
        Held::ThroughGroup { through, group, .. } => vec![
            Thing::Member(group.clone(), grant.principal.clone()),
            Thing::Assignment(through.0.clone()),
            Thing::Active(through.0.clone()),
            Thing::Eligible(through.0.clone()),
        ],
    }
}
