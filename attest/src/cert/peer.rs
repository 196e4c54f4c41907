//! Who is on the other end, by its certificate.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use claviger_proto::DomainName;
use rustls_pki_types::{CertificateDer, DnsName, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::delegate::{CHAIN, LEAF_ROLE};
use super::policy::array;
use super::view::View;
use super::{AdmissionExtension, IssuerCertificate, Outside, PolicyCertificate, SIGNATURES, Validity};
use crate::error::CertificateError;
use crate::measurement::Measurement;
use crate::role::Role;

/// A machine, known by a certificate that verified under its domain's policy certificate. Who uses it must
/// have seen the machine prove the certificate's key on the channel (TLS does).
#[derive(Clone, Debug)]
pub struct Peer {
    domain: DomainName,
    role: Role,
    measurement: Option<Measurement>,
    fingerprint: [u8; 32],
    leaf_digest: [u8; 48],
    validity: Validity,
    extension: Option<AdmissionExtension>,
    issuer: Option<IssuerCertificate>,
}

impl Peer {
    /// The domain it belongs to.
    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// What it is there.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What it runs; always there for agents.
    pub fn measurement(&self) -> Option<&Measurement> {
        self.measurement.as_ref()
    }

    /// SHA-256 of its certificate.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// SHA-384 of its certificate, as it enters bindings.
    pub fn leaf_digest(&self) -> &[u8; 48] {
        &self.leaf_digest
    }

    /// First second of its certificate's validity.
    pub fn not_before(&self) -> UnixTime {
        self.validity.not_before
    }

    /// Last second of its certificate's validity.
    pub fn not_after(&self) -> UnixTime {
        self.validity.not_after
    }

    /// What else a certificate of ours says; `None` for a stock one, of which all that is unknown.
    pub fn extension(&self) -> Option<&AdmissionExtension> {
        self.extension.as_ref()
    }

    /// Whether it was admitted on an answer to a challenge; `None` when its certificate doesn't say, and a
    /// condition on an unknown denies.
    pub fn challenge_fresh(&self) -> Option<bool> {
        self.extension.as_ref()?.challenge_fresh
    }

    /// Which of several equal machines it is, 1 to 64 bytes; `None` when its certificate doesn't say.
    pub fn instance(&self) -> Option<&[u8]> {
        self.extension.as_ref()?.instance.as_deref()
    }

    /// What the domain's owner calls the instance.
    pub fn instance_label(&self) -> Option<&str> {
        self.extension.as_ref()?.instance_label.as_deref()
    }

    /// Its enrolment: SHA-256 of the certificate that it enrolled with, which this one is or was renewed from.
    pub fn enrolment(&self) -> [u8; 32] {
        self.extension.as_ref().and_then(|extension| extension.enrolment).unwrap_or(self.fingerprint)
    }

    /// The delegated issuer that its certificate came by; `None` where it lies directly under the policy certificate.
    pub fn issuer(&self) -> Option<&IssuerCertificate> {
        self.issuer.as_ref()
    }

    /// Whether its certificate, and the issuer's, is within its dates, for every request on a channel that stays open.
    pub fn check_dates(&self, now: UnixTime) -> Result<(), CertificateError> {
        self.validity.check(now).map_err(|outside| match outside {
            Outside::Before => CertificateError::NotYetValid,
            Outside::After => CertificateError::Expired,
        })?;
        self.issuer.as_ref().map_or(Ok(()), |issuer| issuer.check_dates(now))
    }
}

#[cfg(test)]
impl Peer {
    /// For tests: the same, whose own certificate ends then.
    pub(super) fn outlive(&mut self, not_after: UnixTime) {
        self.validity.not_after = not_after;
    }
}

/// What a domain's brokers may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerMeasurements {
    /// The domain lists none: the role is enough.
    Any,
    /// One of these, named in the broker's certificate.
    Listed(BTreeSet<Measurement>),
}

/// Verifies a client's leaf that lies directly under the policy certificate: an agent of this domain, named by what it
/// runs.
pub fn verify_agent(
    policy: &PolicyCertificate,
    domain: &DomainName,
    leaf: &[u8],
    now: UnixTime,
) -> Result<Peer, CertificateError> {
    verify_agent_chain(policy, domain, leaf, &[] as &[&[u8]], now)
}

/// The same, of a leaf that may have come by a delegated issuer: `between` is what the client showed after its leaf. Where
/// the policy certificate's subject issued the leaf, that is not looked at.
pub fn verify_agent_chain(
    policy: &PolicyCertificate,
    domain: &DomainName,
    leaf: &[u8],
    between: &[impl AsRef<[u8]>],
    now: UnixTime,
) -> Result<Peer, CertificateError> {
    let leaf_der = CertificateDer::from(leaf);
    policy.check_dates(now)?;
    let issuer = issuer_of(policy, leaf, between, now)?;
    let anchor = issuer.as_ref().map_or(policy.anchor(), IssuerCertificate::anchor);
    let (view, _) = verify_under(anchor, leaf, &leaf_der, now, KeyUsage::client_auth())?;
    let extension = view.admission()?;
    check_key_usage(&view, extension.is_some())?;
    // A stock certificate says nothing of roles, and admission makes agents of all it certifies.
    if extension.as_ref().is_some_and(|e| e.role != Role::Agent) {
        return Err(CertificateError::Role { expected: Role::Agent });
    }
    // Without a measurement there is nothing that a domain could trust or grant by.
    let measurement = view.measurement()?.ok_or(CertificateError::Subject)?;
    if let Some(issuer) = &issuer {
        // What says nothing of roles is the policy key's own to sign.
        if extension.is_none() {
            return Err(CertificateError::Delegation(LEAF_ROLE));
        }
        issuer.check_leaf_dates(view.validity())?;
    }
    Ok(Peer { issuer, ..peer(domain, Role::Agent, Some(measurement), leaf, &view, extension) })
}

/// The delegated issuer of a leaf, verified; `None` where the leaf names the policy certificate as its issuer, or comes
/// alone.
fn issuer_of(
    policy: &PolicyCertificate,
    leaf: &[u8],
    between: &[impl AsRef<[u8]>],
    now: UnixTime,
) -> Result<Option<IssuerCertificate>, CertificateError> {
    let view = View::parse(leaf)?;
    if view.x509().issuer.as_raw() == policy.subject_der() {
        return Ok(None);
    }
    match between {
        [] => Ok(None),
        [one] => IssuerCertificate::verify(policy, one.as_ref(), now).map(Some),
        _ => Err(CertificateError::Delegation(CHAIN)),
    }
}

/// Verifies a server's leaf: a broker of this domain, by our extension and no less, so that no agent's key
/// can play the broker; and one of the `measurements`, where the domain lists them.
pub fn verify_broker(
    policy: &PolicyCertificate,
    domain: &DomainName,
    leaf: &[u8],
    measurements: &BrokerMeasurements,
    now: UnixTime,
) -> Result<Peer, CertificateError> {
    let leaf_der = CertificateDer::from(leaf);
    let (view, parsed) = verify_chain(policy, leaf, &leaf_der, now, KeyUsage::server_auth())?;
    let extension = view.admission()?;
    if extension.as_ref().is_none_or(|e| e.role != Role::Broker) {
        return Err(CertificateError::Role { expected: Role::Broker });
    }
    check_key_usage(&view, true)?;
    let name = DnsName::try_from(domain.as_str()).map_err(|_| CertificateError::OtherDomain)?;
    parsed
        .verify_is_valid_for_subject_name(&ServerName::DnsName(name))
        .map_err(|_| CertificateError::OtherDomain)?;
    let measurement = view.measurement()?;
    if let BrokerMeasurements::Listed(listed) = measurements
        && !measurement.is_some_and(|m| listed.contains(&m))
    {
        return Err(CertificateError::BrokerMeasurement);
    }
    Ok(peer(domain, Role::Broker, measurement, leaf, &view, extension))
}

/// Verifies the leaf of a stock server, which says neither role nor domain: one of the certificates that are
/// `pinned` (by SHA-256), and as the domain's policy key signed it, within its dates.
pub fn verify_pinned(
    policy: &PolicyCertificate,
    pinned: &BTreeSet<[u8; 32]>,
    leaf: &[u8],
    now: UnixTime,
) -> Result<(), CertificateError> {
    let found = array(digest(&SHA256, leaf).as_ref());
    if !pinned.contains(&found) {
        return Err(CertificateError::NotPinned { found });
    }
    let leaf_der = CertificateDer::from(leaf);
    let (view, _) = verify_chain(policy, leaf, &leaf_der, now, KeyUsage::server_auth())?;
    // Whoever pins it has taken it as it is: stock certificates may sign others, by their own word.
    check_key_usage(&view, false)
}

// The chain is policy certificate → leaf, or anchor of a delegated issuer → leaf: there is nothing to build. The policy
// certificate itself can't be the leaf: it is always a CA's, and webpki takes no CA for an end entity.
pub(super) fn verify_chain<'a>(
    policy: &PolicyCertificate,
    leaf: &'a [u8],
    leaf_der: &'a CertificateDer<'a>,
    now: UnixTime,
    usage: KeyUsage,
) -> Result<(View<'a>, EndEntityCert<'a>), CertificateError> {
    policy.check_dates(now)?;
    verify_under(policy.anchor(), leaf, leaf_der, now, usage)
}

fn verify_under<'a>(
    anchor: &TrustAnchor<'static>,
    leaf: &'a [u8],
    leaf_der: &'a CertificateDer<'a>,
    now: UnixTime,
    usage: KeyUsage,
) -> Result<(View<'a>, EndEntityCert<'a>), CertificateError> {
    let view = View::parse(leaf)?;
    let parsed = EndEntityCert::try_from(leaf_der).map_err(|error| from_webpki(&error))?;
    let anchors = std::slice::from_ref(anchor);
    parsed
        .verify_for_usage(SIGNATURES, anchors, &[], now, usage, None, None)
        .map_err(|error| from_webpki(&error))?;
    Ok((view, parsed))
}

pub(super) fn check_key_usage(view: &View<'_>, ours: bool) -> Result<(), CertificateError> {
    let Some(usage) = view.key_usage()? else { return Ok(()) };
    // Stock admission certificates carry keyCertSign; ours never do.
    let signs_certificates = ours && usage.key_cert_sign();
    if usage.digital_signature() && !signs_certificates { Ok(()) } else { Err(CertificateError::Usage) }
}

fn peer(
    domain: &DomainName,
    role: Role,
    measurement: Option<Measurement>,
    leaf: &[u8],
    view: &View<'_>,
    extension: Option<AdmissionExtension>,
) -> Peer {
    Peer {
        domain: domain.clone(),
        role,
        measurement,
        fingerprint: array(digest(&SHA256, leaf).as_ref()),
        leaf_digest: array(digest(&SHA384, leaf).as_ref()),
        validity: view.validity(),
        extension,
        issuer: None,
    }
}

pub(super) fn from_webpki(error: &webpki::Error) -> CertificateError {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } => CertificateError::Expired,
        Error::CertNotValidYet { .. } => CertificateError::NotYetValid,
        Error::EndEntityUsedAsCa | Error::PathLenConstraintViolated => CertificateError::Issuer,
        Error::CaUsedAsEndEntity => CertificateError::Authority,
        Error::UnsupportedCertVersion => CertificateError::Version,
        Error::UnknownIssuer
        | Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => CertificateError::Foreign,
        Error::RequiredEkuNotFoundContext(_) | Error::NameConstraintViolation => CertificateError::Usage,
        _ => CertificateError::Malformed,
    }
}
