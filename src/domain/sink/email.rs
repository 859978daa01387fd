//! `email`: mail by SMTP.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use url::Host;

use super::{Name, SecretName, Takes};

/// Most recipients: below the 100 that every server takes (RFC 5321, section 4.5.3.1.8).
const RECIPIENTS_MAX: usize = 50;

/// Mail by SMTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Unchecked")]
#[schemars(with = "Unchecked")]
pub struct Email {
    /// The server.
    pub server: MailServer,
    /// How the conversation with it is encrypted.
    pub tls: Tls,
    /// Who signs in there; nobody if nothing.
    pub user: Option<Name>,
    /// Who it is from.
    pub from: EmailAddress,
    /// Who is told.
    pub to: Vec<EmailAddress>,
}

/// Mail by SMTP.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Email")]
struct Unchecked {
    /// The server that takes the mail: `HOST` or `HOST:PORT`. Default: port 587; 465 where `tls` is
    /// implicit, 25 where it is none.
    server: Server,
    /// How the conversation is encrypted. Default: implicit on port 465, else starttls. `none` goes
    /// to this machine only.
    tls: Option<Tls>,
    /// Who signs in; the password is a secret. Without it nobody does, and the server has to know
    /// this machine.
    user: Option<Name>,
    /// The address it is from.
    from: EmailAddress,
    /// The addresses that are told: 1 to 50.
    #[schemars(length(min = 1, max = 50))]
    to: Vec<EmailAddress>,
}

/// How a conversation with a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// From its beginning (RFC 8314, section 3.3).
    Implicit,
    /// From STARTTLS on (RFC 3207), before anything else is said. A server that does not offer it
    /// is told nothing.
    Starttls,
    /// Not at all.
    None,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// Its name or address.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl fmt::Display for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// `HOST` or `HOST:PORT`.
#[derive(Debug, PartialEq, Eq)]
struct Server {
    host: Host,
    port: Option<u16>,
}

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom("this must be a mail server: HOST or HOST:PORT");
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| digits && *port != 0);
                (host, Some(port.ok_or_else(wrong)?))
            }
            _ => (text.as_str(), None),
        };
        Ok(Self { host: Host::parse(host).map_err(|_| wrong())?, port })
    }
}

impl JsonSchema for Server {
    fn schema_name() -> Cow<'static, str> {
        "Server".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "examples": ["smtp.woodgrove.example:587"] })
    }
}

impl TryFrom<Unchecked> for Email {
    type Error = String;

    fn try_from(it: Unchecked) -> Result<Self, Self::Error> {
        let tls = it.tls.unwrap_or(match it.server.port {
            Some(465) => Tls::Implicit,
            _ => Tls::Starttls,
        });
        let usual = match tls {
            Tls::Implicit => 465,
            Tls::Starttls => 587,
            Tls::None => 25,
        };
        let server = MailServer { port: it.server.port.unwrap_or(usual), host: it.server.host };
        if tls == Tls::None && !is_this_machine(&server.host) {
            return Err("`tls: none` goes to this machine only".to_owned());
        }
        if it.to.is_empty() || it.to.len() > RECIPIENTS_MAX {
            return Err(format!("`to` must hold 1 to {RECIPIENTS_MAX} addresses"));
        }
        for (at, address) in it.to.iter().enumerate() {
            if it.to.iter().take(at).any(|before| before.is_same(address)) {
                return Err(format!("`to` names {address} twice"));
            }
        }
        Ok(Self { server, tls, user: it.user, from: it.from, to: it.to })
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => name == "localhost",
    }
}

/// An address of mail as RFC 5321, section 4.1.2, has it, without quotes and in ASCII.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("format" = "email"))]
pub struct EmailAddress {
    text: String,
    at: usize,
}

impl EmailAddress {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// What stands after the `@`.
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// Whether mail to both would come to the same people, in all likelihood.
    fn is_same(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let atom = |part: &str| {
            let inner =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
            !part.is_empty() && part.bytes().all(inner)
        };
        let label = |part: &str| {
            (1..=63).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        let fits = text.len() <= 254
            && text.rsplit_once('@').is_some_and(|(local, domain)| {
                local.len() <= 64 && local.split('.').all(atom) && domain.split('.').all(label)
            });
        match text.rfind('@').filter(|_| fits) {
            Some(at) => Ok(Self { text, at }),
            None => Err(de::Error::custom(
                "this must be an address of mail, such as security@woodgrove.example, without a \
                 name",
            )),
        }
    }
}

impl Email {
    pub(super) const TAKES: Takes = Takes::Messages;

    /// The words for the `Importance` of a mail (RFC 2156, section 5.3.4).
    pub const IMPORTANCE: [&str; 3] = ["high", "normal", "low"];

    pub(super) fn secrets(&self) -> Vec<SecretName> {
        let password =
            SecretName { name: "password", needed: true, what: "the user signs in with it" };
        self.user.iter().map(|_| password).collect()
    }

    pub(super) fn place(&self) -> String {
        let to: Vec<&str> = self.to.iter().map(EmailAddress::as_str).collect();
        format!("{}, to {}", self.server, to.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(more: &Value) -> Result<Email, serde_json::Error> {
        let mut settings = json!({
            "server": "smtp.woodgrove.example",
            "from": "warden@woodgrove.example",
            "to": ["security@woodgrove.example"],
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(settings)
    }

    #[test]
    fn what_is_left_out_is_encrypted() {
        for (more, port, tls) in [
            (json!({}), 587, Tls::Starttls),
            (json!({ "server": "smtp.woodgrove.example:25" }), 25, Tls::Starttls),
            (json!({ "server": "smtp.woodgrove.example:465" }), 465, Tls::Implicit),
            (json!({ "tls": "implicit" }), 465, Tls::Implicit),
            (json!({ "server": "[::1]", "tls": "none" }), 25, Tls::None),
            (json!({ "server": "[::1]:1025", "tls": "none" }), 1025, Tls::None),
            (json!({ "server": "localhost", "tls": "none" }), 25, Tls::None),
            (json!({ "server": "localhost" }), 587, Tls::Starttls),
        ] {
            let email = read(&more).unwrap();
            assert_eq!((email.server.port, email.tls), (port, tls), "{more}");
        }
    }

    #[test]
    fn nothing_goes_over_a_network_unencrypted() {
        for server in ["smtp.woodgrove.example", "10.0.0.1", "localhost.example", "[fe80::1]"] {
            let error = read(&json!({ "server": server, "tls": "none" })).unwrap_err();
            assert!(error.to_string().contains("this machine only"), "{server}: {error}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for wrong in [
            "",
            "a b",
            "smtp://a.example",
            "a.example:",
            "a.example:0",
            "a.example:x",
            "a.example:+25",
            "a.example:65536",
            "user@a.example",
            "a.example/x",
        ] {
            let error = read(&json!({ "server": wrong })).unwrap_err().to_string();
            assert!(error.contains("a mail server"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_more_than_an_address_is_refused() {
        let long = format!("{}@a.example", "x".repeat(65));
        for wrong in [
            "",
            "a",
            "@a.example",
            "a@",
            "a b@a.example",
            "A <a@a.example>",
            "\"a\"@b.example",
            "a@b@c.example",
            "a..b@c.example",
            "a@-b.example",
            "a@[127.0.0.1]",
            "a@b..example",
            "a@b.example\r\nBcc: c@d.example",
            "a@b.example>",
            "ä@b.example",
            "a@b.example\0",
            &long,
        ] {
            for more in [json!({ "from": wrong }), json!({ "to": [wrong] })] {
                let error = read(&more).unwrap_err().to_string();
                assert!(error.contains("an address of mail"), "{wrong:?}: {error}");
            }
        }
        let email = read(&json!({ "from": "o'b+x=y@mail.woodgrove.example" })).unwrap();
        assert_eq!(email.from.local(), "o'b+x=y");
        assert_eq!(email.from.domain(), "mail.woodgrove.example");
    }

    #[test]
    fn somebody_is_told_and_nobody_twice() {
        let many: Vec<String> = (0..51).map(|number| format!("a{number}@b.example")).collect();
        for (to, what) in [
            (json!([]), "1 to 50"),
            (json!(many), "1 to 50"),
            (json!(["a@b.example", "A@B.example"]), "twice"),
        ] {
            let error = read(&json!({ "to": to })).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_password_goes_with_a_user() {
        assert_eq!(read(&json!({})).unwrap().secrets(), []);
        let user = read(&json!({ "user": "warden" })).unwrap();
        assert_eq!(user.secrets()[0].name, "password");
        assert_eq!(user.place(), "smtp.woodgrove.example:587, to security@woodgrove.example");
    }
}
