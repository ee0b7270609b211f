//! The menu, and the choice from it.

use serde::{Deserialize, Serialize};

use crate::alter::Alter;
use crate::blockers;
use crate::facts::{Facts, Topology};
use crate::name::Ident;
use crate::plan::{Estimate, Plan, PlanNode, Step, StepCost, StrategyName, Work};
use crate::shape::{Fingerprint, TableShape};
use crate::verdict::{Decision, Fits, Reason, ReasonCode as Code, Verdict};
use crate::words::list;
use crate::{binlog_stream, lint, native, nbo, rsu, space, toi, trigger_copy};

/// Longest stall that is accepted when the user names none, milliseconds.
pub const MAX_STALL_MS: u64 = 1000;

/// What the user asked for beside the alter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Use this strategy or none.
    pub force: Option<StrategyName>,
    /// Columns (old or new name) whose type change may lose values.
    pub allow_lossy: Vec<Ident>,
    /// Columns that may be dropped and added again, values lost.
    pub allow_drop_add: Vec<Ident>,
    /// Leave the retired table in place.
    pub keep_retired: bool,
    /// Longest stall of writers that a step may cause, milliseconds.
    pub max_stall_ms: u64,
    /// Lints that are meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Code>,
    /// Let every lint that is not allowed stand in the way.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deny_lints: bool,
    /// The altered table as a rehearsal showed it, for when the dry run was impossible. Not stored with the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TableShape>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            force: None,
            allow_lossy: Vec::new(),
            allow_drop_add: Vec::new(),
            keep_retired: false,
            max_stall_ms: MAX_STALL_MS,
            allow: Vec::new(),
            deny_lints: false,
            target: None,
        }
    }
}

/// Proof that a strategy judged the change and found it safe; made by `Strategy::judge` only.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// What the strategy works with.
    pub(crate) work: Work,
    /// What the user should know.
    pub(crate) remarks: Vec<Reason>,
}

/// The part of a plan that only its strategy can write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The steps in order, each with its cost.
    pub steps: Vec<(Step, StepCost)>,
    /// Sizes and times.
    pub estimate: Estimate,
}

/// One way of making a change. Pure: all it may know is in `Facts`.
pub trait Strategy: Sync {
    /// The name that an operator types and a journal records.
    fn name(&self) -> StrategyName;
    /// Judges the change.
    ///
    /// # Errors
    /// "No" is an answer, not a failure: all reasons, at least one.
    fn judge(&self, facts: &Facts, alter: &Alter, wishes: &Options) -> Result<Fit, Vec<Reason>>;
    /// Writes the steps of a change that fits. A strategy that can't fit in this version has none.
    fn plan(&self, _fit: &Fit, _facts: &Facts, _alter: &Alter, _wishes: &Options) -> Draft {
        Draft::default()
    }
}

/// The menu, most preferred first. The order is policy; the set is closed.
pub const MENU: [&dyn Strategy; 6] =
    [&native::Native, &toi::Toi, &rsu::Rsu, &nbo::Nbo, &binlog_stream::BinlogStream, &trigger_copy::TriggerCopy];

type Judged = (&'static dyn Strategy, Result<Fit, Vec<Reason>>);

/// Judges every strategy and plans with the most preferred one that fits, or with the forced one.
#[must_use]
pub fn choose(facts: &Facts, alter: &Alter, wishes: &Options) -> Decision {
    let mut blockers = blockers::find(facts, alter);
    if blockers::hopeless(facts) {
        let (lints, allowed_lints) = (Vec::new(), Vec::new());
        return Decision { blockers, lints, allowed_lints, verdicts: Vec::new(), plan: None };
    }
    let lints = lint::find(facts, alter, wishes);
    if wishes.deny_lints {
        blockers.extend(lints.found.iter().map(lint::denied));
    }
    let judged: Vec<Judged> = MENU.iter().map(|strategy| (*strategy, strategy.judge(facts, alter, wishes))).collect();
    let preferred = judged.iter().find_map(|(strategy, judgement)| judgement.is_ok().then(|| strategy.name()));
    let chosen = judged.iter().find_map(|(strategy, judgement)| {
        let wanted = wishes.force.is_none_or(|name| name == strategy.name());
        judgement.as_ref().ok().filter(|_| wanted).map(|fit| (*strategy, fit))
    });
    if let (Some(name), None) = (wishes.force, chosen) {
        let own = judged.iter().filter(|(strategy, _)| strategy.name() == name);
        let own = own.filter_map(|(_, judgement)| judgement.clone().err()).flatten();
        let own: Vec<Reason> = own.filter(|reason| !blockers.contains(reason)).collect();
        blockers.extend(own);
        blockers.push(forced_in_vain(name, preferred));
    }
    let plan = chosen
        .filter(|_| blockers.is_empty())
        .map(|(strategy, fit)| write_plan(strategy, fit, facts, alter, wishes, preferred))
        .map(|plan| Plan { warnings: [plan.warnings, lints.idle].concat(), ..plan });
    let plan = match plan.map(|plan| space::fitted(plan, facts)) {
        Some(Ok(plan)) => Some(plan),
        Some(Err(lacking)) => {
            blockers.extend(lacking);
            None
        }
        None => None,
    };
    let verdicts = judged
        .into_iter()
        .map(|(strategy, judgement)| match judgement {
            Ok(fit) => Verdict { strategy: strategy.name(), fits: Fits::Yes, reasons: fit.remarks },
            Err(reasons) => Verdict { strategy: strategy.name(), fits: Fits::No, reasons },
        })
        .collect();
    Decision { blockers, lints: lints.found, allowed_lints: lints.allowed, verdicts, plan }
}

fn forced_in_vain(name: StrategyName, preferred: Option<StrategyName>) -> Reason {
    let remedy = match preferred {
        Some(other) => format!("--strategy {other} fits; or leave --strategy out"),
        None => "no other strategy fits either: see the verdicts".to_owned(),
    };
    Reason::new(Code::Forced, format!("{name} was asked for and does not fit"), remedy)
}

fn write_plan(
    strategy: &dyn Strategy,
    fit: &Fit,
    facts: &Facts,
    alter: &Alter,
    wishes: &Options,
    preferred: Option<StrategyName>,
) -> Plan {
    let draft = strategy.plan(fit, facts, alter, wishes);
    let (steps, costs) = draft.steps.into_iter().unzip();
    let mut warnings = fit.remarks.clone();
    if let Some(other) = preferred.filter(|other| *other != strategy.name()) {
        let what = format!("{} was asked for; driftless would choose {other}", strategy.name());
        warnings.push(Reason::new(Code::Forced, what, "leave --strategy out to follow the preference"));
    }
    let (cluster, epoch) = match &facts.topology {
        Topology::Single => (None, None),
        Topology::Galera { uuid, epoch, .. } => (Some(uuid.clone()), Some(*epoch)),
    };
    Plan {
        format: fit.work.format(),
        strategy: strategy.name(),
        table: facts.name.clone(),
        alter: alter.text(),
        options: Options { target: None, ..wishes.clone() },
        cluster,
        epoch,
        nodes: nodes(facts),
        fingerprint: facts.nodes.iter().find_map(|node| node.fingerprint.clone()).unwrap_or(Fingerprint(String::new())),
        work: fit.work.clone(),
        steps,
        costs,
        estimate: draft.estimate,
        warnings,
    }
}

fn nodes(facts: &Facts) -> Vec<PlanNode> {
    let plan_node = |node: &crate::facts::Node| PlanNode {
        name: node.name.clone(),
        address: node.address.clone(),
        identity: node.identity.clone(),
        flavour: node.flavour,
        version: node.version,
    };
    facts.nodes.iter().map(plan_node).collect()
}

/// Which nodes, as a sentence has it.
pub(crate) fn on(names: &[&str], facts: &Facts) -> String {
    if names.len() > 1 && names.len() == facts.nodes.len() { "every node".to_owned() } else { list(names) }
}

/// Groups what nodes say by the text, in the order in which it first appears.
pub(crate) fn grouped<'a>(
    facts: &'a Facts,
    says: impl Fn(&'a crate::facts::Node) -> Vec<String>,
) -> Vec<(String, Vec<&'a str>)> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for node in &facts.nodes {
        for text in says(node) {
            match groups.iter_mut().find(|(known, _)| *known == text) {
                Some((_, names)) => names.push(&node.name),
                None => groups.push((text, vec![&node.name])),
            }
        }
    }
    groups
}

/// Whether a node's variable is known and has that value; `1` is `ON`.
pub(crate) fn is_set(node: &crate::facts::Node, name: &str, value: &str) -> bool {
    let same = |seen: &String| {
        seen.eq_ignore_ascii_case(value)
            || (value == "ON" && (seen == "1" || seen.eq_ignore_ascii_case("YES")))
            || (value == "OFF" && (seen == "0" || seen.eq_ignore_ascii_case("NO")))
    };
    node.variables.get(name).is_some_and(same)
}
