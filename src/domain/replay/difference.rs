//! How two policies differ over the same events.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Happening, Replayed};
use crate::domain::id::{Sha256Hex, TenantId};

/// How two replays of the same events differ about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The tenant's name.
    pub tenant: String,
    /// What the one policy does.
    pub one: Option<Happening>,
    /// What the other does.
    pub other: Option<Happening>,
}

/// What differs between two replays of the same events.
pub fn differences(one: &[Replayed], other: &[Replayed]) -> Vec<Difference> {
    type Told<'a> = BTreeMap<(TenantId, &'a Sha256Hex), (&'a str, Vec<&'a Happening>)>;
    fn told(replayed: &[Replayed]) -> Told<'_> {
        let mut told = Told::new();
        for tenant in replayed {
            for happening in &tenant.happenings {
                let (_, list) = told
                    .entry((tenant.id, &happening.key))
                    .or_insert_with(|| (tenant.name.as_str(), Vec::new()));
                list.push(happening);
            }
        }
        told
    }
    let (one, other) = (told(one), told(other));
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).copied().collect();
    let mut differences = Vec::new();
    for key in keys {
        let name = one.get(&key).or(other.get(&key)).map_or("", |(name, _)| *name);
        let mut one = one.get(&key).into_iter().flat_map(|(_, list)| list.iter().copied());
        let mut other = other.get(&key).into_iter().flat_map(|(_, list)| list.iter().copied());
        loop {
            let pair = (one.next(), other.next());
            match pair {
                (None, None) => break,
                (Some(a), Some(b)) if a.effect == b.effect => {}
                (a, b) => differences.push(Difference {
                    tenant: name.to_owned(),
                    one: a.cloned(),
                    other: b.cloned(),
                }),
            }
        }
    }
    let at = |difference: &Difference| {
        difference.one.as_ref().or(difference.other.as_ref()).map(|happening| happening.at)
    };
    differences.sort_by_key(at);
    differences
}
