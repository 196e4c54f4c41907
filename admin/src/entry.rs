//! `key-admin entry`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use claviger_client::Error;
use claviger_client::cli::{Failure, Report, StateArgs, formats};
use claviger_client::cryptstore::{ItemError, Which};
use claviger_client::state::StateDir;
use claviger_proto::admin::{ImportEntry, Imported, SecretHex};
use claviger_proto::format::Format;
use claviger_proto::{DomainName, EntryType, ErrorCode, ResourceName, Secret, Version};
use serde::Serialize;

use crate::context::Context;
use crate::domain::path;

#[derive(Subcommand)]
pub(crate) enum Entry {
    /// Put a secret into a domain from this machine, without the network
    Import(Import),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin entry import storage-disk-key --domain fleet --in disk.key
  pwgen 40 1 | key-admin entry import web/token --domain fleet --in - --not-exportable
  key-admin entry import web/tls/key --domain fleet --from-cryptstore ./keys --tag tls-2026

An item of a cryptstore keeps its type. One that isn't exportable doesn't leave its cryptstore, not even for here.

It is for who runs the broker: its access rules are those of machines, and don't bind it. It writes only; no call
reads a secret back.")]
pub(crate) struct Import {
    /// The resource's name
    #[arg(value_name = "NAME")]
    name: String,
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    #[command(flatten)]
    source: Source,
    /// What the file is: binary-blob (the default), X509-der-cert, key-message-serialized-protobuf, or a word of your
    /// own
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "from_cryptstore")]
    entry_type: Option<EntryType>,
    /// The item's tag in the cryptstore; without it, NAME
    #[arg(long, value_name = "TAG", conflicts_with = "input")]
    tag: Option<String>,
    /// Which version of the item; without it, the latest
    #[arg(
        long, value_name = "N", conflicts_with = "input",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX))
    )]
    item_version: Option<u32>,
    /// A file with the passphrase of the cryptstore's key slot, or - for standard input; without it, systemd's
    /// credential, or whoever is at the terminal
    #[arg(long, value_name = "FILE|-", conflicts_with = "input")]
    passphrase_file: Option<PathBuf>,
    /// The version to store it as; without it, the next
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    version: Option<u32>,
    /// Never let it leave the broker again
    #[arg(long)]
    not_exportable: bool,
}

/// Where the secret comes from.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// The file to store, or - for standard input; at most 1 MiB
    #[arg(long = "in", value_name = "FILE|-")]
    input: Option<PathBuf>,
    /// The state directory of a cryptstore that has it
    #[arg(long, value_name = "DIR")]
    from_cryptstore: Option<PathBuf>,
}

impl Import {
    /// The secret, and what it is.
    fn read(&self) -> Result<(EntryType, Secret), Failure> {
        match &self.source {
            Source { from_cryptstore: Some(dir), .. } => self.item(dir),
            Source { input, .. } => {
                let input = input.as_deref().unwrap_or_else(|| Path::new("-"));
                // As `key-client store` reads it: what is said to be a certificate or a key is looked at.
                let read = formats::read(input, Format::Raw, self.entry_type.clone(), &self.name)?;
                Ok((read.entry_type, read.blob))
            }
        }
    }

    fn item(&self, dir: &Path) -> Result<(EntryType, Secret), Failure> {
        let at = StateArgs { state_dir: dir.to_owned(), passphrase_file: self.passphrase_file.clone() };
        if !StateDir::new(dir).exists().map_err(Error::from)? {
            let message = format!("there is no cryptstore in {}", dir.display());
            let next = "name the state directory of one: --from-cryptstore DIR";
            return Err(Failure::coded(ErrorCode::NotFound, message, next));
        }
        let cryptstore = at.open()?.load().map_err(Error::from)?;
        let tag = cryptstore.tag(self.tag.as_ref().unwrap_or(&self.name)).map_err(Error::from)?;
        let which = Which::of(self.item_version.and_then(Version::new));
        let item = cryptstore.release(&tag, which).map_err(|error| match error {
            ItemError::NotExportable { .. } => Failure::from(Error::from(error)).with_next(
                "store what may leave; nothing was sent. A secret that is to stay in the broker \
                 is imported from an exportable item with --not-exportable",
            ),
            _ => Error::from(error).into(),
        })?;
        Ok((item.entry_type.clone(), Secret::copy_from(item.blob.expose())))
    }
}

pub(crate) async fn run(context: &Context, command: &Entry) -> Result<(), Failure> {
    let Entry::Import(args) = command;
    // Before anything is read: a command that can't reach a broker should ask for no secret.
    let api = context.api()?;
    ResourceName::parse_in(&args.domain, &args.name).map_err(|error| {
        Failure::coded(error.into(), error.to_string(), "correct the name; nothing was sent")
    })?;
    let (entry_type, blob) = args.read()?;
    let request = ImportEntry {
        name: args.name.clone(),
        entry_type: entry_type.to_string(),
        version: args.version,
        exportable: !args.not_exportable,
        blob: SecretHex(blob),
    };
    let imported = api.post(&format!("{}/entries", path(&args.domain)), &request).await?;
    context.tell(&Told { imported })
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    imported: Imported,
}

impl Report for Told {
    fn text(&self) -> String {
        let Imported { domain, name, version } = &self.imported;
        format!("imported {name} version {version} into domain {domain}")
    }
}
