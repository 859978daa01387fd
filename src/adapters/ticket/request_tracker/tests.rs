//! Request Tracker as a strict fake: what it does with answers that are none, and with changes that
//! others make at the same time. Against the real one runs `make test-tickets`.

use std::sync::Mutex;

use axum::response::Response;

use super::*;
use crate::adapters::http::Patience;
use crate::adapters::testing::{Asked, QUICK, Server, with};
use crate::adapters::ticket::testing::{Call, KEY, OTHER_KEY, Trial, answer, at, key, made, said};
use crate::domain::sink::{Common, Decides};
use crate::domain::ticket::MessageKind;

const TOKEN: &str = "1-14-s3cret";

fn rt(origin: &Url, patience: Patience) -> RequestTracker {
    let decide = Decides { approve: vec!["approved".to_owned()], ..Decides::default() };
    let settings = json!({ "url": format!("{origin}rt"), "queue": "Security" });
    let settings = serde_json::from_value(settings).unwrap();
    let common = Common { decide, ..Common::default() };
    made(&common, &[("token", TOKEN)], patience, |making| RequestTracker::new(&settings, making))
}

fn ticket(status: &str, key: &str) -> Value {
    json!({
        "id": 17,
        "Status": status,
        "Priority": "0",
        "Creator": { "id": "warden", "type": "user" },
        "CustomFields": [
            { "id": "1", "name": "Other", "values": [OTHER_KEY] },
            { "id": "2", "name": "PartnerWarden", "values": [key] },
        ],
        "_hyperlinks": [{ "ref": "self" }, { "ref": "comment" }],
    })
}

fn page(items: &Value) -> Response {
    answer(200, &json!({ "items": items, "count": 1, "total": null, "page": 1 }))
}

/// The query of a search, decoded.
fn query(line: &str) -> String {
    let (_, query) = line.split_once('?').unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "query").map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// As strict as Request Tracker where it matters. The status is what it was brought to so far.
fn serve(status: &Mutex<String>, asked: &Asked) -> Response {
    if asked.authorization.as_deref() != Some("token 1-14-s3cret") {
        return answer(401, &json!({ "message": "Unauthorized" }));
    }
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let mut status = status.lock().unwrap();
    let active = ["new", "open"].contains(&status.as_str());
    let line = asked.line.as_str();
    match line.split('?').next().unwrap_or_default() {
        "GET /rt/REST/2.0/rt" => answer(200, &json!({ "Version": "5.0.3" })),
        "GET /rt/REST/2.0/queue/Security" => answer(
            200,
            &json!({
                "TicketCustomFields": [{ "name": "PartnerWarden" }],
                "_hyperlinks": [{ "ref": "create" }],
            }),
        ),
        "GET /rt/REST/2.0/tickets" => match query(line).as_str() {
            "'CF.{PartnerWarden}' = 'pw1-0123456789abcdef0123456789'" => {
                page(&json!([ticket(&status, KEY)]))
            }
            "('CF.{PartnerWarden}' = 'pw1-0123456789abcdef0123456789') AND Status = '__Active__'"
            | "(id = 17) AND Status = '__Active__'" => {
                page(&if active { json!([{ "id": "17", "Status": "new" }]) } else { json!([]) })
            }
            "Queue = 'Security' AND Creator = '__CurrentUser__' AND 'CF.{PartnerWarden}' IS NULL \
             AND Subject = 'Woodgrove: Contoso Reseller holds Global Administrator'" => {
                page(&json!([]))
            }
            other => answer(400, &json!({ "message": format!("Unknown field: {other}") })),
        },
        "GET /rt/REST/2.0/transactions" if query(line) == "TicketId = 17 AND Type = 'Status'" => {
            page(&json!([{ "id": "5", "NewValue": *status, "Creator": { "id": "alice" } }]))
        }
        "GET /rt/REST/2.0/ticket/17" => with(answer(200, &ticket(&status, KEY)), "etag", "\"43\""),
        "POST /rt/REST/2.0/ticket"
            if body["Queue"] == "Security"
                && body["ContentType"] == "text/html"
                && body["Content"].as_str().is_some_and(|it| it.contains("&lt;b&gt;"))
                && body["CustomFields"]["PartnerWarden"] == KEY =>
        {
            answer(201, &json!({ "id": "17", "type": "ticket" }))
        }
        "POST /rt/REST/2.0/ticket/17/comment" if body["ContentType"] == "text/html" => {
            answer(201, &json!(["Comments added"]))
        }
        "PUT /rt/REST/2.0/ticket/17" if body["Status"].is_string() => {
            body["Status"].as_str().unwrap().clone_into(&mut status);
            answer(200, &json!(["Ticket 17: Status changed"]))
        }
        _ => answer(400, &json!({ "message": "what is that" })),
    }
}

fn status(text: &str) -> Mutex<String> {
    Mutex::new(text.to_owned())
}

#[tokio::test]
async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
    // The ticket of each attempt stands as the call needs it to.
    let now = status("new");
    let trial = Trial {
        make: |origin, patience| Box::new(rt(&origin, patience)) as Box<dyn TicketSystem>,
        serve: move |call, asked: &Asked| {
            if asked.before == 0 {
                let first = if call == Call::Reopen { "resolved" } else { "new" };
                first.clone_into(&mut now.lock().unwrap());
            }
            serve(&now, asked)
        },
        id: "17",
        also_read: &[],
        // The ticket is there by then.
        other: &[(Call::Open, "at request 2", Class::Ambiguous)],
    };
    trial.run().await;
}

async fn answering(answers: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Server {
    Server::start(answers).await
}

#[tokio::test]
async fn whatever_does_not_show_our_key_is_not_taken_for_our_ticket() {
    let invisible = json!({ "id": "3", "Status": "new", "CustomFields": "" });
    for (stranger, what) in [(ticket("new", OTHER_KEY), "another key"), (invisible, "none seen")] {
        // A query that filters nothing brings our own ticket too.
        let items = json!([ticket("new", KEY), stranger]);
        let server = answering(move |_| page(&items)).await;
        let error = rt(&server.origin, QUICK).find(&key()).await.unwrap_err();
        assert_eq!(error.class, Class::Config, "{what}: {error}");
    }
    let server = answering(|_| answer(200, &ticket("new", OTHER_KEY))).await;
    let rt = rt(&server.origin, QUICK);
    for ended in [
        rt.comment(&at("17"), &said(MessageKind::Updated, 2)).await,
        rt.close(&at("17"), &said(MessageKind::Closed, 3)).await,
        rt.reopen(&at("17"), &said(MessageKind::Updated, 4)).await,
    ] {
        assert_eq!(ended.unwrap_err().class, Class::Gone);
    }
    assert!(server.asked().iter().all(|asked| asked.line.starts_with("GET ")));
    let server = answering(|_| answer(200, &ticket("new", "somebody's"))).await;
    assert_eq!(
        self::rt(&server.origin, QUICK).read(&at("17")).await.unwrap_err().class,
        Class::Gone
    );
}

#[tokio::test]
async fn a_ticket_that_others_change_is_read_again_before_it_is_closed() {
    // Somebody rejects it after it was read: 412, and it is left as it is.
    let now = status("new");
    let server = answering(move |asked| {
        if asked.line.starts_with("PUT") {
            "rejected".clone_into(&mut now.lock().unwrap());
            return answer(412, &json!({ "message": "Precondition Failed" }));
        }
        serve(&now, asked)
    })
    .await;
    rt(&server.origin, QUICK).close(&at("17"), &said(MessageKind::Closed, 3)).await.unwrap();
    assert_eq!(server.lines("PUT").len(), 1);

    // Somebody changes it all the time.
    let now = status("new");
    let server = answering(move |asked| {
        if asked.line.starts_with("PUT") {
            answer(412, &json!({ "message": "Precondition Failed" }))
        } else {
            serve(&now, asked)
        }
    })
    .await;
    let rt = rt(&server.origin, QUICK);
    let error = rt.close(&at("17"), &said(MessageKind::Closed, 3)).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    assert_eq!(server.lines("PUT").len(), ROUNDS);
}

#[tokio::test]
async fn a_status_that_was_answered_with_200_and_not_taken_is_no_success() {
    let now = status("new");
    let server = answering(move |asked| {
        if asked.line.starts_with("PUT") {
            answer(200, &json!(["Ticket 17: Zugriff verweigert"]))
        } else {
            serve(&now, asked)
        }
    })
    .await;
    let rt = rt(&server.origin, QUICK);
    let error = rt.close(&at("17"), &said(MessageKind::Closed, 3)).await.unwrap_err();
    assert_eq!(error.class, Class::Auth);
    assert!(error.said.contains("ModifyTicket"), "{error}");
}

#[tokio::test]
async fn who_changed_the_status_in_between_is_nobody() {
    let now = status("approved");
    let server = answering(move |asked| {
        if asked.line.contains("/transactions") {
            page(&json!([{ "id": "6", "NewValue": "open", "Creator": { "id": "mallory" } }]))
        } else {
            serve(&now, asked)
        }
    })
    .await;
    let standing = rt(&server.origin, QUICK).read(&at("17")).await.unwrap();
    assert_eq!(standing.states, ["approved"]);
    assert!(standing.by.is_empty());
}

#[test]
fn a_text_in_a_query_stays_a_text() {
    assert_eq!(quoted("O'Neil \\ \"x\""), "'O\\'Neil \\\\ \\\"x\\\"'");
}
