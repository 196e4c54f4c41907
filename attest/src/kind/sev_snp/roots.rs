//! Where trust begins: AMD's root keys, one for each product, or a root that a domain names.

use std::sync::LazyLock;

use claviger_proto::key::PublicKey;

use super::certs::Certificate;
use super::product::SnpProduct;

/// AMD's ARK and ASK of a product, as AMD's key distribution service gives them (57230, `cert_chain`). The
/// fingerprints are in docs/attestation.md, and a test holds these files to them.
const AMD: [(SnpProduct, &[u8], &[u8]); 3] = [
    (SnpProduct::Milan, include_bytes!("roots/milan-ark.der"), include_bytes!("roots/milan-ask.der")),
    (SnpProduct::Genoa, include_bytes!("roots/genoa-ark.der"), include_bytes!("roots/genoa-ask.der")),
    (SnpProduct::Turin, include_bytes!("roots/turin-ark.der"), include_bytes!("roots/turin-ask.der")),
];

/// AMD's ARK and ASK of a product, DER: what evidence may leave out.
pub fn amd_certificates(product: SnpProduct) -> (&'static [u8], &'static [u8]) {
    let [milan, genoa, turin] = AMD;
    let (_, ark, ask) = match product {
        SnpProduct::Milan => milan,
        SnpProduct::Genoa => genoa,
        SnpProduct::Turin => turin,
    };
    (ark, ask)
}

static AMD_ROOTS: LazyLock<Vec<(SnpProduct, Certificate)>> = LazyLock::new(|| {
    let ark = |ark| Certificate::parse(ark).expect("AMD's root certificates are well-formed");
    AMD.into_iter().map(|(product, der, _)| (product, ark(der))).collect()
});

/// Which roots count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Roots {
    /// Whether AMD's do.
    pub(super) amd: bool,
    /// The ARKs' keys of test platforms that the domain trusts by name, of whatever product.
    pub(super) named: Vec<PublicKey>,
}

/// A root key, and what is known of its certificate.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) spki: Vec<u8>,
    pub(super) certificate: Option<&'static Certificate>,
}

impl Roots {
    /// AMD's and no other.
    pub(super) fn amd() -> Self {
        Self { amd: true, named: Vec::new() }
    }

    /// Whether none count.
    pub(super) fn is_none(&self) -> bool {
        !self.amd && self.named.is_empty()
    }

    /// Roots under which an ASK or ASVK of this product may be signed.
    pub(super) fn of(&self, product: SnpProduct) -> Vec<Root> {
        let amd = AMD_ROOTS.iter().filter(|(known, _)| self.amd && *known == product);
        let amd = amd.map(|(_, ark)| Root { spki: ark.spki.clone(), certificate: Some(ark) });
        let named = self.named.iter().map(|key| Root { spki: key.spki_der().to_vec(), certificate: None });
        amd.chain(named).collect()
    }

    /// The ASK that is known without being told.
    pub(super) fn ask(&self, product: SnpProduct) -> Option<&'static [u8]> {
        self.amd.then(|| amd_certificates(product).1)
    }

    /// What tells one set of roots from another.
    pub(super) fn identity(&self) -> Vec<&[u8]> {
        let amd: &[u8] = if self.amd { b"amd" } else { b"" };
        std::iter::once(amd).chain(self.named.iter().map(PublicKey::spki_der)).collect()
    }
}
