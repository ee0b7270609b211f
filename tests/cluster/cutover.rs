//! Stopping writes and switching names, with writers on every node and a copy that is made in between: what the stream and
//! its proof do in a job is here one statement, so that nothing but the cut-over is under test.

mod bed;
mod fence;
mod fence_again;
mod fence_broken;
mod single;
mod writers;
