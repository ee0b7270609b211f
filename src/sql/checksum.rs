//! Comparing source and shadow, or the same table on two nodes, by range.
//!
//! A row becomes one unambiguous text (every piece either can't contain a comma or carries its length), the text a
//! 64-bit number, the numbers of a range one XOR. A plain XOR of CRCs can't see values swapped between rows, because a
//! CRC is linear; the product of two different CRCs is not, and costs little more than one. Servers without CRC32C use
//! 64 bits of SHA-224.

use driftless_strategies::plan::{ColumnPair, Compare, CopySpec};
use driftless_strategies::{Column, Flavour, Version};

use super::Sql;
use super::copy::{Side, from_range};
use crate::ports::rows::Range;

/// Which per-row hash a server can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowHash {
    /// CRC32 times CRC32C: MariaDB 10.8 and later.
    CrcProduct,
    /// Half of SHA2-224: every server (MD5 and SHA1 are gone from MySQL 9.7).
    Sha224,
}

impl RowHash {
    /// The cheapest one that the server has.
    #[must_use]
    pub fn of(flavour: Flavour, version: Version) -> Self {
        if flavour == Flavour::MariaDb && version >= Version::new(10, 8, 0) { Self::CrcProduct } else { Self::Sha224 }
    }
}

/// What a comparison needs besides the spec.
#[derive(Clone, Debug)]
pub struct Digest {
    /// The hash.
    pub hash: RowHash,
    /// The source's columns, for their types.
    pub source: Vec<Column>,
}

impl Digest {
    pub(super) fn row(&self, spec: &CopySpec, side: Side) -> Sql {
        let pieces = spec.columns.iter().map(|pair| self.piece(pair, side));
        let text = Sql::new("CONCAT(").join(", ',', ", pieces).text(")");
        match self.hash {
            RowHash::CrcProduct => Sql::new("CRC32(").sql(&text).text(")*CRC32C(").sql(&text).text(")"),
            RowHash::Sha224 => Sql::new("CAST(CONV(LEFT(SHA2(").sql(&text).text(", 224), 16), 16, 10) AS UNSIGNED)"),
        }
    }

    fn piece(&self, pair: &ColumnPair, side: Side) -> Sql {
        let name = match side {
            Side::Source => &pair.source,
            Side::Shadow => &pair.shadow,
        };
        let column = Sql::new("").name(name);
        let source = self.source.iter().find(|column| column.name.same(&pair.source));
        let nullable = source.is_none_or(|column| column.nullable);
        let kind = source.map_or("", |column| column.data_type.as_str());
        match pair.compare {
            Compare::Same => same(&column, kind, nullable),
            Compare::Text => long(&column, "CAST(CONVERT(", " USING utf8mb4) AS BINARY)"),
            Compare::Bytes => long(&column, "CAST(", " AS BINARY)"),
            Compare::Exact => short(&wrap("CAST(", &column, " AS DECIMAL(65,30))"), nullable),
            Compare::Double => short(&wrap("(", &column, "+0e0)"), nullable),
            Compare::DateTime => short(&wrap("CAST(", &column, " AS DATETIME(6))"), nullable),
            Compare::Time => short(&wrap("CAST(", &column, " AS TIME(6))"), nullable),
            Compare::Lossy => wrap("(", &column, " IS NULL)"),
        }
    }
}

fn wrap(before: &'static str, column: &Sql, after: &'static str) -> Sql {
    Sql::new(before).sql(column).text(after)
}

/// A column whose type is the same on both sides.
fn same(column: &Sql, kind: &str, nullable: bool) -> Sql {
    match kind {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" | "date" | "datetime"
        | "timestamp" | "time" => short(column, nullable),
        // FLOAT prints six digits only; as a double it prints all that it has.
        "float" | "double" => short(&wrap("(", column, "+0e0)"), nullable),
        "enum" | "set" | "bit" => short(&wrap("(", column, "+0)"), nullable),
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "binary" | "varbinary" | "tinyblob"
        | "blob" | "mediumblob" | "longblob" => long(column, "CAST(", " AS BINARY)"),
        "json" | "uuid" | "inet4" | "inet6" => long(column, "CAST(CAST(", " AS CHAR) AS BINARY)"),
        // Geometry, vector and whatever comes: the server's own bytes.
        _ => long(column, "HEX(", ")"),
    }
}

/// A value whose text has no comma.
fn short(value: &Sql, nullable: bool) -> Sql {
    if nullable { wrap("IFNULL(", value, ",'N')") } else { value.clone() }
}

/// A value of any bytes: its length in front.
fn long(column: &Sql, before: &'static str, after: &'static str) -> Sql {
    let bytes = wrap(before, column, after);
    Sql::new("IFNULL(CONCAT(LENGTH(").sql(&bytes).text("),':',").sql(&bytes).text("),'N')")
}

fn count_and_hash(spec: &CopySpec, digest: &Digest, side: Side, range: &Range) -> Sql {
    Sql::new("SELECT CONCAT(COUNT(*), ':', COALESCE(BIT_XOR(")
        .sql(&digest.row(spec, side))
        .text("), 0))")
        .sql(&from_range(spec, side, range))
}

/// Count and hash of both sides as two columns of one row: one statement, so one snapshot.
#[must_use]
pub fn both_sides(spec: &CopySpec, digest: &Digest, range: &Range) -> Sql {
    Sql::new("SELECT (")
        .sql(&count_and_hash(spec, digest, Side::Source, range))
        .text("), (")
        .sql(&count_and_hash(spec, digest, Side::Shadow, range))
        .text(")")
}

/// Rows of a range whose hash is on one side only: side, key and hash, at most `limit`.
#[must_use]
pub fn differing_rows(spec: &CopySpec, digest: &Digest, range: &Range, limit: u64) -> Sql {
    let rows = |side: Side, tag: &'static str| {
        let key = spec.key.columns.iter().map(|column| Sql::new("IFNULL(HEX(").name(side.key(column)).text("),'N')"));
        let shown = spec.key.columns.iter().map(|column| Sql::new("").name(side.key(column)));
        Sql::new("SELECT ")
            .text(tag)
            .text(" side, CONCAT_WS('-', ")
            .join(", ", key)
            .text(") k, CONVERT(CONCAT_WS(', ', ")
            .join(", ", shown)
            .text(") USING utf8mb4) shown, ")
            .sql(&digest.row(spec, side))
            .text(" h")
            .sql(&from_range(spec, side, range))
    };
    Sql::new("SELECT MIN(side), COUNT(*), MIN(shown) FROM (")
        .sql(&rows(Side::Source, "'source'"))
        .text(" UNION ALL ")
        .sql(&rows(Side::Shadow, "'shadow'"))
        .text(") u GROUP BY k, h HAVING COUNT(*) = 1 ORDER BY k LIMIT ")
        .number(limit)
}
