//! Subscriptions, against the simulated tenant and a receiver that answers as told.

use super::*;
use crate::domain::subscription::{LIFE, Resource};
use crate::ports::{Created, ReadSubscriptions as _, WriteSubscriptions as _};

/// A receiver that answers the handshake with what `answer` makes of the token.
async fn receiver(answer: fn(&str) -> Response) -> (Server, String) {
    let server = Server::start(move |asked| {
        let query = asked.line.split_once('?').map_or("", |(_, query)| query);
        let token = url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "validationToken")
            .map(|(_, token)| token.into_owned());
        token.map_or_else(|| status(202), |token| answer(&token))
    })
    .await;
    let url = server.origin.join("hooks/graph").unwrap().to_string();
    (server, url)
}

fn echo(token: &str) -> Response {
    with(Response::new(token.to_owned().into()), "content-type", "text/plain")
}

async fn create(graph: &Graph, resource: Resource, url: &str) -> Result<Created, PortError> {
    let until = SystemClock.now() + LIFE;
    graph.subscriber().create(woodgrove(), resource, url, "v1.state", until).await
}

#[tokio::test]
async fn a_subscription_is_made_listed_renewed_and_deleted() {
    let (sim, graph) = given(Scenario::woodgrove()).await;
    let (receiver, url) = receiver(echo).await;
    let Created::Made(made) = create(&graph, Resource::Users, &url).await.unwrap() else {
        panic!("there was none before")
    };
    // Both urls are asked, though they are the same.
    assert_eq!(receiver.lines("POST /hooks/graph?validationToken=").len(), 2);
    let there = &sim.subscriptions(WOODGROVE)[0];
    assert_eq!(there.id, made.id);
    assert_eq!(there.client_state.as_deref(), Some("v1.state"));
    assert_eq!((there.resource.as_str(), there.change_type.as_str()), ("users", "updated,deleted"));
    let listed = graph.subscriptions(woodgrove()).await;
    assert!(listed.failure.is_none());
    assert_eq!(listed.items, std::slice::from_ref(&made));
    assert_eq!(Resource::named(&made.resource), Some(Resource::Users));
    assert_eq!(made.lifecycle_notification_url.as_deref(), Some(url.as_str()));

    let subscriber = graph.subscriber();
    let until = SystemClock.now() + SignedDuration::from_hours(1);
    assert_eq!(subscriber.renew(woodgrove(), &made.id, until).await.unwrap(), until);
    assert_eq!(sim.subscriptions(WOODGROVE)[0].expires_at, until);
    subscriber.delete(woodgrove(), &made.id).await.unwrap();
    assert_eq!(sim.subscriptions(WOODGROVE), []);
    subscriber.delete(woodgrove(), &made.id).await.unwrap();
    let gone = subscriber.renew(woodgrove(), &made.id, until).await.unwrap_err();
    assert_eq!(gone.kind, Failure::Gone);
    let odd = subscriber.delete(woodgrove(), "..").await.unwrap_err();
    assert_eq!(odd.kind, Failure::Unintelligible);
}

#[tokio::test]
async fn a_second_one_of_a_kind_is_a_conflict() {
    let (_sim, graph) = given(Scenario::woodgrove()).await;
    let (_receiver, url) = receiver(echo).await;
    assert!(matches!(create(&graph, Resource::Users, &url).await, Ok(Created::Made(_))));
    assert!(matches!(create(&graph, Resource::Users, &url).await, Ok(Created::Conflict)));
    assert!(matches!(create(&graph, Resource::Groups, &url).await, Ok(Created::Made(_))));
}

/// Checks what is said of a refusal, and that nothing was made.
async fn refused(scenario: Scenario, answer: fn(&str) -> Response, kind: Failure, mend: &str) {
    let (sim, graph) = given(scenario).await;
    let (_receiver, url) = receiver(answer).await;
    let error = create(&graph, Resource::Groups, &url).await.unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.said.contains(mend), "{error}");
    assert_eq!(sim.subscriptions(WOODGROVE), []);
}

#[tokio::test]
async fn a_refusal_says_the_mend() {
    let scenario = Scenario::woodgrove().without_permission("Group.Read.All");
    refused(scenario, echo, Failure::Denied, "; grant Group.Read.All (application)").await;
    let scenario = Scenario { subscription_quota: 0, ..Scenario::woodgrove() };
    refused(scenario, echo, Failure::Denied, "; delete subscriptions that nobody needs").await;
    let unreachable = "; Microsoft Graph could not reach WARDEN_PUBLIC_URL: /hooks/graph";
    for answer in [
        |_: &str| status(200),
        |_: &str| status(404),
        |token: &str| ok(&json!(token)),
        |token: &str| with(Response::new(format!("{token}!").into()), "content-type", "text/plain"),
        |token: &str| with(Response::new(token.to_owned().into()), "content-type", "text/html"),
    ] {
        refused(Scenario::woodgrove(), answer, Failure::Refused, unreachable).await;
    }
    let scenario = Scenario { subscription_minutes: 60, ..Scenario::woodgrove() };
    refused(scenario, echo, Failure::Refused, "can only be 60 minutes in the future").await;
}
