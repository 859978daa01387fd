//! Connections that misbehave, against a door in this process.
