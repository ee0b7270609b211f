//! Text of a column's character set as UTF-8 and back, without loss.

use std::borrow::Cow;

/// What the bytes 0x80 to 0x9f mean in the servers' `latin1`: Windows-1252, its five holes filled with control characters.
///
/// # Source
/// MySQL manual, "West European Character Sets".
const LATIN1: [u16; 32] = [
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D,
    0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
    0x0153, 0x009D, 0x017E, 0x0178,
];

/// The text; `None` when driftless does not know the character set, or the bytes are not text of it.
pub(crate) fn decode<'a>(charset: &str, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    let utf8 = || std::str::from_utf8(bytes).ok();
    match charset {
        "utf8mb4" | "utf8mb3" | "utf8" => utf8().map(Cow::Borrowed),
        "ascii" => utf8().filter(|_| bytes.is_ascii()).map(Cow::Borrowed),
        "latin1" if bytes.is_ascii() => utf8().map(Cow::Borrowed),
        "latin1" => Some(bytes.iter().map(|byte| latin1(*byte)).collect::<String>().into()),
        "utf16" | "ucs2" => utf16(bytes, u16::from_be_bytes),
        "utf16le" => utf16(bytes, u16::from_le_bytes),
        "utf32" => {
            let units = bytes.chunks(4).map(|unit| Some(u32::from_be_bytes(unit.try_into().ok()?)));
            units.map(|unit| char::from_u32(unit?)).collect::<Option<String>>().map(Cow::Owned)
        }
        _ => None,
    }
}

/// The bytes of a text; `None` when the character set does not have it.
pub(crate) fn encode(charset: &str, text: &str) -> Option<Vec<u8>> {
    match charset {
        "utf8mb4" | "utf8mb3" | "utf8" => Some(text.as_bytes().to_vec()),
        "ascii" => text.is_ascii().then(|| text.as_bytes().to_vec()),
        "latin1" => text.chars().map(latin1_byte).collect(),
        "utf16" | "ucs2" => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        "utf16le" => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        "utf32" => Some(text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
        _ => None,
    }
}

fn utf16<'a>(bytes: &[u8], of: fn([u8; 2]) -> u16) -> Option<Cow<'a, str>> {
    let units: Option<Vec<u16>> = bytes.chunks(2).map(|unit| Some(of(unit.try_into().ok()?))).collect();
    String::from_utf16(&units?).ok().map(Cow::Owned)
}

fn latin1(byte: u8) -> char {
    let special = byte.checked_sub(0x80).and_then(|index| LATIN1.get(usize::from(index)));
    special.and_then(|unit| char::from_u32(u32::from(*unit))).unwrap_or(char::from(byte))
}

fn latin1_byte(c: char) -> Option<u8> {
    let special = LATIN1.iter().position(|unit| u32::from(*unit) == u32::from(c));
    match special {
        Some(index) => u8::try_from(index + 0x80).ok(),
        None => u8::try_from(u32::from(c)).ok().filter(|byte| !(0x80..=0x9f).contains(byte)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_latin1_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = decode("latin1", &all).unwrap();
        assert_eq!(text.chars().count(), 256);
        assert_eq!(encode("latin1", &text).unwrap(), all);
        assert_eq!(decode("latin1", b"\x80\xe9").unwrap(), "€é");
        assert_eq!(encode("latin1", "ж"), None);
        assert_eq!(encode("latin1", "\u{80}"), None);
    }

    #[test]
    fn what_is_not_text_is_not_decoded() {
        for (charset, bytes) in [
            ("utf8mb4", &b"\xff"[..]),
            ("ascii", b"\xe9"),
            ("utf16", b"a"),
            ("ucs2", b"\xd8\0"),
            ("utf32", b"\0\x11\0\0"),
            ("sjis", b"a"),
        ] {
            assert_eq!(decode(charset, bytes), None, "{charset}");
        }
    }

    proptest! {
        #[test]
        fn what_is_decoded_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..24), text: String) {
            for charset in ["utf8mb4", "ascii", "latin1", "utf16", "utf16le", "ucs2", "utf32", "koi8r"] {
                if let Some(text) = decode(charset, &bytes) {
                    prop_assert_eq!(encode(charset, &text), Some(bytes.clone()), "{}", charset);
                }
                if let Some(kept) = encode(charset, &text) {
                    let back = decode(charset, &kept);
                    prop_assert_eq!(back.as_deref(), Some(text.as_str()), "{}", charset);
                }
            }
        }
    }
}
