//! What an error means for machines (its code), for scripts (the exit status) and for people (what to do next).

use claviger_attest::CertificateError;
use claviger_proto::ErrorCode;
use claviger_proto::key_service::{Needs, Refusal};

use super::{BrokerFault, Error, Service};

impl Error {
    /// The stable code: the broker's own codes where it refused, and `unreachable`, `timeout`, `closed`,
    /// `broker-refused`, `unknown-domain`, `wrong-port`, `no-challenge`, `tls`, `protocol`, `channel-spent`, `key` and
    /// the codes of [`crate::state::StateError`] and [`crate::evidence::EvidenceError`] for what happened here.
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
            Self::Certifier(error) => error.code(),
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
            Self::Certifier(error) => error.exit_status(),
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
            Self::BrokerRefused { reason: BrokerFault::Certificate(CertificateError::BrokerMeasurement), .. } => {
                "compare --broker-measurement, or what this machine keeps of it since it enrolled, with the domain's [[broker]] \
                 tables; a home broker names no measurement, so the option is for brokers elsewhere alone"
                    .into()
            }
            Self::BrokerRefused { reason: BrokerFault::Certificate(CertificateError::NotPinned { .. }), .. } => {
                "find the fingerprint out on the server's machine; if it is this one, pin it (key-client peer pin \
                 FINGERPRINT); if it isn't, someone else is answering there"
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
            Self::Refused { refusal, request_id } => refused_next(refusal, request_id.as_deref()),
            Self::Protocol { .. } => {
                "check that this port belongs to a Claviger broker of a version that fits this one".into()
            }
            Self::ChannelSpent => "connect again".into(),
            Self::Input(_) => "correct it and try again; nothing was sent".into(),
            Self::Evidence(error) => error.next(),
            Self::State(error) => error.next(),
            Self::Certifier(error) => error.next(),
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
        (_, "CertificateRevoked") => {
            "the domain's owner has revoked it, or what this machine is or runs (key-admin revocation list): ask the owner \
             whether it may enroll again"
        }
        (None, "UnknownCA") => {
            "the broker has another policy certificate for this domain than this machine: ask the domain's owner which \
             is right, and enroll again (key-client enroll --replace)"
        }
        _ => "enroll this machine again (key-client enroll --replace), and check its clock",
    }
}

/// What to give for a proof. Where it was given, it was taken and isn't enough.
fn proof_next(needs: Needs) -> &'static str {
    match needs {
        Needs { principal: false, .. } => {
            "say where this machine's evidence comes from (--evidence KIND:WHERE); where it was given, the rule asks \
             for fresher evidence than this channel can have"
        }
        Needs { freshness: false, .. } => {
            "give a principal's certificate and key (--credentials, --credentials-key); where they were given, the \
             rule asks for another principal (key-admin principal list)"
        }
        _ => {
            "give this machine's evidence (--evidence KIND:WHERE), a principal's credentials (--credentials), or both"
        }
    }
}

fn refused_next(refusal: &Refusal, request_id: Option<&str>) -> String {
    let needs = refusal.challenge.as_ref().map(|challenge| challenge.needs).unwrap_or_default();
    let next = match refusal.code {
        ErrorCode::ProofNeeded => proof_next(needs),
        ErrorCode::NotFound => {
            "check the name, and ask the domain's owner whether this machine may do this \
             (key-admin acl preset)"
        }
        ErrorCode::InvalidName | ErrorCode::ReservedName => "choose another name",
        ErrorCode::Conflict => {
            "look at what is there (key-client versions NAME), then ask again for what fits it"
        }
        ErrorCode::CertificateRefused => "enroll this machine again (key-client enroll --replace)",
        ErrorCode::AttestationRefused => {
            "mend what the message names, if it is this machine's; the domain's owner finds the reason, and what to do, in \
             the broker's log"
        }
        ErrorCode::Suspended => "ask who runs the domain when it is resumed (key-admin domain resume)",
        ErrorCode::Sealed => "the operator has to unseal the broker",
        ErrorCode::QuotaExceeded => {
            "destroy versions that aren't needed any more, or ask the broker's operator for more (key-admin quota set)"
        }
        ErrorCode::Busy | ErrorCode::Deadline => "try again in a moment",
        ErrorCode::Unavailable => "try again; if it stays, the operator finds the reason in the broker's log",
        _ => "correct the request and try again",
    };
    match request_id {
        Some(id) if refusal.code == ErrorCode::AttestationRefused => format!("{next} as request {id}"),
        Some(id) => format!("{next}; the broker's log has it as request {id}"),
        None => next.to_owned(),
    }
}
