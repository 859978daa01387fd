//! What could not be read of a tenant while a snapshot is taken.

use tracing::warn;

use crate::domain::facts::{Gap, GapCause, Part};
use crate::domain::roster::Tenant;
use crate::ports::{Failure, Listed, PortError, chain};

/// The failures so far, in the order they were met.
pub(super) struct Reading<'a> {
    tenant: &'a str,
    failures: Vec<(Part, PortError)>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(tenant: &'a Tenant) -> Self {
        Self::named(&tenant.name)
    }

    /// Of the tenant of this name.
    pub(super) fn named(tenant: &'a str) -> Self {
        Self { tenant, failures: Vec::new() }
    }

    /// What was listed of a part; why not all of it is kept.
    pub(super) fn taken<T>(&mut self, part: Part, listed: Listed<T>) -> Vec<T> {
        if let Some(error) = listed.failure {
            self.failed(part, error);
        }
        listed.items
    }

    /// What was read of a part; why not is kept.
    pub(super) fn got<T>(&mut self, part: Part, read: Result<T, PortError>) -> Option<T> {
        read.map_err(|error| self.failed(part, error)).ok()
    }

    /// Whether we were not let into the tenant at all, so that asking for more is no use.
    pub(super) fn was_refused(&self) -> bool {
        self.failures.iter().any(|(_, error)| error.kind == Failure::SignInRefused)
    }

    /// One gap for each part that could not be read whole.
    pub(super) fn gaps(self) -> Vec<Gap> {
        let mut parts: Vec<(Part, Vec<PortError>)> = Vec::new();
        for (part, error) in self.failures {
            match parts.iter_mut().find(|(other, _)| *other == part) {
                Some((_, errors)) => errors.push(error),
                None => parts.push((part, vec![error])),
            }
        }
        let gap = |(part, errors)| {
            let error = PortError::first_of(errors)?;
            Some(Gap { part, cause: cause(error.kind), detail: error.said })
        };
        parts.into_iter().filter_map(gap).collect()
    }

    fn failed(&mut self, part: Part, error: PortError) {
        let (name, noun) = (self.tenant, part.noun());
        warn!(tenant.name = name, "the {noun} could not be read whole: {}", chain(&error));
        self.failures.push((part, error));
    }
}

fn cause(failure: Failure) -> GapCause {
    match failure {
        Failure::SignInRefused => GapCause::SignInRefused,
        Failure::Denied => GapCause::Denied,
        Failure::Transient | Failure::Throttled(_) => GapCause::Unavailable,
        Failure::Gone | Failure::Refused | Failure::Unintelligible => GapCause::Unintelligible,
    }
}
