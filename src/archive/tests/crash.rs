//! An engine that archives rows, killed or failing at every operation of the file system: at the end each row is exactly
//! once in a file, in its last version, and nothing else is left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::disk::{After, Memory, Trouble};
use super::sample::{column, ident, table};
use crate::archive::destination::Core;
use crate::archive::files::Files;
use crate::archive::manifest::Paths;
use crate::archive::verify::Reader;
use crate::archive::writer::Writer;
use crate::archive::{ArchiveError, Compression, Format, Layout, Pattern, Roll, Wanted};
use crate::ports::destination::Fate;
use crate::ports::server::Row;

const ROWS: u64 = 7;
const BATCH: usize = 2;

/// The server: rows by key with a version, and the journal of committed batches in the same transactions.
struct Source {
    rows: BTreeMap<u64, u64>,
    deleted: BTreeMap<u64, u64>,
    committed: BTreeSet<u64>,
}

impl Source {
    fn new() -> Self {
        Self { rows: (1..=ROWS).map(|id| (id, 0)).collect(), deleted: BTreeMap::new(), committed: BTreeSet::new() }
    }

    fn delete(&mut self, batch: u64, keys: &[u64]) {
        for key in keys {
            let version = self.rows.remove(key).expect("a row is deleted once");
            self.deleted.insert(*key, version);
        }
        self.committed.insert(batch);
    }
}

/// What the engine does when taking a batch, or noting its delete, fails without a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delete {
    /// The source's delete works.
    Works,
    /// It does not, for one batch; the engine settles that and stops.
    Fails(u64),
}

fn wanted(format: Format, roll: Roll) -> Wanted {
    let columns = [column("id", "bigint(20)", None, false), column("version", "bigint(20)", None, true)];
    let layout = Layout::new(table(), &columns, vec![ident("id")], format, Compression::None).unwrap();
    Wanted { pattern: Pattern::parse("/a/x-{n}.csv", &table()).unwrap(), layout, roll, run: "r".into() }
}

fn run(memory: &Memory, source: &mut Source, wanted: &Wanted, delete: Delete) -> Result<(), ArchiveError> {
    let files: Arc<dyn Files> = Arc::new(memory.clone());
    let mut core = Core::open(files, wanted.clone(), Arc::new(|| Duration::from_secs(1_700_000_000)))?;
    let standing = core.standing();
    for batch in standing.iter().rev() {
        let fate = if source.committed.contains(&batch.batch) { Fate::Deleted } else { Fate::NotDeleted };
        core.settle(&batch.run, batch.batch, fate)?;
    }
    loop {
        let rows: Vec<(u64, u64)> = source.rows.iter().take(BATCH).map(|(id, version)| (*id, *version)).collect();
        if rows.is_empty() {
            break;
        }
        let number = source.committed.last().copied().unwrap_or(0) + 1;
        let text = |value: u64| Some(value.to_string().into_bytes());
        let taken: Vec<Row> = rows.iter().map(|(id, version)| Row(vec![text(*id), text(*version)])).collect();
        core.take(number, &taken)?;
        // Once more, as after an answer that was lost.
        core.take(number, &taken)?;
        if delete == Delete::Fails(number) {
            core.settle("r", number, Fate::NotDeleted)?;
            core.take(number, &taken)?;
        }
        source.delete(number, &rows.iter().map(|(id, _)| *id).collect::<Vec<_>>());
        core.settle("r", number, Fate::Deleted)?;
    }
    core.finish().map(|_| ())
}

/// Every row is exactly once in the complete files, in the version that was deleted; nothing else is there.
fn prove(memory: &Memory, source: &Source, what: &str) {
    let files: Arc<dyn Files> = Arc::new(memory.clone());
    let mut found = BTreeMap::new();
    for path in files.names(Path::new("/a")).unwrap() {
        let name = path.to_str().unwrap();
        if name.ends_with(".manifest") {
            assert!(files.exists(Path::new(name.trim_end_matches(".manifest"))).unwrap(), "{what}: {name} alone");
            continue;
        }
        assert!(name.ends_with(".csv"), "{what}: {name} is left");
        let mut reader = Reader::open(files.as_ref(), &path).unwrap_or_else(|error| panic!("{what}: {error}"));
        while let Some((_, rows)) = reader.next().unwrap_or_else(|error| panic!("{what}: {error}")) {
            for row in rows {
                let double = found.insert(row.u64(0).unwrap(), row.u64(1).unwrap());
                assert_eq!(double, None, "{what}: row {:?} twice", row.u64(0));
            }
        }
    }
    assert_eq!(found, source.deleted, "{what}: what was deleted is what is in the files");
    assert_eq!(source.deleted.len() as u64, ROWS, "{what}");
}

const KINDS: [(Format, Roll); 4] = [
    (Format::Csv, Roll { bytes: None, daily: false }),
    (Format::Sql, Roll { bytes: None, daily: false }),
    (Format::Parquet, Roll { bytes: None, daily: false }),
    (Format::Csv, Roll { bytes: Some(1), daily: false }),
];

/// How many operations an undisturbed run has.
fn operations(wanted: &Wanted) -> u64 {
    let (memory, mut source) = (Memory::default(), Source::new());
    memory.plan(Trouble::None);
    run(&memory, &mut source, wanted, Delete::Works).unwrap();
    prove(&memory, &source, "undisturbed");
    memory.operations()
}

fn deaths() -> Vec<After> {
    let mut all = vec![After::Process];
    all.extend((0..8).map(After::Machine));
    all
}

#[test]
fn a_crash_at_any_operation_neither_loses_nor_doubles() {
    for (format, roll) in KINDS {
        let wanted = wanted(format, roll);
        let last = operations(&wanted);
        assert!(last > 15, "{format:?}: {last} operations");
        for at in 1..=last {
            for death in deaths() {
                let (memory, mut source) = (Memory::default(), Source::new());
                memory.plan(Trouble::Crash(at));
                run(&memory, &mut source, &wanted, Delete::Works).unwrap_err();
                memory.reboot(death);
                // Rows that are still there change.
                source.rows.values_mut().for_each(|version| *version += 1);
                let what = format!("{format:?} {roll:?}, crash at {at} of {last}, {death:?}");
                run(&memory, &mut source, &wanted, Delete::Works).unwrap_or_else(|error| panic!("{what}: {error}"));
                if !source.deleted.is_empty() {
                    prove(&memory, &source, &what);
                }
            }
        }
    }
}

#[test]
fn a_crash_while_the_last_one_is_put_in_order_neither() {
    for (format, roll) in KINDS {
        let wanted = wanted(format, roll);
        let last = operations(&wanted);
        for first in 1..=last {
            for second in [1, 2, 3, 5, 7, 9, 12] {
                let (memory, mut source) = (Memory::default(), Source::new());
                let what = format!("{format:?} {roll:?}, crashes at {first} and {second}");
                memory.plan(Trouble::Crash(first));
                run(&memory, &mut source, &wanted, Delete::Works).unwrap_err();
                memory.reboot(After::Machine(first * 31 + second));
                memory.plan(Trouble::Crash(second));
                let again = run(&memory, &mut source, &wanted, Delete::Works);
                memory.reboot(After::Machine(first + second * 17));
                // An empty file that was removed may be back when the machine died: one more run sees to it.
                drop(again);
                source.rows.values_mut().for_each(|version| *version += 1);
                run(&memory, &mut source, &wanted, Delete::Works).unwrap_or_else(|error| panic!("{what}: {error}"));
                prove(&memory, &source, &what);
            }
        }
    }
}

#[test]
fn a_full_disk_at_any_operation_keeps_the_rows() {
    for (format, roll) in KINDS {
        let wanted = wanted(format, roll);
        let last = operations(&wanted);
        for at in 1..=last {
            let (memory, mut source) = (Memory::default(), Source::new());
            let what = format!("{format:?} {roll:?}, failure at {at} of {last}");
            memory.plan(Trouble::Fail(at));
            let told = run(&memory, &mut source, &wanted, Delete::Works);
            memory.reboot(After::Process);
            if let Err(error) = told {
                let text = error.to_string();
                assert!(
                    text.contains("free space there and run again") || text.contains("run again"),
                    "{what}: {text}"
                );
            }
            run(&memory, &mut source, &wanted, Delete::Works).unwrap_or_else(|error| panic!("{what}: {error}"));
            prove(&memory, &source, &what);
        }
    }
}

#[test]
fn a_batch_that_was_not_deleted_is_cut_off() {
    for (format, roll) in KINDS {
        for failing in 1..=4 {
            let (memory, mut source) = (Memory::default(), Source::new());
            run(&memory, &mut source, &wanted(format, roll), Delete::Fails(failing)).unwrap();
            prove(&memory, &source, &format!("{format:?}, delete {failing} fails"));
        }
    }
}

#[test]
fn wrong_orders_are_refused() {
    let memory = Memory::default();
    let files: Arc<dyn Files> = Arc::new(memory.clone());
    let wanted = wanted(Format::Csv, Roll::default());
    let mut core = Core::open(Arc::clone(&files), wanted.clone(), Arc::new(|| Duration::ZERO)).unwrap();
    let row = |id: &str| vec![Row(vec![Some(id.as_bytes().to_vec()), None])];
    core.take(5, &row("1")).unwrap();
    let refused = core.take(5, &row("2")).unwrap_err().to_string();
    assert!(refused.contains("with other rows"), "{refused}");
    assert!(core.take(4, &row("2")).is_err());
    let odd = core.take(6, &[Row(vec![Some(b"1; x".to_vec()), None])]).unwrap_err().to_string();
    assert!(odd.contains("column id") && odd.contains("nothing of its batch was kept"), "{odd}");
    assert!(core.take(6, &[Row(vec![None])]).is_err(), "a row of another width");
    let other = Core::open(files, wanted, Arc::new(|| Duration::ZERO));
    assert!(matches!(other, Err(ArchiveError::InUse(_))), "another run while this one goes");
    core.take(6, &row("2")).unwrap();
    assert!(core.finish().is_err(), "nobody said what became of the batches");
    core.settle("r", 5, Fate::Deleted).unwrap();
    core.settle("r", 6, Fate::Deleted).unwrap();
    assert_eq!(core.finish().unwrap().rows, 2);
}

/// Two runs began their files anew, so that their batches have the same numbers: each is settled by its own run's journal.
#[test]
fn batches_of_two_runs_are_told_apart() {
    let memory = Memory::default();
    let files: Arc<dyn Files> = Arc::new(memory.clone());
    let wanted = wanted(Format::Csv, Roll::default());
    let row = |id: &str| vec![Row(vec![Some(id.as_bytes().to_vec()), None])];
    for (run, number) in [("one", 1), ("two", 2)] {
        let (paths, layout) = (Paths::of(Path::new(&format!("/a/x-{number}.csv"))), Arc::new(wanted.layout.clone()));
        let made = Writer::create(Arc::clone(&files), layout, paths, String::new(), run.into());
        let Ok(mut writer) = made else { panic!("no file for {run}") };
        writer.take(5, &row(&number.to_string())).unwrap();
    }
    for fated in ["two", "one"] {
        memory.reboot(After::Process);
        let mut core = Core::open(Arc::clone(&files), wanted.clone(), Arc::new(|| Duration::ZERO)).unwrap();
        core.settle(fated, 5, Fate::NotDeleted).unwrap();
        assert!(core.standing().iter().all(|standing| standing.run != fated), "{fated}");
    }
}
