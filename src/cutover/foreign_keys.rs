//! Foreign keys of the table itself keep their names.
//!
//! A constraint's name is unique in its schema, so the shadow's has an interim one. After the switch the retired
//! table's is dropped and the new table's renamed: both are metadata only while `foreign_key_checks` is off.

use std::sync::Arc;

use driftless_strategies::plan::ForeignKeyStep;

use super::objects::Site;
use super::ordered;
use crate::error::Fault;
use crate::ports::server::{Server, Session};
use crate::sql::ddl;

/// Gives the names back; does nothing for those that have them already.
pub(super) async fn restore(site: &Site, server: &Arc<dyn Server>) -> Result<(), Fault> {
    if site.foreign_keys.is_empty() {
        return Ok(());
    }
    let mut session = ordered::connect(server, site.lock_wait).await?;
    let retired = names(session.as_mut(), &site.spec.retired).await?;
    let on_retired: Vec<ForeignKeyStep> =
        site.renamed_keys.iter().filter(|step| retired.contains(&step.name.as_str().to_lowercase())).cloned().collect();
    if !on_retired.is_empty() {
        ordered::run(session.as_mut(), &ddl::drop_foreign_keys(&site.spec.retired, &on_retired)).await?;
    }
    let there = names(session.as_mut(), &site.spec.source).await?;
    let interim: Vec<ForeignKeyStep> = site
        .renamed_keys
        .iter()
        .filter(|step| there.contains(&step.interim.as_str().to_lowercase()))
        .cloned()
        .collect();
    if interim.is_empty() {
        return Ok(());
    }
    session.execute(&ddl::foreign_key_checks(false)).await?;
    ordered::run(session.as_mut(), &ddl::rename_foreign_keys(&site.spec.source, &interim, site.flavour)).await
}

async fn names(session: &mut dyn Session, table: &driftless_strategies::TableName) -> Result<Vec<String>, Fault> {
    let rows = ordered::catalog(session, &ddl::foreign_key_names(table)).await?;
    Ok(rows.iter().filter_map(|row| row.text(0)).map(|name| name.to_lowercase()).collect())
}
