//! Captured stock files, and what the tests share.

use std::path::PathBuf;

/// A captured file under `tests/data/`.
pub(crate) fn data(path: &str) -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
