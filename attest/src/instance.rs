//! Instances: which of several machines that run the same one is.
//!
//! A measurement is not a machine: a copy of the image has it too, on whatever host it is booted. An instance is
//! what tells one from the other, at most [`AdmissionExtension::instance`](crate::AdmissionExtension::instance)
//! long; here it always is a SHA-256.

use std::fmt;

use claviger_proto::evidence::{EvidenceUserData, MAX_USER_DATA};
use claviger_proto::{LvWriter, ParseError};
use prost::Message as _;
use serde::{Deserialize, Serialize};

use crate::attested::Attested;
use crate::cert::Peer;
use crate::digest::sha256;
use crate::error::{AttestError, ReferenceError};
use crate::kind::sev_snp::{ChipId, HexBytes, SnpRequirements};
use crate::reference::is_label;

/// Bytes of a launch ticket.
pub const TICKET: usize = 32;

/// A launch ticket's id: SHA-256 of its [host data](ticket_host_data). It is in lists, names and logs, so neither the
/// ticket nor the host data can be made of it.
pub type TicketId = [u8; 32];

/// What a host gives as `HOST_DATA` to the machine that a ticket is for: the ticket's SHA-256. Whoever sees it can
/// launch that machine, or another in its place, until the ticket is used.
pub fn ticket_host_data(ticket: &[u8]) -> [u8; 32] {
    sha256(ticket)
}

/// The id of the ticket that this host data stands for.
pub fn ticket_id(host_data: &[u8; 32]) -> TicketId {
    sha256(host_data)
}

/// What evidence says of the machine itself, beside what runs on it. What a kind doesn't say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineClaims {
    /// The id of the launch ticket in the evidence's user data.
    pub ticket: Option<TicketId>,
    /// What the host gave the machine at its launch (SEV-SNP ABI, `HOST_DATA`).
    pub host_data: Option<[u8; 32]>,
    /// The chip's identity (SEV-SNP ABI, `CHIP_ID`), where it isn't hidden.
    pub chip_id: Option<[u8; 64]>,
    /// The ID block that the machine was launched with, where there was one.
    pub id_block: Option<IdBlock>,
    /// The platform's reported TCB (SEV-SNP ABI, `REPORTED_TCB`).
    pub reported_tcb: Option<u64>,
}

/// What an ID block says of a machine (SEV-SNP ABI, `ID_BLOCK` and `ID_AUTH`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdBlock {
    /// SHA-384 of the key that signed the block.
    pub id_key_digest: [u8; 48],
    /// SHA-384 of the key that signed that key, where one did.
    pub author_key_digest: Option<[u8; 48]>,
    /// Its family, the owner's word.
    pub family_id: [u8; 16],
    /// Its image, the owner's word.
    pub image_id: [u8; 16],
}

impl IdBlock {
    /// The instance that the block stands for: who signed it, and both of the owner's words.
    pub fn instance(&self) -> [u8; 32] {
        let text = LvWriter::new().push(b"claviger id block v1").push(&self.id_key_digest);
        sha256(&text.push(&self.family_id).push(&self.image_id).into_bytes())
    }
}

/// A way in which a machine shows which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceWay {
    /// A launch ticket, taken once: in the evidence's user data, or its SHA-256 as host data.
    Ticket,
    /// An ID block signed by a key that the domain lists.
    IdBlock,
    /// A chip that the domain lists.
    Chip,
}

impl InstanceWay {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ticket, Self::IdBlock, Self::Chip];

    /// Its name in a policy file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::IdBlock => "id-block",
            Self::Chip => "chip",
        }
    }
}

/// How a domain's machines have to show which one they are: in one of these ways. Empty, they needn't.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DemandText", into = "DemandText")]
pub struct InstanceDemand(Vec<InstanceWay>);

impl InstanceDemand {
    /// A demand for one of `ways`, the first that fits; none twice.
    pub fn new(ways: Vec<InstanceWay>) -> Result<Self, ReferenceError> {
        let twice = |(at, way): (usize, &InstanceWay)| ways[..at].contains(way);
        if ways.iter().enumerate().any(twice) { Err(ReferenceError::Demand) } else { Ok(Self(ways)) }
    }

    /// The ways that are taken, in the order in which they are tried.
    pub fn ways(&self) -> &[InstanceWay] {
        &self.0
    }

    /// Whether a machine needs no instance.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this way is taken.
    pub fn allows(&self, way: InstanceWay) -> bool {
        self.0.contains(&way)
    }
}

impl fmt::Display for InstanceDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways: Vec<_> = self.0.iter().map(|way| way.as_str()).collect();
        f.write_str(&if ways.is_empty() { "none".to_owned() } else { ways.join(" or ") })
    }
}

/// In a file: `"none"`, one way, or a list of ways.
#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "demand is \"none\", \"ticket\", \"id-block\", \"chip\", or a list of the last three"
)]
enum DemandText {
    One(DemandWord),
    Several(Vec<InstanceWay>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DemandWord {
    None,
    #[serde(untagged)]
    Way(InstanceWay),
}

impl TryFrom<DemandText> for InstanceDemand {
    type Error = ReferenceError;

    fn try_from(text: DemandText) -> Result<Self, ReferenceError> {
        match text {
            DemandText::One(DemandWord::None) => Ok(Self::default()),
            DemandText::One(DemandWord::Way(way)) => Ok(Self(vec![way])),
            // "none" has a word of its own; an empty list is more likely a mistake.
            DemandText::Several(ways) if ways.is_empty() => Err(ReferenceError::Demand),
            DemandText::Several(ways) => Self::new(ways),
        }
    }
}

impl From<InstanceDemand> for DemandText {
    fn from(InstanceDemand(ways): InstanceDemand) -> Self {
        match ways[..] {
            [] => Self::One(DemandWord::None),
            [way] => Self::One(DemandWord::Way(way)),
            _ => Self::Several(ways),
        }
    }
}

/// Which machine it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    id: Vec<u8>,
    label: Option<String>,
    spends: bool,
}

impl Instance {
    fn known(id: [u8; 32]) -> Self {
        Self { id: id.to_vec(), label: None, spends: false }
    }

    /// Its id, 1 to 64 bytes.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// What the domain's owner calls it.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}

/// An attested machine of which the domain knows which one it is, as far as it wants to. Only this is admitted; only
/// [`crate::TrustPolicy::identify`] makes one.
#[derive(Clone, Debug)]
pub struct Identified {
    attested: Attested,
    instance: Option<Instance>,
    enrolment: Option<[u8; 32]>,
}

impl Identified {
    /// What was attested.
    pub fn attested(&self) -> &Attested {
        &self.attested
    }

    /// Which machine it is.
    pub fn instance(&self) -> Option<&Instance> {
        self.instance.as_ref()
    }

    /// The enrolment that this renews, by SHA-256 of its first certificate; none where it is one itself.
    pub fn enrolment(&self) -> Option<&[u8; 32]> {
        self.enrolment.as_ref()
    }

    /// The launch ticket that this admission takes. It must be spent, durably, before the certificate is given away.
    pub fn spends(&self) -> Option<TicketId> {
        let instance = self.instance.as_ref().filter(|instance| instance.spends)?;
        instance.id.as_slice().try_into().ok()
    }

    /// The same, with what the domain's owner called the ticket that it spends.
    #[must_use]
    pub fn labelled(mut self, label: Option<String>) -> Self {
        if let Some(instance) = self.instance.as_mut().filter(|instance| instance.spends) {
            instance.label = label;
        }
        self
    }
}

/// Whether an owner may call an instance so: 1 to 64 of `[A-Za-z0-9._-]`, and not in the form of an id, so that access
/// rules can't mistake one for the other.
pub fn is_instance_label(text: &str) -> bool {
    let is_id = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_label(text) && !is_id
}

/// A machine that renews its certificate.
#[derive(Clone, Copy, Debug)]
pub struct Renews<'a> {
    /// Whose certificate it is.
    pub peer: &'a Peer,
    /// Whether that certificate's instance is one of the domain's launch tickets.
    pub by_ticket: bool,
}

impl Renews<'_> {
    /// The instance of the certificate.
    fn kept(&self) -> Option<Instance> {
        let extension = self.peer.extension()?;
        let id = extension.instance.clone()?;
        Some(Instance { id, label: extension.instance_label.clone(), spends: false })
    }
}

/// Who it is, by what its evidence says and, where it renews, by its certificate of before.
pub(crate) fn identify(
    demand: &InstanceDemand,
    snp: &SnpRequirements,
    attested: Attested,
    renews: Option<Renews<'_>>,
) -> Result<Identified, AttestError> {
    let enrolment = renews.map(|renews| renews.peer.enrolment());
    if let Some((kept, renews)) = renews.and_then(|renews| Some((renews.kept()?, renews))) {
        // A ticket that nobody takes would be good for another machine yet.
        if attested.machine().ticket.is_some() {
            let why = "a machine that is an instance already renews without a launch ticket";
            return Err(AttestError::Statement { part: "user data", why });
        }
        // A ticket was shown once and is spent, so the machine's key stands for it. A chip or a block is shown by all
        // evidence, so a copy of the key elsewhere shows another.
        if !renews.by_ticket && !still_shows(demand, snp, attested.machine(), &kept) {
            return Err(AttestError::OtherInstance);
        }
        return Ok(Identified { attested, instance: Some(kept), enrolment });
    }
    let instance = instance(demand, snp, attested.machine());
    if instance.is_none() && !demand.is_none() {
        return Err(AttestError::NoInstance(demand.clone()));
    }
    Ok(Identified { attested, instance, enrolment })
}

/// Whether the machine shows that instance yet, in one of the ways of the demand that every evidence can show.
fn still_shows(
    demand: &InstanceDemand,
    snp: &SnpRequirements,
    machine: &MachineClaims,
    kept: &Instance,
) -> bool {
    let mut lasting = demand.ways().iter().filter(|way| **way != InstanceWay::Ticket).peekable();
    let asks = lasting.peek().is_some();
    !asks || lasting.any(|way| shown(*way, snp, machine).is_some_and(|shown| shown.id == kept.id))
}

fn instance(demand: &InstanceDemand, snp: &SnpRequirements, machine: &MachineClaims) -> Option<Instance> {
    // Who brings a ticket means it to be taken, whether the domain demands one or not.
    if let Some(ticket) = machine.ticket {
        return Some(Instance { spends: true, ..Instance::known(ticket) });
    }
    demand.ways().iter().find_map(|way| shown(*way, snp, machine))
}

/// Which machine it is in this way, if it shows that.
fn shown(way: InstanceWay, snp: &SnpRequirements, machine: &MachineClaims) -> Option<Instance> {
    match way {
        // Host data is the host's word: all zero is none, and only a domain that demands tickets reads it as one.
        InstanceWay::Ticket => {
            let data = machine.host_data.filter(|data| *data != [0; 32])?;
            Some(Instance { spends: true, ..Instance::known(ticket_id(&data)) })
        }
        InstanceWay::IdBlock => {
            let block = machine.id_block.as_ref()?;
            let listed = snp.id_key_digests.as_ref()?.contains(&HexBytes(block.id_key_digest));
            listed.then(|| Instance::known(block.instance()))
        }
        InstanceWay::Chip => {
            let chip = machine.chip_id?;
            let known = ChipId::new(chip)?;
            let listed = snp.chips.as_ref()?.contains(&known) && !snp.denied_chips.contains(&known);
            listed.then(|| Instance::known(sha256(&chip)))
        }
    }
}

/// The id of the launch ticket in a serialized [`EvidenceUserData`], if there is one in it.
pub(crate) fn ticket_of(user_data: &[u8]) -> Result<Option<TicketId>, AttestError> {
    const PART: &str = "user data";
    if user_data.len() > MAX_USER_DATA {
        return Err(AttestError::Statement { part: PART, why: "it has at most 1024 bytes" });
    }
    let malformed = |_| AttestError::Malformed { part: PART, cause: ParseError::Message("EvidenceUserData") };
    let data = EvidenceUserData::decode(user_data).map_err(malformed)?;
    let Some(ticket) = &data.ticket else { return Ok(None) };
    if ticket.len() != TICKET {
        return Err(AttestError::Statement { part: PART, why: "a launch ticket has 32 bytes" });
    }
    Ok(Some(ticket_id(&ticket_host_data(ticket))))
}

#[cfg(test)]
mod tests;
