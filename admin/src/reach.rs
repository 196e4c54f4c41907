//! Which broker is meant, and how it is reached: the admin socket of this machine, or the admin API over the network.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use claviger_client::administration::Meant;
use claviger_client::cli::Failure;
use claviger_client::cli::certificates::{read_policy, read_policy_of};
use claviger_client::{Address, NotAnAddress};
use claviger_proto::DomainName;
use claviger_proto::key::{PrivateKey, read_certificate};

use crate::keys;

/// How a broker is reached, on the command line.
#[derive(Args)]
pub(crate) struct Reach {
    /// The broker's admin socket
    #[arg(long, value_name = "PATH", env = "CLAVIGER_ADMIN_SOCKET", global = true)]
    admin_socket: Option<PathBuf>,
    /// The broker's admin API over the network, in the place of the socket
    #[arg(long, value_name = "https://HOST:PORT", env = "CLAVIGER_ADMIN_BROKER", global = true, value_parser = url)]
    broker: Option<Address>,
    /// With --broker: your certificate as owner, auditor or operator
    #[arg(long, value_name = "FILE", env = "CLAVIGER_ADMIN_CERT", global = true)]
    admin_cert: Option<PathBuf>,
    /// With --broker: its key
    #[arg(long, value_name = "FILE", env = "CLAVIGER_ADMIN_KEY", global = true)]
    admin_key: Option<PathBuf>,
    /// With --broker, for owners and auditors: the domain's policy certificate, which the broker has to be under
    #[arg(long, value_name = "FILE", env = "CLAVIGER_ADMIN_POLICY_CERT", global = true)]
    admin_policy_cert: Option<PathBuf>,
    /// With --admin-policy-cert: the domain, if the certificate doesn't name it
    #[arg(long, value_name = "DOMAIN", env = "CLAVIGER_ADMIN_DOMAIN", global = true)]
    admin_domain: Option<DomainName>,
    /// With --broker, for operators: the broker's admin-cert.pem
    #[arg(long, value_name = "FILE", env = "CLAVIGER_ADMIN_BROKER_CERT", global = true)]
    broker_cert: Option<PathBuf>,
}

/// Over the network: where, whom, and as whom.
pub(crate) struct Network {
    pub(crate) address: Address,
    pub(crate) meant: Meant,
    /// DER.
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: PrivateKey,
}

/// How a broker is reached.
pub(crate) enum Way {
    Socket(PathBuf),
    Network(Box<Network>),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Network(network) => write!(f, "https://{}", network.address),
        }
    }
}

fn url(text: &str) -> Result<Address, NotAnAddress> {
    text.strip_prefix("https://").map(|rest| rest.trim_end_matches('/')).ok_or(NotAnAddress)?.parse()
}

impl Reach {
    /// Reads what is named. A broker over the network is meant where one is named, for the socket's variable may be set for
    /// all of a shell.
    pub(crate) fn way(&self) -> Result<Way, Failure> {
        match (&self.broker, &self.admin_socket) {
            (Some(address), _) => Ok(Way::Network(Box::new(self.network(address)?))),
            (None, Some(socket)) => Ok(Way::Socket(socket.clone())),
            (None, None) => Err(Failure::new(
                "unreachable",
                8,
                "no admin socket is named, so no broker can be asked",
                "name the one that the broker was given: --admin-socket PATH, or CLAVIGER_ADMIN_SOCKET; or a broker \
                 elsewhere: --broker https://HOST:PORT",
            )),
        }
    }

    fn network(&self, address: &Address) -> Result<Network, Failure> {
        let (Some(certificate), Some(key)) = (&self.admin_cert, &self.admin_key) else {
            return Err(usage(
                "--broker needs to know who you are",
                "give --admin-cert FILE and --admin-key FILE",
            ));
        };
        Ok(Network {
            address: address.clone(),
            meant: self.meant()?,
            certificate: certificate_of(certificate)?,
            key: keys::read_key(key)?.0,
        })
    }

    fn meant(&self) -> Result<Meant, Failure> {
        match (&self.admin_policy_cert, &self.broker_cert) {
            (Some(path), None) => {
                let policy = match &self.admin_domain {
                    Some(domain) => read_policy_of(path, domain)?,
                    None => read_policy(path)?,
                };
                let named = || policy.domain_named().and_then(|name| name.parse().ok());
                let domain = self.admin_domain.clone().or_else(named).ok_or_else(|| {
                    usage("the policy certificate names no domain", "give --admin-domain DOMAIN")
                })?;
                Ok(Meant::Domain(domain, policy))
            }
            (None, Some(path)) => Ok(Meant::Certificate(certificate_of(path)?)),
            _ => Err(usage(
                "--broker needs one thing to know the broker by",
                "give --admin-policy-cert FILE (owners, auditors) or --broker-cert FILE (operators), not both",
            )),
        }
    }
}

pub(crate) fn certificate_of(path: &Path) -> Result<Vec<u8>, Failure> {
    keys::read_as(path, read_certificate, "give one certificate, as PEM or DER")
}

fn usage(message: &str, next: &str) -> Failure {
    Failure::new("usage", 2, message, next)
}
