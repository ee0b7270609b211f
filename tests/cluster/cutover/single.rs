//! One primary: the sentry's exchange on MariaDB and MySQL.

use std::time::Duration;

use driftless::demo::{Cluster, Replication, Spec};
use driftless::error::Fault;
use driftless::ports::objects::{Keep, Objects as _};
use driftless_strategies::Ident;
use mysql_async::prelude::Queryable as _;
use tokio::time::Instant;

use super::bed::{Bed, ROWS, WORK};
use super::fence::{code, opens};
use super::writers::{Mode, Writers, assert_rows};
use crate::support::{MysqlPrimary, PlainServer, bounded};

const LIMIT: Duration = Duration::from_secs(300);
const SWITCHES: u64 = 12;

/// A primary and, where it is asked for, a replica that reads from it.
async fn mariadb(job: u64, replicas: usize) -> (Cluster, Bed) {
    let spec = Spec { nodes: 1 + replicas, replication: Replication::Alone, ..Spec::single() };
    let cluster = Cluster::start(spec).await.unwrap();
    let schema = Ident::new("s").unwrap();
    let port = cluster.nodes()[0].port;
    for replica in 1..=replicas {
        let change = format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'root', \
             MASTER_USE_GTID = slave_pos"
        );
        PlainServer::new(cluster.nodes()[replica].port)
            .run(&["SET GLOBAL server_id = 77", &change, "START SLAVE"])
            .await;
    }
    PlainServer::new(port).run(&["CREATE SCHEMA s"]).await;
    let bed = Bed::new(&schema, vec![port], job).await;
    (cluster, bed)
}

/// Many switches under load; nothing acknowledged is lost, and no writer sees an error.
async fn many(bed: &Bed, mode: Mode) {
    let writers = Writers::start(bed, &[0], 6, mode).await;
    writers.more(50).await;
    let (mut switched, mut not) = (0, Vec::new());
    while switched < SWITCHES && not.len() < 20 {
        match bed.switch().await {
            Ok(()) => switched += 1,
            Err(Fault::Busy(why)) => not.push(why),
            Err(fault) => panic!("{fault:?}"),
        }
        writers.more(30).await;
    }
    let (felt, rows) = writers.stop().await;
    eprintln!("{mode:?}: {switched} switches, not: {not:?}; {felt:?}");
    assert_rows(bed, &rows).await;
    assert_eq!(switched, SWITCHES, "{not:?}");
    assert!(felt.errors.is_empty() && felt.lost == 0, "{felt:?}");
    let fresh: Vec<String> = (1..=ROWS).map(|id| format!("({id}, 0, {id})")).collect();
    let refill = format!("INSERT INTO {} VALUES {}", bed.source(), fresh.join(", "));
    bed.plain(0).run(&[&format!("DELETE FROM {}", bed.source()), &refill]).await;
    bed.shadow().await;
    bed.assert_clean("after all").await;
}

#[tokio::test]
async fn mariadb_loses_nothing_and_its_replica_follows() {
    let (cluster, bed) = mariadb(0x51_0001, 1).await;
    let work = async {
        many(&bed, Mode::Autocommit).await;
        many(&bed, Mode::Transactions).await;
        let at = bed.plain(0).run(&["SELECT @@gtid_binlog_pos"]).await.concat().concat();
        let replica = PlainServer::new(cluster.nodes()[1].port);
        let waited = replica.run(&[&format!("SELECT MASTER_GTID_WAIT('{at}', 60)")]).await;
        assert_eq!(waited.concat(), ["0"], "{:?}", replica.run(&["SHOW SLAVE STATUS"]).await);
        let sum = format!("SELECT COUNT(*), SUM(v), SUM(u) FROM {}", bed.source());
        assert_eq!(replica.run(&[&sum]).await, bed.plain(0).run(&[&sum]).await);
    };
    bounded(LIMIT, &cluster.nodes(), work).await;
    cluster.stop().await;
}

/// A connection of an application.
async fn open(port: u16) -> mysql_async::Conn {
    let url = format!("mysql://root@127.0.0.1:{port}/?prefer_socket=false");
    mysql_async::Conn::new(mysql_async::Opts::from_url(&url).unwrap()).await.unwrap()
}

/// What stands in the way makes an attempt fail in bounded time, and the table takes writes again.
async fn obstacles(bed: &Bed) {
    let (port, t, shadow) = (bed.ports[0], bed.source(), bed.spec.shadow.quoted());
    let busy = async |what: &str, answer: Result<(), Fault>| {
        assert!(matches!(&answer, Err(Fault::Busy(_))), "{what}: {answer:?}");
        eprintln!("{what}: {answer:?}");
        assert_eq!(code(port, &[&format!("UPDATE {t} SET v = v WHERE id = 2")]).await, 0, "{what}");
    };
    // A transaction that has written, and does not end.
    let mut holder = open(port).await;
    bed.shadow().await;
    holder.query_drop("BEGIN").await.unwrap();
    holder.query_drop(format!("UPDATE {t} SET v = v WHERE id = 1")).await.unwrap();
    let answer = bed.cutover(1).await.close(WORK).await.map(|_| ());
    holder.query_drop("ROLLBACK").await.unwrap();
    busy("an open transaction", answer).await;
    bed.assert_clean("an open transaction").await;
    // Somebody reads the shadow, and does not end: the RENAME can't get to the source's lock.
    let closed = bed.cutover(1).await.close(WORK).await.unwrap();
    bed.copy().await;
    holder.query_drop("BEGIN").await.unwrap();
    holder.query_drop(format!("SELECT * FROM {shadow} LIMIT 1")).await.unwrap();
    let answer = closed.rename().await;
    busy("a reader of the shadow", answer).await;
    holder.query_drop("ROLLBACK").await.unwrap();
    bed.assert_clean("a reader of the shadow").await;
    // The session with the locks is ended by somebody.
    bed.shadow().await;
    let closed = bed.cutover(1).await.close(WORK).await.unwrap();
    bed.copy().await;
    let locker = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Sleep' AND USER = 'root' AND ID <> CONNECTION_ID()";
    for id in bed.plain(0).run(&[locker]).await.concat() {
        holder.query_drop(format!("KILL {id}")).await.unwrap_or(());
    }
    let mut writer = open(port).await;
    writer.query_drop(format!("INSERT INTO {t} VALUES (900001, 1, 900001)")).await.unwrap();
    let answer = closed.rename().await;
    eprintln!("the locks were lost: {answer:?}");
    assert!(answer.is_err(), "a row has come in between");
    let count = format!("SELECT COUNT(*) FROM {t} WHERE id = 900001");
    assert_eq!(bed.plain(0).run(&[&count]).await.concat(), ["1"], "it is not lost");
    writer.query_drop(format!("DELETE FROM {t} WHERE id = 900001")).await.unwrap();
    bed.cutover(1).await.reopen().await.unwrap();
    bed.assert_clean("the locks were lost").await;
    // Dropped, and too slow.
    bed.shadow().await;
    drop(bed.cutover(1).await.close(WORK).await.unwrap());
    opens(port, &t).await;
    let closed = bed.cutover(1).await.close(Duration::from_millis(100)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(matches!(closed.rename().await, Err(Fault::Busy(why)) if why.contains("run out")));
    assert_eq!(code(port, &[&format!("UPDATE {t} SET v = v WHERE id = 2")]).await, 0);
    bed.cutover(1).await.reopen().await.unwrap();
    bed.assert_clean("too slow").await;
}

/// Ended at any moment: the table is one of the two, whole, and takes writes.
async fn ended_anywhere(bed: &Bed) {
    for millis in [5, 15, 25, 35, 45, 55, 70, 85, 100, 120, 140, 170, 200, 250, 300, 400, 600] {
        bed.shadow().await;
        let cutover = bed.cutover(1).await;
        let writers = Writers::start(bed, &[0], 4, Mode::Autocommit).await;
        writers.more(8).await;
        let work = async {
            let closed = cutover.close(WORK).await?;
            bed.copy().await;
            closed.rename().await
        };
        let ended = tokio::time::timeout(Duration::from_millis(millis), work).await;
        let start = Instant::now();
        writers.more(8).await;
        let (felt, rows) = writers.stop().await;
        let objects = bed.objects(1, |server| server);
        let standing = objects.standing().await.unwrap();
        eprintln!("{millis} ms: ended {:?}, writers went on after {:?}; {:?}", ended, start.elapsed(), felt.errors);
        if standing.switched() {
            objects.drop_retired(Keep::Drop).await.unwrap();
        }
        cutover.reopen().await.unwrap();
        assert_rows(bed, &rows).await;
        let fresh: Vec<String> = (1..=ROWS).map(|id| format!("({id}, 0, {id})")).collect();
        let refill = format!("INSERT INTO {} VALUES {}", bed.source(), fresh.join(", "));
        bed.plain(0).run(&[&format!("DELETE FROM {}", bed.source()), &refill]).await;
        bed.assert_clean(&format!("{millis} ms")).await;
    }
}

#[tokio::test]
async fn mariadb_is_open_again_whatever_is_in_the_way() {
    let (cluster, bed) = mariadb(0x51_0002, 0).await;
    let work = async {
        obstacles(&bed).await;
        ended_anywhere(&bed).await;
    };
    bounded(LIMIT, &cluster.nodes(), work).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_foreign_table_under_the_sentrys_name_is_left_alone() {
    let (cluster, bed) = mariadb(0x51_0003, 0).await;
    let work = async {
        bed.shadow().await;
        let name = bed.spec.source.sentry().quoted();
        bed.plain(0).run(&[&format!("CREATE TABLE {name} (precious INT)")]).await;
        for answer in [bed.cutover(1).await.close(WORK).await.map(|_| ()), bed.cutover(1).await.reopen().await] {
            let Err(Fault::Refused(reason)) = answer else { panic!("{answer:?}") };
            assert!(reason.what.contains("_t1_switch"), "{reason:?}");
        }
        bed.plain(0).run(&[&format!("SELECT precious FROM {name}")]).await;
    };
    bounded(LIMIT, &cluster.nodes(), work).await;
    cluster.stop().await;
}

#[tokio::test]
async fn mysql_loses_nothing_and_is_open_again_whatever_is_in_the_way() {
    // A server of its own: sessions are killed there.
    let Some(test) = MysqlPrimary::start(0, &[]).await else { return };
    let node = test.node(0);
    test.plain(0).run(&["CREATE SCHEMA s"]).await;
    let bed = Bed::new(&Ident::new("s").unwrap(), vec![node.port], 0x51_0004).await;
    let work = async {
        many(&bed, Mode::Autocommit).await;
        many(&bed, Mode::Transactions).await;
        obstacles(&bed).await;
        ended_anywhere(&bed).await;
    };
    bounded(LIMIT, std::slice::from_ref(&node), work).await;
    test.cluster.stop().await;
}
