//! How fast files are written and proven, and how much memory that takes. Prints figures, asserts no time:
//! `cargo test --release --test cluster archive_figures -- --ignored --nocapture`, with `DRIFTLESS_FIGURES_MB=500` for more.

use std::sync::Arc;
use std::time::Duration;

use driftless::archive::files::Disk;
use driftless::archive::{FileDestination, Layout, Pattern, Roll, Wanted, verify};
use driftless::config::SystemClock;
use driftless::ports::clock::Clock as _;
use driftless::ports::destination::{Destination as _, Taken};
use driftless::ports::server::Row;
use driftless_strategies::{Column, Ident, TableName};

const ENDS: [&str; 7] = ["csv", "csv.gz", "csv.zst", "ndjson.zst", "sql", "sql.zst", "parquet"];
const MEGABYTES: u64 = 64;
const BATCH: u64 = 2_000;
/// The most that memory may grow by, kB: what files promise, flat, whatever the size of the table.
const MEMORY_KB: u64 = 64 * 1024;

fn column(name: &str, column_type: &str, charset: Option<&str>) -> Column {
    Column {
        name: Ident::new(name).unwrap(),
        data_type: column_type.split('(').next().unwrap().into(),
        column_type: column_type.into(),
        nullable: false,
        default: None,
        extra: String::new(),
        charset: charset.map(str::to_owned),
        collation: None,
        generated: None,
        expression: None,
        invisible: false,
        comment: String::new(),
    }
}

fn row(id: u64) -> Row {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let text = format!("{mixed:016x} order of a customer, paid {id}, sent by post; {:060}", mixed / 7);
    let values = [
        id.to_string(),
        (mixed % 1_000_000).to_string(),
        text,
        format!("{}.{:02}", mixed % 100_000, mixed % 100),
        format!("2024-{:02}-{:02} 10:{:02}:00", mixed % 12 + 1, mixed % 28 + 1, mixed % 60),
    ];
    Row(values.into_iter().map(|value| Some(value.into_bytes())).collect())
}

/// The most memory that this process ever had, kB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a while, and wants an optimised build"]
async fn figures_of_every_format() {
    let wanted: u64 = std::env::var("DRIFTLESS_FIGURES_MB").map_or(MEGABYTES, |text| text.parse().unwrap());
    let columns = [
        column("id", "bigint(20)", None),
        column("customer", "int(11)", None),
        column("note", "varchar(200)", Some("latin1")),
        column("price", "decimal(10,2)", None),
        column("at", "datetime", None),
    ];
    let table = TableName::parse("shop.orders").unwrap();
    let clock = SystemClock::new();
    for end in ENDS {
        let dir = tempfile::tempdir().unwrap();
        let pattern = Pattern::parse(&format!("{}/x-{{n}}.{end}", dir.path().display()), &table).unwrap();
        let (format, compression) = pattern.format().unwrap();
        let key = vec![Ident::new("id").unwrap()];
        let layout = Layout::new(table.clone(), &columns, key, format, compression).unwrap();
        let files = Wanted { pattern, layout, roll: Roll::default(), run: "r".into() };
        let before = peak();
        let mut files = FileDestination::open(Arc::new(Disk), files, Arc::new(|| Duration::ZERO)).unwrap();
        let (mut bytes, mut number, mut spent) = (0, 0, Duration::ZERO);
        while bytes < wanted * 1_000_000 {
            let rows: Vec<Row> = (number * BATCH..(number + 1) * BATCH).map(row).collect();
            bytes += rows.iter().flat_map(|row| &row.0).flatten().map(|value| value.len() as u64).sum::<u64>();
            number += 1;
            let began = clock.now();
            files.take(number, &Taken { rows, keys: Vec::new() }).await.unwrap();
            files.deleted(number).await.unwrap();
            spent += clock.now() - began;
        }
        let began = clock.now();
        let summary = files.finish().await.unwrap();
        spent += clock.now() - began;
        let began = clock.now();
        verify(&Disk, summary.places[0].as_ref()).unwrap();
        let proving = clock.now() - began;
        let grown = peak() - before;
        let speed = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
        eprintln!(
            "{end:>10}: {:>5.0} MB of values in {:>5.0} MB of file; written at {:>4.0} MB/s, proven at {:>4.0} MB/s; memory +{} MB",
            bytes as f64 / 1e6,
            summary.bytes as f64 / 1e6,
            speed(spent),
            speed(proving),
            grown / 1024
        );
        assert!(grown < MEMORY_KB, "{end}: memory grew by {grown} kB");
    }
}
