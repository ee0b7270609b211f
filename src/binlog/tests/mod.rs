//! The room's tests.
