//! Activations. That a TPM opens what is made here is shown by the system's tests, with swtpm.

use claviger_attest::{ActivationError, EndorsementKey, KeyAlgorithm, TpmActivation, TpmPublic};
use rustls_pki_types::UnixTime;
use std::time::Duration;

use crate::made::{P256, P384, RSA, SECRET, activation, certificate, issuer, now, seconds};

const ENDORSEMENT: &[u8] = include_bytes!("../data/tpm/ek.pub");
const ENDORSEMENT_ECC: &[u8] = include_bytes!("../data/tpm/ek-ecc.pub");
const CERTIFICATE: &[u8] = include_bytes!("../data/tpm/ek-cert.der");
const BETWEEN: &[u8] = include_bytes!("../data/tpm/ek-issuer.der");
const ROOT: &[u8] = include_bytes!("../data/tpm/ek-root.der");
const UNRESTRICTED: &[u8] = include_bytes!("../data/tpm/unrestricted.pub");

fn certified(
    certificate: &[u8],
    between: &[&[u8]],
    roots: &[&[u8]],
) -> Result<EndorsementKey, ActivationError> {
    let owned = |list: &[&[u8]]| list.iter().map(|der| der.to_vec()).collect::<Vec<_>>();
    EndorsementKey::certified(certificate, &owned(between), &owned(roots), now())
}

fn endorsement() -> EndorsementKey {
    certified(CERTIFICATE, &[BETWEEN], &[ROOT]).unwrap()
}

#[test]
fn an_endorsement_key_is_known_by_its_certificate_or_its_fingerprint() {
    let fingerprint = endorsement().fingerprint();
    assert_eq!(EndorsementKey::known(ENDORSEMENT, &fingerprint).unwrap().fingerprint(), fingerprint);
    let other = EndorsementKey::known(ENDORSEMENT, &[1; 32]).map(|_| ()).unwrap_err();
    assert_eq!(other, ActivationError::Fingerprint);
    // A quote key, and an endorsement key of another template.
    for no_such in [RSA.public, ENDORSEMENT_ECC] {
        let error = EndorsementKey::known(no_such, &fingerprint).map(|_| ()).unwrap_err();
        assert!(matches!(error, ActivationError::Endorsement | ActivationError::Form(_)), "{error}");
    }
}

#[test]
fn t26_an_endorsement_certificate_leads_to_a_root_that_the_owner_names() {
    let refused = |certificate: &[u8], between: &[&[u8]], roots: &[&[u8]]| {
        certified(certificate, between, roots).map(|_| ()).unwrap_err()
    };
    let chain = |error: ActivationError| assert!(matches!(error, ActivationError::Chain(_)), "{error}");
    chain(refused(CERTIFICATE, &[BETWEEN], &[]));
    chain(refused(CERTIFICATE, &[], &[ROOT]));
    chain(refused(CERTIFICATE, &[BETWEEN], &[issuer(KeyAlgorithm::Rsa2048).certificate().der()]));
    let mut flipped = CERTIFICATE.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    chain(refused(&flipped, &[BETWEEN], &[ROOT]));
    // A root names whom it signs: here with the one between as the root.
    certified(CERTIFICATE, &[], &[BETWEEN]).unwrap();
    let before = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
    let early = EndorsementKey::certified(CERTIFICATE, &[BETWEEN.to_vec()], &[ROOT.to_vec()], before);
    chain(early.map(|_| ()).unwrap_err());
    // Certificates for other purposes, under a root that is named.
    let policy = issuer(KeyAlgorithm::P256);
    let quote_key = certificate(&policy, RSA.public);
    let purpose = refused(&quote_key, &[], &[policy.certificate().der()]);
    assert!(matches!(purpose, ActivationError::Form(_)), "{purpose}");
}

#[test]
fn a_key_that_isn_t_bound_to_quote_is_not_certified() {
    let begin = |public: &[u8]| TpmActivation::begin(&endorsement(), public, seconds()).map(|_| ());
    for good in [RSA.public, P256.public, P384.public] {
        assert_eq!(begin(good), Ok(()));
        assert_eq!(TpmPublic::parse(good).unwrap().name()[..2], [0, 0x0b]);
    }
    assert!(
        matches!(begin(UNRESTRICTED), Err(ActivationError::Lacks(name)) if name.starts_with("restricted"))
    );
    // Each attribute, alone: it is in the public area, and so in the name that the TPM compares.
    let with = |public: &[u8], change: &dyn Fn(&mut Vec<u8>)| {
        let mut public = public.to_vec();
        change(&mut public);
        begin(&public)
    };
    let attributes = |bit: u32| {
        with(RSA.public, &|public| {
            let at: &mut [u8; 4] = (&mut public[6..10]).try_into().unwrap();
            *at = (u32::from_be_bytes(*at) ^ 1 << bit).to_be_bytes();
        })
    };
    for (bit, name) in
        [(1, "fixedTPM"), (4, "fixedParent"), (5, "sensitiveDataOrigin"), (16, "restricted"), (18, "sign")]
    {
        assert!(
            matches!(attributes(bit), Err(ActivationError::Lacks(lacks)) if lacks.starts_with(name)),
            "{name}"
        );
    }
    assert!(matches!(attributes(17), Err(ActivationError::Scheme(_))), "it decrypts");
    let scheme = 10 + 2 + usize::from(u16::from_be_bytes([RSA.public[10], RSA.public[11]])) + 2;
    assert_eq!(RSA.public[scheme..scheme + 4], [0, 0x14, 0, 0x0b]);
    for (at, value) in [(1, 0x16), (3, 0x04)] {
        let other = with(RSA.public, &|public| public[scheme + at] = value);
        assert!(matches!(other, Err(ActivationError::Scheme(_))), "{other:?}");
    }
    for broken in [
        with(RSA.public, &|public| public.truncate(public.len() - 1)),
        with(RSA.public, &|public| public.push(0)),
        with(RSA.public, &|public| public[5] = 0x04),
        with(P256.public, &|public| public[19] = 5),
    ] {
        assert!(matches!(broken, Err(ActivationError::Form(_))), "{broken:?}");
    }
    assert!(matches!(begin(ENDORSEMENT), Err(ActivationError::Lacks(_))));
}

#[test]
fn a_certificate_is_given_for_the_secret_of_the_credential_and_in_time() {
    let issuer = issuer(KeyAlgorithm::P256);
    let certify = |secret: &[u8], days: u64| {
        let then = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + days * 86_400));
        activation(RSA.public).certify(secret, &issuer, then, 30).map(|_| ())
    };
    assert_eq!(certify(&SECRET, 0), Ok(()));
    for wrong in [&[0; 32][..], &[], &SECRET[..31], &[1; 33]] {
        assert_eq!(certify(wrong, 0), Err(ActivationError::Secret));
    }
    assert_eq!(certify(&SECRET, 7), Ok(()));
    assert_eq!(certify(&SECRET, 8), Err(ActivationError::Late));
    let early = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - 1));
    let early = activation(RSA.public).certify(&SECRET, &issuer, early, 30).map(|_| ());
    assert_eq!(early, Err(ActivationError::Late));
    // A kept one in which another key was put is looked at again.
    let swapped = activation(UNRESTRICTED).certify(&SECRET, &issuer, now(), 30).map(|_| ());
    assert!(matches!(swapped, Err(ActivationError::Lacks(_))));
}

#[test]
fn two_activations_have_nothing_in_common() {
    let begin = || TpmActivation::begin(&endorsement(), RSA.public, seconds()).unwrap();
    let ((one, first), (two, second)) = (begin(), begin());
    assert_ne!(first, second);
    let text = |activation| serde_json::to_value(activation).unwrap()["secret"].clone();
    assert_ne!(text(one), text(two));
}
