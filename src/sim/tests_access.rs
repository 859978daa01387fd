//! What the simulated Graph answers about eligibility, groups in groups, accounts, applications and
//! administrative units.

use http::Method;
use serde_json::{Value, json};

use super::tests::{Client, start};
use super::*;

const ACTIVE: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances";
const ELIGIBLE: &str = "/beta/roleManagement/directory/roleEligibilityScheduleInstances";
const EXCHANGE: &str = "29232cdf-9323-42fd-ade2-1d097af3e4de";

async fn given(tenant: Tenant) -> (Sim, Client) {
    let sim = start(Scenario::default().tenant(tenant)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    (sim, graph)
}

/// A client that has these permissions only.
async fn with(tenant: Tenant, permissions: &[&str]) -> (Sim, Client) {
    let sim = start(Scenario::default().tenant(tenant).permissions(permissions)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    (sim, graph)
}

fn woodgrove() -> Tenant {
    Tenant::new(WOODGROVE, "Woodgrove")
        .member("Megan", "megan@woodgrove.example", "Global Administrator")
        .member("Ann", "ann@woodgrove.example", None)
        .guest("Bob", "bob@contoso-reseller.example", None)
}

fn fixed(text: &str) -> Moment {
    Moment::At(text.parse().unwrap())
}

fn names(items: &[Value]) -> Vec<&str> {
    let mut names: Vec<_> = items.iter().map(|it| it["displayName"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn active_instances_are_all_assignments_with_what_is_known_of_them() {
    let tenant = woodgrove()
        .assignment(
            Assignment::new("Ann", "Exchange Administrator")
                .since(fixed("2026-11-01T08:00:00Z"))
                .until(fixed("2026-11-01T16:00:00Z"))
                .activated(),
        )
        .derived_instance(
            Assignment::new("Bob", "Helpdesk Administrator").through(MemberType::Group),
        );
    let (sim, graph) = given(tenant).await;
    let id = |name| sim.principal_id(WOODGROVE, name).unwrap();
    let held = sim.assignments(WOODGROVE);
    let (instances, _) = graph.all(ACTIVE).await;
    let [megan, ann, bob] = instances.as_slice() else { panic!("{instances:?}") };
    let direct = json!({
        "id": held[0].id,
        "principalId": id("Megan"),
        "roleDefinitionId": held[0].role_definition_id,
        "directoryScopeId": "/",
        "appScopeId": null,
        "startDateTime": null,
        "endDateTime": null,
        "assignmentType": "Assigned",
        "memberType": "Direct",
        "roleAssignmentOriginId": held[0].id,
        "roleAssignmentScheduleId": held[0].id,
    });
    assert_eq!(*megan, direct);
    assert_eq!(ann["assignmentType"], "Activated");
    assert_eq!(ann["startDateTime"], "2026-11-01T08:00:00Z");
    assert_eq!(ann["endDateTime"], "2026-11-01T16:00:00Z");
    assert_eq!(ann["roleAssignmentOriginId"], held[1].id);
    assert_ne!(ann["roleAssignmentScheduleId"], ann["id"]);
    assert_eq!((&bob["principalId"], &bob["memberType"]), (&json!(id("Bob")), &json!("Group")));
    assert!(sim.revoke(WOODGROVE, &held[1].id).unwrap());
    assert_eq!(graph.all(ACTIVE).await.0.len(), 2);
}

#[tokio::test]
async fn an_assignment_that_goes_between_two_pages_hides_no_instance() {
    let tenant = woodgrove()
        .assignment(Assignment::new("Ann", "Global Reader"))
        .assignment(Assignment::new("Bob", "Global Reader"))
        .derived_instance(Assignment::new("Bob", "Directory Readers").through(MemberType::Group));
    let sim = start(Scenario::default().tenant(tenant).page_size(2)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (_, first) = graph.get(ACTIVE).await;
    assert!(sim.revoke(WOODGROVE, first["value"][0]["id"].as_str().unwrap()).unwrap());
    let (rest, _) = graph.all(first["@odata.nextLink"].as_str().unwrap()).await;
    let bob = json!(sim.principal_id(WOODGROVE, "Bob"));
    let holders: Vec<_> = rest.iter().map(|it| &it["principalId"]).collect();
    assert_eq!(holders, [&bob, &bob]);
}

#[tokio::test]
async fn eligible_instances_have_a_schedule_and_perhaps_an_end() {
    let tenant = woodgrove()
        .partner_group("Second Line", CONTOSO, None)
        .eligible(
            Assignment::new("Second Line", "Exchange Administrator").since(Moment::days_ago(20)),
        )
        .eligible(Assignment::new("Ann", "Global Reader").until(fixed("2027-01-01T00:00:00Z")));
    let sim = start(Scenario::default().tenant(tenant).page_size(1)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (instances, pages) = graph.all(ELIGIBLE).await;
    assert_eq!((instances.len(), pages), (2, 2));
    let second_line = &instances[0];
    assert_eq!(second_line["principalId"], json!(sim.principal_id(WOODGROVE, "Second Line")));
    assert_eq!(second_line["endDateTime"], Value::Null);
    assert!(second_line["id"].as_str().unwrap().ends_with("-e"));
    assert!(second_line["roleEligibilityScheduleId"].is_string());
    assert_eq!(second_line.get("assignmentType"), None);
    let start: Timestamp = second_line["startDateTime"].as_str().unwrap().parse().unwrap();
    let ago = server::now().duration_since(start).as_hours();
    assert!((479..=481).contains(&ago), "{ago}");
    assert_eq!(instances[1]["endDateTime"], "2027-01-01T00:00:00Z");
    let only = format!("{ELIGIBLE}?$filter=roleDefinitionId eq '{EXCHANGE}'&$expand=principal,x");
    assert_eq!(graph.get(&only).await.0, 400);
    let only =
        format!("{ELIGIBLE}?$filter=roleDefinitionId eq '{EXCHANGE}'&$expand=roleDefinition");
    let (only, _) = graph.all(&only).await;
    assert_eq!(only.len(), 1);
    assert_eq!(only[0]["roleDefinition"]["displayName"], "Exchange Administrator");
    assert!(sim.assignments(WOODGROVE).iter().all(|it| it.role_definition_id != EXCHANGE));
}

#[tokio::test]
async fn each_list_of_instances_has_a_permission_of_its_own() {
    let both = [(ACTIVE, "RoleAssignmentSchedule"), (ELIGIBLE, "RoleEligibilitySchedule")];
    for (path, family) in both {
        let least = format!("{family}.Read.Directory");
        let (_sim, graph) = with(woodgrove(), &[&least]).await;
        for (other, _) in both {
            let status = graph.get(other).await.0;
            assert_eq!(status, if other == path { 200 } else { 403 }, "{least}: {other}");
        }
    }
    let (_sim, graph) = with(woodgrove(), &["Directory.Read.All"]).await;
    assert_eq!((graph.get(ACTIVE).await.0, graph.get(ELIGIBLE).await.0), (403, 403));
    let (_sim, graph) = with(woodgrove(), &["RoleManagement.Read.Directory"]).await;
    assert_eq!((graph.get(ACTIVE).await.0, graph.get(ELIGIBLE).await.0), (200, 200));
}

#[tokio::test]
async fn a_tenant_without_the_licence_is_told_so() {
    let yaml = "
tenants:
  - {id: 11111111-1111-1111-1111-111111111111, name: Woodgrove, withoutLicence: {status: 403}}
";
    let built = Scenario::default().tenant(woodgrove().without_licence());
    for (scenario, status) in [(built, 400), (Scenario::from_yaml(yaml).unwrap(), 403)] {
        let sim = start(scenario).await;
        let graph = Client::of(&sim, WOODGROVE).await;
        for path in [ACTIVE, ELIGIBLE] {
            let (answered, body) = graph.get(path).await;
            assert_eq!(answered, status);
            assert_eq!(body["error"]["code"], "AadPremiumLicenseRequired");
        }
    }
}

#[tokio::test]
async fn members_of_groups_in_groups_are_members() {
    let tenant = woodgrove()
        .service_principal("Robot", CLIENT_ID, WOODGROVE, None)
        .group("Night", &["Bob", "Robot", "Helpers"], None)
        .group("Helpers", &["Ann", "Night"], "Helpdesk Administrator");
    let sim = start(Scenario::default().tenant(tenant).page_size(2)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let helpers = sim.principal_id(WOODGROVE, "Helpers").unwrap();
    let path = format!("/v1.0/groups/{helpers}/transitiveMembers");
    let (members, pages) = graph.all(&format!("{path}?$select=id,displayName,mail")).await;
    assert_eq!((names(&members), pages), (vec!["Ann", "Bob", "Night", "Robot"], 2));
    let night = members.iter().find(|it| it["displayName"] == "Night").unwrap();
    assert_eq!(night["@odata.type"], "#microsoft.graph.group");
    assert_eq!(graph.get(&format!("{path}?$count=true")).await.1.get("@odata.count"), None);
    let (_, counted) = graph.get_eventual(&format!("{path}?$count=true")).await;
    assert_eq!(counted["@odata.count"], 4);
    let users = format!("{path}/microsoft.graph.user?$count=true&$select=displayName,userType");
    let (status, refused) = graph.get(&users).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("Request_UnsupportedQuery")));
    let (_, users) = graph.get_eventual(&users).await;
    assert_eq!(users["@odata.count"], 2);
    let expected = json!([
        {"displayName": "Ann", "userType": "Member"},
        {"displayName": "Bob", "userType": "Guest"},
    ]);
    assert_eq!(users["value"], expected);
    assert!(users["@odata.context"].as_str().unwrap().ends_with("/v1.0/$metadata#users"));
    assert_eq!(graph.get_eventual(&format!("{path}/microsoft.graph.cat?$count=true")).await.0, 400);
    let agents = format!("/v1.0/groups/{CONTOSO}/transitiveMembers");
    assert_eq!(graph.get(&agents).await.0, 404);
}

#[tokio::test]
async fn of_a_member_that_may_not_be_read_there_is_an_id_and_no_more() {
    let tenant = woodgrove().group("Helpers", &["Ann"], None);
    let (sim, graph) = with(tenant, &["GroupMember.Read.All"]).await;
    let helpers = sim.principal_id(WOODGROVE, "Helpers").unwrap();
    let path = format!("/v1.0/groups/{helpers}/transitiveMembers?$select=id,displayName");
    let (members, _) = graph.all(&path).await;
    let ann = sim.principal_id(WOODGROVE, "Ann").unwrap();
    let shown = json!({"@odata.type": "#microsoft.graph.user", "id": ann, "displayName": null});
    assert_eq!(members, [shown]);
    let (_sim, graph) = with(woodgrove(), &["User.Read.All"]).await;
    assert_eq!(graph.get(&path).await.0, 403);
}

#[tokio::test]
async fn a_user_belongs_to_groups_roles_and_units() {
    let tenant = woodgrove()
        .group("Night", &["Bob"], None)
        .group("Helpers", &["Night"], "Helpdesk Administrator")
        .group("Others", &["Ann"], "Global Reader")
        .administrative_unit("Branch Offices", &["Bob"])
        .assignment(
            Assignment::new("Bob", "User Administrator")
                .scope("/administrativeUnits/Branch Offices"),
        );
    let (_sim, graph) = given(tenant).await;
    let name = "bob_contoso-reseller.example%23EXT%23@woodgrove.example";
    let path = format!("/v1.0/users/{name}/transitiveMemberOf");
    let (all, _) = graph.all(&path).await;
    assert_eq!(names(&all), ["Branch Offices", "Helpdesk Administrator", "Helpers", "Night"]);
    let role = all.iter().find(|it| it["@odata.type"] == "#microsoft.graph.directoryRole").unwrap();
    assert_eq!(role["roleTemplateId"], "729827e3-9c14-49f7-bb1b-9608f156bbb8");
    assert_ne!(role["roleTemplateId"], role["id"]);
    let groups = format!(
        "{path}/microsoft.graph.group?$count=true&$select=id,displayName,isAssignableToRole"
    );
    let (_, groups) = graph.get_eventual(&groups).await;
    assert_eq!(names(groups["value"].as_array().unwrap()), ["Helpers", "Night"]);
    assert_eq!(groups["value"][0]["isAssignableToRole"], true);
    assert_eq!(graph.get("/v1.0/users/nobody@woodgrove.example/transitiveMemberOf").await.0, 404);
}

#[tokio::test]
async fn an_account_is_read_by_name_with_what_was_asked_for() {
    let tenant = woodgrove()
        .principal(Principal::member("Old", "old@woodgrove.example").disabled(), None)
        .principal(
            Principal::guest("Eve", "eve@contoso-reseller.example")
                .pending()
                .created(fixed("2026-11-20T00:00:00Z")),
            None,
        )
        .principal(Principal::group("Chat", &[]).not_assignable_to_role(), None);
    let (sim, graph) = given(tenant).await;
    let select = "id,displayName,userPrincipalName,accountEnabled,userType,mail";
    let (_, old) = graph.get(&format!("/v1.0/users/OLD@woodgrove.example?$select={select}")).await;
    assert_eq!((&old["accountEnabled"], &old["userType"]), (&json!(false), &json!("Member")));
    let (status, body) = graph.get(&format!("/v1.0/users/{CONTOSO}?$select={select}")).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("Request_ResourceNotFound")));
    let more =
        "displayName,accountEnabled,externalUserState,creationType,identities,createdDateTime";
    let guests = format!("/v1.0/users?$filter=userType eq 'Guest'&$select={more}");
    let (guests, _) = graph.all(&guests).await;
    let eve = guests.iter().find(|it| it["displayName"] == "Eve").unwrap();
    assert_eq!(eve["externalUserState"], "PendingAcceptance");
    assert_eq!(eve["creationType"], "Invitation");
    assert_eq!(eve["createdDateTime"], "2026-11-20T00:00:00Z");
    assert_eq!(eve["identities"][0]["issuer"], "ExternalAzureAD");
    let (disabled, _) = graph.all("/v1.0/users?$filter=accountEnabled eq false").await;
    assert_eq!(names(&disabled), ["Old"]);
    let chat = sim.principal_id(WOODGROVE, "Chat").unwrap();
    let (_, chat) = graph.get(&format!("/v1.0/groups/{chat}?$select=isAssignableToRole")).await;
    assert_eq!(chat["isAssignableToRole"], false);
}

#[tokio::test]
async fn service_principals_are_found_by_their_owner() {
    let tenant = woodgrove()
        .service_principal("Backup", CLIENT_ID, CONTOSO, None)
        .service_principal("Payroll", WOODGROVE, WOODGROVE, None);
    let sim =
        start(Scenario::default().tenant(tenant).permissions(&["Application.Read.All"])).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let select = "$count=true&$select=displayName,accountEnabled,appOwnerOrganizationId";
    let by = |owner: &str| {
        format!("/v1.0/servicePrincipals?$filter=appOwnerOrganizationId eq {owner}&{select}")
    };
    let (status, found) = graph.get_eventual(&by(CONTOSO)).await;
    assert_eq!((status, &found["@odata.count"]), (200, &json!(1)));
    let backup = json!([
        {"displayName": "Backup", "accountEnabled": true, "appOwnerOrganizationId": CONTOSO},
    ]);
    assert_eq!(found["value"], backup);
    let (status, refused) = graph.get(&by(CONTOSO)).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("Request_UnsupportedQuery")));
    let (status, refused) = graph.get_eventual(&by(&format!("'{CONTOSO}'"))).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("BadRequest")));
    let unquoted = format!("/v1.0/servicePrincipals?$filter=appId eq {CLIENT_ID}");
    assert_eq!(graph.get(&unquoted).await.0, 400);
}

#[tokio::test]
async fn application_permissions_are_listed() {
    let tenant = woodgrove()
        .service_principal("Backup", CLIENT_ID, CONTOSO, None)
        .app_role("Backup", "RoleManagement.ReadWrite.Directory")
        .app_role("Backup", "User.Read.All")
        .service_principal("Payroll", WOODGROVE, WOODGROVE, None)
        .app_role("Payroll", "Directory.ReadWrite.All");
    let permissions = ["Application.Read.All"];
    let scenario = Scenario::default().tenant(tenant).permissions(&permissions).page_size(1);
    let sim = start(scenario).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let backup = sim.principal_id(WOODGROVE, "Backup").unwrap();
    let path = format!("/v1.0/servicePrincipals/{backup}/appRoleAssignments");
    let (granted, pages) = graph.all(&path).await;
    assert_eq!((granted.len(), pages), (2, 2));
    let first = &granted[0];
    assert_eq!(first["appRoleId"], "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8");
    assert_eq!(first["principalId"], backup);
    assert_eq!(first["principalType"], "ServicePrincipal");
    assert_eq!(first["resourceDisplayName"], "Microsoft Graph");
    let resource = first["resourceId"].as_str().unwrap();
    let (_, resource) =
        graph.get(&format!("/v1.0/servicePrincipals/{resource}?$select=appId,appRoles")).await;
    assert_eq!(resource["appId"], "00000003-0000-0000-c000-000000000000");
    let roles = resource["appRoles"].as_array().unwrap();
    let named = roles.iter().find(|role| role["id"] == first["appRoleId"]).unwrap();
    assert_eq!(named["value"], "RoleManagement.ReadWrite.Directory");
    let missing = format!("/v1.0/servicePrincipals/{CONTOSO}/appRoleAssignments");
    assert_eq!(graph.get(&missing).await.0, 404);
    let (_sim, graph) = with(woodgrove(), &["User.Read.All"]).await;
    assert_eq!(graph.get(&path).await.0, 403);
    let wrong = woodgrove().app_role("Ann", "Everything.Do");
    let error = Sim::start(Scenario::default().tenant(wrong), ([127, 0, 0, 1], 0).into());
    let error = error.await.unwrap_err().to_string();
    assert_eq!(error, "Woodgrove: there is no application permission \"Everything.Do\"");
}

#[tokio::test]
async fn administrative_units_are_read_and_resolved_when_named() {
    let tenant = woodgrove().administrative_unit("Branch Offices", &["Ann"]).assignment(
        Assignment::new("Ann", "User Administrator").scope("/administrativeUnits/Branch Offices"),
    );
    let (sim, graph) = given(tenant.clone()).await;
    let (assignments, _) = graph.all("/v1.0/roleManagement/directory/roleAssignments").await;
    let scope = assignments[1]["directoryScopeId"].as_str().unwrap();
    let id = scope.strip_prefix("/administrativeUnits/").unwrap();
    let (_, unit) = graph.get(&format!("/v1.0/directory/administrativeUnits/{id}")).await;
    assert_eq!((&unit["id"], &unit["displayName"]), (&json!(id), &json!("Branch Offices")));
    let (status, _) = graph.get(&format!("/v1.0/directory/administrativeUnits/{CONTOSO}")).await;
    assert_eq!(status, 404);
    let resolved = async |types: Value| {
        let body = json!({ "ids": [id, sim.principal_id(WOODGROVE, "Ann")], "types": types });
        let path = "/v1.0/directoryObjects/getByIds";
        let answer: Value = graph.send(Method::POST, path, Some(body)).await.json().await.unwrap();
        answer["value"].as_array().unwrap().clone()
    };
    let named = resolved(json!(["administrativeUnit"])).await;
    assert_eq!(named[0]["@odata.type"], "#microsoft.graph.administrativeUnit");
    assert_eq!(names(&named), ["Branch Offices"]);
    assert_eq!(names(&resolved(json!(["user"])).await), ["Ann"]);
    assert_eq!(names(&resolved(Value::Null).await), ["Ann", "Branch Offices"]);
    let (_sim, graph) = with(tenant.clone(), &["AdministrativeUnit.Read.All"]).await;
    let (units, _) = graph.all("/beta/directory/administrativeUnits?$select=displayName").await;
    assert_eq!(units, [json!({"displayName": "Branch Offices"})]);
    let (_sim, graph) = with(tenant, &["User.Read.All"]).await;
    assert_eq!(graph.get("/v1.0/directory/administrativeUnits").await.0, 403);
}
