//! Everything that is tested through the public surface: HTTP, files and the command line.

#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
#[cfg(feature = "aws")]
mod aws;
mod cli;
mod crash;
mod doctor;
mod documents;
mod evidence;
mod front_door;
mod harness;
mod limits;
mod log_secrecy;
mod partner_center;
mod partner_ways;
mod metrics;
mod observe;
mod plan_invariants;
mod policy_language;
mod real_servers;
mod receiver_checks;
mod records;
mod restore;
mod replay;
mod safety;
mod scan;
mod scenarios;
mod senders;
mod storm;
mod sweep;
mod templates;
mod tickets_command;
mod tidy;
mod tracker;
mod ways;
