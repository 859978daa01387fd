//! The template, deployed; and what is in its queues and its table.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use partner_warden::domain::id::Sha256Hex;
use serde_json::{Value, json};

use super::emulator::{Emulator, repository, until};
use super::meter::Tally;
use super::proxy::Proxy;

/// The functions of the template.
const FUNCTIONS: [&str; 3] = ["ingest", "worker", "sweep"];

/// What a deployment is told beside the template.
pub(crate) struct Deployment<'a> {
    /// The policy file.
    pub(crate) policy: Vec<u8>,
    /// The secret of the door.
    pub(crate) door: Value,
    /// The secret of what reads Graph.
    pub(crate) graph: Value,
    /// The secret of what writes, if another application does.
    pub(crate) writer: Option<Value>,
    /// Parameters that are not the template's default.
    pub(crate) parameters: Vec<(&'a str, String)>,
    /// How many requests to the table are throttled at first.
    pub(crate) throttled: u32,
    /// Whether what the functions ask of AWS is counted.
    pub(crate) metered: bool,
}

impl Deployment<'_> {
    /// Each secret, with the parameter that names it.
    fn secrets(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let always = [("DoorSecret", &self.door), ("GraphSecret", &self.graph)];
        always.into_iter().chain(self.writer.as_ref().map(|writer| ("WriteSecret", writer)))
    }
}

/// A deployed stack. It is taken away when dropped.
pub(crate) struct Stack {
    pub(crate) emulator: Emulator,
    /// Its name, which no other test's has.
    pub(crate) name: String,
    outputs: BTreeMap<String, String>,
    proxy: Option<Proxy>,
}

impl Stack {
    /// Deploys the template as it is, but for the place of the functions' code.
    pub(crate) async fn deploy(emulator: Emulator, how: Deployment<'_>) -> Self {
        static STACKS: AtomicU32 = AtomicU32::new(0);
        let number = STACKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("warden-{}-{number}", std::process::id());
        let mut template = std::fs::read_to_string(repository("infra/template.yaml")).unwrap();
        emulator.put("/code", Vec::new()).await;
        for function in FUNCTIONS {
            let local = format!("target/functions/{function}.zip");
            let code = std::fs::read(repository(&local))
                .unwrap_or_else(|_| panic!("{local} is missing; run: make test-lambda"));
            // The first test brings it, for all that share the emulator.
            let key = format!("{function}-{}.zip", Sha256Hex::of(&code));
            if !emulator.has(&format!("/code/{key}")).await {
                emulator.put(&format!("/code/{key}"), code).await;
            }
            let place = format!("../{local}");
            assert!(template.contains(&place), "the template does not name {place}");
            template = template.replace(&place, &format!("s3://code/{key}"));
        }
        let mut parameters = how.parameters.clone();
        for (parameter, secret) in how.secrets() {
            let place = format!("{name}/{parameter}");
            let secret = json!({"Name": place, "SecretString": secret.to_string()});
            emulator.json("secretsmanager", "secretsmanager.CreateSecret", secret).await;
            parameters.push((parameter, place));
        }
        let proxy = if how.throttled > 0 || how.metered {
            Some(Proxy::start(emulator.address, how.throttled, how.metered).await)
        } else {
            None
        };
        let endpoint = match &proxy {
            Some(proxy) => format!("http://{}", proxy.address),
            None => emulator.url(),
        };
        let policy = format!("policies/{name}.yaml");
        emulator.put(&format!("/code/{policy}"), how.policy).await;
        parameters.push(("PolicyBucket", "code".to_owned()));
        parameters.push(("PolicyKey", policy));
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
            ("StackName", &name),
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
            let describe = [("Action", "DescribeStacks"), ("StackName", &name)];
            let described = emulator.form("cloudformation", &describe).await;
            let status = between(&described, "<StackStatus>", "<").unwrap_or_default();
            assert!(
                ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"].contains(&status),
                "{described}\n{}",
                emulator.own_log()
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
        let stack = Self { emulator, name, outputs, proxy };
        stack.allow_what_only_the_emulator_asks_for().await;
        stack
    }

    /// The emulator asks for actions by the names of operations, where AWS asks for those of what
    /// an operation does: `SendMessageBatch` is `sqs:SendMessage` several times
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html>).
    async fn allow_what_only_the_emulator_asks_for(&self) {
        for role in ["IngestRole", "WorkerRole", "SweepRole"] {
            let describe = [
                ("Action", "DescribeStackResource"),
                ("StackName", &self.name),
                ("LogicalResourceId", role),
            ];
            let described = self.emulator.form("cloudformation", &describe).await;
            let name = between(&described, "<PhysicalResourceId>", "<").unwrap();
            let policy = json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "sqs:SendMessageBatch",
                 "Resource": self.output("WorkQueueArn")}]});
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

    /// Has the functions begin anew with another policy and other secrets. What is deployed stays
    /// as it is.
    pub(crate) async fn renew(&self, how: Deployment<'_>) {
        for (parameter, secret) in how.secrets() {
            let place = format!("{}/{parameter}", self.name);
            let change = json!({"SecretId": place, "SecretString": secret.to_string()});
            self.emulator.json("secretsmanager", "secretsmanager.PutSecretValue", change).await;
        }
        self.emulator.put(&format!("/code/policies/{}.yaml", self.name), how.policy).await;
        self.idle().await;
        for function in FUNCTIONS {
            self.kill(function);
        }
    }

    /// The full name of a function.
    pub(crate) fn function(&self, function: &str) -> String {
        format!("{}-{function}", self.name)
    }

    /// Invokes a function with an event; returns what it answers.
    pub(crate) async fn invoke(&self, function: &str, event: &Value) -> Value {
        self.emulator.invoke(&self.function(function), event).await
    }

    /// The schedule comes round: the sweep says what it found.
    pub(crate) async fn tick(&self) -> Value {
        let event = serde_json::from_str(include_str!("../../../events/schedule/tick.json"));
        self.invoke("sweep", &event.unwrap()).await
    }

    /// Kills a function's processes at once; says whether there was one.
    pub(crate) fn kill(&self, function: &str) -> bool {
        self.emulator.kill(&self.function(function))
    }

    /// What the functions have logged.
    pub(crate) fn log(&self) -> String {
        let mut text = self.emulator.own_log();
        for function in FUNCTIONS {
            // There is none before the function first ran.
            let group = format!("/aws/lambda/{}", self.function(function));
            let lines = self.emulator.logged(&group).unwrap_or_default();
            text.extend(["--- ", function, "\n", &lines]);
        }
        text
    }

    /// How long each invocation of a function took, as the emulator reports.
    pub(crate) fn durations(&self, function: &str) -> Vec<Duration> {
        let group = format!("/aws/lambda/{}", self.function(function));
        let log = self.emulator.logged(&group).unwrap_or_default();
        let reports = log.lines().filter(|line| line.starts_with("REPORT "));
        reports
            .map(|line| {
                let duration = between(line, "Duration: ", " ms").unwrap();
                Duration::from_millis(duration.parse().unwrap())
            })
            .collect()
    }

    /// Has the functions that run answer once more, with nothing to do. The emulator waits a moment
    /// for what an invocation logs and tells what comes later with the next one.
    pub(crate) async fn tell_the_rest(&self) {
        if !self.emulator.processes(&self.function("worker")).is_empty() {
            self.invoke("worker", &json!({"Records": []})).await;
        }
        if !self.emulator.processes(&self.function("ingest")).is_empty() {
            self.emulator.knock(&self.host()).await;
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
        self.proxy.as_ref().map_or(0, |proxy| proxy.left.load(Ordering::SeqCst))
    }

    /// What the functions have asked of AWS so far.
    pub(crate) fn tally(&self) -> Tally {
        self.proxy.as_ref().expect("it is not metered").tally()
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
        until("an idle worker", async || self.is_idle().await.then_some(())).await;
    }

    /// Whether there is nothing to do and nothing is being done.
    pub(crate) async fn is_idle(&self) -> bool {
        let idle = (0, 0);
        self.messages("WorkQueue").await == idle && self.messages("LaterQueue").await == idle
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.char_indices().rev().nth(20_000).map_or(0, |(at, _)| at);
            // Shown by the test runner beside the failure.
            #[expect(clippy::print_stderr, reason = "the log of a test that failed")]
            {
                eprintln!("the functions' log, its end:\n{}", &log[tail..]);
            }
        }
        // For those who share the emulator: nothing of this test goes on.
        let delete = format!("Action=DeleteStack&StackName={}", self.name);
        let form = "application/x-www-form-urlencoded";
        drop(self.emulator.at_once("cloudformation", form, "", &delete));
        for function in FUNCTIONS {
            self.kill(function);
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(between, _)| between)
}
