//! The slot `file:`: 32 or more raw bytes in a file are the factor.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use claviger_proto::Secret;
use zeroize::Zeroizing;

use crate::files;
use crate::slot::SlotError;

/// Fewest bytes of a key file: as much as the root key has.
const SHORTEST: u64 = 32;
/// Most bytes of a key file: beyond this it isn't meant as one.
const LONGEST: u64 = 4096;

/// Reads a key file, refusing one that everybody can change.
pub(super) fn read(path: &Path) -> Result<Secret, SlotError> {
    // Before it is opened: opening a pipe would wait for its writer.
    check(path, &std::fs::metadata(path).map_err(|error| reading(path, error))?)?;
    let mut file = File::open(path).map_err(|error| reading(path, error))?;
    let metadata = file.metadata().map_err(|error| reading(path, error))?;
    check(path, &metadata)?;
    let length = usize::try_from(metadata.len()).unwrap_or_default();
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut bytes).map_err(|error| reading(path, error))?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// The mode of a key file that others than its owner can read, if it is one.
pub(super) fn exposed_mode(path: &Path) -> Option<u32> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Reads a key file, or makes it with 32 random bytes when it isn't there.
pub(super) fn read_or_create(path: &Path) -> Result<Secret, SlotError> {
    match read(path) {
        Err(SlotError::KeyFileMissing { .. }) => {
            let mut bytes = Zeroizing::new([0; 32]);
            aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| SlotError::Randomness)?;
            files::create_new(path, bytes.as_slice()).map_err(|error| making(path, error))?;
            Ok(Secret::copy_from(bytes.as_slice()))
        }
        other => other,
    }
}

fn check(path: &Path, metadata: &std::fs::Metadata) -> Result<(), SlotError> {
    let path = path.to_owned();
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() {
        Err(SlotError::KeyFileKind { path })
    } else if mode & 0o002 != 0 {
        Err(SlotError::KeyFileMode { path, mode })
    } else if !(SHORTEST..=LONGEST).contains(&metadata.len()) {
        Err(SlotError::KeyFileSize { path, found: metadata.len() })
    } else {
        Ok(())
    }
}

fn reading(path: &Path, error: io::Error) -> SlotError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => SlotError::KeyFileMissing { path },
        _ => SlotError::Io { what: "read", path, error },
    }
}

fn making(path: &Path, error: io::Error) -> SlotError {
    SlotError::Io { what: "make", path: path.to_owned(), error }
}
