//! `dedicated-account-drift`: an account given to a partner is missing, disabled, or holds more
//! than was agreed.

use super::{Finding, FindingName, Rule, Severity, View, about_grant};
use crate::domain::facts::{GivenAccount, Part};
use crate::domain::grant::{PrincipalKind, named};
use crate::domain::roster::{AccountName, AffectedPartner, Partner};
use crate::domain::text;

pub(super) const RULE: Rule = Rule {
    name: FindingName::DedicatedAccountDrift,
    name_text: "dedicated-account-drift",
    severity: Severity::Medium,
    reads: &[
        Part::Accounts,
        Part::RoleAssignments,
        Part::ActiveSchedules,
        Part::EligibleSchedules,
        Part::Principals,
        Part::GroupMembers,
    ],
    why: "The policy counts on this account being the one the partner works with. If it is gone, renamed or disabled, the partner works some other way that nobody watches; if it holds more than agreed, it has become a way to more power.",
    mend: "Microsoft Entra admin center > Users > All users: look for the account, under Deleted users too. If it was renamed, or is no longer used, change the partner's `accounts` in the policy. Roles too many: Roles & admins > the role > Assignments > Remove.",
    page: "https://learn.microsoft.com/entra/identity/users/users-restore",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let given = view
        .tenant
        .partners
        .iter()
        .flat_map(|partner| partner.accounts.iter().map(move |account| (partner, account)));
    let changed = given.filter_map(|(partner, account)| {
        let found = view.facts.accounts.get(account.as_str())?;
        Some(about_account(view, partner, account, &changes(account, found)?))
    });
    let extra = view.open_roles().filter(|it| it.kind == PrincipalKind::DedicatedAccount);
    let extra = extra.map(|grant| {
        let (holder, deed) = (grant.introduced(), grant.deed(""));
        about_grant(&RULE, grant, format!("{holder} {deed}, more than was agreed."))
    });
    changed.chain(extra).collect()
}

/// What became of the account, from the verb on.
fn changes(account: &AccountName, found: &GivenAccount) -> Option<String> {
    let user = match found {
        GivenAccount::Missing => {
            return Some("is not in the directory: it was deleted or renamed".to_owned());
        }
        GivenAccount::Present { user, .. } => user,
    };
    let upn = user.user_principal_name.as_deref().unwrap_or_default();
    let by_upn = account.as_str().contains('@');
    let renamed = by_upn && !upn.is_empty() && upn.to_lowercase() != account.as_str();
    let changes = [
        renamed.then(|| format!("is now called {}", text::foreign(upn))),
        (user.account_enabled == Some(false)).then(|| "is disabled".to_owned()),
    ];
    let changes: Vec<String> = changes.into_iter().flatten().collect();
    (!changes.is_empty()).then(|| changes.join(" and "))
}

fn about_account(view: &View<'_>, partner: &Partner, account: &AccountName, what: &str) -> Finding {
    let partner: AffectedPartner = named(view.facts, view.tenant, partner.id);
    let found = view.facts.accounts.get(account.as_str());
    let shown = match found {
        // An object id tells nobody anything.
        Some(GivenAccount::Present { user, .. }) if !account.as_str().contains('@') => {
            let name = user.user_principal_name.as_deref().or(user.display_name.as_deref());
            name.map(text::foreign)
        }
        _ => None,
    };
    let shown = shown.unwrap_or_else(|| account.as_str().to_owned());
    Finding {
        finding: RULE.name,
        severity: RULE.severity,
        subject: account.as_str().to_owned(),
        role: None,
        text: format!("{shown}, the account given to {}, {what}.", partner.name),
        partner,
        grant: None,
        relationship: None,
        certain: true,
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::facts::{GapCause, Part};
    use crate::domain::finding::testing::{Case, check};

    const SVC: &str = "svc-contoso@woodgrove.example";
    const ID: &str = "eeeeeeee-0000-4000-8000-000000000001";

    #[test]
    fn fires_for_an_account_that_is_gone_renamed_or_disabled() {
        let said = |name: &str, what: &str| {
            format!("{name}, the account given to Contoso Reseller, {what}.")
        };
        let gone = said(SVC, "is not in the directory: it was deleted or renamed");
        check("dedicated-account-drift", Case::new().account_missing(SVC), &[&gone]);
        check(
            "dedicated-account-drift",
            Case::new().account_found(SVC, "svc-old@woodgrove.example", false),
            &[&said(SVC, "is now called svc-old@woodgrove.example and is disabled")],
        );
        check(
            "dedicated-account-drift",
            Case::new().account_found(ID, SVC, false),
            &[&said(SVC, "is disabled")],
        );
    }

    #[test]
    fn fires_for_every_role_beyond_those_agreed_however_it_is_held() {
        let more = |deed: &str| {
            format!("{SVC}, an account given to Contoso Reseller, {deed}, more than was agreed.")
        };
        check(
            "dedicated-account-drift",
            Case::new()
                .allow(&["Directory Readers"])
                .dedicated_account(SVC, "Directory Readers")
                .holds_too(SVC, "User Administrator")
                .eligible(SVC, "Exchange Administrator", None)
                .own_group("Admins", "Groups Administrator")
                .dedicated_in("Admins", SVC),
            &[
                &more("holds User Administrator"),
                &more("may activate Exchange Administrator"),
                &more("holds Groups Administrator by being in Admins"),
            ],
        );
    }

    #[test]
    fn is_known_by_its_id_where_nothing_else_tells() {
        // The list of holders gave no user principal name.
        let case = Case::new().account_found(SVC, SVC, true).nameless(SVC, "Reports Reader");
        check(
            "dedicated-account-drift",
            case,
            &[
                "Service, an account given to Contoso Reseller, holds Reports Reader, more than was agreed.",
            ],
        );
    }

    #[test]
    fn is_silent_about_accounts_as_they_should_be_and_those_not_asked_about() {
        check(
            "dedicated-account-drift",
            Case::new()
                .allow(&["Reports Reader"])
                .account_found(SVC, "SVC-Contoso@Woodgrove.example", true)
                .account_found(ID, "other@woodgrove.example", true)
                .dedicated_account(SVC, "Reports Reader")
                .guest("Alice", "alice@contoso-reseller.example", "User Administrator"),
            &[],
        );
        let unread = Case::new().account(SVC).gap(Part::Accounts, GapCause::Denied);
        check("dedicated-account-drift", unread, &[]);
    }
}
