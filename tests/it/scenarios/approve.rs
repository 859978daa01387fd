//! What a person is asked, and what becomes of what they say.

use jiff::SignedDuration;
use partner_warden::adapters::http::{Answer, Http, Patience};
use partner_warden::domain::approval::Standing;
use partner_warden::domain::plan::StepState;
use partner_warden::sim::{Scenario, WOODGROVE, When};
use serde_json::Value;

use crate::harness::{Backend, ENFORCE, Town, Warden, body, on_each, steps};

on_each! {
    approved_it_is_carried_out_proven_and_the_ticket_closed
    refused_it_is_left_and_the_ticket_says_who_refused
    what_changes_meanwhile_is_asked_anew_and_the_old_link_counts_for_nothing
    two_people_have_to_agree_where_the_policy_says_so
    one_of_two_refuses_and_nothing_is_done
    of_two_answers_at_once_one_counts
}

/// The key of links.
const KEY: &str = "the tests' key for decisions";

/// Where the links lead.
const PUBLIC: &str = "http://127.0.0.1:1";

/// Woodgrove's policy in `approve`.
fn policy(more: &str) -> String {
    format!("{}{more}\n", ENFORCE.replace("mode: enforce", "mode: approve"))
}

async fn town_with(on: Backend, scenario: Scenario, policy: &str) -> Town {
    ask_at(Town::on(on, scenario, policy).await)
}

/// With links that lead to decisions.
pub(super) fn ask_at(town: Town) -> Town {
    let town = town.set("WARDEN_PUBLIC_URL", PUBLIC);
    // Nobody is asked for notifications, which would have to reach that address.
    town.secret("clientStateKey", None).secret("decisionKey", Some(KEY))
}

async fn town(on: Backend, more: &str) -> Town {
    town_with(on, Scenario::woodgrove(), &policy(more)).await
}

/// The path that a message leads to.
fn path(message: &Value) -> Option<&str> {
    message["data"]["decisionUrl"].as_str()?.strip_prefix(PUBLIC)
}

/// Waits for a message that leads to a decision other than this.
pub(super) async fn asked(town: &Town, other_than: &str) -> String {
    let is_new = |message: &Value| path(message).is_some_and(|path| path != other_than);
    let messages = town.messages("a question", |all| all.last().is_some_and(is_new)).await;
    path(messages.last().unwrap()).unwrap().to_owned()
}

impl Warden {
    async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    async fn decide(&self, path: &str, form: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.post(path, &headers, form).await
    }
}

#[track_caller]
fn shows(answer: &Answer, status: u16, texts: &[&str]) {
    let page = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status.as_u16(), status, "{page}");
    for text in texts {
        assert!(page.contains(text), "no “{text}” in {page}");
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

async fn approved_it_is_carried_out_proven_and_the_ticket_closed(on: Backend) {
    let town = town(on, "").await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let path = asked(&town, "").await;

    // Whoever looks, and however often, changes nothing.
    for _ in 0..3 {
        let page = warden.get(&path).await;
        shows(
            &page,
            200,
            &[
                "Contoso Reseller",
                "Revoke Global Administrator from AdminAgents",
                "holds the privileged role Global Administrator",
                "Answer until",
                "Nobody has decided yet.",
            ],
        );
        let security = header(&page, "content-security-policy");
        assert!(security.contains("frame-ancestors 'none'"), "{security}");
        assert_eq!(header(&page, "cache-control"), "no-store");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        assert_eq!(warden.request("HEAD", &path, &[], "").await.status, 200);
    }
    // What is not whole decides nothing, and says so.
    shows(&warden.decide(&path, "name=Megan+Bowen").await, 422, &["Say what you decide."]);
    shows(&warden.decide(&path, "decision=approve&name=+%00").await, 422, &["Say who you are"]);
    let tampered = format!("{}A", &path[..path.len() - 1]);
    let tampered =
        if tampered == path { format!("{}B", &path[..path.len() - 1]) } else { tampered };
    for forged in [tampered.as_str(), "/decisions/x", "/decisions/v1.e30.AAAA"] {
        shows(&warden.get(forged).await, 403, &["does not open anything"]);
        shows(&warden.decide(forged, "decision=approve&name=M").await, 403, &[]);
    }
    assert_eq!(town.deletes(), [""; 0]);

    let decided = warden.decide(&path, "decision=approve&name=Megan+%3Cb%3EBowen").await;
    assert_eq!((decided.status.as_u16(), header(&decided, "location")), (303, path.as_str()));
    let messages = town.closed_ticket().await;
    let page = warden.get(&path).await;
    shows(&page, 410, &["Approved by Megan &lt;b&gt;Bowen (name as given, not proven)"]);
    shows(&warden.decide(&path, "decision=refuse&name=Adele").await, 410, &["Approved by"]);
    assert_eq!(town.deletes().len(), 2);
    let last = messages.last().unwrap();
    assert!(body(last).contains("- Approved by Megan <b>Bowen (name as given, not proven) at "));
    assert_eq!(last["data"]["decisionUrl"], Value::Null, "nobody is asked any more");

    let log = warden.stop().await;
    let token = path.rsplit('/').next().unwrap();
    assert!(!log.contains(token) && !log.contains(KEY), "{log}");
    let records = town.records().await;
    let asked = records.last().unwrap().case.asked.as_ref().unwrap();
    assert_eq!(asked.standing, Standing::Approved);
    assert_eq!(asked.decisions[0].by, "Megan <b>Bowen");
    assert!(!asked.decisions[0].proven);
    let mut states = records.iter().flat_map(|record| &record.case.rows);
    assert!(states.any(|row| row.step.as_ref().is_some_and(|s| s.state == StepState::Verified)));
}

async fn refused_it_is_left_and_the_ticket_says_who_refused(on: Backend) {
    let town = town(on, "").await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let path = asked(&town, "").await;
    let decided = warden.decide(&path, "decision=refuse&name=Megan+Bowen").await;
    assert_eq!(decided.status, 303);
    shows(&warden.get(&path).await, 410, &["Refused by Megan Bowen", "Nothing is changed."]);
    let told = |all: &[Value]| all.last().is_some_and(|last| body(last).contains("Held back"));
    let messages = town.messages("who refused", told).await;
    let text = body(messages.last().unwrap());
    assert!(text.contains("Megan Bowen (name as given, not proven) refused it at "), "{text}");
    assert!(text.contains("- Refused by Megan Bowen (name as given, not proven) at "), "{text}");

    // It stays so, whatever else is heard.
    warden.role_was_added_again(1).await;
    town.looked(3).await;
    warden.stop().await;
    assert_eq!(town.deletes(), [""; 0]);
    assert_eq!(town.held().len(), 6);
}

async fn what_changes_meanwhile_is_asked_anew_and_the_old_link_counts_for_nothing(on: Backend) {
    let town = town(on, "").await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let old = asked(&town, "").await;
    town.sim.grant(WOODGROVE, "Alice", "Exchange Administrator").unwrap();
    warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    let new = asked(&town, &old).await;
    shows(&warden.decide(&old, "decision=approve&name=Megan").await, 410, &["No longer to be"]);
    shows(&warden.get(&new).await, 200, &["Revoke Exchange Administrator from Alice"]);
    assert_eq!(town.deletes(), [""; 0]);
    assert_eq!(warden.decide(&new, "decision=approve&name=Megan").await.status, 303);
    town.closed_ticket().await;
    assert_eq!(town.deletes().len(), 3);
    warden.stop().await;
}

async fn two_people_have_to_agree_where_the_policy_says_so(on: Backend) {
    let town = town(on, "approvals: {people: 2}").await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let path = asked(&town, "").await;
    shows(&warden.get(&path).await, 200, &["0 of 2 people have agreed."]);
    assert_eq!(warden.decide(&path, "decision=approve&name=Megan+Bowen").await.status, 303);
    shows(&warden.get(&path).await, 200, &["1 of 2 people", "Approved by Megan Bowen"]);
    let same = warden.decide(&path, "decision=approve&name=megan++BOWEN").await;
    shows(&same, 409, &["has agreed already"]);
    town.messages("one of two", |all| {
        all.last().is_some_and(|last| body(last).contains("- 1 of 2 people have agreed."))
    })
    .await;
    assert_eq!(town.deletes(), [""; 0]);
    assert_eq!(warden.decide(&path, "decision=approve&name=Adele+Vance").await.status, 303);
    town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(town.deletes().len(), 2);
    let records = town.records().await;
    let asked = records.last().unwrap().case.asked.as_ref().unwrap();
    let by: Vec<&str> = asked.decisions.iter().map(|it| it.by.as_str()).collect();
    assert_eq!(by, ["Megan Bowen", "Adele Vance"]);
}

async fn one_of_two_refuses_and_nothing_is_done(on: Backend) {
    let town = town(on, "approvals: {people: 2}").await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let path = asked(&town, "").await;
    assert_eq!(warden.decide(&path, "decision=approve&name=Megan+Bowen").await.status, 303);
    // Whoever has agreed may think better of it.
    assert_eq!(warden.decide(&path, "decision=refuse&name=Megan+Bowen").await.status, 303);
    shows(&warden.get(&path).await, 410, &["Refused by Megan Bowen"]);
    shows(&warden.decide(&path, "decision=approve&name=Adele").await, 410, &[]);
    let told = |all: &[Value]| {
        all.last().is_some_and(|last| body(last).contains("- Refused by Megan Bowen"))
    };
    town.messages("who refused", told).await;
    warden.role_was_added_again(1).await;
    town.looked(3).await;
    warden.stop().await;
    assert_eq!(town.deletes(), [""; 0]);
}

async fn of_two_answers_at_once_one_counts(on: Backend) {
    let town = town(on, "").await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let path = asked(&town, "").await;
    let (one, two) = tokio::join!(
        warden.decide(&path, "decision=approve&name=Megan"),
        warden.decide(&path, "decision=approve&name=Adele")
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410]);
    town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(town.deletes().len(), 2);
    let records = town.records().await;
    assert_eq!(records.last().unwrap().case.asked.as_ref().unwrap().decisions.len(), 1);
}

/// What the policy makes of silence is done when the time is over, without anything new being heard;
/// half of what was to be said is silence.
#[tokio::test]
async fn what_nobody_answers_in_time_becomes_what_the_policy_says() {
    for (then, people) in
        [("ask-again", 1), ("ask-again", 2), ("hold", 1), ("hold", 2), ("carry-out", 1)]
    {
        let more = format!("approvals: {{expire: 2h, onExpiry: {then}, people: {people}}}");
        // Only where the policy enforces may silence take anything away.
        let policy = match then {
            "carry-out" => format!("{}{more}\n", ENFORCE.replace("do: revoke", "do: approve")),
            _ => policy(&more),
        };
        let town = town_with(Backend::Embedded, Scenario::woodgrove(), &policy).await;
        let warden = town.start().await;
        warden.role_was_added().await;
        let old = asked(&town, "").await;
        if people == 2 {
            assert_eq!(warden.decide(&old, "decision=approve&name=Megan").await.status, 303);
            let one = |all: &[Value]| {
                all.last().is_some_and(|last| body(last).contains("- 1 of 2 people have agreed."))
            };
            town.messages("one of two", one).await;
        }
        warden.idle(&town).await;
        warden.stop().await;
        assert_eq!(town.deletes(), [""; 0]);

        town.time_passes(SignedDuration::from_hours(3));
        let warden = town.start().await;
        match then {
            "ask-again" => {
                let new = asked(&town, &old).await;
                let open = if people == 2 { "0 of 2 people" } else { "Nobody has decided yet." };
                shows(&warden.get(&new).await, 200, &[open]);
            }
            "hold" => {
                let told = |all: &[Value]| {
                    all.last().is_some_and(|last| body(last).contains("not enough people agreed"))
                };
                let messages = town.messages("that it is held", told).await;
                assert_eq!(path(messages.last().unwrap()), None);
            }
            _ => drop(town.closed_ticket().await),
        }
        warden.idle(&town).await;
        warden.stop().await;
        let taken = if then == "carry-out" { 2 } else { 0 };
        assert_eq!(town.deletes().len(), taken, "{then}, {people}");
        let records = town.records().await;
        let last = records.last().unwrap().case.asked.as_ref().unwrap();
        let said = last.decisions.iter().map(|it| it.by.as_str());
        let expect = if then == "hold" && people == 2 { vec!["Megan"] } else { vec![] };
        assert!(said.eq(expect), "{last:#?}");
    }
}

#[tokio::test]
async fn a_policy_that_enforces_asks_about_the_rest_under_a_link_that_lasts() {
    let policy = ENFORCE.replace("guest-with-role: {do: revoke", "guest-with-role: {do: approve");
    let policy = policy.replace("  privileged-role: {do: revoke, ticket: security}\n", "");
    let policy = policy.replace("  role-not-allowed: {do: revoke, ticket: security}\n", "");
    let town = town_with(Backend::Embedded, Scenario::woodgrove(), &policy).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let path = asked(&town, "").await;
    warden.role_was_added_again(1).await;
    town.looked(2).await;
    assert_eq!(warden.decide(&path, "decision=approve&name=Megan").await.status, 303);
    let gone = |all: &[Value]| {
        all.last().is_some_and(|last| steps(last).iter().any(|step| step.ends_with("verified")))
    };
    town.messages("the guest's role gone", gone).await;
    warden.stop().await;
    assert_eq!(town.deletes(), ["Alice: User Administrator → 204"]);
}

#[tokio::test]
async fn killed_between_the_decision_and_the_deed_it_is_done_once_after_the_restart() {
    for (method, when) in
        [("GET", When::BeforeEffect), ("DELETE", When::BeforeEffect), ("DELETE", When::AfterEffect)]
    {
        let town = town(Backend::Embedded, "").await;
        let warden = town.start().await;
        warden.role_was_added().await;
        let path = asked(&town, "").await;
        let point = "/roleManagement/directory/roleAssignments";
        let hold = town.sim.hold(method, point, when);
        assert_eq!(warden.decide(&path, "decision=approve&name=Megan").await.status, 303);
        hold.reached().await;
        warden.kill();
        hold.abandoned().await;

        let warden = town.start().await;
        town.closed_ticket().await;
        warden.stop().await;
        let deleted = town.sim.deletions();
        assert_eq!(deleted.len(), 2, "{method} {when:?}: {deleted:#?}");
        let records = town.records().await;
        let asked = records.last().unwrap().case.asked.as_ref().unwrap();
        assert_eq!(asked.standing, Standing::Approved, "{method} {when:?}");
    }
}

/// The value of a hidden field of a page.
fn hidden(page: &str, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    let rest = page.split_once(&field).unwrap_or_else(|| panic!("no {name} in {page}")).1;
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn who_signed_in_stands_in_the_ticket_and_in_the_record() {
    let town = town(Backend::Embedded, "").await;
    let town = town.set("WARDEN_APPROVER_SIGN_IN", "entra");
    let town = town.set("WARDEN_APPROVER_ROLES", "Approver");
    let warden = town.start().await;
    warden.role_was_added().await;
    let path = asked(&town, "").await;
    let http = Http::new(Patience::default()).unwrap();
    for (roles, status) in [("Reader", 403), ("Reader,Approver", 303)] {
        let sent = warden.decide(&path, "decision=approve").await;
        assert_eq!(sent.status, 303);
        let to = header(&sent, "location");
        assert!(to.starts_with(town.sim.origin().as_str()), "{to}");
        let to = format!("{to}&login_hint=megan@woodgrove.example&roles={roles}");
        let page = http.once("the sign-in", |client| client.get(&to)).await.unwrap();
        let page = String::from_utf8_lossy(&page.body).into_owned();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("id_token", &hidden(&page, "id_token"))
            .append_pair("state", &hidden(&page, "state"))
            .finish();
        let cookie = header(&sent, "set-cookie").split(';').next().unwrap();
        let headers = [("cookie", cookie)];
        assert_eq!(town.deletes(), [""; 0]);
        let back = warden.post("/decisions/signed-in", &headers, &form).await;
        assert_eq!(back.status, status, "{roles}: {}", String::from_utf8_lossy(&back.body));
    }
    let messages = town.closed_ticket().await;
    let told = "- Approved by megan@woodgrove.example (signed in) at ";
    assert!(body(messages.last().unwrap()).contains(told));
    let log = warden.stop().await;
    assert!(!log.contains("eyJ"), "a token is in the log: {log}");
    let records = town.records().await;
    let decision = &records.last().unwrap().case.asked.as_ref().unwrap().decisions[0];
    assert!(decision.proven);
    assert!(decision.identity.as_ref().unwrap().ends_with(WOODGROVE));
}
