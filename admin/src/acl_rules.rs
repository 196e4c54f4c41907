//! `key-admin acl rules`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_client::cli::{Failure, Report, input};
use claviger_proto::admin::{AclRules, AclRulesInForce};
use claviger_proto::{DomainName, ErrorCode};
use serde::Serialize;

use crate::context::Context;
use crate::domain::{InDomain, path};

/// Largest file of rules, in bytes, as brokers take them.
const MAX_RULES: usize = 32 << 10;

#[derive(Subcommand)]
pub(crate) enum Rules {
    /// Put the rules of a file in force beside the preset's, in place of those that were
    Set(Set),
    /// Show them
    #[command(after_help = "Example:\n  key-admin acl rules show --domain fleet")]
    Show(InDomain),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin acl rules set --domain fleet rules.csv
  echo 'p, member, fleet, disks/**, retrieve, deny, unless fresh-within 5m' \\
      | key-admin acl rules set --domain fleet -
  key-admin acl rules set --domain fleet - </dev/null

A line is `p, SUBJECT, DOMAIN, RESOURCE, ACTION, EFFECT[, CONDITION]`. SUBJECT: member, measurement:HEX,
fingerprint:HEX, label:NAME, role:NAME. RESOURCE: a name, in which * stands for one segment, and ** at the end for all
that follow. ACTION: store, retrieve, list, versions, delete, destroy, rotate. EFFECT: allow, or deny, which wins.
CONDITION: after allow `if ...`, after deny `unless ...`, of these, joined by `and`: `fresh-within 5m`, `principal NAME`,
`source 10.9.0.0/16`, `between mon-fri 08:00-18:00` (UTC), `tcb-at-least bootloader=4 snp=22`.
`g, SUBJECT, role:NAME, DOMAIN` gives a role; a line that begins with # says nothing.")]
pub(crate) struct Set {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// The file, or - for standard input; an empty one is no rules
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

pub(crate) async fn run(context: &Context, command: &Rules) -> Result<(), Failure> {
    let rules: AclRulesInForce = match command {
        Rules::Set(args) => {
            let bytes = input::read(&args.file, MAX_RULES)?;
            let text = std::str::from_utf8(bytes.expose()).map_err(|_| {
                let message = format!("{} isn't text", input::shown(&args.file));
                Failure::coded(ErrorCode::Refused, message, "give rules as text, one to a line")
            })?;
            let rules = AclRules { rules: text.to_owned() };
            context.api()?.put(&place(&args.domain), &rules).await?
        }
        Rules::Show(args) => context.api()?.get(&place(&args.domain)).await?,
    };
    context.warn(&rules.warnings);
    context.tell(&Told(rules))
}

pub(crate) fn place(domain: &DomainName) -> String {
    format!("{}/acl-rules", path(domain))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Told(AclRulesInForce);

impl Report for Told {
    fn text(&self) -> String {
        match self.0.rules.trim_end() {
            "" => "no rules beside the preset's".to_owned(),
            rules => rules.to_owned(),
        }
    }
}
