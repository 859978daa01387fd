//! `gdap-global-administrator`: a relationship of this partner gives Global Administrator in a
//! customer's tenant.
//!
//! A request for it that the customer has not accepted is not found: nobody holds anything by it.
//! It is found at the look after it was accepted.

use super::relationship::powerful;
use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;
use crate::domain::role::GLOBAL_ADMINISTRATOR;

pub(super) const RULE: Rule = Rule {
    name: FindingName::GdapGlobalAdministrator,
    name_text: "gdap-global-administrator",
    severity: Severity::Critical,
    reads: &[Part::Relationships],
    why: "Whoever takes over one account of the groups behind this relationship owns the \
          customer's whole tenant, and so do all who take over this partner. Microsoft made \
          granular relationships to put an end to just that; NOBELIUM came by this way.",
    mend: "Take Global Administrator out of the relationship: it is the one role that can be removed \
           from an active one (Microsoft Graph, Update delegatedAdminRelationship). Or end the \
           relationship: Partner Center > Customers > the customer > Admin relationships > the \
           relationship > Terminate relationship. If the work needs other roles, agree on a new \
           relationship with the least of them first.",
    page: "https://learn.microsoft.com/graph/api/delegatedadminrelationship-update",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    powerful(view)
        .flat_map(|relationship| {
            let roles = relationship.open_roles().into_iter();
            let found = roles.filter(|role| role.is(GLOBAL_ADMINISTRATOR)).map(|role| {
                let gives = relationship.gives(&role);
                let text = format!("{} {gives}.", relationship.introduced());
                relationship.finding(&RULE, Some(role.name), text)
            });
            found.collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::facts::{AccessAssignment, DelegatedAdminRelationship};
    use crate::domain::finding::testing::STRANGER;
    use crate::domain::finding::testing::partner_side::{Msp, check, relationship, used_by};

    const NAME: &str = "gdap-global-administrator";
    const INCLUDES: &str = "The relationship “Everything” with Woodgrove includes Global \
                            Administrator, which any group of Contoso Reseller can be given.";

    fn everything() -> DelegatedAdminRelationship {
        relationship("Everything", &["Global Administrator", "Reports Reader"])
    }

    fn with_status(status: &str) -> Msp {
        Msp::new()
            .with(DelegatedAdminRelationship { status: Some(status.to_owned()), ..everything() })
    }

    #[test]
    fn fires_for_what_a_group_has_and_for_what_it_can_be_given() {
        check(NAME, Msp::new().with(everything()), &[INCLUDES]);
        let used = DelegatedAdminRelationship {
            access_assignments: vec![
                used_by("Helpdesk", &["Global Administrator"]),
                used_by("Engineers", &["Reports Reader"]),
            ],
            ..everything()
        };
        let gives =
            "The relationship “Everything” with Woodgrove gives Helpdesk Global Administrator.";
        check(NAME, Msp::new().group("Helpdesk").with(used), &[gives]);
        let beyond = DelegatedAdminRelationship {
            access_assignments: vec![used_by("Helpdesk", &["Global Administrator"])],
            ..relationship("Reports", &["Reports Reader"])
        };
        let gives = "The relationship “Reports” with Woodgrove gives Helpdesk Global \
                     Administrator, which is not among the roles agreed on.";
        check(NAME, Msp::new().group("Helpdesk").with(beyond), &[gives]);
    }

    #[test]
    fn fires_whatever_the_status_unless_it_gives_no_power() {
        for powerful in ["approved", "activating", "expiring", "terminating", "unknownFutureValue"]
        {
            check(NAME, with_status(powerful), &[INCLUDES]);
        }
        for powerless in ["created", "approvalPending", "expired", "terminated"] {
            check(NAME, with_status(powerless), &[]);
        }
    }

    #[test]
    fn an_assignment_that_was_deleted_gives_nothing() {
        let deleted = AccessAssignment {
            status: Some("deleted".to_owned()),
            ..used_by("Helpdesk", &["Global Administrator"])
        };
        let relationship = DelegatedAdminRelationship {
            access_assignments: vec![deleted],
            ..relationship("Reports", &["Reports Reader"])
        };
        check(NAME, Msp::new().with(relationship), &[]);
    }

    #[test]
    fn is_silent_about_other_roles_and_about_what_the_policy_lets_pass() {
        check(NAME, Msp::new().with(relationship("Mail", &["Exchange Administrator"])), &[]);
        let allowed = Msp::new().allow(&["Global Administrator"]);
        check(NAME, allowed.clone().with(everything()), &[]);
        let ended = allowed.allowed_until("2026-01-31").with(everything());
        check(NAME, ended, &[INCLUDES]);
        let excepted = |until| Msp::new().with(everything()).except("Global Administrator", until);
        check(NAME, excepted("2026-12-24T18:00Z"), &[]);
        check(NAME, excepted("2026-11-23T11:59Z"), &[INCLUDES]);
    }

    #[test]
    fn names_no_customer_by_what_it_calls_itself_without_saying_so() {
        let mut with_stranger = everything();
        with_stranger.customer.as_mut().unwrap().tenant_id = Some(STRANGER.to_owned());
        with_stranger.display_name = Some("\u{1b}[2JEvery\u{202e}thing\n".to_owned());
        let msp = Msp::new().calls_itself(STRANGER, "Wood\u{202e}grove\n").with(with_stranger);
        check(
            NAME,
            msp,
            &["The relationship “[2JEverything” with “Woodgrove” (calls itself so; tenant \
               33333333-3333-3333-3333-333333333333) includes Global Administrator, which any \
               group of Contoso Reseller can be given."],
        );
    }

    #[test]
    fn a_customer_that_is_not_told_is_allowed_nothing() {
        let open =
            DelegatedAdminRelationship { customer: None, display_name: None, ..everything() };
        let msp = Msp::new()
            .allow(&["Global Administrator"])
            .allow_unlisted(&["Global Administrator"])
            .with(open);
        let text = "An unnamed relationship with a customer that is not named includes Global \
                    Administrator, which any group of Contoso Reseller can be given.";
        check(NAME, msp, &[text]);
    }
}
