//! The programs that are started, each with the environment the template gives it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::aws;

/// A function that is measured.
pub(crate) struct Function {
    /// Its binary's name.
    pub(crate) name: &'static str,
    /// How many times a hello's time its first answer is to take at the most.
    pub(crate) aim: Option<f64>,
    /// Its name in the template, if it is there.
    resource: Option<&'static str>,
    /// Its first event.
    pub(crate) event: fn() -> Value,
    /// Whether what it answers is the answer to that.
    pub(crate) is_answer: fn(&Value) -> bool,
}

/// What is measured; the first is what the others are measured by.
pub(crate) const FUNCTIONS: [Function; 3] = [
    Function {
        name: "hello",
        aim: None,
        resource: None,
        event: handshake,
        is_answer: |answer| answer["body"] == "hello",
    },
    Function {
        name: "ingest",
        aim: Some(2.5),
        resource: Some("Ingest"),
        event: handshake,
        is_answer: |answer| answer["statusCode"] == 200 && answer["body"] == TOKEN,
    },
    Function {
        name: "worker",
        aim: Some(4.0),
        resource: Some("Worker"),
        event: errand,
        is_answer: |answer| answer["batchItemFailures"] == json!([]),
    },
];

const TOKEN: &str = "a validation token";

/// Graph's handshake, as a function url hands it on.
fn handshake() -> Value {
    let host = "abcdefghij.lambda-url.eu-west-1.on.aws";
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/hooks/graph",
        "rawQueryString": "validationToken=a%20validation%20token",
        "headers": {"host": host, "content-type": "text/plain; charset=utf-8"},
        "queryStringParameters": {"validationToken": TOKEN},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefghij",
            "domainName": host,
            "domainPrefix": "abcdefghij",
            "http": {
                "method": "POST",
                "path": "/hooks/graph",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "graph"
            },
            "requestId": "00000000-0000-0000-0000-000000000001",
            "routeKey": "$default",
            "stage": "$default",
            "time": "25/Nov/2026:04:00:00 +0000",
            "timeEpoch": 1_795_579_200_000_u64
        },
        "isBase64Encoded": false
    })
}

/// A batch with an errand to a tenant for which nothing is due: the table is asked, and nobody else.
fn errand() -> Value {
    let body = include_str!("../../events/queue/due-v1.json");
    let due: Value = serde_json::from_str(body).unwrap();
    json!({"Records": [{
        "messageId": "00000000-0000-0000-0000-000000000002",
        "receiptHandle": "handle",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "MessageGroupId": due["due"],
            "SequenceNumber": "1"
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:warden-work.fifo",
        "awsRegion": "eu-west-1"
    }]})
}

impl Function {
    /// Its environment: what Lambda sets, and what the template says, with AWS at `aws`.
    pub(crate) fn environment(&self, aws: SocketAddr) -> Vec<(String, String)> {
        let lambda = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
            ("_HANDLER", "bootstrap"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "of the bench"),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
            ("AWS_LAMBDA_FUNCTION_NAME", self.name),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/warden"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
        ];
        let lambda = lambda.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let told = self.resource.map(variables).unwrap_or_default();
        lambda.chain(told.into_iter().map(|name| (name.clone(), self.value(&name, aws)))).collect()
    }

    /// What a variable of the template stands at, with the template's defaults.
    fn value(&self, variable: &str, aws: SocketAddr) -> String {
        let queue = |name: &str| format!("aws:http://{aws}/123456789012/{name}");
        match variable {
            "AWS_ENDPOINT_URL" => format!("http://{aws}"),
            // As docs/aws.md has it: in a bucket.
            "WARDEN_POLICY" => format!("s3:/{}", aws::POLICY),
            "WARDEN_CLIENT_ID" => "00000000-0000-0000-0000-00000000c11e".to_owned(),
            "WARDEN_WRITE_CLIENT_ID" | "WARDEN_APPROVER_SIGN_IN" | "WARDEN_APPROVER_ROLES" => {
                String::new()
            }
            "WARDEN_LOGIN_URL" => "https://login.microsoftonline.com".to_owned(),
            "WARDEN_GRAPH_URL" => "https://graph.microsoft.com".to_owned(),
            "WARDEN_MANAGEMENT_URL" => "https://manage.office.com".to_owned(),
            "WARDEN_QUEUE" => queue("warden-work.fifo"),
            "WARDEN_LATER_QUEUE" => queue("warden-later"),
            "WARDEN_DEAD_LETTERS" => queue("warden-dead.fifo"),
            "WARDEN_STORE" => "aws:warden".to_owned(),
            "WARDEN_LOG" => "partner_warden=info,warn".to_owned(),
            "WARDEN_SECRETS" if self.name == "ingest" => "aws:partner-warden/door".to_owned(),
            "WARDEN_SECRETS" => "aws:partner-warden/graph,aws:partner-warden/door".to_owned(),
            "WARDEN_PARTNER_CENTER_HOSTS" => "3psostorageacct.blob.core.windows.net".to_owned(),
            "WARDEN_SENDER_ROLES" => {
                "AzureEventGridSecureWebhookSubscriber,PartnerWarden.Forward".to_owned()
            }
            "WARDEN_CREDENTIAL" => "secret".to_owned(),
            "WARDEN_PUBLIC_URL" => "https://abcdefghij.lambda-url.eu-west-1.on.aws/".to_owned(),
            "WARDEN_SETTLE_AFTER" => "PT2M".to_owned(),
            _ => panic!("the template tells {} its {variable}: say here what that is", self.name),
        }
    }
}

/// The variables that the template gives a function: those of all, and its own.
fn variables(resource: &str) -> Vec<String> {
    let template = include_str!("../../infra/template.yaml");
    let mut within = "";
    let mut names = Vec::new();
    for line in template.lines() {
        let indent = line.len() - line.trim_start().len();
        let Some((name, _)) = line.trim_start().split_once(':') else { continue };
        let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        match indent {
            0 | 2 => within = name,
            _ if is_name && (within == "Function" || within == resource) => {
                names.push(name.to_owned());
            }
            _ => {}
        }
    }
    assert!(names.len() > 5, "the template's variables for {resource} are not where they were");
    names
}
