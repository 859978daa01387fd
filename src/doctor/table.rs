//! What a doctor saw, for people.

use super::explain::Explained;
use super::{Check, Section, Verdict};
use crate::domain::text::count;
use crate::scan::table::{Paper, lines, sgr};

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Ok => sgr::GREEN,
            Self::Warn => sgr::YELLOW,
            Self::Fail => sgr::LOUD,
        }
    }
}

/// One section.
pub fn section(section: &Section, paper: Paper) -> String {
    let mut out = paper.wrapped(&section.about, sgr::BOLD);
    let mut table = paper.table();
    for check in &section.checks {
        table.add_row([check.verdict.word().to_owned(), check.what.clone(), told(check)]);
    }
    out.extend(lines(&mut table, &[0]).into_iter().map(|line| {
        // A verdict stands where nothing else can: at the beginning of a line.
        let verdicts = [Verdict::Ok, Verdict::Warn, Verdict::Fail];
        let verdict = verdicts.into_iter().find(|it| line.starts_with(it.word()));
        let Some(verdict) = verdict else { return line };
        let rest = line.strip_prefix(verdict.word()).unwrap_or_default();
        format!("{}{rest}", paper.paint(verdict.word(), verdict.colour()))
    }));
    out.push(String::new());
    out.join("\n")
}

fn told(check: &Check) -> String {
    match &check.mend {
        Some(mend) => format!("{}\n→ {mend}", check.said),
        None => check.said.clone(),
    }
}

/// What it comes to, in a sentence.
pub fn summary(sections: &[Section], explained: bool, paper: Paper) -> String {
    let many = |verdict| {
        let checks = sections.iter().flat_map(|section| &section.checks);
        checks.filter(|check| check.verdict == verdict).count()
    };
    let (failing, warning) = (many(Verdict::Fail), many(Verdict::Warn));
    let (text, code) = match (failing, warning) {
        (0, 0) => ("All is well.".to_owned(), sgr::GREEN),
        (0, _) => (format!("Nothing fails; {}.", count(warning, "warning")), sgr::YELLOW),
        (1, _) => (format!("1 thing fails; {}.", count(warning, "warning")), sgr::LOUD),
        (_, _) => {
            let warnings = count(warning, "warning");
            (format!("{failing} things fail; {warnings}."), sgr::LOUD)
        }
    };
    let mut out = paper.wrapped(&text, code);
    if failing + warning > 0 && !explained {
        let hint = "partner-warden doctor --explain prints the commands that mend what is missing.";
        out.extend(paper.wrapped(hint, sgr::DIM));
    }
    out.join("\n")
}

/// The commands that mend what is missing: never broken, so that they can be copied.
pub fn commands(explained: &[Explained], paper: Paper) -> String {
    if explained.is_empty() {
        return "No command is known that mends anything here.\n".to_owned();
    }
    let mut out = Vec::new();
    for Explained { missing, shell, powershell } in explained {
        out.extend(paper.wrapped(&format!("Missing: {missing}"), sgr::BOLD));
        for (title, lines) in [("in a shell", shell), ("or in PowerShell", powershell)] {
            if lines.is_empty() {
                continue;
            }
            out.push(format!("  {title}:"));
            out.extend(lines.iter().map(|line| format!("    {line}")));
        }
        out.push(String::new());
    }
    out.join("\n")
}
