//! The events that say where and what, not rows.

use super::bytes::Bytes;
use super::error::DecodeError;
use super::event::{Event, kind};
use super::inflate;

/// The only version of the format since MySQL 5.0.
const FORMAT: u16 = 4;
/// Bytes of an event's header in it.
const HEADER: u8 = 19;

/// Bytes of the fixed parts of events that are read here, which the format description must agree with.
const FIXED: [(u8, u8); 7] = [
    (kind::TABLE_MAP, 8),
    (kind::WRITE_ROWS_V1, 8),
    (kind::UPDATE_ROWS_V1, 8),
    (kind::DELETE_ROWS_V1, 8),
    (kind::WRITE_ROWS, 10),
    (kind::UPDATE_ROWS, 10),
    (kind::DELETE_ROWS, 10),
];

/// Checks that the file is written as this room reads it.
pub(super) fn check_format(body: &[u8]) -> Result<(), DecodeError> {
    let mut bytes = Bytes::new(body, "a format description");
    let version = bytes.u16()?;
    bytes.take(50 + 4)?;
    if version != FORMAT || bytes.u8()? != HEADER {
        return Err(DecodeError::Order("the binlog has a format that is not known"));
    }
    for (kind, expected) in FIXED {
        // One byte for each type, from 1; a server that does not know a type never writes it.
        if bytes.rest().get(usize::from(kind) - 1).is_some_and(|length| *length != expected && *length != 0) {
            return Err(DecodeError::Order("the binlog was written by a server that is too old"));
        }
    }
    Ok(())
}

/// Where a ROTATE leads: file and offset.
pub(super) fn rotate(event: &Event<'_>) -> Result<(String, u64), DecodeError> {
    let mut bytes = Bytes::new(event.bare_body(), "a rotate event");
    let offset = bytes.u64()?;
    Ok((String::from_utf8_lossy(bytes.rest()).into_owned(), offset))
}

/// A statement and its default schema.
pub(super) struct Query<'a> {
    pub(super) schema: &'a [u8],
    pub(super) statement: &'a [u8],
}

/// Reads a statement; a compressed one is unpacked into `unpacked`.
pub(super) fn query<'a>(event: &Event<'a>, unpacked: &'a mut Vec<u8>) -> Result<Query<'a>, DecodeError> {
    let mut bytes = Bytes::new(event.body, "a query event");
    bytes.take(8)?;
    let schema = usize::from(bytes.u8()?);
    bytes.take(2)?;
    let variables = usize::from(bytes.u16()?);
    if event.kind == kind::EXECUTE_LOAD_QUERY {
        bytes.take(13)?;
    }
    bytes.take(variables)?;
    let schema = bytes.take(schema)?;
    bytes.take(1)?;
    let mut statement = bytes.rest();
    if event.kind == kind::QUERY_COMPRESSED {
        inflate::event(statement, unpacked)?;
        statement = unpacked;
    }
    Ok(Query { schema, statement })
}

/// The number of an XID event.
pub(super) fn xid(body: &[u8]) -> Result<u64, DecodeError> {
    Bytes::new(body, "an XID event").u64()
}

/// What MariaDB says when a transaction begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MariaDbGtid {
    pub(super) domain: u32,
    pub(super) sequence: u64,
    /// One statement that ends by itself: no COMMIT follows.
    pub(super) standalone: bool,
}

/// # Source
/// MariaDB, "GTID_EVENT": bit 0 is FL_STANDALONE.
pub(super) fn mariadb_gtid(body: &[u8]) -> Result<MariaDbGtid, DecodeError> {
    let mut bytes = Bytes::new(body, "a GTID event");
    let (sequence, domain, flags) = (bytes.u64()?, bytes.u32()?, bytes.u8()?);
    Ok(MariaDbGtid { domain, sequence, standalone: flags & 1 == 1 })
}

/// What MySQL says when a transaction begins: the source's uuid and the number.
pub(super) fn mysql_gtid(body: &[u8]) -> Result<([u8; 16], u64), DecodeError> {
    let mut bytes = Bytes::new(body, "a GTID event");
    bytes.take(1)?;
    Ok((bytes.array()?, bytes.u64()?))
}

/// Bytes that a compressed transaction has when it is unpacked.
///
/// # Source
/// MySQL, `Transaction_payload_event`: fields of type, length, value, all of variable length; 0 ends them, 3 is the size, 2
/// the algorithm (0 is zstd).
pub(super) fn payload_size(body: &[u8]) -> Result<u64, DecodeError> {
    let mut bytes = Bytes::new(body, "a compressed transaction");
    let (mut size, mut algorithm) = (None, None);
    loop {
        let field = bytes.packed()?;
        if field == 0 {
            break;
        }
        let length = bytes.packed_length()?;
        let mut value = Bytes::new(bytes.take(length)?, "a compressed transaction");
        match field {
            2 => algorithm = Some(value.packed()?),
            3 => size = Some(value.packed()?),
            _ => {}
        }
    }
    match (algorithm, size) {
        (Some(0), Some(size)) => Ok(size),
        (Some(other), _) if other != 0 => Err(DecodeError::Compressed(format!("algorithm {other} is not known"))),
        (_, _) => Err(DecodeError::Compressed("it does not say how".into())),
    }
}
