//! The catalogue of application permissions, and which of them are powerful.
//!
//! An application permission works without anybody signed in and without conditional access. It
//! counts as powerful here if an application that holds it can, by itself,
//!
//! - give power: directory roles, permissions, members of groups, secrets of applications, or the
//!   rules by which these are given;
//! - take over or let in: passwords and sign-in methods, accounts, federated domains, conditional
//!   access and the other policies that protect the sign-in;
//! - run what it likes on managed devices, or read their secrets;
//! - read or write everybody's mail, files, sites or conversations.
//!
//! Microsoft's own `privilegeLevel` is no substitute: it puts calendars and tasks on the highest
//! level, and the permissions of Privileged Identity Management, which make Global Administrators,
//! below it.
//!
//! `app_roles.tsv` holds every application permission of Microsoft Graph, so that one that is not
//! there is new rather than harmless, and the powerful ones of the older APIs. It has a header,
//! then id, API, name, and whether it is powerful. Ids and names are from
//! `permissions/new/provisioningInfo.json` of microsoftgraph/microsoft-graph-devx-content as of
//! 2026-08-07 (<https://learn.microsoft.com/graph/permissions-reference>), and from the service
//! principals of Office 365 Exchange Online, Office 365 SharePoint Online and the retired Azure AD
//! Graph, which calls itself Windows Azure Active Directory.

use std::collections::HashMap;
use std::sync::LazyLock;

use uuid::Uuid;

const TABLE: &str = include_str!("app_roles.tsv");

/// What Microsoft Graph calls itself in every tenant.
pub const MICROSOFT_GRAPH: &str = "Microsoft Graph";

/// One application permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppRole {
    /// Its id, the same in every tenant.
    pub id: Uuid,
    /// The API it is for.
    pub api: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Whether it is powerful.
    pub powerful: bool,
}

static BY_ID: LazyLock<HashMap<Uuid, AppRole>> = LazyLock::new(|| {
    let rows = TABLE.lines().skip(1);
    rows.map(|line| row(line).expect("every row of the embedded app_roles.tsv is well-formed"))
        .map(|role| (role.id, role))
        .collect()
});

fn row(line: &'static str) -> Option<AppRole> {
    let mut fields = line.split('\t');
    let id = fields.next()?.parse().ok()?;
    let (api, name) = (fields.next()?, fields.next()?);
    let powerful = match fields.next()? {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    fields.next().is_none().then_some(AppRole { id, api, name, powerful })
}

/// The permission with this id; `None` for those newer than the catalogue and those of other APIs.
pub fn by_id(id: Uuid) -> Option<&'static AppRole> {
    BY_ID.get(&id)
}

/// The permission of Microsoft Graph with this name.
pub fn of_graph(name: &str) -> Option<&'static AppRole> {
    BY_ID.values().find(|role| role.api == MICROSOFT_GRAPH && role.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(id: &str) -> Option<&'static AppRole> {
        by_id(id.parse().unwrap())
    }

    #[test]
    fn every_row_parses_and_stands_once() {
        let mut lines = TABLE.lines();
        assert_eq!(lines.next(), Some("app role id\tapi\tname\tpowerful"));
        for line in lines.clone() {
            let role = row(line).unwrap_or_else(|| panic!("malformed row: {line:?}"));
            assert_eq!(by_id(role.id), Some(&role), "named twice: {line:?}");
        }
        assert_eq!((lines.count(), BY_ID.len()), (971, 971));
        assert_eq!(BY_ID.values().filter(|role| role.powerful).count(), 161);
    }

    #[test]
    fn malformed_rows_are_refused() {
        for bad in
            ["", "9e3f62cf\tA\tB\tyes", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8\tA\tB\tperhaps"]
        {
            assert_eq!(row(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_gives_or_takes_power_is_powerful_and_what_reads_a_list_is_not() {
        for (id, name) in [
            ("9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", "RoleManagement.ReadWrite.Directory"),
            ("06b708a9-e830-4db3-a914-8e69da51d44f", "AppRoleAssignment.ReadWrite.All"),
            ("1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", "Application.ReadWrite.All"),
            ("19dbc75e-c2e2-444c-a770-ec69d8559fc7", "Directory.ReadWrite.All"),
            ("dd199f4a-f148-40a4-a2ec-f0069cc799ec", "RoleAssignmentSchedule.ReadWrite.Directory"),
            ("338163d7-f101-4c92-94ba-ca46fe52447c", "Policy.ReadWrite.CrossTenantAccess"),
            ("dbaae8cf-10b5-4b86-a4a1-f871c94c6695", "GroupMember.ReadWrite.All"),
            ("3011c876-62b7-4ada-afa2-506cbbecc68c", "User.EnableDisableAccount.All"),
            ("e2a3a72e-5f79-4c64-b1b1-878b674786c9", "Mail.ReadWrite"),
            ("a82116e5-55eb-4c41-a434-62fe8a61c773", "Sites.FullControl.All"),
            ("dc890d15-9560-4a4c-9b7f-a736ec74ec40", "full_access_as_app"),
        ] {
            let role = find(id).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((role.name, role.powerful), (name, true));
        }
        for (id, name) in [
            ("483bed4a-2ad3-4361-a73b-c83ccdbdc53c", "RoleManagement.Read.Directory"),
            ("7ab1d382-f21e-4acd-a863-ba3e13f7da61", "Directory.Read.All"),
            ("df021288-bdef-4463-88db-98f22de89214", "User.Read.All"),
            ("b0afded3-3588-46d8-8b3d-9842eff778da", "AuditLog.Read.All"),
            ("d3495511-98b7-4df3-b317-4e35c19f6129", "RoleAssignmentSchedule.Remove.Directory"),
            ("77f3a031-c388-4f99-b373-dc68676a979e", "User.RevokeSessions.All"),
        ] {
            let role = find(id).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((role.name, role.powerful), (name, false));
        }
        assert_eq!(find("00000000-0000-0000-0000-000000000000"), None);
    }
}
