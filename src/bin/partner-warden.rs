//! The command line: the list of its commands. What each does is in `cli`.

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use partner_warden::adapters::clock::SystemClock;
use partner_warden::cli::doctor::Doctor;
use partner_warden::cli::facts::FactsCommand;
use partner_warden::cli::policy::PolicyCommand;
use partner_warden::cli::records::RecordsCommand;
use partner_warden::cli::redrive::Redrive;
use partner_warden::cli::replay::Replay;
use partner_warden::cli::restore::RestoreCommand;
use partner_warden::cli::scan::Scan;
use partner_warden::cli::sim::Simulate;
use partner_warden::cli::stop::{Resume, StopAll};
use partner_warden::cli::subscriptions::Subscriptions;
use partner_warden::cli::tickets::TicketsCommand;
use partner_warden::cli::{
    WrongInput, doctor, exit_code, facts, policy, records, redrive, replay, restore, scan, sim,
    stop, stopped, subscriptions, tickets,
};
use partner_warden::config::{Config, environment};
use partner_warden::demo::demo;
use partner_warden::ports::{Clock as _, chain};
use partner_warden::serve::{Timing, listen, serve};
use partner_warden::telemetry;

/// Watches what Microsoft partners may do in a Microsoft 365 tenant, and takes it back when the
/// policy says so.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it did not work out; the message says why
  2  settings, secrets, policy or arguments are wrong; the message says where and how to mend it

Settings come from the environment (WARDEN_POLICY, WARDEN_SECRETS, …); the README lists them.";

#[derive(Subcommand)]
enum Command {
    /// Plays the whole main job against a simulated tenant and tells it as a story.
    #[command(after_help = "Example:\n  partner-warden demo")]
    Demo,
    /// Guards the tenants of the policy: receives events, looks, acts, opens tickets.
    #[command(after_help = "Example:
  WARDEN_POLICY=policy.yaml WARDEN_SECRETS=file:secrets.json \\
  WARDEN_CLIENT_ID=00000000-0000-0000-0000-000000000000 partner-warden serve

SIGTERM or Ctrl-C finishes what is under way and stops.")]
    Serve,
    /// Says what is missing to guard the tenants, and how to mend it. Changes nothing.
    #[command(after_help = doctor::HELP)]
    Doctor(Doctor),
    /// Shows what every partner holds now and what breaks the policy. Changes nothing.
    #[command(after_help = scan::HELP)]
    Scan(Scan),
    /// Shows what the policy would have done over exported audit logs. Does nothing.
    #[command(after_help = replay::HELP)]
    Replay(Replay),
    /// Keeps what was read of a tenant as a file.
    #[command(subcommand)]
    Facts(FactsCommand),
    /// Runs a simulated Microsoft 365 to try things on: sign-in, Graph and a ticket inbox.
    #[command(after_help = "Example:
  partner-warden sim --listen 127.0.0.1:9090
  WARDEN_GRAPH_URL=http://127.0.0.1:9090 WARDEN_LOGIN_URL=http://127.0.0.1:9090 …")]
    Sim(Simulate),
    /// Works on policy files.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Sees to what Microsoft Graph notifies us of. `serve` does so by itself.
    #[command(subcommand)]
    Subscriptions(Subscriptions),
    /// Tries the systems that tickets are opened in.
    #[command(subcommand)]
    Tickets(TicketsCommand),
    /// Shows, proves and hands out what is kept of cases. Changes nothing.
    #[command(subcommand)]
    Records(RecordsCommand),
    /// Stops every write to Microsoft Graph, until `resume`.
    #[command(after_help = stop::HELP)]
    Stop(StopAll),
    /// Ends what `stop` began: what is found is done again.
    #[command(after_help = stop::HELP)]
    Resume(Resume),
    /// Puts back what was given up, once its cause is mended.
    #[command(subcommand)]
    Redrive(Redrive),
    /// Puts back what a record says was taken away.
    #[command(after_help = restore::HELP)]
    Restore(RestoreCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    run(cli.command).unwrap_or_else(|error| {
        // Nothing can be done about a broken pipe here.
        drop(writeln!(stderr(), "error: {}", chain(error.as_ref())));
        exit_code(&error)
    })
}

#[tokio::main]
async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let filter = environment("WARDEN_LOG");
    let filter = match command {
        // It is a part of the story that things go wrong.
        Command::Demo => filter.or_else(|| Some("off".to_owned())),
        // It says itself what goes wrong, and how to mend it.
        Command::Tickets(_) | Command::Doctor(_) => filter.or_else(|| Some("off".to_owned())),
        // What they say is on standard output; only what goes wrong is added to it.
        Command::Scan(_)
        | Command::Facts(_)
        | Command::Replay(_)
        | Command::Subscriptions(_)
        | Command::Records(_)
        | Command::Stop(_)
        | Command::Resume(_)
        | Command::Redrive(_)
        | Command::Restore(_) => filter.or_else(|| Some("error".to_owned())),
        Command::Serve | Command::Sim(_) | Command::Policy(_) => filter,
    };
    telemetry::start(filter.as_deref())
        .map_err(|error| WrongInput(format!("WARDEN_LOG is not a log filter: {error}")))?;
    match command {
        Command::Demo => {
            demo(&mut stdout()).await.context("the demo failed")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Serve => {
            let config = Config::load(environment)?;
            let stopped = stopped()?;
            let listener = listen(config.settings.listen).await?;
            serve(&config, listener, Timing::default(), stopped).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor(command) => doctor::run(command).await,
        Command::Scan(command) => Ok(scan::run(command).await),
        Command::Replay(command) => Ok(replay::run(&command)),
        Command::Facts(command) => Ok(facts::run(command).await),
        Command::Sim(command) => sim::run(command).await,
        Command::Policy(command) => policy::run(command, SystemClock.now()),
        Command::Subscriptions(command) => subscriptions::run(command).await,
        Command::Tickets(command) => tickets::run(command).await,
        Command::Records(command) => Ok(records::run(command).await),
        Command::Stop(command) => stop::stop(command, SystemClock.now()).await,
        Command::Resume(command) => stop::resume(command).await,
        Command::Redrive(command) => redrive::run(command).await,
        Command::Restore(command) => Box::pin(restore::run(command)).await,
    }
}
