//! Reading: to the end, or as far as it goes and why not further.

use super::*;

#[tokio::test]
async fn every_page_is_read() {
    let (sim, graph) = given(crowded(25)).await;
    let listed = graph.assignments(woodgrove()).await;
    assert_eq!((listed.items.len(), failure(&listed)), (25, None));
    let held = sim.assignments(WOODGROVE);
    assert!(held.iter().zip(&listed.items).all(|(held, read)| held.id == read.id.0));
    assert_eq!((sim.count("GET", BETA), sim.count("GET", V1)), (3, 0));
}

#[tokio::test]
async fn a_page_that_fails_leaves_those_before_it() {
    let (sim, graph) = given(crowded(25)).await;
    sim.add_fault(Rule::new("skiptoken", Then::status(503)).forever());
    let listed = graph.assignments(woodgrove()).await;
    assert_eq!(listed.items.len(), 10);
    assert_eq!(failure(&listed), Some((Failure::Transient, "Microsoft Graph answered 503")));
    assert_eq!(sim.count("GET", "skiptoken"), CALLS);
    assert_eq!(sim.count("GET", V1), 0, "half a collection is no reason to read another");
}

#[tokio::test]
async fn a_page_for_people_is_no_empty_collection() {
    let (sim, graph) = given(crowded(25)).await;
    sim.add_fault(Rule::new("skiptoken", Then::Html200).forever());
    let listed = graph.assignments(woodgrove()).await;
    let said = "Microsoft Graph answered with no JSON";
    assert_eq!(listed.items.len(), 10);
    assert_eq!(failure(&listed), Some((Failure::Unintelligible, said)));
    let (_server, graph) = serving(|_| ok(&json!({"error": {"code": "odd"}}))).await;
    let listed = graph.assignments(woodgrove()).await;
    assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(Failure::Unintelligible));
}

#[tokio::test]
async fn a_missing_permission_is_denied_in_graphs_own_words() {
    let mut scenario = crowded(1);
    scenario.permissions.clear();
    let (sim, graph) = given(scenario).await;
    let listed = graph.assignments(woodgrove()).await;
    let said = "Microsoft Graph answered 403 Authorization_RequestDenied: Insufficient privileges \
                to complete the operation";
    assert_eq!((listed.items.len(), failure(&listed)), (0, Some((Failure::Denied, said))));
    assert_eq!(sim.count("GET", "roleAssignments"), 1, "asking again changes nothing");
    for listed in [
        failure(&graph.guests(woodgrove()).await).map(|(kind, _)| kind),
        failure(&graph.partner_entries(woodgrove()).await).map(|(kind, _)| kind),
        failure(&graph.objects(woodgrove(), &[PrincipalId::new("p")]).await).map(|(kind, _)| kind),
    ] {
        assert_eq!(listed, Some(Failure::Denied));
    }
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_not_followed() {
    let elsewhere = Server::start(|_| ok(&json!({"value": [assignment("forged")]}))).await;
    let there = elsewhere.origin.to_string();
    for link in
        [there.clone(), format!("{there}{}", &BETA[1..]), "/beta/more".into(), String::new()]
    {
        let (server, graph) =
            serving(move |_| ok(&json!({"value": [assignment("a")], "@odata.nextLink": link})))
                .await;
        let listed = graph.assignments(woodgrove()).await;
        let said = "Microsoft Graph names a next page at another place; it is not followed";
        assert_eq!(failure(&listed), Some((Failure::Unintelligible, said)));
        assert_eq!(listed.items.len(), 1, "what came with the link stands");
        assert_eq!(server.lines("GET").len(), 1);
        assert_eq!(elsewhere.asked(), []);
    }
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_come_to_an_end() {
    let (server, graph) = serving(|asked| {
        let next = if asked.line.contains("page=2") { "page=1" } else { "page=2" };
        let link = format!("{}{BETA}?{next}", asked.origin);
        ok(&json!({"value": [assignment("a")], "@odata.nextLink": link}))
    })
    .await;
    let listed = graph.assignments(woodgrove()).await;
    let said = "Microsoft Graph leads from page to page without an end";
    assert_eq!(failure(&listed), Some((Failure::Unintelligible, said)));
    assert_eq!((listed.items.len(), server.lines("GET").len()), (3, 3));
}

#[tokio::test]
async fn what_beta_does_not_offer_is_read_from_v1() {
    async fn check(fault: u16, expect: (usize, usize, Option<Failure>)) {
        let (sim, graph) = given(crowded(15)).await;
        sim.add_fault(Rule::new(BETA, Then::status(fault)).forever());
        let listed = graph.assignments(woodgrove()).await;
        let kind = failure(&listed).map(|(kind, _)| kind);
        assert_eq!((listed.items.len(), sim.count("GET", V1), kind), expect, "{fault}");
    }
    check(404, (15, 2, None)).await;
    check(400, (15, 2, None)).await;
    check(403, (0, 0, Some(Failure::Denied))).await;
    check(503, (0, 0, Some(Failure::Transient))).await;
    let (sim, graph) = given(crowded(15)).await;
    sim.add_fault(Rule::new("skiptoken", Then::status(404)).forever());
    let listed = graph.assignments(woodgrove()).await;
    assert_eq!(
        (listed.items.len(), sim.count("GET", V1)),
        (10, 0),
        "it is offered, and breaks off"
    );
    assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(Failure::Gone));
    let (sim, graph) = given(crowded(1)).await;
    sim.add_fault(Rule::new("roleAssignments", Then::status(404)).forever());
    let listed = graph.assignments(woodgrove()).await;
    assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(Failure::Gone), "offered by neither");
}

#[tokio::test]
async fn a_garbled_item_does_not_hide_the_others() {
    let (_server, graph) = serving(|asked| {
        if asked.line.contains("skip") {
            return ok(&json!({"value": [assignment("c")]}));
        }
        let link = format!("{}{BETA}?skip", asked.origin);
        let items = [assignment("a"), json!({"id": 7}), assignment("b"), json!("S3cret")];
        ok(&json!({"value": items, "@odata.nextLink": link}))
    })
    .await;
    let listed = graph.assignments(woodgrove()).await;
    let ids: Vec<&str> = listed.items.iter().map(|item| item.id.0.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let said = "Microsoft Graph answered with something else than expected (Data)";
    assert_eq!(failure(&listed), Some((Failure::Unintelligible, said)));
    assert!(!chain(&listed.failure.unwrap()).contains("S3cret"));
}

#[tokio::test]
async fn the_assignments_of_one_principal_are_no_one_elses() {
    let (sim, graph) = given(Scenario::woodgrove()).await;
    let alice = PrincipalId::new(&sim.principal_id(WOODGROVE, "Alice").unwrap());
    let held = graph.assignments_of(woodgrove(), &alice).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].principal_id, alice);
    let line = sim.calls().into_iter().find(|call| call.path.contains(BETA)).unwrap();
    assert_eq!(*line.path, *format!("{BETA}?$filter=principalId%20eq%20%27{alice}%27"));
    let nobody = PrincipalId::new("99999999-9999-9999-9999-999999999999");
    assert_eq!(graph.assignments_of(woodgrove(), &nobody).await.unwrap(), []);
    // A server that takes no notice of the filter.
    let (_server, graph) = serving(|_| {
        let mut alices = assignment("b");
        alices["principalId"] = json!("ALICE");
        ok(&json!({"value": [assignment("a"), alices]}))
    })
    .await;
    let held = graph.assignments_of(woodgrove(), &PrincipalId::new("alice")).await.unwrap();
    assert_eq!(held.iter().map(|held| held.id.0.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn what_cannot_be_read_of_a_principal_proves_nothing() {
    let (sim, graph) = given(Scenario::woodgrove()).await;
    sim.add_fault(Rule::new("roleAssignments", Then::status(503)).forever());
    let error = graph.assignments_of(woodgrove(), &PrincipalId::new("p")).await.unwrap_err();
    assert_eq!(error.kind, Failure::Transient);
    let calls = sim.calls().len();
    let odd = PrincipalId::new("p' or principalId ne '");
    let error = graph.assignments_of(woodgrove(), &odd).await.unwrap_err();
    assert_eq!((error.kind, sim.calls().len()), (Failure::Unintelligible, calls));
}

#[tokio::test]
async fn definitions_are_no_gap_only_where_they_are_not_offered_at_all() {
    async fn check(rule: Option<Rule>, expect: (usize, Option<Failure>)) {
        let (sim, graph) = given(Scenario::woodgrove()).await;
        if let Some(rule) = rule {
            sim.add_fault(rule.forever());
        }
        let listed = graph.definitions(woodgrove()).await;
        let kind = failure(&listed).map(|(kind, _)| kind);
        assert_eq!((listed.items.len(), kind), expect);
    }
    let fault = |path, code| Some(Rule::new(path, Then::status(code)));
    check(None, (13, None)).await;
    check(fault("roleDefinitions", 404), (0, None)).await;
    check(fault("roleDefinitions", 400), (0, None)).await;
    check(fault("/beta/roleManagement/directory/roleDefinitions", 404), (13, None)).await;
    check(fault("roleDefinitions", 403), (0, Some(Failure::Denied))).await;
    check(fault("roleDefinitions", 503), (0, Some(Failure::Transient))).await;
    check(fault("skiptoken", 404), (10, Some(Failure::Gone))).await;
    check(fault("skiptoken", 400), (10, Some(Failure::Refused))).await;
}

#[tokio::test]
async fn only_beta_says_which_roles_are_privileged() {
    let (sim, graph) = given(Scenario::woodgrove()).await;
    let privileged = async || {
        let listed = graph.definitions(woodgrove()).await;
        let names = ["Global Administrator", "Directory Readers"];
        names.map(|name| {
            let role = listed.items.iter().find(|it| it.display_name.as_deref() == Some(name));
            role.unwrap().is_privileged
        })
    };
    assert_eq!(privileged().await, [Some(true), Some(false)]);
    sim.add_fault(Rule::new("/beta/", Then::status(404)).forever());
    assert_eq!(privileged().await, [None, None]);
}

#[tokio::test]
async fn principals_are_told_apart_and_those_unknown_left_out() {
    let (sim, graph) = given(Scenario::woodgrove()).await;
    let of = |name| PrincipalId::new(&sim.principal_id(WOODGROVE, name).unwrap());
    let names = ["AdminAgents", "Alice", "Megan Bowen", "Partner Warden"];
    let mut ids: Vec<PrincipalId> = names.map(of).into();
    ids.push(PrincipalId::new("99999999-9999-9999-9999-999999999999"));
    let listed = graph.objects(woodgrove(), &ids).await;
    assert_eq!(failure(&listed), None);
    let read: Vec<&PrincipalId> = listed.items.iter().map(|(id, _)| id).collect();
    assert_eq!(read, ids[..4].iter().collect::<Vec<_>>());
    let [(_, agents), (_, alice), (_, megan), (_, app)] = listed.items.as_slice() else {
        panic!("{listed:?}")
    };
    let DirectoryObject::PartnerReference(agents) = agents else { panic!("{agents:?}") };
    assert_eq!(agents.external_partner_tenant_id.as_deref(), Some(CONTOSO));
    let DirectoryObject::User(alice) = alice else { panic!("{alice:?}") };
    let upn = "alice_contoso-reseller.example#EXT#@woodgrove.example";
    assert_eq!(alice.user_principal_name.as_deref(), Some(upn));
    assert!(matches!(megan, DirectoryObject::User(_)));
    let DirectoryObject::ServicePrincipal(app) = app else { panic!("{app:?}") };
    assert_eq!(app.app_owner_organization_id.as_deref(), Some(WOODGROVE));
}

#[tokio::test]
async fn principals_are_asked_for_a_thousand_at_a_time() {
    let (sim, graph) = given(Scenario::woodgrove()).await;
    let agents = PrincipalId::new(&sim.principal_id(WOODGROVE, "AdminAgents").unwrap());
    let mut ids: Vec<PrincipalId> =
        (0..2500).map(|number| PrincipalId::new(&format!("unknown-{number}"))).collect();
    ids[2400] = agents.clone();
    let listed = graph.objects(woodgrove(), &ids).await;
    assert_eq!(failure(&listed), None);
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].0, agents);
    assert_eq!(sim.count("POST", "getByIds"), 3);
    // One part that fails does not hide the others.
    sim.add_fault(Rule::new("getByIds", Then::status(403)));
    let listed = graph.objects(woodgrove(), &ids).await;
    assert_eq!(listed.items.len(), 1);
    assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(Failure::Denied));
    assert_eq!(failure(&graph.objects(woodgrove(), &[]).await), None);
    assert_eq!(sim.count("POST", "getByIds"), 6, "nothing is not asked for");
}

#[tokio::test]
async fn an_object_of_any_type_is_taken_and_a_garbled_one_hides_no_other() {
    let (_server, graph) = serving(|asked| {
        if asked.line.starts_with("GET") {
            return ok(&json!({"value": [{"@odata.type": "#microsoft.graph.user", "id": "f"}]}));
        }
        let link = format!("{}/v1.0/directoryObjects/getByIds?more", asked.origin);
        let objects = json!([
            {"@odata.type": "#Microsoft.Graph.User", "id": "A", "displayName": "Ada"},
            {"@odata.type": "#microsoft.graph.user", "id": "b", "displayName": 7},
            {"@odata.type": "#microsoft.graph.device", "id": "c"},
            {"id": "d"},
            {"@odata.type": "#microsoft.graph.group", "id": "e", "displayName": null},
        ]);
        ok(&json!({"value": objects, "@odata.nextLink": link}))
    })
    .await;
    let listed = graph.objects(woodgrove(), &[PrincipalId::new("a")]).await;
    let read: Vec<(&str, bool)> = listed
        .items
        .iter()
        .map(|(id, object)| (id.as_str(), matches!(object, DirectoryObject::Other)))
        .collect();
    assert_eq!(read, [("a", false), ("c", true), ("e", false), ("f", false)]);
    assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(Failure::Unintelligible));
}

#[tokio::test]
async fn a_further_page_of_principals_that_cannot_be_read_is_a_failure() {
    let (_server, graph) = serving(|asked| {
        if asked.line.starts_with("GET") {
            return status(405);
        }
        let link = format!("{}/v1.0/directoryObjects/getByIds?more", asked.origin);
        let object = json!({"@odata.type": "#microsoft.graph.user", "id": "a"});
        ok(&json!({"value": [object], "@odata.nextLink": link}))
    })
    .await;
    let listed = graph.objects(woodgrove(), &[PrincipalId::new("a")]).await;
    assert_eq!(listed.items.len(), 1);
    let said = "Microsoft Graph answered 405";
    assert_eq!(failure(&listed), Some((Failure::Refused, said)));
}

#[tokio::test]
async fn guests_and_partners_are_read_to_the_last() {
    let tenant = (0..12).fold(Tenant::new(WOODGROVE, "Woodgrove"), |tenant, number| {
        let (name, mail) = (format!("Guest {number}"), format!("g{number}@contoso.example"));
        let partner = format!("22222222-2222-2222-2222-{number:012}");
        let is_service_provider = number % 2 == 0;
        let tenant_id = partner.clone();
        let entry = PartnerEntry { tenant_id, is_service_provider, inbound_trust: None };
        tenant.guest(&name, &mail, None).partner_entry(entry)
    });
    let tenant = tenant
        .member("Megan Bowen", "megan@woodgrove.example", None)
        .known_tenant(CONTOSO, "Contoso Reseller");
    let (_sim, graph) = given(Scenario::default().tenant(tenant)).await;
    let guests = graph.guests(woodgrove()).await;
    assert_eq!((guests.items.len(), failure(&guests)), (12, None));
    let (_, guest) = &guests.items[11];
    assert_eq!(guest.mail.as_deref(), Some("g11@contoso.example"));
    assert_eq!(guest.user_type.as_deref(), Some("Guest"));
    let entries = graph.partner_entries(woodgrove()).await;
    assert_eq!((entries.items.len(), failure(&entries)), (12, None));
    let providers = entries.items.iter().filter(|it| it.is_service_provider == Some(true));
    assert_eq!(providers.count(), 6);
    let name = async |id: &str| {
        let other: PartnerId = id.parse().unwrap();
        graph.tenant_name(woodgrove(), other).await
    };
    assert_eq!(name(CONTOSO).await.as_deref(), Some("Contoso Reseller"));
    assert_eq!(name("22222222-2222-2222-2222-000000000000").await, None);
}
