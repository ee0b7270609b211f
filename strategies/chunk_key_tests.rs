//! The chunk key and new unique keys: by tables of cases, and against brute force.

use super::*;
use crate::sample::{ident, table};

/// Pairs of columns with the same names, then those given as `from:to`.
fn pairs(source: &TableShape, target: &TableShape, renamed: &str) -> Vec<(Ident, Ident)> {
    let mut pairs: Vec<_> = renamed
        .split_whitespace()
        .filter_map(|pair| pair.split_once(':'))
        .map(|(from, to)| (ident(from), ident(to)))
        .collect();
    for column in &source.columns {
        let taken = pairs.iter().any(|(from, to)| from == &column.name || to == &column.name);
        if !taken && column.generated.is_none() && target.column(&column.name).is_some() {
            pairs.push((column.name.clone(), column.name.clone()));
        }
    }
    pairs
}

type Table<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

fn chosen(source: Table<'_>, target: Table<'_>, renamed: &str) -> Result<String, String> {
    let (source, target) = (table(source.0, source.1), table(target.0, target.1));
    let key = choose_key(&source, &target, &pairs(&source, &target, renamed)).map_err(|reason| reason.what)?;
    let columns: Vec<_> = key.columns.iter().map(|column| format!("{}:{}", column.source, column.shadow)).collect();
    Ok(format!("{}/{} {}", key.source_index, key.shadow_index, columns.join(" ")))
}

#[test]
fn takes_the_best_key() {
    let ab: &[_] = &[("a", "bigint"), ("b", "int"), ("c", "varchar(50) latin1_bin")];
    //  keys of both                                               chosen                     why
    let cases: [(&[&str], &str, &str); 6] = [
        (&["PRIMARY primary a", "u unique b"], "PRIMARY/PRIMARY a:a", "the primary key, though wider"),
        (&["u unique a", "v unique b"], "v/v b:b", "the smaller type"),
        (&["u unique c", "v unique a b"], "u/u c:c", "fewer columns, though wider"),
        (&["w unique b", "v unique b"], "v/v b:b", "the name decides between equals"),
        (&["u hidden b", "v unique a"], "v/v a:a", "not one that the optimizer may not use"),
        (&["PRIMARY primary a- b-"], "PRIMARY/PRIMARY a:a b:b", "all descending"),
    ];
    for (keys, expected, why) in cases {
        assert_eq!(chosen((ab, keys), (ab, keys), ""), Ok(expected.to_owned()), "{why}");
    }
}

#[test]
fn follows_the_change() {
    let a: &[_] = &[("a", "int"), ("b", "int")];
    let (pk, ba) = (["PRIMARY primary a b"], ["PRIMARY primary b a"]);
    assert_eq!(chosen((a, &pk), (a, &ba), "").unwrap(), "PRIMARY/PRIMARY a:a b:b", "columns in another order");
    assert_eq!(chosen((a, &pk), (a, &pk), "a:b b:a").unwrap(), "PRIMARY/PRIMARY a:b b:a", "names swapped");
    let renamed: &[_] = &[("id", "bigint"), ("b", "int")];
    assert_eq!(
        chosen((a, &["PRIMARY primary a"]), (renamed, &["PRIMARY primary b", "u unique id"]), "a:id").unwrap(),
        "PRIMARY/u a:id",
        "the key is another one afterwards"
    );
    let added: &[_] = &[("n", "int AUTO"), ("a", "int"), ("b", "int")];
    assert_eq!(
        chosen((a, &["PRIMARY primary a"]), (added, &["PRIMARY primary n", "u unique a"]), "").unwrap(),
        "PRIMARY/u a:a",
        "a new primary key has no values in the source"
    );
    assert!(chosen((a, &["PRIMARY primary a"]), (added, &["PRIMARY primary n"]), "").is_err());
}

#[test]
fn changes_of_type_that_keep_the_order() {
    //  from                           to                                   kept
    let cases = [
        ("int", "bigint", true),
        ("int", "int unsigned", true),
        ("int", "bigint unsigned", true),
        ("bigint", "int", true),
        ("bigint", "decimal(5,0)", false),
        ("int", "decimal(12,2)", true),
        ("int", "varchar(20) latin1_bin", false),
        ("int", "bit(32)", false),
        ("int unsigned", "bit(32)", true),
        ("float", "float", false),
        ("double", "double", false),
        ("decimal(10,2)", "decimal(12,2)", true),
        ("varchar(10) latin1_bin", "varchar(20) latin1_bin", true),
        ("varchar(10) latin1_bin", "varchar(20) latin1_swedish_ci", false),
        ("varchar(10) latin1_bin", "varchar(20) utf8mb4_bin", false),
        ("varchar(10) latin1_bin", "varchar(5) latin1_bin", false),
        ("char(10) latin1_bin", "varchar(10) latin1_bin", true),
        ("varchar(10) latin1_bin", "char(10) latin1_bin", false),
        ("binary(4)", "varbinary(8)", true),
        ("binary(4)", "binary(8)", false),
        ("enum('a','b') latin1_bin", "enum('a','b','c') latin1_bin", true),
        ("enum('a','b') latin1_bin", "enum('b','a') latin1_bin", false),
        ("set('a','b') latin1_bin", "set('a','b') latin1_bin", true),
        ("set('a','b') latin1_bin", "set('a','x','b') latin1_bin", false),
        ("bit(5)", "bit(9)", true),
        ("date", "datetime", true),
        ("timestamp", "timestamp(3)", true),
        ("timestamp", "datetime", false),
        ("time", "time(6)", true),
        ("year(4)", "int", true),
        ("uuid", "uuid", true),
        ("uuid", "char(36) latin1_bin", false),
        ("inet6", "binary(16)", false),
        ("int", "int NULL", false),
        ("int NULL", "int", false),
    ];
    for (from, to, kept) in cases {
        let keys: &[_] = &["PRIMARY primary a"];
        let got = chosen((&[("a", from)], keys), (&[("a", to)], keys), "");
        assert_eq!(got.is_ok(), kept, "{from} to {to}: {got:?}");
    }
}

#[test]
fn says_what_speaks_against_each_key() {
    let columns: &[_] = &[("a", "int NULL"), ("f", "float"), ("t", "varchar(9) latin1_bin"), ("d", "int")];
    let keys: &[_] =
        &["n unique a", "f unique f", "p unique t(3)", "e unique =a+1", "m unique d t-", "h hash d", "o plain d"];
    let what = chosen((columns, keys), (columns, keys), "").unwrap_err();
    for part in [
        "`n`: `a` may be NULL",
        "`f`: float `f` has no exact order",
        "`p`: only a prefix of `t`",
        "`e`: it has an expression",
        "`m`: it mixes ascending and descending",
        "`h`: the server keeps it by hash",
    ] {
        assert!(what.contains(part), "{part} is not in: {what}");
    }
    let none = chosen((columns, &["o plain d"]), (columns, &["o plain d"]), "").unwrap_err();
    assert!(none.contains("no unique key"), "{none}");
    let gone = chosen((columns, &["u unique d"]), (&columns[..3], &[]), "").unwrap_err();
    assert!(gone.contains("`u`: `d` is not copied"), "{gone}");
    let dropped = chosen((columns, &["u unique d"]), (columns, &["u hidden d"]), "").unwrap_err();
    assert!(dropped.contains("no visible unique key over the same columns"), "{dropped}");
}

#[test]
fn literals_by_type() {
    let text = Literal::Text { charset: "utf8mb4".into() };
    let cases = [
        ("bigint unsigned", Literal::Number),
        ("year(4)", Literal::Number),
        ("enum('a') latin1_bin", Literal::Ordinal),
        ("bit(3)", Literal::Ordinal),
        ("varchar(9) utf8mb4_bin", text),
        ("varbinary(9)", Literal::Bytes),
        ("datetime(6)", Literal::Quoted),
        ("uuid", Literal::Quoted),
    ];
    for (column_type, literal) in cases {
        let table = table(&[("a", column_type)], &["PRIMARY primary a"]);
        let key = choose_key(&table, &table, &pairs(&table, &table, "")).unwrap();
        assert_eq!(key.columns[0].literal, literal, "{column_type}");
    }
}

/// A changed column, the keys afterwards, those that are new, why.
type Tightened<'a> = (Option<(&'a str, &'a str)>, &'a [&'a str], &'a [&'a str], &'a str);

#[test]
fn finds_tightened_keys() {
    let t = "varchar(20) latin1_bin";
    let old: Table<'_> = (&[("a", "int"), ("b", "int"), ("t", t)], &["PRIMARY primary a", "bt unique b t"]);
    //  changed column          keys afterwards                  new     why
    let cases: [Tightened<'_>; 13] = [
        (None, old.1, &[], "nothing"),
        (None, &["PRIMARY primary b a"], &[], "more columns"),
        (None, &["u unique t b"], &[], "another order and name"),
        (None, &["u unique b"], &["u"], "fewer columns"),
        (None, &["u unique b t(5)"], &["u"], "a prefix"),
        (None, &["u hash b t"], &[], "kept by hash"),
        (None, &["u unique =a+1"], &["u"], "an expression"),
        (Some(("t", "varchar(20) latin1_swedish_ci")), old.1, &["bt"], "a collation that may ignore case"),
        (Some(("t", "varchar(20) utf8mb4_bin")), old.1, &["bt"], "a charset"),
        (Some(("t", "varchar(10) latin1_bin")), old.1, &["bt"], "a shorter type"),
        (Some(("t", "varchar(30) latin1_bin")), old.1, &[], "a longer type"),
        (Some(("a", "bigint")), old.1, &[], "a wider type"),
        (Some(("a", "double")), old.1, &["PRIMARY"], "a type that is not compared exactly"),
    ];
    for (change, keys, expected, why) in cases {
        let columns: Vec<_> = old
            .0
            .iter()
            .map(|(name, definition)| match change {
                Some((changed, other)) if changed == *name => (*name, other),
                Some(_) | None => (*name, *definition),
            })
            .collect();
        let (source, target) = (table(old.0, old.1), table(&columns, keys));
        let expected: Vec<Ident> = expected.iter().map(|name| ident(name)).collect();
        assert_eq!(new_unique(&source, &target, &pairs(&source, &target, "")), expected, "{why}");
    }
}

#[test]
fn nulls_and_expressions_do_not_make_a_key_new() {
    let nullable = table(
        &[("a", "int NULL"), ("t", "varchar(9) latin1_bin")],
        &["u unique a", "p unique t(3)", "e unique =lower(t)"],
    );
    let filled =
        table(&[("a", "int"), ("t", "varchar(9) latin1_bin")], &["u unique a", "p unique t(3)", "e unique =lower(t)"]);
    let pairs = pairs(&nullable, &filled, "");
    assert_eq!(new_unique(&nullable, &nullable, &pairs), []);
    let news = new_unique(&nullable, &filled, &pairs);
    assert_eq!(news, [ident("e")], "a NULL is refused, not changed; an expression may depend on anything");
    let numbered = table(&[("a", "int AUTO"), ("t", "varchar(9) latin1_bin")], &["u unique a"]);
    assert_eq!(new_unique(&nullable, &numbered, &pairs), [ident("u")], "numbers given for NULLs can collide");
}

mod any_keys {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    fn keys() -> impl Strategy<Value = Vec<Vec<&'static str>>> {
        let key = prop::sample::subsequence(NAMES.to_vec(), 1..=4).prop_shuffle();
        prop::collection::vec(key, 0..4)
    }

    fn shape(keys: &[Vec<&str>], definition: &str) -> TableShape {
        let columns: Vec<_> = NAMES.iter().map(|name| (*name, definition)).collect();
        let keys: Vec<_> =
            keys.iter().enumerate().map(|(n, parts)| format!("k{n} unique {}", parts.join(" "))).collect();
        table(&columns, &keys.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn project(row: &[u8; 4], names: &[&str]) -> Vec<u8> {
        names.iter().map(|name| row[NAMES.iter().position(|other| other == name).unwrap()]).collect()
    }

    fn allowed(rows: &[[u8; 4]], names: &[&str]) -> bool {
        let mut seen = std::collections::HashSet::new();
        rows.iter().all(|row| seen.insert(project(row, names)))
    }

    proptest! {
        /// Rows that the source's keys allow never break a key that is not called new; and two rows can break one
        /// that is.
        #[test]
        fn new_keys_are_just_those_that_can_break(
            old in keys(), new in keys(),
            rows in prop::collection::vec(any::<[u8; 4]>().prop_map(|row| row.map(|value| value % 3)), 0..30),
        ) {
            let (source, target) = (shape(&old, "int"), shape(&new, "bigint"));
            let news = new_unique(&source, &target, &pairs(&source, &target, ""));
            let mut kept: Vec<[u8; 4]> = Vec::new();
            for row in rows {
                kept.push(row);
                if !old.iter().all(|key| allowed(&kept, key)) {
                    kept.pop();
                }
            }
            for (number, key) in new.iter().enumerate() {
                if news.contains(&ident(&format!("k{number}"))) {
                    let other = std::array::from_fn(|index| u8::from(!key.contains(&NAMES[index])));
                    let two = [[0; 4], other];
                    prop_assert!(old.iter().all(|key| allowed(&two, key)) && !allowed(&two, key), "{:?}", key);
                } else {
                    prop_assert!(allowed(&kept, key), "{:?} breaks {:?}", kept, key);
                }
            }
        }

        /// The chosen key is unique in both tables, and one is found whenever there is one.
        #[test]
        fn the_chunk_key_is_unique_on_both_sides(old in keys(), new in keys()) {
            let (source, target) = (shape(&old, "int"), shape(&new, "int"));
            let set = |key: &Vec<&'static str>| key.iter().copied().collect::<std::collections::BTreeSet<_>>();
            let (old, new): (Vec<_>, Vec<_>) = (old.iter().map(set).collect(), new.iter().map(set).collect());
            match choose_key(&source, &target, &pairs(&source, &target, "")) {
                Ok(key) => {
                    let columns = key.columns.iter().map(|column| column.source.as_str()).collect();
                    prop_assert!(old.contains(&columns) && new.contains(&columns), "{:?}", columns);
                    let fewest = old.iter().filter(|key| new.contains(key)).map(std::collections::BTreeSet::len).min();
                    prop_assert_eq!(Some(columns.len()), fewest);
                }
                Err(reason) => prop_assert!(!old.iter().any(|key| new.contains(key)), "{}", reason.what),
            }
        }
    }
}
