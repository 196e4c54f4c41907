//! Reference values as the store keeps them: JSON inside the domain's sealed record.

use claviger_attest::ReferenceValues;

/// Serializes for the store.
///
/// # Panics
/// Never: reference values are plain data, whose serialization can't fail.
pub fn encode(references: &ReferenceValues) -> Vec<u8> {
    serde_json::to_vec(references).expect("reference values are plain data")
}

/// Reads what the store holds; nothing at all is no reference values.
pub fn decode(bytes: &[u8]) -> Result<ReferenceValues, serde_json::Error> {
    if bytes.is_empty() {
        return Ok(ReferenceValues::default());
    }
    serde_json::from_slice(bytes)
}
