//! Files for the owner alone: read within a bound, written whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use claviger_proto::Secret;
use zeroize::Zeroizing;

/// Mode of a file for its owner alone.
const PRIVATE: u32 = 0o600;

/// A file operation that failed, with its path.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system's word.
    #[error("{action} {} failed: {source}", path.display())]
    System {
        /// `reading`, `writing`, …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More than it may be.
    #[error("{} is larger than the limit of {limit} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// A symlink, a directory or a device, where a file is to be written.
    #[error("{} is there and isn't a regular file", path.display())]
    NotAFile {
        /// What is in the way.
        path: PathBuf,
    },
}

impl FileError {
    /// An error of the system.
    pub fn system(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::System { action, path: path.to_owned(), source }
    }

    /// Which kind of error it is, if the system's.
    pub fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::System { source, .. } => Some(source.kind()),
            Self::TooLarge { .. } | Self::NotAFile { .. } => None,
        }
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "check that it is the right file",
            Self::NotAFile { .. } => "choose another path",
            Self::System { source, .. } => next_after(source.kind()),
        }
    }
}

/// What to do after the system refused a file operation.
pub(crate) fn next_after(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "check the owner and mode of the file and its directory",
        io::ErrorKind::AlreadyExists => "choose another path, or remove what is there if it isn't needed",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "make room on the disk and try again"
        }
        _ => "check the path and the disk, and try again",
    }
}

/// Reads a whole file of at most `limit` bytes. It may be secret: no part of it is left behind in memory.
pub fn read_bounded(path: &Path, limit: usize) -> Result<Secret, FileError> {
    let failed = |source| FileError::system("reading", path, source);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_file() && usize::try_from(metadata.len()).is_ok_and(|length| length < limit) {
        // Room for what it has, and no more: all room is zeroized afterwards, used or not.
        let length = usize::try_from(metadata.len()).unwrap_or(limit);
        if let Some(bytes) = read_all(&file, length).map_err(failed)? {
            return Ok(bytes);
        }
        // It has grown since, or doesn't say its length.
        return read_open(File::open(path).map_err(failed)?, path, limit);
    }
    read_open(file, path, limit)
}

fn read_open(file: File, path: &Path, limit: usize) -> Result<Secret, FileError> {
    let bytes = read_all(file, limit).map_err(|source| FileError::system("reading", path, source))?;
    bytes.ok_or_else(|| FileError::TooLarge { path: path.to_owned(), limit })
}

/// Reads a source to its end, or `None` when it has more than `limit` bytes.
pub fn read_all(source: impl Read, limit: usize) -> io::Result<Option<Secret>> {
    // One byte more than the limit tells "too large" from "just fits"; the buffer never grows.
    let most = limit.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    source.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then(|| Secret::copy_from(&bytes)))
}

/// Writes a new file, mode 0600, and syncs it. Refuses to replace anything, a dangling symlink included.
pub fn write_new_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    create_new(path, bytes, PRIVATE).map_err(|source| FileError::system("writing", path, source))?;
    sync_directory_of(path)
}

/// The same for what anybody may read, mode 0644.
pub fn write_new_public(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    create_new(path, bytes, 0o644).map_err(|source| FileError::system("writing", path, source))?;
    sync_directory_of(path)
}

fn create_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all())
}

/// Writes a file, mode 0600, whole or not at all: a new file beside it is synced and renamed over it. What
/// exists there must be a regular file: a symlink is never followed, a device never replaced.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let failed = |source| FileError::system("writing", path, source);
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_file() => {
            return Err(FileError::NotAFile { path: path.to_owned() });
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(_) | Err(_) => {}
    }
    let temporary = temporary_beside(path).map_err(failed)?;
    let written = create_new(&temporary, bytes, PRIVATE).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // It may never have been made; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)?;
    sync_directory_of(path)
}

/// A name in the same directory that nobody else uses.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name: &OsStr = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no randomness"))?;
    let mut temporary = OsStr::new(".").to_owned();
    temporary.push(name);
    temporary.push(format!(".{}.tmp", hex::encode(random)));
    Ok(path.with_file_name(temporary))
}

/// Whether this is what [`write_private`] calls the file that it writes beside one of this name.
pub(crate) fn is_temporary_of(file: &OsStr, name: &str) -> bool {
    let tail = file.to_str().and_then(|file| file.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.'));
    let random = tail.and_then(|tail| tail.strip_suffix(".tmp"));
    random.is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Makes a rename or a creation in the path's directory survive a crash.
fn sync_directory_of(path: &Path) -> Result<(), FileError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| FileError::system("syncing", parent, source))
}

/// Makes a directory, mode 0700, and those above it; one that exists is left as it is.
pub fn make_private_directory(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| FileError::system("making", path, source))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn t23_a_written_file_is_the_owner_s_alone_even_over_an_open_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn t23_a_symlink_is_neither_followed_nor_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, "theirs").unwrap();
        symlink(&target, &link).unwrap();
        assert!(matches!(write_private(&link, b"secret"), Err(FileError::NotAFile { .. })));
        let refused = write_new_private(&link, b"secret").unwrap_err();
        assert_eq!(refused.kind(), Some(io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn a_new_file_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_new_private(&path, b"first").unwrap();
        assert_eq!(mode(&path), 0o600);
        let refused = write_new_private(&path, b"second").unwrap_err();
        assert_eq!(refused.kind(), Some(io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }

    #[test]
    fn reading_stops_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        fs::write(&path, [7; 10]).unwrap();
        assert_eq!(read_bounded(&path, 10).ok().map(|secret| secret.len()), Some(10));
        assert!(matches!(read_bounded(&path, 9), Err(FileError::TooLarge { limit: 9, .. })));
        assert_eq!(read_bounded(&path, 1 << 20).ok().map(|secret| secret.len()), Some(10));
        // Of files that don't say how long they are.
        assert!(read_bounded(Path::new("/proc/self/status"), 1 << 20).is_ok_and(|secret| !secret.is_empty()));
        assert!(read_bounded(Path::new("/proc/self/status"), 9).is_err());
    }
}
