//! The `Objects` port over real servers.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::plan::{CopySpec, ForeignKeyStep};
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Flavour, Reason, TableName, TableShape};
use futures_util::future::join_all;

use super::{foreign_keys, ordered, shadow};
use crate::error::Fault;
use crate::ports::journal::JobId;
use crate::ports::objects::{Generation, Keep, Objects, Standing};
use crate::ports::server::{ErrorKind, Row, Server, Session};
use crate::sql::triggers::Change;
use crate::sql::{Sql, copy, ddl, innodb, triggers};

/// Looks at all nodes before a trigger that is not on each of them counts as failed.
const TRIGGER_LOOKS: u32 = 50;
/// In the server's words when it can't read a trigger.
const UNREADABLE: &str = "has an error in its body";
/// Between two looks.
const TRIGGER_PAUSE: Duration = Duration::from_millis(100);

/// Reads a table's shape from a session; `inspect` provides it.
#[async_trait::async_trait]
pub trait ShapeReader: Send + Sync {
    /// The table's shape on that server.
    ///
    /// # Errors
    /// As from the server; `Missing` when the table is not there.
    async fn shape(
        &self,
        server: &Arc<dyn Server>,
        table: &driftless_strategies::TableName,
    ) -> Result<TableShape, Fault>;
}

/// What the calls need.
pub struct Site {
    /// Every node, the copying one first.
    pub nodes: Vec<Arc<dyn Server>>,
    /// The job.
    pub job: JobId,
    /// The fencing token of the lease under which this works.
    pub token: u64,
    /// The copying node's family.
    pub flavour: Flavour,
    /// Names, columns, key.
    pub spec: Arc<CopySpec>,
    /// The clauses for the shadow.
    pub alter: String,
    /// Foreign keys to carry over.
    pub foreign_keys: Vec<ForeignKeyStep>,
    /// Foreign keys whose names must be given back after the switch.
    pub renamed_keys: Vec<ForeignKeyStep>,
    /// Longest wait for a metadata lock.
    pub lock_wait: Duration,
    /// Where shapes come from.
    pub shapes: Arc<dyn ShapeReader>,
}

impl Site {
    /// The statement, for the holder of the lease only.
    pub(super) fn by_holder(&self, statement: &Sql) -> Sql {
        ddl::by_holder(statement, &self.job, self.token, self.flavour)
    }
}

/// The job's tables and triggers.
pub struct TableObjects {
    site: Site,
}

impl TableObjects {
    /// Connects when asked.
    #[must_use]
    pub const fn new(site: Site) -> Self {
        Self { site }
    }

    pub(super) fn copying(&self) -> Result<&Arc<dyn Server>, Fault> {
        self.site.nodes.first().ok_or_else(|| Fault::Failed("failed to find a node to work on: none is known".into()))
    }

    async fn standing_on(&self, server: &Arc<dyn Server>) -> Result<Standing, Fault> {
        let mut session = server.connect().await?;
        let (spec, job) = (&self.site.spec, &self.site.job);
        let tables = ordered::catalog(session.as_mut(), &ddl::standing(spec)).await?;
        let has = |name: &TableName| tables.iter().any(|row| named(row, name.table.as_str()));
        let mut triggers = 0;
        // After the switch they stand on the retired table.
        for table in [&spec.source, &spec.retired] {
            triggers += ordered::catalog(session.as_mut(), &triggers::standing(table, job)).await?.len();
        }
        Ok(Standing {
            source: has(&spec.source),
            shadow: has(&spec.shadow),
            retired: has(&spec.retired),
            triggers: u8::try_from(triggers).unwrap_or(u8::MAX),
        })
    }

    /// What stands on each node, with its address.
    async fn everywhere(&self) -> Result<Vec<(Standing, &str)>, Fault> {
        let nodes = &self.site.nodes;
        let answers = join_all(nodes.iter().map(|server| self.standing_on(server))).await;
        let paired = nodes.iter().zip(answers).map(|(server, answer)| answer.map(|seen| (seen, server.address())));
        paired.collect()
    }

    pub(super) const fn site(&self) -> &Site {
        &self.site
    }

    async fn triggers_on(&self, server: &Arc<dyn Server>) -> Result<Vec<String>, Fault> {
        let mut session = server.connect().await?;
        let mut names = Vec::new();
        for table in [&self.site.spec.source, &self.site.spec.retired] {
            let rows = ordered::catalog(session.as_mut(), &triggers::standing(table, &self.site.job)).await?;
            names.extend(rows.iter().filter_map(|row| row.text(0)));
        }
        Ok(names)
    }

    async fn create_triggers(&self) -> Result<(), Fault> {
        let (spec, job) = (&self.site.spec, &self.site.job);
        self.quiet().await?;
        let mut session = ordered::connect(self.copying()?, self.site.lock_wait).await?;
        session.execute(&copy::writing_mode(spec)).await?;
        shadow::rehearse(&self.site, session.as_mut()).await?;
        let there = self.triggers_on(self.copying()?).await?;
        // Before the triggers: without the gate's row every conflict would fail in the application.
        session.execute(&crate::sql::journal::open_gate(job)).await?;
        for change in Change::ALL {
            if !there.contains(&triggers::trigger_name(job, change)) {
                ordered::run(session.as_mut(), &triggers::create_trigger(spec, job, change)).await?;
            }
        }
        Ok(())
    }

    /// Makes sure that triggers are only added to those that have kept the shadow in step on every node since it was empty;
    /// else drops them and makes the shadow anew.
    async fn begin_whole(&self) -> Result<(), Fault> {
        let first = self.triggers_on(self.copying()?).await?.len();
        let seen = self.with_triggers(first).await?;
        let alike = seen.iter().all(|(here, _)| usize::from(here.triggers) == first);
        let mut session = self.copying()?.connect().await?;
        let filled = !session.query(&ddl::any_row(&self.site.spec.shadow)).await?.is_empty();
        if alike && (first > 0 || !filled) {
            return Ok(());
        }
        self.drop_triggers().await?;
        shadow::make(&self.site, self.copying()?).await
    }

    /// Waits until every node has that many triggers; some nodes may still be applying them.
    pub(super) async fn with_triggers(&self, wanted: usize) -> Result<Vec<(Standing, &str)>, Fault> {
        let mut looks = 0;
        loop {
            let seen = self.everywhere().await?;
            looks += 1;
            if looks == TRIGGER_LOOKS || seen.iter().all(|(here, _)| usize::from(here.triggers) == wanted) {
                return Ok(seen);
            }
            tokio::time::sleep(TRIGGER_PAUSE).await;
        }
    }

    /// Drops the triggers. A node that lacks one does not pass the statement on, so what stays on another is dropped
    /// from there; only after all nodes have caught up, because two nodes that drop one trigger at the same time wait
    /// for each other for ever.
    pub(super) async fn drop_triggers(&self) -> Result<(), Fault> {
        let (spec, job) = (&self.site.spec, &self.site.job);
        self.quiet().await?;
        let mut from = self.copying()?;
        let mut nameless = false;
        for _ in 0..=2 * self.site.nodes.len() {
            if nameless {
                self.name_triggers(from).await?;
            }
            let mut session = ordered::connect(from, self.site.lock_wait).await?;
            for change in Change::ALL {
                let drop = self.site.by_holder(&triggers::drop_trigger(spec, job, change));
                if let Err(fault) = ordered::run(session.as_mut(), &drop).await {
                    return Err(self.read_triggers_anew(session.as_mut(), fault).await);
                }
            }
            let seen = self.with_triggers(0).await?;
            let Some(place) = seen.iter().position(|(here, _)| here.triggers > 0) else { return Ok(()) };
            let next = self.site.nodes.get(place).unwrap_or(from);
            nameless = Arc::ptr_eq(next, from);
            from = next;
        }
        Err(Fault::Busy(format!("triggers of the job stay on {}", from.address())))
    }

    /// MariaDB sometimes can't read a trigger that was made among writers (1064, once in some hundred CREATE TRIGGER on
    /// three busy nodes), and may keep that answer with the open table: it is closed there, and the caller tries again.
    async fn read_triggers_anew(&self, session: &mut dyn Session, fault: Fault) -> Fault {
        match fault {
            Fault::Failed(what) if what.contains(UNREADABLE) => {
                if let Err(error) = session.execute(&ddl::close_table(&self.site.spec.source)).await {
                    tracing::debug!(%error, "the table was not closed");
                }
                Fault::Busy(what)
            }
            Fault::Busy(_)
            | Fault::Lost(_)
            | Fault::Refused(_)
            | Fault::Rows { .. }
            | Fault::Full(_)
            | Fault::Failed(_) => fault,
        }
    }

    /// Gives triggers that fire but that DROP does not find their names back, by a RENAME of their table there and back.
    ///
    /// MariaDB keeps a table's triggers in one file (`.TRG`) and each trigger's name in another (`.TRN`); a name's file can
    /// be missing on a node after a CREATE was killed, or after triggers were dropped one by one among writers. CREATE OR REPLACE only adds a second trigger then, FLUSH TABLES does
    /// nothing; RENAME writes all names anew (our own test, 10.11).
    async fn name_triggers(&self, on: &Arc<dyn Server>) -> Result<(), Fault> {
        let spec = &self.site.spec;
        let seen = self.everywhere().await?;
        let free = |has: fn(&Standing) -> bool| seen.iter().all(|(here, _)| !has(here));
        let spare = match (free(|here| here.retired), free(|here| here.shadow)) {
            (true, _) => &spec.retired,
            (false, true) => &spec.shadow,
            (false, false) => return Ok(()),
        };
        let mut session = ordered::connect(on, self.site.lock_wait).await?;
        for table in [&spec.source, &spec.retired] {
            if !ordered::catalog(session.as_mut(), &triggers::standing(table, &self.site.job)).await?.is_empty() {
                let there_and_back = self.site.by_holder(&ddl::rename_there_and_back(table, spare));
                ordered::run(session.as_mut(), &there_and_back).await?;
            }
        }
        Ok(())
    }

    /// Fails while a node works on a DDL statement for the job's triggers or tables: one that a killed process has left.
    pub(super) async fn quiet(&self) -> Result<(), Fault> {
        let sql = triggers::under_way(&self.site.spec, &self.site.job);
        let one = async |server: &Arc<dyn Server>| -> Result<(), Fault> {
            if server.connect().await?.query(&sql).await?.is_empty() {
                return Ok(());
            }
            Err(Fault::Busy(format!("{} still works on triggers or tables of the job", server.address())))
        };
        join_all(self.site.nodes.iter().map(one)).await.into_iter().collect()
    }
}

/// Whether a row of `ddl::standing` is the table of that name.
fn named(row: &Row, name: &str) -> bool {
    let cases_differ = row.u64(1) == Some(0);
    row.text(0).is_some_and(|found| found == name || (!cases_differ && found.to_lowercase() == name.to_lowercase()))
}

#[async_trait::async_trait]
impl Objects for TableObjects {
    async fn standing(&self) -> Result<Standing, Fault> {
        self.quiet().await?;
        let seen = self.everywhere().await?;
        let Some((first, at)) = seen.first() else { return Ok(Standing::default()) };
        let tables = |standing: &Standing| Standing { triggers: 0, ..*standing };
        if let Some((here, other)) = seen.iter().find(|(here, _)| tables(here) != tables(first)) {
            return Err(Fault::Refused(Box::new(Reason::new(
                ReasonCode::SchemaDrift,
                format!("the job's tables differ between nodes: {at} has {first:?}, {other} has {here:?}"),
                "wait until all nodes are Synced and ask again; if it stays, compare the tables on each by hand",
            ))));
        }
        // A trigger that one node lacks is not there, but something is left to drop.
        let (least, most) = seen
            .iter()
            .fold((u8::MAX, 0), |(least, most), (here, _)| (least.min(here.triggers), most.max(here.triggers)));
        Ok(Standing { triggers: least.max(most.min(1)), ..*first })
    }

    async fn make_shadow(&self) -> Result<TableShape, Fault> {
        self.quiet().await?;
        shadow::make(&self.site, self.copying()?).await?;
        self.site.shapes.shape(self.copying()?, &self.site.spec.shadow).await
    }

    /// A server under load can fail to make a trigger on one node only, with nothing but a line in that node's log. So
    /// all nodes are asked, and when they differ triggers and shadow are made anew: nothing is copied yet.
    async fn make_triggers(&self) -> Result<(), Fault> {
        self.quiet().await?;
        self.begin_whole().await?;
        let made = self.create_triggers().await;
        if let Err(Fault::Busy(_) | Fault::Lost(_)) = made {
            return made;
        }
        let seen = self.with_triggers(Change::ALL.len()).await?;
        let Some((here, node)) = seen.iter().find(|(here, _)| usize::from(here.triggers) < Change::ALL.len()) else {
            return Ok(());
        };
        let told = format!("{node} has {} of {} triggers", here.triggers, Change::ALL.len());
        if seen.iter().all(|(other, _)| other.triggers == here.triggers) {
            // The same everywhere: the server means it.
            return made.and(Err(Fault::Busy(told)));
        }
        Err(Fault::Busy(format!("{told}, others have more: all are made anew")))
    }

    async fn analyze_shadow(&self) -> Result<(), Fault> {
        let one = async |server: &Arc<dyn Server>| -> Result<(), Fault> {
            let mut session = ordered::connect(server, self.site.lock_wait).await?;
            session.query(&ddl::analyze_locally(&self.site.spec.shadow)).await?;
            Ok(())
        };
        join_all(self.site.nodes.iter().map(one)).await.into_iter().collect()
    }

    async fn undo(&self) -> Result<(), Fault> {
        // Triggers first: a write whose trigger points at a missing table fails in the application.
        self.drop_triggers().await?;
        let mut session = ordered::connect(self.copying()?, self.site.lock_wait).await?;
        ordered::run(session.as_mut(), &self.site.by_holder(&ddl::drop_table(&self.site.spec.shadow))).await
    }

    async fn generation(&self, of: Generation) -> Result<Option<String>, Fault> {
        let table = match of {
            Generation::Source => &self.site.spec.source,
            Generation::Retired => &self.site.spec.retired,
        };
        let mut session = self.copying()?.connect().await?;
        match session.query(&innodb::generation(table, self.site.flavour)).await {
            Ok(rows) => Ok(rows.first().and_then(|row| row.text(0))),
            Err(error) => match error.kind {
                ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Connect | ErrorKind::Lost | ErrorKind::Full => {
                    Err(error.into())
                }
                // A server that does not show it: the guard is not to be had there.
                ErrorKind::Denied | ErrorKind::Duplicate | ErrorKind::Data | ErrorKind::Missing | ErrorKind::Other => {
                    Ok(None)
                }
            },
        }
    }

    async fn switch(&self) -> Result<(), Fault> {
        let mut session = ordered::connect(self.copying()?, self.site.lock_wait).await?;
        ordered::run(session.as_mut(), &self.site.by_holder(&ddl::switch(&self.site.spec))).await
    }

    async fn restore_foreign_keys(&self) -> Result<(), Fault> {
        foreign_keys::restore(&self.site, self.copying()?).await
    }

    async fn drop_retired(&self, keep: Keep) -> Result<(), Fault> {
        let mut session = ordered::connect(self.copying()?, self.site.lock_wait).await?;
        match keep {
            Keep::Drop => {
                ordered::run(session.as_mut(), &self.site.by_holder(&ddl::drop_table(&self.site.spec.retired))).await
            }
            Keep::Keep => self.drop_triggers().await,
        }
    }
}
