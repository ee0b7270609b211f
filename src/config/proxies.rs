//! Who asks a proxy's administrative interface: a flag, else the environment, else the option files, else the default.

use std::path::PathBuf;

use clap::Args;

use super::args::ConnectArgs;
use super::connection::{Connection, Endpoint, HostPort, Secret};
use super::error::{ConfigError, Warning};
use super::password;
use super::resolve::{Resolved, resolve_in};
use super::surroundings::Surroundings;

/// The port of ProxySQL's admin interface when none is given.
const PROXYSQL_PORT: u16 = 6032;
/// The port of MaxScale's REST API when none is given.
const MAXSCALE_PORT: u16 = 8989;
/// The user of both when none is given.
const ADMIN: &str = "admin";

/// Flags that say where proxies are administered, and as whom. Passwords never stand here.
#[derive(Args, Clone, Debug, Default)]
pub struct ProxyLoginArgs {
    /// Set each node OFFLINE_SOFT in this ProxySQL for its turn: its admin interface [port: 6032]; repeatable
    #[arg(long, value_name = "HOST:PORT")]
    pub proxysql: Vec<String>,
    /// User of the admin interface [default: admin]; the password: PROXYSQL_PWD, or [driftless-proxysql] of an option file
    #[arg(long, value_name = "NAME", requires = "proxysql")]
    pub proxysql_user: Option<String>,
    /// Read its password from the first line of this file
    #[arg(long, value_name = "PATH", requires = "proxysql")]
    pub proxysql_password_file: Option<PathBuf>,
    /// Drain each node in this MaxScale for its turn: its REST API (http://… or https://…) [port: 8989]; repeatable
    #[arg(long, value_name = "URL")]
    pub maxscale: Vec<String>,
    /// User of the REST API [default: admin]; the password: MAXSCALE_PWD, or [driftless-maxscale] of an option file
    #[arg(long, value_name = "NAME", requires = "maxscale")]
    pub maxscale_user: Option<String>,
    /// Read its password from the first line of this file
    #[arg(long, value_name = "PATH", requires = "maxscale")]
    pub maxscale_password_file: Option<PathBuf>,
}

/// What one kind of proxy is called, where.
struct Kind<'a> {
    flag: &'static str,
    variable: &'static str,
    group: &'static str,
    options: &'static [&'static str],
    user: Option<&'a String>,
    password_file: Option<&'a PathBuf>,
}

/// Settings of MaxScale's REST API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestSettings {
    /// `http://host:port` or `https://host:port`.
    pub base: String,
    /// As whom.
    pub user: String,
    /// With which password.
    pub password: Secret,
    /// PEM file of the CAs to trust; without it the public ones.
    pub ca: Option<PathBuf>,
}

impl RestSettings {
    /// Whether the password leaves this machine unencrypted.
    #[must_use]
    pub fn in_clear(&self) -> bool {
        let local = ["http://localhost:", "http://127.", "http://[::1]:"];
        self.base.starts_with("http://") && !local.iter().any(|start| self.base.starts_with(start))
    }
}

impl ProxyLoginArgs {
    /// Where each ProxySQL is administered. Option files are those of the servers' connection.
    ///
    /// # Errors
    /// `ConfigError`: one message that names the flag, the variable, or file and line.
    pub fn proxysql(
        &self,
        connect: &ConnectArgs,
        around: &Surroundings,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<Connection>, ConfigError> {
        let kind = Kind {
            flag: "--proxysql",
            variable: "PROXYSQL_PWD",
            group: "driftless-proxysql",
            options: &["user", "password", "ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "connect-timeout"],
            user: self.proxysql_user.as_ref(),
            password_file: self.proxysql_password_file.as_ref(),
        };
        let each = self.proxysql.iter().map(|text| {
            let address = address(kind.flag, text, text, PROXYSQL_PORT)?;
            kind.resolve(address, connect, around, warnings)
        });
        each.collect()
    }

    /// Where each MaxScale is administered.
    ///
    /// # Errors
    /// As `proxysql`.
    pub fn maxscale(
        &self,
        connect: &ConnectArgs,
        around: &Surroundings,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<RestSettings>, ConfigError> {
        let kind = Kind {
            flag: "--maxscale",
            variable: "MAXSCALE_PWD",
            group: "driftless-maxscale",
            options: &["user", "password", "ssl-ca"],
            user: self.maxscale_user.as_ref(),
            password_file: self.maxscale_password_file.as_ref(),
        };
        let each = self.maxscale.iter().map(|text| {
            let (scheme, place) = text.split_once("://").unwrap_or(("http", text));
            if !["http", "https"].contains(&scheme) {
                return Err(wrong(kind.flag, "is neither http:// nor https://".into()));
            }
            let address = address(kind.flag, text, place.trim_end_matches('/'), MAXSCALE_PORT)?;
            let base = format!("{scheme}://{address}");
            let Connection { user, password, tls, .. } = kind.resolve(address, connect, around, warnings)?;
            Ok(RestSettings { base, user, password, ca: tls.ca })
        });
        each.collect()
    }
}

fn wrong(flag: &str, what: String) -> ConfigError {
    ConfigError::Value { place: flag.into(), what }
}

/// Reads an address. One with a user in it may hold a password, and is not repeated.
fn address(flag: &str, text: &str, place: &str, port: u16) -> Result<HostPort, ConfigError> {
    if text.contains('@') {
        let what =
            format!("takes no user and no password; the user comes by {flag}-user, the password never by a flag");
        return Err(wrong(flag, what));
    }
    HostPort::parse(place, port).map_err(|what| wrong(flag, what))
}

impl Kind<'_> {
    fn resolve(
        &self,
        address: HostPort,
        connect: &ConnectArgs,
        around: &Surroundings,
        warnings: &mut Vec<Warning>,
    ) -> Result<Connection, ConfigError> {
        let args = ConnectArgs {
            user: self.user.cloned(),
            defaults_file: connect.defaults_file.clone(),
            defaults_extra_file: connect.defaults_extra_file.clone(),
            no_defaults: connect.no_defaults,
            defaults_group_suffix: connect.defaults_group_suffix.clone(),
            host: Some(address.host.clone()),
            port: Some(address.port.to_string()),
            ..ConnectArgs::default()
        };
        // Of the environment only what is the proxy's counts.
        let own = around.env.get(self.variable).map(|value| ("MYSQL_PWD".to_owned(), value.clone()));
        let around = Surroundings { env: own.into_iter().collect(), login: Some(ADMIN.into()), ..around.clone() };
        let mut nobody = |_: &str| Err(std::io::Error::other("a proxy's password is not asked for"));
        let Resolved { connection, warnings: found } =
            resolve_in(&args, &around, &mut nobody, &[self.group], self.options)?;
        warnings.extend(found.into_iter().filter(|warning| !warnings.contains(warning)).collect::<Vec<_>>());
        let password = match self.password_file {
            Some(file) => password::from_file(&format!("{}-password-file", self.flag), file, warnings)?,
            None => connection.password,
        };
        Ok(Connection { endpoint: Endpoint::Tcp(address), password, ..connection })
    }
}

#[cfg(test)]
#[path = "proxies_tests.rs"]
mod tests;
