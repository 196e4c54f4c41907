//! The mutually authenticated channel to a broker: many requests, one after the other.

use std::sync::Arc;

use claviger_attest::BrokerMeasurements;
use claviger_proto::key_service::{
    Challenge, Needs, Outcome, Refusal, Request, Response, decode_response, encode_challenge_request,
};
use claviger_proto::limits::MAX_KEY_SERVICE_FRAME;
use claviger_proto::trust::TrustResponse;
use claviger_proto::{DomainName, Entry, ResourceName, Version};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use crate::address::Address;
use crate::error::{Error, ProtocolFault, Service};
use crate::identity::Identity;
use crate::proving::Prover;
use crate::timeouts::Timeouts;
use crate::tls::{Session, Trust};
use crate::wire::Wire;

/// How to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Where certificates' dates are compared with; the system's clock by default.
    pub time: Arc<dyn TimeProvider>,
    /// Which brokers of the domain are accepted, by measurement; by default those that the identity names, or any.
    pub measurements: BrokerMeasurements,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            time: Arc::new(DefaultTimeProvider),
            measurements: BrokerMeasurements::Any,
        }
    }
}

/// An identity made ready for connecting, once for many channels.
pub struct Connector {
    session: Session,
    timeouts: Timeouts,
    time: Arc<dyn TimeProvider>,
}

impl Connector {
    /// Prepares. Fails only where the private key can't be used or isn't the certificate's.
    pub fn new(identity: &Identity, options: &Options) -> Result<Self, Error> {
        let trust =
            Trust::new(identity.domain(), identity.policy(), &identity.demands(&options.measurements));
        let session = Session::admitted(trust, identity, &options.time)?;
        Ok(Self { session, timeouts: options.timeouts, time: Arc::clone(&options.time) })
    }

    /// Opens a channel. It is the domain's broker on the other end, or there is no channel.
    ///
    /// In TLS 1.3 the broker judges *our* certificate after we are done: its refusal arrives as
    /// [`Error::CertificateRefused`] from the first request.
    pub async fn connect(&self, broker: &Address) -> Result<Channel, Error> {
        let wire = Wire::connect(broker, &self.session, self.timeouts).await?;
        Ok(Channel { time: Arc::clone(&self.time), ..Channel::over(wire, &self.session) })
    }
}

/// A channel to the domain's broker.
///
/// Requests go one at a time. A channel whose request failed in transit, or whose future was dropped before
/// its end, answers only [`Error::ChannelSpent`] from then on, so that no answer is taken for another's. A
/// refusal doesn't spend it.
pub struct Channel {
    wire: Wire,
    domain: DomainName,
    spent: bool,
    time: Arc<dyn TimeProvider>,
    prover: Option<Prover>,
}

impl Channel {
    /// The domain whose broker is on the other end.
    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// Opens a channel; for many with one identity, keep a [`Connector`].
    pub async fn connect(broker: &Address, identity: &Identity, options: &Options) -> Result<Self, Error> {
        Connector::new(identity, options)?.connect(broker).await
    }

    pub(crate) fn over(wire: Wire, session: &Session) -> Self {
        let time = Arc::new(DefaultTimeProvider);
        Self { wire, domain: session.domain.clone(), spent: false, time, prover: None }
    }

    /// From now on challenges are answered with what this prover has, and what was asked is asked again. Without one, or
    /// where it isn't enough, the request ends with the broker's refusal, [`claviger_proto::ErrorCode::ProofNeeded`].
    #[must_use]
    pub fn proving(mut self, prover: Prover) -> Self {
        self.prover = Some(prover);
        self
    }

    /// Proves, before anything needs it, all that the prover has, fresh evidence last.
    pub async fn prove(&mut self) -> Result<(), Error> {
        for needs in
            [Needs { principal: true, freshness: false }, Needs { principal: false, freshness: true }]
        {
            if self.prover.as_ref().is_none_or(|prover| prover.can(needs).is_none()) {
                continue;
            }
            match self.exchange(&encode_challenge_request(), None).await {
                Err(Error::Refused { refusal: Refusal { challenge: Some(challenge), .. }, .. }) => {
                    self.answer(&challenge, needs).await?;
                }
                Err(error) => return Err(error),
                Ok(_) => return Err(self.unrelated()),
            }
        }
        Ok(())
    }

    pub(crate) async fn request(
        &mut self,
        request: Request,
        asked: Option<Version>,
    ) -> Result<Outcome, Error> {
        let body = request.encode(&self.domain);
        let mut proven = Needs::default();
        loop {
            let error = match self.exchange(&body, asked).await {
                Err(error) => error,
                Ok(outcome) => return Ok(outcome),
            };
            let Error::Refused { refusal: Refusal { challenge: Some(challenge), .. }, .. } = &error else {
                return Err(error);
            };
            // Each once: what is asked for again after it was proven isn't to be had so.
            let left = Needs {
                principal: challenge.needs.principal && !proven.principal,
                freshness: challenge.needs.freshness && !proven.freshness,
            };
            let Some(next) = self.prover.as_ref().and_then(|prover| prover.can(left)) else {
                return Err(error);
            };
            self.answer(&challenge.clone(), next).await?;
            proven = proven.and(next);
        }
    }

    /// Answers a challenge.
    async fn answer(&mut self, challenge: &Challenge, needs: Needs) -> Result<(), Error> {
        let now = self.time.current_time().ok_or(Error::NoClock)?;
        let Some(prover) = &self.prover else { return Ok(()) };
        let Some(proof) = prover.answer(&mut self.wire, challenge, needs, now).await? else { return Ok(()) };
        match self.exchange(&proof.encode(), None).await? {
            Outcome::Proven => Ok(()),
            _ => Err(self.unrelated()),
        }
    }

    /// Sends one message, and reads its answer; a refusal is an error.
    async fn exchange(&mut self, body: &[u8], asked: Option<Version>) -> Result<Outcome, Error> {
        if std::mem::replace(&mut self.spent, true) {
            return Err(Error::ChannelSpent);
        }
        let answer = self.wire.exchange(body, MAX_KEY_SERVICE_FRAME).await?;
        let decoded = decode_response(answer, asked);
        // Admission speaks first: its challenge is no answer of ours, and no refusal either.
        if !matches!(&decoded, Ok(Response { outcome, .. }) if !matches!(outcome, Outcome::Refused(_)))
            && matches!(TrustResponse::decode_body(answer), Ok((TrustResponse::Challenge(_), _)))
        {
            let address = self.wire.address().clone();
            return Err(Error::WrongPort { address, found: Service::Admission });
        }
        let Response { request_id, outcome } = decoded.map_err(|fault| self.wire.fault(fault))?;
        self.spent = false;
        match outcome {
            Outcome::Refused(refusal) => Err(Error::Refused { refusal, request_id }),
            outcome => Ok(outcome),
        }
    }

    pub(crate) fn is(&self, entry: &Entry, name: &ResourceName, version: Option<Version>) -> bool {
        // The tag is the name as the broker keeps it, or as it goes over the wire.
        let named = entry.tag == name.as_str()
            || ResourceName::parse_in(&self.domain, &entry.tag).is_ok_and(|tag| tag == *name);
        named && entry.version.is_some() && (version.is_none() || version == entry.version)
    }

    pub(crate) fn unrelated(&mut self) -> Error {
        self.spent = true;
        self.wire.fault(ProtocolFault::Unrelated)
    }
}
