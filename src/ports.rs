//! What the pipeline asks of the world. One trait for each permission: whoever holds no `Revoke…`
//! cannot revoke.

mod decide;
mod due;
mod lambda;
mod read;
mod records;
mod sweep;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use url::Url;

use crate::domain::approval::ProposalChange;
use crate::domain::case::{Case, Outcome};
use crate::domain::id::{PrincipalId, StepId, TenantId};
use crate::domain::plan::{History, Step};
use crate::domain::record::Record;
use crate::domain::secret::Secret;
use crate::domain::signal::{Envelope, Sender, Signal, Subject};
use crate::domain::stop::Stop;
use crate::domain::text::count;
use crate::domain::ticket::Message;
use crate::wire::Verified;
use crate::wire::partner_center::certificates::Published;
use crate::wire::token::KeySet;

pub use self::decide::Decide;
pub use self::due::{DueTenants, Later, Lease, Looks, RememberLooks, Settling, Sorted};
pub use self::lambda::{Bury, Forward, NoteHeard};
pub use self::read::{
    ReadActiveSchedules, ReadConditionalAccess, ReadCrossTenantAccess, ReadCustomers,
    ReadDelegatedAccess, ReadEligibleSchedules, ReadGovernance, ReadGroupMembers, ReadObjects,
    ReadPartnerApps, ReadRelationships, ReadRoles, ReadTenantNames, ReadUsers,
};
pub use self::records::{Chain, PruneRecords, ReadRecords};
pub use self::sweep::{
    AuditPage, AuditsFrom, Created, DeadLetter, DeadLetters, Heard, Kind, Marks, ReadAudits,
    ReadHeard, ReadSubscriptions, Redriven, WriteSubscriptions,
};
pub use self::write::{
    DisableAccount, DisableApp, PutBack, QuarantinePartner, ReduceRelationships, RemoveAppRole,
    RemoveEligibility, RemoveGroupMember, RemoveScheduledAssignment, RevokeRoleAssignment,
    RevokeSessions, With,
};

/// Why something asked of the world did not come about.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct PortError {
    /// What can be done about it.
    pub kind: Failure,
    /// What was said, in words fit to show: no payload, no token, no secret.
    pub said: String,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of failure, by what can be done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It may work later.
    Transient,
    /// It will work after this time.
    Throttled(Option<Duration>),
    /// Somebody has to mend the credential, or consent to the application.
    SignInRefused,
    /// Somebody has to grant a permission.
    Denied,
    /// What was asked for does not exist.
    Gone,
    /// The other side understood and says no; asking again gives the same answer.
    Refused,
    /// The answer makes no sense.
    Unintelligible,
}

impl PortError {
    /// An error of a kind, in words.
    pub fn new(kind: Failure, said: impl Into<String>) -> Self {
        Self { kind, said: said.into(), source: None }
    }

    /// With what lies beneath it.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The first of several, which says how many more there were. Nothing where there is none.
    pub fn first_of(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let first = errors.next()?;
        Some(match errors.count() {
            0 => first,
            more => {
                let said = format!("{}; {} failed", first.said, count(more, "more request"));
                Self { said, ..first }
            }
        })
    }
}

/// The error with everything beneath it, for the one place where it is logged.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        use fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

/// The items of a collection as far as they could be read, and why not all of them.
#[derive(Debug)]
pub struct Listed<T> {
    /// What was read.
    pub items: Vec<T>,
    /// Why it may not be everything.
    pub failure: Option<PortError>,
}

impl<T> Listed<T> {
    /// What was read, and all that failed on the way.
    pub fn new(items: Vec<T>, failures: impl IntoIterator<Item = PortError>) -> Self {
        Self { items, failure: PortError::first_of(failures) }
    }

    /// Nothing, and why.
    pub fn failed(failure: PortError) -> Self {
        Self { items: Vec::new(), failure: Some(failure) }
    }

    /// Nothing, since there was nothing to ask for.
    pub fn nothing() -> Self {
        Self { items: Vec::new(), failure: None }
    }
}

/// The time.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// Tokens of another identity provider, which Microsoft's sign-in takes in place of a secret
/// (workload identity federation).
#[async_trait]
pub trait ClientAssertion: Send + Sync {
    /// A fresh token: a JWT signed with RS256, whose audience is `api://AzureADTokenExchange`.
    ///
    /// # Errors
    /// [`Failure::Transient`] and [`Failure::Throttled`] are tried again; all else tells a person
    /// what to mend.
    async fn assertion(&self) -> Result<Secret, PortError>;
}

/// `Directory.Read.All`: which object of a tenant stands for an application.
#[async_trait]
pub trait ReadServicePrincipals: Send + Sync {
    /// The object id of an application's service principal. Nothing where the tenant has none.
    async fn service_principal(
        &self,
        tenant: TenantId,
        app_id: &str,
    ) -> Result<Option<PrincipalId>, PortError>;
}

/// `ActivityFeed.Read`: the audit records that the Management Activity API keeps for some days.
#[async_trait]
pub trait ReadAuditContent: Send + Sync {
    /// The content at an address within the tenant's own feed, as it came. An address outside of
    /// it is refused, and nothing is sent there.
    async fn audit_content(&self, tenant: TenantId, uri: &str) -> Result<Bytes, PortError>;
}

/// The keys that Microsoft's sign-in signs with.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// The set in hand; empty before the first is fetched.
    fn held(&self) -> Arc<KeySet>;
    /// A set fetched anew, or the one in hand if that was fetched a moment ago.
    async fn refreshed(&self) -> Result<Arc<KeySet>, PortError>;
}

/// The certificates that Partner Center signs with, by the address they are published at. Whoever
/// asks has seen that the address is one of Microsoft's.
#[async_trait]
pub trait SenderCertificates: Send + Sync {
    /// What is in hand; nothing before it was fetched, nor once it is too old to be trusted.
    fn held(&self, url: &Url) -> Option<Arc<Published>>;
    /// What is published now, or what is in hand if that was fetched a moment ago.
    async fn fetched(&self, url: &Url) -> Result<Arc<Published>, PortError>;
}

/// Put a signal where it survives.
#[async_trait]
pub trait Enqueue: Send + Sync {
    /// Durable when this returns.
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError>;
}

/// Signals that one look will satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The tenant to look at.
    pub tenant: TenantId,
    /// What is waiting, by subject.
    pub waiting: Vec<Waiting>,
}

/// Signals about one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The subject.
    pub subject: Subject,
    /// How many signals there have been when this was claimed; the queue's own mark.
    pub generation: i64,
    /// How many of them no look has satisfied yet.
    pub signals: u32,
    /// Whether this is the later look that catches what Graph had not replicated at the first.
    pub settling: bool,
    /// The first of them.
    pub first: Option<Envelope>,
    /// How often it was claimed without being completed.
    pub attempts: u32,
}

impl Waiting {
    /// Whether a settling look is to follow. The schedule comes round again anyway.
    pub fn wants_to_settle(&self) -> bool {
        let Some(Envelope::V1 { signal }) = &self.first else { return true };
        signal.sender != Sender::Schedule
    }
}

/// What to do with a claimed look afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Look once more after this time.
    After(SignedDuration),
    /// Once was enough.
    No,
    /// Nothing was read, since what waited was no reason to.
    Unread,
}

/// What became of a look that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It is tried again.
    Later,
    /// It was tried too often, and is kept among the dead letters with the reason.
    Buried,
}

/// Say how a look that was claimed has ended.
#[async_trait]
pub trait EndLook: Send + Sync {
    /// The look was made at a complete snapshot read after the claim.
    ///
    /// Steps that wait are to be taken up at `take_up`: the tenant is looked at then, whatever is
    /// heard meanwhile, and not when it was to be before. Where nothing was read and nothing is to
    /// be taken up, that stays as it was.
    async fn complete(
        &self,
        look: &Look,
        now: Timestamp,
        settle: Settle,
        take_up: Option<Timestamp>,
    ) -> Result<(), PortError>;
    /// The look did not succeed; try again at `due`. What was tried too often is buried instead.
    async fn retry(&self, look: &Look, due: Timestamp, why: &str) -> Result<Retried, PortError>;
}

/// The waiting signals, seen from the worker.
#[async_trait]
pub trait Queue: EndLook {
    /// Claims everything due for one tenant that nobody else has claimed and that is not in
    /// `busy`. What is not completed within `lease` becomes visible again.
    async fn claim(
        &self,
        now: Timestamp,
        lease: SignedDuration,
        busy: &[TenantId],
    ) -> Result<Option<Look>, PortError>;
    /// When something will be due, if anything waits.
    async fn next_due(&self) -> Result<Option<Timestamp>, PortError>;
}

/// A step whose effect is to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueVerification {
    /// The tenant.
    pub tenant: TenantId,
    /// The step.
    pub step: Step,
    /// How many times it was read again so far.
    pub attempt: u32,
    /// Whether Graph said that it took it. Else it may never have heard of it.
    pub taken: bool,
}

/// What one look leaves behind.
#[derive(Debug, Default)]
pub struct Conclusion {
    /// Cases as they now stand, each with its record and the messages about it. A case that did
    /// not change has no record.
    pub cases: Vec<(Case, Option<Record>, Vec<Message>)>,
    /// What becomes of what people were asked.
    pub proposals: Vec<ProposalChange>,
}

/// What reading again after a step showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The access is gone.
    Gone,
    /// It is still there, or could not be read; read again at this time.
    Again(Timestamp),
    /// Graph took it, and it was seen to be still there the last time.
    StillThere,
    /// Graph took it, and it could not be read the last time whether it is still there.
    Unread,
    /// A person had it put back.
    Restored,
    /// It is still there after the last time, and Graph never said that it took it: as good as
    /// not begun.
    NotDone,
}

/// The memory of what was intended, done and proven.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// What was done in a tenant: the last step for each grant, and the number of revocations
    /// since `since`. An attempt whose answer was lost counts as one of them beside whatever came of
    /// the next one, since what it took away may have been given again in between; the last attempt
    /// of a step that is begun does not, for the step tells of that itself.
    async fn history(&self, tenant: TenantId, since: Timestamp) -> Result<History, PortError>;
    /// The cases of a tenant that are open, or closed and the last about their partner.
    async fn cases(&self, tenant: TenantId) -> Result<Vec<Case>, PortError>;
    /// Writes down what is about to be done, before it is done: the steps, and the cases they
    /// belong to. A step whose outcome is never written is read again after `check_at`.
    async fn intend(
        &self,
        steps: &[&Step],
        cases: &[Case],
        now: Timestamp,
        check_at: Timestamp,
    ) -> Result<(), PortError>;
    /// Writes down how the call of a step ended, in its case too. One that Graph took is due to be
    /// read again at once.
    async fn settle(
        &self,
        tenant: TenantId,
        step: &Step,
        outcome: &Outcome,
    ) -> Result<(), PortError>;
    /// Writes down that the call of a step that was begun certainly took nothing away, so that it
    /// counts for nothing towards the limit on revocations. The step stays begun.
    async fn not_taken(&self, tenant: TenantId, step: &Step) -> Result<(), PortError>;
    /// Writes down what a look leaves behind: all of it or nothing. Where a store cannot hold that
    /// much together, each case is whole with its record and its messages, and the look, which is
    /// made again after an error, leaves the rest behind.
    async fn conclude(&self, conclusion: Conclusion) -> Result<(), PortError>;
    /// Steps whose effect is due to be read again, the longest due first; 100 at the most.
    async fn due_verifications(&self, now: Timestamp) -> Result<Vec<DueVerification>, PortError>;
    /// When the next verification will be due, if any waits.
    async fn next_verification(&self) -> Result<Option<Timestamp>, PortError>;
    /// Writes down how verifications of a tenant ended, with the cases they changed: all of it or
    /// nothing. Where a store cannot hold that much together, the cases go first; a step whose
    /// proof is missing is read again, which changes no case.
    async fn verified(
        &self,
        tenant: TenantId,
        proofs: &[(StepId, Proof)],
        conclusion: Conclusion,
    ) -> Result<(), PortError>;
}

/// Whether somebody has said that nothing is to be written.
#[async_trait]
pub trait StopSwitch: Send + Sync {
    /// The stop in force; nothing where there is none. Whoever cannot read it counts it as engaged.
    async fn stopped(&self) -> Result<Option<Stop>, PortError>;
}

/// Stop all writing, or let it go on.
#[async_trait]
pub trait TurnStopSwitch: StopSwitch {
    /// Nothing is written from when this returns, beside a call that was already sent.
    async fn stop(&self, stop: &Stop) -> Result<(), PortError>;
    /// What is found is done again. Says what ended; nothing where nothing was stopped.
    async fn resume(&self) -> Result<Option<Stop>, PortError>;
}

/// A message waiting to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the outbox.
    pub number: i64,
    /// The sink's name.
    pub sink: crate::domain::id::SinkName,
    /// The ticket's key. The messages of a ticket are delivered in order.
    pub ticket: String,
    /// The message's id, the same for every attempt.
    pub id: String,
    /// The body, byte for byte the same for every attempt.
    pub body: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// Messages waiting to be delivered.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The first waiting message of each ticket that is due, since a ticket's messages are
    /// delivered in order.
    async fn due(&self, now: Timestamp) -> Result<Vec<Delivery>, PortError>;
    /// It was accepted.
    async fn delivered(&self, delivery: &Delivery) -> Result<(), PortError>;
    /// It was not; try again at `due`, or never if nothing.
    async fn failed(
        &self,
        delivery: &Delivery,
        due: Option<Timestamp>,
        why: &str,
    ) -> Result<(), PortError>;
    /// When something will be due, if anything waits.
    async fn next_delivery(&self) -> Result<Option<Timestamp>, PortError>;
}

/// Tell a ticket system.
#[async_trait]
pub trait SendTicket: Send + Sync {
    /// Delivers one message. An error leaves it unknown whether it arrived.
    async fn send(&self, delivery: &Delivery, now: Timestamp) -> Result<(), PortError>;
}
