//! The fence: triggers that let nobody write for a while, and then do nothing.
//!
//! Each waits in short sleeps and then fails with 1205, before the first row is touched, also in statements of many rows,
//! `IGNORE`, `REPLACE`, `LOAD DATA` and updates of several tables (MariaDB 10.11, our own tests). Never with 1213: who is
//! told of a deadlock believes that the transaction is rolled back, and a SIGNAL rolls nothing back.
//!
//! The end of the fence stands in the triggers. Each node judges it by its own clock in two ways, and is closed while
//! either says so: `UTC_TIMESTAMP` is the statement's begin and follows `SET timestamp`; `SYSDATE` does not, but is local
//! time, which is ambiguous for an hour in autumn. The window has a begin as well, so that a session whose time stands
//! still in the past, or an hour that comes twice, is not kept out after the end.
//!
//! The bodies read no table: nothing that their definer may lose can keep the source closed.

use driftless_strategies::Flavour;
use driftless_strategies::plan::CopySpec;

use super::triggers::Change;
use super::{Sql, ddl, triggers};
use crate::ports::journal::JobId;

/// Tenths of a second that a write waits before it fails (2 s).
const WAITS: u64 = 20;
/// Minutes before the end at which the window begins: longer than any lease, shorter than the hour that comes twice.
const WINDOW_MIN: u64 = 29;

/// The session's server time in microseconds since 1970, UTC in every session of driftless; not bent by anything.
#[must_use]
pub fn clock() -> Sql {
    Sql::new("SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', SYSDATE(6))")
}

/// A moment as the servers write it, from microseconds since 1970.
#[must_use]
pub fn moment(micros: u64) -> Sql {
    Sql::new("SELECT CAST(CAST('1970-01-01' AS DATETIME(6)) + INTERVAL ")
        .number(micros)
        .text(" MICROSECOND AS CHAR(26))")
}

/// Makes the three triggers. `until` is what `moment` answered. MariaDB takes them as one statement, and only from the
/// holder of the lease; a CREATE TRIGGER may not stand in one, but be executed there.
#[must_use]
pub fn close(spec: &CopySpec, job: &JobId, token: u64, until: &str, flavour: Flavour) -> Vec<Sql> {
    let triggers = Change::ALL.map(|change| create_trigger(spec, job, change, until));
    match flavour {
        Flavour::MySql => triggers.into(),
        Flavour::MariaDb => {
            let executed = triggers.iter().map(|sql| Sql::new("EXECUTE IMMEDIATE ").literal(sql.as_str()));
            vec![ddl::by_holder(&Sql::new("").join("; ", executed), job, token, flavour)]
        }
    }
}

/// Drops them, wherever they stand; in the same way.
#[must_use]
pub fn open(spec: &CopySpec, job: &JobId, token: u64, flavour: Flavour) -> Vec<Sql> {
    let drops = Change::ALL.map(|change| triggers::drop_trigger(spec, job, change));
    match flavour {
        Flavour::MySql => drops.into(),
        Flavour::MariaDb => vec![ddl::by_holder(&Sql::new("").join("; ", drops), job, token, flavour)],
    }
}

/// Names of the triggers that stand on the source and have that end. One that an earlier attempt has left on a node has
/// the same name, and lets writers through.
#[must_use]
pub fn standing(spec: &CopySpec, job: &JobId, until: &str) -> Sql {
    triggers::standing(&spec.source, job).text(" AND LOCATE(").string(until).text(", ACTION_STATEMENT) > 0")
}

fn create_trigger(spec: &CopySpec, job: &JobId, change: Change, until: &str) -> Sql {
    let end = || Sql::new("CAST(").string(until).text(" AS DATETIME(6))");
    let within = |time: &'static str| {
        let begin = end().text(" - INTERVAL ").number(WINDOW_MIN).text(" MINUTE");
        Sql::new(time).text(" BETWEEN ").sql(&begin).text(" AND ").sql(&end())
    };
    let told = format!("driftless is switching the table until {} UTC: roll back and try again", seconds(until));
    Sql::new("CREATE TRIGGER ")
        .sql(&triggers::qualified(spec, job, change))
        .text(match change {
            Change::Delete => " BEFORE DELETE ON ",
            Change::Update => " BEFORE UPDATE ON ",
            Change::Insert => " BEFORE INSERT ON ",
        })
        .table(&spec.source)
        .text(" FOR EACH ROW BEGIN DECLARE waits INT DEFAULT 0; WHILE ")
        .sql(&within("UTC_TIMESTAMP(6)"))
        .text(" OR ")
        .sql(&within("CONVERT_TZ(SYSDATE(6), @@SESSION.time_zone, '+00:00')"))
        .text(" DO IF waits >= ")
        .number(WAITS)
        .text(" THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = ")
        .string(&told)
        .text("; END IF; DO SLEEP(0.1); SET waits = waits + 1; END WHILE; END")
}

/// A moment without its fraction.
#[must_use]
pub fn seconds(moment: &str) -> &str {
    moment.split('.').next().unwrap_or(moment)
}

/// The switch, for the holder of the lease only, and only while this node's clock shows earlier than `latest`. The
/// server checks and acts at once; only MariaDB can do that, elsewhere the statement stands alone.
#[must_use]
pub fn switch_before(spec: &CopySpec, job: &JobId, token: u64, latest: &str, flavour: Flavour) -> Sql {
    let held = ddl::by_holder(&ddl::switch(spec), job, token, flavour);
    match flavour {
        Flavour::MySql => held,
        Flavour::MariaDb => Sql::new("BEGIN NOT ATOMIC IF SYSDATE(6) >= CAST(")
            .string(latest)
            .text(" AS DATETIME(6)) THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, ")
            .text("MESSAGE_TEXT = 'too late to switch the names'; END IF; ")
            .sql(&held)
            .text("; END"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::swap::tests::spec;

    #[test]
    fn a_trigger_ends_by_itself_and_says_when() {
        let job = JobId("0123456789ab".into());
        let sql = create_trigger(&spec(), &job, Change::Update, "2026-11-21 22:03:04.500000");
        let text = sql.as_str();
        let all = close(&spec(), &job, 7, "2026-11-21 22:03:04.500000", Flavour::MariaDb);
        assert!(
            all.len() == 1 && all[0].as_str().matches("; EXECUTE IMMEDIATE 'CREATE TRIGGER").count() == 2,
            "{all:?}"
        );
        assert!(
            text.starts_with("CREATE TRIGGER `s`.`driftless_0123456789ab_upd` BEFORE UPDATE ON `s`.`t` "),
            "{text}"
        );
        assert!(text.contains("MYSQL_ERRNO = 1205") && !text.contains("1213"), "{text}");
        assert!(text.contains("until 2026-11-21 22:03:04 UTC"), "{text}");
        assert_eq!(text.matches("AND CAST('2026-11-21 22:03:04.500000' AS DATETIME(6))").count(), 2, "{text}");
        assert!(text.len() < 900, "it is read by people");
    }

    #[test]
    fn a_switch_is_bound_to_holder_and_time() {
        let job = JobId("0123456789ab".into());
        let sql = switch_before(&spec(), &job, 7, "2026-11-21 22:03:04.500000", Flavour::MariaDb);
        let text = sql.as_str();
        assert!(text.starts_with("BEGIN NOT ATOMIC IF SYSDATE(6) >= CAST('2026-11-21 22:03:04.500000'"), "{text}");
        assert!(text.contains("token = 7") && text.contains("RENAME TABLE `s`.`t` TO "), "{text}");
    }
}
