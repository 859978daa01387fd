//! Pure decisions over values: no async, clock, environment, network or files.

pub mod case;
pub mod facts;
pub mod finding;
pub mod grant;
pub mod id;
pub mod plan;
pub mod policy;
pub mod record;
pub mod role;
pub mod roster;
pub mod secret;
pub mod signal;
pub mod text;
pub mod ticket;
