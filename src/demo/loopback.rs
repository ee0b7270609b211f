//! Free ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};

/// Ports are taken below the range that kernels use for outgoing connections, or a connection of Galera's could
/// take a port between our looking and the server's binding.
const LOWEST: u16 = 10_000;
const COUNT: u16 = 22_000;
/// A cluster takes four for each of its nodes.
const MOST: u16 = 100;

/// Finds that many different ports that nobody listens on. Each process begins to look elsewhere.
///
/// # Errors
/// `AddrInUse` when there are not so many; more than 100 there never are.
pub fn free_ports(wanted: usize) -> std::io::Result<Vec<u16>> {
    // Else all of them would be held at once, more than a process may have open, and taken from all others.
    if wanted > usize::from(MOST) {
        return Err(std::io::ErrorKind::AddrInUse.into());
    }
    let start = u16::try_from(u64::from(std::process::id()).wrapping_mul(7_919) % u64::from(COUNT)).unwrap_or(0);
    let mut held = Vec::new();
    let mut ports = Vec::new();
    for step in 0..COUNT {
        if ports.len() == wanted {
            break;
        }
        let port = LOWEST + (start + step) % COUNT;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push(listener);
            ports.push(port);
        }
    }
    drop(held);
    if ports.len() == wanted { Ok(ports) } else { Err(std::io::ErrorKind::AddrInUse.into()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_different_and_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, free_ports(1).unwrap()[0])).unwrap();
        let ports = free_ports(12).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 12);
        assert!(!ports.contains(&taken.local_addr().unwrap().port()), "a taken port is never handed out");
        for port in ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn too_many_are_refused() {
        assert!(free_ports(usize::from(MOST) + 1).is_err());
    }
}
