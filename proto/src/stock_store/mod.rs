//! What is in the stock programs' encrypted stores (Certifier Framework): the file, and what it opens to. Nothing is
//! opened here: the seal and the ciphers are `claviger-client`'s.
//!
//! | file | message | fields |
//! |---|---|---|
//! | both | `protected_blob_message` | `encrypted_key` 1 (a sealed `key_message`), `encrypted_data` 2 |
//! | a cryptstore, opened | `cryptstore` | entries 1 (`cryptstore_entry`), repeated |
//! | a policy store, opened | `policy_store_message` | `max_ents` 1, entries 2 {tag 1, type 2, value 3}, repeated |
//!
//! A message is taken only if its known fields are all of it: what isn't known would be lost on the way.

mod blob;
mod cryptstore;
mod policy;

use prost::Message;

pub use blob::ProtectedBlob;
pub use cryptstore::{Flaw, StockItem, encode_cryptstore};
pub use policy::{Certifier, PolicyEntry, PolicyStore};

use crate::ParseError;

/// Largest file that is read, in bytes: stock programs keep a store on their stack, which ends at 8 MiB.
pub const MAX_STOCK_FILE: usize = 16 << 20;

/// Largest content that is written, in bytes. Stock programs die of a larger one: they have it on their stack of
/// 8 MiB at least twice.
pub const MAX_STOCK_CONTENT: usize = 3 << 20;

/// An opened store.
pub enum StockStore {
    /// `cf_utility`'s and `cf_key_server`'s cryptstore.
    Cryptstore(Vec<StockItem>),
    /// The trust manager's policy store.
    Policy(PolicyStore),
}

impl StockStore {
    /// Reads what a store opened to. Which of the two it is says its form.
    pub fn decode(plain: &[u8]) -> Result<Self, ParseError> {
        match cryptstore::decode(plain) {
            Ok(items) => Ok(Self::Cryptstore(items)),
            Err(error) => PolicyStore::decode(plain).map(Self::Policy).map_err(|_| error),
        }
    }
}

/// Reads a message that has nothing besides the fields that are known, each as often as it may be there.
fn decode_exactly<M: Message + Default>(bytes: &[u8], name: &'static str) -> Result<M, ParseError> {
    let message = M::decode(bytes).map_err(|_| ParseError::Message(name))?;
    if message.encoded_len() == bytes.len() { Ok(message) } else { Err(ParseError::Message(name)) }
}
