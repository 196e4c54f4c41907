//! `key-admin domain`

pub(crate) mod admission;
mod issuing;
pub(crate) mod stock;
mod suspend;

use clap::{Args, Subcommand};
use claviger_client::cli::{Failure, Report, Table, clock};
use claviger_proto::admin::{AuditSync, CreateDomain, Domain, SecretHex};
use claviger_proto::{DomainName, Secret};
use serde::Serialize;

use crate::acl::PresetName;
use crate::context::Context;
use admission::Admission;
use stock::Stock;
use suspend::ToSuspend;

#[derive(Subcommand)]
pub(crate) enum DomainCommand {
    /// Create a domain; its policy key stays with its owner, or is given to the broker to keep, sealed
    Create(Create),
    /// Get the requests that the owner signs for a domain whose policy key the owner keeps
    Requests(issuing::Requests),
    /// Put into force what the owner signed for the requests
    Install(issuing::Install),
    /// Get new requests, sign them here and put them into force, with the policy key at hand
    RenewIssuer(issuing::Renew),
    /// List the domains
    #[command(after_help = "Example:\n  key-admin domain list --output json")]
    List,
    /// Show a domain
    #[command(after_help = "Example:\n  key-admin domain show fleet")]
    Show(Named),
    /// Say what stock Certifier programs may do in a domain
    #[command(subcommand)]
    Stock(Stock),
    /// Say for how long a domain admits machines
    #[command(subcommand)]
    Admission(Admission),
    /// Have a domain answer nobody, and keep everything
    Suspend(ToSuspend),
    /// Have a suspended domain answer again
    #[command(after_help = "Example:\n  key-admin domain resume fleet")]
    Resume(Named),
    /// Delete a domain, and with its key every secret in it
    #[command(after_help = "Example:\n  key-admin domain delete fleet")]
    Delete(Named),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin domain create fleet --policy-cert fleet/policy-cert.pem
  key-admin domain create fleet --policy-cert fleet/policy-cert.pem --sign-with fleet/policy-key.pem
  key-admin domain create fleet --policy-key fleet/policy-key.pem
  key-admin domain create fleet --policy-key policy_key_file.bin --preset provisioned

With --policy-cert alone or with --sign-with, the policy key stays with its owner: the broker has a
delegated issuer for 30 days at most, which admits agents and nothing else. With --policy-key the
broker holds the policy key itself.")]
pub(crate) struct Create {
    /// Its name: one label of [a-z0-9_-], at most 63, starting with a letter
    #[arg(value_name = "DOMAIN")]
    domain: DomainName,
    #[command(flatten)]
    policy: issuing::PolicyOf,
    /// Who may do what, to begin with
    #[arg(long, value_enum, default_value_t)]
    preset: PresetName,
}

#[derive(Args)]
pub(crate) struct Named {
    /// Its name
    #[arg(value_name = "DOMAIN")]
    domain: DomainName,
}

pub(crate) async fn run(context: &Context, command: &DomainCommand) -> Result<(), Failure> {
    match command {
        DomainCommand::Create(args) => create(context, args).await,
        DomainCommand::Requests(args) => issuing::requests(context, args).await,
        DomainCommand::Install(args) => issuing::install(context, args).await,
        DomainCommand::RenewIssuer(args) => issuing::renew(context, args).await,
        DomainCommand::List => list(context).await,
        DomainCommand::Show(args) => {
            let domain = context.api()?.get(&path(&args.domain)).await?;
            context.tell(&One { domain, done: None })
        }
        DomainCommand::Stock(command) => stock::run(context, command).await,
        DomainCommand::Admission(command) => admission::run(context, command).await,
        DomainCommand::Suspend(args) => suspend::suspend(context, args).await,
        DomainCommand::Resume(args) => suspend::resume(context, args).await,
        DomainCommand::Delete(args) => {
            context.api()?.delete(&path(&args.domain)).await?;
            context.tell(&Deleted { domain: &args.domain, deleted: true })
        }
    }
}

async fn create(context: &Context, args: &Create) -> Result<(), Failure> {
    // Before anything is read: a command that can't reach a broker should ask for no key.
    let api = context.api()?;
    let issuing::Policy { certificate, given, signs } = args.policy.read(&args.domain)?;
    let request = CreateDomain {
        name: args.domain.clone(),
        policy_certificate: hex::encode(certificate.der()),
        policy_key: given.map(|key| SecretHex(Secret::copy_from(key.pkcs8_der()))),
        preset: Some(args.preset.as_str().to_owned()),
    };
    let mut domain: Domain = api.post("/v1/domains", &request).await?;
    if let Some(signs) = signs {
        domain = issuing::sign_and_install(&api, &args.domain, &signs, None).await?;
    }
    context.tell(&One { domain, done: Some("created") })
}

async fn list(context: &Context) -> Result<(), Failure> {
    let domains = context.api()?.get("/v1/domains").await?;
    context.tell(&All { domains })
}

/// Where a command is about a domain, and nothing else.
#[derive(Args)]
pub(crate) struct InDomain {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: DomainName,
}

/// Where a domain is in the API. Names are of a grammar that needs no escaping.
pub(crate) fn path(domain: &DomainName) -> String {
    format!("/v1/domains/{domain}")
}

/// One domain, as it is after what was done to it.
#[derive(Serialize)]
pub(crate) struct One {
    #[serde(flatten)]
    pub(crate) domain: Domain,
    #[serde(skip)]
    pub(crate) done: Option<&'static str>,
}

impl Report for One {
    fn text(&self) -> String {
        let Domain { name, preset, policy_fingerprint, policy_not_after, policy_key_held_by, .. } =
            &self.domain;
        let Domain {
            broker_certificate_not_after,
            issuer_not_after,
            awaits_owner,
            references,
            stock,
            admission_lasts,
            audit_sync,
            revocations,
            created,
            suspended,
            ..
        } = &self.domain;
        let suspended = suspended.as_ref().map(|it| format!("\n  {}", suspend::told(it))).unwrap_or_default();
        let issuer =
            issuer_not_after.map(|end| format!("\n  delegated issuer valid until {}", clock::text(end)));
        let issuer = issuer.unwrap_or_default();
        let broker = if *awaits_owner {
            "waits for its owner's signatures (key-admin domain requests), and serves nobody until then"
                .to_owned()
        } else {
            format!("broker's certificate valid until {}", clock::text(*broker_certificate_not_after))
        };
        let done = self.done.map(|done| format!("{done} ")).unwrap_or_default();
        format!(
            "{done}domain {name}\n  preset {preset}\n  policy certificate {policy_fingerprint}, valid until {}\n  \
             policy key held by the {policy_key_held_by}{issuer}\n  {broker}\n  \
             trusted measurements {references}\n  stock programs may {}\n  machines are admitted for {}\n  audit records \
             {}\n  revocations {revocations}\n  created {}{suspended}",
            clock::text(*policy_not_after),
            stock::told(*stock),
            admission::told(*admission_lasts),
            if *audit_sync == AuditSync::Durable { "durable" } else { "written" },
            clock::text(*created)
        )
    }
}

#[derive(Serialize)]
struct All {
    domains: Vec<Domain>,
}

impl Report for All {
    fn text(&self) -> String {
        let mut table = Table::new(["name", "preset", "trusted", "policy until", "fingerprint", "state"]);
        for domain in &self.domains {
            table.row([
                domain.name.to_string(),
                domain.preset.clone(),
                domain.references.to_string(),
                clock::text(domain.policy_not_after),
                domain.policy_fingerprint.clone(),
                state(domain).to_owned(),
            ]);
        }
        table.render()
    }
}

fn state(domain: &Domain) -> &'static str {
    if domain.suspended.is_some() {
        "suspended"
    } else if domain.awaits_owner {
        "awaits owner"
    } else {
        "serving"
    }
}

#[derive(Serialize)]
struct Deleted<'a> {
    domain: &'a DomainName,
    deleted: bool,
}

impl Report for Deleted<'_> {
    fn text(&self) -> String {
        format!("deleted domain {}", self.domain)
    }
}
