//! Rows of the catalog, MariaDB's and MySQL's.

use driftless_strategies::shape::{Generated, KeyKind};
use driftless_strategies::{Ident, TableShape};

use crate::inspect::columns::columns;
use crate::inspect::fingerprint;
use crate::inspect::foreign_keys::{foreign_keys, innodb_rules, printed_rules};
use crate::inspect::keys::keys;

use super::row;

#[test]
fn columns_of_both_families() {
    let rows = [
        row(&["g", "int", "int(11)", "YES", "NULL", "VIRTUAL GENERATED", "\0", "\0", "`a` + 1", "", "\0"]),
        row(&["h", "int", "int", "NO", "\0", "STORED GENERATED INVISIBLE", "\0", "\0", "(`a` * 2)", "c", "\0"]),
        row(&["d", "VARCHAR", "varchar(9)", "NO", "uuid()", "DEFAULT_GENERATED", "latin1", "latin1_bin", "", "", "\0"]),
        row(&["p", "point", "point", "NO", "\0", "", "\0", "\0", "", "", "4326"]),
    ];
    let [g, h, d, p] = <[_; 4]>::try_from(columns(&rows).unwrap()).unwrap();
    assert_eq!((g.generated, g.expression.as_deref()), (Some(Generated::Virtual), Some("`a` + 1")));
    assert_eq!((h.generated, h.invisible, h.nullable), (Some(Generated::Stored), true, false));
    assert_eq!((d.generated, d.expression, d.data_type.as_str()), (None, None, "varchar"));
    assert_eq!((d.default.as_deref(), d.charset.as_deref()), (Some("uuid()"), Some("latin1")));
    assert_eq!(p.extra, "srid 4326", "MySQL keeps the reference system apart");
    assert!(columns(&[row(&["bad ", "", "", "", "", "", "", "", "", "", ""])]).is_err());
}

#[test]
fn keys_are_put_together_and_sorted() {
    let rows = [
        row(&["b", "0", "x", "\0", "5", "A", "BTREE", "NO", ""]),
        row(&["b", "0", "\0", "lower(`y`)", "\0", "D", "BTREE", "NO", ""]),
        row(&["PRIMARY", "0", "id", "\0", "\0", "A", "BTREE", "YES", ""]),
        row(&["a", "1", "g", "\0", "32", "A", "SPATIAL", "YES", "c"]),
        row(&["words", "1", "t", "\0", "\0", "\0", "FULLTEXT", "YES", ""]),
        row(&["plain", "1", "t", "\0", "\0", "A", "HASH", "YES", ""]),
    ];
    let keys = keys(&rows).unwrap();
    let kinds: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.kind)).collect();
    let wanted = [
        ("PRIMARY", KeyKind::Primary),
        ("a", KeyKind::Spatial),
        ("b", KeyKind::Unique),
        ("plain", KeyKind::Plain),
        ("words", KeyKind::Fulltext),
    ];
    assert_eq!(kinds, wanted);
    assert_eq!(keys[1].parts[0].prefix, None, "a spatial key has no prefix");
    let (first, second) = (&keys[2].parts[0], &keys[2].parts[1]);
    assert_eq!((first.prefix, first.descending, keys[2].visible), (Some(5), false, false));
    assert_eq!((second.column.as_ref(), second.expression.as_deref()), (None, Some("lower(`y`)")));
    assert!(second.descending);
}

#[test]
fn foreign_keys_are_put_together_and_their_rules_read() {
    let rows = [
        row(&["f", "s", "child", "b", "s", "t", "k", "RESTRICT", "CASCADE"]),
        row(&["f", "r", "child", "b", "s", "t", "k", "RESTRICT", "CASCADE"]),
        row(&["f", "s", "child", "a", "s", "t", "id", "RESTRICT", "CASCADE"]),
    ];
    let found = foreign_keys(&rows, printed_rules).unwrap();
    assert_eq!(found.len(), 2, "the same name in two schemas is two keys");
    assert_eq!((found[0].schema.as_str(), found[1].schema.as_str()), ("r", "s"));
    let columns: Vec<_> = found[1].columns.iter().map(Ident::as_str).collect();
    assert_eq!((columns, found[1].parent_columns.len()), (vec!["b", "a"], 2));
    //  bits                on delete      on update
    let cases = [
        ("0", "RESTRICT", "RESTRICT"),
        ("6", "SET NULL", "CASCADE"),
        ("9", "CASCADE", "SET NULL"),
        ("48", "NO ACTION", "NO ACTION"),
    ];
    for (bits, on_delete, on_update) in cases {
        let rules = innodb_rules(&row(&["f", "s", "c", "b", "s", "t", "k", bits]));
        assert_eq!((rules.0.as_str(), rules.1.as_str()), (on_delete, on_update), "{bits}");
    }
}

#[test]
fn a_fingerprint_sees_all_but_the_order_of_keys() {
    let column =
        |comment: &str| columns(&[row(&["a", "int", "int", "NO", "1", "", "\0", "\0", "", comment, "\0"])]).unwrap();
    let key = |name: &str| keys(&[row(&[name, "1", "a", "\0", "\0", "A", "BTREE", "YES", ""])]).unwrap().remove(0);
    let shape = TableShape { columns: column(""), keys: vec![key("x"), key("y")], ..TableShape::default() };
    let print = fingerprint(&shape).unwrap();
    assert!(print.0.len() == 64 && print.0.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    let turned = TableShape { keys: vec![key("y"), key("x")], ..shape.clone() };
    assert_eq!(fingerprint(&turned).unwrap(), print);
    let others = [
        TableShape { columns: column("c"), ..shape.clone() },
        TableShape { keys: vec![key("x")], ..shape.clone() },
        TableShape { columns: [column(""), column("")].concat(), ..shape.clone() },
        TableShape { partitions: vec!["p".to_owned()], ..shape.clone() },
        TableShape { checks: vec![(Ident::new("c").unwrap(), "1".to_owned())], ..shape.clone() },
        TableShape { table_type: "SYSTEM VERSIONED".to_owned(), ..shape.clone() },
    ];
    for other in others {
        assert_ne!(fingerprint(&other).unwrap(), print, "{other:?}");
    }
}
