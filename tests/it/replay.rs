//! `replay` through the real program, over the payloads of `events/`.

use std::io::Write as _;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

const POLICY: &str = "policy/example.yaml";
const GROUP: &str = "events/audit/add-member-to-role.json";

struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

fn replay(arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partner-warden"));
    command.arg("replay").args(arguments).env_clear().current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let run = replay(&[arguments, &["--json"]].concat());
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.err))
}

/// A file with these bytes, in a folder of its own.
fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn a_person_reads_what_would_have_been_done() {
    let run = replay(&["--policy", POLICY, GROUP]);
    insta::assert_snapshot!(run.out, @r"
    Woodgrove, mode enforce: 1 reason to look

      2026-11-20 05:06  Add member to role
        would revoke       Global Administrator: unnamed group, of Contoso Reseller  (privileged-role, role-not-allowed)
            unnamed group, a principal of Contoso Reseller's own directory, holds the privileged role Global Administrator.

      Taken for granted:
        The tenant has a Global Administrator of its own.
        What Microsoft's service for delegated administration gave a role to is a group of the one partner there is.
        Who holds a role was told by the events alone; a snapshot (--facts) knows groups, guests and applications of partners better.

    In all: 1 revoked, 0 asked about, 0 only described, 0 held back, 0 ticketed, 0 recorded; 0 of 1 events ignored (0 no reason to look, 0 showed nothing new).
    ");
    assert_eq!(run.code, Some(0));
}

#[test]
fn the_envelope_makes_no_difference() {
    let event = std::fs::read_to_string(GROUP).unwrap();
    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    let expect = json(&["--policy", POLICY, GROUP])["tenants"].clone();
    assert_eq!(expect[0]["happenings"][0]["effect"]["effect"], "revoke");
    let value = serde_json::json!({"@odata.context": "c", "value": [event]}).to_string();
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(value.as_bytes()).unwrap();
    for bytes in [
        serde_json::json!([event]).to_string().into_bytes(),
        format!("{event}\n").into_bytes(),
        value.into_bytes(),
        compressed.finish().unwrap(),
    ] {
        let (_folder, path) = file("audits", &bytes);
        assert_eq!(json(&["--policy", POLICY, &path])["tenants"], expect);
    }
    // Azure Monitor's envelope and the Management Activity API tell of the same group.
    for path in [
        "events/audit/records-azure-monitor.json",
        "events/o365/content-azure-active-directory.json",
    ] {
        let told = json(&["--policy", POLICY, path]);
        let first = &told["tenants"][0]["happenings"][0];
        assert_eq!(first["role"], "Global Administrator", "{path}");
        assert_eq!(first["effect"]["effect"], "revoke", "{path}");
    }
}

#[test]
fn another_policy_is_compared_and_the_exit_code_says_whether_it_differs() {
    let policy = std::fs::read_to_string(POLICY).unwrap();
    let milder = policy.replace("privileged-role: {do: revoke", "privileged-role: {do: approve");
    assert_ne!(policy, milder);
    let (_folder, milder) = file("milder.yaml", milder.as_bytes());
    let run = replay(&["--policy", POLICY, GROUP, "--against", &milder]);
    assert_eq!(run.code, Some(1));
    let difference = run.out.split_once("1 difference\n").unwrap().1;
    assert!(difference.contains("- would revoke"), "{difference}");
    assert!(difference.contains("+ would ask before revoking"), "{difference}");
    let run = replay(&["--policy", POLICY, GROUP, "--against", POLICY]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("No difference"), "{}", run.out);
}

#[test]
fn what_cannot_be_replayed_is_told_and_is_not_passed_over() {
    let (_folder, odd) = file("odd.json", b"[{\"activityDisplayName\": 7}, {\"id\": \"x\"}]");
    let run = replay(&["--policy", POLICY, &odd]);
    assert_eq!(run.code, Some(2));
    assert!(run.out.contains("Left out: 2 that could not be understood."), "{}", run.out);
    assert!(run.err.contains("$[0].activityDisplayName"), "{}", run.err);
    let (_folder, broken) = file("broken.json", b"[{\"id\":");
    let run = replay(&["--policy", POLICY, &broken]);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert!(run.err.contains("export the audit log as JSON"), "{}", run.err);
    let run = replay(&[GROUP]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("--policy"), "{}", run.err);
}

#[test]
fn an_event_of_no_tenant_is_left_out_where_there_are_several() {
    let policy = std::fs::read_to_string(POLICY).unwrap();
    let second = "  - id: 99999999-9999-9999-9999-999999999999\n    name: Fabrikam\n\nrespond:";
    // Without the policy's own tests, which would have to say which tenant they are about.
    let policy = policy.split("\ntests:").next().unwrap();
    let two = policy.replacen("respond:", second, 1);
    let (_folder, two) = file("two.yaml", two.as_bytes());
    let run = replay(&["--policy", &two, GROUP]);
    assert_eq!(run.code, Some(2));
    assert!(run.out.contains("Left out: 1 that name no tenant"), "{}", run.out);
    let run = replay(&["--policy", &two, GROUP, "--tenant", "Woodgrove"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("In all: 1 revoked"), "{}", run.out);
}

#[test]
fn names_that_strangers_chose_cannot_move_the_terminal() {
    let event = std::fs::read_to_string("events/audit/add-member-to-role-guest.json").unwrap();
    let mut event: serde_json::Value = serde_json::from_str(&event).unwrap();
    event["activityDisplayName"] = "Add member to role\u{1b}[2J\u{202e}".into();
    event["targetResources"][0]["displayName"] = "Eve\u{1b}]0;owned\u{7}\nIn all: 0 revoked".into();
    let (_folder, path) = file("hostile.json", event.to_string().as_bytes());
    let run = replay(&["--policy", POLICY, &path]);
    let odd = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!run.out.contains(odd), "{:?}", run.out);
    assert!(!run.out.lines().any(|line| line.starts_with("In all: 0 revoked")), "{}", run.out);
}
