//! The template, deployed; and what is in its queues and its table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::emulator::{Emulator, repository, until};
use super::proxy::Proxy;

/// The name of the stack.
pub(crate) const STACK: &str = "warden";

/// What a deployment is told beside the template.
pub(crate) struct Deployment<'a> {
    /// The policy file.
    pub(crate) policy: Vec<u8>,
    /// The secret of the door.
    pub(crate) door: Value,
    /// The secret of what reads Graph.
    pub(crate) graph: Value,
    /// Parameters that are not the template's default.
    pub(crate) parameters: Vec<(&'a str, String)>,
    /// How many requests to the table are throttled at first.
    pub(crate) throttled: u32,
}

/// A deployed stack.
pub(crate) struct Stack {
    pub(crate) emulator: Emulator,
    outputs: BTreeMap<String, String>,
    proxy: Option<Proxy>,
}

impl Stack {
    /// Deploys the template as it is, but for the place of the functions' code.
    pub(crate) async fn deploy(emulator: Emulator, how: Deployment<'_>) -> Self {
        let mut template = std::fs::read_to_string(repository("infra/template.yaml")).unwrap();
        emulator.put("/code", Vec::new()).await;
        for function in ["ingest", "worker", "sweep"] {
            let local = format!("target/functions/{function}.zip");
            let code = std::fs::read(repository(&local))
                .unwrap_or_else(|_| panic!("{local} is missing; run: make test-lambda"));
            emulator.put(&format!("/code/{function}.zip"), code).await;
            let place = format!("../{local}");
            assert!(template.contains(&place), "the template does not name {place}");
            template = template.replace(&place, &format!("s3://code/{function}.zip"));
        }
        for (name, secret) in [("door", &how.door), ("graph", &how.graph)] {
            let secret = json!({"Name": format!("partner-warden/{name}"),
                                "SecretString": secret.to_string()});
            emulator.json("secretsmanager", "secretsmanager.CreateSecret", secret).await;
        }
        let proxy = match how.throttled {
            0 => None,
            throttled => Some(Proxy::start(emulator.address, throttled).await),
        };
        let endpoint = match &proxy {
            Some(proxy) => format!("http://{}", proxy.address),
            None => emulator.url(),
        };
        emulator.put("/code/policies/woodgrove.yaml", how.policy).await;
        let mut parameters = how.parameters;
        parameters.push(("PolicyBucket", "code".to_owned()));
        parameters.push(("PolicyKey", "policies/woodgrove.yaml".to_owned()));
        parameters.push(("Architecture", "x86_64".to_owned()));
        parameters.push(("EndpointUrl", endpoint));
        let names: Vec<(String, String)> = (1..=parameters.len())
            .map(|n| {
                let member = format!("Parameters.member.{n}");
                (format!("{member}.ParameterKey"), format!("{member}.ParameterValue"))
            })
            .collect();
        let mut form = vec![
            ("Action", "CreateStack"),
            ("StackName", STACK),
            ("TemplateBody", &template),
            ("Capabilities.member.1", "CAPABILITY_IAM"),
            ("Capabilities.member.2", "CAPABILITY_AUTO_EXPAND"),
        ];
        for ((key, value), parameter) in names.iter().zip(&parameters) {
            form.push((key, parameter.0));
            form.push((value, &parameter.1));
        }
        emulator.form("cloudformation", &form).await;
        let described = until("the deployed stack", async || {
            let describe = [("Action", "DescribeStacks"), ("StackName", STACK)];
            let described = emulator.form("cloudformation", &describe).await;
            let status = between(&described, "<StackStatus>", "<").unwrap_or_default();
            assert!(
                ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"].contains(&status),
                "{described}\n{}",
                emulator.log()
            );
            (status == "CREATE_COMPLETE").then(|| described.clone())
        })
        .await;
        let outputs = described.split("<OutputKey>").skip(1).map(|output| {
            let key = output.split('<').next().unwrap_or_default();
            let value = between(output, "<OutputValue>", "<").unwrap_or_default();
            (key.to_owned(), value.to_owned())
        });
        let outputs = outputs.collect();
        let stack = Self { emulator, outputs, proxy };
        stack.allow_what_only_the_emulator_asks_for().await;
        stack
    }

    /// The emulator asks for actions by the names of operations, where AWS asks for those of what
    /// an operation does: `SendMessageBatch` is `sqs:SendMessage` several times
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html>).
    async fn allow_what_only_the_emulator_asks_for(&self) {
        for (role, allowed) in
            [("IngestRole", &["WorkQueueArn"][..]), ("SweepRole", &["WorkQueueArn"])]
        {
            let describe = [
                ("Action", "DescribeStackResource"),
                ("StackName", STACK),
                ("LogicalResourceId", role),
            ];
            let described = self.emulator.form("cloudformation", &describe).await;
            let name = between(&described, "<PhysicalResourceId>", "<").unwrap();
            let queues: Vec<&str> = allowed.iter().map(|name| self.output(name)).collect();
            let policy = json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "sqs:SendMessageBatch", "Resource": queues}]});
            let policy = policy.to_string();
            let put = [
                ("Action", "PutRolePolicy"),
                ("RoleName", name),
                ("PolicyName", "emulator"),
                ("PolicyDocument", &policy),
            ];
            self.emulator.form("iam", &put).await;
        }
    }

    /// An output of the template.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("no output {name}: {:?}", self.outputs))
    }

    /// The host of the function's url.
    pub(crate) fn host(&self) -> String {
        let url = self.output("Url");
        url.trim_start_matches("https://").trim_end_matches('/').to_owned()
    }

    /// Messages of a queue: those that wait, and those somebody works on.
    pub(crate) async fn messages(&self, queue: &str) -> (u64, u64) {
        let url = self.output(queue);
        let asked = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        let answer = self.emulator.json("sqs", "AmazonSQS.GetQueueAttributes", asked).await;
        let count = |name: &str| -> u64 {
            answer["Attributes"][name].as_str().unwrap_or_default().parse().unwrap()
        };
        (count("ApproximateNumberOfMessages"), count("ApproximateNumberOfMessagesNotVisible"))
    }

    /// How many requests to the table are still to be throttled.
    pub(crate) fn left_to_throttle(&self) -> u32 {
        self.proxy.as_ref().map_or(0, |proxy| proxy.left.load(std::sync::atomic::Ordering::SeqCst))
    }

    /// Puts a message into the work queue.
    pub(crate) async fn send(&self, group: &str, id: &str, body: &str) {
        self.send_to("WorkQueue", group, id, body).await;
    }

    /// Puts a message into a queue.
    pub(crate) async fn send_to(&self, queue: &str, group: &str, id: &str, body: &str) {
        let url = self.output(queue);
        let message = json!({"QueueUrl": url, "MessageGroupId": group,
                             "MessageDeduplicationId": id, "MessageBody": body});
        self.emulator.json("sqs", "AmazonSQS.SendMessage", message).await;
    }

    /// Waits until there is nothing to do and nothing is being done. What is put off may wait.
    pub(crate) async fn idle(&self) {
        until("an idle worker", async || {
            let idle = (0, 0);
            let busy = self.messages("WorkQueue").await != idle
                || self.messages("LaterQueue").await != idle;
            (!busy).then_some(())
        })
        .await;
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(between, _)| between)
}
