//! The machines of the scenario: each a simulated platform on disk, and an agent on it.

use std::path::{Path, PathBuf};

use claviger_attest::{KeyAlgorithm, Measurement, PolicyCertificate, SigningKey, SimulatedPlatform};
use claviger_client::evidence::SimulatedEnclave;
use claviger_client::files::{make_private_directory, write_new_private};
use claviger_client::state::StateDir;
use claviger_client::{Address, Channel, Collector, Enrollment, Identity, Options, enroll};
use claviger_proto::DomainName;
use rustls::pki_types::UnixTime;

use super::Failed;

/// The scenario's domain.
pub(super) const DOMAIN: &str = "datica-test";

/// Bytes of a simulated measurement: a SHA-256.
const MEASUREMENT: usize = 32;

/// A machine that can prove what it runs.
pub(super) struct Machine {
    platform_dir: PathBuf,
    state_dir: PathBuf,
    pub(super) measurement: Measurement,
}

impl Machine {
    /// A simulated platform in `dir`, whose attestation key `root` endorses.
    pub(super) fn make(dir: &Path, root: &SigningKey) -> Result<Self, Failed> {
        let mut measurement = [0; MEASUREMENT];
        aws_lc_rs::rand::fill(&mut measurement).map_err(|_| Failed::new("no randomness"))?;
        let measurement = Measurement::from_bytes(&measurement).map_err(Failed::new)?;
        let root = SigningKey::from_private(&root.to_private().map_err(Failed::new)?).map_err(Failed::new)?;
        let platform = SimulatedPlatform::generate(measurement, Some(root), UnixTime::now());
        let platform_dir = dir.join("platform");
        make_private_directory(&platform_dir).map_err(Failed::new)?;
        for (name, content) in platform.and_then(|platform| platform.files()).map_err(Failed::new)? {
            write_new_private(&platform_dir.join(name), content.expose()).map_err(Failed::new)?;
        }
        Ok(Self { platform_dir, state_dir: dir.join("state"), measurement })
    }

    /// Enrols, and keeps the new identity in the machine's cryptstore.
    pub(super) async fn enroll(
        &self,
        admission: &Address,
        domain: &DomainName,
        policy: &PolicyCertificate,
    ) -> Result<Identity, claviger_client::Error> {
        let collector = Collector::SimulatedEnclave(SimulatedEnclave::new(&self.platform_dir));
        let enrollment =
            Enrollment { domain, policy, collector: &collector, ticket: None, algorithm: KeyAlgorithm::P256 };
        let admitted = enroll(admission, &enrollment, &Options::default()).await?;
        let now = crate::actors::audit::seconds(UnixTime::now());
        StateDir::new(&self.state_dir).lock_or_make()?.put_identity(&admitted.identity, now)?;
        Ok(admitted.identity)
    }
}

/// Opens a channel to the key service.
pub(super) async fn connect(
    broker: &Address,
    identity: &Identity,
) -> Result<Channel, claviger_client::Error> {
    Channel::connect(broker, identity, &Options::default()).await
}
