//! Keeping a partner out: once, whatever Graph answers, and found again by its tag.

use std::collections::BTreeSet;

use super::*;
use crate::domain::conditional_access::quarantine::Quarantine;
use crate::domain::facts::SignIn;
use crate::domain::roster::AffectedPartner;
use crate::ports::{
    DisableAccount as _, DisableApp as _, QuarantinePartner as _, ReadPartnerApps as _,
    RevokeSessions as _,
};

const POLICIES: &str = "/v1.0/identity/conditionalAccess/policies";

fn made(in_force: bool) -> Quarantine {
    let id = Some(CONTOSO.parse().unwrap());
    let partner = AffectedPartner { id, name: "Contoso Reseller".into(), listed: true };
    Quarantine::new(woodgrove(), &partner, BTreeSet::new(), in_force).unwrap()
}

/// What happens to a request that writes.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is done and answered.
    Done,
    /// It is not done, and answered so.
    Refused(u16, &'static str),
    /// It is done, and answered as if it were not.
    DoneYet(u16),
    /// It is done, and not shown to the next who reads.
    DoneLate(u16),
}

/// Conditional access of a tenant: policies, and what is to happen to each write in turn.
#[derive(Default)]
struct Held {
    policies: Vec<Value>,
    hidden: usize,
    fates: Vec<Fate>,
}

/// A server that keeps policies as Graph does, with what is there at first.
async fn keeping(policies: &[Value], fates: &[Fate]) -> (Server, Graph, Arc<Mutex<Held>>) {
    let (policies, mut fates) = (policies.to_vec(), fates.to_vec());
    fates.reverse();
    let held = Arc::new(Mutex::new(Held { policies, hidden: 0, fates }));
    let keeps = Arc::clone(&held);
    let (server, graph) = serving(move |asked| answer(&mut keeps.lock().unwrap(), asked)).await;
    (server, graph, held)
}

fn answer(held: &mut Held, asked: &Asked) -> Response {
    let (method, path) = asked.line.split_once(' ').unwrap();
    if method == "GET" {
        let shown = held.policies.len() - std::mem::take(&mut held.hidden);
        return ok(&json!({"value": held.policies[..shown]}));
    }
    let fate = held.fates.pop().unwrap_or(Fate::Done);
    if let Fate::Refused(code, message) = fate {
        let mut answer = ok(&json!({"error": {"code": "BadRequest", "message": message}}));
        *answer.status_mut() = code.try_into().unwrap();
        return answer;
    }
    let id = path.strip_prefix(POLICIES).unwrap().trim_start_matches('/').to_owned();
    let body: Option<Value> = serde_json::from_slice(&asked.body).ok();
    let (code, body) = match method {
        "POST" => {
            let mut policy = body.unwrap();
            policy["id"] = format!("p-{}", asked.before).into();
            held.policies.push(policy.clone());
            (201, policy)
        }
        "PATCH" => {
            let policy = held.policies.iter_mut().find(|it| it["id"] == id.as_str()).unwrap();
            for (name, value) in body.unwrap().as_object().unwrap() {
                policy[name] = value.clone();
            }
            (204, Value::Null)
        }
        "DELETE" => {
            held.policies.retain(|it| it["id"] != id.as_str());
            (204, Value::Null)
        }
        _ => panic!("{}", asked.line),
    };
    let code = match fate {
        Fate::DoneYet(code) => code,
        Fate::DoneLate(code) => {
            held.hidden = 1;
            code
        }
        Fate::Done | Fate::Refused(..) => code,
    };
    let mut answer = with(ok(&body), "request-id", "r-7");
    *answer.status_mut() = code.try_into().unwrap();
    answer
}

fn writes(server: &Server) -> Vec<String> {
    let lines = server.asked().into_iter().map(|asked| asked.line);
    lines.filter(|it| it.contains(POLICIES) && !it.starts_with("GET")).collect()
}

async fn quarantine(graph: &Graph, made: &Quarantine) -> Result<Outcome, PortError> {
    graph.revoker().quarantine(woodgrove(), made).await
}

#[tokio::test]
async fn a_policy_is_made_once_and_found_ever_after() {
    let other = json!({"id": "p-0", "displayName": "Require MFA", "state": "enabled"});
    let (server, graph, held) = keeping(std::slice::from_ref(&other), &[]).await;
    let made = made(true);
    let outcome = quarantine(&graph, &made).await.unwrap();
    assert_eq!((outcome.state, outcome.detail.as_deref()), (StepState::Revoked, None));
    assert_eq!((outcome.request_id.as_deref(), outcome.acted_at.is_some()), (Some("r-7"), true));
    let again = quarantine(&graph, &made).await.unwrap();
    assert_eq!(again.state, StepState::Revoked);
    assert_eq!(again.detail.as_deref(), Some("it was there already"));
    assert_eq!(writes(&server), [format!("POST {POLICIES}")]);
    let held = held.lock().unwrap();
    assert_eq!(held.policies[0], other);
    assert!(made.is_met_by(&held.policies[1]) && held.policies.len() == 2);
    let posted = server.asked().into_iter().find(|it| it.line.starts_with("POST /v1.0/id"));
    let posted: Value = serde_json::from_slice(&posted.unwrap().body).unwrap();
    assert_eq!(posted, made.document());
}

#[tokio::test]
async fn what_was_switched_off_or_changed_is_put_right_and_nothing_is_made_beside_it() {
    let made = made(true);
    let mut off = made.document();
    off["id"] = "p/1".into();
    off["state"] = "disabled".into();
    let mut narrowed = made.document();
    narrowed["id"] = "p/1".into();
    narrowed["conditions"]["applications"]["includeApplications"] = json!(["Office365"]);
    let mut reports = Quarantine { in_force: false, ..made.clone() }.document();
    reports["id"] = "p/1".into();
    for found in [off, narrowed, reports] {
        let (server, graph, held) = keeping(&[found], &[]).await;
        // The id is one segment, whatever is in it; the server looks for it as it was asked.
        held.lock().unwrap().policies[0]["id"] = "p1".into();
        let outcome = quarantine(&graph, &made).await.unwrap();
        assert_eq!(outcome.state, StepState::Revoked);
        let detail = outcome.detail.as_deref();
        assert_eq!(detail, Some("it was there otherwise, and was put right"));
        assert_eq!(writes(&server), [format!("PATCH {POLICIES}/p1")]);
        let held = held.lock().unwrap();
        assert!(made.is_met_by(&held.policies[0]) && held.policies.len() == 1);
    }
    // One in force is not weakened by one that is only to report.
    let mut found = made.document();
    found["id"] = "p1".into();
    let (server, graph, _) = keeping(&[found], &[]).await;
    let report = Quarantine { in_force: false, ..made };
    assert_eq!(quarantine(&graph, &report).await.unwrap().state, StepState::Revoked);
    assert_eq!(writes(&server), [""; 0]);
}

#[tokio::test]
async fn an_attempt_whose_answer_is_lost_is_found_and_not_made_again() {
    for code in [500, 502, 503, 504, 408, 429] {
        let (server, graph, held) = keeping(&[], &[Fate::DoneYet(code)]).await;
        let outcome = quarantine(&graph, &made(true)).await.unwrap();
        assert_eq!(outcome.state, StepState::Revoked, "{code}");
        assert_eq!(outcome.detail.as_deref(), Some("it was there already"));
        assert_eq!((writes(&server).len(), held.lock().unwrap().policies.len()), (1, 1), "{code}");
    }
    // The list lags behind, a second one is made and taken back.
    let (server, graph, held) = keeping(&[], &[Fate::DoneLate(500), Fate::Done]).await;
    let outcome = quarantine(&graph, &made(true)).await.unwrap();
    assert_eq!(outcome.state, StepState::Revoked);
    let lines = writes(&server);
    assert_eq!(lines[..2], [format!("POST {POLICIES}"), format!("POST {POLICIES}")]);
    assert!(lines[2].starts_with(&format!("DELETE {POLICIES}/p-")), "{lines:?}");
    assert_eq!((lines.len(), held.lock().unwrap().policies.len()), (3, 1));
}

#[tokio::test]
async fn a_busy_graph_is_asked_again_and_one_that_stays_so_leaves_it_unknown() {
    let busy = [Fate::Refused(429, ""), Fate::Refused(503, ""), Fate::Done];
    let (server, graph, held) = keeping(&[], &busy).await;
    assert_eq!(quarantine(&graph, &made(true)).await.unwrap().state, StepState::Revoked);
    assert_eq!((writes(&server).len(), held.lock().unwrap().policies.len()), (3, 1));
    for code in [429, 500] {
        let (server, graph, held) = keeping(&[], &[Fate::Refused(code, ""); 9]).await;
        let error = quarantine(&graph, &made(true)).await.unwrap_err();
        assert!(matches!(error.kind, Failure::Throttled(None) | Failure::Transient), "{error}");
        assert_eq!((writes(&server).len(), held.lock().unwrap().policies.len()), (CALLS, 0));
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_what_to_mend() {
    async fn check(code: u16, message: &'static str, expect: &str) {
        let (server, graph, _) = keeping(&[], &[Fate::Refused(code, message)]).await;
        let outcome = quarantine(&graph, &made(true)).await.unwrap();
        assert_eq!((outcome.state, outcome.acted_at), (StepState::Refused, None));
        assert_eq!(outcome.detail.unwrap(), format!("Microsoft Graph answered {expect}"));
        assert_eq!(writes(&server).len(), 1);
    }
    check(
        400,
        "Security Defaults is enabled in the tenant. You must disable Security defaults before \
         enabling a Conditional Access policy.",
        "400 BadRequest: Security Defaults is enabled in the tenant. You must disable Security \
         defaults before enabling a Conditional Access poli…; conditional access cannot be used while \
         security defaults are on: turn them off once policies of your own stand in their place",
    )
    .await;
    check(
        403,
        "Your tenant is not licensed for this feature.",
        "403 BadRequest: Your tenant is not licensed for this feature; conditional access takes a \
         licence of Microsoft Entra ID P1",
    )
    .await;
    check(
        403,
        "Insufficient privileges.",
        "403 BadRequest: Insufficient privileges; it takes Policy.ReadWrite.ConditionalAccess and \
         Policy.Read.All, and a licence of Microsoft Entra ID P1",
    )
    .await;
    check(409, "Conflict.", "409 BadRequest: Conflict").await;
    check(404, "Not here.", "404 BadRequest: Not here").await;
}

#[tokio::test]
async fn a_conflict_with_itself_is_no_refusal() {
    let (server, graph, held) = keeping(&[], &[Fate::DoneYet(409)]).await;
    let outcome = quarantine(&graph, &made(true)).await.unwrap();
    assert_eq!(outcome.state, StepState::Revoked);
    assert_eq!((writes(&server).len(), held.lock().unwrap().policies.len()), (1, 1));
}

#[tokio::test]
async fn nothing_is_made_where_it_is_not_known_what_is_there() {
    async fn check(answer: fn() -> Response, expect: Failure) {
        let (server, graph) = serving(move |_| answer()).await;
        let error = quarantine(&graph, &made(true)).await.unwrap_err();
        assert_eq!(error.kind, expect, "{error}");
        assert_eq!(writes(&server), [""; 0]);
    }
    check(|| status(403), Failure::Denied).await;
    check(|| status(500), Failure::Transient).await;
    check(
        || ok(&json!({"value": [], "@odata.nextLink": "https://elsewhere.example/"})),
        Failure::Unintelligible,
    )
    .await;
    // A gateway's page, to the one who writes.
    let (server, graph) = serving(|asked| {
        if asked.line.starts_with("GET") { ok(&json!({"value": []})) } else { ok(&json!("hello")) }
    })
    .await;
    let error = quarantine(&graph, &made(true)).await.unwrap_err();
    assert_eq!((error.kind, writes(&server).len()), (Failure::Unintelligible, 1));
}

#[tokio::test]
async fn how_principals_may_sign_in_is_read_by_their_ids() {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .member("Megan", "megan@woodgrove.example", "Global Administrator")
        .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
        .service_principal("Backup", "backup", CONTOSO, "Global Reader");
    let (sim, graph) = given(Scenario::default().tenant(tenant)).await;
    let id = |name| PrincipalId::new(&sim.principal_id(WOODGROVE, name).unwrap());
    let (megan, alice, backup) = (id("Megan"), id("Alice"), id("Backup"));
    let nobody = PrincipalId::new("99999999-9999-4999-8999-999999999999");
    let accounts = [megan.clone(), alice.clone(), nobody.clone()];
    let before = graph.sign_ins(woodgrove(), &accounts).await;
    assert!(before.failure.is_none());
    let read = |listed: &Listed<(PrincipalId, Option<SignIn>)>, whom: &PrincipalId| {
        let found = listed.items.iter().find(|(id, _)| id == whom);
        found.map(|(_, sign_in)| *sign_in).unwrap()
    };
    assert_eq!(read(&before, &nobody), None);
    assert_eq!(read(&before, &alice).unwrap().account_enabled, Some(true));
    let since = read(&before, &alice).unwrap().sign_in_sessions_valid_from_date_time;

    let revoker = graph.revoker();
    let done = [
        revoker.revoke_sessions(woodgrove(), &alice).await.unwrap(),
        revoker.disable_account(woodgrove(), &alice).await.unwrap(),
        revoker.disable_app(woodgrove(), &backup).await.unwrap(),
    ];
    assert!(done.iter().all(|it| it.state == StepState::Revoked && it.request_id.is_some()));
    let after = graph.sign_ins(woodgrove(), &accounts).await;
    let told = read(&after, &alice).unwrap();
    assert_eq!(told.account_enabled, Some(false));
    assert!(told.sign_in_sessions_valid_from_date_time > since);
    assert_eq!(read(&after, &megan), read(&before, &megan), "nothing happens to anybody else");
    let apps = graph.app_sign_ins(woodgrove(), &[backup.clone(), nobody.clone()]).await;
    assert_eq!(read(&apps, &backup).unwrap().account_enabled, Some(false));
    assert_eq!(read(&apps, &nobody), None);

    sim.add_fault(Rule::new("batch", Then::status(403)).forever());
    let denied = graph.sign_ins(woodgrove(), &[alice]).await;
    assert_eq!((denied.items.len(), denied.failure.unwrap().kind), (0, Failure::Denied));
}

/// The simulated tenant takes the document, and shows it as it is to be.
#[tokio::test]
async fn the_document_is_taken_by_the_simulated_tenant() {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove").member(
        "Break Glass",
        "glass@woodgrove.example",
        "Global Administrator",
    );
    let (sim, graph) = given(Scenario::default().tenant(tenant)).await;
    let glass = PrincipalId::new(&sim.principal_id(WOODGROVE, "Break Glass").unwrap());
    let made = Quarantine { leaves_out: [glass].into(), ..made(true) };
    assert_eq!(quarantine(&graph, &made).await.unwrap().state, StepState::Revoked);
    let [policy] = sim.conditional_access(WOODGROVE).try_into().unwrap();
    assert!(made.is_met_by(&policy), "{policy:#}");
}
