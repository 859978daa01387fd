//! Secrets Manager: each secret as it stands, and as it stood before it was changed.

use aws_sdk_secretsmanager::Client;

use crate::config::function::SecretDocument;
use crate::ports::{Failure, PortError};

/// Reads the secrets. There is no previous one before the first change.
///
/// # Errors
/// When a secret cannot be read.
pub async fn read(client: &Client, names: &[String]) -> Result<Vec<SecretDocument>, PortError> {
    let mut documents = Vec::new();
    for name in names {
        let current = stage(client, name, "AWSCURRENT").await?;
        let current = current.ok_or_else(|| {
            let said = format!("there is no secret {name}, or nothing in it as text");
            PortError::new(Failure::Gone, said)
        })?;
        let previous = stage(client, name, "AWSPREVIOUS").await?;
        documents.push(SecretDocument { name: name.clone(), current, previous });
    }
    Ok(documents)
}

async fn stage(client: &Client, name: &str, stage: &str) -> Result<Option<String>, PortError> {
    let got = client.get_secret_value().secret_id(name).version_stage(stage).send().await;
    match got {
        Ok(got) => Ok(got.secret_string),
        Err(error) => match error.as_service_error() {
            Some(refused) if refused.is_resource_not_found_exception() => Ok(None),
            _ => {
                let said = format!("the secret {name} cannot be read");
                Err(PortError::new(Failure::Transient, said).because(error))
            }
        },
    }
}
