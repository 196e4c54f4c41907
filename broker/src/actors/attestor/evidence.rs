//! Evidence in two steps, as attestors take it: a [`Claim`] is screened, what it lacks is found elsewhere, and the
//! [`Endorsed`] is verified.

use std::sync::Arc;

use actix::Message;
use claviger_attest::{
    AttestError, Attested, Endorsements, Expected, Screened, SnpChainCache, SnpRule, screen,
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

/// Check all of this evidence that costs no signature. What doesn't pass makes no more work, here or elsewhere.
#[derive(Message)]
#[rtype(result = "Result<Screened, Rejected>")]
pub struct Screen {
    /// Whose policy counts.
    pub domain: Arc<Domain>,
    /// The evidence.
    pub claim: Arc<Claim>,
    /// Now.
    pub now: UnixTime,
}

impl Screen {
    pub(super) fn run(&self) -> Result<Screened, Rejected> {
        let Claim { submitted, evidence, binding, spki } = &*self.claim;
        let references = &self.domain.trust.policy.references;
        let expected = Expected { binding, spki };
        Ok(screen(submitted, evidence, references, &expected, self.now)?)
    }
}

/// Evidence that passed the screen, with the certificate that was found for it, if it needs one.
pub struct Endorsed {
    /// What passed.
    pub screened: Screened,
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
}

impl Verifier {
    /// One that knows no chain yet; `endorser` is told which of its certificates are any good.
    pub fn new(endorser: Endorser) -> Self {
        Self { chains: Arc::new(SnpChainCache::new()), endorser, authorities: Arc::default() }
    }

    /// Has these certificates of ASKs and ASVKs (DER) stand beside all evidence from now on.
    pub fn set_authorities(&self, authorities: Vec<Vec<u8>>) {
        *self.authorities.write() = authorities.into();
    }

    /// Verifies the signatures, up to a root that counts.
    pub(super) fn verify(&self, endorsed: Endorsed, now: UnixTime) -> Result<Attested, AttestError> {
        let Endorsed { screened, found } = endorsed;
        let mut certificates = self.authorities.read().to_vec();
        certificates.extend(found.as_ref().map(|(_, certificate)| certificate.clone()));
        let endorsements = Endorsements { certificates: &certificates, crls: &[], cache: Some(&self.chains) };
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
