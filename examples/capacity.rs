//! What a month on AWS costs and how long work waits, from prices and measured figures:
//!
//! ```text
//! cargo run --release --example capacity                    the table of docs/aws.md
//! cargo run --release --example capacity -- look=4.5 tenants=2500
//! ```
//!
//! Every figure below is a parameter `name=value`. Prices are those of us-east-1 without any free
//! tier, in US dollars, as published in 2025 and 2026:
//! <https://aws.amazon.com/lambda/pricing/>, <https://aws.amazon.com/sqs/pricing/>,
//! <https://aws.amazon.com/dynamodb/pricing/on-demand/>,
//! <https://aws.amazon.com/eventbridge/pricing/>, <https://aws.amazon.com/secrets-manager/pricing/>,
//! <https://aws.amazon.com/cloudwatch/pricing/>. Check them there before a decision hangs on them.

#![expect(clippy::print_stdout, reason = "an example that prints")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times that are positive and far below 2^52"
)]

use std::collections::{BTreeMap, BinaryHeap};
use std::process::ExitCode;

/// Name, value, and what it is.
const FIGURES: &[(&str, f64, &str)] = &[
    ("lambda-request", 0.20e-6, "dollars for a request"),
    ("lambda-gb-second", 0.000_013_333_4, "dollars for a GB-second on arm64"),
    ("sqs-fifo", 0.50e-6, "dollars for a request to a FIFO queue"),
    ("sqs", 0.40e-6, "dollars for a request to a standard queue"),
    ("write", 0.625e-6, "dollars for a write request unit"),
    ("read", 0.125e-6, "dollars for a read request unit"),
    ("schedule", 1.0e-6, "dollars for a schedule's invocation"),
    ("secret", 0.40, "dollars for a secret and month"),
    ("secret-call", 0.05e-4, "dollars for reading a secret"),
    ("log-gb", 0.50, "dollars for a GB of logs"),
    ("alarm", 0.10, "dollars for an alarm and month"),
    ("ingest-seconds", 0.02, "seconds that ingest takes for a request"),
    ("ingest-gb", 0.5, "its memory"),
    ("look", 3.0, "seconds that a look at a tenant takes, most of them waiting for Graph"),
    ("worker-gb", 1.0, "memory of the worker"),
    ("in-flight", 4.0, "tenants that one worker looks at, at once"),
    ("batch", 10.0, "messages of one batch"),
    ("look-writes", 8.0, "write request units of a look that finds nothing new"),
    ("look-reads", 30.0, "read request units of such a look"),
    ("sweep-seconds", 1.0, "seconds of a sweep"),
    ("sweep-reads", 60.0, "read request units of a sweep"),
    ("log-bytes", 2000.0, "bytes logged for a look"),
    ("sweep-every", 15.0, "minutes between two looks without a reason"),
    ("events", 100.0, "events of a tenant and day that are a reason to look"),
    ("workers", 10.0, "workers at once (WorkerConcurrency)"),
    ("tenants", 0.0, "one number of tenants instead of the table's"),
];

struct Figures(BTreeMap<&'static str, f64>);

impl Figures {
    fn of(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut figures: BTreeMap<&str, f64> = FIGURES.iter().map(|(n, v, _)| (*n, *v)).collect();
        for argument in arguments {
            let named = argument.split_once('=').and_then(|(name, value)| {
                Some((FIGURES.iter().find(|(known, ..)| *known == name)?.0, value.parse().ok()?))
            });
            let (name, value) = named.ok_or_else(|| format!("{argument}: not a figure"))?;
            figures.insert(name, value);
        }
        Ok(Self(figures))
    }

    fn the(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Dollars for one event that is a reason to look, from the request to the settling look.
    fn event(&self) -> f64 {
        let ingest = self.the("lambda-request")
            + self.the("ingest-seconds") * self.the("ingest-gb") * self.the("lambda-gb-second");
        // Sent, received and deleted; the last two in batches.
        let queue = self.the("sqs-fifo") * (1.0 + 2.0 / self.the("batch"));
        // The settling look's way through both queues.
        let settling = 3.0 * self.the("sqs") + 3.0 * self.the("sqs-fifo");
        ingest + queue + settling + 2.0 * self.a_look()
    }

    /// Dollars for one look.
    fn a_look(&self) -> f64 {
        let seconds = self.the("look") / self.the("in-flight");
        self.the("lambda-request") / self.the("in-flight")
            + seconds * self.the("worker-gb") * self.the("lambda-gb-second")
            + self.the("look-writes") * self.the("write")
            + self.the("look-reads") * self.the("read")
            + self.the("log-bytes") / 1e9 * self.the("log-gb")
    }

    /// Dollars for a month of 30 days.
    fn month(&self, tenants: f64) -> f64 {
        let minutes = 30.0 * 24.0 * 60.0;
        let sweeps = minutes
            * (self.the("schedule")
                + self.the("lambda-request")
                + self.the("sweep-seconds") * 0.5 * self.the("lambda-gb-second")
                + self.the("sweep-reads") * self.the("read"));
        let periodic = tenants * minutes / self.the("sweep-every")
            * (self.a_look() + 3.0 * self.the("sqs-fifo"));
        let events = tenants * 30.0 * self.the("events") * self.event();
        // Two secrets, read every 5 minutes by as many processes as there are at once.
        let reads = minutes / 5.0 * 4.0 * (self.the("workers") + 2.0);
        let fixed = 2.0 * self.the("secret") + reads * self.the("secret-call");
        sweeps + periodic + events + fixed + 9.0 * self.the("alarm")
    }

    /// Plays a day's work: how long an event waits for its look to begin, in seconds (median, 99 in
    /// 100), and what part of the time the workers are busy.
    fn day(&self, tenants: u32) -> (f64, f64, f64) {
        let places = (self.the("workers") * self.the("in-flight")) as usize;
        let day = 24.0 * 3600.0;
        let every = self.the("sweep-every") * 60.0;
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        // What arrives: when, whose, and whether it is an event.
        let mut arrivals: Vec<(f64, u32, bool)> = Vec::new();
        for tenant in 0..tenants {
            let first = noise.unit() * every;
            let ticks = (0..).map(|n| first + f64::from(n) * every).take_while(|at| *at < day);
            arrivals.extend(ticks.map(|at| (at, tenant, false)));
            let mut at = 0.0;
            loop {
                at -= (1.0 - noise.unit()).ln() * day / self.the("events");
                if at >= day {
                    break;
                }
                arrivals.push((at, tenant, true));
                arrivals.push((at + 120.0, tenant, false));
            }
        }
        arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
        // When each place is free, the soonest first; and each tenant, which is one at a time.
        let mut free: BinaryHeap<std::cmp::Reverse<u64>> =
            (0..places.max(1)).map(|_| std::cmp::Reverse(0)).collect();
        let mut tenant_free = vec![0.0_f64; tenants as usize];
        let (mut waits, mut busy) = (Vec::new(), 0.0);
        for (at, tenant, is_event) in arrivals {
            let Some(std::cmp::Reverse(place)) = free.pop() else { break };
            let whose = &mut tenant_free[tenant as usize];
            let begin = at.max(place as f64 / 1000.0).max(*whose);
            // From half to one and a half times the usual.
            let end = begin + self.the("look") * (0.5 + noise.unit());
            busy += end - begin;
            *whose = end;
            free.push(std::cmp::Reverse((end * 1000.0) as u64));
            if is_event {
                waits.push(begin - at);
            }
        }
        waits.sort_by(f64::total_cmp);
        let at = |part: f64| waits.get((waits.len() as f64 * part) as usize).copied();
        let load = busy / (places.max(1) as f64 * day);
        (at(0.5).unwrap_or_default(), at(0.99).unwrap_or_default(), load)
    }
}

/// Numbers that look like chance and are the same in every run: Marsaglia's xorshift.
struct Noise(u64);

impl Noise {
    /// From 0 up to 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn main() -> ExitCode {
    let figures = match Figures::of(std::env::args().skip(1)) {
        Ok(figures) => figures,
        Err(wrong) => {
            println!("{wrong}\n\nThe figures:");
            for (name, value, what) in FIGURES {
                println!("  {name}={value}  {what}");
            }
            return ExitCode::from(2);
        }
    };
    println!("A million events that are reasons to look: {:.2} dollars", figures.event() * 1e6);
    println!("A million looks without a reason:          {:.2} dollars\n", figures.a_look() * 1e6);
    println!(
        "| tenants | dollars a month | a tenant and month | waits, median | waits, 99 in 100 | workers busy |"
    );
    println!("|---|---|---|---|---|---|");
    let one = figures.the("tenants") as u32;
    let rows = if one == 0 { vec![1, 10, 100, 1000, 3000, 10_000] } else { vec![one] };
    for tenants in rows {
        let month = figures.month(f64::from(tenants));
        let (median, most, load) = figures.day(tenants);
        println!(
            "| {tenants} | {month:.2} | {:.3} | {median:.1} s | {most:.1} s | {:.0} % |",
            month / f64::from(tenants),
            load * 100.0
        );
    }
    ExitCode::SUCCESS
}
