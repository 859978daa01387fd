//! How long the functions take from the start of their process to their first answer, beside a bare
//! `lambda_http` hello of the same build, all in one run and in turns:
//!
//! ```text
//! make bench-start                              builds everything, then runs this
//! make bench-start START="--runs 100"
//! ```
//!
//! Two things hand out the first event. *Loopback* is a server of this bench that speaks Lambda's
//! runtime API ("Using the Lambda runtime API", AWS Lambda Developer Guide) and adds next to nothing
//! of its own. *Emulator* is Amazon's own runtime interface emulator, which starts a process itself
//! when the first event comes in; what it adds is in every row alike, so its ratios are the more
//! flattering ones.
//!
//! The functions have the environment that `infra/template.yaml` gives them, with AWS itself at
//! loopback and without TLS. What a network would add is told as the number of calls that a start
//! makes, and of round trips that it waits for one after the other.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

mod aws;
mod emulator;
mod function;
mod loopback;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use self::emulator::Emulator;
use self::function::{FUNCTIONS, Function};
use self::run::{Bench, Started};

/// How long AWS takes for each answer where round trips are counted. Long beside all the rest.
const SLOW: Duration = Duration::from_millis(40);

struct Arguments {
    binaries: PathBuf,
    zips: Option<PathBuf>,
    runs: usize,
    /// For a test that this still works: every program once, and nothing is measured.
    quick: bool,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut read = Self { binaries: PathBuf::new(), zips: None, runs: 40, quick: false };
        let mut given = std::env::args().skip(1);
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or(format!("{argument} wants a value"));
            match argument.as_str() {
                // Cargo says so to every bench.
                "--bench" => {}
                "--quick" => read.quick = true,
                "--binaries" => read.binaries = value()?.into(),
                "--zips" => read.zips = Some(value()?.into()),
                "--runs" => read.runs = value()?.parse().map_err(|_| "--runs wants a number")?,
                _ => return Err(format!("{argument} is not known")),
            }
        }
        if read.binaries.as_os_str().is_empty() || read.runs == 0 {
            return Err("--binaries FOLDER is to be given, and --runs more than 0".to_owned());
        }
        Ok(read)
    }
}

fn main() {
    let arguments =
        Arguments::read().unwrap_or_else(|wrong| panic!("{wrong}; see `make bench-start`"));
    let benches: Vec<Bench> =
        FUNCTIONS.iter().map(|function| Bench::new(function, &arguments.binaries)).collect();
    if arguments.quick {
        for bench in &benches {
            drop(bench.start(Duration::ZERO));
            println!("{} starts and answers", bench.function.name);
        }
        return;
    }
    let mut started: Vec<Vec<Started>> = benches.iter().map(|_| Vec::new()).collect();
    // The first of each finds its file not yet in memory, and is not counted.
    for run in 0..=arguments.runs {
        for (bench, started) in benches.iter().zip(&mut started) {
            let start = bench.start(Duration::ZERO);
            if run > 0 {
                started.push(start);
            }
        }
    }
    tell(&benches, &started);
    tell_calls(&benches, &started);
    let emulator = Emulator::find();
    let emulator = emulator.expect("Amazon's emulator is in .tools/infra; run `make bench-start`");
    tell_emulated(&emulator, &benches, &arguments);
    if let Some(zips) = &arguments.zips {
        println!("\n| package | bytes | zipped |\n|---|---|---|");
        for name in ["ingest", "worker", "sweep", "hello"] {
            let size = |path: PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
            let (bytes, zipped) =
                (size(arguments.binaries.join(name)), size(zips.join(name).with_extension("zip")));
            assert!(bytes > 0 && zipped > 0, "{name} is not built and packed");
            println!("| {name} | {bytes} | {zipped} |");
        }
    }
}

/// Least, median and most, in milliseconds.
struct Spread([f64; 3]);

impl Spread {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = times.map(|time| time.as_secs_f64() * 1000.0).collect();
        times.sort_by(f64::total_cmp);
        let last = times.len() - 1;
        // Of an even number the mean of the two in the middle.
        let median = f64::midpoint(times[last / 2], times[times.len() / 2]);
        Self([times[0], median, times[last]])
    }

    fn median(&self) -> f64 {
        self.0[1]
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [least, median, most] = self.0;
        write!(f, "{least:.1} / {median:.1} / {most:.1}")
    }
}

fn aim(function: &Function, ratio: f64) -> String {
    let Some(aim) = function.aim else { return "–".to_owned() };
    format!("{aim:.1} {}", if ratio <= aim { "met" } else { "missed" })
}

/// The first of the programs is what the others are measured by.
fn tell(benches: &[Bench], started: &[Vec<Started>]) {
    println!(
        "Loopback, {} starts each, in ms: least / median / most\n\n\
         | function | to the first poll | to the first answer | × hello | aim | CPU |\n\
         |---|---|---|---|---|---|",
        started[0].len()
    );
    let floor = Spread::of(started[0].iter().map(|start| start.answered)).median();
    for (bench, started) in benches.iter().zip(started) {
        let polled = Spread::of(started.iter().map(|start| start.polled));
        let answered = Spread::of(started.iter().map(|start| start.answered));
        let cpu = Spread::of(started.iter().map(|start| start.cpu)).median();
        let ratio = answered.median() / floor;
        let Bench { function, .. } = bench;
        println!(
            "| {} | {polled} | {answered} | {ratio:.2} | {} | {cpu:.1} |",
            function.name,
            aim(function, ratio)
        );
    }
}

fn tell_calls(benches: &[Bench], started: &[Vec<Started>]) {
    println!(
        "\nCalls to AWS, and how many round trips a start waits for one after the other\n\n\
         | function | calls before the first poll | round trips | calls for the first answer | round trips |\n\
         |---|---|---|---|---|"
    );
    for (bench, started) in benches.iter().zip(started).skip(1) {
        let quick = &started[started.len() / 2];
        let slow = bench.start(SLOW);
        let trips = |slow: Duration, quick: Duration| {
            (slow.saturating_sub(quick).as_secs_f64() / SLOW.as_secs_f64()).round()
        };
        println!(
            "| {} | {} | {} | {} | {} |",
            bench.function.name,
            quick.calls_before.join(", "),
            trips(slow.polled, quick.polled),
            quick.calls_after.join(", "),
            trips(slow.worked, quick.worked),
        );
    }
}

fn tell_emulated(emulator: &Emulator, benches: &[Bench], arguments: &Arguments) {
    let mut answered: Vec<Vec<Duration>> = benches.iter().map(|_| Vec::new()).collect();
    for _ in 0..arguments.runs {
        for (bench, answered) in benches.iter().zip(&mut answered) {
            answered.push(emulator.first_answer(bench));
        }
    }
    println!(
        "\nEmulator, {} starts each, in ms: least / median / most\n\n\
         | function | to the first answer | × hello | aim |\n|---|---|---|---|",
        arguments.runs
    );
    let floor = Spread::of(answered[0].iter().copied()).median();
    for (bench, answered) in benches.iter().zip(answered) {
        let answered = Spread::of(answered.into_iter());
        let ratio = answered.median() / floor;
        let Bench { function, .. } = bench;
        println!("| {} | {answered} | {ratio:.2} | {} |", function.name, aim(function, ratio));
    }
}
