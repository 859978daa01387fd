//! Who is to decide about a case, and who has.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::domain::approval::{Answer, Asked, Standing};
use crate::domain::case::{Case, Row};
use crate::domain::plan::StepState;

/// What people are asked and may still answer.
pub fn open_question(case: &Case) -> Option<&Asked> {
    let waits = |row: &Row| {
        let step = row.step.as_ref();
        row.open && step.is_some_and(|step| step.state == StepState::AwaitingApproval)
    };
    let asked = case.asked.as_ref().filter(|asked| asked.is_open());
    asked.filter(|_| case.rows.iter().any(waits))
}

/// Who is to decide, who has decided, and what.
pub(super) fn deciding(case: &Case, link: Option<&str>) -> String {
    let mut told = String::new();
    let Some(asked) = &case.asked else { return told };
    let minute = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let open = open_question(case);
    if open.is_none() && asked.decisions.is_empty() && asked.standing != Standing::Expired {
        return told;
    }
    told.push_str("\nWho decides\n");
    // Writing to a String cannot fail.
    if open.is_some() {
        let until = minute(asked.until);
        let _ = match link {
            Some(link) => writeln!(told, "- Approve or refuse until {until}: {link}"),
            None => writeln!(
                told,
                "- Nobody can answer by a link: decisionKey and WARDEN_PUBLIC_URL are not both set. \
                 Do it by hand, or set them."
            ),
        };
        if asked.people > 1 {
            let agreed = asked.decisions.len();
            let _ = writeln!(told, "- {agreed} of {} people have agreed.", asked.people);
        }
    }
    for decision in &asked.decisions {
        let did = match decision.decision {
            Answer::Approve => "Approved",
            Answer::Refuse => "Refused",
        };
        let _ = writeln!(told, "- {did} by {} at {}.", decision.who(), minute(decision.at));
    }
    match asked.standing {
        Standing::Void => told.push_str(
            "- That counts for nothing any more: what it was about is no longer as it was.\n",
        ),
        Standing::Expired => {
            let _ = writeln!(told, "- Not enough people answered until {}.", minute(asked.until));
        }
        Standing::Open | Standing::SecondWanted | Standing::Approved | Standing::Refused => {}
    }
    told
}
