//! Where a broker is, which one will do, and what this machine can prove to it.

use std::path::{Path, PathBuf};

use clap::Args;
use claviger_attest::{BrokerMeasurements, Measurement};
use claviger_client::certifier::{KeyServer, Peer};
use claviger_client::cli::certificates::MAX_FILE;
use claviger_client::cli::{Failure, StateArgs};
use claviger_client::files::read_bounded;
use claviger_client::state::StateDir;
use claviger_client::{Address, Channel, Collector, Error, Identity, Options, PrincipalKey, Prover};
use claviger_proto::key::{read_certificates, read_private};
use claviger_proto::{ErrorCode, ResourceName};

use super::{PeerArgs, lacks};

/// Which brokers will do.
#[derive(Args)]
pub(crate) struct BrokersArgs {
    /// What the domain's broker has to run, hex; may be repeated. Remembered by enroll and renew; without it, what is
    /// remembered, or any
    #[arg(long, value_name = "MEASUREMENT")]
    pub(crate) broker_measurement: Vec<Measurement>,
}

impl BrokersArgs {
    /// How to connect.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::default();
        if !self.broker_measurement.is_empty() {
            options.measurements =
                BrokerMeasurements::Listed(self.broker_measurement.iter().copied().collect());
        }
        options
    }
}

/// Where the broker and this machine's state are, and what it can prove on the way.
#[derive(Args)]
pub(crate) struct At {
    /// The broker's address
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) broker: Address,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) brokers: BrokersArgs,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
}

/// What a machine can prove on a channel that is open.
#[derive(Args)]
pub(crate) struct ProofArgs {
    /// Where fresh evidence comes from, should the domain's rules ask for it, as for enroll; without it, as at the
    /// enrolment or the last renewal
    #[arg(long, value_name = "KIND:WHERE")]
    pub(crate) evidence: Option<Collector>,
    /// A principal's certificate, should the rules ask for one, and those between it and the one that the domain
    /// knows: PEM, its own first
    #[arg(long, value_name = "FILE", requires = "credentials_key")]
    pub(crate) credentials: Option<PathBuf>,
    /// The private key of that certificate: PEM or key_message
    #[arg(long, value_name = "FILE", requires = "credentials")]
    pub(crate) credentials_key: Option<PathBuf>,
}

impl At {
    /// The Certifier key server that requests go to; `None` where they go to a broker.
    pub(crate) fn certifier(
        &self,
        state: &StateDir,
        identity: &Identity,
    ) -> Result<Option<KeyServer>, Failure> {
        let Peer::Certifier(pinned) = self.peer.of(state, identity)? else { return Ok(None) };
        if !self.brokers.broker_measurement.is_empty() {
            return Err(lacks(
                "role in its certificate, and no measurement that could be demanded of it (--broker-measurement)",
            ));
        }
        if self.proof.evidence.is_some() || self.proof.credentials.is_some() {
            return Err(lacks("proofs on a channel (--evidence, --credentials)"));
        }
        Ok(Some(KeyServer::new(&self.broker, identity, &pinned, &self.brokers.options())?))
    }

    /// A channel of this identity, which answers challenges.
    pub(crate) async fn connect(&self, state: &StateDir, identity: &Identity) -> Result<Channel, Failure> {
        if self.peer.of(state, identity)? != Peer::Claviger {
            return Err(lacks("request but store and retrieve"));
        }
        let collector = self.proof.evidence.clone().or_else(|| state.evidence());
        let prover = Prover::new(identity, collector, self.proof.principal()?)?;
        Ok(Channel::connect(&self.broker, identity, &self.brokers.options()).await?.proving(prover))
    }
}

/// A resource's name: in the identity's domain, or as it is, for a Certifier server keeps names byte for byte.
pub(crate) fn resource_name(
    identity: &Identity,
    text: &str,
    server: Option<&KeyServer>,
) -> Result<ResourceName, Failure> {
    let name = if server.is_some() { text.parse() } else { ResourceName::parse_in(identity.domain(), text) };
    Ok(name.map_err(Error::from)?)
}

impl ProofArgs {
    /// The principal's credentials, if they are named.
    pub(crate) fn principal(&self) -> Result<Option<PrincipalKey>, Failure> {
        let (Some(chain), Some(key)) = (&self.credentials, &self.credentials_key) else { return Ok(None) };
        let refuse = |path: &Path, why: String| {
            let message = format!("{} can't be used: {why}", path.display());
            let next =
                "give the principal's certificates as PEM, its own first, and the private key of that one";
            Failure::coded(ErrorCode::Refused, message, next)
        };
        let certificates = read_certificates(read_bounded(chain, MAX_FILE)?.expose());
        let certificates = certificates.map_err(|error| refuse(chain, error.to_string()))?;
        let private = read_private(read_bounded(key, MAX_FILE)?.expose());
        let (private, _) = private.map_err(|error| refuse(key, error.to_string()))?;
        let principal = PrincipalKey::new(certificates, &private);
        principal.map(Some).map_err(|error| refuse(chain, error.to_string()))
    }
}
