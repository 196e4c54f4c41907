use super::*;
use crate::error::{IssueError, PolicyError};
use crate::measurement::Measurement;

/// The parts of a good policy certificate, to be changed before it is signed.
struct FakePolicy {
    issuer: Vec<u8>,
    subject: Vec<u8>,
    extensions: Vec<Vec<u8>>,
}

fn authority() -> FakePolicy {
    let name = template::name(&[(template::COMMON_NAME, "policyKey"), (template::ORGANIZATION, "dom0/x")]);
    FakePolicy {
        issuer: name.clone(),
        subject: name,
        extensions: vec![
            template::basic_constraints(true),
            template::key_usage(template::DIGITAL_SIGNATURE | template::KEY_CERT_SIGN),
        ],
    }
}

impl FakePolicy {
    fn sign(&self) -> Vec<u8> {
        self.sign_by(&WORLD.policy_key)
    }

    fn sign_by(&self, key: &SigningKey) -> Vec<u8> {
        let template = Template {
            issuer: &self.issuer,
            subject: &self.subject,
            spki: WORLD.policy_key.public().spki_der(),
            validity: (NOW - 10 * DAY, NOW + 10 * DAY),
            extensions: &self.extensions,
        };
        template.sign(key).expect("signed")
    }

    fn named(attributes: &[(&[u8], &str)]) -> Self {
        let name = template::name(attributes);
        Self { issuer: name.clone(), subject: name, ..authority() }
    }

    fn with(extensions: &[Vec<u8>]) -> Self {
        Self { extensions: extensions.to_vec(), ..authority() }
    }
}

fn read(der: &[u8]) -> Result<PolicyCertificate, PolicyError> {
    PolicyCertificate::from_der(der)
}

#[test]
fn what_is_generated_is_what_stock_tools_generate() {
    for algorithm in ["p384", "p256", "rsa-2048"] {
        let key = SigningKey::generate(algorithm.parse().expect("an algorithm")).expect("a key");
        let policy = self_signed_policy(&key, &domain(), at(NOW), 30).expect("a policy");
        let der: &'static [u8] = policy.der().to_vec().leak();
        let (_, x509) = x509_parser::parse_x509_certificate(der).expect("parsed");
        assert_eq!(x509.subject().to_string(), "CN=policyKey, O=dom0/policyAuthority");
        assert_eq!(policy.domain_named(), Some("dom0"));
        assert!(x509.basic_constraints().expect("read").is_some_and(|c| c.critical && c.value.ca));
        assert_eq!(
            x509.key_usage().expect("read").map(|u| (u.critical, u.value.flags)),
            Some((true, 0b110_0001))
        );
        let signed = x509.signature_algorithm.algorithm.to_id_string();
        let expected = match algorithm {
            "p384" => "1.2.840.10045.4.3.3",
            "p256" => "1.2.840.10045.4.3.2",
            _ => "1.2.840.113549.1.1.11",
        };
        assert_eq!(signed, expected, "{algorithm}");
        assert_eq!((policy.not_before(), policy.not_after()), (at(NOW), at(NOW + 30 * DAY)));
        assert_eq!(policy.spki_der(), key.public().spki_der());
    }
}

#[test]
fn the_default_policy_key_is_p384() {
    assert_eq!(KeyAlgorithm::default(), KeyAlgorithm::P384);
}

#[test]
fn a_policy_certificate_is_compared_by_all_its_bytes() {
    let one = read(&authority().sign()).expect("a policy");
    let other = read(&authority().sign()).expect("a policy");
    assert_ne!(one, other, "another serial");
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(one, one.clone());
    assert_eq!(one.subject_der(), authority().subject);
}

#[test]
fn what_is_not_a_self_signed_authority_is_refused() {
    assert!(read(&authority().sign()).is_ok());
    assert!(read(&FakePolicy::with(&[template::basic_constraints(true)]).sign()).is_ok(), "no keyUsage");
    let other_issuer = template::name(&[(template::COMMON_NAME, "somebody else")]);
    let usage = template::key_usage(template::DIGITAL_SIGNATURE | template::CRL_SIGN);
    let constraints = template::basic_constraints(true);
    let unknown = template::extension(&[0x2a, 3, 4], true, &[5, 0]);
    for (what, der, error) in [
        (
            "not a CA's",
            FakePolicy::with(&[template::basic_constraints(false)]).sign(),
            PolicyError::NotAuthority,
        ),
        ("no constraints", FakePolicy::with(&[]).sign(), PolicyError::NotAuthority),
        (
            "signs no certificates",
            FakePolicy::with(&[constraints.clone(), usage]).sign(),
            PolicyError::NotAuthority,
        ),
        (
            "another issuer",
            FakePolicy { issuer: other_issuer, ..authority() }.sign(),
            PolicyError::NotSelfIssued,
        ),
        ("another's signature", authority().sign_by(&new_key()), PolicyError::Signature),
        ("no subject", FakePolicy::named(&[]).sign(), PolicyError::NoSubject),
        ("critical and unknown", FakePolicy::with(&[constraints, unknown]).sign(), PolicyError::Malformed),
        ("trailing bytes", [authority().sign(), vec![0]].concat(), PolicyError::Malformed),
        ("nothing", Vec::new(), PolicyError::Malformed),
        ("no certificate", b"-----BEGIN".to_vec(), PolicyError::Malformed),
    ] {
        assert_eq!(read(&der).map(|_| ()), Err(error), "{what}");
    }
}

#[test]
fn every_flipped_bit_of_a_policy_certificate_is_refused() {
    let good = authority().sign();
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped).is_err(), "bit {bit}");
    }
}

/// The good policy certificate again, by hand: with this version field, and this algorithm for its name.
fn by_hand(version: &[u8], algorithm: u8) -> Vec<u8> {
    let fake = authority();
    let algorithm = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, algorithm];
    let algorithm = tlv(der::SEQUENCE, &[&tlv(der::OID, &[&algorithm])]);
    let dates = [der::time(NOW - DAY).expect("a time"), der::time(NOW + DAY).expect("a time")].concat();
    let extensions = tlv(der::SEQUENCE, &[&fake.extensions.concat()]);
    let tbs = tlv(
        der::SEQUENCE,
        &[
            version,
            &tlv(der::INTEGER, &[&[1]]),
            &algorithm,
            &fake.issuer,
            &tlv(der::SEQUENCE, &[&dates]),
            &fake.subject,
            WORLD.policy_key.public().spki_der(),
            &tlv(der::context_constructed(3), &[&extensions]),
        ],
    );
    let signature = WORLD.policy_key.sign(&tbs).expect("signed");
    tlv(der::SEQUENCE, &[&tbs, &algorithm, &tlv(der::BIT_STRING, &[&[0], &signature])])
}

#[test]
fn versions_below_3_and_algorithms_other_than_the_signatures_are_refused() {
    const V2: &[u8] = &[0xa0, 3, 2, 1, 1];
    const V3: &[u8] = &[0xa0, 3, 2, 1, 2];
    const ECDSA_SHA256: u8 = 2;
    const ECDSA_SHA384: u8 = 3;
    assert!(read(&by_hand(V3, ECDSA_SHA256)).is_ok());
    assert_eq!(read(&by_hand(&[], ECDSA_SHA256)).map(|_| ()), Err(PolicyError::Version));
    assert_eq!(read(&by_hand(V2, ECDSA_SHA256)).map(|_| ()), Err(PolicyError::Version));
    // Signed with SHA-256 all the same: peers that go by the name would refuse it.
    assert_eq!(read(&by_hand(V3, ECDSA_SHA384)).map(|_| ()), Err(PolicyError::Signature));
}

#[test]
fn a_key_that_nothing_of_ours_uses_is_refused() {
    let p521 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let der = params.self_signed(&p521).expect("signed");
    assert_eq!(read(der.der()).map(|_| ()), Err(PolicyError::Key));
    for kind in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519] {
        let key = rcgen::KeyPair::generate_for(kind).expect("a key");
        let der = params.self_signed(&key).expect("signed").der().to_vec();
        assert!(read(&der).is_ok());
        // One bit of the signature.
        let last = der.len() - 2;
        let mut forged = der;
        forged[last] ^= 1;
        assert_eq!(read(&forged).map(|_| ()), Err(PolicyError::Signature));
    }
}

/// A name is copied as it is, so names that certificate libraries normalize or can't hold are no trouble.
#[test]
fn leaves_chain_under_any_subject() {
    const UNIT: &[u8] = &[0x55, 4, 11];
    let repeated = FakePolicy::named(&[(UNIT, "a"), (UNIT, "b"), (template::COMMON_NAME, "c"), (UNIT, "a")]);
    let mut odd = authority();
    odd.subject = name_of_type(0x14, b"T61 \xe4");
    odd.issuer = odd.subject.clone();
    for fake in [repeated, odd] {
        let policy = read(&fake.sign()).expect("a policy");
        let key = SigningKey::from_private(&WORLD.policy_key.to_private().expect("a copy")).expect("a key");
        let issuer = Issuer::new(key, policy.clone(), &domain()).expect("usable");
        let measurement = Measurement::from_bytes(&[1; 32]).expect("32 bytes");
        let spki = WORLD.machine.public().spki_der();
        let leaf = issuer.identity(Role::Agent, spki, Some(&measurement), at(NOW), 1).expect("issued");
        assert!(verify_agent(&policy, &domain(), &leaf, at(NOW)).is_ok());
    }
}

/// Constraints that exclude this domain's own certificates are found when the pair is joined.
#[test]
fn a_policy_certificate_under_which_nothing_verifies_is_refused() {
    let constrained = |permitted: &str| {
        let subtree = tlv(der::SEQUENCE, &[&tlv(der::context(2), &[permitted.as_bytes()])]);
        let constraints = tlv(der::SEQUENCE, &[&tlv(der::context_constructed(0), &[&subtree])]);
        let mut fake = authority();
        fake.extensions.push(template::extension(&[0x55, 29, 30], true, &constraints));
        let policy = read(&fake.sign()).expect("a policy");
        let key = SigningKey::from_private(&WORLD.policy_key.to_private().expect("a copy")).expect("a key");
        Issuer::new(key, policy, &domain()).map(|_| ())
    };
    assert_eq!(constrained("dom0"), Ok(()));
    assert_eq!(constrained("dom1"), Err(IssueError::Unusable(CertificateError::Usage)));
}
