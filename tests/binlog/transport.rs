//! The way from the server: files that end, servers that go, rows of any size.

use std::time::Duration;

use driftless::mysql::MysqlChanges;
use driftless::ports::changes::{Change, Changes, Position, StreamError};
use futures_util::StreamExt as _;
use mysql_async::{BinlogStreamRequest, Conn, OptsBuilder};

use crate::ground::{Ground, HEARTBEAT, LIMIT, MARIADB, Watched, commits, failure, key, rows, server, until};

async fn ground(lines: &[&str]) -> (Ground, Watched) {
    let ground = Ground::start(lines).await;
    ground.run(&["CREATE TABLE s.t (id INT PRIMARY KEY, v LONGTEXT)"]).await;
    let watched = ground.watch("t").await;
    (ground, watched)
}

/// Connections that follow the binlog, by id.
async fn dumps(ground: &Ground) -> Vec<String> {
    let ids = ground.run(&["SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"]).await;
    ids.into_iter().map(|row| row[0].clone()).collect()
}

async fn eventually(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn rows_of_twenty_megabytes_pass() {
    for lines in [&["max_allowed_packet=64M"][..], &["max_allowed_packet=64M", "log_bin_compress=ON"]] {
        let (ground, watched) = ground(lines).await;
        let from = watched.position().await;
        ground
            .run(&[
                "INSERT INTO s.t VALUES (1, REPEAT('a', 20000000)), (2, MD5(RAND()))",
                "INSERT INTO s.t SELECT 3, REPEAT(MD5(RAND()), 600000) UNION SELECT 4, REPEAT(MD5(RAND()), 600000)",
                "UPDATE s.t SET id = 9 WHERE id = 1",
            ])
            .await;
        let changes = watched.since(&from).await;
        let expected = [(None, key("1")), (None, key("2")), (None, key("3")), (None, key("4")), (key("1"), key("9"))];
        assert_eq!(rows(&changes), expected);
        let sizes = changes.iter().filter_map(|change| match change {
            Change::Row { bytes, .. } => Some(*bytes),
            Change::Committed { .. } | Change::Ddl { .. } | Change::Idle { .. } => None,
        });
        let sizes: Vec<u64> = sizes.collect();
        assert!(sizes[0] > 20_000_000 && sizes[4] > 40_000_000, "{sizes:?}");
        ground.cluster.stop().await;
    }
}

#[tokio::test]
async fn one_stream_crosses_files_and_checksums() {
    let (ground, watched) = ground(&[]).await;
    let from = watched.position().await;
    let mut source = watched.changes.open(&from).await.unwrap();
    let mut seen = Vec::new();
    for (number, setting) in ["NONE", "CRC32", "NONE", "NONE"].iter().enumerate() {
        ground.run(&[&format!("INSERT INTO s.t VALUES ({number}, 'x')")]).await;
        ground.run(&[&format!("SET GLOBAL binlog_checksum = {setting}"), "FLUSH BINARY LOGS"]).await;
        ground.run(&[&format!("UPDATE s.t SET v = 'y' WHERE id = {number}")]).await;
        seen.extend(until(&mut *source, &watched.position().await).await);
    }
    let expected: Vec<_> =
        (0..4).flat_map(|id| [(None, key(&id.to_string())), (key(&id.to_string()), key(&id.to_string()))]).collect();
    assert_eq!(rows(&seen), expected);
    let files: Vec<u64> = commits(&seen).iter().filter_map(Position::number).collect();
    assert!(files.last() > files.first().map(|first| first + 3).as_ref(), "{files:?}");
    ground.cluster.stop().await;
}

#[tokio::test]
async fn a_server_that_goes_is_seen_and_followed_again() {
    let (ground, watched) = ground(&["sync_binlog=1", "innodb_flush_log_at_trx_commit=1"]).await;
    let from = watched.position().await;
    let mut seen = Vec::new();
    let mut at = from.clone();
    for (number, way) in ["kill -9", "shutdown", "connection"].iter().enumerate() {
        // A server that has just come up may cut the first connection off.
        let mut opened = watched.changes.open(&at).await;
        for _ in 0..50 {
            if matches!(opened, Err(StreamError::Busy { .. } | StreamError::Lost { .. })) {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                opened = watched.changes.open(&at).await;
            }
        }
        let mut source = opened.unwrap();
        ground.run(&[&format!("INSERT INTO s.t VALUES ({number}, '{way}')")]).await;
        let part = until(&mut *source, &watched.position().await).await;
        at = commits(&part).last().unwrap().clone();
        seen.extend(part);
        match *way {
            "kill -9" => ground.cluster.kill9(0),
            "shutdown" => drop(ground.run(&["SHUTDOWN"]).await),
            _ => drop(ground.run(&[&format!("KILL {}", dumps(&ground).await[0])]).await),
        }
        let error = failure(&mut *source).await;
        assert!(matches!(error, StreamError::Lost { .. }), "{way}: {error}");
        assert_eq!(source.next().await.unwrap_err(), error, "it stays over");
        if *way != "connection" {
            eventually("the server has ended", async || ground.cluster.running(0) == driftless::demo::Running::No)
                .await;
            let error = watched.changes.open(&at).await.err().expect("no server");
            assert!(matches!(error, StreamError::Busy { .. } | StreamError::Lost { .. }), "{way}: {error}");
            ground.cluster.restart(0).await.unwrap();
            assert!(watched.changes.has(&at).await.unwrap(), "{way}: {at}");
        }
    }
    ground.run(&["DELETE FROM s.t"]).await;
    seen.extend(watched.since(&at).await);
    let kept: Vec<_> = rows(&seen);
    let expected =
        [(None, key("0")), (None, key("1")), (None, key("2")), (key("0"), None), (key("1"), None), (key("2"), None)];
    assert_eq!(kept, expected);
    ground.cluster.stop().await;
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_an_idle_one_is_not() {
    let (ground, watched) = ground(&[]).await;
    let mut source = watched.changes.open(&watched.position().await).await.unwrap();
    for _ in 0..3 {
        let idle = tokio::time::timeout(HEARTBEAT * 8, source.next()).await.expect("a heartbeat").unwrap();
        assert!(matches!(idle, Change::Idle { .. }), "{idle:?}");
    }
    ground.cluster.freeze(0);
    let error = failure(&mut *source).await;
    ground.cluster.thaw(0);
    assert!(matches!(&error, StreamError::Lost { what, .. } if what.contains("nothing came")), "{error}");
    ground.cluster.stop().await;
}

#[tokio::test]
async fn what_is_gone_is_said_before_it_is_missed() {
    let (ground, watched) = ground(&[]).await;
    let from = watched.position().await;
    ground.run(&["INSERT INTO s.t VALUES (1, 'x')"]).await;
    let seen = commits(&watched.since(&from).await);
    assert!(watched.changes.has(&from).await.unwrap());
    let beyond = Position { offset: from.offset + 1_000_000, ..from.clone() };
    let elsewhere = Position { server: "other".into(), ..from.clone() };
    for place in [&beyond, &elsewhere] {
        assert!(!watched.changes.has(place).await.unwrap(), "{place}");
        let error = watched.changes.open(place).await.err().expect("nothing there");
        assert!(matches!(error, StreamError::Purged { .. }), "{error}");
    }
    let between = Position { offset: from.offset + 3, ..from.clone() };
    let mut source = match watched.changes.open(&between).await {
        Ok(source) => source,
        Err(error) => panic!("the server takes any place: {error}"),
    };
    let error = failure(&mut *source).await;
    assert!(!matches!(error, StreamError::Refused { .. } | StreamError::Busy { .. }), "{error}");

    ground.run(&["FLUSH BINARY LOGS"]).await;
    let last = watched.position().await.file;
    eventually("the file is purged", async || {
        ground.run(&[&format!("PURGE BINARY LOGS TO '{last}'")]).await;
        !watched.changes.has(&from).await.unwrap()
    })
    .await;
    let error = watched.changes.open(&from).await.err().expect("purged");
    assert!(matches!(error, StreamError::Purged { .. }), "{error}");

    // The same name, another file: only when it was begun tells.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    drop(source);
    ground.run(&["RESET MASTER"]).await;
    ground.run(&["INSERT INTO s.t VALUES (2, 'x')", "INSERT INTO s.t VALUES (3, REPEAT('x', 2000))"]).await;
    let seen = seen.last().unwrap();
    let same = Position { file: watched.position().await.file, ..seen.clone() };
    assert!(watched.changes.has(&same).await.unwrap(), "it looks as if it were there");
    let error = watched.changes.open(&same).await.err().expect("another binlog");
    assert!(matches!(error, StreamError::Purged { .. }), "{error}");
    ground.cluster.stop().await;
}

#[tokio::test]
async fn a_number_that_is_taken_costs_one_attempt() {
    let (ground, watched) = ground(&[]).await;
    let from = watched.position().await;
    let mut source = watched.changes.open(&from).await.unwrap();
    let hosts = ground.run(&["SHOW SLAVE HOSTS"]).await;
    let id: u32 = hosts[0][0].parse().unwrap();
    let opts = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(ground.port()).user(Some("root"));
    let conn = Conn::new(opts.prefer_socket(false)).await.unwrap();
    let request = BinlogStreamRequest::new(id).with_filename(from.file.as_bytes()).with_pos(from.offset);
    let mut other = conn.get_binlog_stream(request).await.unwrap();
    other.next().await.unwrap().unwrap();
    let error = failure(&mut *source).await;
    assert!(matches!(error, StreamError::Lost { .. }), "{error}");
    drop(source);
    let mut again = watched.changes.open(&from).await.unwrap();
    ground.run(&["INSERT INTO s.t VALUES (1, 'x')"]).await;
    assert_eq!(rows(&until(&mut *again, &watched.position().await).await), [(None, key("1"))]);
    let next = async { while other.next().await.unwrap().unwrap().header().event_type_raw() != 16 {} };
    tokio::time::timeout(LIMIT, next).await.expect("the other one still follows");
    ground.cluster.stop().await;
}

#[tokio::test]
async fn a_dropped_stream_leaves_nothing_on_the_server() {
    let (ground, watched) = ground(&[]).await;
    let source = watched.changes.open(&watched.position().await).await.unwrap();
    assert_eq!(dumps(&ground).await.len(), 1);
    drop(source);
    eventually("the connection is gone", async || dumps(&ground).await.is_empty()).await;
    ground.cluster.stop().await;
}

#[tokio::test]
async fn a_user_without_the_right_is_told() {
    let (ground, watched) = ground(&[]).await;
    ground.run(&["CREATE USER u@'%' IDENTIFIED BY 'p'", "GRANT SELECT, BINLOG MONITOR ON *.* TO u@'%'"]).await;
    let limited = Watched::new(server(ground.port(), "u", "p"), MARIADB, "t").await;
    let from = watched.position().await;
    assert_eq!(limited.changes.position().await.unwrap().offset, from.offset);
    let error = limited.changes.open(&from).await.err().expect("no right");
    assert!(matches!(error, StreamError::Refused { .. }), "{error}");
    ground.run(&["GRANT REPLICATION SLAVE ON *.* TO u@'%'"]).await;
    let limited =
        MysqlChanges::new(server(ground.port(), "u", "p"), watched.spec.clone(), watched.shape.clone(), HEARTBEAT);
    assert!(limited.open(&from).await.is_ok());
    ground.cluster.stop().await;
}

#[tokio::test]
async fn a_server_without_binlog_is_told() {
    let (ground, watched) = ground(&["skip-log-bin"]).await;
    let error = watched.changes.position().await.unwrap_err();
    assert!(matches!(&error, StreamError::Refused { what, .. } if what.contains("log_bin")), "{error}");
    ground.cluster.stop().await;
}
