//! Plans and steps, as people read them.

use std::fmt;

use super::{Plan, Remediation, Step, Target, Verdict};
use crate::domain::grant::{Grant, Held, PrincipalKind};
use crate::domain::text;

impl Step {
    /// `revoke Global Administrator from AdminAgents`.
    pub fn summary(&self) -> String {
        let partner = &self.partner.name;
        match (&self.target, self.remediation) {
            (Target::Grant(grant), _) => taken_away(grant),
            (Target::Principal { .. }, Remediation::RevokeSessions) => {
                format!("end the sessions of {}", self.named())
            }
            (Target::Principal { .. }, _) => {
                format!("keep {} from signing in", self.named())
            }
            (Target::Partner, _) => {
                let only = self.quarantine.as_ref().is_some_and(|made| !made.in_force);
                let only = if only { ", report-only" } else { "" };
                format!("block {partner}'s people by conditional access{only}")
            }
            (Target::Relationship { .. }, Remediation::DropGlobalAdministrator) => {
                format!("take Global Administrator out of {} with {partner}", self.named())
            }
            (Target::Relationship { .. }, Remediation::StopAutoExtend) => {
                format!("keep {} with {partner} from extending itself", self.named())
            }
            (Target::Relationship { last, .. }, _) => {
                let last = if *last {
                    format!("; no other relationship with {partner} is seen")
                } else {
                    String::new()
                };
                format!("end {} with {partner}, and all access by it{last}", self.named())
            }
            (Target::AccessAssignment { group_name, .. }, _) => {
                format!("take from {group_name} all that {} with {partner} gives it", self.named())
            }
        }
    }

    /// What it is done to, by name.
    fn named(&self) -> String {
        match &self.target {
            Target::Grant(grant) => grant.holder(),
            Target::Principal { name, user_principal_name: Some(upn), .. } if upn != name => {
                format!("{name} ({})", text::foreign(upn))
            }
            Target::Principal { name, .. } => name.clone(),
            Target::Partner => self.partner.name.clone(),
            Target::Relationship { name, .. } | Target::AccessAssignment { name, .. } => {
                format!("the relationship “{name}”")
            }
        }
    }

    /// How a person does the same, click by click.
    ///
    /// Source: Microsoft Learn, "Remove a partner's delegated admin privileges"; the portal is
    /// the one documented way for a customer to end delegated administration. "Assign Microsoft
    /// Entra roles in Privileged Identity Management", "Review permissions granted to enterprise
    /// applications", "Revoke user access in Microsoft Entra ID", "Conditional Access: external
    /// user types". Partner Center documentation, "Terminate a GDAP relationship", "Grant granular
    /// permissions to security groups", "Extend granular delegated admin privileges".
    pub fn by_hand(&self) -> String {
        let (partner, named) = (&self.partner.name, self.named());
        match (&self.target, self.remediation) {
            (Target::Grant(grant), _) => taken_away_by_hand(grant),
            (Target::Principal { .. }, Remediation::RevokeSessions) => format!(
                "Open https://entra.microsoft.com as User Administrator, choose Users > All users \
                 > {named}, choose Revoke sessions."
            ),
            (Target::Principal { .. }, Remediation::DisableApp) => format!(
                "Open https://entra.microsoft.com as Cloud Application Administrator, choose \
                 Enterprise apps > {named} > Properties, set Enabled for users to sign-in to No, \
                 choose Save."
            ),
            (Target::Principal { .. }, _) => format!(
                "Open https://entra.microsoft.com as User Administrator, choose Users > All users \
                 > {named} > Edit properties > Settings, clear Account enabled, choose Save."
            ),
            (Target::Partner, _) => format!(
                "Open https://entra.microsoft.com as Conditional Access Administrator, choose \
                 Conditional Access > Policies > New policy; for Users choose Guest or external \
                 users > Service provider users and B2B guests of {partner}'s tenant and leave out \
                 your own emergency accounts; for Target resources choose All resources; for Grant \
                 choose Block access; set Enable policy to On, choose Create."
            ),
            (Target::Relationship { relationship, .. }, Remediation::DropGlobalAdministrator) => {
                format!(
                    "Partner Center has no button for it. Send PATCH \
                     https://graph.microsoft.com/v1.0/tenantRelationships/\
                     delegatedAdminRelationships/{} with its @odata.etag in If-Match and, in \
                     accessDetails.unifiedRoles, all its roles but Global Administrator \
                     (DelegatedAdminRelationship.ReadWrite.All). Or agree with {partner} on another \
                     relationship first, and end this one: sign in to Partner Center as Admin \
                     agent, choose Customers > {partner} > Admin relationships > {named} > \
                     Terminate relationship.",
                    text::foreign(relationship)
                )
            }
            (Target::Relationship { .. }, Remediation::StopAutoExtend) => format!(
                "Sign in to Partner Center as Admin agent, choose Customers > Expiring granular \
                 relationships, select {named} with {partner}, choose Disable auto-extend."
            ),
            (Target::Relationship { .. }, _) => format!(
                "Sign in to Partner Center as Admin agent, choose Customers > {partner} > Admin \
                 relationships > {named}, choose Terminate relationship, and once more in the \
                 dialog."
            ),
            (Target::AccessAssignment { group_name, .. }, _) => format!(
                "Sign in to Partner Center as Admin agent, choose Customers > {partner} > Admin \
                 relationships > {named}, and remove {group_name} under Security groups."
            ),
        }
    }
}

/// `revoke Global Administrator from AdminAgents`.
fn taken_away(grant: &Grant) -> String {
    let (role, holder, scope) = (&grant.role.name, grant.holder(), grant.scope_note());
    match &grant.held {
        Held::Assignment { .. } | Held::Scheduled { .. } => {
            format!("revoke {role} from {holder}{scope}")
        }
        Held::Eligible { .. } => format!("revoke eligibility for {role} from {holder}{scope}"),
        Held::ThroughGroup { group, group_name, within, also, eligible, .. } => {
            let verb = if *eligible { "may activate" } else { "holds" };
            let elsewhere: Vec<&str> = within
                .iter()
                .filter(|within| within.group != *group)
                .map(|within| within.group_name.as_str())
                .collect();
            let direct = within.is_empty() || elsewhere.len() < within.len();
            let own = direct.then_some(group_name.as_str());
            let from: Vec<&str> = own.into_iter().chain(elsewhere).collect();
            let link = match (direct, from.len()) {
                (true, 1) => format!("which {verb} {role}{scope}"),
                (false, 1) => format!("which is in {group_name}, which {verb} {role}{scope}"),
                _ => format!("by which it is in {group_name}, which {verb} {role}{scope}"),
            };
            let also: Vec<&str> = also.iter().map(|role| role.name.as_str()).collect();
            let also = if also.is_empty() {
                String::new()
            } else {
                format!("; that takes {} away too", text::listed(&also))
            };
            format!("take {holder} out of {}, {link}{also}", text::listed(&from))
        }
        Held::AppRole { .. } => format!("revoke the permission {role} from {holder}"),
    }
}

fn taken_away_by_hand(grant: &Grant) -> String {
    let (role, holder) = (&grant.role.name, grant.holder());
    match &grant.held {
        Held::Assignment { .. } if grant.kind == PrincipalKind::ForeignGroup => format!(
            "Open https://admin.microsoft.com/AdminPortal/Home#/partners as Global \
             Administrator (Microsoft 365 admin center > Settings > Partner relationships), \
             choose {}, choose Remove roles, then Yes.",
            grant.partner.name
        ),
        Held::Assignment { .. } => format!(
            "Open https://entra.microsoft.com as Privileged Role Administrator, choose Roles \
             & admins > {role} > Assignments, tick {holder}, choose Remove assignments."
        ),
        Held::Eligible { .. } | Held::Scheduled { .. } => {
            let may = matches!(grant.held, Held::Eligible { .. });
            let tab = if may { "Eligible assignments" } else { "Active assignments" };
            format!(
                "Open https://entra.microsoft.com as Privileged Role Administrator, choose ID \
                 Governance > Privileged Identity Management > Microsoft Entra roles > Roles > \
                 {role} > {tab}, and choose Remove beside {holder}."
            )
        }
        Held::ThroughGroup { group_name, within, .. } => {
            let names: Vec<&str> = within.iter().map(|it| it.group_name.as_str()).collect();
            let where_to = match names.as_slice() {
                [] => format!("{group_name} > Members (and the groups among them)"),
                names => format!("{} > Members", text::listed(names)),
            };
            format!(
                "Open https://entra.microsoft.com as Privileged Role Administrator, choose Groups \
                 > All groups > {where_to}, tick {holder}, choose Remove."
            )
        }
        Held::AppRole { .. } => format!(
            "Open https://entra.microsoft.com as Cloud Application Administrator, choose \
             Enterprise apps > {holder} > Permissions, choose {role}, then Revoke permission."
        ),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cases.is_empty() {
            return write!(f, "{}: nothing to do", self.tenant_name);
        }
        write!(f, "{} ({})", self.tenant_name, self.mode)?;
        for case in &self.cases {
            write!(f, "\n  {}", case.partner.name)?;
            for finding in &case.findings {
                let severity = finding.severity.as_str();
                write!(f, "\n    {severity} {}: {}", finding.finding, finding.text)?;
            }
            for step in &case.steps {
                let because: Vec<&str> = step.because.iter().map(|name| name.as_str()).collect();
                let because = because.join(", ");
                let summary = step.summary();
                match &step.verdict {
                    Verdict::CarryOut => write!(f, "\n    → {summary} ({because})")?,
                    Verdict::AwaitApproval => {
                        write!(f, "\n    → ask before: {summary} ({because})")?;
                    }
                    Verdict::Held(reason) => write!(f, "\n    → held back: {summary}: {reason}")?,
                    Verdict::Already(state) => {
                        write!(f, "\n    → done before ({}): {summary}", state.as_str())?;
                    }
                }
                if let (Some(why), false) = (step.cannot_be_undone(), step.is_done_before()) {
                    write!(f, "\n      it cannot be undone: {why}")?;
                }
            }
            for finding in &case.left {
                write!(f, "\n    → left to people: {finding}: this version has no step for it")?;
            }
            if !case.sinks.is_empty() {
                let sinks: Vec<&str> = case.sinks.iter().map(|sink| sink.0.as_str()).collect();
                write!(f, "\n    → ticket: {}", sinks.join(", "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Circumstances, History, StepState, plan};
    use super::*;
    use crate::domain::facts::DirectoryObject;
    use crate::domain::finding::testing::{Case, noon};

    /// The steps that a case gives reason to.
    fn steps(case: &Case) -> Vec<Step> {
        planned(case).cases.into_iter().flat_map(|case| case.steps).collect()
    }

    fn planned(case: &Case) -> Plan {
        let (policy, history) = (case.policy(), History::default());
        let about = Circumstances {
            policy: &policy,
            tenant: &policy.roster.tenants[0],
            history: &history,
            own_apps: &[],
            stopped: None,
            now: noon(),
        };
        plan(&case.facts, about)
    }

    fn case() -> Case {
        Case::new()
            .with_policy(
                "respond: {role-not-allowed: {do: revoke, also: [revoke-sessions]}, \
                 partner-app-privileged: {do: revoke}}",
            )
            .member("Megan", "Global Administrator")
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "a case is built where it is checked")]
    fn check(case: Case, expect: &str) {
        assert_eq!(steps(&case)[0].by_hand(), expect);
    }

    const MAIL: &str = "alice@contoso-reseller.example";
    const ALICE: &str = "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example)";

    #[test]
    fn what_cannot_be_undone_is_told_before_it_is_done_and_not_afterwards() {
        let guest = case().guest("Alice", MAIL, "Reports Reader");
        let mut plan = planned(&guest);
        let told = |plan: &Plan| plan.to_string().matches("it cannot be undone: ").count();
        assert_eq!((plan.cases[0].steps.len(), told(&plan)), (2, 1), "{plan}");
        for step in &mut plan.cases[0].steps {
            step.verdict = Verdict::Already(StepState::Verified);
        }
        assert_eq!(told(&plan), 0, "{plan}");
    }

    #[test]
    fn a_person_is_told_the_place_where_what_is_held_can_be_taken_away() {
        check(
            case().foreign_group("Agents", "Reports Reader"),
            "Open https://admin.microsoft.com/AdminPortal/Home#/partners as Global Administrator \
             (Microsoft 365 admin center > Settings > Partner relationships), choose Contoso \
             Reseller, choose Remove roles, then Yes.",
        );
        check(
            case().guest("Alice", MAIL, "Reports Reader"),
            &format!(
                "Open https://entra.microsoft.com as Privileged Role Administrator, choose Roles & \
                 admins > Reports Reader > Assignments, tick {ALICE}, choose Remove assignments."
            ),
        );
        let alone = || case().guest_alone("Alice", MAIL);
        for (case, tab) in [
            (alone().eligible("Alice", "Reports Reader", None), "Eligible assignments"),
            (alone().active("Alice", "Reports Reader", None), "Active assignments"),
        ] {
            check(
                case,
                &format!(
                    "Open https://entra.microsoft.com as Privileged Role Administrator, choose ID \
                     Governance > Privileged Identity Management > Microsoft Entra roles > Roles > \
                     Reports Reader > {tab}, and choose Remove beside {ALICE}."
                ),
            );
        }
        check(
            case().app_with("Sync", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", "Microsoft Graph"),
            "Open https://entra.microsoft.com as Cloud Application Administrator, choose \
             Enterprise apps > Sync > Permissions, choose RoleManagement.ReadWrite.Directory of \
             Microsoft Graph, then Revoke permission.",
        );
    }

    #[test]
    fn a_person_is_told_out_of_which_groups_somebody_has_to_be_taken() {
        let in_admins =
            || case().own_group("Admins", "Reports Reader").guest_in("Admins", "Alice", MAIL);
        let nested = || in_admins().group_in("Admins", "Help");
        for (case, groups) in [
            (in_admins(), "Admins > Members"),
            (
                nested().directly_in("Admins", &["Help"]).directly_in("Help", &["Alice"]),
                "Help > Members",
            ),
            (
                nested().directly_in("Admins", &["Help", "Alice"]).directly_in("Help", &["Alice"]),
                "Admins and Help > Members",
            ),
            // By which of them could not be read.
            (nested(), "Admins > Members (and the groups among them)"),
        ] {
            check(
                case,
                &format!(
                    "Open https://entra.microsoft.com as Privileged Role Administrator, choose \
                     Groups > All groups > {groups}, tick {ALICE}, choose Remove."
                ),
            );
        }
    }

    #[test]
    fn an_account_that_is_named_by_its_user_principal_name_is_named_once() {
        let named = |name: &str| {
            let mut case = case().guest("Alice", MAIL, "Reports Reader");
            for object in case.facts.objects.values_mut() {
                if let DirectoryObject::User(user) = object {
                    user.display_name = Some(name.to_owned());
                }
            }
            steps(&case)[1].summary()
        };
        let upn = "alice_contoso-reseller.example#EXT#@woodgrove.example";
        assert_eq!(named("Alice"), format!("end the sessions of {ALICE}"));
        assert_eq!(named(upn), format!("end the sessions of {upn}"));
    }
}
