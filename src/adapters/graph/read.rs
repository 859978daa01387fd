//! What is read from Graph: pages to their end, and how far it got where the end was not reached.
//! One file for each subject.

mod apps;
mod conditional_access;
mod cross_tenant;
mod groups;
mod objects;
mod relationships;
mod roles;
mod users;

use std::collections::BTreeSet;

use reqwest::{Client, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

pub use self::conditional_access::ConditionalAccess;
use super::{Graph, WHOM, parsed};
use crate::domain::id::TenantId;
use crate::ports::{Failure, Listed, PortError};

/// Most pages of one collection: far more than any tenant has, and an end to a loop.
const PAGES_MAX: usize = 10_000;

/// What Graph answers with where a tenant has not bought Privileged Identity Management. It is not
/// documented; the status that comes with it has been both 400 and 403.
const NOT_LICENSED: &str = "AadPremiumLicenseRequired";

#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) value: Vec<Value>,
    #[serde(rename = "@odata.nextLink")]
    pub(super) next_link: Option<String>,
}

#[derive(Deserialize)]
struct WithId<T> {
    id: String,
    #[serde(flatten)]
    rest: T,
}

impl Graph {
    /// Every page of the first of `paths` that this cloud offers.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        tenant: TenantId,
        paths: &[&str],
    ) -> Listed<T> {
        let mut listed = Listed::nothing();
        for path in paths {
            listed = match self.url(path) {
                Ok(url) => self.pages(tenant, url, None).await,
                Err(error) => Listed::failed(error),
            };
            let not_offered = listed.items.is_empty()
                && listed.failure.as_ref().is_some_and(|failure| {
                    matches!(failure.kind, Failure::Gone | Failure::Refused)
                });
            if !not_offered {
                break;
            }
        }
        listed
    }

    /// Every page from `first` on. With a body, the first one is asked for by POST.
    async fn pages<T: DeserializeOwned>(
        &self,
        tenant: TenantId,
        first: Url,
        body: Option<&Value>,
    ) -> Listed<T> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = |client: &Client| {
            let request = client.request(method.clone(), first.clone());
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        match self.send(tenant, request).await.and_then(|answer| parsed(&answer)) {
            Ok(page) => self.to_the_end(tenant, Some(&first), page, false).await,
            Err(error) => Listed::failed(error),
        }
    }

    /// What is on a page and on all that come after it. Those of an advanced query are asked for as
    /// such.
    pub(super) async fn to_the_end<T: DeserializeOwned>(
        &self,
        tenant: TenantId,
        at: Option<&Url>,
        mut page: Page,
        advanced: bool,
    ) -> Listed<T> {
        let mut listed = Listed::nothing();
        let mut seen: BTreeSet<String> = at.map(Url::to_string).into_iter().collect();
        loop {
            for item in page.value {
                match serde_json::from_value(item) {
                    Ok(item) => listed.items.push(item),
                    Err(error) => listed.failure = Some(garbled(&error)),
                }
            }
            let Some(link) = page.next_link else { return listed };
            let next = match self.pinned(&link) {
                Ok(url) if seen.len() < PAGES_MAX && seen.insert(url.to_string()) => {
                    self.further(tenant, &url, advanced).await
                }
                Ok(_) => {
                    let said = format!("{WHOM} leads from page to page without an end");
                    Err(PortError::new(Failure::Unintelligible, said))
                }
                Err(error) => Err(error),
            };
            match next {
                Ok(next) => page = next,
                Err(error) => {
                    listed.failure = Some(error);
                    return listed;
                }
            }
        }
    }

    async fn further(
        &self,
        tenant: TenantId,
        url: &Url,
        advanced: bool,
    ) -> Result<Page, PortError> {
        let request = |client: &Client| {
            let request = client.get(url.clone());
            if advanced { request.header("ConsistencyLevel", "eventual") } else { request }
        };
        parsed(&self.send(tenant, request).await?)
    }

    /// The link to the next page, if it leads where the token may go.
    pub(super) fn pinned(&self, link: &str) -> Result<Url, PortError> {
        match Url::parse(link) {
            Ok(url) if url.origin() == self.origin.origin() => Ok(url),
            _ => {
                let said = format!("{WHOM} names a next page at another place; it is not followed");
                Err(PortError::new(Failure::Unintelligible, said))
            }
        }
    }
}

/// What was listed, without a failure that only says that there is nothing to list: `absent` names
/// the kinds of failure that do. What breaks off half way is there.
fn unless_absent<T>(mut listed: Listed<T>, absent: &[Failure]) -> Listed<T> {
    if listed.items.is_empty() {
        listed.failure = listed
            .failure
            .filter(|failure| !absent.contains(&failure.kind) && is_licensed(failure));
    }
    listed
}

/// Whether something else is the matter than a licence that the tenant does not have.
fn is_licensed(failure: &PortError) -> bool {
    !(matches!(failure.kind, Failure::Denied | Failure::Refused)
        && failure.said.to_lowercase().contains(&NOT_LICENSED.to_lowercase()))
}

pub(super) fn garbled(error: &serde_json::Error) -> PortError {
    // serde_json's words may quote a display name; the category is all that is told.
    let said =
        format!("{WHOM} answered with something else than expected ({:?})", error.classify());
    PortError::new(Failure::Unintelligible, said)
}
