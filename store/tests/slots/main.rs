//! Key slots, as an agent or a broker uses them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod derived;
mod files;
mod several;
mod shares;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_proto::Secret;
use claviger_store::seal::Aad;
use claviger_store::slot::{
    Factor, Gathering, NewSlot, Opened, Passphrase, Progress, Share, SlotContext, SlotError, SlotId, Slots,
};
use claviger_store::{RootKey, StoreId};

const STORE: [u8; 16] = [7; 16];

fn context() -> SlotContext<'static> {
    SlotContext { purpose: "agent", store: StoreId::from_bytes(STORE) }
}

struct Made {
    dir: tempfile::TempDir,
    root: RootKey,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = RootKey::generate().unwrap();
        let new = NewSlot::File { path: dir.path().join("key") };
        Slots::create(&dir.path().join("slots.json"), &context(), &root, &new).unwrap();
        Self { dir, root }
    }

    fn slots(&self) -> PathBuf {
        self.dir.path().join("slots.json")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    fn open(&self) -> Result<RootKey, SlotError> {
        Slots::read(&self.slots())?.open(&context())
    }

    /// Changes the text of `slots.json`.
    fn edit(&self, change: impl Fn(&mut serde_json::Value)) {
        let mut table = serde_json::from_slice(&fs::read(self.slots()).unwrap()).unwrap();
        change(&mut table);
        fs::write(self.slots(), serde_json::to_vec(&table).unwrap()).unwrap();
    }
}

fn error(outcome: Result<RootKey, SlotError>) -> SlotError {
    outcome.err().unwrap()
}

fn same(a: &RootKey, b: &RootKey) -> bool {
    let sealed = a.seal_key("t").seal(&Aad::default(), b"x").unwrap();
    b.seal_key("t").open(&Aad::default(), &sealed).is_ok()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(&Secret::copy_from(text.as_bytes())).unwrap()
}

impl Made {
    fn read(&self) -> Slots {
        Slots::read(&self.slots()).unwrap()
    }

    /// Adds a slot; its id and its shares.
    fn add(&self, new: &NewSlot) -> (SlotId, Vec<Secret>) {
        let mut slots = self.read();
        let prepared = slots.prepare(&context(), &self.root, new).unwrap();
        let shares = prepared.shares().iter().map(Share::to_text).collect();
        let id = prepared.id();
        slots.add(prepared).unwrap();
        (id, shares)
    }

    fn with(&self, factor: &Factor) -> Result<Opened, SlotError> {
        self.read().open_with(&context(), factor)
    }

    fn gather(&self, shares: &[&Secret]) -> Result<(Gathering, Progress), SlotError> {
        let mut gathering = Gathering::default();
        let mut progress = None;
        for share in shares {
            progress = Some(self.read().gather(&context(), &mut gathering, share)?);
        }
        Ok((gathering, progress.unwrap()))
    }

    fn first_slot(&self) -> SlotId {
        self.read().list()[0].id
    }
}

fn err<T>(outcome: Result<T, SlotError>) -> SlotError {
    outcome.err().unwrap()
}
