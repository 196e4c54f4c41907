//! What is wrong with a stock policy, its evidence, or a policy that should become one. The owner's fault.

use claviger_proto::ParseError;

use super::property::PropertyName;
use crate::error::{CertificateError, KeyError};
use crate::measurement::Measurement;
use crate::reference::time_text;

fn time(at: i64) -> String {
    time_text(at).unwrap_or_else(|| format!("{at} s after 1970"))
}

/// A stock policy that can't be read. Nothing of it is used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StockPolicyError {
    /// Not a sequence of claims.
    #[error("it isn't a sequence of signed claims, as package_claims.exe writes them: {0}")]
    Sequence(ParseError),
    /// No claim in it, or too many.
    #[error("it has {0} claims; a policy has 1 to 1024")]
    Count(usize),
    /// The policy certificate can't be believed now.
    #[error("its policy certificate can't be used: {0}")]
    Certificate(#[from] CertificateError),
    /// One of its claims can't be believed.
    #[error("claim {number}: {fault}")]
    Claim {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong with it.
        fault: ClaimFault,
    },
}

/// Why a claim isn't believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimFault {
    /// Not a message, or with more in it than is known.
    #[error("{0}")]
    Malformed(#[from] ParseError),
    /// A format other than clauses.
    #[error("its format isn't vse-clause")]
    Format,
    /// What an admission gave a program for its own key.
    #[error(
        "it is a platform rule, which an admission gives whoever it admits (purpose attestation), and no claim of a policy: in \
         one it would make that program's key a root"
    )]
    PlatformRule,
    /// Not whole dates.
    #[error("its {0} isn't a whole date, as 2026-11-24T05:57:45.00000Z")]
    Date(&'static str),
    /// Too early.
    #[error("it isn't valid before {}", time(*.0))]
    NotYetValid(i64),
    /// Too late.
    #[error("it expired at {}", time(*.0))]
    Expired(i64),
    /// Signed by, or said by, somebody else.
    #[error("{0} isn't the policy key of this domain")]
    OtherKey(&'static str),
    /// A signature by another algorithm than the key's.
    #[error("its signing algorithm isn't the one of its key")]
    Algorithm,
    /// A signature that isn't the policy key's.
    #[error("its signature doesn't verify under the policy key")]
    Signature,
    /// A verb that isn't known where it stands.
    #[error(
        "{0:?} isn't something that a policy can say of {1} (known: key is-trusted-for-attestation, measurement \
             is-trusted, platform has-trusted-platform-property)"
    )]
    Verb(String, &'static str),
    /// Not a sentence of a policy.
    #[error("it isn't a sentence of the form \"policyKey says something is-trusted…\"")]
    Sentence,
    /// Something that isn't what its type says.
    #[error(
        "what it is about isn't the one thing that its entity type names: a key, a measurement or a platform"
    )]
    Entity,
    /// A key that can't be a root.
    #[error("its key can't be used: {0}")]
    Key(&'static str),
    /// Not a measurement.
    #[error("its measurement has {0} bytes; 32 (simulated-enclave) and 48 (sev-snp) are known")]
    Measurement(usize),
    /// Not a platform of a policy.
    #[error("its platform isn't an amd-sev-snp without a key of its own")]
    Platform,
    /// A property that isn't known.
    #[error(
        "the property {0:?} isn't known (known: single-socket, debug, smt, migrate, api-major, api-minor, tcb-version)"
    )]
    Property(String),
    /// A comparator that isn't one, or not one of this property.
    #[error("the comparator of {} isn't one that it has: = for words, = or >= for numbers", .0.as_str())]
    Comparator(PropertyName),
    /// A value that isn't one of this property.
    #[error("the value of {} isn't one: yes or no of a string, or an int", .0.as_str())]
    Value(PropertyName),
    /// One property twice.
    #[error("it names {} twice", .0.as_str())]
    PropertyTwice(PropertyName),
    /// No property at all.
    #[error("its platform has no properties; stock verifiers admit nothing by such a claim")]
    NoProperties,
    /// What another claim says already.
    #[error("it is about the same as claim {0}; keep one")]
    Duplicate(usize),
    /// Another claim about platforms.
    #[error(
        "it is the second about platforms (after claim {0}), and stock verifiers look only at the first; keep one"
    )]
    SecondPlatform(usize),
}

/// A stock policy that was read, and says what our policies can't.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A measurement that nobody may vouch for.
    #[error(
        "measurement {0} is trusted, and no root of its kind is (a key named ARK… is a root of simulated-sev, AMD's \
         of sev-snp, any other of simulated-enclave), so that nobody could be admitted with it: add the key's claim, or leave the measurement's out"
    )]
    NoRoot(Measurement),
    /// A root without anything to vouch for.
    #[error(
        "{0} is trusted for attestation, and no measurement of its kind is (AMD's keys, and any named ARK…, are \
         roots of measurements of 48 bytes; any other of those of 32), so that nobody could be admitted by it: add a measurement's claim, \
         or leave the key's out"
    )]
    IdleRoot(String),
    /// AMD's roots together with others.
    #[error(
        "it names AMD's own roots and {0}; a measurement of ours is of a real platform or of a \
         simulated one: leave one of the claims out"
    )]
    MixedRoots(String),
    /// SEV-SNP machines without a claim about their platforms.
    #[error(
        "it trusts measurements of 48 bytes, and says nothing of platforms, so that stock verifiers admit none of them: add a \
         claim that a platform has-trusted-platform-property, or leave the measurements out"
    )]
    NoPlatform,
    /// A demand for what our policies can only refuse or allow.
    #[error("{0} can't be said in a policy of ours: {1}")]
    Property(String, &'static str),
    /// Anything else that our policies can't hold.
    #[error("{0}")]
    Policy(String),
}

/// A policy that can't be exported.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A key that stock verifiers don't take.
    #[error("stock simpleserver verifies claims under RSA keys only, and this policy key isn't one")]
    Key,
    /// The key isn't the certificate's.
    #[error("the policy key isn't the one that the policy certificate is about")]
    OtherKey,
    /// The certificate can't be used now.
    #[error("the policy certificate can't be used: {0}")]
    Certificate(#[from] CertificateError),
    /// Nothing in it.
    #[error("the policy trusts nothing that can be exported")]
    Nothing,
    /// The stock side would admit more.
    #[error("exported, stock verifiers would admit more than this policy does: {}", .0.join("; "))]
    Wider(Vec<String>),
    /// Signing failed, which it doesn't on a healthy system.
    #[error(transparent)]
    Signing(#[from] KeyError),
}

/// Why evidence isn't believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceFault {
    /// Not evidence that this proof knows.
    #[error("evidence of a {0:?} isn't known to the stock proof (known: simulated-enclave, sev-enclave)")]
    Kind(String),
    /// Not the pieces that it has to have.
    #[error("its pieces aren't {0}, in this order")]
    Items(&'static str),
    /// A piece that can't be read.
    #[error("its {0} can't be read: {1}")]
    Malformed(&'static str, ParseError),
    /// A piece that isn't what it must be.
    #[error("its {0} doesn't hold: {1}")]
    Refused(&'static str, &'static str),
    /// A piece outside its dates.
    #[error("its {0} isn't within its dates")]
    Dates(&'static str),
    /// A signature that doesn't verify.
    #[error("the signature of its {0} doesn't verify")]
    Signature(&'static str),
}

/// Why the proof isn't found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The policy lacks a statement.
    #[error("the policy doesn't say that {0}")]
    Missing(String),
    /// A platform that the policy's demands refuse.
    #[error("the policy demands {demanded} of platforms, and the report says {found}")]
    Platform {
        /// The property, as the policy has it.
        demanded: String,
        /// As the report has it.
        found: String,
    },
    /// A step that its rule doesn't give. A fault of ours, or of made-up statements.
    #[error("{0} doesn't give {1}")]
    Rule(String, String),
}
