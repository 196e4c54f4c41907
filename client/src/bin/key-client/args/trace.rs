//! Looking at the way to a broker.

use std::path::PathBuf;

use clap::Args;
use claviger_client::Address;
use claviger_proto::DomainName;

use super::{BrokersArgs, ProofArgs};

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
