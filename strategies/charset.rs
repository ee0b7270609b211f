//! Character sets, as far as changing from one to another depends on them.

/// Most bytes of a character. A set that is not known counts as the widest.
#[must_use]
pub fn max_bytes(charset: &str) -> u64 {
    match charset {
        "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => 4,
        "utf8mb3" | "utf8" | "ujis" | "eucjpms" => 3,
        "ucs2" | "big5" | "gbk" | "sjis" | "cp932" | "euckr" | "gb2312" => 2,
        other if SINGLE_BYTE.contains(&other) => 1,
        _ => 4,
    }
}

/// Sets with one byte a character.
const SINGLE_BYTE: [&str; 24] = [
    "armscii8", "ascii", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "dec8",
    "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7", "macce",
    "macroman",
];

/// Fewest bytes of a character.
#[must_use]
pub fn min_bytes(charset: &str) -> u64 {
    match charset {
        "ucs2" | "utf16" | "utf16le" => 2,
        "utf32" => 4,
        _ => 1,
    }
}

/// Whether both are the same set under two names.
#[must_use]
pub fn same(one: &str, two: &str) -> bool {
    let name = |charset: &str| if charset == "utf8" { "utf8mb3".to_owned() } else { charset.to_owned() };
    name(one) == name(two)
}

/// Whether every text in `from` has a text in `to`. The sets of one byte that are not listed, and those of East Asia,
/// have codes without a character: a strict server refuses to convert them.
#[must_use]
pub fn includes(to: &str, from: &str) -> bool {
    let basic = ["latin1", "utf8mb3", "utf8", "ucs2"];
    let all = ["utf8mb4", "utf16", "utf16le", "utf32"];
    same(to, from)
        || all.contains(&to) && (basic.contains(&from) || all.contains(&from))
        || ["utf8mb3", "utf8", "ucs2"].contains(&to) && basic.contains(&from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_fits_where() {
        for (to, from, expected) in [
            ("utf8mb4", "latin1", true),
            ("utf8mb4", "utf8mb3", true),
            ("utf8mb3", "utf8", true),
            ("utf8mb3", "utf8mb4", false),
            ("latin1", "ascii", false),
            ("ucs2", "latin1", true),
            ("ucs2", "utf16", false),
            ("utf8mb4", "greek", false),
            ("utf8mb4", "ascii", false),
        ] {
            assert_eq!(includes(to, from), expected, "{from} to {to}");
        }
        assert_eq!((max_bytes("utf8mb4"), max_bytes("latin1"), max_bytes("new")), (4, 1, 4));
    }
}
