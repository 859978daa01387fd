//! Text that must never be shown.

use std::fmt;

use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// A secret. It cannot be printed: `Debug` says `[redacted]`, and there is no `Display`. Two are
/// compared in a time that does not depend on how much of them is alike.
#[derive(Clone, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into keeping.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be handed to what needs it and to nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some([redacted])");
    }

    #[test]
    fn a_secret_is_like_itself_and_no_other() {
        assert!(Secret::new("hunter2") == Secret::new("hunter2"));
        for other in ["", "hunter", "hunter22", "Hunter2"] {
            assert!(Secret::new("hunter2") != Secret::new(other), "{other}");
        }
    }
}
