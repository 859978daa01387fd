//! Lag, refusal, re-creation, fault rules and held requests.

use http::Method;
use serde_json::{Value, json};

use super::tests::{Client, LIMIT, http, start};
use super::*;

const ASSIGNMENTS: &str = "/v1.0/roleManagement/directory/roleAssignments";

fn path_of(sim: &Sim, name: &str) -> String {
    let held = sim.assignments(WOODGROVE);
    let found = held.iter().find(|it| it.principal.as_deref() == Some(name)).unwrap();
    format!("{ASSIGNMENTS}/{}", found.id)
}

fn in_force(sim: &Sim) -> usize {
    sim.assignments(WOODGROVE).len()
}

async fn in_time(event: impl Future<Output = ()>) {
    tokio::time::timeout(LIMIT, event).await.unwrap();
}

#[tokio::test]
async fn a_deleted_assignment_lingers_for_some_reads() {
    let sim = start(Scenario::woodgrove().page_size(4).lag_reads(2)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let alice = path_of(&sim, "Alice");
    assert_eq!(graph.delete(&alice).await, 204);
    assert_eq!(in_force(&sim), 5);
    for _ in 0..2 {
        let (shown, pages) = graph.all(ASSIGNMENTS).await;
        assert_eq!((shown.len(), pages), (6, 2));
    }
    assert_eq!(graph.all(ASSIGNMENTS).await.0.len(), 5);
    assert_eq!(graph.get(&alice).await.0, 404);
    assert_eq!(graph.delete(&alice).await, 404);
    let megan = path_of(&sim, "Megan Bowen");
    assert_eq!(graph.delete(&megan).await, 204);
    assert_eq!(graph.get(&megan).await.0, 200);
    assert_eq!(graph.get(&megan).await.0, 200);
    assert_eq!(graph.get(&megan).await.0, 404);
    assert_eq!(sim.deletions().len(), 2);
}

#[tokio::test]
async fn deletion_between_two_pages_skips_nothing() {
    let sim = start(Scenario::woodgrove().page_size(3)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (_, first) = graph.get(ASSIGNMENTS).await;
    assert_eq!(graph.delete(&path_of(&sim, "AdminAgents")).await, 204);
    let (rest, _) = graph.all(first["@odata.nextLink"].as_str().unwrap()).await;
    assert_eq!(rest.len(), 3);
}

#[tokio::test]
async fn a_partners_group_may_not_be_deleted() {
    let sim = start(Scenario::woodgrove().refuse_foreign_deletion()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let agents = path_of(&sim, "AdminAgents");
    assert_eq!(graph.delete(&agents).await, 403);
    assert_eq!(graph.get(&agents).await.0, 200);
    assert_eq!(sim.deletions(), []);
    assert_eq!(graph.delete(&path_of(&sim, "Alice")).await, 204);
    sim.clear_faults();
    assert_eq!(graph.delete(&agents).await, 204);
}

#[tokio::test]
async fn a_partners_group_comes_back() {
    let sim = start(Scenario::woodgrove().recreate(2)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let agents = path_of(&sim, "AdminAgents");
    assert_eq!(graph.delete(&agents).await, 204);
    assert_eq!(graph.all(ASSIGNMENTS).await.0.len(), 5);
    assert_eq!(graph.get(&agents).await.0, 404);
    assert_eq!(path_of(&sim, "AdminAgents"), agents);
    assert_eq!(graph.get(&agents).await.0, 200);
    assert_eq!(graph.delete(&agents).await, 204);
    let alice = path_of(&sim, "Alice");
    assert_eq!(graph.delete(&alice).await, 204);
    for _ in 0..4 {
        assert_eq!(graph.get(&alice).await.0, 404);
    }
    assert_eq!(sim.deletions().len(), 3);
}

#[tokio::test]
async fn rules_apply_in_order_and_run_out() {
    let sim = start(Scenario::woodgrove().page_size(4)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    sim.add_fault(Rule::new("roleAssignments", Then::throttle(7)).method("GET").skip(1));
    sim.add_fault(Rule::new("skiptoken", Then::status(503)).times(2));
    let (status, first) = graph.get(ASSIGNMENTS).await;
    assert_eq!(status, 200);
    let throttled = graph.send(Method::GET, ASSIGNMENTS, None).await;
    assert_eq!(
        (throttled.status().as_u16(), &throttled.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert!(throttled.headers().contains_key("request-id"));
    let body: Value = throttled.json().await.unwrap();
    assert_eq!(body["error"]["code"], "TooManyRequests");
    let next = first["@odata.nextLink"].as_str().unwrap();
    for expected in [503, 503, 200] {
        let answer = graph.send(Method::GET, next, None).await;
        assert_eq!(answer.status(), expected);
        assert_eq!(answer.headers().get("retry-after"), None);
    }
}

#[tokio::test]
async fn a_fault_has_no_effect_behind_it() {
    let body = json!({ "error": { "code": "Custom" } });
    let answer =
        Answer { status: http::StatusCode::BAD_GATEWAY, retry_after: None, body: Some(body) };
    let scenario = Scenario::woodgrove()
        .fault(Rule::new("", Then::Answer(answer)).method("DELETE"))
        .fault(Rule::new("", Then::Html200).method("DELETE"))
        .fault(Rule::new("", Then::Drop).method("DELETE").times(2));
    let sim = start(scenario).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let alice = path_of(&sim, "Alice");
    let custom = graph.send(Method::DELETE, &alice, None).await;
    assert_eq!(
        (custom.status().as_u16(), custom.json().await.ok()),
        (502, Some(json!({ "error": { "code": "Custom" } })))
    );
    let page = graph.send(Method::DELETE, &alice, None).await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    for _ in 0..2 {
        let dropped = graph.try_send(Method::DELETE, &alice, None).await;
        assert!(dropped.unwrap_err().is_request());
    }
    assert_eq!((in_force(&sim), sim.count("DELETE", &alice)), (6, 4));
    assert_eq!(sim.calls().last().unwrap().status, None);
    assert_eq!(graph.delete(&alice).await, 204);
}

#[tokio::test]
async fn a_delay_only_delays() {
    let scenario = Scenario::woodgrove().fault(Rule::new(ASSIGNMENTS, Then::DelayMs(1)).forever());
    let sim = start(scenario).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    assert_eq!(graph.all(ASSIGNMENTS).await.0.len(), 6);
}

#[tokio::test]
async fn a_request_is_held_before_its_effect() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let alice = path_of(&sim, "Alice");
    let hold = sim.hold("DELETE", "roleAssignments", When::BeforeEffect);
    let check = async {
        in_time(hold.reached()).await;
        assert_eq!((in_force(&sim), sim.count("DELETE", &alice)), (6, 1));
        hold.release();
    };
    let (status, ()) = tokio::join!(graph.delete(&alice), check);
    assert_eq!((status, in_force(&sim)), (204, 5));
}

#[tokio::test]
async fn a_request_is_held_after_its_effect() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let alice = path_of(&sim, "Alice");
    let hold = sim.hold("DELETE", "roleAssignments", When::AfterEffect);
    let check = async {
        in_time(hold.reached()).await;
        assert_eq!((in_force(&sim), sim.calls().last().unwrap().status), (5, None));
        drop(hold);
    };
    let (status, ()) = tokio::join!(graph.delete(&alice), check);
    assert_eq!((status, sim.deletions().len()), (204, 1));
}

#[tokio::test]
async fn a_client_that_goes_away_while_held_leaves_nothing_behind() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let alice = path_of(&sim, "Alice");
    let hold = sim.hold("DELETE", "roleAssignments", When::BeforeEffect);
    {
        let doomed = Client::of(&sim, WOODGROVE).await;
        tokio::select! {
            status = doomed.delete(&alice) => panic!("answered {status}"),
            () = in_time(hold.reached()) => {}
        }
    }
    in_time(hold.abandoned()).await;
    hold.release();
    assert_eq!((in_force(&sim), sim.deletions().len()), (6, 0));
    assert_eq!(graph.delete(&alice).await, 204);
}

#[tokio::test]
async fn stopping_ends_held_requests_and_frees_the_address() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (alice, origin) = (path_of(&sim, "Alice"), sim.origin());
    let hold = sim.hold("DELETE", "", When::BeforeEffect);
    let stop = async {
        in_time(hold.reached()).await;
        drop(sim);
    };
    let (ended, ()) = tokio::join!(graph.try_send(Method::DELETE, &alice, None), stop);
    assert!(ended.unwrap_err().is_request());
    let refused = http().get(origin).send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
}

#[tokio::test]
async fn the_simulators_own_pages_are_not_calls() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    assert_eq!(graph.delete(&path_of(&sim, "Alice")).await, 204);
    let (_, state) = graph.get("/sim/state").await;
    assert_eq!(state["tenants"][0]["assignments"].as_array().unwrap().len(), 5);
    assert_eq!(state["deletions"].as_array().unwrap().len(), 1);
    let (_, calls) = graph.get("/sim/calls").await;
    let calls = calls["calls"].as_array().unwrap().clone();
    assert_eq!(calls.len(), 2);
    assert_eq!((&calls[1]["method"], &calls[1]["status"]), (&json!("DELETE"), &json!(204)));
    assert_eq!(calls[1]["tenant"], WOODGROVE);
    sim.wait_for("one deletion", LIMIT, |view| view.deletions().first().cloned()).await.unwrap();
}

#[tokio::test]
async fn a_principal_can_appear_while_running() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let before = graph.all(ASSIGNMENTS).await.0.len();
    let group = sim.admit(WOODGROVE, Principal::partner_group("Escalation", CONTOSO)).unwrap();
    assert_eq!(sim.principal_id(WOODGROVE, "Escalation").as_ref(), Some(&group));
    sim.grant(WOODGROVE, "Escalation", "Privileged Role Administrator").unwrap();
    assert_eq!(graph.all(ASSIGNMENTS).await.0.len(), before + 1);
    assert!(sim.assignments(WOODGROVE).last().unwrap().foreign);
    assert!(sim.grant(WOODGROVE, "Nobody", "Global Administrator").is_err());
}
