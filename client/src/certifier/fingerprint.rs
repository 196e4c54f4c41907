//! SHA-256 of a certificate, as it is pinned.

use std::fmt;
use std::str::FromStr;

/// SHA-256 of a certificate's DER. As text: 64 hex digits; colons between them, as OpenSSL has them, are read, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

/// Not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a fingerprint is the SHA-256 of a certificate: 64 hex digits, or 32 pairs of them with colons between"
)]
pub struct NotAFingerprint;

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let pairs: Vec<_> = text.split(':').collect();
        let whole = pairs.len() == 1 || pairs.iter().all(|pair| pair.len() == 2);
        let mut bytes = [0; 32];
        match hex::decode_to_slice(pairs.concat(), &mut bytes) {
            Ok(()) if whole => Ok(Self(bytes)),
            _ => Err(NotAFingerprint),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written_and_as_openssl_writes_it() {
        let (plain, colons) = ("ab".repeat(32), vec!["AB"; 32].join(":"));
        assert_eq!(plain.parse(), Ok(Fingerprint([0xab; 32])));
        assert_eq!(colons.parse(), Ok(Fingerprint([0xab; 32])));
        assert_eq!(Fingerprint([0xab; 32]).to_string(), plain);
        for bad in ["", "ab", &plain[1..], &format!("{plain}ab"), &"a:bab".repeat(13), &"zz".repeat(32)] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(NotAFingerprint), "{bad}");
        }
    }
}
