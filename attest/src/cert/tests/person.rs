//! People's certificates: what makes one, and what is none.

use super::*;
use crate::cert::{PersonRole, verify_person};
use crate::error::CertificateError as E;

fn person(role: PersonRole) -> Vec<u8> {
    let name = "ann".parse().expect("a name");
    WORLD.issuer().person(role, &name, WORLD.machine.public().spki_der(), at(NOW), 2).expect("a certificate")
}

fn verify(leaf: &[u8], now: u64) -> Result<PersonRole, E> {
    verify_person(&WORLD.policy, leaf, at(now)).map(|person| person.role())
}

#[test]
fn an_owner_s_and_an_auditor_s_are_told_apart_and_end() {
    for role in [PersonRole::Owner, PersonRole::Auditor] {
        let leaf = person(role);
        let verified = verify_person(&WORLD.policy, &leaf, at(NOW)).expect("good");
        assert_eq!((verified.role(), verified.name().as_str()), (role, "ann"));
        assert_eq!(verify(&leaf, NOW + 3 * DAY), Err(E::Expired));
        assert_eq!(verify(&leaf, NOW - DAY), Err(E::NotYetValid));
        assert_eq!(verify(&leaf, NOW + 30 * DAY), Err(E::PolicyExpired));
    }
}

#[test]
fn t36_a_machine_s_certificate_is_no_person_s_and_the_other_way_round() {
    let spki = WORLD.machine.public().spki_der();
    let measurement = "5a".repeat(32).parse().expect("a measurement");
    for (role, measurement) in [(Role::Agent, Some(&measurement)), (Role::Broker, None)] {
        let machine = WORLD.issuer().identity(role, spki, measurement, at(NOW), 2).expect("a certificate");
        assert_eq!(verify(&machine, NOW), Err(E::Usage));
    }
    for role in [PersonRole::Owner, PersonRole::Auditor] {
        assert!(matches!(WORLD.agent(&person(role)), Err(E::Usage)));
        assert!(matches!(WORLD.broker(&person(role)), Err(E::Usage)));
    }
}

#[test]
fn a_person_of_another_domain_is_a_stranger() {
    let other = World::new();
    let name = "ann".parse().expect("a name");
    let leaf = other.issuer().person(PersonRole::Owner, &name, other.machine.public().spki_der(), at(NOW), 2);
    assert_eq!(verify(&leaf.expect("a certificate"), NOW), Err(E::Foreign));
}

/// A leaf with an owner's usage, in which one thing is another.
fn owner_but(change: impl FnOnce(&mut Fake)) -> Vec<u8> {
    const OWNER: &[u8] = &[
        0x69, 0xe4, 0xd3, 0xf1, 0xc6, 0xf5, 0x94, 0xaa, 0xa4, 0x87, 0x84, 0x81, 0xe8, 0xcf, 0x9c, 0xc1, 0xee,
        0xa6, 0x11, 1,
    ];
    let mut fake = Fake {
        subject: template::name(&[(template::COMMON_NAME, "ann")]),
        validity: (NOW - DAY, NOW + DAY),
        extensions: vec![
            template::basic_constraints(false),
            template::key_usage(template::DIGITAL_SIGNATURE),
            template::extended_key_usage(&[OWNER]),
        ],
    };
    change(&mut fake);
    fake.sign()
}

#[test]
fn each_part_of_a_person_s_certificate_counts() {
    assert_eq!(verify(&owner_but(|_| ()), NOW), Ok(PersonRole::Owner));
    let usages = |usages: &[&[u8]]| template::extended_key_usage(usages);
    let owner = owner_but(|_| ());
    let spoiled: Vec<(&str, Vec<u8>)> = vec![
        ("no usage", owner_but(|fake| drop(fake.extensions.pop()))),
        ("a client's", owner_but(|fake| fake.extensions[2] = usages(&[template::CLIENT_AUTH]))),
        (
            "beside a client's",
            owner_but(|fake| {
                const OWNER_AND: &[u8] = &[
                    0x69, 0xe4, 0xd3, 0xf1, 0xc6, 0xf5, 0x94, 0xaa, 0xa4, 0x87, 0x84, 0x81, 0xe8, 0xcf, 0x9c,
                    0xc1, 0xee, 0xa6, 0x11, 1,
                ];
                fake.extensions[2] = usages(&[OWNER_AND, template::CLIENT_AUTH]);
            }),
        ),
        (
            "signs certificates",
            owner_but(|fake| {
                fake.extensions[1] =
                    template::key_usage(template::DIGITAL_SIGNATURE | template::KEY_CERT_SIGN);
            }),
        ),
        (
            "a machine's as well",
            owner_but(|fake| {
                let admission = AdmissionExtension::new(Role::Agent).encode();
                fake.extensions.push(template::extension(OID_BYTES, false, &admission));
            }),
        ),
        ("no name", owner_but(|fake| fake.subject = template::name(&[(template::ORGANIZATION, "ann")]))),
        (
            "a name with a blank",
            owner_but(|fake| fake.subject = template::name(&[(template::COMMON_NAME, "a b")])),
        ),
    ];
    for (what, leaf) in spoiled {
        assert_ne!(leaf, owner);
        assert_eq!(verify(&leaf, NOW), Err(E::Usage), "{what}");
    }
}
