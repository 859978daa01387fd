//! Which object of a tenant stands for an application.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use uuid::Uuid;

use super::{Graph, WHOM};
use crate::domain::id::{PrincipalId, TenantId};
use crate::ports::{Failure, PortError, ReadServicePrincipals};

/// A connection that remembers what it found. A service principal keeps its id as long as it
/// exists, and no other one ever gets it.
pub struct ServicePrincipals {
    graph: Graph,
    found: Mutex<HashMap<(TenantId, String), PrincipalId>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    value: Vec<ServicePrincipal>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicePrincipal {
    id: String,
    app_id: String,
}

impl ServicePrincipals {
    pub(super) fn new(graph: Graph) -> Self {
        Self { graph, found: Mutex::default() }
    }
}

/// Source: Microsoft Graph documentation, "List servicePrincipals".
#[async_trait]
impl ReadServicePrincipals for ServicePrincipals {
    async fn service_principal(
        &self,
        tenant: TenantId,
        app_id: &str,
    ) -> Result<Option<PrincipalId>, PortError> {
        let Ok(app_id) = Uuid::try_parse(app_id.trim()) else {
            let said = "the id of an application is no GUID and cannot be asked for";
            return Err(PortError::new(Failure::Unintelligible, said));
        };
        let key = (tenant, app_id.to_string());
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if found.is_some() {
            return Ok(found);
        }
        let path =
            format!("v1.0/servicePrincipals?$filter=appId%20eq%20'{app_id}'&$select=id,appId");
        let answer = self.graph.json(tenant, Method::GET, &self.graph.url(&path)?, None).await?;
        let Found { value } = serde_json::from_value(answer).map_err(|_| {
            let said = format!("{WHOM} answered with something else than service principals");
            PortError::new(Failure::Unintelligible, said)
        })?;
        let mut ours = value.into_iter().filter(|it| it.app_id.eq_ignore_ascii_case(&key.1));
        let id = ours.next().map(|it| PrincipalId::new(&it.id));
        if let Some(id) = &id {
            self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(key, id.clone());
        }
        Ok(id)
    }
}
