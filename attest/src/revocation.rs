//! What a domain's owner has taken back: certificates, whole enrolments, instances, measurements, principals.

use std::collections::BTreeMap;
use std::fmt;

use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use crate::cert::{IssuerCertificate, Peer, PrincipalName, Principals};
use crate::error::{CertificateError, RevocationError};
use crate::instance::{Identified, is_instance_label};
use crate::measurement::Measurement;

/// Most revocations that a domain keeps: with the longest reasons they are a quarter of a MiB, of the 2 MiB in which a
/// domain travels to brokers elsewhere.
pub const MAX_REVOCATIONS: usize = 512;

/// Longest reason, in bytes.
const MAX_REASON: usize = 128;

/// What is revoked. Fingerprints are SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Revoked {
    /// A machine's certificate, or one by which principals are known, by its fingerprint.
    Certificate([u8; 32]),
    /// An enrolment, by the fingerprint of its first certificate: that one and all that are renewed from it.
    Enrolment([u8; 32]),
    /// All that was admitted as this instance, by its id (64 hex digits) or label.
    Instance(String),
    /// All that runs this.
    Measurement(Measurement),
    /// A principal, by whatever certificate.
    Principal(PrincipalName),
}

impl Revoked {
    /// Reads a kind and what of that kind.
    pub fn new(kind: &str, what: &str) -> Result<Self, RevocationError> {
        match kind {
            "certificate" => fingerprint(what).map(Self::Certificate),
            "enrolment" => fingerprint(what).map(Self::Enrolment),
            "instance" if fingerprint(what).is_ok() || is_instance_label(what) => {
                Ok(Self::Instance(what.to_owned()))
            }
            "instance" => Err(RevocationError::Instance),
            "measurement" => what.parse().map(Self::Measurement).map_err(|_| RevocationError::Measurement),
            "principal" => what.parse().map(Self::Principal).map_err(|_| RevocationError::Principal),
            _ => Err(RevocationError::Kind),
        }
    }

    /// Of which kind it is, a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Enrolment(_) => "enrolment",
            Self::Instance(_) => "instance",
            Self::Measurement(_) => "measurement",
            Self::Principal(_) => "principal",
        }
    }
}

/// What of the kind, without the kind.
impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(fingerprint) | Self::Enrolment(fingerprint) => {
                f.write_str(&hex::encode(fingerprint))
            }
            Self::Instance(id_or_label) => f.write_str(id_or_label),
            Self::Measurement(measurement) => measurement.fmt(f),
            Self::Principal(name) => f.write_str(name.as_str()),
        }
    }
}

/// One spelling only, so that taking back finds what was revoked.
fn fingerprint(text: &str) -> Result<[u8; 32], RevocationError> {
    let plain = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let bytes = hex::decode(text).ok().filter(|_| plain).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(RevocationError::Fingerprint)
}

/// A revocation, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Revocation {
    what: Revoked,
    reason: String,
    by: String,
    since: i64,
    until: Option<i64>,
}

impl Revocation {
    /// A revocation of `what` from `since` on (seconds since 1970) and, where that is given, `until` then, for this reason
    /// (at most 128 bytes, none of them a control character; it may be empty), made by this role.
    pub fn new(
        what: Revoked,
        reason: String,
        by: String,
        since: i64,
        until: Option<i64>,
    ) -> Result<Self, RevocationError> {
        if reason.len() > MAX_REASON || reason.chars().any(char::is_control) {
            return Err(RevocationError::Reason);
        }
        // Who is known as a principal is known until that is changed, and so is who isn't.
        if until.is_some() && matches!(what, Revoked::Principal(_)) {
            return Err(RevocationError::PrincipalUntil);
        }
        if until.is_some_and(|until| until <= since) {
            return Err(RevocationError::Over);
        }
        Ok(Self { what, reason, by, since, until })
    }

    /// What is revoked.
    pub fn what(&self) -> &Revoked {
        &self.what
    }

    /// Why, in the owner's words.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The role of who did it.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// When that was, seconds since 1970.
    pub fn since(&self) -> i64 {
        self.since
    }

    /// Until when it counts, seconds since 1970; `None` is until it is taken back.
    pub fn until(&self) -> Option<i64> {
        self.until
    }

    fn counts(&self, now: UnixTime) -> bool {
        self.until.is_none_or(|until| seconds(now) <= until)
    }
}

/// How one is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kind: String,
    what: String,
    reason: String,
    by: String,
    since: i64,
    until: Option<i64>,
}

impl TryFrom<Stored> for Revocation {
    type Error = RevocationError;

    fn try_from(Stored { kind, what, reason, by, since, until }: Stored) -> Result<Self, RevocationError> {
        Self::new(Revoked::new(&kind, &what)?, reason, by, since, until)
    }
}

impl From<Revocation> for Stored {
    fn from(Revocation { what, reason, by, since, until }: Revocation) -> Self {
        Self { kind: what.kind().to_owned(), what: what.to_string(), reason, by, since, until }
    }
}

/// All that a domain has revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Revocation>", into = "Vec<Revocation>")]
pub struct Revocations(BTreeMap<Revoked, Revocation>);

impl From<Vec<Revocation>> for Revocations {
    fn from(all: Vec<Revocation>) -> Self {
        Self(all.into_iter().map(|revocation| (revocation.what.clone(), revocation)).collect())
    }
}

impl From<Revocations> for Vec<Revocation> {
    fn from(Revocations(all): Revocations) -> Self {
        all.into_values().collect()
    }
}

impl Revocations {
    /// Adds one, in the place of one of the same if there is one, and forgets those that are over.
    pub fn add(&mut self, revocation: Revocation, now: UnixTime) -> Result<(), RevocationError> {
        self.0.retain(|_, known| known.counts(now));
        self.0.insert(revocation.what.clone(), revocation);
        if self.0.len() > MAX_REVOCATIONS { Err(RevocationError::Many) } else { Ok(()) }
    }

    /// Takes one back; false where there is none.
    pub fn remove(&mut self, what: &Revoked) -> bool {
        self.0.remove(what).is_some()
    }

    /// All of them, by kind.
    pub fn iter(&self) -> impl Iterator<Item = &Revocation> {
        self.0.values()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a member is one still: neither its certificate is revoked, nor what that says of it.
    pub fn check_peer(&self, peer: &Peer, now: UnixTime) -> Result<(), CertificateError> {
        if self.is_empty() {
            return Ok(());
        }
        self.check(&Revoked::Certificate(*peer.fingerprint()), now)?;
        if let Some(issuer) = peer.issuer() {
            self.check_issuer(issuer, now)?;
        }
        self.check(&Revoked::Enrolment(peer.enrolment()), now)?;
        self.check_instance(peer.instance(), peer.instance_label(), now)?;
        peer.measurement().map_or(Ok(()), |measurement| self.check_measurement(measurement, now))
    }

    /// Whether a delegated issuer may admit: revoked is its certificate, as a machine's is.
    pub fn check_issuer(&self, issuer: &IssuerCertificate, now: UnixTime) -> Result<(), CertificateError> {
        self.check(&Revoked::Certificate(*issuer.fingerprint()), now)
    }

    /// Whether a machine may become a member, by what it is and runs.
    pub fn check_machine(&self, machine: &Identified, now: UnixTime) -> Result<(), CertificateError> {
        if let Some(instance) = machine.instance() {
            self.check_instance(Some(instance.id()), instance.label(), now)?;
        }
        self.check_measurement(machine.attested().measurement(), now)
    }

    /// Whether a certificate counts still, whoever's it is.
    pub fn check_certificate(&self, fingerprint: &[u8; 32], now: UnixTime) -> Result<(), CertificateError> {
        self.check(&Revoked::Certificate(*fingerprint), now)
    }

    /// Whether what runs there may be a member at all.
    pub fn check_measurement(
        &self,
        measurement: &Measurement,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        self.check(&Revoked::Measurement(*measurement), now)
    }

    /// Those of the principals that are not revoked, by name or by the certificate that they are known by.
    #[must_use]
    pub fn standing(&self, known: &Principals) -> Principals {
        let mut standing = known.clone();
        standing.retain(|trusted| {
            !self.0.contains_key(&Revoked::Principal(trusted.name().clone()))
                && !self.0.contains_key(&Revoked::Certificate(*trusted.fingerprint()))
        });
        standing
    }

    fn check_instance(
        &self,
        id: Option<&[u8]>,
        label: Option<&str>,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let names = id.map(hex::encode).into_iter().chain(label.map(str::to_owned));
        names.map(Revoked::Instance).try_for_each(|instance| self.check(&instance, now))
    }

    fn check(&self, what: &Revoked, now: UnixTime) -> Result<(), CertificateError> {
        match self.0.get(what) {
            Some(revocation) if revocation.counts(now) => {
                Err(CertificateError::Revoked { kind: what.kind() })
            }
            _ => Ok(()),
        }
    }
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
