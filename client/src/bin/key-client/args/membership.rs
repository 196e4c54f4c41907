//! Becoming a member of a domain, and staying one.

use std::path::PathBuf;

use clap::Args;
use claviger_attest::KeyAlgorithm;
use claviger_client::cli::{Failure, StateArgs, clock};
use claviger_client::{Address, Collector, LaunchTicket};
use claviger_proto::DomainName;
use claviger_store::SlotSpec;

use super::{BrokersArgs, PeerArgs};

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-client enroll --domain fleet --policy-cert policy-cert.pem --admission 10.0.0.7:8123 \\
      --evidence simulated-enclave:/etc/claviger/simulated --state-dir /var/lib/claviger
  key-client enroll --peer certifier --domain fleet --policy-cert policy_cert_file.fleet \\
      --admission 10.0.0.9:8123 --evidence simulated-enclave:cf_data --state-dir /var/lib/claviger

A report that is made elsewhere is asked for by this command, too, since it counts only on this command's own channel: with
--evidence sev-snp:DIR it writes DIR/report-data.bin (64 bytes), waits until DIR/report.bin is the report that says
them, and enrolls with it. From a second shell, for example:
  snpguest report DIR/report.bin DIR/report-data.bin
With --evidence tpm:DIR it writes DIR/qualifying-data.bin, waits for DIR/quote.bin and DIR/signature.bin (tpm2_quote), and takes the
quote key's certificate from DIR/quote-cert.pem; with tpm:tools=DIR it runs tpm2_quote itself.")]
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
    /// Where the evidence comes from: sev-snp:device, sev-snp:tsm[=PATH], sev-snp:DIR, tpm:DIR,
    /// tpm:tools=DIR, and to try things out simulated-enclave:DIR, sev-snp:simulated=DIR
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
    /// The kind of the machine's new key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096; without it, p256, and
    /// for a Certifier service rsa-2048
    #[arg(long, value_name = "ALGORITHM")]
    pub(crate) key: Option<KeyAlgorithm>,
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
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
    /// Where the evidence comes from: sev-snp:device, sev-snp:tsm[=PATH], sev-snp:DIR, tpm:DIR,
    /// tpm:tools=DIR, and to try things out simulated-enclave:DIR, sev-snp:simulated=DIR
    #[arg(long, value_name = "KIND:WHERE")]
    pub(crate) evidence: Collector,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// The kind of the new key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096; without it, that of the old one
    #[arg(long, value_name = "ALGORITHM", conflicts_with = "keep_key")]
    pub(crate) key: Option<KeyAlgorithm>,
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
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
