//! `key-admin identity`

pub(crate) mod csr;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_attest::{
    ADMISSION_DAYS, BrokerMeasurements, IssueError, KeyAlgorithm, Measurement, Role, SigningKey,
    verify_agent, verify_broker,
};
use claviger_client::cli::{Failure, Report, certificates, clock};
use claviger_proto::DomainName;
use claviger_proto::key::PublicKey;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::files::{NewFile, write_all_new};
use crate::keys::{self, PolicyFiles};

#[derive(Subcommand)]
pub(crate) enum Identity {
    /// Issue a certificate for a machine, on the owner's word instead of evidence
    Issue(Issue),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin identity issue --domain fleet --policy-key fleet/policy-key.pem --measurement HEX \\
      --csr machine.csr --out-dir machine
  key-admin identity issue --domain fleet --policy-key fleet/policy-key.pem --role broker \\
      --new-key p256 --out-dir broker")]
pub(crate) struct Issue {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    #[command(flatten)]
    policy: PolicyFiles,
    /// What the machine runs, 64 or 96 hex digits; an agent needs one
    #[arg(long, value_name = "HEX")]
    measurement: Option<Measurement>,
    /// What the machine is: agent or broker
    #[arg(long, value_name = "ROLE", default_value = "agent")]
    role: Role,
    #[command(flatten)]
    key: Key,
    /// Where to write identity-cert.pem (and identity-key.pem); made if it isn't there
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// For how long it is valid, at most as long as the policy certificate
    #[arg(long, value_name = "DAYS", default_value_t = ADMISSION_DAYS, value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,
}

/// Whose key is certified.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Key {
    /// The machine's request, PKCS#10 (PEM or DER)
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Make the key here: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "ALGORITHM")]
    new_key: Option<KeyAlgorithm>,
}

const CERTIFICATE: &str = "identity-cert.pem";
const PRIVATE_KEY: &str = "identity-key.pem";

pub(crate) fn run(context: &Context, command: &Identity) -> Result<(), Failure> {
    let Identity::Issue(args) = command;
    if args.role == Role::Agent && args.measurement.is_none() {
        let message = "an agent's certificate names what it runs, and --measurement is missing";
        return Err(Failure::new("usage", 2, message, "give --measurement HEX, or --role broker"));
    }
    let issuer = args.policy.issuer(&args.domain)?;
    let (public, private) = args.key.get()?;
    let now = clock::unix_time();
    let der = issuer
        .identity(args.role, public.spki_der(), args.measurement.as_ref(), now, args.days)
        .map_err(keys::unissued)?;
    let peer = match args.role {
        Role::Agent => verify_agent(issuer.certificate(), &args.domain, &der, now),
        Role::Broker => {
            verify_broker(issuer.certificate(), &args.domain, &der, &BrokerMeasurements::Any, now)
        }
    }
    .map_err(|error| keys::unissued(IssueError::Unusable(error)))?;
    let pem = certificates::to_pem(&der);
    let mut files = vec![NewFile { name: CERTIFICATE, bytes: pem.as_bytes(), private: false }];
    files.extend(private.as_ref().map(|key| NewFile {
        name: PRIVATE_KEY,
        bytes: key.as_bytes(),
        private: true,
    }));
    write_all_new(&args.out_dir, &files)?;
    context.tell(&Issued {
        domain: args.domain.to_string(),
        role: args.role,
        measurement: args.measurement.map(|measurement| measurement.to_string()),
        certificate: args.out_dir.join(CERTIFICATE),
        key: private.is_some().then(|| args.out_dir.join(PRIVATE_KEY)),
        certificate_fingerprint: hex::encode(peer.fingerprint()),
        not_after: clock::seconds(peer.not_after()),
    })
}

impl Key {
    /// The key to certify; and where it is made here, its private half as PEM.
    fn get(&self) -> Result<(PublicKey, Option<Zeroizing<String>>), Failure> {
        match (&self.csr, self.new_key) {
            (Some(path), _) => Ok((csr::read(path)?, None)),
            (None, algorithm) => {
                let key =
                    SigningKey::generate(algorithm.unwrap_or(KeyAlgorithm::P256)).map_err(keys::broken)?;
                let private = key.to_private().map_err(keys::broken)?.to_pem();
                Ok((key.public().clone(), Some(private)))
            }
        }
    }
}

#[derive(Serialize)]
struct Issued {
    domain: String,
    role: Role,
    measurement: Option<String>,
    certificate: PathBuf,
    key: Option<PathBuf>,
    /// SHA-256 of the certificate, hex.
    certificate_fingerprint: String,
    /// Its end, seconds since 1970.
    not_after: i64,
}

impl Report for Issued {
    fn text(&self) -> String {
        let key = self.key.as_ref().map(|key| format!("\n  key {}", key.display())).unwrap_or_default();
        format!(
            "issued a certificate for {} {} of domain {}\n  certificate {}{key}\n  fingerprint {}, valid until {}",
            match self.role {
                Role::Agent => "an",
                Role::Broker => "a",
            },
            self.role,
            self.domain,
            self.certificate.display(),
            self.certificate_fingerprint,
            clock::text(self.not_after)
        )
    }
}
