//! Jira as a strict fake, in the cloud, in a data center and as a service desk.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;

use super::*;
use crate::adapters::http::Http;
use crate::adapters::http::Patience;
use crate::adapters::testing::{Asked, QUICK, Server, status, with};
use crate::adapters::ticket::SLOW;
use crate::adapters::ticket::testing::{
    Call, Described, KEY, OTHER_KEY, SHORT, Trial, answer, at, key, made, said,
};
use crate::domain::id::SinkName;
use crate::domain::sink::Common;
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::link::ATTEMPT;

/// Which of the three Jiras it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Cloud,
    DataCenter,
    Desk,
}

fn settings(which: Which, origin: &Url) -> sink::Jira {
    let mut settings = json!({ "edition": "cloud", "url": origin, "project": "SEC" });
    match which {
        Which::Cloud => {
            settings["email"] = "warden@woodgrove.example".into();
            settings["issueType"] = "Task".into();
        }
        Which::DataCenter => {
            settings["edition"] = "data-center".into();
            settings["issueType"] = "10001".into();
        }
        Which::Desk => {
            settings["serviceDesk"] = "1".into();
            settings["requestType"] = "10".into();
        }
    }
    serde_json::from_value(settings).unwrap()
}

fn common() -> Common {
    let decide = Decides {
        approve: vec!["Go".into(), "approval:approved".into()],
        refuse: vec!["No go".into(), "approval:declined".into()],
        by: Vec::new(),
    };
    Common { decide, ..Common::default() }
}

fn with_common(which: Which, origin: &Url, patience: Patience, common: &Common) -> Jira {
    let settings = settings(which, origin);
    made(common, &[("token", "s3cret")], patience, |making| Jira::new(&settings, making))
}

fn jira(which: Which, origin: &Url, patience: Patience) -> Jira {
    with_common(which, origin, patience, &common())
}

fn state(id: &str, name: &str, category: &str) -> Value {
    json!({ "id": id, "name": name, "statusCategory": { "id": 1, "key": category, "name": "x" } })
}

fn open_state() -> Value {
    state("1", "Zu erledigen", "new")
}

fn done_state() -> Value {
    state("3", "Fertig", "done")
}

fn issue(status: &Value, labels: &[&str]) -> Value {
    json!({
        "id": "10017",
        "key": "SEC-17",
        "self": "https://jira.example/rest/api/3/issue/10017",
        "fields": {
            "status": status,
            "labels": labels,
            "priority": { "id": "3", "name": "Medium" },
            "creator": { "accountId": "5b10", "displayName": "Warden" },
            "description": null,
        },
    })
}

fn field(id: &str, required: bool, default: bool) -> Value {
    json!({ "fieldId": id, "key": id, "name": id, "required": required,
            "hasDefaultValue": default, "operations": ["set"] })
}

fn fields_of_screen() -> Vec<Value> {
    let fields = [("summary", true), ("project", true), ("issuetype", true), ("reporter", true)];
    let fields = fields.into_iter().map(|(id, required)| field(id, required, false));
    let more = [field("description", false, false), field("labels", false, false)];
    fields.chain(more).chain([field("customfield_1", true, true)]).collect()
}

fn fields_of_form() -> Vec<Value> {
    let field = |id: &str| json!({ "fieldId": id, "name": id, "required": id == "summary" });
    ["summary", "description"].map(field).to_vec()
}

fn transitions() -> Value {
    json!({ "transitions": [
        { "id": "11", "name": "los", "to": state("7", "Go", "done") },
        { "id": "21", "name": "beenden", "to": done_state() },
        { "id": "31", "name": "zurück", "to": open_state() },
    ] })
}

/// As strict as Jira where it matters: the credential, the paths of the edition, and the shape of
/// texts.
fn serve(which: Which, call: Call, asked: &Asked) -> Response {
    let credential = match which {
        Which::Cloud => "Basic d2FyZGVuQHdvb2Rncm92ZS5leGFtcGxlOnMzY3JldA==",
        Which::DataCenter | Which::Desk => "Bearer s3cret",
    };
    if asked.authorization.as_deref() != Some(credential) {
        return answer(401, &json!({ "errorMessages": ["Unauthorized"] }));
    }
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let api = if which == Which::DataCenter { "/rest/api/2/" } else { "/rest/api/3/" };
    let text = |value: &Value| match which {
        Which::DataCenter => value.is_string(),
        Which::Cloud | Which::Desk => value["type"] == "doc" && value["version"] == 1,
    };
    let line = asked.line.replacen(api, "/", 1);
    let standing = if call == Call::Reopen { done_state() } else { open_state() };
    let fields = &body["fields"];
    let form = &body["requestFieldValues"];
    match line.split('?').next().unwrap_or_default() {
        "GET /myself" => answer(200, &json!({ "accountId": "5b10" })),
        "GET /mypermissions" => {
            let all =
                NEEDED.map(|it| (it.to_owned(), json!({ "key": it, "havePermission": true })));
            answer(200, &json!({ "permissions": Map::from_iter(all) }))
        }
        "GET /project/SEC" => {
            answer(200, &json!({ "key": "SEC", "issueTypes": [{ "id": "10001", "name": "Task" }] }))
        }
        "GET /issue/createmeta/SEC/issuetypes/10001" => {
            let name = if which == Which::DataCenter { "values" } else { "fields" };
            answer(
                200,
                &json!({ name: fields_of_screen(), "startAt": 0, "maxResults": 200, "total": 7 }),
            )
        }
        "GET /rest/servicedeskapi/servicedesk/1" => {
            answer(200, &json!({ "id": "1", "projectKey": "SEC" }))
        }
        "GET /rest/servicedeskapi/servicedesk/1/requesttype/10/field" => answer(
            200,
            &json!({ "requestTypeFields": fields_of_form(), "canRaiseOnBehalfOf": true }),
        ),
        "POST /search/jql" if which != Which::DataCenter && body["fields"].is_array() => {
            answer(200, &json!({ "issues": [issue(&standing, &[KEY])], "isLast": true }))
        }
        "POST /search" if which == Which::DataCenter => {
            answer(200, &json!({ "issues": [issue(&standing, &[KEY])], "total": 1 }))
        }
        "POST /issue"
            if which != Which::Desk
                && fields["project"]["key"] == "SEC"
                && fields["labels"][0] == KEY
                && text(&fields["description"]) =>
        {
            answer(201, &json!({ "id": "10017", "key": "SEC-17", "self": "https://j.example/1" }))
        }
        "POST /rest/servicedeskapi/request"
            if body["isAdfRequest"] == true && text(&form["description"]) =>
        {
            answer(201, &json!({ "issueId": "10017", "issueKey": "SEC-17" }))
        }
        "PUT /issue/10017" if body["update"]["labels"][0]["add"] == KEY => status(204),
        "GET /issue/10017" => answer(200, &issue(&standing, &["more", KEY])),
        "POST /issue/10017/comment" if which != Which::Desk && text(&body["body"]) => {
            answer(201, &json!({ "id": "1", "body": body["body"] }))
        }
        "POST /rest/servicedeskapi/request/10017/comment"
            if body["public"] == false && body["body"].is_string() =>
        {
            answer(201, &json!({ "id": "1" }))
        }
        "GET /rest/servicedeskapi/request/10017/approval" => {
            answer(200, &json!({ "values": [], "isLastPage": true }))
        }
        "GET /issue/10017/comment" => answer(200, &json!({ "comments": [], "total": 0 })),
        "GET /issue/10017/transitions" => answer(200, &transitions()),
        "POST /issue/10017/transitions"
            if body["transition"]["id"] == if call == Call::Reopen { "31" } else { "21" } =>
        {
            status(204)
        }
        _ => answer(400, &json!({ "errorMessages": ["no such call"], "errors": {} })),
    }
}

/// What comes after an issue is there is not known to have failed.
const AFTER_OPENING: &[(Call, &str, Class)] = &[(Call::Open, "at request 1", Class::Ambiguous)];
const AFTER_ASKING: &[(Call, &str, Class)] = &[
    (Call::Open, "at request 1", Class::Ambiguous),
    (Call::Open, "at request 2", Class::Ambiguous),
];

async fn tried(which: Which) {
    let trial = Trial {
        make: |origin, patience| Box::new(jira(which, &origin, patience)) as Box<dyn TicketSystem>,
        serve: move |call, asked: &Asked| serve(which, call, asked),
        id: "10017",
        also_read: &["/search"],
        other: if which == Which::Desk { AFTER_ASKING } else { AFTER_OPENING },
    };
    trial.run().await;
}

#[tokio::test]
async fn every_answer_that_is_none_is_sorted_in_the_cloud() {
    tried(Which::Cloud).await;
}

#[tokio::test]
async fn every_answer_that_is_none_is_sorted_in_a_data_center() {
    tried(Which::DataCenter).await;
}

#[tokio::test]
async fn every_answer_that_is_none_is_sorted_at_a_service_desk() {
    tried(Which::Desk).await;
}

#[tokio::test]
async fn only_issues_that_bear_the_key_are_found() {
    let server = Server::start(|_| {
        let found = [issue(&open_state(), &[OTHER_KEY]), issue(&done_state(), &[KEY])];
        answer(200, &json!({ "issues": found }))
    })
    .await;
    let found = jira(Which::Cloud, &server.origin, QUICK).find(&key()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(!found[0].standing.open);
    assert_eq!((found[0].at.id.as_str(), found[0].at.human.as_str()), ("10017", "SEC-17"));
}

#[tokio::test]
async fn nothing_found_or_not_there_is_believed_only_where_jira_knows_us() {
    let server = Server::start(|asked| match asked.line.as_str() {
        "GET /rest/api/3/myself" => status(401),
        "POST /rest/api/3/search/jql" => answer(200, &json!({ "issues": [] })),
        _ => status(404),
    })
    .await;
    let jira_here = jira(Which::Cloud, &server.origin, QUICK);
    assert_eq!(jira_here.find(&key()).await.unwrap_err().class, Class::Auth);
    assert_eq!(jira_here.read(&at("10017")).await.unwrap_err().class, Class::Auth);
    let server = Server::start(|asked| match asked.line.as_str() {
        "GET /rest/api/3/myself" => answer(200, &json!({ "accountId": "5b10" })),
        _ => status(404),
    })
    .await;
    let gone = jira(Which::Cloud, &server.origin, QUICK).read(&at("10017")).await;
    assert_eq!(gone.unwrap_err().class, Class::Gone);
}

#[tokio::test]
async fn an_issue_of_another_key_is_neither_taken_for_the_one_opened_nor_written_to() {
    let server = Server::start(|asked| {
        if asked.line == "POST /rest/api/3/issue" {
            return answer(201, &json!({ "id": "10017", "key": "SEC-17" }));
        }
        answer(200, &issue(&open_state(), &[OTHER_KEY]))
    })
    .await;
    let jira = jira(Which::Cloud, &server.origin, QUICK);
    let opened = jira.open(&said(MessageKind::Opened, 1)).await;
    assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
    let before = server.lines("POST").len();
    let closing = said(MessageKind::Closed, 3);
    for ended in
        [jira.comment(&at("10017"), &closing).await, jira.close(&at("10017"), &closing).await]
    {
        assert_eq!(ended.unwrap_err().class, Class::Gone);
    }
    assert_eq!(server.lines("POST").len(), before);
}

#[tokio::test]
async fn without_its_label_an_issue_is_known_by_its_text_if_it_is_from_us() {
    for (creator, count) in [("5b10", 1), ("somebody", 0)] {
        let server = Server::start(move |asked| {
            if asked.line.ends_with("/myself") {
                return answer(200, &json!({ "accountId": "5b10" }));
            }
            let mut found = issue(&open_state(), &[]);
            found["fields"]["description"] = json!({ "text": format!("{KEY} #1") });
            found["fields"]["creator"]["accountId"] = creator.into();
            answer(200, &json!({ "issues": [found] }))
        })
        .await;
        let found = jira(Which::Desk, &server.origin, QUICK).find(&key()).await.unwrap();
        assert_eq!(found.len(), count, "{creator}");
        // An issue of a project has its label from the beginning. Where somebody has tidied it
        // away, it is still ours; a search that brings those of others only is not believed.
        let found = jira(Which::Cloud, &server.origin, QUICK).find(&key()).await;
        match count {
            0 => assert_eq!(found.unwrap_err().class, Class::Transient),
            count => assert_eq!(found.unwrap().len(), count),
        }
    }
}

/// A history in which somebody gave the status `to`.
fn given(id: &str, who: &str, to: &str) -> Value {
    json!({ "id": id, "author": { "accountId": who, "displayName": "boss" },
            "items": [{ "field": "labels" }, { "field": "status", "to": to }] })
}

#[tokio::test]
async fn only_those_who_were_asked_approve_a_request() {
    // As the documentation of the API shows it.
    let approval = |decision: &str| {
        json!({
            "id": "1",
            "name": "Please approve this request",
            "finalDecision": decision,
            "canAnswerApproval": false,
            "approvers": [
                { "approver": { "accountId": "boss", "emailAddress": "boss@woodgrove.example",
                                "displayName": "The boss", "active": true },
                  "approverDecision": decision },
                { "approver": { "accountId": "idle" }, "approverDecision": "pending" },
            ],
            "createdDate": { "iso8601": "2026-11-23T12:00:00+0000", "epochMillis": 1 },
        })
    };
    let (yes, no, open) = (approval("approved"), approval("declined"), approval("pending"));
    for (values, states, by) in [
        (json!([yes]), json!(["approval:approved"]), json!(["boss", "boss@woodgrove.example"])),
        (json!([yes, no]), json!(["approval:declined"]), json!(["boss", "boss@woodgrove.example"])),
        (
            json!([no, open]),
            json!(["approval:declined"]),
            json!(["boss", "boss@woodgrove.example"]),
        ),
        (json!([yes, open]), json!(["9", "Waiting"]), json!(["mover"])),
        (json!([yes, approval("canceled")]), json!(["9", "Waiting"]), json!(["mover"])),
        (json!([]), json!(["9", "Waiting"]), json!(["mover"])),
    ] {
        let server = Server::start(move |asked| {
            if asked.line.contains("/approval") {
                return answer(200, &json!({ "values": values, "isLastPage": true }));
            }
            let mut found = issue(&state("9", "Waiting", "indeterminate"), &[KEY]);
            found["changelog"] = json!({ "histories": [given("1", "mover", "9")] });
            answer(200, &found)
        })
        .await;
        let read = jira(Which::Desk, &server.origin, QUICK).read(&at("10017")).await.unwrap();
        assert_eq!((json!(read.states), json!(read.by)), (states, by));
    }
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_approved_whoever_approved_it() {
    let server = Server::start(|asked| {
        if asked.line.contains("/approval") {
            let yes = json!({ "finalDecision": "approved", "approvers": [
                { "approver": { "accountId": "boss" }, "approverDecision": "approved" },
            ] });
            return answer(200, &json!({ "values": [yes], "isLastPage": true }));
        }
        let mut found = issue(&state("8", "No go", "done"), &[KEY]);
        found["changelog"] = json!({ "histories": [given("1", "guard", "8")] });
        answer(200, &found)
    })
    .await;
    let read = jira(Which::Desk, &server.origin, QUICK).read(&at("10017")).await.unwrap();
    assert_eq!(read.states, ["8", "No go"]);
    assert_eq!(read.by, ["guard"]);
}

#[tokio::test]
async fn approvals_of_which_not_all_are_seen_approve_nothing() {
    let server = Server::start(|asked| {
        if asked.line.contains("/approval") {
            let yes = json!({ "finalDecision": "approved", "approvers": [] });
            return answer(200, &json!({ "values": [yes], "isLastPage": false }));
        }
        answer(200, &issue(&open_state(), &[KEY]))
    })
    .await;
    let read = jira(Which::Desk, &server.origin, QUICK).read(&at("10017")).await.unwrap();
    assert!(read.states.is_empty() && read.by.is_empty(), "{read:?}");
}

#[tokio::test]
async fn who_gave_an_issue_its_status_is_who_did_it_last_and_to_that_status() {
    let other = json!({ "id": "12", "author": { "accountId": "x" },
                        "items": [{ "field": "labels", "to": "" }] });
    for (histories, states, by) in [
        (json!([given("9", "first", "7"), other, given("10", "last", "7")]), 2, vec!["last"]),
        // It was moved on since, and that is not shown yet: what it was given is not this status.
        (json!([given("9", "first", "7"), given("10", "last", "3")]), 0, vec![]),
        // It began with this status, so nobody has decided.
        (json!([other]), 0, vec![]),
    ] {
        let server = Server::start(move |_| {
            let mut found = issue(&state("7", "Go", "done"), &[KEY]);
            found["changelog"] = json!({ "histories": histories });
            answer(200, &found)
        })
        .await;
        let read = jira(Which::Cloud, &server.origin, QUICK).read(&at("10017")).await.unwrap();
        assert!(!read.open);
        assert_eq!(read.states, &["7", "Go"][..states]);
        assert_eq!(read.by, by);
        assert!(server.lines("changelog").len() == 1);
    }
}

/// An answer that comes late.
fn slowly(body: &Value) -> Response {
    let body = Bytes::from(body.to_string());
    let late = async move {
        tokio::time::sleep(2 * SHORT.total).await;
        Ok::<_, std::io::Error>(body)
    };
    let mut response = with(
        Response::new(Body::from_stream(futures_util::stream::once(late))),
        "content-type",
        "application/json",
    );
    *response.status_mut() = http::StatusCode::CREATED;
    response
}

#[tokio::test]
async fn jira_may_take_its_time_to_change_something_and_less_to_be_read() {
    let server = Server::start(|asked| match asked.line.as_str() {
        "POST /rest/api/3/issue" => slowly(&json!({ "id": "10017", "key": "SEC-17" })),
        line if line.contains("/project/") => slowly(&json!({})),
        line if line.contains("/mypermissions") => {
            let all = NEEDED.map(|it| (it.to_owned(), json!({ "havePermission": true })));
            answer(200, &json!({ "permissions": Map::from_iter(all) }))
        }
        line if line.contains("/myself") => answer(200, &json!({ "accountId": "5b10" })),
        _ => answer(200, &issue(&open_state(), &[KEY])),
    })
    .await;
    let (http, common) = (Http::new(SHORT).unwrap(), Common::default());
    let name = SinkName("security".to_owned());
    let secrets = [("token".to_owned(), Secret::new("s3cret"))].into();
    let slow = 20 * SHORT.total;
    let making = Making { name: &name, common: &common, secrets, http: &http, slow };
    let jira = Jira::new(&settings(Which::Cloud, &server.origin), &making).unwrap();
    let opened = jira.open(&said(MessageKind::Opened, 1)).await.unwrap();
    assert_eq!(opened.human, "SEC-17");
    assert_eq!(jira.preflight().await.unwrap_err().class, Class::Transient);
}

#[test]
fn an_attempt_is_over_before_another_one_begins() {
    // A search, who we are, the issue; its creation and its label.
    let whole = 3 * Patience::default().total + 2 * SLOW;
    assert!(whole < Duration::try_from(ATTEMPT).unwrap(), "{whole:?}");
    assert!(SLOW >= Duration::from_mins(1));
}

#[tokio::test]
async fn what_a_new_ticket_needs_is_seen_before_one_is_opened() {
    let asks = |which: Which, more: Value, common: &Common| {
        let common = common.clone();
        async move {
            let server = Server::start(move |asked| {
                let with_more = |mut fields: Vec<Value>| {
                    fields.extend(more.as_array().unwrap().iter().cloned());
                    fields
                };
                if asked.line.contains("/createmeta/") {
                    return answer(200, &json!({ "fields": with_more(fields_of_screen()) }));
                }
                if asked.line.ends_with("/field") {
                    return answer(
                        200,
                        &json!({ "requestTypeFields": with_more(fields_of_form()) }),
                    );
                }
                serve(which, Call::Preflight, asked)
            })
            .await;
            with_common(which, &server.origin, QUICK, &common).preflight().await
        }
    };
    let fields = [("customfield_7".to_owned(), json!("x"))].into();
    let with_field = Common { fields, ..Common::default() };
    let priority = [(crate::domain::finding::Severity::High, "1".to_owned())].into();
    let with_priority = Common { priority, ..Common::default() };
    for which in [Which::Cloud, Which::Desk] {
        let here = json!([field("customfield_7", true, false)]);
        let error = asks(which, here.clone(), &Common::default()).await.unwrap_err();
        assert_eq!(error.class, Class::Config);
        assert!(error.said.contains("customfield_7"), "{error}");
        asks(which, here, &with_field).await.unwrap();
        let error = asks(which, json!([]), &with_field).await.unwrap_err();
        assert!(error.said.contains("customfield_7"), "{error}");
    }
    let error = asks(Which::Cloud, json!([]), &with_priority).await.unwrap_err();
    assert!(error.said.contains("priority"), "{error}");
    // A request gets its priority after it was opened.
    asks(Which::Desk, json!([]), &with_priority).await.unwrap();
}

#[tokio::test]
async fn a_project_that_is_not_there_is_believed_only_where_jira_knows_us() {
    for (known, class) in [(401, Class::Auth), (200, Class::Config)] {
        let server = Server::start(move |asked| match asked.line.as_str() {
            "GET /rest/api/3/myself" => answer(known, &json!({ "accountId": "5b10" })),
            _ => answer(
                400,
                &json!({ "errorMessages": [
                "The value 'SEC' does not exist for the field 'project'."], "errors": {} }),
            ),
        })
        .await;
        let jira = jira(Which::Cloud, &server.origin, QUICK);
        assert_eq!(jira.find(&key()).await.unwrap_err().class, class);
        let opened = jira.open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, class);
    }
}

#[tokio::test]
async fn every_request_and_answer_is_as_the_published_description_has_it() {
    let published = include_str!("../../../../tests/data/published/jira-cloud.json");
    let described = Arc::new(Described::new(published));
    for which in [Which::Cloud, Which::Desk] {
        let make = |origin: &Url| Box::new(jira(which, origin, QUICK)) as Box<dyn TicketSystem>;
        described.follow(make, move |call, asked: &Asked| serve(which, call, asked), "10017").await;
    }
    assert_eq!(described.unseen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_ticket_that_is_ended_is_left_so_and_two_ends_are_not_guessed_between() {
    let closing = said(MessageKind::Closed, 3);
    let server = Server::start(|_| answer(200, &issue(&done_state(), &[KEY]))).await;
    jira(Which::Cloud, &server.origin, QUICK).close(&at("10017"), &closing).await.unwrap();
    assert!(server.lines("POST").is_empty());
    let server = Server::start(|asked| {
        if !asked.line.contains("transitions") {
            return answer(200, &issue(&open_state(), &[KEY]));
        }
        let mut two = transitions();
        let more = json!({ "id": "41", "to": state("4", "Verworfen", "done") });
        two["transitions"].as_array_mut().unwrap().push(more);
        answer(200, &two)
    })
    .await;
    let error = jira(Which::Cloud, &server.origin, QUICK).close(&at("10017"), &closing).await;
    let error = error.unwrap_err();
    assert_eq!(error.class, Class::Config);
    assert!(error.said.contains("closeStatus"), "{error}");
    assert!(server.lines("POST").is_empty());
}

#[tokio::test]
async fn what_was_said_is_seen_in_either_markup() {
    let said = said(MessageKind::Updated, 2);
    for (which, body) in
        [(Which::Cloud, adf(&said.text)), (Which::DataCenter, wiki(&said.text).into())]
    {
        let server =
            Server::start(move |_| answer(200, &json!({ "comments": [{ "body": body }] }))).await;
        let jira = jira(which, &server.origin, QUICK);
        let has = async |mark: &str| jira.has_said(&at("10017"), mark).await.unwrap();
        assert_eq!(has(&said.mark()).await, Some(true), "{which:?}");
        assert_eq!(has(&format!("{KEY} #1")).await, Some(false), "{which:?}");
    }
}
