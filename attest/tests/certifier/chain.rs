//! Chains and reports in which one thing is wrong, with signatures that hold.

use claviger_attest::SigningKey;
use claviger_attest::certifier::{EvidenceFault, StockFacts};
use claviger_proto::evidence::{Clause, Entity, SignedClaim};
use claviger_proto::key::read_private;
use claviger_proto::trust::{EvidencePackage, TrustRequest};
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384};

use super::NOW;

const SIMULATED: &[u8] = include_bytes!("../data/stock/simulated_rsa2048.request.frame");
const SEV: &[u8] = include_bytes!("../data/stock/sev_rsa2048.request.frame");
const VCEK: &[u8] = include_bytes!("../data/stock/vcek_private.pem");
const ATTEST_KEY: &[u8] = include_bytes!("../data/stock/attest_key_file.bin");

/// Where a `sev_attestation_message` has its report: at the end, without anything after it.
const REPORT: usize = 1184;

fn evidence(frame: &[u8]) -> EvidencePackage {
    TrustRequest::decode_body(&frame[4..]).unwrap().1
}

fn fault(evidence: &EvidencePackage) -> EvidenceFault {
    StockFacts::read(evidence, NOW).expect_err("it is refused")
}

fn signing(file: &[u8]) -> SigningKey {
    SigningKey::from_private(&read_private(file).unwrap().0).unwrap()
}

/// The captured evidence with a report that was changed, and signed again by the captured VCEK.
fn report(change: impl FnOnce(&mut [u8])) -> EvidencePackage {
    let mut evidence = evidence(SEV);
    let message = &mut evidence.items[3].serialized;
    let at = message.len() - REPORT;
    let report = &mut message[at..];
    change(report);
    let der = signing(VCEK).sign(&report[..0x2a0]).unwrap();
    let number = |bytes: &[u8]| {
        let mut number: Vec<u8> = bytes.iter().rev().copied().collect();
        number.resize(72, 0);
        number
    };
    let r = 4..4 + usize::from(der[3]);
    let s = r.end + 2..r.end + 2 + usize::from(der[r.end + 1]);
    // DER puts a zero before a high bit; behind the number here, it is one of the zeros.
    report[0x2a0..0x2e8].copy_from_slice(&number(&der[r]));
    report[0x2e8..0x330].copy_from_slice(&number(&der[s]));
    evidence
}

#[test]
fn a_report_is_of_the_tcb_and_chip_of_its_vcek() {
    assert!(StockFacts::read(&report(|_| {}), NOW).is_ok());
    for at in [0x180, 0x181, 0x186, 0x187] {
        let found = fault(&report(|report| report[at] ^= 1));
        assert_eq!(
            found,
            EvidenceFault::Refused("VCEK certificate", "its key is of another TCB than the report's")
        );
    }
    let found = fault(&report(|report| report[0x1a0] ^= 1));
    assert_eq!(
        found,
        EvidenceFault::Refused("VCEK certificate", "its key is of another chip than the report's")
    );
    let found = fault(&report(|report| report[0x50] ^= 1));
    assert!(matches!(found, EvidenceFault::Refused("sev-attestation", _)));
    let found = fault(&report(|report| report[0x8f] = 1));
    assert!(matches!(found, EvidenceFault::Refused("sev-attestation", _)));
}

/// A CA, or not one, of this name.
fn root(name: &str, key: KeyPair, ca: bool) -> (Vec<u8>, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
    let certificate = params.self_signed(&key).unwrap();
    (certificate.der().to_vec(), Issuer::new(params, key))
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
}

#[test]
fn a_chain_is_of_issuers_that_may_be() {
    let chain = |ark: Vec<u8>, issuer: &Issuer<'_, KeyPair>| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ASKKey");
        let mut evidence = evidence(SEV);
        evidence.items[0].serialized = ark;
        evidence.items[1].serialized = params.signed_by(&key(), issuer).unwrap().der().to_vec();
        fault(&evidence)
    };
    let (ark, issuer) = root("ARKKey", key(), true);
    // All of it holds, up to the captured VCEK.
    let found = chain(ark, &issuer);
    assert_eq!(
        found,
        EvidenceFault::Refused("VCEK certificate", "its issuer isn't the certificate before it")
    );
    let (ark, issuer) = root("ARKKey", key(), false);
    assert_eq!(chain(ark, &issuer), EvidenceFault::Refused("certificates", "an issuer isn't a CA"));
    let (_, other) = root("ARKKey", key(), true);
    let (ark, _) = root("ARKKey", key(), true);
    assert_eq!(chain(ark, &other), EvidenceFault::Signature("ASK certificate"));
    // The same key under another name.
    let pair = key();
    let again = KeyPair::try_from(pair.serialize_der()).unwrap();
    let ((ark, _), (_, named)) = (root("ARKKey", pair, true), root("other", again, true));
    let found = chain(ark, &named);
    assert_eq!(
        found,
        EvidenceFault::Refused("ASK certificate", "its issuer isn't the certificate before it")
    );
}

#[test]
fn an_endorsement_is_signed_by_who_says_it() {
    let mut evidence = evidence(SIMULATED);
    let mut outer = SignedClaim::decode(evidence.items[0].serialized.as_slice()).unwrap();
    // Another key, which may sign what it likes, says it in the platform key's name.
    let claim = claviger_proto::evidence::Claim::decode(outer.claim.as_deref().unwrap()).unwrap();
    let clause = Clause::decode(claim.clause.as_deref().unwrap()).unwrap();
    let Some(Entity { key: Some(attest), .. }) = clause.clause.unwrap().subject else { panic!("a key") };
    outer.signing_key = Some(attest);
    outer.signature = Some(signing(ATTEST_KEY).sign(outer.claim.as_deref().unwrap()).unwrap());
    evidence.items[0].serialized = outer.encode_to_vec();
    assert_eq!(fault(&evidence), EvidenceFault::Refused("signed-claim", "who says it isn't who signed it"));
}
