//! What happens to a run from outside: nodes go and come back, the gate closes, operators change their minds.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::journal::wish;
use super::surroundings::Outside;
use super::tables::Ddl;
use super::world::{MS, S, World};

/// How often each of it happens, in a thousand looks.
#[derive(Clone, Debug)]
pub(crate) struct Chaos {
    pub(crate) node_loss: u64,
    /// The copying node too.
    pub(crate) home_loss: u64,
    pub(crate) gate: u64,
    pub(crate) hold: u64,
    pub(crate) pause: u64,
    pub(crate) abort: u64,
    pub(crate) cutover: u64,
    /// Somebody truncates the table.
    pub(crate) truncate: u64,
}

/// What an operator does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Pause,
    GoOn,
    Cutover,
    /// A file forbids the switch.
    Hold,
    Release,
}

/// Carries out orders at their moments, milliseconds after the beginning.
pub(crate) async fn obey(world: Arc<World>, outside: Arc<Outside>, orders: Vec<(u64, Order)>) {
    for (at, order) in orders {
        let now = world.time.now();
        world.time.sleep((at * MS).saturating_sub(now)).await;
        match order {
            Order::Pause => wish(&world, 0, |wishes| wishes.pause = true).await,
            Order::GoOn => wish(&world, 0, |wishes| wishes.pause = false).await,
            Order::Cutover => wish(&world, 0, |wishes| wishes.cutover = true).await,
            Order::Hold => outside.held.store(true, Ordering::SeqCst),
            Order::Release => outside.held.store(false, Ordering::SeqCst),
        }
    }
}

impl Chaos {
    pub(crate) const NONE: Self =
        Self { node_loss: 0, home_loss: 0, gate: 0, hold: 0, pause: 0, abort: 0, cutover: 0, truncate: 0 };

    const fn any(&self) -> bool {
        self.node_loss + self.home_loss + self.gate + self.hold + self.pause + self.abort + self.cutover + self.truncate
            > 0
    }
}

/// Lets it happen until it is stopped.
pub(crate) async fn reign(world: Arc<World>, outside: Arc<Outside>, chaos: Chaos) {
    while chaos.any() {
        world.upto(60 * MS).await;
        let happens = |permille: u64| world.chance(permille);
        if happens(chaos.gate) {
            tokio::spawn(shut(Arc::clone(&world), Arc::clone(&outside)));
        }
        if happens(chaos.hold) {
            tokio::spawn(hold(Arc::clone(&world), Arc::clone(&outside)));
        }
        if happens(chaos.node_loss) {
            let nodes = world.state().cluster.nodes.len();
            let at = 1 + world.state().rng.index(nodes - 1);
            tokio::spawn(lose(Arc::clone(&world), at));
        }
        if happens(chaos.home_loss) {
            tokio::spawn(lose(Arc::clone(&world), 0));
        }
        if happens(chaos.pause) {
            tokio::spawn(pause(Arc::clone(&world)));
        }
        if happens(chaos.abort) {
            let at = anywhere(&world);
            wish(&world, at, |wishes| wishes.abort = true).await;
        }
        if happens(chaos.cutover) {
            let at = anywhere(&world);
            wish(&world, at, |wishes| wishes.cutover = true).await;
        }
        if chaos.truncate > 0 && happens(chaos.truncate) {
            let at = anywhere(&world);
            drop(Arc::clone(&world).ddl(at, Ddl::Truncate).await);
        }
    }
}

fn anywhere(world: &World) -> usize {
    let nodes = world.state().cluster.nodes.len();
    world.state().rng.index(nodes)
}

async fn shut(world: Arc<World>, outside: Arc<Outside>) {
    outside.gate_closed.store(true, Ordering::SeqCst);
    world.upto(2 * S).await;
    outside.gate_closed.store(false, Ordering::SeqCst);
}

async fn hold(world: Arc<World>, outside: Arc<Outside>) {
    outside.held.store(true, Ordering::SeqCst);
    world.upto(3 * S).await;
    outside.held.store(false, Ordering::SeqCst);
}

async fn pause(world: Arc<World>) {
    let at = anywhere(&world);
    wish(&world, at, |wishes| wishes.pause = true).await;
    world.upto(10 * S).await;
    wish(&world, at, |wishes| wishes.pause = false).await;
}

async fn lose(world: Arc<World>, at: usize) {
    {
        let mut state = world.state();
        if !state.cluster.nodes[at].up {
            return;
        }
        let mut rng = state.rng.clone();
        state.rng.next();
        state.cluster.take_down(at, || rng.chance(500));
    }
    world.upto(5 * S).await;
    world.state().cluster.bring_up(at);
}

/// Ends all of it: nodes are up, nothing holds.
pub(crate) fn calm(world: &World, outside: &Outside) {
    outside.gate_closed.store(false, Ordering::SeqCst);
    outside.held.store(false, Ordering::SeqCst);
    let mut state = world.state();
    for at in 0..state.cluster.nodes.len() {
        if !state.cluster.nodes[at].up {
            state.cluster.bring_up(at);
        }
    }
    state.note("calm", 0);
}
