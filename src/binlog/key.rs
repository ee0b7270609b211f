//! In which form a key column's value is written.

use driftless_strategies::Column;
use driftless_strategies::chunk_key::EXACT_MEMBERS;
use driftless_strategies::column_type::{ColumnType, Sign};
use driftless_strategies::plan::Literal;

/// How a value becomes the literal that `sql::copy::bound` makes of the same value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// Digits, filled with zeros to a width.
    Integer { width: usize },
    /// Digits, those before the point filled with zeros to a width.
    Decimal { whole: usize },
    /// Four digits, or MariaDB's two.
    Year { short: bool },
    /// The number of members or bits.
    Ordinal,
    /// Hex with the character set in front.
    Text { introducer: String },
    /// Hex.
    Bytes,
    /// Quoted text of a date or time.
    Moment,
    /// Quoted.
    Uuid,
    /// Quoted.
    Inet4,
    /// Quoted.
    Inet6,
}

impl KeyForm {
    /// The form of a column; `None` when literal and type do not go together.
    pub(super) fn of(column: &Column, literal: &Literal) -> Option<Self> {
        let fill = |sign: &Sign| sign.zerofill.map_or(Some(0), |width| usize::try_from(width).ok());
        Some(match (literal, ColumnType::of(column)) {
            (Literal::Number, ColumnType::Integer { sign, .. }) => Self::Integer { width: fill(&sign)? },
            (Literal::Number, ColumnType::Decimal { places, sign }) => {
                let whole = if sign.zerofill.is_some() { places.whole() } else { 0 };
                Self::Decimal { whole: usize::try_from(whole).ok()? }
            }
            (Literal::Number, ColumnType::Year) => {
                Self::Year { short: column.column_type.to_ascii_lowercase().starts_with("year(2)") }
            }
            (Literal::Ordinal, ColumnType::Enum { .. } | ColumnType::Bit { .. }) => Self::Ordinal,
            (Literal::Ordinal, ColumnType::Set { members }) if members.len() <= EXACT_MEMBERS => Self::Ordinal,
            (Literal::Text { charset }, ColumnType::Char { .. } | ColumnType::VarChar { .. }) => {
                Self::Text { introducer: format!("_{charset} x'") }
            }
            (Literal::Bytes, ColumnType::Binary { .. } | ColumnType::VarBinary { .. }) => Self::Bytes,
            (
                Literal::Quoted,
                ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } | ColumnType::Time { .. },
            ) => Self::Moment,
            (Literal::Quoted, ColumnType::Uuid) => Self::Uuid,
            (Literal::Quoted, ColumnType::Inet4) => Self::Inet4,
            (Literal::Quoted, ColumnType::Inet6) => Self::Inet6,
            (_, _) => return None,
        })
    }
}
