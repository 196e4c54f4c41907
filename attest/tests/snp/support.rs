//! A fake that starts as good evidence; a test changes one thing, and all of it is signed anew.

use std::time::Duration;

use claviger_attest::fakes::{FakeCertificate, FakePlatform, FakeReport};
use claviger_attest::{
    AttestError, Attested, Endorsements, EvidenceKind, Expected, Measurement, ReferenceValue,
    ReferenceValues, SnpProduct, SnpRequirements, SnpRule, SnpSigner, screen, snp_package, snp_report_data,
};
use claviger_proto::trust::EvidencePackage;
use rustls_pki_types::UnixTime;

pub(crate) const BINDING: [u8; 64] = [0xb1; 64];
pub(crate) const SUBMITTED: &str = "sev-snp-package";
pub(crate) const MEASUREMENT: [u8; 48] = [0x5a; 48];
pub(crate) const CSP: &str = "CN=test.invalid";

pub(crate) fn time(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

pub(crate) fn now() -> UnixTime {
    time(FakePlatform::NOW)
}

pub(crate) fn measurement() -> Measurement {
    Measurement::from_bytes(&MEASUREMENT).unwrap()
}

/// Demands that every good fake satisfies: Milan without a list, and the fakes' VLEK.
pub(crate) fn lenient() -> SnpRequirements {
    SnpRequirements {
        milan_without_chip_list: true,
        csp_ids: vec![CSP.to_owned()],
        ..SnpRequirements::default()
    }
}

/// Evidence before it is signed and packed.
#[expect(clippy::struct_excessive_bools, reason = "each says what comes along, and tests change one")]
pub(crate) struct Fake {
    pub(crate) platform: &'static FakePlatform,
    pub(crate) signer: SnpSigner,
    pub(crate) report: FakeReport,
    /// Whether somebody else signs the report.
    pub(crate) forged: bool,
    pub(crate) vek: FakeCertificate,
    pub(crate) intermediate: FakeCertificate,
    pub(crate) ark: FakeCertificate,
    pub(crate) with_ark: bool,
    pub(crate) with_intermediate: bool,
    pub(crate) with_vek: bool,
    pub(crate) crls: Vec<Vec<u8>>,
    pub(crate) user_data: Option<Vec<u8>>,
    pub(crate) demands: SnpRequirements,
    pub(crate) vmpl: u8,
    pub(crate) trusted: bool,
    pub(crate) expires: Option<i64>,
    pub(crate) now: UnixTime,
}

impl Fake {
    /// Good evidence of a product in a report version.
    pub(crate) fn of(product: SnpProduct, version: u32) -> Self {
        let platform = FakePlatform::of(product);
        let signer = SnpSigner::Vcek;
        Self {
            platform,
            signer,
            report: platform.report(version),
            forged: false,
            vek: platform.vek_certificate(signer),
            intermediate: platform.intermediate_certificate(signer),
            ark: platform.ark_certificate(),
            with_ark: true,
            with_intermediate: true,
            with_vek: true,
            crls: Vec::new(),
            user_data: None,
            demands: lenient(),
            vmpl: 0,
            trusted: true,
            expires: None,
            now: now(),
        }
    }

    /// Good evidence: a Genoa's, in the newest version.
    pub(crate) fn good() -> Self {
        Self::of(SnpProduct::Genoa, 5)
    }

    /// Good evidence that a VLEK signs; it hides its chip.
    pub(crate) fn vlek(product: SnpProduct, version: u32) -> Self {
        let mut fake = Self::of(product, version);
        fake.signer = SnpSigner::Vlek;
        fake.vek = fake.platform.vek_certificate(SnpSigner::Vlek);
        fake.intermediate = fake.platform.intermediate_certificate(SnpSigner::Vlek);
        fake.report.key_info = 0b00101;
        fake.report.chip_id = [0; 64];
        fake
    }

    pub(crate) fn signed_report(&self) -> Vec<u8> {
        let key = if self.forged { &self.platform.other } else { self.platform.vek_key(self.signer) };
        self.report.sign(key)
    }

    /// VEK, ASK or ASVK, ARK, as far as they come.
    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        let vek = self.with_vek.then(|| self.vek.sign(self.platform.intermediate_key(self.signer)));
        let intermediate = self.with_intermediate.then(|| self.intermediate.sign(&self.platform.ark));
        let ark = self.with_ark.then(|| self.ark.sign(&self.platform.ark));
        vek.into_iter().chain(intermediate).chain(ark).collect()
    }

    /// The package without certificates; they come from elsewhere.
    pub(crate) fn package(&self) -> EvidencePackage {
        snp_package(&self.signed_report(), None, self.user_data.as_deref())
    }

    pub(crate) fn policy(&self) -> ReferenceValues {
        let mut values = ReferenceValues::default();
        if self.trusted {
            let roots = vec![self.platform.root().clone()];
            let value = ReferenceValue::new(EvidenceKind::SevSnp, measurement(), None, roots).unwrap();
            values.add(value.with_vmpl(self.vmpl).expiring(self.expires).unwrap());
        }
        values.set_snp(self.demands.clone());
        values
    }

    /// As the broker would.
    pub(crate) fn verify(&self) -> Result<Attested, AttestError> {
        let expected = Expected { binding: &BINDING, spki: b"a key" };
        let screened = screen(SUBMITTED, &self.package(), &self.policy(), &expected, self.now)?;
        let certificates = self.certificates();
        let endorsements =
            Endorsements { certificates: &certificates, crls: &self.crls, ..Endorsements::default() };
        screened.verify(&endorsements, self.now)
    }

    /// It must be refused, by this rule.
    #[track_caller]
    pub(crate) fn refused_by(&self, rule: SnpRule) {
        match self.verify() {
            Err(AttestError::Snp { rule: found, .. }) if found == rule => {}
            other => panic!("expected {rule}, got {:?}", other.map(|_| "accepted")),
        }
    }

    #[track_caller]
    pub(crate) fn accepted(&self) {
        if let Err(error) = self.verify() {
            panic!("refused: {error}");
        }
    }
}

/// Good evidence with one thing changed.
pub(crate) fn but(change: impl FnOnce(&mut Fake)) -> Fake {
    changed(Fake::good(), change)
}

pub(crate) fn changed(mut fake: Fake, change: impl FnOnce(&mut Fake)) -> Fake {
    change(&mut fake);
    // User data is what the guest has signed along.
    if fake.user_data.is_some() {
        fake.report.report_data = snp_report_data(&BINDING, fake.user_data.as_deref());
    }
    fake
}
