//! One TLS connection that carries frames, with a limit on every wait and every error classified.

use std::io::{self, IoSlice};
use std::time::Duration;

use claviger_proto::frame;
use claviger_proto::key_service::Dialect;
use rustls::{AlertDescription, CertificateError as TlsCertificateError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroize as _;

use crate::address::Address;
use crate::error::{BrokerFault, Error, Phase, ProtocolFault, Service};
use crate::timeouts::Timeouts;
use crate::tls::Session;

/// After a failed write, how long to look for the alert that explains it: it is there already or never.
const ALERT_WAIT: Duration = Duration::from_millis(250);

/// A connection after its handshake, on which the other end has proven to be the domain's broker.
pub(crate) struct Wire {
    stream: TlsStream<TcpStream>,
    address: Address,
    timeouts: Timeouts,
    session: Session,
    /// The answer's body; emptied and wiped before each use and at the end, so growing it copies no secret.
    body: Vec<u8>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

impl Wire {
    /// Connects and shakes hands.
    pub(crate) async fn connect(
        address: &Address,
        session: &Session,
        timeouts: Timeouts,
    ) -> Result<Self, Error> {
        let late = |phase| Error::Timeout { address: address.clone(), phase, limit: timeouts.of(phase) };
        let tcp = timeout(timeouts.connect, tcp(address)).await.map_err(|_| late(Phase::Connect))??;
        Self::shake_hands(address, session, timeouts, tcp).await
    }

    /// Shakes hands over a connection that is there.
    pub(crate) async fn shake_hands(
        address: &Address,
        session: &Session,
        timeouts: Timeouts,
        tcp: TcpStream,
    ) -> Result<Self, Error> {
        let late = |phase| Error::Timeout { address: address.clone(), phase, limit: timeouts.of(phase) };
        let connector = TlsConnector::from(session.config.clone());
        let stream = timeout(timeouts.handshake, connector.connect(session.server_name.clone(), tcp))
            .await
            .map_err(|_| late(Phase::Handshake))?
            .map_err(|error| classify(address, session, Phase::Handshake, error))?;
        let chosen = stream.get_ref().1.alpn_protocol();
        if session.dialect == Dialect::Ours && chosen != Some(claviger_proto::ALPN) {
            return Err(Error::Protocol { address: address.clone(), fault: ProtocolFault::Alpn });
        }
        let (address, session) = (address.clone(), session.clone());
        Ok(Self { stream, address, timeouts, session, body: Vec::new() })
    }

    /// The TLS state, for exporters and certificates.
    pub(crate) fn tls(&self) -> &rustls::ClientConnection {
        self.stream.get_ref().1
    }

    /// The other end's address, for errors.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Reads the first message where the other end speaks first; it has it ready, so it gets as long as a handshake.
    pub(crate) async fn first(&mut self, limit: usize) -> Result<&[u8], Error> {
        if self.session.met_key_service() {
            // It would wait for us as long as we for it.
            return Err(Error::WrongPort { address: self.address.clone(), found: Service::KeyService });
        }
        let given = self.timeouts.handshake;
        match timeout(given, self.receive(limit)).await {
            Ok(Ok(())) => Ok(&self.body),
            // A key service waits for its peer, too, and closes when nothing comes.
            Err(_) | Ok(Err(Error::Closed { .. })) => {
                Err(Error::NoChallenge { address: self.address.clone() })
            }
            Ok(Err(error)) => Err(error),
        }
    }

    /// Waits until the other end ends the connection, or says something that nobody asked for, which nothing can follow.
    pub(crate) async fn ended(&mut self) {
        // How it ended says nothing more.
        let _ = self.stream.read(&mut [0; 1]).await;
    }

    /// An error about what the broker said.
    pub(crate) fn fault(&self, fault: impl Into<ProtocolFault>) -> Error {
        Error::Protocol { address: self.address.clone(), fault: fault.into() }
    }

    /// Sends one message, and reads the next one that comes, of at most `limit` bytes.
    pub(crate) async fn exchange(&mut self, message: &[u8], limit: usize) -> Result<&[u8], Error> {
        let given = self.timeouts.answer;
        let done = timeout(given, self.send_and_receive(message, limit)).await;
        done.map_err(|_| self.late(given))??;
        Ok(&self.body)
    }

    fn late(&self, limit: Duration) -> Error {
        Error::Timeout { address: self.address.clone(), phase: Phase::Answer, limit }
    }

    async fn send_and_receive(&mut self, message: &[u8], limit: usize) -> Result<(), Error> {
        let written = match self.session.dialect {
            Dialect::Ours => write_frame(&mut self.stream, message).await,
            Dialect::Stock => write_stock_frame(&mut self.stream, message).await,
        };
        if let Err(error) = written {
            // A broker that refuses our certificate says so while we are already writing: prefer its alert.
            let mut byte = [0; 1];
            return Err(match timeout(ALERT_WAIT, self.stream.read(&mut byte)).await {
                Ok(Err(alert)) if alert.kind() == io::ErrorKind::InvalidData => self.classify(alert),
                _ => self.classify(error),
            });
        }
        self.receive(limit).await
    }

    async fn receive(&mut self, limit: usize) -> Result<(), Error> {
        self.body.as_mut_slice().zeroize();
        self.body.clear();
        let mut header = [0; frame::HEADER];
        if let Err(error) = self.stream.read_exact(&mut header).await {
            return Err(self.classify(error));
        }
        let length = frame::body_length(header, limit).map_err(|fault| self.fault(fault))?;
        self.body.resize(length, 0);
        match self.stream.read_exact(&mut self.body).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.classify(error)),
        }
    }

    fn classify(&self, error: io::Error) -> Error {
        classify(&self.address, &self.session, Phase::Answer, error)
    }
}

pub(crate) async fn tcp(address: &Address) -> Result<TcpStream, Error> {
    let failed = |source| Error::Unreachable { address: address.clone(), source };
    let stream = TcpStream::connect(address.as_str()).await.map_err(failed)?;
    // A request is one small write; waiting to join it with the next would only delay it.
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// Writes header and body together, so that a small request is one TLS record.
async fn write_frame(stream: &mut TlsStream<TcpStream>, body: &[u8]) -> io::Result<()> {
    let header = frame::header(body.len());
    let mut sent = 0;
    while sent < header.len() + body.len() {
        let written = match header.get(sent..) {
            Some(rest) if !rest.is_empty() => {
                stream.write_vectored(&[IoSlice::new(rest), IoSlice::new(body)]).await?
            }
            _ => stream.write(&body[sent - header.len()..]).await?,
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        sent += written;
    }
    stream.flush().await
}

/// Writes header and body each in a record of its own: a stock reader takes the first record for the header.
async fn write_stock_frame(stream: &mut TlsStream<TcpStream>, body: &[u8]) -> io::Result<()> {
    stream.write_all(&frame::header(body.len())).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

/// Turns what the socket or the TLS library says into whose fault it is.
fn classify(address: &Address, session: &Session, phase: Phase, error: io::Error) -> Error {
    let address = address.clone();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => classify_tls(address, session, phase, tls),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::WriteZero => Error::Closed { address, phase },
            _ => Error::Unreachable { address, source: error },
        },
    }
}

fn classify_tls(address: Address, session: &Session, phase: Phase, error: &rustls::Error) -> Error {
    match error {
        rustls::Error::AlertReceived(alert) => classify_alert(address, session, phase, *alert),
        rustls::Error::InvalidCertificate(TlsCertificateError::Other(other)) => {
            match other.0.downcast_ref::<claviger_attest::CertificateError>() {
                Some(fault) => {
                    Error::BrokerRefused { address, reason: BrokerFault::Certificate(fault.clone()) }
                }
                None => Error::BrokerRefused { address, reason: BrokerFault::Proof(error.clone()) },
            }
        }
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Error::BrokerRefused { address, reason: BrokerFault::Proof(error.clone()) }
        }
        _ => Error::Tls { address, source: error.clone() },
    }
}

fn classify_alert(address: Address, session: &Session, phase: Phase, alert: AlertDescription) -> Error {
    match alert {
        // Before the broker has shown anything of itself, it has no other words for these.
        AlertDescription::InternalError if phase == Phase::Handshake => Error::NotServing { address },
        AlertDescription::UserCanceled if phase == Phase::Handshake => Error::Busy { address },
        AlertDescription::UnrecognisedName => {
            Error::UnknownDomain { address, domain: session.domain.clone() }
        }
        AlertDescription::NoApplicationProtocol => Error::Protocol { address, fault: ProtocolFault::Alpn },
        // Admission takes whatever certificate an enrolment brings; only the key service asks who signed it.
        AlertDescription::UnknownCA
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied
            if session.is_self_signed() =>
        {
            Error::WrongPort { address, found: Service::KeyService }
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError
        | AlertDescription::CertificateRequired => {
            Error::CertificateRefused { address, alert: format!("{alert:?}"), own: session.own_fault() }
        }
        _ => Error::Tls { address, source: rustls::Error::AlertReceived(alert) },
    }
}
