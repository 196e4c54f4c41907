//! What is left on a thread's stack.
//!
//! Keys that are kept lie on the heap and are zeroized when they are let go of. On their way there (an HKDF's
//! output, a cipher's key schedule) they pass through frames of functions that have returned since, and a frame that
//! is gone isn't overwritten until something else needs its place.

use std::hint::black_box;

use zeroize::Zeroize as _;

/// How much is overwritten, in bytes: many times what the functions that handle keys use, and a fraction of the
/// smallest stack that a thread here has (2 MiB).
const DEEP: usize = 128 << 10;

/// Overwrites what calls made from here, or from deeper down, have left on this thread's stack.
#[inline(never)]
#[allow(clippy::large_stack_arrays, reason = "to be large and on the stack is what it is for")]
pub fn scrub() {
    let mut frames = [0_u8; DEEP];
    // Its writes aren't optimised away.
    frames.zeroize();
    black_box(&frames);
}
