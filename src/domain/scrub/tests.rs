//! Nothing of the names survives, and the findings do.

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Scrubbed, scrub};
use crate::domain::facts::{
    AppRoleAssignment, DirectoryObject, GapCause, GivenAccount, GovernanceRelationship,
    InboundTrust, Member, Part, PartnerApp, PartnerEntry, ScheduleInstance, ServicePrincipal, User,
};
use crate::domain::finding::testing::{CONTOSO, Case, STRANGER, WOODGROVE, noon};
use crate::domain::finding::{FindingName, Severity, findings};
use crate::domain::grant::grants;
use crate::domain::id::{AssignmentId, PrincipalId};
use crate::domain::policy::Policy;
use crate::domain::roster::Requirement;
use crate::domain::snapshot::Snapshot;

/// What a finding is, beside its names.
type Bare = (FindingName, Severity, bool, Option<bool>);

fn bare(snapshot: &Snapshot, policy: &Policy) -> Vec<Bare> {
    let tenant = policy.roster.tenant(snapshot.tenant.id).unwrap();
    let found = findings(&snapshot.facts, tenant, policy, noon());
    let bare = found.into_iter().map(|it| {
        let ends = it.grant.map(|grant| grant.role.privileged == Some(true));
        (it.finding, it.severity, it.certain, ends)
    });
    let mut all: Vec<Bare> = bare.collect();
    all.sort();
    all
}

/// The snapshot, with a policy that demands all there is to demand.
fn snapshot(case: &Case) -> (Snapshot, Policy) {
    let mut policy = case.policy();
    for partner in &mut policy.roster.tenants.first_mut().unwrap().partners {
        let max_duration = Some(SignedDuration::from_hours(24 * 30));
        partner.require = Requirement { mfa: true, max_duration, eligible: true };
    }
    let tenant = policy.roster.tenants.first().unwrap();
    (Snapshot::new(tenant, noon(), case.facts.clone()), policy)
}

fn scrubbed(case: &Case) -> (Snapshot, Policy, Scrubbed) {
    let (snapshot, policy) = snapshot(case);
    let scrubbed = scrub(&snapshot, policy.roster.tenants.first().unwrap(), &policy).unwrap();
    (snapshot, policy, scrubbed)
}

/// Checks that the findings are the same, and returns the text of both files.
#[track_caller]
fn judged_alike(case: &Case) -> String {
    let (snapshot, policy, scrubbed) = scrubbed(case);
    let other = Policy::parse(&scrubbed.policy)
        .unwrap_or_else(|problems| panic!("{problems:?} in\n{}", scrubbed.policy))
        .policy;
    assert_eq!(
        bare(&scrubbed.snapshot, &other),
        bare(&snapshot, &policy),
        "{}\n{}",
        scrubbed.policy,
        scrubbed.snapshot.to_json()
    );
    let json = scrubbed.snapshot.to_json();
    // It is a snapshot like any other.
    assert_eq!(Snapshot::parse(json.as_bytes()), Ok(scrubbed.snapshot));
    json + &scrubbed.policy
}

/// A tenant in which there is something of everything, called after `name`.
#[expect(clippy::too_many_lines, reason = "there is much of it")]
fn everything(name: &str, domain: &str, id: &str) -> Case {
    let mail = format!("{name}@{domain}");
    let mut case = Case::new()
        .allow(&["Directory Readers", id])
        .allow_unlisted(&["Reports Reader"])
        .allowed_until("2027-03-31")
        .except("Exchange Administrator", "2026-12-24T18:00Z")
        .with_policy("respond: {guest-with-role: {do: ignore}}")
        .foreign_group(&format!("{name} agents"), "Global Administrator")
        .foreign_group(&format!("{name} desk"), "Exchange Administrator")
        .scoped(&format!("{name} branch"), id, &format!("/administrativeUnits/{id}"))
        .guest(
            &format!("{name} guest"),
            &format!("{name}@mail.contoso-reseller.example"),
            "User Administrator",
        )
        .guest("else", &mail, "Global Administrator")
        .guest_from_home("homely", CONTOSO, "Reports Reader")
        .dedicated_account(&format!("svc-{name}@{domain}"), "Security Administrator")
        .member(&format!("{name}member"), "Global Administrator")
        .garbled_home("garbled", name, "Reports Reader")
        .own_group(&format!("{name} admins"), "Global Administrator")
        .partner_app(&format!("{name} app"), "Application Administrator")
        .stranger_group(&format!("{name} strangers"), "Reports Reader")
        .stranger_group("more", "Global Administrator")
        .microsoft_support("Microsoft 365 Support Engineer")
        .calls_itself(STRANGER, name)
        .unresolvable(id, "Global Administrator")
        .service_provider(CONTOSO)
        .gap(Part::Guests, GapCause::Denied);
    let principal = PrincipalId::new(id);
    let schedule = |at: &str| ScheduleInstance {
        id: AssignmentId(format!("{name}-{at}")),
        principal_id: principal.clone(),
        role_definition_id: id.to_owned(),
        directory_scope_id: "/".to_owned(),
        end_date_time: Some("2027-01-01T00:00:00Z".parse().unwrap()),
        member_type: Some("Direct".to_owned()),
        assignment_type: Some("Activated".to_owned()),
        role_assignment_origin_id: Some(AssignmentId(format!("{name}-origin"))),
    };
    let facts = &mut case.facts;
    facts.active = vec![schedule("Ab"), schedule("aB")];
    facts.eligible = vec![schedule("eligible")];
    let user = User {
        display_name: Some(name.to_owned()),
        user_principal_name: Some(mail.clone()),
        mail: Some(mail.clone()),
        user_type: Some("Member".to_owned()),
        account_enabled: Some(true),
    };
    let member = Member { id: principal.clone(), object: DirectoryObject::User(user.clone()) };
    facts.members.insert(principal.clone(), vec![member]);
    facts.memberships.insert(principal.clone(), [principal.clone()].into());
    let given = GivenAccount::Present { id: principal.clone(), user };
    facts.accounts.insert(format!("svc-{name}@{domain}").to_lowercase(), given);
    facts.apps.push(PartnerApp {
        id: principal.clone(),
        app: ServicePrincipal {
            display_name: Some(name.to_owned()),
            app_id: Some(id.to_owned()),
            app_owner_organization_id: Some(CONTOSO.to_owned()),
        },
        app_roles: vec![AppRoleAssignment {
            id: AssignmentId(format!("{name}-app-role")),
            app_role_id: "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8".to_owned(),
            resource_display_name: Some("Microsoft Graph".to_owned()),
            resource_id: Some(id.to_owned()),
        }],
    });
    facts.partner_entries.push(PartnerEntry {
        tenant_id: id.to_owned(),
        inbound_trust: Some(InboundTrust { is_mfa_accepted: Some(true), ..Default::default() }),
        ..PartnerEntry::default()
    });
    facts.constraints.insert(CONTOSO.parse().unwrap(), vec![id.to_owned()]);
    facts.units.insert(format!("/administrativeunits/{}", id.to_lowercase()), name.to_owned());
    facts.governance.push(GovernanceRelationship {
        id: id.to_owned(),
        status: Some("active".to_owned()),
        governing_tenant_id: Some(id.to_owned()),
        governing_tenant_name: Some(name.to_owned()),
    });
    facts.conditional_access.push(json!({
        "id": id,
        "displayName": format!("Require MFA for {name}"),
        "description": name,
        "state": "enabled",
        "createdDateTime": "2026-01-01T00:00:00Z",
        "conditions": {
            "clientAppTypes": ["all"],
            "applications": {"includeApplications": ["All"], "excludeApplications": [id]},
            "users": {
                "includeUsers": ["GuestsOrExternalUsers", id],
                "includeRoles": ["62e90394-69f5-4237-9190-012177145e10"],
                "excludeGroups": [id],
                "includeGuestsOrExternalUsers": {
                    "guestOrExternalUserTypes": "serviceProvider,b2bCollaborationGuest",
                    "externalTenants": {
                        "@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants",
                        "membershipKind": "enumerated",
                        "members": [CONTOSO, id],
                    },
                },
            },
            "devices": {"deviceFilter": {"mode": "exclude", "rule": format!("device.displayName -eq \"{name}\"")}},
        },
        "grantControls": {
            "operator": "OR",
            "builtInControls": ["mfa"],
            "customAuthenticationFactors": [name],
            "authenticationStrength": {
                "id": "00000000-0000-0000-0000-000000000004",
                "displayName": name,
                "allowedCombinations": ["windowsHelloForBusiness", "password,softwareOath"],
                "requirementsSatisfied": "mfa",
            },
        },
        (name): {(id): mail},
    }));
    for gap in &mut facts.gaps {
        gap.detail = format!("{name} said no to {id}");
    }
    let tenant = case.policy().roster.tenants.remove(0);
    let held = grants(&case.facts, &tenant);
    case.facts.taken_away = held.iter().take(2).map(|grant| (grant.likeness(), 1)).collect();
    case
}

#[test]
#[expect(clippy::too_many_lines, reason = "most of them are expected")]
fn what_the_policy_reads_stays_and_no_name_does() {
    let case =
        everything("Zanzibar", "zanzibar-trading.test", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d");
    let (_, _, scrubbed) = scrubbed(&case);
    assert_eq!(scrubbed.snapshot.facts.taken_away.len(), 2);
    let policy = scrubbed.snapshot.facts.conditional_access.first().unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(policy).unwrap(), @r##"
    {
      "conditions": {
        "applications": {
          "excludeApplications": [
            "5c5c5c5c-0000-8000-8000-000000000003"
          ],
          "includeApplications": [
            "All"
          ]
        },
        "clientAppTypes": [
          "all"
        ],
        "devices": {
          "deviceFilter": {
            "mode": "exclude",
            "rule": "(left out)"
          }
        },
        "users": {
          "excludeGroups": [
            "5c5c5c5c-0000-8000-8000-000000000003"
          ],
          "includeGuestsOrExternalUsers": {
            "externalTenants": {
              "@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants",
              "members": [
                "5c5c5c5c-0000-8000-8000-000000000002",
                "5c5c5c5c-0000-8000-8000-000000000003"
              ],
              "membershipKind": "enumerated"
            },
            "guestOrExternalUserTypes": "serviceProvider,b2bCollaborationGuest"
          },
          "includeRoles": [
            "62e90394-69f5-4237-9190-012177145e10"
          ],
          "includeUsers": [
            "GuestsOrExternalUsers",
            "5c5c5c5c-0000-8000-8000-000000000003"
          ]
        }
      },
      "createdDateTime": "2026-01-01T00:00:00Z",
      "description": "(left out)",
      "displayName": "Policy 1",
      "grantControls": {
        "authenticationStrength": {
          "allowedCombinations": [
            "windowsHelloForBusiness",
            "password,softwareOath"
          ],
          "displayName": "Policy 2",
          "id": "00000000-0000-0000-0000-000000000004",
          "requirementsSatisfied": "mfa"
        },
        "builtInControls": [
          "mfa"
        ],
        "customAuthenticationFactors": [
          "id-14"
        ],
        "operator": "OR"
      },
      "id": "5c5c5c5c-0000-8000-8000-000000000003",
      "id-14": {
        "5c5c5c5c-0000-8000-8000-000000000003": "account-2@d3.d4.example"
      },
      "state": "enabled"
    }
    "##);
    insta::assert_snapshot!(scrubbed.policy, @r#"
    version: 1
    mode: observe
    tenants:
      - id: 5c5c5c5c-0000-8000-8000-000000000001
        name: Tenant 1
        partners:
          - id: 5c5c5c5c-0000-8000-8000-000000000002
            name: Tenant 2
            domains: [d1.d2.example]
            accounts: [account-1@d3.d4.example]
            allow: {roles: [5c5c5c5c-0000-8000-8000-000000000003, "Directory Readers"], until: "2027-04-01T00:00:00Z"}
            require: {mfa: true, maxDuration: PT720H, eligible: true}
        unlisted: {allow: {roles: ["Reports Reader"]}}
    respond:
      privileged-role: {do: ticket}
      role-not-allowed: {do: ticket}
      unlisted-partner: {do: ticket}
      guest-with-role: {do: ignore}
      role-via-group: {do: ticket}
      standing-access: {do: record}
      dedicated-account-drift: {do: record}
      mfa-not-enforced: {do: ticket}
      mfa-exempted: {do: ticket}
      inbound-trust: {do: record}
      partner-app-privileged: {do: ticket}
      allowance-expired: {do: record}
      support-access-lingering: {do: record}
      reappeared: {do: ticket}
      unclassified-principal: {do: ticket}
      unreadable: {do: ticket}
      gdap-global-administrator: {do: ticket}
      gdap-auto-extend: {do: record}
      gdap-too-long: {do: record}
      gdap-role-not-allowed: {do: ticket}
      dap-active: {do: ticket}
    exceptions:
      - {partner: 5c5c5c5c-0000-8000-8000-000000000002, role: "Exchange Administrator", until: "2026-12-24T18:00:00Z", reason: (left out)}
    "#);
}

#[test]
fn a_grant_that_is_back_is_back_after_scrubbing() {
    let case =
        everything("Zanzibar", "zanzibar-trading.test", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d");
    let (_, _, scrubbed) = scrubbed(&case);
    let policy = Policy::parse(&scrubbed.policy).unwrap().policy;
    let held = grants(&scrubbed.snapshot.facts, policy.roster.tenants.first().unwrap());
    let taken_away = &scrubbed.snapshot.facts.taken_away;
    let back = held.iter().filter(|it| taken_away.contains_key(&it.likeness()));
    assert_eq!(back.count(), 2);
}

#[test]
fn a_scrubbed_snapshot_can_be_scrubbed_again() {
    let case =
        everything("Zanzibar", "zanzibar-trading.test", "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d");
    let (_, _, once) = scrubbed(&case);
    let policy = Policy::parse(&once.policy).unwrap().policy;
    let twice = scrub(&once.snapshot, policy.roster.tenants.first().unwrap(), &policy).unwrap();
    let again = Policy::parse(&twice.policy).unwrap().policy;
    assert_eq!(bare(&twice.snapshot, &again), bare(&once.snapshot, &policy));
}

/// What can be otherwise in a conditional access policy, by place.
const CHANGES: [(&str, &str); 12] = [
    ("state", "\"disabled\""),
    ("state", "\"enabledForReportingButNotEnforced\""),
    ("grantControls/operator", "\"AND\""),
    ("grantControls/customAuthenticationFactors", "[]"),
    ("grantControls/authenticationStrength", "null"),
    ("conditions/devices", "null"),
    ("conditions/applications/excludeApplications", "[]"),
    ("conditions/users/includeUsers", "[\"All\"]"),
    ("conditions/users/excludeGroups", "[]"),
    (
        "conditions/users/includeGuestsOrExternalUsers/externalTenants",
        "{\"membershipKind\": \"all\"}",
    ),
    ("conditions/insiderRiskLevels", "\"elevated\""),
    ("conditions/authenticationFlows", "{\"transferMethods\": \"deviceCodeFlow\"}"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_name_survives_and_every_finding_does(
        name in "[A-Z][a-z]{7,11}x[0-9]{3}",
        domain in "[a-z]{9,12}(-[a-z]{4})?\\.[a-z]{8,9}\\.test",
        id in "[1-9a-f][0-9a-f]{7}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[1-9a-f][0-9a-f]{11}",
        upper in any::<bool>(),
        changes in prop::collection::vec(0..CHANGES.len(), 0..4),
        defaults in any::<Option<bool>>(),
    ) {
        let id = if upper { id.to_uppercase() } else { id };
        let mut case = everything(&name, &domain, &id);
        for (path, value) in changes.into_iter().filter_map(|at| CHANGES.get(at)) {
            let policy = case.facts.conditional_access.first_mut().unwrap();
            let place = path.split('/').fold(policy, |value, key| &mut value[key]);
            *place = serde_json::from_str::<Value>(value).unwrap();
        }
        case.facts.security_defaults = defaults;
        let said = judged_alike(&case).to_lowercase();
        let labels = domain.split('.').filter(|label| *label != "test");
        let compact = id.to_lowercase().replace('-', "");
        for old in [name.to_lowercase(), id.to_lowercase(), compact].iter().map(String::as_str)
            .chain([WOODGROVE, CONTOSO, STRANGER, "woodgrove", "contoso", "migration", "chg-4711"])
            .chain(labels)
        {
            prop_assert!(!said.contains(old), "{old} is still there:\n{said}");
        }
    }
}
