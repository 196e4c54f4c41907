//! Secrets in JSON.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Secret;

/// Secret bytes in JSON, as hex. No `Debug`, no `Clone`; zeroized where we hold them.
pub struct SecretHex(pub Secret);

impl Serialize for SecretHex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(self.0.expose())))
    }
}

impl<'de> Deserialize<'de> for SecretHex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // The error must not repeat the input.
        let bytes = hex::decode(text.as_bytes()).map_err(|_| serde::de::Error::custom("not hex"))?;
        Ok(Self(Secret::new(bytes)))
    }
}
