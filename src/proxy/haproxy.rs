//! HAProxy by its runtime socket: `set server … state drain` and `ready`, which last until HAProxy is restarted.
//!
//! # Source
//! HAProxy management guide, "Unix Socket commands"; tried against 2.6 (`tests/cluster/prove_proxy.rs`).

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::address::{Place, unknown};
use crate::error::Fault;
use crate::ports::proxy::{Backend, Proxy, Stand};

/// Longest wait for one answer.
const LIMIT: Duration = Duration::from_secs(10);
/// `srv_op_state` of a server that takes connections.
const RUNNING: &str = "2";
/// Bit of `srv_admin_state`: drained by a command. A server that tracks another one inherits that in other bits.
const DRAINED: u64 = 0x08;

/// One HAProxy.
pub struct Haproxy {
    /// Its runtime socket: a path, or `host:port`.
    pub socket: String,
}

/// One server of one backend, as `show servers state` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    backend: String,
    name: String,
    address: String,
    port: String,
    operates: bool,
    admin: u64,
}

impl Haproxy {
    fn failed(&self, why: impl std::fmt::Display) -> Fault {
        Fault::Failed(format!("failed to ask HAProxy at {}: {why}", self.socket))
    }

    /// It may be up again in a moment.
    fn silent(&self, why: impl std::fmt::Display) -> Fault {
        Fault::Busy(format!("failed to ask HAProxy at {}: {why}", self.socket))
    }

    async fn ask(&self, command: &str) -> Result<String, Fault> {
        let talk = async {
            if self.socket.contains('/') || !self.socket.contains(':') {
                said(UnixStream::connect(&self.socket).await?, command).await
            } else {
                said(TcpStream::connect(&self.socket).await?, command).await
            }
        };
        match tokio::time::timeout(LIMIT, talk).await {
            Err(_) => Err(self.silent(format!("no answer within {} s", LIMIT.as_secs()))),
            Ok(Err(error)) => Err(self.silent(error)),
            Ok(Ok(answer)) => Ok(answer),
        }
    }

    async fn servers(&self) -> Result<Vec<Server>, Fault> {
        let answer = self.ask("show servers state").await?;
        servers(&answer).ok_or_else(|| self.failed(format!("it does not show its servers' state: {}", answer.trim())))
    }

    /// The servers that are that node, one a backend.
    async fn of<'a>(&self, all: &'a [Server], node: &Backend) -> Result<Vec<&'a Server>, Fault> {
        let mut place = Place::of(node).await;
        let mut found: Vec<&Server> = Vec::new();
        for server in all {
            if place.is(&server.address, &server.port).await {
                found.push(server);
            }
        }
        // A name may be another server's elsewhere: it counts only where addresses say nothing.
        if found.is_empty() {
            found = all.iter().filter(|server| server.name.eq_ignore_ascii_case(&node.name)).collect();
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let remedy = "name servers there as wsrep_node_name, or by the address that the node is reached at";
        Err(unknown(&format!("HAProxy at {}", self.socket), node, remedy))
    }

    async fn set(&self, server: &Server, state: &str) -> Result<(), Fault> {
        let answer = self.ask(&format!("set server {}/{} state {state}", server.backend, server.name)).await?;
        // It says nothing when all is well.
        if answer.trim().is_empty() { Ok(()) } else { Err(self.failed(answer.trim())) }
    }
}

async fn said(mut stream: impl AsyncRead + AsyncWrite + Unpin, command: &str) -> std::io::Result<String> {
    stream.write_all(format!("{command}\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Reads `show servers state`; columns by their names, because versions add some.
fn servers(answer: &str) -> Option<Vec<Server>> {
    let mut lines = answer.lines().map(str::trim).filter(|line| !line.is_empty());
    let header = lines.find(|line| line.starts_with("# "))?;
    let names: Vec<&str> = header.trim_start_matches("# ").split_whitespace().collect();
    let mut servers = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let of = |name: &str| {
            let place = names.iter().position(|column| *column == name)?;
            fields.get(place).map(|field| (*field).to_owned())
        };
        servers.push(Server {
            backend: of("be_name")?,
            name: of("srv_name")?,
            address: of("srv_addr")?,
            port: of("srv_port")?,
            operates: of("srv_op_state")? == RUNNING,
            admin: of("srv_admin_state")?.parse().ok()?,
        });
    }
    Some(servers)
}

impl Server {
    /// `backend/server`, as commands name it.
    fn path(&self) -> String {
        format!("{}/{}", self.backend, self.name)
    }

    /// Whether it is one that was up when the node was taken out.
    fn was_up(&self, stand: &Stand) -> bool {
        stand.was.split('\n').any(|path| path == self.path())
    }
}

#[async_trait::async_trait]
impl Proxy for Haproxy {
    fn flag(&self) -> String {
        format!("--haproxy {}", self.socket)
    }

    async fn knows(&self, nodes: &[Backend]) -> Result<(), Fault> {
        let all = self.servers().await?;
        for node in nodes {
            self.of(&all, node).await?;
        }
        Ok(())
    }

    async fn stands(&self, node: &Backend) -> Result<Option<Stand>, Fault> {
        let all = self.servers().await?;
        let up: Vec<&Server> = self.of(&all, node).await?.into_iter().filter(|server| server.admin == 0).collect();
        for server in &up {
            let other = |one: &&Server| one.backend == server.backend && one.name != server.name;
            if !all.iter().filter(other).any(|one| one.operates && one.admin == 0) {
                let (backend, socket) = (&server.backend, &self.socket);
                let what =
                    format!("{} is the only server of backend {backend} of HAProxy at {socket} that is up", node.name);
                return Err(Fault::Busy(what));
            }
        }
        let paths: Vec<String> = up.into_iter().map(Server::path).collect();
        let ready: Vec<String> = paths.iter().map(|path| format!("set server {path} state ready")).collect();
        let by_hand = format!("`{}` at the runtime socket {}", ready.join("; "), self.socket);
        Ok((!paths.is_empty()).then(|| Stand { flag: self.flag(), was: paths.join("\n"), by_hand }))
    }

    async fn drain(&self, node: &Backend, stand: &Stand) -> Result<(), Fault> {
        let all = self.servers().await?;
        for server in self.of(&all, node).await?.into_iter().filter(|server| server.admin == 0) {
            if server.was_up(stand) {
                self.set(server, "drain").await?;
            }
        }
        Ok(())
    }

    async fn is_out(&self, node: &Backend) -> Result<(), Fault> {
        let all = self.servers().await?;
        match self.of(&all, node).await?.into_iter().find(|server| server.admin == 0) {
            None => Ok(()),
            Some(server) => {
                let (path, socket) = (server.path(), &self.socket);
                Err(Fault::Busy(format!("{path} of HAProxy at {socket} is no longer drained")))
            }
        }
    }

    /// HAProxy does not tell idle connections from busy ones: that nobody writes on the node is asked of the node.
    async fn let_go(&self, _: &Backend) -> Result<(), Fault> {
        Ok(())
    }

    async fn undrain(&self, node: &Backend, stand: &Stand) -> Result<(), Fault> {
        let drained = |server: &&Server| server.was_up(stand) && server.admin & DRAINED != 0;
        let all = self.servers().await?;
        for server in self.of(&all, node).await?.into_iter().filter(drained) {
            self.set(server, "ready").await?;
        }
        let all = self.servers().await?;
        match self.of(&all, node).await?.into_iter().find(drained) {
            None => Ok(()),
            Some(server) => Err(self.failed(format!("{} is still drained", server.path()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_by_the_names_of_their_columns() {
        let answer = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_fqdn srv_port\n\
                      3 db 1 n1 127.0.0.1 2 0 1 - 4401\n3 db 2 n2 127.0.0.1 0 8 1 - 4402\n\n";
        let all = servers(answer).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[1].name.as_str(), all[1].port.as_str(), all[1].operates), ("n2", "4402", false));
        assert_eq!(all[1].admin, DRAINED);
        assert_eq!(servers("Unknown command\n"), None);
    }
}
