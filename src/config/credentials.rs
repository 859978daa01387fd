//! What Partner Warden signs in with: a credential for each application.

use std::sync::Arc;

use super::Secrets;
use crate::adapters::graph::{ClientCertificate, Credential, Identity, NotACredential};
use crate::domain::secret::Secret;

/// What is said of federation where there is none.
const WITHOUT_AWS: &str = "WARDEN_CREDENTIAL=aws-federation: this program was built without AWS; use secret or certificate";

/// `WARDEN_CREDENTIAL`: what the applications prove themselves with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A client secret.
    Secret,
    /// A certificate.
    Certificate,
    /// A token of AWS STS about the role this process runs as. In a program built with AWS.
    AwsFederation,
}

impl CredentialKind {
    /// Reads the variable's value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(value: &str) -> Result<Self, &'static str> {
        match value {
            "secret" => Ok(Self::Secret),
            "certificate" => Ok(Self::Certificate),
            "aws-federation" if cfg!(feature = "aws") => Ok(Self::AwsFederation),
            "aws-federation" => Err(WITHOUT_AWS),
            _ => Err("WARDEN_CREDENTIAL is to be secret, certificate or aws-federation"),
        }
    }
}

/// The credential of an application. A line for each thing that is missing or wrong.
pub(super) fn credential(
    kind: CredentialKind,
    identity: Identity,
    client_id: &str,
    secrets: &Secrets,
) -> Result<Credential, Vec<String>> {
    let client_id = client_id.to_owned();
    match kind {
        CredentialKind::Secret => {
            let key = identity.client_secret();
            let secret = secrets.secret(key).cloned().ok_or_else(|| {
                let app = identity.client_id();
                vec![format!("{key} is missing; it is the client secret of {app}")]
            })?;
            Ok(Credential::Secret { client_id, secret })
        }
        CredentialKind::Certificate => {
            let certificate = Arc::new(certificate(identity, secrets)?);
            Ok(Credential::Certificate { client_id, certificate })
        }
        CredentialKind::AwsFederation => federated(client_id),
    }
}

#[cfg(feature = "aws")]
#[expect(clippy::unnecessary_wraps, reason = "a program built without AWS refuses")]
fn federated(client_id: String) -> Result<Credential, Vec<String>> {
    let assertion = Arc::new(crate::adapters::aws::federation::WebIdentity::of_environment());
    Ok(Credential::Federated { client_id, assertion })
}

#[cfg(not(feature = "aws"))]
fn federated(_: String) -> Result<Credential, Vec<String>> {
    Err(vec![WITHOUT_AWS.to_owned()])
}

fn certificate(identity: Identity, secrets: &Secrets) -> Result<ClientCertificate, Vec<String>> {
    let (certificate, key) = (identity.certificate(), identity.private_key());
    let (pem, private): (&Secret, &Secret) =
        match (secrets.secret(certificate), secrets.secret(key)) {
            (Some(pem), Some(private)) => (pem, private),
            (pem, private) => {
                let app = identity.client_id();
                let (no_pem, no_key) = (
                    format!("{certificate} is missing; it is the certificate of {app}, in PEM"),
                    format!("{key} is missing; it is the private key of {certificate}, in PEM"),
                );
                let missing = [(pem, no_pem), (private, no_key)].into_iter();
                let missing = missing.filter(|(there, _)| there.is_none());
                return Err(missing.map(|(_, line)| line).collect());
            }
        };
    ClientCertificate::from_pem(pem, private).map_err(|wrong| {
        vec![match wrong {
            NotACredential::Certificate => {
                format!("{certificate} is not a certificate in PEM (BEGIN CERTIFICATE)")
            }
            NotACredential::NotRsa => {
                format!("{certificate} is not for an RSA key; make one with RSA, 2048 to 4096 bits")
            }
            NotACredential::Bits(bits) => format!(
                "{certificate} is for a key of {bits} bits; make one with RSA, 2048 to 4096 bits"
            ),
            NotACredential::Key => format!(
                "{key} is not an RSA private key in PEM without a passphrase (BEGIN PRIVATE KEY \
                 or BEGIN RSA PRIVATE KEY)"
            ),
            NotACredential::AnotherKey => format!(
                "{key} is not the key of {certificate}; put the pair that belongs together there, \
                 the application's own certificate first"
            ),
        }]
    })
}
