//! A stock client's evidence, captured from `cf_utility` with swtpm, and with one thing changed.

use std::time::Duration;

use claviger_attest::{
    AttestError, Attested, CertificateError, Endorsements, EvidenceKind, KeyAlgorithm, PolicyCertificate,
    ReferenceValues, SigningKey, StockExpected, screen_stock, sha256, verify_agent,
};
use claviger_proto::evidence::{TpmAttestation, UserData};
use claviger_proto::key::{KeyKind, PublicKey, read_private};
use claviger_proto::time_text::time_from_text;
use claviger_proto::trust::{EvidencePackage, TrustRequest};
use prost::Message as _;
use rustls_pki_types::UnixTime;

use crate::made::{digest, issuer, root, root_of, trusting};

const REQUEST: &[u8] = include_bytes!("../data/stock/tpm/request.frame");
const POLICY_KEY: &[u8] = include_bytes!("../data/stock/tpm/policy_key_file.bin");
const POLICY_CERTIFICATE: &[u8] = include_bytes!("../data/stock/tpm/policy_cert_file.bin");

/// Half a minute after it was captured.
fn captured() -> UnixTime {
    let seconds = time_from_text("2026-12-01T04:27:10.00000Z").unwrap();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().unwrap()))
}

fn request() -> (String, EvidencePackage) {
    let (request, evidence) = TrustRequest::decode_body(&REQUEST[4..]).unwrap();
    (request.submitted_evidence_type, evidence)
}

fn attestation(evidence: &EvidencePackage) -> TpmAttestation {
    TpmAttestation::decode(evidence.items[1].serialized.as_slice()).unwrap()
}

fn policy() -> PolicyCertificate {
    PolicyCertificate::from_der(POLICY_CERTIFICATE).unwrap()
}

fn quoted() -> [u8; 32] {
    digest(&attestation(&request().1).quote.unwrap())
}

fn values() -> ReferenceValues {
    trusting(quoted(), "sha256:7", root_of(&policy()))
}

fn judge(request: &(String, EvidencePackage), values: &ReferenceValues) -> Result<Attested, AttestError> {
    let policy_key = root_of(&policy());
    let expected = StockExpected { policy_key: &policy_key, window: Duration::from_mins(10) };
    let screened = screen_stock(&request.0, &request.1, values, &expected, captured())?;
    screened.verify(&Endorsements::default(), captured())
}

fn refused(request: &(String, EvidencePackage), values: &ReferenceValues) -> AttestError {
    judge(request, values).map(|_| ()).unwrap_err()
}

fn changed(change: impl FnOnce(&mut TpmAttestation)) -> AttestError {
    let (submitted, mut evidence) = request();
    let mut message = attestation(&evidence);
    change(&mut message);
    evidence.items[1].serialized = message.encode_to_vec();
    refused(&(submitted, evidence), &values())
}

#[test]
fn captured_evidence_is_taken_under_the_policy_key_and_is_not_fresh() {
    let attested = judge(&request(), &values()).unwrap();
    assert_eq!((attested.kind(), attested.challenge_fresh()), (EvidenceKind::Tpm, false));
    assert_eq!(attested.measurement().as_bytes(), quoted());
    // swtpm had no firmware that measured anything into the register.
    assert_eq!(quoted(), sha256(&[0; 32]));
    assert_eq!(PublicKey::from_spki_der(attested.spki()).unwrap().kind(), KeyKind::Rsa2048);
}

#[test]
fn captured_evidence_is_refused_where_another_root_or_other_registers_are_trusted() {
    let stranger = trusting(quoted(), "sha256:7", root(&issuer(KeyAlgorithm::Rsa2048)));
    assert!(matches!(refused(&request(), &stranger), AttestError::UntrustedRoot(_)));
    let registers = trusting(quoted(), "sha256:4", root_of(&policy()));
    assert!(matches!(refused(&request(), &registers), AttestError::OtherRegisters { .. }));
    let bank = trusting(quoted(), "sha384:7", root_of(&policy()));
    assert!(matches!(refused(&request(), &bank), AttestError::OtherRegisters { .. }));
    let digest = trusting([1; 32], "sha256:7", root_of(&policy()));
    assert!(matches!(refused(&request(), &digest), AttestError::UnknownMeasurement(_)));
}

#[test]
fn what_was_said_is_what_the_tpm_vouched_for_and_new() {
    let said_anew = |change: &dyn Fn(&mut UserData)| {
        changed(|message| {
            let mut said = UserData::decode(message.what_was_said.as_deref().unwrap()).unwrap();
            change(&mut said);
            message.what_was_said = Some(said.encode_to_vec());
        })
    };
    let later = said_anew(&|said| said.time = Some("2026-12-01T04:27:09.00000Z".to_owned()));
    assert_eq!(later, AttestError::OtherBinding);
    let other = issuer(KeyAlgorithm::Rsa2048);
    let key = said_anew(&|said| {
        said.enclave_key = said.enclave_key.as_ref().map(|key| {
            let kept = key.clone();
            let message = claviger_proto::key::KeyMessage::decode(&kept).unwrap();
            let public = claviger_proto::key::MessageKey::Public(root(&other));
            claviger_proto::key::KeyMessage { key: public, ..message }.encode().to_vec()
        });
    });
    assert_eq!(key, AttestError::OtherBinding);
    let old = said_anew(&|said| said.time = Some("2026-12-01T04:17:09.00000Z".to_owned()));
    assert!(matches!(old, AttestError::Old { .. }));
    let kind = said_anew(&|said| said.enclave_type = Some("sev-enclave".to_owned()));
    assert!(matches!(kind, AttestError::Statement { .. }));
    let bound = said_anew(&|said| said.binding = Some(vec![7; 64]));
    assert_eq!(bound, AttestError::OtherBinding);
}

/// The stock verifier compares as many bytes as there are: none would be enough.
#[test]
fn a_quote_that_vouches_for_nothing_or_for_less_is_refused() {
    for length in [0_u8, 1, 31] {
        let error = changed(|message| {
            let quote = message.quote.as_mut().unwrap();
            quote[43] = length;
            quote.drain(44 + usize::from(length)..76);
        });
        assert_eq!(error, AttestError::OtherBinding);
    }
}

#[test]
fn the_quote_s_signature_and_its_algorithm_are_the_stock_ones() {
    let signature = changed(|message| message.signature.as_mut().unwrap()[17] ^= 1);
    assert_eq!(signature, AttestError::Signature("TPM quote"));
    // Clock: nobody judges it, so only the signature finds it changed.
    let clock = changed(|message| message.quote.as_mut().unwrap()[80] ^= 1);
    assert_eq!(clock, AttestError::Signature("TPM quote"));
    for error in [
        changed(|message| message.signing_algorithm = Some("RSA-2048-PSS-SHA-256".to_owned())),
        changed(|message| message.signature.as_mut().unwrap().truncate(255)),
    ] {
        assert!(matches!(error, AttestError::Statement { part: "TPM signature", .. }), "{error}");
    }
    for error in [
        changed(|message| message.what_was_said = None),
        changed(|message| message.quote = None),
        changed(|message| message.signing_algorithm = None),
        changed(|message| message.signature = None),
    ] {
        assert!(matches!(error, AttestError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_package_is_submitted_as_stock_programs_do() {
    let with = |change: &dyn Fn(&mut String, &mut EvidencePackage)| {
        let (mut submitted, mut evidence) = request();
        change(&mut submitted, &mut evidence);
        refused(&(submitted, evidence), &values())
    };
    let submitted = with(&|submitted, _| "sev-platform-package".clone_into(submitted));
    assert_eq!(submitted, AttestError::SubmittedType { expected: "tpm-platform-package" });
    for error in [
        with(&|_, evidence| evidence.items.swap(0, 1)),
        with(&|_, evidence| drop(evidence.items.remove(0))),
        with(&|_, evidence| evidence.items.push(evidence.items[0].clone())),
        with(&|_, evidence| "signed-claim".clone_into(&mut evidence.items[0].evidence_type)),
    ] {
        assert!(matches!(error, AttestError::Items { .. }), "{error}");
    }
    let kind = with(&|_, evidence| "tpm".clone_into(&mut evidence.enclave_type));
    assert_eq!(kind, AttestError::UnknownKind);
}

/// What whoever was admitted to the domain could do if any certificate of the policy key were a quote key's, as it is in
/// the stock verifier.
#[test]
fn t26_a_member_s_own_key_quotes_nothing() {
    let key = SigningKey::from_private(&read_private(POLICY_KEY).unwrap().0).unwrap();
    let domain = "tpm-dom".parse().unwrap();
    let issuer = claviger_attest::Issuer::new(key, policy(), &domain).unwrap();
    let member = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let (submitted, mut evidence) = request();
    let mut message = attestation(&evidence);
    message.signature = Some(member.sign(message.quote.as_deref().unwrap()).unwrap());
    evidence.items[1].serialized = message.encode_to_vec();
    let measurement = "ab".repeat(32).parse().unwrap();
    let own = issuer.identity(
        claviger_attest::Role::Agent,
        member.public().spki_der(),
        Some(&measurement),
        captured(),
        1,
    );
    evidence.items[0].serialized = own.unwrap();
    let error = refused(&(submitted, evidence), &values());
    assert!(matches!(error, AttestError::Statement { part: "quote key's certificate", .. }), "{error}");
    // The captured quote key's certificate opens no channel either.
    let (_, evidence) = request();
    let agent = verify_agent(&policy(), &domain, &evidence.items[0].serialized, captured()).map(|_| ());
    assert_eq!(agent, Err(CertificateError::Subject));
}
