//! `driftless archive verify`: a file proven, and its rows back in a table.

use std::sync::Arc;

use driftless_strategies::TableName;
use serde_json::{Value, json};

use super::archive_args::VerifyArgs;
use super::args::Format;
use super::error::CliError;
use super::gather::{Servers, table_name};
use super::terminal;
use crate::archive::files::{Disk, Files};
use crate::archive::{ArchiveError, Loaded, Proof, Target, load, verify as prove};
use crate::ports::members::Discovered;
use crate::report::ExitCode;

pub(super) async fn verify(args: &VerifyArgs) -> Result<ExitCode, CliError> {
    let into = args.into.as_deref().map(table_name).transpose()?;
    let files: Arc<dyn Files> = Arc::new(Disk);
    let (path, proving) = (args.file.clone(), Arc::clone(&files));
    let proven = tokio::task::spawn_blocking(move || prove(proving.as_ref(), &path)).await;
    let proof = match proven.map_err(|error| CliError::Surroundings(error.to_string()))? {
        Ok(proof) => proof,
        Err(error) => {
            say_json(args, json!({ "file": args.file, "proven": false, "why": error.to_string() }));
            let complaint = CliError::Archive(error.clone());
            return match error {
                ArchiveError::Damaged { .. } | ArchiveError::Value { .. } | ArchiveError::Type { .. } => {
                    terminal::fail(&complaint);
                    Ok(ExitCode::Differences)
                }
                ArchiveError::Files { .. } => {
                    terminal::fail(&complaint);
                    Ok(if args.file.exists() { ExitCode::Failed } else { ExitCode::Usage })
                }
                ArchiveError::Exists(_)
                | ArchiveError::InUse(_)
                | ArchiveError::Pattern(_)
                | ArchiveError::Order { .. }
                | ArchiveError::Broken { .. }
                | ArchiveError::Target { .. }
                | ArchiveError::Server(_) => Err(complaint),
            };
        }
    };
    let Some(table) = into else {
        say(args, &proof, None);
        return Ok(ExitCode::Done);
    };
    let servers = Servers::of(&args.connect)?;
    let discovered = servers.discover().await?;
    let target = target(&servers, &table, &discovered).await?;
    let loaded = load(files, args.file.clone(), servers.first.as_ref(), &target).await.map_err(CliError::Archive)?;
    say(args, &proof, Some((&target.table, loaded)));
    Ok(ExitCode::Done)
}

async fn target(servers: &Servers, table: &TableName, discovered: &Discovered) -> Result<Target, CliError> {
    let Some(first) = discovered.members.first() else {
        return Err(CliError::Surroundings("no server answered".into()));
    };
    let (flavour, version) = (first.node.flavour, first.node.version);
    let mut session = servers.first.connect().await?;
    let dialect = crate::sql::catalog_table::Dialect { flavour, version };
    match crate::inspect::read_table(session.as_mut(), dialect, table).await? {
        Some(reading) => Ok(Target { table: reading.name, shape: reading.shape }),
        None => Err(CliError::Archive(ArchiveError::Target {
            table: table.to_string(),
            why: "it is not there; make it like the one that was archived".into(),
        })),
    }
}

fn say_json(args: &VerifyArgs, document: Value) {
    match args.show.format {
        Format::Json => terminal::print(&document.to_string()),
        Format::Text => {}
    }
}

fn say(args: &VerifyArgs, proof: &Proof, loaded: Option<(&TableName, Loaded)>) {
    let (head, table) = (&proof.head, proof.head.table.to_string());
    match args.show.format {
        Format::Json => {
            let mut document = json!({
                "file": args.file, "proven": true, "table": table, "format": head.format,
                "compression": head.compression, "begun": head.begun, "batches": proof.batches, "rows": proof.rows,
                "bytes": proof.bytes, "deleted": proof.deleted,
            });
            if let Some((into, loaded)) = loaded {
                document["into"] = json!(into.to_string());
                document["inserted"] = json!(loaded.inserted);
                document["present"] = json!(loaded.present);
            }
            terminal::print(&document.to_string());
        }
        Format::Text => {
            let shown = args.file.display();
            let text = format!(
                "{shown} is what was written: {} rows of {table} in {} batches, {} bytes.",
                proof.rows, proof.batches, proof.bytes
            );
            terminal::print(&text);
            if proof.deleted < proof.rows {
                let kept = proof.rows - proof.deleted;
                terminal::print(&format!("The delete of {kept} of them from the source is not noted."));
            }
            if let Some((into, loaded)) = loaded {
                let text = format!(
                    "{into} has them now: {} inserted, {} were there already.",
                    loaded.inserted, loaded.present
                );
                terminal::print(&text);
            }
        }
    }
}
