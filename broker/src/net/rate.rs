//! How often handshakes may begin: a token bucket for all, and one for each address. A bucket holds what one
//! second gives.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;

/// A full bucket, as time: it fills in a second.
const FULL: u64 = 1_000_000_000;

/// Addresses that may be remembered before those with full buckets are looked for and forgotten.
const FEW: usize = 4_096;

/// Both buckets of handshakes, shared by all shards.
#[derive(Debug)]
pub struct HandshakeRate {
    began: Instant,
    /// When the bucket of all is full again, in nanoseconds since `began`.
    all: AtomicU64,
    per_second: AtomicU32,
    /// The same for each address; one that isn't here has a full bucket.
    each: DashMap<IpAddr, u64>,
    per_second_each: AtomicU32,
    /// With how many addresses it is tidied next.
    tidy_at: AtomicUsize,
    begun: AtomicUsize,
}

/// Whose rate is too high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooFast {
    /// All of them together.
    All,
    /// This address.
    Address,
    /// This domain.
    Domain,
}

impl HandshakeRate {
    /// Buckets that are full, and get so many tokens in a second.
    pub fn new(per_second: u32, per_second_each: u32) -> Self {
        Self {
            began: Instant::now(),
            all: AtomicU64::new(0),
            per_second: per_second.into(),
            each: DashMap::new(),
            per_second_each: per_second_each.into(),
            tidy_at: FEW.into(),
            begun: 0.into(),
        }
    }

    /// Sets other rates, from now on.
    pub fn set(&self, per_second: u32, per_second_each: u32) {
        self.per_second.store(per_second, Ordering::Relaxed);
        self.per_second_each.store(per_second_each, Ordering::Relaxed);
    }

    /// Takes a token for a handshake with `address`, now, if `domain` has one too.
    pub fn take<E>(&self, address: IpAddr, domain: impl FnOnce() -> Result<(), E>) -> Result<(), TooFast> {
        self.take_at(address, self.began.elapsed(), || domain().map_err(|_| TooFast::Domain))
    }

    /// The address comes first, then the domain: what one of them may not do takes nothing from the others.
    fn take_at(
        &self,
        address: IpAddr,
        now: Duration,
        domain: impl FnOnce() -> Result<(), TooFast>,
    ) -> Result<(), TooFast> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.tidy(now);
        let token = |rate: &AtomicU32| FULL / u64::from(rate.load(Ordering::Relaxed).max(1));
        {
            let mut full_at = self.each.entry(network(address)).or_insert(0);
            *full_at = with_token(*full_at, now, token(&self.per_second_each)).ok_or(TooFast::Address)?;
        }
        domain()?;
        let token = token(&self.per_second);
        let take = |full_at| with_token(full_at, now, token);
        self.all.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).map_err(|_| TooFast::All)?;
        Ok(())
    }

    /// Forgets addresses whose bucket is full: in all, as many steps as there were handshakes.
    fn tidy(&self, now: u64) {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        if begun < self.tidy_at.load(Ordering::Relaxed) {
            return;
        }
        self.begun.store(0, Ordering::Relaxed);
        self.each.retain(|_, full_at| *full_at > now);
        self.tidy_at.store(FEW.max(self.each.len()), Ordering::Relaxed);
    }
}

/// When a bucket that is full at `full_at` is full again with a token taken `now`; `None` when it has none.
fn with_token(full_at: u64, now: u64, token: u64) -> Option<u64> {
    let full_at = full_at.max(now) + token;
    (full_at - now <= FULL).then_some(full_at)
}

/// What is counted as one address: who has an IPv6 network has all of its addresses.
pub fn network(address: IpAddr) -> IpAddr {
    const HOST: u128 = (1 << 64) - 1;
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !HOST).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn take(rate: &HandshakeRate, address: IpAddr, now: Duration) -> Result<(), TooFast> {
        rate.take_at(address, now, || Ok(()))
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn t31_an_address_has_its_own_rate_and_the_others_theirs() {
        let rate = HandshakeRate::new(1000, 4);
        let a = || take(&rate, ip("10.0.0.1"), ms(5));
        assert!((0..4).all(|_| a().is_ok()));
        assert_eq!(a(), Err(TooFast::Address));
        assert_eq!(take(&rate, ip("10.0.0.2"), ms(5)), Ok(()));
        // A quarter of a second gives one token.
        assert_eq!(take(&rate, ip("10.0.0.1"), ms(254)), Err(TooFast::Address));
        assert_eq!(take(&rate, ip("10.0.0.1"), ms(256)), Ok(()));
        assert_eq!(take(&rate, ip("10.0.0.1"), ms(256)), Err(TooFast::Address));
    }

    #[test]
    fn t31_all_together_have_one_rate() {
        let rate = HandshakeRate::new(3, 100);
        let each = |host: u8| take(&rate, IpAddr::from([10, 0, 0, host]), ms(0));
        assert!((0..3).all(|host| each(host).is_ok()));
        assert_eq!(each(3), Err(TooFast::All));
        rate.set(1_000_000, 100);
        assert_eq!(take(&rate, ip("10.0.0.9"), ms(1)), Ok(()));
    }

    #[test]
    fn t34_a_domain_without_a_token_takes_none_of_all_and_an_address_without_one_none_of_the_domain() {
        let rate = HandshakeRate::new(1, 2);
        let no = || Err(TooFast::Domain);
        assert_eq!(rate.take_at(ip("10.0.0.1"), ms(0), no), Err(TooFast::Domain));
        assert_eq!(rate.take_at(ip("10.0.0.1"), ms(0), no), Err(TooFast::Domain));
        assert_eq!(
            rate.take_at(ip("10.0.0.1"), ms(0), || panic!("the address has none")),
            Err(TooFast::Address)
        );
        assert_eq!(take(&rate, ip("10.0.0.2"), ms(0)), Ok(()));
        assert_eq!(take(&rate, ip("10.0.0.2"), ms(0)), Err(TooFast::All));
    }

    #[test]
    fn t31_one_network_is_one_address() {
        let rate = HandshakeRate::new(1000, 1);
        assert_eq!(take(&rate, ip("2001:db8::1"), ms(0)), Ok(()));
        assert_eq!(take(&rate, ip("2001:db8::ffff"), ms(0)), Err(TooFast::Address));
        assert_eq!(take(&rate, ip("2001:db8:0:1::1"), ms(0)), Ok(()));
        assert_eq!(network(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }

    #[test]
    fn addresses_with_full_buckets_are_forgotten() {
        let rate = HandshakeRate::new(1_000_000, 10);
        for host in 0..100_000_u32 {
            let now = Duration::from_micros(u64::from(host) * 100);
            assert_eq!(take(&rate, IpAddr::from(host.to_be_bytes()), now), Ok(()));
        }
        assert!(rate.each.len() < 4 * FEW, "{}", rate.each.len());
    }
}
