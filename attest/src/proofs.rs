//! What a peer proved on its channel, besides its certificate. It lives and dies with the channel.

use std::time::{Duration, Instant};

use rustls_pki_types::UnixTime;

use crate::attested::Attested;
use crate::cert::{Peer, Principal, PrincipalName, Principals};
use crate::error::AttestError;

/// A point in time by both clocks, so that no jump of either makes anything younger than it is.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The clock that is never set, and stands still while the system sleeps.
    pub steady: Instant,
    /// The clock that people set.
    pub wall: UnixTime,
}

impl Moment {
    /// How long ago this was at `now`, by whichever clock says longer.
    pub fn age(self, now: Self) -> Duration {
        let steady = now.steady.saturating_duration_since(self.steady);
        let wall = Duration::from_secs(now.wall.as_secs().saturating_sub(self.wall.as_secs()));
        steady.max(wall)
    }
}

/// What a peer proved on one channel. Never part of anything that outlives it: no ticket, no record, no other channel.
#[derive(Clone, Debug, Default)]
pub struct Proofs {
    fresh: Option<Moment>,
    principals: Vec<Principal>,
}

impl Proofs {
    /// Fresh evidence was verified for this channel ([`crate::Purpose::Freshness`]). It counts from `asked`, when the
    /// challenge was made that it answers: what it says can't be older than that.
    ///
    /// What it measured, and on which chip, has to be what the peer's certificate says, or another machine answered.
    pub fn prove_fresh(
        &mut self,
        attested: &Attested,
        peer: &Peer,
        asked: Moment,
    ) -> Result<(), AttestError> {
        if !attested.challenge_fresh() {
            return Err(AttestError::Unbound);
        }
        // The chip is compared where the certificate names one: evidence that hides it then is another machine's.
        let chip = peer.extension().and_then(|extension| extension.chip_id);
        let same_chip = chip.is_none() || chip == attested.machine().chip_id;
        if peer.measurement() != Some(attested.measurement()) || !same_chip {
            return Err(AttestError::OtherMachine);
        }
        self.fresh = Some(asked);
        Ok(())
    }

    /// These principals proved themselves on this channel.
    pub fn prove_principals(&mut self, principals: Vec<Principal>) {
        for new in principals {
            self.principals.retain(|known| known.name() != new.name());
            self.principals.push(new);
        }
    }

    /// What of it counts at `now`, in a domain that knows these principals.
    pub fn standing(&self, known: &Principals, now: Moment) -> Standing<'_> {
        Standing {
            age: self.fresh.map(|moment| moment.age(now)),
            principals: self
                .principals
                .iter()
                .filter(|principal| known.still_know(principal, now.wall))
                .map(Principal::name)
                .collect(),
        }
    }
}

/// What of a peer's proofs counts at one moment. By default nothing is known, and a condition on what isn't known
/// denies.
#[derive(Clone, Debug, Default)]
pub struct Standing<'a> {
    age: Option<Duration>,
    principals: Vec<&'a PrincipalName>,
}

impl Standing<'_> {
    /// How old its fresh evidence is; `None` where it gave none on this channel.
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Whether this principal proved itself on this channel.
    pub fn is_principal(&self, name: &PrincipalName) -> bool {
        self.principals.contains(&name)
    }

    /// All principals that did.
    pub fn principals(&self) -> impl Iterator<Item = &PrincipalName> {
        self.principals.iter().copied()
    }
}
