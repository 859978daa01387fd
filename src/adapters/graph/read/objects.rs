//! What principals are, and what administrative units are called.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::Graph;
use super::{WithId, garbled};
use crate::domain::facts::{DirectoryObject, Named};
use crate::domain::id::{PrincipalId, TenantId};
use crate::ports::{Listed, ReadObjects};

/// Most ids of one `getByIds`.
///
/// Source: Microsoft Graph documentation, "directoryObject: getByIds".
const IDS_MAX: usize = 1000;

/// Without explicit types Graph leaves out references to a partner's directory.
const PRINCIPALS: [&str; 5] =
    ["user", "group", "servicePrincipal", "device", "directoryObjectPartnerReference"];

#[async_trait]
impl ReadObjects for Graph {
    async fn objects(
        &self,
        tenant: TenantId,
        ids: &[PrincipalId],
    ) -> Listed<(PrincipalId, DirectoryObject)> {
        let mut listed = Listed::nothing();
        for ids in ids.chunks(IDS_MAX) {
            let some = self.some_objects(tenant, ids, &PRINCIPALS).await;
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

    async fn unit_names(
        &self,
        tenant: TenantId,
        ids: &[PrincipalId],
    ) -> Vec<(PrincipalId, String)> {
        let mut names = Vec::new();
        for ids in ids.chunks(IDS_MAX) {
            let some = self.some_objects(tenant, ids, &["administrativeUnit"]).await;
            let read = some.items.into_iter().filter_map(|unit| {
                let unit: WithId<Named> = serde_json::from_value(unit).ok()?;
                Some((PrincipalId::new(&unit.id), unit.rest.display_name?))
            });
            names.extend(read);
        }
        names
    }
}

impl Graph {
    async fn some_objects(
        &self,
        tenant: TenantId,
        ids: &[PrincipalId],
        types: &[&str],
    ) -> Listed<Value> {
        let body = json!({"ids": ids, "types": types});
        match self.url("v1.0/directoryObjects/getByIds") {
            Ok(url) => self.pages(tenant, url, Some(&body)).await,
            Err(error) => Listed::failed(error),
        }
    }
}

/// An object with its type's name as the metadata writes it: Graph varies its case.
pub(super) fn object_of(
    mut object: Value,
) -> Result<(PrincipalId, DirectoryObject), serde_json::Error> {
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
