//! New files, several at once: all of them or none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use claviger_client::cli::Failure;
use claviger_client::files::{make_private_directory, write_new_private, write_new_public};

/// A file to be made in a directory.
pub(crate) struct NewFile<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What is in it.
    pub(crate) bytes: &'a [u8],
    /// Whether it is for its owner alone.
    pub(crate) private: bool,
}

/// Makes the directory (0700) if it isn't there, and the files in it. Where one of them exists, or can't be
/// written, none is made.
pub(crate) fn write_all_new(dir: &Path, files: &[NewFile<'_>]) -> Result<(), Failure> {
    make_private_directory(dir)?;
    let paths: Vec<_> = files.iter().map(|file| dir.join(file.name)).collect();
    if let Some(there) = paths.iter().find(|path| fs::symlink_metadata(path).is_ok()) {
        return Err(exists(there));
    }
    for (index, (file, path)) in files.iter().zip(&paths).enumerate() {
        let write = if file.private { write_new_private } else { write_new_public };
        if let Err(error) = write(path, file.bytes) {
            undo(&paths[..index]);
            return Err(error.into());
        }
    }
    Ok(())
}

/// Makes one file that anybody may read; what is there isn't replaced.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    match write_new_public(path, bytes) {
        Err(error) if error.kind() == Some(io::ErrorKind::AlreadyExists) => {
            Err(exists(path).with_next("choose another file; what is there isn't replaced"))
        }
        written => Ok(written?),
    }
}

fn exists(path: &Path) -> Failure {
    let message = format!("{} exists already; nothing was written", path.display());
    Failure::new("exists", 3, message, "choose another directory; what is there isn't replaced")
}

/// Takes away what this call has just made; the error that made it necessary is the one to tell.
fn undo(paths: &[PathBuf]) {
    for path in paths {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_goes_again_when_the_next_can_t_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            NewFile { name: "first", bytes: b"1", private: true },
            NewFile { name: "no/such/directory", bytes: b"2", private: true },
        ];
        assert_eq!(write_all_new(dir.path(), &files).unwrap_err().exit_status(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
