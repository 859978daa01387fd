//! One policy and one person: whether it protects, and if not, all that it lacks.

use std::collections::BTreeSet;

use super::conditions::{Dimension, Narrowed, Part, narrowed};
use super::controls::{Demand, demand};
use super::policy::{ConditionalAccessPolicy, Read, unknown};
use super::scope::{Match, excludes, includes};
use super::{Reason, SignInIdentity};
use crate::domain::text::foreign;

/// Something for want of which a policy does not protect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    /// It is not enabled.
    State(&'static str),
    /// It is for other people.
    Untargeted,
    /// It leaves these people out.
    Excluded(String),
    /// What it demands is not MFA.
    Controls(String),
    /// It holds for less than every sign-in.
    Narrowed(String, Option<Part>),
}

impl Lack {
    fn is_excluded(&self) -> bool {
        matches!(self, Self::Excluded(_))
    }

    fn words(&self) -> String {
        match self {
            Self::State(why) => (*why).to_owned(),
            Self::Untargeted => "applies to other people only".to_owned(),
            Self::Excluded(whom) => format!("leaves out {whom}"),
            Self::Controls(why) | Self::Narrowed(why, _) => why.clone(),
        }
    }
}

/// A policy, judged.
#[derive(Debug, Clone)]
pub(super) struct Judged<'a> {
    policy: &'a ConditionalAccessPolicy,
    demand: Demand,
    lacks: Vec<Lack>,
    unclear: Vec<String>,
}

/// Members of a policy that say nothing about whether it protects.
const WITHOUT_EFFECT: &[&str] = &[
    "createdDateTime",
    "deletedDateTime",
    "description",
    "modifiedDateTime",
    "sessionControls",
    "templateId",
];

/// Judges a policy for somebody.
pub(super) fn judge<'a>(
    policy: &'a ConditionalAccessPolicy,
    who: &SignInIdentity<'_>,
) -> Judged<'a> {
    let demand = demand(policy.grant_controls.as_ref(), who);
    let mut judged = Judged { policy, demand, lacks: Vec::new(), unclear: Vec::new() };
    judged.state();
    judged.conditions(who);
    match &judged.demand {
        Demand::Mfa | Demand::Block => {}
        Demand::Less { why, .. } => judged.lacks.push(Lack::Controls(why.clone())),
        Demand::Unclear(why) => judged.unclear.push(why.clone()),
    }
    let strange = unknown(&policy.rest).find(|(name, _)| !WITHOUT_EFFECT.contains(name));
    if let Some((name, _)) = strange {
        judged
            .unclear
            .push(format!("has the setting “{}”, which is not understood", foreign(name)));
    }
    judged
}

impl Judged<'_> {
    fn state(&mut self) {
        match self.policy.state.as_ref().and_then(Read::known).map(String::as_str) {
            Some("enabled") => {}
            Some("disabled") => self.lacks.push(Lack::State("is off")),
            Some("enabledForReportingButNotEnforced") => {
                self.lacks.push(Lack::State("is report-only"));
            }
            Some(_) | None => self.unclear.push("is in a state that is not understood".to_owned()),
        }
    }

    fn conditions(&mut self, who: &SignInIdentity<'_>) {
        let conditions = match &self.policy.conditions {
            Some(Read::Known(conditions)) => conditions,
            Some(Read::Other(_)) | None => {
                self.unclear.push("has conditions that are not understood".to_owned());
                return;
            }
        };
        match &conditions.users {
            Some(Read::Known(users)) => match (excludes(users, who), includes(users, who)) {
                (_, Match::No) => self.lacks.push(Lack::Untargeted),
                (left_out, included) => {
                    match left_out {
                        Match::Yes(whom) => self.lacks.push(Lack::Excluded(whom)),
                        Match::Maybe(whom) => self.unclear.push(format!("leaves out {whom}")),
                        Match::No => {}
                    }
                    if let Match::Maybe(whom) = included {
                        self.unclear.push(format!("applies to {whom}"));
                    }
                }
            },
            Some(Read::Other(_)) | None => {
                self.unclear
                    .push("does not say whom it is for in a way that is understood".to_owned());
            }
        }
        let Narrowed { by, unclear } = narrowed(conditions);
        self.lacks.extend(by.into_iter().map(|one| Lack::Narrowed(one.why, one.part)));
        self.unclear.extend(unclear);
    }

    pub(super) fn name(&self) -> String {
        self.policy.name()
    }

    /// Whether it protects at every sign-in.
    pub(super) fn enforces(&self) -> bool {
        self.lacks.is_empty() && self.unclear.is_empty()
    }

    /// Whether it keeps somebody out at every sign-in.
    pub(super) fn blocks(&self) -> bool {
        self.enforces() && self.demand == Demand::Block
    }

    /// Whether it certainly has no bearing on somebody.
    pub(super) fn leaves_alone(&self) -> bool {
        self.lacks.iter().any(|lack| matches!(lack, Lack::Untargeted | Lack::Excluded(_)))
    }

    /// Why it may protect, if all that stands against it is what cannot be told.
    pub(super) fn open(&self) -> Option<Reason> {
        (self.lacks.is_empty() && !self.unclear.is_empty())
            .then(|| Reason { policy: Some(self.name()), why: self.unclear.join(" and ") })
    }

    /// How it leaves somebody out, if it would demand MFA of them at every sign-in otherwise. A
    /// policy that blocks others lets these in on purpose, and is no exemption from MFA.
    pub(super) fn exempts(&self) -> Option<Reason> {
        let only_excluded = !self.lacks.is_empty() && self.lacks.iter().all(Lack::is_excluded);
        (only_excluded && self.unclear.is_empty() && self.demand == Demand::Mfa)
            .then(|| self.reason())
    }

    /// Whether somebody may take it for one that protects: it speaks of MFA, or it would block them
    /// if it were on.
    pub(super) fn is_near_miss(&self) -> bool {
        match &self.demand {
            Demand::Mfa | Demand::Unclear(_) => true,
            Demand::Less { mentions_mfa, .. } => *mentions_mfa,
            Demand::Block => matches!(self.lacks.as_slice(), [Lack::State(_)]),
        }
    }

    /// How far it is from protecting.
    pub(super) fn distance(&self) -> usize {
        self.lacks.len() + self.unclear.len()
    }

    pub(super) fn reason(&self) -> Reason {
        let words = self.lacks.iter().map(Lack::words).chain(self.unclear.iter().cloned());
        Reason { policy: Some(self.name()), why: words.collect::<Vec<_>>().join(" and ") }
    }

    /// The part of a dimension it covers, if that is all it lacks.
    fn part(&self) -> Option<&Part> {
        match self.lacks.as_slice() {
            [Lack::Narrowed(_, part)] => part.as_ref(),
            _ => None,
        }
    }

    pub(super) fn is_clear(&self) -> bool {
        self.unclear.is_empty()
    }
}

/// Policies that cover everything together, each lacking but one dimension, which is the same: all
/// applications but some, and those; browsers, and modern clients.
pub(super) fn together<'j, 'a>(
    judged: impl Iterator<Item = &'j Judged<'a>>,
) -> Vec<&'j Judged<'a>> {
    let parts: Vec<(&Judged<'_>, &Part)> =
        judged.filter_map(|one| Some((one, one.part()?))).collect();
    let clients: BTreeSet<&str> = ["browser", "mobileappsanddesktopclients"].into_iter().collect();
    if let Some(all) = covered(&parts, Dimension::ClientAppTypes, &clients) {
        return all;
    }
    for (one, whole) in parts.iter().filter(|(_, part)| part.all) {
        let left: BTreeSet<&str> = whole.excluded.iter().map(String::as_str).collect();
        if let Some(mut all) = covered(&parts, whole.dimension, &left) {
            all.push(one);
            return all;
        }
    }
    Vec::new()
}

/// The policies that cover all of `wanted` by name. A part that leaves something out is not used:
/// what is left out may overlap with what is wanted under another name.
fn covered<'j, 'a>(
    parts: &[(&'j Judged<'a>, &'j Part)],
    dimension: Dimension,
    wanted: &BTreeSet<&str>,
) -> Option<Vec<&'j Judged<'a>>> {
    let usable = |part: &Part| part.dimension == dimension && !part.all && part.excluded.is_empty();
    let mut left = wanted.clone();
    let mut used = Vec::new();
    for (one, part) in parts.iter().filter(|(_, part)| usable(part)) {
        let before = left.len();
        left.retain(|name| !part.included.contains(*name));
        if left.len() < before {
            used.push(*one);
        }
    }
    left.is_empty().then_some(used)
}
