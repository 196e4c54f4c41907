//! Evidence as the stock programs make it: bound to a key and to no channel, which is all that their admission takes.

use claviger_attest::{TableEntry, read_certificate_table, sha256, sha384};
use claviger_proto::evidence::{
    ITEM_CERTIFICATE, ITEM_SEV_ATTESTATION, ITEM_TPM_ATTESTATION, SevAttestation, TpmAttestation, UserData,
};
use claviger_proto::key::{KeyMessage, MessageKey, PublicKey};
use claviger_proto::time_text::time_to_text;
use claviger_proto::trust::{EvidenceItem, EvidencePackage};
use prost::Message as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::sev_snp::Fault;
use super::tpm::{self, Quoted, Tpm};
use super::{Collector, EvidenceError, SevSnp};

/// How a certificate in DER begins: a SEQUENCE.
const DER: u8 = 0x30;

const SEV_ENCLAVE: &str = "sev-enclave";
const TPM_ENCLAVE: &str = "tpm-enclave";

/// What is in front of an RSASSA signature with SHA-256 of 2048 bits in a `TPMT_SIGNATURE` (TPM 2.0 Library, Part 2): both
/// algorithms, and the length. Stock evidence has the signature bare, and no other.
const TPM_SIGNATURE: [u8; 6] = [0, 0x14, 0, 0x0b, 1, 0];

/// The stock name of the evidence, and the evidence, that `key` lives in this machine.
pub(crate) async fn stock_evidence(
    collector: &Collector,
    key: &PublicKey,
    now: UnixTime,
) -> Result<(&'static str, EvidencePackage), EvidenceError> {
    match collector {
        Collector::SimulatedEnclave(platform) => {
            Ok(("vse-attestation-package", platform.collect_stock(key, now)?))
        }
        Collector::SevSnp(source) => Ok(("sev-platform-package", sev(source, key, now).await?)),
        Collector::Tpm(source) => Ok(("tpm-platform-package", tpm(source, key, now).await?)),
    }
}

/// What the program says of its key, serialized.
fn said(enclave_type: &str, key: &PublicKey, now: UnixTime) -> Vec<u8> {
    let time = time_to_text(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let enclave_key = KeyMessage::new("auth-key", MessageKey::Public(key.clone())).encode().to_vec();
    let said = UserData {
        enclave_type: Some(enclave_type.to_owned()),
        time: Some(time),
        enclave_key: Some(enclave_key),
        ..UserData::default()
    };
    said.encode_to_vec()
}

async fn tpm(source: &Tpm, key: &PublicKey, now: UnixTime) -> Result<EvidencePackage, EvidenceError> {
    let said = said(TPM_ENCLAVE, key, now);
    let Quoted { quote, signature, certificate } = source.quote(&sha256(&said)).await?;
    let signature = signature.strip_prefix(&TPM_SIGNATURE).ok_or(tpm::Fault::NotRsa)?.to_vec();
    let attestation = TpmAttestation {
        what_was_said: Some(said),
        quote: Some(quote),
        signing_algorithm: Some("RSA-2048-SSA-SHA-256".to_owned()),
        signature: Some(signature),
    };
    Ok(EvidencePackage {
        prover_type: "vse-verifier".to_owned(),
        enclave_type: TPM_ENCLAVE.to_owned(),
        items: vec![
            item(ITEM_CERTIFICATE, certificate),
            item(ITEM_TPM_ATTESTATION, attestation.encode_to_vec()),
        ],
    })
}

async fn sev(source: &SevSnp, key: &PublicKey, now: UnixTime) -> Result<EvidencePackage, EvidenceError> {
    let said = said(SEV_ENCLAVE, key, now);
    let mut asked = [0; 64];
    asked[..48].copy_from_slice(&sha384(&said));
    let (report, table) = source.report(&asked).await?;
    let mut items = chain(&table).map_err(|what| Fault::Chain { place: source.to_string(), what })?;
    let attestation = SevAttestation { what_was_said: Some(said), report: Some(report) };
    items.push(item(ITEM_SEV_ATTESTATION, attestation.encode_to_vec()));
    Ok(EvidencePackage {
        prover_type: "vse-verifier".to_owned(),
        enclave_type: SEV_ENCLAVE.to_owned(),
        items,
    })
}

/// ARK, ASK and the chip's certificate, in DER. Stock admission looks for none itself.
fn chain(table: &[u8]) -> Result<Vec<EvidenceItem>, &'static str> {
    let table = if table.is_empty() { Vec::new() } else { read_certificate_table(table)? };
    Ok(vec![
        certificate(&table, &[TableEntry::Ark], "the ARK's certificate isn't with it")?,
        certificate(&table, &[TableEntry::Ask], "the ASK's certificate isn't with it")?,
        certificate(
            &table,
            &[TableEntry::Vcek, TableEntry::Vlek],
            "the chip's own certificate isn't with it",
        )?,
    ])
}

fn certificate(
    table: &[(TableEntry, &[u8])],
    wanted: &[TableEntry],
    lacks: &'static str,
) -> Result<EvidenceItem, &'static str> {
    let found = table.iter().find(|(entry, bytes)| wanted.contains(entry) && !bytes.is_empty());
    let (_, bytes) = found.ok_or(lacks)?;
    if bytes.first() == Some(&DER) {
        return Ok(item(ITEM_CERTIFICATE, bytes.to_vec()));
    }
    let der = CertificateDer::from_pem_slice(bytes).map_err(|_| "a certificate is neither DER nor PEM")?;
    Ok(item(ITEM_CERTIFICATE, der.to_vec()))
}

fn item(kind: &str, serialized: Vec<u8>) -> EvidenceItem {
    EvidenceItem { evidence_type: kind.to_owned(), serialized }
}
