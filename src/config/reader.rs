//! Reads one variable after another, and keeps what is wrong with each.

use std::net::SocketAddr;

use jiff::SignedDuration;
use url::Url;

use super::{CredentialKind, Place, Source};
use crate::domain::policy::{duration, is_protected};

/// The role Microsoft's own script gives to Event Grid, and ours for other forwarders.
const SENDER_ROLES: &str = "AzureEventGridSecureWebhookSubscriber,PartnerWarden.Forward";

/// Where Partner Center publishes the certificate it signs with: the host in every example of
/// Microsoft's "Partner Center webhooks".
const PARTNER_CENTER_HOSTS: &str = "3psostorageacct.blob.core.windows.net";

/// Whether this program was built with AWS.
const AWS: bool = cfg!(feature = "aws");

/// The variables, and what is wrong with those that were read.
pub(super) struct Reader<V> {
    pub(super) variable: V,
    pub(super) problems: Vec<String>,
}

impl<V: Fn(&str) -> Option<String>> Reader<V> {
    pub(super) fn required(&mut self, name: &str, what: &str) -> Option<String> {
        let value = (self.variable)(name);
        if value.is_none() {
            self.problems.push(format!("{name} is not set; it is {what}"));
        }
        value
    }

    pub(super) fn policy(&mut self, text: &str) -> Option<Source> {
        let Some(object) = text.strip_prefix("s3://") else {
            return Some(Source::File(text.into()));
        };
        let named = object.split_once('/').is_some_and(|(bucket, key)| {
            !bucket.is_empty() && !key.is_empty() && !key.ends_with('/')
        });
        if named && AWS {
            return Some(Source::Aws(vec![text.to_owned()]));
        }
        self.problems.push(if named {
            "WARDEN_POLICY: this program was built without AWS; use a path".to_owned()
        } else {
            "WARDEN_POLICY is to be a path or s3://BUCKET/KEY".to_owned()
        });
        None
    }

    /// `file:PATH`, or secrets of Secrets Manager: `aws:ID`, or several with commas between them.
    pub(super) fn secrets(&mut self, text: &str) -> Option<Source> {
        if let Some(path) = text.strip_prefix("file:").filter(|path| !path.is_empty()) {
            return Some(Source::File(path.into()));
        }
        let ids = text.split(',').map(|part| part.trim().strip_prefix("aws:"));
        let ids = ids.map(|id| id.filter(|id| !id.is_empty()).map(str::to_owned));
        let ids: Option<Vec<String>> = ids.collect();
        self.problems.push(match ids {
            Some(ids) if AWS => return Some(Source::Aws(ids)),
            Some(_) => {
                "WARDEN_SECRETS: this program was built without AWS; use file:PATH".to_owned()
            }
            None if AWS => {
                "WARDEN_SECRETS is to be file:PATH or aws:SECRET_ID (or several of those with \
                 commas between them)"
                    .to_owned()
            }
            None => "WARDEN_SECRETS is to be file:PATH".to_owned(),
        });
        None
    }

    pub(super) fn credential(&mut self) -> Option<CredentialKind> {
        let Some(kind) = (self.variable)("WARDEN_CREDENTIAL") else {
            return Some(CredentialKind::Secret);
        };
        CredentialKind::parse(&kind).map_err(|wrong| self.problems.push(wrong.to_owned())).ok()
    }

    pub(super) fn write_client_id(&mut self, client_id: Option<&str>) -> Option<String> {
        let id = (self.variable)("WARDEN_WRITE_CLIENT_ID")?;
        if client_id.is_some_and(|reader| reader.eq_ignore_ascii_case(&id)) {
            self.problems.push(
                "WARDEN_WRITE_CLIENT_ID is the same as WARDEN_CLIENT_ID; unset it: one \
                 application then does both"
                    .to_owned(),
            );
        }
        Some(id)
    }

    pub(super) fn store(&mut self, name: &str) -> Option<Place> {
        let value = (self.variable)(name)?;
        let sqlite = value.strip_prefix("sqlite:").filter(|path| !path.is_empty());
        let aws = value.strip_prefix("aws:").filter(|name| !name.is_empty());
        self.problems.push(match (sqlite, aws) {
            (Some(path), _) if cfg!(feature = "sqlite") => return Some(Place::Sqlite(path.into())),
            (Some(_), _) => format!("{name}: this program was built without SQLite"),
            (None, Some(place)) if AWS => return Some(Place::Aws(place.to_owned())),
            (None, Some(_)) => {
                format!("{name}: this program was built without AWS; use sqlite:PATH")
            }
            (None, None) if AWS => format!("{name} is to be sqlite:PATH or aws:NAME"),
            (None, None) => format!("{name} is to be sqlite:PATH"),
        });
        None
    }

    pub(super) fn queue(&mut self, name: &str) -> Option<String> {
        (self.variable)(name)?;
        if !AWS {
            self.problems.push(format!("{name}: this program was built without AWS; unset it"));
            return None;
        }
        match self.store(name)? {
            Place::Aws(url) => Some(url),
            Place::Sqlite(_) => {
                self.problems.push(format!("{name} is to be aws:QUEUE_URL"));
                None
            }
        }
    }

    pub(super) fn origin(&mut self, name: &str, default: &str) -> Option<Url> {
        let text = (self.variable)(name).unwrap_or_else(|| default.to_owned());
        let problem = match Url::parse(&text) {
            Ok(url) if !is_protected(&url) => {
                "is to be https (plain http only to this machine)".to_owned()
            }
            Ok(url) if !is_origin(&url) => {
                format!("is to be an origin such as {default}, without a version")
            }
            Ok(url) => return Some(url),
            Err(error) => format!("is no url ({error})"),
        };
        self.problems.push(format!("{name} {problem}"));
        None
    }

    /// The one url that may have a path, such as the stage of an API gateway.
    pub(super) fn public_url(&mut self) -> Option<Url> {
        let text = (self.variable)("WARDEN_PUBLIC_URL")?;
        let problem = match Url::parse(&text) {
            Ok(url) if !is_protected(&url) => {
                "is to be https (plain http only to this machine)".to_owned()
            }
            Ok(url)
                if url.query().is_some()
                    || url.fragment().is_some()
                    || !url.username().is_empty()
                    || url.password().is_some() =>
            {
                "is to be a url such as https://warden.example, without query or user".to_owned()
            }
            Ok(url) => return Some(url),
            Err(error) => format!("is no url ({error})"),
        };
        self.problems.push(format!("WARDEN_PUBLIC_URL {problem}"));
        None
    }

    pub(super) fn duration(
        &mut self,
        name: &str,
        default: SignedDuration,
    ) -> Option<SignedDuration> {
        let Some(text) = (self.variable)(name) else { return Some(default) };
        if text.trim().eq_ignore_ascii_case("off") {
            return None;
        }
        let duration = duration(&text);
        if duration.is_none() {
            self.problems
                .push(format!("{name} is to be an ISO 8601 duration such as PT15M, or off"));
        }
        duration
    }

    pub(super) fn sender_roles(&self) -> Vec<String> {
        let text = (self.variable)("WARDEN_SENDER_ROLES");
        let text = text.unwrap_or_else(|| SENDER_ROLES.to_owned());
        let roles = text.split(',').map(str::trim).filter(|role| !role.is_empty());
        roles.map(str::to_owned).collect()
    }

    /// Whether people sign in before they decide, and the application roles of which they must hold
    /// one; any account of the tenant where none is named.
    pub(super) fn approvers(&mut self, public_url: Option<&Url>) -> Option<Vec<String>> {
        let roles = (self.variable)("WARDEN_APPROVER_ROLES");
        let Some(kind) = (self.variable)("WARDEN_APPROVER_SIGN_IN") else {
            if roles.is_some() {
                self.problems.push(
                    "WARDEN_APPROVER_ROLES says who may decide, and nobody is asked to sign in; \
                     set WARDEN_APPROVER_SIGN_IN to entra, or unset both"
                        .to_owned(),
                );
            }
            return None;
        };
        if !kind.trim().eq_ignore_ascii_case("entra") {
            self.problems.push(
                "WARDEN_APPROVER_SIGN_IN is to be entra; unset, people give their name".to_owned(),
            );
        }
        if public_url.is_none() && (self.variable)("WARDEN_PUBLIC_URL").is_none() {
            self.problems.push(
                "WARDEN_APPROVER_SIGN_IN needs WARDEN_PUBLIC_URL: the sign-in leads back to \
                 /decisions/signed-in below it"
                    .to_owned(),
            );
        }
        let roles = roles.unwrap_or_default();
        let roles = roles.split(',').map(str::trim).filter(|role| !role.is_empty());
        Some(roles.map(str::to_owned).collect())
    }

    /// Hosts, which are spoken to over https at the default port, or origins.
    pub(super) fn partner_center_origins(&mut self) -> Vec<Url> {
        let name = "WARDEN_PARTNER_CENTER_HOSTS";
        let text = (self.variable)(name).unwrap_or_else(|| PARTNER_CENTER_HOSTS.to_owned());
        if text.trim().eq_ignore_ascii_case("off") {
            return Vec::new();
        }
        let origin = |host: &str| {
            let host =
                if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
            Url::parse(&host).ok().filter(|url| is_protected(url) && is_origin(url))
        };
        let hosts = text.split(',').map(str::trim).filter(|host| !host.is_empty());
        let origins: Option<Vec<Url>> = hosts.map(origin).collect();
        origins.filter(|origins| !origins.is_empty()).unwrap_or_else(|| {
            self.problems.push(format!(
                "{name} is to be hosts such as {PARTNER_CENTER_HOSTS}, with a comma between them, \
                 or off (plain http only to this machine)"
            ));
            Vec::new()
        })
    }

    pub(super) fn address(&mut self, name: &str, default: Option<&str>) -> Option<SocketAddr> {
        let text = (self.variable)(name).or_else(|| default.map(str::to_owned))?;
        let address = text.parse().ok();
        if address.is_none() {
            self.problems
                .push(format!("{name} is to be an address and a port such as 127.0.0.1:8080"));
        }
        address
    }
}

/// Whether a url is nothing but an origin.
fn is_origin(url: &Url) -> bool {
    url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}
