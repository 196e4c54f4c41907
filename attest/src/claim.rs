//! The claim that stock programs live by: a key says of another that it may attest.

use claviger_proto::evidence::{
    CLAIM_FORMAT, Claim, Clause, ENTITY_KEY, Entity, SignedClaim, VERB_SAYS, VERB_TRUSTED_FOR_ATTESTATION,
};
use claviger_proto::time_text::time_to_text;
use prost::Message as _;

use crate::error::KeyError;
use crate::key::SigningKey;
use crate::signature;

/// "`says` says `of` is-trusted-for-attestation". Both are serialized public `key_message`s.
pub(crate) struct Vouch {
    pub(crate) says: Vec<u8>,
    pub(crate) of: Vec<u8>,
    pub(crate) descriptor: &'static str,
    /// First and last second, since 1970.
    pub(crate) dates: (i64, i64),
}

impl Vouch {
    /// The serialized claim, signed by the key that says it.
    pub(crate) fn sign(self, key: &SigningKey) -> Result<Vec<u8>, KeyError> {
        let Self { says, of, descriptor, dates } = self;
        let entity = |key: Vec<u8>| {
            Some(Entity { entity_type: Some(ENTITY_KEY.to_owned()), key: Some(key), ..Entity::default() })
        };
        let trusted = Clause {
            subject: entity(of),
            verb: Some(VERB_TRUSTED_FOR_ATTESTATION.to_owned()),
            ..Clause::default()
        };
        let clause = Clause {
            subject: entity(says.clone()),
            verb: Some(VERB_SAYS.to_owned()),
            object: None,
            clause: Some(Box::new(trusted)),
        };
        let claim = Claim {
            format: Some(CLAIM_FORMAT.to_owned()),
            descriptor: Some(descriptor.to_owned()),
            not_before: Some(time_to_text(dates.0)),
            not_after: Some(time_to_text(dates.1)),
            clause: Some(clause.encode_to_vec()),
        };
        let message = claim.encode_to_vec();
        let (algorithm, signature) = signature::sign(key, &message)?;
        let signed = SignedClaim {
            claim: Some(message),
            signing_key: Some(says),
            signing_algorithm: Some(algorithm),
            signature: Some(signature),
        };
        Ok(signed.encode_to_vec())
    }
}
