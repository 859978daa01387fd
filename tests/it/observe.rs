//! A snapshot of a customer's tenant: everything in it, what it costs, and what stays unknown.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use partner_warden::adapters::clock::SystemClock;
use partner_warden::adapters::graph::{Credential, Graph};
use partner_warden::adapters::http::{Http, Patience};
use partner_warden::domain::facts::{
    DirectoryObject, Facts, Gap, GapCause, GivenAccount, InboundTrust, Part,
};
use partner_warden::domain::id::PrincipalId;
use partner_warden::domain::policy::Policy;
use partner_warden::domain::roster::Tenant as Guarded;
use partner_warden::domain::secret::Secret;
use partner_warden::parts::readers;
use partner_warden::pipeline::observe::{Readers, facts, facts_to_decide, facts_to_show};
use partner_warden::sim::{
    Answer, CLIENT_ID, CLIENT_SECRET, CONTOSO, FABRIKAM, INBOX_SECRET, MICROSOFT_SUPPORT,
    NORTHWIND, Rule, Scenario, Sim, Tenant, Then, WOODGROVE,
};
use serde_json::{Value, json};

use crate::harness::{ENFORCE, Town, body, findings};

/// Hardly a pause, and no more than a second attempt.
const HASTY: Patience = Patience {
    connect: std::time::Duration::from_secs(10),
    total: std::time::Duration::from_secs(30),
    first_pause: std::time::Duration::from_millis(1),
    longest_pause: std::time::Duration::from_millis(2),
    retries: 1,
};

/// The policy that the scenario with everything is meant for, as far as it says what to read.
const EVERYTHING: &str = "version: 1
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
        domains: [contoso-reseller.example]
        accounts: [svc-contoso@woodgrove.example, svc-contoso-night@woodgrove.example,
                   svc-contoso-old@woodgrove.example, svc-contoso-extra@woodgrove.example]
        require: {mfa: true}
      - {id: 44444444-4444-4444-4444-444444444444, name: Northwind, domains: [northwind.example]}
      - {id: 55555555-5555-5555-5555-555555555555, name: Tailspin, domains: [tailspin.example]}
";

fn guarded(policy: &str) -> Guarded {
    Policy::parse(policy).unwrap().policy.roster.tenants.remove(0)
}

/// Everything, and a policy that leaves the members of a group out.
fn everything() -> Scenario {
    let mut scenario = Scenario::everything().page_size(999);
    let users = json!({"includeUsers": ["All"], "excludeGroups": ["somewhere"]});
    let policy = json!({
        "displayName": "All but some", "state": "enabled", "conditions": {"users": users},
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
    });
    scenario.tenants[0].conditional_access.push(policy);
    scenario
}

async fn given(scenario: Scenario) -> (Sim, Readers) {
    let sim = Sim::start(scenario, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let (http, origin) = (Http::new(HASTY).unwrap(), sim.origin());
    let credential =
        Credential::Secret { client_id: CLIENT_ID.to_owned(), secret: Secret::new(CLIENT_SECRET) };
    let graph = Graph::new(http, origin.clone(), origin, credential, Arc::new(SystemClock));
    let conditional_access = Arc::new(graph.conditional_access(SignedDuration::ZERO));
    (sim, Readers { conditional_access, ..readers(Arc::new(graph)) })
}

fn id_of(sim: &Sim, name: &str) -> PrincipalId {
    PrincipalId::new(&sim.principal_id(WOODGROVE, name).unwrap())
}

/// The requests that were sent, the sign-in aside; those within a batch are one.
fn requests(sim: &Sim) -> usize {
    let sent = sim.calls().into_iter().filter(|call| call.batch.is_none());
    sent.filter(|call| !call.path.contains("/oauth2/")).count()
}

#[tokio::test]
async fn everything_there_is_comes_with_one_snapshot() {
    let (sim, readers) = given(everything().page_size(5)).await;
    let facts = facts(&readers, &guarded(EVERYTHING)).await;
    assert_eq!(facts.gaps, []);
    let of = |name| id_of(&sim, name);
    let sizes = [
        facts.assignments.len(),
        facts.active.len(),
        facts.eligible.len(),
        facts.guests.len(),
        facts.partner_entries.len(),
        facts.governance.len(),
        facts.conditional_access.len(),
    ];
    assert_eq!(sizes, [18, 18, 1, 4, 6, 1, 4]);
    let second_line = &facts.objects[&of("Second Line")];
    assert!(matches!(second_line, DirectoryObject::PartnerReference(_)), "only eligible");
    let helpers = &facts.members[&of("Tier 2 Helpers")];
    let helpers: Vec<&PrincipalId> = helpers.iter().map(|member| &member.id).collect();
    assert_eq!((facts.members.len(), helpers), (1, vec![&of("Megan Bowen"), &of("Bob")]));
    let accounts: Vec<(&str, Option<bool>)> = facts
        .accounts
        .iter()
        .map(|(name, found)| match found {
            GivenAccount::Present { user, .. } => (name.as_str(), user.account_enabled),
            GivenAccount::Missing => (name.as_str(), None),
        })
        .collect();
    assert_eq!(
        accounts,
        [
            ("svc-contoso-extra@woodgrove.example", Some(true)),
            ("svc-contoso-night@woodgrove.example", None),
            ("svc-contoso-old@woodgrove.example", Some(false)),
            ("svc-contoso@woodgrove.example", Some(true)),
        ]
    );
    let apps: BTreeMap<&str, usize> = facts
        .apps
        .iter()
        .map(|app| (app.app.display_name.as_deref().unwrap(), app.app_roles.len()))
        .collect();
    let expect = [("Contoso Backup", 1), ("Contoso Monitor", 0), ("Contoso Reports", 1)];
    assert_eq!(apps, expect.into());
    let allowed = &facts.constraints[&MICROSOFT_SUPPORT.parse().unwrap()];
    assert_eq!((facts.constraints.len(), allowed.len()), (1, 1));
    let nothing = Some(false);
    let InboundTrust { is_mfa_accepted, .. } = facts.default_trust.unwrap();
    assert_eq!((is_mfa_accepted, facts.security_defaults), (nothing, nothing));
    assert_eq!(facts.governance[0].governing_tenant_id.as_deref(), Some(FABRIKAM));
    let names: Vec<&str> = facts.units.values().map(String::as_str).collect();
    assert_eq!(names, ["Branch Offices"]);
    let scope = facts.assignments.iter().find(|held| held.directory_scope_id != "/").unwrap();
    assert!(facts.units.contains_key(&scope.directory_scope_id.to_ascii_lowercase()));
    assert_eq!(facts.guests[&of("Alice")].account_enabled, Some(true));
    // Alice holds a role, the accounts were given; Carol and Dan have no power of a partner's.
    let asked = ["Alice", "svc-contoso", "svc-contoso-extra", "svc-contoso-old"].map(of);
    assert!(asked.iter().all(|id| facts.memberships.contains_key(id)), "{:?}", facts.memberships);
    assert!(!facts.memberships.contains_key(&of("Dan")));
    let groups = &facts.memberships[&of("Alice")];
    assert_eq!(groups.iter().collect::<Vec<_>>(), [&of("Newsletter")]);
    let strangers: Vec<&str> = facts.tenant_names.values().map(String::as_str).collect();
    assert_eq!(strangers, ["Fabrikam Consulting", "Microsoft Support"]);
}

/// Woodgrove with so many of each, all with power.
fn crowd(accounts: usize, groups: usize, apps: usize) -> (Scenario, String) {
    let upn = |number| format!("svc{number}@woodgrove.example");
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .partner(CONTOSO, "Contoso Reseller");
    let tenant = (0..accounts).fold(tenant, |tenant, number| {
        tenant.member(&format!("Account {number}"), &upn(number), None)
    });
    let tenant = (0..groups).fold(tenant, |tenant, number| {
        tenant.group(&format!("Group {number}"), &["Megan Bowen"], "Directory Readers")
    });
    let tenant = (0..apps).fold(tenant, |tenant, number| {
        let id = format!("aaaaaaaa-0000-4000-8000-{number:012}");
        tenant.service_principal(&format!("App {number}"), &id, CONTOSO, None)
    });
    let users = json!({"includeGroups": ["somewhere"]});
    let policy = json!({"state": "enabled", "conditions": {"users": users}});
    let scenario = Scenario::default().tenant(tenant.conditional_access(policy)).page_size(999);
    let names: Vec<String> = (0..accounts).map(upn).collect();
    let names = names.join(", ");
    let policy = format!(
        "version: 1\ntenants:\n  - id: {WOODGROVE}\n    name: Woodgrove\n    partners:\n      - \
         {{id: {CONTOSO}, name: Contoso, accounts: [{names}], require: {{mfa: true}}}}\n"
    );
    (scenario, policy)
}

#[tokio::test]
async fn a_snapshot_costs_so_many_requests_and_not_one_more() {
    async fn check(accounts: usize, groups: usize, apps: usize) {
        let (scenario, policy) = crowd(accounts, groups, apps);
        let (sim, readers) = given(scenario).await;
        let facts = facts(&readers, &guarded(&policy)).await;
        assert_eq!(facts.gaps, []);
        assert_eq!(
            (facts.accounts.len(), facts.members.len(), facts.apps.len(), facts.memberships.len()),
            (accounts, groups, apps, accounts)
        );
        let batches = |number: usize| number.div_ceil(20);
        let (providers, partners) = (1, 1);
        let sum = 8
            + batches(accounts)
            + 2
            + 1
            + batches(providers)
            + batches(groups)
            + batches(partners)
            + batches(apps)
            + batches(accounts);
        assert_eq!(requests(&sim), sum, "{accounts} {groups} {apps}\n{:#?}", sim.calls());
    }
    check(0, 0, 0).await;
    check(1, 1, 1).await;
    check(20, 20, 20).await;
    check(45, 21, 61).await;
}

#[tokio::test]
async fn what_the_tenant_makes_necessary_costs_its_own_requests() {
    let (sim, readers) = given(everything()).await;
    facts(&readers, &guarded(EVERYTHING)).await;
    // Three partners that the policy names and two that it does not, service providers all of them;
    // one group, three applications, one administrative unit.
    let (always, accounts, conditional_access, holders, unit) = (8, 1, 2, 1, 1);
    let (providers, groups, partners, apps, names, memberships) = (1, 1, 1, 1, 2, 1);
    let sum = always
        + accounts
        + conditional_access
        + holders
        + unit
        + providers
        + groups
        + partners
        + apps
        + names
        + memberships;
    assert_eq!(requests(&sim), sum, "{:#?}", sim.calls());
    let most = sim.calls().iter().filter_map(|call| call.batch).fold(
        BTreeMap::<u64, usize>::new(),
        |mut sizes, batch| {
            *sizes.entry(batch).or_default() += 1;
            sizes
        },
    );
    assert!(most.values().all(|size| *size <= 20), "{most:?}");
}

#[tokio::test]
async fn nothing_is_read_without_a_reason() {
    let policy = format!("version: 1\ntenants: [{{id: {WOODGROVE}, name: Woodgrove}}]\n");
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .guest("Alice", "alice@contoso-reseller.example", None)
        .service_principal("Theirs", "aaaaaaaa-0000-4000-8000-000000000001", CONTOSO, None)
        .group("Holds nothing", &["Alice"], None);
    let (sim, readers) = given(Scenario::default().tenant(tenant).page_size(999)).await;
    let facts = facts(&readers, &guarded(&policy)).await;
    assert!(facts.is_complete(), "{:?}", facts.gaps);
    for unasked in [
        "conditionalAccess",
        "identitySecurityDefaults",
        "/v1.0/users/",
        "/groups/",
        "transitiveMemberOf",
        "servicePrincipals",
        "serviceProviderConstraints",
    ] {
        assert!(sim.calls().iter().all(|call| !call.path.contains(unasked)), "{unasked}");
    }
    assert_eq!((requests(&sim), facts.security_defaults), (9, None));
}

#[tokio::test]
async fn which_groups_accounts_are_in_is_read_only_if_a_policy_in_force_depends_on_it() {
    let with = |users: Value, state: &str| {
        let mut scenario = Scenario::everything().page_size(999);
        let policy = json!({"state": state, "conditions": {"users": users}});
        scenario.tenants[0].conditional_access.push(policy);
        scenario
    };
    let included = json!({"includeGroups": ["somewhere"]});
    for (scenario, expect) in [
        (Scenario::everything(), false),
        (with(json!({"includeGroups": [], "excludeGroups": null}), "enabled"), false),
        (with(included.clone(), "disabled"), false),
        (with(included.clone(), "enabledForReportingButNotEnforced"), true),
        (with(included, "enabled"), true),
    ] {
        let (sim, readers) = given(scenario).await;
        let facts = facts(&readers, &guarded(EVERYTHING)).await;
        assert_eq!(facts.gaps, []);
        assert_eq!(sim.count("GET", "transitiveMemberOf") > 0, expect);
        assert_eq!(facts.memberships.is_empty(), !expect);
    }
}

#[tokio::test]
async fn a_report_shows_conditional_access_and_is_not_alarmed_if_it_cannot() {
    let policy = EVERYTHING.replace("require: {mfa: true}", "require: {mfa: false}");
    let (sim, readers) = given(everything()).await;
    let shown = facts_to_show(&readers, &guarded(&policy)).await;
    assert_eq!((shown.conditional_access.len(), shown.security_defaults), (4, Some(false)));
    let seen = sim.count("GET", "conditionalAccess");
    let decided = facts(&readers, &guarded(&policy)).await;
    assert_eq!((decided.conditional_access.len(), decided.security_defaults), (0, None));
    assert_eq!(sim.count("GET", "conditionalAccess"), seen);
    for path in ["conditionalAccess/policies", "identitySecurityDefaults"] {
        sim.clear_faults();
        sim.add_fault(Rule::new(path, Then::status(403)).forever());
        let shown = facts_to_show(&readers, &guarded(&policy)).await;
        assert!(shown.is_complete(), "{:?}", shown.gaps);
        // As if nobody had asked.
        assert_eq!((shown.conditional_access.len(), shown.security_defaults), (0, None));
        // Where it is required, it is a gap for a report too.
        let shown = facts_to_show(&readers, &guarded(EVERYTHING)).await;
        let parts: Vec<Part> = shown.gaps.iter().map(|gap| gap.part).collect();
        assert_eq!(parts, [Part::ConditionalAccess], "{path}");
    }
}

#[tokio::test]
async fn where_it_may_come_to_a_quarantine_conditional_access_and_protected_accounts_are_read() {
    let quiet = EVERYTHING.replace("require: {mfa: true}", "require: {mfa: false}");
    let protected = "guardrails: {protected: [svc-contoso@woodgrove.example, \
                     nobody@woodgrove.example]}\n";
    let quarantine = "respond: {privileged-role: {do: quarantine}}\n";
    let (sim, readers) = given(everything()).await;
    let read = async |policy: &str| {
        let policy = Policy::parse(policy).unwrap().policy;
        facts_to_decide(&readers, &policy.roster.tenants[0], &policy).await
    };
    let without = read(&format!("{quiet}{protected}")).await;
    assert_eq!((without.conditional_access.len(), without.protected.len()), (0, 0));
    assert_eq!(sim.count("GET", "conditionalAccess"), 0);
    let with = read(&format!("{quiet}{protected}{quarantine}")).await;
    assert_eq!(with.conditional_access.len(), 4);
    let found: Vec<_> = with
        .protected
        .iter()
        .map(|(name, found)| (name.as_str(), *found == GivenAccount::Missing))
        .collect();
    let expect = [("nobody@woodgrove.example", true), ("svc-contoso@woodgrove.example", false)];
    assert_eq!(found, expect);
    assert_eq!(with.accounts, without.accounts, "nobody was given the other");
    sim.add_fault(Rule::new("conditionalAccess", Then::status(403)).forever());
    let denied = read(&format!("{quiet}{quarantine}")).await;
    let parts: Vec<Part> = denied.gaps.iter().map(|gap| gap.part).collect();
    assert_eq!(parts, [Part::ConditionalAccess]);
}

/// The one gap there is while a fault lasts, if there is one.
async fn the_gap(sim: &Sim, readers: &Readers, path: &str, then: Then) -> (Option<Gap>, Facts) {
    sim.clear_faults();
    sim.add_fault(Rule::new(path, then).forever());
    let mut facts = facts(readers, &guarded(EVERYTHING)).await;
    assert_eq!(facts.is_complete(), facts.gaps.is_empty());
    assert!(facts.gaps.len() <= 1, "{path}: {:#?}", facts.gaps);
    (facts.gaps.pop(), facts)
}

#[tokio::test]
async fn each_part_that_cannot_be_read_is_one_gap_that_names_its_permission() {
    let (sim, readers) = given(everything()).await;
    let cases = [
        ("roleAssignmentScheduleInstances", "RoleAssignmentSchedule.Read.Directory"),
        ("roleEligibilityScheduleInstances", "RoleEligibilitySchedule.Read.Directory"),
        ("transitiveMembers", "GroupMember.Read.All"),
        ("/v1.0/users/svc-contoso", "User.Read.All"),
        ("transitiveMemberOf", "GroupMember.Read.All"),
        ("$filter=appOwnerOrganizationId", "Application.Read.All"),
        ("appRoleAssignments", "Application.Read.All"),
        ("crossTenantAccessPolicy/default", "Policy.Read.All"),
        ("governanceRelationships", "TenantGovernance-Relationship.Read.All"),
        ("conditionalAccess/policies", "Policy.Read.All"),
        ("identitySecurityDefaultsEnforcementPolicy", "Policy.Read.All"),
    ];
    let faults = || {
        [
            (Then::status(403), GapCause::Denied),
            (Then::throttle(600), GapCause::Unavailable),
            (Then::status(429), GapCause::Unavailable),
            (Then::status(500), GapCause::Unavailable),
            (Then::Html200, GapCause::Unintelligible),
        ]
    };
    for (path, permission) in cases {
        for (then, cause) in faults() {
            let (gap, _) = the_gap(&sim, &readers, path, then.clone()).await;
            let gap = gap.unwrap_or_else(|| panic!("{path}: no gap at {then:?}"));
            assert_eq!((gap.part.permission(), gap.cause), (permission, cause), "{path}");
        }
    }
    // What Microsoft documents neither way is a gap only if it was busy or broken.
    for (then, expect) in [
        (Then::status(403), None),
        (Then::status(404), None),
        (Then::status(400), None),
        (Then::status(500), Some(Part::ServiceProviderConstraints)),
    ] {
        let (gap, facts) = the_gap(&sim, &readers, "serviceProviderConstraints", then).await;
        assert_eq!((gap.map(|gap| gap.part), facts.constraints.len()), (expect, 0));
    }
    // Names decide nothing.
    for path in ["findTenantInformation", "administrativeUnit"] {
        assert_eq!(the_gap(&sim, &readers, path, Then::status(403)).await.0, None, "{path}");
    }
}

#[tokio::test]
async fn a_gap_says_the_first_failure_and_how_many_more_there_were() {
    let (sim, readers) = given(everything()).await;
    let (gap, facts) = the_gap(&sim, &readers, "/v1.0/users/svc-contoso", Then::status(500)).await;
    assert_eq!(gap.unwrap().detail, "Microsoft Graph answered 500; 3 more requests failed");
    assert_eq!(facts.accounts.len(), 0, "none of them is missing");
    let (gap, _) =
        the_gap(&sim, &readers, "/v1.0/policies/crossTenantAccessPolicy/", Then::status(500)).await;
    let gap = gap.unwrap();
    assert_eq!(gap.part, Part::PartnerEntries);
    assert_eq!(gap.detail, "Microsoft Graph answered 500; 1 more request failed");
}

#[tokio::test]
async fn a_tenant_without_a_licence_or_that_grants_what_earlier_versions_took_is_read_so() {
    let mut scenario = everything();
    scenario.tenants[0] = scenario.tenants[0].clone().without_licence();
    let (_sim, readers) = given(scenario).await;
    let read = facts(&readers, &guarded(EVERYTHING)).await;
    assert_eq!((read.gaps, read.active.len(), read.eligible.len()), (vec![], 0, 0));
    let earlier = [
        "RoleManagement.Read.Directory",
        "Directory.Read.All",
        "User.Read.All",
        "Policy.Read.All",
        "CrossTenantInformation.ReadBasic.All",
    ];
    let (_sim, readers) = given(everything().permissions(&earlier)).await;
    let read = facts(&readers, &guarded(EVERYTHING)).await;
    let parts: Vec<Part> = read.gaps.iter().map(|gap| gap.part).collect();
    assert_eq!(parts, [Part::Governance], "another tenant may administer this one that way");
    assert_eq!((read.eligible.len(), read.members.len(), read.apps.len()), (1, 1, 3));
}

#[tokio::test]
async fn an_application_in_a_group_is_told_with_its_owner() {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .service_principal("Robot", "aaaaaaaa-0000-4000-8000-000000000001", NORTHWIND, None)
        .group("Robots", &["Robot"], "Global Administrator");
    let policy = format!("version: 1\ntenants: [{{id: {WOODGROVE}, name: Woodgrove}}]\n");
    let (sim, readers) = given(Scenario::default().tenant(tenant)).await;
    let read = facts(&readers, &guarded(&policy)).await;
    let robots = &read.members[&id_of(&sim, "Robots")];
    let [robot] = robots.as_slice() else { panic!("{robots:?}") };
    let DirectoryObject::ServicePrincipal(app) = &robot.object else { panic!("{robot:?}") };
    assert_eq!(app.app_owner_organization_id.as_deref(), Some(NORTHWIND));
    // Who the holders are can be told, whose their application is cannot.
    sim.add_fault(Rule::new("getByIds", Then::status(403)).skip(1).forever());
    let read = facts(&readers, &guarded(&policy)).await;
    let parts: Vec<Part> = read.gaps.iter().map(|gap| gap.part).collect();
    assert_eq!(parts, [Part::Principals]);
    assert_eq!(read.members[&id_of(&sim, "Robots")].len(), 1);
}

/// ENFORCE in observe mode, with accounts of Contoso's and a requirement.
fn observing() -> String {
    ENFORCE.replace("mode: enforce", "mode: observe").replace(
        "allow: {roles: [Directory Readers, Service Support Administrator]}",
        "accounts: [svc-contoso@woodgrove.example]\n        require: {mfa: true}",
    )
}

#[tokio::test]
async fn a_look_of_the_real_process_reads_it_all() {
    let town = Town::new(everything(), &observing()).await;
    let warden = town.serve();
    warden.role_was_added().await;
    town.messages("the ticket", |messages| !messages.is_empty()).await;
    warden.stop().await;
    for path in [
        "roleEligibilityScheduleInstances",
        "roleAssignmentScheduleInstances",
        "transitiveMembers",
        "$filter=appOwnerOrganizationId",
        "appRoleAssignments",
        "crossTenantAccessPolicy/default",
        "governanceRelationships",
        "conditionalAccess/policies",
        "transitiveMemberOf",
        "/v1.0/users/svc-contoso@woodgrove.example",
    ] {
        let calls = town.sim.calls();
        let calls: Vec<_> = calls.iter().filter(|call| call.path.contains(path)).collect();
        assert!(!calls.is_empty() && calls.iter().all(|call| call.status == Some(200)), "{path}");
    }
    let records = town.records().await;
    assert!(!records.is_empty() && records.iter().all(|record| record.gaps.is_empty()));
    assert_eq!(town.deletes(), [""; 0]);
}

#[tokio::test]
async fn a_part_that_may_not_be_read_is_told_once_by_the_real_process_and_closes_nothing() {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .group("Helpers", &["Megan Bowen"], "Helpdesk Administrator")
        .partner(FABRIKAM, "Fabrikam Consulting");
    let scenario = Scenario::default().tenant(tenant).sink("security", INBOX_SECRET);
    let policy = observing().replace("accounts: [svc-contoso@woodgrove.example]", "");
    let town = Town::new(scenario, &policy).await;
    let warden = town.serve();
    warden.role_was_added().await;
    town.messages("Fabrikam's ticket", |messages| {
        messages.iter().any(|it| findings(it).iter().any(|row| row.starts_with("unlisted-partner")))
    })
    .await;

    // Its entry is gone, but not all that is said of partners could be read.
    let no_entries = || {
        let (status, body) = (200.try_into().unwrap(), Some(json!({"value": []})));
        let nobody = Then::Answer(Answer { status, retry_after: None, body });
        Rule::new("/v1.0/policies/crossTenantAccessPolicy/partners", nobody).forever()
    };
    town.sim.add_fault(no_entries());
    let denied = [
        ("roleEligibilityScheduleInstances", "RoleEligibilitySchedule.Read.Directory"),
        ("roleAssignmentScheduleInstances", "RoleAssignmentSchedule.Read.Directory"),
        ("transitiveMembers", "GroupMember.Read.All"),
        ("appOwnerOrganizationId", "Application.Read.All"),
        ("governanceRelationships", "TenantGovernance-Relationship.Read.All"),
        ("crossTenantAccessPolicy/default", "Policy.Read.All"),
    ];
    for (path, _) in denied {
        town.sim.add_fault(Rule::new(path, Then::status(403)).forever());
    }
    warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    let messages = town
        .messages("the ticket about what cannot be read", |messages| {
            messages.iter().any(|it| findings(it).iter().any(|row| row.starts_with("unreadable")))
        })
        .await;
    let is_about_gaps = |message: &Value| message["data"]["partner"]["id"].is_null();
    let told = messages.iter().rfind(|message| is_about_gaps(message)).unwrap();
    assert_eq!(findings(told).len(), denied.len(), "{told:#}");
    for (_, permission) in denied {
        let line = format!("The application permission it takes: {permission}.");
        assert_eq!(body(told).matches(&line).count(), 1, "{}", body(told));
    }
    assert!(messages.iter().all(|message| message["type"] != "ticket.closed"));

    // Once it may all be read, both are.
    town.sim.clear_faults();
    town.sim.add_fault(no_entries());
    warden.role_was_given_to("6c2e1d7f-03a5-4f8b-9d46-b8f71e502c3a").await;
    town.messages("both tickets closed", |messages| {
        let mut closed = messages.iter().filter(|message| message["type"] == "ticket.closed");
        closed.clone().any(is_about_gaps)
            && closed.any(|message| message["data"]["partner"]["id"] == FABRIKAM)
    })
    .await;
    warden.stop().await;
}
