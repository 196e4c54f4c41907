//! What seals a store's key: the enclave's own seal.

use aws_lc_rs::hmac;
use claviger_attest::Measurement;
use claviger_proto::Secret;
use claviger_proto::key::{KeyMessage, MessageKey, SymmetricKey, SymmetricKind};

use super::{CertifierError, cipher};

/// The seal of the enclave that a store belongs to. Holds a secret: no `Debug`, no `Clone`.
pub struct Seal {
    key: SymmetricKey,
    /// What stands before the sealed bytes, in a simulated enclave.
    measurement: Option<Measurement>,
}

/// How often the stock key derivation hashes.
const ROUNDS: usize = 100;
/// Its salt, of which the last four bytes give way to the block's number.
const SALT: [u8; 8] = [0x07, 0x01, 0x08, 0x02, 0x08, 0x33, 0x11, 0x44];

impl Seal {
    /// Bytes of a sealing key.
    pub const KEY_SIZE: usize = 64;
    /// Bytes of an SEV-SNP guest's derived key.
    pub const DERIVED_KEY_SIZE: usize = 32;

    /// A simulated enclave with this measurement. It keeps nothing secret: its key is the same everywhere, and public.
    pub fn simulated(measurement: Measurement) -> Self {
        let key = (0..64_u8).map(|i| i.wrapping_mul(5) % 16).collect();
        Self { key: sealing_key(Secret::new(key)), measurement: Some(measurement) }
    }

    /// An SEV-SNP guest, by the key that its processor derived.
    pub fn sev(derived: &[u8; Self::DERIVED_KEY_SIZE]) -> Self {
        Self { key: sealing_key(stretch(derived)), measurement: None }
    }

    /// An enclave whose 64-byte sealing key is known; an SEV-SNP guest's is what [`Seal::sev`] makes of the derived key.
    pub fn key(key: &[u8; Self::KEY_SIZE]) -> Self {
        Self { key: sealing_key(Secret::copy_from(key)), measurement: None }
    }

    /// Whether whoever has the file has what is in it.
    pub fn is_simulated(&self) -> bool {
        self.measurement.is_some()
    }

    /// Unseals a store's own key.
    pub(super) fn unseal(&self, sealed: &[u8]) -> Result<SymmetricKey, CertifierError> {
        let plain = cipher::open(&self.key, sealed).map_err(|_| CertifierError::OtherSeal)?;
        let message = match self.measurement {
            None => plain.expose(),
            Some(own) => plain.expose().strip_prefix(own.as_bytes()).ok_or_else(|| {
                let found = plain.expose().get(..own.as_bytes().len()).unwrap_or_default();
                CertifierError::OtherMeasurement { found: Measurement::from_bytes(found).ok() }
            })?,
        };
        match KeyMessage::decode(message).map_err(CertifierError::Key)?.key {
            MessageKey::Other { key_type, secret } => {
                let kind = key_type.parse().ok().filter(|kind| cipher::opens(*kind));
                let kind = kind.ok_or_else(|| CertifierError::algorithm(&key_type))?;
                SymmetricKey::new(kind, secret).map_err(CertifierError::Key)
            }
            MessageKey::Private(key) => Err(CertifierError::algorithm(key.kind().as_str())),
            MessageKey::Public(key) => Err(CertifierError::algorithm(key.kind().as_str())),
        }
    }

    /// Seals a store's own key, a serialized `key_message`.
    pub(super) fn seal(&self, message: &[u8]) -> Result<Vec<u8>, CertifierError> {
        let prefix = self.measurement.as_ref().map_or(&[][..], Measurement::as_bytes);
        let plain = zeroize::Zeroizing::new([prefix, message].concat());
        cipher::seal(&self.key, &plain).map_err(|_| CertifierError::Randomness)
    }
}

/// A key as the stock programs keep it.
pub(super) fn message(name: &str, key: &SymmetricKey) -> Secret {
    let key_type = key.kind().as_str().to_owned();
    let key = MessageKey::Other { key_type, secret: Secret::copy_from(key.bits()) };
    Secret::copy_from(&KeyMessage::new(name, key).encode())
}

fn sealing_key(bits: Secret) -> SymmetricKey {
    SymmetricKey::new(SymmetricKind::Aes256CbcHmacSha256, bits).expect("sealing keys have 64 bytes")
}

/// The stock key derivation. It would be PBKDF2-HMAC-SHA256 (RFC 8018), were a block's number not little-endian.
fn stretch(derived: &[u8]) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, derived);
    let mut out = Vec::with_capacity(Seal::KEY_SIZE);
    for number in 1..=2_u32 {
        let mut salt = [SALT; 4].concat();
        salt[28..].copy_from_slice(&number.to_le_bytes());
        let mut round = hmac::sign(&key, &salt);
        let mut block = zeroize::Zeroizing::new(round.as_ref().to_vec());
        for _ in 1..ROUNDS {
            round = hmac::sign(&key, round.as_ref());
            block.iter_mut().zip(round.as_ref()).for_each(|(sum, byte)| *sum ^= byte);
        }
        out.extend_from_slice(&block);
    }
    Secret::new(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn captured(text: &str) -> Vec<u8> {
        hex::decode(text.trim()).unwrap()
    }

    #[test]
    fn the_simulated_key_is_the_stock_one() {
        let seal = Seal::simulated(Measurement::from_bytes(&[1; 32]).unwrap());
        let stock = captured(include_str!("../../../tests/data/stock/sealing_key.hex"));
        assert!(seal.key.bits() == stock);
    }

    #[test]
    fn a_derived_key_is_stretched_as_the_stock_programs_do() {
        // What the guest device derives that the captured stores were made with.
        let derived = captured("2b7e151628aed2a6abf7158809cf4f3c01020304050607080102030405060708");
        let derived: [u8; 32] = derived.try_into().unwrap();
        let stock = captured(include_str!("../../../tests/data/stock/sev_dummy_seal_key.hex"));
        assert_eq!(hex::encode(Seal::sev(&derived).key.bits()), hex::encode(stock));
    }
}
