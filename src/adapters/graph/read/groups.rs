//! Who is in which group, through groups in groups too.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use super::super::Graph;
use super::super::batch::{Asked, Get};
use super::garbled;
use super::objects::object_of;
use crate::domain::facts::Member;
use crate::domain::id::{PrincipalId, TenantId};
use crate::ports::{Listed, ReadGroupMembers};

/// The service principals in a group are documented for beta only.
///
/// Source: Microsoft Graph documentation, "List group members" and "List group transitive
/// members", v1.0: "service principals are not listed as group members".
const MEMBERS: &str = "beta";

/// What is asked of a member. What service principals have and users have not is not among it.
const SELECT: &str =
    "$select=id,displayName,userPrincipalName,mail,userType,accountEnabled&$top=999";

/// What is asked of somebody who is directly in a group.
const DIRECT_SELECT: &str = "$select=id&$top=999";

/// The one type among those of `transitiveMemberOf` that conditional access can name as a group.
///
/// Source: Microsoft Graph documentation, "List a user's memberships (direct and transitive)": a
/// cast takes an advanced query.
const GROUPS: &str = "microsoft.graph.group";

#[derive(Deserialize)]
struct OnlyId {
    id: String,
}

#[async_trait]
impl ReadGroupMembers for Graph {
    async fn members(
        &self,
        tenant: TenantId,
        groups: &[PrincipalId],
    ) -> Listed<(PrincipalId, Vec<Member>)> {
        let of = |group: &PrincipalId| {
            Get::new(&["groups", group.as_str(), "transitiveMembers"], SELECT)
        };
        let Asked { whom, gets, mut failures } = Asked::of(groups, of);
        let mut items = Vec::new();
        let lists = self.batch_lists::<Value>(tenant, MEMBERS, &gets).await;
        for (group, Listed { items: objects, failure }) in whom.into_iter().zip(lists) {
            let whole = failure.is_none();
            failures.extend(failure);
            let mut members = Vec::with_capacity(objects.len());
            for object in objects {
                match object_of(object) {
                    Ok((id, object)) => members.push(Member { id, object }),
                    Err(error) => failures.push(garbled(&error)),
                }
            }
            // Whoever was seen is a member, even if others were not seen.
            if whole || !members.is_empty() {
                items.push((group.clone(), members));
            }
        }
        Listed::new(items, failures)
    }

    async fn direct_members(
        &self,
        tenant: TenantId,
        groups: &[PrincipalId],
    ) -> Listed<(PrincipalId, BTreeSet<PrincipalId>)> {
        let of =
            |group: &PrincipalId| Get::new(&["groups", group.as_str(), "members"], DIRECT_SELECT);
        whole_sets(self, tenant, MEMBERS, Asked::of(groups, of)).await
    }

    async fn memberships(
        &self,
        tenant: TenantId,
        accounts: &[PrincipalId],
    ) -> Listed<(PrincipalId, BTreeSet<PrincipalId>)> {
        let of = |account: &PrincipalId| {
            let segments = ["users", account.as_str(), "transitiveMemberOf", GROUPS];
            Get::new(&segments, "$select=id&$count=true&$top=999").map(Get::advanced)
        };
        whole_sets(self, tenant, "v1.0", Asked::of(accounts, of)).await
    }
}

/// The ids that each list has. Where a list was not read whole it is left out: half of it would
/// read as if nothing else were in it.
async fn whole_sets(
    graph: &Graph,
    tenant: TenantId,
    version: &str,
    asked: Asked<'_, PrincipalId>,
) -> Listed<(PrincipalId, BTreeSet<PrincipalId>)> {
    let Asked { whom, gets, mut failures } = asked;
    let mut items = Vec::new();
    let lists = graph.batch_lists::<OnlyId>(tenant, version, &gets).await;
    for (of, Listed { items: found, failure }) in whom.into_iter().zip(lists) {
        if let Some(failure) = failure {
            failures.push(failure);
        } else {
            let ids = found.iter().map(|it| PrincipalId::new(&it.id));
            items.push((of.clone(), ids.collect()));
        }
    }
    Listed::new(items, failures)
}
