//! `gdap-too-long`: a relationship of this partner lasts longer than the policy lets it.
//!
//! Both are judged: for how long it was agreed, and how far off its end is, which extending moves.
//! Where the policy has no `require.maxDuration` for the customer, Microsoft's own longest duration
//! counts, so that only what nobody can agree on is found.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::relationship::{days, powerful};
use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::{Part, length};

/// The longest a relationship can be agreed for.
///
/// Source: Microsoft Graph documentation, "delegatedAdminRelationship resource type": "between P1D
/// and P2Y inclusive".
const MICROSOFTS: SignedDuration = SignedDuration::from_hours(730 * 24);

/// An end is this much further off than it may be before it counts: the clocks here and there need
/// not agree to the second.
const LET_PASS: SignedDuration = SignedDuration::from_hours(24);

pub(super) const RULE: Rule = Rule {
    name: FindingName::GdapTooLong,
    name_text: "gdap-too-long",
    severity: Severity::Medium,
    reads: &[Part::Relationships],
    why: "The longer a relationship lasts, the more likely it outlives its reason: people and \
          contracts change, and the access stays.",
    mend: "Agree with the customer on a new relationship that is no longer than the policy allows, \
           give its roles to the same groups, then end this one: Partner Center > Customers > the \
           customer > Admin relationships > the relationship > Terminate relationship. The \
           duration of an active one cannot be changed.",
    page: "https://learn.microsoft.com/graph/api/resources/delegatedadminrelationship",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let found = powerful(view).filter_map(|relationship| {
        let listed = relationship.customer.id.and_then(|id| view.tenant.partner(id));
        let required = listed.and_then(|customer| customer.require.max_duration);
        let (most, whose) = match required {
            Some(most) if most <= MICROSOFTS => (most, "the policy"),
            _ => (MICROSOFTS, "Microsoft"),
        };
        let agreed = relationship.given.duration.as_deref().and_then(length);
        let end = relationship.given.end_date_time;
        let (how, certain) = match (agreed, end) {
            (Some(agreed), _) if agreed > most => {
                (format!("is for {}; {whose} allows {}", days(agreed), days(most)), true)
            }
            (_, Some(end)) if end.duration_since(view.now) > most + LET_PASS => {
                let day = end.to_zoned(TimeZone::UTC).date();
                let how = format!("runs until {day}; {whose} allows {} from now", days(most));
                (how, true)
            }
            (None, None) => {
                ("has neither a duration nor an end that can be read".to_owned(), false)
            }
            _ => return None,
        };
        let text = format!("{} {how}.", relationship.introduced());
        Some(Finding { certain, ..relationship.finding(&RULE, None, text) })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::domain::facts::DelegatedAdminRelationship;
    use crate::domain::finding::testing::partner_side::{Msp, check, relationship};

    const NAME: &str = "gdap-too-long";

    /// A relationship that was agreed for so long and ends then.
    fn lasting(duration: Option<&str>, end: Option<&str>) -> DelegatedAdminRelationship {
        DelegatedAdminRelationship {
            duration: duration.map(str::to_owned),
            end_date_time: end.map(|end| end.parse::<Timestamp>().unwrap()),
            ..relationship("Long", &[])
        }
    }

    fn half_a_year(duration: Option<&str>, end: Option<&str>) -> Msp {
        Msp::new().at_most("P180D").with(lasting(duration, end))
    }

    #[test]
    fn fires_for_a_long_duration_and_for_an_end_that_is_far_off() {
        let agreed = "The relationship “Long” with Woodgrove is for 730 days; the policy allows \
                      180 days.";
        // However soon it ends, this is not what was to be agreed on.
        for end in [None, Some("2026-11-24T00:00:00Z"), Some("2028-10-24T12:00:00Z")] {
            check(NAME, half_a_year(Some("P730D"), end), &[agreed]);
            check(NAME, half_a_year(Some("P2Y"), end), &[agreed]);
        }
        let extended = "The relationship “Long” with Woodgrove runs until 2027-06-01; the policy \
                        allows 180 days from now.";
        for duration in [Some("P90D"), Some("a while"), None] {
            check(NAME, half_a_year(duration, Some("2027-06-01T00:00:00Z")), &[extended]);
        }
    }

    #[test]
    fn is_silent_up_to_what_is_allowed_whoever_has_the_slower_clock() {
        for duration in ["P180D", "P6M", "P1D"] {
            check(NAME, half_a_year(Some(duration), Some("2027-05-22T12:00:30Z")), &[]);
        }
        check(NAME, half_a_year(Some("P180D"), None), &[]);
        let ended = DelegatedAdminRelationship {
            status: Some("expired".to_owned()),
            ..lasting(Some("P730D"), None)
        };
        check(NAME, Msp::new().at_most("P180D").with(ended), &[]);
    }

    #[test]
    fn without_a_longest_duration_in_the_policy_microsofts_counts() {
        let most = || lasting(Some("P730D"), Some("2028-11-22T12:00:00Z"));
        check(NAME, Msp::new().with(most()), &[]);
        check(NAME, Msp::new().at_most("P1000D").with(most()), &[]);
        let beyond = "The relationship “Long” with Woodgrove is for 731 days; Microsoft allows 730 \
                      days.";
        check(NAME, Msp::new().with(lasting(Some("P731D"), None)), &[beyond]);
        check(NAME, Msp::new().at_most("P1000D").with(lasting(Some("P731D"), None)), &[beyond]);
    }

    #[test]
    fn what_cannot_be_read_is_said_and_not_called_certain() {
        let unread = half_a_year(Some("a while"), None);
        assert!(unread.findings().iter().all(|finding| !finding.certain));
        let text = "The relationship “Long” with Woodgrove has neither a duration nor an end that \
                    can be read.";
        check(NAME, unread, &[text]);
    }
}
