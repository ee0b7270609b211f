//! Signals to a pace.
//!
//! In:    servers to watch, `Limits`, a `Clock`.
//! Out:   `Sampler`, which answers `ports::pace::Pace` from the last samples; `Ceiling`, an absolute rate; `Totals`.
//! Never: writes to a server, decides anything outside `decide`, or lets a node that does not answer pass for a calm one.

pub mod both;
pub mod ceiling;
pub mod conflicts;
pub mod decide;
pub mod flow_control;
pub mod lag;
pub mod limits;
pub mod queue;
pub mod reading;
pub mod sample;
pub mod sampler;
pub mod signals;
pub mod silence;
pub mod status;
pub mod threads;

pub mod totals;
pub mod watch;

pub use both::Throttle;
pub use ceiling::Ceiling;
pub use limits::Limits;
pub use reading::{Reading, Signal};
pub use sample::Sample;
pub use sampler::Sampler;
pub use status::StatusLimit;
pub use totals::Totals;
pub use watch::{Role, Watch};
