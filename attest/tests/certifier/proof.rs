use claviger_attest::EvidenceKind;
use claviger_attest::certifier::{
    EvidenceFault, Goal, NamedKey, ProofError, Rule, Statement, StockFacts, StockPolicy, policy_statements,
    prove,
};
use claviger_proto::trust::{EvidencePackage, TrustRequest};
use prost::Message as _;

use super::{NOW, certificate, stock, with};

const SIMULATED: &[u8] = include_bytes!("../data/stock/simulated_rsa2048.request.frame");
const SEV: &[u8] = include_bytes!("../data/stock/sev_rsa2048.request.frame");

fn evidence(frame: &[u8]) -> EvidencePackage {
    TrustRequest::decode_body(&frame[4..]).expect("a request").1
}

fn facts(frame: &[u8], now: i64) -> StockFacts {
    StockFacts::read(&evidence(frame), now).expect("good evidence")
}

fn key() -> NamedKey {
    NamedKey::new("policyKey", certificate().public_key().clone())
}

fn rules(frame: &[u8], policy: &[Statement], goal: Goal) -> Vec<u8> {
    let proof = prove(&key(), policy, &facts(frame, NOW), goal).expect("a proof");
    proof.steps().iter().map(|step| step.rule.number()).collect()
}

#[test]
fn the_captured_evidence_proves_what_stock_verifiers_proved() {
    let policy = stock().statements();
    assert_eq!(rules(SIMULATED, &policy, Goal::Authentication), [3, 5, 5, 6, 1]);
    assert_eq!(rules(SIMULATED, &policy, Goal::Attestation), [3, 5, 5, 6, 7]);
    let proof = prove(&key(), &policy, &facts(SIMULATED, NOW), Goal::Authentication).unwrap();
    let told = proof.conclusion().to_string();
    assert!(
        told.starts_with("Key[rsa, auth-key, ") && told.ends_with(" is-trusted-for-authentication"),
        "{told}"
    );
    assert!(proof.steps()[4].to_string().contains("\n  imply via rule 1\n"));
}

#[test]
fn a_platform_is_held_against_the_policy() {
    let policy = stock().statements();
    assert_eq!(rules(SEV, &policy, Goal::Authentication), [3, 5, 5, 5, 6, 3, 8, 9, 10, 6, 1]);
}

#[test]
fn each_premise_is_needed() {
    let whole = stock().statements();
    // Of the policy: root, measurement, and for sev the platform; the others aren't about this machine.
    for (frame, needed) in [(SIMULATED, &[0, 1][..]), (SEV, &[2, 3, 4])] {
        for at in 0..whole.len() {
            let mut policy = whole.clone();
            policy.remove(at);
            let proof = prove(&key(), &policy, &facts(frame, NOW), Goal::Authentication);
            assert_eq!(matches!(proof, Err(ProofError::Missing(_))), needed.contains(&at), "{at}");
        }
    }
    let other = NamedKey::new("policyKey", facts(SEV, NOW).root().key().clone());
    let proof = prove(&other, &whole, &facts(SEV, NOW), Goal::Authentication);
    assert!(matches!(proof, Err(ProofError::Missing(_))), "another key's policy proves nothing");
}

#[test]
fn a_platform_without_a_property_is_refused_by_its_name() {
    let bytes = with(4, |draft| {
        let about = draft.about();
        let mut platform =
            claviger_proto::certifier_policy::Platform::decode(about.platform.as_deref().unwrap()).unwrap();
        let tcb = platform.properties.as_mut().unwrap().list.last_mut().unwrap();
        // A lower number than the report's, with one part above it.
        (tcb.comparator, tcb.number) = (Some(">=".to_owned()), Some(0x2f00_0000_0000_8116));
        about.platform = Some(platform.encode_to_vec());
    });
    let policy = StockPolicy::read(&bytes, &certificate(), NOW).unwrap().statements();
    let proof = prove(&key(), &policy, &facts(SEV, NOW), Goal::Authentication);
    let Err(ProofError::Platform { demanded, .. }) = proof else { panic!("{proof:?}") };
    assert!(demanded.starts_with("tcb-version: >= "));
}

#[test]
fn a_policy_of_ours_speaks_the_same_sentences() {
    let policy = stock().import().unwrap().policy;
    for (frame, kind) in [(SIMULATED, EvidenceKind::SimulatedEnclave), (SEV, EvidenceKind::SimulatedSev)] {
        let facts = facts(frame, NOW);
        let said = policy_statements(&policy, &key(), kind, facts.measurement(), NOW);
        assert!(prove(&key(), &said, &facts, Goal::Authentication).is_ok(), "{kind}");
        let later = policy_statements(&policy, &key(), kind, facts.measurement(), NOW + 400 * 86_400);
        assert!(later.is_empty(), "nothing is trusted after its end");
    }
}

#[test]
fn a_rule_gives_only_what_it_gives() {
    let facts = facts(SIMULATED, NOW);
    let policy = stock().statements();
    for rule in [Rule::R1, Rule::R3, Rule::R5, Rule::R6, Rule::R7, Rule::R8, Rule::R9, Rule::R10] {
        assert!(rule.apply(&policy[0], &policy[1]).is_err(), "{rule}");
        assert!(rule.apply(facts.speaks_for(), &policy[0]).is_err(), "{rule}");
    }
}

#[test]
fn captured_bad_evidence_is_no_fact() {
    let bad = |frame: &[u8]| StockFacts::read(&evidence(frame), NOW).expect_err("it is refused");
    let signature = include_bytes!("../data/stock/bad_signature.request.frame");
    assert!(matches!(bad(signature), EvidenceFault::Signature(_)));
    let missing = include_bytes!("../data/stock/missing_endorsement.request.frame");
    assert!(matches!(bad(missing), EvidenceFault::Items(_)));
    let wrong = include_bytes!("../data/stock/wrong_measurement.request.frame");
    let facts = StockFacts::read(&evidence(wrong), NOW);
    let proven = facts.map(|facts| prove(&key(), &stock().statements(), &facts, Goal::Authentication));
    assert!(!matches!(proven, Ok(Ok(_))));
}

#[test]
fn no_byte_of_the_evidence_is_free() {
    for frame in [SIMULATED, SEV] {
        let (good, proven) = (evidence(frame), facts(frame, NOW));
        for item in 0..good.items.len() {
            for at in (0..good.items[item].serialized.len()).step_by(7) {
                let mut bad = good.clone();
                bad.items[item].serialized[at] ^= 0x10;
                // The name of a signing key, which isn't signed, may be another; what is proven may not.
                let read = StockFacts::read(&bad, NOW);
                assert!(read.is_err() || read.is_ok_and(|facts| facts.statements() == proven.statements()));
            }
        }
    }
}

#[test]
fn pieces_have_their_order_and_the_kind_is_known() {
    let mut other = evidence(SEV);
    other.items.swap(0, 1);
    assert!(StockFacts::read(&other, NOW).is_err());
    other.enclave_type = "oe-enclave".to_owned();
    assert!(matches!(StockFacts::read(&other, NOW), Err(EvidenceFault::Kind(_))));
}

#[test]
fn evidence_has_dates() {
    for (frame, later) in [(SIMULATED, NOW + 3 * 365 * 86_400), (SEV, NOW + 3 * 365 * 86_400)] {
        assert!(matches!(StockFacts::read(&evidence(frame), later), Err(EvidenceFault::Dates(_))));
    }
}
