//! The stock programs' encrypted stores (Certifier Framework): opened here, and written so that they open them.
//!
//! | algorithm | key | layout |
//! |---|---|---|
//! | `aes-256-gcm` | 32 bytes | nonce 12, ciphertext, tag 16; no additional data |
//! | `aes-256-cbc-hmac-sha256` | 64 bytes: AES, HMAC | IV 16, ciphertext (PKCS #7), HMAC over both, 32 |
//! | `aes-256-cbc-hmac-sha384` | 80 bytes: AES at 0, HMAC at 40 | IV 16, ciphertext (PKCS #7), HMAC over both, 48; read, never written |
//!
//! The file's own key is one of these, in a `key_message` that the enclave sealed ([`Seal`]); its type says which.
//!
//! ```
//! use claviger_attest::Measurement;
//! use claviger_client::cryptstore::certifier::{Contents, Seal, WrittenAlgorithm};
//! use claviger_client::cryptstore::{Cryptstore, Item, Which};
//! use claviger_proto::Secret;
//!
//! let mut here = Cryptstore::empty();
//! let tag = here.tag("backup-key")?;
//! here.put(&tag, Item::blob(Secret::copy_from(b"secret")), None, 1_800_000_000)?;
//!
//! let seal = Seal::simulated(Measurement::from_bytes(&[7; 32])?);
//! let file = here.export_certifier(&[(tag, Which::Latest)], false, &seal, WrittenAlgorithm::Gcm)?;
//!
//! let contents = Contents::open(&file, &seal)?.sound()?;
//! let mut there = Cryptstore::empty();
//! there.import_certifier(None, contents.items, 1_800_000_000)?;
//! assert_eq!(there.get("backup-key", None).unwrap().blob.expose(), b"secret");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cipher;
mod contents;
mod error;
mod identity;
mod seal;
#[cfg(test)]
mod tests;
mod write;

pub use contents::{Contents, Flawed, LeftOut, Overtaken};
pub use error::CertifierError;
pub use identity::StockIdentity;
pub use seal::Seal;
pub use write::WrittenAlgorithm;
