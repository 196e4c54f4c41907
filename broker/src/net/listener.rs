//! Listening sockets: one per shard on the same port, and nobody else's beside them.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel completes before a shard accepts them. Above it, SYNs are retried.
const BACKLOG: i32 = 1024;

/// A port that can't be had, or another error of a socket call.
#[derive(Debug, thiserror::Error)]
#[error("{address} can't be listened on: {source}; is another broker running there?")]
pub struct BindError {
    /// Which address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Binds `shards` sockets to `address`; port 0 takes a free port, the same one for all.
///
/// The first is bound *without* `SO_REUSEPORT`, so that it fails if anybody else is there, and is opened to
/// sharing only then, for the others: a second broker never gets a part of the first one's connections.
pub fn bind(address: SocketAddr, shards: usize) -> Result<Vec<TcpListener>, BindError> {
    bind_all(address, shards).map_err(|source| BindError { address, source })
}

fn bind_all(address: SocketAddr, shards: usize) -> io::Result<Vec<TcpListener>> {
    let first = open(address)?;
    first.bind(&address.into())?;
    let bound = first.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    first.set_reuse_port(true)?;
    let mut sockets = vec![first];
    for _ in 1..shards {
        let socket = open(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&bound.into())?;
        sockets.push(socket);
    }
    for socket in &sockets {
        socket.listen(BACKLOG)?;
    }
    Ok(sockets.into_iter().map(TcpListener::from).collect())
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Allows a restart while old connections are in TIME_WAIT; a live listener still conflicts.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    #[test]
    fn t46_a_second_process_on_the_port_fails() {
        let mine = bind(any(), 2).expect("a free port");
        let address = mine[0].local_addr().expect("an address");
        let error = bind(address, 2).expect_err("taken");
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert!(TcpListener::bind(address).is_err(), "nor a socket of another kind of program");
    }

    #[test]
    fn every_shard_gets_connections() {
        let mine = bind(any(), 2).expect("a free port");
        let address = mine[0].local_addr().expect("an address");
        assert_eq!(address, mine[1].local_addr().expect("an address"));
        let clients: Vec<_> =
            (0..64).map(|_| std::net::TcpStream::connect(address).expect("a connection")).collect();
        let accepted = |listener: &TcpListener| std::iter::from_fn(|| listener.accept().ok()).count();
        let counts = [accepted(&mine[0]), accepted(&mine[1])];
        assert_eq!(counts.iter().sum::<usize>(), clients.len());
        assert!(counts.iter().all(|&n| n > 0), "{counts:?}");
    }
}
