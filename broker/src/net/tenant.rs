//! What a domain takes of the broker while it runs, and how much of it it may: its rates, its connections, and its share
//! of the places that all domains draw from.
//!
//! One of these lives as long as its domain does, across all snapshots of it, and is shared by all shards. What is
//! decided on the way of a request takes no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use claviger_proto::DomainName;
use claviger_proto::admin::Quotas;
use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::permits::{Gauge, Place, Places};
use crate::config::{Limits, Live};
use crate::ops::domains::{DomainMeters, Meter};

/// A second, in the nanoseconds that buckets count in.
const SECOND: u64 = 1_000_000_000;

/// Tokens that a bucket holds at least, if a second gives as many: so that who does a few things at once isn't refused.
const AT_ONCE: u32 = 100;

/// Seconds' worth of handshakes that a domain may begin at once: its machines boot together, and then keep their
/// connections. A rate that would let all of them in within a second would let a flood take a quarter of a core for good.
const BOOT_TOGETHER: u32 = 5;

/// A token bucket.
#[derive(Debug, Default)]
pub struct Bucket {
    /// When it is full again, in nanoseconds since the tenants began.
    full_at: AtomicU64,
}

impl Bucket {
    fn fill(&self) {
        self.full_at.store(0, Ordering::Relaxed);
    }

    /// Takes a token `now`, of so many that a second gives and so many that it holds; or says after how long there will be
    /// one.
    pub fn take(&self, per_second: u32, holds: u32, now: u64) -> Result<(), Duration> {
        let per_second = per_second.max(1);
        let token = SECOND / u64::from(per_second);
        let holds = u64::from(holds.max(1)) * token;
        let with_token = |full_at: u64| full_at.max(now) + token;
        let update = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let full_at = with_token(full_at);
            (full_at - now <= holds).then_some(full_at)
        });
        update.map(drop).map_err(|full_at| Duration::from_nanos(with_token(full_at) - now - holds))
    }
}

/// What a domain takes.
#[derive(Debug)]
pub struct Tenant {
    began: Instant,
    requests: Bucket,
    handshakes: Bucket,
    /// What the operator says of this domain; 0 for what he doesn't.
    requests_per_second: AtomicU32,
    handshakes_per_second: AtomicU32,
    most_connections: AtomicU32,
    connections: Arc<Gauge>,
    admitting: Arc<Gauge>,
    handshaking: Arc<Gauge>,
    stores: Arc<Gauge>,
    keys: Arc<Gauge>,
    /// How many of a hundred places it may take, where all draw from the same.
    percent: usize,
    admissions: Arc<Semaphore>,
    proofs: Arc<Semaphore>,
    large_bodies: Semaphore,
    meter: Arc<Meter>,
}

/// A place of a domain's share, and the one that it is among all.
#[derive(Debug)]
pub struct SharedPlace {
    _own: Place,
    _all: Place,
}

impl Tenant {
    fn new(began: Instant, limits: &Limits, meter: Arc<Meter>) -> Self {
        let percent = limits.share_per_domain;
        let semaphore = |limit| Semaphore::new(share(limit, percent));
        let gauge = || Gauge::new(usize::MAX);
        Self {
            began,
            requests: Bucket::default(),
            handshakes: Bucket::default(),
            requests_per_second: 0.into(),
            handshakes_per_second: 0.into(),
            most_connections: 0.into(),
            connections: gauge(),
            admitting: gauge(),
            handshaking: gauge(),
            stores: gauge(),
            keys: gauge(),
            percent,
            admissions: Arc::new(semaphore(limits.admissions)),
            proofs: Arc::new(semaphore(limits.proofs)),
            large_bodies: semaphore(limits.large_bodies),
            meter,
        }
    }

    /// Counts what the domain does.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Puts what the operator says in force, from now on.
    pub fn set(&self, quotas: &Quotas) {
        let set = |to: &AtomicU32, quota: Option<u32>| {
            let quota = quota.unwrap_or(0);
            to.swap(quota, Ordering::Relaxed) != quota
        };
        set(&self.most_connections, quotas.connections);
        // Another rate begins with a full bucket: who was given more doesn't wait for what a lower one took.
        if set(&self.requests_per_second, quotas.requests_per_second) {
            self.requests.fill();
        }
        if set(&self.handshakes_per_second, quotas.handshakes_per_second) {
            self.handshakes.fill();
        }
    }

    /// A request begins, if the domain may begin one now; else after how long it may.
    pub fn request(&self, limits: &Limits) -> Result<(), Duration> {
        let rate = set_or(&self.requests_per_second, limits.requests_per_second_per_domain);
        self.requests.take(rate, at_once(rate), self.now())
    }

    /// The same for a handshake.
    pub fn handshake(&self, limits: &Limits) -> Result<(), Duration> {
        let rate = set_or(&self.handshakes_per_second, limits.handshakes_per_second_per_domain);
        self.handshakes.take(rate, rate.saturating_mul(BOOT_TOGETHER), self.now())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX / 2)
    }

    fn most_connections(&self, limits: &Limits) -> usize {
        let default = u32::try_from(limits.connections_per_domain).unwrap_or(u32::MAX);
        set_or(&self.most_connections, default) as usize
    }

    /// Whether another member may connect. It has its place only when its handshake has shown that it is one, so that who
    /// is none can't take the members' places.
    pub fn has_room(&self, limits: &Limits) -> bool {
        self.connections.taken() < self.most_connections(limits)
    }

    /// A member's connection.
    pub fn connection(&self, limits: &Limits) -> Option<Place> {
        self.connections.take_within(self.most_connections(limits))
    }

    /// A connection of somebody who wants to be admitted: as many as members may have, beside those.
    pub fn admission(&self, limits: &Limits) -> Option<Place> {
        self.admitting.take_within(self.most_connections(limits))
    }

    /// Connections of members.
    pub fn connections(&self) -> usize {
        self.connections.taken()
    }

    /// A place among the handshakes under way.
    pub fn handshaking(&self, all: &Arc<Gauge>) -> Option<SharedPlace> {
        self.shared(&self.handshaking, all)
    }

    /// A place among the stores that wait for their commit.
    pub fn store(&self, all: &Arc<Gauge>) -> Option<SharedPlace> {
        self.shared(&self.stores, all)
    }

    /// A place among the keys that are made.
    pub fn key(&self, all: &Arc<Gauge>) -> Option<SharedPlace> {
        self.shared(&self.keys, all)
    }

    fn shared(&self, own: &Arc<Gauge>, all: &Arc<Gauge>) -> Option<SharedPlace> {
        let own = own.take_within(share(all.limit(), self.percent))?;
        Some(SharedPlace { _own: own, _all: all.take()? })
    }

    /// A place of the domain's share among the attestors; waited for.
    pub async fn at_attestors(&self, places: Places) -> Option<OwnedSemaphorePermit> {
        let share = match places {
            Places::Admissions => &self.admissions,
            Places::Proofs => &self.proofs,
        };
        Arc::clone(share).acquire_owned().await.ok()
    }

    /// The domain's share of the places for large bodies; waited for.
    pub fn large_bodies(&self) -> &Semaphore {
        &self.large_bodies
    }
}

/// Requests that may come at once: a tenth of what a second gives, or [`AT_ONCE`] if that is more, and no more than a second
/// gives. A second's worth would be a second in which the others wait.
fn at_once(per_second: u32) -> u32 {
    (per_second / 10).max(AT_ONCE).min(per_second)
}

fn set_or(set: &AtomicU32, default: u32) -> u32 {
    match set.load(Ordering::Relaxed) {
        0 => default,
        set => set,
    }
}

/// A domain's share of so many places: one at least.
fn share(all: usize, percent: usize) -> usize {
    (all.saturating_mul(percent) / 100).max(1)
}

/// The tenants of a broker, by their domains' generations.
#[derive(Debug)]
pub struct Tenants {
    began: Instant,
    live: Live,
    meters: Arc<DomainMeters>,
    all: DashMap<[u8; 16], Arc<Tenant>>,
}

impl Tenants {
    /// None yet.
    pub fn new(live: Live, meters: Arc<DomainMeters>) -> Self {
        Self { began: Instant::now(), live, meters, all: DashMap::new() }
    }

    /// What a domain takes, whichever snapshot of it asks.
    pub fn of(&self, name: &DomainName, generation: &[u8; 16]) -> Arc<Tenant> {
        let new = || Arc::new(Tenant::new(self.began, &self.live.limits(), self.meters.of(name)));
        Arc::clone(&self.all.entry(*generation).or_insert_with(new))
    }

    /// The domain is deleted.
    pub fn forget(&self, name: &DomainName, generation: &[u8; 16]) {
        self.all.remove(generation);
        self.meters.forget(name);
    }

    /// What is in force for a domain of which the operator says this.
    pub fn in_force(&self, set: &Quotas) -> Quotas {
        let limits = self.live.limits();
        let number = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        Quotas {
            names: set.names.or(Some(limits.names_per_domain as u64)),
            bytes: set.bytes.or(Some(limits.bytes_per_domain as u64)),
            versions_per_name: set.versions_per_name.or(Some(limits.versions_per_name)),
            requests_per_second: set.requests_per_second.or(Some(limits.requests_per_second_per_domain)),
            handshakes_per_second: set
                .handshakes_per_second
                .or(Some(limits.handshakes_per_second_per_domain)),
            connections: set.connections.or(Some(number(limits.connections_per_domain))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn tenant(limits: &Limits) -> Tenant {
        Tenant::new(Instant::now(), limits, Arc::default())
    }

    #[test]
    fn t34_a_bucket_gives_its_rate_and_says_how_long_to_wait() {
        let bucket = Bucket::default();
        // A slow one holds a second's worth.
        assert!((0..4).all(|_| bucket.take(4, 4, 5).is_ok()));
        assert_eq!(bucket.take(4, 4, 5), Err(Duration::from_millis(250)));
        assert_eq!(bucket.take(4, 4, 5 + 100 * MS), Err(Duration::from_millis(150)));
        assert_eq!(bucket.take(4, 4, 5 + 250 * MS), Ok(()));
        // What is refused takes nothing.
        assert_eq!(bucket.take(4, 4, 5 + 250 * MS), Err(Duration::from_millis(250)));
    }

    #[test]
    fn t34_a_fast_bucket_holds_a_tenth_of_a_second() {
        for (rate, holds) in [(1, 1), (100, 100), (1_000, 100), (20_000, 2_000)] {
            let bucket = Bucket::default();
            let now = 7 * SECOND;
            assert_eq!(
                (0..100_000).take_while(|_| bucket.take(rate, at_once(rate), now).is_ok()).count(),
                holds,
                "{rate}"
            );
        }
        // Over a long time it gives no more than its rate.
        let bucket = Bucket::default();
        let given = (0..10_000).filter(|ms| bucket.take(1_000, 100, ms * MS / 4).is_ok()).count();
        assert!((2_500..=2_601).contains(&given), "{given}");
    }

    #[test]
    fn t34_a_domain_takes_at_most_its_share_of_what_all_draw_from() {
        let limits = Limits { share_per_domain: 50, ..Limits::default() };
        let (flood, quiet) = (tenant(&limits), tenant(&limits));
        let all = Gauge::new(4);
        let held: Vec<_> = (0..4).filter_map(|_| flood.store(&all)).collect();
        assert_eq!(held.len(), 2);
        let others = [quiet.store(&all), quiet.store(&all)];
        assert!(others.iter().all(Option::is_some), "half is left");
        assert!(tenant(&limits).store(&all).is_none(), "there are no more in all");
        drop((held, others));
        assert_eq!(all.taken(), 0);
        // The only place there is can be had.
        let one = Gauge::new(1);
        let place = flood.key(&one);
        assert!(place.is_some() && flood.key(&one).is_none());
    }

    #[tokio::test]
    async fn t34_a_domain_s_places_among_the_attestors_are_its_own() {
        let limits = Limits { admissions: 4, proofs: 2, ..Limits::default() };
        let flood = tenant(&limits);
        let _held =
            [flood.at_attestors(Places::Admissions).await, flood.at_attestors(Places::Admissions).await];
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, flood.at_attestors(Places::Admissions)).await.is_err());
        assert!(flood.at_attestors(Places::Proofs).await.is_some(), "proofs are apart");
        assert!(tenant(&limits).at_attestors(Places::Admissions).await.is_some());
    }

    #[test]
    fn what_the_operator_says_counts_at_once_and_its_end_too() {
        let limits = Limits { connections_per_domain: 1, ..Limits::default() };
        let tenant = tenant(&limits);
        let first = tenant.connection(&limits).expect("a place");
        assert!(!tenant.has_room(&limits) && tenant.connection(&limits).is_none());
        assert!(tenant.admission(&limits).is_some(), "who asks to be admitted takes no member's place");
        tenant.set(&Quotas { connections: Some(2), ..Quotas::default() });
        let second = tenant.connection(&limits).expect("another place");
        tenant.set(&Quotas::default());
        assert!(tenant.connection(&limits).is_none());
        drop((first, second));
        assert_eq!(tenant.connections(), 0);
    }

    #[test]
    fn another_rate_counts_at_once_and_the_same_one_again_gives_nothing() {
        let limits = Limits::default();
        let tenant = tenant(&limits);
        let rate = |requests_per_second| Quotas { requests_per_second, ..Quotas::default() };
        tenant.set(&rate(Some(1)));
        assert!(tenant.request(&limits).is_ok());
        tenant.set(&rate(Some(1)));
        assert!(tenant.requests.full_at.load(Ordering::Relaxed) > 0, "what was taken stays taken");
        tenant.set(&rate(Some(2)));
        assert!(tenant.request(&limits).is_ok());
        tenant.set(&rate(None));
        assert!((0..50).all(|_| tenant.request(&limits).is_ok()));
    }

    #[test]
    fn a_domain_keeps_its_buckets_across_snapshots() {
        let dir = tempfile::tempdir().expect("a directory");
        let flags = crate::config::Overrides { data_dir: Some(dir.path().into()), ..Default::default() };
        let config = crate::config::Config::load(None, flags).expect("a configuration");
        let tenants = Tenants::new(Live::new(&config), Arc::new(DomainMeters::new(1)));
        let name: DomainName = "fleet".parse().expect("a name");
        let one = tenants.of(&name, &[1; 16]);
        assert!(
            Arc::ptr_eq(&one, &tenants.of(&name, &[1; 16]))
                && !Arc::ptr_eq(&one, &tenants.of(&name, &[2; 16]))
        );
        tenants.forget(&name, &[1; 16]);
        assert!(!Arc::ptr_eq(&one, &tenants.of(&name, &[1; 16])), "another domain of its name begins anew");
        let set = Quotas { names: Some(5), ..Quotas::default() };
        let in_force = tenants.in_force(&set);
        assert_eq!(in_force.names, Some(5));
        assert!(in_force.named().iter().all(|(_, value)| value.is_some()));
    }
}
