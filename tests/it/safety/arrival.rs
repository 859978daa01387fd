//! What must hold of a call at the moment it arrives, judged by what the tenants are really like and
//! by what the policy file says.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use partner_warden::domain::grant::{Grant, Held};
use partner_warden::domain::id::{PartnerId, PrincipalId, StepId};
use partner_warden::domain::plan::{Step, Target, Verdict};
use partner_warden::domain::policy::Mode;

use super::cast::{
    HOLDERS, MEGAN, PARTNERS, PROTECTABLE, Whose, holder_of, id_of, minutes, partner_of, role_id,
};
use super::state::Gone;
use super::town::{Intended, Town};
use super::writes::Call;

impl Town {
    /// A call arrives: none may that is forbidden.
    pub(super) fn arrives(&mut self, tenant: usize, call: &Call) {
        self.happened += 1;
        if self.stopped {
            self.is_wrong(format!("written while stopped: {call:?}"));
        }
        if !self.may_write {
            self.is_wrong(format!("written without asking the stop switch: {call:?}"));
        }
        self.may_write = false;
        if self.rules.mode == Mode::Observe {
            self.is_wrong(format!("written in observe: {call:?}"));
        }
        let Some(Intended { step, first, again, word, .. }) = self.step_of(tenant, call) else {
            return self.is_wrong(format!("written and not written down before: {call:?}"));
        };
        self.asked.insert(step.id.clone(), self.happened);
        self.under_way = Some(step.id.clone());
        if let Some(it) = self.intended.get_mut(&step.id) {
            it.calls.push(format!("{call:?}"));
        }
        if self.taken.contains(&step.id) {
            self.is_wrong(format!("{} is carried out twice: {call:?}", step.id.0));
        }
        if step.verdict != Verdict::CarryOut {
            self.is_wrong(format!("{:?}, and carried out: {call:?}", step.verdict));
        }
        let partner = step.partner.id;
        let listed = PARTNERS.iter().position(|it| it.0.parse().ok() == partner);
        if self.rules.is_planned(tenant, listed, self.now) {
            self.is_wrong(format!("written during a planned change: {call:?}"));
        }
        // What was begun before is ended: nobody knows how far it came.
        if !(again && step.because.is_empty()) {
            self.is_asked_for(tenant, &step);
        }
        if self.needs_consent(&step) {
            let lasts = minutes(self.rules.expire);
            if let Err(why) = self.questions.agreed(&step, word.as_ref(), first, lasts, &self.rules)
            {
                self.is_wrong(format!("{why}: {call:?}"));
            }
        }
        match call {
            Call::Quarantine(it) => {
                let leaves_out = it.leaves_out.clone();
                self.is_for_the_right_ones(tenant, partner, &leaves_out);
            }
            Call::Relationship(..) => {}
            Call::Assignment(_)
            | Call::Active(..)
            | Call::Eligible(..)
            | Call::Member { .. }
            | Call::Permission { .. }
            | Call::Sessions(_)
            | Call::Account(_)
            | Call::App(_) => self.is_from_the_right_one(tenant, call, &step),
        }
    }

    /// The step that a call is of. Where one takes out of a group what several steps are to take
    /// away, it is the first of the last plan for which it was not made yet.
    fn step_of(&self, tenant: usize, call: &Call) -> Option<Intended> {
        let of = self.intended.values().filter(|it| it.tenant == tenant && call.is_of(&it.step));
        let call = format!("{call:?}");
        let place = |it: &&Intended| {
            let ((plan, n), made) = (it.place, it.calls.contains(&call));
            (self.taken.contains(&it.step.id), made, Reverse(plan), n)
        };
        of.min_by_key(place).cloned()
    }

    /// What the policy does not ask for is not done.
    fn is_asked_for(&mut self, tenant: usize, step: &Step) {
        // What accompanies others is ended even where they are gone meanwhile.
        if step.because.is_empty() {
            let also = step.remediation.as_str();
            let asks = self.rules.respond.values().any(|it| it.also.contains(&also));
            let is_from =
                |principal: &PrincipalId| self.taken_from.contains(&(tenant, principal.clone()));
            let from =
                matches!(&step.target, Target::Principal { principal, .. } if is_from(principal));
            if !asks || !from {
                self.is_wrong(format!("nothing asks for it: {}", step.summary()));
            }
            return;
        }
        let refused = self.refused.contains(&(tenant, step.partner.key()));
        for finding in &step.because {
            let answer = self.rules.answer(finding.as_str());
            let also = step.remediation.as_str();
            let asks = answer.is_some_and(|it| match &step.target {
                Target::Partner => it.act == "quarantine" || (it.quarantine_if_refused && refused),
                Target::Principal { .. } => it.also.contains(&also),
                Target::Grant(_)
                | Target::Relationship { .. }
                | Target::AccessAssignment { .. } => matches!(it.act, "revoke" | "approve"),
            });
            if !asks {
                self.is_wrong(format!("{finding} does not ask for it: {}", step.summary()));
            }
        }
    }

    /// Whether a person has to agree to a step.
    fn needs_consent(&self, step: &Step) -> bool {
        let approve = |act: &str| !matches!(act, "quarantine" | "revoke");
        let mut because = step.because.iter().map(|it| self.rules.answer(it.as_str()));
        self.rules.mode == Mode::Approve
            || (!step.because.is_empty() && because.all(|it| it.is_none_or(|it| approve(it.act))))
    }

    /// Nothing is taken but from a partner's, who is not protected, and not what is allowed.
    fn is_from_the_right_one(&mut self, tenant: usize, call: &Call, step: &Step) {
        let principal = if let Call::Sessions(id) | Call::Account(id) | Call::App(id) = call {
            Some(id.clone())
        } else {
            step.grant().map(|grant| grant.principal.clone())
        };
        let Some(holder) = principal.and_then(|id| holder_of(tenant, &id)) else {
            return self.is_wrong(format!("done to nobody: {call:?}"));
        };
        let (name, whose) = (HOLDERS[holder].name, HOLDERS[holder].whose);
        if !matches!(whose, Whose::Partner(_) | Whose::Stranger) {
            self.is_wrong(format!("done to {name}, who is {whose:?}"));
        }
        if partner_of(whose) != step.partner.id {
            self.is_wrong(format!("{name} is laid to {}", step.partner.name));
        }
        if self.rules.protects(holder) {
            self.is_wrong(format!("done to {name}, who is protected"));
        }
        let Some(grant) = step.grant() else {
            // What accompanies others comes after them.
            let begun = self.intended.get(&step.id).is_some_and(|it| it.again);
            if !begun && !self.asked_from.contains(&(tenant, id_of(tenant, holder))) {
                self.is_wrong(format!("nothing was taken from {name} before: {call:?}"));
            }
            return;
        };
        self.asked_from.insert((tenant, grant.principal.clone()));
        if let Call::Assignment(id) = call {
            let mut held = self.places[tenant].state.assignments.iter();
            if held.any(|it| it.id == *id && it.principal_id != grant.principal) {
                self.is_wrong(format!("{} is somebody else's", id.0));
            }
        }
        for group in groups(grant) {
            let protected = holder_of(tenant, group).is_some_and(|it| self.rules.protects(it));
            if protected {
                self.is_wrong(format!("{name} is taken out of a protected group"));
            }
        }
        let role = (0..super::cast::ROLES.len()).find(|n| role_id(*n) == grant.role.definition_id);
        let may = role.is_some_and(|role| match whose {
            Whose::Partner(partner) => self.rules.allows(tenant, partner, role, self.now),
            Whose::Stranger => self.rules.unlisted.contains(&role),
            Whose::Own | Whose::Support | Whose::Ours | Whose::Nobody => false,
        });
        if may {
            self.is_wrong(format!("{name} may hold {}", grant.role.name));
        }
    }

    /// A quarantine is for a partner's people, and leaves out whoever is protected.
    fn is_for_the_right_ones(
        &mut self,
        tenant: usize,
        partner: Option<PartnerId>,
        leaves_out: &BTreeSet<PrincipalId>,
    ) {
        let may = [Whose::Partner(0), Whose::Partner(1), Whose::Stranger];
        if !may.iter().any(|whose| partner_of(*whose) == partner) {
            self.is_wrong(format!("{partner:?} is kept out"));
        }
        for holder in PROTECTABLE {
            let is_its = partner_of(HOLDERS[holder].whose) == partner;
            if self.rules.protects(holder) && is_its && !leaves_out.contains(&id_of(tenant, holder))
            {
                self.is_wrong(format!("{} is protected and kept out", HOLDERS[holder].name));
            }
        }
    }

    /// Graph refuses a call.
    pub(super) fn refuses(&mut self, tenant: usize) {
        if let Some(it) = self.under_way.as_ref().and_then(|id| self.intended.get(id)) {
            self.refused.insert((tenant, it.step.partner.key()));
        }
    }

    /// A call takes effect.
    pub(super) fn takes_effect(&mut self, tenant: usize, call: &Call) {
        let step = self.under_way.as_ref().and_then(|id| self.intended.get(id));
        let Some(Intended { step, .. }) = step.cloned() else { return };
        let takes_administrator = call.takes_administrator(&self.places[tenant].state);
        if takes_administrator && !self.keeps_an_administrator(tenant) {
            self.is_wrong("nobody of the tenant's own is Global Administrator".to_owned());
        }
        let (now, call) = (self.now, call.clone());
        let gone: Vec<Gone> = self.change(tenant, |state| call.take(tenant, state, now));
        if gone.is_empty() {
            self.reach("it was so already");
            return;
        }
        self.places[tenant].gone.extend(gone);
        if let Some(grant) = step.grant() {
            self.taken_from.insert((tenant, grant.principal.clone()));
        }
        self.reach(format!("did {}", step.remediation.as_str()));
        self.is_within_the_limit(tenant, &step.id);
    }

    /// Never more is done than the policy lets be done within its window.
    fn is_within_the_limit(&mut self, tenant: usize, step: &StepId) {
        let (now, since) = (self.now, self.now - minutes(self.rules.per));
        let acted = &mut self.places[tenant].acted;
        acted.push((now, step.clone()));
        let within = acted.iter().filter(|(at, _)| *at > since).map(|(_, step)| step);
        let within = within.collect::<BTreeSet<_>>().len();
        if within > usize::try_from(self.rules.limit).unwrap() {
            self.is_wrong(format!("{within} were done within {} min", self.rules.per));
        }
    }

    /// Whether somebody of the tenant's own is Global Administrator, or was when that was read last.
    fn keeps_an_administrator(&self, tenant: usize) -> bool {
        let place = &self.places[tenant];
        place.state.is_administrator(&id_of(tenant, MEGAN)) || place.read_administrator
    }
}

/// The groups by which something is held.
fn groups(grant: &Grant) -> Vec<&PrincipalId> {
    match &grant.held {
        Held::ThroughGroup { group, within, .. } => {
            within.iter().map(|it| &it.group).chain([group]).collect()
        }
        Held::Eligible { .. }
        | Held::Scheduled { .. }
        | Held::AppRole { .. }
        | Held::Assignment { .. } => Vec::new(),
    }
}
