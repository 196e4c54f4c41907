//! Which domain a channel belongs to (from its `ClientHello`, before anything is sent).

use std::sync::Arc;

use claviger_proto::ALPN;
use rustls::AlertDescription;

use super::{Domain, Domains};

/// What of a `ClientHello` the choice looks at.
#[derive(Debug, Default)]
pub struct Hello<'a> {
    /// `server_name`, if sent.
    pub server_name: Option<&'a str>,
    /// `certificate_authorities`, each a DER `Name`.
    pub authorities: Vec<&'a [u8]>,
    /// `application_layer_protocol_negotiation`, if sent.
    pub alpn: Option<Vec<&'a [u8]>>,
}

/// No domain: the alert that says so, and the reason for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the peer is told.
    pub alert: AlertDescription,
    /// What the log is told.
    pub reason: &'static str,
}

/// Chooses the domain: by SNI, else by the policy certificate's subject, else the default or only one.
/// Hints that disagree are refused, never resolved.
pub fn choose(domains: &Domains, hello: &Hello<'_>) -> Result<Arc<Domain>, Refused> {
    if domains.is_sealed() {
        return Err(Refused { alert: AlertDescription::InternalError, reason: "sealed" });
    }
    if hello.alpn.as_ref().is_some_and(|offered| !offered.contains(&ALPN)) {
        return Err(Refused { alert: AlertDescription::NoApplicationProtocol, reason: "unknown-alpn" });
    }
    let by_subject = by_subject(domains, &hello.authorities)?;
    match (hello.server_name, by_subject) {
        (Some(name), hinted) => {
            let named = by_server_name(domains, name)
                .ok_or(Refused { alert: AlertDescription::UnrecognisedName, reason: "unknown-domain" })?;
            let disagree = hinted.is_some_and(|hinted| hinted.name != named.name)
                || (hinted.is_none() && !hello.authorities.is_empty());
            if disagree {
                return Err(Refused { alert: AlertDescription::IllegalParameter, reason: "hints-disagree" });
            }
            Ok(Arc::clone(named))
        }
        (None, Some(domain)) => Ok(Arc::clone(domain)),
        (None, None) if !hello.authorities.is_empty() => {
            Err(Refused { alert: AlertDescription::UnrecognisedName, reason: "unknown-authority" })
        }
        (None, None) => domains
            .unnamed()
            .cloned()
            .ok_or(Refused { alert: AlertDescription::UnrecognisedName, reason: "no-domain-named" }),
    }
}

/// SNI `<domain>`, or `<first 32 hex digits of the policy certificate's SHA-256>.<domain>`.
fn by_server_name<'d>(domains: &'d Domains, name: &str) -> Option<&'d Arc<Domain>> {
    let (pin, name) = match name.split_once('.') {
        Some((pin, name)) => (Some(pin), name),
        None => (None, name),
    };
    let domain = domains.get(&name.parse().ok()?)?;
    let fingerprint = || hex::encode(&domain.policy.fingerprint()[..16]);
    pin.is_none_or(|pin| pin == fingerprint()).then_some(domain)
}

/// At most one of the names may be ours; names of others are ignored, as RFC 8446 has it.
fn by_subject<'d>(domains: &'d Domains, authorities: &[&[u8]]) -> Result<Option<&'d Arc<Domain>>, Refused> {
    let mut ours = authorities.iter().filter_map(|name| domains.with_subject(name));
    let first = ours.next();
    match (first, ours.find(|other| first.is_some_and(|first| first.name != other.name))) {
        (_, Some(_)) => {
            Err(Refused { alert: AlertDescription::IllegalParameter, reason: "several-authorities" })
        }
        (first, None) => Ok(first),
    }
}
