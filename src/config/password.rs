//! Where the password comes from: a prompt, a file, the environment, an option file.

use std::io;
use std::path::Path;

use super::connection::Secret;
use super::error::{ConfigError, Warning};
use super::option_file::others_can_read;

/// Asks on the terminal, without showing what is typed.
///
/// # Errors
/// When there is no terminal.
pub fn ask_on_terminal(question: &str) -> io::Result<String> {
    rpassword::prompt_password(question)
}

/// The first line of the file, which `flag` names.
pub(super) fn from_file(flag: &str, file: &Path, warnings: &mut Vec<Warning>) -> Result<Secret, ConfigError> {
    let unreadable = |what: String| ConfigError::Unreadable { place: flag.into(), file: file.into(), what };
    let text = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(text).map_err(|_| unreadable("it is not UTF-8".into()))?;
    if std::fs::metadata(file).is_ok_and(|meta| others_can_read(&meta)) {
        warnings.push(Warning::PasswordReadable(file.into()));
    }
    let line = text.split('\n').next().unwrap_or_default();
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line)))
}
