//! The command line, as it is typed.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

mod connecting;
mod entries;
mod membership;
mod peer;
mod trace;

use clap::{Parser, Subcommand};
use claviger_client::cli::{Manual, Output};
use claviger_proto::Version;

pub(crate) use connecting::{At, BrokersArgs, ProofArgs, resource_name};
pub(crate) use entries::{RetrieveArgs, StoreArgs};
pub(crate) use membership::{EnrollArgs, RenewArgs, StatusArgs};
pub(crate) use peer::{LookArgs, PeerArgs, PeerCommand, PeerStateArgs, PinArgs, from_certifier, lacks};
pub(crate) use trace::TraceArgs;

use crate::cryptstore::CryptstoreCommand;
use crate::requests::args::{ChangeArgs, GenerateArgs, ListArgs, RotateArgs, ShowArgs, VersionsArgs};

/// A machine's side of Claviger: prove what it runs, then store and retrieve the secrets it may have.
#[derive(Parser)]
#[command(name = "key-client", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0 done, 2 usage, 3 refused, 4 not found or not allowed, 5 conflict,
  6 attestation refused, 7 sealed, 8 unreachable, 1 other

A first time, step by step:
  key-client enroll --domain fleet --policy-cert policy-cert.pem --admission broker:8123 \\
      --evidence simulated-enclave:/etc/claviger/simulated --state-dir /var/lib/claviger
  key-client retrieve storage-disk-key --broker broker:8120 --state-dir /var/lib/claviger --out -";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Prove what this machine runs and become a member of a domain
    Enroll(EnrollArgs),
    /// Get the next admission certificate before the one that is there ends
    Renew(RenewArgs),
    /// Say who this machine is and until when, without the network
    Status(StatusArgs),
    /// Who this machine's requests go to, where that is a stock Certifier key server: pin, show, forget, look
    #[command(subcommand)]
    Peer(PeerCommand),
    /// Connect, and say step by step what was negotiated, verified and decided
    Trace(TraceArgs),
    /// Put a new version of a resource
    Store(StoreArgs),
    /// Get a version of a resource into the local cryptstore, a file, or standard output
    Retrieve(RetrieveArgs),
    /// Have the broker make a new key, and put it as a new version of a resource
    Generate(GenerateArgs),
    /// Have the broker make a new key of the latest version's kind, and put it as a new version
    Rotate(RotateArgs),
    /// Show which resources there are
    List(ListArgs),
    /// Show which versions a resource has
    Versions(VersionsArgs),
    /// Show what is known of one version, without its secret
    Show(ShowArgs),
    /// Make versions unavailable; this can be undone
    Delete(ChangeArgs),
    /// Undo a deletion
    Undelete(ChangeArgs),
    /// Destroy the secrets of versions; this can't be undone
    Destroy(ChangeArgs),
    /// This machine's own sealed cryptstore: put, get, list, delete, generate, export, import, print
    #[command(subcommand)]
    Cryptstore(CryptstoreCommand),
    #[command(flatten)]
    Manual(Manual),
}

/// A version as typed, where leaving it out means the latest or the next. So does 0, as on the wire and in the stock
/// programs.
#[derive(Clone, Copy)]
pub(crate) struct VersionArg(pub(crate) Option<Version>);

pub(crate) fn version_or_latest(text: &str) -> Result<VersionArg, String> {
    if text == "0" { Ok(VersionArg(None)) } else { version(text).map(|version| VersionArg(Some(version))) }
}

/// A version as typed, where one has to be named.
pub(crate) fn version(text: &str) -> Result<Version, String> {
    let number = text.parse().ok().and_then(Version::new);
    number.ok_or_else(|| format!("a version is a number from 1 to {}", Version::MAX))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn versions_are_positive() {
        assert!(version("7").is_ok_and(|v| v.get() == 7));
        for text in ["0", "-1", "2147483648", "x"] {
            assert!(version(text).is_err(), "{text}");
            assert!(version_or_latest(text).is_ok_and(|v| v.0.is_none()) == (text == "0"), "{text}");
        }
    }
}
