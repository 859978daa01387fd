//! Every number that is kept: its name, its labels, and where it comes from.
//!
//! Numbers go to whatever recorder the process installed, and nowhere if it installed none. The
//! values of labels are names of closed enums and tenants of the policy, so that no stranger can make
//! more series.

use jiff::{SignedDuration, Timestamp};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::domain::case::StepRow;
use crate::domain::id::TenantId;
use crate::domain::plan::StepState;
use crate::domain::record::Cause;
use crate::domain::roster::AffectedPartner;
use crate::domain::signal::Sender;
use crate::ports::Proof;
use crate::wire::Reject;

/// What is counted or measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Signals that were taken in, by `sender`.
    Signals,
    /// Genuine items that have nothing to do with partners, by `sender`.
    Irrelevant,
    /// Requests and items that were turned away, by `sender` and `reason`.
    Rejects,
    /// Messages that had been taken in before, by `sender`.
    Replays,
    /// Requests whose senders were asked to come again, by `sender` and `lack`: `queue` or `keys`.
    Unavailable,
    /// Seconds from a request's head to its answer, by `sender`.
    AnswerTime,
    /// Connections that only waited and had to make room for others.
    ConnectionsCut,
    /// Looks at a tenant, by `end`: `settled`, `no-reason`, `again` or `failed`.
    Looks,
    /// Calls that take a role away, by the `state` of their step.
    Revocations,
    /// Readings of whether access is gone, by `proof`: `gone`, `again`, `still-there`, `not-done`.
    Verifications,
    /// Attempts to deliver a ticket message, by `end`: `accepted`, `again` or `given-up`.
    Deliveries,
    /// Seconds until Graph took a revocation, by `since`: `event`, when it is said to have happened,
    /// and `received`, when the first signal of the look reached us; and by `partner`.
    TimeToRevoke,
    /// Seconds from the decision until then, by `partner`: with what a person took to agree.
    TimeToAct,
    /// Seconds from a revocation until the access was seen to be gone, by `partner`.
    TimeToProve,
    /// Seconds until access that was taken away was seen to be gone, by `since`: `event`, `received`
    /// and `decided`; and by `partner`.
    TimeToVerify,
    /// What could not be done about a tenant's subscriptions, by `tenant`.
    SubscriptionFailures,
    /// Subscriptions that were gone although nothing here deleted them, by `tenant`.
    SubscriptionsGone,
    /// Hours until a subscription ends, by `tenant` and `resource`; none where there is none. Where
    /// they cannot be listed in passing, what was known last is told on.
    SubscriptionHours,
    /// What this program was not let do, by `tenant` and `what`: `sign-in`, `read` or `write`; and
    /// `own-application`, where it may not be let do it much longer.
    Denied,
    /// Windows in which `guardrails.maxRevocations` held steps back, by `tenant`.
    RevocationLimits,
    /// Whether the stop switch was engaged when it was last read: 1, else 0.
    StopSwitch,
}

/// What this program was not let do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// Sign in to the tenant.
    SignIn,
    /// Read a part of it.
    Read,
    /// Carry out a step.
    Write,
    /// Go on as it was: its own application was changed in the tenant.
    OwnApplication,
}

/// How a look or a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A look with nothing left to do.
    Settled,
    /// What waited turned out to be no reason to look.
    NoReason,
    /// A message that was accepted.
    Accepted,
    /// To be tried again.
    Again,
    /// A look that came to nothing.
    Failed,
    /// A message that is not tried again.
    GivenUp,
}

/// What is lacking to take a request in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The queue refuses.
    Queue,
    /// The signing keys cannot be had.
    Keys,
}

impl Metric {
    /// Every metric there is.
    pub const ALL: [Self; 21] = [
        Self::Signals,
        Self::Irrelevant,
        Self::Rejects,
        Self::Replays,
        Self::Unavailable,
        Self::AnswerTime,
        Self::ConnectionsCut,
        Self::Looks,
        Self::Revocations,
        Self::Verifications,
        Self::Deliveries,
        Self::TimeToRevoke,
        Self::TimeToAct,
        Self::TimeToProve,
        Self::TimeToVerify,
        Self::SubscriptionFailures,
        Self::SubscriptionsGone,
        Self::SubscriptionHours,
        Self::Denied,
        Self::RevocationLimits,
        Self::StopSwitch,
    ];

    /// The name under which recorders know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signals => "warden_signals_total",
            Self::Irrelevant => "warden_irrelevant_total",
            Self::Rejects => "warden_rejects_total",
            Self::Replays => "warden_replays_total",
            Self::Unavailable => "warden_unavailable_total",
            Self::AnswerTime => "warden_answer_seconds",
            Self::ConnectionsCut => "warden_connections_cut_total",
            Self::Looks => "warden_looks_total",
            Self::Revocations => "warden_revocations_total",
            Self::Verifications => "warden_verifications_total",
            Self::Deliveries => "warden_deliveries_total",
            Self::TimeToRevoke => "warden_time_to_revoke_seconds",
            Self::TimeToAct => "warden_time_to_act_seconds",
            Self::TimeToProve => "warden_time_to_prove_seconds",
            Self::TimeToVerify => "warden_time_to_verify_seconds",
            Self::SubscriptionFailures => "warden_subscription_failures_total",
            Self::SubscriptionsGone => "warden_subscriptions_gone_total",
            Self::SubscriptionHours => "warden_subscription_hours",
            Self::Denied => "warden_denied_total",
            Self::RevocationLimits => "warden_revocation_limits_total",
            Self::StopSwitch => "warden_stopped",
        }
    }

    /// What it means, for whoever looks at a dashboard.
    pub fn help(self) -> &'static str {
        match self {
            Self::Signals => "Signals that were taken in",
            Self::Irrelevant => "Genuine items that have nothing to do with partners",
            Self::Rejects => "Requests and items that were turned away",
            Self::Replays => "Messages that had been taken in before",
            Self::Unavailable => "Requests whose senders were asked to come again",
            Self::AnswerTime => "Time from a request's head to its answer",
            Self::ConnectionsCut => "Connections that only waited and had to make room",
            Self::Looks => "Looks at a tenant",
            Self::Revocations => "Calls that take a role away",
            Self::Verifications => "Readings of whether access is gone",
            Self::Deliveries => "Attempts to deliver a ticket message",
            Self::TimeToRevoke => "Time until Graph took a revocation",
            Self::TimeToAct => "Time from the decision until Graph took a revocation",
            Self::TimeToProve => "Time from a revocation until the access was seen to be gone",
            Self::TimeToVerify => "Time until access that was taken away was seen to be gone",
            Self::SubscriptionFailures => "What could not be done about subscriptions",
            Self::SubscriptionsGone => "Subscriptions that nothing here deleted and are gone",
            Self::SubscriptionHours => "Hours until a subscription ends",
            Self::Denied => "What this program was not let do",
            Self::RevocationLimits => "Windows in which maxRevocations held steps back",
            Self::StopSwitch => "Whether the stop switch is engaged",
        }
    }

    /// The upper bounds of its histogram's buckets, in seconds; nothing for what is counted or
    /// stands at one value.
    pub fn buckets(self) -> Option<&'static [f64]> {
        match self {
            Self::AnswerTime => Some(&[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 3.0, 10.0]),
            Self::TimeToRevoke | Self::TimeToAct | Self::TimeToProve | Self::TimeToVerify => {
                Some(&[0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 86400.0])
            }
            Self::Signals
            | Self::Irrelevant
            | Self::Rejects
            | Self::Replays
            | Self::Unavailable
            | Self::ConnectionsCut
            | Self::Looks
            | Self::Revocations
            | Self::Verifications
            | Self::Deliveries
            | Self::SubscriptionFailures
            | Self::SubscriptionsGone
            | Self::SubscriptionHours
            | Self::Denied
            | Self::RevocationLimits
            | Self::StopSwitch => None,
        }
    }
}

/// Tells the recorder what the numbers mean. To be called once it is installed.
pub fn describe() {
    for metric in Metric::ALL {
        if matches!(metric, Metric::SubscriptionHours | Metric::StopSwitch) {
            describe_gauge!(metric.name(), metric.help());
        } else if metric.buckets().is_some() {
            describe_histogram!(metric.name(), Unit::Seconds, metric.help());
        } else {
            describe_counter!(metric.name(), Unit::Count, metric.help());
        }
    }
}

/// What a request brought, once it is taken in.
pub fn heard(sender: Sender, signals: usize, irrelevant: usize) {
    let sender = sender.name();
    counter!(Metric::Signals.name(), "sender" => sender).increment(signals as u64);
    counter!(Metric::Irrelevant.name(), "sender" => sender).increment(irrelevant as u64);
}

/// A request was turned away, or so many items of one for the same reason.
pub fn rejected(sender: Sender, reject: &Reject, items: usize) {
    let (sender, reason) = (sender.name(), reject.reason());
    let rejects = counter!(Metric::Rejects.name(), "sender" => sender, "reason" => reason);
    rejects.increment(items as u64);
}

/// A message had been taken in before.
pub fn replayed(sender: Sender) {
    counter!(Metric::Replays.name(), "sender" => sender.name()).increment(1);
}

/// A sender was asked to come again.
pub fn unavailable(sender: Sender, lack: Lack) {
    let lack = match lack {
        Lack::Queue => "queue",
        Lack::Keys => "keys",
    };
    counter!(Metric::Unavailable.name(), "sender" => sender.name(), "lack" => lack).increment(1);
}

/// A request was answered.
pub fn answered(sender: Sender, took: SignedDuration) {
    histogram!(Metric::AnswerTime.name(), "sender" => sender.name()).record(seconds(took));
}

/// Connections had to make room.
pub fn connections_cut(cut: u64) {
    counter!(Metric::ConnectionsCut.name()).increment(cut);
}

/// A look ended.
pub fn looked(end: End) {
    counter!(Metric::Looks.name(), "end" => end.name()).increment(1);
}

/// A call that takes a role away ended.
pub fn acted(state: StepState) {
    counter!(Metric::Revocations.name(), "state" => state.as_str()).increment(1);
}

/// Graph took a revocation that this led to.
pub fn revoked(cause: &Cause, partner: &AffectedPartner, at: Timestamp) {
    let partner = label(partner);
    for (since, then) in cause.moments() {
        let took = seconds(at.duration_since(then));
        let partner = partner.clone();
        let numbers = if since == "decided" {
            histogram!(Metric::TimeToAct.name(), "partner" => partner)
        } else {
            histogram!(Metric::TimeToRevoke.name(), "since" => since, "partner" => partner)
        };
        numbers.record(took);
    }
}

/// A partner of the policy, by its id; all others share one label, so that no stranger can make
/// more series.
fn label(partner: &AffectedPartner) -> String {
    let listed = partner.id.filter(|_| partner.listed);
    listed.map_or_else(|| "unlisted".to_owned(), |id| id.to_string())
}

/// It was read again whether access is gone.
pub fn verified(proof: Proof) {
    let proof = match proof {
        Proof::Gone => "gone",
        Proof::Again(_) => "again",
        Proof::StillThere => "still-there",
        Proof::Unread => "unread",
        Proof::Restored => "restored",
        Proof::NotDone => "not-done",
    };
    counter!(Metric::Verifications.name(), "proof" => proof).increment(1);
}

/// The access of a step was seen to be gone. Where its call was never answered, nobody knows how
/// long that took.
pub fn proven(step: &StepRow, partner: &AffectedPartner, at: Timestamp) {
    let Some(revoked) = step.acted_at else { return };
    let partner = label(partner);
    let took = seconds(at.duration_since(revoked));
    histogram!(Metric::TimeToProve.name(), "partner" => partner.clone()).record(took);
    for (since, then) in step.cause.iter().flat_map(Cause::moments) {
        let (took, partner) = (seconds(at.duration_since(then)), partner.clone());
        let numbers =
            histogram!(Metric::TimeToVerify.name(), "since" => since, "partner" => partner);
        numbers.record(took);
    }
}

/// A subscription of a tenant of the policy ends after this long; not at all long if there is none.
pub fn subscribed(tenant: TenantId, resource: &'static str, left: SignedDuration) {
    let tenant = tenant.to_string();
    let hours =
        gauge!(Metric::SubscriptionHours.name(), "tenant" => tenant, "resource" => resource);
    hours.set(seconds(left) / 3600.0);
}

/// So much could not be done about a tenant's subscriptions.
pub fn unsubscribed(tenant: TenantId, failures: usize) {
    let tenant = tenant.to_string();
    let failed = counter!(Metric::SubscriptionFailures.name(), "tenant" => tenant);
    failed.increment(failures as u64);
}

/// So many subscriptions of a tenant were gone.
pub fn subscriptions_gone(tenant: TenantId, gone: usize) {
    let gone_by_now = counter!(Metric::SubscriptionsGone.name(), "tenant" => tenant.to_string());
    gone_by_now.increment(gone as u64);
}

/// The stop switch was read.
pub fn stopped(engaged: bool) {
    gauge!(Metric::StopSwitch.name()).set(f64::from(u8::from(engaged)));
}

/// So often this program was not let do something in a tenant.
pub fn denied(tenant: TenantId, what: Denied, times: usize) {
    let (tenant, what) = (tenant.to_string(), what.name());
    let denied = counter!(Metric::Denied.name(), "tenant" => tenant, "what" => what);
    denied.increment(times as u64);
}

/// A window began in which no more is taken away in a tenant.
pub fn limited(tenant: TenantId) {
    counter!(Metric::RevocationLimits.name(), "tenant" => tenant.to_string()).increment(1);
}

impl Denied {
    fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Read => "read",
            Self::Write => "write",
            Self::OwnApplication => "own-application",
        }
    }
}

/// An attempt to deliver a message ended.
pub fn delivered(end: End) {
    counter!(Metric::Deliveries.name(), "end" => end.name()).increment(1);
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::NoReason => "no-reason",
            Self::Accepted => "accepted",
            Self::Again => "again",
            Self::Failed => "failed",
            Self::GivenUp => "given-up",
        }
    }
}

/// A duration in seconds. Where two clocks disagree about what came first, it is none.
fn seconds(took: SignedDuration) -> f64 {
    took.as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_says_its_unit() {
        let mut names = Metric::ALL.map(Metric::name).to_vec();
        for metric in Metric::ALL {
            let unit = if metric == Metric::SubscriptionHours {
                "_hours"
            } else if metric == Metric::StopSwitch {
                "_stopped"
            } else if metric.buckets().is_some() {
                "_seconds"
            } else {
                "_total"
            };
            assert!(metric.name().ends_with(unit), "{}", metric.name());
            assert!(metric.name().starts_with("warden_"), "{}", metric.name());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
    }

    #[test]
    fn buckets_rise() {
        for metric in Metric::ALL {
            assert!(metric.buckets().is_none_or(<[f64]>::is_sorted), "{}", metric.name());
        }
    }

    #[test]
    fn partners_that_the_policy_does_not_name_share_one_label() {
        let partner = |id: &str, listed| AffectedPartner {
            id: id.parse().ok(),
            name: "Contoso".to_owned(),
            listed,
        };
        let id = "22222222-2222-2222-2222-222222222222";
        assert_eq!(label(&partner(id, true)), id);
        assert_eq!(label(&partner(id, false)), "unlisted");
        assert_eq!(label(&AffectedPartner::unknown()), "unlisted");
    }
}
