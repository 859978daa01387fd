//! `sim`: the simulated Microsoft 365, on a port of this machine.

use std::io::{ErrorKind, Write as _, stdout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::{WrongInput, stopped};
use crate::sim::{Scenario, Sim};

/// What is simulated, and where.
#[derive(Debug, Args)]
pub struct Simulate {
    /// A scenario in YAML, or one that is built in: woodgrove, everything; without it, the tenant
    /// of the demo.
    #[arg(long)]
    pub scenario: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9090")]
    pub listen: SocketAddr,
}

/// Runs it until it is asked to stop.
pub async fn run(command: Simulate) -> anyhow::Result<ExitCode> {
    let Simulate { scenario, listen } = command;
    let built_in = match &scenario {
        None => Some(Scenario::woodgrove()),
        Some(path) => path.to_str().and_then(Scenario::built_in),
    };
    let scenario = match (built_in, scenario) {
        (Some(scenario), _) => scenario,
        (None, path) => from_file(&path.unwrap_or_default())?,
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
    Ok(ExitCode::SUCCESS)
}

fn from_file(path: &Path) -> Result<Scenario, WrongInput> {
    let place = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| WrongInput(format!("cannot read {place}: {error}")))?;
    Scenario::from_yaml(&text).map_err(|error| WrongInput(format!("the scenario {place}: {error}")))
}
