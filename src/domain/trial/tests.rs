//! What tests of a policy are given, and how they come out.
