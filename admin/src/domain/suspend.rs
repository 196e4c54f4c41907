//! `key-admin domain suspend` and `key-admin domain resume`

use clap::Args;
use claviger_client::cli::{Failure, clock};
use claviger_proto::DomainName;
use claviger_proto::admin::{Domain, Suspend, Suspension};

use super::{Named, One, path};
use crate::context::Context;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin domain suspend fleet
  key-admin domain suspend fleet --reason 'an incident is looked into'

From the next request on, also on connections that are open, the domain answers nobody and admits nobody. It keeps all
it has, and its owner's rules, tickets and trust can be changed meanwhile. Brokers elsewhere follow with their next
pull. key-admin domain resume ends it.")]
pub(crate) struct ToSuspend {
    /// The domain
    #[arg(value_name = "DOMAIN")]
    domain: DomainName,
    /// Why; its members are told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) async fn suspend(context: &Context, args: &ToSuspend) -> Result<(), Failure> {
    let suspend = Suspend { reason: args.reason.clone() };
    let domain = context.api()?.put(&place(&args.domain), &suspend).await?;
    context.tell(&One { domain, done: Some("suspended") })
}

pub(super) async fn resume(context: &Context, args: &Named) -> Result<(), Failure> {
    let domain: Domain = context.api()?.delete_answered(&place(&args.domain)).await?;
    context.tell(&One { domain, done: Some("resumed") })
}

fn place(domain: &DomainName) -> String {
    format!("{}/suspension", path(domain))
}

/// Since when and why, in words.
pub(super) fn told(Suspension { since, reason }: &Suspension) -> String {
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("suspended since {}{why}", clock::text(*since))
}
