//! `sev-platform-package`: ARK, ASK, VCEK, and a report with what was said.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use claviger_proto::ParseError;
use claviger_proto::evidence::UserData;
use claviger_proto::key::KeyKind;
use claviger_proto::trust::EvidenceItem;
use prost::Message as _;

use super::x509::Link;
use super::{StockFacts, StockKind, link, required};
use crate::certifier::claim::public_key;
use crate::certifier::error::EvidenceFault;
use crate::certifier::import::amd_root;
use crate::certifier::property::PlatformFacts;
use crate::certifier::statement::{Entity, Environment, NamedKey, Quality, Statement};
use crate::digest::sha384;
use crate::kind::sev_snp::{SnpProduct, SnpReport};

const REPORT: &str = "sev-attestation";
const VCEK: &str = "VCEK certificate";
const KIND: &str = "sev-enclave";

/// Bytes of a report that are signed (ABI 56860, table 23).
const SIGNED: usize = 0x2a0;

/// 1.3.6.1.4.1.3704.1, under which AMD's certificates say what chip and TCB a key is of (57230).
const AMD: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];

/// The stock `sev_attestation_message`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct SevAttestation {
    #[prost(bytes = "vec", optional, tag = "1")]
    what_was_said: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    report: Option<Vec<u8>>,
}

pub(super) fn read(items: &[EvidenceItem], now: i64) -> Result<StockFacts, EvidenceFault> {
    let types: Vec<_> = items.iter().map(|item| item.evidence_type.as_str()).collect();
    let ([ark, ask, vcek, attestation], ["cert", "cert", "cert", REPORT]) = (items, types.as_slice()) else {
        return Err(EvidenceFault::Items("the cert of ARK, ASK and VCEK, and a sev-attestation"));
    };
    let ark = Link::read("ARK certificate", &ark.serialized, now)?;
    let ask = Link::read("ASK certificate", &ask.serialized, now)?;
    let vcek = Link::read(VCEK, &vcek.serialized, now)?;
    // The ASKs of stock's simulated platforms say that they are none.
    let amd =
        SnpProduct::ALL.iter().any(|product| amd_root(*product).is_some_and(|key| key == *ark.key.key()));
    if !ark.is_authority() || (amd && !ask.is_authority()) {
        return Err(EvidenceFault::Refused("certificates", "an issuer isn't a CA"));
    }
    ark.check_issuer(&ark)?;
    ask.check_issuer(&ark)?;
    vcek.check_issuer(&ask)?;
    let (report, enclave_key) = attested(&attestation.serialized, &vcek)?;
    let environment = Environment {
        platform: PlatformFacts { policy: report.policy(), tcb: report.reported_tcb() },
        measurement: report.measurement(),
    };
    let about = Entity::Environment(environment);
    Ok(StockFacts {
        kind: StockKind::SevEnclave,
        chain: vec![link(&ark.key, &ask.key), link(&ask.key, &vcek.key)],
        environment: Some(Statement::Is(about.clone(), Quality::IsEnvironment).said_by(&vcek.key)),
        speaks_for: Statement::SpeaksFor(enclave_key.clone(), about).said_by(&vcek.key),
        root: ark.key,
        enclave_key,
        measurement: report.measurement(),
    })
}

/// The report, which the VCEK signed and which is about what was said; and whose key was said.
fn attested(bytes: &[u8], vcek: &Link<'_>) -> Result<(SnpReport, NamedKey), EvidenceFault> {
    let refused = |why| EvidenceFault::Refused(REPORT, why);
    let malformed = |name| EvidenceFault::Malformed(REPORT, ParseError::Message(name));
    let message = SevAttestation::decode(bytes).map_err(|_| malformed("sev_attestation_message"))?;
    let said = required(REPORT, "what_was_said", message.what_was_said)?;
    let raw = required(REPORT, "reported_attestation", message.report)?;
    let report = SnpReport::read(&raw).map_err(|_| refused("it isn't a report of version 2 to 5"))?;
    if vcek.key.key().kind() != KeyKind::P384 {
        return Err(EvidenceFault::Refused(VCEK, "its key isn't on P-384"));
    }
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, vcek.key.key().spki_der())
        .verify(&raw[..SIGNED], &report.signature())
        .map_err(|_| EvidenceFault::Signature(REPORT))?;
    check_vcek(&report, vcek)?;
    let mut data = [0; 64];
    data[..48].copy_from_slice(&sha384(&said));
    if report.report_data() != data {
        return Err(refused("what was said isn't what the report is about"));
    }
    let said = UserData::decode(said.as_slice()).map_err(|_| malformed("attestation_user_data"))?;
    if said.enclave_type.as_deref() != Some(KIND) {
        return Err(refused("its enclave type isn't sev-enclave"));
    }
    let key = public_key(&required(REPORT, "enclave_key", said.enclave_key)?);
    Ok((report, key.map_err(|_| refused("its enclave key isn't a public key that can be used"))?))
}

/// The key is derived from the TCB and made for a chip: a report that says otherwise was signed by an older key, or
/// elsewhere. Stock verifiers don't look.
fn check_vcek(report: &SnpReport, vcek: &Link<'_>) -> Result<(), EvidenceFault> {
    let number = |last: u8| match vcek.extension(&[AMD, &[3, last]].concat())? {
        [0x02, 0x01, number] | [0x02, 0x02, 0x00, number] => Some(*number),
        _ => None,
    };
    let part =
        |last| number(last).ok_or(EvidenceFault::Refused(VCEK, "it doesn't say of which TCB its key is"));
    let (bootloader, tee, snp, microcode) = (part(1)?, part(2)?, part(3)?, part(8)?);
    // The part that only a Turin has, and which moves the others.
    let tcb = match number(9) {
        Some(fmc) => [fmc, bootloader, tee, snp, 0, 0, 0, microcode],
        None => [bootloader, tee, 0, 0, 0, 0, snp, microcode],
    };
    if report.reported_tcb() != tcb {
        return Err(EvidenceFault::Refused(VCEK, "its key is of another TCB than the report's"));
    }
    let chip = vcek.extension(&[AMD, &[4]].concat());
    let chip = chip.map(|value| value.strip_prefix(&[0x04, 0x40]).unwrap_or(value));
    // A Turin's id has 8 bytes, the others' 64.
    let long = |chip: &&[u8]| matches!(chip.len(), 8 | 64);
    let same = report
        .chip_id()
        .is_none_or(|id| chip.filter(long).is_some_and(|chip| id.as_bytes().starts_with(chip)));
    if same {
        Ok(())
    } else {
        Err(EvidenceFault::Refused(VCEK, "its key is of another chip than the report's"))
    }
}
