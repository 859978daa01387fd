//! Notifications of the Office 365 Management Activity API: there is new audit content.
//!
//! Source: "Office 365 Management Activity API reference", webhooks.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::{Received, Reject, Verified, not_json, shaped};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::roster::Roster;
use crate::domain::secret::Secret;
use crate::domain::signal::{Sender, Signal, Subject};
use crate::domain::text;

/// The content that tells of directory changes.
const DIRECTORY_CONTENT: &str = "Audit.AzureActiveDirectory";

/// The headers that matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `Webhook-AuthID`.
    pub auth_id: Option<&'a str>,
    /// `Webhook-ValidationCode`: the service asks whether anybody is here.
    pub validation_code: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    tenant_id: String,
    content_type: String,
    content_id: Option<String>,
    content_created: Option<String>,
}

/// Reads notifications, or nothing where the service only asks whether anybody is here.
///
/// # Errors
/// [`Reject::NoKey`], [`Reject::Missing`], [`Reject::NotAuthentic`] for the auth id;
/// [`Reject::Malformed`] when the body is not JSON or not an array.
pub fn receive(
    body: &[u8],
    headers: Headers<'_>,
    auth_ids: &[Secret],
    roster: &Roster,
    now: Timestamp,
) -> Result<Received, Reject> {
    if auth_ids.is_empty() {
        return Err(Reject::NoKey("o365AuthId"));
    }
    let given = headers.auth_id.ok_or(Reject::Missing("Webhook-AuthID"))?;
    let genuine = auth_ids.iter().fold(false, |genuine, id| {
        bool::from(id.expose().as_bytes().ct_eq(given.as_bytes())) | genuine
    });
    if !genuine {
        return Err(Reject::NotAuthentic("Webhook-AuthID"));
    }
    if headers.validation_code.is_some() {
        return Ok(Received::default());
    }
    let json: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let Value::Array(items) = json else {
        let what = "not an array of notifications".to_owned();
        return Err(Reject::Malformed { path: "$".to_owned(), what });
    };
    let digest = Sha256Hex::of(body);
    let mut received = Received::default();
    for (index, item) in items.into_iter().enumerate() {
        match notification(index, item, roster) {
            Ok(None) => received.irrelevant += 1,
            Ok(Some((tenant, item))) => {
                received.signals.push(Verified::new(signal(tenant, &item, &digest, now)));
            }
            Err(reject) => received.rejects.push(reject),
        }
    }
    Ok(received)
}

fn notification(
    index: usize,
    item: Value,
    roster: &Roster,
) -> Result<Option<(TenantId, Notification)>, Reject> {
    let path = format!("$[{index}]");
    let item: Notification = shaped(&path, item)?;
    let tenant: TenantId = item.tenant_id.parse().map_err(|_| Reject::Malformed {
        path: format!("{path}.tenantId"),
        what: "not a tenant id".to_owned(),
    })?;
    if roster.tenant(tenant).is_none() {
        return Err(Reject::UnknownTenant);
    }
    Ok(item.content_type.eq_ignore_ascii_case(DIRECTORY_CONTENT).then_some((tenant, item)))
}

fn signal(tenant: TenantId, item: &Notification, digest: &Sha256Hex, now: Timestamp) -> Signal {
    Signal {
        tenant,
        sender: Sender::O365,
        what: "new directory audit content".to_owned(),
        subject: Subject::tenant(),
        event_id: item.content_id.as_deref().map(text::foreign),
        event_at: item.content_created.as_deref().and_then(|at| at.parse().ok()),
        received_at: now,
        digest: digest.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{Case, noon};

    const BODY: &str = include_str!("../../events/o365/notifications.json");

    fn given(auth_id: Option<&str>, body: &str) -> Result<Received, Reject> {
        let headers = Headers { auth_id, validation_code: None };
        let ids = [Secret::new("the auth id"), Secret::new("the former auth id")];
        receive(body.as_bytes(), headers, &ids, &Case::new().policy().roster, noon())
    }

    #[test]
    fn directory_content_of_a_known_tenant_is_a_reason_to_look() {
        for id in ["the auth id", "the former auth id"] {
            let received = given(Some(id), BODY).unwrap();
            let events: Vec<_> =
                received.signals.iter().filter_map(|s| s.as_ref().event_id.clone()).collect();
            assert_eq!(events, ["20261120050608$audit$1"]);
            assert_eq!(received.irrelevant, 1, "Exchange tells nothing of partners");
            assert_eq!(received.rejects, [Reject::UnknownTenant]);
        }
    }

    #[test]
    fn only_the_auth_id_opens_the_door() {
        let roster = Case::new().policy().roster;
        let wrong = Err(Reject::NotAuthentic("Webhook-AuthID"));
        assert_eq!(given(None, BODY), Err(Reject::Missing("Webhook-AuthID")));
        for id in ["", "the auth i", "the auth id ", "THE AUTH ID"] {
            assert_eq!(given(Some(id), BODY), wrong, "{id:?}");
        }
        let headers = Headers { auth_id: Some(""), validation_code: Some("x") };
        assert_eq!(receive(b"", headers, &[], &roster, noon()), Err(Reject::NoKey("o365AuthId")));
        let ids = [Secret::new("id")];
        assert_eq!(receive(b"", headers, &ids, &roster, noon()), wrong);
    }

    #[test]
    fn a_question_whether_anybody_is_here_brings_no_signal() {
        let body = include_bytes!("../../events/o365/validation.json");
        let headers = Headers { auth_id: Some("id"), validation_code: Some("3c2f") };
        let ids = [Secret::new("id")];
        let received = receive(body, headers, &ids, &Case::new().policy().roster, noon());
        assert_eq!(received, Ok(Received::default()));
    }

    #[test]
    fn what_cannot_be_understood_is_placed() {
        let text = |body| given(Some("the auth id"), body).map_err(|reject| reject.to_string());
        assert_eq!(text("{"), Err("$: not JSON at line 1, column 1".into()));
        assert_eq!(text("{}"), Err("$: not an array of notifications".into()));
        let rejects = text(r#"[7, {}, {"tenantId": "x", "contentType": "y"}]"#).unwrap().rejects;
        let rejects: Vec<String> = rejects.iter().map(ToString::to_string).collect();
        assert_eq!(
            rejects,
            [
                "$[0]: not an object",
                "$[1]: the field tenantId is missing",
                "$[2].tenantId: not a tenant id"
            ]
        );
    }
}
