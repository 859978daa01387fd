//! What comes of changes to a partner's relationships, in their own time: they run, they succeed or
//! fail, they do not show at once, and what was taken away may come back.

use jiff::Timestamp;
use serde_json::json;

use super::delegated_admin::{Related, Used, etag};
use super::ids;
use super::objects::object;
use super::partner_side::Changes;
use super::query::Object;

/// The roles' template id of Global Administrator.
pub(crate) const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// What a change comes to, once it has succeeded.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// The relationship gives these roles.
    Roles(Vec<String>),
    /// It extends itself by this.
    AutoExtend(String),
    /// It has ended.
    Terminated,
    /// An access assignment is deleted.
    Deleted(String),
    /// An access assignment is in force.
    Active(String),
}

/// A change under way.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// The operation or the request that tells of it, by its id.
    pub(crate) told_by: Option<String>,
    pub(crate) due: Timestamp,
    pub(crate) effect: Effect,
    /// Whether it will come to nothing.
    pub(crate) fails: bool,
}

/// What was taken away and will be back after so many reads.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    reads: u64,
    what: Taken,
}

#[derive(Clone, Debug)]
enum Taken {
    Roles(Vec<String>),
    AutoExtend(String),
    Used(Used),
}

/// A request about a relationship
/// (<https://learn.microsoft.com/graph/api/resources/delegatedadminrelationshiprequest>).
#[derive(Clone, Debug)]
pub(crate) struct Requested {
    pub(crate) id: String,
    action: String,
    /// `created`, `pending`, `succeeded` or `failed`.
    status: String,
    created: Timestamp,
    modified: Timestamp,
}

impl Requested {
    pub(crate) fn new(id: &str, action: &str, now: Timestamp) -> Self {
        let (action, status) = (action.to_owned(), "created".to_owned());
        Self { id: id.to_owned(), action, status, created: now, modified: now }
    }

    pub(crate) fn to_json(&self) -> Object {
        object(json!({
            "@odata.type": "#microsoft.graph.delegatedAdminRelationshipRequest",
            "@odata.etag": etag(&self.id, 1),
            "id": self.id,
            "action": self.action,
            "status": self.status,
            "createdDateTime": self.created.to_string(),
            "lastModifiedDateTime": self.modified.to_string(),
        }))
    }
}

/// A relationship as it still shows, for so many reads.
#[derive(Clone, Debug)]
pub(crate) struct Stale {
    item: Object,
    item_reads: u64,
    assignments: Vec<Object>,
    assignment_reads: u64,
}

impl Related {
    /// What it shows to one more read.
    pub(crate) fn shown(&mut self, is_read: bool, now: Timestamp) -> Object {
        if is_read {
            self.come_back(now, |what| !matches!(what, Taken::Used(_)));
        }
        match &mut self.stale {
            Some(stale) if stale.item_reads > 0 => {
                stale.item_reads -= u64::from(is_read);
                stale.item.clone()
            }
            _ => self.to_json(),
        }
    }

    /// What its access assignments show to one more read.
    pub(crate) fn shown_assignments(&mut self, is_read: bool, now: Timestamp) -> Vec<Object> {
        if is_read {
            self.come_back(now, |what| matches!(what, Taken::Used(_)));
        }
        match &mut self.stale {
            Some(stale) if stale.assignment_reads > 0 => {
                stale.assignment_reads -= u64::from(is_read);
                stale.assignments.clone()
            }
            _ => self.assignments_json(),
        }
    }

    fn assignments_json(&self) -> Vec<Object> {
        self.assignments.iter().map(|it| self.assignment_json(it)).collect()
    }

    /// Something is about to change, and does not show in so many reads.
    pub(crate) fn remember(&mut self, reads: u64) {
        if reads == 0 {
            return;
        }
        let (item, assignments) = match self.stale.take() {
            Some(stale) if stale.item_reads > 0 && stale.assignment_reads > 0 => {
                (stale.item, stale.assignments)
            }
            _ => (self.to_json(), self.assignments_json()),
        };
        let (item_reads, assignment_reads) = (reads, reads);
        self.stale = Some(Stale { item, item_reads, assignments, assignment_reads });
    }

    /// It changes itself, and so its etag does.
    pub(crate) fn changes_now(&mut self, now: Timestamp, changes: Changes) {
        self.remember(changes.lag_reads);
        self.modified = now;
        self.version += 1;
    }

    /// Brings about what is over by now, and says of the rest that it is under way.
    pub(crate) fn settle(&mut self, now: Timestamp, changes: Changes) {
        let pending = std::mem::take(&mut self.pending);
        let (over, pending): (Vec<Pending>, Vec<Pending>) =
            pending.into_iter().partition(|it| it.due <= now);
        for one in &pending {
            self.tell(one, now, ["running", "pending"]);
            if matches!(one.effect, Effect::Terminated) && self.given.status != "terminating" {
                self.changes_now(now, changes);
                "terminating".clone_into(&mut self.given.status);
            }
        }
        self.pending = pending;
        for one in over {
            if one.fails {
                self.tell(&one, one.due, ["failed", "failed"]);
                self.fail(&one, changes);
            } else {
                self.tell(&one, one.due, ["succeeded", "succeeded"]);
                self.succeed(one, changes);
            }
        }
    }

    /// Has the operation or the request tell how far it has come, each in its own word.
    fn tell(&mut self, one: &Pending, now: Timestamp, status: [&str; 2]) {
        let Some(id) = &one.told_by else { return };
        if let Some((_, operation, _)) = self.operations.iter_mut().find(|it| it.0 == *id) {
            status[0].clone_into(&mut operation.status);
        }
        if let Some(request) = self.requests.iter_mut().find(|it| it.id == *id) {
            status[1].clone_into(&mut request.status);
            request.modified = now;
        }
    }

    fn fail(&mut self, one: &Pending, changes: Changes) {
        match &one.effect {
            Effect::Roles(_) | Effect::AutoExtend(_) => {}
            Effect::Terminated => {
                self.changes_now(one.due, changes);
                "active".clone_into(&mut self.given.status);
            }
            Effect::Deleted(id) | Effect::Active(id) => {
                self.remember(changes.lag_reads);
                self.set_assignment(id, "error");
            }
        }
    }

    fn succeed(&mut self, one: Pending, changes: Changes) {
        let taken = match &one.effect {
            Effect::Roles(_) => Some(Taken::Roles(self.roles.clone())),
            Effect::AutoExtend(_) => {
                Some(Taken::AutoExtend(self.given.auto_extend_duration.clone()))
            }
            Effect::Deleted(id) => {
                self.assignments.iter().find(|it| it.id == *id).cloned().map(Taken::Used)
            }
            Effect::Terminated | Effect::Active(_) => None,
        };
        let back = changes.come_back.zip(taken).map(|(reads, what)| Back { reads, what });
        self.back.extend(back);
        self.changes_now(one.due, changes);
        match one.effect {
            Effect::Roles(roles) => self.give(roles, changes.groups_keep_roles),
            Effect::AutoExtend(duration) => self.given.auto_extend_duration = duration,
            Effect::Terminated => "terminated".clone_into(&mut self.given.status),
            Effect::Deleted(id) => self.set_assignment(&id, "deleted"),
            Effect::Active(id) => self.set_assignment(&id, "active"),
        }
    }

    fn give(&mut self, roles: Vec<String>, groups_keep_theirs: bool) {
        if !groups_keep_theirs {
            for used in &mut self.assignments {
                let before = used.roles.len();
                used.roles.retain(|role| roles.contains(role));
                used.version += u64::from(used.roles.len() < before);
            }
        }
        self.roles = roles;
    }

    fn set_assignment(&mut self, id: &str, status: &str) {
        if let Some(used) = self.assignments.iter_mut().find(|it| it.id == id) {
            status.clone_into(&mut used.status);
            used.version += 1;
        }
    }

    /// Gives back what is due at this read.
    fn come_back(&mut self, now: Timestamp, is_read: impl Fn(&Taken) -> bool) {
        let all = std::mem::take(&mut self.back);
        let (due, later): (Vec<Back>, Vec<Back>) =
            all.into_iter().partition(|it| it.reads == 0 && is_read(&it.what));
        self.back = later;
        for back in self.back.iter_mut().filter(|it| is_read(&it.what)) {
            back.reads -= 1;
        }
        for back in due {
            self.modified = now;
            self.version += 1;
            match back.what {
                Taken::Roles(roles) => self.roles = roles,
                Taken::AutoExtend(duration) => self.given.auto_extend_duration = duration,
                Taken::Used(used) => {
                    let id = ids::guid(&["accessAssignment again", &used.id]);
                    let status = "active".to_owned();
                    self.assignments.push(Used { id, status, version: 1, ..used });
                }
            }
        }
    }
}
