//! Tests of records, chains and bundles.

use super::*;
use crate::domain::finding::testing::{Case as Given, noon};
use crate::domain::id::PrincipalId;

#[test]
fn what_was_seen_of_a_partner_is_kept_whole_or_says_what_is_left_out() {
    let given = Given::new()
        .member("Megan", "Global Administrator")
        .foreign_group("Agents", "Directory Readers")
        .foreign_group("Helpers", "Reports Reader");
    let policy = given.policy();
    let mut seen = AsRead::of(&given.facts, &policy.roster.tenants[0], noon());
    let key = seen.grants[0].partner.key();
    let before = seen.before(&key);
    assert_eq!((before.grants.len(), before.more), (2, 0));
    assert_eq!(before.facts, Sha256Hex::of(&serde_json::to_vec(&given.facts).unwrap()));
    assert!(seen.before("somebody else").grants.is_empty());
    let grant = seen.grants[0].clone();
    seen.grants = (0..GRANTS_MAX + 7)
        .map(|n| Grant { principal: PrincipalId::new(&n.to_string()), ..grant.clone() })
        .collect();
    let before = seen.before(&key);
    assert_eq!((before.grants.len(), before.more), (GRANTS_MAX, 7));
}

#[test]
fn one_thing_read_differently_is_another_digest() {
    let given = Given::new().foreign_group("Agents", "Directory Readers");
    let digest = facts_digest(&given.facts);
    assert_eq!(digest, facts_digest(&given.facts.clone()));
    assert_ne!(digest, facts_digest(&given.foreign_group("B", "Reports Reader").facts));
}

#[test]
fn an_event_is_stored_by_its_name() {
    for event in [
        RecordEvent::Looked,
        RecordEvent::Verified,
        RecordEvent::Unverified,
        RecordEvent::Reappeared,
        RecordEvent::Restored,
        RecordEvent::Decided,
        RecordEvent::Expired,
    ] {
        let stored = serde_json::to_string(&event).unwrap();
        assert_eq!(stored, format!("\"{}\"", event.as_str()));
    }
}

#[test]
fn what_earlier_versions_wrote_of_reading_again_is_the_same_byte_for_byte() {
    let step = Sha256Hex::of(b"step");
    let old = format!(
        r#"{{"readAt":"2026-11-25T08:18:50Z","steps":[{{"step":"{step}","seen":"gone"}},{{"step":"{step}","seen":"unread"}}]}}"#
    );
    let after: After = serde_json::from_str(&old).unwrap();
    assert_eq!((after.steps[0].seen.clone(), after.steps[0].read_at), (Seen::Gone, None));
    assert_eq!(serde_json::to_string(&after).unwrap(), old, "its digest stays provable");
}

#[test]
fn what_is_there_still_of_a_principal_is_kept_with_when_it_was_read() {
    use crate::domain::plan::{Circumstances, History, plan};
    let given = Given::new()
        .with_policy("respond: {role-not-allowed: {do: revoke}}")
        .member("Megan", "Global Administrator")
        .foreign_group("Agents", "Exchange Administrator");
    let (policy, history) = (given.policy(), History::default());
    let about = Circumstances {
        policy: &policy,
        tenant: &policy.roster.tenants[0],
        history: &history,
        own_apps: &[],
        stopped: None,
        now: noon(),
    };
    let step = plan(&given.facts, about).cases[0].steps[0].clone();
    let mut facts = given.facts.clone();
    let its = facts.assignments.pop().unwrap();
    let gone = Reread::of(&step, &facts, noon());
    assert_eq!((gone.seen, gone.read_at, gone.found.len()), (Seen::Gone, Some(noon()), 0));
    // Another role of the same group is no reason to say that this one is there.
    let mut other = its.clone();
    other.role_definition_id = "another\u{202e}\nrole".to_owned();
    other.id = crate::domain::id::AssignmentId("other".to_owned());
    facts.assignments.push(other);
    let reread = Reread::of(&step, &facts, noon());
    assert_eq!(reread.seen, Seen::Gone);
    assert_eq!(reread.found, ["role assignment other: role another role for /"]);
    facts.assignments = vec![its; FOUND_MAX + 3];
    let many = Reread::of(&step, &facts, noon());
    assert_eq!((many.seen, many.found.len(), many.more), (Seen::There, FOUND_MAX, 3));
    let text = serde_json::to_string(&reread).unwrap();
    assert_eq!(serde_json::from_str::<Reread>(&text).unwrap(), reread);
}

mod chains {
    use super::super::chain::{Anchor, Broken, Check, Entry, Flaw, Head, check};
    use super::super::testing::{chained, record};
    use super::*;

    fn chain() -> Vec<Entry> {
        let records: Vec<Record> =
            (0..5).map(|at| record(at, "Contoso Reseller", at < 4)).collect();
        chained(&records)
    }

    fn broken(entries: &[Entry]) -> (u64, Flaw) {
        let Broken { sequence, flaw, .. } = check(Anchor::default(), entries, None).unwrap_err();
        (sequence, flaw)
    }

    #[test]
    fn a_whole_chain_is_proven_to_its_head() {
        let chain = chain();
        let proven = check(Anchor::default(), &chain, None).unwrap();
        assert_eq!((proven.records, proven.last, proven.digests_only), (5, 5, 0));
        assert_eq!(proven.head, chain[4].link);
        assert_eq!(check(Anchor::default(), [], None).unwrap().records, 0);
    }

    #[test]
    fn a_flipped_byte_is_told_and_where() {
        for at in 0..5 {
            let mut chain = chain();
            let text = chain[at].record.as_mut().unwrap();
            *text = text.replacen("Woodgrove", "Woodgrave", 1);
            let number = u64::try_from(at).unwrap() + 1;
            assert_eq!(broken(&chain), (number, Flaw::Changed));
            // Whoever also makes the digest anew is found out by the link.
            chain[at].digest = Sha256Hex::of(chain[at].record.as_ref().unwrap().as_bytes());
            assert_eq!(broken(&chain), (number, Flaw::Changed));
            // And by the next link, if that is made anew too.
            chain[at].link = chain::link(&chain[at].previous, &chain[at].digest).to_string();
            if at < 4 {
                assert_eq!(broken(&chain), (number + 1, Flaw::Unlinked));
            }
        }
    }

    #[test]
    fn a_dropped_record_is_told_and_where() {
        let mut short = chain();
        short.remove(2);
        assert_eq!(broken(&short), (4, Flaw::Missing("record 3 is".to_owned())));
        short.remove(1);
        assert_eq!(broken(&short), (4, Flaw::Missing("records 2 to 3 are".to_owned())));
        let mut renumbered = chain();
        renumbered.remove(2);
        for (number, entry) in (1..).zip(&mut renumbered) {
            entry.sequence = number;
        }
        assert_eq!(broken(&renumbered), (3, Flaw::Unlinked));
        let headless = &chain()[1..];
        assert_eq!(broken(headless), (2, Flaw::Missing("record 1 is".to_owned())));
    }

    #[test]
    fn a_chain_cut_off_at_its_end_is_told_by_whoever_remembers_the_end() {
        let chain = chain();
        let ended = |entries: &[Entry], sequence, link: Option<&str>| {
            let mut check = Check::new(Anchor::default(), None);
            for entry in entries {
                check.take(entry).unwrap();
            }
            let head = Head { sequence, link: link.map(str::to_owned) };
            check.end(Some(&head)).map(drop).map_err(|broken| (broken.sequence, broken.flaw))
        };
        assert_eq!(ended(&chain, 5, Some(&chain[4].link)), Ok(()));
        assert_eq!(ended(&chain, 5, None), Ok(()));
        assert_eq!(ended(&chain[..3], 5, None), Err((3, Flaw::CutOff(5))));
        assert_eq!(ended(&chain, 5, Some(&chain[3].link)), Err((5, Flaw::OtherHead)));
        assert_eq!(ended(&chain, 4, None), Err((5, Flaw::OtherHead)));
    }

    #[test]
    fn another_order_is_told_and_where() {
        let mut swapped = chain();
        swapped.swap(1, 2);
        assert_eq!(broken(&swapped), (3, Flaw::Missing("record 2 is".to_owned())));
        (swapped[1].sequence, swapped[2].sequence) = (2, 3);
        assert_eq!(broken(&swapped), (2, Flaw::Unlinked));
        let mut twice = chain();
        twice.insert(2, twice[1].clone());
        assert_eq!(broken(&twice), (2, Flaw::OutOfOrder(3)));
    }

    #[test]
    fn a_sealed_text_must_be_the_record_it_is_kept_as() {
        let mut renamed = chain();
        renamed[1].id = "rec-000000000000".to_owned();
        assert_eq!(broken(&renamed), (2, Flaw::Misnamed));
        let nonsense = [Entry::new(1, "rec-1", "", "nonsense".to_owned())];
        assert_eq!(broken(&nonsense), (1, Flaw::Unreadable));
    }

    #[test]
    fn a_chain_is_proven_from_an_anchor_and_without_texts() {
        let mut chain = chain();
        let anchor = Anchor { sequence: 2, link: chain[1].link.clone() };
        chain[3].record = None;
        let proven = check(anchor.clone(), &chain[2..], None).unwrap();
        assert_eq!((proven.records, proven.digests_only, proven.last), (3, 1, 5));
        assert!(!proven.from.is_beginning());
        let elsewhere = Anchor { link: chain[0].link.clone(), ..anchor };
        assert_eq!(check(elsewhere, &chain[2..], None).unwrap_err().flaw, Flaw::Unlinked);
        chain[3].digest = Sha256Hex::of(b"another");
        assert_eq!(broken(&chain), (4, Flaw::Changed));
    }

    #[test]
    fn a_noted_link_is_found_wherever_it_is() {
        let chain = chain();
        let noted = |link: &str| check(Anchor::default(), &chain, Some(link)).unwrap().noted;
        assert_eq!(noted(&chain[4].link), Some(5));
        assert_eq!(noted(&format!(" {} ", chain[1].link.to_uppercase())), Some(2));
        assert_eq!(noted(Sha256Hex::of(b"").as_str()), None);
        let anchor = Anchor { sequence: 2, link: chain[1].link.clone() };
        let proven = check(anchor, &chain[2..], Some(&chain[1].link)).unwrap();
        assert_eq!(proven.noted, Some(2));
    }

    #[test]
    fn a_chain_of_the_first_form_is_proven_with_its_texts_alone() {
        let mut chain = chain();
        let mut previous = String::new();
        for entry in &mut chain[..2] {
            entry.previous = previous;
            let text = entry.record.as_deref().unwrap();
            let fields = ["record-chain/v1", &entry.previous, text];
            entry.link = Sha256Hex::of_fields(&fields).to_string();
            previous = entry.link.clone();
        }
        for at in 2..5 {
            let text = chain[at].record.clone().unwrap();
            let (id, sequence) = (chain[at].id.clone(), chain[at].sequence);
            chain[at] = Entry::new(sequence, &id, &chain[at - 1].link.clone(), text);
        }
        assert_eq!(check(Anchor::default(), &chain, None).unwrap().unproven, 0);
        chain[1].record = None;
        assert_eq!(broken(&chain), (2, Flaw::Changed));
    }
}

mod bundles {
    use proptest::prelude::*;

    use super::super::bundle::{Bundle, Forged, NotABundle};
    use super::super::chain::{Entry, Flaw};
    use super::super::testing::{chained, hours, record};
    use super::*;

    /// A chain of two cases, and the evidence of one of them.
    fn given(its: &[bool]) -> (Vec<Entry>, Bundle) {
        let of = |(at, its): (i64, &bool)| {
            record(at, if *its { "Contoso Reseller" } else { "Fabrikam" }, true)
        };
        let chain = chained(&(0..).zip(its).map(of).collect::<Vec<_>>());
        let first = its.iter().position(|its| *its).unwrap();
        let bundle = Bundle::new(&chain[first].id, chain.clone(), hours(9)).unwrap();
        (chain, bundle)
    }

    const ITS: [bool; 6] = [false, true, false, false, true, false];

    #[test]
    fn a_bundle_holds_the_records_of_its_case_and_the_digests_of_the_others() {
        let (chain, bundle) = given(&ITS);
        let json = bundle.to_json();
        assert!(!json.contains("Fabrikam") && !json.contains(&chain[2].id), "{json}");
        let read = Bundle::parse(json.as_bytes()).unwrap();
        assert_eq!(read, bundle);
        for at in [1, 4] {
            let piece = &read.chain[at - 1];
            assert_eq!(piece.record, chain[at].record, "not byte for byte");
        }
        let proven = read.verify(Some(&chain[5].link)).unwrap();
        assert_eq!((proven.from.sequence, proven.records, proven.digests_only), (1, 5, 3));
        assert_eq!((proven.last, proven.noted), (6, Some(6)));
        assert_eq!(proven.head, chain[5].link);
    }

    #[test]
    fn whatever_record_of_the_case_is_named_the_evidence_is_the_same() {
        let (chain, bundle) = given(&ITS);
        let other = Bundle::new(&chain[4].id, chain.clone(), hours(9)).unwrap();
        assert_eq!(Bundle { record: bundle.record.clone(), ..other }, bundle);
        assert!(Bundle::new("rec-x\u{1b}[2J", chain, hours(9)).is_err());
    }

    #[test]
    fn a_forged_bundle_is_told_and_where() {
        let (chain, bundle) = given(&ITS);
        let forged = |forge: &dyn Fn(&mut Bundle)| {
            let mut bundle = bundle.clone();
            forge(&mut bundle);
            bundle.verify(None).unwrap_err().to_string()
        };
        let told = [
            forged(&|it| {
                let text = it.chain[3].record.as_mut().unwrap();
                *text = text.replace("Woodgrove", "Fabrikam");
            }),
            forged(&|it| drop(it.chain.remove(1))),
            forged(&|it| drop(it.chain.pop())),
            forged(&|it| it.chain[1].digest = Sha256Hex::of(b"x")),
            forged(&|it| it.chain[3].id = Some("rec-\u{202e}1".to_owned())),
            forged(&|it| it.from.link.clone_from(&chain[2].link)),
            forged(&|it| it.head.link.clone_from(&chain[2].link)),
            forged(&|it| it.case.episode = 7),
            forged(&|it| it.record.clone_from(&chain[0].id)),
            forged(&|it| it.case.partner.name = "Fabrikam".to_owned()),
            forged(&|it| it.chain[3].record = None),
            forged(&|it| drop(it.policies.pop_first())),
        ];
        insta::assert_snapshot!(told.join("\n"), @"
        record 5 (rec-5e256155ba56): it was changed after it was sealed, or written behind another record
        record 4: record 3 is missing before it
        record 5 (rec-5e256155ba56): the chain had 6 records, and those behind it are missing
        record 3: it was changed after it was sealed, or written behind another record
        record 5 (rec-1): it holds another record than its name says
        record 2 (rec-5887879a3ea3): it was changed after it was sealed, or written behind another record
        record 6: it is the last record, and the store remembers another one
        record 2 is not of the case that the file names
        the record the file is about is not among its records, or names another case
        the record the file is about is not among its records, or names another case
        record 5 is of the case, and it is left out
        the policies it names are not those by which its records say it was decided
        ");
    }

    #[test]
    fn a_rewritten_bundle_is_told_by_a_link_that_was_noted() {
        let (chain, bundle) = given(&ITS);
        let lies: Vec<Record> = (0..6).map(|at| record(at, "Contoso Reseller", false)).collect();
        let lies = chained(&lies);
        let lie = Bundle::new(&lies[1].id.clone(), lies, hours(9)).unwrap();
        let proven = lie.verify(Some(&chain[5].link)).unwrap();
        assert_eq!(proven.noted, None);
        assert_ne!(proven.head, bundle.head.link);
    }

    #[test]
    fn what_is_no_bundle_is_told() {
        let (_, bundle) = given(&ITS);
        let json = bundle.to_json();
        let refused = |text: &str| Bundle::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(refused(json.get(..json.len() / 2).unwrap()), NotABundle::NotJson(_)));
        assert!(matches!(refused("{}"), NotABundle::SomethingElse(_)));
        assert!(matches!(refused("[1]"), NotABundle::SomethingElse(_)));
        let other = refused(&json.replace("partner-warden/evidence", "partner-warden/facts"));
        assert!(matches!(other, NotABundle::SomethingElse(_)));
        assert_eq!(
            refused(&json.replace("\"version\": 1", "\"version\": 2")),
            NotABundle::Version(2)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever one character of the file is changed to: it is no bundle, it is told to be
        /// forged, or it says the same of the same records.
        #[test]
        fn no_changed_character_goes_unnoticed(
            its in proptest::collection::vec(any::<bool>(), 1..8),
            place in any::<prop::sample::Index>(),
            new in proptest::char::range(' ', '~'),
        ) {
            let mut its = its;
            its[0] = true;
            let (chain, bundle) = given(&its);
            let noted = &chain.last().unwrap().link;
            let json = bundle.to_json();
            prop_assert!(Bundle::parse(json.as_bytes()).unwrap().verify(Some(noted)).is_ok());
            let mut changed: Vec<char> = json.chars().collect();
            let at = place.index(changed.len());
            changed[at] = new;
            let changed: String = changed.into_iter().collect();
            let Ok(read) = Bundle::parse(changed.as_bytes()) else { return Ok(()) };
            let Ok(proven) = read.verify(Some(noted)) else { return Ok(()) };
            prop_assert_eq!(proven.noted, Some(u64::try_from(its.len()).unwrap()));
            prop_assert_eq!(&read.chain, &bundle.chain);
            prop_assert_eq!(&read.case, &bundle.case);
            prop_assert_eq!(&read.policies, &bundle.policies);
        }

        /// Any two records swapped, any one dropped or doubled is told.
        #[test]
        fn no_other_order_goes_unnoticed(one in 0..5_usize, other in 0..5_usize, what in 0..3_u8) {
            let (_, mut bundle) = given(&ITS);
            match what {
                0 if one != other => bundle.chain.swap(one, other),
                1 => bundle.chain.insert(other, bundle.chain[one].clone()),
                _ => drop(bundle.chain.remove(one)),
            }
            let told = bundle.verify(None);
            let is_told = match told {
                Err(Forged::Chain(broken)) => broken.flaw != Flaw::Misnamed,
                _ => false,
            };
            prop_assert!(is_told, "{:?}", bundle.verify(None));
        }
    }
}

mod timelines {
    use jiff::SignedDuration;

    use super::super::testing::{hours, record};
    use super::*;
    use crate::domain::case::{Row, StepRow};
    use crate::domain::plan::Remediation;

    fn step(state: StepState, acted: Option<i64>, verified: Option<i64>, received: i64) -> Row {
        let cause =
            Cause { event: None, received: Some(hours(received)), decided: hours(received + 1) };
        let step = StepRow {
            id: StepId(Sha256Hex::of(&received.to_be_bytes())),
            summary: String::new(),
            state,
            detail: None,
            request_id: None,
            acted_at: acted.map(hours),
            verified_at: verified.map(hours),
            undone_at: None,
            by_hand: String::new(),
            reappeared: false,
            stuck: false,
            restoring: false,
            waits: false,
            gone_unanswered: None,
            cause: Some(cause),
            answers: Vec::new(),
            remediation: Remediation::RevokeRoleAssignment,
            target: None,
        };
        let key = Sha256Hex::of(b"row");
        Row { key, findings: Vec::new(), step: Some(step), open: true, quiet: false }
    }

    fn timeline(rows: Vec<Row>) -> Timeline {
        let mut case = record(0, "Contoso Reseller", true).case;
        case.rows = rows;
        Timeline::of(&case)
    }

    #[test]
    fn what_was_done_counts_once_all_of_it_is_proven() {
        let first = step(StepState::Verified, Some(4), Some(5), 1);
        let whole = timeline(vec![first.clone(), step(StepState::Verified, Some(6), Some(8), 2)]);
        let moments = [("received", 1), ("decided", 2), ("revoked", 6), ("verified", 8)];
        assert_eq!(whole.moments(), moments.map(|(name, at)| (name, hours(at))));
        assert_eq!(whole.time_to_revoke(), Some(SignedDuration::from_hours(5)));
        assert_eq!(whole.time_to_verify(), Some(SignedDuration::from_hours(7)));
        let half = timeline(vec![first.clone(), step(StepState::Revoked, Some(6), None, 2)]);
        assert_eq!((half.revoked, half.verified), (Some(hours(6)), None));
        // What Graph refused was not taken away.
        let refused = timeline(vec![first, step(StepState::Refused, Some(7), None, 2)]);
        assert_eq!((refused.revoked, refused.verified), (Some(hours(4)), Some(hours(5))));
    }

    #[test]
    fn the_event_counts_before_its_arrival_and_a_look_without_steps_tells_of_itself() {
        let cause = Cause { event: Some(hours(1)), received: Some(hours(2)), decided: hours(3) };
        let told = timeline(Vec::new()).or(&cause);
        let moments = [("event", 1), ("received", 2), ("decided", 3)];
        assert_eq!(told.moments(), moments.map(|(name, at)| (name, hours(at))));
        assert_eq!(told.time_to_revoke(), None);
        let revoked = Timeline { revoked: Some(hours(5)), ..told };
        assert_eq!(revoked.time_to_revoke(), Some(SignedDuration::from_hours(4)));
        let own = timeline(vec![step(StepState::Held, None, None, 4)]);
        assert_eq!(own.or(&cause), own);
    }
}
