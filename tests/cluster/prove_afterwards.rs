//! A process that was killed right behind the RENAME of a followed job: whoever resumes proves from the binlog that
//! nothing slipped through, or keeps the only table that has it.

use std::time::Duration;

use driftless::demo::{Cluster, Lines, STRIDE, Spec, load};
use driftless_strategies::{Ident, TableName};

use crate::support::{Call, Ended, PlainServer, TestCluster, bounded, job_on, resume, shared};

const LIMIT: Duration = Duration::from_secs(150);
const RUN: Duration = Duration::from_secs(60);
/// The shape changes, so that rows of the retired table can't be read with the new one's.
const ALTER: &str = "ADD COLUMN at_first INT FIRST, DROP COLUMN note";

/// A key that is there.
const LATE: u64 = 3 * STRIDE;

/// What is there when the killed process had switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// The mark, and nothing was written behind it.
    Mark,
    /// The mark, and a row was written behind it.
    MarkAndRow,
    /// A binlog that the server no longer has.
    LostMark,
    /// No mark.
    Nothing,
}

/// Leaves the job as a process does that is killed right behind its RENAME.
async fn switched(test: &TestCluster, left: Left) -> String {
    let (node, source) = (&test.nodes()[0], test.table("orders"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wait");
    std::fs::write(&file, "").unwrap();
    let more = ["--postpone-cutover-file", file.to_str().unwrap(), "--max-flow-control-paused", "0.9"];
    let mut call = Call::by("binlog-stream", node, &source.to_string(), ALTER, &more);
    assert!(call.event(|line| line["event"] == "held").await.is_some(), "it is held: {:?}", call.seen());
    let job = job_on(node, &source.to_string()).await.expect("it runs");
    call.kill9();
    assert_eq!(call.end(RUN).await.code, None);

    let plain = test.plain(0);
    let place = plain.run(&["SHOW MASTER STATUS"]).await;
    let (at, offset) = (place[0][0].clone(), place[0][1].clone());
    let at = if left == Left::LostMark { "bin.999999".to_owned() } else { at };
    let mark = format!(
        "REPLACE INTO driftless.place (job, upto) SELECT '{job}', JSON_OBJECT('upto', JSON_OBJECT('server', CONCAT(@@hostname, ':', @@port, ' ', \
         @@server_id, ' ', @@log_bin_basename), 'file', '{at}', 'offset', {offset}))"
    );
    if left != Left::Nothing {
        plain.run(&[&mark]).await;
    }
    if left == Left::MarkAndRow {
        let late = format!("UPDATE {} SET note = 'late' WHERE id = {LATE}", source.quoted());
        let changed = format!("SELECT COUNT(*) FROM {} WHERE note = 'late'", source.quoted());
        test.plain(1).run(&[&late]).await;
        assert_eq!(test.plain(1).number(&changed).await, Some(1));
    }
    let rename = format!(
        "RENAME TABLE {0} TO {1}, {2} TO {0}",
        source.quoted(),
        source.retired().quoted(),
        source.shadow().quoted()
    );
    let phase = format!("UPDATE driftless.job SET phase = 'switching' WHERE id = '{job}'");
    plain.run(&[&phase, &rename]).await;
    job
}

fn words(ended: &Ended) -> String {
    ended.last("ended").map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn whoever_resumes_behind_the_switch_proves_it_or_keeps_the_retired_table() {
    let test = shared().await;
    let work = async {
        let node = &test.nodes()[0];
        for left in [Left::Mark, Left::MarkAndRow, Left::LostMark, Left::Nothing] {
            load(test.servers()[0].as_ref(), &test.table("orders"), 500).await.unwrap();
            let job = switched(&test, left).await;
            let first = resume(node, &job, &[]).end(RUN).await;
            let said = words(&first);
            match left {
                Left::Mark => {
                    assert_eq!(first.code, Some(0), "{left:?}: {said} {}", first.said);
                    test.only(&["orders"], "proven, so the retired table is gone").await;
                }
                Left::MarkAndRow => {
                    assert!(said.contains(&format!("key ({LATE})")), "{left:?}: the row is named: {said}");
                }
                Left::LostMark | Left::Nothing => {
                    assert!(said.contains("could not be proven"), "{left:?}: {said}");
                }
            }
            if left != Left::Mark {
                assert_eq!(first.code, Some(1), "{left:?}: {said}");
                assert!(said.contains("the retired table is kept"), "{left:?}: {said}");
                let second = resume(node, &job, &[]).end(RUN).await;
                let said = words(&second);
                assert_eq!(second.code, Some(4), "{left:?}: {said} {}", second.said);
                assert!(said.contains("not proven equal") && said.contains("_orders_retired"), "{left:?}: {said}");
                test.only(&["_orders_retired", "orders"], "kept for good").await;
            }
            assert_eq!(test.plain(2).number("SELECT COUNT(*) FROM driftless.place").await, Some(0), "{left:?}");
            test.plain(0).run(&[&format!("DROP TABLE IF EXISTS {}._orders_retired", test.schema.quoted())]).await;
            test.plain(0).run(&[&format!("DROP TABLE {}", test.table("orders").quoted())]).await;
        }
    };
    test.bounded(LIMIT, work).await;
}

/// What another node writes to its binlog may be its own writes only: nobody goes on through it.
#[tokio::test]
async fn nobody_resumes_through_a_binlog_that_tells_half() {
    let spec = Spec::galera(2).with(Lines::Node(1), "binlog_do_db=other");
    let cluster = Cluster::start(spec).await.expect("start two nodes");
    let nodes = cluster.nodes();
    let work = async {
        let (plain, other) = (PlainServer::new(nodes[0].port), PlainServer::new(nodes[1].port));
        plain.run(&["CREATE SCHEMA s"]).await;
        let table = TableName::new(Ident::new("s").unwrap(), Ident::new("orders").unwrap());
        load(&plain, &table, 500).await.unwrap();
        let (dir, name) = (tempfile::tempdir().unwrap(), table.to_string());
        let file = dir.path().join("wait");
        std::fs::write(&file, "").unwrap();
        let more = ["--postpone-cutover-file", file.to_str().unwrap()];
        let mut call = Call::by("binlog-stream", &nodes[0], &name, ALTER, &more);
        assert!(call.event(|line| line["event"] == "held").await.is_some(), "it is held: {:?}", call.seen());
        let job = job_on(&nodes[0], &name).await.expect("it runs");
        call.kill9();
        call.end(RUN).await;
        let refused = resume(&nodes[1], &job, &[]).end(RUN).await;
        let said = words(&refused);
        assert_eq!(refused.code, Some(3), "{said} {}", refused.said);
        assert!(said.contains("binlog_do_db = other") && said.contains("connect to"), "{said}");
        let tables = other.run(&["SHOW TABLES FROM s"]).await.concat();
        assert_eq!(tables, ["_orders_shadow", "orders"], "nothing was done");
        let ended = resume(&nodes[0], &job, &[]).end(RUN).await;
        assert_eq!(ended.code, Some(0), "{} {}", words(&ended), ended.said);
    };
    bounded(LIMIT, &nodes, work).await;
}
