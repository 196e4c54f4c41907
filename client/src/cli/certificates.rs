//! Certificates on the command line.

use std::path::Path;

use claviger_attest::PolicyCertificate;
use claviger_proto::ErrorCode;
use claviger_proto::key::read_certificate;
use pem_rfc7468::LineEnding;

use super::failure::Failure;
use super::input;

/// Largest file with a certificate, or with a key and its certificate, in bytes: they are below 16 KiB.
pub const MAX_FILE: usize = 256 << 10;

/// Reads a policy certificate: PEM, DER, or a `key_message` that carries it.
pub fn read_policy(path: &Path) -> Result<PolicyCertificate, Failure> {
    let bytes = input::read(path, MAX_FILE)?;
    let next = "give the domain's policy certificate (PEM, DER or a key_message with one)";
    let refuse = |why: String| {
        let message = format!("{} is no policy certificate: {why}", input::shown(path));
        Failure::coded(ErrorCode::Refused, message, next)
    };
    let der = read_certificate(bytes.expose()).map_err(|error| refuse(error.to_string()))?;
    PolicyCertificate::from_der(&der).map_err(|error| refuse(error.to_string()))
}

/// A DER certificate as PEM (RFC 7468).
///
/// # Panics
/// When it has gigabytes; certificates are read within bounds.
pub fn to_pem(der: &[u8]) -> String {
    pem_rfc7468::encode_string("CERTIFICATE", LineEnding::LF, der)
        .expect("a certificate is far below the lengths that PEM can't count")
}
