//! A person decides: approves, refuses, and has what was taken away put back.

use super::town::{POLICY, Ticket, Town};
use super::{DemoError, Story, Write};
use crate::domain::approval::Answer;
use crate::domain::plan::StepState;
use crate::domain::record::chain::check;
use crate::domain::record::{Record, RecordEvent};
use crate::domain::restore::{Verdict, Wish};
use crate::serve::restore::Restore;
use crate::sim::{Scenario, Sim, WOODGROVE};

/// Who approves, and later wants it back.
const MEGAN: &str = "Megan Bowen";

/// Who refuses.
const ADELE: &str = "Adele Vance";

/// What became of a tenant in which people decided.
pub(super) struct Asked {
    town: Town,
    /// Who held what before anybody was asked.
    before: Vec<(String, String)>,
    /// Who held what when nobody was asked any more.
    after: Vec<(String, String)>,
}

impl<W: Write + Send> Story<'_, W> {
    pub(super) async fn people_decide(&mut self) -> Result<Asked, DemoError> {
        let policy = POLICY.replace("mode: enforce", "mode: approve");
        let mut town = Town::start(Scenario::woodgrove(), &policy).await?;
        let before = held(&town.sim);
        let decided = self.decisions(&mut town).await;
        town.stop().await?;
        decided?;
        let after = held(&town.sim);
        Ok(Asked { town, before, after })
    }

    async fn decisions(&mut self, town: &mut Town) -> Result<(), DemoError> {
        self.say("\n7  The policy, now in mode approve, has a person asked first")?;
        town.report().await?;
        let opened = town.ticket("a question", |ticket| ticket.link().is_some()).await?;
        self.claim(opened.kind() == "ticket.opened", &opened.to_string())?;
        let asked_at = opened.link().unwrap_or_default();
        let page = town.open(asked_at).await?;
        let text = String::from_utf8_lossy(&page.body).into_owned();
        let says = text.contains("Revoke Global Administrator from AdminAgents");
        let line = "its link leads to a page that says what was found and what would be done";
        self.claim(page.status == 200 && says, line)?;
        let again = town.open(asked_at).await?;
        let undecided = String::from_utf8_lossy(&again.body).contains("Nobody has decided yet.");
        let line = "looking at it changes nothing: mail scanners follow links too";
        self.claim(again.status == 200 && undecided && town.writes().is_empty(), line)?;

        let answer = town.decide(asked_at, "approve", MEGAN).await?;
        self.claim(answer.status == 303, &format!("{MEGAN} approves"))?;
        let closed =
            town.ticket("the closed ticket", |ticket| ticket.kind() == "ticket.closed").await?;
        let proven = closed.has_step("Global Administrator from AdminAgents", "verified")
            && closed.has_step("User Administrator from Alice", "verified");
        let all_done = town.sim.deletions().len() == 2 && town.writes().len() == 2;
        self.claim(all_done, "only then both roles are taken away, and nothing else is changed")?;
        self.claim(proven, &closed.to_string())?;
        let records = town.records().await?;
        let by = records.last().and_then(approver);
        self.claim(by.as_deref() == Some(MEGAN), &format!("the record names who agreed: {MEGAN}"))?;
        self.claim(town.open(asked_at).await?.status == 410, "the link decides nothing any more")?;

        self.say("\n8  Somebody else says no")?;
        let given = town.sim.grant(WOODGROVE, "HelpdeskAgents", "User Administrator");
        given.map_err(DemoError::of)?;
        let writes = town.writes();
        town.report().await?;
        let is_new = |ticket: &Ticket| ticket.link().is_some_and(|other| other != asked_at);
        let asked = town.ticket("another question", is_new).await?;
        self.claim(asked.kind() == "ticket.opened", &asked.to_string())?;
        let asked_anew_at = asked.link().unwrap_or_default();
        let answer = town.decide(asked_anew_at, "refuse", ADELE).await?;
        self.claim(answer.status == 303, &format!("{ADELE} refuses"))?;
        let says = format!("{ADELE} (name as given, not proven) refused it");
        let told = town.ticket("who refused", |ticket| ticket.body().contains(&says)).await?;
        let line = format!("{}: it says that {ADELE} refused it", told.kind());
        self.claim(told.has_step("User Administrator from HelpdeskAgents", "held"), &line)?;
        self.claim(town.writes() == writes, "nothing was taken away")
    }

    pub(super) async fn it_is_put_back(&mut self, asked: &mut Asked) -> Result<(), DemoError> {
        let Asked { town, before, after } = asked;
        self.say(&format!("\n11 {MEGAN} wants back what she let go in 7: `restore RECORD`"))?;
        let records = town.records().await?;
        let mut verified = records.iter().filter(|it| it.event == RecordEvent::Verified);
        let Some(record) = verified.next_back() else {
            return self.claim(false, "the record of it is found");
        };
        let restore = Restore::open(&town.config, record).await.map_err(DemoError::of)?;
        let plan = restore.plan(record, &Wish::default()).await.map_err(DemoError::of)?;
        let back = plan.items.iter().all(|it| matches!(it.verdict, Verdict::PutBack(_)));
        let line = "it shows what it would do, and changes nothing before she says yes";
        self.claim(back && plan.items.len() == 2 && held(&town.sim) == *after, line)?;
        let done = restore.carry_out(record, &plan, "the migration needs it", |_| {}).await;
        let done = done.map_err(DemoError::of)?;
        for became in &done {
            let back = became.seen && became.outcome.state == StepState::Restored;
            let had_done = &became.item.had_done;
            self.claim(back, &format!("undone, read again and there: {had_done}"))?;
        }
        let mut expected: Vec<_> = before.iter().chain(after.iter()).cloned().collect();
        expected.sort();
        expected.dedup();
        let line = "exactly that is back: nothing is missing, and nothing else has changed";
        self.claim(done.len() == 2 && held(&town.sim) == expected, line)?;
        restore.close().await;
        let records = town.records().await?;
        let last = records.last().is_some_and(|it| it.event == RecordEvent::Restored);
        let store = crate::serve::open(&town.config.settings.store).map_err(DemoError::of)?;
        let (anchor, chain) = store.chain().await.map_err(DemoError::of)?;
        self.claim(
            last && check(anchor, &chain, None).is_ok(),
            "the record of it is sealed into the same chain",
        )
    }
}

/// Who agreed to what a record tells of.
fn approver(record: &Record) -> Option<String> {
    let mut agreed = record.approvals.iter().filter(|it| it.decision == Answer::Approve);
    agreed.next().map(|decision| decision.by.clone())
}

/// Who holds which role, by their ids, in order.
fn held(sim: &Sim) -> Vec<(String, String)> {
    let all = sim.assignments(WOODGROVE).into_iter();
    let mut all: Vec<_> = all.map(|it| (it.principal_id, it.role_definition_id)).collect();
    all.sort();
    all
}
