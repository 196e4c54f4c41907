//! Proof that a machine has the private half of a key that isn't its channel's.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use claviger_proto::LvWriter;
use claviger_proto::key::PublicKey;

use crate::error::{AttestError, KeyError};
use crate::key::{KeyAlgorithm, SigningKey};

/// Signs the binding of the evidence that names this key, so that the proof is worth nothing on another channel.
pub fn prove_possession(key: &SigningKey, binding: &[u8; 64]) -> Result<Vec<u8>, KeyError> {
    key.sign(&message(binding))
}

/// Checks such a proof. A key of a kind that nothing is certified for proves nothing.
pub fn check_possession(key: &PublicKey, binding: &[u8; 64], proof: &[u8]) -> Result<(), AttestError> {
    check_signature(key, &message(binding), proof).map_err(|()| AttestError::Possession)
}

/// Checks what [`SigningKey::sign`] makes.
pub(crate) fn check_signature(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), ()> {
    let algorithm: &dyn VerificationAlgorithm = match KeyAlgorithm::of_kind(key.kind()).ok_or(())? {
        KeyAlgorithm::P256 => &ECDSA_P256_SHA256_ASN1,
        KeyAlgorithm::P384 => &ECDSA_P384_SHA384_ASN1,
        KeyAlgorithm::Ed25519 => &ED25519,
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => &RSA_PKCS1_2048_8192_SHA256,
    };
    UnparsedPublicKey::new(algorithm, key.spki_der()).verify(message, signature).map_err(|_| ())
}

/// A word of its own in front: what the key signs here is no certificate, no handshake and no checkpoint.
fn message(binding: &[u8; 64]) -> Vec<u8> {
    LvWriter::new().push(b"claviger possession v1").push(binding).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself_proves_that_it_is_there_and_only_for_one_binding() {
        for algorithm in
            [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa2048]
        {
            let key = SigningKey::generate(algorithm).expect("a key");
            let other = SigningKey::generate(algorithm).expect("a key");
            let proof = prove_possession(&key, &[1; 64]).expect("a proof");
            assert_eq!(check_possession(key.public(), &[1; 64], &proof), Ok(()), "{algorithm}");
            let refused = Err(AttestError::Possession);
            assert_eq!(check_possession(key.public(), &[2; 64], &proof), refused);
            assert_eq!(check_possession(other.public(), &[1; 64], &proof), refused);
            assert_eq!(check_possession(key.public(), &[1; 64], &[]), refused);
            let bare = key.sign(&[1; 64]).expect("a signature");
            assert_eq!(check_possession(key.public(), &[1; 64], &bare), refused, "of the bare binding");
        }
    }
}
