//! Rows out of a table and into one, every value exactly: what to select, the literal that stores the same value again,
//! and the statements of a dump file.
//!
//! A value that was read by `select_list` is: digits for numbers, BIT, YEAR and the place or bits of ENUM and SET; UTC for
//! TIMESTAMP; the bytes as they are kept for text in any character set; the bytes with the SRID in front for geometry.

use driftless_strategies::column_type::ColumnType;
use driftless_strategies::{Column, Ident, TableName, TableShape};

use super::Sql;
use super::session::SQL_MODE;

/// One expression a column, in the table's order, generated and invisible columns too.
#[must_use]
pub fn select_list(shape: &TableShape) -> Vec<Sql> {
    shape.columns.iter().map(select).collect()
}

/// The expression that reads one column exactly by the text protocol, in a session of driftless.
#[must_use]
pub fn select(column: &Column) -> Sql {
    let name = || Sql::new("").name(&column.name);
    match ColumnType::of(column) {
        // Filled with zeros as text; as a number it is not.
        ColumnType::Integer { sign, .. } | ColumnType::Decimal { sign, .. } if sign.zerofill.is_some() => {
            name().text("+0")
        }
        // FLOAT prints six digits only; as a double it prints all that it has. A product keeps the sign of zero.
        ColumnType::Float { .. } | ColumnType::Double { .. } => name().text("*1e0"),
        ColumnType::Bit { .. } | ColumnType::Year | ColumnType::Enum { .. } | ColumnType::Set { .. } => {
            name().text("+0")
        }
        ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } => {
            Sql::new("CAST(").sql(&name()).text(" AS BINARY)")
        }
        ColumnType::Json | ColumnType::Uuid | ColumnType::Inet4 | ColumnType::Inet6 => {
            Sql::new("CAST(CAST(").sql(&name()).text(" AS CHAR CHARACTER SET utf8mb4) AS BINARY)")
        }
        ColumnType::Integer { .. }
        | ColumnType::Decimal { .. }
        | ColumnType::Date
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. }
        | ColumnType::Time { .. }
        | ColumnType::Binary { .. }
        | ColumnType::VarBinary { .. }
        | ColumnType::Blob { .. }
        | ColumnType::Geometry { .. }
        | ColumnType::Other { .. } => name(),
    }
}

/// Reads rows by their keys, given as literals: the columns of `select_list`.
#[must_use]
pub fn rows_by_key(table: &TableName, columns: &[&Column], key: &[&Ident], keys: &[Vec<Sql>]) -> Sql {
    let tuple = |values: &[Sql]| Sql::new("(").join(", ", values.iter().cloned()).text(")");
    let names: Vec<Sql> = key.iter().map(|name| Sql::new("").name(name)).collect();
    Sql::new("SELECT ")
        .join(", ", columns.iter().map(|column| select(column)))
        .text(" FROM ")
        .table(table)
        .text(" WHERE ")
        .sql(&tuple(&names))
        .text(" IN (")
        .join(", ", keys.iter().map(|values| tuple(values)))
        .text(") LOCK IN SHARE MODE")
}

/// The literal that stores a value, which `select` read, again; `None` when the value is not what its type promises.
///
/// Numbers stand as digits, floating ones with an exponent (without it the server would take them for DECIMAL), text as
/// plain ASCII or hex with its character set in front, bytes as hex: no sql_mode and no connection character set can change
/// their meaning. ENUM and SET stand as numbers; an ENUM's 0 (a value that it once refused) is taken without strict mode only.
#[must_use]
pub fn literal(kind: &ColumnType, charset: Option<&str>, value: Option<&[u8]>) -> Option<Sql> {
    let Some(bytes) = value else { return Some(Sql::new("NULL")) };
    let ascii = |extra: &[u8]| {
        let fits = !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || extra.contains(b));
        fits.then(|| std::str::from_utf8(bytes).ok()).flatten()
    };
    match kind {
        ColumnType::Integer { .. }
        | ColumnType::Decimal { .. }
        | ColumnType::Bit { .. }
        | ColumnType::Year
        | ColumnType::Enum { .. }
        | ColumnType::Set { .. } => Some(Sql::new("").trusted(ascii(b"-.").filter(|text| digits(text))?)),
        ColumnType::Float { .. } | ColumnType::Double { .. } => {
            let number: f64 = ascii(b"+-.")?.parse().ok()?;
            number.is_finite().then(|| Sql::new("").trusted(&format!("{number:e}")))
        }
        ColumnType::Date
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. }
        | ColumnType::Time { .. }
        | ColumnType::Uuid
        | ColumnType::Inet4
        | ColumnType::Inet6 => Some(Sql::new("'").trusted(ascii(b" -:.")?).text("'")),
        ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } => {
            Some(text(charset.unwrap_or("utf8mb4"), bytes))
        }
        ColumnType::Json => Some(text("utf8mb4", bytes)),
        ColumnType::Binary { .. }
        | ColumnType::VarBinary { .. }
        | ColumnType::Blob { .. }
        | ColumnType::Geometry { .. }
        | ColumnType::Other { .. } => Some(Sql::new("").bytes(bytes)),
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b"-.".contains(&b))
}

/// Text with its character set in front. The space is needed before `x` (1064 without).
fn text(charset: &str, bytes: &[u8]) -> Sql {
    let name: String = charset.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let sql = Sql::new("_").trusted(&name);
    match std::str::from_utf8(bytes) {
        // In these a letter is not one byte.
        Ok(plain) if !wide(&name) && plain.bytes().all(is_plain) => sql.text("'").trusted(plain).text("'"),
        Ok(_) | Err(_) => sql.text(" ").bytes(bytes),
    }
}

/// Bytes that mean themselves in a string, whatever the sql_mode and the character set of the client.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\' | b'`' | b'~' | b'^' | b'{' | b'}' | b'|')
}

/// Whether a character set keeps ASCII in more than a byte.
#[must_use]
pub fn wide(charset: &str) -> bool {
    ["ucs2", "utf16", "utf16le", "utf32"].contains(&charset)
}

/// `INSERT INTO … (…) VALUES`, before the first row.
#[must_use]
pub fn insert(table: &TableName, columns: &[&Column]) -> Sql {
    Sql::new("INSERT INTO ").table(table).sql(&names(columns))
}

/// The same without the schema, so that a dump can be loaded into any.
#[must_use]
pub fn insert_here(table: &Ident, columns: &[&Column]) -> Sql {
    Sql::new("INSERT INTO ").name(table).sql(&names(columns))
}

fn names(columns: &[&Column]) -> Sql {
    Sql::new(" (").join(", ", columns.iter().map(|column| Sql::new("").name(&column.name))).text(") VALUES\n")
}

/// From now on every value that a table may hold is taken: also a date that no calendar has.
#[must_use]
pub fn strict() -> Sql {
    Sql::new("SET SESSION sql_mode = '").text(SQL_MODE).text(",ALLOW_INVALID_DATES'")
}

/// The same, not strict: what an ENUM takes as its 0.
#[must_use]
pub fn lax() -> Sql {
    Sql::new("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
}

/// What a dump begins with: the client's settings are kept, the dump's own take their place.
#[must_use]
pub fn dump_head() -> Vec<Sql> {
    vec![
        Sql::new("SET @driftless_mode = @@SESSION.sql_mode, @driftless_zone = @@SESSION.time_zone")
            .text(", @driftless_client = @@SESSION.character_set_client")
            .text(", @driftless_results = @@SESSION.character_set_results")
            .text(", @driftless_collation = @@SESSION.collation_connection"),
        Sql::new("SET NAMES utf8mb4"),
        Sql::new("SET SESSION time_zone = '+00:00'"),
        strict(),
    ]
}

/// What a dump ends with.
#[must_use]
pub fn dump_foot() -> Vec<Sql> {
    vec![
        Sql::new("SET SESSION sql_mode = @driftless_mode, time_zone = @driftless_zone")
            .text(", character_set_client = @driftless_client, character_set_results = @driftless_results")
            .text(", collation_connection = @driftless_collation"),
    ]
}

/// Begins a transaction.
#[must_use]
pub fn begin() -> Sql {
    Sql::new("START TRANSACTION")
}

/// Ends it.
#[must_use]
pub fn commit() -> Sql {
    Sql::new("COMMIT")
}

/// Gives it up.
#[must_use]
pub fn rollback() -> Sql {
    Sql::new("ROLLBACK")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(kind: &ColumnType, charset: Option<&str>, value: &[u8]) -> Option<String> {
        literal(kind, charset, Some(value)).map(|sql| sql.as_str().to_owned())
    }

    #[test]
    fn literals_mean_one_thing_everywhere() {
        let text = ColumnType::Text { bytes: 0xffff };
        let double = ColumnType::Double {
            places: None,
            sign: driftless_strategies::column_type::Sign { unsigned: false, zerofill: None },
        };
        let blob = ColumnType::Blob { bytes: 0xffff };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(is(&text, Some("latin1"), b"plain 1"), some("_latin1'plain 1'"));
        assert_eq!(is(&text, Some("latin1"), b"it's"), some("_latin1 x'69742773'"));
        assert_eq!(is(&text, Some("latin1"), b"\xe9"), some("_latin1 x'e9'"));
        assert_eq!(is(&text, Some("ucs2"), b"ab"), some("_ucs2 x'6162'"));
        assert_eq!(is(&text, Some("utf8mb4"), b""), some("_utf8mb4''"));
        assert_eq!(is(&blob, None, b"a\0"), some("x'6100'"));
        assert_eq!(is(&double, None, b"0.1"), some("1e-1"));
        assert_eq!(is(&double, None, b"-0"), some("-0e0"));
        assert_eq!(is(&double, None, b"NaN"), None);
        assert_eq!(is(&ColumnType::Year, None, b"0"), some("0"));
        assert_eq!(is(&ColumnType::Year, None, b"0 OR 1"), None);
        assert_eq!(is(&ColumnType::Date, None, b"'"), None);
        assert_eq!(literal(&text, None, None).unwrap().as_str(), "NULL");
    }
}
