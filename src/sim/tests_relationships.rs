//! Relationships of a partner changed and ended: against what, by whom, in what time, and what comes
//! of it.

use http::Method;
use serde_json::{Value, json};

use super::tests::{Client, LIMIT, start};
use super::*;

const ALL: &str = "/v1.0/tenantRelationships/delegatedAdminRelationships";
const ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
const READERS: &str = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b";

fn scenario(changes: Changes) -> Scenario {
    let everything =
        Relationship::new("Everything", WOODGROVE, &["Global Administrator", "Directory Readers"]);
    let side = PartnerSide::default()
        .customer(WOODGROVE, "Woodgrove", false)
        .relationship(everything.auto_extending().used_by("Helpers"))
        .changing(changes);
    let tenant =
        Tenant::new(CONTOSO, "Contoso Reseller").group("Helpers", &[], None).partner_side(side);
    Scenario::default().tenant(tenant)
}

/// Contoso's relationship, with somebody who changes it.
struct Told {
    sim: Sim,
    graph: Client,
    path: String,
}

async fn given(changes: Changes) -> Told {
    let sim = start(scenario(changes)).await;
    let graph = Client::of(&sim, CONTOSO).await;
    let id = sim.relationship(CONTOSO, "Everything").unwrap()["id"].as_str().unwrap().to_owned();
    Told { sim, graph, path: format!("{ALL}/{id}") }
}

fn slow() -> Changes {
    Changes { take: 3_600_000, ..Changes::default() }
}

/// One that is over before it is looked at.
fn quick() -> Changes {
    Changes::default()
}

impl Told {
    async fn shown(&self) -> Value {
        self.graph.get(&self.path).await.1
    }

    async fn etag(&self) -> String {
        self.shown().await["@odata.etag"].as_str().unwrap().to_owned()
    }

    async fn used(&self) -> Vec<Value> {
        self.graph.all(&format!("{}/accessAssignments", self.path)).await.0
    }

    async fn statuses(&self, what: &str) -> Vec<String> {
        let (all, _) = self.graph.all(&format!("{}/{what}", self.path)).await;
        all.iter().map(|it| it["status"].as_str().unwrap().to_owned()).collect()
    }

    async fn patch(&self, etag: Option<&str>, body: Value) -> u16 {
        let answer = self.graph.change(Method::PATCH, &self.path, etag, Some(body)).await;
        answer.status().as_u16()
    }

    async fn drop_it(&self, etag: Option<&str>) -> u16 {
        let kept = json!([{ "roleDefinitionId": READERS }]);
        self.patch(etag, json!({ "accessDetails": { "unifiedRoles": kept } })).await
    }

    async fn delete(&self, used: &Value, etag: Option<&str>) -> u16 {
        let path = format!("{}/accessAssignments/{}", self.path, used["id"].as_str().unwrap());
        self.graph.change(Method::DELETE, &path, etag, None).await.status().as_u16()
    }

    async fn terminate(&self) -> u16 {
        let path = format!("{}/requests", self.path);
        let body = Some(json!({ "action": "terminate" }));
        self.graph.change(Method::POST, &path, None, body).await.status().as_u16()
    }
}

fn roles(shown: &Value) -> Vec<&str> {
    let roles = shown["accessDetails"]["unifiedRoles"].as_array().unwrap();
    roles.iter().map(|it| it["roleDefinitionId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_change_is_made_against_what_there_is_or_not_at_all() {
    let it = given(quick()).await;
    let old = it.etag().await;
    for (etag, status) in [(None, 428), (Some("W/\"other\""), 412), (Some(old.as_str()), 202)] {
        assert_eq!(it.drop_it(etag).await, status, "{etag:?}");
    }
    assert_eq!(roles(&it.shown().await), [READERS]);
    let stop = json!({ "autoExtendDuration": "PT0S" });
    assert_eq!(it.patch(Some(&old), stop.clone()).await, 412, "it is another since");
    let new = it.etag().await;
    assert_ne!(new, old);
    assert_eq!(it.patch(Some(&new), stop).await, 202);
    assert_eq!(it.shown().await["autoExtendDuration"], "PT0S");

    let used = it.used().await;
    let [used] = used.as_slice() else { panic!("{used:?}") };
    let etag = used["@odata.etag"].as_str();
    assert_eq!(it.delete(used, None).await, 428);
    assert_eq!(it.delete(used, Some(&new)).await, 412);
    assert_eq!(it.delete(used, etag).await, 204);
    assert_eq!(it.statuses("accessAssignments").await, ["deleted"]);
    assert_eq!(it.delete(used, etag).await, 404);
}

#[tokio::test]
async fn of_an_active_relationship_nothing_but_global_administrator_goes() {
    let it = given(quick()).await;
    let etag = it.etag().await;
    for kept in [json!([]), json!([{ "roleDefinitionId": ADMINISTRATOR }])] {
        let body = json!({ "accessDetails": { "unifiedRoles": kept } });
        assert_eq!(it.patch(Some(&etag), body).await, 400);
    }
    for wrong in [json!({}), json!({ "duration": "P30D" }), json!({ "autoExtendDuration": "P1D" })]
    {
        assert_eq!(it.patch(Some(&etag), wrong.clone()).await, 400, "{wrong}");
    }
    let extend = json!({ "autoExtendDuration": "P180D" });
    assert_eq!(it.patch(Some(&etag), extend.clone()).await, 400, "not with Global Administrator");
    assert_eq!(it.statuses("operations").await, [""; 0]);
    assert_eq!(it.drop_it(Some(&etag)).await, 202);
    assert_eq!(it.patch(Some(&it.etag().await), extend).await, 202);
}

#[tokio::test]
async fn a_change_runs_and_is_told_where_the_answer_says() {
    let it = given(slow()).await;
    let etag = it.etag().await;
    let body = json!({ "accessDetails": { "unifiedRoles": [{ "roleDefinitionId": READERS }] } });
    let answer = it.graph.change(Method::PATCH, &it.path, Some(&etag), Some(body)).await;
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.headers()["retry-after"], "1");
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.contains(&format!("{}/operations/", it.path)), "{location}");
    let (status, operation) = it
        .graph
        .get(location.strip_prefix(it.sim.origin().as_str().trim_end_matches('/')).unwrap())
        .await;
    assert_eq!((status, &operation["status"]), (200, &json!("running")));
    assert_eq!(operation["operationType"], "delegatedAdminRelationshipUpdate");
    assert_eq!(it.shown().await["@odata.etag"], etag, "nothing came of it yet");
    assert_eq!(roles(&it.shown().await), [ADMINISTRATOR, READERS]);
}

#[tokio::test]
async fn what_takes_a_moment_is_done_after_it() {
    let it = given(Changes { take: 30, ..quick() }).await;
    assert_eq!(it.drop_it(Some(&it.etag().await)).await, 202);
    let done = async {
        while it.statuses("operations").await != ["succeeded"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, done).await.unwrap();
    assert_eq!(roles(&it.shown().await), [READERS]);
}

#[tokio::test]
async fn what_fails_changes_nothing_and_says_so() {
    let it = given(Changes { fail: true, ..quick() }).await;
    assert_eq!(it.drop_it(Some(&it.etag().await)).await, 202);
    assert_eq!(it.statuses("operations").await, ["failed"]);
    assert_eq!(roles(&it.shown().await), [ADMINISTRATOR, READERS]);
    assert_eq!(it.terminate().await, 201);
    assert_eq!(it.statuses("requests").await, ["failed"]);
    assert_eq!(it.shown().await["status"], "active");
    let used = it.used().await;
    assert_eq!(it.delete(&used[0], used[0]["@odata.etag"].as_str()).await, 204);
    assert_eq!(it.statuses("accessAssignments").await, ["error"]);
}

#[tokio::test]
async fn a_relationship_is_asked_to_end_ends_and_has_ended() {
    let it = given(slow()).await;
    assert_eq!(it.terminate().await, 201);
    assert_eq!(it.sim.relationship(CONTOSO, "Everything").unwrap()["status"], "terminating");
    assert_eq!(it.statuses("requests").await, ["pending"]);
    assert_eq!(it.terminate().await, 400, "once is enough");
    let etag = it.etag().await;
    assert_eq!(it.drop_it(Some(&etag)).await, 400, "and nothing else is changed of it");

    let it = given(quick()).await;
    assert_eq!(it.terminate().await, 201);
    assert_eq!(it.shown().await["status"], "terminated");
    assert_eq!(it.statuses("requests").await, ["succeeded"]);
    let (_, request) = {
        let (all, _) = it.graph.all(&format!("{}/requests", it.path)).await;
        it.graph.get(&format!("{}/requests/{}", it.path, all[0]["id"].as_str().unwrap())).await
    };
    assert_eq!(request["action"], "terminate");
    let other = json!({ "action": "approve" });
    let path = format!("{}/requests", it.path);
    assert_eq!(it.graph.send(Method::POST, &path, Some(other)).await.status(), 400);
}

#[tokio::test]
async fn a_deletion_shows_while_it_runs_and_is_answered_as_either_page_has_it() {
    let it = given(Changes { deletions_accepted: true, ..slow() }).await;
    let used = it.used().await;
    assert_eq!(it.delete(&used[0], used[0]["@odata.etag"].as_str()).await, 202);
    let now = it.used().await;
    assert_eq!(now[0]["status"], "deleting");
    assert_ne!(now[0]["@odata.etag"], used[0]["@odata.etag"]);
}

#[tokio::test]
async fn what_was_changed_does_not_show_in_the_next_reads() {
    let it = given(Changes { lag_reads: 2, ..quick() }).await;
    let etag = it.etag().await;
    assert_eq!(it.drop_it(Some(&etag)).await, 202);
    for _ in 0..2 {
        let shown = it.shown().await;
        assert_eq!((roles(&shown).len(), &shown["@odata.etag"]), (2, &json!(etag)));
        assert_eq!(it.drop_it(Some(&etag)).await, 412, "it is another all the same");
    }
    assert_eq!(roles(&it.shown().await), [READERS]);
    let used = it.used().await;
    assert_eq!(roles(&used[0]).len(), 2, "who uses it is read apart");
}

#[tokio::test]
async fn what_was_taken_away_comes_back_where_a_scenario_says_so() {
    let it = given(Changes { come_back: Some(1), ..quick() }).await;
    assert_eq!(it.drop_it(Some(&it.etag().await)).await, 202);
    assert_eq!(roles(&it.shown().await), [READERS]);
    assert_eq!(roles(&it.shown().await), [ADMINISTRATOR, READERS]);
    let used = it.used().await;
    assert_eq!(it.delete(&used[0], used[0]["@odata.etag"].as_str()).await, 204);
    assert_eq!(it.statuses("accessAssignments").await, ["deleted"]);
    let back = it.used().await;
    assert_eq!(back.len(), 2);
    assert_ne!(back[1]["id"], used[0]["id"]);
    assert_eq!(
        (&back[1]["accessContainer"], back[1]["status"].as_str()),
        (&used[0]["accessContainer"], Some("active"))
    );
    assert_eq!(it.patch(Some(&it.etag().await), json!({ "autoExtendDuration": "P0D" })).await, 202);
    assert_eq!(it.shown().await["autoExtendDuration"], "P0D");
    assert_eq!(it.shown().await["autoExtendDuration"], "P180D");
}

#[tokio::test]
async fn a_group_loses_what_the_relationship_loses_or_keeps_it() {
    for (groups_keep_roles, expect) in [(false, 1), (true, 2)] {
        let it = given(Changes { groups_keep_roles, ..quick() }).await;
        assert_eq!(it.drop_it(Some(&it.etag().await)).await, 202);
        assert_eq!(roles(&it.used().await[0]).len(), expect);
    }
}

#[tokio::test]
async fn a_group_gets_an_access_assignment_once() {
    let it = given(quick()).await;
    let used = it.used().await;
    let body = json!({
        "accessContainer": used[0]["accessContainer"],
        "accessDetails": { "unifiedRoles": [{ "roleDefinitionId": READERS }] },
    });
    let path = format!("{}/accessAssignments", it.path);
    let post = async || it.graph.send(Method::POST, &path, Some(body.clone())).await.status();
    assert_eq!(post().await, 409);
    assert_eq!(it.delete(&used[0], used[0]["@odata.etag"].as_str()).await, 204);
    assert_eq!(post().await, 201);
    assert_eq!(it.statuses("accessAssignments").await, ["deleted", "active"]);
}

#[tokio::test]
async fn to_read_is_not_to_change() {
    let without = |permission| scenario(quick()).without_permission(permission);
    let sim = start(without("DelegatedAdminRelationship.ReadWrite.All")).await;
    let graph = Client::of(&sim, CONTOSO).await;
    let shown = sim.relationship(CONTOSO, "Everything").unwrap();
    let path = format!("{ALL}/{}", shown["id"].as_str().unwrap());
    let used = format!(
        "{path}/accessAssignments/{}",
        shown["accessAssignments"][0]["id"].as_str().unwrap()
    );
    for read in [ALL, &path, &used, &format!("{path}/operations"), &format!("{path}/requests")] {
        assert_eq!(graph.get(read).await.0, 200, "{read}");
    }
    let etag = shown["@odata.etag"].as_str();
    let used_etag = shown["accessAssignments"][0]["@odata.etag"].as_str();
    for (method, path, etag, body) in [
        (Method::PATCH, path.clone(), etag, json!({ "autoExtendDuration": "PT0S" })),
        (Method::POST, format!("{path}/requests"), None, json!({ "action": "terminate" })),
        (Method::POST, format!("{path}/accessAssignments"), None, json!({})),
        (Method::DELETE, used, used_etag, Value::Null),
    ] {
        let answer = graph.change(method.clone(), &path, etag, Some(body)).await;
        assert_eq!(answer.status(), 403, "{method} {path}");
    }
    assert_eq!(sim.relationship(CONTOSO, "Everything").unwrap(), shown);
    // Nobody but a partner has any.
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    assert_eq!(graph.get(ALL).await.0, 403);
}

#[test]
fn a_scenario_says_how_relationships_take_changes() {
    let text = |changes: &str| {
        format!(
            "tenants:\n  - id: {CONTOSO}\n    name: Contoso Reseller\n    partnerSide:\n      \
             changes: {{{changes}}}\n"
        )
    };
    let all = "take: 5000, fail: true, deletionsAccepted: true, lagReads: 2, comeBack: 1, \
               groupsKeepRoles: true";
    let scenario = Scenario::from_yaml(&text(all)).unwrap();
    let expect = Changes {
        take: 5_000,
        fail: true,
        deletions_accepted: true,
        lag_reads: 2,
        come_back: Some(1),
        groups_keep_roles: true,
    };
    assert_eq!(scenario.tenants[0].partner_side.as_ref().unwrap().changes, expect);
    assert!(Scenario::from_yaml(&text("delay: 5")).is_err(), "nothing is passed over");
}
