//! `kill -9` at every point of the work, and a restart on the same files: nothing is lost, nothing
//! is done twice, and the records tell what happened.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::SignedDuration;
use partner_warden::adapters::http::{Http, Patience};
use partner_warden::config::Config;
use partner_warden::domain::plan::StepState;
use partner_warden::domain::secret::Secret;
use partner_warden::serve::{Timing, listen, serve};
use partner_warden::sim::{
    CONTOSO, Hold, INBOX_SECRET, Rule, Scenario, Tenant, Then, View, WOODGROVE, When,
};
use partner_warden::wire::graph::client_state;

use When::{AfterEffect, BeforeEffect};

mod relationships;
pub(crate) mod remedies;
mod restore;

use crate::harness::{CLIENT_STATE_KEY, ENFORCE, LIMIT, Town, Warden, steps};

/// Where the process is killed: while a request waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Point {
    method: &'static str,
    path: &'static str,
    when: When,
    /// How many such requests pass before.
    after: usize,
}

const fn at(method: &'static str, path: &'static str, when: When) -> Point {
    Point { method, path, when, after: 0 }
}

impl Point {
    const fn after(self, after: usize) -> Self {
        Self { after, ..self }
    }

    /// Sets the trap.
    fn arm(self, town: &Town) -> Armed {
        let hold = || town.sim.hold(self.method, self.path, self.when);
        let holds = (0..=self.after).map(|_| hold()).collect();
        Armed { point: self, holds }
    }
}

struct Armed {
    point: Point,
    holds: Vec<Hold>,
}

impl Armed {
    /// Waits for the request and kills its sender.
    async fn kill(self, warden: Warden) {
        let (last, before) = self.holds.split_last().unwrap();
        let reached = async {
            for hold in before {
                hold.reached().await;
                hold.release();
            }
            last.reached().await;
        };
        let log = || format!("{:?} was not reached:\n{}", self.point, warden.log());
        within(reached).await.unwrap_or_else(|| panic!("{}", log()));
        warden.kill();
        within(last.abandoned()).await.unwrap();
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    let limit: Duration = LIMIT;
    tokio::time::timeout(limit, work).await.ok()
}

fn woodgrove() -> Scenario {
    Scenario::woodgrove().lag_reads(0)
}

/// Kills the process once at each point, one life after the other, and lets the next one finish.
async fn check(scenario: Scenario, stale: usize, kills: &[Point]) {
    let town = Town::new(scenario, ENFORCE).await;
    let gone = town.sim.assignments(WOODGROVE).into_iter().filter(|held| {
        let kept = ["Megan Bowen", "Break Glass", "Partner Warden", "HelpdeskAgents"];
        !held.principal.as_deref().is_some_and(|name| kept.contains(&name))
    });
    let gone: Vec<String> = gone.map(|held| held.id).collect();
    for (life, point) in kills.iter().enumerate() {
        let armed = point.arm(&town);
        let warden = town.serve();
        if life == 0 {
            warden.role_was_added().await;
        }
        armed.kill(warden).await;
    }
    finish(&town, stale, &gone).await;
}

/// A last life in which nothing goes wrong.
async fn finish(town: &Town, stale: usize, gone: &[String]) {
    let warden = town.serve();
    town.closed_ticket().await;
    warden.stop().await;
    let deleted: Vec<String> =
        town.sim.deletions().into_iter().map(|deletion| deletion.assignment_id).collect();
    assert_eq!(deleted, gone);
    town.all_is_well(stale).await;
}

const SIGN_IN: &str = "/oauth2/v2.0/token";
const ASSIGNMENTS: &str = "/roleManagement/directory/roleAssignments";
const LATER_PAGE: &str = "/roleManagement/directory/roleAssignments?$skiptoken=";
const OBJECTS: &str = "/directoryObjects/getByIds";
const READ_AGAIN: &str = "/roleManagement/directory/roleAssignments?$filter=principalId";
const INBOX: &str = "/inbox/security";

#[tokio::test]
async fn killed_right_after_the_202() {
    let town = Town::new(woodgrove(), ENFORCE).await;
    let gone = ["AdminAgents", "Alice"].map(|name| id_of(&town, name));
    let warden = town.serve();
    warden.role_was_added().await;
    warden.kill();
    finish(&town, 0, &gone).await;
}

fn id_of(town: &Town, holder: &str) -> String {
    let mut held = town.sim.assignments(WOODGROVE).into_iter();
    held.find(|held| held.principal.as_deref() == Some(holder)).unwrap().id
}

#[tokio::test]
async fn killed_during_sign_in() {
    check(woodgrove(), 0, &[at("POST", SIGN_IN, BeforeEffect)]).await;
    check(woodgrove(), 0, &[at("POST", SIGN_IN, AfterEffect)]).await;
}

#[tokio::test]
async fn killed_during_the_first_page() {
    check(woodgrove(), 0, &[at("GET", ASSIGNMENTS, BeforeEffect)]).await;
    check(woodgrove(), 0, &[at("GET", ASSIGNMENTS, AfterEffect)]).await;
}

#[tokio::test]
async fn killed_during_a_later_page() {
    check(woodgrove().page_size(2), 0, &[at("GET", LATER_PAGE, BeforeEffect)]).await;
    check(woodgrove().page_size(2), 0, &[at("GET", LATER_PAGE, AfterEffect).after(1)]).await;
}

#[tokio::test]
async fn killed_while_asking_who_the_holders_are() {
    check(woodgrove(), 0, &[at("POST", OBJECTS, BeforeEffect)]).await;
    check(woodgrove(), 0, &[at("POST", OBJECTS, AfterEffect)]).await;
}

#[tokio::test]
async fn killed_before_a_deletion_takes_effect() {
    check(woodgrove(), 0, &[at("DELETE", ASSIGNMENTS, BeforeEffect)]).await;
}

#[tokio::test]
async fn killed_after_a_deletion_took_effect_with_its_answer_lost() {
    check(woodgrove(), 0, &[at("DELETE", ASSIGNMENTS, AfterEffect)]).await;
}

#[tokio::test]
async fn killed_before_the_second_deletion_takes_effect() {
    check(woodgrove(), 0, &[at("DELETE", ASSIGNMENTS, BeforeEffect).after(1)]).await;
}

#[tokio::test]
async fn killed_after_the_second_deletion_took_effect_with_its_answer_lost() {
    check(woodgrove(), 0, &[at("DELETE", ASSIGNMENTS, AfterEffect).after(1)]).await;
}

/// One role to take away, in a tenant that lists it once more after it is gone.
#[tokio::test]
async fn killed_after_a_deletion_that_the_tenant_does_not_show_yet() {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner_group("AdminAgents", CONTOSO, "Global Administrator")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator");
    let scenario = Scenario::default().tenant(tenant).sink("security", INBOX_SECRET).lag_reads(1);
    check(scenario, 1, &[at("DELETE", ASSIGNMENTS, AfterEffect)]).await;
}

#[tokio::test]
async fn killed_while_reading_again() {
    check(woodgrove(), 0, &[at("GET", READ_AGAIN, BeforeEffect)]).await;
    check(woodgrove(), 0, &[at("GET", READ_AGAIN, AfterEffect)]).await;
    check(woodgrove(), 0, &[at("GET", READ_AGAIN, AfterEffect).after(1)]).await;
}

#[tokio::test]
async fn killed_while_opening_the_ticket() {
    check(woodgrove(), 0, &[at("POST", INBOX, BeforeEffect)]).await;
    check(woodgrove(), 0, &[at("POST", INBOX, AfterEffect)]).await;
}

#[tokio::test]
async fn killed_while_closing_the_ticket() {
    check(woodgrove(), 0, &[at("POST", INBOX, BeforeEffect).after(1)]).await;
    check(woodgrove(), 0, &[at("POST", INBOX, AfterEffect).after(1)]).await;
}

#[tokio::test]
async fn killed_twice_in_a_row_at_the_same_point() {
    for point in [
        at("POST", SIGN_IN, BeforeEffect),
        at("GET", ASSIGNMENTS, AfterEffect),
        at("POST", OBJECTS, AfterEffect),
        at("DELETE", ASSIGNMENTS, BeforeEffect),
        at("DELETE", ASSIGNMENTS, AfterEffect),
        at("GET", READ_AGAIN, BeforeEffect),
        at("POST", INBOX, BeforeEffect),
        at("POST", INBOX, AfterEffect),
    ] {
        check(woodgrove(), 0, &[point, point]).await;
    }
}

#[tokio::test]
async fn killed_at_one_point_after_the_other() {
    check(
        woodgrove(),
        0,
        &[
            at("POST", SIGN_IN, AfterEffect),
            at("GET", ASSIGNMENTS, AfterEffect),
            at("DELETE", ASSIGNMENTS, BeforeEffect),
            at("DELETE", ASSIGNMENTS, AfterEffect),
            at("DELETE", ASSIGNMENTS, AfterEffect),
            at("GET", ASSIGNMENTS, BeforeEffect),
            at("POST", INBOX, AfterEffect),
        ],
    )
    .await;
}

fn notification() -> String {
    let state = client_state(&Secret::new(CLIENT_STATE_KEY), WOODGROVE.parse().unwrap());
    include_str!("../../events/graph/user-updated.json").replace("{{clientState}}", &state)
}

/// Posts a notification.
pub(crate) async fn notify(address: SocketAddr) {
    let http = Http::new(Patience::default()).unwrap();
    let url = format!("http://{address}/hooks/graph");
    let body = notification();
    let posted = http.once("serve", |client| client.post(&url).body(body.clone())).await;
    assert_eq!(posted.unwrap().status, 202);
}

/// Posts notifications from many connections until so many are answered, kills, and says how many
/// were answered in the end.
async fn kill_amid_posts(warden: Warden, posts: usize, kill_after: usize) -> usize {
    let body = notification();
    let url = format!("http://{}/hooks/graph", warden.address);
    let http = Http::new(Patience::default()).unwrap();
    let post = || http.once("serve", |client| client.post(&url).body(body.clone()));
    let mut answers =
        futures_util::stream::iter((0..posts).map(|_| post())).buffer_unordered(posts / 4);
    let (mut warden, mut answered) = (Some(warden), 0);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(answer) => {
                assert_eq!(answer.status, 202);
                answered += 1;
            }
            Err(_) => assert!(warden.is_none(), "refused before the end"),
        }
        if answered == kill_after
            && let Some(warden) = warden.take()
        {
            warden.kill();
        }
    }
    answered
}

/// What arrives while the tenant is busy waits in the queue, each signal counted, and brings on a
/// look after the restart: a role given meanwhile is found and taken away.
#[tokio::test]
async fn killed_amid_a_hundred_notifications() {
    for kill_after in [1, 40, 100] {
        let town = Town::new(woodgrove(), ENFORCE).await;
        let mut gone = ["AdminAgents", "Alice"].map(|name| id_of(&town, name)).to_vec();
        let busy = town.sim.hold("GET", READ_AGAIN, BeforeEffect);
        let warden = town.serve();
        warden.role_was_added().await;
        within(busy.reached()).await.unwrap();
        assert_eq!(town.waiting(), [], "the first look is over");
        gone.push(town.sim.grant(WOODGROVE, "Alice", "Exchange Administrator").unwrap());
        let answered = kill_amid_posts(warden, 100, kill_after).await;
        within(busy.abandoned()).await.unwrap();
        let kept: i64 = town.waiting().iter().map(|waiting| waiting.signals).sum();
        assert!(kept >= i64::try_from(answered).unwrap(), "{answered} answered, {kept} kept");
        let before = town.looks();
        finish(&town, 0, &gone).await;
        assert!(town.looks() > before, "no look after the restart");
    }
}

/// Two partners, and nobody to tell.
const QUIET: &str = "version: 1
mode: enforce
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
      - id: 44444444-4444-4444-4444-444444444444
        name: Fabrikam Support
        domains: [fabrikam-support.example]
respond:
  privileged-role: {do: revoke}
  role-not-allowed: {do: revoke}
";

/// The first partner's refusal is all there is to know of it: a later look finds nothing new.
#[tokio::test]
async fn killed_after_a_refusal_that_no_later_look_would_tell() {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner_group("AdminAgents", CONTOSO, "Global Administrator")
        .guest("Bob", "bob@fabrikam-support.example", "User Administrator")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator");
    let town = Town::new(Scenario::default().tenant(tenant).refuse_foreign_deletion(), QUIET).await;
    let armed = at("DELETE", ASSIGNMENTS, AfterEffect).after(1).arm(&town);
    let warden = town.serve();
    warden.role_was_added().await;
    armed.kill(warden).await;
    let again = town.sim.hold("POST", OBJECTS, BeforeEffect);
    let warden = town.serve();
    within(again.reached()).await.unwrap();
    again.release();
    warden.stop().await;
    let records = town.records().await;
    let refused = records.iter().flat_map(|record| &record.case.rows).any(|row| {
        row.step.as_ref().is_some_and(|step| {
            step.state == StepState::Refused && step.request_id.is_some() && row.open
        })
    });
    assert!(refused, "{records:#?}");
    assert_eq!(town.sim.count("DELETE", ASSIGNMENTS), 2);
}

/// A deletion whose answer was lost counts as one of those the policy allows within an hour.
#[tokio::test]
async fn killed_and_still_no_more_is_taken_away_than_the_policy_allows() {
    let policy = ENFORCE.replace("guardrails: {", "guardrails: {maxRevocations: 1, ");
    let town = Town::new(woodgrove(), &policy).await;
    let armed = at("DELETE", ASSIGNMENTS, AfterEffect).arm(&town);
    let warden = town.serve();
    warden.role_was_added().await;
    armed.kill(warden).await;
    for life in 0..2 {
        let warden = town.serve();
        if life > 0 {
            warden.role_was_added().await;
        }
        town.looked(2 + life).await;
        warden.stop().await;
        let waiting = town.waiting();
        assert!(waiting.iter().all(|it| it.subject == "held"), "a signal is left: {waiting:?}");
        assert_eq!(town.sim.deletions().len(), 1, "in life {life} after the crash");
    }
    let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
    let held = messages.last().unwrap()["data"]["body"].as_str().unwrap().contains("Held back");
    assert!(held, "{messages:#?}");
}

/// Serves in this process, less patiently, while something is done.
async fn serve_meanwhile<T>(town: &Town, work: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    let soon = SignedDuration::from_millis;
    let timing = Timing {
        patience: Patience { retries: 0, ..Patience::default() },
        read_again: vec![soon(0), soon(1), soon(2)],
        retry_pause: SignedDuration::from_hours(1),
        ..Timing::default()
    };
    serve_with(town, timing, work).await
}

/// Serves in this process, as patiently as it is said, while something is done.
pub(crate) async fn serve_with<T>(
    town: &Town,
    timing: Timing,
    work: impl AsyncFnOnce(SocketAddr) -> T,
) -> T {
    let variable = |name: &str| {
        let mut all = town.variables();
        all.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    let config = Config::load(variable).unwrap();
    let door = listen(config.settings.listen).await.unwrap();
    let address = door.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = serve(&config, door, timing, async { drop(stopped.await) });
    let working = async {
        let done = work(address).await;
        stop.send(()).unwrap();
        done
    };
    let (served, done) = tokio::join!(serving, working);
    served.unwrap();
    done
}

/// Reading again shows that the access is still there; it is no proof that Graph ever heard of it.
#[tokio::test]
async fn killed_before_a_deletion_and_graph_out_of_order_for_long_after() {
    let town = Town::new(woodgrove(), ENFORCE).await;
    let armed = at("DELETE", ASSIGNMENTS, BeforeEffect).arm(&town);
    let warden = town.serve();
    warden.role_was_added().await;
    armed.kill(warden).await;
    town.sim.add_fault(Rule::new(ASSIGNMENTS, Then::status(503)).method("DELETE").forever());
    serve_meanwhile(&town, async |_| {
        let wait = |count| {
            town.sim.wait_for("the deletions", LIMIT, move |view| {
                (view.count("DELETE", ASSIGNMENTS) >= count).then_some(())
            })
        };
        wait(3).await.unwrap();
    })
    .await;
    let again = town.sim.count("GET", READ_AGAIN);
    serve_meanwhile(&town, async |address| {
        let last = 3 * 2;
        let read = |view: &View<'_>| view.count("GET", READ_AGAIN) >= again + last;
        let wait = town.sim.wait_for("reading again", LIMIT, |view| read(view).then_some(()));
        wait.await.unwrap();
        town.sim.clear_faults();
        notify(address).await;
        town.closed_ticket().await;
    })
    .await;
    assert_eq!(town.sim.deletions().len(), 2);
}

const POLICIES: &str = "/identity/conditionalAccess/policies";

/// A partner from whom the tenant cannot take anything is kept out once, wherever the process dies.
#[tokio::test]
async fn killed_around_a_quarantine_and_never_two_policies() {
    let policy =
        ENFORCE.replace("{do: revoke, ticket", "{do: revoke, ifRefused: quarantine, ticket");
    let post = |when| at("POST", POLICIES, when);
    let get = |after| at("GET", POLICIES, AfterEffect).after(after);
    for kills in [
        vec![at("DELETE", ASSIGNMENTS, AfterEffect)],
        vec![get(1)],
        vec![get(2)],
        vec![post(BeforeEffect)],
        vec![post(AfterEffect)],
        vec![post(BeforeEffect), post(AfterEffect)],
        vec![post(AfterEffect), get(0)],
        // The list that is read again after it was made.
        vec![get(3)],
        vec![get(4)],
    ] {
        let tenant = Tenant::new(WOODGROVE, "Woodgrove")
            .partner_group("AdminAgents", CONTOSO, "Global Administrator")
            .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
            .member("Break Glass", "breakglass@woodgrove.example", "Global Administrator");
        let scenario = Scenario::default().tenant(tenant).sink("security", INBOX_SECRET);
        let town = Town::new(scenario.refuse_foreign_deletion(), &policy).await;
        for (life, point) in kills.iter().enumerate() {
            let armed = point.arm(&town);
            let warden = town.serve();
            if life == 0 {
                warden.role_was_added().await;
            }
            armed.kill(warden).await;
        }
        let warden = town.serve();
        town.messages(&format!("the quarantine after {kills:?}"), |messages| {
            messages.last().is_some_and(|last| {
                steps(last).contains(
                    &"block Contoso Reseller's people by conditional access: verified".to_owned(),
                )
            })
        })
        .await;
        warden.stop().await;
        assert_eq!(town.sim.conditional_access(WOODGROVE).len(), 1, "{kills:?}");
        assert_eq!(town.sim.count("DELETE", POLICIES), 0, "{kills:?}");
        assert_eq!(town.waiting(), [], "{kills:?}");
        let last = town.records().await.pop().unwrap();
        let steps = last.case.rows.into_iter().filter_map(|row| row.step);
        let states: Vec<StepState> = steps.map(|step| step.state).collect();
        assert_eq!(states, [StepState::Refused, StepState::Verified], "{kills:?}");
    }
}

/// What accompanies a revocation is done although the role is gone before it.
#[tokio::test]
async fn killed_around_what_accompanies_a_revocation() {
    let also = "{do: revoke, also: [revoke-sessions, disable-guest], ticket";
    let policy = ENFORCE.replace("{do: revoke, ticket", also);
    for point in [
        at("DELETE", ASSIGNMENTS, AfterEffect).after(1),
        at("POST", "/revokeSignInSessions", BeforeEffect),
        at("POST", "/revokeSignInSessions", AfterEffect),
        at("PATCH", "/users/", BeforeEffect),
        at("PATCH", "/users/", AfterEffect),
    ] {
        let town = Town::new(woodgrove(), &policy).await;
        let gone = ["AdminAgents", "Alice"].map(|name| id_of(&town, name));
        let armed = point.arm(&town);
        let warden = town.serve();
        warden.role_was_added().await;
        armed.kill(warden).await;
        finish(&town, 0, &gone).await;
        assert_eq!(town.sim.is_enabled(WOODGROVE, "Alice"), Some(false), "{point:?}");
        assert!(town.sim.sessions_ended(WOODGROVE, "Alice").is_some(), "{point:?}");
        let messages = town.closed_ticket().await;
        let steps = steps(messages.last().unwrap());
        assert!(steps.iter().all(|step| step.ends_with(": verified")), "{point:?} {steps:?}");
        assert_eq!(steps.len(), 4);
    }
}
