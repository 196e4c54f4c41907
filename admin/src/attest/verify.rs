//! `key-admin attest verify`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use claviger_attest::{
    Endorsements, HexBytes, SnpExamination, SnpOutcome, SnpProduct, SnpQuestion, SnpReport, SnpRule,
    SnpVerdict, examine_snp,
};
use claviger_client::cli::{Failure, Report, Table, clock, input};
use claviger_proto::ErrorCode;
use rustls_pki_types::UnixTime;
use serde::Serialize;

use super::certificates::{self, Found};
use super::claims::Claims;
use super::read_report;
use crate::context::Context;
use crate::policy::file;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin attest verify --kind sev-snp --report report.bin --certs certs
  key-admin attest verify --kind sev-snp --report report.bin --certs certs --policy policy.toml --output json
  key-admin attest verify --kind sev-snp --report report.bin --certs certs --at 2025-06-01T00:00:00Z

No broker and no network is asked. Without --policy only AMD's own rules count: a guest that can be debugged passes.
--certs is a file of certificates, or a folder: with files named vcek, vlek, ask, asvk, ark or crl (.der, .pem, .crt, .cer, .cert; DER or PEM), or
vcek/CHIP/TCB.der, or vcek/CHIP/ as Trustee keeps it. AMD's ARKs and ASKs are built in.

Exit code 0: every rule holds. 6: one doesn't; the claims and every rule's verdict are printed all the same.")]
pub(crate) struct Verify {
    /// The kind of evidence
    #[arg(long, value_name = "KIND")]
    kind: Kind,
    /// The report, 1184 bytes as the firmware gave them; `-` is standard input
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    /// The certificates of the key that signed: a folder, or one file, DER or PEM
    #[arg(long, value_name = "DIR|FILE")]
    certs: Option<PathBuf>,
    /// A revocation list of an ARK, DER or PEM; may be repeated
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// The domain's policy file; its roots stand in the place of AMD's where it names some
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The product that it must be of: milan, genoa or turin. Else the report names it, or the key's issuer
    #[arg(long, value_name = "PRODUCT")]
    product: Option<SnpProduct>,
    /// When everything must be valid, in RFC 3339 (2025-06-01T00:00:00Z), instead of now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<u64>,
    /// What the guest must have had signed, 128 hex digits
    #[arg(long, value_name = "HEX")]
    report_data: Option<HexBytes<64>>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A report of AMD SEV-SNP
    SevSnp,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::SevSnp => "sev-snp",
        }
    }
}

fn moment(text: &str) -> Result<u64, String> {
    u64::try_from(clock::time(text)?).map_err(|_| "there were no reports before 1970".to_owned())
}

pub(super) async fn run(context: &Context, args: &Verify) -> Result<ExitCode, Failure> {
    let policy = args.policy.as_deref().map(file::load).transpose()?.map(|(_, policy)| policy.references);
    let report = read_report(&args.report)?;
    let mut found = match &args.certs {
        Some(dir) => certificates::read(dir, SnpReport::read(&report).ok().as_ref(), args.product).await?,
        None => Found::default(),
    };
    found.crls.extend(certificates::read_crls(&args.crl)?);
    let now = match args.at {
        Some(at) => UnixTime::since_unix_epoch(Duration::from_secs(at)),
        None => clock::unix_time(),
    };
    let question = SnpQuestion {
        policy: policy.as_ref(),
        product: args.product,
        report_data: args.report_data.as_ref().map(|HexBytes(bytes)| bytes),
        roots: None,
        now,
    };
    let Found { certificates, crls } = &found;
    let examination =
        examine_snp(&report, &Endorsements { certificates, crls, ..Endorsements::default() }, &question);
    let verified = Verified::of(args, &examination, now);
    context.tell(&verified)?;
    let refused = ExitCode::from(ErrorCode::AttestationRefused.exit_status());
    Ok(if verified.accepted { ExitCode::SUCCESS } else { refused })
}

#[derive(Serialize)]
struct Verified<'a> {
    accepted: bool,
    /// The first rule that doesn't hold.
    refused_by: Option<Refusal>,
    kind: &'static str,
    report: &'a Path,
    policy: Option<&'a Path>,
    at: String,
    product: Option<SnpProduct>,
    /// What the certificate proves, of a report that is accepted.
    proven: Proven,
    claims: Option<Claims>,
    rules: Vec<Judged>,
}

#[derive(Serialize)]
struct Refusal {
    rule: &'static str,
    why: String,
    next: &'static str,
}

#[derive(Serialize)]
struct Proven {
    chip_id: Option<String>,
    csp_id: Option<String>,
}

#[derive(Serialize)]
struct Judged {
    rule: &'static str,
    outcome: &'static str,
    why: Option<String>,
    says: &'static str,
    source: &'static str,
}

impl Judged {
    fn of(SnpVerdict { rule, outcome }: &SnpVerdict) -> Self {
        let (outcome, why) = match outcome {
            SnpOutcome::Passed => ("passed", None),
            SnpOutcome::NotDemanded => ("not-demanded", None),
            SnpOutcome::NotReached => ("not-reached", None),
            SnpOutcome::Failed(why) => ("failed", Some(why.clone())),
        };
        Self { rule: rule.code(), outcome, why, says: rule.text(), source: rule.source() }
    }
}

/// What to do, where no broker and its folders are in the game.
fn next(rule: SnpRule, at_given: bool) -> &'static str {
    match rule {
        SnpRule::VekPresent => {
            "give the certificate of the key that signed with --certs; a VCEK's is at AMD's key distribution service, a VLEK's \
             only the cloud provider has"
        }
        SnpRule::IntermediateForm => "give the ASK (for a VCEK) or the ASVK (for a VLEK) with --certs",
        SnpRule::Revocation if at_given => {
            "give the ARK's list of the time that --at names with --crl, or look at another time; where a certificate is \
             revoked, don't trust what is under it"
        }
        SnpRule::Revocation => {
            "give the ARK's current list with --crl; one that doesn't count yet: compare the clocks; where a certificate is \
             revoked, don't trust what is under it"
        }
        SnpRule::ChainValidity if at_given => {
            "look at a time (--at) at which every certificate of the chain counts; one that is past its date is fetched anew"
        }
        other => other.next(),
    }
}

impl<'a> Verified<'a> {
    fn of(args: &'a Verify, found: &SnpExamination, now: UnixTime) -> Self {
        let refused = found.first_failure();
        Self {
            accepted: found.accepted(),
            refused_by: refused.map(|(rule, why)| Refusal {
                rule: rule.code(),
                why: why.to_owned(),
                next: next(rule, args.at.is_some()),
            }),
            kind: args.kind.as_str(),
            report: &args.report,
            policy: args.policy.as_deref(),
            at: clock::text(clock::seconds(now)),
            product: found.product,
            proven: Proven { chip_id: found.chip_id.map(|id| id.to_string()), csp_id: found.csp_id.clone() },
            claims: found.report.as_ref().map(|report| Claims::of(report, found.product)),
            rules: found.verdicts.iter().map(Judged::of).collect(),
        }
    }

    fn verdict(&self) -> String {
        let report = input::shown(self.report);
        match (&self.refused_by, self.accepted) {
            (Some(Refusal { rule, why, next }), _) => {
                format!("REFUSED: {report}\n  {rule}: {why}\n  next: {next}")
            }
            (None, true) => format!("accepted: {report}"),
            (None, false) => format!("REFUSED: {report}\n  a rule couldn't be looked at"),
        }
    }
}

impl Report for Verified<'_> {
    fn text(&self) -> String {
        let product = self.product.map_or("-", SnpProduct::as_str);
        let policy = self.policy.map_or("none: AMD's own rules only".to_owned(), input::shown);
        let mut lines = vec![
            self.verdict(),
            format!("  {:<22}{}", "at", self.at),
            format!("  {:<22}{policy}", "policy"),
            format!("  {:<22}{product}", "product"),
        ];
        let Proven { chip_id, csp_id } = &self.proven;
        for (name, proven) in [("chip (certificate)", chip_id), ("provider", csp_id)] {
            lines.extend(proven.iter().map(|proven| format!("  {name:<22}{proven}")));
        }
        lines.extend(self.claims.iter().flat_map(Claims::lines));
        let mut table = Table::new(["rule", "verdict", "why, or what it says"]);
        for Judged { rule, outcome, why, says, .. } in &self.rules {
            let why = why.as_deref().unwrap_or(says);
            table.row([(*rule).to_owned(), outcome.replace('-', " "), why.to_owned()]);
        }
        lines.push(format!("\n{}", table.render()));
        lines.join("\n")
    }
}
