//! Nothing is done to what is the tenant's own, this program's, Microsoft's, or nobody knows whose.

use super::Asked;
use crate::domain::facts::DirectoryObject;
use crate::domain::grant::PrincipalKind;
use crate::domain::id::PartnerId;
use crate::domain::plan::Target;

/// It is not known whose the principal is.
pub(super) fn unknown(asked: &Asked<'_>) -> Option<String> {
    (asked.kind() == Some(PrincipalKind::Unclassified))
        .then(|| "it is not known whose this principal is".to_owned())
}

/// The relationship is with nobody that could be told, or with this tenant itself.
pub(super) fn with_nobody(asked: &Asked<'_>) -> Option<String> {
    match &asked.wanted.target {
        Target::Relationship { .. } | Target::AccessAssignment { .. } => {}
        Target::Grant(_) | Target::Principal { .. } | Target::Partner => return None,
    }
    match asked.wanted.partner.id {
        None => Some("it is not told which customer the relationship is with".to_owned()),
        Some(id) => (id.tenant() == asked.about.tenant.id)
            .then(|| "the relationship is with this tenant itself".to_owned()),
    }
}

/// The principal is the tenant's own.
pub(super) fn own(asked: &Asked<'_>) -> Option<String> {
    let own = asked.about.tenant.id;
    let partner = asked.wanted.partner.id;
    partner
        .is_none_or(|id| id.tenant() == own)
        .then(|| "this principal is the tenant's own".to_owned())
}

/// The principal is a group of the tenant's own: with it, own people would lose what they hold.
pub(super) fn own_group(asked: &Asked<'_>) -> Option<String> {
    let principal = match &asked.wanted.target {
        Target::Grant(grant) => &grant.principal,
        Target::Principal { principal, .. } => principal,
        Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => {
            return None;
        }
    };
    let among = asked.facts.members.values().flatten();
    let mut said = among.filter(|member| member.id == *principal).map(|member| &member.object);
    let is_group = |object: &DirectoryObject| matches!(object, DirectoryObject::Group(_));
    (asked.facts.objects.get(principal).is_some_and(is_group) || said.any(is_group)).then(|| {
        "this is a group of the tenant's own, and its own people would lose what it holds"
            .to_owned()
    })
}

/// It is an application this program signs in with, or may be one.
pub(super) fn own_app(asked: &Asked<'_>) -> Option<String> {
    if asked.kind() != Some(PrincipalKind::App) {
        return None;
    }
    let app_id = match &asked.wanted.target {
        Target::Grant(grant) => grant.app_id.as_deref(),
        Target::Principal { app_id, .. } => app_id.as_deref(),
        Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => None,
    };
    match app_id.map(str::trim) {
        None | Some("") => Some(
            "it could not be read which application this is, so it may be the one Partner Warden \
             itself signs in with"
                .to_owned(),
        ),
        Some(id) => {
            let ours = asked.about.own_apps.iter().any(|own| own.trim().eq_ignore_ascii_case(id));
            ours.then(|| "this is the application Partner Warden itself signs in with".to_owned())
        }
    }
}

/// It is Microsoft Support.
pub(super) fn microsoft_support(asked: &Asked<'_>) -> Option<String> {
    (asked.wanted.partner.id == Some(PartnerId::MICROSOFT_SUPPORT))
        .then(|| "this is Microsoft Support; close the support case instead".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        CONTOSO, access_assignment, check, group_object, guest, principal, relationship,
    };
    use super::*;
    use crate::domain::facts::Member;
    use crate::domain::grant::Held;
    use crate::domain::id::{AssignmentId, PrincipalId};

    const APP: &str = "aaaaaaaa-0000-0000-0000-00000000000a";

    #[test]
    fn what_nobody_knows_whose_it_is_keeps_what_it_has() {
        check(unknown, &guest(), None);
        let mut grant = guest();
        grant.grant().kind = PrincipalKind::Unclassified;
        check(unknown, &grant, Some("it is not known whose"));
        check(unknown, &principal(PrincipalKind::Unclassified), Some("it is not known whose"));
        check(unknown, &principal(PrincipalKind::App), None);
    }

    #[test]
    fn the_tenants_own_are_never_laid_to_a_partner() {
        check(own, &guest(), None);
        let mut nobodys = guest();
        nobodys.wanted.partner.id = None;
        check(own, &nobodys, Some("the tenant's own"));
        let own_tenant = "11111111-1111-1111-1111-111111111111".parse().unwrap();
        check(own, &guest().of(own_tenant), Some("the tenant's own"));
    }

    #[test]
    fn a_relationship_with_nobody_or_with_oneself_is_left_alone() {
        for it in [relationship(), access_assignment()] {
            check(with_nobody, &it, None);
            let own_tenant = "11111111-1111-1111-1111-111111111111".parse().unwrap();
            let with_oneself = Some("with this tenant itself");
            check(with_nobody, &it.clone().of(own_tenant), with_oneself);
            let mut with_none = it;
            with_none.wanted.partner.id = None;
            check(with_nobody, &with_none, Some("not told which customer"));
        }
        let mut guest = guest();
        guest.wanted.partner.id = None;
        check(with_nobody, &guest, None);
    }

    #[test]
    fn a_group_of_the_tenants_own_is_never_taken_from() {
        check(own_group, &guest(), None);
        let a = || AssignmentId("a".to_owned());
        for held in [
            Held::Assignment { assignment: a(), scheduled: false },
            Held::Eligible { eligibility: a(), derived: false },
            Held::Scheduled { schedule: a(), derived: false },
            Held::ThroughGroup {
                through: a(),
                group: PrincipalId::new("admins"),
                group_name: "Admins".to_owned(),
                eligible: false,
                within: Vec::new(),
                also: Vec::new(),
            },
        ] {
            let mut it = guest();
            it.grant().held = held;
            it.facts.objects.insert(it.principal(), group_object());
            check(own_group, &it, Some("a group of the tenant's own"));
        }
        let mut it = principal(PrincipalKind::ForeignGroup);
        it.facts.objects.insert(it.principal(), group_object());
        check(own_group, &it, Some("a group of the tenant's own"));
    }

    #[test]
    fn a_group_that_is_only_known_as_a_member_of_another_is_one_too() {
        let mut it = guest();
        let group = Member { id: it.principal(), object: group_object() };
        let other = Member { id: PrincipalId::new("other"), object: DirectoryObject::Other };
        it.facts.members.insert(PrincipalId::new("admins"), vec![other, group]);
        check(own_group, &it, Some("a group of the tenant's own"));
        // Who is in a group with others is not that group.
        let mut it = guest();
        let alice = Member { id: it.principal(), object: DirectoryObject::Other };
        let nested = Member { id: PrincipalId::new("nested"), object: group_object() };
        it.facts.members.insert(PrincipalId::new("admins"), vec![alice, nested]);
        check(own_group, &it, None);
    }

    #[test]
    fn our_own_application_is_known_however_its_id_is_written() {
        let app = |id: Option<&str>| {
            let mut it = principal(PrincipalKind::App);
            if let Target::Principal { app_id, .. } = &mut it.wanted.target {
                *app_id = id.map(str::to_owned);
            }
            let mut by_grant = guest();
            by_grant.grant().kind = PrincipalKind::App;
            by_grant.grant().app_id = id.map(str::to_owned);
            [it.by(&[CONTOSO, APP]), by_grant.by(&[CONTOSO, &APP.to_uppercase()])]
        };
        for it in app(Some("bbbbbbbb-0000-0000-0000-00000000000b")) {
            check(own_app, &it, None);
        }
        for id in [APP, &APP.to_uppercase(), &format!(" {APP} ")] {
            for it in app(Some(id)) {
                check(own_app, &it, Some("itself signs in with"));
            }
        }
        for nameless in [None, Some(""), Some("  ")] {
            for it in app(nameless) {
                check(own_app, &it, Some("could not be read which"));
            }
        }
        check(own_app, &guest().by(&[APP]), None);
    }

    #[test]
    fn microsoft_support_is_left_to_its_support_case() {
        check(microsoft_support, &guest(), None);
        let it = guest().of(PartnerId::MICROSOFT_SUPPORT);
        check(microsoft_support, &it, Some("this is Microsoft Support"));
    }
}
