//! Whether a partner's people are made to use MFA, as a scan says it.

use serde::Serialize;

use super::{Whom, whom};
use crate::domain::conditional_access::{Access, Coverage, Mfa};

/// Whether some of a partner's people are made to use MFA.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoverageView {
    /// The partner.
    pub partner: Whom,
    /// The way they come in.
    pub access: Access,
    /// Whether they are made to use MFA.
    pub mfa: Mfa,
    /// Where MFA has to be done if it is demanded; left out where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<&'static str>,
}

impl CoverageView {
    pub(super) fn new(covered: Coverage) -> Self {
        let place = covered.place();
        let partner = whom(&covered.partner);
        Self { partner, access: covered.access, mfa: covered.mfa, place }
    }
}
