//! `plan --facts`: the same judgement with no server in reach.

use std::path::{Path, PathBuf};

use driftless_strategies::choose::{Options, choose};
use driftless_strategies::facts::DryRun;
use driftless_strategies::{Alter, ClauseKind, Facts, Ident, TableName};

use super::args::ChangeArgs;
use super::error::CliError;
use super::gather::{Asked, Judged, options};
use crate::inspect;

const CANT_READ: &str = "the facts can't be read";
const OTHER_FILE: &str = "name a file that `driftless inspect --out` of this version wrote, or inspect again";

/// Facts from files, one table each.
pub(super) struct Offline {
    files: Vec<(PathBuf, Facts)>,
}

impl Offline {
    /// Reads the files.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, CliError> {
        let mut read: Vec<(PathBuf, Facts)> = Vec::new();
        for file in files {
            let facts = load(file)?;
            if let Some((other, _)) = read.iter().find(|(_, known)| known.name == facts.name) {
                return Err(CliError::File(
                    "two files have the facts of one table",
                    file.clone(),
                    format!("{} is about {} too", other.display(), facts.name),
                    "leave one of them out",
                ));
            }
            read.push((file.clone(), facts));
        }
        Ok(Self { files: read })
    }

    /// Judges the change that flags name.
    pub(super) fn judge(&self, change: &ChangeArgs) -> Result<Judged, CliError> {
        let asked = Asked::of(change)?;
        let wishes = options(change)?;
        // All files are of one cluster, as far as anybody can tell; mixed versions are refused by the judgement.
        let Some(node) = self.files.first().and_then(|(_, facts)| facts.nodes.first()) else {
            return Err(CliError::Usage("--facts names no server".into(), OTHER_FILE.into()));
        };
        let (table, alter) = asked.read(node.flavour, node.version)?;
        let Some((_, known)) = self.files.iter().find(|(_, facts)| is_of(facts, &table)) else {
            return Err(self.about_others(&table));
        };
        Ok(judged(known.clone(), alter, &wishes, "a file of facts"))
    }

    fn about_others(&self, table: &TableName) -> CliError {
        let (first, rest) = match self.files.split_first() {
            Some(((file, _), rest)) => (file.clone(), rest),
            None => (PathBuf::new(), &[][..]),
        };
        let about: Vec<String> = self.files.iter().map(|(_, facts)| facts.name.to_string()).collect();
        let what = if rest.is_empty() { "the facts are about another table" } else { "no facts are about the table" };
        CliError::File(
            what,
            first,
            format!("{table} is to be changed, and the facts are about {}", about.join(", ")),
            "name the file of that table, or make it where the servers can be reached: driftless inspect --table \
             DB.TABLE --out FILE",
        )
    }
}

/// Judges from facts that no server has had a say in; `from` says what they were read from.
pub(super) fn judged(known: Facts, alter: Alter, wishes: &Options, from: &str) -> Judged {
    let facts = Facts { dry_run: DryRun::Impossible { why: untried(&alter, from) }, ..known };
    let decision = choose(&facts, &alter, wishes);
    Judged { facts, alter, decision, unsure: Vec::new() }
}

fn load(file: &Path) -> Result<Facts, CliError> {
    let bad = |why: String| CliError::File(CANT_READ, file.to_owned(), why, OTHER_FILE);
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    inspect::read_facts(&text).map_err(|error| bad(error.to_string()))
}

/// Whether the facts are about that table, as the servers compare names.
fn is_of(facts: &Facts, table: &TableName) -> bool {
    let caseless = facts.nodes.first().and_then(|node| node.variables.get("lower_case_table_names"));
    let folds = caseless.is_some_and(|value| value != "0");
    let lower = |name: &TableName| name.quoted().to_lowercase();
    facts.name == *table || (folds && lower(&facts.name) == lower(table))
}

/// What nobody has done without a server, in words.
fn untried(alter: &Alter, from: &str) -> String {
    let mut why = format!(
        "the plan is made from {from}, so that no server has tried the statement, and nobody has looked for rows in its \
         way or for another job on the table"
    );
    let mut names: Vec<&Ident> = Vec::new();
    for clause in &alter.clauses {
        if let ClauseKind::ModifyColumn { name } | ClauseKind::ChangeColumn { from: name, .. } = &clause.kind {
            names.push(name);
        }
    }
    if !names.is_empty() {
        let names: Vec<String> = names.into_iter().map(Ident::quoted).collect();
        why.push_str("; whether values of ");
        why.push_str(&names.join(", "));
        why.push_str(" survive the new definition is not judged");
    }
    why
}
