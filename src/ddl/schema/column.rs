//! One column of a CREATE TABLE.

use driftless_strategies::shape::{Column, Generated, KeyKind, KeyPart};
use driftless_strategies::{Flavour, Ident, Key, Version};

use crate::ddl::cursor::{Cursor, written};
use crate::ddl::error::Problem;
use crate::ddl::lexer::{Era, Kind, Lexeme};
use crate::ddl::split::Fault;

use super::charsets::Charset;
use super::column_type::{WrittenType, column_type};
use super::defaults::{default, implicit, inside, moment};
use super::error::unreadable;
use super::keys::{References, references};

/// A column, and what its definition brings beside it.
#[derive(Clone, Debug)]
pub(super) struct Defined {
    /// The column.
    pub column: Column,
    /// `PRIMARY KEY` or `UNIQUE`; the unnamed key is named later.
    pub key: Option<Key>,
    /// Its own check, with the name that was given.
    pub check: Option<(Option<Ident>, String)>,
    /// `REFERENCES`, where the server makes a foreign key of it.
    pub references: Option<References>,
}

/// Attributes with a value that the catalog does not show.
const UNSEEN: [&str; 5] =
    ["COLUMN_FORMAT", "STORAGE", "REF_SYSTEM_ID", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"];

/// What is collected while attributes are read.
#[derive(Default)]
struct Attributes {
    nullable: Option<bool>,
    default: Option<super::defaults::DefaultValue>,
    on_update: Option<String>,
    auto_increment: bool,
    generated: Option<(Generated, String)>,
    charset: Option<Charset>,
    comment: String,
    invisible: bool,
    unversioned: bool,
    compressed: bool,
    srid: Option<String>,
    kind: Option<KeyKind>,
    check: Option<(Option<Ident>, String)>,
    references: Option<References>,
}

/// Reads a column; `table` is the table's character set.
///
/// # Errors
/// An attribute that is not known, with its place.
pub(super) fn column(source: &str, element: &[Lexeme], table: &Charset, era: Era) -> Result<Defined, Fault> {
    let at = element.first().map_or(0, |lexeme| lexeme.start);
    let mut cursor = Cursor::new(element);
    let name = cursor.name().ok_or((Problem::Expected("a column's name"), at))?;
    let place = cursor.peek().map_or_else(|| element.last().map_or(at, |last| last.end), |next| next.start);
    let written_type = column_type(source, &mut cursor, era).ok_or((Problem::Expected("a column's type"), place))?;
    let serial = written_type.data_type == "serial";
    let written_type = if serial { serial_type(era) } else { written_type };
    let mut attributes = Attributes::default();
    if serial {
        attributes.nullable = Some(false);
        attributes.auto_increment = true;
        attributes.kind = Some(KeyKind::Unique);
    }
    let reader = Reader { source, era, set: table };
    while let Some(next) = cursor.peek() {
        if !reader.attribute(&mut cursor, &mut attributes)? {
            let what = format!("`{}` is no attribute of a column that driftless knows", next.value);
            return Err((unreadable(what), next.start));
        }
    }
    Ok(reader.finish(name, written_type, attributes))
}

struct Reader<'a> {
    source: &'a str,
    era: Era,
    set: &'a Charset,
}

impl Reader<'_> {
    /// Reads one attribute; `false` when what comes is not known.
    fn attribute(&self, cursor: &mut Cursor<'_>, into: &mut Attributes) -> Result<bool, Fault> {
        if cursor.eat(&["NOT", "NULL"]) {
            into.nullable = Some(false);
        } else if cursor.eat(&["NULL"]) {
            into.nullable = Some(true);
        } else if cursor.eat(&["DEFAULT"]) {
            into.default = Some(default(self.source, cursor, self.era).ok_or_else(|| expected(cursor, "a default"))?);
        } else if cursor.eat(&["ON", "UPDATE"]) {
            into.on_update = Some(moment(cursor, self.era).ok_or_else(|| expected(cursor, "CURRENT_TIMESTAMP"))?);
        } else if cursor.eat(&["AUTO_INCREMENT"]) {
            into.auto_increment = true;
        } else if cursor.eat(&["COMMENT"]) {
            into.comment.clone_from(&text(cursor)?);
        } else if cursor.eat(&["UNIQUE"]) {
            cursor.eat(&["KEY"]);
            into.kind = Some(KeyKind::Unique);
        } else if cursor.eat(&["PRIMARY", "KEY"]) || cursor.eat(&["KEY"]) {
            into.kind = Some(KeyKind::Primary);
        } else {
            return Ok(self.charset(cursor, into)? || self.computed(cursor, into)? || self.rarer(cursor, into)?);
        }
        Ok(true)
    }

    fn charset(&self, cursor: &mut Cursor<'_>, into: &mut Attributes) -> Result<bool, Fault> {
        if cursor.eat(&["CHARACTER", "SET"]) || cursor.eat(&["CHARSET"]) {
            into.charset = Some(Charset::named(&word(cursor, "a character set")?, self.era));
        } else if cursor.eat(&["COLLATE"]) {
            let set = into.charset.as_ref().unwrap_or(self.set).name.clone();
            into.charset = Some(Charset::collated(&word(cursor, "a collation")?, &set, self.era));
        } else if cursor.eat(&["BINARY"]) {
            let set = into.charset.as_ref().unwrap_or(self.set).name.clone();
            into.charset = Some(Charset { collation: format!("{set}_bin"), name: set });
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn computed(&self, cursor: &mut Cursor<'_>, into: &mut Attributes) -> Result<bool, Fault> {
        let always = cursor.eat(&["GENERATED", "ALWAYS"]);
        if cursor.eat(&["AS"]) {
            if cursor.at(&["ROW", "START"]) || cursor.at(&["ROW", "END"]) {
                let end = cursor.at(&["ROW", "END"]);
                cursor.next();
                cursor.next();
                let of_row = if end { "ROW END" } else { "ROW START" };
                into.generated = Some((Generated::Stored, of_row.to_owned()));
                return Ok(true);
            }
            let group = cursor.group().ok_or_else(|| expected(cursor, "an expression in parentheses"))?;
            let stored = cursor.eat(&["STORED"]) || cursor.eat(&["PERSISTENT"]);
            cursor.eat(&["VIRTUAL"]);
            let kind = if stored { Generated::Stored } else { Generated::Virtual };
            into.generated = Some((kind, inside(self.source, group)));
            return Ok(true);
        }
        if always {
            return Err(expected(cursor, "AS"));
        }
        let mut ahead = *cursor;
        let named = if ahead.eat(&["CONSTRAINT"]) { ahead.name() } else { None };
        if !ahead.eat(&["CHECK"]) {
            return Ok(false);
        }
        *cursor = ahead;
        let group = cursor.group().ok_or_else(|| expected(cursor, "an expression in parentheses"))?;
        into.check = Some((named, inside(self.source, group)));
        Ok(true)
    }

    fn rarer(&self, cursor: &mut Cursor<'_>, into: &mut Attributes) -> Result<bool, Fault> {
        if cursor.eat(&["INVISIBLE"]) {
            into.invisible = true;
        } else if cursor.eat(&["WITHOUT", "SYSTEM", "VERSIONING"]) {
            into.unversioned = true;
        } else if cursor.eat(&["COMPRESSED"]) {
            cursor.eat_kind(Kind::Equals);
            into.compressed = true;
        } else if cursor.eat(&["SRID"]) {
            into.srid = cursor.next().map(|lexeme| lexeme.value.clone());
        } else if cursor.eat_any(&UNSEEN) {
            cursor.eat_kind(Kind::Equals);
            cursor.next();
        } else if cursor.at(&["REFERENCES"]) {
            let at = cursor.peek().map_or(0, |next| next.start);
            let found = references(cursor).ok_or((Problem::Expected("a table and its columns"), at))?;
            into.references = inline_foreign_keys(self.era).then_some(found);
        } else {
            return Ok(cursor.eat(&["VISIBLE"]) || cursor.eat(&["WITH", "SYSTEM", "VERSIONING"]));
        }
        Ok(true)
    }

    fn finish(&self, name: Ident, kind: WrittenType, attributes: Attributes) -> Defined {
        let era = self.era;
        let own = kind.charset.map(|set| Charset::named(set, era));
        let own = if kind.json { own.map(|set| Charset { collation: "utf8mb4_bin".into(), ..set }) } else { own };
        let charset = attributes.charset.clone().or(own).unwrap_or_else(|| self.set.clone());
        let textual = kind.textual && charset.name != "binary";
        let primary = attributes.kind == Some(KeyKind::Primary);
        let not_null = primary || of_row(&attributes) || timestamps_are_not_null(&kind.data_type, era);
        let nullable = attributes.nullable.unwrap_or(!not_null);
        let has_default = attributes.default.is_some();
        let default = attributes.default.clone().and_then(|default| default.text);
        let none = !has_default && nullable && !of_row(&attributes);
        let mut column_type = kind.column_type.clone();
        if attributes.compressed {
            column_type.push_str(" /*M!100301 COMPRESSED*/");
        }
        let check =
            attributes.check.clone().or_else(|| kind.json.then(|| (None, format!("json_valid({})", name.quoted()))));
        let column = Column {
            extra: extra(&attributes, era),
            data_type: kind.data_type,
            column_type,
            nullable,
            default: if none { implicit(era) } else { default },
            charset: textual.then(|| charset.name.clone()),
            collation: textual.then_some(charset.collation),
            generated: attributes.generated.as_ref().map(|(kind, _)| *kind),
            expression: attributes.generated.map(|(_, expression)| expression),
            invisible: attributes.invisible,
            comment: attributes.comment,
            name,
        };
        let key = attributes.kind.map(|kind| own_key(&column.name, kind));
        Defined { column, key, check, references: attributes.references }
    }
}

/// MariaDB's `ROW START` and `ROW END`: the only generated columns without a NULL for a default in the catalog.
fn of_row(attributes: &Attributes) -> bool {
    attributes.generated.as_ref().is_some_and(|(_, expression)| expression.starts_with("ROW "))
}

fn own_key(column: &Ident, kind: KeyKind) -> Key {
    let part = KeyPart { column: Some(column.clone()), expression: None, prefix: None, descending: false };
    let primary = (kind == KeyKind::Primary).then(|| Ident::new("PRIMARY").ok()).flatten();
    let name = primary.unwrap_or_else(|| column.clone());
    Key { name, kind, parts: vec![part], visible: true, comment: String::new() }
}

/// `EXTRA` of the catalog, in lower case.
fn extra(attributes: &Attributes, era: Era) -> String {
    let computed = attributes.default.as_ref().is_some_and(|default| default.computed);
    let mut words = Vec::new();
    if era.flavour == Flavour::MySql && computed && era.version >= Version::new(8, 0, 13) {
        words.push("default_generated".to_owned());
    }
    if attributes.auto_increment {
        words.push("auto_increment".to_owned());
    }
    words.extend(attributes.on_update.as_ref().map(|moment| format!("on update {}", moment.to_lowercase())));
    words.extend(attributes.generated.as_ref().map(|(kind, _)| {
        match kind {
            Generated::Virtual => "virtual generated",
            Generated::Stored => "stored generated",
        }
        .to_owned()
    }));
    if attributes.unversioned {
        words.push("without system versioning".to_owned());
    }
    if attributes.invisible {
        words.push("invisible".to_owned());
    }
    let between = match era.flavour {
        Flavour::MariaDb => ", ",
        Flavour::MySql => " ",
    };
    let extra = words.join(between);
    match &attributes.srid {
        Some(srid) => format!("{extra} srid {srid}").trim_start().to_owned(),
        None => extra,
    }
}

/// Before `explicit_defaults_for_timestamp` was on by default.
///
/// # Source
/// MariaDB 10.10 and MySQL 8.0.2 release notes.
fn timestamps_are_not_null(data_type: &str, era: Era) -> bool {
    let since = match era.flavour {
        Flavour::MariaDb => Version::new(10, 10, 0),
        Flavour::MySql => Version::new(8, 0, 2),
    };
    data_type == "timestamp" && era.version < since
}

/// Since when REFERENCES in a column makes a foreign key; `ddl::column` has the sources.
fn inline_foreign_keys(era: Era) -> bool {
    let since = match era.flavour {
        Flavour::MariaDb => Version::new(10, 5, 0),
        Flavour::MySql => Version::new(9, 0, 0),
    };
    era.version >= since
}

fn serial_type(era: Era) -> WrittenType {
    let width = if era.flavour == Flavour::MySql && era.version >= Version::new(8, 0, 19) { "" } else { "(20)" };
    WrittenType {
        data_type: "bigint".to_owned(),
        column_type: format!("bigint{width} unsigned"),
        textual: false,
        charset: None,
        json: false,
    }
}

/// The fault of something else standing where this has to.
pub(super) fn expected(cursor: &Cursor<'_>, what: &'static str) -> Fault {
    (Problem::Expected(what), cursor.peek().map_or(usize::MAX, |next| next.start))
}

/// Reads a text in quotes.
pub(super) fn text(cursor: &mut Cursor<'_>) -> Result<String, Fault> {
    let found = cursor.peek().filter(|next| next.kind == Kind::Text).map(|next| next.value.clone());
    let found = found.ok_or_else(|| expected(cursor, "a text in quotes"))?;
    cursor.next();
    Ok(found)
}

/// Reads one word, in quotes or not.
pub(super) fn word(cursor: &mut Cursor<'_>, what: &'static str) -> Result<String, Fault> {
    let known = |lexeme: &&Lexeme| matches!(lexeme.kind, Kind::Word | Kind::Text | Kind::Quoted);
    let found = cursor.peek().filter(known).map(|next| next.value.clone()).ok_or_else(|| expected(cursor, what))?;
    cursor.next();
    Ok(found)
}

/// The text of lexemes without white space after a comma, as servers print lists.
pub(super) fn compact(source: &str, lexemes: &[Lexeme]) -> String {
    let mut text = String::new();
    let mut after_comma = false;
    for lexeme in lexemes {
        if !text.is_empty() && !after_comma {
            text.push_str(&lexeme.gap);
        }
        text.push_str(&written(source, std::slice::from_ref(lexeme)));
        after_comma = lexeme.kind == Kind::Comma;
    }
    text
}
