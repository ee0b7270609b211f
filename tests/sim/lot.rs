//! Scenarios drawn by lot.

use driftless::ports::objects::Keep;

use super::chaos::Chaos;
use super::prng::Prng;
use super::process::Faults;
use super::scenario::{Kind, Scenario, Then, Unique};

/// The same for a job that follows the binlog.
pub(crate) fn drawn_stream(seed: u64) -> Scenario {
    let mut rng = Prng::new(seed.wrapping_mul(91));
    let mut scenario = Scenario { kind: Kind::Stream, ..drawn(seed) };
    scenario.phantoms = if rng.chance(300) { rng.below(40) } else { 0 };
    scenario.busy = rng.chance(150);
    if rng.chance(60) {
        scenario.chaos.truncate = 15;
    }
    if rng.chance(300) {
        scenario.chaos.home_loss = 30;
    }
    scenario
}

/// Whatever the seed says.
pub(crate) fn drawn(seed: u64) -> Scenario {
    let mut rng = Prng::new(seed.wrapping_mul(77));
    let mut scenario = Scenario::calm(seed);
    scenario.nodes = 2 + rng.index(3);
    scenario.rows = if rng.chance(40) { 80 } else { 8 + rng.key(30) };
    scenario.clients = 1 + rng.index(2);
    scenario.workers = 1 + rng.index(3);
    scenario.compare_rows = rng.between(1, 8);
    scenario.unique = match rng.below(10) {
        0..4 => Unique::Kept,
        4..6 => Unique::Dropped,
        6..8 => Unique::Added,
        _ => Unique::Violated,
    };
    scenario.keep = if rng.chance(200) { Keep::Keep } else { Keep::Drop };
    scenario.rejected = rng.chance(20);
    scenario.again = rng.chance(60);
    if rng.chance(500) {
        let hangs = if rng.chance(200) { 8 } else { 0 };
        scenario.faults = Faults { busy: rng.below(60), lost: rng.below(40), hangs };
    }
    if rng.chance(400) {
        scenario.chaos = chaos(&mut rng);
    }
    if rng.chance(400) {
        scenario.kills = (0..rng.between(1, 4)).map(|_| rng.below(130)).collect();
    }
    if rng.chance(200) {
        scenario.signals = (0..rng.between(1, 2)).map(|_| rng.below(130)).collect();
    }
    if rng.chance(300) {
        scenario.then = Then::Abort;
    }
    scenario
}

fn chaos(rng: &mut Prng) -> Chaos {
    let mut pick = |often| if rng.chance(300) { often } else { 0 };
    Chaos {
        node_loss: pick(60),
        home_loss: pick(30),
        gate: pick(100),
        hold: pick(100),
        pause: pick(50),
        abort: pick(50),
        cutover: pick(50),
        truncate: 0,
    }
}
