//! Store and retrieve.

use std::path::PathBuf;

use clap::Args;
use claviger_client::cli::formats;
use claviger_proto::EntryType;
use claviger_proto::format::Format;

use super::{At, VersionArg, version_or_latest};
use crate::requests::args::PutArgs;

#[derive(Args)]
#[command(after_help = "\
Examples:
  head -c 64 /dev/urandom | key-client store storage-disk-key --in - \\
      --broker 10.0.0.7:8120 --state-dir /var/lib/claviger
  key-client store web/tls/key --in key.pem --format pem \\
      --broker 10.0.0.7:8120 --state-dir /var/lib/claviger")]
pub(crate) struct StoreArgs {
    /// The resource's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
    /// The file to store, or - for standard input; at most 1 MiB
    #[arg(long = "in", value_name = "FILE|-")]
    pub(crate) input: PathBuf,
    /// What the file is; a key or certificate is checked, and kept as --type has it
    #[arg(long, value_parser = formats::parser(), default_value = Format::Raw.as_str(), value_name = "FORMAT")]
    pub(crate) format: Format,
    /// What the entry is to be: binary-blob, X509-der-cert, key-message-serialized-protobuf, or a word of your
    /// own; without it, what fits the format
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) entry_type: Option<EntryType>,
    /// The version to store it as; without it, the next
    #[arg(long, value_name = "N", value_parser = version_or_latest)]
    pub(crate) version: Option<VersionArg>,
    /// Keep it in the broker for good: no retrieve will return it
    #[arg(long)]
    pub(crate) not_exportable: bool,
    #[command(flatten)]
    pub(crate) options: PutArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client retrieve storage-disk-key --broker 10.0.0.7:8120 --state-dir /var/lib/claviger --out - \\
      | cryptsetup open /dev/vda2 data --key-file -
  key-client retrieve web/tls/key --format pkcs8-pem --out /run/web.key \\
      --broker 10.0.0.7:8120 --state-dir /var/lib/claviger
  key-client retrieve recovery-key --credentials ops.pem --credentials-key ops-key.pem --out - \\
      --broker 10.0.0.7:8120 --state-dir /var/lib/claviger

Where the domain's rules ask for fresh evidence or for a principal, the broker answers with a challenge. It is met with
--evidence (by default what the enrolment named) or --credentials, and the request is made again.")]
pub(crate) struct RetrieveArgs {
    /// The resource's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
    /// Write it to this file (mode 0600), or - for standard output, and not into the cryptstore
    #[arg(long, value_name = "FILE|-", conflicts_with = "into_cryptstore")]
    pub(crate) out: Option<PathBuf>,
    /// The tag to keep it under in the cryptstore; without it, its name
    #[arg(long, value_name = "TAG")]
    pub(crate) into_cryptstore: Option<String>,
    /// Which version; without it, the latest
    #[arg(long, value_name = "N", value_parser = version_or_latest)]
    pub(crate) version: Option<VersionArg>,
    /// The format of what --out gets
    #[arg(
        long, value_parser = formats::parser(), default_value = Format::Raw.as_str(), value_name = "FORMAT",
        requires = "out"
    )]
    pub(crate) format: Format,
}
