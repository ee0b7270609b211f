//! Speaks to servers: the only room that names the driver.
//!
//! In:    a `Connection` and an `Endpoint`.
//! Out:   `ports::server::{Server, Session}`, `ports::changes::{Changes, ChangeSource}`.
//! Never: hands out the rows of one statement as another's, waits without a limit, or shows a password.

pub mod classify;
pub mod kept;

mod about;
mod admin;
mod changes;
mod rescue;
mod server;
mod session;
mod statement;
mod stream;
mod tls;

pub use admin::AdminServer;
pub use changes::MysqlChanges;
pub use server::MysqlServer;
