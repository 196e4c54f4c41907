//! What a command line names as input.

use std::path::Path;

use claviger_proto::{ErrorCode, Secret};

use super::failure::Failure;
use crate::files::{FileError, read_all, read_bounded};

/// Reads a file, or standard input for `-`, of at most `limit` bytes.
pub fn read(path: &Path, limit: usize) -> Result<Secret, Failure> {
    if path != Path::new("-") {
        return Ok(read_bounded(path, limit)?);
    }
    let bytes = read_all(std::io::stdin().lock(), limit)
        .map_err(|source| FileError::system("reading", Path::new("standard input"), source))?;
    Ok(bytes.ok_or_else(|| FileError::TooLarge { path: "standard input".into(), limit })?)
}

/// A path as messages name it.
pub fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        match error {
            FileError::TooLarge { .. } => Self::coded(ErrorCode::TooLarge, error.to_string(), error.next()),
            FileError::System { .. } | FileError::NotAFile { .. } => {
                Self::new("file", 1, error.to_string(), error.next())
            }
        }
    }
}
