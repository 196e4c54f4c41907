//! The form in which stock programs send a report: three certificates, and a message with what it vouches for.

use claviger_proto::evidence::{ITEM_CERTIFICATE, ITEM_SEV_ATTESTATION, SevAttestation};
use claviger_proto::trust::{EvidenceItem, EvidencePackage};
use prost::Message as _;

use super::material::Material;
use super::package::{Pending, Submitted};
use super::report::SnpReport;
use super::rules::Broken;
use crate::digest::sha256;
use crate::error::AttestError;
use crate::kind::StockPending;
use crate::reference::ReferenceValues;
use crate::stock::{SEV_ENCLAVE, Said, StockExpected, sev_report_data};

const PART: &str = "sev_attestation_message";

/// The items of a stock package, which say nothing yet.
pub(in crate::kind) struct StockItems<'a> {
    /// ARK, ASK and VCEK, DER.
    pub(in crate::kind) certificates: [&'a [u8]; 3],
    pub(in crate::kind) what_was_said: Vec<u8>,
    pub(in crate::kind) report: SnpReport,
}

impl<'a> StockItems<'a> {
    pub(in crate::kind) fn of(package: &'a EvidencePackage) -> Result<Self, AttestError> {
        let wrong = AttestError::Items { expected: "three certs (ARK, ASK, VCEK) and a sev-attestation" };
        let [ark, ask, vcek, attestation] = package.items.as_slice() else { return Err(wrong) };
        let certificate = |item: &'a EvidenceItem| {
            (item.evidence_type == ITEM_CERTIFICATE).then_some(item.serialized.as_slice())
        };
        let (Some(ark), Some(ask), Some(vcek)) = (certificate(ark), certificate(ask), certificate(vcek))
        else {
            return Err(wrong);
        };
        if attestation.evidence_type != ITEM_SEV_ATTESTATION {
            return Err(wrong);
        }
        let malformed = |cause| AttestError::Malformed { part: PART, cause };
        let message = SevAttestation::decode(attestation.serialized.as_slice())
            .map_err(|_| malformed(claviger_proto::ParseError::Message(PART)))?;
        let missing = |name| move || malformed(claviger_proto::ParseError::Missing(name));
        let report = message.report.ok_or_else(missing("report"))?;
        Ok(Self {
            certificates: [ark, ask, vcek],
            what_was_said: message.what_was_said.ok_or_else(missing("what_was_said"))?,
            report: SnpReport::parse(&report).map_err(Broken::from)?,
        })
    }

    /// What the guest said, and the digest of what was signed.
    pub(in crate::kind) fn said(
        &self,
        expected: &StockExpected<'_>,
        now: i64,
    ) -> Result<(Said, [u8; 32]), AttestError> {
        let said = Said::parse(PART, &self.what_was_said, SEV_ENCLAVE, expected, now)?;
        Ok((said, sha256(self.report.signed())))
    }
}

/// Checks all that costs no signature.
pub(in crate::kind) fn screen_stock(
    items: StockItems<'_>,
    policy: &ReferenceValues,
    expected: &StockExpected<'_>,
    now: i64,
) -> Result<StockPending<Pending>, AttestError> {
    let (said, statement) = items.said(expected, now)?;
    let StockItems { certificates, what_was_said, report } = items;
    let material = || {
        let mut material = Material::default();
        certificates.iter().try_for_each(|one| material.add_certificate(one)).map(|()| material)
    };
    let report_data = sev_report_data(&what_was_said);
    let pending = Submitted { report, report_data, ticket: None }.screen(material, policy, now)?;
    Ok(StockPending { pending, said, statement })
}
