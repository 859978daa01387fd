//! What a policy is for, and when: everything that makes it hold for less than every sign-in.

use std::collections::BTreeSet;

use super::policy::{ConditionSet, Read, unknown};
use crate::domain::text::foreign;

/// A dimension in which several policies may cover everything together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Applications,
    ClientAppTypes,
    Locations,
    Platforms,
}

/// The part of a dimension a policy is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) dimension: Dimension,
    /// Everything but `excluded`, or `included` but `excluded`.
    pub(super) all: bool,
    pub(super) included: BTreeSet<String>,
    pub(super) excluded: BTreeSet<String>,
}

/// Why a policy holds for less than every sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Narrowing {
    pub(super) why: String,
    /// For which part, where that can be put beside the part of another policy.
    pub(super) part: Option<Part>,
}

/// Everything that narrows a policy, and what cannot be told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Narrowed {
    pub(super) by: Vec<Narrowing>,
    pub(super) unclear: Vec<String>,
}

/// Conditions that narrow whenever they are set, and what each then means.
///
/// Source: Microsoft Graph documentation (v1.0 and beta), resource `conditionalAccessConditionSet`.
const NARROWING: &[(&str, &str)] = &[
    ("signInRiskLevels", "only applies when Microsoft sees a risk in the sign-in"),
    ("userRiskLevels", "only applies when Microsoft sees a risk in the user"),
    ("insiderRiskLevels", "only applies when Microsoft Purview sees an insider risk"),
    ("agentIdRiskLevels", "only applies to agents at risk"),
    ("servicePrincipalRiskLevels", "only applies to applications at risk"),
    ("clientApplications", "applies to applications that sign in, not to people"),
    ("authenticationFlows", "only applies to certain authentication flows, such as device code"),
    ("devices", "only applies to certain devices"),
    ("deviceStates", "only applies to certain devices"),
    ("times", "only applies at certain times"),
];

pub(super) fn narrowed(conditions: &ConditionSet) -> Narrowed {
    let mut found = Narrowed::default();
    applications(conditions, &mut found);
    client_app_types(conditions, &mut found);
    locations(conditions, &mut found);
    platforms(conditions, &mut found);
    for (name, value) in unknown(&conditions.rest) {
        let is_no_flow = value.get("transferMethods").and_then(|methods| methods.as_str());
        if name == "authenticationFlows" && is_no_flow == Some("none") {
            continue;
        }
        match NARROWING.iter().find(|(known, _)| *known == name) {
            Some((_, why)) => found.narrow(why, None),
            None => found.unclear(&format!(
                "has the condition “{}”, which is not understood",
                foreign(name)
            )),
        }
    }
    found
}

impl Narrowed {
    fn narrow(&mut self, why: &str, part: Option<Part>) {
        if !self.by.iter().any(|one| one.why == why) {
            self.by.push(Narrowing { why: why.to_owned(), part });
        }
    }

    fn unclear(&mut self, why: &str) {
        self.unclear.push(why.to_owned());
    }

    /// Judges what is included and excluded of a dimension. `whole` is the word for everything.
    fn weigh(
        &mut self,
        dimension: Dimension,
        whole: &str,
        included: &[String],
        excluded: &[String],
        why: [&str; 2],
    ) {
        let all = included.iter().any(|one| one.eq_ignore_ascii_case(whole));
        if all && excluded.is_empty() {
            return;
        }
        let set =
            |list: &[String]| list.iter().map(|one| one.trim().to_ascii_lowercase()).collect();
        let part = Part { dimension, all, included: set(included), excluded: set(excluded) };
        let [some, but] = why;
        self.narrow(if all { but } else { some }, Some(part));
    }
}

/// Without `All`, or with an application left out, the rest is open. User actions and
/// authentication contexts are no resources.
fn applications(conditions: &ConditionSet, found: &mut Narrowed) {
    let applications = match &conditions.applications {
        Some(Read::Known(applications)) => applications,
        Some(Read::Other(_)) | None => {
            return found.unclear("does not say what it is for in a way that is understood");
        }
    };
    for (name, _) in unknown(&applications.rest) {
        match name {
            "applicationFilter" => {
                found.narrow("only applies to applications that a filter picks", None);
            }
            "networkAccess" | "globalSecureAccess" => {
                found.narrow("only applies to traffic through Global Secure Access", None);
            }
            name => found.unclear(&format!(
                "names what it is for by “{}”, which is not understood",
                foreign(name)
            )),
        }
    }
    if !applications.include_user_actions.is_empty() {
        found.narrow("only applies to certain user actions", None);
    } else if !applications.include_authentication_context_class_references.is_empty() {
        found.narrow("only applies where an authentication context asks for it", None);
    } else {
        found.weigh(
            Dimension::Applications,
            "All",
            &applications.include_applications,
            &applications.exclude_applications,
            ["only applies to certain applications", "leaves out certain applications"],
        );
    }
}

/// Browsers and modern clients are what people sign in with; older protocols know no MFA and are
/// blocked by a policy that demands it.
fn client_app_types(conditions: &ConditionSet, found: &mut Narrowed) {
    let types = match &conditions.client_app_types {
        Some(Read::Known(types)) if !types.is_empty() => types,
        Some(_) | None => {
            return found
                .unclear("does not say in a way that is understood for which clients it is");
        }
    };
    let has = |name: &str| types.iter().any(|one| one.eq_ignore_ascii_case(name));
    if has("all") || (has("browser") && has("mobileAppsAndDesktopClients")) {
        return;
    }
    found.weigh(
        Dimension::ClientAppTypes,
        "all",
        types,
        &[],
        ["only applies to certain kinds of clients", ""],
    );
}

fn locations(conditions: &ConditionSet, found: &mut Narrowed) {
    match &conditions.locations {
        None => {}
        Some(Read::Known(places)) if unknown(&places.rest).next().is_none() => {
            if places.include_locations.is_empty() && places.exclude_locations.is_empty() {
                return;
            }
            found.weigh(
                Dimension::Locations,
                "All",
                &places.include_locations,
                &places.exclude_locations,
                ["only applies at certain locations", "does not apply at certain locations"],
            );
        }
        Some(_) => found.unclear("has a condition on locations that is not understood"),
    }
}

fn platforms(conditions: &ConditionSet, found: &mut Narrowed) {
    match &conditions.platforms {
        None => {}
        Some(Read::Known(platforms)) if unknown(&platforms.rest).next().is_none() => {
            if platforms.include_platforms.is_empty() && platforms.exclude_platforms.is_empty() {
                return;
            }
            found.weigh(
                Dimension::Platforms,
                "all",
                &platforms.include_platforms,
                &platforms.exclude_platforms,
                ["only applies on certain platforms", "does not apply on certain platforms"],
            );
        }
        Some(_) => found.unclear("has a condition on platforms that is not understood"),
    }
}
