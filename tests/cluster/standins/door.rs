//! Where applications connect: each connection goes to a server that the proxy picks, and is counted while it lasts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};

/// Connections by server.
pub(super) type Counts = Arc<Mutex<BTreeMap<u16, u64>>>;

/// Ends its task with itself.
pub(super) struct Task(pub(super) tokio::task::JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens on a port of this machine, which a listener that just went away may still hold.
pub(super) async fn listen_again(port: u16) -> TcpListener {
    for _ in 0..200 {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return listener;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("port {port} does not come free");
}

/// Opens a door; `pick` says to which port of this machine the next connection goes.
pub(super) async fn open(pick: impl Fn() -> Option<u16> + Send + Sync + 'static, counts: Counts) -> (u16, Task) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let pick = Arc::new(pick);
    let task = async move {
        while let Ok((client, _)) = listener.accept().await {
            let (pick, counts) = (Arc::clone(&pick), Arc::clone(&counts));
            tokio::spawn(async move {
                // As long as a proxy keeps a client waiting for a server.
                let mut left = 100;
                let target = loop {
                    match pick() {
                        Some(target) => break target,
                        None if left == 0 => return,
                        None => left -= 1,
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                };
                let _counted = Counted::new(&counts, target);
                through(client, target).await;
            });
        }
    };
    (port, Task(tokio::spawn(task)))
}

async fn through(mut client: TcpStream, target: u16) {
    if let Ok(mut server) = TcpStream::connect(("127.0.0.1", target)).await {
        drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
    }
}

struct Counted(Counts, u16);

impl Counted {
    fn new(counts: &Counts, port: u16) -> Self {
        *counts.lock().expect("no panic").entry(port).or_default() += 1;
        Self(Arc::clone(counts), port)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.lock().expect("no panic").entry(self.1).or_default() -= 1;
    }
}
