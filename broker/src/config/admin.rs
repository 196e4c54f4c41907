//! `[admin]`: the admin API over the network, and who operates the broker there.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use claviger_client::files::read_bounded;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use super::ConfigError;

/// Largest file of an operator's certificate, in bytes.
const MAX_FILE: usize = 64 << 10;

/// The admin API over the network.
#[derive(Clone, Debug, Default)]
pub struct AdminListen {
    /// Its address; none means off.
    pub listen: Option<SocketAddr>,
    /// SHA-256 of each operator's certificate.
    pub operators: Arc<BTreeSet<[u8; 32]>>,
}

/// The same, as written in TOML.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AdminTable {
    pub(super) listen: Option<SocketAddr>,
    pub(super) operators: Vec<String>,
}

impl AdminTable {
    /// Reads the files that it names; an address of the command line wins.
    pub(super) fn read(&self, listen: Option<SocketAddr>) -> Result<AdminListen, ConfigError> {
        let operators = self.operators.iter().map(|text| operator(text)).collect::<Result<_, _>>()?;
        Ok(AdminListen { listen: listen.or(self.listen), operators: Arc::new(operators) })
    }
}

impl AdminListen {
    pub(super) fn values(&self) -> [String; 2] {
        let operators: Vec<_> = self.operators.iter().map(hex::encode).collect();
        [self.listen.map(|address| address.to_string()).unwrap_or_default(), operators.join(" ")]
    }
}

/// A certificate's SHA-256 in hex, or a file with the certificate.
fn operator(text: &str) -> Result<[u8; 32], ConfigError> {
    if let Some(fingerprint) = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok()) {
        return Ok(fingerprint);
    }
    let bad = |what: String| ConfigError::Value { key: "admin.operators", what };
    let neither = "neither the SHA-256 of a certificate (64 hex digits) nor a file with one (PEM)";
    let file = read_bounded(Path::new(text), MAX_FILE)
        .map_err(|error| bad(format!("{text} is {neither}: {error}")))?;
    let certificate =
        CertificateDer::from_pem_slice(file.expose()).map_err(|_| bad(format!("{text} is {neither}")))?;
    let digest = claviger_attest::sha256(&certificate);
    digest.as_slice().try_into().map_err(|_| bad(format!("{text} is {neither}")))
}
