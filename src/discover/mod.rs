//! From one server to all that hang together with it.
//!
//! In:    a first server, a way to connect to others, addresses that the user named, an address map.
//! Out:   `Discovered`: the topology, every member with a direct connection, replicas, what was not reached.
//! Never: believes an address: who answers has to prove that it is another member of the same cluster.

mod address;
mod galera;
mod replication;
mod seek;
mod sighting;

#[cfg(test)]
mod tests;

pub use seek::{Seek, discover};
pub(crate) use sighting::Sighting;
