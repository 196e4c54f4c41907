//! A connection that writes prepared frames and reads answers, at as little cost as can be: where rates are
//! measured, the load must not be what is slow, and must cost the same on both sides.

use std::net::SocketAddr;
use std::sync::Arc;

use claviger_client::Identity;
use claviger_proto::frame::{HEADER, body_length, header};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::BenchError;
use crate::setting::DOMAIN;

/// Largest answer that is expected, in bytes with its header: an entry of 256 bytes and what is around it.
const LARGEST: usize = 4096;

/// An agent's TLS towards both servers.
pub(crate) fn client_tls(agent: &Identity) -> Result<Arc<ClientConfig>, BenchError> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(agent.policy().der().to_vec()))?;
    let leaf = CertificateDer::from(agent.certificate().to_vec());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(agent.key().pkcs8_der().to_vec()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![leaf], key)?;
    config.alpn_protocols = vec![claviger_proto::ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// A body with its header.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    [header(body.len()).as_slice(), body].concat()
}

/// See the module.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Self, BenchError> {
        Self::open_in(address, tls, DOMAIN).await
    }

    /// In a domain of this name.
    pub(crate) async fn open_in(
        address: SocketAddr,
        tls: Arc<ClientConfig>,
        domain: &str,
    ) -> Result<Self, BenchError> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(domain.to_owned()).expect("the domain's name is a DNS label");
        let stream = TlsConnector::from(tls).connect(name, tcp).await?;
        Ok(Self { stream, buffer: vec![0; LARGEST] })
    }

    /// Sends a whole frame; returns the body of the answer.
    pub(crate) async fn exchange(&mut self, frame: &[u8]) -> Result<&[u8], BenchError> {
        self.stream.write_all(frame).await?;
        self.stream.flush().await?;
        let mut have = 0;
        loop {
            have += match self.stream.read(&mut self.buffer[have..]).await? {
                0 => return Err(BenchError::Answer("it was too long, or the connection was closed")),
                more => more,
            };
            if let Some(end) = whole(&self.buffer[..have])? {
                return Ok(&self.buffer[HEADER..end]);
            }
        }
    }
}

/// Where the frame ends that `bytes` begins with, if it is all there.
fn whole(bytes: &[u8]) -> Result<Option<usize>, BenchError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let end = HEADER + body_length(*header, LARGEST - HEADER)?;
    Ok((end <= bytes.len()).then_some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_when_its_last_byte_is_there() {
        let frame = framed(b"hello");
        for short in 0..frame.len() {
            assert_eq!(whole(&frame[..short]).expect("a frame"), None);
        }
        assert_eq!(whole(&frame).expect("a frame"), Some(9));
        assert!(whole(&framed(&[0; LARGEST])).is_err());
    }
}
