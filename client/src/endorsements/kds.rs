//! AMD's key distribution service, or a mirror of it (57230, "Versioned Chip Endorsement Key (VCEK) Certificate and KDS
//! Interface Specification", chapter 4).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{MAX_CERTIFICATE, Vcek, is_one_der};

/// One fetch, from name resolution to the last byte.
const FETCH: Duration = Duration::from_secs(10);

/// Where certificates are fetched from.
#[derive(Clone)]
pub struct Kds {
    host: String,
    port: u16,
    /// Before `/vcek/…`, without a slash at its end.
    path: String,
    tls: Option<TlsConnector>,
}

/// A service that can't be one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KdsError {
    /// Not an address of the kind that is meant.
    #[error("a key distribution service is named as http://HOST[:PORT][/PATH] or https://…")]
    Url,
    /// No certificates to judge the service's own by.
    #[error(
        "no root certificates can be read from {0}; install ca-certificates, or name the service by http://"
    )]
    Roots(String),
}

/// Why nothing was fetched.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotFetched {
    /// The service has none.
    Missing,
    /// It is to be asked later, perhaps not before this time has passed.
    Later(String, Option<Duration>),
}

impl Kds {
    /// AMD's own.
    pub const AMD: &str = "https://kdsintf.amd.com";
    /// Where systems have the roots that an `https` service's certificate is judged by.
    pub const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

    /// A service by its URL. What it gives is judged by AMD's pinned roots, whoever gives it: TLS keeps to itself which chips
    /// are asked for.
    pub fn new(url: &str, roots: &Path) -> Result<Self, KdsError> {
        let uri: Uri = url.parse().map_err(|_| KdsError::Url)?;
        let host = uri.host().ok_or(KdsError::Url)?.trim_matches(['[', ']']).to_owned();
        if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(KdsError::Url);
        }
        let (tls, usual) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(connector(roots)?), 443),
            _ => return Err(KdsError::Url),
        };
        let (port, path) = (uri.port_u16().unwrap_or(usual), uri.path().trim_end_matches('/').to_owned());
        Ok(Self { host, port, path, tls })
    }

    /// Fetches a certificate.
    pub(super) async fn fetch(&self, vcek: &Vcek) -> Result<Vec<u8>, NotFetched> {
        match timeout(FETCH, self.exchange(vcek)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(later("it didn't answer in time")),
        }
    }

    async fn exchange(&self, vcek: &Vcek) -> Result<Vec<u8>, NotFetched> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(later)?;
        match &self.tls {
            None => self.ask(stream, vcek).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(later)?;
                self.ask(tls.connect(name, stream).await.map_err(later)?, vcek).await
            }
        }
    }

    async fn ask<S>(&self, stream: S, vcek: &Vcek) -> Result<Vec<u8>, NotFetched>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(later)?;
        let connection = tokio::spawn(connection);
        let request = Request::get(self.target(vcek)).header(header::HOST, self.authority());
        let request = request.header(header::ACCEPT, "*/*").body(Empty::<Bytes>::new()).map_err(later)?;
        let response = sender.send_request(request).await.map_err(later)?;
        if let Some(refused) = refused(&response) {
            connection.abort();
            return Err(refused);
        }
        let body = Limited::new(response.into_body(), MAX_CERTIFICATE).collect().await;
        connection.abort();
        let certificate = body.map_err(later)?.to_bytes();
        if is_one_der(&certificate) {
            Ok(certificate.to_vec())
        } else {
            Err(later("it answered with no certificate"))
        }
    }

    fn target(&self, vcek: &Vcek) -> String {
        let parts: Vec<_> =
            vcek.parts().iter().map(|(name, number)| format!("{name}SPL={number:02}")).collect();
        let product = vcek.product.certificate_name();
        format!("{}/vcek/v1/{product}/{}?{}", self.path, vcek.chip_hex(), parts.join("&"))
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn connector(roots: &Path) -> Result<TlsConnector, KdsError> {
    let unread = || KdsError::Roots(roots.display().to_string());
    let pem = std::fs::read(roots).map_err(|_| unread())?;
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if store.is_empty() {
        return Err(unread());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| unread())?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it")]
fn later(why: impl ToString) -> NotFetched {
    NotFetched::Later(why.to_string(), None)
}

/// What an answer says other than a certificate.
fn refused<B>(response: &Response<B>) -> Option<NotFetched> {
    let status = response.status();
    match status {
        StatusCode::OK => None,
        // The chip, or a TCB that it never had.
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Some(NotFetched::Missing),
        _ => {
            let after = response
                .headers()
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            Some(NotFetched::Later(
                format!("HTTP status {}", status.as_u16()),
                after.map(Duration::from_secs),
            ))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use claviger_attest::{ChipId, SnpProduct};

    use super::*;

    fn http(url: &str) -> Result<Kds, KdsError> {
        Kds::new(url, Path::new("/nowhere"))
    }

    #[test]
    fn a_certificate_is_asked_for_as_amd_says() {
        let kds = http("http://mirror:8080/amd/").unwrap();
        let chip = ChipId::new([0xab; 64]).unwrap();
        let milan = Vcek::new(SnpProduct::Milan, chip, [2, 0, 0, 0, 0, 0, 6, 115]);
        let hex = "ab".repeat(64);
        assert_eq!(
            kds.target(&milan),
            format!("/amd/vcek/v1/Milan/{hex}?blSPL=02&teeSPL=00&snpSPL=06&ucodeSPL=115")
        );
        let turin = Vcek::new(SnpProduct::Turin, chip, [1, 2, 3, 4, 0, 0, 0, 75]);
        let target = http("http://[::1]").unwrap().target(&turin);
        assert_eq!(
            target,
            format!("/vcek/v1/Turin/{}?blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=75&fmcSPL=01", "ab".repeat(8))
        );
        assert_eq!(http("http://[::1]").unwrap().authority(), "[::1]:80");
        assert_eq!(kds.authority(), "mirror:8080");
    }

    #[test]
    fn what_is_no_service_is_refused() {
        for bad in ["", "mirror", "ftp://mirror", "http://", "http://user@mirror", "http://mirror/?a=b"] {
            assert!(matches!(http(bad), Err(KdsError::Url)), "{bad}");
        }
        assert!(matches!(http(Kds::AMD), Err(KdsError::Roots(_))));
    }
}
