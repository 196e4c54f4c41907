//! `export`, `import`.

use std::path::Path;

use claviger_client::Error;
use claviger_client::cli::certificates::MAX_FILE;
use claviger_client::cli::{Failure, OutputMode, Report, input};
use claviger_client::cryptstore::{ExportError, ItemError, MAX_EXPORT, Recipient, SealedExport, Which};
use claviger_client::files::write_private;
use claviger_proto::key::{read_private, read_public};
use claviger_proto::{Entry, ErrorCode, ParseError, ResourceName};
use serde::Serialize;

use super::args::{ExportArgs, ImportArgs};
use super::{load, update};
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
    let cryptstore = load(&args.at.open()?)?;
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
    let state = args.at.open()?;
    let cryptstore = load(&state)?;
    let key = match (&args.key.key, &args.key.key_item) {
        (Some(path), _) => {
            let file = input::read(path, MAX_FILE)?;
            read_private(file.expose()).map_err(|error| not_a_key(path, error))?.0
        }
        (None, item) => {
            // The command line has one of the two.
            let tag = cryptstore.tag(item.as_deref().unwrap_or_default()).map_err(Error::from)?;
            cryptstore.opening_key(&tag, &export).map_err(Error::from)?
        }
    };
    let mut entries = export.open(&key).map_err(|error| refused(&args.input, error))?;
    if let Some(tag) = &args.rename {
        rename(&mut entries, cryptstore.tag(tag).map_err(Error::from)?)?;
    }
    drop(cryptstore);
    let taken = update(&state, |cryptstore| cryptstore.import(entries))?;
    let items =
        taken.into_iter().map(|(tag, version)| ImportedItem { tag: tag.into(), version: version.get() });
    mode.tell(&Imported { items: items.collect() })
}

fn refused(path: &Path, error: ExportError) -> Failure {
    let failure = Failure::from(Error::from(ItemError::from(error)));
    let message = format!("{}: {}", input::shown(path), failure.message());
    Failure::new(error.code(), failure.exit_status(), message, failure.next())
}

fn rename(entries: &mut [Entry], tag: ResourceName) -> Result<(), Failure> {
    let [entry] = entries else {
        let message = format!("the export has {} items; --as is for a single one", entries.len());
        return Err(Failure::coded(ErrorCode::Refused, message, "leave --as out"));
    };
    entry.tag = tag.into();
    Ok(())
}
