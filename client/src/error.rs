//! What can go wrong between this machine and a broker: whose fault it is, what happened, what to do next.

mod advice;

use std::fmt;
use std::io;
use std::time::Duration;

use claviger_attest::{CertificateError, IssueError, KeyError};
use claviger_proto::key_service::Refusal;
use claviger_proto::{DomainName, ParseError};

use crate::address::Address;
use crate::certifier::CertifierError;
use crate::cryptstore::ItemError;
use crate::evidence::EvidenceError;
use crate::state::StateError;

/// A phase of talking to a broker, each with its own [limit](crate::Timeouts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Name resolution and TCP.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// Sending a request and reading its answer.
    Answer,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Handshake => "the TLS handshake",
            Self::Answer => "the answer",
        })
    }
}

/// What a broker serves, each at a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Requests of machines that were admitted; by default port 8120.
    KeyService,
    /// Enrolment and renewal; by default port 8123.
    Admission,
}

impl Service {
    fn other(self) -> Self {
        match self {
            Self::KeyService => Self::Admission,
            Self::Admission => Self::KeyService,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyService => "a broker's key service",
            Self::Admission => "a broker's admission",
        })
    }
}

/// Every way in which a call of this library fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network's fault, or nobody listens there.
    #[error("the broker at {address} can't be reached: {source}")]
    Unreachable {
        /// Where it should be.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The broker's or the network's fault: too slow.
    #[error("the broker at {address} did not finish {phase} within {limit:?}")]
    Timeout {
        /// Which broker.
        address: Address,
        /// What took too long.
        phase: Phase,
        /// How long it was given.
        limit: Duration,
    },
    /// The broker ended the connection without saying why.
    #[error("the broker at {address} closed the connection during {phase}")]
    Closed {
        /// Which broker.
        address: Address,
        /// When.
        phase: Phase,
    },
    /// The other end isn't a broker of the domain; nothing was sent to it.
    #[error("the server at {address} is refused: {reason}")]
    BrokerRefused {
        /// Which server.
        address: Address,
        /// What is wrong with its certificate or its handshake.
        reason: BrokerFault,
    },
    /// The broker doesn't accept this machine's certificate.
    #[error("the broker at {address} refused this machine's certificate ({alert}){}", own_fault(own.as_ref()))]
    CertificateRefused {
        /// Which broker.
        address: Address,
        /// The TLS alert it sent.
        alert: String,
        /// What this machine finds wrong with its own certificate, if anything.
        own: Option<CertificateError>,
    },
    /// The broker has no such domain.
    #[error("the broker at {address} serves no domain {domain}")]
    UnknownDomain {
        /// Which broker.
        address: Address,
        /// The domain that was asked for.
        domain: DomainName,
    },
    /// The broker answers, but serves nobody now.
    #[error("the broker at {address} serves nobody now: it is sealed, or it has failed")]
    NotServing {
        /// Which broker.
        address: Address,
    },
    /// The broker is at a limit.
    #[error("the broker at {address} is busy")]
    Busy {
        /// Which broker.
        address: Address,
    },
    /// A broker's other service answers there.
    #[error("{found} answers at {address}, not {wanted}", wanted = found.other())]
    WrongPort {
        /// Which address.
        address: Address,
        /// What it serves.
        found: Service,
    },
    /// The channel is open, and nothing came of it: admission begins with the broker's challenge.
    #[error("the server at {address} opened the channel and sent no challenge")]
    NoChallenge {
        /// Which server.
        address: Address,
    },
    /// No TLS came about, and no certificate is the reason.
    #[error("there is no TLS 1.3 with the server at {address}: {source}")]
    Tls {
        /// Which server.
        address: Address,
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// The broker understood the request and refused it.
    #[error("{refusal}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// The broker's id of the request, to find it in its log.
        request_id: Option<String>,
    },
    /// The broker said something that it must not say.
    #[error("the broker at {address} gave a wrong answer: {fault}")]
    Protocol {
        /// Which broker.
        address: Address,
        /// What is wrong with the answer.
        fault: ProtocolFault,
    },
    /// The channel was left in the middle of a request, by an error or by a dropped future.
    #[error("this channel is no longer usable: an earlier request on it did not end")]
    ChannelSpent,
    /// The caller's fault: a name, type, version or value that can't be sent.
    #[error("{0}")]
    Input(#[from] ParseError),
    /// A file of evidence is missing or wrong.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The local cryptstore is missing, in use or wrong.
    #[error(transparent)]
    State(#[from] StateError),
    /// This machine's private key can't be used, or isn't its certificate's.
    #[error("this machine's private key can't be used with its certificate: {source}")]
    Key {
        /// Why.
        source: rustls::Error,
    },
    /// Making a key or the temporary certificate failed; on a healthy machine it doesn't.
    #[error("a new key can't be made: {0}")]
    NewKey(#[from] IssueError),
    /// A stock server on the other end, and what is particular to it.
    #[error(transparent)]
    Certifier(#[from] CertifierError),
    /// The clock can't be read, so no certificate's dates can be judged.
    #[error("the system's clock can't be read")]
    NoClock,
}

impl From<ItemError> for Error {
    fn from(error: ItemError) -> Self {
        Self::State(error.into())
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::NewKey(error.into())
    }
}

/// Why a server is not accepted as a broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerFault {
    /// Its certificate isn't one of a broker of the domain.
    #[error("{0}")]
    Certificate(CertificateError),
    /// Its handshake doesn't prove that it has the certificate's key.
    #[error("its handshake doesn't prove the certificate's key: {0}")]
    Proof(rustls::Error),
}

/// What an answer must not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolFault {
    /// It isn't a well-formed message, or too large.
    #[error("{0}")]
    Malformed(#[from] ParseError),
    /// It answers something else.
    #[error("it answers another request than the one that was sent")]
    Unrelated,
    /// The server speaks TLS, but not our protocol.
    #[error("it doesn't speak claviger/1")]
    Alpn,
    /// Admission ended with a certificate that can't be used.
    #[error("the admission certificate that it sent can't be used: {0}")]
    Certificate(CertificateError),
    /// Admission ended with a certificate for a key that this machine didn't ask for.
    #[error("the admission certificate that it sent names another key than this machine's")]
    OtherKey,
}

fn own_fault(own: Option<&CertificateError>) -> String {
    own.map(|fault| format!("; indeed: {fault}")).unwrap_or_default()
}
