//! Whose the one is by now to whom something is given back.
//!
//! An id never changes, and whoever it names may: an account may be deleted, or taken over by the
//! tenant; an application or a group may come to belong to somebody else.

use super::About;
use crate::domain::facts::Part;
use crate::domain::grant::{Belongs, PrincipalKind, belongs};
use crate::domain::plan::Target;
use crate::domain::roster::AffectedPartner;

/// That the principal is still the partner's, or why nothing is given back to it.
pub(super) fn check(
    target: &Target,
    partner: &AffectedPartner,
    about: About<'_>,
) -> Result<(), String> {
    let (principal, kind, name) = match target {
        Target::Grant(grant) => (&grant.principal, grant.kind, &grant.principal_name),
        Target::Principal { principal, kind, name, .. } => (principal, *kind, name),
        Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => {
            return Ok(());
        }
    };
    let Some(facts) = about.facts else { return Ok(()) };
    let its = &partner.name;
    let tenant = &about.tenant.name;
    let unread = |part| facts.gaps.iter().any(|gap| gap.part == part);
    match belongs(facts, about.tenant, principal) {
        _ if unread(Part::Principals) => {
            Err(format!("it could not be read whose {name} is by now; try again later"))
        }
        // What of another directory holds no role any more need not show in this one.
        Belongs::Nobody if kind == PrincipalKind::ForeignGroup => Ok(()),
        Belongs::Nobody => Err(format!(
            "{name} is not in the directory of {tenant} any more; what was deleted less than 30 \
             days ago can be restored there first, under the same id"
        )),
        Belongs::Unknown => Err(format!(
            "it cannot be told whose {name} is by now; if it is still {its}'s, do it by hand"
        )),
        Belongs::Own => Err(format!(
            "by what the directory and the policy say {name} is not {its}'s any more, but \
             {tenant}'s own; what was taken from a partner is given to nobody else"
        )),
        Belongs::To(now) if partner.id.is_some() && now.id != partner.id => Err(format!(
            "{name} belongs to {} by now, and not to {its}; what was taken from one partner is not \
             given to another",
            now.name
        )),
        Belongs::To(_) => Ok(()),
    }
}
