//! Jira as a strict fake, in the cloud, in a data center and as a service desk.

use axum::response::Response;

use super::*;
use crate::adapters::http::Patience;
use crate::adapters::testing::{Asked, QUICK, Server, status};
use crate::adapters::ticket::testing::{Call, KEY, OTHER_KEY, Trial, answer, at, key, made, said};
use crate::domain::sink::Common;
use crate::domain::ticket::MessageKind;

/// Which of the three Jiras it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Cloud,
    DataCenter,
    Desk,
}

fn jira(which: Which, origin: &Url, patience: Patience) -> Jira {
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
    let settings = serde_json::from_value(settings).unwrap();
    let decide = Decides { approve: vec!["Go".into(), "approved".into()], ..Decides::default() };
    let common = Common { decide, ..Common::default() };
    made(&common, &[("token", "s3cret")], patience, |making| Jira::new(&settings, making))
}

fn state(id: &str, name: &str, category: &str) -> Value {
    json!({ "id": id, "name": name, "statusCategory": { "id": 1, "key": category } })
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
            let all = NEEDED.map(|it| (it.to_owned(), json!({ "havePermission": true })));
            answer(200, &json!({ "permissions": Map::from_iter(all) }))
        }
        "GET /project/SEC" => {
            answer(200, &json!({ "key": "SEC", "issueTypes": [{ "id": "10001", "name": "Task" }] }))
        }
        "GET /rest/servicedeskapi/servicedesk/1" => {
            answer(200, &json!({ "id": "1", "projectKey": "SEC" }))
        }
        "GET /rest/servicedeskapi/servicedesk/1/requesttype/10" => {
            answer(200, &json!({ "id": "10" }))
        }
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
            answer(201, &json!({ "id": "1" }))
        }
        "POST /rest/servicedeskapi/request/10017/comment"
            if body["public"] == false && body["body"].is_string() =>
        {
            answer(201, &json!({ "id": "1" }))
        }
        "GET /rest/servicedeskapi/request/10017/approval" => answer(200, &json!({ "values": [] })),
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
async fn a_request_without_its_label_is_found_by_its_text_if_it_is_from_us() {
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
        // An issue of a project has its label from the beginning.
        let found = jira(Which::Cloud, &server.origin, QUICK).find(&key()).await.unwrap();
        assert_eq!(found.len(), 0, "{creator}");
    }
}

#[tokio::test]
async fn only_those_who_were_asked_approve_a_request() {
    let approval = |decision: &str| {
        json!({
            "finalDecision": decision,
            "approvers": [
                { "approver": { "accountId": "boss" }, "approverDecision": decision },
                { "approver": { "accountId": "idle" }, "approverDecision": "pending" },
            ],
        })
    };
    let (yes, no, open) = (approval("approved"), approval("declined"), approval("pending"));
    for (values, states, by) in [
        (json!([yes]), json!(["approved", "approval:approved"]), json!(["boss"])),
        (json!([yes, no]), json!(["declined", "approval:declined"]), json!(["boss"])),
        (json!([no, open]), json!(["declined", "approval:declined"]), json!(["boss"])),
        (json!([yes, open]), json!(["9"]), json!([])),
        (json!([]), json!(["9"]), json!([])),
    ] {
        let server = Server::start(move |asked| {
            if asked.line.contains("/approval") {
                return answer(200, &json!({ "values": values, "isLastPage": true }));
            }
            // A status may be called so as well, and whoever may move the request gives it.
            answer(200, &issue(&state("9", "Approved", "indeterminate"), &[KEY]))
        })
        .await;
        let read = jira(Which::Desk, &server.origin, QUICK).read(&at("10017")).await.unwrap();
        assert_eq!((json!(read.states), json!(read.by)), (states, by));
    }
}

#[tokio::test]
async fn who_gave_an_issue_its_status_is_who_did_it_last_and_to_that_status() {
    let server = Server::start(|_| {
        let set = |id: &str, who: &str, to: &str| {
            json!({ "id": id, "author": { "accountId": who, "displayName": "boss" },
                    "items": [{ "field": "labels" }, { "field": "status", "to": to }] })
        };
        let mut found = issue(&state("7", "Go", "done"), &[KEY]);
        let other = json!({ "id": "12", "author": { "accountId": "x" },
                            "items": [{ "field": "labels", "to": "" }] });
        found["changelog"] =
            json!({ "histories": [set("9", "first", "7"), other, set("10", "last", "7")] });
        answer(200, &found)
    })
    .await;
    let read = jira(Which::Cloud, &server.origin, QUICK).read(&at("10017")).await.unwrap();
    assert_eq!((read.open, read.states), (false, vec!["7".to_owned(), "Go".to_owned()]));
    assert_eq!(read.by, ["last"]);
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
