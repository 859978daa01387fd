//! `gdap-auto-extend`: a relationship of this partner extends itself without anybody deciding.

use super::relationship::{days, powerful};
use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::{Part, length};
use crate::domain::text::foreign;

pub(super) const RULE: Rule = Rule {
    name: FindingName::GdapAutoExtend,
    name_text: "gdap-auto-extend",
    severity: Severity::Medium,
    reads: &[Part::Relationships],
    why: "A relationship that extends itself has no end. Nobody asks any more whether the customer \
          still wants it, and forgotten access is what attackers look for.",
    mend: "Partner Center > Customers > Expiring granular relationships: select the relationship, \
           choose Disable auto-extend. Agree on a new one before this one ends if it is still \
           needed.",
    page: "https://learn.microsoft.com/partner-center/customers/expiring-gdap-relationships-and-auto-extend-gdap",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let found = powerful(view).filter_map(|relationship| {
        let by = relationship.given.auto_extend_duration.as_deref()?.trim();
        let (how, certain) = match length(by) {
            Some(length) if length.is_zero() => return None,
            Some(length) => (format!("extends itself by {} whenever it ends", days(length)), true),
            None => {
                let by = foreign(by);
                let how = format!("may extend itself: by “{by}”, which is no duration");
                (how, false)
            }
        };
        let text = format!("{} {how}.", relationship.introduced());
        Some(Finding { certain, ..relationship.finding(&RULE, None, text) })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::facts::DelegatedAdminRelationship;
    use crate::domain::finding::testing::partner_side::{Msp, check, relationship};

    fn by(extension: Option<&str>) -> Msp {
        Msp::new().with(DelegatedAdminRelationship {
            auto_extend_duration: extension.map(str::to_owned),
            ..relationship("Forever", &[])
        })
    }

    #[test]
    fn fires_for_an_extension_and_for_what_may_be_one() {
        let text = "The relationship “Forever” with Woodgrove extends itself by 180 days whenever \
                    it ends.";
        for extension in ["P180D", "P6M", " P180D"] {
            check("gdap-auto-extend", by(Some(extension)), &[text]);
        }
        let unsure = by(Some("half a\u{202e} year"));
        assert!(unsure.findings().iter().all(|finding| !finding.certain));
        check(
            "gdap-auto-extend",
            unsure,
            &["The relationship “Forever” with Woodgrove may extend itself: by “half a year”, \
               which is no duration."],
        );
    }

    #[test]
    fn is_silent_where_it_does_not_extend_itself_or_has_ended() {
        for none in [None, Some("PT0S"), Some("P0D"), Some("PT0H")] {
            check("gdap-auto-extend", by(none), &[]);
        }
        let ended = DelegatedAdminRelationship {
            auto_extend_duration: Some("P180D".to_owned()),
            status: Some("terminated".to_owned()),
            ..relationship("Forever", &[])
        };
        check("gdap-auto-extend", Msp::new().with(ended), &[]);
    }
}
