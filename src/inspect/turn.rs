//! Whether one node can leave the cluster's pace for a while, and whether it is back.

use std::time::Duration;

use crate::error::Fault;

use super::fitness::{SYNCED, provider_options};
use super::look::Look;
use super::watch::{NodeWatch, WAITING_MAX};

/// How long a node must send no write-set before it counts as one without writers.
const IDLE: Duration = Duration::from_secs(1);
/// What a node may miss is counted so many times: the rate of a moment is no promise.
const MARGIN: u64 = 2;

impl NodeWatch {
    /// Passes when that node sends no write-set for a second, has no open transaction on the tables, and what the cluster
    /// writes in `needed` fits into the node's queue and into the write-set caches of the others, from which it is helped
    /// should it go down meanwhile.
    ///
    /// # Errors
    /// `Busy` with the node and what is in the way.
    pub async fn idle(&self, node: &str, needed: Duration) -> Result<(), Fault> {
        let before = self.of(node).await?;
        if let Some(user) = before.users.first() {
            return Err(Fault::Busy(format!("{node} is not without writers: {user}")));
        }
        self.pause(IDLE).await;
        let mut seen = self.looks().await;
        let Some(place) = seen.iter().position(|(name, _)| name == node) else { return Err(nobody(node)) };
        let (_, after) = seen.swap_remove(place);
        let after = after?;
        let sent = count(&after, "wsrep_replicated").saturating_sub(count(&before, "wsrep_replicated"));
        if sent > 0 {
            let what = format!(
                "{node} is not without writers: it sent {sent} write-sets within a second; take it out of the proxy, or send \
                 its applications elsewhere"
            );
            return Err(Fault::Busy(what));
        }
        let bytes =
            |look: &Look| count(look, "wsrep_received_bytes").saturating_add(count(look, "wsrep_replicated_bytes"));
        let missed = bytes(&after).saturating_sub(bytes(&before)).saturating_mul(needed.as_secs().max(1) * MARGIN);
        let queue = option(&after, "gcs.recv_q_hard_limit");
        if queue.is_some_and(|limit| missed > limit) {
            let what =
                format!("{node} would miss about {missed} bytes of write-sets, more than gcs.recv_q_hard_limit takes");
            return Err(Fault::Busy(what));
        }
        for (other, look) in seen {
            let cache = option(&look?, "gcache.size");
            if cache.is_some_and(|size| missed > size) {
                let what = format!(
                    "{node} would miss about {missed} bytes of write-sets, more than gcache.size of {other} keeps"
                );
                return Err(Fault::Busy(what));
            }
        }
        Ok(())
    }

    /// Passes when that node is in the cluster's pace again and has next to nothing left to apply.
    ///
    /// # Errors
    /// `Busy` with what is missing.
    pub async fn caught_up(&self, node: &str) -> Result<(), Fault> {
        let look = self.of(node).await?;
        let of = |name: &str| look.status.get(name).map_or("", String::as_str);
        if of("wsrep_local_state") != SYNCED || !matches!(of("wsrep_desync_count"), "0" | "") {
            let state = of("wsrep_local_state_comment");
            return Err(Fault::Busy(format!("{node} is not back in the cluster's pace: {state}")));
        }
        let waiting = count(&look, "wsrep_local_recv_queue");
        if waiting > WAITING_MAX {
            return Err(Fault::Busy(format!("{waiting} write-sets wait in the receive queue of {node}")));
        }
        Ok(())
    }

    async fn of(&self, node: &str) -> Result<Look, Fault> {
        self.look_at(node).await.unwrap_or_else(|| Err(nobody(node)))
    }
}

fn nobody(node: &str) -> Fault {
    Fault::Busy(format!("{node} is not among the nodes that can be reached"))
}

fn count(look: &Look, name: &str) -> u64 {
    look.status.get(name).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn option(look: &Look, name: &str) -> Option<u64> {
    let all = look.variables.get("wsrep_provider_options")?;
    provider_options(all).get(name).and_then(|text| size(text))
}

/// `128M`, `1G`, `9223372036854775807`.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)?.to_ascii_uppercase().as_str() {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok().map(|number| number.saturating_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_galera_writes_them() {
        let cases = [("128M", Some(128 << 20)), ("1G", Some(1 << 30)), ("7", Some(7)), ("x", None), ("5Q", None)];
        for (text, bytes) in cases {
            assert_eq!(size(text), bytes, "{text}");
        }
        assert_eq!(size("9223372036854775807"), Some(9_223_372_036_854_775_807));
    }
}
