//! MaxScale's REST API, as far as servers go: basic authentication, its JSON, states that its monitor puts in force a little
//! later, and a door through which applications reach the servers that are up.
//!
//! # Source
//! MaxScale, "REST API: Server Resource" and "MaxScale REST API"; errors as it words them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::door::{self, Counts, Task};
use super::proxysql::PASSWORD;

/// Between two looks of the monitor.
const MONITOR: Duration = Duration::from_millis(300);

#[derive(Clone, Debug)]
struct Server {
    id: String,
    port: u16,
    drain: bool,
    maintenance: bool,
    /// What was asked for and is not in force yet.
    asked: Option<bool>,
}

/// One MaxScale.
pub(crate) struct MaxscaleStandIn {
    servers: Arc<Mutex<Vec<Server>>>,
    counts: Counts,
    said: Arc<Mutex<Vec<String>>>,
    pub(crate) api: u16,
    pub(crate) door: u16,
    listening: Option<Task>,
    _door: Task,
    _monitor: Task,
}

impl MaxscaleStandIn {
    /// One with these servers, all up, in one service: name and port of this machine.
    pub(crate) async fn start(servers: &[(&str, u16)]) -> Self {
        let server = |(id, port): &(&str, u16)| Server {
            id: (*id).to_owned(),
            port: *port,
            drain: false,
            maintenance: false,
            asked: None,
        };
        let servers = Arc::new(Mutex::new(servers.iter().map(server).collect::<Vec<_>>()));
        let (counts, turn) = (Counts::default(), Mutex::new(0_usize));
        let picking = Arc::clone(&servers);
        let pick = move || {
            let all = picking.lock().expect("no panic");
            let up: Vec<u16> = all.iter().filter(|one| !one.drain && !one.maintenance).map(|one| one.port).collect();
            let mut turn = turn.lock().expect("no panic");
            *turn += 1;
            up.get(*turn % up.len().max(1)).copied()
        };
        let (door, task) = door::open(pick, Arc::clone(&counts)).await;
        let watched = Arc::clone(&servers);
        let monitor = async move {
            loop {
                tokio::time::sleep(MONITOR).await;
                for server in watched.lock().expect("no panic").iter_mut() {
                    server.drain = server.asked.take().unwrap_or(server.drain);
                }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let api = listener.local_addr().expect("bound").port();
        let said = Arc::new(Mutex::new(Vec::new()));
        let listening = Some(listen(listener, Arc::clone(&servers), Arc::clone(&counts), Arc::clone(&said)));
        let monitor = Task(tokio::spawn(monitor));
        Self { servers, counts, said, api, door, listening, _door: task, _monitor: monitor }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api)
    }

    /// Names of the servers that are drained.
    pub(crate) fn drained(&self) -> Vec<String> {
        let all = self.servers.lock().expect("no panic");
        all.iter().filter(|server| server.drain).map(|server| server.id.clone()).collect()
    }

    /// Somebody puts a server into maintenance.
    pub(crate) fn maintain(&self, id: &str) {
        for server in self.servers.lock().expect("no panic").iter_mut().filter(|server| server.id == id) {
            server.maintenance = true;
        }
    }

    /// Every request that it was sent: method and path.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().expect("no panic").clone()
    }

    /// Goes away.
    pub(crate) fn stop(&mut self) {
        self.listening = None;
    }

    /// Comes back; states are not kept.
    pub(crate) async fn restart(&mut self) {
        self.stop();
        for server in self.servers.lock().expect("no panic").iter_mut() {
            (server.drain, server.asked) = (false, None);
        }
        let listener = door::listen_again(self.api).await;
        let (servers, said) = (Arc::clone(&self.servers), Arc::clone(&self.said));
        self.listening = Some(listen(listener, servers, Arc::clone(&self.counts), said));
    }
}

fn listen(
    listener: TcpListener,
    servers: Arc<Mutex<Vec<Server>>>,
    counts: Counts,
    said: Arc<Mutex<Vec<String>>>,
) -> Task {
    let task = async move {
        let mut clients = tokio::task::JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let (servers, counts, said) = (Arc::clone(&servers), Arc::clone(&counts), Arc::clone(&said));
            clients.spawn(async move { drop(serve(client, &servers, &counts, &said).await) });
        }
    };
    Task(tokio::spawn(task))
}

/// Requests of one connection, until the client closes it.
async fn serve(
    mut client: TcpStream,
    servers: &Mutex<Vec<Server>>,
    counts: &Counts,
    said: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let first = head.lines().next().unwrap_or_default().to_owned();
        let header = |name: &str| {
            let found = head.lines().find_map(|line| {
                let (is, value) = line.split_once(':')?;
                is.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            });
            found.unwrap_or_default()
        };
        let length: usize = header("content-length").parse().unwrap_or(0);
        client.read_exact(&mut vec![0; length]).await?;
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        said.lock().expect("no panic").push(format!("{method} {path}"));
        let (status, body) = if header("authorization") == authorization() {
            answer(method, path, &mut servers.lock().expect("no panic"), counts)
        } else {
            ("401 Unauthorized", json!({ "errors": [{ "detail": "Access denied" }] }))
        };
        let body = if body.is_null() { String::new() } else { format!("{body:#}") };
        let text = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nWWW-Authenticate: Basic realm=\"maxscale\"\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        client.write_all(text.as_bytes()).await?;
    }
}

fn authorization() -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("radmin:{PASSWORD}")))
}

fn answer(method: &str, path: &str, servers: &mut [Server], counts: &Counts) -> (&'static str, Value) {
    let wrong = |status, detail: &str| (status, json!({ "errors": [{ "detail": detail }] }));
    if (method, path) == ("GET", "/v1/servers") {
        let data: Vec<Value> = servers.iter().map(|server| resource(server, counts)).collect();
        return ("200 OK", json!({ "data": data, "links": { "self": "http://127.0.0.1/v1/servers/" } }));
    }
    let Some((id, order)) = path.strip_prefix("/v1/servers/").and_then(|rest| rest.split_once('/')) else {
        return wrong("404 Not Found", "No such resource");
    };
    let Some(server) = servers.iter_mut().find(|server| server.id == id) else {
        return wrong("404 Not Found", "Invalid object relations or no such object");
    };
    let asked = match (method, order) {
        ("PUT", "set?state=drain") => true,
        ("PUT", "clear?state=drain") => false,
        ("PUT", _) => return wrong("400 Bad Request", "Invalid or missing value for the `state` parameter"),
        _ => return wrong("405 Method Not Allowed", "Method not allowed"),
    };
    server.asked = Some(asked);
    ("204 No Content", Value::Null)
}

fn resource(server: &Server, counts: &Counts) -> Value {
    let connections = counts.lock().expect("no panic").get(&server.port).copied().unwrap_or(0);
    let mut states = Vec::new();
    if server.maintenance {
        states.push("Maintenance");
    }
    if server.drain {
        states.push(if connections == 0 { "Drained" } else { "Draining" });
    }
    states.extend(["Slave", "Synced", "Running"]);
    json!({
        "id": server.id, "type": "servers",
        "attributes": {
            "parameters": { "address": "127.0.0.1", "port": server.port, "protocol": "MariaDBBackend", "socket": null },
            "state": states.join(", "), "version_string": "10.11.19-MariaDB",
            "statistics": { "connections": connections, "total_connections": 7, "active_operations": 0 }
        },
        "relationships": { "services": { "data": [{ "id": "rw", "type": "services" }] },
                           "monitors": { "data": [{ "id": "galera", "type": "monitors" }] } }
    })
}
