//! What was taken away is put back by one command, exactly, and recorded.

use partner_warden::sim::{Assignment, Moment, Principal, Rule, Scenario, Tenant, Then, WOODGROVE};
use serde_json::Value;

use crate::cli::{Run, run, warden};
use crate::harness::{ENFORCE, Town};

const CONTOSO: &str = partner_warden::sim::CONTOSO;

impl Town {
    fn command(&self, arguments: &[&str]) -> Run {
        let mut command = warden(arguments);
        run(command.envs(self.variables()), Some(&self.folder))
    }

    /// What the program says as JSON, with its exit code.
    fn told(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let run = self.command(&[arguments, &["--json"]].concat());
        let json = serde_json::from_str(&run.out);
        (run.code, json.unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err)))
    }

    /// The last record that is kept.
    fn last_record(&self) -> String {
        let (_, list) = self.told(&["records", "list"]);
        list["records"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
    }
}

/// A town after `serve` took away what the policy forbids, and was stopped.
async fn after(tenant: Tenant, policy: &str) -> Town {
    let scenario =
        Scenario::default().tenant(tenant).sink("security", partner_warden::sim::INBOX_SECRET);
    let town = Town::new(scenario.lag_reads(0), policy).await;
    let warden = town.serve();
    warden.role_was_added().await;
    town.closed_ticket().await;
    warden.stop().await;
    town
}

fn woodgrove() -> Tenant {
    Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .member("Break Glass", "breakglass@woodgrove.example", "Global Administrator")
}

fn alice() -> Principal {
    Principal::guest("Alice", "alice@contoso-reseller.example")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_assignment_comes_back_as_it_was_once_somebody_insists() {
    let town = after(woodgrove().principal(alice(), "User Administrator"), ENFORCE).await;
    let before = town.held();
    let record = town.last_record();

    // The policy would take it away again, and nobody is there to be asked.
    let (code, plan) = town.told(&["restore", &record]);
    assert_eq!((code, &plan["items"][0]["verdict"]), (Some(1), &"refused".into()), "{plan:#}");
    let why = plan["items"][0]["reason"].as_str().unwrap();
    assert!(why.contains("allow User Administrator to Contoso Reseller first"), "{why}");
    let asked = town.command(&["restore", &record, "--anyway"]);
    assert_eq!(asked.code, Some(2), "{}", asked.out);
    assert!(asked.err.contains("say --yes"), "{}", asked.err);
    assert_eq!(town.held(), before);

    let arguments = ["restore", &record, "--anyway", "--yes", "--why", "CHG-4711"];
    let (code, done) = town.told(&arguments);
    assert_eq!(code, Some(0), "{done:#}");
    let outcome = &done["items"][0]["outcome"];
    assert_eq!((&outcome["state"], &outcome["seen"]), (&"restored".into(), &true.into()));
    assert!(town.held().contains(&"Alice: User Administrator".to_owned()), "{:?}", town.held());

    let (_, shown) = town.told(&["records", "show", &town.last_record()]);
    assert_eq!(shown["record"]["event"], "restored", "{shown:#}");
    let rows = shown["record"]["case"]["rows"].as_array().unwrap();
    assert_eq!(rows[0]["step"]["state"], "restored", "{shown:#}");
    assert_eq!(shown["record"]["calls"][0]["state"], "restored");
    assert_eq!(town.command(&["records", "verify"]).code, Some(0));

    // A second time there is nothing to do.
    let (code, again) = town.told(&arguments);
    assert_eq!((code, &again["items"][0]["verdict"]), (Some(0), &"needless".into()), "{again:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_microsoft_does_not_take_back_is_told_and_changes_nothing() {
    let town = after(woodgrove().principal(alice(), "User Administrator"), ENFORCE).await;
    town.sim.add_fault(Rule::new("roleManagement", Then::status(403)).method("POST").forever());
    let arguments = ["restore", &town.last_record(), "--anyway", "--yes"];
    let (code, done) = town.told(&arguments);
    assert_eq!(code, Some(1), "{done:#}");
    assert_eq!(done["items"][0]["outcome"]["state"], "refused", "{done:#}");
    assert!(!town.held().contains(&"Alice: User Administrator".to_owned()));
    town.sim.clear_faults();
    let (code, _) = town.told(&arguments);
    assert_eq!(code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_and_memberships_come_back_with_their_ends() {
    let respond = "respond:\n  role-via-group: {do: revoke, ticket: security}\n";
    let policy = ENFORCE.replace("respond:\n", respond);
    let tenant = woodgrove()
        .principal(alice(), None)
        .group("Operators", &["Alice"], "User Administrator")
        .eligible(Assignment::new("Alice", "Exchange Administrator").until(Moment::in_days(20)));
    let town = after(tenant, &policy).await;
    assert_eq!(town.sim.members(WOODGROVE, "Operators"), [""; 0]);
    assert_eq!(town.sim.eligibilities(WOODGROVE), 0);
    let (code, done) = town.told(&["restore", &town.last_record(), "--anyway", "--yes"]);
    assert_eq!(code, Some(0), "{done:#}");
    assert_eq!(town.sim.members(WOODGROVE, "Operators"), ["Alice"]);
    assert_eq!(town.sim.eligibilities(WOODGROVE), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_not_there_is_wrong_input() {
    let town = after(woodgrove().principal(alice(), "User Administrator"), ENFORCE).await;
    let run = town.command(&["restore", "rec-000000000000", "--yes"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("there is no record rec-000000000000"), "{}", run.err);
}
