//! Our own evidence package.

use claviger_proto::LvWriter;
use claviger_proto::evidence::ITEM_CERTIFICATE;
use claviger_proto::trust::{EvidenceItem, EvidencePackage};

use super::{KIND, Submitted};
use crate::digest::{sha256, sha384};
use crate::error::AttestError;
use crate::instance::ticket_of;
use crate::kind::sev_snp::ITEM_USER_DATA;

/// A `TPMS_ATTEST`, as `TPM2_Quote` gives it.
pub const ITEM_TPM_QUOTE: &str = "tpm-quote";
/// A `TPMT_SIGNATURE`, as `TPM2_Quote` gives it.
pub const ITEM_TPM_SIGNATURE: &str = "tpm-signature";

/// What a TPM must have signed along (its qualifying data) for this binding and this user data:
/// SHA-256( LV("claviger tpm quote v1") ‖ LV(binding) ), and with user data ‖ LV(SHA-384(user data)).
///
/// 32 bytes, which every TPM takes.
pub fn tpm_qualifying_data(binding: &[u8; 64], user_data: Option<&[u8]>) -> [u8; 32] {
    let text = LvWriter::new().push(b"claviger tpm quote v1").push(binding);
    let text = match user_data {
        Some(user_data) => text.push(&sha384(user_data)),
        None => text,
    };
    sha256(&text.into_bytes())
}

/// A package of these items; the certificate is DER.
pub fn tpm_package(
    quote: &[u8],
    signature: &[u8],
    certificate: &[u8],
    user_data: Option<&[u8]>,
) -> EvidencePackage {
    let item = |kind: &str, bytes: &[u8]| EvidenceItem {
        evidence_type: kind.to_owned(),
        serialized: bytes.to_vec(),
    };
    let mut items = vec![
        item(ITEM_TPM_QUOTE, quote),
        item(ITEM_TPM_SIGNATURE, signature),
        item(ITEM_CERTIFICATE, certificate),
    ];
    items.extend(user_data.map(|bytes| item(ITEM_USER_DATA, bytes)));
    EvidencePackage { prover_type: "tpm-verifier".to_owned(), enclave_type: KIND.as_str().to_owned(), items }
}

/// The items of a package, for this binding.
pub(super) fn submitted<'a>(
    package: &'a EvidencePackage,
    binding: &[u8; 64],
) -> Result<Submitted<'a>, AttestError> {
    let expected = "a tpm-quote, a tpm-signature, a cert, then a user-data if there is one";
    let wrong = AttestError::Items { expected };
    let items: Vec<_> =
        package.items.iter().map(|item| (item.evidence_type.as_str(), item.serialized.as_slice())).collect();
    let (quote, signature, certificate, user_data) = match items[..] {
        [(ITEM_TPM_QUOTE, quote), (ITEM_TPM_SIGNATURE, signature), (ITEM_CERTIFICATE, certificate)] => {
            (quote, signature, certificate, None)
        }
        [
            (ITEM_TPM_QUOTE, quote),
            (ITEM_TPM_SIGNATURE, signature),
            (ITEM_CERTIFICATE, certificate),
            (ITEM_USER_DATA, user_data),
        ] => (quote, signature, certificate, Some(user_data)),
        _ => return Err(wrong),
    };
    Ok(Submitted {
        quote: super::TpmQuote::parse(quote)?,
        signature: super::Signature::parse(signature)?,
        certificate,
        extra_data: tpm_qualifying_data(binding, user_data),
        ticket: user_data.map(ticket_of).transpose()?.flatten(),
        stock: false,
    })
}
