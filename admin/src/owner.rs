//! `key-admin owner`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use claviger_attest::{IssueError, KeyAlgorithm, PersonRole, PrincipalName, SigningKey, verify_person};
use claviger_client::cli::{Failure, Report, Table, certificates, clock};
use claviger_proto::DomainName;
use claviger_proto::admin::{Person, RegisterPerson};
use serde::Serialize;

use crate::context::Context;
use crate::domain::{self, InDomain};
use crate::files::{NewFile, write_all_new};
use crate::keys::{self, PolicyFiles};
use crate::reach::certificate_of;

#[derive(Subcommand)]
pub(crate) enum Owner {
    /// Make a key, and have the policy key certify it for administering the domain (offline)
    Certify(Certify),
    /// Let the broker know somebody by a certificate that the policy key signed
    #[command(after_help = "\
Example:
  key-admin owner register --domain fleet --certificate ann/admin-cert.pem")]
    Register(Register),
    /// List who is registered
    #[command(after_help = "Example:\n  key-admin owner list --domain fleet")]
    List(InDomain),
    /// Let somebody administer the domain no longer, from the next call on
    #[command(after_help = "\
Example:
  key-admin owner remove --domain fleet HEX

A certificate that was stolen is revoked as well, so that nobody registers it again:
  key-admin revocation add --domain fleet certificate HEX")]
    Remove(Remove),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin owner certify --domain fleet --policy-key fleet/policy-key.pem --name ann --out-dir ann
  key-admin owner certify --domain fleet --policy-key fleet/policy-key.pem --role auditor \\
      --name bob --days 30 --out-dir bob

It opens nothing until it is registered: key-admin owner register.")]
pub(crate) struct Certify {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    #[command(flatten)]
    policy: PolicyFiles,
    /// What they are
    #[arg(long, value_enum, default_value_t)]
    role: RoleName,
    /// What they are called: 1 to 64 of [A-Za-z0-9._-]
    #[arg(long, value_name = "NAME")]
    name: PrincipalName,
    /// Where to write admin-cert.pem and admin-key.pem; made if it isn't there
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// For how long it is valid, at most as long as the policy certificate
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,
}

#[derive(ValueEnum, Clone, Copy, Default)]
enum RoleName {
    /// Everything in the domain but its quotas
    #[default]
    Owner,
    /// The audit trail and the policy, to read
    Auditor,
}

impl From<RoleName> for PersonRole {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Owner => Self::Owner,
            RoleName::Auditor => Self::Auditor,
        }
    }
}

#[derive(Args)]
pub(crate) struct Register {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Their certificate, as owner certify made it
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
}

#[derive(Args)]
pub(crate) struct Remove {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// SHA-256 of the certificate, as owner list tells it
    #[arg(value_name = "HEX", value_parser = fingerprint)]
    fingerprint: String,
}

/// One spelling only; so it needs no escaping.
fn fingerprint(text: &str) -> Result<String, String> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let whole = text.len() == 64 && text.bytes().all(digit);
    whole
        .then(|| text.to_owned())
        .ok_or_else(|| "a certificate is named by 64 lowercase hex digits".to_owned())
}

pub(crate) const CERTIFICATE: &str = "admin-cert.pem";
pub(crate) const PRIVATE_KEY: &str = "admin-key.pem";

pub(crate) async fn run(context: &Context, command: &Owner) -> Result<(), Failure> {
    match command {
        Owner::Certify(args) => certify(context, args),
        Owner::Register(args) => {
            let request = RegisterPerson { certificate: hex::encode(certificate_of(&args.certificate)?) };
            let person = context.api()?.post(&path(&args.domain), &request).await?;
            context.tell(&Registered { person })
        }
        Owner::List(args) => {
            let owners = context.api()?.get(&path(&args.domain)).await?;
            context.tell(&All { owners })
        }
        Owner::Remove(args) => {
            context.api()?.delete(&format!("{}/{}", path(&args.domain), args.fingerprint)).await?;
            context.tell(&Removed { fingerprint: &args.fingerprint, done: true })
        }
    }
}

fn certify(context: &Context, args: &Certify) -> Result<(), Failure> {
    let issuer = args.policy.issuer(&args.domain)?;
    let key = SigningKey::generate(KeyAlgorithm::P256).map_err(keys::broken)?;
    let private = key.to_private().map_err(keys::broken)?.to_pem();
    let now = clock::unix_time();
    let der = issuer.person(args.role.into(), &args.name, key.public().spki_der(), now, args.days);
    let der = der.map_err(keys::unissued)?;
    let person = verify_person(issuer.certificate(), &der, now);
    let person = person.map_err(|error| keys::unissued(IssueError::Unusable(error)))?;
    let pem = certificates::to_pem(&der);
    write_all_new(
        &args.out_dir,
        &[
            NewFile { name: CERTIFICATE, bytes: pem.as_bytes(), private: false },
            NewFile { name: PRIVATE_KEY, bytes: private.as_bytes(), private: true },
        ],
    )?;
    context.tell(&Certified {
        domain: args.domain.to_string(),
        role: person.role().as_str(),
        name: person.name().to_string(),
        certificate: args.out_dir.join(CERTIFICATE),
        key: args.out_dir.join(PRIVATE_KEY),
        certificate_fingerprint: hex::encode(person.fingerprint()),
        not_after: clock::seconds(person.not_after()),
    })
}

fn path(domain: &DomainName) -> String {
    format!("{}/owners", domain::path(domain))
}

#[derive(Serialize)]
struct Certified {
    domain: String,
    role: &'static str,
    name: String,
    certificate: PathBuf,
    key: PathBuf,
    /// SHA-256 of the certificate, hex.
    certificate_fingerprint: String,
    /// Its end, seconds since 1970.
    not_after: i64,
}

impl Report for Certified {
    fn text(&self) -> String {
        format!(
            "certified {} as {} of domain {}\n  certificate {}\n  key {}\n  fingerprint {}, valid until {}",
            self.name,
            self.role,
            self.domain,
            self.certificate.display(),
            self.key.display(),
            self.certificate_fingerprint,
            clock::text(self.not_after)
        )
    }
}

#[derive(Serialize)]
struct Registered {
    #[serde(flatten)]
    person: Person,
}

impl Report for Registered {
    fn text(&self) -> String {
        let Person { role, name, fingerprint, not_after, .. } = &self.person;
        format!(
            "registered: {role} {name}\n  certificate {fingerprint}, valid until {}",
            clock::text(*not_after)
        )
    }
}

#[derive(Serialize)]
struct All {
    owners: Vec<Person>,
}

impl Report for All {
    fn text(&self) -> String {
        let mut table = Table::new(["role", "name", "fingerprint", "since", "until"]);
        for Person { role, name, fingerprint, not_after, since } in &self.owners {
            let (since, until) = (clock::text(*since), clock::text(*not_after));
            table.row([role.clone(), name.clone(), fingerprint.clone(), since, until]);
        }
        table.render()
    }
}

#[derive(Serialize)]
struct Removed<'a> {
    fingerprint: &'a str,
    #[serde(rename = "removed")]
    done: bool,
}

impl Report for Removed<'_> {
    fn text(&self) -> String {
        format!("registered no longer: {}", self.fingerprint)
    }
}
