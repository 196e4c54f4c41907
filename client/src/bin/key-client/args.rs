//! The command line, as it is typed.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use claviger_attest::{BrokerMeasurements, KeyAlgorithm, Measurement};
use claviger_client::cli::certificates::MAX_FILE;
use claviger_client::cli::{Failure, Manual, Output, StateArgs, clock, formats};
use claviger_client::files::read_bounded;
use claviger_client::state::StateDir;
use claviger_client::{Address, Channel, Collector, Identity, LaunchTicket, Options, PrincipalKey, Prover};
use claviger_proto::format::Format;
use claviger_proto::key::{read_certificates, read_private};
use claviger_proto::{DomainName, EntryType, ErrorCode, Version};
use claviger_store::SlotSpec;

use crate::cryptstore::CryptstoreCommand;
use crate::requests::args::{
    ChangeArgs, GenerateArgs, ListArgs, PutArgs, RotateArgs, ShowArgs, VersionsArgs,
};

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

#[derive(Args)]
#[command(after_help = "\
Example:
  key-client enroll --domain fleet --policy-cert policy-cert.pem --admission 10.0.0.7:8123 \\
      --evidence simulated-enclave:/etc/claviger/simulated --state-dir /var/lib/claviger

A report that is made elsewhere is asked for by this command, too, since it counts only on this command's own channel: with
--evidence sev-snp:DIR it writes DIR/report-data.bin (64 bytes), waits until DIR/report.bin is the report that says
them, and enrolls with it. From a second shell, for example:
  snpguest report DIR/report.bin DIR/report-data.bin")]
pub(crate) struct EnrollArgs {
    /// The domain to become a member of
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: DomainName,
    /// The domain's policy certificate (PEM, DER or key_message): the only thing this machine takes on trust
    #[arg(long, value_name = "FILE")]
    pub(crate) policy_cert: PathBuf,
    /// The broker's admission address
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admission: Address,
    /// Where the evidence comes from: sev-snp:device, sev-snp:tsm[=PATH], sev-snp:DIR, and to
    /// try things out simulated-enclave:DIR, sev-snp:simulated=DIR
    #[arg(long, value_name = "KIND:WHERE")]
    pub(crate) evidence: Collector,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// What seals a new cryptstore: file:PATH, made if it isn't there, passphrase, or derived:KIND:WHERE (a key that the
    /// platform derives: sev-snp:device, sev-snp:simulated=DIR, simulated-enclave:DIR); without it, a key file beside the cryptstore
    #[arg(long, value_name = "KIND:WHERE")]
    pub(crate) key_slot: Option<SlotSpec>,
    /// Take a derived key as the only slot: on another image or another chip the cryptstore is lost
    #[arg(long, requires = "key_slot")]
    pub(crate) no_recovery: bool,
    /// The kind of the machine's new key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "ALGORITHM", default_value = "p256")]
    pub(crate) key: KeyAlgorithm,
    #[command(flatten)]
    pub(crate) brokers: BrokersArgs,
    #[command(flatten)]
    pub(crate) ticket: TicketArgs,
    /// Enroll anew over an enrolment that is there; retrieved entries are kept
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client renew --admission 10.0.0.7:8123 --evidence simulated-enclave:/etc/claviger/simulated \\
      --state-dir /var/lib/claviger
  key-client renew --if-due --admission 10.0.0.7:8123 --evidence simulated-enclave:/etc/claviger/simulated \\
      --state-dir /var/lib/claviger

A timer calls it with --if-due, as often as it likes. The old certificate stays valid until its end; when renewing
fails, it stays this machine's, and nothing is changed.")]
pub(crate) struct RenewArgs {
    /// The broker's admission address
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admission: Address,
    /// Where the evidence comes from: sev-snp:device, sev-snp:tsm[=PATH], sev-snp:DIR, and to
    /// try things out simulated-enclave:DIR, sev-snp:simulated=DIR
    #[arg(long, value_name = "KIND:WHERE")]
    pub(crate) evidence: Collector,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// The kind of the new key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096; without it, that of the old one
    #[arg(long, value_name = "ALGORITHM", conflicts_with = "keep_key")]
    pub(crate) key: Option<KeyAlgorithm>,
    #[command(flatten)]
    pub(crate) brokers: BrokersArgs,
    #[command(flatten)]
    pub(crate) ticket: TicketArgs,
    /// Keep the key that is there
    #[arg(long)]
    pub(crate) keep_key: bool,
    /// Do nothing unless it is due: less than a third of the certificate's life is left
    #[arg(long)]
    pub(crate) if_due: bool,
    /// Due is when less than this is left: a number and s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = clock::duration, requires = "if_due")]
    pub(crate) before: Option<i64>,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-client status --state-dir /var/lib/claviger

Ends with 0 where the machine's certificate is good now (`valid`, or `due` for renewal) or it isn't enrolled, and with
3 where the certificate isn't good: code expired, not-yet-valid, policy-expired, policy-not-yet-valid, or
certificate-refused. The report is on standard output in either case.")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client trace storage-disk-key --broker 10.0.0.7:8120 --state-dir /var/lib/claviger
  key-client trace storage-disk-key --evidence sev-snp:tsm --broker 10.0.0.7:8120 --state-dir /var/lib/claviger
  key-client trace --admission 10.0.0.7:8123 --domain fleet --policy-cert policy-cert.pem

The steps: identity (this machine's own certificate), resolve, connect, hello (which domain and protocol), server-certificate,
tls, own-certificate, service (the right port), proof (with --evidence or --credentials: the broker's challenge is answered
on this channel), request (with NAME). The exit code is that of the first that failed.
No secret is asked for, and nothing is changed; the broker's audit has the request.")]
pub(crate) struct TraceArgs {
    /// The resource to ask about, without its secret
    #[arg(value_name = "NAME", conflicts_with = "admission")]
    pub(crate) name: Option<String>,
    /// The broker's address
    #[arg(
        long,
        value_name = "HOST:PORT",
        required_unless_present = "admission",
        conflicts_with = "admission",
        requires = "state_dir"
    )]
    pub(crate) broker: Option<Address>,
    /// The broker's admission address, up to its challenge
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admission: Option<Address>,
    /// The directory of this machine's sealed cryptstore
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// A file with the passphrase of its key slot, or - for standard input
    #[arg(long, value_name = "FILE|-", requires = "state_dir")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The domain to ask admission for, where this machine hasn't enrolled
    #[arg(long, value_name = "DOMAIN", requires_all = ["admission", "policy_cert"], conflicts_with = "state_dir")]
    pub(crate) domain: Option<DomainName>,
    /// Its policy certificate
    #[arg(long, value_name = "FILE", requires_all = ["admission", "domain"])]
    pub(crate) policy_cert: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) brokers: BrokersArgs,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
}

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

/// The launch ticket, which is in a file and never on a command line.
#[derive(Args)]
pub(crate) struct TicketArgs {
    /// A file (mode 0600) with the launch ticket that the domain's owner made for this machine, good once
    #[arg(long, value_name = "FILE")]
    pub(crate) ticket_file: Option<PathBuf>,
}

impl TicketArgs {
    /// Reads it, if one is named.
    pub(crate) fn read(&self) -> Result<Option<LaunchTicket>, Failure> {
        self.ticket_file
            .as_deref()
            .map(LaunchTicket::read)
            .transpose()
            .map_err(|error| Failure::new(error.code(), error.exit_status(), error.to_string(), error.next()))
    }
}

/// Which brokers will do.
#[derive(Args)]
pub(crate) struct BrokersArgs {
    /// What the domain's broker has to run, hex; may be repeated. Remembered by enroll and renew; without it, what is
    /// remembered, or any
    #[arg(long, value_name = "MEASUREMENT")]
    pub(crate) broker_measurement: Vec<Measurement>,
}

impl BrokersArgs {
    /// How to connect.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::default();
        if !self.broker_measurement.is_empty() {
            options.measurements =
                BrokerMeasurements::Listed(self.broker_measurement.iter().copied().collect());
        }
        options
    }
}

/// Where the broker and this machine's state are, and what it can prove on the way.
#[derive(Args)]
pub(crate) struct At {
    /// The broker's address
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) broker: Address,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) brokers: BrokersArgs,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
}

/// What a machine can prove on a channel that is open.
#[derive(Args)]
pub(crate) struct ProofArgs {
    /// Where fresh evidence comes from, should the domain's rules ask for it, as for enroll; without it, as at the
    /// enrolment or the last renewal
    #[arg(long, value_name = "KIND:WHERE")]
    pub(crate) evidence: Option<Collector>,
    /// A principal's certificate, should the rules ask for one, and those between it and the one that the domain
    /// knows: PEM, its own first
    #[arg(long, value_name = "FILE", requires = "credentials_key")]
    pub(crate) credentials: Option<PathBuf>,
    /// The private key of that certificate: PEM or key_message
    #[arg(long, value_name = "FILE", requires = "credentials")]
    pub(crate) credentials_key: Option<PathBuf>,
}

impl At {
    /// A channel of this identity, which answers challenges.
    pub(crate) async fn connect(&self, state: &StateDir, identity: &Identity) -> Result<Channel, Failure> {
        let collector = self.proof.evidence.clone().or_else(|| state.evidence());
        let prover = Prover::new(identity, collector, self.proof.principal()?)?;
        Ok(Channel::connect(&self.broker, identity, &self.brokers.options()).await?.proving(prover))
    }
}

impl ProofArgs {
    /// The principal's credentials, if they are named.
    pub(crate) fn principal(&self) -> Result<Option<PrincipalKey>, Failure> {
        let (Some(chain), Some(key)) = (&self.credentials, &self.credentials_key) else { return Ok(None) };
        let refuse = |path: &Path, why: String| {
            let message = format!("{} can't be used: {why}", path.display());
            let next =
                "give the principal's certificates as PEM, its own first, and the private key of that one";
            Failure::coded(ErrorCode::Refused, message, next)
        };
        let certificates = read_certificates(read_bounded(chain, MAX_FILE)?.expose());
        let certificates = certificates.map_err(|error| refuse(chain, error.to_string()))?;
        let private = read_private(read_bounded(key, MAX_FILE)?.expose());
        let (private, _) = private.map_err(|error| refuse(key, error.to_string()))?;
        let principal = PrincipalKey::new(certificates, &private);
        principal.map(Some).map_err(|error| refuse(chain, error.to_string()))
    }
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
