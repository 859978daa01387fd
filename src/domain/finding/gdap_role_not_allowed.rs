//! `gdap-role-not-allowed`: a relationship of this partner gives a role that the policy does not
//! allow.
//!
//! A customer that the policy does not name is judged by `unlisted`, and needs no finding of its
//! own for being there: a partner's customers come and go.

use super::relationship::powerful;
use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::GdapRoleNotAllowed,
    name_text: "gdap-role-not-allowed",
    severity: Severity::High,
    reads: &[Part::Relationships],
    why: "Every role beyond those agreed on is power over the customer that nobody needs and \
          nobody watches, and it is the customer who pays when it is abused.",
    mend: "To take it from a group: Partner Center > Customers > the customer > Admin relationships \
           > the relationship > the security group > remove the role. To take it out of what is \
           agreed on, end the relationship (Terminate relationship) and agree on one without it; \
           only Global Administrator can be removed from an active one. If it is needed, add it to \
           the customer's `allow.roles` in the policy with an end.",
    page: "https://learn.microsoft.com/partner-center/customers/gdap-least-privileged-roles-by-task",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for relationship in powerful(view) {
        let listed = relationship.customer.id.and_then(|id| view.tenant.partner(id));
        if relationship.given.access_details.is_none() {
            let text = format!("{} does not say which roles it gives.", relationship.introduced());
            findings.push(Finding { certain: false, ..relationship.finding(&RULE, None, text) });
        }
        for role in relationship.open_roles() {
            let allows = match listed {
                Some(customer) if role.is_among(&customer.allow.roles) => {
                    "the policy does not allow it any more"
                }
                Some(_) => "the policy does not allow it",
                None => "the policy does not allow it with a customer it does not name",
            };
            let (with, gives) = (relationship.introduced(), relationship.gives(&role));
            let text = format!("{with} {gives}; {allows}.");
            findings.push(relationship.finding(&RULE, Some(role.name), text));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{DelegatedAdminRelationship, Part};
    use crate::domain::finding::testing::STRANGER;
    use crate::domain::finding::testing::partner_side::{Msp, check, relationship, used_by};

    const NAME: &str = "gdap-role-not-allowed";

    fn mail() -> DelegatedAdminRelationship {
        relationship("Mail", &["Exchange Administrator", "Directory Readers"])
    }

    #[test]
    fn fires_for_what_is_not_on_the_list_and_says_who_has_it() {
        let includes = "The relationship “Mail” with Woodgrove includes Exchange Administrator, \
                        which any group of Contoso Reseller can be given; the policy does not \
                        allow it.";
        let msp = || Msp::new().allow(&["Directory Readers"]);
        check(NAME, msp().with(mail()), &[includes]);
        let groups = ["A", "B", "C", "D", "E"];
        let used = |count: usize| DelegatedAdminRelationship {
            access_assignments: groups[..count]
                .iter()
                .map(|group| used_by(group, &["Exchange Administrator"]))
                .collect(),
            ..mail()
        };
        for (count, who) in [(1, "A"), (2, "A and B"), (5, "A, B, C and 2 more groups")] {
            let named = groups.iter().fold(msp(), |msp, group| msp.group(group));
            let text = format!(
                "The relationship “Mail” with Woodgrove gives {who} Exchange Administrator; the \
                 policy does not allow it."
            );
            check(NAME, named.with(used(count)), &[&text]);
        }
    }

    #[test]
    fn judges_customers_the_policy_does_not_name_by_what_it_allows_them() {
        let mut with_stranger = mail();
        with_stranger.customer.as_mut().unwrap().tenant_id = Some(STRANGER.to_owned());
        let msp = Msp::new()
            .allow(&["Exchange Administrator", "Directory Readers"])
            .allow_unlisted(&["Directory Readers"])
            .with(with_stranger);
        check(
            NAME,
            msp,
            &["The relationship “Mail” with unnamed tenant 33333333-3333-3333-3333-333333333333 \
               includes Exchange Administrator, which any group of Contoso Reseller can be given; \
               the policy does not allow it with a customer it does not name."],
        );
    }

    #[test]
    fn is_silent_while_an_allowance_or_an_exception_lasts() {
        let all =
            || Msp::new().allow(&["Exchange Administrator", "Directory Readers"]).with(mail());
        check(NAME, all(), &[]);
        check(NAME, all().allowed_until("2026-11-23"), &[]);
        let ended = "The relationship “Mail” with Woodgrove includes Directory Readers, which any \
                     group of Contoso Reseller can be given; the policy does not allow it any more.";
        let excepted =
            all().allowed_until("2026-11-22").except("Exchange Administrator", "2027-01-01");
        check(NAME, excepted, &[ended]);
    }

    #[test]
    fn a_role_nobody_knows_is_not_allowed_unless_the_policy_names_its_id() {
        let (id, text) = (
            "0f0f0f0f-0000-4000-8000-000000000001",
            "The relationship “New” with Woodgrove includes unknown role \
             0f0f0f0f-0000-4000-8000-000000000001, which any group of Contoso Reseller can be \
             given; the policy does not allow it.",
        );
        check(NAME, Msp::new().with(relationship("New", &[id])), &[text]);
        check(NAME, Msp::new().allow(&[id]).with(relationship("New", &[id])), &[]);
        let upper = id.to_uppercase();
        check(NAME, Msp::new().allow(&[id]).with(relationship("New", &[&upper, id])), &[]);
    }

    #[test]
    fn a_relationship_that_does_not_say_its_roles_is_told_of() {
        let silent = DelegatedAdminRelationship { access_details: None, ..mail() };
        let text = "The relationship “Mail” with Woodgrove does not say which roles it gives.";
        check(NAME, Msp::new().with(silent), &[text]);
    }

    #[test]
    fn rules_for_customers_tenants_say_nothing_of_a_partners() {
        let require = "        require: {mfa: true}\n";
        let text = format!(
            "version: 1\ntenants:\n  - id: 22222222-2222-2222-2222-222222222222\n    name: Contoso\n    \
             side: partner\n    customers:\n      - id: 11111111-1111-1111-1111-111111111111\n        \
             name: Woodgrove\n{require}"
        );
        let policy = crate::domain::policy::Policy::parse(&text).unwrap().policy;
        let msp = Msp::new().with(mail()).gap(Part::DelegatedAccess);
        let now = crate::domain::finding::testing::noon();
        let found = super::super::findings(&msp.facts, &policy.roster.tenants[0], &policy, now);
        let names: std::collections::BTreeSet<&str> =
            found.iter().map(|finding| finding.finding.as_str()).collect();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), [NAME, "unreadable"]);
        assert_eq!(RULE.side(), Some(crate::domain::roster::Side::Partner));
    }
}
