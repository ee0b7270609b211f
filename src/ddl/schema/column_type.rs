//! A column's type, in the words of the catalog.

use driftless_strategies::{Flavour, Version};

use crate::ddl::cursor::{Cursor, written};
use crate::ddl::lexer::{Era, Kind};

use super::defaults::inside;

/// A type as it is written, with what the server adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenType {
    /// `varchar`.
    pub data_type: String,
    /// `varchar(20)`, `int(10) unsigned`.
    pub column_type: String,
    /// Whether it has a character set.
    pub textual: bool,
    /// The set that the type itself names: that of `NATIONAL`, and of MariaDB's JSON.
    pub charset: Option<&'static str>,
    /// MariaDB's JSON: a text with a check.
    pub json: bool,
}

/// Words that stand for another type.
const SYNONYMS: [(&str, &str); 18] = [
    ("bool", "tinyint(1)"),
    ("boolean", "tinyint(1)"),
    ("character", "char"),
    ("dec", "decimal"),
    ("fixed", "decimal"),
    ("float4", "float"),
    ("float8", "double"),
    ("geomcollection", "geometrycollection"),
    ("int1", "tinyint"),
    ("int2", "smallint"),
    ("int3", "mediumint"),
    ("int4", "int"),
    ("int8", "bigint"),
    ("integer", "int"),
    ("middleint", "mediumint"),
    ("numeric", "decimal"),
    ("nvarchar", "varchar"),
    ("real", "double"),
];

/// Types with a character set.
const TEXTUAL: [&str; 8] = ["char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"];

/// What a server adds to a type without a length.
const LENGTHS: [(&str, &str); 5] =
    [("binary", "(1)"), ("bit", "(1)"), ("char", "(1)"), ("decimal", "(10,0)"), ("year", "(4)")];

/// Digits that are shown of an integer, signed and unsigned.
const WIDTHS: [(&str, &str, &str); 5] = [
    ("tinyint", "(4)", "(3)"),
    ("smallint", "(6)", "(5)"),
    ("mediumint", "(9)", "(8)"),
    ("int", "(11)", "(10)"),
    ("bigint", "(20)", "(20)"),
];

/// Reads a type; `None` when none comes.
pub(super) fn column_type(source: &str, cursor: &mut Cursor<'_>, era: Era) -> Option<WrittenType> {
    let (mut data_type, charset) = name(cursor)?;
    let mut parameters = String::new();
    if let Some((known, length)) = data_type.clone().split_once('(') {
        known.clone_into(&mut data_type);
        parameters = format!("({length}");
    }
    if cursor.peek().is_some_and(|next| next.kind == Kind::Open) {
        let group = cursor.group()?;
        let members = matches!(data_type.as_str(), "enum" | "set");
        let compact: String = if members {
            group.iter().map(|lexeme| written(source, std::slice::from_ref(lexeme))).collect()
        } else {
            format!("({})", inside(source, group)).replace(' ', "")
        };
        parameters = compact;
    }
    // A float's single number only says whether it is a double.
    if data_type == "float" && !parameters.contains(',') && !parameters.is_empty() {
        let digits: u32 = parameters.trim_matches(['(', ')']).parse().ok()?;
        data_type = if digits > 24 { "double" } else { "float" }.to_owned();
        parameters.clear();
    }
    let (mut unsigned, mut zerofill) = (false, false);
    loop {
        if cursor.eat(&["UNSIGNED"]) {
            unsigned = true;
        } else if cursor.eat(&["ZEROFILL"]) {
            (unsigned, zerofill) = (true, true);
        } else if !cursor.eat(&["SIGNED"]) {
            break;
        }
    }
    let json = data_type == "json" && era.flavour == Flavour::MariaDb;
    if json {
        "longtext".clone_into(&mut data_type);
    }
    if parameters.is_empty() {
        parameters = added(&data_type, unsigned, zerofill, era);
    } else if bare_widths(era) && integer(&data_type) && !zerofill && !(data_type == "tinyint" && parameters == "(1)") {
        parameters.clear();
    }
    let textual = TEXTUAL.contains(&data_type.as_str());
    let sign = if unsigned { " unsigned" } else { "" };
    let zeros = if zerofill { " zerofill" } else { "" };
    let column_type = format!("{data_type}{parameters}{sign}{zeros}");
    Some(WrittenType { data_type, column_type, textual, charset: if json { Some("utf8mb4") } else { charset }, json })
}

/// The type's own word or words.
fn name(cursor: &mut Cursor<'_>) -> Option<(String, Option<&'static str>)> {
    let national = cursor.eat(&["NATIONAL"]);
    let long = cursor.eat(&["LONG"]);
    let first = cursor.peek().filter(|next| next.kind == Kind::Word).map(|next| next.value.to_ascii_lowercase());
    if long {
        // LONG, LONG VARCHAR, LONG VARBINARY.
        let binary = cursor.eat(&["VARBINARY"]);
        let _text = cursor.eat(&["VARCHAR"]) || cursor.eat(&["CHAR", "VARYING"]);
        return Some((if binary { "mediumblob" } else { "mediumtext" }.to_owned(), None));
    }
    let word = first?;
    cursor.next();
    let varying = cursor.eat(&["VARYING"]);
    if word == "double" {
        cursor.eat(&["PRECISION"]);
    }
    let own = national || matches!(word.as_str(), "nchar" | "nvarchar");
    let word = if word == "nchar" { "char".to_owned() } else { word };
    let known = SYNONYMS.iter().find(|(synonym, _)| *synonym == word).map(|(_, known)| (*known).to_owned());
    let known = known.unwrap_or(word);
    let known = if varying && known == "char" { "varchar".to_owned() } else { known };
    Some((known, own.then_some("utf8")))
}

fn integer(data_type: &str) -> bool {
    WIDTHS.iter().any(|(known, _, _)| *known == data_type)
}

/// Since when MySQL shows no width of an integer, and none of a year.
///
/// # Source
/// MySQL 8.0.19 release notes.
fn bare_widths(era: Era) -> bool {
    era.flavour == Flavour::MySql && era.version >= Version::new(8, 0, 19)
}

fn added(data_type: &str, unsigned: bool, zerofill: bool, era: Era) -> String {
    if let Some((_, signed, without)) = WIDTHS.iter().find(|(known, _, _)| *known == data_type) {
        let shown = !bare_widths(era) || zerofill;
        return if shown { if unsigned { without } else { signed } } else { "" }.to_string();
    }
    if data_type == "year" && bare_widths(era) {
        return String::new();
    }
    LENGTHS.iter().find(|(known, _)| *known == data_type).map_or_else(String::new, |(_, length)| (*length).to_owned())
}
