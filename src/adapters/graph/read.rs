//! What is read from Graph: pages to their end, and how far it got where the end was not reached.

use std::collections::BTreeSet;

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::{Graph, WHOM};
use crate::domain::facts::{DirectoryObject, PartnerEntry, RoleAssignment, RoleDefinition, User};
use crate::domain::id::{PartnerId, PrincipalId, TenantId};
use crate::ports::{
    Failure, Listed, PortError, ReadGuests, ReadObjects, ReadPartnerEntries, ReadRoles,
    ReadTenantNames,
};

/// Most ids of one `getByIds`.
///
/// Source: Microsoft Graph documentation, "directoryObject: getByIds".
const IDS_MAX: usize = 1000;

/// Most pages of one collection: far more than any tenant has, and an end to a loop.
const PAGES_MAX: usize = 10_000;

/// `principalOrganizationId` is documented for beta only; v1.0 serves where beta does not.
const ASSIGNMENTS: [&str; 2] = [
    "beta/roleManagement/directory/roleAssignments",
    "v1.0/roleManagement/directory/roleAssignments",
];

/// `isPrivileged` exists in beta only.
const DEFINITIONS: [&str; 2] = [
    "beta/roleManagement/directory/roleDefinitions",
    "v1.0/roleManagement/directory/roleDefinitions",
];

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
        let mut listed = Listed { items: Vec::new(), failure: None };
        for path in paths {
            listed = match self.url(path) {
                Ok(url) => self.pages(tenant, url, None).await,
                Err(error) => Listed { items: Vec::new(), failure: Some(error) },
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
        mut body: Option<&Value>,
    ) -> Listed<T> {
        let mut listed = Listed { items: Vec::new(), failure: None };
        let mut seen = BTreeSet::new();
        let mut next = Some(first);
        while let Some(url) = next.take() {
            if seen.len() >= PAGES_MAX || !seen.insert(url.to_string()) {
                let said = format!("{WHOM} leads from page to page without an end");
                listed.failure = Some(PortError::new(Failure::Unintelligible, said));
                break;
            }
            let page = match self.page(tenant, &url, body.take()).await {
                Ok(page) => page,
                Err(error) => {
                    listed.failure = Some(error);
                    break;
                }
            };
            for item in page.value {
                match serde_json::from_value(item) {
                    Ok(item) => listed.items.push(item),
                    Err(error) => listed.failure = Some(garbled(&error)),
                }
            }
            match page.next_link.map(|link| self.pinned(&link)).transpose() {
                Ok(link) => next = link,
                Err(error) => listed.failure = Some(error),
            }
        }
        listed
    }

    async fn page(
        &self,
        tenant: TenantId,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Page, PortError> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let json = self.json(tenant, method, url, body).await?;
        serde_json::from_value(json).map_err(|error| garbled(&error))
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

pub(super) fn garbled(error: &serde_json::Error) -> PortError {
    // serde_json's words may quote a display name; the category is all that is told.
    let said =
        format!("{WHOM} answered with something else than expected ({:?})", error.classify());
    PortError::new(Failure::Unintelligible, said)
}

#[async_trait]
impl ReadRoles for Graph {
    async fn assignments(&self, tenant: TenantId) -> Listed<RoleAssignment> {
        self.list(tenant, &ASSIGNMENTS).await
    }

    async fn assignments_of(
        &self,
        tenant: TenantId,
        principal: &PrincipalId,
    ) -> Result<Vec<RoleAssignment>, PortError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !principal.as_str().chars().all(plain) {
            let said = "a principal has an id that cannot be asked for";
            return Err(PortError::new(Failure::Unintelligible, said));
        }
        let paths =
            ASSIGNMENTS.map(|path| format!("{path}?$filter=principalId%20eq%20'{principal}'"));
        let listed: Listed<RoleAssignment> =
            self.list(tenant, &paths.each_ref().map(String::as_str)).await;
        match listed.failure {
            Some(failure) => Err(failure),
            None => Ok(listed
                .items
                .into_iter()
                .filter(|assignment| assignment.principal_id == *principal)
                .collect()),
        }
    }

    async fn definitions(&self, tenant: TenantId) -> Listed<RoleDefinition> {
        let mut listed = self.list(tenant, &DEFINITIONS).await;
        // A cloud without them leaves the embedded catalogue, in which an unknown role is not
        // taken for harmless. One that breaks off half way offers them.
        if listed.items.is_empty() {
            listed.failure =
                listed.failure.filter(|f| !matches!(f.kind, Failure::Gone | Failure::Refused));
        }
        listed
    }
}

#[async_trait]
impl ReadObjects for Graph {
    async fn objects(
        &self,
        tenant: TenantId,
        ids: &[PrincipalId],
    ) -> Listed<(PrincipalId, DirectoryObject)> {
        let mut listed = Listed { items: Vec::new(), failure: None };
        for ids in ids.chunks(IDS_MAX) {
            let some = self.some_objects(tenant, ids).await;
            for object in some.items {
                match object_of(object) {
                    Ok(object) => listed.items.push(object),
                    Err(error) => listed.failure = Some(garbled(&error)),
                }
            }
            listed.failure = some.failure.or(listed.failure);
        }
        listed
    }
}

impl Graph {
    async fn some_objects(&self, tenant: TenantId, ids: &[PrincipalId]) -> Listed<Value> {
        // Without explicit types Graph leaves out references to a partner's directory.
        let types =
            ["user", "group", "servicePrincipal", "device", "directoryObjectPartnerReference"];
        let body = json!({"ids": ids, "types": types});
        match self.url("v1.0/directoryObjects/getByIds") {
            Ok(url) => self.pages(tenant, url, Some(&body)).await,
            Err(error) => Listed { items: Vec::new(), failure: Some(error) },
        }
    }
}

/// An object with its type's name as the metadata writes it: Graph varies its case.
fn object_of(mut object: Value) -> Result<(PrincipalId, DirectoryObject), serde_json::Error> {
    const TYPES: [&str; 4] = [
        "#microsoft.graph.user",
        "#microsoft.graph.group",
        "#microsoft.graph.servicePrincipal",
        "#microsoft.graph.directoryObjectPartnerReference",
    ];
    if let Some(kind) = object.get_mut("@odata.type") {
        let known = kind
            .as_str()
            .and_then(|kind| TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(kind)));
        *kind = known.unwrap_or("other").into();
    }
    let object: WithId<DirectoryObject> = serde_json::from_value(object)?;
    Ok((PrincipalId::new(&object.id), object.rest))
}

#[async_trait]
impl ReadGuests for Graph {
    async fn guests(&self, tenant: TenantId) -> Listed<(PrincipalId, User)> {
        let path = "v1.0/users?$filter=userType%20eq%20'Guest'\
                    &$select=id,displayName,userPrincipalName,mail,userType&$top=999";
        let listed: Listed<WithId<User>> = self.list(tenant, &[path]).await;
        let items = listed.items.into_iter().map(|user| (PrincipalId::new(&user.id), user.rest));
        Listed { items: items.collect(), failure: listed.failure }
    }
}

#[async_trait]
impl ReadPartnerEntries for Graph {
    async fn partner_entries(&self, tenant: TenantId) -> Listed<PartnerEntry> {
        self.list(tenant, &["v1.0/policies/crossTenantAccessPolicy/partners"]).await
    }
}

#[async_trait]
impl ReadTenantNames for Graph {
    async fn tenant_name(&self, tenant: TenantId, other: PartnerId) -> Option<String> {
        let path =
            format!("v1.0/tenantRelationships/findTenantInformationByTenantId(tenantId='{other}')");
        let json = self.json(tenant, Method::GET, &self.url(&path).ok()?, None).await.ok()?;
        json.get("displayName")?.as_str().map(str::to_owned)
    }
}
