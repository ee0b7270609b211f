//! Applications: each writer has ids of its own, so that what it was told is exactly what must stand in the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use driftless::demo::Random;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::bed::{Bed, ROWS};

/// How operations are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Autocommit,
    /// Two or three statements, BEGIN and COMMIT around them.
    Transactions,
}

/// Rows by id, as acknowledged: `v` and `u`.
pub(super) type Rows = BTreeMap<u64, (u64, u64)>;

#[derive(Debug, Default)]
pub(super) struct Felt {
    pub(super) acknowledged: u64,
    pub(super) errors: BTreeMap<u16, u64>,
    /// The longest that a statement took which was then acknowledged, and any.
    pub(super) longest_good: Duration,
    pub(super) longest: Duration,
    /// Connections that were lost: what the last statement did is unknown.
    pub(super) lost: u64,
}

pub(super) struct Writers {
    tasks: JoinSet<(Felt, Rows)>,
    stop: Arc<AtomicBool>,
    pub(super) acknowledged: Arc<AtomicU64>,
}

impl Writers {
    /// `each` writers on every server of the bed, once each of these has the rows that they begin with: a DELETE that comes
    /// before its row does nothing.
    pub(super) async fn start(bed: &Bed, nodes: &[usize], each: u64, mode: Mode) -> Self {
        let there = format!("SELECT COUNT(*), SUM(v), MAX(id) FROM {}", bed.source());
        let wanted = [ROWS.to_string(), "0".to_owned(), ROWS.to_string()];
        for node in nodes {
            while bed.plain(*node).run(&[&there]).await.concat() != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        let count = each * u64::try_from(nodes.len()).unwrap();
        for index in 0..count {
            let node = nodes[usize::try_from(index).unwrap() % nodes.len()];
            let writer = Writer {
                port: bed.ports[node],
                table: bed.source(),
                index,
                count,
                random: Random::new(index + 17),
                rows: (1..=ROWS).filter(|id| id % count == index).map(|id| (id, (0, id))).collect(),
                felt: Felt::default(),
                next: 0,
                mode,
            };
            tasks.spawn(writer.run(Arc::clone(&stop), Arc::clone(&acknowledged)));
        }
        Self { tasks, stop, acknowledged }
    }

    /// Until so many more operations were acknowledged.
    pub(super) async fn more(&self, count: u64) {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + count;
        while self.acknowledged.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What they felt, and what must stand.
    pub(super) async fn stop(mut self) -> (Felt, Rows) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut felt, mut rows) = (Felt::default(), Rows::new());
        while let Some(ended) = self.tasks.join_next().await {
            let (one, own) = ended.unwrap();
            felt.acknowledged += one.acknowledged;
            felt.lost += one.lost;
            felt.longest = felt.longest.max(one.longest);
            felt.longest_good = felt.longest_good.max(one.longest_good);
            for (code, count) in one.errors {
                *felt.errors.entry(code).or_default() += count;
            }
            rows.extend(own);
        }
        (felt, rows)
    }
}

struct Writer {
    port: u16,
    table: String,
    index: u64,
    count: u64,
    random: Random,
    rows: Rows,
    felt: Felt,
    next: u64,
    mode: Mode,
}

impl Writer {
    async fn run(mut self, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicU64>) -> (Felt, Rows) {
        let mut conn = None;
        while !stop.load(Ordering::Relaxed) {
            let open = match conn.take() {
                Some(open) => Some(open),
                None => open(self.port).await,
            };
            let Some(mut open) = open else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let mut after = self.rows.clone();
            let statements = self.draw(&mut after);
            match self.send(&mut open, &statements).await {
                Ok(()) => {
                    self.rows = after;
                    self.felt.acknowledged += 1;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    conn = Some(open);
                }
                Err(mysql_async::Error::Server(error)) => {
                    *self.felt.errors.entry(error.code).or_default() += 1;
                    conn = open.query_drop("ROLLBACK").await.is_ok().then_some(open);
                }
                Err(_) => self.felt.lost += 1,
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        (self.felt, self.rows)
    }

    async fn send(&mut self, conn: &mut Conn, statements: &[String]) -> mysql_async::Result<()> {
        let all: Vec<&str> = match self.mode {
            Mode::Autocommit => statements.iter().map(String::as_str).collect(),
            Mode::Transactions => {
                ["BEGIN"].into_iter().chain(statements.iter().map(String::as_str)).chain(["COMMIT"]).collect()
            }
        };
        for statement in all {
            let start = Instant::now();
            let answer = conn.query_drop(statement).await;
            let took = start.elapsed();
            self.felt.longest = self.felt.longest.max(took);
            answer?;
            self.felt.longest_good = self.felt.longest_good.max(took);
        }
        Ok(())
    }

    fn draw(&mut self, after: &mut Rows) -> Vec<String> {
        let count = if self.mode == Mode::Autocommit { 1 } else { 2 + self.random.below(2) };
        (0..count).map(|_| self.one(after)).collect()
    }

    /// An id that nobody has used.
    fn fresh(&mut self) -> u64 {
        self.next += 1;
        (ROWS / self.count + self.next + 1) * self.count + self.index
    }

    fn one(&mut self, after: &mut Rows) -> String {
        let table = self.table.clone();
        let len = u64::try_from(after.len()).unwrap();
        let at = usize::try_from(self.random.below(len.max(1))).unwrap();
        let Some((id, (v, u))) = after.iter().nth(at).map(|(id, row)| (*id, *row)) else {
            let id = self.fresh();
            after.insert(id, (1, id));
            return format!("INSERT INTO {table} VALUES ({id}, 1, {id})");
        };
        match self.random.below(10) {
            0 | 1 => {
                let id = self.fresh();
                after.insert(id, (1, id));
                format!("INSERT INTO {table} VALUES ({id}, 1, {id})")
            }
            2 => {
                after.remove(&id);
                format!("DELETE FROM {table} WHERE id = {id}")
            }
            // The key moves, the unique value stays.
            3 => {
                let new = self.fresh();
                after.remove(&id);
                after.insert(new, (v, u));
                format!("UPDATE {table} SET id = {new} WHERE id = {id}")
            }
            4 => {
                after.insert(id, (7, id));
                format!("REPLACE INTO {table} VALUES ({id}, 7, {id})")
            }
            5 => {
                after.insert(id, (v + 3, u));
                format!("INSERT INTO {table} VALUES ({id}, 0, {u}) ON DUPLICATE KEY UPDATE v = v + 3")
            }
            _ => {
                after.insert(id, (v + 1, u));
                format!("UPDATE {table} SET v = v + 1 WHERE id = {id}")
            }
        }
    }
}

async fn open(port: u16) -> Option<Conn> {
    let opts = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).user(Some("root"));
    let opening = Conn::new(opts.prefer_socket(false));
    tokio::time::timeout(Duration::from_secs(3), opening).await.ok()?.ok()
}

/// Every node has exactly these rows.
pub(super) async fn assert_rows(bed: &Bed, rows: &Rows) {
    for node in 0..bed.ports.len() {
        let found = bed.plain(node).run(&[&format!("SELECT id, v, u FROM {} ORDER BY id", bed.source())]).await;
        let number = |text: &String| text.parse::<u64>().unwrap();
        let found: Rows = found.iter().map(|row| (number(&row[0]), (number(&row[1]), number(&row[2])))).collect();
        let lost: Vec<_> = rows.iter().filter(|(id, row)| found.get(id) != Some(row)).take(5).collect();
        let invented: Vec<_> = found.iter().filter(|(id, _)| !rows.contains_key(id)).take(5).collect();
        assert!(lost.is_empty() && invented.is_empty(), "node {node}: lost or changed {lost:?}, invented {invented:?}");
    }
}
