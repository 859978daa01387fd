//! `mfa-not-enforced`: nothing makes a partner's people prove themselves by a second factor.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::conditional_access::{Coverage, Mfa, Reason, coverage};
use crate::domain::facts::Part;
use crate::domain::roster::AffectedPartner;
use crate::domain::text::count;

pub(super) const RULE: Rule = Rule {
    name: FindingName::MfaNotEnforced,
    name_text: "mfa-not-enforced",
    severity: Severity::High,
    reads: READS,
    why: "The policy demands multifactor authentication of this partner's people. Without a conditional access policy that demands it at every sign-in, one stolen password of one technician is enough to come in with all that the partner holds.",
    mend: "Microsoft Entra admin center > Entra ID > Conditional Access > New policy. Users: Select users and groups > Guest or external users > Service provider users (and B2B collaboration guest users, if the partner has guests), Specify external organizations: the partner; or the accounts given to it. Target resources: All resources, none excluded. No conditions. Grant: Require multifactor authentication, or Require authentication strength. Look at it in report-only first, then set it to On. If it is said that it cannot be shown, do what the reason asks for: read what was not read, or put the policy in plain terms.",
    page: "https://learn.microsoft.com/entra/external-id/authentication-conditional-access",
    check,
};

/// What has to be read before anything can be said of the MFA of a partner's people: who they are,
/// what they hold, and the policies.
pub(super) const READS: &[Part] = &[
    Part::ConditionalAccess,
    Part::Memberships,
    Part::PartnerEntries,
    Part::RoleAssignments,
    Part::EligibleSchedules,
    Part::GroupMembers,
    Part::Principals,
    Part::Guests,
    Part::Accounts,
];

/// Most policies that a text goes into.
const REASONS_SHOWN: usize = 3;

fn check(view: &View<'_>) -> Vec<Finding> {
    by_partner(&RULE, &required(view), |some| match &some.mfa {
        Mfa::NotEnforced { near_misses } => {
            let closest = match near_misses.as_slice() {
                [] => String::new(),
                some => format!(" Closest: {}.", reasons(some)),
            };
            let text = format!(
                "No conditional access policy makes {} use multifactor authentication at every sign-in.{closest}",
                some.who(),
            );
            Some(Said { text, certain: true })
        }
        Mfa::CannotBeShown { why } => Some(Said {
            text: format!(
                "Whether {} must use multifactor authentication cannot be shown: {}.",
                some.who(),
                reasons(why)
            ),
            certain: false,
        }),
        Mfa::Enforced { .. } | Mfa::Exempted { .. } => None,
    })
}

/// The people of whom the policy demands MFA. Of a partner the policy does not name it demands
/// nothing: that such a partner is there at all is what is wrong.
pub(super) fn required(view: &View<'_>) -> Vec<Coverage> {
    if !view.tenant.partners.iter().any(|partner| partner.require.mfa) {
        return Vec::new();
    }
    let mut all = coverage(view.facts, view.tenant, view.grants);
    all.retain(|some| {
        let partner = some.partner.id.and_then(|id| view.tenant.partner(id));
        partner.is_some_and(|partner| partner.require.mfa)
    });
    all
}

/// What is said of some of a partner's people.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) certain: bool,
}

/// One finding for each partner of whose people anything is said: what is certain first.
pub(super) fn by_partner(
    rule: &Rule,
    all: &[Coverage],
    say: impl Fn(&Coverage) -> Option<Said>,
) -> Vec<Finding> {
    let mut partners: Vec<(&AffectedPartner, Vec<Said>)> = Vec::new();
    for some in all {
        let Some(said) = say(some) else { continue };
        match partners.iter_mut().find(|(partner, _)| **partner == some.partner) {
            Some((_, sentences)) => sentences.push(said),
            None => partners.push((&some.partner, vec![said])),
        }
    }
    partners
        .into_iter()
        .map(|(partner, mut sentences)| {
            sentences.sort_by_key(|said| !said.certain);
            let certain = sentences.iter().any(|said| said.certain);
            let text: Vec<String> = sentences.into_iter().map(|said| said.text).collect();
            Finding {
                finding: rule.name,
                severity: rule.severity,
                partner: partner.clone(),
                subject: "multifactor authentication".to_owned(),
                role: None,
                text: text.join(" "),
                grant: None,
                relationship: None,
                certain,
            }
        })
        .collect()
}

/// Reasons in one line, the first few of them.
pub(super) fn reasons(all: &[Reason]) -> String {
    let shown: Vec<String> = all.iter().take(REASONS_SHOWN).map(ToString::to_string).collect();
    let shown = shown.join("; ");
    match all.len().saturating_sub(REASONS_SHOWN) {
        0 => shown,
        more => format!("{shown}; and {}", count(more, "more reason")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{CONTOSO, Case, STRANGER, noon};
    use super::super::{Finding, FindingName, findings};
    use crate::domain::conditional_access::testing::{external, policy};
    use crate::domain::facts::{GapCause, GivenAccount, InboundTrust, Part, User};
    use crate::domain::id::PrincipalId;
    use crate::domain::roster::Side;

    /// Contoso Reseller is a service provider here, and security defaults are off.
    pub(in super::super) fn provider() -> Case {
        with(Case::new().service_provider(CONTOSO), &[])
    }

    /// The tenant has these conditional access policies.
    pub(in super::super) fn with(mut case: Case, policies: &[Value]) -> Case {
        case.facts.conditional_access = policies.to_vec();
        case.facts.security_defaults = Some(false);
        case
    }

    /// The findings of one name, where the policy demands MFA of Contoso Reseller.
    pub(in super::super) fn found(name: FindingName, case: &Case) -> Vec<Finding> {
        let mut policy = case.policy();
        policy.roster.tenants[0].partners[0].require.mfa = true;
        let mut all = findings(&case.facts, &policy.roster.tenants[0], &policy, noon());
        all.retain(|finding| finding.finding == name);
        all
    }

    #[track_caller]
    fn check(case: &Case, expect: &[(&str, bool)]) {
        let found = found(FindingName::MfaNotEnforced, case);
        let said: Vec<_> = found.iter().map(|f| (f.text.as_str(), f.certain)).collect();
        assert_eq!(said, expect);
    }

    pub(in super::super) fn leaving_out(name: &str, types: &str, tenants: &[&str]) -> Value {
        let users = json!({"excludeGuestsOrExternalUsers": external(types, tenants)});
        policy(name, json!({"conditions": {"users": users}}))
    }

    fn for_only(name: &str, types: &str, tenants: &[&str]) -> Value {
        let users =
            json!({"includeUsers": [], "includeGuestsOrExternalUsers": external(types, tenants)});
        policy(name, json!({"conditions": {"users": users}}))
    }

    #[test]
    fn tells_of_a_service_provider_nothing_demands_mfa_of_and_what_comes_closest() {
        check(
            &provider(),
            &[(
                "No conditional access policy makes service provider users of Contoso Reseller use multifactor authentication at every sign-in.",
                true,
            )],
        );
        let reporting =
            policy("Require MFA", json!({"state": "enabledForReportingButNotEnforced"}));
        let guests = for_only("Guests", "b2bCollaborationGuest", &[]);
        check(
            &with(provider(), &[reporting, guests]),
            &[(
                "No conditional access policy makes service provider users of Contoso Reseller use multifactor authentication at every sign-in. Closest: “Guests” applies to other people only; “Require MFA” is report-only.",
                true,
            )],
        );
    }

    #[test]
    fn tells_of_many_reasons_the_first_few() {
        let off: Vec<Value> =
            (1..=5).map(|n| policy(&format!("P{n}"), json!({"state": "disabled"}))).collect();
        check(
            &with(provider(), &off),
            &[(
                "No conditional access policy makes service provider users of Contoso Reseller use multifactor authentication at every sign-in. Closest: “P1” is off; “P2” is off; “P3” is off; and 2 more reasons.",
                true,
            )],
        );
    }

    #[test]
    fn says_that_it_cannot_be_shown_and_why() {
        let strange = policy("Strange", json!({"conditions": {"moonPhases": ["full"]}}));
        check(
            &with(provider(), &[strange]),
            &[(
                "Whether service provider users of Contoso Reseller must use multifactor authentication cannot be shown: “Strange” has the condition “moonPhases”, which is not understood.",
                false,
            )],
        );
        check(
            &provider().gap(Part::ConditionalAccess, GapCause::Denied),
            &[(
                "Whether service provider users of Contoso Reseller must use multifactor authentication cannot be shown: not all conditional access policies could be read.",
                false,
            )],
        );
        let mut unasked = provider();
        unasked.facts.security_defaults = None;
        check(
            &unasked,
            &[(
                "Whether service provider users of Contoso Reseller must use multifactor authentication cannot be shown: no conditional access policy is enabled, and whether security defaults are on was not read.",
                false,
            )],
        );
    }

    #[test]
    fn is_silent_where_a_policy_demands_it() {
        for protects in [
            policy("All", json!({})),
            for_only("Partners", "serviceProvider", &[CONTOSO]),
            leaving_out("All but Northwind", "serviceProvider", &[STRANGER]),
        ] {
            check(&with(provider(), &[protects]), &[]);
        }
    }

    #[test]
    fn is_silent_about_partners_of_whom_the_policy_demands_nothing() {
        let stranger = with(
            Case::new()
                .service_provider(STRANGER)
                .stranger_group("Agents", "Global Administrator")
                .service_provider("b4c546a4-7dac-46a6-a7dd-ed822a11efd3")
                .microsoft_support("Microsoft 365 Support Engineer"),
            &[],
        );
        check(&stranger, &[]);
        let nothing_demanded = provider().findings();
        assert!(!nothing_demanded.iter().any(|f| f.finding == FindingName::MfaNotEnforced));
    }

    #[test]
    fn is_silent_about_partners_without_power() {
        // A collaborator, and a guest without any role.
        check(&with(Case::new().collaborator(CONTOSO), &[]), &[]);
        let mut case = with(Case::new(), &[]);
        let guest = User {
            mail: Some("bob@contoso-reseller.example".to_owned()),
            user_type: Some("Guest".to_owned()),
            ..User::default()
        };
        case.facts.guests.insert(PrincipalId::new("bob"), guest);
        check(&case, &[]);
    }

    #[test]
    fn is_silent_in_a_partners_own_tenant() {
        let case = provider();
        let mut policy = case.policy();
        policy.roster.tenants[0].side = Side::Partner;
        policy.roster.tenants[0].partners[0].require.mfa = true;
        let found = findings(&case.facts, &policy.roster.tenants[0], &policy, noon());
        assert!(!found.iter().any(|f| f.finding == FindingName::MfaNotEnforced));
    }

    #[test]
    fn knows_a_partner_with_roles_and_without_an_entry() {
        let case = with(
            Case::new().foreign_group("AdminAgents", "Global Administrator"),
            &[for_only("Partners", "serviceProvider", &[])],
        );
        check(
            &case,
            &[(
                "Whether service provider users of Contoso Reseller must use multifactor authentication cannot be shown: “Partners” applies to service provider users, and the cross-tenant access settings do not have the partner as one.",
                false,
            )],
        );
    }

    #[test]
    fn guests_are_not_service_providers_and_the_other_way_round() {
        let both = || {
            Case::new().service_provider(CONTOSO).guest(
                "Alice",
                "alice@contoso-reseller.example",
                "Exchange Administrator",
            )
        };
        check(
            &with(both(), &[for_only("Partners", "serviceProvider", &[])]),
            &[(
                "No conditional access policy makes Alice, a guest of Contoso Reseller, use multifactor authentication at every sign-in. Closest: “Partners” applies to other people only.",
                true,
            )],
        );
        check(
            &with(both(), &[for_only("Guests", "b2bCollaborationGuest", &[CONTOSO])]),
            &[(
                "No conditional access policy makes service provider users of Contoso Reseller use multifactor authentication at every sign-in. Closest: “Guests” applies to other people only.",
                true,
            )],
        );
        check(
            &with(
                both(),
                &[
                    for_only("Partners", "serviceProvider", &[]),
                    for_only("Guests", "b2bCollaborationGuest", &[]),
                ],
            ),
            &[],
        );
    }

    #[test]
    fn one_finding_tells_of_all_the_people_of_a_partner() {
        let case = Case::new()
            .service_provider(CONTOSO)
            .guest("Alice", "alice@contoso-reseller.example", "Exchange Administrator")
            .guest("Bob", "bob@contoso-reseller.example", "Reports Reader")
            .guest("Carol", "carol@contoso-reseller.example", "Reports Reader")
            .guest("Dave", "dave@contoso-reseller.example", "Reports Reader")
            .dedicated_account("svc-contoso@woodgrove.example", "User Administrator");
        let only_guests = policy(
            "Break glass left out",
            json!({"conditions": {"users": {
                "includeUsers": ["GuestsOrExternalUsers"],
                "excludeGroups": ["bbbbbbbb-0000-0000-0000-000000000002"],
            }}}),
        );
        check(
            &with(case, &[only_guests]),
            &[(
                "No conditional access policy makes svc-contoso@woodgrove.example, an account given to Contoso Reseller, use multifactor authentication at every sign-in. Closest: “Break glass left out” applies to other people only. Whether 4 guests of Contoso Reseller (Alice, Bob, Carol, …) must use multifactor authentication cannot be shown: “Break glass left out” leaves out groups, and which groups the account is in is not known.",
                true,
            )],
        );
    }

    #[test]
    fn membership_decides_once_it_is_known() {
        let team = "bbbbbbbb-0000-0000-0000-000000000001";
        let case = Case::new().dedicated_account("svc@woodgrove.example", "User Administrator");
        let id = case.facts.assignments[0].principal_id.clone();
        let of_team = policy(
            "Admins",
            json!({"conditions": {"users": {"includeUsers": [], "includeGroups": [team]}}}),
        );
        let mut case = with(case, &[of_team]);
        case.facts.memberships.insert(id.clone(), [PrincipalId::new(team)].into());
        check(&case, &[]);
        let gap = case.clone().gap(Part::Memberships, GapCause::Unavailable);
        assert!(!found(FindingName::MfaNotEnforced, &gap)[0].certain);
        case.facts.memberships.insert(id, [].into());
        assert!(found(FindingName::MfaNotEnforced, &case)[0].certain);
    }

    #[test]
    fn roles_decide_if_they_are_held_actively_and_everywhere() {
        let role = crate::domain::role::by_name("User Administrator").unwrap();
        let for_admins = policy(
            "Admins",
            json!({"conditions": {"users": {
                "includeUsers": [],
                "includeRoles": [role.template_id.to_string()],
            }}}),
        );
        let case = with(
            Case::new().dedicated_account("svc@woodgrove.example", "User Administrator"),
            &[for_admins],
        );
        check(&case, &[]);
        let mut scoped = case.clone();
        scoped.facts.assignments[0].directory_scope_id = "/administrativeUnits/x".to_owned();
        assert!(found(FindingName::MfaNotEnforced, &scoped)[0].certain);
        let excluding = policy(
            "All but admins",
            json!({"conditions": {"users": {"excludeRoles": [role.template_id.to_string()]}}}),
        );
        let other = with(
            Case::new().dedicated_account("svc@woodgrove.example", "Reports Reader"),
            &[excluding],
        );
        check(&other, &[]);
        let unread = other.gap(Part::EligibleSchedules, GapCause::Denied);
        assert!(!found(FindingName::MfaNotEnforced, &unread)[0].certain);
        let unread = case.gap(Part::RoleAssignments, GapCause::Unavailable);
        assert!(!found(FindingName::MfaNotEnforced, &unread)[0].certain);
    }

    #[test]
    fn an_account_without_any_role_is_the_partners_all_the_same() {
        let mut case = with(Case::new(), &[]);
        let id = PrincipalId::new("aaaaaaaa-0000-0000-0000-000000000001");
        let user = User {
            user_principal_name: Some("svc@woodgrove.example".to_owned()),
            user_type: Some("Member".to_owned()),
            ..User::default()
        };
        case.facts
            .accounts
            .insert("svc@woodgrove.example".to_owned(), GivenAccount::Present { id, user });
        case.facts.accounts.insert("gone@woodgrove.example".to_owned(), GivenAccount::Missing);
        let mut policy = case.policy();
        let partner = &mut policy.roster.tenants[0].partners[0];
        partner.require.mfa = true;
        partner.accounts = ["svc@woodgrove.example", "gone@woodgrove.example"]
            .map(crate::domain::roster::AccountName::new)
            .to_vec();
        let found = findings(&case.facts, &policy.roster.tenants[0], &policy, noon());
        let found = found.iter().filter(|it| it.finding == FindingName::MfaNotEnforced);
        let texts: Vec<&str> = found.map(|finding| finding.text.as_str()).collect();
        assert!(
            texts.contains(&"No conditional access policy makes svc@woodgrove.example, an account given to Contoso Reseller, use multifactor authentication at every sign-in."),
            "{texts:?}"
        );
        assert!(!texts.iter().any(|text| text.contains("gone@")), "{texts:?}");
    }

    #[test]
    fn stays_the_same_finding_whatever_is_said() {
        let before = found(FindingName::MfaNotEnforced, &provider());
        let off = policy("P", json!({"state": "disabled"}));
        let after = found(FindingName::MfaNotEnforced, &with(provider(), &[off]));
        assert_ne!(before[0].text, after[0].text);
        assert_eq!(before[0].key(), after[0].key());
    }

    #[test]
    fn coverage_is_told_for_every_way_in_and_whoever_is_asked() {
        use crate::domain::conditional_access::coverage;
        use crate::domain::grant::grants;
        let mut case = with(
            Case::new()
                .service_provider(CONTOSO)
                .service_provider(STRANGER)
                .guest("Alice", "alice@contoso-reseller.example", "Reports Reader")
                .dedicated_account("svc@woodgrove.example", "User Administrator"),
            &[leaving_out("All", "serviceProvider", &[STRANGER])],
        );
        case.facts.default_trust =
            Some(InboundTrust { is_mfa_accepted: Some(true), ..InboundTrust::default() });
        let tenant = &case.policy().roster.tenants[0];
        let all = coverage(&case.facts, tenant, &grants(&case.facts, tenant));
        let place = all.iter().map(|some| some.place().unwrap_or_default());
        assert!(place.take(2).all(|place| place.contains(" counts, ")), "{all:?}");
        assert_eq!(all[2].place(), None);
        let told = serde_json::to_value(&all).unwrap();
        let by = json!({"verdict": "enforced", "by": ["All"]});
        let contoso = json!({"id": CONTOSO, "name": "Contoso Reseller", "listed": true});
        let stranger =
            json!({"id": STRANGER, "name": format!("unnamed tenant {STRANGER}"), "listed": false});
        assert_eq!(
            told,
            json!([
                {"partner": contoso, "access": {"by": "service-provider"}, "mfa": by, "homeMfaCounts": true},
                {"partner": contoso, "access": {"by": "guests", "names": ["Alice"]}, "mfa": by, "homeMfaCounts": true},
                {"partner": contoso, "access": {"by": "account", "name": "svc@woodgrove.example"}, "mfa": by, "homeMfaCounts": null},
                {
                    "partner": stranger,
                    "access": {"by": "service-provider"},
                    "mfa": {
                        "verdict": "exempted",
                        "by": [{"policy": "All", "why": "leaves out service provider users of this partner"}],
                    },
                    "homeMfaCounts": true,
                },
            ])
        );
    }
}
