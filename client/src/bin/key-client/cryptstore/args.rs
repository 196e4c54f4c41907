//! `key-client cryptstore …`, as it is typed.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

mod transfer;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_client::cli::{StateArgs, formats};
use claviger_client::cryptstore::NewKey;
use claviger_proto::format::Format;
use claviger_proto::{EntryType, Version};
use claviger_store::SlotSpec;

use crate::args::{VersionArg, version, version_or_latest};

pub(crate) use transfer::{ExportArgs, ImportArgs, StoreFormat};

#[derive(Subcommand)]
pub(crate) enum CryptstoreCommand {
    /// Make an empty cryptstore for a machine that hasn't enrolled
    Init(InitArgs),
    /// Put a new version of an item
    Put(PutArgs),
    /// Write an item that may leave to a file or standard output
    Get(GetArgs),
    /// Show what is there
    List(ListArgs),
    /// Delete one version of an item, or all of them, for good
    Delete(DeleteArgs),
    /// Make a new key and put it
    Generate(GenerateArgs),
    /// Seal items for one recipient, or write them as a stock encrypted cryptstore
    Export(ExportArgs),
    /// Open a sealed export or a stock encrypted store, and keep its items
    Import(ImportArgs),
    /// Show what is known of an item without its secret, or its public key
    Print(PrintArgs),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client cryptstore init --state-dir ./keys
  key-client cryptstore init --state-dir ./keys --key-slot file:/run/credentials/slot.key
  key-client cryptstore init --state-dir ./keys --key-slot passphrase")]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) at: StateArgs,
    /// What seals it: file:PATH, made if it isn't there, passphrase, or derived:KIND:WHERE (a key that the platform derives:
    /// sev-snp:device, simulated-enclave:DIR); without it, a key file beside the cryptstore
    #[arg(long, value_name = "KIND:WHERE")]
    pub(crate) key_slot: Option<SlotSpec>,
    /// Take a derived key as the only slot: on another image or another chip the cryptstore is lost
    #[arg(long, requires = "key_slot")]
    pub(crate) no_recovery: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client cryptstore put web/tls/key --in key.pem --format pem --state-dir /var/lib/claviger
  head -c 32 /dev/urandom | key-client cryptstore put pad --in - --not-exportable \\
      --state-dir /var/lib/claviger")]
pub(crate) struct PutArgs {
    /// The tag to put it under
    #[arg(value_name = "TAG")]
    pub(crate) tag: String,
    #[command(flatten)]
    pub(crate) at: StateArgs,
    /// The file to put, or - for standard input; at most 1 MiB
    #[arg(long = "in", value_name = "FILE|-")]
    pub(crate) input: PathBuf,
    /// What the file is; a key or certificate is checked, and kept as --type has it
    #[arg(long, value_parser = formats::parser(), default_value = Format::Raw.as_str(), value_name = "FORMAT")]
    pub(crate) format: Format,
    /// What the item is to be: binary-blob, X509-der-cert, key-message-serialized-protobuf, or a word of your own;
    /// without it, what fits the format
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) entry_type: Option<EntryType>,
    /// The version to put it as; without it, the next
    #[arg(long, value_name = "N", value_parser = version_or_latest)]
    pub(crate) version: Option<VersionArg>,
    /// It leaves only sealed for a recipient
    #[arg(long)]
    pub(crate) not_exportable: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client cryptstore get web/tls/key --format pkcs8-pem --out /run/web.key \\
      --state-dir /var/lib/claviger
  key-client cryptstore get disk --out - --state-dir /var/lib/claviger \\
      | cryptsetup open /dev/vda2 data --key-file -")]
pub(crate) struct GetArgs {
    /// The tag
    #[arg(value_name = "TAG")]
    pub(crate) tag: String,
    #[command(flatten)]
    pub(crate) at: StateArgs,
    /// Where to write it: a file (mode 0600), or - for standard output
    #[arg(long, value_name = "FILE|-")]
    pub(crate) out: PathBuf,
    /// The format to write it in
    #[arg(long, value_parser = formats::parser(), default_value = Format::Raw.as_str(), value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Which version; without it, the latest
    #[arg(long, value_name = "N", value_parser = version_or_latest)]
    pub(crate) version: Option<VersionArg>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client cryptstore list --state-dir /var/lib/claviger
  key-client cryptstore list --prefix web/ --output json --state-dir /var/lib/claviger")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) at: StateArgs,
    /// Only tags that begin so
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) prefix: String,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client cryptstore delete web/tls/key --version 1 --state-dir /var/lib/claviger
  key-client cryptstore delete web/tls/key --all --state-dir /var/lib/claviger")]
pub(crate) struct DeleteArgs {
    /// The tag
    #[arg(value_name = "TAG")]
    pub(crate) tag: String,
    #[command(flatten)]
    pub(crate) at: StateArgs,
    #[command(flatten)]
    pub(crate) which: DeleteWhich,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DeleteWhich {
    /// This version
    #[arg(long, value_name = "N", value_parser = version)]
    pub(crate) version: Option<Version>,
    /// Every version
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client cryptstore generate backup/key --kind aes-256-gcm --state-dir /var/lib/claviger
  key-client cryptstore generate exchange --kind p256 --not-exportable --state-dir /var/lib/claviger")]
pub(crate) struct GenerateArgs {
    /// The tag to put it under
    #[arg(value_name = "TAG")]
    pub(crate) tag: String,
    #[command(flatten)]
    pub(crate) at: StateArgs,
    /// What kind of key: bytes-N (N random bytes), aes-128, aes-256, aes-256-gcm, aes-256-cbc-hmac-sha256,
    /// aes-256-cbc-hmac-sha384, p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: NewKey,
    /// It leaves only sealed for a recipient
    #[arg(long)]
    pub(crate) not_exportable: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client cryptstore print web/tls/key --state-dir /var/lib/claviger
  key-client cryptstore print web/tls/key --public --state-dir /var/lib/claviger > web.pub.pem")]
pub(crate) struct PrintArgs {
    /// The tag
    #[arg(value_name = "TAG")]
    pub(crate) tag: String,
    #[command(flatten)]
    pub(crate) at: StateArgs,
    /// Which version; without it, the latest
    #[arg(long, value_name = "N", value_parser = version_or_latest)]
    pub(crate) version: Option<VersionArg>,
    /// Write its public key (PEM)
    #[arg(long)]
    pub(crate) public: bool,
}
