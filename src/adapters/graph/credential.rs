//! What an application proves itself with when it signs in, and what to mend when that is not
//! enough.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use url::Url;
use uuid::Uuid;

use super::client_certificate::ClientCertificate;
use crate::domain::secret::Secret;
use crate::ports::{ClientAssertion, Failure, PortError};

/// A certificate that ends within this time is spoken of.
const RENEW_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// `client_assertion_type` of RFC 7523.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the application proves itself with.
#[derive(Clone)]
pub enum Credential {
    /// A client secret.
    Secret {
        /// The application's id.
        client_id: String,
        /// The secret.
        secret: Secret,
    },
    /// A certificate that is registered with the application.
    Certificate {
        /// The application's id.
        client_id: String,
        /// The certificate and its key.
        certificate: Arc<ClientCertificate>,
    },
    /// A token of another identity provider that the application trusts by a federated identity
    /// credential: no secret at all.
    Federated {
        /// The application's id.
        client_id: String,
        /// Who has such tokens.
        assertion: Arc<dyn ClientAssertion>,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, client_id) = match self {
            Self::Secret { client_id, .. } => ("Secret", client_id),
            Self::Certificate { client_id, .. } => ("Certificate", client_id),
            Self::Federated { client_id, .. } => ("Federated", client_id),
        };
        f.debug_struct(kind).field("client_id", client_id).finish_non_exhaustive()
    }
}

/// Which of the two applications is meant. Where there is only one, it is the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The one that reads.
    Reader,
    /// The one that writes.
    Writer,
}

impl Identity {
    /// The variable that holds its id.
    pub fn client_id(self) -> &'static str {
        match self {
            Self::Reader => "WARDEN_CLIENT_ID",
            Self::Writer => "WARDEN_WRITE_CLIENT_ID",
        }
    }

    /// The key of its client secret in the secrets document.
    pub fn client_secret(self) -> &'static str {
        match self {
            Self::Reader => "graphClientSecret",
            Self::Writer => "graphWriteClientSecret",
        }
    }

    /// The key of its certificate in the secrets document.
    pub fn certificate(self) -> &'static str {
        match self {
            Self::Reader => "graphCertificatePem",
            Self::Writer => "graphWriteCertificatePem",
        }
    }

    /// The key of its certificate's private key in the secrets document.
    pub fn private_key(self) -> &'static str {
        match self {
            Self::Reader => "graphPrivateKeyPem",
            Self::Writer => "graphWritePrivateKeyPem",
        }
    }
}

/// What is sent along in proof.
pub(super) enum Proof {
    Secret(Secret),
    Assertion(Secret),
}

impl Proof {
    /// The fields of the form that hold it.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Secret(secret) => vec![("client_secret", secret.expose())],
            Self::Assertion(assertion) => vec![
                ("client_assertion_type", JWT_BEARER),
                ("client_assertion", assertion.expose()),
            ],
        }
    }
}

impl Credential {
    /// The application's id.
    pub fn client_id(&self) -> &str {
        match self {
            Self::Secret { client_id, .. }
            | Self::Certificate { client_id, .. }
            | Self::Federated { client_id, .. } => client_id,
        }
    }

    /// What a person should know of it at `now`: that its certificate is not in force, or not for
    /// much longer.
    pub fn concern(&self, identity: Identity, now: Timestamp) -> Option<String> {
        let Self::Certificate { certificate, .. } = self else { return None };
        let (begins, ends) = (certificate.begins(), certificate.ends());
        let (name, key, app) =
            (identity.certificate(), identity.private_key(), identity.client_id());
        let renew = format!(
            "add a new certificate to the application {app}, then put it and its key into {name} \
             and {key} and start anew"
        );
        if now < begins {
            Some(format!(
                "{name} is in force from {begins} only: until then signing in is refused; check \
                 this machine's clock, or {renew}"
            ))
        } else if now > ends {
            Some(format!("{name} ended at {ends}: signing in is refused; {renew}"))
        } else if ends.duration_since(now) < RENEW_WITHIN {
            Some(format!("{name} ends at {ends}: from then on signing in is refused; {renew}"))
        } else {
            None
        }
    }

    /// The proof to be sent to `endpoint`. An assertion is made for each request.
    ///
    /// # Errors
    /// [`Failure::Transient`] and [`Failure::Throttled`] as whoever has the assertion says;
    /// [`Failure::SignInRefused`] for everything else, since somebody has to mend it.
    pub(super) async fn proof(&self, endpoint: &Url, now: Timestamp) -> Result<Proof, PortError> {
        match self {
            Self::Secret { secret, .. } => Ok(Proof::Secret(secret.clone())),
            Self::Certificate { client_id, certificate } => {
                #[expect(clippy::disallowed_methods, reason = "an edge, where ids are made")]
                let id = Uuid::new_v4();
                let assertion = certificate.assertion(client_id, endpoint.as_str(), id, now);
                assertion.map(Proof::Assertion).map_err(|error| {
                    let said = "the assertion for the sign-in cannot be signed";
                    PortError::new(Failure::SignInRefused, said).because(error)
                })
            }
            Self::Federated { assertion, .. } => match assertion.assertion().await {
                Ok(assertion) => Ok(Proof::Assertion(assertion)),
                Err(error) => Err(match error.kind {
                    Failure::Transient | Failure::Throttled(_) => error,
                    Failure::SignInRefused
                    | Failure::Denied
                    | Failure::Gone
                    | Failure::Refused
                    | Failure::Unintelligible => {
                        PortError { kind: Failure::SignInRefused, ..error }
                    }
                }),
            },
        }
    }

    /// What can be done about an error code of the sign-in, and how it is to be mended: empty, or
    /// words that continue a sentence.
    ///
    /// The codes may change without notice, so no more hangs on them than these words, and
    /// whether a refusal is taken for a passing one.
    ///
    /// Source: "Microsoft Entra authentication and authorization error codes"; for 70021,
    /// "Important considerations and restrictions for federated identity credentials"; for
    /// 700211 to 700213 and 7002138, threads of Azure/azure-workload-identity and Azure/login.
    pub(super) fn mend(&self, identity: Identity, code: u32) -> (Failure, String) {
        let app = identity.client_id();
        let federated = |part: &str| {
            format!(
                "; make the {part} of the federated credential of the application {app} that of \
                 the tokens, letter for letter; a new credential takes some minutes to count"
            )
        };
        let refused = |mend: String| (Failure::SignInRefused, mend);
        match (self, code) {
            (_, 700_016 | 7_000_229) => {
                refused(format!("; grant admin consent to the application {app} in this tenant"))
            }
            (_, 90_002) => {
                refused("; the id of this tenant in the policy is that of no tenant".to_owned())
            }
            (Self::Secret { .. }, 7_000_215 | 7_000_222) => refused(format!(
                "; put a client secret that is valid into {}",
                identity.client_secret()
            )),
            (Self::Certificate { .. }, 700_027) => refused(format!(
                "; add the certificate in {} to the application {app} (App registrations > \
                 Certificates & secrets), or put one that is there and in force into {} and {}",
                identity.certificate(),
                identity.certificate(),
                identity.private_key(),
            )),
            (Self::Federated { .. }, 700_027 | 50_027) => refused(format!(
                "; the sign-in cannot verify the token: the issuer in the federated credential of \
                 the application {app} is to publish the key that signs it, and it is to be \
                 signed with RS256"
            )),
            (Self::Certificate { .. } | Self::Federated { .. }, 700_024) => {
                refused("; set this machine's clock: the assertion was not in its time".to_owned())
            }
            (Self::Certificate { .. }, 700_023) => refused(
                "; set WARDEN_LOGIN_URL to the sign-in's own origin, such as \
                 https://login.microsoftonline.com"
                    .to_owned(),
            ),
            // A new federated credential is not known everywhere at once.
            (Self::Federated { .. }, 70_021) => {
                (Failure::Transient, federated("issuer, subject and audience"))
            }
            (Self::Federated { .. }, 700_211) => refused(federated("issuer")),
            (Self::Federated { .. }, 700_212) => refused(federated("audience")),
            (Self::Federated { .. }, 700_213 | 7_002_137 | 7_002_138) => {
                refused(federated("subject"))
            }
            _ => refused(String::new()),
        }
    }
}
