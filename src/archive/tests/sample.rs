//! A table with a column of every type, and rows of it.

use driftless_strategies::shape::Generated;
use driftless_strategies::{Column, Ident, TableName};
use proptest::prelude::*;

use crate::archive::{Compression, Format, Layout};
use crate::ports::server::Row;

pub(super) const FORMATS: [(Format, Compression); 9] = [
    (Format::Csv, Compression::None),
    (Format::Csv, Compression::Gzip),
    (Format::Csv, Compression::Zstd),
    (Format::Ndjson, Compression::None),
    (Format::Ndjson, Compression::Zstd),
    (Format::Sql, Compression::None),
    (Format::Sql, Compression::Gzip),
    (Format::Parquet, Compression::Zstd),
    (Format::Parquet, Compression::None),
];

pub(super) fn ident(name: &str) -> Ident {
    Ident::new(name).unwrap()
}

pub(super) fn table() -> TableName {
    TableName::new(ident("shop"), ident("or`ders\n"))
}

pub(super) fn column(name: &str, column_type: &str, charset: Option<&str>, nullable: bool) -> Column {
    Column {
        name: ident(name),
        data_type: column_type.split(['(', ' ']).next().unwrap().to_owned(),
        column_type: column_type.into(),
        nullable,
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

/// Columns of every type; the last is generated.
pub(super) fn columns() -> Vec<Column> {
    let mut all = vec![
        column("id", "bigint(20) unsigned", None, false),
        column("tiny", "tinyint(4)", None, true),
        column("int", "int(10) unsigned", None, true),
        column("big", "bigint(20)", None, true),
        column("small_d", "decimal(9,2)", None, true),
        column("mid_d", "decimal(18,0)", None, true),
        column("large_d", "decimal(65,30)", None, true),
        column("f", "float", None, true),
        column("d", "double", None, true),
        column("b", "bit(64)", None, true),
        column("y", "year(4)", None, true),
        column("date", "date", None, true),
        column("dt", "datetime(3)", None, true),
        column("ts", "timestamp(6)", None, false),
        column("t", "time(6)", None, true),
        column("l", "varchar(20)", Some("latin1"), true),
        column("u", "text", Some("utf8mb4"), true),
        column("s", "varchar(20)", Some("sjis"), true),
        column("w", "varchar(20)", Some("utf16"), true),
        column("bin", "longblob", None, true),
        column("e", "enum('a','it''s','')", Some("latin1"), true),
        column("set", "set('x','y','z')", Some("latin1"), true),
        column("j", "json", None, true),
        column("id2", "uuid", None, true),
        column("ip", "inet6", None, true),
        column("geo", "point", None, true),
        column("a,\"b\"\r\n{", "varchar(5)", Some("ascii"), true),
        column("g", "int(11)", None, true),
    ];
    all.last_mut().unwrap().generated = Some(Generated::Virtual);
    all
}

pub(super) fn layout(format: Format, compression: Compression) -> Layout {
    Layout::new(table(), &columns(), vec![ident("id")], format, compression).unwrap()
}

fn one_of(values: &'static [&'static str]) -> BoxedStrategy<Option<Vec<u8>>> {
    proptest::option::of(proptest::sample::select(values).prop_map(|text| text.as_bytes().to_vec())).boxed()
}

fn bytes() -> BoxedStrategy<Option<Vec<u8>>> {
    let awkward: Vec<Vec<u8>> = [
        &b"NULL"[..],
        b"",
        b"\"",
        b"\\x41",
        b"\r\n",
        b",",
        b"'",
        b"\\",
        b"\0",
        b"null",
        b"{\"hex\":\"\"}",
        b"\xef\xbb\xbf",
        b"abc\n",
        b" ",
        b"\\N",
    ]
    .map(<[u8]>::to_vec)
    .into();
    let any = proptest::collection::vec(any::<u8>(), 0..40);
    proptest::option::of(prop_oneof![any, proptest::sample::select(awkward)]).boxed()
}

fn utf8() -> BoxedStrategy<Option<Vec<u8>>> {
    prop_oneof![bytes(), proptest::option::of(any::<String>().prop_map(String::into_bytes))].boxed()
}

/// Values of the columns, in their order, as a server gives them.
fn values() -> Vec<BoxedStrategy<Option<Vec<u8>>>> {
    let number = |text: BoxedStrategy<String>| proptest::option::of(text.prop_map(String::into_bytes)).boxed();
    let finite = any::<f64>().prop_filter("finite", |number| number.is_finite());
    let single = any::<f32>().prop_filter("finite", |number| number.is_finite());
    vec![
        any::<u64>().prop_map(|number| Some(number.to_string().into_bytes())).boxed(),
        number(any::<i8>().prop_map(|number| number.to_string()).boxed()),
        number(any::<u32>().prop_map(|number| number.to_string()).boxed()),
        number(any::<i64>().prop_map(|number| number.to_string()).boxed()),
        one_of(&["0.00", "-0.01", "9999999.99", "-9999999.99", "12.30"]),
        one_of(&["0", "-999999999999999999", "999999999999999999"]),
        one_of(&[
            "-99999999999999999999999999999999999.999999999999999999999999999999",
            "0.000000000000000000000000000000",
            "0.000000000000000000000000000001",
            "99999999999999999999999999999999999.000000000000000000000000000000",
        ]),
        number(single.prop_map(|number| format!("{:e}", f64::from(number))).boxed()),
        number(finite.prop_map(|number| format!("{number}")).boxed()),
        number(any::<u64>().prop_map(|number| number.to_string()).boxed()),
        one_of(&["0", "1901", "2155"]),
        one_of(&["0000-00-00", "2024-00-00", "1000-01-01", "9999-12-31", "1969-12-31", "2024-02-30"]),
        one_of(&[
            "0000-00-00 00:00:00.000",
            "9999-12-31 23:59:59.999",
            "1000-01-01 00:00:00.001",
            "1969-12-31 23:59:59.500",
        ]),
        one_of(&["0000-00-00 00:00:00.000000", "2038-01-19 03:14:07.999999"])
            .prop_map(|value| value.or_else(|| Some(b"1970-01-01 00:00:01.000000".to_vec())))
            .boxed(),
        one_of(&[
            "-838:59:59.999999",
            "838:59:59.999999",
            "00:00:00.000000",
            "23:59:59.999999",
            "24:00:00.000000",
            "-00:00:00.000001",
        ]),
        bytes(),
        utf8(),
        bytes(),
        bytes(),
        bytes(),
        one_of(&["0", "1", "2", "3"]),
        one_of(&["0", "1", "2", "3", "4", "5", "6", "7"]),
        one_of(&["{}", "\"\\n\"", "[1,2,{\"a\":null}]", "null"]),
        one_of(&["123e4567-e89b-12d3-a456-426655440000", "00000000-0000-0000-0000-000000000000"]),
        one_of(&["::", "::1", "2001:db8::ff", "::ffff:1.2.3.4"]),
        bytes(),
        one_of(&["NULL", "", "a,b", "\"\"", "0"]),
        one_of(&["-1", "0", "2147483647"]),
    ]
}

pub(super) fn rows(count: std::ops::Range<usize>) -> BoxedStrategy<Vec<Row>> {
    proptest::collection::vec(values().prop_map(Row), count).boxed()
}
