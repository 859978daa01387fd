//! The nearest spelling of a name that is none.

/// Of `known`, what `text` was probably meant to be; nothing where nothing is close.
///
/// Case does not matter. Close is what takes at most one slip in three characters.
pub(super) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 120;

    if text.len() > LONGEST {
        return None;
    }
    let folded = text.trim().to_lowercase();
    let close = |name: &str| {
        let lower = name.to_lowercase();
        let distance = strsim::damerau_levenshtein(&lower, &folded);
        // Somebody who leaves out the end of a long name means that name too.
        let begun = folded.chars().count() >= 4 && lower.starts_with(&folded);
        (begun || distance <= name.chars().count().max(3) / 3).then_some(distance)
    };
    let near = known.into_iter().filter_map(|name| Some((close(name)?, name)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// `; did you mean …?`, where there is something to mean.
pub(super) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// `one of observe, approve, enforce`.
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [only] => (*only).to_owned(),
        _ => format!("one of {}", names.join(", ")),
    }
}

/// `a, b`, or `none`.
pub(super) fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let known = ["partners", "customers", "unlisted", "id", "name", "privileged-role"];
        for (text, expect) in [
            ("partner", Some("partners")),
            ("parnters", Some("partners")),
            ("PARTNERS", Some("partners")),
            ("nam", Some("name")),
            ("ids", Some("id")),
            ("priv", Some("privileged-role")),
            ("priviledged-role", Some("privileged-role")),
            ("respond", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, known), expect, "{text}");
        }
        assert_eq!(nearest(&"partners".repeat(1000), known), None);
    }
}
