//! `azure-devops`: work items of a project of Azure DevOps.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Name, SecretName, Takes};

/// Work items of a project of Azure DevOps Services or Server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AzureDevops {
    /// The organisation, such as `https://dev.azure.com/woodgrove`; on a server of one's own the
    /// collection.
    pub url: Address,
    /// The project, by its name or id.
    pub project: Name,
    /// The type of the work items, such as `Issue`, `Task` or `Bug`.
    pub work_item_type: Name,
    /// The state of a work item that is ended, as its process names it, such as `Done` or `Closed`.
    pub closed_state: Name,
    /// The state of a work item that is taken up again, such as `To Do` or `Active`.
    pub reopened_state: Name,
}

impl AzureDevops {
    pub(super) const TAKES: Takes = Takes::Tickets;

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![SecretName { name: "token", needed: true, what: "work items are opened with it" }]
    }

    pub(super) fn place(&self) -> String {
        let url = self.url.url();
        format!("{}{}, project {}", self.url.origin(), url.path(), self.project.as_str())
    }
}
