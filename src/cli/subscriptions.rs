//! `subscriptions`: what Microsoft Graph notifies us of, seen to by hand.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use clap::Subcommand;

use super::{Output, json};
use crate::config::{Config, environment};
use crate::domain::text::count;
use crate::serve::{Timing, listen, subscriptions};

/// What is to be done about them.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Subscriptions {
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

/// Does it.
pub async fn run(command: Subscriptions) -> anyhow::Result<ExitCode> {
    let (config, timing) = (Config::load(environment)?, Timing::default());
    let (all, output) = match command {
        Subscriptions::List(output) => (subscriptions::list(&config, &timing).await, output),
        Subscriptions::Ensure(output) => {
            let listener = listen(config.settings.listen).await?;
            (subscriptions::ensure(&config, listener, &timing).await, output)
        }
        Subscriptions::Delete(output) => (subscriptions::delete(&config, &timing).await, output),
    };
    let all = all?;
    let text = if output.json { json(&all)? } else { subscriptions::text(&all) };
    writeln!(stdout(), "{text}")?;
    let trouble = all.iter().filter(|of| !of.trouble.is_empty()).count();
    anyhow::ensure!(trouble == 0, "it did not work out in {}", count(trouble, "tenant"));
    Ok(ExitCode::SUCCESS)
}
