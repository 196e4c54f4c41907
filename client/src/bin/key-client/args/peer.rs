//! Who is on the other end: a Claviger broker, or a stock Certifier server.

use std::str::FromStr;

use clap::{Args, Subcommand};
use claviger_client::certifier::{CertifierError, Fingerprint, Peer};
use claviger_client::cli::{Failure, StateArgs};
use claviger_client::state::StateDir;
use claviger_client::{Address, Error, Identity};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerKind {
    Claviger,
    Certifier,
}

impl FromStr for PeerKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "claviger" => Ok(Self::Claviger),
            "certifier" => Ok(Self::Certifier),
            _ => Err("it is claviger or certifier"),
        }
    }
}

#[derive(Args)]
pub(crate) struct PeerArgs {
    /// Who is on the other end: claviger, or certifier (a stock Certifier server); without it, what this machine
    /// remembers, or claviger
    #[arg(long, value_name = "PEER")]
    pub(crate) peer: Option<PeerKind>,
    /// SHA-256 of the certificate by which a Certifier key server is accepted, hex; may be repeated. Without it, what is
    /// pinned
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) server_fingerprint: Vec<Fingerprint>,
}

impl PeerArgs {
    /// Who it is, by what is said here and, where that leaves it open, by what was remembered.
    pub(crate) fn resolve(&self, remembered: Peer) -> Result<Peer, Failure> {
        let said = || self.server_fingerprint.iter().copied().collect();
        match (self.peer, remembered) {
            (Some(PeerKind::Certifier), Peer::Claviger) => Ok(Peer::Certifier(said())),
            (None | Some(PeerKind::Certifier), Peer::Certifier(pinned)) => {
                Ok(Peer::Certifier(if self.server_fingerprint.is_empty() { pinned } else { said() }))
            }
            _ if !self.server_fingerprint.is_empty() => {
                let next = "give --peer certifier as well, or leave out --server-fingerprint";
                Err(Failure::new(
                    "usage",
                    2,
                    "a fingerprint is how a Certifier server is known, no broker",
                    next,
                ))
            }
            _ => Ok(Peer::Claviger),
        }
    }

    /// The same with what is remembered in a state directory.
    pub(crate) fn of(&self, state: &StateDir, identity: &Identity) -> Result<Peer, Failure> {
        self.resolve(state.peer(identity.policy()).map_err(Error::from)?)
    }
}

/// The failure of asking a Certifier server for what it doesn't have.
pub(crate) fn lacks(what: &'static str) -> Failure {
    Error::from(CertifierError::Lacks { what }).into()
}

/// The failure of a call to a Certifier server, which no broker's operator can mend.
#[expect(clippy::needless_pass_by_value, reason = "an error ends here")]
pub(crate) fn from_certifier(error: Error) -> Failure {
    let failure = Failure::from(&error);
    match error {
        Error::Unreachable { .. } | Error::Timeout { .. } | Error::Closed { .. } => failure.with_next(
            "check the address, and that the Certifier server runs and isn't held up: it serves one client at a time",
        ),
        _ => failure,
    }
}

#[derive(Subcommand)]
pub(crate) enum PeerCommand {
    /// Have this machine's requests go to a Certifier key server, and accept it by these fingerprints alone
    Pin(PinArgs),
    /// Say who this machine's requests go to
    Show(PeerStateArgs),
    /// Have this machine's requests go to a Claviger broker again
    Forget(PeerStateArgs),
    /// Show which certificate a Certifier key server shows, without sending it anything
    Look(LookArgs),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-client peer pin 3f1f0c2b9d0a5e8c7b6a5948372615043f1f0c2b9d0a5e8c7b6a594837261504 --state-dir /var/lib/claviger

The fingerprint comes from the server's own machine; see peer look. Given fingerprints replace those that were pinned.
Before a server's certificate changes, pin the old one and the next.")]
pub(crate) struct PinArgs {
    /// SHA-256 of the server's certificate: 64 hex digits, with or without colons
    #[arg(value_name = "FINGERPRINT", required = true)]
    pub(crate) fingerprints: Vec<Fingerprint>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-client peer show --state-dir /var/lib/claviger")]
pub(crate) struct PeerStateArgs {
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-client peer look --broker 10.0.0.9:8120 --state-dir /var/lib/claviger

It shows what came over the network, which whoever is in between can choose. Compare it with the fingerprint that the
server's own machine tells before you pin it.")]
pub(crate) struct LookArgs {
    /// The server's address
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) broker: Address,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}
