//! What looks and sweeps ask of AWS and how long they take. `make measure-aws` prints it; what is
//! counted has to be what `examples/capacity.rs` reckons with.

use std::collections::BTreeMap;
use std::time::Duration;

use partner_warden::sim::{Rule, Then, WOODGROVE};
use serde_json::json;

use super::emulator::until;
use super::meter::{Tally, Units};
use super::stack::Stack;
use super::sweep::reachable;
use crate::harness::{Backend, CLIENT_STATE_KEY, ENFORCE, Town, Warden};
use crate::sweep::{both, calm, polls_of, subscribed};

/// How late Graph answers while it is measured how often it is waited for.
const LATE: Duration = Duration::from_millis(400);

/// How often each thing is measured; of the times, the one in the middle counts.
const TIMES: usize = 3;

/// A role for each time, since what comes back too often is left alone.
const ROLES: [&str; TIMES + 1] = [
    "Global Administrator",
    "User Administrator",
    "Exchange Administrator",
    "Helpdesk Administrator",
];

/// What something took.
#[derive(Debug, Clone, Default)]
struct Took {
    tally: Tally,
    ingest: Duration,
    worker: Duration,
    sweep: Duration,
}

impl Took {
    /// Everything so far.
    fn so_far(stack: &Stack) -> Self {
        let ran = |function| stack.durations(function).into_iter().sum();
        let (ingest, worker, sweep) = (ran("ingest"), ran("worker"), ran("sweep"));
        Self { tally: stack.tally(), ingest, worker, sweep }
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            tally: self.tally.since(&earlier.tally),
            ingest: self.ingest.saturating_sub(earlier.ingest),
            worker: self.worker.saturating_sub(earlier.worker),
            sweep: self.sweep.saturating_sub(earlier.sweep),
        }
    }
}

/// Does something until nothing is left to do, and says what it took.
async fn took(town: &Town, what: impl AsyncFnOnce()) -> Took {
    let before = Took::so_far(town.stack());
    what().await;
    town.stack().idle().await;
    Took::so_far(town.stack()).since(&before)
}

/// What the first of several asked for, since cases grow with what happens to them; and how long
/// it usually takes.
fn usual(mut all: Vec<Took>) -> Took {
    let tally = all[0].tally.clone();
    all.sort_by_key(|took| took.worker + took.sweep);
    Took { tally, ..all.swap_remove(all.len() / 2) }
}

/// How often an answer of Graph is waited for, by how much longer it takes where each is late.
fn waits(prompt: Duration, late: Duration) -> f64 {
    (late.saturating_sub(prompt).as_secs_f64() / LATE.as_secs_f64()).round()
}

fn late(town: &Town) {
    let delay = Then::DelayMs(LATE.as_millis().try_into().unwrap());
    town.sim.add_fault(Rule::new("/", delay).forever());
}

async fn counted(set: &[(&str, &str)], policy: &str) -> (Town, Warden) {
    let mut town = Town::on(Backend::Aws, calm(), policy).await.metered();
    for (name, value) in set {
        town = town.set(name, value);
    }
    let warden = town.start().await;
    (town, warden)
}

#[expect(clippy::print_stdout, reason = "what is measured is to be read")]
fn print(what: &str, took: &Took) {
    println!("{what}: {}", took.tally);
    let Took { ingest, worker, sweep, .. } = took;
    println!("  ingest {ingest:?}, worker {worker:?}, sweep {sweep:?}");
}

/// The figures, by the names that `examples/capacity.rs` gives them.
#[derive(Default)]
struct Figures {
    /// What comes out the same wherever it is measured.
    counted: BTreeMap<&'static str, f64>,
    /// What hangs on the machine.
    timed: BTreeMap<&'static str, f64>,
}

impl Figures {
    fn count(&mut self, name: &'static str, value: f64) {
        self.counted.insert(name, value);
    }

    fn time(&mut self, name: &'static str, value: Duration) {
        self.timed.insert(name, value.as_secs_f64());
    }

    /// What is counted has to be what the example says.
    fn compare(&self) {
        let example = include_str!("../../../examples/capacity.rs");
        for (name, measured) in &self.counted {
            let beginning = format!("(\"{name}\", ");
            let rest = example.split_once(&beginning).unwrap_or_else(|| panic!("no {name}")).1;
            let said: f64 = rest.split(',').next().unwrap().parse().unwrap();
            // Some items grow and shrink with what is in them.
            let near = (measured - said).abs() <= (0.1 * said).max(1.0);
            assert!(near, "{name} is {said} in examples/capacity.rs, and measured {measured}");
        }
    }
}

/// Looks: those that find nothing new, and those that take a role away.
async fn looks(figures: &mut Figures) {
    let (town, warden) = counted(&[], ENFORCE).await;
    let mut number = 0;
    let mut event = async || {
        number += 1;
        warden.role_was_added_again(number).await;
    };
    // So that nothing of a beginning is counted.
    event().await;
    town.stack().idle().await;
    let mut revoked = Vec::new();
    for (time, role) in ROLES.into_iter().enumerate() {
        if time == TIMES {
            late(&town);
        }
        town.sim.grant(WOODGROVE, "AdminAgents", role).unwrap();
        let one = took(&town, async || {
            event().await;
            town.messages("a ticket that is closed", |messages| {
                messages.iter().filter(|it| it["type"] == "ticket.closed").count() > time
            })
            .await;
        });
        revoked.push(one.await);
    }
    let slowly = revoked.pop().unwrap();
    let revoked = usual(revoked);
    town.sim.clear_faults();
    let mut quiet = Vec::new();
    for time in 0..=TIMES {
        if time == TIMES {
            late(&town);
        }
        quiet.push(took(&town, async || event().await).await);
    }
    let quiet_slowly = quiet.pop().unwrap();
    let quiet = usual(quiet);
    print("an event and a look that finds nothing", &quiet);
    print("an event and a look that takes a role away, proves it and tells", &revoked);
    let reads = |took: &Took| took.tally.reads.number() + took.tally.due_reads.number();
    figures.count("revoke-reads", reads(&revoked) - reads(&quiet));
    figures.count("revoke-writes", revoked.tally.writes.number() - quiet.tally.writes.number());
    figures.time("ingest-seconds", quiet.ingest);
    figures.time("look-seconds", quiet.worker);
    figures.time("revoke-seconds", revoked.worker.saturating_sub(quiet.worker));
    let of_look = waits(quiet.worker, quiet_slowly.worker);
    figures.timed.insert("look-waits", of_look);
    figures.timed.insert("revoke-waits", waits(revoked.worker, slowly.worker) - of_look);
    assert_eq!(quiet.tally.queue, 1, "the signal is sent, and nothing else");
    warden.stop().await;
}

/// An event with its settling look: the signal, the later queue, and back into the work queue.
async fn settling(figures: &mut Figures) {
    let (town, warden) = counted(&[("WARDEN_SETTLE_AFTER", "PT1S")], ENFORCE).await;
    warden.role_was_added_again(1).await;
    town.looked(2).await;
    town.stack().idle().await;
    let both = took(&town, async || {
        warden.role_was_added_again(2).await;
        town.looked(4).await;
    });
    let both = both.await;
    print("an event, its look and its settling look, which find nothing", &both);
    figures.count("event-reads", both.tally.reads.number() + both.tally.due_reads.number());
    figures.count("event-writes", both.tally.writes.number());
    figures.count("event-sends", f64::from(both.tally.queue));
    warden.stop().await;
}

/// Sweeps in which nothing is due: what there is to read for all, and for each tenant.
async fn ticks(figures: &mut Figures) {
    let mut quiet = Vec::new();
    for tenants in [1, 33] {
        let more = (1..tenants).map(|n| {
            format!("  - {{id: {n:08x}-0000-4000-8000-000000000000, name: Tenant {n}}}\n")
        });
        let more: String = more.collect();
        let policy = ENFORCE.replace("respond:", &format!("{more}respond:"));
        let (town, warden) = counted(&[], &policy).await;
        town.stack().tick().await;
        let mut all = Vec::new();
        for _ in 0..TIMES {
            let tick = took(&town, async || {
                let swept = town.stack().tick().await;
                assert_eq!(swept, json!({"due": 0, "turn": 0, "left": 0}));
            });
            all.push(tick.await);
        }
        quiet.push(usual(all));
        print(&format!("a sweep that finds nothing due in {tenants}"), &quiet[quiet.len() - 1]);
        warden.stop().await;
    }
    let [one, many] = [&quiet[0], &quiet[1]];
    let each = (many.tally.reads.number() - one.tally.reads.number()) / 32.0;
    figures.count("sweep-reads", one.tally.due_reads.number() + one.tally.reads.number() - each);
    figures.count("tenant-reads", each);
    figures.time("sweep-seconds", one.sweep);
    figures.time("tenant-seconds", many.sweep.saturating_sub(one.sweep) / 32);
    assert_eq!(quiet[1].tally.due_reads, quiet[0].tally.due_reads);
    assert_eq!((quiet[1].tally.writes, quiet[1].tally.queue), (Units::default(), 0));
}

/// A poll of the audit log that finds nothing, beyond what the sweep reads anyway.
///
/// The emulator's seconds are not taken down: a poll a second after another waits for its turn, as
/// one in five minutes does not.
async fn polls(figures: &mut Figures) {
    let (town, warden) = counted(&[("WARDEN_POLL_EVERY", "PT1S")], ENFORCE).await;
    let poll = async || {
        until("a poll", async || {
            let before = polls_of(&town);
            let one = took(&town, async || drop(town.stack().tick().await)).await;
            (polls_of(&town) > before).then_some(one)
        })
        .await
    };
    poll().await;
    poll().await;
    let asked = polls_of(&town);
    let one = poll().await;
    assert_eq!(polls_of(&town), asked + 1, "a poll of a quiet log asks once");
    print("a sweep that polls an audit log", &one);
    let swept = figures.counted["sweep-reads"] + figures.counted["tenant-reads"];
    figures.count("poll-reads", one.tally.reads.number() + one.tally.due_reads.number() - swept);
    figures.count("poll-writes", one.tally.writes.number());
    warden.stop().await;
}

/// A tenant's turn: its look is queued and its subscriptions are seen to.
async fn turns(figures: &mut Figures) {
    let town = Town::on(Backend::Aws, calm(), ENFORCE).await.metered();
    let (town, warden, _relay) = reachable(town.set("WARDEN_SWEEP_EVERY", "PT1S")).await;
    let turn = async || {
        until("a turn", async || {
            let before = town.sim.count("GET", "/v1.0/subscriptions");
            let mut swept = json!(null);
            let one = took(&town, async || swept = town.stack().tick().await).await;
            let tended = town.sim.count("GET", "/v1.0/subscriptions") > before;
            (swept["turn"] == 1 && tended).then_some(one)
        })
        .await
    };
    turn().await;
    subscribed(&town, "both subscriptions", |all| both(all, CLIENT_STATE_KEY)).await;
    turn().await;
    let prompt = turn().await;
    print("a sweep with a tenant's turn, and the look that comes of it", &prompt);
    let swept = figures.counted["sweep-reads"] + figures.counted["tenant-reads"];
    figures
        .count("turn-reads", prompt.tally.reads.number() + prompt.tally.due_reads.number() - swept);
    figures.count("turn-writes", prompt.tally.writes.number());
    figures.count("turn-sends", f64::from(prompt.tally.queue));
    warden.stop().await;
}

#[tokio::test]
async fn what_the_capacity_example_reckons_with_is_what_is_measured() {
    let mut figures = Figures::default();
    looks(&mut figures).await;
    settling(&mut figures).await;
    ticks(&mut figures).await;
    polls(&mut figures).await;
    turns(&mut figures).await;
    #[expect(clippy::print_stdout, reason = "what is measured is to be read")]
    for (name, value) in figures.counted.iter().chain(&figures.timed) {
        println!("{name}={value}");
    }
    figures.compare();
}
