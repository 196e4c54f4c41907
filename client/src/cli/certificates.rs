//! Certificates on the command line.

use std::path::Path;

use claviger_attest::PolicyCertificate;
use claviger_proto::key::read_anchor_certificates;
use claviger_proto::{DomainName, ErrorCode};
use pem_rfc7468::LineEnding;

use super::failure::Failure;
use super::input;

/// Largest file with a certificate, or with a key and its certificate, in bytes: they are below 16 KiB.
pub const MAX_FILE: usize = 256 << 10;

/// Reads a policy certificate: PEM, DER, a `key_message` that carries it, or a stock trust-anchors file with only this
/// one.
pub fn read_policy(path: &Path) -> Result<PolicyCertificate, Failure> {
    let mut all = read_policies(path)?;
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(refused(path, "the file holds more than one, and nothing says which is meant")),
    }
}

/// The same, of which a stock trust-anchors file may hold several: the one that names this domain.
pub fn read_policy_of(path: &Path, domain: &DomainName) -> Result<PolicyCertificate, Failure> {
    let mut all = read_policies(path)?;
    if all.len() > 1 {
        all.retain(|certificate| certificate.domain_named() == Some(domain.as_str()));
    }
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(refused(path, &format!("none of those that the file holds is domain {domain}'s"))),
        (Some(_), false) => Err(refused(path, &format!("the file holds several of domain {domain}"))),
    }
}

/// Reads every policy certificate of a file, in its order; at least one.
pub fn read_policies(path: &Path) -> Result<Vec<PolicyCertificate>, Failure> {
    let bytes = input::read(path, MAX_FILE)?;
    let refuse = |why: String| refused(path, &why);
    let all = read_anchor_certificates(bytes.expose()).map_err(|error| refuse(error.to_string()))?;
    let parse = |der: &Vec<u8>| PolicyCertificate::from_der(der).map_err(|error| refuse(error.to_string()));
    all.iter().map(parse).collect()
}

fn refused(path: &Path, why: &str) -> Failure {
    let message = format!("{} is no policy certificate: {why}", input::shown(path));
    let next =
        "give the domain's policy certificate (PEM, DER, a key_message or a trust-anchors file with it)";
    Failure::coded(ErrorCode::Refused, message, next)
}

/// A DER certification request (PKCS#10) as PEM (RFC 7468).
///
/// # Panics
/// When it has gigabytes; requests are read within bounds.
pub fn request_to_pem(der: &[u8]) -> String {
    pem_rfc7468::encode_string("CERTIFICATE REQUEST", LineEnding::LF, der)
        .expect("a request is far below the lengths that PEM can't count")
}

/// A DER certificate as PEM (RFC 7468).
///
/// # Panics
/// When it has gigabytes; certificates are read within bounds.
pub fn to_pem(der: &[u8]) -> String {
    pem_rfc7468::encode_string("CERTIFICATE", LineEnding::LF, der)
        .expect("a certificate is far below the lengths that PEM can't count")
}
