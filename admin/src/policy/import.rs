//! `key-admin policy import`

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

use std::path::{Path, PathBuf};

use clap::Args;
use claviger_attest::TrustPolicy;
use claviger_attest::certifier::{Imported, StockPolicy, Understood, beyond_import};
use claviger_client::cli::certificates::read_policy_of;
use claviger_client::cli::{Failure, Report, clock, input};
use claviger_proto::admin::{AppliedPolicy, ApplyPolicy};
use claviger_proto::certifier_policy::MAX_POLICY;
use claviger_proto::{DomainName, ErrorCode};
use serde::Serialize;

use super::diff::{Change, changes};
use super::{file, get, path, policy_of};
use crate::context::Context;
use crate::files::write_new;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin policy import policy.bin --domain fleet --policy-cert policy_cert_file.bin
  key-admin policy import policy.bin --domain fleet --policy-cert policy_cert_file.bin \\
      --out fleet.toml
  key-admin policy import policy.bin --domain fleet --policy-cert policy_cert_file.bin \\
      --apply --dry-run

Every claim has to be signed by the policy key, within its dates, and understood; or nothing is
imported. Without --out and --apply it says what it understood, and writes nothing.")]
pub(crate) struct Import {
    /// The stock policy: signed claims, as package_claims.exe writes them; or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Its policy certificate: PEM, DER, key_message or trust-anchors
    #[arg(long, value_name = "FILE")]
    policy_cert: PathBuf,
    /// Write the policy to this new file, or - for standard output, to be looked at and then applied
    #[arg(long, value_name = "FILE|-", conflicts_with = "apply")]
    out: Option<PathBuf>,
    /// Put it in force at once, in the place of the domain's policy
    #[arg(long)]
    apply: bool,
    /// With --apply: say what it would change, and change nothing
    #[arg(long, requires = "apply")]
    dry_run: bool,
    /// With --apply: only if the policy in force has this revision
    #[arg(long, value_name = "N", requires = "apply")]
    if_revision: Option<u64>,
    /// Judge dates as at this time, in RFC 3339, instead of now
    #[arg(long, value_name = "TIME", value_parser = clock::time, conflicts_with = "apply")]
    at: Option<i64>,
}

#[derive(Serialize)]
struct Claim {
    #[serde(rename = "claim")]
    number: usize,
    says: String,
    /// Seconds since 1970.
    not_after: i64,
    becomes: String,
}

#[derive(Serialize)]
struct Told {
    domain: DomainName,
    claims: Vec<Claim>,
    warnings: Vec<String>,
    /// The policy file's text.
    policy: String,
    written: Option<PathBuf>,
    applied: Option<AppliedPolicy>,
    changes: Vec<Change>,
}

impl Report for Told {
    fn text(&self) -> String {
        let mut lines =
            vec![format!("domain {}: a stock policy of {} claims", self.domain, self.claims.len())];
        lines.extend(claim_lines(&self.claims));
        match (&self.written, &self.applied) {
            (Some(path), _) => lines.push(format!("written to {}", path.display())),
            (None, Some(AppliedPolicy { revision, dry_run: true, .. })) => {
                lines.push(format!("the policy is good; nothing was changed (revision {revision})"));
            }
            (None, Some(AppliedPolicy { revision, .. })) => {
                lines.push(format!("the policy is in force, revision {revision}"));
            }
            (None, None) => {
                lines.push("nothing was written; --out FILE writes it, --apply puts it in force".to_owned());
            }
        }
        lines.extend(self.changes.iter().map(|change| format!("  {change}")));
        lines.join("\n")
    }
}

fn claim_lines(claims: &[Claim]) -> impl Iterator<Item = String> {
    claims.iter().flat_map(|Claim { number, says, not_after, becomes }| {
        [format!("  {number}: {says}"), format!("     until {}: {becomes}", clock::text(*not_after))]
    })
}

pub(super) async fn run(context: &Context, args: &Import) -> Result<(), Failure> {
    let imported = read(args)?;
    let now = args.at.unwrap_or_else(clock::now);
    let mut warnings = imported.warnings.clone();
    warnings.extend(imported.policy.warnings(now));
    let claim = |told: Understood| {
        let Understood { claim: number, says, becomes, not_after } = told;
        Claim { number, says, not_after, becomes }
    };
    let claims: Vec<Claim> = imported.understood.into_iter().map(claim).collect();
    let mut told = Told {
        domain: args.domain.clone(),
        policy: text(&args.domain, &claims, &imported.policy),
        claims,
        warnings,
        written: None,
        applied: None,
        changes: Vec::new(),
    };
    if args.apply {
        let (applied, changes) = apply(context, args, &imported.policy).await?;
        (told.applied, told.changes) = (Some(applied), changes);
    }
    context.warn(&told.warnings);
    match args.out.as_deref() {
        Some(out) if out == Path::new("-") => context.print_beside(&told.policy, &told),
        Some(out) => {
            write_new(out, told.policy.as_bytes())?;
            told.written = Some(out.to_owned());
            context.tell(&told)
        }
        None => context.tell(&told),
    }
}

fn read(args: &Import) -> Result<Imported, Failure> {
    let certificate = read_policy_of(&args.policy_cert, &args.domain)?;
    if let Some(named) = certificate.domain_named().filter(|named| *named != args.domain.as_str()) {
        let message = format!(
            "{} is the policy certificate of domain {named}, not of {}",
            input::shown(&args.policy_cert),
            args.domain
        );
        return Err(Failure::coded(ErrorCode::Refused, message, "give --domain as the certificate names it"));
    }
    let bytes = input::read(&args.file, MAX_POLICY)?;
    let now = args.at.unwrap_or_else(clock::now);
    let refused = |why: String, next| {
        let message = format!("the stock policy {}: {why}; nothing was imported", input::shown(&args.file));
        Failure::coded(ErrorCode::Refused, message, next)
    };
    StockPolicy::read(bytes.expose(), &certificate, now)
        .map_err(|error| {
            refused(error.to_string(), "have the claim made anew, or leave it out of the package")
        })?
        .import()
        .map_err(|error| refused(error.to_string(), "change the claims, or write a policy file by hand"))
}

/// The policy file, with where it comes from as comments.
fn text(domain: &DomainName, claims: &[Claim], policy: &TrustPolicy) -> String {
    let mut lines = vec![format!("# domain {domain}, from a stock policy of {} claims", claims.len())];
    lines.extend(claim_lines(claims).map(|line| format!("# {line}")));
    lines.push(String::new());
    lines.push(file::text(&policy.to_file()));
    lines.join("\n")
}

async fn apply(
    context: &Context,
    args: &Import,
    policy: &TrustPolicy,
) -> Result<(AppliedPolicy, Vec<Change>), Failure> {
    let before = get(context, &args.domain).await?;
    let old = policy_of(&args.domain, before.policy)?;
    let gone = beyond_import(&old);
    if !gone.is_empty() {
        let message = format!(
            "the policy in force says what no stock policy can, and it would be gone: {}; nothing was changed",
            gone.join(", ")
        );
        let next = "write the import to a file (--out), put that into it too, and key-admin policy apply it";
        return Err(Failure::coded(ErrorCode::Conflict, message, next));
    }
    // What was just looked at must be what is replaced.
    let if_revision = Some(args.if_revision.unwrap_or(before.revision));
    let request = ApplyPolicy { policy: policy.to_file(), if_revision, dry_run: args.dry_run };
    let applied = context.api()?.put(&path(&args.domain), &request).await?;
    Ok((applied, changes(&old, policy)))
}
