//! What a template sees of a message, and the messages that templates are tried with.

use jiff::Timestamp;
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Map, Value as Json, json};

use super::inserted::{DECIDE, STORY, given};
use crate::domain::finding::{FindingName, Severity};
use crate::domain::markup::Document;
use crate::domain::plan::StepState;
use crate::domain::sink::Common;
use crate::domain::ticket::{
    Content, FindingLine, Message, MessageKind, Party, ROWS_MAX, StepLine,
};

/// Every value that a template may name, in the words of the generic webhook. What is not known is
/// an empty text, so that `{% if partner.id %}` asks for it.
pub const NAMES: &[&str] = &[
    "kind",
    "number",
    "key",
    "title",
    "body",
    "severity",
    "priority",
    "tenant",
    "partner",
    "findings",
    "steps",
    "counts",
    "decisionUrl",
    "record",
    "timestamp",
];

/// What the templates of a sink are given about a message.
pub(in crate::domain::ticket) struct Given {
    /// The values in a text.
    pub(super) of_text: Value,
    /// The values in one line: the same but [`STORY`].
    pub(super) of_line: Value,
    /// Where people decide, if anybody may.
    pub(super) decide: Option<String>,
    /// The built-in text.
    pub(super) story: Document,
}

impl Given {
    /// The values of a message, the `number`th in its ticket. `story` is the built-in text.
    pub(in crate::domain::ticket) fn of(
        message: &Message,
        number: u32,
        common: &Common,
        story: Document,
    ) -> Self {
        let mut values = values(message, number, common);
        let of_line = Value::from(Serde(&values));
        values.insert("body".to_owned(), STORY.to_string().into());
        let of_text = Value::from(Serde(&values));
        Self { of_text, of_line, decide: message.data.decision_url.clone(), story }
    }
}

fn values(message: &Message, number: u32, common: &Common) -> Map<String, Json> {
    let content = &message.data;
    let kind = match message.kind {
        MessageKind::Opened => "opened",
        MessageKind::Updated => "updated",
        MessageKind::Closed => "closed",
    };
    let text = |text: Option<&str>| Json::from(given(text.unwrap_or_default()));
    let party =
        |party: &Party| json!({ "id": text(party.id.as_deref()), "name": given(&party.name) });
    let findings = content.findings.iter().map(|it| {
        json!({
            "finding": it.finding.as_str(),
            "severity": it.severity.as_str(),
            "partner": party(&it.partner),
            "subject": given(&it.subject),
            "role": text(it.role.as_deref()),
            "text": given(&it.text),
            "open": it.open,
        })
    });
    let steps = content.steps.iter().map(|it| {
        json!({
            "id": given(&it.id),
            "summary": given(&it.summary),
            "state": it.state,
            "detail": text(it.detail.as_deref()),
            "requestId": text(it.request_id.as_deref()),
            "byHand": given(&it.by_hand),
        })
    });
    let open = content.findings.iter().filter(|it| it.open).count();
    let decide = content.decision_url.as_ref().map_or_else(String::new, |_| DECIDE.to_string());
    let values = [
        ("kind", kind.into()),
        ("number", number.into()),
        ("key", text(Some(&content.key))),
        ("title", text(Some(&content.title))),
        ("severity", content.severity.as_str().into()),
        ("priority", text(common.priority.get(&content.severity).map(String::as_str))),
        ("tenant", party(&content.tenant)),
        ("partner", party(&content.partner)),
        ("findings", findings.collect()),
        ("steps", steps.collect()),
        (
            "counts",
            json!({
                "findings": content.findings.len(), "open": open, "steps": content.steps.len(),
            }),
        ),
        ("decisionUrl", decide.into()),
        ("record", text(Some(&content.record))),
        ("timestamp", message.timestamp.to_string().into()),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Messages of a kind as different as they come: of every severity, with and without everything
/// that may be missing, and one with as much as there may be.
pub(super) fn fixtures(kind: MessageKind) -> Vec<Message> {
    const STATES: [StepState; 10] = [
        StepState::Described,
        StepState::AwaitingApproval,
        StepState::Held,
        StepState::Intended,
        StepState::Revoked,
        StepState::Verified,
        StepState::Refused,
        StepState::Reappeared,
        StepState::Unverified,
        StepState::Restored,
    ];
    let with = |severity, findings: usize, steps: usize, all: bool| {
        let some = |text: &str| all.then(|| text.to_owned());
        let party = |id, name: &str| Party { id: some(id), name: name.to_owned() };
        let partner = || party("22222222-2222-2222-2222-222222222222", "Contoso Reseller");
        let finding = |at: usize| FindingLine {
            finding: [FindingName::PrivilegedRole, FindingName::Unreadable][at % 2],
            severity,
            partner: partner(),
            subject: "Contoso admins".to_owned(),
            role: some("Global Administrator"),
            text: "Contoso Reseller holds Global Administrator, which is not allowed".repeat(4),
            open: kind != MessageKind::Closed && at.is_multiple_of(2),
        };
        let step = |at: usize| StepLine {
            id: "0123456789abcdef".repeat(4),
            summary: "revoke Global Administrator from Contoso admins".to_owned(),
            state: STATES[at % STATES.len()],
            detail: some("Microsoft Graph answered 403"),
            request_id: some("33333333-3333-3333-3333-333333333333"),
            by_hand: "Open https://entra.microsoft.com and remove the assignment. ".repeat(4),
        };
        Message {
            sink: None,
            id: String::new(),
            kind,
            timestamp: Timestamp::UNIX_EPOCH,
            data: Content {
                key: format!("pw1-{}", "0".repeat(26)),
                title: "Woodgrove: Contoso Reseller holds Global Administrator".to_owned(),
                body: "What was found\n- a role\n\nWhat was done\n- Nothing was changed.\n"
                    .to_owned(),
                severity,
                tenant: party("11111111-1111-1111-1111-111111111111", "Woodgrove"),
                partner: partner(),
                findings: (0..findings).map(finding).collect(),
                steps: (0..steps).map(step).collect(),
                decision_url: some("https://warden.example/decisions/token"),
                record: "rec-1".to_owned(),
            },
        }
    };
    vec![
        with(Severity::Info, 0, 0, false),
        with(Severity::Low, 1, 0, true),
        with(Severity::Medium, 1, 1, false),
        with(Severity::High, 2, STATES.len(), true),
        with(Severity::Critical, 2, STATES.len(), false),
        with(Severity::Critical, ROWS_MAX, ROWS_MAX, true),
    ]
}
