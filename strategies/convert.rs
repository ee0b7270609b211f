//! Type changes: which keep every value, which fail loudly when a value does not fit, which lose silently.
//!
//! Every class was tried on a server (`tests/convert_cluster.rs`) by `INSERT … SELECT` under
//! `STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO`. A pair that is not known counts as silent.

use crate::column_type::{ColumnType, Places, Sign};
use crate::convert_bytes::{from_bytes, from_chars, from_members};
use crate::convert_time::from_time;
use crate::plan::Compare;
use crate::shape::Column;
use crate::verdict::ReasonCode;

/// What a change of type does to the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// The same type: bytes stay as they are.
    Same,
    /// Another type that holds every value of the old one.
    Widens(Compare),
    /// A value may not fit; a strict server then raises an error. The one exception are blanks at the end of a text that
    /// becomes too long: they go with a note, which the comparison of all rows finds.
    Checked(Compare),
    /// A value may change although the server is strict.
    Silent {
        /// How, completing "the conversion …".
        why: &'static str,
        /// `lossy-conversion` or `time-zone-conversion`.
        code: ReasonCode,
    },
}

impl Conversion {
    /// A silent change of the usual kind.
    pub(crate) const fn lossy(why: &'static str) -> Self {
        Self::Silent { why, code: ReasonCode::LossyConversion }
    }

    /// `Widens` when every value fits, else `Checked`.
    pub(crate) const fn when(fits: bool, compare: Compare) -> Self {
        if fits { Self::Widens(compare) } else { Self::Checked(compare) }
    }

    /// How two columns are compared after this conversion; `Lossy` for a silent one.
    #[must_use]
    pub const fn compare(&self) -> Compare {
        match self {
            Self::Same => Compare::Same,
            Self::Widens(compare) | Self::Checked(compare) => *compare,
            Self::Silent { .. } => Compare::Lossy,
        }
    }

    /// Whether every value is kept.
    #[must_use]
    pub const fn keeps_all(&self) -> bool {
        match self {
            Self::Same | Self::Widens(_) => true,
            Self::Checked(_) | Self::Silent { .. } => false,
        }
    }
}

pub(crate) const OTHER: Conversion = Conversion::lossy("is not one that driftless knows to keep every value");
const ROUNDS: Conversion = Conversion::lossy("rounds without an error");
const PADS: Conversion = Conversion::lossy("fills the value up with zero bytes");
const ZEROS: Conversion = Conversion::lossy("drops the zeros that ZEROFILL puts in front");

/// What copying the values of `from` into `to` does to them.
#[must_use]
pub fn conversion(from: &Column, to: &Column) -> Conversion {
    let (old, new) = (ColumnType::of(from), ColumnType::of(to));
    with_nulls(by_type(from, &old, to, &new), from, to)
}

fn by_type(from: &Column, old: &ColumnType, to: &Column, new: &ColumnType) -> Conversion {
    match old {
        ColumnType::Integer { bits, sign } => from_integer(Integer { bits: *bits, sign: *sign }, new),
        ColumnType::Decimal { places, sign } => from_decimal(*places, *sign, new),
        ColumnType::Float { places, sign } => from_float(*places, *sign, new),
        ColumnType::Double { places, sign } => from_double(*places, *sign, new),
        ColumnType::Bit { bits } => from_bit(*bits, new),
        ColumnType::Year => from_year(new),
        ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } | ColumnType::Time { .. } => {
            from_time(old, new)
        }
        ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } | ColumnType::Json => {
            from_chars(from, old, to, new)
        }
        ColumnType::Enum { members } | ColumnType::Set { members } => from_members(from, old, members, to, new),
        ColumnType::Binary { .. }
        | ColumnType::VarBinary { .. }
        | ColumnType::Blob { .. }
        | ColumnType::Uuid
        | ColumnType::Inet4
        | ColumnType::Inet6
        | ColumnType::Geometry { .. } => from_bytes(old, to, new),
        ColumnType::Other { .. } => {
            if old == new {
                Conversion::Same
            } else {
                OTHER
            }
        }
    }
}

/// NULLs that go to a column without: most fail, some are filled in.
fn with_nulls(values: Conversion, from: &Column, to: &Column) -> Conversion {
    if from.nullable == to.nullable {
        return values;
    }
    if to.nullable {
        return if values == Conversion::Same { Conversion::Widens(Compare::Same) } else { values };
    }
    match values {
        Conversion::Silent { .. } => values,
        Conversion::Same | Conversion::Widens(_) | Conversion::Checked(_) => {
            if to.auto_increment() {
                Conversion::lossy("gives every NULL the next number")
            } else if matches!(ColumnType::of(to), ColumnType::Timestamp { .. }) {
                Conversion::lossy("turns every NULL into the current time")
            } else {
                Conversion::Checked(values.compare())
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Integer {
    bits: u32,
    sign: Sign,
}

impl Integer {
    fn min(self) -> i128 {
        if self.sign.unsigned { 0 } else { -(1_i128 << (self.bits - 1)) }
    }

    fn max(self) -> i128 {
        (1_i128 << (self.bits - u32::from(!self.sign.unsigned))) - 1
    }

    fn within(self, min: i128, max: i128) -> bool {
        self.min() >= min && self.max() <= max
    }

    /// Digits of the longest value, and its characters with the sign.
    fn digits(self) -> (u32, u64) {
        let digits = self.max().to_string().len();
        (u32::try_from(digits).unwrap_or(u32::MAX), length(digits) + u64::from(!self.sign.unsigned))
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn from_integer(from: Integer, to: &ColumnType) -> Conversion {
    let (digits, chars) = from.digits();
    match to {
        ColumnType::Integer { bits, sign } if (*bits, *sign) == (from.bits, from.sign) => Conversion::Same,
        ColumnType::Integer { bits, sign } => {
            let to = Integer { bits: *bits, sign: *sign };
            Conversion::when(from.within(to.min(), to.max()), Compare::Exact)
        }
        ColumnType::Decimal { places, sign } => {
            let signed = from.sign.unsigned || !sign.unsigned;
            Conversion::when(places.whole() >= digits && signed, Compare::Exact)
        }
        // A float is shown with six digits.
        ColumnType::Float { places: None, sign } if digits < 6 => {
            Conversion::when(from.sign.unsigned || !sign.unsigned, Compare::Double)
        }
        ColumnType::Double { places: None, sign } if from.bits < 64 => {
            Conversion::when(from.sign.unsigned || !sign.unsigned, Compare::Double)
        }
        ColumnType::Float { .. } | ColumnType::Double { .. } => ROUNDS,
        ColumnType::Bit { bits: 64 } if !from.sign.unsigned => {
            Conversion::lossy("turns negative numbers into great positive ones")
        }
        ColumnType::Bit { bits } => Conversion::when(from.sign.unsigned && *bits >= from.bits, Compare::Exact),
        ColumnType::Year => Conversion::lossy("reads numbers of two digits as years"),
        ColumnType::Char { .. }
        | ColumnType::VarChar { .. }
        | ColumnType::Text { .. }
        | ColumnType::VarBinary { .. }
        | ColumnType::Blob { .. }
        | ColumnType::Binary { .. } => as_text(chars, from.sign, to),
        _ => OTHER,
    }
}

/// A number that is written as text of at most `chars` characters.
fn as_text(chars: u64, sign: Sign, to: &ColumnType) -> Conversion {
    if sign.zerofill.is_some() { ZEROS } else { printed(chars, to) }
}

/// A value that is printed in at most `chars` ASCII characters.
#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
pub(crate) fn printed(chars: u64, to: &ColumnType) -> Conversion {
    match to {
        ColumnType::Char { chars: room } | ColumnType::VarChar { chars: room } => {
            Conversion::when(*room >= chars, Compare::Text)
        }
        // Four bytes a character in the widest set.
        ColumnType::Text { bytes } => Conversion::when(*bytes >= chars * 4, Compare::Text),
        ColumnType::VarBinary { bytes } | ColumnType::Blob { bytes } => {
            Conversion::when(*bytes >= chars, Compare::Bytes)
        }
        ColumnType::Binary { .. } => PADS,
        _ => OTHER,
    }
}

/// Digits before and after the point that `Compare::Exact` can hold.
const EXACT: (u32, u32) = (35, 30);

#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn from_decimal(from: Places, sign: Sign, to: &ColumnType) -> Conversion {
    let whole = from.whole();
    let exact = whole <= EXACT.0 && from.scale <= EXACT.1;
    match to {
        ColumnType::Decimal { places, sign: new } => {
            if (*places, *new) == (from, sign) {
                return Conversion::Same;
            }
            if places.scale < from.scale {
                return ROUNDS;
            }
            let plain = sign.zerofill.is_none() && new.zerofill.is_none();
            let compare = match (exact, plain && places.scale == from.scale) {
                (true, _) => Compare::Exact,
                (false, true) => Compare::Text,
                (false, false) => return Conversion::lossy("changes the scale of numbers too long to compare"),
            };
            Conversion::when(places.whole() >= whole && (sign.unsigned || !new.unsigned), compare)
        }
        ColumnType::Integer { bits, sign: new } => {
            if from.scale > 0 || !exact {
                return ROUNDS;
            }
            let to = Integer { bits: *bits, sign: *new };
            let max = 10_i128.pow(whole) - 1;
            Conversion::when(max <= to.max() && (sign.unsigned || -max >= to.min()), Compare::Exact)
        }
        // Fifteen digits come back from a double as they went in.
        ColumnType::Double { places: None, sign: new } if from.digits <= 15 => {
            Conversion::when(sign.unsigned || !new.unsigned, Compare::Double)
        }
        ColumnType::Float { .. } | ColumnType::Double { .. } | ColumnType::Bit { .. } => ROUNDS,
        _ => {
            let point = u64::from(from.scale > 0) + u64::from(whole == 0);
            as_text(u64::from(from.digits) + point + u64::from(!sign.unsigned), sign, to)
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn from_float(from: Option<Places>, sign: Sign, to: &ColumnType) -> Conversion {
    match to {
        ColumnType::Float { places, sign: new } if *places == from => {
            let same = if *new == sign { Conversion::Same } else { Conversion::Widens(Compare::Double) };
            if sign.unsigned || !new.unsigned { same } else { Conversion::Checked(Compare::Double) }
        }
        ColumnType::Double { places: None, sign: new } => {
            Conversion::when(sign.unsigned || !new.unsigned, Compare::Double)
        }
        _ => Conversion::lossy("shows or rounds the number otherwise"),
    }
}

/// Characters of the longest double: `-2.2250738585072014e-308`.
const DOUBLE_CHARS: u64 = 24;

#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn from_double(from: Option<Places>, sign: Sign, to: &ColumnType) -> Conversion {
    let plain = from.is_none() && sign.zerofill.is_none();
    match to {
        ColumnType::Double { places, sign: new } if *places == from && *new == sign => Conversion::Same,
        ColumnType::Double { places, sign: new } if *places == from || places.is_none() => {
            Conversion::when(sign.unsigned || !new.unsigned, Compare::Double)
        }
        ColumnType::Char { chars } | ColumnType::VarChar { chars } if plain && *chars >= DOUBLE_CHARS => {
            Conversion::Widens(Compare::Double)
        }
        ColumnType::Text { .. } if plain => Conversion::Widens(Compare::Double),
        _ => ROUNDS,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn from_bit(from: u32, to: &ColumnType) -> Conversion {
    let max = (1_i128 << from.min(64)) - 1;
    match to {
        ColumnType::Bit { bits } if *bits == from => Conversion::Same,
        ColumnType::Bit { bits } => Conversion::when(*bits >= from, Compare::Exact),
        ColumnType::Integer { bits, sign } => {
            Conversion::when(max <= Integer { bits: *bits, sign: *sign }.max(), Compare::Exact)
        }
        ColumnType::Decimal { places, .. } => {
            let digits = max.to_string().len();
            Conversion::when(u64::from(places.whole()) >= length(digits), Compare::Exact)
        }
        _ => OTHER,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn from_year(to: &ColumnType) -> Conversion {
    match to {
        ColumnType::Year => Conversion::Same,
        ColumnType::Integer { bits, .. } => Conversion::when(*bits > 8, Compare::Exact),
        ColumnType::Decimal { places, .. } => Conversion::when(places.whole() >= 4, Compare::Exact),
        ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } => {
            Conversion::lossy("writes the year 0000 as 0")
        }
        _ => OTHER,
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
