//! Ports for programs that are started later, or again.

use std::net::TcpListener;
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use rand::RngExt;

/// Below those that the system gives to outgoing connections.
const PORTS: Range<u16> = 15_000..32_000;
/// The next one to try. Each process begins somewhere else.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::rng().random_range(PORTS)));

/// A port that nobody listens on, and that no other call of this process gets: its program may be stopped for a while.
pub fn free_port() -> u16 {
    let following = |port: u16| if port + 1 < PORTS.end { port + 1 } else { PORTS.start };
    loop {
        let port = NEXT.update(Ordering::Relaxed, Ordering::Relaxed, following);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[test]
fn no_port_is_assigned_twice() {
    let mut ports: Vec<u16> = (0..500).map(|_| free_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 500);
}
