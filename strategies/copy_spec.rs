//! What a copy needs to know of source and shadow, judged the same way before the run and on the real shadow.

use crate::alter::{Alter, ClauseKind};
use crate::choose::Options;
use crate::chunk_key::{choose_key, new_unique};
use crate::convert::{Conversion, conversion};
use crate::foreign_keys;
use crate::mapping::map_columns;
use crate::name::{Ident, TableName};
use crate::plan::{ChunkKey, ColumnPair, Compare, CopySpec, Plan};
use crate::shape::{Column, ForeignKey, KeyKind, TableShape};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::list;

/// Names, columns and key for copying `source` into a table that looks like `target`.
///
/// # Errors
/// All reasons why rows could be lost, changed or not told apart.
pub fn spec(
    source: &TableShape,
    target: &TableShape,
    alter: &Alter,
    options: &Options,
    name: &TableName,
) -> Result<CopySpec, Vec<Reason>> {
    judged(source, target, alter, options, name).map(|(copy, _)| copy)
}

/// Judges the real shadow once it is made and altered, by the rules that made the plan.
///
/// When the dry run was possible the shadow must be what the dry run showed. When it was not, the shadow's own
/// spec takes the place of the plan's guess.
///
/// # Errors
/// What `spec` refuses; `plan-stale` when the shadow is not what the plan says.
pub fn settle(plan: &Plan, source: &TableShape, shadow: &TableShape, alter: &Alter) -> Result<CopySpec, Vec<Reason>> {
    let real = spec(source, shadow, alter, &plan.options, &plan.table)?;
    let to_source =
        |key: &&ForeignKey| key.parent_schema == plan.table.schema && key.parent_table.same(&plan.table.table);
    if let Some(key) = shadow.foreign_keys.iter().find(to_source) {
        let what =
            format!("new foreign key `{}` points at the table itself and would follow the retired one", key.name);
        return Err(vec![Reason::new(Code::ReferencedByForeignKey, what, "leave it out; nothing was copied")]);
    }
    if plan.warnings.iter().any(|warning| warning.code == Code::DryRunImpossible) {
        return Ok(real);
    }
    let differences = plan.work.copy().map_or_else(Vec::new, |planned| differences(planned, &real));
    if differences.is_empty() {
        return Ok(real);
    }
    let what = format!("the shadow is not what the dry run showed: {}", list(&differences));
    Err(vec![Reason::new(Code::PlanStale, what, "plan again; nothing was copied")])
}

fn differences(planned: &CopySpec, real: &CopySpec) -> Vec<String> {
    let mut found = Vec::new();
    for column in &real.target.columns {
        match planned.target.column(&column.name) {
            Some(other) if alike(other, column) => {}
            Some(other) => found.push(format!("column `{}` is {}, not {}", column.name, told(column), told(other))),
            None => found.push(format!("column `{}` is new", column.name)),
        }
    }
    for column in planned.target.columns.iter().filter(|column| real.target.column(&column.name).is_none()) {
        found.push(format!("column `{}` is missing", column.name));
    }
    let keys = |copy: &CopySpec| {
        let mut keys = copy.target.keys.clone();
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        keys
    };
    if keys(planned) != keys(real) {
        found.push("its keys differ".to_owned());
    }
    if !planned.target.engine.eq_ignore_ascii_case(&real.target.engine) {
        found.push(format!("its engine is {}, not {}", real.target.engine, planned.target.engine));
    }
    let rest = |copy: &CopySpec| CopySpec { target: TableShape::default(), ..copy.clone() };
    if found.is_empty() && rest(planned) != rest(real) {
        found.push("its columns or its key match the source's in another way".to_owned());
    }
    found
}

/// Whether two columns hold the same. A dry run shows no expressions of generated columns, no checks, and defaults only
/// as SHOW prints them: of those the shadow is the only witness.
fn alike(planned: &Column, real: &Column) -> bool {
    let shown = |column: &Column| Column { default: None, expression: None, ..column.clone() };
    shown(planned) == shown(real)
}

fn told(column: &Column) -> String {
    let null = if column.nullable { "NULL" } else { "NOT NULL" };
    format!("{} {null}", column.column_type)
}

/// The spec with what the user should know about it.
pub(crate) fn judged(
    source: &TableShape,
    target: &TableShape,
    alter: &Alter,
    options: &Options,
    name: &TableName,
) -> Result<(CopySpec, Vec<Reason>), Vec<Reason>> {
    let mapping = map_columns(alter, source, target, &options.allow_drop_add)?;
    let pairs = &mapping.pairs;
    let mut refusals = Vec::new();
    let columns = column_pairs(source, target, pairs, options, &mut refusals);
    implicit_defaults(target, pairs, &mut refusals);
    if !target.engine.is_empty() && !target.engine.eq_ignore_ascii_case("InnoDB") {
        let what = format!("the altered table would be stored by {}", target.engine);
        refusals.push(Reason::new(Code::UnsupportedEngine, what, "only InnoDB can be copied into"));
    }
    if let Err(reasons) = foreign_keys::keep(source, alter, pairs, name) {
        refusals.extend(reasons);
    }
    let key = match choose_key(source, target, pairs) {
        Ok(key) => Some(key),
        Err(reason) => {
            refusals.push(reason);
            None
        }
    };
    let Some(key) = key.filter(|key| exact(key, &columns, &mut refusals) && refusals.is_empty()) else {
        return Err(refusals);
    };
    let copy = CopySpec {
        source: name.clone(),
        shadow: name.shadow(),
        retired: name.retired(),
        columns,
        key,
        new_unique: new_unique(source, target, pairs),
        zero_dates: source
            .columns
            .iter()
            .any(|column| pairs.iter().any(|(from, _)| from.same(&column.name)) && dated(column)),
        target: target.clone(),
    };
    let mut warnings = mapping.warnings.clone();
    warnings.extend(tightened(source, target, &copy));
    warnings.extend(idle_permissions(source, target, options));
    Ok((copy, warnings))
}

/// Permissions for columns that are not there: a slip of the pen, or a default for several tables.
fn idle_permissions(source: &TableShape, target: &TableShape, options: &Options) -> Vec<Reason> {
    let named = options.allow_lossy.iter().chain(&options.allow_drop_add);
    let idle = named.filter(|name| source.column(name).is_none() && target.column(name).is_none());
    let one = |name: &Ident| {
        let what = format!("a loss is allowed for `{name}`, which is no column of the table");
        Reason::new(Code::ColumnMissing, what, "correct the name in --allow-lossy or --allow-drop-add, if it is meant")
    };
    idle.map(one).collect()
}

fn dated(column: &Column) -> bool {
    ["date", "datetime", "timestamp"].iter().any(|kind| column.data_type.eq_ignore_ascii_case(kind))
}

fn column_pairs(
    source: &TableShape,
    target: &TableShape,
    pairs: &[(Ident, Ident)],
    options: &Options,
    refusals: &mut Vec<Reason>,
) -> Vec<ColumnPair> {
    let mut columns = Vec::new();
    for (from, to) in pairs {
        let (Some(old), Some(new)) = (source.column(from), target.column(to)) else {
            let what = format!("column `{from}` or its altered form `{to}` does not exist");
            refusals.push(Reason::new(Code::ColumnMissing, what, "correct the column's name in the alter"));
            continue;
        };
        let compare = match conversion(old, new) {
            Conversion::Same => Compare::Same,
            Conversion::Widens(compare) | Conversion::Checked(compare) => compare,
            Conversion::Silent { why, code } => {
                let allowed = options.allow_lossy.iter().any(|name| name.same(from) || name.same(to));
                // A time zone is each session's own, so that copy and triggers would write different values.
                if !allowed || code == Code::TimeZoneConversion {
                    refusals.push(silent(old, new, code, why));
                }
                Compare::Lossy
            }
        };
        columns.push(ColumnPair { source: from.clone(), shadow: to.clone(), compare });
    }
    columns
}

fn silent(old: &Column, new: &Column, code: Code, why: &str) -> Reason {
    let column = &old.name;
    let what = format!("`{column}` goes from {} to {}, which {why}", old.column_type, new.column_type);
    let remedy = if code == Code::TimeZoneConversion {
        "add a new column of the new type, let the application fill it, then drop the old one".to_owned()
    } else {
        format!("--allow-lossy {column}, if that loss is meant")
    };
    Reason::new(code, what, remedy)
}

/// Under strict rules an INSERT that leaves out such a column fails: the copy's, the triggers', and so the application's.
pub(crate) fn implicit_defaults(target: &TableShape, pairs: &[(Ident, Ident)], refusals: &mut Vec<Reason>) {
    for column in &target.columns {
        let fed = pairs.iter().any(|(_, to)| to.same(&column.name)) || column.generated.is_some();
        if !fed && !column.nullable && column.default.is_none() && !column.auto_increment() {
            let what = format!(
                "new column `{}` is NOT NULL and has no default: rows that exist have no value for it",
                column.name
            );
            refusals.push(Reason::new(Code::ImplicitDefault, what, "give it a DEFAULT, or let it be NULL"));
        }
    }
}

/// Whether rows can be told apart by the key: none of its columns may change its value on the way.
fn exact(key: &ChunkKey, columns: &[ColumnPair], refusals: &mut Vec<Reason>) -> bool {
    let lossy = |name: &Ident| columns.iter().any(|pair| pair.source.same(name) && pair.compare == Compare::Lossy);
    let found: Vec<String> = key
        .columns
        .iter()
        .filter(|column| lossy(&column.source))
        .map(|column| format!("`{}`", column.source))
        .collect();
    if found.is_empty() {
        return true;
    }
    let what =
        format!("{} belongs to key `{}`, by which rows are found, and would change", list(&found), key.source_index);
    refusals.push(Reason::new(
        Code::NoUsableKey,
        what,
        "change that column in an alter of its own, or add another unique key first",
    ));
    false
}

/// Where the altered table takes less than the source: a row that does not fit stops the job, it is never bent.
fn tightened(source: &TableShape, target: &TableShape, copy: &CopySpec) -> Vec<Reason> {
    let mut remarks = Vec::new();
    for unique in &copy.new_unique {
        remarks.push(Reason::new(
            Code::DuplicateRows,
            format!("unique key `{unique}` is new: two rows that are equal in it stop the job"),
            "look for duplicates first; the job shows the first ones",
        ));
    }
    for pair in &copy.columns {
        let (Some(old), Some(new)) = (source.column(&pair.source), target.column(&pair.shadow)) else { continue };
        if old.nullable && !new.nullable {
            remarks.push(Reason::new(
                Code::NullRows,
                format!("column `{}` becomes NOT NULL: a row with NULL in it stops the job", pair.shadow),
                "fill the NULLs first; the job shows the first ones",
            ));
        }
        match conversion(old, new) {
            Conversion::Checked(_) => remarks.push(Reason::new(
                Code::ValuesDoNotFit,
                format!(
                    "`{}` goes from {} to {}: a value that does not fit stops the job",
                    pair.shadow, old.column_type, new.column_type
                ),
                "look for such values first; the job shows the first ones",
            )),
            Conversion::Silent { why, code } => remarks.push(Reason::new(code, why, "allowed by --allow-lossy")),
            Conversion::Same | Conversion::Widens(_) => {}
        }
    }
    remarks
}

/// The altered table as far as the clauses' names tell; types stay as they are.
pub(crate) fn guess(source: &TableShape, alter: &Alter) -> TableShape {
    let mut target = source.clone();
    for clause in &alter.clauses {
        if let ClauseKind::DropColumn { name } = &clause.kind {
            target.columns.retain(|column| !column.name.same(name));
            for key in &mut target.keys {
                key.parts.retain(|part| !part.column.as_ref().is_some_and(|column| column.same(name)));
            }
            target.keys.retain(|key| !key.parts.is_empty());
        } else if let ClauseKind::DropKey { name } = &clause.kind {
            target.keys.retain(|key| !key.name.same(name));
        } else if clause.kind == ClauseKind::DropPrimary {
            target.keys.retain(|key| key.kind != KeyKind::Primary);
        }
    }
    rename(&mut target, source, alter);
    target
}

/// All renames at once, as the server does it: names may be swapped.
fn rename(target: &mut TableShape, source: &TableShape, alter: &Alter) {
    let mut renames: Vec<(&Ident, &Ident)> = Vec::new();
    for clause in &alter.clauses {
        if let ClauseKind::ChangeColumn { from, to } | ClauseKind::RenameColumn { from, to } = &clause.kind
            && source.column(from).is_some()
        {
            renames.push((from, to));
        }
    }
    let renamed = |name: &Ident| renames.iter().find(|(from, _)| from.same(name)).map(|(_, to)| (*to).clone());
    for column in &mut target.columns {
        if let Some(name) = renamed(&column.name) {
            column.name = name;
        }
    }
    for part in target.keys.iter_mut().flat_map(|key| &mut key.parts) {
        if let Some(name) = part.column.as_ref().and_then(&renamed) {
            part.column = Some(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alter::Clause;
    use crate::plan::{Estimate, StrategyName, Work};
    use crate::shape::{Fingerprint, Key, KeyPart};

    fn ident(text: &str) -> Ident {
        Ident::new(text).unwrap()
    }

    fn column(name: &str, kind: &str) -> Column {
        Column {
            name: ident(name),
            data_type: kind.into(),
            column_type: kind.into(),
            nullable: false,
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

    fn key(name: &str, kind: KeyKind, columns: &[&str]) -> Key {
        let part =
            |name: &&str| KeyPart { column: Some(ident(name)), expression: None, prefix: None, descending: false };
        Key {
            name: ident(name),
            kind,
            parts: columns.iter().map(part).collect(),
            visible: true,
            comment: String::new(),
        }
    }

    fn source() -> TableShape {
        TableShape {
            columns: vec![column("id", "int"), column("a", "int"), column("b", "int")],
            keys: vec![key("PRIMARY", KeyKind::Primary, &["id"]), key("ab", KeyKind::Plain, &["a", "b"])],
            engine: "InnoDB".into(),
            ..TableShape::default()
        }
    }

    fn alter(kinds: Vec<ClauseKind>) -> Alter {
        let clauses = kinds.into_iter().map(|kind| Clause { text: "…".into(), kind }).collect();
        Alter { table: None, clauses, hints: Vec::new(), ignore: false }
    }

    fn plan(target: &TableShape, alter: &Alter, warnings: Vec<Reason>) -> Plan {
        let table = TableName::parse("s.t").unwrap();
        Plan {
            format: 1,
            strategy: StrategyName::TriggerCopy,
            table: table.clone(),
            alter: alter.text(),
            options: Options::default(),
            cluster: None,
            epoch: None,
            nodes: Vec::new(),
            fingerprint: Fingerprint("f".into()),
            work: Work::Copy(spec(&source(), target, alter, &Options::default(), &table).unwrap()),
            steps: Vec::new(),
            costs: Vec::new(),
            estimate: Estimate::default(),
            warnings,
        }
    }

    #[test]
    fn a_loss_allowed_for_no_column_is_told() {
        let allowed = |names: &[&str]| Options {
            allow_lossy: names.iter().map(|name| ident(name)).collect(),
            allow_drop_add: vec![ident("nor_this")],
            ..Options::default()
        };
        let told = idle_permissions(&source(), &source(), &allowed(&["A", "nonesuch", "b"]));
        let names: Vec<_> = told.iter().map(|reason| reason.what.split('`').nth(1).unwrap()).collect();
        assert_eq!(names, ["nonesuch", "nor_this"]);
        let mut target = source();
        target.columns.push(column("nonesuch", "int"));
        assert_eq!(idle_permissions(&source(), &target, &allowed(&["nonesuch"])).len(), 1, "a new name is a name");
    }

    #[test]
    fn the_guess_follows_drops_and_swapped_names() {
        let rename = |from, to| ClauseKind::RenameColumn { from: ident(from), to: ident(to) };
        let swapped = guess(&source(), &alter(vec![rename("a", "b"), rename("b", "a")]));
        let names = |shape: &TableShape| shape.columns.iter().map(|column| column.name.to_string()).collect::<Vec<_>>();
        let parts = |shape: &TableShape| {
            let parts = shape.keys.iter().flat_map(|key| &key.parts);
            parts.filter_map(|part| part.column.as_ref()).map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&swapped), ["id", "b", "a"]);
        assert_eq!(parts(&swapped), ["id", "b", "a"]);
        let dropped =
            guess(&source(), &alter(vec![ClauseKind::DropColumn { name: ident("A") }, ClauseKind::DropPrimary]));
        assert_eq!((names(&dropped), parts(&dropped)), (vec!["id".to_owned(), "b".to_owned()], vec!["b".to_owned()]));
        assert_eq!(guess(&source(), &alter(vec![ClauseKind::AddFulltext])), source(), "nothing else is guessed");
    }

    #[test]
    fn the_real_shadow_must_be_what_the_dry_run_showed() {
        let change = alter(vec![ClauseKind::Force]);
        let planned = plan(&source(), &change, Vec::new());
        let real = settle(&planned, &source(), &source(), &change).unwrap();
        assert_eq!(Some(&real), planned.work.copy());
        //  what happened to the shadow                                               what the refusal says
        type Change = fn(&mut TableShape);
        let cases: [(Change, &str); 3] = [
            (
                |shape| shape.columns[1].column_type = "int unsigned".into(),
                "column `a` is int unsigned NOT NULL, not int NOT NULL",
            ),
            (|shape| shape.columns.push(Column { nullable: true, ..column("c", "int") }), "column `c` is new"),
            (|shape| shape.keys.retain(|key| key.kind == KeyKind::Primary), "its keys differ"),
        ];
        for (spoil, what) in cases {
            let mut shadow = source();
            spoil(&mut shadow);
            let reasons = settle(&planned, &source(), &shadow, &change).unwrap_err();
            assert!(reasons[0].code == Code::PlanStale && reasons[0].what.contains(what), "{reasons:?}");
        }
        let mut tied = source();
        tied.foreign_keys.push(ForeignKey {
            name: ident("fk"),
            schema: ident("s"),
            table: ident("_t_shadow"),
            columns: vec![ident("a")],
            parent_schema: ident("s"),
            parent_table: ident("t"),
            parent_columns: vec![ident("id")],
            on_delete: "RESTRICT".into(),
            on_update: "RESTRICT".into(),
        });
        let reasons = settle(&planned, &source(), &tied, &change).unwrap_err();
        assert_eq!(
            reasons[0].code,
            Code::ReferencedByForeignKey,
            "after the switch it would point at the retired table"
        );
        let mut shorter = source();
        shorter.columns.retain(|column| column.name.as_str() != "b");
        let reasons = settle(&planned, &source(), &shorter, &change).unwrap_err();
        assert_eq!(reasons[0].code, Code::ColumnMissing, "a column that no clause drops is never left behind");
        let mut renamed = source();
        renamed.partitions.push("p0".into());
        renamed.keys.reverse();
        // What no dry run shows: the checks of a table (a JSON column has one), expressions, defaults as the catalog has them.
        renamed.checks.push((ident("c"), "a > 0".into()));
        renamed.columns[1].default = Some("'1'".into());
        renamed.columns[2].expression = Some("`a` + 1".into());
        settle(&planned, &source(), &renamed, &change).unwrap();
    }

    #[test]
    fn without_a_dry_run_the_shadow_itself_is_judged() {
        let change = alter(vec![ClauseKind::Force]);
        let unsure = vec![Reason::new(Code::DryRunImpossible, "partitions", "")];
        let planned = plan(&source(), &change, unsure);
        let mut shadow = source();
        shadow.columns.push(Column { nullable: true, ..column("c", "int") });
        assert_eq!(settle(&planned, &source(), &shadow, &change).unwrap().target, shadow);
        shadow.columns[3].nullable = false;
        let reasons = settle(&planned, &source(), &shadow, &change).unwrap_err();
        assert_eq!(reasons[0].code, Code::ImplicitDefault, "the same rules as in the plan");
    }
}
