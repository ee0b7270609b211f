//! ProxySQL's admin interface: SQLite tables by its own definitions, its commands by their exact words, memory, runtime and disk
//! apart, a Galera monitor, and a door through which applications reach the servers that are ONLINE.
//!
//! # Source
//! ProxySQL 2: `ProxySQL_Admin_Tables_Definitions.h`, `Admin_Handler.cpp` (the commands), the Galera monitor
//! (`update_galera_set_writer`, `converge_galera_config`); statements that it does not take get 1045.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::door::{self, Counts, Task};
use super::packets;

/// The password of its user `radmin`.
pub(crate) const PASSWORD: &str = "s3cret-of-the-proxy";
/// Between two looks of the monitor.
const MONITOR: Duration = Duration::from_millis(150);
const COLUMNS: &str = "hostgroup_id INT CHECK (hostgroup_id>=0) NOT NULL DEFAULT 0 , hostname VARCHAR NOT NULL , \
    port INT CHECK (port >= 0 AND port <= 65535) NOT NULL DEFAULT 3306 , \
    gtid_port INT CHECK ((gtid_port <> port OR gtid_port=0) AND gtid_port >= 0 AND gtid_port <= 65535) NOT NULL DEFAULT 0 , \
    status VARCHAR CHECK (UPPER(status) IN ('ONLINE','SHUNNED','OFFLINE_SOFT', 'OFFLINE_HARD')) NOT NULL DEFAULT 'ONLINE' , \
    weight INT CHECK (weight >= 0 AND weight <=10000000) NOT NULL DEFAULT 1 , \
    compression INT CHECK (compression IN(0,1)) NOT NULL DEFAULT 0 , \
    max_connections INT CHECK (max_connections >=0) NOT NULL DEFAULT 1000 , \
    max_replication_lag INT CHECK (max_replication_lag >= 0 AND max_replication_lag <= 126144000) NOT NULL DEFAULT 0 , \
    use_ssl INT CHECK (use_ssl IN(0,1)) NOT NULL DEFAULT 0 , \
    max_latency_ms INT UNSIGNED CHECK (max_latency_ms>=0) NOT NULL DEFAULT 0 , \
    comment VARCHAR NOT NULL DEFAULT '' , PRIMARY KEY (hostgroup_id, hostname, port)";
const GALERA: &str = "writer_hostgroup INT CHECK (writer_hostgroup>=0) NOT NULL PRIMARY KEY , \
    backup_writer_hostgroup INT NOT NULL , reader_hostgroup INT NOT NULL , offline_hostgroup INT NOT NULL , \
    active INT CHECK (active IN (0,1)) NOT NULL DEFAULT 1 , max_writers INT NOT NULL DEFAULT 1 , \
    writer_is_also_reader INT CHECK (writer_is_also_reader IN (0,1,2)) NOT NULL DEFAULT 0 , \
    max_transactions_behind INT NOT NULL DEFAULT 0 , comment VARCHAR";
const POOL: &str = "hostgroup INT , srv_host VARCHAR , srv_port INT , status VARCHAR , ConnUsed INT , ConnFree INT , \
    ConnOK INT , ConnERR INT , MaxConnUsed INT , Queries INT , Queries_GTID_sync INT , Bytes_data_sent INT , \
    Bytes_data_recv INT , Latency_us INT";

type Shared = Arc<Mutex<Connection>>;

/// One ProxySQL.
pub(crate) struct ProxysqlStandIn {
    base: Shared,
    said: Arc<Mutex<Vec<String>>>,
    counts: Counts,
    pub(crate) admin: u16,
    pub(crate) door: u16,
    listening: Option<Task>,
    _door: Task,
    monitor: Option<Task>,
}

impl ProxysqlStandIn {
    /// One whose three layers hold these servers: hostgroup, port of this machine, status, weight.
    pub(crate) async fn start(servers: &[(u64, u16, &str, u64)]) -> Self {
        let base = Connection::open_in_memory().expect("SQLite");
        for layer in ["mysql_servers", "runtime_mysql_servers", "disk_mysql_servers"] {
            base.execute_batch(&format!("CREATE TABLE {layer} ({COLUMNS})")).expect("its tables");
            for (group, port, status, weight) in servers {
                let row = format!(
                    "INSERT INTO {layer} (hostgroup_id, hostname, port, status, weight) \
                     VALUES ({group}, '127.0.0.1', {port}, '{status}', {weight})"
                );
                base.execute_batch(&row).expect("a server");
            }
        }
        for table in ["mysql_galera_hostgroups", "runtime_mysql_galera_hostgroups"] {
            base.execute_batch(&format!("CREATE TABLE {table} ({GALERA})")).expect("its tables");
        }
        base.execute_batch(&format!("CREATE TABLE stats_mysql_connection_pool ({POOL})")).expect("its tables");
        let base: Shared = Arc::new(Mutex::new(base));
        let counts = Counts::default();
        let picking = Arc::clone(&base);
        let (door, task) = door::open(move || pick(&picking), Arc::clone(&counts)).await;
        let said = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let admin = listener.local_addr().expect("bound").port();
        let listening = Some(listen(listener, Arc::clone(&base), Arc::clone(&said), Arc::clone(&counts)));
        Self { base, said, counts, admin, door, listening, _door: task, monitor: None }
    }

    /// With Galera hostgroups 10 (writers, one), 30 (backup), 20 (readers; `writer_is_also_reader` 2), 99 (offline).
    pub(crate) fn galera(&mut self) {
        for table in ["mysql_galera_hostgroups", "runtime_mysql_galera_hostgroups"] {
            self.run(&format!("INSERT INTO {table} VALUES (10, 30, 20, 99, 1, 1, 2, 100, NULL)"));
        }
        let base = Arc::clone(&self.base);
        let monitor = async move {
            loop {
                tokio::time::sleep(MONITOR).await;
                check(&base.lock().expect("no panic"));
            }
        };
        self.monitor = Some(Task(tokio::spawn(monitor)));
    }

    /// With somebody who makes every server ONLINE again in what is in force.
    pub(crate) fn meddle(&mut self) {
        let base = Arc::clone(&self.base);
        let meddler = async move {
            loop {
                tokio::time::sleep(MONITOR).await;
                let sql = "UPDATE runtime_mysql_servers SET status = 'ONLINE'";
                base.lock().expect("no panic").execute_batch(sql).expect("legal");
            }
        };
        self.monitor = Some(Task(tokio::spawn(meddler)));
    }

    /// Nobody meddles any more.
    pub(crate) fn rest(&mut self) {
        self.monitor = None;
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.admin)
    }

    /// Runs statements behind its back.
    pub(crate) fn run(&self, sql: &str) {
        self.base.lock().expect("no panic").execute_batch(sql).expect(sql);
    }

    /// One layer: `hostgroup port status`, a line each.
    pub(crate) fn layer(&self, table: &str) -> Vec<String> {
        let base = self.base.lock().expect("no panic");
        let sql = format!("SELECT hostgroup_id || ' ' || port || ' ' || status FROM {table} ORDER BY 1");
        let mut statement = base.prepare(&sql).expect("legal");
        let rows = statement.query_map([], |row| row.get(0)).expect("legal");
        rows.collect::<Result<_, _>>().expect("text")
    }

    /// Memory, what is in force, and disk.
    pub(crate) fn layers(&self) -> [Vec<String>; 3] {
        ["mysql_servers", "runtime_mysql_servers", "disk_mysql_servers"].map(|table| self.layer(table))
    }

    /// Whether that server gets no new connections anywhere.
    pub(crate) fn is_out(&self, port: u16) -> bool {
        let own = format!(" {port} ");
        let rows = self.layer("runtime_mysql_servers");
        rows.iter().filter(|row| row.contains(&own)).all(|row| row.ends_with("OFFLINE_SOFT"))
    }

    /// Every statement that it was sent.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().expect("no panic").clone()
    }

    /// Goes away; its admin interface refuses connections.
    pub(crate) fn stop(&mut self) {
        self.listening = None;
    }

    /// Comes back, with what stands on disk.
    pub(crate) async fn restart(&mut self) {
        self.stop();
        for table in ["mysql_servers", "runtime_mysql_servers"] {
            self.run(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM disk_mysql_servers"));
        }
        self.resume().await;
    }

    /// Comes back as it was.
    pub(crate) async fn resume(&mut self) {
        let listener = door::listen_again(self.admin).await;
        let said = Arc::clone(&self.said);
        self.listening = Some(listen(listener, Arc::clone(&self.base), said, Arc::clone(&self.counts)));
    }
}

/// A server that is ONLINE among the writers; the one with the fewest connections is not needed here.
fn pick(base: &Shared) -> Option<u16> {
    let sql = "SELECT port FROM runtime_mysql_servers WHERE hostgroup_id = 10 AND status = 'ONLINE' ORDER BY RANDOM() LIMIT 1";
    base.lock().expect("no panic").query_row(sql, [], |row| row.get(0)).ok()
}

fn listen(listener: TcpListener, base: Shared, said: Arc<Mutex<Vec<String>>>, counts: Counts) -> Task {
    let task = async move {
        // Connections end with the listener.
        let mut clients = tokio::task::JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let (base, said, counts) = (Arc::clone(&base), Arc::clone(&said), Arc::clone(&counts));
            clients.spawn(async move { drop(serve(client, &base, &said, &counts).await) });
        }
    };
    Task(tokio::spawn(task))
}

async fn serve(
    mut client: TcpStream,
    base: &Shared,
    said: &Mutex<Vec<String>>,
    counts: &Counts,
) -> std::io::Result<()> {
    if !packets::greet(&mut client, "radmin", PASSWORD).await? {
        return Ok(());
    }
    loop {
        let (_, command) = packets::read(&mut client).await?;
        let answer = match command.split_first() {
            // COM_QUIT
            Some((1, _)) | None => return Ok(()),
            // COM_PING
            Some((14, _)) => packets::framed(1, &packets::ok(0)),
            // COM_QUERY
            Some((3, text)) => {
                let text = String::from_utf8_lossy(text).into_owned();
                said.lock().expect("no panic").push(text.clone());
                answer(&base.lock().expect("no panic"), &text, counts)
            }
            Some(_) => packets::framed(1, &packets::error(1047, "08S01", "unknown command")),
        };
        client.write_all(&answer).await?;
    }
}

fn answer(base: &Connection, text: &str, counts: &Counts) -> Vec<u8> {
    let refused =
        |why: &str| packets::framed(1, &packets::error(1045, "28000", &format!("ProxySQL Admin Error: {why}")));
    let words = text.trim().trim_end_matches(';').split_whitespace().collect::<Vec<_>>().join(" ");
    let is = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(&words));
    if is(&[
        "LOAD MYSQL SERVERS FROM MEMORY",
        "LOAD MYSQL SERVERS FROM MEM",
        "LOAD MYSQL SERVERS TO RUNTIME",
        "LOAD MYSQL SERVERS TO RUN",
    ]) {
        let load = "DELETE FROM runtime_mysql_servers; INSERT INTO runtime_mysql_servers SELECT * FROM mysql_servers; \
                    DELETE FROM runtime_mysql_galera_hostgroups; \
                    INSERT INTO runtime_mysql_galera_hostgroups SELECT * FROM mysql_galera_hostgroups";
        base.execute_batch(load).expect("legal");
        return packets::framed(1, &packets::ok(0));
    }
    if is(&["SAVE MYSQL SERVERS FROM MEMORY", "SAVE MYSQL SERVERS FROM MEM", "SAVE MYSQL SERVERS TO DISK"]) {
        base.execute_batch(
            "DELETE FROM disk_mysql_servers; INSERT INTO disk_mysql_servers SELECT * FROM mysql_servers",
        )
        .expect("legal");
        return packets::framed(1, &packets::ok(0));
    }
    let first = words.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    match first.as_str() {
        "SELECT" => {
            if words.contains("stats_mysql_connection_pool") {
                fill_pool(base, counts);
            }
            select(base, text).unwrap_or_else(|error| refused(&error.to_string()))
        }
        "INSERT" | "UPDATE" | "DELETE" if !words.contains("runtime_") => match base.execute(text, []) {
            Ok(affected) => packets::framed(1, &packets::ok(u8::try_from(affected).expect("few"))),
            Err(error) => refused(&error.to_string()),
        },
        _ => refused(&format!("near \"{first}\": syntax error")),
    }
}

fn select(base: &Connection, text: &str) -> rusqlite::Result<Vec<u8>> {
    let mut statement = base.prepare(text)?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let row = |row: &rusqlite::Row<'_>| {
        (0..columns.len())
            .map(|index| {
                Ok(match row.get::<_, Value>(index)? {
                    Value::Null => None,
                    Value::Integer(number) => Some(number.to_string()),
                    Value::Real(number) => Some(number.to_string()),
                    Value::Text(text) => Some(text),
                    Value::Blob(_) => panic!("no blobs there"),
                })
            })
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = statement.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(packets::rows(&columns, &rows))
}

fn fill_pool(base: &Connection, counts: &Counts) {
    base.execute_batch(
        "DELETE FROM stats_mysql_connection_pool; \
         INSERT INTO stats_mysql_connection_pool SELECT hostgroup_id, hostname, port, status, 0,0,0,0,0,0,0,0,0,0 \
         FROM runtime_mysql_servers",
    )
    .expect("legal");
    for (port, used) in counts.lock().expect("no panic").iter() {
        let sql = format!(
            "UPDATE stats_mysql_connection_pool SET ConnUsed = {used} WHERE hostgroup = 10 AND srv_port = {port}"
        );
        base.execute_batch(&sql).expect("legal");
    }
}

/// One round of the Galera monitor over servers that are all well. A server that is OFFLINE_SOFT or OFFLINE_HARD in every
/// hostgroup is not looked at.
fn check(base: &Connection) {
    let watched = "SELECT DISTINCT port FROM runtime_mysql_servers WHERE hostgroup_id IN (10, 20, 30, 99) \
                   AND status NOT IN ('OFFLINE_SOFT', 'OFFLINE_HARD')";
    let mut statement = base.prepare(watched).expect("legal");
    let ports: Vec<u16> = statement.query_map([], |row| row.get(0)).expect("legal").flatten().collect();
    drop(statement);
    for port in ports {
        set_writer(base, port);
    }
}

fn set_writer(base: &Connection, port: u16) {
    let count = |sql: &str| -> u64 { base.query_row(sql, [], |row| row.get(0)).expect("legal") };
    let in_group = |group: u64| {
        count(&format!("SELECT COUNT(*) FROM runtime_mysql_servers WHERE hostgroup_id = {group} AND port = {port}")) > 0
    };
    let writers = "SELECT COUNT(*) FROM runtime_mysql_servers WHERE hostgroup_id = 10 AND status = 'ONLINE'";
    if count(writers) <= 1 && in_group(10) && in_group(20) {
        return;
    }
    let incoming = format!(
        "DROP TABLE IF EXISTS incoming; CREATE TABLE incoming ({COLUMNS}); INSERT INTO incoming SELECT * FROM runtime_mysql_servers; \
         UPDATE OR IGNORE incoming SET hostgroup_id = 10 WHERE port = {port} AND hostgroup_id <> 10; \
         DELETE FROM incoming WHERE port = {port} AND hostgroup_id <> 10; \
         UPDATE incoming SET status = 'ONLINE' WHERE port = {port} AND hostgroup_id = 10"
    );
    base.execute_batch(&incoming).expect("legal");
    let online = |group: u64, order: &str| -> Vec<u16> {
        let sql = format!(
            "SELECT port FROM incoming WHERE status = 'ONLINE' AND hostgroup_id = {group} ORDER BY weight {order}, port {order}"
        );
        let mut statement = base.prepare(&sql).expect("legal");
        statement.query_map([], |row| row.get(0)).expect("legal").flatten().collect()
    };
    let moved = |port: u16, from: u64, to: u64| {
        let sql = format!(
            "UPDATE OR REPLACE incoming SET status = 'ONLINE', hostgroup_id = {to} WHERE hostgroup_id = {from} AND port = {port}"
        );
        base.execute_batch(&sql).expect("legal");
    };
    let (all, backups) = (online(10, "ASC"), online(30, "DESC"));
    for surplus in all.iter().take(all.len().saturating_sub(1)) {
        moved(*surplus, 10, 30);
    }
    if let (true, Some(first)) = (all.is_empty(), backups.first()) {
        moved(*first, 30, 10);
    }
    if !online(30, "ASC").is_empty() {
        let readers = "DELETE FROM incoming WHERE hostgroup_id = 20; INSERT OR IGNORE INTO incoming SELECT 20, hostname, port, \
                       gtid_port, status, weight, compression, max_connections, max_replication_lag, use_ssl, max_latency_ms, \
                       comment FROM incoming WHERE hostgroup_id = 30";
        base.execute_batch(readers).expect("legal");
    }
    base.execute_batch("DELETE FROM runtime_mysql_servers; INSERT INTO runtime_mysql_servers SELECT * FROM incoming")
        .expect("legal");
}
