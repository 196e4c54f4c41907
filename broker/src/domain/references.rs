//! Reference values as the store keeps them: JSON inside the domain's sealed record.

use claviger_attest::{ReferenceValue, ReferenceValues};

/// Serializes for the store.
pub fn encode(references: &ReferenceValues) -> Vec<u8> {
    let list: Vec<&ReferenceValue> = references.iter().collect();
    serde_json::to_vec(&list).expect("reference values are plain data")
}

/// Reads what the store holds; nothing at all is no reference values.
pub fn decode(bytes: &[u8]) -> Result<ReferenceValues, serde_json::Error> {
    if bytes.is_empty() {
        return Ok(ReferenceValues::default());
    }
    let list: Vec<ReferenceValue> = serde_json::from_slice(bytes)?;
    Ok(list.into_iter().collect())
}
