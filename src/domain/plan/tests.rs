//! What is decided, and what holds it back.

use jiff::SignedDuration;

use super::*;
use crate::domain::facts::{GapCause, Part};
use crate::domain::finding::testing::{Case, noon};

const REVOKE: &str = "respond:\n  privileged-role: {do: revoke}\n  role-not-allowed: {do: \
                      revoke}\n  guest-with-role: {do: revoke}\n  unlisted-partner: {do: \
                      revoke}\n  unclassified-principal: {do: revoke}\n";

fn plan_of(case: &Case, history: &History) -> Plan {
    let policy = case.policy();
    let about = Circumstances {
        policy: &policy,
        tenant: &policy.roster.tenants[0],
        history,
        own_apps: &[],
        stopped: None,
        now: noon(),
    };
    plan(&case.facts, about)
}

#[track_caller]
fn check(case: Case, expect: &[&str]) {
    check_after(case, &History::default(), expect);
}

/// Checks the lines of the plan that say what is done.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a case is built where it is checked")]
fn check_after(case: Case, history: &History, expect: &[&str]) {
    let text = plan_of(&case, history).to_string();
    let lines: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("→ ")).collect();
    assert_eq!(lines, expect, "in\n{text}");
}

fn case() -> Case {
    Case::new().with_policy(REVOKE).member("Megan", "Global Administrator")
}

#[test]
fn a_plan_reads_like_a_page() {
    let case = case()
        .with_policy("tickets: {security: {kind: webhook, url: https://tickets.example/in}}")
        .foreign_group("AdminAgents", "Global Administrator")
        .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
        .gap(Part::PartnerEntries, GapCause::Denied);
    insta::assert_snapshot!(plan_of(&case, &History::default()), @r"
    Woodgrove (enforce)
      Contoso Reseller
        critical privileged-role: AdminAgents, a principal of Contoso Reseller's own directory, holds the privileged role Global Administrator.
        critical privileged-role: Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds the privileged role User Administrator.
        high role-not-allowed: AdminAgents, a principal of Contoso Reseller's own directory, holds Global Administrator, which the policy does not allow it.
        high role-not-allowed: Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds User Administrator, which the policy does not allow it.
        high guest-with-role: Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds User Administrator.
        → revoke Global Administrator from AdminAgents (privileged-role, role-not-allowed)
        → revoke User Administrator from Alice (alice_contoso-reseller.example#EXT#@woodgrove.example) (privileged-role, role-not-allowed, guest-with-role)
        → ticket: security
      no known partner
        high unreadable: Unknown, because the partner entries of the cross-tenant access policy could not be read whole: (detail). The application permission it takes: Policy.Read.All. Unknown with it: unlisted-partner, mfa-not-enforced, mfa-exempted, inbound-trust, partner-app-privileged, support-access-lingering and every other finding about who holds which role.
        → ticket: security
    ");
}

#[test]
fn built_in_responses_never_write() {
    let case = Case::new().foreign_group("AdminAgents", "Global Administrator");
    check(case, &[]);
}

#[test]
fn the_strongest_response_wins_and_there_is_one_step_for_each_grant() {
    check(
        Case::new()
            .with_policy(
                "respond: {privileged-role: {do: revoke}, role-not-allowed: {do: approve}}",
            )
            .member("Megan", "Global Administrator")
            .foreign_group("AdminAgents", "Global Administrator")
            .foreign_group("AdminAgents", "Reports Reader"),
        &[
            "revoke Global Administrator from AdminAgents (privileged-role, role-not-allowed)",
            "ask before: revoke Reports Reader from AdminAgents (role-not-allowed)",
        ],
    );
}

#[test]
fn a_quarantine_does_not_hide_a_weaker_response_that_takes_away() {
    check(
        Case::new()
            .with_policy(
                "respond: {privileged-role: {do: quarantine}, role-not-allowed: {do: approve}}",
            )
            .member("Megan", "Global Administrator")
            .foreign_group("AdminAgents", "Global Administrator"),
        &[
            "ask before: revoke Global Administrator from AdminAgents (role-not-allowed)",
            "block Contoso Reseller's people by conditional access (privileged-role)",
        ],
    );
}

#[test]
fn approve_mode_asks_before_every_write() {
    check(
        case().mode("approve").foreign_group("AdminAgents", "Global Administrator"),
        &["ask before: revoke Global Administrator from AdminAgents (privileged-role, \
           role-not-allowed)"],
    );
}

#[test]
fn what_is_not_certain_is_not_acted_on() {
    check(
        case()
            .unresolvable("dddddddd-0000-0000-0000-000000000001", "Global Administrator")
            .member_from("Mallory", "33333333-3333-3333-3333-333333333333", "Reports Reader"),
        &[],
    );
}

#[test]
fn an_unlisted_partner_keeps_what_is_allowed_to_any_partner() {
    check(
        case()
            .allow_unlisted(&["Directory Readers"])
            .stranger_group("Strangers", "Directory Readers")
            .stranger_group("Strangers", "Reports Reader"),
        &["revoke Reports Reader from Strangers (role-not-allowed, unlisted-partner)"],
    );
}

#[test]
fn the_last_global_administrator_stays() {
    let held = "held back: revoke Global Administrator from AdminAgents: no user of the \
                tenant's own was seen to hold Global Administrator, so this could lock the \
                tenant out; give the role to one of its own people first";
    let free = "revoke Global Administrator from AdminAgents (privileged-role, \
                role-not-allowed)";
    let agents =
        || Case::new().with_policy(REVOKE).foreign_group("AdminAgents", "Global Administrator");
    check(agents(), &[held]);
    check(agents().own_group("Admins", "Global Administrator"), &[held]);
    check(agents().guest("Bob", "bob@customer.example", "Reports Reader"), &[held]);
    check(agents().guest("Bob", "bob@customer.example", "Global Administrator"), &[held]);
    check(agents().member("Megan", "User Administrator"), &[held]);
    check(agents().member("Megan", "Global Administrator"), &[free]);
    let unread = agents().gap(Part::Principals, GapCause::Denied);
    check(
        unread,
        &["held back: revoke Global Administrator from AdminAgents: it could not be read who \
           of the tenant's own people holds Global Administrator, so this could lock the \
           tenant out"],
    );
}

#[test]
fn a_dedicated_account_is_no_administrator_of_the_tenants_own() {
    let account = "svc@woodgrove.example";
    check(
        Case::new().with_policy(REVOKE).dedicated_account(account, "Global Administrator"),
        &[
            "held back: revoke Global Administrator from svc@woodgrove.example: no user of the tenant's own was seen to hold Global \
           Administrator, so this could lock the tenant out; give the role to one of its own \
           people first",
        ],
    );
}

#[test]
fn protected_accounts_are_left_alone_however_they_are_written() {
    let held = "held back: revoke Reports Reader from svc@woodgrove.example: the account is protected by the policy \
                (guardrails.protected)";
    let case = || case().dedicated_account("svc@woodgrove.example", "Reports Reader");
    let id = case().facts.assignments[1].principal_id.to_string().to_uppercase();
    check(case().with_policy("guardrails: {protected: [SVC@Woodgrove.Example]}"), &[held]);
    check(case().with_policy(&format!("guardrails: {{protected: [{id}]}}")), &[held]);
    check(
        case().with_policy("guardrails: {protected: [svc2@woodgrove.example]}"),
        &["revoke Reports Reader from svc@woodgrove.example \
           (role-not-allowed)"],
    );
}

#[test]
fn our_own_application_and_microsoft_support_are_left_alone() {
    let case = case()
        .partner_app("Partner Warden", "Directory Readers")
        .microsoft_support("Helpdesk Administrator");
    let policy = case.policy();
    let own = grants_app_id(&case);
    let about = Circumstances {
        policy: &policy,
        tenant: &policy.roster.tenants[0],
        history: &History::default(),
        own_apps: &[own.to_uppercase()],
        stopped: None,
        now: noon(),
    };
    let plan = plan(&case.facts, about).to_string();
    let held: Vec<&str> = plan.lines().filter(|line| line.contains("→ held back")).collect();
    assert_eq!(held.len(), 2, "{plan}");
    assert!(held[0].contains("the application Partner Warden itself signs in with"), "{plan}");
    assert!(held[1].contains("this is Microsoft Support"), "{plan}");
}

fn grants_app_id(case: &Case) -> String {
    let policy = case.policy();
    let grants = crate::domain::grant::grants(&case.facts, &policy.roster.tenants[0]);
    grants.into_iter().find_map(|grant| grant.app_id).unwrap()
}

const ALICE: &str = "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example)";

/// Alice, in a group that holds a role.
fn in_admins(role: &str) -> Case {
    case().own_group("Admins", role).guest_in("Admins", "Alice", "alice@contoso-reseller.example")
}

#[test]
fn every_way_to_hold_a_role_has_a_call_that_ends_it() {
    const PERMISSION: &str = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8";
    let because = "(role-not-allowed, guest-with-role)";
    check(
        in_admins("Reports Reader"),
        &[&format!("take {ALICE} out of Admins, which holds Reports Reader {because}")],
    );
    check(
        case().eligible_group("Admins", "Reports Reader").guest_in(
            "Admins",
            "Alice",
            "alice@contoso-reseller.example",
        ),
        &[&format!("take {ALICE} out of Admins, which may activate Reports Reader {because}")],
    );
    let alice = || case().guest_alone("Alice", "alice@contoso-reseller.example");
    check(
        alice().eligible("Alice", "Reports Reader", None),
        &[&format!("revoke eligibility for Reports Reader from {ALICE} {because}")],
    );
    check(
        alice().active("Alice", "Reports Reader", None),
        &[&format!("revoke Reports Reader from {ALICE} {because}")],
    );
    check(
        Case::new()
            .with_policy(&format!("{REVOKE}  partner-app-privileged: {{do: revoke}}"))
            .member("Megan", "Global Administrator")
            .app_with("Sync", PERMISSION, "Microsoft Graph"),
        &["revoke the permission RoleManagement.ReadWrite.Directory of Microsoft Graph from Sync \
           (partner-app-privileged)"],
    );
}

#[test]
fn whoever_is_in_a_group_by_another_group_is_taken_out_of_that() {
    let nested =
        || in_admins("Reports Reader").group_in("Admins", "Help").group_in("Admins", "Night");
    check(
        nested()
            .directly_in("Admins", &["Help", "Night"])
            .directly_in("Help", &["Alice"])
            .directly_in("Night", &[]),
        &[&format!(
            "take {ALICE} out of Help, which is in Admins, which holds Reports Reader \
             (role-not-allowed, guest-with-role)"
        )],
    );
    check(
        nested()
            .directly_in("Admins", &["Help", "Night", "Alice"])
            .directly_in("Help", &["Alice"])
            .directly_in("Night", &["Alice"]),
        &[&format!(
            "take {ALICE} out of Admins, Help and Night, by which it is in Admins, which holds \
             Reports Reader (role-not-allowed, guest-with-role)"
        )],
    );
    let unknown = format!(
        "held back: take {ALICE} out of Admins, which holds Reports Reader: it could not be read \
         by which of the groups within Admins this principal is in it; do it by hand"
    );
    check(nested(), &[&unknown]);
    // To leave one of two groups would not be to leave.
    let half = nested().directly_in("Admins", &["Help", "Night", "Alice"]);
    check(half.directly_in("Help", &["Alice"]), &[&unknown]);
}

#[test]
fn a_group_whose_members_nobody_can_take_out_is_left_to_people() {
    let held = |why: &str| {
        format!("held back: take {ALICE} out of Admins, which holds Reports Reader: {why}")
    };
    let by_rule = in_admins("Reports Reader")
        .group_is("Admins", |it| it.group_types = Some(vec!["dynamicMembership".to_owned()]));
    check(
        by_rule,
        &[&held(
            "a rule says who is in Admins (dynamic membership), so nobody can be taken out of \
             it; change the rule or the account's properties",
        )],
    );
    let synced = |is| {
        in_admins("Reports Reader").group_is("Admins", |it| it.on_premises_sync_enabled = Some(is))
    };
    check(
        synced(true),
        &[&held(
            "who is in Admins is kept by a directory on premises; take this principal out of it \
             there",
        )],
    );
    let free = format!(
        "take {ALICE} out of Admins, which holds Reports Reader (role-not-allowed, \
         guest-with-role)"
    );
    check(synced(false), &[&free]);
    let cloud = in_admins("Reports Reader")
        .group_is("Admins", |it| it.group_types = Some(vec!["Unified".to_owned()]));
    check(cloud, &[&free]);
    // The group that counts is the one to be taken out of.
    let inner = in_admins("Reports Reader")
        .group_in("Admins", "Help")
        .directly_in("Admins", &["Help"])
        .directly_in("Help", &["Alice"])
        .group_is("Help", |it| it.on_premises_sync_enabled = Some(true));
    check(
        inner,
        &[&format!(
            "held back: take {ALICE} out of Help, which is in Admins, which holds Reports Reader: \
             who is in Help is kept by a directory on premises; take this principal out of it \
             there"
        )],
    );
}

#[test]
fn what_goes_with_a_membership_is_told_and_guarded() {
    let both = |case: Case| {
        case.allow(&["Reports Reader"])
            .own_group("Admins", "Reports Reader")
            .own_group("Admins", "Search Editor")
            .guest_in("Admins", "Alice", "alice@contoso-reseller.example")
    };
    let quiet = "respond: {role-not-allowed: {do: revoke}}";
    check(
        both(Case::new().with_policy(quiet).member("Megan", "Global Administrator")),
        &[&format!(
            "take {ALICE} out of Admins, which holds Search Editor; that takes Reports Reader \
             away too (role-not-allowed)"
        )],
    );
    // Its last Global Administrator may be in the same group.
    let last = Case::new()
        .with_policy(quiet)
        .allow(&["Global Administrator"])
        .own_group("Admins", "Search Editor")
        .own_group("Admins", "Global Administrator")
        .guest_in("Admins", "Alice", "alice@contoso-reseller.example");
    let plan = plan_of(&last, &History::default());
    let steps: Vec<&Step> = plan.cases.iter().flat_map(|case| &case.steps).collect();
    assert!(!steps.is_empty(), "{plan}");
    for step in steps {
        let Verdict::Held(why) = &step.verdict else { panic!("{plan}") };
        assert!(why.starts_with("no user of the tenant's own was seen to hold Global"), "{why}");
    }
}

#[test]
fn the_last_global_administrator_stays_however_it_is_held() {
    let alice = || {
        let case = Case::new().with_policy(REVOKE);
        case.guest_alone("Alice", "alice@contoso-reseller.example")
    };
    let group = Case::new()
        .with_policy(REVOKE)
        .own_group("Admins", "Global Administrator")
        .member_in("Admins", "Megan")
        .guest_in("Admins", "Alice", "alice@contoso-reseller.example");
    for case in [
        group,
        alice().eligible("Alice", "Global Administrator", None),
        alice().active("Alice", "Global Administrator", None),
    ] {
        let told = |case: &Case| {
            let plan = plan_of(case, &History::default());
            let step = &plan.cases[0].steps[0];
            matches!(&step.verdict, Verdict::Held(why) if why.contains("lock the tenant out"))
        };
        assert!(told(&case), "{}", plan_of(&case, &History::default()));
        let kept = case.member("Lee", "Global Administrator");
        assert!(!told(&kept), "{}", plan_of(&kept, &History::default()));
    }
}

#[test]
fn what_is_only_the_shadow_of_something_else_is_taken_away_there() {
    let held = "it is held by a group, or for a wider scope, that was not seen; take it away there";
    let alice = || case().guest_alone("Alice", "alice@contoso-reseller.example");
    check(
        alice().shadow("Alice", "Reports Reader"),
        &[&format!("held back: revoke Reports Reader from {ALICE}: {held}")],
    );
    let mut inherited = alice().eligible("Alice", "Reports Reader", None);
    inherited.facts.eligible[0].member_type = Some("Inherited".to_owned());
    check(
        inherited,
        &[&format!("held back: revoke eligibility for Reports Reader from {ALICE}: {held}")],
    );
}

#[test]
fn nobody_is_taken_out_of_a_protected_group() {
    let id = in_admins("Reports Reader").facts.assignments[1].principal_id.clone();
    check(
        in_admins("Reports Reader").with_policy(&format!("guardrails: {{protected: ['{id}']}}")),
        &[&format!(
            "held back: take {ALICE} out of Admins, which holds Reports Reader: the group it is in is protected by the policy (guardrails.protected)"
        )],
    );
}

#[test]
fn no_more_is_revoked_within_the_window_than_allowed() {
    let case = case()
        .with_policy("guardrails: {maxRevocations: 2, per: 1h}")
        .foreign_group("Agents", "Reports Reader")
        .foreign_group("Agents", "Search Editor");
    let first = "revoke Reports Reader from Agents (role-not-allowed)";
    let second = "revoke Search Editor from Agents (role-not-allowed)";
    let held = |step: &str| {
        format!(
            "held back: {step}: 2 revocations within 1h are the most the policy allows \
             (guardrails.maxRevocations)"
        )
    };
    let after = |revocations| History { revocations, ..History::default() };
    check_after(case.clone(), &after(0), &[first, second]);
    check_after(case.clone(), &after(1), &[first, &held("revoke Search Editor from Agents")]);
    let both =
        [held("revoke Reports Reader from Agents"), held("revoke Search Editor from Agents")];
    check_after(case.clone(), &after(2), &both.each_ref().map(String::as_str));
    for (revocations, expect) in [(0, 0), (1, 1), (2, 2)] {
        assert_eq!(plan_of(&case, &after(revocations)).held_by_limit, expect, "{revocations}");
    }
    // What would be held back anyway is not held back by the limit alone.
    let last = Case::new().with_policy(REVOKE).with_policy("guardrails: {maxRevocations: 0}");
    let last = last.foreign_group("AdminAgents", "Global Administrator");
    assert_eq!(plan_of(&last, &History::default()).held_by_limit, 0);
}

#[test]
fn a_step_waits_where_nothing_but_the_stop_switch_or_the_limit_holds_it_back() {
    let account = |name: &str| format!("{name}@woodgrove.example");
    let given = |most: u32| {
        case()
            .with_policy(&format!(
                "guardrails: {{maxRevocations: {most}, protected: [{}]}}",
                account("kept")
            ))
            .dedicated_account(&account("first"), "Reports Reader")
            .dedicated_account(&account("kept"), "Reports Reader")
            .dedicated_account(&account("second"), "Reports Reader")
            .dedicated_account(&account("third"), "Reports Reader")
    };
    let waits = |most, stopped: Option<&Stop>| -> Vec<bool> {
        let (given, history) = (given(most), &History::default());
        let policy = given.policy();
        let (tenant, now) = (&policy.roster.tenants[0], noon());
        let about = Circumstances { policy: &policy, tenant, history, own_apps: &[], stopped, now };
        plan(&given.facts, about).cases.remove(0).steps.iter().map(|step| step.waits).collect()
    };
    assert_eq!(waits(50, None), [false; 4]);
    assert_eq!(waits(1, None), [false, false, true, true]);
    assert_eq!(waits(2, None), [false, false, false, true]);
    let stop = Stop::new("INC-7", noon());
    assert_eq!(waits(50, Some(&stop)), [true, false, true, true]);
}

#[test]
fn what_was_begun_counts_once_whether_it_is_finished_or_held() {
    let limited = |more: &str| {
        case()
            .with_policy(&format!("guardrails: {{maxRevocations: 1, per: 1h{more}}}"))
            .dedicated_account("svc@woodgrove.example", "Reports Reader")
            .foreign_group("Agents", "Search Editor")
    };
    let [first, second] =
        plan_of(&limited(""), &History::default()).cases.remove(0).steps.try_into().unwrap();
    let verdicts = |case: &Case, past: &[(&Step, StepState)]| -> Vec<String> {
        let steps = past.iter().map(|(step, state)| {
            let (state, at) = (*state, noon());
            (step.key(), PastStep { episode: 0, state, at, approved: false })
        });
        let history = History { steps: steps.collect(), ..History::default() };
        let told = plan_of(case, &history).cases.remove(0).steps.into_iter();
        told.map(|step| match step.verdict {
            Verdict::CarryOut => "now".to_owned(),
            Verdict::Held(why) => why,
            other @ (Verdict::AwaitApproval | Verdict::Already(_)) => panic!("{other:?}"),
        })
        .collect()
    };
    let full = "1 revocations within 1h are the most the policy allows (guardrails.maxRevocations)";
    assert_eq!(verdicts(&limited(""), &[]), ["now", full]);
    assert_eq!(verdicts(&limited(""), &[(&first, StepState::Intended)]), ["now", full]);
    assert_eq!(verdicts(&limited(""), &[(&second, StepState::Intended)]), [full, "now"]);
    assert_eq!(verdicts(&limited(""), &[(&first, StepState::Described)]), ["now", full]);
    // Nobody knows whether it was done, although it is held back now.
    let protected = limited(", protected: [svc@woodgrove.example]");
    let kept = "the account is protected by the policy (guardrails.protected)";
    assert_eq!(verdicts(&protected, &[(&first, StepState::Intended)]), [kept, full]);
    assert_eq!(verdicts(&protected, &[]), [kept, "now"]);
}

#[test]
fn what_was_done_is_not_done_again_until_it_was_gone_and_came_back() {
    let case = case().foreign_group("Agents", "Reports Reader");
    let guest = self::case().guest("Al", "al@contoso-reseller.example", "Reports Reader");
    let fresh = plan_of(&case, &History::default());
    let step = &fresh.cases[0].steps[0];
    let after = |episode, state| History {
        steps: BTreeMap::from([(
            step.key(),
            PastStep { episode, state, at: noon(), approved: false },
        )]),
        ..History::default()
    };
    let again = "revoke Reports Reader from Agents (role-not-allowed)";
    for (state, expect) in [
        (StepState::Revoked, "done before (revoked): revoke Reports Reader from Agents"),
        (StepState::Refused, "done before (refused): revoke Reports Reader from Agents"),
        (StepState::Reappeared, "done before (reappeared): revoke Reports Reader from Agents"),
        (StepState::Unverified, "done before (unverified): revoke Reports Reader from Agents"),
        (StepState::Intended, again),
        (StepState::Described, again),
        (StepState::Verified, again),
        (StepState::Restored, again),
    ] {
        check_after(case.clone(), &after(0, state), &[expect]);
    }
    let refused = PastStep { episode: 0, state: StepState::Refused, at: noon(), approved: false };
    let key = plan_of(&guest, &History::default()).cases[0].steps[0].key();
    let steps = BTreeMap::from([(key, refused)]);
    check_after(
        guest,
        &History { steps, ..History::default() },
        &["revoke Reports Reader from Al (al_contoso-reseller.example#EXT#@woodgrove.example) \
           (role-not-allowed, guest-with-role)"],
    );
    let mut yesterday = after(0, StepState::Refused);
    for past in yesterday.steps.values_mut() {
        past.at = noon() - SignedDuration::from_hours(24);
    }
    check_after(case.clone(), &yesterday, &[again]);
    let back = plan_of(&case, &after(0, StepState::Verified));
    assert_ne!(back.cases[0].steps[0].id, step.id, "an episode of its own");
    let same = plan_of(&case, &after(0, StepState::Intended));
    assert_eq!(same.cases[0].steps[0].id, step.id);
    check_after(
        case,
        &after(2, StepState::Verified),
        &["held back: revoke Reports Reader from Agents: it was taken away 3 times and came \
           back each time"],
    );
}

#[test]
fn an_ignored_finding_leaves_no_trace() {
    let quiet = "respond:\n  privileged-role: {do: ignore}\n  role-not-allowed: {do: ignore}";
    let case = Case::new().with_policy(quiet).foreign_group("AdminAgents", "Global Administrator");
    assert_eq!(plan_of(&case, &History::default()).to_string(), "Woodgrove: nothing to do");
}

#[test]
fn only_what_was_seen_to_be_gone_counts_as_taken_away_with_how_often() {
    let key = |name: &str| Sha256Hex::of(name.as_bytes());
    let past = |episode, state| PastStep { episode, state, at: noon(), approved: false };
    let others = [
        StepState::Described,
        StepState::AwaitingApproval,
        StepState::Held,
        StepState::Intended,
        StepState::Revoked,
        StepState::Refused,
        StepState::Reappeared,
        StepState::Unverified,
        StepState::Restored,
    ];
    let others = others.map(|state| (key(state.as_str()), past(0, state)));
    let gone = [("once", 0), ("three times", 2)];
    let gone = gone.map(|(name, episode)| (key(name), past(episode, StepState::Verified)));
    let history = History { alike: others.into_iter().chain(gone).collect(), ..History::default() };
    let taken_away = BTreeMap::from([(key("once"), 1), (key("three times"), 3)]);
    assert_eq!(history.taken_away(), taken_away);
}

#[test]
fn the_last_of_two_alike_counts_and_of_two_at_once_the_one_that_is_not_proven() {
    let key = |name: &str| Sha256Hex::of(name.as_bytes());
    let (gone, left) = (StepState::Verified, StepState::Revoked);
    let past = |episode, state, seconds: i64, approved| {
        let at = noon() + SignedDuration::from_secs(seconds);
        PastStep { episode, state, at, approved }
    };
    let counts = |one, other| {
        let mut history = History::default();
        history.take_in(key("one"), Some(key("like")), one);
        history.take_in(key("other"), Some(key("like")), other);
        assert_eq!((history.steps[&key("one")], history.steps[&key("other")]), (one, other));
        history.alike[&key("like")]
    };
    for (less, more) in [
        (past(0, left, 9, false), past(1, gone, 0, false)),
        (past(0, left, 0, false), past(0, gone, 1, false)),
        (past(0, gone, 0, false), past(0, left, 0, false)),
    ] {
        assert_eq!((counts(less, more), counts(more, less)), (more, more));
    }
    // Of two that are the same in all of that, the first stays.
    let (one, other) = (past(0, left, 0, false), past(0, left, 0, true));
    assert_eq!((counts(one, other), counts(other, one)), (one, other));
}

/// An account's eligibility, and the same with another id.
fn eligible(id: &str) -> Case {
    let upn = "svc@woodgrove.example";
    let mut case = case().account(upn).eligible(upn, "Reports Reader", None);
    case.facts.eligible[0].id = crate::domain::id::AssignmentId(id.to_owned());
    case
}

/// What is known after every step of a plan went so far.
fn history_of(plan: &Plan, state: StepState) -> History {
    let mut history = History::default();
    for step in plan.cases.iter().flat_map(|case| &case.steps) {
        let past = PastStep { episode: step.episode, state, at: noon(), approved: false };
        history.take_in(step.key(), step.grant().map(Grant::likeness), past);
    }
    history
}

fn only_step(plan: &Plan) -> &Step {
    let [step] = plan.cases[0].steps.as_slice() else { panic!("{plan}") };
    step
}

#[test]
fn what_comes_back_under_another_id_is_told_to_be_back_and_is_taken_away_as_that() {
    let first = plan_of(&eligible("first"), &History::default());
    let history = history_of(&first, StepState::Verified);
    let mut back = eligible("second");
    back.facts.taken_away = history.taken_away();
    let second = plan_of(&back, &history);
    let found: Vec<_> = second.cases[0].findings.iter().map(|it| it.finding).collect();
    assert!(found.contains(&FindingName::Reappeared), "{second}");
    let (one, other) = (only_step(&first), only_step(&second));
    assert_eq!((one.episode, other.episode), (0, 1));
    assert_eq!(other.verdict, Verdict::CarryOut);
    assert_ne!((&one.id, one.key()), (&other.id, other.key()));
    // It is counted on, whatever its ids are, until it is left to a person.
    let mut history = history;
    for (id, episode) in [("second", 1), ("third", 2), ("fourth", 3)] {
        let plan = plan_of(&eligible(id), &history);
        let step = only_step(&plan);
        assert_eq!(step.episode, episode, "{id}");
        let held = matches!(&step.verdict, Verdict::Held(why) if why.contains("came back each"));
        assert_eq!(held, episode == 3, "{id}: {:?}", step.verdict);
        let past = PastStep { episode, state: StepState::Verified, at: noon(), approved: false };
        history.take_in(step.key(), step.grant().map(Grant::likeness), past);
    }
}

#[test]
fn another_id_takes_over_nothing_of_the_step_but_how_often_it_did_not_last() {
    let first = plan_of(&eligible("first"), &History::default());
    for (state, episode) in [
        (StepState::Intended, 0),
        (StepState::Revoked, 0),
        (StepState::Unverified, 0),
        (StepState::Refused, 0),
        (StepState::Reappeared, 1),
        (StepState::Verified, 1),
        (StepState::Restored, 1),
    ] {
        let history = history_of(&first, state);
        let plan = plan_of(&eligible("second"), &history);
        let step = only_step(&plan);
        assert_eq!((step.episode, &step.verdict), (episode, &Verdict::CarryOut), "{state:?}");
        assert_ne!(step.id, only_step(&first).id, "{state:?}");
        let same = plan_of(&eligible("first"), &history);
        let is_over = matches!(state, StepState::Verified | StepState::Restored);
        assert_eq!(only_step(&same).episode, u32::from(is_over), "{state:?}");
    }
}

#[test]
fn two_alike_are_two_steps_each_of_its_own() {
    let mut both = eligible("first");
    both.facts.eligible.extend(eligible("second").facts.eligible);
    let plan = plan_of(&both, &History::default());
    let [one, other] = plan.cases[0].steps.as_slice() else { panic!("{plan}") };
    assert_ne!((&one.id, one.key()), (&other.id, other.key()));
    let likeness = |step: &Step| step.grant().unwrap().likeness();
    assert_eq!(likeness(one), likeness(other));
    assert_eq!((&one.verdict, &other.verdict), (&Verdict::CarryOut, &Verdict::CarryOut));
    // What became of the one says nothing of the other.
    let mut history = History::default();
    let past = PastStep { episode: 0, state: StepState::Revoked, at: noon(), approved: false };
    history.take_in(one.key(), Some(likeness(one)), past);
    let next = plan_of(&both, &history);
    let verdicts: Vec<_> = next.cases[0].steps.iter().map(|step| &step.verdict).collect();
    assert_eq!(verdicts, [&Verdict::Already(StepState::Revoked), &Verdict::CarryOut]);
    assert_eq!(next.cases[0].steps[1].id, other.id);
}

#[test]
fn of_what_is_alike_the_last_counts() {
    let key = |name: &str| Sha256Hex::of(name.as_bytes());
    let past = |episode, state, seconds| PastStep {
        episode,
        state,
        at: noon() + SignedDuration::from_secs(seconds),
        approved: false,
    };
    let alike = |steps: &[(&str, PastStep)]| {
        let mut history = History::default();
        for (step, past) in steps {
            history.take_in(key(step), Some(key("alike")), *past);
        }
        assert_eq!(history.steps.len(), 2);
        history.alike[&key("alike")]
    };
    let (gone, back) = (past(0, StepState::Verified, 0), past(1, StepState::Restored, 9));
    assert_eq!(alike(&[("a", gone), ("b", back)]), back);
    assert_eq!(alike(&[("b", back), ("a", gone)]), back);
    let later = past(0, StepState::Revoked, 1);
    assert_eq!(alike(&[("a", gone), ("b", later)]), later);
    assert_eq!(alike(&[("b", later), ("a", gone)]), later);
    let mut history = History::default();
    history.take_in(key("a"), None, gone);
    assert_eq!((history.steps.len(), history.taken_away().len()), (1, 0));
}
