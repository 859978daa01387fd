//! What the functions find of AWS when they start: their secrets, their policy, an empty table and
//! queues that take everything. Whatever else they ask for is an error, so that a start that begins
//! to ask for more is seen.

use serde_json::{Value, json};

use super::loopback::{Answer, Asked};

/// The bucket and the key of the policy.
pub(crate) const POLICY: &str = "/policies/policy.yaml";

/// Names the operation that is asked for, and answers it.
pub(crate) fn answer(asked: &Asked) -> (String, Answer) {
    let Some(target) = asked.header("x-amz-target") else {
        let what = format!("s3 {} {}", asked.method, asked.path);
        let policy = include_str!("../../policy/example.yaml");
        return match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", POLICY) => ("s3:GetObject".to_owned(), Answer::new(200, policy)),
            _ => (what, Answer::new(501, "")),
        };
    };
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let (name, answer) = match target {
        "secretsmanager.GetSecretValue" => {
            let (id, stage) = (text(&body, "SecretId"), text(&body, "VersionStage"));
            (format!("{target} {id} {stage}"), secret(id, stage))
        }
        "DynamoDB_20120810.UpdateItem"
        | "DynamoDB_20120810.DeleteItem"
        | "DynamoDB_20120810.GetItem" => (target.to_owned(), Ok(json!({}))),
        "DynamoDB_20120810.Query" => {
            (target.to_owned(), Ok(json!({"Items": [], "Count": 0, "ScannedCount": 0})))
        }
        _ => (format!("{target} (unexpected)"), Err("UnknownOperationException")),
    };
    let answer = match answer {
        Ok(body) => Answer::new(200, body.to_string()),
        Err(code) => Answer::new(400, json!({"__type": code, "message": code}).to_string()),
    };
    (name, Answer { headers: &["content-type: application/x-amz-json-1.0"], ..answer })
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

/// The two secrets as `infra/prepare.py` makes them; there is no version before the first.
fn secret(id: &str, stage: &str) -> Result<Value, &'static str> {
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let document = match (id, stage) {
        ("partner-warden/door", "AWSCURRENT") => {
            json!({"clientStateKey": "a".repeat(64), "auditWebhookSecret": key})
        }
        ("partner-warden/graph", "AWSCURRENT") => {
            json!({"graphClientSecret": "of the bench", "tickets": {"security": {"secret": key}}})
        }
        _ => return Err("ResourceNotFoundException"),
    };
    Ok(json!({"Name": id, "SecretString": document.to_string(), "VersionStages": [stage]}))
}
