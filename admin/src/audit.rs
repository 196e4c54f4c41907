//! `key-admin audit`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use claviger_client::cli::{Failure, Report, Table, clock};
use claviger_proto::DomainName;
use claviger_proto::admin::{AuditPage, AuditQuery, AuditReport};
use serde::Serialize;

use crate::context::Context;
use crate::domain::path;

mod export;
mod offline;
mod set;
mod tail;

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Check every record, chain and checkpoint of a domain's audit trail: the broker does, or you do, on an export
    Verify(Verify),
    /// List records of a domain's audit trail, the newest last
    List(List),
    /// The same, a line for each record
    Query(List),
    /// Show the newest records of a domain's audit trail, and those that come
    Tail(tail::Tail),
    /// Write a domain's audit trail to a file that is checked without the broker
    Export(export::Export),
    /// Have a domain's records on the disk before their answers leave, or only written
    Set(set::Set),
    /// Make a checkpoint of a domain's audit trail, and write it to a file to keep
    Checkpoint(export::Checkpoint),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin audit list --domain fleet
  key-admin audit list --domain fleet --since 1h --outcome not-found
  key-admin audit list --domain fleet --name disks/a --output json
  key-admin audit query --domain fleet --since 1h --output json

The broker reads the trail as far as it is whole; whether it is, says key-admin audit verify.")]
pub(crate) struct List {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// None older: a time (2027-03-31T00:00:00Z), or how long ago (45s, 30m, 12h, 90d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// None newer, in the same way
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
    /// Of this resource only, without the domain's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Of this kind only: store, retrieve, enroll, or another that the list shows
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// That ended so only: ok, or an error code
    #[arg(long, value_name = "CODE")]
    outcome: Option<String>,
    /// Of the peer only whose certificate's SHA-256 begins so
    #[arg(long, value_name = "HEX")]
    peer: Option<String>,
    /// Of this request only, by the id in its answer and in the log
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// A time, or how long ago it was.
fn moment(text: &str) -> Result<i64, String> {
    if let Ok(ago) = clock::duration(text) {
        return Ok(clock::now() - ago);
    }
    clock::time(text).map_err(|_| "2027-03-31T00:00:00Z, or how long ago: 45s, 30m, 12h, 90d".to_owned())
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin audit verify --domain fleet
  key-admin audit verify --export fleet.audit --policy-cert fleet/policy-cert.pem
  key-admin audit verify --export fleet.audit --policy-cert fleet/policy-cert.pem --since kept.checkpoint

With --export no broker is asked; what is said is what the policy certificate, the file and the kept checkpoint show,
and what they can't show is said as well.

Exit code 0: nothing was found. 1: something was, and is listed.")]
pub(crate) struct Verify {
    /// The domain, to have its broker check the trail where it lies
    #[arg(long, value_name = "DOMAIN", required_unless_present = "export", conflicts_with = "export")]
    domain: Option<DomainName>,
    #[command(flatten)]
    offline: offline::Offline,
}

pub(crate) async fn run(context: &Context, command: &Audit) -> Result<ExitCode, Failure> {
    match command {
        Audit::Verify(Verify { domain: Some(domain), .. }) => verify(context, domain).await,
        Audit::Verify(Verify { offline, .. }) => offline::run(context, offline),
        Audit::List(args) => list(context, args).await.map(|()| ExitCode::SUCCESS),
        Audit::Query(args) => {
            let page = search(context, args).await?;
            tail::tell(context, page.records).map(|_| ExitCode::SUCCESS)
        }
        Audit::Tail(args) => tail::run(context, args).await.map(|()| ExitCode::SUCCESS),
        Audit::Export(args) => export::run(context, args).await.map(|()| ExitCode::SUCCESS),
        Audit::Set(args) => set::run(context, args).await.map(|()| ExitCode::SUCCESS),
        Audit::Checkpoint(args) => export::checkpoint(context, args).await.map(|()| ExitCode::SUCCESS),
    }
}

async fn list(context: &Context, args: &List) -> Result<(), Failure> {
    context.tell(&Listed { page: search(context, args).await? })
}

async fn search(context: &Context, args: &List) -> Result<AuditPage, Failure> {
    let query = AuditQuery {
        since: args.since,
        until: args.until,
        name: args.name.clone(),
        action: args.action.clone(),
        outcome: args.outcome.clone(),
        peer: args.peer.as_deref().map(str::to_ascii_lowercase),
        request_id: args.request.clone(),
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
    };
    let path = format!("{}/audit/search", path(&args.domain));
    context.api()?.post(&path, &query).await
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    page: AuditPage,
}

impl Report for Listed {
    fn text(&self) -> String {
        let columns =
            ["time", "action", "outcome", "name", "version", "role", "peer", "source", "policy", "request"];
        let mut table = Table::new(columns);
        for record in &self.page.records {
            // A peer chooses some of it: it must not reach a terminal as it is.
            let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
            table.row([
                clock::text(record.time),
                plain(&record.action),
                plain(&record.outcome),
                record.name.as_deref().map(plain).unwrap_or_default(),
                record.version.map(|version| version.to_string()).unwrap_or_default(),
                plain(&record.role),
                record.peer.as_deref().map(|peer| peer.chars().take(16).collect()).unwrap_or_default(),
                plain(&record.source),
                record.policy_version.map(|version| version.to_string()).unwrap_or_default(),
                plain(&record.request_id),
            ]);
        }
        let more = if self.page.more { "\nthere are older ones; see --limit and --until" } else { "" };
        table.render() + more
    }
}

async fn verify(context: &Context, domain: &DomainName) -> Result<ExitCode, Failure> {
    let path = format!("{}/audit/verify", path(domain));
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
        let AuditReport { domain, ok, records, segments, checkpoints, findings, policy_key_held_by } =
            &self.report;
        let verdict = if *ok { "nothing was found" } else { "NOT as it was written" };
        let mut text = format!(
            "audit of domain {domain}: {verdict}\n  {records} records in {} segments, {checkpoints} checkpoints",
            segments.len()
        );
        if policy_key_held_by == "broker" {
            text.push_str(
                "\n  the broker holds the policy key: what it says of who was admitted is its own word",
            );
        } else if policy_key_held_by == "owner" {
            text.push_str("\n  the owner holds the policy key");
        }
        for finding in findings {
            text.push_str("\n  finding: ");
            text.push_str(finding);
        }
        text
    }
}
