//! Everything that is tested through the public surface: HTTP, files and the command line.

#![expect(clippy::unwrap_used, reason = "tests")]

mod cli;
mod front_door;
mod harness;
mod receiver_checks;
mod scenarios;
mod senders;
mod tidy;
