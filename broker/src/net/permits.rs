//! Permits, taken at the edge and given back when dropped: the only back-pressure there is. All but those of
//! large bodies and of evidence are taken or refused at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use tokio::sync::Semaphore;

use super::rate::{HandshakeRate, network};
use crate::config::Limits;

/// A bounded count, shared by all shards.
#[derive(Debug)]
pub struct Gauge {
    taken: AtomicUsize,
    limit: AtomicUsize,
}

/// One place of a [`Gauge`].
#[derive(Debug)]
pub struct Place(Arc<Gauge>);

impl Gauge {
    /// A count that goes up to `limit`.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), limit: limit.into() })
    }

    /// Takes a place, or `None` when all are taken: nothing here ever waits.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        self.take_within(self.limit())
    }

    /// The same, with another limit than its own.
    pub fn take_within(self: &Arc<Self>, limit: usize) -> Option<Place> {
        let free = |taken| (taken < limit).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok()?;
        Some(Place(Arc::clone(self)))
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// How many may be taken.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets another limit. Places that are taken beyond it stay taken until they are given back.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Connections from each address.
#[derive(Debug)]
pub struct PerAddress {
    counts: DashMap<IpAddr, usize>,
    limit: AtomicUsize,
}

/// One connection's place under its address.
#[derive(Debug)]
pub struct AddressPlace {
    of: Arc<PerAddress>,
    address: IpAddr,
}

impl PerAddress {
    /// Counts that each go up to `limit`.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { counts: DashMap::new(), limit: limit.into() })
    }

    /// Takes a place under `address`, or `None` when it has as many as it may.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<AddressPlace> {
        let address = network(address);
        let mut count = self.counts.entry(address).or_insert(0);
        if *count >= self.limit.load(Ordering::Relaxed) {
            return None;
        }
        *count += 1;
        Some(AddressPlace { of: Arc::clone(self), address })
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        if let dashmap::Entry::Occupied(mut entry) = self.of.counts.entry(self.address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// What one connection holds as long as it is open.
#[derive(Debug)]
pub struct ConnectionPermit {
    _all: Place,
    _address: AddressPlace,
}

/// Which limit keeps a connection out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMany {
    /// There are too many in all.
    All,
    /// There are too many from its address.
    Address,
}

impl TooMany {
    /// A word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "connections",
            Self::Address => "connections-per-address",
        }
    }
}

/// Places among the attestors: who is no member yet takes none of a member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// For who asks to be admitted.
    Admissions,
    /// For proofs on the channel of a member.
    Proofs,
}

/// The permits of a broker.
#[derive(Clone, Debug)]
pub struct Permits {
    /// Open connections.
    pub connections: Arc<Gauge>,
    /// Open connections of each address.
    pub per_address: Arc<PerAddress>,
    /// Handshakes under way.
    pub handshakes: Arc<Gauge>,
    /// Handshakes begun in a second.
    pub handshake_rate: Arc<HandshakeRate>,
    /// Evidence for admission at the attestors; waited for, within a deadline.
    pub admissions: Arc<Semaphore>,
    /// Proofs of members at the attestors; waited for in the same way.
    pub proofs: Arc<Semaphore>,
    /// Stores that wait for their commit.
    pub stores: Arc<Gauge>,
    /// Keys being made.
    pub keys: Arc<Gauge>,
    /// Large bodies in memory; these are waited for, within the body's deadline.
    pub large_bodies: Arc<Semaphore>,
    /// How many places the three that are waited for have.
    waited: [usize; 3],
}

/// A kind of permit, as operators see it.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The limit's key in the configuration.
    pub permit: &'static str,
    /// How many are taken.
    pub taken: usize,
    /// How many there are.
    pub limit: usize,
}

impl Permits {
    /// All permits of a broker with these limits.
    pub fn new(limits: &Limits) -> Self {
        let (all, each) = (limits.handshakes_per_second, limits.handshakes_per_second_per_address);
        Self {
            connections: Gauge::new(limits.connections),
            per_address: PerAddress::new(limits.connections_per_address),
            handshakes: Gauge::new(limits.handshakes),
            handshake_rate: Arc::new(HandshakeRate::new(all, each)),
            admissions: Arc::new(Semaphore::new(limits.admissions)),
            proofs: Arc::new(Semaphore::new(limits.proofs)),
            stores: Gauge::new(limits.pending_stores),
            keys: Gauge::new(limits.keys_in_making),
            large_bodies: Arc::new(Semaphore::new(limits.large_bodies)),
            waited: [limits.admissions, limits.proofs, limits.large_bodies],
        }
    }

    /// Takes a connection's permit.
    pub fn connection(&self, address: IpAddr) -> Result<ConnectionPermit, TooMany> {
        let all = self.connections.take().ok_or(TooMany::All)?;
        let address = self.per_address.take(address).ok_or(TooMany::Address)?;
        Ok(ConnectionPermit { _all: all, _address: address })
    }

    /// The places among the attestors of this kind.
    pub fn at_attestors(&self, places: Places) -> &Semaphore {
        match places {
            Places::Admissions => &self.admissions,
            Places::Proofs => &self.proofs,
        }
    }

    /// Sets what can be set while they are in use: all but those that are waited for.
    pub fn set(&self, limits: &Limits) {
        self.connections.set_limit(limits.connections);
        self.per_address.limit.store(limits.connections_per_address, Ordering::Relaxed);
        self.handshakes.set_limit(limits.handshakes);
        self.handshake_rate.set(limits.handshakes_per_second, limits.handshakes_per_second_per_address);
        self.stores.set_limit(limits.pending_stores);
        self.keys.set_limit(limits.keys_in_making);
    }

    /// How many of each kind are taken.
    pub fn uses(&self) -> [Use; 7] {
        let gauge = |permit, gauge: &Gauge| Use { permit, taken: gauge.taken(), limit: gauge.limit() };
        let waited = |permit, semaphore: &Semaphore, limit: usize| {
            let taken = limit.saturating_sub(semaphore.available_permits());
            Use { permit, taken, limit }
        };
        [
            gauge("connections", &self.connections),
            gauge("handshakes", &self.handshakes),
            waited("admissions", &self.admissions, self.waited[0]),
            waited("proofs", &self.proofs, self.waited[1]),
            gauge("pending_stores", &self.stores),
            gauge("keys_in_making", &self.keys),
            waited("large_bodies", &self.large_bodies, self.waited[2]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_to_be_admitted_takes_no_place_of_a_members_proof() {
        let permits = Permits::new(&Limits { admissions: 1, proofs: 1, ..Limits::default() });
        let admission = permits.at_attestors(Places::Admissions).try_acquire().expect("free");
        assert!(permits.at_attestors(Places::Admissions).try_acquire().is_err());
        let proof = permits.at_attestors(Places::Proofs).try_acquire().expect("free");
        assert!(permits.at_attestors(Places::Proofs).try_acquire().is_err());
        let taken = permits.uses().map(|used| (used.permit, used.taken));
        assert!(taken.contains(&("admissions", 1)) && taken.contains(&("proofs", 1)), "{taken:?}");
        drop((admission, proof));
    }

    #[test]
    fn places_come_back_when_dropped() {
        let gauge = Gauge::new(1);
        let place = gauge.take().expect("free");
        assert!(gauge.take().is_none());
        drop(place);
        assert_eq!(gauge.taken(), 0);
        assert!(gauge.take().is_some());
    }

    #[test]
    fn one_address_cannot_take_anothers_place_and_leaves_nothing_behind() {
        let all = PerAddress::new(1);
        let (a, b) = ("10.0.0.1".parse().expect("an address"), "10.0.0.2".parse().expect("an address"));
        let place = all.take(a).expect("free");
        assert!(all.take(a).is_none());
        assert!(all.take(b).is_some());
        drop(place);
        assert!(all.counts.is_empty());
    }

    #[test]
    fn a_connection_is_refused_by_the_limit_that_it_hits() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let limits = Limits { connections: 2, connections_per_address: 1, ..Limits::default() };
        let permits = Permits::new(&limits);
        let _one = permits.connection(ip("10.0.0.1")).expect("free");
        assert_eq!(permits.connection(ip("10.0.0.1")).err(), Some(TooMany::Address));
        let two = permits.connection(ip("10.0.0.2")).expect("a place that was given back");
        assert_eq!(permits.connection(ip("10.0.0.3")).err(), Some(TooMany::All));
        permits.set(&Limits { connections: 3, ..limits.clone() });
        let _three = permits.connection(ip("10.0.0.3")).expect("there are more now");
        // What is taken beyond a lower limit stays.
        permits.set(&limits);
        drop(two);
        assert_eq!(permits.connection(ip("10.0.0.2")).err(), Some(TooMany::All));
        let connections = permits.uses()[0];
        assert_eq!((connections.permit, connections.taken, connections.limit), ("connections", 2, 2));
    }
}
