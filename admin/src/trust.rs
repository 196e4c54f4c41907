//! `key-admin trust`

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_attest::{EvidenceKind, Measurement, PcrSelection};
use claviger_client::cli::{Failure, Report, Table, clock};
use claviger_proto::DomainName;
use claviger_proto::admin::{AddReference, Reference};
use claviger_proto::key::read_root;
use serde::Serialize;

use crate::context::Context;
use crate::domain::{InDomain, path};
use crate::keys;

#[derive(Subcommand)]
pub(crate) enum Trust {
    /// Trust a measurement
    Add(Add),
    /// List what a domain trusts
    #[command(after_help = "Example:\n  key-admin trust list --domain fleet")]
    List(InDomain),
    #[command(
        after_help = "Example:\n  key-admin trust remove --domain fleet --kind simulated-enclave --measurement HEX"
    )]
    /// Stop trusting a measurement; who is a member already stays one until its certificate ends
    Remove(Remove),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin trust add --domain fleet --kind simulated-enclave --measurement HEX --label deployment \\
      --attest-root machine-1/platform_key_file.bin
  key-admin trust add --domain fleet --kind tpm --measurement HEX --pcrs sha256:0,2,4,7 \\
      --attest-root fleet/policy-key.pem")]
pub(crate) struct Add {
    #[command(flatten)]
    which: Which,
    /// A word for people and access rules; `deployment` may store under the preset `provisioned`
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// The platform's root: a public or private key (PEM or key_message), or a certificate (PEM or DER), of which only the
    /// public key is sent; for tpm, that of the key that certified the quote key. Without it: for sev-snp, AMD's own roots; for
    /// the others, every root that the domain names for that kind already
    #[arg(long, value_name = "FILE")]
    attest_root: Option<PathBuf>,
    /// For tpm: of which registers the measurement is a digest, such as sha256:0,2,4,7
    #[arg(long, value_name = "BANK:N,N")]
    pcrs: Option<PcrSelection>,
    /// Until when to trust it, in RFC 3339 (2027-03-31T00:00:00Z); without it, without an end, also where it had one
    #[arg(long, value_name = "TIME", value_parser = clock::time)]
    expires: Option<i64>,
}

#[derive(Args)]
pub(crate) struct Remove {
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
struct Which {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// The kind of evidence: sev-snp, tpm, simulated-enclave or simulated-sev
    #[arg(long, value_name = "KIND")]
    kind: EvidenceKind,
    /// What runs there, 64 or 96 hex digits
    #[arg(long, value_name = "HEX")]
    measurement: Measurement,
}

pub(crate) async fn run(context: &Context, command: &Trust) -> Result<(), Failure> {
    match command {
        Trust::Add(args) => add(context, args).await,
        Trust::List(args) => {
            let references = context.api()?.get(&references(&args.domain)).await?;
            context.tell(&All { references })
        }
        Trust::Remove(args) => remove(context, &args.which).await,
    }
}

async fn add(context: &Context, args: &Add) -> Result<(), Failure> {
    let root = args.attest_root.as_deref().map(|path| {
        keys::read_as(path, read_root, "give the platform's key, or the certificate of its root")
    });
    let root = root.transpose()?.map(|key| hex::encode(key.spki_der()));
    let request = AddReference {
        kind: args.which.kind.to_string(),
        measurement: args.which.measurement.to_string(),
        label: args.label.clone(),
        attest_root: root,
        expires: args.expires,
        pcrs: args.pcrs.as_ref().map(ToString::to_string),
    };
    let reference = context.api()?.post(&references(&args.which.domain), &request).await?;
    context.tell(&Added { reference })
}

async fn remove(context: &Context, which: &Which) -> Result<(), Failure> {
    let Which { domain, kind, measurement } = which;
    context.api()?.delete(&format!("{}/{kind}/{measurement}", references(domain))).await?;
    context.tell(&Removed { kind: kind.to_string(), measurement: measurement.to_string(), done: true })
}

fn references(domain: &DomainName) -> String {
    format!("{}/references", path(domain))
}

#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    reference: Reference,
}

impl Report for Added {
    fn text(&self) -> String {
        let Reference { kind, measurement, label, roots, expires, pcrs } = &self.reference;
        let label = label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        let until = expires.map(|end| format!("\n  until {}", clock::text(end))).unwrap_or_default();
        let pcrs = pcrs.as_ref().map(|pcrs| format!("\n  registers {pcrs}")).unwrap_or_default();
        format!("trusted {kind} {measurement}{label}{pcrs}\n  roots {}{until}", roots.join(", "))
    }
}

#[derive(Serialize)]
struct All {
    references: Vec<Reference>,
}

impl Report for All {
    fn text(&self) -> String {
        let mut table = Table::new(["kind", "measurement", "label", "roots", "until"]);
        for Reference { kind, measurement, label, roots, expires, pcrs } in &self.references {
            let roots: Vec<_> = roots.iter().map(|root| root.get(..16).unwrap_or(root)).collect();
            let label = label.clone().unwrap_or_default();
            let until = expires.map(clock::text).unwrap_or_default();
            let kind = pcrs.as_ref().map_or_else(|| kind.clone(), |pcrs| format!("{kind} {pcrs}"));
            table.row([kind, measurement.clone(), label, roots.join(","), until]);
        }
        table.render()
    }
}

#[derive(Serialize)]
struct Removed {
    kind: String,
    measurement: String,
    #[serde(rename = "removed")]
    done: bool,
}

impl Report for Removed {
    fn text(&self) -> String {
        format!("no longer trusted: {} {}", self.kind, self.measurement)
    }
}
