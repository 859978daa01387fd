//! What the policy will make of what is put back.

use super::About;
use crate::domain::case::{Case, Row, StepRow};
use crate::domain::finding::{Finding, may_stand};
use crate::domain::plan::Target;
use crate::domain::policy::{Do, Mode};

/// What the next look makes of it.
pub(super) enum Next {
    /// It is left alone.
    Left,
    /// It is told of, or people are asked about it, in these words.
    Told(String),
    /// It is taken away again.
    TakenAway {
        /// Why that should not be begun, and what to do instead.
        mend: String,
        /// What is told to whoever insists.
        what: String,
    },
}

/// What the next look makes of what a step took away, once it is there again.
pub(super) fn next(
    case: &Case,
    row: &Row,
    step: &StepRow,
    target: &Target,
    about: About<'_>,
) -> Next {
    let About { policy, tenant, now, .. } = about;
    if is_protected(target, about) {
        let told = "it is protected by the policy (guardrails.protected), which keeps this program \
                    from taking it away again";
        return Next::Told(told.to_owned());
    }
    let answered = case.rows.iter().filter(|other| step.answers.contains(&other.key));
    let findings = answered.chain([row]).flat_map(|row| &row.findings);
    // What may stand by now asks for nothing any more, nor for what accompanied it.
    let stands = |finding: &&Finding| {
        finding.grant.as_ref().is_some_and(|grant| may_stand(grant, tenant, policy, now))
    };
    let asked = findings.filter(|finding| !stands(finding));
    let acts = asked.map(|found| policy.response(found.finding, found.severity).act);
    let Some(strongest) = acts.max() else { return Next::Left };
    match (policy.mode, strongest) {
        (_, Do::Ignore | Do::Record) => Next::Left,
        (_, Do::Ticket) => Next::Told("the next look opens a ticket about it".to_owned()),
        (Mode::Observe, _) => Next::Told(
            "the next look opens a ticket that says what it would do about it; mode observe changes \
             nothing"
                .to_owned(),
        ),
        (Mode::Approve, _) | (Mode::Enforce, Do::Approve) => {
            Next::Told("the next look asks people whether to do the same again".to_owned())
        }
        (Mode::Enforce, Do::Quarantine | Do::Revoke) => taken_away(target),
    }
}

fn taken_away(target: &Target) -> Next {
    let (mend, what) = match target {
        Target::Grant(grant) => {
            let (role, partner) = (&grant.role.name, &grant.partner.name);
            let allow = format!(
                "allow {role} to {partner} first (`allow.roles`, or an exception with an end)"
            );
            (
                format!("the policy would take it away again at the next look; {allow}"),
                format!("the next look takes it away again, unless you {allow}"),
            )
        }
        Target::Principal { .. }
        | Target::Partner
        | Target::Relationship { .. }
        | Target::AccessAssignment { .. } => (
            "the policy would do the same again at the next look; change it first".to_owned(),
            "if what asked for it is found again, the next look does the same again, unless you \
             change the policy first"
                .to_owned(),
        ),
    };
    Next::TakenAway { mend, what }
}

/// Whether the policy protects the principal, so that nothing is taken from it.
fn is_protected(target: &Target, about: About<'_>) -> bool {
    let (principal, upn) = match target {
        Target::Grant(grant) => (&grant.principal, grant.user_principal_name.as_deref()),
        Target::Principal { principal, user_principal_name, .. } => {
            (principal, user_principal_name.as_deref())
        }
        Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => {
            return false;
        }
    };
    let names = &about.policy.guardrails.protected;
    names.iter().any(|name| name.means(principal, upn.map(str::trim)))
}
