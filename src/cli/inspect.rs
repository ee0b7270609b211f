//! `driftless inspect`: reads what a plan rests on, and saves it for `plan --facts`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use super::args::{Format, InspectArgs};
use super::error::CliError;
use super::gather::{Servers, table_name};
use super::terminal;
use crate::inspect::{Limits, facts_text, without_statements};
use crate::report::{self, ExitCode};

pub(super) async fn inspect(args: &InspectArgs) -> Result<ExitCode, CliError> {
    let table = table_name(&args.table)?;
    // What can be said without the servers is said before they are asked.
    if let Some(file) = args.out.as_ref().filter(|_| !args.force) {
        absent(file)?;
    }
    let servers = Servers::of(&args.connect)?;
    let discovered = servers.discover().await?;
    let limits = Limits { old_transaction: args.max_transaction_age };
    let facts = crate::inspect::inspect(&discovered, &table, None, &limits).await?;
    let facts = without_statements(facts);
    let text = facts_text(&facts).map_err(|error| CliError::Surroundings(error.to_string()))?;
    if let Some(file) = &args.out {
        save(&text, file, args.force)?;
    }
    match args.show.format {
        Format::Json => terminal::print(text.trim_end()),
        Format::Text => {
            terminal::print(&report::facts_text::facts_text(&facts, &terminal::style(args.show.color)));
            if let Some(file) = &args.out {
                terminal::print(&format!("The facts are in {}", file.display()));
            }
        }
    }
    Ok(ExitCode::Done)
}

const CANT_SAVE: &str = "the facts can't be saved";

fn absent(file: &Path) -> Result<(), CliError> {
    match file.symlink_metadata() {
        Ok(_) => Err(CliError::File(
            CANT_SAVE,
            file.to_owned(),
            "there is a file of that name already".into(),
            "name another one, or add --force to replace it",
        )),
        Err(_) => Ok(()),
    }
}

/// Whole or not at all: into a file beside it first, which then takes the name.
fn save(text: &str, file: &Path, force: bool) -> Result<(), CliError> {
    let bad = |why: String| {
        CliError::File(CANT_SAVE, file.to_owned(), why, "name a file in a directory that you may write to")
    };
    let Some(name) = file.file_name() else { return Err(bad("it names no file".into())) };
    let mut draft = OsString::from(".");
    draft.push(name);
    draft.push(format!(".{}", std::process::id()));
    let draft = file.with_file_name(draft);
    let written = write(text, &draft).map_err(|error| bad(error.to_string()));
    let placed = written.and_then(|()| if force { Ok(()) } else { absent(file) });
    let placed = placed.and_then(|()| std::fs::rename(&draft, file).map_err(|error| bad(error.to_string())));
    if placed.is_err() {
        // Where the draft could not be written there is none to remove.
        drop(std::fs::remove_file(&draft));
    }
    placed
}

fn write(text: &str, draft: &Path) -> std::io::Result<()> {
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).open(draft)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_on_request_and_never_half() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("facts.json");
        save("one\n", &file, false).unwrap();
        assert!(absent(&file).is_err());
        assert!(save("two\n", &file, false).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\n");
        save("two\n", &file, true).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "two\n");
        assert!(save("x", dir.path(), true).is_err(), "a directory");
        assert!(save("x", &dir.path().join("none/facts.json"), false).is_err(), "no such directory");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }
}
