//! `key-admin audit tail` and `query`: a line for each record.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use claviger_client::cli::{Failure, Report, clock};
use claviger_proto::DomainName;
use claviger_proto::admin::{AuditPage, AuditQuery, AuditRecord};
use serde::Serialize;

use crate::context::Context;
use crate::domain::path;

/// How often it is looked for new records. The broker reads the trail for each look.
const LOOK: Duration = Duration::from_secs(2);

/// Seconds that a record may have taken from its time to its place in the trail.
const LATE: i64 = 60;

/// Most records of one look, as many as the broker gives.
const MOST: usize = 10_000;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin audit tail --domain fleet
  key-admin audit tail --domain fleet --follow --output json

With --output json each record is a line of its own. --follow goes on until it is interrupted.")]
pub(crate) struct Tail {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Go on with the records that come
    #[arg(long)]
    follow: bool,
    /// Begin with so many, the newest
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    lines: u32,
}

pub(super) async fn run(context: &Context, args: &Tail) -> Result<(), Failure> {
    let path = format!("{}/audit/search", path(&args.domain));
    let api = context.api()?;
    // More than is told, so that what was there isn't taken for what comes.
    let lines = usize::try_from(args.lines).unwrap_or(MOST);
    let limit = if args.follow { MOST } else { lines };
    let first: AuditPage = api.post(&path, &AuditQuery { limit, ..AuditQuery::default() }).await?;
    let mut seen = Seen::default();
    let begun = clock::now();
    let mut records = seen.new_of(first.records);
    let mut told = tell(context, records.split_off(records.len().saturating_sub(lines)))?;
    while args.follow && told {
        tokio::time::sleep(LOOK).await;
        let since = Some(seen.newest.unwrap_or(begun).saturating_sub(LATE));
        let query = AuditQuery { since, limit: MOST, ..AuditQuery::default() };
        let page: AuditPage = api.post(&path, &query).await?;
        told = tell(context, seen.new_of(page.records))?;
    }
    Ok(())
}

/// Tells records, a line each; whether anybody still reads.
pub(super) fn tell(context: &Context, records: Vec<AuditRecord>) -> Result<bool, Failure> {
    for record in records {
        if !context.tell_line(&Line(record))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Which records were there already.
#[derive(Default)]
struct Seen {
    /// The newest one's time, seconds since 1970.
    newest: Option<i64>,
    records: BTreeSet<(i64, String, u64)>,
}

impl Seen {
    /// Those that weren't there yet.
    fn new_of(&mut self, mut records: Vec<AuditRecord>) -> Vec<AuditRecord> {
        records.retain(|record| self.records.insert((record.time, record.segment.clone(), record.number)));
        self.newest = self.newest.max(records.iter().map(|record| record.time).max());
        // What isn't asked for again needn't be remembered.
        let from = self.newest.unwrap_or_default().saturating_sub(LATE);
        self.records = self.records.split_off(&(from, String::new(), 0));
        records
    }
}

#[derive(Serialize)]
struct Line(AuditRecord);

impl Report for Line {
    fn text(&self) -> String {
        // A peer chooses some of it: it must not reach a terminal as it is.
        let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
        let AuditRecord { time, action, outcome, name, version, role, source, request_id, .. } = &self.0;
        let mut words = vec![clock::text(*time), plain(action), plain(outcome)];
        words.extend(name.as_deref().map(plain));
        words.extend(version.map(|version| format!("v{version}")));
        words.extend(self.0.policy_version.map(|version| format!("policy={version}")));
        words.extend(self.0.evidence_age.map(|age| format!("evidence={age}s")));
        if !self.0.principals.is_empty() {
            words.push(format!("principals={}", plain(&self.0.principals.join(","))));
        }
        words.extend([role, source, request_id].map(|text| plain(text)));
        words.join(" ")
    }
}
