//! `key-client enroll`

use claviger_attest::{BrokerMeasurements, KeyAlgorithm, PolicyCertificate};
use claviger_client::certifier::{Peer, certify};
use claviger_client::cli::slot::check_alone;
use claviger_client::cli::{Failure, OutputMode, Report, certificates, clock};
use claviger_client::state::{StateDir, StateError};
use claviger_client::{Admitted, Enrollment, Error, enroll};
use claviger_proto::DomainName;
use serde::Serialize;

use crate::args::{EnrollArgs, from_certifier, lacks};

#[derive(Serialize)]
struct Enrolled {
    domain: String,
    /// What the broker attested, lowercase hex.
    measurement: Option<String>,
    /// Which machine it is, hex, where the domain knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// What the domain's owner calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_label: Option<String>,
    /// SHA-256 of the admission certificate, hex.
    certificate_fingerprint: String,
    /// Its end, seconds since 1970.
    not_after: i64,
}

impl Enrolled {
    fn new(admitted: &Admitted) -> Self {
        let Admitted { identity, peer } = admitted;
        Self {
            domain: identity.domain().to_string(),
            measurement: peer.measurement().map(ToString::to_string),
            instance: peer.instance().map(hex::encode),
            instance_label: peer.instance_label().map(str::to_owned),
            certificate_fingerprint: hex::encode(peer.fingerprint()),
            not_after: clock::seconds(peer.not_after()),
        }
    }
}

impl Report for Enrolled {
    fn text(&self) -> String {
        let measurement = self.measurement.as_deref().unwrap_or("unknown");
        let label = self.instance_label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        let instance =
            self.instance.as_ref().map(|id| format!("\n  instance {id}{label}")).unwrap_or_default();
        format!(
            "enrolled in domain {}\n  measurement {measurement}{instance}\n  certificate {}, valid until {}",
            self.domain,
            self.certificate_fingerprint,
            clock::text(self.not_after)
        )
    }
}

/// What the identity that is replaced demands of the domain's broker: a new certificate takes none of it back.
fn remembered(state: &StateDir, domain: &DomainName) -> Result<BrokerMeasurements, Failure> {
    if !state.exists().map_err(Error::from)? {
        return Ok(BrokerMeasurements::Any);
    }
    let identity = state.load().map_err(Error::from)?.identity();
    let same = identity.filter(|identity| identity.domain() == domain);
    Ok(same.map_or(BrokerMeasurements::Any, |identity| identity.brokers().clone()))
}

/// A stock service names no domain, so nothing else would notice that the two are of different ones.
fn check_domain(domain: &DomainName, policy: &PolicyCertificate) -> Result<(), Failure> {
    match policy.domain_named().filter(|named| *named != domain.as_str()) {
        None => Ok(()),
        Some(named) => {
            let message = format!(
                "the policy certificate is that of domain {named}, not of {domain}; nothing was sent"
            );
            let next = "give --domain as the certificate names it, or that domain's own policy certificate";
            Err(Failure::new("usage", 2, message, next))
        }
    }
}

pub(crate) async fn run(args: &EnrollArgs, mode: OutputMode) -> Result<(), Failure> {
    let policy = certificates::read_policy_of(&args.policy_cert, &args.domain)?;
    let state = args.state.open()?;
    // Held to the end, so that of two enrolments at once one is refused before it is admitted.
    let lock = state.lock_or_make().map_err(Error::from)?;
    lock.allows(&args.domain, args.replace).map_err(Error::from)?;
    if args.key_slot.is_some() && state.exists().map_err(Error::from)? {
        return Err(Error::from(StateError::Exists { dir: args.state.state_dir.clone() }).into());
    }
    if let Some(spec) = &args.key_slot {
        check_alone(spec, args.no_recovery)?;
    }
    let new_slot = args.state.new_slot(args.key_slot.as_ref())?;
    let ticket = args.ticket.read()?;
    // An enrolment says anew who is on the other end.
    let peer = args.peer.resolve(Peer::Claviger)?;
    let enrollment = Enrollment {
        domain: &args.domain,
        policy: &policy,
        collector: &args.evidence,
        ticket: ticket.as_ref(),
        algorithm: args.key.unwrap_or(if peer == Peer::Claviger {
            KeyAlgorithm::P256
        } else {
            KeyAlgorithm::Rsa2048
        }),
    };
    let mut options = args.brokers.options();
    if options.measurements == BrokerMeasurements::Any {
        options.measurements = remembered(&state, &args.domain)?;
    }
    let admitted = match &peer {
        Peer::Claviger => enroll(&args.admission, &enrollment, &options).await?,
        Peer::Certifier(_) if !args.brokers.broker_measurement.is_empty() => {
            return Err(lacks(
                "role in its certificate, and no measurement that could be demanded of it (--broker-measurement)",
            ));
        }
        Peer::Certifier(_) => {
            check_domain(&args.domain, &policy)?;
            certify(&args.admission, &enrollment, &options).await.map_err(from_certifier)?
        }
    };
    match &new_slot {
        Some(slot) => lock.create_with_identity(Some(slot), &admitted.identity, clock::now()),
        None => lock.put_identity(&admitted.identity, clock::now()),
    }
    .map_err(Error::from)?;
    lock.remember_peer(&peer, &policy).map_err(Error::from)?;
    lock.remember_evidence(&args.evidence).map_err(Error::from)?;
    mode.tell(&Enrolled::new(&admitted))
}
