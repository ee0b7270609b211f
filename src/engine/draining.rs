//! A node out of the proxies for its turn, and back whatever becomes of the turn.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Fault;
use crate::ports::clock::Clock;
use crate::ports::proxy::{Backend, Drains, Proxy, Stand};
use crate::ports::rolling::Rolling;

/// Longest that a node which is to be put back may take to catch up, and a proxy to answer; longer, and it stays out.
const BACK: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Between two attempts to put a node back.
const AGAIN: Duration = Duration::from_secs(2);

/// A node that is out, and what is to be put back; nothing when others have taken it out.
pub type Out = (String, Vec<Stand>);

/// What taking nodes out needs.
pub struct Draining {
    /// The proxies; none when the operator takes nodes out himself.
    pub proxies: Vec<Arc<dyn Proxy>>,
    /// What the job has taken out.
    pub drains: Arc<dyn Drains>,
    /// Names and addresses of the nodes.
    pub nodes: Vec<Backend>,
    /// Whether the operator has put all nodes back himself.
    pub put_back: bool,
    /// The node that is out now.
    pub now: tokio::sync::Mutex<Option<Out>>,
}

impl Draining {
    fn node(&self, name: &str) -> Result<&Backend, Fault> {
        let found = self.nodes.iter().find(|node| node.name == name);
        found.ok_or_else(|| Fault::Busy(format!("{name} is not among the nodes that can be reached")))
    }

    fn proxy(&self, stand: &Stand) -> Option<&Arc<dyn Proxy>> {
        self.proxies.iter().find(|proxy| proxy.flag() == stand.flag)
    }

    /// Takes a node out, or makes sure that it stays so, and passes once the proxies' connections to it are out of use.
    pub(super) async fn out(&self, node: &str) -> Result<(), Fault> {
        self.hold(node).await?;
        for proxy in &self.proxies {
            proxy.let_go(self.node(node)?).await?;
        }
        Ok(())
    }

    /// Takes a node out of every proxy that it is not out of: one that was restarted has forgotten it, and who had taken it out
    /// before may have put it back.
    pub(super) async fn hold(&self, node: &str) -> Result<(), Fault> {
        if self.proxies.is_empty() {
            return Ok(());
        }
        let backend = self.node(node)?;
        let mut now = self.now.lock().await;
        let known = now.take_if(|(out, _)| out == node).map_or_else(Vec::new, |(_, stands)| stands);
        *now = Some((node.to_owned(), known.clone()));
        self.keep_out(backend, &known).await?;
        self.take(backend, known, &mut now).await
    }

    async fn keep_out(&self, node: &Backend, stands: &[Stand]) -> Result<(), Fault> {
        for stand in stands {
            if let Some(proxy) = self.proxy(stand) {
                proxy.keep_out(node, stand).await?;
            }
        }
        Ok(())
    }

    /// Takes a node out of the proxies that it is not known to be out of. The journal knows it before they do.
    async fn take(&self, node: &Backend, known: Vec<Stand>, now: &mut Option<Out>) -> Result<(), Fault> {
        let mut fresh = Vec::new();
        for proxy in self.proxies.iter().filter(|proxy| !known.iter().any(|stand| stand.flag == proxy.flag())) {
            fresh.extend(proxy.stands(node).await?);
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let stands = [known, fresh.clone()].concat();
        self.drains.take_out(&node.name, &stands).await?;
        // Until the proxies say otherwise it may be out.
        *now = Some((node.name.clone(), stands.clone()));
        let untouched = |place: usize| fresh.len() - place - 1;
        for (place, stand) in fresh.iter().enumerate() {
            let Some(proxy) = self.proxy(stand) else { continue };
            let Err(fault) = proxy.drain(node, stand).await else { continue };
            // All or none. What can't be put back now is tried again at the end of the turn.
            let mut tried = stands.iter().take(stands.len() - untouched(place)).collect();
            if self.undrain(node, &mut tried).await.is_ok() {
                *now = None;
                self.drains.put_back(&node.name).await?;
            }
            return Err(fault);
        }
        Ok(())
    }

    /// Passes while that node gets no new connections: what was set a moment ago may have been changed by others.
    pub(super) async fn is_out(&self, node: &str) -> Result<(), Fault> {
        for proxy in &self.proxies {
            proxy.is_out(self.node(node)?).await?;
        }
        Ok(())
    }

    /// Puts it back into each, also when one of them fails; those that it is back in are left out of the list.
    async fn undrain(&self, node: &Backend, left: &mut Vec<&Stand>) -> Result<(), Fault> {
        let mut answer = Ok(());
        let mut still = Vec::new();
        for stand in left.drain(..) {
            let Some(proxy) = self.proxy(stand) else { continue };
            if let Err(fault) = proxy.undrain(node, stand).await {
                still.push(stand);
                answer = answer.and(Err(fault));
            }
        }
        *left = still;
        answer
    }

    /// Puts the node back that is out for its turn, once it has caught up.
    pub(super) async fn done(&self, turns: &dyn Rolling, clock: &dyn Clock) -> Result<(), Fault> {
        let out = self.now.lock().await.take();
        match out {
            Some((node, stands)) if !stands.is_empty() => self.back(&node, &stands, turns, clock).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Puts a node back once it has caught up.
    async fn back(&self, node: &str, stands: &[Stand], turns: &dyn Rolling, clock: &dyn Clock) -> Result<(), Fault> {
        let since = clock.now();
        let mut left: Vec<&Stand> = stands.iter().collect();
        loop {
            let (fault, pause) = match turns.back(node).await {
                Err(fault) => (fault, LOOK),
                Ok(()) => match self.undrain(self.node(node)?, &mut left).await {
                    Err(fault) => (fault, AGAIN),
                    Ok(()) => return self.drains.put_back(node).await,
                },
            };
            if clock.now().saturating_sub(since) >= BACK {
                let what = format!("{node} stays out of the proxy: {fault}; {}", remedy(&left));
                return Err(Fault::Busy(what));
            }
            clock.sleep(pause).await;
        }
    }

    /// Puts back what an earlier run of the job has left out.
    pub(super) async fn left_out(&self, turns: &dyn Rolling, clock: &dyn Clock) -> Result<(), Fault> {
        for (node, stands) in self.drains.taken_out().await? {
            if self.put_back {
                self.drains.put_back(&node).await?;
                continue;
            }
            let missing: Vec<&Stand> = stands.iter().filter(|stand| self.proxy(stand).is_none()).collect();
            if !missing.is_empty() {
                return Err(Fault::Busy(format!("the job has taken {node} out of a proxy: {}", remedy(&missing))));
            }
            self.back(&node, &stands, turns, clock).await?;
        }
        Ok(())
    }
}

/// What an operator can do for a node that is out.
fn remedy(stands: &[&Stand]) -> String {
    let flags: Vec<&str> = stands.iter().map(|stand| stand.flag.as_str()).collect();
    let by_hand: Vec<&str> = stands.iter().map(|stand| stand.by_hand.as_str()).collect();
    format!(
        "resume or abort with {} once that can be asked, or put it back by hand ({}), then resume or abort with --put-back",
        flags.join(" "),
        by_hand.join("; ")
    )
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
        /// Attempts to put it back that fail.
        deaf: Mutex<u32>,
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
        fn flag(&self) -> String {
            "--p".to_owned()
        }
        async fn knows(&self, _: &[Backend]) -> Result<(), Fault> {
            Ok(())
        }
        async fn stands(&self, _: &Backend) -> Result<Option<Stand>, Fault> {
            let stand = Stand { flag: self.flag(), was: "up".into(), by_hand: "set it up".into() };
            Ok((!self.already).then_some(stand))
        }
        async fn drain(&self, node: &Backend, _: &Stand) -> Result<(), Fault> {
            self.say(&format!("drain {}", node.name));
            if self.refuses { Err(Fault::Failed("no".into())) } else { Ok(()) }
        }
        async fn keep_out(&self, _: &Backend, _: &Stand) -> Result<(), Fault> {
            Ok(())
        }
        async fn is_out(&self, _: &Backend) -> Result<(), Fault> {
            Ok(())
        }
        async fn let_go(&self, _: &Backend) -> Result<(), Fault> {
            Ok(())
        }
        async fn undrain(&self, node: &Backend, stand: &Stand) -> Result<(), Fault> {
            let mut deaf = self.deaf.lock().unwrap();
            if *deaf > 0 {
                *deaf -= 1;
                return Err(Fault::Busy("no answer".into()));
            }
            self.say(&format!("undrain {} {}", node.name, stand.was));
            Ok(())
        }
    }

    #[async_trait::async_trait]
    impl Drains for World {
        async fn taken_out(&self) -> Result<Vec<(String, Vec<Stand>)>, Fault> {
            let stand = Stand { flag: "--p".into(), was: "up".into(), by_hand: "set it up".into() };
            Ok(self.taken.lock().unwrap().iter().map(|node| (node.clone(), vec![stand.clone()])).collect())
        }
        async fn take_out(&self, node: &str, _: &[Stand]) -> Result<(), Fault> {
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
            proxies: asked.then(|| Arc::clone(world) as Arc<dyn Proxy>).into_iter().collect(),
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
        assert_eq!(world.log(), "undrain n1 up, forget");
        own.done(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "", "only what is out is put back");
    }

    #[tokio::test]
    async fn what_others_took_out_stays_out() {
        let world = Arc::new(World { already: true, ..World::default() });
        let own = draining(&world, true, false);
        own.out("n1").await.unwrap();
        own.done(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "", "nothing is touched, and nothing is to be remembered");
        let refusing = Arc::new(World { refuses: true, ..World::default() });
        assert!(draining(&refusing, true, false).out("n1").await.is_err());
        assert_eq!(refusing.log(), "note, drain n1, undrain n1 up, forget", "nothing is out");
    }

    #[tokio::test]
    async fn a_drain_that_fails_half_way_stays_known_until_it_is_undone() {
        let world = Arc::new(World { refuses: true, deaf: Mutex::new(2), ..World::default() });
        let own = draining(&world, true, false);
        assert!(own.out("n1").await.is_err());
        assert_eq!(world.log(), "note, drain n1", "it may be out, and the journal says so");
        own.done(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "undrain n1 up, forget", "a proxy that is away for a moment is asked again");
        *world.deaf.lock().unwrap() = u32::MAX;
        world.taken.lock().unwrap().insert("n1".into());
        let left = draining(&world, true, false).left_out(world.as_ref(), world.as_ref()).await;
        let Err(Fault::Busy(why)) = left else { panic!("nobody answers") };
        for words in ["n1 stays out", "no answer", "abort with --p", "(set it up)", "--put-back"] {
            assert!(why.contains(words), "{words}: {why}");
        }
        assert_eq!(world.taken.lock().unwrap().len(), 1, "it stays known");
    }

    #[tokio::test]
    async fn a_node_that_stays_behind_stays_out_and_known() {
        let world = Arc::new(World::default());
        let own = draining(&world, true, false);
        own.out("n1").await.unwrap();
        *world.behind.lock().unwrap() = u32::MAX;
        let Err(Fault::Busy(why)) = own.done(world.as_ref(), world.as_ref()).await else { panic!("it is behind") };
        assert!(why.starts_with("n1 stays out of the proxy: n1 is behind; resume or abort with --p"), "{why}");
        assert_eq!(world.log(), "note, drain n1");
        *world.behind.lock().unwrap() = 0;
        assert!(
            draining(&world, false, false).left_out(world.as_ref(), world.as_ref()).await.is_err(),
            "nobody says how"
        );
        draining(&world, true, false).left_out(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "undrain n1 up, forget");
        world.taken.lock().unwrap().insert("n1".into());
        draining(&world, false, true).left_out(world.as_ref(), world.as_ref()).await.unwrap();
        assert_eq!(world.log(), "forget", "the operator has put it back");
    }
}
