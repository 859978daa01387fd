//! The scenario with everything in it, and scenarios in YAML that have all there is.

use serde_json::json;

use super::tests::{Client, start};
use super::*;

#[tokio::test]
async fn everything_that_can_be_wrong_is_there_to_be_read() {
    let sim = start(Scenario::built_in("everything").unwrap()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let paths = [
        ("roleManagement/directory/roleAssignments", 18),
        ("roleManagement/directory/roleAssignmentScheduleInstances", 18),
        ("roleManagement/directory/roleEligibilityScheduleInstances", 1),
        ("policies/crossTenantAccessPolicy/partners", 6),
        ("identity/conditionalAccess/policies", 3),
        ("directory/tenantGovernance/governanceRelationships", 1),
        ("directory/administrativeUnits", 1),
        ("users?$filter=userType eq 'Guest'", 4),
    ];
    for (path, number) in paths {
        let (items, _) = graph.all(&format!("/v1.0/{path}")).await;
        assert_eq!(items.len(), number, "{path}: {items:#?}");
    }
    let owned =
        format!("/v1.0/servicePrincipals?$filter=appOwnerOrganizationId eq {CONTOSO}&$count=true");
    assert_eq!(graph.get_eventual(&owned).await.1["@odata.count"], 3);
    for (account, status) in [("svc-contoso", 200), ("svc-contoso-night", 404)] {
        let found = graph.get(&format!("/v1.0/users/{account}@woodgrove.example")).await;
        assert_eq!(found.0, status, "{account}");
    }
    let old = "/v1.0/users/svc-contoso-old@woodgrove.example?$select=accountEnabled";
    assert_eq!(graph.get(old).await.1["accountEnabled"], false);
    let partner = Client::of(&sim, CONTOSO).await;
    let (all, _) = partner.all("/v1.0/tenantRelationships/delegatedAdminRelationships").await;
    let active = all.iter().filter(|it| it["status"] == "active").count();
    assert_eq!((all.len(), active), (7, 5));
}

#[tokio::test]
async fn support_came_long_ago_to_one_and_lately_to_the_other() {
    let sim = start(Scenario::everything()).await;
    for (tenant, days) in [(WOODGROVE, 45), (ADATUM, 2)] {
        let graph = Client::of(&sim, tenant).await;
        let filter = format!("$filter=roleDefinitionId eq '{SUPPORT_ENGINEER}'");
        let path =
            format!("/v1.0/roleManagement/directory/roleAssignmentScheduleInstances?{filter}");
        let (held, _) = graph.all(&path).await;
        let since = held[0]["startDateTime"].as_str().unwrap().parse().unwrap();
        let hours = server::now().duration_since(since).as_hours();
        assert!((days * 24 - 1..=days * 24 + 1).contains(&hours), "{tenant}: {hours}");
        let constraints = "/v1.0/policies/crossTenantAccessPolicy/partners";
        let path = format!("{constraints}/{MICROSOFT_SUPPORT}/serviceProviderConstraints");
        let (_, constraints) = graph.get(&path).await;
        assert_eq!(constraints["allowedRoleTemplateIds"], json!([SUPPORT_ENGINEER]));
        assert_eq!(constraints["createdDateTime"], held[0]["startDateTime"]);
    }
}

#[tokio::test]
async fn everything_can_be_written_in_yaml() {
    let yaml = "
throttleConditionalAccess: true
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    principals:
      - {kind: guest, name: Bob, mail: bob@contoso.example, pendingAcceptance: true,
         createdDateTime: -P3D}
      - {kind: group, name: Helpers, members: [Bob], isAssignableToRole: false}
      - {kind: servicePrincipal, name: Backup, homeTenant: 22222222-2222-2222-2222-222222222222}
    assignments:
      - {principal: Bob, role: Exchange Administrator, startDateTime: -PT1H, endDateTime: PT7H,
         assignmentType: Activated, directoryScopeId: /administrativeUnits/Branch}
    eligible:
      - {principal: Bob, role: Exchange Administrator, endDateTime: 2027-01-01T00:00:00Z}
    derivedInstances:
      - {principal: Bob, role: Global Reader, memberType: Group}
    administrativeUnits:
      - {name: Branch, description: All of them, hiddenMembership: true, members: [Bob]}
    appRoleAssignments:
      - {principal: Backup, appRole: Directory.Read.All}
    multiTenantOrganization: [88888888-8888-8888-8888-888888888888]
    defaultInboundTrust: {mfa: true}
    serviceProviderConstraints:
      - {partner: 22222222-2222-2222-2222-222222222222, allowedRoles: [Directory Readers]}
    refuseServiceProviderConstraints: {status: 404}
    conditionalAccess:
      - {displayName: MFA, state: enabled, grantControls: {operator: OR, builtInControls: [mfa]}}
    namedLocations: [{displayName: HQ}]
    authenticationStrengths: [{displayName: Ours, policyType: custom}]
    securityDefaults: false
    governanceRelationships: [{status: active}]
    partnerSide:
      customers:
        - {tenantId: 77777777-7777-7777-7777-777777777777, name: Adatum, allowDelegatedAccess: true}
      relationships:
        - {name: Mail, customer: 77777777-7777-7777-7777-777777777777, roles: [Global Reader],
           duration: P1Y, autoExtendDuration: PT0S, status: expiring, endDateTime: P10D,
           accessAssignments: [{group: Helpers, status: pending, roles: [Directory Readers]}]}
";
    let sim = start(Scenario::from_yaml(yaml).unwrap()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (held, _) =
        graph.all("/v1.0/roleManagement/directory/roleAssignmentScheduleInstances").await;
    assert_eq!(held.len(), 2);
    let scope = held[0]["directoryScopeId"].as_str().unwrap();
    assert!(scope.starts_with("/administrativeUnits/") && scope.len() == 57, "{scope}");
    assert_eq!(held[0]["assignmentType"], "Activated");
    assert_eq!(held[1]["memberType"], "Group");
    let (_, unit) = graph.get(&format!("/v1.0/directory{scope}")).await;
    assert_eq!(unit["visibility"], "HiddenMembership");
    let (policies, _) = graph.all("/v1.0/identity/conditionalAccess/policies").await;
    assert_eq!(policies[0]["grantControls"]["builtInControls"], json!(["mfa"]));
    let path = "/v1.0/tenantRelationships/delegatedAdminRelationships";
    let (relationships, _) = graph.all(path).await;
    assert_eq!(relationships[0]["status"], "expiring");
    let id = relationships[0]["id"].as_str().unwrap();
    let (used, _) = graph.all(&format!("{path}/{id}/accessAssignments")).await;
    assert_eq!(used[0]["status"], "pending");
    let readers = json!([{"roleDefinitionId": "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"}]);
    assert_eq!(used[0]["accessDetails"]["unifiedRoles"], readers);
}

#[test]
fn what_a_scenario_may_not_say_is_refused_with_its_place() {
    let tenant = "tenants:\n  - id: 11111111-1111-1111-1111-111111111111\n    name: Woodgrove\n";
    let wrong = [
        ("    licence: none\n", "licence"),
        ("    eligible:\n      - {principal: A, role: B, until: P1D}\n", "until"),
        ("    eligible:\n      - {principal: A, role: B, startDateTime: soon}\n", "soon"),
        ("    eligible:\n      - {principal: A, role: B, memberType: Friend}\n", "Friend"),
        ("    partnerSide: {clients: []}\n", "clients"),
        ("    appRoleAssignments: [{principal: A, permission: B}]\n", "permission"),
    ];
    for (lines, word) in wrong {
        let error = Scenario::from_yaml(&format!("{tenant}{lines}")).unwrap_err().to_string();
        let line = 4 + lines.lines().count() - 1;
        assert!(error.contains(word) && error.contains(&format!("line {line}")), "{error}");
    }
    assert!(Scenario::built_in("nothing").is_none());
    let woodgrove = Scenario::built_in("woodgrove").map(|it| it.tenants[0].name.clone());
    assert_eq!(woodgrove.as_deref(), Some("Woodgrove"));
}
