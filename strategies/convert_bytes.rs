//! Changes of texts, bytes and lists of members.

use crate::charset;
use crate::column_type::ColumnType;
use crate::convert::{Conversion, OTHER, printed};
use crate::plan::Compare;
use crate::shape::Column;

const BLANKS: Conversion = Conversion::lossy("drops blanks at the end of a text");
const PADS: Conversion = Conversion::lossy("fills the value up with zero bytes");
/// MariaDB 10.11: 300 characters of a `text` become 44 in a `tinytext`, without error or warning.
const WRAPS: Conversion =
    Conversion::lossy("cuts a value that is too long for the shorter TEXT or BLOB without an error");
const READS: Conversion = Conversion::lossy("reads texts of several forms (' 7', '007', '7.0') as the same value");
const RENUMBERS: Conversion = Conversion::lossy("can take a removed member for another one");
const REORDERS: Conversion = Conversion::lossy("writes the members of a value in another order");

fn set_of(column: &Column) -> &str {
    column.charset.as_deref().unwrap_or("binary")
}

/// From `char`, `varchar`, `text` and MySQL's `json`.
#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
pub(crate) fn from_chars(from: &Column, old: &ColumnType, to: &Column, new: &ColumnType) -> Conversion {
    let json = *old == ColumnType::Json;
    let (old_set, new_set) = (if json { "utf8mb4" } else { set_of(from) }, set_of(to));
    let same_set = charset::same(old_set, new_set);
    let (chars, bytes) = room(old, old_set);
    let all = charset::includes(new_set, old_set);
    let compare = if same_set && !json { Compare::Same } else { Compare::Text };
    match new {
        _ if old == new && (same_set || json) => Conversion::Same,
        ColumnType::Json => Conversion::lossy("writes the JSON text anew"),
        ColumnType::Char { .. } if !matches!(old, ColumnType::Char { .. }) => BLANKS,
        ColumnType::Char { chars: room } | ColumnType::VarChar { chars: room } => {
            Conversion::when(*room >= chars && all, compare)
        }
        ColumnType::Text { bytes: room } if same_set => {
            if *room >= bytes {
                Conversion::Widens(compare)
            } else {
                WRAPS
            }
        }
        ColumnType::Text { bytes: room } => {
            Conversion::when(*room / charset::max_bytes(new_set) >= chars && all, compare)
        }
        ColumnType::VarBinary { bytes: room } => Conversion::when(*room >= bytes, Compare::Bytes),
        ColumnType::Blob { bytes: room } => {
            if *room >= bytes {
                Conversion::Widens(Compare::Bytes)
            } else {
                WRAPS
            }
        }
        ColumnType::Binary { .. } => PADS,
        _ => READS,
    }
}

/// Most characters and most bytes of a value.
#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn room(of: &ColumnType, set: &str) -> (u64, u64) {
    match of {
        ColumnType::Char { chars } | ColumnType::VarChar { chars } => (*chars, chars * charset::max_bytes(set)),
        ColumnType::Text { bytes } => (bytes / charset::min_bytes(set), *bytes),
        _ => (0xffff_ffff, 0xffff_ffff),
    }
}

/// From `binary`, `varbinary`, `blob`, `uuid`, `inet4`, `inet6` and geometries.
#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
pub(crate) fn from_bytes(old: &ColumnType, to: &Column, new: &ColumnType) -> Conversion {
    if old == new {
        return Conversion::Same;
    }
    match old {
        ColumnType::Binary { bytes } => from_binary(*bytes, old, to, new),
        ColumnType::VarBinary { bytes } | ColumnType::Blob { bytes } => from_binary(*bytes, old, to, new),
        ColumnType::Uuid => from_address(16, 36, new),
        ColumnType::Inet6 => from_address(16, 39, new),
        ColumnType::Inet4 => from_address(4, 15, new),
        ColumnType::Geometry { .. } => from_geometry(new),
        _ => OTHER,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn from_binary(bytes: u64, old: &ColumnType, to: &Column, new: &ColumnType) -> Conversion {
    let fixed = matches!(old, ColumnType::Binary { .. });
    let set = set_of(to);
    match new {
        ColumnType::Binary { bytes: room } if fixed && *room < bytes => Conversion::Checked(Compare::Bytes),
        ColumnType::Binary { .. } => PADS,
        ColumnType::VarBinary { bytes: room } => Conversion::when(*room >= bytes, Compare::Bytes),
        ColumnType::Blob { bytes: room } => {
            if *room >= bytes {
                Conversion::Widens(Compare::Bytes)
            } else {
                WRAPS
            }
        }
        ColumnType::Char { .. } => BLANKS,
        ColumnType::VarChar { .. } | ColumnType::Text { .. } if charset::min_bytes(set) > 1 => PADS,
        ColumnType::VarChar { chars } => Conversion::when(set == "latin1" && *chars >= bytes, Compare::Bytes),
        ColumnType::Text { bytes: room } if *room < bytes => WRAPS,
        ColumnType::Text { .. } => Conversion::when(set == "latin1", Compare::Bytes),
        ColumnType::Uuid | ColumnType::Inet6 if fixed && bytes == 16 => Conversion::Checked(Compare::Bytes),
        ColumnType::Inet4 if fixed && bytes == 4 => Conversion::Checked(Compare::Bytes),
        ColumnType::Geometry { .. } if !fixed => Conversion::Checked(Compare::Bytes),
        _ => OTHER,
    }
}

/// From a type that is kept in `bytes` and printed in at most `chars`. Byte columns get the bytes, texts the text.
#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn from_address(bytes: u64, chars: u64, new: &ColumnType) -> Conversion {
    match new {
        ColumnType::Binary { bytes: room } if *room == bytes => Conversion::Widens(Compare::Bytes),
        ColumnType::Binary { bytes: room } if *room > bytes => PADS,
        ColumnType::Binary { .. } => Conversion::Checked(Compare::Bytes),
        ColumnType::VarBinary { bytes: room } => Conversion::when(*room >= bytes, Compare::Bytes),
        ColumnType::Blob { .. } => Conversion::Widens(Compare::Bytes),
        ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } => printed(chars, new),
        _ => OTHER,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
fn from_geometry(new: &ColumnType) -> Conversion {
    match new {
        ColumnType::Geometry { name } => Conversion::when(name == "geometry", Compare::Bytes),
        ColumnType::Blob { bytes: 0xffff_ffff } => Conversion::Widens(Compare::Bytes),
        ColumnType::Blob { .. } => WRAPS,
        _ => OTHER,
    }
}

/// From `enum` and `set`.
#[expect(clippy::wildcard_enum_match_arm, reason = "a pair that is not named is silent, which is the safe answer")]
pub(crate) fn from_members(
    from: &Column,
    old: &ColumnType,
    members: &[String],
    to: &Column,
    new: &ColumnType,
) -> Conversion {
    let same_set = charset::same(set_of(from), set_of(to));
    let is_set = matches!(old, ColumnType::Set { .. });
    match new {
        _ if old == new && same_set => Conversion::Same,
        ColumnType::Enum { members: wanted } if !is_set => member_lists(members, wanted),
        ColumnType::Set { members: wanted } if is_set => {
            if in_order(members, wanted) {
                member_lists(members, wanted)
            } else {
                REORDERS
            }
        }
        ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } => {
            let all = charset::includes(set_of(to), set_of(from)) || members.iter().all(|member| member.is_ascii());
            match printed(longest(members, is_set), new) {
                Conversion::Widens(compare) => Conversion::when(all, compare),
                other => other,
            }
        }
        ColumnType::VarBinary { bytes } | ColumnType::Blob { bytes } => {
            let room = bytes / charset::max_bytes(set_of(from));
            Conversion::when(room >= longest(members, is_set), Compare::Bytes)
        }
        _ => Conversion::lossy("puts a number in place of a member"),
    }
}

/// Characters of the longest value.
fn longest(members: &[String], is_set: bool) -> u64 {
    let lengths = members.iter().map(|member| member.chars().count());
    let chars = if is_set { lengths.map(|length| length + 1).sum() } else { lengths.max().unwrap_or(0) };
    u64::try_from(chars).unwrap_or(u64::MAX)
}

/// A value goes by its text. One whose member is gone is refused, unless the server finds another: it ignores case and
/// accents as the collation does, and takes a text of digits for the number of a member.
fn member_lists(old: &[String], new: &[String]) -> Conversion {
    let gone: Vec<&String> = old.iter().filter(|member| !new.contains(member)).collect();
    let taken = |member: &&String| {
        let digits = member.trim().trim_start_matches('+');
        let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let alike = |other: &String| other.to_lowercase().trim_end() == member.to_lowercase().trim_end();
        let accents = !member.is_ascii() || new.iter().any(|other| !other.is_ascii() && !old.contains(other));
        number || accents || member.is_empty() || new.iter().any(alike)
    };
    if gone.is_empty() {
        Conversion::Widens(Compare::Text)
    } else if gone.iter().any(taken) {
        RENUMBERS
    } else {
        Conversion::Checked(Compare::Text)
    }
}

/// Whether the members that stay keep their order.
fn in_order(old: &[String], new: &[String]) -> bool {
    let places: Vec<usize> = old.iter().filter_map(|member| new.iter().position(|other| other == member)).collect();
    places.is_sorted()
}
