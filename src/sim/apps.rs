//! App registrations: their ids, what they prove themselves with, and their permissions.

use indexmap::IndexMap;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::time::Time;

use super::scenario::{PERMISSIONS, Scenario, ScenarioError};

/// The audience of tokens that are exchanged
/// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>).
pub const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// An app registration that may sign in to every tenant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct App {
    /// Its id.
    pub client_id: String,
    /// Its secret, if it has one.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// The certificates it may sign assertions with, in PEM.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Whose tokens it takes in place of a secret.
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredential>,
    /// The application permissions it was granted; all that the simulator knows when absent.
    #[serde(default = "all_permissions")]
    pub permissions: Vec<String>,
}

/// A federated identity credential: the tokens it names are as good as a secret
/// (<https://learn.microsoft.com/graph/api/resources/federatedidentitycredential>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FederatedCredential {
    /// Their issuer, letter for letter.
    pub issuer: String,
    /// Their subject, letter for letter.
    pub subject: String,
    /// Their audience.
    #[serde(default = "exchange_audience")]
    pub audience: String,
}

pub(crate) fn all_permissions() -> Vec<String> {
    PERMISSIONS.iter().map(|&name| name.to_owned()).collect()
}

fn exchange_audience() -> String {
    EXCHANGE_AUDIENCE.to_owned()
}

impl App {
    /// One with all permissions and nothing to prove itself with.
    pub fn new(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: None,
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
            permissions: all_permissions(),
        }
    }

    /// With a client secret.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.client_secret = Some(secret.to_owned());
        self
    }

    /// With one more certificate, in PEM.
    #[must_use]
    pub fn certificate(mut self, pem: &str) -> Self {
        self.certificates.push(pem.to_owned());
        self
    }

    /// With these permissions alone.
    #[must_use]
    pub fn permissions(mut self, names: &[&str]) -> Self {
        self.permissions = names.iter().map(|&name| name.to_owned()).collect();
        self
    }
}

impl FederatedCredential {
    /// One for the usual audience.
    pub fn new(issuer: &str, subject: &str) -> Self {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        Self { issuer, subject, audience: exchange_audience() }
    }
}

/// The registrations, ready for signing in.
#[derive(Debug)]
pub(crate) struct Apps {
    apps: Vec<Registered>,
    issuers: IndexMap<String, JwkSet>,
}

/// One registration.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) app: App,
    pub(crate) certificates: Vec<RegisteredCertificate>,
}

/// A certificate of a registration.
pub(crate) struct RegisteredCertificate {
    /// The SHA-256 of its DER.
    pub(crate) thumbprint: [u8; 32],
    pub(crate) key: DecodingKey,
    pub(crate) begins: Timestamp,
    pub(crate) ends: Timestamp,
}

impl std::fmt::Debug for RegisteredCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisteredCertificate")
            .field("begins", &self.begins)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

impl Apps {
    /// The scenario's registrations.
    pub(crate) fn new(scenario: &Scenario) -> Result<Self, ScenarioError> {
        let first = App {
            client_id: scenario.client_id.clone(),
            client_secret: Some(scenario.client_secret.clone()).filter(|it| !it.is_empty()),
            certificates: scenario.certificates.clone(),
            federated_credentials: scenario.federated_credentials.clone(),
            permissions: scenario.permissions.clone(),
        };
        let mut apps: Vec<Registered> = Vec::new();
        for app in [first].into_iter().chain(scenario.apps.iter().cloned()) {
            let id = &app.client_id;
            if apps.iter().any(|other| other.app.client_id.eq_ignore_ascii_case(id)) {
                return Err(ScenarioError::new("apps", format!("{id} is there twice")));
            }
            let certificates = app.certificates.iter().map(|pem| {
                RegisteredCertificate::from_pem(pem).ok_or_else(|| {
                    ScenarioError::new(
                        format!("the certificates of {id}"),
                        "one is not a certificate for an RSA key in PEM",
                    )
                })
            });
            let certificates = certificates.collect::<Result<_, _>>()?;
            apps.push(Registered { app, certificates });
        }
        let issuers = scenario.issuers.iter().map(|(issuer, keys)| {
            let keys = serde_json::from_value(keys.clone());
            let keys = keys.map_err(|_| {
                ScenarioError::new(format!("issuers: {issuer}"), "this is not a JSON Web Key Set")
            });
            Ok((issuer.clone(), keys?))
        });
        Ok(Self { apps, issuers: issuers.collect::<Result<_, ScenarioError>>()? })
    }

    /// The id of the registration that the scenario itself describes.
    pub(crate) fn first(&self) -> Option<&str> {
        self.apps.first().map(|it| it.app.client_id.as_str())
    }

    /// The registration with this id.
    pub(crate) fn app(&self, client_id: &str) -> Option<&Registered> {
        self.apps.iter().find(|it| it.app.client_id.eq_ignore_ascii_case(client_id))
    }

    /// The key that an identity provider publishes under an id.
    pub(crate) fn issuer_key(&self, issuer: &str, kid: &str) -> Option<DecodingKey> {
        DecodingKey::from_jwk(self.issuers.get(issuer)?.find(kid)?).ok()
    }
}

impl RegisteredCertificate {
    fn from_pem(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let parsed = Certificate::from_der(&der).ok()?;
        let certificate = parsed.tbs_certificate();
        let spki = certificate.subject_public_key_info();
        // The key's bits are an RSA key's only if it has a modulus.
        let key = spki.subject_public_key.as_bytes()?;
        aws_lc_rs::signature::RsaParameters::public_modulus_len(key).ok()?;
        let moment = |time: Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
            seconds.and_then(|it| Timestamp::from_second(it).ok()).unwrap_or(Timestamp::MAX)
        };
        let validity = certificate.validity();
        Some(Self {
            thumbprint: Sha256::digest(&der).into(),
            key: DecodingKey::from_rsa_der(key),
            begins: moment(validity.not_before),
            ends: moment(validity.not_after),
        })
    }
}

/// What identity providers publish, by issuer: a JSON Web Key Set each (RFC 7517).
pub(crate) type Issuers = IndexMap<String, Value>;
