//! The accept loops of a shard.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use claviger_proto::DomainName;
use tokio::net::{TcpListener, TcpStream};

use super::permits::ConnectionPermit;
use super::{Shard, admission, service};

/// What a listener serves.
#[derive(Clone, Debug)]
pub enum Serves {
    /// The key service.
    KeyService,
    /// Admission; stock evidence belongs to this domain, if any.
    Admission {
        /// The domain of stock evidence.
        stock_domain: Option<DomainName>,
    },
}

/// Accepts until the broker drains. The socket is closed then, so that the kernel refuses what comes later.
pub async fn accept_loop(listener: TcpListener, serves: Serves, shard: Rc<Shard>) {
    let mut draining = shard.draining.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, source)) => take(stream, source, &serves, &shard),
            Err(error) => {
                // Out of file descriptors, or a connection that was gone before it was accepted: the first
                // needs a moment, the second doesn't mind one.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

fn take(stream: TcpStream, source: SocketAddr, serves: &Serves, shard: &Rc<Shard>) {
    let permit = match shard.permits.connection(source.ip()) {
        Ok(permit) => permit,
        Err(reason) => {
            shard.meters.refused(reason);
            tracing::warn!(%source, limit = reason.as_str(), "a connection is refused: too many are open");
            return;
        }
    };
    shard.meters.connected(matches!(serves, Serves::Admission { .. }));
    // An answer is one small write; waiting for more of it helps nobody.
    drop(stream.set_nodelay(true));
    let (shard, serves) = (Rc::clone(shard), serves.clone());
    actix_rt::spawn(async move {
        let _running = Running::new(&shard, permit);
        match serves {
            Serves::KeyService => service::serve(stream, source, &shard).await,
            Serves::Admission { stock_domain } => {
                admission::serve(stream, source, stock_domain.as_ref(), &shard).await;
            }
        }
    });
}

/// Counts a connection task as long as it runs, whichever way it ends.
struct Running {
    shard: Rc<Shard>,
    _permit: ConnectionPermit,
}

impl Running {
    fn new(shard: &Rc<Shard>, permit: ConnectionPermit) -> Self {
        shard.tasks.set(shard.tasks.get() + 1);
        Self { shard: Rc::clone(shard), _permit: permit }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shard.tasks.set(self.shard.tasks.get() - 1);
    }
}
