//! Which character set a collation belongs to, and which collation a character set has when none is told.

use driftless_strategies::{Flavour, Version};

use crate::ddl::lexer::Era;

/// A character set and one of its collations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Charset {
    /// The set.
    pub name: String,
    /// The collation.
    pub collation: String,
}

/// Sets whose default collation is not `…_general_ci`.
///
/// # Source
/// MariaDB 10.11 and MySQL 8.0, `information_schema.character_sets`.
const SPECIAL: [(&str, &str); 16] = [
    ("big5", "big5_chinese_ci"),
    ("binary", "binary"),
    ("cp932", "cp932_japanese_ci"),
    ("dec8", "dec8_swedish_ci"),
    ("eucjpms", "eucjpms_japanese_ci"),
    ("euckr", "euckr_korean_ci"),
    ("gb18030", "gb18030_chinese_ci"),
    ("gb2312", "gb2312_chinese_ci"),
    ("gbk", "gbk_chinese_ci"),
    ("hp8", "hp8_english_ci"),
    ("latin1", "latin1_swedish_ci"),
    ("latin5", "latin5_turkish_ci"),
    ("sjis", "sjis_japanese_ci"),
    ("swe7", "swe7_swedish_ci"),
    ("tis620", "tis620_thai_ci"),
    ("ujis", "ujis_japanese_ci"),
];

impl Charset {
    /// The set with its default collation.
    pub(super) fn named(name: &str, era: Era) -> Self {
        let name = modern(&name.to_ascii_lowercase(), era);
        let special = SPECIAL.iter().find(|(set, _)| *set == name).map(|(_, collation)| (*collation).to_owned());
        let unicode = matches!(name.as_str(), "utf8mb4") && era.flavour == Flavour::MySql;
        let collation = match special {
            Some(collation) => collation,
            None if unicode && era.version >= Version::new(8, 0, 1) => "utf8mb4_0900_ai_ci".to_owned(),
            None if uca(&name) && era.flavour == Flavour::MariaDb && era.version >= UCA_DEFAULT => {
                format!("{name}_uca1400_ai_ci")
            }
            None => format!("{name}_general_ci"),
        };
        Self { name, collation }
    }

    /// The collation with its set; `uca1400_ai_ci`, which names none, is one of `set`.
    pub(super) fn collated(collation: &str, set: &str, era: Era) -> Self {
        let lower = collation.to_ascii_lowercase();
        let collation = if lower.starts_with("uca1400_") { format!("{set}_{lower}") } else { lower };
        let (set, rest) = collation.split_once('_').unwrap_or((collation.as_str(), ""));
        let name = modern(set, era);
        let collation = if rest.is_empty() { name.clone() } else { format!("{name}_{rest}") };
        Self { name, collation }
    }

    /// What a server takes for a table that names neither.
    ///
    /// # Source
    /// MySQL 8.0.1 release notes; MariaDB 11.6.1 release notes.
    pub(super) fn of_server(era: Era) -> Self {
        let unicode = match era.flavour {
            Flavour::MySql => era.version >= Version::new(8, 0, 1),
            Flavour::MariaDb => era.version >= UCA_DEFAULT,
        };
        Self::named(if unicode { "utf8mb4" } else { "latin1" }, era)
    }
}

/// Since when MariaDB's Unicode sets are collated by UCA 14.0.0.
const UCA_DEFAULT: Version = Version::new(11, 6, 1);

fn uca(set: &str) -> bool {
    matches!(set, "utf8mb3" | "utf8mb4" | "ucs2" | "utf16" | "utf32")
}

/// `utf8` under the name that the catalog has for it.
///
/// # Source
/// MariaDB 10.6.1 and MySQL 8.0.30 release notes.
fn modern(set: &str, era: Era) -> String {
    let since = match era.flavour {
        Flavour::MariaDb => Version::new(10, 6, 1),
        Flavour::MySql => Version::new(8, 0, 30),
    };
    let name =
        if matches!(set, "utf8" | "utf8mb3") { if era.version >= since { "utf8mb3" } else { "utf8" } } else { set };
    name.to_owned()
}
