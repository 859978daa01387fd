//! The page about templates does what it says: each of its examples is read, tried and rendered.

use std::fmt::Write as _;

use partner_warden::domain::markup::plain;
use partner_warden::domain::policy::Policy;
use partner_warden::domain::sink::Common;
use partner_warden::domain::ticket::said::Said;
use partner_warden::domain::ticket::template::{
    FILTERS, FUEL, NAMES, OUTPUT_MAX, TEMPLATE_MAX, TESTS, check,
};

use crate::cli::{file, run, warden};
use crate::harness::Town;

const PAGE: &str = include_str!("../../docs/templates.md");

/// The blocks of the page, with what they are marked as.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let blocks = PAGE.split("\n```").skip(1).step_by(2);
    blocks.map(|block| block.split_once('\n').unwrap()).collect()
}

/// The only sink of a policy with this in it.
fn sink(tickets: &str) -> Common {
    let tenants = "tenants: [{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}]";
    let checked = Policy::parse(&format!("version: 1\n{tenants}\n{tickets}")).unwrap();
    assert_eq!(check::problems(&checked.policy), []);
    checked.policy.tickets[0].common.clone()
}

#[test]
fn the_examples_of_the_page_come_out_as_it_says() {
    let blocks = blocks();
    let message = blocks.iter().find(|(kind, _)| *kind == "json").unwrap().1;
    let mut examples = 0;
    for pair in blocks.windows(2) {
        let [("yaml", policy), ("text", expect)] = pair else { continue };
        examples += 1;
        let common = sink(policy);
        let said = Said::of("pw1-0123456789abcdef0123456789-1", message, &common, 255).unwrap();
        let mut told = format!("{}\n\n{}", said.title, plain(&said.text));
        if !said.fields.is_empty() {
            told.push('\n');
        }
        for (name, value) in &said.fields {
            write!(told, "\n{name} = {value}").unwrap();
        }
        assert_eq!(told, *expect);
    }
    assert_eq!(examples, 3);
    assert_eq!(blocks.iter().filter(|(kind, _)| *kind == "yaml").count(), examples);
}

#[test]
fn the_page_names_every_value_filter_test_and_limit_and_no_other() {
    let section = |title: &str| {
        let after = PAGE.split_once(&format!("\n## {title}\n")).unwrap().1;
        after.split("\n## ").next().unwrap()
    };
    let rows = |section: &'static str| section.lines().filter_map(|it| it.strip_prefix("| `"));
    let values: Vec<&str> =
        rows(section("The values")).map(|row| row.split_once('`').unwrap().0).collect();
    assert_eq!(values, NAMES);
    let first = rows(section("The language")).map(|row| row.split_once(" |").unwrap().0);
    let mut filters: Vec<&str> = first
        .flat_map(|cell| cell.split(", `"))
        .map(|filter| filter.split(['`', '(']).next().unwrap())
        .collect();
    filters.sort_unstable();
    assert_eq!(filters, FILTERS);
    for test in TESTS {
        assert!(section("The language").contains(&format!("`{test}`")), "{test}");
    }
    for limit in [TEMPLATE_MAX.to_string(), OUTPUT_MAX.to_string(), FUEL.to_string()] {
        assert!(section("The language").contains(&limit), "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_template_is_told_with_its_place_and_nothing_begins_with_it() {
    let policy = "version: 1
tenants: [{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}]
tickets:
  security:
    kind: webhook
    url: https://tickets.example
    templates:
      body: |
        # {{ partner.name }}
        {{ partner.name | uper }}
";
    let (folder, path) = file("policy.yaml", policy);
    let told = run(&mut warden(&["policy", "check", &path]), Some(&folder));
    let place = "policy.yaml:9:9: tickets.security.templates.body, line 2, column 19: there is no such filter: `uper`";
    assert_eq!(told.code, Some(2));
    assert!(told.err.contains(place), "{}", told.err);
    let json = run(&mut warden(&["policy", "check", "--json", &path]), Some(&folder));
    assert!(json.out.contains("\"line\": 9") && json.out.contains("`uper`"), "{}", json.out);

    let town = Town::new(partner_warden::sim::Scenario::woodgrove(), policy).await;
    let serve = run(warden(&["serve"]).envs(town.variables()), Some(&town.folder));
    assert_eq!(serve.code, Some(2), "{}", serve.err);
    assert!(serve.err.contains("line 2, column 19: there is no such filter"), "{}", serve.err);
}
