//! Nothing is done to accounts that the policy protects, nor to any that may be one of them.

use super::Asked;
use crate::domain::facts::{GivenAccount, Part};
use crate::domain::grant::{Held, PrincipalKind};
use crate::domain::id::PrincipalId;
use crate::domain::plan::Target;
use crate::domain::roster::AccountName;

/// The account, or what it is in, is protected by the policy.
pub(super) fn protected(asked: &Asked<'_>) -> Option<String> {
    let (principal, upn) = match &asked.wanted.target {
        Target::Grant(grant) => (&grant.principal, grant.user_principal_name.as_deref()),
        Target::Principal { principal, user_principal_name, .. } => {
            (principal, user_principal_name.as_deref())
        }
        Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => {
            return None;
        }
    };
    let upn = upn.map(str::trim);
    let names = &asked.about.policy.guardrails.protected;
    let found_as = |name: &AccountName| {
        let found = asked.facts.protected.get(name.as_str());
        matches!(found, Some(GivenAccount::Present { id, .. }) if id == principal)
    };
    if names.iter().any(|name| name.means(principal, upn) || found_as(name)) {
        return Some("the account is protected by the policy (guardrails.protected)".to_owned());
    }
    let groups = groups_of(&asked.wanted.target);
    let is_named = |group: &&PrincipalId| names.iter().any(|name| name.means(group, None));
    groups
        .iter()
        .any(is_named)
        .then(|| "the group it is in is protected by the policy (guardrails.protected)".to_owned())
}

/// The relationship, its customer, or the group that has access by it, is protected by the policy.
pub(super) fn relationship(asked: &Asked<'_>) -> Option<String> {
    let (relationship, group) = match &asked.wanted.target {
        Target::Relationship { relationship, .. } => (relationship, None),
        Target::AccessAssignment { relationship, group, .. } => (relationship, Some(group)),
        Target::Grant(_) | Target::Principal { .. } | Target::Partner => return None,
    };
    let protected = &asked.about.policy.guardrails.protected;
    let names = |id: &PrincipalId| protected.iter().any(|it| it.means(id, None));
    let customer = asked.wanted.partner.id.map(|id| PrincipalId::new(&id.to_string()));
    let what = if names(&PrincipalId::new(relationship)) {
        "the relationship"
    } else if customer.as_ref().is_some_and(names) {
        "the customer"
    } else if group.is_some_and(names) {
        "the group"
    } else {
        return None;
    };
    Some(format!("{what} is protected by the policy (guardrails.protected)"))
}

/// A protected account answers to its name no more, and this may be it.
pub(super) fn renamed(asked: &Asked<'_>) -> Option<String> {
    let upn = match &asked.wanted.target {
        Target::Grant(grant) => grant.user_principal_name.as_deref(),
        Target::Principal { user_principal_name, .. } => user_principal_name.as_deref(),
        Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => None,
    };
    let is_account =
        matches!(asked.kind(), Some(PrincipalKind::Guest | PrincipalKind::DedicatedAccount));
    if !is_account {
        return None;
    }
    let unread = asked.facts.gaps.iter().any(|gap| gap.part == Part::Accounts);
    let names = asked.about.policy.guardrails.protected.iter();
    let mut of_it = names.filter(|name| may_be(asked, name, upn));
    of_it.find_map(|name| match asked.facts.protected.get(name.as_str()) {
        Some(GivenAccount::Missing) => Some(format!(
            "no account answers to {} any more, which the policy protects: this may be it under \
             another name; mend guardrails.protected (an object id never changes)",
            name.as_str()
        )),
        None if unread => Some(format!(
            "it could not be read whether {}, which the policy protects, is still called so: this \
             may be it under another name",
            name.as_str()
        )),
        Some(GivenAccount::Present { .. }) | None => None,
    })
}

/// Whether a protected account can have become one with this user principal name: it is of this
/// tenant, and of the same sort.
fn may_be(asked: &Asked<'_>, name: &AccountName, upn: Option<&str>) -> bool {
    // An object id cannot be changed, and does not say whose it is.
    let Some((local, domain)) = name.as_str().rsplit_once('@') else { return false };
    let tenants = &asked.about.policy.roster.tenants;
    let domain_of = |upn: &str| upn.trim().rsplit_once('@').map(|(_, it)| it.to_lowercase());
    // A domain belongs to one tenant at a time, and a tenant may have several of them.
    let is_here = tenants.len() <= 1
        || upn.and_then(domain_of).as_deref() == Some(domain)
        || asked.domains.get_or_init(|| asked.facts.domains()).contains(domain);
    // A member does not become a guest by another name, nor a guest a member.
    let was_guest = local.contains("#ext#");
    is_here && was_guest == (asked.kind() == Some(PrincipalKind::Guest))
}

/// The groups that a grant is held through: the one that holds the role, and those within it.
fn groups_of(target: &Target) -> Vec<&PrincipalId> {
    let Target::Grant(grant) = target else { return Vec::new() };
    match &grant.held {
        Held::ThroughGroup { group, within, .. } => {
            within.iter().map(|within| &within.group).chain([group]).collect()
        }
        Held::Assignment { .. }
        | Held::Eligible { .. }
        | Held::Scheduled { .. }
        | Held::AppRole { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        RELATIONSHIP, access_assignment, check, guest, principal, relationship as whole,
        whole_partner,
    };
    use super::*;
    use crate::domain::facts::{Gap, GapCause, User};
    use crate::domain::finding::testing::{CONTOSO, STRANGER, WOODGROVE};
    use crate::domain::id::AssignmentId;
    use crate::domain::policy::Policy;

    const ALICE: &str = "alice_contoso.example#EXT#@woodgrove.example";
    const SVC: &str = "svc@woodgrove.example";
    const PROTECTED: Option<&str> = Some("the account is protected");

    fn protecting(names: &[&str]) -> String {
        format!("guardrails: {{protected: {names:?}}}")
    }

    fn found(it: &mut super::super::testing::Question, name: &str, found: GivenAccount) {
        it.facts.protected.insert(name.to_lowercase(), found);
    }

    fn present(id: &str) -> GivenAccount {
        GivenAccount::Present { id: PrincipalId::new(id), user: User::default() }
    }

    #[test]
    fn a_protected_account_is_left_alone_however_it_is_written() {
        let id = guest().principal();
        let wide = format!("  {} ", ALICE.to_uppercase());
        for name in [ALICE, &ALICE.to_lowercase(), &wide, id.as_str(), &id.as_str().to_uppercase()]
        {
            for it in [guest(), principal(PrincipalKind::Guest)] {
                check(protected, &it.under(&protecting(&[SVC, name])), PROTECTED);
            }
        }
        let upn = format!(" {} ", ALICE.to_uppercase());
        let it = guest().to(PrincipalKind::Guest, &upn).under(&protecting(&[ALICE]));
        check(protected, &it, PROTECTED);
    }

    #[test]
    fn protecting_nobody_or_another_protects_nobody() {
        check(protected, &guest(), None);
        for name in [SVC, "alice@contoso.example", "cccccccc-0000-0000-0000-00000000000d"] {
            check(protected, &guest().under(&protecting(&[name])), None);
        }
        check(protected, &whole_partner().under(&protecting(&[ALICE])), None);
    }

    #[test]
    fn a_protected_relationship_customer_or_group_is_left_alone_however_it_is_written() {
        let group = "cccccccc-0000-0000-0000-00000000000c";
        let (by_itself, by_group) = (whole, access_assignment);
        for (name, of_all, of_group) in [
            (RELATIONSHIP, "the relationship", "the relationship"),
            (CONTOSO, "the customer", "the customer"),
            (group, "", "the group"),
            (&RELATIONSHIP[..36], "", ""),
            (&RELATIONSHIP[37..], "", ""),
            (SVC, "", ""),
        ] {
            for name in [name.to_owned(), name.to_uppercase(), format!(" {name} ")] {
                let policy = protecting(&[SVC, &name]);
                let said = |what: &str| format!("{what} is protected by the policy");
                let expect = |what: &'static str| (!what.is_empty()).then(|| said(what));
                let check =
                    |it, expect: Option<String>| check(relationship, &it, expect.as_deref());
                check(by_itself().under(&policy), expect(of_all));
                check(by_group().under(&policy), expect(of_group));
                // What protects accounts says nothing of them.
                super::super::testing::check(protected, &by_group().under(&policy), None);
            }
        }
        check(relationship, &guest().under(&protecting(&[CONTOSO])), None);
        check(relationship, &by_itself(), None);
    }

    #[test]
    fn an_account_that_answers_to_a_protected_name_is_it_whatever_its_own_name() {
        // Two readings of the same moment may tell of a name before and after it was changed.
        let mut it = guest().under(&protecting(&[SVC]));
        found(&mut it, SVC, present("somebody else"));
        check(protected, &it, None);
        let id = it.principal();
        found(&mut it, SVC, present(id.as_str()));
        check(protected, &it, PROTECTED);
    }

    #[test]
    fn a_protected_group_loses_nobody() {
        let group = PrincipalId::new("eeeeeeee-0000-0000-0000-00000000000e");
        let mut it = guest().under(&protecting(&["EEEEEEEE-0000-0000-0000-00000000000E"]));
        check(protected, &it, None);
        it.grant().held = Held::ThroughGroup {
            through: AssignmentId("a".to_owned()),
            group,
            group_name: "Admins".to_owned(),
            eligible: false,
            within: Vec::new(),
            also: Vec::new(),
        };
        check(protected, &it, Some("the group it is in is protected"));
    }

    #[test]
    fn what_may_be_a_protected_account_under_another_name_is_left_alone() {
        let missing = Some("no account answers to");
        let dedicated = || guest().to(PrincipalKind::DedicatedAccount, "svc2@woodgrove.example");
        let ask = |it: super::super::testing::Question, name: &str, expect| {
            let mut it = it.under(&protecting(&[name]));
            check(renamed, &it, None);
            found(&mut it, name, present("somebody else"));
            check(renamed, &it, None);
            found(&mut it, name, GivenAccount::Missing);
            check(renamed, &it, expect);
        };
        ask(dedicated(), SVC, missing);
        ask(dedicated(), "SVC@Woodgrove.Example", missing);
        ask(guest(), ALICE, missing);
        // Another sort of account.
        ask(guest(), SVC, None);
        ask(dedicated(), ALICE, None);
        ask(guest().to(PrincipalKind::App, "svc2@woodgrove.example"), SVC, None);
        // An id cannot be changed.
        ask(dedicated(), "cccccccc-0000-0000-0000-00000000000d", None);
        ask(whole_partner(), SVC, None);
    }

    #[test]
    fn a_protected_account_may_be_called_by_another_domain_of_its_tenant() {
        let two = format!(
            "tenants: [{{id: {WOODGROVE}, name: Woodgrove, partners: [{{id: {CONTOSO}, name: \
             Contoso Reseller, domains: [contoso.example]}}]}}, {{id: {STRANGER}, name: Tailspin}}]\n\
             guardrails: {{protected: [{SVC}]}}"
        );
        let mut it = guest().to(PrincipalKind::DedicatedAccount, "svc@woodgrove.test");
        it.policy = Policy::parse(&format!("version: 1\n{two}")).unwrap().policy;
        found(&mut it, SVC, GivenAccount::Missing);
        it.facts.guests.clear();
        it.facts.objects.clear();
        check(renamed, &it, None);
        let user =
            |upn: &str| User { user_principal_name: Some(upn.to_owned()), ..User::default() };
        let id = PrincipalId::new("bbbbbbbb-0000-0000-0000-00000000000b");
        it.facts.guests.insert(id.clone(), user("al_x.example#EXT#@tailspin.example"));
        check(renamed, &it, None);
        it.facts.guests.insert(id, user("al_x.example#EXT#@WOODGROVE.example"));
        check(renamed, &it, Some("no account answers to"));
    }

    #[test]
    fn with_several_tenants_a_name_counts_where_its_domain_is() {
        let mut it = guest()
            .to(PrincipalKind::DedicatedAccount, "svc2@Woodgrove.example")
            .under(&protecting(&[SVC, "svc@fabrikam.example"]));
        let mut other = it.policy.roster.tenants[0].clone();
        other.id = "44444444-4444-4444-4444-444444444444".parse().unwrap();
        it.policy.roster.tenants.push(other);
        found(&mut it, "svc@fabrikam.example", GivenAccount::Missing);
        check(renamed, &it, None);
        found(&mut it, SVC, GivenAccount::Missing);
        check(renamed, &it, Some("no account answers to svc@woodgrove.example"));
    }

    #[test]
    fn what_could_not_be_read_may_have_been_renamed() {
        let mut it = guest()
            .to(PrincipalKind::DedicatedAccount, "svc2@woodgrove.example")
            .under(&protecting(&[SVC]));
        let gap = |part| Gap { part, cause: GapCause::Denied, detail: String::new() };
        it.facts.gaps.push(gap(Part::Guests));
        check(renamed, &it, None);
        it.facts.gaps.push(gap(Part::Accounts));
        check(renamed, &it, Some("could not be read whether svc@woodgrove.example"));
        found(&mut it, SVC, present("somebody else"));
        check(renamed, &it, None);
    }
}
