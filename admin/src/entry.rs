//! `key-admin entry`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_client::cli::{Failure, Report, input};
use claviger_proto::admin::{ImportEntry, Imported, SecretHex};
use claviger_proto::limits::MAX_DATA;
use claviger_proto::{DomainName, EntryType, ErrorCode, ResourceName};
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

It is for who runs the broker: its access rules are those of machines, and don't bind it. It writes only; no call
reads a secret back.")]
pub(crate) struct Import {
    /// The resource's name
    #[arg(value_name = "NAME")]
    name: String,
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// The file to store, or - for standard input; at most 1 MiB
    #[arg(long = "in", value_name = "FILE|-")]
    input: PathBuf,
    /// What it is: binary-blob, X509-der-cert, key-message-serialized-protobuf, or a word of your own
    #[arg(long = "type", value_name = "TYPE", default_value = EntryType::BINARY_BLOB)]
    entry_type: EntryType,
    /// The version to store it as; without it, the next
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    version: Option<u32>,
    /// Never let it leave the broker again
    #[arg(long)]
    not_exportable: bool,
}

pub(crate) async fn run(context: &Context, command: &Entry) -> Result<(), Failure> {
    let Entry::Import(args) = command;
    // Before anything is read: a command that can't reach a broker should ask for no secret.
    let api = context.api()?;
    ResourceName::parse_in(&args.domain, &args.name).map_err(|error| {
        Failure::coded(error.into(), error.to_string(), "correct the name; nothing was sent")
    })?;
    let blob = input::read(&args.input, MAX_DATA)?;
    if blob.is_empty() {
        let message = "there is nothing to import: the input is empty";
        return Err(Failure::coded(ErrorCode::Malformed, message, "check --in"));
    }
    let request = ImportEntry {
        name: args.name.clone(),
        entry_type: args.entry_type.to_string(),
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
