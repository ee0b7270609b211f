//! Standard output and error: whole texts, questions, colours.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use super::style::{Colour, ColourChoice, Reader, Style};

/// Widest text when there is no terminal to ask.
const WIDTH: u16 = 100;

/// Prints a whole text with a line end. A closed pipe has nobody left to be told.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.trim_end().as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()));
}

/// Lets something write itself to standard output.
///
/// # Errors
/// As the handle's.
pub fn write_out(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    write(&mut io::stdout().lock())
}

/// Standard output for somebody who keeps it.
#[must_use]
pub fn stdout() -> Box<dyn Write + Send> {
    Box::new(io::stdout())
}

/// Where logs go.
#[must_use]
pub fn log() -> io::Stderr {
    io::stderr()
}

/// Asks a yes-or-no question; `None` without a terminal to ask.
///
/// # Errors
/// When the answer can't be read.
pub fn ask(question: &str) -> io::Result<Option<bool>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let mut err = io::stderr().lock();
    err.write_all(format!("{question} [y/N] ").as_bytes())?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
}

/// Colours and width for text on standard output.
#[must_use]
pub fn style(choice: ColourChoice) -> Style {
    let reader = if io::stdout().is_terminal() { Reader::Terminal } else { Reader::File };
    let no_color = std::env::var("NO_COLOR").ok();
    Style { colour: Colour::decide(choice, reader, no_color.as_deref()), width: WIDTH }
}

/// Whether standard error is a terminal that a progress bar can live on.
#[must_use]
pub fn has_bar() -> bool {
    io::stderr().is_terminal()
}
