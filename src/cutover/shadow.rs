//! The shadow: like the source, altered while empty, with the source's foreign keys and counter.

use std::sync::Arc;

use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use super::objects::Site;
use super::ordered;
use crate::error::Fault;
use crate::ports::server::{ErrorKind, Server, Session};
use crate::sql::{Sql, copy, ddl};

/// Makes the shadow anew. Whatever stands under its name is this job's own: the plan refuses when the name is taken.
pub(super) async fn make(site: &Site, server: &Arc<dyn Server>) -> Result<(), Fault> {
    let mut session = ordered::connect(server, site.lock_wait).await?;
    session.execute(&copy::writing_mode(&site.spec)).await?;
    ordered::run(session.as_mut(), &site.by_holder(&ddl::drop_table(&site.spec.shadow))).await?;
    ordered::run(session.as_mut(), &ddl::create_shadow(&site.spec)).await?;
    if !site.alter.is_empty() {
        altered(session.as_mut(), &ddl::alter_shadow(&site.spec, &site.alter)).await?;
    }
    if !site.foreign_keys.is_empty() {
        altered(session.as_mut(), &ddl::add_foreign_keys(&site.spec, &site.foreign_keys, site.flavour)).await?;
    }
    carry_counter(site, session.as_mut()).await
}

/// Tries what triggers and chunks will do, before a trigger does it to an application. MariaDB, for one, has no upsert for
/// keys `WITHOUT OVERLAPS` (1235), and its catalog does not tell them.
pub(super) async fn rehearse(site: &Site, session: &mut dyn Session) -> Result<(), Fault> {
    altered(session, &copy::copy_nothing(&site.spec)).await
}

/// The server's no to an alter is a refusal with its own words.
async fn altered(session: &mut dyn Session, sql: &Sql) -> Result<(), Fault> {
    match session.execute(sql).await {
        Ok(_) => Ok(()),
        Err(error) => match error.kind {
            ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Connect => Err(Fault::Busy(error.to_string())),
            ErrorKind::Lost => Err(Fault::Lost(error.to_string())),
            ErrorKind::Full => Err(error.into()),
            ErrorKind::Denied | ErrorKind::Duplicate | ErrorKind::Data | ErrorKind::Missing | ErrorKind::Other => {
                Err(Fault::Refused(Box::new(Reason::new(
                    ReasonCode::AlterRejected,
                    format!("the server rejects the change: {error}"),
                    "correct the ALTER; nothing was changed",
                ))))
            }
        },
    }
}

/// Values that were given out and deleted again must not be given out a second time.
async fn carry_counter(site: &Site, session: &mut dyn Session) -> Result<(), Fault> {
    let counter = |rows: Vec<crate::ports::server::Row>| rows.first().and_then(|row| row.u64(0));
    let source = counter(ordered::catalog(session, &ddl::auto_increment(&site.spec.source)).await?);
    let shadow = counter(ordered::catalog(session, &ddl::auto_increment(&site.spec.shadow)).await?);
    match (source, shadow) {
        (Some(source), Some(shadow)) if source > shadow => {
            ordered::run(session, &ddl::set_auto_increment(&site.spec.shadow, source)).await
        }
        _ => Ok(()),
    }
}
