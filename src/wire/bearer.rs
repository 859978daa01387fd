//! A sender that proves itself with a token of Microsoft Entra.

use super::Reject;
use super::token::{Claims, Measure, verify as verify_token};
use crate::domain::roster::Roster;

/// Whose tokens are taken.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    /// What every token is measured by.
    pub measure: Measure<'a>,
    /// The application roles of which a sender must hold one.
    pub roles: &'a [String],
}

/// Verifies an `Authorization` header: a token for us, of a tenant of the policy, with a role that
/// may send.
///
/// # Errors
/// [`Reject::Missing`], [`Reject::NotAllowed`], [`Reject::UnknownTenant`], and those of the token.
pub fn verify(
    authorization: Option<&str>,
    by: Allowed<'_>,
    roster: &Roster,
) -> Result<Claims, Reject> {
    let token = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or(Reject::Missing("the bearer token"))?;
    let claims = verify_token(token, by.measure)?;
    if roster.tenant(claims.tid).is_none() {
        return Err(Reject::NotAuthentic("the token's tenant"));
    }
    if !claims.roles.iter().any(|role| by.roles.contains(role)) {
        return Err(Reject::NotAllowed);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::finding::testing::{Case, noon};
    use crate::wire::token::KeySet;

    #[test]
    fn only_a_token_of_a_known_tenant_with_a_role_that_may_send_is_taken() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/data/rich-notification-openssl.json"))
                .unwrap();
        let keys = KeySet::parse(vectors["keySet"].to_string().as_bytes()).unwrap();
        let client = "33333333-3333-3333-3333-333333333333";
        let audiences = [client.to_owned(), format!("api://{client}")];
        let login = "https://login.microsoftonline.com/";
        let measure = Measure { keys: &keys, audiences: &audiences, login, now: noon() };
        let roles = ["AzureEventGridSecureWebhookSubscriber", "PartnerWarden.Forward"];
        let roles = roles.map(str::to_owned);
        let by = Allowed { measure, roles: &roles };
        let roster = Case::new().policy().roster;
        let became = |authorization: Option<&str>| {
            verify(authorization, by, &roster).map_or_else(|reject| reject.reason(), |_| "taken")
        };
        for (name, token) in vectors["bearer"].as_object().unwrap() {
            let expect = match name.as_str() {
                "Event Grid, version 1.0" | "forwarder, version 2.0" | "audience as an URI" => {
                    "taken"
                }
                "another role" | "no role" => "not-allowed",
                "signed with an unknown key" => "unknown-key",
                _ => "not-authentic",
            };
            let token = token.as_str().unwrap();
            assert_eq!(became(Some(&format!("Bearer {token}"))), expect, "{name}");
            assert_eq!(became(Some(&format!("bEARER   {token} "))), expect, "{name}");
            assert_eq!(became(Some(&format!("Basic {token}"))), "missing-proof");
            assert_eq!(became(Some(token)), "missing-proof");
        }
        for authorization in [None, Some(""), Some("Bearer"), Some("Bearer ")] {
            assert_ne!(became(authorization), "taken", "{authorization:?}");
        }
    }
}
