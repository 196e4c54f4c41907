//! `key-admin audit`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use claviger_client::cli::{Failure, Report};
use claviger_proto::DomainName;
use claviger_proto::admin::AuditReport;
use serde::Serialize;

use crate::context::Context;
use crate::domain::path;

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Have the broker check every record, chain and checkpoint of a domain's audit trail
    Verify(Verify),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-admin audit verify --domain fleet

Exit code 0: nothing was found. 1: something was, and is listed.")]
pub(crate) struct Verify {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
}

pub(crate) async fn run(context: &Context, command: &Audit) -> Result<ExitCode, Failure> {
    let Audit::Verify(args) = command;
    let path = format!("{}/audit/verify", path(&args.domain));
    let spinner = context.spinner("the broker is checking the trail");
    let report = Verified { report: context.api()?.post(&path, &serde_json::json!({})).await? };
    drop(spinner);
    context.tell(&report)?;
    Ok(if report.report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    report: AuditReport,
}

impl Report for Verified {
    fn text(&self) -> String {
        let AuditReport { domain, ok, records, segments, checkpoints, findings } = &self.report;
        let verdict = if *ok { "nothing was found" } else { "NOT as it was written" };
        let mut text = format!(
            "audit of domain {domain}: {verdict}\n  {records} records in {} segments, {checkpoints} checkpoints",
            segments.len()
        );
        for finding in findings {
            text.push_str("\n  finding: ");
            text.push_str(finding);
        }
        text
    }
}
