//! The functions as they are deployed: the template itself on an emulator, the binaries themselves.

pub(crate) mod emulator;
mod failures;
mod proxy;
mod roles;
pub(crate) mod stack;
mod sweep;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use partner_warden::adapters::aws::table::DynamoDb;
use partner_warden::adapters::aws::{Patience, client};
use partner_warden::sim::WOODGROVE;
use serde_json::{Value, json};

use self::emulator::{Emulator, REGION};
use self::stack::{Deployment, Stack};
use crate::harness::Town;

/// Where what is a variable of `serve` is a parameter of the template.
const PARAMETERS: [(&str, &str); 7] = [
    ("WARDEN_CLIENT_ID", "ClientId"),
    ("WARDEN_GRAPH_URL", "GraphUrl"),
    ("WARDEN_LOGIN_URL", "LoginUrl"),
    ("WARDEN_MANAGEMENT_URL", "ManagementUrl"),
    ("WARDEN_POLL_EVERY", "PollEvery"),
    ("WARDEN_SETTLE_AFTER", "SettleAfter"),
    ("WARDEN_SWEEP_EVERY", "SweepEvery"),
];

/// The keys of the secrets document that are the door's.
const DOOR: [&str; 3] = ["clientStateKey", "auditWebhookSecret", "o365AuthId"];

/// Deploys the template with what a town has for its `serve`.
pub(crate) async fn deploy(town: &Town) -> Stack {
    let emulator = Emulator::start().await;
    let text = std::fs::read_to_string(town.folder.path().join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_str(&text).unwrap();
    let (mut door, mut graph) = (json!({}), json!({}));
    for (key, value) in secrets.as_object().unwrap() {
        let secret = if DOOR.contains(&key.as_str()) { &mut door } else { &mut graph };
        secret[key] = value.clone();
    }
    let mut parameters: Vec<(&str, String)> = PARAMETERS
        .iter()
        .map(|(variable, parameter)| (*parameter, town.variable(variable).to_owned()))
        .collect();
    let policy = std::fs::read(town.variable("WARDEN_POLICY")).unwrap();
    let public = town.variables().find(|(name, _)| *name == "WARDEN_PUBLIC_URL");
    parameters.extend(public.map(|(_, url)| ("PublicUrl", url.to_owned())));
    // Short, since killed work comes again after it; and longer than the lease of who was killed.
    parameters.push(("WorkerTimeout", "20".to_owned()));
    parameters.push(("WorkVisibility", "25".to_owned()));
    Stack::deploy(
        emulator,
        Deployment { policy, door, graph, parameters, throttled: town.throttled },
    )
    .await
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

/// Woodgrove's chain of records: each, the link before it, and its own.
pub(crate) async fn chain(stack: &Stack) -> Vec<(String, String, String)> {
    table(stack).chain(WOODGROVE.parse().unwrap()).await.unwrap()
}
