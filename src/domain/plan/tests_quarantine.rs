//! What accompanies what is taken away, and partners that are kept out.

use serde_json::Value;

use StepState::{Intended, Reappeared, Refused, Restored, Revoked, Unverified, Verified};

use super::*;
use crate::domain::facts::{GapCause, GivenAccount, Part, User};
use crate::domain::finding::testing::partner_side::{Msp, relationship};
use crate::domain::finding::testing::{Case, noon};
use crate::domain::id::PrincipalId;

const GLASS: &str = "breakglass@woodgrove.example";
const GLASS_ID: &str = "5f3c6e1a-0000-4000-8000-000000000001";
const ALICE: &str = "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example)";

fn plan_of(case: &Case, history: &History) -> Plan {
    let policy = case.policy();
    let tenant = &policy.roster.tenants[0];
    let about = Circumstances {
        policy: &policy,
        tenant,
        history,
        own_apps: &[],
        stopped: None,
        now: noon(),
    };
    plan(&case.facts, about)
}

fn steps(case: &Case, history: &History) -> Vec<Step> {
    plan_of(case, history).cases.into_iter().flat_map(|case| case.steps).collect()
}

/// The lines of the plan that say what is done.
fn lines(case: &Case, history: &History) -> Vec<String> {
    let text = plan_of(case, history).to_string();
    text.lines().filter_map(|line| line.trim().strip_prefix("→ ")).map(str::to_owned).collect()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a case is built where it is checked")]
fn check(case: Case, history: &History, expect: &[&str]) {
    assert_eq!(lines(&case, history), expect);
}

/// A history in which these steps went so.
fn after<'s>(past: impl IntoIterator<Item = (&'s Step, StepState)>) -> History {
    let past = past.into_iter().map(|(step, state)| {
        let past = PastStep { episode: step.episode, state, at: noon(), approved: false };
        (step.key(), past)
    });
    History { steps: past.collect(), ..History::default() }
}

fn case(yaml: &str) -> Case {
    Case::new().with_policy(yaml).member("Megan", "Global Administrator")
}

fn alice(yaml: &str) -> Case {
    case(yaml).guest("Alice", "alice@contoso-reseller.example", "Reports Reader")
}

const ALSO: &str = "respond: {role-not-allowed: {do: revoke, also: [revoke-sessions, \
                    disable-guest, disable-app]}}";

#[test]
fn what_accompanies_is_done_once_for_each_guest_and_application_and_to_nobody_else() {
    check(
        alice(ALSO)
            .holds_too("Alice", "Search Editor")
            .partner_app("Backup", "Directory Readers")
            .foreign_group("Agents", "Reports Reader")
            .dedicated_account("svc@woodgrove.example", "Reports Reader"),
        &History::default(),
        &[
            &format!("revoke Reports Reader from {ALICE} (role-not-allowed)"),
            &format!("revoke Search Editor from {ALICE} (role-not-allowed)"),
            "revoke Directory Readers from Backup (role-not-allowed)",
            "revoke Reports Reader from Agents (role-not-allowed)",
            "revoke Reports Reader from svc@woodgrove.example (role-not-allowed)",
            &format!("end the sessions of {ALICE} (role-not-allowed)"),
            &format!("keep {ALICE} from signing in (role-not-allowed)"),
            "keep Backup from signing in (role-not-allowed)",
        ],
    );
}

#[test]
fn what_accompanies_a_response_that_takes_nothing_away_is_not_done() {
    let policy = "respond: {guest-with-role: {do: ticket, also: [disable-guest]}, \
                  role-not-allowed: {do: revoke, also: [revoke-sessions]}}";
    check(
        alice(policy),
        &History::default(),
        &[
            &format!("revoke Reports Reader from {ALICE} (role-not-allowed)"),
            &format!("end the sessions of {ALICE} (role-not-allowed)"),
        ],
    );
}

#[test]
fn what_accompanies_shares_the_lot_of_what_it_goes_with() {
    let ask = ALSO.replace("revoke,", "approve,");
    check(
        alice(&ask),
        &History::default(),
        &[
            &format!("ask before: revoke Reports Reader from {ALICE} (role-not-allowed)"),
            &format!("ask before: end the sessions of {ALICE} (role-not-allowed)"),
            &format!("ask before: keep {ALICE} from signing in (role-not-allowed)"),
        ],
    );
    // The grant's own guardrail holds back what goes with it.
    let last = Case::new().with_policy(ALSO).guest(
        "Alice",
        "alice@contoso-reseller.example",
        "Global Administrator",
    );
    let held = lines(&last, &History::default());
    assert!(held[0].starts_with("held back: revoke Global Administrator"), "{held:?}");
    for line in &held[1..] {
        assert!(line.contains("it goes with a step that is held back: no user of"), "{line}");
    }
    assert_eq!(held.len(), 3);
    // One of several is enough.
    let one = last.member("Megan", "Reports Reader").holds_too("Alice", "Search Editor");
    let free = lines(&one, &History::default());
    assert!(free.contains(&format!("end the sessions of {ALICE} (role-not-allowed)")), "{free:?}");
}

#[test]
fn what_accompanies_asks_every_guardrail_for_itself() {
    let limit = format!("{ALSO}\nguardrails: {{maxRevocations: 1}}");
    let [main, sessions, disable] = lines(&alice(&limit), &History::default()).try_into().unwrap();
    assert!(main.starts_with("revoke"), "{main}");
    assert!(sessions.contains("maxRevocations") && disable.contains("maxRevocations"));
    let protected = "alice_contoso-reseller.example#EXT#@woodgrove.example";
    let limit = format!("{ALSO}\nguardrails: {{protected: [\"{protected}\"]}}");
    for line in lines(&alice(&limit), &History::default()) {
        assert!(line.starts_with("held back") && line.contains("guardrails.protected"), "{line}");
    }
    let app = case(ALSO).partner_app("Backup", "Directory Readers");
    let policy = app.policy();
    let tenant = &policy.roster.tenants[0];
    let grants = crate::domain::grant::grants(&app.facts, tenant);
    let own = [grants.into_iter().find_map(|grant| grant.app_id).unwrap()];
    let history = &History::default();
    let about = Circumstances {
        policy: &policy,
        tenant,
        history,
        own_apps: &own,
        stopped: None,
        now: noon(),
    };
    let plan = plan(&app.facts, about);
    let verdicts: Vec<&Verdict> = plan.cases[0].steps.iter().map(|step| &step.verdict).collect();
    assert_eq!(verdicts.len(), 2);
    let held = |it: &&Verdict| matches!(it, Verdict::Held(why) if why.contains("itself signs in"));
    assert!(verdicts.iter().all(held), "{verdicts:?}");
}

#[test]
fn what_accompanies_is_done_again_when_anything_is_taken_away_anew() {
    let given = alice(ALSO);
    let first = steps(&given, &History::default());
    let [main, sessions, disable] = first.as_slice() else { panic!("{first:#?}") };
    let state = |past: &[(&Step, StepState)], given: &Case| -> Vec<(u32, Verdict)> {
        let steps = steps(given, &after(past.iter().copied()));
        steps.into_iter().map(|step| (step.episode, step.verdict)).collect()
    };
    let done = Verdict::Already(Verified);
    // Between the calls of one look: each once.
    assert_eq!(
        state(&[(main, Revoked), (sessions, Verified), (disable, Intended)], &given),
        [(0, Verdict::Already(Revoked)), (0, done.clone()), (0, Verdict::CarryOut),]
    );
    assert_eq!(
        state(&[(main, Intended), (sessions, Verified), (disable, Verified)], &given),
        [(0, Verdict::CarryOut), (0, done.clone()), (0, done)]
    );
    // The grant came back, and so does what goes with it.
    assert_eq!(
        state(&[(main, Verified), (sessions, Verified), (disable, Verified)], &given),
        [(1, Verdict::CarryOut), (1, Verdict::CarryOut), (1, Verdict::CarryOut)]
    );
    // Another grant: the sessions begun since are ended too.
    let other = case(ALSO).guest("Alice", "alice@contoso-reseller.example", "Search Editor");
    assert_eq!(
        state(&[(main, Verified), (sessions, Verified), (disable, Revoked)], &other),
        [(0, Verdict::CarryOut), (1, Verdict::CarryOut), (1, Verdict::CarryOut)]
    );
}

#[test]
fn a_guest_that_is_disabled_is_not_disabled_again() {
    let mut given = alice("respond: {role-not-allowed: {do: revoke, also: [disable-guest]}}");
    let disable = |given: &Case| steps(given, &History::default()).pop().unwrap().verdict;
    assert_eq!(disable(&given), Verdict::CarryOut);
    for guest in given.facts.guests.values_mut() {
        guest.account_enabled = Some(false);
    }
    assert_eq!(disable(&given), Verdict::Already(Verified));
}

#[test]
fn what_was_begun_is_ended_although_nothing_asks_for_it_any_more() {
    let begun = steps(&alice(ALSO), &History::default());
    let (disable, sessions) = (&begun[2], &begun[1]);
    let unfinished = |step: &Step| Unfinished {
        partner: step.partner.clone(),
        remediation: step.remediation,
        target: step.target.clone(),
        asks: false,
    };
    let mut history = after([(disable, Intended), (sessions, Verified)]);
    history.unfinished = vec![unfinished(disable)];
    let [step] = steps(&case(ALSO), &history).try_into().unwrap();
    assert_eq!((&step.id, &step.verdict), (&disable.id, &Verdict::CarryOut));
    // Beside other findings of that partner there is no second case.
    let more = plan_of(&case(ALSO).foreign_group("Agents", "Reports Reader"), &history);
    assert_eq!((more.cases.len(), more.cases[0].steps.len()), (1, 2));
}

const QUARANTINE: &str = "respond: {privileged-role: {do: quarantine}, role-not-allowed: {do: \
                          ticket}}";

fn agents(yaml: &str) -> Case {
    case(yaml).foreign_group("AdminAgents", "Global Administrator")
}

const BLOCK: &str = "block Contoso Reseller's people by conditional access (privileged-role)";

#[test]
fn a_partner_is_kept_out_once_however_much_is_found() {
    let given = agents(QUARANTINE).foreign_group("Helpdesk", "User Administrator");
    check(given.clone(), &History::default(), &[BLOCK]);
    let [step] = steps(&given, &History::default()).try_into().unwrap();
    let made = step.quarantine.unwrap();
    assert!(made.in_force);
    assert_eq!(made.shortcoming_of(&made.document()), None);
    let asked = agents(QUARANTINE).mode("approve");
    check(
        asked.clone(),
        &History::default(),
        &["ask before: block Contoso Reseller's people by conditional access, report-only \
           (privileged-role)"],
    );
    assert!(!steps(&asked, &History::default())[0].quarantine.as_ref().unwrap().in_force);
    check(
        agents("respond: {privileged-role: {do: quarantine}, role-not-allowed: {do: revoke}}"),
        &History::default(),
        &["revoke Global Administrator from AdminAgents (role-not-allowed)", BLOCK],
    );
}

#[test]
fn nobody_else_is_kept_out() {
    let held = |given: Case, why: &str| {
        let [line] = lines(&given, &History::default()).try_into().unwrap();
        assert!(line.starts_with("held back: block") && line.contains(why), "{line}");
    };
    held(
        case(
            "respond: {support-access-lingering: {do: quarantine}, privileged-role: {do: \
              quarantine}, role-not-allowed: {do: ticket}, unlisted-partner: {do: ticket}}",
        )
        .microsoft_support("User Administrator"),
        "this is Microsoft Support",
    );
    held(
        agents(&format!("{QUARANTINE}\nguardrails: {{maxRevocations: 0}}")),
        "0 revocations within 1h",
    );
    // Of whom nobody knows whose it is, and what may stand.
    let unsure = "respond: {unclassified-principal: {do: quarantine}, unlisted-partner: {do: \
                  quarantine}, unreadable: {do: quarantine}, privileged-role: {do: ticket}, \
                  role-not-allowed: {do: ticket}}";
    let quiet = case(unsure)
        .unresolvable("dddddddd-0000-0000-0000-000000000001", "Reports Reader")
        .allow_unlisted(&["Reports Reader"])
        .stranger_group("Strangers", "Reports Reader")
        .gap(Part::PartnerEntries, GapCause::Denied);
    let blocked: Vec<String> = steps(&quiet, &History::default())
        .iter()
        .filter(|step| step.remediation == Remediation::Quarantine)
        .map(Step::summary)
        .collect();
    assert!(blocked.is_empty(), "{blocked:?}");
}

#[test]
fn a_partner_keeps_no_customer_out() {
    let given = Msp::new().with(relationship("Everything", &["Global Administrator"])).with_policy(
        "respond: {gdap-global-administrator: {do: quarantine}, gdap-role-not-allowed: {do: \
         quarantine}}",
    );
    let (policy, history) = (given.policy(), &History::default());
    let tenant = &policy.roster.tenants[0];
    let about = Circumstances {
        policy: &policy,
        tenant,
        history,
        own_apps: &[],
        stopped: None,
        now: noon(),
    };
    let plan = plan(&given.facts, about);
    assert_eq!(plan.cases[0].findings.len(), 2, "{plan}");
    assert!(plan.cases[0].steps.is_empty(), "{plan}");
}

#[test]
fn protected_accounts_are_left_out_or_nothing_is_made() {
    let yaml = format!("{QUARANTINE}\nguardrails: {{protected: [{GLASS}, {GLASS_ID}]}}");
    let with = |found: Option<GivenAccount>| {
        let mut given = agents(&yaml);
        let id = PrincipalId::new("5f3c6e1a-0000-4000-8000-000000000002");
        let other = GivenAccount::Present { id, user: User::default() };
        given.facts.protected.insert(GLASS_ID.to_owned(), other);
        given.facts.protected.extend(found.map(|found| (GLASS.to_owned(), found)));
        given
    };
    let id = PrincipalId::new(GLASS_ID);
    let there = with(Some(GivenAccount::Present { id: id.clone(), user: User::default() }));
    let [step] = steps(&there, &History::default()).try_into().unwrap();
    assert_eq!(step.verdict, Verdict::CarryOut);
    let left_out = &step.quarantine.as_ref().unwrap().leaves_out;
    assert_eq!((left_out.len(), left_out.contains(&id)), (2, true));
    let held = |given: Case, why: &str| match steps(&given, &History::default()).pop() {
        Some(Step { verdict: Verdict::Held(reason), .. }) => {
            assert!(reason.contains(why), "{reason}");
        }
        other => panic!("{other:#?}"),
    };
    held(with(None), "it could not be read which account `breakglass@woodgrove.example` is");
    held(with(Some(GivenAccount::Missing)), "there is no such account to be left out");
}

#[test]
fn an_account_of_another_tenant_is_missing_and_need_not_be_left_out() {
    let policy = |protected: &str| {
        let text = format!(
            "version: 1\nmode: enforce\ntenants:\n  - id: 11111111-1111-1111-1111-111111111111\n    \
             name: Woodgrove\n    partners:\n      - id: 22222222-2222-2222-2222-222222222222\n        \
             name: Contoso Reseller\n        domains: [contoso-reseller.example]\n  - id: \
             55555555-5555-5555-5555-555555555555\n    name: Tailspin\n{QUARANTINE}\n\
             guardrails: {{protected: [{protected}]}}\n"
        );
        Policy::parse(&text).unwrap().policy
    };
    let verdict = |protected: &str| {
        let (mut given, policy) = (agents(""), policy(protected));
        given.facts.protected.insert(protected.to_owned(), GivenAccount::Missing);
        let of_here = Some("al_x.example#EXT#@Woodgrove.example".to_owned());
        let guest = User { user_principal_name: of_here, ..User::default() };
        given.facts.guests.insert(PrincipalId::new("a guest"), guest);
        let (tenant, history) = (&policy.roster.tenants[0], &History::default());
        let about = Circumstances {
            policy: &policy,
            tenant,
            history,
            own_apps: &[],
            stopped: None,
            now: noon(),
        };
        plan(&given.facts, about).cases.remove(0).steps.remove(0).verdict
    };
    assert_eq!(verdict("glass@tailspin.example"), Verdict::CarryOut);
    assert!(matches!(verdict("eve@contoso-reseller.example"), Verdict::Held(_)));
    // This tenant's own under another name, which would be kept out.
    assert!(matches!(verdict("glass@woodgrove.example"), Verdict::Held(_)));
}

#[test]
fn a_quarantine_in_force_is_not_made_again_and_one_that_was_undone_is() {
    let given = agents(QUARANTINE);
    let [step] = steps(&given, &History::default()).try_into().unwrap();
    let document = step.quarantine.as_ref().unwrap().document();
    let with = |policies: &[Value]| {
        let mut given = given.clone();
        given.facts.conditional_access = policies.to_vec();
        given
    };
    let verdict = |given: &Case, state| {
        let [step] = steps(given, &after([(&step, state)])).try_into().unwrap();
        (step.episode, step.verdict)
    };
    let met = Verdict::Already(Verified);
    let mut off = document.clone();
    off["state"] = "disabled".into();
    let here = with(std::slice::from_ref(&document));
    for state in [Intended, Reappeared, Refused, Revoked, Unverified, Verified] {
        assert_eq!(verdict(&here, state), (0, met.clone()), "{state:?}");
    }
    assert_eq!(steps(&here, &History::default())[0].verdict, met, "made before anybody remembers");
    for gone in [with(&[]), with(&[off])] {
        for state in [Verified, Reappeared, Unverified, Restored] {
            assert_eq!(verdict(&gone, state), (1, Verdict::CarryOut), "{state:?}");
        }
        for state in [Intended, Refused] {
            assert_eq!(verdict(&gone, state), (0, Verdict::CarryOut), "{state:?}");
        }
        assert_eq!(verdict(&gone, Revoked), (0, Verdict::Already(Revoked)), "not proven yet");
    }
    let unread = given.clone().gap(Part::ConditionalAccess, GapCause::Unavailable);
    assert_eq!(verdict(&unread, Verified), (0, met), "not seen is not gone");
    assert_eq!(verdict(&unread, Restored), (1, Verdict::CarryOut), "a person took it away");
    let third = Step { episode: 2, ..step };
    let [held] = steps(&with(&[]), &after([(&third, Verified)])).try_into().unwrap();
    assert_eq!(
        held.verdict,
        Verdict::Held("it was made 3 times and was undone each time".to_owned())
    );
}

const IF_REFUSED: &str = "respond: {privileged-role: {do: revoke, ifRefused: quarantine}, \
                          role-not-allowed: {do: ticket}}";

#[test]
fn what_microsoft_refuses_to_take_away_leads_to_a_quarantine() {
    let given = agents(IF_REFUSED);
    let first = plan_of(&given, &History::default());
    let [main] = first.cases[0].steps.as_slice() else { panic!("{first:#?}") };
    assert_eq!(main.remediation, Remediation::RevokeRoleAssignment);
    let policy = given.policy();
    assert!(leads_to_quarantine(&first, &policy, |_| true));
    assert!(!leads_to_quarantine(&first, &policy, |_| false), "it was not refused");
    let mut because_of_another = first.clone();
    because_of_another.cases[0].steps[0].because = vec![FindingName::RoleNotAllowed];
    assert!(!leads_to_quarantine(&because_of_another, &policy, |_| true), "that has a ticket only");
    let without = agents("respond: {privileged-role: {do: revoke}}");
    let plan = plan_of(&without, &History::default());
    assert!(!leads_to_quarantine(&plan, &without.policy(), |_| true), "nobody asks for it");
    let refused = after([(main, Refused)]);
    check(
        given.clone(),
        &refused,
        &["done before (refused): revoke Global Administrator from AdminAgents", BLOCK],
    );
    assert!(!leads_to_quarantine(&plan_of(&given, &refused), &policy, |_| true), "it is planned");
    for state in [Revoked, Intended, Verified] {
        let lines = lines(&given, &after([(main, state)]));
        assert_eq!(lines.iter().filter(|line| line.contains("block")).count(), 0, "{state:?}");
    }
    check(
        agents(&IF_REFUSED.replace("do: revoke", "do: approve")),
        &refused,
        &[
            "done before (refused): revoke Global Administrator from AdminAgents",
            &format!("ask before: {BLOCK}"),
        ],
    );
}
