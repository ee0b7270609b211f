//! Applications with every kind of write: several rows in a statement, REPLACE, upserts, shifted keys, transactions that
//! are taken back, near the rows that are being copied.
//!
//! A block of ids has one writer, so that the ledger is exact; what a row holds follows from its id and a revision, as
//! in `driftless::demo`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use driftless::demo::{Expected, Ledger, Random, Revision};
use driftless::ports::server::{ErrorKind, Server, ServerError, Session};
use driftless::sql::{self, Sql};
use driftless_strategies::TableName;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Ids of a block.
const BLOCK: u64 = 64;
/// Blocks past the loaded ones that are written to as well.
const BEYOND: u64 = 200;
/// How far around the copied row half of the writes are.
const NEAR: u64 = 40;
const RETRIES: u32 = 40;
const DEADLINE: Duration = Duration::from_secs(20);
/// Stands for a revision until a statement's text is made.
const MARK: u64 = 999_999_937;

/// What writers did.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Operations acknowledged, and those given up.
    pub operations: u64,
    pub given_up: u64,
    /// By kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Errors by number.
    pub errors: BTreeMap<u16, u64>,
    /// Answers that must not be.
    pub surprises: Vec<String>,
}

/// Running writers.
pub struct RoughWriters {
    tasks: JoinSet<(Done, Ledger)>,
    stop: CancellationToken,
    /// About the id that is being copied.
    pub near: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
}

impl RoughWriters {
    /// `each` writers on every server; `pause` after each operation. They know the rows from the ledger.
    pub fn start(
        servers: &[Arc<dyn Server>],
        table: &TableName,
        ledger: &Ledger,
        each: usize,
        pause: Duration,
        seed: u64,
    ) -> Self {
        let (stop, near) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let count = servers.len() * each;
        let mut tasks = JoinSet::new();
        for (index, server) in servers.iter().cycle().take(count).enumerate() {
            let (index, count) = (u64::try_from(index).expect("it fits"), u64::try_from(count).expect("it fits"));
            let writer = Writer {
                index,
                count,
                server: Arc::clone(server),
                session: None,
                table: table.clone(),
                random: Random::new(seed.wrapping_mul(7919).wrapping_add(index)),
                known: ledger.clone(),
                mine: Ledger::new(ledger.loaded_upto),
                pending: BTreeMap::new(),
                revision: seed * 1_000_000,
                near: Arc::clone(&near),
                done: Done::default(),
            };
            tasks.spawn(writer.run(stop.clone(), pause, Arc::clone(&acknowledged)));
        }
        Self { tasks, stop, near, acknowledged }
    }

    /// Operations acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Lets each finish its operation; adds what they know to the ledger.
    pub async fn stop(mut self, ledger: &mut Ledger) -> Done {
        self.stop.cancel();
        let mut all = Done::default();
        while let Some(ended) = self.tasks.join_next().await {
            let (done, mine) = ended.expect("a writer ends");
            ledger.merge(mine);
            all.operations += done.operations;
            all.given_up += done.given_up;
            for (kind, count) in done.kinds {
                *all.kinds.entry(kind).or_default() += count;
            }
            for (code, count) in done.errors {
                *all.errors.entry(code).or_default() += count;
            }
            all.surprises.extend(done.surprises);
        }
        all
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done,
    Again,
    Never,
    Doubt,
}

type After = Vec<(u64, Option<Revision>)>;

struct Write {
    kind: &'static str,
    sql: Sql,
    /// Rows that the server must say it changed; `None` when it counts in its own way.
    rows: Option<usize>,
    after: After,
}

struct Writer {
    index: u64,
    count: u64,
    server: Arc<dyn Server>,
    session: Option<Box<dyn Session>>,
    table: TableName,
    random: Random,
    known: Ledger,
    mine: Ledger,
    /// What the operation being drawn has changed so far.
    pending: BTreeMap<u64, Option<Revision>>,
    revision: u64,
    near: Arc<AtomicU64>,
    done: Done,
}

impl Writer {
    async fn run(mut self, stop: CancellationToken, pause: Duration, acknowledged: Arc<AtomicU64>) -> (Done, Ledger) {
        while !stop.is_cancelled() {
            let before = self.done.operations;
            self.operate(&stop).await;
            acknowledged.fetch_add(self.done.operations - before, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
        (self.done, self.mine)
    }

    async fn operate(&mut self, stop: &CancellationToken) {
        self.pending.clear();
        let size = if self.random.below(100) < 40 { 2 + self.random.below(4) } else { 1 };
        let block = self.block();
        let writes: Vec<Write> = (0..size).filter_map(|_| self.draw(block)).collect();
        if writes.is_empty() {
            return;
        }
        // A single write is sent without a transaction, so there is nothing to take back.
        let taken_back = writes.len() > 1 && self.random.below(8) == 0;
        let after: After = writes.iter().flat_map(|write| write.after.clone()).collect();
        for _ in 0..RETRIES {
            match self.attempt(&writes, taken_back).await {
                Ending::Done => {
                    if !taken_back {
                        for (id, revision) in &after {
                            self.known.acknowledge(*id, *revision);
                            self.mine.acknowledge(*id, *revision);
                        }
                    }
                    self.done.operations += 1;
                    for write in &writes {
                        *self.done.kinds.entry(write.kind).or_default() += 1;
                    }
                    return;
                }
                Ending::Again if stop.is_cancelled() => break,
                Ending::Again => {}
                Ending::Never => break,
                Ending::Doubt => {
                    // Only the last write to an id can be what is found, or what was there before.
                    for (id, revision) in &self.pending.clone() {
                        let before = self.known.expected(*id);
                        self.known.doubt(*id, *revision);
                        if let Expected::Present(old) = before {
                            self.mine.acknowledge(*id, Some(old));
                        } else if before == Expected::Absent {
                            self.mine.acknowledge(*id, None);
                        }
                        self.mine.doubt(*id, *revision);
                    }
                    break;
                }
            }
        }
        self.done.given_up += 1;
    }

    async fn attempt(&mut self, writes: &[Write], taken_back: bool) -> Ending {
        if self.session.is_none() {
            match self.connect().await {
                Ok(session) => self.session = Some(session),
                Err(error) => {
                    *self.done.errors.entry(error.code).or_default() += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return Ending::Again;
                }
            }
        }
        let ending = match writes {
            [write] => self.send(write, Ending::Doubt).await,
            writes => self.transact(writes, taken_back).await,
        };
        if ending == Ending::Doubt {
            self.session = None;
        }
        ending
    }

    async fn transact(&mut self, writes: &[Write], taken_back: bool) -> Ending {
        let mut ending =
            self.execute(&sql::demo::begin(), Ending::Again).await.map_or_else(|end| end, |_| Ending::Done);
        for write in writes {
            if ending == Ending::Done {
                ending = self.send(write, Ending::Again).await;
            }
        }
        if ending == Ending::Done && !taken_back {
            ending = self.execute(&sql::demo::commit(), Ending::Doubt).await.map_or_else(|end| end, |_| Ending::Done);
            if ending == Ending::Done {
                return ending;
            }
        }
        if self.session.is_some() && self.execute(&sql::demo::rollback(), Ending::Again).await.is_err() {
            self.session = None;
        }
        ending
    }

    async fn send(&mut self, write: &Write, lost: Ending) -> Ending {
        match self.execute(&write.sql, lost).await {
            Ok(rows) => {
                if let Some(wanted) = write.rows
                    && usize::try_from(rows) != Ok(wanted)
                {
                    let what = format!("{rows} rows, not {wanted}: {}", write.sql.as_str());
                    self.done.surprises.push(what);
                }
                Ending::Done
            }
            Err(ending) => ending,
        }
    }

    async fn execute(&mut self, sql: &Sql, lost: Ending) -> Result<u64, Ending> {
        let Some(session) = self.session.as_mut() else { return Err(Ending::Again) };
        let error = match session.execute(sql).await {
            Ok(done) => return Ok(done.affected),
            Err(error) => error,
        };
        *self.done.errors.entry(error.code).or_default() += 1;
        Err(match error.kind {
            ErrorKind::Conflict if error.code == 1180 => lost,
            ErrorKind::Conflict => Ending::Again,
            ErrorKind::NotReady => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ending::Again
            }
            ErrorKind::Lost | ErrorKind::Connect => {
                self.session = None;
                lost
            }
            ErrorKind::Duplicate
            | ErrorKind::Missing
            | ErrorKind::Data
            | ErrorKind::Denied
            | ErrorKind::Full
            | ErrorKind::Other => {
                self.done.surprises.push(format!("{error}: {}", sql.as_str()));
                Ending::Never
            }
        })
    }

    async fn connect(&mut self) -> Result<Box<dyn Session>, ServerError> {
        let mut session = self.server.connect().await?;
        session.set_deadline(DEADLINE);
        match session.execute(&sql::demo::read_causally()).await {
            // MySQL without Galera has no such variable, and nothing to wait for.
            Err(error) if error.code == 1193 => return Ok(session),
            answer => answer?,
        };
        session.query(&sql::demo::look()).await?;
        session.execute(&sql::demo::read_freely()).await?;
        Ok(session)
    }

    /// A block of this writer's, half of the time near what is being copied.
    fn block(&mut self) -> u64 {
        let all = self.known.loaded_upto / BLOCK + BEYOND;
        let wanted = if self.random.below(2) == 0 {
            self.random.below(all)
        } else {
            let near = self.near.load(Ordering::Relaxed) / BLOCK;
            (near + self.random.below(NEAR)).saturating_sub(NEAR / 3)
        };
        (wanted / self.count) * self.count + self.index
    }

    fn state(&self, id: u64) -> Option<Option<Revision>> {
        if let Some(pending) = self.pending.get(&id) {
            return Some(*pending);
        }
        match self.known.expected(id) {
            Expected::Present(revision) => Some(Some(revision)),
            Expected::Absent => Some(None),
            Expected::Either(_) => None,
        }
    }

    fn draw(&mut self, block: u64) -> Option<Write> {
        let first = block * BLOCK + 1;
        let ids: Vec<u64> = (first..first + BLOCK - 1).collect();
        let there: Vec<u64> = ids.iter().copied().filter(|id| matches!(self.state(*id), Some(Some(_)))).collect();
        let free: Vec<u64> = ids.iter().copied().filter(|id| self.state(*id) == Some(None)).collect();
        self.revision += 1;
        let revision = self.revision * self.count + self.index;
        let some = |random: &mut Random, of: &[u64], most: u64| -> Vec<u64> {
            let count = 1 + random.below(most);
            let mut picked: Vec<u64> = (0..count)
                .filter_map(|_| of.get(usize::try_from(random.below(of.len() as u64)).expect("it fits")))
                .copied()
                .collect();
            picked.sort_unstable();
            picked.dedup();
            picked
        };
        let kind = self.random.below(14);
        let (old, new) = if there.is_empty() || free.is_empty() {
            return None;
        } else {
            (some(&mut self.random, &there, 1)[0], some(&mut self.random, &free, 1)[0])
        };
        let table = &self.table;
        let set = |ids: &[u64], to: Option<Revision>| ids.iter().map(|id| (*id, to)).collect::<After>();
        let write = match kind {
            0 | 1 | 12 => one("insert", sql::demo::insert(table, new, revision), set(&[new], Some(revision))),
            2 => one("update", sql::demo::update(table, old, old, revision), set(&[old], Some(revision))),
            3 | 4 => one("delete", sql::demo::delete(table, old), set(&[old], None)),
            5 => {
                let after = vec![(old, None), (new, Some(revision))];
                one("rekey", sql::demo::update(table, old, new, revision), after)
            }
            6 => {
                let mut picked = some(&mut self.random, &ids, 3);
                picked.retain(|id| there.contains(id) || free.contains(id));
                let sql = rows_of("REPLACE INTO ", table, &picked, revision, "");
                Write { kind: "replace", sql, rows: None, after: set(&picked, Some(revision)) }
            }
            7 => {
                let mut picked = some(&mut self.random, &ids, 3);
                picked.retain(|id| there.contains(id) || free.contains(id));
                let sql = rows_of("INSERT INTO ", table, &picked, revision, UPSERT);
                Write { kind: "upsert", sql, rows: None, after: set(&picked, Some(revision)) }
            }
            8 | 13 => {
                let picked = some(&mut self.random, &free, 6);
                let sql = rows_of("INSERT INTO ", table, &picked, revision, "");
                Write { kind: "inserts", rows: Some(picked.len()), sql, after: set(&picked, Some(revision)) }
            }
            9 => {
                let picked = some(&mut self.random, &there, 6);
                let sql = Sql::new("").trusted(&many(table, "", revision)).trusted(&among(&picked));
                Write { kind: "updates", rows: Some(picked.len()), sql, after: set(&picked, Some(revision)) }
            }
            10 => {
                let picked = some(&mut self.random, &there, 4);
                let sql = Sql::new("DELETE FROM ").table(table).trusted(&among(&picked));
                Write { kind: "deletes", rows: Some(picked.len()), sql, after: set(&picked, None) }
            }
            _ => shifted(table, &there, old, revision, |id| free.contains(&id))?,
        };
        self.pending.extend(write.after.iter().copied());
        (!write.after.is_empty()).then_some(write)
    }
}

const fn one(kind: &'static str, sql: Sql, after: After) -> Write {
    Write { kind, sql, rows: Some(1), after }
}

const UPSERT: &str = " ON DUPLICATE KEY UPDATE revision = VALUES(revision), customer = VALUES(customer), \
    status = VALUES(status), total = VALUES(total), placed_at = VALUES(placed_at), reference = VALUES(reference), \
    note = VALUES(note), payload = VALUES(payload), weight = VALUES(weight)";

/// One statement for several new rows.
fn rows_of(verb: &'static str, table: &TableName, ids: &[u64], revision: u64, end: &'static str) -> Sql {
    let mut text = String::new();
    for id in ids {
        let insert = sql::demo::insert(table, *id, revision);
        let (head, values) = insert.as_str().split_once(" VALUES ").expect("an INSERT");
        if text.is_empty() {
            text = format!("{} VALUES {values}", head.trim_start_matches("INSERT INTO "));
        } else {
            text.push_str(", ");
            text.push_str(values);
        }
    }
    Sql::new(verb).trusted(&text).text(end)
}

/// An UPDATE of several rows, without its WHERE: values follow from each row's own id, after `first` was assigned.
fn many(table: &TableName, first: &str, revision: u64) -> String {
    let one = sql::demo::update(table, 0, 0, MARK);
    let (head, _) = one.as_str().rsplit_once(" WHERE ").expect("an UPDATE");
    let text = head.replace(&(MARK * 131).to_string(), &format!("(id + {})", revision * 131));
    text.replace(&MARK.to_string(), &revision.to_string()).replacen(" SET ", &format!(" SET {first}"), 1)
}

fn among(ids: &[u64]) -> String {
    let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!(" WHERE id IN ({})", list.join(", "))
}

/// Moves a run of rows up by one, the last one first, into a free id behind it.
fn shifted(table: &TableName, there: &[u64], from: u64, revision: u64, free: impl Fn(u64) -> bool) -> Option<Write> {
    let mut last = from;
    while there.contains(&(last + 1)) {
        last += 1;
    }
    if !free(last + 1) {
        return None;
    }
    let text =
        format!("{} WHERE id BETWEEN {from} AND {last} ORDER BY id DESC", many(table, "id = id + 1, ", revision));
    let moved = usize::try_from(last - from + 1).expect("it fits");
    let mut after = vec![(from, None)];
    after.extend((from + 1..=last + 1).map(|id| (id, Some(revision))));
    Some(Write { kind: "shift", sql: Sql::new("").trusted(&text), rows: Some(moved), after })
}
