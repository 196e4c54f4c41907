//! Frames: a 4-byte little-endian signed length, then that many bytes of protobuf.

use crate::error::ParseError;

/// Bytes of the length in front of each message.
pub const HEADER: usize = 4;

/// Reads a frame's header. An empty frame, or a negative length (stock programs read it as empty), and a
/// length above `limit` are errors; nothing is allocated before this says how much.
pub fn body_length(header: [u8; HEADER], limit: usize) -> Result<usize, ParseError> {
    match usize::try_from(i32::from_le_bytes(header)) {
        Err(_) | Ok(0) => Err(ParseError::EmptyFrame),
        Ok(length) if length > limit => Err(ParseError::FrameTooLarge),
        Ok(length) => Ok(length),
    }
}

/// The header of a body of `length` bytes.
///
/// # Panics
/// When the length doesn't fit an `i32`; every message is bounded far below by [`crate::limits`].
pub fn header(length: usize) -> [u8; HEADER] {
    i32::try_from(length).expect("a message is far below 2 GiB").to_le_bytes()
}
