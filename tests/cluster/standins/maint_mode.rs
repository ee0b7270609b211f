//! A node of Percona XtraDB Cluster: a relay before a real node that answers for `pxc_maint_mode` itself and hands on all else.
//!
//! # Source
//! PXC: `sql/wsrep_var.cc` (`pxc_maint_mode_check`: which changes are taken), `sql/sql_parse.cc` (the statement sleeps for
//! `pxc_maint_transition_period` after the mode is set).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::door::Task;
use super::packets;

/// What changing the mode takes.
const PERIOD: Duration = Duration::from_secs(1);

/// One such node.
pub(crate) struct MaintNode {
    mode: Arc<Mutex<String>>,
    said: Arc<Mutex<Vec<String>>>,
    pub(crate) port: u16,
    _relay: Task,
}

impl MaintNode {
    /// Before the node at that port of this machine.
    pub(crate) async fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (mode, said) = (Arc::new(Mutex::new("DISABLED".to_owned())), Arc::new(Mutex::new(Vec::new())));
        let (shared, heard) = (Arc::clone(&mode), Arc::clone(&said));
        let relay = async move {
            let mut clients = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (mode, said) = (Arc::clone(&shared), Arc::clone(&heard));
                clients.spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await {
                        drop(through(client, server, &mode, &said).await);
                    }
                });
            }
        };
        Self { mode, said, port, _relay: Task(tokio::spawn(relay)) }
    }

    /// Its mode.
    pub(crate) fn mode(&self) -> String {
        self.mode.lock().expect("no panic").clone()
    }

    /// Somebody sets it.
    pub(crate) fn set(&self, mode: &str) {
        mode.clone_into(&mut self.mode.lock().expect("no panic"));
    }

    /// Every statement that set it.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().expect("no panic").clone()
    }
}

/// Both ways of one connection; statements on the mode are answered here. No other answer is under way then, because a client
/// waits for each.
async fn through(
    client: TcpStream,
    server: TcpStream,
    mode: &Mutex<String>,
    said: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let to_client = Arc::new(tokio::sync::Mutex::new(to_client));
    tokio::select! {
        ended = hand_on(from_server, &to_client) => ended,
        ended = commands(from_client, to_server, &to_client, mode, said) => ended,
    }
}

async fn hand_on(mut from: OwnedReadHalf, to: &tokio::sync::Mutex<OwnedWriteHalf>) -> std::io::Result<()> {
    let (number, mut greeting) = packets::read(&mut from).await?;
    // Results end as of old: DEPRECATE_EOF (bit 24) is not offered. The upper half of the capabilities stands behind the
    // version, its end, and 4 + 8 + 1 + 2 + 1 + 2 bytes.
    let version = greeting.iter().skip(1).position(|byte| *byte == 0).unwrap_or(0) + 1;
    if let Some(byte) = greeting.get_mut(version + 1 + 18 + 1) {
        *byte &= !1;
    }
    to.lock().await.write_all(&packets::framed(number, &greeting)).await?;
    loop {
        let (number, payload) = packets::read(&mut from).await?;
        to.lock().await.write_all(&packets::framed(number, &payload)).await?;
    }
}

async fn commands(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    client: &tokio::sync::Mutex<OwnedWriteHalf>,
    mode: &Mutex<String>,
    said: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    loop {
        let (number, payload) = packets::read(&mut from).await?;
        let text = match payload.split_first() {
            // COM_QUERY
            Some((3, text)) if number == 0 => String::from_utf8_lossy(text).into_owned(),
            Some(_) | None => String::new(),
        };
        let own = text.starts_with("SET GLOBAL pxc_maint") || text.starts_with("SHOW GLOBAL VARIABLES LIKE 'pxc_maint");
        if !own {
            to.write_all(&packets::framed(number, &payload)).await?;
            continue;
        }
        let answer = answer(&text, mode, said).await;
        client.lock().await.write_all(&answer).await?;
    }
}

async fn answer(text: &str, mode: &Mutex<String>, said: &Mutex<Vec<String>>) -> Vec<u8> {
    let one = |payload: &[u8]| packets::framed(1, payload);
    if text == "SHOW GLOBAL VARIABLES LIKE 'pxc_maint_%'" {
        let row = |name: &str, value: String| vec![Some(name.to_owned()), Some(value)];
        let now = mode.lock().expect("no panic").clone();
        let rows = [row("pxc_maint_mode", now), row("pxc_maint_transition_period", PERIOD.as_secs().to_string())];
        return packets::rows(&["Variable_name".to_owned(), "Value".to_owned()], &rows);
    }
    let wanted = text.strip_prefix("SET GLOBAL pxc_maint_mode = ").map(|value| value.trim_matches('\'').to_owned());
    let Some(wanted) = wanted.filter(|wanted| ["MAINTENANCE", "DISABLED"].contains(&wanted.as_str())) else {
        return one(&packets::error(1064, "42000", &format!("the stand-in does not take: {text}")));
    };
    said.lock().expect("no panic").push(wanted.clone());
    let from = {
        let mut mode = mode.lock().expect("no panic");
        let change = (mode.as_str(), wanted.as_str());
        if !matches!(change, ("DISABLED", _) | ("MAINTENANCE", "DISABLED")) {
            let why = format!("Can't change pxc_maint_mode from {} to {wanted}", change.0);
            return one(&packets::error(1105, "HY000", &why));
        }
        std::mem::replace(&mut *mode, wanted.clone())
    };
    if from != wanted {
        tokio::time::sleep(PERIOD).await;
    }
    one(&packets::ok(0))
}
