//! Writing messages without a copy on the way: a message is counted first, then written once, into a buffer
//! of exactly its length, so that no part of a secret stays behind in a smaller one.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use zeroize::Zeroizing;

/// A message, field by field (Protocol Buffers, "Encoding").
pub(crate) trait Fields {
    /// Gives every field that is set to `out`, in the order of their numbers.
    fn write(&self, out: &mut impl Sink);

    /// How many bytes it has.
    fn length(&self) -> usize {
        let mut length = Length(0);
        self.write(&mut length);
        length.0
    }

    /// Its bytes.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.length()));
        self.write(&mut *bytes);
        bytes
    }
}

/// Where fields go.
pub(crate) trait Sink {
    /// A field's number and type.
    fn key(&mut self, tag: u32, kind: WireType);
    /// A number.
    fn varint(&mut self, number: u64);
    /// Bytes as they are.
    fn raw(&mut self, bytes: &[u8]);

    /// A `bytes` field.
    fn bytes(&mut self, tag: u32, bytes: &[u8]) {
        self.key(tag, WireType::LengthDelimited);
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }

    /// A `string` field.
    fn text(&mut self, tag: u32, text: &str) {
        self.bytes(tag, text.as_bytes());
    }

    /// A `string` field that may be unset.
    fn maybe_text(&mut self, tag: u32, text: Option<&str>) {
        if let Some(text) = text {
            self.text(tag, text);
        }
    }

    /// An `int32` field.
    fn int32(&mut self, tag: u32, number: i32) {
        self.key(tag, WireType::Varint);
        self.varint(i64::from(number).cast_unsigned());
    }

    /// A `bool` field.
    fn bool(&mut self, tag: u32, value: bool) {
        self.key(tag, WireType::Varint);
        self.varint(u64::from(value));
    }

    /// A message within this one, in a `bytes` field.
    fn nested(&mut self, tag: u32, message: &impl Fields)
    where
        Self: Sized,
    {
        self.key(tag, WireType::LengthDelimited);
        self.varint(message.length() as u64);
        message.write(self);
    }
}

/// Counts only.
struct Length(usize);

impl Sink for Length {
    fn key(&mut self, tag: u32, _: WireType) {
        self.0 += key_len(tag);
    }

    fn varint(&mut self, number: u64) {
        self.0 += encoded_len_varint(number);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

impl Sink for Vec<u8> {
    fn key(&mut self, tag: u32, kind: WireType) {
        encode_key(tag, kind, self);
    }

    fn varint(&mut self, number: u64) {
        encode_varint(number, self);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
