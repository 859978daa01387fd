//! The command line.

use std::io::{ErrorKind, Write as _, stderr, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use partner_warden::config::{Config, ConfigError, environment, policy};
use partner_warden::demo::demo;
use partner_warden::domain::text::count;
use partner_warden::ports::{Kind, chain};
use partner_warden::serve::redrive::{self, Name, RedriveError};
use partner_warden::serve::subscriptions;
use partner_warden::serve::{ServeError, Timing, listen, serve};
use partner_warden::sim::{Scenario, Sim};
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
    /// Runs a simulated Microsoft 365 to try things on: sign-in, Graph and a ticket inbox.
    #[command(after_help = "Example:
  partner-warden sim --listen 127.0.0.1:9090
  WARDEN_GRAPH_URL=http://127.0.0.1:9090 WARDEN_LOGIN_URL=http://127.0.0.1:9090 …")]
    Sim {
        /// A scenario in YAML; without it, the tenant of the demo.
        #[arg(long)]
        scenario: Option<PathBuf>,
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:9090")]
        listen: SocketAddr,
    },
    /// Works on policy files.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Sees to what Microsoft Graph notifies us of. `serve` does so by itself.
    #[command(subcommand)]
    Subscriptions(SubscriptionsCommand),
    /// Puts back what was given up, once its cause is mended.
    #[command(subcommand)]
    Redrive(RedriveCommand),
}

#[derive(Subcommand)]
enum SubscriptionsCommand {
    /// Lists what the application is subscribed to in every tenant.
    #[command(after_help = "Example:\n  partner-warden subscriptions list")]
    List(Output),
    /// Makes, renews and replaces subscriptions until they are as they should be. Answers at
    /// `WARDEN_LISTEN` meanwhile; not while `serve` is running, which does the same.
    #[command(after_help = "Example:
  WARDEN_PUBLIC_URL=https://warden.example partner-warden subscriptions ensure --json

Exit codes: 0 all is well in every tenant, 1 not in every one (each is told of), 2 something that
is needed is not set")]
    Ensure(Output),
    /// Deletes the subscriptions whose notifications come here. `serve` makes them again as long as
    /// `WARDEN_PUBLIC_URL` is set.
    #[command(after_help = "Example:\n  partner-warden subscriptions delete")]
    Delete(Output),
}

#[derive(Subcommand)]
enum RedriveCommand {
    /// Lists what was given up, and why.
    #[command(after_help = "Example:\n  partner-warden redrive list")]
    List(Output),
    /// Puts it back: all of it, or what is named.
    #[command(after_help = "Example:
  partner-warden redrive run --kind ticket
  partner-warden redrive run --id look-3

The store must not be in use: stop `serve` first, and start it again afterwards.
Exit codes: 0 all of it waits again, 1 not all of it, 2 there is none of that name")]
    Run {
        /// Looks, or tickets.
        #[arg(long)]
        kind: Option<OfKind>,
        /// This one, such as look-3; may be given several times.
        #[arg(long)]
        id: Vec<Name>,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(clap::Args)]
struct Output {
    /// For programs: JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum OfKind {
    Look,
    Ticket,
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Checks a policy file and says what it means.
    #[command(after_help = "Example:\n  partner-warden policy check policy/example.yaml")]
    Check {
        /// The file; without it, the one that `WARDEN_POLICY` names.
        file: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done about a broken pipe here.
            drop(writeln!(stderr(), "error: {}", chain(error.as_ref())));
            let wrong_input = error.downcast_ref::<ConfigError>().is_some()
                || error.downcast_ref::<WrongInput>().is_some()
                || matches!(error.downcast_ref(), Some(ServeError::Unset(_)))
                || matches!(error.downcast_ref(), Some(RedriveError::Absent(_)));
            ExitCode::from(if wrong_input { 2 } else { 1 })
        }
    }
}

/// Something a person gave is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongInput(String);

#[tokio::main]
async fn run(command: Command) -> anyhow::Result<()> {
    let filter = environment("WARDEN_LOG");
    let filter = match command {
        // The story is on standard output; only what goes wrong is added to it.
        Command::Demo => filter.or_else(|| Some("error".to_owned())),
        Command::Subscriptions(_) | Command::Redrive(_) => filter.or(Some("error".to_owned())),
        Command::Serve | Command::Sim { .. } | Command::Policy(_) => filter,
    };
    telemetry::start(filter.as_deref())
        .map_err(|error| WrongInput(format!("WARDEN_LOG is not a log filter: {error}")))?;
    match command {
        Command::Demo => demo(&mut stdout()).await.context("the demo failed"),
        Command::Serve => {
            let config = Config::load(environment)?;
            let stopped = stopped()?;
            let listener = listen(config.settings.listen).await?;
            Ok(serve(&config, listener, Timing::default(), stopped).await?)
        }
        Command::Sim { scenario, listen } => simulate(scenario, listen).await,
        Command::Policy(PolicyCommand::Check { file }) => check(file),
        Command::Subscriptions(command) => subscribe(command).await,
        Command::Redrive(command) => redrive(command).await,
    }
}

async fn subscribe(command: SubscriptionsCommand) -> anyhow::Result<()> {
    let (config, timing) = (Config::load(environment)?, Timing::default());
    let (all, output) = match command {
        SubscriptionsCommand::List(output) => (subscriptions::list(&config, &timing).await, output),
        SubscriptionsCommand::Ensure(output) => {
            let listener = listen(config.settings.listen).await?;
            (subscriptions::ensure(&config, listener, &timing).await, output)
        }
        SubscriptionsCommand::Delete(output) => {
            (subscriptions::delete(&config, &timing).await, output)
        }
    };
    let all = all?;
    let text = if output.json { json(&all)? } else { subscriptions::text(&all) };
    writeln!(stdout(), "{text}")?;
    let trouble = all.iter().filter(|of| !of.trouble.is_empty()).count();
    anyhow::ensure!(trouble == 0, "it did not work out in {}", count(trouble, "tenant"));
    Ok(())
}

async fn redrive(command: RedriveCommand) -> anyhow::Result<()> {
    let config = Config::load(environment)?;
    let (all, output) = match command {
        RedriveCommand::List(output) => (redrive::list(&config).await?, output),
        RedriveCommand::Run { kind, id, output } => {
            let kind = kind.map(|kind| match kind {
                OfKind::Look => Kind::Look,
                OfKind::Ticket => Kind::Ticket,
            });
            (redrive::run(&config, kind, &id).await?, output)
        }
    };
    let text = if output.json { json(&all)? } else { redrive::text(&all) };
    writeln!(stdout(), "{text}")?;
    let stuck = all.iter().filter(|letter| letter.is_stuck()).count();
    anyhow::ensure!(stuck == 0, "{} cannot be put back", count(stuck, "dead letter"));
    Ok(())
}

fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    serde_json::to_string_pretty(value).context("no JSON can be made of it")
}

/// Ends with SIGTERM or Ctrl-C. Both are heeded from the call on, not only once it is awaited.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let heed = |kind| signal(kind).context("the system's signals cannot be heeded");
    let mut terminated = heed(SignalKind::terminate())?;
    let mut interrupted = heed(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}

async fn simulate(scenario: Option<PathBuf>, listen: SocketAddr) -> anyhow::Result<()> {
    let scenario = match scenario {
        None => Scenario::woodgrove(),
        Some(path) => {
            let place = path.display();
            let text = std::fs::read_to_string(&path)
                .map_err(|error| WrongInput(format!("cannot read {place}: {error}")))?;
            Scenario::from_yaml(&text)
                .map_err(|error| WrongInput(format!("the scenario {place}: {error}")))?
        }
    };
    let client_id = scenario.client_id.clone();
    let secret = match scenario.client_secret.as_str() {
        "" => String::new(),
        secret => format!("graphClientSecret: {secret} (in the secrets document)\n"),
    };
    let stopped = stopped()?;
    let sim = match Sim::start(scenario, listen).await {
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            return Err(WrongInput(format!("the scenario cannot be played: {error}")).into());
        }
        started => started.context("the simulator cannot start")?,
    };
    let origin = sim.origin();
    let origin = origin.as_str().trim_end_matches('/');
    writeln!(
        stdout(),
        "A simulated Microsoft 365 is at {origin}\n\n\
         WARDEN_GRAPH_URL={origin}\nWARDEN_LOGIN_URL={origin}\n\
         WARDEN_MANAGEMENT_URL={origin}\nWARDEN_CLIENT_ID={client_id}\n\
         {secret}\n\
         {origin}/sim/state  who holds which role\n\
         {origin}/sim/calls  what was asked\n\
         {origin}/inbox      which tickets came"
    )?;
    stopped.await;
    Ok(())
}

fn check(file: Option<PathBuf>) -> anyhow::Result<()> {
    let variable = file.is_none().then_some("WARDEN_POLICY");
    let file = file.or_else(|| environment("WARDEN_POLICY").map(PathBuf::from));
    let file = file
        .ok_or_else(|| WrongInput("name a policy file, or set WARDEN_POLICY to one".to_owned()))?;
    let (policy, warnings) = policy(&file, variable)?;
    let mut out = stdout();
    for warning in &warnings {
        writeln!(out, "warning: {}:{warning}", file.display())?;
    }
    writeln!(out, "{} holds together: mode {}", file.display(), policy.mode)?;
    for tenant in &policy.roster.tenants {
        writeln!(out, "  guards {} ({})", tenant.name, tenant.id)?;
        for partner in &tenant.partners {
            let roles = count(partner.allow.roles.len(), "role");
            writeln!(out, "    {} may hold {roles}", partner.name)?;
        }
    }
    for sink in policy.tickets.keys() {
        writeln!(out, "  tickets to {sink}")?;
    }
    Ok(())
}
