//! Making a credential in software (TPM 2.0 Library, Part 1, "Credential Protection"): only the TPM that holds the
//! endorsement key opens it, and only if it holds the key of that name, too.

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use claviger_proto::key::PublicKey;
use zeroize::Zeroizing;

use crate::error::KeyError;

/// What tpm2-tools write in front of a credential's two parts, and the version of that form.
const MAGIC: u32 = 0xbadc_c0de;
const VERSION: u32 = 1;

/// Bytes of the secret that a credential carries.
pub(super) const SECRET: usize = 32;

/// A credential for the key of this name, as a file for `tpm2_activatecredential -i`. The endorsement key is RSA by the
/// template L-1; `seed` is as random, and as secret, as the secret itself.
pub(super) fn make(
    endorsement: &PublicKey,
    name: &[u8],
    secret: &[u8; SECRET],
    seed: &[u8; 32],
) -> Result<Vec<u8>, KeyError> {
    let encrypted_seed = encrypt_seed(endorsement, seed)?;
    // CREDENTIAL: the secret as TPM2B_DIGEST, encrypted for the name, with an IV of zeros: the key is used once.
    let key = Zeroizing::new(kdfa(seed, b"STORAGE", name, 128));
    let mut identity = Zeroizing::new(sized(secret));
    let cipher = UnboundCipherKey::new(&AES_128, &key[..16]).and_then(EncryptingKey::cfb128);
    cipher
        .and_then(|key| {
            key.less_safe_encrypt(&mut identity, EncryptionContext::Iv128(FixedLength::from([0; 16])))
        })
        .map_err(|_| KeyError::Failed)?;
    let key = Zeroizing::new(kdfa(seed, b"INTEGRITY", &[], 256));
    let key = hmac::Key::new(HMAC_SHA256, key.as_slice());
    let mut authentic = hmac::Context::with_key(&key);
    authentic.update(&identity);
    authentic.update(name);
    let object = [sized(authentic.sign().as_ref()).as_slice(), &identity].concat();
    Ok([&MAGIC.to_be_bytes()[..], &VERSION.to_be_bytes(), &sized(&object), &sized(&encrypted_seed)].concat())
}

/// The seed, by RSAES-OAEP with SHA-256; the label has its zero.
fn encrypt_seed(endorsement: &PublicKey, seed: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
    let key = PublicEncryptingKey::from_der(endorsement.spki_der()).map_err(|_| KeyError::Rejected)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| KeyError::Rejected)?;
    let mut out = vec![0; key.ciphertext_size()];
    let encrypted = key.encrypt(&OAEP_SHA256_MGF1SHA256, seed, &mut out, Some(b"IDENTITY\0"));
    Ok(encrypted.map_err(|_| KeyError::Failed)?.to_vec())
}

/// `KDFa` with SHA-256 (Part 1, "Key Derivation"; SP 800-108 in counter mode) for up to 256 bits, which are the first round's first.
fn kdfa(key: &[u8], label: &[u8], context: &[u8], bits: u32) -> [u8; 32] {
    let key = hmac::Key::new(HMAC_SHA256, key);
    let mut round = hmac::Context::with_key(&key);
    for part in [&1_u32.to_be_bytes()[..], label, &[0], context, &bits.to_be_bytes()] {
        round.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(round.sign().as_ref());
    out
}

/// A `TPM2B`.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("all that is put in is short");
    [&length.to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use aws_lc_rs::cipher::{DecryptingKey, DecryptionContext};
    use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};

    use super::*;

    /// What a TPM does with it (`TPM2_ActivateCredential`), in the same words of the specification, from the other side.
    /// That a TPM does the same is shown where there is one.
    #[test]
    fn the_holder_of_both_keys_gets_the_secret_and_no_other() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = private.public_key().as_der().unwrap();
        let endorsement = PublicKey::from_spki_der(der.as_ref()).unwrap();
        let blob = make(&endorsement, b"a name", &[5; 32], &[9; 32]).unwrap();
        assert_eq!(blob[..8], [0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1]);
        let (object, rest) = blob[10..].split_at(usize::from(u16::from_be_bytes([blob[8], blob[9]])));
        let mut seed = [0; 256];
        let key = OaepPrivateDecryptingKey::new(private).unwrap();
        let seed = key.decrypt(&OAEP_SHA256_MGF1SHA256, &rest[2..], &mut seed, Some(b"IDENTITY\0")).unwrap();
        assert_eq!(seed, [9; 32]);
        let (mac, identity) = object[2..].split_at(32);
        let integrity = hmac::Key::new(HMAC_SHA256, &kdfa(seed, b"INTEGRITY", &[], 256));
        let over = |name: &[u8]| [identity, name].concat();
        hmac::verify(&integrity, &over(b"a name"), mac).unwrap();
        hmac::verify(&integrity, &over(b"another name"), mac).unwrap_err();
        let opened = |name: &[u8]| {
            let key = UnboundCipherKey::new(&AES_128, &kdfa(seed, b"STORAGE", name, 128)[..16]).unwrap();
            let mut text = identity.to_vec();
            let context = DecryptionContext::Iv128(FixedLength::from([0; 16]));
            DecryptingKey::cfb128(key).unwrap().decrypt(&mut text, context).unwrap();
            text
        };
        assert_eq!(opened(b"a name"), [&[0, 32][..], &[5; 32]].concat());
        assert_ne!(opened(b"another name"), opened(b"a name"));
    }
}
