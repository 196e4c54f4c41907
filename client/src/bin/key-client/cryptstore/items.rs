//! `put`, `get`, `delete`, `generate`.

use std::path::Path;

use claviger_client::Error;
use claviger_client::cli::{Failure, OutputMode, Report, Spinner, clock, formats};
use claviger_client::cryptstore::{Info, Item, ItemError, KeyInfo, Which};
use claviger_client::files::write_private;
use claviger_proto::Version;
use serde::Serialize;

use super::args::{DeleteArgs, GenerateArgs, GetArgs, PutArgs};
use super::{load, update};
use crate::out;

#[derive(Serialize)]
struct Put {
    tag: String,
    version: u32,
    #[serde(rename = "type")]
    entry_type: String,
    exportable: bool,
    /// Of a new key pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyInfo>,
}

impl Report for Put {
    fn text(&self) -> String {
        let stays = if self.exportable { "" } else { ", not exportable" };
        let line = format!("put {} version {} ({}{stays})", self.tag, self.version, self.entry_type);
        match &self.key {
            Some(key) => format!("{line}\n  {} public key {}", key.kind, key.fingerprint),
            None => line,
        }
    }
}

pub(super) fn put(args: &PutArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.at.open()?;
    let tag = load(&state)?.tag(&args.tag).map_err(Error::from)?;
    let read = formats::read(&args.input, args.format, args.entry_type.clone(), tag.as_str())?;
    let exportable = read.exportable && !args.not_exportable;
    let entry_type = read.entry_type.to_string();
    let item = Item { entry_type: read.entry_type, blob: read.blob, exportable };
    let asked = args.version.and_then(|version| version.0);
    let version = update(&state, |cryptstore| cryptstore.put(&tag, item, asked, clock::now()))?;
    mode.tell(&Put { tag: tag.to_string(), version: version.get(), entry_type, exportable, key: None })
}

pub(super) fn generate(args: &GenerateArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.at.open()?;
    let tag = load(&state)?.tag(&args.tag).map_err(Error::from)?;
    // Before the lock is taken: an RSA key takes its time.
    let spinner = Spinner::start(mode, "making the key");
    let item = Item::generate(args.kind, &tag).map_err(Error::from)?;
    drop(spinner);
    let item = Item { exportable: !args.not_exportable, ..item };
    let info = update(&state, |cryptstore| {
        let version = cryptstore.put(&tag, item, None, clock::now())?;
        Ok::<_, ItemError>(Info::of(cryptstore.find(&tag, Which::Version(version))?))
    })?;
    let Info { tag, version, entry_type, exportable, key, .. } = info;
    mode.tell(&Put { tag, version, entry_type, exportable, key })
}

#[derive(Serialize)]
struct Got<'a> {
    tag: &'a str,
    version: u32,
    #[serde(rename = "type")]
    entry_type: &'a str,
    format: &'static str,
    /// The file's path, or `-`.
    into: &'a str,
}

impl Report for Got<'_> {
    fn text(&self) -> String {
        format!("wrote {} version {} as {} to {}", self.tag, self.version, self.format, self.into)
    }
}

pub(super) fn get(args: &GetArgs, mode: OutputMode) -> Result<(), Failure> {
    let cryptstore = load(&args.at.open()?)?;
    let tag = cryptstore.tag(&args.tag).map_err(Error::from)?;
    let which = Which::of(args.version.and_then(|version| version.0));
    let entry = cryptstore.release(&tag, which).map_err(Error::from)?;
    let file = formats::write(entry, args.format)?;
    let report = |into| Got {
        tag: tag.as_str(),
        version: entry.version.map_or(0, Version::get),
        entry_type: entry.entry_type.as_str(),
        format: args.format.as_str(),
        into,
    };
    if args.out == Path::new("-") {
        out::to_stdout(&file)?;
        // Text needs no report beside the secret; a program that asked for JSON reads it from stderr.
        return if mode == OutputMode::Json { mode.tell_aside(&report("-")) } else { Ok(()) };
    }
    write_private(&args.out, &file)?;
    mode.tell(&report(&args.out.to_string_lossy()))
}

#[derive(Serialize)]
struct Deleted {
    tag: String,
    versions: Vec<u32>,
}

impl Report for Deleted {
    fn text(&self) -> String {
        let versions: Vec<_> = self.versions.iter().map(u32::to_string).collect();
        let word = if versions.len() == 1 { "version" } else { "versions" };
        format!("deleted {} {word} {}", self.tag, versions.join(", "))
    }
}

pub(super) fn delete(args: &DeleteArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.at.open()?;
    let tag = load(&state)?.tag(&args.tag).map_err(Error::from)?;
    let deleted = update(&state, |cryptstore| cryptstore.delete(&tag, args.which.version))?;
    mode.tell(&Deleted { tag: tag.to_string(), versions: deleted.into_iter().map(Version::get).collect() })
}
