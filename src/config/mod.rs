//! Turns flags, environment and option files into settings.
//!
//! In:    `ConnectArgs`, the `Surroundings` (environment, home, file places), a way to ask for a password.
//! Out:   a `Connection` and `Warning`s.
//! Never: connects, prints, or keeps a password where `Debug` shows it.

pub mod args;
pub mod clock;
pub mod connection;
pub mod error;
pub mod machine;
pub mod option_file;
pub mod password;
pub mod plan_file;
pub mod proxies;
pub mod resolve;
pub mod surroundings;
pub mod units;

pub use args::ConnectArgs;
pub use clock::SystemClock;
pub use connection::{AddressMap, Connection, Endpoint, HostPort, Secret, Tls, TlsIdentity, TlsMode};
pub use error::{ConfigError, Warning};
pub use proxies::{ProxyLoginArgs, RestSettings};
pub use resolve::{Resolved, resolve};
pub use surroundings::Surroundings;
