//! The classes of `strategies::convert`, tried on a real server: every type of the list below into every other, value by
//! value, as the copy does it. Only temporary tables are made, which replicate nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use driftless_strategies::plan::Compare;
use driftless_strategies::{Column, Conversion, Ident, ReasonCode, conversion};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, Value};

use crate::support::{TestCluster, shared};

/// Types, and values that are extreme or awkward.
const TYPES: [(&str, &[&str]); 73] = [
    ("tinyint", &["-128", "0", "127"]),
    ("tinyint unsigned", &["0", "255"]),
    ("smallint", &["-32768", "32767"]),
    ("smallint unsigned", &["65535"]),
    ("mediumint", &["-8388608", "8388607"]),
    ("mediumint unsigned", &["16777215"]),
    ("int", &["-2147483648", "-1", "0", "5", "70", "20240102", "2147483647"]),
    ("int unsigned", &["0", "4294967295"]),
    ("int(6) unsigned zerofill", &["0", "42", "1234567"]),
    ("bigint", &["-9223372036854775808", "-1", "9007199254740993", "9223372036854775807"]),
    ("bigint unsigned", &["0", "18446744073709551615"]),
    ("decimal(10,4)", &["1.2345", "-999999.9999", "7", "0.00005"]),
    ("decimal(12,6)", &["-999999.999999", "0.000001"]),
    ("decimal(9,0)", &["-999999999", "5", "999999999"]),
    ("decimal(5,5)", &["-0.12345", "0.99999"]),
    ("decimal(15,3)", &["-999999999999.999", "0.001", "123456789012.345"]),
    ("decimal(10,2) unsigned zerofill", &["1.5", "99999999.99"]),
    ("decimal(40,2)", &["-99999999999999999999999999999999999999.99", "0.01"]),
    ("decimal(65,30)", &["-99999999999999999999999999999999999.999999999999999999999999999999", "1e-30"]),
    ("float", &["0.1", "16777217", "3.4028234e38", "-1.1754944e-38", "-0e0"]),
    ("float(7,3)", &["1.234", "9999.999"]),
    ("double", &["0.1", "1e0/3", "1.7976931348623157e308", "-2.2250738585072014e-308", "1e15", "-0e0", "16777217"]),
    ("double(7,3)", &["1.234", "-9999.999"]),
    ("double unsigned", &["0.1", "1e300"]),
    ("bit(1)", &["b'1'", "b'0'"]),
    ("bit(8)", &["b'101'", "b'11111111'"]),
    ("bit(63)", &["0x7fffffffffffffff"]),
    ("bit(64)", &["0xffffffffffffffff", "1"]),
    ("year", &["0000", "1901", "2155"]),
    ("date", &["'0000-00-00'", "'2024-00-00'", "'1000-01-01'", "'9999-12-31'"]),
    ("datetime", &["'0000-00-00'", "'2024-01-02 03:04:05'", "'9999-12-31 23:59:59'", "'1969-12-31 23:59:59'"]),
    ("datetime(3)", &["'2024-01-02 03:04:05.123'"]),
    ("datetime(6)", &["'2024-01-02 03:04:05.123456'", "'9999-12-31 23:59:59.999999'"]),
    ("timestamp", &["'2024-01-02 03:04:05'", "'1970-01-01 00:00:01'", "0"]),
    ("timestamp(6)", &["'2038-01-19 03:14:07.999999'"]),
    ("time", &["'-838:59:59'", "'838:59:59'", "'00:00:00'"]),
    ("time(6)", &["'-838:59:59.999999'", "'-00:00:00.000001'", "'01:02:03.5'"]),
    ("char(5) charset latin1", &["'abc'", "''", "x'e98180'"]),
    ("char(20) charset utf8mb4", &["'2024-01-02'", "'é😀'"]),
    ("varchar(5) charset latin1", &["'ab  '", "''", "'007'", "'2'", "' 7'", "x'ff819d'"]),
    ("varchar(10) charset latin1 collate latin1_bin", &["'ab        '", "'0123456789'", "'A'", "'a'"]),
    ("varchar(10) charset utf8mb4", &["'é'", "'😀'", "'€'", "'2024-1-2'", "'{}'", "'A'", "'x '", "'3'"]),
    ("varchar(36) charset utf8mb4", &["'123E4567-E89B-12D3-A456-426655440000'", "'::01'", "'1e2'"]),
    ("varchar(300) charset utf8mb4", &["repeat('é',300)", "concat('a',repeat(' ',299))"]),
    ("varchar(5) charset utf8mb3", &["'é'", "'ﬁ'"]),
    ("varchar(5) charset ucs2", &["x'0041d800'", "x'00e9'"]),
    ("varchar(5) charset greek", &["x'ae'", "x'e1'"]),
    ("tinytext charset latin1", &["repeat(x'e9',255)", "'a '"]),
    ("text charset latin1", &["repeat('a',300)", "repeat(x'e9',65535)", "'7'"]),
    ("text charset utf8mb4", &["repeat('é',300)", "'x'"]),
    ("mediumtext charset latin1", &["repeat('a',70000)"]),
    ("longtext charset utf8mb4", &["repeat('é',70000)", "'😀'"]),
    ("binary(4)", &["x'01020000'", "x'61622020'", "x'ff'"]),
    ("binary(16)", &["x'0102030405060708090a0b0c0d0e0f10'"]),
    ("varbinary(4)", &["x'0102'", "x'61622020'", "x'c3a9'", "x'00'", "x'41'"]),
    ("varbinary(300)", &["repeat('a',300)", "x'ff'"]),
    ("tinyblob", &["repeat('a',255)", "x'ff'"]),
    ("blob", &["repeat('a',300)", "x'e9'", "''"]),
    ("mediumblob", &["repeat('a',70000)"]),
    ("longblob", &["repeat('a',70000)", "x'000000000101000000000000000000f03f0000000000000040'"]),
    ("enum('a','b') charset latin1", &["'a'", "'b'", "0"]),
    ("enum('a','b','c') charset latin1", &["'c'", "'b'"]),
    ("enum('b','a') charset utf8mb4", &["'a'", "'b'", "0"]),
    ("enum('A','b') charset latin1", &["'A'"]),
    ("enum('2','x','y') charset latin1", &["'2'", "'y'"]),
    ("enum('x','y','bbb') charset utf8mb4", &["'x'", "'y'", "'bbb'"]),
    ("set('a','b') charset latin1", &["'a,b'", "'a'", "''"]),
    ("set('a','x','b') charset utf8mb4", &["'a,x,b'", "'x'"]),
    ("set('b','a','2') charset latin1", &["'b,a'", "'2'", "'a'"]),
    ("uuid", &["'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'"]),
    ("inet4", &["'255.255.255.255'", "'0.0.0.0'"]),
    ("inet6", &["'2001:db8::ff'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'", "'::'"]),
    ("point", &["point(1,2)"]),
];

/// Types that only serve here and there.
const GEOMETRIES: [(&str, &[&str]); 2] = [
    ("geometry", &["point(1,2)", "st_geomfromtext('linestring(0 0,1 1)')"]),
    ("linestring", &["st_geomfromtext('linestring(0 0,1 1)')"]),
];

/// Pairs that are called silent must lose something before our eyes.
const SILENT: [(&str, &str); 42] = [
    ("int", "year"),
    ("int(6) unsigned zerofill", "varchar(36) charset utf8mb4"),
    ("int", "binary(16)"),
    ("bigint", "double"),
    ("mediumint", "float"),
    ("bigint", "bit(64)"),
    ("decimal(10,4)", "decimal(9,0)"),
    ("decimal(10,4)", "int"),
    ("decimal(10,4)", "float"),
    ("decimal(40,2)", "double"),
    ("float", "varchar(36) charset utf8mb4"),
    ("float", "decimal(10,4)"),
    ("float(7,3)", "float"),
    ("double", "float"),
    ("double", "decimal(10,4)"),
    ("double", "int"),
    ("year", "varchar(5) charset latin1"),
    ("datetime", "date"),
    ("datetime", "time"),
    ("time", "datetime"),
    ("time", "date"),
    ("date", "time"),
    ("datetime(6)", "datetime(3)"),
    ("time(6)", "time"),
    ("varchar(5) charset latin1", "int"),
    ("varchar(5) charset latin1", "char(20) charset utf8mb4"),
    ("varchar(5) charset latin1", "binary(16)"),
    ("varchar(10) charset utf8mb4", "date"),
    ("varchar(10) charset utf8mb4", "enum('a','b','c') charset latin1"),
    ("varchar(36) charset utf8mb4", "uuid"),
    ("varchar(36) charset utf8mb4", "inet6"),
    ("text charset latin1", "tinytext charset latin1"),
    ("varchar(300) charset utf8mb4", "tinyblob"),
    ("mediumblob", "blob"),
    ("binary(4)", "binary(16)"),
    ("varbinary(4)", "binary(4)"),
    ("varbinary(4)", "varchar(5) charset ucs2"),
    ("enum('a','b') charset latin1", "enum('A','b') charset latin1"),
    ("enum('2','x','y') charset latin1", "enum('x','y','bbb') charset utf8mb4"),
    ("set('a','b') charset latin1", "set('b','a','2') charset latin1"),
    ("set('b','a','2') charset latin1", "set('a','b') charset latin1"),
    ("enum('a','b') charset latin1", "int"),
];

/// NULLs: the type of the source, that of the target, and whether the server refuses or fills in.
const NULLS: [(&str, &str, Fate); 4] = [
    ("int NULL", "int NOT NULL", Fate::Refused),
    ("datetime NULL", "datetime NOT NULL", Fate::Refused),
    ("timestamp NULL", "timestamp NOT NULL", Fate::Changed),
    ("int NULL", "int NOT NULL AUTO_INCREMENT UNIQUE", Fate::Changed),
];

/// What became of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The server raised an error.
    Refused,
    /// It came over and compares equal.
    Kept,
    /// It came over without the blanks at its end.
    Unblanked,
    /// It came over as another value.
    Changed,
}

/// Not a test of the class: only the shown text is compared.
const SHOWN: &str = "HEX(CONCAT({}))";

/// The form in which two values are compared; the verification must use forms that tell as much.
const fn form(compare: Compare) -> &'static str {
    match compare {
        Compare::Same | Compare::Lossy => SHOWN,
        Compare::Text => "HEX(CONVERT({} USING utf8mb4))",
        Compare::Exact => "CAST({} AS DECIMAL(65,30))",
        Compare::Double => "CAST({} AS DOUBLE)",
        Compare::DateTime => "CAST({} AS DATETIME(6))",
        Compare::Time => "CAST({} AS TIME(6))",
        Compare::Bytes => "HEX(CAST({} AS BINARY))",
    }
}

fn of(form: &str, column: &str) -> String {
    form.replace("{}", column)
}

/// A connection with the settings of a copy.
struct Server {
    connection: Conn,
    schema: String,
}

impl Server {
    async fn connect(test: &TestCluster) -> Self {
        let port = test.nodes()[0].port;
        let options = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).user(Some("root"));
        let connection = Conn::new(options.prefer_socket(false)).await.expect("connect to the test cluster");
        let mut server = Self { connection, schema: test.schema.as_str().to_owned() };
        server.run(&format!("USE {}", server.schema)).await.unwrap();
        server.run("SET NAMES utf8mb4, time_zone = '+00:00'").await.unwrap();
        server.strict().await;
        server
    }

    async fn run(&mut self, sql: &str) -> Result<(), String> {
        self.connection.query_drop(sql).await.map_err(|error| format!("{error} in {sql}"))
    }

    async fn strict(&mut self) {
        self.run("SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'").await.unwrap();
    }

    /// Makes a temporary table with a column `v` of that type and returns what the server made of it.
    async fn table(&mut self, name: &str, column_type: &str) -> Column {
        self.run(&format!("CREATE TEMPORARY TABLE {name} (id INT PRIMARY KEY, v {column_type}) ENGINE=InnoDB"))
            .await
            .unwrap();
        let rows: Vec<Row> = self.connection.query(format!("SHOW FULL COLUMNS FROM {name} LIKE 'v'")).await.unwrap();
        let text = |index: usize| match rows[0].as_ref(index) {
            Some(Value::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        let (column_type, collation) = (text(1).unwrap(), text(2));
        let end = column_type.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(column_type.len());
        Column {
            name: Ident::new("v").unwrap(),
            data_type: column_type[..end].to_owned(),
            column_type,
            nullable: text(3).as_deref() == Some("YES"),
            default: text(5),
            extra: text(6).unwrap_or_default().to_lowercase(),
            charset: collation.as_ref().map(|collation| collation.split('_').next().unwrap().to_owned()),
            collation,
            generated: None,
            expression: None,
            invisible: false,
            comment: String::new(),
        }
    }

    /// A source table with those values, numbered from 0.
    async fn source(&mut self, name: &str, column_type: &str, values: &[&str]) -> Column {
        let column = self.table(name, column_type).await;
        // Only so can an enum get its number 0.
        self.run("SET sql_mode = ''").await.unwrap();
        for (id, value) in values.iter().enumerate() {
            self.run(&format!("INSERT INTO {name} VALUES ({id}, {value})")).await.unwrap();
        }
        self.strict().await;
        column
    }

    /// Copies one row and says what became of it.
    async fn copy(&mut self, source: &str, id: usize, form: &str) -> Fate {
        let copied = self.run(&format!("INSERT INTO target SELECT * FROM {source} WHERE id = {id}")).await;
        let (old, new) = (of(form, "old.v"), of(form, "new.v"));
        let sql = format!(
            "SELECT {old} <=> {new}, HEX(TRIM(TRAILING ' ' FROM old.v)) <=> HEX(TRIM(TRAILING ' ' FROM new.v)) \
             FROM {source} old JOIN target new USING (id) WHERE id = {id}"
        );
        let row: Option<(bool, bool)> = self.connection.query_first(sql).await.unwrap();
        match (copied, row) {
            (Err(_), None) => Fate::Refused,
            (Ok(()), Some((true, _))) => Fate::Kept,
            (Ok(()), Some((false, true))) => Fate::Unblanked,
            (Ok(()), Some((false, false))) => Fate::Changed,
            (copied, row) => panic!("{source} {id}: {copied:?}, {row:?}"),
        }
    }

    async fn drop_table(&mut self, name: &str) {
        self.run(&format!("DROP TEMPORARY TABLE {name}")).await.unwrap();
    }

    async fn end(mut self) {
        self.run(&format!("DROP DATABASE {}", self.schema)).await.unwrap();
        self.connection.disconnect().await.unwrap();
    }
}

/// Fates of all values of a type in another.
async fn fates(server: &mut Server, source: &str, values: &[&str], form: &str) -> Vec<Fate> {
    let mut fates = Vec::new();
    for id in 0..values.len() {
        fates.push(server.copy(source, id, form).await);
    }
    fates
}

/// What is wrong with the class, when these are the fates.
fn wrong(class: &Conversion, fates: &[Fate]) -> Option<&'static str> {
    let has = |fate| fates.contains(&fate);
    match class {
        Conversion::Same | Conversion::Widens(_) if has(Fate::Refused) => Some("a value was refused"),
        Conversion::Same | Conversion::Widens(_) if has(Fate::Unblanked) => Some("blanks were lost"),
        Conversion::Same | Conversion::Widens(_) | Conversion::Checked(_) if has(Fate::Changed) => {
            Some("a value changed without an error, or is not compared rightly")
        }
        // The known exception: a text that is too long by blanks only.
        Conversion::Same | Conversion::Widens(_) | Conversion::Checked(_) | Conversion::Silent { .. } => None,
    }
}

#[tokio::test]
async fn every_class_is_right() {
    let test = shared().await;
    let mut server = Server::connect(&test).await;
    let all: Vec<_> = TYPES.iter().chain(&GEOMETRIES).collect();
    let mut sources = Vec::new();
    for (number, (column_type, values)) in all.iter().enumerate() {
        let name = format!("s{number}");
        let column = server.source(&name, column_type, values).await;
        sources.push((name, column));
    }
    let (mut report, mut shown, mut classes) = (String::new(), Vec::new(), BTreeMap::<&str, usize>::new());
    for (to_type, _) in &all {
        let to = server.table("target", to_type).await;
        for ((from_type, values), (source, from)) in all.iter().zip(&sources) {
            let class = conversion(from, &to);
            let got = fates(&mut server, source, values, form(class.compare())).await;
            if let Some(what) = wrong(&class, &got) {
                writeln!(report, "{from_type} -> {to_type} is called {class:?}: {what}: {got:?}").unwrap();
            }
            let lost = got.contains(&Fate::Changed) || got.contains(&Fate::Unblanked);
            if lost && matches!(class, Conversion::Silent { .. }) {
                shown.push((*from_type, *to_type));
            }
            let name = match class {
                Conversion::Same => "same",
                Conversion::Widens(_) => "widens",
                Conversion::Checked(_) => "checked",
                Conversion::Silent { .. } => "silent",
            };
            *classes.entry(name).or_default() += 1;
            server.run("DELETE FROM target").await.unwrap();
        }
        server.drop_table("target").await;
    }
    for pair in SILENT {
        assert!(all.iter().any(|(name, _)| *name == pair.0) && all.iter().any(|(name, _)| *name == pair.1), "{pair:?}");
        if !shown.contains(&pair) {
            writeln!(report, "{} -> {} is not called silent, or lost nothing", pair.0, pair.1).unwrap();
        }
    }
    server.end().await;
    assert!(report.is_empty(), "{classes:?}\n{report}");
    assert!(classes["same"] >= 75 && classes["widens"] > 300 && classes["checked"] > 300, "{classes:?}");
}

#[tokio::test]
async fn compare_forms_tell_values_apart() {
    let test = shared().await;
    let mut server = Server::connect(&test).await;
    let mut report = String::new();
    for (column_type, values) in &TYPES {
        let from = server.source("source", column_type, values).await;
        for (to_type, _) in &TYPES {
            let to = server.table("target", to_type).await;
            server.drop_table("target").await;
            let class = conversion(&from, &to);
            if matches!(class, Conversion::Silent { .. }) {
                continue;
            }
            let form = of(form(class.compare()), "v");
            let sql = format!("SELECT COUNT(DISTINCT {}), COUNT(DISTINCT {form}) FROM source", of(SHOWN, "v"));
            let (values, told): (u64, u64) = server.connection.query_first(sql).await.unwrap().unwrap();
            // A code without a character reads as `?`; it never gets past a strict server.
            if values != told && !column_type.contains("greek") {
                writeln!(report, "{column_type} -> {to_type}: {form} tells {told} of {values} values apart").unwrap();
            }
        }
        server.drop_table("source").await;
    }
    server.end().await;
    assert!(report.is_empty(), "{report}");
}

#[tokio::test]
async fn nulls_are_refused_or_filled_in() {
    let test = shared().await;
    let mut server = Server::connect(&test).await;
    for (from, to, fate) in NULLS {
        let source = server.source("source", from, &["NULL"]).await;
        let target = server.table("target", to).await;
        let class = conversion(&source, &target);
        assert_eq!(server.copy("source", 0, SHOWN).await, fate, "{from} -> {to}");
        match fate {
            Fate::Refused => assert!(matches!(class, Conversion::Checked(_)), "{from} -> {to}: {class:?}"),
            Fate::Kept | Fate::Unblanked | Fate::Changed => {
                assert!(matches!(class, Conversion::Silent { .. }), "{from} -> {to}: {class:?}");
            }
        }
        server.drop_table("source").await;
        server.drop_table("target").await;
    }
    server.end().await;
}

#[tokio::test]
async fn time_zones_decide_between_timestamp_and_datetime() {
    let test = shared().await;
    let mut server = Server::connect(&test).await;
    for (from, to) in [("timestamp", "datetime"), ("datetime", "timestamp"), ("timestamp", "varchar(19)")] {
        let source = server.source("source", from, &["'2024-01-02 03:04:05'"]).await;
        let target = server.table("target", to).await;
        let class = conversion(&source, &target);
        assert!(matches!(class, Conversion::Silent { code: ReasonCode::TimeZoneConversion, .. }), "{class:?}");
        assert_eq!(server.copy("source", 0, SHOWN).await, Fate::Kept, "in the session that copied it");
        server.run("SET time_zone = '+05:30'").await.unwrap();
        let equal: Option<bool> = server
            .connection
            .query_first("SELECT CONCAT(old.v) = CONCAT(new.v) FROM source old JOIN target new USING (id)")
            .await
            .unwrap();
        assert_eq!(equal, Some(false), "{from} -> {to}: in another session");
        server.run("SET time_zone = '+00:00'").await.unwrap();
        server.drop_table("source").await;
        server.drop_table("target").await;
    }
    server.end().await;
}
