//! Whether what waits is a reason to read the tenant. In doubt it is.
//!
//! Two kinds of signals can turn out to be none: that our own application took away what a step of
//! ours was to take away (`reason/ours.rs`), and that there is new audit content, in which there may be nothing about
//! access. Neither decides anything but whether to look.

mod ours;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use tracing::{error, info, warn};

use self::ours::{Deed, Ours};
use super::World;
use crate::domain::facts::{Gap, GapCause};
use crate::domain::id::PrincipalId;
use crate::domain::roster::Tenant;
use crate::domain::signal::{Envelope, Initiator, Signal, Subject};
use crate::domain::text::count;
use crate::ports::{Look, Waiting, chain};
use crate::telemetry::metric::{self, Denied};
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
    /// An application took something away.
    Removed(Initiator, Box<Signal>),
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
            Some(signal @ Signal { removal: true, content_uri: None, .. }) => {
                match signal.initiator.clone() {
                    Some(by) => Self::Removed(by, Box::new(signal)),
                    None => Self::Look,
                }
            }
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
    let (mut uris, ours) = (Vec::new(), Ours::new(world, tenant));
    for hint in hints {
        match hint {
            Hint::Removed(by, signal)
                if is_ours(world, tenant, &by).await
                    && ours.deed(&signal).await == Some(Deed::Taking) => {}
            Hint::Removed(..) | Hint::Look => return true,
            Hint::Content(uri) => uris.push(uri),
        }
    }
    let reads = uris.into_iter().map(|uri| is_reason(world, tenant, &ours, uri));
    let mut reads = futures_util::stream::iter(reads).buffer_unordered(CONTENTS_AT_ONCE);
    while let Some(reason) = reads.next().await {
        if reason {
            return true;
        }
    }
    false
}

/// Whether a content tells of anything but what steps of ours took away.
async fn is_reason(world: &World, tenant: &Tenant, ours: &Ours<'_>, uri: String) -> bool {
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
        if signal.tenant == tenant.id && is_about_us(world, tenant, signal).await {
            error_of(tenant, &signal.what);
        }
        let in_our_name = match &signal.initiator {
            Some(by) if signal.tenant == tenant.id => is_ours(world, tenant, by).await,
            _ => false,
        };
        let deed = if in_our_name { ours.deed(signal).await } else { None };
        if in_our_name && deed.is_none() {
            warn_of(tenant, &signal.what);
        }
        if deed != Some(Deed::Taking) {
            info!(tenant.name, records, "audit content tells of: {}", signal.what);
            return true;
        }
    }
    let passed_over = Vec::from_iter(received.passed_over).join(", ");
    info!(tenant.name, records, passed_over, "audit content tells of nobody's access");
    false
}

/// Tells of what was done in our own name and is no write of ours. Whoever did it may have got hold
/// of our credential.
pub(super) async fn tell_of_misuse(world: &World, tenant: &Tenant, look: &Look, gaps: &[Gap]) {
    if gaps.iter().any(|gap| gap.cause == GapCause::SignInRefused) {
        return;
    }
    let first = look.waiting.iter().filter_map(|waiting| waiting.first.clone());
    // One line for each kind of thing, however often it was done.
    let mut done: BTreeMap<(Initiator, String), Vec<Signal>> = BTreeMap::new();
    for signal in first.map(Envelope::signal) {
        if let Some(by) = signal.initiator.clone() {
            done.entry((by, signal.what.clone())).or_default().push(signal);
        }
    }
    let ours = Ours::new(world, tenant);
    let tell = async {
        for ((by, what), signals) in &done {
            let mut known = true;
            for signal in signals {
                known = known && ours.deed(signal).await.is_some();
            }
            if !known && is_ours(world, tenant, by).await {
                warn_of(tenant, what);
            }
        }
    };
    if tokio::time::timeout(WITHIN, tell).await.is_err() {
        warn!(tenant.name, "in whose name something was done could not be read in time");
    }
}

/// Tells of what was done to our own application in the tenant: it may have lost a permission, a
/// credential or its life, or somebody may have given it another credential. What it is still let do
/// the look that follows shows.
pub(super) async fn tell_of_ourselves(world: &World, tenant: &Tenant, look: &Look) {
    let first = look.waiting.iter().filter_map(|waiting| waiting.first.clone());
    let mut told = BTreeSet::new();
    let tell = async {
        for signal in first.map(Envelope::signal) {
            if !told.contains(&signal.what) && is_about_us(world, tenant, &signal).await {
                error_of(tenant, &signal.what);
                told.insert(signal.what);
            }
        }
    };
    if tokio::time::timeout(WITHIN, tell).await.is_err() {
        warn!(tenant.name, "whether something was done to this program could not be read in time");
    }
}

fn error_of(tenant: &Tenant, what: &str) {
    error!(
        tenant.name,
        code = "own-application-changed",
        "the audit log tells of a change to this program's own application: {what}; if it was not \
         planned, see in Microsoft Entra who did it, and what permissions and credentials it has"
    );
    metric::denied(tenant.id, Denied::OwnApplication, 1);
}

/// Whether a signal is about an application of ours, by the service principal that stands for it.
/// Only events that are about applications at all are worth asking for.
async fn is_about_us(world: &World, tenant: &Tenant, signal: &Signal) -> bool {
    let what = signal.what.to_lowercase();
    if !["application", "service principal"].iter().any(|word| what.contains(word)) {
        return false;
    }
    for id in own_principals(world, tenant).await {
        let own = Subject::object(id.as_str());
        if signal.subject == own || signal.about.contains(&own) {
            return true;
        }
    }
    false
}

fn warn_of(tenant: &Tenant, what: &str) {
    warn!(
        tenant.name,
        "done in the name of the application WARDEN_CLIENT_ID, and no write known here: {what}; if \
         this program did not do it, find out who else holds the credential"
    );
}

/// Whether it was an application of ours.
async fn is_ours(world: &World, tenant: &Tenant, by: &Initiator) -> bool {
    let id = match by {
        Initiator::OurApp => return true,
        Initiator::ServicePrincipal(id) => id,
    };
    own_principals(world, tenant).await.contains(id)
}

/// What stands for our applications in a tenant, as far as that can be read.
async fn own_principals(world: &World, tenant: &Tenant) -> Vec<PrincipalId> {
    let mut all = Vec::new();
    for app in &world.own_apps {
        match world.service_principals.service_principal(tenant.id, app).await {
            Ok(own) => all.extend(own),
            Err(error) => {
                warn!(tenant.name, "our own service principal is not known: {}", chain(&error));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{WOODGROVE, noon};
    use crate::domain::id::Sha256Hex;
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
            about: Vec::new(),
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

    #[test]
    fn only_a_signal_that_waits_alone_and_says_so_can_be_no_reason() {
        let by = Some(Initiator::OurApp);
        let uri = Some("https://manage.example/1".to_owned());
        let removed = Signal { removal: true, initiator: by.clone(), ..signal() };
        let content = Signal { content_uri: uri.clone(), ..signal() };
        let alone = |signal: &Signal| Hint::of(&waiting(Some(signal.clone())));
        let expect = Hint::Removed(Initiator::OurApp, Box::new(removed.clone()));
        assert_eq!(alone(&removed), expect);
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
