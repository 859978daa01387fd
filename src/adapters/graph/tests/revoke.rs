//! Taking away: what counts as done, as refused, and as unknown.

use super::*;

pub(super) fn step() -> Step {
    let case = Case::new()
        .with_policy("respond: {role-not-allowed: {do: revoke}}")
        .member("Megan", "Global Administrator")
        .foreign_group("A", "Reports Reader");
    let policy = case.policy();
    let tenant = &policy.roster.tenants[0];
    let history = History::default();
    let about = Circumstances {
        policy: &policy,
        tenant,
        history: &history,
        own_apps: &[],
        stopped: None,
        now: noon(),
    };
    plan(&case.facts, about).cases.remove(0).steps.remove(0)
}

async fn revoke(graph: &Graph, id: &str) -> Result<Outcome, PortError> {
    graph.revoker().revoke(&step(), woodgrove(), &AssignmentId(id.to_owned())).await
}

fn of(sim: &Sim, principal: &str) -> String {
    let held = sim.assignments(WOODGROVE);
    held.into_iter().find(|it| it.principal.as_deref() == Some(principal)).unwrap().id
}

#[tokio::test]
async fn what_is_taken_away_is_gone_and_nothing_else_is() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = connect(&sim.origin(), CLIENT_SECRET, Hand::at_noon());
    let agents = of(&sim, "AdminAgents");
    let outcome = revoke(&graph, &agents).await.unwrap();
    assert_eq!((outcome.state, outcome.detail.as_deref()), (StepState::Revoked, None));
    assert_eq!(outcome.acted_at, Some(noon()));
    assert!(outcome.request_id.is_some());
    let gone: Vec<String> = sim.deletions().into_iter().map(|it| it.assignment_id).collect();
    assert_eq!(gone, [agents.as_str()]);
    assert_eq!(sim.assignments(WOODGROVE).len(), 5);
    let outcome = revoke(&graph, &agents).await.unwrap();
    assert_eq!(outcome.state, StepState::Revoked);
    assert_eq!(outcome.detail.as_deref(), Some("it was already gone"));
    assert_eq!(sim.deletions().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_an_outcome_with_graphs_own_words() {
    let (sim, graph) = given(Scenario::woodgrove().refuse_foreign_deletion()).await;
    let outcome = revoke(&graph, &of(&sim, "AdminAgents")).await.unwrap();
    assert_eq!(outcome.state, StepState::Refused);
    let said = "Microsoft Graph answered 403 Authorization_RequestDenied: Insufficient privileges \
                to complete the operation";
    assert_eq!(outcome.detail.as_deref(), Some(said));
    assert!(outcome.request_id.is_some());
    assert_eq!((sim.deletions().len(), sim.count("DELETE", "")), (0, 1));
    for code in [400, 405, 409] {
        let (sim, graph) = given(Scenario::woodgrove()).await;
        sim.add_fault(Rule::new("", Then::status(code)).method("DELETE").forever());
        let outcome = revoke(&graph, &of(&sim, "Alice")).await.unwrap();
        assert_eq!(outcome.state, StepState::Refused, "{code}");
    }
}

#[tokio::test]
async fn a_call_without_a_plain_answer_leaves_its_outcome_unknown() {
    async fn check(fault: Then, expect: Failure, calls: usize) {
        let (sim, graph) = given(Scenario::woodgrove()).await;
        let alice = of(&sim, "Alice");
        sim.add_fault(Rule::new("", fault.clone()).method("DELETE").forever());
        let error = revoke(&graph, &alice).await.unwrap_err();
        assert_eq!(error.kind, expect, "{fault:?}: {error}");
        assert_eq!(sim.count("DELETE", &alice), calls, "{fault:?}");
        assert_eq!(sim.deletions(), []);
    }
    check(Then::status(503), Failure::Transient, CALLS).await;
    check(Then::Drop, Failure::Transient, CALLS).await;
    check(Then::throttle(7), Failure::Throttled(Some(std::time::Duration::from_secs(7))), 1).await;
    check(Then::status(401), Failure::Denied, 2).await;
    // A gateway's page is not Graph's word that the role is gone.
    check(Then::Html200, Failure::Unintelligible, 1).await;
    check(Then::status(202), Failure::Unintelligible, 1).await;
    check(Then::status(302), Failure::Unintelligible, 1).await;
}

#[tokio::test]
async fn a_busy_graph_is_asked_again_until_the_role_is_gone() {
    let (sim, graph) = given(Scenario::woodgrove()).await;
    let alice = of(&sim, "Alice");
    sim.add_fault(Rule::new("", Then::status(503)).method("DELETE"));
    sim.add_fault(Rule::new("", Then::throttle(0)).method("DELETE").skip(1));
    let outcome = revoke(&graph, &alice).await.unwrap();
    assert_eq!((outcome.state, sim.deletions().len()), (StepState::Revoked, 1));
}

#[tokio::test]
async fn an_id_is_one_segment_of_the_path_whatever_is_in_it() {
    let odd = "a/b?c#d%2e\\ ü;&=+'";
    let plain = "62e90394-_x-1";
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .principal(Principal::member("Al", "al@woodgrove.example"), None)
        .assignment(Assignment { id: Some(odd.into()), ..Assignment::new("Al", "Global Reader") })
        .assignment(Assignment {
            id: Some(plain.into()),
            ..Assignment::new("Al", "Directory Readers")
        });
    let (sim, graph) = given(Scenario::default().tenant(tenant)).await;
    for id in [odd, plain, "%2e%2e"] {
        let outcome = revoke(&graph, id).await.unwrap();
        assert_eq!(outcome.state, StepState::Revoked);
    }
    let gone: Vec<String> = sim.deletions().into_iter().map(|it| it.assignment_id).collect();
    assert_eq!(gone, [odd, plain]);
    assert_eq!(sim.count("DELETE", &format!("{V1}/{plain}")), 1);
}

#[tokio::test]
async fn an_id_that_names_no_assignment_is_not_asked_for() {
    for id in ["", ".", "..", "a\tb", "\n"] {
        let (server, graph) = serving(|_| status(204)).await;
        let outcome = revoke(&graph, id).await.unwrap();
        assert_eq!(outcome.state, StepState::Refused, "{id:?}");
        assert_eq!(outcome.detail.as_deref(), Some("its id cannot be asked for"));
        assert_eq!((outcome.acted_at, server.asked().len()), (None, 0));
    }
}

#[tokio::test]
async fn graphs_number_of_the_call_is_kept() {
    let (_server, graph) = serving(|_| with(status(204), "request-id", "r-7")).await;
    let outcome = revoke(&graph, "a").await.unwrap();
    assert_eq!(outcome.request_id.as_deref(), Some("r-7"));
}
