//! `key-admin attest show`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use claviger_attest::{SnpProduct, SnpReport, TpmQuote};
use claviger_client::cli::{Failure, Report, input};
use claviger_proto::ErrorCode;
use serde::Serialize;

use super::{claims, quote, read_report};
use crate::context::Context;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin attest show --report report.bin
  key-admin attest show --report - --output json < report.bin | jq .claims.reported_tcb
  key-admin attest show --kind tpm --report quote.bin

Nothing is verified: key-admin attest verify does that.")]
pub(crate) struct Show {
    /// The kind of evidence
    #[arg(long, value_name = "KIND", default_value = "sev-snp")]
    kind: Kind,
    /// The report, 1184 bytes as the firmware gave them; of a TPM, the quote as its tools write it; `-` is standard input
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    /// Its product, which reports of version 2 don't name: milan, genoa or turin
    #[arg(long, value_name = "PRODUCT")]
    product: Option<SnpProduct>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A report of AMD SEV-SNP
    SevSnp,
    /// A quote of a TPM 2.0
    Tpm,
}

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'static str,
    report: &'a Path,
    #[serde(flatten)]
    said: Said,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Said {
    SevSnp { product: Option<SnpProduct>, claims: Box<claims::Claims> },
    Tpm { claims: quote::Claims },
}

impl Report for Shown<'_> {
    fn text(&self) -> String {
        let (what, lines) = match &self.said {
            Said::SevSnp { product, claims } => {
                let product = product.map_or("a product that it doesn't name", SnpProduct::as_str);
                (format!("report of {product}"), claims.lines())
            }
            Said::Tpm { claims } => ("quote".to_owned(), claims.lines()),
        };
        let first = format!("{} {what}, unverified: {}", self.kind, input::shown(self.report));
        std::iter::once(first).chain(lines).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn run(context: &Context, args: &Show) -> Result<(), Failure> {
    let (kind, said) = match args.kind {
        Kind::SevSnp => ("sev-snp", snp(args)?),
        Kind::Tpm => ("tpm", tpm(args)?),
    };
    context.tell(&Shown { kind, report: &args.report, said })
}

fn tpm(args: &Show) -> Result<Said, Failure> {
    if args.product.is_some() {
        return Err(Failure::new("usage", 2, "a TPM has no product", "leave --product out"));
    }
    let quote = TpmQuote::parse(&read_report(&args.report)?).map_err(|error| {
        let message = format!("{} isn't a quote that is known: {error}", input::shown(&args.report));
        Failure::coded(ErrorCode::Refused, message, "give the file that tpm2_quote -g sha256 -m wrote")
    })?;
    Ok(Said::Tpm { claims: quote::Claims::of(&quote) })
}

fn snp(args: &Show) -> Result<Said, Failure> {
    let report = SnpReport::read(&read_report(&args.report)?).map_err(|(rule, why)| {
        let message = format!("{} isn't a report that is known: {rule}: {why}", input::shown(&args.report));
        let next = "give the 1184 bytes of a report of version 2 to 5, as the firmware made them";
        Failure::coded(ErrorCode::Refused, message, next)
    })?;
    let product = args.product.or(report.product());
    Ok(Said::SevSnp { product, claims: Box::new(claims::Claims::of(&report, product)) })
}
