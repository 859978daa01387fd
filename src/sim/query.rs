//! The `OData` query options the simulated part of Graph understands, pages, and the choice of
//! properties (<https://learn.microsoft.com/graph/query-parameters>).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::ids;
use super::reply::GraphError;

/// The most `$top` may ask for.
const MOST: usize = 999;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// The query options of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) filter: Option<Filter>,
    pub(crate) select: Option<Vec<String>>,
    pub(crate) expand: Option<String>,
    pub(crate) order: Option<String>,
    pub(crate) top: Option<usize>,
    pub(crate) count: bool,
    pub(crate) from: Option<Place>,
}

/// `field eq value`, or `field ge time` where times are compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) field: String,
    pub(crate) value: String,
    /// Whether the field is to be that or greater.
    pub(crate) ge: bool,
    /// Whether the value is a GUID without quotes, as fields of type `Edm.Guid` want it.
    pub(crate) guid: bool,
}

/// Where a page begins: after item `after`, in the traversal that began as read `read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) read: u64,
    pub(crate) after: u64,
}

impl Query {
    pub(crate) fn parse(raw: &str) -> Result<Self, GraphError> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            match name.as_ref() {
                "$filter" => query.filter = Some(Filter::parse(&value)?),
                "$select" => query.select = Some(names(&value)),
                "$expand" => query.expand = Some(value.into_owned()),
                "$orderby" => query.order = Some(value.into_owned()),
                "$top" => query.top = Some(top(&value)?),
                "$skiptoken" => query.from = Some(Place::parse(&value)?),
                "$count" => query.count = value == "true",
                other if other.starts_with('$') => {
                    let message = format!("The query parameter '{other}' is not supported.");
                    return Err(GraphError::bad_request(message));
                }
                _ => {}
            }
        }
        Ok(query)
    }

    /// The filter's value, if the filter is on `field` and there is one; any other filter is
    /// refused.
    pub(crate) fn filter_on(&self, fields: &[&str]) -> Result<Option<(&str, &str)>, GraphError> {
        match &self.filter {
            None => Ok(None),
            Some(Filter { field, value, ge: false, guid: false })
                if fields.contains(&field.as_str()) =>
            {
                Ok(Some((field, value)))
            }
            Some(Filter { field, .. }) => Err(GraphError::unsupported(format!(
                "Unsupported or invalid query filter clause specified for property '{field}'."
            ))),
        }
    }

    /// Leaves the selected properties, or else all; `known` are those its type has.
    pub(crate) fn choose(&self, mut object: Object, known: &[&str]) -> Result<Object, GraphError> {
        let Some(select) = &self.select else { return Ok(object) };
        if let Some(unknown) = select.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(no_property(unknown));
        }
        object.retain(|name, _| select.contains(name) || name.starts_with('@'));
        Ok(object)
    }

    /// Leaves the selected properties, or else the default ones.
    pub(crate) fn project(
        &self,
        mut object: Object,
        defaults: &[&str],
    ) -> Result<Object, GraphError> {
        let Some(select) = &self.select else {
            object.retain(|name, _| defaults.contains(&name.as_str()) || name.starts_with('@'));
            return Ok(object);
        };
        if let Some(unknown) = select.iter().find(|name| !object.contains_key(*name)) {
            return Err(no_property(unknown));
        }
        object.retain(|name, _| select.contains(name) || name.starts_with('@'));
        Ok(object)
    }
}

fn no_property(name: &str) -> GraphError {
    GraphError::bad_request(format!("Could not find a property named '{name}'."))
}

impl Filter {
    fn parse(text: &str) -> Result<Self, GraphError> {
        let invalid = || GraphError::bad_request(format!("Invalid filter clause: '{text}'."));
        if let Some((field, value)) = text.trim().split_once(" ge ") {
            let value = value.trim().to_owned();
            return Ok(Self { field: field.trim().to_owned(), value, ge: true, guid: false });
        }
        let (field, value) = text.trim().split_once(" eq ").ok_or_else(invalid)?;
        let value = value.trim();
        let quoted = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        let value = match quoted {
            Some(inner) if !inner.replace("''", "").contains('\'') => inner.replace("''", "'"),
            None if matches!(value, "true" | "false") || ids::is_guid(value) => value.to_owned(),
            Some(_) | None => return Err(invalid()),
        };
        let guid = quoted.is_none() && ids::is_guid(&value);
        Ok(Self { field: field.trim().to_owned(), value, ge: false, guid })
    }
}

impl Place {
    fn parse(token: &str) -> Result<Self, GraphError> {
        let parsed = || {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
            let (read, after) = text.split_once('.')?;
            Some(Self { read: read.parse().ok()?, after: after.parse().ok()? })
        };
        parsed().ok_or_else(|| GraphError::bad_request("The skip token is not valid."))
    }

    fn token(self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}.{}", self.read, self.after))
    }

    /// The address of the page that begins here: the same request with another `$skiptoken`.
    pub(crate) fn link(self, origin: &str, path: &str, raw_query: &str) -> String {
        let is_token = |pair: &&str| {
            let mut parsed = form_urlencoded::parse(pair.as_bytes());
            parsed.next().is_some_and(|(name, _)| name == "$skiptoken")
        };
        let kept = raw_query.split('&').filter(|pair| !pair.is_empty() && !is_token(pair));
        let token = format!("$skiptoken={}", self.token());
        let pairs: Vec<&str> = kept.chain([token.as_str()]).collect();
        format!("{origin}{path}?{}", pairs.join("&"))
    }
}

/// The first `size` candidates, and the number of the last of them if more follow.
pub(crate) fn page<T>(
    candidates: impl Iterator<Item = (u64, T)>,
    size: usize,
) -> (Vec<T>, Option<u64>) {
    let mut candidates = candidates.peekable();
    let (mut items, mut last) = (Vec::new(), 0);
    while items.len() < size {
        let Some((number, item)) = candidates.next() else { return (items, None) };
        last = number;
        items.push(item);
    }
    let more = candidates.peek().is_some();
    (items, more.then_some(last))
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

fn top(value: &str) -> Result<usize, GraphError> {
    let parsed = value.parse().ok().filter(|top| (1..=MOST).contains(top));
    parsed.ok_or_else(|| {
        let rule = format!("Must be between 1 and {MOST} inclusive.");
        GraphError::unsupported(format!("Invalid page size specified: '{value}'. {rule}"))
    })
}
