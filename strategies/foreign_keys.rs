//! Foreign keys of the table itself: recreated on the shadow, their names kept.

use crate::alter::{Alter, Clause, ClauseKind, joined};
use crate::name::{Ident, TableName};
use crate::plan::ForeignKeyStep;
use crate::shape::{ForeignKey, TableShape};
use crate::verdict::{Reason, ReasonCode as Code};

/// Ends the interim name of a key whose name must be given back after the switch.
const SUFFIX: &str = "_driftless";

/// Foreign keys that stay, with the names that they have meanwhile; columns under their names in the shadow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// All of them, to be made on the shadow.
    pub all: Vec<ForeignKeyStep>,
    /// Those whose interim name does not become the old one by itself when the table is renamed.
    pub renamed: Vec<ForeignKeyStep>,
}

/// Decides which foreign keys stay and under which names.
///
/// # Errors
/// A dropped key that does not exist, a column of a key that is dropped, a name that is taken.
pub fn keep(
    source: &TableShape,
    alter: &Alter,
    pairs: &[(Ident, Ident)],
    name: &TableName,
) -> Result<Kept, Vec<Reason>> {
    let mut refusals = Vec::new();
    for clause in &alter.clauses {
        if let ClauseKind::DropForeignKey { name } = &clause.kind
            && !source.foreign_keys.iter().any(|key| key.name.same(name))
            && !clause.text.to_ascii_uppercase().contains("IF EXISTS")
        {
            let what = format!("the table has no foreign key `{name}`");
            refusals.push(Reason::new(Code::AlterRejected, what, "correct the name in DROP FOREIGN KEY"));
        }
    }
    let mut kept = Kept::default();
    for key in source.foreign_keys.iter().filter(|key| !dropped(key, source, alter)) {
        match columns(key, source, alter, pairs) {
            Ok(columns) => {
                let (interim, follows) = interim(&key.name, name);
                let definition = ForeignKey { columns, ..key.clone() };
                let step = ForeignKeyStep { name: key.name.clone(), interim, definition };
                if !follows {
                    kept.renamed.push(step.clone());
                }
                kept.all.push(step);
            }
            Err(reason) => refusals.push(reason),
        }
    }
    refusals.extend(added(source, alter, &kept));
    if refusals.is_empty() { Ok(kept) } else { Err(refusals) }
}

/// Whether the clause makes a foreign key that points at that table. InnoDB lets such a key follow the table that it was
/// made for when that is renamed: on a shadow it would point at the retired one.
pub(crate) fn points_at(clause: &Clause, table: &TableName) -> bool {
    if !matches!(
        clause.kind,
        ClauseKind::AddForeignKey
            | ClauseKind::AddColumn { .. }
            | ClauseKind::ModifyColumn { .. }
            | ClauseKind::ChangeColumn { .. }
    ) {
        return false;
    }
    let words = words(&clause.text);
    let after = words.iter().position(|word| !word.quoted && word.text.eq_ignore_ascii_case("REFERENCES"));
    let Some([first, rest @ ..]) = after.and_then(|at| words.get(at + 1..)) else { return false };
    let same = |word: &Word, name: &Ident| word.text.to_lowercase() == name.as_str().to_lowercase();
    match rest {
        [dot, second, ..] if !dot.quoted && dot.text == "." => same(first, &table.schema) && same(second, &table.table),
        _ => same(first, &table.table),
    }
}

/// A word, a quoted name, or a single sign.
struct Word {
    text: String,
    quoted: bool,
}

fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut word = Word { text: String::new(), quoted: matches!(c, '`' | '\'' | '"') };
        if word.quoted {
            while let Some(inside) = chars.next() {
                if inside == '\\' && c != '`' {
                    word.text.extend(chars.next());
                } else if inside == c && chars.next_if_eq(&c).is_none() {
                    break;
                } else {
                    word.text.push(inside);
                }
            }
        } else if c.is_whitespace() {
            continue;
        } else {
            word.text.push(c);
            let named = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '$');
            while named(&c)
                && let Some(next) = chars.next_if(named)
            {
                word.text.push(next);
            }
        }
        words.push(word);
    }
    words
}

/// The clauses that the shadow gets: without those that drop a foreign key, because `CREATE TABLE … LIKE` copies none.
/// Empty when nothing else was asked for.
#[must_use]
pub fn shadow_alter(alter: &Alter, source: &TableShape) -> String {
    let stays = |clause: &&Clause| !drops_any(clause, source);
    joined(alter.clauses.iter().filter(stays))
}

/// Whether the alter drops that foreign key.
pub(crate) fn dropped(key: &ForeignKey, source: &TableShape, alter: &Alter) -> bool {
    alter.clauses.iter().filter_map(|clause| constraint_dropped(clause, source)).any(|name| key.name.same(name))
        || alter
            .clauses
            .iter()
            .any(|clause| matches!(&clause.kind, ClauseKind::DropForeignKey { name } if key.name.same(name)))
}

fn drops_any(clause: &Clause, source: &TableShape) -> bool {
    matches!(clause.kind, ClauseKind::DropForeignKey { .. }) || constraint_dropped(clause, source).is_some()
}

/// The foreign key that a `DROP CONSTRAINT name` means, when it means one and not a check.
fn constraint_dropped<'a>(clause: &Clause, source: &'a TableShape) -> Option<&'a Ident> {
    if clause.kind != ClauseKind::OtherConstraint {
        return None;
    }
    let upper = clause.text.to_ascii_uppercase();
    let words: Vec<&str> = upper.split_whitespace().collect();
    if !matches!(words.as_slice(), ["DROP", "CONSTRAINT", ..])
        || source.checks.iter().any(|(name, _)| ends_with(clause, name))
    {
        return None;
    }
    source.foreign_keys.iter().map(|key| &key.name).find(|name| ends_with(clause, name))
}

/// Whether the clause's last word is that name, plain or quoted.
fn ends_with(clause: &Clause, name: &Ident) -> bool {
    let text = clause.text.trim_end().to_lowercase();
    let plain = name.as_str().to_lowercase();
    text.ends_with(&name.quoted().to_lowercase())
        || text.strip_suffix(&plain).is_some_and(|head| head.ends_with(char::is_whitespace))
}

fn columns(
    key: &ForeignKey,
    source: &TableShape,
    alter: &Alter,
    pairs: &[(Ident, Ident)],
) -> Result<Vec<Ident>, Reason> {
    let mut names = Vec::new();
    for column in &key.columns {
        let pair = pairs.iter().find(|(from, _)| from.same(column)).map(|(_, to)| to.clone());
        // Generated columns are not copied and so not paired; they keep their names unless they are dropped.
        let generated = source.column(column).filter(|found| found.generated.is_some() && !drops(alter, column));
        let Some(name) = pair.or_else(|| generated.map(|found| found.name.clone())) else {
            return Err(Reason::new(
                Code::ClauseUnsupported,
                format!("column `{column}` is dropped and foreign key `{}` needs it", key.name),
                format!("add DROP FOREIGN KEY `{}` to the alter", key.name),
            ));
        };
        names.push(name);
    }
    Ok(names)
}

fn drops(alter: &Alter, column: &Ident) -> bool {
    alter.clauses.iter().any(|clause| matches!(&clause.kind, ClauseKind::DropColumn { name } if name.same(column)))
}

/// The name on the shadow, and whether it becomes the old one when the shadow gets the table's name.
///
/// # Source
/// InnoDB renames `<table>_ibfk_<number>` with its table; any other name stays. Tried on MariaDB 10.11.
fn interim(key: &Ident, table: &TableName) -> (Ident, bool) {
    let number = key.as_str().strip_prefix(table.table.as_str()).and_then(|rest| rest.strip_prefix("_ibfk_"));
    let number = number
        .filter(|number| !number.starts_with('0') && number.chars().all(|c| c.is_ascii_digit()) && !number.is_empty());
    let follows = number.and_then(|number| Ident::new(format!("{}_ibfk_{number}", table.shadow().table)).ok());
    match follows {
        Some(name) => (name, true),
        None => (key.suffixed(SUFFIX), false),
    }
}

/// Names of constraints are the schema's, not the table's: a new key must not take one that the source still holds.
fn added(source: &TableShape, alter: &Alter, kept: &Kept) -> Vec<Reason> {
    let mut refusals = Vec::new();
    for clause in alter.clauses.iter().filter(|clause| clause.kind == ClauseKind::AddForeignKey) {
        let taken = source.foreign_keys.iter().find(|key| named(clause).is_some_and(|name| name.same(&key.name)));
        if let Some(key) = taken {
            refusals.push(Reason::new(
                Code::NameTaken,
                format!(
                    "`{}` takes the name `{}`, which the table's own foreign key holds until the switch",
                    clause.text, key.name
                ),
                "give the new foreign key another name",
            ));
        }
        let numbered = kept.all.iter().any(|step| !kept.renamed.contains(step));
        if named(clause).is_none() && numbered {
            refusals.push(Reason::new(
                Code::NameTaken,
                format!("`{}` has no name, and the server's own could be one that the table uses", clause.text),
                "name it: ADD CONSTRAINT name FOREIGN KEY …",
            ));
        }
    }
    refusals
}

/// The name in `ADD CONSTRAINT [IF NOT EXISTS] name FOREIGN KEY …`, unquoted.
fn named(clause: &Clause) -> Option<Ident> {
    let upper = clause.text.to_ascii_uppercase();
    let start = upper.find("CONSTRAINT").filter(|at| upper.get(..*at).is_some_and(|head| head.trim() == "ADD"))?;
    let rest = clause.text.get(start + "CONSTRAINT".len()..)?.trim_start();
    let rest = match rest.get(..13) {
        Some(head) if head.eq_ignore_ascii_case("IF NOT EXISTS") => rest.get(13..)?.trim_start(),
        Some(_) | None => rest,
    };
    let name = match rest.strip_prefix('`') {
        Some(quoted) => {
            let mut name = String::new();
            let mut chars = quoted.chars().peekable();
            while let Some(c) = chars.next() {
                if c == '`' && chars.next_if_eq(&'`').is_none() {
                    break;
                }
                name.push(c);
            }
            name
        }
        None => rest.split(|c: char| c.is_whitespace() || c == '(').next()?.to_owned(),
    };
    let name = Ident::new(name).ok()?;
    (!name.as_str().eq_ignore_ascii_case("FOREIGN")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ForeignKey {
        let ident = |text: &str| Ident::new(text).unwrap();
        ForeignKey {
            name: ident(name),
            schema: ident("shop"),
            table: ident("orders"),
            columns: vec![ident("customer")],
            parent_schema: ident("shop"),
            parent_table: ident("customers"),
            parent_columns: vec![ident("id")],
            on_delete: "RESTRICT".into(),
            on_update: "RESTRICT".into(),
        }
    }

    fn clause(text: &str, kind: ClauseKind) -> Clause {
        Clause { text: text.into(), kind }
    }

    fn alter(clauses: Vec<Clause>) -> Alter {
        Alter { table: None, clauses, hints: Vec::new(), ignore: false }
    }

    #[test]
    fn interim_names_follow_the_rename_or_are_given_back() {
        let table = TableName::parse("shop.orders").unwrap();
        let long = "f".repeat(64);
        //  name            interim                    follows   why
        let cases = [
            ("orders_ibfk_1", "_orders_shadow_ibfk_1", true, "the server's own name"),
            ("orders_ibfk_12", "_orders_shadow_ibfk_12", true, "two digits"),
            ("orders_ibfk_01", "orders_ibfk_01_driftless", false, "the server never writes a leading zero"),
            ("orders_ibfk_x", "orders_ibfk_x_driftless", false, "not a number"),
            ("orders_ibfk_", "orders_ibfk__driftless", false, "no number at all"),
            ("fk_customer", "fk_customer_driftless", false, "a name that somebody gave"),
        ];
        for (name, expected, follows, why) in cases {
            let (interim, seen) = interim(&Ident::new(name).unwrap(), &table);
            assert_eq!((interim.as_str(), seen), (expected, follows), "{why}");
        }
        let (name, follows) = interim(&Ident::new(long).unwrap(), &table);
        assert!(name.as_str().chars().count() == 64 && !follows, "64 characters stay 64");
        let longest = TableName::parse(&format!("shop.{}", "t".repeat(57))).unwrap();
        let generated = Ident::new(format!("{}_ibfk_1", "t".repeat(57))).unwrap();
        assert!(!interim(&generated, &longest).1, "the shadow's name leaves no room for _ibfk_1");
    }

    #[test]
    fn finds_a_new_key_that_points_at_the_table_itself() {
        let table = TableName::parse("shop.orders").unwrap();
        let column = || ClauseKind::AddColumn { names: vec![Ident::new("q").unwrap()] };
        //  clause                                                        kind           points   why
        let cases = [
            ("ADD FOREIGN KEY (a) REFERENCES orders (id)", ClauseKind::AddForeignKey, true, "plain"),
            ("add foreign key (a) references\n`Orders`(id)", ClauseKind::AddForeignKey, true, "quoted, no case"),
            ("ADD FOREIGN KEY (a) REFERENCES shop . `orders`(id)", ClauseKind::AddForeignKey, true, "with its schema"),
            ("ADD FOREIGN KEY (a) REFERENCES old.orders(id)", ClauseKind::AddForeignKey, false, "another schema"),
            ("ADD FOREIGN KEY (a) REFERENCES `shop.orders`(id)", ClauseKind::AddForeignKey, false, "a name with a dot"),
            ("ADD FOREIGN KEY (orders) REFERENCES p(id)", ClauseKind::AddForeignKey, false, "a column's name"),
            ("ADD q INT REFERENCES orders(id)", column(), true, "with the column"),
            ("ADD q INT COMMENT 'references orders'", column(), false, "a comment"),
            ("ADD FOREIGN KEY (a) REFERENCES", ClauseKind::AddForeignKey, false, "cut off"),
        ];
        for (text, kind, expected, why) in cases {
            assert_eq!(points_at(&clause(text, kind), &table), expected, "{why}: {text}");
        }
    }

    #[test]
    fn finds_the_name_of_a_new_key() {
        //  clause                                                name         why
        let cases = [
            ("ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES p(id)", Some("fk"), "plain"),
            ("add constraint `f``k` foreign key (a) references p(id)", Some("f`k"), "quoted"),
            ("ADD CONSTRAINT IF NOT EXISTS fk FOREIGN KEY (a) REFERENCES p(id)", Some("fk"), "MariaDB"),
            ("ADD CONSTRAINT FOREIGN KEY (a) REFERENCES p(id)", None, "no name after the word"),
            ("ADD FOREIGN KEY (a) REFERENCES p(id)", None, "no word"),
            ("ADD FOREIGN KEY (`constraint`) REFERENCES p(id)", None, "a column of that name"),
            ("ADD COLUMN é INT, CONSTRAINT", None, "not at a character's border"),
        ];
        for (text, name, why) in cases {
            let seen = named(&clause(text, ClauseKind::AddForeignKey));
            assert_eq!(seen.as_ref().map(Ident::as_str), name, "{why}");
        }
    }

    #[test]
    fn drop_clauses_take_a_key_off_the_list_and_out_of_the_alter() {
        let source = TableShape { foreign_keys: vec![key("fk_a"), key("fk_b"), key("fk_c")], ..TableShape::default() };
        let customer = Ident::new("customer").unwrap();
        let pairs = [(customer.clone(), Ident::new("buyer").unwrap())];
        let change = alter(vec![
            clause("DROP FOREIGN KEY FK_A", ClauseKind::DropForeignKey { name: Ident::new("FK_A").unwrap() }),
            clause("DROP CONSTRAINT IF EXISTS `fk_b`", ClauseKind::OtherConstraint),
            clause("CHANGE customer buyer INT", ClauseKind::ChangeColumn { from: customer, to: pairs[0].1.clone() }),
        ]);
        let kept = keep(&source, &change, &pairs, &TableName::parse("shop.orders").unwrap()).unwrap();
        let names: Vec<&str> = kept.all.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["fk_c"]);
        assert_eq!(kept.all[0].definition.columns, [Ident::new("buyer").unwrap()], "under the shadow's name");
        assert_eq!(shadow_alter(&change, &source), "CHANGE customer buyer INT");
    }

    #[test]
    fn a_check_is_not_taken_for_a_foreign_key() {
        let name = Ident::new("fk_a").unwrap();
        let source =
            TableShape { foreign_keys: vec![key("fk_a")], checks: vec![(name, "1".into())], ..TableShape::default() };
        let change = alter(vec![clause("DROP CONSTRAINT fk_a", ClauseKind::OtherConstraint)]);
        assert_eq!(shadow_alter(&change, &source), "DROP CONSTRAINT fk_a");
    }

    #[test]
    fn no_comma_stands_before_a_partitioning_clause() {
        let change = alter(vec![
            clause("DROP FOREIGN KEY fk_a", ClauseKind::DropForeignKey { name: Ident::new("fk_a").unwrap() }),
            clause("ADD COLUMN q INT", ClauseKind::AddColumn { names: vec![Ident::new("q").unwrap()] }),
            clause("PARTITION BY HASH (id) PARTITIONS 4", ClauseKind::Partitioning),
        ]);
        let source = TableShape { foreign_keys: vec![key("fk_a")], ..TableShape::default() };
        assert_eq!(shadow_alter(&change, &source), "ADD COLUMN q INT PARTITION BY HASH (id) PARTITIONS 4");
    }
}
