//! `doctor`: what is well, what is missing, and the commands that mend it.

use partner_warden::sim::{App, Rule, Scenario, Then, WOODGROVE};
use serde_json::Value;

use crate::harness::{CLIENT_STATE_KEY, ENFORCE, Town};
use crate::sweep::{both, reachable, subscribed};

/// What a doctor saw.
struct Seen {
    code: Option<i32>,
    json: Value,
}

async fn doctor(town: &Town, arguments: &[&str]) -> Seen {
    let arguments: Vec<&str> = ["doctor", "--json"].iter().chain(arguments).copied().collect();
    let run = town.beside(&arguments).await;
    assert_eq!(run.err, "", "{}", run.out);
    let json = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.out));
    Seen { code: run.code, json }
}

impl Seen {
    /// Everything of this verdict, as `about / what: said → mend`.
    fn all(&self, verdict: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all = Vec::new();
        for section in self.json["sections"].as_array().unwrap() {
            for check in section["checks"].as_array().unwrap() {
                if check["verdict"] != verdict {
                    continue;
                }
                let (about, what) = (text(&section["about"]), text(&check["what"]));
                let mend = match check["mend"].as_str() {
                    Some(mend) => format!(" → {mend}"),
                    None => String::new(),
                };
                all.push(format!("{about} / {what}: {}{mend}", text(&check["said"])));
            }
        }
        all
    }

    /// The one thing that fails.
    fn failure(&self) -> String {
        let all = self.all("fail");
        let [only] = all.as_slice() else { panic!("not one failure but {all:#?}") };
        assert_eq!(self.code, Some(1));
        only.clone()
    }

    /// What is to be typed, for a shell and for PowerShell.
    fn commands(&self) -> String {
        let commands = self.json["commands"].as_array().unwrap();
        let lines = commands.iter().flat_map(|it| {
            let of = |shell: &str| it[shell].as_array().cloned().unwrap_or_default();
            [of("shell"), of("powershell")].concat()
        });
        lines.map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

/// A town without a public address, of which nothing else is missing.
async fn town(scenario: Scenario) -> Town {
    let town = Town::new(scenario, ENFORCE).await;
    town.set("WARDEN_POLL_EVERY", "PT5M").set("WARDEN_SWEEP_EVERY", "PT1H")
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_missing_all_is_well() {
    let town = reachable(town(Scenario::woodgrove()).await);
    let warden = town.serve();
    subscribed(&town, "both subscriptions", |all| both(all, CLIENT_STATE_KEY)).await;
    town.closed_ticket().await;
    let (writes, told) = (town.writes(), town.sim.deliveries("security").len());
    let seen = doctor(&town, &[]).await;
    assert_eq!(seen.all("fail"), Vec::<String>::new());
    assert_eq!(seen.code, Some(0));
    // It is at an address that the simulator reaches, and Microsoft would not.
    let warned = seen.all("warn");
    assert_eq!(warned.len(), 1, "{warned:#?}");
    assert!(warned[0].contains("Microsoft cannot reach it"), "{warned:#?}");
    let fine = seen.all("ok").join("\n");
    for part in [
        "policy.yaml: mode enforce, 1 tenant",
        "/ sign-in: let in as 33333333-3333-3333-3333-333333333333",
        "RoleManagement.ReadWrite.Directory",
        "/ audit log: it can be read",
        "/ subscriptions: users: until ",
        "/ subscriptions: groups: until ",
        "Ticket sinks / security (webhook): messages go to ",
        "answers at /health, in mode enforce",
        "/ handshake: /hooks/graph answers",
    ] {
        assert!(fine.contains(part), "{part}\n{fine}");
    }

    let table = town.beside(&["doctor"]).await;
    assert_eq!((table.code, table.err.as_str()), (Some(0), ""));
    assert!(table.out.ends_with("what is missing.\n"), "{}", table.out);
    assert!(table.out.contains("\nTenant Woodgrove ("), "{}", table.out);
    assert!(table.out.lines().all(|line| line.chars().count() <= 80), "{}", table.out);
    // Nothing was changed, and nobody was told anything.
    assert_eq!(town.writes(), writes);
    assert_eq!(town.sim.deliveries("security").len(), told);
    warden.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_named_with_the_commands_that_grant_it() {
    let scenario = Scenario::woodgrove()
        .without_permission("Policy.Read.All")
        .without_permission("CrossTenantInformation.ReadBasic.All")
        .without_permission("RoleManagement.ReadWrite.Directory");
    let town = town(scenario).await;
    let seen = doctor(&town, &["--explain"]).await;
    let failed = seen.all("fail");
    assert_eq!(
        failed,
        [
            format!(
                "Tenant Woodgrove ({WOODGROVE}) / permissions to read: Policy.Read.All is missing: \
                 partner entries of the cross-tenant access policy → grant Policy.Read.All \
                 (application) to WARDEN_CLIENT_ID (33333333-3333-3333-3333-333333333333) with admin \
                 consent in Woodgrove"
            ),
            format!(
                "Tenant Woodgrove ({WOODGROVE}) / permissions to write: \
                 RoleManagement.ReadWrite.Directory is missing: revoke-role-assignment and \
                 remove-group-member → grant RoleManagement.ReadWrite.Directory (application) to \
                 WARDEN_CLIENT_ID (33333333-3333-3333-3333-333333333333) with admin consent in \
                 Woodgrove"
            ),
        ]
    );
    assert_eq!(seen.code, Some(1));
    let warned = seen.all("warn").join("\n");
    assert!(warned.contains("CrossTenantInformation.ReadBasic.All is missing"), "{warned}");
    let commands = seen.commands();
    for part in [
        "az ad app permission add --id 33333333-3333-3333-3333-333333333333 --api \
         00000003-0000-0000-c000-000000000000 --api-permissions \
         246dd0d5-5bd0-4def-940b-0421030a5b68=Role cac88765-0581-4025-9725-5ebc13f729ee=Role \
         9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8=Role",
        "az ad app permission admin-consent --id 33333333-3333-3333-3333-333333333333",
        "/11111111-1111-1111-1111-111111111111/adminconsent?client_id=33333333-3333-3333-3333-333333333333",
        "-AppRoleId 9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8 # RoleManagement.ReadWrite.Directory",
    ] {
        assert!(commands.contains(part), "{part}\n{commands}");
    }
    // In `observe` nothing is written, and so nothing is missing for it.
    let path = town.folder.path().join("policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap().replace("mode: enforce", "mode: observe");
    std::fs::write(&path, policy).unwrap();
    assert!(doctor(&town, &[]).await.failure().contains("Policy.Read.All is missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_of_the_application_that_writes_is_told_of_that_one() {
    const WRITER: &str = "55555555-5555-5555-5555-555555555555";
    let scenario = Scenario::woodgrove()
        .without_permission("RoleManagement.ReadWrite.Directory")
        .app(App::new(WRITER).secret("the writer's secret").permissions(&[]));
    let town = town(scenario).await.set("WARDEN_WRITE_CLIENT_ID", WRITER);
    let seen = doctor(&town, &[]).await;
    let failed = seen.all("fail");
    assert!(
        failed[0].contains("Settings / secrets: graphWriteClientSecret is missing"),
        "{failed:#?}"
    );
    assert!(failed[1].contains("sign-in to write: not tried"), "{failed:#?}");
    assert_eq!((failed.len(), seen.code), (2, Some(1)));

    let town = town.secret("graphWriteClientSecret", Some("the writer's secret"));
    let failure = doctor(&town, &[]).await.failure();
    assert!(failure.contains("RoleManagement.ReadWrite.Directory is missing"), "{failure}");
    assert!(failure.contains(&format!("to WARDEN_WRITE_CLIENT_ID ({WRITER})")), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_wrong_or_missing_is_told_with_what_makes_a_new_one() {
    let town = town(Scenario::woodgrove()).await.secret("graphClientSecret", Some("hunter2"));
    let seen = doctor(&town, &["--explain"]).await;
    let failure = seen.failure();
    assert!(failure.contains("/ sign-in: ") && failure.contains("AADSTS7000215"), "{failure}");
    assert!(failure.ends_with("→ put a client secret that is valid into graphClientSecret"));
    let commands = seen.commands();
    assert!(commands.contains("az ad app credential reset --id 33333333"), "{commands}");
    assert!(!format!("{:?}", seen.json).contains("hunter2"));

    let town = town.secret("graphClientSecret", None).secret("auditWebhookSecret", None);
    let seen = doctor(&town, &["--explain"]).await;
    let failed = seen.all("fail").join("\n");
    assert!(failed.contains("graphClientSecret is missing → put it into /"), "{failed}");
    assert!(failed.contains("/ sign-in: not tried"), "{failed}");
    let warned = seen.all("warn").join("\n");
    assert!(warned.contains("no auditWebhookSecret"), "{warned}");
    assert!(seen.commands().contains("whsec_"), "{}", seen.commands());
    // What has nothing to do with it is looked at all the same.
    assert!(seen.all("ok").iter().any(|line| line.starts_with("Ticket sinks / ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_and_a_tenant_that_does_not_know_us_are_told() {
    let scenario = Scenario::woodgrove().without_permission("AuditLog.Read.All");
    let seen = doctor(&town(scenario).await, &[]).await;
    let failed = seen.all("fail");
    assert_eq!(failed.len(), 2, "{failed:#?}");
    assert!(failed[0].contains("AuditLog.Read.All is missing: poll the audit log"), "{failed:#?}");
    assert!(failed[1].contains("/ audit log: ") && failed[1].contains("→ grant AuditLog.Read.All"));

    let town = town(Scenario::woodgrove()).await;
    let stranger = "44444444-0000-4000-8000-000000000000";
    let town = town.set("WARDEN_CLIENT_ID", stranger);
    let seen = doctor(&town, &["--explain"]).await;
    assert!(seen.failure().contains("→ grant admin consent"), "{}", seen.failure());
    assert!(seen.commands().contains(&format!("New-MgServicePrincipal -AppId {stranger}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_down_or_has_no_key_fails() {
    let policy = ENFORCE.replace(
        "  security: {kind: webhook",
        "  desk: {kind: redmine, url: \"SINK\", project: security, tracker: 1, keyField: 1, formatting: textile}\n  \
         security: {kind: webhook",
    );
    let down = Rule::new("/inbox/", Then::status(500)).forever();
    let town = Town::new(Scenario::woodgrove().fault(down), &policy).await;
    let failed = doctor(&town, &[]).await.all("fail").join("\n");
    assert!(failed.contains("secrets: tickets.desk.apiKey is missing"), "{failed}");
    assert!(failed.contains("Ticket sinks / desk (redmine): "), "{failed}");

    let town = town.secret("tickets.desk.apiKey", Some("0123456789abcdef"));
    let seen = doctor(&town, &["--explain"]).await;
    let failure = seen.failure();
    assert!(failure.starts_with("Ticket sinks / desk (redmine): ticket sink desk answered 500"));
    assert!(failure.contains("→ see that the system at http://127.0.0.1:"), "{failure}");
    assert!(seen.commands().contains("partner-warden tickets test desk"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_at_which_nobody_or_somebody_else_answers_fails() {
    // Nobody runs there, and so nobody has subscribed.
    let town = reachable(town(Scenario::woodgrove()).await);
    let failed = doctor(&town, &[]).await.all("fail");
    assert_eq!(failed.len(), 3, "{failed:#?}");
    assert!(failed[0].contains("/ subscriptions: users: none leads to http://127.0.0.1:"));
    assert!(failed[0].contains("→ start `serve`"), "{failed:#?}");
    assert!(failed[2].contains("/health cannot be reached"), "{failed:#?}");

    // The simulator answers there, and knows no /health.
    let origin = town.sim.origin().to_string();
    let town = town.set("WARDEN_PUBLIC_URL", &origin);
    let failed = doctor(&town, &[]).await.all("fail");
    let health = failed.iter().find(|line| line.contains("/ health: ")).unwrap();
    assert!(health.contains("/health answered 404"), "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serve_with_another_policy_or_with_all_writing_stopped_is_told() {
    let town = reachable(town(Scenario::woodgrove()).await);
    let warden = town.serve();
    subscribed(&town, "both subscriptions", |all| both(all, CLIENT_STATE_KEY)).await;
    assert_eq!(town.beside(&["stop", "--why", "a test"]).await.code, Some(0));
    let path = town.folder.path().join("policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap().replace("mode: enforce", "mode: approve");
    std::fs::write(&path, policy).unwrap();
    let seen = doctor(&town, &[]).await;
    let warned = seen.all("warn").join("\n");
    assert!(
        warned.contains("it runs in mode enforce, and the policy here says approve"),
        "{warned}"
    );
    assert!(warned.contains("all writing is stopped"), "{warned}");
    // Whoever is to be asked cannot be sent a link.
    assert!(seen.failure().contains("no decisionKey"), "{}", seen.failure());
    warden.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_read_at_all_are_wrong_input() {
    let town = town(Scenario::woodgrove()).await.set("WARDEN_CLIENT_ID", "");
    let run = town.beside(&["doctor"]).await;
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert!(run.err.contains("WARDEN_CLIENT_ID is not set"), "{}", run.err);
    let town = town.set("WARDEN_CLIENT_ID", "x").secret("clientStateKey", Some("short"));
    let run = town.beside(&["doctor"]).await;
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("clientStateKey is to have at least"), "{}", run.err);
}
