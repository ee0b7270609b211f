//! What the commands need of the terminal, with the command line's own types.

use super::args::Color;
use super::error::CliError;
use crate::report::style::{ColourChoice, Style};
use crate::report::{Complaint, ExitCode, terminal};

pub(super) use crate::report::terminal::{has_bar, print, stdout};

/// What clap has to say: help and version are no errors.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    drop(error.print());
    if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done }
}

/// Says why a command ends.
pub(super) fn fail(error: &CliError) -> ExitCode {
    for complaint in error.complaints() {
        complaint.print();
    }
    error.exit()
}

/// Colours and width for text on standard output.
pub(super) fn style(color: Color) -> Style {
    terminal::style(match color {
        Color::Auto => ColourChoice::Auto,
        Color::Always => ColourChoice::Always,
        Color::Never => ColourChoice::Never,
    })
}

/// Asks a yes-or-no question; without a terminal it can't be asked.
pub(super) fn confirm(question: &str) -> Result<bool, CliError> {
    match terminal::ask(question) {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(CliError::Usage(
            "there is no terminal to ask for confirmation".into(),
            "add --yes to run without asking".into(),
        )),
        Err(error) => Err(CliError::Surroundings(error.to_string())),
    }
}

/// Logs go to standard error, off unless `RUST_LOG` says otherwise.
pub(super) fn trace() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    // What the HTTP client traces are requests as they are sent, passwords in them.
    let quiet = ["ureq=off", "ureq_proto=off", "rustls=off"].iter().filter_map(|directive| directive.parse().ok());
    let filter = quiet.fold(filter, tracing_subscriber::EnvFilter::add_directive);
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .log_internal_errors(false)
            .with_writer(terminal::log)
            .try_init(),
    );
}

/// Writes a completion script.
pub(super) fn completions(shell: clap_complete::Shell, command: &mut clap::Command) -> ExitCode {
    // Into memory first: the generator panics when it can't write.
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "driftless", &mut script);
    written(terminal::write_out(|out| out.write_all(&script).and_then(|()| out.flush())))
}

/// Writes the manual page.
pub(super) fn man(command: clap::Command) -> ExitCode {
    written(terminal::write_out(|mut out| clap_mangen::Man::new(command).render(&mut out).and_then(|()| out.flush())))
}

fn written(outcome: std::io::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::Done,
        // A closed pipe has nobody left to be told.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::Done,
        Err(error) => {
            Complaint::new(format!("standard output could not be written: {error}")).print();
            ExitCode::Failed
        }
    }
}
