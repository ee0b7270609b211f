//! MySQL as it is today: what differs from MariaDB, from the first connection to the proof.

use std::time::Duration;

use crate::support::{MysqlPrimary, bounded, mysql};

const LIMIT: Duration = Duration::from_secs(240);

#[tokio::test]
async fn a_server_and_a_replica_come_up() {
    let Some(test) = mysql().await else { return };
    let version = test.plain().run(&["SELECT VERSION(), @@log_bin, @@binlog_format, @@gtid_mode"]).await.concat();
    eprintln!("{version:?}");
    let major: u32 = version[0].split('.').next().unwrap().parse().unwrap();
    assert!((8..20).contains(&major), "{version:?}");
    assert_eq!(version[1..], ["1", "ROW", "ON"], "{version:?}");
    let Some(pair) = MysqlPrimary::start(1, &[]).await else { return };
    let work = async {
        pair.plain(0)
            .run(&["CREATE SCHEMA s", "CREATE TABLE s.t (a INT PRIMARY KEY)", "INSERT INTO s.t VALUES (7)"])
            .await;
        pair.caught_up().await;
        assert_eq!(pair.plain(1).run(&["SELECT a FROM s.t"]).await, [["7"]]);
    };
    bounded(LIMIT, &pair.cluster.nodes(), work).await;
}
