//! Signed fakes of simulated-enclave evidence: [`Fake`] starts as good evidence, a test changes one thing, and
//! everything is signed anew, so that nothing but that one thing is wrong.

use std::sync::LazyLock;
use std::time::Duration;

use claviger_attest::{
    AttestError, Attested, EvidenceKind, Expected, KeyAlgorithm, Measurement, ReferenceValue,
    ReferenceValues, SigningKey, verify,
};
use claviger_proto::evidence::{Claim, Clause, Entity, ReportInfo, SignedClaim, SignedReport, UserData};
use claviger_proto::key::{KeyMessage, MessageKey, PublicKey};
use claviger_proto::time_text::time_to_text;
use claviger_proto::trust::{EvidenceItem, EvidencePackage};
use prost::Message as _;
use rustls_pki_types::UnixTime;

/// When all good evidence is valid.
pub(crate) const NOW: i64 = 1_800_000_000;
const HOUR: i64 = 3_600;
/// The binding of this channel.
pub(crate) const BINDING: [u8; 64] = [0xb1; 64];
pub(crate) const SUBMITTED: &str = "vse-attestation-package";
const MEASUREMENT: [u8; 32] = [0x5a; 32];

/// The keys in play: those of the platform, another platform's, and the enclave's.
pub(crate) struct Keys {
    pub(crate) platform: SigningKey,
    pub(crate) attest: SigningKey,
    pub(crate) other: SigningKey,
    pub(crate) enclave: SigningKey,
}

pub(crate) static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let key = || SigningKey::generate(KeyAlgorithm::P256).expect("a key");
    Keys { platform: key(), attest: key(), other: key(), enclave: key() }
});

/// Evidence before it is signed, and what is done to it after.
pub(crate) struct Fake {
    pub(crate) clause: Clause,
    pub(crate) claim: Claim,
    pub(crate) claim_signer: &'static SigningKey,
    pub(crate) user_data: UserData,
    pub(crate) report: ReportInfo,
    pub(crate) report_signer: &'static SigningKey,
    /// What happens to the signed claim, signature and all.
    pub(crate) tamper_claim: fn(&mut SignedClaim),
    /// What happens to the signed report.
    pub(crate) tamper_report: fn(&mut SignedReport),
    /// What happens to the package.
    pub(crate) tamper_package: fn(&mut EvidencePackage),
}

impl Fake {
    /// Evidence with which nothing is wrong.
    pub(crate) fn good() -> Self {
        let trusted = Clause {
            subject: Some(entity(&KEYS.attest)),
            verb: Some("is-trusted-for-attestation".to_owned()),
            ..Clause::default()
        };
        Self {
            clause: Clause {
                subject: Some(entity(&KEYS.platform)),
                verb: Some("says".to_owned()),
                object: None,
                clause: Some(Box::new(trusted)),
            },
            claim: Claim {
                format: Some("vse-clause".to_owned()),
                descriptor: None,
                not_before: Some(time_to_text(NOW - HOUR)),
                not_after: Some(time_to_text(NOW + HOUR)),
                clause: None,
            },
            claim_signer: &KEYS.platform,
            user_data: UserData {
                enclave_type: Some("simulated-enclave".to_owned()),
                time: Some(time_to_text(NOW)),
                enclave_key: Some(public_message(&KEYS.enclave)),
                policy_key: None,
                binding: Some(BINDING.to_vec()),
                evidence_data: None,
            },
            report: ReportInfo {
                enclave_type: Some("simulated-enclave".to_owned()),
                measurement: Some(MEASUREMENT.to_vec()),
                not_before: Some(time_to_text(NOW - HOUR)),
                not_after: Some(time_to_text(NOW + HOUR)),
                user_data: None,
            },
            report_signer: &KEYS.attest,
            tamper_claim: |_| (),
            tamper_report: |_| (),
            tamper_package: |_| (),
        }
    }

    /// Signs and packs it.
    pub(crate) fn package(mut self) -> EvidencePackage {
        self.claim.clause.get_or_insert(self.clause.encode_to_vec());
        let message = self.claim.encode_to_vec();
        let mut claim = SignedClaim {
            signing_key: Some(public_message(self.claim_signer)),
            signing_algorithm: Some("ecc-256-sha256-pkcs-sign".to_owned()),
            signature: Some(self.claim_signer.sign(&message).expect("signed")),
            claim: Some(message),
        };
        (self.tamper_claim)(&mut claim);

        self.report.user_data.get_or_insert(self.user_data.encode_to_vec());
        let message = self.report.encode_to_vec();
        let mut report = SignedReport {
            format: Some("vse-attestation-report".to_owned()),
            signing_key: Some(public_message(self.report_signer)),
            signing_algorithm: Some("ecc-256-sha256-pkcs-sign".to_owned()),
            signature: Some(self.report_signer.sign(&message).expect("signed")),
            report: Some(message),
        };
        (self.tamper_report)(&mut report);

        let mut package = EvidencePackage {
            prover_type: "vse-verifier".to_owned(),
            enclave_type: "simulated-enclave".to_owned(),
            items: vec![
                item("signed-claim", claim.encode_to_vec()),
                item("signed-vse-attestation-report", report.encode_to_vec()),
            ],
        };
        (self.tamper_package)(&mut package);
        package
    }

    /// Verifies it as the broker would: submitted as what it is, on the channel that it is bound to, with the
    /// enclave's key.
    pub(crate) fn verify(self) -> Result<Attested, AttestError> {
        check(&self.package(), &BINDING, &KEYS.enclave)
    }
}

/// Verifies a package for a channel and a key, now.
pub(crate) fn check(
    package: &EvidencePackage,
    binding: &[u8; 64],
    key: &SigningKey,
) -> Result<Attested, AttestError> {
    let expected = Expected { binding, spki: key.public().spki_der() };
    verify(SUBMITTED, package, &trusting(&KEYS.platform), &expected, time(NOW))
}

pub(crate) fn time(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.unsigned_abs()))
}

pub(crate) fn measurement() -> Measurement {
    Measurement::from_bytes(&MEASUREMENT).expect("32 bytes")
}

/// Reference values that trust the one measurement under this root.
pub(crate) fn trusting(root: &SigningKey) -> ReferenceValues {
    let roots = vec![root.public().clone()];
    let value =
        ReferenceValue::new(EvidenceKind::SimulatedEnclave, measurement(), None, roots).expect("a value");
    let mut values = ReferenceValues::default();
    values.add(value);
    values
}

pub(crate) fn entity(key: &SigningKey) -> Entity {
    Entity { entity_type: Some("key".to_owned()), key: Some(public_message(key)), ..Entity::default() }
}

pub(crate) fn public_message(key: &SigningKey) -> Vec<u8> {
    message(MessageKey::Public(PublicKey::from_spki_der(key.public().spki_der()).expect("a key")))
}

pub(crate) fn private_message(key: &SigningKey) -> Vec<u8> {
    message(MessageKey::Private(key.to_private().expect("a copy")))
}

fn message(key: MessageKey) -> Vec<u8> {
    let name = "a key".to_owned();
    KeyMessage { name, key, certificate: None, not_before: None, not_after: None }.encode().to_vec()
}

pub(crate) fn item(evidence_type: &str, serialized: Vec<u8>) -> EvidenceItem {
    EvidenceItem { evidence_type: evidence_type.to_owned(), serialized }
}
