//! Reads what the user wants changed: a clause list or a whole statement becomes an `Alter`.
//!
//! In:    text in UTF-8, the server's family and version (executable comments depend on them).
//! Out:   an `Alter` whose clauses are the user's own words, or an error with its line, column and a caret.
//! Never: talks to a server, guesses at a clause that it does not know, lets a second statement through. The text is
//!        read, and must be run, without ANSI_QUOTES and NO_BACKSLASH_ESCAPES: both change where a string ends.

mod classify;
mod column;
mod comment;
mod condition;
mod cursor;
mod error;
mod header;
mod lexer;
mod options;
mod parse;
mod schema;
mod split;
mod statement;

pub use condition::{ConditionError, check_condition};
pub use error::{AlterError, Problem};
pub use parse::{parse_alter, parse_alter_in};
pub use schema::{SchemaError, SchemaTable, dump_version, read_schema};
