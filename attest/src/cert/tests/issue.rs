use std::sync::Arc;

use x509_parser::certificate::X509Certificate;

use super::*;
use crate::error::IssueError;
use crate::measurement::Measurement;
use crate::{ADMISSION_DAYS, CLOCK_SKEW, SHORTEST_ADMISSION, self_signed_agent};

fn measurement() -> Measurement {
    Measurement::from_bytes(&[0xab; 48]).expect("48 bytes")
}

fn issue(role: Role, measurement: Option<&Measurement>, days: u32) -> Result<Vec<u8>, IssueError> {
    WORLD.issuer().identity(role, WORLD.machine.public().spki_der(), measurement, at(NOW), days)
}

fn parse(der: &[u8]) -> X509Certificate<'static> {
    let der: &'static [u8] = der.to_vec().leak();
    x509_parser::parse_x509_certificate(der).expect("parsed").1
}

#[test]
fn an_agents_certificate_is_good_for_clients_only() {
    let leaf = issue(Role::Agent, Some(&measurement()), 3).expect("issued");
    let peer = WORLD.agent(&leaf).expect("an agent");
    assert_eq!(peer.measurement(), Some(&measurement()));
    assert_eq!(peer.extension(), Some(&AdmissionExtension::new(Role::Agent)));

    let x509 = parse(&leaf);
    let subject = format!("O=Measured-{}, CN=CertifierUsers", "ab".repeat(48));
    assert_eq!(x509.subject().to_string(), subject);
    let usage = x509.extended_key_usage().expect("read").expect("there").value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any && usage.other.is_empty());
    assert_eq!(x509.key_usage().expect("read").map(|u| (u.critical, u.value.flags)), Some((true, 1)));
    assert!(x509.basic_constraints().expect("read").is_some_and(|c| c.critical && !c.value.ca));
    assert!(x509.subject_alternative_name().expect("read").is_none());
    assert_eq!(x509.public_key().raw, WORLD.machine.public().spki_der());
}

#[test]
fn a_brokers_certificate_is_good_for_servers_only_and_names_the_domain() {
    for measurement in [None, Some(&measurement())] {
        let leaf = issue(Role::Broker, measurement, 3).expect("issued");
        let peer = WORLD.broker(&leaf).expect("a broker");
        assert_eq!(peer.measurement(), measurement);
        let x509 = parse(&leaf);
        let usage = x509.extended_key_usage().expect("read").expect("there").value;
        assert!(usage.server_auth && !usage.client_auth && !usage.any && usage.other.is_empty());
        let names = &x509.subject_alternative_name().expect("read").expect("there").value.general_names;
        assert_eq!(format!("{names:?}"), r#"[DNSName("dom0")]"#);
        assert!(x509.subject().to_string().ends_with("CN=CertifierUsers"));
    }
}

#[test]
fn every_domain_name_can_be_a_brokers() {
    for name in ["a", "a_b", "a_", "a-1_", "x0", &"a".repeat(63)] {
        let domain: DomainName = name.parse().expect("a domain name");
        let key = new_key();
        let policy = self_signed_policy(&key, &domain, at(NOW), 1).expect("a policy");
        let issuer = Issuer::new(key, policy.clone(), &domain).expect(name);
        let spki = WORLD.machine.public().spki_der();
        let leaf = issuer.identity(Role::Broker, spki, None, at(NOW), 1).expect("issued");
        assert!(verify_broker(&policy, &domain, &leaf, &BrokerMeasurements::Any, at(NOW)).is_ok(), "{name}");
    }
}

#[test]
fn serials_are_random_positive_and_16_bytes() {
    let serials: Vec<Vec<u8>> = (0..4)
        .map(|_| parse(&issue(Role::Agent, Some(&measurement()), 1).expect("issued")).raw_serial().to_vec())
        .collect();
    for (i, serial) in serials.iter().enumerate() {
        assert_eq!(serial.len(), 16);
        assert_eq!(serial[0] & 0x80, 0, "positive");
        assert!(!serials[..i].contains(serial));
    }
}

#[test]
fn validity_begins_a_little_before_and_stays_within_the_policy_certificates() {
    let dates = |now, days| {
        let spki = WORLD.machine.public().spki_der();
        let leaf = WORLD.issuer().identity(Role::Agent, spki, Some(&measurement()), at(now), days)?;
        let peer = verify_agent(&WORLD.policy, &domain(), &leaf, at(now)).expect("valid now");
        Ok((peer.not_before().as_secs(), peer.not_after().as_secs()))
    };
    let (first, last) = (NOW - 10 * DAY, NOW + 10 * DAY);
    assert_eq!(dates(NOW, 2), Ok((NOW - CLOCK_SKEW.as_secs(), NOW + 2 * DAY)));
    assert_eq!(dates(NOW, 365), Ok((NOW - CLOCK_SKEW.as_secs(), last)));
    assert_eq!(dates(first, 1), Ok((first, first + DAY)));
    assert_eq!(dates(last, 1), Ok((last - CLOCK_SKEW.as_secs(), last)));
    assert_eq!(dates(last + 1, 1), Err(IssueError::Policy(CertificateError::PolicyExpired)));
    assert_eq!(dates(first - 1, 1), Err(IssueError::Policy(CertificateError::PolicyNotYetValid)));
    assert_eq!(dates(NOW, 0), Err(IssueError::Validity));
}

#[test]
fn dates_past_2049_and_up_to_9999_are_written_as_x509_has_them() {
    let key = new_key();
    let policy = |from: u64, days| self_signed_policy(&key, &domain(), at(from), days);
    let far = policy(2_524_607_999, 366).expect("2049-12-31T23:59:59Z and a year");
    assert_eq!((far.not_before(), far.not_after()), (at(2_524_607_999), at(2_524_607_999 + 366 * DAY)));
    assert!(matches!(policy(253_402_300_799, 1), Err(IssueError::Validity)));
    assert!(matches!(policy(u64::MAX, 1), Err(IssueError::Validity)));
}

#[test]
fn an_agent_without_a_measurement_is_not_issued() {
    assert_eq!(issue(Role::Agent, None, 1), Err(IssueError::NoMeasurement));
}

#[test]
fn a_key_and_anothers_certificate_are_no_issuer() {
    let result = Issuer::new(new_key(), WORLD.policy.clone(), &domain()).map(|_| ());
    assert_eq!(result, Err(IssueError::KeyMismatch));
}

#[test]
fn only_keys_that_can_be_used_are_certified() {
    let issuer = WORLD.issuer();
    for spki in [&[][..], b"\x30\x00", &WORLD.machine.public().spki_der()[1..]] {
        let result = issuer.identity(Role::Agent, spki, Some(&measurement()), at(NOW), 1);
        assert_eq!(result, Err(IssueError::SubjectKey));
    }
}

#[test]
fn issuers_cross_threads_and_admission_shares_them() {
    fn sendable<T: Send + Sync>() {}
    sendable::<Issuer>();
    sendable::<crate::AdmissionIssuer>();
    sendable::<PolicyCertificate>();
    sendable::<Peer>();
    let issuer = Arc::new(WORLD.issuer());
    let _admission = Arc::clone(&issuer).into_admission();
    assert_eq!(issuer.certificate(), &WORLD.policy);
    assert_eq!(issuer.domain(), &domain());
    assert_eq!(ADMISSION_DAYS, 365);
}

#[test]
fn the_temporary_certificate_carries_its_own_key_and_no_identity() {
    let der = self_signed_agent(&WORLD.machine, at(NOW)).expect("signed");
    let x509 = parse(&der);
    assert_eq!(x509.public_key().raw, WORLD.machine.public().spki_der());
    assert_eq!(x509.subject(), x509.issuer());
    assert_eq!(x509.subject().to_string(), "CN=enrolling");
    assert!(x509.extended_key_usage().expect("read").is_some_and(|u| u.value.client_auth));
    assert!(!x509.is_ca());
}

#[test]
fn an_admission_lasts_neither_too_short_nor_too_long() {
    let issuer = |life| {
        let key = SigningKey::generate(KeyAlgorithm::P256).expect("a key");
        let policy = self_signed_policy(&key, &domain(), at(NOW), 3_650).expect("a policy");
        let issuer = Issuer::new(key, policy, &domain()).expect("a pair");
        Arc::new(issuer).into_admission().lasting(life).life
    };
    let year = Duration::from_secs(365 * DAY);
    assert_eq!(issuer(Duration::from_secs(7 * DAY)).as_secs(), 7 * DAY);
    assert_eq!(issuer(Duration::ZERO), SHORTEST_ADMISSION);
    assert_eq!(issuer(year + Duration::from_secs(1)), year);
}
