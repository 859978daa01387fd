//! What templates make of messages, whatever is in them, and what is told of those that fail.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::inserted::given as cleaned;
use super::values::fixtures;
use super::*;
use crate::domain::markup::testing::{any_text, hostile};
use crate::domain::markup::{adf, card, html, markdown, mrkdwn, plain, textile, wiki};
use crate::domain::policy::Policy;
use crate::domain::sink::Texts;
use crate::domain::ticket::said::{Said, faults, worded};

const KEY: &str = "pw1-0123456789abcdef0123456789";
const DECISION: &str = "https://warden.example/decisions/t";

/// A message whose partner is called so, and says so in every text.
fn message(kind: &str, partner: &str) -> String {
    let party = json!({ "id": null, "name": partner });
    let finding = |open| {
        json!({
            "finding": "privileged-role", "severity": "high", "partner": party,
            "subject": partner, "text": partner, "open": open,
        })
    };
    let message = json!({
        "type": kind,
        "timestamp": "2026-11-23T12:00:00Z",
        "data": {
            "key": KEY, "title": format!("Woodgrove: {partner} holds too much"),
            "body": "What was found\n- a role\n", "severity": "high",
            "tenant": { "id": "11111111-1111-1111-1111-111111111111", "name": "Woodgrove" },
            "partner": party, "findings": [finding(true), finding(false)],
            "steps": [{
                "id": "0", "summary": partner, "state": "awaiting-approval", "byHand": partner,
            }],
            "decisionUrl": DECISION, "record": "rec-1",
        },
    });
    message.to_string()
}

fn with_body(body: &str) -> Common {
    Common {
        templates: Texts { body: Some(body.to_owned()), ..Texts::default() },
        ..Common::default()
    }
}

fn said_with(common: &Common, kind: &str, partner: &str) -> Said {
    let (id, body) = (format!("{KEY}-3"), message(kind, partner));
    assert_eq!(faults(&id, &body, common).unwrap(), [], "{common:?}");
    Said::of(&id, &body, common, 100).unwrap()
}

/// What a template makes of a message about a partner of that name, without the mark.
fn of(body: &str, partner: &str) -> Vec<Block> {
    let (id, message) = (format!("{KEY}-3"), message("ticket.opened", partner));
    let mut said = Said::of(&id, &message, &with_body(body), 100).unwrap();
    let mark = Block::Paragraph(vec![Span::Code(format!("{KEY} #3"))]);
    assert_eq!(said.text.blocks.pop(), Some(mark));
    said.text.blocks
}

/// A document without its words.
fn shape(blocks: &[Block]) -> Vec<String> {
    let line = |spans: &[Span]| {
        let of = |span: &Span| match span {
            Span::Text(_) => "text".to_owned(),
            Span::Strong(_) => "strong".to_owned(),
            Span::Code(_) => "code".to_owned(),
            Span::Link { url, .. } => format!("<{url}>"),
            Span::Break => "break".to_owned(),
        };
        spans.iter().map(of).collect::<Vec<String>>().join(" ")
    };
    let of = |block: &Block| match block {
        Block::Heading(spans) => vec![format!("heading {}", line(spans))],
        Block::Paragraph(spans) => vec![format!("paragraph {}", line(spans))],
        Block::List(items) => items.iter().map(|item| format!("item {}", line(item))).collect(),
    };
    blocks.iter().flat_map(of).collect()
}

/// Templates in which a value stands where it could do the most, and as filters make it.
const TEMPLATES: &[&str] = &[
    "{{ partner.name }}\n\nx",
    "# {{ partner.name }}\n\nx",
    "x\n\n- {{ partner.name }}\n- {{ partner.name }}",
    "x{{ partner.name }}x {{ partner.name }}",
    "1{{ partner.name }}\n{{ partner.name }}2. x",
    "**{{ partner.name }}** and **x{{ partner.name }}x**",
    "`x {{ partner.name }}` x",
    "[x {{ partner.name }}](https://x.example/y)",
    "x\n{{ partner.name }}\nx",
    "&{{ partner.name }}; <{{ partner.name }}> [{{ partner.name }}] \\{{ partner.name }}",
    "[{{ partner.name }}]: https://x.example\n\n[{{ partner.name }}] x",
    "x\n\n> {{ partner.name }}\n\n```\n{{ partner.name }}\n```",
    "| a |\n|---|\n| {{ partner.name }} |",
    "x {{ partner.name | upper }} {{ partner.name | lower }} {{ partner.name | trim }} x",
    "x {{ findings | map(attribute=\"text\") | join(\", \") }} x",
    "x {{ findings | map(attribute=\"text\") | join(\"\\n- **\") }} x",
    "x {{ findings | map(attribute=\"text\") | unique | sort | first }} x",
    "x {{ (findings | selectattr(\"open\") | last).text }} x",
    "x {{ (findings | rejectattr(\"open\") | last).text }} x",
    "x {{ \"**\" ~ partner.name ~ \"](https://evil.example)\" }} x",
    "x {{ partner.name[1:] }} {{ partner.name[:3] }} x",
    "x {{ partner.name | replace(\"a\", \"**\") | truncate(7) }} {{ partner.name | default(\"x\") }} x",
    "x {% set name %}x {{ partner.name }}{% endset %}{{ name }} x",
    "x {% filter upper %}x {{ partner.name }}{% endfilter %} x",
    "x {% autoescape false %}{{ partner.name }}{% endautoescape %} x",
    "x {% with name = partner.name %}{{ name }}{% endwith %} x",
    "x\n\n{% for finding in findings %}\n- {{ finding.text }}\n{% endfor %}",
    "{{ partner.name }}{{ partner.name }}\n\n{{ decisionUrl }} {{ partner.name }}x",
    "x {{ title }} {{ partner.name or tenant.name }} {{ steps[0].byHand if steps else \"\" }}",
];

fn check(partner: &str) {
    static SHAPES: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
        let shape = |template: &&str| {
            said_with(&with_body(template), "ticket.opened", "Contoso");
            shape(&of(template, "Contoso"))
        };
        TEMPLATES.iter().map(shape).collect()
    });
    for (template, expect) in TEMPLATES.iter().zip(SHAPES.iter()) {
        assert_eq!(shape(&of(template, partner)), *expect, "{partner:?} in {template:?}");
    }
}

#[test]
fn a_value_makes_no_structure_wherever_it_stands() {
    // Each piece alone: the templates put words around it.
    for partner in hostile().iter().step_by(2) {
        check(partner);
    }
    for partner in [
        "**x** [a](https://evil.example)",
        "x\n\n# y\n- z",
        "@everyone <!channel>",
        "{{ key }}{% for x in findings %}",
        "\u{e02a}\u{e02a}x\u{e02a}\u{e02a} \u{f8f1}**x**\u{f8f2}\u{f8f3}\u{f0000}",
        DECISION,
    ] {
        check(partner);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_name_makes_structure(partner in any_text()) {
        check(&partner);
    }

    #[test]
    fn a_value_is_shown_as_it_is_and_nothing_comes_of_it_in_any_markup(partner in any_text()) {
        let template = "# x {{ partner.name }} x\n\n- x {{ partner.name }} x\n- **x {{ partner.name }} x**\n\n[x](https://x.example) {{ partner.name }} x";
        let theirs = of(template, &partner);
        let name = cleaned(&partner);
        let Block::Heading(spans) = &theirs[0] else { panic!("{theirs:?}") };
        prop_assert_eq!(&spans[..], &[Span::Text(format!("x {name} x"))]);
        let documents = [Document { blocks: theirs }, Document { blocks: of(template, "Contoso") }];
        let [theirs, plain_one] = documents.map(|it| {
            let without_words = |json: serde_json::Value| {
                let mut json = json;
                blank(&mut json);
                json
            };
            (tags(&html(&it)), without_words(adf(&it)), events(&markdown(&it)), plain(&it).lines().count())
        });
        prop_assert_eq!(theirs, plain_one);
    }
}

/// The tags of HTML.
fn tags(html: &str) -> Vec<String> {
    let tags = html.split('<').skip(1).map(|it| it.split('>').next().unwrap().to_owned());
    // Words stand in code that some system would make more of.
    tags.filter(|tag| !matches!(tag.as_str(), "code" | "/code")).collect()
}

/// Takes the words out of a document in JSON. Its text nodes are joined as they may be split.
fn blank(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Array(items) => items.iter_mut().for_each(blank),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                if name == "text" {
                    *value = "".into();
                } else {
                    blank(value);
                }
            }
        }
        _ => {}
    }
}

/// What Markdown is read as, without its words; code is text to it, since words stand in code there
/// that some system would make more of.
fn events(markdown: &str) -> Vec<String> {
    use pulldown_cmark::{Event, Parser};
    let mut events: Vec<String> = Vec::new();
    for event in Parser::new(markdown) {
        let event = match event {
            Event::Text(_) | Event::Code(_) => "text".to_owned(),
            event => format!("{event:?}"),
        };
        if events.last() != Some(&event) || event != "text" {
            events.push(event);
        }
    }
    events
}

#[test]
fn the_author_makes_structure_and_every_markup_writes_it() {
    let blocks = of(
        "# {{ partner.name }}\n\n{% for finding in findings %}\n- **{{ finding.severity }}**: {{ finding.text }}\n{% endfor %}\n\nSee [the page](https://wiki.example/x).",
        "A*B",
    );
    let item = || vec![Span::Strong("high".to_owned()), Span::text(": A*B")];
    let url = "https://wiki.example/x".parse().unwrap();
    assert_eq!(
        blocks,
        [
            Block::Heading(vec![Span::text("A*B")]),
            Block::List(vec![item(), item()]),
            Block::Paragraph(vec![
                Span::text("See "),
                Span::Link { text: "the page".to_owned(), url },
                Span::text("."),
            ]),
        ]
    );
    let document = Document { blocks };
    for render in [plain, markdown, wiki, html, mrkdwn, textile] {
        assert!(render(&document).contains("https://wiki.example/x"));
    }
    assert!(adf(&document).to_string().contains("https://wiki.example/x"));
    assert!(serde_json::to_string(&card(&document)).unwrap().contains("https://wiki.example/x"));
}

#[test]
fn where_people_decide_is_a_link_and_no_other_value_leads_anywhere() {
    let link = |text: &str| Span::Link { text: text.to_owned(), url: DECISION.parse().unwrap() };
    for (body, expect) in [
        (
            "Decide: {{ decisionUrl }}.",
            vec![Span::text("Decide: "), link(DECISION), Span::text(".")],
        ),
        ("[Decide]({{ decisionUrl }})", vec![link("Decide")]),
        ("{{ decisionUrl | upper | truncate(3) }}", vec![link(DECISION)]),
        ("**a {{ decisionUrl }}**", vec![Span::Strong("a ".to_owned()), link(DECISION)]),
        ("{{ record ~ ' ' ~ decisionUrl }}", vec![Span::text("rec-1 "), link(DECISION)]),
        ("[{{ decisionUrl }}]({{ decisionUrl }})", vec![link(DECISION)]),
    ] {
        assert_eq!(of(body, "Contoso"), [Block::Paragraph(expect)], "{body}");
    }
    for body in [
        "[a](https://{{ partner.name }}/)",
        "[a](https://x.example/{{ tenant.id }})",
        "[a](https://x.example/{{ decisionUrl }})",
        "[a]({{ partner.name }})",
        "<https://x.example/{{ record }}>",
        "[a](http://x.example)",
        "[a](javascript:alert)",
        "[a](/x)",
        "x {{ body }}",
        "# {{ body }}",
        "- {{ body }}",
        "{{ nothing }}",
        "{{ partner.nme }}",
        "{{ partner }}",
        "{{ findings }}",
        "{{ findings | frob }}",
        "{{ range(3) }}",
        "{{ partner.name.upper() }}",
        "{% include \"x\" %}",
        "{% macro x() %}{% endmacro %}",
        "{% for a in findings %}",
        "{{ partner.name | safe }}",
        "{{ partner.name | escape }}",
    ] {
        let body = with_body(body);
        let (id, message) = (format!("{KEY}-3"), message("ticket.opened", "evil.example"));
        let found = faults(&id, &message, &body).unwrap();
        assert_eq!(found.len(), 1, "{body:?}");
        assert_eq!(found[0].path, "templates.body");
        // The ticket is told all the same, in the built-in words.
        let said = Said::of(&id, &message, &body, 100).unwrap();
        let built_in = Said::of(&id, &message, &Common::default(), 100).unwrap();
        assert_eq!(said, built_in);
        let told = found[0].to_string();
        assert!(!told.contains("evil.example") && !told.contains("Woodgrove"), "{told}");
    }
}

#[test]
fn the_built_in_text_can_stand_within_ones_own() {
    let blocks = of("Call **1234**.\n\n{{ body }}\n\nEnd.", "Contoso");
    assert_eq!(
        blocks,
        [
            Block::Paragraph(vec![
                Span::text("Call "),
                Span::Strong("1234".to_owned()),
                Span::text("."),
            ]),
            Block::Heading(vec![Span::text("What was found")]),
            Block::List(vec![vec![Span::text("a role")]]),
            Block::Paragraph(vec![Span::text("End.")]),
        ]
    );
}

#[test]
fn a_name_of_private_characters_does_not_stand_in_the_way_of_the_built_in_text() {
    let name = "\u{f8f3}\u{f8f2}\u{e02a}";
    let id = format!("{KEY}-3");
    let message = message("ticket.opened", name).replace("a role", name);
    let common = with_body("{{ partner.name }}\n\n{{ body }}");
    assert_eq!(faults(&id, &message, &common).unwrap(), []);
    let said = Said::of(&id, &message, &common, 100).unwrap();
    assert_eq!(said.text.blocks[0], Block::Paragraph(vec![Span::text("\u{fffd}".repeat(3))]));
    assert_eq!(said.text.blocks[2], Block::List(vec![vec![Span::text(name)]]));
}

#[test]
fn each_kind_of_message_has_its_words_and_every_text_ends_with_the_mark() {
    let text = |text: &str| Some(format!("{text} {{{{ kind }}}} {{{{ number }}}}"));
    let common = Common {
        templates: Texts {
            title: Some("{{ severity | upper }}\n{{ title }}".to_owned()),
            body: text("B"),
            comment: text("C"),
            close: text("E"),
        },
        ..Common::default()
    };
    for (kind, expect) in [
        ("ticket.opened", "B opened 3"),
        ("ticket.updated", "C updated 3"),
        ("ticket.closed", "E closed 3"),
    ] {
        let said = said_with(&common, kind, "Contoso");
        assert_eq!(plain(&said.text), format!("{expect}\n\n{KEY} #3"));
        assert_eq!(said.title, "HIGH Woodgrove: Contoso holds too much");
        let short = Said::of(&format!("{KEY}-3"), &message(kind, "x"), &common, 7).unwrap();
        assert_eq!(short.title, "HIGH W…");
    }
    // One that says nothing is as if it were not there.
    let said = said_with(&with_body("{% if partner.id %}x{% endif %}\n"), "ticket.opened", "C");
    let built_in =
        Said::of(&format!("{KEY}-3"), &message("ticket.opened", "C"), &Common::default(), 9);
    assert_eq!(said.text, built_in.unwrap().text);
    // A template that ends in the mark of another does not hide its own.
    let said = said_with(&with_body("{{ key }} #4"), "ticket.opened", "C");
    assert!(plain(&said.text).ends_with(&format!("\n\n{KEY} #3")));
}

#[test]
fn fields_are_filled_in_whatever_their_depth_and_say_nothing_that_becomes_an_address() {
    let fields = json!({
        "plain": "as it is", "number": 5, "one": "{{ tenant.name }}/{{ severity }}",
        "deep": [{ "{{ key }}": "{{ partner.name }}" }, null, true],
        "url": "https://wiki.example/partners/{{ tenant.id }}?x={{ partner.name }}",
        "decide": "{{ decisionUrl }}", "many": "{{ findings | map(attribute=\"severity\") | join }}",
        "lines": "a\n{{ steps[0].state }}",
    });
    let common = Common { fields: serde_json::from_value(fields).unwrap(), ..Common::default() };
    let said = said_with(&common, "ticket.opened", "https://evil.example\n@x **y**");
    let defused = "https[:]//evil.example @x **y**";
    let expect = json!({
        "plain": "as it is", "number": 5, "one": "Woodgrove/high",
        "deep": [{ "{{ key }}": defused }, null, true],
        "url": format!("https://wiki.example/partners/11111111-1111-1111-1111-111111111111?x={defused}"),
        "decide": DECISION, "many": "highhigh", "lines": "a\nawaiting-approval",
    });
    assert_eq!(serde_json::to_value(&said.fields).unwrap(), expect);
    // What is made of two values is no address either, and a failure leaves one field out.
    for (field, expect) in [
        (
            "{{ partner.name }}{{ steps[0].summary[5:] }}",
            Some("https[:]//evil.example[:]//evil.example"),
        ),
        ("x {{ nothing }}", None),
        ("https://{{ tenant.name }}/", None),
        ("https://x.example{{ tenant.name }}", None),
    ] {
        let fields = [("a".to_owned(), field.into()), ("b".to_owned(), "{{ severity }}".into())];
        let common = Common { fields: fields.into_iter().collect(), ..Common::default() };
        let body = message("ticket.opened", "https://evil.example");
        let said = Said::of(&format!("{KEY}-3"), &body, &common, 9).unwrap();
        assert_eq!(said.fields.get("a").and_then(|it| it.as_str()), expect, "{field}");
        assert_eq!(said.fields.get("b").and_then(|it| it.as_str()), Some("high"));
    }
}

#[test]
fn of_the_generic_webhook_only_title_and_text_are_worded() {
    let body = message("ticket.opened", "Contoso");
    assert_eq!(worded("pw1-0-1", &body, &Common::default()), None);
    let mut common = with_body("**{{ partner.name }}**\n\n- {{ severity }}");
    common.templates.close = Some("x".to_owned());
    let told = worded(&format!("{KEY}-1"), &body, &common).unwrap();
    let mut expect: Json = serde_json::from_str(&body).unwrap();
    expect["data"]["body"] = "Contoso\n\n- high".into();
    assert_eq!(serde_json::from_str::<Json>(&told).unwrap(), expect);
    common.templates.title = Some("{{ kind }}".to_owned());
    expect["data"]["title"] = "opened".into();
    let told = worded(&format!("{KEY}-1"), &body, &common).unwrap();
    assert_eq!(serde_json::from_str::<Json>(&told).unwrap(), expect);
    // What fails, or has no template, or is no message, stays as it is.
    assert_eq!(worded(&format!("{KEY}-1"), &body, &with_body("{{ x }}")), None);
    let updated = message("ticket.updated", "Contoso");
    assert_eq!(worded(&format!("{KEY}-1"), &updated, &with_body("x")), None);
    assert_eq!(worded(&format!("{KEY}-1"), "{}", &with_body("x")), None);
}

#[test]
fn every_value_and_filter_of_the_lists_is_there_and_no_other() {
    for kind in [MessageKind::Opened, MessageKind::Updated, MessageKind::Closed] {
        for message in fixtures(kind) {
            let given = Given::of(&message, 1, &Common::default(), Document::default());
            for name in NAMES {
                let has = |values: &Value| !values.get_attr(name).unwrap().is_undefined();
                assert!(has(&given.of_text), "{name}");
                assert_eq!(has(&given.of_line), *name != "body", "{name}");
            }
            assert_eq!(given.of_text.len(), Some(NAMES.len()));
        }
    }
    let message = &fixtures(MessageKind::Opened)[3];
    let given = Given::of(message, 1, &Common::default(), Document::default());
    for filter in FILTERS {
        let source = format!("{{{{ findings | {filter} }}}}");
        let told = line(&source, &given).err().map_or("", |fault| fault.what);
        assert_ne!(told, "there is no such filter", "{filter}");
    }
    for test in TESTS {
        let source = format!("{{{{ 1 is {test}(1) }}}}");
        let told = line(&source, &given).err().map_or("", |fault| fault.what);
        assert_ne!(told, "there is no such test", "{test}");
    }
    for filter in ["safe", "escape", "format", "pprint", "tojson", "attr", "indent", "batch"] {
        let fault = line(&format!("{{{{ findings | {filter} }}}}"), &given).unwrap_err();
        assert_eq!(fault.what, "there is no such filter", "{filter}");
    }
}

#[test]
fn work_and_length_have_an_end() {
    let many = "{% for b in findings %}".repeat(8);
    let end = "{% endfor %}".repeat(8);
    let message = &fixtures(MessageKind::Opened)[5];
    let given = Given::of(message, 1, &Common::default(), Document::default());
    for (source, what) in [
        (format!("{many}x{end}"), "it takes too much work; loop over less"),
        (
            "{% for x in findings recursive %}{{ loop(findings) }}{% endfor %}".to_owned(),
            "it does not work",
        ),
        (
            "{% for x in findings %}{% for y in findings %}{{ x.text }}{% endfor %}{% endfor %}"
                .to_owned(),
            "what comes of it is too long; say less",
        ),
        (
            "{% set x = title %}{{ x | replace(\"\", title * 100) | replace(\"\", title * 1000) }}"
                .to_owned(),
            "it takes too much work; loop over less",
        ),
        (format!("{}x{}", "{{ (".repeat(1), ") ".repeat(400)), "it cannot be read as a template"),
        (
            format!("{{{{ {}1{} }}}}", "(".repeat(4000), ")".repeat(4000)),
            "it cannot be read as a template",
        ),
    ] {
        let fault = text(&source, &given).unwrap_err();
        assert_eq!(fault.what, what, "{:.80}", source);
    }
}

/// What is told of a policy with this in its only sink.
fn told(sink: &str) -> Vec<String> {
    let text = format!(
        "version: 1\ntenants: [{{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}}]\n\
         tickets:\n  security:\n    kind: webhook\n    url: https://x.example\n{sink}"
    );
    let checked = Policy::parse(&text).unwrap_or_else(|wrong| panic!("{wrong:?} in {text}"));
    check::problems(&checked.policy).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_wrong_is_told_at_the_start_with_its_place_and_the_mend() {
    let names = "a template has: kind, number, key, title, body, severity, priority, tenant, partner, \
                 findings, steps, counts, decisionUrl, record, timestamp; what may be missing is asked \
                 for with `if`";
    let no_body = names.replace(" body,", "");
    let filters = FILTERS.join(", ");
    let table = [
        ("    templates: {body: \"{{ nothing }}\"}", vec![format!("7:23: tickets.security.templates.body, line 1, column 4: there is no such value: `nothing`; {names}")]),
        ("    templates:\n      close: |\n        ok\n        {{ partner.nme }}", vec![format!("9:9: tickets.security.templates.close, line 2, column 4: there is no such value: `partner.nme`; {names}")]),
        ("    templates: {title: \"{{ body }}\"}", vec![format!("7:24: tickets.security.templates.title, line 1, column 4: there is no such value: `body`; {no_body}")]),
        // Where no message of the check comes by.
        ("    templates: {body: \"{% if 'nothing' == key %}{{ record | frob }}{% endif %}\"}", vec![format!("7:23: tickets.security.templates.body, line 1, column 38: there is no such filter: `frob`; there is: {filters}")]),
        ("    templates: {body: \"{% if key == 'nothing' %}{{ nothing }}{% endif %}\"}", vec![format!("7:23: tickets.security.templates.body, line 1, column 29: there is no such value: `nothing`; {names}")]),
        // Where something may be missing.
        ("    templates: {comment: \"[Decide]({{ decisionUrl }})\"}", vec!["7:26: tickets.security.templates.comment: a link leads nowhere where there is no decisionUrl: `{% if decisionUrl %}…{% endif %}`".to_owned()]),
        ("    templates: {comment: \"{% if decisionUrl %}[Decide]({{ decisionUrl }}){% endif %}\"}", vec![]),
        ("    templates: {body: \"{{ steps[0].summary }}\"}", vec![format!("7:23: tickets.security.templates.body, line 1, column 4: there is no such value: `steps[0].summary`; {names}")]),
        ("    templates: {body: \"{% if steps %}{{ steps[0].summary }}{% endif %}\"}", vec![]),
        ("    templates: {body: \"[a](https://x.example/{{ key }})\"}", vec!["7:23: tickets.security.templates.body: no value may stand in the address of a link, but decisionUrl alone: `[text]({{ decisionUrl }})`".to_owned()]),
        ("    templates: {body: \"x {{ body }}\"}", vec!["7:23: tickets.security.templates.body: `body` has to stand on a line of its own, between two empty lines".to_owned()]),
        ("    templates: {body: \"{% for x in findings %}\"}", vec!["7:23: tickets.security.templates.body, line 1, column 22: it cannot be read as a template: unexpected end of input, expected end of block".to_owned()]),
        ("    templates: {body: \"{{ findings }}\"}", vec!["7:23: tickets.security.templates.body, line 1, column 4: it does not work: a list, or a thing with parts, is no text: name one of its parts, or use `join`".to_owned()]),
        ("    templates: {body: \"\u{e02a}\"}", vec!["7:23: tickets.security.templates.body, line 1, column 1: a character of private use cannot stand here".to_owned()]),
        ("    templates: {body: \"{% for a in findings %}{% for b in findings %}{% for c in findings %}x{% endfor %}{% endfor %}{% endfor %}\"}", vec!["7:23: tickets.security.templates.body, line 1, column 48: it takes too much work; loop over less".to_owned()]),
        // Fields, whatever their depth.
        ("    fields: {a: {b: [x, \"{{ y }}\"]}, c: \"https://{{ key }}\", d: \"{{ severity }}\"}", vec![
            format!("7:14: tickets.security.fields.a.b[1], line 1, column 4: there is no such value: `y`; {no_body}"),
            "7:41: tickets.security.fields.c: no value may be part of the host of an address".to_owned(),
        ]),
        // What is no code is no value and no filter.
        ("    templates: {body: \"{% raw %}{{ x | y }}{% endraw %}{# {{ x }} #}{{ 'a | b' }} nothing | frob\"}", vec![]),
    ];
    let wrong: Vec<_> = table.into_iter().filter(|(sink, expect)| told(sink) != *expect).collect();
    let found: Vec<_> = wrong.iter().map(|(sink, _)| told(sink)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{found:#?}");
    let long = format!("    templates: {{body: \"{}\"}}", "x".repeat(TEMPLATE_MAX + 1));
    assert_eq!(
        told(&long),
        ["7:23: tickets.security.templates.body: it is too long; 16384 characters are the most"]
    );
    let every = "    templates: {title: \"{{ a }}\", body: \"{{ a }}\", comment: \"{{ a }}\", close: \"{{ a }}\"}";
    assert_eq!(told(every).len(), 4);
}
