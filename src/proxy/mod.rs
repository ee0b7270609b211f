//! Takes nodes out of whatever stands before them, and puts them back.
//!
//! In:    a node's name and address; where the proxy is asked, or the commands of the user.
//! Out:   the `Proxy` port.
//! Never: decides when, remembers what it has done, talks to a database, or changes what a proxy stores on disk.

mod all;
mod command;
mod haproxy;

pub use all::All;
pub use command::Commands;
pub use haproxy::Haproxy;
