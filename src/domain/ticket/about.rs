//! What a message in the outbox is about, as far as whoever delivers it has to know.

use super::{Message, MessageKind};
use crate::domain::id::TenantId;
use crate::domain::plan::StepState;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The tenant.
    pub tenant: TenantId,
    /// What it does to the ticket.
    pub kind: MessageKind,
    /// Whether a step is held back, as far as steps are told.
    pub holds: bool,
    /// Whether a step waits for a person, as far as steps are told.
    pub asks: bool,
}

impl About {
    /// What a message is about. Nothing where the message is none of this program's, or of a
    /// version that is not known.
    pub fn of(body: &str) -> Option<Self> {
        let message: Message = serde_json::from_str(body).ok()?;
        let any = |state| message.data.steps.iter().any(|step| step.state == state);
        Some(Self {
            tenant: message.data.tenant.id.as_ref()?.parse().ok()?,
            kind: message.kind,
            holds: any(StepState::Held),
            asks: any(StepState::AwaitingApproval),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::finding::testing::WOODGROVE;

    fn message(states: &[&str]) -> Value {
        let steps = states.iter().map(
            |state| json!({ "id": "s", "summary": "revoke", "state": state, "byHand": "by hand" }),
        );
        json!({
            "type": "ticket.updated",
            "timestamp": "2026-11-23T12:00:00Z",
            "data": {
                "key": "pw1-0", "title": "t", "body": "b", "severity": "high",
                "tenant": { "id": WOODGROVE, "name": "Woodgrove" },
                "partner": { "id": null, "name": "Contoso" },
                "findings": [], "steps": steps.collect::<Vec<_>>(), "record": "rec-1",
            },
        })
    }

    #[test]
    fn a_message_tells_whose_it_is_and_what_waits() {
        for (states, holds, asks) in [
            (&[][..], false, false),
            (&["verified", "revoked"], false, false),
            (&["verified", "held"], true, false),
            (&["awaiting-approval"], false, true),
            (&["awaiting-approval", "held"], true, true),
        ] {
            let about = About::of(&message(states).to_string()).unwrap();
            assert_eq!((about.holds, about.asks), (holds, asks), "{states:?}");
            assert_eq!(about.tenant.to_string(), WOODGROVE);
            assert_eq!(about.kind, MessageKind::Updated);
        }
        let mut nobodys = message(&[]);
        nobodys["data"]["tenant"]["id"] = Value::Null;
        for other in [nobodys.to_string(), "{}".to_owned(), String::new()] {
            assert_eq!(About::of(&other), None, "{other}");
        }
    }
}
