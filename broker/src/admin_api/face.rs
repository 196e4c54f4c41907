//! The admin API over mutual TLS, and whom the broker shows there: by the name in the hello, its own certificate in that
//! domain, as on the key service; without a name the operators' face, a certificate that they pin. That one and its key lie
//! unsealed in the data directory, for a sealed broker has to show it to who unseals it (docs/adr/0021).

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use claviger_attest::{KeyAlgorithm, SigningKey, self_signed_face};
use claviger_client::cli::certificates::to_pem;
use claviger_client::files::{read_bounded, write_new_private, write_new_public};
use claviger_proto::DomainName;
use claviger_proto::key::read_private;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::view::AdminView;
use crate::actors::domains::Caller;
use crate::domain::{any_key, by_server_name};

/// The operators' face, in the data directory.
const CERTIFICATE: &str = "admin-cert.pem";
/// Its key, 0600.
const KEY: &str = "admin-key.pem";
/// Larger than either file ever is, in bytes.
const MAX_FILE: usize = 16 << 10;

/// Why the operators' face can't be shown.
#[derive(Debug, thiserror::Error)]
#[error(
    "the certificate that operators know this broker by ({CERTIFICATE}, {KEY} in the data directory): {0}"
)]
pub struct FaceError(String);

fn broken(error: impl fmt::Display) -> FaceError {
    FaceError(error.to_string())
}

/// Reads the operators' face, or makes it once.
pub(crate) fn operators_face(
    data_dir: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, FaceError> {
    let (certificate_path, key_path) = (data_dir.join(CERTIFICATE), data_dir.join(KEY));
    if !key_path.exists() {
        if certificate_path.exists() {
            return Err(broken(
                "the certificate is there without its key; put the key back, or remove the certificate \
                               and have operators pin the new one",
            ));
        }
        let key = SigningKey::generate(KeyAlgorithm::P256).map_err(broken)?.to_private().map_err(broken)?;
        write_new_private(&key_path, key.to_pem().as_bytes()).map_err(broken)?;
    }
    let file = read_bounded(&key_path, MAX_FILE).map_err(broken)?;
    let (key, _) = read_private(file.expose()).map_err(broken)?;
    if !certificate_path.exists() {
        let der = self_signed_face(&SigningKey::from_private(&key).map_err(broken)?, UnixTime::now());
        write_new_public(&certificate_path, to_pem(&der.map_err(broken)?).as_bytes()).map_err(broken)?;
    }
    let file = read_bounded(&certificate_path, MAX_FILE).map_err(broken)?;
    let certificate = CertificateDer::from_pem_slice(file.expose()).map_err(broken)?;
    let fingerprint = hex::encode(claviger_attest::sha256(&certificate));
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()));
    let key = provider.key_provider.load_private_key(der).map_err(broken)?;
    let face = CertifiedKey::new(vec![certificate], key);
    face.keys_match().map_err(broken)?;
    tracing::info!(fingerprint, certificate = %certificate_path.display(), "operators know this broker by this certificate");
    Ok(Arc::new(face))
}

/// TLS of the admin API.
pub(super) fn tls(
    view: AdminView,
    operators: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, FaceError> {
    any_key(Arc::new(Faces { view, operators }), provider).map_err(broken)
}

struct Faces {
    view: AdminView,
    operators: Arc<CertifiedKey>,
}

impl fmt::Debug for Faces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faces").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Faces {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = hello.server_name() else { return Some(Arc::clone(&self.operators)) };
        let domains = self.view.domains();
        let domain = by_server_name(&domains, name)?;
        domain.service_tls.cert_resolver.resolve(hello)
    }
}

/// To whom the broker showed itself as what.
pub(super) enum Face {
    /// To an operator.
    Operator,
    /// To somebody of this domain, while it was of this generation.
    Domain {
        /// Which.
        name: DomainName,
        /// Its generation.
        generation: [u8; 16],
    },
    /// The domain is gone since the handshake.
    Nobody,
}

/// The other end of a connection over TLS.
pub(super) struct Remote {
    /// What it was shown.
    pub(super) face: Face,
    /// Its certificate, whose key it has; nothing else of it is verified.
    pub(super) leaf: Vec<u8>,
    /// Its address.
    pub(super) source: Arc<str>,
}

impl Remote {
    /// It calls, as one of this role.
    pub(super) fn caller(&self, role: &'static str, fingerprint: [u8; 32]) -> Caller {
        Caller { role, fingerprint: Some(fingerprint), source: Arc::clone(&self.source) }
    }
}

/// Notes who connects. Where that can't be seen, no call is admitted.
pub(super) fn note_remote(view: &AdminView, connection: &dyn Any, extensions: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TlsStream<tokio::net::TcpStream>>() else { return };
    let (tcp, tls) = stream.get_ref();
    let Some(leaf) = tls.peer_certificates().and_then(<[_]>::first) else { return };
    let face = match tls.server_name() {
        None => Face::Operator,
        Some(name) => by_server_name(&view.domains(), name).map_or(Face::Nobody, |domain| Face::Domain {
            name: domain.name.clone(),
            generation: *domain.keys.generation(),
        }),
    };
    let source = tcp.peer_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string());
    extensions.insert(Remote { face, leaf: leaf.to_vec(), source: source.into() });
}
