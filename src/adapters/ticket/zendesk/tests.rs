//! Zendesk as it is where it matters, held against what it publishes of its API, and as it is when
//! it is out of order.

use std::sync::Mutex;

use axum::response::Response;

use super::*;
use crate::adapters::http::Patience;
use crate::adapters::testing::{Asked, QUICK, Server, status, with};
use crate::adapters::ticket::testing::{
    Call, KEY, OTHER_KEY, SHORT, Trial, answer, at, endless, key, made, said,
};
use crate::domain::markup::{Block, Span};
use crate::domain::sink::Common;

const STAMP: &str = "2026-11-25T12:00:00Z";

fn zendesk(common: &Common, origin: &Url, patience: Patience) -> Zendesk {
    let settings = json!({ "url": origin, "email": "warden@woodgrove.example" });
    let settings = serde_json::from_value(settings).unwrap();
    made(common, &[("token", "s3cret")], patience, |making| Zendesk::new(&settings, making))
}

fn ticket(id: u64, status: &str, key: &str) -> Value {
    json!({
        "id": id, "external_id": key, "status": status, "custom_status_id": 900, "priority": null,
        "assignee_id": null, "tags": ["partner"], "updated_at": STAMP, "subject": "Woodgrove",
    })
}

fn one(code: u16, ticket: &Value) -> Response {
    keeps("ticket", ticket);
    answer(code, &json!({ "ticket": ticket }))
}

fn many(tickets: &[Value]) -> Response {
    answer(200, &json!({ "tickets": tickets, "count": tickets.len() }))
}

/// What an excerpt of the published description says against a value.
fn against(definition: &str, value: &Value) -> Option<String> {
    let text = include_str!("openapi.json");
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("zendesk.json", serde_json::from_str(text).unwrap()).unwrap();
    let at = format!("zendesk.json#/$defs/{definition}");
    let schema = compiler.compile(&at, &mut schemas).unwrap();
    schemas.validate(value, schema).err().map(|error| error.to_string())
}

fn keeps(definition: &str, value: &Value) {
    assert_eq!(against(definition, value), None, "{value}");
}

/// As strict as Zendesk where it matters: the credential, what it publishes of its requests, the key
/// of a request, and the moment of the last change.
fn serve(call: Call, asked: &Asked) -> Response {
    // warden@woodgrove.example/token:s3cret
    let credential = "Basic d2FyZGVuQHdvb2Rncm92ZS5leGFtcGxlL3Rva2VuOnMzY3JldA==";
    if asked.authorization.as_deref() != Some(credential) {
        return answer(401, &json!({ "error": "Couldn't authenticate you" }));
    }
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let stands = if call == Call::Reopen { "solved" } else { "open" };
    match asked.line.as_str() {
        "GET /api/v2/users/me" => {
            answer(200, &json!({ "user": { "id": 1, "role": "agent", "email": "w@w.example" } }))
        }
        line if line == format!("GET /api/v2/tickets?external_id={KEY}&per_page=100") => {
            let found = if call == Call::Open { vec![] } else { vec![ticket(7, "open", KEY)] };
            many(&found)
        }
        "GET /api/v2/tickets/7" => one(200, &ticket(7, stands, KEY)),
        "POST /api/v2/tickets" => {
            keeps("create", &body);
            let once = asked.headers.get("idempotency-key").unwrap().to_str().unwrap();
            assert_eq!((once, &body["ticket"]["external_id"]), (KEY, &json!(KEY)));
            with(one(201, &ticket(7, "new", KEY)), "x-idempotency-lookup", "miss")
        }
        "PUT /api/v2/tickets/7" => {
            keeps("update", &body);
            assert_eq!(body["ticket"]["updated_stamp"], STAMP);
            let status = body["ticket"]["status"].as_str().unwrap_or(stands);
            if status == "solved" && body["ticket"]["assignee_email"].is_null() {
                return answer(422, &json!({ "error": "RecordInvalid" }));
            }
            one(200, &ticket(7, status, KEY))
        }
        _ => answer(404, &json!({ "error": "InvalidEndpoint" })),
    }
}

#[tokio::test]
async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
    let make = |origin: Url, patience: Patience| {
        Box::new(zendesk(&Common::default(), &origin, patience)) as Box<dyn TicketSystem>
    };
    Trial { make, serve, id: "7", also_read: &[], other: &[] }.run().await;
}

#[test]
fn the_excerpt_refuses_what_zendesk_would_leave_out_or_show_to_everybody() {
    let comment = json!({ "html_body": "<p>so</p>", "public": false });
    assert_eq!(against("create", &json!({ "ticket": { "comment": comment } })), None);
    for (definition, wrong) in [
        ("create", json!({ "comment": comment })),
        ("create", json!({ "ticket": { "comment": { "html_body": "<p>so</p>" } } })),
        ("create", json!({ "ticket": { "comment": comment, "priority": "critical" } })),
        ("update", json!({ "ticket": { "comment": comment, "safe_update": true } })),
        ("update", json!({ "ticket": { "state": "solved" } })),
    ] {
        assert!(against(definition, &wrong).is_some(), "{wrong}");
    }
}

async fn answering(
    answers: impl Fn(&Asked) -> Response + Send + Sync + 'static,
) -> (Server, Zendesk) {
    let server = Server::start(answers).await;
    let system = zendesk(&Common::default(), &server.origin, QUICK);
    (server, system)
}

#[tokio::test]
async fn a_list_that_is_not_narrowed_and_a_ticket_of_another_key_are_refused() {
    let (_server, system) =
        answering(|_| many(&[ticket(7, "open", KEY), ticket(8, "open", OTHER_KEY)])).await;
    let error = system.find(&key()).await.unwrap_err();
    assert_eq!(error.class, Class::Config);
    let (_server, system) = answering(|asked| {
        let looks = asked.line.starts_with("GET");
        if looks { many(&[]) } else { one(201, &ticket(7, "new", OTHER_KEY)) }
    })
    .await;
    let opened = system.open(&said(MessageKind::Opened, 1)).await;
    assert_eq!(opened.unwrap_err().class, Class::Ambiguous);
    let (server, system) = answering(|_| one(200, &ticket(7, "open", OTHER_KEY))).await;
    for ended in [
        system.comment(&at("7"), &said(MessageKind::Updated, 2)).await,
        system.close(&at("7"), &said(MessageKind::Closed, 3)).await,
    ] {
        assert_eq!(ended.unwrap_err().class, Class::Gone);
    }
    assert!(server.lines("PUT").is_empty());
}

#[tokio::test]
async fn a_key_that_was_used_for_other_words_says_that_the_ticket_is_there() {
    let (_server, system) = answering(|asked| {
        let looks = asked.line.starts_with("GET");
        let used = json!({ "error": "IdempotentRequestError", "description": "another body" });
        if looks { many(&[]) } else { answer(400, &used) }
    })
    .await;
    let opened = system.open(&said(MessageKind::Opened, 1)).await;
    assert_eq!(opened.unwrap_err().class, Class::Conflict);
    // And so does one that is found before.
    let (server, system) = answering(|_| many(&[ticket(7, "pending", KEY)])).await;
    let opened = system.open(&said(MessageKind::Opened, 1)).await;
    assert_eq!(opened.unwrap_err().class, Class::Conflict);
    assert!(server.lines("POST").is_empty());
}

#[tokio::test]
async fn what_was_opened_without_an_answer_is_not_opened_again() {
    let tickets = Mutex::new(Vec::new());
    let server = Server::start(move |asked| {
        let mut tickets = tickets.lock().unwrap();
        if asked.line.starts_with("GET") {
            return many(&tickets);
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        tickets.push(ticket(7, "new", body["ticket"]["external_id"].as_str().unwrap()));
        endless()
    })
    .await;
    let system = zendesk(&Common::default(), &server.origin, SHORT);
    for class in [Class::Ambiguous, Class::Conflict] {
        let opened = system.open(&said(MessageKind::Opened, 1)).await;
        assert_eq!(opened.unwrap_err().class, class);
    }
    assert_eq!(system.find(&key()).await.unwrap().len(), 1);
    assert_eq!(server.lines("POST").len(), 1);
}

#[tokio::test]
async fn what_is_closed_is_left_alone_and_followed_up() {
    let closed = || [ticket(5, "closed", KEY), ticket(7, "closed", KEY)];
    let (server, system) = answering(move |asked| match asked.line.as_str() {
        "GET /api/v2/tickets/7" => one(200, &ticket(7, "closed", KEY)),
        line if line.starts_with("GET") => many(&closed()),
        _ => one(201, &ticket(9, "new", KEY)),
    })
    .await;
    assert!(system.find(&key()).await.unwrap().is_empty());
    assert!(!system.read(&at("7")).await.unwrap().open);
    let update = said(MessageKind::Updated, 2);
    assert_eq!(system.comment(&at("7"), &update).await.unwrap_err().class, Class::Gone);
    assert_eq!(system.reopen(&at("7"), &update).await.unwrap_err().class, Class::Gone);
    assert_eq!(system.open(&update).await.unwrap().human, "#9");
    let posted = server.asked().pop().unwrap();
    let body: Value = serde_json::from_slice(&posted.body).unwrap();
    keeps("create", &body);
    assert_eq!(body["ticket"]["via_followup_source_id"], 7);
    assert_eq!(posted.headers["idempotency-key"], format!("{KEY}-7"));
    // What is over needs no ticket any more.
    let last = said(MessageKind::Closed, 3);
    system.comment(&at("7"), &last).await.unwrap();
    system.close(&at("7"), &last).await.unwrap();
    assert!(server.lines("PUT").is_empty());
}

#[tokio::test]
async fn what_others_change_meanwhile_is_read_again_and_not_for_ever() {
    let (server, system) = answering(|asked| match asked.line.as_str() {
        "GET /api/v2/tickets/7" => one(200, &ticket(7, "open", KEY)),
        _ if asked.before < 2 => answer(409, &json!({ "error": "UpdateConflict" })),
        _ => one(200, &ticket(7, "open", KEY)),
    })
    .await;
    system.comment(&at("7"), &said(MessageKind::Updated, 2)).await.unwrap();
    assert_eq!((server.lines("GET").len(), server.lines("PUT").len()), (2, 2));
    let (server, system) = answering(|asked| match asked.line.as_str() {
        "GET /api/v2/tickets/7" => one(200, &ticket(7, "open", KEY)),
        _ => answer(409, &json!({ "error": "UpdateConflict" })),
    })
    .await;
    for ended in [
        system.comment(&at("7"), &said(MessageKind::Updated, 2)).await,
        system.close(&at("7"), &said(MessageKind::Closed, 3)).await,
    ] {
        assert_eq!(ended.unwrap_err().class, Class::Transient);
    }
    assert_eq!(server.lines("PUT").len(), 2 * ROUNDS);
}

#[tokio::test]
async fn a_ticket_that_was_updated_too_often_is_left_alone_as_long_as_zendesk_says() {
    let (_server, system) = answering(|asked| match asked.line.as_str() {
        "GET /api/v2/tickets/7" => one(200, &ticket(7, "open", KEY)),
        // It says so in plain text.
        _ => with(with(status(429), "retry-after", "93"), "content-type", "text/html"),
    })
    .await;
    let error = system.comment(&at("7"), &said(MessageKind::Updated, 2)).await.unwrap_err();
    assert_eq!(error.class, Class::RateLimited(Some(Duration::from_secs(93))));
}

#[tokio::test]
async fn a_comment_and_its_priority_are_one_update_and_nothing_is_filled_in() {
    let (server, system) = answering(|asked| serve(Call::Comment, asked)).await;
    let mut update = said(MessageKind::Updated, 2);
    update.priority = Some("urgent".to_owned());
    update.text.blocks.insert(0, Block::Paragraph(vec![Span::text("{{ticket.id}} {% if %} {{{x")]));
    system.comment(&at("7"), &update).await.unwrap();
    assert_eq!(server.lines("PUT").len(), 1);
    let written: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
    let written = &written["ticket"];
    assert_eq!(written["priority"], "urgent");
    assert_eq!(written["comment"]["public"], false);
    let text = written["comment"]["html_body"].as_str().unwrap();
    assert!(!text.contains("{{") && !text.contains("{%"), "{text}");
    assert!(text.contains(&update.mark()), "{text}");
    update.priority = Some("critical".to_owned());
    let error = system.comment(&at("7"), &update).await.unwrap_err();
    assert_eq!(error.class, Class::Config);
    update.title = "{{dc.x}}".to_owned();
    update.priority = None;
    let (server, system) = answering(|asked| serve(Call::Open, asked)).await;
    system.open(&update).await.unwrap();
    let opened: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
    assert_eq!(opened["ticket"]["subject"], "{ {dc.x}}");
}

#[tokio::test]
async fn a_status_that_is_not_taken_is_no_end() {
    let (_server, system) = answering(|_| one(200, &ticket(7, "open", KEY))).await;
    let error = system.close(&at("7"), &said(MessageKind::Closed, 3)).await.unwrap_err();
    assert_eq!(error.class, Class::Config);
}

#[tokio::test]
async fn whoever_brought_a_ticket_to_its_status_has_done_so() {
    let audit = |author: i64, field: &str, value: Value| {
        json!({
            "author_id": author,
            "events": [{ "type": "Comment" }, { "type": "Change", "field_name": field, "value": value }],
        })
    };
    let decides = |approve: &str| Common {
        decide: Decides {
            approve: vec![approve.to_owned()],
            refuse: Vec::new(),
            by: vec!["2".to_owned()],
        },
        ..Common::default()
    };
    for (audits, by) in [
        (
            json!([audit(3, "priority", json!("low")), audit(2, "custom_status_id", json!("900"))]),
            vec!["2"],
        ),
        (json!([audit(2, "status", json!("hold"))]), vec!["2"]),
        (
            json!([audit(2, "custom_status_id", json!(900)), audit(1, "status", json!("hold"))]),
            vec!["2"],
        ),
        // It came to another status, or long ago.
        (json!([audit(2, "custom_status_id", json!("901"))]), vec![]),
        (json!([]), vec![]),
    ] {
        let given = audits.clone();
        let server = Server::start(move |asked| match asked.line.as_str() {
            "GET /api/v2/tickets/7" => one(200, &ticket(7, "hold", KEY)),
            "GET /api/v2/tickets/7/audits?sort_order=desc&per_page=30" => {
                answer(200, &json!({ "audits": given }))
            }
            _ => status(404),
        })
        .await;
        let asked = |approve: &str| zendesk(&decides(approve), &server.origin, QUICK);
        let standing = asked("900").read(&at("7")).await.unwrap();
        assert_eq!(standing.by, by, "{audits}");
        assert_eq!(standing.states, ["hold", "900"]);
        // Whoever set a tag is not known.
        let standing = asked("partner").read(&at("7")).await.unwrap();
        assert_eq!(standing.states, ["partner"]);
        assert!(standing.by.is_empty(), "{audits}");
    }
}

#[tokio::test]
async fn what_was_said_is_known_by_its_mark() {
    let mark = format!("{KEY} #2");
    let comment = |text: &str| json!({ "body": text, "html_body": "<p>linked</p>" });
    for (comments, known) in [
        (vec![comment("first"), comment(&format!("so\n{mark}"))], Some(true)),
        (vec![comment(&format!("so\n{KEY} #20"))], Some(false)),
        // Not all are seen.
        (vec![comment("more"); LATEST], None),
    ] {
        let (_server, system) =
            answering(move |_| answer(200, &json!({ "comments": comments }))).await;
        assert_eq!(system.has_said(&at("7"), &mark).await.unwrap(), known);
    }
}

#[tokio::test]
async fn a_token_of_nobody_or_of_an_end_user_opens_nothing() {
    for user in [json!({ "id": null, "role": "end-user" }), json!({ "id": 1, "role": "end-user" })]
    {
        let (_server, system) = answering(move |_| answer(200, &json!({ "user": user }))).await;
        assert_eq!(system.preflight().await.unwrap_err().class, Class::Auth);
    }
}

#[tokio::test]
async fn a_token_of_oauth_stands_alone() {
    let seen = std::sync::Arc::new(Mutex::new(None));
    let saw = std::sync::Arc::clone(&seen);
    let server = Server::start(move |asked| {
        *saw.lock().unwrap() = asked.authorization.clone();
        one(200, &ticket(7, "open", KEY))
    })
    .await;
    let settings = serde_json::from_value(json!({ "url": server.origin })).unwrap();
    let system = made(&Common::default(), &[("token", "s3cret")], QUICK, |making| {
        Zendesk::new(&settings, making)
    });
    system.read(&at("7")).await.unwrap();
    assert_eq!(seen.lock().unwrap().as_deref(), Some("Bearer s3cret"));
}
