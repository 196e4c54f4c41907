//! The endorsement: "platformKey says attestKey is-trusted-for-attestation", signed by the platform key.

use claviger_proto::ParseError;
use claviger_proto::evidence::{
    CLAIM_FORMAT, Claim, Clause, ENTITY_KEY, Entity, SignedClaim, VERB_SAYS, VERB_TRUSTED_FOR_ATTESTATION,
};
use claviger_proto::key::PublicKey;
use prost::Message as _;

use super::signature::Signed;
use super::{Dates, public_key, required};
use crate::error::AttestError;

const PART: &str = "endorsement";

/// A parsed endorsement: it says what it must; whether that is true is not checked yet.
#[derive(Clone, Debug)]
pub(super) struct Endorsement {
    pub(super) platform_key: PublicKey,
    pub(super) attest_key: PublicKey,
    signing_key: PublicKey,
    dates: Dates,
    signed: Signed,
}

impl Endorsement {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let outer = SignedClaim::decode(bytes).map_err(|_| malformed("signed_claim_message"))?;
        let message = required(PART, "claim", outer.claim)?;
        let claim = Claim::decode(message.as_slice()).map_err(|_| malformed("claim_message"))?;
        if claim.format.as_deref() != Some(CLAIM_FORMAT) {
            return Err(says("its format is vse-clause"));
        }
        let clause = required(PART, "clause", claim.clause)?;
        let clause = Clause::decode(clause.as_slice()).map_err(|_| malformed("vse_clause"))?;
        let (platform_key, attest_key) = read_clause(&clause)?;
        Ok(Self {
            platform_key,
            attest_key,
            signing_key: public_key(PART, &required(PART, "signing_key", outer.signing_key)?)?,
            dates: Dates::parse(PART, claim.not_before.as_deref(), claim.not_after.as_deref())?,
            signed: Signed {
                part: PART,
                message,
                algorithm: outer.signing_algorithm.unwrap_or_default(),
                signature: required(PART, "signature", outer.signature)?,
            },
        })
    }

    /// All that costs no signature.
    pub(super) fn check(&self, now: i64) -> Result<(), AttestError> {
        if !self.signing_key.same_numbers(&self.platform_key) {
            return Err(says("who says it is who signs it"));
        }
        self.dates.check(now)
    }

    pub(super) fn verify_signature(&self) -> Result<(), AttestError> {
        self.signed.verify(&self.platform_key)
    }
}

fn read_clause(outer: &Clause) -> Result<(PublicKey, PublicKey), AttestError> {
    const SENTENCE: AttestError = says("platformKey says attestKey is-trusted-for-attestation");
    let (Some(platform), None, Some(inner)) = (&outer.subject, &outer.object, &outer.clause) else {
        return Err(SENTENCE);
    };
    let (Some(attest), None, None) = (&inner.subject, &inner.object, &inner.clause) else {
        return Err(SENTENCE);
    };
    let verbs = (outer.verb.as_deref(), inner.verb.as_deref());
    if verbs != (Some(VERB_SAYS), Some(VERB_TRUSTED_FOR_ATTESTATION)) {
        return Err(SENTENCE);
    }
    Ok((key_of(platform)?, key_of(attest)?))
}

fn key_of(entity: &Entity) -> Result<PublicKey, AttestError> {
    let Entity { entity_type, key: Some(key), measurement: None, platform: None, environment: None } = entity
    else {
        return Err(says("its entities are keys"));
    };
    if entity_type.as_deref() != Some(ENTITY_KEY) {
        return Err(says("its entities are keys"));
    }
    public_key(PART, key)
}

const fn says(why: &'static str) -> AttestError {
    AttestError::Statement { part: PART, why }
}

const fn malformed(message: &'static str) -> AttestError {
    AttestError::Malformed { part: PART, cause: ParseError::Message(message) }
}
