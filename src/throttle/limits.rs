//! How much driftless may be felt.

use std::time::Duration;

use super::status::StatusLimit;

/// The thresholds. The defaults keep a cluster's flow control near zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// `--max-flow-control-paused`: share of the time in which flow control may pause the cluster (0 to 1), measured
    /// over `sample::WINDOW`. 0 means that any flow control closes the gate.
    pub max_flow_control_paused: f64,
    /// `--max-queue`: share of the queue length at which a node asks for flow control.
    pub max_queue: f64,
    /// `--max-lag`: how far a replica may be behind.
    pub max_lag: Duration,
    /// `--max-threads-running`, on each node.
    pub max_threads_running: u64,
    /// `--max-conflicts`: transactions a second that a node may lose to certification or to a brute-force abort, beyond
    /// those that it loses while driftless does not write.
    pub max_conflicts: f64,
    /// `--max-load`: further status variables.
    pub max_load: Vec<StatusLimit>,
    /// How long a node may leave a sample unanswered.
    pub max_silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_flow_control_paused: 0.05,
            max_queue: 0.8,
            max_lag: Duration::from_secs(5),
            max_threads_running: 50,
            max_conflicts: 5.0,
            max_load: Vec::new(),
            max_silence: Duration::from_secs(2),
        }
    }
}
