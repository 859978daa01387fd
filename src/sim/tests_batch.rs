//! Several requests to the simulated Graph in one.

use http::Method;
use serde_json::{Value, json};

use super::tests::{Client, LIMIT, http, start};
use super::*;

const BATCH: &str = "/v1.0/$batch";
const ASSIGNMENTS: &str = "/roleManagement/directory/roleAssignments";

fn get(id: &str, url: &str) -> Value {
    json!({"id": id, "method": "GET", "url": url})
}

async fn send(graph: &Client, path: &str, requests: Value) -> (u16, Value) {
    let body = json!({ "requests": requests });
    let answer = graph.send(Method::POST, path, Some(body)).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// The answer with an id.
fn part<'a>(answer: &'a Value, id: &str) -> &'a Value {
    let parts = answer["responses"].as_array().unwrap();
    parts.iter().find(|part| part["id"] == id).unwrap()
}

#[tokio::test]
async fn each_request_is_answered_by_itself_and_in_another_order() {
    let scenario = Scenario::woodgrove().page_size(2).without_permission("Policy.Read.All");
    let sim = start(scenario).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (status, answer) = send(
        &graph,
        BATCH,
        json!([
            get("1", ASSIGNMENTS),
            get("2", "/policies/crossTenantAccessPolicy/partners"),
            get("3", "users?$filter=userType eq 'Guest'&$select=displayName"),
            get("4", "/users/nobody@woodgrove.example"),
            {"id": "5", "method": "POST", "url": "/directoryObjects/getByIds",
             "headers": {"Content-Type": "application/json"},
             "body": {"ids": [sim.principal_id(WOODGROVE, "Alice")]}},
        ]),
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    let ids: Vec<_> =
        answer["responses"].as_array().unwrap().iter().map(|part| &part["id"]).collect();
    assert_eq!(ids.len(), 5);
    assert_ne!(ids, ["1", "2", "3", "4", "5"]);
    let statuses = ["1", "2", "3", "4", "5"].map(|id| part(&answer, id)["status"].clone());
    assert_eq!(statuses, [200, 403, 200, 404, 200].map(Value::from));
    assert_eq!(part(&answer, "2")["body"]["error"]["code"], "Authorization_RequestDenied");
    assert_eq!(part(&answer, "3")["body"]["value"], json!([{"displayName": "Alice"}]));
    assert_eq!(part(&answer, "5")["body"]["value"][0]["displayName"], "Alice");
    let first = part(&answer, "1");
    assert!(first["headers"]["request-id"].is_string());
    let next = first["body"]["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with(sim.origin().as_str()), "{next}");
    let (rest, pages) = graph.all(next).await;
    assert_eq!((rest.len(), pages), (4, 2));
}

#[tokio::test]
async fn the_log_has_the_batch_and_what_is_in_it() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let requests = json!([get("a", ASSIGNMENTS), get("b", "/groups/none")]);
    send(&graph, "/beta/$batch", requests).await;
    assert_eq!(sim.count("POST", "/beta/$batch"), 1);
    assert_eq!(sim.count("GET", "/beta/roleManagement"), 1);
    let calls = sim.calls();
    let batch = calls.iter().find(|call| call.path.ends_with("$batch")).unwrap();
    let inner: Vec<_> = calls.iter().filter(|call| call.batch == Some(batch.sequence)).collect();
    let statuses: Vec<_> = inner.iter().map(|call| call.status).collect();
    assert_eq!((statuses, batch.status), (vec![Some(200), Some(404)], Some(200)));
    assert!(inner.iter().all(|call| call.tenant.as_deref() == Some(WOODGROVE)));
}

#[tokio::test]
async fn faults_find_the_requests_in_a_batch() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    sim.add_fault(Rule::new("roleAssignments", Then::throttle(7)).method("GET"));
    sim.add_fault(Rule::new("/v1.0/users", Then::Drop));
    sim.add_fault(Rule::new("/v1.0/servicePrincipals", Then::Html200));
    let requests = json!([
        get("1", ASSIGNMENTS),
        get("2", ASSIGNMENTS),
        get("3", "/users"),
        get("4", "/servicePrincipals"),
    ]);
    let (status, answer) = send(&graph, BATCH, requests).await;
    assert_eq!(status, 200);
    let throttled = part(&answer, "1");
    assert_eq!(
        (&throttled["status"], &throttled["headers"]["Retry-After"]),
        (&json!(429), &json!("7"))
    );
    assert_eq!(part(&answer, "2")["status"], 200);
    assert_eq!(part(&answer, "3")["status"], 504);
    assert!(part(&answer, "4")["body"].is_string());
    sim.add_fault(Rule::new("$batch", Then::status(503)));
    assert_eq!(send(&graph, BATCH, json!([get("1", ASSIGNMENTS)])).await.0, 503);
    assert_eq!(send(&graph, BATCH, json!([get("1", ASSIGNMENTS)])).await.0, 200);
}

#[tokio::test]
async fn a_hold_stops_one_request_in_a_batch() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let held = sim.hold("GET", "/v1.0/users", When::AfterEffect);
    let requests = json!([get("1", "/users"), get("2", ASSIGNMENTS)]);
    let asking = send(&graph, BATCH, requests);
    let watching = async {
        tokio::time::timeout(LIMIT, held.reached()).await.unwrap();
        // The other one is answered meanwhile.
        let answered = sim.wait_for("the other answer", LIMIT, |view| {
            view.calls()
                .any(|call| call.path.ends_with(ASSIGNMENTS) && call.status == Some(200))
                .then_some(())
        });
        answered.await.unwrap();
        assert_eq!(sim.count("POST", "$batch"), 1);
        held.release();
    };
    let ((status, answer), ()) = tokio::join!(asking, watching);
    assert_eq!((status, &part(&answer, "1")["status"]), (200, &json!(200)));
}

#[tokio::test]
async fn a_request_can_depend_on_another() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let after = |id: &str, other: &str| json!({"id": id, "method": "GET", "url": ASSIGNMENTS, "dependsOn": [other]});
    let requests =
        json!([get("1", ASSIGNMENTS), after("2", "1"), get("3", "/groups/none"), after("4", "3")]);
    let (_, answer) = send(&graph, BATCH, requests).await;
    let statuses = ["1", "2", "3", "4"].map(|id| part(&answer, id)["status"].clone());
    assert_eq!(statuses, [200, 200, 404, 424].map(Value::from));
    assert_eq!(send(&graph, BATCH, json!([after("1", "2"), get("2", "/users")])).await.0, 400);
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let many = |n: usize| -> Value { (0..n).map(|n| get(&n.to_string(), ASSIGNMENTS)).collect() };
    assert_eq!(send(&graph, BATCH, many(20)).await.0, 200);
    let (status, body) = send(&graph, BATCH, many(21)).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("MaximumValueExceeded")));
    let post =
        json!({"id": "1", "method": "POST", "url": "/directoryObjects/getByIds", "body": {}});
    let wrong = [
        json!([]),
        json!({}),
        json!([{"method": "GET", "url": "/users"}]),
        json!([get("a", "/users"), get("A", "/users")]),
        json!([get("1", "https://graph.microsoft.com/v1.0/users")]),
        json!([post]),
    ];
    for requests in wrong {
        assert_eq!(send(&graph, BATCH, requests.clone()).await.0, 400, "{requests}");
    }
    let nested = json!({"id": "1", "method": "POST", "url": "/$batch", "body": {"requests": []},
        "headers": {"Content-Type": "application/json"}});
    let (_, answer) = send(&graph, BATCH, json!([nested])).await;
    assert_eq!(part(&answer, "1")["status"], 400);
    let url = sim.origin().join(BATCH).unwrap();
    let bare = http().post(url).json(&json!({"requests": [get("1", "/users")]})).send().await;
    assert_eq!(bare.unwrap().status(), 401);
}
