//! All signals of one server, from its window.

use std::time::Duration;

use super::limits::Limits;
use super::reading::Reading;
use super::sample::Window;
use super::{conflicts, flow_control, lag, queue, silence, status, threads, watch::Role};

/// What every node is asked for, beside the user's own conditions.
pub const NAMES: [&str; 10] = [
    "uptime",
    flow_control::PAUSED_NS,
    super::totals::PAUSED,
    queue::QUEUE,
    queue::SIZE,
    queue::STATE,
    queue::INTERVAL_HIGH,
    conflicts::BF_ABORTS,
    conflicts::CERT_FAILURES,
    threads::THREADS,
];

/// Reads every signal that the server gives.
#[must_use]
pub fn read(node: &str, role: Role, window: &Window, now: Duration, error: &str, limits: &Limits) -> Vec<Reading> {
    let last = window.last();
    let mut readings = vec![silence::read(node, last.map(|sample| sample.at), now, error, limits)];
    if let Some(after) = last {
        match role {
            Role::Node => {
                readings.extend(queue::read(node, after, limits));
                readings.extend(threads::read(node, after, limits));
                readings.extend(limits.max_load.iter().map(|limit| status::read(node, after, limit)));
            }
            Role::Replica { .. } => readings.extend(lag::read(node, after, limits)),
        }
    }
    if let Some((before, after)) = window.ends() {
        readings.extend(flow_control::read(node, before, after, limits));
        readings.extend(conflicts::read(node, before, after, limits));
    }
    readings
}

#[cfg(test)]
mod tests {
    use driftless_strategies::{Flavour, Version};

    use super::super::reading::Signal;
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn a_server_gives_what_it_has() {
        let limits = Limits { max_load: vec!["Threads_running>9".parse().unwrap()], ..Limits::default() };
        let signals = |role, window: &Window| -> Vec<Signal> {
            read("n1", role, window, Duration::ZERO, "", &limits).into_iter().map(|reading| reading.signal).collect()
        };
        let mut window = Window::default();
        assert_eq!(signals(Role::Node, &window), [Signal::Silence], "nothing yet");
        window.push(sample(0, &[("threads_running", "1")]));
        let own = Signal::Status("Threads_running>9".into());
        assert_eq!(signals(Role::Node, &window), [Signal::Silence, Signal::Threads, own.clone()], "no Galera");
        let galera = |at| {
            let mut sample = sample(at, &NAMES.map(|name| (name, "1")));
            sample.lag = Some(lag::Lag::Stopped);
            sample
        };
        window.push(galera(250));
        window.push(galera(3_000));
        let all = [Signal::Silence, Signal::Queue, Signal::Threads, own, Signal::FlowControl, Signal::Conflicts];
        assert_eq!(signals(Role::Node, &window), all);
        let replica = Role::Replica { flavour: Flavour::MariaDb, version: Version::new(10, 11, 0) };
        assert_eq!(signals(replica, &window)[..2], [Signal::Silence, Signal::Lag]);
    }
}
