//! Evidence collectors: what this machine's platform signs about it.

mod derived;
pub mod sev_snp;
pub mod simulated_enclave;
mod stock;
pub mod tpm;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use claviger_attest::EvidenceKind;
use claviger_proto::key::PublicKey;
use claviger_proto::trust::EvidencePackage;
use rustls_pki_types::UnixTime;

use crate::files::FileError;
pub use derived::{KeyPlatform, NotAKeyPlatform, SIMULATED_ROOT, certifier_sev_key};
pub use sev_snp::SevSnp;
pub use simulated_enclave::SimulatedEnclave;
pub(crate) use stock::stock_evidence;
pub use tpm::Tpm;

/// Where evidence comes from. As text: `simulated-enclave:DIR`, `sev-snp:device`, `sev-snp:tsm[=PATH]`, `sev-snp:DIR`,
/// `sev-snp:simulated=DIR`, `tpm:DIR`, `tpm:tools=DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Collector {
    /// A simulated platform's files. For trying things out: whoever has the files can prove anything.
    SimulatedEnclave(SimulatedEnclave),
    /// AMD SEV-SNP.
    SevSnp(SevSnp),
    /// A TPM 2.0.
    Tpm(Tpm),
}

impl Collector {
    /// Which kind of evidence it collects.
    pub fn kind(&self) -> EvidenceKind {
        match self {
            Self::SimulatedEnclave(_) => EvidenceKind::SimulatedEnclave,
            Self::SevSnp(_) => EvidenceKind::SevSnp,
            Self::Tpm(_) => EvidenceKind::Tpm,
        }
    }

    /// Has the platform sign that `key` lives in this machine, bound to one channel and challenge; and with it what the
    /// machine itself has to say, a serialized [`claviger_proto::evidence::EvidenceUserData`].
    ///
    /// Where the evidence is given by hand this waits for it; it may be dropped at any time.
    pub async fn collect(
        &self,
        key: &PublicKey,
        binding: &[u8; 64],
        user_data: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<EvidencePackage, EvidenceError> {
        match self {
            Self::SimulatedEnclave(platform) => platform.collect(key, binding, user_data, now),
            // The binding has the key in it.
            Self::SevSnp(source) => source.collect(binding, user_data).await,
            Self::Tpm(source) => source.collect(binding, user_data).await,
        }
    }

    /// Why there is no evidence when the broker ended the channel before it came; `None` for what nobody waits for.
    pub(crate) fn given_up(&self) -> Option<EvidenceError> {
        match self {
            Self::SimulatedEnclave(_) => None,
            Self::SevSnp(source) => sev_snp::given_up(source).map(EvidenceError::SevSnp),
            Self::Tpm(source) => source.given_up().map(EvidenceError::Tpm),
        }
    }
}

impl FromStr for Collector {
    type Err = EvidenceError;

    fn from_str(text: &str) -> Result<Self, EvidenceError> {
        let (kind, place) = text.split_once(':').ok_or(EvidenceError::Collector)?;
        match kind.parse().map_err(|_| EvidenceError::Collector)? {
            // Stock programs make it, and nobody else.
            EvidenceKind::SimulatedSev => Err(EvidenceError::Collector),
            EvidenceKind::SimulatedEnclave if place.is_empty() => Err(EvidenceError::Collector),
            EvidenceKind::SimulatedEnclave => Ok(Self::SimulatedEnclave(SimulatedEnclave::new(place))),
            EvidenceKind::SevSnp => SevSnp::parse(place).map(Self::SevSnp).ok_or(EvidenceError::Collector),
            EvidenceKind::Tpm => Tpm::parse(place).map(Self::Tpm).ok_or(EvidenceError::Collector),
        }
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SimulatedEnclave(platform) => write!(f, "{}:{}", self.kind(), platform.path().display()),
            Self::SevSnp(source) => write!(f, "{}:{source}", self.kind()),
            Self::Tpm(source) => write!(f, "{}:{source}", self.kind()),
        }
    }
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Not the name of a place where evidence comes from.
    #[error(
        "evidence comes from sev-snp:device, sev-snp:tsm, sev-snp:tsm=PATH, sev-snp:DIR, sev-snp:simulated=DIR, tpm:DIR, tpm:tools=DIR \
         or simulated-enclave:DIR"
    )]
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
    /// A platform that derives no key. There is no other way to one than its own.
    #[error("{platform} derives no key: {cause}")]
    NoKey {
        /// As slots name it.
        platform: String,
        /// Why.
        cause: Box<EvidenceError>,
    },
    /// There is no report of an SEV-SNP machine.
    #[error(transparent)]
    SevSnp(#[from] sev_snp::Fault),
    /// There is no quote of a TPM.
    #[error(transparent)]
    Tpm(#[from] tpm::Fault),
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
            Self::SevSnp(fault) => fault.next().into(),
            Self::Tpm(fault) => fault.next().into(),
            Self::NoKey { cause, .. } => match &**cause {
                Self::SevSnp(sev_snp::Fault::NoDevice(_)) => {
                    "run this as root in an SEV-SNP guest whose kernel has the driver sev-guest: only /dev/sev-guest derives \
                     keys; or use another slot, file:PATH or passphrase"
                        .into()
                }
                Self::File(_) => {
                    "give the files of a simulated platform (key-admin simulated init DIR), derived_key_root.bin among \
                     them; or use another slot"
                        .into()
                }
                cause => cause.next(),
            },
            Self::Simulated { .. } => "make a platform with: key-admin simulated init DIR".into(),
        }
    }
}
