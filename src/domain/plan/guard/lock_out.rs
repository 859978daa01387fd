//! Nobody loses Global Administrator unless somebody of the tenant's own was seen to hold it.

use super::{Administrators, Asked};
use crate::domain::grant::{Grant, Role, grants};
use crate::domain::plan::{Remediation, Target};
use crate::domain::role;

/// It could lock the tenant out.
pub(super) fn lock_out(asked: &Asked<'_>) -> Option<String> {
    let unread = match asked.administrators {
        Administrators::Seen => return None,
        Administrators::NotSeen => false,
        Administrators::Unread => true,
    };
    if !takes_global_administrator(asked) {
        return None;
    }
    Some(if unread {
        "it could not be read who of the tenant's own people holds Global Administrator, so this \
         could lock the tenant out"
            .to_owned()
    } else {
        "no user of the tenant's own was seen to hold Global Administrator, so this could lock the \
         tenant out; give the role to one of its own people first"
            .to_owned()
    })
}

/// Whether somebody can be Global Administrator of the tenant no more once it is done.
fn takes_global_administrator(asked: &Asked<'_>) -> bool {
    let is_it = |grant: &Grant| grant.role.template_id == Some(role::GLOBAL_ADMINISTRATOR);
    let any = |of: &dyn Fn(&Grant) -> bool| {
        let held = grants(asked.facts, asked.about.tenant);
        held.iter().any(|grant| is_it(grant) && of(grant))
    };
    match (&asked.wanted.target, asked.wanted.remediation) {
        (Target::Grant(grant), _) => {
            let is_that = |role: &Role| role.template_id == Some(role::GLOBAL_ADMINISTRATOR);
            is_it(grant) || grant.held.also().iter().any(is_that)
        }
        // Whoever signs in anew is what they were, and what a partner holds over its customers is no
        // role in its own tenant.
        (Target::Principal { .. }, Remediation::RevokeSessions)
        | (Target::Relationship { .. } | Target::AccessAssignment { .. }, _) => false,
        (Target::Principal { principal, .. }, _) => any(&|grant| grant.principal == *principal),
        (Target::Partner, _) => any(&|grant| grant.partner.id == asked.wanted.partner.id),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        access_assignment, check, guest, principal, relationship, whole_partner,
    };
    use super::*;
    use crate::domain::facts::{GapCause, Part};
    use crate::domain::finding::testing::{Case, STRANGER};
    use crate::domain::grant::PrincipalKind;
    use crate::domain::id::PrincipalId;

    const NOBODY: Option<&str> = Some("no user of the tenant's own was seen");
    const UNREAD: Option<&str> = Some("it could not be read who");

    /// Every way to take Global Administrator from a guest who holds it in this tenant.
    fn ways(case: &Case) -> Vec<super::super::testing::Question> {
        let case = case.clone().guest("Al", "al@contoso-reseller.example", "Global Administrator");
        let held = case.facts.assignments.last().unwrap().clone();
        let mut by_grant = guest();
        by_grant.grant().role.template_id = Some(role::GLOBAL_ADMINISTRATOR);
        let mut disabled = principal(PrincipalKind::Guest);
        if let Target::Principal { principal, .. } = &mut disabled.wanted.target {
            *principal = held.principal_id;
        }
        let ways = [by_grant, disabled, whole_partner()];
        ways.into_iter()
            .map(|mut it| {
                (it.facts, it.policy) = (case.facts.clone(), case.policy());
                it
            })
            .collect()
    }

    #[track_caller]
    fn check_all(case: &Case, expect: Option<&str>) {
        for it in ways(case) {
            check(lock_out, &it, expect);
        }
    }

    #[test]
    fn the_last_global_administrator_stays_by_whatever_way_it_would_go() {
        check_all(&Case::new(), NOBODY);
        check_all(&Case::new().member("Megan", "Global Administrator"), None);
        check_all(&Case::new().member("Megan", "User Administrator"), NOBODY);
        check_all(&Case::new().own_group("Admins", "Global Administrator"), NOBODY);
        check_all(&Case::new().own_app("Ours", "Global Administrator"), NOBODY);
        let given = Case::new().dedicated_account("svc@woodgrove.example", "Global Administrator");
        check_all(&given, NOBODY);
        let guest = Case::new().guest("Bob", "bob@customer.example", "Global Administrator");
        check_all(&guest, NOBODY);
    }

    #[test]
    fn an_administrator_who_cannot_sign_in_or_only_somewhere_is_none() {
        let mut off = Case::new().member("Megan", "Global Administrator");
        for object in off.facts.objects.values_mut() {
            if let crate::domain::facts::DirectoryObject::User(user) = object {
                user.account_enabled = Some(false);
            }
        }
        check_all(&off, NOBODY);
        let mut scoped = Case::new().member("Megan", "Global Administrator");
        scoped.facts.assignments[0].directory_scope_id = "/administrativeUnits/x".to_owned();
        check_all(&scoped, NOBODY);
    }

    #[test]
    fn what_was_not_read_counts_as_nobody() {
        for part in [Part::RoleAssignments, Part::Principals, Part::Guests] {
            check_all(&Case::new().gap(part, GapCause::Denied), UNREAD);
        }
        let megan = || Case::new().member("Megan", "Global Administrator");
        check_all(&megan().gap(Part::RoleAssignments, GapCause::Unavailable), None);
        // Somebody's guest may look like one of the tenant's own.
        check_all(&megan().gap(Part::Guests, GapCause::Unavailable), UNREAD);
        check_all(&Case::new().gap(Part::PartnerEntries, GapCause::Denied), NOBODY);
    }

    #[test]
    fn other_roles_and_new_sign_ins_lock_nobody_out() {
        check(lock_out, &guest(), None);
        check(lock_out, &principal(PrincipalKind::Guest), None);
        check(lock_out, &whole_partner(), None);
        check(lock_out, &relationship(), None);
        check(lock_out, &access_assignment(), None);
        let sessions = ways(&Case::new()).into_iter().nth(1);
        let mut sessions = sessions.unwrap();
        sessions.wanted.remediation = Remediation::RevokeSessions;
        check(lock_out, &sessions, None);
    }

    #[test]
    fn whoever_holds_another_role_or_nothing_locks_nobody_out() {
        let case = Case::new()
            .guest("Al", "al@contoso-reseller.example", "Global Administrator")
            .guest("Bob", "bob@contoso-reseller.example", "Reports Reader")
            .stranger_group("Strangers", "Reports Reader");
        let held = |number: usize| case.facts.assignments[number].principal_id.clone();
        let in_case = |mut it: super::super::testing::Question| {
            (it.facts, it.policy) = (case.facts.clone(), case.policy());
            it
        };
        let disabled = |id: PrincipalId| {
            let mut it = principal(PrincipalKind::Guest);
            if let Target::Principal { principal, .. } = &mut it.wanted.target {
                *principal = id;
            }
            in_case(it)
        };
        check(lock_out, &disabled(held(0)), NOBODY);
        check(lock_out, &disabled(held(1)), None);
        check(lock_out, &disabled(PrincipalId::new("holds nothing")), None);
        check(lock_out, &in_case(whole_partner()), NOBODY);
        check(lock_out, &in_case(whole_partner().of(STRANGER.parse().unwrap())), None);
    }
}
