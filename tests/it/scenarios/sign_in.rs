//! With certificates, and with one application to read and another to write.

use partner_warden::sim::{App, CLIENT_ID, CONTOSO, INBOX_SECRET, Scenario, Tenant, WOODGROVE};
use serde_json::Value;

use crate::harness::{Backend, ENFORCE, Town, body, kinds, on_each, steps};

on_each! {
    one_app_reads_and_another_takes_away_each_with_its_own_certificate
    the_app_that_reads_is_refused_where_it_is_to_write_and_a_ticket_says_so
    a_writer_that_cannot_sign_in_is_told_and_writes_once_it_is_mended
    nobody_signs_in_to_write_before_something_is_to_be_written
    neither_of_its_own_apps_is_touched
    a_certificate_that_is_not_in_force_is_told_at_the_start_and_when_it_is_refused
}

const WRITER: &str = "55555555-5555-5555-5555-555555555555";
const WRITE: &str = "RoleManagement.ReadWrite.Directory";

fn pem(pair: &str, part: &str) -> String {
    let text = include_str!("../../data/client-certificate-openssl.json");
    serde_json::from_str::<Value>(text).unwrap()[pair][part].as_str().unwrap().to_owned()
}

/// Where the first app has a certificate and may read, and a second has another and may write.
fn two_apps(scenario: Scenario) -> Scenario {
    let certificate = pem("write", "certificatePem");
    let writer = App::new(WRITER).certificate(&certificate).permissions(&[WRITE]);
    scenario
        .without_secret()
        .certificate(&pem("read", "certificatePem"))
        .without_permission(WRITE)
        .without_permission("RoleAssignmentSchedule.ReadWrite.Directory")
        .app(writer)
}

/// A `serve` that reads with the certificate of the pair `read`.
async fn town(on: Backend, scenario: Scenario, policy: &str) -> Town {
    Town::on(on, scenario, policy)
        .await
        .set("WARDEN_CREDENTIAL", "certificate")
        .secret("graphClientSecret", None)
        .secret("graphCertificatePem", Some(&pem("read", "certificatePem")))
        .secret("graphPrivateKeyPem", Some(&pem("read", "privateKeyPem")))
}

/// And that writes with that of a pair.
fn writing(town: Town, pair: &str) -> Town {
    town.set("WARDEN_WRITE_CLIENT_ID", WRITER)
        .secret("graphWriteCertificatePem", Some(&pem(pair, "certificatePem")))
        .secret("graphWritePrivateKeyPem", Some(&pem(pair, "privateKeyPem")))
}

async fn one_app_reads_and_another_takes_away_each_with_its_own_certificate(on: Backend) {
    let town = writing(town(on, two_apps(Scenario::woodgrove()), ENFORCE).await, "write");
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(kinds(&messages).first(), Some(&"ticket.opened"));
    assert_eq!(
        town.deletes(),
        ["AdminAgents: Global Administrator → 204", "Alice: User Administrator → 204"]
    );
    assert_eq!(town.sim.count("POST", "/oauth2/"), 2, "each signed in once");
}

async fn the_app_that_reads_is_refused_where_it_is_to_write_and_a_ticket_says_so(on: Backend) {
    let town = town(on, two_apps(Scenario::woodgrove()), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let refused = |messages: &[Value]| {
        messages.last().is_some_and(|last| {
            let steps = steps(last);
            steps.len() == 2 && steps.iter().all(|step| step.ends_with(": refused"))
        })
    };
    let messages = town.messages("both refusals", refused).await;
    warden.stop().await;
    let last = messages.last().unwrap();
    assert_eq!(last["data"]["severity"], "critical");
    let text = body(last);
    let line = "Refused by Microsoft Graph: revoke Global Administrator from AdminAgents: \
                Microsoft Graph answered 403 Authorization_RequestDenied";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("By hand: Open https://admin.microsoft.com"), "{text}");
    assert_eq!(
        town.deletes(),
        ["AdminAgents: Global Administrator → 403", "Alice: User Administrator → 403"]
    );
    assert_eq!(town.held().len(), 6);
}

async fn a_writer_that_cannot_sign_in_is_told_and_writes_once_it_is_mended(on: Backend) {
    let town = writing(town(on, two_apps(Scenario::woodgrove()), ENFORCE).await, "read");
    let warden = town.start().await;
    warden.role_was_added().await;
    let told = "AADSTS700027; add the certificate in graphWriteCertificatePem to the application \
                WARDEN_WRITE_CLIENT_ID";
    let messages = town
        .messages("the mend", |messages| {
            messages.last().is_some_and(|last| body(last).contains(told))
        })
        .await;
    let last = messages.last().unwrap();
    assert!(steps(last).iter().all(|step| step.ends_with(": intended")), "{last:#}");
    assert_eq!(body(last).matches("\n  By hand: Open https://").count(), 2, "{}", body(last));
    assert_eq!(last["data"]["severity"], "critical");
    warden.stop().await;
    assert_eq!(town.deletes(), [""; 0]);

    let town = writing(town, "write");
    let warden = town.start().await;
    // What waits for its next look is not looked at sooner, but whatever is new is.
    let alice = town.sim.principal_id(WOODGROVE, "Alice").unwrap();
    warden.role_was_given_to(&alice).await;
    town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(town.sim.deletions().len(), 2);
}

async fn nobody_signs_in_to_write_before_something_is_to_be_written(on: Backend) {
    for mode in ["observe", "approve"] {
        let policy = ENFORCE.replace("mode: enforce", &format!("mode: {mode}"));
        let town = town(on, two_apps(Scenario::woodgrove()), &policy).await;
        // In `observe` nothing that the writer could sign in with is there.
        let town = match mode {
            "observe" => town.set("WARDEN_WRITE_CLIENT_ID", WRITER),
            _ => writing(town, "write"),
        };
        let warden = town.start().await;
        warden.role_was_added().await;
        town.messages("the ticket", |messages| !messages.is_empty()).await;
        warden.stop().await;
        assert_eq!(town.sim.count("POST", "/oauth2/"), 1, "{mode}");
        assert_eq!(town.deletes(), [""; 0], "{mode}");
    }
}

async fn neither_of_its_own_apps_is_touched(on: Backend) {
    // An MSP's own apps, in the tenant of its customer.
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .service_principal("Reader", CLIENT_ID, CONTOSO, "User Administrator")
        .service_principal("Writer", WRITER, CONTOSO, "User Administrator")
        .service_principal(
            "Other",
            "66666666-6666-6666-6666-666666666666",
            CONTOSO,
            "User Administrator",
        );
    let scenario = Scenario::default().tenant(tenant).sink("security", INBOX_SECRET);
    let town = writing(town(on, two_apps(scenario), ENFORCE).await, "write");
    let warden = town.start().await;
    warden.role_was_added().await;
    let verified = "revoke User Administrator from Other: verified";
    let messages = town
        .messages("the other app's revocation, verified", |messages| {
            messages.last().is_some_and(|last| steps(last).iter().any(|step| step == verified))
        })
        .await;
    warden.stop().await;
    let mut steps = steps(messages.last().unwrap());
    steps.sort();
    assert_eq!(
        steps,
        [
            verified,
            "revoke User Administrator from Reader: held",
            "revoke User Administrator from Writer: held",
        ]
    );
    let text = body(messages.last().unwrap());
    let reason = "this is the application Partner Warden itself signs in with";
    assert_eq!(text.matches(reason).count(), 2, "{text}");
    assert_eq!(town.deletes(), ["Other: User Administrator → 204"]);
}

async fn a_certificate_that_is_not_in_force_is_told_at_the_start_and_when_it_is_refused(
    on: Backend,
) {
    let ended = pem("certificatesOfRead", "ended");
    let scenario = two_apps(Scenario::woodgrove()).certificate(&ended);
    let town = town(on, scenario, ENFORCE).await.secret("graphCertificatePem", Some(&ended));
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.messages("the refusal", |messages| !messages.is_empty()).await;
    let log = warden.stop().await;
    let warned = log.lines().find(|line| line.contains("graphCertificatePem ended at"));
    let warned: Value = serde_json::from_str(warned.unwrap()).unwrap();
    assert_eq!(warned["level"], "WARN");
    let text = messages[0]["data"]["findings"][0]["text"].as_str().unwrap();
    assert!(text.contains("AADSTS700027"), "{text}");
}
