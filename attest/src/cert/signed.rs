//! What a broker signs with the key of its certificate in a domain: checkpoints of the audit trail.

use claviger_proto::{DomainName, LvWriter};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;
use webpki::aws_lc_rs::ECDSA_P256_SHA256;

use super::view::View;
use super::{BrokerMeasurements, Peer, PolicyCertificate, verify_broker};
use crate::error::{CertificateError, KeyError};
use crate::key::SigningKey;

/// Signs as the broker that `certificate` is of. The signature carries it, LV(certificate) ‖ LV(ECDSA), for a broker's
/// certificate is renewed and what it signed stays.
pub fn sign_as_broker(key: &SigningKey, certificate: &[u8], bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
    Ok(LvWriter::new().push(certificate).push(&key.sign(bytes)?).into_bytes())
}

/// Verifies what [`sign_as_broker`] made, and says which broker signed: one whose certificate the domain's policy
/// certificate vouches for. That is checked at the certificate's own beginning: it may have expired since, the
/// signature doesn't. Whether the key was stolen, or when it signed, no signature says.
pub fn verify_signed_by_broker(
    policy: &PolicyCertificate,
    domain: &DomainName,
    bytes: &[u8],
    signature: &[u8],
) -> Result<Peer, CertificateError> {
    let split = || {
        let (certificate, rest) = split_lv(signature)?;
        let (signature, rest) = split_lv(rest)?;
        rest.is_empty().then_some((certificate, signature))
    };
    let (certificate, signature) = split().ok_or(CertificateError::Malformed)?;
    let then = View::parse(certificate)?.validity().not_before;
    let broker = verify_broker(policy, domain, certificate, &BrokerMeasurements::Any, then)?;
    let certificate = CertificateDer::from(certificate);
    EndEntityCert::try_from(&certificate)
        .and_then(|leaf| leaf.verify_signature(ECDSA_P256_SHA256, bytes, signature))
        .map_err(|error| super::peer::from_webpki(&error))?;
    Ok(broker)
}

fn split_lv(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use rustls_pki_types::UnixTime;

    use super::*;
    use crate::{Issuer, KeyAlgorithm, Measurement, Role, self_signed_policy};

    fn key() -> SigningKey {
        SigningKey::generate(KeyAlgorithm::P256).unwrap()
    }

    fn domain() -> DomainName {
        "fleet".parse().unwrap()
    }

    const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_795_500_123));

    /// A domain's policy certificate, and a leaf of this role under it.
    fn leaf(role: Role, key: &SigningKey) -> (PolicyCertificate, Vec<u8>) {
        let policy_key = self::key();
        let policy = self_signed_policy(&policy_key, &domain(), NOW, 30).unwrap();
        let issuer = Issuer::new(policy_key, policy.clone(), &domain()).unwrap();
        let measurement = (role == Role::Agent).then(|| Measurement::from_bytes(&[4; 32]).unwrap());
        let spki = key.public();
        let leaf = issuer.identity(role, spki.spki_der(), measurement.as_ref(), NOW, 10).unwrap();
        (policy, leaf)
    }

    #[test]
    fn a_broker_s_signature_is_good_and_nobody_else_s() {
        let key = key();
        let (policy, broker) = leaf(Role::Broker, &key);
        let signed = sign_as_broker(&key, &broker, b"bytes").unwrap();
        let verify = |policy: &PolicyCertificate, domain: &str, bytes: &[u8], signed: &[u8]| {
            verify_signed_by_broker(policy, &domain.parse().unwrap(), bytes, signed)
        };
        let peer = verify(&policy, "fleet", b"bytes", &signed).unwrap();
        assert_eq!(peer.fingerprint(), &crate::sha256(&broker));
        // Other bytes, another domain, another policy certificate, another key, more after it.
        assert!(verify(&policy, "fleet", b"bytez", &signed).is_err());
        assert!(verify(&policy, "float", b"bytes", &signed).is_err());
        assert!(verify(&leaf(Role::Broker, &key).0, "fleet", b"bytes", &signed).is_err());
        let other = sign_as_broker(&self::key(), &broker, b"bytes").unwrap();
        assert!(verify(&policy, "fleet", b"bytes", &other).is_err());
        assert!(verify(&policy, "fleet", b"bytes", &[&signed[..], &[0]].concat()).is_err());
        // An agent's key, however good its certificate.
        let (policy, agent) = leaf(Role::Agent, &key);
        let signed = sign_as_broker(&key, &agent, b"bytes").unwrap();
        assert!(matches!(
            verify(&policy, "fleet", b"bytes", &signed),
            Err(CertificateError::Role { .. } | CertificateError::Usage)
        ));
    }
}
