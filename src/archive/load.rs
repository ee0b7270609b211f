//! Rows of a proven file back into a table.
//!
//! Batch by batch, each in one transaction: rows that are there already, with every value the same, are left; rows that are
//! not are inserted, read back and compared before the commit. So it may be broken off and begun again at any time.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use driftless_strategies::column_type::ColumnType;
use driftless_strategies::shape::{Key, KeyKind};
use driftless_strategies::{Column, Ident, TableName, TableShape};

use super::dump::needs_lax;
use super::error::ArchiveError;
use super::field::Field;
use super::files::Files;
use super::rows;
use super::verify::{Reader, verify};
use crate::error::Fault;
use crate::ports::server::{ErrorKind, Row, Server, ServerError, Session};
use crate::sql::{Sql, archive as sql};

/// Most bytes of rows in one INSERT; a row that is longer stands alone.
const STATEMENT_BYTES: usize = 512 * 1024;

/// Most rows that one statement reads by their keys.
const ROWS: usize = 500;

/// How often a batch is tried when it meets a conflict or loses its connection.
const TRIES: u32 = 10;

/// What was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Rows that were inserted.
    pub inserted: u64,
    /// Rows that were there already.
    pub present: u64,
}

/// Where rows go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The table, as the server names it.
    pub table: TableName,
    /// Its shape.
    pub shape: TableShape,
}

/// Proves a file and loads it.
///
/// # Errors
/// `Damaged`: nothing was loaded. `Target`: the table does not fit, or has other rows under the same keys. `Server`: what was
/// loaded before stays, and the same call goes on.
pub async fn load(
    files: Arc<dyn Files>,
    path: PathBuf,
    server: &dyn Server,
    target: &Target,
) -> Result<Loaded, ArchiveError> {
    let (proving, file) = (Arc::clone(&files), path.clone());
    blocking(move || verify(proving.as_ref(), &file)).await?;
    let mut reader = blocking(move || Reader::open(files.as_ref(), &path)).await?;
    let fields = reader.layout().fields.clone();
    let loader = Loader { target, key: fit(&fields, target)?, fields };
    let mut session = None;
    let mut loaded = Loaded::default();
    loop {
        let (back, next) = blocking(move || reader.next().map(|next| (reader, next))).await?;
        reader = back;
        let Some((_, rows)) = next else { return Ok(loaded) };
        let batch = loader.batch(server, &mut session, &rows).await?;
        loaded.inserted += batch.inserted;
        loaded.present += batch.present;
    }
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    let failed = |error: tokio::task::JoinError| {
        ArchiveError::Server(Fault::Failed(format!("BUG: reading the file ended: {error}; run again")))
    };
    tokio::task::spawn_blocking(act).await.map_err(failed)?
}

/// The columns of the key that rows are found by; an error when the table does not take the file's rows as they are.
fn fit(fields: &[Field], target: &Target) -> Result<Vec<Ident>, ArchiveError> {
    let refuse = |why: String| Err(ArchiveError::Target { table: target.table.to_string(), why });
    for field in fields {
        let column = &field.column;
        let Some(other) = target.shape.column(&column.name) else {
            return refuse(format!(
                "it has no column {}; load into a table like the one that was archived",
                column.name
            ));
        };
        let charset = |column: &Column| {
            column.charset.as_deref().map(|name| if name == "utf8" { "utf8mb3" } else { name }.to_owned())
        };
        let same = ColumnType::of(other) == field.kind
            && charset(other) == charset(column)
            && other.generated.is_some() == column.generated.is_some();
        if !same {
            let words = |column: &Column| format!("{} {}", column.column_type, column.charset.as_deref().unwrap_or(""));
            let (has, wants) = (words(other), words(column));
            return refuse(format!(
                "column {} is {}, the file has {}; load into a table like the one that was archived",
                column.name,
                has.trim_end(),
                wants.trim_end()
            ));
        }
    }
    let missing = |column: &&Column| {
        column.generated.is_none() && !fields.iter().any(|field| field.column.name.same(&column.name))
    };
    if let Some(column) = target.shape.columns.iter().find(missing) {
        return refuse(format!(
            "the file has no column {}; load into a table like the one that was archived",
            column.name
        ));
    }
    if let Some(trigger) = target.shape.triggers.iter().find(|trigger| trigger.event.eq_ignore_ascii_case("insert")) {
        return refuse(format!(
            "its trigger {} would fire for each row; drop it for the time of the load",
            trigger.name
        ));
    }
    match target.shape.keys.iter().filter_map(|key| usable(key, target)).next() {
        Some(key) => Ok(key),
        None => refuse("it has no primary key and no unique key without NULLs, so rows that are there already can't be found; add one".into()),
    }
}

/// The columns of a key that finds each row: all of them whole and never NULL.
fn usable(key: &Key, target: &Target) -> Option<Vec<Ident>> {
    if !matches!(key.kind, KeyKind::Primary | KeyKind::Unique) {
        return None;
    }
    let column = |part: &driftless_strategies::shape::KeyPart| {
        let name = part.column.as_ref().filter(|_| part.prefix.is_none())?;
        let column = target.shape.column(name)?;
        (!column.nullable && column.generated.is_none()).then(|| column.name.clone())
    };
    key.parts.iter().map(column).collect()
}

struct Loader<'a> {
    target: &'a Target,
    fields: Vec<Field>,
    key: Vec<Ident>,
}

impl Loader<'_> {
    /// One batch, retried whole.
    async fn batch(
        &self,
        server: &dyn Server,
        session: &mut Option<Box<dyn Session>>,
        rows: &[Row],
    ) -> Result<Loaded, ArchiveError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.attempt(server, session, rows).await {
                Ok(loaded) => return Ok(loaded),
                Err(Failure::Archive(error)) => return Err(error),
                Err(Failure::Server(error)) => error,
            };
            // A new connection has no transaction, and whether a lost COMMIT came through the rows themselves say.
            *session = None;
            let again =
                matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Lost | ErrorKind::Connect);
            if !again || tries >= TRIES {
                return Err(ArchiveError::Server(error.into()));
            }
            tokio::time::sleep(std::time::Duration::from_millis(100 * u64::from(tries))).await;
        }
    }

    async fn attempt(
        &self,
        server: &dyn Server,
        kept: &mut Option<Box<dyn Session>>,
        rows: &[Row],
    ) -> Result<Loaded, Failure> {
        let session = match kept {
            Some(session) => session,
            None => {
                let mut fresh = server.connect().await?;
                fresh.execute(&sql::strict()).await?;
                kept.insert(fresh)
            }
        };
        session.execute(&sql::begin()).await?;
        let there = self.present(session.as_mut(), rows).await?;
        let mut missing = Vec::new();
        for row in rows {
            if !there.contains(&self.plain(row)?) {
                missing.push(row);
            }
        }
        self.insert(session.as_mut(), &missing).await?;
        if !missing.is_empty() {
            let now = self.present(session.as_mut(), rows).await?;
            for row in rows {
                if !now.contains(&self.plain(row)?) {
                    return Err(
                        self.refuse(row, "reads otherwise than it was written; nothing of its batch was loaded")
                    );
                }
            }
        }
        session.execute(&sql::commit()).await?;
        let inserted = u64::try_from(missing.len()).unwrap_or(0);
        Ok(Loaded { inserted, present: u64::try_from(rows.len()).unwrap_or(0).saturating_sub(inserted) })
    }

    /// The rows of the batch that the table has, in the form of `rows`; an error when it has others under their keys.
    async fn present(&self, session: &mut dyn Session, rows: &[Row]) -> Result<HashSet<Vec<u8>>, Failure> {
        let wanted = rows.iter().map(|row| self.plain(row)).collect::<Result<HashSet<_>, _>>()?;
        let columns: Vec<&Column> = self.fields.iter().map(|field| &field.column).collect();
        let key: Vec<&Ident> = self.key.iter().collect();
        let mut found = HashSet::new();
        for part in rows.chunks(ROWS) {
            let keys = part.iter().map(|row| self.key_of(row)).collect::<Result<Vec<_>, _>>()?;
            for row in session.query(&sql::rows_by_key(&self.target.table, &columns, &key, &keys)).await? {
                let plain = self.plain(&row)?;
                if !wanted.contains(&plain) {
                    return Err(self.refuse(&row, "is in the table already, with other values; move it away first"));
                }
                found.insert(plain);
            }
        }
        Ok(found)
    }

    async fn insert(&self, session: &mut dyn Session, rows: &[&Row]) -> Result<(), Failure> {
        let fields: Vec<&Field> = self.fields.iter().filter(|field| field.column.generated.is_none()).collect();
        let columns: Vec<&Column> = fields.iter().map(|field| &field.column).collect();
        let head = sql::insert(&self.target.table, &columns);
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let lax = needs_lax(&self.fields, first);
            let mut tuples = Vec::new();
            let mut bytes = 0;
            for row in rest {
                if bytes > STATEMENT_BYTES || needs_lax(&self.fields, row) != lax {
                    break;
                }
                let tuple = self.tuple(row)?;
                bytes += tuple.as_str().len();
                tuples.push(tuple);
            }
            rest = rest.get(tuples.len()..).unwrap_or_default();
            let statement = head.clone().join(",\n", tuples);
            if lax {
                session.execute(&sql::lax()).await?;
            }
            session.execute(&statement).await?;
            if lax {
                session.execute(&sql::strict()).await?;
            }
        }
        Ok(())
    }

    fn tuple(&self, row: &Row) -> Result<Sql, Failure> {
        let mut values = Vec::new();
        for (field, value) in self.fields.iter().zip(&row.0).filter(|(field, _)| field.column.generated.is_none()) {
            values.push(literal(field, value.as_deref())?);
        }
        Ok(Sql::new("(").join(",", values).text(")"))
    }

    fn key_of(&self, row: &Row) -> Result<Vec<Sql>, Failure> {
        let value = |name: &Ident| {
            let place = self.fields.iter().position(|field| field.column.name.same(name));
            let field = place.and_then(|place| Some((self.fields.get(place)?, row.bytes(place)?)));
            let (field, value) = field.ok_or_else(|| self.refuse(row, "has no key"))?;
            literal(field, Some(value))
        };
        self.key.iter().map(value).collect()
    }

    fn plain(&self, row: &Row) -> Result<Vec<u8>, Failure> {
        Ok(rows::encode(&self.fields, std::slice::from_ref(row))?)
    }

    fn refuse(&self, row: &Row, why: &str) -> Failure {
        let shown = |name: &Ident| {
            let place = self.fields.iter().position(|field| field.column.name.same(name))?;
            row.text(place)
        };
        let key: Vec<String> = self.key.iter().map(|name| shown(name).unwrap_or_default()).collect();
        let why = format!("the row {} {why}", key.join(", "));
        Failure::Archive(ArchiveError::Target { table: self.target.table.to_string(), why })
    }
}

fn literal(field: &Field, value: Option<&[u8]>) -> Result<Sql, Failure> {
    let literal = sql::literal(&field.kind, field.column.charset.as_deref(), value);
    let odd = || ArchiveError::value(&field.column.name, format!("it is no value of {}", field.column.column_type));
    literal.ok_or_else(|| Failure::Archive(odd()))
}

/// How a batch failed.
enum Failure {
    /// The server, perhaps for a moment.
    Server(ServerError),
    /// For good.
    Archive(ArchiveError),
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}
