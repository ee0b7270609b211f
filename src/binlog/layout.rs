//! How the rows of a table lie in their events: a TABLE_MAP.

use super::bytes::{Bytes, bit};
use super::decimal;
use super::error::DecodeError;
use super::rows::Present;

/// Which table a TABLE_MAP names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub(super) id: u64,
    pub(super) schema: &'a [u8],
    pub(super) table: &'a [u8],
    /// All that says how rows lie: equal bytes are equal layouts.
    pub(super) columns: &'a [u8],
}

/// Reads the names only, as most tables are not of interest.
pub(super) fn named(body: &[u8]) -> Result<Named<'_>, DecodeError> {
    let mut bytes = Bytes::new(body, "a table map");
    let id = bytes.little(6)?;
    bytes.take(2)?;
    Ok(Named { id, schema: bytes.name()?, table: bytes.name()?, columns: bytes.rest() })
}

/// How one column's values lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Int {
        bytes: u8,
    },
    Float,
    Double,
    Decimal {
        digits: u8,
        scale: u8,
    },
    Year,
    Date,
    Time {
        fraction: u8,
    },
    DateTime {
        fraction: u8,
    },
    Timestamp {
        fraction: u8,
    },
    /// Before 5.6: without fraction; MariaDB's with a fraction does not say how long it is.
    OldTime,
    OldDateTime,
    OldTimestamp,
    Bit {
        bits: u16,
    },
    Enum {
        bytes: u8,
    },
    Set {
        bytes: u8,
    },
    /// CHAR, BINARY, VARCHAR, VARBINARY, UUID, INET4, INET6.
    Text {
        prefix: u8,
    },
    /// TEXT and BLOB.
    Blob {
        prefix: u8,
    },
    CompressedText {
        prefix: u8,
    },
    CompressedBlob {
        prefix: u8,
    },
    Json {
        prefix: u8,
    },
    Geometry {
        prefix: u8,
    },
    Vector {
        prefix: u8,
    },
}

/// How far a value reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Fixed(usize),
    /// A length of so many bytes, then the value.
    Prefixed(usize),
}

/// How the rows of one table lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) wires: Vec<Wire>,
    pub(super) spans: Vec<Span>,
}

impl Layout {
    /// Reads what follows the names of a TABLE_MAP.
    pub(super) fn read(columns: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Bytes::new(columns, "a table map");
        let count = bytes.packed_length()?;
        let types = bytes.take(count)?;
        let length = bytes.packed_length()?;
        let mut metadata = Bytes::new(bytes.take(length)?, "a table map");
        let wires = types.iter().map(|kind| wire(*kind, &mut metadata)).collect::<Result<Vec<_>, _>>()?;
        if !metadata.is_empty() {
            return Err(DecodeError::Length("a table map"));
        }
        let spans = wires.iter().map(|wire| wire.span()).collect();
        Ok(Self { wires, spans })
    }

    /// Columns.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.wires.len()
    }

    /// Hands out each column's bytes of one image, without their length; `None` for NULL. `present` says which columns
    /// the image has.
    #[inline]
    pub(super) fn split<'a>(
        &self,
        bytes: &mut Bytes<'a>,
        present: &Present,
        mut each: impl FnMut(usize, Option<&'a [u8]>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let nulls = bytes.take(present.count.div_ceil(8))?;
        let whole = present.count == self.spans.len();
        let mut place = 0;
        for (index, span) in self.spans.iter().enumerate() {
            if !whole && !bit(&present.bits, index) {
                continue;
            }
            let null = bit(nulls, place);
            place += 1;
            if null {
                each(index, None)?;
                continue;
            }
            let length = match *span {
                Span::Fixed(length) => length,
                Span::Prefixed(prefix) => {
                    usize::try_from(bytes.little(prefix)?).map_err(|_| DecodeError::Length("a row"))?
                }
            };
            each(index, Some(bytes.take(length)?))?;
        }
        Ok(())
    }
}

impl Wire {
    fn span(self) -> Span {
        let fraction = |fraction: u8| usize::from(fraction.div_ceil(2));
        match self {
            Self::Int { bytes } | Self::Enum { bytes } | Self::Set { bytes } => Span::Fixed(usize::from(bytes)),
            Self::Float | Self::OldTimestamp => Span::Fixed(4),
            Self::Double | Self::OldDateTime => Span::Fixed(8),
            Self::Decimal { digits, scale } => Span::Fixed(decimal::length(digits, scale)),
            Self::Year => Span::Fixed(1),
            Self::Date | Self::OldTime => Span::Fixed(3),
            Self::Time { fraction: digits } => Span::Fixed(3 + fraction(digits)),
            Self::DateTime { fraction: digits } => Span::Fixed(5 + fraction(digits)),
            Self::Timestamp { fraction: digits } => Span::Fixed(4 + fraction(digits)),
            Self::Bit { bits } => Span::Fixed(usize::from(bits.div_ceil(8))),
            Self::Text { prefix }
            | Self::Blob { prefix }
            | Self::CompressedText { prefix }
            | Self::CompressedBlob { prefix }
            | Self::Json { prefix }
            | Self::Geometry { prefix }
            | Self::Vector { prefix } => Span::Prefixed(usize::from(prefix)),
        }
    }
}

/// # Source
/// MySQL, `enum_field_types` and "Table_map_event"; MariaDB adds 140 and 141, MySQL 9 adds 242.
fn wire(kind: u8, metadata: &mut Bytes<'_>) -> Result<Wire, DecodeError> {
    let unknown = || DecodeError::Shape(format!("a column has type {kind}, which is not known"));
    let digits = |fraction: u8| if fraction <= 6 { Ok(fraction) } else { Err(unknown()) };
    let blob = |prefix: u8| if (1..=4).contains(&prefix) { Ok(prefix) } else { Err(unknown()) };
    Ok(match kind {
        1 => Wire::Int { bytes: 1 },
        2 => Wire::Int { bytes: 2 },
        3 => Wire::Int { bytes: 4 },
        8 => Wire::Int { bytes: 8 },
        9 => Wire::Int { bytes: 3 },
        4 if metadata.u8()? == 4 => Wire::Float,
        5 if metadata.u8()? == 8 => Wire::Double,
        7 => Wire::OldTimestamp,
        10 => Wire::Date,
        11 => Wire::OldTime,
        12 => Wire::OldDateTime,
        13 => Wire::Year,
        15 => Wire::Text { prefix: prefix(metadata.u16()?) },
        16 => {
            let (bits, bytes) = (metadata.u8()?, metadata.u8()?);
            let bits = u16::from(bytes) * 8 + u16::from(bits);
            if bits == 0 || bits > 64 {
                return Err(unknown());
            }
            Wire::Bit { bits }
        }
        17 => Wire::Timestamp { fraction: digits(metadata.u8()?)? },
        18 => Wire::DateTime { fraction: digits(metadata.u8()?)? },
        19 => Wire::Time { fraction: digits(metadata.u8()?)? },
        140 => Wire::CompressedBlob { prefix: blob(metadata.u8()?)? },
        141 => Wire::CompressedText { prefix: prefix(metadata.u16()?) },
        242 => Wire::Vector { prefix: blob(metadata.u8()?)? },
        245 => Wire::Json { prefix: blob(metadata.u8()?)? },
        246 => {
            let (digits, scale) = (metadata.u8()?, metadata.u8()?);
            if scale > digits || digits == 0 {
                return Err(unknown());
            }
            Wire::Decimal { digits, scale }
        }
        252 => Wire::Blob { prefix: blob(metadata.u8()?)? },
        254 => return string(metadata.array()?).ok_or_else(unknown),
        255 => Wire::Geometry { prefix: blob(metadata.u8()?)? },
        _ => return Err(unknown()),
    })
}

const fn prefix(longest: u16) -> u8 {
    if longest > 255 { 2 } else { 1 }
}

/// CHAR, BINARY, ENUM and SET share a type; the real one is in the metadata, with two bits of the length.
///
/// # Source
/// MySQL, `Field_string::do_save_field_metadata`.
fn string([real, low]: [u8; 2]) -> Option<Wire> {
    Some(match real {
        0xf7 => Wire::Enum { bytes: Some(low).filter(|bytes| (1..=2).contains(bytes))? },
        0xf8 => Wire::Set { bytes: Some(low).filter(|bytes| (1..=8).contains(bytes))? },
        _ if real | 0x30 == 0xfe => {
            let high = u16::from((real & 0x30) ^ 0x30) << 4;
            Wire::Text { prefix: prefix(high | u16::from(low)) }
        }
        _ => return None,
    })
}
