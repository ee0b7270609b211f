//! `plan --schema`: the judgement of a table that only a file describes. What a file can't know is assumed, and said.

use std::path::{Path, PathBuf};

use driftless_strategies::facts::{DryRun, Facts, Load, Node, Topology};
use driftless_strategies::words::{bytes, many};
use driftless_strategies::{Fingerprint, Flavour, Ident, TableName};

use super::args::ChangeArgs;
use super::error::CliError;
use super::gather::{Asked, Judged, options};
use super::offline::judged;
use super::schema_args::{SchemaArgs, ServerVersion};
use crate::ddl::{self, SchemaTable};
use crate::inspect;

const CANT_READ: &str = "the schema can't be read";
const OTHER_FILE: &str =
    "name a file of CREATE TABLE statements, as `mysqldump --no-data` or SHOW CREATE TABLE writes it";
/// Bytes of a row when only the number of rows is told, or the other way round.
const ROW_BYTES: u64 = 100;
/// Settings that a server has when it is set up as driftless needs it.
const AS_NEEDED: [(&str, &str); 5] = [
    ("binlog_format", "ROW"),
    ("binlog_row_image", "FULL"),
    ("log_bin", "ON"),
    ("log_replica_updates", "ON"),
    ("log_slave_updates", "ON"),
];
/// What tells which file has been read with other bytes than it has.
const NOT_UTF8: &str = "is not UTF-8 everywhere; what is not was read as \u{fffd}";

/// Schema files, and what else was told of the servers.
pub(super) struct SchemaFiles {
    files: Vec<(PathBuf, String)>,
    args: SchemaArgs,
    server: ServerVersion,
    assumed: Vec<String>,
}

impl SchemaFiles {
    /// Reads the files.
    pub(super) fn read(args: &SchemaArgs) -> Result<Self, CliError> {
        let mut assumed = Vec::new();
        let mut files = Vec::new();
        for path in &args.schema {
            let bad = |why: String| CliError::File(CANT_READ, path.clone(), why, OTHER_FILE);
            let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if text.as_bytes() != bytes {
                assumed.push(format!("{} {NOT_UTF8}", path.display()));
            }
            files.push((path.clone(), text));
        }
        let told = files.iter().find_map(|(_, text)| ddl::dump_version(text));
        let of_dump = told.map(|(flavour, version)| ServerVersion { flavour, version });
        let Some(server) = args.server_version.or(of_dump) else {
            return Err(CliError::Usage(
                "--schema does not say for which server: the file has no version in its first lines".into(),
                "add --server-version, for example --server-version 10.11 or --server-version mysql-8.0.36".into(),
            ));
        };
        let source = if args.server_version.is_some() { "--server-version" } else { "the dump's first lines" };
        assumed.insert(0, servers(server, args.galera, source));
        Ok(Self { files, args: args.clone(), server, assumed })
    }

    /// Judges the change that flags name.
    pub(super) fn judge(&self, change: &ChangeArgs) -> Result<Judged, CliError> {
        let asked = Asked::of(change)?;
        let wishes = options(change)?;
        let (name, alter) = asked.read(self.server.flavour, self.server.version)?;
        let tables = self.tables(&name.schema)?;
        let Some((path, table)) = tables.iter().find(|(_, table)| table.name == name) else {
            return Err(self.about_others(&name, &tables));
        };
        let facts = self.facts(path, table)?;
        Ok(judged(facts, alter, &wishes, "a schema file"))
    }

    /// All tables of all files; names without schema lie in that of the table that is changed.
    fn tables(&self, schema: &Ident) -> Result<Vec<(&Path, SchemaTable)>, CliError> {
        let mut all: Vec<(&Path, SchemaTable)> = Vec::new();
        for (path, text) in &self.files {
            let read = ddl::read_schema(text, schema, self.server.flavour, self.server.version);
            let bad = |why: String| CliError::File(CANT_READ, path.clone(), why, OTHER_FILE);
            for table in read.map_err(|error| bad(error.to_string()))? {
                if let Some((other, _)) = all.iter().find(|(_, known)| known.name == table.name) {
                    return Err(bad(format!("{} has a table {} too", other.display(), table.name)));
                }
                all.push((path, table));
            }
        }
        Ok(linked(all))
    }

    fn about_others(&self, name: &TableName, tables: &[(&Path, SchemaTable)]) -> CliError {
        let known: Vec<String> = tables.iter().take(5).map(|(_, table)| table.name.to_string()).collect();
        let has = match tables.len() {
            0 => "no table at all".to_owned(),
            few if few <= known.len() => known.join(", "),
            more => format!("{} and {} more", known.join(", "), more - known.len()),
        };
        let file = self.files.first().map_or_else(PathBuf::new, |(path, _)| path.clone());
        CliError::File(
            "the schema has no such table",
            file,
            format!("{name} is to be changed, and the schema has {has}"),
            "correct --table, or name the file that has the table; names without a schema in it are taken for those of \
             the schema in --table",
        )
    }

    fn facts(&self, path: &Path, table: &SchemaTable) -> Result<Facts, CliError> {
        let fingerprint = inspect::fingerprint(&table.shape)?;
        let count = self.args.galera.unwrap_or(1);
        let mut assumed = self.assumed.clone();
        let (load, size) = self.load(table);
        assumed.push(size);
        if table.default_charset {
            assumed.push(format!(
                "{} names no character set for the table: {}, the default of that version",
                path.display(),
                table.shape.collation
            ));
        }
        assumed.push(
            "no other table refers to this one by a foreign key, or has a trigger that uses it, beyond those in the files"
                .to_owned(),
        );
        Ok(Facts {
            topology: match self.args.galera {
                Some(size) => Topology::Galera { uuid: String::new(), epoch: 0, size, arbitrators: 0 },
                None => Topology::Single,
            },
            nodes: (1..=count).map(|number| self.node(number, &fingerprint)).collect(),
            replicas: Vec::new(),
            unreached: Vec::new(),
            name: table.name.clone(),
            table: table.shape.clone(),
            dry_run: DryRun::Impossible { why: String::new() },
            load,
            missing_privileges: Vec::new(),
            assumed,
        })
    }

    /// A node as driftless would have it.
    fn node(&self, number: u32, fingerprint: &Fingerprint) -> Node {
        let version = self.server.version;
        Node {
            name: format!("node{number}"),
            address: String::new(),
            identity: String::new(),
            flavour: self.server.flavour,
            version,
            version_text: format!("{}.{}.{}", version.major, version.minor, version.patch),
            unfit: Vec::new(),
            read_only: false,
            variables: AS_NEEDED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            channels: Vec::new(),
            fingerprint: Some(fingerprint.clone()),
            leftovers: Vec::new(),
            holders: Vec::new(),
            old_transactions: Vec::new(),
            open_transactions: Vec::new(),
            non_blocking: false,
            binlog: None,
            disk: None,
            binlog_disk: None,
        }
    }

    /// Sizes as they were told, and what that rests on.
    fn load(&self, table: &SchemaTable) -> (Load, String) {
        let (rows, data_bytes, why) = match (self.args.rows, self.args.bytes) {
            (Some(rows), Some(size)) => (rows, size, "as --rows and --bytes say"),
            (Some(rows), None) => (rows, rows.saturating_mul(ROW_BYTES), "as --rows says, 100 bytes each"),
            (None, Some(size)) => (size / ROW_BYTES, size, "as --bytes says, 100 bytes each"),
            (None, None) => (0, 0, ""),
        };
        let row_bytes = data_bytes.checked_div(rows).unwrap_or(0);
        let load = Load { rows, data_bytes, row_bytes, auto_increment: table.auto_increment, ..Load::default() };
        let told = if why.is_empty() {
            "the table is empty, for neither --rows nor --bytes is given: times and sizes below are those of no rows"
                .into()
        } else {
            format!("{}, {} of rows, {why}; the size of its indexes is not known", many(rows, "row"), bytes(data_bytes))
        };
        (load, told)
    }
}

/// The foreign keys between tables of different files too.
fn linked(mut tables: Vec<(&Path, SchemaTable)>) -> Vec<(&Path, SchemaTable)> {
    let keys: Vec<_> = tables.iter().flat_map(|(_, table)| table.shape.foreign_keys.clone()).collect();
    for (_, table) in &mut tables {
        let name = table.name.clone();
        let to_it = keys.iter().filter(|key| key.parent_schema == name.schema && key.parent_table == name.table);
        table.shape.referenced_by = to_it.cloned().collect();
        let order = |key: &driftless_strategies::ForeignKey| (key.schema.clone(), key.table.clone(), key.name.clone());
        table.shape.referenced_by.sort_by_key(order);
    }
    tables
}

fn servers(server: ServerVersion, galera: Option<u32>, source: &str) -> String {
    let ServerVersion { flavour, version } = server;
    let family = match flavour {
        Flavour::MariaDb => "MariaDB",
        Flavour::MySql => "MySQL",
    };
    let what = match galera {
        Some(nodes) => format!("a Galera cluster of {}", many(nodes.into(), "node")),
        None => "one server without replicas (--galera N for a cluster)".to_owned(),
    };
    format!(
        "{what}: {family} {}.{}.{} ({source}), all of them well, equal, and set up as driftless needs it",
        version.major, version.minor, version.patch
    )
}
