//! What a snapshot of a customer's tenant is made of, beside roles, principals and guests.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::facts::{GivenAccount, Member};
use crate::domain::roster::AccountName;
use crate::ports::{
    ReadActiveSchedules as _, ReadConditionalAccess as _, ReadEligibleSchedules as _,
    ReadGovernance as _, ReadGroupMembers as _, ReadPartnerApps as _,
};
use crate::sim::{InboundTrust, NORTHWIND, ServiceProviderConstraints};

const ACTIVE: &str = "roleAssignmentScheduleInstances";
const ELIGIBLE: &str = "roleEligibilityScheduleInstances";
const GOVERNANCE: &str = "governanceRelationships";
const POLICIES: &str = "/v1.0/identity/conditionalAccess/policies";

/// A fault of every request that has `path` in it.
fn fault(path: &str, code: u16) -> Rule {
    Rule::new(path, Then::status(code)).forever()
}

/// Graph's words for a refusal of its own.
fn refused(path: &str, code: u16, error: &str) -> Rule {
    let status = code.try_into().unwrap();
    let body = Some(json!({"error": {"code": error, "message": "No."}}));
    let answer = crate::sim::Answer { status, retry_after: None, body };
    Rule::new(path, Then::Answer(answer)).forever()
}

/// Everything, read while a fault lasts.
async fn everything(rule: impl Into<Option<Rule>>) -> (Sim, Graph) {
    let scenario = Scenario::everything().page_size(7);
    given(rule.into().map_or(scenario.clone(), |rule| scenario.fault(rule))).await
}

fn kind<T>(listed: &Listed<T>) -> (usize, Option<Failure>) {
    (listed.items.len(), listed.failure.as_ref().map(|failure| failure.kind))
}

fn id_of(sim: &Sim, name: &str) -> PrincipalId {
    PrincipalId::new(&sim.principal_id(WOODGROVE, name).unwrap())
}

#[tokio::test]
async fn schedules_are_read_with_their_ends_and_to_the_last() {
    let (sim, graph) = everything(None).await;
    let active = graph.active(woodgrove()).await;
    assert_eq!(kind(&active), (18, None));
    let eligible = graph.eligible(woodgrove()).await;
    assert_eq!(kind(&eligible), (1, None));
    let [second_line] = eligible.items.as_slice() else { panic!("{eligible:?}") };
    assert_eq!(second_line.principal_id, id_of(&sim, "Second Line"));
    assert!(second_line.end_date_time.is_some());
    assert_eq!(second_line.directory_scope_id, "/");
    let assigned = active.items.iter().all(|it| it.assignment_type.as_deref() == Some("Assigned"));
    assert!(assigned, "{active:?}");
}

#[tokio::test]
async fn a_tenant_without_a_licence_has_no_schedules_and_a_refusal_is_something_else() {
    async fn check(rule: impl Into<Option<Rule>>, expect: (usize, Option<Failure>)) {
        let (_sim, graph) = everything(rule).await;
        assert_eq!(kind(&graph.active(woodgrove()).await), expect);
    }
    async fn eligible(rule: impl Into<Option<Rule>>, expect: (usize, Option<Failure>)) {
        let (_sim, graph) = everything(rule).await;
        assert_eq!(kind(&graph.eligible(woodgrove()).await), expect);
    }
    for code in [400, 403] {
        check(refused(ACTIVE, code, "AadPremiumLicenseRequired"), (0, None)).await;
        eligible(refused(ELIGIBLE, code, "AadPremiumLicenseRequired"), (0, None)).await;
    }
    check(fault(ACTIVE, 404), (0, None)).await;
    eligible(fault(ELIGIBLE, 404), (0, None)).await;
    eligible(refused(ELIGIBLE, 500, "AadPremiumLicenseRequired"), (0, Some(Failure::Transient)))
        .await;
    check(fault(ACTIVE, 403), (0, Some(Failure::Denied))).await;
    eligible(fault(ELIGIBLE, 403), (0, Some(Failure::Denied))).await;
    eligible(fault(ELIGIBLE, 400), (0, Some(Failure::Refused))).await;
    // What breaks off half way is offered.
    check(fault("skiptoken", 404), (7, Some(Failure::Gone))).await;
    let licence = refused("skiptoken", 403, "AadPremiumLicenseRequired");
    check(licence, (7, Some(Failure::Denied))).await;
}

#[tokio::test]
async fn accounts_are_found_by_name_or_id_and_a_missing_one_is_told_as_missing() {
    let (sim, graph) = everything(None).await;
    let alice = "alice_contoso-reseller.example#EXT#@woodgrove.example";
    let by_id = id_of(&sim, "svc-contoso-extra");
    let names = [
        "SVC-Contoso@woodgrove.example",
        "svc-contoso-night@woodgrove.example",
        "svc-contoso-old@woodgrove.example",
        by_id.as_str(),
        alice,
    ]
    .map(AccountName::new);
    let listed = graph.accounts(woodgrove(), &names).await;
    assert_eq!(kind(&listed), (5, None));
    assert_eq!((sim.count("POST", "$batch"), sim.count("GET", "/v1.0/users/")), (1, 5));
    let enabled: Vec<Option<Option<bool>>> = names
        .iter()
        .zip(&listed.items)
        .map(|(asked, (name, found))| {
            assert_eq!(asked, name);
            match found {
                GivenAccount::Present { user, .. } => Some(user.account_enabled),
                GivenAccount::Missing => None,
            }
        })
        .collect();
    let some = |enabled| Some(Some(enabled));
    assert_eq!(enabled, [some(true), None, some(false), some(true), some(true)]);
    let GivenAccount::Present { id, user } = &listed.items[4].1 else { panic!("{listed:?}") };
    assert_eq!(*id, id_of(&sim, "Alice"));
    assert_eq!(user.user_type.as_deref(), Some("Guest"));
}

#[tokio::test]
async fn an_account_that_could_not_be_read_is_not_missing() {
    let names = ["svc-contoso@woodgrove.example", "svc-contoso-old@woodgrove.example", "a\tb"];
    let names = names.map(AccountName::new);
    let rule = Rule::new("svc-contoso@", Then::status(403));
    let (_sim, graph) = everything(rule.forever()).await;
    let listed = graph.accounts(woodgrove(), &names).await;
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].0, names[1]);
    let said = "something has a name that cannot be asked for; 1 more request failed";
    assert_eq!(failure(&listed), Some((Failure::Unintelligible, said)));
}

/// The kind of object that each member is, by name.
fn members(members: &[Member]) -> BTreeMap<String, &'static str> {
    let told = members.iter().map(|member| match &member.object {
        DirectoryObject::User(user) => (user.display_name.clone(), "user"),
        DirectoryObject::Group(group) => (group.display_name.clone(), "group"),
        DirectoryObject::ServicePrincipal(app) => (app.display_name.clone(), "app"),
        DirectoryObject::PartnerReference(_) | DirectoryObject::Other => (None, "other"),
    });
    told.map(|(name, kind)| (name.unwrap_or_default(), kind)).collect()
}

fn grouped(crowd: usize) -> Scenario {
    let names: Vec<String> = (0..crowd).map(|number| format!("Guest {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .member("Megan", "megan@woodgrove.example", None)
        .service_principal("Robot", "aaaaaaaa-0000-4000-8000-000000000001", CONTOSO, None)
        .group("Inner", &["Megan", "Robot"], None)
        .group("Outer", &["Inner"], "Global Administrator")
        .group("Empty", &[], None);
    let tenant = names.iter().fold(tenant, |tenant, name| {
        tenant.guest(name, &format!("{}@contoso.example", name.replace(' ', "")), None)
    });
    Scenario::default().tenant(tenant.group("Crowd", &names, None)).page_size(3)
}

#[tokio::test]
async fn members_of_groups_in_groups_are_members_and_so_are_applications() {
    let (sim, graph) = given(grouped(8)).await;
    let groups = ["Outer", "Empty", "Crowd"].map(|name| id_of(&sim, name));
    let listed = graph.members(woodgrove(), &groups).await;
    assert_eq!(failure(&listed), None);
    let [(outer, inside), (empty, nobody), (_, crowd)] = listed.items.as_slice() else {
        panic!("{listed:?}")
    };
    assert_eq!((outer, empty), (&groups[0], &groups[1]));
    let expect = [("Inner", "group"), ("Megan", "user"), ("Robot", "app")];
    assert_eq!(members(inside), expect.map(|(name, kind)| (name.to_owned(), kind)).into());
    assert_eq!((nobody.len(), crowd.len()), (0, 8));
    // The documentation of v1.0 leaves applications out.
    assert_eq!((sim.count("POST", "/beta/$batch"), sim.count("GET", "/v1.0/groups/")), (1, 0));
}

#[tokio::test]
async fn a_group_that_was_read_half_keeps_whom_it_has_and_one_not_read_is_not_empty() {
    let rule = Rule::new("skiptoken", Then::status(500)).forever();
    let (sim, graph) = given(grouped(8).fault(rule)).await;
    let groups = ["Crowd", "Empty"].map(|name| id_of(&sim, name));
    let listed = graph.members(woodgrove(), &groups).await;
    let sizes: Vec<usize> = listed.items.iter().map(|(_, members)| members.len()).collect();
    assert_eq!((sizes, kind(&listed).1), (vec![3, 0], Some(Failure::Transient)));
    sim.clear_faults();
    sim.add_fault(Rule::new(groups[0].as_str(), Then::status(403)).forever());
    let listed = graph.members(woodgrove(), &groups).await;
    assert_eq!((listed.items.len(), kind(&listed).1), (1, Some(Failure::Denied)));
    assert_eq!(listed.items[0].0, groups[1]);
}

#[tokio::test]
async fn who_is_directly_in_a_group_is_told_whole_or_not_at_all() {
    let (sim, graph) = given(grouped(8)).await;
    let groups = ["Outer", "Inner", "Empty", "Crowd"].map(|name| id_of(&sim, name));
    let sizes = |listed: &Listed<(PrincipalId, BTreeSet<PrincipalId>)>| {
        let size = |(id, direct): &(PrincipalId, BTreeSet<PrincipalId>)| (id.clone(), direct.len());
        listed.items.iter().map(size).collect::<Vec<_>>()
    };
    let listed = graph.direct_members(woodgrove(), &groups).await;
    assert_eq!(failure(&listed), None);
    let [outer, inner, empty, crowd] = groups.clone();
    assert_eq!(listed.items[0], (outer, [inner.clone()].into()), "and nobody who is in that");
    assert_eq!(sizes(&listed)[1..], [(inner, 2), (empty, 0), (crowd, 8)]);
    sim.add_fault(Rule::new("skiptoken", Then::status(500)).forever());
    let listed = graph.direct_members(woodgrove(), &groups).await;
    assert_eq!((listed.items.len(), kind(&listed).1), (3, Some(Failure::Transient)));
    assert!(listed.items.iter().all(|(id, _)| *id != groups[3]), "half of it is no list");
}

#[tokio::test]
async fn an_accounts_groups_are_told_whole_or_not_at_all() {
    let (sim, graph) = everything(None).await;
    let accounts = ["Bob", "Alice", "Carol"].map(|name| id_of(&sim, name));
    let listed = graph.memberships(woodgrove(), &accounts).await;
    assert_eq!(failure(&listed), None);
    let of = |name: &str, groups: &[&str]| {
        (id_of(&sim, name), groups.iter().map(|name| id_of(&sim, name)).collect())
    };
    // Roles that are held are no groups.
    let expect = [of("Bob", &["Tier 2 Helpers"]), of("Alice", &["Newsletter"]), of("Carol", &[])];
    assert_eq!(listed.items, expect);
    sim.add_fault(Rule::new(accounts[1].as_str(), Then::Html200).forever());
    let listed = graph.memberships(woodgrove(), &accounts).await;
    let told: Vec<&PrincipalId> = listed.items.iter().map(|(id, _)| id).collect();
    assert_eq!(told, [&accounts[0], &accounts[2]]);
    assert_eq!(kind(&listed).1, Some(Failure::Unintelligible));
}

#[tokio::test]
async fn partners_applications_are_read_with_what_they_were_granted() {
    let apps = (1..=9_u8).fold(Tenant::new(WOODGROVE, "Woodgrove"), |tenant, number| {
        let (name, id) = (format!("App {number}"), format!("aaaaaaaa-0000-4000-8000-{number:012}"));
        let owner = if number < 9 { CONTOSO } else { NORTHWIND };
        tenant.service_principal(&name, &id, owner, None)
    });
    let apps = apps.app_role("App 8", "Directory.Read.All").app_role("App 8", "User.Read.All");
    let (sim, graph) = given(Scenario::default().tenant(apps).page_size(3)).await;
    let contoso: PartnerId = CONTOSO.parse().unwrap();
    let listed = graph.partner_apps(woodgrove(), &[contoso]).await;
    assert_eq!(kind(&listed), (8, None), "{:?}", listed.failure);
    let granted = listed.items.iter().filter(|app| !app.app_roles.is_empty());
    let granted: Vec<_> = granted.collect();
    let [app] = granted.as_slice() else { panic!("{granted:?}") };
    assert_eq!((app.id.clone(), app.app_roles.len()), (id_of(&sim, "App 8"), 2));
    assert_eq!(app.app_roles[0].app_role_id, "7ab1d382-f21e-4acd-a863-ba3e13f7da61");
    assert_eq!(app.app_roles[0].resource_display_name.as_deref(), Some("Microsoft Graph"));
    let both = [contoso, NORTHWIND.parse().unwrap()];
    assert_eq!(graph.partner_apps(woodgrove(), &both).await.items.len(), 9);

    sim.add_fault(Rule::new(id_of(&sim, "App 8").as_str(), Then::status(403)).forever());
    let listed = graph.partner_apps(woodgrove(), &[contoso]).await;
    assert_eq!(kind(&listed), (8, Some(Failure::Denied)), "it is there, whatever it was granted");
    sim.clear_faults();
    sim.add_fault(Rule::new("$filter=appOwner", Then::status(500)).forever());
    assert_eq!(
        kind(&graph.partner_apps(woodgrove(), &[contoso]).await),
        (0, Some(Failure::Transient))
    );
}

#[tokio::test]
async fn the_application_of_somebody_else_is_not_taken_for_a_partners() {
    // A server that takes no notice of the filter.
    let (_server, graph) = serving(|asked| {
        let request: Value = serde_json::from_slice(&asked.body).unwrap();
        let answers = request["requests"].as_array().unwrap().iter().map(|request| {
            let own = json!({"id": "a", "appOwnerOrganizationId": WOODGROVE});
            let partners = json!({"id": "b", "appOwnerOrganizationId": CONTOSO.to_uppercase()});
            let first = request["url"].as_str().unwrap().contains("$filter");
            let value = if first { json!([own, partners, {"id": "c"}]) } else { json!([]) };
            json!({"id": request["id"], "status": 200, "body": {"value": value}})
        });
        ok(&json!({"responses": answers.collect::<Vec<_>>()}))
    })
    .await;
    let listed = graph.partner_apps(woodgrove(), &[CONTOSO.parse().unwrap()]).await;
    let ids: Vec<&str> = listed.items.iter().map(|app| app.id.as_str()).collect();
    assert_eq!((ids, failure(&listed)), (vec!["b"], None));
}

#[tokio::test]
async fn what_is_trusted_of_every_tenant_is_read_or_unknown() {
    let trusting = InboundTrust { mfa: true, ..InboundTrust::default() };
    let tenant = Tenant::new(WOODGROVE, "Woodgrove").default_inbound_trust(trusting);
    let (_sim, graph) = given(Scenario::default().tenant(tenant)).await;
    let trust = graph.default_trust(woodgrove()).await.unwrap();
    assert_eq!(trust.is_mfa_accepted, Some(true));
    for (body, expect) in [
        (json!({"inboundTrust": null}), Ok(None)),
        (json!({"inboundTrust": {"isMfaAccepted": false}}), Ok(Some(false))),
        (json!({}), Err(Failure::Unintelligible)),
        (json!({"inboundTrust": "all"}), Err(Failure::Unintelligible)),
    ] {
        let (_server, graph) = serving(move |_| ok(&body)).await;
        let trust = graph.default_trust(woodgrove()).await;
        assert_eq!(trust.map(|it| it.is_mfa_accepted).map_err(|error| error.kind), expect);
    }
}

#[tokio::test]
async fn constraints_are_read_where_they_can_be_and_nobody_is_told_where_not() {
    let contoso: PartnerId = CONTOSO.parse().unwrap();
    let other: PartnerId = NORTHWIND.parse().unwrap();
    let start_of = crate::sim::Moment::days_ago(1);
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso")
        .partner(NORTHWIND, "Northwind")
        .constrained(ServiceProviderConstraints::new(CONTOSO, &["Directory Readers"], start_of));
    let (sim, graph) = given(Scenario::default().tenant(tenant)).await;
    let listed = graph.constraints(woodgrove(), &[contoso, other]).await;
    let readers = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b".to_owned();
    assert_eq!(failure(&listed), None);
    let [(provider, constraints)] = listed.items.as_slice() else { panic!("{listed:?}") };
    assert_eq!((*provider, &constraints.allowed_role_template_ids), (contoso, &vec![readers]));
    assert!(constraints.last_modified_date_time.is_some());
    for (code, expect) in [
        (403, None),
        (404, None),
        (400, None),
        (501, Some(Failure::Transient)),
        (429, Some(Failure::Throttled(None))),
    ] {
        sim.clear_faults();
        sim.add_fault(Rule::new("serviceProviderConstraints", Then::status(code)).forever());
        let listed = graph.constraints(woodgrove(), &[contoso, other]).await;
        assert_eq!(kind(&listed), (0, expect), "{code}");
    }
    sim.clear_faults();
    let odd = Then::Answer(crate::sim::Answer {
        status: 200.try_into().unwrap(),
        retry_after: None,
        body: Some(json!({"allowedRoles": "all"})),
    });
    sim.add_fault(Rule::new("serviceProviderConstraints", odd).forever());
    assert_eq!(kind(&graph.constraints(woodgrove(), &[contoso]).await), (0, None));
}

#[tokio::test]
async fn governance_is_no_failure_only_where_it_is_not_offered_at_all() {
    async fn check(rule: impl Into<Option<Rule>>, expect: (usize, Option<Failure>)) {
        let (_sim, graph) = everything(rule).await;
        assert_eq!(kind(&graph.governance(woodgrove()).await), expect);
    }
    check(None, (1, None)).await;
    check(fault(&format!("/v1.0/directory/tenantGovernance/{GOVERNANCE}"), 400), (1, None)).await;
    check(fault(GOVERNANCE, 400), (0, None)).await;
    check(fault(GOVERNANCE, 404), (0, None)).await;
    check(fault(GOVERNANCE, 403), (0, Some(Failure::Denied))).await;
    check(fault(GOVERNANCE, 500), (0, Some(Failure::Transient))).await;
}

#[tokio::test]
async fn administrative_units_are_named_and_nothing_hangs_on_it() {
    let (sim, graph) = everything(None).await;
    let assignments = graph.assignments(woodgrove()).await;
    let scope = assignments.items.iter().find(|it| it.directory_scope_id != "/").unwrap();
    let unit = scope.directory_scope_id.strip_prefix("/administrativeUnits/").unwrap();
    let unit = PrincipalId::new(unit);
    let names = graph.unit_names(woodgrove(), &[unit.clone(), id_of(&sim, "Alice")]).await;
    assert_eq!(names, [(unit.clone(), "Branch Offices".to_owned())]);
    sim.add_fault(Rule::new("getByIds", Then::status(403)).forever());
    assert_eq!(graph.unit_names(woodgrove(), &[unit]).await, []);
}

#[tokio::test]
async fn conditional_access_comes_as_graph_gives_it() {
    let (_sim, graph) = everything(None).await;
    let reader = graph.conditional_access(SignedDuration::ZERO);
    let policies = reader.policies(woodgrove()).await;
    let names: Vec<&str> =
        policies.items.iter().map(|it| it["displayName"].as_str().unwrap()).collect();
    let expect = ["Providers need MFA", "Contoso needs MFA (trial)", "MFA or a managed device"];
    assert_eq!((names.as_slice(), failure(&policies)), (expect.as_slice(), None));
    assert!(!reader.security_defaults(woodgrove()).await.unwrap());
    let tenant = Tenant::new(WOODGROVE, "Woodgrove").security_defaults();
    let (_sim, graph) = given(Scenario::default().tenant(tenant)).await;
    let reader = graph.conditional_access(SignedDuration::ZERO);
    assert!(reader.security_defaults(woodgrove()).await.unwrap());
    assert_eq!(kind(&reader.policies(woodgrove()).await), (0, None));
    let (_server, graph) = serving(|_| ok(&json!({"value": ["S3cret"]}))).await;
    let reader = graph.conditional_access(SignedDuration::ZERO);
    assert_eq!(
        kind(&reader.policies(woodgrove()).await),
        (0, Some(Failure::Unintelligible)),
        "what is no policy is not passed over"
    );
    let error = reader.security_defaults(woodgrove()).await.unwrap_err();
    assert_eq!(error.kind, Failure::Unintelligible);
}

#[tokio::test]
async fn what_a_strength_requires_is_looked_up_only_if_the_policy_does_not_say() {
    let strength = |strength: Value| {
        let controls = json!({"operator": "OR", "authenticationStrength": strength});
        let tenant = Tenant::new(WOODGROVE, "Woodgrove")
            .conditional_access(json!({"state": "enabled", "grantControls": controls}))
            .conditional_access(json!({"state": "enabled", "grantControls": null}));
        Scenario::default().tenant(tenant)
    };
    let built_in = "00000000-0000-0000-0000-000000000004";
    for (given_strength, calls, expect) in [
        (json!({"id": built_in}), 1, json!("mfa")),
        (json!({"id": built_in, "requirementsSatisfied": "none"}), 0, json!("none")),
        (json!({"id": built_in, "allowedCombinations": ["fido2"]}), 0, json!(null)),
        (json!({"id": "another"}), 1, json!(null)),
        (json!(null), 0, json!(null)),
    ] {
        let (sim, graph) = given(strength(given_strength.clone())).await;
        let reader = graph.conditional_access(SignedDuration::ZERO);
        let policies = reader.policies(woodgrove()).await;
        let told = policies.items[0]
            .pointer("/grantControls/authenticationStrength/requirementsSatisfied")
            .cloned()
            .unwrap_or_default();
        assert_eq!((told, failure(&policies)), (expect, None), "{given_strength}");
        assert_eq!(sim.count("GET", "authenticationStrengthPolicies"), calls, "{given_strength}");
    }
    let denied = Rule::new("authenticationStrengthPolicies", Then::status(403)).forever();
    let (_sim, graph) = given(strength(json!({"id": built_in})).fault(denied)).await;
    let policies = graph.conditional_access(SignedDuration::ZERO).policies(woodgrove()).await;
    assert_eq!(kind(&policies), (2, Some(Failure::Denied)));
}

#[tokio::test]
async fn conditional_access_is_read_to_the_end_at_the_pace_that_graph_allows() {
    let scenario = Scenario::everything().throttle_conditional_access().page_size(1);
    let (sim, graph) = given(scenario).await;
    let reader = graph.conditional_access(SignedDuration::from_secs(1));
    let begun = SystemClock.now();
    assert_eq!(kind(&reader.policies(woodgrove()).await), (3, None));
    // What is on its way for longer than what comes after it arrives too soon after it, and is
    // asked for again in its turn.
    let calls = sim.count("GET", POLICIES);
    assert!((3..=3 * CALLS).contains(&calls), "{calls}");
    let took = SystemClock.now().duration_since(begun);
    assert!(took >= SignedDuration::from_secs(2), "{took:#}");
}

#[test]
fn each_tenant_has_a_pace_of_its_own_and_a_turn_that_passed_is_not_made_up_for() {
    let pace = Pace::new(SignedDuration::from_secs(1));
    let pause = |tenant: &str, after: i64| {
        let now = noon() + SignedDuration::from_millis(after);
        pace.pause(tenant.parse().unwrap(), now).as_millis()
    };
    assert_eq!([pause(WOODGROVE, 0), pause(WOODGROVE, 0), pause(WOODGROVE, 400)], [0, 1000, 1600]);
    assert_eq!(pause(CONTOSO, 400), 0);
    assert_eq!([pause(WOODGROVE, 9000), pause(WOODGROVE, 9000)], [0, 1000]);
}

#[tokio::test]
async fn a_throttled_reader_of_conditional_access_backs_off_and_takes_its_turn_again() {
    let busy = Rule::new(POLICIES, Then::status(429)).times(2);
    let (sim, graph) = everything(busy).await;
    let reader = graph.conditional_access(SignedDuration::from_millis(20));
    let begun = SystemClock.now();
    assert_eq!(kind(&reader.policies(woodgrove()).await), (3, None));
    assert_eq!(sim.count("GET", POLICIES), 3);
    let took = SystemClock.now().duration_since(begun);
    assert!(took >= SignedDuration::from_millis(40), "{took:#}");
    sim.add_fault(Rule::new(POLICIES, Then::status(429)).forever());
    let failed = (0, Some(Failure::Throttled(None)));
    assert_eq!(kind(&reader.policies(woodgrove()).await), failed);
    assert_eq!(sim.count("GET", POLICIES), 3 + CALLS);
}
