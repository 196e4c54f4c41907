//! Activation: how an owner finds out that a TPM holds a quote key, before certifying it.
//!
//! In two passes. The owner makes a credential for one endorsement key, which it trusts, and for the name of one quote key; a
//! TPM gives the secret in it away only if it holds both. The name is the hash of all that the quote key is, so what
//! the owner read there is then true.

use aws_lc_rs::rand;
use claviger_proto::key::{KeyKind, PublicKey};
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::credential::{self, SECRET};
use super::public::TpmPublic;
use crate::cert::{EndorsementCertificate, Issuer};
use crate::digest::sha256;
use crate::error::{AttestError, IssueError, KeyError};

/// How long a credential may be answered: a person carries it to the machine and back.
pub const ACTIVATION_SECONDS: i64 = 7 * 86_400;

/// The only format there is.
const FORMAT: u32 = 1;

/// An endorsement key that the owner trusts to be a TPM's.
#[derive(Clone, Debug)]
pub struct EndorsementKey(PublicKey);

impl EndorsementKey {
    /// By its certificate, up to one of the roots: all DER; `between` are those between, in any order.
    pub fn certified(
        certificate: &[u8],
        between: &[Vec<u8>],
        roots: &[Vec<u8>],
        now: UnixTime,
    ) -> Result<Self, ActivationError> {
        let certificate = EndorsementCertificate::parse(certificate)?;
        certificate.verify(between, roots, now)?;
        Self::of(certificate.key().clone())
    }

    /// By its public area, a `TPM2B_PUBLIC`, which the owner knows by the [fingerprint](Self::fingerprint).
    pub fn known(public: &[u8], fingerprint: &[u8; 32]) -> Result<Self, ActivationError> {
        let public = TpmPublic::parse(public)?;
        public.check_endorsement_key()?;
        let key = Self::of(public.key().clone())?;
        if key.fingerprint() == *fingerprint { Ok(key) } else { Err(ActivationError::Fingerprint) }
    }

    fn of(key: PublicKey) -> Result<Self, ActivationError> {
        if key.kind() == KeyKind::Rsa2048 { Ok(Self(key)) } else { Err(ActivationError::Endorsement) }
    }

    /// SHA-256 of the key's `SubjectPublicKeyInfo`.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(self.0.spki_der())
    }
}

/// An activation under way: what the owner keeps until the secret comes back. It isn't secret itself; whoever changes it
/// chooses which key is certified.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpmActivation {
    format: u32,
    /// Seconds since 1970.
    made: i64,
    /// The endorsement key's fingerprint, hex: for people.
    endorsement_key: String,
    /// The quote key's `TPM2B_PUBLIC`, hex.
    quote_key: String,
    /// SHA-256 of the secret, hex.
    secret: String,
}

impl TpmActivation {
    /// Begins one for a quote key, a `TPM2B_PUBLIC`: what to keep, and the credential for the machine, in the form of
    /// `tpm2_activatecredential -i`.
    pub fn begin(
        endorsement: &EndorsementKey,
        quote_key: &[u8],
        now: i64,
    ) -> Result<(Self, Vec<u8>), ActivationError> {
        let public = TpmPublic::parse(quote_key)?;
        public.check_quote_key()?;
        let random = || {
            let mut bytes = Zeroizing::new([0; SECRET]);
            rand::fill(&mut bytes[..]).map(|()| bytes).map_err(|_| KeyError::Failed)
        };
        let (secret, seed) = (random()?, random()?);
        let credential = credential::make(&endorsement.0, &public.name(), &secret, &seed)?;
        let activation = Self {
            format: FORMAT,
            made: now,
            endorsement_key: hex::encode(endorsement.fingerprint()),
            quote_key: hex::encode(quote_key),
            secret: hex::encode(sha256(&secret[..])),
        };
        Ok((activation, credential))
    }

    /// Ends it: with the secret that the TPM gave, its quote key gets a certificate, for `days`.
    pub fn certify(
        &self,
        secret: &[u8],
        issuer: &Issuer,
        now: UnixTime,
        days: u32,
    ) -> Result<Vec<u8>, ActivationError> {
        if self.format != FORMAT {
            return Err(ActivationError::Format(self.format));
        }
        let age = i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_sub(self.made);
        if !(0..=ACTIVATION_SECONDS).contains(&age) {
            return Err(ActivationError::Late);
        }
        // Digests of random bytes: how soon they differ says nothing.
        if hex::encode(sha256(secret)) != self.secret {
            return Err(ActivationError::Secret);
        }
        let public = self.quote_key()?;
        public.check_quote_key()?;
        Ok(issuer.quote_certificate(public.key(), now, days)?)
    }

    /// The quote key that it is for.
    pub fn quote_key(&self) -> Result<TpmPublic, ActivationError> {
        let bytes = hex::decode(&self.quote_key).map_err(|_| ActivationError::Damaged)?;
        Ok(TpmPublic::parse(&bytes)?)
    }

    /// The fingerprint of the endorsement key that it is for, hex.
    pub fn endorsement_key(&self) -> &str {
        &self.endorsement_key
    }
}

/// Why a quote key isn't certified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActivationError {
    /// A public area or a certificate that can't be read, or isn't what it must be.
    #[error(transparent)]
    Form(#[from] AttestError),
    /// An attribute that the key lacks.
    #[error("the quote key lacks the attribute {0}")]
    Lacks(&'static str),
    /// A key that does something else, or can do it in another way.
    #[error("it is no quote key: {0}")]
    Scheme(&'static str),
    /// An endorsement key of another template.
    #[error(
        "it is no endorsement key for which a credential can be made here, which is RSA-2048 by the template that every TPM has \
         (tpm2_createek -G rsa)"
    )]
    Endorsement,
    /// Another endorsement key than the owner knows.
    #[error("the endorsement key has another fingerprint")]
    Fingerprint,
    /// An endorsement certificate that leads to none of the roots, or not now.
    #[error("the endorsement key's certificate leads to none of the roots: {0}")]
    Chain(String),
    /// A kept activation of another version.
    #[error("the activation has format {0}, and this version knows 1")]
    Format(u32),
    /// A kept activation in which something else is.
    #[error("the activation's file is damaged")]
    Damaged,
    /// An answer that came too late, or before the question.
    #[error("the activation was begun more than seven days ago, or hasn't been begun yet")]
    Late,
    /// Not what was in the credential.
    #[error("this isn't the secret that was in the credential, so nothing shows that the TPM holds the key")]
    Secret,
    /// The system couldn't.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate couldn't be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
}
