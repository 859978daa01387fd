//! What a run on AWS begins with: settings from the environment, and what they name.

use std::path::Path;
use std::sync::Arc;

use aws_config::SdkConfig;
use futures_util::future::join;

use super::policy;
use super::secrets::StoredSecrets;
use crate::adapters::http::Http;
use crate::config::{Config, ConfigError, Part, Secrets, Settings, Source, named, read};
use crate::domain::policy::{Policy, Problem};
use crate::http::renewing::Renew;
use crate::ports::{Clock, PortError};

/// What a run is made from, and may be made from again when its secrets have changed.
pub struct Start {
    settings: Settings,
    policy: Arc<Policy>,
    warnings: Vec<Problem>,
    secrets: Arc<dyn Renew<Secrets>>,
    part: Part,
}

impl Start {
    /// Reads the settings, the policy and the secrets.
    ///
    /// # Errors
    /// [`ConfigError`]; its text says what is wrong, where, and how to mend it.
    pub async fn read(
        variable: impl Fn(&str) -> Option<String>,
        part: Part,
        sdk: &SdkConfig,
        http: impl FnOnce() -> Result<Http, PortError>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let settings = Settings::read(variable).map_err(ConfigError::Settings)?;
        let secrets: Arc<dyn Renew<Secrets>> = match &settings.secrets {
            Source::File(path) => Arc::new(Fixed(parsed(path, &settings)?)),
            Source::Aws(ids) => Arc::new(StoredSecrets::new(sdk, ids.clone(), Arc::clone(&clock))),
        };
        let policy = async {
            match &settings.policy {
                Source::File(path) => read(path, Some("WARDEN_POLICY")),
                Source::Aws(names) => {
                    let name = names.first().map_or("", String::as_str);
                    let variable = "WARDEN_POLICY";
                    let unread = |source| ConfigError::Aws { variable, source };
                    let http = http().map_err(unread)?;
                    policy::object(sdk, &http, name, clock.now()).await.map_err(unread)
                }
            }
        };
        // Each is a journey to another service, and neither needs the other.
        let (policy, held) = join(policy, secrets.held()).await;
        let (policy, warnings) = named(&settings, &policy?)?;
        held.map_err(unread_secrets)?;
        Ok(Self { settings, policy, warnings, secrets, part })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The secrets, which may change.
    pub fn secrets(&self) -> Arc<dyn Renew<Secrets>> {
        Arc::clone(&self.secrets)
    }

    /// Everything a run needs, checked, with these secrets.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn with(&self, secrets: &Secrets) -> Result<Config, ConfigError> {
        let (policy, warnings) = (Arc::clone(&self.policy), self.warnings.clone());
        Config::with(self.settings.clone(), policy, warnings, secrets.clone(), self.part)
    }

    /// Everything a run needs, checked, with the secrets as they stand.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub async fn config(&self) -> Result<Config, ConfigError> {
        let held = self.secrets.held().await.map_err(unread_secrets)?;
        self.with(&held)
    }
}

fn unread_secrets(source: PortError) -> ConfigError {
    ConfigError::Aws { variable: "WARDEN_SECRETS", source }
}

fn parsed(path: &Path, settings: &Settings) -> Result<Arc<Secrets>, ConfigError> {
    let text = read(path, Some("WARDEN_SECRETS"))?;
    let parsed = Secrets::parse(&text)
        .map_err(|problems| ConfigError::Secrets { source: settings.secrets.clone(), problems });
    parsed.map(Arc::new)
}

/// Secrets that do not change.
struct Fixed(Arc<Secrets>);

#[async_trait::async_trait]
impl Renew<Secrets> for Fixed {
    async fn held(&self) -> Result<Arc<Secrets>, PortError> {
        Ok(Arc::clone(&self.0))
    }

    async fn renewed(&self) -> Result<Arc<Secrets>, PortError> {
        Ok(Arc::clone(&self.0))
    }
}
