//! Error numbers to classes.

use crate::ports::server::ErrorKind;

/// The numbers that are not `Other`, each with the reason for its class.
///
/// # Source
/// MySQL "Server Error Message Reference"; MariaDB "Error Codes"; Galera's texts as seen on MariaDB 10.11 and PXC.
const TABLE: &[(u16, ErrorKind, &str)] = &[
    (1213, ErrorKind::Conflict, "deadlock, or a failed certification: rolled back"),
    (1205, ErrorKind::Conflict, "lock wait: the statement is rolled back, the caller must roll back the rest"),
    (1180, ErrorKind::Conflict, "error during COMMIT: on Galera a conflict"),
    (1020, ErrorKind::Conflict, "record has changed since last read: MariaDB's snapshot isolation"),
    (3572, ErrorKind::Conflict, "NOWAIT and the lock is taken"),
    (3058, ErrorKind::Conflict, "deadlock of user-level locks"),
    (3132, ErrorKind::Conflict, "deadlock of locking service locks"),
    (3101, ErrorKind::Conflict, "Group Replication rolled the transaction back"),
    (1317, ErrorKind::Conflict, "somebody killed the statement: rolled back, the connection stays"),
    (1028, ErrorKind::Conflict, "sort aborted, the same"),
    (1969, ErrorKind::Conflict, "max_statement_time: rolled back"),
    (3024, ErrorKind::Conflict, "max_execution_time: rolled back"),
    (1047, ErrorKind::NotReady, "WSREP has not yet prepared node for application use"),
    (1040, ErrorKind::NotReady, "too many connections"),
    (1203, ErrorKind::NotReady, "max_user_connections"),
    (1226, ErrorKind::NotReady, "a resource limit of the user"),
    (3168, ErrorKind::NotReady, "the server isn't available"),
    (3169, ErrorKind::Lost, "session was killed"),
    (1053, ErrorKind::Lost, "server shutdown in progress"),
    (1077, ErrorKind::Lost, "normal shutdown"),
    (1079, ErrorKind::Lost, "shutdown complete"),
    (1152, ErrorKind::Lost, "aborted connection"),
    (1158, ErrorKind::Lost, "error reading packets"),
    (1159, ErrorKind::Lost, "timeout reading packets"),
    (1160, ErrorKind::Lost, "error writing packets"),
    (1161, ErrorKind::Lost, "timeout writing packets"),
    (1153, ErrorKind::Lost, "packet too large: the server closes the connection"),
    (1156, ErrorKind::Lost, "packets out of order"),
    (1184, ErrorKind::Lost, "aborted connection"),
    (1927, ErrorKind::Lost, "MariaDB: connection was killed; whether a statement was under way is not told"),
    (2006, ErrorKind::Lost, "server has gone away"),
    (2013, ErrorKind::Lost, "lost connection during query"),
    (1044, ErrorKind::Denied, "no access to the schema"),
    (1045, ErrorKind::Denied, "wrong user or password"),
    (1095, ErrorKind::Denied, "not owner of the thread"),
    (1130, ErrorKind::Denied, "the host may not connect"),
    (1142, ErrorKind::Denied, "command denied on the table"),
    (1143, ErrorKind::Denied, "command denied on the column"),
    (1227, ErrorKind::Denied, "a privilege is missing"),
    (1251, ErrorKind::Denied, "authentication protocol"),
    (1401, ErrorKind::Denied, "MySQL: XA RECOVER without XA_RECOVER_ADMIN"),
    (1275, ErrorKind::Denied, "old password format"),
    (1370, ErrorKind::Denied, "command denied on the routine"),
    (1410, ErrorKind::Denied, "may not GRANT"),
    (1419, ErrorKind::Denied, "triggers need log_bin_trust_function_creators or more"),
    (1524, ErrorKind::Denied, "authentication plugin is not loaded"),
    (1698, ErrorKind::Denied, "access denied without password"),
    (1820, ErrorKind::Denied, "password must be changed"),
    (1862, ErrorKind::Denied, "password has expired"),
    (3118, ErrorKind::Denied, "account is locked"),
    (3159, ErrorKind::Denied, "secure transport is required"),
    (3955, ErrorKind::Denied, "account is blocked after failed logins"),
    (1022, ErrorKind::Duplicate, "duplicate key in table"),
    (1062, ErrorKind::Duplicate, "duplicate entry"),
    (1169, ErrorKind::Duplicate, "unique constraint"),
    (1557, ErrorKind::Duplicate, "a foreign key would make a duplicate"),
    (1586, ErrorKind::Duplicate, "duplicate entry, with the key's name"),
    (1761, ErrorKind::Duplicate, "a foreign key would make a duplicate, with names"),
    (1762, ErrorKind::Duplicate, "the same without names"),
    (1859, ErrorKind::Duplicate, "duplicate entry for a key that is being made"),
    (1048, ErrorKind::Data, "NULL in a NOT NULL column"),
    (1138, ErrorKind::Data, "invalid use of NULL: what ALTER … NOT NULL says"),
    (1216, ErrorKind::Data, "no parent row"),
    (1217, ErrorKind::Data, "child rows"),
    (1263, ErrorKind::Data, "NULL for a NOT NULL column by LOAD DATA"),
    (1264, ErrorKind::Data, "out of range"),
    (1265, ErrorKind::Data, "truncated"),
    (1292, ErrorKind::Data, "incorrect value"),
    (1300, ErrorKind::Data, "invalid character string"),
    (1364, ErrorKind::Data, "no default"),
    (1365, ErrorKind::Data, "division by zero"),
    (1366, ErrorKind::Data, "incorrect value for a column"),
    (1367, ErrorKind::Data, "illegal value while parsing"),
    (1406, ErrorKind::Data, "too long"),
    (1411, ErrorKind::Data, "incorrect value for a function"),
    (1416, ErrorKind::Data, "no geometry"),
    (1441, ErrorKind::Data, "date out of range"),
    (1451, ErrorKind::Data, "child rows reference the row: rows prove it"),
    (1452, ErrorKind::Data, "the parent row is missing: rows prove it"),
    (1467, ErrorKind::Data, "no AUTO_INCREMENT value is left"),
    (1526, ErrorKind::Data, "no partition for the value"),
    (1690, ErrorKind::Data, "value of an expression out of range"),
    (1748, ErrorKind::Data, "row does not match the given partitions"),
    (3140, ErrorKind::Data, "invalid JSON text"),
    (3144, ErrorKind::Data, "JSON from a character set that can't be"),
    (3156, ErrorKind::Data, "invalid JSON value for a cast"),
    (3819, ErrorKind::Data, "MySQL: a check constraint"),
    (3854, ErrorKind::Data, "MySQL: cannot convert a string between character sets"),
    (3903, ErrorKind::Data, "invalid JSON value for a functional index"),
    (1021, ErrorKind::Full, "disk full"),
    (1114, ErrorKind::Full, "the table is full: its file can't grow"),
    (1008, ErrorKind::Missing, "schema to drop"),
    (1049, ErrorKind::Missing, "schema"),
    (1051, ErrorKind::Missing, "table to drop"),
    (1054, ErrorKind::Missing, "column"),
    (1072, ErrorKind::Missing, "key column"),
    (1091, ErrorKind::Missing, "column or key to drop"),
    (1094, ErrorKind::Missing, "thread"),
    (1109, ErrorKind::Missing, "table"),
    (1146, ErrorKind::Missing, "table"),
    (1176, ErrorKind::Missing, "key"),
    (1193, ErrorKind::Missing, "system variable"),
    (1305, ErrorKind::Missing, "routine"),
    (1360, ErrorKind::Missing, "trigger"),
    (1507, ErrorKind::Missing, "partition"),
];

/// Numbers that mean one thing on MySQL and another on MariaDB, told apart by a word of the message (lower case).
const WORDED: &[(u16, &str, ErrorKind, &str)] = &[
    (4025, "constraint", ErrorKind::Data, "MariaDB: a check constraint; MySQL: AUTOEXTEND_SIZE"),
    (4031, "inactivity", ErrorKind::Lost, "MySQL: disconnected because of inactivity"),
    (4031, "trigger", ErrorKind::Missing, "MariaDB: the trigger to FOLLOW or PRECEDE"),
    (4151, "locked", ErrorKind::Denied, "MariaDB: account is locked; MySQL: bulk load"),
    (1105, "wsrep detected deadlock", ErrorKind::Conflict, "Galera: certification failed"),
    (1105, "wsrep transaction", ErrorKind::Conflict, "Galera: aborted"),
];

/// What servers say of a full disk behind many numbers (3, 20, 1026, 1030, 1180, 1815, …): ENOSPC in words or as a number.
const NO_ROOM: [&str; 4] = ["no space left on device", "got error 28 ", "errno: 28", "errcode: 28"];

/// The class of an error that a server sent.
///
/// What stays `Other` on purpose: 1290 and 1836 (read-only: neither a missing privilege nor something that passes by
/// itself, a person has to decide), 1136 (a statement that was built wrongly), 1118 and 1709 (the table can't be made),
/// and what else 1105 may say (a write set that is too large stays too large).
#[must_use]
pub fn classify(code: u16, message: &str) -> ErrorKind {
    let text = message.to_ascii_lowercase();
    let known = TABLE.iter().find(|(known, _, _)| *known == code).map(|(_, kind, _)| *kind);
    // Answers about rows quote them, whatever they say.
    let quotes = matches!(known, Some(ErrorKind::Duplicate | ErrorKind::Data | ErrorKind::Missing | ErrorKind::Denied));
    if !quotes && NO_ROOM.iter().any(|words| text.contains(words)) {
        return ErrorKind::Full;
    }
    if let Some(kind) = known {
        return kind;
    }
    let worded = WORDED.iter().find(|(known, word, _, _)| *known == code && text.contains(word));
    worded.map_or(ErrorKind::Other, |(_, _, kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Fault, Remedy};
    use crate::ports::server::ServerError;

    #[test]
    fn numbers_stand_once_and_with_a_reason() {
        for (index, (code, _, why)) in TABLE.iter().enumerate() {
            assert!(!why.is_empty(), "{code}");
            assert!(TABLE[index + 1..].iter().all(|(other, _, _)| other != code), "{code} stands twice");
            assert!(WORDED.iter().all(|(other, _, _, _)| other != code), "{code} would never be told apart");
        }
        for (_, word, _, why) in WORDED {
            assert!(!why.is_empty() && *word == word.to_ascii_lowercase(), "{word}");
        }
    }

    #[test]
    fn classes_lead_to_remedies() {
        use ErrorKind::{Conflict, Data, Denied, Duplicate, Full, Lost, Missing, NotReady, Other};
        //  code  message                                                      class      remedy           why
        let cases = [
            (1213, "Deadlock found when trying to get lock", Conflict, Remedy::Retry, "certification"),
            (1205, "Lock wait timeout exceeded", Conflict, Remedy::Retry, "lock wait, or our own fence"),
            (1180, "Got error 6 \"No such device or address\" during COMMIT", Conflict, Remedy::Retry, "Galera"),
            (1105, "WSREP detected deadlock/conflict and aborted the transaction", Conflict, Remedy::Retry, "text"),
            (1105, "Maximum writeset size exceeded", Other, Remedy::Stop, "too large stays too large"),
            (1105, "write set size limit exceeded", Other, Remedy::Stop, "too large stays too large"),
            (1105, "Unknown error", Other, Remedy::Stop, "anything else"),
            (1317, "Query execution was interrupted", Conflict, Remedy::Retry, "somebody's KILL QUERY"),
            (1047, "WSREP has not yet prepared node for application use", NotReady, Remedy::Retry, "not Primary"),
            (1047, "Unknown command", NotReady, Remedy::Retry, "its older text"),
            (1040, "Too many connections", NotReady, Remedy::Retry, "passes"),
            (1927, "Connection was killed", Lost, Remedy::Inspect, "may have happened"),
            (4031, "The client was disconnected by the server because of inactivity.", Lost, Remedy::Inspect, "MySQL"),
            (4031, "Referenced trigger 'a' for the given action time", Missing, Remedy::Stop, "MariaDB"),
            (4025, "CONSTRAINT `c` failed for `s`.`t`", Data, Remedy::Stop, "MariaDB"),
            (4025, "AUTOEXTEND_SIZE value should be between", Other, Remedy::Stop, "MySQL"),
            (1053, "Server shutdown in progress", Lost, Remedy::Inspect, "may have happened"),
            (1045, "Access denied", Denied, Remedy::Stop, "password"),
            (1419, "You do not have the SUPER privilege", Denied, Remedy::Stop, "triggers"),
            (1290, "The MySQL server is running with the --read-only option", Other, Remedy::Stop, "read-only"),
            (1062, "Duplicate entry", Duplicate, Remedy::Stop, "unique key"),
            (1265, "Data truncated", Data, Remedy::Stop, "does not fit"),
            (1452, "Cannot add or update a child row", Data, Remedy::Stop, "rows prove it"),
            (1054, "Unknown column", Missing, Remedy::Stop, "column"),
            (1136, "Column count doesn't match value count", Other, Remedy::Stop, "built wrongly"),
            (1114, "The table 'x' is full", Full, Remedy::Stop, "no room"),
            (1062, "Duplicate entry 'No space left on device' for key 'k'", Duplicate, Remedy::Stop, "a row says so"),
            (
                1030,
                "Got error 28 \"No space left on device\" from storage engine InnoDB",
                Full,
                Remedy::Stop,
                "no room",
            ),
            (1180, "Got error 28 \"No space left on device\" during COMMIT", Full, Remedy::Stop, "no conflict"),
            (1026, "Error writing file 'x' (errno: 28)", Full, Remedy::Stop, "no room"),
            (1030, "Got error 168 from storage engine", Other, Remedy::Stop, "anything else"),
            (1064, "You have an error in your SQL syntax", Other, Remedy::Stop, "anything else"),
        ];
        for (code, message, kind, remedy, why) in cases {
            assert_eq!(classify(code, message), kind, "{code} {why}");
            let error = ServerError { node: "n".into(), code, message: message.into(), kind };
            assert_eq!(error.remedy(), remedy, "{code} {why}");
            assert_eq!(Fault::from(error).remedy(), remedy, "{code} {why}");
        }
    }
}
