//! Big-endian unsigned numbers of unknown padding: C++ programs strip leading zeros, Go programs pad.

use zeroize::Zeroizing;

/// The number without leading zeros; zero is the empty slice.
pub(super) fn strip(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// The number in exactly `size` bytes, or `None` when it needs more.
pub(super) fn pad(number: &[u8], size: usize) -> Option<Zeroizing<Vec<u8>>> {
    let number = strip(number);
    let start = size.checked_sub(number.len())?;
    let mut padded = Zeroizing::new(vec![0; size]);
    padded[start..].copy_from_slice(number);
    Some(padded)
}

/// How many bits a stripped number has.
pub(super) fn bits(stripped: &[u8]) -> usize {
    stripped.first().map_or(0, |first| stripped.len() * 8 - first.leading_zeros() as usize)
}
