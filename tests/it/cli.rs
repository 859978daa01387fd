//! The command line: what a person sees, and the exit code a program sees.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use partner_warden::sim::Scenario;
use tempfile::TempDir;

use crate::harness::{ENFORCE, Town, terminate};

/// The program, in an empty environment, at the root of the repository.
pub(crate) fn warden(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partner-warden"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// What a run said on standard output, or on standard error, and its exit code.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs to the end. The folder's path becomes `…` in what is said.
pub(crate) fn run(command: &mut Command, folder: Option<&TempDir>) -> Run {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        folder
            .map_or(text.clone(), |folder| text.replace(&folder.path().display().to_string(), "…"))
    };
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A file with this text, in a folder of its own.
pub(crate) fn file(name: &str, text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path.display().to_string())
}

/// `serve` in a town, run to its end.
fn serve(town: &Town) -> Run {
    run(warden(&["serve"]).envs(town.variables()), Some(&town.folder))
}

#[test]
fn the_policy_to_check_may_be_that_of_the_settings() {
    let mut command = warden(&["policy", "check"]);
    let run = run(command.env("WARDEN_POLICY", "policy/example.yaml"), None);
    assert!(run.out.starts_with("policy/example.yaml holds together: mode enforce\n"));
    assert_eq!(run.code, Some(0));
}

#[test]
fn a_policy_with_several_mistakes_is_refused_with_the_place_of_each() {
    let text = "version: 1
mode: enforce
tenants:
  - id: woodgrove
    name: Woodgrove
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
        allow: {roles: [Global Admin, Directory Readers]}
respond:
  priviledged-role: {do: revoke, ticket: securty}
tickets:
  security: {kind: webhook, url: \"http://tickets.example/\"}
";
    let (folder, path) = file("policy.yaml", text);
    let run = run(&mut warden(&["policy", "check", &path]), Some(&folder));
    insta::assert_snapshot!(run.err, @r"
    error: the policy does not hold together:
      …/policy.yaml:4:9: `woodgrove` is not a tenant id; it is a GUID such as 11111111-1111-1111-1111-111111111111
      …/policy.yaml:9:25: `Global Admin` is not a built-in role (a custom role is named by its id); did you mean `Global Administrator`?
      …/policy.yaml:11:3: `priviledged-role` is not the name of a finding; did you mean `privileged-role`?
      …/policy.yaml:11:42: no ticket sink `securty` under `tickets`; did you mean `security`?
      …/policy.yaml:13:34: the url must be https (plain http only to this machine)
    ");
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
}

#[test]
fn a_policy_with_an_unknown_field_is_refused_with_its_place() {
    let text = "version: 1\ntenants:\n  - id: 11111111-1111-1111-1111-111111111111\n    \
                name: Woodgrove\n    parnters: []\n";
    let (folder, path) = file("policy.yaml", text);
    let run = run(&mut warden(&["policy", "check", &path]), Some(&folder));
    insta::assert_snapshot!(run.err, @r"
    error: the policy does not hold together:
      …/policy.yaml:5:5: unknown field `parnters`; did you mean `partners`?
    ");
    assert_eq!(run.code, Some(2));
}

#[test]
fn a_policy_that_is_nowhere_is_asked_for() {
    let missing = run(&mut warden(&["policy", "check", "/nowhere/policy.yaml"]), None);
    insta::assert_snapshot!(missing.err, @r"error: cannot read /nowhere/policy.yaml: No such file or directory (os error 2)");
    assert_eq!(missing.code, Some(2));
    let mut command = warden(&["policy", "check"]);
    let set = run(command.env("WARDEN_POLICY", "/nowhere/policy.yaml"), None);
    insta::assert_snapshot!(set.err, @r"error: cannot read /nowhere/policy.yaml (named by WARDEN_POLICY): No such file or directory (os error 2)");
    assert_eq!(set.code, Some(2));
    let unnamed = run(&mut warden(&["policy", "check"]), None);
    insta::assert_snapshot!(unnamed.err, @r"error: name a policy file, or set WARDEN_POLICY to one");
    assert_eq!(unnamed.code, Some(2));
}

#[test]
fn serve_without_settings_says_everything_that_is_missing_at_once() {
    let run = run(&mut warden(&["serve"]), None);
    insta::assert_snapshot!(run.err, @r"
    error: the settings are not complete:
      WARDEN_POLICY is not set; it is the path of the policy file
      WARDEN_SECRETS is not set; it is file:PATH of the secrets document
      WARDEN_CLIENT_ID is not set; it is the id of the app registration
    ");
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
}

#[tokio::test]
async fn a_secret_under_an_unknown_key_is_refused_and_not_shown() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let town = town.secret("auditWebhookSecrets", Some("hunter2")).secret("clientStateKey", None);
    let run = serve(&town);
    insta::assert_snapshot!(run.err, @r"
    error: the secrets in …/secrets.json are not complete:
      auditWebhookSecrets is not a key of the secrets document; did you mean auditWebhookSecret?
    ");
    assert_eq!(run.code, Some(2));
}

#[tokio::test]
async fn a_store_that_another_process_uses_is_left_alone() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let first = town.serve();
    let run = serve(&town);
    insta::assert_snapshot!(run.err, @r"error: …/store.db.lock is in use by another partner-warden; stop that one first, or give this one a store of its own");
    assert_eq!(run.code, Some(1));
    first.stop().await;
}

#[tokio::test]
async fn a_store_in_a_folder_that_is_not_there_is_told_with_its_mend() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let run = serve(&town.set("WARDEN_STORE", "sqlite:/nowhere/store.db"));
    insta::assert_snapshot!(run.err, @r"error: cannot use /nowhere/store.db.lock: check that the folder exists and may be written to: No such file or directory (os error 2)");
    assert_eq!(run.code, Some(1));
}

#[tokio::test]
async fn an_address_in_use_is_told_with_the_setting_that_mends_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for variable in ["WARDEN_LISTEN", "WARDEN_METRICS_LISTEN"] {
        let town = Town::new(Scenario::woodgrove(), ENFORCE).await.set(variable, &address);
        let run = serve(&town);
        let told = run.err.replace(&address, "ADDRESS").replace(variable, "VARIABLE");
        insta::allow_duplicates! {
            insta::assert_snapshot!(told, @r"error: cannot listen on ADDRESS; set VARIABLE to an address that is free: Address already in use (os error 98)");
        }
        assert_eq!(run.code, Some(1));
    }
}

#[test]
fn a_log_filter_that_is_none_is_told() {
    let mut command = warden(&["policy", "check", "policy/example.yaml"]);
    let run = run(command.env("WARDEN_LOG", "partner_warden=loud"), None);
    insta::assert_snapshot!(run.err, @r#"error: WARDEN_LOG is not a log filter: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5"#);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
}

#[test]
fn a_scenario_that_cannot_be_read_is_told_with_its_line() {
    let (folder, path) = file("scenario.yaml", "pageSize: 3\ntenants: nonsense\n");
    let broken = run(&mut warden(&["sim", "--scenario", &path]), Some(&folder));
    insta::assert_snapshot!(broken.err, @r"
    error: the scenario …/scenario.yaml: error: line 2 column 10: expected sequence start
     --> <input>:2:10
      |
    1 | pageSize: 3
    2 | tenants: nonsense
      |          ^ expected sequence start
    ");
    assert_eq!((broken.code, broken.out.as_str()), (Some(2), ""));
    let missing = run(&mut warden(&["sim", "--scenario", "/nowhere/scenario.yaml"]), None);
    insta::assert_snapshot!(missing.err, @r"error: cannot read /nowhere/scenario.yaml: No such file or directory (os error 2)");
    assert_eq!(missing.code, Some(2));
}

#[test]
fn a_scenario_that_cannot_be_played_is_wrong_input_too() {
    let (_folder, path) = file("scenario.yaml", "pageSize: 0\n");
    let run = run(&mut warden(&["sim", "--scenario", &path]), None);
    assert!(run.err.contains("pageSize: a page has at least one item"), "{}", run.err);
    assert_eq!(run.code, Some(2), "{}", run.err);
}

#[test]
fn the_simulator_says_where_it_is_and_stops_when_asked() {
    let mut sim = warden(&["sim", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(sim.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    let origin = first.strip_prefix("A simulated Microsoft 365 is at ").unwrap().to_owned();
    let settings: Vec<String> = lines.by_ref().take(4).collect();
    assert_eq!(settings[1], format!("WARDEN_GRAPH_URL={origin}"));
    assert_eq!(settings[2], format!("WARDEN_LOGIN_URL={origin}"));
    terminate(sim.id());
    assert_eq!(sim.wait().unwrap().code(), Some(0));
    let mut err = String::new();
    sim.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "");
}

#[tokio::test]
async fn serve_stops_when_asked_and_says_so() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let warden = town.serve();
    // It is asked as soon as it says that it listens. `stop` sees to the exit code.
    let log = warden.stop().await;
    assert!(log.contains("stopping: finishing what is under way"), "{log}");
}

#[test]
fn every_command_shows_an_example_of_itself() {
    for command in [
        "demo",
        "serve",
        "doctor",
        "scan",
        "facts export",
        "sim",
        "policy check",
        "policy test",
        "policy schema",
        "policy explain",
        "subscriptions list",
        "subscriptions ensure",
        "subscriptions delete",
        "tickets test",
        "records list",
        "records show",
        "records export",
        "records verify",
        "redrive list",
        "redrive run",
    ] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let run = run(&mut warden(&arguments), None);
        let example = run.out.split_once("\nExample:\n").map(|(_, example)| example);
        let shown = example.is_some_and(|text| text.contains(&format!("partner-warden {command}")));
        assert!(shown, "{command}:\n{}", run.out);
        assert_eq!(run.code, Some(0));
    }
    let all = run(&mut warden(&["--help"]), None).out;
    let commands = all.split_once("\nCommands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names: Vec<&str> = commands.lines().filter_map(|l| l.split_whitespace().next()).collect();
    assert_eq!(
        names,
        [
            "demo",
            "serve",
            "doctor",
            "scan",
            "replay",
            "facts",
            "sim",
            "policy",
            "subscriptions",
            "tickets",
            "records",
            "stop",
            "resume",
            "redrive",
            "restore",
            "help"
        ]
    );
}

#[test]
fn a_command_nobody_offers_is_wrong_input() {
    let run = run(&mut warden(&["gaurd"]), None);
    assert!(run.err.starts_with("error: unrecognized subcommand 'gaurd'"), "{}", run.err);
    assert_eq!(run.code, Some(2));
}

/// How long something took is the one thing that differs from one demo to the next.
fn without_times(text: &str) -> String {
    let mut shown = String::new();
    for (at, word) in text.split(' ').enumerate() {
        let seconds = word.split_once('.').is_some_and(|(whole, tenths)| {
            let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
            !whole.is_empty() && digits(whole) && tenths.len() == 1 && digits(tenths)
        });
        if at > 0 {
            shown.push(' ');
        }
        shown.push_str(if seconds { "N" } else { word });
    }
    shown
}

#[test]
fn the_demo_comes_true_and_is_the_story_of_the_readme() {
    let run = run(&mut warden(&["demo"]), None);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{}", run.out);
    assert!(!run.out.contains('✗') && run.out.matches('✓').count() >= 10, "{}", run.out);

    let beginning = "Woodgrove buys its licences";
    assert!(run.out.starts_with(beginning), "{}", run.out);
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap_or_default();
    let blocks = readme.split("\n```").filter_map(|block| block.split_once('\n'));
    let block = blocks.map(|(_, text)| text).find(|text| text.starts_with(beginning));
    if let Some(block) = block {
        assert_eq!(without_times(block.trim_end()), without_times(run.out.trim_end()));
    }
}
