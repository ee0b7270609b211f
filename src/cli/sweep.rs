//! `driftless cleanup`: lists or removes what jobs that are over left behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::{CopySpec, Reason, ReasonCode};
use serde_json::json;

use super::args::{CleanupArgs, Format};
use super::error::CliError;
use super::gather::Servers;
use super::{assemble, terminal};
use crate::cutover::objects::TableObjects;
use crate::engine::journal::{Entry, JournalStore};
use crate::ports::journal::Phase;
use crate::ports::members::Discovered;
use crate::ports::objects::{Keep, Objects as _};
use crate::report::ExitCode;

/// Longest wait for a metadata lock.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// Journal entries of jobs that have been over for so long are deleted.
const OLD_DAYS: u64 = 90;

/// Something that a job left.
struct Remains {
    entry: Entry,
    copy: CopySpec,
    what: String,
    keep: Keep,
}

pub(super) async fn cleanup(args: &CleanupArgs) -> Result<ExitCode, CliError> {
    let servers = Servers::of(&args.connect)?;
    let store = servers.journal().await?;
    if !store.exists().await? {
        say(args, &[], "there is no journal on this server: driftless made nothing here");
        return Ok(ExitCode::Done);
    }
    let discovered = servers.discover().await?;
    let remains = find(&store, &discovered, args).await?;
    let found: Vec<String> = remains.iter().map(|left| format!("{} (job {})", left.what, left.entry.job.id)).collect();
    if !args.yes {
        say(args, &found, if found.is_empty() { "nothing to clean up" } else { "add --yes to remove this" });
        return Ok(ExitCode::Done);
    }
    for left in &remains {
        // A job that began meanwhile uses the same names.
        let table = &left.entry.job.plan.table;
        if store.entries(false).await?.iter().any(|entry| entry.job.plan.table == *table) {
            return Err(CliError::Refused(vec![Reason::new(
                ReasonCode::JobActive,
                format!("a job on {table} has begun meanwhile; nothing of it was touched"),
                "run cleanup again when that job is over: see driftless status",
            )]));
        }
        let objects = objects(&left.entry, &left.copy, &discovered)?;
        match left.entry.job.phase {
            Phase::Done => objects.drop_retired(left.keep).await?,
            Phase::Planned
            | Phase::Shadowing
            | Phase::Arming
            | Phase::Copying
            | Phase::Verifying
            | Phase::Holding
            | Phase::Altering
            | Phase::Switching
            | Phase::Finishing
            | Phase::Undoing
            | Phase::Undone => objects.undo().await?,
        }
    }
    let old = store.delete_old(OLD_DAYS).await?;
    say(args, &found, &format!("removed; {old} journal entries older than {OLD_DAYS} days deleted"));
    Ok(ExitCode::Done)
}

fn say(args: &CleanupArgs, found: &[String], summary: &str) {
    match args.show.format {
        Format::Json => {
            terminal::print(&json!({ "found": found, "removed": args.yes, "summary": summary }).to_string());
        }
        Format::Text => {
            let lines: Vec<&str> = found.iter().map(String::as_str).chain([summary]).collect();
            terminal::print(&lines.join("\n"));
        }
    }
}

/// What stands of jobs that are over. The latest job of a table speaks for its names; a table with a job under way is
/// left alone, because the names are that job's.
async fn find(store: &JournalStore, discovered: &Discovered, args: &CleanupArgs) -> Result<Vec<Remains>, CliError> {
    let mut remains = Vec::new();
    let mut seen = BTreeSet::new();
    let mut entries = store.entries(true).await?;
    // Jobs under way first, so that their tables are taken out.
    entries.sort_by_key(|entry| entry.job.phase.over());
    for entry in entries {
        let table = entry.job.plan.table.clone();
        // An ALTER of the table itself leaves nothing, and says nothing of what a copy before it has left.
        if entry.job.phase.over() && entry.job.plan.work.copy().is_none() {
            continue;
        }
        if !seen.insert(table) || !entry.job.phase.over() {
            continue;
        }
        let Some(copy) = entry.job.plan.work.copy().cloned() else { continue };
        let standing = objects(&entry, &copy, discovered)?.standing().await?;
        let left = if entry.job.phase == Phase::Undone && (standing.shadow || standing.triggers > 0) {
            Some((format!("shadow {} and {} triggers", copy.shadow, standing.triggers), Keep::Drop))
        } else if entry.job.phase == Phase::Done && standing.retired {
            match (entry.job.keep, args.retired) {
                (Keep::Drop, _) | (Keep::Keep, true) => Some((format!("retired table {}", copy.retired), Keep::Drop)),
                (Keep::Keep, false) if standing.triggers > 0 => {
                    Some((format!("{} triggers on {}", standing.triggers, copy.retired), Keep::Keep))
                }
                (Keep::Keep, false) => None,
            }
        } else {
            None
        };
        if let Some((what, keep)) = left {
            remains.push(Remains { entry, copy, what, keep });
        }
    }
    Ok(remains)
}

fn objects(entry: &Entry, copy: &CopySpec, discovered: &Discovered) -> Result<TableObjects, CliError> {
    let Some(first) = discovered.members.first() else {
        return Err(CliError::Surroundings("no server answered".into()));
    };
    let nodes = discovered.members.iter().map(|member| Arc::clone(&member.server)).collect();
    Ok(TableObjects::new(assemble::site(LOCK_WAIT, entry, Arc::new(copy.clone()), nodes, &first.node)))
}
