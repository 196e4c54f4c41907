//! What stock programs wrote: policies, and evidence. The world is the one in which they were captured.

use std::sync::LazyLock;

use claviger_attest::certifier::{Goal, StockFacts, StockPolicy, prove};
use claviger_attest::{PolicyCertificate, SigningKey, TrustPolicy};
use claviger_proto::certifier_policy::write_sequence;
use claviger_proto::evidence::{CLAIM_FORMAT, Claim, SignedClaim};
use claviger_proto::key::{KeyMessage, MessageKey, read_private};
use claviger_proto::trust::EvidencePackage;
use prost::Message as _;

/// When all of it is valid: 2026-12-11, in seconds since 1970.
const NOW: i64 = 1_797_000_000;
const CERTIFICATE: &[u8] = include_bytes!("../data/stock_policy.der");
const KEY: &[u8] = include_bytes!("../data/stock_policy_key");
const POLICY: &[u8] = include_bytes!("../seeds/certifier_policy/captured");

struct World {
    certificate: PolicyCertificate,
    key: SigningKey,
    policy: StockPolicy,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let certificate = PolicyCertificate::from_der(CERTIFICATE).expect("a policy certificate");
    let (key, _) = read_private(KEY).expect("a policy key");
    World {
        key: SigningKey::from_private(&key).expect("a signing key"),
        policy: StockPolicy::read(POLICY, &certificate, NOW).expect("the captured policy"),
        certificate,
    }
});

/// What is imported can be written and read as a policy file.
fn imported(policy: &StockPolicy) {
    assert_eq!(policy.statements().len(), policy.claims().len());
    if let Ok(imported) = policy.import() {
        assert_eq!(TrustPolicy::from_file(imported.policy.to_file()).as_ref(), Ok(&imported.policy));
    }
}

/// A policy file. What is accepted was signed in the world, so it says no more than the captured one.
pub fn policy(data: &[u8]) {
    let world = &*WORLD;
    let Ok(policy) = StockPolicy::read(data, &world.certificate, NOW) else { return };
    assert!(policy.claims().iter().all(|claim| world.policy.claims().contains(claim)));
    imported(&policy);
}

/// A clause, which the policy key signs.
pub fn clause(data: &[u8]) {
    let world = &*WORLD;
    let message = Claim {
        format: Some(CLAIM_FORMAT.to_owned()),
        descriptor: Some(String::new()),
        not_before: Some("2026-11-24T05:57:45.00000Z".to_owned()),
        not_after: Some("2027-12-03T05:57:45.00000Z".to_owned()),
        clause: Some(data.to_vec()),
    }
    .encode_to_vec();
    let public = KeyMessage::new("policyKey", MessageKey::Public(world.key.public().clone()));
    let signed = SignedClaim {
        signing_key: Some(public.encode().to_vec()),
        signing_algorithm: Some("rsa-2048-sha256-pkcs-sign".to_owned()),
        signature: Some(world.key.sign(&message).expect("a signature")),
        claim: Some(message),
    };
    let file = write_sequence(vec![signed.encode_to_vec()]);
    if let Ok(policy) = StockPolicy::read(&file, &world.certificate, NOW) {
        imported(&policy);
    }
}

/// An evidence package. Whoever made it, the captured policy proves no key but one that was captured with it.
pub fn evidence(data: &[u8]) {
    let Ok(package) = EvidencePackage::decode(data) else { return };
    let Ok(facts) = StockFacts::read(&package, NOW) else { return };
    let world = &*WORLD;
    if prove(world.policy.key(), &world.policy.statements(), &facts, Goal::Authentication).is_ok() {
        let captured: [&[u8]; 2] = [
            include_bytes!("../seeds/certifier_evidence/simulated"),
            include_bytes!("../seeds/certifier_evidence/sev"),
        ];
        let known = captured.into_iter().any(|known| {
            let known = EvidencePackage::decode(known).expect("a package");
            StockFacts::read(&known, NOW).is_ok_and(|known| known.enclave_key() == facts.enclave_key())
        });
        assert!(known, "a key that nobody attested");
    }
}
