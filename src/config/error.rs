//! What can be wrong with settings, and what is merely unwise.

use std::path::PathBuf;

/// Why the settings can't be used. One message for the user; every one is a usage error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A password stood on the command line. The message must not repeat it.
    #[error(
        "a password on the command line is visible to every user of this machine and is not accepted; put it into \
         ~/.my.cnf ([client] password=…), MYSQL_PWD or a file named by --password-file, or let --ask-password ask for it"
    )]
    PasswordOnCommandLine,
    /// An option file has a line that can't be understood.
    #[error("{file}:{line}: {what}", file = .file.display())]
    OptionFile {
        /// Which file.
        file: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A value is wrong.
    #[error("{place}: {what}")]
    Value {
        /// The flag, the environment variable, or `file:line: option`.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file that was named can't be read.
    #[error("{place}: can't read {file}: {what}", file = .file.display())]
    Unreadable {
        /// What named it.
        place: String,
        /// Which file.
        file: PathBuf,
        /// The system's words.
        what: String,
    },
    /// The password can't be asked for.
    #[error(
        "--ask-password: can't ask for the password ({0}); without a terminal use an option file, MYSQL_PWD or \
         --password-file"
    )]
    Prompt(String),
}

/// What the user should know and may ignore.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A file with a password can be read by others.
    #[error("{file} holds a password and can be read by other users; chmod 600 it", file = .0.display())]
    PasswordReadable(PathBuf),
    /// An option file was left out because anybody can write to it.
    #[error("{file} was left out, because every user can write to it", file = .0.display())]
    WorldWritable(PathBuf),
    /// An option file that exists could not be read.
    #[error("{file} was left out: {what}", file = .file.display())]
    LeftOut {
        /// Which file or folder.
        file: PathBuf,
        /// The system's words.
        what: String,
    },
}
