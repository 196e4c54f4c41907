//! What ties evidence to one channel and one challenge.

use aws_lc_rs::digest::{SHA512, digest};
use claviger_proto::LvWriter;

use crate::role::Role;

/// Bytes of TLS exporter that go into a binding.
pub const EXPORTER_LEN: usize = 48;

/// What the evidence is for; evidence made for one purpose is none for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A first admission certificate.
    Enroll,
    /// The next admission certificate of a machine that has one.
    Renew,
    /// Proof, on an open channel, that the machine is here now.
    Freshness,
    /// Proof, on an open channel, of who is behind the machine: signed by a principal's key, not by a platform.
    Principal,
}

impl Purpose {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Enroll => b"enroll",
            Self::Renew => b"renew",
            Self::Freshness => b"freshness",
            Self::Principal => b"principal",
        }
    }
}

/// Everything that a piece of evidence must be bound to. Both ends build it from what *they* see of the
/// channel; only the digest travels, inside the evidence, signed.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// Who presents the evidence.
    pub role: Role,
    /// What for.
    pub purpose: Purpose,
    /// SHA-384 of the domain's policy certificate ([`crate::PolicyCertificate::digest`]).
    pub policy_digest: &'a [u8; 48],
    /// The challenge: state of this connection, used up by the first answer.
    pub nonce: &'a [u8; 32],
    /// SHA-384 of the client's leaf on this channel.
    pub client_leaf: &'a [u8; 48],
    /// SHA-384 of the server's leaf on this channel.
    pub server_leaf: &'a [u8; 48],
    /// SHA-384 of the SPKI of the key that it is about, where there is one besides the channel's: to certify, or a
    /// principal's.
    pub new_spki: Option<&'a [u8; 48]>,
    /// This channel's exporter (RFC 8446 §7.5): label [`exporter_label`], context the nonce. Only a full
    /// handshake counts.
    pub exporter: &'a [u8; EXPORTER_LEN],
}

impl Binding<'_> {
    /// The 64 bytes that the evidence must carry: SHA-512 over the length-prefixed parts.
    pub fn digest(&self) -> [u8; 64] {
        let parts = LvWriter::new()
            .push(b"claviger attest v1")
            .push(self.role.as_str().as_bytes())
            .push(self.purpose.as_bytes())
            .push(self.policy_digest)
            .push(self.nonce)
            .push(self.client_leaf)
            .push(self.server_leaf)
            .push(self.new_spki.map_or(&[], |spki| spki.as_slice()))
            .push(self.exporter)
            .into_bytes();
        let mut out = [0; 64];
        out.copy_from_slice(digest(&SHA512, &parts).as_ref());
        out
    }
}

/// The exporter's label for evidence of this role; "EXPERIMENTAL" as RFC 5705 §4 asks of unregistered ones.
pub fn exporter_label(role: Role) -> &'static [u8] {
    match role {
        Role::Agent => b"EXPERIMENTAL claviger attest agent",
        Role::Broker => b"EXPERIMENTAL claviger attest broker",
    }
}
