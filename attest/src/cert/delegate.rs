//! A delegated issuer: the policy key stays with the domain's owner, and for some days a key of the broker's may admit
//! agents in its place, and nothing else.

use std::fmt;
use std::sync::Arc;

use claviger_proto::DomainName;
use claviger_proto::key::PublicKey;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::anchor_from_trusted_cert;
use x509_parser::extensions::BasicConstraints;
use x509_parser::prelude::FromDer as _;

use super::extension::{ISSUER, OID_BYTES};
use super::issue::{Within, days, end};
use super::policy::{is_signed_by, key_id};
use super::template::{self, BASIC_CONSTRAINTS, KEY_USAGE, Template, extension};
use super::view::View;
use super::{CLOCK_SKEW, Issuer, Outside, PolicyCertificate, Validity};
use crate::digest::sha256;
use crate::error::{CertificateError, IssueError};
use crate::key::{KeyAlgorithm, SigningKey};

/// Longest life of a delegated issuer, in days, from its first second on. Who verifies holds it to that as well.
pub const DELEGATION_DAYS: u32 = 30;

/// The common name of all of them.
const COMMON_NAME: &str = "admissionIssuer";

/// What a delegated issuer's organization ends with; the domain comes before it.
const DELEGATE: &str = "/admissionIssuer";

/// What keyUsage has to be: keyCertSign (bit 5), and nothing else.
const ONLY_CERT_SIGN: u16 = 1 << 5;

/// What an issuer has to be; each is told where it is not so.
pub(super) const PATH: &str = "it is an authority's with a path length of 0, by critical basicConstraints";
pub(super) const USAGE: &str = "its keyUsage is critical, and keyCertSign alone";
pub(super) const ROLE: &str = "its Claviger extension gives it the role of an issuer";
pub(super) const LIFE: &str = "it is valid for at most 30 days";
pub(super) const CRITICAL: &str = "nothing critical is in it that isn't understood";
pub(super) const KEY: &str = "its key is of a kind that signs";
pub(super) const CHAIN: &str =
    "exactly one issuer lies between a machine's certificate and the policy certificate";
pub(super) const LEAF_ROLE: &str = "it issues agents only, by the Claviger extension";
pub(super) const LEAF_DATES: &str = "what it issued is valid only while it is valid itself";

/// A delegated issuer's certificate, verified under its domain's policy certificate. Cheap to clone.
#[derive(Clone)]
pub struct IssuerCertificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    subject: Vec<u8>,
    public: PublicKey,
    key_id: Option<Vec<u8>>,
    anchor: TrustAnchor<'static>,
    fingerprint: [u8; 32],
    validity: Validity,
}

impl IssuerCertificate {
    /// Verifies one (DER): signed by the policy key, an authority's that has no other below it, for signing
    /// certificates alone, of the role `issuer`, for at most [`DELEGATION_DAYS`], and both it and the policy certificate
    /// within their dates.
    pub fn verify(policy: &PolicyCertificate, der: &[u8], now: UnixTime) -> Result<Self, CertificateError> {
        let read = Self::read(policy, der)?;
        policy.check_dates(now)?;
        read.check_dates(now)?;
        Ok(read)
    }

    /// The same, whatever the time is.
    pub fn read(policy: &PolicyCertificate, der: &[u8]) -> Result<Self, CertificateError> {
        let view = View::parse(der)?;
        let x509 = view.x509();
        // First, so that what somebody else's authority signed is foreign, whatever else it is.
        if x509.issuer.as_raw() != policy.subject_der() || !is_signed_by(&view, policy.der()) {
            return Err(CertificateError::Foreign);
        }
        check_form(&view)?;
        let public = PublicKey::from_spki_der(x509.subject_pki.raw).ok();
        let public = public.filter(|public| KeyAlgorithm::of_kind(public.kind()).is_some());
        let certificate = CertificateDer::from(der);
        let anchor = anchor_from_trusted_cert(&certificate).map_err(|_| CertificateError::Malformed)?;
        Ok(Self(Arc::new(Inner {
            subject: x509.subject.as_raw().to_vec(),
            public: public.ok_or(CertificateError::Delegation(KEY))?,
            key_id: key_id(&view).map_err(|_| CertificateError::Malformed)?,
            anchor: anchor.to_owned(),
            fingerprint: sha256(der),
            validity: view.validity(),
            der: der.to_vec(),
        })))
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The issuer's public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// SHA-256 of the certificate, by which it can be revoked.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.0.fingerprint
    }

    /// First second of validity.
    pub fn not_before(&self) -> UnixTime {
        self.0.validity.not_before
    }

    /// Last second of validity.
    pub fn not_after(&self) -> UnixTime {
        self.0.validity.not_after
    }

    /// Whether it is within its own dates.
    pub fn check_dates(&self, now: UnixTime) -> Result<(), CertificateError> {
        self.0.validity.check(now).map_err(|outside| match outside {
            Outside::Before => CertificateError::IssuerNotYetValid,
            Outside::After => CertificateError::IssuerExpired,
        })
    }

    /// What it issued has dates within its own.
    pub(super) fn check_leaf_dates(&self, leaf: Validity) -> Result<(), CertificateError> {
        let own = &self.0.validity;
        let inside = own.not_before <= leaf.not_before && leaf.not_after <= own.not_after;
        if inside { Ok(()) } else { Err(CertificateError::Delegation(LEAF_DATES)) }
    }

    pub(super) fn anchor(&self) -> &TrustAnchor<'static> {
        &self.0.anchor
    }
}

impl fmt::Debug for IssuerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IssuerCertificate").field(&hex::encode(self.0.fingerprint)).finish()
    }
}

fn check_form(view: &View<'_>) -> Result<(), CertificateError> {
    let no = |why| Err(CertificateError::Delegation(why));
    let extensions = view.x509().extensions();
    let critical = |oid: &[u8]| extensions.iter().any(|e| e.critical && e.oid.as_bytes() == oid);
    if extensions.iter().any(|e| e.critical && ![BASIC_CONSTRAINTS, KEY_USAGE].contains(&e.oid.as_bytes())) {
        return no(CRITICAL);
    }
    let constraints = view.extension(BASIC_CONSTRAINTS)?.map(BasicConstraints::from_der);
    match constraints {
        Some(Ok(([], found))) if found.ca && found.path_len_constraint == Some(0) => {}
        Some(Ok(([], _))) | None => return no(PATH),
        Some(_) => return Err(CertificateError::Malformed),
    }
    if !critical(BASIC_CONSTRAINTS) {
        return no(PATH);
    }
    if !critical(KEY_USAGE) || view.key_usage()?.is_none_or(|usage| usage.flags != ONLY_CERT_SIGN) {
        return no(USAGE);
    }
    if view.extension(OID_BYTES).map_err(|_| CertificateError::Extension)? != Some(ISSUER) {
        return no(ROLE);
    }
    let Validity { not_before, not_after } = view.validity();
    if not_after.as_secs().saturating_sub(not_before.as_secs()) > days(DELEGATION_DAYS).as_secs() {
        return no(LIFE);
    }
    Ok(())
}

impl Issuer {
    /// Lets this key (a `SubjectPublicKeyInfo`) admit agents in the policy key's place, for `days` from now (and a little
    /// before, for slow clocks), at most [`DELEGATION_DAYS`] in all and within the policy certificate's own dates.
    pub fn delegate(&self, spki: &[u8], now: UnixTime, days: u32) -> Result<Vec<u8>, IssueError> {
        if days > DELEGATION_DAYS {
            return Err(IssueError::Delegation);
        }
        let public = PublicKey::from_spki_der(spki).map_err(|_| IssueError::SubjectKey)?;
        KeyAlgorithm::of_kind(public.kind()).ok_or(IssueError::SubjectKey)?;
        if public.same_numbers(self.certificate().public_key()) {
            return Err(IssueError::OwnDelegate);
        }
        let (not_before, not_after) = self.validity(now, self::days(days))?;
        // The few minutes before are part of its life.
        let longest = not_before.saturating_add(self::days(DELEGATION_DAYS).as_secs());
        let organization = format!("{}{DELEGATE}", self.domain());
        let subject = [(template::COMMON_NAME, COMMON_NAME), (template::ORGANIZATION, organization.as_str())];
        let mut extensions = vec![
            template::authority_without_others(),
            template::key_usage(template::KEY_CERT_SIGN),
            template::subject_key_id(spki),
        ];
        extensions.extend(self.authority_key_id());
        extensions.push(extension(OID_BYTES, false, ISSUER));
        let der = Template {
            issuer: self.certificate().subject_der(),
            subject: &template::name(&subject),
            spki,
            validity: (not_before, not_after.min(longest)),
            extensions: &extensions,
        }
        .sign(self.key())?;
        IssuerCertificate::read(self.certificate(), &der).map_err(IssueError::Unusable)?;
        Ok(der)
    }
}

/// A certification request (PKCS#10, RFC 2986) by this key, DER. The name in it is for people: what is certified is the key.
pub fn certificate_request(key: &SigningKey, common_name: &str) -> Result<Vec<u8>, IssueError> {
    let subject = template::name(&[(template::COMMON_NAME, common_name)]);
    Ok(template::request(&subject, key)?)
}

/// A delegated issuer with its key: it can admit agents. No `Debug`, no `Clone`.
pub struct DelegatedIssuer {
    key: SigningKey,
    certificate: IssuerCertificate,
    domain: DomainName,
}

impl DelegatedIssuer {
    /// Joins an issuer's key with its certificate, for the domain of this name.
    pub fn new(
        key: SigningKey,
        certificate: IssuerCertificate,
        domain: &DomainName,
    ) -> Result<Self, IssueError> {
        if !key.public().same_numbers(certificate.public_key()) {
            return Err(IssueError::KeyMismatch);
        }
        Ok(Self { key, certificate, domain: domain.clone() })
    }

    /// Its certificate, which machines show beside their own.
    pub fn certificate(&self) -> &IssuerCertificate {
        &self.certificate
    }

    pub(super) fn within(&self, now: UnixTime, life: std::time::Duration) -> Result<Within<'_>, IssueError> {
        self.certificate.check_dates(now).map_err(IssueError::Policy)?;
        let inner = &self.certificate.0;
        let not_before = now.as_secs().saturating_sub(CLOCK_SKEW.as_secs());
        let (first, last) = (inner.validity.not_before.as_secs(), inner.validity.not_after.as_secs());
        Ok(Within {
            key: &self.key,
            subject: &inner.subject,
            domain: &self.domain,
            key_id: inner.key_id.as_deref(),
            validity: (not_before.max(first), end(now, life)?.min(last)),
        })
    }
}
