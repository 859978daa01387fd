//! What a month on AWS costs and how long work waits, from prices and measured figures:
//!
//! ```text
//! cargo run --release --example capacity                    the table of docs/aws.md
//! cargo run --release --example capacity -- graph=1.5 tenants=2500
//! ```
//!
//! Every figure below is a parameter `name=value`. What a look, a turn, a poll and a sweep take is
//! measured: `make measure-aws` prints it, and fails where what can be counted is not what stands
//! here. Its seconds are those of debug builds on an emulator on a machine of two busy cores, which
//! no function on AWS should need. How fast Graph answers is stated, not measured. Prices are those of us-east-1 without any free
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
    ("metric", 0.30, "dollars for a metric of one's own and month"),
    ("dashboard", 3.0, "dollars for a dashboard and month"),
    ("graph", 0.4, "seconds that Graph takes for an answer (stated; yours are in the logs)"),
    ("ingest-seconds", 0.06, "seconds that ingest takes for a request"),
    ("ingest-gb", 0.5, "its memory"),
    ("look-seconds", 0.19, "seconds of a look beside waiting for Graph"),
    ("look-waits", 7.0, "answers of Graph that a look waits for, one after the other"),
    ("worker-gb", 1.0, "memory of the worker"),
    ("in-flight", 4.0, "tenants that one worker looks at, at once"),
    ("share", 1.0, "looks that share a worker's time: more only where work waits"),
    ("batch", 1.0, "messages of one batch: more only where work waits"),
    ("event-sends", 3.0, "messages of an event: itself, its settling look, and that once more"),
    ("event-reads", 19.0, "read request units of an event, with both of its looks"),
    ("event-writes", 18.0, "write request units of those"),
    ("revoke-seconds", 0.08, "seconds more of a look that takes a role away"),
    ("revoke-waits", 4.0, "answers that it waits for besides"),
    ("revoke-reads", 12.5, "read request units more of such a look"),
    ("revoke-writes", 122.0, "write request units more of such a look"),
    ("sweep-seconds", 0.1, "seconds of a sweep"),
    ("sweep-gb", 0.5, "its memory"),
    ("sweep-reads", 6.0, "read request units of a sweep"),
    ("tenant-seconds", 0.011, "seconds that a sweep takes for each tenant in which nothing is due"),
    ("tenant-reads", 2.0, "read request units of that"),
    ("turn-reads", 16.0, "read request units of a tenant's turn, with its look"),
    ("turn-writes", 10.0, "write request units of that"),
    ("turn-sends", 1.0, "messages of that"),
    ("turn-waits", 1.0, "answers that the sweep waits for at a turn"),
    ("poll-reads", 9.0, "read request units of a poll of an audit log"),
    ("poll-writes", 2.0, "write request units of that"),
    ("poll-waits", 1.0, "answers that the sweep waits for at a poll"),
    ("swept-at-once", 8.0, "tenants that are swept at once"),
    ("log-bytes", 2000.0, "bytes logged for a look"),
    ("sweep-every", 15.0, "minutes between two looks without a reason"),
    ("poll-every", 5.0, "minutes between two polls of a tenant's audit log"),
    ("events", 100.0, "events of a tenant and day that are a reason to look"),
    ("revocations", 1.0, "looks of a tenant and month that take a role away"),
    ("pollers", 5.0, "long polls at once with which Lambda waits at each queue, idle"),
    ("workers", 10.0, "workers at once (WorkerConcurrency)"),
    ("tenants", 0.0, "one number of tenants instead of the table's"),
];

/// Alarms of the template.
const ALARMS: f64 = 13.0;

/// Metrics that the functions tell, with the one dimension that each has.
const METRICS: f64 = 18.0;

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

    /// Seconds of a look.
    fn look(&self) -> f64 {
        self.the("look-seconds") + self.the("look-waits") * self.the("graph")
    }

    /// Dollars for one event that is a reason to look, from the request to the settling look.
    fn event(&self) -> f64 {
        let ingest = self.the("lambda-request")
            + self.the("ingest-seconds") * self.the("ingest-gb") * self.the("lambda-gb-second");
        // Into the work queue twice, and once into the queue of what was put off between.
        let later = (self.the("event-sends") - 1.0) / 2.0;
        let queues = self.through(self.the("sqs"), later)
            + self.through(self.the("sqs-fifo"), self.the("event-sends") - later);
        // Who takes a message from one queue to the other is a worker, too.
        let forwarding = later * self.working(self.the("look-seconds"));
        let units = self.units("event-reads", "event-writes");
        ingest + queues + forwarding + 2.0 * self.working(self.look()) + units + 2.0 * self.logs()
    }

    /// Dollars for messages on their way through a queue: sent, received and deleted, the last two
    /// in batches.
    fn through(&self, price: f64, messages: f64) -> f64 {
        messages * price * (1.0 + 2.0 / self.the("batch"))
    }

    /// Dollars for seconds of a worker.
    fn working(&self, seconds: f64) -> f64 {
        let seconds = seconds * self.the("worker-gb") * self.the("lambda-gb-second");
        (self.the("lambda-request") + seconds) / self.the("share")
    }

    /// Dollars for seconds of one tenant in a sweep.
    fn sweeping(&self, seconds: f64) -> f64 {
        let seconds = seconds * self.the("sweep-gb") * self.the("lambda-gb-second");
        seconds / self.the("swept-at-once")
    }

    fn units(&self, reads: &str, writes: &str) -> f64 {
        self.the(reads) * self.the("read") + self.the(writes) * self.the("write")
    }

    fn logs(&self) -> f64 {
        self.the("log-bytes") / 1e9 * self.the("log-gb")
    }

    /// Dollars for a tenant's turn: a look without a reason, and what the sweep does for it.
    fn turn(&self) -> f64 {
        self.sweeping(self.the("turn-waits") * self.the("graph"))
            + self.through(self.the("sqs-fifo"), self.the("turn-sends"))
            + self.working(self.look())
            + self.units("turn-reads", "turn-writes")
            + self.logs()
    }

    /// Dollars that a look costs more if it takes a role away, proves it and tells.
    fn revocation(&self) -> f64 {
        let seconds = self.the("revoke-seconds") + self.the("revoke-waits") * self.the("graph");
        self.working(seconds) + self.units("revoke-reads", "revoke-writes")
    }

    /// Dollars for a poll of a tenant's audit log that finds nothing.
    fn poll(&self) -> f64 {
        self.sweeping(self.the("poll-waits") * self.the("graph"))
            + self.units("poll-reads", "poll-writes")
    }

    /// Dollars for a tenant and month of 30 days.
    fn tenant(&self) -> f64 {
        let minutes = 30.0 * 24.0 * 60.0;
        // A tenant's turn at a sweep in which nothing is due.
        let idle = self.sweeping(self.the("tenant-seconds") * self.the("swept-at-once"))
            + self.the("tenant-reads") * self.the("read");
        minutes * idle
            + minutes / self.the("sweep-every") * self.turn()
            + minutes / self.the("poll-every") * self.poll()
            + 30.0 * self.the("events") * self.event()
            + self.the("revocations") * self.revocation()
    }

    /// Dollars for a month of 30 days.
    fn month(&self, tenants: f64) -> f64 {
        let minutes = 30.0 * 24.0 * 60.0;
        let sweeps = minutes
            * (self.the("schedule")
                + self.the("lambda-request")
                + self.the("sweep-seconds") * self.the("sweep-gb") * self.the("lambda-gb-second")
                + self.the("sweep-reads") * self.the("read"));
        // A long poll takes 20 seconds.
        let waiting =
            minutes * 3.0 * self.the("pollers") * (self.the("sqs") + self.the("sqs-fifo"));
        // Two secrets, read every 5 minutes by as many processes as there are at once.
        let reads = minutes / 5.0 * 4.0 * (self.the("workers") + 2.0);
        let fixed = 2.0 * self.the("secret")
            + reads * self.the("secret-call")
            + ALARMS * self.the("alarm")
            + METRICS * self.the("metric")
            + self.the("dashboard");
        sweeps + waiting + fixed + tenants * self.tenant()
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
            let end = begin + self.look() * (0.5 + noise.unit());
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
    for (what, dollars) in [
        ("events that are reasons to look", figures.event()),
        ("turns, looks without a reason", figures.turn()),
        ("polls of an audit log", figures.poll()),
        ("looks that take a role away, beyond a look", figures.revocation()),
    ] {
        println!("A million {what}: {:.2} dollars", dollars * 1e6);
    }
    println!();
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
