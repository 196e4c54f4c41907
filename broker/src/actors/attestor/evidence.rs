//! Evidence in two steps, as attestors take it: a [`Claim`] is screened, what it lacks is found elsewhere, and the
//! [`Endorsed`] is verified.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use claviger_attest::{
    AttestError, Attested, EndorsementNeeded, Endorsements, Expected, ListedBroker, Screened, ScreenedBroker,
    ScreenedStock, SnpChainCache, SnpRevocationList, SnpRule, StockExpected, screen, screen_stock,
};
use claviger_client::endorsements::{Endorser, Vcek};
use claviger_proto::trust::EvidencePackage;
use parking_lot::RwLock;
use rustls::pki_types::UnixTime;

use super::Rejected;
use crate::domain::Domain;

/// Evidence as it was submitted, and what it has to be about.
pub struct Claim {
    /// The type that it is submitted as.
    pub submitted: String,
    /// What was submitted.
    pub evidence: EvidencePackage,
    /// What it has to be bound to.
    pub binding: [u8; 64],
    /// The key that it has to be about, SPKI DER.
    pub spki: Vec<u8>,
}

/// Evidence of a stock program, as it was submitted.
pub struct StockClaim {
    /// The type that it is submitted as.
    pub submitted: String,
    /// What was submitted.
    pub evidence: EvidencePackage,
    /// How old it may be.
    pub window: Duration,
}

/// Evidence that passed the screen: an agent's by the measurements that the domain trusts, or a broker's by the list of
/// brokers. What is proven at the end is of a type of its own, so that neither can be taken for the other.
pub trait Passed: Sized + Send + 'static {
    /// As what it is submitted.
    type Claim: Send + Sync;
    /// What it proves when its signatures hold.
    type Proof;

    /// Checks all of a claim that costs no signature.
    fn screen(domain: &Domain, claim: &Self::Claim, now: UnixTime) -> Result<Self, AttestError>;

    /// The certificate that has to be found for it, if one has.
    fn needs(&self) -> Option<EndorsementNeeded>;

    /// Verifies the signatures.
    fn verify(self, endorsements: &Endorsements<'_>, now: UnixTime) -> Result<Self::Proof, AttestError>;
}

impl Passed for Screened {
    type Claim = Claim;
    type Proof = Attested;

    fn screen(domain: &Domain, claim: &Claim, now: UnixTime) -> Result<Self, AttestError> {
        let trusted = &domain.trust.policy.references;
        screen(&claim.submitted, &claim.evidence, trusted, &claim.expected(), now)
    }

    fn needs(&self) -> Option<EndorsementNeeded> {
        Self::needs(self)
    }

    fn verify(self, endorsements: &Endorsements<'_>, now: UnixTime) -> Result<Attested, AttestError> {
        Self::verify(self, endorsements, now)
    }
}

impl Passed for ScreenedBroker {
    type Claim = Claim;
    type Proof = ListedBroker;

    fn screen(domain: &Domain, claim: &Claim, now: UnixTime) -> Result<Self, AttestError> {
        domain.trust.policy.screen_broker(&claim.submitted, &claim.evidence, &claim.expected(), now)
    }

    fn needs(&self) -> Option<EndorsementNeeded> {
        Self::needs(self)
    }

    fn verify(self, endorsements: &Endorsements<'_>, now: UnixTime) -> Result<ListedBroker, AttestError> {
        Self::verify(self, endorsements, now)
    }
}

impl Passed for ScreenedStock {
    type Claim = StockClaim;
    type Proof = Attested;

    fn screen(domain: &Domain, claim: &StockClaim, now: UnixTime) -> Result<Self, AttestError> {
        let expected = StockExpected { policy_key: domain.policy.public_key(), window: claim.window };
        let trusted = &domain.trust.policy.references;
        screen_stock(&claim.submitted, &claim.evidence, trusted, &expected, now)
    }

    fn needs(&self) -> Option<EndorsementNeeded> {
        Self::needs(self)
    }

    fn verify(self, endorsements: &Endorsements<'_>, now: UnixTime) -> Result<Attested, AttestError> {
        Self::verify(self, endorsements, now)
    }
}

impl Claim {
    fn expected(&self) -> Expected<'_> {
        Expected { binding: &self.binding, spki: &self.spki }
    }
}

/// Check all of this evidence that costs no signature. What doesn't pass makes no more work, here or elsewhere.
pub struct Screen<S: Passed> {
    /// Whose policy counts.
    pub domain: Arc<Domain>,
    /// The evidence.
    pub claim: Arc<S::Claim>,
    /// Now.
    pub now: UnixTime,
    /// As whose evidence.
    pub of: PhantomData<S>,
}

impl<S: Passed> Message for Screen<S> {
    type Result = Result<S, Rejected>;
}

impl<S: Passed> Screen<S> {
    pub(super) fn run(&self) -> Result<S, Rejected> {
        Ok(S::screen(&self.domain, &self.claim, self.now)?)
    }
}

/// Evidence that passed the screen, with the certificate that was found for it, if it needs one.
pub struct Endorsed<S = Screened> {
    /// What passed.
    pub screened: S,
    /// What was found; nobody has verified it.
    pub found: Option<(Vcek, Vec<u8>)>,
}

/// What attestors verify with; clones share it.
#[derive(Clone)]
pub struct Verifier {
    chains: Arc<SnpChainCache>,
    endorser: Endorser,
    /// Certificates above those of chips' keys, for all evidence.
    authorities: Arc<RwLock<Arc<[Vec<u8>]>>>,
    /// Revocation lists, for all evidence.
    lists: Arc<RwLock<Arc<[SnpRevocationList]>>>,
}

impl Verifier {
    /// One that knows no chain yet; `endorser` is told which of its certificates are any good.
    pub fn new(endorser: Endorser) -> Self {
        let chains = Arc::new(SnpChainCache::new());
        Self { chains, endorser, authorities: Arc::default(), lists: Arc::default() }
    }

    /// Has these certificates of ASKs and ASVKs (DER) stand beside all evidence from now on.
    pub fn set_authorities(&self, authorities: Vec<Vec<u8>>) {
        *self.authorities.write() = authorities.into();
    }

    /// Has these revocation lists stand beside all evidence from now on, that of known chains as well.
    pub fn set_lists(&self, lists: Vec<SnpRevocationList>) {
        *self.lists.write() = lists.into();
    }

    /// Verifies the signatures, up to a root that counts.
    pub(super) fn verify<S: Passed>(
        &self,
        endorsed: Endorsed<S>,
        now: UnixTime,
    ) -> Result<S::Proof, AttestError> {
        let Endorsed { screened, found } = endorsed;
        let mut certificates = self.authorities.read().to_vec();
        certificates.extend(found.as_ref().map(|(_, certificate)| certificate.clone()));
        let lists = Arc::clone(&self.lists.read());
        let endorsements =
            Endorsements { certificates: &certificates, crls: &[], lists: &lists, cache: Some(&self.chains) };
        let result = screened.verify(&endorsements, now);
        match (&result, &found) {
            (Ok(_), Some((vcek, certificate))) => self.endorser.proven(vcek, certificate),
            (Err(error), Some((vcek, _))) if blames_certificate(error) => self.endorser.forget(vcek),
            _ => {}
        }
        result
    }
}

/// Whether it may be the certificate that is bad: neither the report's signature, nor what only the domain demands.
fn blames_certificate(error: &AttestError) -> bool {
    use SnpRule::{Chip, CspId, ReportSignature, Revocation, VekPresent};
    match error {
        AttestError::Endorsement(_) => true,
        AttestError::Snp { rule, .. } => {
            *rule >= VekPresent && !matches!(rule, CspId | Chip | Revocation | ReportSignature)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t45_a_forged_report_costs_nobody_the_certificate_that_is_known() {
        let blamed = |rule| blames_certificate(&AttestError::Snp { rule, why: String::new() });
        for rule in [SnpRule::VekPresent, SnpRule::VekTcb, SnpRule::ChipIdMatch, SnpRule::VekSignature] {
            assert!(blamed(rule), "{rule}");
        }
        for rule in [SnpRule::Debug, SnpRule::TcbReserved, SnpRule::Chip, SnpRule::ReportSignature] {
            assert!(!blamed(rule), "{rule}");
        }
        assert!(
            blames_certificate(&AttestError::Endorsement("")) && !blames_certificate(&AttestError::Unbound)
        );
    }
}
