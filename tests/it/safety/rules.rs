//! What the policy says: made at random, written as a policy file, and read here once more without
//! the help of the program, which is what it is judged by.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use partner_warden::domain::policy::{Mode, Policy};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::cast::{
    CUSTOMERS, KEPT, MSP, PARTNERS, PAT, PROTECTABLE, ROLES, SVC, TENANTS, begin, id_of, minutes,
    name_of,
};

/// What the policy may answer.
pub(super) const FINDINGS: [&str; 14] = [
    "privileged-role",
    "role-not-allowed",
    "unlisted-partner",
    "guest-with-role",
    "role-via-group",
    "partner-app-privileged",
    "dedicated-account-drift",
    "allowance-expired",
    "reappeared",
    "unclassified-principal",
    "gdap-global-administrator",
    "gdap-role-not-allowed",
    "gdap-auto-extend",
    "gdap-too-long",
];

/// What accompanies a step.
const ALSO: [&str; 3] = ["revoke-sessions", "disable-guest", "disable-app"];

/// How a finding is answered.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) act: &'static str,
    pub(super) also: Vec<&'static str>,
    pub(super) quarantine_if_refused: bool,
    sink: bool,
}

/// A planned change; its moments are minutes from the beginning of all.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    tenant: Option<usize>,
    partner: Option<usize>,
    from: i64,
    lasts: i64,
}

/// An exception; its end is in minutes from the beginning of all.
#[derive(Debug, Clone)]
pub(super) struct Excepted {
    tenant: Option<usize>,
    partner: usize,
    role: usize,
    until: i64,
}

/// What a policy says.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) mode: Mode,
    pub(super) respond: BTreeMap<&'static str, Answered>,
    pub(super) limit: u32,
    /// The window of the limit, in minutes.
    pub(super) per: i64,
    /// Which of [`PROTECTABLE`] are protected, and how they are written.
    pub(super) protected: [bool; 4],
    pub(super) spelling: usize,
    pub(super) planned: Vec<Planned>,
    pub(super) exceptions: Vec<Excepted>,
    /// For each partner the roles it may hold, and until when.
    pub(super) allowed: Vec<(Vec<usize>, Option<i64>)>,
    /// What a partner may hold that nobody named.
    pub(super) unlisted: Vec<usize>,
    /// How long people have to answer, in minutes.
    pub(super) expire: i64,
    pub(super) on_expiry: &'static str,
    pub(super) people: usize,
    /// Whether somebody of the tenants' own is Global Administrator at the beginning.
    pub(super) administrator: bool,
}

impl Rules {
    /// A policy that takes away what is not allowed, which is nothing, without anything in its way.
    pub(super) fn strict(also: &[&'static str]) -> Self {
        let (also, quarantine_if_refused, sink) = (also.to_vec(), false, true);
        let revoke = Answered { act: "revoke", also, quarantine_if_refused, sink };
        Self {
            mode: Mode::Enforce,
            respond: BTreeMap::from([("role-not-allowed", revoke)]),
            limit: 50,
            per: 60,
            protected: [false; 4],
            spelling: 0,
            planned: Vec::new(),
            exceptions: Vec::new(),
            allowed: vec![(Vec::new(), None); 2],
            unlisted: Vec::new(),
            expire: 60,
            on_expiry: "ask-again",
            people: 1,
            administrator: true,
        }
    }

    /// A change that is planned for the first day.
    pub(super) fn all_day() -> Vec<Planned> {
        vec![Planned { tenant: None, partner: None, from: 0, lasts: 24 * 60 }]
    }

    /// Who is protected in a tenant, whatever they are called.
    pub(super) fn protects(&self, holder: usize) -> bool {
        let at = PROTECTABLE.iter().position(|it| *it == holder);
        at.is_some_and(|at| self.protected[at])
    }

    /// Whether a partner may hold a role at a moment.
    pub(super) fn allows(
        &self,
        tenant: usize,
        partner: usize,
        role: usize,
        now: Timestamp,
    ) -> bool {
        let (roles, until) = &self.allowed[partner];
        let before = |until: i64| now < begin() + minutes(until);
        let excepted = self.exceptions.iter().any(|it| {
            it.tenant.is_none_or(|only| only == tenant)
                && it.partner == partner
                && it.role == role
                && before(it.until)
        });
        excepted || (roles.contains(&role) && until.is_none_or(before))
    }

    /// Whether a change is planned; of nobody the policy names, nothing if it is for one partner.
    pub(super) fn is_planned(&self, tenant: usize, partner: Option<usize>, now: Timestamp) -> bool {
        self.planned.iter().any(|it| {
            let from = begin() + minutes(it.from);
            it.tenant.is_none_or(|only| only == tenant)
                && it.partner.is_none_or(|only| Some(only) == partner)
                && from <= now
                && now < from + minutes(it.lasts)
        })
    }

    /// How the policy answers a finding.
    pub(super) fn answer(&self, finding: &str) -> Option<&Answered> {
        self.respond.get(finding)
    }

    /// The policy file.
    pub(super) fn text(&self) -> String {
        let mut text = format!("version: 1\nmode: {}\ntenants:\n", self.mode);
        for tenant in CUSTOMERS {
            let (id, name) = TENANTS[tenant];
            let _ = write!(text, "  - id: {id}\n    name: {name}\n    partners:\n");
            for (n, (id, name, domain)) in PARTNERS.iter().enumerate() {
                let given = if n == 0 {
                    name_of(tenant, SVC, false)
                } else {
                    id_of(tenant, KEPT).as_str().to_owned()
                };
                let (roles, until) = &self.allowed[n];
                let roles: Vec<&str> = roles.iter().map(|role| ROLES[*role]).collect();
                let until = until.map_or_else(String::new, |it| format!(", until: {}", moment(it)));
                let _ = write!(
                    text,
                    "      - id: {id}\n        name: {name}\n        domains: [{domain}]\n        \
                     accounts: [{given}]\n        allow: {{roles: [{}]{until}}}\n",
                    roles.join(", ")
                );
            }
            let roles: Vec<&str> = self.unlisted.iter().map(|role| ROLES[*role]).collect();
            let _ = writeln!(text, "    unlisted: {{allow: {{roles: [{}]}}}}", roles.join(", "));
        }
        Self::write_msp(&mut text);
        if !self.respond.is_empty() {
            text.push_str("respond:\n");
        }
        for (finding, it) in &self.respond {
            let sink = if it.sink { "security" } else { "operations" };
            let _ = write!(text, "  {finding}: {{do: {}, ticket: {sink}", it.act);
            if matches!(it.act, "revoke" | "approve") {
                if !it.also.is_empty() {
                    let _ = write!(text, ", also: [{}]", it.also.join(", "));
                }
                if it.quarantine_if_refused {
                    text.push_str(", ifRefused: quarantine");
                }
            }
            text.push_str("}\n");
        }
        self.write_exceptions(&mut text);
        self.write_guardrails(&mut text);
        let _ = write!(
            text,
            "approvals: {{expire: PT{}M, onExpiry: {}, people: {}}}\n\
             tickets:\n  security: {{kind: webhook, url: \"http://127.0.0.1:1/security\"}}\n  \
             operations: {{kind: webhook, url: \"http://127.0.0.1:1/operations\"}}\n",
            self.expire,
            self.on_expiry(),
            self.people
        );
        text
    }

    /// In mode approve nothing may be carried out without a person's word.
    pub(super) fn on_expiry(&self) -> &'static str {
        if self.mode == Mode::Approve && self.on_expiry == "carry-out" {
            "ask-again"
        } else {
            self.on_expiry
        }
    }

    /// The partner's own tenant, and its customers.
    fn write_msp(text: &mut String) {
        let (id, name) = TENANTS[MSP];
        let _ = write!(text, "  - id: {id}\n    name: {name}\n    side: partner\n    customers:\n");
        for customer in CUSTOMERS {
            let (id, name) = TENANTS[customer];
            let _ = write!(
                text,
                "      - id: {id}\n        name: {name}\n        allow: {{roles: [{}]}}\n        \
                 require: {{maxDuration: P90D}}\n",
                ROLES[4]
            );
        }
    }

    fn write_exceptions(&self, text: &mut String) {
        if self.exceptions.is_empty() {
            return;
        }
        text.push_str("exceptions:\n");
        for it in &self.exceptions {
            let tenant =
                it.tenant.map_or_else(String::new, |n| format!("tenant: {}, ", TENANTS[n].0));
            let _ = writeln!(
                text,
                "  - {{{tenant}partner: {}, role: {}, until: {}, reason: move}}",
                PARTNERS[it.partner].0,
                ROLES[it.role],
                moment(it.until)
            );
        }
    }

    fn write_guardrails(&self, text: &mut String) {
        let mut protected = Vec::new();
        for tenant in CUSTOMERS {
            for holder in PROTECTABLE.into_iter().filter(|it| self.protects(*it)) {
                let name = if matches!(holder, PAT | KEPT) {
                    name_of(tenant, holder, false)
                } else {
                    id_of(tenant, holder).as_str().to_owned()
                };
                protected.push(match self.spelling {
                    0 => format!("\"{name}\""),
                    1 => format!("\"{}\"", name.to_uppercase()),
                    _ => format!("\" {} \"", name.to_uppercase().replace("EXT", "ext")),
                });
            }
        }
        let _ = write!(
            text,
            "guardrails:\n  protected: [{}]\n  maxRevocations: {}\n  per: PT{}M\n",
            protected.join(", "),
            self.limit,
            self.per
        );
        if !self.planned.is_empty() {
            text.push_str("  plannedChanges:\n");
        }
        for it in &self.planned {
            let tenant =
                it.tenant.map_or_else(String::new, |n| format!("tenant: {}, ", TENANTS[n].0));
            let partner =
                it.partner.map_or_else(String::new, |n| format!("partner: {}, ", PARTNERS[n].0));
            let (from, until) = (moment(it.from), moment(it.from + it.lasts));
            let _ = writeln!(
                text,
                "    - {{{tenant}{partner}from: {from}, until: {until}, reason: move}}"
            );
        }
    }

    /// The policy as the program reads it.
    pub(super) fn policy(&self) -> Policy {
        let text = self.text();
        Policy::parse(&text).unwrap_or_else(|wrong| panic!("{wrong:?} in\n{text}")).policy
    }
}

/// A moment in minutes from the beginning, as policies write it.
fn moment(at: i64) -> Timestamp {
    begin() + minutes(at)
}

fn answered() -> impl Strategy<Value = Answered> {
    let act = prop_oneof![
        7 => Just("revoke"),
        2 => Just("approve"),
        2 => Just("quarantine"),
        1 => Just("ticket"),
        1 => Just("record"),
        1 => Just("ignore"),
    ];
    (act, subsequence(ALSO.to_vec(), 0..=3), prop::bool::weighted(0.3), any::<bool>()).prop_map(
        |(act, also, quarantine_if_refused, sink)| {
            let (also, quarantine_if_refused) = if matches!(act, "revoke" | "approve") {
                (also, quarantine_if_refused)
            } else {
                (Vec::new(), false)
            };
            Answered { act, also, quarantine_if_refused, sink }
        },
    )
}

fn planned() -> impl Strategy<Value = Planned> {
    let place = (option::of(0..2_usize), option::of(0..2_usize));
    (place, select(vec![0, 60]), select(vec![1, 60, 24 * 60]))
        .prop_map(|((tenant, partner), from, lasts)| Planned { tenant, partner, from, lasts })
}

fn excepted() -> impl Strategy<Value = Excepted> {
    (option::of(0..2_usize), 0..2_usize, 0..ROLES.len(), select(vec![1, 61, 24 * 60]))
        .prop_map(|(tenant, partner, role, until)| Excepted { tenant, partner, role, until })
}

fn allowed() -> impl Strategy<Value = (Vec<usize>, Option<i64>)> {
    let roles = subsequence((0..ROLES.len()).collect::<Vec<_>>(), 0..=2);
    (roles, option::of(select(vec![1, 61, 24 * 60])))
}

fn answers() -> impl Strategy<Value = BTreeMap<&'static str, Answered>> {
    vec(option::weighted(0.8, answered()), FINDINGS.len()).prop_map(|answers| {
        let answers = FINDINGS.into_iter().zip(answers);
        answers.filter_map(|(finding, answer)| Some((finding, answer?))).collect()
    })
}

/// Any policy.
pub(super) fn rules() -> impl Strategy<Value = Rules> {
    let mode = prop_oneof![
        7 => Just(Mode::Enforce),
        3 => Just(Mode::Approve),
        1 => Just(Mode::Observe),
    ];
    let limit = (select(vec![50, 50, 50, 5, 3, 2, 2, 1, 1, 0]), select(vec![60, 30, 6 * 60]));
    let protected = (prop::array::uniform4(prop::bool::weighted(0.7)), 0..3_usize);
    let unlisted = subsequence((0..ROLES.len()).collect::<Vec<_>>(), 0..=2);
    let planned = option::weighted(0.3, planned()).prop_map(|it| it.into_iter().collect());
    let times = (planned, vec(excepted(), 0..2), vec(allowed(), 2), unlisted);
    let asked = (
        select(vec![3 * 24 * 60, 24 * 60, 60, 1]),
        select(vec!["ask-again", "hold", "carry-out"]),
        select(vec![1_usize, 2]),
    );
    (mode, answers(), limit, protected, times, asked, prop::bool::weighted(0.8)).prop_map(
        |(mode, respond, (limit, per), (protected, spelling), times, asked, administrator)| {
            let (planned, exceptions, allowed, unlisted) = times;
            let (expire, on_expiry, people) = asked;
            Rules {
                mode,
                respond,
                limit,
                per,
                protected,
                spelling,
                planned,
                exceptions,
                allowed,
                unlisted,
                expire,
                on_expiry,
                people,
                administrator,
            }
        },
    )
}

/// Policies under which everything that a partner is not allowed is taken away in the end, in
/// whatever order it happens.
pub(super) fn unhindered() -> impl Strategy<Value = Rules> {
    rules().prop_map(|rules| {
        let mut respond = rules.respond;
        for finding in ["role-not-allowed", "privileged-role", "partner-app-privileged"] {
            let also = respond.get(finding).map(|it| it.also.clone()).unwrap_or_default();
            let revoke = Answered { act: "revoke", also, quarantine_if_refused: false, sink: true };
            respond.insert(finding, revoke);
        }
        // A quarantine is made for what stands at that moment, and stays.
        for it in respond.values_mut() {
            it.quarantine_if_refused = false;
            if it.act == "quarantine" {
                it.act = "ticket";
            }
        }
        Rules { mode: Mode::Enforce, respond, limit: 1000, ..rules }
    })
}
