//! One event as it came.

use super::error::DecodeError;

/// Numbers of event types.
///
/// # Source
/// MySQL, `Log_event_type` (binlog_event.h); MariaDB, "Replication Protocol".
pub mod kind {
    /// DDL, BEGIN, COMMIT and other statements.
    pub const QUERY: u8 = 2;
    /// The server ended its file when it stopped.
    pub const STOP: u8 = 3;
    /// The binlog goes on in another file.
    pub const ROTATE: u8 = 4;
    /// A value that the next statement uses.
    pub const INTVAR: u8 = 5;
    /// A piece of a file for LOAD DATA by statement.
    pub const APPEND_BLOCK: u8 = 9;
    /// The seed of the next statement.
    pub const RAND: u8 = 13;
    /// A user's variable that the next statement uses.
    pub const USER_VAR: u8 = 14;
    /// How the events of a file are written; its first.
    pub const FORMAT_DESCRIPTION: u8 = 15;
    /// COMMIT, with a number.
    pub const XID: u8 = 16;
    /// The first piece of a file for LOAD DATA by statement.
    pub const BEGIN_LOAD_QUERY: u8 = 17;
    /// LOAD DATA by statement.
    pub const EXECUTE_LOAD_QUERY: u8 = 18;
    /// Which table the rows that follow are of.
    pub const TABLE_MAP: u8 = 19;
    /// Rows: new.
    pub const WRITE_ROWS_V1: u8 = 23;
    /// Rows: before and after.
    pub const UPDATE_ROWS_V1: u8 = 24;
    /// Rows: gone.
    pub const DELETE_ROWS_V1: u8 = 25;
    /// Something is missing here.
    pub const INCIDENT: u8 = 26;
    /// Nothing happened.
    pub const HEARTBEAT: u8 = 27;
    /// Rows: new.
    pub const WRITE_ROWS: u8 = 30;
    /// Rows: before and after.
    pub const UPDATE_ROWS: u8 = 31;
    /// Rows: gone.
    pub const DELETE_ROWS: u8 = 32;
    /// A transaction begins, with a number.
    pub const GTID: u8 = 33;
    /// A transaction begins, without one.
    pub const ANONYMOUS_GTID: u8 = 34;
    /// What the files before had.
    pub const PREVIOUS_GTIDS: u8 = 35;
    /// Group Replication's view of a transaction.
    pub const TRANSACTION_CONTEXT: u8 = 36;
    /// Group Replication's members.
    pub const VIEW_CHANGE: u8 = 37;
    /// XA PREPARE.
    pub const XA_PREPARE: u8 = 38;
    /// Rows: before, and what became of JSON values.
    pub const PARTIAL_UPDATE_ROWS: u8 = 39;
    /// A whole transaction, compressed.
    pub const TRANSACTION_PAYLOAD: u8 = 40;
    /// Nothing happened, with a longer position.
    pub const HEARTBEAT_V2: u8 = 41;
    /// A transaction begins, with a number and a tag.
    pub const GTID_TAGGED: u8 = 42;
    /// MariaDB: the statement that made the rows.
    pub const ANNOTATE_ROWS: u8 = 160;
    /// MariaDB: which files a recovery would need.
    pub const BINLOG_CHECKPOINT: u8 = 161;
    /// MariaDB: a transaction begins.
    pub const MARIADB_GTID: u8 = 162;
    /// MariaDB: what the files before had.
    pub const GTID_LIST: u8 = 163;
    /// MariaDB: the file is encrypted from here on; the server sends it in clear.
    pub const START_ENCRYPTION: u8 = 164;
    /// MariaDB: `QUERY`, compressed.
    pub const QUERY_COMPRESSED: u8 = 165;
    /// MariaDB: rows, compressed.
    pub const WRITE_ROWS_COMPRESSED_V1: u8 = 166;
    /// MariaDB: rows, compressed.
    pub const UPDATE_ROWS_COMPRESSED_V1: u8 = 167;
    /// MariaDB: rows, compressed.
    pub const DELETE_ROWS_COMPRESSED_V1: u8 = 168;
    /// MariaDB: rows, compressed.
    pub const WRITE_ROWS_COMPRESSED: u8 = 169;
    /// MariaDB: rows, compressed.
    pub const UPDATE_ROWS_COMPRESSED: u8 = 170;
    /// MariaDB: rows, compressed.
    pub const DELETE_ROWS_COMPRESSED: u8 = 171;
}

/// The file is open for writing (only in the file, not in the checksum).
const IN_USE: u16 = 0x1;
/// The server made the event for the connection; it is in no file.
const ARTIFICIAL: u16 = 0x20;
/// Who does not know the event may pass over it.
const IGNORABLE: u16 = 0x80;

/// What guards an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// CRC32 as it came.
    pub crc: [u8; 4],
    /// The byte for the kind of checksum, which the format description has between body and checksum.
    pub algorithm: Option<u8>,
}

/// One event: its header, and its body without checksum.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Seconds since 1970.
    pub timestamp: u32,
    /// Its type.
    pub kind: u8,
    /// The server that it was first written on.
    pub server_id: u32,
    /// Bytes, with header and checksum.
    pub size: u32,
    /// Where it ends in the file, as far as 32 bits can say.
    pub end: u32,
    /// Flags.
    pub flags: u16,
    /// The rest.
    pub body: &'a [u8],
    /// Its checksum, when the server writes them.
    pub checksum: Option<Checksum>,
}

impl Event<'_> {
    /// Checks the checksum.
    ///
    /// # Errors
    /// `Checksum`.
    pub fn verify(&self) -> Result<(), DecodeError> {
        let Some(checksum) = self.checksum else { return Ok(()) };
        let mut crc = self.crc(self.body);
        if let Some(algorithm) = checksum.algorithm {
            crc.update(&[algorithm]);
        }
        if crc.finalize().to_le_bytes() == checksum.crc { Ok(()) } else { Err(DecodeError::Checksum) }
    }

    fn crc(&self, body: &[u8]) -> crc32fast::Hasher {
        let flags = if self.kind == kind::FORMAT_DESCRIPTION { self.flags & !IN_USE } else { self.flags };
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.timestamp.to_le_bytes());
        crc.update(&[self.kind]);
        crc.update(&self.server_id.to_le_bytes());
        crc.update(&self.size.to_le_bytes());
        crc.update(&self.end.to_le_bytes());
        crc.update(&flags.to_le_bytes());
        crc.update(body);
        crc
    }

    /// The body without a checksum that nobody announced: before the format description it is not known whether there
    /// is one.
    pub(super) fn bare_body(&self) -> &[u8] {
        match self.body.split_last_chunk::<4>() {
            Some((body, last)) if self.checksum.is_none() && self.crc(body).finalize().to_le_bytes() == *last => body,
            Some(_) | None => self.body,
        }
    }

    /// Whether it is in no file, so that its end says nothing.
    pub(super) const fn artificial(&self) -> bool {
        self.flags & ARTIFICIAL != 0 || self.end == 0
    }

    /// Whether the server says that it may be passed over.
    pub(super) const fn ignorable(&self) -> bool {
        self.flags & IGNORABLE != 0
    }
}
