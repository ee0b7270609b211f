//! CREATE TRIGGER, as far as a table's shape has it. The body is the server's language and is kept as it is.

use driftless_strategies::{Ident, TableName, Trigger};

use crate::ddl::split::Fault;

use super::dump::unquoted;
use super::error::unreadable;
use super::statements::{Statement, Token};

/// Reads the trigger whose word TRIGGER is that token; names without schema lie in `schema`.
///
/// # Errors
/// When name, time, event, table or body can't be found.
pub(super) fn create_trigger(
    text: &str,
    cut: Statement,
    tokens: &[Token],
    index: usize,
    schema: &Ident,
) -> Result<(TableName, Trigger), Fault> {
    let at = tokens.get(index).map_or(cut.start, |token| token.start);
    let bad = || (unreadable("this trigger is not understood"), at);
    let mut rest = tokens.get(index + 1..).unwrap_or_default();
    if let [first, second, third, more @ ..] = rest
        && first.is("IF")
        && second.is("NOT")
        && third.is("EXISTS")
    {
        rest = more;
    }
    let (_, name) = qualified(&mut rest).ok_or_else(bad)?;
    let [timing, event, on, more @ ..] = rest else { return Err(bad()) };
    if !on.is("ON") {
        return Err(bad());
    }
    let mut rest = more;
    let (of, table) = qualified(&mut rest).ok_or_else(bad)?;
    let [each, of_each, row, more @ ..] = rest else { return Err(bad()) };
    if !(each.is("FOR") && of_each.is("EACH") && row.is("ROW")) {
        return Err(bad());
    }
    let order = more.first().is_some_and(|word| word.is("FOLLOWS") || word.is("PRECEDES"));
    let body = more.get(if order { 2 } else { 0 }).ok_or_else(bad)?.start;
    let statement = text.get(body..cut.end).unwrap_or_default().trim_end();
    let trigger = Trigger {
        name,
        timing: timing.text.to_uppercase(),
        event: event.text.to_uppercase(),
        statement: statement.strip_suffix("*/").unwrap_or(statement).trim_end().to_owned(),
        // The session that the dump sets up for it is not read.
        sql_mode: String::new(),
        definer: definer(tokens.get(..index).unwrap_or_default()),
    };
    Ok((TableName::new(of.unwrap_or_else(|| schema.clone()), table), trigger))
}

fn qualified(rest: &mut &[Token]) -> Option<(Option<Ident>, Ident)> {
    let name = |token: &Token| Ident::new(unquoted(&token.text)).ok();
    if let [schema, point, table, more @ ..] = *rest
        && point.is(".")
    {
        *rest = more;
        return Some((Some(name(schema)?), name(table)?));
    }
    let (first, more) = rest.split_first()?;
    *rest = more;
    Some((None, name(first)?))
}

/// `user@host`, as the catalog prints it.
fn definer(tokens: &[Token]) -> String {
    let after = tokens.iter().skip_while(|token| !token.is("DEFINER")).skip(2).take(3);
    after.map(|token| unquoted(&token.text)).collect()
}
