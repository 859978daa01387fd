//! A partner to be kept out by conditional access: because the policy says so of what was found, or
//! because Microsoft refused to take a grant away. One step for each partner.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use super::{Known, Wanted};
use crate::domain::conditional_access::quarantine::Quarantine;
use crate::domain::facts::{Facts, GivenAccount, Part};
use crate::domain::finding::{Finding, may_stand};
use crate::domain::id::PrincipalId;
use crate::domain::plan::{Circumstances, PastStep, Remediation, StepState, Target};
use crate::domain::policy::{Do, Mode};
use crate::domain::roster::{AccountName, AffectedPartner, Attribution, Side};

pub(super) fn wanted(
    partner: &AffectedPartner,
    findings: &[Finding],
    facts: &Facts,
    about: Circumstances<'_>,
) -> Option<Wanted> {
    if about.tenant.side != Side::Customer || partner.id.is_none() {
        return None;
    }
    let mut wanted: Option<Wanted> = None;
    for finding in findings {
        let Some(act) = asks(finding, about) else { continue };
        let wanted = wanted.get_or_insert_with(|| {
            Wanted::new(partner, Remediation::Quarantine, Target::Partner, act)
        });
        wanted.asked_by(finding.finding, act);
    }
    let mut wanted = wanted?;
    let leaves_out = leaves_out(partner, facts, about);
    let in_force = about.policy.mode == Mode::Enforce;
    let known = leaves_out.as_ref().cloned().unwrap_or_default();
    let quarantine = Quarantine::new(about.tenant.id, partner, known, in_force)?;
    let past = about.history.steps.get(&wanted.key()).copied();
    let read = !facts.gaps.iter().any(|gap| gap.part == Part::ConditionalAccess);
    let found = quarantine.found_in(&facts.conditional_access);
    let is_met = found.is_some_and(|policy| quarantine.is_met_by(policy));
    let unfit = leaves_out.err().or_else(|| {
        let shortcoming = quarantine.shortcoming_of(&quarantine.document());
        shortcoming.map(|why| format!("the policy to be made does not fit: {why}"))
    });
    wanted.episode = episode(past, is_met, read);
    wanted.known = match unfit {
        _ if is_met => Known::Met,
        Some(why) => Known::Unfit(why),
        None => Known::Open,
    };
    wanted.quarantine = Some(Box::new(quarantine));
    Some(wanted)
}

/// By which response a finding asks for it, if it does.
fn asks(finding: &Finding, about: Circumstances<'_>) -> Option<Do> {
    let Circumstances { policy, tenant, history, now, .. } = about;
    let response = policy.response(finding.finding, finding.severity);
    // Who is told of for being there at all still keeps what is allowed.
    let stands = finding.grant.as_ref().is_some_and(|it| may_stand(it, tenant, policy, now));
    if !finding.certain || stands {
        return None;
    }
    match response.act {
        Do::Quarantine => Some(Do::Quarantine),
        act @ (Do::Approve | Do::Revoke) if response.quarantine_if_refused => {
            let past = finding.grant.as_ref().and_then(|it| history.steps.get(&it.key()));
            past.is_some_and(|past| past.state == StepState::Refused).then_some(act)
        }
        Do::Approve | Do::Revoke | Do::Ignore | Do::Record | Do::Ticket => None,
    }
}

/// Which episode it is. One that was made and is seen not to be there as it should be is made
/// anew; where that could not be read, it is taken to be there still.
fn episode(past: Option<PastStep>, is_met: bool, read: bool) -> Option<u32> {
    let past = past?;
    let made = matches!(
        past.state,
        StepState::Verified | StepState::Reappeared | StepState::Unverified | StepState::Restored
    );
    let again = made && !is_met && (read || past.state == StepState::Restored);
    Some(if again { past.episode + 1 } else { past.episode })
}

/// The object ids of the protected accounts, or why they are not all known.
///
/// An account that does not exist in this tenant cannot be kept out. It may be another tenant's,
/// where the policy guards several; but if there is but one, or if it bears a domain of this tenant
/// or of this partner, its name was meant to protect somebody here and protects nobody: the account
/// may be called otherwise now, and would be kept out.
fn leaves_out(
    partner: &AffectedPartner,
    facts: &Facts,
    about: Circumstances<'_>,
) -> Result<BTreeSet<PrincipalId>, String> {
    let attribution = Attribution::of(about.tenant);
    let alone = about.policy.roster.tenants.len() == 1;
    let domains = LazyCell::new(|| facts.domains());
    let is_for_here = |name: &AccountName| {
        let Some((_, domain)) = name.as_str().rsplit_once('@') else { return false };
        let owner = attribution.of_domain(domain);
        owner.is_some_and(|owner| Some(owner.id) == partner.id) || domains.contains(domain)
    };
    let mut ids = BTreeSet::new();
    for name in about.policy.guardrails.protected_accounts() {
        match facts.protected.get(name.as_str()) {
            Some(GivenAccount::Present { id, .. }) => {
                ids.insert(id.clone());
            }
            Some(GivenAccount::Missing) if alone || is_for_here(name) => {
                return Err(format!(
                    "`{}` is protected by the policy (guardrails.protected), and there is no such \
                     account to be left out; mend its name",
                    name.as_str()
                ));
            }
            Some(GivenAccount::Missing) => {}
            None => {
                return Err(format!(
                    "it could not be read which account `{}` is, which is protected by the policy \
                     (guardrails.protected) and has to be left out",
                    name.as_str()
                ));
            }
        }
    }
    Ok(ids)
}
