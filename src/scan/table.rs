//! What a scan says, for people: tables that fit the width there is.

use comfy_table::{
    ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
};
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use super::view::{
    FindingView, GrantView, How, PartnerView, RelationshipView, Stands, TenantView, View,
};
use crate::domain::facts::GapCause;
use crate::domain::finding::{FindingName, Severity};
use crate::domain::grant::PrincipalKind;
use crate::domain::policy::Do;
use crate::domain::roster::Side;
use crate::domain::text::count;

/// The narrowest and the widest a table is made, in columns.
pub const WIDTHS: std::ops::RangeInclusive<u16> = 60..=160;

/// How text is set.
#[derive(Debug, Clone, Copy)]
pub struct Paper {
    /// Columns, within [`WIDTHS`].
    pub width: u16,
    /// Whether colours are shown.
    pub colours: bool,
}

/// Severities, the worst first.
pub(super) const SEVERITIES: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];

/// Codes of "Select Graphic Rendition" (ECMA-48, section 8.3.117).
pub(crate) mod sgr {
    pub(crate) const BOLD: &str = "1";
    pub(crate) const DIM: &str = "2";
    pub(super) const RED: &str = "31";
    pub(crate) const GREEN: &str = "32";
    pub(crate) const YELLOW: &str = "33";
    pub(crate) const LOUD: &str = "1;31";
}

impl Paper {
    /// A text as lines of its width, coloured.
    pub(crate) fn wrapped(self, text: &str, code: &str) -> Vec<String> {
        let mut table = self.table();
        table.add_row([text]);
        lines(&mut table, &[]).iter().map(|line| self.paint(line, code)).collect()
    }

    /// A text in a colour.
    pub(crate) fn paint(self, text: &str, code: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// A table without lines but one below its header.
    pub(crate) fn table(self) -> Table {
        const STYLE: TableStyle = TableStyle::new()
            .header_lines(ContentLineStyle::none())
            .header_separator(LineStyle::none().fill('─').junction('─'))
            .content_lines(ContentLineStyle::none());
        let mut table = Table::new();
        table
            .load_style(STYLE)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(self.width);
        table
    }
}

/// The lines of a table, whose columns stand two apart. Some of the columns are never broken.
pub(crate) fn lines(table: &mut Table, whole: &[usize]) -> Vec<String> {
    let last = table.column_count().saturating_sub(1);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if at == last { 0 } else { 2 }));
        if whole.contains(&at) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Everything a scan says.
pub fn text(view: &View, paper: Paper) -> String {
    let mut out = Vec::new();
    for tenant in &view.tenants {
        if !out.is_empty() {
            out.push(String::new());
        }
        of_tenant(tenant, paper, &mut out);
    }
    if view.tenants.len() > 1 {
        let name = count(view.tenants.len(), "tenant");
        let findings = || view.tenants.iter().flat_map(|tenant| &tenant.findings);
        out.push(String::new());
        out.extend(paper.wrapped(&summary(&name, findings), sgr::BOLD));
    }
    if !view.rules.is_empty() {
        let hint = "partner-warden policy explain RULE says why it matters and how to mend it.";
        out.extend(paper.wrapped(hint, sgr::DIM));
    }
    out.push(String::new());
    out.join("\n")
}

fn of_tenant(tenant: &TenantView, paper: Paper, out: &mut Vec<String>) {
    out.extend(paper.wrapped(&format!("{} ({})", tenant.name, tenant.id), sgr::BOLD));
    let whose = match tenant.side {
        Side::Customer => "its partners",
        Side::Partner => "a partner's own tenant, its customers",
    };
    let (read, judged) = (minute(tenant.read_at), minute(tenant.judged_at));
    let when = if read == judged {
        format!("{whose}, read {read}")
    } else {
        format!("{whose}, read {read}, judged as of {judged}")
    };
    out.extend(paper.wrapped(&when, sgr::DIM));
    if tenant.gaps.iter().any(|gap| gap.cause == GapCause::SignInRefused) {
        out.push(String::new());
        out.push(paper.paint("Who holds power is not known.", sgr::LOUD));
    } else {
        for partner in &tenant.partners {
            out.push(String::new());
            of_partner(partner, tenant, paper, out);
        }
        if tenant.partners.is_empty() {
            out.push(String::new());
            let none = if tenant.complete { "No partner." } else { "No partner was seen." };
            out.push(none.to_owned());
        }
    }
    for by in &tenant.governed_by {
        let by = format!("Governed by {} (tenant {}): {}", by.name, by.id, by.status);
        out.push(String::new());
        out.extend(paper.wrapped(&by, sgr::BOLD));
    }
    let (unread, found): (Vec<_>, Vec<_>) =
        tenant.findings.iter().partition(|it| it.finding == FindingName::Unreadable);
    section("Findings", &found, paper, out);
    section("Could not be read", &unread, paper, out);
    out.push(String::new());
    let findings = || tenant.findings.iter();
    let code = match (found.is_empty(), tenant.complete) {
        (false, _) => sgr::RED,
        (true, false) => sgr::YELLOW,
        (true, true) => sgr::GREEN,
    };
    out.extend(paper.wrapped(&summary(&tenant.name, findings), code));
}

fn of_partner(partner: &PartnerView, tenant: &TenantView, paper: Paper, out: &mut Vec<String>) {
    let name = match partner.whom.id {
        Some(id) if !partner.whom.name.contains(&id.to_string()) => {
            format!("{} ({id})", partner.whom.name)
        }
        Some(_) => partner.whom.name.clone(),
        None => "It could not be told whose these are".to_owned(),
    };
    let listed = if partner.whom.listed || partner.whom.id.is_none() {
        ""
    } else {
        ", not named by the policy"
    };
    let nothing = partner.grants.is_empty() && partner.relationships.is_empty();
    let holds = match (nothing, tenant.complete) {
        (false, _) => "",
        (true, true) => ": holds no role",
        (true, false) => ": holds no role that could be seen",
    };
    let old = match partner.delegated_access {
        Some(true) => ": lets this partner administer by the old, unlimited way (DAP)",
        Some(false) | None => "",
    };
    out.extend(paper.wrapped(&format!("{name}{listed}{holds}{old}"), sgr::BOLD));
    if !partner.grants.is_empty() {
        let mut table = paper.table();
        table.set_header(["Role", "Held by", "How", "Until", "Policy"]);
        table.add_rows(partner.grants.iter().map(row));
        let lines = lines(&mut table, &[3, 4]);
        let at = lines.first().map_or(0, |header| header.width().saturating_sub("Policy".len()));
        out.extend(lines.into_iter().map(|line| coloured(line, at, paper)));
    }
    if !partner.relationships.is_empty() {
        let mut table = paper.table();
        table.set_header(["Relationship", "Roles", "Status", "Until", "Extends"]);
        table.add_rows(partner.relationships.iter().map(relationship));
        out.extend(lines(&mut table, &[2, 3, 4]));
    }
}

/// The line of a grant with what the policy says of it coloured, which stands at column `at`.
fn coloured(line: String, at: usize, paper: Paper) -> String {
    for (end, code) in [("not allowed", sgr::RED), ("allowed", sgr::GREEN)] {
        if let Some(line) = line.strip_suffix(end).filter(|line| line.width() == at) {
            return format!("{line}{}", paper.paint(end, code));
        }
    }
    line
}

fn row(grant: &GrantView) -> Vec<String> {
    let role = match (&grant.scope_name, grant.scope.as_str()) {
        (_, "/") => grant.role.name.clone(),
        (Some(unit), _) => format!("{} (in {unit})", grant.role.name),
        (None, scope) => format!("{} (scope {scope})", grant.role.name),
    };
    let policy = match &grant.stands {
        Stands::Allowed => "allowed".to_owned(),
        Stands::NotAllowed => "not allowed".to_owned(),
        Stands::Excepted { excepted_until, .. } => {
            format!("excepted until\n{}", day(*excepted_until))
        }
    };
    let holder = match &grant.principal.user_principal_name {
        Some(upn) if *upn != grant.principal.name => format!("{}\n{upn}", grant.principal.name),
        _ => grant.principal.name.clone(),
    };
    vec![role, holder, how(grant), until(grant.ends), policy]
}

pub(super) fn how(grant: &GrantView) -> String {
    let kind = match grant.principal.kind {
        PrincipalKind::ForeignGroup => "delegated",
        PrincipalKind::Guest => "guest",
        PrincipalKind::DedicatedAccount => "account given",
        PrincipalKind::App => "app",
        PrincipalKind::Unclassified => "not known",
    };
    let mut how = kind.to_owned();
    match (&grant.group, grant.held) {
        (Some(group), _) => how = format!("{how}, through {}", group.name),
        (None, How::AppRole) => how.push_str(", permission"),
        (None, How::Assignment | How::ThroughGroup | How::Eligible | How::Scheduled) => {}
    }
    if grant.eligible {
        how.push_str(", eligible");
    } else if grant.activated {
        how.push_str(", activated");
    }
    how
}

fn relationship(relationship: &RelationshipView) -> Vec<String> {
    // Columns that are never broken; what Graph says there is a word.
    let word = |text: &str| text.chars().filter(char::is_ascii_graphic).take(16).collect();
    vec![
        relationship.name.clone(),
        relationship.roles.join(", "),
        word(&relationship.status),
        until(relationship.ends),
        word(relationship.auto_extends.as_deref().unwrap_or("no")),
    ]
}

fn section(title: &str, findings: &[&FindingView], paper: Paper, out: &mut Vec<String>) {
    if findings.is_empty() {
        return;
    }
    out.push(String::new());
    out.push(paper.paint(title, sgr::BOLD));
    let mut table = paper.table();
    for finding in findings {
        let proven = if finding.certain || finding.finding == FindingName::Unreadable {
            ""
        } else {
            " (not proven)"
        };
        let ignored =
            if finding.respond == Do::Ignore { " (the policy says to ignore it)" } else { "" };
        let name = format!("{}{proven}{ignored}", finding.finding);
        let severity = finding.severity.as_str();
        table.add_row([severity.to_owned(), format!("{name}\n{}", finding.text)]);
    }
    out.extend(lines(&mut table, &[0]).into_iter().map(|line| {
        // A severity stands where nothing else can: at the beginning of a line.
        let severity = SEVERITIES.into_iter().find(|it| line.starts_with(it.as_str()));
        let Some(severity) = severity else { return line };
        let code = match severity {
            Severity::Critical => sgr::LOUD,
            Severity::High => sgr::RED,
            Severity::Medium => sgr::YELLOW,
            Severity::Low | Severity::Info => sgr::DIM,
        };
        let rest = line.strip_prefix(severity.as_str()).unwrap_or_default();
        format!("{}{rest}", paper.paint(severity.as_str(), code))
    }));
}

/// `Woodgrove: 3 findings (1 critical, 2 high); 1 part could not be read.`
fn summary<'a, I: Iterator<Item = &'a FindingView>>(
    name: &str,
    findings: impl Fn() -> I,
) -> String {
    let unread = findings().filter(|it| it.finding == FindingName::Unreadable).count();
    let found = || {
        findings().filter(|it| it.finding != FindingName::Unreadable && it.respond != Do::Ignore)
    };
    let ignored = findings().count() - unread - found().count();
    let many = |severity| found().filter(|it| it.severity == severity).count();
    let by: Vec<String> = SEVERITIES
        .into_iter()
        .filter(|severity| many(*severity) > 0)
        .map(|severity| format!("{} {}", many(severity), severity.as_str()))
        .collect();
    let mut text = match (by.is_empty(), unread) {
        (true, 0) => format!("{name}: nothing breaks the policy"),
        (true, _) => format!("{name}: nothing was seen that breaks the policy"),
        (false, _) => format!("{name}: {} ({})", count(found().count(), "finding"), by.join(", ")),
    };
    if ignored > 0 {
        text = format!("{text}; {} ignored, as the policy says", count(ignored, "finding"));
    }
    if unread > 0 {
        text = format!("{text}; {} could not be read whole", count(unread, "part"));
    }
    text + "."
}

fn until(ends: Option<Timestamp>) -> String {
    ends.map_or_else(|| "-".to_owned(), day)
}

pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
