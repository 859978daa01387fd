//! Slack, when somebody presses a button: the HMAC of `v0:{time}:{body}` in `X-Slack-Signature`
//! (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).
//!
//! Which button it was, and whose finger, is not read: it is a reason to look, like any other.

use jiff::Timestamp;

use super::{Callback, Incoming, callback, id, in_hex, object, once, payload, signed, usable};
use crate::domain::secret::Secret;
use crate::wire::{Reject, Verified};

const SIGNATURE: &str = "X-Slack-Signature";
const SENT: &str = "X-Slack-Request-Timestamp";

/// Verifies a callback and reads which message it is about: the channel's id, a colon, and the
/// message's time.
///
/// # Errors
/// See [`super::Scheme::receive`].
pub fn receive(incoming: Incoming<'_>, secrets: &[Secret]) -> Result<Verified<Callback>, Reject> {
    let keys = usable(secrets)?;
    let sent = incoming.header(SENT)?;
    let offered = incoming.header(SIGNATURE)?.strip_prefix("v0=").and_then(in_hex);
    let at = sent.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    incoming.fresh(at.ok_or(Reject::NotAuthentic(SENT))?)?;
    let parts: [&[u8]; 4] = [b"v0:", sent.as_bytes(), b":", incoming.body];
    let signature = offered
        .and_then(|offered| signed(&keys, &parts, &[offered]))
        .ok_or(Reject::NotAuthentic(SIGNATURE))?;
    let Some(json) = payload(incoming.body) else {
        // Slash commands are signed alike and are about no message.
        return Ok(callback(vec![], Some(once(signature))));
    };
    let json = object(&json)?;
    let either = |first, second| -> Result<Option<String>, Reject> {
        Ok(id(&json, first)?.or(id(&json, second)?))
    };
    let channel = either("/container/channel_id", "/channel/id")?;
    let message = either("/container/message_ts", "/message/ts")?;
    let about = channel.zip(message).map(|(channel, message)| format!("{channel}:{message}"));
    let delivery = id(&json, "/trigger_id")?.unwrap_or_else(|| once(signature));
    Ok(callback(about.into_iter().collect(), Some(delivery)))
}

#[cfg(test)]
mod tests {
    use url::form_urlencoded;

    use super::*;
    use crate::wire::tickets::Scheme;
    use crate::wire::tickets::testing::{NOW, Trial, hex_mac};

    /// The slash command in Slack's documentation, with its secret, time and signature.
    const PUBLISHED: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const PUBLISHED_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const PUBLISHED_HEADERS: [(&str, &str); 2] = [
        (SENT, "1531420618"),
        (SIGNATURE, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
    ];

    fn pressed() -> Vec<u8> {
        let json = r#"{"type":"block_actions","trigger_id":"13345224609.738474920.8088930838d88f008e0","container":{"type":"message","message_ts":"1764072000.000200","channel_id":"C0123ABCD"},"user":{"id":"U061F7AUR"},"actions":[{"action_id":"approve","action_ts":"1764072001.1"}]}"#;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", json).finish().into_bytes()
    }

    fn at(sent: i64) -> impl Fn(&str, &[u8]) -> Vec<(&'static str, String)> {
        move |secret, body| {
            let parts: [&[u8]; 4] = [b"v0:", &sent.to_string().into_bytes(), b":", body];
            let mac = hex_mac(secret.as_bytes(), &parts);
            vec![(SIGNATURE, format!("v0={mac}")), (SENT, sent.to_string())]
        }
    }

    #[test]
    fn the_published_signature_verifies() {
        let it = Trial::of(Scheme::Slack, PUBLISHED_SECRET, PUBLISHED).now(1_531_420_618);
        it.is_authentic(&PUBLISHED_HEADERS);
        assert_eq!(it.receive(&PUBLISHED_HEADERS).unwrap().ids, [""; 0]);
        it.body(&PUBLISHED[1..]).is_forged(&PUBLISHED_HEADERS);
    }

    #[test]
    fn a_message_is_read_again_by_channel_and_time() {
        let body = pressed();
        let it = Trial::of(Scheme::Slack, "s3cret", &body);
        it.holds_what_every_scheme_must(&at(NOW));
        let taken = it.signed(&at(NOW)).unwrap();
        assert_eq!(taken.ids, ["C0123ABCD:1764072000.000200"]);
        assert_eq!(taken.delivery.as_deref(), Some("13345224609.738474920.8088930838d88f008e0"));
    }

    #[test]
    fn a_request_is_good_for_five_minutes_either_way() {
        let body = pressed();
        let it = Trial::of(Scheme::Slack, "s3cret", &body);
        for (off, stale) in [(300, false), (301, true), (-300, false), (-301, true)] {
            let became = it.signed(&at(NOW + off)).map(drop);
            assert_eq!(became, if stale { Err(Reject::Stale) } else { Ok(()) }, "{off}");
        }
        // The time that is looked at is the one that is signed.
        let mut moved = at(NOW - 301)("s3cret", &body);
        moved[1].1 = NOW.to_string();
        let moved: Vec<(&str, &str)> = moved.iter().map(|(name, it)| (*name, &**it)).collect();
        it.is_forged(&moved);
        let garbled = it.receive(&[(SENT, "noon"), moved[0]]);
        assert_eq!(garbled, Err(Reject::NotAuthentic(SENT)));
    }
}
