//! The log of what was asked of the simulator.

use std::collections::VecDeque;
use std::fmt;

use http::{Method, StatusCode};
use serde_json::{Value, json};

/// How many calls the log keeps; older ones leave.
const KEPT: usize = 100_000;
/// How many calls an error message shows at most.
const SHOWN: usize = 200;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number, in order of arrival, from 1.
    pub sequence: u64,
    /// Its method.
    pub method: Method,
    /// Path and query as sent.
    pub path: Box<str>,
    /// The tenant it was about, where that is known.
    pub tenant: Option<Box<str>>,
    /// The number of the batch it came in, if it did.
    pub batch: Option<u64>,
    /// The answer's status; `None` while there is no answer, and for ever if there was none.
    pub status: Option<u16>,
}

impl Call {
    pub(crate) fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_str().eq_ignore_ascii_case(method) && self.path.contains(path)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "sequence": self.sequence,
            "method": self.method.as_str(),
            "path": self.path,
            "tenant": self.tenant.as_deref(),
            "batch": self.batch,
            "status": self.status,
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5} {} {}", self.sequence, self.method, self.path)?;
        if let Some(tenant) = &self.tenant {
            write!(f, " [{tenant}]")?;
        }
        if let Some(batch) = self.batch {
            write!(f, " in batch {batch}")?;
        }
        match self.status {
            Some(status) => write!(f, " {status}"),
            None => f.write_str(" (no answer)"),
        }
    }
}

/// The latest calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    log: VecDeque<Call>,
    last: u64,
}

impl Calls {
    /// Writes an arrival down and numbers it.
    pub(crate) fn arrived(
        &mut self,
        method: Method,
        path: &str,
        tenant: Option<Box<str>>,
        batch: Option<u64>,
    ) -> u64 {
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.last += 1;
        let (sequence, path) = (self.last, path.into());
        self.log.push_back(Call { sequence, method, path, tenant, batch, status: None });
        self.last
    }

    /// Writes down how call number `sequence` was answered.
    pub(crate) fn answered(&mut self, sequence: u64, status: StatusCode) {
        let place = self.log.binary_search_by_key(&sequence, |call| call.sequence);
        if let Some(call) = place.ok().and_then(|place| self.log.get_mut(place)) {
            call.status = Some(status.as_u16());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.log.iter()
    }

    /// The end of the log, as text for people.
    pub(crate) fn to_text(&self) -> String {
        let hidden = self.log.len().saturating_sub(SHOWN);
        let mut lines: Vec<String> = self.iter().skip(hidden).map(Call::to_string).collect();
        if hidden > 0 {
            lines.insert(0, format!("({hidden} calls before these)"));
        }
        lines.join("\n")
    }
}
