//! Every mistake in settings and secrets, with the message a person gets.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::*;

const POLICY: &str = "version: 1
tenants: [{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}]
tickets: {security: {kind: webhook, url: https://tickets.example/in}}
";
const SECRETS: &str = r#"{"graphClientSecret": "g", "clientStateKey":
    "0123456789abcdef0123456789abcdef",
    "auditWebhookSecret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "tickets": {"security": {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}}}"#;

struct Given {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

fn given() -> Given {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let variables = [
        ("WARDEN_POLICY", file("policy.yaml", POLICY)),
        ("WARDEN_SECRETS", format!("file:{}", file("secrets.json", SECRETS))),
        ("WARDEN_CLIENT_ID", "client".to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
    Given { folder, variables }
}

impl Given {
    fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn write(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    fn load(&self) -> Result<Config, String> {
        let value = |name: &str| self.variables.get(name).filter(|v| !v.is_empty()).cloned();
        Config::load(value).map_err(|error| {
            error.to_string().replace(&self.folder.path().display().to_string(), "…")
        })
    }

    #[track_caller]
    fn fails(&self, expect: &str) {
        assert_eq!(self.load().err().as_deref(), Some(expect));
    }
}

#[test]
fn defaults_are_the_global_cloud_one_file_and_this_machine() {
    let config = given().load().unwrap();
    let settings = &config.settings;
    assert_eq!(settings.graph_url.as_str(), "https://graph.microsoft.com/");
    assert_eq!(settings.login_url.as_str(), "https://login.microsoftonline.com/");
    assert_eq!(settings.management_url.as_str(), "https://manage.office.com/");
    assert_eq!(settings.store, Place::Sqlite("partner-warden.db".into()));
    assert_eq!(settings.queue, settings.store);
    assert_eq!(settings.sweep_every, Some(SignedDuration::from_mins(15)));
    assert_eq!(settings.settle_after, Some(SignedDuration::from_mins(2)));
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.metrics_listen, None);
    assert_eq!(config.secrets.rotated("clientStateKey").len(), 1);
    let origins: Vec<&str> = settings.partner_center_origins.iter().map(Url::as_str).collect();
    assert_eq!(origins, ["https://3psostorageacct.blob.core.windows.net/"]);
    assert!(config.partner_center_roots.is_none());
}

#[test]
fn partner_centers_certificates_may_be_published_where_the_settings_say() {
    let origins = |text: &str| {
        let settings = given().set("WARDEN_PARTNER_CENTER_HOSTS", text).load()?.settings;
        Ok(settings.partner_center_origins.into_iter().map(String::from).collect::<Vec<_>>())
    };
    for (text, expect) in [
        ("A.example", &["https://a.example/"] as &[&str]),
        (" a.example , b.example:8443,", &["https://a.example/", "https://b.example:8443/"]),
        (
            "https://a.example,http://127.0.0.1:9090/",
            &["https://a.example/", "http://127.0.0.1:9090/"],
        ),
        ("off", &[]),
        (" Off ", &[]),
    ] {
        let expect = expect.iter().map(|&origin| origin.to_owned()).collect();
        assert_eq!(origins(text), Ok(expect), "{text}");
    }
    let problem = "the settings are not complete:
  WARDEN_PARTNER_CENTER_HOSTS is to be hosts such as 3psostorageacct.blob.core.windows.net, with a \
                   comma between them, or off (plain http only to this machine)";
    for text in [
        ",",
        "http://a.example",
        "a.example/cert",
        "a.example?b",
        "a.example#b",
        "user@a.example",
        "https://:x@a.example",
        "ftp://a.example",
        "a b",
    ] {
        assert_eq!(origins(text), Err(problem.to_owned()), "{text}");
    }
}

/// Where Partner Center is asked and for whom, as the configuration says.
fn asks_partner_center(given: &Given) -> Option<(String, Option<String>)> {
    let asked = given.load().unwrap().partner_center();
    let token = |token: Secret| token.expose().to_owned();
    asked.map(|(url, user)| (String::from(url), user.map(token)))
}

#[test]
fn partner_center_is_asked_where_the_settings_say_so_or_for_whom_a_token_is_there() {
    const MICROSOFTS: &str = "https://api.partnercenter.microsoft.com/";
    let token = "0.refresh-token";
    let with_token = || {
        let mut secrets: Value = serde_json::from_str(SECRETS).unwrap();
        secrets["partnerCenterRefreshToken"] = json!(token);
        given().write("secrets.json", &secrets.to_string())
    };
    let variable = "WARDEN_PARTNER_CENTER_URL";
    let at = |url: &str, user: Option<&str>| Some((url.to_owned(), user.map(str::to_owned)));
    assert_eq!(asks_partner_center(&given()), None, "nobody is asked unless somebody says so");
    assert_eq!(asks_partner_center(&given().set(variable, "")), None);
    assert_eq!(asks_partner_center(&given().set(variable, MICROSOFTS)), at(MICROSOFTS, None));
    assert_eq!(asks_partner_center(&with_token()), at(MICROSOFTS, Some(token)));
    let china = "https://partner.partnercenterapi.microsoftonline.cn";
    let both = with_token().set(variable, china);
    assert_eq!(asks_partner_center(&both), at(&format!("{china}/"), Some(token)));
    let here = "http://127.0.0.1:9090/";
    assert_eq!(asks_partner_center(&given().set(variable, here)), at(here, None));
    assert!(!format!("{:?}", both.load().unwrap()).contains(token));
}

#[test]
fn what_is_no_origin_of_partner_center_or_no_token_is_refused_without_being_shown() {
    let origin =
        "is to be an origin such as https://api.partnercenter.microsoft.com, without a version";
    let https = "is to be https (plain http only to this machine)";
    let url = "is no url (relative URL without a base)";
    for (text, problem) in [
        ("api.partnercenter.microsoft.com", url),
        ("off", url),
        ("http://api.partnercenter.microsoft.com", https),
        ("ftp://api.partnercenter.microsoft.com", https),
        ("https://api.partnercenter.microsoft.com/v1", origin),
        ("https://user:S3cret@api.partnercenter.microsoft.com", origin),
        ("https://api.partnercenter.microsoft.com/?S3cret", origin),
    ] {
        let problem =
            format!("the settings are not complete:\n  WARDEN_PARTNER_CENTER_URL {problem}");
        given().set("WARDEN_PARTNER_CENTER_URL", text).fails(&problem);
    }
    for token in [json!(""), json!(7), json!(["S3cret"]), json!({"token": "S3cret"})] {
        let mut secrets: Value = serde_json::from_str(SECRETS).unwrap();
        secrets["partnerCenterRefreshToken"] = token.clone();
        let failed = given().write("secrets.json", &secrets.to_string()).load().err();
        let failed = failed.unwrap_or_else(|| panic!("{token} is taken"));
        assert!(failed.contains("partnerCenterRefreshToken"), "{failed}");
        assert!(!failed.contains("S3cret"), "{failed}");
    }
}

#[test]
fn roots_for_partner_center_are_certificates_or_refused() {
    let vector = include_str!("../../tests/data/partner-center-openssl.json");
    let vector: Value = serde_json::from_str(vector).unwrap();
    let root = vector["rootPem"].as_str().unwrap();
    for (pem, count) in [(root.to_owned(), 1), (root.repeat(2), 2)] {
        let config = with_secrets(&json!({ "partnerCenterRootsPem": pem })).load().unwrap();
        assert_eq!(config.partner_center_roots.map(|roots| roots.len()), Some(count));
    }
    let hollow = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    let key = vector["privateKeyPem"].as_str().unwrap();
    for wrong in ["hunter2", key, hollow, &format!("{root}{hollow}")] {
        with_secrets(&json!({ "partnerCenterRootsPem": wrong })).fails(
            "the secrets in …/secrets.json are not complete:
  partnerCenterRootsPem is not certificates (BEGIN CERTIFICATE)",
        );
    }
}

#[test]
fn what_is_set_counts() {
    let settings = given()
        .set("WARDEN_STORE", "sqlite:/var/lib/warden/store.db")
        .set("WARDEN_QUEUE", "sqlite:queue.db")
        .set("WARDEN_GRAPH_URL", "http://127.0.0.1:9090")
        .set("WARDEN_LOGIN_URL", "https://login.microsoftonline.us/")
        .set("WARDEN_MANAGEMENT_URL", "https://manage.office365.us")
        .set("WARDEN_SWEEP_EVERY", "off")
        .set("WARDEN_SETTLE_AFTER", "PT1S")
        .set("WARDEN_LISTEN", "[::1]:1")
        .set("WARDEN_METRICS_LISTEN", "127.0.0.1:9464")
        .load()
        .unwrap()
        .settings;
    assert_eq!(settings.store, Place::Sqlite("/var/lib/warden/store.db".into()));
    assert_eq!(settings.queue, Place::Sqlite("queue.db".into()));
    assert_eq!(settings.management_url.as_str(), "https://manage.office365.us/");
    assert_eq!(settings.sweep_every, None);
    assert_eq!(settings.settle_after, Some(SignedDuration::from_secs(1)));
    let listens = [Some(settings.listen), settings.metrics_listen];
    assert_eq!(listens, ["[::1]:1", "127.0.0.1:9464"].map(|address| address.parse().ok()));
}

#[test]
fn everything_wrong_with_the_settings_is_told_at_once() {
    let mut given = given()
        .set("WARDEN_SECRETS", "secrets.json")
        .set("WARDEN_CLIENT_ID", "")
        .set("WARDEN_CREDENTIAL", "password")
        .set("WARDEN_STORE", "sqlite:")
        .set("WARDEN_QUEUE", "queue.db")
        .set("WARDEN_GRAPH_URL", "http://graph.example")
        .set("WARDEN_LOGIN_URL", "https://login.example/common")
        .set("WARDEN_MANAGEMENT_URL", "http://manage.example")
        .set("WARDEN_SWEEP_EVERY", "often")
        .set("WARDEN_SETTLE_AFTER", "P1M")
        .set("WARDEN_LISTEN", "8080")
        .set("WARDEN_METRICS_LISTEN", "localhost");
    given.variables.remove("WARDEN_POLICY");
    let or_name = if cfg!(feature = "aws") { " or aws:NAME" } else { "" };
    let or_aws = if cfg!(feature = "aws") {
        " or aws:SECRET_ID (or several of those with commas between them)"
    } else {
        ""
    };
    given.fails(&format!(
        "the settings are not complete:
  WARDEN_POLICY is not set; it is the path of the policy file
  WARDEN_SECRETS is to be file:PATH{or_aws}
  WARDEN_CLIENT_ID is not set; it is the id of the app registration
  WARDEN_CREDENTIAL is to be secret, certificate or aws-federation
  WARDEN_STORE is to be sqlite:PATH{or_name}
  WARDEN_QUEUE is to be sqlite:PATH{or_name}
  WARDEN_GRAPH_URL is to be https (plain http only to this machine)
  WARDEN_LOGIN_URL is to be an origin such as https://login.microsoftonline.com, without a version
  WARDEN_MANAGEMENT_URL is to be https (plain http only to this machine)
  WARDEN_SWEEP_EVERY is to be an ISO 8601 duration such as PT15M, or off
  WARDEN_SETTLE_AFTER is to be an ISO 8601 duration such as PT15M, or off
  WARDEN_LISTEN is to be an address and a port such as 127.0.0.1:8080
  WARDEN_METRICS_LISTEN is to be an address and a port such as 127.0.0.1:8080",
    ));
}

#[cfg(not(feature = "aws"))]
#[test]
fn federation_with_aws_needs_a_program_built_with_it() {
    given().set("WARDEN_CREDENTIAL", "aws-federation").fails(
        "the settings are not complete:
  WARDEN_CREDENTIAL=aws-federation: this program was built without AWS; use secret or certificate",
    );
}

#[test]
fn one_application_is_not_named_as_two() {
    given().set("WARDEN_WRITE_CLIENT_ID", "Client").fails(
        "the settings are not complete:
  WARDEN_WRITE_CLIENT_ID is the same as WARDEN_CLIENT_ID; unset it: one application then does both",
    );
}

/// Settings that name nothing but AWS.
fn on_aws() -> Given {
    given()
        .set("WARDEN_POLICY", "s3://warden/policy.yaml")
        .set("WARDEN_SECRETS", "aws:warden/door, aws:warden/graph")
        .set("WARDEN_STORE", "aws:warden")
        .set("WARDEN_QUEUE", "aws:https://sqs.eu-central-1.amazonaws.com/1/work.fifo")
        .set("WARDEN_LATER_QUEUE", "aws:https://sqs.eu-central-1.amazonaws.com/1/later")
}

#[cfg(not(feature = "aws"))]
#[test]
fn what_is_on_aws_needs_a_program_built_with_it() {
    on_aws().fails(
        "the settings are not complete:
  WARDEN_POLICY: this program was built without AWS; use a path
  WARDEN_SECRETS: this program was built without AWS; use file:PATH
  WARDEN_STORE: this program was built without AWS; use sqlite:PATH
  WARDEN_QUEUE: this program was built without AWS; use sqlite:PATH
  WARDEN_LATER_QUEUE: this program was built without AWS; unset it",
    );
}

#[cfg(feature = "aws")]
#[test]
fn what_is_on_aws_is_named() {
    let given = on_aws();
    let settings = Settings::read(|name| given.variables.get(name).cloned()).unwrap();
    assert_eq!(settings.policy, Source::Aws(vec!["s3://warden/policy.yaml".to_owned()]));
    let secrets = ["warden/door", "warden/graph"].map(str::to_owned);
    assert_eq!(settings.secrets, Source::Aws(secrets.to_vec()));
    assert_eq!(settings.store, Place::Aws("warden".to_owned()));
    let queue = "https://sqs.eu-central-1.amazonaws.com/1/work.fifo".to_owned();
    assert_eq!(settings.queue, Place::Aws(queue));
    let later = settings.later_queue.as_deref();
    assert_eq!(later, Some("https://sqs.eu-central-1.amazonaws.com/1/later"));
    given.fails(
        "the settings are not complete:
  what is kept on AWS is read by the Lambda functions; here WARDEN_POLICY is to be a path, and \
         WARDEN_SECRETS file:PATH",
    );
}

#[cfg(feature = "aws")]
#[test]
fn what_names_nothing_on_aws_is_told() {
    on_aws()
        .set("WARDEN_POLICY", "s3://warden/")
        .set("WARDEN_SECRETS", "aws:warden/door,file:secrets.json")
        .set("WARDEN_STORE", "aws:")
        .set("WARDEN_LATER_QUEUE", "sqlite:later.db")
        .fails(
            "the settings are not complete:
  WARDEN_POLICY is to be a path or s3://BUCKET/KEY
  WARDEN_SECRETS is to be file:PATH or aws:SECRET_ID (or several of those with commas between \
             them)
  WARDEN_STORE is to be sqlite:PATH or aws:NAME
  WARDEN_LATER_QUEUE is to be aws:QUEUE_URL",
        );
}

#[test]
fn the_door_needs_neither_the_credential_nor_a_sinks_key() {
    let policy = "version: 1\ntenants: [{id: 11111111-1111-1111-1111-111111111111, name: A}]\n\
                  tickets: {security: {kind: webhook, url: https://tickets.example/in}}\n";
    let settings = given().load().unwrap().settings;
    let of = |secrets: &str, part| {
        let secrets = Secrets::parse(secrets).unwrap();
        Config::of(settings.clone(), policy, secrets, part).map(drop).map_err(|e| e.to_string())
    };
    assert_eq!(of("{}", Part::Door), Ok(()));
    let whole = of("{}", Part::Whole).unwrap_err();
    assert!(whole.contains("graphClientSecret is missing"), "{whole}");
    assert!(whole.contains("tickets.security.secret is missing"), "{whole}");
    let short = of(r#"{"clientStateKey": "short"}"#, Part::Door).unwrap_err();
    assert!(short.contains("clientStateKey is to have at least 32 characters"), "{short}");
}

#[test]
fn the_sweep_needs_the_reader_alone_and_nobody_but_an_enforcing_whole_the_writer() {
    let policy = |mode: &str| {
        format!(
            "version: 1\nmode: {mode}\ntenants: [{{id: 11111111-1111-1111-1111-111111111111, \
             name: A}}]\ntickets: {{security: {{kind: webhook, url: https://tickets.example/in}}}}\n"
        )
    };
    let settings = given().set("WARDEN_WRITE_CLIENT_ID", "writer").load().unwrap().settings;
    let of = |mode: &str, secrets: &str, part| {
        let secrets = Secrets::parse(secrets).unwrap();
        let config = Config::of(settings.clone(), &policy(mode), secrets, part);
        let config = config.map_err(|error| error.to_string())?;
        Ok::<_, String>((config.credential.is_some(), config.write_credential.is_some()))
    };
    let reader = r#"{"graphClientSecret": "g"}"#;
    assert_eq!(of("enforce", reader, Part::Sweep), Ok((true, false)));
    assert_eq!(of("enforce", "{}", Part::Door), Ok((false, false)));
    let none = of("enforce", "{}", Part::Sweep).unwrap_err();
    assert!(none.contains("graphClientSecret is missing"), "{none}");
    assert!(!none.contains("tickets.security.secret"), "{none}");
    let sink = r#""tickets.security.secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD""#;
    let both = format!(r#"{{"graphClientSecret": "g", "graphWriteClientSecret": "w", {sink}}}"#);
    assert_eq!(of("enforce", &both, Part::Whole), Ok((true, true)));
    assert_eq!(of("observe", &both, Part::Whole), Ok((true, false)));
    let only = of("enforce", &format!(r#"{{"graphClientSecret": "g", {sink}}}"#), Part::Whole);
    assert!(only.unwrap_err().contains("graphWriteClientSecret is missing"));
}

#[cfg(feature = "aws")]
#[test]
fn federation_with_aws_needs_no_secret_of_the_application() {
    let given = with_secrets(&json!({"graphClientSecret": null}));
    let given = given.set("WARDEN_CREDENTIAL", "aws-federation");
    let reader = "Federated { client_id: \"client\", .. }".to_owned();
    assert_eq!(signs_in_with(&given), (reader, None));
}

#[test]
fn a_file_that_is_not_there_is_named_with_its_variable() {
    given().set("WARDEN_POLICY", "/nowhere/policy.yaml").fails(
        "cannot read /nowhere/policy.yaml (named by WARDEN_POLICY): No such file or \
                directory (os error 2)",
    );
    given().set("WARDEN_SECRETS", "file:/nowhere/secrets.json").fails(
        "cannot read /nowhere/secrets.json (named by WARDEN_SECRETS): No such file or \
                directory (os error 2)",
    );
}

#[test]
fn a_policy_is_refused_with_the_place() {
    given().write("policy.yaml", "version: 1\ntenants: []\nmode: enforse\n").fails(
        "the policy does not hold together:
  …/policy.yaml:3:7: `enforse` is not one of observe, approve, enforce; did you mean `enforce`?",
    );
}

#[test]
fn secrets_are_refused_by_key_and_never_shown() {
    let wrong = r#"{"graphClientSecrets": "hunter2", "clientStateKey": 7,
        "tickets": {"security": "hunter2"}, "tickets.security.secret": ""}"#;
    given().write("secrets.json", wrong).fails(
        "the secrets in …/secrets.json are not complete:
  clientStateKey is to be a text that is not empty
  graphClientSecrets is not a key of the secrets document; did you mean graphClientSecret?
  tickets.security is not a key of the secrets document
  tickets.security.secret is to be a text that is not empty",
    );
    given().write("secrets.json", "hunter2").fails(
        "the secrets in …/secrets.json are not complete:
  not JSON at line 1, column 1",
    );
    given().write("secrets.json", "[\"hunter2\"]").fails(
        "the secrets in …/secrets.json are not complete:
  not a JSON object",
    );
    let config = given().load().unwrap();
    assert!(!format!("{config:?}").contains("whsec_"), "{config:?}");
}

#[test]
fn secrets_that_the_policy_needs_are_asked_for() {
    given().write("secrets.json", "{}").fails(
        "the secrets in …/secrets.json are not complete:
  graphClientSecret is missing; it is the client secret of WARDEN_CLIENT_ID
  tickets.security.secret is missing; messages to that sink are signed with it",
    );
    let weak = r#"{"graphClientSecret": "g", "clientStateKey": "short",
        "auditWebhookSecret": "hunter2", "tickets.security.secret": "whsec_c2hvcnQ="}"#;
    given().write("secrets.json", weak).fails(
        "the secrets in …/secrets.json are not complete:
  clientStateKey is to have at least 32 characters
  auditWebhookSecret is not a secret of the form whsec_ followed by the base64 of at least 16 \
         bytes
  tickets.security.secret is not a secret of the form whsec_ followed by the base64 of at least \
         16 bytes",
    );
}

#[test]
fn a_secret_address_is_refused_without_being_shown() {
    let policy = POLICY.replace("}}", "}, chat: {kind: teams}, talk: {kind: slack}}");
    let of = |chat: &str, talk: &str| {
        let mut secrets: Value = serde_json::from_str(SECRETS).unwrap();
        secrets["tickets"]["chat"] = json!({ "url": chat });
        secrets["tickets"]["talk"] = json!({ "webhookUrl": talk });
        given().write("policy.yaml", &policy).write("secrets.json", &secrets.to_string())
    };
    let well = of("https://x.logic.azure.com/?sig=s", "https://hooks.slack.com/services/x");
    assert!(well.load().is_ok());
    of("https://a.webhook.office.com/hunter2", "http://hooks.slack.com/hunter2").fails(
        "the secrets in …/secrets.json are not complete:
  tickets.chat.url is the address of a connector, which Microsoft has retired; make a workflow with \
         the trigger \"When a Teams webhook request is received\"
  tickets.talk.webhookUrl is no address of an incoming webhook: the url must be https (plain http \
         only to this machine)",
    );
}

const PAIRS: &str = include_str!("../../tests/data/client-certificate-openssl.json");

fn pem(pair: &str, part: &str) -> Value {
    serde_json::from_str::<Value>(PAIRS).unwrap()[pair][part].clone()
}

/// What a run signs in with, and to write, if it does.
fn signs_in_with(given: &Given) -> (String, Option<String>) {
    let config = given.load().unwrap();
    let told = |credential: &Credential| format!("{credential:?}");
    (told(config.credential.as_ref().unwrap()), config.write_credential.as_ref().map(told))
}

#[test]
fn a_certificate_signs_in_instead_of_a_secret() {
    let (certificate, key) = (pem("read", "certificatePem"), pem("read", "privateKeyPem"));
    let pair = json!({"graphClientSecret": null, "graphCertificatePem": certificate,
        "graphPrivateKeyPem": key});
    let given = with_secrets(&pair).set("WARDEN_CREDENTIAL", "certificate");
    let reader = "Certificate { client_id: \"client\", .. }".to_owned();
    assert_eq!(signs_in_with(&given), (reader, None));
    let config = given.load().unwrap();
    assert!(!format!("{config:?}").contains("PRIVATE KEY"), "{config:?}");
    let Some(Credential::Certificate { certificate, .. }) = config.credential else { panic!() };
    assert_eq!(certificate.ends().to_string(), "2120-01-01T00:00:00Z");
}

#[test]
fn a_certificate_that_cannot_sign_in_is_refused_without_being_shown() {
    fn check(secrets: &Value, problems: &str) {
        let expect = format!("the secrets in …/secrets.json are not complete:\n  {problems}");
        with_secrets(secrets).set("WARDEN_CREDENTIAL", "certificate").fails(&expect);
    }
    let (certificate, key) = (pem("read", "certificatePem"), pem("read", "privateKeyPem"));
    let pair = |certificate: &Value, key: &Value| json!({"graphCertificatePem": certificate, "graphPrivateKeyPem": key});
    check(
        &json!({}),
        "graphCertificatePem is missing; it is the certificate of WARDEN_CLIENT_ID, in PEM
  graphPrivateKeyPem is missing; it is the private key of graphCertificatePem, in PEM",
    );
    check(
        &json!({"graphPrivateKeyPem": key}),
        "graphCertificatePem is missing; it is the certificate of WARDEN_CLIENT_ID, in PEM",
    );
    check(&pair(&key, &key), "graphCertificatePem is not a certificate in PEM (BEGIN CERTIFICATE)");
    check(
        &pair(&certificate, &json!("hunter2")),
        "graphPrivateKeyPem is not an RSA private key in PEM without a passphrase (BEGIN PRIVATE \
         KEY or BEGIN RSA PRIVATE KEY)",
    );
    check(
        &pair(&certificate, &pem("write", "privateKeyPem")),
        "graphPrivateKeyPem is not the key of graphCertificatePem; put the pair that belongs \
         together there, the application's own certificate first",
    );
    let of = |name| pair(&pem(name, "certificatePem"), &pem(name, "privateKeyPem"));
    check(
        &of("weak1024"),
        "graphCertificatePem is for a key of 1024 bits; make one with RSA, 2048 to 4096 bits",
    );
    check(
        &of("ellipticCurve"),
        "graphCertificatePem is not for an RSA key; make one with RSA, 2048 to 4096 bits",
    );
}

/// The policy in a mode.
fn in_mode(given: Given, mode: &str) -> Given {
    given.write("policy.yaml", &format!("{POLICY}mode: {mode}\n"))
}

#[test]
fn who_writes_signs_in_for_itself_and_only_where_something_is_written() {
    let (reader, writer) = (
        "Secret { client_id: \"client\", .. }".to_owned(),
        "Secret { client_id: \"writer\", .. }".to_owned(),
    );
    let observes = in_mode(given().set("WARDEN_WRITE_CLIENT_ID", "writer"), "observe");
    assert_eq!(signs_in_with(&observes), (reader.clone(), None));
    assert_eq!(observes.load().unwrap().settings.write_client_id.as_deref(), Some("writer"));
    let secrets = json!({"graphWriteClientSecret": "w"});
    for mode in ["approve", "enforce"] {
        in_mode(given().set("WARDEN_WRITE_CLIENT_ID", "writer"), mode).fails(
            "the secrets in …/secrets.json are not complete:
  graphWriteClientSecret is missing; it is the client secret of WARDEN_WRITE_CLIENT_ID",
        );
        let both = with_secrets(&secrets).set("WARDEN_WRITE_CLIENT_ID", "writer");
        let expect = (reader.clone(), Some(writer.clone()));
        assert_eq!(signs_in_with(&in_mode(both, mode)), expect, "{mode}");
    }
    let alone = in_mode(with_secrets(&secrets), "enforce");
    assert_eq!(signs_in_with(&alone), (reader, None));
}

#[test]
fn both_applications_may_have_certificates_of_their_own() {
    let secrets = |writer: &str| {
        json!({
            "graphClientSecret": null,
            "graphCertificatePem": pem("read", "certificatePem"),
            "graphPrivateKeyPem": pem("read", "privateKeyPem"),
            "graphWriteCertificatePem": pem("write", "certificatePem"),
            "graphWritePrivateKeyPem": pem(writer, "privateKeyPem"),
        })
    };
    let given = |writer: &str| {
        let given = with_secrets(&secrets(writer)).set("WARDEN_CREDENTIAL", "certificate");
        in_mode(given.set("WARDEN_WRITE_CLIENT_ID", "writer"), "enforce")
    };
    let certificate = |id: &str| format!("Certificate {{ client_id: \"{id}\", .. }}");
    let expect = (certificate("client"), Some(certificate("writer")));
    assert_eq!(signs_in_with(&given("write")), expect);
    given("read").fails(
        "the secrets in …/secrets.json are not complete:
  graphWritePrivateKeyPem is not the key of graphWriteCertificatePem; put the pair that belongs \
         together there, the application's own certificate first",
    );
}

const VECTOR: &str = include_str!("../../tests/data/rich-notification-openssl.json");

/// The secrets with some set; `null` for one that is not.
fn with_secrets(secrets: &Value) -> Given {
    let mut all: Value = serde_json::from_str(SECRETS).unwrap();
    for (key, value) in secrets.as_object().unwrap() {
        all[key] = value.clone();
    }
    all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    given().write("secrets.json", &all.to_string())
}

#[test]
fn a_certificate_and_its_key_are_known_by_the_names_that_openssl_gives_them() {
    let vector: Value = serde_json::from_str(VECTOR).unwrap();
    let (certificate, key) = (&vector["certificatePem"], &vector["privateKeyPem"]);
    let pair = json!({"notificationCertificatePem": certificate, "notificationPrivateKeyPem": key});
    let config = with_secrets(&pair).load().unwrap();
    let content = &vector["encryptedContent"];
    let name = |field: &str| content[field].as_str().unwrap().to_lowercase();
    let names = [name("encryptionCertificateId"), name("encryptionCertificateThumbprint")];
    let expect = format!("NotificationKey {{ names: {names:?}, .. }}");
    assert_eq!(format!("{:?}", config.notification_keys[0]), expect);
    assert_eq!(config.notification_keys.len(), 1);

    let both = json!({
        "notificationCertificatePem": certificate, "notificationPrivateKeyPem": key,
        "notificationCertificatePemPrevious": certificate,
        "notificationPrivateKeyPemPrevious": key,
    });
    assert_eq!(with_secrets(&both).load().unwrap().notification_keys.len(), 2);
    assert_eq!(given().load().unwrap().notification_keys.len(), 0);
}

#[test]
fn a_certificate_without_its_key_and_what_is_neither_is_refused_without_being_shown() {
    let vector: Value = serde_json::from_str(VECTOR).unwrap();
    let (certificate, key) = (&vector["certificatePem"], &vector["privateKeyPem"]);
    let text = key.as_str().unwrap();
    let pkcs1 = pkcs1(text);
    let fails = |secrets: Value, problems: &str| {
        let expect = format!("the secrets in …/secrets.json are not complete:\n  {problems}");
        with_secrets(&secrets).fails(&expect);
    };
    fails(
        json!({"notificationCertificatePem": certificate}),
        "notificationPrivateKeyPem is missing beside notificationCertificatePem",
    );
    fails(
        json!({"notificationPrivateKeyPemPrevious": key}),
        "notificationCertificatePemPrevious is missing beside notificationPrivateKeyPemPrevious",
    );
    let no_key = "notificationPrivateKeyPem is not an RSA private key in PKCS#8 \
                  (BEGIN PRIVATE KEY)";
    let cut = &text[..text.len() / 2];
    let hollow = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";
    for wrong in [pkcs1.as_str(), certificate.as_str().unwrap(), "hunter2", cut, hollow] {
        let pair =
            json!({"notificationCertificatePem": certificate, "notificationPrivateKeyPem": wrong});
        fails(pair, no_key);
    }
    let hollow = hollow.replace("PRIVATE KEY", "CERTIFICATE");
    for wrong in [text, "hunter2", &hollow] {
        let pair = json!({"notificationCertificatePem": wrong, "notificationPrivateKeyPem": key});
        fails(pair, "notificationCertificatePem is not a certificate (BEGIN CERTIFICATE)");
    }
    let two = json!({"notificationCertificatePem": certificate,
        "notificationCertificatePemPrevious": "hunter2",
        "notificationPrivateKeyPemPrevious": key});
    fails(
        two,
        "notificationPrivateKeyPem is missing beside notificationCertificatePem
  notificationCertificatePemPrevious is not a certificate (BEGIN CERTIFICATE)",
    );
}

/// The same key as older versions of OpenSSL write it: what PKCS#8 wraps, without the wrapping.
fn pkcs1(pkcs8: &str) -> String {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pkcs8.as_bytes()).unwrap();
    // Version, algorithm and the header of an octet string come first, 26 bytes for RSA 2048.
    let inner = STANDARD.encode(&der.secret_pkcs8_der()[26..]);
    let lines: Vec<&str> =
        inner.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

#[test]
fn where_graph_reaches_us_is_a_url_of_ours_and_how_often_to_poll_a_duration() {
    let settings = given().load().unwrap().settings;
    assert_eq!(settings.poll_every, Some(SignedDuration::from_mins(5)));
    let off = given().set("WARDEN_SWEEP_EVERY", "off");
    assert_eq!(off.load().unwrap().settings.poll_every, None);
    let alone = given().set("WARDEN_SWEEP_EVERY", "off").set("WARDEN_POLL_EVERY", "PT1M");
    let minute = SignedDuration::from_mins(1);
    assert_eq!(alone.load().unwrap().settings.poll_every, Some(minute));
    assert_eq!((settings.public_url.as_ref(), settings.notification_url()), (None, None));
    for (url, expect) in [
        ("https://warden.example", "https://warden.example/hooks/graph"),
        ("https://warden.example:8443/prod/", "https://warden.example:8443/prod/hooks/graph"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/hooks/graph"),
    ] {
        let given = given().set("WARDEN_PUBLIC_URL", url).set("WARDEN_POLL_EVERY", "off");
        let settings = given.load().unwrap().settings;
        assert_eq!(settings.notification_url().as_deref(), Some(expect));
        assert_eq!(settings.poll_every, None);
    }
    let shape = "WARDEN_PUBLIC_URL is to be a url such as https://warden.example, without query or \
                 user";
    for (url, expect) in [
        (
            "http://warden.example",
            "WARDEN_PUBLIC_URL is to be https (plain http only to this machine)",
        ),
        ("https://warden.example/?a=b", shape),
        ("https://user:word@warden.example/", shape),
        ("warden.example", "WARDEN_PUBLIC_URL is no url (relative URL without a base)"),
    ] {
        let given = given().set("WARDEN_PUBLIC_URL", url);
        given.fails(&format!("the settings are not complete:\n  {expect}"));
    }
    given().set("WARDEN_POLL_EVERY", "PT0S").fails(
        "the settings are not complete:\n  WARDEN_POLL_EVERY is to be an ISO 8601 duration such as \
         PT15M, or off",
    );
}

#[test]
fn people_sign_in_only_where_they_can_be_led_back_and_roles_go_with_that() {
    let approvers = |given: &Given| given.load().unwrap().settings.approvers;
    assert_eq!(approvers(&given()), None);
    let public = || given().set("WARDEN_PUBLIC_URL", "https://warden.example");
    let entra = || public().set("WARDEN_APPROVER_SIGN_IN", "entra");
    assert_eq!(approvers(&entra()), Some(vec![]));
    let roles = entra().set("WARDEN_APPROVER_ROLES", "Approver, Security ,");
    assert_eq!(approvers(&roles), Some(vec!["Approver".to_owned(), "Security".to_owned()]));
    public().set("WARDEN_APPROVER_SIGN_IN", "google").fails(
        "the settings are not complete:
  WARDEN_APPROVER_SIGN_IN is to be entra; unset, people give their name",
    );
    given().set("WARDEN_APPROVER_SIGN_IN", "entra").fails(
        "the settings are not complete:
  WARDEN_APPROVER_SIGN_IN needs WARDEN_PUBLIC_URL: the sign-in leads back to \
         /decisions/signed-in below it",
    );
    public().set("WARDEN_APPROVER_ROLES", "Approver").fails(
        "the settings are not complete:
  WARDEN_APPROVER_ROLES says who may decide, and nobody is asked to sign in; set \
         WARDEN_APPROVER_SIGN_IN to entra, or unset both",
    );
}

#[test]
fn the_key_of_links_is_long_enough_and_rotated() {
    with_secrets(&json!({"decisionKey": "too short", "decisionKeyPrevious": "short too"})).fails(
        "the secrets in …/secrets.json are not complete:
  decisionKey is to have at least 16 characters
  decisionKeyPrevious is to have at least 16 characters",
    );
    let (now, before) = ("0123456789abcdef", "fedcba9876543210");
    let both = with_secrets(&json!({"decisionKey": now, "decisionKeyPrevious": before}));
    let keys = both.load().unwrap().secrets.rotated("decisionKey");
    assert_eq!(keys, [now, before].map(Secret::new));
}
