//! What a run needs the user to be allowed, against what the server granted.

use std::collections::BTreeMap;

use driftless_strategies::facts::{Flavour, Version};
use driftless_strategies::{Ident, TableName};

use crate::sql::catalog_table::Dialect;

/// The schema of the journal.
const JOURNAL_SCHEMA: &str = "driftless";

/// Rights on a table's schema, and on the journal's.
const ON_SCHEMA: &[&str] =
    &["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "INDEX", "TRIGGER", "CREATE TEMPORARY TABLES"];

/// Rights on the schema of a table that is locked for its switch: the sentry is one more table there.
const ON_LOCKED_SCHEMA: [&str; 3] = ["LOCK TABLES", "CREATE", "DROP"];

/// What a run is going to do, as far as rights depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// The server's family and version.
    pub dialect: Dialect,
    /// The table.
    pub table: &'a TableName,
    /// How many foreign keys it has.
    pub foreign_keys: usize,
    /// The server's global variables.
    pub variables: &'a BTreeMap<String, String>,
}

/// Rights that a run needs and that none of the lines of `SHOW GRANTS` gives, each as one would GRANT it.
#[must_use]
pub fn missing_privileges(needs: &Needs<'_>, grants: &[String]) -> Vec<String> {
    let rights = Rights::read(grants, needs.variables);
    let mut missing = Vec::new();
    let schema = needs.table.schema.as_str();
    let reference = (needs.foreign_keys > 0).then_some("REFERENCES");
    for privilege in ON_SCHEMA.iter().copied().chain(reference) {
        if !rights.on_schema(privilege, schema) && !rights.on_tables(privilege, needs.table) {
            missing.push(format!("{privilege} ON {}.*", grantable(schema)));
        }
    }
    for privilege in ON_SCHEMA {
        if !rights.on_schema(privilege, JOURNAL_SCHEMA) {
            missing.push(format!("{privilege} ON {}.*", grantable(JOURNAL_SCHEMA)));
        }
    }
    for any_of in global_needs(needs) {
        if let Some(first) = any_of.first()
            && !any_of.iter().any(|privilege| rights.global(privilege))
        {
            missing.push(format!("{first} ON *.*"));
        }
    }
    missing
}

/// Global rights; one of each group is enough, the first is the one to ask for.
fn global_needs(needs: &Needs<'_>) -> Vec<&'static [&'static str]> {
    let variable = |name: &str| needs.variables.get(name).map_or("", String::as_str);
    let on = |name: &str| matches!(variable(name), "ON" | "1");
    let monitor: &[&str] = match needs.dialect.flavour {
        Flavour::MariaDb if needs.dialect.version >= Version::new(10, 5, 2) => {
            &["SLAVE MONITOR", "REPLICA MONITOR", "SUPER"]
        }
        Flavour::MariaDb | Flavour::MySql => &["REPLICATION CLIENT", "SUPER"],
    };
    let mut wanted: Vec<&[&str]> = vec![&["PROCESS"], monitor];
    if needs.dialect.flavour == Flavour::MySql {
        // Else its replicas have no addresses.
        wanted.push(&["REPLICATION SLAVE"]);
        if needs.dialect.version >= Version::new(8, 0, 0) {
            // Else prepared transactions keep their locks unseen.
            wanted.push(&["XA_RECOVER_ADMIN"]);
        }
    }
    // Whoever makes triggers on a server that writes a binlog must be trusted; Galera counts as one that does.
    if (on("log_bin") || on("wsrep_on")) && !on("log_bin_trust_function_creators") {
        wanted.push(&["SUPER"]);
    }
    wanted
}

/// Rights that following a binlog needs and that none of the lines of `SHOW GRANTS` gives, each as one would GRANT it.
/// Where there is one primary its table is locked for the switch: `locked` is the schema then.
///
/// # Source
/// MariaDB 10.5.2 has split REPLICATION CLIENT ("GRANT", BINLOG MONITOR); the request for the binlog itself needs
/// REPLICATION SLAVE everywhere, which we tried.
pub(super) fn missing_to_follow(
    dialect: Dialect,
    grants: &[String],
    variables: &BTreeMap<String, String>,
    locked: Option<&Ident>,
) -> Vec<String> {
    let rights = Rights::read(grants, variables);
    let to_lock = locked.map(Ident::as_str).into_iter().flat_map(|schema| {
        let lacks = |privilege: &&&str| !rights.on_schema(privilege, schema);
        let shown = |privilege: &&str| format!("{privilege} ON {}.*", grantable(schema));
        ON_LOCKED_SCHEMA.iter().filter(lacks).map(shown).collect::<Vec<_>>()
    });
    let monitor: &[&str] = match dialect.flavour {
        Flavour::MariaDb if dialect.version >= Version::new(10, 5, 2) => {
            &["BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"]
        }
        Flavour::MariaDb | Flavour::MySql => &["REPLICATION CLIENT", "SUPER"],
    };
    let wanted: [&[&str]; 2] = [&["REPLICATION SLAVE", "REPLICATION REPLICA"], monitor];
    let lacks = |any_of: &&&[&str]| !any_of.iter().any(|privilege| rights.global(privilege));
    let everywhere = wanted.iter().filter(lacks).filter_map(|any_of| any_of.first());
    everywhere.map(|first| format!("{first} ON *.*")).chain(to_lock).collect()
}

/// A schema's name as GRANT wants it, where `_` and `%` stand for any character unless escaped.
fn grantable(schema: &str) -> String {
    let escaped = schema.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%");
    format!("`{}`", escaped.replace('`', "``"))
}

/// Whether names are compared with case, and whether `_` and `%` in a grant match anything.
#[derive(Clone, Copy, Debug)]
struct Matching {
    case: Case,
    wildcards: Wildcards,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Kept,
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wildcards {
    Match,
    Literal,
}

#[derive(Debug)]
struct Rights {
    lines: Vec<Grant>,
    matching: Matching,
}

impl Rights {
    fn read(grants: &[String], variables: &BTreeMap<String, String>) -> Self {
        let is = |name: &str, value: &str| variables.get(name).is_some_and(|own| own.eq_ignore_ascii_case(value));
        let case = if is("lower_case_table_names", "1") || is("lower_case_table_names", "2") {
            Case::Ignored
        } else {
            Case::Kept
        };
        let wildcards = if is("partial_revokes", "on") { Wildcards::Literal } else { Wildcards::Match };
        Self {
            lines: grants.iter().filter_map(|line| Grant::parse(line)).collect(),
            matching: Matching { case, wildcards },
        }
    }

    fn global(&self, privilege: &str) -> bool {
        self.lines.iter().any(|line| !line.revoked && line.scope == Scope::Global && line.gives(privilege))
    }

    fn on_schema(&self, privilege: &str, schema: &str) -> bool {
        let revoked = self.lines.iter().any(|line| line.revoked && self.covers(line, schema) && line.gives(privilege));
        if self.global(privilege) && !revoked {
            return true;
        }
        let mut grantees: Vec<&str> = self.lines.iter().map(|line| line.grantee.as_str()).collect();
        grantees.dedup();
        grantees.into_iter().any(|grantee| {
            // Of several patterns that match, a server looks only at the most specific one.
            let matching =
                self.lines.iter().filter(|line| !line.revoked && line.grantee == grantee && self.covers(line, schema));
            matching.max_by_key(|line| line.specificity()).is_some_and(|line| line.gives(privilege))
        })
    }

    fn covers(&self, line: &Grant, schema: &str) -> bool {
        match &line.scope {
            Scope::Schema(pattern) => self.matching.matches(pattern, schema),
            Scope::Global | Scope::Table(..) | Scope::Other => false,
        }
    }

    /// Whether each of the names that a run uses has the right by itself.
    fn on_tables(&self, privilege: &str, table: &TableName) -> bool {
        // Temporary tables are a matter of the schema alone.
        privilege != "CREATE TEMPORARY TABLES"
            && [table.clone(), table.shadow(), table.retired()].iter().all(|table| {
                self.lines.iter().any(|line| match &line.scope {
                    Scope::Table(schema, name) => {
                        self.matching.same(schema, table.schema.as_str())
                            && self.matching.same(name, table.table.as_str())
                            && line.gives(privilege)
                    }
                    Scope::Global | Scope::Schema(_) | Scope::Other => false,
                })
            })
    }
}

impl Matching {
    fn same(self, one: &str, other: &str) -> bool {
        match self.case {
            Case::Kept => one == other,
            Case::Ignored => one.to_lowercase() == other.to_lowercase(),
        }
    }

    fn matches(self, pattern: &str, schema: &str) -> bool {
        if self.wildcards == Wildcards::Literal {
            return self.same(pattern, schema);
        }
        match self.case {
            Case::Kept => like(pattern, schema),
            Case::Ignored => like(&pattern.to_lowercase(), &schema.to_lowercase()),
        }
    }
}

/// SQL's LIKE with backslash as the escape.
fn like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| text.get(at..).is_some_and(|tail| like(rest.as_str(), tail)))
        }
        Some('_') => drop_first(text, None).is_some_and(|tail| like(rest.as_str(), tail)),
        Some('\\') => match rest.next() {
            Some(escaped) => drop_first(text, Some(escaped)).is_some_and(|tail| like(rest.as_str(), tail)),
            None => text == "\\",
        },
        Some(literal) => drop_first(text, Some(literal)).is_some_and(|tail| like(rest.as_str(), tail)),
    }
}

fn drop_first(text: &str, wanted: Option<char>) -> Option<&str> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if wanted.is_none_or(|wanted| wanted == first) { Some(chars.as_str()) } else { None }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Global,
    Schema(String),
    Table(String, String),
    Other,
}

/// One line of `SHOW GRANTS`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    grantee: String,
    privileges: Vec<String>,
    scope: Scope,
    /// A line of MySQL's partial revokes takes away from a global right.
    revoked: bool,
}

impl Grant {
    fn parse(line: &str) -> Option<Self> {
        let (revoked, rest, to) = match line.strip_prefix("GRANT ") {
            Some(rest) => (false, rest, " TO "),
            None => (true, line.strip_prefix("REVOKE ")?, " FROM "),
        };
        // Roles are granted without ON.
        let (privileges, rest) = split_outside(rest, " ON ")?;
        let (object, grantee) = split_outside(rest, to)?;
        let grantee = split_outside(grantee, " ").map_or(grantee, |(grantee, _)| grantee);
        Some(Self { grantee: grantee.to_owned(), privileges: list(privileges), scope: scope(object), revoked })
    }

    fn gives(&self, privilege: &str) -> bool {
        self.privileges.iter().any(|own| own == privilege || own == "ALL PRIVILEGES" || own == "ALL")
    }

    /// Names before patterns, long beginnings before short ones.
    fn specificity(&self) -> usize {
        let Scope::Schema(pattern) = &self.scope else { return 0 };
        let mut escaped = false;
        for (at, c) in pattern.char_indices() {
            match c {
                '\\' => escaped = !escaped,
                '%' | '_' if !escaped => return at,
                _ => escaped = false,
            }
        }
        usize::MAX
    }
}

/// Splits at the first `separator` that is outside quotes and parentheses.
fn split_outside<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let (mut quote, mut depth) = (None, 0_u32);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '`' | '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) => {
                if depth == 0
                    && let Some(tail) = text.get(at..).and_then(|tail| tail.strip_prefix(separator))
                {
                    return Some((text.get(..at)?, tail));
                }
            }
        }
    }
    None
}

/// The privileges of a list; one on single columns is not one on the table and is left out.
fn list(text: &str) -> Vec<String> {
    let mut privileges = Vec::new();
    let mut rest = text;
    loop {
        let (one, more) = split_outside(rest, ",").map_or((rest, None), |(one, more)| (one, Some(more)));
        if !one.contains('(') {
            privileges.push(one.trim().to_ascii_uppercase());
        }
        match more {
            Some(more) => rest = more,
            None => return privileges,
        }
    }
}

fn scope(object: &str) -> Scope {
    let object = object.strip_prefix("TABLE ").unwrap_or(object);
    let Some((schema, table)) = split_outside(object, ".") else { return Scope::Other };
    match (schema, table) {
        ("*", "*") => Scope::Global,
        (schema, "*") => Scope::Schema(unquoted(schema)),
        (schema, _) if schema.contains(' ') && !schema.starts_with(['`', '"']) => Scope::Other,
        (schema, table) => Scope::Table(unquoted(schema), unquoted(table)),
    }
}

fn unquoted(name: &str) -> String {
    for quote in ['`', '"'] {
        if let Some(inner) = name.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    name.to_owned()
}
