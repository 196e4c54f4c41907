//! `key-admin policy-key`

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use claviger_attest::{KeyAlgorithm, SigningKey, self_signed_policy};
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
struct Generated {
    domain: String,
    algorithm: String,
    policy_key: PathBuf,
    policy_certificate: PathBuf,
    /// SHA-256 of the certificate, hex.
    fingerprint: String,
    /// Its end, seconds since 1970.
    not_after: i64,
}

impl Report for Generated {
    fn text(&self) -> String {
        format!(
            "made the policy key of domain {} ({})\n  key {}\n  certificate {}\n  fingerprint {}, valid until {}",
            self.domain,
            self.algorithm,
            self.policy_key.display(),
            self.policy_certificate.display(),
            self.fingerprint,
            clock::text(self.not_after)
        )
    }
}

pub(crate) fn run(context: &Context, command: &PolicyKey) -> Result<(), Failure> {
    let PolicyKey::Generate(args) = command;
    if matches!((args.format, args.algorithm), (Format::Certifier, KeyAlgorithm::Ed25519)) {
        let message = "stock programs know no Ed25519 keys, and --format certifier is for them";
        return Err(Failure::new("usage", 2, message, "take another --algorithm, or leave --format out"));
    }
    let spinner = context.spinner("making the policy key");
    let key = SigningKey::generate(args.algorithm).map_err(keys::broken)?;
    drop(spinner);
    let certificate =
        self_signed_policy(&key, &args.domain, clock::unix_time(), args.days).map_err(keys::unissued)?;
    let (key_name, key_bytes, certificate_name, certificate_bytes) = match args.format {
        Format::Pem => {
            let pem = key.to_private().map_err(keys::broken)?.to_pem();
            let key = Zeroizing::new(pem.as_bytes().to_vec());
            let certificate = certificates::to_pem(certificate.der()).into_bytes();
            (KEY_PEM, key, keys::CERTIFICATE_PEM, certificate)
        }
        Format::Certifier => {
            let message = KeyMessage {
                name: "policyKey".to_owned(),
                key: MessageKey::Private(key.to_private().map_err(keys::broken)?),
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
    write_all_new(&args.out_dir, &files)?;
    context.tell(&Generated {
        domain: args.domain.to_string(),
        algorithm: args.algorithm.to_string(),
        policy_key: args.out_dir.join(key_name),
        policy_certificate: args.out_dir.join(certificate_name),
        fingerprint: hex::encode(certificate.fingerprint()),
        not_after: clock::seconds(certificate.not_after()),
    })
}
