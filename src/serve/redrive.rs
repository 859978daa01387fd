//! What was given up, listed and put back.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::{ServeError, store_and_queue};
use crate::adapters::clock::SystemClock;
use crate::adapters::sqlite::Sqlite;
use crate::config::Config;
use crate::ports::{Clock as _, DeadLetter, DeadLetters as _, Kind, PortError, Redriven};

/// How a person names a dead letter: `look-3`, `ticket-12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// What it is about.
    pub kind: Kind,
    /// Its number.
    pub number: i64,
}

/// What was given is no name of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a dead letter such as look-3 or ticket-12; `redrive list` shows them")]
pub struct NotAName;

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (kind, number) = text.split_once('-').ok_or(NotAName)?;
        let kind = match kind {
            "look" => Kind::Look,
            "ticket" => Kind::Ticket,
            _ => return Err(NotAName),
        };
        Ok(Self { kind, number: number.parse().map_err(|_| NotAName)? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Look => "look",
            Kind::Ticket => "ticket",
        };
        write!(f, "{kind}-{}", self.number)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One dead letter.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// Its name.
    pub id: Name,
    /// Tenant and subject of a look, by name; sink and id of a message.
    pub what: String,
    /// When it was given up.
    pub at: jiff::Timestamp,
    /// Why.
    pub reason: String,
    /// What became of it, once it was to be put back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub became: Option<Redriven>,
}

/// Why dead letters could not be read or put back.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// The store cannot be opened; `serve` may be running.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The store failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// There is none of this name.
    #[error("there is no dead letter {0}; `redrive list` shows those there are")]
    Absent(Name),
}

/// The dead letters, those of looks first.
///
/// # Errors
/// [`RedriveError::Serve`] and [`RedriveError::Port`].
pub async fn list(config: &Config) -> Result<Vec<Letter>, RedriveError> {
    let (store, queue) = store_and_queue(config)?;
    letters(config, &store, &queue).await
}

async fn letters(
    config: &Config,
    store: &Sqlite,
    queue: &Sqlite,
) -> Result<Vec<Letter>, RedriveError> {
    let of = |kind: Kind| move |letter: &DeadLetter| letter.kind == kind;
    let looks = queue.dead_letters().await?.into_iter().filter(of(Kind::Look));
    let tickets = store.dead_letters().await?.into_iter().filter(of(Kind::Ticket));
    Ok(looks.chain(tickets).map(|letter| shown(config, letter)).collect())
}

/// With the tenant's name in place of its id.
fn shown(config: &Config, letter: DeadLetter) -> Letter {
    let DeadLetter { number, at, kind, what, reason } = letter;
    let named = what.split_once(' ').and_then(|(tenant, subject)| {
        let tenant = config.policy.roster.tenant(tenant.parse().ok()?)?;
        Some(format!("{} ({subject})", tenant.name))
    });
    let what = named.unwrap_or(what);
    Letter { id: Name { kind, number }, what, at, reason, became: None }
}

/// Puts dead letters back: those of a kind, those of these names, or all. They are due at once.
///
/// # Errors
/// [`RedriveError`]. What was put back before an error stays put back.
pub async fn run(
    config: &Config,
    kind: Option<Kind>,
    names: &[Name],
) -> Result<Vec<Letter>, RedriveError> {
    let (store, queue) = store_and_queue(config)?;
    let mut all = letters(config, &store, &queue).await?;
    if let Some(absent) = names.iter().find(|name| !all.iter().any(|it| it.id == **name)) {
        return Err(RedriveError::Absent(*absent));
    }
    all.retain(|it| kind.is_none_or(|kind| it.id.kind == kind));
    all.retain(|it| names.is_empty() || names.contains(&it.id));
    for letter in &mut all {
        let file = match letter.id.kind {
            Kind::Look => &queue,
            Kind::Ticket => &store,
        };
        letter.became = Some(file.redrive(letter.id.number, SystemClock.now()).await?);
    }
    Ok(all)
}

impl Letter {
    /// Whether it was to be put back and was not.
    pub fn is_stuck(&self) -> bool {
        self.became.is_some_and(|became| became != Redriven::PutBack)
    }
}

/// Dead letters, for people.
pub fn text(all: &[Letter]) -> String {
    if all.is_empty() {
        return "nothing was given up".to_owned();
    }
    let lines = all.iter().map(|letter| {
        let Letter { id, what, at, reason, became } = letter;
        let at = at.strftime("%Y-%m-%d %H:%M");
        match became {
            None => format!("{id}  {at}  {what}: {reason}"),
            Some(Redriven::PutBack) => format!("{id}  waits again: {what}"),
            Some(Redriven::Unreadable) => format!("{id}  cannot be read, left where it is: {what}"),
            Some(Redriven::Absent) => format!("{id}  is not there any more: {what}"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_has_one_name() {
        for text in ["look-3", "ticket-12"] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
        for text in ["", "3", "look", "look-", "look-x", "case-3", "ticket 3"] {
            assert_eq!(text.parse::<Name>(), Err(NotAName), "{text}");
        }
    }
}
