//! Shadow table, triggers, chunks, one RENAME.

use crate::alter::{Alter, ClauseKind};
use crate::blockers::rejected;
use crate::choose::{Draft, Fit, Options, Strategy, grouped, is_set, on};
use crate::copy_spec::judged;
use crate::copy_steps::{self, By};
use crate::facts::{DryRun, Facts, Flavour, Node, Topology, Version};
use crate::foreign_keys::points_at;
use crate::plan::{CopySpec, StrategyName, Work};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::list;

pub use crate::copy_spec::{settle, spec};

/// Applications' writes reach the shadow by triggers, in the same transaction.
pub struct TriggerCopy;

impl Strategy for TriggerCopy {
    fn name(&self) -> StrategyName {
        StrategyName::TriggerCopy
    }

    fn judge(&self, facts: &Facts, alter: &Alter, wishes: &Options) -> Result<Fit, Vec<Reason>> {
        let (copy, mut remarks) = judge_copy(facts, alter, wishes, By::Triggers, Vec::new())?;
        remarks.extend(soft(facts, alter));
        remarks.extend(copy_steps::remarks(facts, wishes, By::Triggers));
        Ok(Fit { work: Work::Copy(copy), remarks })
    }

    fn plan(&self, fit: &Fit, facts: &Facts, alter: &Alter, wishes: &Options) -> Draft {
        fit.work.copy().map_or_else(Draft::default, |copy| copy_steps::draft(facts, copy, alter, wishes, By::Triggers))
    }
}

/// What stands in the way of any copy, beside the `reasons` that the caller has; else names, columns and key, with what
/// should be known of them.
pub(crate) fn judge_copy(
    facts: &Facts,
    alter: &Alter,
    wishes: &Options,
    by: By,
    mut reasons: Vec<Reason>,
) -> Result<(CopySpec, Vec<Reason>), Vec<Reason>> {
    bypasses(facts, by, &mut reasons);
    relations(facts, &mut reasons);
    settings(facts, |_| true, &mut reasons);
    clauses(facts, alter, &mut reasons);
    let (target, unsure) = match &facts.dry_run {
        DryRun::Accepted { shape } => (Some(shape.as_ref().clone()), None),
        DryRun::Rejected { .. } => (None, None),
        DryRun::Impossible { why } => {
            let target = wishes.target.clone().unwrap_or_else(|| crate::copy_spec::guess(&facts.table, alter));
            (Some(target), wishes.target.is_none().then(|| impossible(why)))
        }
    };
    reasons.extend(rejected(facts));
    let mut remarks = Vec::from_iter(unsure);
    let copy = match target.map(|target| judged(&facts.table, &target, alter, wishes, &facts.name)) {
        Some(Ok((copy, warnings))) => {
            remarks.extend(warnings);
            copy
        }
        Some(Err(more)) => {
            reasons.extend(more);
            return Err(reasons);
        }
        None => return Err(reasons),
    };
    reasons.extend(copy_steps::too_long(facts, &copy, alter, wishes, by));
    if reasons.is_empty() { Ok((copy, remarks)) } else { Err(reasons) }
}

fn impossible(why: &str) -> Reason {
    Reason::new(
        Code::DryRunImpossible,
        format!("the alter could not be tried on a temporary table: {why}"),
        "nothing to do: the run tries it on the empty shadow, judges that by the same rules, and stops when they say no",
    )
}

/// Writes that reach the table without firing a trigger: they would be missed, or slip through the fence.
fn bypasses(facts: &Facts, by: By, reasons: &mut Vec<Reason>) {
    for node in &facts.nodes {
        for channel in node.channels.iter().filter(|channel| channel.running) {
            reasons.push(Reason::new(
                Code::ReplicationChannel,
                format!(
                    "{} applies changes from {}, and those fire no triggers{}",
                    node.name,
                    channel.source,
                    fence(by)
                ),
                format!(
                    "alter on {} itself, where applications write, or stop the channel for the time of the change",
                    channel.source
                ),
            ));
        }
    }
    for key in facts.table.foreign_keys.iter().filter(|key| key.cascades()) {
        reasons.push(Reason::new(
            Code::CascadingForeignKey,
            format!(
                "foreign key `{}` lets the engine change rows when {}.{} changes (ON DELETE {}, ON UPDATE {}), and that fires no triggers",
                key.name, key.parent_schema, key.parent_table, key.on_delete, key.on_update
            ),
            format!("replace `{}` by one with RESTRICT first, if the application can do the cascade itself", key.name),
        ));
    }
}

const fn fence(by: By) -> &'static str {
    match by {
        By::Triggers => "",
        By::Stream => ", which keep writers out for the switch",
    }
}

/// What hangs on the table and would stay with the retired one.
fn relations(facts: &Facts, reasons: &mut Vec<Reason>) {
    for key in &facts.table.referenced_by {
        reasons.push(Reason::new(
            Code::ReferencedByForeignKey,
            format!(
                "foreign key `{}` of {}.{} points at the table and would follow the retired one",
                key.name, key.schema, key.table
            ),
            format!(
                "drop `{}` before and add it again afterwards, if the application can do without it meanwhile",
                key.name
            ),
        ));
    }
    if !facts.table.triggers.is_empty() {
        let names: Vec<String> = facts
            .table
            .triggers
            .iter()
            .map(|trigger| format!("`{}` ({} {})", trigger.name, trigger.timing, trigger.event))
            .collect();
        reasons.push(Reason::new(
            Code::ExistingTriggers,
            format!("the table has triggers of its own: {}", list(&names)),
            "drop them for the time of the change, if the application can do without; create them again afterwards",
        ));
    }
}

/// A variable whose value would let writes or DDL slip past the other nodes.
struct Setting {
    name: &'static str,
    bad: fn(&Node, &Facts) -> bool,
    why: &'static str,
    remedy: &'static str,
}

fn galera(facts: &Facts) -> bool {
    matches!(facts.topology, Topology::Galera { .. })
}

fn known_and_not(node: &Node, name: &str, value: &str) -> bool {
    node.variables.contains_key(name) && !is_set(node, name, value)
}

const SETTINGS: [Setting; 6] = [
    Setting {
        name: "wsrep_osu_method",
        bad: |node, facts| galera(facts) && known_and_not(node, "wsrep_osu_method", "TOI"),
        why: "DDL would stay on one node",
        remedy: "SET GLOBAL wsrep_OSU_method = 'TOI'",
    },
    Setting {
        name: "wsrep_on",
        bad: |node, facts| galera(facts) && known_and_not(node, "wsrep_on", "ON"),
        why: "writes would stay on one node",
        remedy: "SET GLOBAL wsrep_on = ON",
    },
    Setting {
        name: "sql_log_bin",
        bad: |node, _| known_and_not(node, "sql_log_bin", "ON"),
        why: "replicas would miss the writes",
        remedy: "SET sql_log_bin = ON, also in init_connect",
    },
    Setting {
        name: "wsrep_convert_lock_to_trx",
        bad: |node, facts| galera(facts) && known_and_not(node, "wsrep_convert_lock_to_trx", "OFF"),
        why: "LOCK TABLES locks nothing, so that nobody can be kept out",
        remedy: "SET GLOBAL wsrep_convert_LOCK_to_trx = OFF",
    },
    Setting {
        name: "slave_run_triggers_for_rbr",
        bad: |node, _| known_and_not(node, "slave_run_triggers_for_rbr", "NO"),
        why: "triggers would fire again where changes are applied",
        remedy: "SET GLOBAL slave_run_triggers_for_rbr = NO",
    },
    Setting {
        name: "binlog_format",
        bad: |node, facts| {
            (galera(facts) || is_set(node, "log_bin", "ON")) && known_and_not(node, "binlog_format", "ROW")
        },
        why: "the copy would be run again as a statement elsewhere, with another result",
        remedy: "SET GLOBAL binlog_format = ROW, and let applications reconnect",
    },
];

/// Settings of those names that are as they must not be.
pub(crate) fn settings(facts: &Facts, counts: fn(&str) -> bool, reasons: &mut Vec<Reason>) {
    for setting in SETTINGS.into_iter().filter(|setting| counts(setting.name)) {
        let values = grouped(facts, |node| {
            let value = node.variables.get(setting.name).filter(|_| (setting.bad)(node, facts));
            value.cloned().into_iter().collect()
        });
        for (value, names) in values {
            let what = format!("{} is {value} on {}: {}", setting.name, on(&names, facts), setting.why);
            reasons.push(Reason::new(Code::ServerSetting, what, setting.remedy));
        }
    }
}

fn clauses(facts: &Facts, alter: &Alter, reasons: &mut Vec<Reason>) {
    for clause in &alter.clauses {
        let refusal = match &clause.kind {
            _ if points_at(clause, &facts.name) => Some((
                Code::ReferencedByForeignKey,
                "makes a foreign key that points at the table itself and would follow the retired one",
                "leave it out; add it natively in a quiet hour, if the application needs it",
            )),
            ClauseKind::PartitionManagement => Some((
                Code::ClauseUnsupported,
                "works on partitions and their rows, which the shadow does not have",
                "run it natively: the server does it without a copy",
            )),
            ClauseKind::Tablespace => Some((
                Code::ClauseUnsupported,
                "works on the table's file, which the shadow does not share",
                "run it natively in a quiet hour",
            )),
            ClauseKind::Versioning => Some((
                Code::ClauseUnsupported,
                "makes history that a copy would date wrongly",
                "run it natively in a quiet hour",
            )),
            ClauseKind::Engine { name } if !name.eq_ignore_ascii_case("InnoDB") => Some((
                Code::UnsupportedEngine,
                "asks for an engine that has no transactions or is not replicated by rows",
                "only InnoDB can be copied into; run it natively in a quiet hour if it must be",
            )),
            ClauseKind::Unknown if !matches!(facts.dry_run, DryRun::Accepted { .. }) => Some((
                Code::ClauseUnsupported,
                "is a clause that driftless does not know, and no dry run could judge it",
                "give it in an alter of its own, or run it natively",
            )),
            ClauseKind::RenameTable => Some((
                Code::ClauseUnsupported,
                "renames the table itself",
                "leave it out and rename the table in a statement of its own",
            )),
            ClauseKind::AddColumn { .. }
            | ClauseKind::DropColumn { .. }
            | ClauseKind::ModifyColumn { .. }
            | ClauseKind::ChangeColumn { .. }
            | ClauseKind::RenameColumn { .. }
            | ClauseKind::AlterColumn { .. }
            | ClauseKind::AddKey
            | ClauseKind::AddUnique
            | ClauseKind::AddFulltext
            | ClauseKind::AddSpatial
            | ClauseKind::AddPrimary
            | ClauseKind::DropKey { .. }
            | ClauseKind::DropPrimary
            | ClauseKind::RenameKey
            | ClauseKind::AlterKey
            | ClauseKind::AddForeignKey
            | ClauseKind::DropForeignKey { .. }
            | ClauseKind::AddCheck
            | ClauseKind::OtherConstraint
            | ClauseKind::ConvertCharset
            | ClauseKind::Engine { .. }
            | ClauseKind::TableOption
            | ClauseKind::Force
            | ClauseKind::OrderBy
            | ClauseKind::Partitioning
            | ClauseKind::Hint
            | ClauseKind::Unknown => None,
        };
        if let Some((code, why, remedy)) = refusal {
            reasons.push(Reason::new(code, format!("`{}` {why}", clause.text), remedy));
        }
    }
}

/// PXC versions on which ordered DDL and applied writes can deadlock in the server.
///
/// # Source
/// PXC-4348, PXC-4315, PXC-3449; fixed in 8.0.42.
const PXC_STUCK: std::ops::Range<Version> = Version::new(8, 0, 33)..Version::new(8, 0, 42);

/// What does not forbid the change but should be known.
pub(crate) fn soft(facts: &Facts, alter: &Alter) -> Vec<Reason> {
    let mut remarks = Vec::new();
    for clause in &alter.clauses {
        if clause.kind == ClauseKind::OrderBy {
            remarks.push(Reason::new(
                Code::ClauseUnsupported,
                format!("`{}` has no effect: rows lie in the order of the primary key", clause.text),
                "leave it out",
            ));
        } else if clause.kind == ClauseKind::Unknown {
            remarks.push(Reason::new(
                Code::ClauseUnknown,
                format!(
                    "`{}` is a clause that driftless does not know; the server accepted it in the dry run",
                    clause.text
                ),
                "compare the columns of the plan with what you expect",
            ));
        } else if clause.kind == ClauseKind::AddForeignKey {
            remarks.push(Reason::new(
                Code::ForeignKeyRows,
                format!("`{}` is enforced from the first row on: a row without its parent stops the job", clause.text),
                "look for such rows first; the job shows the first ones",
            ));
        }
    }
    for channel in facts.nodes.iter().flat_map(|node| &node.channels).filter(|channel| !channel.running) {
        remarks.push(Reason::new(
            Code::ReplicationChannel,
            format!("a stopped replication channel from {} is configured", channel.source),
            "do not start it before the job is over: its changes fire no triggers",
        ));
    }
    let stuck = |node: &&Node| node.flavour == Flavour::MySql && PXC_STUCK.contains(&node.version);
    if let Some(node) = facts.nodes.iter().find(stuck).filter(|_| galera(facts)) {
        remarks.push(Reason::new(
            Code::ServerDefect,
            format!("{} runs {}, which can hang when DDL meets writes on several nodes", node.name, node.version_text),
            "upgrade to 8.0.42 or later first, or write on one node only for the time of the change",
        ));
    }
    remarks
}
