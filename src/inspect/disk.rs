//! How much is free where a node keeps its rows and its binlog, as far as anybody lets us know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use driftless_strategies::Ident;
use driftless_strategies::facts::{Disk, Flavour, Node};

use crate::config::machine;
use crate::ports::server::{Row, Session};
use crate::sql::catalog;

use super::session::text;

/// What is free for rows, and for the binlog; `None` where nobody could look, or there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) rows: Option<Disk>,
    pub(crate) binlog: Option<Disk>,
}

/// Looks itself, when the server runs on this machine; else asks it, when it has MariaDB's plugin DISKS. What can't be
/// known is `None`: a question that is not answered never stands in a plan's way.
pub(crate) async fn space(
    session: &mut dyn Session,
    node: &Node,
    schema: &Ident,
    variables: &BTreeMap<String, String>,
) -> Space {
    let Ok(rows) = session.query(&catalog::places()).await else { return Space::default() };
    let Some(places) = rows.first().map(|row| Places::of(row, schema)) else { return Space::default() };
    let told = match node.flavour {
        Flavour::MariaDb => session.query(&catalog::disks()).await.unwrap_or_default(),
        Flavour::MySql => Vec::new(),
    };
    let told: Vec<Disk> = told.iter().filter_map(disk).collect();
    // The plugin leaves out file systems without a device, and what lies on them looks like a part of another.
    let here = is_here(&node.address, &places);
    let find = |place: &Path| if here { seen(place) } else { holding(&told, place) };
    // Tables that share one file take what is free in it first, and nobody says how much that is.
    let shared = variables.get("innodb_file_per_table").is_some_and(|value| value == "OFF");
    // A schema may lie on a file system of its own; the server's own list does not follow links.
    let rows = find(&places.schema).or_else(|| find(&places.data)).filter(|_| !shared);
    Space { rows, binlog: places.binlog.as_deref().and_then(find) }
}

/// Where a server keeps things.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Places {
    data: PathBuf,
    schema: PathBuf,
    binlog: Option<PathBuf>,
    pid_file: PathBuf,
    host: String,
}

impl Places {
    fn of(row: &Row, schema: &Ident) -> Self {
        let data = PathBuf::from(text(row, 0));
        let log = row.text(1).filter(|name| !name.is_empty()).map(PathBuf::from);
        // Other names are written in another way on disk.
        let plain = schema.as_str().chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        Self {
            schema: if plain { data.join(schema.as_str()) } else { data.clone() },
            binlog: log.and_then(|name| data.join(name).parent().map(Path::to_owned)),
            pid_file: data.join(text(row, 2)),
            host: text(row, 3),
            data,
        }
    }
}

/// A row of `information_schema.DISKS`.
fn disk(row: &Row) -> Option<Disk> {
    Some(Disk { path: row.text(0)?, free_bytes: row.u64(1)? })
}

/// The file system that a place lies on: the one with the longest path that leads there.
fn holding(disks: &[Disk], place: &Path) -> Option<Disk> {
    let leads = disks.iter().filter(|disk| place.starts_with(&disk.path));
    leads.max_by_key(|disk| disk.path.len()).cloned()
}

/// Whether the server is a process of this machine: it says this machine's name and a process number that is one of a server
/// here. A loopback address alone may be a tunnel, and a path alone another container's.
fn is_here(address: &str, places: &Places) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let near = address.starts_with('/') || matches!(host, "127.0.0.1" | "localhost" | "[::1]");
    near && machine::name().is_some_and(|name| name == places.host) && machine::runs_server(&places.pid_file)
}

fn seen(place: &Path) -> Option<Disk> {
    let (path, free_bytes) = machine::free(place)?;
    Some(Disk { path: path.display().to_string(), free_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_file_system_that_holds_a_place() {
        let disk = |path: &str, free_bytes| Disk { path: path.into(), free_bytes };
        let disks = [disk("/", 1), disk("/var/lib", 2), disk("/var/lib/mysql/shop", 3), disk("/var/li", 4)];
        let free = |place: &str| holding(&disks, Path::new(place)).map(|disk| disk.free_bytes);
        assert_eq!(free("/var/lib/mysql/"), Some(2));
        assert_eq!(free("/var/lib/mysql/shop"), Some(3));
        assert_eq!(free("/data"), Some(1));
        assert_eq!(holding(&disks[1..], Path::new("/data")), None);
    }

    #[test]
    fn places_are_read_as_servers_tell_them() {
        let row = |values: [&str; 4]| Row(values.map(|value| Some(value.as_bytes().to_vec())).to_vec());
        let shop = Ident::new("shop").unwrap();
        let places = Places::of(&row(["/d/", "/d/binlog", "/run/m.pid", "db1"]), &shop);
        assert_eq!((places.schema.to_str(), places.binlog), (Some("/d/shop"), Some("/d".into())));
        assert_eq!(places.pid_file.to_str(), Some("/run/m.pid"));
        let odd = Places::of(&row(["/d/", "", "m.pid", "db1"]), &Ident::new("ö").unwrap());
        assert_eq!((odd.schema.to_str(), odd.binlog, odd.pid_file.to_str()), (Some("/d/"), None, Some("/d/m.pid")));
    }
}
