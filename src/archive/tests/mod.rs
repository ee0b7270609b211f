//! Files of every format: there and back, cut and bent, crashed at every instant.

mod bent;
mod crash;
mod disk;
mod formats;
mod sample;
