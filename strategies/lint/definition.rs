//! A column's definition in a clause: what it says, and the column that it makes.

use crate::facts::Flavour;
use crate::name::Ident;
use crate::shape::{Column, Generated, KeyKind};

use super::words::{Cursor, Word};

/// Something that a definition can say besides name and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    /// `NULL` or `NOT NULL`.
    Null,
    Default,
    Comment,
    AutoIncrement,
    OnUpdate,
    Generated,
    /// `VISIBLE` or `INVISIBLE`.
    Visibility,
    /// A character set or a collation.
    Charset,
    Check,
}

/// A definition that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// The column. Its character set is `None` where the definition names none; its collation likewise.
    pub(super) column: Column,
    /// The key that it brings along.
    pub(super) key: Option<KeyKind>,
    says: Vec<Attribute>,
}

impl Definition {
    /// Whether the definition says anything about that.
    pub(super) fn says(&self, attribute: Attribute) -> bool {
        self.says.contains(&attribute)
    }

    /// Reads a definition after the column's name; `None` when no type stands there.
    pub(super) fn read(name: Ident, cursor: &mut Cursor<'_>, flavour: Flavour) -> Option<Self> {
        let mut definition = Self { column: empty(name), key: None, says: Vec::new() };
        definition.read_type(cursor, flavour)?;
        while let Some(word) = cursor.next() {
            if word.is("REFERENCES") {
                break;
            }
            definition.read_attribute(word, cursor);
        }
        Some(definition)
    }

    fn say(&mut self, attribute: Attribute) {
        self.says.push(attribute);
    }

    fn read_type(&mut self, cursor: &mut Cursor<'_>, flavour: Flavour) -> Option<()> {
        let Word::Plain(first) = cursor.next()? else { return None };
        let first = first.to_ascii_lowercase();
        if first == "serial" {
            self.read_serial();
            return Some(());
        }
        let national = matches!(first.as_str(), "national" | "nchar" | "nvarchar");
        let data_type = plain_type(&first, cursor);
        if national {
            self.charset("utf8");
        }
        if data_type == "json" && flavour == Flavour::MariaDb {
            // MariaDB makes it a LONGTEXT in this collation, with a check that comes by itself.
            self.column.collation = Some("utf8mb4_bin".into());
            self.charset("utf8mb4");
            self.say(Attribute::Check);
        }
        let group = if cursor.at_mark('(') { cursor.group().map(printed).unwrap_or_default() } else { String::new() };
        let (data_type, group) = match (data_type.as_str(), flavour) {
            ("bool" | "boolean", _) => ("tinyint".to_owned(), "(1)".to_owned()),
            ("json", Flavour::MariaDb) => ("longtext".to_owned(), group),
            _ => (data_type, group),
        };
        self.column.column_type = format!("{data_type}{group}");
        self.column.data_type = data_type;
        Some(())
    }

    /// `SERIAL` is `BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE`.
    fn read_serial(&mut self) {
        self.column.data_type = "bigint".into();
        self.column.column_type = "bigint unsigned".into();
        self.read_serial_value();
    }

    fn read_serial_value(&mut self) {
        self.column.nullable = false;
        self.column.extra.push_str("auto_increment");
        self.key = Some(KeyKind::Unique);
        [Attribute::Null, Attribute::Default, Attribute::AutoIncrement].into_iter().for_each(|said| self.say(said));
    }

    fn read_attribute(&mut self, word: &Word, cursor: &mut Cursor<'_>) {
        let Word::Plain(keyword) = word else { return };
        match keyword.to_ascii_uppercase().as_str() {
            "UNSIGNED" | "ZEROFILL" => {
                self.column.column_type = format!("{} {}", self.column.column_type, keyword.to_ascii_lowercase());
            }
            "NOT" if cursor.eat(&["NULL"]) => {
                self.column.nullable = false;
                self.say(Attribute::Null);
            }
            "NULL" => self.say(Attribute::Null),
            "DEFAULT" => {
                self.column.default = value(cursor);
                self.say(Attribute::Default);
            }
            "COMMENT" => {
                self.column.comment = cursor.next().map(Word::value).unwrap_or_default();
                self.say(Attribute::Comment);
            }
            "SERIAL" if cursor.eat(&["DEFAULT", "VALUE"]) => self.read_serial_value(),
            "UNIQUE" => {
                cursor.eat(&["KEY"]);
                self.key = self.key.or(Some(KeyKind::Unique));
            }
            "PRIMARY" | "KEY" => {
                cursor.eat(&["KEY"]);
                self.column.nullable = false;
                self.key = Some(KeyKind::Primary);
            }
            "CHECK" => {
                cursor.group();
                self.say(Attribute::Check);
            }
            "FIRST" => {}
            "AFTER" => drop(cursor.next()),
            other => self.read_rest(other, cursor),
        }
    }

    fn read_rest(&mut self, keyword: &str, cursor: &mut Cursor<'_>) {
        match keyword {
            "AUTO_INCREMENT" => {
                self.column.extra.push_str("auto_increment");
                self.column.nullable = false;
                self.say(Attribute::AutoIncrement);
            }
            "ON" if cursor.eat(&["UPDATE"]) => {
                self.column.extra = format!("on update {}", value(cursor).unwrap_or_default().to_lowercase());
                self.say(Attribute::OnUpdate);
            }
            "AS" => {
                self.column.expression = cursor.group().map(printed);
                self.column.generated = Some(Generated::Virtual);
                self.say(Attribute::Generated);
            }
            "STORED" | "PERSISTENT" => self.column.generated = self.column.generated.map(|_| Generated::Stored),
            "VISIBLE" => self.say(Attribute::Visibility),
            "INVISIBLE" => {
                self.column.invisible = true;
                self.say(Attribute::Visibility);
            }
            "CHARSET" => self.read_charset(cursor),
            "CHARACTER" | "CHAR" if cursor.eat(&["SET"]) => self.read_charset(cursor),
            "COLLATE" => {
                cursor.eat_mark('=');
                let collation = cursor.next().map(|word| word.value().to_lowercase()).unwrap_or_default();
                let charset = charset_of(&collation);
                self.column.collation = Some(collation);
                self.charset(&charset);
            }
            "ASCII" | "UNICODE" | "BINARY" | "BYTE" => self.say(Attribute::Charset),
            _ => {}
        }
    }

    fn read_charset(&mut self, cursor: &mut Cursor<'_>) {
        cursor.eat_mark('=');
        let charset = cursor.next().map(|word| word.value().to_lowercase()).unwrap_or_default();
        if self.column.charset.is_none() {
            self.charset(&charset);
        }
    }

    fn charset(&mut self, charset: &str) {
        self.column.charset = Some(charset.to_owned());
        self.say(Attribute::Charset);
    }
}

/// The character set that a collation belongs to, by its name.
pub(super) fn charset_of(collation: &str) -> String {
    collation.split('_').next().unwrap_or_default().to_owned()
}

fn empty(name: Ident) -> Column {
    Column {
        name,
        data_type: String::new(),
        column_type: String::new(),
        nullable: true,
        default: None,
        extra: String::new(),
        charset: None,
        collation: None,
        generated: None,
        expression: None,
        invisible: false,
        comment: String::new(),
    }
}

/// The type's name as servers print it.
fn plain_type(first: &str, cursor: &mut Cursor<'_>) -> String {
    let varying = |cursor: &mut Cursor<'_>, short: &str| {
        let long = cursor.eat_any(&["VARYING", "VARCHAR", "VARCHARACTER"]);
        if long { "varchar".to_owned() } else { short.to_owned() }
    };
    match first {
        "integer" | "int4" => "int",
        "int1" => "tinyint",
        "int2" => "smallint",
        "int3" | "middleint" => "mediumint",
        "int8" => "bigint",
        "dec" | "numeric" | "fixed" => "decimal",
        "float4" => "float",
        "real" | "float8" => "double",
        "double" => {
            cursor.eat(&["PRECISION"]);
            "double"
        }
        "varcharacter" | "nvarchar" => "varchar",
        "character" | "char" | "nchar" => return varying(cursor, "char"),
        "national" => {
            cursor.eat_any(&["CHAR", "CHARACTER"]);
            return varying(cursor, "char");
        }
        "long" => {
            let bytes = cursor.eat(&["VARBINARY"]);
            cursor.eat_any(&["VARCHAR", "VARCHARACTER"]);
            if bytes { "mediumblob" } else { "mediumtext" }
        }
        other => other,
    }
    .to_owned()
}

/// What stands in parentheses, as servers print it.
fn printed(inside: &[Word]) -> String {
    let texts: Vec<String> = inside
        .iter()
        .map(|word| match word {
            Word::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
            Word::Plain(_) | Word::Quoted(_) | Word::Mark(_) => word.value(),
        })
        .collect();
    format!("({})", texts.concat())
}

/// A default or the like: a literal, a call or an expression in parentheses; `None` for NULL.
pub(super) fn value(cursor: &mut Cursor<'_>) -> Option<String> {
    if cursor.at_mark('(') {
        return cursor.group().map(printed);
    }
    let minus = if cursor.eat_mark('-') { "-" } else { "" };
    let word = cursor.next()?;
    if word.is("NULL") {
        return None;
    }
    let mut text = match word {
        Word::Text(text) => format!("'{text}'"),
        Word::Plain(_) | Word::Quoted(_) | Word::Mark(_) => format!("{minus}{}", word.value()),
    };
    if cursor.eat_mark('.') {
        text = format!("{text}.{}", cursor.next().map(Word::value).unwrap_or_default());
    }
    if cursor.at_mark('(') {
        text.extend(cursor.group().map(printed));
    }
    Some(text)
}
