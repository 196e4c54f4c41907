//! What a broker elsewhere does at its home: it proves what it runs, and gets a domain.

use claviger_attest::{
    BrokerMeasurements, KeyAlgorithm, PolicyCertificate, Purpose, Role, SigningKey, self_signed_agent,
    verify_broker,
};
use claviger_proto::limits::MAX_DOMAIN_STATE_FRAME;
use claviger_proto::trust::{PURPOSE_BROKER_ENROLLMENT, PURPOSE_BROKER_STATE};
use claviger_proto::{DomainName, DomainState, Secret};

use crate::address::Address;
use crate::admission::{bind_as, challenge, collect, request, submit_within};
use crate::channel::Options;
use crate::error::{Error, ProtocolFault};
use crate::evidence::Collector;
use crate::tls::{self, Session, Trust};
use crate::wire::Wire;

/// What to pull, and with which proof.
pub struct Pull<'a> {
    /// Which domain.
    pub domain: &'a DomainName,
    /// Its policy certificate: what home has to be under, and the broker's own certificate as well.
    pub policy: &'a PolicyCertificate,
    /// Where the evidence comes from.
    pub collector: &'a Collector,
    /// The broker's certificate in the domain; `None` to get one, for a new key.
    pub identity: Option<&'a BrokerLeaf>,
}

/// A broker's certificate in a domain, with its key. No `Debug`, no `Clone`.
pub struct BrokerLeaf {
    /// DER.
    pub certificate: Vec<u8>,
    /// PKCS#8 DER.
    pub key: Secret,
}

/// What was pulled.
pub struct Pulled {
    /// The domain as it is at home.
    pub state: DomainState,
    /// The new certificate, if one was asked for. It was checked: a broker's, under the policy certificate, valid now,
    /// and for that key.
    pub identity: Option<BrokerLeaf>,
}

/// Opens a channel to the home broker's admission port, proves what this broker runs, and gets the domain; and first a
/// certificate for a new key, where there is none. The evidence is bound to this very channel, over which the answer comes.
///
/// Nothing is kept anywhere, and nothing of the state is looked at.
pub async fn pull(home: &Address, pull: &Pull<'_>, options: &Options) -> Result<Pulled, Error> {
    let now = options.time.current_time().ok_or(Error::NoClock)?;
    let (key, leaf, purposes) = match pull.identity {
        None => {
            let key = SigningKey::generate(KeyAlgorithm::P256)?;
            let leaf = self_signed_agent(&key, now)?;
            (key, leaf, (PURPOSE_BROKER_ENROLLMENT, Purpose::Enroll))
        }
        Some(own) => {
            let key = SigningKey::from_private(&claviger_proto::key::PrivateKey::from_pkcs8_der(
                Secret::copy_from(own.key.expose()),
            )?)?;
            (key, own.certificate.clone(), (PURPOSE_BROKER_STATE, Purpose::Freshness))
        }
    };
    let trust = Trust::new(pull.domain, pull.policy, &options.measurements);
    // As to TLS any certificate will do: what it is worth is judged with the evidence.
    let session = Session::self_signed(trust, &leaf, key.pkcs8_der(), &options.time)?;
    let mut wire = Wire::connect(home, &session, options.timeouts).await?;
    let nonce = challenge(&mut wire).await?;
    let spki = Some(key.public().spki_der());
    let binding = bind_as(Role::Broker, &wire, purposes.1, pull.policy, &leaf, spki, &nonce)?;
    let evidence = collect(&mut wire, pull.collector, key.public(), &binding, None, now).await?;
    let request = request(purposes.0, pull.collector, evidence);
    let answer = Secret::new(submit_within(&mut wire, &request, MAX_DOMAIN_STATE_FRAME).await?);
    let mut state = DomainState::decode(answer.expose()).map_err(|fault| wire.fault(fault))?;
    let identity = match (pull.identity, state.certificate.take()) {
        (Some(_), None) => None,
        (None, Some(certificate)) => {
            let any = BrokerMeasurements::Any;
            verify_broker(pull.policy, pull.domain, &certificate, &any, now)
                .map_err(|fault| wire.fault(ProtocolFault::Certificate(fault)))?;
            tls::certified(&certificate, &[], key.pkcs8_der())
                .map_err(|_| wire.fault(ProtocolFault::OtherKey))?;
            Some(BrokerLeaf { certificate, key: Secret::copy_from(key.pkcs8_der()) })
        }
        _ => return Err(wire.fault(ProtocolFault::Unrelated)),
    };
    Ok(Pulled { state, identity })
}
