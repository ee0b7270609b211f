//! Ports on the loopback address that others of our kind keep away from.

use std::net::{Ipv4Addr, TcpListener};

/// Ports are taken below the range that kernels use for outgoing connections, or a connection of Galera's could
/// take a port between our looking and the server's binding.
const LOWEST: u16 = 10_000;
/// Ports go out in blocks; the first port of each is the keeper's.
const BLOCK: u16 = 16;
const BLOCKS: u16 = 1_375;
/// A cluster takes four for each of its nodes.
const MOST: u16 = 100;

/// Ports that nobody listened on when they were chosen. Whoever asks for ports later, in this process or another, gets
/// none of them while the value lives, also when nobody listens there at the time: a node that is down will want its
/// ports again, and Galera opens those for transfers only when it receives one.
#[derive(Debug)]
pub struct ReservedPorts {
    ports: Vec<u16>,
    _keepers: Vec<TcpListener>,
}

impl ReservedPorts {
    /// Reserves that many different ports. Each process begins to look elsewhere.
    ///
    /// # Errors
    /// `AddrInUse` when there are not so many; more than 100 there never are.
    pub fn new(wanted: usize) -> std::io::Result<Self> {
        if wanted > usize::from(MOST) {
            return Err(std::io::ErrorKind::AddrInUse.into());
        }
        let (mut ports, mut keepers) = (Vec::new(), Vec::new());
        let start = u16::try_from(u64::from(std::process::id()).wrapping_mul(509) % u64::from(BLOCKS)).unwrap_or(0);
        for step in 0..BLOCKS {
            if ports.len() >= wanted {
                break;
            }
            let first = LOWEST + (start + step) % BLOCKS * BLOCK;
            let Ok(keeper) = TcpListener::bind((Ipv4Addr::LOCALHOST, first)) else { continue };
            let others = first + 1..first + BLOCK;
            // A port that somebody else has in the block, a server that was kept for one, has its neighbours kept too.
            if others.clone().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
                keepers.push(keeper);
                ports.extend(others);
            }
        }
        if ports.len() < wanted {
            return Err(std::io::ErrorKind::AddrInUse.into());
        }
        ports.truncate(wanted);
        Ok(Self { ports, _keepers: keepers })
    }

    /// The ports.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_different_and_free() {
        let reserved = ReservedPorts::new(40).unwrap();
        assert_eq!(reserved.ports().iter().collect::<BTreeSet<_>>().len(), 40);
        for &port in reserved.ports() {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn a_port_stays_its_owners_while_nobody_listens_there() {
        let one = ReservedPorts::new(12).unwrap();
        let other = ReservedPorts::new(12).unwrap();
        assert!(one.ports().iter().all(|port| !other.ports().contains(port)), "{one:?} {other:?}");
    }

    #[test]
    fn a_block_in_which_somebody_listens_is_left_alone() {
        let before = ReservedPorts::new(3).unwrap();
        let ports = before.ports().to_vec();
        let _server = TcpListener::bind((Ipv4Addr::LOCALHOST, ports[1])).unwrap();
        drop(before);
        let next = ReservedPorts::new(30).unwrap();
        assert!(ports.iter().all(|port| !next.ports().contains(port)), "{ports:?} {next:?}");
    }

    #[test]
    fn too_many_are_refused() {
        assert!(ReservedPorts::new(usize::from(MOST) + 1).is_err());
    }
}
