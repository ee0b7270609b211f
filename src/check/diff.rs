//! What differs between nodes, and who is the minority: pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::definition::{Catalog, Object};

/// The aspect of an object that is not on every node.
pub const PRESENCE: &str = "";

/// Nodes that have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Their names, in the order in which the nodes were given.
    pub nodes: Vec<String>,
    /// What they have; `None` when they don't have it.
    pub definition: Option<String>,
}

/// One aspect that is not the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of what.
    pub object: Object,
    /// Which aspect; `PRESENCE` when the object as a whole is missing somewhere.
    pub aspect: String,
    /// Who has what; the largest group first.
    pub groups: Vec<Group>,
}

impl Difference {
    /// The group that more nodes are in than in any other; `None` when there is no such group.
    #[must_use]
    pub fn majority(&self) -> Option<&Group> {
        let first = self.groups.first()?;
        self.groups.iter().skip(1).all(|group| group.nodes.len() < first.nodes.len()).then_some(first)
    }

    /// The nodes that are not in the majority; `None` when there is none.
    #[must_use]
    pub fn minority(&self) -> Option<Vec<&str>> {
        self.majority()?;
        Some(self.groups.iter().skip(1).flat_map(|group| &group.nodes).map(String::as_str).collect())
    }
}

/// A definition that says nothing of its own: it differs from none.
pub(crate) const AS_ELSEWHERE: &str = "as elsewhere";

/// Everything that is not the same on all nodes, by object and aspect.
#[must_use]
pub fn differences(nodes: &[(String, Catalog)]) -> Vec<Difference> {
    let mut found = Vec::new();
    let objects: BTreeSet<&Object> = nodes.iter().flat_map(|(_, catalog)| catalog.keys()).collect();
    for object in objects {
        let seen: Vec<_> = nodes.iter().map(|(name, catalog)| (name.as_str(), catalog.get(object))).collect();
        let mut add = |aspect: &str, groups: Vec<Group>| {
            if groups.len() > 1 {
                found.push(Difference { object: object.clone(), aspect: aspect.to_owned(), groups });
            }
        };
        add(PRESENCE, grouped(seen.iter().map(|(name, there)| (*name, there.map(|_| "present")))));
        let there: Vec<_> = seen.iter().filter_map(|(name, aspects)| Some((*name, (*aspects)?))).collect();
        if there.windows(2).all(|pair| matches!(pair, [(_, one), (_, other)] if one == other)) {
            continue;
        }
        let aspects: BTreeSet<&String> = there.iter().flat_map(|(_, aspects)| aspects.keys()).collect();
        for aspect in aspects {
            let each = there.iter().map(|(name, all)| (*name, all.get(aspect).map(String::as_str)));
            add(aspect, grouped(each.filter(|(_, definition)| *definition != Some(AS_ELSEWHERE))));
        }
    }
    found
}

/// Nodes by what they have: the largest group first, equally large ones in the order of the nodes.
fn grouped<'a>(nodes: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Vec<Group> {
    let mut groups: BTreeMap<Option<&str>, (usize, Vec<String>)> = BTreeMap::new();
    for (place, (name, definition)) in nodes.enumerate() {
        groups.entry(definition).or_insert_with(|| (place, Vec::new())).1.push(name.to_owned());
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, (place, nodes))| (std::cmp::Reverse(nodes.len()), *place));
    let group = |(definition, (_, nodes)): (Option<&str>, (usize, Vec<String>))| Group {
        nodes,
        definition: definition.map(str::to_owned),
    };
    groups.into_iter().map(group).collect()
}
