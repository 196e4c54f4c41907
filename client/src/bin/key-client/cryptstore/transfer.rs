//! `export`, `import`.

use std::collections::BTreeSet;
use std::path::Path;

use claviger_client::Error;
use claviger_client::cli::certificates::MAX_FILE;
use claviger_client::cli::{Failure, OutputMode, Report, input};
use claviger_client::cryptstore::{
    Cryptstore, ExportError, ItemError, MAX_EXPORT, Recipient, SealedExport, Which,
};
use claviger_client::files::write_private;
use claviger_proto::key::{read_private, read_public};
use claviger_proto::{Entry, ErrorCode, ParseError, ResourceName, Version};
use serde::Serialize;

use super::args::{ExportArgs, ImportArgs, StoreFormat};
use super::seal::SealSpec;
use super::{certifier, load, update};
use crate::out;

#[derive(Serialize)]
struct Exported {
    tags: Vec<String>,
    /// SHA-256 of the recipient's public key, hex.
    recipient: String,
    /// The file's path, or `-`.
    into: String,
}

impl Report for Exported {
    fn text(&self) -> String {
        format!("sealed {} to {}\n  for the key {}", self.tags.join(", "), self.into, self.recipient)
    }
}

/// What was named, or everything.
pub(super) fn what(
    cryptstore: &Cryptstore,
    args: &ExportArgs,
) -> Result<Vec<(ResourceName, Which)>, Failure> {
    let version = args.version.and_then(|version| version.0);
    let tags = if args.all { all(cryptstore) } else { args.tags.clone() };
    if version.is_some() && (args.all || tags.len() > 1) {
        let message = "--version is for a single tag; each tag has versions of its own";
        return Err(Failure::new("usage", 2, message, "export them one by one, or leave --version out"));
    }
    let what: Result<Vec<_>, ItemError> =
        tags.iter().map(|tag| Ok((cryptstore.tag(tag)?, Which::of(version)))).collect();
    let mut what = what.map_err(Error::from)?;
    let mut seen = BTreeSet::new();
    what.retain(|(tag, _)| seen.insert(tag.clone()));
    Ok(what)
}

/// Every tag but those of the machine's own identity.
fn all(cryptstore: &Cryptstore) -> Vec<String> {
    let tags: BTreeSet<_> = cryptstore.entries().map(|entry| entry.tag.clone()).collect();
    tags.into_iter().filter(|tag| !cryptstore.is_own(tag)).collect()
}

/// Writes an export where it is to go, and tells of it.
pub(super) fn deliver<R: Report>(
    out: &Path,
    file: &[u8],
    mode: OutputMode,
    report: impl FnOnce(String) -> R,
) -> Result<(), Failure> {
    if out == Path::new("-") {
        out::to_stdout(file)?;
        return if mode == OutputMode::Json { mode.tell_aside(&report("-".to_owned())) } else { Ok(()) };
    }
    write_private(out, file)?;
    mode.tell(&report(out.display().to_string()))
}

/// The form and what it is sealed with have to go together.
fn check_form(form: StoreFormat, seal: Option<&SealSpec>, other: &str) -> Result<(), Failure> {
    let (message, next) = match (form, seal) {
        (StoreFormat::Sealed, None) | (StoreFormat::Certifier, Some(_)) => return Ok(()),
        (StoreFormat::Sealed, Some(_)) => ("--seal is for stock stores".to_owned(), "add --format certifier"),
        (StoreFormat::Certifier, None) => {
            (format!("a stock store is under an enclave's seal, not {other}"), "give --seal KIND:WHERE")
        }
    };
    Err(Failure::new("usage", 2, message, next))
}

pub(super) fn export(args: &ExportArgs, mode: OutputMode) -> Result<(), Failure> {
    check_form(args.format, args.under.seal.as_ref(), "--to")?;
    match (&args.under.seal, &args.under.to) {
        (Some(seal), _) => certifier::export(args, seal, mode),
        // The command line has one of the two.
        (None, to) => sealed_for(args, to.as_deref().unwrap_or(Path::new("-")), mode),
    }
}

fn sealed_for(args: &ExportArgs, to: &Path, mode: OutputMode) -> Result<(), Failure> {
    let recipient = read_recipient(to)?;
    let cryptstore = load(&args.at.open()?)?;
    let what = what(&cryptstore, args)?;
    let sealed = cryptstore.export(&what, &recipient).map_err(Error::from)?;
    deliver(&args.out, &sealed, mode, |into| Exported {
        tags: what.iter().map(|(tag, _)| tag.to_string()).collect(),
        recipient: hex::encode(recipient.fingerprint()),
        into,
    })
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
pub(super) struct ImportedItem {
    tag: String,
    version: u32,
}

impl ImportedItem {
    pub(super) fn line(&self) -> String {
        format!("imported {} version {}", self.tag, self.version)
    }
}

impl From<(ResourceName, Version)> for ImportedItem {
    fn from((tag, version): (ResourceName, Version)) -> Self {
        Self { tag: tag.into(), version: version.get() }
    }
}

impl Report for Imported {
    fn text(&self) -> String {
        self.items.iter().map(ImportedItem::line).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn import(args: &ImportArgs, mode: OutputMode) -> Result<(), Failure> {
    check_form(args.format, args.key.seal.as_ref(), "--key or --key-item")?;
    match &args.key.seal {
        Some(seal) => certifier::import(args, seal, mode),
        None => open_export(args, mode),
    }
}

fn open_export(args: &ImportArgs, mode: OutputMode) -> Result<(), Failure> {
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
    mode.tell(&Imported { items: taken.into_iter().map(ImportedItem::from).collect() })
}

fn refused(path: &Path, error: ExportError) -> Failure {
    let failure = Failure::from(Error::from(ItemError::from(error)));
    let message = format!("{}: {}", input::shown(path), failure.message());
    Failure::new(error.code(), failure.exit_status(), message, failure.next())
}

pub(super) fn rename(entries: &mut [Entry], tag: ResourceName) -> Result<(), Failure> {
    let [entry] = entries else {
        let message = format!("there are {} items; --as is for a single one", entries.len());
        return Err(Failure::coded(ErrorCode::Refused, message, "leave --as out"));
    };
    entry.tag = tag.into();
    Ok(())
}
