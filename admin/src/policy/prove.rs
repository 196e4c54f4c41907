//! `key-admin policy prove`

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use claviger_attest::certifier::{Goal, Proof, Step, StockFacts, StockKind, StockPolicy, prove};
use claviger_client::cli::certificates::read_policy_of;
use claviger_client::cli::{Failure, Report, clock, input};
use claviger_proto::certifier_policy::MAX_POLICY;
use claviger_proto::trust::{EvidencePackage, TrustRequest};
use claviger_proto::{DomainName, ErrorCode};
use serde::Serialize;

use crate::context::Context;

/// Largest request that is read, in bytes: stock ones have six thousand.
const MAX_REQUEST: usize = 1 << 20;

#[derive(Args)]
#[command(after_help = "\
Example:
  key-admin policy prove policy.bin --domain fleet --policy-cert policy_cert_file.bin \\
      --evidence request.bin

The evidence is a trust_request_message of a stock program, with or without the 4 bytes of length
before it. What is proven is what a stock verifier would prove, by AMD's bits; what a broker of ours
demands besides isn't asked here.")]
pub(crate) struct Prove {
    /// The stock policy, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Its policy certificate: PEM, DER, key_message or trust-anchors
    #[arg(long, value_name = "FILE")]
    policy_cert: PathBuf,
    /// The request with the evidence
    #[arg(long, value_name = "FILE")]
    evidence: PathBuf,
    /// What is to be proven of the enclave's key
    #[arg(long, value_enum, default_value_t)]
    purpose: Purpose,
    /// Judge dates as at this time, in RFC 3339, instead of now
    #[arg(long, value_name = "TIME", value_parser = clock::time)]
    at: Option<i64>,
}

#[derive(ValueEnum, Clone, Copy, Default)]
enum Purpose {
    /// That it is-trusted-for-authentication
    #[default]
    Authentication,
    /// That it is-trusted-for-attestation
    Attestation,
}

#[derive(Serialize)]
struct Told {
    proven: String,
    /// From the policy and the evidence.
    premises: Vec<String>,
    steps: Vec<ToldStep>,
}

#[derive(Serialize)]
struct ToldStep {
    first: String,
    second: String,
    rule: u8,
    conclusion: String,
    #[serde(skip)]
    text: String,
}

impl Report for Told {
    fn text(&self) -> String {
        let mut lines = vec![format!("proven: {}", self.proven), String::new(), "from".to_owned()];
        lines.extend(self.premises.iter().map(|premise| format!("  {premise}")));
        for (at, step) in self.steps.iter().enumerate() {
            lines.push(format!("\nstep {}:", at + 1));
            lines.extend(step.text.lines().map(|line| format!("  {line}")));
        }
        lines.join("\n")
    }
}

pub(super) fn run(context: &Context, args: &Prove) -> Result<(), Failure> {
    let now = args.at.unwrap_or_else(clock::now);
    let certificate = read_policy_of(&args.policy_cert, &args.domain)?;
    let bytes = input::read(&args.file, MAX_POLICY)?;
    let policy = StockPolicy::read(bytes.expose(), &certificate, now).map_err(|error| {
        let message = format!("the stock policy {}: {error}", input::shown(&args.file));
        Failure::coded(
            ErrorCode::Refused,
            message,
            "have the claim made anew, or leave it out of the package",
        )
    })?;
    let evidence = request(args)?;
    let facts =
        StockFacts::read(&evidence, now).map_err(|error| not_proven(&format!("the evidence: {error}")))?;
    let goal = match args.purpose {
        Purpose::Authentication => Goal::Authentication,
        Purpose::Attestation => Goal::Attestation,
    };
    let statements = policy.statements();
    let proof =
        prove(policy.key(), &statements, &facts, goal).map_err(|error| not_proven(&error.to_string()))?;
    let premises = std::iter::once(format!("{} is-trusted", policy.key()));
    let premises = premises.chain(statements.iter().map(ToString::to_string));
    let premises = premises.chain(facts.statements().into_iter().map(ToString::to_string));
    context.tell(&told(&proof, premises.collect()))
}

fn told(proof: &Proof, premises: Vec<String>) -> Told {
    let step = |step: &Step| ToldStep {
        first: step.first.to_string(),
        second: step.second.to_string(),
        rule: step.rule.number(),
        conclusion: step.conclusion.to_string(),
        text: step.to_string(),
    };
    Told { proven: proof.conclusion().to_string(), premises, steps: proof.steps().iter().map(step).collect() }
}

fn request(args: &Prove) -> Result<EvidencePackage, Failure> {
    let bytes = input::read(&args.evidence, MAX_REQUEST)?;
    let refused = |why: String| {
        let message = format!("{} is no request with evidence: {why}", input::shown(&args.evidence));
        Failure::coded(
            ErrorCode::Refused,
            message,
            "give a trust_request_message, as a stock program sends it",
        )
    };
    let body = match bytes.expose().split_first_chunk() {
        Some((length, body)) if usize::try_from(u32::from_le_bytes(*length)) == Ok(body.len()) => body,
        _ => bytes.expose(),
    };
    let (request, evidence) = TrustRequest::decode_body(body).map_err(|error| refused(error.to_string()))?;
    let kind = StockKind::of_submitted(&request.submitted_evidence_type);
    if kind.is_none_or(|kind| kind.as_str() != evidence.enclave_type) {
        return Err(refused("what was submitted isn't what it holds, or isn't known".to_owned()));
    }
    Ok(evidence)
}

fn not_proven(why: &str) -> Failure {
    let next = "look at the policy's claims (key-admin policy import FILE) and at what the machine runs";
    Failure::coded(ErrorCode::AttestationRefused, format!("not proven: {why}"), next)
}
