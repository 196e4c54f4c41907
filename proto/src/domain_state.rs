//! What a home broker gives a broker elsewhere of one domain, inside an admission's answer.

use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::Secret;
use crate::error::ParseError;

/// A domain as its home broker has it. The policy certificate isn't in it: who asks has it already, and trusts no other.
/// Carries a secret: no `Debug`, no `Clone`.
pub struct DomainState {
    /// Which domain of its name, at home.
    pub generation: [u8; 16],
    /// Counts the changes of the domain at home; never goes back.
    pub serial: u32,
    /// When it was sent, by the home broker's clock, in seconds since 1970.
    pub time: i64,
    /// The preset of its access rules.
    pub preset: String,
    /// What it trusts, as brokers keep it.
    pub trust: Vec<u8>,
    /// Its own access rules and principals, as brokers keep them.
    pub access: Vec<u8>,
    /// The policy key (PKCS#8 DER), where its owner lets this broker have it.
    pub policy_key: Option<Secret>,
    /// The certificate that was asked for, DER.
    pub certificate: Option<Vec<u8>>,
}

/// As it is on the wire.
#[derive(prost::Message)]
#[prost(skip_debug)]
struct StateMessage {
    #[prost(bytes = "vec", tag = "1")]
    generation: Vec<u8>,
    #[prost(uint32, tag = "2")]
    serial: u32,
    #[prost(int64, tag = "3")]
    time: i64,
    #[prost(string, tag = "4")]
    preset: String,
    #[prost(bytes = "vec", tag = "5")]
    trust: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    access: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "7")]
    policy_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "8")]
    certificate: Option<Vec<u8>>,
}

impl Drop for StateMessage {
    fn drop(&mut self) {
        self.policy_key.zeroize();
    }
}

impl DomainState {
    /// Serializes.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let message = StateMessage {
            generation: self.generation.to_vec(),
            serial: self.serial,
            time: self.time,
            preset: self.preset.clone(),
            trust: self.trust.clone(),
            access: self.access.clone(),
            policy_key: self.policy_key.as_ref().map(|key| key.expose().to_vec()),
            certificate: self.certificate.clone(),
        };
        Zeroizing::new(message.encode_to_vec())
    }

    /// Reads one. What is in it is for the broker to understand.
    pub fn decode(bytes: &[u8]) -> Result<Self, ParseError> {
        const WHAT: ParseError = ParseError::Message("domain state");
        let mut message = StateMessage::decode(bytes).map_err(|_| WHAT)?;
        let generation = message.generation.as_slice().try_into().map_err(|_| WHAT)?;
        if message.serial == 0 {
            return Err(WHAT);
        }
        Ok(Self {
            generation,
            serial: message.serial,
            time: message.time,
            preset: std::mem::take(&mut message.preset),
            trust: std::mem::take(&mut message.trust),
            access: std::mem::take(&mut message.access),
            policy_key: message.policy_key.take().map(Secret::new),
            certificate: message.certificate.take(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> DomainState {
        DomainState {
            generation: [7; 16],
            serial: 3,
            time: 1_800_000_000,
            preset: "closed".to_owned(),
            trust: b"{}".to_vec(),
            access: Vec::new(),
            policy_key: Some(Secret::copy_from(b"key")),
            certificate: Some(b"leaf".to_vec()),
        }
    }

    #[test]
    fn what_is_sent_is_what_comes() {
        let read = DomainState::decode(&state().encode()).expect("a state");
        assert_eq!(*read.encode(), *state().encode());
        assert!(read.policy_key == Some(Secret::copy_from(b"key")));
    }

    #[test]
    fn half_a_state_is_none() {
        let whole = state().encode();
        assert!(DomainState::decode(&[]).is_err());
        assert!(DomainState::decode(&whole[..whole.len() - 1]).is_err());
        assert!(DomainState::decode(&DomainState { serial: 0, ..state() }.encode()).is_err());
        let mut short = whole.clone();
        short[1] = 15;
        assert!(DomainState::decode(&short).is_err());
    }
}
