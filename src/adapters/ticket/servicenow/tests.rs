//! ServiceNow as it is where it matters, and as it is when it is out of order.

use std::sync::Mutex;

use axum::body::Body;
use axum::response::Response;
use url::form_urlencoded;

use super::*;
use crate::adapters::http::Patience;
use crate::adapters::testing::{Asked, QUICK, Server, status, with};
use crate::adapters::ticket::testing::{
    Call, KEY, OTHER_KEY, SHORT, Trial, answer, at, endless, key, made, said,
};
use crate::domain::finding::Severity;
use crate::domain::sink::{Common, Decides};

const ID: &str = "9d385017c611228701d22104cc95c371";
const OTHER_ID: &str = "46d44a40a9fe198101ca9f7c5dbf8c0a";

/// The ways in which ServiceNow is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Incidents, by a user.
    Incident,
    /// Security incidents, by an application.
    Security,
    /// Incidents, through an import set.
    Import,
}

fn decides() -> Common {
    let decide = Decides {
        approve: vec!["approval:approved".to_owned()],
        refuse: vec!["approval:rejected".to_owned()],
        by: Vec::new(),
    };
    Common { decide, ..Common::default() }
}

fn system(way: Way, common: &Common, origin: &Url, patience: Patience) -> Servicenow {
    let mut settings = match way {
        Way::Incident => json!({ "user": "warden" }),
        Way::Security => json!({
            "clientId": "c", "record": "security-incident", "closedState": "3",
            "reopenedState": "16",
        }),
        Way::Import => json!({ "user": "warden", "staging": "u_partner_warden" }),
    };
    settings["url"] = json!(origin);
    let settings = serde_json::from_value(settings).unwrap();
    let secrets = [("password", "s3cret"), ("clientSecret", "s3cret")];
    made(common, &secrets, patience, |making| Servicenow::new(&settings, making))
}

fn row(state: &str, key: &str) -> Value {
    json!({
        "sys_id": ID, "number": "INC0010023", "state": state, "active": "true",
        "correlation_id": key, "approval": "not requested", "impact": "2", "urgency": "2",
    })
}

fn result(code: u16, result: &Value) -> Response {
    answer(code, &json!({ "result": result }))
}

fn failure(code: u16, detail: &str) -> Response {
    let error = json!({ "message": "Operation Failed", "detail": detail });
    answer(code, &json!({ "error": error, "status": "failure" }))
}

fn parameter(asked: &Asked, name: &str) -> Option<String> {
    let query = asked.line.split_once('?').map_or("", |it| it.1);
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|it| it.0 == name).map(|it| it.1.into_owned())
}

/// As strict as ServiceNow where it matters: the credential, the fields that are asked for, and that
/// all values are text.
fn serve(way: Way, call: Call, asked: &Asked) -> Response {
    let path = asked.line.split('?').next().unwrap_or_default();
    if way == Way::Security && path == "POST /oauth_token.do" {
        let form = String::from_utf8_lossy(&asked.body);
        assert!(form.starts_with("grant_type=client_credentials&client_id=c&client_secret=s3cret"));
        return answer(200, &json!({ "access_token": "t0ken", "token_type": "Bearer" }));
    }
    let credential =
        if way == Way::Security { "Bearer t0ken" } else { "Basic d2FyZGVuOnMzY3JldA==" };
    if asked.authorization.as_deref() != Some(credential) {
        return failure(401, "Required to provide Auth information");
    }
    let table = if way == Way::Security { "sn_si_incident" } else { "incident" };
    let path = path.replace(&format!("/table/{table}"), "/table/T");
    let body: Map<String, Value> = serde_json::from_slice(&asked.body).unwrap_or_default();
    if !body.values().all(Value::is_string) {
        return failure(400, "all values are text");
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let ended = if way == Way::Security { "3" } else { "6" };
    let state = if call == Call::Reopen { ended } else { "1" };
    let full = parameter(asked, "sysparm_fields").as_deref() == Some(FIELDS);
    match path.as_str() {
        "GET /api/now/table/T" if full => match parameter(asked, "sysparm_query") {
            // What an import has made of it.
            Some(_) if way == Way::Import && asked.before > 0 => {
                let reopened = if call == Call::Reopen { "2" } else { "1" };
                let state = if call == Call::Close { ended } else { reopened };
                result(200, &json!([row(state, KEY)]))
            }
            Some(query) if query == format!("correlation_id={KEY}^ORDERBYsys_created_on") => {
                result(200, &json!([row(state, KEY)]))
            }
            Some(_) => failure(400, "no such query"),
            None => result(200, &json!([row("1", "")])),
        },
        line if line == format!("GET /api/now/table/T/{ID}") && full => {
            result(200, &row(state, KEY))
        }
        "POST /api/now/table/T"
            if full
                && text("correlation_id") == Some(KEY)
                && text("short_description").is_some() =>
        {
            result(201, &row("1", KEY))
        }
        line if line == format!("PATCH /api/now/table/T/{ID}") && full => {
            let closes = text("state") == Some(ended);
            let reasons = text("close_notes").is_some()
                && (way == Way::Security || text("close_code") == Some("Solution provided"));
            if closes && !reasons {
                return failure(403, "Data Policy Exception: Resolution code is mandatory");
            }
            result(200, &row(text("state").unwrap_or(state), KEY))
        }
        "POST /api/now/import/u_partner_warden"
            if text("u_correlation_id") == Some(KEY)
                && body.keys().all(|name| name.starts_with("u_")) =>
        {
            let made = if call == Call::Open { "inserted" } else { "updated" };
            result(201, &json!([{ "transform_map": "M", "table": "incident", "status": made }]))
        }
        _ => failure(400, "no such call"),
    }
}

/// What comes after an import was taken is not known to have failed.
const AFTER_IMPORT: &[(Call, &str, Class)] = &[
    (Call::Open, "at request 1", Class::Ambiguous),
    (Call::Comment, "at request 2", Class::Ambiguous),
    (Call::Close, "at request 2", Class::Ambiguous),
    (Call::Reopen, "at request 2", Class::Ambiguous),
];

async fn tried(way: Way) {
    let trial = Trial {
        make: move |origin: Url, patience| {
            Box::new(system(way, &Common::default(), &origin, patience)) as Box<dyn TicketSystem>
        },
        serve: move |call, asked: &Asked| serve(way, call, asked),
        id: ID,
        also_read: &["/oauth_token.do"],
        other: if way == Way::Import { AFTER_IMPORT } else { &[] },
    };
    trial.run().await;
}

#[tokio::test]
async fn every_answer_that_is_none_is_sorted_for_incidents() {
    tried(Way::Incident).await;
}

#[tokio::test]
async fn every_answer_that_is_none_is_sorted_for_security_incidents() {
    tried(Way::Security).await;
}

#[tokio::test]
async fn every_answer_that_is_none_is_sorted_for_import_sets() {
    tried(Way::Import).await;
}

async fn incidents(
    answers: impl Fn(&Asked) -> Response + Send + Sync + 'static,
) -> (Server, Servicenow) {
    let server = Server::start(answers).await;
    let made = system(Way::Incident, &decides(), &server.origin, QUICK);
    (server, made)
}

#[tokio::test]
async fn a_condition_that_is_not_obeyed_is_refused_and_so_is_a_field_that_is_hidden() {
    let mut hidden = row("1", KEY);
    hidden.as_object_mut().unwrap().remove("correlation_id");
    for (rows, class, what) in [
        (json!([row("1", KEY), row("1", OTHER_KEY)]), Class::Config, "without it"),
        (json!([row("1", "")]), Class::Config, "without it"),
        (json!([hidden]), Class::Auth, "may not read the field correlation_id"),
    ] {
        let (_server, system) = incidents(move |_| result(200, &rows)).await;
        let error = system.find(&key()).await.unwrap_err();
        assert_eq!(error.class, class, "{error}");
        assert!(error.said.contains(what), "{error}");
    }
    // Nothing is found, and nothing would be.
    let (_server, system) = incidents(move |asked| match parameter(asked, "sysparm_query") {
        Some(_) => result(200, &json!([])),
        None => result(200, &json!([{ "sys_id": ID, "number": "INC1" }])),
    })
    .await;
    assert_eq!(system.find(&key()).await.unwrap_err().class, Class::Auth);
    assert_eq!(system.preflight().await.unwrap_err().class, Class::Auth);
    let (_server, system) = incidents(|_| result(200, &json!([]))).await;
    assert!(system.find(&key()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_instance_that_sleeps_has_taken_nothing_for_sure() {
    let asleep = |_: &Asked| {
        with(Response::new(Body::from("<html>hibernating</html>")), "content-type", "text/html")
    };
    let (_server, system) = incidents(asleep).await;
    let opened = system.open(&said(MessageKind::Opened, 1)).await;
    assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
    assert_eq!(system.find(&key()).await.unwrap_err().class, Class::Transient);
}

#[tokio::test]
async fn a_record_that_does_not_show_our_key_is_given_it_once_and_never_opened_again() {
    // The rule takes the key from new records only.
    let (server, system) = incidents(|asked| {
        let opens = asked.line.starts_with("POST");
        if opens { result(201, &row("1", "")) } else { result(200, &row("1", KEY)) }
    })
    .await;
    assert_eq!(system.open(&said(MessageKind::Opened, 1)).await.unwrap().human, "INC0010023");
    assert_eq!(server.lines("PATCH").len(), 1);
    // It takes it from all.
    let (server, system) = incidents(|asked| {
        result(if asked.line.starts_with("POST") { 201 } else { 200 }, &row("1", ""))
    })
    .await;
    let error = system.open(&said(MessageKind::Opened, 1)).await.unwrap_err();
    assert_eq!(error.class, Class::Gone);
    assert!(error.said.contains("INC0010023") && error.said.contains(KEY), "{error}");
    assert_eq!(server.lines("POST").len(), 1);
    // The answer is about a ticket of another case.
    let (server, system) = incidents(|_| result(201, &row("1", OTHER_KEY))).await;
    let opened = system.open(&said(MessageKind::Opened, 1)).await;
    assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
    assert!(server.lines("PATCH").is_empty());
}

#[tokio::test]
async fn what_was_opened_without_an_answer_is_found() {
    for way in [Way::Incident, Way::Import] {
        let rows = Mutex::new(Vec::new());
        let server = Server::start(move |asked| {
            let mut rows = rows.lock().unwrap();
            if asked.line.starts_with("GET") {
                return result(200, &json!(*rows));
            }
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            let id = body.get("correlation_id").or(body.get("u_correlation_id"));
            rows.push(row("1", id.unwrap().as_str().unwrap()));
            endless()
        })
        .await;
        let system = system(way, &Common::default(), &server.origin, SHORT);
        let opened = system.open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
        assert_eq!(system.find(&key()).await.unwrap()[0].at.id, ID);
    }
}

#[tokio::test]
async fn nothing_is_written_to_a_record_of_another_key() {
    let (server, system) = incidents(|_| result(200, &row("1", OTHER_KEY))).await;
    let update = said(MessageKind::Updated, 2);
    for ended in [
        system.comment(&at(ID), &update).await,
        system.close(&at(ID), &update).await,
        system.reopen(&at(ID), &update).await,
    ] {
        assert_eq!(ended.unwrap_err().class, Class::Gone);
    }
    assert!(server.lines("PATCH").is_empty());
}

#[tokio::test]
async fn a_record_is_gone_only_for_a_user_who_sees_others() {
    for (others, class) in [(json!([row("1", "")]), Class::Gone), (json!([]), Class::Auth)] {
        let (_server, system) = incidents(move |asked| {
            let why = "Record doesn't exist or ACL restricts the record retrieval";
            if asked.line.contains(ID) { failure(404, why) } else { result(200, &others) }
        })
        .await;
        assert_eq!(system.read(&at(ID)).await.unwrap_err().class, class);
    }
}

#[tokio::test]
async fn what_a_rule_forbids_is_no_matter_of_rights() {
    for (detail, class) in [
        ("Operation against file 'incident' was aborted by Business Rule 'X'", Class::Config),
        ("Data Policy Exception: these fields are mandatory", Class::Config),
        ("User Not Authorized", Class::Auth),
    ] {
        let (_server, system) = incidents(move |_| failure(403, detail)).await;
        let opened = system.open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, class, "{detail}");
    }
}

#[tokio::test]
async fn a_closed_incident_is_left_alone_and_another_one_takes_its_place() {
    let (server, system) = incidents(|asked| match parameter(asked, "sysparm_query") {
        Some(_) => result(200, &json!([row("7", KEY)])),
        None => result(200, &row("7", KEY)),
    })
    .await;
    assert!(system.find(&key()).await.unwrap().is_empty());
    let update = said(MessageKind::Updated, 2);
    assert_eq!(system.comment(&at(ID), &update).await.unwrap_err().class, Class::Gone);
    assert_eq!(system.reopen(&at(ID), &update).await.unwrap_err().class, Class::Gone);
    // What is over needs no ticket any more.
    let last = said(MessageKind::Closed, 3);
    system.comment(&at(ID), &last).await.unwrap();
    system.close(&at(ID), &last).await.unwrap();
    assert!(server.lines("PATCH").is_empty());
}

#[tokio::test]
async fn a_state_that_is_not_taken_is_no_end() {
    let (_server, system) = incidents(|_| result(200, &row("1", KEY))).await;
    let error = system.close(&at(ID), &said(MessageKind::Closed, 3)).await.unwrap_err();
    assert_eq!(error.class, Class::Config);
    assert!(error.said.contains("did not take the state 6"), "{error}");
    // Nor is a state that cannot be seen.
    let mut blind = row("1", KEY);
    blind.as_object_mut().unwrap().remove("state");
    let (_server, system) = incidents(move |_| result(200, &blind)).await;
    assert_eq!(system.read(&at(ID)).await.unwrap_err().class, Class::Auth);
}

fn asked_for(approval: &str, approvers: Value) -> impl Fn(&Asked) -> Response + use<> {
    let mut record = row("18", KEY);
    record["approval"] = json!(approval);
    move |asked| {
        if !asked.line.contains("sysapproval_approver") {
            return result(200, &record);
        }
        let hidden = approvers.is_null();
        if hidden { failure(403, "User Not Authorized") } else { result(200, &approvers) }
    }
}

fn approver(record: &str, state: &str) -> Value {
    json!({
        "sysapproval": record, "state": state, "approver": OTHER_ID,
        "approver.user_name": "fred.luddy", "approver.email": "fred@woodgrove.example",
    })
}

#[tokio::test]
async fn an_approval_counts_if_somebody_has_given_it_and_is_theirs_alone() {
    let everybody = [OTHER_ID, "fred.luddy", "fred@woodgrove.example"].as_slice();
    for (approval, approvers, states, by) in [
        ("approved", json!([approver(ID, "approved")]), "approval:approved", everybody),
        ("rejected", json!([approver(ID, "rejected")]), "approval:rejected", everybody),
        // Refusal needs nobody's name.
        ("rejected", json!(null), "approval:rejected", &[]),
        // A rule has approved it, or whoever may write the field, or the list is another's.
        ("approved", json!([]), "18", &[]),
        ("approved", json!(null), "18", &[]),
        ("approved", json!([approver(OTHER_ID, "approved")]), "18", &[]),
        ("approved", json!([approver(ID, "requested")]), "18", &[]),
        ("requested", json!([approver(ID, "approved")]), "18", &[]),
        ("not requested", json!([]), "18", &[]),
    ] {
        let (_server, system) = incidents(asked_for(approval, approvers.clone())).await;
        let standing = system.read(&at(ID)).await.unwrap();
        assert_eq!(standing.states, [states], "{approval} {approvers}");
        assert_eq!(standing.by, by, "{approval} {approvers}");
        assert!(standing.open);
    }
}

#[tokio::test]
async fn a_state_that_is_called_like_an_approval_is_none() {
    let (_server, system) = incidents(|_| result(200, &row("approval:approved", KEY))).await;
    let standing = system.read(&at(ID)).await.unwrap();
    assert!(standing.states.is_empty() && standing.by.is_empty(), "{standing:?}");
}

#[tokio::test]
async fn a_priority_is_an_impact_and_an_urgency() {
    let (server, system) = incidents(|asked| serve(Way::Incident, Call::Comment, asked)).await;
    let mut update = said(MessageKind::Updated, 2);
    update.severity = Severity::Critical;
    update.priority = Some("1/2".to_owned());
    system.comment(&at(ID), &update).await.unwrap();
    let written: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
    assert_eq!(written["impact"], "1");
    // It is so already.
    assert_eq!(written.get("urgency"), None);
    for wrong in ["1", "1/", "0/1", "1/2/3", "high"] {
        update.priority = Some(wrong.to_owned());
        let error = system.comment(&at(ID), &update).await.unwrap_err();
        assert_eq!(error.class, Class::Config, "{wrong}");
    }
}

#[tokio::test]
async fn an_import_is_what_its_transform_map_made_of_it() {
    let transformed = |status: &str| json!([{ "table": "incident", "status": status, "status_message": "Row\u{202e}ignored" }]);
    for (call, made, rows, class, what) in [
        (Call::Open, "ignored", json!([]), Class::Config, "did not take it (ignored): Row"),
        (Call::Open, "error", json!([]), Class::Config, "did not take it (error)"),
        (Call::Open, "inserted", json!([]), Class::Ambiguous, "has no record with our key"),
        (Call::Open, "pending", json!([]), Class::Ambiguous, "does not say"),
        (Call::Comment, "inserted", json!([row("1", KEY)]), Class::Config, "has to coalesce"),
        (Call::Close, "updated", json!([row("1", KEY)]), Class::Config, "did not take the state"),
    ] {
        let done = transformed(made);
        let server = Server::start(move |asked| match asked.line.as_str() {
            line if line.starts_with("POST") => result(201, &done),
            line if line.contains(ID) => result(200, &row("1", KEY)),
            _ => result(200, &rows),
        })
        .await;
        let system = system(Way::Import, &Common::default(), &server.origin, QUICK);
        let ended = if call == Call::Open {
            system.open(&said(MessageKind::Opened, 1)).await.map(drop)
        } else if call == Call::Close {
            system.close(&at(ID), &said(MessageKind::Closed, 3)).await
        } else {
            system.comment(&at(ID), &said(MessageKind::Updated, 2)).await
        };
        let error = ended.unwrap_err();
        assert_eq!(error.class, class, "{call:?} {made}: {error}");
        assert!(error.said.contains(what), "{call:?} {made}: {error}");
        assert!(!error.said.contains('\u{202e}'));
    }
}

#[tokio::test]
async fn what_was_said_is_known_by_its_mark_where_notes_can_be_seen() {
    for (notes, known) in [
        (json!(format!("2026-11-25 - Warden (Work notes)\nso\n{KEY} #2")), Some(true)),
        (json!(format!("2026-11-25 - Warden (Work notes)\nso\n{KEY} #20")), Some(false)),
        (json!(""), None),
        (json!(null), None),
    ] {
        let (_server, system) =
            incidents(move |_| result(200, &json!({ "sys_id": ID, "work_notes": notes }))).await;
        let said = system.has_said(&at(ID), &format!("{KEY} #2")).await.unwrap();
        assert_eq!(said, known);
    }
}

#[tokio::test]
async fn what_is_said_where_tokens_come_from_is_not_repeated() {
    let echo = json!({ "error": "invalid_client", "message": "not so: client_secret=s3cret" });
    let server = Server::start(move |_| answer(401, &echo)).await;
    let system = system(Way::Security, &Common::default(), &server.origin, QUICK);
    let error = system.preflight().await.unwrap_err();
    assert_eq!(error.class, Class::Auth);
    assert!(!error.said.contains("s3cret"), "{error}");
    let server = Server::start(|_| status(500)).await;
    let system = self::system(Way::Security, &Common::default(), &server.origin, QUICK);
    assert_eq!(system.preflight().await.unwrap_err().class, Class::Transient);
}
