//! `key-client cryptstore export` and `import`, as they are typed.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use claviger_client::cli::StateArgs;
use claviger_client::cryptstore::certifier::WrittenAlgorithm;

use super::super::seal::SealSpec;
use crate::args::{VersionArg, version_or_latest};

/// In which form items travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreFormat {
    /// Claviger's own: sealed for one recipient's public key
    Sealed,
    /// The stock programs' (Certifier Framework): an encrypted store under an enclave's seal
    Certifier,
}

/// Reads the name of what a stock store is encrypted with.
fn algorithm() -> impl TypedValueParser<Value = WrittenAlgorithm> {
    PossibleValuesParser::new(WrittenAlgorithm::ALL.map(WrittenAlgorithm::as_str)).map(|name| {
        let named = WrittenAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
        named.unwrap_or(WrittenAlgorithm::Gcm)
    })
}

#[derive(Args)]
#[command(after_help = "\
The recipient makes a key and sends its public half; only who holds the private half opens the export:
  there$ key-client cryptstore generate exchange --kind p256 --not-exportable --state-dir ./keys
  there$ key-client cryptstore print exchange --public --state-dir ./keys > exchange.pem
  here$  key-client cryptstore export backup/key --to exchange.pem --out backup.sealed --state-dir ./keys
  there$ key-client cryptstore import --in backup.sealed --key-item exchange --state-dir ./keys

For stock programs (cf_utility, cf_key_server, cf_key_client), the latest version of each item:
  key-client cryptstore export --all --format certifier --out encrypted_cryptstore.dom0 \\
      --seal simulated-enclave:cf_data/cf_utility.measurement --state-dir ./keys
  key-client cryptstore export disk-key --format certifier --seal sev-enclave:device --with-identity \\
      --out encrypted_cryptstore.dom0 --policy-store policy_store.dom0 --state-dir /var/lib/claviger")]
pub(crate) struct ExportArgs {
    /// The tags of the items
    #[arg(value_name = "TAG", required_unless_present = "all")]
    pub(crate) tags: Vec<String>,
    /// Every item, but not the machine's own identity
    #[arg(long, conflicts_with = "tags")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) at: StateArgs,
    /// In which form
    #[arg(long, value_enum, default_value_t = StoreFormat::Sealed)]
    pub(crate) format: StoreFormat,
    #[command(flatten)]
    pub(crate) under: ExportUnder,
    /// Where to write the export
    #[arg(long, value_name = "FILE|-")]
    pub(crate) out: PathBuf,
    /// Which version of a single tag; without it, the latest of each
    #[arg(long, value_name = "N", value_parser = version_or_latest)]
    pub(crate) version: Option<VersionArg>,
    /// Of a stock store: what it is encrypted with; without it, aes-256-gcm
    #[arg(long, value_parser = algorithm(), conflicts_with = "to", value_name = "ALGORITHM")]
    pub(crate) algorithm: Option<WrittenAlgorithm>,
    /// Into a stock store: the machine's own identity too, which must be RSA. Under the seal of a simulated enclave its
    /// private key is there for everybody
    #[arg(long, conflicts_with = "to")]
    pub(crate) with_identity: bool,
    /// Beside a stock cryptstore: where to write a policy store with the same identity, in which stock programs look
    /// whether they are certified
    #[arg(long, value_name = "FILE", requires = "with_identity")]
    pub(crate) policy_store: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ExportUnder {
    /// The recipient's P-256 or P-384 public key: a file with it, PEM or key_message
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// With --format certifier, the enclave's seal: simulated-enclave:FILE (its measurement),
    /// simulated-enclave:measurement=HEX, sev-enclave:device, sev-enclave:derived-key=FILE (32 bytes) or
    /// sev-enclave:seal-key=FILE (64 bytes); bytes or hex
    #[arg(long, value_name = "KIND:WHERE")]
    pub(crate) seal: Option<SealSpec>,
}

#[derive(Args)]
#[command(after_help = "\
An export says who can open it, not who made it: take one only from where you trust.

Examples:
  key-client cryptstore import --in backup.sealed --key-item exchange --state-dir ./keys
  key-client cryptstore import --in backup.sealed --key recipient.pem --as restored/key --state-dir ./keys

What stock programs (cf_utility, cf_key_server, cf_key_client) kept, with the machine's identity:
  key-client cryptstore init --state-dir ./keys
  key-client cryptstore import --format certifier --in encrypted_cryptstore.dom0 \\
      --seal simulated-enclave:cf_data/cf_utility.measurement --policy-cert policy_cert.dom0 --state-dir ./keys")]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) at: StateArgs,
    /// The export, or the stock encrypted cryptstore or policy store, or - for standard input
    #[arg(long = "in", value_name = "FILE|-")]
    pub(crate) input: PathBuf,
    /// In which form it is
    #[arg(long, value_enum, default_value_t = StoreFormat::Sealed)]
    pub(crate) format: StoreFormat,
    #[command(flatten)]
    pub(crate) key: ImportKey,
    /// The tag to keep a single item under; without it, each under its own
    #[arg(long = "as", value_name = "TAG")]
    pub(crate) rename: Option<String>,
    /// From a stock store: only the items under this tag; may be repeated
    #[arg(long, value_name = "TAG", conflicts_with_all = ["key", "key_item"])]
    pub(crate) tag: Vec<String>,
    /// From a stock store: leave out, and list, what can't be kept
    #[arg(long, conflicts_with_all = ["key", "key_item"])]
    pub(crate) salvage: bool,
    /// From a stock store: take over the machine's identity in the domain of this policy certificate (PEM, DER or a
    /// key_message with one)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "key_item"])]
    pub(crate) policy_cert: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ImportKey {
    /// The recipient's private key: a file with it, PEM or key_message
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The recipient's private key: an item of this cryptstore, in whichever of its versions fits
    #[arg(long, value_name = "TAG")]
    pub(crate) key_item: Option<String>,
    /// With --format certifier, the enclave's seal: simulated-enclave:FILE (its measurement),
    /// simulated-enclave:measurement=HEX, sev-enclave:device, sev-enclave:derived-key=FILE (32 bytes) or
    /// sev-enclave:seal-key=FILE (64 bytes); bytes or hex
    #[arg(long, value_name = "KIND:WHERE")]
    pub(crate) seal: Option<SealSpec>,
}
