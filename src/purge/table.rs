//! Another table of the same server as the place where rows go. Pure.

use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Column, Ident, Reason, TableName, TableShape};

/// A table that takes the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: TableName,
    /// The columns that are copied: all of the source but the generated ones.
    pub columns: Vec<Ident>,
    /// The source's columns as they were judged, so that an ALTER meanwhile is seen.
    pub judged: Vec<ColumnNow>,
    /// Its own columns as they were judged, for the same reason.
    pub own: Vec<ColumnNow>,
}

/// What makes two readings of a column the same: name, type and character set.
pub type ColumnNow = (String, String, Option<String>);

/// A table's columns as they were judged.
#[must_use]
pub fn judged(shape: &TableShape) -> Vec<ColumnNow> {
    let one = |column: &Column| (column.name.to_string(), column.column_type.clone(), column.charset.clone());
    shape.columns.iter().map(one).collect()
}

/// Judges whether the table keeps every value of the source as it is.
///
/// # Errors
/// `values-do-not-fit` with everything that is in the way.
pub fn target(
    source: (&TableName, &TableShape),
    into: (&TableName, &TableShape),
    triggers_allowed: bool,
) -> Result<Target, Reason> {
    let (from, shape) = source;
    let (name, there) = into;
    let mut wrong = Vec::new();
    if there.table_type != "BASE TABLE" {
        wrong.push(format!("it is no plain table but {}", there.table_type.to_lowercase()));
    }
    if !there.engine.eq_ignore_ascii_case("innodb") {
        wrong.push(format!("its engine is {}, which can't commit with the delete", there.engine));
    }
    let taken: Vec<&Column> = shape.columns.iter().filter(|column| column.generated.is_none()).collect();
    for column in &taken {
        match there.column(&column.name) {
            None => wrong.push(format!("it has no column `{}`", column.name)),
            Some(own) => wrong.extend(otherwise(column, own)),
        }
    }
    for own in &there.columns {
        let fed = taken.iter().any(|column| column.name.same(&own.name));
        let fills_itself = own.nullable || own.default.is_some() || own.generated.is_some() || own.auto_increment();
        if !fed && !fills_itself {
            wrong.push(format!("its column `{}` gets no value: it is NOT NULL and has no default", own.name));
        }
    }
    let fires = there.triggers.iter().any(|trigger| trigger.event.eq_ignore_ascii_case("insert"));
    if fires && !triggers_allowed {
        wrong.push("it has INSERT triggers, which may change what is kept (--allow-triggers)".into());
    }
    if !wrong.is_empty() {
        return Err(Reason::new(
            ReasonCode::ValuesDoNotFit,
            format!("{name} can't keep the rows of {from} as they are: {}", wrong.join("; ")),
            format!("make it alike, for example CREATE TABLE {} LIKE {}", name.quoted(), from.quoted()),
        ));
    }
    Ok(Target {
        name: name.clone(),
        columns: taken.iter().map(|column| column.name.clone()).collect(),
        judged: judged(shape),
        own: judged(there),
    })
}

/// How a column differs in what it keeps.
fn otherwise(column: &Column, own: &Column) -> Option<String> {
    let name = &own.name;
    if own.generated.is_some() {
        return Some(format!("its column `{name}` is generated"));
    }
    if own.column_type != column.column_type {
        return Some(format!("its column `{name}` is {}, not {}", own.column_type, column.column_type));
    }
    if own.charset != column.charset {
        let set = |column: &Column| column.charset.clone().unwrap_or_else(|| "none".into());
        return Some(format!("its column `{name}` has the character set {}, not {}", set(own), set(column)));
    }
    (column.nullable && !own.nullable).then(|| format!("its column `{name}` takes no NULL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, column_type: &str) -> Column {
        Column {
            name: Ident::new(name).unwrap(),
            data_type: column_type.into(),
            column_type: column_type.into(),
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

    fn shape(columns: Vec<Column>) -> TableShape {
        TableShape { columns, engine: "InnoDB".into(), table_type: "BASE TABLE".into(), ..TableShape::default() }
    }

    #[test]
    fn keeps_every_value_or_says_what_not() {
        let (from, into) = (TableName::parse("s.t").unwrap(), TableName::parse("s.a").unwrap());
        let source = shape(vec![column("id", "int"), Column { nullable: true, ..column("v", "varchar(9)") }]);
        let judge = |there: &TableShape| target((&from, &source), (&into, there), false);
        assert_eq!(judge(&source).unwrap().columns.len(), 2);
        let turned = judge(&shape(source.columns.iter().rev().cloned().collect())).unwrap();
        assert!(turned.judged == judged(&source) && turned.own != turned.judged, "each table is kept as it is itself");
        let late = |default: Option<&str>| Column { default: default.map(Into::into), ..column("kept", "datetime") };
        let with = |more: Column| shape(source.columns.iter().cloned().chain([more]).collect());
        assert!(judge(&with(late(Some("current_timestamp()")))).is_ok(), "a column that fills itself");
        //  destination                                                     says
        let cases = [
            (with(late(None)), "its column `kept` gets no value"),
            (shape(vec![column("id", "int")]), "it has no column `v`"),
            (shape(vec![column("id", "int"), column("v", "varchar(9)")]), "takes no NULL"),
            (shape(vec![column("id", "bigint"), source.columns[1].clone()]), "is bigint, not int"),
            (
                shape(vec![
                    column("id", "int"),
                    Column { charset: Some("latin1".into()), ..source.columns[1].clone() },
                ]),
                "character set latin1, not none",
            ),
            (TableShape { engine: "MyISAM".into(), ..source.clone() }, "can't commit with the delete"),
        ];
        for (there, says) in cases {
            let reason = judge(&there).unwrap_err();
            assert!(reason.what.contains(says), "{}", reason.what);
        }
    }
}
