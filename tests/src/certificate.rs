//! Certificates that tests make themselves, with rcgen: right in all but what a test breaks.

use claviger_attest::{KeyAlgorithm, SigningKey};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use time::{Duration, OffsetDateTime};

use crate::channel::Credentials;

/// An issuer: a key and its certificate.
pub struct Authority {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Authority {
    /// One that has its key and certificate from elsewhere.
    pub fn new(certificate: Vec<u8>, key: Vec<u8>) -> Self {
        Self { certificate, key }
    }

    /// A new policy certificate as stock tools make them, valid for so long from a little before now.
    pub fn policy(domain: &str, algorithm: KeyAlgorithm, lifetime: Duration) -> Self {
        Self::policy_of(new_key(algorithm), domain, lifetime)
    }

    /// Another policy certificate of the same key and name, with other dates.
    #[must_use]
    pub fn renewed(&self, domain: &str, lifetime: Duration) -> Self {
        Self::policy_of(self.key.clone(), domain, lifetime)
    }

    fn policy_of(key: Vec<u8>, domain: &str, lifetime: Duration) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "policyKey");
        params.distinguished_name.push(DnType::OrganizationName, format!("{domain}/policyAuthority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        (params.not_before, params.not_after) = validity(lifetime);
        let certificate = params.self_signed(&pair(&key)).expect("a policy certificate").der().to_vec();
        Self { certificate, key }
    }

    /// A certificate of its own for whoever makes it: an authority's, or a leaf's that nobody else signed.
    pub fn self_signed(name: &str, authority: bool, lifetime: Duration) -> Self {
        let key = new_key(KeyAlgorithm::P256);
        let params = named(name, authority, lifetime);
        let certificate = params.self_signed(&pair(&key)).expect("a certificate").der().to_vec();
        Self { certificate, key }
    }

    /// The certificate and key.
    pub fn credentials(&self) -> Credentials {
        Credentials { certificate: self.certificate.clone(), key: self.key.clone() }
    }

    /// Makes a certificate for a person or program of this common name.
    pub fn issue_to(&self, name: &str, lifetime: Duration) -> Credentials {
        let key = new_key(KeyAlgorithm::P256);
        let issuer = Issuer::from_ca_cert_der(&self.certificate.clone().into(), pair(&self.key));
        let params = named(name, false, lifetime);
        let certificate = params.signed_by(&pair(&key), &issuer.expect("an issuer")).expect("a leaf");
        Credentials { certificate: certificate.der().to_vec(), key }
    }

    /// The key, PKCS#8 PEM.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// Makes a leaf for a new key.
    pub fn issue(&self, leaf: &Leaf) -> Credentials {
        let key = new_key(leaf.algorithm);
        let issuer = Issuer::from_ca_cert_der(&self.certificate.clone().into(), pair(&self.key));
        let certificate = leaf.params().signed_by(&pair(&key), &issuer.expect("an issuer")).expect("a leaf");
        Credentials { certificate: certificate.der().to_vec(), key }
    }
}

/// What a leaf says. By default what a stock admission certificate says, for an hour.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// `O`, if any: `Measured-` and the measurement.
    pub organization: Option<String>,
    /// What key it names.
    pub algorithm: KeyAlgorithm,
    /// From a little before now; negative ended so long ago.
    pub lifetime: Duration,
    /// So much later does all of it begin; zero is now.
    pub starts_in: Duration,
    /// Extended key usages.
    pub usages: Vec<ExtendedKeyUsagePurpose>,
}

impl Leaf {
    /// A stock admission certificate of a machine with this measurement.
    pub fn stock(measurement: &str) -> Self {
        Self {
            organization: Some(format!("Measured-{measurement}")),
            algorithm: KeyAlgorithm::P256,
            lifetime: Duration::hours(1),
            starts_in: Duration::ZERO,
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
        }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(organization) = &self.organization {
            params.distinguished_name.push(DnType::OrganizationName, organization.clone());
        }
        params.distinguished_name.push(DnType::CommonName, "CertifierUsers");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        params.extended_key_usages.clone_from(&self.usages);
        params.serial_number = Some(SerialNumber::from(11));
        let (from, to) = validity(self.lifetime);
        (params.not_before, params.not_after) = (from + self.starts_in, to + self.starts_in);
        params
    }
}

fn named(name: &str, authority: bool, lifetime: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    } else {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    }
    (params.not_before, params.not_after) = validity(lifetime);
    params
}

fn validity(lifetime: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    let end = now + lifetime;
    (now.min(end) - Duration::minutes(5), end)
}

fn new_key(algorithm: KeyAlgorithm) -> Vec<u8> {
    SigningKey::generate(algorithm).expect("a key").pkcs8_der().to_vec()
}

fn pair(pkcs8: &[u8]) -> KeyPair {
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(pkcs8.to_vec())).expect("rcgen takes the key")
}

/// PEM.
pub fn pem(label: &str, der: &[u8]) -> String {
    pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, der).expect("PEM")
}

/// The DER in a PEM file.
pub fn unpem(text: &[u8]) -> Vec<u8> {
    pem_rfc7468::decode_vec(text).expect("PEM").1
}
