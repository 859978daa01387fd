//! Mail, handed to a server by SMTP (RFC 5321, RFC 6409).
//!
//! A server that took a mail says no more than that it will deliver it or say so to the sender: so
//! this is told, and keeps no tickets. Every attempt is the same mail, by its `Message-ID`, and all
//! mail of one ticket refers to its first one, so that people read it as one thread.

mod conversation;
mod mail;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_server;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lettre::Address;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::response::Severity;
use rustls::ClientConfig;
use tracing::error;

use self::conversation::{At, Place};
use super::Making;
use super::alert::Alert;
use crate::adapters::http::roots;
use crate::domain::sink::{self, Common, EmailAddress};
use crate::domain::text::count;
use crate::ports::Delivery;
use crate::ports::ticket::{Class, Notify, SinkError};

/// Until the whole conversation is over. What is waited for longest is the answer to the mail
/// itself, for which RFC 5321, section 4.5.3.2.6, grants minutes; a mail that is taken after that
/// comes twice, under one `Message-ID`.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a server may take to say goodbye, when all is said.
const GOODBYE: Duration = Duration::from_secs(2);

/// How often a mail is sent anew for recipients whom the server refuses for the moment while it
/// takes others. Meanwhile what comes after it in the same ticket waits, for those others too.
const AGAIN: u32 = 2;

/// Of how many mails it is remembered who was told, so that a further attempt does not tell them
/// again.
const REMEMBERED: usize = 256;

/// A mail server, and who is told by it.
pub struct Email {
    place: Place,
    common: Common,
    credentials: Option<Credentials>,
    user: Option<String>,
    from: EmailAddress,
    to: Vec<Recipient>,
    patience: Duration,
    told: Mutex<VecDeque<(String, Vec<EmailAddress>)>>,
}

/// Somebody who is told: the address as the policy has it, and as it is sent.
#[derive(Clone)]
struct Recipient {
    address: EmailAddress,
    path: Address,
}

impl Email {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::Email, making: &Making<'_>) -> Result<Self, String> {
        let mut tls = roots::tls();
        if let Some(tls) = &mut tls {
            tls.alpn_protocols.clear();
        }
        Self::with(settings, making, tls.map(Arc::new), PATIENCE)
    }

    fn with(
        settings: &sink::Email,
        making: &Making<'_>,
        roots: Option<Arc<ClientConfig>>,
        patience: Duration,
    ) -> Result<Self, String> {
        let user = settings.user.as_ref().map(|user| user.as_str().to_owned());
        let credentials = match &user {
            Some(user) => {
                let password = making.secret("password")?;
                Some(Credentials::new(user.clone(), password.expose().to_owned()))
            }
            None => None,
        };
        let to = settings
            .to
            .iter()
            .map(|address| Ok(Recipient { address: address.clone(), path: path(address)? }));
        Ok(Self {
            place: Place {
                whom: format!("ticket sink {}", making.name),
                server: settings.server.clone(),
                tls: settings.tls,
                roots,
            },
            common: making.common.clone(),
            credentials,
            user,
            from: settings.from.clone(),
            to: to.collect::<Result<_, String>>()?,
            patience,
            told: Mutex::default(),
        })
    }

    /// Brings a conversation to the point where a mail may follow.
    async fn begin(&self) -> Result<AsyncSmtpConnection, SinkError> {
        let mut server = self.place.open().await?;
        if let Some(credentials) = &self.credentials {
            self.place.sign_in(&mut server, credentials).await?;
        }
        let from = path(&self.from).map_err(|error| SinkError::new(Class::Config, error))?;
        let begun = server.command(Mail::new(Some(from), vec![])).await;
        begun.map_err(|error| self.place.refused(At::Sender, &error))?;
        Ok(server)
    }

    /// Names the recipients. Says who is refused, and why.
    async fn name(
        &self,
        server: &mut AsyncSmtpConnection,
        to: &[Recipient],
    ) -> Result<Vec<(EmailAddress, SinkError)>, SinkError> {
        let mut refused = Vec::new();
        for recipient in to {
            let named = server.command(Rcpt::new(recipient.path.clone(), vec![])).await;
            let Err(error) = named else { continue };
            let said = self.place.refused(At::Recipient, &error);
            if error.status().is_none() {
                // The conversation is broken.
                return Err(said);
            }
            refused.push((recipient.address.clone(), said));
        }
        Ok(refused)
    }

    /// Sends a mail to whom the server takes. Says who is refused. `sent` is set once the mail may
    /// have been taken.
    async fn send(
        &self,
        mail: &[u8],
        to: &[Recipient],
        sent: &AtomicBool,
    ) -> Result<Vec<(EmailAddress, SinkError)>, SinkError> {
        let mut server = self.begin().await?;
        let refused = self.name(&mut server, to).await?;
        if refused.len() == to.len() {
            leave(&mut server).await;
            return Ok(refused);
        }
        let go = server.command(Data).await;
        let go = go.map_err(|error| self.place.refused(At::Data, &error))?;
        if !go.has_code(354) {
            return Err(self.place.strange(At::Data));
        }
        sent.store(true, Ordering::SeqCst);
        let taken = server.message(mail).await;
        let taken = taken.map_err(|error| self.place.refused(At::End, &error))?;
        if taken.code().severity != Severity::PositiveCompletion {
            return Err(self.place.strange(At::End));
        }
        leave(&mut server).await;
        Ok(refused)
    }

    /// Within the time that a conversation may take.
    async fn in_time<T>(
        &self,
        sent: &AtomicBool,
        conversation: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<T, SinkError> {
        tokio::time::timeout(self.patience, conversation).await.unwrap_or_else(|_| {
            let sent = sent.load(Ordering::SeqCst);
            let class = if sent { Class::Ambiguous } else { Class::Transient };
            let said = format!("{} did not answer in time", self.place.whom);
            Err(SinkError::new(class, said))
        })
    }

    fn all_refused(&self, refused: &[(EmailAddress, SinkError)]) -> SinkError {
        let passing = refused.iter().find(|it| it.1.class == Class::Transient);
        let class = passing.or(refused.first()).map_or(Class::Config, |it| it.1.class);
        SinkError::new(class, format!("{}: nobody is told: {}", self.place.whom, listed(refused)))
    }

    /// Who was told of a mail by an attempt before.
    fn told(&self, id: &str) -> Vec<EmailAddress> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().find(|it| it.0 == id).map_or_else(Vec::new, |it| it.1.clone())
    }

    fn remember(&self, id: &str, who: impl Iterator<Item = EmailAddress>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match told.iter_mut().find(|it| it.0 == id) {
            Some((_, before)) => before.extend(who),
            None => told.push_back((id.to_owned(), who.collect())),
        }
        if told.len() > REMEMBERED {
            told.pop_front();
        }
    }
}

/// Says goodbye. What was said stands, whatever comes of that.
async fn leave(server: &mut AsyncSmtpConnection) {
    let _ = tokio::time::timeout(GOODBYE, server.quit()).await;
}

fn path(address: &EmailAddress) -> Result<Address, String> {
    let path = Address::new(address.local(), address.domain());
    path.map_err(|error| format!("{address} is no address of mail: {error}"))
}

/// Who is refused, and what the server says to it.
fn listed(refused: &[(EmailAddress, SinkError)]) -> String {
    let each: Vec<String> =
        refused.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    each.join("; ")
}

#[async_trait]
impl Notify for Email {
    async fn preflight(&self) -> Result<String, SinkError> {
        let nothing_sent = AtomicBool::new(false);
        let asked = async {
            let mut server = self.begin().await?;
            let refused = self.name(&mut server, &self.to).await?;
            // There and back: no mail follows.
            let _ = tokio::time::timeout(GOODBYE, server.command(Rset)).await;
            leave(&mut server).await;
            Ok(refused)
        };
        let refused = self.in_time(&nothing_sent, asked).await?;
        if let Some((_, first)) = refused.first() {
            let said = format!("{} refuses {}", self.place.whom, listed(&refused));
            return Err(SinkError::new(first.class, said));
        }
        let who = match &self.user {
            Some(user) => format!("{user} is signed in"),
            None => "nobody has to sign in".to_owned(),
        };
        let whom = count(self.to.len(), "recipient");
        Ok(format!("{} takes mail for {whom}; {who}; no mail was sent", self.place.server))
    }

    async fn tell(&self, delivery: &Delivery, _now: Timestamp) -> Result<(), SinkError> {
        let alert = Alert::of(delivery, &self.common, mail::TITLE_MAX, &self.place.whom)?;
        let all: Vec<EmailAddress> = self.to.iter().map(|it| it.address.clone()).collect();
        let mail = mail::written(&alert.said, &delivery.body, &self.from, &all);
        let mail = mail.map_err(|said| {
            SinkError::new(Class::Config, format!("{}: {said}", self.place.whom))
        })?;
        let before = self.told(&delivery.id);
        let to: Vec<Recipient> =
            self.to.iter().filter(|it| !before.contains(&it.address)).cloned().collect();
        if to.is_empty() {
            return Ok(());
        }
        let sent = AtomicBool::new(false);
        let refused = self.in_time(&sent, self.send(&mail, &to, &sent)).await?;
        if refused.is_empty() {
            return Ok(());
        }
        if refused.len() == self.to.len() {
            return Err(self.all_refused(&refused));
        }
        let is_refused = |address: &EmailAddress| refused.iter().any(|it| it.0 == *address);
        let taken = to.iter().map(|it| it.address.clone()).filter(|it| !is_refused(it));
        self.remember(&delivery.id, taken);
        let said = format!("the others are told, but not {}", listed(&refused));
        let passing = refused.iter().any(|it| it.1.class == Class::Transient);
        if passing && delivery.attempts < AGAIN {
            let said = format!("{}: {said}", self.place.whom);
            return Err(SinkError::new(Class::Transient, said));
        }
        error!(sink = self.place.whom, webhook.id = delivery.id, "{said}");
        Ok(())
    }
}
