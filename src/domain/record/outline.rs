//! What can be told of a record without reading all of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RecordEvent;
use crate::domain::case::Case;
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::plan::StepState;
use crate::domain::roster::AffectedPartner;

/// Which case a record is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The partner, by [`AffectedPartner::key`].
    pub partner: String,
    /// How many cases about the two were closed before.
    pub episode: u32,
}

impl CaseKey {
    /// The key of a case.
    pub fn of(case: &Case) -> Self {
        Self { tenant: case.tenant, partner: case.partner.key(), episode: case.episode }
    }
}

/// A record, in outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outline {
    /// Its name.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub event: RecordEvent,
    /// The digest of the policy that decided.
    pub policy: Sha256Hex,
    /// The case as it stood afterwards.
    pub case: CaseOutline,
}

/// A case, in outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseOutline {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// The partner.
    pub partner: AffectedPartner,
    /// How many cases about the two were closed before.
    pub episode: u32,
    /// What was found, in outline.
    pub rows: Vec<RowOutline>,
    /// Whether a record of how something ended is still to come.
    #[serde(default)]
    pub begun: bool,
}

/// One thing found, in outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowOutline {
    /// Whether it still stands.
    pub open: bool,
    /// Whether a record of it is enough.
    #[serde(default)]
    pub quiet: bool,
    /// What was done about it.
    #[serde(default)]
    pub step: Option<StepOutline>,
}

/// A step, in outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutline {
    /// How far it has come.
    pub state: StepState,
}

impl Outline {
    /// The outline of a record's text; nothing where that is no record.
    pub fn of(record: &str) -> Option<Self> {
        serde_json::from_str(record).ok()
    }

    /// The case it is of.
    pub fn case_key(&self) -> CaseKey {
        let CaseOutline { tenant, partner, episode, .. } = &self.case;
        CaseKey { tenant: *tenant, partner: partner.key(), episode: *episode }
    }

    /// Whether anything in the case stood afterwards of which a record is not enough.
    pub fn is_open(&self) -> bool {
        self.case.rows.iter().any(|row| row.open && !row.quiet)
    }

    /// Whether anything at all stood afterwards, or was under way.
    pub fn stands(&self) -> bool {
        self.case.begun || self.case.rows.iter().any(|row| row.open)
    }
}

/// Which records are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of a tenant with this name or id.
    pub tenant: Option<String>,
    /// About a partner with this name or id.
    pub partner: Option<String>,
    /// Written at this moment or later.
    pub since: Option<Timestamp>,
}

impl Filter {
    /// Whether a record is wanted.
    pub fn takes(&self, record: &Outline) -> bool {
        let CaseOutline { tenant, tenant_name, partner, .. } = &record.case;
        let is_meant = |wanted: &Option<String>, id: &str, name: &str| {
            wanted.as_deref().is_none_or(|wanted| {
                let wanted = wanted.trim().to_lowercase();
                wanted == id || wanted == name.trim().to_lowercase()
            })
        };
        is_meant(&self.tenant, &tenant.to_string(), tenant_name)
            && is_meant(&self.partner, &partner.key(), &partner.name)
            && self.since.is_none_or(|since| since <= record.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::testing::{record, text};

    #[test]
    fn an_outline_tells_what_the_record_tells() {
        let record = record(3, "Contoso Reseller", true);
        let outline = Outline::of(&text(&record)).unwrap();
        assert_eq!(outline.case_key(), CaseKey::of(&record.case));
        assert_eq!((outline.at, outline.event, &outline.id), (record.at, record.event, &record.id));
        assert_eq!((outline.is_open(), outline.stands()), (record.case.is_open(), true));
        assert_eq!(Outline::of("{}"), None);
    }

    #[test]
    fn records_are_chosen_by_tenant_partner_and_time() {
        let record = record(3, "Contoso Reseller", true);
        let outline = Outline::of(&text(&record)).unwrap();
        let takes = |tenant: Option<&str>, partner: Option<&str>, since: Option<Timestamp>| {
            let (tenant, partner) = (tenant.map(str::to_owned), partner.map(str::to_owned));
            Filter { tenant, partner, since }.takes(&outline)
        };
        let later = record.at + jiff::SignedDuration::from_secs(1);
        let (tenant, partner) = (record.case.tenant.to_string(), record.case.partner.key());
        assert!(takes(None, None, None) && takes(Some(" woodgrove"), Some(&partner), None));
        assert!(takes(Some(&tenant), Some("contoso reseller"), Some(record.at)));
        assert!(!takes(None, None, Some(later)));
        assert!(!takes(Some("Fabrikam"), None, None) && !takes(None, Some("Fabrikam"), None));
    }
}
