//! `standing-access`: a partner holds a role without end, or longer than the policy lets it, or
//! all the time where it should have to activate it.
//!
//! It speaks of allowed roles too: what is allowed is the role, and what is demanded is the way to
//! hold it. An exception lets a grant pass in this as well. Application permissions have neither
//! end nor activation in Microsoft 365 and are left to `partner-app-privileged`.

use jiff::{SignedDuration, Timestamp};

use super::{Finding, FindingName, Rule, Severity, View, about_grant, is_excepted, moment};
use crate::domain::facts::Part;
use crate::domain::grant::{Grant, Held, PrincipalKind};
use crate::domain::roster::Requirement;
use crate::domain::text::count;

pub(super) const RULE: Rule = Rule {
    name: FindingName::StandingAccess,
    name_text: "standing-access",
    severity: Severity::Medium,
    reads: super::HOLDERS,
    why: "Access that is there all the time can be used all the time, also by whoever stole the partner's credentials. A role that has to be activated, or that ends, is out of reach for most of the day.",
    mend: "Microsoft Entra admin center > ID Governance > Privileged Identity Management > Microsoft Entra roles > Roles > the role: add the holder under Eligible assignments, with an end, then remove it under Active assignments. A partner's own group: agree on a shorter relationship with the partner and let it expire (Microsoft 365 admin center > Settings > Partner relationships).",
    page: "https://learn.microsoft.com/entra/id-governance/privileged-identity-management/pim-how-to-add-role-to-user",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let unread = view.facts.gaps.iter().any(|gap| gap.part == Part::ActiveSchedules);
    let held = view.grants.iter().filter(|grant| {
        grant.kind != PrincipalKind::Unclassified && !matches!(grant.held, Held::AppRole { .. })
    });
    held.filter_map(|grant| {
        let require = view.tenant.partner(grant.partner.id?)?.require;
        let (certain, fault) = fault(grant, require, unread, view.now)?;
        if is_excepted(grant, view.tenant, view.policy, view.now) {
            return None;
        }
        let text = format!("{} {}{fault}.", grant.introduced(), grant.deed(""));
        Some(Finding { certain, ..about_grant(&RULE, grant, text) })
    })
    .collect()
}

/// How a grant is held otherwise than demanded, as the end of a sentence, and whether that is
/// proven.
fn fault(
    grant: &Grant,
    require: Requirement,
    unread: bool,
    now: Timestamp,
) -> Option<(bool, String)> {
    let is_active = !grant.held.must_be_activated();
    let always_there = require.eligible && is_active && !grant.activated;
    let endless = require.max_duration.is_some() && grant.ends.is_none();
    // What is not in the schedules that were read may be in those that were not.
    if unread && is_active && grant.ends.is_none() && !grant.activated && (always_there || endless)
    {
        let text = ", and it could not be read whether only for a time, as the policy demands";
        return Some((false, text.to_owned()));
    }
    let there = always_there
        .then(|| (true, "all the time, where the policy lets it be activated only".to_owned()));
    let late = require.max_duration.and_then(|most| too_long(grant, most, is_active, now));
    let faults: Vec<(bool, String)> = there.into_iter().chain(late).collect();
    let texts: Vec<&str> = faults.iter().map(|(_, text)| text.as_str()).collect();
    // The one that is not proven adds to the one that is.
    let certain = faults.iter().any(|(certain, _)| *certain);
    (!faults.is_empty()).then(|| (certain, format!(" {}", texts.join(", and "))))
}

fn too_long(
    grant: &Grant,
    most: SignedDuration,
    is_active: bool,
    now: Timestamp,
) -> Option<(bool, String)> {
    let within = format!("where the policy demands one within {}", length(most));
    match grant.ends {
        Some(ends) if now.duration_until(ends) <= most => None,
        Some(ends) => Some((true, format!("with its end at {}, {within}", moment(ends)))),
        // Its relationship has an end, which only the partner and the portal know.
        None if grant.kind == PrincipalKind::ForeignGroup && is_active => {
            Some((false, format!("without an end that this tenant can see, {within}")))
        }
        None => Some((true, format!("without an end, {within}"))),
    }
}

/// `180 days`, `36h`.
fn length(duration: SignedDuration) -> String {
    const DAY: i64 = 24 * 60 * 60;
    match usize::try_from(duration.as_secs() / DAY) {
        Ok(days) if days > 0 && duration.as_secs() % DAY == 0 => count(days, "day"),
        _ => format!("{duration:#}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::facts::{GapCause, Part};
    use crate::domain::finding::testing::{Case, check, noon};

    const SVC: &str = "svc-contoso@woodgrove.example";
    const ROLE: &str = "Reports Reader";

    fn holds(rest: &str) -> String {
        format!("{SVC}, an account given to Contoso Reseller, holds Reports Reader {rest}")
    }

    /// The account with the role, under a demand; the role is allowed.
    fn case(require: &'static str) -> Case {
        Case::new().allow(&[ROLE]).require(require).dedicated_account(SVC, ROLE)
    }

    /// Whether each finding is proven.
    fn certain(case: &Case) -> Vec<bool> {
        let found = case.findings().into_iter();
        found.filter(|it| it.finding.as_str() == "standing-access").map(|it| it.certain).collect()
    }

    #[test]
    fn fires_where_a_role_may_only_be_activated_and_is_held() {
        let all_the_time = holds("all the time, where the policy lets it be activated only.");
        check("standing-access", case("eligible: true"), &[&all_the_time]);
        assert_eq!(certain(&case("eligible: true")), [true]);
        // A schedule with an end does not make it one that has to be activated.
        let assigned = case("eligible: true").active(SVC, ROLE, Some("2026-12-01T00:00:00Z"));
        check("standing-access", assigned, &[&all_the_time]);
    }

    #[test]
    fn is_silent_about_what_was_activated_or_may_be() {
        let activated = case("eligible: true").activated(SVC, ROLE, "2026-11-23T20:00:00Z");
        check("standing-access", activated, &[]);
        let eligible = Case::new().allow(&[ROLE]).require("eligible: true");
        check("standing-access", eligible.account(SVC).eligible(SVC, ROLE, None), &[]);
    }

    #[test]
    fn fires_where_there_is_no_end_or_too_late_a_one() {
        let within = "maxDuration: P180D";
        let endless = holds("without an end, where the policy demands one within 180 days.");
        check("standing-access", case(within), &[&endless]);
        check("standing-access", case(within).active(SVC, ROLE, None), &[&endless]);
        let late = case(within).active(SVC, ROLE, Some("2027-05-22T12:00:01Z"));
        check(
            "standing-access",
            late,
            &[&holds(
                "with its end at 2027-05-22 12:00 UTC, where the policy demands one within 180 days.",
            )],
        );
        let soon = case(within).active(SVC, ROLE, Some("2027-05-22T12:00:00Z"));
        assert_eq!(noon().to_string(), "2026-11-23T12:00:00Z");
        check("standing-access", soon, &[]);
        check(
            "standing-access",
            Case::new().allow(&[ROLE]).require(within).account(SVC).eligible(SVC, ROLE, None),
            &[
                "svc-contoso@woodgrove.example, an account given to Contoso Reseller, may activate Reports Reader without an end, where the policy demands one within 180 days.",
            ],
        );
    }

    #[test]
    fn of_two_schedules_the_longer_one_counts() {
        let both = case("eligible: true, maxDuration: PT36H")
            .activated(SVC, ROLE, "2026-11-23T20:00:00Z")
            .active(SVC, ROLE, None);
        check(
            "standing-access",
            both,
            &[&holds(
                "all the time, where the policy lets it be activated only, and without an end, where the policy demands one within 36h.",
            )],
        );
    }

    #[test]
    fn what_could_not_be_read_is_told_as_unknown() {
        let blind = |require| case(require).gap(Part::ActiveSchedules, GapCause::Denied);
        check(
            "standing-access",
            blind("eligible: true, maxDuration: P30D"),
            &[
                "svc-contoso@woodgrove.example, an account given to Contoso Reseller, holds Reports Reader, and it could not be read whether only for a time, as the policy demands.",
            ],
        );
        assert_eq!(certain(&blind("eligible: true")), [false]);
        assert_eq!(certain(&blind("maxDuration: P30D")), [false]);
        // What was read in part is known.
        let known = blind("maxDuration: P30D").active(SVC, ROLE, Some("2026-12-01T00:00:00Z"));
        check("standing-access", known, &[]);
    }

    #[test]
    fn the_end_of_a_partners_relationship_is_not_seen_here() {
        let agents = Case::new()
            .allow(&[ROLE])
            .require("maxDuration: P30D")
            .foreign_group("HelpdeskAgents", ROLE);
        check(
            "standing-access",
            agents.clone(),
            &[
                "HelpdeskAgents, a principal of Contoso Reseller's own directory, holds Reports Reader without an end that this tenant can see, where the policy demands one within 30 days.",
            ],
        );
        assert_eq!(certain(&agents), [false]);
    }

    #[test]
    fn is_silent_where_nothing_is_demanded_or_an_exception_lets_it_pass() {
        check("standing-access", Case::new().dedicated_account(SVC, ROLE), &[]);
        check("standing-access", case("eligible: false"), &[]);
        check("standing-access", case("eligible: true").except(ROLE, "2026-12-24T18:00Z"), &[]);
        let stranger = Case::new().require("eligible: true").stranger_group("Strangers", ROLE);
        check("standing-access", stranger, &[]);
        let app = Case::new().require("eligible: true, maxDuration: P1D").app_with(
            "Contoso Sync",
            "e2a3a72e-5f79-4c64-b1b1-878b674786c9",
            "Microsoft Graph",
        );
        check("standing-access", app, &[]);
    }
}
