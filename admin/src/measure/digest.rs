//! Digests of files of whatever size.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use claviger_client::cli::Failure;
use claviger_client::files::FileError;

/// Largest file that is measured, in bytes: an initrd with a whole system in it has some GiB, a device no end.
const MAX_MEASURED: u64 = 8 << 30;
/// Read at once.
const CHUNK: usize = 1 << 20;

/// The SHA-256 of a file.
pub(super) fn sha256_of(path: &Path) -> Result<[u8; 32], Failure> {
    let failed = |source| FileError::system("reading", path, source);
    let digest = File::open(path).and_then(|file| sha256(file, MAX_MEASURED)).map_err(failed)?;
    Ok(digest.ok_or_else(|| too_large(path))?)
}

fn too_large(path: &Path) -> FileError {
    FileError::TooLarge { path: path.to_owned(), limit: usize::try_from(MAX_MEASURED).unwrap_or(usize::MAX) }
}

/// `None` when there is more than `limit`.
fn sha256(source: impl Read, limit: u64) -> io::Result<Option<[u8; 32]>> {
    let mut source = source.take(limit.saturating_add(1));
    let (mut context, mut chunk) = (Context::new(&SHA256), vec![0; CHUNK]);
    loop {
        match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => context.update(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok((source.limit() > 0).then_some(digest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_all_or_there_is_none() {
        let bytes = vec![7; CHUNK + 5];
        assert_eq!(sha256(&bytes[..], 1 << 30).unwrap(), Some(claviger_attest::sha256(&bytes)));
        assert!(sha256(&bytes[..], CHUNK as u64 + 5).unwrap().is_some());
        assert!(sha256(&bytes[..], CHUNK as u64 + 4).unwrap().is_none());
        assert!(sha256(io::repeat(1), 10).unwrap().is_none());
    }
}
