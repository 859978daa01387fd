//! What an application was granted in a tenant, as the token says that it is let in with.
//!
//! Source: Microsoft identity platform documentation, "Access token claims reference": `roles` holds the
//! application permissions. Microsoft asks clients not to build on what the tokens of its own APIs hold,
//! which may change: so no decision hangs on it, and a token that does not say is no token without
//! permissions.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::{Credential, Graph};
use crate::domain::id::TenantId;
use crate::ports::PortError;

/// What an application was granted in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// These application permissions, and no others.
    Permissions(BTreeSet<String>),
    /// The token cannot be read by whoever carries it.
    Unknown,
}

#[derive(Deserialize)]
struct Claims {
    /// Only in tokens that hold claims about an application at all.
    #[serde(alias = "azp")]
    appid: Option<String>,
    #[serde(default)]
    roles: BTreeSet<String>,
}

impl Granted {
    /// What a token says. It is not checked: it came from the sign-in, and is only shown.
    fn of(token: &str) -> Self {
        let payload = token.split('.').nth(1).and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
        let claims = payload.and_then(|it| serde_json::from_slice::<Claims>(&it).ok());
        match claims {
            // Where nothing was granted there is no `roles`.
            Some(Claims { appid: Some(_), roles }) => Self::Permissions(roles),
            Some(Claims { appid: None, .. }) | None => Self::Unknown,
        }
    }
}

impl Graph {
    /// Signs in to a tenant and says what was granted there: to the application that reads, or to
    /// another one.
    ///
    /// # Errors
    /// Those of the sign-in.
    pub async fn granted(
        &self,
        tenant: TenantId,
        other: Option<&Credential>,
    ) -> Result<Granted, PortError> {
        let token = match other {
            Some(other) => self.tokens.of_writer(other.clone()).token(tenant, &self.scope).await?,
            None => self.tokens.token(tenant, &self.scope).await?,
        };
        Ok(Granted::of(token.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(claims: &str) -> Granted {
        Granted::of(&format!("header.{}.signature", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn a_token_says_what_was_granted_or_does_not_say() {
        let both = ["AuditLog.Read.All".to_owned(), "User.Read.All".to_owned()].into();
        let roles = r#"{"appid": "a", "roles": ["User.Read.All", "AuditLog.Read.All"]}"#;
        assert_eq!(of(roles), Granted::Permissions(both));
        assert_eq!(of(r#"{"azp": "a"}"#), Granted::Permissions(BTreeSet::new()));
        for unknown in ["{}", "[]", r#"{"appid": "a", "roles": "all"}"#, "\u{1}"] {
            assert_eq!(of(unknown), Granted::Unknown, "{unknown}");
        }
        for opaque in ["", "opaque", "a.b", "a.!.c", "EwB4A8l6BAAU"] {
            assert_eq!(Granted::of(opaque), Granted::Unknown, "{opaque}");
        }
    }
}
