//! Turns of nodes behind MaxScale, as a stand-in of ours knows it.

use std::time::Duration;

use driftless::demo::load;
use tokio::io::AsyncWriteExt as _;

use crate::prove_proxysql::{Flags, Knockers, tells_no_secret};
use crate::prove_toi::{BUSY, RUN, done};
use crate::standins::{MaxscaleStandIn, PASSWORD};
use crate::support::{TestCluster, exclusive, job_on, resume};

const LIMIT: Duration = Duration::from_secs(400);

async fn front(test: &TestCluster) -> MaxscaleStandIn {
    let nodes = test.nodes();
    let servers: Vec<(&str, u16)> =
        ["db-1", "db-2", "db-3"].into_iter().zip(nodes.iter().map(|node| node.port)).collect();
    MaxscaleStandIn::start(&servers).await
}

async fn until(what: &str, mut seen: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if seen() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn turns_need_nobody_behind_maxscale() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        let proxy = front(test).await;
        let writers = Knockers::start(test, proxy.door).await;
        let flags = Flags::new("maxscale", &proxy.url(), PASSWORD);
        let ended = flags.rsu(test, &loaded.table.to_string()).end(RUN).await;
        writers.stop(test).await;
        done(&ended, 0, &["proven equal"], "behind MaxScale");
        tells_no_secret(test, &ended).await;
        assert_eq!(proxy.drained(), Vec::<String>::new(), "all are back");
        let orders: Vec<String> = proxy.said().into_iter().filter(|line| line.starts_with("PUT")).collect();
        let order = |id: &str, what: &str| format!("PUT /v1/servers/{id}/{what}?state=drain");
        let expected: Vec<String> =
            ["db-3", "db-2", "db-1"].iter().flat_map(|id| [order(id, "set"), order(id, "clear")]).collect();
        assert_eq!(orders, expected);
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_crash_leaves_nobody_drained() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        let table = loaded.table.to_string();
        let mut proxy = front(test).await;
        let flags = Flags::new("maxscale", &proxy.url(), PASSWORD);
        let mut call = flags.rsu(test, &table);
        until("n3 is out", || proxy.drained() == ["db-3"]).await;
        call.kill9();
        call.end(RUN).await;
        let job = job_on(&test.nodes()[1], &table).await.expect("it can go on");
        let silent = resume(&test.nodes()[1], &job, &BUSY).end(RUN).await;
        done(&silent, 5, &["has taken n3 out of a proxy", "maxctrl clear server db-3 drain"], "nobody says how");
        let ended = resume(&test.nodes()[1], &job, &flags.with(&BUSY)).end(RUN).await;
        done(&ended, 0, &["proven equal"], "resumed");
        assert_eq!(proxy.drained(), Vec::<String>::new(), "all are back");
        test.plain(0).run(&[&format!("ALTER TABLE {} DROP KEY by_all", loaded.table.quoted())]).await;
        // Somebody's maintenance stays, and a MaxScale that is away for a moment is waited for.
        proxy.maintain("db-3");
        let asked = proxy.said().len();
        let call = flags.rsu(test, &table);
        until("n2 is out", || proxy.drained() == ["db-2"]).await;
        proxy.stop();
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.restart().await;
        done(&call.end(RUN).await, 0, &["proven equal"], "it was away");
        assert_eq!(proxy.drained(), Vec::<String>::new(), "all are back");
        let touched = proxy.said()[asked..].iter().any(|line| line.starts_with("PUT") && line.contains("db-3"));
        assert!(!touched, "what somebody else has in maintenance is left alone");
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_maxscale_that_is_no_use_is_told_before_anything_is_changed() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 2_000).await.unwrap();
        let table = loaded.table.to_string();
        let proxy = front(test).await;
        let strange = MaxscaleStandIn::start(&[("one", 1), ("two", 2)]).await;
        let rubbish = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", rubbish.local_addr().unwrap());
        let talking = tokio::spawn(async move {
            while let Ok((mut client, _)) = rubbish.accept().await {
                let page = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>";
                drop(client.write_all(page).await);
            }
        });
        let encrypted = proxy.url().replace("http:", "https:");
        //  address               password  code              says                               why
        let cases = [
            ("http://127.0.0.1:1", PASSWORD, "proxy-unusable", "http://127.0.0.1:1", "nobody listens"),
            (&proxy.url(), "wrong", "proxy-unusable", "does not let the user in (401)", "wrong password"),
            (&strange.url(), PASSWORD, "proxy-unknown", "knows no server n1", "not its nodes"),
            (&at, PASSWORD, "proxy-unusable", "does not answer like MaxScale's REST API", "rubbish"),
            (&encrypted, PASSWORD, "proxy-unusable", "failed to ask MaxScale", "not encrypted"),
        ];
        for (address, password, code, says, why) in cases {
            let ended = Flags::new("maxscale", address, password).rsu(test, &table).end(RUN).await;
            done(&ended, 3, &[code, says], why);
            assert!(!format!("{ended:?}").contains(PASSWORD), "{why}: {ended:?}");
            assert_eq!(job_on(&test.nodes()[0], &table).await, None, "{why}: there is no job");
        }
        talking.abort();
        assert!(proxy.said().iter().all(|line| line.starts_with("GET")), "nothing was ordered");
    };
    test.bounded(LIMIT, work).await;
}
