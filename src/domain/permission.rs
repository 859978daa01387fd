//! Which application permissions it takes to guard a tenant: to read it, and to do what the policy may
//! come to.

use std::collections::BTreeSet;

use super::facts::Part;
use super::finding::{FindingName, rules};
use super::plan::Remediation;
use super::policy::{Also, Do, Mode, Policy};
use super::roster::{Side, Tenant};
use super::subscription::resources;

/// A permission that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Its name, as Microsoft Graph has it: the least that does.
    pub permission: &'static str,
    /// Others of which one does as well.
    pub covered_by: &'static [&'static str],
    /// What it is needed for.
    pub purposes: Vec<&'static str>,
    /// Whether something that is promised fails without it. Else it is needed in some tenants only,
    /// or for names.
    pub must: bool,
}

impl Need {
    /// Whether an application that holds these has it.
    pub fn is_met(&self, held: &BTreeSet<String>) -> bool {
        held.contains(self.permission) || self.covered_by.iter().any(|it| held.contains(*it))
    }

    /// Adds one to those there are.
    fn add(all: &mut Vec<Self>, new: Self) {
        let Some(known) = all.iter_mut().find(|it| it.permission == new.permission) else {
            return all.push(new);
        };
        for purpose in new.purposes {
            if !known.purposes.contains(&purpose) {
                known.purposes.push(purpose);
            }
        }
        known.must |= new.must;
        if new.covered_by.is_empty() {
            known.covered_by = &[];
        }
    }
}

/// What of the settings asks for a permission to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whether the audit log is polled.
    pub polls: bool,
    /// Whether Graph is asked for notifications.
    pub subscribes: bool,
    /// Whether Partner Center is asked about customers.
    pub customers: bool,
}

/// What it takes to read a tenant.
pub fn to_read(tenant: &Tenant, asked: Asked) -> Vec<Need> {
    const POLLED: &str = "poll the audit log";
    let mut all = Vec::new();
    let need = |permission, purpose, must| Need {
        permission,
        covered_by: covered_by(permission),
        purposes: vec![purpose],
        must,
    };
    for part in parts(tenant.side) {
        Need::add(&mut all, need(part.permission(), part.noun(), true));
    }
    if tenant.side == Side::Partner {
        let purpose = if asked.customers { "customers" } else { "names of groups" };
        Need::add(&mut all, need("Directory.Read.All", purpose, asked.customers));
    } else {
        let names = "names of partners the policy does not name";
        Need::add(&mut all, need("CrossTenantInformation.ReadBasic.All", names, false));
    }
    if asked.polls {
        Need::add(&mut all, need("AuditLog.Read.All", POLLED, true));
        Need::add(&mut all, need("Directory.Read.All", POLLED, true));
    }
    if asked.subscribes {
        for resource in resources(tenant.side) {
            let purpose = "be notified of changes";
            let need = Need { covered_by: &[], ..need(resource.permission(), purpose, true) };
            Need::add(&mut all, need);
        }
    }
    all
}

/// The parts that are read of any tenant of a side.
fn parts(side: Side) -> &'static [Part] {
    match side {
        Side::Customer => &[
            Part::RoleAssignments,
            Part::Principals,
            Part::Guests,
            Part::PartnerEntries,
            Part::ActiveSchedules,
            Part::EligibleSchedules,
            Part::GroupMembers,
            Part::PartnerApps,
            Part::Governance,
        ],
        Side::Partner => &[Part::Relationships],
    }
}

/// What it takes to do in a tenant what the policy may come to. Nothing in `observe`.
pub fn to_write(tenant: &Tenant, policy: &Policy) -> Vec<Need> {
    let mut all = Vec::new();
    for (remediation, must) in remediations(tenant.side, policy) {
        for permission in remediation.permissions() {
            Need::add(
                &mut all,
                Need {
                    permission,
                    covered_by: covered_by(permission),
                    purposes: vec![remediation.as_str()],
                    must,
                },
            );
        }
    }
    all
}

/// What the policy may come to in a tenant, and whether its author asked for just that.
fn remediations(side: Side, policy: &Policy) -> Vec<(Remediation, bool)> {
    let mut all: Vec<(Remediation, bool)> = Vec::new();
    if policy.mode == Mode::Observe {
        return all;
    }
    let mut add = |remediation, must| match all.iter_mut().find(|it| it.0 == remediation) {
        Some(known) => known.1 |= must,
        None => all.push((remediation, must)),
    };
    for rule in rules().filter(|rule| rule.name.is_raised_on(side)) {
        let response = policy.response(rule.name, rule.severity);
        if matches!(response.act, Do::Approve | Do::Revoke) {
            for (remediation, must) in taking_away(rule.name) {
                add(*remediation, *must);
            }
        }
        let quarantines = response.act == Do::Quarantine
            || (response.quarantine_if_refused && response.act >= Do::Approve);
        if quarantines && side == Side::Customer {
            add(Remediation::Quarantine, true);
        }
        for also in &response.also {
            add(
                match also {
                    Also::RevokeSessions => Remediation::RevokeSessions,
                    Also::DisableGuest => Remediation::DisableGuest,
                    Also::DisableApp => Remediation::DisableApp,
                },
                true,
            );
        }
    }
    all
}

/// What takes away that which a finding is about, and whether it always comes to that: a role may be
/// held in several ways.
fn taking_away(finding: FindingName) -> &'static [(Remediation, bool)] {
    const ROLES: &[(Remediation, bool)] = &[
        (Remediation::RevokeRoleAssignment, true),
        (Remediation::RemoveEligibility, true),
        (Remediation::RemoveScheduledAssignment, true),
        (Remediation::RemoveGroupMember, false),
    ];
    const ROLES_OR_PERMISSIONS: &[(Remediation, bool)] = &[
        (Remediation::RevokeRoleAssignment, true),
        (Remediation::RemoveEligibility, true),
        (Remediation::RemoveScheduledAssignment, true),
        (Remediation::RemoveGroupMember, false),
        (Remediation::RemoveAppRole, false),
    ];
    match finding {
        FindingName::PrivilegedRole
        | FindingName::RoleNotAllowed
        | FindingName::GuestWithRole
        | FindingName::StandingAccess
        | FindingName::DedicatedAccountDrift
        | FindingName::AllowanceExpired => ROLES,
        FindingName::UnlistedPartner | FindingName::Reappeared => ROLES_OR_PERMISSIONS,
        FindingName::RoleViaGroup => &[(Remediation::RemoveGroupMember, true)],
        FindingName::PartnerAppPrivileged => {
            &[(Remediation::RevokeRoleAssignment, true), (Remediation::RemoveAppRole, true)]
        }
        FindingName::GdapGlobalAdministrator => &[(Remediation::DropGlobalAdministrator, true)],
        FindingName::GdapAutoExtend => &[(Remediation::StopAutoExtend, true)],
        FindingName::GdapTooLong => &[(Remediation::TerminateRelationship, true)],
        FindingName::GdapRoleNotAllowed => &[(Remediation::DeleteAccessAssignment, true)],
        // About these nothing is taken from anybody, whatever the policy says.
        FindingName::MfaNotEnforced
        | FindingName::MfaExempted
        | FindingName::InboundTrust
        | FindingName::SupportAccessLingering
        | FindingName::UnclassifiedPrincipal
        | FindingName::Unreadable
        | FindingName::DapActive => &[],
    }
}

/// The permissions of which one does as well as this one, as docs/sign-in.md tells them.
///
/// Source: the "Permissions" tables of the Microsoft Graph documentation of each call.
pub fn covered_by(permission: &str) -> &'static [&'static str] {
    match permission {
        "RoleManagement.Read.Directory"
        | "RoleAssignmentSchedule.ReadWrite.Directory"
        | "RoleEligibilitySchedule.ReadWrite.Directory" => &["RoleManagement.ReadWrite.Directory"],
        "RoleAssignmentSchedule.Read.Directory" => &[
            "RoleManagement.Read.Directory",
            "RoleManagement.ReadWrite.Directory",
            "RoleAssignmentSchedule.ReadWrite.Directory",
        ],
        "RoleEligibilitySchedule.Read.Directory" => &[
            "RoleManagement.Read.Directory",
            "RoleManagement.ReadWrite.Directory",
            "RoleEligibilitySchedule.ReadWrite.Directory",
        ],
        "User.Read.All" | "GroupMember.Read.All" | "Application.Read.All" => {
            &["Directory.Read.All"]
        }
        "DelegatedAdminRelationship.Read.All" => &["DelegatedAdminRelationship.ReadWrite.All"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::app_role;

    fn policy(rest: &str) -> Policy {
        let text = format!(
            "version: 1\ntenants:\n  - {{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}}\n  \
             - {{id: 22222222-2222-2222-2222-222222222222, name: Contoso, side: partner}}\n{rest}\n"
        );
        Policy::parse(&text).unwrap_or_else(|problems| panic!("{problems:?}")).policy
    }

    fn names(needs: &[Need], must: bool) -> Vec<&str> {
        needs.iter().filter(|it| it.must == must).map(|it| it.permission).collect()
    }

    fn written(rest: &str, tenant: usize) -> Vec<Need> {
        let policy = policy(rest);
        to_write(&policy.roster.tenants[tenant], &policy)
    }

    const ALL: Asked = Asked { polls: true, subscribes: true, customers: true };

    #[test]
    fn reading_a_customers_tenant_takes_what_the_readme_lists() {
        let policy = policy("");
        let needs = to_read(&policy.roster.tenants[0], ALL);
        assert_eq!(
            names(&needs, true),
            [
                "RoleManagement.Read.Directory",
                "Directory.Read.All",
                "User.Read.All",
                "Policy.Read.All",
                "RoleAssignmentSchedule.Read.Directory",
                "RoleEligibilitySchedule.Read.Directory",
                "GroupMember.Read.All",
                "Application.Read.All",
                "TenantGovernance-Relationship.Read.All",
                "AuditLog.Read.All",
                "Group.Read.All",
            ]
        );
        assert_eq!(names(&needs, false), ["CrossTenantInformation.ReadBasic.All"]);
        let few = to_read(&policy.roster.tenants[0], Asked::default());
        for name in ["AuditLog.Read.All", "Group.Read.All"] {
            assert!(!names(&few, true).contains(&name), "{name}");
        }
    }

    #[test]
    fn reading_a_partners_own_tenant_takes_less() {
        let policy = policy("");
        let needs = to_read(&policy.roster.tenants[1], Asked::default());
        assert_eq!(names(&needs, true), ["DelegatedAdminRelationship.Read.All"]);
        assert_eq!(names(&needs, false), ["Directory.Read.All"]);
        let asked = Asked { customers: true, ..Asked::default() };
        assert!(to_read(&policy.roster.tenants[1], asked).iter().all(|it| it.must));
    }

    #[test]
    fn what_covers_another_counts_and_not_where_it_is_subscribed_to() {
        let policy = policy("");
        let woodgrove = &policy.roster.tenants[0];
        let held = ["Directory.Read.All".to_owned()].into();
        let met = |asked| {
            let needs = to_read(woodgrove, asked);
            needs.iter().find(|it| it.permission == "User.Read.All").unwrap().is_met(&held)
        };
        assert!(met(Asked::default()));
        assert!(!met(ALL), "a subscription to users takes User.Read.All itself");
        let needs = to_read(woodgrove, Asked::default());
        assert!(!needs[0].is_met(&held), "{}", needs[0].permission);
    }

    #[test]
    fn in_observe_nothing_is_written_and_else_what_the_policy_may_come_to() {
        let respond = "respond: {privileged-role: {do: revoke}}";
        assert_eq!(written(&format!("mode: observe\n{respond}"), 0), []);
        for mode in ["approve", "enforce"] {
            let needs = written(&format!("mode: {mode}\n{respond}"), 0);
            assert_eq!(
                names(&needs, true),
                [
                    "RoleManagement.ReadWrite.Directory",
                    "RoleEligibilitySchedule.ReadWrite.Directory",
                    "RoleAssignmentSchedule.ReadWrite.Directory",
                ]
            );
            assert_eq!(names(&needs, false), ["GroupMember.ReadWrite.All"]);
            // One permission does for all of them.
            let held = ["RoleManagement.ReadWrite.Directory".to_owned()].into();
            assert!(needs.iter().filter(|it| it.must).all(|it| it.is_met(&held)));
            assert_eq!(written(&format!("mode: {mode}\n{respond}"), 1), []);
        }
        assert_eq!(written("mode: enforce", 0), [], "by itself it only opens tickets");
    }

    #[test]
    fn each_response_takes_the_permissions_of_what_it_does() {
        let of = |respond: &str, tenant| -> Vec<&'static str> {
            let needs = written(&format!("mode: enforce\nrespond: {{{respond}}}"), tenant);
            needs.iter().filter(|it| it.must).map(|it| it.permission).collect()
        };
        for (respond, tenant, expect) in [
            ("role-via-group: {do: approve}", 0, "GroupMember.ReadWrite.All"),
            ("partner-app-privileged: {do: revoke}", 0, "AppRoleAssignment.ReadWrite.All"),
            ("privileged-role: {do: quarantine}", 0, "Policy.ReadWrite.ConditionalAccess"),
            (
                "guest-with-role: {do: revoke, also: [revoke-sessions, disable-guest]}",
                0,
                "User.EnableDisableAccount.All",
            ),
            (
                "partner-app-privileged: {do: revoke, also: [disable-app]}",
                0,
                "Application.ReadWrite.All",
            ),
            ("gdap-auto-extend: {do: revoke}", 1, "DelegatedAdminRelationship.ReadWrite.All"),
        ] {
            assert!(of(respond, tenant).contains(&expect), "{respond}: {:?}", of(respond, tenant));
            let other = of("privileged-role: {do: ticket}", tenant);
            assert_eq!(other, Vec::<&str>::new());
        }
    }

    #[test]
    fn every_permission_has_an_id_to_be_granted_by() {
        let policy = policy(
            "mode: enforce\nrespond: {unlisted-partner: {do: revoke}, privileged-role: {do: quarantine}}",
        );
        let woodgrove = &policy.roster.tenants[0];
        for need in to_read(woodgrove, ALL).iter().chain(&to_write(woodgrove, &policy)) {
            let role = app_role::of_graph(need.permission);
            assert!(role.is_some(), "{}", need.permission);
        }
        for remediation in Remediation::ALL {
            for permission in remediation.permissions() {
                assert!(app_role::of_graph(permission).is_some(), "{permission}");
            }
        }
    }

    #[test]
    fn the_page_about_signing_in_tells_what_covers_what() {
        let page = include_str!("../../docs/sign-in.md");
        let quoted = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let mut compared = 0;
        for line in page.lines().filter(|line| line.starts_with("| ")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (Some(least), Some(told)) = (cells.get(3), cells.get(4)) else { continue };
            let (least, told) = (quoted(least), quoted(told));
            let Some(least) = least.first().filter(|it| it.contains('.')) else { continue };
            if told.is_empty() {
                continue;
            }
            for other in told {
                assert!(covered_by(least).contains(&other.as_str()), "{least} by {other}");
            }
            compared += 1;
        }
        assert!(compared >= 8, "only {compared} rows were compared");
    }
}
