//! What a peer proves on its channel: principals by their credentials, freshness by its age.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

use std::time::{Duration, Instant};

use claviger_attest::{
    CertificateError, KeyAlgorithm, Moment, PrincipalError, Principals, Proofs, SigningKey, TrustedPrincipal,
    sign_as_principal,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{PrivatePkcs8KeyDer, UnixTime};
use time::OffsetDateTime;

const NOW: i64 = 1_800_000_000;
const BINDING: [u8; 64] = [0x44; 64];

fn at(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.unsigned_abs()))
}

struct Made {
    der: Vec<u8>,
    key: SigningKey,
}

impl Made {
    fn pair(&self) -> KeyPair {
        KeyPair::try_from(&PrivatePkcs8KeyDer::from(self.key.pkcs8_der().to_vec())).unwrap()
    }

    fn proof(&self) -> Vec<u8> {
        sign_as_principal(&self.key, &BINDING).unwrap()
    }
}

/// A certificate that is good from an hour ago for two, as `change` has it, under `by`.
fn certificate(name: &str, by: Option<&Made>, change: impl Fn(&mut CertificateParams)) -> Made {
    let made = Made { der: Vec::new(), key: SigningKey::generate(KeyAlgorithm::P256).unwrap() };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = OffsetDateTime::from_unix_timestamp(NOW - 3_600).unwrap();
    params.not_after = OffsetDateTime::from_unix_timestamp(NOW + 3_600).unwrap();
    change(&mut params);
    let der = match by {
        None => params.self_signed(&made.pair()).unwrap().der().to_vec(),
        Some(by) => {
            let issuer = Issuer::from_ca_cert_der(&by.der.clone().into(), by.pair()).unwrap();
            params.signed_by(&made.pair(), &issuer).unwrap().der().to_vec()
        }
    };
    Made { der, ..made }
}

fn ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
}

fn known(pairs: &[(&str, &Made)]) -> Principals {
    let mut all = Principals::default();
    for (name, made) in pairs {
        assert!(all.add(TrustedPrincipal::new(name.parse().unwrap(), &made.der).unwrap()));
    }
    // As the store keeps them.
    let kept: Principals = serde_json::from_slice(&serde_json::to_vec(&all).unwrap()).unwrap();
    assert_eq!(kept, all);
    kept
}

fn names(known: &Principals, chain: &[&Made]) -> Result<Vec<String>, PrincipalError> {
    prove(known, chain, &chain[0].proof())
}

fn prove(known: &Principals, chain: &[&Made], proof: &[u8]) -> Result<Vec<String>, PrincipalError> {
    let chain: Vec<_> = chain.iter().map(|made| made.der.clone()).collect();
    let found = known.prove(&chain, &BINDING, proof, at(NOW))?;
    Ok(found.iter().map(|principal| principal.name().to_string()).collect())
}

#[test]
fn a_principal_is_its_own_certificate_or_one_of_its_name_under_an_authority() {
    let root = certificate("root", None, ca);
    let between = certificate("between", Some(&root), ca);
    let own = certificate("somebody", None, |_| ());
    let all = known(&[("ops", &own), ("dev", &root), ("night", &root)]);
    assert_eq!(names(&all, &[&own]).unwrap(), ["ops"], "whatever its common name is");
    let dev = certificate("dev", Some(&between), |_| ());
    assert_eq!(names(&all, &[&dev, &between]).unwrap(), ["dev"]);
    assert_eq!(names(&all, &[&certificate("night", Some(&root), |_| ())]).unwrap(), ["night"]);
    let client = certificate("dev", Some(&root), |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_eq!(names(&all, &[&client]).unwrap(), ["dev"]);
}

#[test]
fn t10_credentials_with_one_thing_wrong_are_nobody_s() {
    let root = certificate("root", None, ca);
    let own = certificate("ops", None, |_| ());
    let all = known(&[("ops", &own), ("dev", &root)]);
    let refused = |chain: &[&Made]| names(&all, chain).unwrap_err();

    assert_eq!(refused(&[&certificate("ops", None, |_| ())]), PrincipalError::Unknown, "foreign");
    assert_eq!(refused(&[&certificate("ops", Some(&root), |_| ())]), PrincipalError::Unknown, "other name");
    assert_eq!(refused(&[&certificate("dev", None, |_| ())]), PrincipalError::Unknown, "no authority's");
    let other = certificate("root", None, ca);
    assert_eq!(refused(&[&certificate("dev", Some(&other), |_| ()), &other]), PrincipalError::Unknown);
    let between = certificate("between", Some(&root), ca);
    let under = certificate("dev", Some(&between), |_| ());
    assert_eq!(refused(&[&under]), PrincipalError::Unknown, "a link is missing");

    let aged = |from: i64, to: i64| {
        move |params: &mut CertificateParams| {
            params.not_before = OffsetDateTime::from_unix_timestamp(NOW + from).unwrap();
            params.not_after = OffsetDateTime::from_unix_timestamp(NOW + to).unwrap();
        }
    };
    assert_eq!(refused(&[&certificate("dev", Some(&root), aged(-9, -1))]), PrincipalError::Expired);
    assert_eq!(refused(&[&certificate("dev", Some(&root), aged(1, 9))]), PrincipalError::NotYetValid);
    let both = |params: &mut CertificateParams| {
        ca(params);
        aged(-9, -1)(params);
    };
    let stale = certificate("between", Some(&root), both);
    let under = certificate("dev", Some(&stale), |_| ());
    assert_eq!(refused(&[&under, &stale]), PrincipalError::Expired, "in between");
    let stale = certificate("stale", None, both);
    let of_stale = known(&[("dev", &stale)]);
    let under = certificate("dev", Some(&stale), |_| ());
    assert_eq!(
        names(&of_stale, &[&under]),
        Err(PrincipalError::Trusted),
        "webpki looks at no anchor's dates"
    );

    let usage = |change: fn(&mut CertificateParams)| refused(&[&certificate("dev", Some(&root), change)]);
    let wrong = PrincipalError::Certificate(CertificateError::Usage);
    assert_eq!(usage(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]), wrong);
    let server = usage(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(server, wrong);
    assert_eq!(usage(ca), PrincipalError::Authority);
    assert_eq!(refused(&[&root]), PrincipalError::Authority, "itself");
    let twice = certificate("dev", Some(&root), |params| {
        params.distinguished_name.push(DnType::OrganizationName, "x");
    });
    assert_eq!(names(&all, &[&twice]).unwrap(), ["dev"]);
    assert_eq!(refused(&[&own, &own, &own, &own, &own, &own]), PrincipalError::Chain);
    assert_eq!(all.prove(&[], &BINDING, &[], at(NOW)), Err(PrincipalError::Chain));
}

#[test]
fn t40_only_the_certificate_s_key_proves_and_only_for_this_binding() {
    let (own, other) = (certificate("ops", None, |_| ()), certificate("ops", None, |_| ()));
    let all = known(&[("ops", &own)]);
    assert_eq!(prove(&all, &[&own], &own.proof()).unwrap(), ["ops"]);
    let elsewhere = sign_as_principal(&own.key, &[0x45; 64]).unwrap();
    let bare = own.key.sign(&BINDING).unwrap();
    let possession = claviger_attest::prove_possession(&own.key, &BINDING).unwrap();
    for (proof, why) in [
        (elsewhere, "another binding"),
        (bare, "without its word"),
        (possession, "another word"),
        (other.proof(), "another key"),
        (Vec::new(), "none"),
    ] {
        assert_eq!(prove(&all, &[&own], &proof), Err(PrincipalError::Proof), "{why}");
    }
}

#[test]
fn what_a_domain_knows_principals_by_is_checked_when_it_is_given() {
    let trusted =
        |made: &Made, name: &str| TrustedPrincipal::new(name.parse()?, &made.der).map(|t| t.is_authority());
    assert_eq!(trusted(&certificate("a", None, |_| ()), "a"), Ok(false));
    assert_eq!(trusted(&certificate("a", None, ca), "a"), Ok(true));
    let agreement = certificate("a", None, |params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    assert_eq!(trusted(&agreement, "a"), Err(PrincipalError::Certificate(CertificateError::Usage)));
    let only_crl = certificate("a", None, |params| {
        ca(params);
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    });
    assert_eq!(trusted(&only_crl, "a"), Err(PrincipalError::Certificate(CertificateError::Usage)));
    for name in ["", "a b", "a,b", "a/b", "ä", &"a".repeat(65)] {
        assert_eq!(trusted(&certificate("a", None, |_| ()), name), Err(PrincipalError::Name), "{name:?}");
    }
}

#[test]
fn t09_a_proven_principal_ends_with_its_certificate_and_with_the_domain_s_trust() {
    let root = certificate("root", None, ca);
    let dev = certificate("dev", Some(&root), |_| ());
    let all = known(&[("dev", &root)]);
    let chain = [dev.der.clone()];
    let mut proofs = Proofs::default();
    proofs.prove_principals(all.prove(&chain, &BINDING, &dev.proof(), at(NOW)).unwrap());
    proofs.prove_principals(all.prove(&chain, &BINDING, &dev.proof(), at(NOW)).unwrap());
    let steady = Instant::now();
    let standing = |known: &Principals, seconds| {
        let standing = proofs.standing(known, Moment { steady, wall: at(seconds) });
        standing.principals().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(standing(&all, NOW), ["dev"], "once");
    assert_eq!(standing(&all, NOW + 3_600), ["dev"]);
    assert!(standing(&all, NOW + 3_601).is_empty());
    assert!(standing(&all, NOW - 3_601).is_empty());
    assert!(standing(&Principals::default(), NOW).is_empty(), "removed");
    let other = certificate("root", None, ca);
    assert!(standing(&known(&[("dev", &other)]), NOW).is_empty(), "known by another certificate now");
    assert!(standing(&known(&[("ops", &root)]), NOW).is_empty(), "under another name now");
}

#[test]
fn t35_no_jump_of_a_clock_makes_anything_younger() {
    let steady = Instant::now();
    let then = Moment { steady, wall: at(NOW) };
    let age = |steady_seconds, wall_seconds| {
        then.age(Moment {
            steady: steady + Duration::from_secs(steady_seconds),
            wall: at(NOW + wall_seconds),
        })
    };
    assert_eq!(age(10, 10), Duration::from_secs(10));
    assert_eq!(age(10, -100_000), Duration::from_secs(10), "set back");
    assert_eq!(age(10, 100_000), Duration::from_secs(100_000), "set forward, or asleep");
    assert_eq!(age(0, 0), Duration::ZERO);
}
