//! What MariaDB compresses: events (log_bin_compress) and single values (COMPRESSED columns).

use std::io::Read as _;

use super::bytes::big;
use super::error::DecodeError;

/// Longest event that any server writes, bytes; what claims to be longer is damaged.
const LONGEST: u64 = 1 << 31;

/// Unpacks an event's data into `into`, which is cleared first.
///
/// # Source
/// MariaDB, `binlog_buf_compress` (log_event.cc): one byte with the algorithm (bits 4 to 6, 0 is zlib) and the number of
/// bytes (bits 0 to 2) of the length that follows, highest first; then a zlib stream.
pub(super) fn event(data: &[u8], into: &mut Vec<u8>) -> Result<(), DecodeError> {
    let damaged = || DecodeError::Length("a compressed event");
    let (head, rest) = data.split_first().ok_or_else(damaged)?;
    if head & 0x80 == 0 || head & 0x70 != 0 {
        return Err(DecodeError::Compressed(format!("algorithm {} is not known", head >> 4)));
    }
    let (length, packed) = rest.split_at_checked(usize::from(head & 0x07)).ok_or_else(damaged)?;
    let length = big(length).filter(|length| *length <= LONGEST).ok_or_else(damaged)?;
    unpack(flate2::read::ZlibDecoder::new(packed), length, into)
}

/// Unpacks a value of a COMPRESSED column; `None` when it is damaged.
///
/// # Source
/// MariaDB, `Field_longstr::compress` and `compress_zlib` (field.cc, field_comp.cc): one byte with the method (bits 4 to 7;
/// 0 is none, 8 is zlib), whether the stream has no zlib header (bit 3), and the number of bytes (bits 0 to 2) of the length
/// that follows, highest first. An empty value has no byte at all.
pub(super) fn value(data: &[u8]) -> Option<Vec<u8>> {
    let Some((head, rest)) = data.split_first() else { return Some(Vec::new()) };
    if head >> 4 == 0 {
        return Some(rest.to_vec());
    }
    if head >> 4 != 8 {
        return None;
    }
    let (length, packed) = rest.split_at_checked(usize::from(head & 0x07))?;
    let length = big(length).filter(|length| *length <= LONGEST)?;
    let mut plain = Vec::new();
    let unpacked = if head & 0x08 == 0 {
        unpack(flate2::read::ZlibDecoder::new(packed), length, &mut plain)
    } else {
        unpack(flate2::read::DeflateDecoder::new(packed), length, &mut plain)
    };
    unpacked.is_ok().then_some(plain)
}

fn unpack(reader: impl std::io::Read, length: u64, into: &mut Vec<u8>) -> Result<(), DecodeError> {
    into.clear();
    // One byte more shows a stream that goes on.
    reader.take(length + 1).read_to_end(into).map_err(|error| DecodeError::Compressed(error.to_string()))?;
    if u64::try_from(into.len()).is_ok_and(|got| got == length) {
        Ok(())
    } else {
        Err(DecodeError::Compressed("it does not have the length that it says".into()))
    }
}
