//! A relay between the program and a node that has its way with the COMMIT of a transaction that deletes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use driftless::demo::NodeProcess;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of a COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    /// It comes to the server, and the answer back.
    Passes,
    /// It comes to the server; the connection breaks before the answer comes back.
    LosesItsAnswer,
    /// The connection breaks before it comes to the server.
    IsLost,
    /// It comes to the server, and the answer never back.
    WaitsForItsAnswer,
    /// It never comes to the server, and nothing breaks.
    Waits,
}

/// The relay; ends with its test.
pub(crate) struct Relay {
    /// The node as it is reached through the relay.
    pub(crate) node: NodeProcess,
    /// Flags that lead driftless through it wherever it learns of the node.
    pub(crate) flags: Vec<String>,
    fates: Arc<Mutex<VecDeque<Commit>>>,
    waiting: watch::Receiver<u64>,
    broken: Arc<watch::Sender<bool>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the connections share.
#[derive(Clone)]
struct Plan {
    fates: Arc<Mutex<VecDeque<Commit>>>,
    waiting: Arc<watch::Sender<u64>>,
    broken: Arc<watch::Sender<bool>>,
}

impl Relay {
    /// The fates of the next such COMMITs; those after them pass.
    pub(crate) async fn start(node: &NodeProcess, fates: &[Commit]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, target) = (listener.local_addr().unwrap().port(), node.port);
        let (sender, waiting) = watch::channel(0);
        let fates = Arc::new(Mutex::new(fates.iter().copied().collect()));
        let broken = Arc::new(watch::Sender::new(false));
        let plan = Plan { fates: Arc::clone(&fates), waiting: Arc::new(sender), broken: Arc::clone(&broken) };
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                tokio::spawn(relay(client, server, plan.clone()));
            }
        });
        let map = format!("127.0.0.1:{target}=127.0.0.1:{port}");
        let flags = ["--ssl-mode", "DISABLED", "--address-map", &map].map(str::to_owned).to_vec();
        let mut node = node.clone();
        node.port = port;
        Self { node, flags, fates, waiting, broken, task }
    }

    /// Whether each of the fates has come.
    pub(crate) fn is_over(&self) -> bool {
        self.fates.lock().unwrap().is_empty()
    }

    /// Breaks the connections whose COMMIT waits.
    pub(crate) fn breaks(&self) {
        self.broken.send_replace(true);
    }

    /// Returns when a COMMIT waits.
    pub(crate) async fn waits(&mut self) {
        self.waiting.wait_for(|count| *count > 0).await.unwrap();
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, plan: Plan) {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut deletes = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                let packet = &up[..count];
                deletes |= packet.get(4..).is_some_and(|command| command.starts_with(b"\x03DELETE "));
                let mut fate = Commit::Passes;
                if packet.ends_with(b"\x03COMMIT") && std::mem::take(&mut deletes) {
                    fate = plan.fates.lock().unwrap().pop_front().unwrap_or(Commit::Passes);
                }
                let comes_through = matches!(fate, Commit::Passes | Commit::LosesItsAnswer | Commit::WaitsForItsAnswer);
                if comes_through && server.write_all(packet).await.is_err() {
                    return;
                }
                match fate {
                    Commit::Passes => {}
                    Commit::IsLost => return,
                    Commit::LosesItsAnswer => return drop(server.read(&mut down).await),
                    Commit::Waits => return wait(client, &plan).await,
                    Commit::WaitsForItsAnswer => {
                        drop(server.read(&mut down).await);
                        return wait(client, &plan).await;
                    }
                }
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&down[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Says so, and waits until the client is gone, or the connection is to break.
async fn wait(mut client: TcpStream, plan: &Plan) {
    plan.waiting.send_modify(|count| *count += 1);
    let (mut nothing, mut broken) = ([0; 1], plan.broken.subscribe());
    tokio::select! {
        () = async { while let Ok(1..) = client.read(&mut nothing).await {} } => {}
        _ = broken.wait_for(|broken| *broken) => {}
    }
}
