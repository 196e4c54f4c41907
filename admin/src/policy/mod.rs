//! `key-admin policy`

mod diff;
pub(crate) mod file;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_attest::{PolicyFile, TrustPolicy};
use claviger_client::cli::{Failure, Report, clock};
use claviger_proto::DomainName;
use claviger_proto::admin::{self, AppliedPolicy, ApplyPolicy};
use serde::Serialize;

use crate::context::Context;
use crate::domain::{self, InDomain};
use diff::{Change, changes};

#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Put a policy file in force: which machines the domain admits, all of it at once
    Apply(Apply),
    /// Say what a policy file would change
    Diff(Diff),
    #[command(after_help = "\
Examples:
  key-admin policy show --domain fleet > fleet.toml
  key-admin policy show --domain fleet --output json

What is shown, applied again, changes nothing.")]
    /// Show the policy in force, as a file
    Show(InDomain),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin policy apply fleet.toml --domain fleet --dry-run
  key-admin policy apply fleet.toml --domain fleet --if-revision 7

A file:
  format = 1

  [instance]
  demand = \"ticket\"

  [[measurement]]
  kind = \"simulated-enclave\"
  value = \"HEX\"
  label = \"web\"
  expires = \"2027-03-31T00:00:00Z\"
  roots = [\"machine-1/root.pem\"]

Every key is described in the book's chapter on policies.")]
pub(crate) struct Apply {
    /// The policy file, or - for standard input; files that it names are looked for beside it
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Check it, say what it would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Only if the policy in force has this revision, so that nobody's change is lost
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
}

#[derive(Args)]
#[command(after_help = "Example:\n  key-admin policy diff fleet.toml --domain fleet")]
pub(crate) struct Diff {
    /// The policy file, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
}

pub(crate) async fn run(context: &Context, command: &Policy) -> Result<(), Failure> {
    match command {
        Policy::Apply(args) => apply(context, args).await,
        Policy::Diff(args) => {
            let (_, new) = file::load(&args.file)?;
            let shown = get(context, &args.domain).await?;
            let changes = changes(&policy_of(shown.policy)?, &new);
            let warnings = new.warnings(clock::now());
            context.warn(&warnings);
            let (domain, revision) = (args.domain.clone(), shown.revision);
            context.tell(&Differs { domain, revision, changes, warnings })
        }
        Policy::Show(args) => {
            let shown = get(context, &args.domain).await?;
            context.tell(&Shown(shown))
        }
    }
}

async fn apply(context: &Context, args: &Apply) -> Result<(), Failure> {
    let (policy, new) = file::load(&args.file)?;
    let before = get(context, &args.domain).await?;
    let request = ApplyPolicy { policy, if_revision: args.if_revision, dry_run: args.dry_run };
    let applied: AppliedPolicy = context.api()?.put(&path(&args.domain), &request).await?;
    let changes = changes(&policy_of(before.policy)?, &new);
    context.warn(&applied.warnings);
    context.tell(&Applied { applied, changes })
}

async fn get(context: &Context, domain: &DomainName) -> Result<admin::TrustPolicy<PolicyFile>, Failure> {
    context.api()?.get(&path(domain)).await
}

fn path(domain: &DomainName) -> String {
    format!("{}/policy", domain::path(domain))
}

/// What the broker shows is checked as any other file.
fn policy_of(file: PolicyFile) -> Result<TrustPolicy, Failure> {
    TrustPolicy::from_file(file).map_err(|error| {
        let message = format!("the broker's policy can't be read: {error}");
        Failure::new("protocol", 1, message, "check that both programs are of one version")
    })
}

#[derive(Serialize)]
struct Applied {
    #[serde(flatten)]
    applied: AppliedPolicy,
    changes: Vec<Change>,
}

impl Report for Applied {
    fn text(&self) -> String {
        let AppliedPolicy { domain, revision, changed, dry_run, .. } = &self.applied;
        let first = match (changed, dry_run) {
            (false, _) => format!("domain {domain}: the policy is in force already, revision {revision}"),
            (true, false) => format!("domain {domain}: the policy is in force, revision {revision}"),
            (true, true) => {
                format!("domain {domain}: the policy is good; nothing was changed (revision {revision})")
            }
        };
        lines(first, &self.changes)
    }
}

#[derive(Serialize)]
struct Differs {
    domain: DomainName,
    revision: u64,
    changes: Vec<Change>,
    warnings: Vec<String>,
}

impl Report for Differs {
    fn text(&self) -> String {
        let Self { domain, revision, changes, .. } = self;
        if changes.is_empty() {
            return format!("domain {domain}: no difference to revision {revision}");
        }
        lines(format!("domain {domain}: difference to revision {revision}"), changes)
    }
}

fn lines(first: String, changes: &[Change]) -> String {
    let changes = changes.iter().map(|change| format!("  {change}"));
    [first].into_iter().chain(changes).collect::<Vec<_>>().join("\n")
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown(admin::TrustPolicy<PolicyFile>);

impl Report for Shown {
    /// What isn't the file's is a comment in it.
    fn text(&self) -> String {
        let admin::TrustPolicy { domain, revision, milan, warnings, policy } = &self.0;
        let milan = match milan.as_str() {
            "listed-chips" => "only those whose chips are listed",
            "waived" => "all, by the waiver milan-without-chip-list",
            _ => "none",
        };
        let mut lines = vec![
            format!("# domain {domain}, revision {revision}"),
            format!("# sev-snp platforms of product milan: {milan}"),
        ];
        lines.extend(warnings.iter().map(|warning| format!("# warning: {warning}")));
        lines.push(file::text(policy).trim_end().to_owned());
        lines.join("\n")
    }
}
