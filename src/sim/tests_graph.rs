//! What the simulated Graph answers.

use http::Method;
use serde_json::{Value, json};

use super::tests::{Client, http, start};
use super::*;

const ASSIGNMENTS: &str = "/v1.0/roleManagement/directory/roleAssignments";
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

fn held_by<'a>(items: &'a [Value], principal: &str) -> &'a Value {
    items.iter().find(|item| item["principalId"] == principal).unwrap()
}

fn holder(sim: &Sim, name: &str) -> Assigned {
    let held = sim.assignments(WOODGROVE);
    held.into_iter().find(|it| it.principal.as_deref() == Some(name)).unwrap()
}

#[tokio::test]
async fn a_call_without_a_valid_token_is_refused() {
    let sim = start(Scenario::woodgrove()).await;
    let url = sim.origin().join(ASSIGNMENTS).unwrap();
    let request = http().get(url).bearer_auth("not.a.token").header("client-request-id", "mine");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let id = answer.headers()["request-id"].to_str().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "InvalidAuthenticationToken");
    assert_eq!(body["error"]["innerError"]["request-id"], id);
    assert_eq!(body["error"]["innerError"]["client-request-id"], "mine");
}

#[tokio::test]
async fn a_missing_permission_is_refused() {
    let scenario = Scenario::woodgrove().without_permission("RoleManagement.ReadWrite.Directory");
    let sim = start(scenario).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let id = holder(&sim, "Alice").id;
    let answer = graph.send(Method::DELETE, &format!("{ASSIGNMENTS}/{id}"), None).await;
    assert_eq!(answer.status(), 403);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "Authorization_RequestDenied");
    let message = "Insufficient privileges to complete the operation.";
    assert_eq!(body["error"]["message"], message);
    assert_eq!(graph.get(ASSIGNMENTS).await.0, 200);
    assert_eq!(sim.deletions(), []);
}

#[tokio::test]
async fn assignments_come_in_pages() {
    let sim = start(Scenario::woodgrove().page_size(2)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (status, first) = graph.get(ASSIGNMENTS).await;
    assert_eq!(status, 200);
    let link = first["@odata.nextLink"].as_str().unwrap();
    assert!(link.starts_with(sim.origin().as_str()), "{link}");
    assert!(link.contains("$skiptoken="), "{link}");
    let (items, pages) = graph.all(&format!("{ASSIGNMENTS}?$select=id")).await;
    assert_eq!((items.len(), pages), (6, 3));
    let ids: Vec<_> = sim.assignments(WOODGROVE).iter().map(|it| json!({ "id": it.id })).collect();
    assert_eq!(items, ids);
}

#[tokio::test]
async fn assignments_are_filtered() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let role = format!("{ASSIGNMENTS}?$filter=roleDefinitionId eq '{GLOBAL_ADMINISTRATOR}'");
    assert_eq!(graph.all(&role).await.0.len(), 3);
    let alice = holder(&sim, "Alice").principal_id;
    let held = graph.all(&format!("{ASSIGNMENTS}?$filter=principalId eq '{alice}'")).await.0;
    assert_eq!(held.len(), 1);
    let (status, body) = graph.get(&format!("{ASSIGNMENTS}?$filter=directoryScopeId eq '/'")).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("Request_UnsupportedQuery")));
}

#[tokio::test]
async fn only_beta_shows_the_organization() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let agents = holder(&sim, "AdminAgents");
    assert!(agents.foreign);
    let (v1, _) = graph.all(ASSIGNMENTS).await;
    assert_eq!(held_by(&v1, &agents.principal_id).get("principalOrganizationId"), None);
    let path = "/beta/roleManagement/directory/roleAssignments";
    let (beta, _) = graph.all(path).await;
    let foreign = held_by(&beta, &agents.principal_id);
    assert_eq!(foreign["principalOrganizationId"], CONTOSO);
    assert_eq!(foreign["roleDefinitionId"], GLOBAL_ADMINISTRATOR);
    let alice = held_by(&beta, &holder(&sim, "Alice").principal_id);
    assert_eq!(alice["principalOrganizationId"], WOODGROVE);
    let selected = graph.get(&format!("{path}?$select=id,principalOrganizationId")).await.1;
    assert_eq!(selected["value"][0].as_object().unwrap().len(), 2);
    let v1 = Scenario { v1_principal_organization_id: true, ..Scenario::woodgrove() };
    let sim = start(v1).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (v1, _) = graph.all(ASSIGNMENTS).await;
    assert_eq!(held_by(&v1, &agents.principal_id)["principalOrganizationId"], CONTOSO);
}

#[tokio::test]
async fn expansion_does_not_resolve_a_foreign_principal() {
    let ghost = "99999999-9999-4999-8999-999999999999";
    let mut scenario = Scenario::woodgrove();
    let tenant = scenario.tenants.remove(0).unresolvable(ghost, "Exchange Administrator");
    let sim = start(scenario.tenant(tenant)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (items, _) = graph.all(&format!("{ASSIGNMENTS}?$expand=principal")).await;
    let agents = held_by(&items, &holder(&sim, "AdminAgents").principal_id);
    assert_eq!(agents.get("principal"), None);
    assert_eq!(held_by(&items, ghost).get("principal"), Some(&Value::Null));
    let alice = &held_by(&items, &holder(&sim, "Alice").principal_id)["principal"];
    assert_eq!(alice["@odata.type"], "#microsoft.graph.user");
    assert_eq!(alice["displayName"], "Alice");
}

#[tokio::test]
async fn an_assignment_is_deleted_once() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let alice = holder(&sim, "Alice");
    let path = format!("{ASSIGNMENTS}/{}", alice.id);
    assert_eq!(graph.get(&path).await.0, 200);
    assert_eq!(graph.delete(&path).await, 204);
    assert_eq!(graph.delete(&path).await, 404);
    let (status, body) = graph.get(&path).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("Request_ResourceNotFound")));
    let [deletion] = sim.deletions().try_into().unwrap();
    assert_eq!(deletion.principal_id, alice.principal_id);
    assert_eq!(sim.count("DELETE", &alice.id), 2);
    let granted = sim.grant(WOODGROVE, "Alice", "User Administrator").unwrap();
    assert_eq!(granted, alice.id);
    assert_eq!(graph.get(&path).await.0, 200);
    assert!(sim.revoke(WOODGROVE, &granted).unwrap());
    assert_eq!(graph.get(&path).await.0, 404);
    assert_eq!(sim.deletions().len(), 1);
}

#[tokio::test]
async fn only_beta_knows_privileged_roles() {
    let scenario = Scenario::default()
        .tenant(Tenant::new(WOODGROVE, "Woodgrove").role(Role::custom("Printer Reader")));
    let sim = start(scenario).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let path = "roleManagement/directory/roleDefinitions";
    let (roles, _) = graph.all(&format!("/beta/{path}?$filter=isPrivileged eq true")).await;
    assert!(roles.iter().all(|role| role["isPrivileged"] == true));
    assert!(roles.iter().any(|role| role["id"] == GLOBAL_ADMINISTRATOR));
    let (v1, pages) = graph.all(&format!("/v1.0/{path}")).await;
    assert_eq!((v1.len(), pages), (14, 2));
    assert_eq!(v1[0].get("isPrivileged"), None);
    assert_eq!(v1[0]["id"], v1[0]["templateId"]);
    assert_eq!(graph.get(&format!("/v1.0/{path}?$filter=isPrivileged eq true")).await.0, 400);
    let (custom, _) = graph.all(&format!("/v1.0/{path}?$filter=isBuiltIn eq false")).await;
    assert_eq!(custom[0]["displayName"], "Printer Reader");
}

#[tokio::test]
async fn partner_references_come_only_when_named() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let agents = holder(&sim, "AdminAgents").principal_id;
    let (alice, app) = (holder(&sim, "Alice"), holder(&sim, "Partner Warden"));
    let ids = json!([agents, alice.principal_id, app.principal_id, "unknown"]);
    let found = async |body: Value| {
        let path = "/v1.0/directoryObjects/getByIds";
        let answer = graph.send(Method::POST, path, Some(body)).await;
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        body["value"].as_array().unwrap().clone()
    };
    let default = found(json!({ "ids": ids })).await;
    let types: Vec<_> = default.iter().map(|it| it["@odata.type"].as_str().unwrap()).collect();
    assert_eq!(types, ["#microsoft.graph.user", "#microsoft.graph.servicePrincipal"]);
    assert_eq!(default[0].get("userType"), None);
    let upn = "alice_contoso-reseller.example#EXT#@woodgrove.example";
    assert_eq!(default[0]["userPrincipalName"], upn);
    assert_eq!(default[1]["appId"], CLIENT_ID);
    assert_eq!(default[1]["appOwnerOrganizationId"], WOODGROVE);
    assert_eq!(found(json!({ "ids": ids, "types": ["group"] })).await, Vec::<Value>::new());
    let types = json!(["user", "directoryObjectPartnerReference"]);
    let named = found(json!({ "ids": ids, "types": types })).await;
    let reference = json!({
        "@odata.type": "#microsoft.graph.directoryObjectPartnerReference",
        "id": agents,
        "displayName": "AdminAgents",
        "description": null,
        "externalPartnerTenantId": CONTOSO,
        "objectType": "group",
    });
    assert_eq!((named.len(), &named[0]), (2, &reference));
}

#[tokio::test]
async fn users_and_groups_are_read() {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .guest("Alice", "alice@contoso-reseller.example", None)
        .member("Megan", "megan@woodgrove.example", None)
        .group("Helpers", &["Alice"], "User Administrator")
        .partner_group("AdminAgents", CONTOSO, "Global Administrator");
    let sim = start(Scenario::default().tenant(tenant)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (guests, _) = graph.all("/v1.0/users?$filter=userType eq 'Guest'&$top=999").await;
    assert_eq!((guests.len(), &guests[0]["displayName"]), (1, &json!("Alice")));
    assert_eq!(guests[0].get("userType"), None);
    let (users, pages) = graph.all("/v1.0/users?$select=displayName,userType&$top=1").await;
    let megan = json!({ "displayName": "Megan", "userType": "Member" });
    assert_eq!((users.len(), pages, &users[1]), (2, 2, &megan));
    assert_eq!(graph.get("/v1.0/users/megan@woodgrove.example").await.0, 200);
    for wrong in ["$top=1000", "$filter=startswith(mail,'a')", "$select=shoeSize"] {
        assert_eq!(graph.get(&format!("/v1.0/users?{wrong}")).await.0, 400, "{wrong}");
    }
    let helpers = holder(&sim, "Helpers").principal_id;
    let (members, _) = graph.all(&format!("/v1.0/groups/{helpers}/members")).await;
    assert_eq!(members[0]["id"], guests[0]["id"]);
    let agents = holder(&sim, "AdminAgents").principal_id;
    assert_eq!(graph.get(&format!("/v1.0/groups/{agents}")).await.0, 404);
    assert_eq!(graph.get(&format!("/v1.0/groups/{agents}/members")).await.0, 404);
}

#[tokio::test]
async fn partners_and_other_tenants_are_read() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (entries, _) = graph.all("/v1.0/policies/crossTenantAccessPolicy/partners").await;
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((&entry["tenantId"], &entry["isServiceProvider"]), (&json!(CONTOSO), &json!(true)));
    let find = "/v1.0/tenantRelationships/findTenantInformationByTenantId";
    let (_, contoso) = graph.get(&format!("{find}(tenantId='{CONTOSO}')")).await;
    assert_eq!(contoso["displayName"], "Contoso Reseller");
    assert_eq!(contoso["defaultDomainName"], "contoso-reseller.example");
    let (status, _) = graph.get(&format!("{find}(tenantId=%27{CLIENT_ID}%27)")).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn service_principals_are_found_by_their_application() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let find = |app: &str| {
        format!("/v1.0/servicePrincipals?$filter=appId%20eq%20'{app}'&$select=id,appId")
    };
    let (items, _) = graph.all(&find(CLIENT_ID)).await;
    let id = sim.principal_id(WOODGROVE, "Partner Warden").unwrap();
    assert_eq!(items, [json!({"id": id, "appId": CLIENT_ID})]);
    assert_eq!(graph.all(&find(CONTOSO)).await.0, [] as [Value; 0]);
    assert_eq!(graph.get("/v1.0/servicePrincipals?$filter=id%20eq%20'1'").await.0, 400);
    let scenario = Scenario::woodgrove().without_permission("Directory.Read.All");
    let sim = start(scenario).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    assert_eq!(graph.get(&find(CLIENT_ID)).await.0, 403);
}

#[tokio::test]
async fn audit_content_is_given_to_its_tenant_until_it_expires() {
    let sim = start(Scenario::woodgrove().tenant(Tenant::new(CONTOSO, "Contoso"))).await;
    let client = Client::of(&sim, WOODGROVE).await;
    let (first, second) = (sim.publish(WOODGROVE, "[1]"), sim.publish(WOODGROVE, "[2]"));
    assert_eq!(client.get(&first).await, (200, json!([1])));
    assert_eq!(client.get(&second).await, (200, json!([2])));
    let theirs = sim.publish(CONTOSO, "[3]");
    let code = |(status, body): (u16, Value)| (status, body["error"]["code"].clone());
    assert_eq!(code(client.get(&theirs).await), (403, json!("AF20010")));
    assert_eq!(code(client.get(&format!("{first}x")).await), (404, json!("AF20050")));
    let mine = theirs.replace(CONTOSO, WOODGROVE);
    assert_eq!(code(client.get(&mine).await), (404, json!("AF20050")));
    sim.expire_contents();
    assert_eq!(code(client.get(&first).await), (400, json!("AF20051")));
    assert_eq!(http().get(&first).send().await.unwrap().status(), 401);
    let sim = start(Scenario::woodgrove().without_permission("ActivityFeed.Read")).await;
    let client = Client::of(&sim, WOODGROVE).await;
    let uri = sim.publish(WOODGROVE, "[]");
    assert_eq!(code(client.get(&uri).await), (403, json!("AF10001")));
}

#[tokio::test]
async fn what_is_not_simulated_is_said_so() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (status, body) = graph.get("/v1.0/me/messages").await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("BadRequest")));
    assert_eq!(body["error"]["message"], "Resource not found for the segment 'me'.");
    let (_, body) = graph.get("/beta/roleManagement/directory/roleThings").await;
    assert_eq!(body["error"]["message"], "Resource not found for the segment 'roleThings'.");
    assert_eq!(graph.delete("/v1.0/users").await, 405);
}
