//! The policy file: [`TrustPolicy`] as its owner writes it.

use claviger_proto::key::{PublicKey, read_public};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{BrokerValue, ReferenceValue, ReferenceValues, TrustPolicy};
use crate::error::ReferenceError;
use crate::instance::{InstanceDemand, InstanceWay};
use crate::kind::EvidenceKind;
use crate::kind::sev_snp::{RequirementsError, SnpProduct, SnpRequirements};
use crate::kind::tpm::PcrSelection;
use crate::measurement::Measurement;

/// The only format there is.
const FORMAT: u32 = 1;

/// Roots of one measurement: more platforms than that are under one root of their own.
const MAX_ROOTS: usize = 64;

/// SEV-SNP ABI, `VMPL`.
const MAX_VMPL: u8 = 3;

const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----";

/// A policy file. Reading one checks its form; [`TrustPolicy::from_file`] what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    format: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    instance: InstanceTable,
    #[serde(default, rename = "sev-snp", skip_serializing_if = "is_default")]
    sev_snp: SnpRequirements,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    measurement: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    broker: Vec<Entry>,
}

impl PolicyFile {
    /// The kind and the measurement of a table, counted from 0 among those of its name.
    pub fn value(&self, table: PolicyTable, at: usize) -> Option<(EvidenceKind, Measurement)> {
        let entries = match table {
            PolicyTable::Measurement => &self.measurement,
            PolicyTable::Broker => &self.broker,
        };
        entries.get(at).map(|entry| (entry.kind, entry.value))
    }

    /// The file without this `[[broker]]`, counted from 0; without any other than there are, nothing is gone.
    #[must_use]
    pub fn without_broker(mut self, at: usize) -> Self {
        if at < self.broker.len() {
            self.broker.remove(at);
        }
        self
    }

    /// Replaces each root by what `read` makes of it, such as the contents of the file that it names; in which table,
    /// counted from 0 among those of its name, is said with it.
    pub fn read_roots<E>(
        &mut self,
        mut read: impl FnMut(PolicyTable, usize, &str) -> Result<String, E>,
    ) -> Result<(), E> {
        let tables =
            [(PolicyTable::Measurement, &mut self.measurement), (PolicyTable::Broker, &mut self.broker)];
        for (table, entries) in tables {
            for (at, entry) in entries.iter_mut().enumerate() {
                for root in &mut entry.roots {
                    *root = read(table, at, root)?;
                }
            }
        }
        Ok(())
    }
}

/// The tables of a policy file of which there may be several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyTable {
    /// `[[measurement]]`
    Measurement,
    /// `[[broker]]`
    Broker,
}

impl PolicyTable {
    /// Its name in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Measurement => "measurement",
            Self::Broker => "broker",
        }
    }
}

/// The table `[instance]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InstanceTable {
    #[serde(default)]
    demand: InstanceDemand,
}

fn is_default<T: Default + PartialEq>(table: &T) -> bool {
    *table == T::default()
}

/// One `[[measurement]]` or `[[broker]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: EvidenceKind,
    value: Measurement,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vmpl: Option<u8>,
    /// Of kind tpm only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pcrs: Option<PcrSelection>,
    /// Of a `[[broker]]` only.
    #[serde(default, rename = "may-issue", skip_serializing_if = "Option::is_none")]
    may_issue: Option<bool>,
    /// PEM each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roots: Vec<String>,
}

/// A policy file that reads, and says something that can't hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{fault}", .entry.map(|(table, at)| format!("{} {}: ", table.as_str(), at + 1)).unwrap_or_default())]
pub struct PolicyFileError {
    /// About which table, counted from 0 among those of its name, if about one.
    pub entry: Option<(PolicyTable, usize)>,
    /// What is wrong.
    pub fault: PolicyFault,
}

/// What a policy file can't say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// A format of another time.
    #[error("the file's format is {0}, and this version knows 1; use the version that it was written for")]
    Format(u32),
    /// A reference value that can't be one.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A root that isn't one key.
    #[error("root {0} isn't a public key in PEM")]
    RootText(usize),
    /// More roots than one measurement may have.
    #[error("a measurement has at most 64 roots")]
    ManyRoots,
    /// Demands on platforms that contradict themselves.
    #[error("sev-snp: {0}")]
    SevSnp(#[from] RequirementsError),
    /// The same twice.
    #[error("it says the same as number {0}; remove one of them")]
    Duplicate(usize),
    /// The same measurement under the same label, with other words.
    #[error(
        "it contradicts number {0}: same kind, value, label, vmpl and pcrs, and something else about it; keep one"
    )]
    Contradiction(usize),
    /// The same measurement under several labels.
    #[error(
        "it has another label than number {0}, which is about the same value (one of them may have none): a label \
         belongs to the measurement, whatever its VMPL and roots; give both the same label, or none"
    )]
    Labels(usize),
    /// Something that only a broker may do.
    #[error("may-issue is about brokers, and stands in a [[broker]] table only")]
    NoBroker,
    /// A way to show an instance that nothing in the file makes possible.
    #[error(
        "instance.demand has {way:?}, and the file lists no {missing}; nobody could be admitted that way"
    )]
    Impossible {
        /// The way.
        way: &'static str,
        /// What it would need.
        missing: &'static str,
    },
}

impl TrustPolicy {
    /// The policy that a file states, checked as a whole.
    pub fn from_file(file: PolicyFile) -> Result<Self, PolicyFileError> {
        let whole = |fault| PolicyFileError { entry: None, fault };
        if file.format != FORMAT {
            return Err(whole(PolicyFault::Format(file.format)));
        }
        let references = values(PolicyTable::Measurement, file.measurement)?;
        let brokers = values(PolicyTable::Broker, file.broker)?;
        file.sev_snp.validate().map_err(|error| whole(error.into()))?;
        let references = references.into_iter().map(|(value, _)| value).collect();
        let references = ReferenceValues(references, file.sev_snp);
        let brokers =
            brokers.into_iter().map(|(value, may_issue)| BrokerValue { value, may_issue }).collect();
        let policy = Self { references, brokers, instance: file.instance.demand };
        policy.check_ways().map_err(whole)?;
        Ok(policy)
    }

    fn check_ways(&self) -> Result<(), PolicyFault> {
        let snp = self.references.snp();
        let impossible = |way: InstanceWay, missing| PolicyFault::Impossible { way: way.as_str(), missing };
        if self.instance.allows(InstanceWay::Chip) && snp.chips.is_none() {
            return Err(impossible(InstanceWay::Chip, "chips"));
        }
        if self.instance.allows(InstanceWay::IdBlock) && snp.id_key_digests.is_none() {
            return Err(impossible(InstanceWay::IdBlock, "id-key digests"));
        }
        Ok(())
    }

    /// The file that states this policy.
    pub fn to_file(&self) -> PolicyFile {
        PolicyFile {
            format: FORMAT,
            instance: InstanceTable { demand: self.instance.clone() },
            sev_snp: self.references.snp().clone(),
            measurement: self.references.iter().map(Entry::of).collect(),
            broker: self.brokers.iter().map(Entry::of_broker).collect(),
        }
    }

    /// What may be meant otherwise than it is said, each as a sentence without its full stop; `now` in seconds since
    /// 1970.
    pub fn warnings(&self, now: i64) -> Vec<String> {
        let brokers = self.brokers.iter().map(|broker| &broker.value);
        let expired = self.references.iter().chain(brokers).filter(|value| value.is_expired(now));
        let expired = expired.map(|value| {
            let end = value.expires().and_then(time_text).unwrap_or_default();
            format!("{} {} has expired ({end}), so it isn't trusted", value.kind(), value.measurement())
        });
        let mut warnings: Vec<String> = expired.collect();
        warnings.extend(self.unmeasured());
        if self.milan() == MilanRule::Refused && self.means_milan() {
            warnings.push(
                "sev-snp machines are trusted and no chips are listed, so those of product milan are refused, whose \
                 secrets are public (arXiv 2605.12990): list the chips that are taken in sev-snp.chips, or write \
                 sev-snp.milan-without-chip-list = true to take any; without milan in sev-snp.products this is said no more"
                    .to_owned(),
            );
        }
        if self.milan() == MilanRule::Waived {
            warnings.push(
                "sev-snp.milan-without-chip-list accepts a milan without knowing its chip, and secrets of that product \
                 are public (arXiv 2605.12990); list the chips instead"
                    .to_owned(),
            );
        }
        warnings
    }

    /// What is said of registers that are trusted to have nothing measured into them.
    fn unmeasured(&self) -> impl Iterator<Item = String> {
        let brokers = self.brokers.iter().map(|broker| &broker.value);
        self.references.iter().chain(brokers).filter_map(|value| {
            let pcrs = value.pcrs().filter(|pcrs| value.measurement().as_bytes() == pcrs.digest_of_nothing())?;
            Some(format!(
                "tpm {} is the digest of the registers {pcrs} where nothing was measured into them, so any software has it: \
                 choose registers into which the firmware measures what is trusted",
                value.measurement()
            ))
        })
    }

    /// Whether SEV-SNP machines are trusted, and those of product Milan aren't excluded by name.
    fn means_milan(&self) -> bool {
        let brokers = self.brokers.iter().map(|broker| &broker.value);
        self.references.snp().products.contains(&SnpProduct::Milan)
            && self.references.iter().chain(brokers).any(|value| value.kind() == EvidenceKind::SevSnp)
    }

    /// How Milan platforms are taken.
    pub fn milan(&self) -> MilanRule {
        let snp = self.references.snp();
        if !snp.products.contains(&SnpProduct::Milan) {
            MilanRule::Refused
        } else if snp.chips.is_some() {
            MilanRule::ListedChips
        } else if snp.milan_without_chip_list {
            MilanRule::Waived
        } else {
            MilanRule::Refused
        }
    }
}

/// How Milan platforms are taken, whose secrets are public (arXiv 2605.12990).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MilanRule {
    /// None is.
    Refused,
    /// Those whose chips are listed.
    ListedChips,
    /// All are, by the owner's explicit waiver.
    Waived,
}

impl MilanRule {
    /// Its name: `refused`, `listed-chips` or `waived`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ListedChips => "listed-chips",
            Self::Waived => "waived",
        }
    }
}

/// What the tables of one name state, none of it twice; and whether it may issue.
fn values(table: PolicyTable, entries: Vec<Entry>) -> Result<Vec<(ReferenceValue, bool)>, PolicyFileError> {
    let mut values: Vec<(ReferenceValue, bool)> = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let fail = |fault| PolicyFileError { entry: Some((table, at)), fault };
        if entry.may_issue.is_some() && table != PolicyTable::Broker {
            return Err(fail(PolicyFault::NoBroker));
        }
        let may_issue = entry.may_issue.unwrap_or_default();
        let value = entry.value().map_err(fail)?;
        if let Some(other) = values.iter().position(|(known, _)| known.is_about_the_same(&value)) {
            let same = values[other].0.says_the_same(&value) && values[other].1 == may_issue;
            let fault = if same { PolicyFault::Duplicate } else { PolicyFault::Contradiction };
            return Err(fail(fault(other + 1)));
        }
        // Nothing looks at a broker's label, so it gives nothing that another entry wouldn't.
        let relabelled = |(known, _): &(ReferenceValue, bool)| {
            known.measurement == value.measurement && known.label != value.label
        };
        if let (PolicyTable::Measurement, Some(other)) = (table, values.iter().position(relabelled)) {
            return Err(fail(PolicyFault::Labels(other + 1)));
        }
        values.push((value, may_issue));
    }
    Ok(values)
}

impl ReferenceValue {
    fn is_about_the_same(&self, other: &Self) -> bool {
        (self.kind, self.vmpl, &self.pcrs) == (other.kind, other.vmpl, &other.pcrs)
            && self.measurement == other.measurement
            && self.label == other.label
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let roots = |a: &Self, b: &Self| a.roots.iter().all(|root| b.has_root(root));
        self.expires == other.expires && roots(self, other) && roots(other, self)
    }
}

impl Entry {
    fn value(self) -> Result<ReferenceValue, PolicyFault> {
        if self.roots.len() > MAX_ROOTS {
            return Err(PolicyFault::ManyRoots);
        }
        let mut roots: Vec<PublicKey> = Vec::with_capacity(self.roots.len());
        for (at, text) in self.roots.iter().enumerate() {
            // Only the public half has a place in a policy, though the reader would take it out of the other.
            let public = text.trim_start().starts_with(PUBLIC_KEY).then(|| read_public(text.as_bytes()).ok());
            let root = public.flatten().ok_or(PolicyFault::RootText(at + 1))?;
            if !roots.iter().any(|known| known.same_numbers(&root)) {
                roots.push(root);
            }
        }
        let expires = self.expires.as_deref().map(time_from_text).transpose()?;
        let value = ReferenceValue::new(self.kind, self.value, self.label, roots)?;
        let vmpl = self.vmpl.unwrap_or_default();
        if vmpl > MAX_VMPL || (vmpl != 0 && !value.kind.has_vmpl()) {
            return Err(ReferenceError::Vmpl.into());
        }
        Ok(value.expiring(expires)?.with_vmpl(vmpl).with_pcrs(self.pcrs)?)
    }

    fn of(value: &ReferenceValue) -> Self {
        Self {
            kind: value.kind,
            value: value.measurement,
            label: value.label.clone(),
            expires: value.expires.and_then(time_text),
            vmpl: (value.vmpl != 0).then_some(value.vmpl),
            pcrs: value.pcrs.clone(),
            may_issue: None,
            roots: value.roots.iter().map(PublicKey::to_pem).collect(),
        }
    }
}

impl Entry {
    fn of_broker(broker: &BrokerValue) -> Self {
        Self { may_issue: Some(broker.may_issue), ..Self::of(&broker.value) }
    }
}

/// A time as a policy file has it, if the calendar reaches so far.
pub(crate) fn time_text(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

fn time_from_text(text: &str) -> Result<i64, ReferenceError> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| ReferenceError::Expiry)?;
    // A fraction is no end that a second could be compared with.
    if time.nanosecond() == 0 { Ok(time.unix_timestamp()) } else { Err(ReferenceError::Expiry) }
}
