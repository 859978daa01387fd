//! The ports, connected to the world.

#[cfg(feature = "aws")]
pub mod aws;
pub mod clock;
pub mod http;
pub mod key_set;
pub mod graph;
pub mod partner_center;
pub mod management;
pub mod recorder;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "sqlite")]
pub mod stop_file;
pub mod ticket;
#[cfg(test)]
mod behaviour;
#[cfg(test)]
mod testing;
