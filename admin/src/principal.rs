//! `key-admin principal`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_client::cli::{Failure, Report, Table, clock};
use claviger_proto::DomainName;
use claviger_proto::admin::{AddPrincipal, Principal};
use claviger_proto::key::read_certificate;
use serde::Serialize;

use crate::context::Context;
use crate::domain::{InDomain, path};
use crate::keys;

#[derive(Subcommand)]
pub(crate) enum PrincipalCommand {
    /// Say by which certificate a domain knows a principal
    Add(Add),
    /// List the principals that a domain knows
    #[command(after_help = "Example:\n  key-admin principal list --domain fleet")]
    List(InDomain),
    /// Know a principal no longer, from the next request on, also on channels that are open
    #[command(after_help = "Example:\n  key-admin principal remove --domain fleet ops")]
    Remove(Remove),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin principal add --domain fleet ops --certificate ops.pem
  key-admin principal add --domain fleet ops --certificate staff-ca.pem

With an authority's certificate, the principal is whoever has a certificate under it with the common name NAME. A rule
asks for a principal with a condition: key-admin acl rules set --help")]
pub(crate) struct Add {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// The principal's name: 1 to 64 of [A-Za-z0-9._-]
    #[arg(value_name = "NAME")]
    name: String,
    /// Its own certificate, or that of an authority over it (PEM or DER)
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
}

#[derive(Args)]
pub(crate) struct Remove {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// The principal's name
    #[arg(value_name = "NAME")]
    name: claviger_attest::PrincipalName,
}

pub(crate) async fn run(context: &Context, command: &PrincipalCommand) -> Result<(), Failure> {
    match command {
        PrincipalCommand::Add(args) => add(context, args).await,
        PrincipalCommand::List(args) => {
            let principals = context.api()?.get(&principals(&args.domain)).await?;
            context.tell(&All { principals })
        }
        PrincipalCommand::Remove(args) => {
            context.api()?.delete(&format!("{}/{}", principals(&args.domain), args.name)).await?;
            context.tell(&Removed { name: args.name.as_str(), done: true })
        }
    }
}

async fn add(context: &Context, args: &Add) -> Result<(), Failure> {
    let certificate =
        keys::read_as(&args.certificate, read_certificate, "give one certificate, as PEM or DER")?;
    let request = AddPrincipal { name: args.name.clone(), certificate: hex::encode(certificate) };
    let principal = context.api()?.post(&principals(&args.domain), &request).await?;
    context.tell(&Added { principal })
}

fn principals(domain: &DomainName) -> String {
    format!("{}/principals", path(domain))
}

#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    principal: Principal,
}

impl Report for Added {
    fn text(&self) -> String {
        let Principal { name, fingerprint, authority, not_after } = &self.principal;
        let by = if *authority { "any certificate named so under authority" } else { "certificate" };
        format!("principal {name}\n  {by} {fingerprint}, valid until {}", clock::text(*not_after))
    }
}

#[derive(Serialize)]
struct All {
    principals: Vec<Principal>,
}

impl Report for All {
    fn text(&self) -> String {
        let mut table = Table::new(["name", "by", "fingerprint", "until"]);
        for Principal { name, fingerprint, authority, not_after } in &self.principals {
            let by = if *authority { "authority" } else { "certificate" };
            table.row([name.clone(), by.to_owned(), fingerprint.clone(), clock::text(*not_after)]);
        }
        table.render()
    }
}

#[derive(Serialize)]
struct Removed<'a> {
    name: &'a str,
    #[serde(rename = "removed")]
    done: bool,
}

impl Report for Removed<'_> {
    fn text(&self) -> String {
        format!("no longer known: {}", self.name)
    }
}
