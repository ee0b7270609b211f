//! The beginning of a whole statement: which table, and what stands around its clauses.

use driftless_strategies::Ident;

use super::cursor::{Cursor, written};
use super::error::Problem;
use super::lexer::{Kind, Lexeme};
use super::split::Fault;

/// A table as the statement names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Its schema, when it is written.
    pub schema: Option<Ident>,
    /// The table.
    pub table: Ident,
    /// The byte where it begins.
    pub at: usize,
}

/// What the header leaves to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// Clauses as they stand.
    Clauses(&'a [Lexeme]),
    /// One or two clauses put together from pieces of another statement.
    Rewritten(Vec<String>),
}

/// A statement without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    /// The table; `None` when only clauses were given.
    pub table: Option<Named>,
    /// `ALTER IGNORE`.
    pub ignore: bool,
    /// `ONLINE`, `WAIT n`, `ALGORITHM=…` and their kin, as written.
    pub hints: Vec<String>,
    /// The clauses.
    pub body: Body<'a>,
}

/// Reads the header; `end` is the byte after the text.
///
/// # Errors
/// When a statement begins like one of ours and then goes on otherwise.
pub(super) fn header<'a>(source: &str, lexemes: &'a [Lexeme], end: usize) -> Result<Header<'a>, Fault> {
    let reader = Reader { source, end };
    let mut cursor = Cursor::new(lexemes);
    if let Some(opening) = alter_table(&mut cursor) {
        return reader.alter(cursor, opening);
    }
    if let Some(opening) = create_index(&mut cursor) {
        return reader.create(cursor, opening);
    }
    if drops_index(cursor) {
        return reader.drop(cursor);
    }
    if optimizes(&mut cursor) {
        return reader.optimize(cursor);
    }
    Ok(Header { table: None, ignore: false, hints: Vec::new(), body: Body::Clauses(lexemes) })
}

/// What stood around the first word of an `ALTER TABLE`.
pub(super) struct Alter {
    ignore: bool,
    online: bool,
}

/// Reads `ALTER [ONLINE] [IGNORE] TABLE`; leaves the cursor when it is something else (`ALTER online SET DEFAULT 1`).
pub(super) fn alter_table(cursor: &mut Cursor<'_>) -> Option<Alter> {
    let mut ahead = *cursor;
    if !ahead.eat(&["ALTER"]) {
        return None;
    }
    let online = ahead.eat(&["ONLINE"]);
    let ignore = ahead.eat(&["IGNORE"]);
    if !ahead.eat(&["TABLE"]) {
        return None;
    }
    *cursor = ahead;
    Some(Alter { ignore, online })
}

struct Create<'a> {
    replace: bool,
    /// `UNIQUE`, `FULLTEXT`, `SPATIAL`.
    sort: Option<&'a Lexeme>,
}

/// Reads `CREATE [OR REPLACE] [UNIQUE | FULLTEXT | SPATIAL] INDEX`.
fn create_index<'a>(cursor: &mut Cursor<'a>) -> Option<Create<'a>> {
    let mut ahead = *cursor;
    if !ahead.eat(&["CREATE"]) {
        return None;
    }
    let replace = ahead.eat(&["OR", "REPLACE"]);
    let sort = ahead.peek().filter(|_| ahead.at_any(&["UNIQUE", "FULLTEXT", "SPATIAL"]));
    if sort.is_some() {
        ahead.next();
    }
    if !ahead.eat(&["INDEX"]) {
        return None;
    }
    *cursor = ahead;
    Some(Create { replace, sort })
}

/// Whether it is `DROP INDEX … ON`, not the clause `DROP INDEX …`.
pub(super) fn drops_index(mut cursor: Cursor<'_>) -> bool {
    if !cursor.eat(&["DROP", "INDEX"]) {
        return false;
    }
    cursor.eat(&["IF", "EXISTS"]);
    cursor.next().is_some() && cursor.at(&["ON"])
}

/// Reads `OPTIMIZE [NO_WRITE_TO_BINLOG | LOCAL] TABLE`.
fn optimizes(cursor: &mut Cursor<'_>) -> bool {
    let mut ahead = *cursor;
    if !ahead.eat(&["OPTIMIZE"]) {
        return false;
    }
    ahead.eat_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
    if !ahead.eat_any(&["TABLE", "TABLES"]) {
        return false;
    }
    *cursor = ahead;
    true
}

struct Reader<'s> {
    source: &'s str,
    end: usize,
}

impl Reader<'_> {
    fn alter<'a>(&self, mut cursor: Cursor<'a>, opening: Alter) -> Result<Header<'a>, Fault> {
        cursor.eat(&["IF", "EXISTS"]);
        let table = Some(self.table(&mut cursor)?);
        let mut hints = Vec::new();
        if opening.online {
            hints.push("ONLINE".to_owned());
        }
        hints.extend(self.wait(&mut cursor));
        Ok(Header { table, ignore: opening.ignore, hints, body: Body::Clauses(cursor.rest()) })
    }

    fn create<'a>(&self, mut cursor: Cursor<'a>, opening: Create<'a>) -> Result<Header<'a>, Fault> {
        let before = cursor.rest();
        let only_new = cursor.eat(&["IF", "NOT", "EXISTS"]);
        let name = cursor.peek();
        if cursor.name().is_none() {
            return Err((Problem::Expected("the index's name"), self.at(&cursor)));
        }
        if cursor.eat_any(&["USING", "TYPE"]) && cursor.next().is_none() {
            return Err((Problem::Expected("the index's type"), self.end));
        }
        let front = self.between(before, &cursor);
        self.on(&mut cursor)?;
        let table = Some(self.table(&mut cursor)?);
        let before = cursor.rest();
        if cursor.group().is_none() {
            return Err((Problem::Expected("the list of columns"), self.at(&cursor)));
        }
        let columns = self.between(before, &cursor);
        let mut hints: Vec<String> = self.wait(&mut cursor).into_iter().collect();
        let options = self.trailing_hints(cursor.rest(), &mut hints);
        let sort = opening.sort.map_or_else(String::new, |sort| format!("{} ", sort.value.to_ascii_uppercase()));
        let mut clauses = Vec::new();
        if opening.replace && !only_new {
            let name = name.map(|name| written(self.source, std::slice::from_ref(name))).unwrap_or_default();
            clauses.push(format!("DROP INDEX IF EXISTS {name}"));
        }
        let options = written(self.source, options);
        clauses.push(format!("ADD {sort}INDEX {front} {columns} {options}").trim_end().to_owned());
        Ok(Header { table, ignore: false, hints, body: Body::Rewritten(clauses) })
    }

    fn drop<'a>(&self, mut cursor: Cursor<'a>) -> Result<Header<'a>, Fault> {
        let before = cursor.rest();
        cursor.eat(&["DROP", "INDEX"]);
        cursor.eat(&["IF", "EXISTS"]);
        if cursor.name().is_none() {
            return Err((Problem::Expected("the index's name"), self.at(&cursor)));
        }
        let clause = self.between(before, &cursor);
        self.on(&mut cursor)?;
        let table = Some(self.table(&mut cursor)?);
        let mut hints: Vec<String> = self.wait(&mut cursor).into_iter().collect();
        let rest = self.trailing_hints(cursor.rest(), &mut hints);
        self.nothing_more(rest)?;
        Ok(Header { table, ignore: false, hints, body: Body::Rewritten(vec![clause]) })
    }

    fn optimize<'a>(&self, mut cursor: Cursor<'a>) -> Result<Header<'a>, Fault> {
        let table = Some(self.table(&mut cursor)?);
        if let Some(more) = cursor.peek().filter(|lexeme| lexeme.kind == Kind::Comma) {
            return Err((Problem::SeveralTables, more.start));
        }
        let hints = self.wait(&mut cursor).into_iter().collect();
        self.nothing_more(cursor.rest())?;
        Ok(Header { table, ignore: false, hints, body: Body::Rewritten(vec!["FORCE".to_owned()]) })
    }

    /// Reads `[schema.]table`.
    fn table(&self, cursor: &mut Cursor<'_>) -> Result<Named, Fault> {
        let at = self.at(cursor);
        let first = self.part(cursor, at)?;
        if !cursor.eat_kind(Kind::Period) {
            return Ok(Named { schema: None, table: first, at });
        }
        Ok(Named { schema: Some(first), table: self.part(cursor, at)?, at })
    }

    fn part(&self, cursor: &mut Cursor<'_>, at: usize) -> Result<Ident, Fault> {
        if let Some(quoted) = cursor.peek().filter(|lexeme| matches!(lexeme.kind, Kind::Quoted | Kind::Word)) {
            Ident::new(quoted.value.clone()).map_err(|error| (Problem::Name(error), at))?;
        }
        cursor.name().ok_or((Problem::Expected("the table's name"), self.at(cursor)))
    }

    fn on(&self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let found = cursor.eat(&["ON"]);
        found.then_some(()).ok_or((Problem::Expected("ON and the table's name"), self.at(cursor)))
    }

    fn nothing_more(&self, rest: &[Lexeme]) -> Result<(), Fault> {
        rest.first().map_or(Ok(()), |more| Err((Problem::Expected("the end of the statement"), more.start)))
    }

    /// Reads `WAIT n` or `NOWAIT`.
    fn wait(&self, cursor: &mut Cursor<'_>) -> Option<String> {
        let before = cursor.rest();
        let mut ahead = *cursor;
        let timed = ahead.eat(&["WAIT"]) && ahead.eat_kind(Kind::Number);
        if !timed && !ahead.eat(&["NOWAIT"]) {
            return None;
        }
        *cursor = ahead;
        Some(self.between(before, cursor))
    }

    /// Takes `ALGORITHM [=] …` and `LOCK [=] …` from the end of a statement about an index.
    fn trailing_hints<'a>(&self, lexemes: &'a [Lexeme], hints: &mut Vec<String>) -> &'a [Lexeme] {
        let hint = |at: usize| {
            let tail = lexemes.get(at..).unwrap_or_default();
            let length = hint_length(tail)?;
            Some((tail, length))
        };
        for start in 0..lexemes.len() {
            let (mut at, mut found) = (start, Vec::new());
            while let Some((tail, length)) = hint(at) {
                found.push(written(self.source, tail.get(..length).unwrap_or_default()));
                at += length;
            }
            if at == lexemes.len() && !found.is_empty() {
                hints.append(&mut found);
                return lexemes.get(..start).unwrap_or_default();
            }
        }
        lexemes
    }

    /// What was read since `before`, as written.
    fn between(&self, before: &[Lexeme], cursor: &Cursor<'_>) -> String {
        written(self.source, before.get(..before.len() - cursor.rest().len()).unwrap_or_default())
    }

    fn at(&self, cursor: &Cursor<'_>) -> usize {
        cursor.peek().map_or(self.end, |lexeme| lexeme.start)
    }
}

/// How many lexemes the hint has that begins here; `None` when none does.
pub(super) fn hint_length(lexemes: &[Lexeme]) -> Option<usize> {
    let mut cursor = Cursor::new(lexemes);
    if !cursor.eat_any(&["ALGORITHM", "LOCK"]) {
        return None;
    }
    cursor.eat_kind(Kind::Equals);
    cursor.next().filter(|value| value.kind == Kind::Word)?;
    Some(lexemes.len() - cursor.rest().len())
}
