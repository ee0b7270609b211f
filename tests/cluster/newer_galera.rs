//! The newer MariaDB, three nodes: a copy and an ordered change beside writers on all of them, and the nodes compared.

use std::sync::Arc;
use std::time::Duration;

use driftless::demo::{Cluster, Ledger, Spec, load, prove};
use driftless::ports::server::Server;
use driftless_strategies::{Ident, TableName};

use crate::prove_toi::{BUSY, RUN, done};
use crate::support::{Call, Newer, PlainServer, RoughWriters, bounded, tell};

const LIMIT: Duration = Duration::from_secs(240);

#[tokio::test]
async fn changes_beside_writers_on_all_nodes() {
    let Some(tree) = Newer::MariaDb.tree() else { return };
    let cluster = Cluster::start(Spec { tree: Some(tree), ..Spec::galera(3) }).await.expect("start three nodes");
    let nodes = cluster.nodes();
    let servers: Vec<Arc<dyn Server>> =
        nodes.iter().map(|node| Arc::new(PlainServer::new(node.port)) as Arc<dyn Server>).collect();
    // Nodes that join at the same time are not always listed by address (11.8.9), so they are named.
    let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let named: Vec<&str> = addresses.iter().flat_map(|address| ["--node", address.as_str()]).collect();
    let work = async {
        let version = PlainServer::new(nodes[0].port).run(&["SELECT VERSION()"]).await.concat();
        eprintln!("{version:?}");
        let orders = TableName::new(Ident::new("s").unwrap(), Ident::new("orders").unwrap());
        let loaded = load(servers[0].as_ref(), &orders, 10_000).await.unwrap();
        let mut ledger = Ledger::new(loaded.last_id());
        let changes = [
            ("ADD COLUMN channel VARCHAR(20) NOT NULL DEFAULT 'web', ADD KEY by_channel (channel)", "trigger-copy"),
            ("ADD COLUMN seen DATETIME(3) NULL FIRST", "toi"),
        ];
        for (seed, (alter, strategy)) in (1..).zip(changes) {
            let pause = Duration::from_millis(5);
            let writers = RoughWriters::start(&servers, &loaded.table, &ledger, 2, pause, seed);
            let more = [&BUSY[..], &["--strategy", strategy, "--max-rows-per-second", "3000"], &named].concat();
            let ended = Call::preferred(&nodes[1], "s.orders", alter, &more).end(RUN).await;
            let wrote = writers.stop(&mut ledger).await;
            done(&ended, 0, &["proven equal"], alter);
            assert_eq!(wrote.surprises, Vec::<String>::new(), "{alter}: answers that must not be");
            assert!(wrote.operations > 50, "{alter}: nobody wrote: {wrote:?}");
            let proof = prove(&servers, &loaded.table, &ledger).await.expect("read all nodes");
            assert!(proof.holds(), "{alter}: {proof:?}");
        }
        let same = tell(&nodes[2], &[&["check"][..], &named].concat()).await;
        assert_eq!(same.code, Some(0), "{same:?}");
    };
    bounded(LIMIT, &nodes, work).await;
}
