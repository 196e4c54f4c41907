//! A certificate that the policy key signed makes a member, whoever's program wrote it.

use std::time::Duration;

use claviger_attest::{KeyAlgorithm, SigningKey, self_signed_policy, verify_agent};
use claviger_proto::DomainName;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    PKCS_RSA_SHA256,
};
use rustls_pki_types::{PrivatePkcs8KeyDer, UnixTime};

const NOW: u64 = 1_800_000_000;

#[test]
fn a_leaf_made_by_another_library_under_a_policy_certificate_of_ours() {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let domain: DomainName = "dom0".parse().expect("a domain name");
    let p384 = (KeyAlgorithm::P384, &PKCS_ECDSA_P384_SHA384);
    for (algorithm, signature) in
        [p384, (KeyAlgorithm::Ed25519, &PKCS_ED25519), (KeyAlgorithm::Rsa2048, &PKCS_RSA_SHA256)]
    {
        let key = SigningKey::generate(algorithm).expect("a key");
        let policy = self_signed_policy(&key, &domain, now, 30).expect("a policy");
        let pkcs8 = PrivatePkcs8KeyDer::from(key.pkcs8_der());
        let signer = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, signature).expect("a key");
        let issuer =
            rcgen::Issuer::from_ca_cert_der(&policy.der().to_vec().into(), signer).expect("an issuer");

        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let organization = format!("Measured-{}", "0a".repeat(48));
        params.distinguished_name.push(DnType::OrganizationName, organization);
        let leaf = params.signed_by(&KeyPair::generate().expect("a key"), &issuer).expect("signed");
        let peer = verify_agent(&policy, &domain, leaf.der(), now).expect("a member");
        assert_eq!(peer.measurement().expect("measured").as_bytes(), [0x0a; 48]);
    }
}
