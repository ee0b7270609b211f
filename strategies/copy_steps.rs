//! The steps of a copy, what each blocks and for how long, and how much the whole takes.

use crate::alter::Alter;
use crate::choose::{Draft, Options, is_set};
use crate::facts::{Facts, Topology};
use crate::foreign_keys::{Kept, keep, shadow_alter};
use crate::plan::{Closing, CopySpec, Estimate, Step, StepCost};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{bytes, count, list, many};

/// An ordered DDL on an empty table or of a trigger, milliseconds.
///
/// # Source
/// Measured on MariaDB 10.11, three nodes: three CREATE TRIGGER took 19 to 26 ms.
pub const ORDERED_DDL_MS: u64 = 10;
/// The RENAME, milliseconds; measured 10 to 12 ms in the same place.
pub const RENAME_MS: u64 = 12;
/// Writers held at the switch of a job that follows the binlog, milliseconds.
///
/// # Source
/// Three CREATE TRIGGER and the last changes, on MariaDB 10.11, three nodes on two cores under load: 40 to 90 ms.
pub const CLOSED_MS: u64 = 100;
/// Longest wait for a table's metadata lock where DDL waits for open transactions (no Galera), milliseconds.
pub const LOCK_WAIT_MS: u64 = 1000;
/// Time that a chunk's row locks are meant to be held, milliseconds.
pub const CHUNK_MS: u64 = 500;
/// Rows a second that are copied and bytes of table a second that are written, the slower counts.
///
/// # Source
/// Measured on MariaDB 10.11, three nodes on two cores, 1 M rows of 200 bytes: 11 to 15 s.
const ROWS_PER_S: u64 = 80_000;
const BYTES_PER_S: u64 = 16_000_000;
/// Rows a second that are compared; measured 0.5 to 0.8 s for 1 M rows and table, twice.
const COMPARED_PER_S: u64 = 600_000;
/// Dropping a file, milliseconds a GiB: a guess that errs to the high side on local disks.
const DROP_MS_PER_GIB: u64 = 100;

/// How changes come into the shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// In the application's own transactions.
    Triggers,
    /// From the binlog.
    Stream,
}

/// Steps and estimate of a copy.
pub(crate) fn draft(facts: &Facts, copy: &CopySpec, alter: &Alter, wishes: &Options, by: By) -> Draft {
    let keys = kept(facts, copy, alter);
    let steps = steps(facts, copy, alter, wishes, &keys, by);
    let stall_ms = steps.iter().map(|(_, cost)| cost.stall_ms).max().unwrap_or_default();
    let estimate = estimate(facts, stall_ms);
    Draft { steps, estimate }
}

/// Refuses when a step that can't be left out stalls all writers for longer than the limit. A chunk's locks are not
/// counted: they hold single rows, and chunks are sized by time.
pub(crate) fn too_long(facts: &Facts, copy: &CopySpec, alter: &Alter, wishes: &Options, by: By) -> Option<Reason> {
    let steps = steps(facts, copy, alter, wishes, &kept(facts, copy, alter), by);
    let needed = steps.iter().filter(|(step, _)| !matches!(step, Step::Drop | Step::Copy));
    let (_, cost) = needed.max_by_key(|(_, cost)| cost.stall_ms)?;
    (cost.stall_ms > wishes.max_stall_ms).then(|| {
        let (ms, limit) = (count(cost.stall_ms), count(wishes.max_stall_ms));
        let what = format!("a step stalls writers for about {ms} ms, and the limit is {limit} ms ({})", cost.what);
        Reason::new(Code::StallTooLong, what, format!("--max-stall {}ms", cost.stall_ms))
    })
}

/// What the change costs while it runs.
pub(crate) fn remarks(facts: &Facts, wishes: &Options, by: By) -> Vec<Reason> {
    let mut remarks = Vec::new();
    if by == By::Triggers {
        remarks.push(Reason::new(
            Code::WriteLoad,
            "until the switch every write to the table also writes the shadow, in the same transaction",
            "run it when the application has room for that",
        ));
    }
    if !facts.replicas.is_empty() {
        let names: Vec<&str> = facts.replicas.iter().map(|replica| replica.address.as_str()).collect();
        remarks.push(Reason::new(
            Code::ReplicaLoad,
            format!(
                "{} ({}) will receive the copy as row changes, about {}",
                many(names.len() as u64, "replica"),
                list(&names),
                bytes(binlog_bytes(facts))
            ),
            "the pace follows the lag of those that can be reached",
        ));
    }
    let drop_ms = drop_ms(facts);
    if !wishes.keep_retired && drop_ms > wishes.max_stall_ms {
        remarks.push(Reason::new(
            Code::StallTooLong,
            format!(
                "dropping the retired table may stall writers for {} ms, and the limit is {} ms",
                count(drop_ms),
                count(wishes.max_stall_ms)
            ),
            "--keep-retired, then drop it in a quiet hour",
        ));
    }
    remarks
}

/// `judge` has found these keys good before anything is planned; what it would refuse is left out here.
fn kept(facts: &Facts, copy: &CopySpec, alter: &Alter) -> Kept {
    let pairs: Vec<_> = copy.columns.iter().map(|pair| (pair.source.clone(), pair.shadow.clone())).collect();
    keep(&facts.table, alter, &pairs, &facts.name).unwrap_or_default()
}

fn steps(
    facts: &Facts,
    copy: &CopySpec,
    alter: &Alter,
    wishes: &Options,
    keys: &Kept,
    by: By,
) -> Vec<(Step, StepCost)> {
    let shadow = Step::Shadow { alter: shadow_alter(alter, &facts.table), foreign_keys: keys.all.clone() };
    let mut steps = vec![
        (Step::Journal, journal(facts)),
        (shadow, making(facts, copy, keys)),
        match by {
            By::Triggers => (Step::Triggers, arming(facts, copy)),
            By::Stream => following(facts),
        },
        (Step::Copy, copying(facts, by)),
        (Step::Verify, verifying()),
    ];
    if by == By::Stream {
        steps.push(closing(facts, copy));
    }
    steps.push((Step::Switch, switching(facts, copy)));
    if !keys.renamed.is_empty() {
        steps.push((Step::ForeignKeys { foreign_keys: keys.renamed.clone() }, renaming(facts, copy, keys)));
    }
    steps.push(if wishes.keep_retired {
        (Step::Keep, keeping(facts, copy, by))
    } else {
        (Step::Drop, dropping(facts, copy))
    });
    steps
}

fn galera(facts: &Facts) -> bool {
    matches!(facts.topology, Topology::Galera { .. })
}

fn cost(what: String, blocks: impl Into<String>, stall_ms: u64, undo: impl Into<String>) -> StepCost {
    StepCost { what, blocks: blocks.into(), stall_ms, undo: undo.into() }
}

/// What an ordered DDL on objects that no application uses blocks, and for how long.
fn aside(facts: &Facts) -> (String, u64) {
    if galera(facts) {
        ("commits on every node, at each statement".to_owned(), ORDERED_DDL_MS)
    } else {
        ("nothing of the application".to_owned(), 0)
    }
}

/// What DDL on the table itself blocks, and for how long.
fn on_table(facts: &Facts, ms: u64, times: &str) -> (String, u64) {
    if galera(facts) {
        (format!("commits on every node{times}; aborts open transactions on the table (error 1213)"), ms)
    } else {
        (
            format!("the table, while open transactions on it end{times}; gives up after the lock wait"),
            LOCK_WAIT_MS.max(ms),
        )
    }
}

pub(crate) fn journal(facts: &Facts) -> StepCost {
    let (blocks, ms) = aside(facts);
    cost("create the journal (schema driftless), where missing".to_owned(), blocks, ms, "driftless cleanup")
}

fn making(facts: &Facts, copy: &CopySpec, keys: &Kept) -> StepCost {
    let (mut blocks, ms) = aside(facts);
    let mut what = format!("create {} and alter it while it is empty", copy.shadow.table);
    if !keys.all.is_empty() {
        let parents: std::collections::BTreeSet<String> = keys
            .all
            .iter()
            .map(|key| format!("{}.{}", key.definition.parent_schema, key.definition.parent_table))
            .collect();
        let parents: Vec<String> = parents.into_iter().collect();
        what = format!("{what}, recreate {}", many(keys.all.len() as u64, "foreign key"));
        blocks = format!("{blocks}; writes to {} for that moment", list(&parents));
        return cost(what, blocks, ms.max(ORDERED_DDL_MS), "drop the shadow");
    }
    cost(what, blocks, ms, "drop the shadow")
}

fn arming(facts: &Facts, copy: &CopySpec) -> StepCost {
    let (blocks, ms) = on_table(facts, ORDERED_DDL_MS, ", three times");
    cost(format!("create three triggers on {}", copy.source.table), blocks, ms, "drop the triggers")
}

fn copying(facts: &Facts, by: By) -> StepCost {
    let undo = match by {
        By::Triggers => "drop the triggers, then the shadow",
        By::Stream => "drop the shadow",
    };
    cost(
        format!("copy about {} in chunks, by key", many(facts.load.rows, "row")),
        "writes to rows of a chunk while it is copied",
        CHUNK_MS,
        undo,
    )
}

/// The node that is copied on is the one whose binlog is read: a change in it can't be older than what is copied.
fn following(facts: &Facts) -> (Step, StepCost) {
    let node = facts.nodes.first().map(|node| node.name.clone()).unwrap_or_default();
    let what = format!("read the binlog of {node}, from before the first row is copied until the switch");
    (Step::Follow { node }, cost(what, "nothing", 0, "not needed"))
}

fn closing(facts: &Facts, copy: &CopySpec) -> (Step, StepCost) {
    let by = way_to_close(facts);
    let table = &copy.source.table;
    let (what, blocks) = match by {
        Closing::Fence => (
            format!("three triggers hold writes to {table}, while the last changes come in and are proven"),
            "writes to the table on every node, until the switch; those that wait for 2 s fail with 1205 and can be \
             repeated; each trigger aborts open transactions on the table (error 1213)",
        ),
        Closing::Sentry => (
            format!("lock {table} against writes, while the last changes come in and are proven"),
            "writes to the table, until the switch; waits for open transactions, gives up after the lock wait",
        ),
    };
    (
        Step::Close { by },
        cost(what, blocks, CLOSED_MS, "writes go on by themselves, at the latest at an end that the servers know"),
    )
}

/// How writers are held on these servers.
fn way_to_close(facts: &Facts) -> Closing {
    if galera(facts) { Closing::Fence } else { Closing::Sentry }
}

fn verifying() -> StepCost {
    cost("compare every row of table and shadow".to_owned(), "nothing", 0, "not needed")
}

fn switching(facts: &Facts, copy: &CopySpec) -> StepCost {
    let (blocks, ms) = on_table(facts, RENAME_MS, "");
    let what = format!("one RENAME: the table becomes {}, the shadow becomes the table", copy.retired.table);
    cost(what, blocks, ms, "none: the retired table misses the writes made since")
}

fn renaming(facts: &Facts, copy: &CopySpec, keys: &Kept) -> StepCost {
    let (blocks, ms) = on_table(facts, ORDERED_DDL_MS, ", twice");
    let names: Vec<String> = keys.renamed.iter().map(|key| format!("`{}`", key.name)).collect();
    let what = format!("take {} from {}, give the name to the new table's key", list(&names), copy.retired.table);
    cost(what, blocks, ms, "not needed")
}

fn keeping(facts: &Facts, copy: &CopySpec, by: By) -> StepCost {
    let (blocks, ms) = aside(facts);
    let what = match by {
        By::Triggers => format!("drop the triggers, keep {}", copy.retired.table),
        By::Stream => format!("drop triggers of the fence, keep {}", copy.retired.table),
    };
    cost(what, blocks, ms, "not needed")
}

fn dropping(facts: &Facts, copy: &CopySpec) -> StepCost {
    let (blocks, ms) = aside(facts);
    cost(format!("drop {} with its triggers", copy.retired.table), blocks, ms.max(drop_ms(facts)), "none")
}

/// Outside Galera nobody waits for the file to go.
fn drop_ms(facts: &Facts) -> u64 {
    if !galera(facts) {
        return 0;
    }
    let per_gib = (u128::from(extra(facts)) * u128::from(DROP_MS_PER_GIB)) >> 30;
    // Rounded up: a guess should not look like a measurement.
    let rounded = u64::try_from(per_gib).unwrap_or(u64::MAX).div_ceil(10).saturating_mul(10);
    ORDERED_DDL_MS.saturating_add(rounded)
}

fn extra(facts: &Facts) -> u64 {
    facts.load.data_bytes.saturating_add(facts.load.index_bytes)
}

/// A row event holds the whole row, the indexes are not in it.
fn binlog_bytes(facts: &Facts) -> u64 {
    if facts.nodes.iter().any(|node| is_set(node, "log_bin", "ON")) { facts.load.data_bytes } else { 0 }
}

fn estimate(facts: &Facts, stall_ms: u64) -> Estimate {
    let copying = (facts.load.rows / ROWS_PER_S).max(extra(facts) / BYTES_PER_S);
    let comparing = facts.load.rows / COMPARED_PER_S;
    Estimate {
        rows: facts.load.rows,
        extra_disk_bytes: extra(facts),
        binlog_bytes: binlog_bytes(facts),
        seconds: copying.saturating_add(comparing),
        stall_ms,
        basis: format!(
            "rows and sizes {}; copying {} rows or {} a second, whichever is slower, comparing {} rows a \
             second, as measured on idle servers with two cores; pauses come on top",
            if facts.assumed.is_empty() { "by the engine's statistics" } else { "as assumed" },
            count(ROWS_PER_S),
            bytes(BYTES_PER_S),
            count(COMPARED_PER_S)
        ),
    }
}
