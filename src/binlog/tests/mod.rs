//! The room against binlogs that real servers wrote, and against bytes that none did.

mod captured;
mod random;
mod statements;

use driftless_strategies::plan::{ChunkKey, ColumnPair, Compare, KeyColumn, Literal};
use driftless_strategies::{Column, CopySpec, Ident, TableName, TableShape};

use super::{Checksum, Event, Follower, Watch, kind};
use crate::ports::changes::{Change, Position};

fn column(name: &str, column_type: &str, charset: Option<&str>) -> Column {
    let end = column_type.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(column_type.len());
    Column {
        name: Ident::new(name).unwrap(),
        data_type: column_type[..end].to_owned(),
        column_type: column_type.to_owned(),
        nullable: false,
        default: None,
        extra: String::new(),
        charset: charset.map(str::to_owned),
        collation: None,
        generated: None,
        expression: None,
        invisible: false,
        comment: String::new(),
    }
}

/// `s.t (id mediumint, k varchar(20) latin1, v longtext)`, keyed by the first two.
fn watch() -> Watch {
    let columns = vec![
        column("id", "mediumint(9)", None),
        column("k", "varchar(20)", Some("latin1")),
        column("v", "longtext", Some("utf8mb4")),
    ];
    let names: Vec<Ident> = columns.iter().map(|column| column.name.clone()).collect();
    let pair = |name: &Ident| ColumnPair { source: name.clone(), shadow: name.clone(), compare: Compare::Same };
    let key = |name: &Ident, literal| KeyColumn { source: name.clone(), shadow: name.clone(), literal };
    let primary = Ident::new("PRIMARY").unwrap();
    let shape = TableShape { columns, ..TableShape::default() };
    let table = |name: &str| TableName::parse(name).unwrap();
    let spec = CopySpec {
        source: table("s.t"),
        shadow: table("s._t_shadow"),
        retired: table("s._t_retired"),
        columns: names.iter().map(pair).collect(),
        key: ChunkKey {
            source_index: primary.clone(),
            shadow_index: primary,
            columns: vec![key(&names[0], Literal::Number), key(&names[1], Literal::Text { charset: "latin1".into() })],
        },
        new_unique: vec![],
        zero_dates: false,
        target: shape.clone(),
    };
    Watch::new(&spec, &shape, false).unwrap()
}

fn place(offset: u64) -> Position {
    let file = "bin.000001".to_owned();
    Position { server: "a".into(), file, offset, began: None, gtid: Some(String::new()), xid: None }
}

/// One event of a file: its header and body as they are there.
#[derive(Clone)]
struct Stored {
    bytes: Vec<u8>,
    summed: bool,
}

impl Stored {
    fn event(&self) -> Event<'_> {
        let number = |at: usize| u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap());
        let format = self.bytes[4] == kind::FORMAT_DESCRIPTION;
        let tail = if self.summed { 4 + usize::from(format) } else { 0 };
        let end = self.bytes.len() - tail;
        let checksum = self.summed.then(|| Checksum {
            crc: self.bytes[self.bytes.len() - 4..].try_into().unwrap(),
            algorithm: format.then(|| self.bytes[end]),
        });
        Event {
            timestamp: number(0),
            kind: self.bytes[4],
            server_id: number(5),
            size: number(9),
            end: number(13),
            flags: u16::from_le_bytes(self.bytes[17..19].try_into().unwrap()),
            body: &self.bytes[19..end],
            checksum,
        }
    }
}

/// The events of a file with checksums.
fn stored(file: &[u8]) -> Vec<Stored> {
    let mut rest = &file[4..];
    let mut all = Vec::new();
    while !rest.is_empty() {
        let size = usize::try_from(u32::from_le_bytes(rest[9..13].try_into().unwrap())).unwrap();
        all.push(Stored { bytes: rest[..size].to_vec(), summed: true });
        rest = &rest[size..];
    }
    all
}

/// All changes of the events.
fn follow(mut follower: Follower, events: &[Stored]) -> Result<Vec<Change>, super::DecodeError> {
    let mut changes = Vec::new();
    for stored in events {
        let event = stored.event();
        follower.accept(&event)?;
        while let Some(change) = follower.next(event.body)? {
            changes.push(change);
        }
    }
    Ok(changes)
}
