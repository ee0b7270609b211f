//! What one ALTER of the table itself may do when it must not fail on any node, nor give another result on one of them.

use crate::alter::{Alter, Clause, ClauseKind};
use crate::blockers::rejected;
use crate::choose::Options;
use crate::chunk_key::new_unique;
use crate::convert::conversion;
use crate::copy_spec::implicit_defaults;
use crate::demand::{Demand, Order, channels, demand};
use crate::facts::{DryRun, Facts, Node, Topology};
use crate::mapping::map_columns;
use crate::name::{Ident, TableName};
use crate::online::{Algorithm, constant_default};
use crate::plan::DirectSpec;
use crate::shape::{Column, ForeignKey, Key, KeyPart, TableShape};
use crate::trigger_copy::settings;
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::list;

const NEXT: &str = "nothing to do: driftless takes the next strategy that fits";
/// Settings without which an ALTER is not ordered, or not everywhere.
const SETTINGS: [&str; 3] = ["wsrep_osu_method", "wsrep_on", "sql_log_bin"];
/// Words in a column's definition whose effect the dry run does not show, or that work on rows.
const HIDDEN: [&str; 16] = [
    "AS",
    "AUTO_INCREMENT",
    "CHECK",
    "COMPRESSED",
    "CONSTRAINT",
    "ENGINE_ATTRIBUTE",
    "GENERATED",
    "JSON",
    "KEY",
    "REFERENCES",
    "REF_SYSTEM_ID",
    "SERIAL",
    "SRID",
    "STORAGE",
    "SYSTEM",
    "UNIQUE",
];

/// The table before and after the ALTER, and the tables that foreign keys tie to it. `shown` is the dry run's: columns and
/// keys; the clauses that are let through change nothing else.
pub(crate) fn spec(facts: &Facts, shown: &TableShape) -> DirectSpec {
    let source = facts.table.clone();
    let target = TableShape { columns: shown.columns.clone(), keys: shown.keys.clone(), ..source.clone() };
    let parents = source.foreign_keys.iter().map(|key| (&key.parent_schema, &key.parent_table));
    let children = source.referenced_by.iter().map(|key| (&key.schema, &key.table));
    let mut linked: Vec<TableName> =
        parents.chain(children).map(|(schema, table)| TableName::new(schema.clone(), table.clone())).collect();
    linked.retain(|name| *name != facts.name);
    linked.sort();
    linked.dedup();
    DirectSpec { source, target, linked }
}

/// Whether one ALTER of the table itself is proven to do everywhere what the dry run showed; all that the strategies that
/// send one have in common. `limits` says what else speaks against it, once it is known how the server would do it.
pub(crate) fn judge(
    facts: &Facts,
    alter: &Alter,
    wishes: &Options,
    order: Order,
    limits: &dyn Fn(&Demand) -> Vec<Reason>,
) -> Result<DirectSpec, Vec<Reason>> {
    let mut reasons = Vec::new();
    settings(facts, |name| SETTINGS.contains(&name), &mut reasons);
    channels(facts, &mut reasons);
    if wishes.keep_retired {
        let what = "--keep-retired asks for the old table, and an ALTER of the table itself leaves none";
        reasons.push(Reason::new(Code::ClauseUnsupported, what, NEXT));
    }
    reasons.extend(clauses(facts, alter));
    reasons.extend(rejected(facts));
    let spec = match &facts.dry_run {
        DryRun::Accepted { shape } => spec(facts, shape),
        DryRun::Rejected { .. } => return Err(reasons),
        DryRun::Impossible { why } => {
            reasons.push(Reason::new(
                Code::NotProvable,
                format!("the alter could not be tried everywhere: {why}"),
                NEXT,
            ));
            return Err(reasons);
        }
    };
    reasons.extend(shapes(facts, &spec.target, alter, &wishes.allow_drop_add));
    match demand(facts, &spec, alter, order) {
        Ok(demand) => reasons.extend(reformats(facts, alter, &demand).into_iter().chain(limits(&demand))),
        Err(reason) => reasons.push(reason),
    }
    if reasons.is_empty() { Ok(spec) } else { Err(reasons) }
}

/// What the user should know of replicas.
pub(crate) fn replicas(facts: &Facts) -> Option<Reason> {
    let names: Vec<&str> = facts.replicas.iter().map(|replica| replica.address.as_str()).collect();
    (!names.is_empty()).then(|| {
        let what = format!(
            "{} will run the same ALTER, and stop when their version does not know its ALGORITHM",
            list(&names)
        );
        Reason::new(Code::ReplicaLoad, what, "see that they run the version of the nodes, or a later one")
    })
}

/// Everything about the clauses that forbids it, whatever the dry run showed.
pub(crate) fn clauses(facts: &Facts, alter: &Alter) -> Vec<Reason> {
    alter.clauses.iter().filter_map(|clause| one(facts, clause)).collect()
}

fn one(facts: &Facts, clause: &Clause) -> Option<Reason> {
    match &clause.kind {
        ClauseKind::AddUnique | ClauseKind::AddPrimary | ClauseKind::AddForeignKey | ClauseKind::AddCheck => {
            Some(by_rows(facts, format!("`{}` fails when rows are in its way", clause.text)))
        }
        ClauseKind::AddColumn { .. } => hidden(clause),
        ClauseKind::ModifyColumn { name } | ClauseKind::AlterColumn { name } => {
            hidden(clause).or_else(|| bound(facts, clause, name, Stays::Named))
        }
        ClauseKind::ChangeColumn { from, to } | ClauseKind::RenameColumn { from, to } => {
            let stays = if from.same(to) { Stays::Named } else { Stays::NotNamed };
            hidden(clause).or_else(|| bound(facts, clause, from, stays))
        }
        ClauseKind::DropColumn { name } => bound(facts, clause, name, Stays::NotNamed),
        ClauseKind::DropKey { name } if stored_by(&facts.table).is_some_and(|key| key.name.same(name)) => {
            Some(not_provable(clause, "takes the key that rows are stored and told apart by"))
        }
        ClauseKind::DropKey { .. } if tied(&facts.table) => {
            Some(not_provable(clause, "may take a key that a foreign key needs, which no dry run shows"))
        }
        // The server drops a key that it had made for a foreign key itself when it gets one that will do.
        ClauseKind::AddKey if !facts.table.foreign_keys.is_empty() => {
            Some(not_provable(clause, "may take the place of a foreign key's own key, which no dry run shows"))
        }
        ClauseKind::AddKey | ClauseKind::DropKey { .. } | ClauseKind::RenameKey | ClauseKind::AlterKey => None,
        ClauseKind::AddFulltext
        | ClauseKind::AddSpatial
        | ClauseKind::DropPrimary
        | ClauseKind::DropForeignKey { .. }
        | ClauseKind::OtherConstraint
        | ClauseKind::RenameTable
        | ClauseKind::ConvertCharset
        | ClauseKind::Engine { .. }
        | ClauseKind::TableOption
        | ClauseKind::Force
        | ClauseKind::OrderBy
        | ClauseKind::Partitioning
        | ClauseKind::PartitionManagement
        | ClauseKind::Versioning
        | ClauseKind::Tablespace
        | ClauseKind::Hint
        | ClauseKind::Unknown => {
            Some(not_provable(clause, "has effects beside columns and keys, which no dry run shows"))
        }
    }
}

fn by_rows(facts: &Facts, what: String) -> Reason {
    let where_to = match facts.topology {
        Topology::Galera { .. } => ", on all nodes at once or, worse, on one",
        Topology::Single => ", perhaps at the end of a long ALTER",
    };
    Reason::new(Code::DataDependent, what + where_to, NEXT)
}

fn not_provable(clause: &Clause, why: &str) -> Reason {
    Reason::new(Code::NotProvable, format!("`{}` {why}", clause.text), NEXT)
}

fn tied(table: &TableShape) -> bool {
    !table.foreign_keys.is_empty() || !table.referenced_by.is_empty()
}

fn hidden(clause: &Clause) -> Option<Reason> {
    let words = bare_words(&clause.text);
    let found = words.iter().find(|word| HIDDEN.contains(&word.as_str()))?;
    Some(not_provable(clause, &format!("says {found}, whose effect no dry run shows")))
}

/// The words outside quotes, in upper case.
fn bare_words(text: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            word.extend(c.to_uppercase());
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if matches!(c, '\'' | '"' | '`') {
            // A doubled quote ends one string and begins the next: that comes to the same.
            while let Some(inside) = chars.next() {
                if inside == '\\' && c != '`' {
                    chars.next();
                } else if inside == c {
                    break;
                }
            }
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// The primary key, or what InnoDB takes for one: the first unique key whose columns are all NOT NULL.
fn stored_by(table: &TableShape) -> Option<&Key> {
    let whole = |part: &KeyPart| {
        let column = part.column.as_ref().and_then(|name| table.column(name));
        part.prefix.is_none() && column.is_some_and(|column| !column.nullable)
    };
    table.primary().or_else(|| table.keys.iter().find(|key| key.unique() && key.parts.iter().all(whole)))
}

/// A rebuild gives a table that names no row format the one that is the default then, which may be another than it has.
fn reformats(facts: &Facts, alter: &Alter, demand: &Demand) -> Option<Reason> {
    let table = &facts.table;
    let named = table.options.to_ascii_lowercase().contains("row_format");
    let on_keys = |clause: &Clause| matches!(clause.kind, ClauseKind::AddKey | ClauseKind::DropKey { .. });
    let builds_only = demand.fastest.algorithm == Algorithm::Inplace && alter.clauses.iter().all(on_keys);
    if named || builds_only || demand.fastest.algorithm < Algorithm::Inplace {
        return None;
    }
    let other = |node: &&Node| {
        let default = node.variables.get("innodb_default_row_format");
        default.is_some_and(|default| !default.eq_ignore_ascii_case(&table.row_format))
    };
    let node = facts.nodes.iter().find(other)?;
    let default = node.variables.get("innodb_default_row_format").map_or("", String::as_str);
    let what = format!(
        "a rebuild would turn ROW_FORMAT={} into {default}, the default on {} (innodb_default_row_format)",
        table.row_format, node.name
    );
    Some(Reason::new(
        Code::NotProvable,
        what,
        "set the row format that the table shall have by an ALTER of its own first",
    ))
}

/// Whether a column is found under its name afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stays {
    Named,
    NotNamed,
}

/// What hangs on a column that is changed.
fn bound(facts: &Facts, clause: &Clause, name: &Ident, stays: Stays) -> Option<Reason> {
    let table = &facts.table;
    let has = |names: &[Ident]| names.iter().any(|other| other.same(name));
    let stored_by = stored_by(table).into_iter().flat_map(|key| &key.parts).filter_map(|part| part.column.as_ref());
    if stored_by.into_iter().any(|other| other.same(name)) {
        return Some(not_provable(clause, "touches the key that rows are stored and told apart by"));
    }
    let child = |key: &ForeignKey| has(&key.columns);
    let parent = |key: &ForeignKey| has(&key.parent_columns);
    if table.foreign_keys.iter().any(child) || table.referenced_by.iter().any(parent) {
        return Some(not_provable(clause, "touches a column of a foreign key, which no dry run shows"));
    }
    if !table.checks.is_empty() {
        return Some(not_provable(clause, "may touch a check constraint, which no dry run shows"));
    }
    if stays == Stays::NotNamed && table.columns.iter().any(|column| computed_from(column, name)) {
        return Some(not_provable(
            clause,
            "takes a name away that another column is computed from, which no dry run shows",
        ));
    }
    if stays == Stays::NotNamed && !table.triggers.is_empty() {
        let names: Vec<String> = table.triggers.iter().map(|trigger| format!("`{}`", trigger.name)).collect();
        let what = format!("`{}` takes a name away that a trigger may use: {}", clause.text, list(&names));
        return Some(Reason::new(
            Code::ExistingTriggers,
            what,
            "see that no trigger names the column, drop those that do",
        ));
    }
    None
}

/// Whether another column's expression or default may name it. The server rewrites those when a name changes, and quotes
/// names in its own way, so that any place where the name stands counts, but in a default that is only a value.
fn computed_from(column: &Column, name: &Ident) -> bool {
    let default = column.default.iter().filter(|text| !is_value(text));
    let name_of = name.as_str().to_lowercase().replace('`', "``");
    !column.name.same(name)
        && column.expression.iter().chain(default).any(|text| stands_in(&text.to_lowercase(), &name_of))
}

/// A number, or one quoted text as MariaDB's catalog shows it.
fn is_value(default: &str) -> bool {
    let text = default.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    text.is_some_and(|text| !text.replace("''", "").replace("\\'", "").contains('\'')) || default.parse::<f64>().is_ok()
}

fn stands_in(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Everything about the altered table that forbids it: what depends on rows, and what two nodes could do differently.
pub(crate) fn shapes(facts: &Facts, target: &TableShape, alter: &Alter, allow_drop_add: &[Ident]) -> Vec<Reason> {
    let source = &facts.table;
    let mapping = match map_columns(alter, source, target, allow_drop_add) {
        Ok(mapping) => mapping,
        Err(reasons) => return reasons,
    };
    let mut found = Vec::new();
    for unique in new_unique(source, target, &mapping.pairs) {
        found.push(by_rows(facts, format!("unique key `{unique}` forbids rows that may be there")));
    }
    implicit_defaults(target, &mapping.pairs, &mut found);
    for column in &target.columns {
        let from = mapping.pairs.iter().find(|(_, to)| to.same(&column.name)).and_then(|(from, _)| source.column(from));
        found.extend(escaped(from, column));
        found.extend(match from {
            Some(old) => changed(facts, old, column),
            None if column.generated.is_some() && source.column(&column.name) == Some(column) => None,
            None => added(facts, column),
        });
    }
    if found.is_empty() && target.columns == source.columns && same_keys(source, target) {
        let what = "the table looks the same before and after, so that a lost answer could not be cleared up";
        found.push(Reason::new(Code::NotProvable, what, NEXT));
    }
    found
}

fn same_keys(one: &TableShape, other: &TableShape) -> bool {
    let sorted = |table: &TableShape| {
        let mut keys = table.keys.clone();
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        keys
    };
    sorted(one) == sorted(other)
}

fn changed(facts: &Facts, old: &Column, new: &Column) -> Option<Reason> {
    if old.nullable && !new.nullable {
        return Some(by_rows(facts, format!("`{}` becomes NOT NULL, which fails when a row has NULL", new.name)));
    }
    if !conversion(old, new).keeps_all() {
        let (from, to) = (&old.column_type, &new.column_type);
        return Some(by_rows(facts, format!("`{}` goes from {from} to {to}, which some values may not fit", new.name)));
    }
    let timed = |column: &Column| ["date", "time"].iter().any(|kind| column.data_type.contains(kind));
    if old.column_type != new.column_type && (timed(old) || timed(new)) {
        let (from, to) = (&old.column_type, &new.column_type);
        return Some(by_rows(
            facts,
            format!("`{}` goes from {from} to {to}, which an impossible date does not", new.name),
        ));
    }
    (old.collation != new.collation).then(|| {
        let what = format!("`{}` gets another collation, in which other values are equal", new.name);
        Reason::new(Code::DataDependent, what, NEXT)
    })
}

/// The dry run shows such a default in other characters than the catalog, so that the two could not be compared.
fn escaped(old: Option<&Column>, new: &Column) -> Option<Reason> {
    let default = new.default.as_ref().filter(|default| old.and_then(|old| old.default.as_ref()) != Some(*default))?;
    default.contains(|c: char| c == '\\' || c.is_control()).then(|| {
        let what = format!("the default of `{}` has a backslash or a control character", new.name);
        Reason::new(Code::NotProvable, what, NEXT)
    })
}

/// Rows that exist get the same value on every node only when it is written in the statement.
fn added(facts: &Facts, column: &Column) -> Option<Reason> {
    let by_node = facts.nodes.iter().any(|node| !constant_default(column, node.flavour));
    (column.generated.is_some() || by_node).then(|| {
        let what = format!("each node would compute the values of new column `{}` by itself", column.name);
        Reason::new(Code::DataDependent, what, NEXT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_quotes_do_not_count() {
        assert_eq!(bare_words("ADD `check` INT COMMENT 'it''s unique'"), ["ADD", "INT", "COMMENT"]);
        assert_eq!(
            bare_words(r#"ADD a INT DEFAULT "a\"key" check(a>1)"#),
            ["ADD", "A", "INT", "DEFAULT", "CHECK", "A", "1"]
        );
    }

    #[test]
    fn a_name_in_a_value_or_in_another_word_is_not_that_name() {
        //  expression          default           names s    why
        let cases = [
            (Some("`s` + 1"), None, true, "quoted"),
            (Some("(a+S)"), None, true, "bare, in another case"),
            (Some("concat(`so`,cos(a))"), None, false, "parts of other words"),
            (None, Some("(`s` * 2)"), true, "a default that is computed"),
            (None, Some("'it''s \"so\"'"), false, "a text"),
            (None, Some("'x' + s + 'y'"), true, "begins and ends with a text"),
            (None, Some("-1.5"), false, "a number"),
            (None, None, false, "nothing"),
        ];
        let name = Ident::new("s").unwrap();
        for (expression, default, names, why) in cases {
            let (expression, default) = (expression.map(str::to_owned), default.map(str::to_owned));
            let column = Column { expression, default, ..crate::sample::column("c", "int") };
            assert_eq!(computed_from(&column, &name), names, "{why}");
        }
    }
}
