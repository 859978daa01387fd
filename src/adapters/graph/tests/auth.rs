//! Signing in: tokens kept, renewed and thrown away, and refusals that say what to mend.

use super::*;
use crate::sim::Answer;

#[tokio::test]
async fn one_sign_in_serves_many_reads_until_shortly_before_its_end() {
    let sim = start(Scenario::woodgrove()).await;
    let clock = Hand::at_noon();
    let graph = connect(&sim.origin(), CLIENT_SECRET, clock.clone());
    let read = async |seconds| {
        clock.put(SignedDuration::from_secs(seconds));
        assert_eq!(failure(&graph.assignments(woodgrove()).await), None);
        assert_eq!(failure(&graph.guests(woodgrove()).await), None);
        sign_ins(&sim)
    };
    assert_eq!(read(0).await, 1);
    // The simulated token lives for 3599 seconds.
    assert_eq!(read(3599 - 301).await, 1);
    assert_eq!(read(3599 - 300).await, 2);
    assert_eq!(read(3599).await, 2);
}

#[tokio::test]
async fn a_token_of_any_life_is_used_and_renewed() {
    async fn check(expires_in: i64, good: i64, renewed: i64) {
        let server = Server::start(move |_| {
            ok(&json!({"access_token": "t0ken", "expires_in": expires_in, "value": []}))
        })
        .await;
        let clock = Hand::at_noon();
        let graph = connect(&server.origin, CLIENT_SECRET, clock.clone());
        for (seconds, sign_ins) in [(0, 1), (good, 1), (renewed, 2)] {
            clock.put(SignedDuration::from_secs(seconds));
            assert_eq!(failure(&graph.assignments(woodgrove()).await), None);
            assert_eq!(server.lines("token").len(), sign_ins, "{expires_in} {seconds}");
        }
    }
    check(60, 29, 30).await;
    check(1, 0, 1).await;
    let day = 24 * 60 * 60;
    check(i64::MAX, day - 301, day - 300).await;
}

#[tokio::test]
async fn tokens_of_tenants_are_kept_apart() {
    let other = Tenant::new(CONTOSO, "Contoso").member("Al", "al@contoso.example", "Global Reader");
    let (sim, graph) = given(Scenario::woodgrove().tenant(other)).await;
    let contoso: TenantId = CONTOSO.parse().unwrap();
    assert_eq!(graph.assignments(contoso).await.items.len(), 1);
    assert_eq!(graph.assignments(woodgrove()).await.items.len(), 6);
    assert_eq!(graph.assignments(contoso).await.items.len(), 1);
    assert_eq!(sign_ins(&sim), 2);
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_renewed_once() {
    let (sim, graph) = given(Scenario::woodgrove()).await;
    sim.add_fault(Rule::new("roleAssignments", Then::status(401)));
    let listed = graph.assignments(woodgrove()).await;
    assert_eq!((listed.items.len(), failure(&listed)), (6, None));
    assert_eq!((sim.count("GET", BETA), sign_ins(&sim)), (2, 2));
    sim.add_fault(Rule::new("roleAssignments", Then::status(401)).forever());
    let listed = graph.assignments(woodgrove()).await;
    assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(Failure::Denied));
    assert_eq!((sim.count("GET", BETA), sign_ins(&sim)), (4, 3));
}

#[tokio::test]
async fn a_late_refusal_of_an_old_token_does_not_throw_the_new_one_away() {
    let server = Server::start(|asked| {
        ok(&json!({"access_token": format!("t{}", asked.before), "expires_in": 3599}))
    })
    .await;
    let graph = graph(&server.origin);
    let (tokens, scope) = (&graph.tokens, &graph.scope);
    let old = tokens.token(woodgrove(), scope).await.unwrap();
    tokens.forget(woodgrove(), scope, &old);
    let new = tokens.token(woodgrove(), scope).await.unwrap();
    assert_ne!(old, new);
    tokens.forget(woodgrove(), scope, &old);
    assert_eq!(tokens.token(woodgrove(), scope).await.unwrap(), new);
    assert_eq!(server.lines("token").len(), 2);
}

#[tokio::test]
async fn tokens_of_scopes_are_kept_apart() {
    let server = Server::start(|asked| {
        let form = String::from_utf8(asked.body.to_vec()).unwrap();
        let scope = form.split("scope=").nth(1).unwrap();
        ok(&json!({"access_token": format!("{} for {scope}", asked.before), "expires_in": 3599}))
    })
    .await;
    let graph = graph(&server.origin);
    let other = Scope::of(&Url::parse("https://manage.office.com").unwrap());
    let token = async |scope: &Scope| {
        graph.tokens.token(woodgrove(), scope).await.unwrap().expose().to_owned()
    };
    let first = token(&graph.scope).await;
    let second = "1 for https%3A%2F%2Fmanage.office.com%2F.default";
    assert_eq!(token(&other).await, second);
    assert_eq!(token(&graph.scope).await, first);
    graph.tokens.forget(woodgrove(), &graph.scope, &Secret::new(first.clone()));
    assert_eq!(token(&other).await, second);
    assert_ne!(token(&graph.scope).await, first);
}

#[tokio::test]
async fn a_sign_in_that_is_refused_says_what_to_mend_and_no_secret() {
    async fn check(client_secret: &str, tenant: &str, expect: &str) {
        let sim = start(Scenario::woodgrove()).await;
        let graph = connect(&sim.origin(), client_secret, Arc::new(SystemClock));
        let listed = graph.assignments(tenant.parse().unwrap()).await;
        assert_eq!(failure(&listed), Some((Failure::SignInRefused, expect)));
        let all = format!("{:?} {}", listed, chain(listed.failure.as_ref().unwrap()));
        assert!(!all.contains("hunter2") && !all.contains(CLIENT_SECRET), "{all}");
        assert_eq!((sign_ins(&sim), sim.calls().len()), (1, 1));
    }
    check(
        "hunter2",
        WOODGROVE,
        "Microsoft's sign-in answered 401 invalid_client AADSTS7000215; put a client secret that \
         is valid into graphClientSecret",
    )
    .await;
    check(
        CLIENT_SECRET,
        CONTOSO,
        "Microsoft's sign-in answered 400 invalid_request AADSTS90002; the id of this tenant in \
         the policy is that of no tenant",
    )
    .await;
    let sim = start(Scenario { client_id: "another".to_owned(), ..Scenario::woodgrove() }).await;
    let listed = graph(&sim.origin()).assignments(woodgrove()).await;
    let said = "Microsoft's sign-in answered 400 unauthorized_client AADSTS700016; grant admin \
                consent to the application WARDEN_CLIENT_ID in this tenant";
    assert_eq!(failure(&listed), Some((Failure::SignInRefused, said)));
}

#[tokio::test]
async fn a_sign_in_that_fails_otherwise_is_told_by_its_kind() {
    async fn check(fault: Then, expect: Failure, calls: usize) {
        let (sim, graph) = given(Scenario::woodgrove()).await;
        sim.add_fault(Rule::new("/oauth2/", fault.clone()).forever());
        let listed = graph.assignments(woodgrove()).await;
        assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(expect), "{fault:?}");
        assert_eq!(sim.calls().len(), calls, "{fault:?}");
    }
    check(Then::status(503), Failure::Transient, CALLS).await;
    check(Then::Drop, Failure::Transient, CALLS).await;
    check(Then::status(429), Failure::Throttled(None), CALLS).await;
    check(Then::Html200, Failure::Unintelligible, 1).await;
    check(Then::status(403), Failure::SignInRefused, 1).await;
    let busy = json!({"error": "temporarily_unavailable", "error_codes": [90033]});
    let busy = Answer { status: StatusCode::BAD_REQUEST, retry_after: None, body: Some(busy) };
    check(Then::Answer(busy), Failure::Transient, CALLS).await;
}

#[tokio::test]
async fn the_token_goes_to_graph_alone() {
    let login = Server::start(|_| ok(&json!({"access_token": "t0ken", "expires_in": 3599}))).await;
    let server = Server::start(|_| ok(&json!({"value": []}))).await;
    let client_id = CLIENT_ID.to_owned();
    let credential = Credential::Secret { client_id, secret: Secret::new("a+b&c") };
    let (origin, clock) = (server.origin.clone(), Arc::new(SystemClock));
    let graph = Graph::new(quick(), origin, login.origin.clone(), credential, clock);
    join_all([graph.assignments(woodgrove()), graph.assignments(woodgrove())]).await;
    assert!(server.asked().iter().all(|it| it.authorization.as_deref() == Some("Bearer t0ken")));
    assert!(login.asked().iter().all(|it| it.authorization.is_none()));
    let form = String::from_utf8(login.asked()[0].body.to_vec()).unwrap();
    let scope: String =
        url::form_urlencoded::byte_serialize(format!("{}.default", server.origin).as_bytes())
            .collect();
    assert_eq!(
        form,
        format!(
            "client_id={CLIENT_ID}&client_secret=a%2Bb%26c&grant_type=client_credentials&\
             scope={scope}"
        )
    );
    assert_eq!(login.asked()[0].line, format!("POST /{WOODGROVE}/oauth2/v2.0/token"));
}

#[tokio::test]
async fn those_who_need_a_token_at_the_same_time_share_one_sign_in_and_its_failure() {
    async fn check(client_secret: &str, expect: Option<Failure>) {
        let sim = start(Scenario::woodgrove()).await;
        let graph = connect(&sim.origin(), client_secret, Arc::new(SystemClock));
        let (tokens, scope) = (&graph.tokens, &graph.scope);
        let asked =
            || async { tokens.token(woodgrove(), scope).await.err().map(|error| error.kind) };
        let (a, b, c) = tokio::join!(asked(), asked(), asked());
        assert_eq!([a, b, c], [expect; 3]);
        assert_eq!(sign_ins(&sim), 1);
        assert_eq!(asked().await, expect);
        let again = usize::from(expect.is_some());
        assert_eq!(sign_ins(&sim), 1 + again, "who asks later after a failure tries again");
    }
    check(CLIENT_SECRET, None).await;
    check("another", Some(Failure::SignInRefused)).await;
}
