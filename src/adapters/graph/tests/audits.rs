//! The audit log, page by page.

use std::time::Duration;

use super::*;
use crate::ports::{AuditsFrom, ReadAudits as _};

const APART: SignedDuration = SignedDuration::from_millis(1);

fn event(name: &str) -> Value {
    json!({"activityDisplayName": name})
}

#[tokio::test]
async fn the_log_is_read_from_a_moment_on_with_the_oldest_first() {
    let (sim, graph) = given(Scenario::woodgrove().page_size(2)).await;
    let minutes = |minutes| Duration::from_mins(minutes);
    for (name, ago, visible_in) in [
        ("newest", 1, 0),
        ("too old", 61, 0),
        ("oldest", 59, 0),
        ("middle", 30, 0),
        ("not to be seen yet", 5, 60),
    ] {
        sim.audit(WOODGROVE, &event(name), minutes(ago), minutes(visible_in)).unwrap();
    }
    let logs = AuditLogs::new(graph, APART);
    let since = AuditsFrom::Since(SystemClock.now() - SignedDuration::from_mins(60));
    let first = logs.audits(woodgrove(), &since).await.unwrap();
    let second = AuditsFrom::Page(first.next.clone().unwrap());
    let second = logs.audits(woodgrove(), &second).await.unwrap();
    assert_eq!(second.next, None);
    let names =
        first.events.iter().chain(&second.events).map(|event| &event["activityDisplayName"]);
    assert_eq!(names.collect::<Vec<_>>(), ["oldest", "middle", "newest"]);
}

#[tokio::test]
async fn the_request_is_written_as_graph_documents_it() {
    let (server, graph) = serving(|_| ok(&json!({"value": []}))).await;
    let logs = AuditLogs::new(graph, APART);
    logs.audits(woodgrove(), &AuditsFrom::Since(noon())).await.unwrap();
    assert_eq!(
        server.lines("auditLogs"),
        [format!(
            "GET /v1.0/auditLogs/directoryAudits?$filter=activityDateTime%20ge%20{}\
             &$orderby=activityDateTime%20asc&$top=500",
            noon()
        )]
    );
}

#[tokio::test]
async fn a_page_at_another_place_or_that_leads_to_itself_is_not_followed() {
    let (server, graph) = serving(|asked| {
        let link = format!("{}{}", asked.origin, asked.line.trim_start_matches("GET "));
        ok(&json!({"value": [], "@odata.nextLink": link}))
    })
    .await;
    let logs = AuditLogs::new(graph, APART);
    for place in ["https://elsewhere.example/v1.0/auditLogs", "nonsense"] {
        let error = logs.audits(woodgrove(), &AuditsFrom::Page(place.into())).await.unwrap_err();
        assert!(error.said.contains("at another place; it is not followed"), "{error}");
    }
    assert_eq!(server.lines("auditLogs").len(), 0);
    let error = logs.audits(woodgrove(), &AuditsFrom::Since(noon())).await.unwrap_err();
    assert_eq!(error.said, "the audit log leads from a page to itself");
}

#[tokio::test]
async fn no_more_than_five_requests_in_ten_seconds_are_made_for_one_tenant() {
    let hand = Hand::at_noon();
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let graph = connect(&nowhere, CLIENT_SECRET, hand.clone());
    let logs = AuditLogs::new(graph, SignedDuration::from_secs(2));
    let pauses: Vec<u64> = (0..5).map(|_| logs.pause(woodgrove()).as_secs()).collect();
    assert_eq!(pauses, [0, 2, 4, 6, 8]);
    assert_eq!(logs.pause(CONTOSO.parse().unwrap()), Duration::ZERO);
    hand.put(SignedDuration::from_secs(9));
    assert_eq!(logs.pause(woodgrove()), Duration::from_secs(1));
    hand.put(SignedDuration::from_secs(60));
    assert_eq!(logs.pause(woodgrove()), Duration::ZERO);
}

#[tokio::test]
async fn a_refusal_says_the_mend() {
    let (_sim, graph) = given(Scenario::woodgrove().without_permission("AuditLog.Read.All")).await;
    let logs = AuditLogs::new(graph, APART);
    let error = logs.audits(woodgrove(), &AuditsFrom::Since(noon())).await.unwrap_err();
    assert_eq!(error.kind, Failure::Denied);
    assert!(error.said.contains("; grant AuditLog.Read.All and Directory.Read.All"), "{error}");

    let (_server, graph) = serving(|_| {
        let mut answer = ok(&json!({"error": {
            "code": "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
            "message": "Neither tenant is B2C or tenant doesn't have premium license",
        }}));
        *answer.status_mut() = 403.try_into().unwrap();
        answer
    })
    .await;
    let logs = AuditLogs::new(graph, APART);
    let error = logs.audits(woodgrove(), &AuditsFrom::Since(noon())).await.unwrap_err();
    assert!(error.said.contains("Microsoft Entra ID P1 or P2 only"), "{error}");
    assert!(!error.said.contains("grant"), "{error}");
}

#[tokio::test]
async fn a_busy_log_is_asked_again() {
    let scenario = Scenario::woodgrove().fault(Rule::new("auditLogs", Then::throttle(0)).times(2));
    let (sim, graph) = given(scenario).await;
    let logs = AuditLogs::new(graph, APART);
    logs.audits(woodgrove(), &AuditsFrom::Since(noon())).await.unwrap();
    assert_eq!(sim.count("GET", "auditLogs"), 3);
}
