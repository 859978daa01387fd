//! Applications that were registered in partners' tenants, and what they were granted.

use async_trait::async_trait;

use super::super::Graph;
use super::super::batch::{Asked, Get};
use crate::domain::facts::{AppRoleAssignment, PartnerApp, SignIn};
use crate::domain::id::{PartnerId, PrincipalId, TenantId};
use crate::ports::{Listed, ReadPartnerApps};

/// The owner is an `Edm.Guid`, so that it has no quotes, and a filter on it is an advanced query.
///
/// Source: Microsoft Graph documentation, "Advanced query capabilities on Microsoft Entra ID
/// objects".
fn of_owner(owner: &PartnerId) -> String {
    format!(
        "$filter=appOwnerOrganizationId%20eq%20{owner}\
         &$select=id,displayName,appId,appOwnerOrganizationId&$count=true&$top=999"
    )
}

#[async_trait]
impl ReadPartnerApps for Graph {
    async fn partner_apps(&self, tenant: TenantId, owners: &[PartnerId]) -> Listed<PartnerApp> {
        let of = |owner: &PartnerId| {
            Get::new(&["servicePrincipals"], &of_owner(owner)).map(Get::advanced)
        };
        let Asked { whom, gets, mut failures } = Asked::of(owners, of);
        let mut apps: Vec<PartnerApp> = Vec::new();
        let lists = self.batch_lists::<PartnerApp>(tenant, "v1.0", &gets).await;
        for (owner, listed) in whom.into_iter().zip(lists) {
            failures.extend(listed.failure);
            apps.extend(listed.items.into_iter().filter(|app| is_of(app, *owner)));
        }

        let of = |app: &PartnerApp| {
            Get::new(&["servicePrincipals", app.id.as_str(), "appRoleAssignments"], "")
        };
        let Asked { whom, gets, failures: unfit } = Asked::of(&apps, of);
        failures.extend(unfit);
        let whom: Vec<_> = whom.into_iter().map(|app| app.id.clone()).collect();
        let lists = self.batch_lists::<AppRoleAssignment>(tenant, "v1.0", &gets).await;
        for (id, listed) in whom.into_iter().zip(lists) {
            failures.extend(listed.failure);
            if let Some(app) = apps.iter_mut().find(|app| app.id == id) {
                app.app_roles = listed.items;
            }
        }
        Listed::new(apps, failures)
    }

    async fn app_sign_ins(
        &self,
        tenant: TenantId,
        apps: &[PrincipalId],
    ) -> Listed<(PrincipalId, Option<SignIn>)> {
        let select = "$select=id,accountEnabled";
        self.sign_ins_of(tenant, "servicePrincipals", apps, select).await
    }
}

fn is_of(app: &PartnerApp, owner: PartnerId) -> bool {
    let told = app.app.app_owner_organization_id.as_deref();
    told.and_then(|id| id.parse().ok()) == Some(owner)
}
