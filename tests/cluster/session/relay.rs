//! A relay between client and server that can be cut, hushed, or led to another server.

use std::sync::{Arc, Mutex};

use driftless::config::HostPort;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Open,
    Silent,
}

/// Connections of before a cut end; those of after it pass.
pub(crate) struct Relay {
    address: HostPort,
    target: Arc<Mutex<HostPort>>,
    mood: watch::Sender<Mood>,
    cuts: watch::Sender<u64>,
}

impl Relay {
    pub(crate) async fn start(target: &HostPort) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
        let target = Arc::new(Mutex::new(target.clone()));
        let (mood, cuts) = (watch::Sender::new(Mood::Open), watch::Sender::new(0));
        let (to, moods, cut) = (Arc::clone(&target), mood.subscribe(), cuts.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let to = to.lock().unwrap().clone();
                let server = TcpStream::connect((to.host.as_str(), to.port)).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let mut cut_now = cut.clone();
                let moods = moods.clone();
                tokio::spawn(async move {
                    cut_now.mark_unchanged();
                    tokio::select! {
                        _ = cut_now.changed() => {}
                        () = pass(from_client, to_server, moods.clone()) => {}
                        () = pass(from_server, to_client, moods) => {}
                    }
                });
            }
        });
        Self { address, target, mood, cuts }
    }

    pub(crate) fn address(&self) -> &HostPort {
        &self.address
    }

    /// Ends all connections; new ones pass.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    /// From now on nothing passes, and nothing is closed.
    pub(crate) fn hush(&self) {
        self.mood.send_replace(Mood::Silent);
    }

    /// New connections go to another server.
    pub(crate) fn lead_to(&self, target: &HostPort) {
        *self.target.lock().unwrap() = target.clone();
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut mood: watch::Receiver<Mood>,
) {
    let mut buffer = vec![0; 65536];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if mood.wait_for(|mood| *mood == Mood::Open).await.is_err() || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
