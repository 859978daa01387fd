//! What accompanies the steps that take grants from a guest or an application: its sessions end, it
//! may not sign in any more. Once for each principal, however many grants it loses.

use indexmap::IndexMap;

use super::{Known, Wanted};
use crate::domain::facts::Facts;
use crate::domain::finding::Finding;
use crate::domain::grant::{Grant, PrincipalKind};
use crate::domain::id::PrincipalId;
use crate::domain::plan::{Circumstances, Remediation, Target, Unfinished};
use crate::domain::policy::{Also, Do};
use crate::domain::roster::AffectedPartner;

/// What accompanies `main`, which are the steps about grants.
pub(super) fn wanted(
    partner: &AffectedPartner,
    main: &[Wanted],
    findings: &[Finding],
    facts: &Facts,
    about: Circumstances<'_>,
) -> Vec<Wanted> {
    let mut wanted: IndexMap<(PrincipalId, Remediation), Wanted> = IndexMap::new();
    for main in main {
        let Target::Grant(grant) = &main.target else { continue };
        let asks = findings.iter().filter(|finding| {
            main.because.contains(&finding.finding)
                && finding.grant.as_ref().is_some_and(|it| it.key() == grant.key())
        });
        for finding in asks {
            let response = about.policy.response(finding.finding, finding.severity);
            let fits = response.also.iter().filter_map(|also| remediation(*also, grant.kind));
            for remediation in fits {
                let key = (grant.principal.clone(), remediation);
                let also = wanted.entry(key).or_insert_with(|| {
                    Wanted::new(partner, remediation, target(grant), response.act)
                });
                also.asked_by(finding.finding, response.act);
                if !also.goes_with.contains(&grant.key()) {
                    also.goes_with.push(grant.key());
                }
            }
        }
    }
    for Unfinished { partner: other, remediation, target, asks } in &about.history.unfinished {
        let Target::Principal { principal, .. } = target else { continue };
        if other.id == partner.id {
            let act = if *asks { Do::Approve } else { Do::Revoke };
            wanted
                .entry((principal.clone(), *remediation))
                .or_insert_with(|| Wanted::new(partner, *remediation, target.clone(), act));
        }
    }
    let mut wanted: Vec<Wanted> = wanted.into_values().collect();
    for also in &mut wanted {
        if is_disabled(also, facts) {
            also.known = Known::Met;
        }
    }
    wanted
}

/// What is to be done to a principal of this kind; nothing where it is not for such.
fn remediation(also: Also, kind: PrincipalKind) -> Option<Remediation> {
    match (also, kind) {
        (Also::RevokeSessions, PrincipalKind::Guest) => Some(Remediation::RevokeSessions),
        (Also::DisableGuest, PrincipalKind::Guest) => Some(Remediation::DisableGuest),
        (Also::DisableApp, PrincipalKind::App) => Some(Remediation::DisableApp),
        (Also::RevokeSessions | Also::DisableGuest | Also::DisableApp, _) => None,
    }
}

fn target(grant: &Grant) -> Target {
    Target::Principal {
        principal: grant.principal.clone(),
        kind: grant.kind,
        name: grant.principal_name.clone(),
        user_principal_name: grant.user_principal_name.clone(),
        app_id: grant.app_id.clone(),
    }
}

/// Whether the guest is disabled already.
fn is_disabled(also: &Wanted, facts: &Facts) -> bool {
    let Target::Principal { principal, .. } = &also.target else { return false };
    let guest = facts.guests.get(principal);
    also.remediation == Remediation::DisableGuest
        && guest.is_some_and(|guest| guest.account_enabled == Some(false))
}
