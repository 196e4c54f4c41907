//! Length-prefixed concatenation, for values that are hashed or authenticated together.

/// Builds LV(a) ‖ LV(b) ‖ …, where LV is a 2-byte big-endian length and the value, so that no two
/// different lists of values give the same bytes.
#[derive(Default)]
pub struct LvWriter(Vec<u8>);

impl LvWriter {
    /// An empty sequence.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty sequence with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Appends one value.
    ///
    /// # Panics
    /// When the value is longer than 65 535 bytes; callers pass digests, names and constants.
    #[must_use]
    pub fn push(mut self, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).expect("an LV value fits in 65 535 bytes");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
        self
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
