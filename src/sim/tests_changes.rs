//! What may be changed in a simulated tenant, and what is refused.

use http::Method;
use serde_json::{Value, json};

use super::tests::{Client, start};
use super::*;

const DIRECTORY: &str = "/v1.0/roleManagement/directory";
const READER: &str = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b";

async fn post(graph: &Client, path: &str, body: Value) -> (u16, Value) {
    let answer = graph.send(Method::POST, path, Some(body)).await;
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

fn id(sim: &Sim, name: &str) -> String {
    sim.principal_id(WOODGROVE, name).unwrap()
}

fn request(action: &str, principal: &str, expiration: &Value) -> Value {
    json!({
        "action": action, "principalId": principal, "roleDefinitionId": READER,
        "directoryScopeId": "/", "justification": "a test",
        "scheduleInfo": { "expiration": expiration },
    })
}

#[tokio::test]
async fn a_role_is_assigned_once() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let alice = id(&sim, "Alice");
    let path = format!("{DIRECTORY}/roleAssignments");
    let body = json!({ "principalId": alice, "roleDefinitionId": READER, "directoryScopeId": "/" });
    let (status, made) = post(&graph, &path, body.clone()).await;
    assert_eq!((status, &made["principalId"]), (201, &json!(alice)));
    let held = sim.assignments(WOODGROVE);
    assert!(held.iter().any(|it| it.principal_id == alice && it.role_definition_id == READER));
    assert_eq!(post(&graph, &path, body).await.0, 400);
    let unknown =
        json!({ "principalId": alice, "roleDefinitionId": alice, "directoryScopeId": "/" });
    assert_eq!(post(&graph, &path, unknown).await.0, 400);
}

#[tokio::test]
async fn schedules_are_made_and_ended_once() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let alice = id(&sim, "Alice");
    let forever = json!({ "type": "noExpiration" });
    for requests in ["roleEligibilityScheduleRequests", "roleAssignmentScheduleRequests"] {
        let path = format!("{DIRECTORY}/{requests}");
        let ask = async |action: &str, expiration: &Value| {
            post(&graph, &path, request(action, &alice, expiration)).await
        };
        let (status, body) = ask("adminRemove", &forever).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("RoleAssignmentDoesNotExist")));
        let past = json!({ "type": "afterDateTime", "endDateTime": "2020-01-01T00:00:00Z" });
        assert_eq!(ask("adminAssign", &past).await.0, 400);
        let later = json!({ "type": "afterDateTime", "endDateTime": "2099-01-01T00:00:00Z" });
        let (status, body) = ask("adminAssign", &later).await;
        assert_eq!((status, &body["status"]), (201, &json!("Provisioned")));
        let instances = path.replace("Requests", "Instances");
        let instances = format!("{instances}?$filter=principalId eq '{alice}'");
        let held = graph.all(&instances).await.0;
        let ends = held.iter().filter(|it| it["endDateTime"] == "2099-01-01T00:00:00Z").count();
        assert_eq!(ends, 1, "{held:?}");
        let (status, body) = ask("adminAssign", &forever).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("RoleAssignmentExists")));
        let (status, body) = ask("adminRemove", &forever).await;
        assert_eq!((status, &body["status"]), (201, &json!("Revoked")));
        let left = graph.all(&instances).await.0;
        assert!(left.iter().all(|it| it["roleDefinitionId"] != READER), "{left:?}");
    }
}

#[tokio::test]
async fn accounts_are_disabled_and_their_sessions_ended() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let path = format!("/v1.0/users/{}", id(&sim, "Alice"));
    let enable = async |enabled: Value| {
        let body = Some(json!({ "accountEnabled": enabled }));
        graph.send(Method::PATCH, &path, body).await.status().as_u16()
    };
    assert_eq!(
        (enable(json!(false)).await, sim.is_enabled(WOODGROVE, "Alice")),
        (204, Some(false))
    );
    let (_, shown) = graph.get(&format!("{path}?$select=id,accountEnabled")).await;
    assert_eq!(shown["accountEnabled"], false);
    assert_eq!((enable(json!(true)).await, sim.is_enabled(WOODGROVE, "Alice")), (204, Some(true)));
    assert_eq!(enable(json!("no")).await, 400);
    assert_eq!(sim.sessions_ended(WOODGROVE, "Alice"), None);
    let (status, body) = post(&graph, &format!("{path}/revokeSignInSessions"), json!({})).await;
    assert_eq!((status, &body["value"]), (200, &json!(true)));
    assert!(sim.sessions_ended(WOODGROVE, "Alice").is_some());
}

#[tokio::test]
async fn a_member_leaves_a_group_and_comes_back() {
    let mut scenario = Scenario::woodgrove();
    let tenant = scenario.tenants.remove(0).group("Operators", &["Alice"], None);
    scenario.tenants.insert(0, tenant);
    let sim = start(scenario).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (group, alice) = (id(&sim, "Operators"), id(&sim, "Alice"));
    let out = format!("/v1.0/groups/{group}/members/{alice}/$ref");
    let leave = async || graph.send(Method::DELETE, &out, None).await.status().as_u16();
    assert_eq!((leave().await, leave().await), (204, 404));
    let back = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{alice}") });
    let path = format!("/v1.0/groups/{group}/members/$ref");
    assert_eq!(post(&graph, &path, back.clone()).await.0, 204);
    assert_eq!(sim.members(WOODGROVE, "Operators"), ["Alice"]);
    assert_eq!(post(&graph, &path, back).await.0, 400);
}

#[tokio::test]
async fn a_policy_is_checked_made_and_deleted() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let path = "/v1.0/identity/conditionalAccess/policies";
    let policy = json!({
        "displayName": "Block Contoso", "state": "enabledForReportingButNotEnforced",
        "conditions": {
            "applications": { "includeApplications": ["All"] },
            "users": { "includeGuestsOrExternalUsers": {
                "guestOrExternalUserTypes": "serviceProvider",
                "externalTenants": {
                    "@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants",
                    "membershipKind": "enumerated", "members": [CONTOSO],
                },
            } },
        },
        "grantControls": { "operator": "OR", "builtInControls": ["block"] },
    });
    let (status, made) = post(&graph, path, policy.clone()).await;
    assert_eq!(status, 201);
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    assert_eq!(graph.get(&one).await.1["displayName"], "Block Contoso");
    let on = Some(json!({ "state": "enabled" }));
    assert_eq!(graph.send(Method::PATCH, &one, on).await.status(), 204);
    assert_eq!(sim.conditional_access(WOODGROVE)[0]["state"], "enabled");
    assert_eq!(graph.send(Method::DELETE, &one, None).await.status(), 204);
    assert_eq!(graph.send(Method::DELETE, &one, None).await.status(), 404);
    for (place, wrong) in [
        ("/state", json!("on")),
        ("/conditions/applications/includeApplications", json!([])),
        ("/conditions/users/includeGuestsOrExternalUsers/externalTenants/members", json!([])),
        ("/grantControls/builtInControls", json!([])),
        ("/displayName", json!("")),
    ] {
        let mut wrong_policy = policy.clone();
        *wrong_policy.pointer_mut(place).unwrap() = wrong;
        assert_eq!(post(&graph, path, wrong_policy).await.0, 400, "{place}");
    }
    assert!(sim.conditional_access(WOODGROVE).is_empty());
}

#[tokio::test]
async fn every_change_takes_its_permission() {
    for (permission, method, path) in [
        (
            "RoleEligibilitySchedule.ReadWrite.Directory",
            Method::POST,
            "roleManagement/directory/roleEligibilityScheduleRequests",
        ),
        (
            "RoleAssignmentSchedule.ReadWrite.Directory",
            Method::POST,
            "roleManagement/directory/roleAssignmentScheduleRequests",
        ),
        ("GroupMember.ReadWrite.All", Method::DELETE, "groups/a/members/b/$ref"),
        ("User.RevokeSessions.All", Method::POST, "users/a/revokeSignInSessions"),
        ("User.EnableDisableAccount.All", Method::PATCH, "users/a"),
        ("Application.ReadWrite.All", Method::PATCH, "servicePrincipals/a"),
        (
            "AppRoleAssignment.ReadWrite.All",
            Method::DELETE,
            "servicePrincipals/a/appRoleAssignments/b",
        ),
        ("Policy.ReadWrite.ConditionalAccess", Method::POST, "identity/conditionalAccess/policies"),
        (
            "DelegatedAdminRelationship.ReadWrite.All",
            Method::PATCH,
            "tenantRelationships/delegatedAdminRelationships/a",
        ),
    ] {
        let scenario = Scenario::woodgrove()
            .without_permission("RoleManagement.ReadWrite.Directory")
            .without_permission(permission);
        let sim = start(scenario).await;
        let graph = Client::of(&sim, WOODGROVE).await;
        let answer = graph.send(method, &format!("/v1.0/{path}"), Some(json!({}))).await;
        assert_eq!(answer.status(), 403, "{permission}");
    }
}

/// Whoever was granted no more than to remove may ask for nothing else.
#[tokio::test]
async fn to_remove_is_not_to_assign() {
    for (kind, requests) in [
        ("RoleEligibilitySchedule", "roleEligibilityScheduleRequests"),
        ("RoleAssignmentSchedule", "roleAssignmentScheduleRequests"),
    ] {
        let mut scenario = Scenario::woodgrove()
            .without_permission("RoleManagement.ReadWrite.Directory")
            .without_permission(&format!("{kind}.ReadWrite.Directory"));
        scenario.permissions.push(format!("{kind}.Remove.Directory"));
        let sim = start(scenario).await;
        let graph = Client::of(&sim, WOODGROVE).await;
        let alice = id(&sim, "Alice");
        let path = format!("{DIRECTORY}/{requests}");
        for (action, status) in [("adminAssign", 403), ("adminExtend", 403), ("adminRemove", 400)] {
            let body = request(action, &alice, &json!({ "type": "noExpiration" }));
            assert_eq!(post(&graph, &path, body).await.0, status, "{kind} {action}");
        }
    }
}
