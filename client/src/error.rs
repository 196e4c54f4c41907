//! What can go wrong between this machine and a broker: whose fault it is, what happened, what to do next.

use std::fmt;
use std::io;
use std::time::Duration;

use claviger_attest::{CertificateError, IssueError, KeyError};
use claviger_proto::key_service::Refusal;
use claviger_proto::{DomainName, ErrorCode, ParseError};

use crate::address::Address;
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

impl Error {
    /// The stable code: the broker's own codes where it refused, and `unreachable`, `timeout`, `closed`,
    /// `broker-refused`, `unknown-domain`, `wrong-port`, `no-challenge`, `tls`, `protocol`, `channel-spent`, `key` and the codes of [`StateError`] and
    /// [`EvidenceError`] for what happened here.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Closed { .. } => "closed",
            Self::BrokerRefused { .. } => "broker-refused",
            Self::CertificateRefused { .. } => ErrorCode::CertificateRefused.as_str(),
            Self::UnknownDomain { .. } => "unknown-domain",
            Self::NotServing { .. } => ErrorCode::Sealed.as_str(),
            Self::Busy { .. } => ErrorCode::Busy.as_str(),
            Self::WrongPort { .. } => "wrong-port",
            Self::NoChallenge { .. } => "no-challenge",
            Self::Tls { .. } => "tls",
            Self::Refused { refusal, .. } => refusal.code.as_str(),
            Self::Protocol { .. } => "protocol",
            Self::ChannelSpent => "channel-spent",
            Self::Input(error) => ErrorCode::from(*error).as_str(),
            Self::Evidence(error) => error.code(),
            Self::State(error) => error.code(),
            Self::Key { .. } | Self::NewKey(_) => "key",
            Self::NoClock => "system",
        }
    }

    /// The exit status of a command that ends with this error: 3 refused, 4 not found or not allowed,
    /// 5 conflict, 6 attestation refused, 7 sealed, 8 unreachable, 1 other.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Closed { .. }
            | Self::NoChallenge { .. } => 8,
            Self::NotServing { .. } => ErrorCode::Sealed.exit_status(),
            Self::Busy { .. } => ErrorCode::Busy.exit_status(),
            Self::BrokerRefused { .. }
            | Self::CertificateRefused { .. }
            | Self::UnknownDomain { .. }
            | Self::WrongPort { .. } => 3,
            Self::Tls { .. }
            | Self::Protocol { .. }
            | Self::ChannelSpent
            | Self::Key { .. }
            | Self::NewKey(_)
            | Self::NoClock => 1,
            Self::Refused { refusal, .. } => refusal.code.exit_status(),
            Self::Input(error) => ErrorCode::from(*error).exit_status(),
            Self::Evidence(error) => error.exit_status(),
            Self::State(error) => error.exit_status(),
        }
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "check the address and that the broker runs (key-admin status)".into()
            }
            Self::Timeout { .. } => "try again; if it stays, look at the broker's log and the network".into(),
            Self::Closed { .. } => {
                "try again; a broker at its limits or shutting down does this: look at its log".into()
            }
            Self::BrokerRefused { reason: BrokerFault::Certificate(fault), .. } if is_of_dates(fault) => {
                "check this machine's clock; if it is right, the operator looks at the broker's clock and certificate"
                    .into()
            }
            Self::BrokerRefused { .. } => {
                "check the address and the policy certificate; if both are right, tell the domain's owner: \
                 someone else may be answering there"
                    .into()
            }
            Self::CertificateRefused { alert, own, .. } => refused_certificate_next(alert, own.as_ref()).into(),
            Self::WrongPort { found: Service::Admission, .. } => {
                "give the address of its key service: the same broker, by default port 8120".into()
            }
            Self::WrongPort { found: Service::KeyService, .. } => {
                "give the address of its admission: the same broker, by default port 8123".into()
            }
            Self::NoChallenge { .. } => {
                "check that this is the broker's admission port (by default 8123), not its key service's (8120); if it \
                 is, look at the broker's log"
                    .into()
            }
            Self::UnknownDomain { domain, .. } => {
                format!("check the domain's spelling, or create it: key-admin domain create {domain}")
            }
            Self::NotServing { .. } => "the operator unseals it, or finds the reason in its log".into(),
            Self::Busy { .. } => "try again in a moment".into(),
            Self::Tls { .. } => {
                "check that this port is the broker's, not a plain or older TLS service".into()
            }
            Self::Refused { refusal, request_id } => refused_next(refusal.code, request_id.as_deref()),
            Self::Protocol { .. } => {
                "check that this port belongs to a Claviger broker of a version that fits this one".into()
            }
            Self::ChannelSpent => "connect again".into(),
            Self::Input(_) => "correct it and try again; nothing was sent".into(),
            Self::Evidence(error) => error.next(),
            Self::State(error) => error.next(),
            Self::NewKey(_) | Self::NoClock => "check the system and try again".into(),
            Self::Key { .. } => "enroll this machine again (key-client enroll --replace)".into(),
        }
    }
}

fn is_of_dates(fault: &CertificateError) -> bool {
    matches!(
        fault,
        CertificateError::Expired
            | CertificateError::NotYetValid
            | CertificateError::PolicyExpired
            | CertificateError::PolicyNotYetValid
    )
}

/// What this machine finds itself comes first; what the broker alone finds is where the two disagree.
fn refused_certificate_next(alert: &str, own: Option<&CertificateError>) -> &'static str {
    match (own, alert) {
        (Some(CertificateError::NotYetValid | CertificateError::PolicyNotYetValid), _) => {
            "set this machine's clock"
        }
        (Some(CertificateError::PolicyExpired), _) => "the domain's owner makes a new policy certificate",
        (None, "CertificateExpired") => {
            "by this machine's clock the certificate is valid: one of the two clocks is wrong, compare them"
        }
        (None, "UnknownCA") => {
            "the broker has another policy certificate for this domain than this machine: ask the domain's owner which \
             is right, and enroll again (key-client enroll --replace)"
        }
        _ => "enroll this machine again (key-client enroll --replace), and check its clock",
    }
}

fn refused_next(code: ErrorCode, request_id: Option<&str>) -> String {
    let next = match code {
        ErrorCode::NotFound => {
            "check the name, and ask the domain's owner whether this machine may do this \
             (key-admin acl preset)"
        }
        ErrorCode::InvalidName | ErrorCode::ReservedName => "choose another name",
        ErrorCode::Conflict => "leave the version out to get the next one, or look at what is there first",
        ErrorCode::CertificateRefused => "enroll this machine again (key-client enroll --replace)",
        ErrorCode::AttestationRefused => {
            "compare this machine's measurement with what the domain trusts (key-admin trust list)"
        }
        ErrorCode::Sealed => "the operator has to unseal the broker",
        ErrorCode::Busy | ErrorCode::Deadline => "try again in a moment",
        ErrorCode::Unavailable => "try again; if it stays, the operator finds the reason in the broker's log",
        _ => "correct the request and try again",
    };
    match request_id {
        Some(id) => format!("{next}; the broker's log has it as request {id}"),
        None => next.to_owned(),
    }
}
