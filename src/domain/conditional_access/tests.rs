//! What protects and what does not.
