//! What stands in the way of every strategy.

use crate::alter::{Alter, ClauseKind};
use crate::choose::{grouped, on};
use crate::facts::{DryRun, Facts, Node, Topology};
use crate::shape::{Fingerprint, TableShape};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{list, many};

/// Everything that must be out of the way first; empty when nothing is.
#[must_use]
pub fn find(facts: &Facts, alter: &Alter) -> Vec<Reason> {
    let mut found = Vec::new();
    table(facts, &mut found);
    members(facts, &mut found);
    if !no_table(facts) {
        drift(facts, &mut found);
        leftovers(facts, &mut found);
        privileges(facts, &mut found);
        sessions(facts, &mut found);
        found.extend(rejected(facts));
    }
    request(facts, alter, &mut found);
    found
}

/// Whether there is nothing that a strategy could judge: each would only repeat what stands in every way.
pub(crate) fn hopeless(facts: &Facts) -> bool {
    no_table(facts) || !base_table(facts) || !innodb(facts)
}

fn no_table(facts: &Facts) -> bool {
    facts.nodes.first().is_none_or(|node| node.fingerprint.is_none()) || facts.table.columns.is_empty()
}

fn base_table(facts: &Facts) -> bool {
    facts.table.table_type.eq_ignore_ascii_case("BASE TABLE")
}

fn innodb(facts: &Facts) -> bool {
    facts.table.engine.eq_ignore_ascii_case("InnoDB")
}

fn table(facts: &Facts, found: &mut Vec<Reason>) {
    // Of a node that could not be asked nothing is known.
    let lacks = |node: &&Node| node.fingerprint.is_none() && node.unfit.is_empty();
    let without: Vec<&str> = facts.nodes.iter().filter(lacks).map(|node| node.name.as_str()).collect();
    if !without.is_empty() {
        let nowhere = without.len() == facts.nodes.len();
        let what = if nowhere {
            format!("the table {} does not exist on any node", facts.name)
        } else {
            format!("the table {} does not exist on {}, but does elsewhere", facts.name, list(&without))
        };
        let remedy = if nowhere {
            "correct the name: --table schema.table, in the case in which it was created".to_owned()
        } else {
            "make the nodes equal first (SHOW CREATE TABLE, where it is)".to_owned()
        };
        found.push(Reason::new(Code::TableMissing, what, remedy));
    }
    if no_table(facts) {
        return;
    }
    if !base_table(facts) {
        let kind = facts.table.table_type.to_ascii_uppercase();
        let what = format!("{} is not an ordinary table but: {}", facts.name, kind.to_ascii_lowercase());
        let remedy = match kind.as_str() {
            "VIEW" => "alter the table that the view reads from",
            "SYSTEM VERSIONED" => "its history can't be copied; alter it natively in a quiet hour",
            _ => "alter it natively; it holds no rows to copy",
        };
        found.push(Reason::new(Code::NotABaseTable, what, remedy));
    } else if !innodb(facts) {
        let what = format!("{} is stored by {}, which has no transactions", facts.name, facts.table.engine);
        found.push(Reason::new(
            Code::UnsupportedEngine,
            what,
            "move it to InnoDB natively in a quiet hour first: writers wait for all of that",
        ));
    }
}

fn members(facts: &Facts, found: &mut Vec<Reason>) {
    for node in facts.nodes.iter().filter(|node| !node.unfit.is_empty()) {
        found.push(Reason::new(
            Code::NodeUnfit,
            format!("{} ({}) can't take part: {}", node.name, node.address, list(&node.unfit)),
            format!("wait until {} is Synced, Primary and ready, or repair it; then plan again", node.name),
        ));
    }
    for member in unreached(facts) {
        found.push(Reason::new(
            Code::NodeUnreached,
            member,
            "start it, or correct the way to it (--node HOST:PORT, --address-map FROM=TO); no member may be left out",
        ));
    }
    let versions = grouped(facts, |node| vec![node.version_text.clone()]);
    if facts.nodes.iter().any(|node| {
        Some((node.flavour, node.version)) != facts.nodes.first().map(|first| (first.flavour, first.version))
    }) {
        let each: Vec<String> =
            versions.iter().map(|(version, names)| format!("{version} on {}", list(names))).collect();
        found.push(Reason::new(
            Code::MixedVersions,
            format!("the nodes run different versions: {}", each.join(", ")),
            "finish the upgrade first; versions differ in what they accept",
        ));
    }
    let read_only: Vec<&str> =
        facts.nodes.iter().filter(|node| node.read_only).map(|node| node.name.as_str()).collect();
    if !read_only.is_empty() {
        found.push(Reason::new(
            Code::ReadOnly,
            format!("{} is read-only", on(&read_only, facts)),
            "connect to the primary, or turn read_only and super_read_only off",
        ));
    }
}

/// Members by name, else the number that the cluster counts beyond those that were reached.
fn unreached(facts: &Facts) -> Vec<String> {
    if !facts.unreached.is_empty() {
        return facts
            .unreached
            .iter()
            .map(|member| format!("a member of the cluster was not reached: {member}"))
            .collect();
    }
    let Topology::Galera { size, arbitrators, .. } = facts.topology else { return Vec::new() };
    let data = u64::from(size.saturating_sub(arbitrators));
    let reached = facts.nodes.len() as u64;
    if data <= reached {
        return Vec::new();
    }
    vec![format!("the cluster has {} with data, {} of them reached", many(data, "member"), reached)]
}

fn drift(facts: &Facts, found: &mut Vec<Reason>) {
    let mut groups: Vec<(&Fingerprint, Vec<&str>)> = Vec::new();
    for node in &facts.nodes {
        let Some(fingerprint) = &node.fingerprint else { continue };
        match groups.iter_mut().find(|(known, _)| *known == fingerprint) {
            Some((_, names)) => names.push(&node.name),
            None => groups.push((fingerprint, vec![&node.name])),
        }
    }
    if groups.len() < 2 {
        return;
    }
    // Stable: among groups of one size the one that was met first stays first.
    groups.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    let lone = |index: usize| groups.get(index).map(|(_, names)| names.len());
    let each: Vec<String> =
        groups.iter().map(|(fingerprint, names)| format!("{} on {}", short(fingerprint), list(names))).collect();
    let (what, remedy) = if lone(0) > lone(1) {
        let minority: Vec<&str> = groups.iter().skip(1).flat_map(|(_, names)| names.iter().copied()).collect();
        let others = groups.first().map(|(_, names)| list(names)).unwrap_or_default();
        (
            format!(
                "the table on {} differs from the one on {others} (fingerprints: {})",
                list(&minority),
                each.join(", ")
            ),
            format!(
                "compare SHOW CREATE TABLE {} on each of them; make {} equal first",
                facts.name.quoted(),
                list(&minority)
            ),
        )
    } else {
        (
            format!(
                "the table differs between the nodes, and no side is the majority (fingerprints: {})",
                each.join(", ")
            ),
            format!("compare SHOW CREATE TABLE {} on each of them; decide which is right", facts.name.quoted()),
        )
    };
    found.push(Reason::new(Code::SchemaDrift, what, remedy));
}

fn short(fingerprint: &Fingerprint) -> String {
    fingerprint.0.chars().take(8).collect()
}

fn leftovers(facts: &Facts, found: &mut Vec<Reason>) {
    for (leftover, names) in grouped(facts, |node| node.leftovers.clone()) {
        let remedy = match owner(&leftover, facts) {
            Owner::Driftless => "see `driftless status --all`: a job under way is continued by `driftless run --resume` or \
                 undone by `driftless abort`; what a job that is over left goes by `driftless cleanup --yes`; what no job \
                 knows of is dropped by hand, triggers first"
                .to_owned(),
            Owner::PtOsc => {
                "when no pt-online-schema-change runs: drop its triggers (pt_osc_…) first, then its table".to_owned()
            }
            Owner::GhOst => "when no gh-ost runs: drop its tables (_gho, _ghc, _del)".to_owned(),
            Owner::Unknown => "drop it when nobody needs it; triggers before tables".to_owned(),
        };
        found.push(Reason::new(Code::Leftovers, format!("left over on {}: {leftover}", on(&names, facts)), remedy));
    }
}

/// Who made a leftover.
enum Owner {
    Driftless,
    PtOsc,
    GhOst,
    Unknown,
}

fn owner(leftover: &str, facts: &Facts) -> Owner {
    let text = leftover.to_lowercase();
    let has = |needle: &str| text.contains(&needle.to_lowercase());
    let ours = [facts.name.shadow(), facts.name.retired(), facts.name.sentry()];
    if has("driftless") || ours.iter().any(|name| has(name.table.as_str())) {
        Owner::Driftless
    } else if has("gh-ost") || has("_gho") || has("_ghc") {
        Owner::GhOst
    } else if has("pt-o") || has("pt_osc") || has("_new") || has("_old") {
        Owner::PtOsc
    } else {
        Owner::Unknown
    }
}

fn privileges(facts: &Facts, found: &mut Vec<Reason>) {
    if facts.missing_privileges.is_empty() {
        return;
    }
    let grants: Vec<String> =
        facts.missing_privileges.iter().map(|privilege| format!("GRANT {privilege} TO …;")).collect();
    found.push(Reason::new(
        Code::PrivilegeMissing,
        format!("the user lacks {}: {}", many(grants.len() as u64, "privilege"), list(&facts.missing_privileges)),
        grants.join(" "),
    ));
}

fn sessions(facts: &Facts, found: &mut Vec<Reason>) {
    let mut each = |code: Code, says: fn(&Node) -> Vec<String>, remedy: &str| {
        for (text, names) in grouped(facts, says) {
            found.push(Reason::new(code, format!("on {}: {text}", on(&names, facts)), remedy));
        }
    };
    each(
        Code::LockHeld,
        |node| node.holders.clone(),
        "wait until it is over, or end it; a schema change would queue behind it and all writers behind that",
    );
    each(
        Code::OldTransaction,
        |node| node.old_transactions.clone(),
        "wait until it is over, or end it (KILL and its id); a schema change would wait for it or abort it",
    );
}

/// The server's own words, when it refused the alter in the dry run.
pub(crate) fn rejected(facts: &Facts) -> Option<Reason> {
    let DryRun::Rejected { node, code, message } = &facts.dry_run else { return None };
    Some(Reason::new(
        Code::AlterRejected,
        format!("{node} rejects the alter in a dry run: {message} ({code})"),
        "correct the alter; nothing was changed",
    ))
}

fn request(facts: &Facts, alter: &Alter, found: &mut Vec<Reason>) {
    let lower = |name: &crate::name::TableName| name.to_string().to_lowercase();
    if let Some(named) = alter.table.as_ref().filter(|named| lower(named) != lower(&facts.name)) {
        found.push(Reason::new(
            Code::ClauseUnsupported,
            format!("the statement alters {named}, and the table asked for is {}", facts.name),
            "name one table: in --table or in the statement",
        ));
    }
    if alter.ignore {
        found.push(Reason::new(
            Code::ClauseUnsupported,
            "ALTER IGNORE drops rows and cuts values without a word",
            "leave IGNORE out; a conflict then stops the job and shows the rows",
        ));
    }
    for clause in alter.clauses.iter().filter(|clause| clause.kind == ClauseKind::RenameTable) {
        found.push(Reason::new(
            Code::ClauseUnsupported,
            format!("`{}` renames the table itself", clause.text),
            "leave it out and rename the table in a statement of its own: applications must switch at that moment",
        ));
    }
    if alter.clauses.is_empty() {
        let what = "the alter has no clause that changes the table";
        found.push(Reason::new(Code::NothingToDo, what, "to rebuild the table as it is, ask for FORCE"));
    } else if !no_table(facts) && changes_nothing(facts, alter) {
        let what = "the table looks already as the alter would leave it";
        found.push(Reason::new(Code::NothingToDo, what, "nothing to do; to rebuild the table as it is, add FORCE"));
    }
}

/// Only when every clause's effect would show in the dry run's shape.
fn changes_nothing(facts: &Facts, alter: &Alter) -> bool {
    let DryRun::Accepted { shape } = &facts.dry_run else { return false };
    alter.clauses.iter().all(|clause| shows(&clause.kind, &facts.table)) && same(shape, &facts.table)
}

fn same(one: &TableShape, other: &TableShape) -> bool {
    let named = |shape: &TableShape| {
        let mut keys = shape.keys.clone();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        keys
    };
    one.columns == other.columns
        && named(one) == named(other)
        && one.checks == other.checks
        && one.collation == other.collation
        && one.comment == other.comment
}

/// Whether an equal shape proves that the clause does nothing. Two columns of one type that swap names, or a column that
/// is dropped and added, leave the shape and change the rows.
fn shows(kind: &ClauseKind, table: &TableShape) -> bool {
    match kind {
        ClauseKind::DropColumn { name } => table.column(name).is_none(),
        ClauseKind::ChangeColumn { from, to } | ClauseKind::RenameColumn { from, to } => from.same(to),
        // A table without text of its default collation shows nothing of a new default.
        ClauseKind::ConvertCharset => {
            table.columns.iter().any(|column| column.collation.as_deref() == Some(table.collation.as_str()))
        }
        // No catalog tells a column without a default from one whose default is NULL.
        ClauseKind::AlterColumn { name } => table.column(name).is_some_and(|column| {
            !column.nullable || column.default.as_deref().is_some_and(|default| default != "NULL")
        }),
        ClauseKind::AddColumn { .. }
        | ClauseKind::ModifyColumn { .. }
        | ClauseKind::AddKey
        | ClauseKind::AddUnique
        | ClauseKind::AddFulltext
        | ClauseKind::AddSpatial
        | ClauseKind::AddPrimary
        | ClauseKind::DropKey { .. }
        | ClauseKind::DropPrimary
        | ClauseKind::RenameKey
        | ClauseKind::AlterKey => true,
        ClauseKind::AddForeignKey
        | ClauseKind::DropForeignKey { .. }
        | ClauseKind::AddCheck
        | ClauseKind::OtherConstraint
        | ClauseKind::RenameTable
        | ClauseKind::Engine { .. }
        | ClauseKind::TableOption
        | ClauseKind::Force
        | ClauseKind::OrderBy
        | ClauseKind::Partitioning
        | ClauseKind::PartitionManagement
        | ClauseKind::Versioning
        | ClauseKind::Tablespace
        | ClauseKind::Hint
        | ClauseKind::Unknown => false,
    }
}
