//! A partner's own tenant: what it may do in the tenants of its customers.

use crate::domain::facts::{Facts, Gap, GapCause, Part};
use crate::domain::roster::Tenant;

/// Says of every part that it is unknown: this version reads customers' tenants only.
pub(super) fn facts(_: &Tenant) -> Facts {
    let detail = "this version does not read a partner's own tenant";
    let unread = |part| Gap { part, cause: GapCause::Denied, detail: detail.to_owned() };
    let gaps = [Part::Relationships, Part::DelegatedAccess].map(unread);
    Facts { gaps: gaps.into(), ..Facts::default() }
}
