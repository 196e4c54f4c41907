//! Revocation lists that a verifier keeps by itself: read and verified once, then held against every chain of their root.

use std::sync::Arc;

use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;

use super::certs::{Certificate, Class, Dates};
use super::crl::Crl;
use super::product::SnpProduct;
use super::roots::amd_certificates;
use crate::digest::sha256;

/// A list that one of AMD's ARKs signed, or the ARK of a test platform (57230, CRL; RFC 5280 §5). It has no other
/// constructor than [`Self::read`], which verifies the signature. Its dates are looked at each time. Clones share it.
#[derive(Clone, Debug)]
pub struct SnpRevocationList(Arc<Verified>);

#[derive(Debug)]
struct Verified {
    crl: Crl,
    product: SnpProduct,
    spki: Vec<u8>,
    digest: [u8; 32],
}

/// Why a list can't be kept. The operator's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationListError {
    /// Not a list, or one of a form that isn't AMD's.
    #[error("it can't be used as a revocation list: {0}")]
    Form(&'static str),
    /// PEM, or something else, with no list or several in it.
    #[error("it isn't exactly one revocation list, DER or PEM (BEGIN X509 CRL)")]
    NotOne,
    /// Signed by somebody else, or altered.
    #[error("no ARK signed it: not AMD's, nor that of a certificate ark… beside it")]
    Signature,
}

impl SnpRevocationList {
    /// Reads one list, DER or PEM, that AMD's ARK of some product signed, or one of these certificates of other ARKs (DER).
    pub fn read(bytes: &[u8], others: &[Vec<u8>]) -> Result<Self, RevocationListError> {
        let der = one_der(bytes).ok_or(RevocationListError::NotOne)?;
        let crl = Crl::parse(&der).map_err(RevocationListError::Form)?;
        let amd = SnpProduct::ALL.iter().map(|product| amd_certificates(*product).0);
        let arks = amd.chain(others.iter().map(Vec::as_slice)).filter_map(|der| Certificate::parse(der).ok());
        let mut arks = arks.filter(|ark| ark.subject == crl.issuer && crl.signed_by(&ark.spki));
        let ark = arks.next().ok_or(RevocationListError::Signature)?;
        let Class::Ark(product) = ark.class else { return Err(RevocationListError::Signature) };
        Ok(Self(Arc::new(Verified { crl, product, spki: ark.spki, digest: sha256(&der) })))
    }

    /// The product whose ARK signed it.
    pub fn product(&self) -> SnpProduct {
        self.0.product
    }

    /// First and last second in which it counts, since 1970: `thisUpdate` and `nextUpdate`.
    pub fn dates(&self) -> (i64, i64) {
        self.0.crl.dates
    }

    /// Those dates as text (RFC 3339), as the rule's outcome has them.
    pub fn dates_text(&self) -> (String, String) {
        let text = |at| crate::reference::time_text(at).unwrap_or_default();
        (text(self.dates().0), text(self.dates().1))
    }

    /// Whether it is of the same ARK as the other.
    pub fn same_ark(&self, other: &Self) -> bool {
        self.0.spki == other.0.spki
    }

    /// Whether the other, of the same ARK, was issued later.
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.same_ark(other) && self.dates().0 < other.dates().0
    }

    pub(super) fn is_of(&self, spki: &[u8]) -> bool {
        self.0.spki == spki
    }

    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }

    /// What it revokes of these serials, by its dates at `now`.
    pub(super) fn check(&self, serials: &[&[u8]], now: i64) -> Result<Dates, String> {
        check(&self.0.crl, serials, now)
    }
}

/// What every list is asked, whoever brought it.
pub(super) fn check(crl: &Crl, serials: &[&[u8]], now: i64) -> Result<Dates, String> {
    outcome_of_dates(crl.dates, now)?;
    if serials.iter().any(|serial| crl.revokes(serial)) {
        return Err("the list revokes a certificate of the chain".to_owned());
    }
    Ok(crl.dates)
}

/// Whether lists with these dates count at `now`.
pub(super) fn outcome_of_dates((from, until): Dates, now: i64) -> Result<(), String> {
    let text = |at| crate::reference::time_text(at).unwrap_or_default();
    if now > until {
        return Err(format!("the revocation list is out of date: it counted until {}", text(until)));
    }
    if now < from {
        return Err(format!("the revocation list doesn't count yet: it was issued at {}", text(from)));
    }
    Ok(())
}

fn one_der(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.first() == Some(&0x30) {
        return Some(bytes.to_vec());
    }
    let mut lists = CertificateRevocationListDer::pem_slice_iter(bytes);
    let first = lists.next()?.ok()?;
    lists.next().is_none().then(|| first.to_vec())
}
