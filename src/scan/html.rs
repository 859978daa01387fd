//! What a scan says, for people: one HTML file that needs no network and no script.
//!
//! Every text goes through maud, which escapes it; the style sheet, which is ours, alone does not.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::table::{SEVERITIES, day, how, minute};
use super::view::{
    CoverageView, FindingView, GapView, GrantView, PartnerView, Stands, TenantView, View,
};
use crate::domain::conditional_access::{Access, Mfa};
use crate::domain::facts::GapCause;
use crate::domain::finding::{FindingName, Severity};
use crate::domain::id::PartnerId;
use crate::domain::policy::Do;
use crate::domain::roster::Side;
use crate::domain::text::count;

/// Most grants that are drawn of a tenant; the table has them all.
const DRAWN: usize = 24;
/// The height of a line of the picture, in its own units.
const LINE: usize = 38;
/// Most characters of a name in the picture.
const NAME: usize = 30;

/// The report: one whole HTML document.
pub fn page(view: &View) -> String {
    let names: Vec<&str> = view.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
    let title = format!("Partner access: {}", names.join(", "));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(include_str!("report.css"))) }
            }
            body {
                header {
                    h1 { "What partners may do" }
                    p.soft { "Read-only scan of " (count(view.tenants.len(), "tenant")) ", judged by the policy." }
                }
                main { @for (n, tenant) in view.tenants.iter().enumerate() { (of_tenant(n, tenant, view)) } }
                footer.soft {
                    p { "Partner Warden " (env!("CARGO_PKG_VERSION")) }
                    p { "Judged by the policy with the SHA-256 digest " (view.policy.as_str()) }
                }
            }
        }
    };
    page.into_string()
}

fn of_tenant(n: usize, tenant: &TenantView, view: &View) -> Markup {
    let (unread, found): (Vec<&FindingView>, Vec<&FindingView>) =
        tenant.findings.iter().partition(|it| it.finding == FindingName::Unreadable);
    let id = format!("tenant-{n}");
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (tenant.name) }
            p.soft {
                (tenant.id) " · read " (minute(tenant.read_at))
                @if minute(tenant.judged_at) != minute(tenant.read_at) { " · judged as of " (minute(tenant.judged_at)) }
            }
            p.verdict { (verdict(tenant)) }
            h3 { "Findings" }
            @if found.is_empty() {
                p { @if tenant.complete { "Nothing breaks the policy." } @else { "Nothing was seen that breaks the policy; not everything could be read." } }
            }
            @for severity in SEVERITIES {
                @let of: Vec<&FindingView> = found.iter().copied().filter(|it| it.severity == severity).collect();
                @if !of.is_empty() {
                    h4 class=(severity.as_str()) { (capital(severity.as_str())) " (" (of.len()) ")" }
                    @for rule in by_rule(&of) { (of_rule(&rule, view)) }
                }
            }
            h3 { (if tenant.side == Side::Partner { "Who holds what: customers" } else { "Who holds what" }) }
            (picture(n, tenant))
            (grants(n, tenant))
            @if tenant.partners.iter().any(|it| !it.relationships.is_empty() || it.delegated_access == Some(true)) {
                (relationships(n, tenant))
            }
            @if !tenant.governed_by.is_empty() {
                h3 { "Tenants that govern this one" }
                ul { @for by in &tenant.governed_by { li { (by.name) " (" (by.id) "): " (by.status) } } }
            }
            @if !tenant.coverage.is_empty() { (coverage(n, &tenant.coverage)) }
            @if !tenant.gaps.is_empty() || !unread.is_empty() {
                h3 { "What could not be read" }
                @for rule in by_rule(&unread) { (of_rule(&rule, view)) }
                @if !tenant.gaps.is_empty() { (gaps(n, &tenant.gaps)) }
            }
        }
    }
}

/// `3 partners hold 11 roles; 9 findings, 2 critical; 1 part could not be read.`
fn verdict(tenant: &TenantView) -> String {
    let holders = tenant.partners.iter().filter(|it| !it.grants.is_empty()).count();
    let held: usize = tenant.partners.iter().map(|it| it.grants.len()).sum();
    let found = || tenant.findings.iter().filter(|it| it.finding != FindingName::Unreadable);
    let many = |severity| found().filter(|it| it.severity == severity).count();
    let who = if tenant.side == Side::Partner { "customer" } else { "partner" };
    let power = match held {
        0 => format!("No {who} was seen to hold a role"),
        _ => format!(
            "{} {} power in {}",
            count(holders, who),
            if holders == 1 { "holds" } else { "hold" },
            count(held, "way"),
        ),
    };
    let mut finds = vec![count(found().count(), "finding")];
    for severity in [Severity::Critical, Severity::High] {
        if many(severity) > 0 {
            finds.push(format!("{} {}", many(severity), severity.as_str()));
        }
    }
    let mut parts = vec![power, finds.join(", ")];
    if !tenant.gaps.is_empty() {
        parts.push(format!("{} could not be read", count(tenant.gaps.len(), "part")));
    }
    parts.join("; ") + "."
}

/// The findings of each rule, in the order in which the rules first occur.
fn by_rule<'a>(found: &[&'a FindingView]) -> Vec<Vec<&'a FindingView>> {
    let mut rules: IndexMap<FindingName, Vec<&FindingView>> = IndexMap::new();
    for finding in found {
        rules.entry(finding.finding).or_default().push(finding);
    }
    rules.into_values().collect()
}

/// All that one rule says of a tenant, by partner, and once why it matters and how it is mended.
fn of_rule(found: &[&FindingView], view: &View) -> Markup {
    let Some(first) = found.first() else { return html! {} };
    let (name, severity) = (first.finding, first.severity.as_str());
    let mut partners: IndexMap<(Option<PartnerId>, &str), Vec<&FindingView>> = IndexMap::new();
    for finding in found {
        let whom = &finding.partner;
        partners.entry((whom.id, &whom.name)).or_default().push(finding);
    }
    html! {
        article class=(severity) {
            p {
                span class={ "word " (severity) } { (capital(severity)) } " · " strong { (name) }
                @if found.len() > 1 { " · " (count(found.len(), "time")) }
                @if first.respond == Do::Ignore { " · the policy says to ignore it" }
            }
            @for of in partners.values() {
                @if let Some(whom) = of.first().map(|it| &it.partner) {
                    p.whom { (whom.name) @if !whom.listed { " (not named by the policy)" } }
                }
                ul { @for finding in of { (of_finding(finding)) } }
            }
            @if let Some(rule) = view.rules.get(&name) {
                dl {
                    dt { "Why it matters" } dd { (rule.why) }
                    dt { "How to mend it" } dd { (rule.mend) }
                    @if !rule.page.is_empty() {
                        dt { "Microsoft's page" } dd { a href=(rule.page) rel="noreferrer" { (rule.page) } }
                    }
                }
            }
        }
    }
}

fn of_finding(finding: &FindingView) -> Markup {
    let proven = finding.certain || finding.finding == FindingName::Unreadable;
    // Most sentences name the role.
    let role = finding.role.as_ref().filter(|role| !finding.text.contains(role.as_str()));
    html! {
        li {
            (finding.text)
            @if let Some(role) = role { " Role: " (role) "." }
            @if !proven { " " strong { "Not proven." } }
        }
    }
}

/// Partner, principal and role, and the lines between them. The table below says the same in words.
fn picture(n: usize, tenant: &TenantView) -> Markup {
    let all: usize = tenant.partners.iter().map(|it| it.grants.len()).sum();
    if all == 0 {
        return html! {};
    }
    let (mut marks, mut line) = (Vec::new(), 0);
    for partner in &tenant.partners {
        let mut grants: Vec<&GrantView> = partner.grants.iter().take(DRAWN - line).collect();
        grants.sort_by_key(|it| it.principal.id.as_str());
        if grants.is_empty() {
            continue;
        }
        let middle = centre(line, grants.len());
        marks.push(node(10, middle, &partner.whom.name, !partner.whom.listed));
        for held in grants.chunk_by(|a, b| a.principal.id == b.principal.id) {
            let at = centre(line, held.len());
            marks.push(join(250, middle, at));
            marks.extend(held.first().map(|it| node(330, at, &it.principal.name, false)));
            for grant in held {
                let to = centre(line, 1);
                marks.push(join(570, at, to));
                marks.push(node(650, to, &grant.role.name, grant.stands == Stands::NotAllowed));
                line += 1;
            }
        }
    }
    let (label, height) = (format!("picture-{n}"), 30 + line * LINE);
    html! {
        div.wide tabindex="0" role="region" aria-label={ "Picture of " (tenant.name) } {
            svg viewBox={ "0 0 900 " (height) } role="img" aria-labelledby=(label) {
                title id=(label) { "Partners of " (tenant.name) ", their principals and the roles these hold; the table below says the same" }
                text.head x="10" y="18" { "Partner (broken frame: not named)" }
                text.head x="330" y="18" { "Principal" }
                text.head x="650" y="18" { "Role (broken frame: not allowed)" }
                @for mark in marks { (mark) }
            }
        }
        @if all > line { p.soft { "And " (all - line) " more, in the table." } }
    }
}

/// The middle of some lines of the picture.
fn centre(line: usize, lines: usize) -> usize {
    30 + line * LINE + lines * LINE / 2
}

fn node(x: usize, y: usize, name: &str, bad: bool) -> Markup {
    let mut short: String = name.chars().take(NAME).collect();
    if name.chars().count() > NAME {
        short.pop();
        short.push('…');
    }
    html! {
        rect.bad[bad] x=(x) y=(y - 14) width="240" height="28" rx="4" {}
        text x=(x + 8) y=(y + 5) { (short) }
    }
}

fn join(x: usize, from: usize, to: usize) -> Markup {
    html! { path d={ "M" (x) " " (from) " C" (x + 40) " " (from) " " (x + 40) " " (to) " " (x + 80) " " (to) } {} }
}

/// A table that scrolls by itself where it is wider than the screen.
fn table(label: &str, n: usize, heads: &[&str], rows: &Markup) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label={ (label) ", tenant " (n + 1) } {
            table {
                caption { (label) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { (rows) }
            }
        }
    }
}

fn grants(n: usize, tenant: &TenantView) -> Markup {
    if tenant.partners.iter().all(|it| it.grants.is_empty()) {
        return html! { p { "No role was seen to be held." } };
    }
    let row = |partner: &PartnerView, grant: &GrantView| {
        html! {
            tr {
                th scope="row" { (partner.whom.name) }
                td {
                    (grant.principal.name)
                    @if let Some(upn) = grant.principal.user_principal_name.as_ref().filter(|it| **it != grant.principal.name) { br; span.soft { (upn) } }
                }
                td { (how(grant)) }
                td { (grant.role.name) }
                td {
                    @match (&grant.scope_name, grant.scope.as_str()) {
                        (_, "/") => { "the whole directory" }
                        (Some(unit), _) => { (unit) }
                        (None, scope) => { (scope) }
                    }
                }
                td { (grant.ends.map_or_else(|| "no end".to_owned(), day)) }
                td {
                    @match &grant.stands {
                        Stands::Allowed => { span.good { "allowed" } }
                        Stands::NotAllowed => { span.word.critical { "not allowed" } }
                        Stands::Excepted { excepted_until, reason } => {
                            "excepted until " (day(*excepted_until)) @if !reason.is_empty() { ": " (reason) }
                        }
                    }
                }
            }
        }
    };
    let heads = ["Partner", "Principal", "How", "Role", "Scope", "Until", "Policy"];
    let rows = html! {
        @for partner in &tenant.partners { @for grant in &partner.grants { (row(partner, grant)) } }
    };
    table("Every way in which a partner holds power", n, &heads, &rows)
}

fn relationships(n: usize, tenant: &TenantView) -> Markup {
    let rows = html! {
        @for partner in &tenant.partners {
            @if partner.delegated_access == Some(true) {
                tr {
                    th scope="row" { (partner.whom.name) }
                    td colspan="5" { "The old, unlimited delegated administration is active." }
                }
            }
            @for it in &partner.relationships {
                tr {
                    th scope="row" { (partner.whom.name) }
                    td { (it.name) }
                    td { (it.status) }
                    td { (it.roles.join(", ")) }
                    td { (it.ends.map_or_else(|| "no end said".to_owned(), day)) }
                    td { (it.auto_extends.as_deref().unwrap_or("no")) }
                }
            }
        }
    };
    let heads = ["Customer", "Relationship", "Status", "Roles", "Until", "Extends itself"];
    html! { h3 { "Relationships" } (table("Delegated administration of customers", n, &heads, &rows)) }
}

fn coverage(n: usize, covered: &[CoverageView]) -> Markup {
    let rows = html! {
        @for it in covered {
            tr {
                th scope="row" { (it.partner.name) }
                td {
                    @match &it.access {
                        Access::ServiceProvider => { "delegated administration" }
                        Access::Guests { names } => { "guests: " (names.join(", ")) }
                        Access::Account { name } => { "account given: " (name) }
                    }
                }
                td {
                    @let class = match it.mfa {
                        Mfa::Enforced { .. } => "good",
                        Mfa::CannotBeShown { .. } => "medium",
                        Mfa::Exempted { .. } | Mfa::NotEnforced { .. } => "critical",
                    };
                    span class=(class) { (it.mfa) }
                }
                td { (it.place.unwrap_or("-")) }
            }
        }
    };
    let heads = ["Partner", "Comes in by", "MFA", "Where it is done"];
    html! { h3 { "MFA of partners" } (table("Whether partners are made to use MFA", n, &heads, &rows)) }
}

fn gaps(n: usize, gaps: &[GapView]) -> Markup {
    let rows = html! {
        @for gap in gaps {
            tr {
                th scope="row" { (gap.what) }
                td {
                    @match gap.cause {
                        GapCause::SignInRefused => { "sign-in refused" }
                        GapCause::Denied => { "denied" }
                        GapCause::Unavailable => { "unavailable" }
                        GapCause::Unintelligible => { "unintelligible" }
                    }
                    @if !gap.detail.is_empty() { ": " (gap.detail) }
                }
                td { (gap.permission) }
                td {
                    @let blinds: BTreeSet<&str> = gap.blinds.iter().map(|it| it.as_str()).collect();
                    (blinds.into_iter().collect::<Vec<_>>().join(", "))
                }
            }
        }
    };
    let heads = ["Part", "Why", "Permission that reads it", "Findings that may be missing"];
    table("Parts that could not be read", n, &heads, &rows)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{Case, noon};
    use crate::domain::scan::scanned;

    fn shown(case: &Case) -> (View, String) {
        let policy = case.policy();
        let tenant = policy.roster.tenants.first().unwrap();
        let view = View::new(&[scanned(&case.facts, tenant, &policy, noon(), noon())], &policy);
        let page = page(&view);
        (view, page)
    }

    #[test]
    fn a_name_is_never_markup() {
        let name = "<script>alert(1)</script>\"'{{x}}\u{1b}[31m\u{202e}<img onerror=x>";
        let case = Case::new().foreign_group(name, "Global Administrator").guest(
            name,
            "alice@contoso-reseller.example",
            "User Administrator",
        );
        let (_, page) = shown(&case);
        assert!(page.contains("&lt;script&gt;"), "{page}");
        for bad in ["<script", "<img", "\u{1b}", "\u{202e}"] {
            assert!(!page.contains(bad), "{bad:?}");
        }
    }

    #[test]
    fn every_finding_is_told_once_and_each_rule_is_explained_once() {
        let case = Case::new()
            .foreign_group("AdminAgents", "Global Administrator")
            .foreign_group("HelpdeskAgents", "Exchange Administrator")
            .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
            .stranger_group("Strangers", "Reports Reader");
        let (view, page) = shown(&case);
        let findings = view.tenants.iter().flat_map(|tenant| &tenant.findings).collect::<Vec<_>>();
        let rules: BTreeSet<FindingName> = findings.iter().map(|it| it.finding).collect();
        assert!(findings.len() > rules.len() + 3, "{} of {}", findings.len(), rules.len());
        assert_eq!(page.matches("<article").count(), rules.len());
        for finding in findings {
            let text = html! { li { (finding.text) } }.into_string();
            assert_eq!(page.matches(&text).count(), 1, "{text}");
        }
        assert_eq!(view.rules.len(), rules.len());
        for rule in view.rules.values() {
            for words in [rule.why, rule.mend] {
                let words = html! { dd { (words) } }.into_string();
                assert_eq!(page.matches(&words).count(), 1, "{words}");
            }
        }
    }

    #[test]
    fn what_a_rule_finds_stands_below_the_partner_that_it_is_about() {
        let case = Case::new()
            .foreign_group("AdminAgents", "Reports Reader")
            .stranger_group("Strangers", "Reports Reader")
            .foreign_group("HelpdeskAgents", "Reports Reader");
        let (_, page) = shown(&case);
        let rule = page.split("<article").find(|it| it.contains("role-not-allowed")).unwrap();
        assert!(rule.contains("<strong>role-not-allowed</strong> · 3 times"), "{rule}");
        let place = |text: &str| rule.find(text).unwrap_or_else(|| panic!("{text} in {rule}"));
        let contoso = place("<p class=\"whom\">Contoso Reseller</p>");
        let stranger = place("(not named by the policy)</p>");
        let of = |principal: &str| place(&format!("<li>{principal},"));
        let order = [contoso, of("AdminAgents"), of("HelpdeskAgents"), stranger, of("Strangers")];
        assert!(order.is_sorted(), "{order:?} in {rule}");
        assert!(!rule.contains("Role: "), "the sentences name it: {rule}");
    }

    #[test]
    fn what_is_not_proven_and_what_is_to_be_ignored_say_so_and_the_policy_is_named() {
        let case = Case::new()
            .with_policy("respond: {role-not-allowed: {do: ignore}}")
            .foreign_group("AdminAgents", "Reports Reader");
        let (mut view, page_of) = shown(&case);
        assert!(page_of.contains("role-not-allowed</strong> · the policy says to ignore it"));
        let digest = case.policy().hash;
        assert!(page_of.contains(&format!("SHA-256 digest {}</p>", digest.as_str())), "{page_of}");
        assert!(!page_of.contains("Not proven."));
        for finding in &mut view.tenants[0].findings {
            finding.certain = false;
            finding.role = Some("A role of another name".to_owned());
        }
        let page = page(&view);
        assert!(page.contains(" Role: A role of another name. <strong>Not proven.</strong></li>"));
    }

    #[test]
    fn nothing_is_loaded() {
        let (_, page) = shown(&Case::new().foreign_group("Admins", "Global Administrator"));
        for bad in [" src=", "@import", "url(", "<link", "<script"] {
            assert!(!page.contains(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_is_cut_where_it_would_leave_its_frame() {
        let (whole, long) = ("W".repeat(NAME), "W".repeat(NAME + 1));
        let drawn = |name: &str| node(10, 50, name, false).into_string();
        assert!(drawn(&whole).contains(&format!(">{whole}</text>")));
        assert!(drawn(&long).contains(&format!(">{}…</text>", "W".repeat(NAME - 1))));
    }

    #[test]
    fn a_picture_has_an_end() {
        let case = (0..DRAWN + 16).fold(Case::new(), |case, n| {
            case.foreign_group(&format!("Group {n}"), "Reports Reader")
        });
        let (_, page) = shown(&case);
        assert!(page.contains("And 16 more, in the table."));
    }
}
