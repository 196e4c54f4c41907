//! Opening a sled database.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use crate::engine::feed::Feed;
use crate::engine::sled::commit::{Committer, LAST_REVISION};
use crate::engine::sled::pending::Pending;
use crate::engine::sled::value::revision_of;
use crate::engine::sled::{SledEngine, SyncData, Trees, from_sled};
use crate::engine::{EngineError, Revision};
use crate::files;

/// The only format of the database as a whole: which trees, and what is in them.
const FORMAT: u8 = 1;
const FORMAT_KEY: &[u8] = b"format";

/// Sled's page cache, in bytes: holds some 100 000 entries of a disk key's size, and is small beside what a
/// machine that runs a broker has.
const CACHE: u64 = 256 << 20;

/// Sled's names of the trees, in the order of [`Trees::all`].
const NAMES: [&str; 6] = ["broker", "domain", "entry", "audit", "chunk", "meta"];

impl SledEngine {
    /// Opens the database in the directory `path`, or makes it.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        Self::open_with(path, Box::new(File::sync_data))
    }

    pub(super) fn open_with(path: &Path, sync_data: SyncData) -> Result<Self, EngineError> {
        files::create_dir(path).map_err(|error| EngineError::Io { what: "make its directory", error })?;
        let config = ::sled::Config::new().path(path).flush_every_ms(None).cache_capacity(CACHE);
        let db = open_when_free(&config, path)?;
        let trees = Trees::open(db)?;
        let file = make_files_durable(path).map_err(|error| EngineError::Io { what: "open", error })?;
        let last = trees.last_revision()?;
        let engine = Self {
            trees,
            file,
            sync_data,
            committer: Mutex::new(Committer { last, stopped: false }),
            pending: RwLock::new(Pending::new(last)),
            feed: Feed::new(last),
        };
        engine.check_format()?;
        Ok(engine)
    }

    /// Notes the format in a new database, refuses one that isn't known.
    fn check_format(&self) -> Result<(), EngineError> {
        let meta = &self.trees.all[Trees::META];
        match meta.get(FORMAT_KEY).map_err(|e| from_sled("read", e))? {
            Some(found) if *found == [FORMAT] => Ok(()),
            Some(found) => Err(EngineError::UnknownFormat { found: found.first().copied().unwrap_or(0) }),
            None if self.trees.all.iter().all(::sled::Tree::is_empty) => {
                meta.insert(FORMAT_KEY, &[FORMAT]).map_err(|e| from_sled("write", e))?;
                self.make_durable()
            }
            None => Err(EngineError::UnknownFormat { found: 0 }),
        }
    }
}

impl Trees {
    fn open(db: ::sled::Db) -> Result<Self, EngineError> {
        let open = |name| db.open_tree(name).map_err(|e| from_sled("open", e));
        let [broker, domain, entry, audit, chunk, meta] = NAMES;
        let all = [open(broker)?, open(domain)?, open(entry)?, open(audit)?, open(chunk)?, open(meta)?];
        Ok(Self { db, all })
    }

    fn last_revision(&self) -> Result<Revision, EngineError> {
        let last = self.all[Self::META].get(LAST_REVISION).map_err(|e| from_sled("read", e))?;
        last.map_or(Ok(Revision::default()), |bytes| revision_of(&bytes))
    }
}

/// The files that sled made and didn't sync: its configuration, the database, the directories' entries.
fn make_files_durable(path: &Path) -> io::Result<File> {
    files::make_private(path)?;
    File::open(path.join("conf"))?.sync_all()?;
    let file = File::open(path.join("db"))?;
    file.sync_all()?;
    files::sync_dir(path)?;
    Ok(file)
}

/// Sled's own threads let go of the lock a moment after the last handle on the database is dropped, so whoever
/// opens it again in the same process has to wait for them.
fn open_when_free(config: &::sled::Config, path: &Path) -> Result<::sled::Db, EngineError> {
    const LONGEST: Duration = Duration::from_secs(1);
    const LOOK_AGAIN: Duration = Duration::from_millis(10);
    let until = Instant::now() + LONGEST;
    loop {
        match open_or_broken(config, path) {
            Err(EngineError::InUse { .. }) if Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
            outcome => return outcome,
        }
    }
}

/// Sled panics on some databases that were cut short or altered; that is an error like the others it finds.
fn open_or_broken(config: &::sled::Config, path: &Path) -> Result<::sled::Db, EngineError> {
    let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
    let broken = |_| EngineError::Broken("it can't be recovered from its files".to_owned());
    opened.map_err(broken)?.map_err(|error| opening(path, error))
}

/// Sled tells a taken lock only by its text.
fn opening(path: &Path, error: ::sled::Error) -> EngineError {
    match error {
        ::sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            EngineError::InUse { path: path.to_owned() }
        }
        other => from_sled("open", other),
    }
}
