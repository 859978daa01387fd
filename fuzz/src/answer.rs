//! What must hold of every answer, whoever sent what.

use std::fmt::{Debug, Display};

use partner_warden::domain::id::{Sha256Hex, TenantId};
use partner_warden::domain::signal::{Sender, Signal};
use partner_warden::domain::text::foreign;
use partner_warden::wire::{Received, Reject};
use serde_json::Value;

use crate::{DOOR, MARKERS, noon};

/// What a receiver makes of a request.
pub type Answer = Result<Received, Reject>;

/// Without its proof a request is turned away as a whole, whatever its body says.
pub fn is_unproven(answer: &Answer) {
    let status = answer.as_ref().map_err(Reject::status);
    assert_eq!(status.err(), Some(401), "believed without proof");
    quotes_nothing(answer.as_ref().err());
}

/// What holds of whatever became of a body: it was answered in our own words, and each reason to
/// look is one of our tenants', made of one item each.
pub fn holds(sender: Sender, body: &[u8], answer: &Answer) {
    let received = match answer {
        Err(reject) => {
            assert!([400, 401, 413].contains(&reject.status()), "{reject}");
            return quotes_nothing(Some(reject));
        }
        Ok(received) => received,
    };
    quotes_nothing(&received.rejects);
    for name in &received.passed_over {
        assert_eq!(name, &foreign(name), "not fit to be shown");
    }
    // An array needs a comma before each item but the first.
    let items = body.split(|byte| *byte == b',').count();
    assert!(received.rejects.len() + received.irrelevant <= items, "items come from nowhere");
    let each = match sender {
        Sender::Audit | Sender::O365 | Sender::PartnerCenter => DOOR.roster.tenants.len(),
        _ => 1,
    };
    assert!(received.signals.len() <= items * each, "signals come from nowhere");
    // The digest of a large body is worth taking once.
    let digest = (!received.signals.is_empty()).then(|| Sha256Hex::of(body));
    for signal in &received.signals {
        let signal = signal.as_ref();
        assert!(DOOR.roster.tenant(signal.tenant).is_some(), "not our tenant");
        assert_eq!((signal.sender, signal.received_at), (sender, noon()));
        assert_eq!(Some(&signal.digest), digest.as_ref());
        is_plain(signal);
    }
}

/// No more reasons to look at a tenant than its `clientState` stands in the body.
pub fn has_states(body: &[u8], answer: &Answer) {
    let Ok(received) = answer else { return };
    if received.signals.is_empty() {
        return;
    }
    // Half of a surrogate pair is JSON (RFC 8259, 8.2) and no text. In a field that nobody reads it
    // keeps no item from being heard, but this reads every field.
    let json: Option<Value> = serde_json::from_slice(body).ok();
    for tenant in &DOOR.roster.tenants {
        let state = DOOR.state(&tenant.id.to_string());
        let most = match &json {
            Some(json) => texts(json, &|text| text == state),
            None => body.windows(state.len()).filter(|part| *part == state.as_bytes()).count(),
        };
        assert!(signals_for(received, tenant.id) <= most, "more signals than proofs");
    }
}

/// How many reasons to look at a tenant there are.
pub fn signals_for(received: &Received, tenant: TenantId) -> usize {
    received.signals.iter().filter(|signal| signal.as_ref().tenant == tenant).count()
}

/// How many texts of a JSON value are as asked.
fn texts(json: &Value, asked: &dyn Fn(&str) -> bool) -> usize {
    match json {
        Value::String(text) => usize::from(asked(text)),
        Value::Array(items) => items.iter().map(|item| texts(item, asked)).sum(),
        Value::Object(fields) => fields.values().map(|value| texts(value, asked)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// What strangers wrote is fit to be shown: `foreign` would change nothing of it any more.
fn is_plain(signal: &Signal) {
    for text in [Some(&signal.what), signal.event_id.as_ref()].into_iter().flatten() {
        assert_eq!(text, &foreign(text), "not fit to be shown");
    }
    if let Some(uri) = &signal.content_uri {
        let feed = format!("{}api/v1.0/{}/activity/feed/audit/", DOOR.management, signal.tenant);
        assert!(uri.starts_with(&feed), "fetched from elsewhere");
    }
}

/// Nothing of what was sent is told again.
pub fn quotes_nothing<'a>(said: impl IntoIterator<Item = &'a (impl Display + Debug + 'a)>) {
    for said in said {
        let text = format!("{said} {said:?}");
        assert!(!MARKERS.iter().any(|marker| text.contains(marker)), "quoted: {text}");
        assert!(text.len() < 512, "longer than anything we say: {text}");
    }
}
