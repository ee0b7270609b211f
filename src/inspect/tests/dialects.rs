//! What is asked of which server.

use driftless_strategies::{Flavour, TableName, Version};

use crate::sql::catalog::{channels, replica_hosts};
use crate::sql::catalog_locks::probe;
use crate::sql::catalog_table::{Dialect, checks, columns, fresh_sizes, keys, referencing_in_innodb, table};

fn dialect(flavour: Flavour, major: u32, minor: u32, patch: u32) -> Dialect {
    Dialect { flavour, version: Version::new(major, minor, patch) }
}

#[test]
fn columns_that_only_some_have_are_asked_of_those() {
    let table = TableName::parse("s.t").unwrap();
    //  server                                     ignored  visible expression srid   innodb   checks
    let cases = [
        (dialect(Flavour::MariaDb, 10, 3, 9), [false, false, false, false, true, false]),
        (dialect(Flavour::MariaDb, 10, 5, 20), [false, false, false, false, true, true]),
        (dialect(Flavour::MariaDb, 10, 11, 19), [true, false, false, false, true, true]),
        (dialect(Flavour::MariaDb, 12, 1, 1), [true, false, false, false, true, true]),
        (dialect(Flavour::MySql, 5, 7, 44), [false, false, false, false, true, false]),
        (dialect(Flavour::MySql, 8, 0, 2), [false, true, false, false, false, false]),
        (dialect(Flavour::MySql, 8, 0, 15), [false, true, true, true, false, false]),
        (dialect(Flavour::MySql, 8, 0, 36), [false, true, true, true, false, true]),
        (dialect(Flavour::MySql, 9, 7, 4), [false, true, true, true, false, true]),
    ];
    for (dialect, wanted) in cases {
        let keys = keys(dialect, &table);
        let has = |text: &str| keys.as_str().contains(text);
        let found = [
            has("ignored"),
            has("is_visible"),
            has(", expression,"),
            columns(dialect, &table).as_str().contains("srs_id"),
            referencing_in_innodb(dialect, &table).is_some(),
            checks(dialect, &table).is_some(),
        ];
        assert_eq!(found, wanted, "{dialect:?}");
        let cached = dialect.flavour == Flavour::MySql && dialect.version >= Version::new(8, 0, 3);
        assert_eq!(fresh_sizes(dialect).is_some(), cached, "{dialect:?}");
    }
}

#[test]
fn words_that_were_renamed_follow_the_version() {
    let ask = |flavour, (major, minor, patch)| {
        let version = Version::new(major, minor, patch);
        (channels(flavour, version).as_str().to_owned(), replica_hosts(flavour, version).as_str().to_owned())
    };
    let wanted = |channels: &str, hosts: &str| (channels.to_owned(), hosts.to_owned());
    assert_eq!(ask(Flavour::MariaDb, (11, 4, 1)), wanted("SHOW ALL SLAVES STATUS", "SHOW SLAVE HOSTS"));
    assert_eq!(ask(Flavour::MySql, (5, 7, 44)), wanted("SHOW SLAVE STATUS", "SHOW SLAVE HOSTS"));
    assert_eq!(ask(Flavour::MySql, (8, 4, 0)), wanted("SHOW REPLICA STATUS", "SHOW REPLICAS"));
}

#[test]
fn odd_names_are_quoted() {
    let odd = TableName::parse("`a'b`.`c``d`").unwrap();
    let text = table(&odd);
    assert!(text.as_str().ends_with("table_schema = _utf8mb4 x'612762' AND table_name = _utf8mb4 x'636064'"));
    let wanted = "SELECT 1 FROM `a'b`.`c``d` WHERE FALSE FOR UPDATE";
    assert_eq!(probe(Flavour::MySql, &odd).as_str(), wanted);
    assert_eq!(probe(Flavour::MariaDb, &odd).as_str(), format!("{wanted} NOWAIT"));
}
