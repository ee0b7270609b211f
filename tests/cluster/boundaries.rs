//! Chunk boundaries against brute force, on a real server: keys of every type, alone and composite, random rows, random
//! chunk sizes. The server's own order of the whole table is the truth.

use std::sync::Arc;
use std::time::Duration;

use driftless::copy::table::{Kept, Setting, TableRows};
use driftless::demo::Random;
use driftless::ports::journal::JobId;
use driftless::ports::rows::{Range, Rows};
use driftless::sql::checksum::{Digest, RowHash};
use driftless::sql::copy::{Side, from_range};
use driftless_strategies::plan::CopySpec;
use driftless_strategies::{ClauseKind, Options, TableName, choose};

use crate::inspect::{alter, calm, facts, first_server};
use crate::support::TestCluster;

/// Makes a value, as SQL.
type Make = fn(&mut Random) -> String;

/// Key types, each with what its values are made of.
const TYPES: [(&str, Make); 17] = [
    ("INT", |r| signed(r, 60)),
    ("TINYINT", |r| signed(r, 100)),
    ("BIGINT UNSIGNED", |r| one(r, &["0", "1", "9223372036854775807", "9223372036854775808", "18446744073709551615"])),
    ("DECIMAL(12,3)", |r| format!("{}.{:03}", signed(r, 20), r.below(1000))),
    ("ENUM('zeta','alpha','Mid','b')", |r| one(r, &["'zeta'", "'alpha'", "'Mid'", "'b'"])),
    ("SET('z','a','m')", |r| one(r, &["''", "'z'", "'a'", "'z,a'", "'m'", "'z,a,m'"])),
    ("VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", text),
    ("VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_nopad_ci", text),
    ("VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", text),
    ("CHAR(4) CHARACTER SET latin1", |r| format!("x'{:02x}{:02x}'", 33 + r.below(90), 160 + r.below(96))),
    ("VARBINARY(3)", |r| format!("x'{:02x}{:02x}'", r.below(256), r.below(256))),
    ("BINARY(2)", |r| format!("x'{:04x}'", r.below(65_536))),
    ("DATE", |r| one(r, &["'0000-00-00'", "'2024-02-29'", "'1000-01-01'", "'9999-12-31'", "'2024-03-01'"])),
    ("DATETIME(6)", |r| format!("'20{:02}-01-02 03:04:05.{:06}'", r.below(90), r.below(1_000_000))),
    ("TIMESTAMP(3)", |r| format!("'2024-05-06 07:08:{:02}.{:03}'", r.below(60), r.below(1000))),
    ("TIME(2)", |r| format!("'{}:{:02}:00.{:02}'", signed(r, 700), r.below(60), r.below(100))),
    ("YEAR", |r| (1_950 + r.below(150)).to_string()),
];

fn signed(random: &mut Random, most: u64) -> String {
    let value = random.below(most);
    if random.below(2) == 0 { format!("-{value}") } else { value.to_string() }
}

fn one(random: &mut Random, values: &[&str]) -> String {
    values[usize::try_from(random.below(values.len() as u64)).unwrap()].to_owned()
}

/// Letters that collations hold for equal, spaces at the end, quotes, wide characters.
fn text(random: &mut Random) -> String {
    const PIECES: [&str; 12] = ["a", "A", "ä", "b", "B", " ", "''", "\\\\", "é", "😀", "ß", "Z"];
    let piece = |_| one(random, &PIECES);
    format!("'{}'", (0..3).map(piece).collect::<String>())
}

/// A table with that key and up to `rows` rows, each with a number of its own.
async fn table(test: &TestCluster, name: &str, key: &[usize], rows: u64, random: &mut Random) -> TableName {
    let columns: Vec<String> =
        key.iter().enumerate().map(|(at, kind)| format!("k{at} {} NOT NULL", TYPES[*kind].0)).collect();
    let names: Vec<String> = (0..key.len()).map(|at| format!("k{at}")).collect();
    let table = format!("{}.{name}", test.schema.quoted());
    let mut plain = vec![
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES'".to_owned(),
        format!("CREATE TABLE {table} ({}, n INT NOT NULL, PRIMARY KEY ({}))", columns.join(", "), names.join(", ")),
    ];
    for number in 0..rows {
        let values: Vec<String> = key.iter().map(|kind| TYPES[*kind].1(random)).collect();
        // Values that the key holds for equal are left out by the server.
        plain.push(format!("INSERT IGNORE INTO {table} VALUES ({}, {number})", values.join(", ")));
    }
    plain.push(format!("SELECT COUNT(*) FROM {table}"));
    let statements: Vec<&str> = plain.iter().map(String::as_str).collect();
    test.plain(0).run(&statements).await;
    test.table(name)
}

async fn rows_of(test: &TestCluster, spec: &CopySpec, range: &Range) -> Vec<String> {
    let order: Vec<String> = spec.key.columns.iter().map(|column| format!("`{}`", column.source.as_str())).collect();
    let sql = format!("SELECT n{} ORDER BY {}", from_range(spec, Side::Source, range).as_str(), order.join(", "));
    let mode = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES', time_zone = '+00:00'";
    let rows = test.plain(0).run(&["SET NAMES utf8mb4", mode, &sql]).await;
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

async fn judge(test: &TestCluster, table: &TableName, random: &mut Random, what: &str) {
    let change = alter("FORCE", ClauseKind::Force);
    let facts = facts(table, Some(&change)).await;
    let plan = choose(&facts, &change, &Options::default()).plan.unwrap_or_else(|| panic!("{what}: no plan"));
    let spec = Arc::new(plan.work.copy().unwrap().clone());
    let rows = TableRows::new(Setting {
        server: first_server(),
        others: Vec::new(),
        flavour: facts.nodes[0].flavour,
        job: JobId("boundaries00".into()),
        spec: Arc::clone(&spec),
        digest: Arc::new(Digest { hash: RowHash::CrcProduct, source: facts.table.columns.clone() }),
        row_lock_wait: Duration::from_secs(1),
        kept: Kept::ByTriggers,
    });
    let all = rows_of(test, &spec, &Range::default()).await;
    let end = rows.last().await.unwrap().expect("it has rows");
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let size = 1 + random.below(9);
        let Some((upto, counted)) = rows.next(after.as_ref(), &end, size).await.unwrap() else { break };
        let chunk = rows_of(test, &spec, &Range { after: after.clone(), upto: Some(upto.clone()) }).await;
        let left = u64::try_from(all.len() - seen.len()).unwrap();
        assert_eq!((chunk.len() as u64, counted), (size.min(left), size.min(left)), "{what}: chunk up to {upto:?}");
        seen.extend(chunk);
        after = Some(upto);
    }
    assert_eq!(seen, all, "{what}: every row once, in order");
    assert_eq!(after.as_ref(), Some(&end), "{what}: the end is reached");
    assert_eq!(
        rows_of(test, &spec, &Range { after, upto: None }).await,
        Vec::<String>::new(),
        "{what}: nothing behind it"
    );
}

#[tokio::test]
async fn chunks_cut_every_key_as_the_server_orders_it() {
    let test = calm().await;
    let work = async {
        let random = &mut Random::new(2026);
        for (kind, (name, _)) in TYPES.iter().enumerate() {
            let made = table(&test, &format!("alone{kind}"), &[kind], 30, random).await;
            judge(&test, &made, random, name).await;
        }
        for round in 0..20 {
            let mut kind = || usize::try_from(random.below(TYPES.len() as u64)).unwrap();
            let key: Vec<usize> = (0..2 + round % 2).map(|_| kind()).collect();
            let made = table(&test, &format!("many{round}"), &key, 60, random).await;
            let what: Vec<&str> = key.iter().map(|kind| TYPES[*kind].0).collect();
            judge(&test, &made, random, &what.join(" | ")).await;
        }
    };
    test.bounded(Duration::from_secs(180), work).await;
}
