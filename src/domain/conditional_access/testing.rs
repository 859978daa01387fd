//! Conditional access policies in a few words, for tests.

use serde_json::{Value, json};

/// A policy that demands MFA of all users for everything, as Graph gives it, with changes laid over
/// it: objects member by member, all else in place of what was there.
pub(crate) fn policy(name: &str, changes: Value) -> Value {
    let mut policy = json!({
        "id": "c558e346-969d-40a7-a64e-2df6c2c88490",
        "templateId": null,
        "displayName": name,
        "createdDateTime": "2021-11-02T14:17:09.1686157Z",
        "modifiedDateTime": null,
        "state": "enabled",
        "sessionControls": null,
        "conditions": {
            "userRiskLevels": [],
            "signInRiskLevels": [],
            "clientAppTypes": ["all"],
            "servicePrincipalRiskLevels": [],
            "insiderRiskLevels": null,
            "platforms": null,
            "locations": null,
            "devices": null,
            "clientApplications": null,
            "authenticationFlows": null,
            "applications": {
                "includeApplications": ["All"],
                "excludeApplications": [],
                "includeUserActions": [],
                "includeAuthenticationContextClassReferences": [],
                "applicationFilter": null
            },
            "users": {
                "includeUsers": ["All"],
                "excludeUsers": [],
                "includeGroups": [],
                "excludeGroups": [],
                "includeRoles": [],
                "excludeRoles": [],
                "includeGuestsOrExternalUsers": null,
                "excludeGuestsOrExternalUsers": null
            }
        },
        "grantControls": {
            "operator": "OR",
            "builtInControls": ["mfa"],
            "customAuthenticationFactors": [],
            "termsOfUse": [],
            "authenticationStrength@odata.context": "https://graph.microsoft.com/v1.0/$metadata#…",
            "authenticationStrength": null
        }
    });
    lay(&mut policy, changes);
    policy
}

/// Lays changes over a value.
pub(crate) fn lay(onto: &mut Value, changes: Value) {
    match (onto, changes) {
        (Value::Object(onto), Value::Object(changes)) => {
            for (name, change) in changes {
                lay(onto.entry(name).or_insert(Value::Null), change);
            }
        }
        (onto, change) => *onto = change,
    }
}

/// External users of some types, of some tenants or, without any, of all.
pub(crate) fn external(types: &str, members: &[&str]) -> Value {
    let tenants = if members.is_empty() {
        json!({"@odata.type": "#microsoft.graph.conditionalAccessAllExternalTenants", "membershipKind": "all"})
    } else {
        json!({
            "@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants",
            "membershipKind": "enumerated",
            "members": members,
        })
    };
    json!({"guestOrExternalUserTypes": types, "externalTenants": tenants})
}

/// Every type of external users there is.
pub(crate) const EVERY_TYPE: &str = "internalGuest,b2bCollaborationGuest,b2bCollaborationMember,b2bDirectConnectUser,otherExternalUser,serviceProvider";
