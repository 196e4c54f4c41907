//! Writing records.

use prost::encoding::{WireType, encode_key, encode_varint};

use super::{AuditFacts, COMMITMENT};

/// Room that most records need, in bytes.
const USUAL: usize = 256;

fn put_bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_number(out: &mut Vec<u8>, tag: u32, number: u64) {
    encode_key(tag, WireType::Varint, out);
    encode_varint(number, out);
}

impl AuditFacts {
    /// The body of a record.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(USUAL);
        put_number(&mut out, 1, self.time.cast_unsigned());
        put_bytes(&mut out, 2, self.request_id.as_bytes());
        put_bytes(&mut out, 3, self.action.as_bytes());
        put_bytes(&mut out, 4, self.outcome.as_bytes());
        if let Some(fingerprint) = &self.peer_fingerprint {
            put_bytes(&mut out, 5, fingerprint);
        }
        if let Some(measurement) = &self.measurement {
            put_bytes(&mut out, 6, measurement);
        }
        put_bytes(&mut out, 7, self.role.as_bytes());
        if let Some(name) = &self.name {
            put_bytes(&mut out, 8, name.as_bytes());
        }
        if let Some(version) = self.version {
            put_number(&mut out, 9, u64::from(version));
        }
        put_bytes(&mut out, 10, self.source.as_bytes());
        if let Some(reason) = &self.reason {
            put_bytes(&mut out, 11, reason.as_bytes());
        }
        if let Some(version) = self.policy_version {
            put_number(&mut out, 12, u64::from(version));
        }
        if let Some(age) = self.evidence_age {
            put_number(&mut out, 13, age);
        }
        for principal in &self.principals {
            put_bytes(&mut out, 14, principal.as_bytes());
        }
        out
    }

    /// The body of a block.
    pub(crate) fn encode_block(records: &[Self]) -> Vec<u8> {
        let mut out = Vec::with_capacity(COMMITMENT.len() + records.len() * USUAL);
        out.extend_from_slice(&COMMITMENT);
        for record in records {
            record.add_to_block(&mut out);
        }
        out
    }

    /// Adds this record to the body of a block.
    pub(crate) fn add_to_block(&self, block: &mut Vec<u8>) {
        put_bytes(block, 1, &self.encode());
    }
}
