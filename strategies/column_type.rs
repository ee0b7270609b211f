//! A column's type as data, read from what information_schema prints.

use crate::shape::Column;

/// Digits after the point and in all, of types that may be given either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Digits in all.
    pub digits: u32,
    /// Digits after the point.
    pub scale: u32,
}

impl Places {
    /// Digits before the point.
    #[must_use]
    pub const fn whole(self) -> u32 {
        self.digits.saturating_sub(self.scale)
    }
}

/// How a number is kept and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// No negative values.
    pub unsigned: bool,
    /// Filled with zeros to this width when shown as text.
    pub zerofill: Option<u32>,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `tinyint` to `bigint`.
    Integer {
        /// Bits: 8, 16, 24, 32 or 64.
        bits: u32,
        /// Its sign.
        sign: Sign,
    },
    /// `decimal`.
    Decimal {
        /// Its digits.
        places: Places,
        /// Its sign.
        sign: Sign,
    },
    /// `float`.
    Float {
        /// Digits, when they are limited.
        places: Option<Places>,
        /// Its sign.
        sign: Sign,
    },
    /// `double`.
    Double {
        /// Digits, when they are limited.
        places: Option<Places>,
        /// Its sign.
        sign: Sign,
    },
    /// `bit`.
    Bit {
        /// 1 to 64.
        bits: u32,
    },
    /// `year`.
    Year,
    /// `date`.
    Date,
    /// `datetime`.
    DateTime {
        /// Digits of a second.
        fraction: u32,
    },
    /// `timestamp`.
    Timestamp {
        /// Digits of a second.
        fraction: u32,
    },
    /// `time`.
    Time {
        /// Digits of a second.
        fraction: u32,
    },
    /// `char`.
    Char {
        /// Characters.
        chars: u64,
    },
    /// `varchar`.
    VarChar {
        /// Characters.
        chars: u64,
    },
    /// `tinytext` to `longtext`.
    Text {
        /// Bytes.
        bytes: u64,
    },
    /// `binary`.
    Binary {
        /// Bytes.
        bytes: u64,
    },
    /// `varbinary`.
    VarBinary {
        /// Bytes.
        bytes: u64,
    },
    /// `tinyblob` to `longblob`.
    Blob {
        /// Bytes.
        bytes: u64,
    },
    /// `enum`.
    Enum {
        /// Its members in order.
        members: Vec<String>,
    },
    /// `set`.
    Set {
        /// Its members in order.
        members: Vec<String>,
    },
    /// MySQL's `json`; MariaDB's is a `longtext`.
    Json,
    /// `uuid`.
    Uuid,
    /// `inet4`.
    Inet4,
    /// `inet6`.
    Inet6,
    /// `geometry` and its kin.
    Geometry {
        /// Which: `point`, `polygon`, …; `geometry` holds all.
        name: String,
    },
    /// A type that driftless does not know.
    Other {
        /// As the server prints it.
        name: String,
    },
}

const GEOMETRIES: [&str; 9] = [
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
];

impl ColumnType {
    /// The type of a column.
    #[must_use]
    pub fn of(column: &Column) -> Self {
        let whole = bare(&column.column_type);
        let sign = sign(whole);
        let numbers = numbers(whole);
        let places = places(&numbers);
        let first = numbers.first().copied();
        let fraction = first.unwrap_or(0);
        let length = |default: u64| first.map_or(default, u64::from);
        match column.data_type.to_ascii_lowercase().as_str() {
            "tinyint" => Self::Integer { bits: 8, sign },
            "smallint" => Self::Integer { bits: 16, sign },
            "mediumint" => Self::Integer { bits: 24, sign },
            "int" | "integer" => Self::Integer { bits: 32, sign },
            "bigint" => Self::Integer { bits: 64, sign },
            "decimal" | "numeric" => {
                Self::Decimal { places: places.unwrap_or(Places { digits: first.unwrap_or(10), scale: 0 }), sign }
            }
            "float" => Self::Float { places, sign },
            "double" | "real" => Self::Double { places, sign },
            "bit" => Self::Bit { bits: first.unwrap_or(1) },
            "year" => Self::Year,
            "date" => Self::Date,
            "datetime" => Self::DateTime { fraction },
            "timestamp" => Self::Timestamp { fraction },
            "time" => Self::Time { fraction },
            "char" => Self::Char { chars: length(1) },
            "varchar" => Self::VarChar { chars: length(0) },
            "tinytext" => Self::Text { bytes: 0xff },
            "text" => Self::Text { bytes: 0xffff },
            "mediumtext" => Self::Text { bytes: 0xff_ffff },
            "longtext" => Self::Text { bytes: 0xffff_ffff },
            "binary" => Self::Binary { bytes: length(1) },
            "varbinary" => Self::VarBinary { bytes: length(0) },
            "tinyblob" => Self::Blob { bytes: 0xff },
            "blob" => Self::Blob { bytes: 0xffff },
            "mediumblob" => Self::Blob { bytes: 0xff_ffff },
            "longblob" => Self::Blob { bytes: 0xffff_ffff },
            "enum" => Self::Enum { members: members(whole) },
            "set" => Self::Set { members: members(whole) },
            "json" => Self::Json,
            "uuid" => Self::Uuid,
            "inet4" => Self::Inet4,
            "inet6" => Self::Inet6,
            name if GEOMETRIES.contains(&name) => Self::Geometry { name: name.to_owned() },
            _ => Self::Other { name: whole.to_ascii_lowercase() },
        }
    }
}

/// The type without `/*M!100301 COMPRESSED*/`, which changes how a value is kept but not the value.
fn bare(column_type: &str) -> &str {
    // In a list of members the mark could be a member's text.
    if column_type.contains('\'') {
        return column_type.trim();
    }
    column_type.split("/*").next().unwrap_or_default().trim()
}

fn sign(whole: &str) -> Sign {
    if whole.contains('\'') {
        return Sign { unsigned: false, zerofill: None };
    }
    let lower = whole.to_ascii_lowercase();
    let filled = lower.contains(" zerofill");
    let width = numbers(whole).first().copied().unwrap_or(0);
    Sign { unsigned: filled || lower.contains(" unsigned"), zerofill: filled.then_some(width) }
}

/// The numbers in the first parentheses.
fn numbers(whole: &str) -> Vec<u32> {
    let inside = whole.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inside, _)| inside);
    inside.split(',').map_while(|number| number.trim().parse().ok()).collect()
}

fn places(numbers: &[u32]) -> Option<Places> {
    let [digits, scale] = numbers else { return None };
    Some(Places { digits: *digits, scale: *scale })
}

/// The members of an enum or set: `'a','it''s','b\\c'`.
fn members(whole: &str) -> Vec<String> {
    let mut members = Vec::new();
    let mut chars = whole.chars().skip_while(|c| *c != '\'').peekable();
    while chars.next() == Some('\'') {
        let mut member = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.peek() == Some(&'\'') => {
                    chars.next();
                    member.push('\'');
                }
                '\'' => break,
                '\\' => member.extend(chars.next().map(unescaped)),
                other => member.push(other),
            }
        }
        members.push(member);
        while chars.peek().is_some_and(|c| *c != '\'') {
            chars.next();
        }
    }
    members
}

const fn unescaped(c: char) -> char {
    match c {
        '0' => '\0',
        'n' => '\n',
        'r' => '\r',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::column;

    fn of(column_type: &str) -> ColumnType {
        ColumnType::of(&column("c", column_type))
    }

    #[test]
    fn reads_what_servers_print() {
        let plain = Sign { unsigned: false, zerofill: None };
        let unsigned = Sign { unsigned: true, zerofill: None };
        let cases = [
            ("int(10) unsigned", ColumnType::Integer { bits: 32, sign: unsigned }),
            ("int", ColumnType::Integer { bits: 32, sign: plain }),
            (
                "int(5) unsigned zerofill",
                ColumnType::Integer { bits: 32, sign: Sign { unsigned: true, zerofill: Some(5) } },
            ),
            ("decimal(10,2)", ColumnType::Decimal { places: Places { digits: 10, scale: 2 }, sign: plain }),
            ("double", ColumnType::Double { places: None, sign: plain }),
            (
                "double(7,3) unsigned",
                ColumnType::Double { places: Some(Places { digits: 7, scale: 3 }), sign: unsigned },
            ),
            ("datetime", ColumnType::DateTime { fraction: 0 }),
            ("timestamp(6)", ColumnType::Timestamp { fraction: 6 }),
            ("varchar(500) /*M!100301 COMPRESSED*/", ColumnType::VarChar { chars: 500 }),
            ("year(4)", ColumnType::Year),
            ("geomcollection", ColumnType::Geometry { name: "geomcollection".into() }),
            ("vector(3)", ColumnType::Other { name: "vector(3)".into() }),
        ];
        for (text, expected) in cases {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_members() {
        let cases: [(&str, &[&str]); 4] = [
            ("enum('a','b')", &["a", "b"]),
            (r"enum('it''s','b\\c','d\ne','')", &["it's", "b\\c", "d\ne", ""]),
            ("set('x, unsigned','/*y*/','(3)')", &["x, unsigned", "/*y*/", "(3)"]),
            ("enum('größe','😀')", &["größe", "😀"]),
        ];
        for (text, expected) in cases {
            let (ColumnType::Enum { members } | ColumnType::Set { members }) = of(text) else { panic!("{text}") };
            assert_eq!(members, expected, "{text}");
        }
    }
}
