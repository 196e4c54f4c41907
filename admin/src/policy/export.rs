//! `key-admin policy export`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use claviger_attest::certifier::{Export as Written, ExportError, ExportTerms, export};
use claviger_attest::{EvidenceKind, SigningKey, TrustPolicy};
use claviger_client::cli::{Failure, Report, clock};
use claviger_proto::{DomainName, ErrorCode};
use serde::Serialize;

use super::{file, get, policy_of};
use crate::context::Context;
use crate::files::write_new;
use crate::keys::{self, PolicyFiles};

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin policy export --format certifier --domain fleet --policy-key policy_key_file.bin \\
      --file fleet.toml --out policy.bin
  key-admin policy export --format certifier --domain fleet --policy-key policy_key_file.bin \\
      --kind simulated-enclave --out policy.bin

Without --file, the policy in force. Where stock simpleserver would admit more by it than the policy
does, nothing is written, unless --wider says that this is meant.")]
pub(crate) struct Export {
    /// For which programs
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Format,
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    #[command(flatten)]
    policy: PolicyFiles,
    /// A policy file, or - for standard input; without it, the policy in force
    #[arg(long, value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// The new file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only measurements of this kind: simulated-enclave or sev-snp
    #[arg(long, value_name = "KIND")]
    kind: Option<EvidenceKind>,
    /// For how long the claims are valid, where nothing ends them before
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Also where stock verifiers would admit more than the policy does
    #[arg(long)]
    wider: bool,
}

#[derive(ValueEnum, Clone, Copy)]
enum Format {
    /// policy.bin of the stock Certifier Framework: signed claims
    Certifier,
}

#[derive(Serialize)]
struct Told {
    domain: DomainName,
    written: PathBuf,
    claims: Vec<Claim>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Claim {
    says: String,
    /// Seconds since 1970.
    not_after: i64,
}

impl Report for Told {
    fn text(&self) -> String {
        let first = format!(
            "domain {}: {} claims written to {}",
            self.domain,
            self.claims.len(),
            self.written.display()
        );
        let claims = self.claims.iter().enumerate().map(|(at, Claim { says, not_after })| {
            format!("  {}: {says}\n     until {}", at + 1, clock::text(*not_after))
        });
        std::iter::once(first).chain(claims).collect::<Vec<_>>().join("\n")
    }
}

pub(super) async fn run(context: &Context, args: &Export) -> Result<(), Failure> {
    let Format::Certifier = args.format;
    let policy = policy(context, args).await?;
    let (key, certificate) = args.policy.pair(&args.domain)?;
    let key = SigningKey::from_private(&key).map_err(keys::broken)?;
    let now = clock::now();
    let not_after = now + i64::from(args.days) * 86_400;
    let terms = ExportTerms { kind: args.kind, wider: args.wider, now, not_after };
    let Written { bytes, claims, warnings } =
        export(&policy, &key, &certificate, &terms).map_err(|error| refused(&error))?;
    write_new(&args.out, &bytes)?;
    let claims = claims.into_iter().map(|(says, not_after)| Claim { says, not_after }).collect();
    context.warn(&warnings);
    context.tell(&Told { domain: args.domain.clone(), written: args.out.clone(), claims, warnings })
}

async fn policy(context: &Context, args: &Export) -> Result<TrustPolicy, Failure> {
    match &args.file {
        Some(path) => Ok(file::load(path)?.1),
        None => policy_of(&args.domain, get(context, &args.domain).await?.policy),
    }
}

fn refused(error: &ExportError) -> Failure {
    let next = match error {
        ExportError::Wider(_) => "change the policy, export one --kind, or say --wider if that is meant",
        ExportError::Key => "only a domain with an RSA policy key has a stock policy; others keep ours",
        ExportError::Nothing => "look at the policy: key-admin policy show",
        _ => "correct it and try again",
    };
    Failure::coded(ErrorCode::Refused, format!("{error}; nothing was written"), next)
}
