//! The Lambda function that looks and acts: it works off the work queue.

use std::process::ExitCode;

fn main() -> ExitCode {
    partner_warden::lambda::start::worker()
}
