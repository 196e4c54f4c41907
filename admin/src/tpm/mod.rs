//! `key-admin tpm`: a TPM's quote key gets its certificate, in two passes.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

mod endorsement;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use claviger_attest::{ActivationError, TpmActivation};
use claviger_client::cli::{Failure, Report, certificates, clock, input};
use claviger_proto::{DomainName, ErrorCode};
use serde::Serialize;

use self::endorsement::Endorsement;
use crate::context::Context;
use crate::files::{NewFile, write_all_new, write_new};
use crate::keys::{self, PolicyFiles};

#[derive(Subcommand)]
pub(crate) enum Tpm {
    /// First pass: make a credential that only one TPM, and only with this quote key in it, can open
    Challenge(Challenge),
    /// Second pass: certify the quote key, for the secret that the TPM found in the credential
    Certify(Certify),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin tpm challenge --ek-cert ek.der --ek-root maker-root.pem --ek-chain maker.pem \\
      --ak-pub ak.pub --out-dir machine-7
  key-admin tpm challenge --ek-pub ek.pub --ek-fingerprint HEX --ak-pub ak.pub --out-dir machine-7

credential.bin is for the machine, which opens it with tpm2_activatecredential -i; activation.json is kept here until
the secret comes back. ek.pub and ak.pub are as tpm2_createek -u and tpm2_createak -u write them.

Exit code 3: the endorsement key isn't one that is trusted, or the other isn't a quote key: restricted, made by the TPM, and
bound to it.")]
pub(crate) struct Challenge {
    #[command(flatten)]
    endorsement: Endorsement,
    /// The quote key's public area (TPM2B_PUBLIC)
    #[arg(long, value_name = "FILE")]
    ak_pub: PathBuf,
    /// Where to write credential.bin and activation.json; made if it isn't there
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-admin tpm certify --activation machine-7/activation.json --secret secret.bin \\
      --domain fleet --policy-key fleet/policy-key.pem --out machine-7/quote-cert.pem

The secret is what tpm2_activatecredential -o wrote; it is worth nothing after this.")]
pub(crate) struct Certify {
    /// What `tpm challenge` kept
    #[arg(long, value_name = "FILE")]
    activation: PathBuf,
    /// The secret as the TPM gave it; `-` is standard input
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    #[command(flatten)]
    policy: PolicyFiles,
    /// The certificate's file (PEM); what is there isn't replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// For how long it is valid, at most as long as the policy certificate
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,
}

const CREDENTIAL: &str = "credential.bin";
const ACTIVATION: &str = "activation.json";

/// Largest public area, secret and kept activation, in bytes.
const MAX_FILE: usize = 8 << 10;

pub(crate) fn run(context: &Context, command: &Tpm) -> Result<(), Failure> {
    match command {
        Tpm::Challenge(args) => challenge(context, args),
        Tpm::Certify(args) => certify(context, args),
    }
}

fn challenge(context: &Context, args: &Challenge) -> Result<(), Failure> {
    let endorsement = args.endorsement.read()?;
    let public = input::read(&args.ak_pub, MAX_FILE)?;
    let (activation, credential) = TpmActivation::begin(&endorsement, public.expose(), clock::now())
        .map_err(|error| refused(&args.ak_pub, &error))?;
    let name = activation.quote_key().map_err(|error| refused(&args.ak_pub, &error))?.name();
    let kept = serde_json::to_vec_pretty(&activation)
        .map_err(|error| Failure::new("system", 1, error.to_string(), "try again"))?;
    let files = [
        NewFile { name: CREDENTIAL, bytes: &credential, private: false },
        // Whoever changes it has another key certified.
        NewFile { name: ACTIVATION, bytes: &kept, private: true },
    ];
    write_all_new(&args.out_dir, &files)?;
    context.tell(&Challenged {
        endorsement_key: activation.endorsement_key().to_owned(),
        quote_key_name: hex::encode(name),
        credential: args.out_dir.join(CREDENTIAL),
        activation: args.out_dir.join(ACTIVATION),
    })
}

fn certify(context: &Context, args: &Certify) -> Result<(), Failure> {
    let kept = input::read(&args.activation, MAX_FILE)?;
    let activation: TpmActivation = serde_json::from_slice(kept.expose()).map_err(|error| {
        let next = "give the activation.json that key-admin tpm challenge made";
        keys::refuse(&args.activation, &error.to_string(), next)
    })?;
    let secret = input::read(&args.secret, MAX_FILE)?;
    let issuer = args.policy.issuer(&args.domain)?;
    let now = clock::unix_time();
    let der = activation
        .certify(secret.expose(), &issuer, now, args.days)
        .map_err(|error| refused(&args.activation, &error))?;
    write_new(&args.out, certificates::to_pem(&der).as_bytes())?;
    let name = activation.quote_key().map_err(|error| refused(&args.activation, &error))?.name();
    context.tell(&Certified { quote_key_name: hex::encode(name), certificate: args.out.clone() })
}

/// What was refused about the file, and what to do.
fn refused(file: &Path, error: &ActivationError) -> Failure {
    let next = match error {
        ActivationError::Lacks(_) | ActivationError::Scheme(_) => {
            "have the TPM make a quote key: tpm2_createak -g sha256 -s rsassa (or ecdsa)"
        }
        ActivationError::Fingerprint => {
            "if it is the machine's, find out why its key is another; what a machine says of itself isn't enough"
        }
        ActivationError::Chain(_) => {
            "give the root of the TPM's maker with --ek-root, and what is between with --ek-chain"
        }
        ActivationError::Secret => {
            "have the machine open the credential.bin of this very activation, and give what it found whole"
        }
        ActivationError::Late | ActivationError::Format(_) | ActivationError::Damaged => {
            "begin anew with key-admin tpm challenge"
        }
        ActivationError::Endorsement => "give the TPM's RSA endorsement key (tpm2_createek -G rsa)",
        ActivationError::Key(error) => return keys::broken(*error),
        ActivationError::Issue(error) => return keys::unissued(error.clone()),
        _ => "give the file as tpm2-tools wrote it",
    };
    Failure::coded(ErrorCode::Refused, format!("{}: {error}", input::shown(file)), next)
}

#[derive(Serialize)]
struct Challenged {
    /// SHA-256 of its SPKI, hex.
    endorsement_key: String,
    quote_key_name: String,
    credential: PathBuf,
    activation: PathBuf,
}

impl Report for Challenged {
    fn text(&self) -> String {
        format!(
            "made a credential for quote key {}\n  endorsement key {}\n  for the machine {}\n  keep {}",
            self.quote_key_name,
            self.endorsement_key,
            self.credential.display(),
            self.activation.display()
        )
    }
}

#[derive(Serialize)]
struct Certified {
    quote_key_name: String,
    certificate: PathBuf,
}

impl Report for Certified {
    fn text(&self) -> String {
        format!("certified quote key {}\n  certificate {}", self.quote_key_name, self.certificate.display())
    }
}
