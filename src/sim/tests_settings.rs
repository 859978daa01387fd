//! What the simulated Graph answers about other tenants, conditional access, governance and a
//! partner's own customers.

use http::Method;
use serde_json::{Value, json};

use super::tests::{Client, start};
use super::*;

const PARTNERS: &str = "/v1.0/policies/crossTenantAccessPolicy/partners";
const POLICIES: &str = "/v1.0/identity/conditionalAccess/policies";
const RELATIONSHIPS: &str = "/v1.0/tenantRelationships/delegatedAdminRelationships";
const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";

fn woodgrove() -> Tenant {
    Tenant::new(WOODGROVE, "Woodgrove")
}

async fn given(tenant: Tenant) -> (Sim, Client) {
    let id = tenant.id.clone();
    let sim = start(Scenario::default().tenant(tenant)).await;
    let graph = Client::of(&sim, &id).await;
    (sim, graph)
}

/// How a client with one permission only is answered.
async fn status_with(tenant: Tenant, permission: &str, path: &str) -> u16 {
    let id = tenant.id.clone();
    let sim = start(Scenario::default().tenant(tenant).permissions(&[permission])).await;
    Client::of(&sim, &id).await.get(path).await.0
}

#[tokio::test]
async fn an_entry_tells_trust_and_the_organisation() {
    let trust = InboundTrust { mfa: true, ..InboundTrust::default() };
    let entry = PartnerEntry { inbound_trust: Some(trust), ..PartnerEntry::default() };
    let entry = PartnerEntry { tenant_id: CONTOSO.to_owned(), ..entry };
    let (_sim, graph) = given(
        woodgrove().partner_entry(entry).sister_tenant(WOODGROVE_INSURANCE, "Woodgrove Insurance"),
    )
    .await;
    let (entries, _) = graph.all(PARTNERS).await;
    let told = |entry: &Value| {
        (entry["isInMultiTenantOrganization"].clone(), entry["inboundTrust"].clone())
    };
    let accepted = json!({
        "isMfaAccepted": true,
        "isCompliantDeviceAccepted": false,
        "isHybridAzureADJoinedDeviceAccepted": false,
    });
    assert_eq!(told(&entries[0]), (json!(false), accepted));
    assert_eq!(told(&entries[1]), (json!(true), Value::Null));
    let (_, one) = graph.get(&format!("{PARTNERS}/{WOODGROVE_INSURANCE}")).await;
    assert_eq!(one["tenantId"], WOODGROVE_INSURANCE);
    assert_eq!(graph.get(&format!("{PARTNERS}/{FABRIKAM}")).await.0, 404);
    let find = "/v1.0/tenantRelationships/findTenantInformationByDomainName";
    let (_, found) = graph.get(&format!("{find}(domainName='woodgrove-insurance.example')")).await;
    assert_eq!(found["tenantId"], WOODGROVE_INSURANCE);
    assert_eq!(graph.get(&format!("{find}(domainName='nowhere.example')")).await.0, 404);
}

#[tokio::test]
async fn the_default_is_microsofts_until_it_is_changed() {
    let path = "/v1.0/policies/crossTenantAccessPolicy/default";
    let told = async |tenant: Tenant| {
        let (_sim, graph) = given(tenant).await;
        let (_, body) = graph.get(&format!("{path}?$select=isServiceDefault,inboundTrust")).await;
        (body["isServiceDefault"].clone(), body["inboundTrust"]["isMfaAccepted"].clone())
    };
    assert_eq!(told(woodgrove()).await, (json!(true), json!(false)));
    let trust = InboundTrust { mfa: true, ..InboundTrust::default() };
    let changed = woodgrove().default_inbound_trust(trust);
    assert_eq!(told(changed).await, (json!(false), json!(true)));
    assert_eq!(status_with(woodgrove(), "Policy.Read.All", path).await, 200);
    assert_eq!(status_with(woodgrove(), "Directory.Read.All", path).await, 403);
}

#[tokio::test]
async fn constraints_of_a_service_provider_are_there_or_missing_or_refused() {
    let roles = ["Directory Readers", "License Administrator"];
    let since = Moment::At("2026-10-01T00:00:00Z".parse().unwrap());
    let tenant = woodgrove()
        .partner(CONTOSO, "Contoso Reseller")
        .partner(FABRIKAM, "Fabrikam")
        .constrained(ServiceProviderConstraints::new(CONTOSO, &roles, since));
    let path = |partner: &str| format!("{PARTNERS}/{partner}/serviceProviderConstraints");
    let (_sim, graph) = given(tenant.clone()).await;
    let (_, mut body) = graph.get(&path(CONTOSO)).await;
    body.as_object_mut().unwrap().remove("@odata.context");
    let expected = json!({
        "@odata.type": "#microsoft.graph.delegatedAdminServiceProviderConstraints",
        "id": CONTOSO,
        "allowedRoleTemplateIds":
            ["88d8e3e3-8f55-4a1e-953a-9b9898b8876b", "4d6ac14f-3453-41d0-bef9-a3e0c569773a"],
        "createdDateTime": "2026-10-01T00:00:00Z",
        "lastModifiedDateTime": "2026-10-01T00:00:00Z",
    });
    assert_eq!(body, expected);
    assert_eq!(graph.get(&path(FABRIKAM)).await.0, 404);
    let (_sim, graph) = given(tenant.refuse_service_provider_constraints()).await;
    assert_eq!(graph.get(&path(CONTOSO)).await.0, 403);
}

#[tokio::test]
async fn conditional_access_is_served_as_it_was_given() {
    let policy = json!({"displayName": "MFA", "state": "enabled", "odd": {"kept": [1]}});
    let location = json!({"@odata.type": "#microsoft.graph.ipNamedLocation", "displayName": "HQ"});
    let strength = json!({
        "id": "cccccccc-0000-4000-8000-000000000001",
        "displayName": "Ours",
        "policyType": "custom",
        "requirementsSatisfied": "none",
    });
    let tenant = woodgrove()
        .conditional_access(policy)
        .conditional_access(json!({"id": "p2", "displayName": "Other", "state": "disabled"}))
        .named_location(location)
        .authentication_strength(strength)
        .security_defaults();
    let sim = start(Scenario::default().tenant(tenant.clone()).page_size(1)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (policies, pages) = graph.all(POLICIES).await;
    assert_eq!((policies.len(), pages), (2, 2));
    assert_eq!(policies[0]["odd"], json!({"kept": [1]}));
    assert!(policies[0]["id"].is_string());
    assert_eq!(policies[1]["id"], "p2");
    let (off, _) = graph.all(&format!("{POLICIES}?$filter=state eq 'disabled'&$select=id")).await;
    assert_eq!(off, [json!({"id": "p2"})]);
    let (locations, _) = graph.all("/beta/identity/conditionalAccess/namedLocations").await;
    assert_eq!(locations[0]["@odata.type"], "#microsoft.graph.ipNamedLocation");
    let (strengths, _) = graph.all("/v1.0/policies/authenticationStrengthPolicies").await;
    let told: Vec<_> =
        strengths.iter().map(|it| (&it["policyType"], &it["requirementsSatisfied"])).collect();
    let (built_in, custom, mfa, none) =
        (&json!("builtIn"), &json!("custom"), &json!("mfa"), &json!("none"));
    assert_eq!(told, [(built_in, mfa), (built_in, mfa), (built_in, mfa), (custom, none)]);
    let defaults = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy";
    assert_eq!(graph.get(defaults).await.1["isEnabled"], true);
    for path in [POLICIES, "/v1.0/identity/conditionalAccess/namedLocations", defaults] {
        assert_eq!(status_with(tenant.clone(), "Policy.Read.All", path).await, 200, "{path}");
        assert_eq!(status_with(tenant.clone(), "Directory.Read.All", path).await, 403, "{path}");
    }
    let wrong = Scenario::default().tenant(woodgrove().conditional_access(json!("MFA")));
    let error = Sim::start(wrong, ([127, 0, 0, 1], 0).into()).await.unwrap_err();
    assert_eq!(error.to_string(), "Woodgrove: conditionalAccess: number 1 is not an object");
}

#[tokio::test]
async fn conditional_access_is_throttled_without_saying_for_how_long() {
    let other = Tenant::new(CONTOSO, "Contoso");
    let scenario = Scenario::default().tenant(woodgrove()).tenant(other);
    let sim = start(scenario.clone().throttle_conditional_access()).await;
    let (graph, elsewhere) = (Client::of(&sim, WOODGROVE).await, Client::of(&sim, CONTOSO).await);
    let ask = async |graph: &Client| graph.send(Method::GET, POLICIES, None).await;
    // On a slow machine two requests can be a second apart; of many, two are not.
    let mut refused = None;
    for _ in 0..100 {
        let answer = ask(&graph).await;
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.headers().get("retry-after"), None);
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["code"], "TooManyRequests");
    assert_eq!(ask(&elsewhere).await.status(), 200);
    assert_eq!(graph.get(PARTNERS).await.0, 200);
    let sim = start(scenario).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    for _ in 0..3 {
        assert_eq!(ask(&graph).await.status(), 200);
    }
}

#[tokio::test]
async fn governance_relationships_are_listed() {
    let path = "/v1.0/directory/tenantGovernance/governanceRelationships";
    let relationship = |status: &str| json!({"status": status, "governingTenantId": FABRIKAM, "governedTenantId": WOODGROVE});
    let tenant = woodgrove()
        .governance_relationship(relationship("active"))
        .governance_relationship(relationship("terminated"));
    let (_sim, graph) = given(tenant.clone()).await;
    assert_eq!(graph.all(path).await.0.len(), 2);
    let active = format!("{}?$filter=status eq 'active'", path.replace("v1.0", "beta"));
    let (active, _) = graph.all(&active).await;
    assert_eq!((active.len(), &active[0]["governingTenantId"]), (1, &json!(FABRIKAM)));
    let least = "TenantGovernance-Relationship.Read.All";
    assert_eq!(status_with(tenant.clone(), least, path).await, 200);
    assert_eq!(status_with(tenant, "Directory.Read.All", path).await, 403);
}

fn contoso() -> Tenant {
    let side = PartnerSide::default()
        .customer(WOODGROVE, "Woodgrove", true)
        .customer(ADATUM, "Adatum", false)
        .relationship(
            Relationship::new("Mail", WOODGROVE, &["Exchange Administrator"])
                .lasting("P180D")
                .auto_extending()
                .used_by("Helpers"),
        )
        .relationship(Relationship::new("Wish", ADATUM, &["Directory Readers"]).status("created"))
        .relationship(Relationship::new("Past", ADATUM, &["Global Reader"]).status("terminated"));
    Tenant::new(CONTOSO, "Contoso Reseller").group("Helpers", &[], None).partner_side(side)
}

#[tokio::test]
async fn a_partner_reads_its_relationships() {
    let sim = start(Scenario::default().tenant(contoso()).page_size(2)).await;
    let graph = Client::of(&sim, CONTOSO).await;
    let (all, pages) = graph.all(RELATIONSHIPS).await;
    assert_eq!((all.len(), pages), (3, 2));
    let mail = &all[0];
    assert_eq!(mail["@odata.type"], "#microsoft.graph.delegatedAdminRelationship");
    assert!(mail["@odata.etag"].as_str().unwrap().starts_with("W/\""));
    assert_eq!(mail["customer"], json!({"tenantId": WOODGROVE, "displayName": "Woodgrove"}));
    assert_eq!((&mail["status"], &mail["duration"]), (&json!("active"), &json!("P180D")));
    assert_eq!(mail["autoExtendDuration"], "P180D");
    let roles = json!([{"roleDefinitionId": "29232cdf-9323-42fd-ade2-1d097af3e4de"}]);
    assert_eq!(mail["accessDetails"]["unifiedRoles"], roles);
    let time = |name: &str| mail[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let lasts = time("endDateTime").duration_since(time("activatedDateTime"));
    assert_eq!(lasts.as_hours(), 180 * 24);
    assert_eq!(
        (&all[1]["activatedDateTime"], &all[1]["endDateTime"]),
        (&Value::Null, &Value::Null)
    );
    assert!(all[2]["activatedDateTime"].is_string());
    let id = mail["id"].as_str().unwrap();
    assert_eq!(id.len(), 73);
    let (_, one) = graph.get(&format!("{RELATIONSHIPS}/{id}")).await;
    assert_eq!(one["@odata.etag"], mail["@odata.etag"]);
    let (active, _) = graph.all(&format!("{RELATIONSHIPS}?$filter=status eq 'active'")).await;
    assert_eq!(active.len(), 1);
    let (used, _) = graph.all(&format!("{RELATIONSHIPS}/{id}/accessAssignments")).await;
    let group = sim.principal_id(CONTOSO, "Helpers").unwrap();
    let container = json!({"accessContainerId": group, "accessContainerType": "securityGroup"});
    assert_eq!((&used[0]["accessContainer"], &used[0]["status"]), (&container, &json!("active")));
    assert!(used[0]["@odata.etag"].is_string());
    assert_eq!(used[0]["accessDetails"]["unifiedRoles"], roles);
    assert_eq!(graph.all(&format!("{RELATIONSHIPS}/{id}/operations")).await.0.len(), 0);
    assert_eq!(graph.get(&format!("{RELATIONSHIPS}/{id}x")).await.0, 404);
}

#[tokio::test]
async fn operations_on_a_relationship_are_read() {
    let yaml = "
tenants:
  - id: 22222222-2222-2222-2222-222222222222
    name: Contoso Reseller
    partnerSide:
      relationships:
        - name: Mail
          id: R-1
          roles: [Exchange Administrator]
          indirectProvider: 66666666-6666-6666-6666-666666666666
          operations:
            - {operationType: delegatedAdminAccessAssignmentUpdate, status: running, data: '{}',
               createdDateTime: 2026-11-01T00:00:00Z}
";
    let sim = start(Scenario::from_yaml(yaml).unwrap()).await;
    let graph = Client::of(&sim, CONTOSO).await;
    let (operations, _) = graph.all(&format!("{RELATIONSHIPS}/R-1/operations")).await;
    let [operation] = operations.as_slice() else { panic!("{operations:?}") };
    assert_eq!((&operation["status"], &operation["data"]), (&json!("running"), &json!("{}")));
    let id = operation["id"].as_str().unwrap();
    let (_, one) = graph.get(&format!("{RELATIONSHIPS}/R-1/operations/{id}")).await;
    assert_eq!(one["operationType"], "delegatedAdminAccessAssignmentUpdate");
    assert_eq!(one["createdDateTime"], "2026-11-01T00:00:00Z");
    let (_, relationship) = graph.get(&format!("{RELATIONSHIPS}/R-1")).await;
    let kind = "#microsoft.graph.resellerDelegatedAdminRelationship";
    assert_eq!(relationship["@odata.type"], kind);
    assert_eq!(relationship["customer"], Value::Null);
}

#[tokio::test]
async fn relationships_are_for_partners_with_the_permission() {
    let least = "DelegatedAdminRelationship.Read.All";
    assert_eq!(status_with(contoso(), least, RELATIONSHIPS).await, 200);
    assert_eq!(status_with(contoso(), "Directory.Read.All", RELATIONSHIPS).await, 403);
    assert_eq!(status_with(woodgrove(), least, RELATIONSHIPS).await, 403);
    let wrong = PartnerSide::default()
        .relationship(Relationship::new("Mail", WOODGROVE, &[]).lasting("a while"));
    let wrong = Tenant::new(CONTOSO, "Contoso").partner_side(wrong);
    let error = Sim::start(Scenario::default().tenant(wrong), ([127, 0, 0, 1], 0).into()).await;
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "Contoso: relationship \"Mail\": \"a while\" is not a duration");
}

#[tokio::test]
async fn a_partners_customers_are_read_in_both_places() {
    let scenario = Scenario::default().tenant(contoso()).tenant(woodgrove());
    let sim = start(scenario).await;
    let graph = Client::of(&sim, CONTOSO).await;
    let (contracts, _) = graph.all("/v1.0/contracts").await;
    let contract = (&contracts[0]["customerId"], &contracts[0]["defaultDomainName"]);
    assert_eq!(contract, (&json!(WOODGROVE), &json!("woodgrove.example")));
    assert_eq!(Client::of(&sim, WOODGROVE).await.all("/v1.0/contracts").await.0.len(), 0);
    let center = Client::of_resource(&sim, CONTOSO, PARTNER_CENTER).await;
    for (customer, allowed) in [(WOODGROVE, true), (ADATUM, false)] {
        let (status, body) = center.get(&format!("/v1/customers/{customer}")).await;
        assert_eq!((status, &body["id"]), (200, &json!(customer)));
        assert_eq!(body["allowDelegatedAccess"], allowed);
        assert_eq!(body["attributes"]["objectType"], "Customer");
    }
    assert_eq!(center.get(&format!("/v1/customers/{FABRIKAM}")).await.0, 404);
    assert_eq!(graph.get(&format!("/v1/customers/{WOODGROVE}")).await.0, 401);
    assert_eq!(center.get("/v1.0/contracts").await.0, 401);
    let customer = Client::of_resource(&sim, WOODGROVE, PARTNER_CENTER).await;
    assert_eq!(customer.get(&format!("/v1/customers/{WOODGROVE}")).await.0, 403);
    let asked =
        sim.calls().into_iter().find(|call| call.path.starts_with("/v1/customers")).unwrap();
    assert_eq!(asked.tenant.as_deref(), Some(CONTOSO));
    sim.add_fault(Rule::new("/v1/customers", Then::throttle(3)));
    assert_eq!(center.get(&format!("/v1/customers/{WOODGROVE}")).await.0, 429);
}
