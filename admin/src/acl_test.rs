//! `key-admin acl test` and `key-admin acl explain`

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use claviger_client::cli::{Failure, Report, clock};
use claviger_proto::admin::{AclAnswer, AclQuestion, AclRule, AuditPage, AuditQuery, AuditRecord};
use claviger_proto::key::read_certificate;
use claviger_proto::{DomainName, ErrorCode};
use serde::Serialize;

use crate::context::Context;
use crate::domain::path;
use crate::keys;

/// What a command ends with where the answer is no.
const MAY_NOT: u8 = 3;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin acl test --domain fleet --label web retrieve disks/a
  key-admin acl test --domain fleet --certificate vm-cert.pem --fresh-within 0m retrieve disks/a
  key-admin acl test --domain fleet --measurement HEX --instance vm-7 --principal ops destroy disks/a
  key-admin acl test --domain fleet --label web --source 10.9.1.2 --at 2026-01-31T22:30:00Z store backups/a

Exit code 0: it may. 3: it may not, or not without proving more on its channel. The rules in force answer, those that
decide requests; nothing is looked up, so a resource need not exist.")]
pub(crate) struct Test {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    #[command(flatten)]
    who: Who,
    /// store, retrieve, list, versions, delete, destroy or rotate
    #[arg(value_name = "ACTION")]
    action: String,
    /// The resource, without the domain's name
    #[arg(value_name = "RESOURCE")]
    resource: String,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin acl explain --domain fleet --label web retrieve disks/a
  key-admin acl explain --domain fleet --request-id 5f0c1e8a-42

Exit code 0 whatever the rules say. A request's id is in the error that the machine got, and in the broker's log; the
rule in the record is the one that was in force then.")]
pub(crate) struct Explain {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    #[command(flatten)]
    who: Option<Who>,
    /// A request that was answered, by its id, in the place of who and what
    #[arg(long, value_name = "ID", conflicts_with_all = ["Who", "action", "resource"])]
    request_id: Option<String>,
    /// store, retrieve, list, versions, delete, destroy or rotate
    #[arg(value_name = "ACTION", required_unless_present = "request_id")]
    action: Option<String>,
    /// The resource, without the domain's name
    #[arg(value_name = "RESOURCE", required_unless_present = "request_id")]
    resource: Option<String>,
}

/// Who asks.
#[derive(Args)]
#[group(id = "Who", multiple = true)]
struct Who {
    /// The machine with this admission certificate (PEM or DER)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["measurement", "label", "fingerprint", "instance"])]
    certificate: Option<PathBuf>,
    /// A machine that runs this
    #[arg(long, value_name = "HEX", conflicts_with = "label")]
    measurement: Option<String>,
    /// A machine that runs what the domain calls so
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// The machine whose certificate has this SHA-256
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
    /// The machine that is this instance, by its id or its label
    #[arg(long, value_name = "HEX|NAME")]
    instance: Option<String>,
    /// This principal proved itself on the channel; may be given several times
    #[arg(long, value_name = "NAME")]
    principal: Vec<String>,
    /// The machine gave evidence on the channel, which is so old: 0m, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = age)]
    fresh_within: Option<u32>,
    /// The machine asks from this address
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// It asks at this time, like 2026-01-31T22:30:00Z; without it, now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<u64>,
    /// Its platform reports this TCB, like "bootloader=4 snp=22"
    #[arg(long, value_name = "PARTS", conflicts_with = "certificate")]
    tcb: Option<String>,
}

impl Who {
    fn asks(&self, action: &str, resource: &str) -> Result<AclQuestion, Failure> {
        let read =
            |file: &PathBuf| keys::read_as(file, read_certificate, "give one certificate, as PEM or DER");
        Ok(AclQuestion {
            certificate: self.certificate.as_ref().map(read).transpose()?.map(hex::encode),
            measurement: self.measurement.clone(),
            label: self.label.clone(),
            fingerprint: self.fingerprint.as_deref().map(str::to_ascii_lowercase),
            instance: self.instance.clone(),
            principals: self.principal.clone(),
            fresh_age: self.fresh_within,
            source: self.source.map(|address| address.to_string()),
            at: self.at,
            tcb: self.tcb.clone(),
            action: action.to_owned(),
            resource: resource.to_owned(),
        })
    }

    fn is_named(&self) -> bool {
        let Self { measurement, label, fingerprint, instance, certificate, .. } = self;
        [measurement, label, fingerprint, instance].into_iter().any(Option::is_some) || certificate.is_some()
    }
}

/// A time since 1970.
fn time(text: &str) -> Result<u64, String> {
    clock::time(text)?.try_into().map_err(|_| "it has to be after 1970".to_owned())
}

/// A time span, or none at all.
fn age(text: &str) -> Result<u32, String> {
    if ["0s", "0m", "0h", "0d"].contains(&text) {
        return Ok(0);
    }
    clock::duration(text)?.try_into().map_err(|_| "evidence is at most some years old".to_owned())
}

pub(crate) async fn test(context: &Context, args: &Test) -> Result<ExitCode, Failure> {
    let answer = ask(context, &args.domain, &args.who, &args.action, &args.resource).await?;
    let allowed = answer.allowed;
    context.tell(&Tested(answer))?;
    Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::from(MAY_NOT) })
}

pub(crate) async fn explain(context: &Context, args: &Explain) -> Result<(), Failure> {
    if let Some(id) = &args.request_id {
        return recorded(context, &args.domain, id).await;
    }
    match (&args.who, &args.action, &args.resource) {
        (Some(who), Some(action), Some(resource)) => {
            let answer = ask(context, &args.domain, who, action, resource).await?;
            context.tell(&Explained(answer))
        }
        _ => Err(nobody()),
    }
}

async fn ask(
    context: &Context,
    domain: &DomainName,
    who: &Who,
    action: &str,
    resource: &str,
) -> Result<AclAnswer, Failure> {
    if !who.is_named() {
        return Err(nobody());
    }
    let question = who.asks(action, resource)?;
    let answer: AclAnswer = context.api()?.post(&format!("{}/acl-decision", path(domain)), &question).await?;
    context.warn(&answer.warnings);
    Ok(answer)
}

fn nobody() -> Failure {
    let next = "name who asks: --certificate, --measurement, --label, --fingerprint or --instance";
    Failure::new("usage", 2, "it isn't said who asks", next)
}

/// What the domain's trail has of a request.
async fn recorded(context: &Context, domain: &DomainName, id: &str) -> Result<(), Failure> {
    let query = AuditQuery { request_id: Some(id.to_owned()), ..AuditQuery::default() };
    let page: AuditPage = context.api()?.post(&format!("{}/audit/search", path(domain)), &query).await?;
    if page.records.is_empty() {
        let message = format!("the trail of {domain} has no request {id}");
        let next = "check the id and the domain; key-admin audit list shows what there is";
        return Err(Failure::coded(ErrorCode::NotFound, message, next));
    }
    context.tell(&Recorded { records: page.records })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Tested(AclAnswer);

impl Report for Tested {
    fn text(&self) -> String {
        verdict(&self.0)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Explained(AclAnswer);

impl Report for Explained {
    fn text(&self) -> String {
        let rules = self.0.rules.iter().map(rule);
        std::iter::once(verdict(&self.0)).chain(rules).collect::<Vec<_>>().join("\n")
    }
}

fn verdict(AclAnswer { allowed, code, why, .. }: &AclAnswer) -> String {
    match code {
        Some(ErrorCode::ProofNeeded) => format!("not yet (proof-needed): {why}"),
        Some(code) => format!("no ({code}): {why}"),
        None if *allowed => format!("yes: {why}"),
        None => format!("no: {why}"),
    }
}

fn rule(AclRule { preset, line, text, lacks, .. }: &AclRule) -> String {
    let whose =
        preset.as_ref().map_or_else(|| "the owner's rules".to_owned(), |preset| format!("preset {preset}"));
    let lacks = match lacks[..] {
        [] => String::new(),
        _ => format!("\n    what doesn't hold: {}", lacks.join(" and ")),
    };
    format!("  {whose}, line {line}: {text}{lacks}")
}

#[derive(Serialize)]
struct Recorded {
    records: Vec<AuditRecord>,
}

impl Report for Recorded {
    fn text(&self) -> String {
        // A peer chooses some of it: it must not reach a terminal as it is.
        let plain = |text: &str| text.replace(char::is_control, "\u{fffd}");
        let told = |record: &AuditRecord| {
            let name = record.name.as_deref().map(|name| format!(" {}", plain(name))).unwrap_or_default();
            let reason = record
                .reason
                .as_deref()
                .map_or_else(|| "the record names no rule: none decided it".to_owned(), plain);
            let (action, outcome) = (plain(&record.action), plain(&record.outcome));
            format!("{} {action}{name}: {outcome}\n  {reason}", clock::text(record.time))
        };
        self.records.iter().map(told).collect::<Vec<_>>().join("\n")
    }
}
