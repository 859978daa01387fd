//! What a Lambda function needs: names of queues, table and secrets, then what stands in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::certificate::notification_keys;
use super::{Config, ConfigError, Part, Secrets, Settings};
use crate::domain::policy::Policy;

/// The longest that the queue of what is put off can wait: `DelaySeconds` of Amazon SQS.
const LATER_MAX_SECONDS: i64 = 900;

/// What the environment of a function says.
#[derive(Debug, Clone)]
pub struct FunctionSettings {
    /// Which function it is.
    pub part: Part,
    /// What it says to every part.
    pub settings: Settings,
    /// `WARDEN_SECRETS`: the names of the secrets, with commas between them.
    pub secrets: Vec<String>,
    /// `WARDEN_QUEUE`: the url of the work queue.
    pub work: String,
    /// `WARDEN_LATER`: the url of the queue of what is put off; the worker's alone.
    pub later: String,
    /// `WARDEN_DEAD_LETTERS`: the url of the queue of dead letters; the worker's alone.
    pub dead: String,
    /// `WARDEN_STORE`: the name of the table; not the door's.
    pub table: String,
}

/// A secret as it stands, and as it stood before.
#[derive(Debug)]
pub struct SecretDocument {
    /// Its name.
    pub name: String,
    /// Its text.
    pub current: String,
    /// Its text before the last change, where it is still kept.
    pub previous: Option<String>,
}

impl FunctionSettings {
    /// Reads the variables, telling everything that is wrong with them at once.
    ///
    /// # Errors
    /// [`ConfigError::Settings`].
    pub fn read(
        part: Part,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        // What follows `aws:` in a variable that this function needs.
        let mut named = |name: &str, what: &str, needed: bool| {
            if !needed {
                return String::new();
            }
            let value = variable(name);
            let place = value.as_deref().and_then(|value| value.strip_prefix("aws:"));
            if let Some(place) = place.filter(|place| !place.is_empty()) {
                return place.to_owned();
            }
            problems.push(format!("{name} is to be aws: with {what}"));
            String::new()
        };
        let worker = part == Part::Worker;
        let work = named("WARDEN_QUEUE", "the url of the work queue", true);
        let later = named("WARDEN_LATER", "the url of the queue of what is put off", worker);
        let dead = named("WARDEN_DEAD_LETTERS", "the url of the queue of dead letters", worker);
        let table = named("WARDEN_STORE", "the name of the table", part != Part::Ingest);
        let secrets = named("WARDEN_SECRETS", "the name of a secret", true);
        // The rest is the same for every part, and knows no places but files.
        let rest = |name: &str| match name {
            "WARDEN_STORE" | "WARDEN_QUEUE" => None,
            "WARDEN_SECRETS" => Some("file:none".to_owned()),
            _ => variable(name),
        };
        let settings = Settings::read(rest).map_err(|more| problems.extend(more)).ok();
        if settings.as_ref().and_then(|settings| settings.settle_after).is_some_and(too_late) {
            problems.push("WARDEN_SETTLE_AFTER is PT15M at the most on AWS, or off".to_owned());
        }
        match settings {
            Some(settings) if problems.is_empty() => {
                let secrets = secrets.split(',').map(|name| name.trim().to_owned()).collect();
                Ok(Self { part, settings, secrets, work, later, dead, table })
            }
            _ => Err(ConfigError::Settings(problems)),
        }
    }

    /// Checks policy and secrets, and lays all together.
    ///
    /// # Errors
    /// [`ConfigError::Policy`] or [`ConfigError::Secrets`].
    pub fn complete(
        &self,
        policy: &str,
        documents: Vec<SecretDocument>,
    ) -> Result<Config, ConfigError> {
        let path = self.settings.policy.clone();
        let checked =
            Policy::parse(policy).map_err(|problems| ConfigError::Policy { path, problems })?;
        let names = self.secrets.join(",");
        let wrong = |problems| ConfigError::Secrets { path: PathBuf::from(&names), problems };
        let mut secrets = Secrets::none();
        for document in documents {
            let path = PathBuf::from(&document.name);
            let mut one = Secrets::parse(&document.current)
                .map_err(|problems| ConfigError::Secrets { path, problems })?;
            // What was wrong once does not matter once it is mended.
            if let Some(Ok(before)) = document.previous.as_deref().map(Secrets::parse) {
                one = one.rotated_from(before);
            }
            secrets = secrets.and(one);
        }
        let mut problems = secrets.missing_for(&checked.policy, self.part);
        let keys = notification_keys(&secrets).unwrap_or_else(|more| {
            problems.extend(more);
            Vec::new()
        });
        if !problems.is_empty() {
            return Err(wrong(problems));
        }
        Ok(Config {
            settings: self.settings.clone(),
            policy: Arc::new(checked.policy),
            warnings: checked.warnings,
            secrets,
            notification_keys: keys.into_iter().map(Arc::new).collect(),
        })
    }
}

fn too_late(after: jiff::SignedDuration) -> bool {
    after.as_secs() > LATER_MAX_SECONDS
}

/// Reads a policy that lies in the function's package.
///
/// # Errors
/// [`ConfigError::File`].
pub fn packaged_policy(path: &Path) -> Result<String, ConfigError> {
    super::read(path, Some("WARDEN_POLICY"))
}
