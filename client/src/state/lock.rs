//! One writer at a time.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::thread::sleep;
use std::time::{Duration, Instant};

use claviger_proto::DomainName;
use claviger_store::slot::NewSlot;
use rustix::fs::{FlockOperation, flock};

use super::{Cryptstore, EVIDENCE, Keys, StateDir, StateError};
use crate::evidence::Collector;
use crate::files::{self, FileError};
use crate::identity::Identity;

/// How long a writer waits for another: longer than any write takes, shorter than a person's patience.
const WAIT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The right to write to a state directory; it ends when this is dropped, or with the process.
pub struct StateLock {
    pub(super) state: StateDir,
    /// Whether this lock made the directory, and so takes an empty one away again.
    made: bool,
    _directory: File,
}

impl Drop for StateLock {
    fn drop(&mut self) {
        if self.made {
            // Fails, as it should, once anything is in it.
            let _ = fs::remove_dir(&self.state.path);
        }
    }
}

impl StateLock {
    pub(super) fn take(state: StateDir, make: bool) -> Result<Self, StateError> {
        let failed = |source| FileError::system("locking", &state.path, source);
        let until = Instant::now() + WAIT;
        loop {
            let new = make && make_directory(&state)?;
            let directory = File::open(&state.path).map_err(failed)?;
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                // Whoever had the lock may have taken the directory away with it.
                Ok(()) if is_still(&directory, &state) => {
                    return Ok(Self { state, made: new, _directory: directory });
                }
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => sleep(LOOK_AGAIN),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(StateError::InUse { dir: state.path.clone() });
                }
                Err(error) => return Err(failed(error.into()).into()),
            }
        }
    }

    /// Refuses where a machine has enrolled already, unless it is to be replaced, and that only within the
    /// same domain.
    pub fn allows(&self, domain: &DomainName, replace: bool) -> Result<(), StateError> {
        if !self.state.exists()? {
            return Ok(());
        }
        let dir = self.state.path.clone();
        let Some(found) = self.state.load()?.domain().cloned() else { return Ok(()) };
        match (replace, found == *domain) {
            (false, _) => Err(StateError::AlreadyEnrolled { dir, domain: found }),
            (true, false) => Err(StateError::OtherDomain { dir, found, asked: domain.clone() }),
            (true, true) => Ok(()),
        }
    }

    /// Makes an empty cryptstore, without an identity, whose root key lies in this slot; without one named, in that of
    /// a new key file beside it.
    pub fn create(&self, slot: Option<&NewSlot>) -> Result<(), StateError> {
        self.make(slot, &Cryptstore::empty())
    }

    /// The same with an identity in it. `now` is in seconds since 1970.
    pub fn create_with_identity(
        &self,
        slot: Option<&NewSlot>,
        identity: &Identity,
        now: i64,
    ) -> Result<(), StateError> {
        self.make(slot, &Cryptstore::new(identity, now))
    }

    /// Keeps an identity: in a new cryptstore with keys of its own, or in the one that is there, whose other
    /// entries stay. `now` is in seconds since 1970.
    pub fn put_identity(&self, identity: &Identity, now: i64) -> Result<(), StateError> {
        if self.state.exists()? {
            self.allows(identity.domain(), true)?;
            return self.update(|cryptstore| {
                cryptstore.set_identity(identity, now);
                Ok::<_, StateError>(())
            });
        }
        self.make(None, &Cryptstore::new(identity, now))
    }

    /// Puts a renewed identity in the place of the one that it was made from, if that is there still: whoever
    /// changed it meanwhile has their way. `now` is in seconds since 1970.
    pub fn renew_identity(&self, old: &Identity, new: &Identity, now: i64) -> Result<(), StateError> {
        self.update(|cryptstore| {
            let found = cryptstore.identity();
            if found.is_none_or(|found| found.certificate() != old.certificate()) {
                return Err(StateError::OtherIdentity { dir: self.state.path.clone() });
            }
            cryptstore.set_identity(new, now);
            Ok(())
        })
    }

    /// Remembers where this machine's evidence comes from, for challenges on its channels. A path is kept as it is from
    /// any directory.
    pub fn remember_evidence(&self, collector: &Collector) -> Result<(), StateError> {
        let text = collector.to_string();
        let text = match text.split_once(':').map(|(kind, place)| (kind, fs::canonicalize(place))) {
            Some((kind, Ok(path))) => format!("{kind}:{}", path.display()),
            _ => text,
        };
        Ok(files::write_private(&self.state.path.join(EVIDENCE), format!("{text}\n").as_bytes())?)
    }

    fn make(&self, slot: Option<&NewSlot>, content: &Cryptstore) -> Result<(), StateError> {
        if self.state.exists()? {
            return Err(StateError::Exists { dir: self.state.path.clone() });
        }
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&self.state.path, private)
            .map_err(|source| FileError::system("closing", &self.state.path, source))?;
        let made = self.state.make_keys(slot).and_then(|keys: Keys| self.state.write(&keys, content));
        if made.is_err() && self.made {
            // All that is in the directory is half of this attempt.
            self.state.clear();
        }
        made
    }

    /// Changes the cryptstore: all of what `change` did is kept, durably, or nothing.
    pub fn update<T, E: Into<StateError>>(
        &self,
        change: impl FnOnce(&mut Cryptstore) -> Result<T, E>,
    ) -> Result<T, StateError> {
        let (keys, mut content) = self.state.open()?;
        let result = change(&mut content).map_err(Into::into)?;
        self.state.write(&keys, &content)?;
        Ok(result)
    }
}

fn make_directory(state: &StateDir) -> Result<bool, StateError> {
    let there = fs::symlink_metadata(&state.path).is_ok();
    files::make_private_directory(&state.path)?;
    Ok(!there)
}

fn is_still(directory: &File, state: &StateDir) -> bool {
    let same = |a: io::Result<fs::Metadata>, b: io::Result<fs::Metadata>| {
        a.ok().zip(b.ok()).is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()))
    };
    same(directory.metadata(), fs::metadata(&state.path))
}
