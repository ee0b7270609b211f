//! Rows of a rows event: their keys, or all their values.

use super::bytes::Bytes;
use super::error::DecodeError;
use super::event::Event;
use super::inflate;
use super::layout::{self, Layout, Wire};
use super::literal::literal;
use super::rows::{Action, Pair, Present, RowsHead, head};
use super::value::{self, Value};
use super::watch::Watch;
use crate::ports::rows::Bound;

/// Updates of JSON values may come as what changed within them.
const PARTIAL_JSON: u64 = 1;

/// The keys of the next row.
pub(super) fn keys(
    watch: &Watch,
    layout: &Layout,
    rows: &RowsHead,
    bytes: &mut Bytes<'_>,
) -> Result<Pair<Bound>, DecodeError> {
    let before = match rows.action {
        Action::Write => None,
        Action::Update | Action::Delete => Some(key(watch, layout, &rows.before, bytes, None)?),
    };
    let after = match rows.action {
        Action::Delete => None,
        Action::Write | Action::Update => {
            skip_partial(layout, rows, bytes)?;
            Some(key(watch, layout, &rows.after, bytes, before.as_ref())?)
        }
    };
    Ok(Pair { before, after })
}

/// One image's key. What a short image leaves out did not change, so that it is that of the image before.
fn key(
    watch: &Watch,
    layout: &Layout,
    present: &Present,
    bytes: &mut Bytes<'_>,
    before: Option<&Bound>,
) -> Result<Bound, DecodeError> {
    let mut texts = vec![String::new(); watch.forms.len()];
    layout.split(bytes, present, |index, raw| {
        let Some(place) = watch.places.get(index).copied().flatten() else { return Ok(()) };
        if let Some(text) = texts.get_mut(place) {
            *text = one(watch, layout, index, place, raw)?;
        }
        Ok(())
    })?;
    for (place, text) in texts.iter_mut().enumerate().filter(|(_, text)| text.is_empty()) {
        let old = before.and_then(|bound| bound.0.get(place));
        *text = old.cloned().ok_or_else(|| DecodeError::Image("a row came without its key".into()))?;
    }
    Ok(Bound(texts))
}

fn one(watch: &Watch, layout: &Layout, index: usize, place: usize, raw: Option<&[u8]>) -> Result<String, DecodeError> {
    let wrong = |what| DecodeError::Value { column: name(watch, index), what };
    let column = watch.columns.get(index).ok_or_else(|| wrong("there is no such column"))?;
    let wire = layout.wires.get(index).ok_or_else(|| wrong("there is no such column"))?;
    let raw = raw.ok_or_else(|| wrong("a key is NULL"))?;
    let value = value::read(*wire, column.nature, raw).ok_or_else(|| wrong("its bytes are none of its type"))?;
    let form = watch.forms.get(place).ok_or_else(|| wrong("there is no such key column"))?;
    literal(form, &value).ok_or_else(|| wrong("it has no form as a key"))
}

fn name(watch: &Watch, index: usize) -> String {
    watch.columns.get(index).map_or_else(String::new, |column| column.name.clone())
}

/// Passes over what says which JSON values came as changes.
fn skip_partial(layout: &Layout, rows: &RowsHead, bytes: &mut Bytes<'_>) -> Result<bool, DecodeError> {
    if !rows.partial || bytes.packed()? & PARTIAL_JSON == 0 {
        return Ok(false);
    }
    let documents = layout.wires.iter().filter(|wire| matches!(wire, Wire::Json { .. })).count();
    let bits = bytes.take(documents.div_ceil(8))?;
    Ok(bits.iter().any(|byte| *byte != 0))
}

/// All values of all rows of an event, for comparisons: `rows` is the event, `map` its table's TABLE_MAP. Values of
/// columns that an image leaves out are missing.
///
/// # Errors
/// As the follower's.
pub fn whole_rows(
    watch: &Watch,
    map: &Event<'_>,
    rows: &Event<'_>,
) -> Result<Vec<Pair<Vec<Value<'static>>>>, DecodeError> {
    let layout = Layout::read(layout::named(map.body)?.columns)?;
    watch.check(&layout)?;
    let head = head(rows)?;
    let plain = rows.body.get(head.start..).unwrap_or_default();
    let mut unpacked = Vec::new();
    if head.compressed {
        inflate::event(plain, &mut unpacked)?;
    }
    let mut bytes = Bytes::new(if head.compressed { &unpacked } else { plain }, "a row");
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let before = match head.action {
            Action::Write => None,
            Action::Update | Action::Delete => Some(values(watch, &layout, &head.before, &mut bytes)?),
        };
        let after = match head.action {
            Action::Delete => None,
            Action::Write | Action::Update => {
                if skip_partial(&layout, &head, &mut bytes)? {
                    return Err(DecodeError::Image("a JSON value came as what changed in it".into()));
                }
                Some(values(watch, &layout, &head.after, &mut bytes)?)
            }
        };
        all.push(Pair { before, after });
    }
    Ok(all)
}

fn values(
    watch: &Watch,
    layout: &Layout,
    present: &Present,
    bytes: &mut Bytes<'_>,
) -> Result<Vec<Value<'static>>, DecodeError> {
    let mut all = Vec::new();
    layout.split(bytes, present, |index, raw| {
        let wrong = |what| DecodeError::Value { column: name(watch, index), what };
        let (column, wire) = watch.columns.get(index).zip(layout.wires.get(index)).ok_or_else(|| wrong("unknown"))?;
        all.push(match raw {
            None => Value::Null,
            Some(raw) => value::read(*wire, column.nature, raw)
                .ok_or_else(|| wrong("its bytes are none of its type"))?
                .into_owned(),
        });
        Ok(())
    })?;
    Ok(all)
}
