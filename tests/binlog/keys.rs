//! Keys of every type: the stream writes them as the copy reads them.

use driftless::ports::changes::Position;
use driftless::ports::rows::Bound;

use crate::ground::{Ground, Watched, rows};

/// Key columns, and values for them.
const TYPES: &[(&str, &str)] = &[
    ("TINYINT", "(-128),(-1),(0),(127)"),
    ("TINYINT UNSIGNED", "(0),(128),(255)"),
    ("SMALLINT", "(-32768),(-1),(32767)"),
    ("SMALLINT UNSIGNED", "(0),(65535)"),
    ("MEDIUMINT", "(-8388608),(-1),(0),(8388607)"),
    ("MEDIUMINT UNSIGNED", "(0),(16777215)"),
    ("INT", "(-2147483648),(-1),(2147483647)"),
    ("INT UNSIGNED", "(0),(4294967295)"),
    ("INT(8) ZEROFILL", "(0),(42),(4294967295)"),
    ("BIGINT", "(-9223372036854775808),(-1),(9223372036854775807)"),
    ("BIGINT UNSIGNED", "(0),(18446744073709551615)"),
    ("BIGINT ZEROFILL", "(7)"),
    ("DECIMAL(65,30)", "(-1),(0),(12345678901234567890123456789012345.123456789012345678901234567891)"),
    ("DECIMAL(5,5)", "(0.00001),(-0.99999),(0)"),
    ("DECIMAL(18,9)", "(-123456789.987654321),(1)"),
    ("DECIMAL(9,0)", "(-999999999),(0),(10)"),
    ("DECIMAL(7,2) ZEROFILL", "(1.5),(0.05),(12345.67)"),
    ("DATE", "('0000-00-00'),('2024-00-00'),('2024-02-29'),('9999-12-31')"),
    ("DATETIME", "('0000-00-00'),('2024-01-02 03:04:05'),('9999-12-31 23:59:59')"),
    ("DATETIME(3)", "('2024-01-02 03:04:05.678'),('2024-01-02')"),
    ("DATETIME(6)", "('2024-01-02 03:04:05.678912'),('0000-00-00'),('1000-01-01 00:00:00.000001')"),
    ("TIMESTAMP NOT NULL DEFAULT 0", "('0000-00-00'),('2024-06-02 03:04:05'),('1970-01-02'),('2038-01-18 03:14:07')"),
    ("TIMESTAMP(1) NOT NULL DEFAULT 0", "('2024-06-02 03:04:05.7'),('2024-06-02 03:04:05')"),
    ("TIMESTAMP(6) NOT NULL DEFAULT 0", "('2024-06-02 03:04:05.678912'),('0000-00-00')"),
    ("TIME", "('-838:59:59'),('-00:00:01'),('00:00:00'),('838:59:59')"),
    ("TIME(2)", "('-00:00:00.01'),('12:34:56.78'),('-12:34:56.78')"),
    ("TIME(6)", "('-00:00:00.000001'),('-838:59:59.999999'),('00:00:00.1')"),
    ("YEAR", "(0),(1901),(2024),(2155)"),
    ("YEAR(2)", "(70),(99),(0),(24)"),
    ("ENUM('x','é','it''s')", "('x'),('é'),('it''s')"),
    ("SET('a','b','c')", "(''),('a'),('a,c'),('a,b,c')"),
    ("BIT(1)", "(0),(1)"),
    ("BIT(9)", "(0),(256),(511)"),
    ("BIT(64)", "(0),(18446744073709551615)"),
    ("CHAR(5)", "(''),('a'),('a b'),('ü😀')"),
    ("CHAR(5) CHARACTER SET latin1", "('é'),('a')"),
    ("CHAR(3) CHARACTER SET utf16", "('é'),('a ')"),
    ("CHAR(255)", "(REPEAT('😀',191)),('x')"),
    ("CHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "(REPEAT('😀',64)),('')"),
    ("VARCHAR(10) CHARACTER SET latin1", "('café'),('€'),('a '),('')"),
    ("VARCHAR(10) CHARACTER SET sjis", "('表示'),('a')"),
    ("VARCHAR(300)", "(REPEAT('ab',150)),('it''s \\\\ x')"),
    ("BINARY(4)", "(x'00000000'),(x'61000000'),(x'00ff'),('abcd')"),
    ("BINARY(16)", "(x'00112233445566778899aabbccddeeff'),(x'00')"),
    ("VARBINARY(300)", "(x''),(x'ff00fe00'),(x'00')"),
    (
        "UUID",
        "('00000000-0000-0000-0000-000000000000'),('123e4567-e89b-12d3-a456-426655440000'),(UUID()),
        ('0190b0a0-1234-7abc-8def-0123456789ab'),('ffffffff-ffff-ffff-ffff-ffffffffff00')",
    ),
    ("INET4", "('0.0.0.0'),('255.254.1.0'),('10.0.0.1')"),
    (
        "INET6",
        "('::'),('::1'),('2001:db8::ff'),('::1.2.3.4'),('::ffff:1.2.3.4'),('1:0:2:3:4:5:6:7'),
        ('1:2:3:4:5:6:7:0'),('1:0:0:2:0:0:0:3'),('fe80::1:0:0'),('0:1::'),('::ffff:0:1')",
    ),
];

async fn streamed(watched: &Watched, from: &Position) -> Vec<Bound> {
    rows(&watched.since(from).await).into_iter().map(|(_, after)| after.unwrap()).collect()
}

/// Those, and some that are too many to be written out.
fn types() -> Vec<(String, String)> {
    let mut all: Vec<_> = TYPES.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect();
    let members: Vec<String> = (0..49).map(|number| format!("'m{number}'")).collect();
    let whole = members.join(",").replace('\'', "");
    all.push((format!("SET({})", members.join(",")), format!("('{whole}'),('m48'),('m0,m47')")));
    let sparse = |seed: u32, word: u32| {
        let mixed = (seed * 8 + word).wrapping_mul(0x9e37_79b9).rotate_left(13).wrapping_mul(0x85eb_ca6b) >> 7;
        if mixed.is_multiple_of(3) { mixed & 0xffff } else { 0 }
    };
    let address = |seed: u32| {
        let words: Vec<String> = (0..8).map(|word| format!("{:x}", sparse(seed, word))).collect();
        format!("('{}')", words.join(":"))
    };
    let many: std::collections::BTreeSet<String> = (0..150).map(address).collect();
    all.push(("INET6".to_owned(), many.into_iter().collect::<Vec<_>>().join(",")));
    all
}

async fn every_type(lines: &[&str]) {
    let ground = Ground::start(lines).await;
    for (index, (definition, values)) in types().iter().enumerate() {
        let create = format!("CREATE TABLE s.k{index} (k {definition}, n INT, PRIMARY KEY (k))");
        ground.run(&["SET SESSION sql_mode = ''", &create]).await;
        let watched = ground.watch(&format!("k{index}")).await;
        let from = watched.position().await;
        let insert = format!("INSERT INTO s.k{index} (k) VALUES {values}");
        ground.run(&["SET SESSION sql_mode = '', time_zone = '+05:30', NAMES utf8mb4", &insert]).await;
        let (mut seen, mut read) = (streamed(&watched, &from).await, watched.keys().await);
        seen.sort_by(|one, other| one.0.cmp(&other.0));
        read.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(seen, read, "{definition}");
        assert_eq!(read.len(), ground.run(&[&format!("SELECT k FROM s.k{index}")]).await.len(), "{definition}");
    }
    ground.cluster.stop().await;
}

#[tokio::test]
async fn keys_of_every_type_are_those_that_the_copy_reads() {
    every_type(&["default_time_zone=+02:00"]).await;
}

#[tokio::test]
async fn so_are_those_of_compressed_events() {
    every_type(&["log_bin_compress=ON", "log_bin_compress_min_len=10", "binlog_checksum=NONE"]).await;
}
