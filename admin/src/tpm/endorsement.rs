//! Which TPM: its endorsement key, by a certificate of its maker or by a fingerprint.

use std::path::{Path, PathBuf};

use clap::Args;
use claviger_attest::{EndorsementKey, HexBytes};
use claviger_client::cli::certificates::MAX_FILE;
use claviger_client::cli::{Failure, clock, input};
use claviger_proto::key::{read_certificate, read_certificates};

use super::refused;
use crate::keys;

/// One of the two.
#[derive(Args)]
pub(super) struct Endorsement {
    /// The endorsement key's certificate by the TPM's maker (DER or PEM), as tpm2_getekcertificate gives it
    #[arg(
        long = "ek-cert",
        value_name = "FILE",
        requires = "roots",
        conflicts_with = "public",
        required_unless_present = "public"
    )]
    certificate: Option<PathBuf>,
    /// A maker's root that is trusted (DER, or PEM with one or more); may be repeated
    #[arg(long = "ek-root", value_name = "FILE", requires = "certificate")]
    roots: Vec<PathBuf>,
    /// Certificates between the two (DER, or PEM with one or more); may be repeated
    #[arg(long = "ek-chain", value_name = "FILE", requires = "certificate")]
    between: Vec<PathBuf>,
    /// Instead: the endorsement key's public area (TPM2B_PUBLIC), which counts by its fingerprint
    #[arg(long = "ek-pub", value_name = "FILE", requires = "fingerprint")]
    public: Option<PathBuf>,
    /// The fingerprint by which that key is known: SHA-256 of its SubjectPublicKeyInfo (DER), 64 hex digits. Not from the machine
    /// itself: from whoever saw the TPM
    #[arg(long = "ek-fingerprint", value_name = "HEX", requires = "public")]
    fingerprint: Option<HexBytes<32>>,
}

impl Endorsement {
    pub(super) fn read(&self) -> Result<EndorsementKey, Failure> {
        match (&self.public, &self.fingerprint, &self.certificate) {
            (Some(path), Some(HexBytes(fingerprint)), _) => {
                let public = input::read(path, MAX_FILE)?;
                EndorsementKey::known(public.expose(), fingerprint).map_err(|error| refused(path, &error))
            }
            (_, _, Some(path)) => {
                let next = "give the certificate as DER or PEM";
                let certificate = keys::read_as(path, read_certificate, next)?;
                let (between, roots) = (all(&self.between)?, all(&self.roots)?);
                EndorsementKey::certified(&certificate, &between, &roots, clock::unix_time())
                    .map_err(|error| refused(path, &error))
            }
            _ => Err(Failure::new(
                "usage",
                2,
                "the endorsement key is missing",
                "give --ek-cert and --ek-root, or --ek-pub and --ek-fingerprint",
            )),
        }
    }
}

/// Every certificate in these files.
fn all(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
    let lists = paths.iter().map(|path| one(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(lists.concat())
}

fn one(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let read = |bytes: &[u8]| match bytes {
        // DER begins with a SEQUENCE, PEM is text.
        [0x30, ..] => read_certificate(bytes).map(|der| vec![der]),
        _ => read_certificates(bytes),
    };
    keys::read_as(path, read, "give certificates as DER, or as PEM with one or more")
}
