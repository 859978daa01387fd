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

    async fn memberships(
        &self,
        tenant: TenantId,
        accounts: &[PrincipalId],
    ) -> Listed<(PrincipalId, BTreeSet<PrincipalId>)> {
        let of = |account: &PrincipalId| {
            let segments = ["users", account.as_str(), "transitiveMemberOf", GROUPS];
            Get::new(&segments, "$select=id&$count=true&$top=999").map(Get::advanced)
        };
        let Asked { whom, gets, mut failures } = Asked::of(accounts, of);
        let mut items = Vec::new();
        let lists = self.batch_lists::<OnlyId>(tenant, "v1.0", &gets).await;
        for (account, Listed { items: groups, failure }) in whom.into_iter().zip(lists) {
            if let Some(failure) = failure {
                // Half of them would read as if it were in no other.
                failures.push(failure);
            } else {
                let groups = groups.iter().map(|group| PrincipalId::new(&group.id));
                items.push((account.clone(), groups.collect()));
            }
        }
        Listed::new(items, failures)
    }
}
