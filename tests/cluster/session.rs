//! The session against real servers: no statement's rows ever come out as another's, and what is given up ends.

use std::time::Duration;

use driftless::config::{AddressMap, Connection, Endpoint, HostPort, Secret, Tls, TlsMode};
use driftless::mysql::MysqlServer;
use driftless::ports::server::{ErrorKind, Server, Session};
use driftless::sql::Sql;
use driftless::sql::session::SQL_MODE;
use tokio::time::{Instant, timeout};

use crate::support::{TestCluster, shared};

mod relay;

use relay::Relay;

/// How soon a statement that was given up must be gone from the server.
const GONE: Duration = Duration::from_secs(5);

fn node(test: &TestCluster, index: usize) -> HostPort {
    HostPort::new("127.0.0.1", test.nodes()[index].port)
}

fn connection(address: &HostPort) -> Connection {
    Connection {
        endpoint: Endpoint::Tcp(address.clone()),
        user: "root".into(),
        password: Secret::default(),
        tls: Tls { mode: TlsMode::Preferred, ca: None, identity: None },
        connect_timeout: Duration::from_secs(5),
        nodes: vec![],
        address_map: AddressMap::default(),
    }
}

fn server(address: &HostPort) -> MysqlServer {
    let connection = connection(address);
    MysqlServer::new(&connection, &connection.endpoint)
}

async fn session(address: &HostPort) -> Box<dyn Session> {
    server(address).connect().await.unwrap()
}

async fn value(session: &mut Box<dyn Session>, sql: &Sql) -> Option<String> {
    session.query(sql).await.unwrap().first().and_then(|row| row.text(0))
}

fn sleep(seconds: u64, tag: &str) -> Sql {
    Sql::new("SELECT CONCAT(").string(tag).text(", SLEEP(").number(seconds).text("))")
}

/// Waits until the connection is gone from the server, and says how long it took.
async fn gone(address: &HostPort, id: u64) -> Duration {
    let mut watcher = session(address).await;
    let start = Instant::now();
    let there = Sql::new("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ").number(id);
    while value(&mut watcher, &there).await.as_deref() != Some("0") {
        assert!(start.elapsed() < GONE, "connection {id} still runs after {GONE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

/// Why all this is needed: the driver alone, its future dropped as any timeout does it.
async fn the_driver_alone_hands_out_stale_rows(address: &HostPort) {
    use mysql_async::prelude::Queryable as _;
    let opts = mysql_async::OptsBuilder::default()
        .ip_or_hostname(&address.host)
        .tcp_port(address.port)
        .user(Some("root"))
        .prefer_socket(false);
    let mut conn = mysql_async::Conn::new(opts).await.unwrap();
    let slow = conn.query_first::<String, _>("SELECT CONCAT('STALE', SLEEP(1))");
    timeout(Duration::from_millis(200), slow).await.expect_err("it takes a second");
    let first: Option<String> = conn.query_first("SELECT 'A'").await.unwrap();
    let second: Option<String> = conn.query_first("SELECT 'B'").await.unwrap();
    assert_eq!((first.as_deref(), second.as_deref()), (Some("STALE0"), Some("A")), "the driver was mended: rejoice");
}

/// The same with ours: the session is over, and the statement is gone from the server.
async fn a_dropped_future_ends_the_session_and_the_statement(address: &HostPort) {
    for dropped_by in ["timeout", "select", "abort"] {
        let mut session = session(address).await;
        let id = session.id();
        let slow = sleep(600, "STALE");
        match dropped_by {
            "timeout" => assert!(timeout(Duration::from_millis(200), session.query(&slow)).await.is_err()),
            "select" => tokio::select! {
                _ = session.query(&slow) => panic!("it takes minutes"),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            },
            _ => {
                let task = tokio::spawn(async move { drop(session.query(&slow).await) });
                tokio::time::sleep(Duration::from_millis(200)).await;
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
                gone(address, id).await;
                continue;
            }
        }
        for word in ["A", "B", "C"] {
            let error = session.query(&Sql::new("SELECT ").string(word)).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Lost, "{dropped_by} {word}: {error}");
        }
        gone(address, id).await;
    }
}

/// Dropped at every moment of a statement's life: the next answer is right or there is none.
async fn no_moment_of_dropping_yields_a_stale_row(address: &HostPort) {
    let server = server(address);
    let (mut over, mut alive) = (0, 0);
    for round in 0..300_u64 {
        let mut session = server.connect().await.unwrap();
        let first =
            Sql::new("SELECT SLEEP(0.001), ").number(round).text(" UNION ALL SELECT 'STALE', REPEAT('x', 100000)");
        let patience = Duration::from_micros(round * 20);
        let answered = timeout(patience, session.query(&first)).await.is_ok();
        let next = Sql::new("SELECT ").string(&format!("right {round}"));
        match session.query(&next).await {
            Ok(rows) => {
                alive += 1;
                assert_eq!(rows.len(), 1, "round {round}");
                assert_eq!(rows[0].text(0), Some(format!("right {round}")), "round {round}");
            }
            Err(error) => {
                over += 1;
                assert!(!answered, "round {round}: {error}");
                assert_eq!(error.kind, ErrorKind::Lost, "round {round}: {error}");
            }
        }
    }
    assert!(over > 20 && alive > 20, "both must happen to mean anything: {over} over, {alive} alive");
    server.settle(GONE).await;
}

/// A transaction that was given up in the middle leaves no lock and no row behind.
async fn a_given_up_transaction_is_rolled_back(address: &HostPort) {
    let mut setup = session(address).await;
    setup.execute(&Sql::new("CREATE DATABASE IF NOT EXISTS h_mysql")).await.unwrap();
    setup.execute(&Sql::new("DROP TABLE IF EXISTS h_mysql.given_up")).await.unwrap();
    setup.execute(&Sql::new("CREATE TABLE h_mysql.given_up (id INT PRIMARY KEY)")).await.unwrap();
    let mut session = session(address).await;
    session.execute(&Sql::new("BEGIN")).await.unwrap();
    let done = session.execute(&Sql::new("INSERT INTO h_mysql.given_up VALUES (1)")).await.unwrap();
    assert_eq!(done.affected, 1);
    assert!(timeout(Duration::from_millis(100), session.query(&sleep(600, ""))).await.is_err());
    let start = Instant::now();
    setup.execute(&Sql::new("INSERT INTO h_mysql.given_up VALUES (1)")).await.expect("the row and its lock are gone");
    assert!(start.elapsed() < GONE);
    setup.execute(&Sql::new("DROP DATABASE h_mysql")).await.unwrap();
}

async fn past_the_deadline_the_caller_knows_that_it_ended(address: &HostPort) {
    let mut session = session(address).await;
    let id = session.id();
    session.set_deadline(Duration::from_millis(300));
    let start = Instant::now();
    let error = session.query(&sleep(600, "")).await.unwrap_err();
    assert!(start.elapsed() < GONE, "{:?}", start.elapsed());
    assert_eq!(error.kind, ErrorKind::Lost);
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("300ms"), "{text}");
    assert!(text.contains("it was ended on the server"), "{text}");
    assert!(gone(address, id).await < Duration::from_millis(500), "it was gone before the caller was told");
    let again = session.query(&Sql::new("SELECT 1")).await.unwrap_err();
    assert_eq!(again, error, "every further call says the same");
}

async fn others_may_kill(address: &HostPort) {
    let mut killer = session(address).await;
    let mut session = session(address).await;
    let id = session.id();
    let many = || Sql::new("information_schema.COLLATIONS ");
    let work = ["a", "b", "c", "d", "e"].map(|alias| many().text(alias));
    let work = Sql::new("SELECT COUNT(DISTINCT RAND()) FROM ").join(", ", work);
    let (query, whole) = (Sql::new("KILL QUERY ").number(id), Sql::new("KILL ").number(id));
    let late = || tokio::time::sleep(Duration::from_millis(200));
    let (answer, ()) = tokio::join!(session.query(&work), async {
        late().await;
        killer.execute(&query).await.unwrap();
    });
    let error = answer.unwrap_err();
    assert_eq!((error.code, error.kind), (1317, ErrorKind::Conflict));
    assert_eq!(value(&mut session, &Sql::new("SELECT 'alive'")).await.as_deref(), Some("alive"));
    let (answer, ()) = tokio::join!(session.query(&work), async {
        late().await;
        killer.execute(&whole).await.unwrap();
    });
    let error = answer.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Lost, "{error}");
    assert_eq!(session.query(&Sql::new("SELECT 1")).await.unwrap_err().kind, ErrorKind::Lost);
}

async fn a_broken_connection_ends_its_statement(address: &HostPort) {
    let relay = Relay::start(address).await;
    let mut session = session(relay.address()).await;
    let id = session.id();
    let slow = sleep(600, "");
    let (answer, ()) = tokio::join!(session.query(&slow), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        relay.cut();
    });
    let error = answer.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Lost);
    assert!(error.message.contains("broke") && error.message.contains("it was ended on the server"), "{error}");
    assert!(gone(address, id).await < Duration::from_millis(500));
}

async fn a_silent_network_is_waited_for_no_longer_than_said(address: &HostPort) {
    let relay = Relay::start(address).await;
    let mut session = session(relay.address()).await;
    session.set_deadline(Duration::from_millis(300));
    relay.hush();
    let start = Instant::now();
    let error = session.query(&Sql::new("SELECT 1")).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    assert_eq!(error.kind, ErrorKind::Lost);
    assert!(error.message.contains("it may still run there"), "{error}");
    let start = Instant::now();
    let error = server(relay.address()).connect().await.err().expect("nobody answers");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Connect, "no connection within 5s"));
}

/// A proxy may send the connection that kills to another node, where the id is somebody else's.
async fn another_servers_connections_are_never_killed(address: &HostPort, other: &HostPort) {
    let relay = Relay::start(address).await;
    let mut session = session(relay.address()).await;
    session.set_deadline(Duration::from_millis(300));
    relay.lead_to(other);
    let error = session.query(&sleep(3, "")).await.unwrap_err();
    assert!(error.message.contains("it may still run there"), "nobody was killed: {error}");
}

async fn rows_come_as_the_server_sent_them(address: &HostPort) {
    let mut session = session(address).await;
    let sql =
        Sql::new("SELECT NULL, '', x'00ff27', -1, 18446744073709551615, 1.50, _utf8mb4 x'f09f9880', '0000-00-00'");
    let rows = session.query(&sql.text(" UNION ALL SELECT 'second',2,3,4,5,6,7,8")).await.unwrap();
    assert_eq!(rows.len(), 2);
    let first = &rows[0];
    assert_eq!((first.bytes(0), first.bytes(1), first.bytes(2)), (None, Some(&b""[..]), Some(&b"\x00\xff\x27"[..])));
    assert_eq!((first.text(3).as_deref(), first.u64(4)), (Some("-1"), Some(u64::MAX)));
    assert_eq!((first.text(5).as_deref(), first.text(6).as_deref()), (Some("1.50"), Some("😀")));
    assert_eq!(rows[1].text(0).as_deref(), Some("second"));

    // Several statements at once: the first rows count, an error anywhere is an error, and nothing is left over.
    let rows = session.query(&Sql::new("SELECT 1; SELECT 2; SELECT 3")).await.unwrap();
    assert_eq!(rows[0].text(0).as_deref(), Some("1"));
    let error = session.query(&Sql::new("SELECT 1; SELECT nosuch")).await.unwrap_err();
    assert_eq!((error.code, error.kind), (1054, ErrorKind::Missing));
    assert_eq!(value(&mut session, &Sql::new("SELECT 'clean'")).await.as_deref(), Some("clean"));

    session.execute(&Sql::new("CREATE TEMPORARY TABLE mysql.h_mysql_t (a TINYINT, b INT)")).await.unwrap();
    let done = session.execute(&Sql::new("INSERT INTO mysql.h_mysql_t VALUES (1,1),(2,2)")).await.unwrap();
    assert_eq!((done.affected, done.warnings), (2, 0));
    let error = session.execute(&Sql::new("INSERT INTO mysql.h_mysql_t VALUES (1000,1)")).await.unwrap_err();
    assert_eq!((error.code, error.kind), (1264, ErrorKind::Data), "strict");
    let done = session.execute(&Sql::new("INSERT IGNORE INTO mysql.h_mysql_t VALUES (1000,1)")).await.unwrap();
    assert_eq!((done.affected, done.warnings), (1, 1));
    let done = session.execute(&Sql::new("UPDATE mysql.h_mysql_t SET b = 1 WHERE b = 1")).await.unwrap();
    assert_eq!(done.affected, 0, "changed rows, not found rows");
}

async fn too_long_a_statement_leaves_the_session_alive(address: &HostPort) {
    let mut session = session(address).await;
    let max: usize = value(&mut session, &Sql::new("SELECT @@max_allowed_packet")).await.unwrap().parse().unwrap();
    let of = |length: usize| Sql::new("SELECT LENGTH('").trusted(&"x".repeat(length - 17)).text("')");
    for (length, fits) in [(max - 2, true), (max - 1, false), (max + 10, false)] {
        let sql = of(length);
        assert_eq!(sql.as_str().len(), length);
        let answer = session.query(&sql).await;
        assert_eq!(answer.is_ok(), fits, "{length} of {max}");
        if let Err(error) = answer {
            assert!(error.kind == ErrorKind::Other && error.message.contains("max_allowed_packet"), "{error}");
        }
    }
    assert_eq!(value(&mut session, &Sql::new("SELECT 'alive'")).await.as_deref(), Some("alive"));
}

async fn sessions_open_as_all_rely_on(address: &HostPort) {
    let mut session = session(address).await;
    let version = value(&mut session, &Sql::new("SELECT VERSION()")).await.unwrap();
    let both = [
        ("time_zone", "+00:00"),
        ("character_set_connection", "utf8mb4"),
        ("lock_wait_timeout", "5"),
        ("innodb_lock_wait_timeout", "5"),
        ("wait_timeout", "28800"),
        ("sql_safe_updates", "0"),
        ("sql_mode", SQL_MODE),
    ];
    let mysql =
        [("transaction_isolation", "READ-COMMITTED"), ("transaction_read_only", "0"), ("max_execution_time", "0")];
    let mariadb = [
        ("tx_isolation", "READ-COMMITTED"),
        ("tx_read_only", "0"),
        ("max_statement_time", "0.000000"),
        ("check_constraint_checks", "1"),
        ("note_verbosity", "basic"),
        ("wsrep_osu_method", "TOI"),
        ("wsrep_trx_fragment_size", "0"),
        ("wsrep_sync_wait", "0"),
    ];
    let own: &[_] = if version.contains("MariaDB") { &mariadb } else { &mysql };
    for &(name, expected) in both.iter().chain(own) {
        let sql = Sql::new("SELECT @@SESSION.").trusted(name);
        assert_eq!(value(&mut session, &sql).await.as_deref(), Some(expected), "{name}");
    }
    let id = value(&mut session, &Sql::new("SELECT CONNECTION_ID()")).await;
    assert_eq!(id, Some(session.id().to_string()));
    assert_eq!(session.node(), address.to_string());
}

async fn wrong_ways_in_are_told_apart(address: &HostPort) {
    let mut wrong = connection(address);
    wrong.password = Secret::new("hunter2");
    let error = MysqlServer::new(&wrong, &wrong.endpoint).connect().await.err().expect("wrong password");
    assert_eq!((error.code, error.kind), (1045, ErrorKind::Denied));
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    assert!(!format!("{:?} {wrong:?}", MysqlServer::new(&wrong, &wrong.endpoint)).contains("hunter2"));

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = server(&HostPort::new("127.0.0.1", free)).connect().await.err().expect("nobody listens");
    assert_eq!(error.kind, ErrorKind::Connect);
    assert!(error.message.starts_with("can't connect: Connection refused"), "{error}");

    let nowhere = Endpoint::Socket("/none/mysqld.sock".into());
    let error = MysqlServer::new(&wrong, &nowhere).connect().await.err().expect("no socket");
    assert_eq!((error.kind, error.node.as_str()), (ErrorKind::Connect, "/none/mysqld.sock"));
}

macro_rules! on_one_node {
    ($($name:ident => $body:ident;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let test = shared().await;
            $body(&node(&test, 0)).await;
        }
    )+};
}

on_one_node! {
    raw_driver => the_driver_alone_hands_out_stale_rows;
    dropped => a_dropped_future_ends_the_session_and_the_statement;
    dropped_at_any_moment => no_moment_of_dropping_yields_a_stale_row;
    transaction => a_given_up_transaction_is_rolled_back;
    deadline => past_the_deadline_the_caller_knows_that_it_ended;
    killed => others_may_kill;
    broken => a_broken_connection_ends_its_statement;
    silent => a_silent_network_is_waited_for_no_longer_than_said;
    rows => rows_come_as_the_server_sent_them;
    long => too_long_a_statement_leaves_the_session_alive;
    opening => sessions_open_as_all_rely_on;
    wrong_ways => wrong_ways_in_are_told_apart;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxied() {
    let test = shared().await;
    another_servers_connections_are_never_killed(&node(&test, 0), &node(&test, 1)).await;
}
