//! Files in every form there is, and in none.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// The path and the `id` of every event of a file with this content.
fn read(content: &[u8]) -> (Vec<(String, String)>, Result<(), ExportError>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let mut found = Vec::new();
    let result = events(file.path(), &mut |path, event| {
        let id = event.get("id").map_or_else(|| event.to_string(), ToString::to_string);
        found.push((path.to_owned(), id));
    });
    (found, result)
}

#[track_caller]
fn check(content: &str, expect: &[(&str, &str)]) {
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(content.as_bytes()).unwrap();
    let marked = [&BYTE_ORDER_MARK, content.as_bytes()].concat();
    for bytes in [content.as_bytes(), &marked, &compressed.finish().unwrap()] {
        let (found, result) = read(bytes);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(path, id)| (path.as_str(), id.as_str())).collect();
        assert_eq!(found, expect, "{content}");
        result.unwrap();
    }
}

#[test]
fn every_envelope_gives_its_events() {
    check(r#"{"id":1,"properties":{"value":[{"id":9}]}}"#, &[("$", "1")]);
    check(r#"[{"id":1},{"id":2}]"#, &[("$[0]", "1"), ("$[1]", "2")]);
    check("[]", &[]);
    check(
        r#"{"@odata.context":"x","value":[{"id":1},{"id":2}],"@odata.nextLink":"y"}"#,
        &[("$.value[0]", "1"), ("$.value[1]", "2")],
    );
    check(r#"{"records":[{"id":1}]}"#, &[("$.records[0]", "1")]);
    check("{\"id\":1}\n{\"id\":2}\r\n\n{\"id\":3}\n", &[("$", "1"), ("$2", "2"), ("$3", "3")]);
    check("{\"records\":[{\"id\":1}]}\n[{\"id\":2}]", &[("$.records[0]", "1"), ("$2[0]", "2")]);
    check("[7,null]", &[("$[0]", "7"), ("$[1]", "null")]);
}

#[test]
fn what_breaks_off_is_told_with_its_place_and_what_was_read_counts() {
    let (found, result) = read(b"[{\"id\":1},\n{\"id\":");
    assert_eq!(found.len(), 1);
    assert!(matches!(result, Err(ExportError::NotJson { line: 2, .. })), "{result:?}");
    let (_, result) = read(b"Date,Service\n1,2");
    assert!(result.unwrap_err().to_string().contains("export the audit log as JSON"));
    for empty in [&b""[..], b"\n ", &BYTE_ORDER_MARK] {
        let (_, result) = read(empty);
        assert!(matches!(result, Err(ExportError::Empty { .. })), "{result:?}");
    }
    let mut cut = GzEncoder::new(Vec::new(), Compression::fast());
    cut.write_all(b"[{\"id\":1},{\"id\":2}]").unwrap();
    let mut cut = cut.finish().unwrap();
    cut.truncate(cut.len() - 12);
    let (_, result) = read(&cut);
    assert!(matches!(result, Err(ExportError::NotJson { .. } | ExportError::File { .. })));
    let (_, result) = read(b"{\"value\":\"x\"}");
    assert!(matches!(result, Err(ExportError::NotJson { .. })), "{result:?}");
}

#[test]
fn a_file_that_is_not_there_is_told_by_its_name() {
    let error = events(Path::new("no/such/file.json"), &mut |_, _| {}).unwrap_err();
    assert_eq!(error.to_string(), "cannot read no/such/file.json");
}

#[test]
fn one_event_at_a_time_is_held() {
    // 200,000 events of 500 bytes each, as they would come off a disk.
    struct Many {
        left: usize,
        part: Vec<u8>,
    }
    impl Read for Many {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.part.is_empty() && self.left > 0 {
                self.left -= 1;
                let end = if self.left == 0 { "]" } else { "," };
                self.part = format!("{{\"id\":\"{}\"}}{end}", "x".repeat(500)).into_bytes();
            }
            let length = into.len().min(self.part.len());
            into[..length].copy_from_slice(&self.part[..length]);
            self.part.drain(..length);
            Ok(length)
        }
    }
    let many = Many { left: 200_000, part: b"[".to_vec() };
    let mut events = 0_usize;
    let mut held = 0_usize;
    values(Path::new("many"), &mut BufReader::new(many), &mut |_, event| {
        events += 1;
        held = held.max(event.to_string().len());
    })
    .unwrap();
    assert_eq!(events, 200_000);
    assert!(held < 600, "the largest thing handed over was {held} bytes");
}
