//! What one fact of a test may be about, and which fields say more of it.

use super::raw_tests::RawGiven;
use crate::domain::roster::Side;

/// What a fact may be about.
pub(super) struct Subject {
    /// The field that names it.
    pub(super) name: &'static str,
    pub(super) is_given: fn(&RawGiven) -> bool,
    /// The side of the tenants that have it; nothing for both.
    pub(super) side: Option<Side>,
    /// Whether it may hold roles.
    holds: bool,
    /// Further fields that say more of it.
    more: &'static [&'static str],
}

impl Subject {
    /// The fields that say more of it.
    pub(super) fn details(&self) -> Vec<&'static str> {
        let held: &[&str] = if self.holds { &HELD } else { &[] };
        held.iter().chain(self.more).copied().collect()
    }
}

/// How something is held.
const HELD: [&str; 7] =
    ["role", "roles", "eligible", "activated", "until", "scope", "takenAwayBefore"];

const fn holder(
    name: &'static str,
    is_given: fn(&RawGiven) -> bool,
    more: &'static [&'static str],
) -> Subject {
    Subject { name, is_given, side: Some(Side::Customer), holds: true, more }
}

const fn of(
    side: Option<Side>,
    name: &'static str,
    is_given: fn(&RawGiven) -> bool,
    more: &'static [&'static str],
) -> Subject {
    Subject { name, is_given, side, holds: false, more }
}

const CUSTOMER: Option<Side> = Some(Side::Customer);
const PARTNER: Option<Side> = Some(Side::Partner);

/// Everything a fact may be about.
pub(super) const SUBJECTS: &[Subject] = &[
    holder("partner", |raw| raw.partner.is_some(), &["group"]),
    holder("stranger", |raw| raw.stranger.is_some(), &["group"]),
    holder("guest", |raw| raw.guest.is_some(), &["via", "home"]),
    holder("account", |raw| raw.account.is_some(), &["via", "enabled", "missing"]),
    holder("app", |raw| raw.app.is_some(), &["via", "of", "permission"]),
    holder("member", |raw| raw.member.is_some(), &["via"]),
    holder("unknown", |raw| raw.unknown.is_some(), &[]),
    of(None, "unreadable", |raw| raw.unreadable.is_some(), &["cause"]),
    of(CUSTOMER, "mfa", |raw| raw.mfa.is_some(), &[]),
    of(CUSTOMER, "mfaExempts", |raw| raw.mfa_exempts.is_some(), &[]),
    of(CUSTOMER, "trustsMfaOf", |raw| raw.trusts_mfa_of.is_some(), &[]),
    of(CUSTOMER, "conditionalAccess", |raw| raw.conditional_access.is_some(), &[]),
    of(CUSTOMER, "governedBy", |raw| raw.governed_by.is_some(), &[]),
    of(
        PARTNER,
        "relationship",
        |raw| raw.relationship.is_some(),
        &["customer", "role", "roles", "until", "duration", "autoExtend", "status"],
    ),
    of(PARTNER, "dap", |raw| raw.dap.is_some(), &[]),
    of(CUSTOMER, "administrators", |raw| raw.administrators.is_some(), &[]),
];

/// A field that says more of what a fact is about, and whether it is given.
type Detail = (&'static str, fn(&RawGiven) -> bool);

/// Every field that says more of what a fact is about.
pub(super) const DETAILS: &[Detail] = &[
    ("of", |raw| raw.of.is_some()),
    ("customer", |raw| raw.customer.is_some()),
    ("role", |raw| !raw.role.0.is_empty()),
    ("roles", |raw| !raw.roles.0.is_empty()),
    ("permission", |raw| raw.permission.is_some()),
    ("via", |raw| raw.via.is_some()),
    ("group", |raw| raw.group.is_some()),
    ("eligible", |raw| raw.eligible),
    ("activated", |raw| raw.activated),
    ("until", |raw| raw.until.is_some()),
    ("scope", |raw| raw.scope.is_some()),
    ("enabled", |raw| raw.enabled.is_some()),
    ("missing", |raw| raw.missing),
    ("home", |raw| raw.home.is_some()),
    ("takenAwayBefore", |raw| raw.taken_away_before > 0),
    ("cause", |raw| raw.cause.is_some()),
    ("duration", |raw| raw.duration.is_some()),
    ("autoExtend", |raw| raw.auto_extend),
    ("status", |raw| raw.status.is_some()),
];
