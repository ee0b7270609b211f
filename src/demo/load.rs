//! The table that the demo changes.

use std::time::Duration;

use driftless_strategies::TableName;
use driftless_strategies::name::NameError;

use super::error::{DemoError, sql as failed};
use crate::ports::server::Server;
use crate::sql;

/// Loaded ids are multiples of it, so that writers find room for new rows everywhere in the key's range.
pub const STRIDE: u64 = 4;
const DEADLINE: Duration = Duration::from_secs(60);

/// A table that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its name.
    pub table: TableName,
    /// Its rows.
    pub rows: u64,
}

impl Loaded {
    /// The greatest id.
    #[must_use]
    pub const fn last_id(&self) -> u64 {
        self.rows * STRIDE
    }
}

/// `shop.orders`.
///
/// # Errors
/// None in fact; the name is legal.
pub fn orders() -> Result<TableName, NameError> {
    TableName::parse("shop.orders")
}

/// Makes the schema if need be, the table, and its rows. About a second for each 100 000. Other nodes may still be
/// applying them; writers wait for that.
///
/// # Errors
/// `Sql`, also when the table is there already.
pub async fn load(server: &dyn Server, table: &TableName, rows: u64) -> Result<Loaded, DemoError> {
    let mut session = server.connect().await.map_err(failed("connect"))?;
    session.set_deadline(DEADLINE);
    session.execute(&sql::demo::create_schema(table)).await.map_err(failed("make the demo's schema"))?;
    session.execute(&sql::demo::create_table(table)).await.map_err(failed("make the demo's table"))?;
    let mut from = 1;
    while from <= rows {
        // More rows in a statement would only make one long pause for the appliers.
        let to = rows.min(from + sql::demo::LOADED_AT_ONCE - 1);
        let load = sql::demo::load(table, from, to, STRIDE);
        session.execute(&load).await.map_err(failed("load the demo's table"))?;
        from = to + 1;
    }
    Ok(Loaded { table: table.clone(), rows })
}
