//! `key-admin attest show`

use std::path::{Path, PathBuf};

use clap::Args;
use claviger_attest::{SnpProduct, SnpReport};
use claviger_client::cli::{Failure, Report, input};
use claviger_proto::ErrorCode;
use serde::Serialize;

use super::claims::Claims;
use super::read_report;
use super::verify::Kind;
use crate::context::Context;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin attest show --report report.bin
  key-admin attest show --report - --output json < report.bin | jq .claims.reported_tcb

Nothing is verified: key-admin attest verify does that.")]
pub(crate) struct Show {
    /// The kind of evidence
    #[arg(long, value_name = "KIND", default_value = "sev-snp")]
    kind: Kind,
    /// The report, 1184 bytes as the firmware gave them; `-` is standard input
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    /// Its product, which reports of version 2 don't name: milan, genoa or turin
    #[arg(long, value_name = "PRODUCT")]
    product: Option<SnpProduct>,
}

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'static str,
    report: &'a Path,
    product: Option<SnpProduct>,
    claims: Claims,
}

impl Report for Shown<'_> {
    fn text(&self) -> String {
        let product = self.product.map_or("a product that it doesn't name", SnpProduct::as_str);
        let first = format!("{} report of {product}, unverified: {}", self.kind, input::shown(self.report));
        std::iter::once(first).chain(self.claims.lines()).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn run(context: &Context, args: &Show) -> Result<(), Failure> {
    let report = SnpReport::read(&read_report(&args.report)?).map_err(|(rule, why)| {
        let message = format!("{} isn't a report that is known: {rule}: {why}", input::shown(&args.report));
        let next = "give the 1184 bytes of a report of version 2 to 5, as the firmware made them";
        Failure::coded(ErrorCode::Refused, message, next)
    })?;
    let product = args.product.or(report.product());
    let claims = Claims::of(&report, product);
    context.tell(&Shown { kind: args.kind.as_str(), report: &args.report, product, claims })
}
