//! Who a rule speaks of.

use std::fmt;
use std::str::FromStr;

use claviger_attest::{Measurement, Peer};

use crate::LineError;

/// Longest label or role name, in bytes: it is shown in one line of a table.
const MAX_NAME: usize = 64;

/// Who a rule speaks of. Every form is compared whole, byte by byte: nothing in it is a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// Every agent of the domain.
    Member,
    /// Machines that run this.
    Measurement(Measurement),
    /// The machine with this certificate, by its SHA-256.
    Fingerprint([u8; 32]),
    /// The machine that is this instance, by its id.
    Instance([u8; 32]),
    /// The machines whose instance the domain's owner calls so.
    InstanceLabel(Name),
    /// Machines whose measurement the domain's reference values call so.
    Label(Name),
    /// Whoever the policy gives this role.
    Role(Name),
}

/// A label's or role's name: 1 to 64 of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let whole = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed);
        if whole { Ok(Self(text.to_owned())) } else { Err(LineError::Subject) }
    }
}

impl Subject {
    /// What a machine is as an instance, by what its certificate says of that.
    pub(crate) fn of_instance(peer: &Peer) -> (Option<Self>, Option<Self>) {
        let id = peer.instance().and_then(|id| id.try_into().ok()).map(Self::Instance);
        let label = peer.instance_label().and_then(|label| label.parse().ok()).map(Self::InstanceLabel);
        (id, label)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member => f.write_str("member"),
            Self::Measurement(measurement) => write!(f, "measurement:{measurement}"),
            Self::Fingerprint(digest) => write!(f, "fingerprint:{}", hex::encode(digest)),
            Self::Instance(id) => write!(f, "instance:{}", hex::encode(id)),
            Self::InstanceLabel(name) => write!(f, "instance:{}", name.0),
            Self::Label(name) => write!(f, "label:{}", name.0),
            Self::Role(name) => write!(f, "role:{}", name.0),
        }
    }
}

impl FromStr for Subject {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let Some((kind, value)) = text.split_once(':') else {
            return if text == "member" { Ok(Self::Member) } else { Err(LineError::Subject) };
        };
        match kind {
            "measurement" => value.parse().map(Self::Measurement).map_err(|_| LineError::Subject),
            "fingerprint" => fingerprint(value).map(Self::Fingerprint).ok_or(LineError::Subject),
            "instance" => instance(value),
            "label" => value.parse().map(Self::Label),
            "role" => value.parse().map(Self::Role),
            _ => Err(LineError::Subject),
        }
    }
}

// What has the form of an id is one, in its one spelling; no label has it.
fn instance(text: &str) -> Result<Subject, LineError> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return fingerprint(text).map(Subject::Instance).ok_or(LineError::Subject);
    }
    text.parse().map(Subject::InstanceLabel)
}

fn fingerprint(text: &str) -> Option<[u8; 32]> {
    // One spelling only, as for measurements.
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    hex::decode(text).ok()?.try_into().ok()
}
