//! Nothing is done while a person has said so: by the stop switch, or for a planned change.

use super::Asked;
use crate::domain::plan::Circumstances;
use crate::domain::policy::end_in_words;
use crate::domain::stop::Stop;
use crate::domain::text::one_line;

/// The stop switch is engaged.
pub(super) fn stopped(about: Circumstances<'_>) -> Option<String> {
    about.stopped.map(Stop::holds)
}

/// A change is planned for this time.
pub(super) fn planned_change(asked: &Asked<'_>) -> Option<String> {
    let (tenant, partner) = (asked.about.tenant.id, asked.wanted.partner.id);
    let change = asked.about.policy.guardrails.planned_change(tenant, partner, asked.about.now)?;
    let ticket = change.ticket.as_deref().map(one_line);
    let ticket = ticket.map_or_else(String::new, |ticket| format!(" ({ticket})"));
    Some(format!(
        "a planned change, which ends {}: {}{ticket} (guardrails.plannedChanges)",
        end_in_words(change.until),
        one_line(&change.reason)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, check_now, guest, whole_partner};
    use super::*;

    #[test]
    fn a_stop_holds_everything() {
        check_now(stopped, &guest(), None);
        for mut it in [guest(), whole_partner()] {
            it.stopped = Some(Stop::new("INC-7", "2026-11-23T11:00:00Z".parse().unwrap()));
            check_now(stopped, &it, Some("since 2026-11-23T11:00:00Z, by the stop switch: INC-7"));
            it.stopped = Some(Stop::unreadable());
            check_now(stopped, &it, Some("cannot be read, which counts as stopped"));
        }
    }

    #[test]
    fn a_planned_change_holds_everything_of_its_partner_and_says_until_when_and_why() {
        let during = |partner: &str| {
            format!(
                "guardrails:\n  plannedChanges: [{{{partner}from: 2026-11-23, until: \
                 2026-11-23T14:00Z, reason: mailbox migration, ticket: CHG-1}}]"
            )
        };
        let said = "a planned change, which ends at 2026-11-23T14:00:00Z: mailbox migration \
                    (CHG-1) (guardrails.plannedChanges)";
        for partner in ["", "partner: Contoso Reseller, ", "tenant: Woodgrove, "] {
            check(planned_change, &guest().under(&during(partner)), Some(said));
            check(planned_change, &whole_partner().under(&during(partner)), Some(said));
        }
        let other = "partner: 33333333-3333-3333-3333-333333333333, ";
        check(planned_change, &guest().under(&during(other)), None);
        check(planned_change, &guest(), None);
        let past = "guardrails:\n  plannedChanges: [{from: 2026-11-23, until: 2026-11-23T12:00Z, \
                    reason: x}]";
        check(planned_change, &guest().under(past), None);
        let whole_day = "guardrails:\n  plannedChanges: [{from: 2026-11-23, until: 2026-11-23, \
                         reason: x}]";
        let said = "which ends at the end of 2026-11-23: x (guardrails";
        check(planned_change, &guest().under(whole_day), Some(said));
    }
}
