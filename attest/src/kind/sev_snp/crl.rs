//! Certificate revocation lists (57230, CRL; RFC 5280 §5), as far as AMD's need it.

use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certs::{self, Dates};

/// Longest list that is read.
const MAX_CRL: usize = 64 * 1024;
/// The list's number and its signer's key: what may be critical without changing what a list means.
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];

/// A list that reads.
#[derive(Clone, Debug)]
pub(super) struct Crl {
    pub(super) issuer: Vec<u8>,
    pub(super) dates: Dates,
    /// Serials without the zeros in front.
    revoked: Vec<Vec<u8>>,
    tbs: Vec<u8>,
    signature: Vec<u8>,
}

impl Crl {
    pub(super) fn parse(der: &[u8]) -> Result<Self, &'static str> {
        if der.len() > MAX_CRL {
            return Err("the list is too long");
        }
        let Ok(([], list)) = CertificateRevocationList::from_der(der) else {
            return Err("the list isn't well-formed");
        };
        let tbs = &list.tbs_cert_list;
        if list.signature_algorithm != tbs.signature || !certs::is_pss_sha384(&list.signature_algorithm) {
            return Err("the list isn't signed with RSA-PSS and SHA-384");
        }
        if !certs::frame_is_der(der, tbs.as_ref(), &list.signature_value.data) {
            return Err("what isn't signed of the list isn't DER");
        }
        // A list of changes, or of a part, says less than it seems to.
        let known = |oid: &[u8]| oid == CRL_NUMBER || oid == AUTHORITY_KEY_ID;
        if tbs.extensions().iter().any(|extension| extension.critical && !known(extension.oid.as_bytes())) {
            return Err("the list has a critical extension that isn't known");
        }
        let next = list.next_update().ok_or("the list doesn't say until when it counts")?;
        let revoked = list.iter_revoked_certificates().map(|one| certs::number(one.raw_serial()).to_vec());
        Ok(Self {
            issuer: list.issuer().as_raw().to_vec(),
            dates: (list.last_update().timestamp(), next.timestamp()),
            revoked: revoked.collect(),
            tbs: tbs.as_ref().to_vec(),
            signature: list.signature_value.data.to_vec(),
        })
    }

    pub(super) fn revokes(&self, serial: &[u8]) -> bool {
        self.revoked.iter().any(|revoked| revoked == serial)
    }

    pub(super) fn signed_by(&self, spki: &[u8]) -> bool {
        certs::verify_rsa(spki, &self.tbs, &self.signature)
    }
}
