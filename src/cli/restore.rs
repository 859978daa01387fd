//! `restore`: what a record says was taken away, put back.

use std::io::{IsTerminal as _, Write as _, stderr, stdin, stdout};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::records::proven_record;
use super::{Output, WrongInput, json, reading};
use crate::config::{Config, Part, environment};
use crate::domain::id::{Sha256Hex, StepId};
use crate::domain::plan::StepState;
use crate::domain::record::Record;
use crate::domain::restore::{Item, RestorePlan, Verdict, Wish};
use crate::domain::text::{count, foreign, plain_json};
use crate::pipeline::restore::PutBackOutcome;
use crate::serve::restore::Restore;

/// Its help.
pub const HELP: &str = "\
Examples:
  partner-warden restore rec-0123456789ab
  partner-warden restore rec-0123456789ab --why 'CHG-4711: migration' --yes

It shows what it would do, and what the policy will make of it, and asks before it does it. Exactly
what the record says was taken is put back. What the policy would take away again takes --anyway,
and while all is stopped it takes --while-stopped. The mode of the policy does not hold it back: it
is your decision, and it is recorded. The record is proven first. With SQLite the store must not be
in use: stop `serve` first, and start it again afterwards. On AWS the tenant is held meanwhile.

Exit codes: 0 all of it was seen to be back, 1 not all of it, 2 nothing was done; the message says
why";

/// What is to be put back.
#[derive(Debug, Args)]
pub struct RestoreCommand {
    /// The record of what was taken away, such as rec-0123456789ab.
    #[arg(value_name = "RECORD")]
    pub record: String,
    /// Only this step of it, as `records show` names it; may be given several times.
    #[arg(long, value_name = "STEP", value_parser = step)]
    pub step: Vec<StepId>,
    /// Why, for the record and for Microsoft's audit log.
    #[arg(long, value_name = "TEXT", default_value = "restored by hand")]
    pub why: String,
    /// Put back even what the policy would take away again.
    #[arg(long)]
    pub anyway: bool,
    /// Put back although all is stopped (`partner-warden stop`).
    #[arg(long)]
    pub while_stopped: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// How to answer.
    #[command(flatten)]
    pub output: Output,
}

fn step(text: &str) -> Result<StepId, String> {
    let id = serde_json::from_value::<Sha256Hex>(text.trim().to_ascii_lowercase().into());
    id.map(StepId).map_err(|_| "a step has 64 hexadecimal digits; `records show` tells it".into())
}

/// Does it. The exit code says what it came to.
///
/// # Errors
/// Those of the store, once something may have been done.
pub async fn run(command: RestoreCommand) -> anyhow::Result<ExitCode> {
    let begun = match Begun::new(&command).await {
        Ok(begun) => begun,
        Err(error) => return Ok(reading::or_could_not_tell(Err(error))),
    };
    let Begun { record, restore } = begun;
    let ended = carry_out(&command, &record, &restore).await;
    restore.close().await;
    ended
}

/// What is to be put back, and the power to.
struct Begun {
    record: Record,
    restore: Restore,
}

impl Begun {
    async fn new(command: &RestoreCommand) -> anyhow::Result<Self> {
        let config = Config::load_for(Part::Restore, environment)?;
        let record = proven_record(&command.record).await?;
        let restore = Restore::open(&config, &record).await?;
        Ok(Self { record, restore })
    }
}

async fn carry_out(
    command: &RestoreCommand,
    record: &Record,
    restore: &Restore,
) -> anyhow::Result<ExitCode> {
    let wish = Wish {
        only: command.step.clone(),
        anyway: command.anyway,
        while_stopped: command.while_stopped,
    };
    let plan = match restore.plan(record, &wish).await {
        Ok(plan) => plan,
        Err(error) => return Ok(reading::or_could_not_tell(Err(error.into()))),
    };
    let wanted = plan.items.iter().filter(|it| matches!(it.verdict, Verdict::PutBack(_))).count();
    if !command.output.json {
        write!(stdout(), "{}", planned(record, &plan))?;
    }
    if wanted > 0 && !command.yes && !agreed(wanted).await? {
        return Err(WrongInput("nothing was put back".to_owned()).into());
    }
    let why = foreign(&command.why);
    let done = restore
        .carry_out(record, &plan, &why, |became| {
            if !command.output.json {
                // Nothing can be done about a broken pipe here.
                drop(writeln!(stdout(), "{}", told(became)));
            }
        })
        .await?;
    if command.output.json {
        writeln!(stdout(), "{}", plain_json(&json(&View::of(record, &plan, &done))?))?;
    }
    let back = done.iter().filter(|it| it.outcome.state == StepState::Restored && it.seen).count();
    let refused = plan.items.iter().any(|it| matches!(it.verdict, Verdict::Refused(_)));
    let all = done.len() == back && !refused && !plan.items.is_empty();
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks, where somebody is there to answer.
async fn agreed(wanted: usize) -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        let nobody = "nobody is there to be asked; say --yes once you have read the plan";
        return Err(WrongInput(nobody.to_owned()).into());
    }
    write!(stderr(), "Put {} back? [y/N] ", count(wanted, "thing"))?;
    // A person takes their time, and other work goes on.
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await??;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn planned(record: &Record, plan: &RestorePlan) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "{}: what record {} took from {}\n",
        plan.tenant_name,
        foreign(&record.id),
        plan.partner.name
    );
    for Item { had_done, verdict, afterwards, .. } in &plan.items {
        // Writing to a String cannot fail.
        let _ = match verdict {
            Verdict::PutBack(_) => writeln!(text, "  → undo: {had_done}"),
            Verdict::WriteDown => writeln!(
                text,
                "  = undone by an earlier attempt, which is written down now: {had_done}"
            ),
            Verdict::Needless(why) => writeln!(text, "  = needless: {had_done}: {why}"),
            Verdict::Refused(why) => writeln!(text, "  ! not undone: {had_done}: {why}"),
        };
        if let Some(afterwards) = afterwards {
            let _ = writeln!(text, "    afterwards: {afterwards}");
        }
    }
    if plan.items.is_empty() {
        text.push_str("  nothing: none of its steps was carried out\n");
    }
    text
}

fn told(became: &PutBackOutcome) -> String {
    let PutBackOutcome { item, outcome, seen } = became;
    let detail = outcome.detail.as_deref().map_or_else(String::new, |it| format!(": {it}"));
    match (outcome.state, seen) {
        (StepState::Restored, true) => {
            format!("  ✓ undone, read again and there: {}", item.had_done)
        }
        (StepState::Restored, false) => format!("  ? undone: {}{detail}", item.had_done),
        (StepState::Refused, _) => format!("  ✗ refused: {}{detail}", item.had_done),
        (StepState::Held, _) => format!("  ✗ held back: {}{detail}", item.had_done),
        _ => format!("  ? not known: {}{detail}; run it again", item.had_done),
    }
}

/// What is told to programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    version: u32,
    record: &'a str,
    tenant: Party,
    partner: Party,
    items: Vec<ItemView<'a>>,
}

#[derive(Serialize)]
struct Party {
    id: Option<String>,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemView<'a> {
    step: &'a StepId,
    had_done: &'a str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    afterwards: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutcomeView<'a> {
    state: StepState,
    seen: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl<'a> View<'a> {
    fn of(record: &'a Record, plan: &'a RestorePlan, done: &'a [PutBackOutcome]) -> Self {
        let item = |item: &'a Item| {
            let (verdict, reason) = match &item.verdict {
                Verdict::PutBack(_) => ("put-back", None),
                Verdict::WriteDown => ("write-down", None),
                Verdict::Needless(why) => ("needless", Some(why.as_str())),
                Verdict::Refused(why) => ("refused", Some(why.as_str())),
            };
            let became = done.iter().find(|became| became.item.step == item.step);
            let outcome = became.map(|became| OutcomeView {
                state: became.outcome.state,
                seen: became.seen,
                detail: became.outcome.detail.as_deref(),
                request_id: became.outcome.request_id.as_deref(),
            });
            let (step, had_done) = (&item.step, item.had_done.as_str());
            let afterwards = item.afterwards.as_deref();
            ItemView { step, had_done, verdict, reason, afterwards, outcome }
        };
        Self {
            version: 1,
            record: &record.id,
            tenant: Party { id: Some(plan.tenant.to_string()), name: plan.tenant_name.clone() },
            partner: Party {
                id: plan.partner.id.map(|id| id.to_string()),
                name: plan.partner.name.clone(),
            },
            items: plan.items.iter().map(item).collect(),
        }
    }
}
