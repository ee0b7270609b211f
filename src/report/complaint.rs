//! An error as one clear message: what, where, why, what to do.

use std::io::{self, Write};

use driftless_strategies::{Reason, ReasonCode};

use crate::error::Fault;
use crate::ports::server::{ErrorKind, ServerError};

/// What a person is told when something does not go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong, in a sentence without a full stop.
    pub what: String,
    /// The stable code, when there is one.
    pub code: Option<ReasonCode>,
    /// The node, file or flag; empty when `what` says it.
    pub place: String,
    /// The cause, in the words of whoever found it; empty when `what` says it.
    pub why: String,
    /// Rows, keys or names that prove it.
    pub proof: Vec<String>,
    /// What to do; empty when nothing can be said.
    pub remedy: String,
}

impl Complaint {
    /// Only what is wrong.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    /// With what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// With the node, file or flag.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }

    /// Writes it, in one piece, so that no other line comes between.
    ///
    /// # Errors
    /// When the handle does; there is nobody left to tell.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.to_string().as_bytes())?;
        out.flush()
    }

    /// Writes it to standard error. An error there has nobody left to be told to.
    pub fn print(&self) {
        drop(self.write(&mut io::stderr().lock()));
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.map_or_else(String::new, |code| format!(" [{}]", code.as_str()));
        writeln!(f, "driftless: {}{code}", self.what)?;
        let proof = self.proof.iter().map(|proof| ("proof:", proof));
        let lines = [("where:", &self.place), ("why:", &self.why)].into_iter().chain(proof);
        for (label, text) in lines.chain([("do:", &self.remedy)]).filter(|(_, text)| !text.is_empty()) {
            // A server's message may have several lines: they stay under each other.
            writeln!(f, "  {label:<7}{}", text.trim_end().replace('\n', "\n         "))?;
        }
        Ok(())
    }
}

impl From<&Reason> for Complaint {
    fn from(reason: &Reason) -> Self {
        Self { code: Some(reason.code), ..Self::new(&reason.what).with_remedy(&reason.remedy) }
    }
}

impl From<&Fault> for Complaint {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Busy(what) => Self::new(what).with_remedy("it may pass by itself: try again"),
            Fault::Lost(what) => Self::new(format!("{what}; it is not known whether the last statement happened"))
                .with_remedy("`driftless status` asks the servers, `driftless run --resume` goes on from there"),
            Fault::Refused(reason) | Fault::Full(reason) => Self::from(&**reason),
            Fault::Rows { reason, rows } => Self { proof: rows.clone(), ..Self::from(&**reason) },
            Fault::Failed(what) => Self::new(what),
        }
    }
}

impl From<&ServerError> for Complaint {
    fn from(error: &ServerError) -> Self {
        let (what, remedy) = match error.kind {
            ErrorKind::Connect => ("no connection to the server", "check host, port and whether the server runs"),
            ErrorKind::Denied => ("the server refused access", "check user, password and privileges"),
            ErrorKind::NotReady => ("the node does not take statements now", "wait until it is Synced, then try again"),
            ErrorKind::Lost => ("the connection was lost while a statement was under way", "try again"),
            ErrorKind::Conflict => ("a conflict with another transaction", "try again"),
            ErrorKind::Missing => ("something named in the statement does not exist", "check the names"),
            ErrorKind::Full => ("a disk is full", "make room on that server"),
            ErrorKind::Duplicate | ErrorKind::Data | ErrorKind::Other => ("the server refused a statement", ""),
        };
        let code = if error.code == 0 { String::new() } else { format!(" ({})", error.code) };
        let why = format!("{}{code}", error.message);
        Self { why, ..Self::new(what).at(&error.node).with_remedy(remedy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_where_why_and_what_to_do() {
        let reason =
            Reason::new(ReasonCode::DuplicateRows, "shop.orders has rows with the same `email`", "remove them");
        let fault = Fault::Rows { reason: Box::new(reason), rows: vec!["id 4 and 9".into(), "id 5 and 6".into()] };
        let text = "driftless: shop.orders has rows with the same `email` [duplicate-rows]\n  proof: id 4 and 9\n  \
                    proof: id 5 and 6\n  do:    remove them\n";
        assert_eq!(Complaint::from(&fault).to_string(), text);

        let denied = ServerError {
            node: "10.0.0.2:3306".into(),
            code: 1045,
            message: "Access denied for user 'u'@'h'\n(using password: YES)".into(),
            kind: ErrorKind::Denied,
        };
        let text = "driftless: the server refused access\n  where: 10.0.0.2:3306\n  why:   Access denied for user 'u'@'h'\n         \
                    (using password: YES) (1045)\n  do:    check user, password and privileges\n";
        assert_eq!(Complaint::from(&denied).to_string(), text);

        assert_eq!(Complaint::new("odd").to_string(), "driftless: odd\n");
    }

    #[test]
    fn is_written_whole() {
        let mut out = Vec::new();
        let complaint = Complaint::new("`chunk_tme` is not a key of a plan file").at("jobs.toml, line 3");
        complaint.write(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "driftless: `chunk_tme` is not a key of a plan file\n  where: jobs.toml, line 3\n"
        );
    }
}
