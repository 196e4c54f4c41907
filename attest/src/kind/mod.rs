//! The kinds of evidence: one module and one line of the table each.

pub(crate) mod sev_snp;
pub(crate) mod simulated_enclave;
pub(crate) mod simulated_sev;
pub(crate) mod tpm;

use std::fmt;
use std::str::FromStr;

use claviger_proto::trust::EvidencePackage;
use serde::{Deserialize, Serialize};

use crate::attested::{EndorsementNeeded, Endorsements, Expected};
use crate::error::{AttestError, ReferenceError};
use crate::instance::MachineClaims;
use crate::measurement::Measurement;
use crate::reference::ReferenceValues;
use crate::stock::{SEV_ENCLAVE, SEV_PACKAGE, Said, StockExpected, TPM_ENCLAVE, TPM_PACKAGE};

/// What verified evidence of any kind says.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) measurement: Measurement,
    pub(crate) challenge_fresh: bool,
    pub(crate) machine: MachineClaims,
}

/// Stock evidence that passed the first step, and what it said.
pub(crate) struct StockPending<P> {
    pub(crate) pending: P,
    pub(crate) said: Said,
    /// SHA-256 of what the platform signed.
    pub(crate) statement: [u8; 32],
}

impl<P> StockPending<P> {
    fn map<Q>(self, of: impl FnOnce(P) -> Q) -> StockPending<Q> {
        StockPending { pending: of(self.pending), said: self.said, statement: self.statement }
    }
}

/// The first step for what stock programs send, under their names for it. Whether a report is of a real SEV-SNP platform
/// or of a simulated one is said by what the domain trusts, and by nothing in the evidence.
pub(crate) fn screen_stock(
    submitted_type: &str,
    evidence: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &StockExpected<'_>,
    now: i64,
) -> Result<(EvidenceKind, StockPending<Pending>), AttestError> {
    let submitted_as = |name: &'static str| {
        if submitted_type == name { Ok(()) } else { Err(AttestError::SubmittedType { expected: name }) }
    };
    if evidence.enclave_type == EvidenceKind::SimulatedEnclave.as_str() {
        submitted_as(simulated_enclave::SUBMITTED_TYPE)?;
        let pending = simulated_enclave::screen_stock(evidence, policy, expected, now)?;
        return Ok((
            EvidenceKind::SimulatedEnclave,
            pending.map(|pending| Pending::SimulatedEnclave(Box::new(pending))),
        ));
    }
    if evidence.enclave_type == TPM_ENCLAVE {
        submitted_as(TPM_PACKAGE)?;
        let pending = tpm::screen_stock(evidence, policy, expected, now)?;
        return Ok((EvidenceKind::Tpm, pending.map(|pending| Pending::Tpm(Box::new(pending)))));
    }
    if evidence.enclave_type != SEV_ENCLAVE {
        return Err(AttestError::UnknownKind);
    }
    submitted_as(SEV_PACKAGE)?;
    let items = sev_snp::StockItems::of(evidence)?;
    let simulated = policy.knows(EvidenceKind::SimulatedSev, &items.report.measurement());
    if simulated {
        let pending = simulated_sev::screen_stock(items, policy, expected, now)?;
        return Ok((
            EvidenceKind::SimulatedSev,
            pending.map(|pending| Pending::SimulatedSev(Box::new(pending))),
        ));
    }
    let pending = sev_snp::screen_stock(items, policy, expected, now)?;
    Ok((EvidenceKind::SevSnp, pending.map(|pending| Pending::SevSnp(Box::new(pending)))))
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $module:ident, $name:literal;)*) => {
        /// A kind of evidence that can be verified here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum EvidenceKind {
            $($(#[$doc])* $variant,)*
        }

        impl EvidenceKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name: an evidence package's `enclave_type`, and `--kind` on command lines.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The `submitted_evidence_type` that goes with it.
            pub fn submitted_evidence_type(self) -> &'static str {
                match self {
                    $(Self::$variant => $module::SUBMITTED_TYPE,)*
                }
            }

            /// Whether its platforms are trusted only through a root that the domain names.
            pub fn needs_root(self) -> bool {
                match self {
                    $(Self::$variant => $module::NEEDS_ROOT,)*
                }
            }

            /// How many bytes its measurements have.
            pub fn measurement_bytes(self) -> usize {
                match self {
                    $(Self::$variant => $module::MEASUREMENT,)*
                }
            }

            /// Whether its machines have privilege levels.
            pub(crate) fn has_vmpl(self) -> bool {
                match self {
                    $(Self::$variant => $module::HAS_VMPL,)*
                }
            }

            /// The first step: all that costs no signature.
            pub(crate) fn screen(
                self,
                evidence: &EvidencePackage,
                policy: &ReferenceValues,
                expected: &Expected<'_>,
                now: i64,
            ) -> Result<Pending, AttestError> {
                match self {
                    $(Self::$variant => {
                        let pending = $module::screen(evidence, policy, expected, now)?;
                        Ok(Pending::$variant(Box::new(pending)))
                    })*
                }
            }
        }

        /// Evidence that passed the first step.
        #[derive(Clone, Debug)]
        pub(crate) enum Pending {
            $($variant(Box<$module::Pending>),)*
        }

        impl Pending {
            /// What has to be found for the second step; `None` if the evidence brought it.
            pub(crate) fn needs(&self) -> Option<EndorsementNeeded> {
                match self {
                    $(Self::$variant(pending) => pending.needs(),)*
                }
            }

            /// The second step: the signatures.
            pub(crate) fn verify(
                &self,
                endorsements: &Endorsements<'_>,
                now: i64,
            ) -> Result<Claims, AttestError> {
                match self {
                    $(Self::$variant(pending) => pending.verify(endorsements, now),)*
                }
            }
        }
    };
}

kinds! {
    /// A platform of keys in files, for development and tests: whoever has its files can say anything.
    SimulatedEnclave = simulated_enclave, "simulated-enclave";
    /// AMD SEV-SNP, under AMD's roots.
    SevSnp = sev_snp, "sev-snp";
    /// The Certifier Framework's simulation of SEV-SNP, for stock programs only: whoever has its files can say anything.
    SimulatedSev = simulated_sev, "simulated-sev";
    /// A TPM 2.0's quote of its registers, by a key that a root of the domain's certifies.
    Tpm = tpm, "tpm";
}

impl EvidenceKind {
    /// Whether its measurements say something only of registers that are named with them.
    pub fn has_pcrs(self) -> bool {
        self == Self::Tpm
    }
}

/// All names, for messages.
pub(crate) fn names() -> String {
    EvidenceKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

impl FromStr for EvidenceKind {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(ReferenceError::Kind)
    }
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for EvidenceKind {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<EvidenceKind> for String {
    fn from(kind: EvidenceKind) -> Self {
        kind.as_str().to_owned()
    }
}
