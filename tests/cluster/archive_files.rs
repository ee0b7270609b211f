//! Rows of every type out of a real table into files of every format, proven, and back: each value is what it was.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driftless::archive::files::Disk;
use driftless::archive::{
    ArchiveError, Compression, FileDestination, Format, Layout, Pattern, Roll, Target, Wanted, load, verify,
};
use driftless::config::{AddressMap, Connection, Endpoint, HostPort, Secret, Tls, TlsMode};
use driftless::inspect::{Reading, read_table};
use driftless::mysql::MysqlServer;
use driftless::ports::destination::{Destination as _, Taken};
use driftless::ports::server::{Row, Server};
use driftless::sql::Sql;
use driftless::sql::archive::select_list;
use driftless::sql::catalog_table::Dialect;
use driftless_strategies::{Flavour, Ident, TableName, Version};

use crate::support::{PlainServer, shared};

const LIMIT: Duration = Duration::from_secs(300);

const DIALECT: Dialect = Dialect { flavour: Flavour::MariaDb, version: Version::new(10, 11, 0) };

const FORMATS: [(&str, Format, Compression); 10] = [
    ("csv", Format::Csv, Compression::None),
    ("csv.gz", Format::Csv, Compression::Gzip),
    ("csv.zst", Format::Csv, Compression::Zstd),
    ("ndjson", Format::Ndjson, Compression::None),
    ("ndjson.gz", Format::Ndjson, Compression::Gzip),
    ("ndjson.zst", Format::Ndjson, Compression::Zstd),
    ("sql", Format::Sql, Compression::None),
    ("sql.gz", Format::Sql, Compression::Gzip),
    ("sql.zst", Format::Sql, Compression::Zstd),
    ("parquet", Format::Parquet, Compression::Zstd),
];

/// Columns, and values that are extreme or awkward. Strings of any bytes stand as hex.
const COLUMNS: [(&str, &[&str]); 52] = [
    ("c_tiny TINYINT", &["-128", "127", "NULL"]),
    ("c_utiny TINYINT UNSIGNED", &["255"]),
    ("c_small SMALLINT", &["-32768", "32767"]),
    ("c_med MEDIUMINT", &["-8388608", "8388607"]),
    ("c_umed MEDIUMINT UNSIGNED", &["16777215"]),
    ("c_int INT", &["-2147483648", "0", "2147483647"]),
    ("c_uint INT UNSIGNED", &["4294967295"]),
    ("c_fill INT(6) UNSIGNED ZEROFILL", &["0", "42", "1234567"]),
    ("c_big BIGINT", &["-9223372036854775808", "9223372036854775807"]),
    ("c_ubig BIGINT UNSIGNED", &["18446744073709551615", "0"]),
    ("c_dec DECIMAL(65,30)", &["-99999999999999999999999999999999999.999999999999999999999999999999", "1e-30", "0"]),
    ("c_dec2 DECIMAL(10,2) UNSIGNED ZEROFILL", &["1.5", "99999999.99"]),
    ("c_dec3 DECIMAL(5,5)", &["-0.12345", "0.99999"]),
    ("c_dec4 DECIMAL(18,0)", &["-999999999999999999", "7"]),
    ("c_float FLOAT", &["0.1", "16777217", "3.4028234e38", "-1.1754944e-38", "-0e0", "1.4e-45"]),
    ("c_float73 FLOAT(7,3)", &["1.234", "9999.999"]),
    (
        "c_double DOUBLE",
        &["0.1", "1e0/3", "1.7976931348623157e308", "-2.2250738585072014e-308", "5e-324", "-0e0", "1e15"],
    ),
    ("c_double73 DOUBLE(7,3)", &["1.234", "-9999.999"]),
    ("c_bit1 BIT(1)", &["b'1'", "b'0'"]),
    ("c_bit64 BIT(64)", &["0xffffffffffffffff", "1"]),
    ("c_year YEAR", &["0000", "1901", "2155"]),
    ("c_date DATE", &["'0000-00-00'", "'2024-00-00'", "'1000-01-01'", "'9999-12-31'", "'2024-02-30'"]),
    ("c_dt DATETIME", &["'0000-00-00'", "'2024-01-02 03:04:05'", "'9999-12-31 23:59:59'"]),
    ("c_dt6 DATETIME(6)", &["'2024-01-02 03:04:05.123456'", "'1969-12-31 23:59:59.999999'"]),
    ("c_ts TIMESTAMP NULL", &["'2024-07-02 03:04:05'", "'1970-01-01 12:00:01'", "0", "NULL"]),
    ("c_ts6 TIMESTAMP(6) NULL", &["'2038-01-18 03:14:07.999999'"]),
    ("c_time TIME", &["'-838:59:59'", "'838:59:59'", "'00:00:00'"]),
    ("c_time6 TIME(6)", &["'-838:59:59.999999'", "'-00:00:00.000001'", "'01:02:03.5'"]),
    ("c_char CHAR(10) CHARSET latin1", &["'abc'", "''", "x'e98180'", "'NULL'"]),
    ("c_latin VARCHAR(300) CHARSET latin1", &["@ALL", "x'c3a9'", "'NULL'", "''", "'a  '"]),
    (
        "c_utf8 VARCHAR(100) CHARSET utf8mb4",
        &["'é😀'", "x'22272c0d0a5c0a09'", "'\\\\N'", "'null'", "'{\"hex\":\"00\"}'"],
    ),
    ("c_utf3 VARCHAR(100) CHARSET utf8mb3", &["'ﬁ'", "x'00'"]),
    ("c_sjis VARCHAR(20) CHARSET sjis", &["'表示'", "'abc'"]),
    ("c_ucs2 VARCHAR(20) CHARSET ucs2", &["'é'", "x'0000000a'"]),
    ("c_utf32 VARCHAR(20) CHARSET utf32", &["'😀'"]),
    ("c_greek VARCHAR(20) CHARSET greek", &["x'e1f2'"]),
    ("c_text TEXT CHARSET latin1", &["REPEAT(x'e9', 65535)", "'x\\n'", "NULL", "'a'", "'b'", "'c'", "'d'"]),
    ("c_long LONGTEXT CHARSET utf8mb4", &["REPEAT('é', 70000)", "'line\\n'", "'a'", "'b'", "'c'", "'d'", "'e'"]),
    ("c_bin BINARY(16)", &["x'0102030405060708090a0b0c0d0e0f00'", "x'ff'"]),
    ("c_vbin VARBINARY(300)", &["@ALL", "''", "x'00'", "'0x41'"]),
    ("c_blob BLOB", &["REPEAT(x'00ff', 300)", "''", "NULL"]),
    ("c_lblob LONGBLOB", &["REPEAT('a', 600000)", "x'5c7830'", "'a'", "'b'", "'c'", "'d'", "'e'"]),
    ("c_enum ENUM('a','it''s','','é') CHARSET latin1", &["'a'", "0", "''", "'é'", "\"it's\"", "NULL"]),
    ("c_set SET('x','y','z') CHARSET utf8mb4", &["'x,z'", "''", "7"]),
    ("c_json JSON", &["'{\"a\": [1, null, \"\\\\u00e9\"]}'", "'\"x\"'"]),
    ("c_uuid UUID", &["'123E4567-E89B-12D3-A456-426655440000'", "'00000000-0000-0000-0000-000000000001'"]),
    ("c_inet4 INET4", &["'255.254.1.0'", "'0.0.0.0'"]),
    ("c_inet6 INET6", &["'2001:db8::ff'", "'::'", "'::ffff:1.2.3.4'"]),
    ("c_point POINT", &["ST_GeomFromText('POINT(1 2)', 4326)", "NULL"]),
    ("c_geom GEOMETRY", &["ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))', 7)", "POINT(0, 0)"]),
    ("c_comp VARCHAR(500) COMPRESSED CHARSET latin1", &["REPEAT('ab', 200)", "''"]),
    ("c_hidden INT INVISIBLE DEFAULT 7", &["NULL", "5"]),
];

fn server(port: u16) -> MysqlServer {
    let endpoint = Endpoint::Tcp(HostPort::new("127.0.0.1", port));
    let connection = Connection {
        endpoint: endpoint.clone(),
        user: "root".into(),
        password: Secret::new(""),
        tls: Tls { mode: TlsMode::Disabled, ca: None, identity: None },
        connect_timeout: Duration::from_secs(10),
        nodes: Vec::new(),
        address_map: AddressMap::default(),
    };
    MysqlServer::new(&connection, &endpoint)
}

/// A table with all columns and as many rows as the longest list of values, each value at least once.
async fn fill(plain: &PlainServer, table: &TableName) -> u64 {
    let columns: Vec<&str> = COLUMNS.iter().map(|(column, _)| *column).collect();
    let create = format!(
        "CREATE TABLE {} (id BIGINT UNSIGNED PRIMARY KEY, {}, g_virtual INT AS (c_tiny + 1) VIRTUAL, \
         g_stored VARCHAR(30) AS (CONCAT('g', id)) STORED) CHARSET latin1",
        table.quoted(),
        columns.join(", ")
    );
    let all: String = (0..=255_u8).map(|byte| format!("{byte:02x}")).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.split(' ').next().unwrap()).collect();
    let longest = COLUMNS.iter().map(|(_, values)| values.len()).max().unwrap();
    let rows = longest * 2;
    let mut statements = vec!["SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'".to_owned(), create];
    for id in 0..rows {
        let value = |values: &[&str]| values[id % values.len()].replace("@ALL", &format!("x'{all}'"));
        let values: Vec<String> = COLUMNS.iter().map(|(_, values)| value(values)).collect();
        let key = if id == 0 { u64::MAX } else { id as u64 };
        let insert =
            format!("INSERT INTO {} (id, {}) VALUES ({key}, {})", table.quoted(), names.join(", "), values.join(", "));
        statements.push(insert);
    }
    // A row of NULLs.
    statements.push(format!("INSERT INTO {} (id, c_hidden) VALUES (0, NULL)", table.quoted()));
    plain.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    rows as u64 + 1
}

/// Everything of a table that a server can print exactly, in the order of the key.
async fn hex(plain: &PlainServer, table: &TableName) -> Vec<Vec<String>> {
    let plainly = |name: &str| format!("HEX({name})");
    let as_text = |name: &str| format!("HEX(CAST({name} AS CHAR))");
    let names = COLUMNS.iter().map(|(column, _)| column.split(' ').next().unwrap()).chain(["g_virtual", "g_stored"]);
    let one = |name: &str| match name {
        "c_float" | "c_float73" | "c_double" | "c_double73" => format!("CAST({name} * 1e0 AS CHAR)"),
        "c_enum" | "c_set" | "c_bit1" | "c_bit64" => format!("{name} + 0"),
        name if name.starts_with("c_d") || name.starts_with("c_t") && name != "c_text" => as_text(name),
        "c_uuid" | "c_inet4" | "c_inet6" => as_text(name),
        name => plainly(name),
    };
    let list: Vec<String> = names.map(one).collect();
    let select = format!("SELECT id, {} FROM {} ORDER BY id", list.join(", "), table.quoted());
    plain.run(&["SET SESSION time_zone = '+00:00'", &select]).await
}

async fn checksum(plain: &PlainServer, table: &TableName) -> String {
    plain.run(&[&format!("CHECKSUM TABLE {}", table.quoted())]).await[0][1].clone()
}

async fn read(server: &MysqlServer, table: &TableName) -> (Reading, Vec<Row>) {
    let mut session = server.connect().await.unwrap();
    let reading = read_table(session.as_mut(), DIALECT, table).await.unwrap().unwrap();
    let sql =
        Sql::new("SELECT ").join(", ", select_list(&reading.shape)).text(" FROM ").table(table).text(" ORDER BY id");
    let rows = session.query(&sql).await.unwrap();
    (reading, rows)
}

async fn archive(dir: &Path, end: &str, reading: &Reading, rows: &[Row], kind: (Format, Compression)) -> PathBuf {
    let key = vec![Ident::new("id").unwrap()];
    let layout = Layout::new(reading.name.clone(), &reading.shape.columns, key, kind.0, kind.1).unwrap();
    let pattern = Pattern::parse(&format!("{}/{{table}}-{{n}}.{end}", dir.display()), &reading.name).unwrap();
    let wanted = Wanted { pattern, layout, roll: Roll::default(), run: "r".into() };
    let now = Arc::new(|| Duration::from_secs(1_800_000_000));
    let mut files = FileDestination::open(Arc::new(Disk), wanted, now).unwrap();
    for (number, batch) in (1..).zip(rows.chunks(3)) {
        files.take(number, &Taken { rows: batch.to_vec(), keys: Vec::new() }).await.unwrap();
        files.deleted(number).await.unwrap();
    }
    let summary = files.finish().await.unwrap();
    assert_eq!(summary.rows, rows.len() as u64);
    PathBuf::from(&summary.places[0])
}

#[tokio::test]
async fn every_type_goes_through_every_format_and_back() {
    let test = shared().await;
    let (plain, server) = (test.plain(0), server(test.nodes()[0].port));
    let work = async {
        let (source, copy) = (test.table("source"), test.table("copy"));
        let count = fill(&plain, &source).await;
        let (reading, rows) = read(&server, &source).await;
        assert_eq!(rows.len() as u64, count);
        let (wanted, sum) = (hex(&plain, &source).await, checksum(&plain, &source).await);
        plain.run(&[&format!("CREATE TABLE {} LIKE {}", copy.quoted(), source.quoted())]).await;
        let dir = tempfile::tempdir().unwrap();
        for (end, format, compression) in FORMATS {
            let path = archive(dir.path(), end, &reading, &rows, (format, compression)).await;
            let proof = verify(&Disk, &path).unwrap();
            assert_eq!((proof.rows, proof.deleted), (count, count), "{end}");
            let target = Target { table: copy.clone(), shape: read(&server, &copy).await.0.shape };
            let loaded = load(Arc::new(Disk), path.clone(), &server, &target)
                .await
                .unwrap_or_else(|error| panic!("{end}: {error}"));
            assert_eq!((loaded.inserted, loaded.present), (count, 0), "{end}");
            assert_eq!(hex(&plain, &copy).await, wanted, "{end}");
            assert_eq!(checksum(&plain, &copy).await, sum, "{end}");
            // Broken off and begun again: what is there stays, what is not comes.
            plain.run(&[&format!("DELETE FROM {} WHERE id IN (2, 5)", copy.quoted())]).await;
            let again = load(Arc::new(Disk), path.clone(), &server, &target).await.unwrap();
            assert_eq!((again.inserted, again.present), (2, count - 2), "{end}");
            assert_eq!(checksum(&plain, &copy).await, sum, "{end}");
            plain.run(&[&format!("UPDATE {} SET c_tiny = 1 WHERE id = 3", copy.quoted())]).await;
            let refused = load(Arc::new(Disk), path, &server, &target).await.unwrap_err();
            assert!(matches!(refused, ArchiveError::Target { .. }), "{end}: {refused}");
            assert!(refused.to_string().contains("the row 3 is in the table already"), "{end}: {refused}");
            plain.run(&[&format!("TRUNCATE TABLE {}", copy.quoted())]).await;
        }
    };
    test.bounded(LIMIT, work).await;
}

/// The usual client loads a dump, whatever it is set to.
#[tokio::test]
async fn a_dump_loads_by_the_client_in_any_mode() {
    let test = shared().await;
    let (plain, node) = (test.plain(0), test.nodes()[0].clone());
    let server = server(node.port);
    let work = async {
        let source = test.table("dumped`\n'x");
        let count = fill(&plain, &source).await;
        let (reading, rows) = read(&server, &source).await;
        let (wanted, sum) = (hex(&plain, &source).await, checksum(&plain, &source).await);
        let dir = tempfile::tempdir().unwrap();
        let path = archive(dir.path(), "sql", &reading, &rows, (Format::Sql, Compression::None)).await;
        for mode in ["", "ORACLE,ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH", "TRADITIONAL"] {
            plain.run(&[&format!("TRUNCATE TABLE {}", source.quoted())]).await;
            let init = format!("SET SESSION sql_mode = '{mode}', time_zone = '-05:00'");
            let loaded = tokio::process::Command::new("mariadb")
                .args(["--no-defaults", "--host=127.0.0.1", "--user=root", "--default-character-set=sjis"])
                .args([&format!("--port={}", node.port), &format!("--init-command={init}"), test.schema.as_str()])
                .stdin(std::fs::File::open(&path).unwrap())
                .output()
                .await
                .unwrap();
            assert!(loaded.status.success(), "{mode}: {}", String::from_utf8_lossy(&loaded.stderr));
            assert_eq!(hex(&plain, &source).await, wanted, "{mode}");
            assert_eq!(checksum(&plain, &source).await, sum, "{mode}");
        }
        assert_eq!(wanted.len() as u64, count);
    };
    test.bounded(LIMIT, work).await;
}

/// A table that does not take the rows as they are gets none.
#[tokio::test]
async fn a_table_that_differs_is_refused() {
    let test = shared().await;
    let (plain, server) = (test.plain(0), server(test.nodes()[0].port));
    let work = async {
        let source = test.table("s");
        let made = [
            format!("CREATE TABLE {} (id INT PRIMARY KEY, a VARCHAR(10) CHARSET latin1)", source.quoted()),
            format!("INSERT INTO {} VALUES (1, 'x'), (2, NULL)", source.quoted()),
        ];
        plain.run(&[&made[0], &made[1]]).await;
        let (reading, rows) = read(&server, &source).await;
        let dir = tempfile::tempdir().unwrap();
        let path = archive(dir.path(), "csv", &reading, &rows, (Format::Csv, Compression::None)).await;
        let cases = [
            ("id INT PRIMARY KEY, a VARCHAR(10) CHARSET utf8mb4", "column a is varchar(10) utf8mb4"),
            ("id BIGINT PRIMARY KEY, a VARCHAR(10) CHARSET latin1", "column id is bigint"),
            ("id INT PRIMARY KEY", "it has no column a"),
            ("id INT PRIMARY KEY, a VARCHAR(10) CHARSET latin1, b INT", "the file has no column b"),
            ("id INT, a VARCHAR(10) CHARSET latin1, UNIQUE (id)", "it has no primary key"),
        ];
        for (number, (columns, why)) in cases.iter().enumerate() {
            let table = test.table(&format!("t{number}"));
            plain.run(&[&format!("CREATE TABLE {} ({columns})", table.quoted())]).await;
            let target = Target { table: table.clone(), shape: read_shape(&server, &table).await };
            let refused = load(Arc::new(Disk), path.clone(), &server, &target).await.unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
            assert_eq!(plain.run(&[&format!("SELECT COUNT(*) FROM {}", table.quoted())]).await, [["0"]]);
        }
    };
    test.bounded(LIMIT, work).await;
}

async fn read_shape(server: &MysqlServer, table: &TableName) -> driftless_strategies::TableShape {
    let mut session = server.connect().await.unwrap();
    read_table(session.as_mut(), DIALECT, table).await.unwrap().unwrap().shape
}
