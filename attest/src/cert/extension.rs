//! Our extension: what a certificate of ours says about its machine, beyond a name.
//!
//! ```text
//! ClavigerAdmission ::= SEQUENCE {              -- IMPLICIT TAGS
//!     version         INTEGER (1),
//!     role            ENUMERATED { agent(1), broker(2), issuer(3) },
//!     evidenceKind    [0] UTF8String                  OPTIONAL,
//!     reportedTcb     [1] OCTET STRING (SIZE (8))     OPTIONAL,  -- big-endian
//!     chipId          [2] OCTET STRING (SIZE (64))    OPTIONAL,
//!     instance        [3] OCTET STRING (SIZE (1..64)) OPTIONAL,
//!     challengeFresh  [4] BOOLEAN                     OPTIONAL,
//!     evidenceDigest  [5] OCTET STRING (SIZE (48))    OPTIONAL,  -- SHA-384
//!     instanceLabel   [6] UTF8String (SIZE (1..64))   OPTIONAL,  -- [A-Za-z0-9._-]
//!     enrolment       [7] OCTET STRING (SIZE (32))    OPTIONAL   -- SHA-256
//! }
//! ```
//! A delegated issuer's has version and role, and nothing else; in a machine's certificate its role is none that is known.
//! What is absent is unknown. A version, role, kind or field that isn't known here makes the whole unreadable.

use ::der::{AnyRef, Decode as _, Reader as _, SliceReader, Tag, Tagged as _};

use super::der::{ENUMERATED, INTEGER, SEQUENCE, context, tlv};
use crate::error::CertificateError;
use crate::instance::is_instance_label;
use crate::kind::EvidenceKind;
use crate::role::Role;

/// The extension's OID, dotted: 2.25 (ITU-T X.667) and a UUID of its own.
pub const ADMISSION_EXTENSION_OID: &str = "2.25.336525296775805567296602128242654992330";

/// The same, as it is encoded.
pub(super) const OID_BYTES: &[u8] = &[
    0x69, 0x83, 0xfa, 0xac, 0xb5, 0x88, 0xfd, 0x8c, 0xc2, 0x9d, 0x85, 0xa6, 0xac, 0xa0, 0x8c, 0xd8, 0xcd,
    0xb9, 0xaf, 0x4a,
];

/// The whole value in a delegated issuer's certificate: version 1, role issuer.
pub(super) const ISSUER: &[u8] = &[0x30, 6, 2, 1, VERSION, 0x0a, 1, 3];

const VERSION: u8 = 1;
const AGENT: u8 = 1;
const BROKER: u8 = 2;
const TRUE: &[u8] = &[0xff];
const FALSE: &[u8] = &[0];
const MAX_INSTANCE: usize = 64;

/// What a certificate of ours says about its machine. `None` means unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdmissionExtension {
    /// What the machine is.
    pub role: Role,
    /// The kind of evidence that it was admitted on; none where the owner signed without any.
    pub evidence_kind: Option<EvidenceKind>,
    /// The platform's reported TCB (SEV-SNP ABI, `TCB_VERSION`).
    pub reported_tcb: Option<u64>,
    /// The chip's identity (SEV-SNP ABI, `CHIP_ID`).
    pub chip_id: Option<[u8; 64]>,
    /// Which of several equal machines it is, 1 to 64 bytes.
    pub instance: Option<Vec<u8>>,
    /// Whether the evidence answered a challenge of the broker's.
    pub challenge_fresh: Option<bool>,
    /// SHA-384 of the serialized evidence.
    pub evidence_digest: Option<[u8; 48]>,
    /// What the domain's owner calls the instance, 1 to 64 of `[A-Za-z0-9._-]`.
    pub instance_label: Option<String>,
    /// SHA-256 of the certificate that the machine enrolled with, in those that were renewed from it.
    pub enrolment: Option<[u8; 32]>,
}

impl AdmissionExtension {
    /// A role, and nothing else known.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            evidence_kind: None,
            reported_tcb: None,
            chip_id: None,
            instance: None,
            challenge_fresh: None,
            evidence_digest: None,
            instance_label: None,
            enrolment: None,
        }
    }

    /// The DER of the extension's value.
    pub fn encode(&self) -> Vec<u8> {
        let role = match self.role {
            Role::Agent => AGENT,
            Role::Broker => BROKER,
        };
        let mut out = vec![tlv(INTEGER, &[&[VERSION]]), tlv(ENUMERATED, &[&[role]])];
        let mut field = |n, value: Option<&[u8]>| out.extend(value.map(|v| tlv(context(n), &[v])));
        field(0, self.evidence_kind.map(|kind| kind.as_str().as_bytes()));
        field(1, self.reported_tcb.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        field(2, self.chip_id.as_ref().map(<[u8; 64]>::as_slice));
        field(3, self.instance.as_deref());
        field(4, self.challenge_fresh.map(|fresh| if fresh { TRUE } else { FALSE }));
        field(5, self.evidence_digest.as_ref().map(<[u8; 48]>::as_slice));
        field(6, self.instance_label.as_deref().map(str::as_bytes));
        field(7, self.enrolment.as_ref().map(<[u8; 32]>::as_slice));
        tlv(SEQUENCE, &out.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Reads an extension's value; anything but the one encoding of something known is an error.
    pub fn decode(der: &[u8]) -> Result<Self, CertificateError> {
        let read = Self::read(der).ok_or(CertificateError::Extension)?;
        // One value, one encoding: this refuses wrong order, repetition and every other spelling at once.
        if read.encode() == der { Ok(read) } else { Err(CertificateError::Extension) }
    }

    fn read(der: &[u8]) -> Option<Self> {
        let fields = AnyRef::from_der(der).ok()?;
        let mut reader = SliceReader::new(fields.value()).ok()?;
        let version = AnyRef::decode(&mut reader).ok()?;
        if (version.tag(), version.value()) != (Tag::Integer, &[VERSION]) {
            return None;
        }
        let role = AnyRef::decode(&mut reader).ok()?;
        let mut read = Self::new(match (role.tag(), role.value()) {
            (Tag::Enumerated, [AGENT]) => Role::Agent,
            (Tag::Enumerated, [BROKER]) => Role::Broker,
            _ => return None,
        });
        while !reader.is_finished() {
            let field = AnyRef::decode(&mut reader).ok()?;
            let Tag::ContextSpecific { constructed: false, number } = field.tag() else { return None };
            read.read_field(number.value(), field.value())?;
        }
        Some(read)
    }

    fn read_field(&mut self, number: u32, value: &[u8]) -> Option<()> {
        match number {
            0 => self.evidence_kind = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
            1 => self.reported_tcb = Some(u64::from_be_bytes(value.try_into().ok()?)),
            2 => self.chip_id = Some(value.try_into().ok()?),
            3 if (1..=MAX_INSTANCE).contains(&value.len()) => self.instance = Some(value.to_vec()),
            4 => self.challenge_fresh = Some(value != FALSE),
            5 => self.evidence_digest = Some(value.try_into().ok()?),
            6 => {
                let label = str::from_utf8(value).ok().filter(|text| is_instance_label(text))?;
                self.instance_label = Some(label.to_owned());
            }
            7 => self.enrolment = Some(value.try_into().ok()?),
            _ => return None,
        }
        Some(())
    }
}
