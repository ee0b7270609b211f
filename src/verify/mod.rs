//! Looks for rows that the new table can't take, before anything is made.
//!
//! In:    a `CopySpec`, the source's shape, a `Server`.
//! Out:   reasons with the rows that prove them.
//! Never: writes, or waits longer than its limit: what was not looked through is said.

pub mod precheck;
