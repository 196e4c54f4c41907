//! `key-admin audit set`

use clap::{Args, ValueEnum};
use claviger_client::cli::{Failure, Report};
use claviger_proto::DomainName;
use claviger_proto::admin::{AuditSync, AuditTerms, Domain};
use serde::Serialize;

use crate::context::Context;
use crate::domain::path;

/// When records are on the disk.
#[derive(Clone, Copy, ValueEnum)]
enum Sync {
    /// Before the answer leaves: they survive a loss of power. Each answer waits for the disk
    Durable,
    /// Soon after; before the answer leaves they are written, and survive the end of the broker
    Written,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin audit set --domain fleet --sync durable
  key-admin audit set --domain fleet --sync written

A new domain has written. What is stored is durable before its answer with either, and so is its record.")]
pub(crate) struct Set {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// When records are on the disk
    #[arg(long, value_enum)]
    sync: Sync,
}

pub(super) async fn run(context: &Context, args: &Set) -> Result<(), Failure> {
    let sync = match args.sync {
        Sync::Durable => AuditSync::Durable,
        Sync::Written => AuditSync::Written,
    };
    let path = format!("{}/audit/terms", path(&args.domain));
    let domain: Domain = context.api()?.put(&path, &AuditTerms { sync }).await?;
    context.tell(&Terms { domain: domain.name, audit_sync: domain.audit_sync })
}

#[derive(Serialize)]
struct Terms {
    domain: DomainName,
    audit_sync: AuditSync,
}

impl Report for Terms {
    fn text(&self) -> String {
        let when = match self.audit_sync {
            AuditSync::Durable => "are on the disk before their answers leave",
            AuditSync::Written => "are written before their answers leave, and on the disk soon after",
        };
        format!("domain {}: records of its audit {when}", self.domain)
    }
}
