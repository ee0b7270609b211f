//! One value of a row.

use std::borrow::Cow;

use super::bytes::{big, little};
use super::layout::Wire;
use super::moment::{self, Date, DateTime, Time};
use super::{decimal, inflate};

/// A value as the server has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A signed integer.
    Int(i64),
    /// An unsigned integer, BIT, SET (one bit a member), ENUM (0 is the empty one, 1 the first).
    UInt(u64),
    /// `FLOAT`.
    Float(f32),
    /// `DOUBLE`.
    Double(f64),
    /// `DECIMAL` as the server prints it.
    Decimal(String),
    /// `YEAR`; 0 is `0000`.
    Year(u16),
    /// `DATE`.
    Date(Date),
    /// `TIME`.
    Time(Time),
    /// `DATETIME`, or `TIMESTAMP` in UTC.
    DateTime(DateTime),
    /// Text in the column's character set, bytes, UUID, INET4, INET6, GEOMETRY (SRID and WKB). What the server stores
    /// without trailing zero bytes, BINARY for one, has them again.
    Bytes(Cow<'a, [u8]>),
    /// MySQL's binary JSON.
    Json(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// The value on its own.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(number),
            Self::UInt(number) => Value::UInt(number),
            Self::Float(number) => Value::Float(number),
            Self::Double(number) => Value::Double(number),
            Self::Decimal(text) => Value::Decimal(text),
            Self::Year(year) => Value::Year(year),
            Self::Date(date) => Value::Date(date),
            Self::Time(time) => Value::Time(time),
            Self::DateTime(moment) => Value::DateTime(moment),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Json(bytes) => Value::Json(Cow::Owned(bytes.into_owned())),
        }
    }
}

/// What the catalog knows of a column and the binlog does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Nature {
    pub(super) unsigned: bool,
    /// Bytes that a value always has.
    pub(super) padded: Option<usize>,
}

/// Reads the bytes of a value that is not NULL; `None` when they can't be such a value.
pub(super) fn read(wire: Wire, nature: Nature, bytes: &[u8]) -> Option<Value<'_>> {
    Some(match wire {
        Wire::Int { .. } if nature.unsigned => Value::UInt(little(bytes)?),
        Wire::Int { .. } => Value::Int(signed(bytes)?),
        Wire::Float => Value::Float(f32::from_le_bytes(bytes.try_into().ok()?)),
        Wire::Double => Value::Double(f64::from_le_bytes(bytes.try_into().ok()?)),
        Wire::Decimal { digits, scale } => Value::Decimal(decimal::text(bytes, digits, scale)?),
        Wire::Year => Value::Year(match bytes {
            [0] => 0,
            [year] => 1900 + u16::from(*year),
            _ => return None,
        }),
        Wire::Date => Value::Date(moment::date(bytes)?),
        Wire::Time { fraction } => Value::Time(moment::time(bytes, fraction)?),
        Wire::DateTime { fraction } => Value::DateTime(moment::date_time(bytes, fraction)?),
        Wire::Timestamp { fraction } => Value::DateTime(moment::timestamp(bytes, fraction)?),
        Wire::OldTime => Value::Time(moment::old_time(bytes)?),
        Wire::OldDateTime => Value::DateTime(moment::old_date_time(bytes)?),
        Wire::OldTimestamp => Value::DateTime(moment::old_timestamp(bytes)?),
        Wire::Bit { .. } => Value::UInt(big(bytes)?),
        Wire::Enum { .. } | Wire::Set { .. } => Value::UInt(little(bytes)?),
        Wire::Text { .. } => Value::Bytes(padded(bytes, nature)?),
        Wire::Blob { .. } | Wire::Geometry { .. } | Wire::Vector { .. } => Value::Bytes(Cow::Borrowed(bytes)),
        Wire::CompressedText { .. } | Wire::CompressedBlob { .. } => Value::Bytes(Cow::Owned(inflate::value(bytes)?)),
        Wire::Json { .. } => Value::Json(Cow::Borrowed(bytes)),
    })
}

/// At most eight bytes as a signed number, lowest first.
fn signed(bytes: &[u8]) -> Option<i64> {
    let highest = bytes.last()?;
    let mut whole = if highest & 0x80 == 0 { [0; 8] } else { [0xff; 8] };
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}

/// Types of fixed length travel without trailing zero bytes.
fn padded(bytes: &[u8], nature: Nature) -> Option<Cow<'_, [u8]>> {
    match nature.padded {
        Some(length) if bytes.len() > length => None,
        Some(length) if bytes.len() < length => {
            let mut whole = bytes.to_vec();
            whole.resize(length, 0);
            Some(Cow::Owned(whole))
        }
        Some(_) | None => Some(Cow::Borrowed(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_their_sign() {
        let signed = Nature::default();
        let unsigned = Nature { unsigned: true, padded: None };
        for bytes in [1_u8, 2, 3, 4, 8] {
            let wire = Wire::Int { bytes };
            let ones = vec![0xff; usize::from(bytes)];
            let mut lowest = vec![0; usize::from(bytes)];
            lowest[usize::from(bytes) - 1] = 0x80;
            assert_eq!(read(wire, signed, &ones), Some(Value::Int(-1)), "{bytes} bytes");
            assert_eq!(read(wire, signed, &lowest), Some(Value::Int(-1 << (u32::from(bytes) * 8 - 1))));
            let greatest = u64::MAX >> (64 - u32::from(bytes) * 8);
            assert_eq!(read(wire, unsigned, &ones), Some(Value::UInt(greatest)), "{bytes} bytes");
        }
    }

    #[test]
    fn what_can_not_be_is_no_value() {
        let nature = Nature { unsigned: false, padded: Some(2) };
        assert_eq!(read(Wire::Text { prefix: 1 }, nature, b"a"), Some(Value::Bytes(Cow::Borrowed(b"a\0"))));
        assert_eq!(read(Wire::Text { prefix: 1 }, nature, b"abc"), None);
        assert_eq!(read(Wire::Year, nature, &[0]), Some(Value::Year(0)));
        assert_eq!(read(Wire::Year, nature, &[255]), Some(Value::Year(2155)));
        assert_eq!(read(Wire::Float, nature, &[0; 3]), None);
        assert_eq!(read(Wire::CompressedBlob { prefix: 2 }, nature, &[0x93, 1]), None);
    }
}
