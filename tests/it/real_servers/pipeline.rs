//! From a signal to a ticket of a real system: a real `serve` beside a simulated Microsoft 365.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use partner_warden::adapters::http::{Http, Patience};
use partner_warden::domain::ticket::MessageKind;
use partner_warden::domain::ticket::said::{TicketKey, TicketRef};
use partner_warden::sim::{Scenario, WOODGROVE};
use serde_json::Value;
use url::Url;

use super::proxy::Proxy;
use super::{redmine, request_tracker, said, told};
use crate::cli::Run;
use crate::harness::{ENFORCE, LIMIT, Town};

/// The systems there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    RequestTracker,
    Redmine,
}

use Server::{Redmine, RequestTracker};

/// Makes a test of each scenario for every system.
macro_rules! with_each {
    ($($scenario:ident)+) => {
        mod request_tracker_ {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    super::$scenario(super::RequestTracker).await;
                }
            )+
        }
        mod redmine_ {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    super::$scenario(super::Redmine).await;
                }
            )+
        }
    };
}

with_each! {
    a_hundred_signals_at_once_are_one_ticket_that_is_closed_with_the_proof
    a_system_that_is_down_keeps_nothing_from_being_revoked_and_gets_its_ticket_once
    an_answer_that_is_lost_opens_no_second_ticket
    a_ticket_that_somebody_closed_is_taken_up_again_while_the_case_is_open
    who_may_not_open_tickets_revokes_all_the_same_and_tells_once_that_is_mended
    a_sink_is_tried_by_hand
}

/// A ticket as its system shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ticket {
    id: String,
    key: String,
    title: String,
    open: bool,
}

impl Server {
    fn url(self) -> String {
        match self {
            RequestTracker => told("WARDEN_TEST_RT"),
            Redmine => told("WARDEN_TEST_REDMINE"),
        }
    }

    /// What the policy says of it, where it is reached at `url`.
    fn settings(self, url: &str) -> String {
        match self {
            RequestTracker => format!("{{kind: request-tracker, url: \"{url}\", queue: Security}}"),
            Redmine => format!(
                "{{kind: redmine, url: \"{url}\", project: {}, tracker: {}, keyField: {}, formatting: \
                 textile}}",
                told("WARDEN_TEST_REDMINE_PROJECT"),
                redmine::number("TRACKER"),
                redmine::number("FIELD"),
            ),
        }
    }

    /// The secret of a user of this name, and what it is called.
    fn secret(self, user: &str) -> (&'static str, String) {
        match self {
            RequestTracker => ("token", told(&format!("WARDEN_TEST_RT_TOKEN_{user}"))),
            Redmine => ("apiKey", told(&format!("WARDEN_TEST_REDMINE_KEY_{user}"))),
        }
    }

    /// Woodgrove under a name of the test's own, whose tickets go here as a user of this name. The
    /// sink too has that name: a ticket's key is made of it, and all tests share the systems.
    async fn town(self, url: &str, name: &str, user: &str) -> Town {
        self.town_with(url, name, user, ENFORCE).await
    }

    async fn town_with(self, url: &str, name: &str, user: &str, policy: &str) -> Town {
        let sink = "security: {kind: webhook, url: \"SINK\"}";
        assert!(policy.contains(sink) && policy.contains("name: Woodgrove\n"));
        let policy = policy
            .replace(sink, &format!("{name}: {}", self.settings(url)))
            .replace("ticket: security", &format!("ticket: {name}"))
            .replace("name: Woodgrove\n", &format!("name: {name}\n"));
        let town = Town::new(Scenario::woodgrove(), &policy).await;
        self.let_in(town.secret("tickets", None), name, user)
    }

    /// With the secret of this user.
    fn let_in(self, town: Town, name: &str, user: &str) -> Town {
        let (key, secret) = self.secret(user);
        town.secret(&format!("tickets.{name}.{key}"), Some(&secret))
    }

    /// Its tickets whose titles begin so, asked of it without any of the program's own code.
    async fn tickets(self, begins: &str) -> Vec<Ticket> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all: Vec<Ticket> = match self {
            RequestTracker => {
                let mut url = Url::parse(&format!("{}/REST/2.0/tickets", self.url())).unwrap();
                let query = format!("Queue = 'Security' AND Subject LIKE '{begins}'");
                url.query_pairs_mut()
                    .append_pair("query", &query)
                    .append_pair("fields", "Subject,Status,CustomFields")
                    .append_pair("per_page", "100");
                let token = format!("token {}", self.secret("LEAST").1);
                let found = asked(&url, ("authorization", &token)).await;
                let items = found["items"].as_array().unwrap();
                let ticket = |item: &Value| {
                    let fields = item["CustomFields"].as_array().into_iter().flatten();
                    let key = fields.clone().find(|it| it["name"] == "PartnerWarden");
                    Ticket {
                        id: text(&item["id"]),
                        key: key.map_or_else(String::new, |it| text(&it["values"][0])),
                        title: text(&item["Subject"]),
                        open: !matches!(item["Status"].as_str(), Some("resolved" | "rejected")),
                    }
                };
                items.iter().map(ticket).collect()
            }
            Redmine => {
                let mut url = Url::parse(&format!("{}/issues.json", self.url())).unwrap();
                url.query_pairs_mut()
                    .append_pair("project_id", &told("WARDEN_TEST_REDMINE_PROJECT"))
                    .append_pair("status_id", "*")
                    .append_pair("subject", &format!("~{begins}"))
                    .append_pair("limit", "100");
                let key = self.secret("LEAST").1;
                let found = asked(&url, ("x-redmine-api-key", &key)).await;
                let closed = redmine::number("STATUS_CLOSED");
                let field = redmine::number("FIELD");
                let ticket = |issue: &Value| {
                    let fields = issue["custom_fields"].as_array().into_iter().flatten();
                    let key = fields.clone().find(|it| it["id"] == field);
                    Ticket {
                        id: issue["id"].to_string(),
                        key: key.map_or_else(String::new, |it| text(&it["value"])),
                        title: text(&issue["subject"]),
                        open: issue["status"]["id"] != closed,
                    }
                };
                found["issues"].as_array().unwrap().iter().map(ticket).collect()
            }
        };
        all.into_iter().filter(|ticket| ticket.title.starts_with(begins)).collect()
    }

    /// Waits until the tickets of this title are as expected.
    async fn until(
        self,
        what: &str,
        begins: &str,
        enough: impl Fn(&[Ticket]) -> bool,
    ) -> Vec<Ticket> {
        let mut pause = tokio::time::interval(Duration::from_millis(200));
        let mut last = Vec::new();
        let seen = async {
            loop {
                pause.tick().await;
                last = self.tickets(begins).await;
                if enough(&last) {
                    return;
                }
            }
        };
        let seen = tokio::time::timeout(LIMIT, seen).await;
        assert!(seen.is_ok(), "{what} did not come; there is {last:?}");
        last
    }

    /// The one ticket of this title, once it is closed.
    async fn closed(self, begins: &str) -> Ticket {
        let is_closed = |all: &[Ticket]| all.iter().any(|ticket| !ticket.open);
        only(&self.until("the closed ticket", begins, is_closed).await)
    }

    /// Closes a ticket as a person of that system would.
    async fn close_by_hand(self, ticket: &Ticket) {
        let url = self.url();
        let system = match self {
            RequestTracker => request_tracker::rt(&url, "LEAST"),
            Redmine => redmine::redmine(&url, "LEAST"),
        };
        let at = TicketRef { id: ticket.id.clone(), human: String::new(), url: None };
        let key = TicketKey(ticket.key.clone());
        system.close(&at, &said(&key, MessageKind::Closed, 99)).await.unwrap();
        assert!(!system.read(&at).await.unwrap().open);
    }
}

async fn asked(url: &Url, (name, value): (&str, &str)) -> Value {
    let http = Http::new(Patience::default()).unwrap();
    let answer = http.once("server", |client| client.get(url.clone()).header(name, value));
    let answer = answer.await.unwrap();
    assert_eq!(answer.status.as_u16(), 200, "{url}");
    serde_json::from_slice(&answer.body).unwrap()
}

fn only(all: &[Ticket]) -> Ticket {
    let [one] = all else { panic!("not one ticket but {all:?}") };
    one.clone()
}

/// Waits until both of Contoso's roles are gone.
async fn revoked(town: &Town) {
    let both = town
        .sim
        .wait_for("both revocations", LIMIT, |view| (view.deletions().len() == 2).then_some(()));
    both.await.unwrap();
}

async fn a_hundred_signals_at_once_are_one_ticket_that_is_closed_with_the_proof(server: Server) {
    let name = "hundred";
    let town = server.town(&server.url(), name, "LEAST").await;
    let town = town.set("WARDEN_SETTLE_AFTER", "PT1S");
    let warden = town.serve();
    // Half of them before the first look is over, half while the ticket is opened.
    for hundred in [1..51, 51..101] {
        join_all(hundred.map(|id| warden.role_was_added_again(id))).await;
    }
    let ticket = server.closed(name).await;
    assert!(ticket.title.starts_with("hundred: Contoso Reseller holds "), "{}", ticket.title);
    // Whatever was to be said later is said by now.
    town.looked(2).await;
    warden.idle(&town).await;
    let log = warden.stop().await;
    assert_eq!(only(&server.tickets(name).await), ticket);
    assert_eq!(town.sim.deletions().len(), 2);
    let records = town.records().await;
    let keys: HashSet<&str> = records
        .iter()
        .flat_map(|record| &record.case.tickets)
        .map(|ticket| ticket.key.as_str())
        .collect();
    assert_eq!(keys, HashSet::from([ticket.key.as_str()]));
    assert!(!log.contains("given up"), "{log}");
}

async fn a_system_that_is_down_keeps_nothing_from_being_revoked_and_gets_its_ticket_once(
    server: Server,
) {
    let name = "downtime";
    let mut proxy = Proxy::start(&server.url()).await;
    proxy.close().await;
    let town = server.town(&proxy.url(), name, "LEAST").await;
    let warden = town.serve();
    warden.role_was_added().await;
    revoked(&town).await;
    warden.logged("not delivered, tried again", 1).await;
    assert_eq!(server.tickets(name).await, []);
    proxy.open().await;
    let ticket = server.closed(name).await;
    warden.stop().await;
    assert_eq!(only(&server.tickets(name).await), ticket);
}

async fn an_answer_that_is_lost_opens_no_second_ticket(server: Server) {
    let name = "lostanswer";
    let proxy = Proxy::start(&server.url()).await;
    // It takes the ticket, and we never hear of it.
    proxy.lose("POST ");
    let town = server.town(&proxy.url(), name, "LEAST").await;
    let warden = town.serve();
    warden.role_was_added().await;
    warden.logged("not delivered, tried again", 1).await;
    let first = only(&server.tickets(name).await);
    let ticket = server.closed(name).await;
    assert_eq!((&ticket.id, &ticket.key), (&first.id, &first.key));
    warden.stop().await;
}

async fn a_ticket_that_somebody_closed_is_taken_up_again_while_the_case_is_open(server: Server) {
    let name = "reopened";
    let policy = ENFORCE.replace("mode: enforce", "mode: observe");
    let town = server.town_with(&server.url(), name, "LEAST", &policy).await;
    let warden = town.serve();
    warden.role_was_added().await;
    let opened = only(&server.until("the ticket", name, |all| !all.is_empty()).await);
    assert!(opened.open);
    server.close_by_hand(&opened).await;

    town.sim.grant(WOODGROVE, "HelpdeskAgents", "Exchange Administrator").unwrap();
    warden.role_was_added_again(2).await;
    let is_open = |all: &[Ticket]| all.iter().any(|ticket| ticket.open);
    let again = only(&server.until("the ticket taken up again", name, is_open).await);
    assert_eq!((&again.id, &again.key), (&opened.id, &opened.key));
    warden.stop().await;
    assert_eq!(town.sim.deletions(), []);
}

async fn who_may_not_open_tickets_revokes_all_the_same_and_tells_once_that_is_mended(
    server: Server,
) {
    let name = "forbidden";
    let town = server.town(&server.url(), name, "READER").await;
    let warden = town.serve();
    warden.role_was_added().await;
    revoked(&town).await;
    warden.logged("not delivered, tried again", 1).await;
    warden.stop().await;
    assert_eq!(server.tickets(name).await, []);

    let town = server.let_in(town, name, "LEAST");
    // It was left alone for some minutes.
    town.time_passes(SignedDuration::from_mins(10));
    let warden = town.serve();
    let ticket = server.closed(name).await;
    warden.stop().await;
    assert_eq!(only(&server.tickets(name).await), ticket);
}

async fn a_sink_is_tried_by_hand(server: Server) {
    let name = "tried";
    let town = server.town(&server.url(), name, "LEAST").await;
    let Run { code, out, err } = town.beside(&["tickets", "test", name, "--json"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let steps: Vec<&str> = report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seen| {
            assert_eq!(seen["leftOut"], false, "{seen}");
            seen["step"].as_str().unwrap()
        })
        .collect();
    assert_eq!(
        steps,
        ["preflight", "open", "find", "comment", "read-back", "close", "read-closed"]
    );
    let key = report["key"].as_str().unwrap();
    let tests = server.tickets("TEST by Partner Warden").await;
    let own: Vec<&Ticket> = tests.iter().filter(|ticket| ticket.key == key).collect();
    assert_eq!(own.iter().map(|ticket| ticket.open).collect::<Vec<_>>(), [false], "{tests:?}");

    let seen = town.beside(&["doctor", "--json"]).await;
    let seen: Value = serde_json::from_str(&seen.out).unwrap();
    assert_eq!(sink_of(&seen)["verdict"], "ok", "{seen:#}");

    // Who may only read is told so before anything is opened.
    let town = server.let_in(town, name, "READER");
    let tried = town.beside(&["tickets", "test", name]).await;
    assert_eq!(tried.code, Some(1), "{}", tried.out);
    let (word, page) = match server {
        RequestTracker => ("CreateTicket", "docs/tickets/request-tracker.md"),
        Redmine => ("add_issues", "docs/tickets/redmine.md"),
    };
    for part in ["✗ preflight", word, page] {
        assert!(tried.out.contains(part), "{part}: {}", tried.out);
    }
    let seen = town.beside(&["doctor", "--json"]).await;
    assert_eq!(seen.code, Some(1));
    let seen: Value = serde_json::from_str(&seen.out).unwrap();
    assert_eq!(sink_of(&seen)["verdict"], "fail", "{seen:#}");
    assert_eq!(server.tickets("TEST by Partner Warden").await.len(), tests.len());
}

/// What a doctor saw of the one sink.
fn sink_of(seen: &Value) -> &Value {
    let sections = seen["sections"].as_array().unwrap();
    let sinks = sections.iter().find(|section| section["about"] == "Ticket sinks").unwrap();
    &sinks["checks"][0]
}
