//! `vse-attestation-package`: an endorsement, and a report.

use claviger_proto::ParseError;
use claviger_proto::evidence::{
    CLAIM_FORMAT, Claim, Clause, ENTITY_KEY, Entity as Wire, ITEM_SIGNED_CLAIM, ITEM_SIGNED_REPORT,
    REPORT_FORMAT, ReportInfo, SignedClaim, SignedReport, UserData, VERB_SAYS, VERB_TRUSTED_FOR_ATTESTATION,
};
use claviger_proto::trust::EvidenceItem;
use prost::Message as _;

use super::{StockFacts, StockKind, link, required};
use crate::certifier::claim::{public_key, whole_date};
use crate::certifier::error::EvidenceFault;
use crate::certifier::statement::{Entity, NamedKey, Statement};
use crate::measurement::Measurement;
use crate::signature::Signed;

const CLAIM: &str = "signed-claim";
const REPORT: &str = "attestation report";
const KIND: &str = "simulated-enclave";

pub(super) fn read(items: &[EvidenceItem], now: i64) -> Result<StockFacts, EvidenceFault> {
    let types: Vec<_> = items.iter().map(|item| item.evidence_type.as_str()).collect();
    let ([claim, report], [ITEM_SIGNED_CLAIM, ITEM_SIGNED_REPORT]) = (items, types.as_slice()) else {
        return Err(EvidenceFault::Items("a signed-claim and a signed-vse-attestation-report"));
    };
    let (root, endorsed) = endorsement(&claim.serialized, now)?;
    let (signer, enclave_key, measurement) = attestation(&report.serialized, now)?;
    let speaks = Statement::SpeaksFor(enclave_key.clone(), Entity::Measurement(measurement));
    Ok(StockFacts {
        kind: StockKind::SimulatedEnclave,
        chain: vec![link(&root, &endorsed)],
        root,
        environment: None,
        speaks_for: speaks.said_by(&signer),
        enclave_key,
        measurement,
    })
}

/// Who says that which key is-trusted-for-attestation.
fn endorsement(bytes: &[u8], now: i64) -> Result<(NamedKey, NamedKey), EvidenceFault> {
    let malformed = |name| EvidenceFault::Malformed(CLAIM, ParseError::Message(name));
    let outer = SignedClaim::decode(bytes).map_err(|_| malformed("signed_claim_message"))?;
    let message = required(CLAIM, "claim", outer.claim)?;
    let signer = key(CLAIM, outer.signing_key.as_deref())?;
    let claim = Claim::decode(message.as_slice()).map_err(|_| malformed("claim_message"))?;
    verify(CLAIM, message, outer.signing_algorithm, outer.signature, &signer)?;
    if claim.format.as_deref() != Some(CLAIM_FORMAT) {
        return Err(EvidenceFault::Refused(CLAIM, "its format isn't vse-clause"));
    }
    dates(CLAIM, claim.not_before.as_deref(), claim.not_after.as_deref(), now)?;
    let clause = Clause::decode(required(CLAIM, "clause", claim.clause)?.as_slice());
    let clause = clause.map_err(|_| malformed("vse_clause"))?;
    let sentence = EvidenceFault::Refused(CLAIM, "it doesn't say that a key is-trusted-for-attestation");
    let Clause { subject: Some(one), verb: Some(says), object: None, clause: Some(said) } = &clause else {
        return Err(sentence);
    };
    let Clause { subject: Some(other), verb: Some(trusted), object: None, clause: None } = said.as_ref()
    else {
        return Err(sentence);
    };
    if says != VERB_SAYS || trusted != VERB_TRUSTED_FOR_ATTESTATION {
        return Err(sentence);
    }
    let (one, other) = (key_of(one)?, key_of(other)?);
    if one != signer {
        return Err(EvidenceFault::Refused(CLAIM, "who says it isn't who signed it"));
    }
    Ok((one, other))
}

/// Who signed, for which key, and what runs there.
fn attestation(bytes: &[u8], now: i64) -> Result<(NamedKey, NamedKey, Measurement), EvidenceFault> {
    let malformed = |name| EvidenceFault::Malformed(REPORT, ParseError::Message(name));
    let outer = SignedReport::decode(bytes).map_err(|_| malformed("signed_report"))?;
    if outer.format.as_deref() != Some(REPORT_FORMAT) {
        return Err(EvidenceFault::Refused(REPORT, "its format isn't vse-attestation-report"));
    }
    let message = required(REPORT, "report", outer.report)?;
    let signer = key(REPORT, outer.signing_key.as_deref())?;
    let info =
        ReportInfo::decode(message.as_slice()).map_err(|_| malformed("vse_attestation_report_info"))?;
    verify(REPORT, message, outer.signing_algorithm, outer.signature, &signer)?;
    dates(REPORT, info.not_before.as_deref(), info.not_after.as_deref(), now)?;
    let user_data = UserData::decode(required(REPORT, "user_data", info.user_data)?.as_slice());
    let user_data = user_data.map_err(|_| malformed("attestation_user_data"))?;
    if info.enclave_type.as_deref() != Some(KIND) || user_data.enclave_type.as_deref() != Some(KIND) {
        return Err(EvidenceFault::Refused(REPORT, "its enclave type isn't simulated-enclave"));
    }
    let measurement = Measurement::from_bytes(&required(REPORT, "measurement", info.measurement)?)
        .map_err(|_| EvidenceFault::Refused(REPORT, "its measurement has neither 32 nor 48 bytes"))?;
    Ok((signer, key(REPORT, user_data.enclave_key.as_deref())?, measurement))
}

fn key_of(wire: &Wire) -> Result<NamedKey, EvidenceFault> {
    let only = wire.measurement.is_none() && wire.platform.is_none() && wire.environment.is_none();
    if wire.entity_type.as_deref() != Some(ENTITY_KEY) || !only {
        return Err(EvidenceFault::Refused(CLAIM, "its entities aren't keys"));
    }
    key(CLAIM, wire.key.as_deref())
}

fn key(part: &'static str, message: Option<&[u8]>) -> Result<NamedKey, EvidenceFault> {
    let message = required(part, "key", message)?;
    public_key(message)
        .map_err(|_| EvidenceFault::Refused(part, "its keys aren't public keys that can be used"))
}

fn dates(part: &'static str, from: Option<&str>, until: Option<&str>, now: i64) -> Result<(), EvidenceFault> {
    let whole = |text: Option<&str>| text.and_then(whole_date).ok_or(EvidenceFault::Dates(part));
    if (whole(from)?..=whole(until)?).contains(&now) { Ok(()) } else { Err(EvidenceFault::Dates(part)) }
}

fn verify(
    part: &'static str,
    message: Vec<u8>,
    algorithm: Option<String>,
    signature: Option<Vec<u8>>,
    signer: &NamedKey,
) -> Result<(), EvidenceFault> {
    let signature = required(part, "signature", signature)?;
    let envelope = Signed { part, message, algorithm: algorithm.unwrap_or_default(), signature };
    envelope.verify(signer.key()).map_err(|_| EvidenceFault::Signature(part))
}
