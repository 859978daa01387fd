//! The Lambda function that is woken every minute: it finds what is due.

use std::process::ExitCode;

fn main() -> ExitCode {
    partner_warden::lambda::start::sweep()
}
