//! The author's templates: whatever a partner calls itself, a text has the structure its author gave
//! it, and whatever a template says, there is a text that ends with its mark.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use partner_warden::domain::markup::{Block, Document, Span, adf, html, markdown, plain};
use partner_warden::domain::sink::{Common, Texts};
use partner_warden::domain::ticket::said::{Said, worded};
use partner_warden_fuzz::lines;
use serde_json::{Value, json};

/// Templates whose structure no value may change.
const TEMPLATES: &[&str] = &[
    "# x{{ partner.name }}\n\n- **x {{ partner.name }}**\n- `x{{ partner.name }}`\n\n> x{{ partner.name }}",
    "x{{ partner.name }}\n{{ partner.name }} x\n\n1{{ partner.name }}\n===\n\n&{{ partner.name }};",
    "[x {{ partner.name }}](https://x.example) <{{ partner.name }}> [{{ partner.name }}] x",
    "x {{ partner.name | upper }} {{ \"**\" ~ partner.name }} {{ partner.name[1:] | replace(\"a\", \"*\") }} x",
    "x {% set y %}{{ partner.name }}{% endset %}{{ y }} {% filter lower %}{{ title }}{% endfilter %} x",
    "x\n\n{% for finding in findings %}\n- x {{ finding.text }}\n{% endfor %}\n\n{{ decisionUrl }} {{ title }}x",
];

/// What each of them is with a name of letters.
static SHAPES: LazyLock<Vec<Vec<String>>> =
    LazyLock::new(|| TEMPLATES.iter().map(|it| shape(&said(it, "Contoso").text)).collect());

const KEY: &str = "pw1-0123456789abcdef0123456789";

fn message(partner: &str) -> Value {
    let party = json!({ "id": null, "name": partner });
    json!({
        "type": "ticket.opened",
        "timestamp": "2026-11-23T12:00:00Z",
        "data": {
            "key": KEY, "title": partner, "body": format!("What was found\n- {partner}\n"),
            "severity": "high", "tenant": { "id": null, "name": "Woodgrove" }, "partner": party,
            "findings": [{
                "finding": "privileged-role", "severity": "high", "partner": party,
                "subject": partner, "text": partner, "open": true,
            }],
            "steps": [], "decisionUrl": "https://warden.example/decisions/t", "record": "rec-1",
        },
    })
}

fn with(template: &str) -> Common {
    let text = || Some(template.to_owned());
    let templates = Texts { title: text(), body: text(), ..Texts::default() };
    Common { templates, ..Common::default() }
}

fn said(template: &str, partner: &str) -> Said {
    let message = message(partner).to_string();
    Said::of(&format!("{KEY}-1"), &message, &with(template), 255).expect("a message of ours")
}

/// A document without its words.
fn shape(document: &Document) -> Vec<String> {
    let line = |kind: &str, spans: &[Span]| {
        let of = |span: &Span| match span {
            Span::Text(_) => "text".to_owned(),
            Span::Strong(_) => "strong".to_owned(),
            Span::Code(_) => "code".to_owned(),
            Span::Link { url, .. } => url.to_string(),
            Span::Break => "break".to_owned(),
        };
        format!("{kind} {}", spans.iter().map(of).collect::<Vec<String>>().join(" "))
    };
    let of = |block: &Block| match block {
        Block::Heading(spans) => vec![line("heading", spans)],
        Block::Paragraph(spans) => vec![line("paragraph", spans)],
        Block::List(items) => items.iter().map(|item| line("item", item)).collect(),
    };
    document.blocks.iter().flat_map(of).collect()
}

fuzz_target!(|input: &[u8]| {
    let Some([partner, template]) = lines::<2>(input) else { return };
    let (partner, template) = (String::from_utf8_lossy(partner), String::from_utf8_lossy(template));
    for (known, expect) in TEMPLATES.iter().zip(SHAPES.iter()) {
        let said = said(known, &partner);
        assert_eq!(shape(&said.text), *expect, "{known}");
        // Read back, there are no more links than those.
        let links = expect.iter().map(|it| it.matches("https://").count()).sum::<usize>();
        assert_eq!(html(&said.text).matches("<a ").count(), links, "{known}");
        let back = shape(&Document::parse(&markdown(&said.text)));
        assert_eq!(back.iter().map(|it| it.matches("https://").count()).sum::<usize>(), links);
        assert_eq!(adf(&said.text).to_string().matches("\"type\":\"link\"").count(), links);
    }
    let said = said(&template, &partner);
    assert!(plain(&said.text).ends_with(&format!("{KEY} #1")));
    assert!(said.title.chars().count() <= 255 && !said.title.contains('\n'));
    if let Some(told) =
        worded(&format!("{KEY}-1"), &message(&partner).to_string(), &with(&template))
    {
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let mut same = message(&partner);
        for name in ["title", "body"] {
            same["data"][name] = told["data"][name].clone();
        }
        assert_eq!(told, same);
    }
});
