//! `export`, `import`.

use std::path::Path;

use claviger_client::Error;
use claviger_client::cli::certificates::MAX_FILE;
use claviger_client::cli::{Failure, OutputMode, Report, input};
use claviger_client::cryptstore::{ExportError, ItemError, MAX_EXPORT, Recipient, SealedExport, Which};
use claviger_client::files::write_private;
use claviger_client::state::Cryptstore;
use claviger_proto::format::Content;
use claviger_proto::key::{PrivateKey, read_private, read_public};
use claviger_proto::{Entry, ErrorCode, ParseError, ResourceName};
use serde::Serialize;

use super::args::{ExportArgs, ImportArgs};
use crate::out;

#[derive(Serialize)]
struct Exported<'a> {
    tags: Vec<String>,
    /// SHA-256 of the recipient's public key, hex.
    recipient: String,
    /// The file's path, or `-`.
    into: &'a str,
}

impl Report for Exported<'_> {
    fn text(&self) -> String {
        format!("sealed {} to {}\n  for the key {}", self.tags.join(", "), self.into, self.recipient)
    }
}

pub(super) fn export(args: &ExportArgs, mode: OutputMode) -> Result<(), Failure> {
    let recipient = read_recipient(&args.to)?;
    let cryptstore = args.at.load()?;
    let version = args.version.and_then(|version| version.0);
    if version.is_some() && args.tags.len() > 1 {
        let message = "--version is for a single tag; each tag has versions of its own";
        return Err(Failure::new("usage", 2, message, "export them one by one, or leave --version out"));
    }
    let what: Result<Vec<_>, ItemError> =
        args.tags.iter().map(|tag| Ok((cryptstore.tag(tag)?, Which::of(version)))).collect();
    let what = what.map_err(Error::from)?;
    let sealed = cryptstore.export(&what, &recipient).map_err(Error::from)?;
    let report = |into| Exported {
        tags: what.iter().map(|(tag, _)| tag.to_string()).collect(),
        recipient: hex::encode(recipient.fingerprint()),
        into,
    };
    if args.out == Path::new("-") {
        out::to_stdout(&sealed)?;
        return if mode == OutputMode::Json { mode.tell_aside(&report("-")) } else { Ok(()) };
    }
    write_private(&args.out, &sealed)?;
    mode.tell(&report(&args.out.to_string_lossy()))
}

fn read_recipient(path: &Path) -> Result<Recipient, Failure> {
    let key = read_public(input::read(path, MAX_FILE)?.expose()).map_err(|error| not_a_key(path, error))?;
    Ok(Recipient::new(&key).map_err(ItemError::from).map_err(Error::from)?)
}

fn not_a_key(path: &Path, error: ParseError) -> Failure {
    let message = format!("{}: {error}", input::shown(path));
    Failure::coded(ErrorCode::Malformed, message, "give the file with the key, as PEM or key_message")
}

#[derive(Serialize)]
struct Imported {
    items: Vec<ImportedItem>,
}

#[derive(Serialize)]
struct ImportedItem {
    tag: String,
    version: u32,
}

impl Report for Imported {
    fn text(&self) -> String {
        let lines = self.items.iter().map(|item| format!("imported {} version {}", item.tag, item.version));
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn import(args: &ImportArgs, mode: OutputMode) -> Result<(), Failure> {
    let file = input::read(&args.input, MAX_EXPORT)?;
    let export = SealedExport::parse(file.expose()).map_err(|error| refused(&args.input, error))?;
    let cryptstore = args.at.load()?;
    let key = match (&args.key.key, &args.key.key_item) {
        (Some(path), _) => {
            let file = input::read(path, MAX_FILE)?;
            read_private(file.expose()).map_err(|error| not_a_key(path, error))?.0
        }
        (None, item) => {
            // The command line has one of the two.
            let tag = cryptstore.tag(item.as_deref().unwrap_or_default()).map_err(Error::from)?;
            key_item(&cryptstore, &tag, &export).map_err(Error::from)?
        }
    };
    let mut entries = export.open(&key).map_err(|error| refused(&args.input, error))?;
    if let Some(tag) = &args.rename {
        rename(&mut entries, cryptstore.tag(tag).map_err(Error::from)?)?;
    }
    drop(cryptstore);
    let taken = args.at.update(|cryptstore| cryptstore.import(entries))?;
    let items =
        taken.into_iter().map(|(tag, version)| ImportedItem { tag: tag.into(), version: version.get() });
    mode.tell(&Imported { items: items.collect() })
}

fn refused(path: &Path, error: ExportError) -> Failure {
    let failure = Failure::from(Error::from(ItemError::from(error)));
    let message = format!("{}: {}", input::shown(path), failure.message());
    Failure::new(error.code(), failure.exit_status(), message, failure.next())
}

/// The version of an item whose key the export is for.
fn key_item(
    cryptstore: &Cryptstore,
    tag: &ResourceName,
    export: &SealedExport<'_>,
) -> Result<PrivateKey, ItemError> {
    cryptstore.find(tag, Which::Latest)?;
    let versions = cryptstore.entries().filter(|entry| entry.tag == tag.as_str());
    let keys = versions.filter_map(|entry| match Content::of_blob(&entry.entry_type, &entry.blob) {
        Ok(Content::Private(key)) => Some(key),
        _ => None,
    });
    let mut fitting = keys.filter(|key| key.public().is_ok_and(|public| export.is_for(&public)));
    fitting.next().ok_or(ExportError::OtherRecipient.into())
}

fn rename(entries: &mut [Entry], tag: ResourceName) -> Result<(), Failure> {
    let [entry] = entries else {
        let message = format!("the export has {} items; --as is for a single one", entries.len());
        return Err(Failure::coded(ErrorCode::Refused, message, "leave --as out"));
    };
    entry.tag = tag.into();
    Ok(())
}
