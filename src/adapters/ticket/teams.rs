//! Microsoft Teams, by a workflow whose trigger is "When a Teams webhook request is received"
//! (<https://learn.microsoft.com/connectors/teams/>), as an Adaptive Card.
//!
//! The workflow takes the message (202) before it posts it, and says nothing of what became of it:
//! so this is told, and keeps no tickets. Its address is a secret and shown nowhere. It is not held
//! to any host, since Microsoft has moved workflows from one to another.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use super::Making;
use super::alert::Alert;
use super::call::{Caller, Does};
use crate::domain::markup::{Block, Document, Span, card};
use crate::domain::sink::{self, Address, Common};
use crate::domain::ticket::Message;
use crate::domain::ticket::said::Said;
use crate::ports::Delivery;
use crate::ports::ticket::{Class, Notify, SinkError};

/// Longest title, in characters.
const TITLE_MAX: usize = 250;

/// Longest message, in bytes. Microsoft says that messages of more than about 28 KB are refused
/// (connector for Teams, "Known issues and limitations with actions"); the workflow adds something
/// of its own, and others have seen less refused.
const BYTES_MAX: usize = 20_000;

/// The same for a message that was too long.
const SHORT_MAX: usize = 7_000;

/// A workflow.
pub struct Teams {
    caller: Caller,
    common: Common,
    url: Url,
}

impl Teams {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing, or what is wrong with it.
    pub fn new(_settings: &sink::Teams, making: &Making<'_>) -> Result<Self, String> {
        let name = &making.name.0;
        let address = Address::parse(making.secret("url")?.expose())
            .map_err(|error| format!("tickets.{name}.url: {error}"))?;
        let url = address.url().clone();
        let caller = Caller::new(making.http.clone(), url.clone(), name).wordless();
        Ok(Self { caller, common: making.common.clone(), url })
    }

    async fn post(&self, message: &Value) -> Result<(), SinkError> {
        let request = |client: &reqwest::Client| client.post(self.url.clone()).json(message);
        self.caller.call(Does::Writes, &[202], request).await.map(drop)
    }
}

/// What is posted: of at most `most` bytes, or of no text but that something was cut. `decide` is
/// where people decide.
fn message(said: &Said, decide: Option<&str>, most: usize) -> Value {
    let mut room = most;
    loop {
        let text = said.text.clone().cut(room);
        let message = enclosed(said, &text, decide);
        if room == 0 || message.to_string().len() <= most {
            return message;
        }
        room -= room.div_ceil(10);
    }
}

fn enclosed(said: &Said, text: &Document, decide: Option<&str>) -> Value {
    let title = Document { blocks: vec![Block::Heading(vec![Span::text(&said.title)])] };
    let mut body = card(&title);
    body.extend(card(text));
    // Beside the link in the text: a button is what people look for.
    let actions: Vec<Value> = decide
        .into_iter()
        .map(|url| json!({ "type": "Action.OpenUrl", "title": "Approve or refuse", "url": url }))
        .collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": body,
                "actions": actions,
                "msteams": { "width": "Full" },
            },
        }],
    })
}

#[async_trait]
impl Notify for Teams {
    async fn preflight(&self) -> Result<String, SinkError> {
        Ok("messages go to a workflow; it cannot be asked without telling, nor says it whether it \
            posted what it took"
            .to_owned())
    }

    async fn tell(&self, delivery: &Delivery, _now: Timestamp) -> Result<(), SinkError> {
        let said = Alert::of(delivery, &self.common, TITLE_MAX, self.caller.whom())?.said;
        let decide = serde_json::from_str(&delivery.body);
        let decide = decide.ok().and_then(|it: Message| it.data.decision_url);
        match self.post(&message(&said, decide.as_deref(), BYTES_MAX)).await {
            Err(error) if error.class == Class::TooLarge => {
                self.post(&message(&said, decide.as_deref(), SHORT_MAX)).await
            }
            ended => ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::http::Patience;
    use crate::adapters::testing::{QUICK, Server, status};
    use crate::adapters::ticket::alert::testing::{delivery, sorts_answers};
    use crate::adapters::ticket::testing::{KEY, made, said};
    use crate::domain::ticket::MessageKind;

    const PATH: &str = "/workflows/0/triggers/manual/paths/invoke?api-version=1&sig=s3cret";

    fn teams(origin: &Url) -> Teams {
        patient_teams(origin, QUICK)
    }

    fn patient_teams(origin: &Url, patience: Patience) -> Teams {
        let url = origin.join(PATH).unwrap();
        made(&Common::default(), &[("url", url.as_str())], patience, |making| {
            Teams::new(&sink::Teams {}, making)
        })
    }

    /// What the trigger and Microsoft's page on Adaptive Cards 1.2 ask for.
    fn is_card(message: &Value) -> bool {
        let attachments = message["attachments"].as_array().unwrap();
        let content = &attachments[0]["content"];
        let is_run = |run: &Value| run["type"] == "TextRun" && run["text"].is_string();
        let is_block = |block: &Value| {
            block["type"] == "RichTextBlock"
                && block["inlines"].as_array().unwrap().iter().all(is_run)
        };
        let opens = |action: &Value| {
            action["type"] == "Action.OpenUrl"
                && action["title"].is_string()
                && action["url"].is_string()
        };
        message["type"] == "message"
            && attachments.len() == 1
            && attachments[0]["contentType"] == "application/vnd.microsoft.card.adaptive"
            && content["type"] == "AdaptiveCard"
            && content["version"] == "1.2"
            && content["body"].as_array().is_some_and(|body| body.iter().all(is_block))
            && content["actions"].as_array().is_some_and(|actions| actions.iter().all(opens))
    }

    async fn refusal(server: &Server) -> SinkError {
        let delivery = delivery("ticket.opened", 1);
        teams(&server.origin).tell(&delivery, Timestamp::UNIX_EPOCH).await.unwrap_err()
    }

    async fn workflow() -> Server {
        Server::start(|asked| {
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            let whole = asked.line == format!("POST {PATH}") && is_card(&body);
            status(match (whole, asked.body.len()) {
                (false, _) => 400,
                (true, ..28_672) => 202,
                (true, _) => 413,
            })
        })
        .await
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        sorts_answers(patient_teams).await;
    }

    #[tokio::test]
    async fn only_202_says_that_a_workflow_took_it() {
        for (code, class) in [
            (200, Class::Ambiguous),
            (204, Class::Ambiguous),
            (404, Class::Config),
            (410, Class::Config),
            (301, Class::Config),
        ] {
            let server = Server::start(move |_| status(code)).await;
            let error = refusal(&server).await;
            assert_eq!(error.class, class, "{code}: {error}");
        }
    }

    #[tokio::test]
    async fn what_is_too_long_is_said_shorter_once() {
        let server = Server::start(|_| status(413)).await;
        assert_eq!(refusal(&server).await.class, Class::TooLarge);
        assert_eq!(server.asked().len(), 2);
    }

    #[tokio::test]
    async fn a_workflow_is_told_what_is_said() {
        let server = workflow().await;
        let teams = teams(&server.origin);
        let asks = "https://warden.example/decisions/t";
        let mut asking = delivery("ticket.updated", 2);
        asking.body =
            asking.body.replace("\"record\":", &format!("\"decisionUrl\":\"{asks}\",\"record\":"));
        for (delivery, number, decides) in
            [(delivery("ticket.opened", 1), 1, false), (asking, 2, true)]
        {
            teams.tell(&delivery, Timestamp::UNIX_EPOCH).await.unwrap();
            let body = server.asked().last().unwrap().body.clone();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let content = &body["attachments"][0]["content"];
            assert!(content["body"].to_string().contains(&format!("{KEY} #{number}")));
            assert_eq!(content["actions"][0]["url"] == asks, decides);
        }
        let seen = teams.preflight().await.unwrap();
        assert!(seen.contains("cannot be asked without telling") && !seen.contains("s3cret"));
        assert_eq!(server.asked().len(), 2, "looking beforehand tells nothing");
    }

    #[test]
    fn a_message_has_no_more_bytes_than_a_workflow_takes_and_keeps_its_mark() {
        let item = |number: usize| vec![Span::text(format!("{number}: {}", "ß日\"\\ ".repeat(40)))];
        let footer = Block::Paragraph(vec![Span::Code(format!("{KEY} #1"))]);
        let said = Said {
            text: Document { blocks: vec![Block::List((0..200).map(item).collect()), footer] },
            ..said(MessageKind::Opened, 1)
        };
        for most in [BYTES_MAX, SHORT_MAX] {
            let message = message(&said, Some("https://warden.example/decisions/t"), most);
            let text = message.to_string();
            assert!(is_card(&message) && text.len() <= most && text.len() > most / 2, "{most}");
            assert!(text.contains(&format!("{KEY} #1")) && text.contains("(cut)"));
        }
    }

    #[test]
    fn strangers_write_neither_links_nor_mentions() {
        let said = Said {
            title: "<at>Megan</at> [x](https://evil.example) {{DATE(2026-01-01T00:00:00Z)}}"
                .to_owned(),
            ..said(MessageKind::Opened, 1)
        };
        let message = message(&said, None, BYTES_MAX).to_string();
        for mark in ["<at", "://evil", "{{"] {
            assert!(!message.contains(mark), "{mark}: {message}");
        }
    }
}
