//! The guardrails of a policy: their text to their meaning.

use super::raw::{RawGuardrails, RawPlannedChange};
use super::read::Reader;
use super::words::Day;
use super::{Guardrails, PlannedChange, end_in_words};
use crate::domain::roster::{Attribution, Roster, Side};

impl Reader {
    pub(super) fn guardrails(&mut self, raw: RawGuardrails, roster: &Roster) -> Guardrails {
        let default = Guardrails::default();
        let mut protected = Vec::new();
        for text in &raw.protected {
            let Some(account) = self.protected(text) else { continue };
            let side = |side| roster.tenants.iter().any(|tenant| tenant.side == side);
            if account.is_relationship() && !roster.tenants.is_empty() && !side(Side::Partner) {
                let message = format!(
                    "`{}` protects nothing: relationships are only changed in a tenant with `side: \
                     partner`, and there is none",
                    text.value
                );
                self.warn(text.at, message);
            }
            let partners = || roster.tenants.iter().flat_map(|tenant| &tenant.partners);
            if let Some(partner) = partners().find(|p| p.accounts.contains(&account)) {
                let message = format!(
                    "`{}` was given to {}: as long as it is protected, nothing is ever taken from \
                     it",
                    text.value, partner.name
                );
                self.warn(text.at, message);
            }
            let domain = text.value.rsplit_once('@').map(|(_, domain)| domain.trim());
            let owner = roster.tenants.iter().find_map(|t| Attribution::of(t).of_domain(domain?));
            if let Some(partner) = owner {
                let message = format!(
                    "`{}` protects nobody: guests of {} have a user principal name such as \
                     name_domain#EXT#@tenant; give that, or the object id",
                    text.value, partner.name
                );
                self.warn(text.at, message);
            }
            protected.push(account);
        }
        let per = raw.per.and_then(|text| self.duration(&text)).unwrap_or(default.per);
        let max_revocations = raw.max_revocations.unwrap_or(default.max_revocations);
        let changes = raw.planned_changes.iter();
        let planned_changes = changes.filter_map(|it| self.planned_change(it, roster)).collect();
        Guardrails { protected, max_revocations, per, planned_changes }
    }

    fn planned_change(&mut self, raw: &RawPlannedChange, roster: &Roster) -> Option<PlannedChange> {
        let tenant = raw.tenant.as_ref().map(|text| self.tenant_ref(text, roster));
        let partner =
            raw.partner.as_ref().map(|text| self.partner_ref(text, tenant.flatten(), roster));
        let from = self.moment(&raw.from, Day::Start);
        let until = self.moment(&raw.until, Day::End);
        let reason = self.name(&raw.reason);
        if let (Some(from), Some(until)) = (from, until) {
            if until <= from {
                self.wrong(raw.until.at, "it ends before it begins: `until` is after `from`");
            } else if until.duration_since(from) > PlannedChange::LONGEST {
                let message = "a planned change lasts 31 days at the most: nothing is taken away \
                               meanwhile; for longer, set `mode`";
                self.wrong(raw.until.at, message);
            }
            let message = format!(
                "this planned change ended {}: it holds nothing back any more",
                end_in_words(until)
            );
            self.ends(raw.until.at, until, message);
        }
        Some(PlannedChange {
            tenant: match tenant {
                Some(known) => Some(known?),
                None => None,
            },
            partner: match partner {
                Some(known) => Some(known?),
                None => None,
            },
            from: from?,
            until: until?,
            reason,
            ticket: raw.ticket.as_ref().map(|ticket| ticket.value.clone()),
        })
    }
}
