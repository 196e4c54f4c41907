//! Brokers elsewhere: a path of its own, for nothing that admits agents can make a broker's certificate.

use std::sync::Arc;

use actix::{Handler, Message, SyncContext};
use claviger_attest::{
    BrokerMeasurements, Issuer, Measurement, ScreenedBroker, SigningKey, sha256, verify_broker,
};
use claviger_proto::key::PrivateKey;
use claviger_proto::{DomainState, Secret};
use claviger_store::StoredDomain;
use rustls::pki_types::UnixTime;

use super::{Attestor, Endorsed, Rejected, Verifier};
use crate::actors::audit::seconds;
use crate::domain::{Domain, counted};
use crate::runtime::{panics, stack};

/// Verify the evidence of a broker elsewhere and, if it holds and the domain lists it, give it the domain.
#[derive(Message)]
#[rtype(result = "Result<Granted, Rejected>")]
pub struct Grant {
    /// Which domain.
    pub domain: Arc<Domain>,
    /// What was submitted, screened as a broker's.
    pub evidence: Endorsed<ScreenedBroker>,
    /// What is wanted.
    pub wants: Wanted,
    /// Now.
    pub now: UnixTime,
}

/// What a broker elsewhere comes for.
pub enum Wanted {
    /// A certificate for the channel's key, and the domain.
    Certificate,
    /// The domain; this is its certificate on the channel.
    State(Vec<u8>),
}

/// What a broker elsewhere is given. Carries a secret: no `Debug`, no `Clone`.
pub struct Granted {
    /// The domain as it is now, with the policy key if its owner lets that broker have it.
    pub state: DomainState,
    /// What it runs.
    pub measurement: Measurement,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
}

impl Handler<Grant> for Attestor {
    type Result = Result<Granted, Rejected>;

    fn handle(&mut self, grant: Grant, _: &mut SyncContext<Self>) -> Self::Result {
        let granted =
            panics::contain("attestor", || self::grant(&self.0, grant)).unwrap_or(Err(Rejected::Internal));
        stack::scrub();
        granted
    }
}

fn grant(verifier: &Verifier, grant: Grant) -> Result<Granted, Rejected> {
    let Grant { domain, evidence, wants, now } = grant;
    domain.policy.check_dates(now)?;
    let listed = verifier.verify(evidence, now)?;
    let measurement = *listed.attested().measurement();
    counted(domain.access.revocations.check_measurement(&measurement, now)).map_err(Rejected::Revoked)?;
    // What the snapshot has admits agents; what can certify a broker is made here, for this one.
    let stored = domain.storage.store.domain(&domain.name)?;
    let stored = stored.filter(|stored| stored.keys.generation() == domain.keys.generation());
    let StoredDomain { keys, serial, record, .. } = stored.ok_or(Rejected::Internal)?;
    if record.home.is_some() {
        return Err(Rejected::NotHome);
    }
    let policy_key = record.policy_key.ok_or(Rejected::OwnerHeld)?;
    let (certificate, fingerprint) = match wants {
        Wanted::Certificate => {
            let key = PrivateKey::from_pkcs8_der(Secret::copy_from(policy_key.expose()));
            let key = SigningKey::from_private(&key.map_err(|_| Rejected::Internal)?)
                .map_err(|_| Rejected::Internal)?;
            let issuer = Arc::new(Issuer::new(key, domain.policy.clone(), &domain.name)?);
            let certificate = issuer.into_broker_admission().admit(&listed, now)?;
            let fingerprint = sha256(&certificate);
            (Some(certificate), fingerprint)
        }
        Wanted::State(leaf) => {
            // Of the domain, and of the very measurement that the evidence has.
            let same = BrokerMeasurements::Listed([measurement].into());
            let peer = verify_broker(&domain.policy, &domain.name, &leaf, &same, now)?;
            domain.agents.check(&peer, now)?;
            (None, *peer.fingerprint())
        }
    };
    let state = DomainState {
        generation: *keys.generation(),
        serial,
        time: seconds(now),
        preset: record.preset,
        trust: record.references,
        access: record.access,
        policy_key: listed.may_issue().then_some(policy_key),
        certificate,
    };
    Ok(Granted { state, measurement, fingerprint })
}
