//! The secrets document in Secrets Manager: read with the stage before it, kept for some minutes,
//! and read anew when somebody proves themselves with a key that is not known.
//!
//! Source: AWS Secrets Manager API reference, `GetSecretValue` (`AWSCURRENT`, `AWSPREVIOUS`).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex as Turn;
use tracing::{error, warn};

use super::failed;
use crate::config::Secrets;
use crate::http::renewing::Renew;
use crate::ports::{Clock, Failure, PortError, chain};

/// How long what was read is good for.
const KEPT: SignedDuration = SignedDuration::from_mins(5);

/// Not read again for a key that is not known before this time is over: whoever knocks with a wrong
/// key must not make us ask again and again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// Secrets that are read when they are needed.
pub struct StoredSecrets {
    client: Client,
    ids: Vec<String>,
    clock: Arc<dyn Clock>,
    held: Mutex<Option<Held>>,
    /// Held while they are read, so that many requests share one reading.
    turn: Turn<()>,
}

#[derive(Clone)]
struct Held {
    secrets: Arc<Secrets>,
    /// When they were last read, or tried to be.
    tried_at: Timestamp,
}

impl StoredSecrets {
    /// The secrets of these names, which are one document together.
    pub fn new(config: &SdkConfig, ids: Vec<String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            client: Client::new(config),
            ids,
            clock,
            held: Mutex::default(),
            turn: Turn::default(),
        }
    }

    /// The secrets, not older than `at_most` if they can be had. Where they cannot be read anew,
    /// what was read before is good enough.
    async fn not_older(&self, at_most: SignedDuration) -> Result<Arc<Secrets>, PortError> {
        if let Some(held) = self.fresh(at_most) {
            return Ok(held);
        }
        let _turn = self.turn.lock().await;
        // Somebody else may have read them while we waited.
        if let Some(held) = self.fresh(at_most) {
            return Ok(held);
        }
        let tried_at = self.clock.now();
        let read = self.read().await;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = match (read, held.take()) {
            // The same Arc tells that nothing has changed.
            (Ok(read), Some(before)) if *before.secrets == read => before.secrets,
            (Ok(read), _) => Arc::new(read),
            (Err(error), Some(before)) => {
                error!("the secrets cannot be read anew, and stay as they were: {}", chain(&error));
                before.secrets
            }
            (Err(error), None) => return Err(error),
        };
        *held = Some(Held { secrets: Arc::clone(&secrets), tried_at });
        Ok(secrets)
    }

    fn fresh(&self, at_most: SignedDuration) -> Option<Arc<Secrets>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let age = self.clock.now().duration_since(held.tried_at);
        (age < at_most).then_some(held.secrets)
    }

    async fn read(&self) -> Result<Secrets, PortError> {
        let mut whole: Option<(Secrets, &str)> = None;
        let all = join_all(self.ids.iter().map(|id| self.rotated(id))).await;
        for (id, secrets) in self.ids.iter().zip(all) {
            let secrets = secrets?;
            whole = Some(match whole {
                None => (secrets, id),
                Some((before, first)) => {
                    let both = before.with(secrets, [first, id]);
                    (both.map_err(|problems| incomplete(first, &problems))?, first)
                }
            });
        }
        whole
            .map(|(secrets, _)| secrets)
            .ok_or_else(|| PortError::new(Failure::Refused, "no secret is named"))
    }

    /// One document, with what of the stage before it is still accepted.
    async fn rotated(&self, id: &str) -> Result<Secrets, PortError> {
        // In this order: were it rotated meanwhile, asking for both at once could miss the version
        // that senders still use.
        let now = self.stage(id, "AWSCURRENT").await?;
        let now = now.ok_or_else(|| {
            let said = format!("the secret {id} has no current version; put a value into it");
            PortError::new(Failure::Gone, said)
        })?;
        let now = Secrets::parse(&now).map_err(|problems| incomplete(id, &problems))?;
        let Some(before) = self.stage(id, "AWSPREVIOUS").await? else { return Ok(now) };
        let Ok(before) = Secrets::parse(&before) else {
            warn!("the version before of the secret {id} cannot be read, and is left out");
            return Ok(now);
        };
        Ok(now.with_previous(&before))
    }

    /// The text of one stage; nothing where there is no such stage.
    async fn stage(&self, id: &str, stage: &str) -> Result<Option<String>, PortError> {
        let ask = self.client.get_secret_value().secret_id(id).version_stage(stage);
        match ask.send().await {
            Ok(answer) => match answer.secret_string {
                Some(text) => Ok(Some(text)),
                None => Err(incomplete(id, &["it is not a text".to_owned()])),
            },
            Err(error) => {
                let absent = error
                    .as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception);
                if absent && stage != "AWSCURRENT" {
                    return Ok(None);
                }
                Err(failed(&format!("reading the secret {id}"), error))
            }
        }
    }
}

#[async_trait]
impl Renew<Secrets> for StoredSecrets {
    async fn held(&self) -> Result<Arc<Secrets>, PortError> {
        self.not_older(KEPT).await
    }

    async fn renewed(&self) -> Result<Arc<Secrets>, PortError> {
        self.not_older(AGAIN_AFTER).await
    }
}

/// The document does not hold together. No value is quoted.
fn incomplete(id: &str, problems: &[String]) -> PortError {
    let said = format!("the secret {id} is not complete: {}", problems.join("; "));
    PortError::new(Failure::Refused, said)
}
