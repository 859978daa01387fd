//! Which finding about a relationship leads to what, and what holds that back.

use std::collections::BTreeSet;

use crate::domain::approval::ProposalChange;
use crate::domain::facts::{
    AccessAssignment, AccessContainer, Customer, DelegatedAdminRelationship, Part,
};
use crate::domain::finding::Finding;
use crate::domain::finding::FindingName::{self, GdapGlobalAdministrator, GdapRoleNotAllowed};
use crate::domain::finding::testing::partner_side::{Msp, details, relationship, used_by};
use crate::domain::finding::testing::{CONTOSO, STRANGER, WOODGROVE, noon};
use crate::domain::plan::{
    Circumstances, History, PastStep, Plan, Step, StepState, Target, Verdict, plan,
};
use crate::domain::stop::Stop;

const ALL: &str = "respond: {gdap-global-administrator: {do: revoke}, gdap-role-not-allowed: {do: \
                   revoke}, gdap-auto-extend: {do: revoke}, gdap-too-long: {do: revoke}}";

fn plan_after(msp: &Msp, history: &History) -> Plan {
    let policy = msp.policy();
    let tenant = &policy.roster.tenants[0];
    let about = Circumstances {
        policy: &policy,
        tenant,
        history,
        own_apps: &[],
        stopped: None,
        now: noon(),
    };
    plan(&msp.facts, about)
}

fn plan_of(msp: &Msp) -> Plan {
    plan_after(msp, &History::default())
}

fn steps(plan: &Plan) -> Vec<&Step> {
    plan.cases.iter().flat_map(|case| &case.steps).collect()
}

/// Checks the lines of the plan that say what is done, and what is held back.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a case is built where it is checked")]
fn check(msp: Msp, expect: &[&str]) {
    let text = plan_of(&msp).to_string();
    let lines: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("→ ")).collect();
    assert_eq!(lines, expect, "in\n{text}");
}

fn msp() -> Msp {
    Msp::new().with_policy(ALL).allow(&["Directory Readers"]).group("Helpdesk").group("Engineers")
}

fn with_ga() -> DelegatedAdminRelationship {
    relationship("Everything", &["Global Administrator", "Directory Readers"])
}

fn used(
    by: Vec<AccessAssignment>,
    relationship: DelegatedAdminRelationship,
) -> DelegatedAdminRelationship {
    DelegatedAdminRelationship { access_assignments: by, ..relationship }
}

fn extending(relationship: DelegatedAdminRelationship) -> DelegatedAdminRelationship {
    DelegatedAdminRelationship { auto_extend_duration: Some("P180D".to_owned()), ..relationship }
}

fn lasting(relationship: DelegatedAdminRelationship) -> DelegatedAdminRelationship {
    DelegatedAdminRelationship { duration: Some("P730D".to_owned()), ..relationship }
}

fn with_status(
    status: &str,
    relationship: DelegatedAdminRelationship,
) -> DelegatedAdminRelationship {
    DelegatedAdminRelationship { status: Some(status.to_owned()), ..relationship }
}

const DROP: &str = "take Global Administrator out of the relationship “Everything” with Woodgrove";
const STOP: &str = "keep the relationship “Everything” with Woodgrove from extending itself";
const END: &str = "end the relationship “Everything” with Woodgrove, and all access by it";

const LAST: &str = "; no other relationship with Woodgrove is seen";

/// The line that asks a person whether the last relationship is to be ended.
fn asked(because: &[&str]) -> String {
    format!("ask before: {END}{LAST} ({})", because.join(", "))
}

#[test]
fn global_administrator_is_taken_out_of_an_active_relationship_and_of_no_other() {
    let drop = format!("{DROP} (gdap-global-administrator, gdap-role-not-allowed)");
    check(msp().with(with_ga()), &[&drop]);
    for status in ["approved", "activating", "expiring", "terminating", "unknownFutureValue"] {
        let held = format!(
            "held back: {DROP}: its status is {status}, and Microsoft lets it be taken out of an \
             active relationship only"
        );
        check(msp().with(with_status(status, with_ga())), &[&held]);
    }
    let held = format!(
        "held back: {DROP}: it has no status, and Microsoft lets it be taken out of an active \
         relationship only"
    );
    for nothing in ["", " ", "\u{200b}"] {
        check(msp().with(with_status(nothing, with_ga())), &[&held]);
    }
    check(msp().with(DelegatedAdminRelationship { status: None, ..with_ga() }), &[&held]);
    check(msp().with(with_status("terminated", with_ga())), &[]);
    let allowed = Msp::new().with_policy(ALL).allow(&["Global Administrator", "Directory Readers"]);
    check(allowed.with(with_ga()), &[]);
}

#[test]
fn a_group_loses_what_it_has_where_it_has_nothing_else_by_it() {
    let mail = || relationship("Mail", &["Exchange Administrator", "Directory Readers"]);
    let stays = "held back: end the relationship “Mail” with Woodgrove, and all access by it: the \
                 customer agreed to Exchange Administrator, and Microsoft lets nothing but Global \
                 Administrator be taken out of a relationship; ending it would take away all that \
                 it gives, so agree on one without first, and end this one by hand";
    let only = used(vec![used_by("Helpdesk", &["Exchange Administrator"])], mail());
    check(
        msp().with(only),
        &[
            "take from Helpdesk all that the relationship “Mail” with Woodgrove gives it \
             (gdap-role-not-allowed)",
            stays,
        ],
    );
    let both = used_by("Helpdesk", &["Exchange Administrator", "Directory Readers"]);
    check(
        msp().with(used(vec![both], mail())),
        &[
            "held back: take from Helpdesk all that the relationship “Mail” with Woodgrove gives \
             it: it also gives Helpdesk Directory Readers, which nothing asks to be taken away; \
             take only Exchange Administrator away, by hand",
            stays,
        ],
    );
    // Nobody has it; it can only be given.
    check(msp().with(mail()), &[stays]);
    // What was not agreed on leaves nothing behind.
    let readers = relationship("Mail", &["Directory Readers"]);
    let beyond = used(vec![used_by("Helpdesk", &["Exchange Administrator"])], readers);
    let taken = "take from Helpdesk all that the relationship “Mail” with Woodgrove gives it \
                 (gdap-role-not-allowed)";
    check(msp().with(beyond.clone()), &[taken]);
    let deleted = AccessAssignment {
        status: Some("deleted".to_owned()),
        ..beyond.access_assignments[0].clone()
    };
    check(msp().with(used(vec![deleted], relationship("Mail", &["Directory Readers"]))), &[]);
    let unnamed = AccessAssignment {
        access_container: Some(AccessContainer::default()),
        ..beyond.access_assignments[0].clone()
    };
    check(
        msp().with(used(vec![unnamed], relationship("Mail", &["Directory Readers"]))),
        &["held back: take from a group that is not named all that the relationship “Mail” with \
           Woodgrove gives it: it is not told which group it is for"],
    );
}

#[test]
fn global_administrator_goes_from_the_groups_too() {
    let drop = format!("{DROP} (gdap-global-administrator, gdap-role-not-allowed)");
    let taken = "take from Helpdesk all that the relationship “Everything” with Woodgrove gives it \
                 (gdap-global-administrator, gdap-role-not-allowed)";
    let alone = || used(vec![used_by("Helpdesk", &["Global Administrator"])], with_ga());
    check(msp().with(alone()), &[taken, &drop]);
    // With what it may keep it is left to Microsoft, and to the next look.
    let more = used_by("Helpdesk", &["Global Administrator", "Directory Readers"]);
    check(msp().with(used(vec![more.clone()], with_ga())), &[&drop]);
    // Beyond what was agreed on there is nothing to take it out of.
    let readers = || relationship("Everything", &["Directory Readers"]);
    let beyond = used_by("Helpdesk", &["Global Administrator"]);
    check(msp().with(used(vec![beyond], readers())), &[taken]);
    check(
        msp().with(used(vec![more], readers())),
        &["held back: take from Helpdesk all that the relationship “Everything” with Woodgrove \
           gives it: it also gives Helpdesk Directory Readers, which nothing asks to be taken away; \
           take only Global Administrator away, by hand"],
    );
    // While it cannot be taken out, the group still loses it.
    let held = format!(
        "held back: {DROP}: its status is expiring, and Microsoft lets it be taken out of an active \
         relationship only"
    );
    check(msp().with(with_status("expiring", alone())), &[taken, &held]);
}

#[test]
fn what_ends_anyway_is_not_touched() {
    let all = || lasting(extending(with_ga()));
    let msp = || msp().at_most("P180D");
    let with_another = || msp().with(all()).with(relationship("Other", &["Directory Readers"]));
    let end = format!(
        "{END} (gdap-too-long, gdap-global-administrator, gdap-role-not-allowed, gdap-auto-extend)"
    );
    check(with_another(), &[&end]);
    let plan = plan_of(&with_another());
    let rows: BTreeSet<_> = plan.cases[0].findings.iter().map(Finding::key).collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(steps(&plan)[0].answers.iter().cloned().collect::<BTreeSet<_>>(), rows);
    // What somebody asked to be ended is seen to its end, and nothing else is done to it.
    for status in ["terminationRequested", "terminating"] {
        check(msp().with(with_status(status, all())), &[&end]);
        let alone = used(vec![used_by("Helpdesk", &["Global Administrator"])], with_ga());
        let text = plan_of(&self::msp().with(with_status(status, alone))).to_string();
        let ends = format!("gives it: its status is {status}, and this ends with it");
        assert_eq!(text.matches("→ held back").count(), 2, "{text}");
        assert_eq!(text.matches("→").count(), 2, "{text}");
        assert!(text.contains(&ends), "{text}");
    }
    // What waits for a person is made less meanwhile.
    let asking = Msp::new()
        .with_policy(&ALL.replace("gdap-too-long: {do: revoke}", "gdap-too-long: {do: approve}"))
        .at_most("P180D")
        .allow(&["Directory Readers"])
        .with(all())
        .with(relationship("Other", &["Directory Readers"]));
    check(
        asking.clone(),
        &[
            &format!("{DROP} (gdap-global-administrator, gdap-role-not-allowed)"),
            &format!("{STOP} (gdap-auto-extend)"),
            &format!("ask before: {END} (gdap-too-long)"),
        ],
    );
    let plan = plan_of(&asking);
    let answers: Vec<usize> = steps(&plan).iter().map(|step| step.answers.len()).collect();
    assert_eq!(answers, [2, 1, 1], "each its own");
    // And so is one that cannot be ended now.
    let text = plan_of(&msp().with(with_status("expiring", all()))).to_string();
    assert_eq!(text.matches("→ held back").count(), 3, "{text}");
    let ending = "its status is expiring, and Microsoft lets an active relationship be ended only";
    assert!(text.contains(ending) && !text.contains(LAST), "{text}");
}

#[test]
fn the_last_relationship_with_a_customer_is_ended_by_a_persons_word_only() {
    let long = |name: &str| lasting(relationship(name, &["Directory Readers"]));
    let msp = || msp().at_most("P180D");
    let end =
        |name: &str| format!("end the relationship “{name}” with Woodgrove, and all access by it");
    let done = |name: &str| format!("{} (gdap-too-long)", end(name));
    let asked = |name: &str| format!("ask before: {}{LAST} (gdap-too-long)", end(name));
    let other = || relationship("Other", &["Directory Readers"]);
    check(msp().with(long("Long")).with(other()), &[&done("Long")]);
    check(msp().with(long("Long")), &[&asked("Long")]);
    // None of these is a way that stays.
    for status in ["terminated", "expired", "created", "approvalPending", "approved", "activating"]
        .into_iter()
        .chain(["expiring", "terminating", "terminationRequested", "somethingNew"])
    {
        check(msp().with(long("Long")).with(with_status(status, other())), &[&asked("Long")]);
    }
    let mut stranger = other();
    stranger.customer.as_mut().unwrap().tenant_id = Some(STRANGER.to_owned());
    let stranger = msp().with(long("Long")).with(stranger);
    check(stranger.allow_unlisted(&["Directory Readers"]), &[&asked("Long")]);
    // Both at once would leave none.
    check(msp().with(long("A")).with(long("B")), &[&asked("A"), &asked("B")]);
    check(msp().with(long("A")).with(long("B")).with(other()), &[&done("A"), &done("B")]);
    // What is not done about one is no reason to do without the other.
    let ending = with_status("terminating", long("A"));
    check(msp().with(ending).with(long("B")), &[&done("A"), &asked("B")]);
    // Meanwhile it is made less.
    check(
        msp().with(lasting(extending(with_ga()))),
        &[
            &format!("{DROP} (gdap-global-administrator, gdap-role-not-allowed)"),
            &format!("{STOP} (gdap-auto-extend)"),
            &self::asked(&["gdap-too-long"]),
        ],
    );
    let plan = plan_of(&msp().with(long("Long")));
    let Target::Relationship { last, .. } = &steps(&plan)[0].target else { panic!("{plan}") };
    assert!(*last && plan.cases[0].asks, "{plan}");
}

#[test]
fn a_question_outlasts_what_is_done_meanwhile_without_asking() {
    let asked = |given: DelegatedAdminRelationship| {
        let plan = plan_of(&msp().at_most("P180D").with(lasting(given)));
        let [change] = plan.cases[0].changes.as_slice() else { panic!("{plan}") };
        let ProposalChange::Put(question) = change else { panic!("{plan}") };
        (question.plan.clone(), question.shown.findings.len())
    };
    let readers = relationship("Everything", &["Directory Readers"]);
    let after = asked(readers.clone());
    assert_eq!(after.1, 1);
    assert_eq!(asked(extending(with_ga())), after, "it is made less meanwhile");
    // What is held back makes another question.
    let mail = relationship("Everything", &["Directory Readers", "Exchange Administrator"]);
    assert_ne!(asked(mail).0, after.0);
}

/// Whatever is there and whatever the policy asks for.
mod at_random {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::PartnerId;
    use crate::domain::plan::Remediation;

    const STATUSES: [&str; 8] = [
        "active",
        "active",
        "active",
        "approved",
        "expiring",
        "terminationRequested",
        "terminating",
        "somethingNew",
    ];
    const ROLES: [&str; 4] =
        ["Global Administrator", "Directory Readers", "Exchange Administrator", "Reports Reader"];

    fn roles() -> impl Strategy<Value = Vec<&'static str>> {
        prop::sample::subsequence(&ROLES[..], 0..=ROLES.len())
    }

    prop_compose! {
        fn any_relationship()(
            status in prop::sample::select(&STATUSES[..]),
            agreed in roles(),
            used in prop::collection::vec((prop::sample::select(&["Helpdesk", "Engineers"][..]), roles()), 0..3),
            extends in any::<bool>(),
            long in any::<bool>(),
            strangers in any::<bool>(),
        ) -> DelegatedAdminRelationship {
            let by = used.iter().enumerate().map(|(number, (group, roles))| AccessAssignment {
                id: format!("used {number}"),
                ..used_by(group, roles)
            });
            let mut it = super::used(by.collect(), with_status(status, relationship("Any", &agreed)));
            if extends { it = extending(it); }
            if long { it = lasting(it); }
            if strangers { it.customer.as_mut().unwrap().tenant_id = Some(STRANGER.to_owned()); }
            it
        }
    }

    fn policy(acts: &[&str]) -> String {
        let names = ["global-administrator", "role-not-allowed", "auto-extend", "too-long"];
        let responses =
            names.iter().zip(acts).map(|(name, act)| format!("gdap-{name}: {{do: {act}}}"));
        format!("respond: {{{}}}", responses.collect::<Vec<_>>().join(", "))
    }

    proptest! {
        /// No customer loses its last relationship without a person's word; no group loses a role
        /// that is allowed; nothing is done to what is not active but see it to its end; and the
        /// order in which Microsoft lists them decides nothing.
        #[test]
        fn nothing_is_lost_that_may_stay(
            mut all in prop::collection::vec(any_relationship(), 1..6),
            acts in prop::collection::vec(prop::sample::select(&["ticket", "approve", "revoke"][..]), 4),
        ) {
            for (number, it) in all.iter_mut().enumerate() {
                it.id = format!("relationship {number}");
            }
            let planned = |all: &[DelegatedAdminRelationship]| {
                let msp = Msp::new()
                    .with_policy(&policy(&acts))
                    .at_most("P180D")
                    .allow(&["Directory Readers"])
                    .allow_unlisted(&["Directory Readers", "Reports Reader"]);
                plan_of(&all.iter().fold(msp, |msp, it| msp.with(it.clone())))
            };
            let plan = planned(&all);
            let customers: BTreeSet<Option<PartnerId>> = all.iter().map(DelegatedAdminRelationship::customer_id).collect();
            let done: Vec<&Step> =
                steps(&plan).into_iter().filter(|step| step.verdict == Verdict::CarryOut).collect();
            let mut ended = BTreeSet::new();
            for step in &done {
                let (Target::Relationship { relationship: id, .. }
                | Target::AccessAssignment { relationship: id, .. }) = &step.target
                else {
                    panic!("{step:#?}")
                };
                let given = all.iter().find(|it| it.id == *id).unwrap();
                if let Target::AccessAssignment { roles, .. } = &step.target {
                    prop_assert!(!given.is_ending(), "{plan}");
                    let readers = details(&["Directory Readers"]).unified_roles;
                    prop_assert!(!roles.contains(&readers[0].role_definition_id), "{plan}");
                } else if step.remediation == Remediation::TerminateRelationship {
                    prop_assert!(given.is("active") || given.is_ending(), "{plan}");
                    ended.insert(id.clone());
                } else {
                    prop_assert!(given.is("active"), "{plan}");
                }
            }
            for customer in customers {
                let mut active = all.iter().filter(|it| it.is("active") && it.customer_id() == customer).peekable();
                let had_one = active.peek().is_some();
                prop_assert!(!had_one || active.any(|it| !ended.contains(&it.id)), "{plan}");
            }
            let ids = |plan: &Plan| {
                let decided = steps(plan).into_iter();
                decided.map(|it| (it.id.0.clone(), it.verdict.clone() == Verdict::CarryOut)).collect::<BTreeSet<_>>()
            };
            all.reverse();
            prop_assert_eq!(ids(&planned(&all)), ids(&plan));
        }
    }
}

#[test]
fn what_the_policy_protects_is_left_alone() {
    let alone = used_by("Helpdesk", &["Global Administrator"]);
    let group = alone.group().unwrap();
    let given = used(vec![alone], extending(with_ga()));
    let protecting = |id: &str| {
        let policy = format!("guardrails: {{protected: ['{}']}}", id.to_uppercase());
        plan_of(&msp().with_policy(&policy).with(given.clone()))
    };
    let held = |plan: &Plan| -> Vec<Option<String>> {
        let why = |step: &&Step| match &step.verdict {
            Verdict::Held(why) => Some(why.clone()),
            Verdict::CarryOut | Verdict::AwaitApproval | Verdict::Already(_) => None,
        };
        steps(plan).iter().map(why).collect()
    };
    let by = |what: &str| Some(format!("{what} is protected by the policy (guardrails.protected)"));
    assert_eq!(held(&protecting(&given.id)), vec![by("the relationship"); 3]);
    assert_eq!(held(&protecting(WOODGROVE)), vec![by("the customer"); 3]);
    assert_eq!(held(&protecting(group.as_str())), [by("the group"), None, None]);
    assert_eq!(held(&protecting(STRANGER)), [None, None, None]);
    assert_eq!(held(&protecting(&format!("{WOODGROVE}-{CONTOSO}"))), [None, None, None]);
}

#[test]
fn no_more_is_done_within_the_window_than_allowed() {
    let few = "guardrails: {maxRevocations: 1, per: PT2H}";
    let plan = plan_of(&msp().with_policy(few).with(extending(with_ga())));
    let verdicts: Vec<&Verdict> = steps(&plan).iter().map(|step| &step.verdict).collect();
    assert_eq!(verdicts[0], &Verdict::CarryOut);
    assert!(matches!(verdicts[1], Verdict::Held(why) if why.contains("maxRevocations")), "{plan}");
}

#[test]
fn nothing_is_done_while_all_is_stopped_or_a_change_is_planned() {
    let during = "guardrails:\n  plannedChanges: [{partner: Woodgrove, from: 2026-11-23, until: \
                  2026-11-23T14:00Z, reason: migration}]";
    let held = |why: &str| {
        format!("held back: {DROP}: a planned change, which ends at 2026-11-23T14:00:00Z: {why}")
    };
    check(
        msp().with_policy(during).with(with_ga()),
        &[&held("migration (guardrails.plannedChanges)")],
    );
    let msp = msp().with(with_ga());
    let (policy, stop) = (msp.policy(), Stop::new("INC-7", noon()));
    let tenant = &policy.roster.tenants[0];
    let history = &History::default();
    let stopped = Some(&stop);
    let about =
        Circumstances { policy: &policy, tenant, history, own_apps: &[], stopped, now: noon() };
    let plan = plan(&msp.facts, about);
    let verdict = &steps(&plan)[0].verdict;
    assert!(matches!(verdict, Verdict::Held(why) if why.contains("INC-7")), "{plan}");
}

#[test]
fn only_what_the_policy_asks_for_is_done() {
    let only = |name: &str| {
        let policy = format!("respond: {{{name}: {{do: revoke}}}}");
        Msp::new()
            .with_policy(&policy)
            .at_most("P180D")
            .allow(&["Directory Readers"])
            .group("Helpdesk")
            .with(lasting(extending(used(
                vec![used_by("Helpdesk", &["Exchange Administrator"])],
                with_ga(),
            ))))
    };
    check(only("gdap-global-administrator"), &[&format!("{DROP} (gdap-global-administrator)")]);
    check(only("gdap-auto-extend"), &[&format!("{STOP} (gdap-auto-extend)")]);
    check(only("gdap-too-long"), &[&asked(&["gdap-too-long"])]);
    check(
        only("gdap-too-long").with(relationship("Other", &["Directory Readers"])),
        &[&format!("{END} (gdap-too-long)")],
    );
    check(
        only("gdap-role-not-allowed"),
        &[
            "take from Helpdesk all that the relationship “Everything” with Woodgrove gives it \
             (gdap-role-not-allowed)",
            &format!("{DROP} (gdap-role-not-allowed)"),
        ],
    );
    let left = |msp: Msp| plan_of(&msp).cases[0].left.clone();
    assert_eq!(left(only("gdap-too-long")), BTreeSet::new());
    let quarantine = "respond: {gdap-too-long: {do: quarantine}, dap-active: {do: revoke}}";
    let neither = Msp::new()
        .with_policy(quarantine)
        .at_most("P180D")
        .with(lasting(relationship("Long", &[])))
        .delegated_access(WOODGROVE, true);
    assert_eq!(
        left(neither),
        [FindingName::GdapTooLong, FindingName::DapActive].into(),
        "for which there is no step"
    );
}

#[test]
fn no_step_is_there_twice() {
    let roles = ["Exchange Administrator", "Directory Readers", "Global Administrator"];
    let given = || lasting(extending(relationship("Everything", &roles)));
    for act in ["revoke", "approve"] {
        let policy =
            ALL.replace("gdap-too-long: {do: revoke}", &format!("gdap-too-long: {{do: {act}}}"));
        let helpdesk = used_by("Helpdesk", &["Exchange Administrator"]);
        let again = AccessAssignment { id: "another".to_owned(), ..helpdesk.clone() };
        let msp = Msp::new()
            .with_policy(&policy)
            .at_most("P180D")
            .allow(&["Directory Readers"])
            .with(used(vec![helpdesk, again], given()));
        let plan = plan_of(&msp);
        let ids: Vec<_> = steps(&plan).iter().map(|step| &step.id).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{plan}");
    }
}

#[test]
fn a_row_is_answered_by_what_cures_it_and_by_nothing_less() {
    let answers = |msp: Msp| -> Vec<Vec<FindingName>> {
        let plan = plan_of(&msp);
        let case = &plan.cases[0];
        let name = |key: &_| case.findings.iter().find(|it| it.key() == *key).unwrap().finding;
        let of = |step: &Step| step.answers.iter().map(name).collect();
        case.steps.iter().map(of).collect()
    };
    let both = vec![GdapGlobalAdministrator, GdapRoleNotAllowed];
    assert_eq!(answers(msp().with(with_ga())), std::slice::from_ref(&both));
    // Exchange Administrator stays among what was agreed on.
    let mail = relationship("Everything", &["Global Administrator", "Exchange Administrator"]);
    assert_eq!(answers(msp().with(mail)), [vec![GdapGlobalAdministrator], vec![]]);
    // Whether the group keeps it when it is taken out of the relationship, nobody knows.
    let more = used_by("Helpdesk", &["Global Administrator", "Directory Readers"]);
    assert_eq!(answers(msp().with(used(vec![more], with_ga()))), [vec![]]);
    let alone = used_by("Helpdesk", &["Global Administrator"]);
    assert_eq!(
        answers(msp().with(used(vec![alone], with_ga()))),
        [both.clone(), both],
        "by both together"
    );
    // One group loses it, and another may keep it.
    let helpdesk = used_by("Helpdesk", &["Global Administrator"]);
    let engineers = used_by("Engineers", &["Global Administrator", "Directory Readers"]);
    let given = used(vec![helpdesk, engineers], with_ga());
    assert_eq!(answers(msp().with(given)), [vec![], vec![]]);
    // Of two for one group the second comes later.
    let readers = relationship("Everything", &["Directory Readers"]);
    let one = used_by("Helpdesk", &["Exchange Administrator"]);
    let two = AccessAssignment { id: "another".to_owned(), ..one.clone() };
    assert_eq!(answers(msp().with(used(vec![one, two], readers))), [vec![]]);
}

#[test]
fn a_relationship_with_nobody_or_with_oneself_is_left_to_people() {
    let mut open = with_ga();
    open.customer = None;
    let plan = plan_of(&msp().with(open));
    let why = "it is not told which customer the relationship is with";
    assert_eq!(steps(&plan)[0].verdict, Verdict::Held(why.to_owned()));
    let mut own = with_ga();
    own.customer = Some(Customer { tenant_id: Some(CONTOSO.to_owned()), display_name: None });
    let plan = plan_of(&msp().with(own));
    let why = "the relationship is with this tenant itself";
    assert_eq!(steps(&plan)[0].verdict, Verdict::Held(why.to_owned()));
}

#[test]
fn what_is_not_certain_is_not_acted_on() {
    let unreadable = DelegatedAdminRelationship {
        access_details: None,
        auto_extend_duration: Some("for ever".to_owned()),
        duration: None,
        end_date_time: None,
        ..with_ga()
    };
    check(msp().with(unreadable), &[]);
}

#[test]
fn what_was_done_is_begun_anew_once_it_was_gone_and_came_back() {
    let back = msp().with(extending(relationship("Forever", &["Directory Readers"])));
    let plan = plan_of(&back);
    let first = steps(&plan)[0];
    let after = |state| History {
        steps: [(first.key(), PastStep { episode: 0, state, at: noon(), approved: false })].into(),
        ..History::default()
    };
    for (state, again) in [
        (StepState::Revoked, false),
        (StepState::Reappeared, false),
        (StepState::Unverified, false),
        (StepState::Refused, true),
        (StepState::Intended, true),
        (StepState::Verified, true),
    ] {
        let plan = plan_after(&back, &after(state));
        let step = steps(&plan)[0];
        assert_eq!(step.verdict == Verdict::CarryOut, again, "{state:?}");
        assert_eq!(step.episode, u32::from(state == StepState::Verified), "{state:?}");
    }
}

#[test]
fn what_is_given_to_a_group_again_is_the_same_under_its_new_id() {
    let given = |id: &str| {
        let one = used_by("Helpdesk", &["Exchange Administrator"]);
        let one = AccessAssignment { id: id.to_owned(), ..one };
        let readers = relationship("Readers", &["Directory Readers"]);
        plan_of(&msp().with(used(vec![one], readers)))
    };
    let (first, second) = (given("one"), given("two"));
    assert_eq!(steps(&first)[0].key(), steps(&second)[0].key());
    assert_ne!(steps(&first)[0].target, steps(&second)[0].target);
}

#[test]
fn a_target_says_what_the_relationship_was_when_it_was_read() {
    let given = DelegatedAdminRelationship { etag: Some("W/\"1\"".to_owned()), ..with_ga() };
    let plan = plan_of(&msp().with(given.clone()));
    let Target::Relationship { relationship, etag, roles, name, .. } = &steps(&plan)[0].target
    else {
        panic!("{plan}")
    };
    assert_eq!((relationship, etag), (&given.id, &given.etag));
    assert_eq!(roles.len(), 2);
    assert_eq!(name, "Everything");
    let unnamed = DelegatedAdminRelationship { display_name: Some("\u{202e}".to_owned()), ..given };
    let plan = plan_of(&msp().with(unnamed.clone()));
    assert!(steps(&plan)[0].summary().contains(&format!("“{}”", unnamed.id)), "{plan}");
}

#[test]
fn the_words_tell_how_to_do_it_by_hand() {
    let by_hand = |msp: Msp| -> Vec<String> {
        steps(&plan_of(&msp)).iter().map(|step| step.by_hand()).collect()
    };
    let given = DelegatedAdminRelationship { id: "R-1".to_owned(), ..extending(with_ga()) };
    let alone = used_by("Helpdesk", &["Global Administrator"]);
    let [delete, drop, stop] =
        by_hand(msp().with(used(vec![alone], given.clone()))).try_into().unwrap();
    insta::assert_snapshot!(delete, @"Sign in to Partner Center as Admin agent, choose Customers > Woodgrove > Admin relationships > the relationship “Everything”, and remove Helpdesk under Security groups.");
    insta::assert_snapshot!(drop, @"Partner Center has no button for it. Send PATCH https://graph.microsoft.com/v1.0/tenantRelationships/delegatedAdminRelationships/R-1 with its @odata.etag in If-Match and, in accessDetails.unifiedRoles, all its roles but Global Administrator (DelegatedAdminRelationship.ReadWrite.All). Or agree with Woodgrove on another relationship first, and end this one: sign in to Partner Center as Admin agent, choose Customers > Woodgrove > Admin relationships > the relationship “Everything” > Terminate relationship.");
    insta::assert_snapshot!(stop, @"Sign in to Partner Center as Admin agent, choose Customers > Expiring granular relationships, select the relationship “Everything” with Woodgrove, choose Disable auto-extend.");
    let [_, _, end] = by_hand(msp().at_most("P180D").with(lasting(given))).try_into().unwrap();
    insta::assert_snapshot!(end, @"Sign in to Partner Center as Admin agent, choose Customers > Woodgrove > Admin relationships > the relationship “Everything”, choose Terminate relationship, and once more in the dialog.");
}

#[test]
fn a_gap_changes_nothing_that_was_seen() {
    let drop = format!("{DROP} (gdap-global-administrator, gdap-role-not-allowed)");
    check(msp().with(with_ga()).gap(Part::Relationships), &[&drop]);
}
