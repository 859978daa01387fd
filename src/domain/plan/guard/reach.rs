//! Nothing is begun that no call can bring about.

use super::Asked;
use crate::domain::grant::{Held, KeptBy};
use crate::domain::plan::Target;
use crate::domain::plan::wanted::Known;

/// The facts say that it cannot be done.
pub(super) fn unfit(asked: &Asked<'_>) -> Option<String> {
    match &asked.wanted.known {
        Known::Unfit(why) => Some(why.clone()),
        Known::Open | Known::Met => None,
    }
}

/// Why there is no call that would take a grant away, and what to do instead.
pub(super) fn out_of_reach(asked: &Asked<'_>) -> Option<String> {
    let Target::Grant(grant) = &asked.wanted.target else { return None };
    match &grant.held {
        Held::Eligible { derived: true, .. } | Held::Scheduled { derived: true, .. } => Some(
            "it is held by a group, or for a wider scope, that was not seen; take it away there"
                .to_owned(),
        ),
        Held::ThroughGroup { within, group_name, .. } if within.is_empty() => Some(format!(
            "it could not be read by which of the groups within {group_name} this principal is \
             in it; do it by hand"
        )),
        Held::ThroughGroup { within, .. } => within.iter().find_map(|within| {
            let name = &within.group_name;
            Some(match within.kept_by? {
                KeptBy::Rule => format!(
                    "a rule says who is in {name} (dynamic membership), so nobody can be taken \
                     out of it; change the rule or the account's properties"
                ),
                KeptBy::OnPremises => format!(
                    "who is in {name} is kept by a directory on premises; take this principal \
                     out of it there"
                ),
            })
        }),
        Held::Eligible { .. }
        | Held::Scheduled { .. }
        | Held::AppRole { .. }
        | Held::Assignment { .. } => None,
    }
}
