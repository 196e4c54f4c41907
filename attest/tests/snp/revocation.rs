//! Revocation lists that a verifier keeps by itself.

use std::sync::LazyLock;

use claviger_attest::fakes::{FakeCrl, FakeExtension, FakeKey, FakePlatform, FakeSignature};
use claviger_attest::{
    AttestError, Endorsements, Expected, RevocationListError, SnpChainCache, SnpProduct, SnpRevocationList,
    SnpRule, screen,
};
use rustls_pki_types::UnixTime;

use crate::support::{BINDING, Fake, SUBMITTED, now, time};

const NOW: u64 = FakePlatform::NOW;

/// The serial of the fakes' ASK.
const ASK: [u8; 3] = [1, 0, 1];

fn platform() -> &'static FakePlatform {
    FakePlatform::of(SnpProduct::Genoa)
}

fn list(issued: u64, revoked: &[u8]) -> FakeCrl {
    FakeCrl {
        issuer: "ARK-Genoa".to_owned(),
        validity: (issued, Some(NOW + 100)),
        revoked: vec![revoked.to_vec()],
        extensions: vec![FakeExtension {
            oid: vec![0x55, 0x1d, 0x14],
            critical: false,
            value: vec![2, 1, 1],
        }],
        signature: FakeSignature::Pss,
    }
}

/// The list, by the ARK with this key, whose certificate is there.
fn read_by(list: &FakeCrl, key: &FakeKey) -> SnpRevocationList {
    let mut ark = platform().ark_certificate();
    ark.spki = key.public().spki_der().to_vec();
    SnpRevocationList::read(&list.sign(key), &[ark.sign(key)]).unwrap()
}

fn read(list: &FakeCrl) -> SnpRevocationList {
    read_by(list, &platform().ark)
}

/// The same each time: a signature of RSA-PSS is another whenever it is made, and chains are known by their bytes.
static CERTIFICATES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| Fake::good().certificates());

fn verify(lists: &[SnpRevocationList], cache: &SnpChainCache, now: UnixTime) -> Result<(), AttestError> {
    let (fake, certificates) = (Fake::good(), CERTIFICATES.as_slice());
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    let screened = screen(SUBMITTED, &fake.package(), &fake.policy(), &expected, now).unwrap();
    let endorsements = Endorsements { certificates, lists, cache: Some(cache), crls: &[] };
    screened.verify(&endorsements, now).map(|_| ())
}

#[track_caller]
fn revoked(result: Result<(), AttestError>, says: &str) {
    match result {
        Err(AttestError::Snp { rule: SnpRule::Revocation, why }) if why.contains(says) => {}
        other => panic!("expected revocation ({says}), got {other:?}"),
    }
}

#[test]
fn a_list_counts_at_once_also_for_chains_that_are_known() {
    let cache = SnpChainCache::new();
    assert_eq!(verify(&[], &cache, now()), Ok(()));
    assert_eq!(verify(&[read(&list(NOW - 10, &[9]))], &cache, now()), Ok(()));
    revoked(verify(&[read(&list(NOW - 9, &ASK))], &cache, now()), "revokes");
    let both = [read(&list(NOW - 10, &[9])), read(&list(NOW - 9, &ASK))];
    revoked(verify(&both, &cache, now()), "revokes");
}

#[test]
fn t35_a_list_that_is_out_of_date_refuses_also_for_chains_that_are_known() {
    let (cache, lists) = (SnpChainCache::new(), [read(&list(NOW - 10, &[9]))]);
    assert_eq!(verify(&lists, &cache, time(NOW + 100)), Ok(()));
    revoked(verify(&lists, &cache, time(NOW + 101)), "counted until 2027-01-15T08:01:40Z");
    revoked(verify(&lists, &SnpChainCache::new(), time(NOW + 101)), "counted until");
    revoked(verify(&lists, &cache, time(NOW - 11)), "doesn't count yet");
    revoked(verify(&lists, &SnpChainCache::new(), time(NOW - 11)), "doesn't count yet");
}

#[test]
fn a_list_of_another_root_of_the_same_name_is_no_obstacle() {
    let other = read_by(&list(NOW - 10, &ASK), &platform().asvk);
    assert_eq!(verify(std::slice::from_ref(&other), &SnpChainCache::new(), now()), Ok(()));
    assert!(!other.same_ark(&read(&list(NOW - 10, &ASK))));
}

#[test]
fn only_a_list_that_an_ark_signed_is_kept() {
    let (good, ark) = (list(NOW - 10, &[9]), platform().ark_certificate().sign(&platform().ark));
    let read = |bytes: &[u8], arks: &[Vec<u8>]| SnpRevocationList::read(bytes, arks).map(|_| ());
    let der = good.sign(&platform().ark);
    let arks = [ark.clone()];
    assert_eq!(read(&der, &arks), Ok(()));
    assert_eq!(read(&der, &[]), Err(RevocationListError::Signature), "it isn't AMD's");
    assert_eq!(read(&good.sign(&platform().asvk), &arks), Err(RevocationListError::Signature));
    let milan = FakeCrl { issuer: "ARK-Milan".to_owned(), ..good.clone() };
    assert_eq!(read(&milan.sign(&platform().ark), &arks), Err(RevocationListError::Signature));
    let mut altered = der.clone();
    let at = altered.len() - 540;
    altered[at] ^= 1;
    assert!(read(&altered, &arks).is_err());
    assert!(matches!(read(&ark, &arks), Err(RevocationListError::Form(_))));
    assert_eq!(read(b"<html>", &arks), Err(RevocationListError::NotOne));
    let endless = FakeCrl { validity: (NOW - 10, None), ..good };
    assert!(matches!(read(&endless.sign(&platform().ark), &arks), Err(RevocationListError::Form(_))));
}

#[test]
fn a_list_is_older_than_one_that_was_issued_later_by_the_same_ark() {
    let (old, new) = (read(&list(NOW - 10, &[9])), read(&list(NOW - 9, &[9])));
    assert!(old.is_older_than(&new) && !new.is_older_than(&old) && !old.is_older_than(&old));
    let other = read_by(&list(NOW - 8, &[9]), &platform().asvk);
    assert!(!old.is_older_than(&other));
    assert_eq!((new.product(), new.dates().0), (SnpProduct::Genoa, i64::try_from(NOW - 9).unwrap()));
}
