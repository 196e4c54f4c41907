//! Certification requests (PKCS#10, RFC 2986).

use std::path::Path;

use claviger_client::cli::certificates::MAX_FILE;
use claviger_client::cli::{Failure, input};
use claviger_proto::key::PublicKey;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer as _;

use crate::keys::refuse;

/// Reads a request (PEM or DER), and the key in it that signed it. Nothing else of it is used: what a machine
/// asks to be called is not what it is called.
pub(crate) fn read(path: &Path) -> Result<PublicKey, Failure> {
    let bytes = input::read(path, MAX_FILE)?;
    parse(path, bytes.expose())
}

/// The same of what came by another way; `path` is what it is called.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<PublicKey, Failure> {
    let refuse = |why: &str| refuse(path, why, "give a certification request (PKCS#10) as PEM or DER");
    let request = match parse_x509_pem(bytes) {
        Ok((_, pem)) if matches!(pem.label.as_str(), "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") => {
            pem.contents
        }
        Ok(_) => return Err(refuse("it is PEM, but no CERTIFICATE REQUEST")),
        Err(_) => bytes.to_vec(),
    };
    let (rest, request) = X509CertificationRequest::from_der(&request)
        .map_err(|_| refuse("it isn't a certification request"))?;
    if !rest.is_empty() {
        return Err(refuse("bytes follow the certification request"));
    }
    request.verify_signature().map_err(|_| refuse("its signature isn't made with the key that it names"))?;
    PublicKey::from_spki_der(request.certification_request_info.subject_pki.raw)
        .map_err(|error| refuse(&error.to_string()))
}
