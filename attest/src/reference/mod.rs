//! Reference values: what a domain trusts.

mod broker;
mod file;
mod policy;

pub use broker::{BrokerValue, ListedBroker, ScreenedBroker};
pub use file::{MilanRule, PolicyFault, PolicyFile, PolicyFileError, PolicyTable};
pub use policy::TrustPolicy;

pub(crate) use file::time_text;

use claviger_proto::key::{KeyKind, PublicKey};
use serde::{Deserialize, Serialize};

use crate::error::{AttestError, ReferenceError};
use crate::kind::EvidenceKind;
use crate::kind::sev_snp::SnpRequirements;
use crate::kind::tpm::PcrSelection;
use crate::measurement::Measurement;

/// Longest label, in bytes: it is shown, and compared by access rules.
const MAX_LABEL: usize = 64;

/// One thing that a domain trusts: a measurement, from a kind of platform, under certain roots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct ReferenceValue {
    kind: EvidenceKind,
    measurement: Measurement,
    label: Option<String>,
    roots: Vec<PublicKey>,
    expires: Option<i64>,
    vmpl: u8,
    pcrs: Option<PcrSelection>,
}

impl ReferenceValue {
    /// A reference value. A measurement has the length of its kind; a kind whose platforms are trusted only by name
    /// (every simulated one) needs a root; `label` is what access rules may call machines with this measurement.
    pub fn new(
        kind: EvidenceKind,
        measurement: Measurement,
        label: Option<String>,
        roots: Vec<PublicKey>,
    ) -> Result<Self, ReferenceError> {
        let (bytes, given) = (kind.measurement_bytes(), measurement.as_bytes().len());
        if bytes != given {
            return Err(ReferenceError::Length { kind: kind.as_str(), digits: 2 * bytes, given: 2 * given });
        }
        Self::of_any_length(kind, measurement, label, roots)
    }

    /// The same for one that was kept, perhaps before lengths were looked at: it is no reason to lose all the others.
    fn of_any_length(
        kind: EvidenceKind,
        measurement: Measurement,
        label: Option<String>,
        roots: Vec<PublicKey>,
    ) -> Result<Self, ReferenceError> {
        if label.as_deref().is_some_and(|label| !is_label(label)) {
            return Err(ReferenceError::Label);
        }
        if kind.needs_root() && roots.is_empty() {
            return Err(ReferenceError::NoRoot);
        }
        if roots.iter().any(|root| matches!(root.kind(), KeyKind::Rsa1024 | KeyKind::Ed25519)) {
            return Err(ReferenceError::Root);
        }
        Ok(Self { kind, measurement, label, roots, expires: None, vmpl: 0, pcrs: None })
    }

    /// The same, trusted until this second (since 1970) and not in it; `None` is without an end.
    pub fn expiring(self, expires: Option<i64>) -> Result<Self, ReferenceError> {
        // Years beyond four digits have no RFC 3339 form, so no policy file could carry them.
        let written = expires.is_none_or(|at| time_text(at).is_some());
        if written { Ok(Self { expires, ..self }) } else { Err(ReferenceError::Expiry) }
    }

    /// Until when it is trusted, seconds since 1970; `None` is without an end.
    pub fn expires(&self) -> Option<i64> {
        self.expires
    }

    /// Whether it is trusted no more at `now`, in seconds since 1970.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }

    /// Evidence of which kind.
    pub fn kind(&self) -> EvidenceKind {
        self.kind
    }

    /// What is trusted to run.
    pub fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    /// What access rules may call it.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The platforms' roots that are trusted to say so.
    pub fn roots(&self) -> &[PublicKey] {
        &self.roots
    }

    /// The same, for evidence that a SEV-SNP guest asks for at another VMPL than 0.
    #[must_use]
    pub fn with_vmpl(self, vmpl: u8) -> Self {
        Self { vmpl, ..self }
    }

    /// The VMPL at which a SEV-SNP guest must have asked for its report.
    pub fn vmpl(&self) -> u8 {
        self.vmpl
    }

    /// The same, of these registers: a TPM's digest says nothing without them, so one that has none trusts nothing; and only
    /// TPMs have registers.
    pub fn with_pcrs(self, pcrs: Option<PcrSelection>) -> Result<Self, ReferenceError> {
        match (&pcrs, self.kind.has_pcrs()) {
            (None, true) => Err(ReferenceError::NoPcrs),
            (Some(_), false) => Err(ReferenceError::ForeignPcrs),
            _ => Ok(Self { pcrs, ..self }),
        }
    }

    /// Of which registers the measurement is a digest, where it is one of registers.
    pub fn pcrs(&self) -> Option<&PcrSelection> {
        self.pcrs.as_ref()
    }

    /// Whether `key` is one of the roots, compared as numbers.
    pub fn has_root(&self, key: &PublicKey) -> bool {
        self.roots.iter().any(|root| root.same_numbers(key))
    }
}

// Labels are compared by access rules: nothing in them may be a pattern, a separator or a list.
pub(crate) fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=MAX_LABEL).contains(&text.len()) && text.bytes().all(allowed)
}

/// All that a domain trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReferenceValues(Vec<ReferenceValue>, #[serde(skip)] SnpRequirements);

impl ReferenceValues {
    /// Trusts one more; where kind, measurement and label are there already, and of the same VMPL and registers, the roots are
    /// joined, and the new one's expiry holds. Returns whether anything changed.
    pub fn add(&mut self, value: ReferenceValue) -> bool {
        let same = |v: &&mut ReferenceValue| {
            (v.kind, v.vmpl, &v.pcrs) == (value.kind, value.vmpl, &value.pcrs)
                && v.measurement == value.measurement
                && v.label == value.label
        };
        let Some(known) = self.0.iter_mut().find(same) else {
            self.0.push(value);
            return true;
        };
        let before = (known.roots.len(), known.expires);
        for root in value.roots {
            if !known.has_root(&root) {
                known.roots.push(root);
            }
        }
        known.expires = value.expires;
        (known.roots.len(), known.expires) != before
    }

    /// What is demanded of SEV-SNP platforms.
    pub fn snp(&self) -> &SnpRequirements {
        &self.1
    }

    /// Demands this of SEV-SNP platforms.
    pub fn set_snp(&mut self, requirements: SnpRequirements) {
        self.1 = requirements;
    }

    /// Stops trusting a measurement of a kind, under all its labels and roots. Returns whether it was there.
    pub fn remove(&mut self, kind: EvidenceKind, measurement: &Measurement) -> bool {
        let before = self.0.len();
        self.0.retain(|v| v.kind != kind || v.measurement != *measurement);
        self.0.len() != before
    }

    /// What is trusted about a measurement of a kind.
    pub fn find<'a>(
        &'a self,
        kind: EvidenceKind,
        measurement: &'a Measurement,
    ) -> impl Iterator<Item = &'a ReferenceValue> {
        self.0.iter().filter(move |v| v.kind == kind && v.measurement == *measurement)
    }

    /// Whether anything is, or was, trusted about a measurement of a kind.
    pub fn knows(&self, kind: EvidenceKind, measurement: &Measurement) -> bool {
        self.find(kind, measurement).next().is_some()
    }

    /// What is trusted about a measurement of a kind at `now`, in seconds since 1970: at least one value, or the
    /// refusal.
    pub fn trusted<'a>(
        &'a self,
        kind: EvidenceKind,
        measurement: &'a Measurement,
        now: i64,
    ) -> Result<impl Iterator<Item = &'a ReferenceValue>, AttestError> {
        let mut current = self.find(kind, measurement).filter(move |value| !value.is_expired(now)).peekable();
        if current.peek().is_some() {
            return Ok(current);
        }
        let ended = self.find(kind, measurement).filter_map(ReferenceValue::expires).max();
        Err(match ended {
            Some(at) => AttestError::ExpiredMeasurement { measurement: *measurement, at },
            None => AttestError::UnknownMeasurement(*measurement),
        })
    }

    /// Refuses a measurement that is under several labels, or under one and under none: certificates say what runs, and
    /// not at which VMPL or under which roots, so a label that only some of its machines should have would be had by all.
    pub fn check_labels(&self) -> Result<(), ReferenceError> {
        match self.0.iter().find(|value| !self.is_labelled_alike(value)) {
            Some(value) => Err(ReferenceError::Labels(value.measurement)),
            None => Ok(()),
        }
    }

    fn is_labelled_alike(&self, value: &ReferenceValue) -> bool {
        self.0.iter().all(|other| other.measurement != value.measurement || other.label == value.label)
    }

    /// Refuses to join AMD's own roots, which are an empty list, with named ones; `value` is about to be added.
    pub fn check_roots(&self, value: &ReferenceValue) -> Result<(), ReferenceError> {
        let joined = self.find(value.kind, &value.measurement).find(|known| known.vmpl == value.vmpl);
        match joined {
            Some(known) if known.roots.is_empty() != value.roots.is_empty() => {
                Err(ReferenceError::MixedRoots(value.measurement, !known.roots.is_empty()))
            }
            _ => Ok(()),
        }
    }

    /// The labels of measurements that are trusted at `now`, in seconds since 1970. A measurement that was kept under
    /// several, from before [`Self::check_labels`], has none.
    pub fn labels(&self, now: i64) -> impl Iterator<Item = (&Measurement, &str)> {
        let current =
            self.0.iter().filter(move |value| !value.is_expired(now) && self.is_labelled_alike(value));
        current.filter_map(|value| Some((value.measurement(), value.label()?)))
    }

    /// The next moment after `now` at which something ceases to be trusted, in seconds since 1970.
    pub fn next_expiry(&self, now: i64) -> Option<i64> {
        self.0.iter().filter_map(ReferenceValue::expires).filter(|end| *end > now).min()
    }

    /// The labels of a measurement, of whatever kind.
    pub fn labels_of<'a>(&'a self, measurement: &'a Measurement) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |v| v.measurement == *measurement).filter_map(ReferenceValue::label)
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &ReferenceValue> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The serialized form: roots as the hex of their SPKI.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kind: EvidenceKind,
    measurement: Measurement,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default)]
    roots: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    vmpl: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pcrs: Option<PcrSelection>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(vmpl: &u8) -> bool {
    *vmpl == 0
}

impl From<ReferenceValue> for Stored {
    fn from(value: ReferenceValue) -> Self {
        let roots = value.roots.iter().map(|root| hex::encode(root.spki_der())).collect();
        let ReferenceValue { kind, measurement, label, expires, vmpl, pcrs, .. } = value;
        Self { kind, measurement, label, roots, expires, vmpl, pcrs }
    }
}

impl TryFrom<Stored> for ReferenceValue {
    type Error = ReferenceError;

    fn try_from(stored: Stored) -> Result<Self, ReferenceError> {
        let root = |text: &String| {
            let der = hex::decode(text).map_err(|_| ReferenceError::Root)?;
            PublicKey::from_spki_der(&der).map_err(|_| ReferenceError::Root)
        };
        let roots = stored.roots.iter().map(root).collect::<Result<_, _>>()?;
        let value = Self::of_any_length(stored.kind, stored.measurement, stored.label, roots)?
            .with_vmpl(stored.vmpl)
            .expiring(stored.expires)?;
        // One that lacks them is read: it trusts nothing, and is no reason to lose all the others.
        if stored.pcrs.is_some() { value.with_pcrs(stored.pcrs) } else { Ok(value) }
    }
}
