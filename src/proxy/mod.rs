//! Takes nodes out of whatever stands before them, and puts them back.
//!
//! In:    a node's name and address; where the proxy is asked, or the commands of the user.
//! Out:   the `Proxy` port, one value a proxy.
//! Never: decides when, remembers what it has done, or changes what a proxy stores on disk. Of a database it asks and sets
//!        `pxc_maint_mode` only.

mod address;
mod command;
mod haproxy;
mod maint_mode;
mod maxscale;
mod proxysql;
mod rest;

pub use command::Commands;
pub use haproxy::Haproxy;
pub use maint_mode::MaintMode;
pub use maxscale::Maxscale;
pub use proxysql::Proxysql;
pub use rest::{Login, Rest};
