//! A token of AWS that Microsoft's sign-in takes in place of a client secret.
//!
//! Sources: AWS STS API reference, `GetWebIdentityToken`; IAM User Guide, "Outbound identity
//! federation"; Microsoft identity platform, "Workload identity federation" (audience, RS256).

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sts::Client;
use aws_sdk_sts::error::ProvideErrorMetadata as _;
use tokio::sync::OnceCell;

use super::{Patience, failed, load};
use crate::domain::secret::Secret;
use crate::ports::{ClientAssertion, Failure, PortError};

/// Whom the token is for, as Entra expects it.
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The one algorithm that Entra takes.
const ALGORITHM: &str = "RS256";

/// How long the token is good for, in seconds: it is used at once. STS grants 60 to 3600.
const SECONDS: i32 = 300;

/// What mends an account that has not turned it on.
const DISABLED: &str = "the AWS account does not issue web identity tokens; turn on outbound \
                        identity federation in its IAM settings (aws iam \
                        enable-outbound-web-identity-federation), and give the issuer it then \
                        shows to the application's federated credential";

/// What mends a role that may not ask.
const NOT_ALLOWED: &str = "this function's role may not ask STS for a web identity token; allow it \
                           sts:GetWebIdentityToken";

/// STS, asked for tokens about the role that this process runs as.
pub struct WebIdentity {
    client: OnceCell<Client>,
}

impl WebIdentity {
    /// Asks the regional STS of these connections: the global endpoint does not know the call.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: OnceCell::from(Client::new(config)) }
    }

    /// Asks the STS of the region that the AWS environment names, which is read when the first
    /// token is asked for.
    pub fn of_environment() -> Self {
        Self { client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, PortError> {
        let client = async || load(Patience::WORK).await.map(|config| Client::new(&config));
        self.client.get_or_try_init(client).await.map_err(|error| {
            PortError::new(Failure::Transient, "STS cannot be asked").because(error)
        })
    }
}

#[async_trait]
impl ClientAssertion for WebIdentity {
    /// A fresh token: a JWT signed with RS256, whose audience is `api://AzureADTokenExchange`.
    ///
    /// # Errors
    /// [`Failure::SignInRefused`] with the mend where the account has not turned outbound identity
    /// federation on, [`Failure::Denied`] where the role may not ask; else those of STS.
    async fn assertion(&self) -> Result<Secret, PortError> {
        let ask = self.client().await?.get_web_identity_token().audience(AUDIENCE);
        let answer = ask.duration_seconds(SECONDS).signing_algorithm(ALGORITHM).send().await;
        let answer = answer.map_err(|error| {
            // Written with and without `Exception` in the documentation.
            let disabled = error
                .as_service_error()
                .and_then(|error| error.code())
                .is_some_and(|code| code.starts_with("OutboundWebIdentityFederationDisabled"));
            let failure = failed("asking STS for a web identity token", error);
            let (kind, said) = if disabled {
                (Failure::SignInRefused, DISABLED)
            } else if failure.kind == Failure::Denied {
                (Failure::Denied, NOT_ALLOWED)
            } else {
                return failure;
            };
            PortError { kind, said: said.to_owned(), source: failure.source }
        })?;
        let token = answer.web_identity_token.filter(|token| token.split('.').count() == 3);
        token
            .map(Secret::new)
            .ok_or_else(|| PortError::new(Failure::Unintelligible, "STS answered with no token"))
    }
}
