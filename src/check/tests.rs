//! Tests of the comparison: cases, and all small catalogs against a slow judge.

use std::collections::BTreeMap;

use super::definition::{Catalog, Kind, Object};
use super::diff::{AS_ELSEWHERE, Difference, PRESENCE, differences};

fn object(name: &str) -> Object {
    Object { schema: "s".into(), kind: Kind::Table, name: name.into() }
}

fn catalog(tables: &[(&str, &[(&str, &str)])]) -> Catalog {
    let aspects = |all: &[(&str, &str)]| all.iter().map(|(a, d)| ((*a).to_owned(), (*d).to_owned())).collect();
    tables.iter().map(|(name, all)| (object(name), aspects(all))).collect()
}

fn nodes(catalogs: Vec<Catalog>) -> Vec<(String, Catalog)> {
    catalogs.into_iter().enumerate().map(|(place, catalog)| (format!("n{}", place + 1), catalog)).collect()
}

fn told(found: &[Difference]) -> Vec<String> {
    let group =
        |(nodes, definition): (&[String], Option<&str>)| format!("{}={}", nodes.join("+"), definition.unwrap_or("-"));
    found
        .iter()
        .map(|difference| {
            let groups: Vec<String> =
                difference.groups.iter().map(|one| group((&one.nodes, one.definition.as_deref()))).collect();
            let minority = difference.minority().map_or("none".into(), |nodes| nodes.join("+"));
            format!("{} {} | {} | {minority}", difference.object, difference.aspect, groups.join(" "))
        })
        .collect()
}

#[test]
fn who_is_the_minority() {
    let int = catalog(&[("t", &[("column `d`", "int")])]);
    let varchar = catalog(&[("t", &[("column `d`", "varchar(10)")])]);
    let bare = catalog(&[("t", &[])]);
    let none = Catalog::new();
    let held = catalog(&[("t", &[("column `d`", AS_ELSEWHERE)])]);
    //  what the nodes have                                   what is said
    let cases: [(Vec<&Catalog>, &[&str]); 10] = [
        (vec![&int, &int, &int], &[]),
        (vec![&none, &none], &[]),
        (vec![&held, &int, &held], &[]),
        (vec![&held, &int, &varchar], &["table s.t column `d` | n2=int n3=varchar(10) | none"]),
        (vec![&varchar, &varchar, &int], &["table s.t column `d` | n1+n2=varchar(10) n3=int | n3"]),
        (vec![&int, &varchar, &varchar], &["table s.t column `d` | n2+n3=varchar(10) n1=int | n1"]),
        (vec![&int, &bare, &int], &["table s.t column `d` | n1+n3=int n2=- | n2"]),
        (vec![&int, &none, &int], &["table s.t  | n1+n3=present n2=- | n2"]),
        (vec![&int, &varchar], &["table s.t column `d` | n1=int n2=varchar(10) | none"]),
        (
            vec![&int, &varchar, &none],
            &["table s.t  | n1+n2=present n3=- | n3", "table s.t column `d` | n1=int n2=varchar(10) | none"],
        ),
    ];
    for (catalogs, expected) in cases {
        let found = differences(&nodes(catalogs.into_iter().cloned().collect()));
        assert_eq!(told(&found), expected);
    }
}

/// Every catalog of at most two objects with at most one aspect of two values.
fn small() -> Vec<Catalog> {
    let states: [Option<&[(&str, &str)]>; 4] = [None, Some(&[]), Some(&[("a", "1")]), Some(&[("a", "2")])];
    let mut all = Vec::new();
    for t in states {
        for u in states {
            let tables: Vec<_> = [("t", t), ("u", u)].into_iter().filter_map(|(name, it)| Some((name, it?))).collect();
            all.push(catalog(&tables));
        }
    }
    all
}

/// What a node has, by (object, aspect): the slow judge's own view. An object that is not there has no aspects to differ.
fn flat(catalog: &Catalog, name: &str, aspect: &str) -> Option<Option<String>> {
    let there = catalog.get(&object(name));
    if aspect == PRESENCE {
        return Some(there.map(|_| "present".to_owned()));
    }
    there.map(|aspects| aspects.get(aspect).cloned())
}

#[test]
fn all_small_catalogs_of_three_nodes() {
    let all = small();
    for one in &all {
        for two in &all {
            for three in &all {
                let nodes = nodes(vec![one.clone(), two.clone(), three.clone()]);
                let found = differences(&nodes);
                for (name, aspect) in [("t", PRESENCE), ("t", "a"), ("u", PRESENCE), ("u", "a")] {
                    let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
                    for (_, catalog) in &nodes {
                        if let Some(value) = flat(catalog, name, aspect) {
                            *counts.entry(value).or_default() += 1;
                        }
                    }
                    let said: Vec<_> =
                        found.iter().filter(|it| it.object == object(name) && it.aspect == aspect).collect();
                    assert_eq!(said.len(), usize::from(counts.len() > 1), "{nodes:?}");
                    let Some(said) = said.first() else { continue };
                    let most = counts.values().max().copied();
                    let top: Vec<_> = counts.iter().filter(|(_, count)| Some(**count) == most).collect();
                    let majority = said.majority().map(|group| group.definition.clone());
                    let expected = (top.len() == 1).then(|| top[0].0.clone());
                    assert_eq!(majority, expected, "{nodes:?}");
                    for group in &said.groups {
                        for node in &group.nodes {
                            let catalog = &nodes.iter().find(|(name, _)| name == node).unwrap().1;
                            assert_eq!(flat(catalog, name, aspect), Some(group.definition.clone()), "{nodes:?}");
                        }
                    }
                    assert_eq!(
                        said.groups.iter().map(|group| group.nodes.len()).sum::<usize>(),
                        counts.values().sum::<usize>()
                    );
                }
                assert_eq!(found.is_empty(), one == two && two == three, "{nodes:?}");
            }
        }
    }
}
