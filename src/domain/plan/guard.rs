//! What holds a step back, and what was done about it before.

use jiff::SignedDuration;

use super::wanted::{Known, Wanted};
use super::{Circumstances, History, PastStep, Remediation, Step, StepState, Target, Verdict};
use crate::domain::facts::{Facts, Part};
use crate::domain::grant::{PrincipalKind, keeps_a_global_administrator};
use crate::domain::id::{PartnerId, PrincipalId, Sha256Hex, StepId};
use crate::domain::policy::{Do, Mode};
use crate::domain::role;

/// What this version carries out; all else is held back.
const CARRIED_OUT: &[Remediation] = &[Remediation::RevokeRoleAssignment];

/// What Microsoft refused for a partner's group is tried again after this time: the permission may
/// have been missing.
const REFUSED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// How often access that keeps coming back is taken away before a person has to see to it.
const EPISODES_MAX: u32 = 3;

/// Decides about each thing wanted, one after another.
pub(super) struct Guard<'a> {
    about: Circumstances<'a>,
    keeps_global_administrator: bool,
    knows_own_administrators: bool,
    revocations: u32,
}

impl<'a> Guard<'a> {
    pub(super) fn new(facts: &Facts, about: Circumstances<'a>) -> Self {
        Self {
            about,
            keeps_global_administrator: keeps_a_global_administrator(facts, about.tenant),
            knows_own_administrators: !facts
                .gaps
                .iter()
                .any(|gap| matches!(gap.part, Part::RoleAssignments | Part::Principals)),
            revocations: about.history.revocations + outcome_unknown(about.history),
        }
    }

    /// The step that comes of what is wanted.
    pub(super) fn step(&mut self, wanted: Wanted) -> Step {
        let key = wanted.key();
        let past = self.about.history.steps.get(&key).copied();
        let episode = wanted.episode.unwrap_or(match past {
            Some(PastStep {
                episode, state: StepState::Verified | StepState::Restored, ..
            }) => episode + 1,
            Some(PastStep { episode, .. }) => episode,
            None => 0,
        });
        let past = past.filter(|past| past.episode == episode);
        // One that was begun before is counted already.
        let begun = u32::from(past.is_some_and(|past| past.state == StepState::Intended));
        self.revocations = self.revocations.saturating_sub(begun);
        let verdict = self.verdict(&wanted, episode, past);
        self.revocations += begun.max(u32::from(verdict == Verdict::CarryOut));
        let Wanted { partner, remediation, target, because, answers, .. } = wanted;
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
            approval: None,
        }
    }

    fn verdict(&self, wanted: &Wanted, episode: u32, past: Option<PastStep>) -> Verdict {
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
            // look. What is refused for other principals may work with the next.
            Some(StepState::Refused)
                if kind(&wanted.target) == Some(PrincipalKind::ForeignGroup)
                    && past.is_some_and(|p| self.about.now < p.at + REFUSED_AGAIN_AFTER) =>
            {
                return Verdict::Already(StepState::Refused);
            }
            _ => {}
        }
        match self.holds_back(wanted, episode) {
            Some(reason) => Verdict::Held(reason),
            None if wanted.act == Do::Approve || self.about.policy.mode == Mode::Approve => {
                Verdict::AwaitApproval
            }
            None => Verdict::CarryOut,
        }
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
        let guardrails = &self.about.policy.guardrails;
        let partner = wanted.partner.id;
        if kind(&wanted.target) == Some(PrincipalKind::Unclassified) {
            Some("it is not known whose this principal is".to_owned())
        } else if !CARRIED_OUT.contains(&wanted.remediation) {
            Some("only role assignments are taken away by this version; do it by hand".to_owned())
        } else if is_with_a_customer(&wanted.target) && partner.is_none() {
            Some("it is not told which customer the relationship is with".to_owned())
        } else if is_with_a_customer(&wanted.target)
            && partner.is_some_and(|id| id.tenant() == self.about.tenant.id)
        {
            Some("the relationship is with this tenant itself".to_owned())
        } else if partner.is_none_or(|id| id.tenant() == self.about.tenant.id) {
            Some("this principal is the tenant's own".to_owned())
        } else if let Known::Unfit(why) = &wanted.known {
            Some(why.clone())
        } else if self.is_own_app(&wanted.target) {
            Some("this is the application Partner Warden itself signs in with".to_owned())
        } else if self.is_protected(&wanted.target) {
            Some("the account is protected by the policy (guardrails.protected)".to_owned())
        } else if let Some(what) = self.is_protected_relationship(wanted) {
            Some(format!("{what} is protected by the policy (guardrails.protected)"))
        } else if partner == Some(PartnerId::MICROSOFT_SUPPORT) {
            Some("this is Microsoft Support; close the support case instead".to_owned())
        } else if self.would_lock_out(&wanted.target) && !self.knows_own_administrators {
            Some(
                "it could not be read who of the tenant's own people holds Global Administrator, \
                 so this could lock the tenant out"
                    .to_owned(),
            )
        } else if self.would_lock_out(&wanted.target) {
            Some(
                "no user of the tenant's own was seen to hold Global Administrator, so this could \
                 lock the tenant out; give the role to one of its own people first"
                    .to_owned(),
            )
        } else if episode >= EPISODES_MAX {
            Some(format!("it was taken away {episode} times and came back each time"))
        } else if self.revocations >= guardrails.max_revocations {
            Some(format!(
                "{} revocations within {:#} are the most the policy allows \
                 (guardrails.maxRevocations)",
                guardrails.max_revocations, guardrails.per
            ))
        } else {
            None
        }
    }

    fn is_own_app(&self, target: &Target) -> bool {
        let app_id = match target {
            Target::Grant(grant) => grant.app_id.as_ref(),
            Target::Principal { app_id, .. } => app_id.as_ref(),
            Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => None,
        };
        app_id.is_some_and(|id| self.about.own_apps.iter().any(|own| own.eq_ignore_ascii_case(id)))
    }

    fn is_protected(&self, target: &Target) -> bool {
        let (principal, upn) = match target {
            Target::Grant(grant) => (&grant.principal, grant.user_principal_name.as_deref()),
            Target::Principal { principal, user_principal_name, .. } => {
                (principal, user_principal_name.as_deref())
            }
            Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => {
                return false;
            }
        };
        let protected = &self.about.policy.guardrails.protected;
        protected.iter().any(|account| account.means(principal, upn))
    }

    /// What of a relationship the policy protects, by id: the relationship, its customer, or the
    /// group that has access by it.
    fn is_protected_relationship(&self, wanted: &Wanted) -> Option<&'static str> {
        let (relationship, group) = match &wanted.target {
            Target::Relationship { relationship, .. } => (relationship, None),
            Target::AccessAssignment { relationship, group, .. } => (relationship, Some(group)),
            Target::Grant(_) | Target::Principal { .. } | Target::Partner => return None,
        };
        let protected = &self.about.policy.guardrails.protected;
        let names = |id: &PrincipalId| protected.iter().any(|it| it.means(id, None));
        let customer = wanted.partner.id.map(|id| PrincipalId::new(&id.to_string()));
        if names(&PrincipalId::new(relationship)) {
            Some("the relationship")
        } else if customer.as_ref().is_some_and(names) {
            Some("the customer")
        } else if group.is_some_and(names) {
            Some("the group")
        } else {
            None
        }
    }

    fn would_lock_out(&self, target: &Target) -> bool {
        let Target::Grant(grant) = target else { return false };
        grant.role.template_id == Some(role::GLOBAL_ADMINISTRATOR)
            && !self.keeps_global_administrator
    }
}

/// Whether it is done to a partner's relationship with a customer.
fn is_with_a_customer(target: &Target) -> bool {
    match target {
        Target::Relationship { .. } | Target::AccessAssignment { .. } => true,
        Target::Grant(_) | Target::Principal { .. } | Target::Partner => false,
    }
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
