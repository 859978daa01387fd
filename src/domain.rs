//! Pure decisions over values: no async, clock, environment, network or files.

pub mod id;
pub mod text;
pub mod secret;
pub mod signal;
pub mod work;
pub mod role;
pub mod roster;
pub mod policy;
pub mod facts;
pub mod grant;
pub mod finding;
pub mod scan;
pub mod plan;
pub mod trial;
pub mod case;
pub mod ticket;
pub mod record;
pub mod phase;
pub mod subscription;
