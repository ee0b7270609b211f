//! Proves that the shadow is equal while changes keep coming a moment later than they are made.
//!
//! A range whose hashes differ is looked at row by row: what changed lately is left to its own proof (`settle`), what
//! differs although nothing changed it is read anew, counted and proven too.

use std::collections::HashMap;
use std::time::Duration;

use super::following::Follower;
use crate::error::Fault;
use crate::ports::rows::{Bound, Range};

/// Longest wait for the changes before a look at rows.
pub(super) const BARRIER: Duration = Duration::from_secs(60);
/// Differing keys of a range that are looked at in one go.
const KEYS: u64 = 2_000;
/// Goes at one range.
const GOES: u32 = 50;
/// Keys that one statement compares.
const COMPARED: usize = 1_000;
/// Times that a row may differ without a change before it counts as a difference for good.
const STRIKES: u32 = 3;

/// Rows that differed although nothing had changed them, and how often each.
#[derive(Debug, Default)]
pub(super) struct Strikes(HashMap<Bound, u32>);

impl Strikes {
    /// Counts one more; whether it is too often.
    fn strike(&mut self, key: &Bound) -> bool {
        let count = self.0.entry(key.clone()).or_default();
        *count += 1;
        *count >= STRIKES
    }

    /// The row was seen equal.
    fn clear(&mut self, key: &Bound) {
        self.0.remove(key);
    }
}

/// Looks at a range whose hashes differ: afterwards each of its rows was seen equal, or is among those that `settle`
/// must prove. The number of rows that had to be read anew without a change.
///
/// # Errors
/// As from follower and servers.
pub(super) async fn look_closer(follower: &Follower, range: &Range) -> Result<u64, Fault> {
    let mut repaired = 0;
    for _ in 0..GOES {
        follower.barrier(BARRIER).await?;
        let odd = follower.differing_in(range, KEYS).await?;
        let whole = u64::try_from(odd.len()).unwrap_or(u64::MAX) < KEYS;
        let mut quiet: Vec<Bound> = odd.into_iter().filter(|key| follower.changed(key).is_none()).collect();
        if !quiet.is_empty() {
            // A change of theirs may have been under way.
            follower.barrier(BARRIER).await?;
            let mut still = Vec::new();
            for some in quiet.chunks(COMPARED) {
                still.extend(follower.differing(some).await?);
            }
            still.retain(|key| follower.changed(key).is_none());
            quiet = still;
        }
        repaired += u64::try_from(quiet.len()).unwrap_or(u64::MAX);
        follower.doubt(quiet);
        if whole {
            return Ok(repaired);
        }
    }
    Err(Fault::Busy("a part of the table changes faster than it can be compared".into()))
}

/// Proves some of the rows that changed since the proof began; those that differ without a further change are read
/// anew. Rows that differ for good are the answer.
///
/// # Errors
/// As from follower and servers; `Busy` when the changes are not in step within `limit`.
pub(super) async fn settle(follower: &Follower, strikes: &mut Strikes, limit: Duration) -> Result<Vec<Bound>, Fault> {
    let some = follower.unproven(COMPARED);
    if some.is_empty() {
        return Ok(Vec::new());
    }
    follower.barrier(limit).await?;
    let keys: Vec<Bound> = some.iter().map(|(key, _)| key.clone()).collect();
    let odd = follower.differing(&keys).await?;
    let (unequal, equal): (Vec<_>, Vec<_>) =
        some.into_iter().partition(|(key, _)| odd.binary_search_by(|other| other.0.cmp(&key.0)).is_ok());
    for (key, number) in equal {
        follower.proven(&key, number);
        strikes.clear(&key);
    }
    if !unequal.is_empty() {
        // What was seen may be a change that the stream had not told yet.
        follower.barrier(limit).await?;
    }
    let (mut wrong, mut doubtful) = (Vec::new(), Vec::new());
    for (key, number) in unequal {
        if follower.changed(&key) == Some(number) {
            if strikes.strike(&key) {
                wrong.push(key);
            } else {
                doubtful.push(key);
            }
        }
    }
    follower.doubt(doubtful);
    Ok(wrong)
}
