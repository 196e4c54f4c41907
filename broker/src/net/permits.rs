//! Permits, taken at the edge and given back when dropped: the only back-pressure there is. All but those of
//! large bodies and of evidence are taken or refused at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use tokio::sync::Semaphore;

/// A bounded count, shared by all shards.
#[derive(Debug)]
pub struct Gauge {
    taken: AtomicUsize,
    limit: usize,
}

/// One place of a [`Gauge`].
#[derive(Debug)]
pub struct Place(Arc<Gauge>);

impl Gauge {
    /// A count that goes up to `limit`.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), limit })
    }

    /// Takes a place, or `None` when all are taken: nothing here ever waits.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        let free = |taken| (taken < self.limit).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok()?;
        Some(Place(Arc::clone(self)))
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
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
    limit: usize,
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
        Arc::new(Self { counts: DashMap::new(), limit })
    }

    /// Takes a place under `address`, or `None` when it has as many as it may.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<AddressPlace> {
        let mut count = self.counts.entry(address).or_insert(0);
        if *count >= self.limit {
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

/// The permits of a broker.
#[derive(Clone, Debug)]
pub struct Permits {
    /// Open connections.
    pub connections: Arc<Gauge>,
    /// Open connections of each address.
    pub per_address: Arc<PerAddress>,
    /// Handshakes under way.
    pub handshakes: Arc<Gauge>,
    /// Evidence at the attestors; waited for, within a deadline.
    pub admissions: Arc<Semaphore>,
    /// Stores that wait for their commit.
    pub stores: Arc<Gauge>,
    /// Keys being made.
    pub keys: Arc<Gauge>,
    /// Large bodies in memory; these are waited for, within the body's deadline.
    pub large_bodies: Arc<Semaphore>,
}

impl Permits {
    /// All permits of a broker with these limits.
    pub fn new(limits: &crate::config::Limits) -> Self {
        Self {
            connections: Gauge::new(limits.connections),
            per_address: PerAddress::new(limits.connections_per_address),
            handshakes: Gauge::new(limits.handshakes),
            admissions: Arc::new(Semaphore::new(limits.admissions)),
            stores: Gauge::new(limits.pending_stores),
            keys: Gauge::new(limits.keys_in_making),
            large_bodies: Arc::new(Semaphore::new(limits.large_bodies)),
        }
    }

    /// Takes a connection's permit.
    pub fn connection(&self, address: IpAddr) -> Option<ConnectionPermit> {
        Some(ConnectionPermit { _all: self.connections.take()?, _address: self.per_address.take(address)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
