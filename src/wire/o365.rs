//! Notifications of the Office 365 Management Activity API: there is new audit content.
//!
//! Source: "Office 365 Management Activity API reference", webhooks.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use url::Url;

use super::{Received, Reject, Verified, not_json, shaped};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::roster::Roster;
use crate::domain::secret::Secret;
use crate::domain::signal::{Sender, Signal, Subject};
use crate::domain::text;

/// The content that tells of directory changes.
const DIRECTORY_CONTENT: &str = "Audit.AzureActiveDirectory";

/// Most bytes of a content's address. Those in the documentation have less than 200.
const URI_MAX: usize = 2048;

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
    content_uri: Option<String>,
    content_created: Option<String>,
}

/// Reads notifications, or nothing where the service only asks whether anybody is here.
/// `management` is the origin of the Management Activity API, such as `https://manage.office.com`.
///
/// # Errors
/// [`Reject::NoKey`], [`Reject::Missing`], [`Reject::NotAuthentic`] for the auth id;
/// [`Reject::Malformed`] when the body is not JSON or not an array.
pub fn receive(
    body: &[u8],
    headers: Headers<'_>,
    auth_ids: &[Secret],
    management: &Url,
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
        match notification(index, item, management, roster) {
            Ok(None) => received.irrelevant += 1,
            Ok(Some(news)) => {
                received.signals.push(Verified::new(news.signal(&digest, now)));
            }
            Err(reject) => received.rejects.push(reject),
        }
    }
    Ok(received)
}

/// That there is new content about a tenant of the policy.
struct News {
    tenant: TenantId,
    item: Notification,
    /// Where it is, if that is told.
    uri: Option<Url>,
}

fn notification(
    index: usize,
    item: Value,
    management: &Url,
    roster: &Roster,
) -> Result<Option<News>, Reject> {
    let path = format!("$[{index}]");
    let item: Notification = shaped(&path, item)?;
    let tenant: TenantId = item.tenant_id.parse().map_err(|_| Reject::Malformed {
        path: format!("{path}.tenantId"),
        what: "not a tenant id".to_owned(),
    })?;
    if roster.tenant(tenant).is_none() {
        return Err(Reject::UnknownTenant);
    }
    if !item.content_type.eq_ignore_ascii_case(DIRECTORY_CONTENT) {
        return Ok(None);
    }
    let uri = item.content_uri.as_deref().map(|uri| pinned(uri, management, tenant)).transpose();
    let path = || format!("{path}.contentUri");
    let uri = uri.map_err(|what| Reject::Elsewhere { path: path(), what })?;
    Ok(Some(News { tenant, item, uri }))
}

/// The address of a content, if a token for `tenant` may be sent there: within the tenant's own
/// feed at the origin `management`, and nowhere else. A notification proves itself with a shared
/// id only, so where it points to is not believed.
///
/// Source: "Office 365 Management Activity API reference", receiving notifications, of which
/// `contentUri` has the form `{origin}/api/v1.0/{tenant}/activity/feed/audit/{id}`.
///
/// # Errors
/// What is wrong with it.
pub fn pinned(uri: &str, management: &Url, tenant: TenantId) -> Result<Url, &'static str> {
    if uri.len() > URI_MAX {
        return Err("longer than 2048 bytes");
    }
    let url = Url::parse(uri).map_err(|_| "not a url")?;
    if url.scheme() != management.scheme() {
        return Err("another scheme than that of WARDEN_MANAGEMENT_URL");
    }
    if url.origin() != management.origin() {
        return Err("another host than that of WARDEN_MANAGEMENT_URL");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("with user information or a fragment");
    }
    let mut segments = url.path_segments().ok_or("not a url")?;
    let is = |segment: Option<&str>, expect: &str| segment == Some(expect);
    let feed = is(segments.next(), "api") && is(segments.next(), "v1.0");
    let own = segments.next().is_some_and(|segment| segment.parse() == Ok(tenant));
    if feed && !own {
        return Err("the feed of another tenant");
    }
    let feed = feed && ["activity", "feed", "audit"].iter().all(|it| is(segments.next(), it));
    if feed && segments.next().is_some_and(|id| !id.is_empty()) {
        return Ok(url);
    }
    Err("not a path of the audit feed")
}

impl News {
    fn signal(self, digest: &Sha256Hex, now: Timestamp) -> Signal {
        Signal {
            tenant: self.tenant,
            sender: Sender::O365,
            what: "new directory audit content".to_owned(),
            subject: self
                .uri
                .as_ref()
                .map_or_else(Subject::tenant, |uri| Subject::content(uri.as_str())),
            event_id: self.item.content_id.as_deref().map(text::foreign),
            event_at: self.item.content_created.as_deref().and_then(|at| at.parse().ok()),
            received_at: now,
            digest: digest.clone(),
            initiator: None,
            removal: false,
            about: Vec::new(),
            content_uri: self.uri.map(String::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{Case, WOODGROVE, noon};

    const BODY: &str = include_str!("../../events/o365/notifications.json");

    fn given(auth_id: Option<&str>, body: &str) -> Result<Received, Reject> {
        let headers = Headers { auth_id, validation_code: None };
        let ids = [Secret::new("the auth id"), Secret::new("the former auth id")];
        let roster = Case::new().policy().roster;
        receive(body.as_bytes(), headers, &ids, &management(), &roster, noon())
    }

    fn management() -> Url {
        "https://manage.office.com".parse().unwrap()
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
            let signal = received.signals[0].as_ref();
            let uri = format!("{FEED}20261120050608$audit$1");
            assert_eq!(signal.content_uri.as_deref(), Some(uri.as_str()));
            assert_eq!(signal.subject, Subject::content(&uri));
        }
    }

    const FEED: &str = "https://manage.office.com/api/v1.0/\
                        11111111-1111-1111-1111-111111111111/activity/feed/audit/";

    fn of_content(uri: &Value) -> Received {
        let item = serde_json::json!([{"tenantId": WOODGROVE, "contentUri": uri,
            "contentType": "Audit.AzureActiveDirectory"}]);
        given(Some("the auth id"), &item.to_string()).unwrap()
    }

    #[test]
    fn a_token_is_sent_to_the_tenants_own_feed_alone() {
        let host = "another host than that of WARDEN_MANAGEMENT_URL";
        let scheme = "another scheme than that of WARDEN_MANAGEMENT_URL";
        let other = "the feed of another tenant";
        let path = "not a path of the audit feed";
        let inside = "with user information or a fragment";
        let within = |from: &str, to: &str| FEED.replace(from, to);
        for (uri, expect) in [
            (format!("{}1", within("manage.office.com", "attacker.example")), host),
            (
                format!("{}1", within("manage.office.com", "manage.office.com.attacker.example")),
                host,
            ),
            (
                format!("{}1", within("manage.office.com", "attacker.example/manage.office.com")),
                host,
            ),
            (format!("{}1", within("manage.office.com", "manage.office.com:8443")), host),
            (
                format!("{}1", within("manage.office.com", "manage.office.com@attacker.example")),
                host,
            ),
            (
                format!("{}1", within("manage.office.com", "attacker.example#@manage.office.com")),
                host,
            ),
            (
                format!("{}1", within("manage.office.com", "attacker.example\\@manage.office.com")),
                host,
            ),
            (format!("{}1", within("manage.office.com", "user@manage.office.com")), inside),
            (format!("{}1", within("manage.office.com", ":word@manage.office.com")), inside),
            (format!("{FEED}1#x"), inside),
            (format!("{}1", within("https:", "http:")), scheme),
            (format!("{}1", within("https:", "ftp:")), scheme),
            ("file:///etc/passwd".to_owned(), scheme),
            (format!("{}1", within("11111111-", "99999999-")), other),
            (format!("{}1", within("11111111-1111-1111-1111-111111111111", "woodgrove")), other),
            (format!("{}1", within("v1.0/", "v1.0//")), other),
            (FEED.to_owned(), path),
            (format!("{FEED}../../../../x"), other),
            (format!("{FEED}../subscriptions"), path),
            (format!("{FEED}%2e%2e/x"), path),
            (format!("{}1", within("audit", "other")), path),
            (format!("{}1", within("v1.0", "v2.0")), path),
            (format!("{}1", within("/api", "")), path),
            ("https://manage.office.com".to_owned(), path),
            ("/api/v1.0/x".to_owned(), "not a url"),
            (String::new(), "not a url"),
            (format!("{FEED}{}", "x".repeat(URI_MAX)), "longer than 2048 bytes"),
        ] {
            let received = of_content(&uri.clone().into());
            let path = "$[0].contentUri".to_owned();
            assert_eq!(received.rejects, [Reject::Elsewhere { path, what: expect }], "{uri}");
            assert_eq!(received.signals, [], "{uri}");
        }
    }

    #[test]
    fn an_address_within_the_feed_is_taken_as_it_is_and_none_is_a_reason_to_look() {
        let uri = |uri: &str| of_content(&uri.into()).signals[0].as_ref().content_uri.clone();
        for id in ["1", "301299007231$301299007231$41463f53aad2015062920$04", "a%20b", "a?b=c"] {
            let whole = format!("{FEED}{id}");
            assert_eq!(uri(&whole), Some(whole.clone()));
            let capitals =
                whole.replace("https://manage.office.com/", "HTTPS://Manage.Office.Com:443/");
            assert_eq!(uri(&capitals), Some(whole));
        }
        let none = of_content(&Value::Null);
        assert_eq!(none.signals[0].as_ref().content_uri, None);
        assert_eq!(none.signals[0].as_ref().subject, Subject::tenant());
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
        assert_eq!(
            receive(b"", headers, &[], &management(), &roster, noon()),
            Err(Reject::NoKey("o365AuthId"))
        );
        let ids = [Secret::new("id")];
        assert_eq!(receive(b"", headers, &ids, &management(), &roster, noon()), wrong);
    }

    #[test]
    fn a_question_whether_anybody_is_here_brings_no_signal() {
        let body = include_bytes!("../../events/o365/validation.json");
        let headers = Headers { auth_id: Some("id"), validation_code: Some("3c2f") };
        let ids = [Secret::new("id")];
        let roster = Case::new().policy().roster;
        let received = receive(body, headers, &ids, &management(), &roster, noon());
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
