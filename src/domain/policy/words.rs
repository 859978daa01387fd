//! Single words of a policy to what they mean: roles, moments, durations, accounts.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::read::Reader;
use super::shape::Text;
use super::spelling::did_you_mean;
use super::{age, duration};
use crate::domain::id::TenantId;
use crate::domain::role::{self, RoleTemplateId};
use crate::domain::roster::AccountName;

/// What is kept for less than this time is likely a slip of the pen.
const SHORT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What a bare date means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    /// Its first moment, in UTC.
    Start,
    /// Its last moment, in UTC.
    End,
    /// Its noon, in UTC.
    Noon,
}

impl Reader {
    pub(super) fn role(&mut self, text: &Text) -> Option<RoleTemplateId> {
        if let Ok(id) = text.value.parse() {
            return Some(id);
        }
        if let Some(role) = role::by_name(&text.value) {
            return Some(role.template_id);
        }
        let hint = did_you_mean(role::nearest(&text.value));
        let message = format!(
            "`{}` is not a built-in role (a custom role is named by its id){hint}",
            text.value
        );
        self.wrong(text.at, message);
        None
    }

    /// A moment, or a day by `day`.
    pub(super) fn moment(&mut self, text: &Text, day: Day) -> Option<Timestamp> {
        let written = text.value.trim();
        let moment = written.parse::<Timestamp>().ok().or_else(|| {
            let date = written.parse::<Date>().ok()?;
            let moment = match day {
                Day::Start => date.to_zoned(TimeZone::UTC).ok()?,
                Day::End => date.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?,
                Day::Noon => date.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?,
            };
            (written.len() == "2027-03-31".len()).then(|| moment.timestamp())
        });
        if moment.is_none() {
            let meaning = match day {
                Day::Start => "from its first moment, UTC",
                Day::End => "the whole day, UTC",
                Day::Noon => "its noon, UTC",
            };
            let message = format!(
                "`{}` is not a moment; write 2027-03-31 ({meaning}) or 2026-12-24T18:00Z",
                text.value
            );
            self.wrong(text.at, message);
        }
        moment
    }

    pub(super) fn duration(&mut self, text: &Text) -> Option<SignedDuration> {
        let read = duration(&text.value);
        if read.is_none() {
            let message = format!(
                "`{}` is not a duration of fixed length such as PT15M, P180D or 1h",
                text.value
            );
            self.wrong(text.at, message);
        }
        read
    }

    /// How long something is kept.
    pub(super) fn keep(&mut self, text: &Text) -> Option<SignedDuration> {
        let read = age(&text.value);
        match read {
            None => {
                let message =
                    format!("`{}` is not a length of time such as P2Y, P18M or P90D", text.value);
                self.wrong(text.at, message);
            }
            Some(age) if age < SHORT => {
                let message = format!(
                    "`{}`: what is removed so soon is missing when somebody asks what was done, \
                     and cannot be restored; P2Y is two years, P6M six months",
                    text.value
                );
                self.warn(text.at, message);
            }
            Some(_) => {}
        }
        read
    }

    pub(super) fn domain(&mut self, text: &Text) -> Option<String> {
        let domain = text.value.trim().trim_end_matches('.').to_lowercase();
        let labels = || domain.split('.');
        let whole = labels().count() >= 2
            && labels()
                .all(|l| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-'));
        if !whole {
            let message =
                format!("`{}` is not a domain such as contoso-reseller.example", text.value);
            self.wrong(text.at, message);
            return None;
        }
        Some(domain)
    }

    pub(super) fn account(&mut self, text: &Text) -> Option<AccountName> {
        let name = text.value.trim();
        if is_address(name) || name.parse::<TenantId>().is_ok() {
            return Some(AccountName::new(name));
        }
        let message = format!(
            "`{}` names no account; give a user principal name (name@domain) or an object id",
            text.value
        );
        self.wrong(text.at, message);
        None
    }

    /// An account, or a relationship with a customer, by its id: two GUIDs.
    pub(super) fn protected(&mut self, text: &Text) -> Option<AccountName> {
        let name = AccountName::new(&text.value);
        if name.is_relationship() {
            return Some(name);
        }
        if is_address(name.as_str()) || name.as_str().parse::<TenantId>().is_ok() {
            return Some(name);
        }
        let message = format!(
            "`{}` names nothing that can be protected; give an account's user principal name \
             (name@domain), an object id, a customer's tenant id or a relationship's id \
             (GUID-GUID)",
            text.value
        );
        self.wrong(text.at, message);
        None
    }

    /// Text that must say something.
    pub(super) fn name(&mut self, text: &Text) -> String {
        let name = text.value.trim().to_owned();
        if name.is_empty() {
            self.wrong(text.at, "this must not be empty");
        }
        name
    }

    pub(super) fn guid<T: std::str::FromStr>(&mut self, text: &Text, what: &str) -> Option<T> {
        let id = text.value.parse().ok();
        if id.is_none() {
            let message = format!(
                "`{}` is not a {what}; it is a GUID such as 11111111-1111-1111-1111-111111111111",
                text.value
            );
            self.wrong(text.at, message);
        }
        id
    }
}

/// Whether it looks like `name@domain`.
pub(super) fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !text.contains(char::is_whitespace)
    })
}
