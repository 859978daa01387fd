//! Accounts: the guests of a tenant, and those that are asked for by name.

use async_trait::async_trait;

use super::super::Graph;
use super::super::batch::{Asked, Get};
use super::{WithId, garbled};
use crate::domain::facts::{GivenAccount, SignIn, User};
use crate::domain::id::{PrincipalId, TenantId};
use crate::domain::roster::AccountName;
use crate::ports::{Failure, Listed, PortError, ReadUsers};

/// What is asked of an account; `userType` and `accountEnabled` are told only if asked for.
const SELECT: &str = "$select=id,displayName,userPrincipalName,mail,userType,accountEnabled";

#[async_trait]
impl ReadUsers for Graph {
    async fn guests(&self, tenant: TenantId) -> Listed<(PrincipalId, User)> {
        let path = format!("v1.0/users?$filter=userType%20eq%20'Guest'&{SELECT}&$top=999");
        let listed: Listed<WithId<User>> = self.list(tenant, &[&path]).await;
        let items = listed.items.into_iter().map(|user| (PrincipalId::new(&user.id), user.rest));
        Listed { items: items.collect(), failure: listed.failure }
    }

    async fn accounts(
        &self,
        tenant: TenantId,
        names: &[AccountName],
    ) -> Listed<(AccountName, GivenAccount)> {
        let of = |name: &AccountName| Get::new(&["users", name.as_str()], SELECT);
        let Asked { whom, gets, mut failures } = Asked::of(names, of);
        let mut items = Vec::new();
        for (name, answer) in whom.into_iter().zip(self.batch(tenant, "v1.0", &gets).await) {
            let account = answer.and_then(|user| {
                let user = serde_json::from_value(user).map_err(|error| garbled(&error))?;
                let WithId { id, rest: user } = user;
                Ok(GivenAccount::Present { id: PrincipalId::new(&id), user })
            });
            match account {
                Ok(account) => items.push((name.clone(), account)),
                Err(PortError { kind: Failure::Gone, .. }) => {
                    items.push((name.clone(), GivenAccount::Missing));
                }
                Err(error) => failures.push(error),
            }
        }
        Listed::new(items, failures)
    }

    async fn sign_ins(
        &self,
        tenant: TenantId,
        accounts: &[PrincipalId],
    ) -> Listed<(PrincipalId, Option<SignIn>)> {
        let select = "$select=id,accountEnabled,signInSessionsValidFromDateTime";
        self.sign_ins_of(tenant, "users", accounts, select).await
    }
}

impl Graph {
    /// How principals of a collection may sign in.
    ///
    /// Source: Microsoft Graph documentation, resources `user` and `servicePrincipal`.
    pub(super) async fn sign_ins_of(
        &self,
        tenant: TenantId,
        collection: &str,
        principals: &[PrincipalId],
        select: &str,
    ) -> Listed<(PrincipalId, Option<SignIn>)> {
        let of = |id: &PrincipalId| Get::new(&[collection, id.as_str()], select);
        let Asked { whom, gets, mut failures } = Asked::of(principals, of);
        let mut items = Vec::new();
        for (id, answer) in whom.into_iter().zip(self.batch(tenant, "v1.0", &gets).await) {
            let read = answer.and_then(|it| serde_json::from_value(it).map_err(|e| garbled(&e)));
            match read {
                Ok(sign_in) => items.push((id.clone(), Some(sign_in))),
                Err(PortError { kind: Failure::Gone, .. }) => items.push((id.clone(), None)),
                Err(error) => failures.push(error),
            }
        }
        Listed::new(items, failures)
    }
}
