//! The form in which stock programs send a quote: its key's certificate, and a message with what it vouches for.

use claviger_proto::ParseError;
use claviger_proto::evidence::{ITEM_CERTIFICATE, ITEM_TPM_ATTESTATION, TpmAttestation};
use claviger_proto::trust::EvidencePackage;
use prost::Message as _;

use super::{Pending, Signature, Submitted, TpmQuote};
use crate::digest::sha256;
use crate::error::AttestError;
use crate::kind::StockPending;
use crate::kind::simulated_enclave::required;
use crate::reference::ReferenceValues;
use crate::stock::{Said, StockExpected, TPM_ENCLAVE};

const PART: &str = "tpm_attestation_message";

/// Checks all that costs no signature.
pub(in crate::kind) fn screen_stock(
    package: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &StockExpected<'_>,
    now: i64,
) -> Result<StockPending<Pending>, AttestError> {
    let wrong = AttestError::Items { expected: "a cert (the quote key's) and a tpm-attestation" };
    let [certificate, attestation] = package.items.as_slice() else { return Err(wrong) };
    if certificate.evidence_type != ITEM_CERTIFICATE || attestation.evidence_type != ITEM_TPM_ATTESTATION {
        return Err(wrong);
    }
    let cause = ParseError::Message(PART);
    let message = TpmAttestation::decode(attestation.serialized.as_slice())
        .map_err(|_| AttestError::Malformed { part: PART, cause })?;
    let what_was_said = required(PART, "what_was_said", message.what_was_said)?;
    let algorithm = required(PART, "signing_algorithm", message.signing_algorithm)?;
    let quote = TpmQuote::parse(&required(PART, "quote", message.quote)?)?;
    let signature = Signature::stock(&algorithm, &required(PART, "signature", message.signature)?)?;
    let said = Said::parse(PART, &what_was_said, TPM_ENCLAVE, expected, now)?;
    let statement = sha256(quote.signed());
    let extra_data = sha256(&what_was_said);
    let certificate = certificate.serialized.as_slice();
    let submitted = Submitted { quote, signature, certificate, extra_data, ticket: None, stock: true };
    Ok(StockPending { pending: submitted.screen(policy, now)?, said, statement })
}
