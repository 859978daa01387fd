//! What each function may do: exactly what its ports ask of AWS, told from the template as
//! `CloudFormation` gets it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::emulator::repository;

/// What a port asks of AWS: the actions, and on what.
struct Asks {
    port: &'static str,
    actions: &'static [&'static str],
    on: On,
}

#[derive(Clone, Copy)]
enum On {
    /// A resource of the template, and what is beneath it.
    Arn(&'static str, &'static [&'static str]),
    /// The secret that a parameter names.
    Secret(&'static str),
    /// The policy.
    Policy,
    /// The key that secrets are encrypted with, for these secrets alone.
    Key(&'static [&'static str]),
    /// Nothing in particular.
    Anything,
}

const LOGS: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents"];
const SEND: &[&str] = &["sqs:SendMessage"];
const SECRET: &[&str] = &["secretsmanager:GetSecretValue"];
const DECRYPT: &[&str] = &["kms:Decrypt"];
const POLICY: &[&str] = &["s3:GetObject"];
const TOKEN: &[&str] = &["sts:GetWebIdentityToken"];
const TABLE: &[&str] = &[
    "dynamodb:BatchGetItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];
/// What the sweep does there: it reads by key and by the index, changes marks, and removes records.
const SWEEPS: &[&str] =
    &["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"];
/// What the door does there: it reads what people are asked, and writes what they say.
const DECIDE: &[&str] = &["dynamodb:GetItem", "dynamodb:UpdateItem"];
const TAKE: &[&str] = &["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];

const fn asks(port: &'static str, actions: &'static [&'static str], on: On) -> Asks {
    Asks { port, actions, on }
}

/// The ports of the three functions, with what they ask for.
const INGEST: &[Asks] = &[
    asks("log", LOGS, On::Arn("IngestLogs", &[])),
    asks("Enqueue", SEND, On::Arn("WorkQueue", &[])),
    asks("Decide", DECIDE, On::Arn("Table", &[])),
    asks("StopSwitch", &["dynamodb:GetItem"], On::Arn("Table", &[])),
    asks("secrets of senders", SECRET, On::Secret("DoorSecret")),
    asks("secrets of senders, encrypted", DECRYPT, On::Key(&["DoorSecret"])),
    asks("policy", POLICY, On::Policy),
];

const WORKER: &[Asks] = &[
    asks("log", LOGS, On::Arn("WorkerLogs", &[])),
    asks("the event source of the work queue", TAKE, On::Arn("WorkQueue", &[])),
    asks("the event source of the later queue", TAKE, On::Arn("LaterQueue", &[])),
    asks("Forward", SEND, On::Arn("WorkQueue", &[])),
    asks("Later", SEND, On::Arn("LaterQueue", &[])),
    asks("Bury", SEND, On::Arn("DeadLetters", &[])),
    asks(
        "Ledger, Outbox, Lease, RememberLooks, DueTenants, Marks, NoteHeard",
        TABLE,
        On::Arn("Table", &["index/due"]),
    ),
    asks("secrets of Graph and tickets", SECRET, On::Secret("GraphSecret")),
    asks("the key of clientState", SECRET, On::Secret("DoorSecret")),
    asks("secret of the writer", SECRET, On::Secret("WriteSecret")),
    asks("secrets, encrypted", DECRYPT, On::Key(&["GraphSecret", "DoorSecret", "WriteSecret"])),
    asks("policy", POLICY, On::Policy),
    asks("sign-in without a secret", TOKEN, On::Anything),
];

const SWEEP: &[Asks] = &[
    asks("log", LOGS, On::Arn("SweepLogs", &[])),
    asks("Enqueue", SEND, On::Arn("WorkQueue", &[])),
    asks("Marks, ReadHeard, DueTenants", SWEEPS, On::Arn("Table", &["index/due"])),
    asks("PruneRecords", &["dynamodb:DeleteItem"], On::Arn("Table", &[])),
    asks("secrets of Graph", SECRET, On::Secret("GraphSecret")),
    asks("the key of clientState", SECRET, On::Secret("DoorSecret")),
    asks("secrets, encrypted", DECRYPT, On::Key(&["GraphSecret", "DoorSecret"])),
    asks("policy", POLICY, On::Policy),
    asks("sign-in without a secret", TOKEN, On::Anything),
];

fn secret(parameter: &str) -> String {
    format!(
        "arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:\
         ${{{parameter}}}-??????"
    )
}

impl Asks {
    /// As `action on resource`, one line each.
    fn lines(&self) -> Vec<String> {
        let on = match self.on {
            On::Arn(name, beneath) => {
                let beneath = beneath.iter().map(|part| format!("${{{name}.Arn}}/{part}"));
                std::iter::once(format!("{name}.Arn")).chain(beneath).collect()
            }
            On::Secret(name) => vec![secret(name)],
            On::Policy => {
                vec!["arn:${AWS::Partition}:s3:::${PolicyBucket}/${PolicyKey}".to_owned()]
            }
            On::Key(_) => vec!["SecretsKey".to_owned()],
            On::Anything => vec!["*".to_owned()],
        };
        let lines = |action: &&str| on.iter().map(|on| format!("{action} on {on}")).collect();
        assert!(!self.port.is_empty());
        self.actions.iter().flat_map(|action| -> Vec<String> { lines(action) }).collect()
    }
}

/// The template, transformed.
fn synthesised() -> Value {
    let python = repository(".tools/emulator/bin/python");
    let output = Command::new(python).arg(repository("infra/synth.py")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every statement of a role, with all conditions true.
fn statements(template: &Value, role: &str) -> Vec<Value> {
    let role = &template["Resources"][role]["Properties"];
    assert_eq!(role["ManagedPolicyArns"], Value::Null, "a role has its own statements only");
    let policies = role["Policies"].as_array().unwrap();
    let all = policies.iter().filter_map(|policy| policy["PolicyDocument"]["Statement"].as_array());
    all.flatten()
        .map(|statement| match statement["Fn::If"].as_array() {
            Some(branches) => branches[1].clone(),
            None => statement.clone(),
        })
        .collect()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// A resource as text.
fn told(resource: &Value) -> String {
    if let Some(name) = resource["Fn::GetAtt"].as_array() {
        let parts: Vec<&str> = name.iter().filter_map(Value::as_str).collect();
        return parts.join(".");
    }
    let text = resource["Fn::Sub"].as_str().or(resource["Ref"].as_str()).or(resource.as_str());
    text.unwrap_or_else(|| panic!("a resource of another kind: {resource}")).to_owned()
}

/// What a role may do, as `action on resource`.
fn may(template: &Value, role: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for statement in statements(template, role) {
        assert_eq!(statement["Effect"], "Allow");
        assert_eq!(statement["NotAction"], Value::Null);
        assert_eq!(statement["NotResource"], Value::Null);
        for action in list(&statement["Action"]) {
            let action = action.as_str().unwrap();
            assert!(!action.contains('*'), "{role} may {action}");
            for resource in list(&statement["Resource"]) {
                lines.insert(format!("{action} on {}", told(&resource)));
            }
        }
    }
    lines
}

#[test]
fn each_role_may_do_exactly_what_its_ports_ask_for() {
    let template = synthesised();
    for (function, role, asks) in [
        ("Ingest", "IngestRole", INGEST),
        ("Worker", "WorkerRole", WORKER),
        ("Sweep", "SweepRole", SWEEP),
    ] {
        let its = &template["Resources"][function]["Properties"]["Role"];
        assert_eq!(told(its), format!("{role}.Arn"));
        let expected: BTreeSet<String> = asks.iter().flat_map(Asks::lines).collect();
        assert_eq!(may(&template, role), expected, "{role}");
    }
}

#[test]
fn a_key_decrypts_for_a_functions_own_secrets_alone() {
    let template = synthesised();
    for (role, asks) in [("IngestRole", INGEST), ("WorkerRole", WORKER), ("SweepRole", SWEEP)] {
        let decrypts =
            statements(&template, role).into_iter().filter(|s| s["Action"] == DECRYPT[0]);
        let conditions: Vec<Value> =
            decrypts.map(|statement| statement["Condition"].clone()).collect();
        let [condition] = conditions.as_slice() else { panic!("{role}: {conditions:?}") };
        let arns = list(&condition["StringLike"]["kms:EncryptionContext:SecretARN"]);
        let arns: Vec<String> = arns.iter().map(told).collect();
        let own = asks.iter().find_map(|asks| match asks.on {
            On::Key(secrets) => Some(secrets.iter().map(|name| secret(name)).collect::<Vec<_>>()),
            On::Arn(..) | On::Secret(_) | On::Policy | On::Anything => None,
        });
        assert_eq!(Some(arns), own, "{role}");
    }
}

#[test]
fn the_door_reads_of_the_table_what_people_are_asked_and_whether_all_is_stopped() {
    let template = synthesised();
    let may = may(&template, "IngestRole");
    let on_table = |it: &Value| told(&it["Resource"]).contains("Table");
    let statements = statements(&template, "IngestRole").into_iter().filter(on_table);
    let allowed: Vec<(Vec<Value>, Value)> =
        statements.map(|it| (list(&it["Action"]), it["Condition"].clone())).collect();
    let only = |how: &str, key: &str| serde_json::json!({format!("ForAllValues:{how}"): {"dynamodb:LeadingKeys": [key]}});
    let expected = [
        (DECIDE.iter().map(|it| Value::from(*it)).collect(), only("StringLike", "DECISION#*")),
        (vec!["dynamodb:GetItem".into()], only("StringEquals", "STOP")),
    ];
    assert_eq!(allowed, expected);
    for line in &may {
        let (action, on) = line.split_once(" on ").unwrap();
        let service = action.split_once(':').unwrap().0;
        let services = ["logs", "sqs", "secretsmanager", "s3", "kms", "dynamodb"];
        assert!(services.contains(&service), "{line}");
        for other in ["GraphSecret", "WriteSecret", "LaterQueue", "DeadLetters"] {
            assert!(!on.contains(other), "{line}");
        }
    }
    let sqs: Vec<&String> = may.iter().filter(|line| line.starts_with("sqs:")).collect();
    assert_eq!(sqs, ["sqs:SendMessage on WorkQueue.Arn"]);
}

#[test]
fn only_the_worker_may_read_the_writers_secret() {
    let template = synthesised();
    let writers = ["IngestRole", "WorkerRole", "SweepRole"]
        .into_iter()
        .filter(|role| may(&template, role).iter().any(|line| line.contains("${WriteSecret}")));
    assert_eq!(writers.collect::<Vec<_>>(), ["WorkerRole"]);
}

#[test]
fn what_is_kept_is_encrypted_and_what_waits_has_somewhere_to_be_buried() {
    let template = synthesised();
    let resources = template["Resources"].as_object().unwrap();
    let of = |kind: &'static str| {
        resources
            .iter()
            .filter(move |(_, it)| it["Type"] == kind)
            .map(|(n, it)| (n, &it["Properties"]))
    };
    for (name, queue) in of("AWS::SQS::Queue") {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name}");
        assert_eq!(queue["MessageRetentionPeriod"], 1_209_600, "{name}");
        let dead = name.ends_with("DeadLetters");
        assert_eq!(queue["RedrivePolicy"].is_null(), dead, "{name}");
    }
    for (name, table) in of("AWS::DynamoDB::Table") {
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true, "{name}");
        let recovery = &table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
        assert_eq!(recovery, true, "{name}");
        assert_eq!(resources[name]["DeletionPolicy"], "Retain");
    }
    for (name, mapping) in of("AWS::Lambda::EventSourceMapping") {
        assert_eq!(mapping["FunctionResponseTypes"][0], "ReportBatchItemFailures", "{name}");
    }
    assert_eq!(of("AWS::Lambda::EventSourceMapping").count(), 2);
}
