//! What was taken away is put back by one command, exactly, and recorded.

mod answers;
mod guarded;
mod trips;
pub(crate) mod undo;

use partner_warden::sim::{INBOX_SECRET, Scenario, Tenant, WOODGROVE};
use serde_json::Value;

use crate::cli::{Run, run, warden};
use crate::harness::{Backend, ENFORCE, Town};

const CONTOSO: &str = partner_warden::sim::CONTOSO;

impl Town {
    /// Runs a command beside the town, which goes on answering meanwhile.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Run {
        let mut command = warden(arguments);
        command.envs(self.command_variables());
        tokio::task::spawn_blocking(move || run(&mut command, None)).await.unwrap()
    }

    /// What the program says as JSON, with its exit code.
    pub(crate) async fn says(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let run = self.command(&[arguments, &["--json"]].concat()).await;
        let json = serde_json::from_str(&run.out);
        (run.code, json.unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err)))
    }

    /// The last record that is kept.
    pub(crate) async fn last_record(&self) -> String {
        let (_, list) = self.says(&["records", "list"]).await;
        list["records"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// All that is so in Woodgrove.
    pub(crate) fn whole(&self) -> Vec<String> {
        self.sim.told(WOODGROVE)
    }

    /// The store holds nothing that was changed, dropped or moved.
    pub(crate) async fn is_whole(&self) {
        let run = self.command(&["records", "verify"]).await;
        assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    }
}

/// A town after what the policy forbids was taken away, and what did so was stopped.
async fn after(scenario: Scenario, policy: &str) -> Town {
    after_on(Backend::Embedded, scenario, policy).await.0
}

/// The same on a backend, with all that was so before.
async fn after_on(on: Backend, scenario: Scenario, policy: &str) -> (Town, Vec<String>) {
    let town = Town::on(on, scenario.lag_reads(0), policy).await;
    let before = town.whole();
    let warden = town.start().await;
    warden.role_was_added().await;
    town.closed_ticket().await;
    warden.stop().await;
    assert_ne!(town.whole(), before, "nothing was taken away");
    (town, before)
}

fn scenario(tenant: Tenant) -> Scenario {
    Scenario::default().tenant(tenant).sink("security", INBOX_SECRET)
}

fn woodgrove() -> Tenant {
    Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .member("Break Glass", "breakglass@woodgrove.example", "Global Administrator")
}

/// One role that Alice of Contoso holds.
fn alice() -> Scenario {
    let mail = "alice@contoso-reseller.example";
    scenario(woodgrove().guest("Alice", mail, "User Administrator"))
}

/// What is asked of a person: `restore RECORD --anyway --yes`.
pub(crate) fn insist(record: &str) -> [&str; 4] {
    ["restore", record, "--anyway", "--yes"]
}

/// The one item of what `restore` says.
#[track_caller]
pub(crate) fn item(told: &Value) -> &Value {
    let [item] = told["items"].as_array().unwrap().as_slice() else { panic!("{told:#}") };
    item
}

/// Why nothing is put back, of the one item.
#[track_caller]
fn refusal(told: &Value) -> &str {
    let item = item(told);
    assert_eq!(item["verdict"], "refused", "{told:#}");
    item["reason"].as_str().unwrap()
}
