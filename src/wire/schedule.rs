//! Our own schedule as a sender: a tick is a reason to look, like any other.

use jiff::Timestamp;

use super::Verified;
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::signal::{Sender, Signal, Subject};

/// The periodic look at a tenant. It needs no proof, since nobody sent it.
pub fn sweep(tenant: TenantId, now: Timestamp) -> Verified<Signal> {
    Verified::new(Signal {
        tenant,
        sender: Sender::Schedule,
        what: "periodic look".to_owned(),
        subject: Subject::sweep(),
        event_id: None,
        event_at: None,
        received_at: now,
        digest: Sha256Hex::of(now.to_string().as_bytes()),
        initiator: None,
        removal: false,
        about: Vec::new(),
        content_uri: None,
    })
}
