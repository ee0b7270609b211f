//! Whole migrations on a simulated Galera cluster that is stricter than a real one.
//!
//! In:    seeds; `SIM_SEEDS=from..to cargo test --release --test sim nothing_is_lost` for a long night.
//! Out:   the engine's endings, and every violation of what it promises, with the seed that shows it.
//! Never: talks to a server, or lets anything but the seed decide.

#[cfg(test)]
mod application;
#[cfg(test)]
mod applying;
#[cfg(test)]
mod binlog;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod fence;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod lot;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod prng;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod surroundings;
#[cfg(test)]
mod syncing;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod time;
#[cfg(test)]
mod world;
#[cfg(test)]
mod writes;
