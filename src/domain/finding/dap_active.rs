//! `dap-active`: a customer still lets this partner administer it by the old way, which is
//! unlimited.
//!
//! Nothing in the policy allows it, and no exception covers it: those speak of roles, and this knows
//! none. Whoever has to live with it answers it with `record` or `ignore`.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;
use crate::domain::grant::named;

pub(super) const RULE: Rule = Rule {
    name: FindingName::DapActive,
    name_text: "dap-active",
    severity: Severity::Critical,
    reads: &[Part::DelegatedAccess],
    why: "By the old delegated admin privileges every admin agent of this partner is Global \
          Administrator of the customer, without end and without the customer choosing a role. \
          Attackers of one partner get all its customers.",
    mend: "Agree on granular relationships for what is needed first, and give their roles to groups. \
           Then end it as an admin agent by the Partner Center API: PATCH /v1/customers/{the \
           customer's tenant} with AllowDelegatedAccess false. The customer can end it too, and \
           with it all that this partner may do: Microsoft 365 admin center > Settings > Partner \
           relationships > the partner > Remove roles.",
    page: "https://learn.microsoft.com/partner-center/developer/remove-dap",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let active = view.facts.delegated_access.iter().filter(|(_, active)| **active);
    let found = active.map(|(id, _)| {
        let customer = named(view.facts, view.tenant, *id);
        let text = format!(
            "{} still lets every admin agent of {} administer it as Global Administrator, by \
             delegated admin privileges (DAP).",
            customer.name, view.tenant.name
        );
        Finding {
            finding: RULE.name,
            severity: RULE.severity,
            partner: customer,
            subject: "delegated admin privileges".to_owned(),
            role: Some("Global Administrator".to_owned()),
            text,
            grant: None,
            relationship: None,
            certain: true,
        }
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::partner_side::{Msp, check, relationship};
    use crate::domain::finding::testing::{STRANGER, WOODGROVE};

    #[test]
    fn fires_for_every_customer_that_lets_the_partner_in_whatever_roles_are_allowed() {
        let text = |name: &str| {
            format!(
                "{name} still lets every admin agent of Contoso Reseller administer it as Global \
                 Administrator, by delegated admin privileges (DAP)."
            )
        };
        let msp = Msp::new()
            .allow(&["Global Administrator"])
            .except("Global Administrator", "2027-01-01")
            .delegated_access(WOODGROVE, true)
            .delegated_access(STRANGER, true);
        let stranger = text("unnamed tenant 33333333-3333-3333-3333-333333333333");
        check("dap-active", msp, &[&text("Woodgrove"), &stranger]);
    }

    #[test]
    fn is_silent_where_it_was_ended_and_where_nobody_asked() {
        check("dap-active", Msp::new().delegated_access(WOODGROVE, false), &[]);
        check("dap-active", Msp::new().with(relationship("Mail", &["Reports Reader"])), &[]);
    }
}
