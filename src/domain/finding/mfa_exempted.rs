//! `mfa-exempted`: a policy that demands a second factor leaves a partner's people out.

use super::mfa_not_enforced::{READS, Said, by_partner, reasons, required};
use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::conditional_access::Mfa;

pub(super) const RULE: Rule = Rule {
    name: FindingName::MfaExempted,
    name_text: "mfa-exempted",
    severity: Severity::High,
    reads: READS,
    why: "Somebody took this partner's people out of a conditional access policy that would demand multifactor authentication of them, often to make a tool of the partner's work. Exclusion beats inclusion, so nothing demands it of them now, although the policy demands it of this partner.",
    mend: "Microsoft Entra admin center > Entra ID > Conditional Access > the named policy > Users > Exclude: take the partner, its group or its account out of the exclusions. If a tool of the partner needs the exclusion, demand multifactor authentication of the partner's people by a policy of their own.",
    page: "https://learn.microsoft.com/entra/identity/conditional-access/concept-conditional-access-users-groups",
    check,
};

/// An exclusion is no finding where another policy demands MFA all the same; nor is one from a
/// policy that blocks others, since being let in is not being let off.
fn check(view: &View<'_>) -> Vec<Finding> {
    by_partner(&RULE, &required(view), |some| match &some.mfa {
        Mfa::Exempted { by } => Some(Said {
            text: format!(
                "Nothing makes {} use multifactor authentication, because they are exempted: {}.",
                some.who(),
                reasons(by)
            ),
            certain: true,
        }),
        Mfa::Enforced { .. } | Mfa::NotEnforced { .. } | Mfa::CannotBeShown { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::FindingName;
    use super::super::mfa_not_enforced::tests::{found, leaving_out, provider, with};
    use super::super::testing::{CONTOSO, Case, STRANGER};
    use crate::domain::conditional_access::testing::{external, policy};
    use crate::domain::facts::{GapCause, Part};
    use crate::domain::id::PrincipalId;

    #[track_caller]
    fn check(case: &Case, expect: &[&str]) {
        let found = found(FindingName::MfaExempted, case);
        assert!(found.iter().all(|finding| finding.certain));
        let texts: Vec<&str> = found.iter().map(|finding| finding.text.as_str()).collect();
        assert_eq!(texts, expect);
    }

    /// Whether an exclusion is told once, as an exemption and not as a lack of MFA as well.
    #[track_caller]
    fn check_only_this(case: &Case) {
        assert_eq!(found(FindingName::MfaExempted, case).len(), 1);
        assert_eq!(found(FindingName::MfaNotEnforced, case).len(), 0);
    }

    #[test]
    fn tells_who_is_left_out_of_which_policy() {
        for (out, tenants) in
            [("serviceProvider", &[CONTOSO][..]), ("serviceProvider,b2bCollaborationGuest", &[])]
        {
            let case = with(provider(), &[leaving_out("Require MFA", out, tenants)]);
            check(
                &case,
                &[
                    "Nothing makes service provider users of Contoso Reseller use multifactor authentication, because they are exempted: “Require MFA” leaves out service provider users of this partner.",
                ],
            );
            check_only_this(&case);
        }
    }

    #[test]
    fn tells_of_guests_and_accounts_that_are_left_out() {
        let team = "bbbbbbbb-0000-0000-0000-000000000001";
        let case = Case::new()
            .guest("Alice", "alice@contoso-reseller.example", "Exchange Administrator")
            .dedicated_account("svc@woodgrove.example", "User Administrator");
        let account = case.facts.assignments[1].principal_id.clone();
        let users = json!({
            "excludeGroups": [team],
            "excludeGuestsOrExternalUsers": external("b2bCollaborationGuest", &[CONTOSO]),
        });
        let mut case =
            with(case, &[policy("Require MFA", json!({"conditions": {"users": users}}))]);
        case.facts.memberships.insert(account, [PrincipalId::new(team)].into());
        check(
            &case,
            &[
                "Nothing makes Alice, a guest of Contoso Reseller, use multifactor authentication, because they are exempted: “Require MFA” leaves out guest users of this partner. Nothing makes svc@woodgrove.example, an account given to Contoso Reseller, use multifactor authentication, because they are exempted: “Require MFA” leaves out a group the account is in.",
            ],
        );
        check_only_this(&case);
    }

    #[test]
    fn is_silent_where_another_policy_steps_in() {
        let users = json!({
            "includeUsers": [],
            "includeGuestsOrExternalUsers": external("serviceProvider", &[]),
        });
        let own = policy("Partners", json!({"conditions": {"users": users}}));
        let case =
            with(provider(), &[leaving_out("Require MFA", "serviceProvider", &[CONTOSO]), own]);
        check(&case, &[]);
    }

    #[test]
    fn is_silent_about_exclusions_that_let_nobody_off() {
        let changed = |changes: Value| {
            let mut policy = leaving_out("P", "serviceProvider", &[CONTOSO]);
            crate::domain::conditional_access::testing::lay(&mut policy, changes);
            with(provider(), &[policy])
        };
        // Off, for no second factor, only at a risk, and a block that lets this partner in.
        check(&changed(json!({"state": "disabled"})), &[]);
        check(&changed(json!({"grantControls": {"builtInControls": ["compliantDevice"]}})), &[]);
        check(&changed(json!({"conditions": {"signInRiskLevels": ["high"]}})), &[]);
        check(&changed(json!({"grantControls": {"builtInControls": ["block"]}})), &[]);
        // Somebody else is left out.
        check(&with(provider(), &[leaving_out("P", "serviceProvider", &[STRANGER])]), &[]);
        check(&with(provider(), &[leaving_out("P", "b2bCollaborationGuest", &[CONTOSO])]), &[]);
        // Nobody demands MFA of this partner.
        let stranger = with(
            Case::new().service_provider(STRANGER),
            &[leaving_out("P", "serviceProvider", &[])],
        );
        check(&stranger, &[]);
    }

    #[test]
    fn leaves_it_open_while_something_else_may_step_in() {
        let case = with(provider(), &[leaving_out("P", "serviceProvider", &[CONTOSO])])
            .gap(Part::ConditionalAccess, GapCause::Unavailable);
        check(&case, &[]);
        let open = found(FindingName::MfaNotEnforced, &case);
        assert_eq!(
            open[0].text,
            "Whether service provider users of Contoso Reseller must use multifactor authentication cannot be shown: not all conditional access policies could be read; “P” leaves out service provider users of this partner."
        );
    }
}
