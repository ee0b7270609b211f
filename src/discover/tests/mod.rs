//! Discovery against servers made of maps.

mod addresses;
mod clusters;
mod fake;
mod singles;
