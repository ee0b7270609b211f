//! A node out of the proxy for its turn, and back whatever becomes of the turn.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Fault;
use crate::ports::clock::Clock;
use crate::ports::proxy::{Backend, Drains, Proxy, Taken};
use crate::ports::rolling::Rolling;

/// Longest that a node which is to be put back may take to catch up; longer, and it stays out.
const BACK: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// What taking nodes out needs.
pub struct Draining {
    /// The proxy; `None` when the operator takes nodes out himself.
    pub proxy: Option<Arc<dyn Proxy>>,
    /// What the job has taken out.
    pub drains: Arc<dyn Drains>,
    /// Names and addresses of the nodes.
    pub nodes: Vec<Backend>,
    /// Whether the operator has put all nodes back himself.
    pub put_back: bool,
    /// The node that is out now.
    pub now: tokio::sync::Mutex<Option<(String, Taken)>>,
}

impl Draining {
    fn node(&self, name: &str) -> Result<&Backend, Fault> {
        let found = self.nodes.iter().find(|node| node.name == name);
        found.ok_or_else(|| Fault::Busy(format!("{name} is not among the nodes that can be reached")))
    }

    /// Takes a node out; the journal knows it before the proxy does.
    pub(super) async fn out(&self, node: &str) -> Result<(), Fault> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let mut now = self.now.lock().await;
        match now.as_ref() {
            Some((out, Taken::Out)) if out == node => return proxy.keep_out(self.node(node)?).await,
            Some((out, Taken::OutAlready)) if out == node => return Ok(()),
            Some(_) | None => {}
        }
        self.drains.take_out(node, &proxy.names()).await?;
        // Until the proxy says otherwise it may be out.
        *now = Some((node.to_owned(), Taken::Out));
        match proxy.drain(self.node(node)?).await {
            Ok(Taken::Out) => Ok(()),
            Ok(Taken::OutAlready) => {
                *now = Some((node.to_owned(), Taken::OutAlready));
                self.drains.put_back(node).await
            }
            Err(fault) => {
                // The proxy has put back what it had taken out.
                *now = None;
                self.drains.put_back(node).await?;
                Err(fault)
            }
        }
    }

    /// Puts the node back that is out for its turn, once it has caught up.
    pub(super) async fn done(&self, turns: &dyn Rolling, clock: &dyn Clock) -> Result<(), Fault> {
        let out = self.now.lock().await.take();
        match out {
            Some((node, Taken::Out)) => self.back(&node, turns, clock).await,
            Some((_, Taken::OutAlready)) | None => Ok(()),
        }
    }

    /// Puts a node back once it has caught up.
    async fn back(&self, node: &str, turns: &dyn Rolling, clock: &dyn Clock) -> Result<(), Fault> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let since = clock.now();
        while let Err(fault) = turns.back(node).await {
            if clock.now().saturating_sub(since) >= BACK {
                return Err(Fault::Busy(format!("{node} stays out of the proxy: {fault}")));
            }
            clock.sleep(LOOK).await;
        }
        proxy.undrain(self.node(node)?).await?;
        self.drains.put_back(node).await
    }

    /// Puts back what an earlier run of the job has left out.
    pub(super) async fn left_out(&self, turns: &dyn Rolling, clock: &dyn Clock) -> Result<(), Fault> {
        for (node, of) in self.drains.taken_out().await? {
            if self.put_back {
                self.drains.put_back(&node).await?;
                continue;
            }
            let given = self.proxy.as_ref().map_or_else(Vec::new, |proxy| proxy.names());
            let missing: Vec<String> = of.into_iter().filter(|name| !given.contains(name)).collect();
            if !missing.is_empty() || given.is_empty() {
                let what = format!(
                    "the job has taken {node} out of {}: say that again (--haproxy SOCKET, or --drain-command with \
                     --undrain-command), or put it back by hand and say --put-back",
                    missing.join(" and ")
                );
                return Err(Fault::Busy(what));
            }
            self.back(&node, turns, clock).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;
    use crate::ports::rolling::Way;

    /// A proxy, a journal and a node in one; everything that is done stands in the log.
    #[derive(Default)]
    struct World {
        log: Mutex<Vec<String>>,
        taken: Mutex<BTreeSet<String>>,
        already: bool,
        refuses: bool,
        behind: Mutex<u32>,
        now: Mutex<Duration>,
    }

    impl World {
        fn say(&self, what: &str) {
            self.log.lock().unwrap().push(what.to_owned());
        }
        fn log(&self) -> String {
            std::mem::take(&mut *self.log.lock().unwrap()).join(", ")
        }
    }

    #[async_trait::async_trait]
    impl Proxy for World {
        async fn drain(&self, node: &Backend) -> Result<Taken, Fault> {
            self.say(&format!("drain {}", node.name));
            if self.refuses {
                return Err(Fault::Failed("no".into()));
            }
            Ok(if self.already { Taken::OutAlready } else { Taken::Out })
        }
        async fn keep_out(&self, _: &Backend) -> Result<(), Fault> {
            Ok(())
        }
        async fn knows(&self, _: &[Backend]) -> Result<(), Fault> {
            Ok(())
        }
        fn names(&self) -> Vec<String> {
            vec!["p".to_owned()]
        }
        async fn undrain(&self, node: &Backend) -> Result<(), Fault> {
            self.say(&format!("undrain {}", node.name));
            Ok(())
        }
    }

    #[async_trait::async_trait]
    impl Drains for World {
        async fn taken_out(&self) -> Result<Vec<(String, Vec<String>)>, Fault> {
            Ok(self.taken.lock().unwrap().iter().map(|node| (node.clone(), vec!["p".to_owned()])).collect())
        }
        async fn take_out(&self, node: &str, _: &[String]) -> Result<(), Fault> {
            self.say("note");
            self.taken.lock().unwrap().insert(node.to_owned());
            Ok(())
        }
        async fn put_back(&self, node: &str) -> Result<(), Fault> {
            self.say("forget");
            self.taken.lock().unwrap().remove(node);
            Ok(())
        }
    }

    #[async_trait::async_trait]
    impl Rolling for World {
        async fn well(&self, _: &str) -> Result<(), Fault> {
            Ok(())
        }
        async fn free(&self, _: &str) -> Result<(), Fault> {
            Ok(())
        }
        async fn alter(&self, _: &str, _: Way) -> Result<(), Fault> {
            Ok(())
        }
        async fn gone(&self, _: &str) -> bool {
            false
        }
        async fn back(&self, node: &str) -> Result<(), Fault> {
            let mut behind = self.behind.lock().unwrap();
            if *behind == 0 {
                return Ok(());
            }
            *behind -= 1;
            Err(Fault::Busy(format!("{node} is behind")))
        }
    }

    #[async_trait::async_trait]
    impl Clock for World {
        fn now(&self) -> Duration {
            *self.now.lock().unwrap()
        }
        async fn sleep(&self, time: Duration) {
            *self.now.lock().unwrap() += time;
        }
    }

    fn draining(world: &Arc<World>, asked: bool, put_back: bool) -> Draining {
        Draining {
            proxy: asked.then(|| Arc::clone(world) as Arc<dyn Proxy>),
            drains: Arc::clone(world) as Arc<dyn Drains>,
            nodes: vec![Backend { name: "n1".into(), address: "a:1".into() }],
            put_back,
            now: tokio::sync::Mutex::default(),
        }
    }

    #[tokio::test]
    async fn the_journal_knows_first_and_forgets_last() {
        let world = Arc::new(World::default());
        let own = draining(&world, true, false);
        own.out("n1").await.unwrap();
        own.out("n1").await.unwrap();
        assert_eq!(world.log(), "note, drain n1", "once");
        *world.behind.lock().unwrap() = 3;
        own.done(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "undrain n1, forget");
        own.done(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "", "only what is out is put back");
    }

    #[tokio::test]
    async fn what_others_took_out_stays_out() {
        let world = Arc::new(World { already: true, ..World::default() });
        let own = draining(&world, true, false);
        own.out("n1").await.unwrap();
        own.done(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "note, drain n1, forget");
        let refusing = Arc::new(World { refuses: true, ..World::default() });
        assert!(draining(&refusing, true, false).out("n1").await.is_err());
        assert_eq!(refusing.log(), "note, drain n1, forget", "nothing is out");
    }

    #[tokio::test]
    async fn a_node_that_stays_behind_stays_out_and_known() {
        let world = Arc::new(World::default());
        let own = draining(&world, true, false);
        own.out("n1").await.unwrap();
        *world.behind.lock().unwrap() = u32::MAX;
        let Err(Fault::Busy(why)) = own.done(world.as_ref(), world.as_ref()).await else { panic!("it is behind") };
        assert_eq!((why.as_str(), world.log().as_str()), ("n1 stays out of the proxy: n1 is behind", "note, drain n1"));
        *world.behind.lock().unwrap() = 0;
        assert!(
            draining(&world, false, false).left_out(world.as_ref(), world.as_ref()).await.is_err(),
            "nobody says how"
        );
        draining(&world, true, false).left_out(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "undrain n1, forget");
        world.taken.lock().unwrap().insert("n1".into());
        draining(&world, false, true).left_out(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "forget", "the operator has put it back");
    }
}
