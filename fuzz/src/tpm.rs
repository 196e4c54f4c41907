//! What TPMs marshal, and stock evidence of one, under the policy key of the captured request.

use std::sync::LazyLock;
use std::time::Duration;

use claviger_attest::{
    Endorsements, EvidenceKind, Measurement, PolicyCertificate, ReferenceValue, ReferenceValues,
    StockExpected, TpmPublic, TpmQuote, screen_stock, sha256,
};
use claviger_proto::key::PublicKey;
use claviger_proto::trust::EvidencePackage;
use prost::Message as _;
use rustls_pki_types::UnixTime;

const POLICY: &[u8] = include_bytes!("../../attest/tests/data/stock/tpm/policy_cert_file.bin");
/// Half a minute after the request was made, 2026-12-01, in seconds since 1970.
const NOW: u64 = 1_796_099_230;

struct World {
    policy_key: PublicKey,
    references: ReferenceValues,
}

/// The digest that is trusted: the captured TPM had nothing in its register 7.
fn measurement() -> Measurement {
    Measurement::from_bytes(&sha256(&[0; 32])).expect("32 bytes")
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let policy = PolicyCertificate::from_der(POLICY).expect("a policy certificate");
    let policy_key = PublicKey::from_spki_der(policy.spki_der()).expect("a key");
    let value = ReferenceValue::new(EvidenceKind::Tpm, measurement(), None, vec![policy_key.clone()]);
    let pcrs = "sha256:7".parse().expect("registers");
    let mut references = ReferenceValues::default();
    references.add(value.and_then(|value| value.with_pcrs(Some(pcrs))).expect("a reference value"));
    World { policy_key, references }
});

/// A quote: what is accepted names registers that have a text, and one byte less or more isn't one.
pub fn quote(data: &[u8]) {
    let Ok(quote) = TpmQuote::parse(data) else { return };
    assert!(!quote.pcrs().to_string().is_empty());
    assert!(TpmQuote::parse(&data[..data.len() - 1]).is_err());
    assert!(TpmQuote::parse(&[data, &[0]].concat()).is_err());
}

/// A key's public area: its name is that of these very bytes.
pub fn public(data: &[u8]) {
    let Ok(public) = TpmPublic::parse(data) else { return };
    assert_eq!(public.name()[2..], sha256(&data[2..]));
    assert!(PublicKey::from_spki_der(public.key().spki_der()).is_ok());
}

/// A stock evidence package. What verifies was signed by the captured TPM, so it says what that said.
pub fn evidence(data: &[u8]) {
    let Ok(package) = EvidencePackage::decode(data) else { return };
    let World { policy_key, references } = &*WORLD;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let expected = StockExpected { policy_key, window: Duration::from_mins(10) };
    let screened = screen_stock("tpm-platform-package", &package, references, &expected, now);
    if let Ok(attested) = screened.and_then(|screened| screened.verify(&Endorsements::default(), now)) {
        assert_eq!(attested.measurement(), &measurement());
        assert!(!attested.challenge_fresh());
    }
}
