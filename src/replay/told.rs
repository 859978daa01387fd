//! A replay as text for people.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Counts;
use crate::domain::replay::{Difference, Effect, Happening, Replayed};
use crate::domain::text::count;

/// Everything that would have happened.
pub fn text(replayed: &[Replayed], counts: Counts) -> String {
    let mut text = String::new();
    for tenant in replayed {
        let reasons = usize::try_from(tenant.reasons).unwrap_or(usize::MAX);
        let (name, mode) = (&tenant.name, tenant.mode);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}, mode {mode}: {} to look", count(reasons, "reason"));
        let mut last = None;
        for happening in &tenant.happenings {
            let head = (happening.at, &happening.because);
            if last != Some(head) {
                let _ = writeln!(text, "\n  {}  {}", minute(happening.at), happening.because);
                last = Some(head);
            }
            let _ = writeln!(text, "    {}", line(happening));
            let _ = writeln!(text, "        {}", happening.text);
        }
        if tenant.happenings.is_empty() {
            text.push_str("\n  nothing that the policy minds was told of\n");
        }
        if tenant.untold > 0 {
            let untold = usize::try_from(tenant.untold).unwrap_or(usize::MAX);
            let reasons = count(untold, "reason");
            let _ = writeln!(
                text,
                "\n  Not known: what a look would have found for {reasons} that {} no role. A \
                 snapshot (--facts) tells.",
                if untold == 1 { "names" } else { "name" }
            );
        }
        if tenant.reasons > 0 && !tenant.assumed.is_empty() {
            text.push_str("\n  Taken for granted:\n");
            for assumed in &tenant.assumed {
                let _ = writeln!(text, "    {assumed}");
            }
        }
        text.push('\n');
    }
    text.push_str(&sums(replayed, counts));
    text
}

/// What differs between two policies.
pub fn differences(differences: &[Difference], one: &str, other: &str) -> String {
    let mut text = String::new();
    if differences.is_empty() {
        let _ = writeln!(text, "No difference: {other} does the same as {one}.");
        return text;
    }
    let number = count(differences.len(), "difference");
    let _ = writeln!(text, "{number}\n  - {one}\n  + {other}");
    for difference in differences {
        let about = difference.one.as_ref().or(difference.other.as_ref());
        let Some(about) = about else { continue };
        let _ =
            writeln!(text, "\n  {}  {}: {}", minute(about.at), difference.tenant, about.because);
        for (sign, happening) in [('-', &difference.one), ('+', &difference.other)] {
            let does = happening
                .as_ref()
                .map_or_else(|| format!("would let stand    {}", subject(about)), line);
            let _ = writeln!(text, "    {sign} {does}");
        }
    }
    text
}

fn line(happening: &Happening) -> String {
    let does = match &happening.effect {
        Effect::Revoke => "would revoke",
        Effect::Ask => "would ask before revoking",
        Effect::Describe => "would only describe revoking",
        Effect::HoldBack { .. } => "would hold back revoking",
        Effect::Ticket { .. } => "would open a ticket",
        Effect::Record => "would record",
    };
    let mut line = format!("{does:<18} {}", subject(happening));
    let findings: Vec<&str> = happening.findings.iter().map(|finding| finding.as_str()).collect();
    let _ = write!(line, "  ({})", findings.join(", "));
    match &happening.effect {
        Effect::HoldBack { reason } => {
            let _ = write!(line, ": {reason}");
        }
        Effect::Ticket { sinks } if !sinks.is_empty() => {
            let sinks: Vec<&str> = sinks.iter().map(|sink| sink.0.as_str()).collect();
            let _ = write!(line, " to {}", sinks.join(", "));
        }
        Effect::Revoke
        | Effect::Ask
        | Effect::Describe
        | Effect::Ticket { .. }
        | Effect::Record => {}
    }
    line
}

fn subject(happening: &Happening) -> String {
    match &happening.role {
        Some(role) => format!("{role}: {}, of {}", happening.subject, happening.partner),
        None => format!("{}, of {}", happening.subject, happening.partner),
    }
}

fn sums(replayed: &[Replayed], counts: Counts) -> String {
    let all = || replayed.iter().flat_map(|tenant| &tenant.happenings);
    let number = |is: fn(&Effect) -> bool| all().filter(|it| is(&it.effect)).count();
    let nothing_new: u64 = replayed.iter().map(|tenant| tenant.nothing_new).sum();
    let done = [
        ("revoked", number(|effect| *effect == Effect::Revoke)),
        ("asked about", number(|effect| *effect == Effect::Ask)),
        ("only described", number(|effect| *effect == Effect::Describe)),
        ("held back", number(|effect| matches!(effect, Effect::HoldBack { .. }))),
        ("ticketed", number(|effect| matches!(effect, Effect::Ticket { .. }))),
        ("recorded", number(|effect| *effect == Effect::Record)),
    ];
    let done: Vec<String> = done.iter().map(|(what, number)| format!("{number} {what}")).collect();
    let ignored = counts.no_reason + nothing_new;
    let mut text = format!("In all: {}; ", done.join(", "));
    let _ = write!(text, "{ignored} of {} events ignored", counts.events);
    let _ = writeln!(
        text,
        " ({} no reason to look, {nothing_new} showed nothing new).",
        counts.no_reason
    );
    for (number, why) in [
        (counts.of_other_tenants, "are of tenants the policy does not name"),
        (counts.of_no_tenant, "name no tenant; say whose they are with --tenant"),
        (counts.not_understood, "could not be understood"),
    ] {
        if number > 0 {
            let _ = writeln!(text, "Left out: {number} that {why}.");
        }
    }
    text
}

fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}
