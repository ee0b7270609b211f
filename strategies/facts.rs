//! Everything that a decision may rest on, as plain data: it can be written to a file and read back (`plan --facts`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::TableName;
use crate::shape::{Fingerprint, TableShape};

/// Which server family it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// MariaDB, with or without Galera.
    MariaDb,
    /// Oracle's MySQL or Percona Server, with or without Galera.
    MySql,
}

/// A server version; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// 10 in 10.11.19.
    pub major: u32,
    /// 11 in 10.11.19.
    pub minor: u32,
    /// 19 in 10.11.19.
    pub patch: u32,
}

impl Version {
    /// Puts the three together.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

/// How the servers hang together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Topology {
    /// One server that takes writes, with or without asynchronous replicas.
    Single,
    /// A Galera cluster.
    Galera {
        /// `wsrep_cluster_state_uuid`.
        uuid: String,
        /// `wsrep_cluster_conf_id`: the epoch of the view that the facts were read in.
        epoch: u64,
        /// `wsrep_cluster_size`, arbitrators included.
        size: u32,
        /// Members without a client address (garbd).
        arbitrators: u32,
    },
}

/// An asynchronous replication channel that writes into a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its name; empty for the default one.
    pub name: String,
    /// `host:port` of its primary.
    pub source: String,
    /// Whether its applier runs.
    pub running: bool,
}

/// A replica that reads from a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// `host:port` as far as the node knows it.
    pub address: String,
    /// The node that it reads from.
    pub of: String,
}

/// What is free on a file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Its highest directory, which tells it from others of the same node.
    pub path: String,
    /// Bytes that the server may still write.
    pub free_bytes: u64,
}

/// One server, asked directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `wsrep_node_name`, else the address.
    pub name: String,
    /// `host:port` or socket that driftless reached it by.
    pub address: String,
    /// What tells this server from any other: `server_uuid`, or `wsrep_gcomm_uuid` on MariaDB Galera.
    pub identity: String,
    /// Family.
    pub flavour: Flavour,
    /// Version.
    pub version: Version,
    /// `@@version`, whole.
    pub version_text: String,
    /// Why it can't take part now, each in words; empty when it is fit (Primary, Synced, ready, …).
    pub unfit: Vec<String>,
    /// `@@read_only` or `@@super_read_only`.
    pub read_only: bool,
    /// Session and global variables that a decision may need, by lower-case name.
    pub variables: BTreeMap<String, String>,
    /// Channels that write into it.
    pub channels: Vec<Channel>,
    /// The table's fingerprint here; `None` when the table is not here.
    pub fingerprint: Option<Fingerprint>,
    /// Tables and triggers of driftless, pt-online-schema-change or gh-ost for this table, in words.
    pub leftovers: Vec<String>,
    /// What holds an explicit metadata lock or a backup here, in words.
    pub holders: Vec<String>,
    /// Open transactions older than the limit, in words, oldest first.
    pub old_transactions: Vec<String>,
    /// Open transactions that use the table, or may, in words: what an ordered DDL on it aborts. Files of before this was
    /// asked have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_transactions: Vec<String>,
    /// Whether it takes `wsrep_OSU_method = 'NBO'`, which was tried; files of before it was have `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub non_blocking: bool,
    /// Its binlog, when it writes one; files of before this was asked have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binlog: Option<Binlog>,
    /// Where the table's rows are kept; `None` when nobody could look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
    /// Where the binlog is kept; `None` when nobody could look, or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binlog_disk: Option<Disk>,
}

/// What a node's binlog can be used for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binlog {
    /// Settings that leave changes out of it, each as `name = value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// Privileges that following it needs and the user lacks, each as one would GRANT it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_privileges: Vec<String>,
    /// Seconds after which the server removes its files; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_s: Option<u64>,
}

/// How big and how busy the table is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Estimated rows.
    pub rows: u64,
    /// Bytes of rows.
    pub data_bytes: u64,
    /// Bytes of secondary indexes.
    pub index_bytes: u64,
    /// Average bytes of a row.
    pub row_bytes: u64,
    /// Longest open transaction on any node, seconds.
    pub longest_transaction_s: u64,
    /// The next AUTO_INCREMENT value; `None` when the table has none, or an older driftless read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_increment: Option<u64>,
    /// Row versions that instant changes have made of the table on MySQL, on the node with most; `None` when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_versions: Option<u32>,
}

/// What a dry run of the alter on a temporary table gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DryRun {
    /// Every node accepted it; the table would look like this.
    Accepted {
        /// Columns and keys of the altered table (foreign keys and partitions are not in it).
        shape: Box<TableShape>,
    },
    /// A node refused it.
    Rejected {
        /// Which node.
        node: String,
        /// Its error number.
        code: u16,
        /// Its words.
        message: String,
    },
    /// It can't be tried on a temporary table (partitions, full-text keys, foreign key clauses).
    Impossible {
        /// Why.
        why: String,
    },
}

/// All that is known. `choose` sees nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// How the servers hang together.
    pub topology: Topology,
    /// Every server that takes part, the one that driftless copies on first.
    pub nodes: Vec<Node>,
    /// Replicas that read from them.
    pub replicas: Vec<Replica>,
    /// Members of the cluster that were not reached, in words.
    pub unreached: Vec<String>,
    /// The table.
    pub name: TableName,
    /// Its shape on the first node.
    pub table: TableShape,
    /// The dry run.
    pub dry_run: DryRun,
    /// Sizes.
    pub load: Load,
    /// Privileges that a run needs and the user lacks, each as one would GRANT it.
    pub missing_privileges: Vec<String>,
    /// What nobody has looked at and was assumed, in words; empty when all of it comes from servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
}
