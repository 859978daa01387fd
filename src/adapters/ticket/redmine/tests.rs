//! Redmine as a strict fake: what it does with answers that are none, and with what Redmine leaves
//! out without saying so. Against the real one runs `make test-tickets`.

use std::sync::Mutex;

use axum::response::Response;

use super::*;
use crate::adapters::http::Patience;
use crate::adapters::testing::{Asked, QUICK, Server, status};
use crate::adapters::ticket::testing::{Call, KEY, OTHER_KEY, Trial, answer, at, key, made, said};
use crate::domain::sink::{Common, Decides};
use crate::domain::ticket::MessageKind;

fn redmine(origin: &Url, patience: Patience) -> Redmine {
    let decide = Decides { approve: vec!["2".to_owned()], ..Decides::default() };
    let settings = json!({
        "url": origin, "project": "security", "keyField": 7, "tracker": 3, "formatting": "textile",
    });
    let settings = serde_json::from_value(settings).unwrap();
    let common = Common { decide, ..Common::default() };
    made(&common, &[("apiKey", "s3cret")], patience, |making| Redmine::new(&settings, making))
}

/// What the issue is like so far.
struct Now {
    closed: bool,
    notes: Vec<String>,
}

fn state(closed: bool) -> Value {
    let (id, name) = if closed { (5, "Closed") } else { (1, "New") };
    json!({ "id": id, "name": name, "is_closed": closed })
}

fn issue(now: &Now, key: &str) -> Value {
    let journals = now.notes.iter();
    let journals = journals.map(|notes| json!({ "user": { "id": 6 }, "notes": notes }));
    json!({
        "id": 17,
        "status": state(now.closed),
        "priority": { "id": 2, "name": "Normal" },
        "author": { "id": 5, "name": "Warden" },
        "description": "so",
        "custom_fields": [
            { "id": 6, "name": "Other", "value": OTHER_KEY },
            { "id": 7, "name": "PartnerWarden", "value": key },
        ],
        "journals": journals.collect::<Vec<_>>(),
        "allowed_statuses": [state(false), state(true)],
    })
}

fn list(issues: &[Value]) -> Response {
    answer(200, &json!({ "issues": issues, "total_count": issues.len(), "limit": 10 }))
}

/// As strict as Redmine where it matters.
fn serve(now: &Mutex<Now>, asked: &Asked) -> Response {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let mut now = now.lock().unwrap();
    let line = asked.line.as_str();
    match line {
        "GET /projects/security.json?include=trackers" => {
            answer(200, &json!({ "project": { "id": 1, "trackers": [{ "id": 3 }] } }))
        }
        "GET /users/current.json?include=memberships" => {
            let memberships = json!([{ "project": { "id": 1 }, "roles": [{ "id": 4 }] }]);
            answer(200, &json!({ "user": { "api_key": "s3cret", "memberships": memberships } }))
        }
        "GET /roles/4.json" => {
            let all = ["view_issues", "add_issues", "edit_own_issues", "add_issue_notes"];
            answer(200, &json!({ "role": { "permissions": all } }))
        }
        "GET /issues.json?project_id=security&status_id=*&cf_7=pw1-none&sort=id&limit=10" => {
            list(&[])
        }
        "GET /issues.json?project_id=security&status_id=*&sort=id%3Adesc&tracker_id=3&limit=1" => {
            list(&[issue(&now, OTHER_KEY)])
        }
        line if line.contains(&format!("status_id=*&cf_7={KEY}&sort=id&")) => {
            list(&[issue(&now, KEY)])
        }
        "POST /issues.json"
            if body["issue"]["project_id"] == "security"
                && body["issue"]["tracker_id"] == 3
                && body["issue"]["subject"].is_string()
                && body["issue"]["custom_fields"][0] == json!({ "id": 7, "value": KEY }) =>
        {
            answer(201, &json!({ "issue": issue(&now, KEY) }))
        }
        "PUT /issues/17.json" => {
            now.notes.extend(body["issue"]["notes"].as_str().map(str::to_owned));
            if let Some(to) = body["issue"]["status_id"].as_u64() {
                now.closed = to == 5;
            }
            status(204)
        }
        line if line.starts_with("GET /issues/17.json") => {
            answer(200, &json!({ "issue": issue(&now, KEY) }))
        }
        _ => answer(422, &json!({ "errors": ["Subject cannot be blank"] })),
    }
}

fn now(closed: bool) -> Mutex<Now> {
    Mutex::new(Now { closed, notes: Vec::new() })
}

#[tokio::test]
async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
    let then = now(false);
    let trial = Trial {
        make: |origin, patience| Box::new(redmine(&origin, patience)) as Box<dyn TicketSystem>,
        serve: move |call, asked: &Asked| {
            if asked.before == 0 {
                *then.lock().unwrap() = now(call == Call::Reopen).into_inner().unwrap();
            }
            serve(&then, asked)
        },
        id: "17",
        also_read: &[],
        other: &[],
    };
    trial.run().await;
}

async fn answering(answers: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Server {
    Server::start(answers).await
}

#[tokio::test]
async fn whatever_does_not_have_our_key_is_not_taken_for_our_issue() {
    let then = now(false).into_inner().unwrap();
    let both = [issue(&then, KEY), issue(&then, OTHER_KEY)];
    let server = answering(move |_| list(&both)).await;
    let error = redmine(&server.origin, QUICK).find(&key()).await.unwrap_err();
    assert_eq!(error.class, Class::Config, "{error}");

    let other = issue(&then, OTHER_KEY);
    let server = answering(move |_| answer(200, &json!({ "issue": other }))).await;
    let redmine = redmine(&server.origin, QUICK);
    for ended in [
        redmine.comment(&at("17"), &said(MessageKind::Updated, 2)).await,
        redmine.close(&at("17"), &said(MessageKind::Closed, 3)).await,
        redmine.reopen(&at("17"), &said(MessageKind::Updated, 4)).await,
    ] {
        assert_eq!(ended.unwrap_err().class, Class::Gone);
    }
    assert!(server.asked().iter().all(|asked| asked.line.starts_with("GET ")));
}

#[tokio::test]
async fn what_redmine_answers_with_204_and_leaves_out_is_no_success() {
    let then = now(false);
    let server =
        answering(
            move |asked| {
                if asked.line.starts_with("PUT") { status(204) } else { serve(&then, asked) }
            },
        )
        .await;
    let redmine = redmine(&server.origin, QUICK);
    let closed = redmine.close(&at("17"), &said(MessageKind::Closed, 3)).await.unwrap_err();
    assert_eq!(closed.class, Class::Auth, "{closed}");
    let noted = redmine.comment(&at("17"), &said(MessageKind::Updated, 2)).await.unwrap_err();
    assert_eq!(noted.class, Class::Auth, "{noted}");
    assert!(noted.said.contains("add_issue_notes"), "{noted}");
}

#[tokio::test]
async fn a_status_that_the_workflow_does_not_allow_is_not_even_asked_for() {
    let then = now(false).into_inner().unwrap();
    let mut stuck = issue(&then, KEY);
    stuck["allowed_statuses"] = json!([state(false)]);
    let server = answering(move |_| answer(200, &json!({ "issue": stuck }))).await;
    let redmine = redmine(&server.origin, QUICK);
    let error = redmine.close(&at("17"), &said(MessageKind::Closed, 3)).await.unwrap_err();
    assert_eq!(error.class, Class::Auth, "{error}");
    assert!(server.lines("PUT").is_empty());
}

#[tokio::test]
async fn what_was_noted_is_not_noted_again() {
    let then = now(false);
    let server = answering(move |asked| serve(&then, asked)).await;
    let redmine = redmine(&server.origin, QUICK);
    for _ in 0..2 {
        redmine.comment(&at("17"), &said(MessageKind::Updated, 2)).await.unwrap();
    }
    assert_eq!(server.lines("PUT").len(), 1);
    assert_eq!(
        redmine.has_said(&at("17"), &said(MessageKind::Updated, 2).mark()).await.unwrap(),
        Some(true)
    );
    assert_eq!(
        redmine.has_said(&at("17"), &said(MessageKind::Updated, 20).mark()).await.unwrap(),
        Some(false)
    );
}

#[tokio::test]
async fn an_issue_without_its_key_is_no_ticket_and_no_other_is_opened_after_it() {
    let then = now(false).into_inner().unwrap();
    let mut without = issue(&then, KEY);
    without["custom_fields"] = json!([{ "id": 6, "value": KEY }]);
    let (made, last) = (without.clone(), without);
    let server = answering(move |asked| match asked.line.starts_with("POST") {
        true => answer(201, &json!({ "issue": made })),
        false if asked.before == 0 => list(&[]),
        false => list(std::slice::from_ref(&last)),
    })
    .await;
    let redmine = redmine(&server.origin, QUICK);
    for _ in 0..2 {
        let error = redmine.open(&said(MessageKind::Opened, 1)).await.unwrap_err();
        assert_eq!(error.class, Class::Config, "{error}");
    }
    assert_eq!(server.lines("POST").len(), 1);
}

#[test]
fn who_gave_it_its_status_is_told_by_number_and_only_if_it_is_so() {
    let journal = |user: u32, to: &str| {
        json!({
            "user": { "id": user, "name": "Alice" },
            "details": [{ "property": "attr", "name": "status_id", "new_value": to }],
        })
    };
    let then = now(false).into_inner().unwrap();
    for (journals, who) in [
        (json!([]), Some(5)),
        (json!([journal(8, "1")]), Some(8)),
        (json!([journal(8, "5"), journal(9, "1"), { "user": { "id": 7 }, "notes": "x" }]), Some(9)),
        // It says otherwise now.
        (json!([journal(8, "2")]), None),
    ] {
        let mut issue = issue(&then, KEY);
        issue["journals"] = journals.clone();
        let issue: Issue = serde_json::from_value(issue).unwrap();
        assert_eq!(issue.who(), who, "{journals}");
    }
}
