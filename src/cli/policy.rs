//! `policy`: work on policy files, without a tenant.

mod check;
mod explain;
mod meaning;
mod test;

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{WrongInput, json};
use crate::config::{ConfigError, checked, environment};
use crate::domain::policy::{Checked, schema};

/// What is to be done with them.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Checks a policy file and says what it means.
    #[command(after_help = "Example:
  partner-warden policy check policy/example.yaml

Exit codes: 0 it holds together, though there may be warnings; 2 it does not, and each mistake is
told with its place")]
    Check(check::Check),
    /// Runs the tests of a policy file: no tenant and no network are needed.
    #[command(after_help = "Example:
  partner-warden policy test policy/example.yaml

Exit codes: 0 all tests passed, 1 a test failed, 2 the policy or a file of facts is wrong")]
    Test(test::Test),
    /// Prints the JSON Schema of policies, for editors and other programs.
    #[command(after_help = "Example:
  partner-warden policy schema > policy.schema.json

In an editor that knows yaml-language-server, the first line of a policy names it:
  # yaml-language-server: $schema=policy.schema.json")]
    Schema,
    /// Says what a finding means, how to mend it by hand, and what your policy does about it.
    #[command(after_help = "Example:
  partner-warden policy explain privileged-role --policy policy/example.yaml")]
    Explain(explain::Explain),
}

/// A policy file.
#[derive(Debug, Args)]
struct PolicyFile {
    /// The file; without it, the one that `WARDEN_POLICY` names.
    file: Option<PathBuf>,
}

/// Does it, at `now`.
pub fn run(command: PolicyCommand, now: Timestamp) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check(command) => check::run(command, now),
        PolicyCommand::Test(command) => test::run(command, now),
        PolicyCommand::Schema => {
            writeln!(stdout(), "{}", json(&schema())?)?;
            Ok(ExitCode::SUCCESS)
        }
        PolicyCommand::Explain(command) => explain::run(command),
    }
}

impl PolicyFile {
    /// Where the policy is, and what it says.
    fn read(self) -> Result<(PathBuf, Result<Checked, ConfigError>), WrongInput> {
        let variable = self.file.is_none().then_some("WARDEN_POLICY");
        let file = self.file.or_else(|| environment("WARDEN_POLICY").map(PathBuf::from));
        let file = file.ok_or_else(|| {
            WrongInput("name a policy file, or set WARDEN_POLICY to one".to_owned())
        })?;
        let read = checked(&file, variable);
        Ok((file, read))
    }
}
