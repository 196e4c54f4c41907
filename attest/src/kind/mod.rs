//! The kinds of evidence: one module and one line of the table each.

pub(crate) mod sev_snp;
pub(crate) mod simulated_enclave;

use std::fmt;
use std::str::FromStr;

use claviger_proto::trust::EvidencePackage;
use serde::{Deserialize, Serialize};

use crate::attested::{EndorsementNeeded, Endorsements, Expected};
use crate::error::{AttestError, ReferenceError};
use crate::instance::MachineClaims;
use crate::measurement::Measurement;
use crate::reference::ReferenceValues;

/// What verified evidence of any kind says.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) measurement: Measurement,
    pub(crate) challenge_fresh: bool,
    pub(crate) machine: MachineClaims,
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
