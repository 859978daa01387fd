//! `teams`: messages in a channel or chat of Microsoft Teams.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{Address, SecretName, Takes};
use crate::domain::secret::Secret;

/// Messages in a channel or chat of Microsoft Teams, by a workflow that posts what it is sent. Its
/// address is a secret and says where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Teams {}

impl Teams {
    pub(super) const TAKES: Takes = Takes::Messages;

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![SecretName { name: "url", needed: true, what: "messages are posted there" }]
    }

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn fault(&self, name: &str, secret: &Secret) -> Option<String> {
        let read = (name == "url").then(|| Address::parse(secret.expose()))?;
        match read {
            Ok(address) if is_connector(address.url()) => Some(
                "is the address of a connector, which Microsoft has retired; make a workflow with \
                 the trigger \"When a Teams webhook request is received\""
                    .to_owned(),
            ),
            Ok(_) => None,
            Err(error) => Some(format!("is no address of a workflow: {error}")),
        }
    }

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn place(&self) -> String {
        "a workflow of Microsoft Teams".to_owned()
    }
}

/// Whether an address is one of the connectors that came before workflows, by the hosts they had
/// (Microsoft 365 Developer Blog, "Retirement of Office 365 connectors within Microsoft Teams").
fn is_connector(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    host == "webhook.office.com"
        || host.ends_with(".webhook.office.com")
        || (matches!(host, "outlook.office.com" | "outlook.office365.com")
            && url.path().starts_with("/webhook"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_connector_is_told_from_a_workflow() {
        let fault = |url: &str| Teams {}.fault("url", &Secret::new(url));
        for workflow in [
            "https://prod-01.westeurope.logic.azure.com:443/workflows/0/triggers/manual/paths/invoke?sig=s3cret",
            "https://default0.00.environment.api.powerplatform.com/powerautomate/automations/direct/x?sig=s3cret",
            "https://webhook.office.com.example/",
        ] {
            assert_eq!(fault(workflow), None, "{workflow}");
        }
        for connector in [
            "https://woodgrove.webhook.office.com/webhookb2/s3cret",
            "https://WOODGROVE.webhook.office.com./webhookb2/s3cret",
            "https://webhook.office.com/s3cret",
            "https://outlook.office.com/webhook/s3cret",
        ] {
            let fault = fault(connector).unwrap();
            assert!(fault.contains("workflow") && !fault.contains("s3cret"), "{fault}");
        }
        let fault = fault("http://prod-01.logic.azure.com/s3cret").unwrap();
        assert!(fault.contains("https") && !fault.contains("s3cret"), "{fault}");
    }
}
