//! Evidence collectors: what this machine's platform signs about it.

pub mod simulated_enclave;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use claviger_attest::EvidenceKind;
use claviger_proto::key::PublicKey;
use claviger_proto::trust::EvidencePackage;
use rustls_pki_types::UnixTime;

use crate::files::FileError;
pub use simulated_enclave::SimulatedEnclave;

/// Where evidence comes from. As text: `simulated-enclave:DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Collector {
    /// A simulated platform's files. For trying things out: whoever has the files can prove anything.
    SimulatedEnclave(SimulatedEnclave),
}

impl Collector {
    /// Which kind of evidence it collects.
    pub fn kind(&self) -> EvidenceKind {
        match self {
            Self::SimulatedEnclave(_) => EvidenceKind::SimulatedEnclave,
        }
    }

    /// Has the platform sign that `key` lives in this machine, bound to one channel and challenge; and with it what the
    /// machine itself has to say, a serialized [`claviger_proto::evidence::EvidenceUserData`].
    pub fn collect(
        &self,
        key: &PublicKey,
        binding: &[u8; 64],
        user_data: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<EvidencePackage, EvidenceError> {
        match self {
            Self::SimulatedEnclave(platform) => platform.collect(key, binding, user_data, now),
        }
    }
}

impl FromStr for Collector {
    type Err = EvidenceError;

    fn from_str(text: &str) -> Result<Self, EvidenceError> {
        let (kind, place) = text.split_once(':').ok_or(EvidenceError::Collector)?;
        match kind.parse().map_err(|_| EvidenceError::Collector)? {
            EvidenceKind::SimulatedEnclave if place.is_empty() => Err(EvidenceError::Collector),
            EvidenceKind::SimulatedEnclave => Ok(Self::SimulatedEnclave(SimulatedEnclave::new(place))),
        }
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SimulatedEnclave(platform) => write!(f, "{}:{}", self.kind(), platform.path().display()),
        }
    }
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Not the name of a place where evidence comes from.
    #[error("evidence comes from simulated-enclave:DIR")]
    Collector,
    /// A file of the platform can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A platform's files can't be used as they are.
    #[error("the simulated platform in {} can't be used: {fault}", dir.display())]
    Simulated {
        /// The platform's directory.
        dir: PathBuf,
        /// Why.
        fault: simulated_enclave::Fault,
    },
}

impl EvidenceError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        "evidence"
    }

    /// The exit status: 1, nothing was refused yet.
    pub fn exit_status(&self) -> u8 {
        1
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> String {
        match self {
            Self::Collector => "name it as KIND:WHERE".into(),
            Self::File(error) => error.next().into(),
            Self::Simulated { .. } => "make a platform with: key-admin simulated init DIR".into(),
        }
    }
}
