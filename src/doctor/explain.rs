//! What is missing, and the commands that mend it: for the Azure CLI and for Microsoft Graph
//! PowerShell, since people have one or the other.
//!
//! Sources: Microsoft, "az ad app", "az ad app permission", "az ad app credential" (Azure CLI
//! reference); "New-MgServicePrincipalAppRoleAssignment", "Add-MgApplicationPassword",
//! "New-MgServicePrincipal" (Microsoft Graph PowerShell reference); "Construct the URL for granting
//! tenant-wide admin consent" (Microsoft Entra documentation).

use serde::Serialize;

use super::{Section, Verdict};
use crate::adapters::graph::Identity;
use crate::config::Settings;
use crate::domain::app_role;
use crate::domain::id::TenantId;
use crate::domain::roster::Tenant;

/// The application id of Microsoft Graph, the same in every cloud.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// What commands can do about a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Grant a permission.
    Grant {
        /// The tenant it is granted in.
        tenant: TenantId,
        /// That tenant's name.
        tenant_name: String,
        /// The application it is granted to.
        client_id: String,
        /// The permission.
        permission: &'static str,
    },
    /// Make the application known in a tenant.
    Consent {
        /// The tenant.
        tenant: TenantId,
        /// Its name.
        tenant_name: String,
        /// The application.
        client_id: String,
    },
    /// Make a client secret.
    ClientSecret {
        /// The application.
        client_id: String,
        /// Where it goes in the secrets document.
        key: &'static str,
    },
    /// Make a key.
    Key {
        /// Where it goes in the secrets document.
        key: &'static str,
        /// Whether it is one of Standard Webhooks.
        webhook: bool,
    },
    /// Subscribe.
    Subscribe,
    /// Try a ticket sink.
    Sink {
        /// Its name.
        name: String,
    },
}

/// What is missing, and how commands mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// What is missing.
    pub missing: String,
    /// Lines of a shell, with comments.
    pub shell: Vec<String>,
    /// Lines of PowerShell, with comments, that do the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub powershell: Vec<String>,
}

impl Fix {
    /// What makes a secret of this key.
    pub(super) fn of_secret(key: &str, settings: &Settings) -> Option<Self> {
        let app = |identity: Identity| match (identity, &settings.write_client_id) {
            (Identity::Writer, Some(writer)) => writer.clone(),
            (Identity::Reader | Identity::Writer, _) => settings.client_id.clone(),
        };
        let secret = |identity: Identity| Self::ClientSecret {
            client_id: app(identity),
            key: identity.client_secret(),
        };
        Some(match key {
            "graphClientSecret" => secret(Identity::Reader),
            "graphWriteClientSecret" => secret(Identity::Writer),
            "clientStateKey" => Self::Key { key: "clientStateKey", webhook: false },
            "decisionKey" => Self::Key { key: "decisionKey", webhook: false },
            "auditWebhookSecret" => Self::Key { key: "auditWebhookSecret", webhook: true },
            _ => return None,
        })
    }

    /// What mends a refused sign-in, by the code in what was said.
    pub(super) fn of_sign_in(
        said: &str,
        tenant: &Tenant,
        identity: Identity,
        client_id: &str,
    ) -> Option<Self> {
        let code = said.split_once("AADSTS").map(|(_, rest)| rest);
        let code: String = code?.chars().take_while(char::is_ascii_digit).collect();
        let client_id = client_id.to_owned();
        match code.as_str() {
            "7000215" | "7000222" => {
                Some(Self::ClientSecret { client_id, key: identity.client_secret() })
            }
            "700016" | "7000229" => {
                let (tenant, tenant_name) = (tenant.id, tenant.name.clone());
                Some(Self::Consent { tenant, tenant_name, client_id })
            }
            _ => None,
        }
    }
}

/// What is missing in all that was seen, and the commands that mend it: once for each application and
/// tenant.
pub fn explained(sections: &[Section], login: &str) -> Vec<Explained> {
    let bad = sections
        .iter()
        .flat_map(|section| &section.checks)
        .filter(|check| check.verdict != Verdict::Ok);
    let fixes: Vec<&Fix> = bad.filter_map(|check| check.fix.as_ref()).collect();
    let mut done: Vec<&Fix> = Vec::new();
    let mut all = Vec::new();
    for fix in &fixes {
        if done.contains(fix) {
            continue;
        }
        if let Fix::Grant { tenant, tenant_name, client_id, .. } = fix {
            let of: Vec<&Fix> = fixes
                .iter()
                .copied()
                .filter(|it| {
                    matches!(it, Fix::Grant { tenant: other, client_id: app, .. }
                        if other == tenant && app == client_id)
                })
                .collect();
            let permissions: Vec<&str> = of
                .iter()
                .filter_map(|it| {
                    if let Fix::Grant { permission, .. } = it { Some(*permission) } else { None }
                })
                .collect();
            all.push(grant(*tenant, tenant_name, client_id, &permissions, login));
            done.extend(of);
        } else {
            all.push(fix.commands(login));
            done.push(fix);
        }
    }
    all
}

impl Fix {
    fn commands(&self, login: &str) -> Explained {
        match self {
            Self::Grant { tenant, tenant_name, client_id, permission } => {
                grant(*tenant, tenant_name, client_id, &[permission], login)
            }
            Self::Consent { tenant, tenant_name, client_id } => Explained {
                missing: format!("the application {client_id} is not known in {tenant_name}"),
                shell: vec![
                    "# An administrator of that tenant opens this page and agrees:".to_owned(),
                    format!("# {}", consent(*tenant, client_id, login)),
                ],
                powershell: vec![
                    format!("Connect-MgGraph -TenantId {tenant} -Scopes Application.ReadWrite.All"),
                    format!("New-MgServicePrincipal -AppId {}", quoted(client_id)),
                ],
            },
            Self::ClientSecret { client_id, key } => {
                let into = format!("# The answer goes into the secrets document as {key}.");
                let app = quoted(client_id);
                Explained {
                    missing: format!(
                        "a client secret that is valid, of the application {client_id}"
                    ),
                    shell: vec![
                        format!(
                            "az ad app credential reset --id {app} --append --display-name \
                             partner-warden --query password --output tsv"
                        ),
                        into.clone(),
                    ],
                    powershell: vec![
                        "Connect-MgGraph -Scopes Application.ReadWrite.All".to_owned(),
                        format!("$app = Get-MgApplicationByAppId -AppId {app}"),
                        "(Add-MgApplicationPassword -ApplicationId $app.Id -PasswordCredential \
                         @{ displayName = 'partner-warden' }).SecretText"
                            .to_owned(),
                        into,
                    ],
                }
            }
            Self::Key { key, webhook } => {
                let prefix = if *webhook { "whsec_" } else { "" };
                let made = if *webhook {
                    "printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\"".to_owned()
                } else {
                    "openssl rand -base64 32".to_owned()
                };
                let into = format!("# The answer goes into the secrets document as {key}.");
                Explained {
                    missing: format!("the key {key}"),
                    shell: vec![made, into.clone()],
                    powershell: vec![
                        format!(
                            "'{prefix}' + [Convert]::ToBase64String([Security.Cryptography.\
                             RandomNumberGenerator]::GetBytes(32))"
                        ),
                        into,
                    ],
                }
            }
            Self::Subscribe => Explained {
                missing: "subscriptions, by which Microsoft Graph notifies us".to_owned(),
                shell: vec![
                    "# `serve` subscribes by itself. While it is not running:".to_owned(),
                    "partner-warden subscriptions ensure".to_owned(),
                ],
                powershell: Vec::new(),
            },
            Self::Sink { name } => Explained {
                missing: format!("a ticket sink {name} that takes tickets"),
                shell: vec![
                    "# Once it is mended:".to_owned(),
                    format!("partner-warden tickets test {}", quoted(name)),
                ],
                powershell: Vec::new(),
            },
        }
    }
}

fn grant(
    tenant: TenantId,
    tenant_name: &str,
    client_id: &str,
    permissions: &[&str],
    login: &str,
) -> Explained {
    let ids: Vec<(&str, String)> = permissions
        .iter()
        .filter_map(|name| Some((*name, app_role::of_graph(name)?.id.to_string())))
        .collect();
    let app = quoted(client_id);
    let roles: Vec<String> = ids.iter().map(|(_, id)| format!("{id}=Role")).collect();
    let names = permissions.join(", ");
    let shell = vec![
        "# In the tenant in which the application is registered:".to_owned(),
        format!(
            "az ad app permission add --id {app} --api {GRAPH} --api-permissions {}",
            roles.join(" ")
        ),
        format!("# If that is {tenant_name} ({tenant}):"),
        format!("az ad app permission admin-consent --id {app}"),
        "# Else an administrator of that tenant opens this page and agrees:".to_owned(),
        format!("# {}", consent(tenant, client_id, login)),
    ];
    let mut powershell = vec![
        format!(
            "Connect-MgGraph -TenantId {tenant} -Scopes Application.Read.All, \
             AppRoleAssignment.ReadWrite.All"
        ),
        format!("$graph = Get-MgServicePrincipalByAppId -AppId {GRAPH}"),
        format!("$app = Get-MgServicePrincipalByAppId -AppId {app}"),
    ];
    for (name, id) in &ids {
        powershell.push(format!(
            "New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $app.Id -PrincipalId \
             $app.Id -ResourceId $graph.Id -AppRoleId {id} # {name}"
        ));
    }
    Explained {
        missing: format!("{names}, of the application {client_id} in {tenant_name}"),
        shell,
        powershell,
    }
}

/// The page on which an administrator agrees.
fn consent(tenant: TenantId, client_id: &str, login: &str) -> String {
    let login = login.trim_end_matches('/');
    format!("{login}/{tenant}/adminconsent?client_id={client_id}")
}

/// A word that a shell takes as it is, or one in quotes that it does.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
