//! Pure decisions over values: no async, clock, environment, network or files.

pub mod id;
pub mod text;
pub mod secret;
pub mod signal;
pub mod work;
pub mod role;
pub mod app_role;
pub mod roster;
pub mod policy;
pub mod conditional_access;
pub mod facts;
pub mod grant;
pub mod finding;
pub mod scan;
pub mod snapshot;
pub mod scrub;
pub mod plan;
pub mod proof;
pub mod trial;
pub mod case;
pub mod ticket;
pub mod record;
pub mod restore;
pub mod replay;
pub mod phase;
pub mod subscription;
