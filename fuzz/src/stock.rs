//! Evidence as stock programs send it, against what made the captured ones.

use std::sync::LazyLock;
use std::time::Duration;

use claviger_attest::{
    Endorsements, EvidenceKind, Measurement, ReferenceValue, ReferenceValues, StockExpected, screen_stock,
};
use claviger_proto::key::{PublicKey, read_root};
use claviger_proto::trust::EvidencePackage;
use prost::Message as _;
use rustls_pki_types::UnixTime;

/// A moment at which the captured evidence is new: 2026-11-24T05:58, in seconds since 1970.
const NOW: u64 = 1_795_499_880;

const POLICY_KEY: &[u8] = include_bytes!("../../attest/tests/data/stock/policy_key.key_message.pb");
const PLATFORM_KEY: &[u8] = include_bytes!("../../attest/tests/data/stock/platform_key_file.bin");
const ENCLAVE: &[u8] = include_bytes!("../../attest/tests/data/stock/cf_utility.measurement");
const ARK: &[u8] = include_bytes!("../../attest/tests/data/stock/sev/ark_cert.der");

struct World {
    policy_key: PublicKey,
    references: ReferenceValues,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let guest: Vec<u8> = (1..=8).cycle().take(48).collect();
    let mut references = ReferenceValues::default();
    for (kind, measurement, root) in [
        (EvidenceKind::SimulatedEnclave, ENCLAVE, PLATFORM_KEY),
        (EvidenceKind::SimulatedSev, guest.as_slice(), ARK),
    ] {
        let measurement = Measurement::from_bytes(measurement).expect("a measurement");
        let root = read_root(root).expect("a root");
        references.add(ReferenceValue::new(kind, measurement, None, vec![root]).expect("a reference value"));
    }
    World { policy_key: read_root(POLICY_KEY).expect("a key"), references }
});

/// An evidence package, submitted as either kind. What verifies is never fresh, and is known however it is wrapped.
pub fn evidence(data: &[u8]) {
    let Ok(package) = EvidencePackage::decode(data) else { return };
    let world = &*WORLD;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let expected = StockExpected { policy_key: &world.policy_key, window: Duration::from_mins(10) };
    for submitted in ["vse-attestation-package", "sev-platform-package"] {
        let screen = |package| screen_stock(submitted, package, &world.references, &expected, now);
        let Ok(screened) = screen(&package) else { continue };
        let mut wrapped = package.clone();
        wrapped.prover_type.push('x');
        assert_eq!(screen(&wrapped).map(|other| *other.statement()), Ok(*screened.statement()));
        if let Ok(attested) = screened.verify(&Endorsements::default(), now) {
            assert!(!attested.challenge_fresh());
            assert!(PublicKey::from_spki_der(attested.spki()).is_ok());
        }
    }
}
