//! The platform: its keys, and the good certificates that tests then spoil.

use std::sync::LazyLock;

use claviger_proto::Secret;
use claviger_proto::key::{PrivateKey, PublicKey};

use super::FakeReport;
use super::certificate::{AMD, FakeCertificate, FakeSignature};
use crate::key::SigningKey;
use crate::kind::sev_snp::{SnpProduct, SnpSigner, SnpTcb, TableEntry, write_certificate_table};
use crate::simulated_snp::certificate::{CertificateForm, VekOwner};

/// A key that everybody has.
pub type FakeKey = SigningKey;

fn read_key(pkcs8: &[u8]) -> FakeKey {
    let private = PrivateKey::from_pkcs8_der(Secret::copy_from(pkcs8)).expect("a key");
    SigningKey::from_private(&private).expect("a key that signs")
}

/// The keys of a platform of a product: certificates and reports are made from it.
pub struct FakePlatform {
    /// Of which product it plays a platform.
    pub product: SnpProduct,
    /// The root.
    pub ark: FakeKey,
    /// Signs VCEKs.
    pub ask: FakeKey,
    /// Signs VLEKs.
    pub asvk: FakeKey,
    /// Signs reports.
    pub vcek: FakeKey,
    /// Signs reports.
    pub vlek: FakeKey,
    /// Somebody else's, P-384.
    pub other: FakeKey,
}

const YEAR: u64 = 365 * 86_400;

impl FakePlatform {
    /// The TCB that everything of it is at; Turin has all its parts.
    pub const TCB: SnpTcb = SnpTcb { fmc: 2, bootloader: 4, tee: 1, snp: 24, microcode: 219 };

    /// When everything of it is valid: 2027-01-15, in seconds since 1970.
    pub const NOW: u64 = 1_800_000_000;

    /// A platform of this product. There is one of each, so that keys are read once.
    pub fn of(product: SnpProduct) -> &'static Self {
        static ALL: LazyLock<Vec<FakePlatform>> =
            LazyLock::new(|| SnpProduct::ALL.iter().map(|product| FakePlatform::read(*product)).collect());
        ALL.iter().find(|platform| platform.product == product).expect("there is one of each product")
    }

    fn read(product: SnpProduct) -> Self {
        Self {
            product,
            ark: read_key(include_bytes!("data/test-only-ark.pkcs8.der")),
            ask: read_key(include_bytes!("data/test-only-ask.pkcs8.der")),
            asvk: read_key(include_bytes!("data/test-only-asvk.pkcs8.der")),
            vcek: read_key(include_bytes!("data/test-only-vcek.pkcs8.der")),
            vlek: read_key(include_bytes!("data/test-only-vlek.pkcs8.der")),
            other: read_key(include_bytes!("data/test-only-other.pkcs8.der")),
        }
    }

    /// The root that a domain must name to trust it.
    pub fn root(&self) -> &PublicKey {
        self.ark.public()
    }

    /// The id of its chip: 64 bytes, of which a Turin uses 8.
    pub fn chip_id(product: SnpProduct) -> [u8; 64] {
        let mut id = [0; 64];
        id[..product.chip_id_len()].fill(0xc1);
        id
    }

    /// The ARK's certificate.
    pub fn ark_certificate(&self) -> FakeCertificate {
        good(CertificateForm::ark(self.product, &self.ark), 5)
    }

    /// The ASK's (for a VCEK) or ASVK's (for a VLEK).
    pub fn intermediate_certificate(&self, signer: SnpSigner) -> FakeCertificate {
        good(CertificateForm::intermediate(self.product, signer, self.intermediate_key(signer)), 5)
    }

    /// The VCEK's certificate, or the VLEK's.
    pub fn vek_certificate(&self, signer: SnpSigner) -> FakeCertificate {
        let chip = Self::chip_id(self.product);
        let owner = match signer {
            SnpSigner::Vcek => VekOwner::Chip(&chip),
            SnpSigner::Vlek => VekOwner::Provider("CN=test.invalid"),
        };
        good(CertificateForm::vek(self.product, owner, Self::TCB, self.vek_key(signer)), 1)
    }

    /// The key that signs certificates of this kind's VEKs.
    pub fn intermediate_key(&self, signer: SnpSigner) -> &FakeKey {
        match signer {
            SnpSigner::Vcek => &self.ask,
            SnpSigner::Vlek => &self.asvk,
        }
    }

    /// The key that signs reports.
    pub fn vek_key(&self, signer: SnpSigner) -> &FakeKey {
        match signer {
            SnpSigner::Vcek => &self.vcek,
            SnpSigner::Vlek => &self.vlek,
        }
    }

    /// All certificates of a good chain, DER: VEK, ASK or ASVK, ARK.
    pub fn chain(&self, signer: SnpSigner) -> [Vec<u8>; 3] {
        [
            self.vek_certificate(signer).sign(self.intermediate_key(signer)),
            self.intermediate_certificate(signer).sign(&self.ark),
            self.ark_certificate().sign(&self.ark),
        ]
    }

    /// The same as the table that a host gives its guests.
    pub fn certificate_table(&self, signer: SnpSigner) -> Vec<u8> {
        let [vek, intermediate, ark] = self.chain(signer);
        let kind = if signer == SnpSigner::Vcek { TableEntry::Vcek } else { TableEntry::Vlek };
        write_certificate_table(&[(kind, &vek), (TableEntry::Ask, &intermediate), (TableEntry::Ark, &ark)])
    }

    /// A good report of a version, signed by its VCEK.
    pub fn report(&self, version: u32) -> FakeReport {
        FakeReport::good(self.product, version)
    }
}

/// With a name and a signature as AMD's, valid from so many years before [`FakePlatform::NOW`].
fn good(form: CertificateForm, years: u64) -> FakeCertificate {
    let validity = (FakePlatform::NOW - years * YEAR, FakePlatform::NOW + 20 * YEAR);
    let form = CertificateForm { organization: AMD, validity, ..form };
    FakeCertificate { form, signature: FakeSignature::Pss }
}
