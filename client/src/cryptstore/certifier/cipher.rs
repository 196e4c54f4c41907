//! Authenticated encryption as the stock programs do it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand;
use claviger_proto::Secret;
use claviger_proto::key::{SymmetricKey, SymmetricKind};
use zeroize::Zeroizing;

const BLOCK: usize = 16;
const GCM_TAG: usize = 16;
const AES_KEY: usize = 32;

/// What authenticates a ciphertext in CBC mode: an algorithm, its key, and the length of what it gives.
struct Mac {
    key: hmac::Key,
    size: usize,
}

impl Mac {
    /// None for a key that has no second part.
    fn of(key: &SymmetricKey) -> Option<Self> {
        let bits = key.bits();
        Some(match key.kind() {
            SymmetricKind::Aes256CbcHmacSha256 => {
                Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bits[AES_KEY..]), size: 32 }
            }
            // The stock programs read 48 bytes from the middle of the 80, 8 beyond the end; what lies there varies, and
            // is nothing but zeros at best.
            SymmetricKind::Aes256CbcHmacSha384 => {
                let mut part = Zeroizing::new([0; 48]);
                part[..40].copy_from_slice(&bits[40..]);
                Self { key: hmac::Key::new(hmac::HMAC_SHA384, part.as_slice()), size: 48 }
            }
            _ => return None,
        })
    }
}

/// Whether something can be opened with a key of this kind.
pub(super) fn opens(kind: SymmetricKind) -> bool {
    kind == SymmetricKind::Aes256Gcm || kind.has_mac()
}

/// Checks and decrypts. Why it fails isn't said: another key, or what was altered.
pub(super) fn open(key: &SymmetricKey, sealed: &[u8]) -> Result<Secret, Unspecified> {
    match (key.kind(), Mac::of(key)) {
        (SymmetricKind::Aes256Gcm, _) => open_gcm(key.bits(), sealed),
        (_, Some(mac)) => open_cbc(&key.bits()[..AES_KEY], &mac, sealed),
        (_, None) => Err(Unspecified),
    }
}

fn open_gcm(key: &[u8], sealed: &[u8]) -> Result<Secret, Unspecified> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(Unspecified)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?);
    let mut room = Zeroizing::new(rest.to_vec());
    let plain = key.open_in_place(Nonce::try_assume_unique_for_key(nonce)?, Aad::empty(), &mut room)?;
    Ok(Secret::copy_from(plain))
}

fn open_cbc(key: &[u8], mac: &Mac, sealed: &[u8]) -> Result<Secret, Unspecified> {
    let end = sealed.len().checked_sub(mac.size).ok_or(Unspecified)?;
    let (body, tag) = sealed.split_at(end);
    // In constant time, and before anything is decrypted.
    hmac::verify(&mac.key, body, tag)?;
    let (iv, ciphertext) = body.split_at_checked(BLOCK).ok_or(Unspecified)?;
    if ciphertext.is_empty() {
        return Err(Unspecified);
    }
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, key)?)?;
    let mut room = Zeroizing::new(ciphertext.to_vec());
    let plain = key.decrypt(&mut room, DecryptionContext::Iv128(FixedLength::try_from(iv)?))?;
    Ok(Secret::copy_from(plain))
}

/// Encrypts, under a new nonce. It fails where the system gives no randomness, and for keys that aren't written.
pub(super) fn seal(key: &SymmetricKey, plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
    match (key.kind(), Mac::of(key)) {
        (SymmetricKind::Aes256Gcm, _) => seal_gcm(key.bits(), plain),
        (SymmetricKind::Aes256CbcHmacSha256, Some(mac)) => seal_cbc(&key.bits()[..AES_KEY], &mac, plain),
        _ => Err(Unspecified),
    }
}

fn seal_gcm(key: &[u8], plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?);
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + GCM_TAG);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut sealed[NONCE_LEN..])?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

fn seal_cbc(key: &[u8], mac: &Mac, plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, key)?)?;
    // With room for the padding, so that no part of the plaintext stays behind in a smaller buffer.
    let mut room = Vec::with_capacity(plain.len() + BLOCK);
    room.extend_from_slice(plain);
    let context = key.encrypt(&mut room)?;
    let mut sealed = <&[u8]>::try_from(&context)?.to_vec();
    sealed.append(&mut room);
    let tag = hmac::sign(&mac.key, &sealed);
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// A new key of this kind.
pub(super) fn generate(kind: SymmetricKind) -> Result<SymmetricKey, Unspecified> {
    let mut bits = vec![0; kind.size()];
    rand::fill(&mut bits)?;
    SymmetricKey::new(kind, Secret::new(bits)).map_err(|_| Unspecified)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// What a program that is linked with the stock framework printed.
    const KNOWN: &str = include_str!("../../../tests/data/stock/authenticated_encrypt_kat.txt");

    struct Known {
        key: SymmetricKey,
        plain: Vec<u8>,
        blob: Vec<u8>,
    }

    fn known() -> Vec<Known> {
        let sections = KNOWN.split("\n[").map(|section| section.trim_start_matches('['));
        let known = sections.map(|section| {
            let field = |name: &str| {
                let line = section.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                hex::decode(line.trim_start_matches(" = ")).unwrap()
            };
            let kind: SymmetricKind = section.split(']').next().unwrap().parse().unwrap();
            let key = SymmetricKey::new(kind, Secret::new(field("key"))).unwrap();
            Known { key, plain: field("plaintext"), blob: field("blob") }
        });
        known.collect()
    }

    #[test]
    fn what_the_stock_framework_encrypted_opens() {
        let known = known();
        assert_eq!(known.len(), 4);
        for Known { key, plain, blob } in known {
            assert_eq!(open(&key, &blob).ok().unwrap().expose(), plain);
        }
    }

    #[test]
    fn one_bit_anywhere_and_nothing_opens() {
        for Known { key, blob, .. } in known() {
            for at in 0..blob.len() {
                let mut broken = blob.clone();
                broken[at] ^= 1;
                assert!(open(&key, &broken).is_err(), "{} at {at}", key.kind());
                assert!(open(&key, &blob[..at]).is_err(), "{} cut at {at}", key.kind());
            }
        }
    }

    #[test]
    fn what_is_sealed_here_is_as_long_as_theirs_and_opens() {
        for Known { key, plain, blob } in known() {
            let Ok(sealed) = seal(&key, &plain) else {
                assert_eq!(key.kind(), SymmetricKind::Aes256CbcHmacSha384);
                continue;
            };
            assert_eq!(sealed.len(), blob.len());
            assert_eq!(open(&key, &sealed).ok().unwrap().expose(), plain);
            assert!(seal(&key, &plain).ok().unwrap() != sealed, "the nonce is new each time");
        }
    }

    #[test]
    fn keys_without_a_way_to_authenticate_open_nothing() {
        let key = SymmetricKey::new(SymmetricKind::Aes256, Secret::new(vec![1; 32])).unwrap();
        assert!(!opens(key.kind()));
        assert!(open(&key, &[0; 64]).is_err());
        assert!(seal(&key, b"x").is_err());
    }
}
