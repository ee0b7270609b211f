//! The SQL of each step of a plan, as it will be executed; what is known only at run time stands as `:name`.

use driftless_strategies::Flavour;
use driftless_strategies::plan::{Closing, CopySpec, ForeignKeyStep, Plan, Step, Work};

use super::checksum::{Digest, RowHash};
use super::copy::{self, transaction};
use super::{Sql, checksum, ddl, fence, journal, swap, sync, triggers};
use crate::ports::journal::JobId;
use crate::ports::rows::{Bound, Chunk, Part, Range};
use crate::ports::syncing::{Last, Touched};

/// Stand for numbers that are known at run time.
const SLOT: u64 = 1;
const TOKEN: u64 = 1;

/// The statements of a step, in order.
#[must_use]
pub fn statements(plan: &Plan, source: &[driftless_strategies::Column], step: &Step, job: &JobId) -> Vec<String> {
    if let Some((alter, algorithm, lock)) = step.alter() {
        let change = ddl::alter_directly(&plan.table, alter, algorithm, lock);
        let alone = if step.turn().is_some() { ddl::alone().to_vec() } else { Vec::new() };
        let apart = matches!(step, Step::NonBlocking { .. }).then(ddl::non_blocking);
        let settings: Vec<Sql> = alone.into_iter().chain(apart).collect();
        return settings.iter().chain([&change]).map(|sql| sql.as_str().to_owned()).collect();
    }
    let copied = plan.work.copy().map_or_else(Vec::new, |spec| of_copy(plan, spec, source, step, job));
    let sql = if *step == Step::Journal { journal_tables() } else { copied };
    sql.iter().map(|statement| statement.as_str().to_owned()).collect()
}

fn journal_tables() -> Vec<Sql> {
    let tables = journal::TABLES.into_iter().filter_map(journal::create_table);
    std::iter::once(journal::create_schema()).chain(tables).collect()
}

fn of_copy(
    plan: &Plan,
    spec: &CopySpec,
    source: &[driftless_strategies::Column],
    step: &Step,
    job: &JobId,
) -> Vec<Sql> {
    match step {
        Step::Journal | Step::Alter { .. } | Step::NonBlocking { .. } | Step::Roll { .. } => Vec::new(),
        Step::Follow { .. } => {
            let key = |name: &str, last: Last| Touched { key: example_key(spec, name), last };
            let keys = [key("gone", Last::Gone), key("changed", Last::There)];
            let synced = [sync::remove(spec, &keys), sync::bring(spec, &keys, true)].into_iter().flatten();
            let framed = [transaction::start(), sync::mark(job, SLOT, TOKEN)].into_iter().chain(synced);
            framed.chain([transaction::commit()]).collect()
        }
        Step::Close { by: Closing::Fence } => fence::close(spec, job, TOKEN, ":end", flavour(plan)),
        Step::Close { by: Closing::Sentry } => {
            vec![swap::create_sentry(spec, job), swap::lock_with_sentry(spec), swap::switch_past_sentry(spec)]
        }
        Step::Shadow { alter, foreign_keys } => shadow(spec, alter, foreign_keys, flavour(plan)),
        Step::Triggers => {
            let made = triggers::Change::ALL.map(|change| triggers::create_trigger(spec, job, change));
            std::iter::once(copy::writing_mode(spec)).chain(made).collect()
        }
        Step::Copy => copy_one(plan, spec, job),
        Step::Verify => {
            let hash = plan.nodes.first().map_or(RowHash::Sha224, |node| RowHash::of(node.flavour, node.version));
            vec![checksum::both_sides(spec, &Digest { hash, source: source.to_vec() }, &example(spec))]
        }
        Step::Switch if plan.steps.contains(&Step::Close { by: Closing::Sentry }) => {
            vec![swap::drop_sentry(spec), swap::unlock()]
        }
        Step::Switch => vec![ddl::switch(spec)],
        Step::ForeignKeys { foreign_keys } => vec![
            ddl::drop_foreign_keys(&spec.retired, foreign_keys),
            ddl::foreign_key_checks(false),
            ddl::rename_foreign_keys(&spec.source, foreign_keys, flavour(plan)),
        ],
        Step::Drop => vec![ddl::drop_table(&spec.retired)],
        Step::Keep => triggers::Change::ALL.map(|change| triggers::drop_trigger(spec, job, change)).to_vec(),
    }
}

/// The copying node's family.
fn flavour(plan: &Plan) -> Flavour {
    plan.nodes.first().map_or(Flavour::MariaDb, |node| node.flavour)
}

fn shadow(spec: &CopySpec, alter: &str, foreign_keys: &[ForeignKeyStep], flavour: Flavour) -> Vec<Sql> {
    let mut sql = vec![copy::writing_mode(spec), ddl::create_shadow(spec)];
    if !alter.is_empty() {
        sql.push(ddl::alter_shadow(spec, alter));
    }
    if !foreign_keys.is_empty() {
        sql.push(ddl::add_foreign_keys(spec, foreign_keys, flavour));
    }
    sql
}

fn copy_one(plan: &Plan, spec: &CopySpec, job: &JobId) -> Vec<Sql> {
    let range = example(spec);
    let chunk = Chunk { number: 1, range: range.clone(), rows: 0, whole: 0, part: Part::Last };
    let checkpoint = copy::checkpoint(job, &chunk);
    if matches!(plan.work, Work::Stream(_)) {
        let (mark, copied) = (sync::mark(job, SLOT, TOKEN), copy::overwrite_chunk(spec, &range));
        return vec![transaction::start(), mark, copied, checkpoint, transaction::commit()];
    }
    vec![transaction::start(), copy::copy_chunk(spec, &range), checkpoint, transaction::commit()]
}

fn example(spec: &CopySpec) -> Range {
    Range { after: Some(example_key(spec, "after")), upto: Some(example_key(spec, "upto")) }
}

fn example_key(spec: &CopySpec, name: &str) -> Bound {
    Bound(spec.key.columns.iter().map(|column| format!(":{name}_{}", column.source)).collect())
}
