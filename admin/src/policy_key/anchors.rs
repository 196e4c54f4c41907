//! `key-admin policy-key anchors`

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

use std::path::PathBuf;

use clap::Args;
use claviger_attest::PolicyCertificate;
use claviger_client::cli::certificates::read_policies;
use claviger_client::cli::{Failure, Report, Table, clock};
use claviger_proto::ErrorCode;
use claviger_proto::certifier_policy::write_sequence;
use serde::Serialize;

use crate::context::Context;
use crate::files::write_new;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin policy-key anchors trust_anchors.bin
  key-admin policy-key anchors fleet/policy-cert.pem test/policy_cert_file.bin --out trust_anchors.bin

Stock programs take such a file as --trust_anchors; ours takes it wherever a policy certificate is named, and picks the
one that names the domain.")]
pub(crate) struct Anchors {
    /// Files with policy certificates: PEM, DER, key_message or trust-anchors
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Join them in this new trust-anchors file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Shown {
    certificates: Vec<Anchor>,
    written: Option<PathBuf>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Anchor {
    /// As it names it, if it does.
    domain: Option<String>,
    /// SHA-256 of the certificate, hex.
    fingerprint: String,
    /// Its end, seconds since 1970.
    not_after: i64,
}

impl Report for Shown {
    fn text(&self) -> String {
        let mut table = Table::new(["domain", "until", "fingerprint"]);
        for Anchor { domain, fingerprint, not_after } in &self.certificates {
            table.row([domain.clone().unwrap_or_default(), clock::text(*not_after), fingerprint.clone()]);
        }
        match &self.written {
            Some(path) => format!("{}\nwritten to {}", table.render().trim_end(), path.display()),
            None => table.render(),
        }
    }
}

pub(super) fn run(context: &Context, args: &Anchors) -> Result<(), Failure> {
    let mut all: Vec<PolicyCertificate> = Vec::new();
    for file in &args.files {
        for certificate in read_policies(file)? {
            if all.contains(&certificate) {
                let fingerprint = hex::encode(certificate.fingerprint());
                let message = format!("the certificate {fingerprint} is there twice; nothing was written");
                return Err(Failure::coded(ErrorCode::Refused, message, "name each certificate once"));
            }
            all.push(certificate);
        }
    }
    let warnings = ambiguous(&all);
    if let Some(path) = &args.out {
        write_new(path, &write_sequence(all.iter().map(|certificate| certificate.der().to_vec()).collect()))?;
    }
    let certificates = all.iter().map(|certificate| Anchor {
        domain: certificate.domain_named().map(str::to_owned),
        fingerprint: hex::encode(certificate.fingerprint()),
        not_after: clock::seconds(certificate.not_after()),
    });
    context.warn(&warnings);
    context.tell(&Shown { certificates: certificates.collect(), written: args.out.clone(), warnings })
}

/// Domains of which there are several: where only one is meant, such a file can't say which.
fn ambiguous(all: &[PolicyCertificate]) -> Vec<String> {
    let mut names: Vec<_> = all.iter().filter_map(PolicyCertificate::domain_named).collect();
    names.sort_unstable();
    let mut twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    twice.dedup();
    let warning = |name: &str| {
        format!("several certificates name domain {name}, so the file is refused where one is meant")
    };
    twice.into_iter().map(warning).collect()
}
