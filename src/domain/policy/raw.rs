//! The policy as it is written: every field where it may stand, nothing checked yet.

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::{Do, Mode};
use crate::domain::roster::Side;

pub(super) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawPolicy {
    pub(super) version: Spanned<u32>,
    #[serde(default)]
    pub(super) mode: Mode,
    pub(super) tenants: Spanned<Vec<Spanned<RawTenant>>>,
    #[serde(default)]
    pub(super) respond: IndexMap<String, Spanned<RawResponse>>,
    #[serde(default)]
    pub(super) exceptions: Vec<RawException>,
    pub(super) guardrails: Option<RawGuardrails>,
    #[serde(default)]
    pub(super) tickets: IndexMap<String, Spanned<RawSink>>,
    pub(super) tests: Option<Spanned<Vec<IgnoredAny>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawTenant {
    pub(super) id: Text,
    pub(super) name: Text,
    #[serde(default)]
    pub(super) side: Side,
    #[serde(default)]
    pub(super) partners: Vec<RawPartner>,
    pub(super) customers: Option<Spanned<Vec<RawPartner>>>,
    pub(super) unlisted: Option<RawUnlisted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUnlisted {
    #[serde(default)]
    pub(super) allow: RawAllowance,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawPartner {
    pub(super) id: Text,
    pub(super) name: Text,
    #[serde(default)]
    pub(super) domains: Vec<Text>,
    #[serde(default)]
    pub(super) accounts: Vec<Text>,
    #[serde(default)]
    pub(super) allow: RawAllowance,
    pub(super) require: Option<Spanned<RawRequire>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAllowance {
    #[serde(default)]
    pub(super) roles: Vec<Text>,
    pub(super) until: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawRequire {
    pub(super) mfa: Option<bool>,
    pub(super) max_duration: Option<Text>,
    pub(super) eligible: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResponse {
    pub(super) r#do: Do,
    pub(super) ticket: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawException {
    pub(super) tenant: Option<Text>,
    pub(super) partner: Text,
    pub(super) role: Text,
    pub(super) until: Text,
    pub(super) reason: Text,
    pub(super) ticket: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawGuardrails {
    #[serde(default)]
    pub(super) protected: Vec<Text>,
    pub(super) max_revocations: Option<u32>,
    pub(super) per: Option<Text>,
}

#[derive(Deserialize)]
pub(super) struct RawSink {
    pub(super) kind: Text,
    pub(super) url: Option<Text>,
    #[serde(flatten)]
    pub(super) rest: IndexMap<String, IgnoredAny>,
}
