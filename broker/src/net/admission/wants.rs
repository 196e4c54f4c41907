//! What a peer comes for, by its request.

use claviger_proto::ParseError;
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::Refusal;
use claviger_proto::trust::{
    PURPOSE_AUTHENTICATION, PURPOSE_BROKER_ENROLLMENT, PURPOSE_BROKER_STATE, PURPOSE_RENEWAL, TrustRequest,
};

use super::Ended;

/// What a peer comes for.
#[derive(Clone, Copy)]
pub(super) enum Wants {
    /// Its first admission certificate.
    Enroll,
    /// Its next.
    Renew,
    /// A domain, being a broker elsewhere; with a certificate or not.
    Broker(BrokerWants),
}

/// What a broker elsewhere comes for.
#[derive(Clone, Copy)]
pub(super) enum BrokerWants {
    Certificate,
    State,
}

impl Wants {
    /// What records call it.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Enroll => "enroll",
            Self::Renew => "renew",
            Self::Broker(BrokerWants::Certificate) => "broker-enroll",
            Self::Broker(BrokerWants::State) => "broker-state",
        }
    }

    /// What metrics and the log call its success.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Enroll => "admitted",
            Self::Renew => "renewed",
            Self::Broker(BrokerWants::Certificate) => "broker-admitted",
            Self::Broker(BrokerWants::State) => "broker-state",
        }
    }
}

pub(super) fn wanted(request: &TrustRequest) -> Result<Wants, Ended> {
    match (request.purpose.as_str(), &request.new_key) {
        (PURPOSE_AUTHENTICATION, None) => Ok(Wants::Enroll),
        (PURPOSE_RENEWAL, Some(_)) => Ok(Wants::Renew),
        (PURPOSE_BROKER_ENROLLMENT, None) => Ok(Wants::Broker(BrokerWants::Certificate)),
        (PURPOSE_BROKER_STATE, None) => Ok(Wants::Broker(BrokerWants::State)),
        (PURPOSE_AUTHENTICATION | PURPOSE_BROKER_ENROLLMENT | PURPOSE_BROKER_STATE, Some(_)) => {
            let why = "who enrols is certified for its channel's key, and names no other";
            Err(Ended::Refused(Refusal::new(ErrorCode::Malformed, why)))
        }
        (PURPOSE_RENEWAL, None) => Err(ParseError::Missing("new_key").into()),
        _ => {
            let why =
                "only the purposes \"authentication\" and \"renewal\" are served here, and those of brokers";
            Err(Ended::Refused(Refusal::new(ErrorCode::UnknownRequest, why)))
        }
    }
}
