//! `key-admin domain admission`

use clap::{Args, Subcommand};
use claviger_client::cli::{Failure, Report, clock};
use claviger_proto::DomainName;
use claviger_proto::admin::{AdmissionTerms, Domain};
use serde::Serialize;

use super::{Named, path};
use crate::context::Context;

#[derive(Subcommand)]
pub(crate) enum Admission {
    /// Admit machines for this long from now on
    Set(Set),
    /// Show for how long machines are admitted
    #[command(after_help = "Example:\n  key-admin domain admission show fleet")]
    Show(Named),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin domain admission set fleet --lasts 7d
  key-admin domain admission set fleet --lasts 365d

At least 30m and at most 365d, which is what a new domain has. What is admitted already keeps its dates; a certificate
never outlives the policy certificate. Machines renew in the last third by themselves where key-client renew --if-due
runs often enough: at least three times in that third, so every hour for a day.")]
pub(crate) struct Set {
    /// The domain
    #[arg(value_name = "DOMAIN")]
    domain: DomainName,
    /// How long: a number and s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = clock::duration)]
    lasts: i64,
}

pub(crate) async fn run(context: &Context, command: &Admission) -> Result<(), Failure> {
    let domain: Domain = match command {
        Admission::Set(args) => {
            let terms = AdmissionTerms { lasts: args.lasts.unsigned_abs() };
            context.api()?.put(&format!("{}/admission", path(&args.domain)), &terms).await?
        }
        Admission::Show(args) => context.api()?.get(&path(&args.domain)).await?,
    };
    context.tell(&Terms { domain: &domain.name, admission_lasts: domain.admission_lasts })
}

#[derive(Serialize)]
struct Terms<'a> {
    domain: &'a DomainName,
    admission_lasts: u64,
}

impl Report for Terms<'_> {
    fn text(&self) -> String {
        format!("domain {}: machines are admitted for {}", self.domain, told(self.admission_lasts))
    }
}

/// A time span as it is typed, in the largest unit that it is whole in.
pub(super) fn told(seconds: u64) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let whole = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}
