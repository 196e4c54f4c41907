//! `key-admin policy`

mod diff;
mod export;
pub(crate) mod file;
mod import;
mod prove;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_attest::{PolicyFault, PolicyFile, PolicyFileError, PolicyTable, ReferenceError, TrustPolicy};
use claviger_client::cli::{Failure, Report, clock};
use claviger_proto::admin::{self, AppliedPolicy, ApplyPolicy};
use claviger_proto::{DomainName, ErrorCode};
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
    /// Read a policy of the stock Certifier Framework, and say, write or put in force what it is as one of ours
    Import(import::Import),
    /// Write a policy as one of the stock Certifier Framework, signed by the policy key
    Export(export::Export),
    /// Prove from a stock policy and evidence that a key is trusted, step by step
    Prove(prove::Prove),
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
            let changes = changes(&policy_of(&args.domain, shown.policy)?, &new);
            let warnings = new.warnings(clock::now());
            context.warn(&warnings);
            let (domain, revision) = (args.domain.clone(), shown.revision);
            context.tell(&Differs { domain, revision, changes, warnings })
        }
        Policy::Show(args) => {
            let shown = get(context, &args.domain).await?;
            context.tell(&Shown(shown))
        }
        Policy::Import(args) => import::run(context, args).await,
        Policy::Export(args) => export::run(context, args).await,
        Policy::Prove(args) => prove::run(context, args),
    }
}

async fn apply(context: &Context, args: &Apply) -> Result<(), Failure> {
    let (policy, new) = file::load(&args.file)?;
    let before = get(context, &args.domain).await?;
    // Looked at first: an error changes nothing.
    let old = policy_of(&args.domain, before.policy)?;
    let request = ApplyPolicy { policy, if_revision: args.if_revision, dry_run: args.dry_run };
    let applied: AppliedPolicy = context.api()?.put(&path(&args.domain), &request).await?;
    let changes = changes(&old, &new);
    context.warn(&applied.warnings);
    context.tell(&Applied { applied, changes })
}

async fn get(context: &Context, domain: &DomainName) -> Result<admin::TrustPolicy<PolicyFile>, Failure> {
    context.api()?.get(&path(domain)).await
}

fn path(domain: &DomainName) -> String {
    format!("{}/policy", domain::path(domain))
}

/// What the broker shows is checked as any other file. A measurement that was kept before lengths were looked at is named
/// with what removes it; a broker's of such a length is nobody's, and goes with the next policy that is applied.
fn policy_of(domain: &DomainName, file: PolicyFile) -> Result<TrustPolicy, Failure> {
    TrustPolicy::from_file(file.clone()).or_else(|PolicyFileError { entry, fault }| {
        let value = entry.and_then(|(table, at)| Some((table, file.value(table, at)?)));
        match (value, &fault) {
            (Some((PolicyTable::Broker, _)), PolicyFault::Reference(ReferenceError::Length { .. })) => {
                let at = entry.map_or(0, |(_, at)| at);
                policy_of(domain, file.without_broker(at))
            }
            (
                Some((PolicyTable::Measurement, (kind, value))),
                PolicyFault::Reference(ReferenceError::Length { .. }),
            ) => {
                let message = format!(
                    "the policy in force trusts {kind} {value}, which no machine can have: {fault}; nothing was changed"
                );
                let remove = format!(
                    "remove it: key-admin trust remove --domain {domain} --kind {kind} --measurement {value}"
                );
                Err(Failure::coded(ErrorCode::Conflict, message, remove))
            }
            (value, fault) => {
                let value = value.map(|(table, (kind, value))| format!("{} {kind} {value}: ", table.as_str()));
                let message =
                    format!("the broker's policy can't be read: {}{fault}", value.unwrap_or_default());
                Err(Failure::new("protocol", 1, message, "check that both programs are of one version"))
            }
        }
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
