//! The main job: an event, a look, a decision, and access that is proven to be gone.

use jiff::Timestamp;

use super::town::{AUDIT_SECRET, POLICY, Town};
use super::{DemoError, LIMIT, Story, Write};
use crate::config::Config;
use crate::domain::plan::StepState;
use crate::domain::record::chain::check;
use crate::domain::record::{Record, RecordEvent};
use crate::sim::{Rule, Scenario, Sim, Then, WOODGROVE};

impl<W: Write + Send> Story<'_, W> {
    pub(super) async fn main_job(&mut self) -> Result<(), DemoError> {
        // Graph as it is: short pages, a moment of being busy, and deletions that take their time.
        let scenario = Scenario::woodgrove()
            .page_size(3)
            .lag_reads(1)
            .fault(Rule::new("roleAssignments?$skiptoken", Then::throttle(1)));
        let mut town = Town::start(scenario, POLICY).await?;
        self.opening(&town.sim)?;
        let played = self.play(&mut town).await;
        town.stop().await?;
        played?;
        self.kept(&town.config).await
    }

    fn opening(&mut self, sim: &Sim) -> Result<(), DemoError> {
        self.say(
            "Woodgrove buys its licences from Contoso Reseller. Years ago that made Contoso's\n\
             people Global Administrator in Woodgrove's tenant. Partner Warden now guards it, by\n\
             policy/example.yaml in mode enforce. Microsoft Graph is simulated; the HTTP is real.\n\
             \nWho holds which role in Woodgrove",
        )?;
        self.holders(sim)
    }

    fn holders(&mut self, sim: &Sim) -> Result<(), DemoError> {
        for held in sim.assignments(WOODGROVE) {
            let holder = held.principal.unwrap_or(held.principal_id);
            let role = held.role.unwrap_or(held.role_definition_id);
            let whose = if held.foreign { "   (Contoso Reseller's directory)" } else { "" };
            self.say(&format!("   {holder:<16} {role}{whose}"))?;
        }
        Ok(())
    }

    async fn play(&mut self, town: &mut Town) -> Result<(), DemoError> {
        let before = town.sim.assignments(WOODGROVE);
        self.say("\n1  Somebody without the key reports an event")?;
        let answer = town.report_as("whsec_c29tZWJvZHkgZWxzZSBhbHRvZ2V0aGVy").await?;
        let sim = &town.sim;
        let idle = sim.calls().is_empty();
        let line = "answered 401; nothing was read, nothing was done";
        self.claim(answer.status == 401 && idle, line)?;

        self.say("\n2  The tenant's own forwarder reports `Add member to role`, signed")?;
        let answer = town.report_as(AUDIT_SECRET).await?;
        let sim = &town.sim;
        self.claim(answer.status == 202, "answered 202, once the event was safe on disk")?;

        self.say("\n3  The event is only a reason to look: the tenant itself is read")?;
        let wait = sim
            .wait_for("the deletions", LIMIT, |view| (view.deletions().len() >= 2).then_some(()));
        wait.await.map_err(DemoError::of)?;
        let reads = sim.count("GET", "roleAssignments");
        let busy = sim.calls().iter().filter(|call| call.status == Some(429)).count();
        self.claim(
            reads >= 3 && busy == 1,
            "role assignments, page by page; busy once, waited for",
        )?;
        let resolved = sim.count("POST", "getByIds") >= 1;
        self.claim(resolved, "their holders, among them a group of Contoso's own directory")?;

        self.say("\n4  The policy decides, and what it forbids is taken away")?;
        for gone in sim.deletions() {
            let what = before.iter().find(|held| held.id == gone.assignment_id);
            let what = what.and_then(|held| held.role.as_deref().zip(held.principal.as_deref()));
            let (role, holder) = what.unwrap_or(("a role", "somebody"));
            self.claim(what.is_some(), &format!("{role} from {holder}: DELETE, answered 204"))?;
        }
        let untouched = ["Megan Bowen", "Break Glass", "HelpdeskAgents", "Partner Warden"];
        let left = sim.assignments(WOODGROVE);
        let still = |name: &&str| left.iter().any(|held| held.principal.as_deref() == Some(name));
        let line = "Woodgrove's own administrators and what the policy allows: not touched";
        self.claim(untouched.iter().all(still) && left.len() == untouched.len(), line)?;

        self.say("\n5  It is read again until it is gone, and the ticket says so")?;
        let wait = sim.wait_for("the closed ticket", LIMIT, |view| {
            let last = view.deliveries("security").last()?;
            (last.body["type"] == "ticket.closed").then(|| view.deliveries("security").to_vec())
        });
        let delivered = wait.await.map_err(DemoError::of)?;
        for delivery in &delivered {
            let body = &delivery.body;
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, severity) = (text(&body["type"]), text(&body["data"]["severity"]));
            let title = text(&body["data"]["title"]);
            self.claim(delivery.verified, &format!("{kind} ({severity}): {title}"))?;
        }
        let once = delivered.iter().filter(|d| d.body["type"] == "ticket.opened").count() == 1;
        self.claim(once, "one ticket, with every finding in it")?;

        self.say("\nWho holds which role in Woodgrove now")?;
        self.holders(sim)
    }

    /// Reads the ledger back, as an auditor would.
    async fn kept(&mut self, config: &Config) -> Result<(), DemoError> {
        self.say("\n6  A record of it is kept")?;
        let store = crate::serve::open(&config.settings.store).map_err(DemoError::of)?;
        let (anchor, chain) = store.chain().await.map_err(DemoError::of)?;
        let whole = check(anchor, &chain, None).is_ok();
        let texts = chain.iter().filter_map(|entry| entry.record.as_deref());
        let records: Vec<Record> = texts
            .map(|record| serde_json::from_str(record).map_err(DemoError::of))
            .collect::<Result<_, _>>()?;
        let number = records.len();
        self.claim(number >= 2 && whole, &format!("{number} records, each sealed by the next"))?;
        let last = records.last().filter(|record| record.event == RecordEvent::Verified);
        let Some((first, last)) = records.first().zip(last) else {
            return self.claim(false, "the last of them says that the access is gone");
        };
        let steps: Vec<_> = last.case.rows.iter().filter_map(|row| row.step.as_ref()).collect();
        let proven = steps.iter().all(|step| step.state == StepState::Verified);
        self.claim(
            proven && !last.case.is_open(),
            "the last of them says that the access is gone",
        )?;
        let received = first.signals.first.as_ref().map(|signal| signal.received_at);
        let acted = steps.iter().filter_map(|step| step.acted_at).max();
        let verified = steps.iter().filter_map(|step| step.verified_at).max();
        let Some(((received, acted), verified)) = received.zip(acted).zip(verified) else {
            return self.claim(false, "it knows when each thing happened");
        };
        self.claim(
            received <= acted && acted <= verified,
            &format!(
                "from the event to the last revocation {}, to the proof {}",
                apart(received, acted),
                apart(received, verified)
            ),
        )
    }
}

fn apart(from: Timestamp, to: Timestamp) -> String {
    format!("{:.1} s", to.duration_since(from).as_secs_f64())
}
