//! The functions as they are deployed: the template itself on an emulator, the binaries themselves.

pub(crate) mod emulator;
mod failures;
mod measure;
mod meter;
mod proxy;
mod roles;
pub(crate) mod stack;
mod sweep;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use partner_warden::adapters::aws::table::DynamoDb;
use partner_warden::adapters::aws::{Patience, client};
use partner_warden::domain::record::chain::{Anchor, Entry};
use partner_warden::ports::{Looks, RememberLooks as _};
use partner_warden::sim::WOODGROVE;
use serde_json::{Value, json};

use self::emulator::{Emulator, REGION};
use self::stack::{Deployment, Stack};
use crate::harness::Town;

/// Where what is a variable of `serve` is a parameter of the template.
const PARAMETERS: [(&str, &str); 13] = [
    ("WARDEN_APPROVER_ROLES", "ApproverRoles"),
    ("WARDEN_APPROVER_SIGN_IN", "ApproverSignIn"),
    ("WARDEN_CLIENT_ID", "ClientId"),
    ("WARDEN_CREDENTIAL", "Credential"),
    ("WARDEN_GRAPH_URL", "GraphUrl"),
    ("WARDEN_LOG", "LogFilter"),
    ("WARDEN_LOGIN_URL", "LoginUrl"),
    ("WARDEN_MANAGEMENT_URL", "ManagementUrl"),
    ("WARDEN_POLL_EVERY", "PollEvery"),
    ("WARDEN_PUBLIC_URL", "PublicUrl"),
    ("WARDEN_SETTLE_AFTER", "SettleAfter"),
    ("WARDEN_SWEEP_EVERY", "SweepEvery"),
    ("WARDEN_WRITE_CLIENT_ID", "WriteClientId"),
];

/// The keys of the secrets document that are the door's.
const DOOR: [&str; 5] =
    ["clientStateKey", "clientStateKeyPrevious", "auditWebhookSecret", "o365AuthId", "decisionKey"];

/// How those begin that the writing application signs in with.
const WRITER: &str = "graphWrite";

/// Deploys the template with what a town has for its `serve`.
pub(crate) async fn deploy(town: &Town) -> Stack {
    Stack::deploy(Emulator::start().await, deployment(town)).await
}

/// What a town has for its `serve`, as the template wants it.
pub(crate) fn deployment(town: &Town) -> Deployment<'static> {
    let text = std::fs::read_to_string(town.folder.path().join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_str(&text).unwrap();
    let (mut door, mut graph, mut writer) = (json!({}), json!({}), None);
    for (key, value) in secrets.as_object().unwrap() {
        let secret = match key.as_str() {
            key if DOOR.contains(&key) || key.ends_with(".callbackSecret") => &mut door,
            key if key.starts_with(WRITER) => writer.get_or_insert_with(|| json!({})),
            _ => &mut graph,
        };
        secret[key] = value.clone();
    }
    let told = |name: &str| town.variables().find(|(other, _)| *other == name);
    let parameters = PARAMETERS.iter().filter_map(|(variable, parameter)| {
        told(variable).map(|(_, value)| (*parameter, value.to_owned()))
    });
    let mut parameters: Vec<(&str, String)> = parameters.collect();
    let policy = std::fs::read(town.variable("WARDEN_POLICY")).unwrap();
    // Short, since killed work comes again after it; and longer than the lease of who was killed.
    parameters.push(("WorkerTimeout", "20".to_owned()));
    parameters.push(("WorkVisibility", "25".to_owned()));
    Deployment {
        policy,
        door,
        graph,
        writer,
        parameters,
        throttled: town.throttled,
        metered: town.metered,
    }
}

/// What a command on somebody's own machine is told of a deployed stack.
pub(crate) fn command_variables(stack: &Stack) -> Vec<(String, String)> {
    let variables = [
        ("WARDEN_STORE", format!("aws:{}", stack.output("Table"))),
        ("AWS_ENDPOINT_URL", stack.emulator.url()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The table, as the tests look into it.
pub(crate) fn table(stack: &Stack) -> DynamoDb {
    let credentials = Credentials::new("test", "test", None, None, "tests");
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(client(Patience::WORK).unwrap())
        .region(Region::new(REGION))
        .endpoint_url(stack.emulator.url())
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(credentials))
        .build();
    DynamoDb::new(&config, stack.output("Table"), "tests")
}

/// What a command beside the functions is told, to have their store.
pub(crate) fn environment(stack: &Stack) -> [(&'static str, String); 5] {
    [
        ("WARDEN_STORE", format!("aws:{}", stack.output("Table"))),
        ("AWS_ENDPOINT_URL", stack.emulator.url()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ]
}

/// Where a tenant's chain of records begins, and all of it.
pub(crate) async fn chain(stack: &Stack, tenant: &str) -> (Anchor, Vec<Entry>) {
    table(stack).chain(tenant.parse().unwrap()).await.unwrap()
}

/// What is remembered of the looks at Woodgrove.
pub(crate) async fn looks(stack: &Stack) -> Looks {
    table(stack).looks(WOODGROVE.parse().unwrap()).await.unwrap()
}
