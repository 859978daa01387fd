//! Slack, by the method `chat.postMessage` of its Web API with a bot's token
//! (<https://docs.slack.dev/reference/methods/chat.postMessage>), or by an incoming webhook
//! (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).
//!
//! The Web API answers 200 to almost everything, and says in `ok` whether it did what it was asked.
//! Nothing is read back, since that would ask for the right to read the channel: so this is told,
//! and keeps no tickets, and each message stands for itself.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Making;
use super::alert::Alert;
use super::call::{Caller, Does};
use crate::domain::markup::{Block, Document, Span, mrkdwn};
use crate::domain::secret::Secret;
use crate::domain::sink::{self, Address, Common};
use crate::domain::text::foreign;
use crate::domain::ticket::said::Said;
use crate::ports::Delivery;
use crate::ports::ticket::{Class, Notify, SinkError};

/// Longest title, in characters.
const TITLE_MAX: usize = 250;

/// Longest text of a section block, in characters
/// (<https://docs.slack.dev/reference/block-kit/blocks/section-block>).
const SECTION_MAX: usize = 3_000;

/// Longest text of a message, in characters. It makes far fewer sections than the 50 blocks that a
/// message may have, and stays below what is too long for them all together, which Slack does not
/// name.
const TEXT_MAX: usize = 10_000;

/// The same for a message that was too long.
const SHORT_MAX: usize = 2_000;

/// A channel of Slack.
pub struct Slack {
    caller: Caller,
    common: Common,
    way: Way,
}

/// How messages come to the channel.
enum Way {
    /// A bot writes them.
    Bot { channel: String, token: Secret },
    /// They are posted to this address, which is a secret.
    Webhook(Url),
}

/// What the Web API answers.
#[derive(Deserialize)]
struct Answered {
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
    user: Option<String>,
    team: Option<String>,
}

impl Slack {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing, or what is wrong with it.
    pub fn new(settings: &sink::Slack, making: &Making<'_>) -> Result<Self, String> {
        let (name, common) = (&making.name.0, making.common.clone());
        match settings {
            sink::Slack::Bot { channel, url } => {
                let base = match url {
                    Some(address) => address.url().clone(),
                    None => Url::parse(sink::Slack::URL).map_err(|error| error.to_string())?,
                };
                let channel = channel.as_str().to_owned();
                let way = Way::Bot { channel, token: making.secret("token")? };
                let caller = Caller::new(making.http.clone(), base, name);
                Ok(Self { caller, common, way })
            }
            sink::Slack::IncomingWebhook => {
                let address = Address::parse(making.secret("webhookUrl")?.expose())
                    .map_err(|error| format!("tickets.{name}.webhookUrl: {error}"))?;
                let url = address.url().clone();
                let caller = Caller::new(making.http.clone(), url.clone(), name).wordless();
                Ok(Self { caller, common, way: Way::Webhook(url) })
            }
        }
    }

    /// Calls a method of the Web API.
    async fn method(
        &self,
        name: &str,
        token: &Secret,
        does: Does,
        body: &Value,
    ) -> Result<(Answered, Option<String>), SinkError> {
        let (url, body) = (self.caller.at(&[name]), body.to_string());
        let request = |client: &reqwest::Client| {
            client
                .post(url.clone())
                .bearer_auth(token.expose())
                .header(CONTENT_TYPE, "application/json; charset=utf-8")
                .body(body.clone())
        };
        let (answered, answer): (Answered, _) =
            self.caller.json_with_head(does, &[200], request).await?;
        if answered.ok {
            return Ok((answered, answer.header("x-oauth-scopes").map(str::to_owned)));
        }
        let Some(code) = answered.error else {
            return Err(self.caller.strange(does, "answered neither well nor with an error"));
        };
        let class = class(&code, does, answer.retry_after());
        let said = format!("{} answered {}", self.caller.whom(), foreign(&code));
        Err(SinkError::new(class, said))
    }

    async fn post(&self, message: Value) -> Result<(), SinkError> {
        let (channel, token) = match &self.way {
            Way::Bot { channel, token } => (channel, token),
            Way::Webhook(url) => return self.post_to(url, &message).await,
        };
        let mut message = message;
        message["channel"] = channel.as_str().into();
        let (answered, _) = self.method("chat.postMessage", token, Does::Writes, &message).await?;
        let written = answered.ts.is_some_and(|ts| !ts.is_empty());
        if !written || answered.channel.as_deref() != Some(channel) {
            let what = "did not say that it wrote into the channel";
            return Err(self.caller.strange(Does::Writes, what));
        }
        Ok(())
    }

    async fn post_to(&self, url: &Url, message: &Value) -> Result<(), SinkError> {
        let request = |client: &reqwest::Client| client.post(url.clone()).json(message);
        let answer = self.caller.call(Does::Writes, &[200], request).await?;
        if answer.body.trim_ascii() != b"ok" {
            let what = "answered 200 with something else than `ok`";
            return Err(self.caller.strange(Does::Writes, what));
        }
        Ok(())
    }
}

/// What is to be done about an error code of the Web API. One that is not known asks for a person.
fn class(code: &str, does: Does, after: Option<Duration>) -> Class {
    match code {
        "rate_limited" | "ratelimited" => Class::RateLimited(after),
        // "It's possible some aspect of the operation succeeded before the error was raised."
        "internal_error" | "fatal_error" => match does {
            Does::Reads | Does::ReadsOne => Class::Transient,
            Does::Writes | Does::WritesOne => Class::Ambiguous,
        },
        "service_unavailable" | "request_timeout" | "team_added_to_org" => Class::Transient,
        "not_authed"
        | "invalid_auth"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "no_permission"
        | "missing_scope"
        | "not_allowed_token_type"
        | "org_login_required"
        | "two_factor_setup_required"
        | "access_denied"
        | "accesslimited"
        | "ekm_access_denied" => Class::Auth,
        "msg_too_long" | "msg_blocks_too_long" => Class::TooLarge,
        _ => Class::Config,
    }
}

/// What is posted, with a text of at most `most` characters.
fn message(said: &Said, most: usize) -> Value {
    let title = vec![Span::text(&said.title)];
    let mut blocks = vec![Block::Heading(title)];
    blocks.extend(said.text.clone().cut(most).blocks);
    let sections: Vec<Value> = sections(blocks)
        .into_iter()
        .map(|text| {
            let text = json!({ "type": "mrkdwn", "verbatim": true, "text": text });
            json!({ "type": "section", "text": text })
        })
        .collect();
    json!({
        // What is shown where blocks are not.
        "text": mrkdwn(&Document::line(&said.title)),
        "blocks": sections,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// Blocks in pieces that fit a section each, none of which tears an item of a list apart that
/// would fit as a whole.
fn sections(blocks: Vec<Block>) -> Vec<String> {
    let apart = blocks.into_iter().flat_map(|block| match block {
        Block::List(items) => items.into_iter().map(|item| Block::List(vec![item])).collect(),
        block @ (Block::Heading(_) | Block::Paragraph(_)) => vec![block],
    });
    let mut sections: Vec<Document> = Vec::new();
    for block in apart {
        let mut with = sections.last().cloned().unwrap_or_default();
        match (with.blocks.last_mut(), &block) {
            (Some(Block::List(items)), Block::List(more)) => items.extend(more.clone()),
            _ => with.blocks.push(block.clone()),
        }
        match sections.last_mut() {
            Some(last) if mrkdwn(&with).chars().count() <= SECTION_MAX => *last = with,
            _ => sections.push(Document { blocks: vec![block] }),
        }
    }
    let written = sections.iter().map(|section| section.fitted(SECTION_MAX, mrkdwn));
    written.filter(|text| !text.is_empty()).collect()
}

#[async_trait]
impl Notify for Slack {
    async fn preflight(&self) -> Result<String, SinkError> {
        let Way::Bot { channel, token } = &self.way else {
            return Ok(
                "messages go to an incoming webhook; it cannot be asked without telling".to_owned()
            );
        };
        let (answered, scopes) = self.method("auth.test", token, Does::Reads, &json!({})).await?;
        let scopes = scopes.as_deref().map(|scopes| scopes.split(',').map(str::trim));
        if scopes.is_some_and(|mut scopes| !scopes.any(|scope| scope == "chat:write")) {
            let said = format!("{}: the token lacks the scope chat:write", self.caller.whom());
            return Err(SinkError::new(Class::Auth, said));
        }
        let named = |name: Option<String>| foreign(&name.unwrap_or_default());
        Ok(format!(
            "the token is that of {} in {}; whether it may write in {channel} shows with the first \
             message",
            named(answered.user),
            named(answered.team)
        ))
    }

    async fn tell(&self, delivery: &Delivery, _now: Timestamp) -> Result<(), SinkError> {
        let said = Alert::of(delivery, &self.common, TITLE_MAX, self.caller.whom())?.said;
        match self.post(message(&said, TEXT_MAX)).await {
            Err(error) if error.class == Class::TooLarge => {
                self.post(message(&said, SHORT_MAX)).await
            }
            ended => ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::response::Response;

    use super::*;
    use crate::adapters::http::Patience;
    use crate::adapters::testing::{QUICK, Server, status, with};
    use crate::adapters::ticket::alert::testing::{delivery, sorts_answers};
    use crate::adapters::ticket::testing::{KEY, answer, made, said};
    use crate::domain::ticket::MessageKind;

    const CHANNEL: &str = "C0123456789";

    fn bot(origin: &Url) -> Slack {
        patient_bot(origin, QUICK)
    }

    fn patient_bot(origin: &Url, patience: Patience) -> Slack {
        let settings = json!({ "channel": CHANNEL, "url": origin.join("api").unwrap() });
        let settings = serde_json::from_value(settings).unwrap();
        made(&Common::default(), &[("token", "xoxb-s3cret")], patience, |making| {
            Slack::new(&settings, making)
        })
    }

    fn webhook(origin: &Url) -> Slack {
        patient_webhook(origin, QUICK)
    }

    fn patient_webhook(origin: &Url, patience: Patience) -> Slack {
        let settings = serde_json::from_value(json!({})).unwrap();
        let url = origin.join("services/T0/B0/s3cret").unwrap();
        made(&Common::default(), &[("webhookUrl", url.as_str())], patience, |making| {
            Slack::new(&settings, making)
        })
    }

    /// What Slack's pages say of a message: section blocks of a text object each.
    fn is_message(body: &Value) -> bool {
        let blocks = body["blocks"].as_array().unwrap();
        let fits = |block: &Value| {
            let text = &block["text"];
            let long = text["text"].as_str().map_or(0, |text| text.chars().count());
            block["type"] == "section"
                && text["type"] == "mrkdwn"
                && text["verbatim"] == true
                && (1..=3_000).contains(&long)
        };
        body["text"].as_str().is_some_and(|text| !text.is_empty())
            && (1..=50).contains(&blocks.len())
            && blocks.iter().all(fits)
            && body["unfurl_links"] == false
            && body["unfurl_media"] == false
    }

    async fn workspace() -> Server {
        Server::start(|asked| {
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            if asked.authorization.as_deref() != Some("Bearer xoxb-s3cret") {
                return answer(200, &json!({ "ok": false, "error": "invalid_auth" }));
            }
            match asked.line.as_str() {
                "POST /api/auth.test" => with(
                    answer(200, &json!({ "ok": true, "user": "warden", "team": "Woodgrove" })),
                    "x-oauth-scopes",
                    "incoming-webhook,chat:write",
                ),
                "POST /api/chat.postMessage" if body["channel"] != CHANNEL => {
                    answer(200, &json!({ "ok": false, "error": "channel_not_found" }))
                }
                "POST /api/chat.postMessage" if is_message(&body) => {
                    let ts = "1355517523.000005";
                    answer(200, &json!({ "ok": true, "channel": CHANNEL, "ts": ts }))
                }
                "POST /api/chat.postMessage" => {
                    answer(200, &json!({ "ok": false, "error": "invalid_blocks" }))
                }
                _ => answer(200, &json!({ "ok": false, "error": "unknown_method" })),
            }
        })
        .await
    }

    async fn tell(slack: &Slack, kind: &str, number: u32) -> Result<(), SinkError> {
        slack.tell(&delivery(kind, number), Timestamp::UNIX_EPOCH).await
    }

    async fn refusal(body: Value, after: Option<&'static str>) -> (SinkError, usize) {
        let server = Server::start(move |_| match after {
            Some(after) => with(answer(200, &body), "retry-after", after),
            None => answer(200, &body),
        })
        .await;
        let told = tell(&bot(&server.origin), "ticket.opened", 1).await;
        (told.unwrap_err(), server.asked().len())
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        sorts_answers(patient_bot).await;
        sorts_answers(patient_webhook).await;
    }

    #[tokio::test]
    async fn a_200_that_says_no_is_sorted_by_its_code() {
        let seven = Some(Duration::from_secs(7));
        for (code, class) in [
            ("rate_limited", Class::RateLimited(seven)),
            ("ratelimited", Class::RateLimited(seven)),
            ("internal_error", Class::Ambiguous),
            ("fatal_error", Class::Ambiguous),
            ("service_unavailable", Class::Transient),
            ("invalid_auth", Class::Auth),
            ("token_revoked", Class::Auth),
            ("missing_scope", Class::Auth),
            ("channel_not_found", Class::Config),
            ("not_in_channel", Class::Config),
            ("is_archived", Class::Config),
            ("a_code_of_the_future", Class::Config),
        ] {
            let body = json!({ "ok": false, "error": code });
            let (error, asked) = refusal(body, Some("7")).await;
            assert_eq!((error.class, asked), (class, 1), "{code}: {error}");
            assert!(error.to_string().contains(code), "{error}");
        }
        let (error, _) = refusal(json!({ "ok": false, "error": "rate_limited" }), None).await;
        assert_eq!(error.class, Class::RateLimited(None));
        let (error, _) = refusal(json!({ "ok": false }), None).await;
        assert_eq!(error.class, Class::Ambiguous);
    }

    #[tokio::test]
    async fn what_is_too_long_is_said_shorter_once() {
        for code in ["msg_too_long", "msg_blocks_too_long"] {
            let (error, asked) = refusal(json!({ "ok": false, "error": code }), None).await;
            assert_eq!((error.class, asked), (Class::TooLarge, 2), "{code}");
        }
    }

    #[tokio::test]
    async fn a_message_in_another_channel_is_not_ours() {
        let ts = "1355517523.000005";
        for body in [
            json!({ "ok": true, "channel": "C9999999999", "ts": ts }),
            json!({ "ok": true, "ts": ts }),
            json!({ "ok": true, "channel": CHANNEL }),
            json!({ "ok": true, "channel": CHANNEL, "ts": "" }),
        ] {
            let (error, _) = refusal(body.clone(), None).await;
            assert_eq!(error.class, Class::Ambiguous, "{body}");
        }
    }

    #[tokio::test]
    async fn a_bot_writes_what_is_said() {
        let server = workspace().await;
        for (kind, number) in [("ticket.opened", 1), ("ticket.updated", 2), ("ticket.closed", 3)] {
            tell(&bot(&server.origin), kind, number).await.unwrap();
            let body = server.asked().last().unwrap().body.clone();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let text = body["blocks"].to_string();
            assert!(text.contains(&format!("`{KEY} #{number}`")), "{text}");
            assert!(text.contains("&lt;b&gt;") && !text.contains("<b>"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_webhook_is_told_and_answers_ok() {
        let server = Server::start(|asked| {
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            if asked.line != "POST /services/T0/B0/s3cret" || !is_message(&body) {
                return with(status(400), "content-type", "text/html");
            }
            with(Response::new(Body::from("ok")), "content-type", "text/html")
        })
        .await;
        tell(&webhook(&server.origin), "ticket.opened", 1).await.unwrap();
        let seen = webhook(&server.origin).preflight().await.unwrap();
        assert!(seen.contains("cannot be asked without telling"), "{seen}");
        assert_eq!(server.asked().len(), 1, "looking beforehand tells nothing");
    }

    #[tokio::test]
    async fn a_token_is_tried_without_writing() {
        let server = workspace().await;
        let seen = bot(&server.origin).preflight().await.unwrap();
        assert!(seen.contains("warden") && seen.contains("Woodgrove"), "{seen}");
        assert_eq!(server.lines(""), ["POST /api/auth.test"]);
        for (scopes, class) in [("channels:read,chat:write.public", Class::Auth)] {
            let server = Server::start(move |_| {
                with(answer(200, &json!({ "ok": true })), "x-oauth-scopes", scopes)
            })
            .await;
            let error = bot(&server.origin).preflight().await.unwrap_err();
            assert_eq!(error.class, class);
            assert!(error.to_string().contains("chat:write"), "{error}");
        }
        let server =
            Server::start(|_| answer(200, &json!({ "ok": false, "error": "invalid_auth" }))).await;
        assert_eq!(bot(&server.origin).preflight().await.unwrap_err().class, Class::Auth);
    }

    #[test]
    fn strangers_mention_nobody() {
        let said = Said {
            title: "Woodgrove: <!channel> <@U012AB3CD> @here https://evil.example".to_owned(),
            ..said(MessageKind::Opened, 1)
        };
        let message = message(&said, TEXT_MAX);
        for text in [&message["text"], &message["blocks"][0]["text"]["text"]] {
            let text = text.as_str().unwrap();
            assert!(!text.contains(['<', '>']) && !text.contains("://"), "{text}");
            let bare: String = text.split('`').step_by(2).collect();
            assert!(!bare.contains('@'), "{text}");
        }
    }

    #[test]
    fn a_long_text_comes_in_sections_that_fit_with_every_item_whole() {
        let item =
            |number: usize| vec![Span::text(format!("{number}: {}", "a_b & <c> ".repeat(20)))];
        let footer = Block::Paragraph(vec![Span::Code(format!("{KEY} #1"))]);
        let said = Said {
            text: Document { blocks: vec![Block::List((0..200).map(item).collect()), footer] },
            ..said(MessageKind::Opened, 1)
        };
        for most in [TEXT_MAX, SHORT_MAX] {
            let message = message(&said, most);
            assert!(is_message(&message), "{message}");
            let blocks = message["blocks"].as_array().unwrap();
            let texts: Vec<&str> =
                blocks.iter().map(|block| block["text"]["text"].as_str().unwrap()).collect();
            assert!(texts.last().unwrap().ends_with(&format!("`{KEY} #1`")), "{texts:?}");
            let lines = texts.iter().flat_map(|text| text.lines());
            let items: Vec<&str> = lines.filter(|line| line.starts_with('•')).collect();
            // The last one may be cut.
            let (_, whole) = items.split_last().unwrap();
            assert!(whole.len() > 5, "{texts:?}");
            assert!(whole.iter().all(|item| item.matches("&lt;c&gt;").count() == 20), "{texts:?}");
        }
        let one = Block::Paragraph(vec![Span::text("x".repeat(9_000))]);
        let cut = sections(vec![one]);
        assert!(cut.len() == 1 && cut[0].ends_with("(cut)") && cut[0].chars().count() <= 3_000);
    }
}
