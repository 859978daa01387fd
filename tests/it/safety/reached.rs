//! Whether the histories come to every place worth coming to: a property that nothing leads to
//! holds of anything.

use std::collections::BTreeMap;

use super::town::Town;

/// What the guardrails say, and the name each is counted by.
///
/// Some are a second line that nothing leads to as long as the first holds: nothing is certain of a
/// principal of which nobody knows whose it is, and the tenant's own people and groups make no
/// grant. Those are tested alone.
const GUARDRAILS: [(&str, &str); 17] = [
    ("unfit", "it could not be read which account"),
    ("own app", "the application Partner Warden itself signs in with"),
    ("protected account", "the account is protected by the policy"),
    ("protected group", "the group it is in is protected by the policy"),
    ("renamed", "no account answers to"),
    ("maybe renamed", "which the policy protects, is still called so"),
    ("Microsoft Support", "this is Microsoft Support"),
    ("lock-out", "no user of the tenant's own was seen to hold Global Administrator"),
    ("maybe lock-out", "who of the tenant's own people holds Global Administrator"),
    ("kept by a rule", "a rule says who is in"),
    ("group not read", "it could not be read by which of the groups"),
    ("comes back", "times and came back each time"),
    ("planned change", "a planned change, which ends"),
    ("stopped", "by the stop switch: INC-7"),
    ("stop not read", "the stop switch cannot be read"),
    ("limit", "guardrails.maxRevocations"),
    ("goes with", "it goes with a step that is held back"),
];

/// What every run of all histories has to reach, beside the guardrails.
const PLACES: [&str; 55] = [
    "did revoke-role-assignment",
    "did remove-eligibility",
    "did remove-scheduled-assignment",
    "did remove-group-member",
    "did remove-app-role",
    "did revoke-sessions",
    "did disable-guest",
    "did disable-app",
    "did quarantine",
    "planned drop-global-administrator",
    "planned stop-auto-extend",
    "planned delete-access-assignment",
    "planned terminate-relationship",
    "it was so already",
    "state described",
    "state awaiting-approval",
    "state held",
    "state intended",
    "state revoked",
    "state verified",
    "state refused",
    "state reappeared",
    "state unverified",
    "stuck",
    "proof gone",
    "proof again",
    "proof still there",
    "proof unread",
    "proof not done",
    "asked Open",
    "asked SecondWanted",
    "asked Approved",
    "asked Refused",
    "asked Expired",
    "asked Void",
    "said approve",
    "said refuse",
    "ticket.opened",
    "ticket.updated",
    "ticket.closed",
    "a message came twice",
    "killed",
    "fault Before",
    "fault Throttled",
    "fault After",
    "fault Refused",
    "fault RefusedOther",
    "fault Denied",
    "fault Idle",
    "fault Unread",
    "fault Lagging",
    "fault StopUnreadable",
    "fault SinkDown",
    "fault SinkLost",
    "held at the last moment",
];

impl Town {
    /// A guardrail holds something back, and says this.
    pub(super) fn reach_guardrail(&mut self, said: &str) {
        let known = GUARDRAILS.iter().find(|(_, phrase)| said.contains(phrase));
        if let Some((name, _)) = known {
            self.reach(format!("guardrail {name}"));
        }
        if said.contains("while it writes") {
            self.reach("held at the last moment");
        }
    }
}

/// What was not reached.
pub(super) fn missing(reached: &BTreeMap<String, u64>) -> Vec<String> {
    let guardrails = GUARDRAILS.iter().map(|(name, _)| format!("guardrail {name}"));
    let all = PLACES.iter().map(|place| (*place).to_owned()).chain(guardrails);
    all.filter(|place| !reached.contains_key(place)).collect()
}
