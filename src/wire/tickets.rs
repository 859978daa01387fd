//! What a ticket system calls back with. It is a hint and never a decision: all that comes out is
//! which tickets to read again, and what is decided is decided from what is read then.
//!
//! One file for each way to prove a callback. The proof is checked over the raw bytes before
//! anything is read in them.

pub mod bearer;
pub mod connectwise;
pub mod github;
pub mod jira;
pub mod pagerduty;
pub mod redmine;
pub mod servicenow;
pub mod slack;
#[cfg(test)]
mod testing;
pub mod zendesk;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::Value;
use sha2::Sha256;
use url::form_urlencoded;

use super::standard_webhooks::TOLERANCE;
use super::{Reject, Verified, not_json};
use crate::domain::id::{Sha256Hex, SinkName, TenantId};
use crate::domain::secret::Secret;
use crate::domain::signal::{Sender, Signal, Subject};
use crate::domain::sink::Settings;
use crate::domain::ticket::said::TicketKey;

/// Bytes of an HMAC-SHA256.
const MAC_BYTES: usize = 32;

/// Most bytes of the id of a ticket or of a delivery.
const ID_MAX: usize = 256;

/// What is configured for there to be any callbacks.
const SECRET: &str = "the callback secret of the sink";

/// A request, as it came.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// Names and values of its headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body, with not one byte changed.
    pub body: &'a [u8],
    /// The time.
    pub now: Timestamp,
}

/// What an authentic callback is a reason for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The tickets to read again, by every name the callback has for them: none where it is about
    /// something else. They are the sender's words: whether a ticket is one of ours, the ledger of
    /// links says.
    pub ids: Vec<String>,
    /// What no other delivery has and a repeated one has too, out of what the proof covers: a
    /// header that is not signed is another one for whoever repeats a request. `None` where the
    /// sender says nothing by which two deliveries can be told apart.
    pub delivery: Option<String>,
}

/// How a sender proves a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// [`bearer`]
    Bearer,
    /// [`connectwise`]
    ConnectWise,
    /// [`github`]
    Github,
    /// [`jira`]
    Jira,
    /// [`pagerduty`]
    PagerDuty,
    /// [`redmine`]
    Redmine,
    /// [`servicenow`]
    ServiceNow,
    /// [`slack`]
    Slack,
    /// [`zendesk`]
    Zendesk,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Bearer,
        Self::ConnectWise,
        Self::Github,
        Self::Jira,
        Self::PagerDuty,
        Self::Redmine,
        Self::ServiceNow,
        Self::Slack,
        Self::Zendesk,
    ];

    /// How the system of a sink proves what it calls back with; nothing where it calls back with
    /// nothing that could decide.
    pub fn of(settings: &Settings) -> Option<Self> {
        match settings {
            Settings::Github(_) => Some(Self::Github),
            Settings::Jira(_) => Some(Self::Jira),
            Settings::Redmine(_) => Some(Self::Redmine),
            Settings::Connectwise(_) => Some(Self::ConnectWise),
            Settings::Servicenow(_) => Some(Self::ServiceNow),
            Settings::Zendesk(_) => Some(Self::Zendesk),
            // They sign nothing, and can send a secret of ours.
            Settings::RequestTracker(_) | Settings::AzureDevops(_) | Settings::Halopsa(_) => {
                Some(Self::Bearer)
            }
            Settings::Webhook(_)
            | Settings::PagerDuty(_)
            | Settings::JsmOperations(_)
            | Settings::SplunkOnCall(_)
            | Settings::Slack(_)
            | Settings::Teams(_)
            | Settings::Email(_) => None,
        }
    }

    /// Verifies a callback against each of the secrets, one, or two while they are rotated, and
    /// reads which tickets it is about.
    ///
    /// # Errors
    /// [`Reject::NoKey`] where there is no secret or it is empty, [`Reject::Missing`],
    /// [`Reject::NotAuthentic`] and [`Reject::Stale`]; [`Reject::Malformed`] when an authentic one
    /// cannot be understood.
    pub fn receive(
        self,
        incoming: Incoming<'_>,
        secrets: &[Secret],
    ) -> Result<Verified<Callback>, Reject> {
        match self {
            Self::Bearer => bearer::receive(incoming, secrets),
            Self::ConnectWise => connectwise::receive(incoming, secrets),
            Self::Github => github::receive(incoming, secrets),
            Self::Jira => jira::receive(incoming, secrets),
            Self::PagerDuty => pagerduty::receive(incoming, secrets),
            Self::Redmine => redmine::receive(incoming, secrets),
            Self::ServiceNow => servicenow::receive(incoming, secrets),
            Self::Slack => slack::receive(incoming, secrets),
            Self::Zendesk => zendesk::receive(incoming, secrets),
        }
    }
}

impl Callback {
    /// A digest that a repeated delivery to the same sink has, and no other.
    pub fn message(&self, sink: &SinkName) -> Option<Sha256Hex> {
        let delivery = self.delivery.as_deref()?;
        Some(Sha256Hex::of_fields(&["ticket-callback/v1", &sink.0, delivery]))
    }
}

/// What turns away whoever calls back on behalf of a sink that nothing can call back for.
pub fn nobody_calls() -> Reject {
    Reject::NoKey(SECRET)
}

/// The reason to look that a ticket is, once it is there or may have changed. Whoever tells of it
/// was verified, or is this program itself.
pub fn changed(tenant: TenantId, key: &TicketKey, now: Timestamp) -> Verified<Signal> {
    let at = now.as_nanosecond().to_string();
    Verified::new(Signal {
        tenant,
        sender: Sender::Tickets,
        what: "a ticket may have changed".to_owned(),
        subject: Subject::ticket(key),
        event_id: None,
        event_at: None,
        received_at: now,
        // What changed twice is to be read twice.
        digest: Sha256Hex::of_fields(&["ticket/v1", key.as_str(), &at]),
        initiator: None,
        removal: false,
        about: Vec::new(),
        content_uri: None,
    })
}

impl<'a> Incoming<'a> {
    /// A header that proves something: there once, since of two nobody can say which one another
    /// reader would take.
    fn header(&self, name: &'static str) -> Result<&'a str, Reject> {
        let mut found = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let (_, value) = found.next().ok_or(Reject::Missing(name))?;
        if found.next().is_some() {
            return Err(Reject::NotAuthentic(name));
        }
        Ok(value.trim())
    }

    /// Refuses what was sent too long before or after now.
    fn fresh(&self, sent: Timestamp) -> Result<(), Reject> {
        if self.now.duration_since(sent).abs() > TOLERANCE { Err(Reject::Stale) } else { Ok(()) }
    }
}

/// The secrets that are any. An empty one would prove everything to anybody.
fn usable(secrets: &[Secret]) -> Result<Vec<&str>, Reject> {
    let texts = secrets.iter().map(Secret::expose);
    let some: Vec<&str> = texts.filter(|text| !text.trim().is_empty()).collect();
    if some.is_empty() { Err(Reject::NoKey(SECRET)) } else { Ok(some) }
}

/// The one of the offered signatures that is the HMAC-SHA256 of the parts with one of the keys.
fn signed<K: AsRef<[u8]>>(
    keys: &[K],
    parts: &[&[u8]],
    offered: &[[u8; MAC_BYTES]],
) -> Option<[u8; MAC_BYTES]> {
    keys.iter().find_map(|key| {
        // The body is hashed once for each key, however many signatures are offered.
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).expect("HMAC takes any key");
        for part in parts {
            mac.update(part);
        }
        // `verify_slice` compares in constant time.
        offered.iter().find(|offered| mac.clone().verify_slice(*offered).is_ok()).copied()
    })
}

/// A signature in hexadecimal digits.
fn in_hex(text: &str) -> Option<[u8; MAC_BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * MAC_BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; MAC_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A signature in base64.
fn in_base64(text: &str) -> Option<[u8; MAC_BYTES]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// The signature of a body in a header of the form `sha256=` and hexadecimal digits.
fn sha256_header(
    incoming: Incoming<'_>,
    secrets: &[Secret],
    name: &'static str,
) -> Result<[u8; MAC_BYTES], Reject> {
    let keys = usable(secrets)?;
    let offered = incoming.header(name)?.strip_prefix("sha256=").and_then(in_hex);
    offered
        .and_then(|offered| signed(&keys, &[incoming.body], &[offered]))
        .ok_or(Reject::NotAuthentic(name))
}

/// What tells a delivery from every other where what is signed holds the time of the change, and
/// so is signed once only.
fn once(signature: [u8; MAC_BYTES]) -> String {
    Sha256Hex::of(&signature).as_str().to_owned()
}

/// The JSON object that a body is.
fn object(body: &[u8]) -> Result<Value, Reject> {
    let json: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    if json.is_object() {
        Ok(json)
    } else {
        Err(Reject::Malformed { path: "$".to_owned(), what: "not an object".to_owned() })
    }
}

/// The field `payload` of a form.
fn payload(body: &[u8]) -> Option<Vec<u8>> {
    let mut fields = form_urlencoded::parse(body);
    fields.find(|(name, _)| name == "payload").map(|(_, value)| value.into_owned().into_bytes())
}

/// The id at a JSON pointer (RFC 6901): a number, or a short text of letters, digits and `-_.:`. It
/// names a ticket in the ledger and, once found there, in an address.
fn id(json: &Value, pointer: &str) -> Result<Option<String>, Reject> {
    let id = match json.pointer(pointer) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64().map(|number| number.to_string()),
        Some(Value::String(text)) => is_id(text).then(|| text.clone()),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    id.map(Some).ok_or_else(|| Reject::Malformed {
        path: format!("${}", pointer.replace('/', ".")),
        what: "not an id".to_owned(),
    })
}

fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    text.len() <= ID_MAX
        && text.bytes().all(fits)
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// The ids at JSON pointers, each once.
fn ids(json: &Value, pointers: &[&str]) -> Result<Vec<String>, Reject> {
    let mut ids = Vec::new();
    for pointer in pointers {
        if let Some(id) = id(json, pointer)?
            && !ids.contains(&id)
        {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn callback(ids: Vec<String>, delivery: Option<String>) -> Verified<Callback> {
    Verified::new(Callback { ids, delivery })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sink_is_called_back_for_in_the_way_of_its_system() {
        let of = |kind: &str, settings: Value| {
            Scheme::of(&serde_json::from_value(json!({ kind: settings })).unwrap())
        };
        assert_eq!(of("github", json!({ "repository": "a/b" })), Some(Scheme::Github));
        let rt = json!({ "url": "https://rt.example", "queue": "S" });
        assert_eq!(of("request-tracker", rt), Some(Scheme::Bearer));
        assert_eq!(of("webhook", json!({ "url": "https://told.example" })), None);
    }

    #[test]
    fn a_delivery_is_known_by_its_sink_and_its_name() {
        let sink = |name: &str| SinkName(name.to_owned());
        let message = |name: &str, delivery: Option<&str>| {
            let delivery = delivery.map(str::to_owned);
            Callback { ids: vec!["7".to_owned()], delivery }.message(&sink(name))
        };
        assert_eq!(message("a", None), None);
        assert_eq!(message("a", Some("d")), message("a", Some("d")));
        assert_ne!(message("a", Some("d")), message("b", Some("d")));
        assert_ne!(message("a", Some("d")), message("a", Some("e")));
    }

    #[test]
    fn a_ticket_that_changed_twice_is_read_twice() {
        let now = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let tenant: TenantId = "11111111-1111-1111-1111-111111111111".parse().unwrap();
        let of = |key: &str, seconds| {
            changed(tenant, &TicketKey(key.to_owned()), now(seconds)).into_inner()
        };
        let first = of("pw1-0", 0);
        assert!(first.subject.is_a_ticket());
        assert!(!Subject::object("pw1-0").is_a_ticket() && !Subject::held().is_a_ticket());
        assert_eq!(
            (first.subject.clone(), first.sender),
            (of("pw1-0", 1).subject, Sender::Tickets)
        );
        assert_ne!(first.subject, of("pw1-1", 0).subject);
        assert_ne!(first.digest, of("pw1-0", 1).digest);
    }

    fn found(value: &Value) -> Result<Option<String>, Reject> {
        id(&json!({"at": value}), "/at")
    }

    #[test]
    fn an_id_is_short_and_leads_nowhere() {
        for (value, id) in [
            (json!(73), "73"),
            (json!(0), "0"),
            (json!("SEC-17"), "SEC-17"),
            (json!("C0123ABCD:1764072000.000200"), "C0123ABCD:1764072000.000200"),
            (json!("a".repeat(ID_MAX)), &"a".repeat(ID_MAX)),
        ] {
            assert_eq!(found(&value), Ok(Some(id.to_owned())), "{value}");
        }
        assert_eq!(found(&Value::Null), Ok(None));
        for value in [
            json!(-1),
            json!(1.5),
            json!(true),
            json!([73]),
            json!({"id": 73}),
            json!(""),
            json!("."),
            json!(".."),
            json!("../73"),
            json!("7/3"),
            json!("7 3"),
            json!("7\n3"),
            json!("7%2F3"),
            json!("\u{661}"),
            json!("a".repeat(ID_MAX + 1)),
        ] {
            assert!(found(&value).is_err(), "{value}");
        }
        let reject = id(&json!({"issue": {"number": "../7"}}), "/issue/number").unwrap_err();
        assert_eq!(reject.to_string(), "$.issue.number: not an id");
    }

    #[test]
    fn a_signature_has_one_length() {
        let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
        let bytes = in_hex(&digits).unwrap();
        assert_eq!(bytes[..11], [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xab, 0xcd, 0xef]);
        for wrong in [&digits[1..], &digits[2..], &format!("{digits}00"), &"+f".repeat(32), ""] {
            assert_eq!(in_hex(wrong), None, "{wrong}");
        }
        assert_eq!(in_hex(&"é".repeat(32)), None);
        assert_eq!(in_base64(&STANDARD.encode([7; 32])), Some([7; 32]));
        for wrong in [STANDARD.encode([7; 31]), STANDARD.encode([7; 33]), "!".into(), String::new()]
        {
            assert_eq!(in_base64(&wrong), None, "{wrong}");
        }
    }

    /// The headers that any of the schemes looks at.
    const HEADERS: [&str; 12] = [
        "Authorization",
        "x-content-signature",
        "X-Hub-Signature-256",
        "X-Hub-Signature",
        "X-PagerDuty-Signature",
        "X-Redmine-Signature-256",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "X-Slack-Signature",
        "X-Slack-Request-Timestamp",
        "X-Zendesk-Webhook-Signature",
    ];

    proptest! {
        #[test]
        fn whatever_a_stranger_sends_is_turned_away(
            values in proptest::collection::vec(
                "(sha256=|v[01][=,]|Bearer |Basic |)([0-9a-f]{64}|[A-Za-z0-9+/]{43}=|[ -~]{0,40}|1795608000)",
                HEADERS.len(),
            ),
            body in "(payload=|)[ -~]{0,80}",
        ) {
            let headers: Vec<(&str, &str)> =
                HEADERS.iter().copied().zip(values.iter().map(String::as_str)).collect();
            let sent = "2026-11-25T12:00:00Z";
            let headers = [&headers[..], &[("X-Zendesk-Webhook-Signature-Timestamp", sent)]].concat();
            let now = sent.parse().unwrap();
            let incoming = Incoming { headers: &headers, body: body.as_bytes(), now };
            let secrets = [Secret::new("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0")];
            for scheme in Scheme::ALL {
                let became = scheme.receive(incoming, &secrets).map(drop);
                prop_assert!(
                    matches!(
                        became,
                        Err(Reject::NotAuthentic(_) | Reject::Missing("webhook-id") | Reject::Stale)
                    ),
                    "{:?}: {:?}", scheme, became
                );
            }
        }
    }
}
