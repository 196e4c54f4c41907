//! What an answer to a challenge has to be bound to: this channel, and nothing else.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use claviger_attest::{Binding, EXPORTER_LEN, Purpose, Role, certificate_spki, exporter_label, sha384};
use claviger_proto::trust::NONCE;

use super::handshake::Channel;

/// A new challenge's nonce; `None` when the system has no randomness.
pub fn nonce() -> Option<[u8; NONCE]> {
    let mut nonce = [0; NONCE];
    SystemRandom::new().fill(&mut nonce).ok()?;
    Some(nonce)
}

/// The key of the peer on this channel, SPKI DER.
pub fn channels_key(channel: &Channel) -> Option<Vec<u8>> {
    certificate_spki(channel.leaf()?).ok()
}

/// What an agent's answer on this channel has to be bound to. The nonce is the connection's state and is used once, so what is
/// bound can't be answered to another challenge or another channel.
pub fn bind(
    channel: &Channel,
    nonce: &[u8; NONCE],
    purpose: Purpose,
    spki: Option<&[u8]>,
) -> Option<[u8; 64]> {
    bind_as(Role::Agent, channel, nonce, purpose, spki)
}

/// The same for a broker elsewhere. Neither's answer is one of the other's.
pub fn bind_broker(
    channel: &Channel,
    nonce: &[u8; NONCE],
    purpose: Purpose,
    spki: &[u8],
) -> Option<[u8; 64]> {
    bind_as(Role::Broker, channel, nonce, purpose, Some(spki))
}

fn bind_as(
    role: Role,
    channel: &Channel,
    nonce: &[u8; NONCE],
    purpose: Purpose,
    spki: Option<&[u8]>,
) -> Option<[u8; 64]> {
    let exporter =
        channel.tls().export_keying_material([0; EXPORTER_LEN], exporter_label(role), Some(nonce)).ok()?;
    let spki = spki.map(sha384);
    let binding = Binding {
        role,
        purpose,
        policy_digest: channel.domain.policy.digest(),
        nonce,
        client_leaf: &sha384(channel.leaf()?),
        server_leaf: &channel.domain.leaf.digest,
        new_spki: spki.as_ref(),
        exporter: &exporter,
    };
    Some(binding.digest())
}
