//! The connection that a server sends its binlog over: events out, in order, checked, never silent for long.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use mysql_async::binlog::events::Event as Packet;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn};

use crate::binlog::{Checksum, DecodeError, Event, Follower, kind};
use crate::mysql::rescue::Rescue;
use crate::mysql::statement::{UnderWay, words};
use crate::ports::changes::{Change, ChangeSource, Position, StreamError};

/// How much longer than the heartbeat interval a server may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// The kind of checksum that is CRC32.
const CRC32: u8 = 1;

/// MariaDB: another connection that follows this binlog has our number; the older of the two is cut off.
pub(super) const SAME_ID: u16 = 4052;
/// The server can't send the binlog from there, or not on; why is in the message.
const FATAL_READ: u16 = 1236;

/// A stream of changes over one connection.
pub(super) struct BinlogSource {
    stream: BinlogStream,
    /// The event whose changes are being handed out.
    event: Option<Packet>,
    follower: Follower,
    limit: Duration,
    rescue: Arc<Rescue>,
    under_way: UnderWay,
    over: Option<StreamError>,
}

/// Where and how to begin.
pub(super) struct Begin {
    pub(super) server_id: u32,
    pub(super) file: String,
    pub(super) offset: u32,
    pub(super) heartbeat: Duration,
}

impl BinlogSource {
    /// Turns a connection into a stream.
    pub(super) async fn open(
        conn: Conn,
        begin: &Begin,
        follower: Follower,
        rescue: Rescue,
        under_way: UnderWay,
    ) -> Result<Self, StreamError> {
        let request = BinlogStreamRequest::new(begin.server_id)
            .with_filename(begin.file.as_bytes())
            .with_pos(u64::from(begin.offset));
        let stream = conn.get_binlog_stream(request).await;
        let stream = stream.map_err(|error| failed(&rescue, &error, follower.at()))?;
        let limit = begin.heartbeat + SILENCE;
        let rescue = Arc::new(rescue);
        Ok(Self { stream, event: None, follower, limit, rescue, under_way, over: None })
    }

    /// Waits until the server has sent what the file is, which shows that it takes the request.
    pub(super) async fn begin(&mut self) -> Result<(), StreamError> {
        loop {
            let packet = self.read().await?;
            let begun = packet.header().event_type_raw() == kind::FORMAT_DESCRIPTION;
            self.accept(packet)?;
            if begun {
                return Ok(());
            }
        }
    }

    async fn read(&mut self) -> Result<Packet, StreamError> {
        // The driver fails by panicking on an event that is cut off.
        let next = AssertUnwindSafe(self.stream.next()).catch_unwind();
        match tokio::time::timeout(self.limit, next).await {
            Ok(Ok(Some(Ok(packet)))) => Ok(packet),
            Ok(Ok(Some(Err(error)))) => Err(failed(&self.rescue, &error, self.follower.at())),
            // The server says goodbye so when it is shut down; a stream that waits has no end of its own.
            Ok(Ok(None)) => Err(self.lost("the server ended the stream".into())),
            Ok(Err(_)) => Err(self.undecodable(&DecodeError::Length("an event"))),
            Err(_) => Err(self.lost(format!("nothing came within {:?}", self.limit))),
        }
    }

    fn accept(&mut self, packet: Packet) -> Result<(), StreamError> {
        self.follower.accept(&event(&packet)).map_err(|error| self.undecodable(&error))?;
        self.event = Some(packet);
        Ok(())
    }

    async fn advance(&mut self) -> Result<Change, StreamError> {
        loop {
            if let Some(packet) = &self.event {
                match self.follower.next(packet.data()) {
                    Ok(Some(change)) => return Ok(change),
                    Ok(None) => self.event = None,
                    Err(error) => return Err(self.undecodable(&error)),
                }
            }
            let packet = self.read().await?;
            self.accept(packet)?;
        }
    }

    fn lost(&self, what: String) -> StreamError {
        StreamError::Lost { node: self.rescue.node().into(), what }
    }

    fn undecodable(&self, error: &DecodeError) -> StreamError {
        let (node, what) = (self.rescue.node().to_owned(), error.to_string());
        match error {
            DecodeError::Gap { .. } | DecodeError::OtherBinlog { .. } => {
                StreamError::Purged { node, at: Box::new(self.follower.at().clone()), what }
            }
            DecodeError::Length(_)
            | DecodeError::Checksum
            | DecodeError::UnknownEvent(_)
            | DecodeError::Incident
            | DecodeError::NoTable(_)
            | DecodeError::Shape(_)
            | DecodeError::Image(_)
            | DecodeError::Value { .. }
            | DecodeError::Compressed(_)
            | DecodeError::Order(_) => {
                let (file, offset) = (self.follower.at().file.clone(), self.follower.offset());
                StreamError::Undecodable { node, file, offset, what }
            }
        }
    }
}

#[async_trait::async_trait]
impl ChangeSource for BinlogSource {
    async fn next(&mut self) -> Result<Change, StreamError> {
        if let Some(error) = &self.over {
            return Err(error.clone());
        }
        let change = self.advance().await;
        if let Err(error) = &change {
            self.over = Some(error.clone());
        }
        change
    }
}

impl Drop for BinlogSource {
    /// The server would notice only when it next has something to send.
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (rescue, entered) = (Arc::clone(&self.rescue), self.under_way.enter());
            runtime.spawn(async move {
                let _entered = entered;
                let fate = rescue.end().await;
                tracing::debug!(node = rescue.node(), id = rescue.id(), %fate, "closed a binlog stream");
            });
        }
    }
}

/// The event as the decoder takes it.
fn event(packet: &Packet) -> Event<'_> {
    let header = packet.header();
    let footer = packet.footer();
    let algorithm = footer.get_checksum_alg().ok().flatten().map_or(0, |algorithm| algorithm as u8);
    let crc = packet.checksum().filter(|_| algorithm == CRC32 && footer.get_checksum_enabled());
    let format = header.event_type_raw() == kind::FORMAT_DESCRIPTION;
    Event {
        timestamp: header.timestamp(),
        kind: header.event_type_raw(),
        server_id: header.server_id(),
        size: header.event_size(),
        end: header.log_pos(),
        flags: header.flags_raw(),
        body: packet.data(),
        checksum: crc.map(|crc| Checksum { crc, algorithm: format.then_some(algorithm) }),
    }
}

/// What an error of the driver means for a stream.
fn failed(rescue: &Rescue, error: &mysql_async::Error, at: &Position) -> StreamError {
    let (node, what) = (rescue.node().to_owned(), words(error));
    match error {
        mysql_async::Error::Server(server) => refused(node, server.code, what, at),
        mysql_async::Error::Io(_)
        | mysql_async::Error::Driver(_)
        | mysql_async::Error::Other(_)
        | mysql_async::Error::Url(_) => StreamError::Lost { node, what: format!("the connection broke: {what}") },
    }
}

/// What the server's own error means.
fn refused(node: String, code: u16, what: String, at: &Position) -> StreamError {
    let what = format!("{what} ({code})");
    let same = code == SAME_ID || (code == FATAL_READ && what.contains("same server_uuid/server_id"));
    match code {
        _ if same => StreamError::Lost { node, what },
        FATAL_READ => StreamError::Purged { node, at: Box::new(at.clone()), what },
        // Without a privilege, without a binlog, and what else will not pass by itself.
        1044 | 1045 | 1142 | 1227 | 1381 => StreamError::Refused { node, what },
        _ => StreamError::Lost { node, what },
    }
}
