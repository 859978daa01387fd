//! Which Graph subscriptions a tenant is to have, and what is to be done about those it has.
//!
//! Sources: Microsoft Graph documentation, "subscription resource type" (longest lives, the types
//! of change of users and groups, that `clientState` is never returned), "Update subscription"
//! (only `expirationDateTime` and `notificationUrl` can be changed) and "Reduce missing
//! subscriptions and change notifications" (`lifecycleNotificationUrl` cannot be added later).

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::roster::Side;
use super::text::count;

/// How long a subscription is asked to live: 40,320 minutes. Users and groups may be subscribed
/// to for less than 41,760 minutes at a time.
pub const LIFE: SignedDuration = SignedDuration::from_hours(28 * 24);

/// Two renewals are this far apart at the least, whatever Graph asks for: within 10 minutes it
/// wants one of reauthorizing and renewing, not both.
pub const RENEWALS_APART: SignedDuration = SignedDuration::from_mins(10);

/// What can be subscribed to and tells of access: users for guests that come and go, groups for
/// their members and owners. A creation is reported as `updated`.
pub const RESOURCES: [Resource; 2] = [Resource::Users, Resource::Groups];

/// What is subscribed to in a guarded tenant: nothing in a partner's own.
///
/// There its relationships with customers are guarded, and who holds what by them is not asked, so
/// no change of a user or group of the partner's can make a difference. Of the relationships
/// themselves, Microsoft Graph notifies nobody; Partner Center does.
///
/// Sources: Microsoft Graph documentation, "Set up notifications for changes in resource data"
/// (`delegatedAdminRelationship` is none of the supported resources); Microsoft Partner Center
/// documentation, "Partner Center webhook events".
pub fn resources(side: Side) -> &'static [Resource] {
    match side {
        Side::Customer => &RESOURCES,
        Side::Partner => &[],
    }
}

/// The types of change of users and groups.
pub const CHANGE_TYPE: &str = "updated,deleted";

/// A collection that is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// `users`
    Users,
    /// `groups`
    Groups,
}

impl Resource {
    /// The resource as Graph takes it.
    pub fn path(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Groups => "groups",
        }
    }

    /// The application permission that a subscription to it needs.
    pub fn permission(self) -> &'static str {
        match self {
            Self::Users => "User.Read.All",
            Self::Groups => "Group.Read.All",
        }
    }

    /// The resource a subscription names, however it is written: Graph answers with `Users`.
    pub fn named(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('/');
        RESOURCES.into_iter().find(|resource| resource.path().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

/// A subscription as Graph lists it. It never says which `clientState` it carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub resource: String,
    /// The types of change, separated by commas.
    #[serde(default)]
    pub change_type: String,
    /// Where notifications go.
    #[serde(default)]
    pub notification_url: Option<String>,
    /// Where lifecycle notifications go.
    #[serde(default)]
    pub lifecycle_notification_url: Option<String>,
    /// When it ends.
    #[serde(rename = "expirationDateTime")]
    pub expires_at: Timestamp,
}

/// What is remembered of a subscription that was made here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// What tells the key of its `clientState`: a fingerprint, never the key.
    pub key: String,
    /// When it was made or last renewed.
    pub renewed_at: Timestamp,
    /// When it was to end then, as Graph granted it.
    pub granted_until: Timestamp,
}

/// What a tenant is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// What is subscribed to there: [`resources`].
    pub resources: &'a [Resource],
    /// Where notifications of both kinds are to go.
    pub url: &'a str,
    /// The fingerprint of the key whose `clientState` they are to carry.
    pub key: &'a str,
    /// Whether Graph has asked for the subscriptions to be authorized again.
    pub reauthorize: bool,
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Make one.
    Create {
        /// Of this resource.
        resource: Resource,
    },
    /// Let one live longer.
    Renew {
        /// Its id.
        id: String,
        /// What it is about.
        resource: Resource,
        /// Why.
        why: &'static str,
    },
    /// Make one first and only then delete the old one, so that nothing falls between them.
    Replace {
        /// The id of the old one.
        id: String,
        /// What it is about.
        resource: Resource,
        /// Why.
        why: &'static str,
    },
    /// Delete one.
    Delete {
        /// Its id.
        id: String,
        /// What it is about.
        resource: String,
        /// Why.
        why: &'static str,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { resource } => write!(f, "subscribe to {resource}"),
            Self::Renew { resource, why, .. } => {
                write!(f, "renew the subscription to {resource}: {why}")
            }
            Self::Replace { resource, why, .. } => {
                write!(f, "make the subscription to {resource} anew: {why}")
            }
            Self::Delete { resource, why, .. } => {
                write!(f, "delete a subscription to {}: {why}", super::text::foreign(resource))
            }
        }
    }
}

/// The things to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions(pub Vec<Action>);

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the subscriptions are as they should be");
        }
        write!(f, "{} to do about subscriptions", count(self.0.len(), "thing"))?;
        self.0.iter().try_for_each(|action| write!(f, "; {action}"))
    }
}

/// Whether a subscription is ours: one that leads to our url, or that was made here. Whatever else
/// the application has subscribed to is somebody else's and is never touched.
pub fn is_ours(subscription: &Subscription, made: &BTreeMap<String, Made>, url: &str) -> bool {
    subscription.notification_url.as_deref() == Some(url) || made.contains_key(&subscription.id)
}

/// What is to be done so that a tenant has exactly the subscriptions it is to have.
pub fn plan(
    existing: &[Subscription],
    made: &BTreeMap<String, Made>,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Actions {
    let ours = existing.iter().filter(|it| is_ours(it, made, wanted.url));
    // One that has ended is as good as gone; Graph takes it off its list by itself.
    let ours: Vec<&Subscription> = ours.filter(|it| it.expires_at > now).collect();
    let mut actions = Vec::new();
    for &resource in wanted.resources {
        let mut of: Vec<&Subscription> = ours
            .iter()
            .copied()
            .filter(|it| Resource::named(&it.resource) == Some(resource))
            .collect();
        of.sort_by_key(|it| (fault(it, made, wanted).is_some(), std::cmp::Reverse(it.expires_at)));
        let Some((best, rest)) = of.split_first() else {
            actions.push(Action::Create { resource });
            continue;
        };
        let id = best.id.clone();
        if let Some(why) = fault(best, made, wanted) {
            actions.push(Action::Replace { id, resource, why });
        } else if let Some(why) = to_renew(best, made.get(&best.id), wanted, now) {
            actions.push(Action::Renew { id, resource, why });
        }
        actions.extend(rest.iter().map(|it| delete(it, "there is another one")));
    }
    let watched = |it: &Subscription| {
        Resource::named(&it.resource).is_some_and(|it| wanted.resources.contains(&it))
    };
    let strange = ours.iter().filter(|it| !watched(it));
    actions.extend(strange.map(|it| delete(it, "it is about nothing that is watched here")));
    Actions(actions)
}

fn delete(subscription: &Subscription, why: &'static str) -> Action {
    let Subscription { id, resource, .. } = subscription.clone();
    Action::Delete { id, resource, why }
}

/// What is wrong with a subscription that no renewal mends.
fn fault(
    subscription: &Subscription,
    made: &BTreeMap<String, Made>,
    wanted: &Wanted<'_>,
) -> Option<&'static str> {
    let url = Some(wanted.url);
    let mut types: Vec<&str> = subscription.change_type.split(',').map(str::trim).collect();
    types.sort_unstable();
    match made.get(&subscription.id) {
        _ if subscription.notification_url.as_deref() != url => {
            Some("its notifications go to another url")
        }
        _ if subscription.lifecycle_notification_url.as_deref() != url => {
            Some("its lifecycle notifications go elsewhere")
        }
        _ if types != ["deleted", "updated"] => Some("it is about other types of change"),
        None => Some("nobody remembers under which key it was made"),
        Some(made) if made.key != wanted.key => Some("it was made under another clientStateKey"),
        Some(_) => None,
    }
}

fn to_renew(
    subscription: &Subscription,
    made: Option<&Made>,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Option<&'static str> {
    let left = subscription.expires_at.duration_since(now);
    let granted = made.map_or(LIFE, |made| made.granted_until.duration_since(made.renewed_at));
    let just_renewed =
        made.is_some_and(|made| now.duration_since(made.renewed_at) < RENEWALS_APART);
    // A cloud that grants hardly any life is asked again in time all the same.
    let pressing = left < RENEWALS_APART * 2;
    if just_renewed && !pressing {
        None
    } else if wanted.reauthorize {
        Some("Microsoft Graph asks for it to be authorized again")
    } else if left < granted.clamp(RENEWALS_APART, LIFE) / 2 {
        Some("less than half of its life is left")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::noon;

    const URL: &str = "https://warden.example/hooks/graph";

    fn hours(hours: i64) -> Timestamp {
        noon() + SignedDuration::from_hours(hours)
    }

    fn subscription(id: &str, resource: &str, hours_left: i64) -> Subscription {
        Subscription {
            id: id.to_owned(),
            resource: resource.to_owned(),
            change_type: CHANGE_TYPE.to_owned(),
            notification_url: Some(URL.to_owned()),
            lifecycle_notification_url: Some(URL.to_owned()),
            expires_at: hours(hours_left),
        }
    }

    fn made(ids: &[&str], key: &str) -> BTreeMap<String, Made> {
        let one = Made {
            key: key.to_owned(),
            renewed_at: hours(-14 * 24),
            granted_until: hours(14 * 24),
        };
        ids.iter().map(|id| ((*id).to_owned(), one.clone())).collect()
    }

    fn planned(
        existing: &[Subscription],
        made: &BTreeMap<String, Made>,
        again: bool,
    ) -> Vec<String> {
        let resources = &RESOURCES;
        let wanted = Wanted { resources, url: URL, key: "now", reauthorize: again };
        plan(existing, made, &wanted, noon()).0.iter().map(ToString::to_string).collect()
    }

    fn both(hours_left: i64) -> [Subscription; 2] {
        // Graph answers with a capital letter, others write a slash.
        [subscription("u", "Users", hours_left), subscription("g", "/groups", hours_left)]
    }

    #[test]
    fn a_tenant_without_any_is_subscribed_to_both() {
        let all = ["subscribe to users", "subscribe to groups"];
        assert_eq!(planned(&[], &BTreeMap::new(), false), all);
        let ended = [subscription("u", "users", 0), subscription("g", "groups", -1)];
        assert_eq!(planned(&ended, &made(&["u", "g"], "now"), false), all);
    }

    #[test]
    fn what_is_right_is_left_alone_until_half_its_life_is_over() {
        let made = made(&["u", "g"], "now");
        assert_eq!(planned(&both(15 * 24), &made, false), [""; 0]);
        let why = "less than half of its life is left";
        assert_eq!(
            planned(&both(13 * 24), &made, false),
            [
                format!("renew the subscription to users: {why}"),
                format!("renew the subscription to groups: {why}")
            ]
        );
    }

    #[test]
    fn half_of_a_life_is_half_of_what_was_granted() {
        let mut made = made(&["u", "g"], "now");
        for made in made.values_mut() {
            (made.renewed_at, made.granted_until) = (hours(-1), hours(2));
        }
        assert_eq!(planned(&both(2), &made, false), [""; 0]);
        assert_eq!(planned(&both(1), &made, false).len(), 2);
    }

    #[test]
    fn reauthorizing_is_renewing_and_done_once() {
        let mut made = made(&["u", "g"], "now");
        assert_eq!(planned(&both(600), &made, true).len(), 2);
        for made in made.values_mut() {
            made.renewed_at = noon() - SignedDuration::from_mins(9);
        }
        assert_eq!(planned(&both(600), &made, true), [""; 0]);
        for made in made.values_mut() {
            made.renewed_at = noon() - SignedDuration::from_mins(10);
        }
        assert_eq!(planned(&both(600), &made, true).len(), 2);
    }

    #[test]
    fn what_no_renewal_mends_is_made_anew() {
        let known = made(&["u", "g"], "now");
        let change = |change: fn(&mut Subscription)| {
            let mut all = both(600);
            change(&mut all[0]);
            planned(&all, &known, false)
        };
        let anew = |why: &str| vec![format!("make the subscription to users anew: {why}")];
        assert_eq!(
            change(|it| it.notification_url = Some("https://old.example/hooks/graph".into())),
            anew("its notifications go to another url")
        );
        assert_eq!(
            change(|it| it.lifecycle_notification_url = None),
            anew("its lifecycle notifications go elsewhere")
        );
        assert_eq!(
            change(|it| it.change_type = "updated".into()),
            anew("it is about other types of change")
        );
        assert_eq!(change(|it| it.change_type = "deleted, updated".into()), [""; 0]);
        assert_eq!(
            planned(&both(600), &made(&["g"], "now"), false),
            anew("nobody remembers under which key it was made")
        );
        let mut rotated = known.clone();
        rotated.get_mut("u").unwrap().key = "before".to_owned();
        assert_eq!(
            planned(&both(600), &rotated, false),
            anew("it was made under another clientStateKey")
        );
    }

    #[test]
    fn duplicates_go_and_the_best_one_stays() {
        let mut wrong = subscription("w", "users", 660);
        wrong.lifecycle_notification_url = None;
        let all = [
            wrong,
            subscription("short", "users", 600),
            subscription("long", "users", 650),
            subscription("g", "groups", 600),
        ];
        let made = made(&["w", "short", "long", "g"], "now");
        let wanted = Wanted { resources: &RESOURCES, url: URL, key: "now", reauthorize: false };
        let actions = plan(&all, &made, &wanted, noon()).0;
        let gone: Vec<&str> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Delete { id, .. } => Some(id.as_str()),
                Action::Create { .. } | Action::Renew { .. } | Action::Replace { .. } => None,
            })
            .collect();
        assert_eq!((actions.len(), gone), (2, vec!["short", "w"]));
    }

    #[test]
    fn what_belongs_to_others_is_not_touched() {
        let mut all = both(600).to_vec();
        let mut other = subscription("other", "users", 1);
        other.notification_url = Some("https://other.example/hooks/graph".to_owned());
        let mut event_hub = subscription("hub", "groups", 1);
        event_hub.notification_url = None;
        all.extend([other, event_hub]);
        assert_eq!(planned(&all, &made(&["u", "g"], "now"), false), [""; 0]);
    }

    #[test]
    fn ours_about_something_else_goes() {
        let mut all = both(600).to_vec();
        all.push(subscription("m", "me/messages", 600));
        assert_eq!(
            planned(&all, &made(&["u", "g"], "now"), false),
            ["delete a subscription to me/messages: it is about nothing that is watched here"]
        );
    }

    #[test]
    fn a_partners_own_tenant_has_none_and_loses_those_that_are_ours() {
        let resources = resources(Side::Partner);
        let wanted = Wanted { resources, url: URL, key: "now", reauthorize: true };
        assert_eq!(plan(&[], &BTreeMap::new(), &wanted, noon()), Actions(vec![]));
        let mut theirs = subscription("theirs", "users", 600);
        theirs.notification_url = Some("https://other.example/hooks/graph".to_owned());
        let [users, groups] = both(600);
        let actions = plan(&[users, groups, theirs], &made(&["u"], "now"), &wanted, noon());
        let actions: Vec<String> = actions.0.iter().map(ToString::to_string).collect();
        assert_eq!(
            actions,
            [
                "delete a subscription to Users: it is about nothing that is watched here",
                "delete a subscription to /groups: it is about nothing that is watched here"
            ]
        );
    }

    #[test]
    fn a_plan_tells_itself() {
        let wanted = Wanted { resources: &RESOURCES, url: URL, key: "now", reauthorize: false };
        let none = plan(&both(600), &made(&["u", "g"], "now"), &wanted, noon());
        assert_eq!(none.to_string(), "the subscriptions are as they should be");
        let both = plan(&[], &BTreeMap::new(), &wanted, noon());
        assert_eq!(
            both.to_string(),
            "2 things to do about subscriptions; subscribe to users; subscribe to groups"
        );
    }
}
