//! `key-admin policy-key`

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

mod anchors;
pub(crate) mod sign;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use claviger_attest::{KeyAlgorithm, PolicyCertificate, SigningKey, self_signed_policy};
use claviger_client::cli::{Failure, Report, certificates, clock};
use claviger_proto::DomainName;
use claviger_proto::key::{KeyMessage, MessageKey};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::files::{NewFile, write_all_new};
use crate::keys;

#[derive(Subcommand)]
pub(crate) enum PolicyKey {
    /// Make a new policy key and its self-signed certificate
    Generate(Generate),
    /// Write a policy key and its certificate in the other form, ours or the stock one; the key stays the same
    Convert(Convert),
    /// Sign a broker's request for a delegated issuer, which admits agents for 30 days at most
    SignIssuer(sign::Sign),
    /// Sign a broker's request for its own certificate in the domain
    SignBroker(sign::Sign),
    /// Show the policy certificates of files, and join them in a stock trust-anchors file
    Anchors(anchors::Anchors),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin policy-key convert --policy-key policy_key_file.bin --out-dir ours
  key-admin policy-key convert --policy-key ours/policy-key.pem --format certifier --out-dir stock

Every command that takes a policy key or certificate takes either form; this is for other programs.")]
pub(crate) struct Convert {
    #[command(flatten)]
    policy: keys::PolicyFiles,
    /// The files' names and forms
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where to write them; made if it isn't there
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin policy-key generate --domain fleet --out-dir fleet
  key-admin policy-key generate --domain fleet --algorithm ed25519 --out-dir fleet
  key-admin policy-key generate --domain fleet --algorithm rsa-2048 --format certifier \\
      --out-dir fleet

Whoever has policy-key.pem decides who is a member of the domain: keep it offline.")]
pub(crate) struct Generate {
    /// The domain that it is for
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// p384, p256, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "ALGORITHM", default_value = "p384")]
    algorithm: KeyAlgorithm,
    /// Where to write them; made if it isn't there
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// The files' names and forms
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// For how long the certificate is valid; the stock tools say five years
    #[arg(long, value_name = "DAYS", default_value_t = 1826, value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,
}

#[derive(ValueEnum, Clone, Copy, Default)]
enum Format {
    /// policy-key.pem and policy-cert.pem
    #[default]
    Pem,
    /// policy_key_file.bin (a key_message with the certificate) and policy_cert_file.bin (DER)
    Certifier,
}

const KEY_PEM: &str = "policy-key.pem";
const KEY_MESSAGE: &str = "policy_key_file.bin";

#[derive(Serialize)]
struct Written {
    #[serde(skip)]
    done: &'static str,
    /// Named by the certificate, when it was converted.
    domain: Option<String>,
    algorithm: String,
    policy_key: PathBuf,
    policy_certificate: PathBuf,
    /// SHA-256 of the certificate, hex.
    fingerprint: String,
    /// Its end, seconds since 1970.
    not_after: i64,
}

impl Report for Written {
    fn text(&self) -> String {
        let domain = self.domain.as_ref().map(|domain| format!(" of domain {domain}")).unwrap_or_default();
        format!(
            "{} the policy key{domain} ({})\n  key {}\n  certificate {}\n  fingerprint {}, valid until {}",
            self.done,
            self.algorithm,
            self.policy_key.display(),
            self.policy_certificate.display(),
            self.fingerprint,
            clock::text(self.not_after)
        )
    }
}

pub(crate) fn run(context: &Context, command: &PolicyKey) -> Result<(), Failure> {
    match command {
        PolicyKey::Generate(args) => generate(context, args),
        PolicyKey::Convert(args) => convert(context, args),
        PolicyKey::SignIssuer(args) => sign::run(context, args, sign::What::Issuer),
        PolicyKey::SignBroker(args) => sign::run(context, args, sign::What::Broker),
        PolicyKey::Anchors(args) => anchors::run(context, args),
    }
}

fn generate(context: &Context, args: &Generate) -> Result<(), Failure> {
    check_known(args.format, args.algorithm)
        .map_err(|failure| failure.with_next("take another --algorithm, or leave --format out"))?;
    let spinner = context.spinner("making the policy key");
    let key = SigningKey::generate(args.algorithm).map_err(keys::broken)?;
    drop(spinner);
    let certificate =
        self_signed_policy(&key, &args.domain, clock::unix_time(), args.days).map_err(keys::unissued)?;
    let written = write(&key, &certificate, args.format, &args.out_dir)?;
    context.tell(&Written { done: "made", domain: Some(args.domain.to_string()), ..written })
}

fn convert(context: &Context, args: &Convert) -> Result<(), Failure> {
    let (key, certificate) = args.policy.both()?;
    let key = SigningKey::from_private(&key).map_err(|error| {
        keys::refuse(&args.policy.policy_key, &error.to_string(), "give a policy key of a kind that signs")
    })?;
    check_known(args.format, key.algorithm())?;
    let written = write(&key, &certificate, args.format, &args.out_dir)?;
    context.tell(&written)
}

fn check_known(format: Format, algorithm: KeyAlgorithm) -> Result<(), Failure> {
    if matches!((format, algorithm), (Format::Certifier, KeyAlgorithm::Ed25519)) {
        let message = "stock programs know no Ed25519 keys, and --format certifier is for them";
        return Err(Failure::new("usage", 2, message, "leave --format out, or make another policy key"));
    }
    Ok(())
}

fn write(
    key: &SigningKey,
    certificate: &PolicyCertificate,
    format: Format,
    dir: &Path,
) -> Result<Written, Failure> {
    let private = key.to_private().map_err(keys::broken)?;
    let (key_name, key_bytes, certificate_name, certificate_bytes) = match format {
        Format::Pem => {
            let pem = private.to_pem();
            let key = Zeroizing::new(pem.as_bytes().to_vec());
            let certificate = certificates::to_pem(certificate.der()).into_bytes();
            (KEY_PEM, key, keys::CERTIFICATE_PEM, certificate)
        }
        Format::Certifier => {
            let message = KeyMessage {
                name: "policyKey".to_owned(),
                key: MessageKey::Private(private),
                certificate: Some(certificate.der().to_vec()),
                not_before: None,
                not_after: None,
            };
            (KEY_MESSAGE, message.encode(), keys::CERTIFICATE_DER, certificate.der().to_vec())
        }
    };
    let files = [
        NewFile { name: certificate_name, bytes: &certificate_bytes, private: false },
        NewFile { name: key_name, bytes: &key_bytes, private: true },
    ];
    write_all_new(dir, &files)?;
    Ok(Written {
        done: "converted",
        domain: certificate.domain_named().map(str::to_owned),
        algorithm: key.algorithm().to_string(),
        policy_key: dir.join(key_name),
        policy_certificate: dir.join(certificate_name),
        fingerprint: hex::encode(certificate.fingerprint()),
        not_after: clock::seconds(certificate.not_after()),
    })
}
