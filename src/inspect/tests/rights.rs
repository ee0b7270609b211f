//! Grants against needs.

use std::collections::BTreeMap;

use driftless_strategies::{Flavour, Ident, TableName, Version};

use crate::inspect::privileges::missing_to_follow;
use crate::inspect::{Needs, missing_privileges};
use crate::sql::catalog_table::Dialect;

const MARIADB: Dialect = Dialect { flavour: Flavour::MariaDb, version: Version::new(10, 11, 19) };
const MYSQL: Dialect = Dialect { flavour: Flavour::MySql, version: Version::new(8, 4, 0) };
const ALL: &str =
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, CREATE TEMPORARY TABLES, TRIGGER, REFERENCES";

fn missing(dialect: Dialect, variables: &[(&str, &str)], table: &str, grants: &[&str]) -> Vec<String> {
    let variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let table = TableName::parse(table).unwrap();
    let grants: Vec<String> = grants.iter().map(|line| (*line).to_owned()).collect();
    missing_privileges(&Needs { dialect, table: &table, foreign_keys: 1, variables: &variables }, &grants)
}

/// Whether a user with these lines beside `PROCESS`, `SLAVE MONITOR` and all rights on the journal may do all on s_1.t.
fn enough(variables: &[(&str, &str)], grants: &[&str]) -> bool {
    let global = "GRANT PROCESS, SLAVE MONITOR ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*00 ON TO'";
    let journal = "GRANT ALL PRIVILEGES ON `driftless`.* TO `u`@`%`";
    let lines: Vec<&str> = [global, journal].into_iter().chain(grants.iter().copied()).collect();
    missing(MARIADB, variables, "s_1.t", &lines).is_empty()
}

#[test]
fn grants_of_every_form_count() {
    let named = format!("GRANT {ALL} ON `s_1`.* TO `u`@`%`");
    let table = |name: &str| format!("GRANT ALL PRIVILEGES ON `s_1`.`{name}` TO `u`@`%`");
    let tables = [table("t"), table("_t_shadow"), table("_t_retired")];
    let temporary = "GRANT CREATE TEMPORARY TABLES ON `s_1`.* TO `u`@`%`".to_owned();
    //  lines                                                             enough  why
    let cases: Vec<(Vec<&str>, bool, &str)> = vec![
        (vec!["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"], true, "everything"),
        (vec!["GRANT ALL PRIVILEGES ON `s_1`.* TO `u`@`%`"], true, "the schema, _ as any character"),
        (vec!["GRANT ALL PRIVILEGES ON `s\\_1`.* TO `u`@`%`"], true, "the schema, escaped"),
        (vec!["GRANT ALL PRIVILEGES ON `s\\_2`.* TO `u`@`%`"], false, "another schema"),
        (vec!["GRANT ALL PRIVILEGES ON `s%`.* TO `u`@`%`"], true, "a pattern"),
        (vec!["GRANT ALL PRIVILEGES ON `%`.* TO `u`@`%`"], true, "any"),
        (vec!["GRANT ALL PRIVILEGES ON \"s_1\".* TO \"u\"@\"%\""], true, "ANSI quotes"),
        (vec!["GRANT ALL PRIVILEGES ON `S_1`.* TO `u`@`%`"], false, "another case"),
        (vec![&named], true, "one by one"),
        (vec!["GRANT SELECT, INSERT ON `s_1`.* TO `u`@`%`"], false, "too few"),
        (vec!["GRANT `role` TO `u`@`%`", "GRANT ALL PRIVILEGES ON `s_1`.* TO `role`"], true, "by a role"),
        (
            vec!["GRANT ALL PRIVILEGES ON `s%`.* TO `u`@`%`", "GRANT SELECT ON `s\\_1`.* TO `u`@`%`"],
            false,
            "the most specific one counts",
        ),
        (
            vec!["GRANT ALL PRIVILEGES ON `s%`.* TO `role`", "GRANT SELECT ON `s\\_1`.* TO `u`@`%`"],
            true,
            "but by grantee",
        ),
        (vec![&tables[0], &temporary], false, "the table alone is not its shadow"),
        (vec![&tables[0], &tables[1], &tables[2], &temporary], true, "all three tables"),
        (vec![&tables[0], &tables[1], &tables[2]], false, "temporary tables are the schema's"),
        (vec!["GRANT SELECT (`a`, `b`), INSERT (`a`) ON `s_1`.`t` TO `u`@`%`"], false, "columns"),
        (vec!["GRANT ALL PRIVILEGES ON PROCEDURE `s_1`.`t` TO `u`@`%`"], false, "a procedure"),
        (vec!["GRANT PROXY ON ``@`%` TO `u`@`%`"], false, "a proxy"),
    ];
    for (lines, wanted, why) in cases {
        assert_eq!(enough(&[], &lines), wanted, "{why}");
    }
    let shouted = ["GRANT ALL PRIVILEGES ON `S\\_1`.* TO `u`@`%`"];
    assert!(enough(&[("lower_case_table_names", "1")], &shouted), "where case does not count");
}

#[test]
fn partial_revokes_take_away() {
    let all =
        format!("GRANT {ALL}, PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, XA_RECOVER_ADMIN ON *.* TO `u`@`%`");
    let revoke = "REVOKE INSERT ON `s_1`.* FROM `u`@`%`";
    let variables = [("partial_revokes", "ON")];
    assert_eq!(missing(MYSQL, &variables, "s_1.t", &[&all, revoke]), ["INSERT ON `s\\_1`.*"]);
    assert!(missing(MYSQL, &variables, "sx1.t", &[&all, revoke]).is_empty(), "no wildcards then");
}

#[test]
fn whats_missing_can_be_granted() {
    let found = missing(MYSQL, &[("log_bin", "ON")], "s_1.t", &["GRANT USAGE ON *.* TO `u`@`%`"]);
    assert_eq!(found.len(), 11 + 10 + 5, "{found:?}");
    assert_eq!(found[0], "SELECT ON `s\\_1`.*");
    let last: Vec<_> = found.iter().rev().take(4).map(String::as_str).collect();
    let wanted = ["SUPER ON *.*", "XA_RECOVER_ADMIN ON *.*", "REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*"];
    assert_eq!(last, wanted);
    let trusting = [("log_bin", "ON"), ("log_bin_trust_function_creators", "ON")];
    let found = missing(MARIADB, &trusting, "s_1.t", &["GRANT ALL PRIVILEGES ON `%`.* TO `u`@`%`"]);
    assert_eq!(found, ["PROCESS ON *.*", "SLAVE MONITOR ON *.*"]);
    let cluster = missing(MARIADB, &[("wsrep_on", "ON"), ("log_bin", "OFF")], "s.t", &[]);
    assert_eq!(cluster.last().map(String::as_str), Some("SUPER ON *.*"), "Galera counts as a binlog");
}

#[test]
fn one_primary_is_locked_for_the_switch() {
    let (none, schema) = (BTreeMap::new(), Ident::new("s_1").unwrap());
    let grants = [
        "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `u`@`%`".to_owned(),
        format!("GRANT {ALL} ON `s\\_1`.* TO `u`@`%`"),
    ];
    assert_eq!(missing_to_follow(MARIADB, &grants, &none, None), Vec::<String>::new(), "a cluster has a fence");
    assert_eq!(missing_to_follow(MARIADB, &grants, &none, Some(&schema)), ["LOCK TABLES ON `s\\_1`.*"]);
    assert_eq!(missing_to_follow(MARIADB, &grants[..1], &none, Some(&schema)).len(), 3, "the sentry is a table too");
}
