//! Transactions, statements and places between them.

use driftless::ports::changes::{Change, Changes};

use crate::ground::{Ground, commits, key, rows, statements};

/// A server with `s.t (id, v)`, which has row 1.
async fn ground(lines: &[&str]) -> Ground {
    let ground = Ground::start(lines).await;
    ground.run(&["CREATE TABLE s.t (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO s.t VALUES (1, 'a')"]).await;
    ground
}

#[tokio::test]
async fn a_transaction_ends_where_it_ends() {
    let ground = ground(&[]).await;
    let watched = ground.watch("t").await;
    let from = watched.position().await;
    ground
        .run(&[
            "BEGIN",
            "INSERT INTO s.t VALUES (2, 'b')",
            "SAVEPOINT a",
            "INSERT INTO s.t VALUES (3, 'c')",
            "ROLLBACK TO a",
            "INSERT INTO s.t VALUES (4, 'd')",
            "RELEASE SAVEPOINT a",
            "COMMIT",
            "UPDATE s.t SET id = id + 10 WHERE id IN (1, 4)",
            "DELETE FROM s.t WHERE id = 14",
        ])
        .await;
    let changes = watched.since(&from).await;
    let places = commits(&changes);
    assert_eq!(places.len(), 3, "{changes:?}");
    let expected =
        [(None, key("2")), (None, key("4")), (key("1"), key("11")), (key("4"), key("14")), (key("14"), None)];
    let seen: Vec<_> = rows(&changes).into_iter().filter(|row| row.1 != key("3")).collect();
    assert_eq!(seen, expected);
    let first = changes.iter().position(|change| matches!(change, Change::Committed { .. })).unwrap();
    assert!(rows(&changes[..first]).contains(&(None, key("4"))), "all rows of a transaction come before its end");
    assert!(places.windows(2).all(|pair| pair[1].reached(&pair[0]) == Some(true) && pair[0] != pair[1]));
    let last = places.last().unwrap();
    assert_eq!(last.gtid, Some(ground.run(&["SELECT @@gtid_binlog_pos"]).await[0][0].clone()));
    assert!(places.iter().all(|place| place.xid.is_some() && place.began.is_some()), "{places:?}");
    assert_eq!(watched.position().await.reached(last), Some(true));
    ground.cluster.stop().await;
}

#[tokio::test]
async fn xa_ends_at_prepare_and_at_commit() {
    let ground = ground(&[]).await;
    let watched = ground.watch("t").await;
    let from = watched.position().await;
    ground
        .run(&[
            "XA START 'x'",
            "INSERT INTO s.t VALUES (2, 'b')",
            "XA END 'x'",
            "XA PREPARE 'x'",
            "XA COMMIT 'x'",
            "XA START 'y'",
            "INSERT INTO s.t VALUES (3, 'b')",
            "XA END 'y'",
            "XA COMMIT 'y' ONE PHASE",
            "XA START 'z'",
            "INSERT INTO s.t VALUES (4, 'b')",
            "XA END 'z'",
            "XA PREPARE 'z'",
            "XA ROLLBACK 'z'",
        ])
        .await;
    let changes = watched.since(&from).await;
    let order: String = changes
        .iter()
        .filter_map(|change| match change {
            Change::Row { after, .. } => after.as_ref().map(|key| key.0[0].clone()),
            Change::Committed { .. } => Some("|".into()),
            Change::Ddl { statement, .. } => Some(String::from_utf8_lossy(statement).into_owned()),
            Change::Idle { .. } => None,
        })
        .collect();
    assert_eq!(order, "2||3|4||", "{changes:?}");
    ground.cluster.stop().await;
}

#[tokio::test]
async fn statements_are_told_when_they_concern_the_table() {
    let ground = ground(&[]).await;
    ground.run(&["CREATE TABLE s.other (id INT PRIMARY KEY)", "CREATE DATABASE r", "CREATE TABLE r.t (id INT)"]).await;
    let watched = ground.watch("t").await;
    //  statement                                                              told   why
    let cases: &[(&str, bool, &str)] = &[
        ("ALTER TABLE s.other ADD COLUMN x INT", false, "another table"),
        ("ALTER TABLE r.t ADD COLUMN x INT", false, "another schema"),
        ("USE r", false, "nothing"),
        ("ALTER TABLE s.t COMMENT 'x'", true, "the table"),
        ("SET STATEMENT lock_wait_timeout=9 FOR ALTER TABLE s.t COMMENT 'y'", true, "in disguise"),
        ("/* c */ ALTER /*!50000 TABLE */ s . t COMMENT 'z'", true, "with comments"),
        ("CREATE TRIGGER s.tr BEFORE INSERT ON s.t FOR EACH ROW SET @x = 1", true, "a trigger"),
        ("DROP TRIGGER s.tr", false, "a trigger goes by its own name"),
        ("RENAME TABLE s.t TO s.t2, s.t2 TO s.t", true, "a rename"),
        ("ANALYZE TABLE s.t", false, "harmless"),
        ("GRANT SELECT ON s.t TO root@localhost", false, "harmless"),
        ("CREATE TEMPORARY TABLE s.tt LIKE s.t", false, "nobody else's"),
        ("CREATE TABLE s.made SELECT * FROM s.t", false, "is written as a table and rows"),
        ("CREATE TABLE s.like_it LIKE s.t", true, "names it"),
        ("TRUNCATE TABLE s.other", false, "another table"),
        ("DROP DATABASE r", false, "another schema"),
        ("TRUNCATE TABLE s.t", true, "all rows at once"),
    ];
    for (statement, told, why) in cases {
        let from = watched.position().await;
        ground.run(&["USE s", statement]).await;
        let changes = watched.since(&from).await;
        assert_eq!(!statements(&changes).is_empty(), *told, "{statement}: {why}: {changes:?}");
        assert!(statements(&changes).len() <= 1, "{statement}");
    }
    let from = watched.position().await;
    ground
        .run(&[
            "SET NAMES latin1",
            "USE s",
            "ALTER TABLE t COMMENT 'caf\u{e9}'",
            "SET SESSION binlog_format = STATEMENT",
            "INSERT INTO other (id) VALUES (1)",
            "UPDATE t SET v = 'q'",
        ])
        .await;
    let told = statements(&watched.since(&from).await);
    assert_eq!(told.len(), 3, "DDL, and DML by statement, whatever it names: {told:?}");
    let from = watched.position().await;
    ground.run(&["DROP DATABASE s"]).await;
    assert_eq!(statements(&watched.since(&from).await), ["DROP DATABASE s"]);
    ground.cluster.stop().await;
}

#[tokio::test]
async fn a_stream_goes_on_at_every_place_as_if_it_had_not_ended() {
    let ground = ground(&["max_binlog_size=4096"]).await;
    ground.run(&["CREATE TABLE s.other (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT) ENGINE=MyISAM"]).await;
    let watched = ground.watch("t").await;
    let from = watched.position().await;
    for number in 10..30 {
        let insert = format!("INSERT INTO s.t VALUES ({number}, 'x'), ({number}0, REPEAT('y', 20))");
        let update = format!("UPDATE s.t SET id = id + 100000 WHERE id = {number}");
        let other = "INSERT INTO s.other (v) VALUES (REPEAT('z', 300))";
        ground.run(&["BEGIN", &insert, other, &update, "COMMIT", other]).await;
        if number % 7 == 0 {
            ground.run(&["FLUSH LOGS", "ANALYZE TABLE s.t"]).await;
        }
    }
    let all = watched.since(&from).await;
    let places = commits(&all);
    assert!(places.last().unwrap().number() > from.number().map(|number| number + 3), "several files");
    for place in &places {
        assert!(watched.changes.has(place).await.unwrap(), "{place}");
        let index = all.iter().position(|change| matches!(change, Change::Committed { at } if at == place)).unwrap();
        let again = watched.since(place).await;
        assert_eq!(rows(&again), rows(&all[index..]), "from {place}");
        assert_eq!(commits(&again), commits(&all[index + 1..]), "from {place}");
    }
    ground.cluster.stop().await;
}
