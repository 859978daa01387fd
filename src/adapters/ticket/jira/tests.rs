//! Jira as a strict fake.
