//! Whether a partner's relationship gives what a step was to take from it.

use super::Seen;
use crate::domain::facts::{DelegatedAdminRelationship, Facts, Operation};
use crate::domain::plan::{Remediation, Target};
use crate::domain::role::{GLOBAL_ADMINISTRATOR, RoleTemplateId};
use crate::domain::text::foreign;

/// What became of a step about a relationship. One that was read and is not there is gone, and so is
/// all that it gave.
pub(super) fn seen(remediation: Remediation, target: &Target, facts: &Facts) -> Seen {
    let (relationship, access_assignment) = match target {
        Target::Relationship { relationship, .. } => (relationship, None),
        Target::AccessAssignment { relationship, access_assignment, .. } => {
            (relationship, Some(access_assignment.as_str()))
        }
        Target::Grant(_) | Target::Principal { .. } | Target::Partner => return Seen::Unread,
    };
    let Some(given) = facts.relationships.iter().find(|it| it.id == *relationship) else {
        return Seen::Gone;
    };
    // What has ended gives nothing.
    if !given.gives_power() {
        return Seen::Gone;
    }
    let is_there = match (remediation, access_assignment) {
        (Remediation::TerminateRelationship, _) => Some(true),
        (Remediation::StopAutoExtend, _) => given.extends_itself(),
        (Remediation::DropGlobalAdministrator, _) => includes_global_administrator(given),
        (_, Some(id)) => {
            Some(given.access_assignments.iter().any(|it| it.id == id && it.is_in_force()))
        }
        (_, None) => None,
    };
    match is_there {
        None => Seen::Unread,
        Some(false) => Seen::Gone,
        Some(true) => match latest(given, remediation, access_assignment) {
            Some(Operation { kind, created_date_time: Some(begun), .. }) => {
                Seen::Failed { what: named(kind.as_deref()), begun: *begun }
            }
            _ => Seen::There,
        },
    }
}

/// Microsoft's word for an operation; for an update of the relationship it has none unless it is
/// asked for (`Prefer: include-unknown-enum-members`).
fn named(kind: Option<&str>) -> String {
    match kind {
        None | Some("" | "unknownFutureValue") => "an operation".to_owned(),
        Some(kind) => foreign(kind),
    }
}

/// Whether Global Administrator is among the roles agreed on; nothing where they are not told. What
/// a group may have beyond them is the next look's to find.
fn includes_global_administrator(given: &DelegatedAdminRelationship) -> Option<bool> {
    let is = |id: &str| id.trim().parse::<RoleTemplateId>().ok() == Some(GLOBAL_ADMINISTRATOR);
    given.access_details.is_some().then(|| given.roles().any(is))
}

/// The last thing Microsoft was asked to do of the kind that a step asks for, if that failed.
fn latest<'a>(
    given: &'a DelegatedAdminRelationship,
    remediation: Remediation,
    access_assignment: Option<&str>,
) -> Option<&'a Operation> {
    let ends = |it: &Operation| it.kind.as_deref() == Some("terminate");
    let is_an_assignment =
        |id: &String| given.access_assignments.iter().any(|used| used.id.eq_ignore_ascii_case(id));
    let is_one = |it: &&Operation| match (remediation, access_assignment) {
        (Remediation::TerminateRelationship, _) => ends(it),
        (Remediation::StopAutoExtend, _) => it.is_about_extension(),
        (_, Some(own)) => match it.about() {
            Some(about) => !ends(it) && about.eq_ignore_ascii_case(own),
            None => it.kind.as_deref() == Some("delegatedAdminAccessAssignmentUpdate"),
        },
        (_, None) => {
            let about_one = it.about().as_ref().is_some_and(is_an_assignment);
            !ends(it) && !about_one && !it.is_about_extension()
        }
    };
    let all = given.operations.iter().filter(is_one);
    all.max_by_key(|it| it.created_date_time).filter(|it| it.has_failed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{AccessAssignment, Gap, GapCause, Part};
    use crate::domain::finding::testing::partner_side::{relationship, used_by};
    use crate::domain::finding::testing::{WOODGROVE, noon};
    use crate::domain::id::{Sha256Hex, StepId};
    use crate::domain::plan::{Step, Verdict};
    use crate::domain::proof;
    use crate::domain::roster::AffectedPartner;
    use jiff::SignedDuration;

    use Remediation::{
        DeleteAccessAssignment, DropGlobalAdministrator, StopAutoExtend, TerminateRelationship,
    };

    const ALL: [Remediation; 4] =
        [DropGlobalAdministrator, StopAutoExtend, DeleteAccessAssignment, TerminateRelationship];

    /// Everything that any of them takes away.
    fn given() -> DelegatedAdminRelationship {
        DelegatedAdminRelationship {
            auto_extend_duration: Some("P180D".to_owned()),
            access_assignments: vec![used_by("Helpdesk", &["Global Administrator"])],
            ..relationship("Everything", &["Global Administrator", "Directory Readers"])
        }
    }

    fn step(remediation: Remediation) -> Step {
        let given = given();
        let (relationship, name) = (given.id.clone(), "Everything".to_owned());
        let roles = given.roles().map(str::to_owned).collect();
        let used = &given.access_assignments[0];
        let target = if remediation == DeleteAccessAssignment {
            Target::AccessAssignment {
                relationship,
                name,
                access_assignment: used.id.clone(),
                etag: None,
                group: used.group().unwrap(),
                group_name: "Helpdesk".to_owned(),
                roles,
            }
        } else {
            let (etag, auto_extend, last) = (None, given.auto_extend_duration, false);
            Target::Relationship { relationship, name, etag, roles, auto_extend, last }
        };
        let id = WOODGROVE.parse().ok();
        Step {
            id: StepId(Sha256Hex::of_fields(&["step"])),
            episode: 0,
            partner: AffectedPartner { id, name: "Woodgrove".to_owned(), listed: true },
            remediation,
            target,
            because: Vec::new(),
            answers: Vec::new(),
            verdict: Verdict::CarryOut,
            approval: None,
            quarantine: None,
            since: None,
            waits: false,
        }
    }

    fn facts(relationships: Vec<DelegatedAdminRelationship>) -> Facts {
        Facts { relationships, ..Facts::default() }
    }

    fn seen(step: &Step, facts: &Facts) -> Seen {
        super::seen(step.remediation, &step.target, facts)
    }

    fn sees(remediation: Remediation, relationship: DelegatedAdminRelationship) -> Seen {
        seen(&step(remediation), &facts(vec![relationship]))
    }

    #[test]
    fn what_reading_it_again_found_is_told_in_microsofts_own_terms() {
        let mut other = used_by("Alumni", &["Directory Readers"]);
        other.status = Some("deleted".to_owned());
        let mut given = given();
        given.access_assignments.push(other);
        let used = given.access_assignments[0].id.clone();
        let roles = given.roles().collect::<Vec<_>>().join(", ");
        let expect = [
            format!("relationship {}: active", given.id),
            "autoExtendDuration: P180D".to_owned(),
            format!("roles: {roles}"),
            format!("access assignment {used}: in force"),
        ];
        let facts = facts(vec![relationship("Another", &[]), given]);
        for remediation in ALL {
            assert_eq!(proof::found(&step(remediation), &facts), expect, "{remediation:?}");
            assert_eq!(proof::found(&step(remediation), &Facts::default()), [""; 0]);
        }
        let bare = DelegatedAdminRelationship {
            status: None,
            auto_extend_duration: None,
            access_details: None,
            access_assignments: Vec::new(),
            ..self::given()
        };
        let found = proof::found(&step(StopAutoExtend), &self::facts(vec![bare]));
        assert!(found[0].ends_with(": not told") && found[1].ends_with(": not told"), "{found:?}");
        assert_eq!(found[2..], ["roles: none"]);
    }

    #[test]
    fn what_is_as_it_was_is_there_and_what_is_gone_or_ended_gives_nothing() {
        for remediation in ALL {
            assert_eq!(sees(remediation, given()), Seen::There, "{remediation:?}");
            assert_eq!(seen(&step(remediation), &facts(Vec::new())), Seen::Gone, "{remediation:?}");
            let other = DelegatedAdminRelationship { id: "another".to_owned(), ..given() };
            assert_eq!(sees(remediation, other), Seen::Gone, "one of the same name is another");
            let with = |status: Option<&str>| DelegatedAdminRelationship {
                status: status.map(str::to_owned),
                ..given()
            };
            for ended in ["terminated", "expired", "Terminated "] {
                assert_eq!(sees(remediation, with(Some(ended))), Seen::Gone, "{ended}");
            }
            // What is about to end has not ended.
            for status in ["expiring", "terminating", "terminationRequested", "", "somethingNew"] {
                assert_eq!(sees(remediation, with(Some(status))), Seen::There, "{status}");
            }
            assert_eq!(sees(remediation, with(None)), Seen::There);
        }
    }

    #[test]
    fn absence_counts_only_where_all_was_read() {
        let gap = |part| Gap { part, cause: GapCause::Unavailable, detail: String::new() };
        for remediation in ALL {
            let it = step(remediation);
            let mut none = facts(Vec::new());
            none.gaps.push(gap(Part::Principals));
            let is_gone =
                |facts: &Facts| proof::is_gone_from_relationship(it.remediation, &it.target, facts);
            assert_eq!(proof::seen(&it, &none), Seen::Gone, "of another part");
            assert!(is_gone(&none) && !is_gone(&facts(vec![given()])), "{remediation:?}");
            none.gaps.push(gap(Part::Relationships));
            assert_eq!(proof::seen(&it, &none), Seen::Unread, "{remediation:?}");
            assert!(!is_gone(&none), "{remediation:?}");
            let mut some = facts(vec![given()]);
            some.gaps.push(gap(Part::Relationships));
            assert_eq!(proof::seen(&it, &some), Seen::There, "{remediation:?}");
        }
        // A relationship of which it could not be read who uses it has no access assignments.
        let mut unread =
            facts(vec![DelegatedAdminRelationship { access_assignments: Vec::new(), ..given() }]);
        unread.gaps.push(gap(Part::Relationships));
        assert_eq!(proof::seen(&step(DeleteAccessAssignment), &unread), Seen::Unread);
    }

    #[test]
    fn global_administrator_is_gone_once_it_is_not_among_the_roles_agreed_on() {
        let with = |roles: &[&str]| DelegatedAdminRelationship {
            access_assignments: given().access_assignments,
            ..relationship("Everything", roles)
        };
        assert_eq!(sees(DropGlobalAdministrator, with(&["Directory Readers"])), Seen::Gone);
        assert_eq!(sees(DropGlobalAdministrator, with(&[])), Seen::Gone);
        for id in ["62E90394-69F5-4237-9190-012177145E10", " 62e90394-69f5-4237-9190-012177145e10"]
        {
            assert_eq!(sees(DropGlobalAdministrator, with(&[id])), Seen::There, "{id}");
        }
        let untold = DelegatedAdminRelationship { access_details: None, ..given() };
        assert_eq!(sees(DropGlobalAdministrator, untold), Seen::Unread);
    }

    #[test]
    fn it_does_not_extend_itself_once_it_says_so() {
        let with = |by: Option<&str>| DelegatedAdminRelationship {
            auto_extend_duration: by.map(str::to_owned),
            ..given()
        };
        for by in [None, Some("PT0S"), Some("P0D")] {
            assert_eq!(sees(StopAutoExtend, with(by)), Seen::Gone, "{by:?}");
        }
        for by in ["P180D", "PT1S"] {
            assert_eq!(sees(StopAutoExtend, with(Some(by))), Seen::There, "{by}");
        }
        for by in ["", "for ever", "-P1D"] {
            assert_eq!(sees(StopAutoExtend, with(Some(by))), Seen::Unread, "{by}");
        }
    }

    #[test]
    fn an_access_assignment_is_gone_once_it_is_deleted() {
        let with = |status: &str| {
            let mut given = given();
            given.access_assignments[0].status = Some(status.to_owned());
            sees(DeleteAccessAssignment, given)
        };
        assert_eq!((with("deleted"), with("Deleted")), (Seen::Gone, Seen::Gone));
        for status in ["active", "pending", "deleting", "error", "", "somethingNew"] {
            assert_eq!(with(status), Seen::There, "{status}");
        }
        let mut other = given();
        other.access_assignments[0].id = "another".to_owned();
        assert_eq!(sees(DeleteAccessAssignment, other), Seen::Gone);
    }

    fn operation(kind: &str, data: &str, status: &str, minutes: i64) -> Operation {
        Operation {
            kind: Some(kind.to_owned()),
            status: Some(status.to_owned()),
            created_date_time: Some(noon() + SignedDuration::from_mins(minutes)),
            data: Some(data.to_owned()),
        }
    }

    const UPDATE: &str = "delegatedAdminRelationshipUpdate";
    const USE: &str = "delegatedAdminAccessAssignmentUpdate";
    const ROLES: &str = r#"{"accessDetails": {"unifiedRoles": []}}"#;
    const EXTENSION: &str = r#"{"autoExtendDuration": "PT0S"}"#;

    /// What fails, and of which of them it is.
    fn failing() -> [(Remediation, &'static str, String); 4] {
        let used = given().access_assignments[0].id.to_uppercase();
        [
            (DropGlobalAdministrator, UPDATE, ROLES.to_owned()),
            (StopAutoExtend, UPDATE, EXTENSION.to_owned()),
            (DeleteAccessAssignment, USE, format!(r#"{{"id": "{used}"}}"#)),
            (TerminateRelationship, "terminate", String::new()),
        ]
    }

    #[test]
    fn what_microsoft_failed_to_do_is_told_of_what_it_was_to_do_and_of_nothing_else() {
        for (of, kind, data) in failing() {
            let operations = vec![operation(kind, &data, "failed", 0)];
            for remediation in ALL {
                let it = DelegatedAdminRelationship { operations: operations.clone(), ..given() };
                let expect = if remediation == of {
                    Seen::Failed { what: kind.to_owned(), begun: noon() }
                } else {
                    Seen::There
                };
                assert_eq!(sees(remediation, it), expect, "{of:?} for {remediation:?}");
            }
        }
        // Without the header that asks for it, Graph has no name for an update.
        let it = || DelegatedAdminRelationship {
            operations: vec![operation("unknownFutureValue", ROLES, "Failed", 0)],
            ..given()
        };
        let what = "an operation".to_owned();
        assert_eq!(sees(DropGlobalAdministrator, it()), Seen::Failed { what, begun: noon() });
        assert_eq!(sees(DeleteAccessAssignment, it()), Seen::There);
        // One that does not say which access assignment it is about may be about this one.
        let mut untold = it();
        untold.operations = vec![operation(USE, "", "failed", 0)];
        let what = USE.to_owned();
        assert_eq!(sees(DeleteAccessAssignment, untold), Seen::Failed { what, begun: noon() });
        // Another group's.
        let mut other = given();
        other.access_assignments.push(AccessAssignment {
            id: "another".to_owned(),
            ..used_by("Engineers", &["Directory Readers"])
        });
        other.operations = vec![operation(USE, r#"{"id": "another"}"#, "failed", 0)];
        for remediation in ALL {
            assert_eq!(sees(remediation, other.clone()), Seen::There, "{remediation:?}");
        }
    }

    #[test]
    fn the_last_of_them_counts_and_only_if_it_failed() {
        for (of, kind, data) in failing() {
            let sees = |all: &[(&str, i64)]| {
                let all = all.iter().map(|(status, at)| operation(kind, &data, status, *at));
                sees(of, DelegatedAdminRelationship { operations: all.collect(), ..given() })
            };
            let failed = |minutes| {
                let begun = noon() + SignedDuration::from_mins(minutes);
                Seen::Failed { what: kind.to_owned(), begun }
            };
            for status in ["notStarted", "running", "created", "pending", "succeeded", "new", ""] {
                assert_eq!(sees(&[(status, 0)]), Seen::There, "{status}");
                assert_eq!(sees(&[("failed", 0), (status, 1)]), Seen::There, "{status}");
                assert_eq!(sees(&[(status, 1), ("failed", 0)]), Seen::There, "{status}");
                assert_eq!(sees(&[(status, 0), ("failed", 1)]), failed(1), "{status}");
            }
            let when = DelegatedAdminRelationship {
                operations: vec![Operation {
                    created_date_time: None,
                    ..operation(kind, &data, "failed", 0)
                }],
                ..given()
            };
            let untold = seen(&step(of), &facts(vec![when]));
            assert_eq!(untold, Seen::There, "nobody knows whether it was ours");
        }
    }

    #[test]
    fn what_failed_and_is_so_all_the_same_is_so() {
        let operations = failing().map(|(_, kind, data)| operation(kind, &data, "failed", 0));
        let gone = DelegatedAdminRelationship {
            status: Some("terminated".to_owned()),
            operations: operations.to_vec(),
            ..given()
        };
        for remediation in ALL {
            assert_eq!(sees(remediation, gone.clone()), Seen::Gone, "{remediation:?}");
        }
    }
}
