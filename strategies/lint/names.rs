//! Names that old code can't find any more, finds on another column, or can't write without quotes.

use crate::alter::ClauseKind;
use crate::facts::Flavour;
use crate::name::Ident;
use crate::verdict::{Reason, ReasonCode as Code};

use super::change::Change;
use super::clauses::Part;
use super::reserved;

/// New names of columns and keys that are reserved words of the servers' family, in their version or a later one.
pub(super) fn reserved(change: &Change<'_>) -> Vec<Reason> {
    let family = match change.flavour() {
        Flavour::MariaDb => "MariaDB",
        Flavour::MySql => "MySQL",
    };
    let mut found = Vec::new();
    for (kind, name) in new_names(change) {
        let Some(since) = reserved::since(change.flavour(), name.as_str()) else { continue };
        let later = change.version().is_some_and(|version| version < since);
        let what = if later {
            format!("{kind} `{name}` is a reserved word from {family} {}.{} on", since.major, since.minor)
        } else {
            format!("{kind} `{name}` is a reserved word of {family}")
        };
        let bites = if later { "it fails after the upgrade" } else { "it fails" };
        found.push(Reason::new(
            Code::LintReservedWord,
            format!("{what}: wherever SQL names it without backquotes, {bites}"),
            "choose another name, or see that everything that writes SQL quotes it",
        ));
    }
    found
}

fn new_names<'a>(change: &'a Change<'_>) -> Vec<(&'static str, &'a Ident)> {
    let mut names: Vec<(&str, &Ident)> = change.added().map(|new| ("new column", &new.column.name)).collect();
    for (_, to) in renames(change) {
        names.push(("renamed column", to));
    }
    for part in &change.parts {
        match part {
            Part::Key { key, named: true, .. } => names.push(("new key", &key.name)),
            Part::RenamedKey { to, .. } => names.push(("renamed key", to)),
            Part::Key { .. }
            | Part::Added(_)
            | Part::Redefined { .. }
            | Part::Default { .. }
            | Part::TableCharset(_)
            | Part::Converted(_) => {}
        }
    }
    names
}

/// Columns that get another name; another case of the same letters is none.
fn renames<'a>(change: &'a Change<'_>) -> Vec<(&'a Ident, &'a Ident)> {
    let mut renames = Vec::new();
    for clause in &change.alter.clauses {
        if let ClauseKind::ChangeColumn { from, to } | ClauseKind::RenameColumn { from, to } = &clause.kind
            && !from.same(to)
            && change.before.column(from).is_some()
        {
            renames.push((from, to));
        }
    }
    renames
}

/// A column that old code does not find any more.
pub(super) fn renamed(change: &Change<'_>) -> Vec<Reason> {
    // Where the new name stood for another column, or the old one stands for another afterwards, `reused` says more.
    let plain = |from: &Ident, to: &Ident| change.after.column(from).is_none() && change.before.column(to).is_none();
    let one = |(from, to): (&Ident, &Ident)| {
        Reason::new(
            Code::LintColumnRename,
            format!(
                "`{from}` becomes `{to}` at the switch: code that says `{from}` fails from then on, new code before it"
            ),
            format!(
                "expand and contract: add `{to}`, write both, move the readers, then drop `{from}`; or change the \
                 application at that moment"
            ),
        )
    };
    renames(change).into_iter().filter(|(from, to)| plain(from, to)).map(one).collect()
}

/// A name that stands for another column afterwards: old code goes on and reads the wrong values.
pub(super) fn reused(change: &Change<'_>) -> Vec<Reason> {
    let renames = renames(change);
    let place = |from: &Ident, to: &Ident| renames.iter().position(|(old, new)| old.same(from) && new.same(to));
    let one = |(index, (from, to)): (usize, &(&Ident, &Ident))| {
        let taken = change.before.column(to)?;
        let moved = match (place(to, from), change.successor(to)) {
            (Some(back), _) if back < index => return None,
            (Some(_), _) => format!("`{from}` and `{to}` swap their names"),
            (None, Some(now)) => format!("`{}` becomes `{}`, and `{from}` takes its name", taken.name, now.name),
            (None, None) => format!("`{}` is dropped, and `{from}` takes its name", taken.name),
        };
        Some(Reason::new(
            Code::LintNameReused,
            format!("{moved}: old code goes on without an error and reads the wrong column"),
            "give the columns names that nobody has used, in two changes if need be",
        ))
    };
    renames.iter().enumerate().filter_map(one).collect()
}
