//! Which column of the source goes into which column of the target.

use crate::alter::{Alter, Clause, ClauseKind};
use crate::column_type::ColumnType;
use crate::name::Ident;
use crate::shape::{Column, TableShape};
use crate::verdict::{Reason, ReasonCode};

/// The columns that are copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Source and target, in the target's order. No column that the server computes is among the targets.
    pub pairs: Vec<(Ident, Ident)>,
    /// What the user should know.
    pub warnings: Vec<Reason>,
}

/// Pairs the columns of a table before and after an alter. Names change by `CHANGE` and `RENAME COLUMN`, which all go by
/// the names before the alter, so that they can form chains and swaps. `allow_drop_add` names the columns whose values
/// the user gives up by dropping them and adding others of the same name.
///
/// # Errors
/// Every reason why rows can't be copied: a column that is missing, one that would lose its values, one that would get
/// none.
pub fn map_columns(
    alter: &Alter,
    source: &TableShape,
    target: &TableShape,
    allow_drop_add: &[Ident],
) -> Result<Mapping, Vec<Reason>> {
    let mut refusals = missing(alter, source);
    let moves = Moves::of(alter, source);
    let mut mapping = Mapping::default();
    for column in &target.columns {
        let from = moves.origin(source, &column.name);
        match (from, column.generated) {
            (Some(from), None) => mapping.pairs.push((from.name.clone(), column.name.clone())),
            (Some(from), Some(_)) => mapping.warnings.extend(becomes_generated(from, column)),
            (None, generated) => {
                let given_up = |old: &&Column| allow_drop_add.iter().any(|name| name.same(&old.name));
                let old = moves.dropped(source, &column.name).filter(|old| loses(old, column) && !given_up(old));
                refusals.extend(old.map(drop_and_add));
                if generated.is_none() {
                    new_column(column, &mut refusals, &mut mapping.warnings);
                }
            }
        }
    }
    refusals.extend(lost(&moves, source, target));
    if refusals.is_empty() { Ok(mapping) } else { Err(refusals) }
}

/// What the alter does to the columns of the source.
pub(crate) struct Moves<'a> {
    /// Name before and after.
    renamed: Vec<(&'a Ident, &'a Ident)>,
    dropped: Vec<&'a Ident>,
}

impl<'a> Moves<'a> {
    /// Reads the clauses.
    pub(crate) fn of(alter: &'a Alter, source: &TableShape) -> Self {
        let mut moves = Self { renamed: Vec::new(), dropped: Vec::new() };
        for clause in &alter.clauses {
            if let Some((from, to)) = renames(clause)
                && source.column(from).is_some()
            {
                moves.renamed.push((from, to));
            }
            if let ClauseKind::DropColumn { name } = &clause.kind {
                moves.dropped.push(name);
            }
        }
        moves
    }

    /// The source's column whose values belong into the target's column of that name.
    pub(crate) fn origin<'s>(&self, source: &'s TableShape, name: &Ident) -> Option<&'s Column> {
        if let Some((from, _)) = self.renamed.iter().find(|(_, to)| to.same(name)) {
            return source.column(from);
        }
        let gone = self.renamed.iter().any(|(from, _)| from.same(name)) || self.drops(name);
        source.column(name).filter(|_| !gone)
    }

    fn drops(&self, name: &Ident) -> bool {
        self.dropped.iter().any(|dropped| dropped.same(name))
    }

    /// The source's column of that name, when it is dropped.
    fn dropped<'s>(&self, source: &'s TableShape, name: &Ident) -> Option<&'s Column> {
        source.column(name).filter(|_| self.drops(name))
    }
}

const fn renames(clause: &Clause) -> Option<(&Ident, &Ident)> {
    if let ClauseKind::ChangeColumn { from, to } | ClauseKind::RenameColumn { from, to } = &clause.kind {
        Some((from, to))
    } else {
        None
    }
}

/// Columns that a clause names and the source lacks; MariaDB's `IF EXISTS` passes over them.
fn missing(alter: &Alter, source: &TableShape) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for clause in &alter.clauses {
        let name = match (&clause.kind, renames(clause)) {
            (_, Some((from, _))) => from,
            (
                ClauseKind::DropColumn { name } | ClauseKind::ModifyColumn { name } | ClauseKind::AlterColumn { name },
                None,
            ) => name,
            _ => continue,
        };
        if source.column(name).is_none() && !only_if_exists(&clause.text) {
            reasons.push(Reason::new(
                ReasonCode::ColumnMissing,
                format!("column `{name}` in `{}` does not exist", clause.text),
                "correct the name; every clause goes by the names before the alter",
            ));
        }
    }
    reasons
}

/// Whether a clause says `IF EXISTS` where a column would stand. IF can't name a column without quotes.
fn only_if_exists(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().take(4).map(str::to_ascii_uppercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(words.as_slice(), [_, "IF", "EXISTS", ..] | [_, "COLUMN", "IF", "EXISTS"])
}

/// Whether the dropped column's values are gone for good: those of a generated column come again.
const fn loses(old: &Column, new: &Column) -> bool {
    !(old.generated.is_some() && new.generated.is_some())
}

fn drop_and_add(old: &Column) -> Reason {
    let name = &old.name;
    Reason::new(
        ReasonCode::DropAndAdd,
        format!("column `{name}` is dropped and another `{name}` added: its values would be lost"),
        format!("MODIFY or CHANGE `{name}` to keep them, or allow the loss with --allow-drop-add {name}"),
    )
}

fn becomes_generated(from: &Column, to: &Column) -> Option<Reason> {
    from.generated.is_none().then(|| {
        Reason::new(
            ReasonCode::LossyConversion,
            format!("column `{}` becomes generated: its values are replaced by those of its expression", to.name),
            "make sure that the expression yields the values, or keep them in another column",
        )
    })
}

/// A column that gets no value from the source.
fn new_column(column: &Column, refusals: &mut Vec<Reason>, warnings: &mut Vec<Reason>) {
    let name = &column.name;
    if column.nullable || column.default.is_some() || column.auto_increment() {
        return;
    }
    // A strict server fills in the first member where it would refuse any other type.
    if let ColumnType::Enum { members } = ColumnType::of(column) {
        warnings.push(Reason::new(
            ReasonCode::ImplicitDefault,
            format!(
                "new column `{name}` is NOT NULL without a default: every row gets its first member `{}`",
                members.first().map_or("", String::as_str)
            ),
            format!("give `{name}` a DEFAULT to choose the value"),
        ));
        return;
    }
    refusals.push(Reason::new(
        ReasonCode::ImplicitDefault,
        format!("new column `{name}` is NOT NULL without a default: a strict server has no value for the rows"),
        format!("give `{name}` a DEFAULT, or allow NULL"),
    ));
}

/// Columns of the source that are in the target no more although no clause drops them.
fn lost(moves: &Moves<'_>, source: &TableShape, target: &TableShape) -> Vec<Reason> {
    let stays = |column: &&Column| {
        let renamed = moves.renamed.iter().find(|(from, _)| from.same(&column.name));
        let name = renamed.map_or(&column.name, |(_, to)| *to);
        target.column(name).is_some()
    };
    let lost = source.columns.iter().filter(|column| !moves.drops(&column.name) && !stays(column));
    lost.map(|column| {
        Reason::new(
            ReasonCode::ColumnMissing,
            format!(
                "column `{}` is not in the altered table, and no clause that driftless knows drops it",
                column.name
            ),
            "name the column in a DROP COLUMN, CHANGE or RENAME COLUMN clause of its own",
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{ident, table};

    fn alter(clauses: &[(&str, ClauseKind)]) -> Alter {
        let clauses =
            clauses.iter().map(|(text, kind)| Clause { text: (*text).to_owned(), kind: kind.clone() }).collect();
        Alter { table: None, clauses, hints: Vec::new(), ignore: false }
    }

    /// Clauses in short: `a>b` CHANGE, `a=b` RENAME COLUMN, `-a` DROP, `~a` MODIFY, `?` in front for IF EXISTS.
    fn short(text: &str) -> Alter {
        let clauses: Vec<_> = text.split_whitespace().map(clause).collect();
        let clauses: Vec<_> = clauses.iter().map(|(text, kind)| (text.as_str(), kind.clone())).collect();
        alter(&clauses)
    }

    fn clause(short: &str) -> (String, ClauseKind) {
        let (guard, short) = short.strip_prefix('?').map_or(("", short), |rest| ("COLUMN IF EXISTS ", rest));
        if let Some((from, to)) = short.split_once('>') {
            let kind = ClauseKind::ChangeColumn { from: ident(from), to: ident(to) };
            return (format!("CHANGE {guard}{from} {to} int"), kind);
        }
        if let Some((from, to)) = short.split_once('=') {
            let kind = ClauseKind::RenameColumn { from: ident(from), to: ident(to) };
            return (format!("RENAME {}{from} TO {to}", if guard.is_empty() { "COLUMN " } else { guard }), kind);
        }
        if let Some(name) = short.strip_prefix('-') {
            return (format!("DROP {guard}{name}"), ClauseKind::DropColumn { name: ident(name) });
        }
        let name = short.trim_start_matches('~');
        (format!("MODIFY {guard}{name} int"), ClauseKind::ModifyColumn { name: ident(name) })
    }

    fn columns(text: &str) -> TableShape {
        let columns: Vec<(&str, &str)> =
            text.split(", ").map(|column| column.split_once(' ').unwrap_or((column, "int"))).collect();
        table(&columns, &[])
    }

    fn mapped(text: &str, source: &str, target: &str) -> Result<String, Vec<ReasonCode>> {
        let mapping = map_columns(&short(text), &columns(source), &columns(target), &[])
            .map_err(|reasons| reasons.iter().map(|reason| reason.code).collect::<Vec<_>>())?;
        Ok(mapping.pairs.iter().map(|(from, to)| format!("{from}:{to}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn follows_names() {
        //  clauses         source       target              pairs              why
        let cases = [
            ("", "a, b", "a, b", "a:a b:b", "nothing"),
            ("", "a, b", "b, a", "b:b a:a", "the target's order"),
            ("a>c", "a, b", "c, b", "a:c b:b", "CHANGE"),
            ("a=b b=a", "a, b", "b, a", "a:b b:a", "a swap"),
            ("a>b b>a", "a, b", "b, a", "a:b b:a", "a swap by CHANGE"),
            ("a=b b=c", "a, b", "b, c", "a:b b:c", "a chain"),
            ("b=c a=b", "a, b", "b, c", "a:b b:c", "a chain, the other way round"),
            ("a=b b=c c=a", "a, b, c", "b, c, a", "a:b b:c c:a", "a ring"),
            ("a=A", "a, b", "A, b", "a:A b:b", "another case"),
            ("A>a", "a, b", "a, b", "a:a b:b", "named in another case"),
            ("~B", "a, b", "a, b bigint", "a:a b:b", "MODIFY in another case"),
            ("-b", "a, b", "a", "a:a", "DROP"),
            ("-b a=b", "a, b", "b", "a:b", "DROP and the name given to another"),
            ("a=b", "a", "b, a int NULL", "a:b", "a renamed, another a added: a's values go to b"),
            ("?x>y ?x=y ?-x ?~x", "a", "a", "a:a", "IF EXISTS passes over what is missing"),
            ("?a>b", "a", "b", "a:b", "IF EXISTS of what exists"),
            ("", "a, g int STORED a+1", "a, g int STORED a+1", "a:a", "generated on both sides"),
            ("", "a, g int STORED a+1", "a, g int", "a:a g:g", "generated to plain: its value is copied"),
            ("", "a, g", "a, g int STORED a+1", "a:a", "plain to generated: it can't be written"),
            ("-g", "a, g int STORED a+1", "a, g int STORED a+2", "a:a", "a new expression loses nothing"),
            ("", "a", "a, n int NULL, d int DEFAULT 0, i int AUTO", "a:a", "new columns"),
        ];
        for (text, source, target, pairs, why) in cases {
            assert_eq!(mapped(text, source, target), Ok(pairs.to_owned()), "{why}");
        }
    }

    #[test]
    fn refuses_losses() {
        use ReasonCode::{ColumnMissing, DropAndAdd, ImplicitDefault};
        //  clauses       source                 target                reasons            why
        let cases: [(&str, &str, &str, &[ReasonCode], &str); 11] = [
            ("x>y", "a", "a", &[ColumnMissing], "CHANGE of nothing"),
            ("x=y -z ~w", "a", "a", &[ColumnMissing; 3], "each is named"),
            ("-b", "a, b", "a, b int NULL", &[DropAndAdd], "drop and add"),
            ("-b", "a, b", "a, B int NULL", &[DropAndAdd], "drop and add in another case"),
            ("-b", "a, b", "a, b int STORED a+1", &[DropAndAdd], "drop a plain column, add a generated one"),
            ("-g", "a, g int STORED a+1", "a, g int NULL", &[DropAndAdd], "the other way round"),
            ("-b", "a, b", "a, b", &[DropAndAdd, ImplicitDefault], "and without a default"),
            ("", "a, b", "a", &[ColumnMissing], "a column is gone and nobody knows why"),
            ("a=c", "a, b", "c", &[ColumnMissing], "b is gone"),
            ("", "a", "a, n", &[ImplicitDefault], "NOT NULL without a default"),
            ("", "a", "a, n timestamp", &[ImplicitDefault], "for a timestamp too, unless the server shows a default"),
        ];
        for (text, source, target, reasons, why) in cases {
            assert_eq!(mapped(text, source, target), Err(reasons.to_vec()), "{why}");
        }
    }

    #[test]
    fn drop_and_add_can_be_allowed() {
        let (source, target) = (columns("a, b"), columns("a, B int NULL"));
        let mapping = map_columns(&short("-b"), &source, &target, &[ident("b")]).unwrap();
        assert_eq!(mapping.pairs, [(ident("a"), ident("a"))]);
    }

    #[test]
    fn warns() {
        let (source, target) = (columns("a, g"), columns("a, g int STORED a+1, e enum('x','y') latin1_bin"));
        let mapping = map_columns(&short(""), &source, &target, &[]).unwrap();
        let codes: Vec<_> = mapping.warnings.iter().map(|reason| reason.code).collect();
        assert_eq!(codes, [ReasonCode::LossyConversion, ReasonCode::ImplicitDefault]);
        assert!(mapping.warnings[1].what.contains("`x`"), "{}", mapping.warnings[1].what);
    }

    mod any_renaming {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            /// Some columns get new names, in any permutation of old and fresh ones; every value finds its place.
            #[test]
            fn is_followed(
                (names, count) in (1_usize..8).prop_flat_map(|count| {
                    let all: Vec<usize> = (0..count + 3).collect();
                    (Just(all).prop_shuffle(), Just(count))
                }),
                order in any::<proptest::sample::Index>(),
            ) {
                let name = |index: usize| format!("c{index}");
                let source: Vec<String> = (0..count).map(name).collect();
                let renamed: Vec<String> = names.iter().take(count).map(|index| name(*index)).collect();
                let clauses: Vec<String> = source
                    .iter()
                    .zip(&renamed)
                    .filter(|(from, to)| from != to)
                    .enumerate()
                    .map(|(index, (from, to))| format!("{from}{}{to}", if index % 2 == 0 { '>' } else { '=' }))
                    .collect();
                let mut target = renamed.clone();
                let start = order.index(count);
                target.rotate_left(start);
                let pairs = mapped(&clauses.join(" "), &source.join(", "), &target.join(", ")).unwrap();
                let expected: Vec<String> = target
                    .iter()
                    .map(|to| {
                        let index = renamed.iter().position(|other| other == to).unwrap();
                        format!("{}:{to}", source[index])
                    })
                    .collect();
                prop_assert_eq!(pairs, expected.join(" "));
            }
        }
    }
}
