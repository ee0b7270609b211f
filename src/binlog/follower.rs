//! Events to changes: knows where transactions begin and end.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::bytes::Bytes;
use super::error::DecodeError;
use super::event::{Event, kind};
use super::gtid::{Number, Numbers};
use super::header;
use super::image;
use super::inflate;
use super::layout::{self, Layout};
use super::rows::{self, RowsHead};
use super::statement::{self, Role};
use super::watch::Watch;
use crate::ports::changes::{Change, Position};

/// Memory for unpacked events that is kept for the next one, bytes.
const KEPT: usize = 1 << 20;

/// Where the first event of a file begins.
const FIRST: u64 = 4;

/// Follows a binlog from a place between two transactions.
///
/// Hand each event to `accept`, then call `next` with the same body until it has nothing more.
#[derive(Debug)]
pub struct Follower {
    watch: Watch,
    /// The last place between two transactions.
    at: Position,
    /// Where the last event ended.
    offset: u64,
    /// Events that end up to here are passed over.
    from: u64,
    numbers: Option<Numbers>,
    /// The transaction under way.
    number: Option<Number>,
    group: Group,
    /// Bytes of a compressed transaction that are still to come, unpacked.
    payload: u64,
    tables: HashMap<u64, Option<Arc<Layout>>>,
    /// The watched table's layout, with the bytes that it was read from.
    known: Option<(Vec<u8>, Arc<Layout>)>,
    rows: Option<Rows>,
    unpacked: Vec<u8>,
    ready: VecDeque<Change>,
}

/// Whether a transaction is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// None is.
    Outside,
    /// One has a number; the next statement says whether it is more than that statement.
    Numbered,
    /// It is one statement.
    Single,
    /// It lasts until COMMIT.
    Open,
}

/// Rows that are being read.
#[derive(Debug)]
struct Rows {
    head: RowsHead,
    layout: Arc<Layout>,
    done: usize,
}

impl Follower {
    /// Begins at `from`. When the events come from the beginning of the file, those before `from` are passed over.
    #[must_use]
    pub fn new(watch: Watch, from: &Position, first: u64) -> Self {
        Self {
            watch,
            at: from.clone(),
            offset: first,
            from: from.offset,
            numbers: from.gtid.as_deref().and_then(Numbers::parse),
            number: None,
            group: Group::Outside,
            payload: 0,
            tables: HashMap::new(),
            known: None,
            rows: None,
            unpacked: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// Where the stream is: the last place between two transactions, after which it can go on.
    #[must_use]
    pub const fn at(&self) -> &Position {
        &self.at
    }

    /// The end of the last event, for messages.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// Whatever speaks against it; nothing may be handed in afterwards.
    pub fn accept(&mut self, event: &Event<'_>) -> Result<(), DecodeError> {
        event.verify()?;
        let passing = self.offset < self.from;
        self.count(event)?;
        match event.kind {
            kind::FORMAT_DESCRIPTION => return self.begin_file(event),
            kind::ROTATE => return self.rotate(event),
            _ if passing => return Ok(()),
            _ => {}
        }
        match event.kind {
            kind::TABLE_MAP => self.table(event.body),
            _ if rows::has_rows(event) => self.begin_rows(event),
            kind::QUERY | kind::QUERY_COMPRESSED | kind::EXECUTE_LOAD_QUERY => self.query(event),
            kind::XID => {
                let xid = header::xid(event.body)?;
                self.commit(Some(xid));
                Ok(())
            }
            kind::XA_PREPARE => {
                self.commit(None);
                Ok(())
            }
            kind::MARIADB_GTID | kind::GTID | kind::ANONYMOUS_GTID | kind::GTID_TAGGED => self.begin(event),
            kind::TRANSACTION_PAYLOAD => {
                self.payload = header::payload_size(event.body)?;
                Ok(())
            }
            kind::INCIDENT => Err(DecodeError::Incident),
            kind::STOP
            | kind::PREVIOUS_GTIDS
            | kind::VIEW_CHANGE
            | kind::HEARTBEAT
            | kind::HEARTBEAT_V2
            | kind::BINLOG_CHECKPOINT
            | kind::GTID_LIST
            | kind::START_ENCRYPTION => {
                self.idle();
                Ok(())
            }
            kind::INTVAR
            | kind::RAND
            | kind::USER_VAR
            | kind::APPEND_BLOCK
            | kind::BEGIN_LOAD_QUERY
            | kind::TRANSACTION_CONTEXT
            | kind::ANNOTATE_ROWS => Ok(()),
            _ if event.ignorable() => Ok(()),
            other => Err(DecodeError::UnknownEvent(other)),
        }
    }

    /// The next change of the event that was accepted last, whose body is handed in again; `None` when it has no more.
    ///
    /// # Errors
    /// As `accept`.
    pub fn next(&mut self, body: &[u8]) -> Result<Option<Change>, DecodeError> {
        if let Some(change) = self.ready.pop_front() {
            return Ok(Some(change));
        }
        let Some(rows) = &mut self.rows else { return Ok(None) };
        let data = if rows.head.compressed { &self.unpacked } else { body.get(rows.head.start..).unwrap_or_default() };
        let mut bytes = Bytes::new(data.get(rows.done..).unwrap_or_default(), "a row");
        let left = bytes.len();
        if left == 0 {
            self.end_rows();
            return Ok(None);
        }
        let pair = image::keys(&self.watch, &rows.layout, &rows.head, &mut bytes)?;
        let used = left - bytes.len();
        if used == 0 {
            return Err(DecodeError::Length("a row"));
        }
        rows.done += used;
        let bytes = u64::try_from(used).unwrap_or(u64::MAX);
        Ok(Some(Change::Row { before: pair.before, after: pair.after, bytes }))
    }

    /// Keeps the place in the file, of which an event has 32 bits only.
    fn count(&mut self, event: &Event<'_>) -> Result<(), DecodeError> {
        if self.payload > 0 {
            self.payload = self.payload.checked_sub(u64::from(event.size)).ok_or(DecodeError::Order(INNER))?;
            let legal = matches!(event.kind, kind::QUERY | kind::TABLE_MAP | kind::XID | kind::XA_PREPARE)
                || matches!(event.kind, kind::INTVAR | kind::RAND | kind::USER_VAR)
                || rows::has_rows(event)
                || event.ignorable();
            return if legal { Ok(()) } else { Err(DecodeError::Order(INNER)) };
        }
        // A format description is sent again to whoever begins in the middle of a file.
        if event.artificial() || matches!(event.kind, kind::HEARTBEAT | kind::HEARTBEAT_V2) {
            return Ok(());
        }
        if event.kind == kind::FORMAT_DESCRIPTION && self.offset > FIRST {
            return Ok(());
        }
        let (low, high) = (u64::from(event.end), self.offset >> 32 << 32);
        let end = if high + low < self.offset { high + low + (1 << 32) } else { high + low };
        if self.offset < self.from && end > self.from && event.kind != kind::FORMAT_DESCRIPTION {
            return Err(DecodeError::Order("the place to begin at is in the middle of an event"));
        }
        self.offset = end;
        Ok(())
    }

    fn begin_file(&mut self, event: &Event<'_>) -> Result<(), DecodeError> {
        header::check_format(event.body)?;
        match self.at.began {
            Some(began) if began != event.timestamp => {
                return Err(DecodeError::OtherBinlog { file: self.at.file.clone() });
            }
            Some(_) | None => self.at.began = Some(event.timestamp),
        }
        if self.group == Group::Outside {
            self.at.offset = self.at.offset.max(self.offset);
        }
        Ok(())
    }

    /// A real one ends a file; one that is made for the connection names the file that follows.
    fn rotate(&mut self, event: &Event<'_>) -> Result<(), DecodeError> {
        let (file, offset) = header::rotate(event)?;
        if file == self.at.file {
            return Ok(());
        }
        let next = Position { file: file.clone(), ..self.at.clone() };
        let follows = self.at.number().and_then(|number| number.checked_add(1)) == next.number();
        if !follows || offset != FIRST {
            return Err(DecodeError::Gap { expected: format!("the file after {}", self.at.file), found: file });
        }
        // A transaction that a crash cut off never came to be.
        self.forget();
        self.number = None;
        self.group = Group::Outside;
        self.payload = 0;
        self.offset = FIRST;
        self.from = 0;
        self.at = Position { offset: FIRST, began: None, ..next };
        self.ready.push_back(Change::Idle { at: self.at.clone() });
        Ok(())
    }

    fn begin(&mut self, event: &Event<'_>) -> Result<(), DecodeError> {
        if self.group != Group::Outside {
            return Err(DecodeError::Order("a transaction begins within another"));
        }
        self.group = Group::Numbered;
        self.number = match event.kind {
            kind::MARIADB_GTID => {
                let gtid = header::mariadb_gtid(event.body)?;
                self.group = if gtid.standalone { Group::Single } else { Group::Open };
                Some(Number::MariaDb { domain: gtid.domain, server: event.server_id, sequence: gtid.sequence })
            }
            kind::GTID => {
                let (source, number) = header::mysql_gtid(event.body)?;
                Some(Number::MySql { source, number })
            }
            kind::GTID_TAGGED => {
                // Its number is not read, so from here on the set is not known.
                self.numbers = None;
                None
            }
            _ => None,
        };
        Ok(())
    }

    fn query(&mut self, event: &Event<'_>) -> Result<(), DecodeError> {
        let mut unpacked = std::mem::take(&mut self.unpacked);
        let done = header::query(event, &mut unpacked).map(|query| self.statement(event.kind, &query));
        self.unpacked = unpacked;
        self.trim();
        done
    }

    fn statement(&mut self, kind: u8, query: &header::Query<'_>) {
        let role = if kind == kind::EXECUTE_LOAD_QUERY { Role::Other } else { statement::role(query.statement) };
        match role {
            Role::Opens => self.group = Group::Open,
            Role::Ends => self.commit(None),
            Role::Within => {}
            Role::Other => {
                if statement::concerns(&self.watch, query.schema, query.statement) {
                    self.ready.push_back(Change::Ddl {
                        schema: String::from_utf8_lossy(query.schema).into_owned(),
                        statement: query.statement.to_vec(),
                        at: Position { offset: self.offset, ..self.at.clone() },
                    });
                }
                if self.group != Group::Open {
                    self.commit(None);
                }
            }
        }
    }

    fn commit(&mut self, xid: Option<u64>) {
        if let (Some(numbers), Some(number)) = (&mut self.numbers, self.number.take()) {
            numbers.add(number);
        }
        self.number = None;
        self.at.offset = self.offset;
        self.at.gtid = self.numbers.as_ref().map(ToString::to_string);
        self.at.xid = xid.or(self.at.xid);
        self.group = Group::Outside;
        self.forget();
        self.ready.push_back(Change::Committed { at: self.at.clone() });
    }

    fn idle(&mut self) {
        if self.group == Group::Outside {
            self.at.offset = self.offset;
        }
        self.ready.push_back(Change::Idle { at: self.at.clone() });
    }

    /// Table ids mean nothing beyond a statement.
    fn forget(&mut self) {
        self.tables.clear();
        self.rows = None;
    }

    fn table(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let named = layout::named(body)?;
        let layout = if self.watch.is(named.schema, named.table) { Some(self.layout(named.columns)?) } else { None };
        self.tables.insert(named.id, layout);
        if self.group == Group::Outside {
            self.group = Group::Open;
        }
        Ok(())
    }

    fn layout(&mut self, columns: &[u8]) -> Result<Arc<Layout>, DecodeError> {
        if let Some((bytes, layout)) = &self.known
            && bytes == columns
        {
            return Ok(Arc::clone(layout));
        }
        let layout = Layout::read(columns)?;
        self.watch.check(&layout)?;
        let layout = Arc::new(layout);
        self.known = Some((columns.to_vec(), Arc::clone(&layout)));
        Ok(layout)
    }

    fn begin_rows(&mut self, event: &Event<'_>) -> Result<(), DecodeError> {
        let (id, ends) = rows::table(event.body)?;
        let Some(id) = id else { return Ok(()) };
        let Some(layout) = self.tables.get(&id).ok_or(DecodeError::NoTable(id))? else {
            if ends {
                self.forget();
            }
            return Ok(());
        };
        let (layout, head) = (Arc::clone(layout), rows::head(event)?);
        if head.width != layout.width() {
            return Err(DecodeError::Length("a rows event"));
        }
        if head.compressed {
            inflate::event(event.body.get(head.start..).unwrap_or_default(), &mut self.unpacked)?;
        }
        self.rows = Some(Rows { head, layout, done: 0 });
        Ok(())
    }

    fn end_rows(&mut self) {
        if self.rows.take().is_some_and(|rows| rows.head.ends_statement) {
            self.forget();
        }
        self.trim();
    }

    fn trim(&mut self) {
        if self.unpacked.capacity() > KEPT {
            self.unpacked = Vec::new();
        }
    }
}

const INNER: &str = "a compressed transaction holds something else than it says";
