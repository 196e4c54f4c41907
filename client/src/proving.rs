//! Answering a broker's challenge on an open channel: fresh evidence of this machine, or who is behind it.

use claviger_attest::{PolicyCertificate, Purpose, SigningKey, certificate_spki, sign_as_principal};
use claviger_proto::ParseError;
use claviger_proto::key::{PrivateKey, PublicKey};
use claviger_proto::key_service::{Challenge, Credentials, FreshEvidence, Needs, Proof};
use rustls_pki_types::UnixTime;

use crate::admission::{bind, collect};
use crate::error::Error;
use crate::evidence::Collector;
use crate::identity::Identity;
use crate::wire::Wire;

/// A principal's credentials: certificates that lead to one that the domain knows, and the key of the first. No
/// `Debug`, no `Clone`.
pub struct PrincipalKey {
    chain: Vec<Vec<u8>>,
    key: SigningKey,
    /// As the certificate has it, byte for byte.
    spki: Vec<u8>,
}

impl PrincipalKey {
    /// Joins them. `chain` is certificates in DER, the principal's own first; the key is that one's, or this fails.
    pub fn new(chain: Vec<Vec<u8>>, key: &PrivateKey) -> Result<Self, Error> {
        let key = SigningKey::from_private(key)?;
        let own = chain.first().ok_or(ParseError::Missing("certificate"))?;
        let spki = certificate_spki(own).map_err(|_| ParseError::Certificate("it isn't one of version 3"))?;
        if !key.public().same_numbers(&PublicKey::from_spki_der(&spki)?) {
            return Err(ParseError::Key("it isn't the certificate's").into());
        }
        Ok(Self { chain, key, spki })
    }
}

/// What a channel answers challenges with.
pub struct Prover {
    policy: PolicyCertificate,
    leaf: Vec<u8>,
    key: PublicKey,
    collector: Option<Collector>,
    principal: Option<PrincipalKey>,
}

impl Prover {
    /// A prover for channels of this identity; what isn't given isn't proven.
    pub fn new(
        identity: &Identity,
        collector: Option<Collector>,
        principal: Option<PrincipalKey>,
    ) -> Result<Self, Error> {
        let key = SigningKey::from_private(identity.key())?.public().clone();
        let (policy, leaf) = (identity.policy().clone(), identity.certificate().to_vec());
        Ok(Self { policy, leaf, key, collector, principal })
    }

    /// What of these needs it can answer. Evidence comes last, for it ages.
    pub(crate) fn can(&self, needs: Needs) -> Option<Needs> {
        if needs.principal && self.principal.is_some() {
            return Some(Needs { principal: true, freshness: false });
        }
        let fresh = needs.freshness && self.collector.is_some();
        fresh.then_some(Needs { principal: false, freshness: true })
    }

    /// The answer to a challenge of this channel.
    pub(crate) async fn answer(
        &self,
        wire: &mut Wire,
        challenge: &Challenge,
        needs: Needs,
        now: UnixTime,
    ) -> Result<Option<Proof>, Error> {
        let bind = |wire: &Wire, purpose, of: Option<&[u8]>| {
            bind(wire, purpose, &self.policy, &self.leaf, of, &challenge.nonce)
        };
        match (&self.principal, &self.collector) {
            (Some(principal), _) if needs.principal => {
                let binding = bind(wire, Purpose::Principal, Some(&principal.spki))?;
                let signature = sign_as_principal(&principal.key, &binding)?;
                Ok(Some(Proof::Principal(Credentials { chain: principal.chain.clone(), signature })))
            }
            (_, Some(collector)) if needs.freshness => {
                let binding = bind(wire, Purpose::Freshness, None)?;
                let evidence = collect(wire, collector, &self.key, &binding, None, now).await?;
                let submitted = collector.kind().submitted_evidence_type().to_owned();
                Ok(Some(Proof::Freshness(FreshEvidence { submitted, evidence })))
            }
            _ => Ok(None),
        }
    }
}
