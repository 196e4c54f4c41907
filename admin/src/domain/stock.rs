//! `key-admin domain stock`

use clap::{Args, Subcommand, ValueEnum};
use claviger_client::cli::{Failure, Report};
use claviger_proto::DomainName;
use claviger_proto::admin::{Domain, StockPeers};
use serde::Serialize;

use super::{Named, path};
use crate::context::Context;

#[derive(Subcommand)]
pub(crate) enum Stock {
    /// Let stock programs do this as well
    Allow(Change),
    /// Let them do this no longer; without a word, nothing at all
    Deny(Change),
    /// Show what they may do
    #[command(after_help = "Example:\n  key-admin domain stock show fleet")]
    Show(Named),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin domain stock allow fleet
  key-admin domain stock allow fleet key-service admission
  key-admin domain stock deny fleet admission
  key-admin domain stock deny fleet

key-service: cf_key_client and its kind store and retrieve, with an admission certificate of the domain, one request to
a connection. It is what allow means without a word.
admission: cf_utility and its kind are certified on the domain's admission listener. Their evidence answers no challenge:
it is taken once, while it is new, and access rules that ask for freshness don't count it.

In force for the next request, also on connections that are open.")]
pub(crate) struct Change {
    /// The domain
    #[arg(value_name = "DOMAIN")]
    domain: DomainName,
    /// What
    #[arg(value_enum, value_name = "WHAT")]
    what: Vec<What>,
    /// The same as the word admission
    #[arg(long, hide = true)]
    admission: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Store and retrieve
    KeyService,
    /// Be admitted
    Admission,
}

impl Change {
    /// What is named, `otherwise` if nothing is.
    fn named(&self, otherwise: &[What]) -> Vec<What> {
        let mut what = self.what.clone();
        if self.admission {
            what.push(What::Admission);
        }
        if what.is_empty() { otherwise.to_vec() } else { what }
    }
}

pub(crate) async fn run(context: &Context, command: &Stock) -> Result<(), Failure> {
    match command {
        Stock::Allow(args) => change(context, args, &[What::KeyService], true).await,
        Stock::Deny(args) => change(context, args, &[What::KeyService, What::Admission], false).await,
        Stock::Show(args) => {
            let domain: Domain = context.api()?.get(&path(&args.domain)).await?;
            context.tell(&Allowed::of(&domain))
        }
    }
}

async fn change(context: &Context, args: &Change, otherwise: &[What], to: bool) -> Result<(), Failure> {
    let api = context.api()?;
    let domain: Domain = api.get(&path(&args.domain)).await?;
    let mut stock = domain.stock;
    for what in args.named(otherwise) {
        match what {
            What::KeyService => stock.key_service = to,
            What::Admission => stock.admission = to,
        }
    }
    let domain: Domain = api.put(&format!("{}/stock", path(&args.domain)), &stock).await?;
    context.tell(&Allowed::of(&domain))
}

#[derive(Serialize)]
struct Allowed<'a> {
    domain: &'a DomainName,
    #[serde(flatten)]
    stock: StockPeers,
}

impl<'a> Allowed<'a> {
    fn of(domain: &'a Domain) -> Self {
        Self { domain: &domain.name, stock: domain.stock }
    }
}

impl Report for Allowed<'_> {
    fn text(&self) -> String {
        format!("domain {}: stock programs may {}", self.domain, told(self.stock))
    }
}

/// What stock programs may do, in words.
pub(super) fn told(stock: StockPeers) -> &'static str {
    match (stock.key_service, stock.admission) {
        (false, false) => "do nothing",
        (true, false) => "store and retrieve",
        (false, true) => "be admitted",
        (true, true) => "be admitted, store and retrieve",
    }
}
