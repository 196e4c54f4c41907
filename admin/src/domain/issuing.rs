//! Domains whose policy key stays with its owner: requests out, certificates in.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

use std::path::{Path, PathBuf};

use clap::Args;
use claviger_attest::{Issuer, PolicyCertificate};
use claviger_client::cli::certificates::{read_policy_of, request_to_pem};
use claviger_client::cli::{Failure, Report};
use claviger_proto::DomainName;
use claviger_proto::admin::{Domain, InstallIssuing, IssuingRequests};
use claviger_proto::key::{PrivateKey, read_certificate};
use serde::Serialize;

use super::{One, path};
use crate::api::Api;
use crate::context::Context;
use crate::files::{NewFile, write_all_new};
use crate::identity::csr;
use crate::keys::{PolicyFiles, read_as};
use crate::policy_key::sign::{DAYS, What};

/// The policy certificate, and whose the policy key is.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct PolicyOf {
    /// The policy key, for the broker to hold: PEM or key_message
    #[arg(long, value_name = "FILE", conflicts_with = "sign_with")]
    policy_key: Option<PathBuf>,
    /// The policy certificate; with --policy-key or --sign-with only if it is neither in that file nor beside it
    #[arg(long, value_name = "FILE")]
    policy_cert: Option<PathBuf>,
    /// The policy key, to sign here what the broker needs; it is not sent
    #[arg(long, value_name = "FILE")]
    sign_with: Option<PathBuf>,
}

/// The same, read.
pub(super) struct Policy {
    pub(super) certificate: PolicyCertificate,
    /// For the broker to hold.
    pub(super) given: Option<PrivateKey>,
    /// What signs here.
    pub(super) signs: Option<Issuer>,
}

impl PolicyOf {
    pub(super) fn read(&self, domain: &DomainName) -> Result<Policy, Failure> {
        let files =
            |key: &PathBuf| PolicyFiles { policy_key: key.clone(), policy_cert: self.policy_cert.clone() };
        if let Some(key) = &self.policy_key {
            let (key, certificate) = files(key).pair(domain)?;
            return Ok(Policy { certificate, given: Some(key), signs: None });
        }
        if let Some(key) = &self.sign_with {
            let signs = files(key).issuer(domain)?;
            return Ok(Policy { certificate: signs.certificate().clone(), given: None, signs: Some(signs) });
        }
        // One of the three is there.
        let path = self.policy_cert.as_deref().unwrap_or(Path::new("policy-cert.pem"));
        Ok(Policy { certificate: read_policy_of(path, domain)?, given: None, signs: None })
    }
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-admin domain requests fleet --out-dir requests

The same requests come again until what was signed for them is installed.")]
pub(crate) struct Requests {
    /// The domain
    #[arg(value_name = "DOMAIN")]
    domain: DomainName,
    /// Where to write issuer.csr and broker.csr; made if it isn't there
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin domain install fleet --issuer issuer.pem --broker-cert broker.pem
  key-admin domain install fleet --issuer issuer.pem")]
pub(crate) struct Install {
    /// The domain
    #[arg(value_name = "DOMAIN")]
    domain: DomainName,
    /// What policy-key sign-issuer wrote
    #[arg(long, value_name = "FILE")]
    issuer: PathBuf,
    /// What policy-key sign-broker wrote; may be left out where the broker has one
    #[arg(long, value_name = "FILE")]
    broker_cert: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-admin domain renew-issuer fleet --sign-with fleet/policy-key.pem")]
pub(crate) struct Renew {
    /// The domain
    #[arg(value_name = "DOMAIN")]
    domain: DomainName,
    /// The policy key, to sign with here; it is not sent
    #[arg(long, value_name = "FILE")]
    sign_with: PathBuf,
    /// Its certificate, if it is neither in the key's file nor beside it
    #[arg(long, value_name = "FILE")]
    policy_cert: Option<PathBuf>,
    /// For how long the issuer is valid
    #[arg(long, value_name = "DAYS", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=30))]
    days: u32,
}

pub(super) async fn requests(context: &Context, args: &Requests) -> Result<(), Failure> {
    let requests = ask(&context.api()?, &args.domain).await?;
    let (issuer, broker) = (pem(&requests.issuer)?, pem(&requests.broker)?);
    let files = [
        NewFile { name: "issuer.csr", bytes: issuer.as_bytes(), private: false },
        NewFile { name: "broker.csr", bytes: broker.as_bytes(), private: false },
    ];
    write_all_new(&args.out_dir, &files)?;
    context.tell(&Asked {
        domain: args.domain.clone(),
        issuer: args.out_dir.join("issuer.csr"),
        broker: args.out_dir.join("broker.csr"),
    })
}

pub(super) async fn install(context: &Context, args: &Install) -> Result<(), Failure> {
    let api = context.api()?;
    let hex = |path: &PathBuf| {
        let next = "give a certificate as PEM or DER";
        read_as(path, read_certificate, next).map(hex::encode)
    };
    let install = InstallIssuing {
        issuer: hex(&args.issuer)?,
        broker_certificate: args.broker_cert.as_ref().map(hex).transpose()?,
    };
    let domain: Domain = api.put(&format!("{}/issuing", path(&args.domain)), &install).await?;
    context.tell(&One { domain, done: Some("installed the issuer of") })
}

pub(super) async fn renew(context: &Context, args: &Renew) -> Result<(), Failure> {
    let api = context.api()?;
    let files = PolicyFiles { policy_key: args.sign_with.clone(), policy_cert: args.policy_cert.clone() };
    let signs = files.issuer(&args.domain)?;
    let domain = sign_and_install(&api, &args.domain, &signs, Some(args.days)).await?;
    context.tell(&One { domain, done: Some("renewed the issuer of") })
}

/// Has the broker make its requests, signs them here and has them put into force.
pub(super) async fn sign_and_install(
    api: &Api,
    domain: &DomainName,
    signs: &Issuer,
    days: Option<u32>,
) -> Result<Domain, Failure> {
    let requests = ask(api, domain).await?;
    let sign = |what: What, request: &str, days| {
        let key = csr::parse(Path::new("the broker's request"), &unhex(request)?)?;
        what.sign(signs, &key, days).map(hex::encode)
    };
    let install = InstallIssuing {
        issuer: sign(What::Issuer, &requests.issuer, days.unwrap_or(DAYS))?,
        broker_certificate: Some(sign(What::Broker, &requests.broker, DAYS)?),
    };
    api.put(&format!("{}/issuing", path(domain)), &install).await
}

async fn ask(api: &Api, domain: &DomainName) -> Result<IssuingRequests, Failure> {
    api.post(&format!("{}/issuing/requests", path(domain)), &()).await
}

fn unhex(text: &str) -> Result<Vec<u8>, Failure> {
    hex::decode(text).map_err(|_| {
        Failure::new("protocol", 1, "the broker's request is not hex", "is key-admin as new as the broker?")
    })
}

fn pem(request: &str) -> Result<String, Failure> {
    Ok(request_to_pem(&unhex(request)?))
}

#[derive(Serialize)]
struct Asked {
    domain: DomainName,
    issuer: PathBuf,
    broker: PathBuf,
}

impl Report for Asked {
    fn text(&self) -> String {
        format!(
            "the requests of domain {}\n  issuer {}\n  broker {}",
            self.domain,
            self.issuer.display(),
            self.broker.display()
        )
    }
}
