//! `policy`: work on policy files, without a tenant.

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::WrongInput;
use crate::config::{environment, policy};
use crate::domain::text::count;

/// What is to be done with them.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Checks a policy file and says what it means.
    #[command(after_help = "Example:\n  partner-warden policy check policy/example.yaml")]
    Check {
        /// The file; without it, the one that `WARDEN_POLICY` names.
        file: Option<PathBuf>,
    },
}

/// Does it.
pub fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check { file } => check(file),
    }
}

fn check(file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
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
    Ok(ExitCode::SUCCESS)
}
