//! What can be refused here, by whose fault it is.

use claviger_proto::{ErrorCode, ParseError};

use crate::Measurement;
use crate::instance::InstanceDemand;
use crate::kind::sev_snp::SnpRule;
use crate::kind::tpm::PcrSelection;
use crate::reference::time_text;
use crate::role::Role;

/// Evidence that doesn't satisfy the domain. The agent's fault, or its owner's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
    /// The package names no kind of evidence known here.
    #[error("this kind of evidence is not known; use one of the kinds that the domain's owner lists")]
    UnknownKind,
    /// The request's evidence type isn't this kind's.
    #[error("evidence of this kind is submitted as {expected}")]
    SubmittedType {
        /// The type it must have.
        expected: &'static str,
    },
    /// Not the items that this kind consists of, in their order.
    #[error("evidence of this kind consists of exactly {expected}, in this order")]
    Items {
        /// The item types.
        expected: &'static str,
    },
    /// A part that can't be read.
    #[error("the {part} can't be read: {cause}")]
    Malformed {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        cause: ParseError,
    },
    /// A part that reads, and says something else than it must.
    #[error("the {part} doesn't say what it must: {why}")]
    Statement {
        /// Which part.
        part: &'static str,
        /// What it should say.
        why: &'static str,
    },
    /// A part whose time hasn't come.
    #[error("the {0} isn't valid yet; check the clocks")]
    NotYetValid(&'static str),
    /// A part whose time is over.
    #[error("the {0} has expired; make a new one")]
    Expired(&'static str),
    /// A part that says when it was made, too long ago.
    #[error(
        "the {part} was made more than {seconds} s ago, and what answers no challenge is taken only while it is new; make \
         new evidence, and compare the clocks"
    )]
    Old {
        /// Which part.
        part: &'static str,
        /// How old it may be.
        seconds: u64,
    },
    /// A part that its key didn't sign.
    #[error("the {0} isn't signed by its key")]
    Signature(&'static str),
    /// The evidence certifies another key than the one that asks.
    #[error("the evidence names another key than the one to be certified")]
    OtherKey,
    /// The new key of a renewal didn't sign.
    #[error("the new key didn't sign this channel's binding, so nothing proves that the machine has it")]
    Possession,
    /// The evidence isn't tied to any channel.
    #[error("the evidence carries no binding to this channel")]
    Unbound,
    /// The evidence is tied to another channel, challenge or purpose.
    #[error("the evidence was made for another channel or challenge")]
    OtherBinding,
    /// Fresh evidence of another machine than the channel's.
    #[error(
        "the evidence is of a machine that runs something else, or elsewhere, than this channel's certificate says"
    )]
    OtherMachine,
    /// A renewal on another chip, or under another ID block, than the certificate that it is for.
    #[error(
        "the machine isn't the instance that its certificate names, and which the domain has every renewal show (by its \
         chip or ID block); enrol anew"
    )]
    OtherInstance,
    /// Nobody in the domain trusts what runs there.
    #[error(
        "measurement {0} isn't trusted in this domain; its owner adds it with `key-admin trust add`, if it should be"
    )]
    UnknownMeasurement(Measurement),
    /// The measurement was trusted until a day that is past.
    #[error(
        "measurement {measurement} is trusted in this domain no longer: it expired at {}; its owner gives it a later \
         end, if it should have one", time_text(*.at).unwrap_or_default()
    )]
    ExpiredMeasurement {
        /// What was trusted.
        measurement: Measurement,
        /// Until when: the last of its ends, in seconds since 1970.
        at: i64,
    },
    /// The domain demands to know which machine it is, and the evidence doesn't say it in a way that it takes.
    #[error("this domain demands that a machine shows which one it is, by {0}; the evidence doesn't")]
    NoInstance(InstanceDemand),
    /// A rule of the verification of SEV-SNP reports doesn't hold.
    #[error("the SEV-SNP report is refused by the rule {rule} ({}): {why}", .rule.text())]
    Snp {
        /// Which.
        rule: SnpRule,
        /// What was found instead; for the operator.
        why: String,
    },
    /// A certificate or list that the verifier itself added can't be used. The operator's fault.
    #[error("the certificates that the verifier has for this machine can't be used: {0}")]
    Endorsement(&'static str),
    /// The measurement is trusted, but not from a platform under this root.
    #[error("measurement {0} is trusted in this domain, but not from a platform with this root")]
    UntrustedRoot(Measurement),
    /// The digest is trusted, but not of these registers.
    #[error(
        "measurement {measurement} is trusted in this domain, but not as the digest of the registers {pcrs}"
    )]
    OtherRegisters {
        /// The digest.
        measurement: Measurement,
        /// What the quote says it is of.
        pcrs: PcrSelection,
    },
}

impl AttestError {
    /// What the peer may be told: enough to mend its side, and nothing of how near it came.
    pub fn for_peer(&self) -> String {
        match self {
            // A day of the policy's is the owner's to tell.
            Self::ExpiredMeasurement { measurement, .. } => {
                format!("measurement {measurement} is trusted in this domain no longer; ask its owner")
            }
            Self::Snp { .. } | Self::Endorsement(_) => {
                "the SEV-SNP report doesn't satisfy this domain; its operator's log says which rule refuses it"
                    .to_owned()
            }
            other => other.to_string(),
        }
    }

    /// What its operator, or the domain's owner, does next, as a sentence without its full stop. Not for the peer: with a
    /// rule's name it would say how near it came.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Snp { rule, .. } => rule.next(),
            Self::UnknownMeasurement(_) => SnpRule::Measurement.next(),
            Self::ExpiredMeasurement { .. } => {
                "if it should run on, give it a later end: expires in its [[measurement]] (key-admin policy apply)"
            }
            Self::UntrustedRoot(_) => {
                "if the platform is to be trusted, name its root (key-admin trust add --attest-root)"
            }
            Self::OtherRegisters { .. } => {
                "have the machine quote the registers that the domain trusts, or trust the digest of these (pcrs in its \
                 [[measurement]], key-admin trust add --pcrs)"
            }
            Self::Endorsement(_) => "look at what lies in vcek_dirs and in crl_dir, and mend it",
            Self::OtherInstance => {
                "if the machine was moved, or launched with another ID block, it enrols anew (key-client enroll); if it \
                 wasn't, its state directory was copied"
            }
            Self::NoInstance(_) => {
                "give the machine what the domain demands (a ticket: key-admin ticket create), or change [instance] in \
                 the policy"
            }
            Self::NotYetValid(_) | Self::Expired(_) | Self::Old { .. } => {
                "compare the clocks; a part that is past its date is made anew"
            }
            Self::Unbound | Self::OtherBinding => SnpRule::ReportData.next(),
            Self::OtherMachine => {
                "the machine enrols again where it runs now; if it didn't move, somebody else uses its key"
            }
            Self::Signature(_) | Self::OtherKey | Self::Possession => {
                "nothing here: the evidence is damaged or forged; if it comes again, look at where it comes from"
            }
            _ => "look at the machine's client: it sends what a domain's broker doesn't take",
        }
    }

    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::AttestationRefused
    }
}

/// A peer's certificate that isn't accepted, or the policy certificate above it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The domain's own certificate isn't valid yet.
    #[error("the domain's policy certificate isn't valid yet; check the clock")]
    PolicyNotYetValid,
    /// The domain's own certificate is past its date.
    #[error("the domain's policy certificate has expired; its owner must replace it")]
    PolicyExpired,
    /// Not a certificate, or one with critical parts not understood here.
    #[error("the certificate can't be read, or has critical extensions that aren't supported")]
    Malformed,
    /// An X.509 v1 or v2 certificate: it can't say what it is for.
    #[error("only X.509 version 3 certificates are accepted")]
    Version,
    /// The policy certificate, or another CA, where a machine's own belongs.
    #[error("a certificate authority's certificate was presented as a machine's own")]
    Authority,
    /// What issued it may not issue certificates.
    #[error(
        "a certificate in the chain was issued by one that isn't a certificate authority's (basicConstraints CA:TRUE), \
         or may not have so many below it; have it issued by an authority"
    )]
    Issuer,
    /// The delegated issuer that it came by is none that may have issued it.
    #[error("the issuer between the certificate and the policy certificate is refused: {0}")]
    Delegation(&'static str),
    /// The delegated issuer isn't valid yet.
    #[error("the domain's delegated issuer isn't valid yet; check the clock")]
    IssuerNotYetValid,
    /// The delegated issuer is past its date.
    #[error(
        "the domain's delegated issuer has ended; its owner signs another (key-admin domain requests, policy-key \
         sign-issuer, domain install)"
    )]
    IssuerExpired,
    /// Its time hasn't come.
    #[error("the certificate isn't valid yet; check the clock")]
    NotYetValid,
    /// Its time is over.
    #[error("the certificate has expired; enrol again")]
    Expired,
    /// Not signed by this domain's policy key.
    #[error("the certificate isn't signed by this domain's policy key")]
    Foreign,
    /// Its extended key usage, key usage or constraints exclude this use.
    #[error("the certificate isn't meant for this use")]
    Usage,
    /// The subject doesn't name a measurement in the one way accepted.
    #[error("the certificate's subject isn't O=Measured-<64 or 96 lowercase hex digits>")]
    Subject,
    /// Our extension is there and can't be understood.
    #[error("the certificate's Claviger extension can't be understood")]
    Extension,
    /// The certificate is another role's.
    #[error("the certificate doesn't say {expected}")]
    Role {
        /// The role that was needed.
        expected: Role,
    },
    /// The broker's certificate doesn't name this domain.
    #[error("the broker's certificate doesn't name this domain")]
    OtherDomain,
    /// The broker runs something else than what is asked for, or its certificate doesn't say what.
    #[error("the broker's certificate names no measurement that is asked for here")]
    BrokerMeasurement,
    /// A server that is known by its certificate shows another one.
    #[error("its certificate isn't one that is pinned here; its fingerprint is {}", hex::encode(found))]
    NotPinned {
        /// SHA-256 of what it shows.
        found: [u8; 32],
    },
    /// The domain's owner has taken it back.
    #[error(
        "the domain's owner has revoked this {kind}, and with it this machine's membership; ask the owner whether it \
         may enrol again"
    )]
    Revoked {
        /// Of what kind that is which was revoked.
        kind: &'static str,
    },
}

/// What can't be revoked so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// Not a kind of what can be revoked.
    #[error("what can be revoked is a certificate, an enrolment, an instance, a measurement or a principal")]
    Kind,
    /// Not a fingerprint.
    #[error("a certificate or an enrolment is named by the certificate's SHA-256: 64 lowercase hex digits")]
    Fingerprint,
    /// Neither an id nor a label.
    #[error(
        "an instance is named by its id, 64 lowercase hex digits, or by its label, 1 to 64 of [A-Za-z0-9._-]"
    )]
    Instance,
    /// Not a measurement.
    #[error("a measurement is 64 or 96 lowercase hex digits")]
    Measurement,
    /// Not a principal's name.
    #[error("a principal's name is 1 to 64 of [A-Za-z0-9._-]")]
    Principal,
    /// Too long, or not for people.
    #[error("a reason has at most 128 bytes, and no control characters")]
    Reason,
    /// Principals are revoked until that is taken back.
    #[error("a principal's revocation has no end of its own; take it back when it is time")]
    PrincipalUntil,
    /// It would never count.
    #[error("it ends before it begins")]
    Over,
    /// There is no room.
    #[error(
        "a domain keeps at most 512 revocations; take back those of certificates that have ended, give new ones an \
         end, or revoke the measurement or instance that many have in common"
    )]
    Many,
}

impl CertificateError {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::CertificateRefused
    }
}

/// Credentials that make no principal of a channel, or a principal that a domain can't know so. Whose it is says
/// each variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrincipalError {
    /// Not a name.
    #[error("a principal's name is 1 to 64 of [A-Za-z0-9._-]")]
    Name,
    /// No certificates, or too many.
    #[error("credentials are 1 to 5 certificates, the principal's own first")]
    Chain,
    /// A certificate that isn't good, the principal's own or one between it and the trusted one.
    #[error("the principal's credentials are refused: {0}")]
    Certificate(CertificateError),
    /// An authority's certificate where the principal's own belongs.
    #[error(
        "a certificate authority's certificate was presented as the principal's own; the principal's own comes first"
    )]
    Authority,
    /// One of them whose time hasn't come.
    #[error("the principal's credentials aren't valid yet; check the clocks")]
    NotYetValid,
    /// One of them whose time is over.
    #[error("the principal's credentials have expired; get new ones")]
    Expired,
    /// The certificate that the domain trusts is outside its dates. The owner's fault.
    #[error(
        "the certificate by which the domain knows this principal is outside its dates; its owner replaces it"
    )]
    Trusted,
    /// A key that can't prove anything.
    #[error("a principal's key is P-256, P-384, Ed25519, RSA-2048, RSA-3072 or RSA-4096")]
    Key,
    /// They lead to nobody whom the domain knows.
    #[error("these credentials stand for no principal of this domain")]
    Unknown,
    /// The certificate's key didn't sign.
    #[error("the principal's key didn't sign this channel's binding")]
    Proof,
}

impl From<CertificateError> for PrincipalError {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::NotYetValid => Self::NotYetValid,
            CertificateError::Expired => Self::Expired,
            CertificateError::Authority => Self::Authority,
            error => Self::Certificate(error),
        }
    }
}

impl PrincipalError {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::Refused
    }
}

/// A certificate that can't be a domain's policy certificate. The owner's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not a certificate, or one with critical parts not understood here.
    #[error("the policy certificate can't be read, or has critical extensions that aren't supported")]
    Malformed,
    /// Not version 3.
    #[error("the policy certificate must be X.509 version 3")]
    Version,
    /// Not a CA's.
    #[error("the policy certificate must be a CA's (basicConstraints CA:TRUE, keyUsage with keyCertSign)")]
    NotAuthority,
    /// Issued by somebody else.
    #[error("the policy certificate must be self-signed: its issuer isn't its subject")]
    NotSelfIssued,
    /// No subject.
    #[error("the policy certificate must have a subject: it is how peers find the domain")]
    NoSubject,
    /// Its signature isn't its own key's, or of an algorithm not supported.
    #[error("the policy certificate's signature isn't its own key's, or its algorithm isn't supported")]
    Signature,
    /// A key that isn't supported.
    #[error("a policy key is P-256, P-384, Ed25519, RSA-2048, RSA-3072 or RSA-4096")]
    Key,
}

/// A certificate that couldn't be issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// Key and certificate aren't a pair.
    #[error("the policy key isn't the key of the policy certificate; give the pair that belongs together")]
    KeyMismatch,
    /// A probe under this policy certificate doesn't verify.
    #[error("certificates under this policy certificate would be refused: {0}")]
    Unusable(CertificateError),
    /// A policy certificate that can't be one.
    #[error(transparent)]
    Certificate(#[from] PolicyError),
    /// The policy certificate isn't valid at this time.
    #[error(transparent)]
    Policy(CertificateError),
    /// A delegated issuer that lasts too long.
    #[error("a delegated issuer is valid for at most 30 days")]
    Delegation,
    /// The policy key as its own delegate.
    #[error("the policy key can't be its own delegate: have another key signed, which the broker makes")]
    OwnDelegate,
    /// Stock programs take only what lies directly under the policy certificate.
    #[error(
        "stock programs take no certificate of a delegated issuer, and the domain's owner keeps the policy key: the \
         owner signs theirs (key-admin identity issue)"
    )]
    StockDelegate,
    /// The key to be certified isn't supported.
    #[error("the key to certify must be P-256, P-384, Ed25519, RSA-2048, RSA-3072 or RSA-4096")]
    SubjectKey,
    /// Agents are named by what they run.
    #[error("an agent's certificate needs a measurement")]
    NoMeasurement,
    /// The validity ends before it begins, or past the year 9999.
    #[error("the validity must be at least a day and end before the year 10000")]
    Validity,
    /// Not a role.
    #[error("a role is agent or broker")]
    Role,
    /// No role of a person's.
    #[error("a person is owner or auditor")]
    PersonRole,
    /// Signing, or drawing a serial, failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A private key that can't be used, or that couldn't do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither of the kinds that sign here.
    #[error("a key that signs is P-256, P-384, Ed25519, RSA-2048, RSA-3072 or RSA-4096")]
    Unsupported,
    /// A key of a supported kind whose numbers don't belong together.
    #[error("the private key is damaged: its numbers don't belong together")]
    Rejected,
    /// The cryptographic library refused; on a healthy machine it doesn't.
    #[error("the cryptographic library failed; is the system's randomness available?")]
    Failed,
    /// An unknown algorithm name.
    #[error("a key algorithm is one of p384, p256, ed25519, rsa-2048, rsa-3072, rsa-4096")]
    Name,
}

/// A reference value that can't be one. The owner's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// Not a measurement.
    #[error("a measurement is 64 or 96 lowercase hex digits")]
    Measurement,
    /// A measurement that no machine of its kind can have.
    #[error("a measurement of kind {kind} is {digits} hex digits, and this one has {given}")]
    Length {
        /// The kind's name.
        kind: &'static str,
        /// How many digits its measurements have.
        digits: usize,
        /// How many there are.
        given: usize,
    },
    /// Not a kind of evidence.
    #[error("this kind of evidence is not known; known: {known}", known = crate::kind::names())]
    Kind,
    /// Not a label.
    #[error("a label is 1 to 64 characters of [A-Za-z0-9._-]")]
    Label,
    /// A kind that is trusted only through a named root came without one.
    #[error("a measurement of this kind is trusted only with the root of its platform; name it")]
    NoRoot,
    /// A root that isn't a supported public key.
    #[error("a root is a P-256, P-384 or RSA public key of at least 2048 bits")]
    Root,
    /// One measurement under several labels, of which every machine that runs it would have all.
    #[error(
        "measurement {0} is listed with another label, or without one: a label belongs to the measurement, whatever its \
         VMPL and roots; give all its entries the same label, or none (to change it: key-admin policy apply, or trust \
         remove and then trust add)"
    )]
    Labels(Measurement),
    /// AMD's own roots and named ones in one entry: either would silently take the other's place.
    #[error(
        "measurement {0} is trusted already, under {known}; roots that are named stand in the place of AMD's own, so to \
         change them: key-admin policy apply, or trust remove and then trust add",
        known = if *.1 { "roots that are named" } else { "AMD's own roots" }
    )]
    MixedRoots(Measurement, bool),
    /// A demand that says something twice, or nothing.
    #[error(
        "demand is \"none\", \"ticket\", \"id-block\", \"chip\", or a list of the last three, none twice"
    )]
    Demand,
    /// An end that no calendar has.
    #[error("an expiry is a time in RFC 3339, such as 2027-03-31T00:00:00Z")]
    Expiry,
    /// A privilege level that there isn't, or of a kind that has none.
    #[error("a vmpl is 0 to 3, and only machines of kind sev-snp have others than 0")]
    Vmpl,
    /// Not a selection of registers.
    #[error(
        "registers are named as sha256:0,2,7 (banks sha256, sha384 and sha512, joined by +; 0 to 23, none twice), and not only \
         16 and 23, which whoever is root sets back"
    )]
    Pcrs,
    /// A digest of registers that aren't named.
    #[error(
        "a measurement of this kind is a digest of registers, and says nothing without which; name them (pcrs)"
    )]
    NoPcrs,
    /// Registers where there are none.
    #[error("only machines of kind tpm have registers (pcrs)")]
    ForeignPcrs,
}
