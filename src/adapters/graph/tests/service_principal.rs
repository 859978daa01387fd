//! Which object of a tenant stands for an application: asked once, and never guessed.

use super::*;
use crate::ports::ReadServicePrincipals as _;

const PATH: &str = "/v1.0/servicePrincipals";

#[tokio::test]
async fn an_applications_service_principal_is_asked_for_once_in_each_tenant() {
    let other = Tenant::new(CONTOSO, "Contoso")
        .service_principal("Partner Warden", CLIENT_ID, WOODGROVE, None)
        .service_principal("Another", "44444444-4444-4444-4444-444444444444", CONTOSO, None);
    let (sim, graph) = given(Scenario::woodgrove().tenant(other)).await;
    let apps = graph.service_principals();
    for tenant in [WOODGROVE, CONTOSO, WOODGROVE, CONTOSO] {
        let id = sim.principal_id(tenant, "Partner Warden").unwrap();
        for app_id in [CLIENT_ID.to_owned(), CLIENT_ID.to_uppercase()] {
            let found = apps.service_principal(tenant.parse().unwrap(), &app_id).await.unwrap();
            assert_eq!(found, Some(PrincipalId::new(&id)));
        }
    }
    let asked: Vec<String> = sim.calls().iter().map(|call| call.path.to_string()).collect();
    let path = format!("{PATH}?$filter=appId%20eq%20%27{CLIENT_ID}%27&$select=id,appId");
    assert_eq!(asked.iter().filter(|asked| **asked == path).count(), 2, "{asked:?}");
}

#[tokio::test]
async fn what_is_not_found_or_not_told_is_asked_for_again() {
    let (sim, graph) = given(Scenario::woodgrove()).await;
    let apps = graph.service_principals();
    let unknown = "44444444-4444-4444-4444-444444444444";
    for times in 1..3 {
        assert_eq!(apps.service_principal(woodgrove(), unknown).await.unwrap(), None);
        assert_eq!(sim.count("GET", PATH), times);
    }
    for fault in [Then::status(403), Then::status(404), Then::Html200] {
        sim.add_fault(Rule::new(PATH, fault));
        assert!(apps.service_principal(woodgrove(), CLIENT_ID).await.is_err());
    }
    assert!(apps.service_principal(woodgrove(), CLIENT_ID).await.unwrap().is_some());
    let error = apps.service_principal(woodgrove(), "x' or 'a").await.unwrap_err();
    assert_eq!(error.kind, Failure::Unintelligible);
}

#[tokio::test]
async fn another_applications_service_principal_is_not_taken_for_it() {
    let (_server, graph) = serving(|_| {
        ok(&json!({"value": [{"id": "1", "appId": "44444444-4444-4444-4444-444444444444"}]}))
    })
    .await;
    let apps = graph.service_principals();
    assert_eq!(apps.service_principal(woodgrove(), CLIENT_ID).await.unwrap(), None);
}
