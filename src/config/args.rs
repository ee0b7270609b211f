//! The flags that say where to connect, named as the `mysql` client's.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::connection::{Secret, TlsMode};

/// Connection flags, for any command that talks to servers.
///
/// `-h` is the host here, as in the `mysql` client, so commands with these flags give their help by `--help` only.
#[derive(Args, Clone, Debug, Default)]
#[command(disable_help_flag = true, next_help_heading = "Connection")]
pub struct ConnectArgs {
    /// Server to connect to; `localhost` means the Unix socket, unless --port is given
    #[arg(short = 'h', long, value_name = "HOST")]
    pub host: Option<String>,
    /// TCP port [default: 3306]
    #[arg(short = 'P', long, value_name = "PORT")]
    pub port: Option<String>,
    /// Unix socket to connect by
    #[arg(short = 'S', long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// User [default: your login name]
    #[arg(short = 'u', long, value_name = "NAME")]
    pub user: Option<String>,
    /// Read only this option file
    #[arg(long, value_name = "PATH", conflicts_with_all = ["defaults_extra_file", "no_defaults"])]
    pub defaults_file: Option<PathBuf>,
    /// Read this option file after the global ones
    #[arg(long, value_name = "PATH", conflicts_with = "no_defaults")]
    pub defaults_extra_file: Option<PathBuf>,
    /// Read no option file
    #[arg(long)]
    pub no_defaults: bool,
    /// Also read option groups with this suffix: [client_SUFFIX], [driftless_SUFFIX]
    #[arg(long, value_name = "SUFFIX")]
    pub defaults_group_suffix: Option<String>,
    /// Read the password from the first line of this file
    #[arg(long, value_name = "PATH", conflicts_with = "ask_password")]
    pub password_file: Option<PathBuf>,
    /// Ask for the password
    #[arg(long)]
    pub ask_password: bool,
    // Taken only to refuse it without repeating it; a bare `-p` asks, as in the `mysql` client.
    #[arg(short = 'p', long, hide = true, num_args = 0..=1, require_equals = false, default_missing_value = "")]
    #[arg(value_parser = clap::value_parser!(Secret), action = ArgAction::Set)]
    pub(super) password: Option<Secret>,
    /// Encryption over TCP [default: PREFERRED; VERIFY_CA when --ssl-ca is given]
    #[arg(long, value_enum, ignore_case = true, value_name = "MODE")]
    pub ssl_mode: Option<TlsMode>,
    /// PEM file of the certificate authorities to trust
    #[arg(long, value_name = "PATH")]
    pub ssl_ca: Option<PathBuf>,
    /// PEM file of the client's certificate
    #[arg(long, value_name = "PATH")]
    pub ssl_cert: Option<PathBuf>,
    /// PEM file of the client's private key
    #[arg(long, value_name = "PATH")]
    pub ssl_key: Option<PathBuf>,
    /// Seconds that opening a connection may take [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub connect_timeout: Option<String>,
    /// A further node of the cluster; repeatable
    #[arg(long = "node", value_name = "HOST:PORT")]
    pub nodes: Vec<String>,
    /// Reach a node that the cluster knows as FROM at TO (NAT); HOST[:PORT] each; repeatable
    #[arg(long = "address-map", value_name = "FROM=TO")]
    pub address_map: Vec<String>,
    /// Print help
    #[arg(long, action = ArgAction::Help, value_parser = clap::value_parser!(bool))]
    pub(super) help: Option<bool>,
}

impl ConnectArgs {
    /// Whether a password is to be asked for: `--ask-password`, or a bare `-p`.
    pub(super) fn asks(&self) -> bool {
        self.ask_password || self.password.as_ref().is_some_and(|given| given.expose().is_empty())
    }
}
