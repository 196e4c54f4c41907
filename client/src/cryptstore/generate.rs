//! New keys.

use claviger_attest::NewKey;
use claviger_proto::ResourceName;

use super::{Item, ItemError};

impl Item {
    /// A new key that is called after its tag. It may leave in the clear unless `exportable` is set to false.
    pub fn generate(kind: NewKey, tag: &ResourceName) -> Result<Self, ItemError> {
        let (entry_type, blob) = kind.make(tag).map_err(|_| ItemError::Randomness)?;
        Ok(Self { entry_type, blob, exportable: true })
    }
}
