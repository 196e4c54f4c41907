//! `key-admin quota`

use clap::{Args, Subcommand, ValueEnum};
use claviger_client::cli::{Failure, Report, Table};
use claviger_proto::DomainName;
use claviger_proto::admin::{DomainQuota, Quotas};
use serde::Serialize;

use crate::context::Context;
use crate::domain::{InDomain, path};

#[derive(Subcommand)]
pub(crate) enum Quota {
    /// Show how much a domain may take of this broker, and what it takes up
    #[command(after_help = "Example:\n  key-admin quota show --domain fleet")]
    Show(InDomain),
    /// Let a domain take so much; what isn't named stays as it is
    Set(Set),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin quota set --domain fleet --names 5000 --bytes 200M
  key-admin quota set --domain fleet --requests-per-second 500 --connections 1000
  key-admin quota set --domain fleet --default names --default bytes

In force for the next request, also on connections that are open. Fewer than there are takes nothing away: what is stored
stays, and connections stay open.

Who is over a quota of what is stored is refused (quota-exceeded, exit status 3); who is over a rate, or over the
connections, is told to come back (busy, exit status 8).")]
pub(crate) struct Set {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Most names that have had a version
    #[arg(long, value_name = "N")]
    names: Option<u64>,
    /// Most bytes: of secrets that aren't destroyed, and 256 for each version; K, M, G and T stand for 2^10 to 2^40
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    bytes: Option<u64>,
    /// Most versions of one name, destroyed ones too
    #[arg(long, value_name = "N")]
    versions_per_name: Option<u32>,
    /// Most requests begun in a second
    #[arg(long, value_name = "N")]
    requests_per_second: Option<u32>,
    /// Most TLS handshakes begun in a second
    #[arg(long, value_name = "N")]
    handshakes_per_second: Option<u32>,
    /// Most open connections of members
    #[arg(long, value_name = "N")]
    connections: Option<u32>,
    /// What is to be as for every domain again
    #[arg(long, value_enum, value_name = "QUOTA")]
    default: Vec<Which>,
}

#[derive(ValueEnum, Clone, Copy)]
enum Which {
    Names,
    Bytes,
    VersionsPerName,
    RequestsPerSecond,
    HandshakesPerSecond,
    Connections,
}

/// A number of bytes, with or without a unit.
fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'K')) => (&text[..at], 1 << 10),
        Some((at, 'M')) => (&text[..at], 1 << 20),
        Some((at, 'G')) => (&text[..at], 1 << 30),
        Some((at, 'T')) => (&text[..at], 1 << 40),
        _ => (text, 1_u64),
    };
    let number: Option<u64> = number.parse().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "it is a number, such as 4096 or 200M".to_owned())
}

impl Set {
    /// What is said after this, of what was said before.
    fn of(&self, before: Quotas) -> Quotas {
        let mut quotas = before;
        for which in &self.default {
            match which {
                Which::Names => quotas.names = None,
                Which::Bytes => quotas.bytes = None,
                Which::VersionsPerName => quotas.versions_per_name = None,
                Which::RequestsPerSecond => quotas.requests_per_second = None,
                Which::HandshakesPerSecond => quotas.handshakes_per_second = None,
                Which::Connections => quotas.connections = None,
            }
        }
        Quotas {
            names: self.names.or(quotas.names),
            bytes: self.bytes.or(quotas.bytes),
            versions_per_name: self.versions_per_name.or(quotas.versions_per_name),
            requests_per_second: self.requests_per_second.or(quotas.requests_per_second),
            handshakes_per_second: self.handshakes_per_second.or(quotas.handshakes_per_second),
            connections: self.connections.or(quotas.connections),
        }
    }
}

pub(crate) async fn run(context: &Context, command: &Quota) -> Result<(), Failure> {
    let api = context.api()?;
    let at = |domain| format!("{}/quota", path(domain));
    match command {
        Quota::Show(args) => {
            let quota = api.get(&at(&args.domain)).await?;
            context.tell(&Told { quota })
        }
        Quota::Set(args) => {
            let before: DomainQuota = api.get(&at(&args.domain)).await?;
            let quota = api.put(&at(&args.domain), &args.of(before.set)).await?;
            context.tell(&Told { quota })
        }
    }
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    quota: DomainQuota,
}

impl Report for Told {
    fn text(&self) -> String {
        let DomainQuota { domain, set, in_force, used } = &self.quota;
        let used = [Some(used.names), Some(used.bytes), None, None, None, Some(used.connections)];
        let mut table = Table::new(["quota", "used", "at most", "said by"]);
        for (((name, most), (_, own)), used) in in_force.named().into_iter().zip(set.named()).zip(used) {
            let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
            let by = if own.is_some() { "quota set" } else { "configuration" };
            table.row([name.to_owned(), number(used), number(most), by.to_owned()]);
        }
        format!("domain {domain}\n{}", table.render())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        for (text, number) in
            [("1", 1), ("4096", 4096), ("2K", 2048), ("200M", 200 << 20), ("3G", 3 << 30), ("1T", 1 << 40)]
        {
            assert_eq!(bytes(text), Ok(number), "{text}");
        }
        for bad in ["", "M", "1.5M", "-1", "10MB", "1k", "99999999999T", "\u{e9}"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
