//! A rows event, up to its rows.

use super::bytes::Bytes;
use super::error::DecodeError;
use super::event::{Event, kind};

/// The last rows of a statement: the table ids mean nothing after it.
const STATEMENT_END: u16 = 1;
/// The table of rows events that carry nothing but a flag.
const NO_TABLE: u64 = 0x00ff_ffff;

/// Before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair<T> {
    /// What was; `None` for a row that is new.
    pub before: Option<T>,
    /// What is; `None` for a row that is gone.
    pub after: Option<T>,
}

/// What a rows event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Write,
    Update,
    Delete,
}

/// Which columns an image has.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Present {
    pub(super) bits: Vec<u8>,
    pub(super) count: usize,
}

/// What is said before the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowsHead {
    pub(super) id: u64,
    pub(super) ends_statement: bool,
    pub(super) action: Action,
    pub(super) compressed: bool,
    /// Updates may say what became of a JSON value instead of the value.
    pub(super) partial: bool,
    pub(super) width: usize,
    pub(super) before: Present,
    pub(super) after: Present,
    /// Where the rows begin in the body.
    pub(super) start: usize,
}

/// Whether the event has rows.
pub(super) const fn has_rows(event: &Event<'_>) -> bool {
    action(event.kind).is_some()
}

const fn action(of: u8) -> Option<Action> {
    Some(match of {
        kind::WRITE_ROWS_V1 | kind::WRITE_ROWS | kind::WRITE_ROWS_COMPRESSED_V1 | kind::WRITE_ROWS_COMPRESSED => {
            Action::Write
        }
        kind::UPDATE_ROWS_V1
        | kind::UPDATE_ROWS
        | kind::PARTIAL_UPDATE_ROWS
        | kind::UPDATE_ROWS_COMPRESSED_V1
        | kind::UPDATE_ROWS_COMPRESSED => Action::Update,
        kind::DELETE_ROWS_V1 | kind::DELETE_ROWS | kind::DELETE_ROWS_COMPRESSED_V1 | kind::DELETE_ROWS_COMPRESSED => {
            Action::Delete
        }
        _ => return None,
    })
}

/// The table's id and whether the statement ends here; `None` for the id when it names no table on purpose.
pub(super) fn table(body: &[u8]) -> Result<(Option<u64>, bool), DecodeError> {
    let mut bytes = Bytes::new(body, "a rows event");
    let (id, flags) = (bytes.little(6)?, bytes.u16()?);
    Ok(((id != NO_TABLE).then_some(id), flags & STATEMENT_END != 0))
}

/// Reads up to the rows.
pub(super) fn head(event: &Event<'_>) -> Result<RowsHead, DecodeError> {
    let mut bytes = Bytes::new(event.body, "a rows event");
    let (id, flags) = (bytes.little(6)?, bytes.u16()?);
    let second = matches!(
        event.kind,
        kind::WRITE_ROWS..=kind::DELETE_ROWS
            | kind::PARTIAL_UPDATE_ROWS
            | kind::WRITE_ROWS_COMPRESSED..=kind::DELETE_ROWS_COMPRESSED
    );
    if second {
        // Its own two bytes count.
        let extra = usize::from(bytes.u16()?);
        bytes.take(extra.saturating_sub(2))?;
    }
    let width = bytes.packed_length()?;
    let action = action(event.kind).ok_or(DecodeError::UnknownEvent(event.kind))?;
    let present = present(&mut bytes, width)?;
    let (before, after) = match action {
        Action::Write => (Present::default(), present),
        Action::Delete => (present, Present::default()),
        Action::Update => (present, self::present(&mut bytes, width)?),
    };
    Ok(RowsHead {
        id,
        ends_statement: flags & STATEMENT_END != 0,
        action,
        compressed: event.kind >= kind::WRITE_ROWS_COMPRESSED_V1,
        partial: event.kind == kind::PARTIAL_UPDATE_ROWS,
        width,
        before,
        after,
        start: event.body.len() - bytes.len(),
    })
}

fn present(bytes: &mut Bytes<'_>, width: usize) -> Result<Present, DecodeError> {
    let bits = bytes.take(width.div_ceil(8))?.to_vec();
    let count = (0..width).filter(|index| super::bytes::bit(&bits, *index)).count();
    Ok(Present { bits, count })
}
