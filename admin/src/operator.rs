//! `key-admin operator`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_attest::{KeyAlgorithm, PrincipalName, SigningKey, self_signed_operator, sha256};
use claviger_client::cli::{Failure, Report, certificates, clock};
use serde::Serialize;

use crate::context::Context;
use crate::files::{NewFile, write_all_new};
use crate::keys;
use crate::owner::{CERTIFICATE, PRIVATE_KEY};

#[derive(Subcommand)]
pub(crate) enum Operator {
    /// Make a key and a certificate by which a broker knows an operator
    Certify(Certify),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-admin operator certify --name olga --out-dir olga

It opens nothing until a broker's configuration lists it: operators = [\"HEX\"] in [admin].")]
pub(crate) struct Certify {
    /// What they are called: 1 to 64 of [A-Za-z0-9._-]
    #[arg(long, value_name = "NAME")]
    name: PrincipalName,
    /// Where to write admin-cert.pem and admin-key.pem; made if it isn't there
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// For how long it is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

pub(crate) fn run(context: &Context, Operator::Certify(args): &Operator) -> Result<(), Failure> {
    let key = SigningKey::generate(KeyAlgorithm::P256).map_err(keys::broken)?;
    let private = key.to_private().map_err(keys::broken)?.to_pem();
    let der = self_signed_operator(&key, &args.name, clock::unix_time(), args.days);
    let der = der.map_err(keys::unissued)?;
    let pem = certificates::to_pem(&der);
    write_all_new(
        &args.out_dir,
        &[
            NewFile { name: CERTIFICATE, bytes: pem.as_bytes(), private: false },
            NewFile { name: PRIVATE_KEY, bytes: private.as_bytes(), private: true },
        ],
    )?;
    context.tell(&Certified {
        name: args.name.to_string(),
        certificate: args.out_dir.join(CERTIFICATE),
        key: args.out_dir.join(PRIVATE_KEY),
        certificate_fingerprint: hex::encode(sha256(&der)),
    })
}

#[derive(Serialize)]
struct Certified {
    name: String,
    certificate: PathBuf,
    key: PathBuf,
    /// SHA-256 of the certificate, hex.
    certificate_fingerprint: String,
}

impl Report for Certified {
    fn text(&self) -> String {
        format!(
            "made a certificate for operator {}\n  certificate {}\n  key {}\n  fingerprint {}",
            self.name,
            self.certificate.display(),
            self.key.display(),
            self.certificate_fingerprint
        )
    }
}
