//! The Parquet type of a column, and its values: pure.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use driftless_strategies::column_type::ColumnType;
use num_bigint::BigInt;
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::Type;

use super::field::{Back, Cell, Field, float_text};
use super::rows::{hex, unhex};

/// A value as Parquet keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Typed {
    /// INT32.
    Small(i32),
    /// INT64.
    Big(i64),
    /// FLOAT.
    Single(f32),
    /// DOUBLE.
    Double(f64),
    /// `BYTE_ARRAY`.
    Bytes(Vec<u8>),
    /// `FIXED_LEN_BYTE_ARRAY`.
    Fixed(Vec<u8>),
}

/// The Parquet column of a field.
pub(crate) fn column(name: &str, field: &Field, required: bool) -> Result<Type, ParquetError> {
    let (physical, logical) = types(field);
    let mut builder = Type::primitive_type_builder(name, physical).with_repetition(if required {
        Repetition::REQUIRED
    } else {
        Repetition::OPTIONAL
    });
    if let ColumnType::Decimal { places, .. } = &field.kind {
        builder = builder.with_precision(number(places.digits)).with_scale(number(places.scale));
    }
    if physical == Physical::FIXED_LEN_BYTE_ARRAY {
        builder = builder.with_length(number(width(&field.kind)));
    }
    builder.with_logical_type(logical).build()
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// Bytes of a value of fixed length: a UUID, or a decimal with its sign.
fn width(kind: &ColumnType) -> u32 {
    if let ColumnType::Decimal { places, .. } = kind {
        // log2(10) is a little less than 3.33.
        (places.digits.saturating_mul(333) / 100).saturating_add(9) / 8
    } else {
        16
    }
}

fn types(field: &Field) -> (Physical, Option<LogicalType>) {
    let micros = || TimeUnit::MICROS;
    match &field.kind {
        ColumnType::Integer { bits, sign } => {
            let (physical, width) = match bits {
                8 => (Physical::INT32, 8),
                16 => (Physical::INT32, 16),
                24 | 32 => (Physical::INT32, 32),
                _ => (Physical::INT64, 64),
            };
            (physical, Some(LogicalType::integer(width, !sign.unsigned)))
        }
        ColumnType::Decimal { places, .. } => {
            let physical = match places.digits {
                0..=9 => Physical::INT32,
                10..=18 => Physical::INT64,
                _ => Physical::FIXED_LEN_BYTE_ARRAY,
            };
            (physical, Some(LogicalType::decimal(number(places.scale), number(places.digits))))
        }
        ColumnType::Float { .. } => (Physical::FLOAT, None),
        ColumnType::Double { .. } => (Physical::DOUBLE, None),
        ColumnType::Bit { .. } => (Physical::INT64, Some(LogicalType::integer(64, false))),
        ColumnType::Year => (Physical::INT32, Some(LogicalType::integer(16, false))),
        ColumnType::Date => (Physical::INT32, Some(LogicalType::Date)),
        ColumnType::DateTime { .. } => (Physical::INT64, Some(LogicalType::timestamp(false, micros()))),
        ColumnType::Timestamp { .. } => (Physical::INT64, Some(LogicalType::timestamp(true, micros()))),
        ColumnType::Time { .. } => (Physical::INT64, Some(LogicalType::time(false, micros()))),
        ColumnType::Uuid => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid)),
        ColumnType::Enum { .. } => (Physical::BYTE_ARRAY, Some(LogicalType::Enum)),
        ColumnType::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
        ColumnType::Char { .. }
        | ColumnType::VarChar { .. }
        | ColumnType::Text { .. }
        | ColumnType::Set { .. }
        | ColumnType::Inet4
        | ColumnType::Inet6 => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnType::Binary { .. }
        | ColumnType::VarBinary { .. }
        | ColumnType::Blob { .. }
        | ColumnType::Geometry { .. }
        | ColumnType::Other { .. } => (Physical::BYTE_ARRAY, None),
    }
}

/// The value as Parquet keeps it; `None` when its type can't hold it: a date that no calendar has, text that is none.
pub(crate) fn typed(field: &Field, value: &[u8]) -> Option<Typed> {
    let value = field.normal(value).ok()?;
    let typed = try_typed(field, &value)?;
    // A way that does not lead back is none.
    (plain(field, &typed)? == *value).then_some(typed)
}

fn try_typed(field: &Field, value: &[u8]) -> Option<Typed> {
    let text = || std::str::from_utf8(value).ok();
    Some(match &field.kind {
        ColumnType::Integer { bits, sign } => match (*bits, sign.unsigned) {
            (64, true) => Typed::Big(text()?.parse::<u64>().ok()?.cast_signed()),
            (64, false) => Typed::Big(text()?.parse().ok()?),
            (_, true) => Typed::Small(text()?.parse::<u32>().ok()?.cast_signed()),
            (_, false) => Typed::Small(text()?.parse().ok()?),
        },
        ColumnType::Bit { .. } => Typed::Big(text()?.parse::<u64>().ok()?.cast_signed()),
        ColumnType::Year => Typed::Small(text()?.parse().ok()?),
        ColumnType::Float { .. } => Typed::Single(text()?.parse().ok()?),
        ColumnType::Double { .. } => Typed::Double(text()?.parse().ok()?),
        ColumnType::Decimal { places, .. } => {
            let unscaled: BigInt = text()?.replace('.', "").parse().ok()?;
            match places.digits {
                0..=9 => Typed::Small(i32::try_from(unscaled).ok()?),
                10..=18 => Typed::Big(i64::try_from(unscaled).ok()?),
                _ => Typed::Fixed(padded(&unscaled, usize::try_from(width(&field.kind)).ok()?)?),
            }
        }
        ColumnType::Date => {
            let date = NaiveDate::parse_from_str(text()?, "%Y-%m-%d").ok()?;
            Typed::Small(i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()?)
        }
        ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => {
            let time = NaiveDateTime::parse_from_str(text()?, "%Y-%m-%d %H:%M:%S%.f").ok()?;
            Typed::Big(time.and_utc().timestamp_micros())
        }
        ColumnType::Time { .. } => {
            let time = NaiveTime::parse_from_str(text()?, "%H:%M:%S%.f").ok()?;
            let seconds = i64::from(time.num_seconds_from_midnight());
            Typed::Big(seconds * 1_000_000 + i64::from(time.nanosecond() / 1000))
        }
        ColumnType::Uuid => Typed::Fixed(unhex(text()?.replace('-', "").as_bytes()).filter(|id| id.len() == 16)?),
        ColumnType::Inet4 | ColumnType::Inet6 => Typed::Bytes(text()?.as_bytes().to_vec()),
        ColumnType::Enum { .. }
        | ColumnType::Set { .. }
        | ColumnType::Json
        | ColumnType::Char { .. }
        | ColumnType::VarChar { .. }
        | ColumnType::Text { .. } => match field.cell(Some(value)).ok()? {
            Cell::Text(text) => Typed::Bytes(text.into_owned().into_bytes()),
            Cell::Null | Cell::Number(_) | Cell::Plain(_) | Cell::Bytes(_) => return None,
        },
        ColumnType::Binary { .. }
        | ColumnType::VarBinary { .. }
        | ColumnType::Blob { .. }
        | ColumnType::Geometry { .. }
        | ColumnType::Other { .. } => Typed::Bytes(value.to_vec()),
    })
}

/// A number's bytes, high first, filled with its sign.
fn padded(number: &BigInt, length: usize) -> Option<Vec<u8>> {
    let bytes = number.to_signed_bytes_be();
    let fill = if number.sign() == num_bigint::Sign::Minus { 0xff } else { 0 };
    let mut out = vec![fill; length.checked_sub(bytes.len())?];
    out.extend(bytes);
    Some(out)
}

/// The value that `typed` was made of; `None` when no value of the field is kept so.
pub(crate) fn plain(field: &Field, typed: &Typed) -> Option<Vec<u8>> {
    let text = match (&field.kind, typed) {
        (ColumnType::Integer { sign, .. }, Typed::Small(number)) if sign.unsigned => number.cast_unsigned().to_string(),
        (ColumnType::Integer { sign, .. }, Typed::Big(number)) if sign.unsigned => number.cast_unsigned().to_string(),
        (ColumnType::Bit { .. }, Typed::Big(number)) => number.cast_unsigned().to_string(),
        (ColumnType::Integer { .. } | ColumnType::Year, Typed::Small(number)) => number.to_string(),
        (ColumnType::Integer { .. }, Typed::Big(number)) => number.to_string(),
        (ColumnType::Float { .. }, Typed::Single(number)) => float_text(f64::from(*number)),
        (ColumnType::Double { .. }, Typed::Double(number)) => float_text(*number),
        (ColumnType::Decimal { places, .. }, Typed::Small(number)) => decimal(&number.to_string(), places.scale)?,
        (ColumnType::Decimal { places, .. }, Typed::Big(number)) => decimal(&number.to_string(), places.scale)?,
        (ColumnType::Decimal { places, .. }, Typed::Fixed(bytes)) => {
            decimal(&BigInt::from_signed_bytes_be(bytes).to_string(), places.scale)?
        }
        (ColumnType::Date, Typed::Small(days)) => {
            let date = NaiveDate::default().checked_add_signed(chrono::TimeDelta::try_days(i64::from(*days))?)?;
            date.format("%Y-%m-%d").to_string()
        }
        (ColumnType::DateTime { fraction } | ColumnType::Timestamp { fraction }, Typed::Big(micros)) => {
            let time = DateTime::from_timestamp_micros(*micros)?.naive_utc();
            time.format("%Y-%m-%d %H:%M:%S").to_string() + &part(time.nanosecond() / 1000, *fraction)?
        }
        (ColumnType::Time { fraction }, Typed::Big(micros)) => {
            let seconds = u32::try_from(micros.div_euclid(1_000_000)).ok()?;
            let rest = u32::try_from(micros.rem_euclid(1_000_000)).ok()?;
            let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0)?;
            time.format("%H:%M:%S").to_string() + &part(rest, *fraction)?
        }
        (ColumnType::Uuid, Typed::Fixed(bytes)) => {
            let digits = hex(bytes);
            let parts =
                [digits.get(..8)?, digits.get(8..12)?, digits.get(12..16)?, digits.get(16..20)?, digits.get(20..)?];
            parts.join("-")
        }
        (
            ColumnType::Enum { .. }
            | ColumnType::Set { .. }
            | ColumnType::Json
            | ColumnType::Char { .. }
            | ColumnType::VarChar { .. }
            | ColumnType::Text { .. },
            Typed::Bytes(bytes),
        ) => return field.value(Back::Text(std::str::from_utf8(bytes).ok()?.into())).ok()?,
        (_, Typed::Bytes(bytes)) => return Some(bytes.clone()),
        (_, Typed::Small(_) | Typed::Big(_) | Typed::Single(_) | Typed::Double(_) | Typed::Fixed(_)) => return None,
    };
    Some(text.into_bytes())
}

/// `-1234` with two digits after the point: `-12.34`.
fn decimal(unscaled: &str, scale: u32) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    if scale == 0 {
        return Some(unscaled.to_owned());
    }
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, rest) = digits.split_at_checked(digits.len() - scale)?;
    Some(format!("{sign}{whole}.{rest}"))
}

/// Microseconds as the digits after a second's point; `None` when there are more than the column has.
fn part(micros: u32, fraction: u32) -> Option<String> {
    let digits = format!("{micros:06}");
    let (kept, cut) = digits.split_at_checked(usize::try_from(fraction).ok()?)?;
    if cut.bytes().any(|digit| digit != b'0') {
        return None;
    }
    Some(if kept.is_empty() { String::new() } else { format!(".{kept}") })
}
