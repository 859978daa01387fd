//! The audit log of a directory, read page by page at the pace that Graph allows.
//!
//! Source: Microsoft Graph documentation, "List directoryAudits": `$filter` (`ge`), `$orderby` and
//! `$top` on `activityDateTime`; "Microsoft Graph service-specific throttling limits": 5 requests
//! in 10 seconds for each application and tenant.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use url::Url;

use super::Graph;
use super::pace::Pace;
use super::read::{Page, garbled};
use crate::domain::id::TenantId;
use crate::ports::{AuditPage, AuditsFrom, Failure, PortError, ReadAudits};

/// Most events on a page.
const TOP: usize = 500;

/// What a tenant without a premium licence answers with.
const NOT_PREMIUM: &str = "Authentication_RequestFromNonPremiumTenantOrB2CTenant";

/// A connection that may read audit logs.
#[derive(Clone)]
pub struct AuditLogs {
    graph: Graph,
    pace: Pace,
}

impl AuditLogs {
    /// Reads with requests for one tenant this far apart.
    pub fn new(graph: Graph, apart: SignedDuration) -> Self {
        Self { graph, pace: Pace::new(apart) }
    }

    /// How long to wait before the next request, which takes its place in the line.
    pub(super) fn pause(&self, tenant: TenantId) -> Duration {
        self.pace.pause(tenant, self.graph.clock.now())
    }

    fn first(&self, since: Timestamp) -> Result<Url, PortError> {
        self.graph.url(&format!(
            "v1.0/auditLogs/directoryAudits?$filter=activityDateTime%20ge%20{since}\
             &$orderby=activityDateTime%20asc&$top={TOP}"
        ))
    }
}

#[async_trait]
impl ReadAudits for AuditLogs {
    async fn audits(&self, tenant: TenantId, from: &AuditsFrom) -> Result<AuditPage, PortError> {
        let url = match from {
            AuditsFrom::Since(since) => self.first(*since)?,
            AuditsFrom::Page(link) => self.graph.pinned(link)?,
        };
        tokio::time::sleep(self.pause(tenant)).await;
        let json = self.graph.json(tenant, Method::GET, &url, None).await.map_err(mend)?;
        let page: Page = serde_json::from_value(json).map_err(|error| garbled(&error))?;
        if page.next_link.as_deref() == Some(url.as_str()) {
            let said = "the audit log leads from a page to itself";
            return Err(PortError::new(Failure::Unintelligible, said));
        }
        Ok(AuditPage { events: page.value, next: page.next_link })
    }
}

fn mend(error: PortError) -> PortError {
    let licence = error.said.to_lowercase().contains(&NOT_PREMIUM.to_lowercase());
    let mend = match error.kind {
        Failure::Denied | Failure::Refused if licence => {
            "the audit log can be read through Microsoft Graph in tenants with Microsoft Entra ID \
             P1 or P2 only: add a licence, or forward the events to /hooks/audit, and set \
             WARDEN_POLL_EVERY=off; the periodic look goes on"
        }
        Failure::Denied => {
            "grant AuditLog.Read.All and Directory.Read.All (application) to WARDEN_CLIENT_ID with \
             admin consent in this tenant; until then the periodic look guards"
        }
        Failure::Transient
        | Failure::Throttled(_)
        | Failure::SignInRefused
        | Failure::Gone
        | Failure::Refused
        | Failure::Unintelligible => return error,
    };
    PortError { said: format!("{}; {mend}", error.said), ..error }
}
