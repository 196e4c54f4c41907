use super::*;
use crate::cert::view::View;

#[test]
fn a_measured_certificate_without_anything_else_makes_a_member() {
    let peer = WORLD.agent(&Fake::plain().sign()).expect("a member");
    assert_eq!(peer.role(), Role::Agent);
    assert_eq!(peer.domain(), &domain());
    assert_eq!(peer.measurement().expect("measured").to_string(), "5a".repeat(32));
    assert_eq!(peer.extension(), None);
    assert_eq!(peer.challenge_fresh(), None);
    assert_eq!((peer.not_before(), peer.not_after()), (at(NOW - DAY), at(NOW + DAY)));
}

#[test]
fn an_agent_and_a_broker_of_ours_verify_as_what_they_are() {
    let peer = WORLD.agent(&agent().sign()).expect("an agent");
    assert_eq!((peer.role(), peer.challenge_fresh()), (Role::Agent, None));
    let peer = WORLD.broker(&broker().sign()).expect("a broker");
    assert_eq!(peer.role(), Role::Broker);
    assert!(peer.measurement().is_some());
}

#[test]
fn measurements_of_48_bytes_and_printable_strings_are_as_good() {
    let long = format!("Measured-{}", "0f".repeat(48));
    let peer = WORLD.agent(&Fake::plain().organization(&long).sign()).expect("a member");
    assert_eq!(peer.measurement().expect("measured").as_bytes(), [0x0f; 48]);
    let mut fake = Fake::plain();
    fake.subject = name_of_type(der::PRINTABLE_STRING, MEASURED.as_bytes());
    assert!(WORLD.agent(&fake.sign()).is_ok());
}

#[test]
fn t35_dates_are_closed_at_both_ends() {
    let leaf = Fake::plain().sign();
    let verify = |now| verify_agent(&WORLD.policy, &domain(), &leaf, at(now)).map(|_| ());
    assert_eq!(verify(NOW - DAY - 1), Err(CertificateError::NotYetValid));
    assert_eq!(verify(NOW - DAY), Ok(()));
    assert_eq!(verify(NOW + DAY), Ok(()));
    assert_eq!(verify(NOW + DAY + 1), Err(CertificateError::Expired));
}

#[test]
fn t09_an_open_channel_is_asked_for_its_dates_again() {
    let peer = WORLD.agent(&Fake::plain().sign()).expect("a member");
    assert_eq!(peer.check_dates(at(NOW + DAY)), Ok(()));
    assert_eq!(peer.check_dates(at(NOW + DAY + 1)), Err(CertificateError::Expired));
    assert_eq!(peer.check_dates(at(NOW - DAY - 1)), Err(CertificateError::NotYetValid));
}

#[test]
fn nothing_is_valid_outside_the_policy_certificates_dates() {
    let mut fake = Fake::plain();
    fake.validity = (NOW - 100 * DAY, NOW + 100 * DAY);
    let leaf = fake.sign();
    let verify = |now| verify_agent(&WORLD.policy, &domain(), &leaf, at(now)).map(|_| ());
    assert_eq!(verify(NOW - 10 * DAY - 1), Err(CertificateError::PolicyNotYetValid));
    assert_eq!(verify(NOW - 10 * DAY), Ok(()));
    assert_eq!(verify(NOW + 10 * DAY), Ok(()));
    assert_eq!(verify(NOW + 10 * DAY + 1), Err(CertificateError::PolicyExpired));
    let mut fake = broker();
    fake.validity = (NOW - 100 * DAY, NOW + 100 * DAY);
    let any = BrokerMeasurements::Any;
    let late = verify_broker(&WORLD.policy, &domain(), &fake.sign(), &any, at(NOW + 10 * DAY + 1));
    assert_eq!(late.map(|_| ()), Err(CertificateError::PolicyExpired));
}

#[test]
fn t06_another_policy_key_with_the_same_subject_is_foreign() {
    let other = new_key();
    let twin = self_signed_policy(&other, &domain(), at(NOW - 10 * DAY), 20).expect("a policy");
    assert_eq!(twin.subject_der(), WORLD.policy.subject_der());
    assert_eq!(refused(WORLD.agent(&agent().sign_by(&other))), CertificateError::Foreign);
    assert_eq!(refused(WORLD.broker(&broker().sign_by(&other))), CertificateError::Foreign);
}

#[test]
fn another_issuers_name_is_foreign() {
    let issuer = template::name(&[(template::COMMON_NAME, "somebody else")]);
    let fake = Fake::plain();
    let leaf = Template {
        issuer: &issuer,
        subject: &fake.subject,
        spki: WORLD.machine.public().spki_der(),
        validity: fake.validity,
        extensions: &fake.extensions,
    };
    let leaf = leaf.sign(&WORLD.policy_key).expect("signed");
    assert_eq!(refused(WORLD.agent(&leaf)), CertificateError::Foreign);
}

#[test]
fn a_self_signed_certificate_is_foreign() {
    let leaf = crate::self_signed_agent(&WORLD.machine, at(NOW)).expect("signed");
    assert_eq!(refused(WORLD.agent(&leaf)), CertificateError::Foreign);
}

#[test]
fn the_policy_certificate_and_other_authorities_are_no_machines() {
    assert_eq!(refused(WORLD.agent(WORLD.policy.der())), CertificateError::Authority);
    assert_eq!(refused(WORLD.broker(WORLD.policy.der())), CertificateError::Authority);
    let authority = Fake::plain().with(template::basic_constraints(true)).sign();
    assert_eq!(refused(WORLD.agent(&authority)), CertificateError::Authority);
    let machine = Fake::plain().with(template::basic_constraints(false)).sign();
    assert!(WORLD.agent(&machine).is_ok());
}

#[test]
fn t37_no_agents_certificate_plays_the_broker() {
    let both: &[&[u8]] = &[template::CLIENT_AUTH, template::SERVER_AUTH];
    let expected = CertificateError::Role { expected: Role::Broker };
    let name = || template::dns_name("dom0");
    // Stock: no extension of ours, both purposes, or none named.
    assert_eq!(refused(WORLD.broker(&Fake::plain().with(name()).sign())), expected);
    assert_eq!(refused(WORLD.broker(&Fake::plain().with(name()).with_usage(both).sign())), expected);
    // Ours, with both purposes for stock's sake.
    let agent_of_both = Fake::plain().with(name()).with_role(Role::Agent).with_usage(both).sign();
    assert_eq!(refused(WORLD.broker(&agent_of_both)), expected);
    assert!(WORLD.agent(&agent_of_both).is_ok());
    // Ours as issued: not even the purpose fits.
    assert_eq!(refused(WORLD.broker(&agent().with(name()).sign())), CertificateError::Usage);
}

#[test]
fn t37_no_brokers_certificate_plays_the_agent() {
    let both: &[&[u8]] = &[template::CLIENT_AUTH, template::SERVER_AUTH];
    let broker_of_both =
        Fake::plain().with(template::dns_name("dom0")).with_role(Role::Broker).with_usage(both);
    let leaf = broker_of_both.sign();
    assert_eq!(refused(WORLD.agent(&leaf)), CertificateError::Role { expected: Role::Agent });
    assert!(WORLD.broker(&leaf).is_ok());
    assert_eq!(refused(WORLD.agent(&broker().sign())), CertificateError::Usage);
}

#[test]
fn t36_a_certificate_for_servers_only_is_no_clients() {
    let leaf = Fake::plain().with_usage(&[template::SERVER_AUTH]).sign();
    assert_eq!(refused(WORLD.agent(&leaf)), CertificateError::Usage);
    let leaf = Fake::plain().with_usage(&[template::SERVER_AUTH, template::CLIENT_AUTH]).sign();
    assert!(WORLD.agent(&leaf).is_ok());
}

#[test]
fn a_broker_must_name_the_domain() {
    let base = || Fake::plain().with_role(Role::Broker).with_usage(&[template::SERVER_AUTH]);
    assert_eq!(refused(WORLD.broker(&base().sign())), CertificateError::OtherDomain);
    let other = base().with(template::dns_name("dom1")).sign();
    assert_eq!(refused(WORLD.broker(&other)), CertificateError::OtherDomain);
    assert!(WORLD.broker(&base().with(template::dns_name("dom0")).sign()).is_ok());
}

#[test]
fn where_the_domain_lists_broker_measurements_the_broker_is_one_of_them() {
    let verify = |leaf: &[u8], listed: &[&str]| {
        let listed = listed.iter().map(|hex| hex.parse().expect("a measurement")).collect();
        let listed = BrokerMeasurements::Listed(listed);
        verify_broker(&WORLD.policy, &domain(), leaf, &listed, at(NOW)).map(|_| ())
    };
    let (this, other) = ("5a".repeat(32), "5b".repeat(32));
    let leaf = broker().sign();
    assert_eq!(verify(&leaf, &[&other, &this]), Ok(()));
    assert_eq!(verify(&leaf, &[&other]), Err(CertificateError::BrokerMeasurement));
    assert_eq!(verify(&leaf, &[]), Err(CertificateError::BrokerMeasurement));
    let unmeasured = broker().subject(&[(template::COMMON_NAME, "CertifierUsers")]).sign();
    assert_eq!(verify(&unmeasured, &[&this]), Err(CertificateError::BrokerMeasurement));
    assert!(WORLD.broker(&unmeasured).is_ok());
}

#[test]
fn organizations_other_than_measured_lowercase_hex_are_refused() {
    let hex = "5a".repeat(32);
    for organization in [
        format!("Measured-{}", hex.to_uppercase()), // uppercase
        format!("Measured-{}", &hex[1..]),          // odd
        format!("Measured-{}", &hex[2..]),          // 31 bytes
        format!("Measured-{hex}5a"),                // 33 bytes
        format!("Measured-{}", "5a".repeat(47)),
        format!("Measured-{}", "5a".repeat(49)),
        format!("Measured-{}g", &hex[1..]),
        format!("Measured- {}", &hex[1..]),
        format!("Measured-{hex} "),
        format!("measured-{hex}"),
        format!("Measured{hex}"),
        format!(" Measured-{hex}"),
        hex.clone(),
        "Measured-".to_owned(),
        "dom0/policyAuthority".to_owned(),
        String::new(),
    ] {
        let leaf = Fake::plain().organization(&organization).sign();
        assert_eq!(refused(WORLD.agent(&leaf)), CertificateError::Subject, "{organization:?}");
        let mut fake = broker();
        fake.subject = template::name(&[(template::ORGANIZATION, &organization)]);
        assert_eq!(refused(WORLD.broker(&fake.sign())), CertificateError::Subject, "{organization:?}");
    }
}

#[test]
fn an_agent_without_exactly_one_measurement_is_refused() {
    let users = (template::COMMON_NAME, "CertifierUsers");
    let measured = (template::ORGANIZATION, MEASURED);
    let cases: [&[(&[u8], &str)]; 4] = [
        &[users],
        &[],
        &[measured, measured],
        // The unit would do as the organization only to a careless reader.
        &[(&[0x55, 4, 11], MEASURED), users],
    ];
    for attributes in cases {
        let leaf = Fake::plain().subject(attributes).sign();
        assert_eq!(refused(WORLD.agent(&leaf)), CertificateError::Subject, "{attributes:?}");
    }
    for string_type in [0x14, 0x16, 0x1e] {
        let mut fake = Fake::plain();
        fake.subject = name_of_type(string_type, MEASURED.as_bytes());
        assert_eq!(refused(WORLD.agent(&fake.sign())), CertificateError::Subject, "{string_type}");
    }
}

#[test]
fn only_stock_certificates_may_carry_key_cert_sign() {
    let usage = template::key_usage(template::DIGITAL_SIGNATURE | template::KEY_CERT_SIGN);
    assert!(WORLD.agent(&Fake::plain().with(usage.clone()).sign()).is_ok());
    let ours = Fake::plain().with_role(Role::Agent).with(usage.clone()).sign();
    assert_eq!(refused(WORLD.agent(&ours)), CertificateError::Usage);
    let name = template::dns_name("dom0");
    let ours = Fake::plain().with_role(Role::Broker).with(name).with(usage).sign();
    assert_eq!(refused(WORLD.broker(&ours)), CertificateError::Usage);
}

#[test]
fn a_key_usage_without_signatures_is_refused() {
    let leaf = Fake::plain().with(template::key_usage(0x20)).sign();
    assert_eq!(refused(WORLD.agent(&leaf)), CertificateError::Usage);
    let garbled = Fake::plain().with(template::extension(template::KEY_USAGE, true, &[3, 2, 7])).sign();
    assert_eq!(refused(WORLD.agent(&garbled)), CertificateError::Malformed);
}

#[test]
fn t07_the_same_key_in_another_certificate_is_another_identity() {
    let one = WORLD.agent(&Fake::plain().sign()).expect("a member");
    let other = Fake::plain().subject(&[(template::ORGANIZATION, MEASURED)]).sign();
    let other = WORLD.agent(&other).expect("a member");
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_ne!(one.leaf_digest(), other.leaf_digest());
}

#[test]
fn anything_before_in_or_after_a_certificate_is_refused() {
    let good = agent().sign();
    assert!(WORLD.agent(&good).is_ok());
    let longer = [good.as_slice(), &[0]].concat();
    assert_eq!(refused(WORLD.agent(&longer)), CertificateError::Malformed);
    assert!(View::parse(&good).is_ok());
    assert!(View::parse(&longer).is_err());
    assert_eq!(refused(WORLD.agent(&good[..good.len() - 1])), CertificateError::Malformed);
    assert_eq!(refused(WORLD.agent(&[])), CertificateError::Malformed);
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(WORLD.agent(&flipped).is_err(), "bit {bit}");
    }
}

fn refused(result: Result<Peer, CertificateError>) -> CertificateError {
    result.expect_err("refused")
}
