//! A partner's own relationships with its customers: the least that answers what was found.
//!
//! | finding | remedy |
//! |---|---|
//! | `gdap-global-administrator` | take Global Administrator out of the relationship |
//! | `gdap-role-not-allowed` | delete the access assignments that give only such roles |
//! | `gdap-auto-extend` | stop it |
//! | `gdap-too-long` | end the relationship: of an active one, the duration cannot be changed |
//!
//! Of an active relationship Microsoft lets nothing but Global Administrator be taken out. Whatever
//! else was agreed on and is not allowed stays until the relationship ends, which would take away
//! what is allowed too; that is left to people. Ending a relationship makes all else needless, and
//! one that is being ended already is left alone.
//!
//! What has ended stays ended, and a new relationship takes the customer's consent. So the last one
//! with a customer is ended with a person's word only, whatever the policy says.
//!
//! Sources: Microsoft Graph documentation, "Update delegatedAdminRelationship", "Delete
//! delegatedAdminAccessAssignment" and "delegatedAdminRelationshipRequest resource type".

use indexmap::IndexSet;

use super::{Known, Wanted};
use crate::domain::facts::{AccessAssignment, DelegatedAdminRelationship, Facts};
use crate::domain::finding::{Finding, FindingName, group_name, may_give, name_of, role_of};
use crate::domain::id::Sha256Hex;
use crate::domain::plan::{Circumstances, Remediation, Target};
use crate::domain::policy::Do;
use crate::domain::role::{GLOBAL_ADMINISTRATOR, RoleTemplateId};
use crate::domain::roster::AffectedPartner;
use crate::domain::text::foreign;

use FindingName::{GdapAutoExtend, GdapGlobalAdministrator, GdapRoleNotAllowed, GdapTooLong};

pub(super) fn wanted(
    partner: &AffectedPartner,
    findings: &[Finding],
    facts: &Facts,
    about: Circumstances<'_>,
) -> Vec<Wanted> {
    let concerned: IndexSet<&str> =
        findings.iter().filter_map(|finding| finding.relationship.as_deref()).collect();
    let judged = concerned.into_iter().filter_map(|id| {
        let given = facts.relationships.iter().find(|it| it.id == id)?;
        let is_about = |finding: &&Finding| finding.relationship.as_deref() == Some(id);
        let found = findings.iter().filter(is_about).collect();
        Some(Judged { partner, found, given, facts, about })
    });
    let judged: Vec<Judged<'_>> = judged.collect();
    let one_stays = one_stays(partner, facts, &judged);
    judged.iter().flat_map(|judged| judged.wanted(one_stays)).collect()
}

/// Whether a relationship with the customer is left once all is ended that is to be. One that is
/// about to begin may never do, and one about to end is none that is left.
fn one_stays(partner: &AffectedPartner, facts: &Facts, judged: &[Judged<'_>]) -> bool {
    let is_to_end = |id: &str| judged.iter().any(|it| it.given.id == id && it.is_to_end());
    let mut all = facts.relationships.iter();
    all.any(|it| it.is("active") && it.customer_id() == partner.id && !is_to_end(&it.id))
}

/// One relationship, with what was found of it.
struct Judged<'a> {
    partner: &'a AffectedPartner,
    found: Vec<&'a Finding>,
    given: &'a DelegatedAdminRelationship,
    facts: &'a Facts,
    about: Circumstances<'a>,
}

/// A role that somebody asks to be taken away.
struct Unwanted {
    id: Option<RoleTemplateId>,
    /// As Graph writes its id.
    given: String,
    name: String,
    /// The findings that ask for it, and the strongest response among theirs.
    because: Vec<FindingName>,
    act: Do,
}

impl<'a> Judged<'a> {
    /// Whether it is asked to be ended, and can be.
    fn is_to_end(&self) -> bool {
        self.act(GdapTooLong).is_some() && self.given.is("active")
    }

    fn wanted(&self, one_stays: bool) -> Vec<Wanted> {
        let unwanted = self.unwanted();
        let dropped = self.dropped(&unwanted);
        let drops = dropped.as_ref().is_some_and(|it| it.known == Known::Open);
        let mut all = self.deletions(&unwanted, drops);
        let may_keep = self.may_keep_global_administrator(&unwanted, &all);
        all.extend(dropped);
        all.extend(self.act(GdapAutoExtend).map(|act| self.stopped(act)));
        all.extend(self.inseparable(&unwanted));
        self.say_what_is_answered(&mut all, may_keep);
        let Some(mut ending) = self.act(GdapTooLong).map(|act| self.ending(act, one_stays)) else {
            return all;
        };
        // What ends anyway, and as soon, needs nothing else done to it.
        let at_hand = ending.known == Known::Open;
        let is_needless =
            |it: &Wanted| it.remediation == ending.remediation || (at_hand && ending.act >= it.act);
        let (needless, mut stays): (Vec<_>, Vec<_>) = all.into_iter().partition(is_needless);
        for name in needless.iter().flat_map(|it| &it.because) {
            ending.asked_by(*name, ending.act);
        }
        ending.answers = if stays.is_empty() {
            self.found.iter().map(|finding| finding.key()).collect()
        } else {
            let by_others = |name: &&FindingName| stays.iter().any(|it| it.because.contains(name));
            let own = ending.because.iter().filter(|name| !by_others(name));
            own.flat_map(|name| self.rows(*name)).collect()
        };
        stays.push(ending);
        stays
    }

    /// The response to a finding, where it asks for something to be done.
    fn asks(&self, finding: &Finding) -> Option<Do> {
        let act = self.about.policy.response(finding.finding, finding.severity).act;
        (finding.certain && matches!(act, Do::Approve | Do::Revoke)).then_some(act)
    }

    fn act(&self, name: FindingName) -> Option<Do> {
        let named = self.found.iter().filter(|finding| finding.finding == name);
        named.filter_map(|finding| self.asks(finding)).max()
    }

    fn rows(&self, name: FindingName) -> Vec<Sha256Hex> {
        let named = self.found.iter().filter(|finding| finding.finding == name);
        let keys: IndexSet<Sha256Hex> = named.map(|finding| finding.key()).collect();
        keys.into_iter().collect()
    }

    /// The roles that are to be taken away, each once.
    fn unwanted(&self) -> Vec<Unwanted> {
        let Circumstances { policy, tenant, now, .. } = self.about;
        let used = self.in_force().flat_map(AccessAssignment::roles);
        let ids: IndexSet<String> =
            self.given.roles().chain(used).map(|id| id.trim().to_ascii_lowercase()).collect();
        let unwanted = ids.into_iter().filter_map(|given| {
            let (id, name) = role_of(&given);
            if may_give(tenant, policy, self.partner.id, id, now) {
                return None;
            }
            let by_its_own = is_global_administrator(id).then_some(GdapGlobalAdministrator);
            let asking = by_its_own.into_iter().chain([GdapRoleNotAllowed]);
            let asking: Vec<(FindingName, Do)> =
                asking.filter_map(|name| Some((name, self.act(name)?))).collect();
            let act = asking.iter().map(|(_, act)| *act).max()?;
            let because = asking.into_iter().map(|(name, _)| name).collect();
            Some(Unwanted { id, given, name, because, act })
        });
        unwanted.collect()
    }

    fn in_force(&self) -> impl Iterator<Item = &'a AccessAssignment> {
        self.given.access_assignments.iter().filter(|used| used.is_in_force())
    }

    fn is_agreed(&self, role: &Unwanted) -> bool {
        self.given.roles().any(|id| is_it(id, role))
    }

    /// Taking Global Administrator out.
    fn dropped(&self, unwanted: &[Unwanted]) -> Option<Wanted> {
        let all = unwanted.iter().filter(|role| is_global_administrator(role.id));
        let role = all.into_iter().find(|role| self.is_agreed(role))?;
        let mut wanted = self.about_it(Remediation::DropGlobalAdministrator, role.act);
        wanted.because.clone_from(&role.because);
        if !self.given.is("active") {
            wanted.known = Known::Unfit(format!(
                "{}, and Microsoft lets it be taken out of an active relationship only",
                self.status()
            ));
        }
        Some(wanted)
    }

    /// Deleting what groups have of it, where that takes nothing else away.
    fn deletions(&self, unwanted: &[Unwanted], drops: bool) -> Vec<Wanted> {
        let deletions = self.in_force().filter_map(|used| self.deletion(used, unwanted, drops));
        let mut groups = IndexSet::new();
        // Two for one group are deleted one after the other.
        deletions.filter(|it| groups.insert(it.key())).collect()
    }

    fn deletion(
        &self,
        used: &AccessAssignment,
        unwanted: &[Unwanted],
        drops: bool,
    ) -> Option<Wanted> {
        let asked = |role: &&Unwanted| used.roles().any(|id| is_it(id, role));
        let asked: Vec<&Unwanted> = unwanted.iter().filter(asked).collect();
        let act = asked.iter().map(|role| role.act).max()?;
        let besides: Vec<String> = used
            .roles()
            .filter(|id| !asked.iter().any(|role| is_it(id, role)))
            .map(|id| role_of(id).1)
            .collect();
        let goes_by_itself = |role: &&Unwanted| drops && is_global_administrator(role.id);
        if !besides.is_empty() && asked.iter().all(goes_by_itself) {
            return None;
        }
        let group = used.group();
        let group_name = group.as_ref().map_or_else(
            || "a group that is not named".to_owned(),
            |id| group_name(self.facts, id),
        );
        let target = Target::AccessAssignment {
            relationship: self.given.id.clone(),
            name: self.name(),
            access_assignment: used.id.clone(),
            etag: used.etag.clone(),
            group: group.clone().unwrap_or_else(|| used.id.clone().into()),
            group_name: group_name.clone(),
            roles: used.roles().map(str::to_owned).collect(),
        };
        let mut wanted =
            Wanted::new(self.partner, Remediation::DeleteAccessAssignment, target, act);
        for role in &asked {
            role.because.iter().for_each(|name| wanted.asked_by(*name, role.act));
        }
        if self.given.is_ending() {
            let why = format!("{}, and this ends with it", self.status());
            wanted.known = Known::Unfit(why);
        } else if group.is_none() {
            wanted.known = Known::Unfit("it is not told which group it is for".to_owned());
        } else if !besides.is_empty() {
            let asked: Vec<String> = asked.iter().map(|role| role.name.clone()).collect();
            wanted.known = Known::Unfit(format!(
                "it also gives {group_name} {}, which nothing asks to be taken away; take only {} \
                 away, by hand",
                listed(&besides),
                listed(&asked)
            ));
        }
        Some(wanted)
    }

    /// Whether a group may still have Global Administrator once all `deletions` are made: it is not
    /// documented whether a group keeps what is taken out of the relationship. The next look tells.
    fn may_keep_global_administrator(&self, unwanted: &[Unwanted], deletions: &[Wanted]) -> bool {
        let Some(role) = unwanted.iter().find(|role| is_global_administrator(role.id)) else {
            return false;
        };
        let is_deleted = |used: &AccessAssignment| {
            let is_it = |it: &Wanted| match &it.target {
                Target::AccessAssignment { access_assignment, .. } => {
                    it.known == Known::Open && *access_assignment == used.id
                }
                Target::Grant(_)
                | Target::Principal { .. }
                | Target::Partner
                | Target::Relationship { .. } => false,
            };
            deletions.iter().any(is_it)
        };
        let mut given = self.in_force().filter(|used| used.roles().any(|id| is_it(id, role)));
        given.any(|used| !is_deleted(used))
    }

    fn stopped(&self, act: Do) -> Wanted {
        let mut wanted = self.about_it(Remediation::StopAutoExtend, act);
        wanted.because.push(GdapAutoExtend);
        if !self.given.is("active") {
            wanted.known = Known::Unfit(format!(
                "{}, and Microsoft lets this be changed of an active relationship only",
                self.status()
            ));
        }
        wanted
    }

    fn ending(&self, act: Do, one_stays: bool) -> Wanted {
        let is_last = self.is_to_end() && !one_stays;
        let act = if is_last { act.min(Do::Approve) } else { act };
        let mut wanted = self.about_it(Remediation::TerminateRelationship, act);
        if let Target::Relationship { last, .. } = &mut wanted.target {
            *last = is_last;
        }
        wanted.because.push(GdapTooLong);
        if !self.given.is("active") && !self.given.is_ending() {
            wanted.known = Known::Unfit(format!(
                "{}, and Microsoft lets an active relationship be ended only",
                self.status()
            ));
        }
        wanted
    }

    /// What was agreed on and cannot be taken out, other than by ending it all.
    fn inseparable(&self, unwanted: &[Unwanted]) -> Option<Wanted> {
        let agreed = |role: &&Unwanted| self.is_agreed(role) && !is_global_administrator(role.id);
        let roles: Vec<&Unwanted> = unwanted.iter().filter(agreed).collect();
        let act = roles.iter().map(|role| role.act).max()?;
        let names: Vec<String> = roles.iter().map(|role| role.name.clone()).collect();
        let mut wanted = self.about_it(Remediation::TerminateRelationship, act);
        wanted.because.push(GdapRoleNotAllowed);
        wanted.known = Known::Unfit(format!(
            "the customer agreed to {}, and Microsoft lets nothing but Global Administrator be \
             taken out of a relationship; ending it would take away all that it gives, so agree \
             on one without first, and end this one by hand",
            listed(&names)
        ));
        Some(wanted)
    }

    /// Gives each the rows that are done with once all that is wanted for them is.
    fn say_what_is_answered(&self, wanted: &mut [Wanted], may_keep: bool) {
        let groups: Vec<_> = self.in_force().map(AccessAssignment::group).collect();
        let is_twice = groups.len() > groups.iter().collect::<IndexSet<_>>().len();
        let leaves_some = may_keep || is_twice;
        let is_cured = |name: FindingName| {
            let mut concerned = wanted.iter().filter(|it| it.because.contains(&name));
            concerned.all(|it| it.known == Known::Open) && (!leaves_some || name == GdapAutoExtend)
        };
        let names = [GdapGlobalAdministrator, GdapRoleNotAllowed, GdapAutoExtend];
        let cured: Vec<FindingName> = names.into_iter().filter(|name| is_cured(*name)).collect();
        for wanted in wanted {
            let asking = wanted.because.iter().filter(|name| cured.contains(name));
            wanted.answers = asking.flat_map(|name| self.rows(*name)).collect();
        }
    }

    fn about_it(&self, remediation: Remediation, act: Do) -> Wanted {
        let target = Target::Relationship {
            relationship: self.given.id.clone(),
            name: self.name(),
            etag: self.given.etag.clone(),
            roles: self.given.roles().map(str::to_owned).collect(),
            auto_extend: self.given.auto_extend_duration.clone(),
            last: false,
        };
        Wanted::new(self.partner, remediation, target, act)
    }

    fn name(&self) -> String {
        name_of(self.given).unwrap_or_else(|| foreign(&self.given.id))
    }

    /// `its status is expiring`.
    fn status(&self) -> String {
        match self.given.status.as_deref().map(foreign) {
            Some(status) if !status.is_empty() => format!("its status is {status}"),
            _ => "it has no status".to_owned(),
        }
    }
}

fn is_global_administrator(id: Option<RoleTemplateId>) -> bool {
    id == Some(GLOBAL_ADMINISTRATOR)
}

/// Whether an id as Graph writes it means this role.
fn is_it(id: &str, role: &Unwanted) -> bool {
    id.trim().eq_ignore_ascii_case(&role.given)
}

/// `A, B and C`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

#[cfg(test)]
mod tests;
