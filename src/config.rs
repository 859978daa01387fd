//! Settings, secrets and policy: read once, checked whole, told in words that say the mend.

#![expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]

mod certificate;
mod credentials;
mod places;
mod reader;
mod secrets;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use rustls_pki_types::TrustAnchor;
use url::Url;

use self::certificate::{notification_keys, partner_center_roots};
pub use self::credentials::CredentialKind;
use self::credentials::credential;
pub use self::places::{Part, Place, Source};
use self::reader::Reader;
pub use self::secrets::Secrets;
use crate::adapters::graph::{Credential, Identity};
use crate::domain::policy::{Checked, Mode, Policy, Problem};
use crate::domain::secret::Secret;
use crate::domain::ticket::template;
use crate::ports::{PortError, chain};
use crate::wire::graph::NotificationKey;

const PARTNER_CENTER_URL: &str = "WARDEN_PARTNER_CENTER_URL";

/// Where the Partner Center API is, unless [`Settings::partner_center_url`] says otherwise.
const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";

/// What the environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `WARDEN_POLICY`: the policy.
    pub policy: Source,
    /// `WARDEN_SECRETS`: the secrets document, or several that are one together.
    pub secrets: Source,
    /// `WARDEN_STORE`: ledger and outbox.
    pub store: Place,
    /// `WARDEN_QUEUE`: the queue; the store's file unless it says otherwise.
    pub queue: Place,
    /// `WARDEN_LATER_QUEUE`: on AWS, the url of the queue in which delayed work waits.
    pub later_queue: Option<String>,
    /// `WARDEN_DEAD_LETTERS`: on AWS, the url of the queue in which work is kept that failed.
    pub dead_letters: Option<String>,
    /// `WARDEN_CLIENT_ID`: the app registration.
    pub client_id: String,
    /// `WARDEN_WRITE_CLIENT_ID`: the app registration that alone may write, if there is one.
    pub write_client_id: Option<String>,
    /// `WARDEN_CREDENTIAL`: what both prove themselves with.
    pub credential: CredentialKind,
    /// `WARDEN_GRAPH_URL`: Graph's origin.
    pub graph_url: Url,
    /// `WARDEN_LOGIN_URL`: the sign-in's origin.
    pub login_url: Url,
    /// `WARDEN_MANAGEMENT_URL`: the Management Activity API's origin.
    pub management_url: Url,
    /// `WARDEN_SWEEP_EVERY`: how often every tenant is looked at without a reason.
    pub sweep_every: Option<SignedDuration>,
    /// `WARDEN_POLL_EVERY`: how often every tenant's audit log is read.
    pub poll_every: Option<SignedDuration>,
    /// `WARDEN_PUBLIC_URL`: where Graph reaches this program; without it, it is not asked to.
    pub public_url: Option<Url>,
    /// `WARDEN_SETTLE_AFTER`: how long after a look the settling look comes.
    pub settle_after: Option<SignedDuration>,
    /// `WARDEN_SENDER_ROLES`: application roles of which a sender with a token must hold one.
    pub sender_roles: Vec<String>,
    /// `WARDEN_APPROVER_SIGN_IN`, `WARDEN_APPROVER_ROLES`: the application roles of which whoever
    /// decides must hold one, none for any account; nothing where they only give their name.
    pub approvers: Option<Vec<String>>,
    /// `WARDEN_PARTNER_CENTER_HOSTS`: where Partner Center's certificates may be published, as
    /// origins; none where it is not listened to.
    pub partner_center_origins: Vec<Url>,
    /// `WARDEN_PARTNER_CENTER_URL`: the Partner Center API's origin; nothing where it does not say.
    pub partner_center_url: Option<Url>,
    /// `WARDEN_LISTEN`: where `serve` listens.
    pub listen: SocketAddr,
    /// `WARDEN_METRICS_LISTEN`: where `serve` tells numbers, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
}

/// Everything a run needs, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the environment says.
    pub settings: Settings,
    /// The policy.
    pub policy: Arc<Policy>,
    /// What the policy's author should know.
    pub warnings: Vec<Problem>,
    /// The secrets.
    pub secrets: Secrets,
    /// What `WARDEN_CLIENT_ID` signs in with; nothing for the router alone.
    pub credential: Option<Credential>,
    /// What `WARDEN_WRITE_CLIENT_ID` signs in with, if there is one, and not in `observe`.
    pub write_credential: Option<Credential>,
    /// The keys that notifications' resource data is encrypted for.
    pub notification_keys: Vec<Arc<NotificationKey>>,
    /// The roots that Partner Center's certificates must lead to, if not those of this machine.
    pub partner_center_roots: Option<Arc<[TrustAnchor<'static>]>>,
}

/// The store, where none is named.
const STORE: &str = "partner-warden.db";

/// Why nothing can be run. Its text is the one message a person gets.
#[derive(Debug)]
pub enum ConfigError {
    /// Variables that are missing or wrong, one line each.
    Settings(Vec<String>),
    /// A file that cannot be read.
    File {
        /// The variable that names it, if one does.
        variable: Option<&'static str>,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A policy that does not hold together.
    Policy {
        /// Where it was read from.
        source: Source,
        /// What is wrong, and where.
        problems: Vec<Problem>,
    },
    /// A secrets document that does not hold together, one line each. No value is quoted.
    Secrets {
        /// Where it was read from.
        source: Source,
        /// What is wrong.
        problems: Vec<String>,
    },
    /// Something kept on AWS that cannot be read.
    Aws {
        /// The variable that names it.
        variable: &'static str,
        /// Why.
        source: PortError,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |f: &mut fmt::Formatter<'_>, lines: &[String]| {
            lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
        };
        match self {
            Self::Settings(problems) => {
                f.write_str("the settings are not complete:")?;
                lines(f, problems)
            }
            Self::File { variable, path, source } => {
                write!(f, "cannot read {}", path.display())?;
                if let Some(variable) = variable {
                    write!(f, " (named by {variable})")?;
                }
                write!(f, ": {source}")
            }
            Self::Policy { source, problems } => {
                f.write_str("the policy does not hold together:")?;
                problems.iter().try_for_each(|p| write!(f, "\n  {source}:{p}"))
            }
            Self::Secrets { source, problems } => {
                write!(f, "the secrets in {source} are not complete:")?;
                lines(f, problems)
            }
            Self::Aws { variable, source } => {
                write!(f, "cannot read what {variable} names: {}", chain(source))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// The value of a variable of the environment; empty counts as not set.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Where records are kept: all that reading them needs to know.
///
/// # Errors
/// [`ConfigError::Settings`].
pub fn store(variable: impl Fn(&str) -> Option<String>) -> Result<Place, ConfigError> {
    let mut reader = Reader { variable, problems: Vec::new() };
    let store = reader.store("WARDEN_STORE");
    if !reader.problems.is_empty() {
        return Err(ConfigError::Settings(reader.problems));
    }
    Ok(store.unwrap_or_else(|| Place::Sqlite(STORE.into())))
}

impl Config {
    /// Reads everything the environment points to.
    ///
    /// # Errors
    /// [`ConfigError`]; its text says what is wrong, where, and how to mend it.
    pub fn load(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::load_for(Part::Whole, variable)
    }

    /// The same for what of the program is to run.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load_for(
        part: Part,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let settings = Settings::read(variable).map_err(ConfigError::Settings)?;
        let (Source::File(policy), Source::File(secrets)) = (&settings.policy, &settings.secrets)
        else {
            let elsewhere = "what is kept on AWS is read by the Lambda functions; here WARDEN_POLICY \
                             is to be a path, and WARDEN_SECRETS file:PATH";
            return Err(ConfigError::Settings(vec![elsewhere.to_owned()]));
        };
        let policy = read(policy, Some("WARDEN_POLICY"))?;
        let secrets = read(secrets, Some("WARDEN_SECRETS"))?;
        let secrets = Secrets::parse(&secrets).map_err(|problems| ConfigError::Secrets {
            source: settings.secrets.clone(),
            problems,
        })?;
        let config = Self::of(settings, &policy, secrets, part)?;
        // Whoever puts back, or only looks, says nothing in tickets.
        if part == Part::Whole {
            config.try_templates()?;
        }
        Ok(config)
    }

    /// Tries the templates of the policy: whoever tells tickets is not to begin with one that fails.
    /// It is apart from the reading of the policy, since the router does without.
    ///
    /// # Errors
    /// [`ConfigError::Policy`].
    pub fn try_templates(&self) -> Result<(), ConfigError> {
        try_templates(&self.policy, &self.settings.policy)
    }

    /// Checks what was read, for what of the program is to run.
    ///
    /// # Errors
    /// [`ConfigError::Policy`] or [`ConfigError::Secrets`].
    pub fn of(
        settings: Settings,
        policy: &str,
        secrets: Secrets,
        part: Part,
    ) -> Result<Self, ConfigError> {
        let (policy, warnings) = named(&settings, policy)?;
        Self::with(settings, policy, warnings, secrets, part)
    }

    /// Checks secrets that were read, for a policy that was checked before.
    ///
    /// # Errors
    /// [`ConfigError::Secrets`].
    pub(crate) fn with(
        settings: Settings,
        policy: Arc<Policy>,
        warnings: Vec<Problem>,
        secrets: Secrets,
        part: Part,
    ) -> Result<Self, ConfigError> {
        let opened = open(&secrets, &settings, &policy, part);
        let source = settings.secrets.clone();
        let opened = opened.map_err(|problems| ConfigError::Secrets { source, problems })?;
        Ok(Self {
            settings,
            policy,
            warnings,
            secrets,
            credential: opened.credential,
            write_credential: opened.write_credential,
            notification_keys: opened.notification_keys,
            partner_center_roots: opened.partner_center_roots,
        })
    }
}

impl Config {
    /// Where and for whom Partner Center is asked about customers: the API's origin, and the refresh
    /// token of a user if the application acts for one. Nothing where neither is configured, and
    /// nobody is asked.
    pub fn partner_center(&self) -> Option<(Url, Option<Secret>)> {
        let user = self.secrets.secret("partnerCenterRefreshToken").cloned();
        match (&self.settings.partner_center_url, user) {
            (Some(url), user) => Some((url.clone(), user)),
            (None, Some(user)) => Some((Url::parse(PARTNER_CENTER).ok()?, Some(user))),
            (None, None) => None,
        }
    }
}

/// The policy that the settings name, and what its author should know.
pub(crate) fn named(
    settings: &Settings,
    policy: &str,
) -> Result<(Arc<Policy>, Vec<Problem>), ConfigError> {
    let source = settings.policy.clone();
    let checked =
        Policy::parse(policy).map_err(|problems| ConfigError::Policy { source, problems })?;
    Ok((Arc::new(checked.policy), checked.warnings))
}

/// What the secrets document holds, checked.
struct Opened {
    credential: Option<Credential>,
    write_credential: Option<Credential>,
    notification_keys: Vec<Arc<NotificationKey>>,
    partner_center_roots: Option<Arc<[TrustAnchor<'static>]>>,
}

/// Makes of the secrets what they are for, telling everything that is wrong with them at once.
fn open(
    secrets: &Secrets,
    settings: &Settings,
    policy: &Policy,
    part: Part,
) -> Result<Opened, Vec<String>> {
    let mut problems = Vec::new();
    let kind = settings.credential;
    let reads = matches!(part, Part::Whole | Part::Sweep | Part::Restore);
    let reader = reads.then(|| credential(kind, Identity::Reader, &settings.client_id, secrets));
    let reader = reader.transpose().map_err(|wrong| problems.extend(wrong)).ok();
    // Nobody but a worker that may come to write, and whoever restores, has what the writer signs in
    // with.
    let works = part == Part::Whole && policy.mode != Mode::Observe;
    let may_write = works || part == Part::Restore;
    let writer = settings.write_client_id.as_ref().filter(|_| may_write);
    let writer = writer.map(|id| credential(kind, Identity::Writer, id, secrets));
    let writer = writer.transpose().map_err(|wrong| problems.extend(wrong)).ok();
    problems.extend(secrets.missing_for(policy, part));
    let keys = notification_keys(secrets).map_err(|wrong| problems.extend(wrong)).ok();
    let roots = partner_center_roots(secrets).map_err(|wrong| problems.push(wrong)).ok();
    match (reader, writer, keys, roots) {
        (Some(credential), Some(write_credential), Some(keys), Some(partner_center_roots))
            if problems.is_empty() =>
        {
            let notification_keys = keys.into_iter().map(Arc::new).collect();
            Ok(Opened { credential, write_credential, notification_keys, partner_center_roots })
        }
        _ => Err(problems),
    }
}

/// Reads and checks a policy file, which a variable may have named.
///
/// # Errors
/// [`ConfigError::File`] or [`ConfigError::Policy`].
pub fn policy(
    path: &Path,
    variable: Option<&'static str>,
) -> Result<(Policy, Vec<Problem>), ConfigError> {
    checked(path, variable).map(|checked| (checked.policy, checked.warnings))
}

/// Reads and checks a policy file with its tests.
///
/// # Errors
/// [`ConfigError::File`] or [`ConfigError::Policy`].
pub fn checked(path: &Path, variable: Option<&'static str>) -> Result<Checked, ConfigError> {
    let (text, source) = (read(path, variable)?, Source::File(path.to_owned()));
    match Policy::parse(&text) {
        Ok(checked) => try_templates(&checked.policy, &source).map(|()| checked),
        Err(problems) => Err(ConfigError::Policy { source, problems }),
    }
}

fn try_templates(policy: &Policy, source: &Source) -> Result<(), ConfigError> {
    match template::check::problems(policy) {
        none if none.is_empty() => Ok(()),
        problems => Err(ConfigError::Policy { source: source.clone(), problems }),
    }
}

pub(crate) fn read(path: &Path, variable: Option<&'static str>) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::File {
        variable,
        path: path.to_owned(),
        source,
    })
}

impl Settings {
    /// The application ids this program signs in with.
    pub fn own_apps(&self) -> Vec<String> {
        std::iter::once(&self.client_id).chain(&self.write_client_id).cloned().collect()
    }

    /// Reads the variables, telling everything that is wrong with them at once.
    ///
    /// # Errors
    /// A line for each thing that is wrong.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut reader = Reader { variable, problems: Vec::new() };
        let policy = reader.required("WARDEN_POLICY", "the path of the policy file");
        let policy = policy.and_then(|text| reader.policy(&text));
        let secrets = reader.required("WARDEN_SECRETS", "file:PATH of the secrets document");
        let secrets = secrets.and_then(|text| reader.secrets(&text));
        let client_id = reader.required("WARDEN_CLIENT_ID", "the id of the app registration");
        let write_client_id = reader.write_client_id(client_id.as_deref());
        let credential = reader.credential();
        let store = reader.store("WARDEN_STORE").unwrap_or_else(|| Place::Sqlite(STORE.into()));
        let queue = reader.store("WARDEN_QUEUE").unwrap_or_else(|| store.clone());
        let later_queue = reader.queue("WARDEN_LATER_QUEUE");
        let dead_letters = reader.queue("WARDEN_DEAD_LETTERS");
        let graph_url = reader.origin("WARDEN_GRAPH_URL", "https://graph.microsoft.com");
        let login_url = reader.origin("WARDEN_LOGIN_URL", "https://login.microsoftonline.com");
        let management_url = reader.origin("WARDEN_MANAGEMENT_URL", "https://manage.office.com");
        let sweep_every = reader.duration("WARDEN_SWEEP_EVERY", SignedDuration::from_mins(15));
        // Whoever wants nothing done by itself need not know of every such thing there is.
        let poll_every = match (sweep_every, (reader.variable)("WARDEN_POLL_EVERY")) {
            (None, None) => None,
            _ => reader.duration("WARDEN_POLL_EVERY", SignedDuration::from_mins(5)),
        };
        let public_url = reader.public_url();
        let settle_after = reader.duration("WARDEN_SETTLE_AFTER", SignedDuration::from_mins(2));
        let sender_roles = reader.sender_roles();
        let approvers = reader.approvers(public_url.as_ref());
        let partner_center_origins = reader.partner_center_origins();
        let partner_center_url = match (reader.variable)(PARTNER_CENTER_URL) {
            Some(_) => reader.origin(PARTNER_CENTER_URL, PARTNER_CENTER),
            None => None,
        };
        let listen = reader.address("WARDEN_LISTEN", Some("127.0.0.1:8080"));
        let metrics_listen = reader.address("WARDEN_METRICS_LISTEN", None);
        match (policy, secrets, client_id, credential, graph_url, login_url, management_url, listen)
        {
            (
                Some(policy),
                Some(secrets),
                Some(client_id),
                Some(credential),
                Some(graph),
                Some(login),
                Some(management),
                Some(listen),
            ) if reader.problems.is_empty() => Ok(Self {
                policy,
                secrets,
                store,
                queue,
                later_queue,
                dead_letters,
                client_id,
                write_client_id,
                credential,
                graph_url: graph,
                login_url: login,
                management_url: management,
                sweep_every,
                poll_every,
                public_url,
                settle_after,
                sender_roles,
                approvers,
                partner_center_origins,
                partner_center_url,
                listen,
                metrics_listen,
            }),
            _ => Err(reader.problems),
        }
    }
}

impl Settings {
    /// Where Graph sends notifications: `/hooks/graph` below `WARDEN_PUBLIC_URL`.
    pub fn notification_url(&self) -> Option<String> {
        let base = self.public_url.as_ref()?.as_str().trim_end_matches('/');
        Some(format!("{base}/hooks/graph"))
    }
}
