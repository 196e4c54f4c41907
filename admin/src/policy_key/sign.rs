//! `key-admin policy-key sign-issuer` and `sign-broker`: what an owner signs who keeps the policy key.

use std::path::PathBuf;

use clap::Args;
use claviger_attest::{CertificateFacts, Issuer, Role};
use claviger_client::cli::{Failure, Report, certificates, clock};
use claviger_proto::DomainName;
use claviger_proto::key::PublicKey;
use serde::Serialize;

use crate::context::Context;
use crate::files::write_new;
use crate::identity::csr;
use crate::keys::{self, PolicyFiles};

/// For how long, in days, where nothing is said.
pub(crate) const DAYS: u32 = 30;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin policy-key sign-issuer --domain fleet --policy-key fleet/policy-key.pem \\
      --request requests/issuer.csr --out issuer.pem
  key-admin policy-key sign-broker --domain fleet --policy-key fleet/policy-key.pem \\
      --request requests/broker.csr --out broker.pem

The requests are those of key-admin domain requests; what is signed goes to key-admin domain install.")]
pub(crate) struct Sign {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    #[command(flatten)]
    policy: PolicyFiles,
    /// The broker's request, PKCS#10 (PEM or DER)
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// For how long it is valid; an issuer for 30 days at most
    #[arg(long, value_name = "DAYS", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=90))]
    days: u32,
    /// Where to write the certificate; nothing that is there is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What is signed.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Issuer,
    Broker,
}

impl What {
    /// Signs a key.
    pub(crate) fn sign(self, issuer: &Issuer, key: &PublicKey, days: u32) -> Result<Vec<u8>, Failure> {
        let (spki, now) = (key.spki_der(), clock::unix_time());
        match self {
            Self::Issuer => issuer.delegate(spki, now, days),
            Self::Broker => issuer.identity(Role::Broker, spki, None, now, days),
        }
        .map_err(keys::unissued)
    }

    fn told(self) -> &'static str {
        match self {
            Self::Issuer => "delegated issuer",
            Self::Broker => "broker's certificate",
        }
    }
}

#[derive(Serialize)]
struct Signed {
    #[serde(skip)]
    what: What,
    domain: DomainName,
    certificate: PathBuf,
    /// SHA-256 of it, hex.
    fingerprint: String,
    /// Its end, seconds since 1970.
    not_after: i64,
}

impl Report for Signed {
    fn text(&self) -> String {
        format!(
            "signed the {} of domain {}\n  certificate {}\n  fingerprint {}, valid until {}",
            self.what.told(),
            self.domain,
            self.certificate.display(),
            self.fingerprint,
            clock::text(self.not_after)
        )
    }
}

pub(crate) fn run(context: &Context, args: &Sign, what: What) -> Result<(), Failure> {
    let key = csr::read(&args.request)?;
    let issuer = args.policy.issuer(&args.domain)?;
    let der = what.sign(&issuer, &key, args.days)?;
    let facts =
        CertificateFacts::read(&der).map_err(|error| keys::refuse(&args.out, &error.to_string(), ""))?;
    write_new(&args.out, certificates::to_pem(&der).as_bytes())?;
    context.tell(&Signed {
        what,
        domain: args.domain.clone(),
        certificate: args.out.clone(),
        fingerprint: hex::encode(facts.fingerprint),
        not_after: clock::seconds(facts.not_after),
    })
}
