//! The Lambda function that hears: it verifies what senders send and puts it into the work queue.

use std::process::ExitCode;

fn main() -> ExitCode {
    partner_warden::lambda::start::ingest()
}
