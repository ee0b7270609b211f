//! A condition on rows, as a user writes it: one expression that means the same whenever it is evaluated.

use driftless_strategies::{Flavour, Version};

use super::error::AlterError;
use super::lexer::{self, Era, Kind, Lexeme};

/// Why a text is no condition that rows may be deleted by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}\n{excerpt}")]
pub struct ConditionError {
    /// What is wrong, in a sentence, with the place.
    pub what: String,
    /// The line, and a caret below the place.
    pub excerpt: String,
    /// What to do.
    pub remedy: &'static str,
}

const WRITE_PLAINLY: &str = "give one expression on the table's columns, for example --where \"state = 'done'\"";
const NO_NOW: &str = "the same row must be judged alike whenever it is looked at: use --older-than 90d --column created_at, which \
     is fixed when the run begins, or write the time as a literal";
const NO_QUERY: &str = "rows of other tables change meanwhile, and nodes could judge a row otherwise: mark the rows first (an indexed \
     column), and purge by the mark";
const KNOWN_ONLY: &str = "use the servers' own functions that give the same value for the same row; a stored function may read what \
     changes";

/// Values of the moment, the session or chance, with or without parentheses.
const OF_THE_MOMENT: [&str; 31] = [
    "NOW",
    "SYSDATE",
    "CURDATE",
    "CURTIME",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
    "RAND",
    "UUID",
    "UUID_SHORT",
    "SYS_GUID",
    "CONNECTION_ID",
    "CURRENT_USER",
    "CURRENT_ROLE",
    "SESSION_USER",
    "SYSTEM_USER",
    "USER",
    "DATABASE",
    "SCHEMA",
    "LAST_INSERT_ID",
    "FOUND_ROWS",
    "ROW_COUNT",
    "VERSION",
    "SLEEP",
    "BENCHMARK",
    "LASTVAL",
];

/// Of these, those that are values only with parentheses: their names may be columns.
const CALLED: [&str; 19] = [
    "NOW",
    "SYSDATE",
    "CURDATE",
    "CURTIME",
    "RAND",
    "UUID",
    "UUID_SHORT",
    "SYS_GUID",
    "CONNECTION_ID",
    "SESSION_USER",
    "SYSTEM_USER",
    "USER",
    "DATABASE",
    "SCHEMA",
    "LAST_INSERT_ID",
    "FOUND_ROWS",
    "ROW_COUNT",
    "VERSION",
    "LASTVAL",
];

/// Words that only a query has.
const OF_A_QUERY: [&str; 9] = ["SELECT", "TABLE", "VALUES", "WITH", "EXISTS", "UNION", "INTO", "LIMIT", "HAVING"];

/// Keywords and types that a parenthesis may follow without being called.
const NOT_CALLED: [&str; 44] = [
    "AND",
    "OR",
    "NOT",
    "XOR",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "DIV",
    "MOD",
    "REGEXP",
    "RLIKE",
    "INTERVAL",
    "BINARY",
    "AS",
    "DECIMAL",
    "CHAR",
    "VARCHAR",
    "VARBINARY",
    "NCHAR",
    "DATETIME",
    "TIME",
    "DATE",
    "DOUBLE",
    "FLOAT",
    "REAL",
    "SIGNED",
    "UNSIGNED",
    "INTEGER",
    "INT",
    "YEAR",
    "JSON",
    "ESCAPE",
    "USING",
    "COLLATE",
    "MATCH",
    "AGAINST",
    "FROM",
    "ROW",
    "BOTH",
];

/// Functions whose value depends on their arguments only.
const KNOWN: [&str; 134] = [
    "ABS",
    "ACOS",
    "ADDDATE",
    "ADDTIME",
    "ASCII",
    "ASIN",
    "ATAN",
    "ATAN2",
    "BIN",
    "BIN_TO_UUID",
    "BIT_COUNT",
    "BIT_LENGTH",
    "CAST",
    "CEIL",
    "CEILING",
    "CHAR_LENGTH",
    "CHARACTER_LENGTH",
    "CHR",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "CONV",
    "CONVERT",
    "CONVERT_TZ",
    "COS",
    "COT",
    "CRC32",
    "CRC32C",
    "DATE_ADD",
    "DATE_FORMAT",
    "DATE_SUB",
    "DATEDIFF",
    "DAY",
    "DAYOFMONTH",
    "DAYOFWEEK",
    "DAYOFYEAR",
    "DEGREES",
    "ELT",
    "EXP",
    "EXPORT_SET",
    "EXTRACT",
    "FIELD",
    "FIND_IN_SET",
    "FLOOR",
    "FORMAT",
    "FROM_BASE64",
    "FROM_DAYS",
    "FROM_UNIXTIME",
    "GREATEST",
    "HEX",
    "HOUR",
    "IF",
    "IFNULL",
    "INET6_ATON",
    "INET6_NTOA",
    "INET_ATON",
    "INET_NTOA",
    "INSERT",
    "INSTR",
    "ISNULL",
    "JSON_CONTAINS",
    "JSON_CONTAINS_PATH",
    "JSON_EXTRACT",
    "JSON_LENGTH",
    "JSON_TYPE",
    "JSON_UNQUOTE",
    "JSON_VALID",
    "JSON_VALUE",
    "LAST_DAY",
    "LCASE",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LENGTHB",
    "LN",
    "LOCATE",
    "LOG",
    "LOG10",
    "LOG2",
    "LOWER",
    "LPAD",
    "LTRIM",
    "MAKE_SET",
    "MAKEDATE",
    "MAKETIME",
    "MD5",
    "MICROSECOND",
    "MID",
    "MINUTE",
    "MONTH",
    "NULLIF",
    "NVL",
    "NVL2",
    "OCT",
    "OCTET_LENGTH",
    "ORD",
    "PERIOD_ADD",
    "PERIOD_DIFF",
    "PI",
    "POSITION",
    "POW",
    "POWER",
    "QUARTER",
    "RADIANS",
    "REGEXP_INSTR",
    "REGEXP_LIKE",
    "REGEXP_REPLACE",
    "REGEXP_SUBSTR",
    "REPEAT",
    "REPLACE",
    "REVERSE",
    "RIGHT",
    "ROUND",
    "RPAD",
    "RTRIM",
    "SECOND",
    "SHA",
    "SHA1",
    "SHA2",
    "SIGN",
    "SIN",
    "SQRT",
    "STR_TO_DATE",
    "STRCMP",
    "SUBDATE",
    "SUBSTR",
    "SUBSTRING",
    "SUBSTRING_INDEX",
    "SUBTIME",
    "TAN",
    "TRIM",
    "TRUNCATE",
    "UNHEX",
    "UNIX_TIMESTAMP",
];

/// Functions of dates, besides.
const KNOWN_OF_TIME: [&str; 14] = [
    "TIMEDIFF",
    "TIMESTAMP",
    "TIMESTAMPADD",
    "TIMESTAMPDIFF",
    "TIME_FORMAT",
    "TIME_TO_SEC",
    "SEC_TO_TIME",
    "TO_BASE64",
    "TO_DAYS",
    "TO_SECONDS",
    "UCASE",
    "UPPER",
    "WEEK",
    "WEEKDAY",
];

/// The last of them.
const KNOWN_REST: [&str; 4] = ["UUID_TO_BIN", "WEEKOFYEAR", "YEARWEEK", "ST_ASTEXT"];

/// Reads a condition. Whether its columns exist is the server's to say.
///
/// # Errors
/// When it is no single expression, asks other rows, or would mean something else a moment later.
pub fn check_condition(text: &str, flavour: Flavour, version: Version) -> Result<(), ConditionError> {
    let lexemes = lexer::lex(text, Era { flavour, version }).map_err(|error| unreadable(&error))?;
    if lexemes.is_empty() {
        return Err(at(text, 0, "the condition is empty", "write --where 1=1 to mean every row"));
    }
    let mut open = Vec::new();
    for (index, lexeme) in lexemes.iter().enumerate() {
        match lexeme.kind {
            Kind::Open => open.push(lexeme.start),
            Kind::Close if open.pop().is_none() => {
                return Err(at(text, lexeme.start, "this parenthesis closes nothing", WRITE_PLAINLY));
            }
            Kind::Semicolon => {
                return Err(at(text, lexeme.start, "a condition has no second statement", WRITE_PLAINLY));
            }
            Kind::Word | Kind::Quoted => word(text, &lexemes, index)?,
            Kind::Close
            | Kind::Text
            | Kind::Number
            | Kind::Comma
            | Kind::Period
            | Kind::Equals
            | Kind::Minus
            | Kind::Operator => {}
        }
    }
    match open.pop() {
        Some(start) => Err(at(text, start, "this parenthesis is never closed", WRITE_PLAINLY)),
        None => Ok(()),
    }
}

/// One word: whether it is called, and what it is then.
fn word(text: &str, lexemes: &[Lexeme], index: usize) -> Result<(), ConditionError> {
    let Some(lexeme) = lexemes.get(index) else { return Ok(()) };
    let called = lexemes.get(index + 1).is_some_and(|next| next.kind == Kind::Open);
    let of_something =
        index.checked_sub(1).and_then(|before| lexemes.get(before)).map(|before| before.kind) == Some(Kind::Period);
    let is_one = |list: &[&str]| list.iter().any(|word| lexeme.is(word));
    if lexeme.kind == Kind::Word && !of_something {
        if is_one(&OF_A_QUERY) && (called || !lexeme.is("VALUES")) {
            return Err(at(text, lexeme.start, "a condition must not ask other rows (a subquery)", NO_QUERY));
        }
        if is_one(&OF_THE_MOMENT) && (called || !is_one(&CALLED)) {
            let what = format!("{} is another value at each moment", lexeme.value.to_uppercase());
            return Err(at(text, lexeme.start, &what, NO_NOW));
        }
        if lexeme.is("UNIX_TIMESTAMP") && called && lexemes.get(index + 2).is_some_and(|next| next.kind == Kind::Close)
        {
            return Err(at(text, lexeme.start, "UNIX_TIMESTAMP() is another value at each moment", NO_NOW));
        }
    }
    let plain = lexeme.kind == Kind::Word && !of_something;
    let known = plain && [&NOT_CALLED[..], &KNOWN, &KNOWN_OF_TIME, &KNOWN_REST].iter().any(|list| is_one(list));
    if called && !known {
        let what = format!("{} is no function that driftless knows to depend on the row alone", lexeme.value);
        return Err(at(text, lexeme.start, &what, KNOWN_ONLY));
    }
    Ok(())
}

fn at(text: &str, start: usize, what: &str, remedy: &'static str) -> ConditionError {
    let place = AlterError::new(super::error::Problem::Empty, text, start);
    let what = format!("{what} (line {}, column {})", place.line, place.column);
    ConditionError { what, excerpt: place.excerpt, remedy }
}

fn unreadable(error: &AlterError) -> ConditionError {
    let what = format!("{} (line {}, column {})", error.problem, error.line, error.column);
    ConditionError { what, excerpt: error.excerpt.clone(), remedy: WRITE_PLAINLY }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> String {
        match check_condition(text, Flavour::MariaDb, Version::new(10, 11, 0)) {
            Ok(()) => "fine".into(),
            Err(error) => error.what,
        }
    }

    #[test]
    fn takes_plain_expressions() {
        for good in [
            "created_at < '2024-01-01'",
            "1=1",
            "(a = 1 OR b IN (2, 3)) AND NOT (c LIKE 'x;%')",
            "`now` < 3 AND user = 'x' AND t.version = 3",
            "DATE_ADD(created_at, INTERVAL 90 DAY) < '2024-01-01 00:00:00'",
            "CAST(a AS DECIMAL(10,2)) > 1.5 AND UNIX_TIMESTAMP(b) < 3",
            "a <> 'it''s; --' /* a comment */",
        ] {
            assert_eq!(says(good), "fine", "{good}");
        }
    }

    #[test]
    fn refuses_what_is_more_than_one_expression_or_changes_by_itself() {
        //  condition                                     says
        let cases = [
            ("", "empty"),
            ("a = 1) OR (1 = 1", "closes nothing"),
            ("(a = 1", "never closed"),
            ("a = 1; DROP TABLE t", "second statement"),
            ("a = 'x", "never closed"),
            ("a IN (SELECT id FROM u)", "subquery"),
            ("EXISTS (TABLE u)", "subquery"),
            ("created_at < NOW() - INTERVAL 90 DAY", "NOW is another value"),
            ("created_at < current_timestamp", "CURRENT_TIMESTAMP is another value"),
            ("t < UNIX_TIMESTAMP()", "UNIX_TIMESTAMP() is another value"),
            ("rand() < 0.5", "RAND is another value"),
            ("f(a)", "f is no function"),
            ("s.lower(a)", "lower is no function"),
            ("`lower`(a) = 1", "lower is no function"),
            ("a = @x", "@"),
        ];
        for (text, what) in cases {
            assert!(says(text).contains(what), "{text}: {}", says(text));
        }
    }
}
