//! Whether what waits is a reason to read the tenant. In doubt it is.
//!
//! Two kinds of signals can turn out to be none: that our own application took away what a step of
//! ours was to take away, and that there is new audit content, in which there may be nothing about
//! access. Neither decides anything but whether to look.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::OnceCell;
use tracing::{info, warn};

use super::World;
use crate::domain::case::{Case, Row};
use crate::domain::facts::{Gap, GapCause};
use crate::domain::id::PrincipalId;
use crate::domain::plan::StepState;
use crate::domain::roster::Tenant;
use crate::domain::signal::{Envelope, Initiator, Signal, Subject};
use crate::domain::text::count;
use crate::ports::{Look, PortError, Waiting, chain};
use crate::wire::audit::{self, Whose};

/// Most contents that are fetched before a look. Where more wait, reading the tenant is cheaper.
const CONTENTS_MAX: usize = 20;

/// How many of them are fetched at once.
const CONTENTS_AT_ONCE: usize = 4;

/// How long all of this may take. Whatever is not known by then is a reason, and whoever was given
/// access meanwhile must not have it for long because of what this waits for.
const WITHIN: Duration = Duration::from_secs(5);

/// What waits, as far as the queue can tell.
#[derive(Debug, PartialEq, Eq)]
enum Hint {
    /// A reason to look.
    Look,
    /// An application took something away, and from whom.
    Removed(Initiator, Subject),
    /// Audit content tells more.
    Content(String),
}

impl Hint {
    /// The queue keeps the first signal of a subject and counts the others, so that one that
    /// waits alone can be known and several cannot. A settling look is owed to earlier ones.
    fn of(waiting: &Waiting) -> Self {
        if waiting.settling || waiting.signals != 1 {
            return Self::Look;
        }
        match waiting.first.clone().map(Envelope::signal) {
            Some(Signal {
                removal: true, initiator: Some(by), content_uri: None, subject, ..
            }) => Self::Removed(by, subject),
            Some(Signal { removal: false, content_uri: Some(uri), .. }) => Self::Content(uri),
            _ => Self::Look,
        }
    }
}

/// Whether all that waits are steps that are held back, which were told already.
pub(super) fn is_what_was_held(look: &Look) -> bool {
    let held = Subject::held();
    !look.waiting.is_empty() && look.waiting.iter().all(|waiting| waiting.subject == held)
}

/// Whether anything that waits is a reason to read the tenant.
pub(super) async fn is_any(world: &World, tenant: &Tenant, look: &Look) -> bool {
    let hints: Vec<Hint> = look.waiting.iter().map(Hint::of).collect();
    let contents = hints.iter().filter(|hint| matches!(hint, Hint::Content(_))).count();
    if hints.is_empty() || hints.contains(&Hint::Look) || contents > CONTENTS_MAX {
        return true;
    }
    let weighed = tokio::time::timeout(WITHIN, weigh(world, tenant, hints)).await;
    let reason = weighed.unwrap_or_else(|_| {
        warn!(tenant.name, "what happened could not be read in time; the tenant is looked at");
        true
    });
    if !reason {
        let waiting = count(look.waiting.len(), "signal");
        info!(tenant.name, contents, "no reason to look: {waiting} of what changes no access");
    }
    reason
}

async fn weigh(world: &World, tenant: &Tenant, hints: Vec<Hint>) -> bool {
    let (mut uris, taken) = (Vec::new(), Taken::new(world, tenant));
    for hint in hints {
        match hint {
            Hint::Removed(by, from)
                if is_ours(world, tenant, &by).await && taken.from(&from).await => {}
            Hint::Removed(..) | Hint::Look => return true,
            Hint::Content(uri) => uris.push(uri),
        }
    }
    let reads = uris.into_iter().map(|uri| is_reason(world, tenant, &taken, uri));
    let mut reads = futures_util::stream::iter(reads).buffer_unordered(CONTENTS_AT_ONCE);
    while let Some(reason) = reads.next().await {
        if reason {
            return true;
        }
    }
    false
}

/// Whether a content tells of anything but what steps of ours took away.
async fn is_reason(world: &World, tenant: &Tenant, taken: &Taken<'_>, uri: String) -> bool {
    let body = match world.audit_content.audit_content(tenant.id, &uri).await {
        Ok(body) => body,
        Err(error) => {
            warn!(tenant.name, "audit content cannot be read; looking instead: {}", chain(&error));
            return true;
        }
    };
    let id = tenant.id.to_string();
    let whose = Whose {
        tenant: Some(&id),
        roster: &world.policy.roster,
        own_apps: &world.own_apps,
        now: world.clock.now(),
    };
    let received = match audit::content(&body, whose) {
        Ok(received) => received,
        Err(reject) => {
            warn!(tenant.name, "audit content is not understood; looking instead: {reject}");
            return true;
        }
    };
    let records = received.signals.len() + received.irrelevant;
    if let Some(reject) = received.rejects.first() {
        warn!(tenant.name, "an audit record is not understood; looking instead: {reject}");
        return true;
    }
    if records == 0 {
        // None is announced that holds nothing.
        warn!(tenant.name, "audit content is empty; looking instead");
        return true;
    }
    for signal in &received.signals {
        let signal = signal.as_ref();
        let ours = match &signal.initiator {
            Some(by) if signal.tenant == tenant.id => is_ours(world, tenant, by).await,
            _ => false,
        };
        let revocation = signal.removal && taken.from(&signal.subject).await;
        if ours && !revocation {
            warn_of(tenant, &signal.what);
        }
        if !ours || !revocation {
            info!(tenant.name, records, "audit content tells of: {}", signal.what);
            return true;
        }
    }
    let passed_over = Vec::from_iter(received.passed_over).join(", ");
    info!(tenant.name, records, passed_over, "audit content tells of nobody's access");
    false
}

/// Tells of what was done in our own name and is no revocation of ours. Whoever did it may have got
/// hold of our credential.
pub(super) async fn tell_of_misuse(world: &World, tenant: &Tenant, look: &Look, gaps: &[Gap]) {
    if gaps.iter().any(|gap| gap.cause == GapCause::SignInRefused) {
        return;
    }
    let first = look.waiting.iter().filter_map(|waiting| waiting.first.clone());
    let done = first.map(Envelope::signal).filter_map(|signal| {
        let from = signal.removal.then_some(signal.subject);
        Some(((signal.initiator?, from), signal.what))
    });
    let done: BTreeMap<(Initiator, Option<Subject>), String> = done.collect();
    let taken = Taken::new(world, tenant);
    let tell = async {
        for ((by, from), what) in &done {
            let revocation = match from {
                Some(from) => taken.from(from).await,
                None => false,
            };
            if !revocation && is_ours(world, tenant, by).await {
                warn_of(tenant, what);
            }
        }
    };
    if tokio::time::timeout(WITHIN, tell).await.is_err() {
        warn!(tenant.name, "in whose name something was done could not be read in time");
    }
}

fn warn_of(tenant: &Tenant, what: &str) {
    warn!(
        tenant.name,
        "done in the name of the application WARDEN_CLIENT_ID, and no revocation known here: {what}; \
         if this program did not do it, find out who else holds the credential"
    );
}

/// Whom steps of ours have taken something from, read when it is first asked for.
struct Taken<'a> {
    world: &'a World,
    tenant: &'a Tenant,
    read: OnceCell<BTreeSet<Subject>>,
}

impl<'a> Taken<'a> {
    fn new(world: &'a World, tenant: &'a Tenant) -> Self {
        Self { world, tenant, read: OnceCell::new() }
    }

    /// Whether a step of ours took something from the object that a signal is about. Anything else
    /// that is taken away in our name, somebody else takes away who holds our credential: it may be
    /// an administrator of the tenant who lost the role. Not so where it cannot be read.
    async fn from(&self, subject: &Subject) -> bool {
        let read = self.read.get_or_init(async || {
            let cases = self.world.ledger.cases(self.tenant.id).await.unwrap_or_else(|error| {
                warn!(self.tenant.name, "our own steps cannot be read: {}", chain(&error));
                Vec::new()
            });
            taken_from(&cases)
        });
        read.await.contains(subject)
    }
}

/// Those from whom steps have taken something or may have: what Graph never answered for counts as
/// taken, since it is written down before the call.
fn taken_from(cases: &[Case]) -> BTreeSet<Subject> {
    let rows = cases.iter().flat_map(|case| &case.rows).filter(|row| {
        row.step
            .as_ref()
            .is_some_and(|step| step.acted_at.is_some() || step.state == StepState::Intended)
    });
    let grants = rows.flat_map(|row: &Row| &row.findings).filter_map(|found| found.grant.as_ref());
    grants.map(|grant| Subject::object(grant.principal.as_str())).collect()
}

/// Whether it was an application of ours.
async fn is_ours(world: &World, tenant: &Tenant, by: &Initiator) -> bool {
    let id = match by {
        Initiator::OurApp => return true,
        Initiator::ServicePrincipal(id) => id,
    };
    for app in &world.own_apps {
        let own: Result<Option<PrincipalId>, PortError> =
            world.service_principals.service_principal(tenant.id, app).await;
        match own {
            Ok(own) if own.as_ref() == Some(id) => return true,
            Ok(_) => {}
            Err(error) => {
                warn!(tenant.name, "our own service principal is not known: {}", chain(&error));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::case::{Outcome, after_look};
    use crate::domain::finding::testing::{Case as Given, WOODGROVE, noon};
    use crate::domain::id::Sha256Hex;
    use crate::domain::plan::{Circumstances, History, plan};
    use crate::domain::signal::Sender;

    fn signal() -> Signal {
        Signal {
            tenant: WOODGROVE.parse().unwrap(),
            sender: Sender::Audit,
            what: "Remove member from role".to_owned(),
            subject: Subject::object("1"),
            event_id: None,
            event_at: None,
            received_at: noon(),
            digest: Sha256Hex::of(b""),
            initiator: None,
            removal: false,
            content_uri: None,
        }
    }

    fn waiting(signal: Option<Signal>) -> Waiting {
        Waiting {
            subject: Subject::object("1"),
            generation: 1,
            signals: 1,
            settling: false,
            first: signal.map(|signal| Envelope::V1 { signal }),
            attempts: 1,
        }
    }

    /// Whether something counts as taken from a group, once the step for its role has come so far.
    fn taken_once(state: StepState, acted_at: Option<Timestamp>) -> bool {
        let given = Given::new()
            .with_policy("respond: {role-not-allowed: {do: revoke}}")
            .member("Megan", "Global Administrator")
            .foreign_group("Agents", "Exchange Administrator");
        let (policy, history) = (given.policy(), History::default());
        let (tenant, policy, own_apps) = (&policy.roster.tenants[0], &policy, &[]);
        let about = Circumstances {
            policy,
            tenant,
            history: &history,
            own_apps,
            stopped: None,
            now: noon(),
        };
        let plan = plan(&given.facts, about);
        let mut cases = after_look(&[], &plan, &given.facts, noon());
        let group = given.facts.assignments[1].principal_id.as_str();
        let group = BTreeSet::from([Subject::object(&group.to_uppercase())]);
        assert_eq!(taken_from(&cases), group, "begun");
        let outcome = Outcome { state, detail: None, request_id: None, acted_at };
        cases[0].settle(&plan.cases[0].steps[0].id, &outcome);
        taken_from(&cases) == group
    }

    #[test]
    fn a_step_has_taken_something_if_graph_took_it_or_may_have() {
        assert!(taken_once(StepState::Intended, None));
        for state in [StepState::Revoked, StepState::Verified, StepState::Unverified] {
            assert!(taken_once(state, Some(noon())), "{state:?}");
        }
        // What is described, held back or refused, and gone all the same, somebody else took away.
        for state in [
            StepState::Described,
            StepState::AwaitingApproval,
            StepState::Held,
            StepState::Refused,
            StepState::Verified,
        ] {
            assert!(!taken_once(state, None), "{state:?}");
        }
    }

    #[test]
    fn only_a_signal_that_waits_alone_and_says_so_can_be_no_reason() {
        let by = Some(Initiator::OurApp);
        let uri = Some("https://manage.example/1".to_owned());
        let removed = Signal { removal: true, initiator: by.clone(), ..signal() };
        let content = Signal { content_uri: uri.clone(), ..signal() };
        let alone = |signal: &Signal| Hint::of(&waiting(Some(signal.clone())));
        assert_eq!(alone(&removed), Hint::Removed(Initiator::OurApp, Subject::object("1")));
        assert_eq!(alone(&content), Hint::Content(uri.clone().unwrap()));
        for other in [
            signal(),
            Signal { removal: true, ..signal() },
            Signal { initiator: by.clone(), ..signal() },
            Signal { removal: true, content_uri: uri.clone(), ..signal() },
            Signal { removal: true, initiator: by.clone(), content_uri: uri, ..signal() },
        ] {
            assert_eq!(alone(&other), Hint::Look, "{other:?}");
        }
        assert_eq!(Hint::of(&waiting(None)), Hint::Look, "an envelope that cannot be read");
        for signal in [removed, content] {
            let one = waiting(Some(signal));
            assert_eq!(Hint::of(&Waiting { signals: 2, ..one.clone() }), Hint::Look);
            assert_eq!(Hint::of(&Waiting { signals: 0, ..one.clone() }), Hint::Look);
            assert_eq!(Hint::of(&Waiting { settling: true, ..one }), Hint::Look);
        }
    }
}
