//! The changes of a plan file, each as if it had been typed.

use std::path::{Path, PathBuf};

use super::args::{ChangeArgs, PaceArgs};
use super::error::CliError;
use crate::config::plan_file::{self, Settings};

/// One change with everything that flags can say about it.
pub(super) struct Change {
    pub(super) change: ChangeArgs,
    pub(super) pace: PaceArgs,
    pub(super) postpone: Option<PathBuf>,
}

/// Whether a file is a plan file, by its name.
pub(super) fn is_plan_file(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// Reads a plan file; flags hold where neither the change nor the file's defaults say otherwise.
pub(super) fn read(file: &Path, flags: &ChangeArgs, pace: &PaceArgs) -> Result<Vec<Change>, CliError> {
    let read = plan_file::read(file)?;
    let one = |change: plan_file::FileChange| {
        let mut made = Change { change: flags.clone(), pace: pace.clone(), postpone: None };
        made.change.table = change.table;
        made.change.alter = Some(change.alter);
        overlay(&mut made, &read.defaults);
        overlay(&mut made, &change.settings);
        made
    };
    Ok(read.changes.into_iter().map(one).collect())
}

fn overlay(made: &mut Change, said: &Settings) {
    fn set<T: Clone>(place: &mut T, said: Option<&T>) {
        if let Some(said) = said {
            place.clone_from(said);
        }
    }
    let (change, pace) = (&mut made.change, &mut made.pace);
    change.strategy = said.strategy.or(change.strategy);
    set(&mut change.allow_lossy, said.allow_lossy.as_ref());
    set(&mut change.allow_drop_add, said.allow_drop_add.as_ref());
    set(&mut change.allow, said.allow.as_ref());
    set(&mut change.deny_lints, said.deny_lints.as_ref());
    set(&mut change.keep_retired, said.keep_retired.as_ref());
    set(&mut change.max_stall, said.max_stall.as_ref());
    set(&mut change.max_transaction_age, said.max_transaction_age.as_ref());
    set(&mut change.precheck_time, said.precheck_time.as_ref());
    set(&mut pace.workers, said.workers.as_ref());
    set(&mut pace.chunk_time, said.chunk_time.as_ref());
    set(&mut pace.chunk_rows, said.chunk_rows.as_ref());
    set(&mut pace.chunk_bytes, said.chunk_bytes.as_ref());
    pace.max_rows_per_second = said.max_rows_per_second.or(pace.max_rows_per_second);
    set(&mut pace.max_flow_control_paused, said.max_flow_control_paused.as_ref());
    set(&mut pace.max_lag, said.max_lag.as_ref());
    set(&mut pace.max_threads_running, said.max_threads_running.as_ref());
    set(&mut pace.max_load, said.max_load.as_ref());
    set(&mut pace.lock_wait, said.lock_wait.as_ref());
    set(&mut pace.patience, said.patience.as_ref());
    if said.postpone_cutover_file.is_some() {
        made.postpone.clone_from(&said.postpone_cutover_file);
    }
}
