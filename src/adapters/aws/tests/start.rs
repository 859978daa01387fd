//! A run that begins with a policy in S3 and secrets in Secrets Manager.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;

use super::{connected, emulated, emulator, new_name};
use crate::adapters::aws::start::Start;
use crate::adapters::clock::SystemClock;
use crate::adapters::testing::{Server, quick, status};
use crate::config::{Config, Part};

const POLICY: &str = "version: 1
tenants: [{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}]
";

/// Puts an object into a bucket of its own; says its name.
async fn put(content: &str) -> String {
    let bucket = new_name("bucket");
    let http = quick();
    for (path, body) in [("", ""), ("/a b/policy+1.yaml", content)] {
        let url =
            format!("{}/{bucket}{}", emulator(), path.replace(' ', "%20").replace('+', "%2B"));
        let put = http.once("the emulator", |client| client.put(&url).body(body.to_owned()));
        assert!(put.await.unwrap().status.is_success(), "{url}");
    }
    format!("s3://{bucket}/a b/policy+1.yaml")
}

async fn config(sdk: &SdkConfig, variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let read = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let start = Start::read(read, Part::Whole, sdk, || Ok(quick()), Arc::new(SystemClock)).await;
    match start {
        Ok(start) => start.config().await,
        Err(error) => Err(error),
    }
    .map_err(|error| error.to_string())
}

#[tokio::test]
async fn policy_and_secrets_are_read_from_where_they_are_kept() {
    let sdk = emulated().await;
    let (policy, id) = (put(POLICY).await, new_name("warden/secret"));
    let document = r#"{"graphClientSecret": "hunter2"}"#;
    Client::new(&sdk).create_secret().name(&id).secret_string(document).send().await.unwrap();
    let secrets = format!("aws:{id}");
    let variables = [
        ("WARDEN_POLICY", policy.as_str()),
        ("WARDEN_SECRETS", &secrets),
        ("WARDEN_CLIENT_ID", "app"),
    ];
    let config = config(&sdk, &variables).await.unwrap();
    assert_eq!(config.policy.roster.tenants[0].name, "Woodgrove");
    assert_eq!(config.secrets.secret("graphClientSecret").unwrap().expose(), "hunter2");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_where_it_is_kept() {
    let sdk = emulated().await;
    let fails = async |policy: &str| {
        let secrets = ("WARDEN_SECRETS", "aws:warden/none");
        let variables = [("WARDEN_POLICY", policy), secrets, ("WARDEN_CLIENT_ID", "app")];
        config(&sdk, &variables).await.unwrap_err()
    };
    assert_eq!(
        fails("s3://no-such-bucket-anywhere/policy.yaml").await,
        "cannot read what WARDEN_POLICY names: reading s3://no-such-bucket-anywhere/policy.yaml \
         was answered with 404; see to the bucket and the key"
    );
    let error = fails(&put(POLICY).await).await;
    let expect = "cannot read what WARDEN_SECRETS names: reading the secret warden/none was \
                  answered with ResourceNotFoundException";
    assert!(error.starts_with(expect), "{error}");
}

#[tokio::test]
async fn what_s3_refuses_says_its_mend() {
    for (code, mend) in [
        (403, "give this function's role s3:GetObject on it, or mend its key"),
        (301, "the bucket may be in another region than this function"),
        (418, "see to the bucket"),
    ] {
        let server = Server::start(move |_| status(code)).await;
        let sdk = connected(server.origin.as_str()).await;
        let variables = [
            ("WARDEN_POLICY", "s3://b/p.yaml"),
            ("WARDEN_SECRETS", "aws:warden/none"),
            ("WARDEN_CLIENT_ID", "app"),
        ];
        assert_eq!(
            config(&sdk, &variables).await.unwrap_err(),
            format!(
                "cannot read what WARDEN_POLICY names: reading s3://b/p.yaml was answered with \
                 {code}; {mend}"
            )
        );
        let asked = server.asked();
        // The secret is asked for meanwhile.
        let asked = asked.iter().find(|asked| asked.line == "GET /b/p.yaml").unwrap();
        let authorization = asked.authorization.as_deref().unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=test/"), "{authorization}");
    }
}
