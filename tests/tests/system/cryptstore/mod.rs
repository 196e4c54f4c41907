//! `key-client cryptstore`: a machine's own secrets, without a broker.

mod durability;
mod items;
mod passphrases;
mod refusals;
mod stock;
mod transfer;

use std::fs;
use std::path::{Path, PathBuf};

use claviger_tests::programs::{Call, command};
use serde_json::Value;
use tempfile::TempDir;

/// A cryptstore in a directory of its own, with room for files beside it.
struct Keys {
    dir: TempDir,
}

impl Keys {
    fn new() -> Self {
        let keys = Self { dir: tempfile::tempdir().unwrap() };
        keys.call("init").run().ok();
        keys
    }

    /// `key-client cryptstore LINE`, on this cryptstore, beside it.
    fn call(&self, line: &str) -> Call {
        let call = command("key-client").arg("cryptstore").args(line).current_dir(self.dir.path());
        call.with("--state-dir", "state")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(file), bytes).unwrap();
        self
    }

    fn put(&self, tag: &str, blob: &[u8]) -> u64 {
        let put = self.call(&format!("put {tag} --in -")).stdin(blob).run().ok();
        put["version"].as_u64().unwrap()
    }

    fn get(&self, line: &str) -> Vec<u8> {
        let run = self.call(&format!("get {line} --out -")).run_text();
        assert_eq!(run.code(), Some(0), "{run}");
        run.stdout().to_vec()
    }

    /// What `list` shows: tags with their versions.
    fn list(&self) -> Vec<(String, u64)> {
        let listed = self.call("list").run().ok();
        let items = listed["items"].as_array().unwrap();
        items.iter().map(|item| (text(&item["tag"]), item["version"].as_u64().unwrap())).collect()
    }

    /// Everything that is on disk.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        contents(&self.path("state"))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect();
    files.sort();
    files
}
