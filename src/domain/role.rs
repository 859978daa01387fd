//! The catalogue of Microsoft Entra built-in roles.
//!
//! Policies name roles, Graph names template ids, and audit events name whatever they like. This
//! catalogue connects the first two and says which roles Microsoft labels *privileged*. It is the
//! fallback where a tenant's own role definitions cannot be read.
//!
//! An id that is not here belongs to a custom role or to one newer than the catalogue. That is no
//! sign of harmlessness: [`by_id`] answers `None`, and the caller treats the role as unknown.
//!
//! `roles.tsv` is the table "All roles" of
//! <https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference>
//! as of 2026-01-20, in its order: a header, then template id, name, and whether the row carries
//! the label *privileged*.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

const TABLE: &str = include_str!("roles.tsv");

/// Names that Graph, the audit log and the older PowerShell modules gave to roles before they were
/// renamed. Several still turn up.
const FORMER_NAMES: [(&str, RoleTemplateId); 6] = [
    (
        "Azure AD Joined Device Local Administrator",
        RoleTemplateId(uuid!("9f06204d-73c1-4d4c-880a-6edb90606fd8")),
    ),
    ("Company Administrator", GLOBAL_ADMINISTRATOR),
    (
        "Exchange Service Administrator",
        RoleTemplateId(uuid!("29232cdf-9323-42fd-ade2-1d097af3e4de")),
    ),
    ("Lync Service Administrator", RoleTemplateId(uuid!("75941009-915a-4869-abe7-691bff18279e"))),
    (
        "SharePoint Service Administrator",
        RoleTemplateId(uuid!("f28a1f50-f6e7-4571-818b-6a12f2af6b6c")),
    ),
    ("User Account Administrator", RoleTemplateId(uuid!("fe930be7-5e62-47db-91af-98c3a49a38b1"))),
];

/// Global Administrator: everything in the tenant.
pub const GLOBAL_ADMINISTRATOR: RoleTemplateId =
    RoleTemplateId(uuid!("62e90394-69f5-4237-9190-012177145e10"));

/// Microsoft 365 Support Engineer: what Microsoft's own support receives while a case is open.
pub const MICROSOFT_365_SUPPORT_ENGINEER: RoleTemplateId =
    RoleTemplateId(uuid!("00cf5c54-4693-4f59-a0ac-ab79ef0a974d"));

/// The id of a role's template: the same in every tenant, unlike the id of a role object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleTemplateId(Uuid);

impl RoleTemplateId {
    /// The template with this id, whether or not the catalogue knows it.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The bare id.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for RoleTemplateId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for RoleTemplateId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for RoleTemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RoleTemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoleTemplateId({})", self.0)
    }
}

/// One role of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltInRole {
    /// The id by which Graph names the role.
    pub template_id: RoleTemplateId,
    /// The name as Microsoft writes it.
    pub name: &'static str,
    /// Whether Microsoft labels the role *privileged*. A role without the label may be powerful
    /// all the same (Exchange Administrator, for one).
    pub privileged: bool,
}

static ROLES: LazyLock<Vec<BuiltInRole>> = LazyLock::new(|| {
    TABLE
        .lines()
        .skip(1)
        .map(|line| row(line).expect("every row of the embedded roles.tsv is well-formed"))
        .collect()
});

static BY_ID: LazyLock<HashMap<RoleTemplateId, &'static BuiltInRole>> =
    LazyLock::new(|| all().iter().map(|role| (role.template_id, role)).collect());

/// Every name a role is known by, folded, with the role.
static BY_NAME: LazyLock<HashMap<String, &'static BuiltInRole>> = LazyLock::new(|| {
    let former = FORMER_NAMES.iter().filter_map(|&(name, id)| Some((fold(name), by_id(id)?)));
    former.chain(all().iter().map(|role| (fold(role.name), role))).collect()
});

fn row(line: &'static str) -> Option<BuiltInRole> {
    let mut fields = line.split('\t');
    let template_id = fields.next()?.parse().ok()?;
    let name = fields.next()?;
    let privileged = match fields.next()? {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    fields.next().is_none().then_some(BuiltInRole { template_id, name, privileged })
}

/// Lower case, with single spaces between words and none around them.
fn fold(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Every role of the catalogue, by name in Microsoft's order.
pub fn all() -> &'static [BuiltInRole] {
    &ROLES
}

/// The role of this template; `None` for custom roles and for roles newer than the catalogue.
pub fn by_id(id: RoleTemplateId) -> Option<&'static BuiltInRole> {
    BY_ID.get(&id).copied()
}

/// The role of this name. Case and extra spaces do not matter, and a role is also found by the name
/// it had before Microsoft renamed it: "Company Administrator" is Global Administrator.
pub fn by_name(name: &str) -> Option<&'static BuiltInRole> {
    BY_NAME.get(&fold(name)).copied()
}

/// The role name that an unknown name was probably meant to be, for an error message; `None` when
/// nothing is close. Never resolve a role by it: a wrong guess would allow the wrong role.
pub fn nearest(name: &str) -> Option<&'static str> {
    const LONGEST: usize = 100;
    const CLOSE: f64 = 0.65;

    if name.len() > LONGEST {
        return None;
    }
    let wanted = outline(name);
    let mut best = (CLOSE, None);
    for (known, role) in OUTLINES.iter() {
        let closeness = strsim::normalized_damerau_levenshtein(&wanted, known);
        if closeness > best.0 {
            best = (closeness, Some(role.name));
        }
    }
    best.1
}

/// Every name a role is known by, as [`nearest`] compares it: current names first, so that they win
/// ties.
static OUTLINES: LazyLock<Vec<(String, &'static BuiltInRole)>> = LazyLock::new(|| {
    let former = FORMER_NAMES.iter().filter_map(|&(name, id)| Some((outline(name), by_id(id)?)));
    all().iter().map(|role| (outline(role.name), role)).chain(former).collect()
});

/// The folded name with its "administrator", however spelt or shortened, as one character: most
/// names end in that word, and it would make any two of them look alike.
fn outline(name: &str) -> String {
    const WORD: &str = "administrator";

    let spaced = fold(name).replace(WORD, " administrator ");
    let words = spaced.split_whitespace().map(|word| {
        let is_it = word.starts_with("admin") || strsim::damerau_levenshtein(word, WORD) <= 3;
        if is_it { "*" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The roles Microsoft labels privileged, as of 2026-01-20.
    const PRIVILEGED: [(&str, &str); 29] = [
        ("62e90394-69f5-4237-9190-012177145e10", "Global Administrator"),
        ("e8611ab8-c189-46e8-94e1-60213ab1f814", "Privileged Role Administrator"),
        ("7be44c8a-adaf-4e2a-84d6-ab2649e08a13", "Privileged Authentication Administrator"),
        ("e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8", "Partner Tier2 Support"),
        ("4ba39ca4-527c-499a-b93d-d9b492c50246", "Partner Tier1 Support"),
        ("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "Application Administrator"),
        ("158c047a-c907-4556-b7ef-446551a6b5f7", "Cloud Application Administrator"),
        ("cf1c38e5-3621-4004-a7cb-879624dced7c", "Application Developer"),
        ("8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", "Hybrid Identity Administrator"),
        ("c4e39bd9-1100-46d3-8c65-fb160da0071f", "Authentication Administrator"),
        ("25a516ed-2fa0-40ea-a2d0-12923a21473a", "Authentication Extensibility Administrator"),
        ("fe930be7-5e62-47db-91af-98c3a49a38b1", "User Administrator"),
        ("729827e3-9c14-49f7-bb1b-9608f156bbb8", "Helpdesk Administrator"),
        ("966707d0-3269-4727-9be2-8c3a10f19b9d", "Password Administrator"),
        ("194ae4cb-b126-40b2-bd5b-6091b380977d", "Security Administrator"),
        ("5f2222b1-57c3-48ba-8ad5-d4759f1fde6f", "Security Operator"),
        ("5d6b6bb7-de71-4623-b4af-96380a352509", "Security Reader"),
        ("f2ef992c-3afb-46b9-b7cf-a126ee74c451", "Global Reader"),
        ("b1be1c3e-b65d-4f19-8427-f6fa0d97feb9", "Conditional Access Administrator"),
        ("3a2c62db-5318-420d-8d74-23affee5d9d5", "Intune Administrator"),
        ("7698a772-787b-4ac8-901f-60d6b08affd2", "Cloud Device Administrator"),
        ("9360feb5-f418-4baa-8175-e2a00bac4301", "Directory Writers"),
        ("8329153b-31d0-4727-b945-745eb3bc5f31", "Domain Name Administrator"),
        ("be2f45a1-457d-42af-a067-6ec1fa63bc45", "External Identity Provider Administrator"),
        ("aaf43236-0c0d-4d5f-883a-6955382ac081", "B2C IEF Keyset Administrator"),
        ("59d46f88-662b-457b-bceb-5c3809e5908f", "Lifecycle Workflows Administrator"),
        ("ecb2c6bf-0ab6-418e-bd87-7986f8d63bbe", "Attribute Provisioning Administrator"),
        ("422218e4-db15-4ef9-bbe0-8afb41546d79", "Attribute Provisioning Reader"),
        ("db506228-d27e-4b7d-95e5-295956d6615f", "Agent ID Administrator"),
    ];

    fn id(text: &str) -> RoleTemplateId {
        text.parse().unwrap()
    }

    #[test]
    fn every_row_parses() {
        let mut lines = TABLE.lines();
        assert_eq!(lines.next(), Some("template id\tname\tprivileged"));
        for line in lines {
            let role = row(line).unwrap_or_else(|| panic!("malformed row: {line:?}"));
            let privileged = if role.privileged { "yes" } else { "no" };
            assert_eq!(line, format!("{}\t{}\t{privileged}", role.template_id, role.name));
            assert_eq!(role.name, role.name.trim());
        }
        assert_eq!(all().len(), TABLE.lines().count() - 1);
        assert_eq!(all().len(), 123);
    }

    #[test]
    fn malformed_rows_are_refused() {
        let good = "62e90394-69f5-4237-9190-012177145e10\tGlobal Administrator\tyes";
        assert!(row(good).is_some());
        for bad in [
            "",
            "62e90394\tGlobal Administrator\tyes",
            "62e90394-69f5-4237-9190-012177145e10\tGlobal Administrator",
            "62e90394-69f5-4237-9190-012177145e10\tGlobal Administrator\tmaybe",
            "62e90394-69f5-4237-9190-012177145e10\tGlobal Administrator\tyes\t",
        ] {
            assert_eq!(row(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn ids_and_names_are_unique() {
        let ids: BTreeSet<_> = all().iter().map(|role| role.template_id).collect();
        let names: BTreeSet<_> = all().iter().map(|role| fold(role.name)).collect();
        assert_eq!(ids.len(), all().len());
        assert_eq!(names.len(), all().len());
    }

    #[test]
    fn privileged_is_what_microsoft_labels_so() {
        let labelled: BTreeSet<_> =
            PRIVILEGED.iter().map(|&(text, name)| (id(text), name)).collect();
        let ours: BTreeSet<_> = all()
            .iter()
            .filter(|role| role.privileged)
            .map(|role| (role.template_id, role.name))
            .collect();
        assert_eq!(ours, labelled);
    }

    #[test]
    fn constants_are_in_the_table() {
        let global = by_id(GLOBAL_ADMINISTRATOR).unwrap();
        assert_eq!((global.name, global.privileged), ("Global Administrator", true));
        let support = by_id(MICROSOFT_365_SUPPORT_ENGINEER).unwrap();
        assert_eq!((support.name, support.privileged), ("Microsoft 365 Support Engineer", false));
    }

    #[test]
    fn ids_and_names_find_their_role() {
        for role in all() {
            assert_eq!(by_id(role.template_id), Some(role));
            assert_eq!(by_name(role.name), Some(role));
            assert_eq!(by_name(&role.name.to_uppercase()), Some(role));
            assert_eq!(by_name(&format!("  {}\t", role.name.replace(' ', "   "))), Some(role));
            assert_eq!(nearest(role.name), Some(role.name));
        }
    }

    #[test]
    fn former_names_find_todays_role() {
        let name_of = |former| by_name(former).map(|role| role.name);
        assert_eq!(name_of("Company Administrator"), Some("Global Administrator"));
        assert_eq!(name_of(" company  administrator "), Some("Global Administrator"));
        assert_eq!(name_of("User Account Administrator"), Some("User Administrator"));
        assert_eq!(name_of("Exchange Service Administrator"), Some("Exchange Administrator"));
        assert_eq!(name_of("Lync Service Administrator"), Some("Skype for Business Administrator"));
        assert_eq!(name_of("SharePoint Service Administrator"), Some("SharePoint Administrator"));
        assert_eq!(
            name_of("Azure AD Joined Device Local Administrator"),
            Some("Microsoft Entra Joined Device Local Administrator")
        );
        for (former, _) in FORMER_NAMES {
            let taken = all().iter().any(|role| fold(role.name) == fold(former));
            assert!(!taken, "{former} is the name of another role today");
        }
    }

    #[test]
    fn other_names_are_unknown() {
        for name in ["", " ", "TenantAdmins", "Globl Administrator", "GlobalAdministrator", "Owner"]
        {
            assert_eq!(by_name(name), None, "{name:?}");
        }
        assert_eq!(by_id(RoleTemplateId::new(Uuid::nil())), None);
    }

    #[test]
    fn nearest_mends_slips() {
        for (slip, meant) in [
            ("Globl Administrator", "Global Administrator"),
            ("glboal  administrater", "Global Administrator"),
            ("Global Admin", "Global Administrator"),
            ("GlobalAdministrator", "Global Administrator"),
            ("Company Admin", "Global Administrator"),
            ("Exchange", "Exchange Administrator"),
            ("Helpdesk Adminstrator", "Helpdesk Administrator"),
            ("Directory Reader", "Directory Readers"),
            ("Service Support", "Service Support Administrator"),
            ("Privileged Roles Administrator", "Privileged Role Administrator"),
            ("Windows365 Admin", "Windows 365 Administrator"),
        ] {
            assert_eq!(nearest(slip), Some(meant), "{slip:?}");
        }
    }

    #[test]
    fn nearest_mends_one_slip_in_any_name() {
        for role in all() {
            let name: Vec<char> = role.name.chars().collect();
            for at in (0..name.len()).step_by(7) {
                let mut slip = name.clone();
                match at % 3 {
                    0 => drop(slip.remove(at)),
                    1 => slip.insert(at, name[at]),
                    _ => slip.swap(at, at - 1),
                }
                let slip: String = slip.into_iter().collect();
                // As close to Tier1 as to Tier2.
                if slip != "Partner Tier Support" {
                    assert_eq!(nearest(&slip), Some(role.name), "{slip:?}");
                }
            }
        }
    }

    #[test]
    fn nearest_does_not_guess_wildly() {
        for nonsense in [
            "",
            "  ",
            "x",
            "Administrator",
            "Banana",
            "Zebra Administrator",
            "Coffee Machine Operator",
            "TenantAdmins",
            "Owner",
            "管理者",
            "Intune Service Desk Lead",
        ] {
            assert_eq!(nearest(nonsense), None, "{nonsense:?}");
        }
        assert_eq!(nearest(&"Global Administrator ".repeat(1000)), None);
    }

    #[test]
    fn ids_are_written_in_lower_case_and_read_in_any() {
        let shouted: RoleTemplateId = "62E90394-69F5-4237-9190-012177145E10".parse().unwrap();
        assert_eq!(shouted, GLOBAL_ADMINISTRATOR);
        assert_eq!(shouted.to_string(), "62e90394-69f5-4237-9190-012177145e10");
        let json = serde_json::to_string(&shouted).unwrap();
        assert_eq!(json, "\"62e90394-69f5-4237-9190-012177145e10\"");
        assert_eq!(serde_json::from_str::<RoleTemplateId>(&json).unwrap(), shouted);
        let shouted_json = json.to_uppercase();
        assert_eq!(serde_json::from_str::<RoleTemplateId>(&shouted_json).unwrap(), shouted);
        assert!("62e90394".parse::<RoleTemplateId>().is_err());
        assert!(serde_json::from_str::<RoleTemplateId>("null").is_err());
    }
}
