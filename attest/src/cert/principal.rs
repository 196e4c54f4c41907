//! Principals: who a domain's owner says is behind a machine, known by certificates of the owner's own choice.

use claviger_proto::LvWriter;
use claviger_proto::key::PublicKey;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::extensions::{BasicConstraints, ExtendedKeyUsage};
use x509_parser::prelude::FromDer as _;

use super::principal_name::PrincipalName;
use super::template::{BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE};
use super::view::View;
use super::{Outside, SIGNATURES, Validity};
use crate::digest::sha256;
use crate::error::{CertificateError, KeyError, PrincipalError};
use crate::key::{KeyAlgorithm, SigningKey};
use crate::possession::check_signature;

/// Most certificates in a chain: a leaf, three authorities between, and the trusted one.
const MAX_CHAIN: usize = 5;

/// A certificate by which a domain knows a principal: its own, or that of an authority under which a certificate
/// whose common name is the principal's name stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct TrustedPrincipal {
    name: PrincipalName,
    certificate: Vec<u8>,
    fingerprint: [u8; 32],
    authority: bool,
    validity: Validity,
}

/// How one is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: PrincipalName,
    certificate: String,
}

impl TrustedPrincipal {
    /// Joins a name and a certificate (DER): X.509 version 3, of a supported key, for signing or, where it is an
    /// authority's, for signing certificates. Its dates count when it is used.
    pub fn new(name: PrincipalName, certificate: &[u8]) -> Result<Self, PrincipalError> {
        let view = View::parse(certificate)?;
        let authority = is_authority(&view)?;
        let usage = view.key_usage()?;
        let fits = usage.is_none_or(|u| if authority { u.key_cert_sign() } else { u.digital_signature() });
        if !fits {
            return Err(CertificateError::Usage.into());
        }
        key_of(&view)?;
        let (fingerprint, validity) = (sha256(certificate), view.validity());
        Ok(Self { name, certificate: certificate.to_vec(), fingerprint, authority, validity })
    }

    /// Whom it stands for.
    pub fn name(&self) -> &PrincipalName {
        &self.name
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Whether it is an authority's.
    pub fn is_authority(&self) -> bool {
        self.authority
    }

    /// Last second of its validity.
    pub fn not_after(&self) -> UnixTime {
        self.validity.not_after
    }

    /// Whether it is within its dates.
    pub fn check_dates(&self, now: UnixTime) -> Result<(), CertificateError> {
        check(self.validity, now)
    }

    /// Whether the leaf of this chain stands for the principal, apart from dates of the trusted certificate.
    fn vouches_for(&self, leaf: &Leaf<'_>, now: UnixTime) -> Result<bool, CertificateError> {
        if !self.authority {
            return Ok(self.certificate == leaf.der);
        }
        if leaf.common_name != Some(self.name.as_str()) {
            return Ok(false);
        }
        let certificate = CertificateDer::from(self.certificate.as_slice());
        let anchor = anchor_from_trusted_cert(&certificate).map_err(|_| CertificateError::Malformed)?;
        let der = CertificateDer::from(leaf.der);
        let parsed = EndEntityCert::try_from(&der).map_err(|error| super::peer::from_webpki(&error))?;
        let between: Vec<_> = leaf.between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let anchors = std::slice::from_ref(&anchor);
        match parsed.verify_for_usage(SIGNATURES, anchors, &between, now, KeyUsage::client_auth(), None, None)
        {
            Ok(_) => Ok(true),
            Err(error) => match super::peer::from_webpki(&error) {
                // Another authority's: no word about this one.
                CertificateError::Foreign => Ok(false),
                error => Err(error),
            },
        }
    }
}

impl TryFrom<Stored> for TrustedPrincipal {
    type Error = PrincipalError;

    fn try_from(stored: Stored) -> Result<Self, PrincipalError> {
        let der = hex::decode(stored.certificate).map_err(|_| CertificateError::Malformed)?;
        Self::new(stored.name, &der)
    }
}

impl From<TrustedPrincipal> for Stored {
    fn from(trusted: TrustedPrincipal) -> Self {
        Self { name: trusted.name, certificate: hex::encode(trusted.certificate) }
    }
}

/// The principals that a domain knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principals(Vec<TrustedPrincipal>);

impl Principals {
    /// Adds one; false where the same name is known by the same certificate already.
    pub fn add(&mut self, trusted: TrustedPrincipal) -> bool {
        let new = !self.0.contains(&trusted);
        if new {
            self.0.push(trusted);
        }
        new
    }

    /// Removes all certificates of a name; false where there is none.
    pub fn remove(&mut self, name: &PrincipalName) -> bool {
        let before = self.0.len();
        self.0.retain(|trusted| trusted.name != *name);
        self.0.len() < before
    }

    /// Keeps those only of which this is true.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&TrustedPrincipal) -> bool) {
        self.0.retain(keep);
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &TrustedPrincipal> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks credentials: `chain` is certificates in DER, the principal's own first, and `proof` its key's signature
    /// over the binding of this channel (purpose [`crate::Purpose::Principal`], with the SPKI of that certificate).
    /// Returns every principal that they make, of which there is at least one.
    pub fn prove(
        &self,
        chain: &[Vec<u8>],
        binding: &[u8; 64],
        proof: &[u8],
        now: UnixTime,
    ) -> Result<Vec<Principal>, PrincipalError> {
        let (first, between) = chain.split_first().ok_or(PrincipalError::Chain)?;
        if chain.len() > MAX_CHAIN {
            return Err(PrincipalError::Chain);
        }
        let view = View::parse(first)?;
        let leaf = Leaf { der: first, between, common_name: common_name(&view) };
        check(view.validity(), now)?;
        check_own_usage(&view)?;
        let mut found = Vec::new();
        let mut outside = false;
        for trusted in &self.0 {
            if !trusted.vouches_for(&leaf, now)? {
                continue;
            }
            match trusted.check_dates(now) {
                Ok(()) => found.push(leaf.principal(&view, trusted)?),
                Err(_) => outside = true,
            }
        }
        if found.is_empty() {
            return Err(if outside { PrincipalError::Trusted } else { PrincipalError::Unknown });
        }
        // Last, for it is a signature that only known credentials may cost.
        check_signature(&key_of(&view)?, &message(binding), proof).map_err(|()| PrincipalError::Proof)?;
        Ok(found)
    }

    /// Whether what was proven once still holds: the certificate is still trusted under this name, and every
    /// certificate behind the proof is within its dates.
    pub fn still_know(&self, principal: &Principal, now: UnixTime) -> bool {
        let same = |t: &TrustedPrincipal| t.name == principal.name && t.fingerprint == principal.trusted;
        check(principal.validity, now).is_ok() && self.0.iter().any(same)
    }
}

/// A principal that proved itself: its certificate leads to one that the domain trusts, and its key signed the
/// binding of one channel. Only [`Principals::prove`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    name: PrincipalName,
    trusted: [u8; 32],
    /// In which all certificates behind it are valid.
    validity: Validity,
}

impl Principal {
    /// Its name in the domain.
    pub fn name(&self) -> &PrincipalName {
        &self.name
    }
}

/// Signs a channel's binding as a principal. The binding has the purpose [`crate::Purpose::Principal`] and the SPKI
/// of this key, so that the signature is worth nothing on another channel or for another key.
pub fn sign_as_principal(key: &SigningKey, binding: &[u8; 64]) -> Result<Vec<u8>, KeyError> {
    key.sign(&message(binding))
}

/// A word of its own in front: what the key signs here is no certificate, no handshake and no document.
fn message(binding: &[u8; 64]) -> Vec<u8> {
    LvWriter::new().push(b"claviger principal v1").push(binding).into_bytes()
}

/// A chain that is being looked at.
struct Leaf<'a> {
    der: &'a [u8],
    between: &'a [Vec<u8>],
    common_name: Option<&'a str>,
}

impl Leaf<'_> {
    fn principal(&self, view: &View<'_>, trusted: &TrustedPrincipal) -> Result<Principal, CertificateError> {
        let mut validity = meet(view.validity(), trusted.validity);
        // All that came with it, needed or not: a date too many only ends it sooner.
        for der in self.between {
            validity = meet(validity, View::parse(der)?.validity());
        }
        Ok(Principal { name: trusted.name.clone(), trusted: trusted.fingerprint, validity })
    }
}

fn meet(a: Validity, b: Validity) -> Validity {
    Validity { not_before: a.not_before.max(b.not_before), not_after: a.not_after.min(b.not_after) }
}

fn check(validity: Validity, now: UnixTime) -> Result<(), CertificateError> {
    validity.check(now).map_err(|outside| match outside {
        Outside::Before => CertificateError::NotYetValid,
        Outside::After => CertificateError::Expired,
    })
}

/// The one common name; none where there are several, for then none of them is *the* name.
fn common_name<'a>(view: &View<'a>) -> Option<&'a str> {
    let mut names = view.subject_common_names();
    let first = names.next()?;
    if names.next().is_some() { None } else { first }
}

fn is_authority(view: &View<'_>) -> Result<bool, CertificateError> {
    match view.extension(BASIC_CONSTRAINTS)?.map(BasicConstraints::from_der) {
        None => Ok(false),
        Some(Ok(([], constraints))) => Ok(constraints.ca),
        Some(_) => Err(CertificateError::Malformed),
    }
}

/// What a principal's own certificate must be good for: signatures, towards servers where it says for what.
fn check_own_usage(view: &View<'_>) -> Result<(), CertificateError> {
    if is_authority(view)? {
        return Err(CertificateError::Authority);
    }
    if view.key_usage()?.is_some_and(|usage| !usage.digital_signature()) {
        return Err(CertificateError::Usage);
    }
    match view.extension(EXTENDED_KEY_USAGE)?.map(ExtendedKeyUsage::from_der) {
        None => Ok(()),
        Some(Ok(([], usage))) if usage.client_auth => Ok(()),
        Some(Ok(_)) => Err(CertificateError::Usage),
        Some(Err(_)) => Err(CertificateError::Malformed),
    }
}

fn key_of(view: &View<'_>) -> Result<PublicKey, PrincipalError> {
    let key = PublicKey::from_spki_der(view.x509().subject_pki.raw).map_err(|_| PrincipalError::Key)?;
    KeyAlgorithm::of_kind(key.kind()).ok_or(PrincipalError::Key)?;
    Ok(key)
}
