//! A ticket about nothing, by which a sink is tried: what is said in it.

use jiff::Timestamp;

use super::said::TicketKey;
use super::{Content, Message, MessageKind, Party};
use crate::domain::finding::Severity;
use crate::domain::id::{Sha256Hex, SinkName};

/// What its title begins with.
pub const TITLE: &str = "TEST by Partner Warden";

/// A key of the ticket's own: no case has it, nor has another test.
pub fn key(sink: &SinkName, now: Timestamp) -> TicketKey {
    let digest = Sha256Hex::of_fields(&["ticket-tryout/v1", &sink.0, &now.to_string()]);
    TicketKey(format!("pw1-{}", digest.as_str().get(..26).unwrap_or_default()))
}

/// What is said in it, to open it, to say something more, and to end it.
pub fn message(
    kind: MessageKind,
    key: &TicketKey,
    sink: &SinkName,
    severity: Severity,
    now: Timestamp,
) -> Message {
    let (number, what) = match kind {
        MessageKind::Opened => (1, "It was opened to see whether tickets can be opened here."),
        MessageKind::Updated => (2, "This was said to see whether something can be said in it."),
        MessageKind::Closed => (3, "It is ended to see whether tickets can be ended here."),
    };
    // Whoever reads it by program sees that it is about nobody.
    let nobody = |name: &str| Party { id: None, name: name.to_owned() };
    Message {
        sink: Some(sink.clone()),
        id: format!("{key}-{number}"),
        kind,
        timestamp: now,
        data: Content {
            key: key.to_string(),
            title: format!("{TITLE}: nothing has happened"),
            body: format!(
                "This is a test\n- Nothing has happened, and nobody has to do anything.\n- {what}\n\
                 - Somebody ran `partner-warden tickets test {sink}`. Should the ticket stay open, \
                 that person was told why, and it can be closed by hand.\n"
            ),
            severity,
            tenant: nobody("TEST (no tenant)"),
            partner: nobody("TEST (no partner)"),
            findings: Vec::new(),
            steps: Vec::new(),
            decision_url: None,
            record: "none".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::noon;
    use crate::domain::sink::Common;
    use crate::domain::ticket::said::Said;

    #[test]
    fn it_says_in_its_title_that_it_is_a_test_and_is_read_as_any_other() {
        let sink = SinkName("security".to_owned());
        let key = key(&sink, noon());
        assert_eq!((key.as_str().len(), key.as_str().get(..4)), (30, Some("pw1-")));
        let numbers =
            [MessageKind::Opened, MessageKind::Updated, MessageKind::Closed].map(|kind| {
                let message = message(kind, &key, &sink, Severity::Info, noon());
                let body = serde_json::to_string(&message).unwrap();
                let said = Said::of(&message.id, &body, &Common::default(), 255).unwrap();
                assert_eq!(said.title, "TEST by Partner Warden: nothing has happened");
                assert_eq!((&said.key, said.kind), (&key, kind));
                said.number
            });
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn each_test_has_a_key_of_its_own() {
        let sink = |name: &str| SinkName(name.to_owned());
        let later = noon() + jiff::SignedDuration::from_nanos(1);
        assert_ne!(key(&sink("a"), noon()), key(&sink("b"), noon()));
        assert_ne!(key(&sink("a"), noon()), key(&sink("a"), later));
    }
}
