//! `key-admin revocation`

use clap::{Args, Subcommand, ValueEnum};
use claviger_attest::Revoked;
use claviger_client::cli::{Failure, Report, Table, clock};
use claviger_proto::DomainName;
use claviger_proto::admin::{self, AddRevocation};
use serde::Serialize;

use crate::context::Context;
use crate::domain::{self, InDomain};

#[derive(Subcommand)]
pub(crate) enum RevocationCommand {
    /// Revoke something, from the next request on, also on channels that are open
    Add(Add),
    /// List what a domain has revoked: when, by whom, why, until when
    #[command(after_help = "Example:\n  key-admin revocation list --domain fleet")]
    List(InDomain),
    /// Take a revocation back, from the next request on
    #[command(after_help = "\
Example:
  key-admin revocation remove --domain fleet instance vm-7")]
    Remove(Remove),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin revocation add --domain fleet certificate HEX --reason \"state stolen\" --lasts 365d
  key-admin revocation add --domain fleet enrolment HEX
  key-admin revocation add --domain fleet instance vm-7
  key-admin revocation add --domain fleet measurement HEX --reason \"vulnerable kernel\"
  key-admin revocation add --domain fleet principal ops

certificate: one, by its SHA-256 (key-admin audit list names it): a machine's, or one by which a principal is known.
enrolment: the certificate that a machine enrolled with, by its SHA-256, and all that are renewed from it.
instance: all that was admitted as this instance, by its id or label (key-admin ticket list).
measurement: all that runs this; the domain may trust it again later.
principal: by whatever certificate.

Who is revoked gets no answer but that, can't renew, and isn't admitted again as the same. A certificate's revocation can
be forgotten (--lasts) when the certificate has ended.")]
pub(crate) struct Add {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Of which kind
    #[arg(value_enum, value_name = "KIND")]
    kind: Kind,
    /// What of that kind
    #[arg(value_name = "WHAT")]
    what: String,
    /// Why, for the list and the audit; at most 128 bytes
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// For how long: a number and s, m, h or d; until it is taken back otherwise
    #[arg(long, value_name = "TIME", value_parser = clock::duration)]
    lasts: Option<i64>,
}

#[derive(Args)]
pub(crate) struct Remove {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Of which kind
    #[arg(value_enum, value_name = "KIND")]
    kind: Kind,
    /// What of that kind
    #[arg(value_name = "WHAT")]
    what: String,
}

#[derive(ValueEnum, Clone, Copy)]
enum Kind {
    /// One certificate
    Certificate,
    /// A machine's enrolment, with all renewals
    Enrolment,
    /// All that was admitted as this instance
    Instance,
    /// All that runs this
    Measurement,
    /// A principal
    Principal,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Enrolment => "enrolment",
            Self::Instance => "instance",
            Self::Measurement => "measurement",
            Self::Principal => "principal",
        }
    }

    /// What of this kind, as it is written: it is in no need of escaping then.
    fn of(self, what: &str) -> Result<Revoked, Failure> {
        let next = "see: key-admin revocation add --help";
        Revoked::new(self.as_str(), what).map_err(|error| Failure::new("usage", 2, error.to_string(), next))
    }
}

pub(crate) async fn run(context: &Context, command: &RevocationCommand) -> Result<(), Failure> {
    match command {
        RevocationCommand::Add(args) => {
            let what = args.kind.of(&args.what)?;
            let request = AddRevocation {
                kind: what.kind().to_owned(),
                what: what.to_string(),
                reason: args.reason.clone(),
                lasts: args.lasts,
            };
            let revocation = context.api()?.post(&path(&args.domain), &request).await?;
            context.tell(&Added { revocation })
        }
        RevocationCommand::List(args) => {
            let revocations = context.api()?.get(&path(&args.domain)).await?;
            context.tell(&All { revocations })
        }
        RevocationCommand::Remove(args) => {
            let what = args.kind.of(&args.what)?;
            let one = format!("{}/{}/{what}", path(&args.domain), what.kind());
            context.api()?.delete(&one).await?;
            context.tell(&Removed { kind: what.kind(), what: what.to_string(), done: true })
        }
    }
}

fn path(domain: &DomainName) -> String {
    format!("{}/revocations", domain::path(domain))
}

#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    revocation: admin::Revocation,
}

impl Report for Added {
    fn text(&self) -> String {
        let admin::Revocation { kind, what, until, .. } = &self.revocation;
        let until = until.map(|until| format!(", until {}", clock::text(until))).unwrap_or_default();
        format!("revoked: {kind} {what}{until}")
    }
}

#[derive(Serialize)]
struct All {
    revocations: Vec<admin::Revocation>,
}

impl Report for All {
    fn text(&self) -> String {
        let mut table = Table::new(["kind", "what", "since", "until", "by", "reason"]);
        for admin::Revocation { kind, what, reason, by, since, until } in &self.revocations {
            let until = until.map(clock::text).unwrap_or_default();
            table.row([kind.clone(), what.clone(), clock::text(*since), until, by.clone(), reason.clone()]);
        }
        table.render()
    }
}

#[derive(Serialize)]
struct Removed {
    kind: &'static str,
    what: String,
    #[serde(rename = "removed")]
    done: bool,
}

impl Report for Removed {
    fn text(&self) -> String {
        format!("no longer revoked: {} {}", self.kind, self.what)
    }
}
