//! The command line of the requests besides store and retrieve, as it is typed.

use clap::Args;
use claviger_attest::NewKey;
use claviger_client::cli::clock;
use claviger_proto::Version;
use claviger_proto::key_service::{Latest, PutOptions, Which};

use crate::args::{At, version};

/// What else is asked of a put.
#[derive(Args, Clone, Copy)]
pub(crate) struct PutArgs {
    /// Only if N is the latest version now, in whatever state; 0: only if there has never been one
    #[arg(long, value_name = "N", value_parser = latest)]
    pub(crate) if_latest: Option<Latest>,
    /// It can't be retrieved any more when so much time has passed: 45s, 30m, 12h, 90d
    #[arg(long, value_name = "TIME", value_parser = clock::duration)]
    pub(crate) expires_in: Option<i64>,
}

impl PutArgs {
    pub(crate) fn options(self) -> PutOptions {
        let expires = self.expires_in.map(|seconds| clock::now().saturating_add(seconds));
        PutOptions { if_latest: self.if_latest, expires }
    }
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client generate storage-disk-key --kind bytes-64 --broker 10.0.0.7:8120 --state-dir /var/lib/claviger
  key-client generate web/tls/key --kind p256 --broker 10.0.0.7:8120 --state-dir /var/lib/claviger")]
pub(crate) struct GenerateArgs {
    /// The resource's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
    /// What kind of key: bytes-N (N random bytes), aes-128, aes-256, aes-256-gcm, aes-256-cbc-hmac-sha256,
    /// aes-256-cbc-hmac-sha384, p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: NewKey,
    /// Keep it in the broker for good: no retrieve will return it
    #[arg(long)]
    pub(crate) not_exportable: bool,
    #[command(flatten)]
    pub(crate) options: PutArgs,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-client rotate storage-disk-key --broker 10.0.0.7:8120 --state-dir /var/lib/claviger

Older versions stay as they are. Plain bytes get as many random bytes; of other things than keys no new one can be
made.")]
pub(crate) struct RotateArgs {
    /// The resource's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) options: PutArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client list --broker 10.0.0.7:8120 --state-dir /var/lib/claviger
  key-client list --prefix web/ --output json --broker 10.0.0.7:8120 --state-dir /var/lib/claviger")]
pub(crate) struct ListArgs {
    /// Only names that begin so
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) prefix: String,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-client versions storage-disk-key --broker 10.0.0.7:8120 --state-dir /var/lib/claviger")]
pub(crate) struct VersionsArgs {
    /// The resource's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-client show storage-disk-key --broker 10.0.0.7:8120 --state-dir /var/lib/claviger")]
pub(crate) struct ShowArgs {
    /// The resource's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
    /// Which version; without it, the latest
    #[arg(long, value_name = "N", value_parser = version)]
    pub(crate) version: Option<Version>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client delete storage-disk-key --version 2 --broker 10.0.0.7:8120 --state-dir /var/lib/claviger
  key-client undelete storage-disk-key --version 2 --broker 10.0.0.7:8120 --state-dir /var/lib/claviger
  key-client destroy storage-disk-key --all --broker 10.0.0.7:8120 --state-dir /var/lib/claviger

A number that was used stays used, whatever becomes of its version.")]
pub(crate) struct ChangeArgs {
    /// The resource's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    which: WhichArgs,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct WhichArgs {
    /// Which version
    #[arg(long, value_name = "N", value_parser = version)]
    version: Option<Version>,
    /// All versions that there are
    #[arg(long)]
    all: bool,
}

impl ChangeArgs {
    /// The versions that are meant: one is named, or all are.
    pub(crate) fn which(&self) -> Which {
        self.which.version.map_or(Which::All, Which::One)
    }
}

fn latest(text: &str) -> Result<Latest, String> {
    if text == "0" { Ok(Latest::None) } else { version(text).map(Latest::Is) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_may_be_none() {
        assert!(matches!(latest("0"), Ok(Latest::None)));
        assert!(matches!(latest("7"), Ok(Latest::Is(version)) if version.get() == 7));
        assert!(latest("-1").is_err() && latest("2147483648").is_err());
    }
}
