//! Whether a new ticket could be made of what the policy says: seen without making one.

use super::shape::{Desk, Field, Form, Project, Screen};
use super::{Class, Does, Jira, SinkError};
use crate::domain::text::foreign;

/// Most fields that Jira tells at once.
const FIELDS_MAX: usize = 200;

/// What Jira asks for and fills in itself, or what every issue is given.
const GIVEN: [&str; 6] = ["project", "issuetype", "summary", "description", "labels", "reporter"];

impl Jira {
    /// Sees that the project has the issue type, and that its screen has all that is set and asks
    /// for nothing else
    /// (<https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/>, "Get create
    /// field metadata for a project and issue type id").
    pub(super) async fn screen(&self, kind: &str) -> Result<(), SinkError> {
        let project: Project =
            self.reads(Does::Reads, &self.at(&["project", &self.project])).await?;
        let Some(found) = project.issue_types.iter().find(|it| it.is_called(kind)) else {
            let what = format!("{} has no issue type {kind}", self.project);
            return Err(self.error(Class::Config, &what));
        };
        let mut url =
            self.at(&["issue", "createmeta", &self.project, "issuetypes", found.id.as_str()]);
        url.query_pairs_mut().append_pair("maxResults", &FIELDS_MAX.to_string());
        let screen: Screen = self.reads(Does::Reads, &url).await?;
        let all = screen.fields.len() < FIELDS_MAX
            && screen.total.is_none_or(|total| total <= screen.fields.len());
        let mut set = vec!["description", "labels"];
        set.extend(self.more.iter().map(String::as_str));
        let missing = set.iter().find(|name| !screen.fields.iter().any(|it| it.id == **name));
        if let Some(missing) = missing.filter(|_| all) {
            let what =
                format!("the create screen of {kind} in {} has no field {missing}", self.project);
            return Err(self.error(Class::Config, &what));
        }
        let wanted = screen.fields.iter().filter(|it| !GIVEN.contains(&it.id.as_str()));
        self.nothing_else(wanted)
    }

    /// Sees that the service desk is the project's, and that the form has all that is set and asks
    /// for nothing else.
    pub(super) async fn form(&self, desk: &str, kind: &str) -> Result<(), SinkError> {
        let found: Desk = self.reads(Does::Reads, &self.desk_at(&["servicedesk", desk])).await?;
        if found.project_key != self.project {
            let project = foreign(&found.project_key);
            let what = format!("the service desk {desk} belongs to the project {project}");
            return Err(self.error(Class::Config, &what));
        }
        let url = self.desk_at(&["servicedesk", desk, "requesttype", kind, "field"]);
        let form: Form = self.reads(Does::Reads, &url).await?;
        let fields = &form.request_type_fields;
        let mut set = vec!["summary", "description"];
        // The priority is set after.
        set.extend(self.more.iter().map(String::as_str).filter(|name| *name != "priority"));
        if let Some(missing) = set.iter().find(|name| !fields.iter().any(|it| it.id == **name)) {
            let what = format!("the form of request type {kind} has no field {missing}");
            return Err(self.error(Class::Config, &what));
        }
        self.nothing_else(fields.iter().filter(|it| !set.contains(&it.id.as_str())))
    }

    /// Refuses where a field has to be filled in that is not set.
    fn nothing_else<'a>(
        &self,
        mut fields: impl Iterator<Item = &'a Field>,
    ) -> Result<(), SinkError> {
        let wanted =
            fields.find(|it| it.required && !it.has_default_value && !self.more.contains(&it.id));
        let Some(wanted) = wanted else { return Ok(()) };
        let what = format!(
            "Jira asks for {} ({}) in a new ticket; give it under `fields`",
            foreign(&wanted.id),
            foreign(&wanted.name)
        );
        Err(self.error(Class::Config, &what))
    }
}
