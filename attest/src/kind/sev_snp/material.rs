//! Certificates and lists as they come, from the evidence or from elsewhere: DER or PEM, sorted by what they are.

use aws_lc_rs::digest::{Context, SHA256};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::certs::{Certificate, Class};
use super::product::SnpProduct;
use super::report::SnpSigner;
use super::revocation::SnpRevocationList;
use super::roots::Roots;
use super::table::{self, TableEntry};

/// Most certificates and lists that are looked at.
const MAX_PARTS: usize = 16;

const NEITHER: &str = "a certificate is neither DER nor PEM";

/// What came, as DER, unread.
#[derive(Clone, Debug, Default)]
pub(super) struct Material {
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) crls: Vec<Vec<u8>>,
    /// The verifier's own, verified.
    pub(super) lists: Vec<SnpRevocationList>,
}

impl Material {
    /// What a certificate table points to.
    pub(super) fn from_table(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut material = Self::default();
        for (entry, blob) in table::read_certificate_table(bytes)? {
            match entry {
                TableEntry::Crl => material.add_crl(blob)?,
                _ => material.add_certificate(blob)?,
            }
        }
        Ok(material)
    }

    /// A certificate, DER, or PEM with one or more.
    pub(super) fn add_certificate(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        if is_der(bytes) {
            self.certificates.push(bytes.to_vec());
            return self.bounded();
        }
        let before = self.certificates.len();
        for der in CertificateDer::pem_slice_iter(bytes).take(MAX_PARTS + 1) {
            self.certificates.push(der.map_err(|_| NEITHER)?.to_vec());
        }
        // A host may leave an entry of its table empty; text without a certificate in it is a mistake.
        if self.certificates.len() == before && !bytes.is_empty() { Err(NEITHER) } else { self.bounded() }
    }

    /// A list, DER, or PEM with one or more.
    pub(super) fn add_crl(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        if is_der(bytes) {
            self.crls.push(bytes.to_vec());
        } else {
            for der in CertificateRevocationListDer::pem_slice_iter(bytes).take(MAX_PARTS + 1) {
                self.crls.push(der.map_err(|_| "a revocation list is neither DER nor PEM")?.to_vec());
            }
        }
        self.bounded()
    }

    fn bounded(&self) -> Result<(), &'static str> {
        if self.certificates.len() + self.crls.len() > MAX_PARTS {
            Err("there are too many certificates")
        } else {
            Ok(())
        }
    }

    /// The product of the first VEK of this kind that came, by its issuer's name.
    pub(super) fn product_of_vek(&self, signer: SnpSigner) -> Option<SnpProduct> {
        let parsed = self.certificates.iter().filter_map(|der| Certificate::parse(der).ok());
        parsed.filter(|one| one.class == Class::Vek(signer)).find_map(|one| match one.issuer_class {
            Class::Intermediate(_, product) => Some(product),
            _ => None,
        })
    }

    /// A digest of all that a chain is made from: where it is the same, so is the chain.
    pub(super) fn identity(&self, roots: &Roots, signer: Option<SnpSigner>) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let mut list = |parts: &[&[u8]]| {
            context.update(&parts.len().to_be_bytes());
            for part in parts {
                context.update(&part.len().to_be_bytes());
                context.update(part);
            }
        };
        let signer: &[u8] = if signer == Some(SnpSigner::Vlek) { b"vlek" } else { b"vcek" };
        list(&[signer]);
        list(&roots.identity());
        list(&self.certificates.iter().map(Vec::as_slice).collect::<Vec<_>>());
        list(&self.crls.iter().map(Vec::as_slice).collect::<Vec<_>>());
        list(&self.lists.iter().map(|one| one.digest().as_slice()).collect::<Vec<_>>());
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        out
    }
}

fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}
