//! What holds a step back, and what was done about it before.

mod limits;
mod lock_out;
mod pause;
mod protected;
mod reach;
#[cfg(test)]
mod testing;
mod whose;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::wanted::{Known, Wanted};
use super::{
    Circumstances, History, PastStep, Remediation, Step, StepState, Target, Verdict, gate,
};
use crate::domain::facts::{Facts, Part};
use crate::domain::grant::{Grant, PrincipalKind, keeps_a_global_administrator};
use crate::domain::id::{Sha256Hex, SinkName, StepId};
use crate::domain::policy::{Do, Mode};

/// What Microsoft refused for a partner's group is tried again after this time: the permission may
/// have been missing.
const REFUSED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Decides about each thing wanted, one after another.
pub(super) struct Guard<'a> {
    about: Circumstances<'a>,
    facts: &'a Facts,
    administrators: Administrators,
    domains: OnceCell<BTreeSet<String>>,
    revocations: u32,
    held_by_limit: u32,
    /// The sink whose ticket has to be there before anything is written about the case at hand.
    gate: Option<SinkName>,
    /// How many steps were held back by what passes.
    waiting: u32,
    /// What was decided so far, by the keys of the steps.
    decided: BTreeMap<Sha256Hex, Decided>,
}

/// What was decided about a step that others may go with.
struct Decided {
    episode: u32,
    /// Whether nothing was done about it yet.
    is_new: bool,
    verdict: Verdict,
}

impl<'a> Guard<'a> {
    pub(super) fn new(facts: &'a Facts, about: Circumstances<'a>) -> Self {
        let revocations = about.history.revocations + outcome_unknown(about.history);
        let administrators = Administrators::of(facts, about);
        let decided = BTreeMap::new();
        Self {
            about,
            facts,
            administrators,
            domains: OnceCell::new(),
            revocations,
            held_by_limit: 0,
            gate: None,
            waiting: 0,
            decided,
        }
    }

    /// What comes next is about a case before which this gate is shut.
    pub(super) fn behind(&mut self, gate: Option<SinkName>) {
        self.gate = gate;
    }

    /// How many steps were held back only because too much was done already.
    pub(super) fn held_by_limit(&self) -> u32 {
        self.held_by_limit
    }

    /// The step that comes of what is wanted.
    pub(super) fn step(&mut self, wanted: Wanted) -> Step {
        let key = wanted.key();
        let past = self.about.history.steps.get(&key).copied();
        let likeness = wanted.target.grant().map(Grant::likeness);
        let alike = likeness.and_then(|it| self.about.history.alike.get(&it).copied());
        let episode = self.episode_with(&wanted, past).or(wanted.episode);
        let episode = episode.unwrap_or_else(|| own_episode(past, alike));
        let past = past.filter(|past| past.episode == episode);
        // One that was begun before is counted already.
        let begun = u32::from(past.is_some_and(|past| past.state == StepState::Intended));
        self.revocations = self.revocations.saturating_sub(begun);
        let waiting = self.waiting;
        let verdict = self.verdict(&wanted, episode, past);
        let waits = self.waiting > waiting;
        self.revocations += begun.max(u32::from(verdict == Verdict::CarryOut));
        let (is_new, decided) = (past.is_none(), verdict.clone());
        self.decided.insert(key.clone(), Decided { episode, is_new, verdict: decided });
        let Wanted { partner, remediation, target, because, answers, quarantine, .. } = wanted;
        let since = (remediation == Remediation::RevokeSessions).then_some(self.about.now);
        let id = self.step_id(&partner.key(), &key, remediation, episode);
        Step {
            id,
            episode,
            partner,
            remediation,
            target,
            because,
            answers,
            verdict,
            quarantine,
            since,
            approval: None,
            waits,
        }
    }

    /// The episode of a step that goes with others: as late as theirs, and one of its own for each
    /// time that anything is taken away anew.
    fn episode_with(&self, wanted: &Wanted, past: Option<PastStep>) -> Option<u32> {
        let others = || wanted.goes_with.iter().filter_map(|key| self.decided.get(key));
        let latest = others().map(|other| other.episode).max()?;
        Some(match past {
            Some(past) if past.state != StepState::Intended && others().any(|it| it.is_new) => {
                latest.max(past.episode + 1)
            }
            Some(past) => latest.max(past.episode),
            None => latest,
        })
    }

    /// Why a step that goes with others has to wait with all of them.
    fn waits_with(&self, wanted: &Wanted) -> Option<Verdict> {
        let others = || wanted.goes_with.iter().filter_map(|key| self.decided.get(key));
        let mut held = None;
        for other in others() {
            match &other.verdict {
                Verdict::CarryOut | Verdict::Already(_) => return None,
                Verdict::AwaitApproval => held = Some(Verdict::AwaitApproval),
                Verdict::Held(reason) => {
                    let reason = format!("it goes with a step that is held back: {reason}");
                    held = held.or(Some(Verdict::Held(reason)));
                }
            }
        }
        held
    }

    fn verdict(&mut self, wanted: &Wanted, episode: u32, past: Option<PastStep>) -> Verdict {
        if wanted.known == Known::Met {
            return Verdict::Already(StepState::Verified);
        }
        match past.map(|past| past.state) {
            Some(
                state @ (StepState::Revoked
                | StepState::Verified
                | StepState::Reappeared
                | StepState::Unverified),
            ) => {
                return Verdict::Already(state);
            }
            // Whether a customer may delete it is not documented, so it is not tried at every
            // look, nor are people asked about it at every look. What is refused for other
            // principals may work with the next.
            Some(StepState::Refused)
                if past.is_some_and(|p| {
                    (p.approved || kind(&wanted.target) == Some(PrincipalKind::ForeignGroup))
                        && self.about.now < p.at + REFUSED_AGAIN_AFTER
                }) =>
            {
                return Verdict::Already(StepState::Refused);
            }
            _ => {}
        }
        let asks = wanted.act == Do::Approve || self.about.policy.mode == Mode::Approve;
        let waits = self.waits_with(wanted);
        if let Some(Verdict::Held(reason)) = waits {
            return Verdict::Held(reason);
        }
        // A question outlasts what passes from one minute to the next, which is asked of it later.
        let held = match self.holds_back(wanted, episode) {
            None if !asks => self.passing(),
            held => held,
        };
        match held.map(Verdict::Held).or(waits) {
            Some(verdict) => verdict,
            None if asks => Verdict::AwaitApproval,
            None => Verdict::CarryOut,
        }
    }

    /// Decides about a step that waited for a person, who has agreed: what may change from one
    /// minute to the next is asked now.
    pub(super) fn allow(&mut self, step: &mut Step) {
        let past = self.about.history.steps.get(&step.key());
        let begun = past
            .is_some_and(|past| past.episode == step.episode && past.state == StepState::Intended);
        // One that was begun before is counted already.
        self.revocations = self.revocations.saturating_sub(u32::from(begun));
        let held = self.passing();
        step.waits = held.is_some();
        step.verdict = held.map_or(Verdict::CarryOut, Verdict::Held);
        self.revocations += u32::from(begun || step.verdict == Verdict::CarryOut);
    }

    /// What holds everything back that would be done at this moment, in words.
    fn passing(&mut self) -> Option<String> {
        if let Some(reason) = pause::stopped(self.about) {
            self.waiting += 1;
            return Some(reason);
        }
        if let Some(sink) = &self.gate {
            self.waiting += 1;
            return Some(gate::holds(sink));
        }
        // Last of all, so that what it alone holds back is known.
        let too_many = limits::too_many(self.about, self.revocations)?;
        self.waiting += 1;
        self.held_by_limit += 1;
        Some(too_many)
    }

    fn step_id(
        &self,
        partner: &str,
        key: &Sha256Hex,
        remediation: Remediation,
        episode: u32,
    ) -> StepId {
        StepId(Sha256Hex::of_fields(&[
            &self.about.tenant.id.to_string(),
            partner,
            key.as_str(),
            remediation.as_str(),
            &episode.to_string(),
        ]))
    }

    /// The guardrail that forbids what is wanted, in words.
    fn holds_back(&self, wanted: &Wanted, episode: u32) -> Option<String> {
        let Self { about, facts, administrators, ref domains, .. } = *self;
        let asked = Asked { about, facts, wanted, administrators, domains, episode };
        GUARDRAILS.iter().find_map(|guardrail| guardrail(&asked))
    }
}

/// Everything that may hold a step back, beside the stop switch and how much was done already. The
/// first that does is told: what stays as it is comes before what passes.
const GUARDRAILS: [Guardrail; 14] = [
    whose::unknown,
    whose::with_nobody,
    whose::own,
    reach::unfit,
    whose::own_group,
    whose::own_app,
    protected::protected,
    protected::relationship,
    protected::renamed,
    whose::microsoft_support,
    lock_out::lock_out,
    reach::out_of_reach,
    limits::comes_back,
    pause::planned_change,
];

/// Says in words why a step is held back, if it is.
type Guardrail = fn(&Asked<'_>) -> Option<String>;

/// What a guardrail is asked about.
struct Asked<'a> {
    about: Circumstances<'a>,
    facts: &'a Facts,
    wanted: &'a Wanted,
    administrators: Administrators,
    /// The domains of this tenant, once somebody asks for them.
    domains: &'a OnceCell<BTreeSet<String>>,
    /// How often the same was done before and did not last.
    episode: u32,
}

impl Asked<'_> {
    /// What kind of principal it is done to, where it is done to one.
    fn kind(&self) -> Option<PrincipalKind> {
        kind(&self.wanted.target)
    }
}

/// Whether somebody of the tenant's own holds Global Administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Administrators {
    /// Somebody was seen to.
    Seen,
    /// Nobody was, and all was read.
    NotSeen,
    /// Nobody certainly was, and not all was read.
    Unread,
}

impl Administrators {
    fn of(facts: &Facts, about: Circumstances<'_>) -> Self {
        let unread = |part| facts.gaps.iter().any(|gap| gap.part == part);
        // Without the list of guests somebody's guest may look like one of the tenant's own.
        if unread(Part::Guests) {
            Self::Unread
        } else if keeps_a_global_administrator(facts, about.tenant) {
            Self::Seen
        } else if unread(Part::RoleAssignments) || unread(Part::Principals) {
            Self::Unread
        } else {
            Self::NotSeen
        }
    }
}

/// Which episode a step is by its own last one and by the last one that was about the same access. A
/// step that is not over goes on; whatever did not last is done anew, whatever its id is by now.
fn own_episode(own: Option<PastStep>, alike: Option<PastStep>) -> u32 {
    let is_over = |past: &PastStep| matches!(past.state, StepState::Verified | StepState::Restored);
    if let Some(own) = own.filter(|own| !is_over(own)) {
        return own.episode;
    }
    let did_not_last = |past: &PastStep| is_over(past) || past.state == StepState::Reappeared;
    let past = own.into_iter().chain(alike);
    past.map(|past| past.episode + u32::from(did_not_last(&past))).max().unwrap_or(0)
}

/// What kind of principal it is done to, where it is done to one.
fn kind(target: &Target) -> Option<PrincipalKind> {
    match target {
        Target::Grant(grant) => Some(grant.kind),
        Target::Principal { kind, .. } => Some(*kind),
        Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => None,
    }
}

/// How many steps may have been carried out without anybody knowing.
fn outcome_unknown(history: &History) -> u32 {
    let unknown = history.steps.values().filter(|past| past.state == StepState::Intended);
    u32::try_from(unknown.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::testing::{
        Question, RELATIONSHIP, check, first_of_all, group_object, guest, principal, relationship,
    };
    use super::*;
    use crate::domain::facts::GivenAccount;
    use crate::domain::grant::Held;
    use crate::domain::id::{AssignmentId, PartnerId};
    use crate::domain::role::GLOBAL_ADMINISTRATOR;

    fn changed(mut it: Question, change: impl FnOnce(&mut Question)) -> Question {
        change(&mut it);
        it
    }

    /// For each guardrail, in their order, something that none before it holds back.
    fn one_for_each() -> Vec<(Question, &'static str)> {
        let upn = "alice_contoso.example#EXT#@woodgrove.example";
        let during = "guardrails:\n  plannedChanges: [{from: 2026-11-23, until: 2026-11-23, \
                      reason: x}]";
        let eligibility = AssignmentId("eligibility".to_owned());
        vec![
            (principal(PrincipalKind::Unclassified), "it is not known whose"),
            (changed(relationship(), |it| it.wanted.partner.id = None), "which customer"),
            (changed(guest(), |it| it.wanted.partner.id = None), "is the tenant's own"),
            (changed(guest(), |it| it.wanted.known = Known::Unfit("as read".into())), "as read"),
            (
                changed(guest(), |it| {
                    it.facts.objects.insert(it.principal(), group_object());
                }),
                "a group of the tenant's own",
            ),
            (principal(PrincipalKind::App), "may be the one Partner Warden itself"),
            (guest().protecting(upn), "the account is protected"),
            (relationship().protecting(RELATIONSHIP), "the relationship is protected"),
            (
                changed(guest().protecting(upn), |it| {
                    it.facts.protected.insert(upn.to_lowercase(), GivenAccount::Missing);
                    it.grant().user_principal_name = Some("other#EXT#@woodgrove.example".into());
                }),
                "no account answers to",
            ),
            (guest().of(PartnerId::MICROSOFT_SUPPORT), "this is Microsoft Support"),
            (
                changed(guest(), |it| it.grant().role.template_id = Some(GLOBAL_ADMINISTRATOR)),
                "could lock the tenant out",
            ),
            (
                changed(guest(), |it| {
                    it.grant().held = Held::Eligible { eligibility, derived: true };
                }),
                "take it away there",
            ),
            (changed(guest(), |it| it.episode = 3), "3 times and came back each time"),
            (guest().under(during), "a planned change"),
        ]
    }

    #[test]
    fn every_guardrail_is_asked_in_its_turn() {
        assert_eq!(first_of_all(&guest()), None);
        let one_for_each = one_for_each();
        assert_eq!(one_for_each.len(), GUARDRAILS.len());
        for (guardrail, (it, expect)) in GUARDRAILS.into_iter().zip(&one_for_each) {
            check(guardrail, it, Some(expect));
            let first = first_of_all(it);
            assert!(
                first.as_ref().is_some_and(|said| said.contains(expect)),
                "{first:?}: {expect}"
            );
        }
    }
}
