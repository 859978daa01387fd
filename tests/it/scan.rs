//! `scan` and `facts export`, as a person or a program runs them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use partner_warden::domain::facts::{Gap, GapCause, Part};
use partner_warden::domain::finding::rules;
use partner_warden::domain::grant::grants;
use partner_warden::domain::policy::Policy;
use partner_warden::domain::snapshot::Snapshot;
use partner_warden::sim::{CONTOSO, Rule, Scenario, Tenant, Then, WOODGROVE};
use serde_json::Value;

use crate::harness::{ENFORCE, Town};

/// A run's exit code and what it said.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Run {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {:?}\n{}\n{}", self.code, self.out, self.err)
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partner-warden"));
    command.args(arguments).env_clear();
    command
}

/// Runs beside the simulator, which has to go on answering meanwhile.
async fn run(mut command: Command) -> Run {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

async fn warden(town: &Town, arguments: &[&str]) -> Run {
    let mut command = command(arguments);
    command.envs(town.variables()).current_dir(town.folder.path());
    run(command).await
}

fn of(town: &Town, name: &str) -> String {
    town.folder.path().join(name).display().to_string()
}

fn read(town: &Town, name: &str) -> String {
    std::fs::read_to_string(town.folder.path().join(name)).unwrap()
}

/// Woodgrove with nothing that breaks its policy.
fn clean() -> Scenario {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .partner_group("HelpdeskAgents", CONTOSO, "Service Support Administrator")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator");
    Scenario::default().tenant(tenant).sink("security", "whsec_aW5ib3g=")
}

/// One part refused for good.
fn refused(path: &str) -> Rule {
    Rule::new(path, Then::status(403)).forever()
}

/// What the findings of a scan are, without the moments.
fn found(json: &Value) -> Vec<String> {
    let findings = json["tenants"].as_array().unwrap().iter().flat_map(|it| {
        it["findings"].as_array().unwrap().iter().map(|it| {
            format!("{} {} {}: {}", it["severity"], it["finding"], it["subject"], it["text"])
        })
    });
    findings.collect()
}

#[tokio::test]
async fn a_clean_tenant_is_0_and_asks_graph_to_read_alone() {
    let town = Town::new(clean(), ENFORCE).await;
    let scan = warden(&town, &["scan"]).await;
    assert_eq!((scan.code, scan.err.as_str()), (Some(0), ""), "{scan:?}");
    assert!(scan.out.contains("\nWoodgrove: nothing breaks the policy.\n"), "{scan:?}");
    assert!(!scan.out.contains('\u{1b}'), "{scan:?}");
    only_read(&town);
    // Nothing is left behind, no store either.
    assert!(!town.folder.path().join("store.db").exists());
}

/// Checks that nothing was asked but to sign in and to read.
#[track_caller]
fn only_read(town: &Town) {
    let calls = town.sim.calls();
    assert!(calls.iter().any(|call| call.path.contains("roleAssignments")), "nothing was read");
    for call in calls {
        let reads = call.method == "GET"
            || call.method == "POST"
                && ["getByIds", "$batch", "/oauth2/v2.0/token"]
                    .iter()
                    .any(|read| call.path.contains(read));
        assert!(reads, "{} {}", call.method, call.path);
    }
}

#[tokio::test]
async fn findings_are_1_in_enforce_too_and_nothing_is_taken_away() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let before = town.held();
    let scan = warden(&town, &["scan", "--format", "json"]).await;
    assert_eq!((scan.code, scan.err.as_str()), (Some(1), ""), "{scan:?}");
    let json = scan.json();
    assert_eq!(json["version"], 1);
    let tenant = &json["tenants"][0];
    assert_eq!((&tenant["id"], &tenant["name"]), (&WOODGROVE.into(), &"Woodgrove".into()));
    assert_eq!((&tenant["complete"], &tenant["gaps"]), (&true.into(), &Value::Array(vec![])));
    let first = &tenant["findings"][0];
    assert_eq!(first["finding"], "privileged-role");
    assert_eq!(first["severity"], "critical");
    assert_eq!(first["partner"]["id"], CONTOSO);
    assert_eq!(first["partner"]["name"], "Contoso Reseller");
    assert_eq!(first["subject"], "AdminAgents");
    assert_eq!(first["role"], "Global Administrator");
    assert_eq!(first["respond"], "revoke");
    let grants = tenant["partners"][0]["grants"].as_array().unwrap();
    assert_eq!(grants.len(), 3, "{scan:?}");
    assert_eq!(town.held(), before);
    only_read(&town);
}

#[tokio::test]
async fn what_was_refused_is_2_and_told_with_its_permission() {
    let town = Town::new(clean().fault(refused("/v1.0/users")), ENFORCE).await;
    let scan = warden(&town, &["scan"]).await;
    assert_eq!((scan.code, scan.err.as_str()), (Some(2), ""), "{scan:?}");
    assert!(scan.out.contains("User.Read.All"), "{scan:?}");
    let json = warden(&town, &["scan", "--format", "json"]).await;
    assert_eq!(json.code, Some(2), "{json:?}");
    let gap = &json.json()["tenants"][0]["gaps"][0];
    assert_eq!((&gap["part"], &gap["cause"]), (&"guests".into(), &"denied".into()));
    assert_eq!(gap["permission"], "User.Read.All");
    assert!(!gap["blinds"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_proven_finding_is_1_beside_what_was_refused() {
    let scenario = Scenario::woodgrove().fault(refused("/v1.0/users"));
    let scan = warden(&Town::new(scenario, ENFORCE).await, &["scan"]).await;
    assert_eq!(scan.code, Some(1), "{scan:?}");
    assert!(scan.out.contains("1 part could not be read whole."), "{scan:?}");
}

#[tokio::test]
async fn a_refused_sign_in_is_2() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let town = town.secret("graphClientSecret", Some("not the secret"));
    let scan = warden(&town, &["scan"]).await;
    assert_eq!(scan.code, Some(2), "{scan:?}");
    assert!(scan.out.contains("Who holds power is not known."), "{scan:?}");
    assert!(!scan.out.contains("not the secret") && !scan.err.contains("not the secret"));
}

#[tokio::test]
async fn it_needs_no_key_of_a_ticket_sink() {
    let town = Town::new(clean(), ENFORCE).await.secret("tickets", None);
    assert_eq!(warden(&town, &["scan"]).await.code, Some(0));
}

#[tokio::test]
async fn settings_that_are_wrong_are_2_with_the_mend() {
    let nothing = run(command(&["scan"])).await;
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.err.contains("WARDEN_POLICY is not set"), "{nothing:?}");
    let nothing = run(command(&["scan", "--facts", "facts.json"])).await;
    insta::assert_snapshot!(nothing.err, @"error: set WARDEN_POLICY to the policy by which the files are judged");
    assert_eq!(nothing.code, Some(2));
    let town = Town::new(clean(), ENFORCE).await;
    for (arguments, told) in [
        (["scan", "--tenant", "Woodgrov"], "did you mean `Woodgrove`?"),
        (
            ["scan", "--tenant", "Fabrikam"],
            "the policy names no tenant `Fabrikam`; it has: Woodgrove",
        ),
        (["scan", "--output", "no/such/folder"], "cannot write no/such/folder"),
        (["scan", "--output", "."], "cannot write .: it is there and no plain file"),
        (["scan", "--format", "xml"], "invalid value 'xml'"),
    ] {
        let refused = warden(&town, &arguments).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains(told), "{refused:?}");
    }
}

/// Woodgrove and Fabrikam, which has its own partner.
fn two() -> (Scenario, String) {
    let fabrikam = "44444444-4444-4444-4444-444444444444";
    let tenant = Tenant::new(fabrikam, "Fabrikam")
        .partner(CONTOSO, "Contoso Reseller")
        .partner_group("AdminAgents", CONTOSO, "Global Administrator");
    let policy =
        ENFORCE.replace("respond:", &format!("  - {{id: {fabrikam}, name: Fabrikam}}\nrespond:"));
    (clean().tenant(tenant), policy)
}

#[tokio::test]
async fn one_of_several_tenants_is_chosen_by_name_or_id() {
    let (scenario, policy) = two();
    let town = Town::new(scenario, &policy).await;
    let both = warden(&town, &["scan"]).await;
    assert_eq!(both.code, Some(1), "{both:?}");
    assert!(both.out.contains("\n2 tenants: "), "{both:?}");
    for (arguments, code) in [
        (vec!["scan", "--tenant", "woodgrove"], 0),
        (vec!["scan", "--tenant", WOODGROVE], 0),
        (vec!["scan", "--tenant", "Fabrikam"], 1),
        (vec!["scan", "--tenant", "Fabrikam", "--tenant", "Woodgrove"], 1),
    ] {
        let scan = warden(&town, &arguments).await;
        assert_eq!(scan.code, Some(code), "{arguments:?} {scan:?}");
    }
}

#[tokio::test]
async fn a_snapshot_is_judged_like_the_tenant_it_is_of_without_asking_anybody() {
    let scenario = Scenario::woodgrove().fault(refused("/v1.0/users"));
    let town = Town::new(scenario, ENFORCE).await;
    let live = warden(&town, &["scan", "--format", "json"]).await.json();
    let export = warden(&town, &["facts", "export"]).await;
    // It was written, and could not be read whole.
    assert_eq!(export.code, Some(2), "{export:?}");
    assert_eq!(export.out, "woodgrove.facts.json\n");
    assert!(export.err.starts_with("warning: Woodgrove: the guest accounts "), "{export:?}");
    only_read(&town);
    private(&town, "woodgrove.facts.json");

    let mut offline = command(&["scan", "--format", "json", "--facts", "woodgrove.facts.json"]);
    offline.env("WARDEN_POLICY", of(&town, "policy.yaml")).current_dir(town.folder.path());
    let asked = town.sim.calls().len();
    let offline = run(offline).await;
    assert_eq!((offline.code, offline.err.as_str()), (Some(1), ""), "{offline:?}");
    assert_eq!(found(&offline.json()), found(&live));
    assert!(found(&live).len() >= 5, "{live}");
    assert_eq!(town.sim.calls().len(), asked);
    let offline = offline.json();
    assert_eq!(offline["tenants"][0]["readAt"], offline["tenants"][0]["judgedAt"]);
}

#[track_caller]
fn private(town: &Town, name: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = town.folder.path().join(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{name}");
}

#[tokio::test]
async fn what_is_there_is_not_replaced_unasked() {
    let town = Town::new(clean(), ENFORCE).await;
    let export = ["facts", "export", "--output", "a.json"];
    assert_eq!(warden(&town, &export).await.code, Some(0));
    std::fs::write(town.folder.path().join("a.json"), "mine").unwrap();
    let asked = town.sim.calls().len();
    let again = warden(&town, &export).await;
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.err.contains("a.json is there already; name another file, or give --force"));
    assert_eq!((read(&town, "a.json"), town.sim.calls().len()), ("mine".to_owned(), asked));
    let forced = warden(&town, &["facts", "export", "--output", "a.json", "--force"]).await;
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert!(read(&town, "a.json").starts_with("{\n  \"version\": 1,"));
}

#[tokio::test]
async fn several_tenants_go_into_a_folder() {
    let (scenario, policy) = two();
    let town = Town::new(scenario, &policy).await;
    let refused = warden(&town, &["facts", "export", "--output", "one.json"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("is to be a folder that is there"), "{refused:?}");
    std::fs::create_dir(town.folder.path().join("out")).unwrap();
    let export = warden(&town, &["facts", "export", "--output", "out"]).await;
    assert_eq!(export.out, "out/woodgrove.facts.json\nout/fabrikam.facts.json\n", "{export:?}");
    let scan = warden(
        &town,
        &["scan", "--facts", "out/fabrikam.facts.json", "--facts", "out/woodgrove.facts.json"],
    )
    .await;
    assert_eq!(scan.code, Some(1), "{scan:?}");
    let one = ["scan", "--tenant", "Woodgrove", "--facts", "out/fabrikam.facts.json"];
    let missing = warden(&town, &one).await;
    assert!(missing.err.contains("no file is a snapshot of Woodgrove"), "{missing:?}");
    let twice =
        ["scan", "--facts", "out/fabrikam.facts.json", "--facts", "out/fabrikam.facts.json"];
    let twice = warden(&town, &twice).await;
    assert!(twice.err.contains("are snapshots of one tenant; give one"), "{twice:?}");
}

#[tokio::test]
async fn a_file_that_is_no_snapshot_is_2_with_the_mend() {
    let town = Town::new(clean(), ENFORCE).await;
    assert_eq!(warden(&town, &["facts", "export", "--output", "a.json"]).await.code, Some(0));
    let whole = read(&town, "a.json");
    let cut: String = whole.chars().take(whole.chars().count() / 2).collect();
    for (text, told) in [
        (cut.as_str(), "is not JSON: EOF while parsing"),
        ("version: 1\n", "is not JSON"),
        (&whole.replace("\"version\": 1", "\"version\": 7"), "is a snapshot of version 7"),
        (&whole.replace(WOODGROVE, CONTOSO), "which the policy does not name"),
        (&whole.replace("\"guests\"", "\"guest\""), "facts.guests: is left out"),
        ("{\"version\": 1, \"facts\": {}}", "missing field `tenant`"),
        ("\u{0}\u{1b}[2J", "is not JSON"),
    ] {
        std::fs::write(town.folder.path().join("b.json"), text).unwrap();
        let scan = warden(&town, &["scan", "--facts", "b.json"]).await;
        assert_eq!(scan.code, Some(2), "{scan:?}");
        assert!(scan.err.contains(told) && scan.err.starts_with("error: b.json is "), "{scan:?}");
        assert!(!scan.err.contains('\u{1b}'));
    }
    let missing = warden(&town, &["scan", "--facts", "c.json"]).await;
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.err.contains("cannot read c.json"), "{missing:?}");
}

#[tokio::test]
async fn a_scrubbed_snapshot_is_judged_alike_and_names_nobody() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let live = warden(&town, &["scan", "--format", "json"]).await.json();
    let export = warden(&town, &["facts", "export", "--scrub", "--output", "s.json"]).await;
    assert_eq!((export.code, export.out.as_str()), (Some(0), "s.json\ns.json.policy.yaml\n"));
    private(&town, "s.json");
    private(&town, "s.json.policy.yaml");
    let mut offline = command(&["scan", "--format", "json", "--facts", "s.json"]);
    offline.env("WARDEN_POLICY", "s.json.policy.yaml").current_dir(town.folder.path());
    let offline = run(offline).await;
    assert_eq!((offline.code, offline.err.as_str()), (Some(1), ""), "{offline:?}");
    let kinds = |json: &Value| -> Vec<String> {
        let findings = json["tenants"][0]["findings"].as_array().unwrap().iter();
        let kinds =
            findings.map(|it| format!("{} {} {}", it["severity"], it["finding"], it["role"]));
        let mut kinds: Vec<String> = kinds.collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&offline.json()), kinds(&live));
    assert!(kinds(&live).len() >= 5);

    let said = (read(&town, "s.json") + &read(&town, "s.json.policy.yaml")).to_lowercase();
    let mut names: Vec<String> =
        ["woodgrove", "contoso", "alice", "adminagents", "megan", "breakglass"]
            .map(str::to_owned)
            .to_vec();
    names.extend([WOODGROVE, CONTOSO].map(str::to_owned));
    let held = town.sim.assignments(WOODGROVE);
    names.extend(held.iter().flat_map(|it| [it.id.to_lowercase(), it.principal_id.to_lowercase()]));
    assert!(names.len() > 15);
    for name in names {
        assert!(!said.contains(&name), "{name}:\n{said}");
    }
}

#[tokio::test]
async fn no_name_reaches_the_terminal_as_more_than_a_name() {
    let names = [
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "\u{9b}31m",
        "a\u{202e}b\nc",
        "<script>{{7*7}}",
        "見出し".repeat(60).leak(),
    ];
    for name in names {
        let tenant = Tenant::new(WOODGROVE, "Woodgrove")
            .partner(CONTOSO, "Contoso Reseller")
            .partner("55555555-5555-5555-5555-555555555555", name)
            .partner_group(name, CONTOSO, "Global Administrator")
            .guest(name, "alice@contoso-reseller.example", "User Administrator")
            .service_principal(
                name,
                "66666666-6666-6666-6666-666666666666",
                CONTOSO,
                "Directory Readers",
            );
        let town = Town::new(Scenario::default().tenant(tenant), ENFORCE).await;
        for arguments in [vec!["scan"], vec!["scan", "--format", "json"]] {
            let scan = warden(&town, &arguments).await;
            assert_eq!((scan.code, scan.err.as_str()), (Some(1), ""), "{scan:?}");
            let dangerous = |c: char| {
                c != '\n' && c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!scan.out.contains(dangerous), "{scan:?}");
        }
        let export = warden(&town, &["facts", "export", "--output", "a.json"]).await;
        assert_eq!(export.code, Some(0), "{export:?}");
        let snapshot: Value = serde_json::from_str(&read(&town, "a.json")).unwrap();
        // Nothing is lost of it in a file that is read again.
        assert!(snapshot["facts"]["objects"].to_string().contains(&Value::from(name).to_string()));
        assert_eq!(warden(&town, &["scan", "--facts", "a.json"]).await.code, Some(1));
    }
}

#[tokio::test]
async fn the_store_is_read_beside_a_serve_and_left_as_it_was() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let serve = town.serve();
    serve.role_was_added().await;
    town.closed_ticket().await;
    let scan = warden(&town, &["scan", "--format", "json"]).await;
    assert_eq!((scan.code, scan.err.as_str()), (Some(0), ""), "{scan:?}");
    serve.stop().await;
    let files = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let before = (files(town.folder.path()), std::fs::read(town.folder.path().join("store.db")));
    let export = warden(&town, &["facts", "export", "--output", "/dev/null/no"]).await;
    assert_eq!(export.code, Some(2), "{export:?}");
    let scan = warden(&town, &["facts", "export", "--output", "a.json"]).await;
    assert_eq!((scan.code, scan.err.as_str()), (Some(0), ""), "{scan:?}");
    let snapshot: Value = serde_json::from_str(&read(&town, "a.json")).unwrap();
    std::fs::remove_file(town.folder.path().join("a.json")).unwrap();
    let after = (files(town.folder.path()), std::fs::read(town.folder.path().join("store.db")));
    assert_eq!((before.0, before.1.unwrap()), (after.0, after.1.unwrap()));
    // What serve has taken away is remembered.
    assert_eq!(snapshot["facts"]["takenAway"].as_object().unwrap().len(), 2, "{snapshot}");
}

#[tokio::test]
async fn a_store_that_is_none_is_told_and_the_rest_is_scanned() {
    let town = Town::new(clean(), ENFORCE).await;
    std::fs::write(town.folder.path().join("store.db"), "this is no database, is it?".repeat(40))
        .unwrap();
    let scan = warden(&town, &["scan"]).await;
    assert_eq!(scan.code, Some(0), "{scan:?}");
    assert!(scan.err.starts_with("note: the store was not read"), "{scan:?}");
}

#[tokio::test]
async fn a_scan_is_written_into_a_file_that_its_owner_alone_reads() {
    let town = Town::new(clean(), ENFORCE).await;
    for format in ["table", "json"] {
        let scan = warden(&town, &["scan", "--format", format, "--output", "scan.out"]).await;
        assert_eq!((scan.code, scan.out.as_str()), (Some(0), ""), "{scan:?}");
        private(&town, "scan.out");
    }
    let json: Value = serde_json::from_str(&read(&town, "scan.out")).unwrap();
    assert_eq!(json["tenants"][0]["name"], "Woodgrove");
}

/// Every finding there is of a customer's tenant, and each instance of it once: what shows at one
/// look on the simulated tenant in which everything is wrong, what shows over time, and what was not
/// read.
#[tokio::test]
async fn everything_that_is_wrong_is_told_and_each_thing_once() {
    let policy = include_str!("../data/everything.yaml");
    let town = Town::new(Scenario::everything(), policy).await;
    let partner_center = format!("http://localhost:{}", town.sim.origin().port().unwrap());
    let town = town.set("WARDEN_PARTNER_CENTER_URL", &partner_center);
    let live = warden(&town, &["scan", "--format", "json"]).await;
    assert_eq!(live.code, Some(1), "{live:?}");
    let adatum = |json: &Value| json["tenants"][2].clone();
    assert_eq!(adatum(&live.json())["findings"], serde_json::json!([]), "nothing is wrong there");
    only_read(&town);

    let facts = ["facts", "export", "--tenant", "Woodgrove", "--output", "woodgrove.json"];
    assert_eq!(warden(&town, &facts).await.code, Some(0));
    let mut snapshot = Snapshot::parse(read(&town, "woodgrove.json").as_bytes()).unwrap();
    let parsed = Policy::parse(policy).unwrap().policy;
    let tenant = &parsed.roster.tenants[0];
    let taken_before = grants(&snapshot.facts, tenant)
        .into_iter()
        .find(|it| it.principal_name == "AdminAgents" && it.role.name == "Global Administrator");
    snapshot.facts.taken_away.insert(taken_before.unwrap().likeness(), 1);
    let (part, cause) = (Part::ServiceProviderConstraints, GapCause::Denied);
    snapshot.facts.gaps.push(Gap { part, cause, detail: "refused".to_owned() });
    std::fs::write(of(&town, "later.json"), snapshot.to_json()).unwrap();
    let scan = warden(&town, &["scan", "--facts", "later.json", "--format", "json"]).await;
    assert_eq!(scan.code, Some(1), "{scan:?}");

    let names = |json: &Value, tenant: usize| -> BTreeSet<String> {
        let findings = json["tenants"][tenant]["findings"].as_array().unwrap().iter();
        findings.map(|it| it["finding"].as_str().unwrap().to_owned()).collect()
    };
    let json = live.json();
    let mut seen = names(&json, 0);
    seen.extend(names(&json, 1));
    seen.extend(names(&scan.json(), 0));
    let all: BTreeSet<String> = rules().map(|rule| rule.name.as_str().to_owned()).collect();
    assert_eq!(seen, all);
    for json in [live.json(), scan.json()] {
        let mut told = found(&json);
        let number = told.len();
        told.sort();
        told.dedup();
        assert_eq!(told.len(), number, "nothing is told twice: {told:#?}");
    }
}
