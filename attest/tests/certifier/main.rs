//! Stock policies: what stock tools wrote is understood, each thing that is wrong is refused alone, and what is written
//! from a policy of ours is read back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chain;
mod claims;
mod export;
mod import;
mod proof;

use claviger_attest::certifier::StockPolicy;
use claviger_attest::{PolicyCertificate, SigningKey};
use claviger_proto::certifier_policy::{BufferSequence, write_sequence};
use claviger_proto::evidence::{Claim, Clause, Entity, SignedClaim};
use claviger_proto::key::{KeyMessage, MessageKey, read_private};
use prost::Message as _;

const POLICY: &[u8] = include_bytes!("../data/stock/policy.bin");
const TEXT: &str = include_str!("../data/stock/policy.txt");
const CERTIFICATE: &[u8] = include_bytes!("../data/stock/policy_cert.der");
const KEY: &[u8] = include_bytes!("../data/stock/policy_key.key_message.pb");

/// When all of it is valid: 2026-12-11.
const NOW: i64 = 1_797_000_000;

fn certificate() -> PolicyCertificate {
    PolicyCertificate::from_der(CERTIFICATE).expect("a policy certificate")
}

fn policy_key() -> SigningKey {
    let (key, _) = read_private(KEY).expect("a policy key");
    SigningKey::from_private(&key).expect("a signing key")
}

fn stock() -> StockPolicy {
    StockPolicy::read(POLICY, &certificate(), NOW).expect("the captured policy")
}

fn blocks() -> Vec<Vec<u8>> {
    BufferSequence::decode(POLICY).expect("a sequence").blocks
}

/// A claim that can be changed before it is signed.
struct Draft {
    outer: SignedClaim,
    claim: Claim,
    clause: Clause,
}

impl Draft {
    /// The captured claim, counted from 0.
    fn of(at: usize) -> Self {
        let outer = SignedClaim::decode(blocks()[at].as_slice()).expect("a signed claim");
        let claim = Claim::decode(outer.claim.as_deref().expect("a claim")).expect("a claim");
        let clause = Clause::decode(claim.clause.as_deref().expect("a clause")).expect("a clause");
        Self { outer, claim, clause }
    }

    fn said(&mut self) -> &mut Clause {
        self.clause.clause.as_mut().expect("what is said")
    }

    fn about(&mut self) -> &mut Entity {
        self.said().subject.as_mut().expect("what it is about")
    }

    fn sign(mut self) -> Vec<u8> {
        self.claim.clause = Some(self.clause.encode_to_vec());
        let message = self.claim.encode_to_vec();
        self.outer.signature = Some(policy_key().sign(&message).expect("a signature"));
        self.outer.claim = Some(message);
        self.outer.encode_to_vec()
    }
}

/// The captured policy with one claim in the place of another.
fn with(at: usize, change: impl FnOnce(&mut Draft)) -> Vec<u8> {
    let mut draft = Draft::of(at);
    change(&mut draft);
    let mut blocks = blocks();
    blocks[at] = draft.sign();
    write_sequence(blocks)
}

fn public_message(name: &str, key: &SigningKey) -> Vec<u8> {
    KeyMessage::new(name, MessageKey::Public(key.public().clone())).encode().to_vec()
}
