//! The platform: its keys, and the good certificates that tests then spoil.

use std::sync::LazyLock;

use aws_lc_rs::signature::RsaEncoding;
use claviger_proto::Secret;
use claviger_proto::key::{PrivateKey, PublicKey};

use super::certificate::{FakeCertificate, FakeExtension, FakeSignature, amd_oid, small};
use super::report::FakeReport;
use crate::cert::der::{self, tlv};
use crate::key::SigningKey;
use crate::kind::sev_snp::{SnpProduct, SnpSigner, SnpTcb, TableEntry, write_certificate_table};

/// A key that everybody has.
pub struct FakeKey(SigningKey);

impl FakeKey {
    fn read(pkcs8: &[u8]) -> Self {
        let private = PrivateKey::from_pkcs8_der(Secret::copy_from(pkcs8)).expect("a key");
        Self(SigningKey::from_private(&private).expect("a key that signs"))
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        self.0.public()
    }

    pub(super) fn pkcs8(&self) -> &[u8] {
        self.0.pkcs8_der()
    }

    pub(super) fn rsa_sign(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        self.0.sign_with(encoding, message).expect("signed")
    }
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
            ark: FakeKey::read(include_bytes!("data/test-only-ark.pkcs8.der")),
            ask: FakeKey::read(include_bytes!("data/test-only-ask.pkcs8.der")),
            asvk: FakeKey::read(include_bytes!("data/test-only-asvk.pkcs8.der")),
            vcek: FakeKey::read(include_bytes!("data/test-only-vcek.pkcs8.der")),
            vlek: FakeKey::read(include_bytes!("data/test-only-vlek.pkcs8.der")),
            other: FakeKey::read(include_bytes!("data/test-only-other.pkcs8.der")),
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
        let name = format!("ARK-{}", self.product.certificate_name());
        Self::authority(name.clone(), name, self.ark.public(), 0x06, vec![1])
    }

    /// The ASK's (for a VCEK) or ASVK's (for a VLEK).
    pub fn intermediate_certificate(&self, signer: SnpSigner) -> FakeCertificate {
        let product = self.product.certificate_name();
        let (subject, key) = match signer {
            SnpSigner::Vcek => (format!("SEV-{product}"), &self.ask),
            SnpSigner::Vlek => (format!("SEV-VLEK-{product}"), &self.asvk),
        };
        Self::authority(format!("ARK-{product}"), subject, key.public(), 0x04, vec![1, 0, 1])
    }

    fn authority(
        issuer: String,
        subject: String,
        key: &PublicKey,
        usage: u8,
        serial: Vec<u8>,
    ) -> FakeCertificate {
        let yes = tlv(der::BOOLEAN, &[&[0xff]]);
        let unused = u8::try_from(usage.trailing_zeros()).unwrap_or(0);
        let critical = |arc, value| FakeExtension { oid: vec![0x55, 0x1d, arc], critical: true, value };
        FakeCertificate {
            version: 2,
            serial,
            issuer,
            subject,
            validity: (Self::NOW - 5 * YEAR, Self::NOW + 20 * YEAR),
            spki: key.spki_der().to_vec(),
            extensions: vec![
                critical(0x13, tlv(der::SEQUENCE, &[&yes])),
                critical(0x0f, tlv(der::BIT_STRING, &[&[unused, usage]])),
            ],
            signature: FakeSignature::Pss,
        }
    }

    /// The VCEK's certificate, or the VLEK's.
    pub fn vek_certificate(&self, signer: SnpSigner) -> FakeCertificate {
        let product = self.product.certificate_name();
        let (issuer, subject, key) = match signer {
            SnpSigner::Vcek => (format!("SEV-{product}"), "SEV-VCEK", &self.vcek),
            SnpSigner::Vlek => (format!("SEV-VLEK-{product}"), "SEV-VLEK", &self.vlek),
        };
        FakeCertificate {
            version: 2,
            serial: vec![0],
            issuer,
            subject: subject.to_owned(),
            validity: (Self::NOW - YEAR, Self::NOW + 20 * YEAR),
            spki: key.public().spki_der().to_vec(),
            extensions: self.vek_extensions(signer),
            signature: FakeSignature::Pss,
        }
    }

    fn vek_extensions(&self, signer: SnpSigner) -> Vec<FakeExtension> {
        let extension = |arcs: &[u8], value| FakeExtension { oid: amd_oid(arcs), critical: false, value };
        let text = |text: &str| tlv(0x16, &[text.as_bytes()]);
        let turin = self.product == SnpProduct::Turin;
        let tcb = Self::TCB;
        let stepping = if signer == SnpSigner::Vcek { "-B0" } else { "" };
        let mut all = vec![
            extension(&[1], small(u8::from(turin))),
            extension(&[2], text(&format!("{}{stepping}", self.product.certificate_name()))),
            extension(&[3, 1], small(tcb.bootloader)),
            extension(&[3, 2], small(tcb.tee)),
            extension(&[3, 3], small(tcb.snp)),
            extension(&[3, 5], small(0)),
            extension(&[3, 6], small(0)),
            extension(&[3, 7], small(0)),
            extension(&[3, 8], small(tcb.microcode)),
        ];
        all.push(if turin { extension(&[3, 9], small(tcb.fmc)) } else { extension(&[3, 4], small(0)) });
        all.push(match signer {
            SnpSigner::Vcek => {
                extension(&[4], Self::chip_id(self.product)[..self.product.chip_id_len()].to_vec())
            }
            SnpSigner::Vlek => extension(&[5], text("CN=test.invalid")),
        });
        all
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
